package conversion

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"apichain/internal/metrics"
)

// What is counted of conversions, with upstream's names. There is a series for each definition and pair of its
// versions, which goes with the definition.

// The failures, by upstream's names. A body that is no review is a failed call to upstream; garbage says that the
// webhook has answered all the same.
const (
	callFailure      = "conversion_webhook_call_failure"
	garbageFailure   = "garbage"
	malformedFailure = "conversion_webhook_malformed_response_failure"
	partialFailure   = "conversion_webhook_partial_response_failure"
	invalidFailure   = "conversion_webhook_invalid_converted_object_failure"
)

// seriesKey is what tells conversions apart.
type seriesKey struct {
	definition, from, to string
	succeeded            bool
}

// counts is what is counted of all webhooks. The zero value is ready for use, concurrently.
type counts struct {
	mu sync.Mutex
	// conversions are by definition, and calls by failure, "" for none.
	conversions map[seriesKey]*metrics.Histogram
	calls       map[string]*metrics.Histogram
}

func inSeconds(n int64) float64 { return time.Duration(n).Seconds() }

// bounds returns bounds of seconds.
func bounds(seconds ...float64) (out []int64) {
	for _, s := range seconds {
		out = append(out, int64(s*float64(time.Second)))
	}
	return out
}

// count counts a call.
func (c *counts) count(k seriesKey, failure string, took time.Duration) {
	// The two are one to upstream's numbers, and differ only for who asks.
	if failure == garbageFailure {
		failure = callFailure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// With the first call: most programs make none.
	if c.calls == nil {
		c.conversions, c.calls = map[seriesKey]*metrics.Histogram{}, map[string]*metrics.Histogram{}
	}
	if c.conversions[k] == nil {
		doubling := []float64{0.001}
		for range 14 {
			doubling = append(doubling, 2*doubling[len(doubling)-1])
		}
		c.conversions[k] = metrics.NewHistogram(bounds(doubling...), inSeconds)
	}
	// By definition and versions, and below once more by what came of it: two families of upstream's.
	c.conversions[k].Observe(int64(took))
	if c.calls[failure] == nil {
		c.calls[failure] = metrics.NewHistogram(bounds(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60), inSeconds)
	}
	c.calls[failure].Observe(int64(took))
}

// drop forgets the series of a definition.
func (c *counts) drop(definition string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.conversions {
		// All versions of it, from and to.
		if k.definition == definition {
			delete(c.conversions, k)
		}
	}
}

// WriteMetrics writes the families.
func (w *Webhooks) WriteMetrics(e *metrics.Writer) {
	c := &w.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	var failures []string
	for f := range c.calls {
		failures = append(failures, f)
	}
	// The page is the same bytes as long as nothing is counted.
	slices.Sort(failures)
	labels := func(failure string) []string {
		if failure == "" {
			return []string{"failure_type", "", "result", "success"}
		}
		return []string{"failure_type", failure, "result", "failure"}
	}
	e.Family("apiserver_conversion_webhook_duration_seconds", "histogram", "Time of calls of conversion webhooks, by result.")
	for _, f := range failures {
		e.Histogram(c.calls[f], labels(f)...)
	}
	e.Family("apiserver_conversion_webhook_request_total", "counter", "Calls of conversion webhooks, by result.")
	for _, f := range failures {
		e.Number(float64(total(c.calls[f])), labels(f)...)
	}
	e.Family("apiserver_crd_conversion_webhook_duration_seconds", "histogram", "Time of conversions by webhooks, by definition and versions.")
	var keys []seriesKey
	for k := range c.conversions {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := &keys[i], &keys[j]
		return cmp.Or(cmp.Compare(a.definition, b.definition), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to),
			cmp.Compare(strconv.FormatBool(a.succeeded), strconv.FormatBool(b.succeeded))) < 0
	})
	for _, k := range keys {
		succeeded := strconv.FormatBool(k.succeeded)
		e.Histogram(c.conversions[k], "crd_name", k.definition, "from_version", k.from, "succeeded", succeeded, "to_version", k.to)
	}
}

// total returns how many values a histogram has.
func total(h *metrics.Histogram) (n uint64) {
	for i := range 16 {
		n += h.Count(i)
	}
	return n
}
