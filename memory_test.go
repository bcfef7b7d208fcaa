package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/store"
)

// TestQuietness: memory is given back once when a burst is over, and again when what was kept after it
// has become garbage; not while anything goes on, and not for a little.
func TestQuietness(t *testing.T) {
	const MiB = 1 << 20
	q := quietness{}
	at := uint64(0)
	for i, step := range []struct {
		allocated, freed uint64
		due              bool
	}{
		{0, 0, false},
		{15 * MiB, 0, false},  // much, and busy
		{100 * MiB, 0, false}, // still
		{3 * MiB, 0, true},    // over
		{0, 0, false},         // nothing is left to do
		{3 * MiB, 0, false},   // probes
		{3 * MiB, 0, false},
		{3 * MiB, 0, false},
		{3 * MiB, 0, false},
		{3 * MiB, 0, false},
		{3 * MiB, 0, true}, // which add up
		{0, 15 * MiB, false},
		{0, 1 * MiB, true}, // the window has been emptied
		{0, 1000 * MiB, true},
		{0, 0, false},
	} {
		q.freed(step.freed)
		if at += step.allocated; q.due(at) != step.due {
			t.Errorf("step %d: due %v", i, !step.due)
		}
	}
}

// TestHistory: the past ends at a revision that is at least age old and not much older, and while
// nothing is written nothing is remembered twice.
func TestHistory(t *testing.T) {
	const tick = 5 * time.Second
	h := history{age: 80 * time.Second}
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	began := now
	written := map[int64]time.Time{100: now}
	rev, forgotten := int64(100), int64(0)
	for range 100 {
		forget := h.past(now, rev)
		if forget != 0 && forget <= forgotten {
			t.Errorf("%v: %d is forgotten after %d", now.Sub(began), forget, forgotten)
		}
		forgotten = max(forgotten, forget)
		for r, at := range written {
			switch age := now.Sub(at); {
			case r <= forgotten && age < h.age:
				t.Errorf("%v: %d is forgotten after %v", now.Sub(began), r, age)
			case r > forgotten && age > h.age+h.age/8+2*tick:
				t.Errorf("%v: %d is kept for %v", now.Sub(began), r, age)
			}
		}
		now = now.Add(tick)
		// For half of the time one write in each tick.
		if now.Sub(began) < 250*time.Second {
			rev++
			written[rev] = now
		}
	}
	if len(h.marks) > 0 || forgotten != rev {
		t.Errorf("in the end %d of %d is forgotten, and there are %d marks", forgotten, rev, len(h.marks))
	}
}

// TestOldEvents: what is older than freshTime is kept for a sixteenth of the window's bytes, however large
// the objects were, and what is older than the window's age goes whole.
func TestOldEvents(t *testing.T) {
	p := newTestProgram(t, "--watch-window-bytes=160000", "--watch-window-age=5m")
	bounds, now := p.pastBounds(), time.Now()
	maps := p.store.Bucket("configmaps")
	write := func(n int) {
		for i := range n {
			d := store.Encode(map[string]any{"metadata": map[string]any{"name": strconv.Itoa(i), "fill": strings.Repeat("x", 1000)}}, nil)
			if _, err := p.store.Commit(t.Context(), store.Change{Bucket: maps, Key: strconv.Itoa(i), Expect: -1, Next: &d}); err != nil {
				t.Fatal(err)
			}
		}
	}
	look := func(after time.Duration) (events int, bytes int64) {
		now = now.Add(after)
		p.forget(bounds, now)
		events, bytes, _ = p.store.Window()
		return events, bytes
	}
	write(60)
	all, _ := look(0)
	if events, _ := look(freshTime - time.Second); events != all || all < 60 {
		t.Errorf("%d events, %d at first", events, all)
	}
	write(20) // which are fresh
	if events, bytes := look(time.Second); events != 20 || bytes > 50_000 {
		t.Errorf("%d events of %d bytes beside the fresh ones", events, bytes)
	}
	look(freshTime / 8)
	if events, bytes := look(freshTime); events < 4 || bytes > 10_000 {
		t.Errorf("%d events of %d bytes are left of the old", events, bytes)
	}
	if events, _ := look(5 * time.Minute); events != 1 {
		t.Errorf("%d events are left in the end", events)
	}
}
