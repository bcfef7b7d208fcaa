package schema_test

import (
	"strings"
	"testing"
)

// ruleRow is a schema and what a definition with it is refused for. In want @A stands for the
// path of the field spec.a, and @ for that of the schema, which is spec.validation although
// the request has it in its version: there is only one version, so all agree on it.
type ruleRow struct{ name, schema, want string }

const rootPath = "spec.validation.openAPIV3Schema"

// ruleTable checks the rows. The order of errors is compared only where want says so by
// having them in order: both sides are sorted.
func ruleTable(t *testing.T, rows []ruleRow) {
	t.Helper()
	for _, row := range rows {
		want := strings.NewReplacer("@A", rootPath+".properties[spec].properties[a]", "@", rootPath).Replace(row.want)
		if got := check(t, definition(t, row.schema), nil); sortLines(got) != sortLines(want) {
			t.Errorf("%s: %s\ngot  %s\nwant %s", row.name, row.schema, got, want)
		}
	}
}

// fieldA makes a schema with the field spec.a.
func fieldA(rules string) string { return withSpec(`"a":{` + rules + `}`) }

// TestRuleTypes: each place has a type, but for those that may hold anything or two types.
func TestRuleTypes(t *testing.T) {
	const (
		noField = "Required @A.type: Required value: must not be empty for specified object fields"
		types   = `supported values: "array", "boolean", "integer", "number", "object", "string"`
	)
	rows := []ruleRow{
		{"root", `{}`, "Required @.type: Required value: must not be empty at the root"},
		{"root with properties", `{"properties":{"spec":{"type":"object"}}}`, "Required @.type: Required value: must not be empty at the root"},
		{"root of another type", `{"type":"string"}`, `Invalid @.type: Invalid value: "string": must be object at the root`},
		{"root that is open", `{"x-kubernetes-preserve-unknown-fields":true}`, ""},
		{"field", fieldA(``), noField},
		{"field with rules", fieldA(`"minLength":1`), noField},
		{"field with an empty type", fieldA(`"type":""`), noField},
		{"open field", fieldA(`"x-kubernetes-preserve-unknown-fields":true`), ""},
		{"field of two types", fieldA(`"x-kubernetes-int-or-string":true`), ""},
		{"items", fieldA(`"type":"array","items":{}`), "Required @A.items.type: Required value: must not be empty for specified array items"},
		{"items of items", fieldA(`"type":"array","items":{"type":"array","items":{}}`), "Required @A.items.items.type: Required value: must not be empty for specified array items"},
		{"open items", fieldA(`"type":"array","items":{"x-kubernetes-preserve-unknown-fields":true}`), ""},
		{"items of two types", fieldA(`"type":"array","items":{"x-kubernetes-int-or-string":true}`), ""},
		{"values of a map", fieldA(`"type":"object","additionalProperties":{}`), "Required @A.additionalProperties.type: Required value: must not be empty for specified object fields"},
		{"field of items", fieldA(`"type":"array","items":{"type":"object","properties":{"b":{}}}`),
			"Required @A.items.properties[b].type: Required value: must not be empty for specified object fields"},
		{"field of values", fieldA(`"type":"object","additionalProperties":{"type":"object","properties":{"b":{}}}`),
			"Required @A.additionalProperties.properties[b].type: Required value: must not be empty for specified object fields"},
		{"two fields", withSpec(`"b":{},"a":{}`), noField + "\nRequired @.properties[spec].properties[b].type: Required value: must not be empty for specified object fields"},
		{"no items", fieldA(`"type":"array"`), "Required @A.items: Required value: must be specified"},
		{"no items of items", fieldA(`"type":"array","items":{"type":"array"}`), "Required @A.items.items: Required value: must be specified"},
		{"a list of items", fieldA(`"type":"array","items":[{"type":"string"}]`), "Forbidden @A.items: Forbidden: items must be a schema object and not an array"},
		{"null", fieldA(`"type":"null"`), `NotSupported @A.type: Unsupported value: "null": ` + types + "\n" +
			"Forbidden @A.type: Forbidden: type cannot be set to null, use nullable as an alternative"},
	}
	for _, typ := range []string{"boolean", "integer", "number", "object", "string"} {
		rows = append(rows, ruleRow{typ, fieldA(`"type":"` + typ + `"`), ""})
	}
	for _, typ := range []string{"Integer", "int", "any", "file", "map"} {
		rows = append(rows, ruleRow{typ, fieldA(`"type":"` + typ + `"`), `NotSupported @A.type: Unsupported value: "` + typ + `": ` +
			types})
	}
	ruleTable(t, rows)
}

// TestRuleAdditionalProperties: a map or a struct, never both, and neither at the root nor in
// a resource, where the fields of every resource would be lost in it.
func TestRuleAdditionalProperties(t *testing.T) {
	const (
		atRoot   = "Forbidden @.additionalProperties: Forbidden: must not be used at the root"
		both     = "Forbidden @A.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
		embedded = "Forbidden @A.additionalProperties: Forbidden: must not be used if x-kubernetes-embedded-resource is set"
	)
	ruleTable(t, []ruleRow{
		{"schema at the root", `{"type":"object","additionalProperties":{"type":"string"}}`, atRoot},
		{"true at the root", `{"type":"object","additionalProperties":true}`, atRoot},
		{"false at the root", `{"type":"object","additionalProperties":false}`, atRoot},
		{"root of both", `{"type":"object","properties":{"spec":{"type":"object"}},"additionalProperties":{"type":"string"}}`,
			atRoot + "\nForbidden @.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"},
		{"schema", fieldA(`"type":"object","additionalProperties":{"type":"string"}`), ""},
		{"true", fieldA(`"type":"object","additionalProperties":true`), ""},
		{"false", fieldA(`"type":"object","additionalProperties":false`), ""},
		{"schema and properties", fieldA(`"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":{"type":"string"}`), both},
		{"false and properties", fieldA(`"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":false`), both},
		{"true and properties", fieldA(`"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":true`), ""},
		{"schema and no properties", fieldA(`"type":"object","properties":{},"additionalProperties":{"type":"string"}`), ""},
		{"embedded", fieldA(`"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true,"additionalProperties":{"type":"string"}`), embedded},
		{"embedded, true", fieldA(`"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true,"additionalProperties":true`), embedded},
	})
}

// TestRuleResources: what the root and an embedded resource may say of the fields that every
// resource has.
func TestRuleResources(t *testing.T) {
	const (
		open     = `"x-kubernetes-preserve-unknown-fields":true`
		embedded = `"type":"object","x-kubernetes-embedded-resource":true`
		metadata = "Forbidden @.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
	)
	root := func(properties string) string { return `{"type":"object","properties":{` + properties + `}}` }
	meta := func(rules string) string { return root(`"metadata":{` + rules + `}`) }
	ruleTable(t, []ruleRow{
		{"types of resources", root(`"apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"}`), ""},
		{"apiVersion", root(`"apiVersion":{"type":"integer"}`), `Invalid @.properties[apiVersion].type: Invalid value: "integer": must be string`},
		{"kind", root(`"kind":{"type":"object"}`), `Invalid @.properties[kind].type: Invalid value: "object": must be string`},
		{"metadata", root(`"metadata":{"type":"string"}`), `Invalid @.properties[metadata].type: Invalid value: "string": must be object`},
		{"name", meta(`"type":"object","properties":{"name":{"type":"string","maxLength":20}}`), ""},
		{"generateName", meta(`"type":"object","properties":{"generateName":{"type":"string","pattern":"^a"}}`), ""},
		{"both names", meta(`"type":"object","properties":{"name":{"type":"string"},"generateName":{"type":"string"}}`), ""},
		{"names and labels", meta(`"type":"object","properties":{"name":{"type":"string"},"labels":{"type":"object"}}`), metadata},
		{"annotations", meta(`"type":"object","properties":{"annotations":{"type":"object"}}`), metadata},
		{"described", meta(`"type":"object","description":"d"`), metadata},
		{"required", meta(`"type":"object","required":["name"]`), metadata},
		{"titled", meta(`"type":"object","title":"t"`), metadata},
		{"nullable", meta(`"type":"object","nullable":true`), metadata},
		{"counted", meta(`"type":"object","maxProperties":3`), metadata},
		{"preserved", meta(`"type":"object",` + open), metadata},
		{"map", meta(`"type":"object","additionalProperties":{"type":"string"}`), metadata},

		{"not at the root", withSpec(`"kind":{"type":"integer"},"apiVersion":{"type":"boolean"},"metadata":{"type":"string"}`), ""},
		{"any metadata below", withSpec(`"metadata":{"type":"object","description":"d","properties":{"labels":{"type":"object"}}}`), ""},

		{"embedded, no type", fieldA(`"x-kubernetes-embedded-resource":true,` + open), "Required @A.type: Required value: must be object if x-kubernetes-embedded-resource is true"},
		{"embedded text", fieldA(`"type":"string","x-kubernetes-embedded-resource":true,` + open), `Invalid @A.type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true`},
		{"embedded, closed", fieldA(embedded), "Required @A.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"},
		{"embedded, no properties", fieldA(embedded + `,"properties":{}`),
			"Required @A.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"},
		{"embedded, open", fieldA(embedded + `,` + open), ""},
		{"embedded with properties", fieldA(embedded + `,"properties":{"spec":{"type":"object"}}`), ""},
		{"embedded types", fieldA(embedded + `,"properties":{"apiVersion":{"type":"integer"},"kind":{"type":"boolean"},"metadata":{"type":"array","items":{"type":"string"}}}`),
			`Invalid @A.properties[apiVersion].type: Invalid value: "integer": must be string` + "\n" + `Invalid @A.properties[kind].type: Invalid value: "boolean": must be string` + "\n" +
				`Invalid @A.properties[metadata].type: Invalid value: "array": must be object`},
		{"embedded, any metadata", fieldA(embedded + `,"properties":{"metadata":{"type":"object","properties":{"labels":{"type":"object","additionalProperties":{"type":"string"}}}}}`), ""},
		{"embedded in metadata", fieldA(embedded + `,"properties":{"metadata":{` + embedded + `,` + open + `}}`),
			"Forbidden @A.properties[metadata].x-kubernetes-embedded-resource: Forbidden: must not be used inside of resource meta"},
		{"embedded of two types", fieldA(`"x-kubernetes-int-or-string":true,"x-kubernetes-embedded-resource":true,` + open),
			"Required @A.type: Required value: must be object if x-kubernetes-embedded-resource is true\n" +
				"Invalid @A.x-kubernetes-embedded-resource: Invalid value: true: must be false if x-kubernetes-int-or-string is true\n" +
				"Invalid @A.x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true"},
		{"open and of two types", fieldA(`"x-kubernetes-int-or-string":true,` + open),
			"Invalid @A.x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true"},
		{"closed by hand", fieldA(`"type":"object","x-kubernetes-preserve-unknown-fields":false`),
			"Invalid @A.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"},
	})
}

// TestRuleNested: allOf, anyOf, oneOf and not only look at values. Whatever decides which
// fields there are is forbidden in them, at every depth.
func TestRuleNested(t *testing.T) {
	const body = `"type":"object","properties":{"b":{"type":"object","properties":{"c":{"type":"array","items":{"type":"string"}}}}}`
	forbidden := []struct{ keyword, value, must string }{
		{"type", `"object"`, "empty"},
		{"title", `"t"`, "empty"},
		{"description", `"d"`, "empty"},
		{"nullable", `true`, "false"},
		{"additionalProperties", `true`, "undefined"},
		{"default", `{}`, "undefined"},
		{"default", `0`, "undefined"},
		{"x-kubernetes-preserve-unknown-fields", `true`, "false"},
		{"x-kubernetes-embedded-resource", `true`, "false"},
		{"x-kubernetes-int-or-string", `true`, "false"},
		{"x-kubernetes-list-type", `"atomic"`, "undefined"},
		{"x-kubernetes-map-type", `"atomic"`, "undefined"},
	}
	// What the keyword rules say besides, of types that are missing here for good reason.
	besides := map[string]string{
		"x-kubernetes-list-type": "\nRequired %.type: Required value: must be array if x-kubernetes-list-type is specified",
		"x-kubernetes-map-type":  "\nRequired %.type: Required value: must be object if x-kubernetes-map-type is specified",
	}
	var rows []ruleRow
	for _, junctor := range []struct{ open, end, path string }{
		{`"allOf":[`, `]`, "@A.allOf[0]"},
		{`"anyOf":[`, `]`, "@A.anyOf[0]"},
		{`"oneOf":[`, `]`, "@A.oneOf[0]"},
		{`"not":`, ``, "@A.not"},
		{`"allOf":[{},{"anyOf":[`, `]}]`, "@A.allOf[1].anyOf[0]"},
		{`"not":{"not":`, `}`, "@A.not.not"},
		{`"anyOf":[{"properties":{"b":`, `}}]`, "@A.anyOf[0].properties[b]"},
		{`"oneOf":[{"properties":{"b":{"properties":{"c":{"items":`, `}}}}}]`, "@A.oneOf[0].properties[b].properties[c].items"},
	} {
		for _, f := range forbidden {
			nested := `{"` + f.keyword + `":` + f.value + `}`
			want := "Forbidden " + junctor.path + "." + f.keyword + ": Forbidden: must be " + f.must + " to be structural" +
				strings.ReplaceAll(besides[f.keyword], "%", junctor.path)
			rows = append(rows, ruleRow{f.keyword, fieldA(body + `,` + junctor.open + nested + junctor.end), want})
		}
		rows = append(rows,
			ruleRow{"values", fieldA(body + `,` + junctor.open + `{"minLength":1,"maximum":5,"enum":["x"],"pattern":"a","format":"date"}` + junctor.end), ""},
			ruleRow{"nothing", fieldA(body + `,` + junctor.open + `{"nullable":false,"title":"","description":"","x-kubernetes-int-or-string":false}` + junctor.end), ""},
			ruleRow{"rules", fieldA(body + `,` + junctor.open + `{"x-kubernetes-validations":[{"rule":"true"}]}` + junctor.end),
				"Forbidden " + junctor.path + ".x-kubernetes-validations: Forbidden: must be empty to be structural"})
	}
	rows = append(rows,
		ruleRow{"map keys", fieldA(`"type":"array","items":{"type":"string"},"allOf":[{"x-kubernetes-list-map-keys":["k"]}]`),
			"Forbidden @A.allOf[0].x-kubernetes-list-map-keys: Forbidden: must be empty to be structural\n" +
				"Required @A.allOf[0].x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty"},
		ruleRow{"a map of values", fieldA(`"type":"object","additionalProperties":{"type":"string"},"not":{"additionalProperties":{"minLength":1}}`),
			"Forbidden @A.not.additionalProperties: Forbidden: must be undefined to be structural"},
		ruleRow{"metadata", `{"type":"object","properties":{"metadata":{"type":"object"}},"anyOf":[{"properties":{"metadata":{"maxProperties":1}}}]}`,
			"Forbidden @.anyOf[0].properties[metadata]: Forbidden: must not be specified in a nested context"},
		ruleRow{"metadata below", fieldA(`"type":"object","properties":{"metadata":{"type":"object"}},"not":{"properties":{"metadata":{"maxProperties":1}}}`),
			"Forbidden @A.not.properties[metadata]: Forbidden: must not be specified in a nested context"},
	)
	ruleTable(t, rows)
}

// TestRuleIntOrString: anyOf may name the two types, in this order and alone, and so may the
// first schema of allOf.
func TestRuleIntOrString(t *testing.T) {
	const (
		both = `"x-kubernetes-int-or-string":true`
		pair = `"anyOf":[{"type":"integer"},{"type":"string"}]`
	)
	typed := func(paths ...string) string {
		var out []string
		for _, p := range paths {
			out = append(out, "Forbidden @A."+p+".type: Forbidden: must be empty to be structural")
		}
		return strings.Join(out, "\n")
	}
	ruleTable(t, []ruleRow{
		{"pair", fieldA(both + `,` + pair), ""},
		{"pair with a pattern", fieldA(both + `,` + pair + `,"pattern":"%$","maximum":100`), ""},
		{"pair without the extension", fieldA(`"type":"string",` + pair), ""},
		{"turned round", fieldA(both + `,"anyOf":[{"type":"string"},{"type":"integer"}]`), typed("anyOf[0]", "anyOf[1]")},
		{"three", fieldA(both + `,"anyOf":[{"type":"integer"},{"type":"string"},{"minimum":1}]`), typed("anyOf[0]", "anyOf[1]")},
		{"one", fieldA(both + `,"anyOf":[{"type":"integer"}]`), typed("anyOf[0]")},
		{"with more", fieldA(both + `,"anyOf":[{"type":"integer","minimum":1},{"type":"string"}]`), typed("anyOf[0]", "anyOf[1]")},
		{"oneOf", fieldA(both + `,"oneOf":[{"type":"integer"},{"type":"string"}]`), typed("oneOf[0]", "oneOf[1]")},
		{"first of allOf", fieldA(both + `,"allOf":[{` + pair + `},{"maximum":5}]`), ""},
		{"first of allOf alone", fieldA(both + `,"allOf":[{` + pair + `}]`), ""},
		{"second of allOf", fieldA(both + `,"allOf":[{"maximum":5},{` + pair + `}]`), typed("allOf[1].anyOf[0]", "allOf[1].anyOf[1]")},
		{"first and second of allOf", fieldA(both + `,"allOf":[{` + pair + `},{` + pair + `}]`), typed("allOf[1].anyOf[0]", "allOf[1].anyOf[1]")},
		{"in not", fieldA(both + `,"not":{` + pair + `}`), typed("not.anyOf[0]", "not.anyOf[1]")},
	})
}

// TestRuleCompleteness: what the root's alternatives speak of has to be specified outside of
// them; the error is about the place where it is missing. Upstream asks this of the root's
// alternatives only, however deep they reach, and not of those of its fields.
func TestRuleCompleteness(t *testing.T) {
	missing := func(where, from string) string {
		return "Required @." + where + ": Required value: because it is defined in @." + from
	}
	const body = `"type":"object","properties":{"o":{"type":"object","properties":{"x":{"type":"string"}}},"l":{"type":"array","items":{"type":"object","properties":{"x":{"type":"string"}}}},` +
		`"m":{"type":"object","additionalProperties":{"type":"string"}},"p":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"s":{"type":"string"}}`
	var rows []ruleRow
	for _, j := range []struct{ open, end, path string }{
		{`"allOf":[`, `]`, "allOf[0]"}, {`"anyOf":[{},`, `]`, "anyOf[1]"}, {`"oneOf":[`, `]`, "oneOf[0]"}, {`"not":`, ``, "not"},
		{`"not":{"allOf":[`, `]}`, "not.allOf[0]"}, {`"anyOf":[{"oneOf":[{"not":`, `}]}]`, "anyOf[0].oneOf[0].not"},
	} {
		for _, r := range []struct{ nested, where, from string }{
			{`{"properties":{"s":{"minLength":1}}}`, "", ""},
			{`{"properties":{"o":{"properties":{"x":{"minLength":1}}}}}`, "", ""},
			{`{"properties":{"l":{"items":{"properties":{"x":{"minLength":1}}}}}}`, "", ""},
			{`{"required":["c"]}`, "", ""}, // a name that is required is not a property
			{`{"properties":{"c":{"minLength":1}}}`, "properties[c]", "properties[c]"},
			{`{"properties":{"c":{}}}`, "properties[c]", "properties[c]"},
			{`{"properties":{"o":{"properties":{"y":{"minLength":1}}}}}`, "properties[o].properties[y]", "properties[o].properties[y]"},
			{`{"properties":{"l":{"items":{"properties":{"y":{"minLength":1}}}}}}`, "properties[l].items.properties[y]", "properties[l].items.properties[y]"},
			{`{"properties":{"s":{"items":{"minLength":1}}}}`, "properties[s].items", "properties[s].items"},
			{`{"properties":{"m":{"properties":{"y":{"minLength":1}}}}}`, "properties[m].properties[y]", "properties[m].properties[y]"},
			{`{"properties":{"p":{"properties":{"y":{"minLength":1}}}}}`, "properties[p].properties[y]", "properties[p].properties[y]"},
			{`{"properties":{"o":{"anyOf":[{"properties":{"y":{}}}]}}}`, "properties[o].properties[y]", "properties[o].anyOf[0].properties[y]"},
			{`{"items":{"minLength":1}}`, "items", "items"},
		} {
			row := ruleRow{"at the root", `{` + body + `,` + j.open + r.nested + j.end + `}`, ""}
			if r.where != "" {
				row.want = missing(r.where, j.path+"."+r.from)
			}
			below := ruleRow{"below", fieldA(body + `,` + j.open + r.nested + j.end), ""}
			rows = append(rows, row, below)
		}
	}
	ruleTable(t, append(rows, ruleRow{"two", `{"type":"object","not":{"properties":{"c":{},"d":{}}}}`,
		missing("properties[c]", "not.properties[c]") + "\n" + missing("properties[d]", "not.properties[d]")}))
}

// TestRulePatterns: a regular expression has to be one of Go's, wherever it stands. Since the
// same text may stand in many places, each is told.
func TestRulePatterns(t *testing.T) {
	bad := func(path, pattern, why string) string {
		return "Invalid " + path + `.pattern: Invalid value: "` + pattern +
			`": must be a valid regular expression, but isn't: error parsing regexp: ` + why
	}
	ruleTable(t, []ruleRow{
		{"good", fieldA(`"type":"string","pattern":"^[a-z]+(-[0-9]{1,3})?$"`), ""},
		{"bracket", fieldA(`"type":"string","pattern":"[a"`), bad("@A", "[a", "missing closing ]: `[a`")},
		{"parenthesis", fieldA(`"type":"string","pattern":"(a"`), bad("@A", "(a", "missing closing ): `(a`")},
		{"star", fieldA(`"type":"string","pattern":"*a"`), bad("@A", "*a", "missing argument to repetition operator: `*`")},
		{"lookahead", fieldA(`"type":"string","pattern":"(?=a)"`), bad("@A", "(?=a)", "invalid or unsupported Perl syntax: `(?=`")},
		{"too many", fieldA(`"type":"string","pattern":"a{2000}"`), bad("@A", "a{2000}", "invalid repeat count: `{2000}`")},
		{"nested", fieldA(`"type":"string","not":{"pattern":"[a"}`), bad("@A.not", "[a", "missing closing ]: `[a`")},
		{"of items", fieldA(`"type":"array","items":{"type":"string","pattern":"[a"}`), bad("@A.items", "[a", "missing closing ]: `[a`")},
		{"of values", fieldA(`"type":"object","additionalProperties":{"type":"string","pattern":"[a"}`), bad("@A.additionalProperties", "[a", "missing closing ]: `[a`")},
		{"twice", withSpec(`"a":{"type":"string","pattern":"[a"},"b":{"type":"string","pattern":"[a"}`),
			bad("@A", "[a", "missing closing ]: `[a`") + "\n" + bad("@.properties[spec].properties[b]", "[a", "missing closing ]: `[a`")},
	})
}

// TestRuleUnsupported: keywords of JSON schema that are refused wherever they stand. While
// there is one, what is structural is not told: no structural schema can be made of it.
func TestRuleUnsupported(t *testing.T) {
	var rows []ruleRow
	for keyword, value := range map[string]string{
		"id": `"x"`, "$ref": `"#/x"`, "definitions": `{"d":{"type":"string"}}`, "patternProperties": `{"^a":{"type":"string"}}`,
		"additionalItems": `{"type":"string"}`, "dependencies": `{"a":["b"]}`,
	} {
		refused := func(path string) string {
			return "Forbidden " + path + "." + keyword + ": Forbidden: " + keyword + " is not supported"
		}
		rules := `"` + keyword + `":` + value
		rows = append(rows,
			ruleRow{keyword, fieldA(`"type":"object",` + rules), refused("@A")},
			ruleRow{keyword + " at the root", `{"type":"object",` + rules + `}`, refused("@")},
			ruleRow{keyword + " of items", fieldA(`"type":"array","items":{"type":"object",` + rules + `}`), refused("@A.items")},
			ruleRow{keyword + " of values", fieldA(`"type":"object","additionalProperties":{"type":"object",` + rules + `}`), refused("@A.additionalProperties")},
			ruleRow{keyword + " nested", fieldA(`"type":"object","allOf":[{` + rules + `}]`), refused("@A.allOf[0]")},
			ruleRow{keyword + " and no type", fieldA(rules), refused("@A")},
		)
	}
	const unique = ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
	ruleTable(t, append(rows,
		ruleRow{"unique", fieldA(`"type":"array","uniqueItems":true,"items":{"type":"string"}`), "Forbidden @A" + unique},
		ruleRow{"unique of items", fieldA(`"type":"array","items":{"type":"array","uniqueItems":true,"items":{"type":"string"}}`), "Forbidden @A.items" + unique},
		ruleRow{"not unique", fieldA(`"type":"array","uniqueItems":false,"items":{"type":"string"}`), ""},
		ruleRow{"nullable root", `{"type":"object","nullable":true}`, "Forbidden @.nullable: Forbidden: nullable cannot be true at the root"},
		ruleRow{"root that is not nullable", `{"type":"object","nullable":false}`, ""},
		ruleRow{"words", fieldA(`"type":"string","title":"t","description":"d","example":{"x":1},"externalDocs":{"url":"https://x"}`), ""},
	))
}

// TestRuleListTypes: what x-kubernetes-list-type and its keys may be beside.
func TestRuleListTypes(t *testing.T) {
	const (
		set    = `"type":"array","x-kubernetes-list-type":"set"`
		asMap  = `"type":"array","x-kubernetes-list-type":"map"`
		byK    = asMap + `,"x-kubernetes-list-map-keys":["k"]`
		member = "must be atomic as item of a list with x-kubernetes-list-type=set"
	)
	items := func(properties, rest string) string {
		return `,"items":{"type":"object","properties":{` + properties + `}` + rest + `}`
	}
	rows := []ruleRow{
		{"atomic", fieldA(`"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"string"}`), ""},
		{"strange", fieldA(`"type":"array","x-kubernetes-list-type":"bag","items":{"type":"string"}`), `NotSupported @A.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map"`},
		{"no list", fieldA(`"type":"object","x-kubernetes-list-type":"atomic"`), `Invalid @A.type: Invalid value: "object": must be array if x-kubernetes-list-type is specified`},
		{"no type", fieldA(`"x-kubernetes-preserve-unknown-fields":true,"x-kubernetes-list-type":"set"`), `Required @A.type: Required value: must be array if x-kubernetes-list-type is specified`},

		{"set of texts", fieldA(set + `,"items":{"type":"string"}`), ""},
		{"set of open values", fieldA(set + `,"items":{"x-kubernetes-preserve-unknown-fields":true}`), ""},
		{"set of atomic lists", fieldA(set + `,"items":{"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"string"}}`), ""},
		{"set of lists", fieldA(set + `,"items":{"type":"array","items":{"type":"string"}}`), ""},
		{"set of sets", fieldA(set + `,"items":{` + set + `,"items":{"type":"string"}}`), `Invalid @A.items.x-kubernetes-list-type: Invalid value: "set": ` + member},
		{"set of atomic objects", fieldA(set + `,"items":{"type":"object","x-kubernetes-map-type":"atomic"}`), ""},
		{"set of objects", fieldA(set + `,"items":{"type":"object"}`), `Invalid @A.items.x-kubernetes-map-type: Invalid value: null: ` + member},
		{"set of granular objects", fieldA(set + `,"items":{"type":"object","x-kubernetes-map-type":"granular"}`), `Invalid @A.items.x-kubernetes-map-type: Invalid value: null: ` + member},
		{"set of nullable items", fieldA(set + `,"items":{"type":"string","nullable":true}`), "Forbidden @A.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set"},

		{"map", fieldA(byK + items(`"k":{"type":"string"}`, `,"required":["k"]`)), ""},
		{"map by a default", fieldA(byK + items(`"k":{"type":"string","default":"x"}`, ``)), ""},
		{"map without keys", fieldA(asMap + items(`"k":{"type":"string"}`, ``)), "Required @A.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"},
		{"keys without a map", fieldA(`"type":"array","x-kubernetes-list-map-keys":["k"]` + items(`"k":{"type":"string"}`, ``)),
			"Required @A.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty"},
		{"keys of a set", fieldA(set + `,"x-kubernetes-list-map-keys":["k"],"items":{"type":"string"}`), `Invalid @A.x-kubernetes-list-type: Invalid value: "set": must be map if x-kubernetes-list-map-keys is non-empty`},
		{"map of texts", fieldA(byK + `,"items":{"type":"string"}`), `Invalid @A.items.type: Invalid value: "string": must be object if parent array's x-kubernetes-list-type is map`},
		{"map of nothing", fieldA(byK), "Required @A.items: Required value: must be specified\nRequired @A.items: Required value: must have a schema if x-kubernetes-list-type is map"},
		{"unknown key", fieldA(byK + items(`"l":{"type":"string"}`, ``)), `Invalid @A.x-kubernetes-list-map-keys: Invalid value: ["k"]: entries must all be names of item properties`},
		{"key twice", fieldA(asMap + `,"x-kubernetes-list-map-keys":["k","k"]` + items(`"k":{"type":"string"}`, `,"required":["k"]`)),
			`Invalid @A.x-kubernetes-list-map-keys: Invalid value: ["k","k"]: must not contain duplicate entries`},
		{"object as key", fieldA(byK + items(`"k":{"type":"object"}`, `,"required":["k"]`)),
			`Invalid @A.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map`},
		{"list as key", fieldA(byK + items(`"k":{"type":"array","items":{"type":"string"}}`, `,"required":["k"]`)),
			`Invalid @A.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map`}, // the type of the items, as upstream has it
		{"optional key", fieldA(byK + items(`"k":{"type":"string"}`, ``)),
			"Required @A.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"},
		{"nullable key", fieldA(byK + items(`"k":{"type":"string","nullable":true}`, `,"required":["k"]`)),
			"Forbidden @A.items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable"},
		{"nullable items of a map", fieldA(byK + items(`"k":{"type":"string"}`, `,"required":["k"],"nullable":true`)), "Forbidden @A.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map"},
		{"map in values", fieldA(`"type":"object","additionalProperties":{` + asMap + items(`"k":{"type":"string"}`, ``) + `}`),
			"Required @A.additionalProperties.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"},

		{"atomic object", fieldA(`"type":"object","x-kubernetes-map-type":"atomic"`), ""},
		{"granular object", fieldA(`"type":"object","x-kubernetes-map-type":"granular"`), ""},
		{"strange object", fieldA(`"type":"object","x-kubernetes-map-type":"Atomic"`), `NotSupported @A.x-kubernetes-map-type: Unsupported value: "Atomic": supported values: "atomic", "granular"`},
		{"map type of a text", fieldA(`"type":"string","x-kubernetes-map-type":"atomic"`), `Invalid @A.type: Invalid value: "string": must be object if x-kubernetes-map-type is specified`},
		{"map type of anything", fieldA(`"x-kubernetes-preserve-unknown-fields":true,"x-kubernetes-map-type":"atomic"`), `Required @A.type: Required value: must be object if x-kubernetes-map-type is specified`},
	}
	for _, scalar := range []string{"integer", "number", "boolean", "string"} {
		rows = append(rows, ruleRow{scalar + " as key", fieldA(byK + items(`"k":{"type":"`+scalar+`"}`, `,"required":["k"]`)), ""})
	}
	ruleTable(t, rows)
}

// TestRuleDefaults: a default obeys its own schema and has no unknown fields; there is none
// in the metadata of the object itself.
func TestRuleDefaults(t *testing.T) {
	const (
		embedded = `"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true`
		unknown  = ": must not have unknown fields"
	)
	ruleTable(t, []ruleRow{
		{"text", fieldA(`"type":"string","default":"x"`), ""},
		{"integer as a number", fieldA(`"type":"number","default":1`), ""},
		{"list", fieldA(`"type":"array","items":{"type":"integer"},"default":[1,2]`), ""},
		{"null for nothing", fieldA(`"type":"string","default":null`), ""},
		{"false, zero, empty", withSpec(`"a":{"type":"boolean","default":false},"b":{"type":"integer","default":0},"c":{"type":"string","default":""},"d":{"type":"object","default":{}}`), ""},
		{"two types", withSpec(`"a":{"x-kubernetes-int-or-string":true,"default":"80%"},"b":{"x-kubernetes-int-or-string":true,"default":80}`), ""},
		{"of another type", fieldA(`"type":"integer","default":"x"`), `TypeInvalid @A.default: Invalid value: "string":  in body must be of type integer: "string"`},
		{"too large", fieldA(`"type":"integer","maximum":5,"default":6`), `Invalid @A.default: Invalid value: 6:  in body should be less than or equal to 5`},
		{"not in enum", fieldA(`"type":"string","enum":["x"],"default":"y"`), `NotSupported @A.default: Unsupported value: "y": supported values: "x"`},
		{"no date", fieldA(`"type":"string","format":"date","default":"y"`), `TypeInvalid @A.default: Invalid value: "y":  in body must be of type date: "y"`},
		{"too long", fieldA(`"type":"string","maxLength":2,"default":"abc"`), `TooLong @A.default: Too long: may not be more than 2 bytes`},
		{"part of another type", fieldA(`"type":"object","properties":{"b":{"type":"integer"}},"default":{"b":"x"}`),
			`TypeInvalid @A.default.b: Invalid value: "string": b in body must be of type integer: "string"`},
		{"item of another type", fieldA(`"type":"object","properties":{"b":{"type":"array","items":{"type":"integer"}}},"default":{"b":[1,"x"]}`),
			`TypeInvalid @A.default.b[1]: Invalid value: "string": b[1] in body must be of type integer: "string"`},
		{"unknown fields", fieldA(`"type":"object","properties":{"b":{"type":"integer"}},"default":{"c":1}`), `Invalid @A.default: Invalid value: {"c":1}` + unknown},
		{"unknown fields below", fieldA(`"type":"array","items":{"type":"object","properties":{"b":{"type":"integer"}}},"default":[{"b":1},{"c":1}]`),
			`Invalid @A.default: Invalid value: [{"b":1},{"c":1}]` + unknown},
		{"unknown fields that are preserved", fieldA(`"type":"object","x-kubernetes-preserve-unknown-fields":true,"default":{"c":1}`), ""},
		{"map", fieldA(`"type":"object","additionalProperties":{"type":"integer"},"default":{"c":1}`), ""},
		{"missing part", fieldA(`"type":"object","properties":{"b":{"type":"integer"}},"required":["b"],"default":{}`), `Required @A.default.b: Required value`},
		{"repeated member", fieldA(`"type":"string","x-kubernetes-preserve-unknown-fields":true,"default":"x"`), ""},
		{"default of an item", fieldA(`"type":"array","items":{"type":"integer","default":"x"}`), `TypeInvalid @A.items.default: Invalid value: "string":  in body must be of type integer: "string"`},
		{"default below a default", fieldA(`"type":"object","default":{},"properties":{"b":{"type":"integer","default":"x"}}`),
			`TypeInvalid @A.properties[b].default: Invalid value: "string":  in body must be of type integer: "string"`},
		{"embedded", fieldA(embedded + `,"default":{"apiVersion":"v1","kind":"Pod"}`), ""},
		{"embedded without a kind", fieldA(embedded + `,"default":{"apiVersion":"v1"}`), `Required @A.default.kind: Required value`},

		{"metadata", `{"type":"object","properties":{"metadata":{"type":"object","default":{}}}}`, "Forbidden @.properties[metadata].default: Forbidden: must not be set in top-level metadata"},
		{"kind", `{"type":"object","properties":{"kind":{"type":"string","default":"Widget"}}}`, "Forbidden @.properties[kind].default: Forbidden: must not be set in top-level kind"},
		{"apiVersion", `{"type":"object","properties":{"apiVersion":{"type":"string","default":"v1"}}}`, "Forbidden @.properties[apiVersion].default: Forbidden: must not be set in top-level apiVersion"},
		{"name", `{"type":"object","properties":{"metadata":{"type":"object","properties":{"name":{"type":"string","default":"x"}}}}}`,
			"Forbidden @.properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata"},
		{"labels of an embedded resource", fieldA(embedded + `,"properties":{"metadata":{"type":"object","properties":{"labels":{"type":"object","additionalProperties":{"type":"string","default":"x"}}}}}`),
			"Forbidden @A.properties[metadata].properties[labels].additionalProperties.default: Forbidden: must not be set inside additionalProperties applying to object metadata"},
	})
}

// TestRuleShapes: a keyword whose value is of the wrong type is told alone; no other rule can
// be asked of such a schema.
func TestRuleShapes(t *testing.T) {
	rows := []ruleRow{
		{"properties", `{"type":"object","properties":[]}`, "Invalid @.properties: Invalid value: []: must be an object"},
		{"a property", `{"type":"object","properties":{"spec":[]}}`, "Invalid @.properties[spec]: Invalid value: []: must be an object"},
		{"not", fieldA(`"type":"string","not":[]`), `Invalid @A.not: Invalid value: []: must be an object`},
		{"alternative", fieldA(`"type":"string","anyOf":["x"]`), `Invalid @A.anyOf[0]: Invalid value: "x": must be an object`},
		{"additionalProperties", fieldA(`"type":"object","additionalProperties":"yes"`), `Invalid @A.additionalProperties: Invalid value: "yes": must be an object`},
		{"required", fieldA(`"type":"object","required":["x",1]`), `Invalid @A.required: Invalid value: ["x",1]: must be an array of strings`},
	}
	for keyword, must := range map[string]string{
		"type": "a string", "format": "a string", "pattern": "a string", "title": "a string", "description": "a string", "x-kubernetes-list-type": "a string", "x-kubernetes-map-type": "a string",
		"nullable": "a boolean", "uniqueItems": "a boolean", "exclusiveMinimum": "a boolean", "exclusiveMaximum": "a boolean", "x-kubernetes-int-or-string": "a boolean",
		"x-kubernetes-embedded-resource": "a boolean", "x-kubernetes-preserve-unknown-fields": "a boolean",
		"minimum": "a number", "maximum": "a number", "multipleOf": "a number",
		"minLength": "an integer", "maxLength": "an integer", "minItems": "an integer", "maxItems": "an integer", "minProperties": "an integer", "maxProperties": "an integer",
		"enum": "an array", "allOf": "an array", "oneOf": "an array", "x-kubernetes-validations": "an array",
		"required": "an array of strings", "x-kubernetes-list-map-keys": "an array of strings", "externalDocs": "an object",
	} {
		wrong, shown := `{"x":1}`, `{"x":1}`
		if must == "an object" {
			wrong, shown = `"x"`, `"x"`
		}
		rows = append(rows, ruleRow{keyword, fieldA(`"` + keyword + `":` + wrong), "Invalid @A." + keyword + ": Invalid value: " + shown +
			": must be " + must})
	}
	for _, count := range []string{"minLength", "maxItems"} {
		rows = append(rows, ruleRow{count + " with a fraction", fieldA(`"type":"string","` + count + `":1.5`), "Invalid @A." + count +
			": Invalid value: 1.5: must be an integer"})
	}
	ruleTable(t, rows)
}

// TestRuleStatusRoot: with the status subresource the root may not say what a write of the
// status could break without being seen. The text lists what it may say.
func TestRuleStatusRoot(t *testing.T) {
	withStatus := func(crd map[string]any) {
		versionOf(crd, 0)["subresources"] = map[string]any{"status": map[string]any{}}
	}
	const allowed = "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items " +
		"Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled"
	for rules, want := range map[string]string{
		``:                               "",
		`,"description":"d","title":"t"`: "",
		`,"required":["spec"]`:           "",
		`,"example":{"spec":{}}`:         "",
		`,"maximum":5,"minLength":2`:     "",
		`,"x-kubernetes-preserve-unknown-fields":true`: "",
		`,"allOf":[{"required":["spec"]}]`:             allowed,
		`,"anyOf":[{"required":["spec"]}]`:             allowed,
		`,"oneOf":[{"required":["spec"]}]`:             allowed,
		`,"not":{"required":["x"]}`:                    allowed,
		`,"minProperties":1`:                           allowed,
		`,"maxProperties":5`:                           allowed,
		`,"enum":[{}]`:                                 allowed,
		`,"x-kubernetes-map-type":"atomic"`:            allowed,
	} {
		text := `{"type":"object","properties":{"spec":{"type":"object"}}` + rules + `}`
		got := check(t, definition(t, text, withStatus), nil)
		if want == "" && got != "" || !strings.HasSuffix(got, want) || want != "" && !strings.HasPrefix(got,
			"Invalid "+rootPath+": Invalid value: ") {
			t.Errorf("%s: got %s", text, got)
		}
		if got := check(t, definition(t, text), nil); got != "" {
			t.Errorf("%s without the status subresource: %s", text, got)
		}
	}
	const typed = "Invalid @.type: Invalid value: \"string\": only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled\n" +
		"Invalid @.type: Invalid value: \"string\": must be object at the root"
	if got := check(t, definition(t, `{"type":"string"}`, withStatus), nil); got != strings.ReplaceAll(typed, "@", rootPath) {
		t.Errorf("a string: %s", got)
	}
}

// TestRuleOrder: structural errors come sorted, and so do not depend on the order of the
// fields of the request; those of keywords follow them.
func TestRuleOrder(t *testing.T) {
	want := []string{
		"Required @.properties[spec].properties[a].type: Required value: must not be empty for specified object fields",
		"Required @.properties[spec].properties[b].items: Required value: must be specified",
		"Required @.properties[spec].properties[c].type: Required value: must not be empty for specified object fields",
		"Forbidden @.properties[spec].properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
	}
	text := strings.ReplaceAll(strings.Join(want, "\n"), "@", rootPath)
	for _, properties := range []string{
		`"c":{},"b":{"type":"array"},"a":{"uniqueItems":true}`,
		`"a":{"uniqueItems":true},"b":{"type":"array"},"c":{}`,
		`"b":{"type":"array"},"a":{"uniqueItems":true},"c":{}`,
	} {
		for range 20 {
			if got := check(t, definition(t, withSpec(properties)), nil); got != text {
				t.Fatalf("%s:\ngot  %s\nwant %s", properties, got, text)
			}
		}
	}
}
