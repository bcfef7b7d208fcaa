package admin

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

const (
	json1 = "Content-Type: application/json"
	match = `If-Match: "1795411387412"`
)

// Each request fails the check of its row and, where it can, every later one: the table
// holds the contract's order from the method on, for what changes something.
func TestFirstFailingCheckOfAChangeAnswers(t *testing.T) {
	big := strings.Repeat(" ", bodyLimit) + "{}"
	for _, c := range []struct {
		name    string
		request string
		header  []string
		body    string
		code    int
		reason  string
		message string // part of it
	}{
		{"Host", "DELETE /admin/v1/reset?x=1", []string{"Host: evil.example"}, "[", 403, "Forbidden", "evil.example"},
		{"Origin", "POST /admin/v1/reset?x=1", []string{"Origin: null", "Accept: image/png"}, "[", 403, "Forbidden", "own page"},
		{"no-cors", "POST /admin/v1/reset", []string{"Sec-Fetch-Mode: no-cors", "Sec-Fetch-Site: same-site", "Content-Type: text/plain"}, "{}", 403, "Forbidden", "no-cors"},
		{"method", "DELETE /admin/v1/snapshot?x=1", []string{"Accept: image/png"}, "[", 405, "MethodNotAllowed", "/admin/v1/snapshot takes GET, HEAD, PUT"},
		{"GET of reset", "GET /admin/v1/reset?x=1", nil, "", 405, "MethodNotAllowed", "/admin/v1/reset takes POST"},
		{"HEAD of reset", "HEAD /admin/v1/reset", nil, "", 405, "MethodNotAllowed", "takes POST"},
		{"POST of the snapshot", "POST /admin/v1/snapshot", nil, "{}", 405, "MethodNotAllowed", "PUT"},
		{"PUT of the store", "PUT /admin/v1/store", nil, "{}", 405, "MethodNotAllowed", "GET, HEAD"},
		{"Accept", "PUT /admin/v1/snapshot?x=1", []string{"Accept: image/png"}, "[", 406, "NotAcceptable", "application/json only"},
		{"text of the snapshot", "PUT /admin/v1/snapshot", []string{asText}, "[", 406, "NotAcceptable", "application/json only"},
		{"text of the snapshot out", "GET /admin/v1/snapshot", []string{asText}, "", 406, "NotAcceptable", "application/json only"},
		{"query", "PUT /admin/v1/snapshot?x=1", nil, "[", 400, "BadRequest", `"x": known are pretty, wide`},
		{"query of the snapshot out", "GET /admin/v1/snapshot?wide=1", nil, "", 400, "BadRequest", `"wide": known are pretty`},
		{"Content-Type", "PUT /admin/v1/snapshot", nil, "[", 415, "UnsupportedMediaType", `not ""`},
		{"Content-Type of forms", "POST /admin/v1/reset", []string{"Content-Type: text/plain"}, "{}", 415, "UnsupportedMediaType", "text/plain"},
		{"Content-Type twice", "POST /admin/v1/reset", []string{json1, json1}, "{}", 415, "UnsupportedMediaType", "application/json, application/json"},
		{"Content-Type of YAML", "PUT /admin/v1/snapshot", []string{"Content-Type: application/yaml"}, "{}", 415, "UnsupportedMediaType", "application/yaml"},
		{"no If-Match", "PUT /admin/v1/snapshot", []string{json1}, "[", 428, "PreconditionRequired", "If-Match"},
		{"another If-Match", "PUT /admin/v1/snapshot", []string{json1, `If-Match: "1795411387411"`}, "[", 412, "PreconditionFailed", "1795411387412"},
		{"weak If-Match", "PUT /admin/v1/snapshot", []string{json1, `If-Match: W/"1795411387412"`}, "[", 412, "PreconditionFailed", "1795411387412"},
		{"If-Match without quotes", "PUT /admin/v1/snapshot", []string{json1, `If-Match: 1795411387412`}, "[", 412, "PreconditionFailed", "1795411387412"},
		{"empty If-Match", "PUT /admin/v1/snapshot", []string{json1, `If-Match: `}, "[", 412, "PreconditionFailed", "1795411387412"},
		{"size", "POST /admin/v1/reset", []string{json1}, big, 413, "RequestEntityTooLarge", "larger than 1 MiB"},
		{"no body", "POST /admin/v1/reset", []string{json1}, "", 400, "BadRequest", "not a JSON object"},
		{"a list", "POST /admin/v1/reset", []string{json1}, "[]", 400, "BadRequest", "not a JSON object"},
		{"no JSON", "POST /admin/v1/reset", []string{json1}, "{", 400, "BadRequest", "not JSON"},
		{"unknown key", "POST /admin/v1/reset", []string{json1}, `{"to":"ready"}`, 400, "BadRequest", `unknown key "to"`},
		{"two bodies", "POST /admin/v1/reset", []string{json1}, "{}{}", 400, "BadRequest", "goes on"},
		{"passes: reset", "POST /admin/v1/reset", []string{"Content-Type: Application/JSON; charset=utf-8"}, " {} \n", 200, "", ""},
		{"passes: any", "PUT /admin/v1/snapshot", []string{json1, "If-Match: *"}, "[", 200, "", ""},
		{"passes: one of several", "PUT /admin/v1/snapshot", []string{json1, `If-Match: "1", "1795411387412"`}, "{}", 200, "", ""},
		{"passes: two lines", "PUT /admin/v1/snapshot", []string{json1, `If-Match: "1"`, match}, "{}", 200, "", ""},
		{"passes: a large snapshot", "PUT /admin/v1/snapshot", []string{json1, match}, big, 200, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newFake(t)
			w := askWith(t, handlerOf(t, src), c.request, strings.NewReader(c.body), c.header...)
			answer := decode(t, w)
			if w.Code != c.code {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.code)
			}
			checkHeader(t, w.Header(), formJSON)
			method, _, _ := strings.Cut(c.request, " ")
			if c.code == 200 {
				if want := []Change{{"the-audit-id", method, strings.Fields(c.request)[1], "192.0.2.1:1234", "", unsecured}}; !reflect.DeepEqual(src.changes, want) || len(src.loaded) != 1 || len(src.refused()) > 0 {
					t.Errorf("changes %+v, want %+v; loaded %d", src.changes, want, len(src.loaded))
				}
				return
			}
			if answer["reason"] != c.reason || !strings.Contains(answer["message"].(string), c.message) {
				t.Errorf("%s, want %s with %q", w.Body, c.reason, c.message)
			}
			if len(src.loaded) > 0 || len(src.changes) > 0 {
				t.Errorf("refused, but loaded %q and told of %v", src.loaded, src.changes)
			}
			told := c.code == 403 || c.code == 405 || c.code == 412 || c.code == 415 || c.code == 428
			if got := src.refused(); (len(got) == 1) != told {
				t.Errorf("reported %+v", got)
			}
		})
	}
}

// The answers of what changed, in both forms, and of what the program refuses.
func TestWritten(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	generation := int64(7)
	src.generation = func() int64 { return generation }
	want := map[string]any{"generation": 7.0, "at": exampleAt, "revision": 1050.0, "created": 1.0, "updated": 2.0, "deleted": 3.0, "unchanged": 4.0}
	for request, body := range map[string]string{"POST /admin/v1/reset": "{}", "PUT /admin/v1/snapshot": `{"items":[]}`} {
		w := askWith(t, h, request, strings.NewReader(body), json1, `If-Match: "7"`, "User-Agent: curl")
		if got := decode(t, w); w.Code != 200 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d %v", request, w.Code, got)
		}
	}
	if c := src.changes; len(c) != 2 || c[0].UserAgent != "curl" {
		t.Errorf("told of %+v", c)
	}
	w := askWith(t, h, "POST /admin/v1/reset", strings.NewReader("{}"), json1, asText)
	if got := w.Body.String(); got != "revision                1050\ncreated                 1\nupdated                 2\ndeleted                 3\nunchanged               4\n" {
		t.Errorf("as text:\n%s", got)
	}

	src.changes, src.fails = nil, &Error{Code: 422, Reason: "Invalid", Message: "two", Causes: []Cause{{"FieldValueRequired", "Required value", "items[0].metadata.uid"}, {"FieldValueDuplicate", "Duplicate value", "items[1]"}}}
	w = askWith(t, h, "PUT /admin/v1/snapshot", strings.NewReader("{}"), json1, "If-Match: *")
	details := decode(t, w)["details"]
	wantDetails := map[string]any{"causes": []any{
		map[string]any{"reason": "FieldValueRequired", "message": "Required value", "field": "items[0].metadata.uid"}, map[string]any{"reason": "FieldValueDuplicate", "message": "Duplicate value", "field": "items[1]"},
	}}
	if w.Code != 422 || !reflect.DeepEqual(details, wantDetails) || len(src.changes) > 0 {
		t.Errorf("%d %v, told of %v", w.Code, details, src.changes)
	}
	src.fails = &Error{Code: 409, Reason: "Conflict", Message: "one runs"}
	if w := askWith(t, h, "POST /admin/v1/reset", strings.NewReader("{}"), json1); w.Code != 409 || len(src.changes)+len(src.refused()) > 0 {
		t.Errorf("%d %s, told of %v", w.Code, w.Body, src.changes)
	}
	if w := ask(t, h, "/admin/v1/snapshot"); w.Code != 409 {
		t.Errorf("snapshot: %d %s", w.Code, w.Body)
	}
}

// A generation that grew since the client read it is what If-Match is about, and the
// answer says the new one.
func TestMatchIsOfNow(t *testing.T) {
	src := newFake(t)
	n := int64(0)
	src.generation = func() int64 { n++; return n }
	w := askWith(t, handlerOf(t, src), "PUT /admin/v1/snapshot", strings.NewReader("{}"), json1, `If-Match: "1"`)
	if w.Code != 412 || w.Header().Get("ETag") != `"2"` {
		t.Errorf("%d, ETag %s", w.Code, w.Header().Get("ETag"))
	}
}

// The snapshot keeps its own shape, with the headers of the envelope.
func TestSnapshotOut(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	w := ask(t, h, "/admin/v1/snapshot")
	if w.Code != 200 || w.Body.String() != src.snapshot || w.Header().Get("Content-Length") != "83" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	checkHeader(t, w.Header(), formJSON)
	w = ask(t, h, "HEAD /admin/v1/snapshot")
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "83" {
		t.Errorf("HEAD: %d %v %q", w.Code, w.Header(), w.Body)
	}
	const indented = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"metadata\": {\n    \"resourceVersion\": \"1042\"\n  },\n  \"items\": []\n}\n"
	if w = ask(t, h, "/admin/v1/snapshot?pretty=true"); w.Body.String() != indented {
		t.Errorf("indented: %q", w.Body)
	}
	if got := src.changes; len(got) > 0 {
		t.Errorf("told of %v", got)
	}
	src.snapshot = "{"
	if w = ask(t, h, "/admin/v1/snapshot?pretty=true"); w.Code != 500 {
		t.Errorf("a broken one is %d", w.Code)
	}
}

// torn is a body that breaks off.
type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, errors.New("torn") }

// A body longer than said, longer than allowed without a length, or cut off.
func TestBodies(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	r := httptest.NewRequest("PUT", "/admin/v1/snapshot", strings.NewReader("{}"))
	r.Host, r.ContentLength = "localhost", snapshotLimit+1
	r.Header.Set("Content-Type", formJSON)
	r.Header.Set("If-Match", "*")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 || w.Header().Get("Connection") != "close" || !strings.Contains(w.Body.String(), "256 MiB") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	w = askWith(t, h, "POST /admin/v1/reset", io.MultiReader(strings.NewReader("{"), torn{}), json1)
	if w.Code != 400 || w.Header().Get("Connection") != "close" {
		t.Errorf("torn: %d %s", w.Code, w.Body)
	}
	w = askWith(t, h, "POST /admin/v1/reset", io.LimitReader(spaces{}, bodyLimit+1), json1)
	if w.Code != 413 {
		t.Errorf("without a length: %d %s", w.Code, w.Body)
	}
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestCheckObject(t *testing.T) {
	deep := strings.Repeat(`{"b":`, 20000)
	for body, want := range map[string]string{
		`{}`: "", `{"a":1}`: "", `{"a":{"b":[1,{"c":null}],"b2":[]}}`: "", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}": "", "\t{\"a\":\"\\u0061\"}\n": "",
		``: "not a JSON object", `null`: "not a JSON object", `"a"`: "not a JSON object", `{"b":1}`: `unknown key "b": known are a`, `{"a":1,"a":2}`: `"a" is there twice`,
		`{"a":{"b":1,"b":1}}`: `"a.b" is there twice`, `{"a":[0,{"b":1,"c":2,"b":3}]}`: `"a[1].b" is there twice`, `{"a":1`: "not JSON", `{"a":1,}`: "not JSON", `{"a"}`: "not JSON", `{"a":[1}`: "not JSON", `{"a":tru}`: "not JSON",
		`{"a":1}x`: "goes on", `{"a":1} {}`: "goes on", `{"A":1}`: `unknown key "A"`, `{"\u0061":1,"a":2}`: `"a" is there twice`, `{"a":` + deep: "nests deeper", `{"a":` + strings.Repeat("[", 101): "nests deeper", `{"a":` + strings.Repeat("[", 100): "not JSON",
	} {
		err := checkObject([]byte(body), "a")
		switch {
		case err == nil && want != "":
			t.Errorf("%.40s: taken, want %q", body, want)
		case err != nil && (want == "" || err.Code != http.StatusBadRequest || !strings.Contains(err.Message, want)):
			t.Errorf("%.40s: %d %s, want %q", body, err.Code, err.Message, want)
		}
	}
}
