package schema

import (
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/tree"
)

func objectOf(t testing.TB, text string) map[string]any {
	t.Helper()
	o, repeated, err := tree.ParseJSONObject([]byte(text))
	if err != nil || repeated != nil {
		t.Fatalf("%.1000s: %v %v", text, err, repeated)
	}
	return o
}

func schemaOf(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Compile(objectOf(t, text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// specSchema is the schema of a kind whose spec has these properties.
func specSchema(props string) string {
	return `{"type":"object","properties":{"spec":{"type":"object","properties":{` + props + `}}}}`
}

// shown is errors as a message lists them, with reasons that are not the usual one.
func shown(errs []field.Error) string {
	var texts []string
	for _, e := range errs {
		t := e.String()
		if e.Reason == "FieldValueTypeInvalid" {
			t = "(type) " + t
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, "\n")
}

// TestSchemaValidate: each message as the real server writes it.
func TestSchemaValidate(t *testing.T) {
	for _, row := range []struct{ name, props, spec, want string }{
		{"good", `"size":{"type":"integer","maximum":10}`, `{"size":10}`, ""},
		{"no field is asked for", `"size":{"type":"integer"}`, `{}`, ""},

		{"type", `"size":{"type":"integer"}`, `{"size":"x"}`, `(type) spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"`},
		{"type", `"a":{"type":"string"}`, `{"a":1}`, `(type) spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer"`},
		{"type", `"a":{"type":"string"}`, `{"a":1.5}`, `(type) spec.a: Invalid value: "number": spec.a in body must be of type string: "number"`},
		{"type", `"a":{"type":"array","items":{"type":"string"}}`, `{"a":{}}`, `(type) spec.a: Invalid value: "object": spec.a in body must be of type array: "object"`},
		{"type", `"a":{"type":"object"}`, `{"a":[]}`, `(type) spec.a: Invalid value: "array": spec.a in body must be of type object: "array"`},
		{"type", `"a":{"type":"boolean"}`, `{"a":null}`, `(type) spec.a: Invalid value: "null": spec.a in body must be of type boolean: "null"`},
		{"type", `"a":{"type":"integer"}`, `{"a":true}`, `(type) spec.a: Invalid value: "boolean": spec.a in body must be of type integer: "boolean"`},
		{"nullable", `"a":{"type":"boolean","nullable":true}`, `{"a":null}`, ""},
		{"null and enum", `"a":{"type":"string","nullable":true,"enum":["x"]}`, `{"a":null}`, `spec.a: Unsupported value: null: supported values: "x"`},
		{"whole number", `"a":{"type":"integer"}`, `{"a":2.0}`, ""},
		{"broken number", `"a":{"type":"integer"}`, `{"a":2.5}`, `(type) spec.a: Invalid value: "number": spec.a in body must be of type integer: "number"` + "\n" +
			`<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.a`},
		{"int or string", `"a":{"x-kubernetes-int-or-string":true}`, `{"a":"80%"}`, ""},
		{"int or string", `"a":{"x-kubernetes-int-or-string":true}`, `{"a":80}`, ""},
		{"int or string", `"a":{"x-kubernetes-int-or-string":true}`, `{"a":true}`, `(type) spec.a: Invalid value: "boolean": spec.a in body must be of type integer,string: "boolean"`},

		{"maximum", `"size":{"type":"integer","maximum":10}`, `{"size":99}`, `spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10`},
		{"exclusive maximum", `"a":{"type":"integer","maximum":10,"exclusiveMaximum":true}`, `{"a":10}`, `spec.a: Invalid value: 10: spec.a in body should be less than 10`},
		{"minimum", `"a":{"type":"integer","minimum":1}`, `{"a":0}`, `spec.a: Invalid value: 0: spec.a in body should be greater than or equal to 1`},
		{"exclusive minimum", `"a":{"type":"number","minimum":1,"exclusiveMinimum":true}`, `{"a":1.0}`, `spec.a: Invalid value: 1: spec.a in body should be greater than 1`},
		{"large bound", `"a":{"type":"integer","maximum":1000000}`, `{"a":1000001}`, `spec.a: Invalid value: 1000001: spec.a in body should be less than or equal to 1000000`},
		{"no digit is lost", `"a":{"type":"integer","maximum":9007199254740992}`, `{"a":9007199254740993}`, `spec.a: Invalid value: 9007199254740993: spec.a in body should be less than or equal to 9007199254740992`},
		{"fraction", `"a":{"type":"number","maximum":1.5}`, `{"a":2}`, `spec.a: Invalid value: 2: spec.a in body should be less than or equal to 1`},
		{"multiple", `"a":{"type":"integer","multipleOf":3}`, `{"a":7}`, `spec.a: Invalid value: 7: spec.a in body should be a multiple of 3`},
		{"multiple", `"a":{"type":"number","multipleOf":0.1}`, `{"a":0.7}`, ""},
		{"multiple", `"a":{"type":"number","multipleOf":0.5}`, `{"a":0.7}`, `spec.a: Invalid value: 0.7: spec.a in body should be a multiple of 0.5`},
		{"multiple", `"a":{"type":"number","multipleOf":0.5}`, `{"a":1.0}`, ""},
		{"multiple of a fraction", `"a":{"type":"number","multipleOf":0.5}`, `{"a":1}`, `spec.a: Invalid value: 0: factor MultipleOf declared for spec.a must be positive: 0`},
		{"a bound that is no integer", `"a":{"type":"integer","maximum":2.5}`, `{"a":3}`, `<nil>: Invalid value: "": Maximum boundary value must be of type integer (default format) in spec.a` + "\n" +
			`spec.a: Invalid value: 3: spec.a in body should be less than or equal to 2.5`},
		{"bound of another type", `"a":{"type":"integer","maximum":1.5}`, `{"a":1}`, `<nil>: Invalid value: "": Maximum boundary value must be of type integer (default format) in spec.a`},
		{"int32", `"a":{"type":"integer","format":"int32"}`, `{"a":3000000000}`, `<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.a`},
		{"int32 of another type", `"a":{"type":"integer","format":"int32"}`, `{"a":true}`, `(type) spec.a: Invalid value: "": spec.a in body must be of type int32: ""`},

		{"enum", `"a":{"type":"string","enum":["a","b"]}`, `{"a":"x"}`, `spec.a: Unsupported value: "x": supported values: "a", "b"`},
		{"enum", `"a":{"type":"integer","enum":[1,2]}`, `{"a":3}`, `spec.a: Unsupported value: 3: supported values: "1", "2"`},
		{"enum", `"a":{"type":"number","enum":[1,2]}`, `{"a":2.0}`, ""},
		{"enum of objects", `"a":{"type":"object","properties":{"x":{"type":"integer"}},"enum":[{"x":1}]}`, `{"a":{"x":1}}`, ""},

		{"pattern", `"name":{"type":"string","pattern":"^a"}`, `{"name":"b"}`, `spec.name: Invalid value: "b": spec.name in body should match '^a'`},
		{"min length", `"a":{"type":"string","minLength":3}`, `{"a":"äö"}`, `spec.a: Invalid value: "äö": spec.a in body should be at least 3 chars long`},
		{"max length", `"a":{"type":"string","maxLength":3}`, `{"a":"abcd"}`, `spec.a: Too long: may not be more than 3 bytes`},
		{"length counts characters", `"a":{"type":"string","minLength":3,"maxLength":3}`, `{"a":"äöü"}`, ""},
		{"only the first of a text", `"a":{"type":"string","maxLength":2,"pattern":"^a"}`, `{"a":"bbb"}`, `spec.a: Too long: may not be more than 2 bytes`},

		{"max items", `"a":{"type":"array","maxItems":3,"items":{"type":"integer"}}`, `{"a":[1,2,3,4,5]}`, `spec.a: Too many: 5: must have at most 3 items`},
		{"max items", `"a":{"type":"array","maxItems":1,"items":{"type":"integer"}}`, `{"a":[1,2]}`, `spec.a: Too many: 2: must have at most 1 item`},
		{"min items", `"a":{"type":"array","minItems":1,"items":{"type":"integer"}}`, `{"a":[]}`, `spec.a: Invalid value: 0: spec.a in body should have at least 1 items`},
		{"items", `"a":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}`, `{"a":[{"x":1},{},{"x":""}]}`,
			"spec.a[1].x: Required value\n" + `(type) spec.a[2].x: Invalid value: "string": spec.a[2].x in body must be of type integer: "string"`},
		{"max properties", `"a":{"type":"object","maxProperties":1,"additionalProperties":{"type":"integer"}}`, `{"a":{"x":1,"y":2}}`, `spec.a: Too many: 2: must have at most 1 item`},
		{"min properties", `"a":{"type":"object","minProperties":2,"additionalProperties":{"type":"integer"}}`, `{"a":{"x":1}}`, `spec.a: Invalid value: 1: spec.a in body should have at least 2 properties`},
		{"additional", `"a":{"type":"object","additionalProperties":{"type":"integer"}}`, `{"a":{"x":"","y":1}}`, `(type) spec.a.x: Invalid value: "string": spec.a.x in body must be of type integer: "string"`},
		{"required", `"a":{"type":"object","properties":{"x":{"type":"string"}},"required":["x","y"]}`, `{"a":{}}`, "spec.a.x: Required value\nspec.a.y: Required value"},

		{"set", `"a":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}`, `{"a":["x","y","x","x"]}`, `spec.a[2]: Duplicate value: "x"`},
		{"long set", `"a":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"integer"}}`, `{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13,1]}`, `spec.a[13]: Duplicate value: 1`},
		{"map", `"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"},"v":{"type":"integer"}}}}`,
			`{"a":[{"k":"x","v":1},{"k":"y"},{"k":"x","v":2}]}`, `spec.a[2]: Duplicate value: {"k":"x"}`},
		{"map of two keys", `"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k","l"],"items":{"type":"object","properties":{"k":{"type":"string"},"l":{"type":"integer"}}}}`,
			`{"a":[{"k":"x","l":1},{"k":"x"},{"k":"x","l":1},{"k":"x"}]}`, `spec.a[2]: Duplicate value: {"k":"x","l":1}` + "\n" + `spec.a[3]: Duplicate value: {"k":"x"}`},

		{"anyOf", `"a":{"type":"integer","anyOf":[{"minimum":5},{"maximum":1}]}`, `{"a":3}`,
			`<nil>: Invalid value: "": "spec.a" must validate at least one schema (anyOf)` + "\nspec.a: Invalid value: 3: spec.a in body should be greater than or equal to 5"},
		{"anyOf", `"a":{"type":"integer","anyOf":[{"minimum":5},{"maximum":1}]}`, `{"a":1}`, ""},
		{"oneOf none", `"a":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"oneOf":[{"required":["x"]},{"required":["y"]}]}`, `{"a":{}}`,
			`<nil>: Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found none valid` + "\nspec.a.x: Required value"},
		{"oneOf both", `"a":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"integer"}},"oneOf":[{"required":["x"]},{"required":["y"]}]}`, `{"a":{"x":1,"y":1}}`,
			`<nil>: Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found 2 valid alternatives`},
		{"allOf", `"a":{"type":"integer","allOf":[{"minimum":5},{"maximum":9}]}`, `{"a":3}`,
			"spec.a: Invalid value: 3: spec.a in body should be greater than or equal to 5\n" + `<nil>: Invalid value: "": "spec.a" must validate all the schemas (allOf)`},
		{"not", `"a":{"type":"integer","not":{"minimum":5}}`, `{"a":7}`, `<nil>: Invalid value: "": "spec.a" must not validate the schema (not)`},

		{"embedded", `"a":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}`, `{"a":{"kind":"4x"}}`,
			`spec.a.apiVersion: Required value` + "\n" + `spec.a.kind: Invalid value: "4x": may have mixed case, but should otherwise match: ` + LabelWords("4x")},
		{"embedded", `"a":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}`, `{"a":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}}`, ""},
		{"preserved", `"a":{"x-kubernetes-preserve-unknown-fields":true}`, `{"a":[1,"x",null]}`, ""},
	} {
		s := schemaOf(t, specSchema(row.props))
		got := shown(s.Validate(objectOf(t, `{"spec":`+row.spec+`}`), nil))
		if got != row.want {
			t.Errorf("%s: %s against %s:\ngot  %s\nwant %s", row.name, row.spec, row.props, got, row.want)
		}
	}
}

// TestSchemaPrune: what is removed, and what stays.
func TestSchemaPrune(t *testing.T) {
	for _, row := range []struct{ name, Schema, obj, want, unknown string }{
		{"nothing", specSchema(`"a":{"type":"string"}`), `{"spec":{"a":"x"}}`, `{"spec":{"a":"x"}}`, ""},
		{"unknown", specSchema(`"a":{"type":"string"}`), `{"spec":{"a":"x","unk":{"b":1}},"zzz":1}`, `{"spec":{"a":"x"}}`, "spec.unk zzz"},
		{"in lists", specSchema(`"list":{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}}`),
			`{"spec":{"list":[{"x":1,"a":""},{"a":"","y":{}}]}}`, `{"spec":{"list":[{"a":""},{"a":""}]}}`, "spec.list[0].x spec.list[1].y"},
		{"resource", specSchema(``), `{"apiVersion":"a/v1","kind":"K","metadata":{"name":"x","strange":1}}`, `{"apiVersion":"a/v1","kind":"K","metadata":{"name":"x","strange":1}}`, ""},
		{"not a resource", specSchema(``), `{"spec":{"metadata":{},"kind":"x"}}`, `{"spec":{}}`, "spec.kind spec.metadata"},
		{"map", specSchema(`"m":{"type":"object","additionalProperties":{"type":"object","properties":{"a":{"type":"string"}}}}`),
			`{"spec":{"m":{"k":{"a":"","b":""}}}}`, `{"spec":{"m":{"k":{"a":""}}}}`, "spec.m.k.b"},
		{"any map", specSchema(`"m":{"type":"object","additionalProperties":true}`), `{"spec":{"m":{"k":{"a":1},"l":1}}}`, `{"spec":{"m":{"k":{},"l":1}}}`, "spec.m.k.a"},
		{"preserved", specSchema(`"m":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"known":{"type":"object","properties":{"a":{"type":"string"}}}}}`),
			`{"spec":{"m":{"x":{"y":1},"known":{"a":"","b":1}}}}`, `{"spec":{"m":{"known":{"a":""},"x":{"y":1}}}}`, "spec.m.known.b"},
		{"preserved list", specSchema(`"m":{"type":"array","x-kubernetes-preserve-unknown-fields":true,"items":{"type":"object","properties":{"a":{"type":"object"}}}}`),
			`{"spec":{"m":[{"x":1,"a":{"y":1}}]}}`, `{"spec":{"m":[{"a":{},"x":1}]}}`, "spec.m[0].a.y"},
		{"preserved at the root", `{"type":"object","x-kubernetes-preserve-unknown-fields":true}`, `{"spec":{"m":{"x":1}},"y":[{"z":1}]}`, `{"spec":{"m":{"x":1}},"y":[{"z":1}]}`, ""},
		{"embedded", specSchema(`"e":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"spec":{"type":"object"}}}`),
			`{"spec":{"e":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","strange":1},"spec":{"x":1},"y":2}}}`,
			`{"spec":{"e":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","strange":1},"spec":{}}}}`, "spec.e.spec.x spec.e.y"},
		{"field without properties", specSchema(`"a":{"type":"string"}`), `{"spec":{"a":{"b":1}}}`, `{"spec":{"a":{}}}`, "spec.a.b"},
		{"list of lists without items", specSchema(`"a":{"type":"string"}`), `{"spec":{"a":[[{"b":1}]]}}`, `{"spec":{"a":[[{}]]}}`, "spec.a[0][0].b"},
	} {
		obj := objectOf(t, row.obj)
		unknown, err := schemaOf(t, row.Schema).Prune(obj)
		if got := string(tree.AppendJSON(nil, obj)); err != nil || got != row.want {
			t.Errorf("%s: got %s, want %s (%v)", row.name, got, row.want, err)
		}
		if got := strings.Join(unknown, " "); got != row.unknown {
			t.Errorf("%s: unknown %q, want %q", row.name, got, row.unknown)
		}
	}
}

// TestSchemaDefaults: missing fields, nulls, and defaults inside of defaults.
func TestSchemaDefaults(t *testing.T) {
	for _, row := range []struct{ name, props, spec, want string }{
		{"missing", `"a":{"type":"string","default":"x"}`, `{}`, `{"a":"x"}`},
		{"there", `"a":{"type":"string","default":"x"}`, `{"a":""}`, `{"a":""}`},
		{"no parent", `"o":{"type":"object","properties":{"a":{"type":"string","default":"x"}}}`, `{}`, `{}`},
		{"parent", `"o":{"type":"object","properties":{"a":{"type":"string","default":"x"}}}`, `{"o":{}}`, `{"o":{"a":"x"}}`},
		{"parent by default", `"o":{"type":"object","default":{},"properties":{"a":{"type":"string","default":"x"}}}`, `{}`, `{"o":{"a":"x"}}`},
		{"part of a default", `"o":{"type":"object","default":{"b":1},"properties":{"b":{"type":"integer"},"a":{"type":"string","default":"x"}}}`, `{}`, `{"o":{"a":"x","b":1}}`},
		{"null", `"a":{"type":"string","default":"x"}`, `{"a":null}`, `{"a":"x"}`},
		{"null without default", `"a":{"type":"string"}`, `{"a":null}`, `{}`},
		{"nullable", `"a":{"type":"string","nullable":true,"default":"x"}`, `{"a":null}`, `{"a":null}`},
		{"nullable and missing", `"a":{"type":"string","nullable":true,"default":"x"}`, `{}`, `{"a":"x"}`},
		{"null of no field", `"a":{"x-kubernetes-preserve-unknown-fields":true,"nullable":true}`, `{"a":{"b":null}}`, `{"a":{"b":null}}`},
		{"items", `"l":{"type":"array","items":{"type":"object","properties":{"p":{"type":"string","default":"TCP"}}}}`, `{"l":[{},{"p":"UDP"}]}`, `{"l":[{"p":"TCP"},{"p":"UDP"}]}`},
		{"null items", `"l":{"type":"array","items":{"type":"string","default":"x"}}`, `{"l":[null,"y"]}`, `{"l":["x","y"]}`},
		{"null items without default", `"l":{"type":"array","items":{"type":"string"}}`, `{"l":[null,"y"]}`, `{"l":[null,"y"]}`},
		{"map", `"m":{"type":"object","additionalProperties":{"type":"object","properties":{"p":{"type":"string","default":"x"}}}}`, `{"m":{"k":{}}}`, `{"m":{"k":{"p":"x"}}}`},
		{"null in map", `"m":{"type":"object","additionalProperties":{"type":"string","default":"x"}}`, `{"m":{"k":null}}`, `{"m":{"k":"x"}}`},
		{"null in map without default", `"m":{"type":"object","additionalProperties":{"type":"string"}}`, `{"m":{"k":null}}`, `{"m":{}}`},
		{"false and zero", `"a":{"type":"boolean","default":false},"b":{"type":"integer","default":0}`, `{}`, `{"a":false,"b":0}`},
	} {
		s, obj := schemaOf(t, specSchema(row.props)), objectOf(t, `{"spec":`+row.spec+`}`)
		s.SetDefaults(obj)
		if got := string(tree.AppendJSON(nil, obj["spec"])); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
		s.SetDefaults(obj)
		if got := string(tree.AppendJSON(nil, obj["spec"])); got != row.want {
			t.Errorf("%s, again: got %s, want %s", row.name, got, row.want)
		}
	}
}

// TestSchemaDefaultsAreCopies: an object that got a default may be changed.
func TestSchemaDefaultsAreCopies(t *testing.T) {
	s := schemaOf(t, specSchema(`"o":{"type":"object","default":{"l":["x"]},"properties":{"l":{"type":"array","items":{"type":"string"}}}}`))
	a, b := objectOf(t, `{"spec":{}}`), objectOf(t, `{"spec":{}}`)
	s.SetDefaults(a)
	tree.List(a, "spec", "o", "l")[0] = "y"
	s.SetDefaults(b)
	if got := tree.List(b, "spec", "o", "l")[0]; got != "x" {
		t.Errorf("the default became %v", got)
	}
}

// TestSchemaRatchet: what an update does not touch may stay wrong.
func TestSchemaRatchet(t *testing.T) {
	const size = `"size":{"type":"integer","maximum":10}`
	const list = `"l":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"},"v":{"type":"integer","maximum":10}}}}`
	const plainList = `"l":{"type":"array","items":{"type":"integer","maximum":10}}`
	const set = `"l":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"integer"}}`
	for _, row := range []struct{ name, props, was, is, want string }{
		{"unchanged", size + `,"x":{"type":"string"}`, `{"size":99}`, `{"size":99,"x":"y"}`, ""},
		{"changed", size, `{"size":99}`, `{"size":98}`, "spec.size: Invalid value: 98: spec.size in body should be less than or equal to 10"},
		{"new", size, `{}`, `{"size":99}`, "spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10"},
		{"number of another type", size, `{"size":99}`, `{"size":99.0}`, "spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10"},
		{"item by key", list, `{"l":[{"k":"a","v":99},{"k":"b"}]}`, `{"l":[{"k":"b","v":1},{"k":"a","v":99}]}`, ""},
		{"item changed", list, `{"l":[{"k":"a","v":99}]}`, `{"l":[{"k":"b","v":99}]}`, "spec.l[0].v: Invalid value: 99: spec.l[0].v in body should be less than or equal to 10"},
		{"part of an item", list, `{"l":[{"k":"a","v":99}]}`, `{"l":[{"k":"a","v":98}]}`, "spec.l[0].v: Invalid value: 98: spec.l[0].v in body should be less than or equal to 10"},
		{"whole list", plainList + `,"x":{"type":"string"}`, `{"l":[99]}`, `{"l":[99],"x":"y"}`, ""},
		{"items of atomic lists do not correspond", plainList, `{"l":[99]}`, `{"l":[99,1]}`, "spec.l[0]: Invalid value: 99: spec.l[0] in body should be less than or equal to 10"},
		{"fields of an atomic map", `"m":{"type":"object","x-kubernetes-map-type":"atomic","properties":{"a":{"type":"integer","maximum":1},"b":{"type":"integer"}}}`, `{"m":{"a":2}}`, `{"m":{"a":2,"b":1}}`, ""},
		{"beside a field that is preserved", `"o":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"string"}},"required":["b"]},"x":{"type":"string"}`, `{"o":{"z":1}}`, `{"o":{"z":1},"x":"y"}`, "spec.o.b: Required value"},
		{"a list by keys, in another order", `"l":{"type":"array","maxItems":1,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","properties":{"k":{"type":"string"}}}}`, `{"l":[{"k":"a"},{"k":"b"}]}`, `{"l":[{"k":"b"},{"k":"a"}]}`, ""},
		{"a list in another order", `"l":{"type":"array","maxItems":1,"items":{"type":"object","properties":{"k":{"type":"string"}}}}`, `{"l":[{"k":"a"},{"k":"b"}]}`, `{"l":[{"k":"b"},{"k":"a"}]}`, "spec.l: Too many: 2: must have at most 1 item"},
		{"part of an alternative", `"o":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"allOf":[{"properties":{"a":{"maximum":5}}}]}`, `{"o":{"a":9}}`, `{"o":{"a":9,"b":1}}`,
			"spec.o.a: Invalid value: 9: spec.o.a in body should be less than or equal to 5\n" + `<nil>: Invalid value: "": "spec.o" must validate all the schemas (allOf). None validated`},
		{"required", `"o":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},"x":{"type":"string"}`, `{"o":{}}`, `{"o":{},"x":"y"}`, ""},
		{"oneOf", `"o":{"type":"integer","oneOf":[{"minimum":5}]},"x":{"type":"string"}`, `{"o":1}`, `{"o":1,"x":"y"}`, ""},
		{"repeated before", set + `,"x":{"type":"string"}`, `{"l":[1,1]}`, `{"l":[1,1],"x":"y"}`, ""},
		{"repeated now", set, `{"l":[1]}`, `{"l":[1,1]}`, "spec.l[1]: Duplicate value: 1"},
	} {
		s := schemaOf(t, specSchema(row.props))
		got := shown(s.Validate(objectOf(t, `{"spec":`+row.is+`}`), objectOf(t, `{"spec":`+row.was+`}`)))
		if got != row.want {
			t.Errorf("%s: got %s\nwant %s", row.name, got, row.want)
		}
	}
}

// TestFaultsBelowBase: of a value that is walked alone the errors name their fields from
// the base, and their texts from the value.
func TestFaultsBelowBase(t *testing.T) {
	s := schemaOf(t, `{"type":"object","properties":{"spec":{"type":"object","required":["x"]},"status":{"type":"object","required":["phase"],"properties":{"phase":{"type":"string","enum":["Up"]},"n":{"type":"integer"}}}}}`)
	n, _ := s.root.child("status")
	faultsOf := func(value any, old any, had bool) string {
		f := newFaults()
		f.base = "status"
		f.whole(n, value, old, had)
		return shown(f.errs)
	}
	for status, want := range map[string]string{
		`{"phase":"Up"}`:           "",
		`{"phase":"Down"}`:         `status.phase: Unsupported value: "Down": supported values: "Up"`,
		`{}`:                       `status.phase: Required value`,
		`{"phase":"Up","n":"one"}`: `(type) status.n: Invalid value: "string": n in body must be of type integer: "string"`,
		`"x"`:                      `(type) status: Invalid value: "string":  in body must be of type object: "string"`,
	} {
		if got := faultsOf(objectOf(t, `{"status":`+status+`}`)["status"], nil, false); got != want {
			t.Errorf("%s: got %s, want %s", status, got, want)
		}
	}
	if got := faultsOf(objectOf(t, `{"phase":"Down","n":1}`), objectOf(t, `{"phase":"Down"}`), true); got != "" {
		t.Errorf("unchanged: %v", got)
	}
}

// TestSchemaRefused: schemas that cannot be compiled.
func TestSchemaRefused(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type":"strange"}`:                                     `type: "strange" is no type`,
		specSchema(`"a":{"type":"string","pattern":"("}`):        "properties[spec].properties[a].pattern: error parsing regexp: missing closing ): `(`",
		specSchema(`"a":1`):                                      "properties[spec].properties[a]: must be an object",
		specSchema(`"a":{"type":"integer","allOf":[1]}`):         "properties[spec].properties[a].allOf[0]: must be an object",
		specSchema(`"a":{"type":"integer","not":{"type":"no"}}`): `properties[spec].properties[a].not.type: "no" is no type`,
	} {
		if _, err := Compile(objectOf(t, schema)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", schema, err, want)
		}
	}
}

func TestSchemaWarnings(t *testing.T) {
	crd := objectOf(t, `{"spec":{"versions":[{"schema":{"openAPIV3Schema":`+specSchema(`"a":{"type":"string","format":"strange"},"b":{"type":"integer","format":"int32"},
"c":{"type":"integer","format":"date"},"d":{"type":"string","format":"date-time"},"e":{"type":"string","format":"strange"},"f":{"type":"object","format":"date"},
"g":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"object","x-kubernetes-map-type":"atomic"}}`)+`}}]}}`)
	got := strings.Join(Warnings(crd), "\n")
	want := `unrecognized format "strange"
unrecognized format "date"
x-kubernetes-list-type: set for items of type "object" is not supported by server-side apply or CEL validation rules`
	if got != want {
		t.Errorf("got %s", got)
	}
}
