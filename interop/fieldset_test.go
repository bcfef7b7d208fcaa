package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"
	"sigs.k8s.io/yaml"

	"apichain/internal/fieldset"
	"apichain/internal/fieldset/fieldsettest"
	"apichain/internal/tree"
)

// Our sets of fields are compared with structured-merge-diff, which upstream counts with: random objects of random
// schemas, and random texts of FieldsV1. For each it must come to the same bytes, the same differences and the same
// errors. What is not the same is here, and nothing else:
//
//   - an integer beyond 2^53 stays what it is, where upstream's becomes the float64 near it when a set is read;
//   - -0 is 0;
//   - a key with the same field twice has the last one, where upstream has both;
//   - of three patterns and more upstream may forget some, since it searches a list against its order;
//   - a list or map in an element, which no schema allows, is ordered by its JSON, and messages show it as that.

// smdWriter writes schemas, objects of them, and sets, of so few names and values that they meet often.
type smdWriter struct{ *rand.Rand }

func (w smdWriter) one(of ...string) string { return of[w.IntN(len(of))] }

// name returns the name of a field.
func (w smdWriter) name() string {
	if w.IntN(20) > 0 {
		return w.one("a", "b", "c", "d", "e")
	}
	return w.one("", ".", "ä", "a.b/c", "a b", `q"uote`, `back\slash`, "<&>", "\u2028", "日本", "tab\t", "\x01", "😀")
}

// scalar returns a scalar of the sort.
func (w smdWriter) scalar(sort string) any {
	if w.IntN(30) == 0 {
		return nil
	}
	switch sort {
	case "numeric":
		if w.IntN(3) == 0 {
			return []float64{0.5, -2.25, 3, 1e21, 1e-7, 1e6, 123456789, 1.5e300}[w.IntN(8)]
		}
		return []int64{0, 1, 2, 3, 10, -1, 80, 443, 8080, 1 << 40}[w.IntN(10)]
	case "boolean":
		return w.IntN(2) == 0
	case "string":
		if w.IntN(10) > 0 {
			return w.one("x", "y", "z", "TCP", "UDP", "")
		}
		return w.one("ä", `q"uote`, `back\slash`, "<&>", "\u2028", "日本", "line\n", "\x01", "😀", "x=y,z]", "null", "1")
	}
	return w.scalar(w.one("numeric", "boolean", "string"))
}

const deduced = "__untyped_deduced_"

// schema returns a schema in which each type refers to those behind it alone, so that objects end.
func (w smdWriter) schema() map[string]any {
	n := 2 + w.IntN(6)
	types := []any{}
	for i := range n {
		types = append(types, w.typeOf(fmt.Sprint("t", i), i+1, n, i == 0))
	}
	ref := map[string]any{"namedType": deduced}
	return map[string]any{"types": append(types,
		map[string]any{"name": "item", "map": w.itemOf(n)},
		map[string]any{"name": "__untyped_atomic_", "scalar": "untyped",
			"list": map[string]any{"elementType": map[string]any{"namedType": "__untyped_atomic_"}, "elementRelationship": "atomic"},
			"map":  map[string]any{"elementType": map[string]any{"namedType": "__untyped_atomic_"}, "elementRelationship": "atomic"}},
		map[string]any{"name": deduced, "scalar": "untyped",
			"list": map[string]any{"elementType": map[string]any{"namedType": "__untyped_atomic_"}, "elementRelationship": "atomic"},
			"map":  map[string]any{"elementType": ref, "elementRelationship": "separable"}},
	)}
}

// ref refers to a type from next on, or to a scalar.
func (w smdWriter) ref(next, n int) map[string]any {
	switch i := next + w.IntN(n-next+2); {
	case i < n:
		return map[string]any{"namedType": fmt.Sprint("t", i)}
	case w.IntN(5) == 0:
		return map[string]any{"namedType": w.one(deduced, "__untyped_atomic_")}
	}
	return map[string]any{"scalar": w.one("numeric", "boolean", "string", "untyped")}
}

func (w smdWriter) relationship(other string) string {
	if w.IntN(5) == 0 {
		return "atomic"
	}
	return other
}

func (w smdWriter) mapOf(next, n int) map[string]any {
	m := map[string]any{"elementRelationship": w.relationship("separable")}
	names := map[string]bool{}
	var fields []any
	for range w.IntN(6) {
		if name := w.name(); !names[name] {
			names[name] = true
			f := map[string]any{"name": name, "type": w.ref(next, n)}
			if w.IntN(4) == 0 {
				f["default"] = w.scalar("untyped")
			}
			fields = append(fields, f)
		}
	}
	if len(fields) > 0 {
		m["fields"] = fields
	}
	if len(fields) == 0 || w.IntN(4) == 0 {
		m["elementType"] = w.ref(next, n)
	}
	return m
}

// itemOf returns the map that is the element of a list, whose fields a and b are scalars.
func (w smdWriter) itemOf(n int) map[string]any {
	m := w.mapOf(n, n)
	fields := slices.DeleteFunc(tree.List(m, "fields"), func(f any) bool { return slices.Contains([]string{"a", "b"}, tree.Text(f, "name")) })
	for _, name := range []string{"a", "b"} {
		f := map[string]any{"name": name, "type": map[string]any{"scalar": w.one("numeric", "boolean", "string", "untyped")}}
		if w.IntN(3) == 0 {
			f["default"] = w.scalar("untyped")
		}
		fields = append(fields, f)
	}
	m["fields"] = fields
	return m
}

func (w smdWriter) listOf(next, n int) map[string]any {
	l := map[string]any{"elementRelationship": w.relationship("associative"), "elementType": w.ref(next, n)}
	if w.IntN(3) == 0 {
		l["elementType"] = map[string]any{"scalar": w.one("numeric", "boolean", "string", "untyped")}
		return l
	}
	l["elementType"] = map[string]any{"namedType": "item"}
	keys := []any{"a"}
	if w.IntN(3) == 0 {
		keys = []any{"b", "a"}
	}
	l["keys"] = keys
	return l
}

// typeOf returns a type of one sort, rarely of several.
func (w smdWriter) typeOf(name string, next, n int, root bool) map[string]any {
	t := map[string]any{"name": name}
	sort := w.IntN(10)
	if root {
		sort = 0
	}
	if sort < 6 || sort == 9 {
		t["map"] = w.mapOf(next, n)
	}
	if sort == 6 || sort == 7 || sort == 9 {
		t["list"] = w.listOf(next, n)
	}
	if sort >= 8 {
		t["scalar"] = w.one("numeric", "boolean", "string", "untyped")
	}
	return t
}

// value returns a value of the place, or rarely one that does not fit.
func (w smdWriter) value(s fieldset.Schema, depth int) any {
	if s == nil || w.IntN(400) == 0 {
		s = fieldset.Deduced()
	}
	atom := s.Atom()
	sorts := []func() any{}
	if atom.Scalar != fieldset.NoScalar {
		sorts = append(sorts, func() any {
			return w.scalar([]string{"", "untyped", "numeric", "string", "boolean"}[atom.Scalar])
		})
	}
	if atom.List != fieldset.NoList {
		sorts = append(sorts, func() any {
			list := []any{}
			for range w.IntN(4) {
				list = append(list, w.value(s.Items(), depth-1))
			}
			return list
		})
	}
	if atom.Map != fieldset.NoMap {
		sorts = append(sorts, func() any {
			m := map[string]any{}
			for range w.IntN(6) {
				name := w.name()
				if place, _ := s.Field(name); place != nil && depth > 0 {
					m[name] = w.value(place, depth-1)
				}
			}
			return m
		})
	}
	if w.IntN(30) == 0 {
		return nil
	}
	return sorts[w.IntN(len(sorts))]()
}

// changed returns v with some of it of another value.
func (w smdWriter) changed(v any, s fieldset.Schema, depth int) any {
	if w.IntN(8) == 0 || s == nil {
		return w.value(s, depth)
	}
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			if place, _ := s.Field(k); w.IntN(8) > 0 {
				m[k] = w.changed(e, place, depth-1)
			}
		}
		return m
	case []any:
		list := []any{}
		for _, e := range v {
			for w.IntN(8) > 0 {
				list = append(list, w.changed(e, s.Items(), depth-1))
				if w.IntN(8) > 0 {
					break
				}
			}
		}
		w.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	}
	return v
}

// smdText returns FieldsV1 as upstream's answers have it.
func smdText(t *testing.T, s *fieldpath.Set) string {
	text, err := s.ToJSON()
	if err != nil {
		return "cannot be written: " + err.Error()
	}
	var b bytes.Buffer
	json.HTMLEscape(&b, text)
	return b.String()
}

// step compares all operations on two random objects of a random schema. It reports whether upstream takes the objects.
func (w smdWriter) step(t *testing.T, fail func(what, got, want string)) bool {
	schema := w.schema()
	text, err := yaml.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	parser, err := smd.NewParser(smd.YAMLObject(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	ours, err := fieldsettest.Schema(schema, "t0")
	if err != nil {
		t.Fatal(err)
	}
	old := w.value(ours, 6)
	next := w.changed(old, ours, 6)
	of := parser.Type("t0")
	l, err := of.FromUnstructured(old, smd.AllowDuplicates)
	r, err2 := of.FromUnstructured(next, smd.AllowDuplicates)
	if err != nil || err2 != nil {
		w.wrong(of, ours, old, next, fail)
		return false
	}
	same := func(what string, got fieldset.Set, want *fieldpath.Set) {
		if g, x := string(got.AppendJSON(nil)), smdText(t, want); g != x {
			fail(what, fmt.Sprintf("%s\nof %s\nand %s\nby %s", g, tree.AppendJSON(nil, old), tree.AppendJSON(nil, next), text), x)
		}
	}
	a, b := w.setOf(t, old, ours), w.setOf(t, next, ours)
	x, err := l.ToFieldSet()
	if err != nil {
		t.Fatal(err)
	}
	y, _ := r.ToFieldSet()
	same("the set", a, x)
	same("the set", b, y)
	got, err := fieldset.Compare(old, next, ours)
	want, wantErr := l.Compare(r)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		fail("the error of the comparison", fmt.Sprint(err), fmt.Sprint(wantErr))
	} else if err == nil {
		same("what was removed", got.Removed, want.Removed)
		same("what was modified", got.Modified, want.Modified)
		same("what was added", got.Added, want.Added)
		a, x = a.Union(got.Removed), x.Union(want.Removed)
	}
	w.algebra(same, a, b, x, y)
	w.reconcile(t, same, a, x)
	same("named members", a.MembersNamed(ours), x.EnsureNamedFieldsAreMembers(l.Schema(), l.TypeRef()))
	return true
}

// wrong compares the errors of two objects that upstream would not let come so far. We look at what differs alone, so ours
// must be among theirs.
func (w smdWriter) wrong(of smd.ParseableType, ours fieldset.Schema, old, next any, fail func(what, got, want string)) {
	_, err := fieldset.Compare(old, next, ours)
	l := smd.AsTypedUnvalidated(value.NewValueInterface(old), of.Schema, of.TypeRef)
	_, wantErr := l.Compare(smd.AsTypedUnvalidated(value.NewValueInterface(next), of.Schema, of.TypeRef))
	want := strings.Split(fmt.Sprint(wantErr), "\n")
	if err == nil {
		return
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		has := func(theirs string) bool { return strings.TrimSpace(theirs) == strings.TrimSpace(line) }
		if line != "errors:" && !slices.ContainsFunc(want, has) {
			fail(fmt.Sprintf("the error of %s and %s", tree.AppendJSON(nil, old), tree.AppendJSON(nil, next)), line, wantErr.Error())
		}
	}
}

func (w smdWriter) setOf(t *testing.T, v any, s fieldset.Schema) fieldset.Set {
	set, err := fieldset.Of(v, s)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// algebra compares what is made of two sets.
func (w smdWriter) algebra(same func(string, fieldset.Set, *fieldpath.Set), a, b fieldset.Set, x, y *fieldpath.Set) {
	same("union", a.Union(b), x.Union(y))
	same("intersection", a.Intersection(b), x.Intersection(y))
	same("difference", a.Difference(b), x.Difference(y))
	same("recursive difference", a.RecursiveDifference(b), x.RecursiveDifference(y))
	same("leaves", a.Leaves(), x.Leaves())
	var of []fieldset.Path
	var to []*fieldpath.SetMatcher
	for range 1 + w.IntN(2) {
		var p fieldset.Path
		var parts []any
		for range 1 + w.IntN(3) {
			if name := w.one("a", "b", "c", "*"); name == "*" {
				p, parts = append(p, fieldset.Element{}), append(parts, fieldpath.MatchAnyPathElement())
			} else {
				p, parts = append(p, fieldset.Field(name)), append(parts, name)
			}
		}
		of, to = append(of, p), append(to, fieldpath.MakePrefixMatcherOrDie(parts...))
	}
	same(fmt.Sprint("what is included by ", of), fieldset.Include(of...).Apply(a), fieldpath.NewIncludeMatcherFilter(to...).Filter(x))
	same("what is not excluded", fieldset.Exclude(b).Apply(a), fieldpath.NewExcludeSetFilter(y).Filter(x))
}

// reconcile compares what becomes of a set under another schema.
func (w smdWriter) reconcile(t *testing.T, same func(string, fieldset.Set, *fieldpath.Set), s fieldset.Set, x *fieldpath.Set) {
	other := w.schema()
	text, err := yaml.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	parser, err := smd.NewParser(smd.YAMLObject(text))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := fieldsettest.Schema(other, "t0")
	if err != nil {
		t.Fatal(err)
	}
	of := parser.Type("t0")
	want, err := smd.ReconcileFieldSetWithSchema(x, smd.AsTypedUnvalidated(value.NewValueInterface(nil), of.Schema, of.TypeRef))
	if err != nil {
		return // a place without a type
	}
	if want == nil {
		want = x
	}
	same(fmt.Sprintf("%s\nunder another schema\n%s\n", s.AppendJSON(nil), text), s.Whole(ours), want)
}

// text returns FieldsV1 as clients may send it: in any order, with what nobody knows, and wrong ones now and then.
func (w smdWriter) text(depth int) string {
	var members []string
	for range w.IntN(5) {
		below := "{}"
		if depth > 0 {
			below = w.text(depth - 1)
		} else if w.IntN(20) == 0 {
			below = w.one("null", "{ }", "[]", "1", `"x"`, "true")
		}
		key, _ := json.Marshal(w.element())
		members = append(members, string(key)+w.one(":", ":", ":", " : ")+below)
	}
	if w.IntN(4) == 0 {
		members = append(members, `".":`+w.one("{}", "{}", "null", `[1,{"a":"}"}]`, "1"))
	}
	return "{" + strings.Join(members, w.one(",", ",", ", ")) + "}"
}

// element returns an element as a key of FieldsV1.
func (w smdWriter) element() string {
	scalar := func() string {
		if w.IntN(30) == 0 {
			return w.one("01", "1.", "-", "1.0", "1e3", "[1]", `{"b":1,"a":2}`, "nul", `"x`, " 1 ", "", "tru", "+1", `"\u00e4"`, `"\x"`, "1 2")
		}
		return string(tree.AppendJSON(nil, w.scalar("untyped")))
	}
	switch w.IntN(10) {
	case 0, 1:
		return "v:" + scalar()
	case 2, 3:
		return `k:{"a":` + scalar() + w.one("}", "}", `,"b":`+scalar()+"}", ` , "aa" : `+scalar()+"}")
	case 4:
		return "i:" + w.one("0", "1", "2", "10", "-1", "007", "x", "", "1.5", "+3")
	case 5:
		if w.IntN(4) == 0 {
			return w.one("x:y", "f", "", "ff", "k:", "k:null", "k:{}", "k:[]", "k:1", "ä:", ":", "v:", "v:null", `k:{"b":1,"a":2}`, `k:{"a":1}x`)
		}
	}
	return "f:" + w.name()
}

// parse compares how two texts are read, and what is made of them.
func (w smdWriter) parse(t *testing.T, fail func(what, got, want string)) (fine bool) {
	var ours [2]fieldset.Set
	var theirs [2]fieldpath.Set
	for i := range ours {
		text := w.text(1 + w.IntN(2))
		var err error
		ours[i], err = fieldset.Parse([]byte(text))
		wantErr := theirs[i].FromJSON(strings.NewReader(text))
		if (err == nil) != (wantErr == nil) {
			fail("error of "+text, fmt.Sprint(err), fmt.Sprint(wantErr))
			return false
		}
		if err != nil {
			return false
		}
		if got, want := string(ours[i].AppendJSON(nil)), smdText(t, &theirs[i]); got != want {
			fail("the set that is "+text, got, want)
			return false
		}
		var got, want []string
		ours[i].Each(func(p fieldset.Path) { got = append(got, p.String()) })
		theirs[i].Iterate(func(p fieldpath.Path) { want = append(want, p.String()) })
		slices.Sort(got)
		slices.Sort(want)
		if nested := strings.Contains(text, `[1]`) || strings.Contains(text, `{\"b\":1`); !nested && !slices.Equal(got, want) {
			fail("paths of "+text, fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
		}
	}
	w.algebra(func(what string, got fieldset.Set, want *fieldpath.Set) {
		if g, x := string(got.AppendJSON(nil)), smdText(t, want); g != x {
			fail(fmt.Sprintf("%s\nof %s\nand %s", what, ours[0].AppendJSON(nil), ours[1].AppendJSON(nil)), g, x)
		}
	}, ours[0], ours[1], &theirs[0], &theirs[1])
	return true
}

// TestFieldSetsByBoth compares sets, differences and operations on objects and on texts. APICHAIN_FIELDSETS says how many.
func TestFieldSetsByBoth(t *testing.T) {
	fine, read := 0, 0
	steps, _ := environment(t, "APICHAIN_FIELDSETS", 1000)
	for seed := range uint64(steps) {
		w := smdWriter{rand.New(rand.NewPCG(seed, 15))}
		fail := func(what, got, want string) { t.Fatalf("seed %d: %s is\n%s\nwant\n%s", seed, what, got, want) }
		if w.step(t, fail) {
			fine++
		}
		if w.parse(t, fail) {
			read++
		}
	}
	if t.Logf("%d steps: %d pairs of objects, %d pairs of texts that both take", steps, fine, read); fine < steps/2 || read < steps/4 {
		t.Error("too few")
	}
}

// BenchmarkFieldSetsByBoth is what the same costs upstream: to read a set, to make that of an object, to compare two.
func BenchmarkFieldSetsByBoth(b *testing.B) {
	w := smdWriter{rand.New(rand.NewPCG(1, 15))}
	m := map[string]any{}
	for i := range 10 {
		inner := map[string]any{}
		for j := range 10 {
			inner[fmt.Sprint("field", j)] = w.scalar("string")
		}
		m[fmt.Sprint("part", i)] = inner
	}
	old, next := any(m), tree.Copy(m)
	tree.Set(next.(map[string]any), "new", "part5", "field5")
	set, err := fieldset.Of(old, fieldset.Deduced())
	if err != nil {
		b.Fatal(err)
	}
	text := set.AppendJSON(nil)
	l, err := smd.DeducedParseableType.FromUnstructured(old)
	r, err2 := smd.DeducedParseableType.FromUnstructured(next)
	if err != nil || err2 != nil {
		b.Fatal(err, err2)
	}
	for _, c := range []struct {
		name         string
		ours, theirs func() error
	}{
		{"parse", func() error { _, err := fieldset.Parse(text); return err }, func() error { return new(fieldpath.Set).FromJSON(bytes.NewReader(text)) }},
		{"of", func() error { _, err := fieldset.Of(old, fieldset.Deduced()); return err }, func() error { _, err := l.ToFieldSet(); return err }},
		{"compare", func() error { _, err := fieldset.Compare(old, next, fieldset.Deduced()); return err }, func() error { _, err := l.Compare(r); return err }},
	} {
		for who, f := range map[string]func() error{"ours": c.ours, "upstream": c.theirs} {
			b.Run(c.name+"/"+who, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
