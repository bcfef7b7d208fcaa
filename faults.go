package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/admin"
	"apichain/internal/api"
	"apichain/internal/metrics"
)

// faultControl is the rules of fault injection: the set that the last PUT made, or none.
// It may be used concurrently.
type faultControl struct {
	control
	rules atomic.Pointer[faultRules]
}

// faultRules are the rules of one PUT, in order. Nothing of them changes but the counts.
type faultRules struct {
	seed int64
	list []*faultRule
	over <-chan struct{} // closed when they are undone: who is delayed goes on, what waits for its time is not done
}

// faultRule is one of them, with its counts.
type faultRule struct {
	admin.FaultRule // as it was set; its own counts are those of then
	match           matcher
	rules           *faultRules

	mu            sync.Mutex
	matched, hits int64
	lastHit       time.Time
}

// SetFaults takes the watches that are open, oldest first, before it returns.
func (s source) SetFaults(set admin.Setting, f admin.FaultSet) *admin.Error {
	c, rules := &s.p.faults, &faultRules{seed: rand.Int64N(1 << 31)}
	if f.Seed != nil {
		rules.seed = *f.Seed
	}
	for _, r := range f.Rules {
		rules.list = append(rules.list, &faultRule{FaultRule: r, match: newMatcher(r.Match), rules: rules})
	}
	return c.set(set, func(ctx context.Context) {
		rules.over = ctx.Done()
		c.rules.Store(rules)
		s.p.watchTable.each(c.take)
	}, func() { c.rules.Store(nil) })
}

func (s source) ClearFaults(by string) { s.p.faults.clear(by) }

func (s source) Faults() admin.Faults {
	c := &s.p.faults
	c.mu.Lock()
	defer c.mu.Unlock()
	out := admin.Faults{ControlState: c.state}
	if rules := c.rules.Load(); rules != nil {
		out.Seed = &rules.seed
		for _, r := range rules.list {
			out.Rules = append(out.Rules, r.counted())
		}
	}
	return out
}

// counted is the rule with its counts of now.
func (r *faultRule) counted() admin.FaultRule {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.FaultRule
	a.Matched, a.Hits, a.LastHit = r.matched, r.hits, admin.Time(r.lastHit)
	return a
}

// judge is what the rules do to x, in order, the first that fires alone; nil is nothing.
// open says that x is a watch which is under way. It is for the request's own goroutine,
// or for that of a PUT while x is held in the table of watches.
func (s *faultRules) judge(x *exchange, open bool) *fault {
	for _, r := range s.list {
		if !r.takes(x, open) {
			continue
		}
		if n, hit := r.fires(); hit {
			return newFault(x, r, n)
		}
	}
	return nil
}

// takes reports whether the rule is about x: its match, an action that fits, and, for what
// tells how the program is, a path in the match.
func (r *faultRule) takes(x *exchange, open bool) bool {
	return r.fits(x, open) && r.match.matches(x) && (!tellsState(x.path) || r.match.has("path"))
}

func (r *faultRule) fits(x *exchange, open bool) bool {
	verb := ""
	if x.info.IsResourceRequest {
		verb = x.info.Verb
	}
	switch r.Action.Do {
	case "drop-watch":
		return verb == "watch" && x.watchesStore()
	case "expired":
		return verb == "watch" && x.watchesStore() || !open && (verb == "get" || verb == "list")
	case "conflict":
		return !open && (verb == "update" || verb == "patch" || verb == "delete")
	}
	return !open
}

// watchesStore reports whether a watch is one of ours, whose events we can count.
func (x *exchange) watchesStore() bool {
	if x.target.route == nil {
		return false
	}
	_, ours := x.target.route.handler.(*api.Resource)
	return ours
}

// tellsState reports whether a path is of health, version or metrics.
func tellsState(path string) bool {
	root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"healthz", "livez", "readyz", "version", "metrics"}, root)
}

// fires counts a match, and a hit if the rule fires; n is the number of the match.
func (r *faultRule) fires() (n int64, hit bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.matched++
	if r.Count != nil && r.hits >= *r.Count || draw(r.rules.seed, r.ID, r.matched, drawHit)*100 >= r.Percent {
		return r.matched, false
	}
	r.hits++
	r.lastHit = time.Now()
	return r.matched, true
}

// What is drawn for a match.
const (
	drawHit = iota
	drawJitter
)

// draw is a number from 0 to below 1 that depends on its arguments alone, so that a seed
// gives the same sequence on every machine and whatever else happens. The id is hashed
// with FNV-1a, the rest mixed in with SplitMix64's finalizer.
func draw(seed int64, id string, n int64, what uint64) float64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	for _, v := range [...]uint64{uint64(seed), uint64(n), what} {
		h += v + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return float64(h>>11) / (1 << 53)
}

// hit notes on x what is done to it, and tells the streams.
func (c *faultControl) hit(x *exchange, f *fault) {
	if old := x.fault.Swap(f); old != nil {
		old.disarm()
	}
	c.p.publish("faults", "fault-hit", admin.FaultHit{Rule: f.ID, Request: x.shown()})
}

// take judges a watch that is under way by rules that came after it, once by each set: a
// PUT and the watch's own beginning may both see the other.
func (c *faultControl) take(r *watchRow) {
	rules := c.rules.Load()
	if rules == nil || r.x.judged.Swap(rules) == rules {
		return
	}
	if f := rules.judge(r.x, true); f != nil {
		c.hit(r.x, f)
		f.tapInto(r)
		f.arm(r.x)
	}
}

// writeMetrics writes how often each rule that is set has fired: a hundred series at most.
func (c *faultControl) writeMetrics(e *metrics.Writer) {
	e.Family("apichain_fault_hits_total", "counter", "Requests that a rule of fault injection was applied to, since it was set.")
	if rules := c.rules.Load(); rules != nil {
		for _, r := range rules.list {
			e.Number(float64(r.counted().Hits), "rule", r.ID)
		}
	}
}

// foretell is what the rules would do to a request that nobody has sent: the first rule
// that is sure to fire, and what those before it, or all if there is none, may do. Nothing
// is counted.
func (s *faultRules) foretell(x *exchange) (sure *faultRule, maybe string) {
	var each []string
	for _, r := range s.list {
		if !r.takes(x, false) {
			continue
		}
		now := r.counted()
		switch {
		case now.Count != nil && now.Hits >= *now.Count:
		case now.Percent < 100:
			each = append(each, fmt.Sprintf("rule %s may %s (%v percent)", r.ID, r.Action.Do, r.Percent))
		default:
			return r, strings.Join(each, "; ")
		}
	}
	return nil, strings.Join(each, "; ")
}
