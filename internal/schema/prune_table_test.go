package schema_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// TestPruneTable: what is left and what is told, one construct of a schema at a time. The
// paths are sorted as texts, and an item of a list has its index in brackets.
func TestPruneTable(t *testing.T) {
	const (
		open     = `"x-kubernetes-preserve-unknown-fields":true`
		embedded = `"type":"object","x-kubernetes-embedded-resource":true`
		known    = `"type":"object","properties":{"x":{"type":"integer"}}`
	)
	// The field spec.a of the object and what is left of it; unknown paths are below spec.
	for _, row := range []struct{ name, rules, value, left, unknown string }{
		{"known", known, `{"x":1}`, `{"x":1}`, ""},
		{"unknown", known, `{"x":1,"y":2}`, `{"x":1}`, "a.y"},
		{"unknown object", known, `{"y":{"z":{}}}`, `{}`, "a.y"}, // told once, at its top
		{"several", known, `{"z":1,"y":2,"x":3}`, `{"x":3}`, "a.y a.z"},
		{"letters count", known, `{"X":1}`, `{}`, "a.X"},
		{"null", known, `{"x":null,"y":null}`, `{"x":null}`, "a.y"},
		{"wrong type", known, `"text"`, `"text"`, ""}, // which validation refuses
		{"list in place of an object", known, `[{"x":1,"y":2}]`, `[{}]`, "a[0].x a[0].y"},
		{"empty object", `"type":"object"`, `{"x":1}`, `{}`, "a.x"},
		{"text", `"type":"string"`, `"x"`, `"x"`, ""},
		{"two types", `"x-kubernetes-int-or-string":true`, `{"x":1}`, `{}`, "a.x"},

		{"open", open, `{"x":{"y":[{"z":1}]}}`, `{"x":{"y":[{"z":1}]}}`, ""},
		{"open object", `"type":"object",` + open, `{"x":{"y":1}}`, `{"x":{"y":1}}`, ""},
		{"open, known inside", known + `,` + open, `{"x":1,"y":{"z":1}}`, `{"x":1,"y":{"z":1}}`, ""},
		{"known inside open", `"type":"object","properties":{"o":{` + known + `}},` + open, `{"o":{"x":1,"y":2},"p":{"q":1}}`, `{"o":{"x":1},"p":{"q":1}}`, "a.o.y"},
		{"open inside known", `"type":"object","properties":{"o":{` + open + `}}`, `{"o":{"x":1},"p":1}`, `{"o":{"x":1}}`, "a.p"},
		{"open inside closed inside open", open + `,"type":"object","properties":{"o":{"type":"object","properties":{"p":{` + open + `}}}}`,
			`{"o":{"p":{"x":1},"q":1},"r":1}`, `{"o":{"p":{"x":1}},"r":1}`, "a.o.q"},
		{"open text that is an object", `"type":"string",` + open, `{"x":1}`, `{"x":1}`, ""},

		{"map", `"type":"object","additionalProperties":{"type":"string"}`, `{"k":"v","l":"w"}`, `{"k":"v","l":"w"}`, ""},
		{"map of objects", `"type":"object","additionalProperties":{` + known + `}`, `{"k":{"x":1,"y":2},"l":{}}`, `{"k":{"x":1},"l":{}}`, "a.k.y"},
		{"map of anything", `"type":"object","additionalProperties":{` + open + `}`, `{"k":{"y":2}}`, `{"k":{"y":2}}`, ""},
		{"true", `"type":"object","additionalProperties":true`, `{"k":1,"l":{"m":1}}`, `{"k":1,"l":{}}`, "a.l.m"},
		{"true, lists", `"type":"object","additionalProperties":true`, `{"k":[{"m":1},2]}`, `{"k":[{},2]}`, "a.k[0].m"},
		{"true and known", known + `,"additionalProperties":true`, `{"x":1,"k":{"m":1}}`, `{"k":{},"x":1}`, "a.k.m"},

		{"list", `"type":"array","items":{` + known + `}`, `[{"x":1,"y":2},{},{"z":3}]`, `[{"x":1},{},{}]`, "a[0].y a[2].z"},
		{"list of lists", `"type":"array","items":{"type":"array","items":{` + known + `}}`, `[[],[{},{"y":2}]]`, `[[],[{},{}]]`, "a[1][1].y"},
		{"list with nulls", `"type":"array","items":{` + known + `}`, `[null,{"y":2}]`, `[null,{}]`, "a[1].y"},
		{"list of open items", `"type":"array","items":{` + open + `}`, `[{"y":1},[{"z":1}]]`, `[{"y":1},[{"z":1}]]`, ""},
		{"open list", `"type":"array","items":{` + known + `},` + open, `[{"x":1,"y":{"z":1}}]`, `[{"x":1,"y":{"z":1}}]`, ""},
		{"open list of lists", `"type":"array","items":{"type":"array","items":{` + known + `}},` + open, `[[{"x":1,"y":2}]]`, `[[{"x":1,"y":2}]]`, ""},
		{"object in place of a list", `"type":"array","items":{` + known + `}`, `{"x":1}`, `{}`, "a.x"},
		{"sorted as texts", `"type":"array","items":{` + known + `}`, `[{"y":1},{},{"y":1},{},{},{},{},{},{},{},{"y":1}]`, `[{},{},{},{},{},{},{},{},{},{},{}]`, "a[0].y a[10].y a[2].y"},

		{"not a resource", known, `{"apiVersion":"v1","kind":"K","metadata":{},"x":1}`, `{"x":1}`, "a.apiVersion a.kind a.metadata"},
		{"embedded", embedded + `,"properties":{"spec":{` + known + `}}`, `{"apiVersion":"v1","kind":"K","metadata":{"name":"n"},"spec":{"x":1,"y":2},"z":1}`,
			`{"apiVersion":"v1","kind":"K","metadata":{"name":"n"},"spec":{"x":1}}`, "a.spec.y a.z"},
		{"embedded metadata", embedded + `,` + open, `{"metadata":{"name":"n","labels":{"l":"1"},"odd":1,"other":{}},"y":1}`, `{"metadata":{"labels":{"l":"1"},"name":"n","odd":1,"other":{}},"y":1}`, ""},
		{"embedded, metadata in its schema", embedded + `,"properties":{"metadata":{"type":"object","properties":{"name":{"type":"string"}}}}`, `{"metadata":{"name":"n","labels":{"l":"1"}}}`,
			`{"metadata":{"labels":{"l":"1"},"name":"n"}}`, ""},
		{"embedded in a list", `"type":"array","items":{` + embedded + `,"properties":{"spec":{"type":"object"}}}`, `[{"kind":"K","apiVersion":"v1","x":1}]`, `[{"apiVersion":"v1","kind":"K"}]`, "a[0].x"},
		{"embedded in embedded", embedded + `,"properties":{"spec":{` + embedded + `,"properties":{"data":{"type":"object"}}}}`,
			`{"kind":"K","apiVersion":"v1","spec":{"kind":"L","apiVersion":"v1","metadata":{"odd":1},"x":1},"metadata":{}}`,
			`{"apiVersion":"v1","kind":"K","metadata":{},"spec":{"apiVersion":"v1","kind":"L","metadata":{"odd":1}}}`, "a.spec.x"},

		{"alternatives add no fields", known + `,"anyOf":[{"required":["y"]},{"required":["x"]}]`, `{"x":1,"y":2}`, `{"x":1}`, "a.y"},
		{"required adds no field", known + `,"required":["y"]`, `{"y":2}`, `{}`, "a.y"},
		{"defaults add no field", known + `,"default":{"x":1}`, `{"y":2}`, `{}`, "a.y"},
		{"names with dots", `"type":"object","properties":{"x.y":{` + known + `}}`, `{"x.y":{"x":1,"q/r":2},"x":{"y":1}}`, `{"x.y":{"x":1}}`, "a.x a.x.y.q/r"},
		{"empty name", `"type":"object","properties":{"":{` + known + `}}`, `{"":{"x":1}}`, `{"":{"x":1}}`, ""},
	} {
		left, unknown := prune(t, withSpec(`"a":{`+row.rules+`}`), `{"spec":{"a":`+row.value+`}}`)
		if want := `{"spec":{"a":` + row.left + `}}`; left != want {
			t.Errorf("%s: {%s}\nleft %s\nwant %s", row.name, row.rules, left, want)
		}
		if want := belowSpec(row.unknown); !slices.Equal(unknown, want) {
			t.Errorf("%s: told of %q, want %q", row.name, unknown, want)
		}
		// The same beside a field that is unknown for certain: an object with nothing to prune
		// is not walked as far as others.
		left, unknown = prune(t, withSpec(`"a":{`+row.rules+`}`), `{"spec":{"a":`+row.value+`,"~":1}}`)
		if want := `{"spec":{"a":` + row.left + `}}`; left != want || !slices.Equal(unknown, append(belowSpec(row.unknown), "spec.~")) {
			t.Errorf("%s, beside an unknown field: left %s, told of %q", row.name, left, unknown)
		}
	}
}

// belowSpec makes the paths of fields of spec from names with blanks between them.
func belowSpec(names string) (paths []string) {
	for name := range strings.FieldsSeq(names) {
		paths = append(paths, "spec."+name)
	}
	return paths
}

// TestPruneRoot: the root is a resource whatever its schema says of apiVersion, kind and
// metadata, and metadata has rules of its own elsewhere.
func TestPruneRoot(t *testing.T) {
	for _, row := range []struct{ schema, obj, left, unknown string }{
		{`{"type":"object"}`, `{"apiVersion":"a/v1","kind":"K","metadata":{"name":"n","odd":{"x":1}}}`, `{"apiVersion":"a/v1","kind":"K","metadata":{"name":"n","odd":{"x":1}}}`, ""},
		{`{"type":"object"}`, `{"kind":"K","spec":{"x":1},"status":{}}`, `{"kind":"K"}`, "spec status"},
		{`{"type":"object","properties":{"metadata":{"type":"object","properties":{"name":{"type":"string"}}}}}`, `{"metadata":{"name":"n","labels":{"l":"1"}}}`, `{"metadata":{"labels":{"l":"1"},"name":"n"}}`, ""},
		{`{"type":"object","x-kubernetes-preserve-unknown-fields":true}`, `{"kind":"K","any":[{"x":1}]}`, `{"any":[{"x":1}],"kind":"K"}`, ""},
		{`{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"spec":{"type":"object"}}}`, `{"any":1,"spec":{"x":1}}`, `{"any":1,"spec":{}}`, "spec.x"},
		{`{"type":"object","properties":{"status":{"x-kubernetes-preserve-unknown-fields":true,"type":"object"}}}`, `{"spec":{},"status":{"x":1}}`, `{"status":{"x":1}}`, "spec"},
		{`{"type":"object"}`, `{}`, `{}`, ""},
	} {
		left, unknown := prune(t, row.schema, row.obj)
		if got := strings.Join(unknown, " "); left != row.left || got != row.unknown {
			t.Errorf("%s of %s:\nleft %s, told of %q\nwant %s, told of %q", row.schema, row.obj, left, got, row.left, row.unknown)
		}
	}
}

// pruneFields grows a random object of the names a to d, so that about half of what it has is
// in a random schema of the names a and b.
func pruneFields(r *rand.Rand, depth int) any {
	switch kind := r.IntN(6); {
	case depth == 0 || kind == 0:
		return []any{int64(1), "x", true, nil, 1.5}[r.IntN(5)]
	case kind == 1:
		list := make([]any, r.IntN(3))
		for i := range list {
			list[i] = pruneFields(r, depth-1)
		}
		return list
	}
	o := map[string]any{}
	for _, name := range []string{"a", "b", "c", "d", "metadata", "kind"} {
		if r.IntN(3) > 0 {
			o[name] = pruneFields(r, depth-1)
		}
	}
	return o
}

// pruneSchema grows a random schema of the names a and b, of objects mostly.
func pruneSchema(r *rand.Rand, depth int) map[string]any {
	if depth == 0 {
		return map[string]any{"type": "string"}
	}
	s := map[string]any{"type": "object"}
	switch r.IntN(6) {
	case 0:
		s["type"], s["items"] = "array", pruneSchema(r, depth-1)
	case 1:
		s["additionalProperties"] = pruneSchema(r, depth-1)
	case 2:
		s["additionalProperties"] = true
	default:
		properties := map[string]any{}
		for _, name := range []string{"a", "b", "metadata"} {
			if r.IntN(2) == 0 {
				properties[name] = pruneSchema(r, depth-1)
			}
		}
		s["properties"] = properties
		s["x-kubernetes-embedded-resource"] = r.IntN(4) == 0
	}
	s["x-kubernetes-preserve-unknown-fields"] = r.IntN(4) == 0
	return s
}

// atPath finds the value at a path as prune tells it; found is false when nothing is there.
func atPath(v any, path string) (found bool) {
	for path != "" {
		if strings.HasPrefix(path, "[") {
			var i int
			fmt.Sscanf(path, "[%d]", &i)
			list, ok := v.([]any)
			if !ok || i >= len(list) {
				return false
			}
			v, path = list[i], path[strings.IndexByte(path, ']')+1:]
			continue
		}
		path = strings.TrimPrefix(path, ".")
		name := path[:len(path)-len(strings.TrimLeft(path, "abcdefghijklmnopqrstuvwxyz"))]
		o, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if v, ok = o[name]; !ok {
			return false
		}
		path = path[len(name):]
	}
	return true
}

// TestPruneProperties: over random schemas and objects. What is told was there and is gone,
// nothing but that is gone, a second time nothing is, and a list keeps its length.
func TestPruneProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	removed, kept := 0, 0
	for range 4000 {
		raw := map[string]any{"type": "object", "properties": map[string]any{"a": pruneSchema(r, 4), "b": pruneSchema(r, 3)}}
		s, err := schema.Compile(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := map[string]any{"a": pruneFields(r, 4), "b": pruneFields(r, 4), "c": pruneFields(r, 1)}
		after := tree.Copy(before).(map[string]any)
		unknown, _ := s.Prune(after)
		text := func() string {
			return fmt.Sprintf("%s\nof %s\nleft %s\ntold of %q", tree.AppendJSON(nil, raw), tree.AppendJSON(nil, before),
				tree.AppendJSON(nil, after), unknown)
		}
		if !slices.IsSorted(unknown) {
			t.Fatalf("not sorted: %s", text())
		}
		// Removing by hand what is told leads from one to the other: so nothing else went, and
		// in particular nothing that the schema has.
		byHand := tree.Copy(before).(map[string]any)
		for _, path := range unknown {
			if !atPath(before, path) || atPath(after, path) {
				t.Fatalf("%s: %s", path, text())
			}
			removePath(byHand, path)
		}
		if !tree.Equal(byHand, after) {
			t.Fatalf("by hand %s: %s", tree.AppendJSON(nil, byHand), text())
		}
		if again, _ := s.Prune(after); again != nil {
			t.Fatalf("again %q: %s", again, text())
		}
		removed += len(unknown)
		kept += schema.CountValues(after)
	}
	if removed < 2000 || kept < 10_000 {
		t.Errorf("%d fields removed and %d values kept: too few", removed, kept)
	}
}

// removePath removes the field at a path as prune tells it.
func removePath(v any, path string) {
	end := strings.LastIndexByte(path, '.')
	outer, name := "", path
	if end >= 0 {
		outer, name = path[:end], path[end+1:]
	}
	for outer != "" {
		if strings.HasPrefix(outer, "[") {
			var i int
			fmt.Sscanf(outer, "[%d]", &i)
			v, outer = v.([]any)[i], outer[strings.IndexByte(outer, ']')+1:]
			continue
		}
		outer = strings.TrimPrefix(outer, ".")
		step := outer
		if i := strings.IndexAny(outer, ".["); i >= 0 {
			step = outer[:i]
		}
		v, outer = v.(map[string]any)[step], outer[len(step):]
	}
	delete(v.(map[string]any), name)
}

// TestPruneKeepsValidity: an object that obeys its schema does so when it has been pruned.
// additionalProperties false and the bounds on the number of properties are left out: they
// count what pruning takes.
func TestPruneKeepsValidity(t *testing.T) {
	s := compile(t, withSpec(`"n":{"type":"integer","minimum":1},"o":{"type":"object","required":["x"],"properties":{"x":{"type":"string","minLength":1}}},`+
		`"l":{"type":"array","maxItems":3,"items":{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"]},`+
		`"any":{"x-kubernetes-preserve-unknown-fields":true},"m":{"type":"object","additionalProperties":{"type":"number","maximum":5}}`))
	r := rand.New(rand.NewPCG(7, 8))
	valid := 0
	for range 3000 {
		spec := map[string]any{"n": int64(r.IntN(4)), "any": pruneFields(r, 2), "odd": pruneFields(r, 2)}
		if r.IntN(2) == 0 {
			spec["o"] = map[string]any{"x": []any{"", "x"}[r.IntN(2)], "y": int64(1)}
		}
		list := []any{}
		for i := range r.IntN(5) {
			list = append(list, map[string]any{"k": fmt.Sprint(r.IntN(6 + i)), "odd": true})
		}
		spec["l"] = list
		spec["m"] = map[string]any{"k": float64(r.IntN(7)), "l": 0.5}
		obj := map[string]any{"spec": spec, "odd": int64(1)}
		before := s.Validate(obj, nil)
		unknown, _ := s.Prune(obj)
		if len(unknown) < 2 {
			t.Fatalf("%s: told of %q", tree.AppendJSON(nil, obj), unknown)
		}
		after := s.Validate(obj, nil)
		if lines(before) != lines(after) {
			t.Fatalf("%s:\nbefore %s\nafter  %s", tree.AppendJSON(nil, obj), lines(before), lines(after))
		}
		if before == nil {
			valid++
		}
	}
	if valid < 300 || valid > 2700 {
		t.Errorf("%d of 3000 objects are valid: too few of one sort", valid)
	}
}

// TestPruneWideSchema: a schema with many more fields than the object, and an object with many
// more than the schema, are walked from the other side and must come to the same.
func TestPruneWideSchema(t *testing.T) {
	var properties []string
	for i := range 200 {
		properties = append(properties, fmt.Sprintf(`"f%d":{"type":"object","properties":{"x":{"type":"integer"}}}`, i))
	}
	wide := withSpec(strings.Join(properties, ","))
	left, unknown := prune(t, wide, `{"spec":{"f7":{"x":1,"y":2},"f200":{}}}`)
	if left != `{"spec":{"f7":{"x":1}}}` || !slices.Equal(unknown, []string{"spec.f200", "spec.f7.y"}) {
		t.Errorf("few of many: left %s, told of %q", left, unknown)
	}
	var fields []string
	for i := range 300 {
		fields = append(fields, fmt.Sprintf(`"f%d":{"x":%d}`, i, i))
	}
	_, unknown = prune(t, wide, `{"spec":{`+strings.Join(fields, ",")+`}}`)
	if len(unknown) != 100 || unknown[0] != "spec.f200" || unknown[99] != "spec.f299" {
		t.Errorf("many: told of %d", len(unknown))
	}
	left, unknown = prune(t, withSpec(`"f7":{"type":"object"}`), `{"spec":{`+strings.Join(fields, ",")+`}}`)
	if left != `{"spec":{"f7":{}}}` || len(unknown) != 300 {
		t.Errorf("one of many: left %s, told of %d", left, len(unknown))
	}
}
