package main

import (
	"math/bits"
	"sync/atomic"
	"time"

	"apichain/admin"
)

// Where the time of a request goes. Each filter and the director note when they are
// entered, which is one reading of the clock; what is between two such moments is the
// outer one's own time. So:
//
//   - the first filter's own time begins when the exchange is opened;
//   - the time of the filter that answers, or of director and handler, goes on until the
//     request has ended: it renders its refusal, and the way back outward, on which
//     hardly a filter does anything, is in it;
//   - in HTTP/2 the handler has a goroutine of its own: until that runs, and from its
//     end until the request's goroutine goes on, the time is the timeout filter's;
//   - writing to the client is taken out of whatever does it. What net/http still holds
//     at the end is written after it, in nobody's time.
//
// So they add up to the duration exactly. No filter makes a request wait for a place, so
// nothing is queued.

// mostPlaces is the most rows of a chain, with the director.
const mostPlaces = 28

// recording is what an exchange notes of its time; nil where nothing is recorded. Times
// are nanoseconds since the exchange was opened.
//
// A mark is written before x.at says that its place is reached, and once: who has loaded
// at may read the marks up to there, whatever a handler that goes on still writes.
// handover is for the request's own goroutine.
type recording struct {
	marks    [mostPlaces]int64 // when a row, or the director, was entered; 0: not. That of row 0 stays 0
	handover int64             // from the end of the handler's own goroutine to its being noticed
	written  atomic.Int64      // in writes to the client; a write under way has taken off when it began
	sampled  bool
}

// recordedExchange is an exchange with its recording, in one allocation.
type recordedExchange struct {
	exchange
	times recording
}

// enterTimed is enter with a note of the time.
func enterTimed(position int32, inner handler) handler {
	return func(x *exchange) error {
		x.mark(position)
		x.at.Store(position)
		return inner(x)
	}
}

func (x *exchange) mark(position int32) {
	if x.recording != nil {
		x.recording.marks[position] = x.clock()
	}
}

// clock is the nanoseconds since x was opened, at least 1.
func (x *exchange) clock() int64 { return int64(time.Since(x.received)) | 1 }

// writeBegins and writeEnds are around every write to the client. A sum below 0 is one
// of which a write is under way.
func (x *exchange) writeBegins() {
	if x.recording != nil {
		x.recording.written.Add(-x.clock())
	}
}

func (x *exchange) writeEnds() {
	if x.recording != nil {
		x.recording.written.Add(x.clock())
	}
}

// writeTime is the time in writes of a request that took so long.
func (t *recording) writeTime(took time.Duration) time.Duration {
	w := time.Duration(t.written.Load())
	if w < 0 {
		w += took
	}
	return min(max(w, 0), took)
}

// spent is where the time of a request went.
type spent struct {
	places   int // rows of its chain that were entered, and the director, are below
	marks    [mostPlaces]int64
	handover time.Duration
	write    time.Duration
}

// spent reads the recording of an exchange that ends in at.
func (t *recording) spent(x *exchange, at int, how ending, took time.Duration) (s spent) {
	s.places = min(at, len(x.chain.rows)) + 1
	copy(s.marks[:s.places], t.marks[:])
	s.write = t.writeTime(took)
	if how != endTimedOut { // else the handler's goroutine may still go on
		s.handover = time.Duration(t.handover)
	}
	return s
}

// each calls f with each place that was entered, in order, and its own time, of a
// request that took so long.
func (s *spent) each(timeoutRow int, took time.Duration, f func(place int, own time.Duration)) {
	place, began := 0, time.Duration(0)
	for i := 1; i < s.places; i++ {
		if s.marks[i] == 0 {
			continue
		}
		entered := time.Duration(s.marks[i])
		own := entered - began
		if place == timeoutRow {
			own += s.handover
		}
		f(place, own)
		place, began = i, entered
	}
	if s.places > 0 {
		f(place, max(0, took-began-s.write-s.handover))
	}
}

// sampleOf is how many requests of a chain there are to each whose filter times are
// counted for the chain's page.
const sampleOf = 64

// durations counts times in buckets that grow by an eighth of a power of two. It may be
// used concurrently; the zero value is ready.
type durations struct {
	n [40 * 8]atomic.Uint32
}

func (d *durations) add(t time.Duration) { d.n[durationBucket(t)].Add(1) }

// durationBucket is the bucket of t: those below 8 ns have one each, above the three
// bits behind the first one choose among those of a power of two.
func durationBucket(t time.Duration) int {
	v := uint64(max(t, 0))
	if v < 8 {
		return int(v)
	}
	octave := bits.Len64(v) - 4
	return min(octave*8+int(v>>octave), 40*8-1)
}

// bucketTop is the largest time of a bucket, in nanoseconds.
func bucketTop(i int) int64 {
	if i < 8 {
		return int64(i)
	}
	octave := i/8 - 1
	return (int64(8+i%8)+1)<<octave - 1
}

// shown is the percentiles, nil where nothing was counted.
func (d *durations) shown() *admin.Percentiles {
	var n [len(d.n)]uint64
	var all uint64
	for i := range n {
		n[i] = uint64(d.n[i].Load())
		all += n[i]
	}
	if all == 0 {
		return nil
	}
	p := &admin.Percentiles{}
	var seen uint64
	for i := range n {
		before := seen
		seen += n[i]
		for _, want := range []struct {
			percent uint64
			at      *int64
		}{{50, &p.P50}, {99, &p.P99}} {
			if before*100 < all*want.percent && seen*100 >= all*want.percent {
				*want.at = bucketTop(i)
			}
		}
	}
	return p
}
