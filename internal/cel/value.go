package cel

import (
	"fmt"
	"math"
	"time"
)

// Value is a value of CEL, a view of a tree where it comes from one: nothing is copied, and nothing is allocated to look at a
// field. The zero Value is an error without a text. A Value is immutable and may be used concurrently as long as nobody changes
// the tree below it.
type Value struct {
	kind Kind
	num  uint64 // a bool, an int, a uint, the bits of a double, the nanoseconds of a duration
	ref  any    // everything else: see the functions that make it
	typ  *Type  // the declared type of a list, map or object that is a view of a tree; that of an opaque value; nil: none
}

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// NullValue, True and False are values.
var (
	NullValue = Value{kind: Null}
	False     = Value{kind: Bool}
	True      = Value{kind: Bool, num: 1}
)

// BoolOf returns b.
func BoolOf(b bool) Value {
	if b {
		return True
	}
	return False
}

// IntOf returns n.
func IntOf(n int64) Value { return Value{kind: Int, num: uint64(n)} }

// UintOf returns n.
func UintOf(n uint64) Value { return Value{kind: Uint, num: n} }

// DoubleOf returns f.
func DoubleOf(f float64) Value { return Value{kind: Double, num: math.Float64bits(f)} }

// StringOf returns s.
func StringOf(s string) Value { return Value{kind: String, ref: s} }

// BytesOf returns b, which nobody changes from now on.
func BytesOf(b []byte) Value { return Value{kind: Bytes, ref: b} }

// TimestampOf returns t.
func TimestampOf(t time.Time) Value { return Value{kind: Timestamp, ref: t} }

// DurationOf returns d.
func DurationOf(d time.Duration) Value { return Value{kind: Duration, num: uint64(d)} }

// ListValue returns a list of values, which nobody changes from now on.
func ListValue(items []Value) Value { return Value{kind: List, ref: items} }

// OpaqueValue returns a value of a library's type, which owns what ref is.
func OpaqueValue(t *Type, ref any) Value { return Value{kind: Opaque, ref: ref, typ: t} }

// TypeValue returns a type as a value.
func TypeValue(t *Type) Value { return Value{kind: TypeKind, ref: t} }

// Fail returns an error as a value. Operators pass it on; || and && may absorb it.
func Fail(err error) Value { return Value{kind: Error, ref: err} }

// Failf is Fail with a text.
func Failf(format string, args ...any) Value { return Fail(fmt.Errorf(format, args...)) }

// Bool, Int, Uint, Double, Str, Bytes, Time, Duration, Ref and Err return what a value of that kind is; of any other kind, the
// zero value.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// Int returns an int.
func (v Value) Int() int64 { return int64(v.num) }

// Uint returns a uint.
func (v Value) Uint() uint64 { return v.num }

// Double returns a double.
func (v Value) Double() float64 { return math.Float64frombits(v.num) }

// Str returns a string.
func (v Value) Str() string { s, _ := v.ref.(string); return s }

// Err returns the error that v is, nil for any other kind.
func (v Value) Err() error {
	if v.kind != Error {
		return nil
	}
	err, _ := v.ref.(error)
	return err
}

// Ref returns what the library of an opaque value owns.
func (v Value) Ref() any { return v.ref }
