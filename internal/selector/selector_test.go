package selector

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
)

// labelCases are selectors with their canonical form or the message of the 400.
var labelCases = []struct{ in, want, err string }{
	{in: "", want: ""},
	{in: " \t\n", want: ""},
	{in: "a", want: "a"},
	{in: "!a", want: "!a"},
	{in: " ! a ", want: "!a"},
	{in: "a=b", want: "a=b"},
	{in: "a==b", want: "a==b"},
	{in: "a!=b", want: "a!=b"},
	{in: "a = b , c != d", want: "a=b,c!=d"},
	{in: "a=", want: "a="},
	{in: "a!=,b", want: "a!=,b"},
	{in: "a>5,b<6", want: "a>5,b<6"},
	{in: "b in (y,x), a notin (z)", want: "a notin (z),b in (x,y)"},
	{in: "a in ()", want: "a in ()"},
	{in: "a in (,)", want: "a in ()"},
	{in: "a in (x,,y)", want: "a in (,x,y)"},
	{in: "a in (,x)", want: "a in (,x)"},
	{in: "a in (x,)", want: "a in (,x)"},
	{in: "a in (x,x)", want: "a in (x)"},
	{in: "in in (in,notin)", want: "in in (in,notin)"},
	{in: "notin=in", want: "notin=in"},
	{in: "example.com/a=b", want: "example.com/a=b"},
	{in: "a in(b)", want: "a in (b)"},
	{in: "a=b\x00", want: "a=b"},

	{in: "a b", err: "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
	{in: "a!b", err: "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"},
	{in: "a(b)", err: "unable to parse requirement: found '(', expected: in, notin, =, ==, !=, gt, lt"},
	{in: "!!a", err: "unable to parse requirement: found '!', expected: identifier"},
	{in: "!", err: "unable to parse requirement: found '', expected: identifier"},
	{in: "a=!", err: "unable to parse requirement: found '!', expected: identifier"},
	{in: "a===b", err: "unable to parse requirement: found '=', expected: identifier"},
	{in: "!a=b", err: "found '=', expected: ',' or 'end of string'"},
	{in: "a=b c", err: "found 'c', expected: ',' or 'end of string'"},
	{in: "a,", err: "found '', expected: identifier after ','"},
	{in: "a,,b", err: "found ',', expected: identifier after ','"},
	{in: ",a", err: "found ',', expected: !, identifier, or 'end of string'"},
	{in: "=b", err: "found '=', expected: !, identifier, or 'end of string'"},
	{in: "a in b", err: "unable to parse requirement: found 'b' expected: '('"},
	{in: "a in", err: "unable to parse requirement: found '' expected: '('"},
	{in: "a in (=)", err: "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
	{in: "a in (b", err: "unable to parse requirement: found '', expected: ',' or ')'"},
	{in: "a in (b c)", err: "unable to parse requirement: found 'c', expected: ',' or ')'"},
	{in: "a in (b,", err: "unable to parse requirement: found '', expected: ',', or identifier"},
	{in: "-a", err: `unable to parse requirement: <nil>: Invalid value: "-a": name part ` + field.LabelKeyRule},
	{in: "a/b/c", err: `unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key ` + field.LabelKeyRule + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"},
	{in: "a=-b", err: `unable to parse requirement: values[0][a]: Invalid value: "-b": ` + field.LabelValueRule},
	{in: "a in (b,-c)", err: `unable to parse requirement: values[0][a]: Invalid value: "-c": ` + field.LabelValueRule},
	{in: "a>b", err: `unable to parse requirement: values[0]: Invalid value: "b": for 'Gt', 'Lt' operators, the value must be an integer`},
	{in: "a>-1", err: `unable to parse requirement: values[0][a]: Invalid value: "-1": ` + field.LabelValueRule},
	{in: "a>-", err: `unable to parse requirement: [values[0]: Invalid value: "-": for 'Gt', 'Lt' operators, the value must be an integer, values[0][a]: Invalid value: "-": ` + field.LabelValueRule + "]"},
}

func TestParseLabelSelector(t *testing.T) {
	for _, tc := range labelCases {
		l, err := ParseLabels(tc.in)
		if tc.err != "" {
			checkBadRequest(t, tc.in, err, tc.err)
			continue
		}
		if err != nil || l.String() != tc.want || l.Empty() != (tc.want == "") {
			t.Errorf("%q: got %q (%v), want %q", tc.in, l, err, tc.want)
		}
	}
}

func checkBadRequest(t *testing.T, in string, err error, want string) {
	t.Helper()
	var e *status.Error
	if !errors.As(err, &e) || e.Code != 400 || e.Reason != "BadRequest" || e.Message != want {
		t.Errorf("%q: got error %v, want the 400 %q", in, err, want)
	}
}

func TestLabelSelectorMatches(t *testing.T) {
	labels := map[string]string{"app": "web", "empty": "", "n": "10", "big": "99999999999999999999", "word": "1a"}
	for selector, want := range map[string]bool{
		"": true, "app": true, "none": false, "!app": false, "!none": true, "app=web": true, "app==web": true, "app=db": false, "none=web": false,
		"none=": false, "empty=": true, "empty": true, "app!=web": false, "app!=db": true, "none!=web": true,
		"app in (db,web)": true, "app in (db)": false, "none in ()": false, "empty in ()": true, "app notin (db)": true, "app notin (db,web)": false, "none notin (a)": true,
		"n>9": true, "n>10": false, "n<11": true, "n<10": false, "none<1": false, "word>0": false, "big>0": false, "app>0": false, "empty<1": false,
		"app=web,n>9": true, "app=web,n<9": false, "!none,app": true,
	} {
		l, err := ParseLabels(selector)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Matches(labels); got != want {
			t.Errorf("%q matches: %v", selector, got)
		}
		if n := testing.AllocsPerRun(10, func() { l.Matches(labels) }); n != 0 && !strings.Contains(selector, "big") {
			t.Errorf("%q: %v allocations", selector, n)
		}
	}
	if l, _ := ParseLabels("!a"); !l.Matches(nil) {
		t.Error("no labels, and an absent one is not absent")
	}
}

// fieldCases are selectors with their canonical form or the message of the 400.
var fieldCases = []struct{ in, want, err string }{
	{in: "", want: ""},
	{in: ",,", want: ""},
	{in: "metadata.name=a", want: "metadata.name=a"},
	{in: "metadata.name==a", want: "metadata.name=a"},
	{in: "metadata.name!=a", want: "metadata.name!=a"},
	{in: "metadata.name=", want: "metadata.name="},
	{in: "spec.b=1,,spec.a!=2", want: "spec.a!=2,spec.b=1"},
	{in: `spec.a=x\,y\=z\\`, want: `spec.a=x\,y\=z\\`},
	{in: "spec.a=b!", want: "spec.a=b!"},
	{in: "a!!=b", want: "a!!=b"},
	{in: "=b", want: "=b"},
	{in: "==,!=", want: ""},
	{in: `a\,b=c`, want: `a\,b=c`},

	{in: "metadata.name", err: "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
	{in: "a=b,x", err: "invalid selector: 'a=b,x'; can't understand 'x'"},
	{in: "x,a=b,c", err: "invalid selector: 'x,a=b,c'; can't understand 'c'"},
	{in: "a=b=c", err: "invalid field selector: unescaped character in value: 61"},
	{in: "a===b", err: "invalid field selector: unescaped character in value: 61"},
	{in: `a=b\c`, err: `invalid field selector: invalid escape sequence: \c`},
	{in: `a=b\é`, err: `invalid field selector: invalid escape sequence: \é`},
	{in: `a=b\\\`, err: `invalid field selector: invalid escape sequence: \`},
}

func TestParseFieldSelector(t *testing.T) {
	for _, tc := range fieldCases {
		f, err := ParseFields(tc.in)
		if tc.err != "" {
			checkBadRequest(t, tc.in, err, tc.err)
			continue
		}
		if err != nil || f.String() != tc.want || f.Empty() != (tc.want == "") {
			t.Errorf("%q: got %q (%v), want %q", tc.in, f.String(), err, tc.want)
		}
	}
}

func TestFieldSelectorMatches(t *testing.T) {
	fields := []kinds.Selectable{{Label: "spec.color"}, {Label: "status.phase"}}
	for _, tc := range []struct {
		in   string
		want bool
		name string // what is exactly required
	}{
		{in: "", want: true},
		{in: "metadata.name=n", want: true, name: "n"},
		{in: "metadata.name=x", want: false, name: "x"},
		{in: "metadata.name!=n", want: false},
		{in: "metadata.name!=x", want: true},
		{in: "metadata.namespace=ns,metadata.name=n", want: true, name: "n"},
		{in: "metadata.namespace=other", want: false},
		{in: "spec.color=red", want: true},
		{in: "spec.color!=red", want: false},
		{in: "spec.color=red,status.phase=", want: true},
		{in: "spec.color=red,status.phase!=", want: false},
		{in: "spec.color=red,spec.color=blue", want: false},
	} {
		f, err := ParseFields(tc.in)
		if err == nil {
			err = f.Resolve(kinds.FieldLabels(fields), false)
		}
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		values := []string{"red"} // the second is missing: an object written before its field was selectable
		if got := f.Matches("ns", "n", values); got != tc.want {
			t.Errorf("%q matches: %v", tc.in, got)
		}
		if n := testing.AllocsPerRun(10, func() { f.Matches("ns", "n", values) }); n != 0 {
			t.Errorf("%q: %v allocations", tc.in, n)
		}
		if name, ok := f.Name(); name != tc.name || ok != (tc.name != "") {
			t.Errorf("%q: name %q %v", tc.in, name, ok)
		}
	}
	for _, in := range []string{"spec.size=1", "metadata.name=a,spec.size!=1", "=b"} {
		f, _ := ParseFields(in)
		unknown := "field label not supported: spec.size"
		if in == "=b" {
			unknown = "field label not supported: "
		}
		checkBadRequest(t, in, f.Resolve(kinds.FieldLabels(fields), false), unknown)
		checkBadRequest(t, in, f.Resolve(kinds.FieldLabels(nil), true), unknown)
		plain := strconv.Quote(strings.TrimPrefix(unknown, "field label not supported: ")) + ` is not a known field selector: only "metadata.name", "metadata.namespace"`
		checkBadRequest(t, in, f.Resolve(kinds.FieldLabels(nil), false), plain)
	}
}

// FuzzLabelSelector: a selector's canonical form parses to the selector, and failures are
// the client's.
func FuzzLabelSelector(f *testing.F) {
	for _, tc := range labelCases {
		f.Add(tc.in, "a", "b")
	}
	f.Fuzz(func(t *testing.T, s, key, value string) {
		l, err := ParseLabels(s)
		if err != nil {
			var e *status.Error
			if !errors.As(err, &e) || e.Code != 400 || e.Message == "" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := ParseLabels(l.String())
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%q: %q parses to %q (%v)", s, l, again, err)
		}
		labels := map[string]string{key: value}
		all := true
		for i := range l.all {
			all = all && Labels{l.all[i : i+1]}.Matches(labels)
		}
		if l.Matches(labels) != all {
			t.Fatalf("%q does not match as its requirements do", s)
		}
	})
}

// FuzzFieldSelector: as for labels; and what names a request's object is what the
// selector requires.
func FuzzFieldSelector(f *testing.F) {
	for _, tc := range fieldCases {
		f.Add(tc.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := ParseFields(s)
		if err != nil {
			var e *status.Error
			if !errors.As(err, &e) || e.Code != 400 || e.Message == "" {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := ParseFields(sel.String())
		sorted := func(f Fields) []string { return slices.Sorted(strings.SplitSeq(f.String(), ",")) }
		if err != nil || !slices.Equal(sorted(again), sorted(sel)) {
			t.Fatalf("%q: %q parses to %q (%v)", s, sel.String(), again.String(), err)
		}
		_, exact := sel.Name()
		if _, selected := SelectedName(s); exact != selected {
			t.Fatalf("%q: required %v, selected %v", s, exact, selected)
		}
		if sel.Resolve(kinds.FieldLabels(nil), false) == nil {
			sel.Matches("ns", "n", nil)
		}
	})
}
