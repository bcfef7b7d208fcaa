package admission

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns: one at a time has the turn of a name and others wait, as long as they want to and their context goes on; who is at another
// name does not matter, and nothing is kept of a name that nobody is at.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		begun := time.Now()
		first, ok := all.take(t.Context(), "a", time.Second)
		if !ok {
			t.Fatal("the first waits")
		}
		other, ok := all.take(t.Context(), "b", time.Second)
		if !ok || time.Since(begun) != 0 {
			t.Error("another name waits")
		}
		if _, ok := all.take(t.Context(), "a", 10*time.Second); ok || time.Since(begun) != 10*time.Second {
			t.Errorf("a second has it too, after %v", time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok := all.take(ctx, "a", 10*time.Second); ok || time.Since(begun) != 11*time.Second {
			t.Errorf("its context is over, after %v", time.Since(begun))
		}
		var waiting sync.WaitGroup
		var inside, most, had atomic.Int32
		for range 8 {
			waiting.Go(func() {
				done, ok := all.take(t.Context(), "a", time.Minute)
				if !ok {
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				time.Sleep(time.Second)
				inside.Add(-1)
				had.Add(1)
				done()
			})
		}
		synctest.Wait()
		first()
		other()
		waiting.Wait()
		if had.Load() != 8 || most.Load() != 1 || len(all.of) != 0 {
			t.Errorf("%d had it, %d at once, and %d names are kept", had.Load(), most.Load(), len(all.of))
		}
	})
}
