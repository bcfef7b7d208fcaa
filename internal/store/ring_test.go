package store

import (
	"math/rand/v2"
	"testing"
)

// Random pushes and pops: what comes out is what went in, in order, and what has left is not held.
func TestRing(t *testing.T) {
	var r ring[int]
	rng := rand.New(rand.NewPCG(5, 5))
	next, first := 0, 0
	for round := range 40 {
		for range rng.IntN(300) {
			r.push(next)
			next++
		}
		for range rng.IntN(300 + 10*round) {
			if r.len() == 0 {
				break
			}
			if got := r.pop(); got != first {
				t.Fatalf("popped %d, want %d", got, first)
			}
			first++
		}
		if r.len() != next-first {
			t.Fatalf("%d elements, want %d", r.len(), next-first)
		}
		for i := range r.len() {
			if r.at(i) != first+i {
				t.Fatalf("element %d is %d, want %d", i, r.at(i), first+i)
			}
		}
	}
	for r.len() > 0 {
		r.pop()
	}
	if len(r.slots) > 16 {
		t.Errorf("empty, it has room for %d", len(r.slots))
	}
	for _, v := range r.slots {
		if v != 0 {
			t.Error("a popped element is held")
		}
	}
}
