package kinds

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The rules that a row can say: words behind the type of a field. Each is one entry of ruleWords,
// which reads its argument and makes of it the check of a value. A field's rules are checked in the
// order of their words, where the value is there; what follows an unmet req is not, as upstream goes
// on to the next field then.
//
//	image 2 string req, port 3 int32 range:1-65535, type 1 string req in:Localhost|RuntimeDefault
//
// Behind a ? a rule has a condition on a sibling: req?type=Localhost holds where type is Localhost,
// and forbid?type!=Localhost where it is not; several values are apart by |, and a sibling that is
// not there has the empty value.

// fieldRule is one word of a field. The zero value of check is that of req and forbid, which are
// about whether there is a value.
// It is read once, and is only read afterwards: all requests share it.
type fieldRule struct {
	word  string
	check func(v *Visit, f *Field, value any)
	// whole says that a list is judged as such, and not each of its elements.
	whole bool

	// sibling is the field that the condition is about, "" for none; it holds if the sibling has one
	// of the values, or none of them if not is set.
	sibling string
	values  []string
	not     bool
}

// holds reports whether the condition of the rule holds in obj.
// A sibling is compared as a cell shows it, so that a number or a boolean can be a value, too.
func (rule *fieldRule) holds(obj map[string]any) bool {
	if rule.sibling == "" {
		return true
	}
	return slices.Contains(rule.values, cellText(obj[rule.sibling])) != rule.not
}

// readRule reads a word that says what must hold of a field's value, and reports whether it is one.
// It fails the reading of the file for a word that is a rule with an argument that is none.
func (r *kindReader) readRule(f *Field, text string) bool {
	text, condition, _ := strings.Cut(text, "?")
	word, argument, _ := strings.Cut(text, ":")
	rule := fieldRule{word: word}
	switch word {
	// A member is judged by its type's union, and not alone.
	case "member":
		f.member = true
		return true
	case "req", "forbid":
	case "in":
		rule.check = r.inRule(f, argument)
	case "min", "max", "range":
		rule.check = r.numberRule(word, argument)
	case "positive":
		rule.check = checkPositive
	case "maxlen", "minitems", "maxitems":
		rule.check = r.sizeRule(word, argument)
		rule.whole = word != "maxlen"
	case "format", "formed":
		rule.check = r.formatRule(argument, word == "formed")
	// These are about the value as a whole: its elements are compared with one another, or with what was
	// before.
	case "unique":
		rule.check = uniqueRule(argument)
		rule.whole = true
	case "fixed":
		rule.check = checkFixed
		rule.whole = true
	case "labels":
		rule.check = checkLabels
		rule.whole = true
	default:
		return false
	}
	// A ! belongs to the name when it is cut at the sign that follows it.
	if name, values, ok := strings.Cut(condition, "="); ok {
		rule.sibling, rule.not = strings.CutSuffix(name, "!")
		rule.values = strings.Split(values, "|")
	} else if condition != "" {
		r.fail("%q is no condition", condition)
	}
	f.rules = append(f.rules, rule)
	return true
}

// inRule demands one of the values of the argument, or of the field's own Values, which must stand
// before the word. Those of the argument are shown in its order. An empty text is not judged where it says
// as much as none, which no element of a list does: req does that.
func (r *kindReader) inRule(f *Field, argument string) func(*Visit, *Field, any) {
	values, shown := f.Values, slices.Sorted(slices.Values(f.Values)) // as upstream lists a set
	if argument != "" {
		values = strings.Split(argument, "|")
		shown = values
	}
	if len(values) == 0 {
		r.fail("the field %q is to have one of no values", f.Name)
	}
	return func(v *Visit, f *Field, value any) {
		if s, _ := value.(string); (s != "" || f.pointer || f.IsList) && !slices.Contains(values, s) {
			v.Add(field.NotSupported(v.Path(), s, shown...))
		}
	}
}

// numberRule demands a number that is not below min, above max, or outside of range A-B.
// The texts are upstream's for each of the three.
func (r *kindReader) numberRule(word, argument string) func(*Visit, *Field, any) {
	first, second, _ := strings.Cut(argument, "-")
	if word != "range" {
		first, second = argument, argument
	}
	least, err := strconv.ParseInt(first, 10, 64)
	most, err2 := strconv.ParseInt(second, 10, 64)
	if err != nil || err2 != nil {
		r.fail("%q is no number for %s", argument, word)
	}
	detail := "must be greater than or equal to " + first
	switch word {
	case "max":
		detail = "must be less than or equal to " + first
	case "range":
		detail = "must be between " + first + " and " + second + ", inclusive"
	}
	return func(v *Visit, _ *Field, value any) {
		n, ok := value.(int64)
		if ok && (word != "max" && n < least || word != "min" && n > most) {
			v.Add(field.Invalid(v.Path(), n, detail))
		}
	}
}

// checkPositive demands a number above 0.
// It is a word of its own since upstream has another text for it than for min:1.
func checkPositive(v *Visit, _ *Field, value any) {
	if n, ok := value.(int64); ok && n <= 0 {
		v.Add(field.Invalid(v.Path(), n, "must be greater than zero"))
	}
}

// sizeRule bounds the bytes of a text, or the elements of a list.
// A text is counted in bytes and a list in elements; a list that is absent is for req.
func (r *kindReader) sizeRule(word, argument string) func(*Visit, *Field, any) {
	n, err := strconv.Atoi(argument)
	if err != nil {
		r.fail("%q is no number for %s", argument, word)
	}
	return func(v *Visit, _ *Field, value any) {
		switch value := value.(type) {
		case string:
			if word == "maxlen" && len(value) > n {
				v.Add(field.TooLong(v.Path(), n))
			}
		case []any:
			if word == "minitems" && len(value) < n {
				v.Add(field.Required(v.Path(), "must have at least "+strconv.Itoa(n)+" items"))
			}
			if word == "maxitems" && len(value) > n {
				v.Add(field.TooMany(v.Path(), len(value), n))
			}
		}
	}
}

// formats returns the forms that the word format knows, each of which says what is wrong with a text.
// A function and not a variable: the package has no state that could change.
func formats() map[string]func(string) []string {
	return map[string]func(string) []string{
		"datakey":    field.DataKeyErrors,
		"env":        field.EnvNameErrors,
		"label":      field.DNSLabelErrors,
		"label1035":  field.DNS1035LabelErrors,
		"labelvalue": field.LabelValueErrors,
		"localpath":  field.LocalPathErrors,
		"nobackstep": field.BackstepErrors,
		"portname":   field.PortNameErrors,
		"qualified":  field.LabelKeyErrors,
		"relative":   field.RelativePathErrors,
		"segment":    field.PathSegmentErrors,
		"subdomain":  field.DNSSubdomainErrors,
	}
}

// formatRule demands a text of a form. An empty one is not judged unless empty says so: req does that.
func (r *kindReader) formatRule(name string, empty bool) func(*Visit, *Field, any) {
	// Once for each word in a file, when that is read, and not for each value.
	check := formats()[name]
	if check == nil {
		r.fail("%q is no format", name)
	}
	return func(v *Visit, _ *Field, value any) {
		s, ok := value.(string)
		if !ok || s == "" && !empty {
			return
		}
		for _, why := range check(s) {
			v.Add(field.Invalid(v.Path(), s, why))
		}
	}
}

// uniqueRule demands that no two elements of a list are equal or, with a key, have equal keys.
// The error is at the later one of two, as upstream's loops find it.
//
//go:noinline
func uniqueRule(key string) func(*Visit, *Field, any) {
	return func(v *Visit, _ *Field, value any) {
		list, _ := value.([]any)
		// Most lists are as short as that, and need no map.
		if len(list) < 2 {
			return
		}
		seen := make(map[any]bool, len(list))
		for i, e := range list {
			steps := []any{i}
			if o, ok := e.(map[string]any); ok && key != "" {
				e, steps = o[key], []any{i, key}
			}
			// Texts and numbers alone can be told apart by their values.
			switch e.(type) {
			case string, int64, bool:
				if seen[e] {
					v.Add(field.Duplicate(v.Path(steps...), e))
				}
				seen[e] = true
			}
		}
	}
}

// checkFixed demands the value that the field had before.
// An object where there was none has nothing to keep.
func checkFixed(v *Visit, f *Field, value any) {
	if v.Old != nil && !tree.Equal(value, v.Old[f.Name]) {
		v.Add(field.Invalid(v.Path(), value, "field is immutable"))
	}
}

// checkLabels demands a map of labels. All errors are about the map (upstream).
func checkLabels(v *Visit, _ *Field, value any) {
	labels, _ := value.(map[string]any)
	// Nearly all labels are good, and the walk over them must not sort for those that are not.
	good := true
	for k, value := range labels {
		s, _ := value.(string)
		good = good && len(field.LabelKeyErrors(k)) == 0 && len(field.LabelValueErrors(s)) == 0
	}
	if good {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		for _, why := range field.LabelKeyErrors(k) {
			v.Add(field.Invalid(v.Path(), k, why))
		}
		s, _ := labels[k].(string)
		for _, why := range field.LabelValueErrors(s) {
			v.Add(field.Invalid(v.Path(), s, why))
		}
	}
}
