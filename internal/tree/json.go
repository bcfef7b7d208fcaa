package tree

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON of objects. Objects are map[string]any, lists []any; numbers are int64 where the
// text is an integer that fits, else float64; that is how upstream's unstructured
// objects are, and what ParseYAML gives. The standard library's decoder neither tells of
// repeated keys nor bounds the depth, and reads maps several times slower.

// MaxDepth bounds how deep collections may nest, and with it the stack.
const MaxDepth = 1000

// ParseJSON reads one JSON text (RFC 8259). repeated is the paths of keys that stood in
// an object before, in order, as upstream writes them: spec.items[0].size; the last value
// counts. Errors say what is wrong and at which byte, in the words of encoding/json where
// it has some. data is not kept, and may be changed afterwards.
func ParseJSON(data []byte) (v any, repeated []string, err error) {
	r := jsonReader{src: string(data)}
	if v, err = r.document(); err == nil && r.twice {
		// Paths are kept only when a text turned out to have something to tell of.
		r = jsonReader{src: r.src, paths: true}
		v, err = r.document()
	}
	return v, r.repeated, err
}

// ParseJSONObject is ParseJSON for a text that must be an object.
func ParseJSONObject(data []byte) (map[string]any, []string, error) {
	v, repeated, err := ParseJSON(data)
	if err != nil {
		return nil, nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("json: cannot unmarshal %s into Go value of type map[string]interface {}", TypeName(v))
	}
	return o, repeated, nil
}

// TypeName is what encoding/json calls the type of a value.
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case string:
		return "string"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "number"
}

// jsonReader is a position in a text. Strings without escapes are parts of the text, so
// they cost no memory of their own.
type jsonReader struct {
	src      string
	pos      int
	depth    int
	twice    bool     // some object has a key twice
	paths    bool     // path and repeated are kept
	path     []byte   // of the value at pos
	repeated []string // at most 100
}

var errJSONEnd = errors.New("unexpected end of JSON input")

func (r *jsonReader) document() (any, error) {
	r.space()
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.space(); r.pos < len(r.src) {
		return nil, r.unexpected("after top-level value")
	}
	return v, nil
}

func (r *jsonReader) space() {
	for r.pos < len(r.src) {
		switch r.src[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *jsonReader) unexpected(where string) error {
	if r.pos >= len(r.src) {
		return errJSONEnd
	}
	return fmt.Errorf("invalid character %s %s (byte %d)", quoteJSONByte(r.src[r.pos]), where, r.pos+1)
}

func quoteJSONByte(c byte) string {
	switch c {
	case '\'':
		return `'\''`
	case '"':
		return `'"'`
	}
	s := strconv.Quote(string(rune(c)))
	return "'" + s[1:len(s)-1] + "'"
}

func (r *jsonReader) value() (any, error) {
	if r.pos >= len(r.src) {
		return nil, errJSONEnd
	}
	switch c := r.src[r.pos]; c {
	case '{', '[':
		if r.depth++; r.depth > MaxDepth {
			return nil, fmt.Errorf("exceeded max depth of %d", MaxDepth)
		}
		var v any
		var err error
		if c == '{' {
			v, err = r.object()
		} else {
			v, err = r.array()
		}
		r.depth--
		return v, err
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return r.number()
		}
	}
	return nil, r.unexpected("looking for beginning of value")
}

func (r *jsonReader) word(w string) error {
	for i := range len(w) {
		if r.pos >= len(r.src) {
			return errJSONEnd
		}
		if r.src[r.pos] != w[i] {
			return r.unexpected("in literal " + w + " (expecting " + quoteJSONByte(w[i]) + ")")
		}
		r.pos++
	}
	return nil
}

func (r *jsonReader) object() (any, error) {
	o := map[string]any{}
	r.pos++
	if r.space(); r.pos < len(r.src) && r.src[r.pos] == '}' {
		r.pos++
		return o, nil
	}
	outer := len(r.path)
	for {
		if r.pos >= len(r.src) || r.src[r.pos] != '"' {
			return nil, r.unexpected("looking for beginning of object key string")
		}
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		if r.space(); r.pos >= len(r.src) || r.src[r.pos] != ':' {
			return nil, r.unexpected("after object key")
		}
		r.pos++
		r.space()
		if r.paths {
			r.enterKey(o, key)
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		before := len(o)
		o[key] = v
		r.twice = r.twice || len(o) == before
		r.path = r.path[:outer]
		r.space()
		switch {
		case r.pos < len(r.src) && r.src[r.pos] == ',':
			r.pos++
			r.space()
		case r.pos < len(r.src) && r.src[r.pos] == '}':
			r.pos++
			return o, nil
		default:
			return nil, r.unexpected("after object key:value pair")
		}
	}
}

// enterKey makes path that of key in o, which it is in.
func (r *jsonReader) enterKey(o map[string]any, key string) {
	if len(r.path) > 0 {
		r.path = append(r.path, '.')
	}
	r.path = append(r.path, key...)
	if _, twice := o[key]; twice && len(r.repeated) < 100 {
		r.repeated = append(r.repeated, string(r.path))
	}
}

func (r *jsonReader) array() (any, error) {
	a := []any{}
	r.pos++
	if r.space(); r.pos < len(r.src) && r.src[r.pos] == ']' {
		r.pos++
		return a, nil
	}
	outer := len(r.path)
	for {
		if r.paths {
			r.path = append(strconv.AppendInt(append(r.path, '['), int64(len(a)), 10), ']')
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		r.path = r.path[:outer]
		a = append(a, v)
		r.space()
		switch {
		case r.pos < len(r.src) && r.src[r.pos] == ',':
			r.pos++
			r.space()
		case r.pos < len(r.src) && r.src[r.pos] == ']':
			r.pos++
			return a, nil
		default:
			return nil, r.unexpected("after array element")
		}
	}
}

// number is an int64 where the text is an integer that fits, else a float64; a number
// beyond float64 is refused.
func (r *jsonReader) number() (any, error) {
	start, whole := r.pos, true
	digits := func() error {
		first := r.pos
		for r.pos < len(r.src) && r.src[r.pos] >= '0' && r.src[r.pos] <= '9' {
			r.pos++
		}
		if r.pos == first {
			return r.unexpected("in numeric literal")
		}
		return nil
	}
	if r.src[r.pos] == '-' {
		r.pos++
	}
	if r.pos < len(r.src) && r.src[r.pos] == '0' {
		r.pos++
	} else if err := digits(); err != nil {
		return nil, err
	}
	if r.pos < len(r.src) && r.src[r.pos] == '.' {
		whole = false
		r.pos++
		if err := digits(); err != nil {
			return nil, err
		}
	}
	if r.pos < len(r.src) && (r.src[r.pos] == 'e' || r.src[r.pos] == 'E') {
		whole = false
		if r.pos++; r.pos < len(r.src) && (r.src[r.pos] == '+' || r.src[r.pos] == '-') {
			r.pos++
		}
		if err := digits(); err != nil {
			return nil, err
		}
	}
	text := r.src[start:r.pos]
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if len(text) > 40 {
			text = text[:40] + "..."
		}
		return nil, fmt.Errorf("json: cannot unmarshal number %s into Go value of type float64", text)
	}
	return f, nil
}

// text reads a string. Each byte of invalid UTF-8, and a lone surrogate, becomes U+FFFD
// (encoding/json).
func (r *jsonReader) text() (string, error) {
	r.pos++
	start, plain := r.pos, true
	for {
		r.pos += jsonPlain(r.src[r.pos:])
		if r.pos >= len(r.src) {
			return "", errJSONEnd
		}
		switch c := r.src[r.pos]; {
		case c == '"':
			s := r.src[start:r.pos]
			r.pos++
			if !plain {
				s = JSONUTF8(s)
			}
			return s, nil
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			return "", r.unexpected("in string literal")
		default: // of a longer character, which have their like beside them
			for plain = false; r.pos < len(r.src) && r.src[r.pos] >= utf8.RuneSelf; r.pos++ {
			}
		}
	}
}

// jsonPlain is how many bytes of s, at its beginning, stand for themselves in a string
// and are ASCII. It looks at eight at a time.
func jsonPlain(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		// The top bit of the first byte that is a quote, a backslash, below a space or not
		// ASCII is set; bits above it may be set for nothing.
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		hit := (w | (w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// JSONUTF8 is s with every byte that is not UTF-8 replaced.
func JSONUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func (r *jsonReader) escaped(start int) (string, error) {
	b := append(make([]byte, 0, r.pos-start+64), r.src[start:r.pos]...)
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; {
		case c == '"':
			r.pos++
			return JSONUTF8(string(b)), nil
		case c < ' ':
			return "", r.unexpected("in string literal")
		case c >= utf8.RuneSelf:
			b = append(b, c)
			r.pos++
		case c != '\\':
			n := jsonPlain(r.src[r.pos:])
			b = append(b, r.src[r.pos:r.pos+n]...)
			r.pos += n
		default:
			r.pos++
			if r.pos >= len(r.src) {
				return "", errJSONEnd
			}
			if r.src[r.pos] == 'u' {
				c, err := r.unicodeEscape()
				if err != nil {
					return "", err
				}
				b = utf8.AppendRune(b, c)
				continue
			}
			i := strings.IndexByte(`"\/bfnrt`, r.src[r.pos])
			if i < 0 {
				return "", r.unexpected("in string escape code")
			}
			b = append(b, "\"\\/\b\f\n\r\t"[i])
			r.pos++
		}
	}
	return "", errJSONEnd
}

// unicodeEscape reads uXXXX, and the second half of a surrogate pair.
func (r *jsonReader) unicodeEscape() (rune, error) {
	c, err := r.hex()
	if err != nil || !utf16.IsSurrogate(c) {
		return c, err
	}
	before := r.pos
	if r.pos+1 < len(r.src) && r.src[r.pos] == '\\' && r.src[r.pos+1] == 'u' {
		r.pos++
		low, err := r.hex()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
			return pair, nil
		}
		r.pos = before
	}
	return utf8.RuneError, nil
}

func (r *jsonReader) hex() (rune, error) {
	r.pos++
	var c rune
	for range 4 {
		if r.pos >= len(r.src) {
			return 0, errJSONEnd
		}
		d := r.src[r.pos]
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d|0x20 >= 'a' && d|0x20 <= 'f':
			d = d | 0x20 - 'a' + 10
		default:
			return 0, r.unexpected("in \\u hexadecimal character escape")
		}
		c = c<<4 | rune(d)
		r.pos++
	}
	return c, nil
}

// Reading values whose types are not sure.

// At is v[path...], nil where something on the way is no object or is not there.
func At(v any, path ...string) any {
	for _, key := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[key]
	}
	return v
}

// Text is v[path...] as a string, "" where it is none.
func Text(v any, path ...string) string {
	s, _ := At(v, path...).(string)
	return s
}

// Object is v[path...] as an object, nil (which can be read) where it is none.
func Object(v any, path ...string) map[string]any {
	o, _ := At(v, path...).(map[string]any)
	return o
}

// List is v[path...] as a list, nil where it is none.
func List(v any, path ...string) []any {
	l, _ := At(v, path...).([]any)
	return l
}

// Set sets v[path...] and makes the objects on the way.
func Set(v map[string]any, value any, path ...string) {
	for _, key := range path[:len(path)-1] {
		o, ok := v[key].(map[string]any)
		if !ok {
			o = map[string]any{}
			v[key] = o
		}
		v = o
	}
	v[path[len(path)-1]] = value
}

// Copy is a copy that shares nothing that can change.
func Copy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for k, e := range v {
			o[k] = Copy(e)
		}
		return o
	case []any:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = Copy(e)
		}
		return a
	}
	return v
}

// Equal compares values; an int64 equals the float64 of the same number.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case int64:
		if f, ok := b.(float64); ok {
			return float64(a) == f
		}
	case float64:
		if n, ok := b.(int64); ok {
			return a == float64(n)
		}
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func SortedKeys(o map[string]any) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Strings is the strings of a list.
func Strings(list []any) []string {
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Float is a number as a float64.
func Float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func True(v any) bool { b, _ := v.(bool); return b }

// Metadata is obj's metadata, made where there is none.
func Metadata(obj map[string]any) map[string]any {
	m, ok := obj["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		obj["metadata"] = m
	}
	return m
}

// Name is the name that messages give an object: generateName has a mark behind it.
func Name(obj map[string]any) string { return Text(obj, "metadata", "name") }
