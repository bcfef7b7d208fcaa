package library

import "apichain/internal/cel"

// Sets has the functions that take lists for sets. Each looks at the items of one list for each of the other, and costs that.
//
//	sets.contains([1, 2, 3], [3, 1.0])      true: all of the second are in the first
//	sets.equivalent([1, 1], [1u])           true: each has all of the other
//	sets.intersects([1, 2], [2, 5])         true: there is one that both have
//
// How often an item is there does not matter. Nothing contains nothing, and intersects with nothing. The cost is that of the worst
// case, 1 + n·m, whatever was found at once. Nothing is refused when it runs: items that cannot be compared are not equal. Upstream is
// ext/sets.go.
func Sets() *cel.Library {
	list := cel.ListOf(cel.ParamOf("T"))
	row := func(name string, passes float64, f func(a, b cel.Value) cel.Value) cel.Function {
		o := two(global("list_sets_"+name+"_list", cel.BoolType, list, list), f)
		o.Cost = func(args []cel.Value, _ cel.Value) uint64 {
			return cel.SaturatingSum(1, uint64(float64(args[0].Size()*args[1].Size())*passes))
		}
		o.Estimate = func(args []cel.Node) (cel.Range, *cel.Range) {
			return args[0].Size().Times(args[1].Size()).Scale(passes).Plus(cel.Exactly(1)), nil
		}
		return cel.Function{Name: "sets." + name, Overloads: []cel.Overload{o}}
	}
	return &cel.Library{Name: "cel.lib.ext.sets", Functions: []cel.Function{
		row("contains", 1, setContains),
		row("intersects", 1, func(a, b cel.Value) cel.Value {
			var c comparison
			for i := range a.Len() {
				if c.has(b, a.At(i)) {
					return cel.True
				}
			}
			return c.result(cel.False)
		}),
		row("equivalent", 2, func(a, b cel.Value) cel.Value {
			if v := setContains(a, b); v != cel.True {
				return v
			}
			return setContains(b, a)
		}),
	}}
}

// setContains reports whether all items of b are in a. It stops at the first that is not; the cost was that of all.
func setContains(a, b cel.Value) cel.Value {
	var c comparison
	for i := range b.Len() {
		if !c.has(a, b.At(i)) {
			return c.result(cel.False)
		}
	}
	return cel.True
}
