package cel

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// What can be converted to what is a table in two dimensions; the checker knows it as the overloads of
// standard.go, this file by what a value is, since it may have been dyn. Whatever is not in it is the error that
// names both types (ConvertToType of the types in common/types). Numbers go towards zero, and never wrap; texts
// are read as Go's strconv and time read them, with all that they allow: 0x1p-2 and 1_000 are doubles.
//
// Texts that are read take time by their length, and cost 1. The evaluator charges steps for it; see pace.

// The seconds since 1970 of the first and the last timestamp that there is: the years 1 to 9999.
const (
	minUnix = -62135596800
	maxUnix = 253402300799
)

// Convert returns v as a value of another type, as the functions do that have the names of types, or an error.
func Convert(v Value, t *Type) Value {
	// A value of the type is itself. Of opaque types and messages the kind does not say whether it is, and types
	// are asked for their type below.
	if v.kind == Error || t.Kind == v.kind && t.Kind != Opaque && t.Kind != Object && t.Kind != TypeKind {
		return v
	}
	if t.Kind == TypeKind {
		return TypeValue(v.Type())
	}
	var converted Value
	switch v.kind {
	case String:
		converted = fromString(v.Str(), t)
	case Int, Uint, Double:
		converted = fromNumber(v, t)
	// All strings of CEL are UTF-8, and bytes that are not make none.
	case Bytes:
		if t.Kind == String {
			if !utf8.Valid(v.Bytes()) {
				return Failf("invalid UTF-8 in bytes, cannot convert to string")
			}
			return StringOf(string(v.Bytes()))
		}
	case Bool:
		if t.Kind == String {
			return StringOf(strconv.FormatBool(v.Bool()))
		}
	case Null:
		if t.Kind == String {
			return StringOf("null")
		}
	case TypeKind:
		if t.Kind == String {
			return StringOf(v.ref.(*Type).TypeName())
		}
	// In the zone that the timestamp was written with: string() of +01:00 has +01:00.
	case Timestamp:
		switch t.Kind {
		case String:
			return StringOf(v.Time().Format(time.RFC3339Nano))
		case Int:
			return IntOf(v.Time().Unix())
		}
	case Duration:
		switch t.Kind {
		case String:
			// In seconds, whatever unit it was written in, and without an exponent: it is JSON's form of a
			// duration.
			return StringOf(strconv.FormatFloat(v.Duration().Seconds(), 'f', -1, 64) + "s")
		case Int:
			// In nanoseconds, unlike the string.
			return IntOf(v.Int())
		}
	}
	// The zero Value is what the functions below return for what they cannot do; an error of their own has a ref.
	if converted.ref == nil && converted.kind == Error {
		return Failf("type conversion error from '%s' to '%s'", v.Type().TypeName(), t.TypeName())
	}
	return converted
}

// fromString reads a string as another type; the zero value if it cannot be read.
func fromString(s string, t *Type) Value {
	switch t.Kind {
	case Int:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return IntOf(n)
		}
	case Uint:
		if n, err := strconv.ParseUint(s, 10, 64); err == nil {
			return UintOf(n)
		}
	case Double:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return DoubleOf(f)
		}
	case Bool:
		if b, err := strconv.ParseBool(s); err == nil {
			return BoolOf(b)
		}
	case Bytes:
		return BytesOf([]byte(s))
	case Duration:
		if d, err := time.ParseDuration(s); err == nil {
			return DurationOf(d)
		}
	case Timestamp:
		// Fractions of a second are read too, though the layout has none: time.Parse takes them anywhere.
		if at, err := time.Parse(time.RFC3339, s); err == nil {
			return timestampInRange(at)
		}
	}
	return Value{}
}

// timestampInRange returns t, or the error that there is no such timestamp.
func timestampInRange(t time.Time) Value {
	if t.Unix() < minUnix || t.Unix() > maxUnix {
		return Fail(errTimestamp)
	}
	return TimestampOf(t)
}

// fromNumber converts a number; the zero value where there is no such conversion.
func fromNumber(v Value, t *Type) Value {
	switch t.Kind {
	case Int:
		// From uint or double; int to int was answered by Convert.
		if v.kind == Uint {
			// (common/types/overflow.go, as all bounds here.)
			if v.num > math.MaxInt64 {
				return Fail(errInt)
			}
			return IntOf(v.Int())
		}
		n, err := doubleToInt(v.Double())
		if err != nil {
			return Fail(err)
		}
		return IntOf(n)
	case Uint:
		if v.kind == Int {
			if v.Int() < 0 {
				return Fail(errUint)
			}
			return UintOf(v.num)
		}
		n, err := doubleToUint(v.Double())
		if err != nil {
			return Fail(err)
		}
		return UintOf(n)
	case Double:
		// Beyond 2^53 this rounds to the nearest double, without an error.
		if v.kind == Int {
			return DoubleOf(float64(v.Int()))
		}
		return DoubleOf(float64(v.num))
	case String:
		switch v.kind {
		case Int:
			return StringOf(strconv.FormatInt(v.Int(), 10))
		case Uint:
			return StringOf(strconv.FormatUint(v.num, 10))
		}
		// The shortest text that reads as the same double: 1, not 1.0; large ones with an exponent.
		return StringOf(fmt.Sprintf("%g", v.Double()))
	case Timestamp:
		if v.kind == Int {
			// An int is seconds since 1970.
			if v.Int() < minUnix || v.Int() > maxUnix {
				return Fail(errTimestamp)
			}
			return TimestampOf(time.Unix(v.Int(), 0).UTC())
		}
	}
	return Value{}
}

// doubleToInt drops the fraction. The least int is out of range too, as upstream has it.
func doubleToInt(f float64) (int64, error) {
	if f != f || f <= math.MinInt64 || f >= math.MaxInt64 {
		return 0, errInt
	}
	return int64(f), nil
}

// doubleToUint drops the fraction.
func doubleToUint(f float64) (uint64, error) {
	if f != f || f < 0 || f >= math.MaxUint64 {
		return 0, errUint
	}
	return uint64(f), nil
}

// listIndex returns an index of a list, which may be a whole double.
// What the index is compared with, the caller knows: it may be negative, or too large (IndexOrError in
// common/types/list.go).
func listIndex(v Value) (int64, error) {
	switch v.kind {
	case Int:
		return v.Int(), nil
	// A double is an index if it is whole.
	case Double:
		if n, err := doubleToInt(v.Double()); err == nil && float64(n) == v.Double() {
			return n, nil
		}
		return 0, fmt.Errorf("unsupported index value %v in list", v)
	case Uint:
		if v.num <= math.MaxInt64 {
			return v.Int(), nil
		}
		return 0, fmt.Errorf("unsupported index value %v in list", v)
	case Error:
		return 0, v.Err()
	}
	return 0, errors.New("unsupported index type '" + v.Type().TypeName() + "' in list")
}
