package selector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/status"
)

// This file has field selectors: terms FIELD=VALUE, FIELD==VALUE and FIELD!=VALUE between
// commas. There are no sets, no existence and no white space: " a" is another field than
// "a". Backslash, comma and equals sign of a value stand behind a backslash, and nothing
// else may.
//
// Which fields there are depends on the resource, so a selector is parsed first and resolved
// when the resource is known. In between, the filters in front may ask SelectedName for the
// one thing they need: whether a list is really about a single object.
//
// Two surprises. Terms are sorted as texts before they are read, so that of several wrong
// ones the same is named wherever it stands. And the first operator in a term counts, where
// a field ends at its first equals sign: a!!=b is the field "a!" that differs from b.

// Fields is a parsed fieldSelector parameter: terms that all must hold. The zero value
// selects every object. Resolve must run before Matches.
type Fields struct{ Terms []Term }

// Term is one field that must have a value or, unless Equal, must have another.
type Term struct {
	Field string
	Value string
	Equal bool

	// Index says where Matches finds the field's value: in the list that it is given, or at
	// AtName or AtNamespace. Resolve sets it.
	Index int
}

// The places of the values that every object has.
const (
	AtName      = -1
	AtNamespace = -2
)

// ParseFields reads a fieldSelector. "" selects everything, and empty terms do not count.
// The error is a 400 in upstream's words.
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
		// The mark before the sign is part of !=, a second sign behind it part of ==.
		field, unequal := strings.CutSuffix(field, "!")
		if !unequal {
			value = strings.TrimPrefix(value, "=")
		}
		plain, err := fieldValue(value)
		if err != nil {
			return Fields{}, err
		}
		// Upstream drops a term that says nothing, whatever its operator: "=" and "!=".
		if field == "" && plain == "" {
			continue
		}
		f.Terms = append(f.Terms, Term{Field: field, Value: plain, Equal: !unequal})
	}
	return f, nil
}

// splitFieldTerms splits at the commas that no backslash escapes, and sorts the terms.
func splitFieldTerms(s string) []string {
	var terms []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\': // whatever it escapes, even a field's name may have an escaped comma
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

// fieldValue takes the backslashes out of a value, or returns the 400 that says what is wrong
// with it.
func fieldValue(s string) (string, error) {
	if v, ok := unescapeSelector(s); ok {
		return v, nil
	}
	// Something is: the value is walked once more for the words, which are by character where
	// unescapeSelector looks at bytes.
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

// Resolve finds the fields among labels, those that a resource has besides name and
// namespace; Matches then wants their values in that order. A term for an unknown one is a
// 400, in other words for a built-in kind without any, as upstream has it: custom says that
// the resource is none. f must not be shared yet.
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
			// Kinds without fields of their own share one conversion in upstream, which has
			// other words than those that list theirs.
			switch {
			case t.Index >= 0:
			case len(labels) == 0 && !custom:
				const known = `only "metadata.name", "metadata.namespace"`
				return status.BadRequest(strconv.Quote(t.Field) + " is not a known field selector: " + known)
			default:
				return status.BadRequest("field label not supported: " + t.Field)
			}
		}
	}
	return nil
}

// Matches reports whether an object is selected, given the values of its resource's
// selectable fields in the order of Resolve. values may be too short: an object that was
// written before its resource had a field has "" there.
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

// Name returns the name that a selected object must have, and false if objects of several
// names may be selected. The other terms still have to match, another name among them.
func (f *Fields) Name() (string, bool) {
	for _, t := range f.Terms {
		if t.Field == "metadata.name" && t.Equal {
			return t.Value, true
		}
	}
	return "", false
}

// String returns the selector in canonical form, which parses to the same terms. Field names
// are not escaped: upstream does not unescape them.
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

// SelectedName returns the value of the first term metadata.name=VALUE (or ==) of a field
// selector that was not parsed. ok is false without one, and for a selector that ParseFields
// would refuse. It is for the path of every list request, and allocates only to unescape a
// value.
func SelectedName(selector string) (name string, ok bool) {
	// The loop goes on behind the name: a wrong term anywhere spoils the selector.
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
		// field!=value, field==value and field=value, as ParseFields has them.
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

// unescapeSelector takes the backslashes out of a field selector's value. It returns false
// if something that needs one has none, or something has one that may not. A value without
// a backslash is returned as it is.
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
