package cel

import (
	"slices"

	"apichain/internal/cel/syntax"
)

// A call has a name and the types of its arguments, and a function of that name has overloads. Those whose types agree with the
// arguments are kept, all of them, since an argument that is dyn may turn out to be of any type; which one it is then, the evaluator
// sees. Overloads are tried in the order in which libraries have declared them, and what one has bound stays bound for the next, as
// upstream has it: the type of a call, and texts of faults, depend on that.

// call checks a call: f(x) of a function, a.f(x) of a member of a, or of a function whose name is a.f, which goes first. A function
// that nobody has declared is reported at the call, after everything that is wrong with its arguments and its receiver.
// The arguments are checked whatever becomes of the call (checkCall in checker/checker.go), so that f(x) with two
// unknown names has two faults, the call's last at its own place.
func (c *checker) call(e *syntax.Expr) {
	if e.Name == "_?._" {
		c.optionalSelect(e)
		return
	}
	// Arguments come before the receiver: upstream reports what is wrong with them first, and numbers type variables so.
	for _, a := range e.Args {
		c.check(a)
	}
	name := e.Name
	if e.Operand != nil {
		// A receiver that reads as a name may be the beginning of a function's: optional.of(1) calls no member of
		// a variable. The node is rewritten, so that the planner and the estimator see a call without a receiver.
		if prefix, _, ok := qualified(e.Operand); ok {
			if f := c.env.functions[prefix+"."+e.Name]; f != nil {
				e.Name, e.Operand = f.Name, nil
				c.overload(e, f)
				return
			}
		}
		c.check(e.Operand)
	} else if name != "" && name[0] == '.' {
		name = name[1:]
	}
	f := c.env.functions[name]
	if f == nil {
		c.undeclared(e.ID, e.Name)
		return
	}
	// The name without its leading dot, as everybody after this looks it up.
	e.Name = f.Name
	c.overload(e, f)
}

// optionalSelect checks a.?b, which the parser makes a call with the name of the field as a literal.
func (c *checker) optionalSelect(e *syntax.Expr) {
	// The literal is no argument that an overload is found for: upstream gives it its type, and looks for the
	// field.
	name, _ := e.Args[1].Value.(string)
	c.types[e.Args[1].ID] = StringType
	c.set(e, c.resolve(c.field(e.ID, e.Args[0], name, true), false))
	c.refs[e.ID] = &Ref{Name: e.Name, Slot: -1, Overloads: []*Overload{{ID: "select_optional_field"}}}
}

// overload finds which overloads of f the arguments agree with. All of them are kept, since an argument may be dyn; the type of the
// call is that of the first, or dyn if another has a different one.
func (c *checker) overload(e *syntax.Expr, f *Function) {
	// The types of receiver and arguments go on top of those of the calls that this one is an argument of.
	// One slice for all calls saves one for each; it may move while arguments are checked, but not between here
	// and the end of this call, since nothing below checks a node.
	base := len(c.arguments)
	defer func() { c.arguments = c.arguments[:base] }()
	member := e.Operand != nil
	if member {
		c.arguments = append(c.arguments, c.types[e.Operand.ID])
	}
	for _, a := range e.Args {
		c.arguments = append(c.arguments, c.types[a.ID])
	}
	arguments := c.arguments[base:len(c.arguments):len(c.arguments)]

	// Of && and || each side is judged by itself, so that a fault names it.
	if f.Name == "_&&_" || f.Name == "_||_" {
		c.logic(e, f, arguments)
		return
	}
	// Each overload of the same style that fits is kept. What its parameters were bound to stays bound, whether or not another fits.
	var result *Type
	c.candidates = c.candidates[:0]
	last := 0
	for i := range f.Overloads {
		o := &f.Overloads[i]
		if o.Member != member {
			continue
		}
		// Failure undoes what this overload has bound, and nothing of the ones before it.
		returns, ok := c.fits(o, arguments)
		if !ok {
			continue
		}
		c.candidates, last = append(c.candidates, o), i
		// Resolved at once, with what is bound by now: what a later overload binds does not change the type of the
		// call.
		switch returns = c.resolve(returns, false); {
		case result == nil:
			result = returns
		// d + d may be of nine types, which is none: dyn. It stays dyn, whatever overloads follow.
		case !result.dynamic() && !returns.exactly(result):
			result = DynType
		}
	}
	// Of the arguments' types the text shows what is known by now, and dyn for what is free.
	// Nothing fits. All types are printed, those of arguments that fit some overload too.
	if result == nil {
		for i, t := range arguments {
			arguments[i] = c.resolve(t, true)
		}
		c.fault(e.ID, "found no matching overload for '%s' applied to '%s'", f.Name, signature(arguments, member))
		c.types[e.ID] = ErrorType
		return
	}
	// Most calls fit one overload, for which there is a Ref already.
	c.set(e, result)
	c.refs[e.ID] = &f.refs[last]
	if len(c.candidates) > 1 {
		c.refs[e.ID] = &Ref{Name: f.Name, Slot: -1, Overloads: slices.Clone(c.candidates)}
	}
}

// fits returns the result of an overload, and whether the arguments agree with it. The result may have variables, which the arguments
// have bound.
func (c *checker) fits(o *Overload, arguments []*Type) (*Type, bool) {
	// Equality of two values of one type is frequent, and needs no variable, only its number.
	if len(arguments) == 2 && len(o.Args) == 2 && o.Args[0].Kind == Param && o.Args[1] == o.Args[0] && o.Result.Kind == Bool &&
		arguments[0].Kind != Param && len(arguments[0].Params) == 0 && arguments[0].exactly(arguments[1]) {
		// Upstream would have numbered a variable here, and the numbers of later ones are in texts.
		c.of = append(c.of, arguments[0])
		return o.Result, true
	}
	want, returns := c.instance(o)
	return returns, c.agreeAll(arguments, want)
}

// logic checks && and ||, each of whose arguments is reported on its own.
// The type is bool or !error!, and never dyn: whatever a side is when it is evaluated, the result is a bool.
func (c *checker) logic(e *syntax.Expr, f *Function, arguments []*Type) {
	c.types[e.ID] = BoolType
	for i, t := range arguments {
		if !c.agree(t, BoolType) {
			c.mismatch(e.Args[i], BoolType, t)
			c.types[e.ID] = ErrorType
		}
	}
	c.refs[e.ID] = &f.refs[0]
}

// instance returns the arguments and the result of an overload with fresh variables in place of its type parameters: the A of one
// call has nothing to do with that of another. Most overloads have none, and cost nothing.
func (c *checker) instance(o *Overload) ([]*Type, *Type) {
	generic := o.Result.generic()
	for _, a := range o.Args {
		generic = generic || a.generic()
	}
	if !generic {
		return o.Args, o.Result
	}
	var fresh parameters
	arguments := make([]*Type, len(o.Args))
	result := fresh.replace(c, o.Result)
	for i, a := range o.Args {
		arguments[i] = fresh.replace(c, a)
	}
	return arguments, result
}

// parameters are the type parameters of an overload, of which there are one or two, with the variables that stand for them in one call.
type parameters []struct {
	name     string
	variable *Type
}

// replace returns t with variables in place of parameters.
// The variables are numbered as they are met, the result's first, since that is the order in which upstream's
// function type has its parts (newFunctionType in checker/types.go).
func (p *parameters) replace(c *checker, t *Type) *Type {
	if t.Kind != Param {
		return t.replace(func(q *Type) *Type { return p.replace(c, q) })
	}
	for _, known := range *p {
		if known.name == t.Name {
			return known.variable
		}
	}
	v := c.fresh()
	*p = append(*p, struct {
		name     string
		variable *Type
	}{t.Name, v})
	return v
}
