package library

import (
	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// Comprehensions has the macros of two variables: the index and the item of a list, or the key and the value of a map.
//
//	['a', 'b'].all(i, v, i < 2), .exists(…), .existsOne(…)
//	{'a': 1}.transformList(k, v, k + string(v))              ['a1']
//	['a', 'b'].transformMap(i, v, v != 'b', v + '!')         {0: 'a!'}: with a condition
//	['a', 'b'].transformMapEntry(i, v, {v: i})               {'a': 0, 'b': 1}; a key that is there already is an error
//
// Those that make maps do so by a function that no expression can name. The evaluator puts into the map of a comprehension in place.
//
// Refused are variables that are no names, that are the same, or that are the accumulator; and, when it runs, a key that is there
// already. Without a condition the fold of transformMap(i, v, f) over l is
//
//	it = {}; for i, v of l: it = cel.@mapInsert(it, i, f); it
//
// and costs what any fold does. transformMapEntry makes a map for each item besides, at 30 each, so that transformMap is the one to use
// where the key is known. Upstream is ext/comprehensions.go.
func Comprehensions() *cel.Library {
	k, v := cel.ParamOf("K"), cel.ParamOf("V")
	dict := cel.MapOf(k, v)
	l := &cel.Library{Name: "cel.lib.ext.comprev2", Functions: []cel.Function{{Name: "cel.@mapInsert", Overloads: []cel.Overload{
		more(global("@mapInsert_map_key_value", dict, dict, k, v), func(a []cel.Value) cel.Value {
			return cel.MapInsert(a[0], a[1], a[2])
		}),
		two(global("@mapInsert_map_map", dict, dict, dict), insertAll),
	}}}}
	for _, m := range []struct {
		name     string
		from, to int // how many arguments
		fill     filler
	}{
		{"all", 3, 3, asks(syntax.FillAll)}, {"exists", 3, 3, asks(syntax.FillExists)},
		{"existsOne", 3, 3, asks(syntax.FillExistsOne)}, {"exists_one", 3, 3, asks(syntax.FillExistsOne)},
		{"transformList", 3, 4, fillList}, {"transformMap", 3, 4, fillMap}, {"transformMapEntry", 3, 4, fillEntries},
	} {
		for n := m.from; n <= m.to; n++ {
			l.Macros = append(l.Macros, syntax.Macro{Name: m.name, Member: true, Args: n, Expand: twoVariables(m.fill)})
		}
	}
	return l
}

// insertAll puts all entries of one map into another, up to a key that is there already, whose error is the result.
func insertAll(into, from cel.Value) cel.Value {
	from.Entries(func(key, value cel.Value) bool {
		into = cel.MapInsert(into, key, value)
		return into.Kind() != cel.Error
	})
	return into
}

// filler sets what a comprehension does with the arguments behind the variables.
type filler func(x *syntax.Expander, c *syntax.Comprehension, args []*syntax.Expr)

// twoVariables returns the expansion of a macro: a fold over the receiver, whose first variable is the place or the key and whose second
// is the item or the value. Which of the two it is shows only when it runs, as the receiver may be dyn.
func twoVariables(fill filler) func(*syntax.Expander, *syntax.Expr, []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
	return func(x *syntax.Expander, operand *syntax.Expr, args []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
		// Both have to be names before anything else is said of one.
		for _, a := range args[:2] {
			if a.Kind != syntax.Ident {
				return nil, x.Fault(a, "argument must be a simple name")
			}
		}
		if args[0].Name == args[1].Name {
			return nil, x.Fault(args[1], "duplicate variable name: "+args[0].Name)
		}
		for _, a := range args[:2] {
			// Of the names that are not allowed for variables the older one can be written.
			if _, fault := x.Variable(a, ""); fault != nil {
				return nil, fault
			}
		}
		c := syntax.Comprehension{Range: operand, Var: args[0].Name, Var2: args[1].Name, Accumulator: syntax.Accumulator}
		fill(x, &c, args[2:])
		return x.Fold(c), nil
	}
}

// asks makes a filler of one of those of one variable, which ask the same of an item, whatever its names are: standard.go of the syntax has
// a table of what they begin with and when they stop.
func asks(fill func(x *syntax.Expander, c *syntax.Comprehension, predicate *syntax.Expr)) filler {
	return func(x *syntax.Expander, c *syntax.Comprehension, args []*syntax.Expr) { fill(x, c, args[0]) }
}

// when returns a step for all items, or for those of which the first of two arguments is true.
func when(x *syntax.Expander, args []*syntax.Expr, step *syntax.Expr) *syntax.Expr {
	if len(args) == 2 {
		return x.Call("_?_:_", args[0], step, x.Accumulator())
	}
	return step
}

// gather makes what gathers in an empty list or map.
func gather(x *syntax.Expander, c *syntax.Comprehension, empty *syntax.Expr) {
	c.Init, c.Condition, c.Result = empty, x.Literal(true), x.Accumulator()
}

// fillList gathers values, fillMap values under the key of each, fillEntries maps. The step is made before the rest, as upstream
// numbers them.
func fillList(x *syntax.Expander, c *syntax.Comprehension, args []*syntax.Expr) {
	c.Step = when(x, args, x.Call("_+_", x.Accumulator(), x.List(args[len(args)-1])))
	gather(x, c, x.List())
}

// fillMap has the first variable for the key.
func fillMap(x *syntax.Expander, c *syntax.Comprehension, args []*syntax.Expr) {
	c.Step = when(x, args, x.Call("cel.@mapInsert", x.Accumulator(), x.Ident(c.Var), args[len(args)-1]))
	gather(x, c, x.Map())
}

// fillEntries puts all entries of a map that is made for each.
func fillEntries(x *syntax.Expander, c *syntax.Comprehension, args []*syntax.Expr) {
	c.Step = when(x, args, x.Call("cel.@mapInsert", x.Accumulator(), args[len(args)-1]))
	gather(x, c, x.Map())
}
