package cel

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// A Value is five words that are passed by copy. Numbers are in num; everything else is in ref, as it was found: a string of a tree
// stays the interface that the tree has, so that looking at it makes no copy and no garbage. What ref is, by kind:
//
//	String     string
//	Bytes      []byte
//	Timestamp  time.Time
//	List       []any of a tree, []Value, *rope (two lists in a row), *growing (the accumulator of a comprehension)
//	Map        map[string]any of a tree, objects of schemas included, or *mapping
//	Object     *built (an expression wrote Name{...}), or Fields
//	TypeKind   *Type
//	Opaque     what the library made; Value for an optional, nil for the empty one
//	Error      error
//
// A list or a map of a tree with a type is what Kubernetes makes of a schema, one without is JSON: they differ in what they say
// to a comparison with something else, and in null.

// Two values are the same to an expression by Equal; == of Go is for those that are known to be of scalars without a ref, as v
// == True, and panics for two maps or two lists of a tree. Why some functions here are kept out of line (go:noinline): type.go
// says it.

// Value is a value of CEL, a view of a tree where it comes from one: nothing is copied, and nothing is allocated to look at a
// field. The zero Value is an error without a text. A Value is immutable and may be used concurrently as long as nobody changes
// the tree below it.
type Value struct {
	kind Kind
	// One word for all numbers: what it is, kind says, so that a look at one is no look at memory elsewhere.
	num uint64 // a bool, an int, a uint, the bits of a double, the nanoseconds of a duration
	ref any    // everything else
	typ *Type  // the declared type of a view of a tree; that of an object or an opaque value; the listing of a list; nil: none
}

// Fields is an object whose fields are computed when they are asked for. Field is called for each look at a field: what is to be
// computed once, the implementation keeps.
type Fields interface {
	// Field returns the value of a field, ok is false where it is absent.
	Field(name string) (v Value, ok bool)
}

// The errors that end an evaluation, whatever || and && are around it.
var (
	// ErrBudget says that an evaluation has cost more than its Limit allows, or was about to do out of proportion to it.
	ErrBudget = errors.New("operation cancelled: actual cost limit exceeded")
	// ErrInterrupted says that Done of the Limit was closed.
	ErrInterrupted = errors.New("operation interrupted")
)

// The errors that operators have in common.
var (
	errOverload  = errors.New("no such overload")
	errDivide    = errors.New("division by zero")
	errModulus   = errors.New("modulus by zero")
	errInt       = errors.New("integer overflow")
	errUint      = errors.New("unsigned integer overflow")
	errTimestamp = errors.New("timestamp overflow")
	errUnordered = errors.New("NaN values cannot be ordered")
)

// Kind returns what v is. Maps of a tree are Map even if the schema calls them objects, as upstream's are.
func (v Value) Kind() Kind { return v.kind }

// NullValue, True, False and None, the optional without a value, are values.
var (
	NullValue = Value{kind: Null}
	False     = Value{kind: Bool}
	True      = Value{kind: Bool, num: 1}
	None      = Value{kind: Opaque, typ: optionalType}
)

// The types of values whose parts nobody looks at.
var (
	listType     = ListOf(DynType)
	mapType      = MapOf(DynType, DynType)
	optionalType = OptionalOf(DynType)
)

// BoolOf returns b.
func BoolOf(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.num = 1
	}
	return v
}

// IntOf returns n.
func IntOf(n int64) Value { return Value{kind: Int, num: uint64(n)} }

// UintOf returns n.
func UintOf(n uint64) Value { return Value{kind: Uint, num: n} }

// DoubleOf returns f.
func DoubleOf(f float64) Value { return Value{kind: Double, num: math.Float64bits(f)} }

// StringOf returns s.
//
//go:noinline
func StringOf(s string) Value { return Value{kind: String, ref: s} }

// BytesOf returns b, which nobody changes from now on.
func BytesOf(b []byte) Value { return Value{kind: Bytes, ref: b} }

// TimestampOf returns t.
func TimestampOf(t time.Time) Value { return Value{kind: Timestamp, ref: t} }

// DurationOf returns d.
func DurationOf(d time.Duration) Value { return Value{kind: Duration, num: uint64(d)} }

// ListValue returns a list of values, which nobody changes from now on.
func ListValue(items []Value) Value { return Value{kind: List, ref: items} }

// ObjectValue returns an object of a type whose fields f computes.
func ObjectValue(t *Type, f Fields) Value { return Value{kind: Object, ref: f, typ: t} }

// OpaqueValue returns a value of a library's type, which owns what ref is. ref may be Owned; if not, it is compared by ==.
// t tells its values from those of other libraries, by its name; a library makes it once.
func OpaqueValue(t *Type, ref any) Value { return Value{kind: Opaque, ref: ref, typ: t} }

// Some returns the optional that has v.
func Some(v Value) Value { return Value{kind: Opaque, ref: v, typ: optionalType} }

// TypeValue returns a type as a value.
func TypeValue(t *Type) Value { return Value{kind: TypeKind, ref: t} }

// Fail returns an error as a value. Operators pass it on; || and && may absorb it.
// It is not inlined, nor are NoSuchOverload and Failf: there are hundreds of calls, and none is in a hurry.
//
//go:noinline
func Fail(err error) Value { return Value{kind: Error, ref: err} }

// Failf is Fail with a text. The text is made when somebody reads it: most errors are absorbed, or replaced by the message of a rule,
// and a key that is not there may be a megabyte long, at a cost of 1.
//
//go:noinline
func Failf(format string, args ...any) Value { return Fail(&failure{format, args}) }

// failure is an error whose text is not made yet. Its arguments are values, which do not change, and what fmt prints.
type failure struct {
	format string
	args   []any
}

// Error makes the text, each time.
func (e *failure) Error() string { return fmt.Sprintf(e.format, e.args...) }

// Unwrap returns the error among the arguments, nil where there is none: a library may say more of one that errors.Is can tell.
func (e *failure) Unwrap() error {
	for _, a := range e.args {
		if err, ok := a.(error); ok {
			return err
		}
	}
	return nil
}

// NoSuchOverload returns the first of args that is an error, and otherwise the error of arguments of the wrong types.
//
//go:noinline
func NoSuchOverload(args ...Value) Value {
	for _, v := range args {
		if v.kind == Error {
			return v
		}
	}
	return Fail(errOverload)
}

// Bool, Int, Uint, Double, Str, Bytes, Time, Duration, Ref, Err and Optional return what a value of that kind is; of any other
// kind, nothing that means anything.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// isFalse reports whether v is false; to compare with False takes longer.
func (v Value) isFalse() bool { return v.kind == Bool && v.num == 0 }

// Int returns an int.
func (v Value) Int() int64 { return int64(v.num) }

// Uint returns a uint.
func (v Value) Uint() uint64 { return v.num }

// Double returns a double.
func (v Value) Double() float64 { return math.Float64frombits(v.num) }

// Str returns a string.
func (v Value) Str() string { s, _ := v.ref.(string); return s }

// Bytes returns bytes, which the caller does not change.
func (v Value) Bytes() []byte { b, _ := v.ref.([]byte); return b }

// Time returns a timestamp.
func (v Value) Time() time.Time { t, _ := v.ref.(time.Time); return t }

// Duration returns a duration.
func (v Value) Duration() time.Duration { return time.Duration(v.num) }

// Ref returns what the library of an opaque value owns.
func (v Value) Ref() any { return v.ref }

// Err returns the error that v is, nil for any other kind.
func (v Value) Err() error {
	if v.kind != Error {
		return nil
	}
	err, _ := v.ref.(error)
	return err
}

// IsOptional reports whether v is an optional, with a value or without.
//
//go:noinline
func (v Value) IsOptional() bool { return v.kind == Opaque && v.typ == optionalType }

// Optional returns the value of an optional; ok is false for the empty one, and for what is no optional.
//
//go:noinline
func (v Value) Optional() (value Value, ok bool) {
	if !v.IsOptional() || v.ref == nil {
		return Value{}, false
	}
	return v.ref.(Value), true
}

// Type returns the type of v at run time, which knows no items, keys and fields.
//
//go:noinline
func (v Value) Type() *Type {
	switch v.kind {
	case Null:
		return NullType
	case Bool:
		return BoolType
	case Int:
		return IntType
	case Uint:
		return UintType
	case Double:
		return DoubleType
	case String:
		return StringType
	case Bytes:
		return BytesType
	case Timestamp:
		return TimestampType
	case Duration:
		return DurationType
	case List:
		return listType
	case Map:
		return mapType
	case TypeKind:
		return TypeType
	case Object, Opaque:
		if v.typ != nil {
			return v.typ
		}
	}
	return ErrorType
}

// Size returns how long v is for costs: code points, bytes, items, entries, what a library says, and 1 for everything else.
// (actualSize in interpreter/runtimecost.go.) It is counted at each look: a string does not know how many code
// points it has.
func (v Value) Size() uint64 {
	switch v.kind {
	case String, Bytes, List, Map:
		return uint64(v.Len())
	case Opaque:
		// A library's value is as long as it says; an optional as long as what it has.
		if o, ok := v.ref.(Owned); ok {
			return o.Size()
		}
		if o, ok := v.Optional(); ok {
			return o.Size()
		}
	}
	return 1
}

// Len returns the number of items, entries, bytes, or code points of a string; 0 for everything else. An object of a schema is as
// long as the tree has keys, also those that the schema does not know.
//
//go:noinline
func (v Value) Len() int {
	switch ref := v.ref.(type) {
	case string:
		return utf8.RuneCountInString(ref)
	case []byte:
		return len(ref)
	case []any:
		return len(ref)
	case []Value:
		return len(ref)
	case *rope:
		return ref.size
	case *growing:
		return len(ref.items)
	case map[string]any:
		return len(ref)
	case *mapping:
		return len(ref.keys)
	}
	return 0
}

// IsZero reports whether v is the zero value of its type: false, 0, "", an empty list. Opaque values say it themselves by a
// method IsZero; those that have none are never zero.
// It is what optional.ofNonZeroValue asks (traits.Zeroer).
func (v Value) IsZero() bool {
	switch v.kind {
	case Null:
		return true
	case Bool, Int, Uint, Duration:
		return v.num == 0
	case Double:
		return v.Double() == 0
	case Timestamp:
		return v.Time().IsZero()
	case String, Bytes:
		return v.Len() == 0
	case List, Map:
		// What has a schema is upstream's own kind of list, of which nobody knows when it is zero.
		return !v.typed() && v.Len() == 0
	case Object:
		b, ok := v.ref.(*built)
		return ok && len(b.names) == 0
	case Opaque:
		z, ok := v.ref.(interface{ IsZero() bool })
		return ok && !v.IsOptional() && z.IsZero()
	}
	return false
}

// typed reports whether v is a view of a tree through a type.
// A sum of lists that has a type for its listing is none: it is no view.
func (v Value) typed() bool {
	if v.typ == nil {
		return false
	}
	switch v.ref.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}
