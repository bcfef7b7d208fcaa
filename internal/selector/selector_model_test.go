package selector

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/status"
)

// Selectors and names against models that are slow and plain.

// modelTerm is a requirement in the model, and one way of many to write it.
type modelTerm struct {
	text    string
	matches func(labels map[string]string) bool
}

func randomLabelTerm(r *rand.Rand) modelTerm {
	keys, values := []string{"a", "b", "in", "notin", "x.y/z"}, []string{"", "1", "2", "10", "v", "in"}
	key := keys[r.IntN(len(keys))]
	gap := func() string { return []string{"", " ", "\t", "\r\n "}[r.IntN(4)] }
	var set []string
	for range r.IntN(3) + 1 {
		set = append(set, values[r.IntN(len(values))])
	}
	one := set[0]
	list := gap() + "(" + gap() + strings.Join(set, gap()+","+gap()) + gap() + ")"
	switch r.IntN(8) {
	case 0:
		return modelTerm{gap() + key + gap(), func(l map[string]string) bool { _, ok := l[key]; return ok }}
	case 1:
		return modelTerm{gap() + "!" + gap() + key + gap(), func(l map[string]string) bool { _, ok := l[key]; return !ok }}
	case 2:
		return modelTerm{key + gap() + []string{"=", "=="}[r.IntN(2)] + gap() + one + gap(), func(l map[string]string) bool { v, ok := l[key]; return ok && v == one }}
	case 3:
		return modelTerm{key + gap() + "!=" + gap() + one + gap(), func(l map[string]string) bool { v, ok := l[key]; return !ok || v != one }}
	case 4:
		return modelTerm{key + " in" + list + gap(), func(l map[string]string) bool { v, ok := l[key]; return ok && slices.Contains(set, v) }}
	case 5:
		return modelTerm{key + " notin" + list + gap(), func(l map[string]string) bool { v, ok := l[key]; return !ok || !slices.Contains(set, v) }}
	}
	bound, sign := r.IntN(12), 1
	op := ">"
	if r.IntN(2) == 0 {
		op, sign = "<", -1
	}
	return modelTerm{key + gap() + op + gap() + strconv.Itoa(bound), func(l map[string]string) bool {
		n, err := strconv.Atoi(l[key])
		return err == nil && sign*(n-bound) > 0
	}}
}

// TestLabelSelectorModel: random selectors, written loosely, select what the model does, and
// so does what they are in canonical form, which stays as it is.
func TestLabelSelectorModel(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var sets []map[string]string
	for range 60 {
		l := map[string]string{}
		for _, k := range []string{"a", "b", "in", "notin", "x.y/z"} {
			if r.IntN(3) > 0 {
				l[k] = []string{"", "1", "2", "10", "v", "in", "x"}[r.IntN(7)]
			}
		}
		sets = append(sets, l)
	}
	selected := 0
	for range 3000 {
		var terms []modelTerm
		var texts []string
		for range r.IntN(3) + 1 {
			term := randomLabelTerm(r)
			terms, texts = append(terms, term), append(texts, term.text)
		}
		text := strings.Join(texts, ",")
		l, err := ParseLabels(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := ParseLabels(l.String())
		if err != nil || again.String() != l.String() {
			t.Fatalf("%q: %q, and then %q (%v)", text, l, again, err)
		}
		if len(l.all) != len(terms) {
			t.Fatalf("%q: %d requirements, want %d", text, len(l.all), len(terms))
		}
		for _, labels := range sets {
			want := true
			for _, term := range terms {
				want = want && term.matches(labels)
			}
			if want {
				selected++
			}
			if got := l.Matches(labels); got != want || again.Matches(labels) != want {
				t.Fatalf("%q of %v: got %v, want %v; in canonical form %v", text, labels, got, want, again.Matches(labels))
			}
		}
	}
	if selected < 1000 {
		t.Errorf("only %d were selected", selected)
	}
}

// TestLabelSelectorRefusalsAreWhole: what is refused selects nothing and says so as upstream
// begins; a prefix of a good selector is good or refused, and never panics.
func TestLabelSelectorRefusalsAreWhole(t *testing.T) {
	for _, whole := range []string{"a in (x,y),b notin (z),!c,d>5,e==f,g!=h", "example.com/a=b,in in (in)", "a=b\t,\n!c"} {
		for i := range len(whole) + 1 {
			l, err := ParseLabels(whole[:i])
			if err == nil {
				if again, err := ParseLabels(l.String()); err != nil || again.String() != l.String() {
					t.Errorf("%q: %q, and then %q (%v)", whole[:i], l, again, err)
				}
				continue
			}
			e, ok := err.(*status.Error)
			if !ok || e.Code != 400 || e.Reason != "BadRequest" || !l.Empty() {
				t.Errorf("%q: %#v and %v", whole[:i], err, l)
			} else if !strings.HasPrefix(e.Message, "unable to parse requirement: ") && !strings.HasPrefix(e.Message, "found '") {
				t.Errorf("%q: %s", whole[:i], e.Message)
			}
		}
	}
}

// TestLabelNumbers: what counts as an integer of gt and lt. A label cannot begin with a sign.
func TestLabelNumbers(t *testing.T) {
	for _, row := range []struct {
		selector, value string
		want            bool
	}{
		{"n>1", "2", true}, {"n>1", "1", false}, {"n>1", "0002", true}, {"n<2", "1", true}, {"n<2", "2", false}, {"n<1", "0", true},
		{"n>9223372036854775806", "9223372036854775807", true}, {"n<9223372036854775807", "9223372036854775808", false}, {"n>0", "9223372036854775808", false},
		{"n>0", "1.5", false}, {"n>0", "1e3", false}, {"n>0", "0x10", false}, {"n>0", "1_0", false}, {"n>0", "", false}, {"n<1", "", false}, {"n<1", "a", false},
		{"n>007", "8", true}, {"n>007", "7", false}, {"n>0", strings.Repeat("0", 62) + "1", true},
	} {
		l, err := ParseLabels(row.selector)
		if err != nil {
			t.Fatalf("%s: %v", row.selector, err)
		}
		if got := l.Matches(map[string]string{"n": row.value}); got != row.want {
			t.Errorf("%s of %q: %v", row.selector, row.value, got)
		}
	}
	for _, text := range []string{"n>9223372036854775808", "n>1.5", "n>", "n<x", "n>1,n<"} {
		if l, err := ParseLabels(text); err == nil {
			t.Errorf("%s is taken: %s", text, l)
		}
	}
}

// TestFieldSelectorModel: random terms with values that have to be escaped, sorted by their
// text as upstream does, select what the model does.
func TestFieldSelectorModel(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	escape := strings.NewReplacer(`\`, `\\`, ",", `\,`, "=", `\=`)
	values := []string{"", "a", "b=c", "d,e", `f\g`, `\`, "=", ",", " h ", "é", "!"}
	fields := []kinds.Selectable{{Label: "spec.x"}, {Label: "status.phase"}}
	type object struct{ namespace, name, x, phase string }
	value := func() string { return values[r.IntN(len(values))] }
	selected := 0
	for range 4000 {
		var texts []string
		var tests []func(object) bool
		for range r.IntN(4) {
			want, equal := value(), r.IntN(2) == 0
			if r.IntN(6) == 0 {
				texts = append(texts, "") // an empty term says nothing
			}
			i := r.IntN(4)
			name := []string{"metadata.namespace", "metadata.name", "spec.x", "status.phase"}[i]
			op := "!="
			if equal {
				op = []string{"=", "=="}[r.IntN(2)]
			}
			texts = append(texts, name+op+escape.Replace(want))
			tests = append(tests, func(o object) bool {
				return (want == []string{o.namespace, o.name, o.x, o.phase}[i]) == equal
			})
		}
		text := strings.Join(texts, ",")
		f, err := ParseFields(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := f.Resolve(kinds.FieldLabels(fields), true); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := ParseFields(f.String())
		if err != nil || again.Resolve(kinds.FieldLabels(fields), true) != nil || !sameTerms(again, f) || len(f.Terms) != len(tests) || f.Empty() != (len(tests) == 0) {
			t.Fatalf("%q: %q of %d terms, and then %q (%v)", text, f.String(), len(f.Terms), again.String(), err)
		}
		for range 10 {
			o := object{value(), value(), value(), value()}
			want := true
			for _, test := range tests {
				want = want && test(o)
			}
			if want {
				selected++
			}
			if got := f.Matches(o.namespace, o.name, []string{o.x, o.phase}); got != want {
				t.Fatalf("%q of %+v: got %v, want %v", text, o, got, want)
			}
			// The name that the selector asks for is that of every object that it selects.
			if name, ok := f.Name(); want && ok && name != o.name {
				t.Fatalf("%q: name is %q, and %+v is selected", text, name, o)
			}
		}
	}
	if selected < 1000 {
		t.Errorf("only %d were selected", selected)
	}
}

// sameTerms compares without the order, which the operators' texts have a part in.
func sameTerms(a, b Fields) bool {
	sorted := func(f Fields) []string {
		var texts []string
		for _, term := range f.Terms {
			texts = append(texts, fmt.Sprintf("%+v", term))
		}
		slices.Sort(texts)
		return texts
	}
	return slices.Equal(sorted(a), sorted(b))
}

// TestFieldSelectorUnknown: the words for a field that the resource does not have.
func TestFieldSelectorUnknown(t *testing.T) {
	some := []kinds.Selectable{{Label: "type"}}
	for _, row := range []struct {
		text   string
		fields []kinds.Selectable
		custom bool
		want   string
	}{
		{"metadata.name=a,metadata.namespace!=b", nil, false, ""},
		{"metadata.name=a,metadata.namespace!=b", nil, true, ""},
		{"type=x", some, false, ""},
		{"type=x", nil, true, "field label not supported: type"},
		{"type=x", nil, false, `"type" is not a known field selector: only "metadata.name", "metadata.namespace"`},
		{"spec.size=1", some, false, "field label not supported: spec.size"},
		{"spec.size=1", some, true, "field label not supported: spec.size"},
		{"z=1,b=2,a=3", some, true, "field label not supported: a"}, // terms are sorted
		{"Metadata.name=a", nil, true, "field label not supported: Metadata.name"},
		{" metadata.name=a", nil, true, "field label not supported:  metadata.name"},
		{"=a", nil, true, "field label not supported: "},
	} {
		f, err := ParseFields(row.text)
		if err != nil {
			t.Fatalf("%s: %v", row.text, err)
		}
		err = f.Resolve(kinds.FieldLabels(row.fields), row.custom)
		if row.want == "" && err != nil || row.want != "" && err == nil {
			t.Errorf("%s: %v, want %q", row.text, err, row.want)
		} else if err != nil {
			checkBadRequest(t, row.text, err, row.want)
		}
	}
	// A value that an object does not have is empty.
	f, _ := ParseFields("type=")
	if err := f.Resolve(kinds.FieldLabels(some), true); err != nil || !f.Matches("", "a", nil) {
		t.Errorf("an object without values: %v", err)
	}
}

// TestNamesAgainstTheirRegexps: each rule against the regular expression that its own text
// tells, on all texts of few letters and around its length.
func TestNamesAgainstTheirRegexps(t *testing.T) {
	letters := []string{"a", "Z", "0", "-", ".", "_", "/", "é", "\n"}
	var texts []string
	level := []string{""}
	for range 4 {
		texts = append(texts, level...)
		var next []string
		for _, s := range level {
			for _, l := range letters {
				next = append(next, s+l)
			}
		}
		level = next
	}
	for _, n := range []int{62, 63, 64, 252, 253, 254} {
		long := strings.Repeat("a", n)
		texts = append(texts, long, long[1:]+"-", "-"+long[1:], long+"/b", "b/"+long, long[1:]+".", strings.Repeat("a.", n/2)+"a")
	}
	whole := func(re string) *regexp.Regexp { return regexp.MustCompile(`\A(` + re + `)\z`) }
	label, subdomain, dns1035, key := whole(field.DNSLabelRegexp), whole(field.DNSSubdomainRegexp), whole(field.DNS1035Regexp), whole(field.LabelKeyRegexp)
	for _, rule := range []struct {
		name  string
		check func(string) []string
		good  func(string) bool
	}{
		{"label", field.DNSLabelErrors, func(s string) bool { return len(s) <= 63 && label.MatchString(s) }},
		{"subdomain", field.DNSSubdomainErrors, func(s string) bool { return len(s) <= 253 && subdomain.MatchString(s) }},
		{"1035", field.DNS1035LabelErrors, func(s string) bool { return len(s) <= 63 && dns1035.MatchString(s) }},
		{"segment", field.PathSegmentErrors, func(s string) bool { return s != "." && s != ".." && !strings.ContainsAny(s, "/%") }},
		{"value", field.LabelValueErrors, func(s string) bool { return s == "" || len(s) <= 63 && key.MatchString(s) }},
		{"key", field.LabelKeyErrors, func(s string) bool {
			prefix, name, found := strings.Cut(s, "/")
			if !found {
				prefix, name = "a", s
			}
			return len(prefix) <= 253 && subdomain.MatchString(prefix) && len(name) <= 63 && key.MatchString(name)
		}},
		{"CRD label", func(s string) []string { return oneOrNone(schema.LabelWords(s)) }, func(s string) bool { return len(s) <= 63 && dns1035.MatchString(s) }},
		{"CRD subdomain", func(s string) []string { return oneOrNone(schema.SubdomainWords(s)) }, func(s string) bool { return len(s) <= 253 && subdomain.MatchString(s) }},
	} {
		taken := 0
		for _, s := range texts {
			errs := rule.check(s)
			if good := rule.good(s); good != (len(errs) == 0) {
				t.Errorf("%s: %q: %q, but by the expression it is %v", rule.name, s, errs, good)
			} else if good {
				taken++
			}
		}
		if taken < 8 || taken == len(texts) {
			t.Errorf("%s: %d of %d texts are good", rule.name, taken, len(texts))
		}
	}
}

func oneOrNone(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
