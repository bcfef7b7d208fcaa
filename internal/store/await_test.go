package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// commitOne moves the revision by one.
func commitOne(t testing.TB, s *Store, bucket string) {
	t.Helper()
	mustCommit(t, s, Change{Bucket: s.Bucket(bucket), Key: "a", Expect: -1, Next: numbered(1)})
}

// What is there already is not waited for, whatever the context says, and leaves no channel
// for the next commit to close.
func TestAwaitWhatIsThere(t *testing.T) {
	s := storeOf(10)
	commitOne(t, s, "things") // 2
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, rev := range []int64{-1, 0, 1, 2} {
		for _, ctx := range []context.Context{context.Background(), ended} {
			if err := s.Await(ctx, rev); err != nil {
				t.Errorf("%d of 2: %v", rev, err)
			}
		}
	}
	if s.wake.ch.Load() != nil {
		t.Error("nobody waits, and there is a channel")
	}
	if err := s.Await(ended, 3); err != context.Canceled {
		t.Errorf("3 of 2 with a context that has ended: %v", err)
	}
}

// Many wait for revisions near and far: after each commit exactly those have returned whose
// revision is there, a commit of several changes counts for all of them, and nobody's waiting
// takes a goroutine of the store's.
func TestAwaitWakesWhoIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storeOf(10)
		before := runtime.NumGoroutine()
		const each, farthest = 20, 9
		var returned [farthest + 1]atomic.Int64
		for rev := int64(2); rev <= farthest; rev++ {
			for range each {
				go func() {
					if err := s.Await(t.Context(), rev); err != nil {
						t.Errorf("%d: %v", rev, err)
					}
					returned[rev].Add(1)
				}()
			}
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > each*(farthest-1) {
			t.Errorf("%d goroutines for %d who wait", n, each*(farthest-1))
		}
		check := func() {
			t.Helper()
			synctest.Wait()
			for rev := int64(2); rev <= farthest; rev++ {
				want := int64(0)
				if rev <= s.Revision() {
					want = each
				}
				if got := returned[rev].Load(); got != want {
					t.Errorf("at %d, %d of those who wait for %d have returned, want %d", s.Revision(), got, rev, want)
				}
			}
		}
		check()
		commitOne(t, s, "things") // 2
		check()
		commitOne(t, s, "others") // 3
		check()
		mustCommit(t, s, // 4 to 7
			Change{Bucket: s.Bucket("a"), Key: "1", Next: numbered(1)}, Change{Bucket: s.Bucket("b"), Key: "2", Next: numbered(1)},
			Change{Bucket: s.Bucket("b"), Key: "3", Next: numbered(1)}, Change{Bucket: s.Bucket("c"), Key: "4", Next: numbered(1)})
		check()
		// A commit that fails wakes nobody.
		if _, err := s.Commit(t.Context(), Change{Bucket: s.Bucket("a"), Key: "1", Next: numbered(1)}); err == nil {
			t.Error("a conflict went through")
		}
		check()
		commitOne(t, s, "things")
		commitOne(t, s, "things") // 9
		check()
	})
}

// A wait ends with its context, at the very time, and only that one.
func TestAwaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storeOf(10)
		began := time.Now()
		type end struct {
			err   error
			after time.Duration
		}
		limited, cancelled, patient := make(chan end, 1), make(chan end, 1), make(chan end, 1)
		wait := func(ctx context.Context, ended chan end) {
			err := s.Await(ctx, 4)
			ended <- end{err, time.Since(began)}
		}
		inTime, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		gone, leave := context.WithCancel(t.Context())
		go wait(inTime, limited)
		go wait(gone, cancelled)
		go wait(t.Context(), patient)
		time.Sleep(time.Second) // of the bubble
		commitOne(t, s, "things")
		leave()
		if got := <-cancelled; got.err != context.Canceled || got.after != time.Second {
			t.Errorf("the cancelled one: %v after %v", got.err, got.after)
		}
		if got := <-limited; !errors.Is(got.err, context.DeadlineExceeded) || got.after != 3*time.Second {
			t.Errorf("the limited one: %v after %v", got.err, got.after)
		}
		commitOne(t, s, "things")
		synctest.Wait()
		if len(patient) > 0 {
			t.Error("the patient one returned before the revision was there")
		}
		commitOne(t, s, "things") // 4
		if got := <-patient; got.err != nil || got.after != 3*time.Second {
			t.Errorf("the patient one: %v after %v", got.err, got.after)
		}
	})
}

// However the look, the wait and the commit fall, no wake-up is lost: somebody always waits for
// the very revision that is being committed, and nothing else comes to wake them.
func TestAwaitLosesNoWakeUp(t *testing.T) {
	const rounds, waiters = 2000, 3
	s := storeOf(10)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for rev := int64(2); rev < 2+rounds; rev++ {
		var wg sync.WaitGroup
		for range waiters {
			wg.Go(func() {
				if err := s.Await(ctx, rev); err != nil {
					t.Errorf("%d: %v, at %d", rev, err, s.Revision())
				}
			})
		}
		commitOne(t, s, "things")
		if wg.Wait(); t.Failed() {
			return
		}
	}
}

// Those who wait share a channel until it is closed, and a wakeAll without them makes none.
func TestWakeup(t *testing.T) {
	var w wakeup
	w.wakeAll()
	if w.ch.Load() != nil {
		t.Error("nobody waits, and there is a channel")
	}
	first, second := w.waiting(), w.waiting()
	if first != second {
		t.Error("two that wait have two channels")
	}
	w.wakeAll()
	<-first
	third := w.waiting()
	select {
	case <-third:
		t.Error("a channel of after the wake-up is closed")
	default:
	}
	w.wakeAll()
	<-third
}

// Many wait and many wake at once: no channel is closed twice, and after the last wakeAll
// every channel that was taken before it is closed.
func TestWakeupAtOnce(t *testing.T) {
	var w wakeup
	var waiting, waking sync.WaitGroup
	taken := make([][]<-chan struct{}, 4)
	for i := range taken {
		waiting.Go(func() {
			for range 500 {
				taken[i] = append(taken[i], w.waiting())
			}
		})
	}
	for range 4 {
		waking.Go(func() {
			for range 500 {
				w.wakeAll()
			}
		})
	}
	waiting.Wait()
	waking.Wait()
	w.wakeAll()
	for _, ch := range slices.Concat(taken...) {
		select {
		case <-ch:
		default:
			t.Fatal("a channel was forgotten")
		}
	}
}

// BenchmarkAwait is a commit that 100 wait for, until the last of them knows.
func BenchmarkAwait(b *testing.B) {
	s := storeOf(10)
	bucket := s.Bucket("things")
	d := numbered(1)
	var got, all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	got.Add(100)
	for range 100 {
		all.Go(func() {
			for rev := int64(2); s.Await(ctx, rev) == nil; rev++ {
				got.Done()
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Commit(ctx, Change{Bucket: bucket, Key: "a", Expect: -1, Next: d}); err != nil {
			b.Fatal(err)
		}
		got.Wait()
		got.Add(100)
	}
	cancel()
	all.Wait()
}
