package metrics

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations counts times in buckets that grow by an eighth of a power of two, so that a percentile is
// an eighth too large at most, from nanoseconds to an hour. It may be used concurrently; the zero
// value is ready. It is for pages that show percentiles; a Histogram is what Prometheus wants.
type Durations struct {
	n [40 * 8]atomic.Uint32
}

// Add counts a time. What is below 0 counts as 0.
func (d *Durations) Add(t time.Duration) { d.n[durationBucket(t)].Add(1) }

// Count returns how many times were counted.
func (d *Durations) Count() (all uint64) {
	for i := range d.n {
		all += uint64(d.n[i].Load())
	}
	return all
}

// durationBucket returns the bucket of t: those below 8 ns have one each, above the three
// bits behind the first one choose among those of a power of two. What is too long for all is in the
// last one.
func durationBucket(t time.Duration) int {
	v := uint64(max(t, 0))
	if v < 8 {
		return int(v)
	}
	octave := bits.Len64(v) - 4
	return min(octave*8+int(v>>octave), 40*8-1)
}

// bucketTop returns the largest time of a bucket, in nanoseconds.
func bucketTop(i int) int64 {
	if i < 8 {
		return int64(i)
	}
	octave := i/8 - 1
	return (int64(8+i%8)+1)<<octave - 1
}

// Percentiles returns, for each of percents from 1 to 100, the time in nanoseconds that so many of a
// hundred counted ones do not exceed; nil where nothing was counted.
func (d *Durations) Percentiles(percents ...uint64) []int64 {
	// A copy first: the counters go on, and the percentiles must be of one whole.
	var n [len(d.n)]uint64
	var all uint64
	for i := range n {
		n[i] = uint64(d.n[i].Load())
		all += n[i]
	}
	if all == 0 {
		return nil
	}
	out := make([]int64, len(percents))
	var seen uint64
	for i := range n {
		before := seen
		seen += n[i]
		for k, percent := range percents {
			if before*100 < all*percent && seen*100 >= all*percent {
				out[k] = bucketTop(i)
			}
		}
	}
	return out
}
