package schema

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"apichain/internal/tree"
)

// randomSchema makes a schema of few names and small bounds, so that random values meet
// its rules. Nested ones are value validations.
func randomSchema(r *rand.Rand, depth int, nested bool) map[string]any {
	s := map[string]any{}
	typ := []string{"object", "array", "string", "integer", "number", "boolean"}[r.IntN(6)]
	if depth == 0 && (typ == "object" || typ == "array") {
		typ = "string"
	}
	maybe := func(key string, v any) {
		if r.IntN(3) == 0 {
			s[key] = v
		}
	}
	if !nested {
		if s["type"] = typ; r.IntN(8) == 0 {
			s = map[string]any{"x-kubernetes-int-or-string": true}
		}
		maybe("nullable", true)
	}
	switch typ {
	case "object":
		props := map[string]any{}
		for _, name := range []string{"a", "b"} {
			if r.IntN(2) == 0 {
				props[name] = randomSchema(r, depth-1, nested)
			}
		}
		maybe("required", []any{"a"})
		maybe("minProperties", int64(r.IntN(3)))
		maybe("maxProperties", int64(r.IntN(3)))
		if s["properties"] = props; len(props) == 0 && !nested {
			s["additionalProperties"] = randomSchema(r, depth-1, nested)
		} else if r.IntN(4) == 0 {
			s["additionalProperties"] = r.IntN(2) == 0
		}
	case "array":
		s["items"] = randomSchema(r, depth-1, nested)
		maybe("minItems", int64(r.IntN(3)))
		maybe("maxItems", int64(r.IntN(3)))
		if !nested {
			maybe("x-kubernetes-list-type", []any{"set", "map"}[r.IntN(2)])
			s["x-kubernetes-list-map-keys"] = []any{"a"}
		}
	case "string":
		maybe("minLength", int64(r.IntN(3)))
		maybe("maxLength", int64(r.IntN(3)))
		maybe("pattern", "^[a-c]")
		maybe("format", []any{"date", "uuid", "int32", "byte"}[r.IntN(4)])
		maybe("enum", []any{"a", "bb", nil})
	default:
		maybe("minimum", float64(r.IntN(4))/2)
		maybe("maximum", int64(r.IntN(3)))
		maybe("exclusiveMaximum", true)
		maybe("multipleOf", []any{int64(2), 0.5}[r.IntN(2)])
		maybe("format", []any{"int32", "double", "float"}[r.IntN(3)])
		maybe("enum", []any{int64(1), 1.5, true})
	}
	for _, junctor := range []string{"allOf", "anyOf", "oneOf"} {
		if depth > 0 && r.IntN(8) == 0 {
			s[junctor] = []any{randomSchema(r, depth-1, true), randomSchema(r, depth-1, true)}
		}
	}
	if depth > 0 && r.IntN(10) == 0 {
		s["not"] = randomSchema(r, depth-1, true)
	}
	if !nested && r.IntN(6) == 0 {
		s["default"] = randomValue(r, 2)
	}
	return s
}

func randomValue(r *rand.Rand, depth int) any {
	kind := r.IntN(8)
	if depth == 0 {
		kind = 2 + r.IntN(6)
	}
	switch kind {
	case 0:
		o := map[string]any{}
		for _, name := range []string{"a", "b", "c"} {
			if r.IntN(2) == 0 {
				o[name] = randomValue(r, depth-1)
			}
		}
		return o
	case 1:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, randomValue(r, depth-1))
		}
		return list
	case 2:
		return []any{nil, true, false}[r.IntN(3)]
	case 3:
		return int64(r.IntN(4)) - 1
	case 4:
		return float64(r.IntN(8))/2 - 1
	case 5:
		return []any{"2026-01-01", "aGk=", "3b5c8f2e-6d14-4f0e-9a77-cc3f5f7a1b11", int64(3_000_000_000), 1e300}[r.IntN(5)]
	default:
		return []any{"", "a", "bb", "x", "cde"}[r.IntN(5)]
	}
}

// TestSchemaRandom: the quick answer and the long one agree, nothing more is wrong
// with what is unchanged, and pruning and defaulting are done once they are done.
func TestSchemaRandom(t *testing.T) {
	good := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		raw := map[string]any{"type": "object", "properties": map[string]any{"spec": randomSchema(r, 3, false)}}
		s, err := Compile(raw)
		if err != nil {
			t.Fatalf("%s: %v", tree.AppendJSON(nil, raw), err)
		}
		obj := map[string]any{"spec": randomValue(r, 3)}
		fail := func(format string, args ...any) {
			t.Fatalf("seed %d: %s\nagainst %s: %s", seed, tree.AppendJSON(nil, obj), tree.AppendJSON(nil, raw), fmt.Sprintf(format, args...))
		}
		s.Prune(obj)
		if unknown, _ := s.Prune(obj); unknown != nil {
			fail("pruned again: %v", unknown)
		}
		s.SetDefaults(obj)
		once := string(tree.AppendJSON(nil, obj))
		if s.SetDefaults(obj); string(tree.AppendJSON(nil, obj)) != once {
			fail("defaults were %s", once)
		}
		q := schemaCheck{left: 1 << 20}
		ok := q.node(s.root, obj)
		f := newFaults()
		f.whole(s.root, obj, nil, false)
		if ok != (len(f.errs) == 0) {
			fail("quick answer %v, long answer %v", ok, f.errs)
		}
		for _, e := range s.Validate(obj, tree.Copy(obj).(map[string]any)) {
			if !slices.Contains(f.errs, e) {
				fail("only when unchanged: %v", e)
			}
		}
		if ok {
			good++
		}
	}
	if good < 1000 || good > 19_000 {
		t.Errorf("%d of the values are good: too few of one sort", good)
	}
}
