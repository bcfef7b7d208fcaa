package metrics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestDurations: a percentile is at least what it says and at most an eighth more.
func TestDurations(t *testing.T) {
	for _, ns := range []int64{0, 1, 7, 8, 9, 15, 16, 17, 100, 1023, 1024, 4095, 1e6, 123456789, 1e9, 60e9} {
		var d Durations
		d.Add(time.Duration(ns))
		if got := d.Percentiles(50, 99); got[0] < ns || got[0] > ns+ns/8 || got[1] != got[0] {
			t.Errorf("%d ns: %v", ns, got)
		}
	}
	var d Durations
	if got := d.Percentiles(50); got != nil || d.Count() != 0 {
		t.Errorf("of nothing: %v, %d counted", got, d.Count())
	}
	for i := range 100 {
		d.Add(time.Duration(i+1) * time.Microsecond)
	}
	if got := d.Percentiles(50, 99); got[0] < 50_000 || got[0] > 57_000 || got[1] < 99_000 || got[1] > 112_000 {
		t.Errorf("1 to 100 µs: %v", got)
	}
	d.Add(-1)
	d.Add(math.MaxInt64)
	if d.Count() != 102 {
		t.Errorf("%d counted, want 102", d.Count())
	}
	for i := range len(d.n) - 1 {
		if bucketTop(i) >= bucketTop(i+1) || durationBucket(time.Duration(bucketTop(i))) != i || durationBucket(time.Duration(bucketTop(i)+1)) != i+1 {
			t.Errorf("bucket %d ends at %d, in bucket %d", i, bucketTop(i), durationBucket(time.Duration(bucketTop(i))))
		}
	}
}

// TestPercentilesOfMany: against a sorted list, a percentile is the exact one or at most an eighth
// more, and they grow with what is asked for.
func TestPercentilesOfMany(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 50 {
		var d Durations
		all := make([]int64, 1+r.IntN(500))
		for i := range all {
			all[i] = r.Int64N(1 << r.IntN(40))
			d.Add(time.Duration(all[i]))
		}
		slices.Sort(all)
		percents := []uint64{1, 10, 50, 90, 99, 100}
		got := d.Percentiles(percents...)
		for k, percent := range percents {
			// The smallest that so many of a hundred do not exceed.
			want := all[(len(all)*int(percent)+99)/100-1]
			if got[k] < want || got[k] > want+want/8 || k > 0 && got[k] < got[k-1] {
				t.Errorf("seed %d: %d percent of %d times: %d, want %d or up to an eighth more", seed, percent, len(all), got[k], want)
			}
		}
	}
}
