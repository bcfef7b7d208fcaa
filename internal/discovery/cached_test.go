package discovery

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestCached: a document is made for the first who asks, again after each change, and not otherwise.
func TestCached(t *testing.T) {
	var c Catalog
	var k cached[*int64]
	built := 0
	get := func() int64 {
		return *k.get(&c, func(c *Catalog) *int64 {
			built++
			n := c.changes.Load()
			return &n
		})
	}
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() {}, 1},
		{func() {}, 1},
		{func() { c.SetCustom("a.io", nil) }, 2},
		{func() {}, 2},
		{func() { c.SetCustom("a.io", nil); c.SetCustom("b.io", nil) }, 3},
		{func() { c.SetServers(nil, "", nil) }, 4},
		{func() { c.catchUp() }, 4},
	} {
		step.do()
		if n := get(); n != c.changes.Load() || built != step.want {
			t.Errorf("step %d: made %d times, want %d; of change %d, want %d", i, built, step.want, n, c.changes.Load())
		}
	}
}

// TestCachedForMany: of many readers after a change one makes the document, and all get the same.
func TestCachedForMany(t *testing.T) {
	var c Catalog
	var k cached[*int64]
	var built atomic.Int64
	begun := make(chan struct{})
	build := func(*Catalog) *int64 {
		<-begun
		n := built.Add(1)
		return &n
	}
	var all sync.WaitGroup
	got := make([]*int64, 20)
	for i := range got {
		all.Go(func() { got[i] = k.get(&c, build) })
	}
	// Nobody gets anything before it is made, however many came meanwhile.
	close(begun)
	all.Wait()
	for _, n := range got {
		if n != got[0] {
			t.Fatalf("%d and %d", *n, *got[0])
		}
	}
	if built.Load() != 1 {
		t.Errorf("made %d times", built.Load())
	}
}

// TestCachedChangeWhileMade: a change that comes while a document is made may be in it or not, and so
// the next reader gets another.
func TestCachedChangeWhileMade(t *testing.T) {
	var c Catalog
	var k cached[*int64]
	first := k.get(&c, func(c *Catalog) *int64 {
		n := c.changes.Load()
		c.SetCustom("late.io", nil)
		return &n
	})
	if second := k.get(&c, func(c *Catalog) *int64 { n := c.changes.Load(); return &n }); second == first || *second != *first+1 {
		t.Errorf("of change %d, then %d", *first, *second)
	}
}

// TestCachedNeverStale: with writers at work, what a reader gets has every change whose call had
// returned when it asked.
func TestCachedNeverStale(t *testing.T) {
	var c Catalog
	var k cached[*int64]
	build := func(c *Catalog) *int64 {
		n := c.changes.Load()
		return &n
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 300 {
				c.SetCustom("a.io", nil)
			}
		})
	}
	for range 4 {
		all.Go(func() {
			last := int64(-1)
			for range 300 {
				before := c.changes.Load()
				n := *k.get(&c, build)
				if n < before || n < last {
					t.Errorf("of change %d, after %d and with %d before", n, before, last)
					return
				}
				last = n
			}
		})
	}
	all.Wait()
}
