package schema

import (
	"strings"
	"testing"
)

// TestSchemaAtPath: paths and what is wrong with them, in the words of kube-apiserver v1.37.2.
func TestSchemaAtPath(t *testing.T) {
	s := objectOf(t, `{"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"string"},"it's":{"type":"integer"},"a.b":{"type":"boolean"},
		"m":{"type":"object","additionalProperties":{"type":"number"}},"any":{"type":"object","additionalProperties":true},"none":{"type":"object","properties":{}}}}}}`)
	const end, nowhere, brackets = "unexpected end of JSON path", "does not refer to a valid field", "array notation is not allowed"
	for _, row := range []struct{ path, steps, typ, plain, inBrackets string }{
		{".spec.a", "spec a", "string", "", ""},
		{".spec", "spec", "object", "", ""},
		{".spec.m.x", "spec m [x]", "number", "", ""},
		{".spec.any.x", "spec any [x]", "", "", ""},
		{".spec.any.x.y", "", "", nowhere, nowhere},
		{".spec.none.x", "", "", nowhere, nowhere},
		{".spec.a.x", "", "", nowhere, nowhere},
		{".", "", "", end, end},
		{".spec.", "", "", end, end},
		{"..spec", "", "", nowhere, nowhere},
		{"a", "", "", "expected [ or . but got: a", "expected [ or . but got: a"},
		{"x.spec", "", "", "expected [ or . but got: x", "expected [ or . but got: x"},
		{".spec.a]", "", "", "expected [ or . but got: ]", "expected [ or . but got: ]"},
		{".'spec'.a", "", "", nowhere, nowhere},
		{"['spec'].a", "spec a", "string", brackets, ""},
		{".spec['a.b']", "spec a.b", "boolean", brackets, ""},
		{`.spec['it\'s']`, "spec it's", "integer", brackets, ""},
		{".spec[0]", "", "", brackets, "expected single quoted string but got 0"},
		{"[]", "", "", brackets, "expected single quoted string but got ]"},
		{"[", "", "", brackets, end},
		{"['spec", "", "", brackets, "expected single quoted string but got 'spec"},
		{"['spec'", "", "", brackets, end},
		{"['spec'.a", "", "", brackets, "expected ] but got ."},
		{"['x']", "", "", brackets, nowhere},
	} {
		for _, allowed := range []bool{false, true} {
			want := row.plain
			if allowed {
				want = row.inBrackets
			}
			steps, found, problem := schemaAtPath(row.path, s, allowed)
			typ, _ := found["type"].(string)
			if problem != want || want == "" && (strings.Join(steps, " ") != row.steps || typ != row.typ) {
				t.Errorf("%s, brackets %v: %q %q %q, want %q", row.path, allowed, steps, typ, problem, want)
			}
		}
	}
}

// FuzzSchemaAtPath: any text is a path or not, and no path has more steps than bytes.
func FuzzSchemaAtPath(f *testing.F) {
	for _, path := range []string{".spec.a", "['a'].b", "[", "'", ".[", `.spec['it\'s']`} {
		f.Add(path)
	}
	s := map[string]any{}
	s["additionalProperties"] = s
	f.Fuzz(func(t *testing.T, path string) {
		if path == "" {
			return
		}
		steps, _, problem := schemaAtPath(path, s, true)
		if len(steps) > len(path) || problem == "" && len(steps) == 0 {
			t.Errorf("%q: %q %q", path, steps, problem)
		}
	})
}

// TestUnsupported: the first reason why nothing structural can be made of a schema, in upstream's words.
func TestUnsupported(t *testing.T) {
	const no = " is not supported"
	for text, want := range map[string]string{
		`{"type":"object","id":"","$ref":"","$schema":"","definitions":{},"patternProperties":{},"dependencies":{},"items":[]}`: "",
		`{"$schema":"x","id":"y"}`:                                    "OpenAPIV3Schema 'id'" + no,
		`{"$schema":"x","$ref":"y"}`:                                  "OpenAPIV3Schema 'schema'" + no,
		`{"properties":{"a":{"items":{"additionalItems":false}}}}`:    "OpenAPIV3Schema 'additionalItems'" + no,
		`{"anyOf":[{},{"not":{"$ref":"x"}}],"definitions":{}}`:        "OpenAPIV3Schema '$ref'" + no,
		`{"additionalProperties":{"dependencies":{"a":["b"]}}}`:       "OpenAPIV3Schema 'dependencies'" + no,
		`{"additionalProperties":true,"items":[{}]}`:                  "OpenAPIV3Schema 'items' must be a schema, but is an array",
		`{"x-kubernetes-preserve-unknown-fields":false,"items":[{}]}`: "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined",
	} {
		if got := unsupported(objectOf(t, text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestCheckKeywordsSeldom: what is refused although it is empty or inside of what is refused, and
// where a rule's field is. The texts are those of kube-apiserver v1.37.2.
func TestCheckKeywordsSeldom(t *testing.T) {
	const root, structural = "spec.validation.openAPIV3Schema", " to be structural"
	for _, row := range []struct{ schema, want string }{
		{`{"type":"object","$schema":"http://x"}`, root + `: Invalid value: "": OpenAPIV3Schema 'schema' is not supported`},
		{`{"type":"object","dependencies":{}}`, root + ".dependencies: Forbidden: dependencies is not supported"},
		{`{"type":"object","additionalItems":{}}`, root + ".additionalItems: Forbidden: additionalItems is not supported"},
		{`{"type":"object","definitions":{"a":{"uniqueItems":true}}}`, root + ".definitions: Forbidden: definitions is not supported\n" +
			root + ".definitions[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
		{`{"type":"object","not":{"default":false}}`, root + ".not.default: Forbidden: must be undefined" + structural},
		{`{"type":"object","allOf":[{"x-kubernetes-list-type":""}]}`, root + ".allOf[0].x-kubernetes-list-type: Forbidden: must be undefined" + structural + "\n" +
			root + ".allOf[0].type: Required value: must be array if x-kubernetes-list-type is specified\n" +
			root + `.allOf[0].x-kubernetes-list-type: Unsupported value: "": supported values: "atomic", "set", "map"`},
		{`{"type":"object","anyOf":[{"additionalProperties":false}]}`, ""},
		{`{"type":"object","x-kubernetes-validations":[{"rule":"true","fieldPath":".a"}],"properties":{"a":{"type":"string"}}}`, ""},
		{`{"type":"object","x-kubernetes-validations":[{"rule":"true","fieldPath":".b"}],"properties":{"a":{"type":"string"}}}`,
			root + `.x-kubernetes-validations[0].fieldPath: Invalid value: ".b": must be a valid path`},
		{`{"type":"object","x-kubernetes-validations":[{"rule":"true","fieldPath":"\n"}]}`,
			root + `.x-kubernetes-validations[0].fieldPath: Invalid value: "\n": must be non-empty if specified` + "\n" +
				root + `.x-kubernetes-validations[0].fieldPath: Invalid value: "\n": must not contain line breaks` + "\n" +
				root + `.x-kubernetes-validations[0].fieldPath: Invalid value: "\n": must be a valid path`},
	} {
		if got := shown(CheckCRD(crdOf(t, row.schema, func(map[string]any) {}), nil)); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.schema, got, row.want)
		}
	}
}
