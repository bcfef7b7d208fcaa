package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// FuzzSchema: whatever stands in a schema and an object, nothing panics, and what was
// pruned and defaulted once stays as it is. What CheckCRD takes compiles.
func FuzzSchema(f *testing.F) {
	f.Add(benchSchema, benchWidget)
	f.Add(specSchema(`"l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string","default":"x"}}}}`), `{"spec":{"l":[{},null,{"k":"y"}]}}`)
	f.Add(specSchema(`"e":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"a":{"x-kubernetes-int-or-string":true}}}`), `{"spec":{"e":{"metadata":{"x":1},"kind":1}}}`)
	f.Add(specSchema(`"n":{"type":"number","multipleOf":0.1,"minimum":-1e300,"not":{"enum":[null,1]}}`), `{"spec":{"n":1e300}}`)
	f.Add(`{"type":"object","x-kubernetes-preserve-unknown-fields":true,"additionalProperties":{"type":"array"},"oneOf":[{"required":["a"]},{"properties":{"a":{"format":"date"}}}]}`, `{"a":[[]]}`)
	f.Add(`{"type":"object","required":["spec"]}`, `{"apiVersion":"a/v1","kind":"K","metadata":{"name":"x"}}`)
	f.Add(specSchema(`"e":{"type":"object","x-kubernetes-embedded-resource":true,"required":["a"]}`), `{"spec":{"e":{"apiVersion":"a/v1","kind":"K","metadata":{"name":"x"}}}}`)
	f.Add(specSchema(`"a":{"type":"integer","x-kubernetes-validations":[{"rule":"self > oldSelf","messageExpression":"'was ' + string(oldSelf)","reason":"FieldValueForbidden"}]},"b":{"type":"object","additionalProperties":{"type":"string","format":"date","x-kubernetes-validations":[{"rule":"self < timestamp('2020-01-01T00:00:00Z')"}]},"x-kubernetes-validations":[{"rule":"self.all(k, self[k] != null)","fieldPath":"['x']"}]}`), `{"spec":{"a":1,"b":{"x":"2019-02-03"}}}`)
	f.Fuzz(func(t *testing.T, schemaText, objectText string) {
		raw, _, err := tree.ParseJSONObject([]byte(schemaText))
		if err != nil {
			return
		}
		obj, _, err := tree.ParseJSONObject([]byte(objectText))
		if err != nil {
			return
		}
		crd := map[string]any{"spec": map[string]any{"versions": []any{map[string]any{"name": "v1", "schema": map[string]any{"openAPIV3Schema": raw}, "additionalPrinterColumns": raw["columns"]}}}}
		DefaultCRD(crd)
		c := crdCheck{spec: tree.Object(crd, "spec")}
		c.schema(field.Root("s"), map[string]any{"openAPIV3Schema": raw}, false, "v1")
		Warnings(crd)
		s, err := Compile(raw)
		if err != nil {
			if len(c.errs) == 0 {
				t.Fatalf("%s is taken and does not compile: %v", schemaText, err)
			}
			return
		}
		old := tree.Copy(obj).(map[string]any)
		if _, err := s.Prune(obj); err != nil {
			t.Fatal(err)
		}
		if unknown, _ := s.Prune(obj); unknown != nil {
			t.Fatalf("pruned twice: %s %s: %q", schemaText, objectText, unknown)
		}
		s.SetDefaults(obj)
		before := string(tree.AppendJSON(nil, obj))
		s.SetDefaults(obj)
		if after := string(tree.AppendJSON(nil, obj)); after != before {
			t.Fatalf("%s: defaults twice: %s then %s", schemaText, before, after)
		}
		if errs := s.Validate(obj, nil); len(errs) > maxFaults {
			t.Fatal(len(errs))
		}
		s.Validate(obj, old)
		for _, was := range []map[string]any{nil, old} {
			if errs := s.CheckRules(obj, was, nil, nil, func(string) {}); len(errs) > maxCRDErrors {
				t.Fatal(len(errs))
			}
		}
		// What a schema preserves without naming it makes an object differ from itself (upstream), as does an item without
		// all of its keys, and of a schema that no definition can have nothing is promised. Type and metadata are preserved
		// always: here they go.
		text := string(tree.AppendJSON(nil, raw))
		for _, word := range []string{"preserve-unknown-fields", "list-map-keys", "embedded-resource"} {
			if len(c.errs) > 0 || strings.Contains(text, "x-kubernetes-"+word) {
				return
			}
		}
		for _, name := range []string{"apiVersion", "kind", "metadata"} {
			delete(obj, name)
		}
		same := s.Validate(obj, tree.Copy(obj).(map[string]any))
		for _, e := range same {
			t.Fatalf("%s: an unchanged object is refused: %v", schemaText, e)
		}
	})
}

func FuzzJSONPath(f *testing.F) {
	for _, path := range []string{".spec.a[0].b", `.m['a.b']`, `.l[?(@.t=="x")].v`, ".l[1:2]", ".*"} {
		f.Add(path, benchWidget)
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		obj, _, err := tree.ParseJSON([]byte(text))
		if err != nil {
			return
		}
		if find, err := CompileJSONPath(path); err == nil {
			find(obj)
		}
	})
}

// TestSchemaBombs: schemas and objects made to take long or to grow are answered soon.
func TestSchemaBombs(t *testing.T) {
	nest := func(open, inner, close string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(close, n)
	}
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, row := range []struct{ name, Schema, obj string }{
		{"deep schema, untyped", nest(`{"properties":{"a":`, `{}`, `}}`, 490), `{}`},
		{"deep schema", nest(`{"type":"object","properties":{"a":`, `{"type":"integer"}`, `}}`, 490), nest(`{"a":`, `"x"`, `}`, 490)},
		{"deep defaults", nest(`{"type":"object","default":{},"properties":{"a":`, `{"type":"integer","default":1}`, `}}`, 490), `{}`},
		{"deep alternatives", nest(`{"type":"object","anyOf":[{"properties":{"a":`, `{"minimum":1}`, `}}]}`, 240), nest(`{"a":`, `0`, `}`, 240)},
		{"wide schema", `{"type":"object","properties":{` + many(50_000, `"f%d":{"pattern":"("}`) + `}}`, `{}`},
		{"many patterns", `{"type":"object","properties":{` + many(20_000, `"f%d":{"type":"string","pattern":"^[a-z]+$"}`) + `}}`, `{}`},
		{"many keys of a map", specSchema(`"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":[` + many(50_000, `"k%d"`) + `],"items":{"type":"object"}}`), `{}`},
		{"defaults that multiply", specSchema(nest(`"a":{"type":"array","default":[{},{},{},{},{},{},{},{},{},{}],"items":{"type":"object","properties":{`, `"x":{"type":"integer","default":1}`, `}}}`, 100)), `{"spec":{}}`},
		{"items that multiply", specSchema(`"l":{"type":"array","items":{"type":"object","properties":{"d":{"type":"array","items":{"type":"integer"},"default":[` + many(5000, "%d") + `]}}}}`),
			`{"spec":{"l":[` + many(100_000, `{"x":%d}`) + `]}}`},
		{"alternatives that multiply", specSchema(`"l":{"type":"array","items":{"type":"integer","anyOf":[` + many(20_000, `{"minimum":1000000000%d}`) + `]}}`), `{"spec":{"l":[` + many(200_000, "%d") + `]}}`},
		{"everything wrong", specSchema(`"l":{"type":"array","items":{"type":"string"}}`), `{"spec":{"l":[` + many(300_000, "%d") + `]}}`},
		{"large values", specSchema(`"s":{"type":"string","allOf":[` + many(400, `{"pattern":"^x%d"}`) + `]}`), `{"spec":{"s":"` + strings.Repeat("y", 1<<20) + `"}}`},
		{"large set", specSchema(`"l":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"integer"}}`), `{"spec":{"l":[` + many(300_000, "%d") + `]}}`},
		{"unknown everywhere", specSchema(`"l":{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}}`), `{"spec":{"l":[` + many(200_000, `{"x%d":1}`) + `]}}`},
	} {
		raw, obj := objectOf(t, row.Schema), objectOf(t, row.obj)
		start := processorTime()
		errs := CheckCRD(crdOf(t, row.Schema, nil), nil)
		checked := processorTime() - start
		if len(errs) > maxCRDErrors+10 {
			t.Errorf("%s: %d errors", row.name, len(errs))
		}
		start = processorTime()
		if s, err := Compile(raw); err == nil {
			s.Prune(obj)
			s.SetDefaults(obj)
			if len(s.Validate(obj, tree.Copy(obj).(map[string]any))) > maxFaults {
				t.Errorf("%s: too many faults", row.name)
			}
		}
		used := processorTime() - start
		t.Logf("%s: checked in %v, used in %v of the processor", row.name, checked, used)
		// A second, with room for the race detector.
		if checked > 5*time.Second || used > 5*time.Second {
			t.Errorf("%s took too long", row.name)
		}
	}
}

// TestDefaultOverflow: an object that its defaults would make too large is refused.
func TestDefaultOverflow(t *testing.T) {
	s := schemaOf(t, specSchema(`"l":{"type":"array","items":{"type":"object","properties":{"d":{"type":"array","items":{"type":"integer"},"default":[1,2,3,4,5,6,7,8,9]}}}}`))
	list := make([]any, schemaMaxDefaults/10+5)
	for i := range list {
		list[i] = map[string]any{}
	}
	obj := map[string]any{"spec": map[string]any{"l": list}}
	s.SetDefaults(obj)
	errs := s.Validate(obj, nil)
	if len(errs) == 0 || !strings.HasSuffix(errs[0].Message, `must be of type array: "too many values by default"`) {
		t.Errorf("got %v", errs)
	}
}

// TestTooComplex: an object whose check would take too long is refused, not taken.
func TestTooComplex(t *testing.T) {
	var alternatives []string
	for i := range 1000 {
		alternatives = append(alternatives, fmt.Sprintf(`{"minimum":%d}`, 1_000_000+i))
	}
	s := schemaOf(t, specSchema(`"l":{"type":"array","items":{"type":"integer","anyOf":[`+strings.Join(alternatives, ",")+`,{"minimum":0}]}}`))
	list := make([]any, 20_000)
	for i := range list {
		list[i] = int64(i)
	}
	errs := s.Validate(map[string]any{"spec": map[string]any{"l": list}}, nil)
	if len(errs) != 1 || !strings.Contains(errs[0].Message, "too complex") {
		t.Errorf("got %v", errs)
	}
}
