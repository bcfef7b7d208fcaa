// Package selector parses and matches the two selectors of list requests: labelSelector and
// fieldSelector.
//
// A request's text comes in, a value comes out that says of an object whether it is
// selected. Grammar and error texts are upstream's; every error is a 400 for the client. The
// package knows neither kinds nor objects: it is given labels as a map, and the values of
// selectable fields as a list in the order of their names.
//
// A selector is parsed once for a request and then asked for each object of a list and for
// each event of a watch, so matching allocates nothing. Once parsed, and for fields
// resolved, it does not change, and any number of goroutines may ask it. The package is
// internal and promises no compatibility. In short:
//
//	labels, err := selector.ParseLabels("app in (web,db),!canary")
//	fields, err := selector.ParseFields("status.phase!=Failed")
//	err = fields.Resolve([]string{"status.phase"}, false)
//	selected := labels.Matches(pod.labels) && fields.Matches("ns", "web-0", []string{"Running"})
package selector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/status"
)

// This file has label selectors. Their grammar, with white space between any two tokens:
//
//	selector    = [ requirement { "," requirement } ]
//	requirement = KEY | "!" KEY | KEY compare [ VALUE ] | KEY ("in" | "notin") "(" values ")"
//	compare     = "=" | "==" | "!=" | ">" | "<"
//	values      = [ VALUE ] { "," [ VALUE ] }
//
// in and notin are operators behind a key only: "in in (in)" selects the label in with the
// value in. Three rules about objects without the label surprise: != and notin select
// them, as "not that value" is true of none; so "a!=b" is not "a, and not b". < and > select
// only those whose value is an integer of digits. And "a=" asks for an empty value, not for
// no label.
//
// The parser reads one token ahead. Its errors name the token found and the tokens expected,
// in upstream's words, whose punctuation is not the same everywhere.

// Labels is a parsed labelSelector parameter: requirements that all must hold, sorted by
// key. The zero value selects every object.
type Labels struct{ all []requirement }

// requirement is what must hold for one label.
type requirement struct {
	key string
	op  operator

	// values are sorted and distinct. The operators about existence have none, and those that
	// compare have one.
	values []string

	// number is the value of > and < as an integer.
	number int64
}

// operator is an operator as it is written, but for exists, which is not written at all.
// The two that stand for equality, = and ==, need no name: they are whatever is no other.
type operator string

const (
	opExists   operator = "exists"
	opAbsent   operator = "!"
	opNotEqual operator = "!="
	opIn       operator = "in"
	opNotIn    operator = "notin"
	opGreater  operator = ">"
	opLess     operator = "<"
)

// ParseLabels reads a labelSelector. "" selects everything. The error is a 400 that shows
// the client its text as upstream shows it.
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
	// Stable, so that requirements for the same key keep their order in the canonical form.
	slices.SortStableFunc(l.all, func(a, b requirement) int { return strings.Compare(a.key, b.key) })
	return l, nil
}

// Empty reports whether every object is selected.
func (l Labels) Empty() bool { return len(l.all) == 0 }

// Matches reports whether an object with these labels is selected. labels may be nil.
func (l Labels) Matches(labels map[string]string) bool {
	for i := range l.all {
		if !l.all[i].matches(labels) {
			return false
		}
	}
	return true
}

// matches reports whether the requirement holds for an object with these labels.
func (r *requirement) matches(labels map[string]string) bool {
	value, ok := labels[r.key]
	switch r.op {
	case opExists:
		return ok
	case opAbsent:
		return !ok
	case opNotEqual, opNotIn:
		return !ok || !slices.Contains(r.values, value)
	case opGreater, opLess:
		n, whole := labelInteger(value)
		return ok && whole && (r.op == opGreater && n > r.number || r.op == opLess && n < r.number)
	}
	// Equality is membership in a list of one.
	return ok && slices.Contains(r.values, value)
}

// labelInteger returns the integer that a label's value is, and false for what is none. Such
// values are common and must not get as far as strconv, whose errors cost an allocation; only
// a number that overflows does.
func labelInteger(s string) (int64, bool) {
	if s == "" || len(s) > 63 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// String returns the selector in canonical form, which parses to the same: sorted by key,
// without white space, with lists sorted.
func (l Labels) String() string {
	var b strings.Builder
	for i, r := range l.all {
		if i > 0 {
			b.WriteByte(',')
		}
		switch r.op {
		case opExists:
			b.WriteString(r.key)
		case opAbsent:
			b.WriteString("!" + r.key)
		case opIn, opNotIn:
			b.WriteString(r.key + " " + string(r.op) + " (" + strings.Join(r.values, ",") + ")")
		default:
			b.WriteString(r.key + string(r.op) + r.values[0])
		}
	}
	return b.String()
}

// labelParser is a position in a selector, at the token that was read last. Its methods find
// the first token of what they read there, and leave the first one behind it.
type labelParser struct {
	rest  string
	token token

	// text is the token as errors quote it, "" at the end.
	text string
}

// token is the type of a token; operators and brackets are their own text. The operators in
// and notin are words, as they may be keys and values as well.
type token string

const (
	tokenEnd  token = ""
	tokenWord token = "word"
)

// next reads a token. As upstream has it, a zero byte ends the token before it, or else
// the selector.
func (p *labelParser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	if p.rest == "" || p.rest[0] == 0 {
		p.rest, p.token, p.text = "", tokenEnd, ""
		return
	}
	const signs = "=!(),<>"
	// A word goes on to a sign or white space, whatever it is made of: whether it can be a key
	// or a value is checked later, to say so.
	size := 1
	if c := p.rest[0]; strings.IndexByte(signs, c) < 0 {
		if size = strings.IndexAny(p.rest, signs+" \t\r\n\x00"); size < 0 {
			size = len(p.rest)
		}
		p.token = tokenWord
	} else {
		if (c == '=' || c == '!') && strings.HasPrefix(p.rest[1:], "=") {
			size = 2
		}
		p.token = token(p.rest[:size])
	}
	p.text, p.rest = p.rest[:size], strings.TrimPrefix(p.rest[size:], "\x00")
}

// selector reads all requirements. Its errors are texts, which ParseLabels gives a code.
func (p *labelParser) selector() (l Labels, err error) {
	for {
		if p.token != tokenWord && p.token != "!" {
			if p.token == tokenEnd {
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
		case tokenEnd:
			return l, nil
		case ",":
			// Nothing may be missing between commas, though the whole selector may be empty.
			p.next()
			if p.token != tokenWord && p.token != "!" {
				return l, fmt.Errorf("found '%s', expected: identifier after ','", p.text)
			}
		default:
			return l, fmt.Errorf("found '%s', expected: ',' or 'end of string'", p.text)
		}
	}
}

// requirement reads one requirement and checks its key and values.
func (p *labelParser) requirement() (r requirement, err error) {
	if p.token == "!" {
		r.op = opAbsent
		p.next()
	}
	if p.token != tokenWord {
		return r, fmt.Errorf("found '%s', expected: identifier", p.text)
	}
	r.key = p.text
	// The key is checked before what follows it, so of two faults the first one is told.
	if errs := field.LabelKeyErrors(r.key); errs != nil {
		return r, fmt.Errorf("<nil>: Invalid value: %q: %s", r.key, strings.Join(errs, "; "))
	}
	p.next()
	switch {
	case r.op == opAbsent:
		// An operator behind !key is refused by the caller, which expects a comma.
		return r, nil
	case p.token == tokenEnd || p.token == ",":
		r.op = opExists
		return r, nil
	}
	if r.op, err = p.operator(); err != nil {
		return r, err
	}
	if r.op == opIn || r.op == opNotIn {
		r.values, err = p.values()
	} else {
		r.values, err = p.value()
	}
	if err != nil {
		return r, err
	}
	return r, r.check()
}

// operator reads an operator that stands behind a key.
func (p *labelParser) operator() (operator, error) {
	switch p.text {
	case "in", "notin", "=", "==", "!=", ">", "<":
		op := operator(p.text)
		p.next()
		return op, nil
	}
	return "", fmt.Errorf("found '%s', expected: in, notin, =, ==, !=, gt, lt", p.text)
}

// value reads the one value of a comparison, which may be missing.
func (p *labelParser) value() ([]string, error) {
	switch p.token {
	case tokenEnd, ",":
		return []string{""}, nil
	case tokenWord:
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
		// () is a list of one empty value, not of none (upstream).
		p.next()
		return []string{""}, nil
	case tokenWord, ",":
	default:
		return nil, fmt.Errorf("found '%s', expected: ',', ')' or identifier", p.text)
	}
	var values []string
	for {
		switch p.token {
		case tokenWord:
			values = append(values, p.text)
			if p.next(); p.token != "," && p.token != ")" {
				return nil, fmt.Errorf("found '%s', expected: ',' or ')'", p.text)
			}
		case ",":
			// A comma first in the list has an empty value before it; any comma has one behind
			// it if no word follows.
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
			// Sets: the canonical form and the errors' values[i] go by their order.
			slices.Sort(values)
			return slices.Compact(values), nil
		}
	}
}

// check returns what is wrong with the values, several errors in brackets as upstream writes
// an aggregate, and sets number.
func (r *requirement) check() error {
	var errs []string
	if r.op == opGreater || r.op == opLess {
		var err error
		if r.number, err = strconv.ParseInt(r.values[0], 10, 64); err != nil {
			const rule = "for 'Gt', 'Lt' operators, the value must be an integer"
			errs = append(errs, fmt.Sprintf("values[0]: Invalid value: %q: %s", r.values[0], rule))
		}
	}
	// A bound must be a label's value too, so there are no negative ones: a value cannot begin
	// with a hyphen.
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
