package store

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// The log of events. Each bucket has its own, and the store bounds all of them together:
// the oldest event of all goes first. A watcher is a number in the log, so that a slow one
// holds no memory; when the log has gone past it, it is told.

// Window bounds the log: events, and bytes of the texts it holds. The newest event is
// always kept.
type Window struct {
	Events int
	Bytes  int64
}

// Event is one write.
type Event struct {
	Kind   byte // 'A', 'M' or 'D'
	Rev    int64
	Object *Object // after; for D the deleted one at its new revision
	Prev   *Object // before; nil for A

	aged  atomic.Bool
	forms [eventForms]atomic.Pointer[[]byte]
}

// eventForms is how many other encodings an event can keep.
const eventForms = 2

// form is another encoding of the event. It is built once for all watchers of an event
// that is young, as nearly all are that are sent.
func (e *Event) form(kind int, build func() []byte) []byte {
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
func (e *Event) age() {
	e.aged.Store(true)
	for i := range e.forms {
		e.forms[i].Store(nil)
	}
}

const (
	eventCost  = 128 // what an event takes besides texts
	eventYoung = 256 // the newest events may keep other encodings
)

// logged is an event and where it is.
type logged struct {
	Bucket *Bucket
	Event  *Event
}

// bucketLog is the events of a bucket. The event at index i has the number base+i.
type bucketLog struct {
	mu     sync.RWMutex
	events ring[*Event]
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
		if l.events.at(mid).Rev <= rev {
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
func (s *Store) note(b *Bucket, e *Event) {
	s.log.push(logged{b, e})
	s.logBytes += int64(len(e.Object.Line)) + eventCost
	if e.Prev != nil {
		e.Prev.replaced = true
		if e.Prev.Rev <= s.lastDropped {
			s.logBytes += int64(len(e.Prev.Line))
		}
	}
	if n := s.log.len(); n > eventYoung {
		s.log.at(n - 1 - eventYoung).Event.age()
	}
}

// After is the events of all buckets after a revision, in order, at most max of them.
// Without any the channel is closed when there is one. ok is false when some of them were
// dropped. Every event has a revision of its own, so that its place is known.
func (s *Store) After(rev int64, max int) (events []logged, wait <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev < s.lastDropped {
		return nil, nil, false
	}
	n := s.log.len()
	first := n - int(s.rev.Load()-rev)
	for i := first; i < n && len(events) < max; i++ {
		events = append(events, s.log.at(i))
	}
	if events == nil {
		wait = s.wake.waiting()
	}
	return events, wait, true
}

// trim drops the oldest events until the log is within its bounds. The caller holds s.mu.
func (s *Store) trim() {
	trimmed := false
	for s.log.len() > 1 && (s.log.len() > s.limits.Events || s.logBytes > s.limits.Bytes) {
		k := s.log.pop()
		l := &k.Bucket.log
		l.mu.Lock()
		l.events.pop()
		l.base++
		l.lost.Store(k.Event.Rev)
		l.mu.Unlock()
		s.lastDropped = k.Event.Rev
		s.logBytes -= eventCost
		if k.Event.Prev != nil {
			s.logBytes -= int64(len(k.Event.Prev.Line))
		}
		if !k.Event.Object.replaced { // else the event that replaced it holds it
			s.logBytes -= int64(len(k.Event.Object.Line))
		}
		trimmed = true
	}
	if trimmed {
		s.pages.prune()
	}
}

// Window is how much the log holds, and the oldest revision from which a watch of any
// resource can start.
func (s *Store) Window() (events int, bytes int64, oldest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.len(), s.logBytes, max(s.watchFloor.Load(), s.lastDropped)
}

// Expired is that a revision is before the window; oldest is where that begins.
type Expired struct{ Asked, Oldest int64 }

func (e *Expired) Error() string {
	return fmt.Sprintf("revision %d is no longer kept: the oldest is %d", e.Asked, e.Oldest)
}

// Future is that a revision is not there yet.
type Future struct{ asked, current int64 }

func (e *Future) Error() string {
	return fmt.Sprintf("revision %d is not there yet: the current one is %d", e.asked, e.current)
}

// Head is the revision of the bucket's newest event, 0 for none.
func (b *Bucket) Head() int64 { return b.tree.Load().rev }

// oldest is where the window of the bucket begins: no event after it was dropped.
func (b *Bucket) oldest() int64 { return max(b.store.watchFloor.Load(), b.log.lost.Load()) }

// since is the newest tree and the events after rev that led to it.
func (b *Bucket) since(rev int64) (*state, []*Event, error) {
	b.log.mu.RLock()
	defer b.log.mu.RUnlock()
	if oldest := b.oldest(); rev < oldest {
		return nil, nil, &Expired{rev, oldest}
	}
	i, n := b.log.after(rev), b.log.events.len()
	events := make([]*Event, 0, n-i)
	for ; i < n; i++ {
		events = append(events, b.log.events.at(i))
	}
	return b.tree.Load(), events, nil
}

// Cursor is the place of a watcher in the log of a bucket. One goroutine may call next;
// the rest may be called by others at the same time.
type Cursor struct {
	b   *Bucket
	seq atomic.Int64 // number of the next event
	rev atomic.Int64 // events up to it are not for the watcher
}

// Watch begins after revision rev: an *Expired when events after it were dropped or
// it is before the window. A revision that is not there yet waits for what follows it.
func (b *Bucket) Watch(rev int64) (*Cursor, error) {
	b.log.mu.RLock()
	defer b.log.mu.RUnlock()
	if oldest := b.oldest(); rev < oldest {
		return nil, &Expired{rev, oldest}
	}
	c := &Cursor{b: b}
	c.seq.Store(b.log.base + int64(b.log.after(rev)))
	c.rev.Store(rev)
	return c, nil
}

// Next appends to into the events that came since, in order, at most max of them. It
// never waits: when there is none, the channel is closed when the next one is there; it
// may be closed once more without one. The error is an *Expired when the log has
// dropped an event that was not taken.
func (c *Cursor) Next(into []*Event, max int) ([]*Event, <-chan struct{}, error) {
	l := &c.b.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	seq, rev := c.seq.Load(), c.rev.Load()
	if seq < l.base {
		return into, nil, &Expired{rev, l.lost.Load()}
	}
	end, before := l.base+int64(l.events.len()), len(into)
	for ; seq < end && len(into)-before < max; seq++ {
		if e := l.events.at(int(seq - l.base)); e.Rev > rev {
			into, rev = append(into, e), e.Rev
		}
	}
	c.seq.Store(seq)
	c.rev.Store(rev)
	if len(into) == before && seq == end {
		return into, l.waiting(), nil
	}
	return into, nil, nil
}

// Lag is how many events were not yet taken, with those that were dropped.
func (c *Cursor) Lag() int64 {
	l := &c.b.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.base + int64(l.events.len()) - c.seq.Load()
}

// sent is the revision of the last event taken, at first that of the watch.
func (c *Cursor) sent() int64 { return c.rev.Load() }

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
