package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/schema"
	"apichain/internal/tree"
)

const (
	specOnly  = `{"type":"object","properties":{"spec":{"type":"object"}}}`
	labelRule = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character " +
		"(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
	subdomainRule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character " +
		`(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
	kindRule = "may have mixed case, but should otherwise match: " + labelRule
)

// put sets a place in a definition.
func put(v any, path ...string) func(map[string]any) {
	return func(crd map[string]any) { tree.Set(crd, v, path...) }
}

// inVersion puts the fields of the JSON object into version 0, over those that are there.
func inVersion(t testing.TB, text string) func(map[string]any) {
	return func(crd map[string]any) {
		for name, v := range parse(t, text) {
			versionOf(crd, 0)[name] = v
		}
	}
}

// withVersion appends a version.
func withVersion(t testing.TB, text string) func(map[string]any) {
	return func(crd map[string]any) {
		tree.Set(crd, append(tree.List(crd, "spec", "versions"), parse(t, text)), "spec", "versions")
	}
}

// inGroup moves a definition to another group, with the name that goes with it.
func inGroup(group string) func(map[string]any) {
	return func(crd map[string]any) {
		tree.Set(crd, group, "spec", "group")
		tree.Set(crd, "widgets."+group, "metadata", "name")
	}
}

// definitionRow is what is done to a definition that is right, and what it is refused for.
type definitionRow struct {
	name   string
	change func(map[string]any)
	want   string
}

func definitionTable(t *testing.T, rows []definitionRow) {
	t.Helper()
	for _, row := range rows {
		change := row.change
		if change == nil {
			change = func(map[string]any) {}
		}
		if got := check(t, definition(t, specOnly, change), nil); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, row.want)
		}
	}
}

// TestDefinitionNames: group, scope and the names of the kind.
func TestDefinitionNames(t *testing.T) {
	invalid := func(field, value, why string) string {
		return "Invalid " + field + `: Invalid value: "` + value + `": ` + why
	}
	rows := []definitionRow{
		{"right", nil, ""},
		{"name of another plural", put("gadgets.example.com", "metadata", "name"), invalid("metadata.name", "gadgets.example.com", `must be spec.names.plural+"."+spec.group`)},
		{"name of another group", put("widgets.example.org", "metadata", "name"), invalid("metadata.name", "widgets.example.org", `must be spec.names.plural+"."+spec.group`)},
		{"no group", inGroup(""), "Required spec.group: Required value"},
		{"group without a dot", inGroup("example"), invalid("spec.group", "example", "should be a domain with at least one dot")},
		{"group of digits", inGroup("1.2"), ""},
		{"group of many labels", inGroup("a.b.c.d"), ""},
		{"cluster", put("Cluster", "spec", "scope"), ""},
		{"no scope", put("", "spec", "scope"), "Required spec.scope: Required value"},
		{"strange scope", put("namespaced", "spec", "scope"), `NotSupported spec.scope: Unsupported value: "namespaced": supported values: "Cluster", "Namespaced"`},

		{"no plural", func(crd map[string]any) {
			put("", "spec", "names", "plural")(crd)
			put(".example.com", "metadata", "name")(crd)
		}, "Required spec.names.plural: Required value"},
		{"no kind", put("", "spec", "names", "kind"), "Required spec.names.singular: Required value\nRequired spec.names.kind: Required value\nRequired spec.names.listKind: Required value"},
		{"singular", put("a_b", "spec", "names", "singular"), invalid("spec.names.singular", "a_b", labelRule)},
		{"singular that is the plural", put("widgets", "spec", "names", "singular"), ""},
		{"listKind that is the kind", put("Widget", "spec", "names", "listKind"), invalid("spec.names.listKind", "Widget", "kind and listKind may not be the same")},
		{"short names", put([]any{"wd", "w"}, "spec", "names", "shortNames"), ""},
		{"short name", put([]any{"wd", "W"}, "spec", "names", "shortNames"), invalid("spec.names.shortNames[1]", "W", labelRule)},
		{"empty short name", put([]any{""}, "spec", "names", "shortNames"), invalid("spec.names.shortNames[0]", "", labelRule)},
		{"categories", put([]any{"all", "example"}, "spec", "names", "categories"), ""},
		{"category", put([]any{"all", "a.b"}, "spec", "names", "categories"), invalid("spec.names.categories[1]", "a.b", labelRule)},

		{"accepted plural", put("A", "status", "acceptedNames", "plural"), invalid("status.acceptedNames.plural", "A", labelRule)},
		{"accepted kind", put("4", "status", "acceptedNames", "kind"), invalid("status.acceptedNames.kind", "4", kindRule)},
		{"accepted short name", put([]any{"-"}, "status", "acceptedNames", "shortNames"), invalid("status.acceptedNames.shortNames[0]", "-", labelRule)},
		{"accepted kinds", put(map[string]any{"kind": "W", "listKind": "W"}, "status", "acceptedNames"), invalid("status.acceptedNames.listKind", "W", "kind and listKind may not be the same")},
		{"no accepted names", put(map[string]any{}, "status", "acceptedNames"), ""}, // they are required of the spec only

		{"preserved", put(true, "spec", "preserveUnknownFields"),
			"Invalid spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"},
		{"not preserved", put(false, "spec", "preserveUnknownFields"), ""},
	}
	for _, group := range []string{"Example.com", "example_.com", ".example.com", "example..com", "-example.com", "example.com-"} {
		rows = append(rows, definitionRow{group, inGroup(group), invalid("spec.group", group, subdomainRule)})
	}
	for _, kind := range []string{"4Widget", "Wid_get", "Wid.get", "Widget-", "Wid get"} {
		rows = append(rows, definitionRow{kind, func(crd map[string]any) {
			put(kind, "spec", "names", "kind")(crd)
			put("widget", "spec", "names", "singular")(crd)
			put("WidgetList", "spec", "names", "listKind")(crd)
		}, invalid("spec.names.kind", kind, kindRule)})
	}
	for _, kind := range []string{"W", "widget", "WIDGET", "Widget-2", "W9"} {
		rows = append(rows, definitionRow{kind, put(kind, "spec", "names", "kind"), ""})
	}
	definitionTable(t, rows)
}

// TestDefinitionVersions: at least one, of different names, one of them stored, all with a
// schema.
func TestDefinitionVersions(t *testing.T) {
	const v2 = `{"name":"v2","served":true,"storage":%v,"schema":{"openAPIV3Schema":{"type":"object"}}}`
	stored := func(names ...any) func(map[string]any) { return put(names, "status", "storedVersions") }
	gone := func(i int, name string) string {
		return fmt.Sprintf(`Invalid status.storedVersions[%d]: Invalid value: "%[2]s": missing from spec.versions; %[2]s was previously a storage version, and must remain in spec.versions `+
			"until a storage migration ensures no data remains persisted in %[2]s and removes %[2]s from status.storedVersions", i, name)
	}
	rows := []definitionRow{
		{"two", withVersion(t, fmt.Sprintf(v2, false)), ""},
		{"both stored", withVersion(t, fmt.Sprintf(v2, true)),
			`Invalid spec.versions: Invalid value: [{"name":"v1","served":true,"storage":true},{"name":"v2","served":true,"storage":true}]: must have exactly one version marked as storage version` + "\n" +
				`Invalid status.storedVersions: Invalid value: ["v1"]: must have the storage version v2`},
		{"of one name", withVersion(t, `{"name":"v1","served":false,"storage":false,"schema":{"openAPIV3Schema":{"type":"object"}}}`),
			`Invalid spec.versions: Invalid value: [{"name":"v1","served":true,"storage":true},{"name":"v1","served":false,"storage":false}]: must contain unique version names`},
		{"none", func(crd map[string]any) {
			put([]any{}, "spec", "versions")(crd)
			stored("v1")(crd)
		}, "Invalid spec.versions: Invalid value: []: must have exactly one version marked as storage version\n" + gone(0, "v1")},
		{"without a schema", withVersion(t, `{"name":"v2","served":true,"storage":false}`), "Required spec.versions[1].schema.openAPIV3Schema: Required value"},
		{"not served, without a schema", withVersion(t, `{"name":"v2","served":false,"storage":false,"schema":{}}`), "Required spec.versions[1].schema.openAPIV3Schema: Required value"},
		{"not served", inVersion(t, `{"served":false}`), ""},
		{"name", withVersion(t, strings.Replace(fmt.Sprintf(v2, false), "v2", "1v", 1)), `Invalid spec.versions[1].name: Invalid value: "1v": ` + labelRule},
		{"name with a dot", withVersion(t, strings.Replace(fmt.Sprintf(v2, false), "v2", "v2.0", 1)), `Invalid spec.versions[1].name: Invalid value: "v2.0": ` + labelRule},
		{"any name", inVersion(t, `{"name":"stable-2"}`), ""},

		{"stored ones", stored("v1"), ""},
		{"no stored one", func(crd map[string]any) { inVersion(t, `{"storage":false}`)(crd) },
			`Invalid spec.versions: Invalid value: [{"name":"v1","served":true,"storage":false}]: must have exactly one version marked as storage version` + "\n" +
				"Invalid status.storedVersions: Invalid value: null: must have at least one stored version"},

		{"warning", inVersion(t, `{"deprecated":true,"deprecationWarning":"use v2"}`), ""},
		{"deprecated without a warning", inVersion(t, `{"deprecated":true}`), ""},
		{"warning of a good one", inVersion(t, `{"deprecationWarning":"use v2"}`), `Invalid spec.versions[0].deprecationWarning: Invalid value: "use v2": can only be set for deprecated versions`},
		{"warning of one that is not deprecated", inVersion(t, `{"deprecated":false,"deprecationWarning":"use v2"}`),
			`Invalid spec.versions[0].deprecationWarning: Invalid value: "use v2": can only be set for deprecated versions`},
		{"empty warning", inVersion(t, `{"deprecated":true,"deprecationWarning":""}`), `Invalid spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string`},
		{"long warning", inVersion(t, `{"deprecated":true,"deprecationWarning":"`+strings.Repeat("w", 256)+`"}`), ""},
		{"too long warning", inVersion(t, `{"deprecated":true,"deprecationWarning":"`+strings.Repeat("w", 257)+`"}`),
			`Invalid spec.versions[0].deprecationWarning: Invalid value: "` + strings.Repeat("w", 257) + `": must be <= 256 characters long`},
		{"warning with a tab", inVersion(t, `{"deprecated":true,"deprecationWarning":"a\tb"}`),
			`Invalid spec.versions[0].deprecationWarning: Invalid value: "a\tb": must only contain printable UTF-8 characters; non-printable character found at index 1`},
		{"warning in another script", inVersion(t, `{"deprecated":true,"deprecationWarning":"日本"}`), ""},
	}
	for _, names := range [][]any{{"v1", "v0"}, {"v0", "v1"}} {
		i := slices.Index(names, any("v0"))
		rows = append(rows, definitionRow{"stored version that is gone", stored(names...), gone(i, "v0")})
	}
	definitionTable(t, rows)
}

// TestDefinitionHoisting: what is the same in all versions is checked once, at the top of the
// spec, where upstream's internal form has it; what differs, in each version.
func TestDefinitionHoisting(t *testing.T) {
	v2 := func(fields string) func(map[string]any) {
		return withVersion(t, `{"name":"v2","served":true,"storage":false,`+fields+`}`)
	}
	const bad, good = `"schema":{"openAPIV3Schema":{"type":"object","properties":{"a":{}}}}`, `"schema":{"openAPIV3Schema":` + specOnly +
		`}`
	const other = `"schema":{"openAPIV3Schema":{"type":"object"}}`
	const noType = ": Required value: must not be empty for specified object fields"
	const column, scale = `"additionalPrinterColumns":[{"name":"A","type":"string","jsonPath":"a"}]`,
		`"subresources":{"scale":{"specReplicasPath":".spec.n"}}`
	const badColumn, badScale = `JSONPath: Invalid value: "a": must be a simple json path starting with .`,
		"subresources.scale.statusReplicasPath: Required value"
	const field, badField = `"selectableFields":[{"jsonPath":".x"}]`,
		`selectableFields[0].jsonPath: Invalid value: ".x": is an invalid path: does not refer to a valid field`
	all := func(changes ...func(map[string]any)) func(map[string]any) {
		return func(crd map[string]any) {
			for _, change := range changes {
				change(crd)
			}
		}
	}
	definitionTable(t, []definitionRow{
		{"schema of one", inVersion(t, `{`+bad+`}`), "Required spec.validation.openAPIV3Schema.properties[a].type" + noType},
		{"schema of both", all(inVersion(t, `{`+bad+`}`), v2(bad)), "Required spec.validation.openAPIV3Schema.properties[a].type" + noType},
		{"schema of the second", v2(bad), "Required spec.versions[1].schema.openAPIV3Schema.properties[a].type" + noType},
		{"schema of the first", all(inVersion(t, `{`+bad+`}`), v2(good)), "Required spec.versions[0].schema.openAPIV3Schema.properties[a].type" + noType},
		{"columns of both", all(inVersion(t, `{`+column+`}`), v2(good+`,`+column)), "Invalid spec.additionalPrinterColumns[0]." + badColumn},
		{"columns of the second", v2(good + `,` + column), "Invalid spec.versions[1].additionalPrinterColumns[0]." + badColumn},
		{"scale of both", all(inVersion(t, `{`+scale+`}`), v2(good+`,`+scale)), "Required spec." + badScale},
		{"scale of the second", v2(good + `,` + scale), "Required spec.versions[1]." + badScale},
		{"fields of both", all(inVersion(t, `{`+field+`}`), v2(good+`,`+field)), "Invalid spec." + badField},
		{"fields of the second", v2(other + `,` + field), "Invalid spec.versions[1]." + badField},
		{"schema and columns apart", v2(bad + `,` + column), "Required spec.versions[1].schema.openAPIV3Schema.properties[a].type" + noType + "\nInvalid spec.versions[1].additionalPrinterColumns[0]." + badColumn},
	})
}

// TestDefinitionColumns: each part of a printer column.
func TestDefinitionColumns(t *testing.T) {
	const at = "spec.additionalPrinterColumns[0]."
	const types, formats = "boolean,date,integer,number,string", "byte,date,date-time,double,float,int32,int64,password"
	columns := func(text string) func(map[string]any) {
		return inVersion(t, `{"additionalPrinterColumns":[`+text+`]}`)
	}
	rows := []definitionRow{
		{"none", columns(``), ""},
		{"all", columns(`{"name":"A","type":"string","format":"date","priority":1,"description":"d","jsonPath":".spec.a"}`), ""},
		{"no name", columns(`{"type":"string","jsonPath":".a"}`), "Required " + at + "name: Required value"},
		{"no type", columns(`{"name":"A","jsonPath":".a"}`), "Required " + at + "type: Required value: must be one of " + types},
		{"no path", columns(`{"name":"A","type":"string"}`), "Required " + at + "JSONPath: Required value"},
		{"empty path", columns(`{"name":"A","type":"string","jsonPath":""}`), "Required " + at + "JSONPath: Required value"},
		{"path without a dot", columns(`{"name":"A","type":"string","jsonPath":"spec.a"}`), "Invalid " + at + `JSONPath: Invalid value: "spec.a": must be a simple json path starting with .`},
		{"second one", columns(`{"name":"A","type":"string","jsonPath":".a"},{"name":"B","jsonPath":".b","type":"text"}`),
			`Invalid spec.additionalPrinterColumns[1].type: Invalid value: "text": must be one of ` + types},
		{"nothing", columns(`{}`), "Required " + at + "name: Required value\nRequired " + at + "type: Required value: must be one of " + types + "\nRequired " + at + "JSONPath: Required value"},
		{"two of one name", columns(`{"name":"A","type":"string","jsonPath":".a"},{"name":"A","type":"string","jsonPath":".a"}`), ""},
	}
	for typ := range strings.SplitSeq(types, ",") {
		rows = append(rows, definitionRow{typ, columns(`{"name":"A","type":"` + typ + `","jsonPath":".a"}`), ""})
	}
	for _, typ := range []string{"object", "array", "String", "time"} {
		rows = append(rows, definitionRow{typ, columns(`{"name":"A","type":"` + typ + `","jsonPath":".a"}`), "Invalid " + at +
			`type: Invalid value: "` + typ + `": must be one of ` + types})
	}
	for format := range strings.SplitSeq(formats, ",") {
		rows = append(rows, definitionRow{format, columns(`{"name":"A","type":"string","format":"` + format + `","jsonPath":".a"}`), ""})
	}
	for _, format := range []string{"uuid", "email", "datetime"} {
		rows = append(rows, definitionRow{format, columns(`{"name":"A","type":"string","format":"` + format + `","jsonPath":".a"}`),
			"Invalid " + at + `format: Invalid value: "` + format + `": must be one of ` + formats})
	}
	definitionTable(t, rows)
}

// TestDefinitionScale: the two paths of replicas have their halves of the object, the selector
// either.
func TestDefinitionScale(t *testing.T) {
	const at = "spec.subresources.scale."
	scale := func(fields string) func(map[string]any) {
		return inVersion(t, `{"subresources":{"scale":{`+fields+`}}}`)
	}
	const spec, status = `"specReplicasPath":".spec.n"`, `"statusReplicasPath":".status.n"`
	definitionTable(t, []definitionRow{
		{"both", scale(spec + `,` + status), ""},
		{"with the status", inVersion(t, `{"subresources":{"status":{},"scale":{`+spec+`,`+status+`}}}`), ""},
		{"deep", scale(`"specReplicasPath":".spec.a.b.c","statusReplicasPath":".status.a.b"`), ""},
		{"neither", scale(``), "Required " + at + "specReplicasPath: Required value\nRequired " + at + "statusReplicasPath: Required value"},
		{"no spec", scale(status), "Required " + at + "specReplicasPath: Required value"},
		{"no status", scale(spec), "Required " + at + "statusReplicasPath: Required value"},
		{"spec in the status", scale(`"specReplicasPath":".status.n",` + status), "Invalid " + at + `specReplicasPath: Invalid value: ".status.n": should be a json path under .spec`},
		{"status in the spec", scale(spec + `,"statusReplicasPath":".spec.n"`), "Invalid " + at + `statusReplicasPath: Invalid value: ".spec.n": should be a json path under .status`},
		{"spec without a dot", scale(`"specReplicasPath":"spec.n",` + status), "Invalid " + at + `specReplicasPath: Invalid value: "spec.n": must be a simple json path starting with .`},
		{"spec itself", scale(`"specReplicasPath":".spec",` + status), "Invalid " + at + `specReplicasPath: Invalid value: ".spec": should be a json path under .spec`},
		{"specs", scale(`"specReplicasPath":".specs.n",` + status), "Invalid " + at + `specReplicasPath: Invalid value: ".specs.n": should be a json path under .spec`},
		{"selector in the status", scale(spec + `,` + status + `,"labelSelectorPath":".status.sel"`), ""},
		{"selector in the spec", scale(spec + `,` + status + `,"labelSelectorPath":".spec.sel"`), ""},
		{"selector elsewhere", scale(spec + `,` + status + `,"labelSelectorPath":".metadata.labels"`),
			"Invalid " + at + `labelSelectorPath: Invalid value: ".metadata.labels": should be a json path under either .spec or .status`},
		{"selector without a dot", scale(spec + `,` + status + `,"labelSelectorPath":"status.sel"`),
			"Invalid " + at + `labelSelectorPath: Invalid value: "status.sel": must be a simple json path starting with .`},
	})
}

// TestDefinitionSelectable: a selectable field is a scalar of the schema, found by names only,
// not in metadata, and there are eight of them at most.
func TestDefinitionSelectable(t *testing.T) {
	const properties = `"s":{"type":"string"},"i":{"type":"integer"},"b":{"type":"boolean"},"n":{"type":"number"},"o":{"type":"object","properties":{"s":{"type":"string"}}},` +
		`"l":{"type":"array","items":{"type":"string"}},"m":{"type":"object","additionalProperties":{"type":"string"}},"p":{"x-kubernetes-preserve-unknown-fields":true},` +
		`"e":{"type":"string","enum":["x"]},"d":{"type":"string","format":"date"},"is":{"x-kubernetes-int-or-string":true}`
	const text = `{"type":"object","properties":{"spec":{"type":"object","properties":{` + properties +
		`}},"metadata":{"type":"object","properties":{"name":{"type":"string"}}}}}`
	const scalar = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
	many := func(n int) (paths []string) {
		for i := range n {
			paths = append(paths, fmt.Sprintf(".spec.m.k%d", i))
		}
		return paths
	}
	for _, row := range []struct {
		paths []string
		want  string // %P is the path of the first one
	}{
		{nil, ""},
		{[]string{".spec.s", ".spec.i", ".spec.b", ".spec.o.s", ".spec.e", ".spec.d", ".spec.m.any"}, ""},
		{[]string{".spec.n"}, scalar},
		{[]string{".spec.o"}, scalar},
		{[]string{".spec.l"}, scalar},
		{[]string{".spec.m"}, scalar},
		{[]string{".spec.p"}, scalar},
		{[]string{".spec.is"}, scalar},
		{[]string{".spec.x"}, "is an invalid path: does not refer to a valid field"},
		{[]string{".spec.s.x"}, "is an invalid path: does not refer to a valid field"},
		{[]string{".spec.p.x"}, "is an invalid path: does not refer to a valid field"},
		{[]string{".status"}, "is an invalid path: does not refer to a valid field"},
		{[]string{".spec.l[0]"}, "is an invalid path: array notation is not allowed"},
		{[]string{".spec['s']"}, "is an invalid path: array notation is not allowed"},
		{[]string{"['spec']"}, "is an invalid path: array notation is not allowed"},
		{[]string{"spec.s"}, "is an invalid path: expected [ or . but got: spec"},
		{[]string{".metadata.name"}, "must not point to fields in metadata"},
		{many(8), ""},
	} {
		want := row.want
		if want != "" {
			want = `Invalid spec.selectableFields[0].jsonPath: Invalid value: "` + row.paths[0] + `": ` + want
		}
		if got := check(t, definition(t, text, selectable(row.paths...)), nil); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", row.paths, got, want)
		}
	}
	for _, row := range []struct {
		paths []string
		want  string
	}{
		{[]string{""}, "Required spec.selectableFields[0].jsonPath: Required value"},
		{[]string{".spec.s", ".spec.i", ".spec.s"}, `Duplicate spec.selectableFields[2].jsonPath: Duplicate value: ".spec.s"`},
		{many(9), "TooMany spec.selectableFields: Too many: 9: must have at most 8 items"},
		{append(many(8), ".spec.m.k0"), `Duplicate spec.selectableFields[8].jsonPath: Duplicate value: ".spec.m.k0"`}, // there are eight
	} {
		if got := check(t, definition(t, text, selectable(row.paths...)), nil); got != row.want {
			t.Errorf("%q:\ngot  %s\nwant %s", row.paths, got, row.want)
		}
	}
}

// selectable gives version 0 selectable fields.
func selectable(paths ...string) func(map[string]any) {
	return func(crd map[string]any) {
		var fields []any
		for _, p := range paths {
			fields = append(fields, map[string]any{"jsonPath": p})
		}
		if fields != nil {
			versionOf(crd, 0)["selectableFields"] = fields
		}
	}
}

// TestDefinitionConversion: the strategies, and what belongs to Webhook only.
func TestDefinitionConversion(t *testing.T) {
	const at = "spec.conversion."
	conversion := func(text string) func(map[string]any) {
		return func(crd map[string]any) { tree.Set(crd, parse(t, text), "spec", "conversion") }
	}
	webhook := func(config, versions string) func(map[string]any) {
		return conversion(`{"strategy":"Webhook","webhook":{"clientConfig":` + config + `,"conversionReviewVersions":` + versions + `}}`)
	}
	const url, service = `{"url":"https://example.com/convert"}`, `{"service":{"name":"s","namespace":"n"}}`
	definitionTable(t, []definitionRow{
		{"none", conversion(`{"strategy":"None"}`), ""},
		{"no strategy", conversion(`{}`), "Required " + at + "strategy: Required value"},
		{"strange", conversion(`{"strategy":"none"}`), `NotSupported ` + at + `strategy: Unsupported value: "none": supported values: "None", "Webhook"`},
		{"url", webhook(url, `["v1"]`), ""},
		{"service", webhook(service, `["v1beta1","v1"]`), ""},
		{"no webhook", conversion(`{"strategy":"Webhook"}`), "Required " + at + "webhookClientConfig: Required value: required when strategy is set to Webhook\n" +
			"Required " + at + "conversionReviewVersions: Required value"},
		{"neither", webhook(`{}`, `["v1"]`), "Required " + at + "webhookClientConfig: Required value: exactly one of url or service is required"},
		{"both", webhook(`{"url":"https://x","service":{"name":"s","namespace":"n"}}`, `["v1"]`), "Required " + at + "webhookClientConfig: Required value: exactly one of url or service is required"},
		{"no versions", webhook(url, `[]`), "Required " + at + "conversionReviewVersions: Required value"},
		{"unknown versions", webhook(url, `["v2"]`), `Invalid ` + at + `conversionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1`},
		{"one known version", webhook(url, `["v2","v1beta1"]`), ""},
		{"version twice", webhook(url, `["v1","v1"]`), `Invalid ` + at + `conversionReviewVersions[1]: Invalid value: "v1": duplicate version`},
		{"strange version", webhook(url, `["v1","1v"]`), `Invalid ` + at + `conversionReviewVersions[1]: Invalid value: "1v": ` + labelRule},
		{"webhook for nothing", conversion(`{"strategy":"None","webhook":{"clientConfig":` + url + `,"conversionReviewVersions":["v1"]}}`),
			"Forbidden " + at + "webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook\n" +
				"Forbidden " + at + "conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook"},
	})
}

// TestDefinitionApproval: groups below k8s.io and kubernetes.io belong to the Kubernetes project.
func TestDefinitionApproval(t *testing.T) {
	const (
		field   = "metadata.annotations[api-approved.kubernetes.io]"
		missing = `Required ` + field +
			`: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111`
		ways = `": protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`
	)
	in := func(group, annotation string) map[string]any {
		return definition(t, specOnly, func(crd map[string]any) {
			inGroup(group)(crd)
			if annotation != "" {
				tree.Set(crd, annotation, "metadata", "annotations", "api-approved.kubernetes.io")
			}
		})
	}
	for _, row := range []struct{ group, annotation, want string }{
		{"example.com", "", ""},
		{"k8s.io.example.com", "", ""},
		{"myk8s.io", "", ""},
		{"x.k8s.io", "", missing},
		{"x.y.k8s.io", "", missing},
		{"x.kubernetes.io", "", missing},
		{"k8s.io", "", missing},
		{"kubernetes.io", "", missing},
		{"x.k8s.io", "https://github.com/kubernetes/kubernetes/pull/78458", ""},
		{"x.k8s.io", "http://example.com", ""},
		{"x.k8s.io", "unapproved, experimental-only", ""},
		{"x.k8s.io", "unapproved", ""},
		{"x.k8s.io", "approved", `Invalid ` + field + `: Invalid value: "approved` + ways},
		{"x.k8s.io", "Unapproved", `Invalid ` + field + `: Invalid value: "Unapproved` + ways},
		{"x.k8s.io", "/pull/1", `Invalid ` + field + `: Invalid value: "/pull/1` + ways},
		{"x.k8s.io", "github.com/x", `Invalid ` + field + `: Invalid value: "github.com/x` + ways},
	} {
		if got := check(t, in(row.group, row.annotation), nil); got != row.want {
			t.Errorf("%s by %q:\ngot  %s\nwant %s", row.group, row.annotation, got, row.want)
		}
		// What was so before may stay.
		if got := check(t, in(row.group, row.annotation), in(row.group, row.annotation)); got != "" {
			t.Errorf("%s by %q, again: %s", row.group, row.annotation, got)
		}
	}
	if got := check(t, in("x.k8s.io", ""), in("x.k8s.io", "unapproved")); got != missing {
		t.Errorf("an annotation that goes: %s", got)
	}
	if got := check(t, in("x.k8s.io", "https://x/y"), in("x.k8s.io", "bad")); got != "" {
		t.Errorf("an annotation that becomes good: %s", got)
	}
}

// TestDefinitionUpdate: group and plural never change, scope and kind not after the names were
// established; everything else may.
func TestDefinitionUpdate(t *testing.T) {
	immutable := func(field, value string) string {
		return "Invalid " + field + `: Invalid value: "` + value + `": field is immutable`
	}
	for _, row := range []struct {
		name                string
		change              func(map[string]any)
		always, established string
	}{
		{"nothing", func(map[string]any) {}, "", ""},
		{"group", put("example.org", "spec", "group"), immutable("spec.group", "example.org"), ""},
		{"plural", put("gadgets", "spec", "names", "plural"), immutable("spec.names.plural", "gadgets"), ""},
		{"scope", put("Cluster", "spec", "scope"), "", immutable("spec.scope", "Cluster")},
		{"kind", put("Gadget", "spec", "names", "kind"), "", immutable("spec.names.kind", "Gadget")},
		{"singular", put("gadget", "spec", "names", "singular"), "", ""},
		{"listKind", put("Gadgets", "spec", "names", "listKind"), "", ""},
		{"short names", put([]any{"g"}, "spec", "names", "shortNames"), "", ""},
		{"served", inVersion(t, `{"served":false}`), "", ""},
		{"schema", inVersion(t, `{"schema":{"openAPIV3Schema":{"type":"object"}}}`), "", ""},
		{"name", put("gadgets.example.com", "metadata", "name"), "", ""}, // which the rules for all objects look at
	} {
		old := definition(t, specOnly)
		if got := check(t, definition(t, specOnly, row.change), old); got != row.always {
			t.Errorf("%s: got %s, want %s", row.name, got, row.always)
		}
		tree.Set(old, []any{map[string]any{"type": "Established", "status": "True"}}, "status", "conditions")
		want := strings.Trim(row.established+"\n"+row.always, "\n")
		if got := check(t, definition(t, specOnly, row.change), old); got != want {
			t.Errorf("%s, established: got %s, want %s", row.name, got, want)
		}
	}
	// A definition of old times that preserves all may do so still.
	preserved := put(true, "spec", "preserveUnknownFields")
	if got := check(t, definition(t, specOnly, preserved), definition(t, specOnly, preserved)); got != "" {
		t.Errorf("preserved before: %s", got)
	}
}

// TestDefinitionRules: x-kubernetes-validations as far as that needs no evaluation.
func TestDefinitionRules(t *testing.T) {
	const reasons = `supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`
	for rule, want := range map[string]string{
		`"rule":"self.size() > 0"`:                                   "",
		`"rule":"self.size() > 0","message":"m"`:                     "",
		`"rule":"self.size() > 0","messageExpression":"'m'"`:         "",
		`"rule":"self.size() > 0","reason":"FieldValueForbidden"`:    "",
		`"rule":"self.size() > 0 &&\nself.size() < 9","message":"m"`: "",
		`"rule":""`:     "Required @.rule: Required value: rule is not specified",
		`"rule":" \n"`:  "Required @.rule: Required value: rule is not specified",
		`"message":"m"`: "Required @.rule: Required value: rule is not specified",
		`"rule":"self.size() > 0","message":"  "`:                              `Invalid @.message: Invalid value: "  ": must be non-empty if specified`,
		`"rule":"self.size() > 0","message":"a\nb"`:                            `Invalid @.message: Invalid value: "a\nb": must not contain line breaks`,
		`"rule":"self.size() > 0","message":"a\rb"`:                            `Invalid @.message: Invalid value: "a\rb": must not contain line breaks`,
		`"rule":"self.size() > 0 &&\nself.size() < 9"`:                         "Required @.message: Required value: message must be specified if rule contains line breaks",
		`"rule":"self.size() > 0","messageExpression":"  "`:                    "Required @.messageExpression: Required value: messageExpression must be non-empty if specified",
		`"rule":"self.size() > 0","reason":"Invalid"`:                          `NotSupported @.reason: Unsupported value: "Invalid": ` + reasons,
		`"rule":"self.size() > 0","reason":"FieldValueNotFound","message":"m"`: `NotSupported @.reason: Unsupported value: "FieldValueNotFound": ` + reasons,
	} {
		text := fieldA(`"type":"string","maxLength":10,"x-kubernetes-validations":[{"rule":"true"},{` + rule + `}]`)
		want := strings.ReplaceAll(want, "@", rootPath+".properties[spec].properties[a].x-kubernetes-validations[1]")
		if got := check(t, definition(t, text), nil); got != want {
			t.Errorf("{%s}:\ngot  %s\nwant %s", rule, got, want)
		}
	}
}

// TestDefinitionWarnings: formats that mean nothing, each once, and sets that server-side
// apply cannot merge.
func TestDefinitionWarnings(t *testing.T) {
	const set = `"type":"array","x-kubernetes-list-type":"set","items":`
	unknown := func(formats ...string) (out []string) {
		for _, f := range formats {
			out = append(out, `unrecognized format "`+f+`"`)
		}
		return out
	}
	ofSet := func(typ string) []string {
		return []string{"x-kubernetes-list-type: set for items of type \"" + typ +
			"\" is not supported by server-side apply or CEL validation rules"}
	}
	for _, row := range []struct {
		properties string
		want       []string
	}{
		{`"a":{"type":"string"}`, nil},
		{`"a":{"type":"string","format":""}`, nil},
		{`"a":{"type":"string","format":"date-time"},"b":{"type":"integer","format":"int64"},"c":{"type":"number","format":"double"}`, nil},
		{`"a":{"type":"string","format":"datetime"}`, nil}, // dashes do not count
		{`"a":{"type":"string","format":"Date"}`, unknown("Date")},
		{`"a":{"type":"string","format":"b"},"b":{"type":"string","format":"a"},"c":{"type":"string","format":"b"}`, unknown("b", "a")},
		{`"a":{"type":"string","format":"int32"}`, unknown("int32")},
		{`"a":{"type":"integer","format":"date"}`, unknown("date")},
		{`"a":{"type":"number","format":"int32"}`, unknown("int32")},
		{`"a":{"type":"boolean","format":"date"}`, unknown("date")},
		{`"a":{"type":"array","items":{"type":"string","format":"x"},"format":"y"}`, unknown("y", "x")},
		{`"a":{"type":"object","additionalProperties":{"type":"string","format":"x"}}`, unknown("x")},
		{`"a":{"type":"string","anyOf":[{"format":"x"},{"format":"date"}],"not":{"format":"y"}}`, unknown("x", "y")},
		{`"a":{"x-kubernetes-int-or-string":true,"format":"x"}`, unknown("x")},
		{`"a":{` + set + `{"type":"string"}}`, nil},
		{`"a":{` + set + `{"type":"object","x-kubernetes-map-type":"atomic"}}`, ofSet("object")},
		{`"a":{` + set + `{"type":"array","items":{"type":"string"}}}`, ofSet("array")},
		{`"a":{` + set + `{"type":"object","x-kubernetes-map-type":"atomic"}},"b":{` + set + `{"type":"object","x-kubernetes-map-type":"atomic"}}`, ofSet("object")},
	} {
		if got := schema.Warnings(definition(t, withSpec(row.properties))); !slices.Equal(got, row.want) {
			t.Errorf("{%s}: got %q, want %q", row.properties, got, row.want)
		}
	}
	if got := schema.Warnings(map[string]any{}); got != nil {
		t.Errorf("no spec: %q", got)
	}
	var properties []string
	for i := range 150 {
		properties = append(properties, fmt.Sprintf(`"f%d":{"type":"string","format":"x%d"}`, i, i))
	}
	if got := schema.Warnings(definition(t, withSpec(strings.Join(properties, ",")))); len(got) != 100 {
		t.Errorf("%d warnings of 150 formats", len(got))
	}
}

// TestDefinitionDefaults: what DefaultCRD fills in, and that it leaves what is there and is
// done after one time.
func TestDefinitionDefaults(t *testing.T) {
	const none = `"conversion":{"strategy":"None"}`
	for _, row := range []struct{ crd, want string }{
		{`{}`, `{}`},
		{`{"spec":{}}`, `{"spec":{` + none + `}}`},
		{`{"spec":{"names":{}}}`, `{"spec":{` + none + `,"names":{"singular":""}}}`},
		{`{"spec":{"names":{"kind":"WidGet"}}}`, `{"spec":{` + none + `,"names":{"kind":"WidGet","listKind":"WidGetList","singular":"widget"}}}`},
		{`{"spec":{"names":{"kind":"W","singular":"x","listKind":"Y"}}}`, `{"spec":{` + none + `,"names":{"kind":"W","listKind":"Y","singular":"x"}}}`},
		{`{"spec":{"conversion":{"strategy":"Webhook"}}}`, `{"spec":{"conversion":{"strategy":"Webhook"}}}`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"service":{"name":"s"}}}}}}`,
			`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"service":{"name":"s","port":443}}}}}}`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"service":{"port":8443}}}}}}`,
			`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"service":{"port":8443}}}}}}`},
		{`{"spec":{"versions":[{"name":"v1"},{"name":"v2","storage":true}]}}`, `{"spec":{` + none + `,"versions":[{"name":"v1","served":false,"storage":false},{"name":"v2","served":false,"storage":true}]},"status":{"storedVersions":["v2"]}}`},
		{`{"spec":{"versions":[{"name":"v1"}]}}`, `{"spec":{` + none + `,"versions":[{"name":"v1","served":false,"storage":false}]}}`},
		{`{"spec":{"versions":[{"name":"v2","storage":true}]},"status":{"storedVersions":["v1"]}}`,
			`{"spec":{` + none + `,"versions":[{"name":"v2","served":false,"storage":true}]},"status":{"storedVersions":["v1"]}}`},
	} {
		crd := parse(t, row.crd)
		for _, time := range []string{"once", "twice"} {
			schema.DefaultCRD(crd)
			got, want := crd, parse(t, row.want)
			if names := tree.Object(got, "spec", "names"); tree.Text(names, "singular") == "" {
				// An empty text and a name that is not there are the same to all that read it.
				delete(names, "singular")
				delete(tree.Object(want, "spec", "names"), "singular")
			}
			if !tree.Equal(got, want) {
				t.Errorf("%s, %s: got %s, want %s", row.crd, time, tree.AppendJSON(nil, got), row.want)
			}
		}
	}
}

// nameOwner makes a definition that was given its names.
func nameOwner(t testing.TB, group, plural, kind string, shortNames ...any) map[string]any {
	names := map[string]any{"plural": plural, "singular": strings.ToLower(kind), "kind": kind, "listKind": kind + "List"}
	if shortNames != nil {
		names["shortNames"] = shortNames
	}
	crd := parse(t, `{"metadata":{"name":"`+plural+`.`+group+`"},"spec":{"group":"`+group+`"}}`)
	tree.Set(crd, names, "spec", "names")
	tree.Set(crd, tree.Copy(names), "status", "acceptedNames")
	return crd
}

// nameConditions writes conditions as type=status reason: message.
func nameConditions(conditions []any) string {
	var out []string
	for _, c := range conditions {
		text := func(name string) string { return tree.Text(c, name) }
		out = append(out, text("type")+"="+text("status")+" "+text("reason")+": "+text("message"))
	}
	return strings.Join(out, "\n")
}

// TestDefinitionNameConflicts: each name that another definition of the group was given, by
// the reason it is refused for. Resources share one space of names (plural, singular and short
// names), kinds another (kind and list kind).
func TestDefinitionNameConflicts(t *testing.T) {
	const (
		accepted = "NamesAccepted=True NoConflicts: no conflicts found\nEstablished=True InitialNamesAccepted: the initial names have been accepted"
		waits    = "\nEstablished=False NotAccepted: not all names are accepted"
	)
	refused := func(reason, message string) string { return "NamesAccepted=False " + reason + ": " + message + waits }
	others := []map[string]any{
		nameOwner(t, "example.com", "widgets", "Widget", "wd", "wi"),
		nameOwner(t, "example.org", "gadgets", "Gadget", "gd"),
	}
	for _, row := range []struct {
		name, change string // change is merged into the wanted names
		accepted     string // names that are given besides; a refused one is not among them
		want         string
	}{
		{"nothing shared", `{}`, `{"plural":"tools","singular":"tool","kind":"Tool","listKind":"ToolList"}`, accepted},
		{"names of another group", `{"singular":"gadget","kind":"Gadget","shortNames":["gd"]}`, `{"plural":"tools","singular":"gadget","kind":"Gadget","listKind":"ToolList","shortNames":["gd"]}`, accepted},
		{"plural", `{"plural":"widgets"}`, `{"plural":"","singular":"tool","kind":"Tool","listKind":"ToolList"}`, refused("PluralConflict", `"widgets" is already in use`)},
		{"plural that is a short name", `{"plural":"wd"}`, `{"plural":"","singular":"tool","kind":"Tool","listKind":"ToolList"}`, refused("PluralConflict", `"wd" is already in use`)},
		{"singular", `{"singular":"widget"}`, `{"plural":"tools","kind":"Tool","listKind":"ToolList"}`, refused("SingularConflict", `"widget" is already in use`)},
		{"singular that is a plural", `{"singular":"widgets"}`, `{"plural":"tools","kind":"Tool","listKind":"ToolList"}`, refused("SingularConflict", `"widgets" is already in use`)},
		{"short name", `{"shortNames":["tl","wd"]}`, `{"plural":"tools","singular":"tool","kind":"Tool","listKind":"ToolList"}`, refused("ShortNamesConflict", `"wd" is already in use`)},
		{"two short names", `{"shortNames":["wi","tl","widget"]}`, `{"plural":"tools","singular":"tool","kind":"Tool","listKind":"ToolList"}`,
			refused("ShortNamesConflict", `["wi" is already in use, "widget" is already in use]`)},
		{"kind", `{"kind":"Widget"}`, `{"plural":"tools","singular":"tool","kind":"","listKind":"ToolList"}`, refused("KindConflict", `"Widget" is already in use`)},
		{"kind that is a list", `{"kind":"WidgetList"}`, `{"plural":"tools","singular":"tool","kind":"","listKind":"ToolList"}`, refused("KindConflict", `"WidgetList" is already in use`)},
		{"listKind", `{"listKind":"WidgetList"}`, `{"plural":"tools","singular":"tool","kind":"Tool"}`, refused("ListKindConflict", `"WidgetList" is already in use`)},
		{"kind in small letters", `{"kind":"widget"}`, `{"plural":"tools","singular":"tool","kind":"widget","listKind":"ToolList"}`, accepted},
		{"the last is told", `{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList"}`, `{"plural":"","kind":""}`, refused("ListKindConflict", `"WidgetList" is already in use`)},
		{"categories are free", `{"categories":["all","widgets"]}`, `{"plural":"tools","singular":"tool","kind":"Tool","listKind":"ToolList","categories":["all","widgets"]}`, accepted},
	} {
		crd := nameOwner(t, "example.com", "tools", "Tool")
		delete(tree.Object(crd, "status"), "acceptedNames")
		for name, v := range parse(t, row.change) {
			tree.Set(crd, v, "spec", "names", name)
		}
		before := tree.Copy(crd)
		names, conditions := schema.NameConflicts(crd, others, time.Now())
		if got := nameConditions(conditions); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, row.want)
		}
		if !tree.Equal(names, parse(t, row.accepted)) {
			t.Errorf("%s: accepted %s, want %s", row.name, tree.AppendJSON(nil, names), row.accepted)
		}
		if !tree.Equal(before, crd) {
			t.Errorf("%s: the definition became %s", row.name, tree.AppendJSON(nil, crd))
		}
	}
}

// TestDefinitionNamesKept: who has a name keeps it, whatever others ask for or were given, and
// a definition that is established stays so.
func TestDefinitionNamesKept(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	owner := nameOwner(t, "example.com", "widgets", "Widget", "wd")
	accepted := map[string]any{"type": "NamesAccepted", "status": "True"}
	tree.Set(owner, []any{accepted}, "status", "conditions")
	thief := nameOwner(t, "example.com", "gadgets", "Widget", "wd")
	names, conditions := schema.NameConflicts(owner, []map[string]any{owner, thief}, now)
	wanted := tree.Object(owner, "spec", "names")
	if got := nameConditions(conditions); !strings.HasPrefix(got, "NamesAccepted=True") || !tree.Equal(names, wanted) {
		t.Errorf("the owner: %s %s", tree.AppendJSON(nil, names), got)
	}
	// Its own names are not taken from it by itself: a short name may become the singular.
	own := tree.Copy(owner).(map[string]any)
	tree.Set(own, "wd", "spec", "names", "singular")
	if names, conditions := schema.NameConflicts(own, []map[string]any{owner}, now); tree.Text(names, "singular") != "wd" {
		t.Errorf("an own name: %s %s", tree.AppendJSON(nil, names), nameConditions(conditions))
	}
	// A name that it asks for later is refused, the old one stays.
	tree.Set(owner, conditions, "status", "conditions")
	other := nameOwner(t, "example.com", "tools", "Tool")
	for name, taken := range map[string]any{"plural": "tools", "singular": "tool", "kind": "Tool", "listKind": "ToolList",
		"shortNames": []any{"tool"}} {
		changed := tree.Copy(owner).(map[string]any)
		tree.Set(changed, taken, "spec", "names", name)
		names, conditions := schema.NameConflicts(changed, []map[string]any{other}, now.Add(time.Hour))
		got := nameConditions(conditions)
		if !strings.HasPrefix(got, "NamesAccepted=False") || !strings.Contains(got, "Established=True InitialNamesAccepted") {
			t.Errorf("%s: %s", name, got)
		}
		if !tree.Equal(names, tree.Object(owner, "status", "acceptedNames")) {
			t.Errorf("%s: accepted %s", name, tree.AppendJSON(nil, names))
		}
		for _, c := range conditions {
			want := map[string]string{"NamesAccepted": "2026-03-04T06:06:07Z", "Established": "2026-03-04T05:06:07Z"}[tree.Text(c, "type")]
			if got := tree.Text(c, "lastTransitionTime"); got != want {
				t.Errorf("%s: %s changed at %s, want %s", name, tree.Text(c, "type"), got, want)
			}
		}
	}
}

// TestDefinitionConditions: a condition keeps its place, and its time as long as its status
// does not change; others are left alone.
func TestDefinitionConditions(t *testing.T) {
	first, second := time.Date(2026, 1, 1, 12, 0, 0, 5, time.FixedZone("x", 3600)), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	list := schema.SetCondition(nil, "A", "False", "R", "m", first)
	list = schema.SetCondition(list, "B", "True", "S", "n", first)
	list = schema.SetCondition(list, "A", "False", "R2", "m2", second)
	want := `[{"lastTransitionTime":"2026-01-01T11:00:00Z","message":"m2","reason":"R2","status":"False","type":"A"},` +
		`{"lastTransitionTime":"2026-01-01T11:00:00Z","message":"n","reason":"S","status":"True","type":"B"}]`
	if got := string(tree.AppendJSON(nil, list)); got != want {
		t.Errorf("same status:\ngot  %s\nwant %s", got, want)
	}
	list = schema.SetCondition(list, "A", "True", "R3", "m3", second)
	want = strings.Replace(want, `"2026-01-01T11:00:00Z","message":"m2","reason":"R2","status":"False"`,
		`"2026-01-02T00:00:00Z","message":"m3","reason":"R3","status":"True"`, 1)
	if got := string(tree.AppendJSON(nil, list)); got != want {
		t.Errorf("another status:\ngot  %s\nwant %s", got, want)
	}
	list = schema.SetCondition([]any{map[string]any{"type": "A", "status": "True"}}, "A", "True", "R", "m", second)
	if got := tree.Text(list[0], "lastTransitionTime"); got != "2026-01-02T00:00:00Z" {
		t.Errorf("a condition without a time: %s", got)
	}
}

// TestDefinitionWords: names as DNS knows them.
func TestDefinitionWords(t *testing.T) {
	for name, want := range map[string]string{
		"a": "", "abc": "", "a-b": "", "a1": "", "a--b": "", strings.Repeat("a", 63): "",
		"": labelRule, "1a": labelRule, "-a": labelRule, "a-": labelRule, "A": labelRule, "a.b": labelRule, "a_b": labelRule, "ä": labelRule, "a b": labelRule, "a\n": labelRule,
	} {
		if got := schema.LabelWords(name); got != want {
			t.Errorf("label %q: %q", name, got)
		}
	}
	for name, want := range map[string]string{
		"a": "", "a.b": "", "1": "", "1.2": "", "a-b.c-d": "", strings.Repeat("a", 253): "",
		"": subdomainRule, ".": subdomainRule, "a.": subdomainRule, ".a": subdomainRule, "a..b": subdomainRule, "a.-b": subdomainRule, "A.b": subdomainRule, "a/b": subdomainRule,
	} {
		if got := schema.SubdomainWords(name); got != want {
			t.Errorf("subdomain %q: %q", name, got)
		}
	}
	// A length is told before a wrong character, with a comma between.
	for got, rule := range map[string]string{
		schema.LabelWords(strings.Repeat("A", 64)):      "," + labelRule,
		schema.LabelWords(strings.Repeat("a", 64)):      "",
		schema.SubdomainWords(strings.Repeat("A", 254)): "," + subdomainRule,
		schema.SubdomainWords(strings.Repeat("a", 254)): "",
	} {
		if !strings.HasPrefix(got, "must be no more than ") || !strings.HasSuffix(got, rule) || rule == "" && strings.Contains(got, ",") {
			t.Errorf("too long: %q", got)
		}
	}
}
