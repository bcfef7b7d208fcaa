package syntax

// The idea: a rule of the grammar is a function that reads what the rule matches, and calls the functions of the rules that it is
// made of. A level of precedence is a rule, from what binds least to what binds most:
//
//	expr      a ? b : c
//	logic     a || b, then a && b
//	relation  a < b, a == b, a in b
//	calc      a + b, then a * b
//	unary     !a, -a
//	member    a.b, a.b(c), a[b]
//	primary   a, f(a), (a), [a], {a: b}, a{b: c}, 1
//
// So a*b in a+a*b is read by a function further down, and becomes a part of the sum. Levels that a text does not use leave no node.
// One or two tokens tell which way to go, but for a.b.c, which may be the name of a message: there the brace at its end tells.
//
// For a - b * c < d the functions call each other like this; what is not named passes on what the one below it returns:
//
//	relation(1)       calc(0), then a < is here: relation(2) reads d, which may have no comparison of its own
//	  calc(0)         a, then a minus, of precedence 1: calc(2) reads its right side
//	    calc(2)       b, then a times, of precedence 2, which is enough: calc(3) reads c; then < is no operator of sums and products
//
// so that (a - (b * c)) < d comes out. With a plus in place of the times, calc(2) would leave it to calc(0): (a - b) + c.
//
// Nothing is reported here. Once anything does not fit, all functions see only the end of the text, return, and the thorough parser
// begins anew: texts with faults are rare, and it is slower by far.

// depthLimit is how deep expressions may be nested in each other: cel-go's maxRecursionDepth. It bounds the stack of everyone who walks a
// tree, here and behind the parser. Upstream counts each rule for itself (recursionListener), and so do both parsers.
const depthLimit = 250

// quick is the parser of texts without faults.
type quick struct {
	tokens []token // without those between tokens; the first is none
	pos    int
	nodes  []node // not yet used
	fail   bool
	// How deep each rule is nested of those that can be nested deepest: no other one is nested deeper than expressions are, but a
	// relation may be in a relation, and a product in a sum.
	exprs, relations, calcs int
}

// parseQuick returns the tree of a text, nil if it has a fault.
func parseQuick(runes []rune) (*node, []token) {
	l := lexer{runes}
	q := quick{tokens: make([]token, 1, len(runes)/3+4), pos: 1}
	for at := int32(0); ; {
		t := l.next(at)
		if t.kind == bad {
			return nil, nil
		}
		// What stands between tokens is of no use to anybody here.
		if at = t.end; t.kind != space && t.kind != comment {
			q.tokens = append(q.tokens, t)
		}
		if t.kind == end {
			break
		}
	}
	root := q.expr()
	if q.fail || q.peek(0) != end {
		return nil, nil
	}
	return root, q.tokens
}

// node returns a new node. They are made many at a time, as they are dropped together.
func (q *quick) node(f form, start int32) *node {
	if len(q.nodes) == 0 {
		q.nodes = make([]node, min(64, len(q.tokens)))
	}
	n := &q.nodes[0]
	q.nodes = q.nodes[1:]
	n.form, n.start = f, start
	return n
}

// peek returns the kind of the nth token from here, end behind the last and once something has failed.
func (q *quick) peek(n int) kind {
	if q.fail || q.pos+n >= len(q.tokens) {
		return end
	}
	return q.tokens[q.pos+n].kind
}

// take returns the token here and goes on.
func (q *quick) take() int32 {
	q.pos++
	return int32(q.pos - 1)
}

// want takes a token of a kind, or fails. Failing is for good: everything that is called behind it sees the end of the text, so that no
// caller has to ask.
func (q *quick) want(k kind) int32 {
	if q.peek(0) != k {
		q.fail = true
		return 0
	}
	return q.take()
}

// maybe takes a token if it is of a kind, or returns 0.
func (q *quick) maybe(k kind) int32 {
	if q.peek(0) != k {
		return 0
	}
	return q.take()
}

// enter counts a level; it fails where there are too many.
func (q *quick) enter(depth *int) {
	if *depth++; *depth > depthLimit {
		q.fail = true
	}
}

// expr reads a condition, a ? b : c, or what binds more. What stands behind the colon is an expression again, so conditions are
// nested to the right.
func (q *quick) expr() *node {
	q.enter(&q.exprs)
	defer func() { q.exprs-- }()
	start := int32(q.pos)
	first := q.logic(formOr, or)
	if q.peek(0) != question {
		return first
	}
	// The children: the condition, and what it chooses from.
	n := q.node(formExpr, start)
	n.op = q.take()
	n.add(first)
	n.add(q.logic(formOr, or))
	q.want(colon)
	if !q.fail {
		n.add(q.expr())
	}
	return n
}

// logic reads a || b || c, whose terms are a && b && c, whose terms are relations.
func (q *quick) logic(f form, k kind) *node {
	start := int32(q.pos)
	term := func() *node {
		if f == formOr {
			return q.logic(formAnd, and)
		}
		return q.relation(1)
	}
	first := term()
	if q.peek(0) != k {
		return first
	}
	n := q.node(f, start)
	n.op = int32(q.pos)
	n.add(first)
	// All terms are children of one node, each with the operator before it: the builder makes a balanced tree of them.
	for q.peek(0) == k {
		op := q.take()
		next := term()
		next.sep = op
		n.add(next)
	}
	return n
}

// relation reads comparisons, which are nested to the left: the right side of one, of precedence 2, is none itself.
func (q *quick) relation(precedence int) *node {
	q.enter(&q.relations)
	defer func() { q.relations-- }()
	start := int32(q.pos)
	left := q.calc(0)
	for precedence <= 1 && q.peek(0) >= equals && q.peek(0) <= greater {
		left = q.operation(formRelation, start, left)
		left.add(q.relation(2))
	}
	return left
}

// calc reads sums and products; those of a precedence below the given one end it: 1 is that of sums, 2 of products.
func (q *quick) calc(precedence int) *node {
	q.enter(&q.calcs)
	defer func() { q.calcs-- }()
	start := int32(q.pos)
	left := q.unary()
	for {
		own := 0 // the precedence of the operator here
		switch q.peek(0) {
		case starSign, slash, percent:
			own = 2
		case plus, minus:
			own = 1
		}
		if own == 0 || own < precedence {
			return left
		}
		left = q.operation(formCalc, start, left)
		left.add(q.calc(own + 1))
	}
}

// operation returns a node of an operator that is here and of what stands before it.
func (q *quick) operation(f form, start int32, left *node) *node {
	n := q.node(f, start)
	n.op = q.take()
	n.add(left)
	return n
}

// unary reads operators before an operand, which must be the same ones. A minus before a number is the number's: -1 is a literal,
// so the least int can be written.
func (q *quick) unary() *node {
	k := q.peek(0)
	sign := k == minus && (q.peek(1) == integer || q.peek(1) == float)
	if q.fail || k != exclam && k != minus || sign {
		return q.member()
	}
	n := q.node(formNot, int32(q.pos))
	if k == minus {
		n.form = formNegate
	}
	for n.op = int32(q.pos); q.peek(0) == k; n.count++ {
		q.take()
	}
	n.add(q.member())
	return n
}

// member reads what follows an operand, nested to the left: a.b[c] is an index of a selection.
func (q *quick) member() *node {
	start := int32(q.pos)
	left := q.primary()
	for {
		switch q.peek(0) {
		case dot:
			// With a parenthesis behind the name it is a call on what stands before it.
			if q.peek(1) == identifier && q.peek(2) == openParen {
				left = q.operation(formMemberCall, start, left)
				left.id = q.take()
				left.op = q.take()
				left.add(q.list(formExprList, closeParen))
				q.want(closeParen)
				continue
			}
			left = q.operation(formSelect, start, left)
			left.opt = q.maybe(question)
			left.add(q.escapeIdent())
		case openBracket:
			left = q.operation(formIndex, start, left)
			left.opt = q.maybe(question)
			left.add(q.expr())
			q.want(closeBracket)
		default:
			return left
		}
	}
}

// escapeIdent reads the name of a field, which may be in back quotes.
func (q *quick) escapeIdent() *node {
	n := q.node(formEscapeIdent, int32(q.pos))
	if n.id = q.maybe(identifier); n.id == 0 {
		n.id = q.want(escaped)
	}
	return n
}

// literals are the tokens that are a literal.
var literals = [bad]form{integer: formInt, unsigned: formUint, float: formDouble, text: formString, binary: formBytes,
	kTrue: formTrue, kFalse: formFalse, kNull: formNull}

// primary reads what has no operators around it.
func (q *quick) primary() *node {
	start := int32(q.pos)
	switch k := q.peek(0); k {
	case openParen:
		q.take()
		n := q.expr()
		q.want(closeParen)
		return n
	case openBracket:
		n := q.node(formList, start)
		n.op = q.take()
		return q.braced(n, formListInit, closeBracket)
	case openBrace:
		n := q.node(formMap, start)
		n.op = q.take()
		return q.braced(n, formMapInits, closeBrace)
	case dot, identifier:
		return q.named(start)
	case minus:
		n := q.node(literals[q.peek(1)], start)
		n.dot, n.id = q.take(), q.take()
		q.fail = q.fail || n.form != formInt && n.form != formDouble
		return n
	default:
		n := q.node(literals[k], start)
		if n.id = q.take(); n.form == formNone {
			q.fail = true
		}
		return n
	}
}

// named reads a name, a call, or a message: a.b.c{}. A point in front, .a, means a name that is looked up from the outside, past the
// variables of macros.
func (q *quick) named(start int32) *node {
	n := q.node(formIdent, start)
	n.dot = q.maybe(dot)
	if n.id = q.want(identifier); q.peek(0) == openParen {
		n.form, n.op = formCall, q.take()
		n.add(q.list(formExprList, closeParen))
		q.want(closeParen)
		return n
	}
	// A message has a brace at the end of its name. Without one, the rest of the name is read as selections.
	parts := 0
	for q.peek(parts) == dot && q.peek(parts+1) == identifier {
		parts += 2
	}
	if q.peek(parts) == openBrace {
		n.form, n.count = formMessage, int32(parts/2)
		q.pos += parts
		n.op = q.take()
		return q.braced(n, formFieldInits, closeBrace)
	}
	return n
}

// braced reads a list up to its end, before which a comma may stand, even where there is no item: [,] and {,} are empty. Arguments of
// calls are no such list: f(a,) is a fault.
func (q *quick) braced(n *node, f form, closing kind) *node {
	if q.peek(0) != comma {
		n.add(q.list(f, closing))
	}
	q.maybe(comma)
	q.want(closing)
	return n
}

// list reads what stands between parentheses or braces, as far as it goes.
func (q *quick) list(f form, closing kind) *node {
	n := q.node(f, int32(q.pos))
	if q.peek(0) == closing {
		return n
	}
	for !q.fail {
		q.item(n)
		// A last comma is the caller's, who knows whether one may stand there.
		if q.peek(0) != comma || f != formExprList && q.peek(1) == closing {
			break
		}
		q.take()
	}
	return n
}

// item reads one item of a list: an expression, or a key, a colon and an expression.
func (q *quick) item(list *node) {
	if list.form == formExprList {
		list.add(q.expr())
		return
	}
	// The child of a list is the item, of a map the key and then the value, of a message the field and then the value.
	n := q.node(formOptExpr, int32(q.pos))
	n.opt = q.maybe(question)
	list.add(n)
	if list.form == formFieldInits {
		n.form = formField
		n.add(q.escapeIdent())
	} else {
		n.add(q.expr())
	}
	if list.form != formListInit {
		sep := q.want(colon)
		value := q.expr()
		value.sep = sep
		list.add(value)
	}
}
