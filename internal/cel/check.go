package cel

import (
	"fmt"
	"strings"

	"apichain/internal/cel/syntax"
)

// The checker goes through an expression once, from its leaves to its root, and writes down a type for each node and what each name
// and call stands for. An error does not end it: the node gets the type !error!, which agrees with everything, so that one mistake
// is reported once, and all mistakes of an expression together. What is reported, where, and in which order is cel-go's.

// checker is the state of one Check.
type checker struct {
	bindings
	env    *Env
	ast    *syntax.AST
	types  []*Type
	refs   []*Ref
	locals []local // variables of comprehensions, the innermost last
	faults syntax.Faults

	arguments  []*Type // a stack of the types of arguments: see overload
	candidates []*Overload
}

// local is a variable of a comprehension.
type local struct {
	ref *Ref
	typ *Type
}

// run checks everything, and then resolves the types that were variables when they were written down.
func (c *checker) run() (*Checked, error) {
	c.check(c.ast.Root)
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

func (c *checker) undeclared(id int32, name string) {
	c.fault(id, "undeclared reference to '%s' (in container '')", name)
	c.types[id] = ErrorType
}

func (c *checker) mismatch(e *syntax.Expr, expected, found *Type) {
	c.fault(e.ID, "expected type '%s' but found '%s'", expected, found)
}

// mostParts is how many parts the type of an expression may have. A type may have twice the parts of another by a few letters of text
// ({a: a} in a comprehension), so that without a bound the types of a short text would be larger than any memory.
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

func (c *checker) large(id int32) {
	c.fault(id, "type of the expression is too large")
	c.types[id] = ErrorType
}

// check finds the type of e and of everything below it.
func (c *checker) check(e *syntax.Expr) {
	if c.steps > mostSteps {
		c.types[e.ID] = ErrorType
		return
	}
	switch e.Kind {
	case syntax.Literal:
		c.types[e.ID] = literalType(e.Value)
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

// literalType returns the type of what the parser makes of a literal.
func literalType(v any) *Type {
	switch v.(type) {
	case nil:
		return NullType
	case bool:
		return BoolType
	case int64:
		return IntType
	case uint64:
		return UintType
	case float64:
		return DoubleType
	case string:
		return StringType
	case []byte:
		return BytesType
	}
	return ErrorType
}

// identifier returns the type of a name without dots, but for a leading one, which means: not a variable of a comprehension.
func (c *checker) identifier(name string) (*Type, *Ref) {
	global, absolute := strings.CutPrefix(name, ".")
	if !absolute {
		if t, ref := c.local(name); t != nil {
			return t, ref
		}
	}
	return c.global(global)
}

// local returns the type of a variable of a comprehension, nil where there is none.
func (c *checker) local(name string) (*Type, *Ref) {
	for i := len(c.locals) - 1; i >= 0; i-- {
		if l := c.locals[i]; l.ref.Name == name {
			return l.typ, l.ref
		}
	}
	return nil, nil
}

// declare adds a variable of a comprehension.
func (c *checker) declare(name string, t *Type) {
	c.locals = append(c.locals, local{&Ref{Name: name, Slot: -1}, t})
}

// global returns the type of a variable, or of the name of a type, or of another constant.
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
	if name == "google.protobuf.NullValue.NULL_VALUE" {
		v := IntOf(0)
		return IntType, &Ref{Name: name, Slot: -1, Constant: &v}
	}
	return nil, nil
}

// name makes e the identifier that it stands for.
func (c *checker) name(e *syntax.Expr, t *Type, ref *Ref) {
	e.Kind, e.Name, e.Operand = syntax.Ident, ref.Name, nil
	c.types[e.ID], c.refs[e.ID] = t, ref
}

// selection checks a.b.c, which is a field, or a variable of the name a.b.c: the longest name that is one wins.
func (c *checker) selection(e *syntax.Expr) {
	if name, first, ok := qualified(e); ok && !e.Test {
		if known, _ := c.local(first); known == nil {
			if t, ref := c.global(name); t != nil {
				c.name(e, t, ref)
				return
			}
		}
	}
	t := c.field(e.ID, e.Operand, e.Name, false)
	if e.Test {
		t = BoolType
	}
	c.set(e, c.resolve(t, false))
}

// qualified returns the name that selects of selects of an identifier spell, without a leading dot, and the identifier as it is
// written. What has() tests is no name.
func qualified(e *syntax.Expr) (name, first string, ok bool) {
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
	names := make([]string, parts)
	for x := e; parts > 0; x = x.Operand {
		parts--
		names[parts] = x.Name
	}
	return strings.TrimPrefix(strings.Join(names, "."), "."), first, true
}

// field checks operand and returns the type of its field; of an optional operand, or of operand.?name, it is an optional.
func (c *checker) field(id int32, operand *syntax.Expr, name string, optional bool) *Type {
	c.check(operand)
	target, wasOptional := c.resolve(c.types[operand.ID], false).inner()
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
	if wasOptional || optional {
		return OptionalOf(result)
	}
	return result
}

// fieldOf returns the type of a field of a message; nil, and a fault, where there is none.
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
	for i, item := range e.Args {
		c.check(item)
		t := c.types[item.ID]
		if len(optional) > 0 && optional[0] == int32(i) {
			optional = optional[1:]
			t = c.unwrapped(item, t)
		}
		items = c.join(items, t)
	}
	if items == nil {
		items = c.fresh()
	}
	c.set(e, ListOf(items))
}

// mapping checks {a: b, ?c: d}.
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

// unwrapped returns the type that an optional item has if it is there.
func (c *checker) unwrapped(e *syntax.Expr, t *Type) *Type {
	t, ok := t.inner()
	if !ok && !t.dynamic() {
		c.mismatch(e, OptionalOf(t), t)
	}
	return t
}

// join returns the more general of the type that items have had until now and that of the next, dyn if they do not agree.
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
func (c *checker) comprehension(e *syntax.Expr) {
	f := e.Fold
	c.check(f.Range)
	c.check(f.Init)
	over := c.resolve(c.types[f.Range.ID], false)
	accumulator := c.types[f.Init.ID]
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
		c.agree(DynType, over)
		first, second = DynType, DynType
	default:
		c.fault(f.Range.ID, "expression of type '%s' cannot be range of a comprehension (must be list, map, or dynamic)", over)
	}
	c.declare(f.Var, first)
	if f.Var2 != "" {
		c.declare(f.Var2, second)
	}
	c.check(f.Condition)
	c.expect(f.Condition, BoolType)
	c.check(f.Step)
	c.expect(f.Step, accumulator)
	c.locals = c.locals[:scope+1]
	c.check(f.Result)
	c.locals = c.locals[:scope]
	c.set(e, c.resolve(c.types[f.Result.ID], false))
}

// expect reports e if its type does not agree with t.
func (c *checker) expect(e *syntax.Expr, t *Type) {
	if found := c.types[e.ID]; !c.agree(t, found) {
		c.mismatch(e, t, found)
	}
}
