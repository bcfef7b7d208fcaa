package schema_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

// TestDefaultsTable: a missing field gets its default if its object is there. A null counts as
// missing unless the schema is nullable; without a default such a field goes.
func TestDefaultsTable(t *testing.T) {
	const (
		text   = `"type":"string","default":"x"`
		object = `"type":"object","properties":{"p":{"type":"string","default":"x"}}`
	)
	for _, row := range []struct{ name, properties, spec, want string }{
		{"missing", `"a":{` + text + `}`, `{}`, `{"a":"x"}`},
		{"there", `"a":{` + text + `}`, `{"a":"y"}`, `{"a":"y"}`},
		{"empty", `"a":{` + text + `}`, `{"a":""}`, `{"a":""}`},
		{"of another type", `"a":{` + text + `}`, `{"a":{}}`, `{"a":{}}`},
		{"null", `"a":{` + text + `}`, `{"a":null}`, `{"a":"x"}`},
		{"nullable null", `"a":{` + text + `,"nullable":true}`, `{"a":null}`, `{"a":null}`},
		{"nullable and missing", `"a":{` + text + `,"nullable":true}`, `{}`, `{"a":"x"}`},
		{"null without default", `"a":{"type":"string"}`, `{"a":null}`, `{}`},
		{"nullable null without default", `"a":{"type":"string","nullable":true}`, `{"a":null}`, `{"a":null}`},
		{"null without a schema", ``, `{"b":null}`, `{"b":null}`},
		{"false", `"a":{"type":"boolean","default":false}`, `{}`, `{"a":false}`},
		{"zero", `"a":{"type":"integer","default":0}`, `{}`, `{"a":0}`},
		{"fraction", `"a":{"type":"number","default":0.5}`, `{}`, `{"a":0.5}`},
		{"no text", `"a":{"type":"string","default":""}`, `{}`, `{"a":""}`},
		{"list", `"a":{"type":"array","items":{"type":"integer"},"default":[1,2]}`, `{}`, `{"a":[1,2]}`},
		{"empty list", `"a":{"type":"array","items":{"type":"integer"},"default":[1,2]}`, `{"a":[]}`, `{"a":[]}`},
		{"two types", `"a":{"x-kubernetes-int-or-string":true,"default":"80%"}`, `{}`, `{"a":"80%"}`},
		{"anything", `"a":{"x-kubernetes-preserve-unknown-fields":true,"default":{"b":[null,1]}}`, `{}`, `{"a":{"b":[null,1]}}`},
		{"several", `"a":{` + text + `},"b":{` + text + `},"c":{"type":"string"}`, `{"b":"y"}`, `{"a":"x","b":"y"}`},

		{"object that is not there", `"o":{` + object + `}`, `{}`, `{}`},
		{"object that is there", `"o":{` + object + `}`, `{"o":{}}`, `{"o":{"p":"x"}}`},
		{"object that is null", `"o":{` + object + `}`, `{"o":null}`, `{}`},
		{"object that may be null", `"o":{` + object + `,"nullable":true}`, `{"o":null}`, `{"o":null}`},
		{"object by default", `"o":{` + object + `,"default":{}}`, `{}`, `{"o":{"p":"x"}}`},
		{"object by default instead of null", `"o":{` + object + `,"default":{}}`, `{"o":null}`, `{"o":{"p":"x"}}`},
		{"default over default", `"o":{` + object + `,"default":{"p":"y"}}`, `{}`, `{"o":{"p":"y"}}`},
		{"object that is no object", `"o":{` + object + `}`, `{"o":"text"}`, `{"o":"text"}`},
		{"three levels", `"o":{"type":"object","default":{},"properties":{"m":{` + object + `,"default":{}}}}`, `{}`, `{"o":{"m":{"p":"x"}}}`},
		{"three levels, one without", `"o":{"type":"object","default":{},"properties":{"m":{` + object + `}}}`, `{}`, `{"o":{}}`},
		{"null in a default", `"o":{"type":"object","default":{"n":null},"properties":{"n":{"type":"string","nullable":true,"default":"y"}}}`, `{}`, `{"o":{"n":null}}`},

		{"items", `"l":{"type":"array","items":{` + object + `}}`, `{"l":[{},{"p":"y"},{"q":1}]}`, `{"l":[{"p":"x"},{"p":"y"},{"p":"x","q":1}]}`},
		{"items that are no objects", `"l":{"type":"array","items":{` + object + `}}`, `{"l":["x",1,[{}]]}`, `{"l":["x",1,[{}]]}`},
		{"null items", `"l":{"type":"array","items":{` + text + `}}`, `{"l":[null,"y",null]}`, `{"l":["x","y","x"]}`},
		{"nullable null items", `"l":{"type":"array","items":{` + text + `,"nullable":true}}`, `{"l":[null,"y"]}`, `{"l":[null,"y"]}`},
		{"null items stay where there is no default", `"l":{"type":"array","items":{"type":"string"}}`, `{"l":[null,"y"]}`, `{"l":[null,"y"]}`},
		{"null items that are objects by default", `"l":{"type":"array","items":{` + object + `,"default":{}}}`, `{"l":[null]}`, `{"l":[{"p":"x"}]}`},
		{"items of items", `"l":{"type":"array","items":{"type":"array","items":{` + object + `}}}`, `{"l":[[],[{}]]}`, `{"l":[[],[{"p":"x"}]]}`},
		{"no items no defaults", `"l":{"type":"array","items":{` + object + `}}`, `{"l":[]}`, `{"l":[]}`},
		{"items by default", `"l":{"type":"array","items":{` + object + `},"default":[{},{"p":"y"}]}`, `{}`, `{"l":[{"p":"x"},{"p":"y"}]}`},

		{"map", `"m":{"type":"object","additionalProperties":{` + object + `}}`, `{"m":{"k":{},"l":{"p":"y"}}}`, `{"m":{"k":{"p":"x"},"l":{"p":"y"}}}`},
		{"map without members", `"m":{"type":"object","additionalProperties":{` + text + `}}`, `{"m":{}}`, `{"m":{}}`}, // nothing says which names
		{"null in a map", `"m":{"type":"object","additionalProperties":{` + text + `}}`, `{"m":{"k":null}}`, `{"m":{"k":"x"}}`},
		{"null in a map without default", `"m":{"type":"object","additionalProperties":{"type":"string"}}`, `{"m":{"k":null,"l":"y"}}`, `{"m":{"l":"y"}}`},
		{"nullable null in a map", `"m":{"type":"object","additionalProperties":{` + text + `,"nullable":true}}`, `{"m":{"k":null}}`, `{"m":{"k":null}}`},
		{"null in a map of anything", `"m":{"type":"object","additionalProperties":true}`, `{"m":{"k":null}}`, `{"m":{"k":null}}`},

		{"open object", `"o":{` + object + `,"x-kubernetes-preserve-unknown-fields":true}`, `{"o":{"q":{"r":null}}}`, `{"o":{"p":"x","q":{"r":null}}}`},
		{"alternatives give no defaults", `"a":{"type":"string","anyOf":[{"minLength":1}]}`, `{}`, `{}`},
		{"embedded", `"e":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"spec":{` + object + `,"default":{}}}}`,
			`{"e":{"apiVersion":"v1","kind":"K"}}`, `{"e":{"apiVersion":"v1","kind":"K","spec":{"p":"x"}}}`},
	} {
		got := setDefaults(t, withSpec(row.properties), `{"spec":`+row.spec+`}`)
		if want := `{"spec":` + row.want + `}`; got != want {
			t.Errorf("%s: {%s} of %s:\ngot  %s\nwant %s", row.name, row.properties, row.spec, got, want)
		}
		if again := setDefaults(t, withSpec(row.properties), got); again != got {
			t.Errorf("%s: a second time %s becomes %s", row.name, got, again)
		}
	}
}

// TestDefaultsRoot: the root has defaults like any object, and spec itself may be one.
func TestDefaultsRoot(t *testing.T) {
	for _, row := range []struct{ schema, obj, want string }{
		{`{"type":"object","properties":{"spec":{"type":"object","default":{},"properties":{"a":{"type":"integer","default":3}}}}}`, `{"kind":"K"}`, `{"kind":"K","spec":{"a":3}}`},
		{`{"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"integer","default":3}}}}}`, `{"kind":"K"}`, `{"kind":"K"}`},
		{`{"type":"object","properties":{"spec":{"type":"object","default":{}}}}`, `{"spec":null}`, `{"spec":{}}`},
		{`{"type":"object","properties":{"spec":{"type":"object"}}}`, `{"spec":null,"status":null}`, `{"status":null}`},
		{`{"type":"object"}`, `{"metadata":{"labels":null}}`, `{"metadata":{"labels":null}}`},
	} {
		if got := setDefaults(t, row.schema, row.obj); got != row.want {
			t.Errorf("%s of %s: got %s, want %s", row.schema, row.obj, got, row.want)
		}
	}
}

// TestDefaultsOnly: nulls that may not be stay where they are, but where a default is in their place.
func TestDefaultsOnly(t *testing.T) {
	s := compile(t, withSpec(`"a":{"type":"string","default":"x"},"b":{"type":"string"},"c":{"type":"object","properties":{"d":{"type":"object"}}}`))
	obj := parse(t, `{"spec":{"a":null,"b":null,"c":{"d":null}}}`)
	s.SetDefaultsOnly(obj)
	if got := string(tree.AppendJSON(nil, obj)); got != `{"spec":{"a":"x","b":null,"c":{"d":null}}}` {
		t.Error(got)
	}
}

// TestDefaultsAreOwn: what is put into an object belongs to it, at every depth; neither
// another object nor the raw schema changes with it, nor it with them.
func TestDefaultsAreOwn(t *testing.T) {
	raw := parse(t, withSpec(`"o":{"type":"object","default":{"l":[{"k":"v"}]},"properties":{"l":{"type":"array","items":{"type":"object","properties":{"k":{"type":"string"}}}}}}`))
	s, err := schema.Compile(raw)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"spec":{"o":{"l":[{"k":"v"}]}}}`
	fill := func() map[string]any {
		o := parse(t, `{"spec":{}}`)
		s.SetDefaults(o)
		return o
	}
	first, second := fill(), fill()
	tree.List(first, "spec", "o", "l")[0].(map[string]any)["k"] = "changed"
	tree.Object(first, "spec", "o")["more"] = true
	if got := string(tree.AppendJSON(nil, second)); got != want {
		t.Errorf("one that was filled before the change: %s", got)
	}
	if got := string(tree.AppendJSON(nil, fill())); got != want {
		t.Errorf("one that was filled after it: %s", got)
	}
	// The schema was compiled; its text may change.
	clear(tree.Object(raw, "properties", "spec", "properties", "o", "default"))
	if got := string(tree.AppendJSON(nil, fill())); got != want {
		t.Errorf("after a change of the text: %s", got)
	}
}

// naiveDefaults sets defaults as upstream describes it: first nulls that may not be and have
// no default go, then missing fields and other such nulls are filled, outer ones first.
func naiveDefaults(v any, s map[string]any) {
	dropNulls(v, s)
	fillDefaults(v, s)
}

func schemaOfField(s map[string]any, name string) map[string]any {
	if p := tree.Object(s, "properties", name); p != nil {
		return p
	}
	return tree.Object(s, "additionalProperties")
}

func dropNulls(v any, s map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			f := schemaOfField(s, name)
			if e == nil && f != nil && f["nullable"] != true && f["default"] == nil {
				delete(v, name)
				continue
			}
			dropNulls(e, f)
		}
	case []any:
		for _, e := range v {
			dropNulls(e, tree.Object(s, "items"))
		}
	}
}

func fillDefaults(v any, s map[string]any) {
	unwanted := func(v any, s map[string]any) bool { return v == nil && s != nil && s["nullable"] != true }
	switch v := v.(type) {
	case map[string]any:
		for name := range tree.Object(s, "properties") {
			f := tree.Object(s, "properties", name)
			if e, there := v[name]; f["default"] != nil && (!there || unwanted(e, f)) {
				v[name] = tree.Copy(f["default"])
			}
		}
		for name, e := range v {
			f := schemaOfField(s, name)
			if unwanted(e, f) {
				v[name] = tree.Copy(f["default"])
			}
			fillDefaults(v[name], f)
		}
	case []any:
		items := tree.Object(s, "items")
		for i, e := range v {
			if unwanted(e, items) {
				v[i] = tree.Copy(items["default"])
			}
			fillDefaults(v[i], items)
		}
	}
}

// defaultSchema grows a schema in which about half of all places have a default that is of
// the place's type, itself incomplete where it is an object.
func defaultSchema(r *rand.Rand, depth int) map[string]any {
	s := map[string]any{}
	var def any
	switch kind := r.IntN(5); {
	case depth == 0 || kind == 0:
		s["type"], def = "string", []any{"", "x"}[r.IntN(2)]
	case kind == 1:
		s["type"], s["items"] = "array", defaultSchema(r, depth-1)
		def = []any{}
	case kind == 2:
		s["type"], s["additionalProperties"] = "object", defaultSchema(r, depth-1)
		def = map[string]any{}
	default:
		properties := map[string]any{}
		for _, name := range []string{"a", "b", "c"} {
			if r.IntN(3) > 0 {
				properties[name] = defaultSchema(r, depth-1)
			}
		}
		s["type"], s["properties"] = "object", properties
		def = map[string]any{}
	}
	s["nullable"] = r.IntN(3) == 0
	if r.IntN(2) == 0 {
		s["default"] = def
	}
	return s
}

// defaultObject grows an object for such a schema, with nulls and gaps.
func defaultObject(r *rand.Rand, depth int) any {
	switch kind := r.IntN(6); {
	case kind == 0:
		return nil
	case depth == 0 || kind == 1:
		return "y"
	case kind == 2:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = defaultObject(r, depth-1)
		}
		return list
	}
	o := map[string]any{}
	for _, name := range []string{"a", "b", "c", "d"} {
		if r.IntN(2) == 0 {
			o[name] = defaultObject(r, depth-1)
		}
	}
	return o
}

// TestDefaultsAgainstNaive compares with the description above over random schemas, and finds
// that defaults, once set, are complete.
func TestDefaultsAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	changed := 0
	for range 6000 {
		raw := map[string]any{"type": "object", "properties": map[string]any{"a": defaultSchema(r, 4), "b": defaultSchema(r, 3)}}
		s, err := schema.Compile(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := map[string]any{"a": defaultObject(r, 4)}
		got, want := tree.Copy(before).(map[string]any), tree.Copy(before).(map[string]any)
		s.SetDefaults(got)
		naiveDefaults(want, raw)
		if !tree.Equal(got, want) {
			t.Fatalf("%s\nof %s:\ngot  %s\nwant %s", tree.AppendJSON(nil, raw), tree.AppendJSON(nil, before), tree.AppendJSON(nil, got),
				tree.AppendJSON(nil, want))
		}
		if !tree.Equal(got, before) {
			changed++
		}
		s.SetDefaults(want)
		if !tree.Equal(got, want) {
			t.Fatalf("%s: a second time %s becomes %s", tree.AppendJSON(nil, raw), tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	}
	if changed < 2000 {
		t.Errorf("only %d objects changed", changed)
	}
}

// TestDefaultsNeverOverwrite: a field that is there and not null keeps its value, and no field
// appears that has no default.
func TestDefaultsNeverOverwrite(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 2000 {
		raw := map[string]any{"type": "object", "properties": map[string]any{"a": defaultSchema(r, 3)}}
		s, err := schema.Compile(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := map[string]any{"a": defaultObject(r, 4)}
		after := tree.Copy(before).(map[string]any)
		s.SetDefaults(after)
		if at := overwritten(before, after); at != "" {
			t.Fatalf("%s of %s became %s: %s", tree.AppendJSON(nil, raw), tree.AppendJSON(nil, before), tree.AppendJSON(nil, after), at)
		}
	}
}

// overwritten names a place that had a value other than null and does not have it any more.
func overwritten(before, after any) string {
	switch before := before.(type) {
	case nil:
		return ""
	case map[string]any:
		after, ok := after.(map[string]any)
		if !ok {
			return "is no object any more"
		}
		for name, e := range before {
			if at := overwritten(e, after[name]); at != "" {
				return name + "." + at
			}
		}
	case []any:
		after, ok := after.([]any)
		if !ok || len(after) != len(before) {
			return "has another length"
		}
		for i, e := range before {
			if at := overwritten(e, after[i]); at != "" {
				return fmt.Sprint(i) + "." + at
			}
		}
	default:
		if !tree.Equal(before, after) {
			return "has another value"
		}
	}
	return ""
}

// TestDefaultsTooMany: defaults that multiply are refused where they are written, if one of
// them alone is too large, or in the object that they would make too large.
func TestDefaultsTooMany(t *testing.T) {
	// A list of 101 objects, each of which gets 101 values by default.
	hundred := "[" + strings.Repeat("{},", 100) + "{}]"
	numbers := "[" + strings.Repeat("1,", 100) + "1]"
	inner := `"type":"object","properties":{"n":{"type":"array","items":{"type":"integer"},"default":` + numbers + `}}`
	large := withSpec(`"l":{"type":"array","items":{` + inner + `},"default":` + hundred + `}`)
	const refused = `properties[spec].properties[l].default: has more than 10000 values with the defaults of its parts`
	if _, err := schema.Compile(parse(t, large)); err == nil || err.Error() != refused {
		t.Errorf("one large default: %v", err)
	}
	got := check(t, definition(t, large), nil)
	if !strings.HasPrefix(got, "Invalid ") || !strings.HasSuffix(got, "error building validator: "+refused) {
		t.Errorf("in a definition: %s", got)
	}

	// The items of an object's own list are counted when they are filled.
	s := compile(t, withSpec(`"l":{"type":"array","items":{`+inner+`}}`))
	obj := func(items int) map[string]any {
		list := make([]any, items)
		for i := range list {
			list[i] = map[string]any{}
		}
		return map[string]any{"spec": map[string]any{"l": list}}
	}
	for items, refused := range map[int]bool{100: false, 10_000: false, 11_000: true} {
		o := obj(items)
		s.SetDefaults(o)
		if errs := s.Validate(o, nil); (errs != nil) != refused {
			t.Errorf("%d items: %.300s", items, lines(errs))
		}
	}
}
