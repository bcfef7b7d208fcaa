package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"

	"testing"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	protobuf "google.golang.org/protobuf/proto"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/openapiconv"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"apichain/internal/discovery"
	apikinds "apichain/internal/kinds"
	"apichain/internal/openapi"
	"apichain/internal/tree"
)

// The package openapi against kube-openapi, whose functions it does anew: many documents, of which each is
// read, filtered, merged with another and converted by both.

// author writes documents at random, of so few names that two of them collide everywhere.
type author struct{ *rand.Rand }

func (a author) one(of ...any) any { return of[a.IntN(len(of))] }

// object returns an object of some of the members, each with its chance in ten.
func (a author) object(members ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(members); i += 3 {
		if a.IntN(10) < members[i+1].(int) {
			out[members[i].(string)] = members[i+2].(func() any)()
		}
	}
	return out
}

func (a author) text() any       { return a.one("a", "b", "what it is") }
func (a author) definition() any { return a.one("A", "B", "C", "D", "A_v2", "B_v2", "A_v3") }

func (a author) schema(depth int) map[string]any {
	below := func() any {
		if depth <= 0 {
			return map[string]any{"type": "string"}
		}
		return a.schema(depth - 1)
	}
	list := func() any { return []any{below(), below()} }
	return a.object(
		"$ref", 3, func() any { return "#/definitions/" + a.definition().(string) },
		"type", 5, func() any { return a.one("object", "string", "array") },
		"description", 2, a.text, "format", 1, a.text, "title", 1, a.text, "x-kubernetes-list-type", 1, a.text,
		"properties", 4, func() any { return a.object("a", 10, below, "b", 5, below, "spec", 5, below) },
		"items", 2, below, "additionalProperties", 2, below, "allOf", 1, list, "anyOf", 1, list, "oneOf", 1, list, "not", 1, below,
		"required", 1, func() any { return []any{"a"} }, "enum", 1, func() any { return []any{"a", int64(1)} },
		"default", 1, func() any { return a.one("a", int64(1), map[string]any{"b": true}) },
		"maximum", 1, func() any { return a.one(int64(3), 2.5) }, "minLength", 1, func() any { return int64(2) },
		"exclusiveMaximum", 1, func() any { return true }, "nullable", 1, func() any { return true }, "other", 1, a.text,
		"externalDocs", 1, func() any { return map[string]any{"url": "https://example.com"} },
	)
}

// kinds returns the kinds that a definition is of.
func (a author) kinds() any {
	var out []any
	for _, kind := range []string{"C", "A", "B"} {
		if a.IntN(2) == 0 {
			out = append(out, map[string]any{"group": "g", "version": "v1", "kind": kind})
		}
	}
	if out == nil {
		return []any{map[string]any{"group": "", "version": "v1", "kind": "A"}}
	}
	return out
}

func (a author) parameter() any {
	schema := func() any { return a.schema(1) }
	return a.object("$ref", 3, func() any { return "#/parameters/" + a.one("p", "q", "p_v2").(string) },
		"name", 9, func() any { return a.one("body", "name", "x") }, "in", 8, func() any { return a.one("body", "query") },
		"schema", 4, schema, "type", 4, func() any { return a.one("string", "integer") }, "required", 3, func() any { return true },
		"uniqueItems", 3, func() any { return true }, "description", 2, a.text, "format", 1, a.text, "x-a", 1, a.text,
		"items", 1, func() any { return map[string]any{"type": "string"} }, "maximum", 1, func() any { return int64(4) })
}

// shared is a parameter that refers to none: kube-openapi never returns from a circle of them.
func (a author) shared() any {
	p := a.parameter().(map[string]any)
	delete(p, "$ref")
	return p
}

func (a author) parameters() any { return []any{a.parameter(), a.parameter()} }

func (a author) operation() any {
	media := func() any { return []any{"application/json", "application/yaml"} }
	response := func() any {
		return a.object("description", 10, a.text, "schema", 6, func() any { return a.schema(1) },
			"$ref", 1, func() any { return "#/responses/a" }, "x-a", 1, a.text)
	}
	op := a.object("description", 3, a.text, "summary", 3, a.text, "tags", 3, media, "consumes", 5, media, "produces", 6, media,
		"schemes", 2, media, "operationId", 9, a.text, "deprecated", 1, func() any { return true }, "parameters", 6, a.parameters,
		"x-kubernetes-action", 3, a.text, "security", 1, func() any { return []any{map[string]any{"a": []any{"b"}}} },
		"externalDocs", 1, func() any { return map[string]any{"url": "https://example.com"} })
	// Upstream's conversion panics without.
	op["responses"] = a.object("200", 9, response, "404", 4, response, "default", 2, response, "x-a", 1, a.text)
	return op
}

func (a author) document() map[string]any {
	path := func() any {
		return a.object("get", 8, a.operation, "post", 5, a.operation, "delete", 2, a.operation, "parameters", 3, a.parameters, "x-a", 1, a.text)
	}
	definition := func() any {
		d := a.schema(2)
		if a.IntN(2) == 0 {
			d["x-kubernetes-group-version-kind"] = a.kinds()
		}
		return d
	}
	definitions := func() any {
		return a.object("A", 6, definition, "B", 6, definition, "C", 6, definition, "D", 3, definition,
			"A_v2", 2, definition, "B_v2", 2, definition, "A_v3", 1, definition)
	}
	d := a.object("swagger", 9, func() any { return "2.0" },
		"definitions", 9, definitions, "parameters", 7, func() any { return a.object("p", 7, a.shared, "q", 6, a.shared, "p_v2", 1, a.shared) },
		"responses", 2, func() any { return map[string]any{"a": map[string]any{"description": "a", "schema": a.schema(1)}} },
		"produces", 2, func() any { return []any{"application/json"} }, "x-a", 1, a.text,
		"securityDefinitions", 2, func() any {
			return map[string]any{"a": map[string]any{"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://a", "scopes": map[string]any{"a": "b"}}}
		},
		"paths", 9, func() any {
			return a.object("/apis/g/v1/a", 7, path, "/apis/g/v1/b", 5, path, "/apis/g/v2/a", 5, path, "/apis/h/v1/a", 5, path, "/version", 3, path)
		})
	d["info"] = map[string]any{"title": "t", "version": "1"}
	return d
}

// theirs reads a document as kube-openapi does; nil if it refuses.
func theirs(t *testing.T, b []byte) *spec.Swagger {
	t.Helper()
	s := &spec.Swagger{}
	if err := s.UnmarshalJSON(b); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return s
}

func ours(t *testing.T, b []byte) openapi.Document {
	t.Helper()
	d, err := openapi.Read(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return d
}

// sameText fails unless kube-openapi's value has the text of ours.
func sameText(t *testing.T, what string, theirs interface{ MarshalJSON() ([]byte, error) }, ours map[string]any, in ...[]byte) {
	t.Helper()
	b, err := theirs.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := tree.ParseJSONObject(b)
	if want["paths"] == nil {
		delete(want, "paths") // theirs says null of what it has not
	}
	if want, have := string(tree.AppendJSON(nil, want)), string(tree.AppendJSON(nil, ours)); want != have {
		at := 0
		for at < len(want) && at < len(have) && want[at] == have[at] {
			at++
		}
		at = max(0, at-80)
		text := ""
		if len(in) < 3 && len(in[0]) < 20000 {
			text = fmt.Sprintf("\nof %s", in)
		}
		t.Fatalf("%s:\n theirs …%.300s\n ours   …%.300s%s", what, want[at:], have[at:], text)
	}
}

func compareDocuments(t *testing.T, a, b []byte) {
	t.Helper()
	// Read.
	sameText(t, "read", theirs(t, a), ours(t, a), a)
	// Filtered.
	filtered := ours(t, a)
	filtered.Filter("/apis/g/v1/")
	sameText(t, "filtered", aggregator.FilterSpecByPathsWithoutSideEffects(theirs(t, a), []string{"/apis/g/v1/"}), filtered, a)
	// Merged.
	dest, merged := theirs(t, a), ours(t, a)
	if err := aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters(dest, theirs(t, b)); err != nil {
		t.Fatal(err)
	}
	merged.Merge(ours(t, b))
	sameText(t, "merged", dest, merged, a, b)
	// Converted.
	v3, err := ours(t, a).ToV3()
	if err != nil {
		t.Fatal(err)
	}
	sameText(t, "converted", openapiconv.ConvertV2ToV3(theirs(t, a)), v3, a)
}

// TestOpenAPIDocumentsByBoth compares what kube-openapi and this program make of documents at random.
func TestOpenAPIDocumentsByBoth(t *testing.T) {
	for seed := range uint64(1000) {
		a := author{rand.New(rand.NewPCG(seed, 14))}
		compareDocuments(t, tree.AppendJSON(nil, a.document()), tree.AppendJSON(nil, a.document()))
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
}

// upstreamSwagger is the document of upstream itself.
func upstreamSwagger(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(kubernetesDir(t), "api", "openapi-spec", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenAPIOfUpstreamByBoth compares them on the document of upstream itself, and on it with changes here and
// there, as of another release.
func TestOpenAPIOfUpstreamByBoth(t *testing.T) {
	b := upstreamSwagger(t)
	a := author{rand.New(rand.NewPCG(1, 14))}
	for range 6 {
		other, _, _ := tree.ParseJSONObject(b)
		for _, d := range tree.Object(other, "definitions") {
			if a.IntN(20) == 0 {
				tree.Set(d.(map[string]any), a.text(), "description")
			}
			if kinds := tree.List(d, "x-kubernetes-group-version-kind"); kinds != nil && a.IntN(20) == 0 {
				tree.Set(d.(map[string]any), append(kinds, map[string]any{"group": "g", "version": "v1", "kind": "K"}), "x-kubernetes-group-version-kind")
			}
		}
		paths := tree.Object(other, "paths")
		for _, path := range tree.SortedKeys(paths) {
			if a.IntN(3) == 0 {
				paths["/apis/g/v1/"+path] = paths[path]
			}
			if a.IntN(3) > 0 {
				delete(paths, path)
			}
		}
		compareDocuments(t, b, tree.AppendJSON(nil, other))
	}
}

// everyParameter is a document of v2 with what neither our own document nor upstream's has.
const everyParameter = `{"paths":{"/apis/foo.example/v1/everything":{"get":{"summary":"s","deprecated":true,"externalDocs":{"url":"u","description":"d"},
"security":[{"a":["b"]}],"consumes":["c"],"parameters":[
{"in":"header","name":"h","type":"array","items":{"type":"string","enum":["a"],"maxLength":3},"maxItems":2,"collectionFormat":"csv"},
{"in":"formData","name":"f","type":"number","maximum":2.5,"exclusiveMaximum":true,"allowEmptyValue":true},
{"in":"query","name":"q","type":"string","pattern":"p","minLength":1,"default":"x","enum":["x","z"],"x-a":{"b":1}},
{"in":"path","name":"p","type":"integer","format":"int32","required":true,"minimum":1,"multipleOf":2},
{"in":"body","name":"b","required":true,"description":"d","schema":{"$ref":"#/definitions/foo.Thing"}}],
"responses":{"200":{"description":"d","headers":{"H":{"type":"string","description":"d","format":"f"}},
"schema":{"type":"object","readOnly":true,"discriminator":"d","allOf":[{"$ref":"#/definitions/foo.Thing"}],"additionalProperties":true}}}}}},
"definitions":{"foo.Thing":{"type":"object","title":"t","minProperties":1,"maxProperties":2,"required":["a"],"properties":{"a":{"type":"array","items":{"type":"string"},
"minItems":1,"maxItems":4,"uniqueItems":true}},"example":{"a":["b"]},"externalDocs":{"url":"u"}}}}`

// TestOpenAPI2OfServersInProtobuf: the document with what other servers have is in protobuf what upstream would make of
// its JSON.
func TestOpenAPI2OfServersInProtobuf(t *testing.T) {
	table, err := apikinds.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var c discovery.Catalog
	c.SetServers(discovery.GroupsOf(table, "core"), "", table)
	other := bytes.ReplaceAll(upstreamSwagger(t), []byte(`"/apis/apps/v1/`), []byte(`"/apis/foo.example/v1/`))
	d := ours(t, other)
	d.Filter("/apis/foo.example/v1/")
	c.SetRemoteOpenAPI([]*discovery.RemoteOpenAPI{{Definitions: tree.AppendJSON(nil, map[string]any(d))}, {Definitions: []byte(everyParameter)}})
	get := func(accept string) []byte {
		r, w := httptest.NewRequest("GET", "/openapi/v2", nil), httptest.NewRecorder()
		r.Header.Set("Accept", accept)
		c.ServeOpenAPI2(w, r)
		return w.Body.Bytes()
	}
	text := get("application/json")
	for _, want := range []string{`"/apis/foo.example/v1/everything"`, `"/apis/foo.example/v1/deployments"`, `"io.k8s.api.apps.v1.Deployment_v2"`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the document has no %s", want)
		}
	}
	want, err := openapi_v2.ParseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	got := &openapi_v2.Document{}
	if err := protobuf.Unmarshal(get("application/com.github.proto-openapi.spec.v2.v1.0+protobuf"), got); err != nil {
		t.Fatal(err)
	}
	sameDocuments(t, got, want)
}
