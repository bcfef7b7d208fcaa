package library

import (
	"apichain/internal/cel"
)

// The lists of Kubernetes. Each function looks at every item, and costs a walk over the list with all that is in it: an item that has
// no length is 1, a string a tenth of its bytes. Items are of one type for the checker, but a list of dyn may have any, and then what
// has no order is an error, and what has no order with its neighbour is passed over, as upstream does. The functions indexOf and
// lastIndexOf have the names, and the costs, of those of strings.
//
// An empty list is sorted, sums to the zero of its type, has nothing at any place, and neither a least nor a greatest item: min and max
// refuse it. A sum that is out of range is an error as that of + is. What has no sum, as a list of strings, has no overload, and so is
// refused when it is checked. Upstream is lists.go of the library of Kubernetes.

// elements are the types whose lists can be sorted, and summable those whose lists have a sum, beginning with zero.
func elements() []*cel.Type {
	return []*cel.Type{cel.IntType, cel.UintType, cel.DoubleType, cel.BoolType, cel.DurationType, cel.TimestampType, cel.StringType,
		cel.BytesType}
}

// summable returns the types whose lists have a sum, each with what an empty list sums to.
func summable() map[*cel.Type]cel.Value {
	return map[*cel.Type]cel.Value{cel.IntType: cel.IntOf(0), cel.UintType: cel.UintOf(0), cel.DoubleType: cel.DoubleOf(0),
		cel.DurationType: cel.DurationOf(0)}
}

// Lists has the functions of lists that Kubernetes had first:
//
//	[1, 2, 3].isSorted()        true       of all types that have an order
//	[1, 2, 3].sum()             6          of numbers and durations; 0 of nothing
//	[1, 2, 3].min(), .max()     1, 3       an error of nothing
//	['a', 'b'].indexOf('b')     1          -1 for what is not there, as lastIndexOf
//	[1, 2].includes(2)          true       of anything: what is no list includes itself
//
// includes is new in 1.37, and expressions have it that are stored.
func Lists(includes bool) *cel.Library {
	sorted := cel.Function{Name: "isSorted", Cost: traverse, Estimate: mayTraverse}
	greatest := cel.Function{Name: "max", Cost: traverse, Estimate: mayTraverse}
	least := cel.Function{Name: "min", Cost: traverse, Estimate: mayTraverse}
	sum := cel.Function{Name: "sum", Cost: traverse, Estimate: mayTraverse}
	zeros := summable()
	for _, t := range elements() {
		list, id := cel.ListOf(t), "list_"+t.Name
		sorted.Overloads = append(sorted.Overloads, one(member(id+"_is_sorted_bool", cel.BoolType, list), isSorted))
		greatest.Overloads = append(greatest.Overloads, one(member(id+"_max_"+t.Name, t, list), extreme("max", -1)))
		least.Overloads = append(least.Overloads, one(member(id+"_min_"+t.Name, t, list), extreme("min", 1)))
		if zero, ok := zeros[t]; ok {
			sum.Overloads = append(sum.Overloads, one(member(id+"_sum_"+t.Name, t, list), func(v cel.Value) cel.Value {
				return sumOf(v, zero)
			}))
		}
	}
	a := cel.ParamOf("A")
	l := &cel.Library{Name: "kubernetes.lists", Functions: []cel.Function{sorted, sum, greatest, least,
		{Name: "indexOf", Cost: traverse, Estimate: mayTraverse, Overloads: []cel.Overload{
			two(member("list_a_index_of_int", cel.IntType, cel.ListOf(a), a), indexOf),
		}},
		{Name: "lastIndexOf", Cost: traverse, Estimate: mayTraverse, Overloads: []cel.Overload{
			two(member("list_a_last_index_of_int", cel.IntType, cel.ListOf(a), a), lastIndexOf),
		}},
	}}
	if includes {
		l.Functions = append(l.Functions, cel.Function{Name: "includes", Cost: traverse, Estimate: mayInclude,
			Overloads: []cel.Overload{two(member("list_includes_dyn_dyn", cel.BoolType, cel.DynType, cel.DynType), includesValue)}})
	}
	return l
}

// traverse is the cost of a walk over the list, or the string that has a function of the same name.
func traverse(args []cel.Value, _ cel.Value) uint64 { return traversed(args[0]) }

// mayTraverse is the estimate: 1 for each item, and a walk over those that are strings or bytes.
func mayTraverse(args []cel.Node) (cel.Range, *cel.Range) {
	size, item := args[0].Size(), args[0].Item()
	if item == nil {
		return size.Scale(perByte), nil
	}
	return size.Times(perItem(item)), nil
}

// perItem is what an item may cost.
func perItem(item cel.Node) cel.Range {
	c := cel.Exactly(1)
	if k := item.Type().Kind; k == cel.String || k == cel.Bytes {
		c = c.Plus(item.Size().Scale(perByte))
	}
	return c
}

// mayInclude is mayTraverse for what may be no list: the worst is one, each item of which costs 1.
func mayInclude(args []cel.Node) (cel.Range, *cel.Range) {
	if item := args[0].Item(); item != nil {
		return args[0].Size().Times(perItem(item)), nil
	}
	return args[0].Size(), nil
}

// mostSteps is how many pairs of values a call may compare.
const mostSteps = 4_000_000

// comparison is many comparisons of one call. Upstream compares as long as it takes, for a cost that does not tell how large the items
// are; here steps are counted through all of them, and a call with too many is out of budget. The zero value has compared nothing.
type comparison struct{ steps int64 }

// same reports whether two values are equal; what cannot be compared is not.
func (c *comparison) same(a, b cel.Value) bool {
	if c.steps > mostSteps {
		return false
	}
	// EqualWithin goes below 0 when it gives up, which shows here as too many.
	left := mostSteps - c.steps
	equal := cel.EqualWithin(a, b, &left).Bool()
	c.steps = mostSteps - left
	return equal
}

// has reports whether a list has an item.
func (c *comparison) has(list, item cel.Value) bool {
	for i := range list.Len() {
		if c.same(item, list.At(i)) {
			return true
		}
	}
	return false
}

// result returns v, or that there was too much to compare.
func (c *comparison) result(v cel.Value) cel.Value {
	if c.steps > mostSteps {
		return cel.Fail(cel.ErrBudget)
	}
	return v
}

// ordered reports whether values of v's kind have an order.
func ordered(v cel.Value) bool {
	switch v.Kind() {
	case cel.Bool, cel.Int, cel.Uint, cel.Double, cel.String, cel.Bytes, cel.Timestamp, cel.Duration:
		return true
	}
	return false
}

// compares reports whether a compares as c with b: -1, 0 or 1. Two values of kinds that have no common order do not (upstream).
func compares(a, b cel.Value, c int) bool {
	is, err := cel.Compare(a, b)
	return err == nil && is == c
}

// isSorted reports whether no item is greater than the next.
func isSorted(list cel.Value) cel.Value {
	for i := range list.Len() {
		if !ordered(list.At(i)) {
			return cel.NoSuchOverload()
		}
		if i > 0 && compares(list.At(i-1), list.At(i), 1) {
			return cel.False
		}
	}
	return cel.True
}

// extreme returns the function that finds the value which another is replaced by if they compare as worse: -1 for the greatest, 1 for the
// least. Of equal ones the first is returned, which shows where 1 and 1.0 are equal.
//
//go:noinline
func extreme(name string, worse int) func(cel.Value) cel.Value {
	return func(list cel.Value) cel.Value {
		var found cel.Value
		for i := range list.Len() {
			// Each item has to have an order, also one that is compared with nothing.
			next := list.At(i)
			if !ordered(next) {
				return cel.NoSuchOverload()
			}
			if i == 0 || compares(found, next, worse) {
				found = next
			}
		}
		if list.Len() == 0 {
			return cel.Failf("%s called on empty list", name)
		}
		return found
	}
}

// sumOf adds all items to zero. An error ends it.
func sumOf(list, zero cel.Value) cel.Value {
	// The zero is that of the overload: a list of dyn whose first item is an int is summed as ints.
	sum := zero
	for i := range list.Len() {
		if sum = cel.Add(sum, list.At(i)); sum.Kind() == cel.Error {
			break
		}
	}
	return sum
}

// indexOf returns the first place of an item, lastIndexOf the last.
func indexOf(list, item cel.Value) cel.Value {
	var c comparison
	for i := range list.Len() {
		if c.same(list.At(i), item) {
			return cel.IntOf(int64(i))
		}
	}
	return c.result(cel.IntOf(-1))
}

// lastIndexOf looks from the end, so that it stops at what it looks for.
func lastIndexOf(list, item cel.Value) cel.Value {
	var c comparison
	for i := list.Len() - 1; i >= 0; i-- {
		if c.same(list.At(i), item) {
			return cel.IntOf(int64(i))
		}
	}
	return c.result(cel.IntOf(-1))
}

// includesValue reports whether a list has an item, or whether what is no list is that item.
func includesValue(v, item cel.Value) cel.Value {
	if v.Kind() != cel.List {
		return cel.BoolOf(cel.Equal(v, item).Bool())
	}
	at := indexOf(v, item)
	if at.Kind() == cel.Error {
		return at
	}
	return cel.BoolOf(at.Int() >= 0)
}
