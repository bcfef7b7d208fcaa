package schema_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// TestRatchet: on an update what is wrong with an unchanged part is tolerated. Parts
// correspond by the names of fields and the keys of list items. Items of atomic lists and of
// sets do not correspond: all of them count as changed when one is.
func TestRatchet(t *testing.T) {
	const (
		small  = `"type":"integer","maximum":10`
		object = `"type":"object","properties":{"n":{` + small + `},"m":{` + small + `}}`
		byKey  = `"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"},"n":{` + small + `},"m":{` + small + `}}}`
		set    = `"type":"array","x-kubernetes-list-type":"set","items":{"type":"integer","maximum":10}`
	)
	large := func(at, value string) string {
		return "Invalid " + at + ": Invalid value: " + value + ": " + at + " in body should be less than or equal to 10"
	}
	for _, row := range []struct{ name, rules, was, is, want string }{
		{"unchanged", small, `99`, `99`, ""},
		{"changed", small, `99`, `98`, large("@", "98")},
		{"from right to wrong", small, `9`, `99`, large("@", "99")},
		{"from wrong to right", small, `99`, `9`, ""},
		{"another type", small, `"x"`, `99`, large("@", "99")},
		{"wrong type before and now", small, `"x"`, `"x"`, ""},
		{"missing before", object, `{}`, `{"n":99}`, large("@.n", "99")},

		{"field beside", object, `{"n":99}`, `{"n":99,"m":1}`, ""},
		{"field beside becomes wrong", object, `{"n":99}`, `{"n":99,"m":88}`, large("@.m", "88")},
		{"field goes", object, `{"n":99,"m":88}`, `{"n":99}`, ""},
		{"object in an object", `"type":"object","properties":{"o":{` + object + `},"p":{"type":"string"}}`, `{"o":{"n":99}}`, `{"o":{"n":99,"m":1},"p":"x"}`, ""},
		{"required of an unchanged object", `"type":"object","required":["x"],"properties":{"x":{"type":"string"}}`, `{}`, `{}`, ""},
		{"required of a changed object", `"type":"object","required":["x"],"properties":{"x":{"type":"string"},"y":{"type":"string"}}`, `{}`, `{"y":"z"}`, "Required @.x: Required value"},
		{"count of a changed object", `"type":"object","maxProperties":1,"additionalProperties":{"type":"string"}`, `{"a":"","b":""}`, `{"a":"","c":""}`, "TooMany @: Too many: 2: must have at most 1 item"},
		{"map", `"type":"object","additionalProperties":{` + small + `}`, `{"a":99}`, `{"a":99,"b":1}`, ""},
		{"map, another name", `"type":"object","additionalProperties":{` + small + `}`, `{"a":99}`, `{"b":99}`, large("@.b", "99")},
		{"granular map", object + `,"x-kubernetes-map-type":"granular"`, `{"n":99}`, `{"n":99,"m":1}`, ""},
		{"atomic map, unchanged", object + `,"x-kubernetes-map-type":"atomic"`, `{"n":99}`, `{"n":99}`, ""},

		{"list, unchanged", `"type":"array","items":{` + small + `}`, `[99,98]`, `[99,98]`, ""},
		{"list, longer", `"type":"array","items":{` + small + `}`, `[99]`, `[99,1]`, large("@[0]", "99")},
		{"list, turned round", `"type":"array","items":{` + small + `}`, `[99,1]`, `[1,99]`, large("@[1]", "99")},
		{"set, longer", set, `[99]`, `[99,1]`, large("@[0]", "99")},
		{"by key", byKey, `[{"k":"a","n":99}]`, `[{"k":"a","n":99},{"k":"b","n":1}]`, ""},
		{"by key, moved", byKey, `[{"k":"a","n":99},{"k":"b"}]`, `[{"k":"b"},{"k":"a","n":99}]`, ""},
		{"by key, another field", byKey, `[{"k":"a","n":99}]`, `[{"k":"a","n":99,"m":1}]`, ""},
		{"by key, its own field", byKey, `[{"k":"a","n":99}]`, `[{"k":"a","n":98}]`, large("@[0].n", "98")},
		{"by key, another key", byKey, `[{"k":"a","n":99}]`, `[{"k":"b","n":99}]`, large("@[0].n", "99")},
		{"by key, a new one", byKey, `[{"k":"a"}]`, `[{"k":"a"},{"k":"b","n":99}]`, large("@[1].n", "99")},
		{"by key, without it", byKey, `[{"n":99}]`, `[{"n":99},{"k":"b"}]`, large("@[0].n", "99")},

		{"members of a set that repeat already", set, `[1,1]`, `[1,1,2]`, ""},
		{"members of a set that repeat now", set, `[1]`, `[1,1]`, "Duplicate @[1]: Duplicate value: 1"},
		{"keys that repeat already", byKey, `[{"k":"a"},{"k":"a"}]`, `[{"k":"a"},{"k":"a"},{"k":"b"}]`, ""},
		{"keys that repeat now", byKey, `[{"k":"a"}]`, `[{"k":"a"},{"k":"a"}]`, `Duplicate @[1]: Duplicate value: {"k":"a"}`},

		{"anyOf, unchanged", `"type":"integer","anyOf":[{"minimum":5}]`, `1`, `1`, ""},
		{"not, unchanged", `"type":"integer","not":{"minimum":5}`, `7`, `7`, ""},
		{"allOf, unchanged", `"type":"integer","allOf":[{"minimum":5}]`, `1`, `1`, ""},
		{"null", `"type":"string"`, `null`, `null`, ""},
		{"embedded resources are looked at always", `"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true`, `{"kind":"K"}`, `{"kind":"K"}`,
			"Required @.apiVersion: Required value"},
	} {
		text := withSpec(`"a":{` + row.rules + `},"b":{"type":"integer"}`)
		want := strings.ReplaceAll(row.want, "@", "spec.a")
		// Another field changes as well, so that the object as a whole is never unchanged.
		got := validate(t, text, `{"spec":{"a":`+row.is+`,"b":2}}`, `{"spec":{"a":`+row.was+`,"b":1}}`)
		if got != want {
			t.Errorf("%s: from %s to %s:\ngot  %s\nwant %s", row.name, row.was, row.is, got, want)
		}
	}
}

// TestRatchetNil: without an old object nothing is tolerated, and an old object that has
// nothing in it is not the same as none but tolerates as little.
func TestRatchetNil(t *testing.T) {
	s := compile(t, withSpec(`"n":{"type":"integer","maximum":10}`))
	obj := parse(t, `{"spec":{"n":99}}`)
	for _, old := range []map[string]any{nil, {}, {"spec": nil}, {"spec": "text"}, {"spec": []any{}}} {
		const want = "Invalid spec.n: Invalid value: 99: spec.n in body should be less than or equal to 10"
		if got := lines(s.Validate(obj, old)); got != want {
			t.Errorf("old %v: %s", old, got)
		}
	}
}

// ratchetSchema is of every way in which parts correspond.
const ratchetSchema = `"n":{"type":"integer","maximum":3},"o":{"type":"object","required":["x"],"properties":{"x":{"type":"integer","maximum":3},"y":{"type":"integer","maximum":3}}},` +
	`"m":{"type":"object","additionalProperties":{"type":"integer","maximum":3}},"l":{"type":"array","items":{"type":"integer","maximum":3}},` +
	`"k":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","required":["k"],"properties":{"k":{"type":"integer"},"x":{"type":"integer","maximum":3}}}}`

// ratchetSpec makes a spec for the schema, in which a bit less than half is wrong.
func ratchetSpec(r *rand.Rand) map[string]any {
	n := func() any { return int64(r.IntN(6)) }
	spec := map[string]any{"n": n(), "l": []any{n(), n()}, "m": map[string]any{"a": n(), "b": n()}}
	o := map[string]any{}
	for _, name := range []string{"x", "y"} {
		if r.IntN(3) > 0 {
			o[name] = n()
		}
	}
	spec["o"] = o
	list := []any{}
	for _, k := range r.Perm(4)[:r.IntN(4)] {
		list = append(list, map[string]any{"k": int64(k), "x": n()})
	}
	spec["k"] = list
	return spec
}

// TestRatchetProperties: an old object only ever takes errors away, an object is right
// against itself, and what remains is about places that changed.
func TestRatchetProperties(t *testing.T) {
	s := compile(t, withSpec(ratchetSchema))
	r := rand.New(rand.NewPCG(13, 14))
	tolerated, told := 0, 0
	for range 5000 {
		old := map[string]any{"spec": ratchetSpec(r)}
		obj := tree.Copy(old).(map[string]any)
		// Some fields are new, others as they were.
		fresh := ratchetSpec(r)
		for name, v := range fresh {
			if r.IntN(2) == 0 {
				obj["spec"].(map[string]any)[name] = v
			}
		}
		all, left := s.Validate(obj, nil), s.Validate(obj, old)
		text := func() string {
			return fmt.Sprintf("from %s to %s:\nalone %s\nagainst the old one %s", tree.AppendJSON(nil, old), tree.AppendJSON(nil, obj),
				lines(all), lines(left))
		}
		if missing := firstNotIn(left, all); missing != "" {
			t.Fatalf("%s is new: %s", missing, text())
		}
		for _, e := range left {
			name := strings.FieldsFunc(e.Field, func(c rune) bool { return c == '.' || c == '[' })[1]
			if tree.Equal(tree.At(obj, "spec", name), tree.At(old, "spec", name)) {
				t.Fatalf("%s is unchanged: %s", e.Field, text())
			}
		}
		if again := s.Validate(obj, obj); again != nil {
			t.Fatalf("against itself %s: %s", lines(again), text())
		}
		tolerated += len(all) - len(left)
		told += len(left)
	}
	if tolerated < 1000 || told < 1000 {
		t.Errorf("%d errors tolerated, %d told: too few", tolerated, told)
	}
}

// firstNotIn names an error of the first list that is not in the second.
func firstNotIn(some, all []field.Error) string {
	known := map[field.Error]bool{}
	for _, e := range all {
		known[e] = true
	}
	for _, e := range some {
		if !known[e] {
			return e.String()
		}
	}
	return ""
}

// TestRatchetLeavesAlone: validation changes neither object, and so neither can be seen in a
// half-changed state by who else reads it.
func TestRatchetLeavesAlone(t *testing.T) {
	s, err := schema.Compile(parse(t, withSpec(ratchetSchema)))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(15, 16))
	for range 500 {
		old, obj := map[string]any{"spec": ratchetSpec(r)}, map[string]any{"spec": ratchetSpec(r)}
		oldBefore, objBefore := tree.Copy(old), tree.Copy(obj)
		s.Validate(obj, old)
		if !tree.Equal(old, oldBefore) || !tree.Equal(obj, objBefore) {
			t.Fatalf("%s became %s, or %s became %s", tree.AppendJSON(nil, oldBefore), tree.AppendJSON(nil, old),
				tree.AppendJSON(nil, objBefore), tree.AppendJSON(nil, obj))
		}
	}
}
