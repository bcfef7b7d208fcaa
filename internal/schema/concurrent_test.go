package schema_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// everyday is a schema with every kind of place: what a definition of an ordinary operator has.
const everyday = `{"type":"object","required":["spec"],"properties":{"spec":{"type":"object","required":["name"],"properties":{
"name":{"type":"string","minLength":1,"maxLength":20,"pattern":"^[a-z]+$"},"size":{"type":"integer","format":"int32","minimum":1,"maximum":10,"default":3},
"mode":{"type":"string","enum":["Fast","Safe"],"default":"Safe"},"ratio":{"type":"number","maximum":1},"since":{"type":"string","format":"date-time"},
"port":{"x-kubernetes-int-or-string":true},"labels":{"type":"object","additionalProperties":{"type":"string","maxLength":5}},
"tags":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"},"open":{"x-kubernetes-preserve-unknown-fields":true},
"inner":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true},
"either":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"oneOf":[{"required":["a"]},{"required":["b"]}],"not":{"required":["c"]}},
"rules":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],"properties":{
"name":{"type":"string"},"proto":{"type":"string","default":"TCP"},"opts":{"type":"object","default":{"n":1},"properties":{"n":{"type":"integer"}}}}}}}}}}`

// everydaySpec makes a spec for it, right and wrong in turns, with fields that are unknown.
func everydaySpec(r *rand.Rand) map[string]any {
	pick := func(of ...any) any { return of[r.IntN(len(of))] }
	return map[string]any{
		"name": pick("abc", "", "ABC", int64(1)), "size": pick(int64(1), int64(11), nil, 2.0), "ratio": pick(0.5, 1.5, int64(1)), "since": pick("2026-01-01T00:00:00Z", "x"),
		"port": pick("80%", int64(80), true), "labels": map[string]any{"a": pick("short", "too long"), "b": pick(nil, "x")},
		"tags": pick([]any{"a", "b"}, []any{"a", "a"}, []any{}), "open": pick(map[string]any{"x": []any{int64(1)}}, "x", nil), "odd": pick(int64(1), map[string]any{"x": true}),
		"inner":  pick(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x", "odd": true}}, map[string]any{"kind": "4"}),
		"either": pick(map[string]any{"a": int64(1)}, map[string]any{"a": int64(1), "b": int64(1)}, map[string]any{}, map[string]any{"b": int64(1), "c": int64(1)}),
		"rules":  []any{map[string]any{"name": pick("a", "b"), "odd": int64(1)}, map[string]any{"name": "a", "opts": nil}},
	}
}

// outcome puts an object through all that is done with one on a write, and writes all of it.
func outcome(s *schema.Schema, obj, old map[string]any) string {
	unknown, _ := s.Prune(obj)
	s.SetDefaults(obj)
	return fmt.Sprintf("%q\n%s\n%s\n%s", unknown, tree.AppendJSON(nil, obj), lines(s.Validate(obj, nil)), lines(s.Validate(obj, old)))
}

// TestConcurrentUse: one compiled schema serves many requests at a time. Each comes to what it
// comes to alone; run with -race, nothing is written that another reads.
func TestConcurrentUse(t *testing.T) {
	s := compile(t, everyday)
	r := rand.New(rand.NewPCG(21, 22))
	const objects = 60
	var before [objects]map[string]any
	var want [objects]string
	old := map[string]any{"spec": everydaySpec(r)}
	for i := range before {
		before[i] = map[string]any{"spec": everydaySpec(r)}
		want[i] = outcome(s, tree.Copy(before[i]).(map[string]any), old)
	}
	if first := want[0]; !slices.ContainsFunc(want[:], func(w string) bool { return w != first }) {
		t.Fatal("all objects come to the same")
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range objects {
				i = (i*7 + worker*11) % objects // each worker in an order of its own
				// The old object is shared: validation only reads it.
				if got := outcome(s, tree.Copy(before[i]).(map[string]any), old); got != want[i] {
					t.Errorf("worker %d, object %d:\ngot  %s\nwant %s", worker, i, got, want[i])
					return
				}
			}
		})
	}
	all.Wait()
}

// TestConcurrentCompile: the raw schema and a definition are only read by what compiles,
// checks and describes them.
func TestConcurrentCompile(t *testing.T) {
	raw := parse(t, everyday)
	crd := definition(t, everyday)
	wantErrors, wantWarnings := lines(schema.CheckCRD(crd, crd)), schema.Warnings(crd)
	obj := map[string]any{"spec": everydaySpec(rand.New(rand.NewPCG(23, 24)))}
	first, err := schema.Compile(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := outcome(first, tree.Copy(obj).(map[string]any), obj)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 10 {
				s, err := schema.Compile(raw)
				if err != nil {
					t.Error(err)
					return
				}
				if got := outcome(s, tree.Copy(obj).(map[string]any), obj); got != want {
					t.Errorf("got %s\nwant %s", got, want)
				}
				if got := lines(schema.CheckCRD(crd, crd)); got != wantErrors {
					t.Errorf("errors %s", got)
				}
				if got := schema.Warnings(crd); !slices.Equal(got, wantWarnings) {
					t.Errorf("warnings %q", got)
				}
				schema.NameConflicts(crd, []map[string]any{crd}, time.Now())
			}
		})
	}
	all.Wait()
}

// TestConcurrentPaths: a compiled path is used for every row of a table, by many requests.
func TestConcurrentPaths(t *testing.T) {
	obj := parse(t, pathObject)
	paths := []string{".spec.n", ".spec.items[1:].name", `.spec.items[?(@.name=="b")].size`, ".spec.one.*.one", "['metadata']['name']"}
	var all sync.WaitGroup
	for _, path := range paths {
		find, err := schema.CompileJSONPath(path)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := find(obj)
		for range 4 {
			all.Go(func() {
				for range 200 {
					if got, found := find(obj); !found || !tree.Equal(got, want) {
						t.Errorf("%s: %v", path, got)
						return
					}
				}
			})
		}
	}
	all.Wait()
}

// nest writes open n times, what is inside, and end n times.
func nest(n int, open, inside, end string) string {
	return strings.Repeat(open, n) + inside + strings.Repeat(end, n)
}

// list writes n texts with commas between, each of its number.
func list(n int, each func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = each(i)
	}
	return strings.Join(parts, ",")
}

// TestBoundedDepth: objects and schemas as deep as JSON may be are walked to their end.
func TestBoundedDepth(t *testing.T) {
	const depth = 480 // each level is two in the schema: properties and the name
	text := nest(depth, `{"type":"object","properties":{"a":`, `{"type":"integer","maximum":5,"default":1}`, `}}`)
	within(t, "a deep schema", func() {
		if got := check(t, definition(t, text), nil); got != "" {
			t.Errorf("a deep schema: %.500s", got)
		}
		s := compile(t, text)
		// One level less, and the innermost field is missing.
		obj := parse(t, nest(depth-1, `{"a":`, `{"b":1}`, `}`))
		unknown, _ := s.Prune(obj)
		if want := strings.Repeat("a.", depth-1) + "b"; !slices.Equal(unknown, []string{want}) {
			t.Errorf("deep: told of %.300q", unknown)
		}
		s.SetDefaults(obj)
		if got, want := string(tree.AppendJSON(nil, obj)), nest(depth, `{"a":`, `1`, `}`); got != want {
			t.Errorf("deep defaults: %.300s", got)
		}
		at := strings.TrimSuffix(strings.Repeat("a.", depth), ".")
		want := "Invalid " + at + ": Invalid value: 6: " + at + " in body should be less than or equal to 5"
		if got := lines(s.Validate(parse(t, nest(depth, `{"a":`, `6`, `}`)), nil)); got != want {
			t.Errorf("deep errors: %.300s", got)
		}
	})
	within(t, "a deep object of anything", func() {
		s := compile(t, withSpec(`"a":{"x-kubernetes-preserve-unknown-fields":true}`))
		obj := parse(t, `{"spec":{"a":`+nest(900, `[`, `1`, `]`)+`}}`)
		if unknown, _ := s.Prune(obj); unknown != nil || s.Validate(obj, obj) != nil {
			t.Errorf("deep lists: told of %q", unknown)
		}
	})
}

// TestBoundedSize: work grows with what a request brings, not with its square; and where the
// number of checks itself multiplies, it ends with an error instead.
func TestBoundedSize(t *testing.T) {
	const many = 100_000
	for _, row := range []struct {
		name, properties, spec string
		want                   string // what errors begin with; "" is none
	}{
		{"a large set", `"l":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"integer"}}`,
			`"l":[` + list(many, func(i int) string { return fmt.Sprint(i) }) + `]`, ""},
		{"a large set of few members", `"l":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"integer"}}`,
			`"l":[` + list(many, func(i int) string { return fmt.Sprint(i % 3) }) + `]`, "Duplicate spec.l[3]: Duplicate value: 0\nDuplicate spec.l[4]: Duplicate value: 1\nDuplicate spec.l[5]: Duplicate value: 2"},
		{"a large map", `"l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"integer"}}}}`,
			`"l":[` + list(many, func(i int) string { return fmt.Sprintf(`{"k":%d}`, i) }) + `]`, ""},
		{"many unknown fields", `"a":{"type":"string"}`, list(many, func(i int) string { return fmt.Sprintf(`"f%d":%d`, i, i) }), ""},
		{"many errors", `"l":{"type":"array","items":{"type":"integer","maximum":0}}`, `"l":[` + list(many, func(i int) string { return fmt.Sprint(i) }) + `]`,
			"Invalid spec.l[1]: Invalid value: 1: spec.l[1] in body should be less than or equal to 0\n"},
		{"many fields", list(2000, func(i int) string { return fmt.Sprintf(`"f%d":{"type":"integer","default":%d}`, i, i) }), `"f7":8`, ""},
		{"a long text", `"a":{"type":"string","pattern":"^(x+x+)+y$","maxLength":3000000}`, `"a":"` + strings.Repeat("x", 200_000) + `"`, "Invalid spec.a: Invalid value: "}, // no backtracking
		{"alternatives of alternatives", `"l":{"type":"array","items":{"type":"integer",` + nest(12, `"anyOf":[{"minimum":9},{`, `"minimum":9`, `}]`) + `}}`,
			`"l":[` + list(1000, func(int) string { return "1" }) + `]`, "Invalid "},
		{"many alternatives", `"l":{"type":"array","items":{"type":"integer","anyOf":[` + list(1500, func(i int) string { return fmt.Sprintf(`{"minimum":%d}`, i+1_000_000) }) + `,{"minimum":0}]}}`,
			`"l":[` + list(20_000, func(i int) string { return fmt.Sprint(i) }) + `]`, "Invalid <nil>: Invalid value: \"\": the object is too complex to be validated"},
	} {
		within(t, row.name, func() {
			s := compile(t, withSpec(row.properties))
			obj := parse(t, `{"spec":{`+row.spec+`}}`)
			s.Prune(obj)
			s.SetDefaults(obj)
			errs := s.Validate(obj, nil)
			got := lines(errs)
			if row.want == "" && got != "" || !strings.HasPrefix(got, row.want) {
				t.Errorf("%s: got %.300s, want %s", row.name, got, row.want)
			}
			// The answer has to fit into a status, whatever the object brings.
			if len(errs) > 500 || len(got) > 4<<20 {
				t.Errorf("%s: %d errors of %d bytes", row.name, len(errs), len(got))
			}
			if again := s.Validate(obj, tree.Copy(obj).(map[string]any)); again != nil && !strings.Contains(lines(again), "too complex") {
				t.Errorf("%s: against itself: %.300s", row.name, lines(again))
			}
		})
	}
}

// TestBoundedDefinitions: what a definition can be refused for is bounded in number and in
// size, however much is wrong with it, and so is the time to find out.
func TestBoundedDefinitions(t *testing.T) {
	const many = 5000
	for name, text := range map[string]string{
		"fields without a type":     withSpec(list(many, func(i int) string { return fmt.Sprintf(`"f%d":{}`, i) })),
		"bad patterns":              withSpec(list(many, func(i int) string { return fmt.Sprintf(`"f%d":{"type":"string","pattern":"(%d"}`, i, i) })),
		"long types":                withSpec(list(600, func(i int) string { return fmt.Sprintf(`"f%d":{"type":"%s"}`, i, strings.Repeat("x", 5000)) })),
		"nested in nested":          fieldA(`"type":"string",` + nest(300, `"not":{`, `"type":"string"`, `}`)),
		"defaults of another type":  withSpec(list(many, func(i int) string { return fmt.Sprintf(`"f%d":{"type":"integer","default":"x"}`, i) })),
		"large defaults":            fieldA(`"type":"array","items":{"type":"integer"},"default":[` + list(9000, func(int) string { return `"x"` }) + `]`),
		"keys that are not there":   fieldA(`"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":[` + list(many, func(i int) string { return fmt.Sprintf(`"k%d"`, i) }) + `],"items":{"type":"object"}`),
		"rules without text":        fieldA(`"type":"string","x-kubernetes-validations":[` + list(many, func(int) string { return `{}` }) + `]`),
		"alternatives of no type":   fieldA(`"type":"string","anyOf":[` + list(many, func(int) string { return `{"type":"string"}` }) + `]`),
		"keywords of another shape": withSpec(list(many, func(i int) string { return fmt.Sprintf(`"f%d":{"type":"string","minLength":"x"}`, i) })),
	} {
		within(t, name, func() {
			errs := schema.CheckCRD(definition(t, text), nil)
			size := 0
			for _, e := range errs {
				size += len(e.Field) + len(e.Message)
			}
			if len(errs) == 0 || len(errs) > 1010 || size > 3<<20 {
				t.Errorf("%s: %d errors of %d bytes", name, len(errs), size)
			}
		})
	}
	within(t, "many versions", func() {
		crd := definition(t, specOnly, func(crd map[string]any) {
			var versions []any
			for i := range 1000 {
				versions = append(versions, parse(t,
					fmt.Sprintf(`{"name":"v%d","served":true,"storage":%v,"schema":{"openAPIV3Schema":%s}}`, i, i == 0, specOnly)))
			}
			tree.Set(crd, versions, "spec", "versions")
		})
		if got := check(t, crd, crd); got != "" {
			t.Errorf("many versions: %.300s", got)
		}
	})
}

// TestBoundedPaths: a path is refused when it is long, and one that is as long as may be is
// compiled and used in time.
func TestBoundedPaths(t *testing.T) {
	within(t, "long paths", func() {
		obj := map[string]any{}
		for _, path := range []string{
			"." + strings.Repeat("a.", 2000) + "b", strings.Repeat("[*]", 1300), strings.Repeat(".*", 2000), strings.Repeat("[?(@.a)]", 500), strings.Repeat("['", 2000),
			strings.Repeat("[?(@", 1000), strings.Repeat(`\`, 4000), "." + strings.Repeat("[", 4000),
		} {
			if find, err := schema.CompileJSONPath(path); err == nil {
				find(obj)
			}
		}
	})
	within(t, "wildcards over an object", func() {
		// Two fields at each of sixteen levels make 65,536 ways, and at the end of none is x.
		find, err := schema.CompileJSONPath(strings.Repeat(".*", 16) + ".x")
		if err != nil {
			t.Fatal(err)
		}
		var v any = int64(1)
		for range 16 {
			v = map[string]any{"a": v, "b": v}
		}
		if _, found := find(v); found {
			t.Error("something is found")
		}
	})
}
