package store

import "sync/atomic"

// Cursor is the place of a watcher in the log of a bucket: the number of the next event, and
// no queue. A watcher that takes nothing costs nothing, and nobody waits for it; when the log
// has gone past its place, Next says so.
//
// One goroutine may call Next; Lag may be called by others at the same time. A cursor need
// not be closed.
type Cursor struct {
	b *Bucket
	// from is the revision of the watch: events up to it are not for the watcher.
	from int64
	// seq is the number of the next event.
	seq atomic.Int64
	// rev is the revision that was taken last, at first that of the watch.
	rev atomic.Int64
}

// Watch returns a cursor that begins after revision rev, or an *Expired when events after it
// were dropped or it is before the window. A revision that is not there yet is waited for:
// only what follows it is taken.
func (b *Bucket) Watch(rev int64) (*Cursor, error) {
	// Nothing may be dropped between the look at the window and the choice of a place.
	b.log.mu.RLock()
	defer b.log.mu.RUnlock()
	if oldest := b.oldest(); rev < oldest {
		return nil, &Expired{rev, oldest}
	}
	c := &Cursor{b: b, from: rev}
	c.seq.Store(b.log.base + int64(b.log.after(rev)))
	c.rev.Store(rev)
	return c, nil
}

// Next appends to into the events that came since, in order, at most max of them, and
// returns it. It never waits: when there is none, wait is closed when the next one is there;
// it may be closed once more without one. Else wait is nil.
//
// The error is an *Expired when the log has dropped an event that was not taken; it comes
// again from then on. An event is there a moment before Store.Revision says its revision.
func (c *Cursor) Next(into []*Event, max int) (events []*Event, wait <-chan struct{}, err error) {
	l := &c.b.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	seq, rev := c.seq.Load(), c.rev.Load()
	if seq < l.base {
		return into, nil, &Expired{rev, l.lastDropped.Load()}
	}
	end, before := l.base+int64(l.events.len()), len(into)
	for ; seq < end && len(into)-before < max; seq++ {
		// A watch from the future has a place among events that it does not want.
		if e := l.events.at(int(seq - l.base)); e.Rev > c.from {
			into, rev = append(into, e), e.Rev
		}
	}
	c.seq.Store(seq)
	c.rev.Store(rev)
	if len(into) == before && seq == end {
		// The channel is taken under the lock that publishes events, and those wake after it:
		// an event that is not in the log now will close it.
		return into, l.waiting(), nil
	}
	return into, nil, nil
}

// Lag returns how many events were not yet taken, with those that were dropped.
func (c *Cursor) Lag() int64 {
	l := &c.b.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.base + int64(l.events.len()) - c.seq.Load()
}
