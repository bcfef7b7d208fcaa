package main

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

// TestSwapped: nothing is compiled before somebody reads; then each change is, and none that
// failed; a table that was read stays as it was.
func TestSwapped(t *testing.T) {
	var list []int
	compiled := 0
	s := &swapped[[]int]{}
	s.compile = func() *[]int {
		compiled++
		c := slices.Clone(list)
		return &c
	}
	add := func(n int) error {
		return s.change(func() error {
			if n < 0 {
				return errors.ErrUnsupported
			}
			list = append(list, n)
			return nil
		})
	}
	if err := errors.Join(add(1), add(2)); err != nil || compiled != 0 {
		t.Fatalf("%v, compiled %d times before the first reader", err, compiled)
	}
	before := s.load()
	if !slices.Equal(*before, []int{1, 2}) || compiled != 1 || s.load() != before {
		t.Errorf("first read %v, compiled %d times", *before, compiled)
	}
	if err := add(-1); !errors.Is(err, errors.ErrUnsupported) || s.load() != before {
		t.Errorf("a change that failed: %v, %v", err, *s.load())
	}
	if err := add(3); err != nil || !slices.Equal(*s.load(), []int{1, 2, 3}) || !slices.Equal(*before, []int{1, 2}) || compiled != 2 {
		t.Errorf("after a change: %v, now %v, before %v, compiled %d times", err, *s.load(), *before, compiled)
	}
}

// TestSwappedAtOnce: first readers that meet compile once, and readers beside writers see tables
// that only grow.
func TestSwappedAtOnce(t *testing.T) {
	n, compiled := 0, 0
	s := &swapped[int]{}
	s.compile = func() *int {
		compiled++
		now := n
		return &now
	}
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() { s.load() })
	}
	readers.Wait()
	if compiled != 1 {
		t.Errorf("compiled %d times", compiled)
	}
	for range 4 {
		readers.Go(func() {
			for last := 0; last < 1000; {
				now := *s.load()
				if now < last {
					t.Errorf("%d after %d", now, last)
				}
				last = now
			}
		})
	}
	for range 1000 {
		if err := s.change(func() error { n++; return nil }); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
	if compiled != 1001 {
		t.Errorf("compiled %d times", compiled)
	}
}
