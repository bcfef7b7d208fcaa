// Package metrics counts, and writes what was counted in the text form of Prometheus
// (exposition format 0.0.4).
//
// It has no registry. Whoever has something to count owns a Counter or a Histogram, as fields of
// its own, and writes its families when somebody asks, from those and from whatever it can read at
// that moment. So a gauge is no second copy of a number that the program has anyway, and it can
// never be out of date.
//
//	var refused metrics.Counter
//	…
//	refused.Inc()
//	…
//	e := metrics.NewWriter(w)
//	e.Family("refused_total", "counter", "Requests that were refused.")
//	e.Number(refused.Value(), "reason", "busy")
//	e.Process(started)
//	err := e.Flush()
//
// Counters, histograms and durations may be used concurrently: to count takes no lock and allocates nothing.
// What is read while others count is not one moment's: a histogram that is written then may have
// counted a value whose part of the sum is yet to come, as with every client of Prometheus.
// A Writer is for one goroutine. The package makes no promise of compatibility.
package metrics

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Counter is one number that grows. Its zero value is ready for use, and it must not be copied.
type Counter struct{ atomic.Uint64 }

// Inc adds one.
func (c *Counter) Inc() { c.Add(1) }

// Value returns the number, as it is written.
func (c *Counter) Value() float64 { return float64(c.Load()) }

// Histogram counts values by size and adds them up. Values are integers in a unit that is small
// enough (nanoseconds, bytes), since integers can be added up without a lock.
type Histogram struct {
	bounds []int64
	unit   func(int64) float64
	// counts are of values up to each bound and above the one before; the last: above all.
	counts []Counter
	sum    Counter
}

// NewHistogram makes a histogram with a bucket up to and with each bound. Bounds grow, and must
// not change. unit turns a value, a bound or a sum into what is written: nanoseconds into seconds,
// for one.
func NewHistogram(bounds []int64, unit func(int64) float64) *Histogram {
	return &Histogram{bounds: bounds, unit: unit, counts: make([]Counter, len(bounds)+1)}
}

// Observe counts a value. A negative one, as of a clock that was set back, counts as zero.
func (h *Histogram) Observe(v int64) {
	v = max(0, v)
	i := 0
	// Bounds are few, and most values are small: a search by halves is not faster.
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Inc()
	h.sum.Add(uint64(v))
}

// Count returns how many values were counted in the bucket up to and with the i-th bound and
// above the one before; for i equal to the number of bounds, above all.
func (h *Histogram) Count(i int) uint64 { return h.counts[i].Load() }

// Total returns how many values were counted.
func (h *Histogram) Total() (n uint64) {
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Sum returns the sum of all values, in their unit.
func (h *Histogram) Sum() int64 { return int64(h.sum.Load()) }

// Writer writes families, each with its HELP and TYPE once and its series after them. The caller
// writes a family once, and its series in an order that does not change, which makes two texts
// comparable. Errors of what it writes to come from Flush.
type Writer struct {
	w    *bufio.Writer
	name string // of the family
}

// NewWriter makes a writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriter(w)} }

// Flush writes what is left, and returns the first error of all writing.
func (e *Writer) Flush() error { return e.w.Flush() }

// Family begins a family: kind is counter, gauge or histogram, and help one line of text.
//
//go:noinline
func (e *Writer) Family(name, kind, help string) {
	e.name = name
	fmt.Fprintf(e.w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Number writes one series of the family; labels are names and values in turn. Values may be any
// text: they are escaped.
//
//go:noinline
func (e *Writer) Number(v float64, labels ...string) { e.sample("", v, labels...) }

// Single writes a family of one series without labels.
func (e *Writer) Single(name, kind, help string, v float64) {
	e.Family(name, kind, help)
	e.Number(v)
}

// Histogram writes one series of a family of histograms; labels as for Number. Each bucket counts
// all values up to its bound, the one of +Inf all there are, which is the count too.
func (e *Writer) Histogram(h *Histogram, labels ...string) {
	var n uint64
	for i := range h.counts {
		n += h.counts[i].Load()
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.unit(h.bounds[i]), 'g', -1, 64)
		}
		// Clipped, so that no bound lands in the caller's array.
		e.sample("_bucket", float64(n), append(slices.Clip(labels), "le", bound)...)
	}
	e.sample("_sum", h.unit(h.Sum()), labels...)
	// Not another reading of the counters, which may have grown: a count must be that of +Inf.
	e.sample("_count", float64(n), labels...)
}

// sample writes one line: the family's name with a suffix, labels and a value.
func (e *Writer) sample(suffix string, v float64, labels ...string) {
	e.w.WriteString(e.name + suffix)
	for i := 0; i < len(labels); i += 2 {
		if i == 0 {
			e.w.WriteByte('{')
		} else {
			e.w.WriteByte(',')
		}
		e.w.WriteString(labels[i] + `="` + labelEscaper.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		e.w.WriteByte('}')
	}
	e.w.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

// labelEscaper writes a label's value so that it stays within its quotes and its line: clients
// choose some of them.
var labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
