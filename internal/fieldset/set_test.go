package fieldset

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// parse returns the set that text is FieldsV1 of.
func parse(t testing.TB, text string) Set {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// is checks that a set is FieldsV1 text, and sound.
func is(t testing.TB, what string, s Set, text string) {
	t.Helper()
	if got := string(s.AppendJSON(nil)); got != text {
		t.Errorf("%s is\n%s, want\n%s", what, got, text)
	}
	sound(t, what, s)
}

// sound checks what is promised of nodes.
func sound(t testing.TB, what string, s Set) {
	t.Helper()
	for i := 0; i < len(s.nodes); {
		n := s.nodes[i]
		switch {
		case n.size < 1 || i+int(n.size) > len(s.nodes):
			t.Fatalf("%s: node %d of %d has size %d", what, i, len(s.nodes), n.size)
		case n.size == 1 && n.mark == 0:
			t.Errorf("%s: %v has nothing below it and is no member", what, n.element())
		case n.mark > member:
			t.Errorf("%s: %v has the mark %d", what, n.element(), n.mark)
		}
		sound(t, what, s.below(i))
		next := i + int(n.size)
		if next < len(s.nodes) && n.element().Compare(s.nodes[next].element()) >= 0 {
			t.Errorf("%s: %v is before %v", what, n.element(), s.nodes[next].element())
		}
		i = next
	}
}

func TestAlgebra(t *testing.T) {
	for _, c := range []struct{ op, a, b, want string }{
		{"union", `{"f:a":{"f:b":{}}}`, `{"f:a":{"f:c":{}}}`, `{"f:a":{"f:b":{},"f:c":{}}}`},
		{"union", `{"f:a":{"f:b":{}}}`, `{"f:a":{}}`, `{"f:a":{".":{},"f:b":{}}}`},
		{"union", `{}`, `{"f:a":{}}`, `{"f:a":{}}`},
		{"union", `{"f:a":{}}`, `{}`, `{"f:a":{}}`},
		{"union", `{}`, `{}`, `{}`},
		{"union", `{"v:2":{},"i:3":{}}`, `{"k:{\"a\":1}":{},"f:z":{}}`, `{"f:z":{},"k:{\"a\":1}":{},"v:2":{},"i:3":{}}`},
		{"intersection", `{"f:a":{".":{},"f:b":{}}}`, `{"f:a":{"f:b":{}},"f:c":{}}`, `{"f:a":{"f:b":{}}}`},
		{"intersection", `{"f:a":{".":{},"f:b":{}}}`, `{"f:a":{}}`, `{"f:a":{}}`},
		{"intersection", `{"f:a":{"f:b":{}}}`, `{"f:a":{"f:c":{}}}`, `{}`},
		{"intersection", `{"f:a":{}}`, `{}`, `{}`},
		{"difference", `{"f:a":{".":{},"f:b":{}}}`, `{"f:a":{}}`, `{"f:a":{"f:b":{}}}`},
		{"difference", `{"f:a":{"f:b":{}},"f:c":{}}`, `{"f:a":{"f:b":{}}}`, `{"f:c":{}}`},
		{"difference", `{"f:a":{}}`, `{"f:a":{"f:b":{}}}`, `{"f:a":{}}`},
		{"difference", `{"f:a":{}}`, `{}`, `{"f:a":{}}`},
		{"difference", `{}`, `{"f:a":{}}`, `{}`},
		{"recursive", `{"f:a":{".":{},"f:b":{}},"f:c":{"f:d":{}}}`, `{"f:a":{},"f:c":{"f:e":{}}}`, `{"f:c":{"f:d":{}}}`},
		{"recursive", `{"f:a":{"f:b":{"f:c":{}}}}`, `{"f:a":{"f:b":{}}}`, `{}`},
		{"recursive", `{"f:a":{".":{},"f:b":{"f:c":{}}}}`, `{"f:a":{"f:b":{}}}`, `{"f:a":{}}`},
	} {
		a, b := parse(t, c.a), parse(t, c.b)
		got := map[string]func(Set) Set{
			"union": a.Union, "intersection": a.Intersection, "difference": a.Difference, "recursive": a.RecursiveDifference,
		}[c.op](b)
		is(t, fmt.Sprintf("%s of %s and %s", c.op, c.a, c.b), got, c.want)
		if !got.Equal(parse(t, c.want)) {
			t.Errorf("%s of %s and %s does not equal what it is", c.op, c.a, c.b)
		}
	}
}

// randomSet returns a set of paths over so few elements that two meet, and the members of it as texts.
func randomSet(r *rand.Rand) (Set, map[string]bool) {
	elements := []Element{Field("a"), Field("b"), Key(`{"n":"x"}`), Key(`{"n":2}`), Value("v"), Value(int64(3)), Index(1)}
	var paths []Path
	members := map[string]bool{}
	for range r.IntN(12) {
		var p Path
		for range 1 + r.IntN(4) {
			p = append(p, elements[r.IntN(len(elements))])
		}
		paths, members[p.String()] = append(paths, p), true
	}
	return New(paths...), members
}

// membersOf returns the members of s as texts.
func membersOf(s Set) map[string]bool {
	m := map[string]bool{}
	s.Each(func(p Path) { m[p.String()] = true })
	return m
}

// TestOperationsByMembers compares each operation with what it is of members, one by one.
func TestOperationsByMembers(t *testing.T) {
	for seed := range uint64(800) {
		r := rand.New(rand.NewPCG(seed, 15))
		a, inA := randomSet(r)
		b, inB := randomSet(r)
		below := func(p string, in map[string]bool, proper bool) bool {
			for q := range in {
				if strings.HasPrefix(p, q) && (!proper || p != q) && (len(p) == len(q) || strings.ContainsAny(p[len(q):len(q)+1], ".[")) {
					return true
				}
			}
			return false
		}
		all := maps.Clone(inA)
		maps.Copy(all, inB)
		for _, op := range []struct {
			name string
			got  Set
			in   func(p string) bool
		}{
			{"a", a, func(p string) bool { return inA[p] }},
			{"union", a.Union(b), func(p string) bool { return true }},
			{"intersection", a.Intersection(b), func(p string) bool { return inA[p] && inB[p] }},
			{"difference", a.Difference(b), func(p string) bool { return inA[p] && !inB[p] }},
			{"recursive difference", a.RecursiveDifference(b), func(p string) bool { return inA[p] && !below(p, inB, false) }},
			{"leaves", a.Leaves(), func(p string) bool {
				for q := range inA {
					if below(q, map[string]bool{p: true}, true) {
						return false
					}
				}
				return inA[p]
			}},
		} {
			sound(t, op.name, op.got)
			want := map[string]bool{}
			for p := range all {
				if op.in(p) {
					want[p] = true
				}
			}
			if got := membersOf(op.got); !maps.Equal(got, want) || op.got.Len() != len(want) {
				t.Fatalf("seed %d: %s of\n%s and\n%s is\n%s", seed, op.name, a.AppendJSON(nil), b.AppendJSON(nil), op.got.AppendJSON(nil))
			}
			if again := parse(t, string(op.got.AppendJSON(nil))); !again.Equal(op.got) {
				t.Fatalf("seed %d: %s is not read as it was written: %s", seed, op.name, op.got.AppendJSON(nil))
			}
		}
	}
}

// TestLaws checks what holds of each three sets.
func TestLaws(t *testing.T) {
	for seed := range uint64(800) {
		r := rand.New(rand.NewPCG(seed, 7))
		a, _ := randomSet(r)
		b, _ := randomSet(r)
		c, _ := randomSet(r)
		for law, same := range map[string][2]Set{
			"a + b = b + a":             {a.Union(b), b.Union(a)},
			"a & b = b & a":             {a.Intersection(b), b.Intersection(a)},
			"a + (b + c) = (a + b) + c": {a.Union(b.Union(c)), a.Union(b).Union(c)},
			"a & (b + c)":               {a.Intersection(b.Union(c)), a.Intersection(b).Union(a.Intersection(c))},
			"a - (b + c) = a - b - c":   {a.Difference(b.Union(c)), a.Difference(b).Difference(c)},
			"a & b = a - (a - b)":       {a.Intersection(b), a.Difference(a.Difference(b))},
			"(a - b) + (a & b) = a":     {a.Difference(b).Union(a.Intersection(b)), a},
			"a - a":                     {a.Difference(a), Set{}},
			"a + a = a":                 {a.Union(a), a},
		} {
			if !same[0].Equal(same[1]) {
				t.Fatalf("seed %d: %s does not hold for %s, %s, %s", seed, law, a.AppendJSON(nil), b.AppendJSON(nil), c.AppendJSON(nil))
			}
		}
		if a.Meets(b) == a.Intersection(b).IsEmpty() || a.HasAll(b) != b.Difference(a).IsEmpty() || !a.Union(b).HasAll(a) {
			t.Fatalf("seed %d: Meets or HasAll of %s and %s is wrong", seed, a.AppendJSON(nil), b.AppendJSON(nil))
		}
		if before := parse(t, string(a.AppendJSON(nil))); !before.Equal(a) {
			t.Fatalf("seed %d: an operation has changed a set", seed)
		}
	}
}

func TestSetQueries(t *testing.T) {
	s := parse(t, `{"f:metadata":{"f:labels":{".":{},"f:a":{},"f:b":{}}},"f:ports":{"k:{\"p\":80}":{".":{},"f:p":{}},"k:{\"p\":443}":{".":{}}},"f:x":{}}`)
	port, other := Key(`{"p":80}`), Key(`{"p":443}`)
	for _, c := range []struct {
		path Path
		want bool
	}{
		{Fields("metadata"), false}, {Fields("metadata", "labels"), true}, {Fields("metadata", "labels", "a"), true},
		{Fields("metadata", "labels", "c"), false}, {Fields("x"), true}, {Fields("x", "y"), false}, {nil, false}, {Fields("nothing"), false},
		{Path{Field("ports"), port, Field("p")}, true}, {Path{Field("ports"), other}, true}, {Path{Field("ports"), other, Field("p")}, false},
		{Path{Field("ports"), Key(`{"p":"80"}`)}, false},
	} {
		if s.Has(c.path) != c.want {
			t.Errorf("Has(%s) is %v", c.path, !c.want)
		}
	}
	if got, want := s.String(), ".metadata.labels\n.metadata.labels.a\n.metadata.labels.b\n.ports[p=80]\n.ports[p=80].p\n.ports[p=443]\n.x\n"; got != want {
		t.Errorf("the members are\n%s", got)
	}
	var outer []string
	s.Elements(func(e Element, member bool, below Set) { outer = append(outer, fmt.Sprint(e, member, below.Len())) })
	if !slices.Equal(outer, []string{".metadata false 3", ".ports false 3", ".x true 0"}) {
		t.Error(outer)
	}
	if (Set{}).IsEmpty() != true || s.IsEmpty() || (Set{}).String() != "" || New(Path{}).Len() != 0 {
		t.Error("the empty set is not")
	}
}

func TestLeavesAndNames(t *testing.T) {
	s := parse(t, `{"f:data":{"f:a":{}},"f:metadata":{".":{},"f:labels":{"f:a":{"f:b":{}}}},"f:ports":{"k:{\"containerPort\":80}":{"f:x":{"f:y":{}}}}}`)
	is(t, "leaves", s.Leaves(), `{"f:data":{"f:a":{}},"f:metadata":{"f:labels":{"f:a":{"f:b":{}}}},"f:ports":{"k:{\"containerPort\":80}":{"f:x":{"f:y":{}}}}}`)
	is(t, "named members", s.MembersNamed(objectPlace),
		`{"f:data":{".":{},"f:a":{}},"f:metadata":{".":{},"f:labels":{".":{},"f:a":{"f:b":{}}}},"f:ports":{".":{},"k:{\"containerPort\":80}":{"f:x":{".":{},"f:y":{}}}}}`)
	is(t, "named members without a schema", s.MembersNamed(nil), string(s.AppendJSON(nil)))
	is(t, "named members of what is deduced", s.MembersNamed(Deduced()), string(s.AppendJSON(nil)))
}

// TestWhole has a schema in which a selector and a list of arguments have become one value.
func TestWhole(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: `{}`,
		`{"f:selector":{"f:a":{},"f:b":{"f:c":{}}},"f:x":{"f:y":{}}}`: `{"f:selector":{},"f:x":{"f:y":{}}}`,
		`{"f:selector":{}}`:                `{"f:selector":{}}`,
		`{"f:selector":{".":{},"f:a":{}}}`: `{"f:selector":{}}`,
		`{"f:env":{"k:{\"name\":\"a\"}":{"f:args":{"i:0":{}},"f:selector":{"f:a":{}}}},"f:z":{"f:y":{}}}`: `{"f:env":{"k:{\"name\":\"a\"}":{"f:args":{},"f:selector":{}}},"f:z":{"f:y":{}}}`,
		`{"f:data":{"f:selector":{"f:a":{}}}}`: `{"f:data":{"f:selector":{"f:a":{}}}}`,
		`{"f:text":{"f:selector":{"f:a":{}}}}`: `{"f:text":{"f:selector":{"f:a":{}}}}`,
	} {
		s := parse(t, text)
		is(t, text, s.Whole(objectPlace), want)
		is(t, text+" before", s, string(parse(t, text).AppendJSON(nil)))
		is(t, text+" without a schema", s.Whole(nil), string(s.AppendJSON(nil)))
	}
	selector, _ := objectPlace.Field("selector")
	is(t, "what is itself one value", parse(t, `{"f:a":{"f:b":{}}}`).Whole(selector), `{"f:a":{"f:b":{}}}`)
}

func TestFilter(t *testing.T) {
	s := parse(t, `{"f:spec":{".":{},"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:resizePolicy":{},"f:resources":{"f:limits":{}}}},"f:x":{}},"f:status":{".":{},"f:y":{}}}`)
	resize := []Path{
		{Field("spec"), Field("containers"), {}, Field("resources")}, {Field("spec"), Field("containers"), {}, Field("resizePolicy")},
		{Field("spec"), Field("initContainers"), {}, Field("resources")},
	}
	for _, c := range []struct {
		what   string
		filter *Filter
		want   string
	}{
		{"none", nil, string(s.AppendJSON(nil))},
		{"status", Exclude(New(Fields("status"))), `{"f:spec":{".":{},"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:resizePolicy":{},"f:resources":{"f:limits":{}}}},"f:x":{}}}`},
		{"all but status", Exclude(New(Fields("spec"))), `{"f:status":{".":{},"f:y":{}}}`},
		{"nothing", Exclude(Set{}), string(s.AppendJSON(nil))},
		{"spec.x", Include(Fields("spec", "x")), `{"f:spec":{".":{},"f:x":{}}}`},
		{"a pattern", Include(resize[0]), `{"f:spec":{".":{},"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:resources":{"f:limits":{}}}}}}`},
		{"patterns with the same beginning", Include(Fields("spec", "x"), Fields("status", "y")), `{"f:spec":{".":{},"f:x":{}},"f:status":{".":{},"f:y":{}}}`},
		{"a pattern and what is above it", Include(Fields("status", "y"), Fields("status")), `{"f:status":{".":{},"f:y":{}}}`},
		{"upstream's resize", Include(resize...), `{"f:spec":{".":{},"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:resources":{"f:limits":{}}}}}}`},
		{"what is not there", Include(Fields("a", "b")), `{}`},
		{"all", Include(), string(s.AppendJSON(nil))},
	} {
		is(t, c.what, c.filter.Apply(s), c.want)
	}
	both := Comparison{Removed: s, Added: s}.Filtered(Exclude(New(Fields("spec"))))
	is(t, "what was removed", both.Removed, `{"f:status":{".":{},"f:y":{}}}`)
	is(t, "what was added", both.Added, `{"f:status":{".":{},"f:y":{}}}`)
	if both.IsEmpty() || !both.Modified.IsEmpty() || !(Comparison{}).IsEmpty() {
		t.Error("a filter makes or takes too much")
	}
}
