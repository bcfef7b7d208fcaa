package syntax

import "fmt"

// nodeLimit is how many nodes an expression may become by copies. Upstream has no limit, and takes all time and memory there is.
const nodeLimit = 200_000

// Accumulator is the name of the variable in which the standard macros collect. No expression can name it.
const Accumulator = "@result"

// oldAccumulator was its name once; no variable of a macro may have it either.
const oldAccumulator = "__result__"

// The idea: the language has no loops and no functions with names of their own for values. What looks like one, items.all(i, i > 0),
// is a macro: while the tree is built, the call is taken out, and a fold put in its place, which is all that checker and evaluator
// know. So arguments of a macro are not evaluated before: i is no variable outside, and the macro decides where its argument goes.
//
// Inner calls are expanded first, since arguments are built before the call that has them: a macro sees what its arguments became.
// has(has(a.b).c) is sound for that reason, as the inner one is a selection by then.
//
// Nodes of an expansion are at the place of the call's parenthesis, so an error in one of them points at the macro. Upstream is
// parser/macro.go with the helper of parser/helper.go, where each New… takes the next ID.

// Macro is a call that becomes another expression while it is read. A call is one of the macro if name, receiver and number of
// arguments fit; if any of them does not, it is a call as any other, and the checker says that there is no such function.
type Macro struct {
	Name   string
	Member bool // it is called on a receiver
	Args   int  // how many it has, below 0 any number
	// Expand returns what the call becomes; nil, nil leaves it as it is; a fault says what is wrong with it. The operand is nil if
	// it is no member. It may use the operand and the arguments in what it returns.
	Expand func(x *Expander, operand *Expr, args []*Expr) (*Expr, *Fault)
}

// Expander makes the nodes of an expansion. All of them are at the place of the call. IDs are given in the order of the calls of
// its methods, and upstream's must be the same: arguments are made before the node that has them.
type Expander struct {
	b      *builder
	offset int32
}

// expr returns a new node at the place of the call. It is not inlined, for there are many expansions, and none has to be fast.
//
//go:noinline
func (x *Expander) expr(k Kind) *Expr { return x.b.expr(k, x.b.id(x.offset)) }

// Literal returns a literal: nil, a bool, int64, uint64, float64, string or []byte.
//
//go:noinline
func (x *Expander) Literal(v any) *Expr {
	e := x.expr(Literal)
	e.Value = v
	return e
}

// Ident returns an identifier.
//
//go:noinline
func (x *Expander) Ident(name string) *Expr {
	e := x.expr(Ident)
	e.Name = name
	return e
}

// Accumulator returns the identifier of the accumulator.
//
//go:noinline
func (x *Expander) Accumulator() *Expr { return x.Ident(Accumulator) }

// Call returns a call of a function or an operator.
func (x *Expander) Call(name string, args ...*Expr) *Expr { return x.Member(name, nil, args...) }

// Member returns a call on a receiver.
func (x *Expander) Member(name string, operand *Expr, args ...*Expr) *Expr {
	e := x.expr(Call)
	e.Name, e.Operand, e.Args = name, operand, args
	return e
}

// Select returns operand.field.
func (x *Expander) Select(operand *Expr, field string) *Expr {
	e := x.expr(Select)
	e.Name, e.Operand = field, operand
	return e
}

// Has returns has(operand.field).
func (x *Expander) Has(operand *Expr, field string) *Expr {
	e := x.Select(operand, field)
	e.Test = true
	return e
}

// List returns a list.
//
//go:noinline
func (x *Expander) List(items ...*Expr) *Expr {
	e := x.expr(List)
	e.Args = items
	return e
}

// Entry returns an entry for Map.
func (x *Expander) Entry(key, value *Expr, optional bool) Entry {
	return Entry{ID: x.b.id(x.offset), Key: key, Value: value, Optional: optional}
}

// Map returns a map.
func (x *Expander) Map(entries ...Entry) *Expr {
	e := x.expr(Map)
	e.Entries = entries
	return e
}

// Fold returns a comprehension.
//
//go:noinline
func (x *Expander) Fold(c Comprehension) *Expr {
	e := x.expr(Fold)
	e.Fold = &c
	return e
}

// Fault returns what is wrong with an argument or an operand of the call, at its place: of a selection that is its point, of a call its
// parenthesis. Reading goes on with a hole instead of the call, so that all faults of a text are told at once.
func (x *Expander) Fault(e *Expr, message string) *Fault {
	line, column := x.b.place(x.b.offsets[e.ID])
	return &Fault{line, column, message}
}

// Variable returns the name that an argument is: that of a variable of the expansion. An argument that is something else is a
// fault with the given message, since macros word it differently, and so is the name of the accumulator, which has always the same
// message: such a variable would hide what the fold collects (makeQuantifier, MakeMap and MakeFilter in macro.go).
func (x *Expander) Variable(e *Expr, message string) (string, *Fault) {
	if e.Kind != Ident {
		return "", x.Fault(e, message)
	}
	if e.Name == Accumulator || e.Name == oldAccumulator {
		return "", x.Fault(e, "iteration variable overwrites accumulator variable")
	}
	return e.Name, nil
}

// Copy returns an expression again, with IDs of its own at the places of the first (but entries, which are at the call's), for an
// expansion that has it twice. A chain of such expansions doubles with every link, so the number of nodes is limited.
func (x *Expander) Copy(e *Expr) *Expr {
	if e == nil {
		return nil
	}
	if len(x.b.offsets) > nodeLimit {
		return x.b.giveUp(fmt.Sprintf("expression expands to more than %d nodes", nodeLimit))
	}
	c := x.b.expr(e.Kind, x.b.id(x.b.offsets[e.ID]))
	id := c.ID
	*c = *e
	c.ID, c.Args, c.Entries = id, nil, nil
	for _, a := range e.Args {
		c.Args = append(c.Args, x.Copy(a))
	}
	c.Operand = x.Copy(e.Operand)
	for _, n := range e.Entries {
		n.ID, n.Key, n.Value = x.b.id(x.offset), x.Copy(n.Key), x.Copy(n.Value)
		c.Entries = append(c.Entries, n)
	}
	if f := e.Fold; f != nil {
		fold := *f
		for _, part := range []**Expr{&fold.Range, &fold.Init, &fold.Condition, &fold.Step, &fold.Result} {
			*part = x.Copy(*part)
		}
		c.Fold = &fold
	}
	return c
}
