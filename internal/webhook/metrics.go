package webhook

import (
	"cmp"
	"context"
	"errors"
	"sort"
	"strconv"
	"sync"
	"time"

	"apichain/internal/metrics"
)

// What is counted of calls, by upstream's names and with its labels. A call is counted once, when its outcome is known: how long it
// took, with which status it ended (that of the refusal, of the HTTP answer, or of what upstream takes in place of one), and
// whether the write has failed by it.
//
// There are as many series as webhooks, operations and codes have been seen, and no
// more than mostSeries: names come from whoever may write configurations.

// durationBounds are upstream's buckets, in nanoseconds: up to 25 seconds, as a webhook may have 30.
var durationBounds = []int64{5e6, 25e6, 100e6, 500e6, 1e9, 25e8, 10e9, 25e9}

// mostSeries bounds how many label sets of each kind there may be. Others are counted as of the name "other".
const mostSeries = 2000

// seriesKey is the labels of a series; those that a family has not are "". typ is admit or validating, as upstream calls the phases of
// webhooks, and errorType one of calling_webhook_error, apiserver_internal_error and no_error, which is a refusal.
type seriesKey struct{ name, typ, operation, rejected, code, errorType string }

// counts are those of all webhooks. The zero value is ready.
type counts struct {
	// mu guards the maps; what they hold counts by itself.
	mu sync.Mutex
	// took is in nanoseconds.
	took map[seriesKey]*metrics.Histogram
	// requests are all calls, rejected those that have failed a write, and opens the failures that have not.
	requests, rejected, opens map[seriesKey]*metrics.Counter
}

// count counts the outcome of a call, whose err is as call and the refusal have it: nil is a write that may go on. It may be called by
// several goroutines.
func (q *question) count(h *hook, took time.Duration, err error, typ string) {
	// What lets the write pass is not a rejection, be it a failure.
	c := &q.w.counts
	k := seriesKey{name: h.name, typ: typ, operation: q.Operation, rejected: "true"}
	// A webhook says what it likes in a Status, and each number would be a series.
	status := min(max(code(err), 0), 600)
	var call *callError
	var refused *deniedError
	errorType := ""
	switch {
	case err == nil:
		k.rejected = "false"
	case errors.As(err, &call):
		if h.failsOpen {
			k.rejected = "false"
		} else if !errors.Is(call.why, context.Canceled) {
			errorType = "calling_webhook_error"
		}
	case errors.As(err, &refused):
		errorType = "no_error"
	default:
		errorType = "apiserver_internal_error"
	}
	// One lock for three numbers: a call costs a hundred times as much.
	c.mu.Lock()
	defer c.mu.Unlock()
	of(&c.took, k, func() *metrics.Histogram {
		return metrics.NewHistogram(durationBounds, func(n int64) float64 { return time.Duration(n).Seconds() })
	}).Observe(int64(took))
	k.code = strconv.Itoa(status)
	of(&c.requests, k, newCounter).Inc()
	if errorType != "" {
		k.rejected, k.errorType = "", errorType
		of(&c.rejected, k, newCounter).Inc()
	}
}

// failOpen counts a failure that let a write pass.
func (c *counts) failOpen(name, typ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of(&c.opens, seriesKey{name: name, typ: typ}, newCounter).Inc()
}

func newCounter() *metrics.Counter { return new(metrics.Counter) }

// of returns the series of a key, made at its first use. The caller holds the lock.
func of[T any](all *map[seriesKey]*T, k seriesKey, make func() *T) *T {
	if *all == nil {
		*all = map[seriesKey]*T{}
	}
	// The name is what there may be any number of; the rest is a few words each.
	if (*all)[k] == nil && len(*all) >= mostSeries {
		k.name = "other"
	}
	if (*all)[k] == nil {
		(*all)[k] = make()
	}
	return (*all)[k]
}

// sorted calls write for each series in an order that does not change: by name, phase and operation, then what came of it. The caller
// holds the lock.
func sorted[T any](all map[seriesKey]*T, write func(seriesKey, *T)) {
	var keys []seriesKey
	for k := range all {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := &keys[i], &keys[j]
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.typ, b.typ), cmp.Compare(a.operation, b.operation),
			cmp.Compare(a.errorType, b.errorType), cmp.Compare(a.code, b.code), cmp.Compare(a.rejected, b.rejected)) < 0
	})
	for _, k := range keys {
		write(k, all[k])
	}
}

// WriteMetrics writes the families of what was counted. A webhook that is no more keeps its series until the process ends, as
// every client of Prometheus has it.
func (w *Webhooks) WriteMetrics(e *metrics.Writer) {
	c := &w.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Family("apiserver_admission_webhook_admission_duration_seconds", "histogram", "Time that calls of admission webhooks took.")
	sorted(c.took, func(k seriesKey, h *metrics.Histogram) {
		e.Histogram(h, "name", k.name, "operation", k.operation, "rejected", k.rejected, "type", k.typ)
	})
	e.Family("apiserver_admission_webhook_request_total", "counter",
		"Calls of admission webhooks, with the HTTP status of what came of them.")
	sorted(c.requests, func(k seriesKey, n *metrics.Counter) {
		e.Number(n.Value(), "code", k.code, "name", k.name, "operation", k.operation, "rejected", k.rejected, "type", k.typ)
	})
	e.Family("apiserver_admission_webhook_rejection_count", "counter",
		"Writes that were refused by an admission webhook, or because it could not be asked.")
	sorted(c.rejected, func(k seriesKey, n *metrics.Counter) {
		e.Number(n.Value(), "error_type", k.errorType, "name", k.name, "operation", k.operation, "rejection_code", k.code, "type", k.typ)
	})
	e.Family("apiserver_admission_webhook_fail_open_count", "counter", "Failed calls of admission webhooks that let the write pass.")
	sorted(c.opens, func(k seriesKey, n *metrics.Counter) { e.Number(n.Value(), "name", k.name, "type", k.typ) })
}
