package openapi

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestMembersInV3: what becomes of each member of v2. in is an object of the kind that at names in the document; want is
// what stands for it in v3, "" if nothing does.
func TestMembersInV3(t *testing.T) {
	// Where an object of a kind is, in v2 and in v3.
	at := map[string][2]string{
		"document":  {`OBJECT`, ""},
		"path":      {`{"paths":{"/a":OBJECT}}`, "paths /a"},
		"operation": {`{"paths":{"/a":{"get":OBJECT}}}`, "paths /a get"},
		"response":  {`{"paths":{"/a":{"get":{"produces":["m"],"responses":{"200":OBJECT}}}}}`, "paths /a get responses 200"},
		"parameter": {`{"paths":{"/a":{"parameters":[OBJECT]}}}`, "paths /a parameters"},
		"schema":    {`{"definitions":{"T":OBJECT}}`, "components schemas T"},
		"security":  {`{"securityDefinitions":{"s":OBJECT}}`, "components securitySchemes s"},
		"shared":    {`{"produces":["m","n"],"responses":{"r":OBJECT}}`, "components responses r"},
	}
	for _, c := range []struct{ kind, in, want string }{
		{"document", `{"swagger":"2.0","host":"h","basePath":"/b","schemes":["https"],"consumes":["a"],"security":[{"s":[]}],"tags":[{"name":"a"}],"x-a":1}`,
			`{"components":{},"info":null,"openapi":"3.0.0"}`},
		{"document", `{"info":{"title":"t","contact":{"name":"n"}},"externalDocs":{"url":"u","description":"d"}}`,
			`{"components":{},"externalDocs":{"description":"d","url":"u"},"info":{"contact":{"name":"n"},"title":"t"},"openapi":"3.0.0"}`},
		{"document", `{"parameters":{"p":{"name":"p"}},"paths":{}}`, `{"components":{},"info":null,"openapi":"3.0.0","paths":{}}`},

		{"path", `{"$ref":"#/x","x-a":{"b":1},"get":{}}`, `{"$ref":"#/x","get":{"responses":{}},"x-a":{"b":1}}`},
		{"path", `{}`, `{}`},

		{"operation", `{"description":"d","summary":"s","tags":["t"],"deprecated":true,"operationId":"o","externalDocs":{"url":"u"},"x-a":1}`,
			`{"deprecated":true,"description":"d","externalDocs":{"url":"u"},"operationId":"o","responses":{},"summary":"s","tags":["t"],"x-a":1}`},
		{"operation", `{"schemes":["https"],"security":[{"a":[]}],"consumes":["a"],"produces":["b"]}`, `{"responses":{}}`},
		// Two bodies: the second one is it.
		{"operation", `{"consumes":["m"],"parameters":[{"name":"body","schema":{"type":"a"}},{"name":"body","schema":{"type":"b"}}]}`,
			`{"requestBody":{"content":{"m":{"schema":{"type":"b"}}}},"responses":{}}`},
		// It is the name that counts, not what in says; and a body without a schema is a parameter.
		{"operation", `{"consumes":["m"],"parameters":[{"name":"body","in":"query","schema":{"type":"a"}}]}`,
			`{"requestBody":{"content":{"m":{"schema":{"type":"a"}}}},"responses":{}}`},
		{"operation", `{"consumes":["m"],"parameters":[{"name":"body","in":"body","type":"a"}]}`,
			`{"parameters":[{"in":"body","name":"body","schema":{"type":"a"}}],"responses":{}}`},
		{"operation", `{"consumes":["m"],"parameters":[{"name":"other","in":"body","schema":{"type":"a"}}]}`,
			`{"parameters":[{"in":"body","name":"other","schema":{"type":"a"}}],"responses":{}}`},
		// A required body is no longer required.
		{"operation", `{"consumes":["m","m"],"parameters":[{"name":"body","in":"body","required":true,"description":"d","schema":{"type":"a"}}]}`,
			`{"requestBody":{"content":{"m":{"schema":{"type":"a"}}}},"responses":{}}`},
		{"operation", `{"responses":{"200":{},"default":{"description":"d"},"x-a":[1],"ok":{"description":"d"}}}`,
			`{"responses":{"200":{},"default":{"description":"d"},"x-a":[1]}}`},

		{"response", `{"description":"d","schema":{"type":"a"},"headers":{"H":{"type":"b"}},"examples":{"m":1},"x-a":1}`,
			`{"content":{"m":{"schema":{"type":"a"}}},"description":"d","x-a":1}`},
		{"response", `{"$ref":"#/responses/r"}`, `{"$ref":"#/components/responses/r"}`},
		{"response", `{"$ref":"elsewhere"}`, `{"$ref":"elsewhere"}`},

		{"parameter", `{"name":"n","in":"path","description":"d","required":true,"allowEmptyValue":true,"type":"t","format":"f","uniqueItems":true,"x-a":1}`,
			`[{"allowEmptyValue":true,"description":"d","in":"path","name":"n","required":true,"schema":{"format":"f","type":"t","uniqueItems":true},"x-a":1}]`},
		{"parameter", `{"name":"n","type":"t","items":{"type":"u"},"collectionFormat":"csv","default":1,"maximum":2,"pattern":"p","enum":[1],"minLength":1}`,
			`[{"name":"n","schema":{"type":"t"}}]`},
		{"parameter", `{}`, `[{"schema":{"type":""}}]`},
		{"parameter", `{"$ref":"#/parameters/p"}`, `[{"$ref":"#/components/parameters/p","schema":{"type":""}}]`},
		// A path has no body: what is named so stays a parameter.
		{"parameter", `{"name":"body","schema":{"$ref":"#/definitions/T"}}`, `[{"name":"body","schema":{"$ref":"#/components/schemas/T"}}]`},

		{"schema", `{"type":"object","required":["a"],"properties":{"a":{"type":"string","enum":["b"]}},"x-a":1,"maximum":1,"nullable":true,"other":2}`,
			`{"maximum":1,"nullable":true,"other":2,"properties":{"a":{"enum":["b"],"type":"string"}},"required":["a"],"type":"object","x-a":1}`},
		{"schema", `{"$ref":"#/definitions/U"}`, `{"$ref":"#/components/schemas/U"}`},
		{"schema", `{"$ref":"#/definitions/U","description":"d"}`, `{"allOf":[{"$ref":"#/components/schemas/U"}],"description":"d"}`},
		// Whatever stands before it, the beginning goes; what is no definition stays.
		{"schema", `{"$ref":"http://h/a.json#/definitions/U"}`, `{"$ref":"#/components/schemas/U"}`},
		{"schema", `{"additionalProperties":{"$ref":"#/definitions/U","type":"t"},"items":[{"$ref":"#/definitions/U","type":"t"}]}`,
			`{"additionalProperties":{"allOf":[{"$ref":"#/components/schemas/U"}],"type":"t"},"items":[{"allOf":[{"$ref":"#/components/schemas/U"}],"type":"t"}]}`},
		{"schema", `{"additionalProperties":true,"additionalItems":false}`, `{"additionalProperties":true}`},
		{"schema", `{"oneOf":[{"$ref":"#/definitions/U","type":"t"}]}`, `{"oneOf":[{"allOf":[{"$ref":"#/definitions/U"}],"type":"t"}]}`},

		{"security", `{"type":"basic","description":"d","x-a":1}`, `{"description":"d","type":"basic","x-a":1}`},
		{"security", `{"type":"apiKey","name":"n","in":"header"}`, `{"in":"header","name":"n","type":"apiKey"}`},
		{"security", `{"type":"oauth2","flow":"accessCode","authorizationUrl":"a","tokenUrl":"t","scopes":{"s":"d"}}`,
			`{"flows":{"accessCode":{"authorizationUrl":"a","scopes":{"s":"d"},"tokenUrl":"t"}},"type":"oauth2"}`},

		{"shared", `{"description":"d","schema":{"type":"a"}}`,
			`{"content":{"m":{"schema":{"type":"a"}},"n":{"schema":{"type":"a"}}},"description":"d"}`},
	} {
		v3, err := mustRead(t, strings.Replace(at[c.kind][0], "OBJECT", c.in, 1)).ToV3()
		got := string(tree.AppendJSON(nil, tree.At(v3, strings.Fields(at[c.kind][1])...)))
		if err != nil || got != c.want {
			t.Errorf("%s %s: %v\n got %s\nwant %s", c.kind, c.in, err, got, c.want)
		}
	}
}

// TestExtensionOfPathsInV3: what is no path is not converted.
func TestExtensionOfPathsInV3(t *testing.T) {
	v3, err := mustRead(t, `{"paths":{"/a":{},"x-a":{"get":{}}}}`).ToV3()
	if got := string(tree.AppendJSON(nil, v3["paths"])); err != nil || got != `{"/a":{},"x-a":{"get":{}}}` {
		t.Errorf("%v, %s", err, got)
	}
}

// TestContentIsBounded: what media types may make of a document is bounded as a whole, and a document that has just no
// more is converted.
func TestContentIsBounded(t *testing.T) {
	mediaTypes := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"m%d"`, i))
		}
		return strings.Join(list, ",")
	}
	words := strings.Repeat("x", 1<<20)
	// Each of these has some half of what there may be.
	body := `"consumes":[` + mediaTypes(31) + `],"parameters":[{"name":"body","schema":{"description":"` + words + `"}}]`
	response := `"produces":[` + mediaTypes(31) + `],"responses":{"200":{"schema":{"description":"` + words + `"}}}`
	for i, c := range []struct {
		text string
		ok   bool
	}{
		{`{"paths":{"/a":{"get":{` + body + `}}}}`, true},
		{`{"paths":{"/a":{"get":{` + body + `,` + response + `}}}}`, true},
		{`{"paths":{"/a":{"get":{` + body + `},"put":{` + body + `},"post":{` + response + `}}}}`, false},
		{`{"paths":{"/a":{"get":{` + body + `}},"/b":{"get":{` + body + `}},"/c":{"get":{` + body + `}}}}`, false},
		{`{"produces":[` + mediaTypes(70) + `],"responses":{"r":{"schema":{"description":"` + words + `"}}}}`, false},
		// Without a media type there is no content, so a schema may be as large as the document.
		{`{"paths":{"/a":{"get":{"parameters":[{"name":"body","schema":{"description":"` + words + `"}}]}}}}`, true},
	} {
		if v3, err := mustRead(t, c.text).ToV3(); (err == nil) != c.ok || c.ok != (v3 != nil) {
			t.Errorf("document %d: %v, want it converted: %t", i, err, c.ok)
		}
	}
}

// TestRefused: a value of a wrong kind is refused wherever it is, and the error says where.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ in, where string }{
		{`{"info":[]}`, "info."}, {`{"tags":{}}`, "tags."}, {`{"tags":[[]]}`, "tags.[0]: "}, {`{"externalDocs":"u"}`, "externalDocs."},
		{`{"security":{}}`, "security."}, {`{"responses":[]}`, "responses."}, {`{"securityDefinitions":{"s":1}}`, "securityDefinitions.s."},
		{`{"securityDefinitions":{"s":{"scopes":{"a":1}}}}`, "securityDefinitions.s.scopes.a."}, {`{"consumes":"m"}`, "consumes."},
		{`{"paths":{"/a":1}}`, "paths./a."}, {`{"paths":{"/a":{"get":[]}}}`, "paths./a.get."}, {`{"paths":{"/a":{"$ref":{}}}}`, "paths./a.$ref."},
		{`{"paths":{"/a":{"parameters":{}}}}`, "paths./a.parameters."}, {`{"paths":{"/a":{"get":{"deprecated":"yes"}}}}`, "deprecated."},
		{`{"paths":{"/a":{"get":{"responses":{"200":[]}}}}}`, "responses.200."}, {`{"paths":{"/a":{"get":{"responses":{"200":{"schema":true}}}}}}`, "200.schema."},
		{`{"paths":{"/a":{"parameters":[{"items":[]}]}}}`, "parameters.[0]: items."}, {`{"paths":{"/a":{"parameters":[{"required":"x"}]}}}`, "required."},
		{`{"definitions":{"T":true}}`, "definitions.T."}, {`{"definitions":{"T":{"properties":{"a":[]}}}}`, "definitions.T.properties.a."},
		{`{"definitions":{"T":{"allOf":{}}}}`, "T.allOf."}, {`{"definitions":{"T":{"allOf":[1]}}}`, "T.allOf.[0]: "}, {`{"definitions":{"T":{"not":[]}}}`, "T.not."},
		{`{"definitions":{"T":{"additionalProperties":"any"}}}`, "T.additionalProperties."}, {`{"definitions":{"T":{"type":{}}}}`, "T.type."},
		{`{"definitions":{"T":{"maximum":true}}}`, "T.maximum."}, {`{"definitions":{"T":{"maxItems":1e3}}}`, "T.maxItems."}, {`{"definitions":{"T":{"enum":{}}}}`, "T.enum."},
		{`{"definitions":{"T":{"` + kindsKey + `":[1]}}}`, "definitions.T: " + kindsKey},
	} {
		if d, err := Read([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.where) || d != nil {
			t.Errorf("%s: %v, want an error at %s", c.in, err, c.where)
		}
	}
}

// TestSaysNothing: a member that says nothing is as good as absent, so two documents that say the same are equal.
func TestSaysNothing(t *testing.T) {
	with := `{"definitions":{"T":{"type":"a","description":"","required":[],"nullable":false,"properties":{},"items":null,"allOf":[],
		"externalDocs":{},"enum":[],"readOnly":false,"format":"","default":null}}}`
	a, b := mustRead(t, with), mustRead(t, `{"definitions":{"T":{"type":"a","externalDocs":{}}}}`)
	if !tree.Equal(map[string]any(a), map[string]any(b)) {
		t.Errorf("%s\n is not\n%s", textOf(a), textOf(b))
	}
	// What is a number says something, whatever it is.
	numbers := mustRead(t, `{"definitions":{"T":{"minimum":0,"maxLength":0}}}`)
	if got := textOf(numbers); got != `{"definitions":{"T":{"maxLength":0,"minimum":0}}}` {
		t.Error(got)
	}
	// Reading what was read changes nothing.
	for _, text := range []string{textOf(a), textOf(numbers), textOf(mustRead(t, `{"paths":{"/a":{"get":{"tags":["",null]}}}}`))} {
		if again := textOf(mustRead(t, text)); again != text {
			t.Errorf("%s is read as %s", text, again)
		}
	}
	if got := textOf(mustRead(t, `{"x-a":1,"X-a":2,"x":4,"-a":5,"xa":6}`)); got != `{"X-a":2,"x-a":1}` {
		t.Errorf("extensions are %s", got)
	}
}
