package library

import (
	"math"

	"apichain/internal/cel"
)

// What calls cost. Upstream counts the functions of Kubernetes by their names, whatever the overload: the functions below make
// what a row says of that, what a call has cost and what one may cost. Sizes are what Value.Size says: characters of a string, items
// of a list, bytes of an address. Where a row says nothing a call costs 1.
//
// A cost is counted when the call was made, from values; an estimate when the expression is checked, from what types say of sizes. For
// one function both have the same form, so that the estimate of a literal is what the call costs, and that of a field with a greatest
// length no less than any call. An estimate is a pair: the cost, and the size of the result where that is known, as the next function
// may go by it:
//
//	'abcdefghijkl'.upperAscii()      costs 2: a tenth of 12, rounded up; the estimate is 2 to 2, and its result is 12 long
//	self.name.upperAscii()           with maxLength 64 is estimated at 0 to 7, and costs a tenth of what the name is long
//
// Rounding is a part of the figure: a cost is rounded up once for each walk, a traversal down for each string in it. Users see the sums
// in messages about budgets, so they are upstream's to the unit (CallCost and EstimateCallCost in cost.go).

// The prices of upstream: of a new list, of a new message, of a byte of a string that is walked over, of a byte of a regular
// expression for each such step.
const (
	newList   = 10
	newStruct = 40
	perByte   = cel.TextFactor
	perRegex  = cel.PatternFactor
)

// Cost and estimate are the forms that a row has.
type (
	cost     = func(args []cel.Value, result cel.Value) uint64
	estimate = func(args []cel.Node) (cel.Range, *cel.Range)
)

// walk returns the cost of a walk over a size.
func walk(size uint64) uint64 { return cel.Tenth(size) }

// walkTwice returns the cost of two walks. Two are not twice one, since what is left of a unit counts as one.
func walkTwice(size uint64) uint64 { return uint64(math.Ceil(float64(size) * 2 * perByte)) }

// walked is the cost of a function that walks over its first argument, walkedTwice that of one that does so twice.
func walked(args []cel.Value, _ cel.Value) uint64      { return walk(args[0].Size()) }
func walkedTwice(args []cel.Value, _ cel.Value) uint64 { return walkTwice(args[0].Size()) }

// mayWalk, mayWalkTwice and mayCopy are the estimates: what mayCopy returns is as long as what it got.
func mayWalk(args []cel.Node) (cel.Range, *cel.Range) { return args[0].Size().Scale(perByte), nil }

// mayWalkTwice is the estimate of walkedTwice.
func mayWalkTwice(args []cel.Node) (cel.Range, *cel.Range) {
	return args[0].Size().Scale(2 * perByte), nil
}

// mayCopy is mayWalk for a function whose result is as long as its argument.
func mayCopy(args []cel.Node) (cel.Range, *cel.Range) {
	size := args[0].Size()
	return size.Scale(perByte), &size
}

// mostTraversed is how many values a traversal looks at. No expression may cost as much; lists that are in each other many times may
// have more than any computer can count.
const mostTraversed = 4_000_000

// traversed returns the cost of a walk over a tree: 1 for what has no length, a tenth of the bytes for a string, and what is in them for
// lists and maps. It is traversalCost of cost.go: the bytes are counted, not the characters, and what is left of ten is dropped, so
// that a list of short strings costs nothing.
func traversed(v cel.Value) uint64 {
	left := mostTraversed
	c := traversal(v, &left)
	if left < 0 {
		return mostTraversed
	}
	return c
}

// traversal ends where left is below 0.
func traversal(v cel.Value, left *int) (sum uint64) {
	if *left--; *left < 0 {
		return 0
	}
	switch v.Kind() {
	case cel.String:
		return uint64(float64(len(v.Str())) * perByte)
	case cel.Bytes:
		return uint64(float64(len(v.Bytes())) * perByte)
	case cel.List, cel.Map, cel.Object:
		v.Entries(func(key, value cel.Value) bool {
			if v.Kind() != cel.List {
				sum += traversal(key, left)
			}
			sum += traversal(value, left)
			return *left >= 0
		})
		return sum
	}
	return 1
}

// equality returns what == may cost for the types of a library: 1. For other types it says that it does not know them, and the
// estimate is that of values that are compared byte by byte.
func equality(types ...*cel.Type) func(t *cel.Type, a, b cel.Node) (cel.Range, bool) {
	return func(t *cel.Type, _, _ cel.Node) (cel.Range, bool) {
		for _, own := range types {
			if t == own {
				return cel.Exactly(1), true
			}
		}
		return cel.Range{}, false
	}
}
