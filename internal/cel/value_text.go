package cel

import (
	"fmt"
	"strconv"
	"strings"
)

// String returns v as messages have it: strings as they are, lists and maps with their parts, as upstream's errors print values.
// It is for people; string(x) of an expression is Convert.
//
//go:noinline
func (v Value) String() string {
	var b strings.Builder
	v.print(&b)
	return b.String()
}

// maxText is how many bytes of a list or a map a message may have: more would be out of proportion to any mistake.
const maxText = 1 << 16

// print writes v.
// It is what Go's fmt makes of cel-go's values, in whose errors it is seen: durations as Go prints them, bytes as
// a list of numbers. Maps come in the order of Entries.
func (v Value) print(b *strings.Builder) {
	// A list may hold itself many times over by a few additions, and would never be printed to its end.
	if b.Len() > maxText {
		return
	}
	switch v.kind {
	case Null:
		b.WriteByte('0') // upstream's null is an enum of that value
	case Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case Int:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case Uint:
		b.WriteString(strconv.FormatUint(v.num, 10))
	case Double:
		// As %v: 1 for 1.0, +Inf, and large ones with an exponent.
		fmt.Fprint(b, v.Double())
	case String:
		b.WriteString(v.Str())
	case Bytes:
		fmt.Fprint(b, v.Bytes())
	case Timestamp:
		b.WriteString(v.Time().String())
	case Duration:
		b.WriteString(v.Duration().String())
	case TypeKind:
		b.WriteString(v.ref.(*Type).TypeName())
	case Error:
		fmt.Fprint(b, v.ref)
	case List:
		b.WriteByte('[')
		v.Entries(func(i, item Value) bool {
			if i.num > 0 {
				b.WriteString(", ")
			}
			item.print(b)
			return b.Len() < maxText
		})
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		first := true
		v.Entries(func(key, value Value) bool {
			if !first {
				b.WriteString(", ")
			}
			first = false
			key.print(b)
			b.WriteString(": ")
			value.print(b)
			return b.Len() < maxText
		})
		b.WriteByte('}')
	default:
		v.printOpaque(b)
	}
}

// printOpaque writes optionals, objects and values of libraries, which may have a method String.
func (v Value) printOpaque(b *strings.Builder) {
	if v.IsOptional() {
		o, ok := v.Optional()
		if !ok {
			b.WriteString("optional.none()")
			return
		}
		b.WriteString("optional(")
		o.print(b)
		b.WriteByte(')')
		return
	}
	// A library that says how its values are shown is believed; of the others only the type is known.
	if s, ok := v.ref.(fmt.Stringer); ok {
		b.WriteString(s.String())
		return
	}
	b.WriteString(v.Type().TypeName())
	b.WriteString("{}")
}
