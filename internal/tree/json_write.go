package tree

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendJSON appends v as JSON in one line: keys sorted, strings escaped as encoding/json
// does. v is made of what ParseJSON gives; int and []string are taken as well. Anything else
// is a defect of the caller and becomes null.
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

// jsonMember is a member of an object; they are collected with their values because
// that costs less than to look each one up again.
type jsonMember struct {
	key   string
	value any
}

func appendJSONObject(b []byte, o map[string]any) []byte {
	var room [12]jsonMember
	members := room[:0]
	if len(o) > len(room) {
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

// sortMembers sorts by key. The few members that most objects have are put in place
// without a call for each comparison.
func sortMembers(m []jsonMember) {
	if len(m) > 12 {
		slices.SortFunc(m, func(a, b jsonMember) int { return strings.Compare(a.key, b.key) })
		return
	}
	for i := 1; i < len(m); i++ {
		for j := i; j > 0 && m[j].key < m[j-1].key; j-- {
			m[j], m[j-1] = m[j-1], m[j]
		}
	}
}

// appendJSONFloat writes a float as encoding/json does.
func appendJSONFloat(b []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(b, "null"...)
	}
	format, abs := byte('f'), math.Abs(f)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

const hexDigits = "0123456789abcdef"

// jsonUnescaped is how many bytes of s, at its beginning, AppendJSONString writes as they
// are and are ASCII. It looks at eight at a time.
func jsonUnescaped(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// As in jsonPlain. Less and greater than differ in one bit, as do quote and ampersand.
		angle, quote, slash := (w|ones*2)^(ones*'>'), (w|ones*4)^(ones*'&'), w^(ones*'\\')
		hit := (w | (w-ones*' ')&^w | (angle-ones)&^angle | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(s) && jsonSafe(s[i]) {
		i++
	}
	return i
}

func jsonSafe(c byte) bool {
	return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

// AppendJSONString quotes s as encoding/json does, with <, > and & escaped.
func AppendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if i += jsonUnescaped(s[i:]); i == len(s) {
			break
		}
		c := s[i]
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[start:i]...), '\\', 'u', '2', '0', '2', hexDigits[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}
