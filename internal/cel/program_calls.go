package cel

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"apichain/internal/cel/syntax"
)

// A call is planned by what it may be: an operator that the planner knows itself, a function with one implementation for all of
// its overloads, one overload, or one of several, which is chosen when the types of the arguments are there. All arguments of a
// call of one or two are evaluated, whatever they are, and the call is paid for even if they are errors; of a call that is chosen
// at run time, or has more arguments, the first error ends it, and it is not paid for. That is upstream's count.

// Who pays, and when, is half of what this file is about, for upstream's tracker counts a call after it was made,
// by its arguments and its result (costCall in runtimecost.go). Here too the cost of a call is added when its
// result is there, and that of its arguments was added before. The steps, which upstream does not have, are taken
// before the call: they are what keeps it from being made.
//
// All closures below pass an error on as it is, the first of them by the order of the arguments; and what may make something
// long asks first whether the frame is halted.

// planCall plans a call.
// Receiver and arguments are planned first, and in this order, whatever the call turns out to be.
func (p *planner) planCall(e *syntax.Expr) planned {
	nodes := make([]planned, 0, len(e.Args)+1)
	if e.Operand != nil {
		nodes = append(nodes, p.plan(e.Operand))
	}
	for _, a := range e.Args {
		nodes = append(nodes, p.plan(a))
	}
	if p.err != nil {
		return nodes[0]
	}
	switch e.Name {
	case "_&&_", "_||_":
		return planned{run: p.logical(nodes, e.Name == "_||_")}
	case "_?_:_":
		// A ternary is an attribute, so that a select of its result is a step of both of its branches.
		a := &attribute{choose: p.observed(nodes[0]), yes: p.attributeOf(nodes[1]), no: p.attributeOf(nodes[2])}
		return planned{attribute: a}
	case "_==_", "_!=_":
		return planned{run: p.equality(nodes, e.Name == "_!=_")}
	// An index is a step of an attribute, and no call: it costs what a step costs.
	case "_[_]":
		return p.planIndex(e, nodes[0], nodes[1], false)
	case "_?._", "_[?_]":
		return p.planIndex(e, nodes[0], nodes[1], true)
	}
	if ref := p.checked.Refs[e.ID]; ref != nil && len(ref.Overloads) > 0 {
		// By the overload and not by the name: or and orValue may be functions of somebody else, too.
		switch ref.Overloads[0].ID {
		case "optional_or_optional", "optional_orValue_value":
			return planned{run: p.otherwise(nodes, e.Name == "orValue")}
		}
	}
	return p.planFunction(e, nodes)
}

// otherwise plans a.or(b) and a.orValue(b), which cost nothing, and do not evaluate b if a has a value.
// They are no functions for upstream's planner but nodes of their own, which is why its tracker counts nothing.
func (p *planner) otherwise(nodes []planned, value bool) runner {
	first, second := p.observed(nodes[0]), p.observed(nodes[1])
	return func(f *frame) Value {
		v := first(f)
		if !v.IsOptional() {
			return NoSuchOverload(v)
		}
		inner, ok := v.Optional()
		switch {
		case !ok:
			return second(f)
		case value:
			return inner
		}
		return v
	}
}

// callee is the function that a call calls.
// It is made with the program, and read by its evaluations.
type callee struct {
	*Function
	name     string
	overload *Overload // if there is but one that it may be
	cost     func(args []Value, result Value) uint64
	extra    int64 // steps that a call takes whatever its arguments are
	strings  int   // bytes of a string that a step goes through, 0: it does not go through strings
	items    int   // the same of lists and maps
	merges   bool  // it is +, which merges sets and map lists
	pattern  int64 // the size of the regular expression that is its second argument, if that is a literal
}

// planFunction plans a call of a function of a library.
func (p *planner) planFunction(e *syntax.Expr, nodes []planned) planned {
	// The checker has found the function; it may have no implementation, if it was declared for checks alone.
	name := strings.TrimPrefix(e.Name, ".")
	c := callee{Function: p.functions[name], name: name}
	if c.Function == nil {
		return p.fail(errors.New("no such overload: " + name))
	}
	c.cost = c.Function.Cost
	// With one overload its own cost counts. With several it is the function's, whichever is chosen: upstream's
	// tracker looks costs up by the overload that the planner knew.
	if ref := p.checked.Refs[e.ID]; ref != nil && len(ref.Overloads) == 1 {
		c.overload = ref.Overloads[0]
		if c.overload.Cost != nil {
			c.cost = c.overload.Cost
		}
	}
	c.pace()
	c.merges = name == "_+_"
	// in has a form of its own, since it may take long and find out only while it looks.
	if name == "@in" && len(nodes) == 2 {
		return p.planIn(c, nodes)
	}
	args := make([]runner, len(nodes))
	for i, n := range nodes {
		args[i] = p.observed(n)
	}
	if c.Regex != nil && len(nodes) > 1 && nodes[1].constant != nil && nodes[1].constant.kind == String {
		// A pattern that does not compile is an error of the program, before anything is evaluated (decRegexOptimizer in
		// interpreter/decorators.go).
		re, err := regexp.Compile(nodes[1].constant.Str())
		if err != nil {
			return p.fail(err)
		}
		c.pattern = patternSize(nodes[1].constant.Str())
		return planned{run: c.many(args, func(values []Value) Value { return c.Regex(re, values) })}
	}
	run := c.run(args)
	// What map and filter do in each round, n times for a list of n: see program_folds.go.
	if more := c.gathering(nodes, run); more != nil {
		return planned{run: more}
	}
	// int('1') is 1 in the program, costs nothing, and int('x') makes no program. Only functions named like types
	// are folded: 1 + 1 is added at each evaluation, and paid for.
	if len(nodes) == 1 && nodes[0].constant != nil && conversion(name) {
		v := run(&frame{limit: NoLimit, steps: firstSteps})
		if v.kind == Error {
			return p.fail(v.Err())
		}
		return constantNode(v)
	}
	return planned{run: run}
}

// conversion reports whether a function has the name of a type: of a constant it is a constant.
func conversion(name string) bool {
	switch name {
	case "bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint":
		return true
	}
	return false
}

// run returns the closure of a call. What is set for all overloads goes before what one of them has; in all forms the receiver
// is the first argument.
func (c *callee) run(args []runner) runner {
	o := c.overload
	switch {
	case c.Unary != nil && len(args) == 1:
		return c.one(args[0], c.Unary)
	case c.Binary != nil && len(args) == 2:
		if fast := c.ints(args[0], args[1]); fast != nil {
			return fast
		}
		return c.two(args[0], args[1], c.Binary)
	case o != nil && o.Unary != nil && len(args) == 1:
		// The checker may have taken a dyn for this type: the overload itself need not ask again.
		want, unary := o.Args[0], o.Unary
		return c.one(args[0], func(v Value) Value {
			if !v.isA(want) {
				return c.mismatch(v)
			}
			return unary(v)
		})
	// As above, for two.
	case o != nil && o.Binary != nil && len(args) == 2:
		wantA, wantB, binary := o.Args[0], o.Args[1], o.Binary
		return c.two(args[0], args[1], func(a, b Value) Value {
			if !a.isA(wantA) || !b.isA(wantB) {
				return c.mismatch(a, b)
			}
			return binary(a, b)
		})
	}
	return c.many(args, c.choose)
}

// choose calls the first overload whose arguments these are; of one that is known, that one.
// The first that takes the arguments, in the order of their declarations: as the dispatcher of upstream, it does
// not look for the best.
func (c *callee) choose(args []Value) Value {
	if o := c.overload; o != nil {
		if !o.takes(args) {
			return c.mismatch(args...)
		}
		return o.call(args)
	}
	for i := range c.Overloads {
		if o := &c.Overloads[i]; o.takes(args) {
			return o.call(args)
		}
	}
	return c.mismatch(args...)
}

// call calls an overload.
func (o *Overload) call(args []Value) Value {
	switch {
	case o.Call != nil:
		return o.Call(args)
	case o.Unary != nil && len(args) == 1:
		return o.Unary(args[0])
	case o.Binary != nil && len(args) == 2:
		return o.Binary(args[0], args[1])
	}
	return Fail(errOverload)
}

// takes reports whether args are of the types of an overload.
func (o *Overload) takes(args []Value) bool {
	// A function may have overloads of several numbers of arguments, as substring has.
	if len(args) != len(o.Args) {
		return false
	}
	for i, v := range args {
		if !v.isA(o.Args[i]) {
			return false
		}
	}
	return true
}

// isA reports whether v may be given for an argument of a type. Of lists and maps the first item says what all are.
func (v Value) isA(t *Type) bool {
	switch t.Kind {
	case Dyn, Any, Param:
		return true
	case List:
		return v.kind == List && (v.Len() == 0 || v.At(0).isA(t.Params[0]))
	case Map:
		if v.kind != Map {
			return false
		}
		// The first entry is enough, for maps as for lists: upstream's matching at run time does not go through
		// them either.
		fits := true
		v.Entries(func(key, value Value) bool {
			fits = key.isA(t.Params[0]) && value.isA(t.Params[1])
			return false
		})
		return fits
	case Object, Opaque:
		return (v.kind == Object || v.kind == Opaque) && v.typ != nil && v.typ.Name == t.Name
	}
	return v.kind == t.Kind
}

// mismatch returns the error of arguments that no overload takes.
// An error among the arguments is the result instead.
func (c *callee) mismatch(args ...Value) Value {
	names := make([]string, len(args))
	for i, v := range args {
		if v.kind == Error {
			return v
		}
		names[i] = v.Type().TypeName()
	}
	return Fail(errors.New("no such overload: " + c.name + "(" + strings.Join(names, ", ") + ")"))
}

// one is a call of one argument.
//
//go:noinline
func (c *callee) one(arg runner, call func(Value) Value) runner {
	return func(f *frame) Value {
		v := arg(f)
		// Errors pass by every function but this one, which exists for them: all() goes on after one.
		if v.kind == Error && c.name != "@not_strictly_false" {
			return c.pay(f, v, v, Value{}, 1)
		}
		// What is shorter than a string, by its kind, has no length to look at.
		if f.halted != nil || v.kind >= String && !c.look(f, v) {
			return f.halt(ErrBudget)
		}
		return c.pay(f, call(v), v, Value{}, 1)
	}
}

// two is a call of two arguments.
//
//go:noinline
func (c *callee) two(left, right runner, call func(a, b Value) Value) runner {
	return func(f *frame) Value {
		// Both are evaluated before either is judged, so that what the second costs is paid even where the first
		// is an error.
		a, b := left(f), right(f)
		if a.kind == Error {
			return c.pay(f, a, a, b, 2)
		}
		if b.kind == Error {
			return c.pay(f, b, a, b, 2)
		}
		// Of overloads that ask the machine for something, as a time zone.
		f.steps -= c.extra
		if f.halted != nil || f.steps < 0 || a.kind >= String && !c.look(f, a) || b.kind >= String && !c.look(f, b) || !c.search(f, a, b) {
			return f.halt(ErrBudget)
		}
		if c.merges && a.listing() != Atomic && b.kind == List {
			// All items are looked at and copied, where other lists are added without that; both cost 1.
			if f.steps -= 2 * (a.mergeSteps() + b.mergeSteps()); f.steps < 0 {
				return f.halt(ErrBudget)
			}
		}
		// The cost of arguments that are long is asked before the call, so that a call that no budget allows is
		// not made.
		if c.cost != nil {
			f.args = [2]Value{a, b}
			if !c.affordable(f, f.args[:]) {
				return f.halt(ErrBudget)
			}
		}
		return c.pay(f, call(a, b), a, b, 2)
	}
}

// pay adds what a call of one or two arguments has cost, and returns its result.
func (c *callee) pay(f *frame, result, a, b Value, n int) Value {
	// A call of which nobody says what it costs costs 1, an operator on scalars above all.
	cost := uint64(1)
	if c.cost != nil {
		f.args = [2]Value{a, b}
		cost = c.cost(f.args[:n], result)
	}
	if result.kind == Error && result.ref == ErrBudget || c.Makes > 0 && !f.made(result, c.Makes) {
		return f.halt(ErrBudget)
	}
	return f.spend(cost, result)
}

// many is a call of any number of arguments, which ends with the first that is an error.
//
//go:noinline
func (c *callee) many(args []runner, call func([]Value) Value) runner {
	return func(f *frame) Value {
		// A slice for each call, as the function may keep it.
		values := make([]Value, len(args))
		for i, arg := range args {
			v := arg(f)
			values[i] = v
			if v.kind == Error {
				// An error before the last argument ends the call, and is not paid for; one that is the last is:
				// so upstream counts.
				if i < len(args)-1 {
					return v
				}
				return f.spend(c.costOf(values, v), v)
			}
			if !c.look(f, v) {
				return f.halt(ErrBudget)
			}
		}
		if f.halted != nil || len(values) > 1 && (!c.search(f, values[0], values[1]) || !c.affordable(f, values)) {
			return f.halt(ErrBudget)
		}
		result := call(values)
		if result.kind == Error && result.ref == ErrBudget || c.Makes > 0 && !f.made(result, c.Makes) {
			return f.halt(ErrBudget)
		}
		return f.spend(c.costOf(values, result), result)
	}
}

// costOf returns what a call has cost. args may hold an error, as the last one; result is one then.
func (c *callee) costOf(args []Value, result Value) uint64 {
	if c.cost == nil {
		return 1
	}
	return c.cost(args, result)
}

// ints returns the closure of an operator on two ints, which needs no look at what it may be otherwise; nil for other calls.
// left is still evaluated before right, and errors are judged in the same order as in two.
func (c *callee) ints(left, right runner) runner {
	if c.overload == nil || !strings.HasSuffix(c.overload.ID, "_int64") {
		return nil
	}
	if c.overload.ID == "add_int64" {
		return c.sum(left, right)
	}
	// Which of -1, 0 and 1 the result of a comparison may be.
	var less, same, greater bool
	switch c.overload.ID {
	case "less_int64":
		less = true
	case "less_equals_int64":
		less, same = true, true
	case "greater_int64":
		greater = true
	case "greater_equals_int64":
		same, greater = true, true
	default:
		return nil
	}
	// The checker says that both are ints; a value of a schema that does not fit is an error instead, and what was
	// dyn may be anything.
	binary := c.Binary
	return func(f *frame) Value {
		a, b := left(f), right(f)
		if a.kind != Int || b.kind != Int {
			switch {
			case a.kind == Error:
				return f.spend(1, a)
			case b.kind == Error:
				return f.spend(1, b)
			}
			return f.spend(1, binary(a, b))
		}
		holds := same
		if x, y := a.Int(), b.Int(); x < y {
			holds = less
		} else if x > y {
			holds = greater
		}
		if f.cost++; f.cost > f.limit {
			return f.halt(ErrBudget)
		}
		return BoolOf(holds)
	}
}

// sum returns the closure of + of two ints.
func (c *callee) sum(left, right runner) runner {
	general := c.Binary
	return func(f *frame) Value {
		a, b := left(f), right(f)
		switch {
		case a.kind == Error:
			return f.spend(1, a)
		case b.kind == Error:
			return f.spend(1, b)
		// An accumulator may be what is added: halted, it must not grow.
		case f.halted != nil:
			return f.halt(ErrBudget)
		case a.kind == Int:
			return f.spend(1, add(a, b))
		}
		return f.spend(1, general(a, b))
	}
}

// membership plans in for a list of constants: upstream makes a set of it, and asks nothing for the look.
func (p *planner) membership(c callee, nodes []planned) (planned, bool) {
	if c.overload == nil || c.overload.ID != "in_list" || nodes[1].constant == nil {
		return planned{}, false
	}
	list := *nodes[1].constant
	if list.Len() == 0 {
		return constantNode(False), true
	}
	// The set has each number in all the types in which it is the same number, so that one look finds it.
	set, texts := map[scalar]bool{}, make([]string, 0, list.Len())
	for i, n := 0, list.Len(); i < n; i++ {
		item := list.At(i)
		switch item.kind {
		case String:
			texts = append(texts, item.Str())
		// What upstream's set takes; a list with anything else is gone through at each look.
		case Bool, Double, Int, Uint:
		default:
			return planned{}, false
		}
		for _, v := range append(asNumbers(item), item) {
			if k, ok := scalarOf(v); ok {
				set[k] = true
			}
		}
	}
	arg := p.observed(nodes[0])
	// Few texts are compared one by one: that is faster than to hash.
	if len(texts) == list.Len() && len(texts) <= fewKeys {
		return planned{run: func(f *frame) Value {
			v := arg(f)
			if v.kind == Error {
				return v
			}
			return BoolOf(v.kind == String && slices.Contains(texts, v.Str()))
		}}, true
	}
	return planned{run: func(f *frame) Value {
		v := arg(f)
		if v.kind == Error {
			return v
		}
		if !f.hash(v) {
			return f.halt(ErrBudget)
		}
		k, ok := scalarOf(v)
		return BoolOf(ok && set[k])
	}}, true
}

// asNumbers returns a number as the other types of numbers, doubles without a fraction also as those without one. A double is
// taken for a whole number even if it is not quite that number.
func asNumbers(v Value) []Value {
	switch v.kind {
	case Int:
		same := []Value{DoubleOf(float64(v.Int()))}
		if v.Int() >= 0 {
			same = append(same, UintOf(v.num))
		}
		return same
	case Uint:
		same := []Value{DoubleOf(float64(v.num))}
		if v.Int() >= 0 {
			same = append(same, IntOf(v.Int()))
		}
		return same
	case Double:
		return sameNumbers(v)
	}
	return nil
}
