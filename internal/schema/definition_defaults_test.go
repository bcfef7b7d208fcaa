package schema

import "testing"

// TestDefaultsOfOtherTypes: a default of a type that does not exist is wrong besides, as are those of
// the fields beside it, in the words of kube-apiserver v1.37.2.
func TestDefaultsOfOtherTypes(t *testing.T) {
	const at, other = "spec.validation.openAPIV3Schema.properties[a].", `type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string"`
	for _, row := range []struct{ schema, want string }{
		{`{"type":"foo","default":1}`, at + `default: Invalid value: "integer":  in body must be of type foo: "integer"`},
		{`{"type":"foo","default":["x"]}`, at + `default: Invalid value: "array":  in body must be of type foo: "array"`},
		{`{"type":"foo","format":"int32","default":1.5}`, at + `default: Invalid value: "float64":  in body must be of type int32: "float64"`},
		{`{"type":"foo","format":"int32","default":"x"}`, ""},
		{`{"type":"foo","format":"date-time","default":"x"}`, at + `default: Invalid value: "x":  in body must be of type date-time: "x"`},
		{`{"type":"foo","format":"bar","default":true}`, at + `default: Invalid value: "":  in body must be of type bar: ""`},
		{`{"type":"foo","format":"bar","default":["x"]}`, ""},
		{`{"type":"foo","properties":{"y":{"type":"string","default":1}}}`, at + `properties[y].default: Invalid value: "integer":  in body must be of type string: "integer"`},
	} {
		want := at + other
		if row.want != "" {
			want = "(type) " + row.want + "\n" + want
		}
		crd := crdOf(t, `{"type":"object","properties":{"a":`+row.schema+`}}`, func(map[string]any) {})
		if got := shown(CheckCRD(crd, nil)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.schema, got, want)
		}
	}
}

// TestDefaultsOfIntOrString: a default may be anything that the schema itself does not exclude in so
// many words (upstream): objects that get it are refused.
func TestDefaultsOfIntOrString(t *testing.T) {
	const at = "spec.validation.openAPIV3Schema.properties[a].default: "
	for rest, want := range map[string]string{
		`"default":true`:                      "",
		`"default":["x"]`:                     "",
		`"default":true,"pattern":"x"`:        "",
		`"default":{"b":1}`:                   at + `Invalid value: {"b":1}: must not have unknown fields`,
		`"default":1,"format":"int32"`:        "(type) " + at + `Invalid value: "int64":  in body must be of type int32: "int64"`,
		`"default":true,"format":"int32"`:     "(type) " + at + `Invalid value: "":  in body must be of type int32: ""`,
		`"default":"x","format":"int32"`:      "",
		`"default":1,"anyOf":[` + types + `]`: "",
	} {
		crd := crdOf(t, `{"type":"object","properties":{"a":{"x-kubernetes-int-or-string":true,`+rest+`}}}`, func(map[string]any) {})
		if got := shown(CheckCRD(crd, nil)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", rest, got, want)
		}
	}
}

// types are those of an int-or-string, as they may be named in anyOf.
const types = `{"type":"integer"},{"type":"string"}`

// TestDefaultsOfResources: a default that is a resource, or has one in it, is first of all one; the
// whole object is, too. The texts are those of kube-apiserver v1.37.2.
func TestDefaultsOfResources(t *testing.T) {
	const root, fields = "spec.validation.openAPIV3Schema.", `"type":"object","required":["spec"],"properties":{"spec":{"type":"object"}}`
	const embedded = `{` + fields + `,"x-kubernetes-embedded-resource":true`
	for _, row := range []struct{ schema, want string }{
		{`{` + fields + `,"default":{}}`, root + "default.apiVersion: Required value\n" + root + "default.kind: Required value"},
		{`{` + fields + `,"default":{"apiVersion":"v1","kind":"K"}}`, root + "default.spec: Required value"},
		{`{` + fields + `,"default":{"apiVersion":"v1","kind":"K","metadata":{"name":"x"},"spec":{}}}`, ""},
		{`{"type":"object","properties":{"e":` + embedded + `,"default":{"kind":"K"}}}}`, root + "properties[e].default.apiVersion: Required value"},
		{`{"type":"object","properties":{"o":{"type":"object","default":{"e":{},"z":"x"},"properties":{"z":{"type":"integer"},"e":` + embedded + `}}}}}`,
			root + "properties[o].default.e.apiVersion: Required value\n" + root + "properties[o].default.e.kind: Required value"},
	} {
		if got := shown(CheckCRD(crdOf(t, row.schema, func(map[string]any) {}), nil)); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.schema, got, row.want)
		}
	}
}
