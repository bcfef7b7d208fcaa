package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// filledStore has count config maps of about size bytes in ten namespaces.
func filledStore(tb testing.TB, count, size int) (*store, *bucket) {
	s := newStore(storeWindow{100_000, 64 << 20}, nil)
	b := s.resource("configmaps")
	for i := range count {
		ns, name := fmt.Sprint("ns-", i%10), fmt.Sprintf("cm-%06d", i)
		d := encodeDraft(configMapOf(ns, name, size), nil)
		mustCommit(tb, s, change{bucket: b, key: ns + "/" + name, next: &d})
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
	sn := b.now()
	t.Logf("%d objects of %d bytes take %d bytes of heap", sn.count(), sn.bytes(), grown)
	if grown > 25<<20 {
		t.Errorf("they take %d bytes", grown)
	}
	if per := sn.bytes() / int64(sn.count()); per < 1400 || per > 1600 {
		t.Errorf("an object has %d bytes: the measure is of others", per)
	}
	runtime.KeepAlive(s)
}

func BenchmarkEncodeDraft(b *testing.B) {
	obj := configMapOf("ns", "a", 1000)
	b.ReportAllocs()
	for b.Loop() {
		encodeDraft(obj, nil)
	}
}

func BenchmarkStoreCommit(b *testing.B) {
	s, bucket := filledStore(b, 10_000, 1000)
	d := encodeDraft(configMapOf("ns-1", "cm-000001", 1000), nil)
	keys := make([]string, 0, 10_000)
	sn := bucket.now()
	for o := range sn.scan("", "") {
		keys = append(keys, o.key)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := s.commit(context.Background(), change{bucket: bucket, key: keys[i*7919%len(keys)], expect: -1, next: &d}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStoreGet(b *testing.B) {
	_, bucket := filledStore(b, 10_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		sn := bucket.now()
		if sn.get("ns-7/cm-004567") == nil {
			b.Fatal("it is not there")
		}
	}
}

func BenchmarkStoreScan(b *testing.B) {
	_, bucket := filledStore(b, 10_000, 1000)
	b.ReportAllocs()
	for b.Loop() {
		sn, n := bucket.now(), 0
		for o := range sn.scan("", "") {
			n += len(o.raw())
		}
		if int64(n) != sn.bytes() {
			b.Fatal("objects are missing")
		}
	}
}

// A page of the past: the state of 1,000 writes ago.
func BenchmarkStoreRebuild(b *testing.B) {
	s, bucket := filledStore(b, 10_000, 1000)
	rev := s.revision() - 1000
	b.ReportAllocs()
	for b.Loop() {
		s.pages.list = nil
		if sn, err := bucket.at(rev); err != nil || sn.count() != 9_000 {
			b.Fatal(err)
		}
	}
}

// One commit that 1,000 watchers wait for, until the last of them has it.
func BenchmarkStoreWake(b *testing.B) {
	s := newStore(storeWindow{100_000, 64 << 20}, nil)
	bucket := s.resource("configmaps")
	d := encodeDraft(configMapOf("ns", "a", 1000), nil)
	var got, all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			c, _ := bucket.watch(1)
			var into []*logEvent
			for {
				events, wait, _ := c.next(into[:0], 16)
				for _, e := range events {
					if e.kind == eventDeleted {
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
		if _, err := s.commit(context.Background(), change{bucket: bucket, key: "a", expect: -1, next: &d}); err != nil {
			b.Fatal(err)
		}
		got.Wait()
	}
	mustCommit(b, s, change{bucket: bucket, key: "a", expect: -1})
	all.Wait()
}
