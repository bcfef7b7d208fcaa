package syntax

// The idea: every question about items is one fold. It differs in what the accumulator begins as, in what becomes of it for an item p,
// in when to stop, and in what is made of it at the end:
//
//	macro         begins   while              becomes                    result     with no items   an item that is an error
//	all           true     it may be true     it && p                    it         true            false if another is false
//	exists        false    it may be false    it || p                    it         false           true if another is true
//	exists_one    0        always             p ? it + 1 : it            it == 1    false           that error
//	map           []       always             it + [f], if p             it         []              that error
//	filter        []       always             p ? it + [item] : it       it         []              that error
//
// The two that stop ask @not_strictly_false, which is true of an error: an error must not end all(), for a later false outweighs it,
// as && does. exists_one and the lists cannot stop, since the last item may change what they say.

// Standard are the macros that every environment has. It is not changed. Upstream has them as AllMacros in parser/macro.go.
var Standard = []Macro{
	{"has", false, 1, expandHas},
	{"all", true, 2, quantifier(FillAll)},
	{"exists", true, 2, quantifier(FillExists)},
	{"exists_one", true, 2, quantifier(FillExistsOne)},
	{"map", true, 2, expandMap},
	{"map", true, 3, expandMap},
	{"filter", true, 2, expandFilter},
}

// expandHas makes has(a.b) the test whether a has b, which may be missing. It looks at the last point alone: of has(a.b.c) an a that has
// no b is an error when it runs. An index is refused, as 'k' in a says it (MakeHas).
func expandHas(x *Expander, _ *Expr, args []*Expr) (*Expr, *Fault) {
	if args[0].Kind != Select {
		return nil, x.Fault(args[0], "invalid argument to has() macro")
	}
	return x.Has(args[0].Operand, args[0].Name), nil
}

// quantifier returns the expansion of a macro that asks something of the items: fill sets Init, Condition, Step and Result.
func quantifier(fill func(x *Expander, c *Comprehension, predicate *Expr)) func(*Expander, *Expr, []*Expr) (*Expr, *Fault) {
	return func(x *Expander, operand *Expr, args []*Expr) (*Expr, *Fault) {
		v, fault := x.Variable(args[0], "argument must be a simple name")
		if fault != nil {
			return nil, fault
		}
		c := Comprehension{Range: operand, Var: v, Accumulator: Accumulator}
		fill(x, &c, args[1])
		return x.Fold(c), nil
	}
}

// FillAll makes a comprehension all(): true && p && p …, as long as nothing is false; an error does not end it, as a later false makes it
// false. It sets what is asked of the items, and leaves Range and variables to its caller, which may have one or two.
func FillAll(x *Expander, c *Comprehension, predicate *Expr) {
	c.Init = x.Literal(true)
	c.Condition = x.Call("@not_strictly_false", x.Accumulator())
	c.Step = x.Call("_&&_", x.Accumulator(), predicate)
	c.Result = x.Accumulator()
}

// FillExists makes a comprehension exists(), as FillAll does: false || p || p …, as long as nothing is true.
func FillExists(x *Expander, c *Comprehension, predicate *Expr) {
	c.Init = x.Literal(false)
	c.Condition = x.Call("@not_strictly_false", x.Call("!_", x.Accumulator()))
	c.Step = x.Call("_||_", x.Accumulator(), predicate)
	c.Result = x.Accumulator()
}

// FillExistsOne makes a comprehension exists_one(), as FillAll does. It counts all items; an error of any of them is its error.
func FillExistsOne(x *Expander, c *Comprehension, predicate *Expr) {
	c.Init = x.Literal(int64(0))
	c.Condition = x.Literal(true)
	more := x.Call("_+_", x.Accumulator(), x.Literal(int64(1)))
	c.Step = x.Call("_?_:_", predicate, more, x.Accumulator())
	c.Result = x.Call("_==_", x.Accumulator(), x.Literal(int64(1)))
}

// expandMap collects the values of the last argument, of those items for which the second of three is true. Each item makes a list
// that is added: the evaluator appends in place, as nobody else has the accumulator, and so does not take the square of the items.
func expandMap(x *Expander, operand *Expr, args []*Expr) (*Expr, *Fault) {
	v, fault := x.Variable(args[0], "argument is not an identifier")
	if fault != nil {
		return nil, fault
	}
	c := Comprehension{Range: operand, Var: v, Accumulator: Accumulator, Init: x.List(), Condition: x.Literal(true)}
	c.Step = x.Call("_+_", x.Accumulator(), x.List(args[len(args)-1]))
	if len(args) == 3 {
		c.Step = x.Call("_?_:_", args[1], c.Step, x.Accumulator())
	}
	c.Result = x.Accumulator()
	return x.Fold(c), nil
}

// expandFilter collects the items for which the second argument is true. What is collected is the variable, the very node that was the
// first argument: it is used once, so it need not be copied.
func expandFilter(x *Expander, operand *Expr, args []*Expr) (*Expr, *Fault) {
	v, fault := x.Variable(args[0], "argument is not an identifier")
	if fault != nil {
		return nil, fault
	}
	c := Comprehension{Range: operand, Var: v, Accumulator: Accumulator, Init: x.List(), Condition: x.Literal(true)}
	more := x.Call("_+_", x.Accumulator(), x.List(args[0]))
	c.Step = x.Call("_?_:_", args[1], more, x.Accumulator())
	c.Result = x.Accumulator()
	return x.Fold(c), nil
}
