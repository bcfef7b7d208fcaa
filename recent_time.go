package main

import (
	"sync/atomic"
	"time"

	"apichain/internal/request"
)

// Where the time of a request goes. A filter notes when it is entered, which is one
// reading of the clock, and so does the director. What is between two such moments is
// the outer one's own time. So:
//
//   - the first filter's own time begins when the exchange is opened;
//   - the time of director and handler goes on until the request has ended: the way back
//     outward, on which hardly a filter does anything, is in it;
//   - a brief filter takes no reading, which would cost more than it does: it is shown
//     with 0, and its few nanoseconds are the outer one's. It notes the time where it has
//     more to do, and where it answers: rendering the refusal is its own time;
//   - in HTTP/2 the handler has a goroutine of its own: until that runs, and from its
//     end until the request's goroutine goes on, the time is the timeout filter's;
//   - what the handler waits for in others' hands, as in a webhook's, is taken out of its time where a request is
//     shown;
//   - writing to the client is taken out of whatever does it. What net/http still holds
//     at the end is written after it, in nobody's time.
//
// So they add up to the duration exactly. No filter makes a request wait for a place, so
// nothing is queued.

// mostPlaces is the most places of a chain: its rows, and the director.
const mostPlaces = 26

// recording is what an exchange notes of its time; nil where nothing is recorded. Times
// are nanoseconds since the exchange was opened. handover is for the request's own
// goroutine; the rest may be read by another.
type recording struct {
	// marks are when each place was entered; 0 is not noted, and the first needs no note.
	marks [mostPlaces]atomic.Int64
	// handover is the time from the end of the handler's own goroutine to its being noticed.
	handover int64
	// written is the time in writes to the client; a write under way has taken off when it began.
	written atomic.Int64
	// elsewhere is the time in others' hands, which is part of the handler's.
	elsewhere [request.Parts]atomic.Int64
}

// recordedExchange is an exchange with its recording, in one allocation.
type recordedExchange struct {
	exchange
	times recording
}

// mark notes that x is at a place now, if its time is recorded.
func (x *exchange) mark(place int) {
	if x.recording != nil {
		x.recording.marks[place].Store(x.clock())
	}
}

// markHere is mark for a brief filter that has more to do than usual.
func (x *exchange) markHere() { x.mark(int(x.at.Load())) }

// clock returns the nanoseconds since x was opened.
func (x *exchange) clock() int64 { return int64(time.Since(x.received)) }

// writeBegins and writeEnds are around every write to the client. A sum below 0 is one
// of which a write is under way.
func (x *exchange) writeBegins() {
	if x.recording != nil {
		x.recording.written.Add(-x.clock())
	}
}

// writeEnds is behind every write to the client.
func (x *exchange) writeEnds() {
	if x.recording != nil {
		x.recording.written.Add(x.clock())
	}
}

// spent is where the time of a request went: a recording as it was when the request ended.
type spent struct {
	marks           [mostPlaces]int64
	handover, write time.Duration
	elsewhere       [request.Parts]time.Duration
}

// spent reads the recording of an exchange that ends in at.
func (x *exchange) spent(at int, how ending, took time.Duration) (s spent) {
	t := x.recording
	for place := range min(at, len(x.chain.rows)) + 1 {
		s.marks[place] = t.marks[place].Load()
	}
	// A write that is still under way has lasted until now.
	s.write = time.Duration(t.written.Load())
	if s.write < 0 {
		s.write += took
	}
	s.write = min(max(s.write, 0), took)
	// After the time limit the handler's goroutine may still go on.
	if how != endTimedOut {
		s.handover = time.Duration(t.handover)
	}
	for i := range s.elsewhere {
		s.elsewhere[i] = time.Duration(t.elsewhere[i].Load())
	}
	return s
}

// others takes the time in others' hands out of that of the handler, own, and returns both. Calls that overlap may have
// lasted longer together than the handler: then the later parts have what is left.
func (s *spent) others(own time.Duration) (parts [request.Parts]time.Duration, rest time.Duration) {
	for i, took := range s.elsewhere {
		parts[i] = min(max(took, 0), own)
		own -= parts[i]
	}
	return parts, own
}

// each calls f with each place that a request entered which ended in at and took so
// long, in order, and with its own time: 0 and not measured where that was not noted.
// Director and handler are one place, len(rows). A filter that is done where the request is opened
// is one that was entered; one that can be idle was only if it noted its time, or answered.
func (s *spent) each(c *chain, at int, took time.Duration, f func(place int, own time.Duration, measured bool)) {
	at = min(at, len(c.rows))
	// From the inside outward: the time of a place lasts from its mark to end, the mark of the next one
	// inward, and of the innermost to the end of the request. A place without a mark has none, and the
	// one outside of it lasts longer. Marks that other goroutines make late cannot make a time negative.
	end := max(0, took-s.write-s.handover)
	var own [mostPlaces]time.Duration
	for place := at; place >= 0; place-- {
		if mark := time.Duration(s.marks[place]); mark > 0 || place == 0 {
			own[place] = max(0, end-mark)
			end = min(end, mark)
		}
	}
	for place := range at + 1 {
		measured := s.marks[place] > 0 || place == 0
		// Between two goroutines the time is the timeout filter's, which made the second.
		if place == c.timeoutRow && s.handover > 0 {
			own[place] += s.handover
			measured = true
		}
		if place == len(c.rows) {
			f(place, own[place], measured)
		} else if r := &c.rows[place]; r.off == "" && (r.idle == nil || measured || place == at) {
			f(place, own[place], measured && r.step != nil)
		}
	}
}

// sampleOf is how many requests that end in the same place there are to each whose filter
// times are counted for the chain's page.
const sampleOf = 64
