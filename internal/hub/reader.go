package hub

import (
	"context"
	"slices"
	"time"
)

// A reader goes through these states, under the hub's lock:
//
//	reading ── Next finds nothing ──> waiting ── Add, Close ──> reading, with a token in Ready
//	reading ── a ring is past it, or the hub is closed and it has read all ──> ended
//
// An ended reader gives what is queued, its End the last of it, and then nothing more.

// Reader gets the events of some topics. It is for one goroutine.
type Reader struct {
	hub    *Hub
	oldest *int64
	// ready has a token when a reader that waits has something to read.
	ready chan struct{}

	// Under the hub's lock.
	positions []position
	// queued is to be read before the rings.
	queued []Event
	// ended says that nothing comes after queued.
	ended bool
	waits bool
}

// position is a place in a ring: the number of the next event that a reader takes from it.
type position struct {
	*ring
	number uint64
}

// Open opens a reader of topics, each one of New's and there once: of what comes from now on or,
// to resume, of what came after the event that has the id after. Where events of its topics are
// not kept any more, a Missed comes first. Their number is nil where it is not known, because the
// id is none of this hub's, or events went by unrecorded, or topics that the reader does not read
// have lost some too: ids count all topics, and say nothing of what kind a lost event was.
// The caller must close the reader.
func (h *Hub) Open(topics []string, after *int64) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{hub: h, ready: make(chan struct{}, 1)}
	for _, topic := range topics {
		from := h.rings[topic]
		if from == h.onDemand {
			h.recordLocked() // first: it may let the ring's events go
		}
		if len(from.events) > 0 {
			if id := from.at(from.oldest).ID; r.oldest == nil || id < *r.oldest {
				r.oldest = &id
			}
		}
		r.positions = append(r.positions, position{from, from.next})
	}
	if after != nil {
		r.resumeLocked(*after)
	}
	h.readers = append(h.readers, r)
	return r
}

// resumeLocked puts the reader behind the event called id. Behind one of another process
// everything is new.
//
// How many the reader misses follows from the ids: those above id are h.last-id in all, and what
// is kept of them in any ring is not missing. The rest was lost by some ring; it is the reader's
// only if no ring that it does not read has lost any above id.
func (r *Reader) resumeLocked(id int64) {
	h := r.hub
	missed, missing := h.last-id, false
	exact := id >= h.first && id <= h.last
	if !exact {
		id, missing = 0, true
	}
	for i := range r.positions {
		r.positions[i].number = r.positions[i].after(id)
	}
	for _, from := range h.rings {
		missed -= int64(from.next - from.after(id))
		lost := from.lost > id || id <= from.unrecorded
		if r.reads(from) {
			missing = missing || lost
			// What went unrecorded has no id, and so is not in the difference.
			exact = exact && id > from.unrecorded
		} else {
			exact = exact && !lost
		}
	}
	if missing {
		m := Missed{}
		if exact {
			m.Events = &missed
		}
		r.queued = append(r.queued, Event{Item: m})
	}
}

// OldestID returns the id of the oldest event of the reader's topics that was kept when it was
// opened; nil: none was.
func (r *Reader) OldestID() *int64 { return r.oldest }

// Ready has a token when there is something to read, after Next has said that there is nothing.
func (r *Reader) Ready() <-chan struct{} { return r.ready }

// Stopped returns a context that ends when the hub is closed.
func (r *Reader) Stopped() context.Context { return r.hub.stopped }

// Next returns the next event by id, and false where there is none yet or, after an End, none any
// more. It does not wait.
func (r *Reader) Next() (Event, bool) {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(r.queued) == 0 && !r.ended {
		r.lookLocked()
	}
	if len(r.queued) == 0 {
		// Under the lock that Add takes: no event comes between this look and the wait.
		r.waits = !r.ended
		return Event{}, false
	}
	e := r.queued[0]
	// Shifted down rather than resliced: the array serves for all events of the reader.
	r.queued = r.queued[:copy(r.queued, r.queued[1:])]
	return e, true
}

// lookLocked queues the event with the least id of all rings. A ring that has gone past the
// reader ends it, even if others still hold events for it, since in the order of ids a lost one
// came before. The end of the hub ends it when there is nothing left.
func (r *Reader) lookLocked() {
	var from *position
	var missed int64
	for i := range r.positions {
		p := &r.positions[i]
		switch {
		case p.number < p.oldest:
			missed += int64(p.oldest - p.number)
		case p.number < p.next && (from == nil || p.at(p.number).ID < from.at(from.number).ID):
			from = p
		}
	}
	switch {
	case missed > 0:
		r.queued, r.ended = append(r.queued, Event{Item: Missed{&missed}}, Event{Item: Slow}), true
	case from != nil:
		r.queued = append(r.queued, *from.at(from.number))
		from.number++
	case r.hub.stopped.Err() != nil:
		r.queued, r.ended = append(r.queued, Event{Item: Stopping}), true
	}
}

// reads reports whether the ring is of a topic of the reader's.
func (r *Reader) reads(of *ring) bool {
	return slices.ContainsFunc(r.positions, func(p position) bool { return p.ring == of })
}

// wakeLocked puts the token for the goroutine that waits.
func (r *Reader) wakeLocked() {
	r.waits = false
	select {
	case r.ready <- struct{}{}:
	default: // one is there
	}
}

// Close lets the reader go. It must be called once, and nothing after it.
func (r *Reader) Close() {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers = slices.DeleteFunc(h.readers, func(o *Reader) bool { return o == r })
	if r.reads(h.onDemand) {
		h.reading--
		h.lastLeft = time.Now()
	}
}
