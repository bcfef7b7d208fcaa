package syntax

import "slices"

// The idea: to decide between alternatives, all of them are followed at once, token by token, until only one is left, or until
// those that are left do the same from here on. First nothing is assumed of where the rule was called: where the stack of calls runs
// empty, it goes on behind every use of the rule. Only if that ends in a conflict, it is done again with the real callers. That is
// ANTLR's ALL(*), and the messages show where it stops.
//
//	primary at a.b.c{    follows an identifier, a call and a message. The second is dropped at the point, the first at the brace
//	unary at -1          follows a signed number and the negation of a number, which end in the same place: the first is taken
//
// The first of these step by step, for a.b{ with the alternatives of primary:
//
//	       1 Ident                        2 Call          6 Message                    the others
//	a      at the end, behind any use     before (        before . or {                dropped: they begin otherwise
//	.      in member: before a name or ?  dropped         before a name
//	b      before . [ ( an operator …     -               before . or {
//	{      dropped: behind a member no                    in the braces                only 6 is left: it is taken
//	       brace can come
//
// With a.b and the end of the text, it is 6 that is dropped. No caller was needed, for wherever an expression stands, it has no brace
// behind it. The second is one for which they are: both ways come to the same places, which is a conflict; with the real callers
// they still do, so the text has two readings, and the first alternative is the one that counts.
//
// If no alternative goes on with a token, one that could have ended before it is taken: what follows it will say what is wrong, as
// "extraneous input 'b'" for a b. If there is none, that is "no viable alternative at input", with all that was looked at: a.( says
// '.(', as the second token is the one that does not fit.
//
// ANTLR also merges the stacks of places that it reaches in several ways. In this grammar there are none: TestStacks looks.
//
// Upstream is parser_atn_simulator.go: predict is AdaptivePredict, run execATN, step and reach computeTargetState and computeReachSet,
// close and follow closureWork, filter applyPrecedenceFilter, none
// GetAltThatFinishedDecisionEntryRule, loopsOutside canDropLoopEntryEdgeInLeftRecursiveRule; the conflicts are of prediction_mode.go.

// stack are the states to return to, one on another. Equal stacks are one pointer.
type stack struct {
	state *state // nil: the stack is empty
	below *stack
	above []*stack // those that have one state more
	id    int
}

// push returns a stack with a state on it.
func (x *predictor) push(s *state, below *stack) *stack {
	for _, above := range below.above {
		if above.state == s {
			return above
		}
	}
	x.stacks++
	found := &stack{state: s, below: below, id: x.stacks}
	below.above = append(below.above, found)
	return found
}

// config is a place that following an alternative has come to: a state, by which alternative, and where to go on when the rule of the
// state ends. Two that differ in nothing else but how they came there are one.
type config struct {
	state *state
	alt   int
	stack *stack
	// outer is true if the end of the rule of the decision was passed with an empty stack.
	outer bool
	// kept is true for what precedence does not drop: it came from the end of a rule that was called with no precedence.
	kept bool
}

// configs are places, in the order in which they were found.
type configs []config

// add adds a place, unless it is there.
func (c *configs) add(f config) {
	for i := range *c {
		if old := &(*c)[i]; old.state == f.state && old.alt == f.alt && old.stack == f.stack {
			old.outer, old.kept = old.outer || f.outer, old.kept || f.kept
			return
		}
	}
	*c = append(*c, f)
}

// predictor makes the predictions of a text: those without callers, or those with them.
type predictor struct {
	p       *thorough
	full    bool // with the real callers
	at      *state
	empty   *stack
	stacks  int // how many there are
	starts  map[startKey]*step
	known   map[string]*step
	nowhere *step // behind a token that does not fit
}

// startKey tells apart how predictions begin: where, and with which precedence.
type startKey struct {
	at    *state
	level int8
}

// step is where a prediction without callers has come to. What follows depends on nothing but the next token, so it is kept.
type step struct {
	configs  configs
	alt      int // the only one that is left, 0 for several
	conflict bool
	next     [bad]*step
}

// newPredictor returns a predictor of a text.
func newPredictor(p *thorough, full bool) *predictor {
	return &predictor{p: p, full: full, empty: &stack{}, starts: map[startKey]*step{}, known: map[string]*step{}, nowhere: &step{}}
}

// predict returns the number of the alternative to take at a decision, from 1; 0 with p.failed set if none fits. It looks at tokens and
// takes none. What was found without callers is kept for the text, as the same decision is taken at every token of an expression.
func (p *thorough) predict(at *state) int {
	start := p.pos
	defer func() { p.pos = start }()
	p.predictor.at, p.called.at = at, at
	alt, conflict := p.predictor.run(start)
	if conflict && !p.stopped {
		p.pos = start
		alt = p.called.again(start)
	}
	return alt
}

// run predicts without callers. A conflict says that they are needed. As steps are kept, a token is one look into a table when the
// prediction has come this way before.
func (x *predictor) run(start int) (alt int, conflict bool) {
	for now := x.start(); !x.p.stopped; {
		t := x.p.peek()
		next := now.next[t]
		if next == nil {
			next = x.step(x.reach(now.configs, t))
			now.next[t] = next
		}
		switch {
		case next == x.nowhere:
			return x.none(now.configs, start, x.p.pos), false
		case next.alt != 0 || next.conflict:
			return next.alt, next.conflict
		}
		now = next
		x.p.skip(t)
	}
	return 0, false
}

// again predicts with the callers, from the beginning, as places that only another caller leads to have to be left out. Nothing of it is
// kept: the callers are others the next time.
func (x *predictor) again(start int) int {
	for now := x.begin(x.callers(x.p.frame)); !x.p.stopped; {
		t := x.p.peek()
		next := x.reach(now, t)
		if len(next) == 0 {
			// Upstream goes back before it looks which token does not fit, so it names the first, unlike without callers.
			return x.none(now, start, start)
		}
		if alt := next.viable(); alt != 0 {
			return alt
		}
		now = next
		x.p.skip(t)
	}
	return 0
}

// start returns the first step of a prediction.
func (x *predictor) start() *step {
	k := startKey{x.at, x.p.levels[len(x.p.levels)-1]}
	found := x.starts[k]
	if found == nil {
		c := x.begin(x.empty)
		if x.at.grows {
			c = filter(c)
		}
		found = &step{configs: c}
		x.starts[k] = found
	}
	return found
}

// step returns the step that is at some places.
func (x *predictor) step(c configs) *step {
	if len(c) == 0 {
		return x.nowhere
	}
	key := []byte{byte(x.at.number), byte(x.at.number >> 8)}
	for _, f := range c {
		flags := 0
		if f.outer {
			flags = 1
		}
		if f.kept {
			flags |= 2
		}
		for _, n := range []int{f.state.number, f.stack.id, f.alt<<2 | flags} {
			key = append(key, byte(n), byte(n>>8), byte(n>>16))
		}
	}
	found := x.known[string(key)]
	if found == nil {
		found = &step{configs: c, alt: c.unique()}
		found.conflict = found.alt == 0 && c.conflict()
		x.known[string(key)] = found
	}
	return found
}

// none returns the first alternative that had come to the end of its rule before the token that does not fit, so that what
// follows says what is wrong; if there is none, the prediction fails.
func (x *predictor) none(c configs, start, offending int) int {
	found := 0
	for _, f := range c {
		if (f.outer || f.state.kind == stateStop && f.stack == x.empty) && (found == 0 || f.alt < found) {
			found = f.alt
		}
	}
	if found == 0 {
		x.p.fail(noViable, start, offending)
	}
	return found
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
func (x *predictor) begin(s *stack) (c configs) {
	for i, e := range x.at.edges {
		w := walk{x: x, out: &c, busy: map[config]bool{}, leveling: true}
		w.close(config{state: e.to, alt: i + 1, stack: s}, 0)
	}
	return c
}

// filter drops what the loop of a rule of left recursion need not try: leaving the rule to do outside what a turn does inside.
func filter(c configs) (out configs) {
	turn := map[*state]*stack{}
	for _, f := range c {
		if f.alt == 1 {
			turn[f.state] = f.stack
		}
	}
	for _, f := range c {
		if f.alt == 1 || f.kept || turn[f.state] != f.stack {
			out = append(out, f)
		}
	}
	return out
}

// reach returns the places behind a token: the edges that have it are followed, and then all that costs nothing, up to where a token is
// needed again. What has come to the end of the text waits there, since there may be nothing else that fits.
func (x *predictor) reach(c configs, t kind) (out configs) {
	var moved, stopped configs
	for _, f := range c {
		switch {
		case f.state.kind == stateStop:
			// The end of the text may come behind the end of the first rule any number of times.
			if x.full || t == end {
				stopped = append(stopped, f)
			}
		case f.state.edges[0].set.has(t):
			f.state = f.state.edges[0].to
			moved.add(f)
		}
	}
	if len(stopped) == 0 && t != end && moved.unique() != 0 {
		return moved // one alternative is left, wherever it leads
	}
	w := walk{x: x, out: &out, busy: map[config]bool{}, atEnd: t == end}
	for _, f := range moved {
		w.close(f, 0)
	}
	if t == end {
		// Nothing but ends of rules is left behind the end of the text.
		out = slices.DeleteFunc(out, func(f config) bool { return f.state.kind != stateStop })
	}
	if !x.full || len(out) == 0 {
		out = append(out, stopped...)
	}
	return out
}

// walk goes from a place to all those to which it leads at no cost.
type walk struct {
	x        *predictor
	out      *configs
	busy     map[config]bool // that were passed already
	leveling bool            // turns of a precedence that is not allowed are left out
	atEnd    bool            // the end of the text costs nothing
}

// close goes on behind the end of a rule where a stack says; an empty stack ends there with callers, and leads to every use of the
// rule without. The depth counts rules that were entered: precedence is of the decision's rule only, which is at depth 0. Going back
// by a stack does not change the depth, so a caller's precedence is measured by that of the rule that is being read, as in ANTLR for
// Go, but not for other languages.
func (w *walk) close(f config, depth int) {
	for f.state.kind == stateStop && f.stack != w.x.empty {
		f.state, f.stack, f.kept = f.stack.state, f.stack.below, false
	}
	if f.state.kind == stateStop && w.x.full || len(f.state.edges) == 0 || f.state.edges[0].set != 0 {
		w.out.add(f)
	}
	if f.state.kind == stateStop && w.x.full {
		return
	}
	for i, e := range f.state.edges {
		if i > 0 || !loopsOutside(f) {
			w.follow(f, e, depth)
		}
	}
}

// follow follows an edge of a place.
func (w *walk) follow(f config, e edge, depth int) {
	from := f.state
	f.state = e.to
	switch {
	case e.set != 0:
		if !w.atEnd || !e.set.has(end) {
			return
		}
	case e.call != nil:
		f.state, f.stack = e.call, w.x.push(e.to, f.stack)
		if depth >= 0 {
			depth++
		}
	case e.level != 0:
		if w.leveling && depth == 0 && e.level < w.x.p.levels[len(w.x.p.levels)-1] {
			return
		}
	case from.kind == stateStop:
		f.outer, f.kept = true, f.kept || w.x.at.grows && e.returns && from.rule == w.x.at.rule
		if w.busy[f] {
			return
		}
		w.busy[f] = true
		depth--
	}
	w.close(f, depth)
}

// loopsOutside says that a place is the loop of a rule of left recursion that was called from a turn of that same loop: what
// another turn does, the caller's loop does as well.
func loopsOutside(f config) bool {
	return f.state.grows && f.stack.state != nil && f.stack.state.rule == f.state.rule
}

// unique returns the alternative of all places, 0 if there are several.
func (c configs) unique() int {
	if len(c) == 0 || slices.ContainsFunc(c, func(f config) bool { return f.alt != c[0].alt }) {
		return 0
	}
	return c[0].alt
}

// shared says that an alternative beside its own has come to the state of a place, with the same stack or with any.
func (c configs) shared(f config, anyStack bool) bool {
	return slices.ContainsFunc(c, func(g config) bool {
		return g.alt != f.alt && g.state == f.state && (anyStack || g.stack == f.stack)
	})
}

// conflict says that looking further will not help as long as the callers are unknown. It gives up early, as trying with callers costs
// little and going on may cost all of the text. It is one if some alternatives have come to the same place, and there is no state that
// only one of them has come to; or if all are at ends of rules.
func (c configs) conflict() bool {
	if !slices.ContainsFunc(c, func(f config) bool { return f.state.kind != stateStop }) {
		return true
	}
	return slices.ContainsFunc(c, func(f config) bool { return c.shared(f, false) }) &&
		!slices.ContainsFunc(c, func(f config) bool { return !c.shared(f, true) })
}

// viable returns the first alternative if it has come to every place to which another one has come, and so is as good; else 0.
func (c configs) viable() int {
	first := slices.MinFunc(c, func(f, g config) int { return f.alt - g.alt }).alt
	for _, f := range c {
		if f.alt != first && !slices.ContainsFunc(c, func(g config) bool {
			return g.alt == first && g.state == f.state && g.stack == f.stack
		}) {
			return 0
		}
	}
	return first
}
