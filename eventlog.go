package main

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// The log of events. Each bucket has its own, and the store bounds all of them together:
// the oldest event of all goes first. A watcher is a number in the log, so that a slow one
// holds no memory; when the log has gone past it, it is told.

// storeWindow bounds the log: events, and bytes of the texts it holds. The newest event is
// always kept.
type storeWindow struct {
	events int
	bytes  int64
}

// logEvent is one write.
type logEvent struct {
	kind byte // 'A', 'M' or 'D'
	rev  int64
	obj  *object // after; for D the deleted one at its new revision
	prev *object // before; nil for A

	aged  atomic.Bool
	forms [eventForms]atomic.Pointer[[]byte]
}

// eventForms is how many other encodings an event can keep.
const eventForms = 2

// form is another encoding of the event. It is built once for all watchers of an event
// that is young, as nearly all are that are sent.
func (e *logEvent) form(kind int, build func() []byte) []byte {
	if f := e.forms[kind].Load(); f != nil {
		return *f
	}
	f := build()
	if !e.aged.Load() {
		e.forms[kind].Store(&f)
	}
	return f
}

// age lets the other encodings go: the bounds of the log do not count them.
func (e *logEvent) age() {
	e.aged.Store(true)
	for i := range e.forms {
		e.forms[i].Store(nil)
	}
}

const (
	eventCost  = 128 // what an event takes besides texts
	eventYoung = 256 // the newest events may keep other encodings
)

// kept is an event and where it is.
type kept struct {
	b *bucket
	e *logEvent
}

// bucketLog is the events of a bucket. The event at index i has the number base+i.
type bucketLog struct {
	mu     sync.RWMutex
	events ring[*logEvent]
	base   int64
	lost   atomic.Int64 // revision of the newest event that was dropped; set under mu
	wakeup
}

// wakeup tells those who wait that something has come. It costs nothing while nobody
// waits.
type wakeup struct{ ch atomic.Pointer[chan struct{}] }

// wakeAll closes the channel that those who wait have.
func (w *wakeup) wakeAll() {
	if w.ch.Load() == nil {
		return
	}
	if ch := w.ch.Swap(nil); ch != nil {
		close(*ch)
	}
}

// waiting is the channel that the next wakeAll closes.
func (w *wakeup) waiting() <-chan struct{} {
	for {
		if ch := w.ch.Load(); ch != nil {
			return *ch
		}
		ch := make(chan struct{})
		if w.ch.CompareAndSwap(nil, &ch) {
			return ch
		}
	}
}

// after is the index of the first event that is newer than rev.
func (l *bucketLog) after(rev int64) int {
	lo, hi := 0, l.events.len()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if l.events.at(mid).rev <= rev {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// note takes an event into account. The log holds the texts of an event's objects, of
// which prev is mostly that of an earlier event: every text is charged once. The caller
// holds s.mu.
func (s *store) note(b *bucket, e *logEvent) {
	s.order.push(kept{b, e})
	s.charged += int64(len(e.obj.line)) + eventCost
	if e.prev != nil {
		e.prev.replaced = true
		if e.prev.rev <= s.lost {
			s.charged += int64(len(e.prev.line))
		}
	}
	if n := s.order.len(); n > eventYoung {
		s.order.at(n - 1 - eventYoung).e.age()
	}
}

// after is the events of all buckets after a revision, in order, at most max of them.
// Without any the channel is closed when there is one. ok is false when some of them were
// dropped. Every event has a revision of its own, so that its place is known.
func (s *store) after(rev int64, max int) (events []kept, wait <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev < s.lost {
		return nil, nil, false
	}
	n := s.order.len()
	first := n - int(s.rev.Load()-rev)
	for i := first; i < n && len(events) < max; i++ {
		events = append(events, s.order.at(i))
	}
	if events == nil {
		wait = s.wake.waiting()
	}
	return events, wait, true
}

// trim drops the oldest events until the log is within its bounds. The caller holds s.mu.
func (s *store) trim() {
	trimmed := false
	for s.order.len() > 1 && (s.order.len() > s.limits.events || s.charged > s.limits.bytes) {
		k := s.order.pop()
		l := &k.b.log
		l.mu.Lock()
		l.events.pop()
		l.base++
		l.lost.Store(k.e.rev)
		l.mu.Unlock()
		s.lost = k.e.rev
		s.charged -= eventCost
		if k.e.prev != nil {
			s.charged -= int64(len(k.e.prev.line))
		}
		if !k.e.obj.replaced { // else the event that replaced it holds it
			s.charged -= int64(len(k.e.obj.line))
		}
		trimmed = true
	}
	if trimmed {
		s.pages.prune()
	}
}

// window is how much the log holds, and the oldest revision from which a watch of any
// resource can start.
func (s *store) window() (events int, bytes int64, oldest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order.len(), s.charged, max(s.floor.Load(), s.lost)
}

// expiredError is that a revision is before the window; oldest is where that begins.
type expiredError struct{ asked, oldest int64 }

func (e *expiredError) Error() string {
	return fmt.Sprintf("revision %d is no longer kept: the oldest is %d", e.asked, e.oldest)
}

// futureError is that a revision is not there yet.
type futureError struct{ asked, current int64 }

func (e *futureError) Error() string {
	return fmt.Sprintf("revision %d is not there yet: the current one is %d", e.asked, e.current)
}

// head is the revision of the bucket's newest event, 0 for none.
func (b *bucket) head() int64 { return b.tree.Load().rev }

// oldest is where the window of the bucket begins: no event after it was dropped.
func (b *bucket) oldest() int64 { return max(b.store.floor.Load(), b.log.lost.Load()) }

// since is the newest tree and the events after rev that led to it.
func (b *bucket) since(rev int64) (*tree, []*logEvent, error) {
	b.log.mu.RLock()
	defer b.log.mu.RUnlock()
	if oldest := b.oldest(); rev < oldest {
		return nil, nil, &expiredError{rev, oldest}
	}
	i, n := b.log.after(rev), b.log.events.len()
	events := make([]*logEvent, 0, n-i)
	for ; i < n; i++ {
		events = append(events, b.log.events.at(i))
	}
	return b.tree.Load(), events, nil
}

// cursor is the place of a watcher in the log of a bucket. One goroutine may call next;
// the rest may be called by others at the same time.
type cursor struct {
	b   *bucket
	seq atomic.Int64 // number of the next event
	rev atomic.Int64 // events up to it are not for the watcher
}

// watch begins after revision rev: an *expiredError when events after it were dropped or
// it is before the window. A revision that is not there yet waits for what follows it.
func (b *bucket) watch(rev int64) (*cursor, error) {
	b.log.mu.RLock()
	defer b.log.mu.RUnlock()
	if oldest := b.oldest(); rev < oldest {
		return nil, &expiredError{rev, oldest}
	}
	c := &cursor{b: b}
	c.seq.Store(b.log.base + int64(b.log.after(rev)))
	c.rev.Store(rev)
	return c, nil
}

// next appends to into the events that came since, in order, at most max of them. It
// never waits: when there is none, the channel is closed when the next one is there; it
// may be closed once more without one. The error is an *expiredError when the log has
// dropped an event that was not taken.
func (c *cursor) next(into []*logEvent, max int) ([]*logEvent, <-chan struct{}, error) {
	l := &c.b.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	seq, rev := c.seq.Load(), c.rev.Load()
	if seq < l.base {
		return into, nil, &expiredError{rev, l.lost.Load()}
	}
	end, before := l.base+int64(l.events.len()), len(into)
	for ; seq < end && len(into)-before < max; seq++ {
		if e := l.events.at(int(seq - l.base)); e.rev > rev {
			into, rev = append(into, e), e.rev
		}
	}
	c.seq.Store(seq)
	c.rev.Store(rev)
	if len(into) == before && seq == end {
		return into, l.waiting(), nil
	}
	return into, nil, nil
}

// lag is how many events were not yet taken, with those that were dropped.
func (c *cursor) lag() int64 {
	l := &c.b.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.base + int64(l.events.len()) - c.seq.Load()
}

// sent is the revision of the last event taken, at first that of the watch.
func (c *cursor) sent() int64 { return c.rev.Load() }

// ring is a queue in a slice that grows and shrinks with it.
type ring[T any] struct {
	slots []T // a power of two, or none
	first int
	n     int
}

func (r *ring[T]) len() int { return r.n }

// at is the element i behind the first.
func (r *ring[T]) at(i int) T { return r.slots[(r.first+i)&(len(r.slots)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.slots) {
		r.resize(max(2*r.n, 4))
	}
	r.slots[(r.first+r.n)&(len(r.slots)-1)] = v
	r.n++
}

// pop takes the first element out.
func (r *ring[T]) pop() T {
	var none T
	v := r.slots[r.first]
	r.slots[r.first] = none
	r.first = (r.first + 1) & (len(r.slots) - 1)
	if r.n--; len(r.slots) > 16 && r.n < len(r.slots)/4 {
		r.resize(len(r.slots) / 2)
	}
	return v
}

func (r *ring[T]) resize(size int) {
	slots := make([]T, size)
	for i := range r.n {
		slots[i] = r.at(i)
	}
	r.slots, r.first = slots, 0
}
