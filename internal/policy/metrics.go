package policy

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"apichain/internal/api"
	"apichain/internal/metrics"
)

// What is counted of evaluations, by upstream's names and with its labels: those that refuse, warn, are audited, or would have if they had
// not failed. There are as many series as policies and bindings have failed, and no more than mostSeries.

// bounds are upstream's buckets, in nanoseconds.
var bounds = []int64{500, 1e6, 10e6, 100e6, 1e9}

// mostSeries bounds how many label sets there may be. Others are counted as of the policy "other".
const mostSeries = 2000

// labels are those of a series. action is what was done, and errorType why: no_error is a rule that does not hold.
type labels struct{ policy, binding, errorType, action string }

// counts are those of all policies of one phase. The zero value is ready, and safe for many goroutines at once.
type counts struct {
	mu    sync.Mutex
	times map[labels]*metrics.Histogram
}

// count counts a decision.
func (c *counts) count(policy, binding, action string, d *decision) {
	c.observe(labels{policy, binding, errorType(d), action}, d.took)
}

// observe counts what took some time.
func (c *counts) observe(l labels, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = map[labels]*metrics.Histogram{}
	}
	if c.times[l] == nil && len(c.times) >= mostSeries {
		l.policy, l.binding = "other", ""
	}
	if c.times[l] == nil {
		c.times[l] = metrics.NewHistogram(bounds, func(n int64) float64 { return time.Duration(n).Seconds() })
	}
	c.times[l].Observe(int64(took))
}

// errorType returns what metrics call an error, by its words (upstream): even a rule that does not hold is one.
func errorType(d *decision) string {
	switch {
	case !d.denies && !d.isError && !d.isFinal:
		return "no_error"
	case strings.HasPrefix(d.message, "compilation"):
		return "compile_error"
	case strings.HasPrefix(d.message, "validation failed due to running out of cost budget"):
		return "out_of_budget"
	}
	return "invalid_error"
}

// write writes the two families of a phase, whose names begin with prefix.
func (c *counts) write(e *metrics.Writer, prefix, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []labels
	for l := range c.times {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b labels) int {
		return cmp.Or(cmp.Compare(a.policy, b.policy), cmp.Compare(a.binding, b.binding), cmp.Compare(a.action, b.action),
			cmp.Compare(a.errorType, b.errorType))
	})
	e.Family(prefix+"_check_total", "counter", what+", by what was done about them.")
	for _, l := range all {
		e.Number(float64(c.times[l].Total()), l.pairs()...)
	}
	e.Family(prefix+"_check_duration_seconds", "histogram", "Time that expressions took: "+what+".")
	for _, l := range all {
		e.Histogram(c.times[l], l.pairs()...)
	}
}

// pairs returns the names and values of labels. Of a mutation nothing else is done but what it does.
func (l labels) pairs() []string {
	pairs := []string{"error_type", l.errorType, "policy", l.policy, "policy_binding", l.binding}
	if l.action == "" {
		return pairs
	}
	return append([]string{"enforcement_action", l.action}, pairs...)
}

// WriteMetrics writes the families of what was counted.
func (p *Policies) WriteMetrics(e *metrics.Writer) {
	p.counts[api.Validating].write(e, "apiserver_validating_admission_policy", "Validations that failed")
	p.counts[api.Mutating].write(e, "apiserver_mutating_admission_policy", "Mutations")
}
