package cel

import (
	"regexp"

	"apichain/internal/cel/syntax"
)

// Types do not show everything: a duration may be written in a way that nobody can read, and a list may mix what does not belong
// together. Upstream has validators for that, which look at an expression whose types are right, one after the other. Here one walk
// collects the nodes that any of them wants to see, which for most expressions are a few calls.

// found are the nodes that validators look at, each kind in the order of upstream's walk: what is below a node comes before it.
type found struct {
	calls, lists, maps, folds []*syntax.Expr
	env                       *Env
}

// validate reports what types do not show: literals that cannot be read when they are evaluated, literals of mixed types,
// comprehensions within too many others, and what libraries find. It runs if nothing is wrong so far. The rules and the texts
// are cel-go's (cel/validator.go); which of them run, apiserver/pkg/cel/environment/base.go says.
func (c *checker) validate(checked *Checked) {
	// Faults are sorted by their places when they are printed; those at one place keep the order of the validators here.
	f := found{env: c.env}
	f.walk(c.ast.Root, false)
	if c.env.options.Homogeneous {
		c.validateMixed(&f)
	}
	if c.env.options.Literals {
		for _, function := range []string{"duration", "timestamp", "matches"} {
			for _, e := range f.calls {
				if e.Name == function {
					c.validateLiteral(e)
				}
			}
		}
	}
	if limit := c.env.options.Nesting; limit > 0 && len(f.folds) > limit {
		c.validateNesting(c.ast.Root, 0, limit)
	}
	for _, l := range c.env.options.Libraries {
		if l.Validate == nil {
			continue
		}
		for _, e := range f.calls {
			l.Validate(checked, e, func(id int32, text string) { c.fault(id, "%s", text) })
		}
	}
}

// walk collects the nodes below e, and e. Literals below a call that may mix types are left out.
// mixed holds for everything below such a call, however deep: format takes lists of whatever it prints.
func (f *found) walk(e *syntax.Expr, mixed bool) {
	below := mixed || e.Kind == syntax.Call && f.env.mixed[e.Name]
	// Parts before what has them: faults at one place keep that order.
	Children(e, func(x *syntax.Expr) { f.walk(x, below) })
	switch {
	case e.Kind == syntax.Call:
		f.calls = append(f.calls, e)
	case e.Kind == syntax.Fold:
		f.folds = append(f.folds, e)
	// Calls and comprehensions below format are looked at all the same.
	case mixed:
	case e.Kind == syntax.List:
		f.lists = append(f.lists, e)
	case e.Kind == syntax.Map:
		f.maps = append(f.maps, e)
	}
}

// Children calls f with the parts of e, in the order of upstream's walks: a receiver before the arguments, and of a comprehension
// range, init, condition, step, result.
func Children(e *syntax.Expr, f func(*syntax.Expr)) {
	if e.Operand != nil {
		f(e.Operand)
	}
	for _, a := range e.Args {
		f(a)
	}
	for _, entry := range e.Entries {
		if entry.Key != nil {
			f(entry.Key)
		}
		f(entry.Value)
	}
	if e.Fold != nil {
		for _, x := range []*syntax.Expr{e.Fold.Range, e.Fold.Init, e.Fold.Condition, e.Fold.Step, e.Fold.Result} {
			f(x)
		}
	}
}

// validateLiteral reports a call of duration, timestamp or matches whose first argument is a literal that it cannot read. Upstream
// takes the first argument for the pattern of matches in matches(text, pattern) too.
func (c *checker) validateLiteral(e *syntax.Expr) {
	// What is no literal cannot be judged before it is there: then it is an error of the evaluation.
	if len(e.Args) == 0 || e.Args[0].Kind != syntax.Literal {
		return
	}
	// A literal is judged by what the call itself says to it, so that what is refused here is what would fail when it is evaluated.
	literal, bad := e.Args[0], false
	if e.Name == "matches" {
		pattern, _ := literal.Value.(string)
		_, err := regexp.Compile(pattern)
		bad = err != nil
	} else if call := c.unary(e); call != nil {
		bad = call(untyped(literal.Value)).Kind() == Error
	}
	if bad {
		c.fault(literal.ID, "invalid %s argument", e.Name)
	}
}

// unary returns what a call of one argument calls, nil where nothing has an implementation.
func (c *checker) unary(e *syntax.Expr) func(Value) Value {
	if o := c.refs[e.ID].Overloads[0]; o.Unary != nil {
		return o.Unary
	}
	return c.env.functions[e.Name].Unary
}

// validateMixed reports the first item of each list, and each key and value of a map, whose type is not that of the first.
func (c *checker) validateMixed(f *found) {
	// A list is reported once, at the first item that differs; a map at each entry, key before value. So upstream
	// has it.
	for _, e := range f.lists {
		var first *Type
		optional := e.Optional
		for i, item := range e.Args {
			is := len(optional) > 0 && optional[0] == int32(i)
			if is {
				optional = optional[1:]
			}
			t := c.part(item, is)
			if i == 0 {
				// The first item decides for all, whatever most of them are.
				first = t
			}
			if !first.Equivalent(t) {
				c.mismatch(item, first, t)
				break
			}
		}
	}
	for _, e := range f.maps {
		for _, entry := range e.Entries {
			key, value := c.types[e.Entries[0].Key.ID], c.part(e.Entries[0].Value, e.Entries[0].Optional)
			if t := c.types[entry.Key.ID]; !key.Equivalent(t) {
				c.mismatch(entry.Key, key, t)
			}
			if t := c.part(entry.Value, entry.Optional); !value.Equivalent(t) {
				c.mismatch(entry.Value, value, t)
			}
		}
	}
}

// part returns the type of an item of a literal, of an optional one what it may hold.
func (c *checker) part(e *syntax.Expr, optional bool) *Type {
	t := c.types[e.ID]
	if optional && len(t.Params) > 0 {
		return t.Params[0]
	}
	return t
}

// validateNesting reports each comprehension that is within limit others. Those over no items at all, which cel.bind makes, do not
// count, and are reported if those around them are too many.
func (c *checker) validateNesting(e *syntax.Expr, depth, limit int) {
	if e.Kind == syntax.Fold {
		// cel.bind is no loop.
		if r := e.Fold.Range; r.Kind != syntax.List || len(r.Args) > 0 {
			depth++
		}
		if depth > limit {
			c.fault(e.ID, "comprehension exceeds nesting limit")
		}
	}
	Children(e, func(x *syntax.Expr) { c.validateNesting(x, depth, limit) })
}
