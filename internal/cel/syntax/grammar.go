package syntax

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
)

// The idea: what upstream says of a faulty text follows from its grammar and from how the generator of its parser, ANTLR 4, looks
// ahead and recovers. So the grammar is a table here, and the thorough parser does with it what a generated parser does: recover.go
// goes through the elements of rules, predict.go looks ahead in the network of states that is made of them.
//
// A rule of left recursion, as calc: unary | calc + calc, cannot be read as it is written: its function would call itself before it
// has read anything. So it is a loop: a first operand, then turns of an operator and another operand, and each turn makes what was
// read before its first part. Which operators the second operand may have is told by a precedence: calc is called with 2 behind a
// plus, so it leaves another plus to its caller, but takes a times.

// set is a set of kinds of tokens; nothing is the member that says that a rule may end.
type set uint64

const nothing set = 1 << 63

// has says that a kind is in the set.
func (s set) has(k kind) bool { return s&(1<<k) != 0 }

// setOf returns the set of some kinds.
func setOf(kinds ...kind) (s set) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// names are the kinds of tokens as upstream's grammar calls them.
var names = [bad]string{"<EOF>", "'=='", "'!='", "'in'", "'<'", "'<='", "'>='", "'>'", "'&&'", "'||'", "'['", "']'", "'{'", "'}'", "'('",
	"')'", "'.'", "','", "'-'", "'!'", "'?'", "':'", "'+'", "'*'", "'/'", "'%'", "'true'", "'false'", "'null'", "WHITESPACE", "COMMENT",
	"NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES", "IDENTIFIER", "ESC_IDENTIFIER"}

// String prints a set as messages have it.
func (s set) String() string {
	var parts []string
	for s &^= nothing; s != 0; s &= s - 1 {
		parts = append(parts, names[bits.TrailingZeros64(uint64(s))])
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// rule is a rule of the grammar.
type rule int8

const (
	ruleStart rule = iota
	ruleExpr
	ruleOr
	ruleAnd
	ruleRelation
	ruleCalc
	ruleUnary
	ruleMember
	rulePrimary
	ruleExprList
	ruleListInit
	ruleFieldInits
	ruleField
	ruleMapInits
	ruleEscapeIdent
	ruleOptExpr
	ruleLiteral
	rules
)

// act says what an element of a rule is: (…)? and the like.
type act uint8

const (
	match    act = iota // a token of a set
	call                // another rule
	sequence            // parts, one after another
	choice              // one of the parts: a | b
	option              // the parts, or nothing: (…)?
	star                // the parts, any number of times: (…)*
	repeat              // the parts, once or more often: (…)+
	grow                // in a rule of left recursion: what was read becomes the first part of what follows
)

// slot says where the token of an element goes in the node.
type slot uint8

const (
	toNothing slot = iota
	toOp
	toOps // one of several operators
	toID
	toDot
	toOpt
	toSep // before the next child
)

// element is a part of a rule. Those of kind choice, option, star and repeat are decisions: one of a plain kind looks at one token,
// which is enough; one that is not looks ahead as far as it takes.
type element struct {
	act   act
	set   set
	slot  slot
	rule  rule
	level int8 // the precedence that a rule is called with, or that a part of it needs
	form  form // what a node becomes that takes this alternative
	plain bool
	parts []element

	state, back *state // of the network: where the element begins, and where its loop goes back
}

// The functions below make elements, so that the table reads as a grammar does.

// tok is a token of one of several kinds.
func tok(s slot, kinds ...kind) element { return element{act: match, slot: s, set: setOf(kinds...)} }

// to is a rule, toLevel one of left recursion whose parts need a precedence.
func to(r rule) element { return element{act: call, rule: r} }
func toLevel(r rule, level int8) element {
	return element{act: call, rule: r, level: level}
}

// alt is an alternative, or a rule; choose is one of several.
func alt(f form, parts ...element) element { return element{act: sequence, form: f, parts: parts} }
func choose(parts ...element) element      { return element{act: choice, parts: parts} }

// maybe is (…)?, many (…)*, plainMany one whose turns one token tells.
func maybe(parts ...element) element     { return element{act: option, plain: true, parts: parts} }
func many(parts ...element) element      { return element{act: star, parts: parts} }
func plainMany(parts ...element) element { return element{act: star, plain: true, parts: parts} }

// growTo begins a turn that has what was read as its first part.
func growTo(f form, level int8) element { return element{act: grow, form: f, level: level} }

// grammarTable returns the rules. The order of alternatives matters: of several that fit, the first is taken. In comments stands
// what is left out in the table.
func grammarTable() [rules]element {
	pointName := func() []element { return []element{maybe(tok(toDot, dot)), tok(toID, identifier)} } // .a
	args := func() []element {                                                                        // (a, b)
		return []element{tok(toOp, openParen), maybe(to(ruleExprList)), tok(toNothing, closeParen)}
	}
	inits := func(open kind, list rule, closing kind) []element { // [a, b,]
		return []element{tok(toOp, open), maybe(to(list)), maybe(tok(toNothing, comma)), tok(toNothing, closing)}
	}
	pair := func(key rule) []element { return []element{to(key), tok(toSep, colon), to(ruleExpr)} }
	another := func(item ...element) element { return many(append([]element{tok(toNothing, comma)}, item...)...) }
	signed := func(f form, k kind) element { return alt(f, maybe(tok(toDot, minus)), tok(toID, k)) }
	manyOps := func(k kind, plain bool) element {
		return element{act: repeat, plain: plain, parts: []element{tok(toOps, k)}}
	}
	return [rules]element{
		ruleStart: alt(formStart, to(ruleExpr), tok(toNothing, end)),
		ruleExpr:  alt(formExpr, to(ruleOr), maybe(tok(toOp, question), to(ruleOr), tok(toNothing, colon), to(ruleExpr))),
		ruleOr:    alt(formOr, to(ruleAnd), plainMany(tok(toSep, or), to(ruleAnd))),
		ruleAnd:   alt(formAnd, to(ruleRelation), plainMany(tok(toSep, and), to(ruleRelation))),
		// relation: calc | relation < relation
		ruleRelation: alt(formRelation, to(ruleCalc), many(growTo(formRelation, 1),
			tok(toOp, less, lessEquals, greaterEquals, greater, equals, notEquals, in), toLevel(ruleRelation, 2))),
		// calc: unary | calc * calc | calc + calc
		ruleCalc: alt(formCalc, to(ruleUnary), many(choose(
			alt(0, growTo(formCalc, 2), tok(toOp, starSign, slash, percent), toLevel(ruleCalc, 3)),
			alt(0, growTo(formCalc, 1), tok(toOp, plus, minus), toLevel(ruleCalc, 2))))),
		ruleUnary: alt(formUnary, choose(
			alt(formMember, to(ruleMember)),
			alt(formNot, manyOps(exclam, true), to(ruleMember)),
			alt(formNegate, manyOps(minus, false), to(ruleMember)))),
		// member: primary | member.a | member.a(b) | member[a]
		ruleMember: alt(formMember, to(rulePrimary), many(choose(
			alt(0, growTo(formSelect, 3), tok(toOp, dot), maybe(tok(toOpt, question)), to(ruleEscapeIdent)),
			alt(0, slices.Concat([]element{growTo(formMemberCall, 2), tok(toNothing, dot), tok(toID, identifier)}, args())...),
			alt(0, growTo(formIndex, 1), tok(toOp, openBracket), maybe(tok(toOpt, question)), to(ruleExpr),
				tok(toNothing, closeBracket))))),
		rulePrimary: alt(formPrimary, choose(
			alt(formIdent, pointName()...),
			alt(formCall, slices.Concat(pointName(), args())...),
			alt(formNested, tok(toNothing, openParen), to(ruleExpr), tok(toNothing, closeParen)),
			alt(formList, inits(openBracket, ruleListInit, closeBracket)...),
			alt(formMap, inits(openBrace, ruleMapInits, closeBrace)...),
			alt(formMessage, slices.Concat(pointName(), []element{plainMany(tok(toNothing, dot), tok(toNothing, identifier))},
				inits(openBrace, ruleFieldInits, closeBrace))...),
			alt(formPrimary, to(ruleLiteral)))),
		// What stands between parentheses and braces: a, b; a, ?b; a: b, ?c: d.
		ruleExprList:   alt(formExprList, to(ruleExpr), plainMany(tok(toNothing, comma), to(ruleExpr))),
		ruleListInit:   alt(formListInit, to(ruleOptExpr), another(to(ruleOptExpr))),
		ruleFieldInits: alt(formFieldInits, append(pair(ruleField), another(pair(ruleField)...))...),
		ruleField:      alt(formField, maybe(tok(toOpt, question)), to(ruleEscapeIdent)),
		ruleMapInits:   alt(formMapInits, append(pair(ruleOptExpr), another(pair(ruleOptExpr)...))...),
		ruleEscapeIdent: alt(formEscapeIdent, element{act: choice, plain: true, parts: []element{
			alt(formEscapeIdent, tok(toID, identifier)), alt(formEscapeIdent, tok(toID, escaped))}}),
		ruleOptExpr: alt(formOptExpr, maybe(tok(toOpt, question)), to(ruleExpr)),
		ruleLiteral: alt(formLiteral, choose(signed(formInt, integer), alt(formUint, tok(toID, unsigned)), signed(formDouble, float),
			alt(formString, tok(toID, text)), alt(formBytes, tok(toID, binary)), alt(formTrue, tok(toID, kTrue)),
			alt(formFalse, tok(toID, kFalse)), alt(formNull, tok(toID, kNull)))),
	}
}

// grammar is the grammar and its network of states.
type grammar struct {
	rules  [rules]element
	starts [rules]*state // where the rules begin
	stops  [rules]*state // where they end
	states []*state
}

// stateKind says what recovery does at a state.
type stateKind uint8

const (
	stateBasic    stateKind = iota
	stateBlock              // a decision, before it
	stateLoop               // a loop, before its first turn
	stateLoopBack           // a loop, before every other turn
	stateStop               // the end of a rule
)

// state is a place in a rule.
type state struct {
	kind   stateKind
	rule   rule
	number int
	grows  bool // it is the loop of a rule of left recursion
	edges  []edge
	first  set // the tokens that may come; nothing, if the rule may end here
}

// edge leads from a state to another one: by a token, through a rule, or at no cost.
type edge struct {
	to    *state
	set   set    // the tokens, 0 for the others
	call  *state // the start of a rule, nil for the others
	level int8   // the precedence that is needed, or that the rule is called with
	// returns is true for an edge from the end of a rule of left recursion to where it was called with no precedence.
	returns bool
}

// theGrammar returns the grammar, which is made once, by the first faulty text, and never changed.
var theGrammar = sync.OnceValue(func() *grammar {
	g := &grammar{rules: grammarTable()}
	for r := range rules {
		g.starts[r], g.stops[r] = g.state(stateBasic, r), g.state(stateStop, r)
	}
	for r := range rules {
		g.join(g.starts[r], g.build(&g.rules[r], r, g.before(g.stops[r], stateBasic)))
	}
	// From the end of a rule an edge leads to every place where it was called.
	for _, s := range g.states {
		for _, e := range s.edges {
			if e.call != nil {
				stop := g.stops[e.call.rule]
				stop.edges = append(stop.edges, edge{to: e.to, returns: g.growing(e.call.rule) && e.level == 0})
			}
		}
	}
	for _, s := range g.states {
		s.first = g.look(s)
	}
	return g
})

// growing says that a rule is one of left recursion.
func (g *grammar) growing(r rule) bool { return r == ruleRelation || r == ruleCalc || r == ruleMember }

// state returns a new state.
func (g *grammar) state(k stateKind, r rule) *state {
	s := &state{kind: k, rule: r, number: len(g.states)}
	g.states = append(g.states, s)
	return s
}

// join adds an edge at no cost.
func (g *grammar) join(from, to *state) { from.edges = append(from.edges, edge{to: to}) }

// all makes the states of parts that follow each other and lead to a state, and returns the first.
func (g *grammar) all(parts []element, r rule, to *state) *state {
	for i := len(parts) - 1; i >= 0; i-- {
		to = g.build(&parts[i], r, to)
	}
	return to
}

// before returns a new state that leads to another one.
func (g *grammar) before(to *state, k stateKind) *state {
	s := g.state(k, to.rule)
	g.join(s, to)
	return s
}

// build makes the states of an element that leads to a state, and returns the first. Alternatives lead to the same state: that is
// where those that end with the same rule meet.
func (g *grammar) build(e *element, r rule, to *state) *state {
	switch e.act {
	case sequence:
		return g.all(e.parts, r, to)
	case match:
		e.state = g.state(stateBasic, r)
		e.state.edges = []edge{{to: to, set: e.set}}
		return e.state
	case call:
		e.state = g.state(stateBasic, r)
		e.state.edges = []edge{{to: to, call: g.starts[e.rule], level: e.level}}
		return e.state
	case grow:
		e.state = g.state(stateBasic, r)
		e.state.edges = []edge{{to: to, level: e.level}}
		return e.state
	}
	last := g.before(to, stateBasic)
	switch e.act {
	case choice, option:
		e.state = g.state(stateBlock, r)
		if e.act == option {
			g.join(e.state, g.all(e.parts, r, last))
			g.join(e.state, last)
			break
		}
		for i := range e.parts {
			g.join(e.state, g.build(&e.parts[i], r, last))
		}
	case star:
		e.state = g.state(stateLoop, r)
		e.state.grows = g.growing(r)
		e.back = g.before(e.state, stateLoopBack)
		g.join(e.state, g.all(e.parts, r, g.before(e.back, stateBasic)))
		g.join(e.state, last)
	case repeat:
		e.state = g.state(stateBlock, r)
		e.back = g.before(e.state, stateLoopBack)
		g.join(e.back, last)
		g.join(e.state, g.all(e.parts, r, g.before(e.back, stateBasic)))
	}
	return e.state
}

// look returns the tokens that may come at a state. No rule matches nothing, and none begins with itself, so this ends.
func (g *grammar) look(s *state) (first set) {
	if s.kind == stateStop {
		return nothing
	}
	for _, e := range s.edges {
		switch {
		case e.set != 0:
			first |= e.set
		case e.call != nil:
			first |= g.look(e.call)
		default:
			first |= g.look(e.to)
		}
	}
	return first
}
