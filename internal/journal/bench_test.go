package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/store"
)

// manyDrafts returns count drafts of about 1.5 KB.
func manyDraft(i int) (string, *store.Draft) {
	ns, name := fmt.Sprint("ns-", i%10), fmt.Sprintf("cm-%06d", i)
	d := store.Encode(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"text": strings.Repeat("x", 1200)},
		"metadata": map[string]any{
			"name": name, "namespace": ns, "uid": fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "creationTimestamp": "2026-01-01T00:00:00Z",
			"labels": map[string]any{"app": "bench", "tier": "web"},
		},
	}, []string{name, ns})
	return ns + "/" + name, &d
}

// fill commits count objects, a hundred at a time.
func fill(tb testing.TB, s *store.Store, count int) {
	b := s.Bucket("configmaps")
	for from := 0; from < count; from += 100 {
		var cs []store.Change
		for i := from; i < min(from+100, count); i++ {
			key, d := manyDraft(i)
			cs = append(cs, store.Change{Bucket: b, Key: key, Expect: -1, Next: d})
		}
		if _, err := s.Commit(context.Background(), cs...); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkLoad is a restart with 100,000 objects: of a snapshot, and of a journal with a commit for each hundred.
func BenchmarkLoad(b *testing.B) {
	window := store.Window{Events: 1000, Bytes: 64 << 20}
	fromJournal := b.TempDir()
	s := store.New(window)
	if err := s.Open(b.Context(), opened(b, fromJournal, Options{})); err != nil {
		b.Fatal(err)
	}
	fill(b, s, 100_000)
	fromSnapshot := b.TempDir()
	f, err := os.Create(filepath.Join(fromSnapshot, "backup"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := Backup(s, f); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	s = nil
	for name, dir := range map[string]string{"snapshot": fromSnapshot, "journal": fromJournal} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s := store.New(window)
				if err := s.Open(b.Context(), opened(b, dir, Options{})); err != nil {
					b.Fatal(err)
				}
				now := s.Bucket("configmaps").Now()
				if now.Count() != 100_000 {
					b.Fatalf("there are %d objects", now.Count())
				}
				b.SetBytes(now.Bytes())
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCommit is creates by several writers, with the flushes of the disk measured beside.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 64} {
		for backend, mode := range map[string]Sync{"memory": 0, "never": Never, "always": Always} {
			b.Run(fmt.Sprintf("%s-%d", backend, writers), func(b *testing.B) {
				s := store.New(store.Window{Events: 1000, Bytes: 64 << 20})
				var j *Journal
				if backend != "memory" {
					j = opened(b, b.TempDir(), Options{Sync: mode})
					if err := s.Open(b.Context(), j); err != nil {
						b.Fatal(err)
					}
				}
				var each sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for w := range writers {
					each.Go(func() {
						for i := w; i < b.N; i += writers {
							key, d := manyDraft(i)
							c := store.Change{Bucket: s.Bucket("configmaps"), Key: key, Expect: -1, Next: d}
							if _, err := s.Commit(context.Background(), c); err != nil {
								b.Error(err)
							}
						}
					})
				}
				each.Wait()
				b.StopTimer()
				if j != nil {
					st := j.Stats()
					b.ReportMetric(float64(st.FsyncP50.Microseconds()), "fsync-p50-µs")
					b.ReportMetric(float64(st.FsyncP99.Microseconds()), "fsync-p99-µs")
				}
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

// BenchmarkFsync is what the disk takes for a write of 1.5 KB and its flush: what a journal cannot be quicker than.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	text, took := make([]byte, 1600), []time.Duration{}
	for b.Loop() {
		began := time.Now()
		if _, err := f.Write(text); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkSnapshot is a snapshot of 100,000 objects beside writers, who write as often before it: what it costs them.
func BenchmarkSnapshot(b *testing.B) {
	for name, mode := range map[string]Sync{"never": Never, "always": Always} {
		b.Run(name, func(b *testing.B) {
			j := opened(b, b.TempDir(), Options{Sync: mode, SegmentBytes: 1 << 40})
			s := store.New(store.Window{Events: 1000, Bytes: 64 << 20})
			if err := s.Open(b.Context(), j); err != nil {
				b.Fatal(err)
			}
			fill(b, s, 100_000)
			var quiet, during []time.Duration
			for b.Loop() {
				began := time.Now()
				during = append(during, latencies(b, s, func() {
					if _, _, err := j.snapshot(b.Context(), s); err != nil {
						b.Error(err)
					}
				})...)
				took := time.Since(began)
				quiet = append(quiet, latencies(b, s, func() { time.Sleep(took) })...)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(2*b.N), "snapshot-ms")
			for what, took := range map[string][]time.Duration{"quiet": quiet, "during": during} {
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), what+"-p50-µs")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), what+"-p99-µs")
				b.ReportMetric(float64(took[len(took)-1].Microseconds()), what+"-max-µs")
			}
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

// latencies returns how long each write of four writers takes who write a hundred times a second until do returns.
func latencies(b *testing.B, s *store.Store, do func()) (all []time.Duration) {
	ctx, stop := context.WithCancel(b.Context())
	var each sync.WaitGroup
	var mu sync.Mutex
	for w := range 4 {
		each.Go(func() {
			var took []time.Duration
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for i := w; ctx.Err() == nil; i += 4 {
				key, d := manyDraft(i % 100_000)
				began := time.Now()
				if _, err := s.Commit(context.Background(), store.Change{Bucket: s.Bucket("configmaps"), Key: key, Expect: -1, Next: d}); err != nil {
					b.Error(err)
				}
				took = append(took, time.Since(began))
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	do()
	stop()
	each.Wait()
	return all
}
