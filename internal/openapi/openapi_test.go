package openapi

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestRead: what documents look like when they have been read, and what is wrong with those that cannot be.
func TestRead(t *testing.T) {
	for _, c := range []struct{ in, want, wrong string }{
		{in: `{}`, want: `{}`},
		{in: `{"swagger":"2.0","host":"","x-a":{"b":null},"y":1,"paths":null,"tags":[],"parameters":{}}`, want: `{"swagger":"2.0","x-a":{"b":null}}`},
		{in: `{"paths":{"/a":{"get":{"deprecated":false,"tags":["",null]},"trace":{},"x-b":1},"b":{},"x-c":1}}`,
			want: `{"paths":{"/a":{"get":{"tags":["",""]},"x-b":1},"x-c":1}}`},
		{in: `{"paths":{"/a":{"get":{"responses":{"200":{"description":"a"},"ok":{},"default":{"headers":{"A":{"type":"string","y":1}}}}}}}}`,
			want: `{"paths":{"/a":{"get":{"responses":{"200":{"description":"a"},"default":{"headers":{"A":{"type":"string"}}}}}}}}`},
		{in: `{"definitions":{"a":null,"b":{"type":["string"],"properties":{},"items":{},"default":null,"unknown":1,"X-Y":2}}}`,
			want: `{"definitions":{"a":{},"b":{"X-Y":2,"items":{},"type":"string","unknown":1}}}`},
		{in: `{"definitions":{"a":{"type":["a","b"],"additionalProperties":true,"items":[{"type":"a"},null],"enum":[null,1]}}}`,
			want: `{"definitions":{"a":{"additionalProperties":true,"enum":[null,1],"items":[{"type":"a"},{}],"type":["a","b"]}}}`},
		{in: `{"definitions":{"a":{"maximum":1,"minimum":1.5,"minLength":1}}}`, want: `{"definitions":{"a":{"maximum":1,"minLength":1,"minimum":1.5}}}`},
		{in: ``, wrong: "unexpected end"}, {in: `[]`, wrong: "must be an object"}, {in: `{"paths":{}}x`, wrong: "after"},
		{in: `{"swagger":2}`, wrong: "swagger.must be text"}, {in: `{"paths":[]}`, wrong: "paths."},
		{in: `{"paths":{"/a":{"get":{"parameters":[{},{"name":1}]}}}}`, wrong: "paths./a.get.parameters.[1]: name."},
		{in: `{"definitions":{"a":{"minLength":1.5}}}`, wrong: "integer"}, {in: `{"definitions":{"a":{"maximum":"1"}}}`, wrong: "number"},
		{in: `{"definitions":{"a":{"type":[1]}}}`, wrong: "type"}, {in: `{"definitions":{"a":{"items":"b"}}}`, wrong: "schema|[]schema"},
		{in: `{"definitions":{"a":{"nullable":"b"}}}`, wrong: "bool"}, {in: `{"definitions":{"a":{"required":[1]}}}`, wrong: "required"},
		{in: strings.Repeat(`{"definitions":{"a":`, 2000), wrong: "exceeded max depth"},
	} {
		d, err := Read([]byte(c.in))
		switch {
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%.80s: %v, want %s", c.in, err, c.wrong)
		case c.wrong == "" && err != nil:
			t.Errorf("%s: %v", c.in, err)
		case c.wrong == "":
			if got := string(tree.AppendJSON(nil, map[string]any(d))); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.in, got, c.want)
			}
		}
	}
}

// TestShapes: every kind that a member has is known.
func TestShapes(t *testing.T) {
	for name, s := range shapes {
		for member, kind := range s.members {
			for one := range strings.SplitSeq(kind, "|") {
				one = strings.TrimPrefix(strings.TrimPrefix(one, "[]"), "{}")
				if _, ok := shapes[one]; !ok && !strings.Contains(" text bool number integer any type ", " "+one+" ") {
					t.Errorf("%s.%s is a %s", name, member, kind)
				}
			}
		}
	}
}

// TestToV3: TestConvert of kube-openapi's openapiconv, by part; its documents as a whole are compared in interop.
func TestToV3(t *testing.T) {
	for what, c := range map[string]struct{ in, want string }{
		"nothing": {`{}`, `{"components":{},"info":null,"openapi":"3.0.0"}`},
		"definitions": {`{"definitions":{"A":{"$ref":"#/definitions/B"},"B":{"properties":{"a":{"$ref":"#/definitions/A","description":"d"}},
			"items":{"$ref":"#/definitions/A"},"allOf":[{"$ref":"#/definitions/A"}]}}}`,
			`{"components":{"schemas":{"A":{"$ref":"#/components/schemas/B"},"B":{"allOf":[{"$ref":"#/definitions/A"}],
			"items":{"$ref":"#/components/schemas/A"},"properties":{"a":{"allOf":[{"$ref":"#/components/schemas/A"}],"description":"d"}}}}},
			"info":null,"openapi":"3.0.0"}`},
		"operation": {`{"info":{"title":"t"},"paths":{"/a":{"parameters":[{"$ref":"#/parameters/p"}],"post":{"consumes":["a","b"],"produces":["c"],
			"operationId":"o","security":[{"a":[]}],"schemes":["https"],"parameters":[{"name":"body","in":"body","schema":{"$ref":"#/definitions/A"}},
			{"name":"q","in":"query","type":"integer","uniqueItems":true,"format":"f","maximum":1}],
			"responses":{"200":{"description":"d","schema":{"type":"string"}},"404":{"description":"e"},"x-a":1}}}}}`,
			`{"components":{},"info":{"title":"t"},"openapi":"3.0.0","paths":{"/a":{"parameters":[{"$ref":"#/components/parameters/p","schema":{"type":""}}],
			"post":{"operationId":"o","parameters":[{"in":"query","name":"q","schema":{"format":"f","type":"integer","uniqueItems":true}}],
			"requestBody":{"content":{"a":{"schema":{"$ref":"#/components/schemas/A"}},"b":{"schema":{"$ref":"#/components/schemas/A"}}}},
			"responses":{"200":{"content":{"c":{"schema":{"type":"string"}}},"description":"d"},"404":{"description":"e"},"x-a":1}}}}}`},
		"no consumes, no responses": {`{"paths":{"/a":{"get":{"parameters":[{"name":"body","schema":{"type":"a"}}]}}}}`,
			`{"components":{},"info":null,"openapi":"3.0.0","paths":{"/a":{"get":{"requestBody":{},"responses":{}}}}}`},
		"security and responses": {`{"produces":["a"],"securityDefinitions":{"a":{"type":"oauth2","flow":"implicit","authorizationUrl":"u","scopes":{"s":"t"}},
			"b":{"type":"apiKey","in":"header","name":"n"}},"responses":{"r":{"description":"d","schema":{"$ref":"#/definitions/A"}}}}`,
			`{"components":{"responses":{"r":{"content":{"a":{"schema":{"$ref":"#/components/schemas/A"}}},"description":"d"}},
			"securitySchemes":{"a":{"flows":{"implicit":{"authorizationUrl":"u","scopes":{"s":"t"}}},"type":"oauth2"},
			"b":{"in":"header","name":"n","type":"apiKey"}}},"info":null,"openapi":"3.0.0"}`},
	} {
		d, err := Read([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer("\n", "", "\t", "").Replace(c.want)
		v3, err := d.ToV3()
		if got := string(tree.AppendJSON(nil, v3)); err != nil || got != want {
			t.Errorf("%s: %v\n got %s\nwant %s", what, err, got, want)
		}
	}
	// A large schema is not multiplied by as many media types.
	types, words := strings.Repeat(`"a",`, 10_000), strings.Repeat("x", 10_000)
	d, err := Read([]byte(`{"paths":{"/a":{"get":{"produces":[` + types + `"b"],"responses":{"200":{"schema":{"description":"` + words + `"}}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if v3, err := d.ToV3(); err == nil || v3 != nil {
		t.Errorf("a hundred megabytes are made of %d bytes", len(types)+len(words))
	}
}

// FuzzDocuments: whatever two servers say, reading, filtering, merging and converting end, with documents that can be
// read again and have every path once.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(everyReference), []byte(`{"paths":{"/b":{"get":{"parameters":[{"$ref":"#/parameters/p"}]}}},"parameters":{"p":{"$ref":"#/parameters/p"}}}`))
	f.Add([]byte(`{"paths":{"/a":{}},"definitions":{"T":{"$ref":"#/definitions/T","items":[{}]}}}`), []byte(`{"paths":{"/c":{}},"definitions":{"T":{"x-kubernetes-group-version-kind":[{}]}}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, err := Read(a)
		second, wrong := Read(b)
		if err != nil || wrong != nil {
			return
		}
		filtered, _ := Read(a)
		filtered.Filter("/a", "/apis/")
		size := len(first.part("paths"))
		first.Merge(second)
		if len(first.part("paths")) < size {
			t.Error("paths are gone")
		}
		text := tree.AppendJSON(nil, map[string]any(first))
		again, err := Read(text)
		if err != nil || len(again.part("definitions")) != len(first.part("definitions")) {
			t.Errorf("%s: %v", text, err)
		}
		if v3, err := first.ToV3(); err == nil {
			_ = tree.AppendJSON(nil, v3)
		}
	})
}
