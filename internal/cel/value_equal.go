package cel

import (
	"bytes"
	"math"
	"strings"
)

// Equality is of any two values: numbers of different types are compared as numbers, everything else of different types is not
// equal. Lists and maps of schemas are stricter, as upstream's are: compared with what is no list or map they are an error. Lists
// that a schema calls sets and maps are compared without regard to order.
//
// A value may be far larger than the memory that it takes (l + l, [l, l]), and == costs by the size of the outermost list alone;
// therefore a comparison counts its steps, and gives up with ErrBudget when they are more than its evaluation may do.

// maxSteps is how many pairs of values one comparison may look at, where no evaluation has a say.
const maxSteps = 10_000_000

// Equal returns whether a and b are the same value, or an error.
func Equal(a, b Value) Value {
	steps := int64(maxSteps)
	return equal(a, b, &steps)
}

// EqualWithin is Equal for a function that compares many: the steps that are left are those of all its comparisons. It is ErrBudget
// where none are.
func EqualWithin(a, b Value, steps *int64) Value { return equal(a, b, steps) }

// equal is Equal with the steps that are left.
func equal(a, b Value, steps *int64) Value {
	if a.kind == Null || b.kind == Null {
		return BoolOf(a.kind == b.kind)
	}
	return same(a, b, steps)
}

// same is equal of what is not null at the outside. Within lists of schemas upstream comes here at once, so that null is an error
// beside a list.
func same(a, b Value, steps *int64) Value {
	if *steps--; *steps < 0 {
		return Fail(ErrBudget)
	}
	switch a.kind {
	case Error:
		return a
	case Bool, Duration:
		return BoolOf(a.kind == b.kind && a.num == b.num)
	case Int, Uint, Double:
		if a.kind == b.kind && a.kind != Double {
			return BoolOf(a.num == b.num)
		}
		if b.kind != Int && b.kind != Uint && b.kind != Double {
			return False
		}
		c, err := compareNumbers(a, b)
		return BoolOf(err == nil && c == 0)
	case String:
		// Only texts of one length are gone through, sixteen bytes and more at once.
		if x, y := a.Str(), b.Str(); b.kind == String && len(x) == len(y) {
			*steps -= int64(len(x) / 64)
			return BoolOf(x == y)
		}
		return False
	case Bytes:
		// Those of a tree have been decoded for it.
		*steps -= int64(len(a.Bytes()) / 8)
		return BoolOf(b.kind == Bytes && bytes.Equal(a.Bytes(), b.Bytes()))
	case Timestamp:
		return BoolOf(b.kind == Timestamp && a.Time().Equal(b.Time()))
	case TypeKind:
		return BoolOf(b.kind == TypeKind && a.ref.(*Type).TypeName() == b.ref.(*Type).TypeName())
	case Null:
		return BoolOf(b.kind == Null)
	case List:
		return sameLists(a, b, steps)
	case Map:
		return sameMaps(a, b, steps)
	case Object:
		return sameObjects(a, b, steps)
	}
	return sameOpaque(a, b, steps)
}

// sameOpaque compares values of libraries, and optionals.
func sameOpaque(a, b Value, steps *int64) Value {
	if a.IsOptional() {
		x, hasA := a.Optional()
		y, hasB := b.Optional()
		if !b.IsOptional() || hasA != hasB {
			return False
		}
		if !hasA {
			return True
		}
		return same(x, y, steps)
	}
	if o, ok := a.ref.(Owned); ok {
		return o.Equal(b)
	}
	return BoolOf(b.kind == Opaque && a.typ == b.typ && a.ref == b.ref)
}

// sameLists compares a list with anything.
func sameLists(a, b Value, steps *int64) Value {
	strict := a.typed() || a.listing() != Atomic
	if b.kind != List {
		if strict {
			return NoSuchOverload(b)
		}
		return False
	}
	if a.Len() != b.Len() {
		return False
	}
	switch a.listing() {
	case Set:
		return sameSets(a, b, steps)
	case Keyed:
		return sameKeyed(a, b, steps)
	}
	var failed Value
	r, twofold := a.ref.(*rope)
	twofold = twofold && !r.plain
	left, right := a.cursor(), b.cursor()
	way := int64(0)
	if left.rest != nil || right.rest != nil {
		way = 2 // a rope may be of lists of one item, to each of which it is a longer way
	}
	for i, n := 0, a.Len(); i < n; i++ {
		*steps -= way
		var e Value
		if strict {
			if e = same(left.next(), right.next(), steps); e != True {
				return e
			}
			continue
		}
		if e = equal(left.next(), right.next(), steps); e == False {
			return False
		}
		if e.kind != Error {
			continue
		}
		if e.ref == ErrBudget {
			return e
		}
		if twofold && failed.ref == nil {
			failed = e
		}
	}
	// A list that an expression wrote takes what cannot be compared for equal; two that were added do not.
	if failed.ref != nil {
		return failed
	}
	return True
}

// sameMaps compares a map, or an object of a schema, with anything.
func sameMaps(a, b Value, steps *int64) Value {
	if b.kind != Map {
		if a.typed() {
			return NoSuchOverload(b)
		}
		return False
	}
	if a.Len() != b.Len() {
		return False
	}
	if a.typed() && a.typ.Kind == Object {
		return sameFields(a, b, steps)
	}
	if tree, ok := a.ref.(map[string]any); ok {
		return sameTreeMaps(a, tree, b, steps)
	}
	result := True
	a.Entries(func(key, value Value) bool {
		other, found := b.Find(key)
		if !found {
			result = False
		} else if e := equal(value, other, steps); e == False || e.ref == ErrBudget {
			// A map that an expression wrote takes what cannot be compared for equal.
			result = e
		}
		return result == True
	})
	return result
}

// sameTreeMaps compares a map of a tree with another of the same length. It goes in any order: that does not matter, and to sort
// a large map takes longer than to compare it.
func sameTreeMaps(a Value, tree map[string]any, b Value, steps *int64) Value {
	strict, item := a.typed(), a.typ.item()
	other, both := b.ref.(map[string]any)
	both = both && (b.typ == nil || b.typ.Kind != Object)
	*steps -= int64(3 * len(tree)) // to find a key takes longer than to go to the next item of a list
	for k, x := range tree {
		var y Value
		var found bool
		if both {
			var node any
			if node, found = other[k]; found {
				y = Of(node, b.typ.item())
			}
		} else {
			y, found = b.Field(k)
		}
		if !found {
			return False
		}
		var e Value
		if strict {
			e = same(Of(x, item), y, steps)
		} else {
			e = equal(Of(x, item), y, steps)
		}
		if e == False || e.kind == Error && (strict || e.ref == ErrBudget) {
			return e
		}
	}
	return True
}

// sameFields compares an object of a schema with a map of as many keys: the fields that the schema knows as values, others, which
// it keeps, as trees.
func sameFields(a, b Value, steps *int64) Value {
	tree := a.ref.(map[string]any)
	known := make(map[string]string, len(a.typ.Fields))
	*steps -= int64(len(a.typ.Fields)) // there may be far more than the object has
	for name, f := range a.typ.Fields {
		known[f.Key] = name
	}
	for _, key := range sortedKeys(tree) {
		name, ok := known[key]
		if !ok {
			other, ok := b.ref.(map[string]any)
			if !ok {
				return NoSuchOverload(b)
			}
			if x, ok := other[key]; ok && !sameTrees(tree[key], x, steps) {
				return False
			}
			continue
		}
		value, found := a.Field(name)
		other, has := b.Field(name)
		if found != has {
			return False
		}
		if !found {
			continue
		}
		if e := same(value, other, steps); e != True {
			return e
		}
	}
	return True
}

// sameTrees compares trees without a type: numbers of different types are not the same, nothing is the same as an empty list.
func sameTrees(a, b any, steps *int64) bool {
	if *steps--; *steps < 0 {
		return false
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return ok && len(x) == len(y)
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !sameTrees(v, w, steps) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameTrees(x[i], y[i], steps) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// sameObjects compares messages that expressions have built: those of one type name with the same fields.
func sameObjects(a, b Value, steps *int64) Value {
	x, ok := a.ref.(*built)
	y, also := b.ref.(*built)
	if !ok || !also {
		return BoolOf(b.kind == Object && !ok && !also && a.ref == b.ref)
	}
	if a.typ.Name != b.typ.Name || len(x.names) != len(y.names) {
		return False
	}
	for i, name := range x.names {
		other, found := b.Field(name)
		if !found {
			return False
		}
		if e := equal(x.values[i], other, steps); e != True {
			return e
		}
	}
	return True
}

// Compare returns -1, 0 or 1, or an error for what has no order. Numbers of different types are compared as numbers.
func Compare(a, b Value) (int, error) {
	switch a.kind {
	case Int:
		if b.kind == Int {
			return order(a.Int(), b.Int()), nil
		}
		return compareNumbers(a, b)
	case Uint, Double:
		return compareNumbers(a, b)
	case Error:
		return 0, a.Err()
	}
	if b.kind == Error {
		return 0, b.Err()
	}
	if a.kind != b.kind {
		return 0, errOverload
	}
	switch a.kind {
	case Bool:
		return order(a.num, b.num), nil
	case String:
		return strings.Compare(a.Str(), b.Str()), nil
	case Bytes:
		return bytes.Compare(a.Bytes(), b.Bytes()), nil
	case Timestamp:
		return a.Time().Compare(b.Time()), nil
	case Duration:
		return order(a.Int(), b.Int()), nil
	}
	return 0, errOverload
}

// order returns -1, 0 or 1 as a is less than b, equal, or greater. Neither is a NaN: callers have refused those.
func order[T int64 | uint64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareNumbers compares numbers of any types. As upstream it makes doubles of both where one is a double, but for those that are
// out of the other's range.
func compareNumbers(a, b Value) (int, error) {
	if a.kind == Double && a.Double() != a.Double() {
		return 0, errUnordered
	}
	switch b.kind {
	case Double:
		if b.Double() != b.Double() {
			return 0, errUnordered
		}
		if a.kind != Double {
			c, err := compareNumbers(b, a)
			return -c, err
		}
		return order(a.Double(), b.Double()), nil
	case Int:
		switch a.kind {
		case Int:
			return order(a.Int(), b.Int()), nil
		case Uint:
			if b.Int() < 0 || a.num > math.MaxInt64 {
				return 1, nil
			}
			return order(a.Int(), b.Int()), nil
		}
		switch d := a.Double(); {
		case d < math.MinInt64:
			return -1, nil
		case d > math.MaxInt64:
			return 1, nil
		default:
			return order(d, float64(b.Int())), nil
		}
	case Uint:
		switch a.kind {
		case Uint:
			return order(a.num, b.num), nil
		case Int:
			if a.Int() < 0 || b.num > math.MaxInt64 {
				return -1, nil
			}
			return order(a.Int(), b.Int()), nil
		}
		switch d := a.Double(); {
		case d < 0:
			return -1, nil
		case d > math.MaxUint64:
			return 1, nil
		default:
			return order(d, float64(b.num)), nil
		}
	}
	return 0, NoSuchOverload(b).Err()
}
