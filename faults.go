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
	"apichain/internal/backend"
	"apichain/internal/metrics"
)

// The rules of fault injection: which requests they are about, and which of those are hit. What a hit
// does to its request is in filter_fault.go. Source: the admin contract, GET, PUT, DELETE
// /admin/v1/faults.
//
// A PUT makes a set of rules, which replaces the one before whole and starts all counts anew. A
// request is decided by one set, the one that is in force when it reaches the filter. Of its rules the
// first that matches and fires acts alone; each that matches and does not fire is counted, and hands
// the request on to the next.
//
// Sets are reproducible. Whether a rule fires for its n-th match is drawn from the seed of the set, the
// rule's id and n, and from nothing else: neither from the clock, nor from what the other rules do, nor
// from the order of goroutines. With seed 7 a rule "flaky-list" of 25 percent hits its matches 1, 2 and
// 13 on every machine. Which request is the n-th match is for the client to hold, by sending one after
// the other; open watches are matched in the order of their age.
//
// A rule whose match has the key backend is about calls of webhooks and aggregated servers instead, by the same
// sequence, and about no request. Of calls that one request makes side by side, as to validating webhooks, the order is
// theirs: a rule for one backend is reproducible there, and one for several is not.

// faultControl holds the set of rules that the last PUT made, or none. It may be used concurrently.
type faultControl struct {
	control
	rules atomic.Pointer[faultRules] // nil: no rule is set, which is all that a request asks then
}

// faultRules is the set of one PUT. Nothing of it changes but the counts of its rules.
type faultRules struct {
	seed int64
	list []*faultRule // in the order of the PUT

	// undone is closed when the set is cleared or replaced. Then who is delayed goes on, and no
	// watch ends by it any more.
	undone <-chan struct{}
}

// faultRule is one rule of a set, with its counts.
type faultRule struct {
	admin.FaultRule // as it was set; its own counts are those of then
	match           matcher
	rules           *faultRules

	mu            sync.Mutex // guards the counts
	matched, hits int64
	lastHit       time.Time
}

// SetFaults replaces the rules. Open watches are decided by the new ones, the oldest first, before it
// returns.
func (s source) SetFaults(set admin.Setting, f admin.FaultSet) *admin.Error {
	c, rules := &s.p.faults, &faultRules{seed: rand.Int64N(1 << 31)}
	if f.Seed != nil {
		rules.seed = *f.Seed
	}
	for _, r := range f.Rules {
		rules.list = append(rules.list, &faultRule{FaultRule: r, match: newMatcher(r.Match), rules: rules})
	}
	return c.set(set, func(ctx context.Context) {
		rules.undone = ctx.Done()
		// In force before the walk, so that a watch that begins meanwhile, and is not in the table
		// yet, finds them by itself.
		c.rules.Store(rules)
		s.p.watchTable.each(c.applyToWatch)
	}, func() { c.rules.Store(nil) })
}

// ClearFaults takes all rules back, in the name of the user by.
func (s source) ClearFaults(by string) { s.p.faults.clear(by) }

// Faults returns the rules that are set, with their counts.
func (s source) Faults() admin.Faults {
	c := &s.p.faults
	// Rules and state change under this lock together, so they are read under it.
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

// counted returns the rule with its counts of now.
func (r *faultRule) counted() admin.FaultRule {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.FaultRule
	a.Matched, a.Hits, a.LastHit = r.matched, r.hits, admin.Time(r.lastHit)
	return a
}

// decide returns what the rules do to x, nil for nothing, and counts it. open says that x is a watch
// which is under way. It is for the request's own goroutine, or for that of a PUT while x is held in
// the table of watches.
func (s *faultRules) decide(x *exchange, open bool) *fault {
	for _, r := range s.list {
		if !r.appliesTo(x, open) {
			continue
		}
		if n, hit := r.countMatch(); hit {
			return newFault(x, r, n)
		}
	}
	return nil
}

// predict returns what the rules would do to a request that nobody has sent: the first rule that is
// certain to fire, nil for none, and in words what those before it, or all if there is none, may do.
// Nothing is counted.
func (s *faultRules) predict(x *exchange) (certain *faultRule, possible string) {
	var each []string
	for _, r := range s.list {
		if !r.appliesTo(x, false) {
			continue
		}
		now := r.counted()
		switch {
		case now.Count != nil && now.Hits >= *now.Count: // it is used up
		// The draw could be made for the next match, but others may match in between.
		case now.Percent < 100:
			each = append(each, fmt.Sprintf("rule %s may %s (%v percent)", r.ID, r.Action.Do, r.Percent))
		default:
			return r, strings.Join(each, "; ")
		}
	}
	return nil, strings.Join(each, "; ")
}

// appliesTo reports whether the rule is about x: its action fits, its match has x and, where x asks how
// the program is, the match names a path: a rule for everything must not make a server look unhealthy.
func (r *faultRule) appliesTo(x *exchange, open bool) bool {
	return r.fits(x, open) && r.match.matches(x) && (!isProbe(x.path) || r.match.has("path"))
}

// fits reports whether the rule's action can be done to x. A watch that is under way, which open says,
// has had its answer begun: it can only be ended. A write gets no 410, and only a write a conflict.
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

// watchesStore reports whether the handler of a watch is one of the program's resources. Only those ask
// a tap; a stream of an extension cannot be ended between two events.
func (x *exchange) watchesStore() bool {
	if x.target.route == nil {
		return false
	}
	_, ours := x.target.route.handler.(*api.Resource)
	return ours
}

// isProbe reports whether a path is of health, version or metrics.
func isProbe(path string) bool {
	root, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"healthz", "livez", "readyz", "version", "metrics"}, root)
}

// decideCall returns what the rules do to a call of a backend, nil for nothing, and counts it. x is the request that the
// call is made for, nil for none. It may be called by several goroutines of one request: then the order of their
// matches is theirs.
func (s *faultRules) decideCall(x *exchange, b *backend.Backend) *fault {
	id := string(b.Kind) + "/" + b.Name
	for _, r := range s.list {
		if !r.match.matchesCall(x, b.Name, id) {
			continue
		}
		if n, hit := r.countMatch(); hit {
			return newFault(x, r, n)
		}
	}
	return nil
}

// countMatch counts a match, and a hit if the rule fires for it; n is the number of the match, from 1.
func (r *faultRule) countMatch() (n int64, hit bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A rule that is used up goes on counting: the sequence must not depend on count.
	r.matched++
	if r.Count != nil && r.hits >= *r.Count || draw(r.rules.seed, r.ID, r.matched, drawHit)*100 >= r.Percent {
		return r.matched, false
	}
	r.hits++
	r.lastHit = time.Now()
	return r.matched, true
}

// What is drawn for a match. The numbers are part of the sequence, and must not change within v1.
const (
	drawHit = iota
	drawJitter
)

// draw returns a number from 0 to below 1 that depends on its arguments alone, so that a seed gives the
// same sequence on every machine and whatever else happens. The id is hashed with FNV-1a, the rest mixed
// in with SplitMix64's finalizer.
func draw(seed int64, id string, n int64, what uint64) float64 {
	h := uint64(14695981039346656037) // FNV's offset basis, and its prime below
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	// One after the other, so that seeds and numbers that are alike give nothing alike.
	for _, v := range [...]uint64{uint64(seed), uint64(n), what} {
		h += v + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	// The 53 bits that a float64 holds exactly: the result is never rounded up to 1.
	return float64(h>>11) / (1 << 53)
}

// attach makes f the fault of x in the place of one that it may have, and tells the streams. It is for
// the goroutines that decide is for.
func (c *faultControl) attach(x *exchange, f *fault) {
	if old := x.fault.Swap(f); old != nil {
		old.end.stopTimer()
	}
	c.p.publish("faults", "fault-hit", admin.FaultHit{Rule: f.ID, Request: x.shown()})
}

// applyToWatch lets the rules decide about a watch under way that another set, or none, has decided
// about. It must be called whenever either is new, the rules or the watch.
func (c *faultControl) applyToWatch(r *watchRow) {
	rules := c.rules.Load()
	// A PUT and the watch's own beginning may both see the other. Who swaps first decides.
	if rules == nil || r.x.decidedBy.Swap(rules) == rules {
		return
	}
	if f := rules.decide(r.x, true); f != nil {
		c.attach(r.x, f)
		f.attachTo(r)
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
