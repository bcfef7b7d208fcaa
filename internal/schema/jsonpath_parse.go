package schema

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reading a JSONPath: a parser by recursive descent. Upstream's is as lenient as it looks here: parts
// need no dots between them (.a[0]b is a word that nobody knows, but can be read), blanks are passed
// over, a closing brace ends the path and what stands behind it is text. A quoted key is read as a path
// of its own: ['a.b'] is .a.b, and ['a\.b'] the field a.b.

// pathParser is a position in the text of a path.
type pathParser struct {
	text string
	pos  int // of the next byte
}

// fail returns an error about the current position. Positions count bytes from one.
func (p *pathParser) fail(what string) error {
	return fmt.Errorf("%s: %s at byte %d", cutText(p.text), what, p.pos+1)
}

// next returns the next character and moves behind it; it returns 0 at the end.
func (p *pathParser) next() rune {
	if p.pos >= len(p.text) {
		return 0
	}
	r, size := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += size
	return r
}

// rest returns what has not been read.
func (p *pathParser) rest() string { return p.text[p.pos:] }

// parsePath reads a path.
func parsePath(text string) (nodes []pathNode, err error) {
	p := pathParser{text: text}
	for p.pos < len(p.text) {
		at := p.pos
		var more []pathNode
		switch r := p.next(); {
		case r == '}':
			return nodes, nil
		case r == ' ' || r == '@' || r == '$':
			continue
		case strings.HasPrefix(text[at:], "[?("):
			p.pos = at + len("[?(")
			more, err = p.filter()
		case strings.HasPrefix(text[at:], ".."):
			p.pos = at + len("..")
			more, err = p.descent(nodes)
		case r == '[':
			more, err = p.bracket()
		case r == '"' || r == '\'':
			more, err = p.quoted(at)
		case r == '.':
			more, err = p.field()
		case r == '+' || r == '-' || unicode.IsDigit(r):
			p.pos = at
			more, err = p.number()
		case isWordRune(r):
			more = p.word(at)
		default:
			p.pos = at
			err = p.fail("unrecognized character")
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, more...)
	}
	return nodes, nil
}

// isWordRune reports whether a character may begin a word.
func isWordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// endsName reports whether a character ends a name.
func endsName(r rune) bool { return strings.ContainsRune(" \t\r\n.,[]$@{}", r) }

// name passes over a name, in which \ hides the meaning of the next character, and returns it as it
// stands. One at the end would hide the brace that ends the path.
func (p *pathParser) name() (string, error) {
	start := p.pos
	for p.pos < len(p.text) {
		at := p.pos
		switch r := p.next(); {
		case r == '\\' && p.pos == len(p.text):
			return "", p.fail("expected a character")
		case r == '\\':
			p.next()
		case endsName(r):
			p.pos = at
			return p.text[start:at], nil
		}
	}
	return p.text[start:], nil
}

// field reads a name behind a dot, or a star. A name may be empty, and no object has that field.
func (p *pathParser) field() ([]pathNode, error) {
	name, err := p.name()
	if name == "*" {
		return []pathNode{{kind: nodeEach}}, nil
	}
	return []pathNode{{kind: nodeField, name: strings.ReplaceAll(name, `\`, "")}}, err
}

// descent reads what may follow two dots at once, which is a name; nodes stand before them.
func (p *pathParser) descent(nodes []pathNode) ([]pathNode, error) {
	if n := len(nodes); n > 0 && nodes[n-1].kind == nodeDescent {
		return nil, p.fail("two descents")
	}
	more := []pathNode{{kind: nodeDescent}}
	if r, _ := utf8.DecodeRuneInString(p.rest()); isWordRune(r) {
		field, err := p.field()
		return append(more, field...), err
	}
	return more, nil
}

// word reads a word that stands where a path is expected. The only ones that upstream knows beside
// true and false are those of loops, which make no sense in a CRD.
func (p *pathParser) word(at int) []pathNode {
	p.pos = at
	for p.pos < len(p.text) && !endsName(rune(p.text[p.pos])) {
		p.pos++
	}
	switch word := p.text[at:p.pos]; word {
	case "true", "false":
		return []pathNode{{kind: nodeValue, value: word == "true"}}
	}
	return []pathNode{{kind: nodeFailure}}
}

// number reads a number: an int64, or a float64 if it has a dot.
func (p *pathParser) number() ([]pathNode, error) {
	end := p.pos + 1
	for end < len(p.text) && (p.text[end] == '.' || p.text[end] >= '0' && p.text[end] <= '9') {
		end++
	}
	word := p.text[p.pos:end]
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		p.pos = end
		return []pathNode{{kind: nodeValue, value: n}}, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return nil, p.fail("expected a number")
	}
	p.pos = end
	return []pathNode{{kind: nodeValue, value: f}}, nil
}

// quoted reads a text in quotes, whose first is at a position and has been read.
func (p *pathParser) quoted(at int) ([]pathNode, error) {
	quote := p.text[at]
	for p.pos < len(p.text) && p.text[p.pos] != '\n' {
		p.pos++
		if c := p.text[p.pos-1]; c != quote || p.text[p.pos-2] == '\\' {
			continue
		}
		s, err := unquotePath(p.text[at+1:p.pos-1], quote)
		if err != nil {
			return nil, p.fail("not a quoted text")
		}
		return []pathNode{{kind: nodeValue, value: s}}, nil
	}
	return nil, p.fail("the quoted text has no end")
}

// unquotePath resolves the escapes of Go in a text between quotes.
func unquotePath(s string, quote byte) (string, error) {
	if !strings.ContainsAny(s, `\`+string(quote)) {
		return s, nil
	}
	var b strings.Builder
	for s != "" {
		r, isRune, tail, err := strconv.UnquoteChar(s, quote)
		if err != nil {
			return "", err
		}
		if s = tail; isRune || r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
	}
	return b.String(), nil
}

// bracket reads what stands between brackets, the first of which has been read.
func (p *pathParser) bracket() ([]pathNode, error) {
	end := strings.IndexAny(p.rest(), "]\n")
	if end < 0 || p.text[p.pos+end] == '\n' {
		return nil, p.fail("expected ]")
	}
	text := p.text[p.pos : p.pos+end]
	p.pos += end + 1
	if strings.Contains(text, ",") {
		union := pathNode{kind: nodeUnion}
		for part := range strings.SplitSeq(text, ",") {
			nodes, err := parsePath("[" + strings.Trim(part, " ") + "]")
			if err != nil {
				return nil, err
			}
			union.parts = append(union.parts, nodes)
		}
		return []pathNode{union}, nil
	}
	if n := len(text); n >= 2 && text[0] == '\'' && strings.IndexByte(text[1:], '\'') == n-2 {
		return parsePath("." + text[1:n-1])
	}
	return p.items(text)
}

// items reads an index or a range: 1, -1, 1:3, :2, 1: or ::2; a star is all.
func (p *pathParser) items(text string) ([]pathNode, error) {
	if text == "*" {
		text = ":"
	}
	words := strings.Split(text, ":")
	if len(words) > 3 {
		return nil, p.fail("expected a range")
	}
	var bounds [3]pathBound
	for i, word := range words {
		if word == "" {
			continue
		}
		n, err := strconv.Atoi(word)
		if err != nil || word[0] == '+' {
			return nil, p.fail("expected a number")
		}
		bounds[i] = pathBound{n, true}
	}
	n := pathNode{kind: nodeItems, from: bounds[0], to: bounds[1], step: bounds[2]}
	if len(words) == 1 {
		// Nothing at all is read as [0].
		n.to, n.derived = pathBound{n.from.n + 1, true}, true
	}
	return []pathNode{n}, nil
}

// filter reads a filter and its end, )]. Its text is cut at the first operator.
func (p *pathParser) filter() ([]pathNode, error) {
	start := p.pos
	end := p.filterEnd()
	if end < 0 || !strings.HasPrefix(p.text[end:], ")]") {
		return nil, p.fail("expected )]")
	}
	p.pos = end + len(")]")
	text := p.text[start:end]
	n := pathNode{kind: nodeFilter}
	left := text
	parts := comparison.FindStringSubmatch(text)
	if parts != nil {
		left, n.op = parts[1], parts[2]
	}
	var err error
	if n.left, err = parsePath(left); err != nil || parts == nil {
		return []pathNode{n}, err
	}
	n.right, err = parsePath(parts[3])
	return []pathNode{n}, err
}

// comparison is a filter with an operator.
var comparison = regexp.MustCompile(`^([^!<>=]+)([!<>=]+)(.+?)$`)

// filterEnd returns where the parenthesis is that ends a filter, -1 if it has none. It is the first that
// is not in quotes; only one text may be quoted, since no quote begins after the first has ended.
func (p *pathParser) filterEnd() int {
	var quote byte
	isOpen := false
	for i := p.pos; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\n':
			return -1
		case (c == '"' || c == '\'') && quote == 0:
			quote, isOpen = c, true
		case c == quote && p.text[i-1] != '\\':
			isOpen = false
		case c == ')' && !isOpen:
			return i
		}
	}
	return -1
}
