package fieldset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// object returns the tree of some YAML.
func object(t testing.TB, text string) any {
	t.Helper()
	docs, err := tree.ParseYAML([]byte(text))
	if err != nil || len(docs) > 1 {
		t.Fatalf("%s: %d documents, %v", text, len(docs), err)
	}
	if len(docs) == 0 {
		return map[string]any{}
	}
	return docs[0]
}

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                      `{}`,
		`{a: 1, b: x, c: true}`:   `{"f:a":{},"f:b":{},"f:c":{}}`,
		`{a: null, b: {}, c: []}`: `{"f:a":{},"f:b":{},"f:c":{}}`,
		`{a: {b: {c: 1}}}`:        `{"f:a":{"f:b":{"f:c":{}}}}`,
		`{a: [1, {b: 2}]}`:        `{"f:a":{}}`,
		// The keys of a map are owned with what is in them, the fields of an object are not.
		`{labels: {app: x}}`:         `{"f:labels":{"f:app":{}}}`,
		`{labels: {app: {tier: x}}}`: `{"f:labels":{"f:app":{".":{},"f:tier":{}}}}`,
		`{labels: {}}`:               `{"f:labels":{}}`,
		`{labels: null}`:             `{"f:labels":{}}`,
		`{selector: {a: 1}}`:         `{"f:selector":{}}`,
		`{selector: null}`:           `{"f:selector":{}}`,
		// Elements are owned as such, and by their fields.
		`{env: [{name: b, value: 1}, {name: a}]}`: `{"f:env":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}},"k:{\"name\":\"b\"}":{".":{},"f:name":{},"f:value":{}}}}`,
		`{ports: [{containerPort: 1000, protocol: TCP}, {containerPort: 443}]}`: `{"f:ports":{"k:{\"containerPort\":443}":{".":{},"f:containerPort":{}},` +
			`"k:{\"containerPort\":1000,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}}}`,
		`{env: []}`:                             `{}`,
		`{env: null}`:                           `{"f:env":{}}`,
		`{finalizers: [b, a]}`:                  `{"f:finalizers":{"v:\"a\"":{},"v:\"b\"":{}}}`,
		`{finalizers: [10, 9, 1.5, "1", true]}`: `{"f:finalizers":{"v:1.5":{},"v:9":{},"v:10":{},"v:\"1\"":{},"v:true":{}}}`,
		// What is there twice is owned once, without what is in it.
		`{finalizers: [b, a, b, b]}`:                                   `{"f:finalizers":{"v:\"a\"":{},"v:\"b\"":{}}}`,
		`{env: [{name: a, value: 1}, {name: b}, {name: a, other: 1}]}`: `{"f:env":{"k:{\"name\":\"a\"}":{},"k:{\"name\":\"b\"}":{".":{},"f:name":{}}}}`,
		// What is of another sort than the place: upstream has found that before.
		`{env: {a: 1}, finalizers: x, labels: 3, selector: 4}`: `{"f:selector":{}}`,
	} {
		s, err := Of(object(t, text), objectPlace)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		is(t, text, s, want)
	}
	s, err := Of(object(t, `{a: {b: [1], c: {}}, d: x}`), Deduced())
	if err != nil {
		t.Error(err)
	}
	is(t, "what nobody says anything of", s, `{"f:a":{".":{},"f:b":{},"f:c":{}},"f:d":{}}`)
}

// TestOfMany has more fields and elements than there is room on the stack.
func TestOfMany(t *testing.T) {
	m, list, want := map[string]any{}, []any{}, strings.Builder{}
	for c := byte('a'); c <= 'z'; c++ {
		m[string(c)] = int64(c)
		list = append(list, string('a'+'z'-c))
		want.WriteString(`.data.` + string(c) + "\n")
	}
	for c := byte('a'); c <= 'z'; c++ {
		want.WriteString(`.finalizers[="` + string(c) + "\"]\n")
	}
	v := map[string]any{"data": m, "finalizers": list}
	s := mustOf(t, v)
	if sound(t, "many", s); s.String() != want.String() {
		t.Error(s)
	}
	c, err := Compare(map[string]any{}, v, objectPlace)
	if err != nil || !c.Added.Equal(s.Union(New(Fields("data"), Fields("finalizers")))) {
		t.Error(c.Added, err)
	}
}

func TestOfErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{env: [{value: 1}]}`:         `element 0: associative list with keys has an element that omits all key fields ["name"]`,
		`{env: [x, null]}`:            "errors:\n  element 0: associative list with keys may not have non-map elements\n  element 1: associative list with keys may not have a null element",
		`{finalizers: [[]]}`:          "element 0: not supported: associative list with lists as elements",
		`{closed: {a: 1, b: {c: 2}}}`: "errors:\n  schema error: invalid atom: inlined\n  schema error: invalid atom: inlined",
	} {
		if s, err := Of(object(t, text), objectPlace); err == nil || !strings.HasPrefix(err.Error(), want) || !s.IsEmpty() {
			t.Errorf("%s is %v %v, want %s", text, s, err, want)
		}
	}
	if _, err := Of("x", nil); err == nil {
		t.Error("there is a set without a schema")
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct{ old, next, removed, modified, added string }{
		{`{}`, `{}`, ``, ``, ``},
		{`{a: 1}`, `{a: 1}`, ``, ``, ``},
		{`{a: 1}`, `{a: 1.0}`, ``, ``, ``},
		{`{a: 1}`, `{a: 2}`, ``, `.a`, ``},
		{`{a: 1}`, `{a: "1"}`, ``, `.a`, ``},
		{`{a: 1, c: 1}`, `{b: 1, c: 1}`, `.a`, ``, `.b`},
		{`{a: null}`, `{}`, `.a`, ``, ``},
		{`{}`, `{a: null}`, ``, ``, `.a`},
		{`{a: null}`, `{a: 1}`, ``, `.a`, ``},
		// What comes or goes counts with all that is in it, and itself.
		{`{}`, `{a: {b: {c: 1}}}`, ``, ``, `.a .a.b .a.b.c`},
		{`{a: {b: {c: 1}}}`, `{}`, `.a .a.b .a.b.c`, ``, ``},
		{`{a: {b: 1}}`, `{a: {}}`, `.a.b`, ``, ``},
		{`{a: {}}`, `{a: {b: 1}}`, ``, ``, `.a.b`},
		{`{a: {}}`, `{a: null}`, ``, `.a`, ``},
		{`{a: null}`, `{a: {b: 1}}`, ``, ``, `.a.b`},
		{`{}`, `{a: {}}`, ``, ``, `.a`},
		{`{}`, `{labels: {a: x}}`, ``, ``, `.labels .labels.a`},
		{`{labels: {a: x, b: y, c: z}}`, `{labels: {a: x, b: 1, d: z}}`, `.labels.c`, `.labels.b`, `.labels.d`},
		// One value.
		{`{selector: {a: 1}}`, `{selector: {a: 2}}`, ``, `.selector`, ``},
		{`{}`, `{selector: {a: 2}}`, ``, ``, `.selector`},
		{`{a: [1, 2]}`, `{a: [2, 1]}`, ``, `.a`, ``},
		{`{a: [1]}`, `{}`, `.a`, ``, ``},
		// It has become another sort.
		{`{a: 1}`, `{a: {b: 1}}`, ``, `.a`, `.a.b`},
		{`{a: {b: 1}}`, `{a: [1]}`, `.a.b`, `.a`, ``},
		{`{a: [1]}`, `{a: x}`, ``, `.a`, ``},
		{`{labels: {a: 1}}`, `{labels: x}`, `.labels.a`, ``, ``},
		// Elements.
		{`{finalizers: [a, b]}`, `{finalizers: [b, a]}`, ``, ``, ``},
		{`{finalizers: [a, b]}`, `{finalizers: [c, a]}`, `.finalizers[="b"]`, ``, `.finalizers[="c"]`},
		{`{finalizers: [a]}`, `{finalizers: []}`, `.finalizers[="a"]`, ``, ``},
		{`{finalizers: []}`, `{finalizers: null}`, ``, `.finalizers`, ``},
		{`{finalizers: []}`, `{}`, `.finalizers`, ``, ``},
		{`{}`, `{finalizers: [a]}`, ``, ``, `.finalizers .finalizers[="a"]`},
		{`{env: [{name: a, v: 1}, {name: b}]}`, `{env: [{name: b}, {name: a, v: 2, w: 1}]}`, ``, `.env[name="a"].v`, `.env[name="a"].w`},
		{`{env: [{name: a, v: 1}]}`, `{env: [{name: b, v: 1}]}`, `.env[name="a"] .env[name="a"].name .env[name="a"].v`, ``, `.env[name="b"] .env[name="b"].name .env[name="b"].v`},
		// Elements that are there twice.
		{`{finalizers: [a, a]}`, `{finalizers: [a, a, b]}`, ``, ``, `.finalizers[="b"]`},
		{`{finalizers: [a, a]}`, `{finalizers: [a]}`, `.finalizers[="a"]`, ``, `.finalizers[="a"]`},
		{`{finalizers: [a]}`, `{finalizers: [a, a]}`, `.finalizers[="a"]`, ``, `.finalizers[="a"]`},
		{`{finalizers: [b]}`, `{finalizers: [a, b, a]}`, ``, ``, `.finalizers[="a"]`},
		{`{finalizers: [a, b, a]}`, `{finalizers: [b]}`, `.finalizers[="a"]`, ``, ``},
		{`{finalizers: [a, a]}`, `{finalizers: [a, a, a]}`, ``, `.finalizers[="a"]`, ``},
		{`{env: [{name: a, v: 1}, {name: a, v: 2}]}`, `{env: [{name: a, v: 2}, {name: a, v: 1}]}`, ``, `.env[name="a"]`, ``},
		{`{env: [{name: a, v: 1}, {name: a, v: 2}]}`, `{env: [{name: a, v: 1}, {name: a, v: 2}], b: 1}`, ``, ``, `.b`},
		{`{env: [{name: a, v: 1}, {name: a, v: 2}]}`, `{env: [{name: a, v: 1}]}`, `.env[name="a"]`, ``, `.env[name="a"] .env[name="a"].name .env[name="a"].v`},
		{`{env: [{name: a, v: 1}]}`, `{env: [{name: a, v: 1}, {name: a, v: 2}]}`, `.env[name="a"] .env[name="a"].name .env[name="a"].v`, ``, `.env[name="a"]`},
	} {
		old, next := object(t, c.old), object(t, c.next)
		got, err := Compare(old, next, objectPlace)
		if err != nil {
			t.Errorf("%s and %s: %v", c.old, c.next, err)
		}
		for what, s := range map[string][2]any{"removed": {got.Removed, c.removed}, "modified": {got.Modified, c.modified}, "added": {got.Added, c.added}} {
			set := s[0].(Set)
			sound(t, what, set)
			if paths := strings.Join(strings.Fields(set.String()), " "); paths != s[1] {
				t.Errorf("from %s to %s is %s: %s, want %s", c.old, c.next, what, paths, s[1])
			}
		}
		if got.IsEmpty() != (c.removed+c.modified+c.added == "") {
			t.Errorf("from %s to %s IsEmpty is %v", c.old, c.next, got.IsEmpty())
		}
	}
}

func TestCompareErrors(t *testing.T) {
	for _, c := range []struct{ old, next, want string }{
		{`{env: [{name: a}]}`, `{env: [{value: 1}]}`, `.env: element 0: associative list with keys has an element that omits all key fields ["name"]`},
		{`{text: 1}`, `{text: 2}`, "errors:\n  .text: lhs: expected string, got &value.valueUnstructured{Value:1}\n  .text: rhs: expected string, got &value.valueUnstructured{Value:2}"},
		{`{text: true}`, `{text: [x]}`, "errors:\n  .text: lhs: expected string, got &value.valueUnstructured{Value:true}\n  .text: rhs: expected string, got &value.valueUnstructured{Value:[]interface {}{\"x\"}}"},
		{`{count: x}`, `{count: {}}`, "errors:\n  .count: lhs: expected numeric (int or float), got string\n  .count: rhs: expected numeric (int or float), got map[string]interface {}"},
		{`{flag: 1}`, `{flag: x}`, "errors:\n  .flag: lhs: expected boolean, got &{1}\n  .flag: rhs: expected boolean, got &{x}"},
		{`{scalar: {}}`, `{scalar: []}`, "errors:\n  .scalar: lhs: expected any scalar, got &{map[]}\n  .scalar: rhs: expected any scalar, got &{[]}"},
		{`{closed: {}}`, `{closed: {a: 1}}`, ".closed.a: schema error: invalid atom: inlined"},
	} {
		if got, err := Compare(object(t, c.old), object(t, c.next), objectPlace); err == nil || !strings.HasPrefix(err.Error(), c.want) || !got.IsEmpty() {
			t.Errorf("%s and %s: %v, want %s", c.old, c.next, err, c.want)
		}
	}
	// One side that fits is enough.
	got, err := Compare(object(t, `{text: 1}`), object(t, `{text: x}`), objectPlace)
	if err != nil {
		t.Error(err)
	}
	is(t, "a text that was a number", got.Modified, `{"f:text":{}}`)
}

// randomValue returns a value of the place, of few names and values, now and then of a sort that does not fit.
func randomValue(r *rand.Rand, s Schema, depth int) any {
	atom := atomOf(s)
	scalars := []any{"x", "y", int64(1), 2.5, true, nil}
	switch n := r.IntN(8); {
	case depth > 0 && atom.Map != NoMap && n < 5:
		m := map[string]any{}
		for _, name := range []string{"a", "b", "name", "env", "finalizers", "labels", "selector", "ports", "containerPort"} {
			if place, _ := s.Field(name); r.IntN(3) == 0 {
				m[name] = randomValue(r, place, depth-1)
			}
		}
		return m
	case depth > 0 && atom.List != NoList && n < 7:
		list := []any{}
		for range r.IntN(4) {
			item := randomValue(r, s.Items(), depth-1)
			if m, ok := item.(map[string]any); ok || atom.List == Keyed {
				if !ok {
					m = map[string]any{}
				}
				for _, key := range atom.Keys {
					m[key] = scalars[r.IntN(len(scalars))]
				}
				item = m
			}
			if atom.List == SetList {
				item = scalars[r.IntN(len(scalars)-1)]
			}
			list = append(list, item)
		}
		return list
	}
	return scalars[r.IntN(len(scalars)-1)]
}

// TestCompareLaws checks what holds of each two objects, whatever they are.
func TestCompareLaws(t *testing.T) {
	some := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 3))
		a, b := randomValue(r, objectPlace, 5), randomValue(r, objectPlace, 5)
		there, err := Compare(a, b, objectPlace)
		back, err2 := Compare(b, a, objectPlace)
		setA, err3 := Of(a, objectPlace)
		setB, err4 := Of(b, objectPlace)
		if err := errors.Join(err, err2, err3, err4); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		same, err := Compare(a, tree.Copy(a), objectPlace)
		if !there.Removed.Equal(back.Added) || !there.Added.Equal(back.Removed) || !there.Modified.Equal(back.Modified) ||
			err != nil || !same.IsEmpty() || tree.Equal(a, b) && !there.IsEmpty() {
			t.Fatalf("seed %d: from %s to %s is %v, and back %v", seed, tree.AppendJSON(nil, a), tree.AppendJSON(nil, b), there, back)
		}
		for _, s := range []Set{there.Removed, there.Modified, there.Added, setA, setB} {
			sound(t, "a difference", s)
		}
		if some += setB.Len(); !parse(t, string(setB.AppendJSON(nil))).Equal(setB) {
			t.Fatalf("seed %d: %s is not read as it is written", seed, setB.AppendJSON(nil))
		}
	}
	if some < 10_000 {
		t.Errorf("there were but %d fields", some)
	}
}

// TestCompareAllocates checks what an update of a config map may cost.
func TestCompareAllocates(t *testing.T) {
	old, next := configMap("3"), configMap("x")
	n := testing.AllocsPerRun(100, func() {
		if _, err := Compare(old, next, objectPlace); err != nil {
			t.Error(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// TestErrorsUnderLongNames: the paths of errors have no more text together than there is room for, and there is always one.
func TestErrorsUnderLongNames(t *testing.T) {
	var errs Errors
	for i := range 1000 {
		errs = append(errs, Errorf("fault %d", i)...)
	}
	text := 0
	errs = errs.Under(Field(strings.Repeat("x", 10_000)), &text)
	if len(errs) < 100 || len(errs) > mostText/10_000 {
		t.Errorf("%d errors", len(errs))
	}
	if errs = errs.Under(Field("y"), &text); len(errs) != 1 || !strings.HasPrefix(errs[0].Path, ".y.x") || errs[0].Message != "fault 0" {
		t.Errorf("%d errors", len(errs))
	}
}

// TestUnionOf: many sets at once are what they are one by one.
func TestUnionOf(t *testing.T) {
	var sets []Set
	var want Set
	for i := range 100 {
		s := New(Fields("a", fmt.Sprint(i%17)), Fields("b"), Path{Field("c"), Value(int64(i))})
		sets, want = append(sets, s), want.Union(s)
	}
	for _, n := range []int{0, 1, 2, 3, len(sets)} {
		got := UnionOf(sets[:n])
		if n == len(sets) && !got.Equal(want) || n == 0 && !got.IsEmpty() || n == 1 && !got.Equal(sets[0]) || n > 1 && !got.HasAll(sets[1]) {
			t.Errorf("%d sets: %v", n, got)
		}
	}
}
