package tree

import (
	"fmt"
	"math"
	"strconv"
)

// A reader for the YAML that Kubernetes users write: block and flow collections, every
// kind of scalar, comments, several documents. It reads a text once, from front to back.
// What follows the text's nesting is recursion: node reads whatever stands after a key, a
// dash or a document's start; it meets a first key or a dash and hands over to mapping
// or sequence, which read entries for as long as they begin in the same column. This file
// has the block structure; yaml_flow.go has what stands in brackets, yaml_scalar.go and
// yaml_block.go the scalars, yaml_scan.go the position and the white space.
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

// yamlMaxDepth bounds how deep collections may nest, and with it the stack. It is lower
// than MaxDepth: what people write by hand is never deep, and what programs write is JSON.
const yamlMaxDepth = 100

// ParseYAML reads the documents of data in order. Values are map[string]any, []any,
// string, bool, int64, float64 and nil, so that every result can be encoded as JSON, and
// JSON read by it gives what encoding/json gives but for int64. Integers that an int64
// cannot hold become float64. A document between two markers that holds nothing is nil; a
// text of white space and comments has no document. Errors read "yaml: line 7: …". With
// one come the documents before it. The time is linear in len(data); data is not kept.
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

// ParseYAMLObject reads the first document of data for the API, and nothing behind it, as
// upstream's decoder of request bodies does; without one obj is nil. Unlike with ParseYAML
// the last value of a repeated key counts, and repeated tells of each, the first hundred:
// line 7: key "size" already set in map. The caller checks that obj is an object.
func ParseYAMLObject(data []byte) (obj any, repeated []string, err error) {
	r, err := newYAMLReader(data)
	if err != nil {
		return nil, nil, err
	}
	r.lastWins = true
	obj, _, err = r.document()
	return obj, r.repeated, err
}

// yamlPlace is where a node stands. It decides whether the node may be a block collection,
// whose first entry must show its column.
type yamlPlace int

const (
	yamlRoot        yamlPlace = iota // a document without a marker; first in its line
	yamlAfterMarker                  // after ---
	yamlAfterKey                     // after "key:"
	yamlAfterDash                    // after "-"
)

// document reads the next document. found is false at the end of the text.
func (r *yamlReader) document() (doc any, found bool, err error) {
	// A line of three dots ends a document and does not begin one, however many there are.
	for r.skipToToken(); r.atMarker('.'); r.skipToToken() {
		r.pos += 3
		if err := r.endLine(); err != nil {
			return nil, false, err
		}
	}
	place := yamlRoot
	switch {
	case r.at(0) == 0:
		return nil, false, nil
	case r.atMarker('-'):
		r.pos += 3
		place = yamlAfterMarker
	case r.at(0) == '%' && r.pos == r.bol:
		return nil, false, r.errorf("directives are not supported")
	}
	if doc, err = r.node(-1, place); err != nil {
		return nil, false, err
	}
	// node stops at what does not belong to its value. Here nothing is further out.
	if r.skipToToken(); !r.atEnd() {
		return nil, false, r.errorf("%s stands outside of the document's value", r.here())
	}
	return doc, true, nil
}

// node reads one value in block context: parent is the column of the collection it is
// in, -1 for a document. No value is nil. Afterwards the position is behind the value, or,
// when there was none, anywhere in the white space behind it.
func (r *yamlReader) node(parent int, place yamlPlace) (any, error) {
	line := r.line
	r.skipToToken()
	if r.atEnd() {
		return nil, nil
	}
	col, firstInLine := r.column(), r.line != line || place == yamlRoot
	inKeyColumn := place == yamlAfterKey && col == parent && r.atDash()
	// A token as far left as the collection's entries belongs to that one or to another
	// further out: this value is null. The sequence in its key's column is the exception.
	if firstInLine && col <= parent && !inKeyColumn {
		return nil, nil
	}
	// A block collection begins where its column can be seen: first in a line, or compact
	// after a dash.
	block := firstInLine || place == yamlAfterDash
	// A tab before the token leaves the column open. That is an error for what is indented,
	// but not for a scalar behind its key or at the root, so it is only raised where it counts.
	var tab error
	if block {
		tab = r.noTab()
	}
	if firstInLine && parent >= 0 && tab != nil {
		return nil, tab
	}

	if c := r.at(0); c == '|' || c == '>' {
		return r.blockScalar(parent)
	}
	if r.atDash() {
		if !block {
			return nil, r.errorf("a sequence must begin on a line of its own")
		}
		if tab != nil {
			return nil, tab
		}
		return r.sequence(col, inKeyColumn)
	}
	// Whether a scalar is a value or the first key of a mapping shows behind it.
	line = r.line
	v, err := r.atom(parent)
	if err != nil {
		return nil, err
	}
	switch {
	case !r.skipToColon():
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
	if err := r.enterCollection(); err != nil {
		return nil, err
	}
	m := map[string]any{}
	for {
		name, err := r.keyName(m, key)
		if err != nil {
			return nil, err
		}
		r.pos++
		if m[name], err = r.node(col, yamlAfterKey); err != nil {
			return nil, err
		}
		more, err := r.nextEntry(col)
		if err != nil {
			return nil, err
		}
		if !more {
			r.depth--
			return m, nil
		}
		if r.atDash() {
			return nil, r.errorf("a sequence entry stands between the keys of a mapping")
		}
		// No line is indented deeper than the largest column, so the key's scalar ends with
		// its line.
		line := r.line
		if key, err = r.atom(math.MaxInt); err != nil {
			return nil, err
		}
		if line != r.line || !r.skipToColon() {
			return nil, r.errorfAt(line, "expected \"key: value\"")
		}
	}
}

// sequence reads a block sequence whose dashes are in column col; the position is at the
// first. One that stands in the column of its key, inKeyColumn, ends at the next key.
func (r *yamlReader) sequence(col int, inKeyColumn bool) (any, error) {
	if err := r.enterCollection(); err != nil {
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
		more, err := r.nextEntry(col)
		if err != nil {
			return nil, err
		}
		if !more || inKeyColumn && !r.atDash() {
			r.depth--
			return list, nil
		}
		if !r.atDash() {
			return nil, r.errorf("expected \"- \"")
		}
	}
}

// nextEntry moves to the next entry of a block collection in column col and reports
// whether there is one.
func (r *yamlReader) nextEntry(col int) (bool, error) {
	r.skipToToken()
	if r.atEnd() || r.column() < col {
		return false, nil
	}
	if err := r.noTab(); err != nil {
		return false, err
	}
	// Whatever could be deeper was read as part of the entry before.
	if r.column() > col {
		return false, r.errorf("wrong indentation")
	}
	return true, nil
}

// atom reads what needs no indentation: a flow collection, a quoted or a plain scalar. A
// plain one goes on over lines indented deeper than parent. What YAML has and this reader
// refuses is refused here, by its first character.
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
		// With something right behind them these three begin a text: -1, ?x, :80.
		if !r.separatorAt(1) {
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

// keyName returns the text of a key about to go into m. Scalars that are not strings get
// the text that kubectl's reader gives them, which is that of their value: 0x10 and 16 are
// the same key. A key that m has is refused, or noted where the last one wins.
func (r *yamlReader) keyName(m map[string]any, key any) (string, error) {
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
		if !r.lastWins {
			return "", r.errorf("key %q is there twice", name)
		}
		if len(r.repeated) < maxRepeated {
			r.repeated = append(r.repeated, fmt.Sprintf("line %d: key %q already set in map", r.line, name))
		}
	}
	return name, nil
}

// enterCollection counts a collection that begins. Who called it takes it off depth at the
// end; after an error nobody reads on, so nobody does.
func (r *yamlReader) enterCollection() error {
	if r.depth++; r.depth > yamlMaxDepth {
		return r.errorf("nested deeper than %d", yamlMaxDepth)
	}
	return nil
}
