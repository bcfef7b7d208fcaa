package library

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"apichain/internal/cel"
)

// Named formats check strings: format.dns1123Label().validate("a.b") is an optional list of what is wrong, in the words that users
// know from names of objects. A format is a row: its functions, and how long upstream takes its regular expression for, by which it
// counts the cost.
//
// Nothing is refused: what is wrong with a string is the value. Words are those of the validation of objects, k8s.io/apimachinery's
// pkg/api/validation and pkg/util/validation, so that a rule tells users what a field of that sort would. A length is told
// before a form. Prefixes are names to which something is added, and may end with a dash. Upstream is format.go of the library of
// Kubernetes; regular expressions of dates and uuids are of kube-openapi's strfmt.

// FormatType is the type of a format. Upstream has it for a message.
var FormatType = cel.ObjectOf("kubernetes.NamedFormat")

// namedFormat is the value of that type.
type namedFormat struct {
	key, name string // as in format.uuid(), and by which formats are equal
	length    uint64 // of its regular expression
	check     func(s string) []string
}

// Equal reports whether two have one name.
func (f *namedFormat) Equal(other cel.Value) cel.Value {
	if o, ok := other.Ref().(*namedFormat); ok {
		return cel.BoolOf(f.name == o.name)
	}
	return cel.NoSuchOverload()
}

// Size is 1: formats have no length.
func (f *namedFormat) Size() uint64 { return 1 }

// String returns that name.
func (f *namedFormat) String() string { return f.name }

// The regular expressions of names, and of what else has a form.
const (
	label     = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
	subdomain = label + `(\.` + label + ")*"
	label1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
	qualified = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
	uuid      = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"
	base64    = `^(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=|[A-Za-z0-9+\/]{4})$`
	clock     = "^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$"
)

// rule is what names of a sort have to be: of at most so many units, and of a form that is told with examples.
type rule struct {
	longest     int
	unit        string
	pattern     string
	form, words string // the expression that is shown, and what it means
	re          *regexp.Regexp
}

// newRule returns the rule; the words are followed by the examples and the expression.
func newRule(longest int, unit, form, words, examples string) *rule {
	return &rule{longest, unit, form, form, words + " (e.g. " + examples + ", regex used for validation is '" + form + "')",
		regexp.MustCompile("^" + form + "$")}
}

// long returns what is wrong with the length of a name, and broken whether its form is.
func (r *rule) long(s string) []string {
	if len(s) > r.longest {
		return []string{fmt.Sprintf("must be no more than %d %s", r.longest, r.unit)}
	}
	return nil
}

// check returns what is wrong with a name.
func (r *rule) check(s string) []string {
	errs := r.long(s)
	if !r.re.MatchString(s) {
		errs = append(errs, r.words)
	}
	return errs
}

// prefix checks a name to which something will be added, so that it may end with a dash: metadata.generateName for one. What it refuses
// it describes as a whole name would be (maskTrailingDash of apimachinery).
func prefix(check func(string) []string) func(string) []string {
	return func(s string) []string {
		if len(s) > 1 && strings.HasSuffix(s, "-") {
			s = s[:len(s)-2] + "a" // upstream takes the character before the dash, too
		}
		return check(s)
	}
}

// matching returns a check that tells one thing.
func matching(wrong string, ok func(string) bool) func(string) []string {
	return func(s string) []string {
		if ok(s) {
			return nil
		}
		return []string{wrong}
	}
}

// names are the checks of names.
type names struct{ label, subdomain, label1035, qualified, value func(string) []string }

// newNames makes them.
func newNames() names {
	const lower = "must consist of lower case alphanumeric characters"
	const ends = "must start and end with an alphanumeric character"
	labels := newRule(63, "characters", label, "a lowercase RFC 1123 label "+lower+" or '-', and "+ends, "'my-name',  or '123-abc'")
	domains := newRule(253, "characters", subdomain, "a lowercase RFC 1123 subdomain "+lower+", '-' or '.', and "+ends, "'example.com'")
	old := newRule(63, "characters", label1035, "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "+
		"start with an alphabetic character, and end with an alphanumeric character", "'my-name',  or 'abc-123'")
	keys := newRule(63, "bytes", qualified, "must consist of alphanumeric characters, '-', '_' or '.', and "+ends,
		"'MyName',  or 'my.name',  or '123-abc'")
	values := newRule(63, "bytes", "("+qualified+")?", "a valid label must be an empty string or consist of alphanumeric characters, "+
		"'-', '_' or '.', and "+ends, "'MyValue',  or 'my_value',  or '12345'")
	return names{subdomain: domains.check, label1035: old.check, value: values.check,
		label: func(s string) []string {
			// Who wrote a whole name hears of the dots and not of the alphabet.
			if !labels.re.MatchString(s) && domains.re.MatchString(s) {
				return append(labels.long(s), "must not contain dots")
			}
			return labels.check(s)
		},
		qualified: func(s string) []string { return qualifiedErrors(s, keys, domains) },
	}
}

// qualifiedErrors checks the key of a label: a name, with a subdomain and a slash in front or not.
func qualifiedErrors(s string, keys, domains *rule) []string {
	var errs []string
	name := s
	if before, after, found := strings.Cut(s, "/"); found {
		if strings.Contains(after, "/") {
			return []string{"a valid label key " + keys.words + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"}
		}
		// Upstream has two packages for names: this one counts bytes, that of subdomains alone counts characters, which are bytes too.
		name = after
		domain := *domains
		domain.unit = "bytes"
		if before == "" {
			errs = append(errs, "prefix part must be non-empty")
		} else {
			for _, e := range domain.check(before) {
				errs = append(errs, "prefix part "+e)
			}
		}
	}
	if name == "" {
		errs = append(errs, "name part must be non-empty")
	}
	for _, e := range keys.check(name) {
		errs = append(errs, "name part "+e)
	}
	return errs
}

// isDate and isDateTime are as lenient as the checks of schemas: the year may be any, and minutes may be 60.
func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// isDateTime reads a date, a T in either case, and a time with a zone.
func isDateTime(s string, re *regexp.Regexp) bool {
	parts := strings.Split(strings.ToLower(s), "t")
	if len(s) < 4 || len(parts) < 2 || !isDate(parts[0]) {
		return false
	}
	// A second T is ignored with what follows it. Hours and minutes are compared as texts, which all have two digits.
	m := re.FindStringSubmatch(parts[1])
	return m != nil && m[1] <= "23" && m[2] <= "59" && m[3] <= "59"
}

// formats returns the rows.
func formats() []*namedFormat {
	// Regular expressions are compiled with the library, which is made once.
	n := newNames()
	uuids, bytes, clocks := regexp.MustCompile(uuid), regexp.MustCompile(base64), regexp.MustCompile(clock)
	return []*namedFormat{
		{"dns1123Label", "DNS1123Label", 30, n.label},
		{"dns1123Subdomain", "DNS1123Subdomain", 60, n.subdomain},
		{"dns1035Label", "DNS1035Label", 30, n.label1035},
		{"qualifiedName", "QualifiedName", 60, n.qualified},
		{"dns1123LabelPrefix", "DNS1123LabelPrefix", 30, prefix(n.label)},
		{"dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", 60, prefix(n.subdomain)},
		{"dns1035LabelPrefix", "DNS1035LabelPrefix", 30, prefix(n.label1035)},
		{"labelValue", "LabelValue", 40, n.value},
		{"uri", "URI", 1103, func(s string) []string {
			if _, err := requestURL(s); err != nil {
				return []string{err.Error()}
			}
			return nil
		}},
		{"uuid", "uuid", uint64(len(uuid)), matching("does not match the UUID format", uuids.MatchString)},
		{"byte", "byte", 84, matching("invalid base64", bytes.MatchString)},
		{"date", "date", uint64(len(clock)), matching("invalid date", isDate)},
		{"datetime", "datetime", uint64(len(clock)), matching("invalid datetime",
			func(s string) bool { return isDateTime(s, clocks) })},
	}
}

// The greatest that estimates take a regular expression and the name of a format for.
const (
	longestFormat = 128
	longestName   = 64
)

// Format has the formats by name, and validate, which returns what is wrong, or nothing:
//
//	format.dns1123Label().validate('a.b')                       optional.of(['must not contain dots'])
//	!format.uuid().validate(self.id).hasValue()                 self.id is one
//	format.named('dns1123Label').value() == format.dns1123Label()
func Format() *cel.Library {
	l := &cel.Library{Name: "kubernetes.format", Equality: func(t *cel.Type, _, _ cel.Node) (cel.Range, bool) {
		return cel.Range{Min: 1, Max: longestName}.Scale(perByte), t == FormatType
	}}
	byName := map[string]cel.Value{}
	for _, f := range formats() {
		value := cel.OpaqueValue(FormatType, f)
		byName[f.key] = value
		l.Functions = append(l.Functions, cel.Function{Name: "format." + f.key, Overloads: []cel.Overload{
			more(global("format."+f.key, FormatType), func([]cel.Value) cel.Value { return value }),
		}})
	}
	l.Functions = append(l.Functions, cel.Function{Name: "format.named", Overloads: []cel.Overload{
		one(global("format-named", cel.OptionalOf(FormatType), cel.StringType), func(name cel.Value) cel.Value {
			if f, ok := byName[name.Str()]; ok {
				return cel.Some(f)
			}
			return cel.None
		}),
	}}, cel.Function{Name: "validate", Cost: validated, Estimate: mayValidate, Overloads: []cel.Overload{
		two(member("format-validate", cel.OptionalOf(cel.ListOf(cel.StringType)), FormatType, cel.StringType), validate),
	}})
	return l
}

// validate checks a string.
func validate(format, text cel.Value) cel.Value {
	f, ok := format.Ref().(*namedFormat)
	if !ok {
		return cel.NoSuchOverload()
	}
	if errs := f.check(text.Str()); len(errs) > 0 {
		return cel.Some(texts(errs))
	}
	return cel.None
}

// validated and mayValidate take a format for a regular expression of its length, and of the greatest.
func validated(args []cel.Value, _ cel.Value) uint64 {
	if f, ok := args[0].Ref().(*namedFormat); ok {
		return cel.MatchCost(args[1].Size(), f.length)
	}
	return 1
}

// mayValidate is the estimate of validated: which format it will be is not known.
func mayValidate(args []cel.Node) (cel.Range, *cel.Range) {
	return args[1].Size().Scale(perByte).Scale(longestFormat * perRegex), nil
}
