package tree

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// A reader for the YAML that Kubernetes users write: block and flow collections, every
// kind of scalar, comments, several documents. It reads a text once, from front to back.
// What follows the text's nesting is recursion: node reads whatever stands after a key, a
// dash or a document's start; it meets a first key or a dash and hands over to mapping
// or sequence, which read entries for as long as they begin in the same column.
//
// The one surprise is the sequence that stands in the column of its own key:
//
//	verbs:
//	- get       # belongs to verbs, though indented no deeper
//	level: None # ends the sequence, and is the mapping's next key
//
// Left out on purpose, and refused with the line: anchors and aliases (which make small
// texts large), tags, merge keys, keys that are no scalars, directives.
//
// Scalars are YAML 1.2's core types with two adjustments. Integers with a leading zero
// are octal, as kubectl takes defaultMode: 0644 (1.2 would say 644). Whatever has no JSON
// form (.inf, .nan, 1e999) is refused. yes, no, on, off, 0b11 and 1_000 are strings, as
// 1.2 has them and kubectl has not.

// yamlMaxDepth bounds how deep collections may nest, and with it the stack.
const yamlMaxDepth = 100

// ParseYAML reads the documents of data in order. Values are map[string]any, []any,
// string, bool, int64, float64 and nil, so that every result can be encoded as JSON, and
// JSON read by it gives what encoding/json gives but for int64. Integers that an int64
// cannot hold become float64. A document between two markers that holds nothing is nil; a
// text of white space and comments has no document. Errors read "yaml: line 7: …". The
// time is linear in len(data); data is not kept.
func ParseYAML(data []byte) ([]any, error) {
	r, err := newYAMLReader(data)
	if err != nil {
		return nil, err
	}
	var docs []any
	for {
		doc, found, err := r.document()
		if err != nil || !found {
			return docs, err
		}
		docs = append(docs, doc)
	}
}

// ParseYAMLObject reads the first document of data, and nothing behind it; without one
// obj is nil. Unlike with ParseYAML the last value of a repeated key counts, and repeated
// tells of each, the first hundred: line 7: key "size" already set in map.
func ParseYAMLObject(data []byte) (obj any, repeated []string, err error) {
	r, err := newYAMLReader(data)
	if err != nil {
		return nil, nil, err
	}
	r.lastCounts = true
	obj, _, err = r.document()
	return obj, r.repeated, err
}

// document reads the next document, if there is one.
func (r *yamlReader) document() (doc any, found bool, err error) {
	for r.skip(); r.marker('.'); r.skip() {
		r.pos += 3
		if err := r.endLine(); err != nil {
			return nil, false, err
		}
	}
	place := yamlRoot
	switch {
	case r.at(0) == 0:
		return nil, false, nil
	case r.marker('-'):
		r.pos += 3
		place = yamlAfterMarker
	case r.at(0) == '%' && r.pos == r.bol:
		return nil, false, r.errorf("directives are not supported")
	}
	if doc, err = r.node(-1, place); err != nil {
		return nil, false, err
	}
	if r.skip(); !r.ended() {
		return nil, false, r.errorf("%s stands outside of the document's value", r.here())
	}
	return doc, true, nil
}

// yamlReader is a position in a text. Columns are byte offsets in the line: they matter
// in the indentation only, which is spaces.
type yamlReader struct {
	src    []byte
	pos    int
	line   int // number of pos's line, from 1
	bol    int // offset of that line's first byte
	depth  int // collections around pos
	inFlow int // flow collections around pos

	lastCounts bool     // a key may come again
	repeated   []string // what is to be told of those that did
}

// yamlPlace is where a node stands.
type yamlPlace int

const (
	yamlRoot        yamlPlace = iota // a document without a marker; first in its line
	yamlAfterMarker                  // after ---
	yamlAfterKey                     // after "key:"
	yamlAfterDash                    // after "-"
)

// newYAMLReader refuses what may stand nowhere and makes every line end one byte, so that
// a zero byte can mean the end.
func newYAMLReader(data []byte) (*yamlReader, error) {
	src := bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.IndexByte(src, '\r') >= 0 {
		src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
		src = bytes.ReplaceAll(src, []byte("\r"), []byte("\n"))
	}
	r := &yamlReader{src: src, line: 1}
	for i := 0; i < len(src); {
		c, size := utf8.DecodeRune(src[i:])
		switch {
		case c == '\n':
			r.line++
		case c == utf8.RuneError && size == 1:
			return nil, r.errorf("invalid UTF-8")
		case c < ' ' && c != '\t':
			return nil, r.errorf("control character %U", c)
		}
		i += size
	}
	r.line = 1
	return r, nil
}

// node reads one value in block context: parent is the column of the collection it is
// in, -1 for a document. No value is nil. Afterwards the position is behind the value, or,
// when there was none, anywhere in the white space behind it.
func (r *yamlReader) node(parent int, place yamlPlace) (any, error) {
	line := r.line
	r.skip()
	if r.ended() {
		return nil, nil
	}
	col, first := r.column(), r.line != line || place == yamlRoot
	beside := place == yamlAfterKey && col == parent && r.dash()
	if first && col <= parent && !beside {
		return nil, nil // the token belongs to a collection further out
	}
	// A block collection begins where its column can be seen: first in a line, or compact
	// after a dash.
	block := first || place == yamlAfterDash
	var tab error
	if block {
		tab = r.noTab()
	}
	if first && parent >= 0 && tab != nil {
		return nil, tab
	}

	if c := r.at(0); c == '|' || c == '>' {
		return r.blockScalar(parent)
	}
	if r.dash() {
		if !block {
			return nil, r.errorf("a sequence must begin on a line of its own")
		}
		if tab != nil {
			return nil, tab
		}
		return r.sequence(col, beside)
	}
	line = r.line
	v, err := r.atom(parent)
	if err != nil {
		return nil, err
	}
	switch {
	case !r.colon():
		return v, r.endLine()
	case r.line != line:
		return nil, r.errorf("a key must be on one line: check the indentation, or quote the value")
	case !block:
		return nil, r.errorf("a mapping must begin on a line of its own: quote a value that contains \": \"")
	case tab != nil:
		return nil, tab
	}
	return r.mapping(col, v)
}

// mapping reads a block mapping whose keys are in column col. Its first key was read: the
// position is at the colon.
func (r *yamlReader) mapping(col int, key any) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	m := map[string]any{}
	for {
		name, err := r.newKey(m, key)
		if err != nil {
			return nil, err
		}
		r.pos++
		if m[name], err = r.node(col, yamlAfterKey); err != nil {
			return nil, err
		}
		more, err := r.next(col)
		if err != nil {
			return nil, err
		}
		if !more {
			r.depth--
			return m, nil
		}
		if r.dash() {
			return nil, r.errorf("a sequence entry stands between the keys of a mapping")
		}
		line := r.line
		if key, err = r.atom(math.MaxInt); err != nil {
			return nil, err
		}
		if line != r.line || !r.colon() {
			return nil, r.errorfAt(line, "expected \"key: value\"")
		}
	}
}

// sequence reads a block sequence whose dashes are in column col; the position is at the
// first. beside: it stands in the column of its key and ends at the next key.
func (r *yamlReader) sequence(col int, beside bool) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	list := []any{}
	for {
		r.pos++
		v, err := r.node(col, yamlAfterDash)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		more, err := r.next(col)
		if err != nil {
			return nil, err
		}
		if !more || beside && !r.dash() {
			r.depth--
			return list, nil
		}
		if !r.dash() {
			return nil, r.errorf("expected \"- \"")
		}
	}
}

// next moves to the next entry of a block collection in column col and reports whether
// there is one.
func (r *yamlReader) next(col int) (bool, error) {
	r.skip()
	if r.ended() || r.column() < col {
		return false, nil
	}
	if err := r.noTab(); err != nil {
		return false, err
	}
	if r.column() > col {
		return false, r.errorf("wrong indentation")
	}
	return true, nil
}

// atom reads a flow collection, a quoted or a plain scalar. A plain one goes on over lines
// indented deeper than parent.
func (r *yamlReader) atom(parent int) (any, error) {
	switch c := r.at(0); c {
	case '[':
		return r.flow(']')
	case '{':
		return r.flow('}')
	case '"', '\'':
		return r.quoted(c)
	case '&':
		return nil, r.errorf("anchors are not supported")
	case '*':
		return nil, r.errorf("aliases are not supported: quote a value that begins with *")
	case '!':
		return nil, r.errorf("tags are not supported")
	case '-', '?', ':':
		if !r.endsPlain(1) {
			break
		}
		if c == '?' {
			return nil, r.errorf("complex keys are not supported")
		}
		return nil, r.errorf("unexpected %s", r.here())
	case '|', '>', '@', '`', '%', '#', ',', ']', '}':
		return nil, r.errorf("a plain value cannot begin with %s", r.here())
	}
	return r.plain(parent)
}

// flow reads a flow collection up to its closing bracket. Line ends and indentation mean
// nothing in it.
func (r *yamlReader) flow(end byte) (any, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	open := r.line
	list, m := []any{}, map[string]any{}
	r.inFlow++
	r.pos++
	for {
		if err := r.skipFlow(open); err != nil {
			return nil, err
		}
		if r.at(0) == end {
			break
		}
		line := r.line
		v, err := r.atom(-1)
		if err != nil {
			return nil, err
		}
		if err := r.skipFlow(open); err != nil {
			return nil, err
		}
		pair := r.at(0) == ':'
		switch {
		case end == '}':
			err = r.pair(m, v, pair, open)
		case !pair:
			list = append(list, v)
		case r.line != line:
			err = r.errorf("a key must be on one line")
		default: // [a: b] is [{a: b}]
			one := map[string]any{}
			list = append(list, one)
			err = r.pair(one, v, pair, open)
		}
		if err != nil {
			return nil, err
		}
		if err := r.skipFlow(open); err != nil {
			return nil, err
		}
		if c := r.at(0); c == ',' {
			r.pos++
		} else if c != end {
			return nil, r.errorf("expected ',' or '%c', not %s", end, r.here())
		}
	}
	r.pos++
	r.inFlow--
	r.depth--
	if end == '}' {
		return m, nil
	}
	return list, nil
}

// pair puts a flow mapping's entry into m. Its key was read; with value the position is
// at the colon, without the entry is null.
func (r *yamlReader) pair(m map[string]any, key any, value bool, open int) error {
	name, err := r.newKey(m, key)
	if err != nil {
		return err
	}
	m[name] = nil
	if !value {
		return nil
	}
	r.pos++
	if err := r.skipFlow(open); err != nil {
		return err
	}
	if c := r.at(0); c == ',' || c == '}' || c == ']' {
		return nil
	}
	m[name], err = r.atom(-1)
	return err
}

// skipFlow is skip inside of a flow collection, which began in line open.
func (r *yamlReader) skipFlow(open int) error {
	if r.skip(); r.ended() {
		return r.errorfAt(open, "the bracket is never closed")
	}
	return nil
}

// newKey is the text of a key; scalars that are not strings are written as JSON would
// write them. A key that m has is refused, or noted.
func (r *yamlReader) newKey(m map[string]any, key any) (string, error) {
	var name string
	switch k := key.(type) {
	case string:
		name = k
	case bool:
		name = strconv.FormatBool(k)
	case int64:
		name = strconv.FormatInt(k, 10)
	case float64:
		name = strconv.FormatFloat(k, 'g', -1, 64)
	case nil:
		return "", r.errorf("null cannot be a key")
	default:
		return "", r.errorf("complex keys are not supported")
	}
	if _, ok := m[name]; ok {
		if !r.lastCounts {
			return "", r.errorf("key %q is there twice", name)
		}
		if len(r.repeated) < 100 {
			r.repeated = append(r.repeated, fmt.Sprintf("line %d: key %q already set in map", r.line, name))
		}
	}
	return name, nil
}

func (r *yamlReader) enter() error {
	if r.depth++; r.depth > yamlMaxDepth {
		return r.errorf("nested deeper than %d", yamlMaxDepth)
	}
	return nil
}

// skip moves over white space, line ends and comments to the next token.
func (r *yamlReader) skip() {
	for {
		r.spaces()
		if r.at(0) == '#' && (r.pos == r.bol || yamlBlank(r.src[r.pos-1])) {
			r.toLineEnd()
		}
		if r.at(0) != '\n' {
			return
		}
		r.newline()
	}
}

// endLine makes sure that nothing but a comment stands in the rest of the line.
func (r *yamlReader) endLine() error {
	r.spaces()
	switch c := r.at(0); {
	case c == 0 || c == '\n':
		return nil
	case c == '#' && yamlBlank(r.src[r.pos-1]):
		r.toLineEnd()
		return nil
	}
	return r.errorf("unexpected %s after the value", r.here())
}

// colon reports whether a colon that ends a key comes next in this line, and moves to it.
func (r *yamlReader) colon() bool {
	r.spaces()
	return r.at(0) == ':' && r.endsPlain(1)
}

func (r *yamlReader) dash() bool { return r.at(0) == '-' && r.inFlow == 0 && r.endsPlain(1) }

// ended reports whether the document ends here.
func (r *yamlReader) ended() bool { return r.at(0) == 0 || r.marker('-') || r.marker('.') }

// marker reports whether the line begins with --- or with three dots.
func (r *yamlReader) marker(c byte) bool {
	return r.pos == r.bol && r.at(0) == c && r.at(1) == c && r.at(2) == c && yamlBlank(r.at(3))
}

// noTab refuses a tab before a token whose column counts.
func (r *yamlReader) noTab() error {
	if bytes.IndexByte(r.src[r.bol:r.pos], '\t') >= 0 {
		return r.errorf("a tab cannot indent: use spaces")
	}
	return nil
}

// at is the byte i behind the position, 0 at the end of the text.
func (r *yamlReader) at(i int) byte {
	if r.pos+i < len(r.src) {
		return r.src[r.pos+i]
	}
	return 0
}

func (r *yamlReader) column() int { return r.pos - r.bol }

func (r *yamlReader) spaces() {
	for r.at(0) == ' ' || r.at(0) == '\t' {
		r.pos++
	}
}

func (r *yamlReader) toLineEnd() {
	if i := bytes.IndexByte(r.src[r.pos:], '\n'); i >= 0 {
		r.pos += i
	} else {
		r.pos = len(r.src)
	}
}

// newline moves over the line end at the position.
func (r *yamlReader) newline() {
	r.pos++
	r.line++
	r.bol = r.pos
}

// endsPlain reports whether the byte i behind the position cannot go on a plain scalar
// after an indicator.
func (r *yamlReader) endsPlain(i int) bool {
	c := r.at(i)
	return yamlBlank(c) || r.inFlow > 0 && yamlFlowIndicator(c)
}

// here quotes the character at the position.
func (r *yamlReader) here() string {
	c, _ := utf8.DecodeRune(r.src[r.pos:])
	return strconv.QuoteRune(c)
}

func (r *yamlReader) errorf(format string, args ...any) error {
	return r.errorfAt(r.line, format, args...)
}

func (r *yamlReader) errorfAt(line int, format string, args ...any) error {
	return fmt.Errorf("yaml: line %d: %s", line, fmt.Sprintf(format, args...))
}

func yamlBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == 0 }

func yamlFlowIndicator(c byte) bool {
	return c == ',' || c == '[' || c == ']' || c == '{' || c == '}'
}
