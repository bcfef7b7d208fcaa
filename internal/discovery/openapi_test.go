package discovery

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// testCatalog is what all servers have by the small table.
func testCatalog() *Catalog {
	var c Catalog
	table := testKinds()
	c.SetServers(slices.Concat(GroupsOf(table, "core"), GroupsOf(table, "extensions")), "", table)
	return &c
}

// askOpenAPI asks for the index, or below it for a document.
func askOpenAPI(c *Catalog, path string, header ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	if r.URL.Path == OpenAPIRoot {
		c.ServeOpenAPIIndex(w, r)
	} else {
		c.ServeOpenAPI(w, r)
	}
	return w
}

// openAPI is a document, read.
func openAPI(t *testing.T, c *Catalog, key string) map[string]any {
	t.Helper()
	got := askOpenAPI(c, OpenAPIRoot+"/"+key)
	doc, repeated, err := tree.ParseJSONObject(got.Body.Bytes())
	if err != nil || got.Code != 200 || len(repeated) > 0 {
		t.Fatalf("%s: %d %v %q %s", key, got.Code, err, repeated, got.Body)
	}
	return doc
}

// addresses is the index: the address of each document.
func addresses(t *testing.T, c *Catalog) map[string]string {
	t.Helper()
	got := askOpenAPI(c, OpenAPIRoot)
	var index struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	if err := json.Unmarshal(got.Body.Bytes(), &index); err != nil || got.Code != 200 {
		t.Fatalf("%d %v %s", got.Code, err, got.Body)
	}
	out := map[string]string{}
	for key, d := range index.Paths {
		out[key] = d.ServerRelativeURL
	}
	return out
}

func TestOpenAPIIndex(t *testing.T) {
	c := testCatalog()
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1+", "v1beta1")})
	got := addresses(t, c)
	want := []string{".well-known/openid-configuration", "openid/v1/jwks", "version", "api", "api/v1", "apis", "apis/apiextensions.k8s.io", "apis/apiextensions.k8s.io/v1", "apis/authentication.k8s.io", "apis/authentication.k8s.io/v1",
		"apis/events.k8s.io", "apis/events.k8s.io/v1", "apis/example.com/v1", "apis/example.com/v1beta1"}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for _, key := range want {
		head := "/openapi/v3/" + key + "?hash="
		hash, ok := strings.CutPrefix(got[key], head)
		if !ok || len(hash) != 128 || strings.Trim(hash, "0123456789ABCDEF") != "" {
			t.Errorf("%s: %q", key, got[key])
			continue
		}
		w := askOpenAPI(c, got[key])
		h := w.Header()
		expires, err := time.Parse(time.RFC1123, h.Get("Expires"))
		if days := time.Until(expires).Hours() / 24; err != nil || days < 364 || days > 367 {
			t.Errorf("%s: Expires %q", key, h.Get("Expires"))
		}
		if w.Code != 200 || !json.Valid(w.Body.Bytes()) || h.Get("Etag") != `"`+hash+`"` || h.Get("Cache-Control") != "public, immutable" || h.Get("Content-Type") != "application/json" || h.Get("Vary") != "Accept" {
			t.Errorf("%s: %d %v", key, w.Code, h)
		}
		if w := askOpenAPI(c, OpenAPIRoot+"/"+key); w.Code != 200 || w.Header().Get("Cache-Control") != "" || w.Header().Get("Etag") != `"`+hash+`"` {
			t.Errorf("%s without a hash: %d %v", key, w.Code, w.Header())
		}
		if w := askOpenAPI(c, head+"0123"); w.Code != 301 || w.Header().Get("Location") != got[key] || w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s with a wrong hash: %d %v", key, w.Code, w.Header())
		}
	}
	for _, key := range []string{"", "v1", "api/v2", "api/v1/pods", "apis/example.com", "apis/example.com/v2", "apis/nobody/v1", "apis//v1", "versions"} {
		if w := askOpenAPI(c, OpenAPIRoot+"/"+key); w.Code != 404 || w.Body.String() != "404 page not found\n" {
			t.Errorf("%q: %d %s", key, w.Code, w.Body)
		}
	}
}

func TestOpenAPICaching(t *testing.T) {
	c := testCatalog()
	for _, path := range []string{OpenAPIRoot, OpenAPIRoot + "/api/v1", OpenAPIRoot + "/apis/"} {
		tag := askOpenAPI(c, path).Header().Get("Etag")
		for known, code := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200} {
			if got := askOpenAPI(c, path, "If-None-Match: "+known); got.Code != code || (got.Body.Len() == 0) != (code == 304) || got.Header().Get("Etag") != tag {
				t.Errorf("%s If-None-Match %.20s: %d %v", path, known, got.Code, got.Header())
			}
		}
		for accept, code := range map[string]int{
			"application/json": 200, "*/*": 200, "application/*;q=0.5": 200,
			"application/com.github.proto-openapi.spec.v3@v1.0+protobuf, application/json": 200,
			"application/com.github.proto-openapi.spec.v3@v1.0+protobuf":                   406, "text/html": 406,
		} {
			if path == OpenAPIRoot {
				code = 200
			}
			if got := askOpenAPI(c, path, "Accept: "+accept); got.Code != code || (got.Body.Len() == 0) != (code == 406) {
				t.Errorf("%s Accept %s: %d", path, accept, got.Code)
			}
		}
	}
}

// TestOpenAPIHashes: hashes are the same in another process, and a change of definitions
// changes those of its group and version alone; the other documents are not made again.
func TestOpenAPIHashes(t *testing.T) {
	c, other := testCatalog(), testCatalog()
	widgets := testCRD("example.com", "widgets", "Widget", "v1")
	for _, c := range []*Catalog{c, other} {
		c.SetCustom("example.com", []*Definition{widgets, testCRD("example.com", "olds", "Old", "v1alpha1")})
		c.SetCustom("other.example", []*Definition{testCRD("other.example", "things", "Thing", "v1")})
	}
	before := addresses(t, c)
	if again := addresses(t, other); fmt.Sprint(again) != fmt.Sprint(before) {
		t.Errorf("another catalog: %v\nwant %v", again, before)
	}
	kept, dropped := c.openAPIDocument("apis/example.com/v1alpha1"), c.openAPIDocument("apis/example.com/v1")
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1+"), kept.custom[0]})
	if c.openAPIDocument("apis/example.com/v1alpha1") != kept || c.openAPIDocument("apis/example.com/v1") == dropped {
		t.Error("the wrong document was made again")
	}
	for key, url := range addresses(t, c) {
		if (url != before[key]) != (key == "apis/example.com/v1") {
			t.Errorf("%s: %s, before %s", key, url, before[key])
		}
	}
	if w := askOpenAPI(c, before["apis/example.com/v1"]); w.Code != 301 || w.Header().Get("Location") != addresses(t, c)["apis/example.com/v1"] {
		t.Errorf("the old address: %d %v", w.Code, w.Header())
	}
	c.SetCustom("example.com", nil)
	if w := askOpenAPI(c, before["apis/example.com/v1"]); w.Code != 404 || len(addresses(t, c)) != len(before)-2 {
		t.Errorf("after the definition is gone: %d", w.Code)
	}
}

// references are all $ref in v.
func references(v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if s, ok := e.(string); ok && key == "$ref" {
				out = append(out, s)
			}
			out = append(out, references(e)...)
		}
	case []any:
		for _, e := range v {
			out = append(out, references(e)...)
		}
	}
	return out
}

// checkOpenAPI checks all documents, and returns the method and path of each operation.
func checkOpenAPI(t *testing.T, c *Catalog) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for key := range addresses(t, c) {
		doc := openAPI(t, c, key)
		if doc["openapi"] != "3.0.0" || tree.Text(doc, "info", "title") == "" || len(tree.Object(doc, "paths")) == 0 {
			t.Errorf("%s: %v", key, doc["info"])
		}
		used := map[string]bool{}
		for _, ref := range references(doc) {
			used[ref] = true
			path := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			if o := tree.Object(doc, path...); len(o) == 0 {
				t.Errorf("%s: %s leads nowhere", key, ref)
			}
		}
		for name := range tree.Object(doc, "components", "schemas") {
			if !used["#/components/schemas/"+name] {
				t.Errorf("%s: nothing refers to %s", key, name)
			}
		}
		for path, item := range tree.Object(doc, "paths") {
			for method, op := range item.(map[string]any) {
				if method == "parameters" {
					continue
				}
				id := tree.Text(op, "operationId")
				if id == "" || ids[id] != "" || len(tree.Object(op, "responses", "200")) == 0 {
					t.Errorf("%s: %s %s: operation %q, also of %s", key, method, path, id, ids[id])
				}
				ids[id] = method + " " + path
			}
		}
	}
	return ids
}

// TestOpenAPIOfKinds looks through the documents of all built-in kinds.
func TestOpenAPIOfKinds(t *testing.T) {
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	var c Catalog
	c.SetServers(slices.Concat(GroupsOf(table, "core"), GroupsOf(table, "extensions"), GroupsOf(table, "aggregator")), "", table)
	ids := checkOpenAPI(t, &c)
	for id, want := range map[string]string{
		"createCoreV1NamespacedServiceAccountToken": "post /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
		"replaceCoreV1NamespaceFinalize":            "put /api/v1/namespaces/{name}/finalize",
		"patchCoordinationV1NamespacedLease":        "patch /apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}",
	} {
		if ids[id] != want {
			t.Errorf("operation %s is %q, want %q", id, ids[id], want)
		}
	}
	for _, row := range table.Kinds {
		doc := openAPI(t, &c, groupVersionKey(row.Group, row.Version))
		schema := tree.At(doc, "components", "schemas", row.Type().Schema)
		if got, want := string(tree.AppendJSON(nil, tree.At(schema, "x-kubernetes-group-version-kind"))), string(tree.AppendJSON(nil, []any{gvkOf(row.Group, row.Version, row.Kind)})); got != want {
			t.Errorf("%s: %s", row.Type().Schema, got)
		}
	}
	// What a real server says: the two kinds of events are stored as one.
	for path, want := range map[string][]string{
		"/api/v1":                {`"kind":"ConfigMap",`, `"qFsyl6wFWjQ="`, `"r2yiGXH7wu8="`, `{"name":"serviceaccounts/token","singularName":"","namespaced":true,"group":"authentication.k8s.io","version":"v1","kind":"TokenRequest","verbs":["create"]}`},
		"/apis/events.k8s.io/v1": {`"storageVersionHash":"r2yiGXH7wu8="`},
	} {
		got := fetch(t, &c, path).Body.String()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %s in %s", path, w, got)
			}
		}
	}
}

// TestOpenAPIComplete: every reference of every document leads somewhere, every schema is
// referred to, and operations have names of their own.
func TestOpenAPIComplete(t *testing.T) {
	c := testCatalog()
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1+")})
	ids := checkOpenAPI(t, c)
	for id, want := range map[string]string{
		"listCoreV1ServiceForAllNamespaces":                       "get /api/v1/services",
		"listCoreV1NamespacedService":                             "get /api/v1/namespaces/{namespace}/services",
		"createCoreV1NamespacedService":                           "post /api/v1/namespaces/{namespace}/services",
		"deleteCoreV1CollectionNamespacedService":                 "delete /api/v1/namespaces/{namespace}/services",
		"readCoreV1NamespacedService":                             "get /api/v1/namespaces/{namespace}/services/{name}",
		"replaceCoreV1NamespacedService":                          "put /api/v1/namespaces/{namespace}/services/{name}",
		"patchCoreV1NamespacedServiceStatus":                      "patch /api/v1/namespaces/{namespace}/services/{name}/status",
		"readCoreV1NamespacedServiceScale":                        "get /api/v1/namespaces/{namespace}/services/{name}/scale",
		"createAuthenticationV1TokenReview":                       "post /apis/authentication.k8s.io/v1/tokenreviews",
		"deleteApiextensionsV1CollectionCustomResourceDefinition": "delete /apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		"replaceExampleComV1NamespacedWidgetScale":                "put /apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale",
		"getCoreV1APIResources":                                   "get /api/v1/",
		"getEventsAPIGroup":                                       "get /apis/events.k8s.io/",
		"getAPIVersions":                                          "get /apis/",
	} {
		if ids[id] != want {
			t.Errorf("operation %s is %q, want %q", id, ids[id], want)
		}
	}
}

// TestOpenAPIPatch: what kubectl looks for in the operation of a patch.
func TestOpenAPIPatch(t *testing.T) {
	c := testCatalog()
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	for _, at := range []struct {
		key, path, gvk string
		strategic      bool
	}{
		{"api/v1", "/api/v1/namespaces/{namespace}/services/{name}", `{"group":"","kind":"Service","version":"v1"}`, true},
		{"apis/example.com/v1", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", `{"group":"example.com","kind":"Widget","version":"v1"}`, false},
	} {
		op := tree.Object(openAPI(t, c, at.key), "paths", at.path, "patch")
		var names []string
		for _, p := range tree.List(op, "parameters") {
			names = append(names, tree.Text(p, "in")+" "+tree.Text(p, "name"))
		}
		if want := []string{"query dryRun", "query fieldManager", "query fieldValidation", "query force"}; !slices.Equal(names, want) {
			t.Errorf("%s: %q", at.path, names)
		}
		content := tree.Object(op, "requestBody", "content")
		if _, ok := content["application/strategic-merge-patch+json"]; ok != at.strategic || content["application/merge-patch+json"] == nil {
			t.Errorf("%s: %v", at.path, content)
		}
		if got := string(tree.AppendJSON(nil, op["x-kubernetes-group-version-kind"])); got != at.gvk || op["x-kubernetes-action"] != "patch" {
			t.Errorf("%s: %s %v", at.path, got, op["x-kubernetes-action"])
		}
	}
}

// TestOpenAPITypes: each kind of field as a schema.
func TestOpenAPITypes(t *testing.T) {
	c := testCatalog()
	schemas := tree.Object(openAPI(t, c, "api/v1"), "components", "schemas")
	const meta, quantity = `{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}],"default":{}}`, `"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"`
	for name, want := range map[string]string{
		"io.k8s.api.core.v1.Service": `{"description":"About Service.","properties":{"apiVersion":{"type":"string"},"at":{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"}]},` +
			`"data":{"additionalProperties":{"format":"byte","type":"string"},"type":"object"},"extra":{"additionalProperties":{"items":{"type":"string"},"type":"array"},"type":"object"},"kind":{"type":"string"},` +
			`"limits":{"additionalProperties":{` + quantity + `},"type":"object"},"metadata":` + meta + `,"n":{"format":"int64","type":"integer"},"on":{"type":"boolean"},` +
			`"ports":{"items":{"$ref":"#/components/schemas/io.k8s.api.core.v1.ServicePort"},"type":"array","x-kubernetes-patch-merge-key":"port","x-kubernetes-patch-strategy":"merge"},"weight":{"format":"double","type":"number"}},` +
			`"type":"object","x-kubernetes-group-version-kind":[{"group":"","kind":"Service","version":"v1"}]}`,
		"io.k8s.api.core.v1.ServicePort": `{"description":"About ServicePort.","properties":{"port":{"default":0,"format":"int32","type":"integer"},"protocol":{"default":"TCP","type":"string"},"targetPort":{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}]}},"required":["port"],"type":"object"}`,
		"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": `{"description":"About meta.ObjectMeta.","properties":{"creationTimestamp":{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Time"}]},` +
			`"finalizers":{"items":{"type":"string"},"type":"array","x-kubernetes-patch-strategy":"merge"},"labels":{"additionalProperties":{"type":"string"},"description":"to select by","type":"object"},"name":{"type":"string"}},"required":["creationTimestamp"],"type":"object"}`,
		"io.k8s.apimachinery.pkg.apis.meta.v1.Time":          `{"description":"a time: RFC 3339, to the second","format":"date-time","type":"string"}`,
		"io.k8s.apimachinery.pkg.util.intstr.IntOrString":    `{"description":"an integer or a string","format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}]}`,
		"io.k8s.api.autoscaling.v1.Scale":                    `{"description":"About autoscaling.Scale.","properties":{"metadata":` + meta + `},"type":"object","x-kubernetes-group-version-kind":[{"group":"autoscaling","kind":"Scale","version":"v1"}]}`,
		"io.k8s.apimachinery.pkg.apis.meta.v1.Patch":         `{"type":"object"}`,
		"io.k8s.api.core.v1.EventList":                       `{"description":"A list of objects.","properties":{"apiVersion":{"description":"group and version of the kind","type":"string"},"items":{"description":"the objects","items":{"$ref":"#/components/schemas/io.k8s.api.core.v1.Event"},"type":"array"},"kind":{"description":"name of the kind","type":"string"},"metadata":{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"}],"default":{},"description":"what every list has"}},"required":["items"],"type":"object","x-kubernetes-group-version-kind":[{"group":"","kind":"EventList","version":"v1"}]}`,
		"io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions": `{"description":"About meta.DeleteOptions.","properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},"propagationPolicy":{"type":"string"}},"type":"object","x-kubernetes-group-version-kind":[{"group":"","kind":"DeleteOptions","version":"v1"}]}`,
	} {
		if got := string(tree.AppendJSON(nil, schemas[name])); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	props := openAPI(t, c, "apis/apiextensions.k8s.io/v1")
	const name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
	want := `{"default":{"x-kubernetes-preserve-unknown-fields":true},"items":{"$ref":"#/components/schemas/` + name + `OrArray"},"properties":{"additionalProperties":{"$ref":"#/components/schemas/` + name + `"},"type":"object"}}`
	if got := string(tree.AppendJSON(nil, tree.At(props, "components", "schemas", name, "properties"))); got != want {
		t.Errorf("a type in itself:\n got %s\nwant %s", got, want)
	}
	if either := tree.Object(props, "components", "schemas", name+"OrArray"); either["type"] != nil || tree.Text(either, "description") == "" {
		t.Errorf("a type or a list of it: %v", either)
	}
}

func TestOpenAPICustomSchema(t *testing.T) {
	c := testCatalog()
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	schemas := tree.Object(openAPI(t, c, "apis/example.com/v1"), "components", "schemas")
	const head = `"apiVersion":{"description":"group and version of the kind","type":"string"},"kind":{"description":"name of the kind","type":"string"},"metadata":{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}],"description":"what every stored object has"}`
	want := `{"description":"A Widget.","properties":{` + head + `,"spec":{"properties":{"port":{"anyOf":[{"type":"integer"},{"type":"string"}],"x-kubernetes-int-or-string":true},"size":{"default":3,"maximum":10,"type":"integer"},` +
		`"template":{"properties":{` + head + `},"required":["kind","apiVersion"],"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}},"type":"object"}},"type":"object","x-kubernetes-group-version-kind":[{"group":"example.com","kind":"Widget","version":"v1"}]}`
	if got := string(tree.AppendJSON(nil, schemas["com.example.v1.Widget"])); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := tree.Text(schemas, "com.example.v1.WidgetList", "properties", "items", "type"); got != "array" {
		t.Errorf("the list: %v", schemas["com.example.v1.WidgetList"])
	}
	terminating := testCRD("example.com", "widgets", "Widget", "v1")
	terminating.terminating = true
	c.SetCustom("example.com", []*Definition{terminating})
	item := tree.Object(openAPI(t, c, "apis/example.com/v1"), "paths", "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}")
	if item["get"] == nil || item["put"] != nil || item["patch"] != nil {
		t.Errorf("while it is deleted: %v", item)
	}
}

// TestOpenAPIBareSchemas: a definition may say nothing, and a program may have no table.
func TestOpenAPIBareSchemas(t *testing.T) {
	for _, table := range []*kinds.Table{nil, testKinds()} {
		for _, raw := range []string{`{}`, `{"spec":{"versions":[{"name":"v1"}]}}`, `{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{}}}]}}`, `{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":{"properties":{"a":true,"b":{"items":[]}},"additionalProperties":false}}}]}}`} {
			var c Catalog
			c.SetServers(nil, "", table)
			d := testCRD("g.example", "things", "Thing", "v1+")
			d.raw = []byte(raw)
			c.SetCustom("g.example", []*Definition{d})
			schema := tree.At(openAPI(t, &c, "apis/g.example/v1"), "components", "schemas", "example.g.v1.Thing")
			// Without a schema nothing may be said of fields, or clients take the few for all.
			if tree.Text(schema, "type") != "object" || (tree.Object(schema, "properties", "metadata") != nil) != strings.Contains(raw, "schema") {
				t.Errorf("table %v, %s: %v", table != nil, raw, schema)
			}
		}
	}
}

// BenchmarkOpenAPIDocument is what the first request for a document costs.
func BenchmarkOpenAPIDocument(b *testing.B) {
	table := testKinds()
	docs := []*Definition{testCRD("example.com", "widgets", "Widget", "v1+")}
	b.ReportAllocs()
	for b.Loop() {
		renderCustom(table, "example.com", "v1", docs)
	}
}

// TestHashesOfRead: the hash of a document of kinds that were read does not need the document, is the same in
// another process, and is of one document; without a kind it is another.
func TestHashesOfRead(t *testing.T) {
	c, again := fullCatalog(t), fullCatalog(t)
	before := addresses(t, c)
	if fmt.Sprint(before) != fmt.Sprint(addresses(t, again)) {
		t.Error("another process has other hashes")
	}
	seen := map[string]string{}
	for key, url := range before {
		_, hash, _ := strings.Cut(url, "=")
		if seen[hash] != "" {
			t.Errorf("%s has the hash of %s", key, seen[hash])
		}
		seen[hash] = key
	}
	if d := c.openAPIDocument("apis/apps/v1"); d.body.bytes != nil {
		t.Error("the index has rendered the document of apps")
	}
	table := *c.table
	table.Kinds = slices.DeleteFunc(slices.Clone(table.Kinds), func(row *kinds.Row) bool { return row.Plural == "replicasets" })
	c.SetServers(slices.Concat(GroupsOf(&table, "core"), GroupsOf(&table, "extensions"), GroupsOf(&table, "aggregator")), "", &table)
	for key, url := range addresses(t, c) {
		if (url != before[key]) != (key == "apis/apps/v1") {
			t.Errorf("without a kind of apps, the hash of %s", key)
		}
	}
}
