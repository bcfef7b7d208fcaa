package cel

import (
	"errors"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"time"
)

// The implementations of the standard library's operators and functions. They are given values of any types: the checker has let
// dyn through. What an operator's first argument must be decides between two errors, as in upstream: where the type has no such
// operator at all, the error names it, unless the type is one that has methods.

// Overflow is found after the fact, from the signs or by dividing again, as hardware wraps: the results are those of
// common/types/overflow.go, where the least int divided by -1 is an error, and negated too. Doubles overflow to infinity,
// which is no error.

// operand returns an operator that wants its first argument to be of some kinds.
func operand(name string, f func(a, b Value) Value, kinds ...Kind) func(a, b Value) Value {
	return func(a, b Value) Value {
		if slices.Contains(kinds, a.kind) {
			return f(a, b)
		}
		return notAnOperand(name, a)
	}
}

// notAnOperand returns the error of an operator on what does not have it.
func notAnOperand(name string, a Value) Value {
	switch a.kind {
	case String, Timestamp, Duration:
		return Fail(errOverload)
	}
	return Fail(errors.New("no such overload: " + name))
}

// add is +.
func add(a, b Value) Value {
	switch {
	// The two that mix types, in either order, come first; everything else wants both of one.
	case a.kind == Duration && b.kind == Timestamp:
		return addTime(b.Time(), a.Duration())
	case a.kind == Timestamp && b.kind == Duration:
		return addTime(a.Time(), b.Duration())
	case a.kind != b.kind || a.kind == Timestamp:
		return NoSuchOverload(b)
	}
	switch a.kind {
	case Int, Duration:
		// A sum that went the wrong way has wrapped: it has to be greater than a if b is positive, and only then.
		sum := a.Int() + b.Int()
		if (sum > a.Int()) != (b.Int() > 0) && b.Int() != 0 {
			return Fail(errInt)
		}
		return Value{kind: a.kind, num: uint64(sum)}
	case Uint:
		// Unsigned overflow has a carry; nothing needs to be compared.
		sum, carry := bits.Add64(a.num, b.num, 0)
		if carry != 0 {
			return Fail(errUint)
		}
		return UintOf(sum)
	case Double:
		return DoubleOf(a.Double() + b.Double())
	case String:
		return StringOf(a.Str() + b.Str())
	case Bytes:
		// A copy, unlike that of lists, and paid for by its length.
		return BytesOf(slices.Concat(a.Bytes(), b.Bytes()))
	case List:
		return concat(a, b)
	}
	return NoSuchOverload(b)
}

// Add is + of any two values, for functions that have the sum of a list.
func Add(a, b Value) Value { return add(a, b) }

// subtract is - of two.
func subtract(a, b Value) Value {
	switch {
	case a.kind == Timestamp && b.kind == Duration:
		// It has no negation, by which it could be added.
		if b.Int() == math.MinInt64 {
			return Fail(errInt)
		}
		return addTime(a.Time(), -b.Duration())
	case a.kind == Timestamp && b.kind == Timestamp:
		return between(b.Time(), a.Time())
	case a.kind != b.kind:
		return NoSuchOverload(b)
	}
	switch a.kind {
	case Int, Duration:
		// As with the sum: it is less than a if b is positive, and only then.
		rest := a.Int() - b.Int()
		if (rest < a.Int()) != (b.Int() > 0) && b.Int() != 0 {
			return Fail(errInt)
		}
		return Value{kind: a.kind, num: uint64(rest)}
	case Uint:
		if b.num > a.num {
			return Fail(errUint)
		}
		return UintOf(a.num - b.num)
	case Double:
		return DoubleOf(a.Double() - b.Double())
	}
	return NoSuchOverload(b)
}

// multiply is *.
func multiply(a, b Value) Value {
	if a.kind != b.kind {
		return NoSuchOverload(b)
	}
	switch a.kind {
	case Int:
		x, y := a.Int(), b.Int()
		if x == 0 || y == 0 {
			return IntOf(0)
		}
		// Dividing tells whether the product fits, but for the one quotient that does not fit itself.
		product := x * y
		if product/y != x || x == -1 && y == math.MinInt64 || y == -1 && x == math.MinInt64 {
			return Fail(errInt)
		}
		return IntOf(product)
	case Uint:
		// What has a high half does not fit.
		high, low := bits.Mul64(a.num, b.num)
		if high != 0 {
			return Fail(errUint)
		}
		return UintOf(low)
	case Double:
		return DoubleOf(a.Double() * b.Double())
	}
	return NoSuchOverload(b)
}

// divide is /.
func divide(a, b Value) Value {
	if a.kind != b.kind {
		return NoSuchOverload(b)
	}
	switch {
	case a.kind == Double:
		return DoubleOf(a.Double() / b.Double())
	case b.num == 0:
		return Fail(errDivide)
	case a.kind == Uint:
		return UintOf(a.num / b.num)
	// The quotient would be one more than the greatest int.
	case a.Int() == math.MinInt64 && b.Int() == -1:
		return Fail(errInt)
	}
	return IntOf(a.Int() / b.Int())
}

// modulo is %.
func modulo(a, b Value) Value {
	switch {
	case a.kind != b.kind:
		return NoSuchOverload(b)
	case b.num == 0:
		return Fail(errModulus)
	case a.kind == Uint:
		return UintOf(a.num % b.num)
	// The remainder would be 0, but upstream refuses it as the quotient.
	case a.Int() == math.MinInt64 && b.Int() == -1:
		return Fail(errInt)
	}
	return IntOf(a.Int() % b.Int())
}

// negate is - of one.
// Durations have it though no overload says so: only a dyn comes here with one.
func negate(a Value) Value {
	switch a.kind {
	case Int, Duration:
		if a.Int() == math.MinInt64 {
			return Fail(errInt)
		}
		return Value{kind: a.kind, num: -a.num}
	case Double:
		return DoubleOf(-a.Double())
	case Bool:
		return Fail(errOverload)
	}
	return notAnOperand("-_", a)
}

// not is !.
func not(a Value) Value {
	if a.kind != Bool {
		return NoSuchOverload(a)
	}
	return BoolOf(a.num == 0)
}

// ordered returns a comparison by what Compare returns.
func ordered(holds func(c int) bool) func(a, b Value) Value {
	return func(a, b Value) Value {
		// The error is that there is no order: a NaN, or values of two types that are not both numbers.
		c, err := Compare(a, b)
		if err != nil {
			return Fail(err)
		}
		return BoolOf(holds(c))
	}
}

// length is size.
func length(a Value) Value {
	switch a.kind {
	case String, Bytes, List, Map:
		return IntOf(int64(a.Len()))
	}
	return notAnOperand("size", a)
}

// contained is in.
// Of a map it is a look for the key; a list is gone through, and an item that cannot be compared is not the key.
func contained(key, container Value, steps *int64) Value {
	switch container.kind {
	// A text is in no text: that is contains.
	case List:
		return listHas(container, key, steps)
	case Map:
		v, found := container.Find(key)
		if v.kind == Error && found {
			return v
		}
		return BoolOf(found)
	}
	return NoSuchOverload(container)
}

// listHas reports whether an item of a list is the same as key. Items of a schema's list are asked, and an error of theirs is the
// result if no item is the same; of other lists the key is asked, and does not care.
// A sum of lists asks its parts, the first one first, as concatList of upstream does.
func listHas(list, key Value, steps *int64) Value {
	if r, ok := list.ref.(*rope); ok && !r.plain {
		// The parts may be of different sorts, one of a schema and one not, each with its own rule for errors.
		head := listHas(r.head, key, steps)
		if head == True {
			return True
		}
		tail := listHas(r.tail, key, steps)
		if tail == True || head.kind != Error {
			return tail
		}
		return head
	}
	var failed Value
	for i, n := 0, list.Len(); i < n; i++ {
		var e Value
		if list.typed() {
			e = same(list.At(i), key, steps)
		} else {
			e = same(key, list.At(i), steps)
		}
		if e == True {
			return True
		}
		if e.kind == Error && failed.ref == nil && (list.typed() || e.ref == ErrBudget) {
			failed = e
		}
		// same has taken them; what it returned then is not to be trusted.
		if *steps < 0 {
			return Fail(ErrBudget)
		}
	}
	if failed.ref != nil {
		return failed
	}
	return False
}

// ofStrings returns a test of two strings.
//
//go:noinline
func ofStrings(f func(s, t string) bool) func(a, b Value) Value {
	return func(a, b Value) Value {
		if a.kind != String {
			return NoSuchOverload(a)
		}
		if b.kind != String {
			return NoSuchOverload(b)
		}
		return BoolOf(f(a.Str(), b.Str()))
	}
}

// matches tests a string with an expression that is not known before.
// (String.Match in common/types/string.go.) A pattern that is a literal does not come here: it was compiled with
// the program.
func matches(a, b Value) Value {
	if b.kind != String {
		return NoSuchOverload(b)
	}
	re, err := CompileRegex(b.Str())
	if err != nil {
		return Fail(err)
	}
	return matchesRegex(re, []Value{a})
}

// matchesRegex tests a string with an expression that is compiled.
func matchesRegex(re *regexp.Regexp, args []Value) Value {
	if args[0].kind != String {
		return Fail(errOverload)
	}
	return BoolOf(re.MatchString(args[0].Str()))
}

// addTime adds a duration to a timestamp.
func addTime(t time.Time, d time.Duration) Value {
	// A duration is less than three hundred years, so that Add does not wrap; what it leaves is the range of
	// timestamps.
	sum := t.Add(d)
	if s := sum.Unix(); s < minUnix || s > maxUnix {
		return Fail(errTimestamp)
	}
	return TimestampOf(sum)
}

// between returns how long it is from a to b.
func between(a, b time.Time) Value {
	// Apart, since nanoseconds since 1970 have no room for all instants.
	seconds, nanos := b.Unix()-a.Unix(), int64(b.Nanosecond()-a.Nanosecond())
	// Seconds of timestamps have room to be subtracted; nanoseconds do not.
	d := multiply(IntOf(seconds), IntOf(int64(time.Second)))
	if d.kind == Int {
		d = add(d, IntOf(nanos))
	}
	if d.kind != Int {
		return d
	}
	return DurationOf(time.Duration(d.Int()))
}
