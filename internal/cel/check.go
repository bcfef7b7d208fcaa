package cel

import (
	"fmt"
	"strings"

	"apichain/internal/cel/syntax"
)

// The checker goes through an expression once, from its leaves to its root, and writes down a type for each node and what each name
// and call stands for. An error does not end it: the node gets the type !error!, which agrees with everything, so that one mistake
// is reported once, and all mistakes of an expression together. What is reported, where, and in which order is cel-go's.
//
// A type is known from below: a literal has one, a variable has a declared one, a call has that of the overload that its arguments fit,
// and a list has what its items have in common. Only two things come from elsewhere. The type of [] is a list of something that the
// rest of the expression may tell: a type variable, which unification binds (see bindings). And a name with dots may be a variable of
// that name, or the field of one, or a function: which it is depends on what the Env declares, so that the checker decides, and
// rewrites the node, and those who come later need not ask again.
//
// What upstream does in an order that can be seen (in the texts of faults, in the numbers of type variables, in costs) is done in the
// same order here, even where another would be more natural.

// checker is the state of one Check. It belongs to one goroutine, and what it makes is handed out only when it is done.
type checker struct {
	bindings // what type variables stand for

	env *Env
	ast *syntax.AST
	// types and refs are by the ID of a node and become those of the Checked. A type may hold variables until run is done.
	types  []*Type
	refs   []*Ref
	locals []local // variables of comprehensions, the innermost last
	faults syntax.Faults

	// arguments and candidates are memory that calls use one after the other, the former as a stack, since calls have calls as
	// arguments: see overload.
	arguments  []*Type
	candidates []*Overload
}

// local is a variable of a comprehension. All uses of it have one Ref.
type local struct {
	ref *Ref
	typ *Type
}

// run checks everything, and then resolves the types that were variables when they were written down. The order is that of
// cel-go's Check (checker/checker.go) and of the validators that Kubernetes' environments add: types, then what variables
// became, then literals. Faults of one stage keep the next from running, since it would report what follows from the first.
func (c *checker) run() (*Checked, error) {
	c.check(c.ast.Root)
	// Of an expression that was given up nothing is known: what was found so far would be half of the truth.
	if c.steps > mostSteps {
		c.faults.List, c.faults.More = nil, 0
		c.large(c.ast.Root.ID)
	}
	if len(c.faults.List) > 0 {
		return nil, &c.faults
	}
	for i, t := range c.types {
		if t == nil {
			continue
		}
		// What variables were bound to after the type was noted may have made it larger.
		left := mostParts
		if c.count(t, &left); left < 0 {
			c.large(int32(i))
			return nil, &c.faults
		}
		c.types[i] = c.resolve(t, true)
	}
	// Validators come last: they rely on types that are right.
	checked := &Checked{AST: c.ast, Types: c.types, Refs: c.refs, env: c.env}
	if c.validate(checked); len(c.faults.List) > 0 {
		return nil, &c.faults
	}
	return checked, nil
}

// fault reports what is wrong with the node of an ID.
func (c *checker) fault(id int32, format string, args ...any) {
	c.faults.AddAt(c.ast.Offsets[id], fmt.Sprintf(format, args...))
}

// undeclared reports a name that stands for nothing. There are no containers here, which would be a prefix for names.
// The text is that of checker/errors.go, whose container is empty in every environment of Kubernetes.
func (c *checker) undeclared(id int32, name string) {
	c.fault(id, "undeclared reference to '%s' (in container '')", name)
	c.types[id] = ErrorType
}

// mismatch reports a node that has to be of another type.
func (c *checker) mismatch(e *syntax.Expr, expected, found *Type) {
	c.fault(e.ID, "expected type '%s' but found '%s'", expected, found)
}

// mostParts is how many parts the type of an expression may have. A type may have twice the parts of another by a few letters of text
// ({a: a} in a comprehension), so that without a bound the types of a short text would be larger than any memory.
// The figure is far above what people write, and a schema's type counts as one part, for a message is its name.
const mostParts = 1 << 12

// set notes the type of e, unless it is too large.
func (c *checker) set(e *syntax.Expr, t *Type) {
	left := mostParts
	if c.count(t, &left); left < 0 {
		c.large(e.ID)
		return
	}
	c.types[e.ID] = t
}

// large reports a type that is too large, and forgets it. Upstream has no such bound, nor such a text: it would go on for hours.
func (c *checker) large(id int32) {
	c.fault(id, "type of the expression is too large")
	c.types[id] = ErrorType
}

// check finds the type of e and of everything below it. How deep it calls itself is bounded by the parser.
func (c *checker) check(e *syntax.Expr) {
	// Once the types have become too much work, the rest of the expression is passed by.
	if c.steps > mostSteps {
		c.types[e.ID] = ErrorType
		return
	}
	switch e.Kind {
	case syntax.Literal:
		// The parser has made Go values of literals; what they are in CEL is what the evaluator will make of them.
		c.types[e.ID] = untyped(e.Value).Type()
	case syntax.Ident:
		if t, ref := c.identifier(e.Name); t != nil {
			c.name(e, t, ref)
			return
		}
		c.undeclared(e.ID, e.Name)
	case syntax.Select:
		c.selection(e)
	case syntax.Call:
		c.call(e)
	case syntax.List:
		c.list(e)
	case syntax.Map:
		c.mapping(e)
	case syntax.Struct:
		c.message(e)
	case syntax.Fold:
		c.comprehension(e)
	}
}

// identifier returns the type of a name without dots, but for a leading one, which means: not a variable of a comprehension.
// A local goes first even if a variable of the Env has more to say: checker/env.go, resolveSimpleIdent.
func (c *checker) identifier(name string) (*Type, *Ref) {
	global, absolute := strings.CutPrefix(name, ".")
	if !absolute {
		if t, ref := c.local(name); t != nil {
			return t, ref
		}
	}
	return c.global(global)
}

// local returns the type of a variable of a comprehension, nil where there is none. The innermost of a name is meant, and it hides
// whatever the Env has by that name.
// The list is short, as deep as comprehensions are within each other, so that it is searched and not indexed.
func (c *checker) local(name string) (*Type, *Ref) {
	for i := len(c.locals) - 1; i >= 0; i-- {
		if l := c.locals[i]; l.ref.Name == name {
			return l.typ, l.ref
		}
	}
	return nil, nil
}

// declare adds a variable of a comprehension, which is known until the caller shortens locals again.
func (c *checker) declare(name string, t *Type) {
	c.locals = append(c.locals, local{&Ref{Name: name, Slot: -1}, t})
}

// global returns what the Env knows by a name, nil where it knows nothing: a variable first, then a constant of a library, which most
// often is the name of a type, and last a message, whose name is a value too, that of its type.
// The order is that of lookups in cel-go: declarations, then the type provider's names, then its enums.
func (c *checker) global(name string) (*Type, *Ref) {
	if t, slot, ok := c.env.variable(name); ok {
		return t, &Ref{Name: name, Slot: slot}
	}
	if ref := c.env.constants[name]; ref != nil {
		return c.env.kinds[name], ref
	}
	if t := c.env.message(name); t != nil {
		v := TypeValue(t)
		return TypeOf(t), &Ref{Name: name, Slot: -1, Constant: &v}
	}
	if t, _ := wellKnown(name); t != nil {
		v := TypeValue(t)
		return TypeOf(t), &Ref{Name: name, Slot: -1, Constant: &v}
	}
	// The only enum of the messages that everybody knows.
	if name == "google.protobuf.NullValue.NULL_VALUE" {
		v := IntOf(0)
		return IntType, &Ref{Name: name, Slot: -1, Constant: &v}
	}
	return nil, nil
}

// name makes e the identifier that it stands for: of the select a.b, if there is a variable a.b, nothing but that name is left.
func (c *checker) name(e *syntax.Expr, t *Type, ref *Ref) {
	e.Kind, e.Name, e.Operand = syntax.Ident, ref.Name, nil
	c.types[e.ID], c.refs[e.ID] = t, ref
}

// selection checks a.b.c, which is a field, or a variable of the name a.b.c: the longest name that is one wins, and since the select
// that stands highest in the tree is the longest, it is asked first. A variable of a comprehension has no dots, so that a name that
// begins with one can only be its field.
func (c *checker) selection(e *syntax.Expr) {
	if name, first, ok := qualified(e); ok && !e.Test {
		if known, _ := c.local(first); known == nil {
			if t, ref := c.global(name); t != nil {
				c.name(e, t, ref)
				return
			}
		}
	}
	// has(a.b) looks for the field as a.b does, and faults as that does, but is a bool.
	t := c.field(e.ID, e.Operand, e.Name, false)
	if e.Test {
		t = BoolType
	}
	c.set(e, c.resolve(t, false))
}

// qualified returns the name that selects of selects of an identifier spell, without a leading dot, and the identifier as it is
// written. What has() tests is no name.
func qualified(e *syntax.Expr) (name, first string, ok bool) {
	// Down to the identifier, to know how many names there are.
	// The walk ends at the first thing that is neither a select nor an identifier: an index, a call, a literal
	// have no name.
	parts := 1
	for x := e; ; x = x.Operand {
		switch {
		case x.Kind == syntax.Ident:
			if parts == 1 {
				return strings.TrimPrefix(x.Name, "."), x.Name, true
			}
			first = x.Name
		case x.Kind == syntax.Select && !x.Test:
			parts++
			continue
		default:
			return "", "", false
		}
		break
	}
	// Once more, to put them down from the last to the first.
	names := make([]string, parts)
	for x := e; parts > 0; x = x.Operand {
		parts--
		names[parts] = x.Name
	}
	return strings.TrimPrefix(strings.Join(names, "."), "."), first, true
}

// field checks operand and returns the type of its field; of an optional operand, or of operand.?name, it is an optional. A map has
// all fields, and what can be anything too; nothing else but messages has any.
func (c *checker) field(id int32, operand *syntax.Expr, name string, optional bool) *Type {
	c.check(operand)
	target, wasOptional := c.resolve(c.types[operand.ID], false).inner()
	// What is wrong with a field has been reported where this returns !error!, so that whatever is done with the
	// value afterwards is not reported as well.
	result := ErrorType
	switch {
	case target.Kind == Map:
		result = target.Params[1]
	case target.Kind == Object:
		if t := c.fieldOf(id, target, name); t != nil {
			result = t
		}
	case target.Kind == Param:
		// Whatever it will be, it has to be dyn to have fields.
		c.agree(DynType, target)
		result = DynType
	default:
		if !target.dynamic() && target.Kind != Error {
			c.fault(id, "type '%s' does not support field selection", target)
		}
		result = DynType
	}
	// One optional is enough: a.?b.c and a.?b.?c are both optional of c, and never optional of an optional.
	if wasOptional || optional {
		return OptionalOf(result)
	}
	return result
}

// fieldOf returns the type of a field of a message; nil, and a fault, where there is none. A message without Fields is a value of a
// library, and upstream is surprised to be asked for its fields.
// (lookupFieldType in checker/checker.go.) A field of an open message is dyn, because what may be in an Object of
// a mutation depends on the kind of the object, which the type does not know.
func (c *checker) fieldOf(id int32, message *Type, name string) *Type {
	if f := message.fieldNamed(name); f != nil {
		return f.Type
	}
	if message.Open {
		return DynType
	}
	if message.Fields == nil {
		c.fault(id, "unexpected failed resolution of '%s'", message.Name)
	} else {
		c.fault(id, "undefined field '%s'", name)
	}
	return nil
}

// list checks [a, ?b]: if its items have no type in common, it is a list of dyn.
func (c *checker) list(e *syntax.Expr) {
	var items *Type
	optional := e.Optional // those that are still to come
	// optional has the indices of optional items, in order, so that its first is the next one.
	for i, item := range e.Args {
		c.check(item)
		t := c.types[item.ID]
		if len(optional) > 0 && optional[0] == int32(i) {
			optional = optional[1:]
			// The list holds what the optional may have, not the optional.
			t = c.unwrapped(item, t)
		}
		items = c.join(items, t)
	}
	// The items of [] may be anything, and what the expression does with the list may tell what.
	if items == nil {
		items = c.fresh()
	}
	c.set(e, ListOf(items))
}

// mapping checks {a: b, ?c: d}: keys have a type in common, or are dyn, and so do values. Which types make good keys is a question
// that only the evaluator asks.
func (c *checker) mapping(e *syntax.Expr) {
	var keys, values *Type
	for _, entry := range e.Entries {
		c.check(entry.Key)
		keys = c.join(keys, c.types[entry.Key.ID])
		c.check(entry.Value)
		t := c.types[entry.Value.ID]
		if entry.Optional {
			t = c.unwrapped(entry.Value, t)
		}
		values = c.join(values, t)
	}
	if keys == nil {
		keys = c.fresh()
		values = c.fresh()
	}
	c.set(e, MapOf(keys, values))
}

// unwrapped returns the type that an optional item has if it is there. An item that is marked as optional has to be one, or dyn.
func (c *checker) unwrapped(e *syntax.Expr, t *Type) *Type {
	t, ok := t.inner()
	if !ok && !t.dynamic() {
		c.mismatch(e, OptionalOf(t), t)
	}
	return t
}

// join returns the more general of the type that items have had until now and that of the next, dyn if they do not agree.
// It binds variables as a call does: in [[], [1]] the list that is empty becomes a list of int (joinTypes in
// checker/checker.go).
func (c *checker) join(before, next *Type) *Type {
	switch {
	case before == nil:
		return next
	case c.agree(before, next):
		return moreGeneral(before, next)
	}
	return DynType
}

// comprehension checks what a macro has become: its variables are known in its condition and its step, its accumulator in its
// result too.
// (checkComprehension in checker/checker.go.)
func (c *checker) comprehension(e *syntax.Expr) {
	f := e.Fold
	c.check(f.Range)
	c.check(f.Init)
	// What the range is by now decides what the variables are; the accumulator is what it begins as, and may still be free, as the
	// list that map() begins with.
	over := c.resolve(c.types[f.Range.ID], false)
	accumulator := c.types[f.Init.ID]
	// Two ends of the scope: the accumulator lives until the result is checked, the others until the step is.
	scope := len(c.locals)
	c.declare(f.Accumulator, accumulator)

	// One variable is an item or a key; two are index and item, or key and value.
	first, second := ErrorType, ErrorType
	switch over.Kind {
	case List:
		first, second = over.Params[0], over.Params[0]
		if f.Var2 != "" {
			first = IntType
		}
	case Map:
		first, second = over.Params[0], over.Params[1]
	case Dyn, Error, Param:
		// A free variable is dyn from now on, so that nobody takes it for something else later.
		c.agree(DynType, over)
		first, second = DynType, DynType
	default:
		c.fault(f.Range.ID, "expression of type '%s' cannot be range of a comprehension (must be list, map, or dynamic)", over)
	}
	c.declare(f.Var, first)
	if f.Var2 != "" {
		c.declare(f.Var2, second)
	}
	// A step has to give what the accumulator is: this is where the items of a map() get their type, and where the predicate of an
	// all() that is no bool is found.
	c.check(f.Condition)
	c.expect(f.Condition, BoolType)
	c.check(f.Step)
	c.expect(f.Step, accumulator)
	// The result sees the accumulator and none of the variables of a round.
	c.locals = c.locals[:scope+1]
	c.check(f.Result)
	c.locals = c.locals[:scope]
	c.set(e, c.resolve(c.types[f.Result.ID], false))
}

// expect reports e if its type does not agree with t.
// What agrees is bound: where an accumulator began as a free list, it is a list of something from here on.
func (c *checker) expect(e *syntax.Expr, t *Type) {
	if found := c.types[e.ID]; !c.agree(t, found) {
		c.mismatch(e, t, found)
	}
}
