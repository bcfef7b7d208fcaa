package tree

import (
	"errors"
	"fmt"
	"strconv"
)

// This file reads JSON (RFC 8259): one method of jsonReader for each production, from
// front to back, without going back. There are two reasons not to use encoding/json. It
// does not tell of repeated keys, which fieldValidation=Strict and =Warn must name; and it
// takes several times as long for maps.
//
// What it takes and refuses is what encoding/json takes and refuses, in the same words,
// because clients show them; tests compare the two. Its words leave out
// which part of a number is wrong, and a text that ends inside of a token just ends. What
// may surprise:
//
//   - The last value of a repeated key counts. The paths of repeated keys cost time, so
//     the first pass only notes that there is one, and then the text is read again.
//   - A number with a fraction or an exponent is a float64 even if it is whole: 2.0, 1e3.
//     An integer beyond int64 is one too, and loses its last digits. -0 is the int64 0.
//   - The strings of a tree are substrings of one copy of the text (json_string.go), so
//     whoever keeps one small string keeps the whole text in memory.
//   - A byte order mark is no white space, and is refused.

// MaxDepth bounds how deep objects and lists may nest, and with it the stack of everything
// that walks a tree by recursion.
const MaxDepth = 1000

// maxRepeated bounds how many repeated keys one text is told of: a client could send a
// megabyte of them, and each becomes a warning with a path.
const maxRepeated = 100

// ParseJSON reads one JSON text with nothing but white space around it. repeated has a
// path for each time that a key came again in its object, in the order of the text, the
// first hundred, as upstream writes them: spec.items[0].size. Errors say what is wrong in
// the words of encoding/json where it has some; they are fit for the client. data is not kept and may be changed afterwards.
func ParseJSON(data []byte) (v any, repeated []string, err error) {
	r := jsonReader{src: string(data)}
	if v, err = r.document(); err == nil && r.hasRepeated {
		// Repeated keys are a mistake and rare, so the second pass is cheaper than to keep
		// the path of each value in every first one.
		r = jsonReader{src: r.src, keepPaths: true}
		v, err = r.document()
	}
	return v, r.repeated, err
}

// ParseJSONObject is ParseJSON for a text that must be an object, not null.
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

// TypeName returns what the errors of encoding/json call the type of v. It is "number" for
// whatever is nothing else.
func TypeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case Raw:
		return TypeName(Expand(v))
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

// ParseJSONMerged is ParseJSON for a text that Go's decoder would read into a struct: where a key comes
// again and both values are objects, they are merged, the later members over the earlier ones.
func ParseJSONMerged(data []byte) (v any, repeated []string, err error) {
	r := jsonReader{src: string(data), merge: true}
	if v, err = r.document(); err == nil && r.hasRepeated {
		r = jsonReader{src: r.src, keepPaths: true, merge: true}
		v, err = r.document()
	}
	return v, r.repeated, err
}

// JSONKeys calls f with the path of each key in a JSON text, in their order, and whether it came in
// its object before. The path is f's for the call only. An error in the text ends it.
func JSONKeys(data []byte, f func(path []byte, repeated bool)) {
	r := jsonReader{src: string(data), keepPaths: true, onKey: f}
	_, _ = r.document()
}

// mergeInto puts the members of src into dst, and merges objects that both have.
func mergeInto(dst, src map[string]any) {
	for k, v := range src {
		if have, ok := dst[k].(map[string]any); ok {
			if o, ok := v.(map[string]any); ok {
				mergeInto(have, o)
				continue
			}
		}
		dst[k] = v
	}
}

// jsonReader is a position in a text. Its methods read one production that begins at pos
// and leave pos behind it. After an error the reader is of no further use.
type jsonReader struct {
	src   string
	pos   int
	depth int // objects and lists around pos

	// hasRepeated says that some object has a key twice.
	hasRepeated bool

	// rawFrom and rawTo are where a value is that is kept as Raw; 0 is no such value.
	rawFrom, rawTo int

	// merge says that the objects of a repeated key are merged.
	merge bool

	// keepPaths says that path, of the value at pos, and repeated are wanted; onKey, if any, is
	// told of each key as well.
	keepPaths bool
	onKey     func(path []byte, repeated bool)
	path      []byte
	repeated  []string
}

// errJSONEnd is returned, unwrapped, for a text that ends too early, an empty one included.
var errJSONEnd = errors.New("unexpected end of JSON input")

// document reads the whole text.
func (r *jsonReader) document() (any, error) {
	r.skipSpace()
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.skipSpace(); r.pos < len(r.src) {
		return nil, r.unexpected("after top-level value")
	}
	return v, nil
}

// skipSpace moves over the four characters that are white space in JSON. Form feeds and
// no-break spaces are none (RFC 8259, section 2).
func (r *jsonReader) skipSpace() {
	for r.pos < len(r.src) {
		switch r.src[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// unexpected returns the error for the byte at pos, or for the end of the text. where
// follows the quoted byte.
func (r *jsonReader) unexpected(where string) error {
	if r.pos >= len(r.src) {
		return errJSONEnd
	}
	return fmt.Errorf("invalid character %s %s", quoteJSONByte(r.src[r.pos]), where)
}

// quoteJSONByte quotes a byte as encoding/json does: as the character of that number, in
// single quotes. A byte of a longer character is shown as a character of its own, the
// first one of é as 'Ã'.
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

// value reads any value; pos is at its first byte.
func (r *jsonReader) value() (any, error) {
	if r.pos >= len(r.src) {
		return nil, errJSONEnd
	}
	if r.pos == r.rawFrom && r.rawTo > 0 {
		r.pos = r.rawTo
		return Raw(r.src[r.rawFrom:r.rawTo]), nil
	}
	switch c := r.src[r.pos]; c {
	case '{', '[':
		// The words are after encoding/json's, whose bound is ten times as high.
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
		return true, r.literal("true")
	case 'f':
		return false, r.literal("false")
	case 'n':
		return nil, r.literal("null")
	default:
		if c == '-' || isDigit(c) {
			return r.number()
		}
	}
	return nil, r.unexpected("looking for beginning of value")
}

// literal reads the word w, whose first letter is at pos. A letter behind it is refused by
// the caller, who expects a comma, a bracket or the end there.
func (r *jsonReader) literal(w string) error {
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

// object reads an object; pos is at its brace.
func (r *jsonReader) object() (any, error) {
	o := map[string]any{}
	r.pos++
	if r.skipSpace(); r.pos < len(r.src) && r.src[r.pos] == '}' {
		r.pos++
		return o, nil
	}
	outer := len(r.path)
	for {
		// A brace is no key: a comma must be followed by another member.
		if r.pos >= len(r.src) || r.src[r.pos] != '"' {
			return nil, r.unexpected("looking for beginning of object key string")
		}
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		if r.skipSpace(); r.pos >= len(r.src) || r.src[r.pos] != ':' {
			return nil, r.unexpected("after object key")
		}
		r.pos++
		r.skipSpace()
		// The path is told before the value is read, so that a repeated key comes before
		// the repeated keys inside of its value.
		if r.keepPaths {
			r.enterKey(o, key)
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		// The size tells whether the key was there. That spares a lookup for each member.
		before := len(o)
		if have, ok := r.mergeable(o, key); ok {
			if more, ok := v.(map[string]any); ok {
				mergeInto(have, more)
				v = have
			}
		}
		o[key] = v
		r.hasRepeated = r.hasRepeated || len(o) == before
		r.path = r.path[:outer]
		r.skipSpace()
		switch {
		case r.pos < len(r.src) && r.src[r.pos] == ',':
			r.pos++
			r.skipSpace()
		case r.pos < len(r.src) && r.src[r.pos] == '}':
			r.pos++
			return o, nil
		default:
			return nil, r.unexpected("after object key:value pair")
		}
	}
}

// mergeable returns the object that o has under the key, if it is to be merged with the next one.
// Only the second pass looks: in the first, which most texts end with, no key is known to repeat.
func (r *jsonReader) mergeable(o map[string]any, key string) (map[string]any, bool) {
	if !r.merge || !r.keepPaths {
		return nil, false
	}
	have, ok := o[key].(map[string]any)
	return have, ok
}

// enterKey adds key to path, which is that of o, and notes it if o has it already. A key
// that contains a dot is not quoted (upstream), so a path can be ambiguous.
func (r *jsonReader) enterKey(o map[string]any, key string) {
	if len(r.path) > 0 {
		r.path = append(r.path, '.')
	}
	r.path = append(r.path, key...)
	_, again := o[key]
	if again && len(r.repeated) < maxRepeated {
		r.repeated = append(r.repeated, string(r.path))
	}
	if r.onKey != nil {
		r.onKey(r.path, again)
	}
}

// array reads a list; pos is at its bracket.
func (r *jsonReader) array() (any, error) {
	a := []any{}
	r.pos++
	if r.skipSpace(); r.pos < len(r.src) && r.src[r.pos] == ']' {
		r.pos++
		return a, nil
	}
	outer := len(r.path)
	for {
		// The index is that of the element about to be read.
		if r.keepPaths {
			r.path = append(strconv.AppendInt(append(r.path, '['), int64(len(a)), 10), ']')
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		r.path = r.path[:outer]
		a = append(a, v)
		r.skipSpace()
		switch {
		case r.pos < len(r.src) && r.src[r.pos] == ',':
			r.pos++
			r.skipSpace()
		case r.pos < len(r.src) && r.src[r.pos] == ']':
			r.pos++
			return a, nil
		default:
			return nil, r.unexpected("after array element")
		}
	}
}

// number reads a number and gives it its type. One that is too large for a float64 is
// refused, as in encoding/json; one that is too small becomes 0.
func (r *jsonReader) number() (any, error) {
	start := r.pos
	whole, err := r.skipNumber()
	if err != nil {
		return nil, err
	}
	text := r.src[start:r.pos]
	// An integer that does not fit goes on as a float64.
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		// The text is the client's and may be a megabyte of digits.
		if len(text) > 40 {
			text = text[:40] + "..."
		}
		return nil, fmt.Errorf("json: cannot unmarshal number %s into Go value of type float64", text)
	}
	return f, nil
}

// skipNumber moves over a number, whose sign or first digit is at pos. whole says that it
// has neither a fraction nor an exponent.
func (r *jsonReader) skipNumber() (whole bool, err error) {
	if r.src[r.pos] == '-' {
		r.pos++
	}
	// A zero ends the integer, so that 01 is a 0 with something behind it.
	if r.pos < len(r.src) && r.src[r.pos] == '0' {
		r.pos++
	} else if err := r.skipDigits(); err != nil {
		return false, err
	}
	whole = true
	if r.pos < len(r.src) && r.src[r.pos] == '.' {
		whole = false
		r.pos++
		if err := r.skipDigits(); err != nil {
			return false, err
		}
	}
	if r.pos < len(r.src) && (r.src[r.pos] == 'e' || r.src[r.pos] == 'E') {
		whole = false
		if r.pos++; r.pos < len(r.src) && (r.src[r.pos] == '+' || r.src[r.pos] == '-') {
			r.pos++
		}
		if err := r.skipDigits(); err != nil {
			return false, err
		}
	}
	return whole, nil
}

// skipDigits moves over at least one digit.
func (r *jsonReader) skipDigits() error {
	first := r.pos
	for r.pos < len(r.src) && isDigit(r.src[r.pos]) {
		r.pos++
	}
	if r.pos == first {
		return r.unexpected("in numeric literal")
	}
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
