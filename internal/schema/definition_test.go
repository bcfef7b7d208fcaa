package schema

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// crdOf is a CRD with defaults whose only version has this schema; change, when not nil,
// is done to it before the defaults.
func crdOf(t testing.TB, schema string, change func(crd map[string]any)) map[string]any {
	t.Helper()
	crd := objectOf(t, `{"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
"names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":`+schema+`}}]}}`)
	if change != nil {
		change(crd)
	}
	DefaultCRD(crd)
	return crd
}

const plainSchema = `{"type":"object","properties":{"spec":{"type":"object"}}}`

func TestDefaultCRD(t *testing.T) {
	crd := crdOf(t, plainSchema, nil)
	delete(tree.Object(crd, "spec"), "versions")
	want := `{"metadata":{"name":"widgets.example.com"},"spec":{"conversion":{"strategy":"None"},"group":"example.com",` +
		`"names":{"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"},"scope":"Namespaced"},"status":{"storedVersions":["v1"]}}`
	if got := string(tree.AppendJSON(nil, crd)); got != want {
		t.Errorf("got %s", got)
	}
	DefaultCRD(map[string]any{})
	DefaultCRD(map[string]any{"spec": map[string]any{}})
}

// TestCheckCRD: one thing wrong at a time, around the schema.
func TestCheckCRD(t *testing.T) {
	set := func(v any, path ...string) func(map[string]any) {
		return func(crd map[string]any) { tree.Set(crd, v, path...) }
	}
	version := func(text string) func(map[string]any) {
		return func(crd map[string]any) {
			v := tree.List(crd, "spec", "versions")[0].(map[string]any)
			for k, e := range objectOf(t, text) {
				v[k] = e
			}
		}
	}
	const label = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
	for _, row := range []struct {
		name   string
		change func(map[string]any)
		want   string
	}{
		{"good", nil, ""},
		{"name", set("gadgets.example.com", "metadata", "name"), `metadata.name: Invalid value: "gadgets.example.com": must be spec.names.plural+"."+spec.group`},
		{"group without dot", func(crd map[string]any) {
			tree.Set(crd, "example", "spec", "group")
			tree.Set(crd, "widgets.example", "metadata", "name")
		}, `spec.group: Invalid value: "example": should be a domain with at least one dot`},
		{"no group", func(crd map[string]any) {
			tree.Set(crd, "", "spec", "group")
			tree.Set(crd, "widgets.", "metadata", "name")
		}, `spec.group: Required value`},
		{"no scope", set(nil, "spec", "scope"), "spec.scope: Required value"},
		{"scope", set("Global", "spec", "scope"), `spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"`},
		{"kind", set("4Widget", "spec", "names", "kind"), "spec.names.singular: Invalid value: \"4widget\": " + label +
			"\nspec.names.kind: Invalid value: \"4Widget\": may have mixed case, but should otherwise match: " + label +
			"\nspec.names.listKind: Invalid value: \"4WidgetList\": may have mixed case, but should otherwise match: " + label},
		{"listKind", set("Widget", "spec", "names", "listKind"), `spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same`},
		{"no kind", set("", "spec", "names", "kind"), "spec.names.singular: Required value\nspec.names.kind: Required value\nspec.names.listKind: Required value"},
		{"short name", set([]any{"w", "W"}, "spec", "names", "shortNames"), `spec.names.shortNames[1]: Invalid value: "W": ` + label},
		{"category", set([]any{"-"}, "spec", "names", "categories"), `spec.names.categories[0]: Invalid value: "-": ` + label},

		{"version name", version(`{"name":"V1"}`), `spec.versions[0].name: Invalid value: "V1": ` + label + "\nspec.version: Invalid value: \"V1\": " + label},
		{"no storage", func(crd map[string]any) {
			version(`{"storage":false}`)(crd)
			set([]any{"v1"}, "status", "storedVersions")(crd)
		}, `spec.versions: Invalid value: [{"name":"v1","served":true,"storage":false}]: must have exactly one version marked as storage version`},
		{"no schema", version(`{"schema":null}`), "spec.versions[0].schema.openAPIV3Schema: Required value"},
		{"no schema in it", version(`{"schema":{}}`), "spec.versions[0].schema.openAPIV3Schema: Required value"},
		{"two of a name", func(crd map[string]any) {
			v := tree.List(crd, "spec", "versions")
			second := tree.Copy(v[0]).(map[string]any)
			second["storage"] = false
			tree.Set(crd, append(v, second), "spec", "versions")
		}, `spec.versions: Invalid value: [{"name":"v1","served":true,"storage":true},{"name":"v1","served":true,"storage":false}]: must contain unique version names`},
		{"warning", version(`{"deprecationWarning":"old"}`), `spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions`},
		{"empty warning", version(`{"deprecated":true,"deprecationWarning":""}`), `spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string`},
		{"warning of two lines", version(`{"deprecated":true,"deprecationWarning":"a\nb"}`),
			`spec.versions[0].deprecationWarning: Invalid value: "a\nb": must only contain printable UTF-8 characters; non-printable character found at index 1`},

		{"columns", version(`{"additionalPrinterColumns":[{"name":"A","type":"string","jsonPath":".spec.a"}]}`), ""},
		{"column", version(`{"additionalPrinterColumns":[{"type":"float","format":"x","jsonPath":"spec"},{"name":"A"}]}`), `spec.additionalPrinterColumns[0].name: Required value
spec.additionalPrinterColumns[0].type: Invalid value: "float": must be one of boolean,date,integer,number,string
spec.additionalPrinterColumns[0].format: Invalid value: "x": must be one of byte,date,date-time,double,float,int32,int64,password
spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with .
spec.additionalPrinterColumns[1].type: Required value: must be one of boolean,date,integer,number,string
spec.additionalPrinterColumns[1].JSONPath: Required value`},

		{"scale", version(`{"subresources":{"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas","labelSelectorPath":".status.selector"}}}`), ""},
		{"scale", version(`{"subresources":{"scale":{"specReplicasPath":".status.replicas","labelSelectorPath":".x.y"}}}`), `spec.subresources.scale.specReplicasPath: Invalid value: ".status.replicas": should be a json path under .spec
spec.subresources.scale.statusReplicasPath: Required value
spec.subresources.scale.labelSelectorPath: Invalid value: ".x.y": should be a json path under either .spec or .status`},

		{"conversion", set("Magic", "spec", "conversion", "strategy"), `spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"`},
		{"webhook", set("Webhook", "spec", "conversion", "strategy"), `spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook
spec.conversion.conversionReviewVersions: Required value`},
		{"webhook", set(objectOf(t, `{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://x"},"conversionReviewVersions":["v1","v1"]}}`), "spec", "conversion"),
			`spec.conversion.conversionReviewVersions[1]: Invalid value: "v1": duplicate version`},
		{"webhook", set(objectOf(t, `{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://x"},"conversionReviewVersions":["v7"]}}`), "spec", "conversion"),
			`spec.conversion.conversionReviewVersions: Invalid value: ["v7"]: must include at least one of v1, v1beta1`},
		{"no webhook", set(objectOf(t, `{"strategy":"None","webhook":{"clientConfig":{}}}`), "spec", "conversion"),
			`spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook`},

		{"stored version gone", set([]any{"v0", "v1"}, "status", "storedVersions"),
			`status.storedVersions[0]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions`},
		{"accepted names", set("Bad", "status", "acceptedNames", "plural"), `status.acceptedNames.plural: Invalid value: "Bad": ` + label},
		{"preserve", set(true, "spec", "preserveUnknownFields"), `spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead`},
		{"protected group", func(crd map[string]any) {
			tree.Set(crd, "x.k8s.io", "spec", "group")
			tree.Set(crd, "widgets.x.k8s.io", "metadata", "name")
		}, `metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111`},
		{"protected group, said so", func(crd map[string]any) {
			tree.Set(crd, "x.k8s.io", "spec", "group")
			tree.Set(crd, "widgets.x.k8s.io", "metadata", "name")
			tree.Set(crd, "unapproved, for a test", "metadata", "annotations", "api-approved.kubernetes.io")
		}, ""},

		{"nothing at all", func(crd map[string]any) { clear(crd) }, `spec.group: Required value
spec.scope: Required value
spec.versions: Invalid value: null: must have exactly one version marked as storage version
spec.names.plural: Required value
spec.names.singular: Required value
spec.names.kind: Required value
spec.names.listKind: Required value
status.storedVersions: Invalid value: null: must have at least one stored version`},
	} {
		if got := shown(CheckCRD(crdOf(t, plainSchema, row.change), nil)); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, row.want)
		}
	}
}

// TestCheckCRDSchema: what a schema may not say. Paths are from the schema's root.
func TestCheckCRDSchema(t *testing.T) {
	const root = "spec.validation.openAPIV3Schema"
	for _, row := range []struct{ name, Schema, want string }{
		{"no type", specSchema(`"a":{}`), "@.properties[spec].properties[a].type: Required value: must not be empty for specified object fields"},
		{"no type at the root", `{"properties":{}}`, "@.type: Required value: must not be empty at the root"},
		{"no type of items", specSchema(`"a":{"type":"array","items":{}}`), "@.properties[spec].properties[a].items.type: Required value: must not be empty for specified array items"},
		{"type at the root", `{"type":"array","items":{"type":"string"}}`, `@.type: Invalid value: "array": must be object at the root`},
		{"unknown type", specSchema(`"a":{"type":"map"}`), `@.properties[spec].properties[a].type: Unsupported value: "map": supported values: "array", "boolean", "integer", "number", "object", "string"`},
		{"null", specSchema(`"a":{"type":"null"}`), `@.properties[spec].properties[a].type: Unsupported value: "null": supported values: "array", "boolean", "integer", "number", "object", "string"` +
			"\n@.properties[spec].properties[a].type: Forbidden: type cannot be set to null, use nullable as an alternative"},
		{"type may be open", specSchema(`"a":{"x-kubernetes-int-or-string":true},"b":{"x-kubernetes-preserve-unknown-fields":true}`), ""},
		{"no items", specSchema(`"a":{"type":"array"}`), "@.properties[spec].properties[a].items: Required value: must be specified"},
		{"list of items", specSchema(`"a":{"type":"array","items":[{"type":"string"}]}`), "@.properties[spec].properties[a].items: Forbidden: items must be a schema object and not an array"},
		{"nullable root", `{"type":"object","nullable":true}`, "@.nullable: Forbidden: nullable cannot be true at the root"},
		{"additional at the root", `{"type":"object","additionalProperties":{"type":"string"}}`, "@.additionalProperties: Forbidden: must not be used at the root"},
		{"additional and properties", specSchema(`"a":{"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":{"type":"string"}}`),
			"@.properties[spec].properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"},
		{"additional true and properties", specSchema(`"a":{"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":true}`), ""},
		{"pattern", specSchema(`"a":{"type":"string","pattern":"["}`), "@.properties[spec].properties[a].pattern: Invalid value: \"[\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[`"},
		{"unsupported", specSchema(`"a":{"type":"object","$ref":"#/x","definitions":{"d":{}},"patternProperties":{"^a":{}},"dependencies":{"x":["y"]},"additionalItems":false,"id":"i","uniqueItems":true}`),
			"@A.id: Forbidden: id is not supported\n@A.additionalItems: Forbidden: additionalItems is not supported\n@A.patternProperties: Forbidden: patternProperties is not supported\n" +
				"@A.definitions: Forbidden: definitions is not supported\n@A.dependencies: Forbidden: dependencies is not supported\n@A.$ref: Forbidden: $ref is not supported\n" +
				"@A.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
		{"values of another type", `{"type":"object","properties":{"spec":5,"status":{"type":"object","required":[1],"maxLength":1.5,"nullable":"yes","description":1,"allOf":{}}}}`,
			"@.properties[spec]: Invalid value: 5: must be an object\n@.properties[status].allOf: Invalid value: {}: must be an array\n@.properties[status].description: Invalid value: 1: must be a string\n" +
				"@.properties[status].maxLength: Invalid value: 1.5: must be an integer\n@.properties[status].nullable: Invalid value: \"yes\": must be a boolean\n@.properties[status].required: Invalid value: [1]: must be an array of strings"},

		{"nested", specSchema(`"a":{"type":"object","properties":{"x":{"type":"integer"}},"allOf":[{"type":"object","description":"d","default":{},"nullable":true,"properties":{"x":{"type":"integer","minimum":1}}}]}`),
			"@A.allOf[0].default: Forbidden: must be undefined to be structural\n@A.allOf[0].description: Forbidden: must be empty to be structural\n@A.allOf[0].nullable: Forbidden: must be false to be structural\n" +
				"@A.allOf[0].properties[x].type: Forbidden: must be empty to be structural\n@A.allOf[0].type: Forbidden: must be empty to be structural"},
		{"nested extensions", specSchema(`"a":{"type":"array","items":{"type":"object","properties":{"k":{"type":"string"}},"required":["k"]},"not":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],
"items":{"type":"object","properties":{"k":{"minLength":1}},"required":["k"]}}}`),
			"@A.not.items.type: Forbidden: must be empty to be structural\n@A.not.type: Forbidden: must be empty to be structural\n" +
				"@A.not.x-kubernetes-list-map-keys: Forbidden: must be empty to be structural\n@A.not.x-kubernetes-list-type: Forbidden: must be undefined to be structural"},
		{"int or string may name types", specSchema(`"a":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}],"pattern":"^[0-9]+%?$"},
"b":{"x-kubernetes-int-or-string":true,"allOf":[{"anyOf":[{"type":"integer"},{"type":"string"}]},{"minimum":1}]}`), ""},
		{"int or string", specSchema(`"a":{"x-kubernetes-int-or-string":true,"x-kubernetes-preserve-unknown-fields":true}`),
			"@A.x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true"},
		{"incomplete", `{"type":"object","anyOf":[{"properties":{"spec":{"minProperties":1}}},{"required":["x"]}]}`,
			"@.properties[spec]: Required value: because it is defined in " + root + ".anyOf[0].properties[spec]"},
		{"metadata nested", `{"type":"object","properties":{"metadata":{"type":"object"}},"not":{"properties":{"metadata":{"maxProperties":1}}}}`,
			"@.not.properties[metadata]: Forbidden: must not be specified in a nested context"},

		{"metadata", `{"type":"object","properties":{"metadata":{"type":"object","properties":{"name":{"type":"string","pattern":"^a"},"generateName":{"type":"string"}}},"kind":{"type":"string"}}}`, ""},
		{"metadata labels", `{"type":"object","properties":{"metadata":{"type":"object","properties":{"labels":{"type":"object"}}}}}`,
			"@.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"},
		{"metadata required", `{"type":"object","properties":{"metadata":{"type":"object","required":["name"]}}}`,
			"@.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"},
		{"kind", `{"type":"object","properties":{"kind":{"type":"integer"},"metadata":{"type":"string"}}}`,
			"@.properties[kind].type: Invalid value: \"integer\": must be string\n@.properties[metadata].type: Invalid value: \"string\": must be object"},
		{"default of metadata", `{"type":"object","properties":{"metadata":{"type":"object","default":{}}}}`, "@.properties[metadata].default: Forbidden: must not be set in top-level metadata"},

		{"embedded", specSchema(`"a":{"type":"object","x-kubernetes-embedded-resource":true}`),
			"@A.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"},
		{"embedded", specSchema(`"a":{"x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}`), "@A.type: Required value: must be object if x-kubernetes-embedded-resource is true"},
		{"preserve false", specSchema(`"a":{"type":"object","x-kubernetes-preserve-unknown-fields":false}`), "@A.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"},

		{"list type", specSchema(`"a":{"type":"array","x-kubernetes-list-type":"bag","items":{"type":"string"}}`), `@A.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"`},
		{"list type of no list", specSchema(`"a":{"type":"string","x-kubernetes-list-type":"set"}`), `@A.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified`},
		{"map type", specSchema(`"a":{"type":"object","x-kubernetes-map-type":"loose"}`), `@A.x-kubernetes-map-type: Unsupported value: "loose": supported values: "atomic", "granular"`},
		{"set of objects", specSchema(`"a":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"object"}}`),
			`@A.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`},
		{"nullable items", specSchema(`"a":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string","nullable":true}}`), `@A.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set`},
		{"map without keys", specSchema(`"a":{"type":"array","x-kubernetes-list-type":"map","items":{"type":"object"}}`), "@A.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"},
		{"keys without map", specSchema(`"a":{"type":"array","x-kubernetes-list-map-keys":["k"],"items":{"type":"object"}}`), "@A.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty"},
		{"keys", specSchema(`"a":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k","l","m","k"],"items":{"type":"object","properties":{"k":{"type":"string"},"l":{"type":"object"}},"required":["l"]}}`),
			`@A.items.properties[l].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map
@A.x-kubernetes-list-map-keys: Invalid value: ["k","l","m","k"]: entries must all be names of item properties
@A.x-kubernetes-list-map-keys: Invalid value: ["k","l","m","k"]: must not contain duplicate entries
@A.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property
@A.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`},

		{"default", specSchema(`"a":{"type":"object","default":{"x":5},"properties":{"x":{"type":"integer","default":1}}}`), ""},
		{"default of another type", specSchema(`"a":{"type":"integer","default":"x"}`), `(type) @A.default: Invalid value: "string":  in body must be of type integer: "string"`},
		{"default out of bounds", specSchema(`"a":{"type":"object","default":{"x":5},"properties":{"x":{"type":"integer","maximum":1}}}`), `@A.default.x: Invalid value: 5: x in body should be less than or equal to 1`},
		{"default with unknown fields", specSchema(`"a":{"type":"object","default":{"x":5}}`), `@A.default: Invalid value: {"x":5}: must not have unknown fields`},
		{"default incomplete", specSchema(`"a":{"type":"object","default":{},"required":["x"],"properties":{"x":{"type":"integer","default":1}}}`), `@A.default.x: Required value`},

		{"rules", specSchema(`"a":{"type":"string","x-kubernetes-validations":[{"rule":" "},{"rule":"a\nb"},{"rule":"a","message":" "},{"rule":"a","message":"x\ny"},{"rule":"a","reason":"Bad"},{"rule":"self != ''","message":"m"}]}`),
			`@A.x-kubernetes-validations[0].rule: Required value: rule is not specified
@A.x-kubernetes-validations[1].message: Required value: message must be specified if rule contains line breaks
@A.x-kubernetes-validations[2].message: Invalid value: " ": must be non-empty if specified
@A.x-kubernetes-validations[3].message: Invalid value: "x\ny": must not contain line breaks
@A.x-kubernetes-validations[4].reason: Unsupported value: "Bad": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`},
	} {
		want := strings.ReplaceAll(strings.ReplaceAll(row.want, "@A", root+".properties[spec].properties[a]"), "@", root)
		if got := shown(CheckCRD(crdOf(t, row.Schema, nil), nil)); got != want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", row.name, row.Schema, got, want)
		}
	}
}

// TestCheckCRDStatusRoot: with the status subresource the root can say less.
func TestCheckCRDStatusRoot(t *testing.T) {
	status := func(crd map[string]any) {
		tree.Set(tree.List(crd, "spec", "versions")[0].(map[string]any), map[string]any{}, "subresources", "status")
	}
	if got := shown(CheckCRD(crdOf(t, `{"type":"object","required":["spec"],"properties":{"spec":{"type":"object"}},"description":"d"}`, status), nil)); got != "" {
		t.Errorf("good: %s", got)
	}
	got := shown(CheckCRD(crdOf(t, `{"type":"object","maxProperties":3}`, status), nil))
	if want := `spec.validation.openAPIV3Schema: Invalid value: {"maxProperties":3,"type":"object"}: only [Description Type `; !strings.HasPrefix(got, want) {
		t.Errorf("got %s", got)
	}
}

// TestCheckCRDVersions: with schemas that differ the paths are those of the versions.
func TestCheckCRDVersions(t *testing.T) {
	crd := crdOf(t, specSchema(`"a":{}`), func(crd map[string]any) {
		tree.Set(crd, append(tree.List(crd, "spec", "versions"), objectOf(t, `{"name":"v2","served":true,"schema":{"openAPIV3Schema":`+specSchema(`"a":{"type":"string"}`)+`}}`)), "spec", "versions")
	})
	want := "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[a].type: Required value: must not be empty for specified object fields"
	if got := shown(CheckCRD(crd, nil)); got != want {
		t.Errorf("got %s", got)
	}
}

func TestCheckSelectableFields(t *testing.T) {
	schema := specSchema(`"a":{"type":"string"},"n":{"type":"integer"},"o":{"type":"object","properties":{"b":{"type":"boolean"}}},"l":{"type":"array","items":{"type":"string"}},"m":{"type":"object","additionalProperties":{"type":"string"}}`)
	for _, row := range []struct{ paths, want string }{
		{".spec.a .spec.n .spec.o.b .spec.m.k", ""},
		{".spec.a .spec.a", `[1].jsonPath: Duplicate value: ".spec.a"`},
		{".spec.zzz", `[0].jsonPath: Invalid value: ".spec.zzz": is an invalid path: does not refer to a valid field`},
		{"spec.a", `[0].jsonPath: Invalid value: "spec.a": is an invalid path: expected [ or . but got: spec`},
		{".spec.l[0]", `[0].jsonPath: Invalid value: ".spec.l[0]": is an invalid path: array notation is not allowed`},
		{".spec.o", `[0].jsonPath: Invalid value: ".spec.o": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.`},
		{".spec.m.1 .spec.m.2 .spec.m.3 .spec.m.4 .spec.m.5 .spec.m.6 .spec.m.7 .spec.m.8 .spec.m.9", `: Too many: 9: must have at most 8 items`},
	} {
		crd := crdOf(t, schema, func(crd map[string]any) {
			var fields []any
			for p := range strings.FieldsSeq(row.paths) {
				fields = append(fields, map[string]any{"jsonPath": p})
			}
			tree.Set(tree.List(crd, "spec", "versions")[0].(map[string]any), fields, "selectableFields")
		})
		want := row.want
		if want != "" {
			want = "spec.selectableFields" + want
		}
		if got := shown(CheckCRD(crd, nil)); got != want {
			t.Errorf("%s: got %s, want %s", row.paths, got, want)
		}
	}
}

// TestCheckCRDUpdate: what cannot change.
func TestCheckCRDUpdate(t *testing.T) {
	change := func(crd map[string]any) {
		tree.Set(crd, "Cluster", "spec", "scope")
		tree.Set(crd, "Gadget", "spec", "names", "kind")
		tree.Set(crd, "gadgets", "spec", "names", "plural")
		tree.Set(crd, "other.com", "spec", "group")
	}
	old, next := crdOf(t, plainSchema, nil), crdOf(t, plainSchema, change)
	always := "spec.group: Invalid value: \"other.com\": field is immutable\nspec.names.plural: Invalid value: \"gadgets\": field is immutable"
	if got := shown(CheckCRD(next, old)); got != always {
		t.Errorf("not established: %s", got)
	}
	_, conditions := NameConflicts(old, nil, time.Now())
	tree.Set(old, conditions, "status", "conditions")
	want := "spec.scope: Invalid value: \"Cluster\": field is immutable\nspec.names.kind: Invalid value: \"Gadget\": field is immutable\n" + always
	if got := shown(CheckCRD(next, old)); got != want {
		t.Errorf("established: %s", got)
	}
}

// TestNameConflicts: who came first keeps a name; the last conflict is told.
func TestNameConflicts(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := crdOf(t, plainSchema, nil)
	accept := func(crd map[string]any, others ...map[string]any) string {
		names, conditions := NameConflicts(crd, others, now)
		tree.Set(crd, names, "status", "acceptedNames")
		tree.Set(crd, conditions, "status", "conditions")
		var texts []string
		for _, c := range conditions {
			texts = append(texts, fmt.Sprint(tree.At(c, "type"), "=", tree.At(c, "status"), " ", tree.At(c, "reason"), ": ", tree.At(c, "message"), " ", tree.At(c, "lastTransitionTime")))
		}
		return string(tree.AppendJSON(nil, names)) + "\n" + strings.Join(texts, "\n")
	}
	const accepted = `{"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"}
NamesAccepted=True NoConflicts: no conflicts found 2026-01-02T03:04:05Z
Established=True InitialNamesAccepted: the initial names have been accepted 2026-01-02T03:04:05Z`
	if got := accept(first); got != accepted {
		t.Fatalf("got %s", got)
	}
	now = now.Add(time.Hour)
	if got := accept(first, first); got != accepted {
		t.Errorf("again, an hour later: %s", got)
	}

	second := crdOf(t, plainSchema, func(crd map[string]any) {
		tree.Set(crd, "gizmos.example.com", "metadata", "name")
		tree.Set(crd, objectOf(t, `{"plural":"gizmos","kind":"Widget","shortNames":["widget","gz"],"categories":["all"]}`), "spec", "names")
	})
	const refused = `{"categories":["all"],"kind":"","plural":"gizmos"}
NamesAccepted=False ListKindConflict: "WidgetList" is already in use 2026-01-02T04:04:05Z
Established=False NotAccepted: not all names are accepted 2026-01-02T04:04:05Z`
	if got := accept(second, first); got != refused {
		t.Errorf("second: %s", got)
	}
	now = now.Add(time.Hour)
	if got := accept(second); !strings.Contains(got, `"shortNames":["widget","gz"]`) || !strings.HasSuffix(got, "Established=True InitialNamesAccepted: the initial names have been accepted 2026-01-02T05:04:05Z") {
		t.Errorf("when the first is gone: %s", got)
	}

	other := crdOf(t, plainSchema, func(crd map[string]any) {
		tree.Set(crd, "widgets.other.com", "metadata", "name")
		tree.Set(crd, "other.com", "spec", "group")
	})
	if got := accept(other, first, second); !strings.Contains(got, "NoConflicts") {
		t.Errorf("in another group: %s", got)
	}

	tree.Set(first, "other", "spec", "names", "singular")
	tree.Set(second, map[string]any{"singular": "other"}, "status", "acceptedNames")
	if got := accept(first, second); !strings.Contains(got, `"singular":"widget"`) || !strings.Contains(got, `False SingularConflict: "other" is already in use`) || !strings.Contains(got, "Established=True") {
		t.Errorf("a conflict later on: %s", got)
	}
}
