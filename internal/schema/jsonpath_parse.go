package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// Reading a JSONPath: a parser by recursive descent, with one method for each rule of the grammar in
// jsonpath.go. Each method reads its rule at the current position and leaves the position behind it;
// after an error the position says where the problem is. Positions in messages count bytes from one;
// those inside of a filter count from the filter's path, which the message shows.

// pathParser is a position in the text of a path.
type pathParser struct {
	text  string
	pos   int  // of the next byte, in text
	inner bool // this is the path of a filter, where there are no further ones
}

// fail returns an error about the current position.
func (p *pathParser) fail(what string) error {
	return fmt.Errorf("%s: %s at byte %d", cutText(p.text), what, p.pos+1)
}

// take reads token if it comes next, and reports whether it did.
func (p *pathParser) take(token string) bool {
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

// blanks passes over blanks.
func (p *pathParser) blanks() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

// steps reads a whole path. No steps and no error are the path of the object itself.
func (p *pathParser) steps() (steps []pathStep, err error) {
	for p.pos < len(p.text) {
		var s pathStep
		switch p.text[p.pos] {
		case '.':
			p.pos++
			// A dot before a bracket may stand there or not: .a.[0] is .a[0].
			if p.pos < len(p.text) && p.text[p.pos] == '[' {
				continue
			}
			if p.pos == len(p.text) && len(steps) == 0 {
				return nil, nil
			}
			s, err = p.name()
		case '[':
			p.pos++
			s, err = p.bracket()
		default:
			err = p.fail("expected . or [")
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// name reads a name, or a star for all fields and items. Two dots in a row end here: the name between
// them is empty.
func (p *pathParser) name() (pathStep, error) {
	var b strings.Builder
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		if c == '.' || c == '[' {
			break
		}
		if c == '\\' && p.pos+1 < len(p.text) {
			p.pos++
			c = p.text[p.pos]
		}
		b.WriteByte(c)
		p.pos++
	}
	switch name := b.String(); name {
	case "":
		return pathStep{}, p.fail("expected a name")
	case "*":
		// Even when it was escaped: a field of that name needs ['*'].
		return pathStep{kind: stepEach}, nil
	default:
		return pathStep{kind: stepField, name: name}, nil
	}
}

// bracket reads a choice and the ] behind it.
func (p *pathParser) bracket() (s pathStep, err error) {
	if p.pos >= len(p.text) {
		return s, p.fail("expected ]")
	}
	switch c := p.text[p.pos]; {
	case c == '\'' || c == '"':
		s.kind = stepField
		s.name, err = p.quoted()
	case c == '?':
		// It reads its own end, which is ")]".
		return p.filter()
	case c == '*':
		p.pos++
		s.kind = stepEach
	default:
		s, err = p.indexes()
	}
	if err == nil && !p.take("]") {
		err = p.fail("expected ]")
	}
	return s, err
}

// quoted reads a text in quotes and returns it without them and without the escapes.
func (p *pathParser) quoted() (string, error) {
	quote := p.text[p.pos]
	p.pos++
	var b strings.Builder
	for ; p.pos < len(p.text); p.pos++ {
		c := p.text[p.pos]
		if c == quote {
			p.pos++
			return b.String(), nil
		}
		if c == '\\' && p.pos+1 < len(p.text) {
			p.pos++
			c = p.text[p.pos]
		}
		b.WriteByte(c)
	}
	return "", p.fail("the quoted text has no end")
}

// indexes reads an index or a range: 1, -1, 1:3, :2 or 1: . It leaves the ] to the caller.
func (p *pathParser) indexes() (s pathStep, err error) {
	end := strings.IndexByte(p.text[p.pos:], ']')
	if end < 0 {
		return s, p.fail("expected ]")
	}
	from, to, isRange := strings.Cut(p.text[p.pos:p.pos+end], ":")
	number := func(text string) int {
		// Either end of a range may be left out, an index may not.
		if text == "" && isRange {
			return 0
		}
		n, e := strconv.Atoi(text)
		if e != nil {
			err = p.fail("expected a number")
		}
		return n
	}
	s.kind, s.from = stepIndex, number(from)
	if isRange {
		s.kind, s.to, s.open = stepRange, number(to), to == ""
	}
	// With an error the position stays at the numbers, where the problem is.
	if err == nil {
		p.pos += end
	}
	return s, err
}

// filter reads ?(@.path op literal)].
func (p *pathParser) filter() (s pathStep, err error) {
	if p.inner || !p.take("?(") {
		return s, p.fail("expected ?( outside of a filter")
	}
	p.blanks()
	if !p.take("@") {
		return s, p.fail("expected @")
	}
	f := &pathFilter{}
	inner := pathParser{text: p.filterPath(), inner: true}
	if f.path, err = inner.steps(); err != nil {
		return s, err
	}
	p.blanks()
	// The longer operators first: < begins <= as well.
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			f.op = op
			p.blanks()
			if f.value, err = p.literal(); err != nil {
				return s, err
			}
			break
		}
	}
	p.blanks()
	if !p.take(")]") {
		return s, p.fail("expected )]")
	}
	return pathStep{kind: stepFilter, filter: f}, nil
}

// filterPath passes over the path of a filter and returns its text: all up to a blank, an operator or
// the closing parenthesis. These may stand in the path only inside of brackets: @['a b'].
func (p *pathParser) filterPath() string {
	start := p.pos
	for p.pos < len(p.text) && !strings.ContainsRune(" =!<>)", rune(p.text[p.pos])) {
		if p.text[p.pos] == '[' {
			if end := strings.IndexByte(p.text[p.pos:], ']'); end > 0 {
				p.pos += end
			}
		}
		p.pos++
	}
	return p.text[start:min(p.pos, len(p.text))]
}

// literal reads the value that a filter compares with: a text in quotes, true, false, or a number,
// which becomes a float64.
func (p *pathParser) literal() (any, error) {
	if p.pos < len(p.text) && (p.text[p.pos] == '"' || p.text[p.pos] == '\'') {
		return p.quoted()
	}
	end := strings.IndexAny(p.text[min(p.pos, len(p.text)):], " )")
	if end <= 0 {
		return nil, p.fail("expected a value")
	}
	word := p.text[p.pos : p.pos+end]
	switch word {
	case "true", "false":
		p.pos += end
		return word == "true", nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return nil, p.fail("expected a text, a number, true or false")
	}
	p.pos += end
	return f, nil
}
