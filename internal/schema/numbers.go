package schema

import (
	"cmp"
	"math"
	"slices"

	"apichain/internal/tree"
)

// Numbers. An object's number is an int64 when it is written without fraction and exponent and fits,
// else a float64; a schema's bounds are float64. Upstream compares a float64 with a bound as it is, and
// an int64 with what is left of the bound when its fraction is cut off: a minimum of 1.5 lets 1 pass,
// and no integer has a multipleOf of 0.5, which is a factor of 0. A bound that the type cannot hold is
// an error at each value, and is compared with that as a float64.

// maxExactInt is the largest integer up to which every one has a float64 of its own: 2^53-1.
const maxExactInt = 1<<53 - 1

// intOK reports whether an integer obeys the rules for numbers and is in the range of its type. The
// rules' own bad bounds make every number bad.
func (r *schemaRules) intOK(i int64, types schemaTypes) bool {
	return r.badBounds == nil && intInRange(i, types, r.format) && r.aboveMinimum(i) && r.belowMaximum(i) && r.isMultiple(i)
}

// floatOK reports the same for other numbers, and may be called with nil rules: the type alone has a
// range that a float64 can leave.
func (r *schemaRules) floatOK(f float64, types schemaTypes) bool {
	if r == nil {
		return numberInRange(f, types, "")
	}
	return r.badBounds == nil && numberInRange(f, types, r.format) && r.aboveMinimum(f) && r.belowMaximum(f) && r.isMultiple(f)
}

// intInRange reports whether a type and its format can hold i. Only int32 is narrower than an int64.
func intInRange(i int64, types schemaTypes, format string) bool {
	return types != typeInteger || format != "int32" || i == int64(int32(i))
}

// numberInRange reports whether a type and its format can hold f, which is a bound of a schema or a
// number of an object. Each type has the range of Go's type of that name.
func numberInRange(f float64, types schemaTypes, format string) bool {
	switch {
	case types == typeInteger && format == "int32":
		return f == math.Trunc(f) && math.Abs(f) <= 1<<31 && f != 1<<31
	case types == typeInteger:
		// 2^63 itself is the first that no int64 holds; a maximum of 9223372036854775807 is
		// 2^63 once it is a float64, so upstream refuses it. The least int64 is written -9223372036854776000 there, which is none.
		return f == math.Trunc(f) && f > -1<<63 && f < 1<<63
	case types == typeNumber && format == "float":
		return math.Abs(f) <= math.MaxFloat32
	}
	return true
}

// The bounds, as messages about a bad one begin.
const (
	boundMultiple = "MultipleOf"
	boundMinimum  = "Minimum boundary"
	boundMaximum  = "Maximum boundary"
)

// integers returns a value and a bound of the rules as the integers that are compared, if they are.
// Beyond the range of int64 the result is what the processor makes of the bound, as it is upstream.
func (r *schemaRules) integers(v any, name string, bound float64) (i, b int64, ok bool) {
	if i, ok = v.(int64); !ok || slices.Contains(r.badBounds, name) {
		return 0, 0, false
	}
	return i, int64(bound), true
}

// compareBound compares v, an int64 or a float64, with a bound and returns -1, 0 or 1.
func (r *schemaRules) compareBound(v any, name string, bound float64) int {
	if i, b, ok := r.integers(v, name, bound); ok {
		return cmp.Compare(i, b)
	}
	f, _ := tree.Float(v)
	return cmp.Compare(f, bound)
}

// aboveMinimum reports whether v, an int64 or a float64, is not below the minimum.
func (r *schemaRules) aboveMinimum(v any) bool {
	if r.minimum == nil {
		return true
	}
	c := r.compareBound(v, boundMinimum, *r.minimum)
	return c > 0 || c == 0 && !r.exclusiveMin
}

// belowMaximum reports whether v, an int64 or a float64, is not above the maximum.
func (r *schemaRules) belowMaximum(v any) bool {
	if r.maximum == nil {
		return true
	}
	c := r.compareBound(v, boundMaximum, *r.maximum)
	return c < 0 || c == 0 && !r.exclusiveMax
}

// isMultiple reports whether v, an int64 or a float64, is a multiple of multipleOf. A factor that is
// not positive has no multiples; upstream says so at each value.
func (r *schemaRules) isMultiple(v any) bool {
	if r.multiple == nil {
		return true
	}
	factor := *r.multiple
	if i, b, ok := r.integers(v, boundMultiple, factor); ok {
		return b > 0 && i%b == 0
	}
	f, _ := tree.Float(v)
	// The order of operations is upstream's and matters to the last digit: for a factor below
	// one its inverse is multiplied, which is what makes 0.07 a multiple of 0.01.
	switch {
	case factor <= 0:
		return false
	case factor < 1:
		return nearlyWhole(1 / factor * f)
	}
	return nearlyWhole(f / factor)
}

// nearlyWhole reports whether f is an integer but for what a division of floating point numbers
// costs. The rule is that of the JSON Schema library which upstream validates with (go-openapi,
// "is a JSON integer"): f is within 2^53-1 and differs from an integer other than 0 by less than 1e-9
// of that.
func nearlyWhole(f float64) bool {
	if math.IsNaN(f) || math.Abs(f) > maxExactInt {
		return false
	}
	rounded := math.Round(f)
	return f == rounded || math.Abs(f-rounded) < 1e-9*math.Abs(rounded)
}
