package selector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/status"
)

// Labels is a parsed labelSelector parameter: requirements that all must hold,
// sorted by key. It is not changed once parsed.
type Labels struct{ all []labelRequirement }

// labelRequirement is what must hold for one label.
type labelRequirement struct {
	key    string
	op     labelOperator
	values []string // sorted; one for the comparisons, none for the two about existence
	number int64    // of gt and lt
}

// labelOperator is an operator as String writes it.
type labelOperator string

const (
	labelExists    labelOperator = "exists"
	labelAbsent    labelOperator = "!"
	labelEquals    labelOperator = "="
	labelEqualsToo labelOperator = "=="
	labelDiffers   labelOperator = "!="
	labelIn        labelOperator = "in"
	labelNotIn     labelOperator = "notin"
	labelGreater   labelOperator = ">"
	labelLess      labelOperator = "<"
)

// Empty reports whether every object is selected.
func (l Labels) Empty() bool { return len(l.all) == 0 }

// Matches reports whether an object with these labels is selected.
func (l Labels) Matches(labels map[string]string) bool {
	for i := range l.all {
		if !l.all[i].matches(labels) {
			return false
		}
	}
	return true
}

func (r *labelRequirement) matches(labels map[string]string) bool {
	value, ok := labels[r.key]
	switch r.op {
	case labelExists:
		return ok
	case labelAbsent:
		return !ok
	case labelDiffers, labelNotIn:
		return !ok || !slices.Contains(r.values, value)
	case labelGreater, labelLess:
		n, whole := labelInteger(value)
		return ok && whole && (r.op == labelGreater && n > r.number || r.op == labelLess && n < r.number)
	}
	return ok && slices.Contains(r.values, value)
}

// labelInteger is the integer that a label's value is. What cannot be one does not get as
// far as strconv, whose errors cost an allocation.
func labelInteger(s string) (int64, bool) {
	if s == "" || len(s) > 63 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// String is the selector in canonical form, which parses to the same.
func (l Labels) String() string {
	var b strings.Builder
	for i, r := range l.all {
		if i > 0 {
			b.WriteByte(',')
		}
		switch r.op {
		case labelExists:
			b.WriteString(r.key)
		case labelAbsent:
			b.WriteString("!" + r.key)
		case labelIn, labelNotIn:
			b.WriteString(r.key + " " + string(r.op) + " (" + strings.Join(r.values, ",") + ")")
		default:
			b.WriteString(r.key + string(r.op) + r.values[0])
		}
	}
	return b.String()
}

// ParseLabels reads a selector, with upstream's grammar and errors (a 400): terms
// between commas; "" selects everything.
func ParseLabels(s string) (Labels, error) {
	if s == "" {
		return Labels{}, nil
	}
	p := labelParser{rest: s}
	p.next()
	l, err := p.selector()
	if err != nil {
		return Labels{}, status.BadRequest(err.Error())
	}
	slices.SortStableFunc(l.all, func(a, b labelRequirement) int { return strings.Compare(a.key, b.key) })
	return l, nil
}

// labelParser is a position in a selector, at the token that was read last.
type labelParser struct {
	rest  string
	token labelToken
	text  string // as errors quote it; "" at the end
}

// labelToken is the type of a token; operators and brackets are their own text.
type labelToken string

const (
	labelEnd  labelToken = ""
	labelWord labelToken = "word"
)

// next reads a token. As upstream has it, a zero byte ends the token before it, or else
// the selector.
func (p *labelParser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" || p.rest[0] == 0 {
		p.rest, p.token, p.text = "", labelEnd, ""
		return
	}
	const signs = "=!(),<>"
	size := 1
	if c := p.rest[0]; strings.IndexByte(signs, c) < 0 {
		if size = strings.IndexAny(p.rest, signs+" \t\r\n\x00"); size < 0 {
			size = len(p.rest)
		}
		p.token = labelWord
	} else {
		if (c == '=' || c == '!') && strings.HasPrefix(p.rest[1:], "=") {
			size = 2
		}
		p.token = labelToken(p.rest[:size])
	}
	p.text, p.rest = p.rest[:size], strings.TrimPrefix(p.rest[size:], "\x00")
}

func (p *labelParser) selector() (l Labels, err error) {
	for {
		if p.token != labelWord && p.token != "!" {
			if p.token == labelEnd {
				return l, nil
			}
			return l, fmt.Errorf("found '%s', expected: !, identifier, or 'end of string'", p.text)
		}
		r, err := p.requirement()
		if err != nil {
			return l, fmt.Errorf("unable to parse requirement: %w", err)
		}
		l.all = append(l.all, r)
		switch p.token {
		case labelEnd:
			return l, nil
		case ",":
			p.next()
			if p.token != labelWord && p.token != "!" {
				return l, fmt.Errorf("found '%s', expected: identifier after ','", p.text)
			}
		default:
			return l, fmt.Errorf("found '%s', expected: ',' or 'end of string'", p.text)
		}
	}
}

func (p *labelParser) requirement() (r labelRequirement, err error) {
	if p.token == "!" {
		r.op = labelAbsent
		p.next()
	}
	if p.token != labelWord {
		return r, fmt.Errorf("found '%s', expected: identifier", p.text)
	}
	r.key = p.text
	if errs := field.LabelKeyErrors(r.key); errs != nil {
		return r, fmt.Errorf("<nil>: Invalid value: %q: %s", r.key, strings.Join(errs, "; "))
	}
	p.next()
	switch {
	case r.op == labelAbsent:
		return r, nil
	case p.token == labelEnd || p.token == ",":
		r.op = labelExists
		return r, nil
	}
	if r.op, err = p.operator(); err != nil {
		return r, err
	}
	if r.op == labelIn || r.op == labelNotIn {
		r.values, err = p.values()
	} else {
		r.values, err = p.value()
	}
	if err != nil {
		return r, err
	}
	return r, r.check()
}

func (p *labelParser) operator() (labelOperator, error) {
	switch p.text {
	case "in", "notin", "=", "==", "!=", ">", "<":
		op := labelOperator(p.text)
		p.next()
		return op, nil
	}
	return "", fmt.Errorf("found '%s', expected: in, notin, =, ==, !=, gt, lt", p.text)
}

// value reads the one value of a comparison, which may be missing.
func (p *labelParser) value() ([]string, error) {
	switch p.token {
	case labelEnd, ",":
		return []string{""}, nil
	case labelWord:
		v := p.text
		p.next()
		return []string{v}, nil
	}
	return nil, fmt.Errorf("found '%s', expected: identifier", p.text)
}

// values reads a list in brackets. A value may be missing before, between and behind
// commas, and then is empty.
func (p *labelParser) values() ([]string, error) {
	if p.token != "(" {
		return nil, fmt.Errorf("found '%s' expected: '('", p.text)
	}
	p.next()
	switch p.token {
	case ")":
		p.next()
		return []string{""}, nil
	case labelWord, ",":
	default:
		return nil, fmt.Errorf("found '%s', expected: ',', ')' or identifier", p.text)
	}
	var values []string
	for {
		switch p.token {
		case labelWord:
			values = append(values, p.text)
			if p.next(); p.token != "," && p.token != ")" {
				return nil, fmt.Errorf("found '%s', expected: ',' or ')'", p.text)
			}
		case ",":
			if len(values) == 0 {
				values = append(values, "")
			}
			if p.next(); p.token == "," || p.token == ")" {
				values = append(values, "")
			}
		default:
			return nil, fmt.Errorf("found '%s', expected: ',', or identifier", p.text)
		}
		if p.token == ")" {
			p.next()
			slices.Sort(values)
			return slices.Compact(values), nil
		}
	}
}

// check tells what is wrong with the values, in upstream's words for several errors.
func (r *labelRequirement) check() error {
	var errs []string
	if r.op == labelGreater || r.op == labelLess {
		var err error
		if r.number, err = strconv.ParseInt(r.values[0], 10, 64); err != nil {
			errs = append(errs, fmt.Sprintf("values[0]: Invalid value: %q: for 'Gt', 'Lt' operators, the value must be an integer", r.values[0]))
		}
	}
	for i, v := range r.values {
		if e := field.LabelValueErrors(v); e != nil {
			errs = append(errs, fmt.Sprintf("values[%d][%s]: Invalid value: %q: %s", i, r.key, v, strings.Join(e, "; ")))
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s", errs[0])
	}
	return fmt.Errorf("[%s]", strings.Join(errs, ", "))
}

// Fields is a parsed fieldSelector parameter. resolve makes it fit to match.
type Fields struct{ Terms []Term }

// Term is one field that must have a value, or must not.
type Term struct {
	Field, Value string
	Equal        bool
	Index        int // of the value in what matches is given, after resolve
}

// Places of the values that every object has.
const (
	AtName      = -1
	AtNamespace = -2
)

// ParseFields reads a selector, with upstream's grammar and errors (a 400): terms
// between commas, of which empty ones do not count; "" selects everything.
func ParseFields(s string) (Fields, error) {
	var f Fields
	for _, term := range splitFieldTerms(s) {
		if term == "" {
			continue
		}
		i := strings.IndexByte(term, '=')
		if i < 0 {
			return Fields{}, status.BadRequest("invalid selector: '" + s + "'; can't understand '" + term + "'")
		}
		field, value := term[:i], term[i+1:]
		field, unequal := strings.CutSuffix(field, "!")
		if !unequal {
			value = strings.TrimPrefix(value, "=")
		}
		plain, err := fieldValue(value)
		if err != nil {
			return Fields{}, err
		}
		if field == "" && plain == "" {
			continue // upstream has no term that says nothing
		}
		f.Terms = append(f.Terms, Term{Field: field, Value: plain, Equal: !unequal})
	}
	return f, nil
}

// splitFieldTerms splits at the commas that no backslash escapes. The terms are sorted,
// which decides the one an error names.
func splitFieldTerms(s string) []string {
	var terms []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',':
			terms = append(terms, s[start:i])
			start = i + 1
		}
	}
	terms = append(terms, s[start:])
	slices.Sort(terms)
	return terms
}

// fieldValue takes the backslashes out of a value, or tells what is wrong with it.
func fieldValue(s string) (string, error) {
	if v, ok := unescapeSelector(s); ok {
		return v, nil
	}
	escaped := false
	for _, c := range s {
		special := c == '\\' || c == ',' || c == '='
		switch {
		case escaped && !special:
			return "", status.BadRequest("invalid field selector: invalid escape sequence: \\" + string(c))
		case !escaped && special && c != '\\':
			return "", status.BadRequest(fmt.Sprintf("invalid field selector: unescaped character in value: %d", c))
		}
		escaped = !escaped && c == '\\'
	}
	return "", status.BadRequest(`invalid field selector: invalid escape sequence: \`)
}

// Resolve finds the fields among those that a resource has besides name and namespace,
// whose values matches then wants in that order. A term for an unknown one is a 400, in
// other words for a built-in kind without any (upstream).
func (f *Fields) Resolve(labels []string, custom bool) error {
	for i := range f.Terms {
		t := &f.Terms[i]
		switch t.Field {
		case "metadata.name":
			t.Index = AtName
		case "metadata.namespace":
			t.Index = AtNamespace
		default:
			t.Index = slices.Index(labels, t.Field)
			switch {
			case t.Index >= 0:
			case len(labels) == 0 && !custom:
				return status.BadRequest(strconv.Quote(t.Field) + ` is not a known field selector: only "metadata.name", "metadata.namespace"`)
			default:
				return status.BadRequest("field label not supported: " + t.Field)
			}
		}
	}
	return nil
}

// Matches reports whether an object is selected, given the values of its resource's
// selectable fields. Only a resolved selector may be asked.
func (f *Fields) Matches(namespace, name string, values []string) bool {
	for i := range f.Terms {
		t := &f.Terms[i]
		value := ""
		switch {
		case t.Index == AtName:
			value = name
		case t.Index == AtNamespace:
			value = namespace
		case t.Index < len(values):
			value = values[t.Index]
		}
		if (value == t.Value) != t.Equal {
			return false
		}
	}
	return true
}

// Empty reports whether every object is selected.
func (f *Fields) Empty() bool { return len(f.Terms) == 0 }

// Name is the name that an object must have, if it must have one.
func (f *Fields) Name() (string, bool) { return f.exact("metadata.name") }

// namespace is the namespace that an object must be in, if it must be in one.
func (f *Fields) namespace() (string, bool) { return f.exact("metadata.namespace") }

func (f *Fields) exact(field string) (string, bool) {
	for _, t := range f.Terms {
		if t.Field == field && t.Equal {
			return t.Value, true
		}
	}
	return "", false
}

// String is the selector in canonical form, which parses to the same terms.
func (f *Fields) String() string {
	var b strings.Builder
	for i, t := range f.Terms {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(t.Field)
		if !t.Equal {
			b.WriteByte('!')
		}
		b.WriteByte('=')
		for j := range len(t.Value) {
			if c := t.Value[j]; c == '\\' || c == ',' || c == '=' {
				b.WriteByte('\\')
			}
			b.WriteByte(t.Value[j])
		}
	}
	return b.String()
}

// SelectedName is the value of the first term metadata.name=VALUE (or ==) of a field
// selector. ok is false without one, and for a selector that is not well formed.
func SelectedName(selector string) (name string, ok bool) {
	for len(selector) > 0 {
		end := 0 // of the term: the first comma that no backslash escapes
		for end < len(selector) && selector[end] != ',' {
			if selector[end] == '\\' {
				end++
			}
			end++
		}
		term := selector[:min(end, len(selector))]
		selector = selector[min(end+1, len(selector)):]
		if term == "" {
			continue
		}
		field, value, found := strings.Cut(term, "=")
		if !found {
			return "", false
		}
		// field!=value, field==value and field=value; the first operator counts.
		var unequal bool
		field, unequal = strings.CutSuffix(field, "!")
		if !unequal {
			value = strings.TrimPrefix(value, "=")
		}
		value, valid := unescapeSelector(value)
		if !valid {
			return "", false
		}
		if !ok && !unequal && field == "metadata.name" {
			name, ok = value, true
		}
	}
	return name, ok
}

// unescapeSelector takes the backslashes out of a field selector's value. Backslash,
// comma and equals sign must stand behind one, and nothing else may.
func unescapeSelector(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, strings.IndexByte(s, '=') < 0 // commas ended the term
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		special := func(c byte) bool { return c == '\\' || c == ',' || c == '=' }
		if s[i] == '\\' {
			if i++; i == len(s) || !special(s[i]) {
				return "", false
			}
		} else if special(s[i]) {
			return "", false
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}
