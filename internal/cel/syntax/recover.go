package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The idea: the thorough parser goes through the elements of a rule of the grammar's table one by one. At each it knows which
// tokens may come. Where another one comes, it does as ANTLR's parsers do, since the words of messages, and which message comes
// next, follow from that:
//
//	extraneous input   if the token behind it would fit, it is dropped
//	missing            if it would fit behind the token that should be there, that one is made up
//	mismatched input   otherwise the rule ends here. All tokens up to one that may stand behind any of the rules that are being
//	                   read are skipped, and the rule's caller goes on
//	no viable alternative   the same, where a rule has several alternatives, and none of them goes on with the token
//
// Once something was reported, nothing is until a token fits again, so that a fault is not told twice.
//
// An example, which TestWorkedExample has: somebody forgot two commas. A list is '[' ( listInit )? ( ',' )? ']', and what is in it
// optExpr ( ',' optExpr )*:
//
//	[a b, c d]
//	   |      a was read, now b. Behind a name every rule may end: sync lets them, and predict finds that none of their loops goes on
//	          with b, not even that of listInit. So reading is back in primary, at ( ',' )?
//	   |      sync: neither a comma nor a bracket is b, and this rule may not end. Without b there would be a comma: drop drops it
//	          and says "1:4 extraneous input 'b' expecting {']', ','}"
//	    |     the comma is taken. It was meant to stand between items, but here it is the one that may end a list
//	      |   c instead of ']'. Without c there would be d, so drop does not help. A bracket put before c does not either: c cannot
//	          stand behind a list. The rule fails with "1:7 mismatched input 'c' expecting ']'"
//	         | recover skips c, d and the bracket: what may stand behind the rules that are being read is a point, an operator, or the
//	          end of the text, which is here. Nothing more is said, as the end fits
//
// Where no decision comes first, match does the same by itself: (a b) says "extraneous input 'b' expecting ')'". At the end of (a it makes
// up the parenthesis, "missing ')' at '<EOF>'"; at that of [a it does not get to, as sync fails before and makes up nothing.
//
// Upstream is DefaultErrorStrategy of error_strategy.go (Sync, RecoverInline, SingleTokenDeletion, SingleTokenInsertion, Recover), with
// cel-go's limits around it: recoveryLimitErrorStrategy and lookaheadConsumer of parser.go.

const (
	// faultyLimit is how many syntax errors are reported before reading ends.
	faultyLimit = 100
	// recoverLimit is how often reading goes on behind an error.
	recoverLimit = 30
	// skipLimit is how many tokens may be skipped to go on behind one.
	skipLimit = 256
)

// problem says why a rule ends before it should.
type problem uint8

// The problems.
const (
	sound    problem = iota
	mismatch         // another token must come
	noViable         // no alternative goes on with it
)

// failure is a problem that ends the rule that is being read.
type failure struct {
	problem problem
	state   *state
	start   int // where the alternatives begin
	at      int // the token that does not fit
}

// frame is a rule that is being read (ParserRuleContext of ANTLR).
type frame struct {
	rule     rule
	parent   *frame
	invoking *state // where the parent calls it
	node     *node
	sep      int32  // the token before the next child
	stack    *stack // the callers as predictions see them, nil if none has needed them
}

// thorough is the parser that goes on behind errors as upstream's does: it reads the elements of the grammar's table, and drops or
// adds a token, or skips to one that may follow, where one does not fit.
type thorough struct {
	g      *grammar
	source *Source
	faults *Faults
	tokens []token // the first is none; those behind the end were added
	bads   []token // pieces that are no token
	last   int     // the index of the end
	pos    int
	// Tokens count as fetched once they are looked at. Only then the bad pieces before them are reported: if reading ends before,
	// they never are.
	fetched, badsSeen int

	frame    *frame
	state    *state
	levels   []int8 // of the rules of left recursion that are being read
	depth    [rules]int
	failed   failure
	stopped  bool // nothing is read and reported any more
	reported int

	predictor *predictor // without callers
	called    *predictor // with them

	// Of recovery: whether an error was reported since a token last fitted, where it last went on, and how often it did.
	recovering bool
	lastPos    int
	lastStates []*state
	attempts   int
	skips      int // tokens that the present one may still skip; -1 for any
}

// newThorough returns the parser of a text, before it has read anything.
func newThorough(source *Source, faults *Faults) *thorough {
	p := &thorough{g: theGrammar(), source: source, faults: faults, tokens: make([]token, 1), pos: 1, levels: []int8{0},
		lastPos: -1, skips: -1}
	p.predictor, p.called = newPredictor(p, false), newPredictor(p, true)
	return p
}

// parseThorough reads a text, reports its syntax errors, and returns its tree, nil if reading ended before the text did.
func parseThorough(source *Source, faults *Faults) (*node, []token) {
	p := newThorough(source, faults)
	p.lex()
	p.fetch(1)
	root := p.read(ruleStart, 0)
	if p.stopped {
		return nil, nil
	}
	return root, p.tokens
}

// lex reads all tokens. A bad piece begins where the tokens before it end.
func (p *thorough) lex() {
	l := lexer{p.source.text}
	for at := int32(0); ; {
		t := l.next(at)
		at = t.end
		switch t.kind {
		case bad:
			p.bads = append(p.bads, t)
		case space, comment:
		default:
			p.tokens = append(p.tokens, t)
		}
		if t.kind == end {
			p.last = len(p.tokens) - 1
			return
		}
	}
}

// fetch reports the bad pieces before a token that is looked at for the first time, as upstream's lexer runs only as far as that.
func (p *thorough) fetch(i int) {
	for p.fetched = max(p.fetched, min(i, p.last)); p.badsSeen < len(p.bads) && !p.stopped; p.badsSeen++ {
		b := p.bads[p.badsSeen]
		if b.start >= p.tokens[p.fetched].start && p.tokens[p.fetched].kind != end {
			return
		}
		p.report(b.start, "token recognition error at: '"+p.source.slice(b)+"'")
	}
}

// look returns the kind of the nth token from here.
func (p *thorough) look(n int) kind {
	i := min(p.pos+n, p.last)
	p.fetch(i)
	return p.tokens[i].kind
}

// peek returns the kind of the token here.
func (p *thorough) peek() kind { return p.look(0) }

// skip goes behind a token, unless it is the end.
func (p *thorough) skip(t kind) {
	if t != end && p.pos < p.last {
		p.pos++
		p.fetch(p.pos)
	}
}

// consume goes behind the token here. Recovery may not do it too often.
func (p *thorough) consume() {
	if p.skips == 0 {
		p.stop(fmt.Sprintf("error recovery token lookahead limit exceeded: %d", skipLimit))
		return
	}
	p.skips--
	p.skip(p.peek())
}

// stop ends reading for good.
func (p *thorough) stop(message string) {
	if !p.stopped {
		p.faults.Add(-1, -1, message)
		p.stopped = true
	}
}

// report reports a syntax error (SyntaxError and tooManyErrors in parser.go).
func (p *thorough) report(offset int32, message string) {
	if p.stopped {
		return
	}
	// The one that is too many is reported too, as that it is one.
	if p.reported == faultyLimit {
		message, p.stopped = fmt.Sprintf("More than %d syntax errors", faultyLimit), true
	}
	p.reported++
	p.faults.AddAt(offset, "Syntax error: "+message)
}

// fail notes why the rule that is being read ends.
func (p *thorough) fail(what problem, start, at int) { p.failed = failure{what, p.state, start, at} }

// read reads a rule, whatever comes, and returns its node, in which parts are missing if the rule failed.
func (p *thorough) read(r rule, level int8) *node {
	f := &frame{rule: r, parent: p.frame, invoking: p.state, node: &node{start: int32(p.pos)}}
	p.frame = f
	// The node of a rule of left recursion changes while it is read, so its caller gets it at the end.
	growing := p.g.growing(r)
	if growing {
		p.levels = append(p.levels, level)
	} else {
		f.adopt()
	}
	if p.depth[r]++; p.depth[r] > depthLimit {
		p.stop(fmt.Sprintf("expression recursion limit exceeded: %d", depthLimit))
		return f.node
	}
	p.element(&p.g.rules[r])
	// Whatever failed, failed in this rule: its caller goes on as if it had been read.
	if p.failed.problem != sound && !p.stopped {
		failed := p.failed
		p.reportFailure(failed)
		p.recover(failed)
		p.failed = failure{}
	}
	if p.stopped {
		return f.node
	}
	p.depth[r] = max(0, p.depth[r]-1)
	if growing {
		p.levels = p.levels[:len(p.levels)-1]
		f.adopt()
	}
	p.state, p.frame = f.invoking, f.parent
	return f.node
}

// adopt makes the node of a rule the next child of its caller's.
func (f *frame) adopt() {
	if f.parent != nil {
		f.node.sep, f.parent.sep = f.parent.sep, 0
		f.parent.node.add(f.node)
	}
}

// element reads an element, and returns false if the rule ends here since something failed. Messages and recovery go by the state.
func (p *thorough) element(e *element) bool {
	switch e.act {
	case sequence:
		if e.form != formNone {
			p.frame.node.form = e.form
		}
		return p.elements(e.parts)
	case match:
		p.state = e.state
		i := p.match(e.set)
		p.frame.put(e.slot, i)
		return i != 0
	case call:
		p.state = e.state
		p.read(e.rule, e.level)
		return !p.stopped
	case grow:
		p.state = e.state
		p.grow(e.form)
		return true
	}
	p.state = e.state
	if !p.sync() {
		return false
	}
	if e.act == choice {
		return p.choice(e)
	}
	return p.turns(e)
}

// elements reads elements that follow each other.
func (p *thorough) elements(parts []element) bool {
	for i := range parts {
		if !p.element(&parts[i]) {
			return false
		}
	}
	return true
}

// grow makes the node of the rule the first child of a new one, which takes its place.
func (p *thorough) grow(f form) {
	old := p.frame.node
	p.frame.node = &node{form: f, start: old.start}
	p.frame.node.add(old)
	p.depth[p.frame.rule]++
}

// choice reads the alternative that fits. Of a plain one a message shows the token here, of others all that was looked at.
func (p *thorough) choice(e *element) bool {
	if !e.plain {
		i := p.predict(e.state)
		return i != 0 && p.element(&e.parts[i-1])
	}
	for i := range e.parts {
		if e.state.edges[i].to.first.has(p.peek()) {
			return p.element(&e.parts[i])
		}
	}
	p.fail(noViable, p.pos, p.pos)
	return false
}

// turns reads an option or a loop. Behind each turn it syncs again, at the state at which the loop goes back.
func (p *thorough) turns(e *element) bool {
	at := e.state
	for first := true; ; first = false {
		if !first || e.act != repeat {
			// The first turn of what comes once or more often needs no decision.
			on := false
			if e.plain {
				on = e.parts[0].state.first.has(p.peek())
			} else {
				i := p.predict(at)
				if i == 0 {
					return false
				}
				on = i == 1
			}
			if !on {
				return true
			}
		}
		if e.state.grows {
			// Upstream leaves the rule here and enters it again where it grows.
			p.depth[p.frame.rule] = max(0, p.depth[p.frame.rule]-1)
		}
		if !p.elements(e.parts) {
			return false
		}
		if e.act == option {
			return true
		}
		if p.state = e.back; !p.sync() {
			return false
		}
		if e.act == repeat {
			at = e.back
		}
	}
}

// put puts a token where it belongs in the node of a rule.
func (f *frame) put(s slot, i int32) {
	n := f.node
	switch s {
	case toOps:
		if i != 0 {
			n.count++
		}
		if n.op != 0 {
			return
		}
		n.op = i
	case toOp:
		n.op = i
	case toID:
		n.id = i
	case toDot:
		n.dot = i
	case toOpt:
		n.opt = i
	case toSep:
		if f.sep = i; n.op == 0 {
			n.op = i
		}
	}
}

// match takes a token of a set, and returns its index. If another one is here, it is dropped if the one behind it fits; or one is
// made up if the one here fits behind it; or the rule fails.
func (p *thorough) match(s set) int32 {
	if s.has(p.peek()) {
		// From here on a fault is told again.
		p.fits()
		i := p.pos
		p.consume()
		return int32(i)
	}
	if !p.attempt() {
		return 0
	}
	defer p.unlimited()
	// First it is tried without the token that is here, then with one more before it.
	if i := p.drop(); i != 0 {
		p.consume()
		return int32(i)
	}
	if p.stopped {
		return 0
	}
	behind := p.state.edges[0].to
	if p.expectedIn(behind).has(p.peek()) {
		return p.missing()
	}
	p.fail(mismatch, p.pos, p.pos)
	return 0
}

// fits notes that a token fitted, so that the next error is one of its own.
func (p *thorough) fits() { p.recovering, p.lastPos, p.lastStates = false, -1, nil }

// attempt counts a recovery, and limits what it may skip.
func (p *thorough) attempt() bool {
	if p.attempts == recoverLimit {
		p.report(p.tokens[p.pos].start, fmt.Sprintf("error recovery attempt limit exceeded: %d", recoverLimit))
		p.stopped = true
	}
	p.attempts++
	p.skips = skipLimit
	return !p.stopped
}

// unlimited ends a recovery.
func (p *thorough) unlimited() { p.skips = -1 }

// drop drops the token here if the one behind it is expected, and returns that one's index; it is not taken (SingleTokenDeletion).
func (p *thorough) drop() int {
	expected := p.expected()
	if !expected.has(p.look(1)) {
		return 0
	}
	p.unwanted()
	if p.consume(); p.stopped {
		return 0
	}
	p.fits()
	return p.pos
}

// missing makes up the token that is expected first: an empty one (SingleTokenInsertion, ReportMissingToken, GetMissingSymbol).
func (p *thorough) missing() int32 {
	expected := p.expected()
	at := p.tokens[p.pos].start
	if !p.recovering {
		p.recovering = true
		p.report(at, "missing "+expected.String()+" at "+p.show(p.pos))
	}
	// Behind the text nothing can be, so there it is where the last token is.
	if p.peek() == end && p.pos > 1 {
		at = p.tokens[p.pos-1].start
	}
	p.tokens = append(p.tokens, token{identifier, at, at})
	return int32(len(p.tokens) - 1)
}

// unwanted reports that the token here is one too many.
func (p *thorough) unwanted() {
	if !p.recovering {
		p.recovering = true
		p.report(p.tokens[p.pos].start, "extraneous input "+p.show(p.pos)+" expecting "+p.expected().String())
	}
}

// sync looks at a decision whether the token here fits at all. If it does not, it is dropped if the one behind it does; in a loop
// that has turned, everything up to a token that may follow is skipped; otherwise the rule fails.
func (p *thorough) sync() bool {
	s := p.state
	// Where the rule may end here, or a fault was just told, what follows decides.
	if p.recovering || s.first&nothing != 0 || s.first.has(p.peek()) {
		return !p.stopped
	}
	switch s.kind {
	case stateBlock, stateLoop:
		if p.drop() == 0 {
			if !p.stopped {
				p.fail(mismatch, p.pos, p.pos)
			}
			return false
		}
	case stateLoopBack:
		p.unwanted()
		p.skipTo(p.expected() | p.following())
	}
	return !p.stopped
}

// skipTo skips all tokens before one of a set.
func (p *thorough) skipTo(s set) {
	for t := p.peek(); t != end && !s.has(t) && !p.stopped; t = p.peek() {
		p.consume()
	}
}

// expected returns the tokens that may come here, and behind the rule if it may end here.
func (p *thorough) expected() set { return p.expectedIn(p.state) }

// expectedIn is expected for another state of the rule.
func (p *thorough) expectedIn(s *state) set {
	// If the rule may end, what may follow it may come as well; and so on, up to the end of the text.
	all := s.first
	for f := p.frame; all&nothing != 0; f = f.parent {
		all &^= nothing
		if f.parent == nil {
			return all | setOf(end)
		}
		all |= f.invoking.edges[0].to.first
	}
	return all
}

// following returns the tokens that may come behind any of the rules that are being read (GetErrorRecoverySet): within the list of
// f([a]) a bracket as well as a parenthesis, so skipping ends at whichever comes first, and the rule that it belongs to goes on.
func (p *thorough) following() (all set) {
	for f := p.frame; f.parent != nil; f = f.parent {
		all |= f.invoking.edges[0].to.first
	}
	return all &^ nothing
}

// recover skips to a token that may follow any of the rules that are being read. If that is where it went on before, with nothing
// read in between, it skips at least one.
func (p *thorough) recover(f failure) {
	if !p.attempt() {
		return
	}
	defer p.unlimited()
	// Without this, a rule that fails at its first token could fail there for ever.
	if p.lastPos == p.pos && slices.Contains(p.lastStates, p.state) {
		p.consume()
	}
	p.lastPos = p.pos
	p.lastStates = append(p.lastStates, p.state)
	p.skipTo(p.following())
}

// reportFailure reports why a rule ends, unless an error before it was reported and nothing has fitted since.
func (p *thorough) reportFailure(f failure) {
	if p.recovering {
		return
	}
	p.recovering = true
	at := p.tokens[f.at].start
	if f.problem == mismatch {
		p.report(at, "mismatched input "+p.show(f.at)+" expecting "+p.expectedIn(f.state).String())
		return
	}
	input := "<EOF>"
	if p.tokens[f.start].kind != end {
		input = p.between(f.start, f.at)
	}
	// Words that are literals are told as upstream told them once.
	message := "no viable alternative at input " + quote(input)
	p.report(at, literalName().ReplaceAllString(message, "mismatched input '$1' expecting IDENTIFIER"))
}

// literalName finds what upstream says of a.true, a.false and a.null.
func literalName() *regexp.Regexp {
	return regexp.MustCompile("no viable alternative at input '.(true|false|null)'")
}

// between returns the text of tokens, and of what stands between them but bad pieces.
func (p *thorough) between(from, to int) string {
	var b strings.Builder
	at := p.tokens[from].start
	stop := p.tokens[to].end
	// Bad pieces are told by themselves.
	for _, t := range p.bads {
		if t.start >= at && t.end <= stop {
			b.WriteString(string(p.source.text[at:t.start]))
			at = t.end
		}
	}
	if at < stop {
		b.WriteString(string(p.source.text[at:stop]))
	}
	return b.String()
}

// show returns the text of a token as messages have it.
func (p *thorough) show(i int) string {
	if t := p.tokens[i]; t.kind != end {
		return quote(p.source.slice(t))
	}
	return quote("<EOF>")
}

// quote quotes a piece of text as ANTLR does.
func quote(s string) string {
	return "'" + strings.NewReplacer("\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(s) + "'"
}
