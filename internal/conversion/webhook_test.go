package conversion

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"apichain/internal/api"
	"apichain/internal/backend"
	"apichain/internal/metrics"
	"apichain/internal/tree"
)

// hook is a webhook on a loopback connection.
type hook struct {
	*httptest.Server
	handle atomic.Pointer[http.HandlerFunc]
}

// startHook starts one that answers by handle and ends with the test.
func startHook(t testing.TB, handle http.HandlerFunc) *hook {
	h := &hook{}
	h.handle.Store(&handle)
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*h.handle.Load())(w, r) }))
	t.Cleanup(h.Close)
	return h
}

// connect returns the converter of a definition with the webhook.
func (h *hook) connect(w *Webhooks, reviewVersions ...any) api.Converter {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	return w.Converter(map[string]any{
		"metadata": map[string]any{"name": "widgets.example.com"},
		"spec": map[string]any{"conversion": map[string]any{"strategy": "Webhook", "webhook": map[string]any{
			"conversionReviewVersions": reviewVersions,
			"clientConfig":             map[string]any{"url": h.URL + "/convert", "caBundle": base64.StdEncoding.EncodeToString(ca)},
		}}},
	})
}

func newWebhooks() *Webhooks {
	set := backend.New(backend.Config{})
	return New(func() *backend.Set { return set })
}

// parsed reads JSON.
func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return obj
}

// widget is an object in v1.
func widget(t testing.TB, name string) map[string]any {
	return parsed(t, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"`+name+`","namespace":"default","uid":"u-`+name+`","labels":{"l":"1"},
	"finalizers":["a/b"],"generation":3},"spec":{"size":3}}`)
}

// question is a review as the webhook gets it.
type question struct {
	APIVersion, Kind string
	Request          struct {
		UID, DesiredAPIVersion string
		Objects                []map[string]any
	}
}

// echo answers a review with its objects in the wanted version, after change has had the answer.
func echo(t testing.TB, change func(review, response map[string]any, objects []any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q question
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Errorf("the review: %v", err)
		}
		objects := []any{}
		for _, o := range q.Request.Objects {
			o["apiVersion"] = q.Request.DesiredAPIVersion
			objects = append(objects, o)
		}
		response := map[string]any{"uid": q.Request.UID, "result": map[string]any{"status": "Success"}, "convertedObjects": objects}
		review := map[string]any{"apiVersion": q.APIVersion, "kind": q.Kind, "response": response}
		if change != nil {
			change(review, response, objects)
		}
		_ = json.NewEncoder(w).Encode(review)
	}
}

// TestReview: what a webhook is sent, in both versions of reviews, to the byte, and by which headers.
func TestReview(t *testing.T) {
	for given, version := range map[string]string{"v1 v1beta1": "v1", "v1beta1 v1": "v1beta1", "v7 v1beta1": "v1beta1"} {
		var got, head string
		h := startHook(t, nil)
		handle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got, head = string(b), r.Method+" "+r.URL.String()+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("Accept")+" "+r.Header.Get("User-Agent")
			r.Body = io.NopCloser(bytes.NewReader(b))
			echo(t, nil)(w, r)
		})
		h.handle.Store(&handle)
		var versions []any
		for _, v := range strings.Fields(given) {
			versions = append(versions, v)
		}
		objs := []map[string]any{widget(t, "a"), widget(t, "b")}
		out, answered, err := h.connect(newWebhooks(), versions...).Convert(t.Context(), objs, "example.com/v2")
		if err != nil || !answered || len(out) != 2 || tree.Text(out[1], "apiVersion") != "example.com/v2" || tree.Name(out[1]) != "b" {
			t.Fatal(out, answered, err)
		}
		if want := "POST /convert?timeout=30s application/json application/json, */* kube-apiserver-admission"; head != want {
			t.Errorf("%s, want %s", head, want)
		}
		uid := tree.Text(parsed(t, got), "request", "uid")
		want := fmt.Sprintf(`{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/%s","request":{"uid":"%s","desiredAPIVersion":"example.com/v2","objects":[%s,%s]},"response":{"uid":"","convertedObjects":null,"result":{"metadata":{}}}}`+"\n",
			version, uid, tree.AppendJSON(nil, widget(t, "a")), tree.AppendJSON(nil, widget(t, "b")))
		if got != want || len(uid) != 36 {
			t.Errorf("got %s\nwant %s", got, want)
		}
		for i, name := range []string{"a", "b"} {
			if !tree.Equal(objs[i], widget(t, name)) {
				t.Errorf("the question's object was changed: %v", objs[i])
			}
		}
	}
}

// TestAnswers: upstream's checks of an answer, and its words. Each row was asked of upstream's server.
func TestAnswers(t *testing.T) {
	const failed = "conversion webhook for example.com/v1, Kind=Widget failed: "
	const invalid = "conversion webhook for example.com/v1, Kind=Widget returned invalid "
	const notObject = `couldn't get version/kind; json parse error: json: cannot unmarshal X into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`
	of := func(typ string) string { return failed + strings.Replace(notObject, "X", typ, 1) }
	const label = ": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
	meta := func(name string, v any) func(_, _ map[string]any, objects []any) {
		return func(_, _ map[string]any, objects []any) { tree.Metadata(objects[0].(map[string]any))[name] = v }
	}
	top := func(name string, v any) func(_, _ map[string]any, objects []any) {
		return func(_, _ map[string]any, objects []any) {
			if o := objects[0].(map[string]any); v == nil {
				delete(o, name)
			} else {
				o[name] = v
			}
		}
	}
	review := func(name string, v any) func(review, _ map[string]any, _ []any) {
		return func(r, _ map[string]any, _ []any) { r[name] = v }
	}
	response := func(name string, v any) func(_, r map[string]any, _ []any) {
		return func(_, r map[string]any, _ []any) { r[name] = v }
	}
	object := func(v any) func(_, _ map[string]any, objects []any) {
		return func(_, _ map[string]any, objects []any) { objects[0] = v }
	}
	text := func(v string) func(_, _ map[string]any, _ []any) {
		return func(r, _ map[string]any, _ []any) { r["text"] = v }
	}
	const sameV1beta1 = "same"
	for _, c := range []struct {
		what      string
		change    func(review, response map[string]any, objects []any)
		v1        string
		v1beta1   string // "same": as v1
		unchecked bool   // the text of v1 has the uid of the question in front of what is compared
	}{
		{what: "good", v1beta1: sameV1beta1},
		{"another uid", response("uid", "x"), `", got "x"`, "", true},
		{"no uid", response("uid", nil), `", got ""`, "", true},
		{"no response", func(r, _ map[string]any, _ []any) { delete(r, "response") }, failed + "no response provided", sameV1beta1, false},
		{"null for a response", review("response", nil), failed + "no response provided", sameV1beta1, false},
		{"another version of reviews", review("apiVersion", "apiextensions.k8s.io/v7"), failed + `no kind "ConversionReview" is registered for version "apiextensions.k8s.io/v7" in scheme "pkg/runtime/scheme.go:111"`, sameV1beta1, false},
		{"no version of reviews", review("apiVersion", ""), failed + "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=ConversionReview", "", false},
		{"a strange version", review("apiVersion", "foo/bar/baz"), failed + "unexpected GroupVersion string: foo/bar/baz", sameV1beta1, false},
		{"another kind", review("kind", "Foo"), failed + `no kind "Foo" is registered for version "apiextensions.k8s.io/v1" in scheme "pkg/runtime/scheme.go:111"`,
			failed + `no kind "Foo" is registered for version "apiextensions.k8s.io/v1beta1" in scheme "pkg/runtime/scheme.go:111"`, false},
		{"no kind", review("kind", ""), failed + "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=", "", false},
		{"no status", response("result", map[string]any{}), failed + "response.result.status was '', not 'Success'", sameV1beta1, false},
		{"no result", response("result", nil), failed + "response.result.status was '', not 'Success'", sameV1beta1, false},
		{"a failure", response("result", map[string]any{"status": "Failure"}), failed + "response.result.status was 'Failure', not 'Success'", sameV1beta1, false},
		{"a failure that says why", response("result", map[string]any{"status": "Failure", "message": "some failure message", "code": 418}), failed + "some failure message", sameV1beta1, false},
		{"no objects", response("convertedObjects", nil), "conversion webhook for example.com/v1, Kind=Widget returned 0 objects, expected 1", sameV1beta1, false},
		{"two objects", response("convertedObjects", []any{1, 2}), "conversion webhook for example.com/v1, Kind=Widget returned 2 objects, expected 1", sameV1beta1, false},
		{"objects that are none", response("convertedObjects", map[string]any{}), failed + "json: cannot unmarshal object into Go struct field ConversionResponse.response.convertedObjects of type []runtime.RawExtension", sameV1beta1, false},
		{"a number for a uid", response("uid", 7), failed + "json: cannot unmarshal number into Go struct field ConversionResponse.response.uid of type types.UID", sameV1beta1, false},
		{"a list for a response", review("response", []any{}), failed + "json: cannot unmarshal array into Go struct field ConversionReview.response of type v1.ConversionResponse",
			failed + "json: cannot unmarshal array into Go struct field ConversionReview.response of type v1beta1.ConversionResponse", false},
		{"a number for a status", response("result", map[string]any{"status": 1}), failed + "json: cannot unmarshal number into Go struct field Status.response.result.status of type string", sameV1beta1, false},

		{"the object in its own version", top("apiVersion", "example.com/v1"), invalid + "object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v1)", sameV1beta1, false},
		{"the object without a version", top("apiVersion", nil), invalid + "object at index 0: invalid groupVersion (expected example.com/v2, received )", sameV1beta1, false},
		{"the object of another kind", top("kind", "Foo"), invalid + "object at index 0: invalid kind (expected Widget, received Foo)", sameV1beta1, false},
		{"the object without a kind", object(map[string]any{}), "Object 'Kind' is missing in '{}'", sameV1beta1, false},
		{"the object of a version that cannot be read", object(map[string]any{"apiVersion": "a/b/c", "kind": "Widget"}), `Object 'Kind' is missing in '{"apiVersion":"a/b/c","kind":"Widget"}'`, sameV1beta1, false},
		{"null", object(nil), "unexpected end of JSON input", sameV1beta1, false},
		{"a text", object("x"), "json: cannot unmarshal string into Go value of type map[string]interface {}", sameV1beta1, false},
		{"a list", object([]any{}), "json: cannot unmarshal array into Go value of type map[string]interface {}", sameV1beta1, false},
		{"another name", meta("name", "other"), invalid + "object: must have the same name: a != other", sameV1beta1, false},
		{"another namespace", meta("namespace", "other"), invalid + "object: must have the same namespace: default != other", sameV1beta1, false},
		{"another object", meta("uid", "other"), invalid + "object: must have the same UID: u-a != other", sameV1beta1, false},
		{"no metadata", top("metadata", nil), invalid + "object: must have the same name: a != ", sameV1beta1, false},
		{"a list for metadata", top("metadata", []any{}), invalid + "object: must have the same name: a != ", sameV1beta1, false},
		{"a list for labels", meta("labels", []any{}), invalid + "metadata: invalid metadata.labels of type []interface {} in converted object", sameV1beta1, false},
		{"a number in labels", meta("labels", map[string]any{"a": 1}), invalid + "metadata: metadata.labels[a] must be a string, but is int64 in converted object", sameV1beta1, false},
		{"a bad key of a label", meta("labels", map[string]any{"-a": "b"}), invalid + `metadata: metadata.labels: Invalid value: "-a"` + label, sameV1beta1, false},
		{"a text for annotations", meta("annotations", "x"), invalid + "metadata: invalid metadata.annotations of type string in converted object", sameV1beta1, false},
		{"null in annotations", meta("annotations", map[string]any{"a": nil}), invalid + "metadata: metadata.annotations[a] must be a string, but is <nil> in converted object", sameV1beta1, false},
		{"bad keys of annotations", meta("annotations", map[string]any{"a b": "x", "-": "y"}), invalid + `metadata: [metadata.annotation: Invalid value: "-"` + label + `, metadata.annotation: Invalid value: "a b"` + label + "]", sameV1beta1, false},
		{"too many annotations", meta("annotations", map[string]any{"a": strings.Repeat("x", 256<<10)}), invalid + "metadata: metadata.annotation: Too long: may not be more than 262144 bytes", sameV1beta1, false},

		{"nothing", text(""), failed + "0-length response with status code: 200 and content type: text/plain", sameV1beta1, false},
		{"a word", text("x"), of("string"), sameV1beta1, false},
		{"a list of answers", text("[]"), of("array"), sameV1beta1, false},
		{"an empty object", text("{}"), failed + "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=", failed + "no response provided", false},
		{"null for an answer", text("null"), failed + "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=", failed + "no response provided", false},
		{"YAML", text("a: b"), failed + "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=", failed + "no response provided", false},
		{"a pod", text(`{"kind":"Pod","apiVersion":"v1"}`), failed + `no kind "Pod" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"`, sameV1beta1, false},
		{"a status", text(`{"kind":"Status","apiVersion":"v1","status":"Failure"}`), failed + "converting (v1.Status) to (v1.ConversionReview): unknown conversion",
			failed + "converting (v1.Status) to (v1beta1.ConversionReview): unknown conversion", false},
	} {
		for version, want := range map[string]string{"v1": c.v1, "v1beta1": c.v1beta1} {
			if want == sameV1beta1 {
				want = c.v1
			}
			h := startHook(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/plain") // which says nothing of the syntax
				said := httptest.NewRecorder()
				var text any
				echo(t, func(review, response map[string]any, objects []any) {
					if c.change != nil {
						c.change(review, response, objects)
					}
					text = review["text"]
				})(said, r)
				if text != nil {
					_, _ = io.WriteString(w, text.(string))
					return
				}
				_, _ = w.Write(said.Body.Bytes())
			})
			out, answered, err := h.connect(newWebhooks(), version).Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2")
			got := ""
			if err != nil {
				got = err.Error()
			}
			if c.unchecked && version == "v1" && strings.HasPrefix(got, failed+`expected response.uid="`) {
				got = got[len(got)-len(want):]
			}
			if got != want {
				t.Errorf("%s, %s:\n got %s\nwant %s", c.what, version, got, want)
			}
			if err == nil && (len(out) != 1 || tree.Text(out[0], "apiVersion") != "example.com/v2") {
				t.Errorf("%s: %v", c.what, out)
			}
			if !answered && c.what != "nothing" {
				t.Errorf("%s: the webhook has answered", c.what)
			}
		}
	}
}

// TestCodes: an answer that is no success is told in the words of upstream's client.
func TestCodes(t *testing.T) {
	const failed = "conversion webhook for example.com/v1, Kind=Widget failed: "
	for _, c := range []struct {
		code       int
		mediaType  string
		body, want string
	}{
		{207, "", "x", "the server responded with the status code 207 but did not return more information"},
		{302, "", "x", "the server responded with the status code 302 but did not return more information"},
		{400, "", "x", "the server rejected our request for an unknown reason"},
		{401, "", "x", "the server has asked for the client to provide credentials"},
		{403, "", " some text\n", "some text"},
		{404, "", "x", "the server could not find the requested resource"},
		{405, "", "x", "the server does not allow this method on the requested resource"},
		{406, "", "some text", "some text"},
		{406, "application/json", "{}", "the server was unable to respond with a content type that the client supports"},
		{409, "", "x", "the server reported a conflict"},
		{413, "", "x", "the server responded with the status code 413 but did not return more information"},
		{415, "", "some text", "some text"},
		{422, "", "x", "the server rejected our request due to an error in our request"},
		{429, "", "x", "the server has received too many requests and has asked us to try again later"},
		{500, "", "some \"text\"", `an error on the server ("some \"text\"") has prevented the request from succeeding`},
		{500, "application/json", `{"a":1}`, `an error on the server ("unknown") has prevented the request from succeeding`},
		{502, "text/html", strings.Repeat("x", 5000), `an error on the server ("` + strings.Repeat("x", 2048) + `") has prevented the request from succeeding`},
		{503, "", "x", "the server is currently unable to handle the request"},
		{504, "", "x", "the server was unable to return a response in the time allotted, but may still be processing the request"},
		{409, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"a status of its own"}`, "a status of its own"},
		{200, "//", `{}`, "Internal error occurred: mime: no media type"},
	} {
		h := startHook(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.mediaType != "" {
				w.Header().Set("Content-Type", c.mediaType)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.code)
			_, _ = io.WriteString(w, c.body)
		})
		_, answered, err := h.connect(newWebhooks(), "v1").Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2")
		if err == nil || err.Error() != failed+c.want || answered {
			t.Errorf("%d: %v, answered %t, want %s", c.code, err, answered, c.want)
		}
	}
}

// TestManyObjects: in a review of several objects an error says which one it is, and no object is given away.
func TestManyObjects(t *testing.T) {
	const head = "conversion webhook for example.com/v1, Kind=Widget returned invalid "
	for what, c := range map[string]struct {
		change func(o map[string]any) any
		want   string
	}{
		"version":  {func(o map[string]any) any { o["apiVersion"] = "x"; return o }, head + "converted object at index 1: invalid groupVersion (expected example.com/v2, received x)"},
		"kind":     {func(o map[string]any) any { o["kind"] = "X"; return o }, head + "converted object at index 1: invalid kind (expected Widget, received X)"},
		"name":     {func(o map[string]any) any { tree.Metadata(o)["name"] = "c"; return o }, head + "converted object at index 1: must have the same name: b != c"},
		"labels":   {func(o map[string]any) any { tree.Metadata(o)["labels"] = 1; return o }, head + "metadata in object at index 1: invalid metadata.labels of type int64 in converted object"},
		"nothing":  {func(map[string]any) any { return nil }, head + "converted object at index 1: unexpected end of JSON input"},
		"no order": {nil, head + "converted object at index 0: must have the same name: a != b"},
	} {
		h := startHook(t, echo(t, func(_, response map[string]any, objects []any) {
			if c.change == nil {
				response["convertedObjects"] = []any{objects[1], objects[0]}
				return
			}
			objects[1] = c.change(objects[1].(map[string]any))
		}))
		out, answered, err := h.connect(newWebhooks(), "v1").Convert(t.Context(), []map[string]any{widget(t, "a"), widget(t, "b")}, "example.com/v2")
		if out != nil || !answered || err == nil || err.Error() != c.want {
			t.Errorf("%s: %v %t %v\nwant %s", what, out, answered, err, c.want)
		}
	}
}

// TestHostileWebhooks: what a webhook may do to its caller costs no more than its time and a bounded answer.
func TestHostileWebhooks(t *testing.T) {
	garbage := bytes.Repeat([]byte("[[{\"a\":"), 1<<16)
	forever := func(w http.ResponseWriter, r *http.Request) {
		piece := bytes.Repeat([]byte("x"), 1<<16)
		for {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	for what, c := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"an answer without end": {forever, "the answer has more than "},
		"a length that is a lie": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10000000000")
			forever(w, r)
		}, "the answer has more than "},
		"a bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer func() { _ = z.Close() }()
			piece := make([]byte, 1<<20)
			for range 10 << 10 {
				if _, err := z.Write(piece); err != nil {
					return
				}
			}
		}, "the answer has more than "},
		"garbage": {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(garbage) }, "json parse error: "},
		"an object that is none, of which the error tells all": {echo(t, func(_, _ map[string]any, objects []any) {
			obj := objects[0].(map[string]any)
			obj["a"] = strings.Repeat("x", 1<<20)
			delete(obj, "kind")
		}), "Object 'Kind' is missing in "},
		"half an answer": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"kind"`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected error when reading response body. Please retry. Original error: unexpected EOF"},
		"a reset": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		h := startHook(t, c.handle)
		h.Config.ErrorLog = nil
		_, _, err := h.connect(newWebhooks(), "v1").Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2")
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 8<<10 {
			t.Errorf("%s: %.9000v, want %s", what, err, c.want)
		}
	}
}

// TestAway: a webhook that nobody is behind, and one whose certificate is another's.
func TestAway(t *testing.T) {
	h := startHook(t, nil)
	c := h.connect(newWebhooks(), "v1")
	h.Close()
	_, answered, err := c.Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2")
	if answered || err == nil || !strings.Contains(err.Error(), `failed: Post "`+h.URL+`/convert?timeout=30s": dial tcp `) || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("%t %v", answered, err)
	}
	h = startHook(t, echo(t, nil))
	w := newWebhooks()
	c = w.Converter(map[string]any{"metadata": map[string]any{"name": "x"}, "spec": map[string]any{"conversion": map[string]any{"webhook": map[string]any{
		"conversionReviewVersions": []any{"v1"}, "clientConfig": map[string]any{"url": h.URL, "caBundle": base64.StdEncoding.EncodeToString([]byte(" \n"))}}}}})
	if _, _, err = c.Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

// TestPatience: a webhook that hangs is waited for as long as the request may take, and the error is upstream's where
// the webhook's own time is over.
func TestPatience(t *testing.T) {
	let := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	// The client goes while the webhook thinks.
	h := startHook(t, func(http.ResponseWriter, *http.Request) { cancel(); <-let })
	defer close(let)
	if _, answered, err := h.connect(newWebhooks(), "v1").Convert(ctx, []map[string]any{widget(t, "a")}, "example.com/v2"); answered || err == nil || !strings.HasSuffix(err.Error(), "context canceled") {
		t.Errorf("%t %v", answered, err)
	}
	for want, err := range map[string]error{
		"x: context deadline exceeded (Client.Timeout exceeded while awaiting headers)": asClient(0, fmt.Errorf("x: %w", context.DeadlineExceeded), true),
		"x: context deadline exceeded": asClient(0, fmt.Errorf("x: %w", context.DeadlineExceeded), false),
		"unexpected error when reading response body. Please retry. Original error: context deadline exceeded (Client.Timeout or context cancellation while reading body)": asClient(200, context.DeadlineExceeded, true),
	} {
		if err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestRetryAfter: a webhook that asks for another try gets one, but only by the codes that upstream heeds.
func TestRetryAfter(t *testing.T) {
	for code, tries := range map[int]int32{429: 3, 503: 3, 500: 3, 404: 1} {
		var n atomic.Int32
		h := startHook(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(code)
				return
			}
			echo(t, nil)(w, r)
		})
		_, _, err := h.connect(newWebhooks(), "v1").Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2")
		if n.Load() != tries || (err == nil) != (tries == 3) {
			t.Errorf("%d: %d tries, %v", code, n.Load(), err)
		}
	}
	var n atomic.Int32
	h := startHook(t, func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(503)
	})
	if _, _, err := h.connect(newWebhooks(), "v1").Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2"); err == nil || n.Load() != 1+mostTries {
		t.Errorf("%d tries, %v", n.Load(), err)
	}
}

// TestMetrics: calls and conversions are counted by upstream's names, and what is counted of a definition goes with it.
func TestMetrics(t *testing.T) {
	w := newWebhooks()
	mode := "good"
	h := startHook(t, func(rw http.ResponseWriter, r *http.Request) {
		switch mode {
		case "garbage":
			_, _ = io.WriteString(rw, "{")
		case "malformed":
			echo(t, func(_, response map[string]any, _ []any) { response["uid"] = "x" })(rw, r)
		case "partial":
			echo(t, func(_, response map[string]any, _ []any) { response["convertedObjects"] = nil })(rw, r)
		case "invalid":
			echo(t, func(_, _ map[string]any, objects []any) { objects[0] = nil })(rw, r)
		default:
			echo(t, nil)(rw, r)
		}
	})
	c := h.connect(w, "v1")
	for _, mode = range []string{"good", "good", "garbage", "malformed", "partial", "invalid"} {
		_, _, _ = c.Convert(t.Context(), []map[string]any{widget(t, "a")}, "example.com/v2")
	}
	page := func() string {
		var b bytes.Buffer
		e := metrics.NewWriter(&b)
		w.WriteMetrics(e)
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	got := page()
	for _, want := range []string{
		`apiserver_conversion_webhook_request_total{failure_type="",result="success"} 2`,
		`apiserver_conversion_webhook_request_total{failure_type="conversion_webhook_call_failure",result="failure"} 1`,
		`apiserver_conversion_webhook_request_total{failure_type="conversion_webhook_malformed_response_failure",result="failure"} 1`,
		`apiserver_conversion_webhook_request_total{failure_type="conversion_webhook_partial_response_failure",result="failure"} 1`,
		`apiserver_conversion_webhook_request_total{failure_type="conversion_webhook_invalid_converted_object_failure",result="failure"} 1`,
		`apiserver_conversion_webhook_duration_seconds_count{failure_type="",result="success"} 2`,
		`apiserver_crd_conversion_webhook_duration_seconds_count{crd_name="widgets.example.com",from_version="v1",succeeded="true",to_version="v2"} 2`,
		`apiserver_crd_conversion_webhook_duration_seconds_count{crd_name="widgets.example.com",from_version="v1",succeeded="false",to_version="v2"} 4`,
		`apiserver_crd_conversion_webhook_duration_seconds_bucket{crd_name="widgets.example.com",from_version="v1",succeeded="true",to_version="v2",le="16.384"} 2`,
		`apiserver_conversion_webhook_duration_seconds_bucket{failure_type="",result="success",le="60"} 2`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	w.Drop("widgets.example.com")
	if got := page(); strings.Contains(got, "widgets") || !strings.Contains(got, `result="success"} 2`) {
		t.Errorf("after the end of the definition:\n%s", got)
	}
}

// TestTarget: what a clientConfig means.
func TestTarget(t *testing.T) {
	got := target(parsed(t, `{"service":{"namespace":"n","name":"s","port":8443,"path":"/c"},"caBundle":"eA=="}`))
	if got.URL != "" || got.Service != (backend.Service{Namespace: "n", Name: "s", Port: 8443, Path: "/c"}) || string(got.CABundle) != "x" {
		t.Errorf("%+v", got)
	}
	if got := target(parsed(t, `{"url":"https://a/b","caBundle":"IAo="}`)); got.URL != "https://a/b" || got.CABundle != nil {
		t.Errorf("%+v", got)
	}
}
