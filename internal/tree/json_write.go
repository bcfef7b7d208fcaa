package tree

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file writes JSON byte for byte as json.Marshal writes the same values, so that an
// object looks the same whether it went through here or through a struct with tags. It
// only takes a fraction of the time, and no memory but the result. What that means:
//
//   - Keys are sorted by their bytes, so equal trees have equal texts, and a hash of the
//     text can tell whether an object changed.
//   - <, > and & are escaped (\u003c), as are U+2028 and U+2029: the text may stand in a
//     page or a script. Upstream's answers have it so.
//   - A whole float64 has no fraction: 2.0 is written 2 and reads back as an int64. Equal
//     takes both for the same, unless it is beyond 2^53 and its shortest text, with zeros at
//     the end, is another integer.
//   - Infinities and NaN, which no reader here gives, become null; json.Marshal refuses them.

// AppendJSON appends v in one line to b and returns the extended slice. v is a tree; int
// and []string are taken as well, for what callers build themselves. A value of any other
// type is a defect of the caller and becomes null: the writer has no error to return.
func AppendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return AppendJSONString(b, v)
	case map[string]any:
		return appendJSONObject(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendJSON(b, e)
		}
		return append(b, ']')
	case int64:
		return strconv.AppendInt(b, v, 10)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case float64:
		return appendJSONFloat(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case Raw:
		return append(b, v...)
	case []string:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendJSONString(b, e)
		}
		return append(b, ']')
	}
	return append(b, "null"...)
}

// fewMembers is how many members an object may have to be written without memory of its
// own. Nearly all have fewer.
const fewMembers = 12

// jsonMember is a member of an object. The writers collect and sort members, not keys,
// because that costs less than to look each value up again.
type jsonMember struct {
	key   string
	value any
}

// appendJSONObject appends o with its keys sorted.
func appendJSONObject(b []byte, o map[string]any) []byte {
	// The array must not escape to the heap, so the slice may go to no function that keeps it.
	var few [fewMembers]jsonMember
	members := few[:0]
	if len(o) > len(few) {
		members = make([]jsonMember, 0, len(o))
	}
	for k, v := range o {
		members = append(members, jsonMember{k, v})
	}
	sortMembers(members)
	b = append(b, '{')
	for i := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendJSONString(b, members[i].key), ':')
		b = AppendJSON(b, members[i].value)
	}
	return append(b, '}')
}

// sortMembers sorts m by key. Keys are distinct, so no order among equals is promised.
func sortMembers(m []jsonMember) {
	if len(m) > fewMembers {
		slices.SortFunc(m, func(a, b jsonMember) int { return strings.Compare(a.key, b.key) })
		return
	}
	// Few members are put in place here: a call for each comparison would cost more.
	for i := 1; i < len(m); i++ {
		for j := i; j > 0 && m[j].key < m[j-1].key; j-- {
			m[j], m[j-1] = m[j-1], m[j]
		}
	}
}

// appendJSONFloat appends f in the shortest form that reads back as f, with an exponent
// where encoding/json and ECMAScript write one: below 1e-6 and from 1e21 on.
func appendJSONFloat(b []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(b, "null"...)
	}
	format, abs := byte('f'), math.Abs(f)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	// strconv writes at least two digits of an exponent, e-07; ECMAScript writes e-7.
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s in double quotes as encoding/json writes it: <, > and & are
// escaped, and a byte that is not UTF-8 becomes an escaped U+FFFD.
func AppendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	// What needs no escape is copied in runs: s[start:i] is what was passed since the last
	// one. Characters beyond ASCII belong to the runs, and are only looked at.
	start := 0
	for i := 0; i < len(s); {
		if i += unescapedPrefix(s[i:]); i == len(s) {
			break
		}
		if c := s[i]; c < utf8.RuneSelf {
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029': // line ends in scripts, though not in JSON
			b = append(append(b, s[start:i]...), '\\', 'u', '2', '0', '2', hexDigits[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

// appendEscape appends the escape sequence of an ASCII character that cannot stand for
// itself.
func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// unescapedPrefix returns how many bytes at the beginning of s are written as they are and
// are ASCII. It looks at eight at a time, as plainPrefix does.
func unescapedPrefix(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// Less and greater than differ in one bit, as do quote and ampersand: with that bit
		// set in all bytes, one comparison finds both.
		angle, quote, slash := (w|ones*2)^(ones*'>'), (w|ones*4)^(ones*'&'), w^(ones*'\\')
		hit := (w | (w-ones*' ')&^w | (angle-ones)&^angle | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(s) && unescaped(s[i]) {
		i++
	}
	return i
}

// unescaped reports whether c is ASCII and is written as it is.
func unescaped(c byte) bool {
	return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}
