package main

import (
	"sync"
	"sync/atomic"
)

// swapped is a table that is read much and changed rarely. Readers take no lock: they see the
// compiled table of before or of after a change, whole, and a table never changes once it is
// stored. What it is compiled from belongs to the owner, which changes it within change alone.
//
// Nothing is compiled before the first reader comes, so that registering much at the start costs
// one compilation. From then on each change costs one.
type swapped[T any] struct {
	compile func() *T // makes a table of what is registered; called under mu
	now     atomic.Pointer[T]
	mu      sync.Mutex // guards what compile reads
}

// load returns the table. It does not allocate but for the first reader.
func (s *swapped[T]) load() *T {
	if t := s.now.Load(); t != nil {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Several first readers may have waited here for one of them.
	if s.now.Load() == nil {
		s.now.Store(s.compile())
	}
	return s.now.Load()
}

// change runs edit under the lock and, unless that fails, puts what follows from it into use. An
// edit that fails must leave everything as it was.
func (s *swapped[T]) change(edit func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := edit(); err != nil {
		return err
	}
	if s.now.Load() != nil {
		s.now.Store(s.compile())
	}
	return nil
}
