package api_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"apichain/internal/api/apitest"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// In which encodings a body may come, and how large.

// protobufField is one field of a message with a length, of less than 128 bytes.
func protobufField(number byte, b string) string {
	return string([]byte{number<<3 | 2, byte(len(b))}) + b
}

// envelope is upstream's frame of an object in protobuf.
func envelope(version, kind, raw, contentType string) string {
	out := kinds.ProtobufMagic + protobufField(1, protobufField(1, version)+protobufField(2, kind)) + protobufField(2, raw)
	if contentType != "" {
		out += protobufField(4, contentType)
	}
	return out
}

// TestEncodingsOfBodies: the same object in JSON, YAML and protobuf makes the same; what is in
// none of them, or is said to be in another, is refused.
func TestEncodingsOfBodies(t *testing.T) {
	r := newReviewed(t)
	const jsonMap = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"generateName":"g-"},"data":{"k":"v"}}`
	const yamlMap = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  generateName: g-\ndata: {k: v}\n"
	const jsonWidget = `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"generateName":"g-"},"spec":{"size":2}}`
	const yamlWidget = "---\nkind: Widget\napiVersion: example.com/v1\nmetadata: {generateName: g-}\nspec:\n  size: 2 # two\n"
	binary := protobufField(1, protobufField(2, "g-")) + protobufField(2, protobufField(1, "k")+protobufField(2, "v"))
	for _, c := range []struct {
		path, typ, body string
		code            int
	}{
		{reviewMaps, "", jsonMap, 201},
		{reviewMaps, "application/json", jsonMap, 201},
		{reviewMaps, "application/json; charset=utf-8", jsonMap, 201},
		{reviewMaps, "application/yaml", yamlMap, 201},
		{reviewMaps, "text/yaml", yamlMap, 415},
		{reviewMaps, "Application/JSON; Charset=UTF-8", jsonMap, 201},
		{reviewMaps, "application/yaml", jsonMap, 201}, // JSON is YAML
		{reviewMaps, "application/json", yamlMap, 400},
		{reviewMaps, "text/plain", jsonMap, 415},
		{reviewMaps, "application/x-www-form-urlencoded", jsonMap, 415},
		{reviewMaps, "application/yaml", "- 1\n- 2\n", 400},
		{reviewMaps, "application/yaml", "a: b: c", 400},
		{reviewMaps, "application/yaml", "just text", 400},
		{reviewMaps, "application/yaml", "null", 422},
		{reviewMaps, apitest.Protobuf, envelope("v1", "ConfigMap", binary, ""), 201},
		{reviewMaps, apitest.Protobuf, envelope("v1", "ConfigMap", jsonMap, "application/json"), 201},
		{reviewMaps, apitest.Protobuf, envelope("v1", "Secret", binary, ""), 400},
		{reviewMaps, apitest.Protobuf, envelope("v9", "ConfigMap", binary, ""), 400},
		{reviewMaps, apitest.Protobuf, envelope("v1", "ConfigMap", "\x08", ""), 400},
		{reviewMaps, apitest.Protobuf, jsonMap, 400},
		{reviewMaps, apitest.Protobuf, "k8s", 400},
		{reviewWidgets, "", jsonWidget, 201},
		{reviewWidgets, "application/yaml", yamlWidget, 201},
		{reviewWidgets, "Application/YAML", yamlWidget, 201},
		{reviewWidgets, "application/yaml", yamlWidget + "---\nkind: Other\n", 201}, // the first document counts
		{reviewWidgets, apitest.Protobuf, envelope("example.com/v1", "Widget", binary, ""), 415},
		{reviewWidgets, "application/xml", jsonWidget, 415},
	} {
		w := r.send("POST", c.path, c.typ, c.body)
		if w.Code != c.code {
			t.Errorf("%s: %.60q: %d %s, want %d", c.typ, c.body, w.Code, w.Body, c.code)
			continue
		}
		if c.code != 201 {
			if got := r.tree(w); got["kind"] != "Status" || got["code"] != int64(c.code) {
				t.Errorf("%s: %.60q: %s", c.typ, c.body, w.Body)
			}
			continue
		}
		got := r.tree(w)
		if c.path == reviewMaps && !tree.Equal(got["data"], map[string]any{"k": "v"}) || c.path == reviewWidgets && tree.At(got, "spec", "size") != int64(2) || !strings.HasPrefix(tree.Name(got), "g-") {
			t.Errorf("%s: %.60q made %s", c.typ, c.body, w.Body)
		}
	}
	// What comes twice is said as each encoding says it.
	for typ, c := range map[string]struct{ body, warning, strictly string }{
		"application/json": {`{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"generateName":"g-"},"spec":{"size":1,"size":2}}`, `duplicate field "spec.size"`, ""},
		"application/yaml": {yamlWidget + "  size: 3\n", `line 7: key "size" already set in map`, "yaml: unmarshal errors:\n  "},
	} {
		w := r.send("POST", reviewWidgets, typ, c.body)
		if said := strings.ReplaceAll(w.Header().Get("Warning"), `\"`, `"`); w.Code != 201 || said != `299 - "`+c.warning+`"` {
			t.Errorf("%s: %d, warning %s, want %s", typ, w.Code, said, c.warning)
		}
		if w := r.send("POST", reviewWidgets+"?fieldValidation=Strict", typ, c.body); w.Code != 400 || !strings.Contains(r.at(w, "message"), "strict decoding error: "+c.strictly+c.warning) {
			t.Errorf("%s, strictly: %d %s", typ, w.Code, w.Body)
		}
	}
}

// TestRepeatedFields: of a built-in kind objects that come twice are merged, as Go decodes them into
// what is there; of a custom kind the last one counts. Problems come in the order of the text.
func TestRepeatedFields(t *testing.T) {
	r := newReviewed(t)
	const body = `{"kind":"%s","apiVersion":"%s","metadata":{"name":"a"},"what":1,"data":{"a":"1"},"data":{"b":"2","b":"3"},"metadata":{"labels":{"x":"y"}}}`
	w := r.send("POST", reviewMaps, "", fmt.Sprintf(body, "ConfigMap", "v1"))
	want := `299 - "unknown field \"what\"" 299 - "duplicate field \"data\"" 299 - "duplicate field \"data.b\"" 299 - "duplicate field \"metadata\""`
	if got := strings.Join(w.Header()["Warning"], " "); w.Code != 201 || got != want {
		t.Errorf("%d, warnings %s, want %s", w.Code, got, want)
	}
	got := r.tree(w)
	if !tree.Equal(got["data"], map[string]any{"a": "1", "b": "3"}) || tree.Text(got, "metadata", "labels", "x") != "y" || tree.Name(got) != "a" {
		t.Errorf("made %s", w.Body)
	}
	w = r.send("POST", reviewMaps+"?fieldValidation=Strict", "", fmt.Sprintf(body, "ConfigMap", "v1"))
	if want := `strict decoding error: unknown field "what", duplicate field "data", duplicate field "data.b", duplicate field "metadata"`; w.Code != 400 || !strings.HasSuffix(r.at(w, "message"), want) {
		t.Errorf("strictly: %d %s, want %s", w.Code, w.Body, want)
	}
	if w := r.send("POST", reviewWidgets, "", fmt.Sprintf(body, "Widget", "example.com/v1")); w.Code != 422 || !strings.Contains(w.Body.String(), "name or generateName is required") {
		t.Errorf("a custom kind: %d %s", w.Code, w.Body)
	}
}

// TestLargestBody: three MiB are taken, and not a byte more, whether the length is said or not.
func TestLargestBody(t *testing.T) {
	r := newReviewed(t)
	const most = 3 << 20
	// An event of the old sort may say as much as it likes; a config map may not.
	const events = "/api/v1/namespaces/default/events"
	const head, tail = `{"kind":"Event","apiVersion":"v1","metadata":{"name":"a"},"involvedObject":{},"message":"`, `"}`
	fits := head + strings.Repeat("x", most-len(head)-len(tail)) + tail
	send := func(method, path, body string, says bool) *httptest.ResponseRecorder {
		var in io.Reader = strings.NewReader(body)
		if !says {
			in = iotest.OneByteReader(io.MultiReader(strings.NewReader(body[:1]), strings.NewReader(body[1:])))
		}
		req := httptest.NewRequest(method, path, in)
		req.Host = "localhost"
		req.Header.Set("Authorization", "Bearer admin-token")
		req.Header.Set("Content-Type", "application/json")
		if method == "PATCH" {
			req.Header.Set("Content-Type", apitest.MergePatch)
		}
		w := httptest.NewRecorder()
		r.p.ServeHTTP(w, req)
		return w
	}
	for _, says := range []bool{true, false} {
		if w := send("POST", events+"?dryRun=All", fits, says); w.Code != 201 {
			t.Errorf("three MiB, said %t: %d %.100s", says, w.Code, w.Body)
		}
		for method, path := range map[string]string{"POST": events, "PUT": events + "/a", "PATCH": events + "/a", "DELETE": events + "/a"} {
			w := send(method, path, fits+" ", says)
			if w.Code != 413 || r.at(w, "reason") != "RequestEntityTooLarge" || r.at(w, "message") != "Request entity too large: limit is 3145728" {
				t.Errorf("%s of a byte more, said %t: %d %.200s", method, says, w.Code, w.Body)
			}
		}
	}
}

// TestBrokenBody: a body that ends before its end is the client's error, and nothing is made of
// the part that came.
func TestBrokenBody(t *testing.T) {
	r := newReviewed(t)
	before := r.p.Store.Revision()
	for _, typ := range []string{"application/json", "application/yaml", apitest.MergePatch} {
		method, path := "POST", reviewMaps
		if typ == apitest.MergePatch {
			method, path = "PATCH", reviewMaps+"/kube-root-ca.crt"
		}
		req := httptest.NewRequest(method, path, io.MultiReader(strings.NewReader(`{"metadata":{"name":"a"}}`), iotest.ErrReader(errors.New("cut"))))
		req.Header.Set("Authorization", "Bearer admin-token")
		req.Header.Set("Content-Type", typ)
		w := httptest.NewRecorder()
		r.p.ServeHTTP(w, req)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "the body could not be read: cut") {
			t.Errorf("%s: %d %s", typ, w.Code, w.Body)
		}
	}
	if now := r.p.Store.Revision(); now != before {
		t.Errorf("%d writes", now-before)
	}
}
