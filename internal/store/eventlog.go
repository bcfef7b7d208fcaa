package store

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
)

// The log of events. Each bucket has the events of its own objects, which its cursors read,
// and the store has all of them in one line, by which it bounds them together: the oldest
// event of all goes first, whatever its bucket. So the window of a resource that is seldom
// written can reach back further than that of the whole store: nothing of it was dropped.
//
// The texts that the log holds are charged, and each once, although an object is in the event
// that wrote it (Object) and in the one that replaced it (Prev). For example:
//
//	event 5: Prev nil,    Object a@5    charged: a@5
//	event 9: Prev a@5,    Object a@9    charged: a@9; a@5 is already
//	5 is dropped                        a@5 stays charged: event 9 has it
//	9 is dropped                        a@5 is let go, and a@9, which only the tree still has
//
// A watcher is a number in the log (cursor.go), so that a slow one holds no memory.

// Window bounds the log. The newest event is always kept, however large.
type Window struct {
	// First is the revision at which the empty store begins; 0 is 1. A server that takes one which
	// no earlier process has reached never mistakes a revision of that process for its own: what is
	// before First is expired.
	First int64
	// Events is how many events are kept at most.
	Events int
	// Bytes is how many bytes of text they may hold, with a fixed cost for each event.
	Bytes int64
}

// eventCost is the fixed cost of an event in bytes, besides its texts.
const eventCost = 128

// Event is one write as watchers see it. Its fields do not change.
type Event struct {
	Kind byte // Added, Modified or Deleted
	Rev  int64
	// Object is the object after the write; for Deleted, its last state at the revision of
	// the deletion.
	Object *Object
	// Prev is the object before the write; nil for Added.
	Prev *Object

	// cache bounds what forms keep alive; without one they keep nothing.
	cache *formCache
	// forms are the other encodings of the event: a slice that is replaced, never changed.
	forms atomic.Pointer[[]*form]
}

// Entry is an event of the log over all buckets, with its bucket.
type Entry struct {
	Bucket *Bucket
	Event  *Event
}

// bucketLog is the events of a bucket, numbered from its beginning on: the event at index i
// has the number base+i. The zero value is an empty log. Those who wait on its wakeup wait for
// an event of the bucket.
type bucketLog struct {
	mu     sync.RWMutex
	events ring[*Event]
	base   int64
	// lastDropped is the revision of the newest event that was dropped, 0 for none. It is
	// set under mu.
	lastDropped atomic.Int64
	wakeup
}

// after returns the index of the first event that is newer than rev. The caller holds l.mu.
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

// record enters an event into the log over all buckets and charges its texts. The caller
// holds s.mu, and publishes the event to its bucket.
func (s *Store) record(b *Bucket, e *Event) {
	s.log.push(Entry{b, e})
	s.logBytes += int64(len(e.Object.Line)) + eventCost
	if e.Prev != nil {
		e.Prev.replaced = true
		// Where the event that wrote it has left the log, only the tree had its text till now.
		if e.Prev.Rev <= s.lastDropped {
			s.logBytes += int64(len(e.Prev.Line))
		}
	}
}

// Forget drops the oldest events up to a revision, but for the newest of all, as long as the log is
// charged for more than some bytes, and returns for how many fewer it is then. It is for a server that
// bounds its log by age, too.
func (s *Store) Forget(rev, beyond int64) (bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.logBytes
	s.trim(rev, beyond)
	return before - s.logBytes
}

// trim drops the oldest events until the log is within its bounds and has, if it is charged for more than
// beyond bytes, none up to forget. The caller holds s.mu.
func (s *Store) trim(forget, beyond int64) {
	trimmed := false
	for s.log.len() > 1 && (s.log.len() > s.limits.Events || s.logBytes > s.limits.Bytes ||
		s.logBytes > beyond && s.log.at(0).Event.Rev <= forget) {
		k := s.log.pop()
		// The oldest event of all is the oldest of its bucket.
		l := &k.Bucket.log
		l.mu.Lock()
		l.events.pop()
		l.base++
		l.lastDropped.Store(k.Event.Rev)
		l.mu.Unlock()
		s.lastDropped = k.Event.Rev
		s.logBytes -= eventCost
		// What it replaced was written by an older event, which has left: nobody has it now.
		if k.Event.Prev != nil {
			s.logBytes -= int64(len(k.Event.Prev.Line))
		}
		// What it wrote is still held by the event that replaced it, if one did.
		if !k.Event.Object.replaced {
			s.logBytes -= int64(len(k.Event.Object.Line))
		}
		trimmed = true
	}
	if trimmed {
		s.pages.prune()
	}
}

// After returns the events of all buckets after a revision, in order, no more than most, which must be above
// zero, but for those that share the last one's revision.
// Without any, wait is closed when there is one. It returns false when some of them were
// dropped: then the caller has to look at all objects anew.
func (s *Store) After(rev int64, most int) (events []Entry, wait <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev < s.lastDropped {
		return nil, nil, false
	}
	n := s.log.len()
	first := sort.Search(n, func(i int) bool { return s.log.at(i).Event.Rev > rev })
	// Those of one revision come together, since the caller goes on behind it.
	for i := first; i < n && (len(events) < most || s.log.at(i).Event.Rev == events[len(events)-1].Event.Rev); i++ {
		events = append(events, s.log.at(i))
	}
	if events == nil {
		wait = s.wake.waiting()
	}
	return events, wait, true
}

// Window returns how many events the log holds, how many bytes it is charged for, and the
// oldest revision from which a watch of any resource can start.
func (s *Store) Window() (events int, bytes int64, oldest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.len(), s.logBytes, max(s.watchFloor.Load(), s.lastDropped)
}

// Expired is the error for a revision that is before the window, which begins at Oldest.
// Clients get it as 410 Gone.
type Expired struct{ Asked, Oldest int64 }

// Error names both revisions.
func (e *Expired) Error() string {
	return fmt.Sprintf("revision %d is no longer kept: the oldest is %d", e.Asked, e.Oldest)
}

// Future is the error for a revision that is not there yet: the store is at Current.
type Future struct{ Asked, Current int64 }

// Error names both revisions.
func (e *Future) Error() string {
	return fmt.Sprintf("revision %d is not there yet: the current one is %d", e.Asked, e.Current)
}

// Head returns the revision of the bucket's newest event, 0 for none.
func (b *Bucket) Head() int64 { return b.tree.Load().rev }

// oldest returns where the window of the bucket begins: no event after it was dropped.
func (b *Bucket) oldest() int64 { return max(b.store.watchFloor.Load(), b.log.lastDropped.Load()) }

// since returns the newest tree and the events after rev that led to it, or an *Expired when
// some of those were dropped.
func (b *Bucket) since(rev int64) (*state, []*Event, error) {
	b.log.mu.RLock()
	defer b.log.mu.RUnlock()
	// Who calls has looked before, but without the lock: it may have been dropped since.
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
