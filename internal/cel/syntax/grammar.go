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
//
//	a + b * c - d    calc.0 reads a and +; calc.2 reads b, takes the *, for which calc.3 reads c, and leaves the -, which needs 1;
//	                 so a + b*c is the first part of the difference
//
// The network of a rule has a state before each element and edges between them: by a token, through a rule, or for nothing. For
// expr: or ( '?' or ':' expr )? it is
//
//	start - or - block - '?' - or - ':' - expr - last - stop
//	               '----------------------------'
//
// where block is the decision. A state knows which tokens may come (first), with nothing among them if the end of the rule can be
// reached without a token; then what may come depends on the caller. It is that distinction on which sync and the messages rest.
//
// Upstream has the network as numbers in gen/cel_parser.go, which ANTLR made of CEL.g4. The kinds of states here are those between which
// its recovery distinguishes: a block start, a loop entry, a loop back.

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

// names are the kinds of tokens as upstream's grammar calls them, by kind: a literal is in quotes, what has a form has its name. Messages
// print them, so they are a part of what users see.
var names = [bad]string{"<EOF>", "'=='", "'!='", "'in'", "'<'", "'<='", "'>='", "'>'", "'&&'", "'||'", "'['", "']'", "'{'", "'}'", "'('",
	"')'", "'.'", "','", "'-'", "'!'", "'?'", "':'", "'+'", "'*'", "'/'", "'%'", "'true'", "'false'", "'null'", "WHITESPACE", "COMMENT",
	"NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES", "IDENTIFIER", "ESC_IDENTIFIER"}

// String prints a set as messages have it: in the order of kinds, with braces around it unless it has one member (IntervalSet's
// StringVerbose in ANTLR).
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

// rule is a rule of the grammar, by its line in the table.
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

// grammarTable has a rule a line: its name, then its elements. The order of alternatives matters: of several that fit, the first is
// taken.
//
//	'.' IDENTIFIER SUM     a token of a kind, or of one of several
//	'.'@dot                that goes into the node as its dot
//	calc.3                 another rule, called with a precedence
//	( a | b )              one of several alternatives
//	( a )?  ( a )*  ( a )+ maybe; any number of times; once or more often. With ! one token tells which way to go, as for every ?
//	#Not                   what the node is of which this is an alternative
//	&Calc.2                what was read so far becomes the first part of a new node, if the precedence is allowed
const grammarTable = `
start #Start expr <EOF>
expr #Expr or ( '?'@op or ':' expr )?
or #Or and ( '||'@sep and )*!
and #And relation ( '&&'@sep relation )*!
relation #Relation calc ( &Relation.1 RELATION@op relation.2 )*
calc #Calc unary ( ( &Calc.2 PRODUCT@op calc.3 | &Calc.1 SUM@op calc.2 ) )*
unary #Unary ( #Member member | #Not ( '!'@ops )+! member | #Negate ( '-'@ops )+ member )
member #Member primary ( ( &Select.3 '.'@op ( '?'@opt )? escapeIdent | &MemberCall.2 '.' IDENTIFIER@id '('@op ( exprList )? ')' | ` +
	`&Index.1 '['@op ( '?'@opt )? expr ']' ) )*
primary #Primary ( #Ident ( '.'@dot )? IDENTIFIER@id | #Call ( '.'@dot )? IDENTIFIER@id '('@op ( exprList )? ')' | ` +
	`#Nested '(' expr ')' | #List '['@op ( listInit )? ( ',' )? ']' | #Map '{'@op ( mapInits )? ( ',' )? '}' | ` +
	`#Message ( '.'@dot )? IDENTIFIER@id ( '.' IDENTIFIER )*! '{'@op ( fieldInits )? ( ',' )? '}' | #Primary literal )
exprList #ExprList expr ( ',' expr )*!
listInit #ListInit optExpr ( ',' optExpr )*
fieldInits #FieldInits field ':'@sep expr ( ',' field ':'@sep expr )*
field #Field ( '?'@opt )? escapeIdent
mapInits #MapInits optExpr ':'@sep expr ( ',' optExpr ':'@sep expr )*
escapeIdent #EscapeIdent ( IDENTIFIER@id | ESC_IDENTIFIER@id )!
optExpr #OptExpr ( '?'@opt )? expr
literal #Literal ( #Int ( '-'@dot )? NUM_INT@id | #Uint NUM_UINT@id | #Double ( '-'@dot )? NUM_FLOAT@id | #String STRING@id | ` +
	`#Bytes BYTES@id | #True 'true'@id | #False 'false'@id | #Null 'null'@id )
`

// The names that the table has of forms, slots and sets, in the order of their constants.
const (
	formNames = "None Start Expr Or And Relation Calc Unary Not Negate Member Select MemberCall Index Primary Ident Call Nested List Map " +
		"Message ExprList ListInit FieldInits Field MapInits EscapeIdent OptExpr Literal Int Uint Double String Bytes True False Null"
	slotNames = " op ops id dot opt sep"
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

// tableReader makes elements of the words of the table.
type tableReader struct {
	words               []string // of a line, not yet read
	rules, forms, slots []string
}

// readTable returns the rules of the table.
func readTable() (all [rules]element) {
	lines := strings.Split(strings.TrimSpace(grammarTable), "\n")
	r := tableReader{forms: strings.Fields(formNames), slots: strings.Split(slotNames, " ")}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		r.rules = append(r.rules, name)
	}
	for i, line := range lines {
		r.words = strings.Fields(line)[1:]
		alternatives, _ := r.alternatives()
		all[i] = alternatives[0]
	}
	return all
}

// alternatives reads up to the end of a group, and returns the word that ends it.
func (r *tableReader) alternatives() (all []element, end string) {
	now := element{act: sequence}
	for len(r.words) > 0 {
		word := r.words[0]
		r.words = r.words[1:]
		switch word[0] {
		case '|':
			all, now = append(all, now), element{act: sequence}
		case ')':
			return append(all, now), word
		case '(':
			now.parts = append(now.parts, r.group())
		case '#':
			now.form = form(slices.Index(r.forms, word[1:]))
		default:
			now.parts = append(now.parts, r.element(word))
		}
	}
	return append(all, now), ""
}

// group reads a group behind its parenthesis.
func (r *tableReader) group() element {
	alternatives, end := r.alternatives()
	e := element{act: choice, plain: strings.HasSuffix(end, "!"), parts: alternatives}
	if end = strings.Trim(end, ")!"); end != "" {
		e.parts = alternatives[0].parts
		e.act = map[string]act{"?": option, "*": star, "+": repeat}[end]
		e.plain = e.plain || e.act == option
	}
	return e
}

// element returns the element that a word is.
func (r *tableReader) element(word string) element {
	name, slotName, _ := strings.Cut(word, "@")
	e := element{act: match, slot: slot(slices.Index(r.slots, slotName))}
	switch name {
	case "RELATION":
		e.set = setOf(less, lessEquals, greaterEquals, greater, equals, notEquals, in)
		return e
	case "PRODUCT":
		e.set = setOf(starSign, slash, percent)
		return e
	case "SUM":
		e.set = setOf(plus, minus)
		return e
	}
	if k := slices.Index(names[:], name); k >= 0 {
		e.set = setOf(kind(k))
		return e
	}
	name, level, found := strings.Cut(name, ".")
	if found {
		e.level = int8(level[0] - '0')
	}
	if name[0] == '&' {
		e.act, e.form = grow, form(slices.Index(r.forms, name[1:]))
		return e
	}
	e.act, e.rule = call, rule(slices.Index(r.rules, name))
	return e
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

// edge leads from a state to another one: by a token, through a rule, or at no cost. One through a rule leads to where the rule was
// called, and has its start in call; a prediction goes to the start and keeps the other for the end.
type edge struct {
	to    *state
	set   set    // the tokens, 0 for the others
	call  *state // the start of a rule, nil for the others
	level int8   // the precedence that is needed, or that the rule is called with
	// returns is true for an edge from the end of a rule of left recursion to where it was called with no precedence.
	returns bool
}

// theGrammar returns the grammar, which is made once, by the first faulty text, and never changed. A server whose rules are all sound
// never makes it.
var theGrammar = sync.OnceValue(func() *grammar {
	g := &grammar{rules: readTable()}
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
	// Nothing is written to the grammar from here on, so all may read it.
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
	// Where decisions end, alternatives and turns come together again.
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
		// A turn leads back to where it is decided whether there is another one.
		e.state = g.state(stateLoop, r)
		e.state.grows = g.growing(r)
		e.back = g.before(e.state, stateLoopBack)
		g.join(e.state, g.all(e.parts, r, g.before(e.back, stateBasic)))
		g.join(e.state, last)
	case repeat:
		// The first turn is not decided; behind each, whether there is another one.
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
