package store

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestWhenWritten: what follows buckets is called at once, once for what comes in any of them and in one commit, and not for others.
func TestWhenWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storeOf(10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		calls := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.WhenWritten(ctx, []string{"a", "b"}, func() { calls++ })
		}()
		for _, c := range []struct {
			what string
			do   func()
			want int
		}{
			{"the beginning", func() {}, 1},
			{"a write", func() { commitOne(t, s, "a") }, 1},
			{"a write of the other", func() { commitOne(t, s, "b") }, 1},
			{"a write of nobody's", func() { commitOne(t, s, "c") }, 0},
			{"a commit of both", func() {
				mustCommit(t, s, Change{Bucket: s.Bucket("a"), Key: "x", Expect: -1, Next: numbered(1)},
					Change{Bucket: s.Bucket("b"), Key: "x", Expect: -1, Next: numbered(1)})
			}, 1},
			{"a reset", func() {
				if _, err := s.Replace(ctx, Contents{}, func(string) int { return 0 }); err != nil {
					t.Error(err)
				}
			}, 1},
			{"the loss of all history", func() { s.ExpireHistory() }, 0},
			{"a write behind that", func() { commitOne(t, s, "a") }, 1},
			{"nothing", func() {}, 0},
		} {
			c.do()
			synctest.Wait()
			if calls != c.want {
				t.Errorf("%s: called %d times, want %d", c.what, calls, c.want)
			}
			calls = 0
		}
		cancel()
		<-done
	})
}

// TestWhenWrittenMeanwhile: what is written while the follower works is not lost.
func TestWhenWrittenMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storeOf(10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen, calls := 0, 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.WhenWritten(ctx, []string{"a"}, func() {
				sn := s.Bucket("a").Now()
				seen = sn.Count()
				// Behind the look, as another server may.
				if calls++; calls <= 3 {
					mustCommit(t, s, Change{Bucket: s.Bucket("a"), Key: string(rune('k' + calls)), Expect: -1, Next: numbered(1)})
				}
			})
		}()
		synctest.Wait()
		if seen != 3 {
			t.Errorf("%d of 3 objects were seen", seen)
		}
		cancel()
		<-done
	})
}
