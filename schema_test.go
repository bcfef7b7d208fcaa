package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func objectOf(t testing.TB, text string) map[string]any {
	t.Helper()
	o, repeated, err := parseJSONObject([]byte(text))
	if err != nil || repeated != nil {
		t.Fatalf("%s: %v %v", text, err, repeated)
	}
	return o
}

func schemaOf(t testing.TB, text string) *schema {
	t.Helper()
	s, err := compileSchema(objectOf(t, text), false)
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
func shown(errs []fieldError) string {
	var texts []string
	for _, e := range errs {
		t := e.String()
		if e.reason == "FieldValueTypeInvalid" {
			t = "(type) " + t
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, "\n")
}

var _ = fmt.Sprint
var _ = slices.Sort[[]string]

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
		{"no digit is lost", `"a":{"type":"integer","maximum":9007199254740992}`, `{"a":9007199254740993}`, `spec.a: Invalid value: 9007199254740993: spec.a in body should be less than or equal to 9.007199254740992e+15`},
		{"fraction", `"a":{"type":"number","maximum":1.5}`, `{"a":2}`, `spec.a: Invalid value: 2: spec.a in body should be less than or equal to 1.5`},
		{"multiple", `"a":{"type":"integer","multipleOf":3}`, `{"a":7}`, `spec.a: Invalid value: 7: spec.a in body should be a multiple of 3`},
		{"multiple", `"a":{"type":"number","multipleOf":0.1}`, `{"a":0.7}`, ""},
		{"multiple", `"a":{"type":"number","multipleOf":0.5}`, `{"a":0.7}`, `spec.a: Invalid value: 0.7: spec.a in body should be a multiple of 0.5`},
		{"multiple", `"a":{"type":"number","multipleOf":0.5}`, `{"a":1}`, ""},
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
		{"only the first of a text", `"a":{"type":"string","maxLength":1,"pattern":"^a"}`, `{"a":"bb"}`, `spec.a: Too long: may not be more than 1 bytes`},

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
			`spec.a.apiVersion: Required value` + "\n" + `spec.a.kind: Invalid value: "4x": may have mixed case, but should otherwise match: ` + labelWords("4x")},
		{"embedded", `"a":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}`, `{"a":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}}`, ""},
		{"preserved", `"a":{"x-kubernetes-preserve-unknown-fields":true}`, `{"a":[1,"x",null]}`, ""},
	} {
		s := schemaOf(t, specSchema(row.props))
		got := shown(s.validate(objectOf(t, `{"spec":`+row.spec+`}`), nil))
		if got != row.want {
			t.Errorf("%s: %s against %s:\ngot  %s\nwant %s", row.name, row.spec, row.props, got, row.want)
		}
	}
}
