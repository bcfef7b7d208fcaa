package discovery

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// jsonText returns a tree as text, to compare it with what a test wants.
func jsonText(v any) string { return string(tree.AppendJSON(nil, v)) }

// TestFieldSchemas: each kind of field alone, in a list, in a map and in a map of lists; and what a
// field says beside its type.
func TestFieldSchemas(t *testing.T) {
	message := &kinds.Type{Name: "M", Schema: "io.x.M", Doc: "A message."}
	ref := func(name string) string { return `{"$ref":"#/components/schemas/` + name + `"}` }
	for _, c := range []struct {
		what  string
		field kinds.Field
		want  string
	}{
		{"string", kinds.Field{Kind: kinds.FieldString}, `{"type":"string"}`},
		{"bool", kinds.Field{Kind: kinds.FieldBool}, `{"type":"boolean"}`},
		{"int32", kinds.Field{Kind: kinds.FieldInt32}, `{"format":"int32","type":"integer"}`},
		{"int64", kinds.Field{Kind: kinds.FieldInt64}, `{"format":"int64","type":"integer"}`},
		{"double", kinds.Field{Kind: kinds.FieldDouble}, `{"format":"double","type":"number"}`},
		{"bytes", kinds.Field{Kind: kinds.FieldBytes}, `{"format":"byte","type":"string"}`},
		{"time", kinds.Field{Kind: kinds.FieldTime}, ref(metaSchemas + "Time")},
		{"microtime", kinds.Field{Kind: kinds.FieldMicroTime}, ref(metaSchemas + "MicroTime")},
		{"int or string", kinds.Field{Kind: kinds.FieldIntOrString}, ref(intOrString)},
		{"quantity", kinds.Field{Kind: kinds.FieldQuantity}, ref(quantity)},
		{"message", kinds.Field{Kind: kinds.FieldMessage, Message: message}, `{"allOf":[` + ref("io.x.M") + `],"default":{}}`},
		{"any", kinds.Field{Kind: kinds.FieldRaw}, `{"x-kubernetes-preserve-unknown-fields":true}`},
		{"any of a name", kinds.Field{Kind: kinds.FieldRaw, Component: "io.x.JSON"}, ref("io.x.JSON")},
		{"any object", kinds.Field{Kind: kinds.FieldRaw, Component: "io.x.RawExtension{}"}, ref("io.x.RawExtension")},
		{"or a boolean", kinds.Field{Kind: kinds.FieldMessage, Message: message, Alternative: "bool"}, ref("io.x.MOrBool")},
		{"or a list", kinds.Field{Kind: kinds.FieldMessage, Message: message, Alternative: "list"}, ref("io.x.MOrArray")},
		{"or strings", kinds.Field{Kind: kinds.FieldMessage, Message: message, Alternative: "strings"}, ref("io.x.MOrStringArray")},
		{"list", kinds.Field{Kind: kinds.FieldString, IsList: true}, `{"items":{"type":"string"},"type":"array"}`},
		{"list of messages", kinds.Field{Kind: kinds.FieldMessage, Message: message, IsList: true}, `{"items":` + ref("io.x.M") + `,"type":"array"}`},
		{"map", kinds.Field{Kind: kinds.FieldInt64, IsMap: true}, `{"additionalProperties":{"format":"int64","type":"integer"},"type":"object"}`},
		{"map of lists", kinds.Field{Kind: kinds.FieldString, IsMap: true, IsList: true}, `{"additionalProperties":{"items":{"type":"string"},"type":"array"},"type":"object"}`},
		{"map of messages", kinds.Field{Kind: kinds.FieldMessage, Message: message, IsMap: true}, `{"additionalProperties":` + ref("io.x.M") + `,"type":"object"}`},
		{"described", kinds.Field{Kind: kinds.FieldString, Doc: "what it is"}, `{"description":"what it is","type":"string"}`},
		{"described list", kinds.Field{Kind: kinds.FieldString, IsList: true, Doc: "d"}, `{"description":"d","items":{"type":"string"},"type":"array"}`},
		{"with a default", kinds.Field{Kind: kinds.FieldString, Default: "TCP", ShownDefault: "TCP"}, `{"default":"TCP","type":"string"}`},
		{"with a default that is not shown", kinds.Field{Kind: kinds.FieldString, Default: "TCP"}, `{"type":"string"}`},
		{"list with a default", kinds.Field{Kind: kinds.FieldString, IsList: true, ShownDefault: "TCP"}, `{"items":{"type":"string"},"type":"array"}`},
		{"merged list", kinds.Field{Kind: kinds.FieldMessage, Message: message, IsList: true, Strategy: "merge", MergeKey: "name"},
			`{"items":` + ref("io.x.M") + `,"type":"array","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge"}`},
		// Beside a reference nothing counts.
		{"described reference", kinds.Field{Kind: kinds.FieldTime, Doc: "when"}, `{"allOf":[` + ref(metaSchemas+"Time") + `],"description":"when"}`},
		{"reference with a strategy", kinds.Field{Kind: kinds.FieldMessage, Message: message, Strategy: "retainKeys"},
			`{"allOf":[` + ref("io.x.M") + `],"default":{},"x-kubernetes-patch-strategy":"retainKeys"}`},
		{"atomic list", kinds.Field{Kind: kinds.FieldString, IsList: true, ListType: "atomic"}, `{"items":{"type":"string"},"type":"array","x-kubernetes-list-type":"atomic"}`},
		{"atomic map", kinds.Field{Kind: kinds.FieldString, IsMap: true, ListType: "atomic"}, `{"additionalProperties":{"type":"string"},"type":"object","x-kubernetes-map-type":"atomic"}`},
		{"list by keys", kinds.Field{Kind: kinds.FieldMessage, Message: message, IsList: true, ListType: "map", ListKeys: []string{"b", "a"}},
			`{"items":` + ref("io.x.M") + `,"type":"array","x-kubernetes-list-map-keys":["b","a"],"x-kubernetes-list-type":"map"}`},
		{"one of a few", kinds.Field{Kind: kinds.FieldString, Values: []string{"b", "a"}}, `{"enum":["a","b"],"type":"string"}`},
		{"some of a few", kinds.Field{Kind: kinds.FieldString, IsList: true, Values: []string{"b", "a"}}, `{"items":{"enum":["a","b"],"type":"string"},"type":"array"}`},
	} {
		w := newSchemaWriter(nil, openAPI3)
		if got := jsonText(w.field(&c.field)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
		// Whatever is referred to is there.
		for _, ref := range references(w.field(&c.field)) {
			if w.out[strings.TrimPrefix(ref, "#/components/schemas/")] == nil {
				t.Errorf("%s: no %s", c.what, ref)
			}
		}
	}
}

// TestScalarComponents: the components of values without fields.
func TestScalarComponents(t *testing.T) {
	w := newSchemaWriter(nil, openAPI3)
	message := &kinds.Type{Name: "M", Schema: "io.x.M", Doc: "A message."}
	for _, f := range []kinds.Field{
		{Kind: kinds.FieldTime}, {Kind: kinds.FieldMicroTime}, {Kind: kinds.FieldIntOrString}, {Kind: kinds.FieldQuantity},
		{Kind: kinds.FieldRaw, Component: "io.x.JSON"}, {Kind: kinds.FieldRaw, Component: "io.x.RawExtension{}"},
		{Kind: kinds.FieldMessage, Message: message, Alternative: "bool"}, {Kind: kinds.FieldMessage, Message: &kinds.Type{Schema: "io.x.N"}, Alternative: "list"},
	} {
		w.field(&f)
	}
	for name, want := range map[string]string{
		metaSchemas + "Time":      `{"description":"a time: RFC 3339, to the second","format":"date-time","type":"string"}`,
		metaSchemas + "MicroTime": `{"description":"a time: RFC 3339, to the microsecond","format":"date-time","type":"string"}`,
		intOrString:               `{"description":"an integer or a string","format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}]}`,
		quantity:                  `{"description":"a quantity: a number with a suffix such as m, k, Ki or Gi","oneOf":[{"type":"string"},{"type":"number"}]}`,
		"io.x.JSON":               `{"description":"any JSON"}`,
		"io.x.RawExtension":       `{"description":"any object","type":"object"}`,
		"io.x.MOrBool":            `{"description":"A message, or a boolean"}`,
		"io.x.NOrArray":           `{"description":"or a list of them"}`,
	} {
		if got := jsonText(w.out[name]); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	if len(w.out) != 8 {
		t.Errorf("components %q", slices.Sorted(maps.Keys(w.out)))
	}
	for kind := kinds.FieldString; kind <= kinds.FieldRaw; kind++ {
		_, scalar := scalarSchemas[kind]
		if special := kind == kinds.FieldMessage || kind == kinds.FieldRaw; scalar == special {
			t.Errorf("fields of kind %d have a scalar schema: %v", kind, scalar)
		}
	}
}

// TestTypeSchemas: embedded types, required fields, types that contain themselves and types of
// several kinds.
func TestTypeSchemas(t *testing.T) {
	head := &kinds.Type{Schema: "io.x.Head", Fields: []*kinds.Field{{Name: "kind", Kind: kinds.FieldString, Required: true, Demanded: true}}}
	loop := &kinds.Type{Schema: "io.x.Loop", Doc: "Contains itself."}
	loop.Fields = []*kinds.Field{
		{Kind: kinds.FieldMessage, Message: head, Inline: true},
		{Name: "next", Kind: kinds.FieldMessage, Message: loop},
		{Name: "all", Kind: kinds.FieldMessage, Message: loop, IsMap: true},
		{Name: "must", Kind: kinds.FieldString, Required: true, Demanded: true},
		{Name: "has", Kind: kinds.FieldString, Required: true, ShownDefault: "x"},
	}
	w := newSchemaWriter(nil, openAPI3)
	if name := w.typ(loop); name != "io.x.Loop" || len(w.out) != 1 {
		t.Errorf("%s of %q", name, slices.Sorted(maps.Keys(w.out)))
	}
	const self = `{"$ref":"#/components/schemas/io.x.Loop"}`
	want := `{"description":"Contains itself.","properties":{"all":{"additionalProperties":` + self + `,"type":"object"},"has":{"default":"x","type":"string"},"kind":{"default":"","type":"string"},"must":{"default":"","type":"string"},"next":{"allOf":[` + self + `],"default":{}}},` +
		`"required":["kind","must"],"type":"object"`
	if got := jsonText(w.out["io.x.Loop"]); got != want+"}" {
		t.Errorf("\n got %s\nwant %s}", got, want)
	}
	// Each kind of the type is listed once, in the order in which they come.
	for range 2 {
		w.kind(loop, "a.io", "v1", "A")
		w.kind(loop, "", "v1", "B")
	}
	want += `,"x-kubernetes-group-version-kind":[{"group":"a.io","kind":"A","version":"v1"},{"group":"","kind":"B","version":"v1"}]}`
	if got := jsonText(w.out["io.x.Loop"]); got != want {
		t.Errorf("as kinds:\n got %s\nwant %s", got, want)
	}
	// A kind without a type, and a type without fields.
	if name := w.kind(nil, "a.b.io", "v1", "C"); name != "io.b.a.v1.C" || jsonText(w.out[name]) != `{"type":"object"}` {
		t.Errorf("%s: %s", name, jsonText(w.out[name]))
	}
	if got := jsonText(w.out[w.typ(&kinds.Type{Schema: "io.x.Empty"})]); got != `{"type":"object"}` {
		t.Errorf("no fields: %s", got)
	}
}

// TestDefaultsAreCopies: a document may be changed without the table.
func TestDefaultsAreCopies(t *testing.T) {
	def := map[string]any{"a": []any{"x"}}
	f := &kinds.Field{Kind: kinds.FieldRaw, ShownDefault: def}
	s := newSchemaWriter(nil, openAPI3).field(f)
	tree.List(s, "default", "a")[0] = "y"
	if !tree.Equal(def, map[string]any{"a": []any{"x"}}) {
		t.Errorf("the default is now %v", def)
	}
}

// TestReversedNames: names of components of kinds that have no Go type.
func TestReversedNames(t *testing.T) {
	for _, c := range []struct{ group, version, kind, want string }{
		{"example.com", "v1", "Widget", "com.example.v1.Widget"},
		{"a.b.c.io", "v1beta1", "X", "io.c.b.a.v1beta1.X"},
		{"single", "v1", "X", "single.v1.X"},
		{"", "v1", "X", "v1.X"},
	} {
		if got := reversedName(c.group, c.version, c.kind); got != c.want {
			t.Errorf("%s/%s %s: %s, want %s", c.group, c.version, c.kind, got, c.want)
		}
	}
}

// TestListSchemas: a list is named after its objects, and is a kind of its own.
func TestListSchemas(t *testing.T) {
	for item, want := range map[string]string{"io.x.v1.Thing": "io.x.v1.Things", "Thing": "Things"} {
		w := newSchemaWriter(nil, openAPI3)
		name := w.list(item, "x.io", "v1", "Things", false)
		s := tree.Object(w.out, name)
		if name != want || jsonText(s["required"]) != `["items"]` ||
			jsonText(s["x-kubernetes-group-version-kind"]) != `[{"group":"x.io","kind":"Things","version":"v1"}]` {
			t.Errorf("%s: %s %s", item, name, jsonText(s))
		}
		if got := jsonText(tree.At(s, "properties", "items")); got != `{"description":"the objects","items":{"$ref":"#/components/schemas/`+item+`"},"type":"array"}` {
			t.Errorf("%s: items %s", item, got)
		}
	}
}

// TestSelectableInSchemas: the objects and the list of a version that has selectable fields name them.
func TestSelectableInSchemas(t *testing.T) {
	d := definitionOf(t, `{"spec":{"group":"a.io","names":{"plural":"ws","kind":"W"},"versions":[`+
		`{"name":"v1","served":true,"selectableFields":[{"jsonPath":".spec.a"},{"jsonPath":".b"}]},{"name":"v2","served":true,"selectableFields":[]}]}}`)
	for version, want := range map[string]string{"v1": `[{"fieldPath":"spec.a"},{"fieldPath":"b"}]`, "v2": "null"} {
		schemas := tree.Object(renderedCustom(t, "a.io", version, d), "components", "schemas")
		for _, kind := range []string{"W", "WList"} {
			if got := jsonText(tree.At(schemas, "io.a."+version+"."+kind, "x-kubernetes-selectable-fields")); got != want {
				t.Errorf("%s %s: %s, want %s", version, kind, got, want)
			}
		}
	}
}

// TestCustomSchemas: what is added to the schema of a definition, by what it says itself.
func TestCustomSchemas(t *testing.T) {
	const head = `"apiVersion":{"description":"group and version of the kind","type":"string"},"kind":{"description":"name of the kind","type":"string"},` +
		`"metadata":{"allOf":[{"$ref":"#/components/schemas/` + metaSchemas + `ObjectMeta"}],"description":"what every stored object has"}`
	const gvk = `"x-kubernetes-group-version-kind":[{"group":"a.io","kind":"W","version":"v1"}]`
	const either = `"anyOf":[{"type":"integer"},{"type":"string"}]`
	for _, c := range []struct{ what, schema, want string }{
		{"nothing", `null`, `{"type":"object",` + gvk + `}`},
		{"anything", `{"x-kubernetes-preserve-unknown-fields":true}`,
			`{"properties":{` + head + `},"type":"object",` + gvk + `,"x-kubernetes-preserve-unknown-fields":true}`},
		{"fields", `{"type":"object","description":"A W.","required":["a"],"properties":{"a":{"type":"string","enum":["x"],"default":"x"}}}`,
			`{"description":"A W.","properties":{"a":{"default":"x","enum":["x"],"type":"string"},` + head + `},"required":["a"],"type":"object",` + gvk + `}`},
		{"metadata of its own", `{"properties":{"metadata":{"type":"object","properties":{"name":{"maxLength":3}}},"kind":{"pattern":"x"}}}`,
			`{"properties":{` + head + `},"type":"object",` + gvk + `}`},
		{"embedded", `{"properties":{"t":{"type":"object","x-kubernetes-embedded-resource":true}}}`,
			`{"properties":{` + head + `,"t":{"properties":{` + head + `},"required":["kind","apiVersion"],"type":"object","x-kubernetes-embedded-resource":true}},"type":"object",` + gvk + `}`},
		{"embedded in a list", `{"properties":{"t":{"items":{"x-kubernetes-embedded-resource":true,"properties":{"a":{}}}}}}`,
			`{"properties":{` + head + `,"t":{"items":{"properties":{"a":{},` + head + `},"required":["kind","apiVersion"],"x-kubernetes-embedded-resource":true}}},"type":"object",` + gvk + `}`},
		{"embedded in a map", `{"properties":{"t":{"additionalProperties":{"x-kubernetes-embedded-resource":true}}}}`,
			`{"properties":{` + head + `,"t":{"additionalProperties":{"properties":{` + head + `},"required":["kind","apiVersion"],"x-kubernetes-embedded-resource":true}}},"type":"object",` + gvk + `}`},
		{"the whole embedded", `{"x-kubernetes-embedded-resource":true}`,
			`{"properties":{` + head + `},"required":["kind","apiVersion"],"type":"object","x-kubernetes-embedded-resource":true,` + gvk + `}`},
		{"embedded, with what it requires", `{"properties":{"t":{"required":["spec","kind"],"x-kubernetes-embedded-resource":true}}}`,
			`{"properties":{` + head + `,"t":{"properties":{` + head + `},"required":["spec","kind","apiVersion"],"x-kubernetes-embedded-resource":true}},"type":"object",` + gvk + `}`},
		{"int or string", `{"properties":{"p":{"x-kubernetes-int-or-string":true}}}`,
			`{"properties":{` + head + `,"p":{` + either + `,"x-kubernetes-int-or-string":true}},"type":"object",` + gvk + `}`},
		{"int or string that says so", `{"properties":{"p":{"x-kubernetes-int-or-string":true,` + either + `,"pattern":"x"}}}`,
			`{"properties":{` + head + `,"p":{` + either + `,"pattern":"x","x-kubernetes-int-or-string":true}},"type":"object",` + gvk + `}`},
		{"int or string that says so in allOf", `{"properties":{"p":{"x-kubernetes-int-or-string":true,"allOf":[{` + either + `},{"maximum":2}]}}}`,
			`{"properties":{` + head + `,"p":{"allOf":[{` + either + `},{"maximum":2}],"x-kubernetes-int-or-string":true}},"type":"object",` + gvk + `}`},
		{"int or string with other alternatives", `{"properties":{"p":{"x-kubernetes-int-or-string":true,"anyOf":[{"minimum":1}],"allOf":[{"maximum":2}]}}}`,
			`{"properties":{` + head + `,"p":{"allOf":[{` + either + `},{"maximum":2}],"anyOf":[{"minimum":1}],"x-kubernetes-int-or-string":true}},"type":"object",` + gvk + `}`},
		{"odd places", `{"additionalProperties":true,"items":[{"x-kubernetes-embedded-resource":true}],"properties":{"a":false}}`,
			`{"additionalProperties":true,"items":[{"x-kubernetes-embedded-resource":true}],"properties":{"a":false,` + head + `},"type":"object",` + gvk + `}`},
	} {
		d := definitionOf(t, `{"spec":{"group":"a.io","names":{"plural":"ws","kind":"W"},"versions":[{"name":"v0","schema":{"openAPIV3Schema":{"description":"another"}}},`+
			`{"name":"v1","served":true,"schema":{"openAPIV3Schema":`+c.schema+`}}]}}`)
		doc := renderedCustom(t, "a.io", "v1", d)
		// Keys are sorted, so the wanted text is parsed and written the same way.
		want, _, err := tree.ParseJSONObject([]byte(c.want))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := jsonText(tree.At(doc, "components", "schemas", "io.a.v1.W")); got != jsonText(want) {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, jsonText(want))
		}
		// What is kept for the definition is not what was completed.
		if again := renderedCustom(t, "a.io", "v1", d); !tree.Equal(again, doc) {
			t.Errorf("%s: rendered again it is another document", c.what)
		}
	}
}

// TestManyInOneVersion: the definitions of a version share a document, each with components of its
// own, in which nothing is missing and nothing is left over.
func TestManyInOneVersion(t *testing.T) {
	var c Catalog
	c.SetServers(nil, "", testKinds())
	var docs []*Definition
	for i := range 20 {
		docs = append(docs, testCRD("a.io", fmt.Sprintf("things%d", i), fmt.Sprintf("Thing%d", i), []string{"v1", "v1+"}[i%2]))
	}
	c.SetCustom("a.io", docs)
	ids := checkOpenAPI(t, &c)
	for i := range 20 {
		if want := fmt.Sprintf("get /apis/a.io/v1/namespaces/{namespace}/things%d/{name}", i); ids[fmt.Sprintf("readAIoV1NamespacedThing%d", i)] != want {
			t.Errorf("%d: %q", i, ids[fmt.Sprintf("readAIoV1NamespacedThing%d", i)])
		}
	}
	// The order of definitions is that of discovery; a document has none.
	slices.Reverse(docs)
	if a, b := renderCustom(testKinds(), "a.io", "v1", docs), openAPIBytes(t, &c, "apis/a.io/v1"); string(a) != b {
		t.Error("another order makes another document")
	}
}

// openAPIBytes returns a document as it is sent.
func openAPIBytes(t testing.TB, c *Catalog, key string) string {
	t.Helper()
	w := askOpenAPI(c, OpenAPIRoot+"/"+key)
	if w.Code != 200 {
		t.Fatalf("%s: %d", key, w.Code)
	}
	return w.Body.String()
}

// TestHashesFollowContent: over many changes of definitions, a document and its hash change together:
// never the one without the other, but that a definition may change in what no document shows.
func TestHashesFollowContent(t *testing.T) {
	const text = `{"metadata":{"labels":{"n":"%s"}},"spec":{"group":"a.io","names":{"plural":"ws","kind":"W","listKind":"%s"},"versions":[{"name":"v1","served":true,"storage":true,` +
		`"schema":{"openAPIV3Schema":{"type":"object","description":"%s"}}%s}]}}`
	type entry struct{ what, crd string }
	steps := []entry{
		{"first", fmt.Sprintf(text, "1", "WList", "A W.", "")},
		{"description", fmt.Sprintf(text, "1", "WList", "Another.", "")},
		{"list kind", fmt.Sprintf(text, "1", "Ws", "Another.", "")},
		{"status", fmt.Sprintf(text, "1", "Ws", "Another.", `,"subresources":{"status":{}}`)},
		{"back", fmt.Sprintf(text, "1", "WList", "A W.", "")},
	}
	var c Catalog
	c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
	hashes, bodies := map[string]string{}, map[string]string{}
	for _, step := range steps {
		c.SetCustom("a.io", []*Definition{definitionOf(t, step.crd)})
		body, url := openAPIBytes(t, &c, "apis/a.io/v1"), addresses(t, &c)["apis/a.io/v1"]
		if had, ok := hashes[url]; ok && had != body {
			t.Errorf("%s: the hash was that of another document", step.what)
		}
		if had, ok := bodies[body]; ok && had != url {
			t.Errorf("%s: the document had another hash", step.what)
		}
		hashes[url], bodies[body] = body, url
	}
	if len(hashes) != len(steps)-1 || len(bodies) != len(steps)-1 {
		t.Errorf("%d hashes and %d documents", len(hashes), len(bodies))
	}
	// A label is not shown, but part of the digest: clients fetch the same bytes once more.
	before, body := addresses(t, &c), openAPIBytes(t, &c, "apis/a.io/v1")
	c.SetCustom("a.io", []*Definition{definitionOf(t, fmt.Sprintf(text, "2", "WList", "A W.", ""))})
	if after := addresses(t, &c); after["apis/a.io/v1"] == before["apis/a.io/v1"] || after["api/v1"] != before["api/v1"] ||
		openAPIBytes(t, &c, "apis/a.io/v1") != body {
		t.Error("a label")
	}
}

// TestHashesOfBuiltin: the hash of a built-in document is that of its bytes, and a change of the
// table changes the documents that show it.
func TestHashesOfBuiltin(t *testing.T) {
	c := testCatalog()
	before := addresses(t, c)
	for key, url := range before {
		if want := OpenAPIRoot + "/" + key + "?hash=" + upperHash([]byte(openAPIBytes(t, c, key))); url != want {
			t.Errorf("%s: %s, want %s", key, url, want)
		}
	}
	// That of definitions is not, but shows what the program and its table make of any.
	custom := func(table *kinds.Table) string {
		var c Catalog
		c.SetServers(nil, "", table)
		c.SetCustom("a.io", []*Definition{testCRD("a.io", "things", "Thing", "v1")})
		return addresses(t, &c)["apis/a.io/v1"]
	}
	other := testKinds()
	other.Type("meta.ObjectMeta").Doc = "Something else."
	if had := custom(testKinds()); had != custom(testKinds()) || had == custom(other) || had == custom(nil) {
		t.Error("the hash of a definition does not follow the table")
	}
	table := testKinds()
	table.Kind("authentication.k8s.io", "v1", "TokenReview").Type().Doc = "Something else."
	c.SetServers(slices.Concat(GroupsOf(table, "core"), GroupsOf(table, "extensions")), "", table)
	for key, url := range addresses(t, c) {
		if changed := url != before[key]; changed != (key == "apis/authentication.k8s.io/v1") {
			t.Errorf("%s has changed: %v", key, changed)
		}
	}
}

// TestWordsOfTypes: what is said of a type as a whole.
func TestWordsOfTypes(t *testing.T) {
	field := []*kinds.Field{{Name: "a", Kind: kinds.FieldString}}
	for _, c := range []struct {
		typ  *kinds.Type
		want string
	}{
		{&kinds.Type{Schema: "io.x.A", Fields: field, Atomic: true}, `"x-kubernetes-map-type":"atomic"`},
		{&kinds.Type{Schema: "io.x.B", Fields: field, Union: &kinds.Union{Fields: []string{"a", "bC"}}},
			`"x-kubernetes-unions":[{"fields-to-discriminateBy":{"a":"A","bC":"BC"}}]`},
		{&kinds.Type{Schema: "io.x.C", Fields: field, Union: &kinds.Union{Discriminator: "type", Fields: []string{"a"}}},
			`"x-kubernetes-unions":[{"discriminator":"type","fields-to-discriminateBy":{"a":"A"}}]`},
		{&kinds.Type{Name: "meta.Status", Schema: metaSchemas + "Status", Fields: field}, `"x-kubernetes-group-version-kind":[{"group":"","kind":"Status","version":"v1"}]`},
	} {
		w := newSchemaWriter(nil, openAPI3)
		if got, want := jsonText(w.out[w.typ(c.typ)]), `{"properties":{"a":{"type":"string"}},"type":"object",`+c.want+`}`; got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.typ.Schema, got, want)
		}
	}
	// A claim in a template of another group is a kind there too.
	table := testKinds()
	service := table.Kind("", "v1", "Service").Type()
	w := newSchemaWriter(table, openAPI3)
	if got := jsonText(tree.At(w.out[w.typ(service)], "x-kubernetes-group-version-kind")); got != `[{"group":"","kind":"Service","version":"v1"}]` {
		t.Errorf("a kind that is a field: %s", got)
	}
}
