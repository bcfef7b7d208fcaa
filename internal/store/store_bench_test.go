package store

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// filledStore has count config maps of about size bytes in ten namespaces.
func filledStore(tb testing.TB, count, size int) (*Store, *Bucket) {
	s := New(Window{Events: 100_000, Bytes: 64 << 20})
	b := s.Bucket("configmaps")
	for i := range count {
		ns, name := fmt.Sprint("ns-", i%10), fmt.Sprintf("cm-%06d", i)
		d := Encode(configMapOf(ns, name, size), nil)
		mustCommit(tb, s, Change{Bucket: b, Key: ns + "/" + name, Next: &d})
	}
	return s, b
}

// 10,000 objects and the log of their creation are little more than their texts.
func TestMemoryOfObjects(t *testing.T) {
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	s, b := filledStore(t, 10_000, 1100)
	grown := used() - before
	sn := b.Now()
	t.Logf("%d objects of %d bytes take %d bytes of heap", sn.Count(), sn.Bytes(), grown)
	if grown > 25<<20 {
		t.Errorf("they take %d bytes", grown)
	}
	if per := sn.Bytes() / int64(sn.Count()); per < 1400 || per > 1600 {
		t.Errorf("an object has %d bytes: the measure is of others", per)
	}
	runtime.KeepAlive(s)
}

func BenchmarkEncodeDraft(b *testing.B) {
	obj := configMapOf("ns", "a", 1000)
	b.ReportAllocs()
	for b.Loop() {
		Encode(obj, nil)
	}
}

func BenchmarkStoreCommit(b *testing.B) {
	s, bucket := filledStore(b, 10_000, 1000)
	d := Encode(configMapOf("ns-1", "cm-000001", 1000), nil)
	keys := make([]string, 0, 10_000)
	sn := bucket.Now()
	for o := range sn.Scan("", "") {
		keys = append(keys, o.Key)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := s.Commit(context.Background(), Change{Bucket: bucket, Key: keys[i*7919%len(keys)], Expect: -1, Next: &d}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStoreGet(b *testing.B) {
	_, bucket := filledStore(b, 10_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		sn := bucket.Now()
		if sn.Get("ns-7/cm-004567") == nil {
			b.Fatal("it is not there")
		}
	}
}

func BenchmarkStoreScan(b *testing.B) {
	_, bucket := filledStore(b, 10_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		sn, n := bucket.Now(), 0
		for o := range sn.Scan("", "") {
			n += len(o.Raw())
		}
		if int64(n) != sn.Bytes() {
			b.Fatal("objects are missing")
		}
	}
}

// A page of the past: the state of 1,000 writes ago.
func BenchmarkStoreRebuild(b *testing.B) {
	s, bucket := filledStore(b, 10_000, 1000)
	rev := s.Revision() - 1000
	b.ReportAllocs()
	for b.Loop() {
		s.pages.list = nil
		if sn, err := bucket.At(rev); err != nil || sn.Count() != 9_000 {
			b.Fatal(err)
		}
	}
}

// One commit that 1,000 watchers wait for, until the last of them has it.
func BenchmarkStoreWake(b *testing.B) {
	s := New(Window{Events: 100_000, Bytes: 64 << 20})
	bucket := s.Bucket("configmaps")
	d := Encode(configMapOf("ns", "a", 1000), nil)
	var got, all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			c, _ := bucket.Watch(1)
			var into []*Event
			for {
				events, wait, _ := c.Next(into[:0], 16)
				for _, e := range events {
					if e.Kind == Deleted {
						return
					}
					got.Done()
				}
				if into = events; wait != nil {
					<-wait
				}
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		got.Add(1000)
		if _, err := s.Commit(context.Background(), Change{Bucket: bucket, Key: "a", Expect: -1, Next: &d}); err != nil {
			b.Fatal(err)
		}
		got.Wait()
	}
	mustCommit(b, s, Change{Bucket: bucket, Key: "a", Expect: -1})
	all.Wait()
}
