package expression

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"apichain/internal/cel"
	"apichain/internal/metrics"
	"apichain/internal/tree"
)

// Conditions are the matchConditions of a webhook or a policy, which all must hold. One that does not ends the matter, whatever the others
// are; one that cannot be evaluated is for the failure policy to judge, if the others hold.

// Conditions never changes; nil is none.
type Conditions struct {
	unit *Unit
	list []*Expression
}

// NewConditions compiles the conditions of an object, nil for none. They are in force already, so what is wrong with one is found when it
// is evaluated.
func NewConditions(u *Unit, list []any, d Declared) *Conditions {
	if len(list) == 0 {
		return nil
	}
	c := &Conditions{unit: u}
	for _, v := range list {
		c.list = append(c.list, u.Compile(tree.Text(v, "expression"), d, true, cel.BoolType))
	}
	return c
}

// Labels are those of metrics: whose conditions they are, as upstream calls it. Kind is webhook or policy, Type the phase.
type Labels struct{ Name, Kind, Type, Operation string }

// Match reports whether all conditions hold for a question, in which there is no namespaceObject. err says why one could not be
// evaluated. It counts what it does.
func (c *Conditions) Match(ctx context.Context, in *Input, n *Counts, l Labels) (matches bool, err error) {
	if c == nil {
		return true, nil
	}
	begun := time.Now()
	defer func() { n.took(l, time.Since(begun)) }()
	run, budget := c.unit.Run(ctx, in), uint64(ConditionsBudget)
	var errs []string
	isFalse := false
	for _, e := range c.list {
		var result Result
		if result, budget, err = run.Evaluate(e, budget); err != nil {
			return false, err
		}
		switch {
		// Those behind a false one say nothing any more, but are evaluated (upstream): a budget that is spent there is an error.
		case isFalse:
		case result.Err != nil:
			errs = append(errs, result.Err.Error())
		default:
			isFalse = !result.Value.Bool()
		}
	}
	n.failed(l, len(errs))
	if isFalse || len(errs) == 0 {
		return !isFalse, nil
	}
	return false, errors.New(aggregate(errs))
}

// aggregate returns several errors as upstream prints them: in brackets, each once.
func aggregate(errs []string) string {
	if len(errs) == 1 {
		return errs[0]
	}
	var once []string
	for _, e := range errs {
		if !slices.Contains(once, e) {
			once = append(once, e)
		}
	}
	if len(once) == 1 {
		return once[0]
	}
	return "[" + strings.Join(once, ", ") + "]"
}

// Counts are those of conditions, by upstream's names. The zero value is ready.
type Counts struct {
	mu         sync.Mutex
	times      map[Labels]*metrics.Histogram
	errs       map[Labels]*metrics.Counter
	exclusions map[Labels]*metrics.Counter
}

// mostSeries bounds how many label sets of each family there may be; others are counted as of the name "other".
const mostSeries = 2000

// bounds are upstream's buckets, in nanoseconds.
var bounds = []int64{1e6, 5e6, 10e6, 25e6, 100e6, 200e6, 250e6}

func (n *Counts) took(l Labels, took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	series(&n.times, l, func() *metrics.Histogram {
		return metrics.NewHistogram(bounds, func(n int64) float64 { return time.Duration(n).Seconds() })
	}).Observe(int64(took))
}

func (n *Counts) failed(l Labels, errs int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range errs {
		series(&n.errs, l, newCounter).Inc()
	}
}

// Excluded counts a webhook that was not asked because a condition does not hold.
func (n *Counts) Excluded(l Labels) {
	n.mu.Lock()
	defer n.mu.Unlock()
	series(&n.exclusions, l, newCounter).Inc()
}

func newCounter() *metrics.Counter { return new(metrics.Counter) }

// series returns the series of labels, made at its first use. The caller holds the lock.
func series[T any](all *map[Labels]*T, l Labels, make func() *T) *T {
	if *all == nil {
		*all = map[Labels]*T{}
	}
	if (*all)[l] == nil && len(*all) >= mostSeries {
		l.Name = "other"
	}
	if (*all)[l] == nil {
		(*all)[l] = make()
	}
	return (*all)[l]
}

// sorted calls write for each series in an order that does not change. The caller holds the lock.
func sorted[T any](all map[Labels]*T, write func(l Labels, v *T)) {
	var keys []Labels
	for l := range all {
		keys = append(keys, l)
	}
	slices.SortFunc(keys, func(a, b Labels) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Type, b.Type),
			cmp.Compare(a.Operation, b.Operation))
	})
	for _, l := range keys {
		write(l, all[l])
	}
}

// WriteMetrics writes the families of what was counted.
func (n *Counts) WriteMetrics(e *metrics.Writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.Family("apiserver_admission_match_condition_evaluation_seconds", "histogram", "Time that the conditions of a webhook or a policy took.")
	sorted(n.times, func(l Labels, h *metrics.Histogram) {
		e.Histogram(h, "kind", l.Kind, "name", l.Name, "operation", l.Operation, "type", l.Type)
	})
	counters := func(name, help string, all map[Labels]*metrics.Counter) {
		e.Family(name, "counter", help)
		sorted(all, func(l Labels, c *metrics.Counter) {
			e.Number(c.Value(), "kind", l.Kind, "name", l.Name, "operation", l.Operation, "type", l.Type)
		})
	}
	counters("apiserver_admission_match_condition_evaluation_errors_total", "Conditions that could not be evaluated.", n.errs)
	counters("apiserver_admission_match_condition_exclusions_total", "Webhooks that were not asked because a condition does not hold.",
		n.exclusions)
}
