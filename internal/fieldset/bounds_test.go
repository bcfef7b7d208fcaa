package fieldset

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestErrorsText: one error by itself, several below each other, and none is no error.
func TestErrorsText(t *testing.T) {
	one, two := Errors{{"", "bad"}}, Errors{{".a", "bad"}, {"", "worse"}}
	for want, errs := range map[string]Errors{
		"<nil>": nil, "bad": one, "errors:\n  .a: bad\n  worse": two,
	} {
		if got := fmt.Sprint(errs.Err()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if Errors(nil).Err() != nil || (Errors{}).Err() != nil {
		t.Error("no errors are an error")
	}
}

// TestUnder: a step comes before the paths below it, up to the bound, and the first error always has it.
func TestUnder(t *testing.T) {
	long := Field(strings.Repeat("x", mostText))
	for _, tt := range []struct {
		name  string
		step  Element
		used  int
		given int
		kept  int
	}{
		{"none", Field("a"), 0, 0, 0},
		{"a few", Field("a"), 0, 3, 3},
		{"one that is too long", long, 0, 1, 1},
		{"several that are too long", long, 0, 3, 1},
		{"no room left", Field("a"), mostText, 3, 1},
		{"room for one", Field("a"), mostText - 2, 3, 1},
		{"room for two", Field("a"), mostText - 4, 3, 2},
		{"room for all", Field("a"), mostText - 6, 3, 3},
	} {
		var errs Errors
		for i := range tt.given {
			errs = append(errs, Error{".b", fmt.Sprint(i)})
		}
		text := tt.used
		got := errs.Under(tt.step, &text)
		if len(got) != tt.kept {
			t.Errorf("%s: %d errors, want %d", tt.name, len(got), tt.kept)
		}
		for i, e := range got {
			if e.Path != tt.step.String()+".b" || e.Message != fmt.Sprint(i) {
				t.Errorf("%s: the error is %.40s %s", tt.name, e.Path, e.Message)
			}
		}
		if grown := text > tt.used; grown != (tt.given > 0) {
			t.Errorf("%s: the text was %d and is %d", tt.name, tt.used, text)
		}
	}
}

// TestCheck: each sort of scalar beside each sort of value, with upstream's words for what does not fit.
func TestCheck(t *testing.T) {
	values := []any{nil, absent{}, "x", int64(1), 1.5, true, []any{}, map[string]any{}}
	for _, tt := range []struct {
		of   Scalar
		want []string // "" for what is right
	}{
		{NoScalar, []string{"", "", "", "", "", "", "", ""}},
		{AnyScalar, []string{"", "", "", "", "", "", "p expected any scalar, got &{[]}", "p expected any scalar, got &{map[]}"}},
		{Number, []string{"", "", "p expected numeric (int or float), got string", "", "", "p expected numeric (int or float), got bool",
			"p expected numeric (int or float), got []interface {}", "p expected numeric (int or float), got map[string]interface {}"}},
		{Text, []string{"", "", "", "p expected string, got &value.valueUnstructured{Value:1}", "p expected string, got &value.valueUnstructured{Value:1.5}",
			"p expected string, got &value.valueUnstructured{Value:true}", "p expected string, got &value.valueUnstructured{Value:[]interface {}{}}",
			"p expected string, got &value.valueUnstructured{Value:map[string]interface {}{}}"}},
		{Bool, []string{"", "", "p expected boolean, got &{x}", "p expected boolean, got &{1}", "p expected boolean, got &{1.5}", "",
			"p expected boolean, got &{[]}", "p expected boolean, got &{map[]}"}},
	} {
		for i, v := range values {
			want := tt.want[i]
			if want == "" {
				want = "<nil>"
			}
			if got := fmt.Sprint(tt.of.Check(v, "p ").Err()); got != want {
				t.Errorf("%#v where %d is said: %s, want %s", v, tt.of, got, want)
			}
		}
	}
}

// TestFor: a value is taken by its own sort where the place allows that, and by all that is allowed where it does not.
func TestFor(t *testing.T) {
	all := Atom{Scalar: Text, List: Keyed, Keys: []string{"k"}, Map: Granular, Untold: true}
	for _, tt := range []struct {
		atom  Atom
		v     any
		sort  int
		whole bool // nothing is left out
	}{
		{all, map[string]any{}, mapSort, false}, {all, []any{}, listSort, false}, {all, "x", scalarSort, false}, {all, true, scalarSort, false},
		{all, int64(1), scalarSort, false}, {all, 1.5, scalarSort, false}, {all, nil, mapSort, true}, {all, absent{}, mapSort, true},
		{Atom{Scalar: Text}, []any{}, scalarSort, true}, {Atom{List: SetList}, "x", listSort, true}, {Atom{Map: Atomic}, "x", mapSort, true},
		{Atom{Scalar: Text, List: SetList}, map[string]any{}, scalarSort, true}, {Atom{}, "x", noSort, true},
	} {
		got := tt.atom.For(tt.v)
		same := got.Map == tt.atom.Map && got.Scalar == tt.atom.Scalar && got.List == tt.atom.List && slices.Equal(got.Keys, tt.atom.Keys) && got.Untold == tt.atom.Untold
		if got.sort() != tt.sort || same != tt.whole {
			t.Errorf("%v for %#v is %v", tt.atom, tt.v, got)
		}
	}
	if list := all.For([]any{}); list.List != Keyed || len(list.Keys) != 1 || list.Untold {
		t.Errorf("a list without its keys: %v", list)
	}
	if m := all.For(map[string]any{}); m.Map != Granular || !m.Untold {
		t.Errorf("a map whose fields somebody has told: %v", m)
	}
}

// TestDeduced: of a place without a schema maps are granular, lists are atomic, and no field has a name or a default.
func TestDeduced(t *testing.T) {
	d := Deduced()
	field, named := d.Field("a")
	if named || field != d || d.Items() != d || d.Default() != nil {
		t.Errorf("%v %v %v %v", field, named, d.Items(), d.Default())
	}
	for text, want := range map[string]string{
		`{a: 1}`: `{"f:a":{}}`, `{a: [x, x]}`: `{"f:a":{}}`, `{a: {b: [{c: 1}]}}`: `{"f:a":{"f:b":{}}}`, `{a: null}`: `{"f:a":{}}`,
	} {
		s, err := Of(object(t, text), d)
		if err != nil {
			t.Error(text, err)
		}
		// A map's own fields have no names, so each of them is a member.
		if got := string(s.Leaves().AppendJSON(nil)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestShared: no operation changes a set that it is given, nor what was made of it before.
func TestShared(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 1))
	for range 500 {
		a, _ := randomSet(r)
		b, _ := randomSet(r)
		textA, textB := string(a.AppendJSON(nil)), string(b.AppendJSON(nil))
		made := []Set{a.Union(b), a.Intersection(b), a.Difference(b), a.RecursiveDifference(b), a.Leaves(), UnionOf([]Set{a, b, a}), Exclude(b).Apply(a), a.MembersNamed(objectPlace), a.Whole(objectPlace)}
		var texts []string
		for _, s := range made {
			sound(t, "what was made", s)
			texts = append(texts, string(s.AppendJSON(nil)))
		}
		_ = made[0].Union(made[2]).Difference(made[1])
		_ = string(a.AppendJSONByText(nil))
		for i, s := range made {
			if got := string(s.AppendJSON(nil)); got != texts[i] {
				t.Fatalf("operation %d of %s and %s was %s and is %s", i, textA, textB, texts[i], got)
			}
		}
		if string(a.AppendJSON(nil)) != textA || string(b.AppendJSON(nil)) != textB {
			t.Fatalf("%s and %s have become %s and %s", textA, textB, a.AppendJSON(nil), b.AppendJSON(nil))
		}
	}
}

// TestQueriesByOperations: what is asked without memory is what the operation that needs some has found.
func TestQueriesByOperations(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 2))
	meets, all := 0, 0
	for range 2000 {
		a, membersA := randomSet(r)
		b, membersB := randomSet(r)
		if r.IntN(4) == 0 {
			a = a.Union(b)
			membersA = membersOf(a)
		}
		if got, want := a.Meets(b), !a.Intersection(b).IsEmpty(); got != want {
			t.Fatalf("%v meets %v: %v", a, b, got)
		} else if want {
			meets++
		}
		if got, want := a.HasAll(b), b.Difference(a).IsEmpty(); got != want {
			t.Fatalf("%v has all of %v: %v", a, b, got)
		} else if want {
			all++
		}
		if a.Len() != len(membersA) || b.Len() != len(membersB) {
			t.Fatalf("%v has %d members, want %d", a, a.Len(), len(membersA))
		}
		a.Each(func(p Path) {
			if !a.Has(p) || b.Has(p) != membersB[p.String()] {
				t.Fatalf("%v of %v and %v", p, a, b)
			}
		})
	}
	if meets < 100 || all < 100 {
		t.Errorf("of 2000 pairs %d meet, and of %d one has all of the other", meets, all)
	}
	a, b := parse(t, `{"f:a":{"f:b":{}},"f:c":{}}`), parse(t, `{"f:a":{"f:d":{}},"f:e":{}}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = a.Meets(b), a.HasAll(b) }); n != 0 {
		t.Errorf("questions cost %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = a.Difference(b) }); n != 0 {
		t.Errorf("a difference to what is apart costs %v allocations", n)
	}
}

// TestRoundTrip: what is written is read as the same set, and in its order; what is written by text is the same set as well.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 3))
	for range 1000 {
		s, _ := randomSet(r)
		text := s.AppendJSON(nil)
		got, ordered, err := ParseOrdered(text)
		if err != nil || !ordered || !got.Equal(s) {
			t.Fatalf("%s is read as %s, ordered %v, %v", text, got.AppendJSON(nil), ordered, err)
		}
		byText := s.AppendJSONByText(nil)
		got, ordered, err = ParseOrdered(string(byText))
		if err != nil || !got.Equal(s) || ordered != (string(byText) == string(text)) {
			t.Fatalf("%s is read as %s, ordered %v, %v", byText, got.AppendJSON(nil), ordered, err)
		}
		// The order by text is that of a tree's names.
		v, _, err := tree.ParseJSON(text)
		if err != nil || string(tree.AppendJSON(nil, v)) != string(byText) {
			t.Fatalf("by text %s, as a tree %s, %v", byText, tree.AppendJSON(nil, v), err)
		}
	}
}

// TestOrdered: where elements are out of order it is said, however deep, and the set is the same.
func TestOrdered(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: true, `{"f:a":{},"f:b":{}}`: true, `{"f:b":{},"f:a":{}}`: false, `{"f:a":{"f:c":{},"f:b":{}}}`: false,
		`{"f:a":{".":{},"f:b":{}}}`: true, `{"f:a":{},"f:a":{}}`: false, `{"v:2":{},"v:10":{}}`: true, `{"v:10":{},"v:2":{}}`: false,
		`{"k:{\"a\":2}":{},"k:{\"a\":10}":{}}`: true, `{"i:2":{},"i:10":{}}`: true, `{"v:1":{},"f:a":{}}`: false,
	} {
		if _, ordered, err := ParseOrdered(text); err != nil || ordered != want {
			t.Errorf("%s: ordered %v, %v", text, ordered, err)
		}
	}
}

// TestPlain: what is taken as it stands is what would be written of it.
func TestPlain(t *testing.T) {
	for _, text := range []string{
		`""`, `"a"`, `"a b"`, `"<"`, `"é"`, `"\n"`, `"\""`, `0`, `00`, `1`, `-1`, `1.0`, `1e3`, `123456789012345`, `1234567890123456`, `9007199254740993`,
		`true`, `false`, `null`, `True`, ``, `"`, `{}`, `[]`, ` 1`,
	} {
		v, _, err := tree.ParseJSON([]byte(text))
		if isPlain(text) && (err != nil || string(appendValue(nil, v)) != text) {
			t.Errorf("%s is plain, and would be written %s: %v", text, appendValue(nil, v), err)
		}
		got, errText := canonical(text, false)
		if (errText == nil) != (err == nil) || err == nil && got != string(appendValue(nil, v)) {
			t.Errorf("%s is %s, %v; want %s, %v", text, got, errText, appendValue(nil, v), err)
		}
	}
	for key, want := range map[string]string{
		`{"a":1}`: `{"a":1}`, `{"b":1,"a":2}`: `{"a":2,"b":1}`, `{ "a" : 1.0 }`: `{"a":1}`, `{}`: `{}`, `null`: `{}`, `{"a":1,"a":2}`: `{"a":2}`,
		`{"a":"\u0062"}`: `{"a":"b"}`, `{"\u0061":1}`: `{"a":1}`, `{"a":-0}`: `{"a":0}`,
	} {
		if got, err := canonical(key, true); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", key, got, err, want)
		}
		if isPlainKey(key) && key != want {
			t.Errorf("%s is plain", key)
		}
	}
}
