package schema

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// The part of JSONPath that CRDs use for printer columns, selectable fields and the scale
// subresource: .a.b, ['a.b'], [0], [-1], [1:3], [*], .* and [?(@.type=="Ready")]. A dot in
// a name may be escaped: .metadata.annotations.example\.com/owner.

// CompileJSONPath gives a function that finds the first value at path in an object, in the
// order of lists and sorted by key in objects. The function may be called concurrently.
func CompileJSONPath(path string) (func(obj any) (value any, found bool), error) {
	if path == "" || path[0] != '.' && path[0] != '[' {
		return nil, fmt.Errorf("%s: must begin with a dot", cutText(path))
	}
	if len(path) > maxPathLength {
		return nil, fmt.Errorf("%s: is longer than %d bytes", cutText(path), maxPathLength)
	}
	p := pathParser{text: path}
	steps, err := p.steps()
	if err != nil {
		return nil, err
	}
	return func(obj any) (any, bool) { return findPath(obj, steps) }, nil
}

func cutText(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strconv.Quote(s)
}

// queryStep is one step of a path.
type queryStep struct {
	kind     queryStepKind
	name     string
	from, to int  // of an index (from) and a range
	open     bool // a range without to
	filter   *pathFilter
}

type queryStepKind uint8

const (
	queryField queryStepKind = iota
	queryIndex
	stepRange
	stepEach
	queryFilter
)

// pathFilter holds of an item: what is at path compares so with value. Without an op it
// only has to be there.
type pathFilter struct {
	path  []queryStep
	op    string
	value any
}

func findPath(v any, steps []queryStep) (any, bool) {
	for i, s := range steps {
		switch s.kind {
		case queryField:
			o, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = o[s.name]; !ok {
				return nil, false
			}
		case queryIndex:
			list, _ := v.([]any)
			at := s.from
			if at < 0 {
				at += len(list)
			}
			if at < 0 || at >= len(list) {
				return nil, false
			}
			v = list[at]
		default:
			return findAmong(v, s, steps[i+1:])
		}
	}
	return v, true
}

// findAmong finds the first value below one of the parts of v that a step chooses.
func findAmong(v any, s queryStep, rest []queryStep) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if s.kind == stepRange {
			return nil, false
		}
		for _, k := range tree.SortedKeys(v) {
			if s.kind == queryFilter && !s.filter.holds(v[k]) {
				continue
			}
			if found, ok := findPath(v[k], rest); ok {
				return found, true
			}
		}
	case []any:
		for _, e := range s.chosen(v) {
			if s.kind == queryFilter && !s.filter.holds(e) {
				continue
			}
			if found, ok := findPath(e, rest); ok {
				return found, true
			}
		}
	}
	return nil, false
}

// chosen is the part of a list that a range covers; of other steps all of it. A range that
// does not lie within the list covers nothing (upstream).
func (s queryStep) chosen(list []any) []any {
	if s.kind != stepRange {
		return list
	}
	from, to := s.from, s.to
	if from < 0 {
		from += len(list)
	}
	switch {
	case s.open:
		to = len(list)
	case to < 0:
		to += len(list)
	}
	if from < 0 || from >= to || to > len(list) {
		return nil
	}
	return list[from:to]
}

func (f *pathFilter) holds(item any) bool {
	v, found := findPath(item, f.path)
	if f.op == "" || !found {
		return found
	}
	c, comparable := comparePathValues(v, f.value)
	if !comparable {
		return f.op == "!="
	}
	switch f.op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func comparePathValues(a, b any) (order int, ok bool) {
	if s, isText := a.(string); isText {
		t, isText := b.(string)
		return strings.Compare(s, t), isText
	}
	if bound, isNumber := tree.Float(b); isNumber {
		_, isNumber = tree.Float(a)
		return compareNumber(a, bound), isNumber
	}
	x, isBool := a.(bool)
	y, areBool := b.(bool)
	if isBool && areBool && x == y {
		return 0, true
	}
	return 1, isBool && areBool
}

// pathParser is a position in the text of a path.
type pathParser struct {
	text  string
	pos   int
	inner bool // in a filter, where there are no further ones
}

// maxPathLength bounds a path, in bytes.
const maxPathLength = 4096

func (p *pathParser) fail(what string) error {
	return fmt.Errorf("%s: %s at byte %d", cutText(p.text), what, p.pos+1)
}

func (p *pathParser) steps() (steps []queryStep, err error) {
	for p.pos < len(p.text) {
		var s queryStep
		switch p.text[p.pos] {
		case '.':
			p.pos++
			if p.pos < len(p.text) && p.text[p.pos] == '[' {
				continue
			}
			if p.pos == len(p.text) && len(steps) == 0 {
				return nil, nil // the object itself
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

func (p *pathParser) name() (queryStep, error) {
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
		return queryStep{}, p.fail("expected a name")
	case "*":
		return queryStep{kind: stepEach}, nil
	default:
		return queryStep{name: name}, nil
	}
}

// bracket reads what stands in [ ].
func (p *pathParser) bracket() (s queryStep, err error) {
	if p.pos >= len(p.text) {
		return s, p.fail("expected ]")
	}
	switch c := p.text[p.pos]; {
	case c == '\'' || c == '"':
		s.name, err = p.quoted()
	case c == '?':
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

func (p *pathParser) take(token string) bool {
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

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

// indexes reads 1, -1, 1:3, :2 or 1: .
func (p *pathParser) indexes() (s queryStep, err error) {
	end := strings.IndexByte(p.text[p.pos:], ']')
	if end < 0 {
		return s, p.fail("expected ]")
	}
	from, to, isRange := strings.Cut(p.text[p.pos:p.pos+end], ":")
	number := func(text string) int {
		if text == "" && isRange {
			return 0
		}
		n, e := strconv.Atoi(text)
		if e != nil {
			err = p.fail("expected a number")
		}
		return n
	}
	s.kind, s.from = queryIndex, number(from)
	if isRange {
		s.kind, s.to, s.open = stepRange, number(to), to == ""
	}
	if err == nil {
		p.pos += end
	}
	return s, err
}

// filter reads ?(@.path op value)].
func (p *pathParser) filter() (s queryStep, err error) {
	if p.inner || !p.take("?(") {
		return s, p.fail("expected ?( outside of a filter")
	}
	p.spaces()
	if !p.take("@") {
		return s, p.fail("expected @")
	}
	f := &pathFilter{}
	start := p.pos
	for p.pos < len(p.text) && !strings.ContainsRune(" =!<>)", rune(p.text[p.pos])) {
		if p.text[p.pos] == '[' {
			if end := strings.IndexByte(p.text[p.pos:], ']'); end > 0 {
				p.pos += end
			}
		}
		p.pos++
	}
	inner := pathParser{text: p.text[start:min(p.pos, len(p.text))], inner: true}
	if f.path, err = inner.steps(); err != nil {
		return s, err
	}
	p.spaces()
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			f.op = op
			p.spaces()
			if f.value, err = p.literal(); err != nil {
				return s, err
			}
			break
		}
	}
	p.spaces()
	if !p.take(")]") {
		return s, p.fail("expected )]")
	}
	return queryStep{kind: queryFilter, filter: f}, nil
}

func (p *pathParser) spaces() {
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
	}
}

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

// DotPath is the names in a path of names only, as those of the scale subresource are:
// .spec.replicas.
func DotPath(path string) []string { return strings.Split(strings.TrimPrefix(path, "."), ".") }
