package admission

import (
	"slices"
	"strconv"
	"time"

	"apichain/internal/api"
	"apichain/internal/metrics"
)

// How long writes wait for admission, by upstream's name. A write that nobody wants to know of does not wait and is not counted.

// operations are upstream's, in the order of series.
var operations = [...]string{api.OperationConnect, api.OperationCreate, api.OperationDelete, api.OperationUpdate}

// durationBounds are upstream's buckets, in nanoseconds.
var durationBounds = []int64{5e6, 25e6, 100e6, 500e6, 1e9, 25e8}

// startCounting makes histograms in which nothing was counted yet.
func (c *Chain) startCounting() {
	for phase := range c.durations {
		for operation := range c.durations[phase] {
			for rejected := range c.durations[phase][operation] {
				seconds := func(n int64) float64 { return time.Duration(n).Seconds() }
				c.durations[phase][operation][rejected] = metrics.NewHistogram(durationBounds, seconds)
			}
		}
	}
}

// took returns where the time of a question is counted.
func (c *Chain) took(phase api.Phase, operation string, rejected bool) *metrics.Histogram {
	n := 0
	if rejected {
		n = 1
	}
	return c.durations[phase][slices.Index(operations[:], operation)][n]
}

// WriteMetrics writes the family of what was counted, the series that have counted something.
func (c *Chain) WriteMetrics(e *metrics.Writer) {
	e.Family("apiserver_admission_step_admission_duration_seconds", "histogram", "Time that writes have waited for a phase of admission.")
	for i, operation := range operations {
		for rejected := range 2 {
			for _, phase := range [...]api.Phase{api.Mutating, api.Validating} {
				h := c.durations[phase][i][rejected]
				if isEmpty(h) {
					continue
				}
				typ := [...]string{api.Mutating: "admit", api.Validating: "validate"}[phase]
				e.Histogram(h, "operation", operation, "rejected", strconv.FormatBool(rejected == 1), "type", typ)
			}
		}
	}
}

// isEmpty reports whether nothing was counted.
func isEmpty(h *metrics.Histogram) bool {
	for i := range len(durationBounds) + 1 {
		if h.Count(i) > 0 {
			return false
		}
	}
	return true
}
