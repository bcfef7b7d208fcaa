// Package hub hands events to readers as they happen, without waiting for any of them.
//
// In go events, each under one of a few topics; out come readers, each of some topics, which get
// the events of those in the order in which they were added. The newest events of each topic are
// kept in a ring. A reader is a number in each ring that it reads, so a slow one costs nothing:
// when a ring has gone past it, it is told how many events it missed, and ends. A reader that
// comes back names the last event it had, and goes on behind it if that is still kept.
//
//	h := hub.New(started.UnixMicro(), generation.Load, "requests", "drain", "faults")
//	r := h.Open([]string{"drain"}, nil)
//	h.Add("drain", "drain", row)
//	for e, ok := r.Next(); ok; e, ok = r.Next() { … }
//	<-r.Ready() // until there is more
//
// The topic on demand is for events that are many and cost something to make: they are recorded
// while somebody reads them, and for a Linger after, in which a reader may come back. What went by
// unrecorded has no id, and a reader that resumes from before is told that it missed some.
//
// A Hub may be used concurrently; a Reader is for one goroutine. The hub's lock is a leaf: nothing
// is called under it but the stamp. The package makes no promise of compatibility.
package hub

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Kept is how many events of each topic are kept. Each topic has a ring of its own, so that
	// one with many events pushes nothing else out.
	Kept = 10000
	// Linger is how long the topic on demand is recorded after its last reader has gone.
	Linger = time.Minute
)

// Event is something that happened, or, with ID 0, what a reader is told of its own stream: then
// Item is a Missed or an End. Item belongs to all readers.
type Event struct {
	// ID grows by one with each event, over all topics.
	ID int64
	// Stamp is what the stamp of New said.
	Stamp int64
	// Name is what kind of event of its topic it is.
	Name string
	At   time.Time
	Item any
}

// Missed is told before what follows a gap. Events is how many are missing, of all topics of the
// reader; nil: that is not known.
type Missed struct{ Events *int64 }

// End is why a reader ends; it is the last that it gets.
type End string

// The ends of a reader.
const (
	Slow     End = "slow"     // a ring has gone past it
	Stopping End = "stopping" // the hub was closed, and there is nothing left to read
)

// Hub keeps the newest events and knows the readers. The zero value cannot be used: New makes one.
type Hub struct {
	stamp func() int64
	// first is the id of the first event there can be.
	first int64
	// onDemand is the ring of the topic that is recorded only while it is read.
	onDemand *ring
	// recording says whether onDemand is recorded.
	recording atomic.Bool
	stopped   context.Context
	stop      context.CancelFunc

	// mu guards what follows, and the rings and readers.
	mu sync.Mutex
	// last is the id of the newest event; first-1 before there is one.
	last    int64
	rings   map[string]*ring
	readers []*Reader
	// reading counts the readers of onDemand.
	reading int
	// lastLeft is when the last of those went.
	lastLeft time.Time
}

// New makes a hub of some topics, among them one that is recorded on demand. first is the id of
// the first event: with the process's start in microseconds, ids of an earlier process are lower
// than all of this one, as long as that one had less than a million events a second. stamp is
// asked once for each event, under the hub's lock, so that events with growing ids have growing
// stamps if it grows; it must not call the hub.
func New(first int64, stamp func() int64, onDemand string, topics ...string) *Hub {
	h := &Hub{stamp: stamp, first: first, last: first - 1, onDemand: &ring{}}
	h.rings = map[string]*ring{onDemand: h.onDemand}
	h.stopped, h.stop = context.WithCancel(context.Background())
	for _, topic := range topics {
		h.rings[topic] = &ring{}
	}
	return h
}

// Recording reports whether the topic on demand is recorded, so that its events are worth making.
func (h *Hub) Recording() bool { return h.recording.Load() }

// Add appends an event to its topic, which must be one of New's, and wakes the readers that wait
// for one. It waits for nobody. An event of the topic on demand is dropped, without an id, while
// that is not recorded.
func (h *Hub) Add(topic, name string, item any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	to := h.rings[topic]
	if to == h.onDemand && !h.recordingLocked(now) {
		return
	}
	// The id is given here, under the lock, so that no event is added behind one with a greater id:
	// rings are searched by id.
	h.last++
	to.append(Event{h.last, h.stamp(), name, now, item})
	for _, r := range h.readers {
		// One that has not said it is out of events looks again by itself.
		if r.waits && r.reads(to) {
			r.wakeLocked()
		}
	}
}

// recordingLocked reports whether the topic on demand is recorded, and ends it when nobody has
// read it for long enough. Its ring is let go then: no reader has a number in it.
func (h *Hub) recordingLocked(now time.Time) bool {
	if h.recording.Load() && h.reading == 0 && now.Sub(h.lastLeft) >= Linger {
		h.recording.Store(false)
		*h.onDemand = ring{lost: h.last}
	}
	return h.recording.Load()
}

// recordLocked begins to record the topic on demand for one more reader.
func (h *Hub) recordLocked() {
	if !h.recordingLocked(time.Now()) {
		// Events may have gone by since the newest that has an id.
		h.onDemand.unrecorded = h.last
		h.recording.Store(true)
	}
	h.reading++
}

// Readers returns how many readers are open.
func (h *Hub) Readers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers)
}

// Close ends the readers, once they have read what there is, and in the same way those that are
// opened later. Add may still be called. Closing twice does nothing.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stop()
	for _, r := range h.readers {
		r.wakeLocked()
	}
}

// ring is the newest events of one topic. The events of a topic are numbered from 0; number n is
// kept at n%Kept. The hub's lock guards it.
type ring struct {
	// events grows up to Kept.
	events []Event
	// oldest is the number of the oldest event that is kept.
	oldest uint64
	// next is the number of the next event.
	next uint64

	// lost is the id of the newest event that is not kept any more; 0: none.
	lost int64
	// unrecorded says that events went by without an id after this id or before; 0: never.
	unrecorded int64
}

// append adds an event, in place of the oldest where the ring is full.
func (r *ring) append(e Event) {
	if len(r.events) < Kept {
		r.events = append(r.events, e)
	} else {
		slot := r.at(r.next)
		r.lost = slot.ID
		*slot = e
		r.oldest++
	}
	r.next++
}

// at returns the event number n, which must be kept or be the next of a full ring.
func (r *ring) at(n uint64) *Event { return &r.events[n%Kept] }

// after returns the number of the first event that is kept and has an id above id; next, if none
// has.
func (r *ring) after(id int64) uint64 {
	return r.oldest + uint64(sort.Search(len(r.events), func(i int) bool { return r.at(r.oldest+uint64(i)).ID > id }))
}
