package syntax

import "strings"

// The idea: the builder walks the tree of nodes in the order in which upstream does, since that order gives the nodes of the AST
// their IDs, and IDs lead to the places that messages name. Most levels of the grammar leave nothing: a node with one part and no
// operator is that part.
//
// Faults that are none of the grammar's are found here: a number that is too great, an escape that means nothing, a reserved name, an
// argument that a macro cannot take. The tree may have holes where the thorough parser found a fault; what stands there is of kind 0.
// It is built all the same, so that all faults of a text are told at once.
//
// IDs by the example of a.b + f(c): a is 1, the selection 2; the plus is 3, as upstream takes the ID of an operator before it goes to
// the right side; the call is 4, at its parenthesis, before its argument c, which is 5. Of a || b it is the other way round: b is 2,
// and the operator 3. Checkers keep types, and messages places, by these numbers, so that one that is taken too early moves a caret.
//
// Upstream is the visitor of parser.go (unnest, VisitSelect, VisitMemberCall, …) with the factory of helper.go.

// The places of IDs that have none: of what stands where a fault is, and of calls that became something else.
const (
	nowhere = -1
	gone    = -2
)

// builder makes an AST of a tree of nodes.
type builder struct {
	options Options
	source  *Source
	tokens  []token
	faults  *Faults
	offsets []int32 // by ID
	exprs   []Expr  // not yet used
	depth   int
	deep    bool // the expression is too deep or too large: nothing more is built, and no more faults are found
}

// id returns a new ID of something at an offset.
func (b *builder) id(offset int32) int32 {
	b.offsets = append(b.offsets, offset)
	return int32(len(b.offsets) - 1)
}

// release takes an ID back. Only the last one can be used again: the ID of a call that a macro replaced is in the middle, as those of its
// arguments and of its expansion are behind it, and stays unused (deleteID in helper.go).
func (b *builder) release(id int32) {
	b.offsets[id] = gone
	if int(id) == len(b.offsets)-1 {
		b.offsets = b.offsets[:id]
	}
}

// at and text return the place and the text of a token; the token 0 has none.
func (b *builder) at(token int32) int32 { return b.tokens[token].start }

// text returns the text of a token.
func (b *builder) text(token int32) string { return b.source.slice(b.tokens[token]) }

// expr returns a new expression. They are made several at a time.
//
//go:noinline
func (b *builder) expr(k Kind, id int32) *Expr {
	if len(b.exprs) == 0 {
		// Two of three tokens become an expression; those of macros come in addition.
		n := 8
		if b.exprs == nil {
			n = max(4, min(64, len(b.tokens)*2/3))
		}
		b.exprs = make([]Expr, n)
	}
	e := &b.exprs[0]
	b.exprs = b.exprs[1:]
	e.Kind, e.ID = k, id
	return e
}

// fault reports what is wrong at an offset, and returns what stands there instead: an expression of kind 0, which no tree has that is
// returned. Macros may look at one, and find no identifier.
func (b *builder) fault(offset int32, message string) *Expr {
	e := b.expr(0, b.id(offset))
	if !b.deep {
		line, column := b.place(offset)
		b.faults.Add(line, column, message)
	}
	return e
}

// place returns the line and column of an offset, and those of no place for an ID that is gone.
func (b *builder) place(offset int32) (line, column int) {
	if offset == gone {
		return -1, -1
	}
	return b.source.Place(offset)
}

// giveUp reports that the expression is too much, and has nothing more built. The fault has no place, since it is one of the whole. It is
// told once, and what was found before it stays.
func (b *builder) giveUp(message string) *Expr {
	if !b.deep {
		b.faults.Add(-1, -1, message)
	}
	b.deep = true
	return b.hole()
}

// hole is what stands where the thorough parser found nothing.
func (b *builder) hole() *Expr { return b.expr(0, b.id(nowhere)) }

// unnest goes down to the first node that says something.
func unnest(n *node) *node {
	for n != nil {
		switch n.form {
		case formExpr, formOr, formAnd, formRelation, formCalc:
			if n.op != 0 {
				return n
			}
		case formStart, formMember, formPrimary, formNested:
		case formUnary, formLiteral:
			if n.first == nil {
				return n
			}
		default:
			return n
		}
		n = n.first
	}
	return nil
}

// build returns the expression of a node. Its depth is bounded a second time here: a.b.c.d is read by a loop, so that reading it is not
// nested, but its tree is as deep as it has points (checkAndIncrementRecursionDepth).
func (b *builder) build(n *node) *Expr {
	if n = unnest(n); n == nil || b.deep {
		return b.hole()
	}
	// Chains as a.b.c and a+b+c are deep trees, though no rule is nested in reading them.
	switch n.form {
	case formExpr, formRelation, formCalc, formSelect, formMemberCall, formIndex:
		if b.depth++; b.depth > depthLimit {
			return b.giveUp("max recursion depth exceeded")
		}
		defer func() { b.depth-- }()
	}
	switch n.form {
	case formExpr:
		first := b.build(n.first)
		return b.operation(b.id(b.at(n.op)), "_?_:_", first, n.child(1), n.child(2))
	case formOr:
		return b.logic("_||_", n)
	case formAnd:
		return b.logic("_&&_", n)
	case formRelation, formCalc:
		first := b.build(n.first)
		return b.operation(b.id(b.at(n.op)), operators[b.tokens[n.op].kind], first, n.child(1))
	case formUnary: // no alternative of it fitted
		return b.literal(n, "<<error>>")
	case formNot:
		return b.unary("!_", n)
	case formNegate:
		return b.unary("-_", n)
	case formSelect:
		return b.selection(n)
	case formMemberCall:
		return b.memberCall(n)
	case formIndex:
		return b.index(n)
	}
	return b.primary(n)
}

// operators are the functions that operators of two operands call.
var operators = [bad]string{equals: "_==_", notEquals: "_!=_", in: "@in", less: "_<_", lessEquals: "_<=_", greaterEquals: "_>=_",
	greater: "_>_", minus: "_-_", plus: "_+_", starSign: "_*_", slash: "_/_", percent: "_%_"}

// operation returns the call of an operator, of which the first operand is there.
func (b *builder) operation(id int32, name string, first *Expr, rest ...*node) *Expr {
	args := make([]*Expr, 1, 1+len(rest))
	args[0] = first
	for _, n := range rest {
		args = append(args, b.build(n))
	}
	return b.call(id, name, nil, args)
}

// logic returns the calls of a || b || c as a balanced tree, which the operators allow, as their order does not matter. A chain of a
// thousand terms is ten deep then; nested to the left it would be over the limit (logicManager in helper.go).
func (b *builder) logic(name string, n *node) *Expr {
	// Upstream numbers an operator behind the term that follows it.
	terms := []*Expr{b.build(n.first)}
	ids := []int32{0}
	for c := n.first.next; c != nil; c = c.next {
		terms = append(terms, b.build(c))
		ids = append(ids, b.id(b.at(c.sep)))
	}
	return b.balance(name, terms, ids)
}

// balance makes a tree of terms; the ID at i is that of the operator before the term at i.
func (b *builder) balance(name string, terms []*Expr, ids []int32) *Expr {
	if len(terms) == 1 {
		return terms[0]
	}
	// The operator in the middle is the root. What is left of it is at most one longer than what is right.
	half := (len(terms) + 1) / 2
	left := b.balance(name, terms[:half], ids[:half])
	right := b.balance(name, terms[half:], ids[half:])
	e := b.expr(Call, ids[half])
	e.Name, e.Args = name, []*Expr{left, right}
	return e
}

// unary returns what !!!a is: an even number of operators does nothing, so that --a is a, even where a has no negation for the checker
// to refuse.
func (b *builder) unary(name string, n *node) *Expr {
	if n.count%2 == 0 {
		return b.build(n.first)
	}
	return b.call(b.id(b.at(n.op)), name, nil, []*Expr{b.build(n.first)})
}

// name returns the identifier that a node of form escapeIdent is.
func (b *builder) name(n *node) (string, bool) {
	if n == nil || n.id == 0 {
		return "", false
	}
	return strings.Trim(b.text(n.id), "`"), true
}

// badName is what is wrong where a name should be.
const badName = "unsupported ident kind"

// selection returns a.b, and of a.?b the call that it is, with the name as a string. A selection without a name is a hole at its
// beginning. A name in back quotes is the field that stands between them, so a.`b` is a.b.
func (b *builder) selection(n *node) *Expr {
	operand := b.build(n.first)
	field := n.child(1)
	if field == nil || n.op == 0 {
		return b.expr(0, b.id(b.at(n.start)))
	}
	name, ok := b.name(field)
	if !ok {
		b.fault(b.at(field.start), badName)
	}
	if n.opt != 0 {
		if !b.options.Optionals {
			return b.fault(b.at(n.op), "unsupported syntax '.?'")
		}
		// The name has an ID of its own, before that of the call.
		args := []*Expr{operand, b.literal(field, name)}
		e := b.expr(Call, b.id(b.at(n.op)))
		e.Name, e.Args = "_?._", args
		return e
	}
	e := b.expr(Select, b.id(b.at(n.op)))
	e.Name, e.Operand = name, operand
	return e
}

// memberCall returns a.b(c), whose place is its parenthesis.
func (b *builder) memberCall(n *node) *Expr {
	operand := b.build(n.first)
	if n.id == 0 {
		return b.expr(0, b.id(b.at(n.start)))
	}
	id := b.id(b.at(n.op))
	return b.call(id, b.text(n.id), operand, b.args(n.child(1)))
}

// index returns a[b] and a[?b].
func (b *builder) index(n *node) *Expr {
	operand := b.build(n.first)
	if n.op == 0 {
		return b.expr(0, b.id(b.at(n.start)))
	}
	id, name := b.id(b.at(n.op)), "_[_]"
	index := b.build(n.child(1))
	if n.opt != 0 {
		if name = "_[?_]"; !b.options.Optionals {
			return b.fault(b.at(n.op), "unsupported syntax '[?'")
		}
	}
	return b.call(id, name, nil, []*Expr{operand, index})
}

// args returns the expressions of a list.
func (b *builder) args(list *node) []*Expr {
	if list == nil || list.first == nil {
		return nil
	}
	n := 0
	// They are counted first, so that they are made at once.
	for c := list.first; c != nil; c = c.next {
		n++
	}
	args := make([]*Expr, 0, n)
	for c := list.first; c != nil; c = c.next {
		args = append(args, b.build(c))
	}
	return args
}

// primary returns what has no operators.
func (b *builder) primary(n *node) *Expr {
	switch n.form {
	case formIdent, formCall:
		return b.named(n)
	case formList:
		return b.list(n)
	case formMap:
		e := b.expr(Map, b.id(b.at(n.op)))
		e.Entries = b.entries(n.first)
		return e
	case formMessage:
		e := b.expr(Struct, b.id(b.at(n.op)))
		e.Name = b.message(n)
		e.Entries = b.entries(n.first)
		return e
	case formInt, formUint, formDouble:
		v, err := number(n.form, b.text(n.dot), b.text(n.id))
		if err != nil {
			return b.fault(b.at(n.start), err.Error())
		}
		return b.literal(n, v)
	case formString, formBytes:
		return b.quoted(n)
	case formTrue:
		return b.literal(n, true)
	case formFalse:
		return b.literal(n, false)
	case formNull:
		return b.literal(n, nil)
	}
	return b.hole()
}

// literal returns a literal at the beginning of a node.
func (b *builder) literal(n *node, v any) *Expr {
	e := b.expr(Literal, b.id(b.at(n.start)))
	e.Value = v
	return e
}

// quoted returns a string or bytes.
func (b *builder) quoted(n *node) *Expr {
	s := b.text(n.id)
	isBytes := n.form == formBytes
	if isBytes {
		s = s[1:]
	}
	v, err := unquote(s, isBytes)
	if err != nil {
		// It is a string all the same, for what is found behind it.
		b.fault(b.at(n.start), err.Error())
		v = s
	}
	if isBytes {
		return b.literal(n, []byte(v))
	}
	return b.literal(n, v)
}

// named returns an identifier, or a call of a function. Reserved names are refused here and not by the grammar, so that fields may have
// them (VisitIdent, VisitGlobalCall); in, true, false and null are tokens of their own, and no field may have them.
func (b *builder) named(n *node) *Expr {
	if n.id == 0 {
		return b.expr(0, b.id(b.at(n.start)))
	}
	name := b.text(n.id)
	if IsReserved(name) {
		return b.fault(b.at(n.start), "reserved identifier: "+name)
	}
	if n.dot != 0 {
		name = "." + name
	}
	if n.form == formCall {
		id := b.id(b.at(n.op))
		return b.call(id, name, nil, b.args(n.first))
	}
	e := b.expr(Ident, b.id(b.at(n.id)))
	e.Name = name
	return e
}

// message returns the name before the brace of a{}, .a.b{}.
func (b *builder) message(n *node) string {
	var name strings.Builder
	for t := n.start; t < n.op; t++ {
		name.WriteString(b.text(t))
	}
	return name.String()
}

// list returns a list, and which of its items are written with a question mark.
func (b *builder) list(n *node) *Expr {
	e := b.expr(List, b.id(b.at(n.op)))
	if n.first == nil {
		return e
	}
	i := int32(0)
	for c := n.first.first; c != nil; c = c.next {
		e.Args = append(e.Args, b.build(c.first))
		if c.opt != 0 {
			if !b.options.Optionals {
				b.fault(b.at(c.opt), "unsupported syntax '?'")
			} else {
				e.Optional = append(e.Optional, i)
			}
		}
		i++
	}
	return e
}

// entries returns those of a map, or the fields of a message: a key, then a value with its colon. The ID of an entry is that of its
// colon, and comes before those of its key.
func (b *builder) entries(list *node) []Entry {
	var entries []Entry
	if list == nil {
		return nil
	}
	for key := list.first; key != nil && key.next != nil; key = key.next.next {
		value := key.next
		entry := Entry{ID: b.id(b.at(value.sep)), Optional: key.opt != 0}
		// A faulty entry is left out; nobody sees the tree then.
		if entry.Optional && !b.options.Optionals {
			b.fault(b.at(key.start), "unsupported syntax '?'")
			continue
		}
		if key.form == formField {
			var ok bool
			if entry.Field, ok = b.name(key.first); !ok {
				b.fault(b.at(list.start), badName)
				continue
			}
		} else {
			entry.Key = b.build(key.first)
		}
		entry.Value = b.build(value)
		entries = append(entries, entry)
	}
	return entries
}

// call returns a call, or what it becomes if it is one of a macro.
func (b *builder) call(id int32, name string, operand *Expr, args []*Expr) *Expr {
	if m := b.macro(name, operand != nil, len(args)); m != nil {
		if e := b.expand(m, id, operand, args); e != nil {
			return e
		}
	}
	e := b.expr(Call, id)
	e.Name, e.Operand, e.Args = name, operand, args
	return e
}

// macro returns the last of the macros that a call is one of; one with that number of arguments before one with any. The last one, as
// upstream keeps them in a map by name, number and form, where a library overwrites what was there (expandMacro).
func (b *builder) macro(name string, member bool, args int) *Macro {
	var found *Macro
	for i := len(b.options.Macros) - 1; i >= 0; i-- {
		m := &b.options.Macros[i]
		if m.Name != name || m.Member != member {
			continue
		}
		if m.Args == args {
			return m
		}
		if m.Args < 0 && found == nil {
			found = m
		}
	}
	return found
}

// expand returns what a call of a macro becomes, nil if it stays as it is.
func (b *builder) expand(m *Macro, id int32, operand *Expr, args []*Expr) *Expr {
	x := Expander{b: b, offset: b.offsets[id]}
	e, fault := m.Expand(&x, operand, args)
	if fault == nil && e == nil {
		return nil
	}
	// The call is gone, and its ID with it.
	b.release(id)
	if fault == nil {
		return e
	}
	// What stands for the call has the place of the fault, which may be none.
	offset := int32(nowhere)
	if fault.Line > 0 {
		offset = b.source.offset(fault.Line, fault.Column)
	}
	e = b.expr(0, b.id(offset))
	if !b.deep {
		b.faults.Add(fault.Line, fault.Column, fault.Message)
	}
	return e
}
