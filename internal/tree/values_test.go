package tree

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// mustJSON reads a tree that a test is about.
func mustJSON(t testing.TB, text string) any {
	t.Helper()
	v, _, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

const podJSON = `{
	"apiVersion": "v1", "kind": "Pod",
	"metadata": {"name": "web-0", "labels": {"app": "web", "": "empty key"}, "finalizers": ["a", 1, null, "b"], "generation": 3,
		"annotations": null},
	"spec": {"replicas": 2.0, "paused": true, "ready": false, "containers": [{"name": "c"}], "nodeName": 7, "none": {}, "nothing": []}
}`

// TestReadingByPath: each reader at each kind of place, the wrong ones above all.
func TestReadingByPath(t *testing.T) {
	pod := mustJSON(t, podJSON)
	for _, tc := range []struct {
		path []string
		at   string // as JSON
		text string
		keys int // of Object; -1 for nil
		len  int // of List; -1 for nil
	}{
		{[]string{"kind"}, `"Pod"`, "Pod", -1, -1},
		{[]string{"metadata", "name"}, `"web-0"`, "web-0", -1, -1},
		{[]string{"metadata", "labels"}, `{"":"empty key","app":"web"}`, "", 2, -1},
		{[]string{"metadata", "labels", ""}, `"empty key"`, "empty key", -1, -1},
		{[]string{"metadata", "labels", "none"}, "null", "", -1, -1},
		{[]string{"metadata", "annotations"}, "null", "", -1, -1},
		{[]string{"metadata", "annotations", "a"}, "null", "", -1, -1}, // through a null
		{[]string{"metadata", "finalizers"}, `["a",1,null,"b"]`, "", -1, 4},
		{[]string{"metadata", "finalizers", "0"}, "null", "", -1, -1}, // through a list
		{[]string{"metadata", "name", "x"}, "null", "", -1, -1},       // through a text
		{[]string{"metadata", "generation"}, "3", "", -1, -1},
		{[]string{"spec", "nodeName"}, "7", "", -1, -1}, // a number is no text
		{[]string{"spec", "none"}, "{}", "", 0, -1},
		{[]string{"spec", "nothing"}, "[]", "", -1, 0},
		{[]string{"spec", "containers"}, `[{"name":"c"}]`, "", -1, 1},
		{[]string{"status", "conditions", "x", "y"}, "null", "", -1, -1},
		{[]string{""}, "null", "", -1, -1},
	} {
		if got := string(AppendJSON(nil, At(pod, tc.path...))); got != tc.at {
			t.Errorf("%q: got %s, want %s", tc.path, got, tc.at)
		}
		if got := Text(pod, tc.path...); got != tc.text {
			t.Errorf("%q: text %q, want %q", tc.path, got, tc.text)
		}
		if o := Object(pod, tc.path...); o == nil && tc.keys >= 0 || o != nil && len(o) != tc.keys {
			t.Errorf("%q: object %v, want %d keys", tc.path, o, tc.keys)
		}
		if l := List(pod, tc.path...); l == nil && tc.len >= 0 || l != nil && len(l) != tc.len {
			t.Errorf("%q: list %v, want %d elements", tc.path, l, tc.len)
		}
	}
	// Without a path it is the value itself, whatever that is.
	for _, v := range []any{nil, "a", int64(1), []any{"x"}, map[string]any{"a": "b"}} {
		s, _ := v.(string)
		if !reflect.DeepEqual(At(v), v) || Text(v) != s || At(v, "x") != nil {
			t.Errorf("%#v: %v, %q", v, At(v), Text(v))
		}
	}
	// A part is no copy.
	Object(pod, "metadata", "labels")["app"] = "db"
	if Text(pod, "metadata", "labels", "app") != "db" {
		t.Error("Object returned a copy")
	}
	if n := testing.AllocsPerRun(100, func() { Text(pod, "metadata", "labels", "app") }); n != 0 {
		t.Errorf("%v allocations to read a text", n)
	}
}

func TestSet(t *testing.T) {
	for _, tc := range []struct {
		in    string
		value any
		path  []string
		want  string
	}{
		{`{}`, "v", []string{"a"}, `{"a":"v"}`},
		{`{}`, "v", []string{"a", "b", "c"}, `{"a":{"b":{"c":"v"}}}`},
		{`{"a":{"x":1}}`, "v", []string{"a", "b"}, `{"a":{"b":"v","x":1}}`},
		{`{"a":{"b":1}}`, nil, []string{"a", "b"}, `{"a":{"b":null}}`},
		{`{"a":{"b":{"c":1}}}`, "v", []string{"a", "b"}, `{"a":{"b":"v"}}`},
		{`{"a":null}`, "v", []string{"a", "b"}, `{"a":{"b":"v"}}`},
		{`{"a":"text"}`, "v", []string{"a", "b"}, `{"a":{"b":"v"}}`},
		{`{"a":[1]}`, "v", []string{"a", "0"}, `{"a":{"0":"v"}}`}, // no indices
		{`{"a":1}`, "v", []string{""}, `{"":"v","a":1}`},
	} {
		o := mustJSON(t, tc.in).(map[string]any)
		Set(o, tc.value, tc.path...)
		if got := string(AppendJSON(nil, o)); got != tc.want {
			t.Errorf("%s: set %q: got %s, want %s", tc.in, tc.path, got, tc.want)
		}
		if got := At(o, tc.path...); !reflect.DeepEqual(got, tc.value) {
			t.Errorf("%s: %q reads back as %v", tc.in, tc.path, got)
		}
	}
	// The tree keeps the value itself.
	o, inner := map[string]any{}, map[string]any{}
	Set(o, inner, "a", "b")
	inner["c"] = "v"
	if Text(o, "a", "b", "c") != "v" {
		t.Error("Set copied the value")
	}
}

func TestMetadataAndName(t *testing.T) {
	for _, tc := range []struct{ in, name, after string }{
		{`{"metadata":{"name":"n"}}`, "n", `{"metadata":{"name":"n","x":1}}`},
		{`{"metadata":{"generateName":"n-"}}`, "", `{"metadata":{"generateName":"n-","x":1}}`},
		{`{"metadata":{"name":5}}`, "", `{"metadata":{"name":5,"x":1}}`},
		{`{}`, "", `{"metadata":{"x":1}}`},
		{`{"metadata":null}`, "", `{"metadata":{"x":1}}`},
		{`{"metadata":["name"],"a":1}`, "", `{"a":1,"metadata":{"x":1}}`},
	} {
		o := mustJSON(t, tc.in).(map[string]any)
		if got := Name(o); got != tc.name {
			t.Errorf("%s: name %q, want %q", tc.in, got, tc.name)
		}
		Metadata(o)["x"] = int64(1)
		if got := string(AppendJSON(nil, o)); got != tc.after {
			t.Errorf("%s: after a change %s, want %s", tc.in, got, tc.after)
		}
	}
	if Name(nil) != "" {
		t.Error("no object has a name")
	}
}

func TestStringsFloatTrue(t *testing.T) {
	for _, tc := range []struct {
		in   []any
		want []string
	}{
		{nil, nil}, {[]any{}, nil}, {[]any{int64(1), nil, true}, nil}, {[]any{"a", "", int64(1), "a"}, []string{"a", "", "a"}},
		{[]any{[]any{"inner"}, map[string]any{"a": "b"}, "outer"}, []string{"outer"}},
	} {
		if got := Strings(tc.in); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%v: %#v, want %#v", tc.in, got, tc.want)
		}
	}
	for _, tc := range []struct {
		in   any
		want float64
		ok   bool
	}{
		{int64(3), 3, true}, {-1.5, -1.5, true}, {int64(math.MaxInt64), 9223372036854775808, true}, {int64(1<<53 + 1), 1 << 53, true},
		{"3", 0, false}, {nil, 0, false}, {true, 0, false}, {3, 0, false}, {[]any{3.0}, 0, false},
	} {
		if got, ok := Float(tc.in); got != tc.want || ok != tc.ok {
			t.Errorf("%#v: %v, %t", tc.in, got, ok)
		}
	}
	for v, want := range map[any]bool{true: true, false: false, "true": false, int64(1): false, nil: false} {
		if True(v) != want {
			t.Errorf("%#v is true: %t", v, !want)
		}
	}
}

func TestSortedKeys(t *testing.T) {
	r := newTrees(1)
	for range 200 {
		o := r.object(r.IntN(30), 0)
		keys := SortedKeys(o)
		if len(keys) != len(o) || !slices.IsSorted(keys) {
			t.Fatalf("%q of %v", keys, o)
		}
		for _, k := range keys {
			if _, ok := o[k]; !ok {
				t.Fatalf("%q is no key of %v", k, o)
			}
		}
	}
	if keys := SortedKeys(nil); keys == nil || len(keys) != 0 {
		t.Errorf("no object has the keys %#v", keys)
	}
	// Bytes, not letters, and as the writers have them.
	o := map[string]any{"b": nil, "B": nil, "a.b": nil, "a-b": nil, "ab": nil, "é": nil, "": nil, "10": nil, "9": nil}
	if got := SortedKeys(o); !slices.Equal(got, []string{"", "10", "9", "B", "a-b", "a.b", "ab", "b", "é"}) {
		t.Errorf("%q", got)
	}
	if got := string(AppendJSON(nil, o)); got != `{"":null,"10":null,"9":null,"B":null,"a-b":null,"a.b":null,"ab":null,"b":null,"é":null}` {
		t.Error(got)
	}
}

// TestCopyProperty: a copy is the same tree, and no change of one shows in the other.
func TestCopyProperty(t *testing.T) {
	r := newTrees(2)
	for range 300 {
		v := r.tree(4)
		before := string(AppendJSON(nil, v))
		w := Copy(v)
		if !reflect.DeepEqual(v, w) || !Equal(v, w) {
			t.Fatalf("the copy of %s is %s", before, AppendJSON(nil, w))
		}
		leaves(w, func(leaf any, put func(any)) {
			switch leaf := leaf.(type) {
			case map[string]any:
				leaf["new"] = "x"
			default:
				put("changed")
			}
		})
		if after := string(AppendJSON(nil, v)); after != before {
			t.Fatalf("%s became %s by changes of its copy", before, after)
		}
	}
	for _, v := range []any{map[string]any(nil), []any(nil)} {
		if w := Copy(v); reflect.ValueOf(w).IsNil() || !Equal(v, w) {
			t.Errorf("the copy of %#v is %#v", v, w)
		}
	}
}

// asFloats returns v with every number as a float64 that is written like it, if there is one: what
// Equal takes for the same has the same form then.
func asFloats(v any) any {
	switch v := v.(type) {
	case int64:
		if f := float64(v); string(AppendJSON(nil, f)) == strconv.FormatInt(v, 10) {
			return f
		}
	case map[string]any:
		o := map[string]any{}
		for k, e := range v {
			o[k] = asFloats(e)
		}
		return o
	case []any:
		l := []any{}
		for _, e := range v {
			l = append(l, asFloats(e))
		}
		return l
	}
	return v
}

// TestEqualProperty: Equal is symmetric, finds each single change, and takes numbers for the
// same that differ in their type only.
func TestEqualProperty(t *testing.T) {
	r := newTrees(3)
	both := func(a, b any) bool {
		got := Equal(a, b)
		if Equal(b, a) != got {
			t.Fatalf("%s and %s: equal one way only", AppendJSON(nil, a), AppendJSON(nil, b))
		}
		return got
	}
	changes := 0
	for range 200 {
		v := r.tree(3)
		if !both(v, v) || !both(v, asFloats(v)) {
			t.Fatalf("%s is not itself", AppendJSON(nil, v))
		}
		w := Copy(v)
		leaves(w, func(leaf any, put func(any)) {
			changes++
			for _, other := range []any{"another text", int64(-12345), nil, []any{nil}, map[string]any{"k": nil}} {
				if reflect.DeepEqual(leaf, other) {
					continue
				}
				put(other)
				if both(v, w) {
					t.Fatalf("%s and %s are equal", AppendJSON(nil, v), AppendJSON(nil, w))
				}
			}
			put(leaf)
		})
		if !both(v, w) {
			t.Fatalf("%s was not put back", AppendJSON(nil, v))
		}
		other := r.tree(3)
		same := string(AppendJSON(nil, asFloats(v))) == string(AppendJSON(nil, asFloats(other)))
		if same != both(v, other) {
			t.Fatalf("%s and %s: %t", AppendJSON(nil, v), AppendJSON(nil, other), !same)
		}
	}
	if changes < 500 {
		t.Errorf("only %d changes", changes)
	}
}

// TestEqualNumbers: numbers are the same for Equal if they are written alike, and for Identical if
// their types are the same too.
func TestEqualNumbers(t *testing.T) {
	for _, c := range []struct {
		a, b             any
		equal, identical bool
	}{
		{int64(1), int64(1), true, true},
		{int64(1), 1.0, true, false},
		{int64(0), 0.0, true, false},
		{1.5, 1.5, true, true},
		{int64(1), 1.5, false, false},
		{int64(1 << 53), float64(1 << 53), true, false},
		{int64(1<<53 + 1), float64(1 << 53), false, false},
		{int64(1<<53 + 2), float64(1<<53 + 2), true, false},
		{int64(137959516104019100), 137959516104019104.0, true, false},
		{int64(137959516104019104), 137959516104019104.0, false, false},
		{int64(math.MaxInt64), float64(1 << 63), false, false},
		{int64(math.MinInt64), float64(math.MinInt64), false, false}, // written -9223372036854776000
		{int64(1), "1", false, false},
		{[]any{int64(2)}, []any{2.0}, true, false},
		{map[string]any{"a": 2.0}, map[string]any{"a": int64(2)}, true, false},
	} {
		for range 2 {
			if Equal(c.a, c.b) != c.equal || Identical(c.a, c.b) != c.identical {
				t.Errorf("%T %v and %T %v: equal %t, identical %t", c.a, c.a, c.b, c.b, Equal(c.a, c.b), Identical(c.a, c.b))
			}
			c.a, c.b = c.b, c.a
		}
	}
}

// TestIdenticalWithin: each pair of values takes a step; with too few the answer is no.
func TestIdenticalWithin(t *testing.T) {
	r := newTrees(4)
	for range 200 {
		v := r.tree(3)
		w, n := Copy(v), size(v)
		for _, tc := range []struct {
			steps int
			want  bool
		}{{n + 5, true}, {n, true}, {n - 1, false}, {0, false}, {-1, false}} {
			steps := tc.steps
			if got := IdenticalWithin(v, w, &steps); got != tc.want {
				t.Fatalf("%s of %d values with %d steps: %t", AppendJSON(nil, v), n, tc.steps, got)
			}
			if tc.want && steps != tc.steps-n || !tc.want && steps >= 0 {
				t.Fatalf("%s of %d values: of %d steps %d are left", AppendJSON(nil, v), n, tc.steps, steps)
			}
		}
		other := r.tree(3)
		steps := n + size(other)
		if IdenticalWithin(v, other, &steps) != Identical(v, other) || steps < 0 {
			t.Fatalf("%s and %s differ with steps enough", AppendJSON(nil, v), AppendJSON(nil, other))
		}
	}
	// A list compared with itself n times costs n times its size: the budget is shared.
	list, steps := []any{int64(1), "a"}, 7
	for i, want := range []bool{true, true, false, false} {
		if got := IdenticalWithin(list, list, &steps); got != want {
			t.Errorf("comparison %d: %t with %d steps left", i, got, steps)
		}
	}
}

func ExampleSet() {
	obj, _, _ := ParseJSONObject([]byte(`{"metadata": {"name": "web"}, "spec": null}`))
	Set(obj, int64(3), "spec", "replicas")
	Metadata(obj)["generation"] = int64(1)
	fmt.Println(Name(obj), Text(obj, "spec", "image") == "")
	fmt.Printf("%s\n", AppendJSON(nil, obj))
	fmt.Printf("%s", AppendYAML(nil, obj))
	// Output:
	// web true
	// {"metadata":{"generation":1,"name":"web"},"spec":{"replicas":3}}
	// metadata:
	//   generation: 1
	//   name: web
	// spec:
	//   replicas: 3
}
