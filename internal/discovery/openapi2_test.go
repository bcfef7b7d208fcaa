package discovery

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// askOpenAPI2 asks for OpenAPI v2 with lines of a header.
func askOpenAPI2(c *Catalog, header ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", OpenAPI2Path, nil), httptest.NewRecorder()
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	c.ServeOpenAPI2(w, r)
	return w
}

// openAPI2Tree is OpenAPI v2 as a tree.
func openAPI2Tree(t *testing.T, c *Catalog) map[string]any {
	t.Helper()
	got := askOpenAPI2(c)
	doc, repeated, err := tree.ParseJSONObject(got.Body.Bytes())
	if err != nil || got.Code != 200 || len(repeated) > 0 {
		t.Fatalf("%d %v %q", got.Code, err, repeated)
	}
	return doc
}

// fullCatalog is what all servers have by the table of the program.
func fullCatalog(t testing.TB) *Catalog {
	t.Helper()
	table, err := kinds.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var c Catalog
	c.SetServers(slices.Concat(GroupsOf(table, "core"), GroupsOf(table, "extensions"), GroupsOf(table, "aggregator")), "", table)
	return &c
}

// TestOpenAPI2Complete: every reference leads somewhere, every definition and parameter is referred to,
// operations have names of their own, and the paths are those of the documents of v3.
func TestOpenAPI2Complete(t *testing.T) {
	c := fullCatalog(t)
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1+", "v2")})
	doc := openAPI2Tree(t, c)
	if doc["swagger"] != "2.0" || tree.Text(doc, "info", "version") != "1.37" || jsonText(doc["security"]) != `[{"BearerToken":[]}]` || tree.Object(doc, "securityDefinitions", "BearerToken") == nil {
		t.Errorf("%v %v", doc["info"], doc["security"])
	}
	used := map[string]bool{}
	for _, ref := range references(doc) {
		used[ref] = true
		if o := tree.Object(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); len(o) == 0 {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	for _, key := range []string{"definitions", "parameters"} {
		for name := range tree.Object(doc, key) {
			if !used["#/"+key+"/"+name] {
				t.Errorf("nothing refers to %s %s", key, name)
			}
		}
	}
	ids := checkOpenAPI(t, c)
	n := 0
	for path, item := range tree.Object(doc, "paths") {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			n++
			if id := tree.Text(op, "operationId"); ids[id] != method+" "+path {
				t.Errorf("%s %s is %s, which v3 has for %q", method, path, id, ids[id])
			}
		}
	}
	if n != len(ids) {
		t.Errorf("%d operations, v3 has %d", n, len(ids))
	}
}

// TestOpenAPI2Operations: what stands elsewhere than in v3.
func TestOpenAPI2Operations(t *testing.T) {
	c := testCatalog()
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	doc := openAPI2Tree(t, c)
	for _, row := range []struct{ path, method, want string }{
		{"/api/v1/namespaces/{namespace}/services/{name}", "put", `{"consumes":["*/*"],"description":"replace Service","operationId":"replaceCoreV1NamespacedService",` +
			`"parameters":[{"in":"body","name":"body","required":true,"schema":{"$ref":"#/definitions/io.k8s.api.core.v1.Service"}},DRYRUN,MANAGER,VALIDATION],` +
			`"produces":["application/json","application/yaml","application/vnd.kubernetes.protobuf"],` +
			`"responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/io.k8s.api.core.v1.Service"}},"201":{"description":"Created","schema":{"$ref":"#/definitions/io.k8s.api.core.v1.Service"}},"401":{"description":"Unauthorized"}},` +
			`"schemes":["https"],"tags":["core_v1"],"x-kubernetes-action":"put","x-kubernetes-group-version-kind":{"group":"","kind":"Service","version":"v1"}}`},
		{"/apis/example.com/v1/namespaces/{namespace}/widgets/{name}", "delete", `{"consumes":["application/json","application/yaml"],"description":"delete Widget","operationId":"deleteExampleComV1NamespacedWidget",` +
			`"parameters":[{"in":"body","name":"body","schema":{"$ref":"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"}},DRYRUN,{"$ref":"#/parameters/gracePeriodSeconds"},` +
			`{"$ref":"#/parameters/ignoreStoreReadErrorWithClusterBreakingPotential"},{"$ref":"#/parameters/orphanDependents"},{"$ref":"#/parameters/propagationPolicy"}],` +
			`"produces":["application/json","application/yaml"],"responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Status"}},` +
			`"202":{"description":"Accepted","schema":{"$ref":"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Status"}},"401":{"description":"Unauthorized"}},` +
			`"schemes":["https"],"tags":["exampleCom_v1"],"x-kubernetes-action":"delete","x-kubernetes-group-version-kind":{"group":"example.com","kind":"Widget","version":"v1"}}`},
		{"/version/", "get", `{"consumes":["application/json"],"description":"the version of the server","operationId":"getCodeVersion","produces":["application/json"],` +
			`"responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/io.k8s.apimachinery.pkg.version.Info"}},"401":{"description":"Unauthorized"}},"schemes":["https"],"tags":["version"]}`},
		{"/openid/v1/jwks/", "get", `{"description":"the keys that tokens of service accounts are checked with","operationId":"getServiceAccountIssuerOpenIDKeyset","produces":["application/jwk-set+json"],` +
			`"responses":{"200":{"description":"OK","schema":{"type":"string"}},"401":{"description":"Unauthorized"}},"schemes":["https"],"tags":["openid"]}`},
	} {
		want := row.want
		for word, name := range map[string]string{"DRYRUN": "dryRun", "MANAGER": "fieldManager", "VALIDATION": "fieldValidation"} {
			want = strings.ReplaceAll(want, word, `{"description":`+jsonText(queryParameters[name].doc)+`,"in":"query","name":"`+name+`","type":"string","uniqueItems":true}`)
		}
		if got := jsonText(tree.At(doc, "paths", row.path, row.method)); got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", row.method, row.path, got, want)
		}
	}
}

// TestReduce: what v2 says of schemas that v3 has; what upstream says of these, in both.
func TestReduce(t *testing.T) {
	for _, c := range []struct{ what, in, want string }{
		{"default", `{"type":"string","default":"a"}`, `{"type":"string"}`},
		{"reference with a default", `{"allOf":[{"$ref":"#/components/schemas/A"}],"default":{},"description":"d"}`, `{"$ref":"#/components/schemas/A","description":"d"}`},
		{"several references", `{"allOf":[{"$ref":"A"},{"$ref":"B"}]}`, `{"allOf":[{"$ref":"A"},{"$ref":"B"}]}`},
		{"int or string", `{"format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}]}`, `{"format":"int-or-string","type":"string"}`},
		{"below", `{"properties":{"default":{"default":1,"items":{"default":2}},"oneOf":{"additionalProperties":{"default":3,"type":"integer"}}}}`,
			`{"properties":{"default":{"items":{}},"oneOf":{"additionalProperties":{"type":"integer"}}}}`},
		{"no schemas", `{"additionalProperties":true,"items":[1],"properties":{"a":true}}`, `{"additionalProperties":true,"items":[1],"properties":{"a":true}}`},
	} {
		s, _, err := tree.ParseJSONObject([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if reduce(s); jsonText(s) != c.want {
			t.Errorf("%s: %s, want %s", c.what, jsonText(s), c.want)
		}
	}
}

// TestReduceCustom: what v2 says of the schemas of definitions, as kube-apiserver has said it of these.
func TestReduceCustom(t *testing.T) {
	for _, c := range []struct{ what, in, want string }{
		{"junctors", `{"type":"string","allOf":[{"minLength":1}],"anyOf":[{"pattern":"^a"}],"oneOf":[{}],"not":{}}`, `{"type":"string"}`},
		{"validations", `{"type":"object","x-kubernetes-validations":[{"rule":"true"}]}`, `{"type":"object","x-kubernetes-validations":[{"rule":"true"}]}`},
		{"bounds", `{"type":"integer","minimum":0,"maximum":10,"exclusiveMaximum":true,"multipleOf":2}`, `{"exclusiveMaximum":true,"maximum":10,"minimum":0,"multipleOf":2,"type":"integer"}`},
		{"nullable text", `{"type":"string","nullable":true}`, `{}`},
		{"nullable object", `{"type":"object","nullable":true,"properties":{"a":{"type":"string"}}}`, `{}`},
		{"nullable list", `{"type":"array","nullable":true,"items":{"type":"string"}}`, `{}`},
		{"not nullable", `{"type":"string","nullable":false}`, `{"type":"string"}`},
		{"anything", `{"x-kubernetes-preserve-unknown-fields":true}`, `{"x-kubernetes-preserve-unknown-fields":true}`},
		{"any object", `{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{"type":"string"}}}`, `{"x-kubernetes-preserve-unknown-fields":true}`},
		{"any list", `{"type":"array","x-kubernetes-preserve-unknown-fields":true,"items":{"type":"string"}}`, `{"x-kubernetes-preserve-unknown-fields":true}`},
		{"list of anything", `{"type":"array","items":{"x-kubernetes-preserve-unknown-fields":true}}`, `{"items":{"x-kubernetes-preserve-unknown-fields":true},"type":"array"}`},
		{"list of nothing", `{"type":"array"}`, `{}`},
		{"required", `{"required":["a","b"],"properties":{"a":{"type":"string"},"b":{"nullable":true}}}`, `{"properties":{"a":{"type":"string"},"b":{}},"required":["a"]}`},
		{"none required", `{"required":["b"],"properties":{"b":{"nullable":true}}}`, `{"properties":{"b":{}}}`},
		{"map of nulls", `{"required":["q"],"additionalProperties":{"type":"string","nullable":true}}`, `{"additionalProperties":{}}`},
		{"below", `{"items":{"properties":{"a":{"additionalProperties":{"type":"array","nullable":true}}}}}`, `{"items":{"properties":{"a":{"additionalProperties":{}}}}}`},
	} {
		s, _, err := tree.ParseJSONObject([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if reduceCustom(s); jsonText(s) != c.want {
			t.Errorf("%s: %s, want %s", c.what, jsonText(s), c.want)
		}
	}
}

// TestCustomInOpenAPI2: the fields of every object are added where kubectl would not refuse others for
// them.
func TestCustomInOpenAPI2(t *testing.T) {
	const head = `"apiVersion":{"description":"group and version of the kind","type":"string"},"kind":{"description":"name of the kind","type":"string"},` +
		`"metadata":{"$ref":"#/definitions/` + metaSchemas + `ObjectMeta","description":"what every stored object has"}`
	const gvk = `"x-kubernetes-group-version-kind":[{"group":"a.io","kind":"W","version":"v1"}]`
	for _, c := range []struct{ what, schema, want string }{
		{"nothing", `null`, `{"type":"object",` + gvk + `}`},
		{"anything", `{"x-kubernetes-preserve-unknown-fields":true,"properties":{"a":{}}}`, `{"type":"object",` + gvk + `}`},
		{"fields", `{"required":["a"],"properties":{"a":{"type":"string","default":"x"}}}`, `{"properties":{"a":{"type":"string"},` + head + `},"required":["a"],"type":"object",` + gvk + `}`},
		{"an object in it", `{"properties":{"a":{"type":"object","x-kubernetes-embedded-resource":true}}}`,
			`{"properties":{"a":{"properties":{` + head + `},"required":["kind","apiVersion"],"type":"object","x-kubernetes-embedded-resource":true},` + head + `},"type":"object",` + gvk + `}`},
		{"any object in it", `{"properties":{"a":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}}`,
			`{"properties":{"a":{"x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true},` + head + `},"type":"object",` + gvk + `}`},
		{"int or string", `{"properties":{"a":{"x-kubernetes-int-or-string":true}}}`, `{"properties":{"a":{"x-kubernetes-int-or-string":true},` + head + `},"type":"object",` + gvk + `}`},
	} {
		var cat Catalog
		cat.SetServers(nil, "", testKinds())
		cat.SetCustom("a.io", []*Definition{definitionOf(t, `{"spec":{"group":"a.io","names":{"plural":"ws","kind":"W"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":`+c.schema+`}}]}}`)})
		want, _, err := tree.ParseJSONObject([]byte(c.want))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := jsonText(tree.At(openAPI2Tree(t, &cat), "definitions", "io.a.v1.W")); got != jsonText(want) {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, jsonText(want))
		}
	}
}

// TestOpenAPI2Forms: which form a client gets, and when none.
func TestOpenAPI2Forms(t *testing.T) {
	c := testCatalog()
	const asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
	for _, row := range []struct {
		accept, mediaType string
		code              int
	}{
		{"application/json", "application/json", 200},
		{"*/*", "application/json", 200},
		{"application/*", "application/json", 200},
		{"text/html, */*;q=0.1", "application/json", 200},
		{"application/json;as=Table;g=a;v=b", "application/json", 200},
		{asked, protobufOpenAPI2, 200},
		{protobufOpenAPI2, protobufOpenAPI2, 200},
		{"application/json;q=0.5, " + asked, protobufOpenAPI2, 200},
		{"application/json, " + asked + ";q=0.5", "application/json", 200},
		{"application/yaml", "", 406},
		{"text/html", "", 406},
	} {
		got := askOpenAPI2(c, "Accept: "+row.accept)
		h := got.Header()
		if got.Code != row.code || h.Get("Content-Type") != row.mediaType || strings.Join(h["Vary"], ", ") != "Accept-Encoding, Accept" || (got.Body.Len() == 0) != (row.code == 406) {
			t.Errorf("%s: %d %v", row.accept, got.Code, h)
		}
		if isJSON := json.Valid(got.Body.Bytes()); isJSON != (row.mediaType == "application/json") {
			t.Errorf("%s: JSON: %v", row.accept, isJSON)
		}
	}
	if got := askOpenAPI2(c); got.Code != 200 || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("without Accept: %d %v", got.Code, got.Header())
	}
}

// TestOpenAPI2Caching: entity tags of both forms are the same and follow the definitions; a range of
// bytes is the whole.
func TestOpenAPI2Caching(t *testing.T) {
	c := testCatalog()
	first := askOpenAPI2(c)
	tag, modified := first.Header().Get("Etag"), first.Header().Get("Last-Modified")
	if len(tag) != 130 || modified == "" {
		t.Errorf("tag %q of %q", tag, modified)
	}
	if got := askOpenAPI2(c, "Accept: "+protobufOpenAPI2).Header().Get("Etag"); got != tag {
		t.Errorf("in protobuf the tag is %q", got)
	}
	for _, row := range []struct {
		header string
		code   int
	}{
		{"If-None-Match: " + tag, 304}, {"If-None-Match: W/" + tag, 304}, {`If-None-Match: "x", ` + tag, 304}, {"If-None-Match: *", 304},
		{`If-None-Match: "x"`, 200}, {"Range: bytes=0-9", 200},
	} {
		got := askOpenAPI2(c, row.header)
		if got.Code != row.code || got.Header().Get("Etag") != tag || (got.Body.Len() == 0) != (row.code == 304) {
			t.Errorf("%s: %d %v", row.header, got.Code, got.Header())
		}
	}
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	if got := askOpenAPI2(c, "If-None-Match: "+tag); got.Code != 200 || got.Header().Get("Etag") == tag || !strings.Contains(got.Body.String(), "com.example.v1.Widget") {
		t.Errorf("with a definition: %d %v", got.Code, got.Header())
	}
	c.SetCustom("example.com", nil)
	if got := askOpenAPI2(c, "If-None-Match: "+tag); got.Code != 304 {
		t.Errorf("without it again: %d %v", got.Code, got.Header())
	}
	packed := askOpenAPI2(c, "Accept-Encoding: gzip")
	z, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Last-Modified") == "" {
		t.Fatalf("%v %v", packed.Header(), err)
	}
	b, err := io.ReadAll(z)
	if err != nil || string(b) != first.Body.String() {
		t.Errorf("compressed it is another document: %v", err)
	}
	if got := first.Header().Get("Content-Length"); got != fmt.Sprint(len(b)) {
		t.Errorf("its length is said to be %s, not %d", got, len(b))
	}
}

// TestOpenAPI2Repeats: the same definitions make the same bytes in another process.
func TestOpenAPI2Repeats(t *testing.T) {
	for _, accept := range []string{"application/json", protobufOpenAPI2} {
		var bodies []string
		for range 2 {
			c := testCatalog()
			c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1+")})
			bodies = append(bodies, askOpenAPI2(c, "Accept: "+accept).Body.String())
		}
		if bodies[0] != bodies[1] || bodies[0] == "" {
			t.Errorf("%s: two documents", accept)
		}
	}
}

// TestKept: bytes are made once for all who ask, and again when nobody has asked for a while.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kept
		made := 0
		ask := func() string {
			return string(k.get(func() []byte { made++; return []byte{byte('0' + made)} }))
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{{0, "1"}, {keepFor - 1, "1"}, {keepFor - 1, "1"}, {keepFor + 1, "2"}, {3 * keepFor, "3"}, {0, "3"}} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := ask(); got != step.want {
				t.Errorf("%v later: %s, want %s", step.after, got, step.want)
			}
		}
		time.Sleep(2 * keepFor)
		synctest.Wait()
		if k.bytes != nil {
			t.Error("the bytes are still there")
		}
	})
}

// BenchmarkOpenAPI2 is what the first request costs, with all kinds.
func BenchmarkOpenAPI2(b *testing.B) {
	c := fullCatalog(b)
	b.ReportAllocs()
	for b.Loop() {
		c.renderOpenAPI2(&jsonParts{})
	}
}
