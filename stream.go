package main

import (
	"context"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"apichain/admin"
)

// Events as they happen, for the streams of the admin listener. A reader is a number in
// the rings of its topics, as a watch is in the log of its resource: nobody waits for a
// slow one, and it holds no memory.
//
// Events of requests are many and cost something, so they are made and kept only while
// somebody reads them, and for a minute after, in which a reader may come back. What went
// by meanwhile has no id; a reader that resumes from before is told that it missed some.

const (
	ringSize = 10000       // events kept of each topic, so that requests push nothing else out; one is mostly below a KiB, and at most some 20
	lingers  = time.Minute // how long requests are recorded after their last reader has gone
)

// hub hands events to the readers. It may be used concurrently; its lock is a leaf.
type hub struct {
	generation *atomic.Int64
	first      int64       // id of the first event: the process's start in Unix microseconds
	recording  atomic.Bool // whether requests are recorded
	stopped    context.Context
	stop       context.CancelFunc

	mu      sync.Mutex
	last    int64 // id of the newest event; first-1 before there is one
	rings   map[string]*eventRing
	readers []*streamReader
	reading int       // readers of requests
	left    time.Time // when the last of those went
}

// eventRing is the newest events of one topic. Its n-th event is the one at n%ringSize.
type eventRing struct {
	events []streamEvent
	oldest uint64 // number of the oldest event that is kept
	next   uint64 // number of the next event
	lost   int64  // id of the newest event that is not kept any more; 0: none
	blind  int64  // events of requests went by unrecorded after this id or before; 0: never
}

// streamEvent is an event with its id, of which 0 is none.
type streamEvent struct {
	id, generation int64
	name           string
	at             time.Time
	item           any // a row, or the *record that readers make it of
}

func newHub(started time.Time, generation *atomic.Int64) *hub {
	h := &hub{generation: generation, first: started.UnixMicro(), last: started.UnixMicro() - 1, rings: map[string]*eventRing{}}
	h.stopped, h.stop = context.WithCancel(context.Background())
	for _, topic := range admin.Topics {
		h.rings[topic] = &eventRing{}
	}
	return h
}

// publish makes an event: topic is one of admin.Topics but requests; name is the event's,
// and item its row as the admin endpoint shows it. It never waits for a reader. Events are
// in the order of the calls.
func (p *program) publish(topic, name string, item any) { p.hub.add(topic, name, item) }

// publishStarted makes the event of a request whose user is known, or that ends before it
// was; once for each. It is for the goroutine that runs the chain or closes the books, and
// is called only while requests are recorded.
func (p *program) publishStarted(x *exchange) {
	if !x.streamed.Swap(true) {
		p.hub.add(admin.TopicRequests, "request-started", x.shown())
	}
}

// publishEnded makes the event of a request that has ended, after that of its start, so
// that whoever reads one has read the other, unless the reader came between.
func (p *program) publishEnded(x *exchange, how ending, took time.Duration) {
	if x.dry != nil {
		return
	}
	p.publishStarted(x)
	k := &record{}
	k.fill(x, how, took)
	p.hub.add(admin.TopicRequests, "request-ended", k) // readers do the rest
}

// add appends an event to the ring of its topic and wakes who waits for one.
func (h *hub) add(topic, name string, item any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	r := h.rings[topic]
	if topic == admin.TopicRequests && !h.recordingLocked(now) {
		return
	}
	h.last++
	e := streamEvent{h.last, h.generation.Load(), name, now, item}
	if len(r.events) < ringSize {
		r.events = append(r.events, e)
	} else {
		slot := &r.events[r.next%ringSize]
		r.lost = slot.id
		*slot = e
		r.oldest++
	}
	r.next++
	for _, reader := range h.readers {
		if reader.waits && reader.reads(r) {
			reader.wakeLocked()
		}
	}
}

// recordingLocked reports whether requests are recorded, and ends it when nobody has read
// them for long enough. Their ring is let go then: no reader has a number in it.
func (h *hub) recordingLocked(now time.Time) bool {
	if h.recording.Load() && h.reading == 0 && now.Sub(h.left) >= lingers {
		h.recording.Store(false)
		*h.rings[admin.TopicRequests] = eventRing{lost: h.last}
	}
	return h.recording.Load()
}

// at is the n-th event, which is kept.
func (r *eventRing) at(n uint64) *streamEvent { return &r.events[n%ringSize] }

// after is the number of the first event that is kept and has an id above id.
func (r *eventRing) after(id int64) uint64 {
	return r.oldest + uint64(sort.Search(len(r.events), func(i int) bool { return r.at(r.oldest+uint64(i)).id > id }))
}

// close ends the readers, once they have read what there is, and those that come later.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop()
	for _, reader := range h.readers {
		reader.wakeLocked()
	}
}

// streamReader is an admin.Stream: one position in the ring of each of its topics.
type streamReader struct {
	hub    *hub
	oldest *int64
	ready  chan struct{} // has a token when a reader that waits has something to read

	// Under the hub's lock.
	positions []position
	first     []admin.StreamEvent // to be read before the rings
	over      bool                // nothing comes after first
	waits     bool
}

// position is the number of the next event that a reader takes from a ring.
type position struct {
	*eventRing
	number uint64
}

// Stream opens a reader of topics: of what comes from now on or, to resume, of what came
// after the event that has the id after. Events that are missing are announced first: how
// many of all its topics, whatever it chooses among them; nil where that is not known,
// because the id is another process's or requests were not recorded.
func (s source) Stream(topics []string, after *int64) admin.Stream {
	h := s.p.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &streamReader{hub: h, ready: make(chan struct{}, 1)}
	if slices.Contains(topics, admin.TopicRequests) {
		if !h.recordingLocked(time.Now()) {
			h.rings[admin.TopicRequests].blind = h.last
			h.recording.Store(true)
		}
		h.reading++
	}
	for _, topic := range topics {
		ring := h.rings[topic]
		if len(ring.events) > 0 {
			if id := ring.at(ring.oldest).id; r.oldest == nil || id < *r.oldest {
				r.oldest = &id
			}
		}
		r.positions = append(r.positions, position{ring, ring.next})
	}
	if after != nil {
		r.resumeLocked(*after)
	}
	h.readers = append(h.readers, r)
	return r
}

// resumeLocked puts the reader behind the event called id. Behind one of another process
// everything is new.
func (r *streamReader) resumeLocked(id int64) {
	h := r.hub
	missed, missing := h.last-id, false
	exact := id >= h.first && id <= h.last
	if !exact {
		id, missing = 0, true
	}
	for i := range r.positions {
		r.positions[i].number = r.positions[i].after(id)
	}
	for _, ring := range h.rings {
		missed -= int64(ring.next - ring.after(id))
		lost := ring.lost > id || id <= ring.blind
		if r.reads(ring) {
			missing = missing || lost
			exact = exact && id > ring.blind
		} else {
			exact = exact && !lost
		}
	}
	if missing {
		d := admin.Dropped{}
		if exact {
			d.Missed = &missed
		}
		r.first = append(r.first, admin.StreamEvent{Name: "dropped", Item: d})
	}
}

// OldestID is the least id of an event that could be resumed before.
func (r *streamReader) OldestID() *int64 { return r.oldest }

// Ready has a token when there is something to read, after Next has said that there is
// nothing.
func (r *streamReader) Ready() <-chan struct{} { return r.ready }

// Stopped ends at the end of the stop.
func (r *streamReader) Stopped() context.Context { return r.hub.stopped }

// Next is the next event by id, if there is one.
func (r *streamReader) Next() (admin.StreamEvent, bool) {
	e, ok := r.take()
	if k, ok := e.Item.(*record); ok {
		e.Item = k.shown()
	}
	return e, ok
}

func (r *streamReader) take() (admin.StreamEvent, bool) {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(r.first) == 0 && !r.over {
		r.lookLocked()
	}
	if len(r.first) == 0 {
		r.waits = !r.over
		return admin.StreamEvent{}, false
	}
	e := r.first[0]
	r.first = r.first[:copy(r.first, r.first[1:])]
	return e, true
}

// lookLocked takes the event with the least id from the rings. A ring that has gone past
// the reader ends it, as the end of the stop does when there is nothing left.
func (r *streamReader) lookLocked() {
	var from *position
	var missed int64
	for i := range r.positions {
		p := &r.positions[i]
		switch {
		case p.number < p.oldest:
			missed += int64(p.oldest - p.number)
		case p.number < p.next && (from == nil || p.at(p.number).id < from.at(from.number).id):
			from = p
		}
	}
	switch {
	case missed > 0:
		r.first, r.over = append(r.first, admin.StreamEvent{Name: "dropped", Item: admin.Dropped{Missed: &missed}}, admin.EndOfStream("slow")), true
	case from != nil:
		e := from.at(from.number)
		from.number++
		r.first = append(r.first, admin.StreamEvent{ID: e.id, Name: e.name, Generation: e.generation, At: e.at, Item: e.item})
	case r.hub.stopped.Err() != nil:
		r.first, r.over = append(r.first, admin.EndOfStream("stopping")), true
	}
}

// reads reports whether the ring is of a topic of the reader's.
func (r *streamReader) reads(of *eventRing) bool {
	return slices.ContainsFunc(r.positions, func(p position) bool { return p.eventRing == of })
}

func (r *streamReader) wakeLocked() {
	r.waits = false
	select {
	case r.ready <- struct{}{}:
	default: // one is there
	}
}

// Close lets the reader go.
func (r *streamReader) Close() {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers = slices.DeleteFunc(h.readers, func(o *streamReader) bool { return o == r })
	if r.reads(h.rings[admin.TopicRequests]) {
		h.reading--
		h.left = time.Now()
	}
}
