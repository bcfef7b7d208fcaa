package status

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// failing is a writer that renders failures itself.
type failing struct {
	*httptest.ResponseRecorder
	got error
}

func (f *failing) Fail(err error) { f.got = err }

// TestWrite: outside of a chain the failure is rendered, and behind one it is handed over as it is.
func TestWrite(t *testing.T) {
	secret := errors.New("the disk is full")
	for _, c := range []struct {
		name, query, contentType, body string
		err                            error
		code                           int
		header                         http.Header
	}{
		{name: "a Status", err: Conflict("apps", "deployments", "d", ChangedMeanwhile), code: 409, contentType: "application/json",
			body: `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on deployments.apps \"d\": the object has been modified; please apply your changes to the latest version and try again","reason":"Conflict","details":{"name":"d","group":"apps","kind":"deployments"},"code":409}` + "\n"},
		{name: "of the core group", err: Conflict("", "configmaps", "c", "no"), code: 409, contentType: "application/json",
			body: `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be fulfilled on configmaps \"c\": no","reason":"Conflict","details":{"name":"c","kind":"configmaps"},"code":409}` + "\n"},
		{name: "indented", query: "?pretty=1", err: Expired("gone"), code: 410, contentType: "application/json",
			body: "{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",\n  \"message\": \"gone\",\n  \"reason\": \"Expired\",\n  \"code\": 410\n}\n"},
		{name: "without a reason", err: Unexplained("odd"), code: 500, contentType: "application/json",
			body: `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"odd","code":500}` + "\n"},
		{name: "text", err: PlainText(404, "404 page not found"), code: 404, contentType: "text/plain; charset=utf-8", body: "404 page not found\n",
			header: http.Header{"X-Content-Type-Options": {"nosniff"}}},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/x"+c.query, nil)
		Write(w, r, c.err)
		if w.Code != c.code || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.contentType {
			t.Errorf("%s: %d %q %s", c.name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		for k := range c.header {
			if w.Header().Get(k) != c.header.Get(k) {
				t.Errorf("%s: %s is %q", c.name, k, w.Header().Get(k))
			}
		}
	}
	w := httptest.NewRecorder()
	Write(w, httptest.NewRequest("GET", "/", nil), secret)
	if w.Code != 500 || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("an internal error: %d %s", w.Code, w.Body)
	}
	f := &failing{ResponseRecorder: httptest.NewRecorder()}
	Write(f, httptest.NewRequest("GET", "/", nil), secret)
	if f.got != secret || f.Body.Len() > 0 {
		t.Errorf("a writer with Fail got %v and wrote %q", f.got, f.Body)
	}
}

// TestWantsPretty: the parameter counts with nothing, 1 or true, and its first value alone.
func TestWantsPretty(t *testing.T) {
	for query, want := range map[string]bool{
		"": false, "?pretty": true, "?pretty=": true, "?pretty=1": true, "?pretty=true": true, "?a=b&pretty=true": true,
		"?pretty=0": false, "?pretty=yes": false, "?pretty=0&pretty=1": false, "?notpretty=1": false, "?pretty%3D1": false,
	} {
		if got := WantsPretty(httptest.NewRequest("GET", "/x"+query, nil)); got != want {
			t.Errorf("%q: %v", query, got)
		}
	}
}

// TestShorten: what is kept begins the text, is whole characters of at most n bytes, and is marked
// where something is missing.
func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"", 0, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aä", 2, "a…"}, {"ä", 1, "…"}, {"äb", 2, "ä…"}, {"\xff\xff\xff", 2, "\xff\xff…"}} {
		if got := Shorten(c.text, c.n); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.text, c.n, got, c.want)
		}
	}
	for n := range 40 {
		if got := Shorten("größer als ein Wort", n); !utf8.ValidString(got) || len(strings.TrimSuffix(got, "…")) > n {
			t.Errorf("to %d: %q", n, got)
		}
	}
}
