package fieldset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// FieldsV1 is a set as an object of objects: each key is an element with a letter for its kind, and its value what is
// below it. A member that has others below it has a "." among them; one that has none is an empty object. How it is
// written is fixed, byte for byte: in the order of elements, without white space, as the answers of upstream have it.
//
// How it is read is what upstream makes of texts that clients have sent: in any order, with keys of letters that a later
// version may know (they are left out, with what is below them), the same key twice (what it is a member of counts
// together, what is below it is that of the last one that has some), null for an empty object. A key without a letter and
// colon, and one whose rest is no JSON, is an error.

// AppendJSON appends s as FieldsV1 to b and returns the extended slice. The empty set is {}.
func (s Set) AppendJSON(b []byte) []byte { return append(s.appendNodes(append(b, '{')), '}') }

// AppendJSONByText is AppendJSON with keys in the order of their texts, as upstream has them where FieldsV1 has been a tree.
func (s Set) AppendJSONByText(b []byte) []byte { return s.byText().AppendJSON(b) }

// appendNodes appends the nodes of s without braces.
func (s Set) appendNodes(b []byte) []byte {
	for i := 0; i < len(s.nodes); i += int(s.nodes[i].size) {
		if i > 0 {
			b = append(b, ',')
		}
		n := &s.nodes[i]
		b = append(appendKey(b, n.element()), ':', '{')
		// A member says so by a dot only where an empty object cannot say it.
		if n.size > 1 {
			if n.mark != 0 {
				b = append(b, `".":{},`...)
			}
			b = s.below(i).appendNodes(b)
		}
		b = append(b, '}')
	}
	return b
}

// byText returns the nodes of s in the order of the texts of their keys, which is no Set for anything but to be written.
func (s Set) byText() Set {
	out := slices.Clone(s.nodes)
	sortByText(out)
	return Set{out}
}

// sortByText puts nodes in the order of the texts of their keys, first those below them.
// Sizes stay right, since each subtree moves as one piece. nodes is changed.
func sortByText(nodes []node) {
	var siblings []Set
	for i := 0; i < len(nodes); i += int(nodes[i].size) {
		sibling := nodes[i : i+int(nodes[i].size)]
		sortByText(sibling[1:])
		siblings = append(siblings, Set{sibling})
	}
	byText := func(a, b Set) int {
		x, y := &a.nodes[0], &b.nodes[0]
		return cmp.Or(cmp.Compare(letters[x.kind], letters[y.kind]), strings.Compare(x.text, y.text))
	}
	// Both orders differ only where keys or values are numbers, so there is seldom anything to move.
	if slices.IsSortedFunc(siblings, byText) {
		return
	}
	sort.Slice(siblings, func(i, j int) bool { return byText(siblings[i], siblings[j]) < 0 })
	var out []node
	for _, s := range siblings {
		out = append(out, s.nodes...)
	}
	copy(nodes, out)
}

// letters are those of the kinds.
const letters = "*fkvi"

// appendKey appends the key of e, in quotes.
func appendKey(b []byte, e Element) []byte {
	b = append(b, '"', letters[e.kind], ':')
	from := len(b)
	for i := 0; i < len(e.text); i++ {
		switch c := e.text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case plain(c):
			b = append(b, c)
		default:
			// What has anything else is written by the one who knows all of it.
			return tree.AppendJSONString(b[:from-3], string(letters[e.kind])+":"+e.text)
		}
	}
	return append(b, '"')
}

// plain reports whether c is ASCII that JSON for a page has as it is, quotes and backslashes included.
func plain(c byte) bool { return c >= ' ' && c < 0x80 && c != '<' && c != '>' && c != '&' }

// Parse reads FieldsV1. Bytes are not kept; of a string the set has parts. The error tells what is wrong with it; upstream shows it to
// nobody.
func Parse[T ~string | ~[]byte](text T) (Set, error) {
	s, _, err := ParseOrdered(text)
	return s, err
}

// ParseOrdered is Parse, and reports whether elements are in the order in which AppendJSON writes them.
func ParseOrdered[T ~string | ~[]byte](text T) (s Set, ordered bool, err error) {
	p := parser{text: string(text)}
	// There is nearly always one brace for each node. A node has nine bytes at least.
	p.nodes = make([]node, 0, min(strings.Count(p.text, "{"), len(text)/9+1))
	if _, err := p.object(1); err != nil {
		return Set{}, false, err
	}
	if p.space(); p.pos < len(p.text) {
		return Set{}, false, p.unexpected("nothing behind the object")
	}
	return Set{p.nodes}, !p.unordered, nil
}

// parser reads one text from front to back.
type parser struct {
	text  string
	pos   int
	nodes []node
	// unordered says that elements were not in their order.
	unordered bool
}

// unexpected returns the error for what is at pos where something else had to be. Where the text is no JSON, it is that of JSON.
func (p *parser) unexpected(wanted string) error {
	// The text is parsed again, which only a bad one pays for, since JSON's own error tells more than that of a set.
	if _, _, err := tree.ParseJSON([]byte(p.text)); err != nil {
		return err
	}
	return fmt.Errorf("fields: expected %s at byte %d", wanted, p.pos)
}

// space passes over white space and returns the byte behind it, which is zero at the end.
func (p *parser) space() byte {
	for ; p.pos < len(p.text); p.pos++ {
		if c := p.text[p.pos]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// object reads what is below an element, whose node is the last one. It reports whether the element is a member: it
// says so, or nothing is below it.
func (p *parser) object(depth int) (meant bool, err error) {
	first, last, sorted := len(p.nodes), -1, true
	if p.space() == 'n' && strings.HasPrefix(p.text[p.pos:], "null") {
		p.pos += 4
		return true, nil
	}
	if p.space() != '{' || depth > tree.MaxDepth {
		return false, p.unexpected("an object")
	}
	p.pos++
	for c := p.space(); c != '}'; {
		key, err := p.key()
		if err != nil {
			return false, err
		}
		e, err := parseKey(key)
		if err != nil {
			return false, err
		}
		// The dot, and what a later version may have: neither is a node, and only the dot makes a member.
		if e.kind == Any {
			meant = meant || key == "."
			err = p.skip()
		} else {
			at := len(p.nodes)
			p.nodes = append(p.nodes, node{e.text, 1, e.kind, 0})
			// Nearly all texts were written in order, so order is only watched here and made below where it is missing.
			sorted = sorted && (last < 0 || p.nodes[last].element().Compare(e) < 0)
			last = at
			// The node is found by its index afterwards: the slice may have moved while what is below was read.
			var isMember bool
			isMember, err = p.object(depth + 1)
			p.nodes[at].mark = marked(isMember)
			p.nodes[at].size = int32(len(p.nodes) - at)
		}
		if err != nil {
			return false, err
		}
		if c = p.space(); c == ',' {
			p.pos++
			// JSON has no comma before the brace; without this, one would pass.
			if c = p.space(); c == '}' {
				return false, p.unexpected("a key")
			}
		} else if c != '}' {
			return false, p.unexpected("a comma")
		}
	}
	p.pos++
	if !sorted {
		p.unordered = true
		p.nodes = append(p.nodes[:first], sortNodes(p.nodes[first:])...)
	}
	return meant || len(p.nodes) == first, nil
}

// key reads a key and the colon behind it.
func (p *parser) key() (string, error) {
	if p.space() != '"' {
		return "", p.unexpected("a key")
	}
	start := p.pos + 1
	for i := start; i < len(p.text) && p.text[i] != '\\' && p.text[i] >= ' ' && p.text[i] < 0x80; i++ {
		if p.text[i] == '"' {
			p.pos = i + 1
			return p.text[start:i], p.colon()
		}
	}
	// The quotes in keys of lists are escaped, which is most of what is not plain. The rest is read by who knows all of it.
	json := p.text[p.pos : p.pos+valueEnd(p.text[p.pos:])]
	p.pos += len(json)
	if key, ok := unescaped(json); ok {
		return key, p.colon()
	}
	v, _, err := tree.ParseJSON([]byte(json))
	if err != nil {
		return "", p.unexpected("a key")
	}
	return v.(string), p.colon()
}

// unescaped returns the text of which json is the JSON, and false if that has more than plain text and escaped quotes.
func unescaped(json string) (string, bool) {
	if len(json) < 2 || json[len(json)-1] != '"' {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(json))
	for i := 1; i < len(json)-1; i++ {
		c := json[i]
		if c == '\\' {
			if i++; json[i] != '"' {
				return "", false
			}
			c = '"'
		} else if !plain(c) {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// colon passes over the colon behind a key.
func (p *parser) colon() error {
	if p.space() != ':' {
		return p.unexpected("a colon")
	}
	p.pos++
	return nil
}

// skip passes over a value that does not count.
func (p *parser) skip() error {
	p.space()
	json := p.text[p.pos : p.pos+valueEnd(p.text[p.pos:])]
	p.pos += len(json)
	// By far the most common, and the only value that upstream ever writes.
	if json == "{}" {
		return nil
	}
	if _, _, err := tree.ParseJSON([]byte(json)); err != nil {
		return p.unexpected("a value")
	}
	return nil
}

// sortNodes returns the nodes in order, those of the same element as one.
func sortNodes(nodes []node) []node {
	var siblings []Set
	for i := 0; i < len(nodes); i += int(nodes[i].size) {
		siblings = append(siblings, Set{nodes[i : i+int(nodes[i].size)]})
	}
	sort.SliceStable(siblings, func(i, j int) bool {
		return siblings[i].nodes[0].element().Compare(siblings[j].nodes[0].element()) < 0
	})
	out := make([]node, 0, len(nodes))
	last := -1
	for _, s := range siblings {
		n := s.nodes[0]
		if last < 0 || out[last].element() != n.element() {
			last = len(out)
			out = append(out, s.nodes...)
			continue
		}
		out[last].mark |= n.mark
		if n.size > 1 {
			out = append(out[:last+1], s.nodes[1:]...)
			out[last].size = n.size
		}
	}
	return out
}

// parseKey reads an element from its key. The element of a letter that we do not know is Any, and so is that of the dot.
func parseKey(key string) (Element, error) {
	if key == "." {
		return Element{}, nil
	}
	if len(key) < 2 {
		return Element{}, errors.New("key must be 2 characters long")
	}
	if key[1] != ':' {
		return Element{}, fmt.Errorf("missing colon: %v", key)
	}
	rest := key[2:]
	// A letter that is not there gives 0, which is Any.
	switch kind := Kind(strings.IndexByte(letters[1:], key[0]) + 1); kind {
	case IndexKind:
		i, err := strconv.Atoi(rest)
		return Index(i), err
	case KeyKind, ValueKind:
		text, err := canonical(rest, kind == KeyKind)
		return Element{text, kind}, err
	case FieldKind:
		return Element{rest, kind}, nil
	}
	return Element{}, nil
}
