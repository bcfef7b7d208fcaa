package library

import (
	"math"
	"slices"
	"sort"

	"apichain/internal/cel"
	"apichain/internal/cel/syntax"
)

// The lists of upstream's language, as its third version has them. A function that makes a list costs 1, a new list, and its items
// times a factor: 1, the levels of flatten, or for those that compare each item with each other two times the square of the items,
// and a tenth of it more for strings and bytes. What would cost more than any budget has is not done.

// What is refused: a slice with an end out of range, levels below 0, a range below 0 or over a million, and lists whose items have no
// order, or not all the same. A slice or a range that fails costs 12, as an error has the size 1. Upstream is ext/lists.go.

// mostRange is the longest list that lists.range, slice and reverse make, and the most items that flatten looks at or returns.
// mostCompared is the most items that are compared with each other: they cost ten million, of which no expression has a tenth.
const (
	mostRange    = 1_000_000
	mostCompared = 2236
)

// made returns what a list costs that is made: 1 for the call, 10 for the list, and its size times the factor. A factor below 0 comes
// from flatten with levels below 0, whose cost is counted though it fails.
func made(factor float64, size uint64) uint64 {
	if factor < 0 {
		factor = 1
	}
	return cel.SaturatingSum(uint64(float64(size)*factor), 1+newList)
}

// mayMake is the estimate.
func mayMake(factor float64, size cel.Range) (cel.Range, *cel.Range) {
	return size.Scale(factor).Plus(cel.Exactly(1)).Plus(cel.Exactly(newList)), &size
}

// resulted is the cost by the length of the result.
func resulted(_ []cel.Value, result cel.Value) uint64 { return made(1, result.Size()) }

// literal returns the int that an argument is, 0 for one below it, and otherwise for what is no literal of an int. Estimates go by it:
// lists.range(self.n) may be any list, whatever greatest value the schema gives n.
func literal(n cel.Node, otherwise uint64) uint64 {
	v, _ := n.Literal()
	i, ok := v.(int64)
	if !ok {
		return otherwise
	}
	return uint64(max(i, 0))
}

// factorOf is 2 for comparisons with each other, and more for types with a length.
func factorOf(k cel.Kind) float64 {
	if k == cel.String || k == cel.Bytes {
		return 2 + perByte
	}
	return 2
}

// compared returns the cost of comparing all items of an argument with each other. Sorting takes fewer comparisons than that, but upstream
// prices it as distinct, which takes them all (trackListSelfCompare).
func compared(arg int) cost {
	return func(args []cel.Value, _ cel.Value) uint64 {
		// The first item speaks for all. An argument may be an error, which has no items.
		list, factor := args[arg], 2.0
		if list.Kind() == cel.List && list.Len() > 0 {
			factor = factorOf(list.At(0).Kind())
		}
		return made(factor, cel.SaturatingProduct(list.Size(), list.Size()))
	}
}

// mayCompare is the estimate for items of a kind.
func mayCompare(arg int, k cel.Kind) estimate {
	return func(args []cel.Node) (cel.Range, *cel.Range) {
		size := args[arg].Size()
		return mayMake(factorOf(k), size.Times(size))
	}
}

// ExtLists has these, of which first and last are among the optionals:
//
//	[1, 2, 3].slice(1, 3)               [2, 3]        from a place to another, which may be the length
//	[[1], [2, [3]]].flatten()           [1, 2, [3]]   flatten(2) goes two levels deep
//	[3, 1, 2].sort()                    [1, 2, 3]     of one type that has an order
//	['ab', 'c'].sortBy(s, s.size())     ['c', 'ab']
//	lists.range(3)                      [0, 1, 2]
//	[1, 2].reverse()                    [2, 1]
//	[1, 2, 1.0].distinct()              [1, 2]        the first of those that are equal
func ExtLists() *cel.Library {
	t := cel.ParamOf("T")
	list, i := cel.ListOf(t), cel.IntType
	slice := more(member("list_slice", list, list, i, i), slice)
	slice.Cost, slice.Estimate = resulted, maySlice
	flat := member("list_flatten", list, cel.ListOf(list))
	flat.Cost, flat.Estimate = flattened, mayFlatten
	flatInt := member("list_flatten_int", cel.ListOf(cel.DynType), cel.ListOf(cel.DynType), i)
	flatInt.Cost, flatInt.Estimate = flattened, mayFlatten
	span := one(global("lists_range", cel.ListOf(i), i), span)
	span.Cost, span.Estimate = resulted, func(args []cel.Node) (cel.Range, *cel.Range) {
		return mayMake(1, cel.Exactly(literal(args[0], math.MaxUint64)))
	}
	reverse := one(member("list_reverse", list, list), reverse)
	reverse.Cost, reverse.Estimate = resulted, func(args []cel.Node) (cel.Range, *cel.Range) { return mayMake(1, args[0].Size()) }
	distinct := one(member("list_distinct", list, list), distinct)
	distinct.Cost, distinct.Estimate = compared(0), mayCompare(0, cel.Int)
	// Two functions have one implementation for all their types.
	sortAll := cel.Function{Name: "sort", Unary: func(list cel.Value) cel.Value {
		if list.Kind() != cel.List {
			return notSorted("sort", list)
		}
		return sorted(list, list)
	}}
	sortBy := cel.Function{Name: "@sortByAssociatedKeys", Binary: sorted}
	for _, e := range elements() {
		byValue := member("list_"+e.TypeName()+"_sort", cel.ListOf(e), cel.ListOf(e))
		byValue.Cost, byValue.Estimate = compared(0), mayCompare(0, e.Kind)
		byKey := member("list_"+e.TypeName()+"_sortByAssociatedKeys", list, list, cel.ListOf(e))
		byKey.Cost, byKey.Estimate = compared(1), mayCompare(1, e.Kind)
		sortAll.Overloads, sortBy.Overloads = append(sortAll.Overloads, byValue), append(sortBy.Overloads, byKey)
	}
	return &cel.Library{
		Name:   "cel.lib.ext.lists",
		Macros: []syntax.Macro{{Name: "sortBy", Member: true, Args: 2, Expand: expandSortBy}},
		Functions: []cel.Function{
			{Name: "slice", Overloads: []cel.Overload{slice}},
			// Upstream looks at no type before it flattens.
			{Name: "flatten", Makes: 2, Overloads: []cel.Overload{flat, flatInt},
				Unary: flattenOnce, Binary: flatten},
			sortAll, sortBy,
			{Name: "lists.range", Overloads: []cel.Overload{span}},
			{Name: "reverse", Overloads: []cel.Overload{reverse}},
			{Name: "distinct", Overloads: []cel.Overload{distinct}},
		},
	}
}

// slice returns the items from a place up to another.
func slice(args []cel.Value) cel.Value {
	list, start, end := args[0], args[1].Int(), args[2].Int()
	switch {
	case start < 0 || end < 0:
		return cel.Failf("cannot slice(%d, %d), negative indexes not supported", start, end)
	case start > end:
		return cel.Failf("cannot slice(%d, %d), start index must be less than or equal to end index", start, end)
	case int64(list.Len()) < end:
		return cel.Failf("cannot slice(%d, %d), list is length %d", start, end, list.Len())
	case end-start > mostRange:
		return cel.Fail(cel.ErrBudget)
	}
	// The items are copied: a slice that pointed into a long list would keep it alive.
	items := make([]cel.Value, 0, end-start)
	for i := start; i < end; i++ {
		items = append(items, list.At(int(i)))
	}
	return cel.ListValue(items)
}

// maySlice has a length if both ends are literals, or the list has one. It is as wrong as upstream's where they are out of order.
func maySlice(args []cel.Node) (cel.Range, *cel.Range) {
	return mayMake(1, cel.Exactly(literal(args[2], args[0].Size().Max)-literal(args[1], 0)))
}

// span is lists.range: the numbers below n.
func span(v cel.Value) cel.Value {
	n := v.Int()
	if n < 0 {
		return cel.Failf("lists.range: size must be non-negative, got %d", n)
	}
	if n > mostRange {
		return cel.Failf("lists.range: size %d exceeds maximum allowed (%d)", n, mostRange)
	}
	items := make([]cel.Value, n)
	for i := range items {
		items[i] = cel.IntOf(int64(i))
	}
	return cel.ListValue(items)
}

// reverse returns the items from the last to the first.
func reverse(list cel.Value) cel.Value {
	n := list.Len()
	if n > mostRange {
		return cel.Fail(cel.ErrBudget)
	}
	items := make([]cel.Value, n)
	for i := range items {
		items[i] = list.At(n - 1 - i)
	}
	return cel.ListValue(items)
}

// flattenOnce is flatten by one level.
func flattenOnce(list cel.Value) cel.Value {
	if list.Kind() != cel.List {
		return cel.Failf("no such overload: %v.flatten()", list.Type())
	}
	return flatten(list, cel.IntOf(1))
}

// flatten puts the items of lists within a list in their place, down to some levels: 0 copies the list. Items that are no lists stay. The
// checker wants the lists of a literal to be of one type, so what is nested unevenly comes from fields.
func flatten(list, levels cel.Value) cel.Value {
	if list.Kind() != cel.List || levels.Kind() != cel.Int {
		return cel.Failf("no such overload: %v.flatten(%v)", list.Type(), levels.Type())
	}
	if levels.Int() < 0 {
		return cel.Failf("level must be non-negative")
	}
	// A list may have another one many times, so that the items are counted as they are looked at.
	f := flattener{left: mostRange}
	if f.add(list, levels.Int()); f.left < 0 {
		return cel.Fail(cel.ErrBudget)
	}
	return cel.ListValue(f.items)
}

// flattener gathers items; left is how many more it may look at.
type flattener struct {
	items []cel.Value
	left  int
}

// add looks at all items of a list, and at those of the lists in it while there are levels left.
func (f *flattener) add(list cel.Value, levels int64) {
	n := list.Len()
	if f.left -= n; f.left < 0 {
		return
	}
	for i := range n {
		item := list.At(i)
		if item.Kind() != cel.List || levels == 0 {
			f.items = append(f.items, item)
		} else if f.add(item, levels-1); f.left < 0 {
			return
		}
	}
}

// flattened costs by the length of what is flattened and the levels.
func flattened(args []cel.Value, _ cel.Value) uint64 {
	levels := 1.0
	if len(args) == 2 {
		levels = float64(args[1].Int())
	}
	return made(levels, args[0].Size())
}

// mayFlatten is the estimate: the levels are not known where they are no literal.
func mayFlatten(args []cel.Node) (cel.Range, *cel.Range) {
	levels := uint64(1)
	if len(args) == 2 {
		levels = literal(args[1], math.MaxUint64)
	}
	return mayMake(float64(levels), args[0].Size())
}

// notSorted is the error of what is no list. What has functions of its own that upstream finds at run time says less.
func notSorted(name string, v cel.Value) cel.Value {
	switch v.Kind() {
	case cel.String, cel.Timestamp, cel.Duration:
		return cel.NoSuchOverload()
	}
	return cel.Failf("no such overload: %s", name)
}

// sorted returns a list in the order of the keys of its items. Keys are of one type that has an order: int and double have one with each
// other, and are refused all the same, as sortListByAssociatedKeys looks at the type of each.
func sorted(list, keys cel.Value) cel.Value {
	if list.Kind() != cel.List || keys.Kind() != cel.List {
		return notSorted("@sortByAssociatedKeys", list)
	}
	n := list.Len()
	switch {
	case n != keys.Len():
		return cel.Failf("@sortByAssociatedKeys() expected a list of the same size as the associated keys list, "+
			"but got %d and %d elements respectively", n, keys.Len())
	case n == 0:
		return list
	case !ordered(keys.At(0)):
		return cel.Failf("list elements must be comparable")
	case n > mostCompared:
		return cel.Fail(cel.ErrBudget)
	}
	// Keys are taken once, since a list may have to look for each; a single one is compared with nothing, whatever its type.
	by := make([]cel.Value, n)
	places := make([]int, n)
	for i := range by {
		by[i], places[i] = keys.At(i), i
		if n > 1 && by[i].Kind() != by[0].Kind() {
			return cel.Failf("list elements must have the same type")
		}
	}
	// Upstream's sort is not stable, but always the same one: items of one key come in its order.
	sort.Slice(places, func(i, j int) bool { return compares(by[places[i]], by[places[j]], -1) })
	items := make([]cel.Value, n)
	for i, place := range places {
		items[i] = list.At(place)
	}
	return cel.ListValue(items)
}

// distinct returns the first of each that are equal, in the order of the list. Equal are 1, 1.0 and 1u, and so are lists with equal items.
func distinct(list cel.Value) cel.Value {
	if list.Len() == 0 {
		return list
	}
	if list.Len() > mostCompared {
		return cel.Fail(cel.ErrBudget)
	}
	var items []cel.Value
	var c comparison
	for i := range list.Len() {
		item := list.At(i)
		if !slices.ContainsFunc(items, func(seen cel.Value) bool { return c.same(item, seen) }) {
			items = append(items, item)
		}
	}
	return c.result(cel.ListValue(items))
}

// expandSortBy makes l.sortBy(x, key) of a list of keys: the list is the value of a variable that no expression can name, the
// accumulator of a comprehension over nothing.
func expandSortBy(x *syntax.Expander, operand *syntax.Expr, args []*syntax.Expr) (*syntax.Expr, *syntax.Fault) {
	const input = "@__sortBy_input__"
	variable := x.Ident(input)
	switch operand.Kind {
	case syntax.List, syntax.Select, syntax.Ident, syntax.Fold, syntax.Call:
	default:
		return nil, x.Fault(operand, "sortBy can only be applied to a list, identifier, comprehension, call or select expression")
	}
	name, fault := x.Variable(args[0], "argument is not an identifier")
	if fault != nil {
		return nil, fault
	}
	keys := syntax.Comprehension{Range: x.Ident(input), Var: name, Accumulator: syntax.Accumulator, Init: x.List(),
		Condition: x.Literal(true)}
	keys.Step = x.Call("_+_", x.Accumulator(), x.List(args[1]))
	keys.Result = x.Accumulator()
	// The comprehension is made before the receiver, as upstream numbers them.
	by := x.Fold(keys)
	sorted := x.Member("@sortByAssociatedKeys", x.Ident(input), by)
	return x.Fold(syntax.Comprehension{Range: x.List(), Var: unused, Accumulator: input, Init: operand, Condition: x.Literal(false),
		Step: variable, Result: sorted}), nil
}
