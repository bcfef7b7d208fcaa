package syntax

import (
	"cmp"
	"slices"
)

// The idea: to decide between alternatives, all of them are followed at once, token by token, until only one is left, or until
// those that are left do the same from here on. First nothing is assumed of where the rule was called (a stack that runs empty
// goes on wherever the rule is used); only if that ends in a conflict, it is done again with the real callers. That is ANTLR's
// ALL(*), and the messages show where it stops. Its Go version differs from its paper in places; those are kept and named.

// stack is a set of stacks of states to return to: one state on a stack, or several ones. Equal stacks are one pointer.
type stack struct {
	links []link // by number of the state; none is the empty stack
	id    int
	above []*stack // those that are one state on this one
}

// link is a state on a stack.
type link struct {
	state *state
	below *stack
}

// config is a place that following an alternative has come to.
type config struct {
	state *state
	alt   int
	stack *stack
	// level is the precedence that must be allowed for the alternative, 0 for none.
	level int8
	// outer counts how often the end of the rule of the decision was passed with an empty stack.
	outer int
	// kept is true for what precedence does not drop: it came from the end of a rule that was called with no precedence.
	kept bool
}

// same says that two configs are one but for their stacks, which are merged.
func (c *config) same(d *config) bool {
	return c.state == d.state && c.alt == d.alt && c.level == d.level
}

// configs is a set of them in the order of adding.
type configs struct {
	list []config
	// of finds the first config of a state, and next the next one of the same state; both are indices and one more.
	of   []int32
	next []int32
}

// busyKey tells places apart that were passed already.
type busyKey struct {
	state *state
	alt   int
	level int8
	stack *stack
	kept  bool
}

// predictor makes the predictions of a text: those without callers, or those with them.
type predictor struct {
	p       *thorough
	full    bool // with the real callers
	stacks  int  // how many there are
	sets    map[string]*stack
	merged  map[[2]*stack]*stack
	empty   *stack
	at      *state // of the decision
	starts  map[startKey]*step
	known   map[string]*step
	nowhere *step // behind a token that does not fit
}

// startKey tells apart how predictions begin.
type startKey struct {
	at    *state
	level int8
}

// step is where a prediction without callers has come to. What follows depends on nothing but the next token, so it is kept.
type step struct {
	configs  *configs
	alt      int // the only one that is left
	conflict bool
	next     [bad]*step
}

// newPredictor returns a predictor of a text.
func newPredictor(p *thorough, full bool) *predictor {
	return &predictor{p: p, full: full, sets: map[string]*stack{}, merged: map[[2]*stack]*stack{}, empty: &stack{},
		starts: map[startKey]*step{}, known: map[string]*step{}, nowhere: &step{}}
}

// predict returns the number of the alternative to take at a decision, from 1; 0 with p.failed set if none fits.
func (p *thorough) predict(at *state) int {
	p.predictor.at = at
	start := p.pos
	defer func() { p.pos = start }()
	return p.predictor.run(start)
}

// run predicts without callers, and with them where that is not enough.
func (x *predictor) run(start int) int {
	for now := x.start(); !x.p.stopped; {
		t := x.p.peek()
		next := now.next[t]
		if next == nil {
			next = x.step(x.reach(now.configs, t))
			now.next[t] = next
		}
		switch {
		case next == x.nowhere:
			return x.none(now.configs, start, x.p.pos)
		case next.alt != 0 || next.conflict:
			return x.accept(next.configs, next.conflict, start)
		}
		now = next
		x.p.skip(t)
	}
	return 0
}

// start returns the first step of a prediction.
func (x *predictor) start() *step {
	k := startKey{at: x.at}
	if x.at.grows {
		k.level = x.p.levels[len(x.p.levels)-1]
	}
	found := x.starts[k]
	if found == nil {
		c := x.begin(x.empty)
		if x.at.grows {
			c = x.filter(c)
		}
		found = &step{configs: c}
		x.starts[k] = found
	}
	return found
}

// step returns the step that is at a set of places.
func (x *predictor) step(c *configs) *step {
	if c == nil {
		return x.nowhere
	}
	key := []byte{byte(x.at.number), byte(x.at.number >> 8)}
	for _, f := range c.list {
		for _, n := range []int{f.state.number, f.stack.id, f.alt, int(f.level), min(f.outer, 1)} {
			key = append(key, byte(n), byte(n>>8), byte(n>>16))
		}
		if f.kept {
			key = append(key, 'k')
		}
	}
	found := x.known[string(key)]
	if found == nil {
		found = &step{configs: c, alt: c.unique()}
		found.conflict = found.alt == 0 && c.conflicts()
		x.known[string(key)] = found
	}
	return found
}

// accept decides where one alternative is left or several are in conflict: by their precedence, or by the callers.
func (x *predictor) accept(c *configs, conflict bool, start int) int {
	alts, leveled := x.allowed(c)
	switch {
	case leveled && len(alts) == 1, !conflict && len(alts) > 0:
		return alts[0]
	case !conflict:
		x.p.fail(noViable, start, start)
		return 0
	}
	at := x.at
	x = x.p.called
	x.at, x.p.pos = at, start
	// Looking begins anew, at the same token.
	now := x.begin(x.callers(x.p.frame))
	for !x.p.stopped {
		t := x.p.peek()
		next := x.reach(now, t)
		if next == nil {
			// Upstream goes back before it looks which token does not fit, so it names the first, unlike without callers.
			return x.none(now, start, start)
		}
		if alt := next.unique(); alt != 0 {
			return alt
		}
		if alt := next.viable(); alt != 0 {
			return alt
		}
		now = next
		x.p.skip(t)
	}
	return 0
}

// allowed returns the alternatives whose precedence is allowed here, and whether any needs one. One that comes without a level
// somewhere needs none.
func (x *predictor) allowed(c *configs) (alts []int, leveled bool) {
	best := map[int]int8{}
	for _, f := range c.list {
		level, seen := best[f.alt]
		switch {
		case !seen:
			best[f.alt] = f.level
		case level != 0 && (f.level == 0 || f.level > level):
			best[f.alt] = f.level
		}
	}
	for alt, level := range best {
		leveled = leveled || level != 0
		if level == 0 || x.allows(level) {
			alts = append(alts, alt)
		}
	}
	slices.Sort(alts)
	return alts, leveled
}

// allows says that a precedence is allowed in the rule that is being read.
func (x *predictor) allows(level int8) bool { return level >= x.p.levels[len(x.p.levels)-1] }

// none returns the first alternative that had come to the end of its rule before the token that does not fit, so that what
// follows says what is wrong; if there is none, the prediction fails.
func (x *predictor) none(c *configs, start, offending int) int {
	for _, allowed := range []bool{true, false} {
		found := 0
		for _, f := range c.list {
			ok := f.level == 0 || x.allows(f.level)
			if ok == allowed && (f.outer > 0 || f.state.kind == stateStop && f.stack == x.empty) && (found == 0 || f.alt < found) {
				found = f.alt
			}
		}
		if found != 0 {
			return found
		}
	}
	x.p.fail(noViable, start, offending)
	return 0
}

// callers returns the stack of the rules that are being read.
func (x *predictor) callers(f *frame) *stack {
	switch {
	case f.parent == nil:
		return x.empty
	case f.stack == nil:
		f.stack = x.push(f.invoking.edges[0].to, x.callers(f.parent))
	}
	return f.stack
}

// begin returns the places at which the alternatives begin.
func (x *predictor) begin(s *stack) *configs {
	c := x.configs()
	for i, e := range x.at.edges {
		x.close(config{state: e.to, alt: i + 1, stack: s}, c, map[busyKey]bool{}, true, false, 0)
	}
	return c
}

// filter drops what the loop of a rule of left recursion need not try: turns of a precedence that is not allowed, and leaving the
// rule to do outside what a turn does inside.
func (x *predictor) filter(c *configs) *configs {
	out := x.configs()
	first := map[*state]*stack{}
	for _, f := range c.list {
		if f.alt == 1 && (f.level == 0 || x.allows(f.level)) {
			first[f.state], f.level = f.stack, 0
			x.add(out, f)
		}
	}
	for _, f := range c.list {
		if f.alt != 1 && (f.kept || first[f.state] != f.stack) {
			x.add(out, f)
		}
	}
	return out
}

// reach returns the places behind a token, nil if there are none.
func (x *predictor) reach(c *configs, t kind) *configs {
	moved := x.configs()
	var stopped []config
	for _, f := range c.list {
		if f.state.kind == stateStop {
			if x.full || t == end {
				stopped = append(stopped, f)
			}
			continue
		}
		for _, e := range f.state.edges {
			if e.set.has(t) {
				f.state = e.to
				x.add(moved, f)
			}
		}
	}
	// If one alternative is left, it does not matter where it leads.
	out := moved
	if stopped != nil || t == end || moved.unique() == 0 {
		out = x.configs()
		busy := map[busyKey]bool{}
		for _, f := range moved.list {
			x.close(f, out, busy, false, t == end, 0)
		}
	}
	if t == end {
		out = x.onlyStopped(out)
	}
	if !x.full || !out.anyStopped() {
		for _, f := range stopped {
			x.add(out, f)
		}
	}
	if len(out.list) == 0 {
		return nil
	}
	return out
}

// onlyStopped returns the places of a set that are at the end of their rule: at the end of the text nothing else is left.
func (x *predictor) onlyStopped(c *configs) *configs {
	out := x.configs()
	for _, f := range c.list {
		if f.state.kind == stateStop {
			x.add(out, f)
		}
	}
	return out
}

// anyStopped says that some place is at the end of its rule.
func (c *configs) anyStopped() bool {
	return slices.ContainsFunc(c.list, func(f config) bool { return f.state.kind == stateStop })
}

// close adds the places to which a place leads at no cost. Behind the end of a rule it goes on where a stack says; an empty stack
// ends there with callers, and leads to every use of the rule without. The depth counts rules that were entered: precedence is of
// the decision's rule only, which is at depth 0. (Going back to a caller by a stack does not change the depth, so a caller's
// precedence is measured by that of the rule that is being read; ANTLR in other languages counts there.)
func (x *predictor) close(f config, out *configs, busy map[busyKey]bool, leveling, atEnd bool, depth int) {
	todo := []config{f}
	for len(todo) > 0 {
		f, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if f.state.kind == stateStop {
			if f.stack != x.empty {
				for _, l := range f.stack.links {
					todo = append(todo, config{state: l.state, alt: f.alt, stack: l.below, level: f.level, outer: f.outer})
				}
				continue
			}
			if x.full {
				x.add(out, f)
				continue
			}
		}
		x.leave(f, out, busy, leveling, atEnd, depth)
	}
}

// leave follows the edges of a state.
func (x *predictor) leave(f config, out *configs, busy map[busyKey]bool, leveling, atEnd bool, depth int) {
	if len(f.state.edges) == 0 || f.state.edges[0].set != 0 {
		x.add(out, f)
	}
	for i, e := range f.state.edges {
		if i == 0 && x.loopsOutside(f) {
			continue
		}
		next, deeper := f, depth
		next.state = e.to
		switch {
		case e.set != 0:
			if !atEnd || !e.set.has(end) || x.passed(busy, next) {
				continue
			}
		case e.call != nil:
			next.state, next.stack = e.call, x.push(e.to, f.stack)
			if depth >= 0 {
				deeper++
			}
		case e.level != 0 && leveling && depth == 0:
			if !x.full {
				next.level = e.level
			} else if !x.allows(e.level) {
				continue
			}
		case f.state.kind == stateStop:
			next.kept = next.kept || x.at.grows && e.returns && f.state.rule == x.at.rule
			next.outer++
			if x.passed(busy, next) {
				continue
			}
			deeper--
		}
		x.close(next, out, busy, leveling, atEnd, deeper)
	}
}

// passed says that a place was passed already, and marks it.
func (x *predictor) passed(busy map[busyKey]bool, f config) bool {
	k := busyKey{f.state, f.alt, f.level, f.stack, f.kept}
	seen := busy[k]
	busy[k] = true
	return seen
}

// loopsOutside says that a place is the loop of a rule of left recursion that was called from a turn of that same loop: what
// another turn does, the caller's loop does as well.
func (x *predictor) loopsOutside(f config) bool {
	if !f.state.grows || f.stack == x.empty {
		return false
	}
	for _, l := range f.stack.links {
		if l.state.rule != f.state.rule {
			return false
		}
	}
	return true
}

// configs returns an empty set.
func (x *predictor) configs() *configs { return &configs{of: make([]int32, len(x.p.g.states))} }

// add adds a place to a set; the stacks of places that are otherwise the same are merged.
func (x *predictor) add(c *configs, f config) {
	for i := c.of[f.state.number]; i != 0; i = c.next[i-1] {
		if old := &c.list[i-1]; old.same(&f) {
			old.outer = max(old.outer, f.outer)
			old.kept = old.kept || f.kept
			old.stack = x.merge(old.stack, f.stack)
			return
		}
	}
	c.list = append(c.list, f)
	c.next = append(c.next, c.of[f.state.number])
	c.of[f.state.number] = int32(len(c.list))
}

// push returns a stack with a state on it.
func (x *predictor) push(s *state, below *stack) *stack {
	for _, above := range below.above {
		if above.links[0].state == s {
			return above
		}
	}
	x.stacks++
	found := &stack{links: []link{{s, below}}, id: x.stacks}
	below.above = append(below.above, found)
	return found
}

// several returns the stack that has several links.
func (x *predictor) several(links []link) *stack {
	if len(links) == 1 {
		return x.push(links[0].state, links[0].below)
	}
	var key []byte
	for _, l := range links {
		for _, n := range []int{l.state.number, l.below.id} {
			key = append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		}
	}
	found := x.sets[string(key)]
	if found == nil {
		x.stacks++
		found = &stack{links: links, id: x.stacks}
		x.sets[string(key)] = found
	}
	return found
}

// merge returns the stacks of both. Without callers the empty stack is any stack, and so takes the others in; with them it is lost
// beside others, as it is in ANTLR for Go.
func (x *predictor) merge(a, b *stack) *stack {
	switch {
	case a == b:
		return a
	case a == x.empty || b == x.empty:
		if x.full == (a == x.empty) {
			return b
		}
		return a
	}
	// Links are in the order of their states, so that equal sets are found to be equal.
	k := [2]*stack{a, b}
	if found := x.merged[k]; found != nil {
		return found
	}
	var links []link
	for i, j := 0, 0; i < len(a.links) || j < len(b.links); {
		order := 0
		switch {
		case i == len(a.links):
			order = 1
		case j == len(b.links):
			order = -1
		default:
			order = cmp.Compare(a.links[i].state.number, b.links[j].state.number)
		}
		switch {
		case order < 0:
			links = append(links, a.links[i])
			i++
		case order > 0:
			links = append(links, b.links[j])
			j++
		default:
			links = append(links, link{a.links[i].state, x.merge(a.links[i].below, b.links[j].below)})
			i++
			j++
		}
	}
	found := x.several(links)
	x.merged[k] = found
	return found
}

// unique returns the alternative of all places, 0 if there are several.
func (c *configs) unique() int {
	alt := 0
	for _, f := range c.list {
		if alt != 0 && alt != f.alt {
			return 0
		}
		alt = f.alt
	}
	return alt
}

// place is where configs of several alternatives can meet.
type place struct {
	state *state
	stack *stack
}

// alternatives returns the alternatives, as bits, that have come to each place.
func (c *configs) alternatives() map[place]uint64 {
	m := map[place]uint64{}
	for _, f := range c.list {
		m[place{f.state, f.stack}] |= 1 << f.alt
	}
	return m
}

// several says that a set of alternatives has more than one.
func several(alts uint64) bool { return alts&(alts-1) != 0 }

// conflicts says that looking further will not help as long as the callers are unknown: some alternatives have come to the same
// place, and there is no state that only one of them has come to.
func (c *configs) conflicts() bool {
	if !slices.ContainsFunc(c.list, func(f config) bool { return f.state.kind != stateStop }) {
		return true
	}
	conflict := false
	for _, alts := range c.alternatives() {
		conflict = conflict || several(alts)
	}
	states := map[*state]uint64{}
	for _, f := range c.list {
		states[f.state] |= 1 << f.alt
	}
	for _, alts := range states {
		if !several(alts) {
			return false
		}
	}
	return conflict
}

// viable returns the alternative that is the first at every place, 0 if it is not the same everywhere.
func (c *configs) viable() int {
	first := c.list[0].alt
	for _, f := range c.list {
		first = min(first, f.alt)
	}
	for _, f := range c.list {
		if f.alt != first && !slices.ContainsFunc(c.list, func(g config) bool {
			return g.alt == first && g.state == f.state && g.stack == f.stack
		}) {
			return 0
		}
	}
	return first
}
