package matching

import (
	"maps"
	"sync"
	"sync/atomic"
)

// mostPlans bounds how many are kept: custom resources come and go, and each has plans of its own.
const mostPlans = 4096

// Plans keeps what those who are asked have made of each shape: which of them its requests are about. The zero value has none. It is safe
// for many goroutines at once.
type Plans[T any] struct {
	// made is replaced whole by who adds one; nil is none.
	made atomic.Pointer[map[Shape][]T]
	// adding is held by who adds one.
	adding sync.Mutex
}

// Of returns the plan of a shape, which nobody may change. The first call for a shape has it made, under a lock; the others find it by
// one atomic load and a lookup, and allocate nothing. make may return nil, which is a plan too: most shapes are nobody's.
func (p *Plans[T]) Of(s Shape, make func(Shape) []T) []T {
	if all := p.made.Load(); all != nil {
		if plan, ok := (*all)[s]; ok {
			return plan
		}
	}
	p.adding.Lock()
	defer p.adding.Unlock()
	more := map[Shape][]T{}
	if all := p.made.Load(); all != nil {
		if plan, ok := (*all)[s]; ok {
			return plan
		}
		// All go at once, and those that are still wanted are made anew.
		if len(*all) < mostPlans {
			maps.Copy(more, *all)
		}
	}
	plan := make(s)
	more[s] = plan
	p.made.Store(&more)
	return plan
}
