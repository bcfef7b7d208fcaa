package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"apichain/internal/tree"
)

// TestIsKnown: the weak comparison of RFC 9110, section 8.8.3.2, over all lines of the header.
func TestIsKnown(t *testing.T) {
	const tag = `"AB"`
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{`"AB"`}, true},
		{[]string{`W/"AB"`}, true},
		{[]string{`*`}, true},
		{[]string{` "AB" `}, true},
		{[]string{`"XY","AB"`}, true},
		{[]string{`"XY" , W/"AB"`}, true},
		{[]string{`"XY"`, `"AB"`}, true},
		{[]string{`"XY"`, `*`}, true},
		{[]string{`"XY"`}, false},
		{[]string{`AB`}, false},
		{[]string{`"ab"`}, false},
		{[]string{`w/"AB"`}, false}, // W is case-sensitive
		{[]string{`W/W/"AB"`}, false},
		{[]string{`"AB`}, false},
		{[]string{`""AB""`}, false},
		{[]string{`,,`}, false},
		{[]string{`**`}, false},
	} {
		if got := isKnown(c.lines, tag); got != c.want {
			t.Errorf("%q: %v, want %v", c.lines, got, c.want)
		}
	}
}

// TestNotModified: each document with each way to name its tag. Aggregated discovery compares texts,
// OpenAPI compares tags, and plain discovery has none.
func TestNotModified(t *testing.T) {
	c := testCatalog()
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	ask := func(path string, header ...string) *httptest.ResponseRecorder {
		if strings.HasPrefix(path, OpenAPIRoot) {
			return askOpenAPI(c, path, header...)
		}
		return fetch(t, c, path, header...)
	}
	for _, doc := range []struct {
		path, accept string
		text, tagged bool // how it compares: as text, as a tag, or neither
	}{
		{"/api", AggregatedType, true, false},
		{"/apis", AggregatedType, true, false},
		{"/apis", "application/json", false, false},
		{"/apis/example.com", "application/json", false, false},
		{"/apis/example.com/v1", "application/json", false, false},
		{OpenAPIRoot, "application/json", false, true},
		{OpenAPIRoot + "/api/v1", "application/json", false, true},
		{OpenAPIRoot + "/apis/example.com/v1", "application/json", false, true},
		{addresses(t, c)["apis/example.com/v1"], "*/*", false, true},
	} {
		first := ask(doc.path, "Accept: "+doc.accept)
		tag := first.Header().Get("ETag")
		if first.Code != 200 || (tag != "") != (doc.text || doc.tagged) {
			t.Errorf("%s: %d, tag %q", doc.path, first.Code, tag)
		}
		if tag == "" {
			// A tag of another form of the same path changes nothing.
			tag = ask("/apis", "Accept: "+AggregatedType).Header().Get("ETag")
		}
		for _, known := range []struct {
			header       string
			text, tagged bool
		}{
			{tag, true, true},
			{"W/" + tag, false, true},
			{`"x", ` + tag, false, true},
			{"*", false, true},
			{strings.Trim(tag, `"`), false, false},
			{`"x"`, false, false},
			{"", false, false},
		} {
			want := 200
			if doc.text && known.text || doc.tagged && known.tagged {
				want = 304
			}
			got := ask(doc.path, "Accept: "+doc.accept, "If-None-Match: "+known.header)
			if got.Code != want || (got.Body.Len() == 0) != (want == 304) || got.Header().Get("ETag") != first.Header().Get("ETag") {
				t.Errorf("%s, If-None-Match %.20s: %d with %d bytes, want %d", doc.path, known.header, got.Code, got.Body.Len(), want)
			}
			if want == 304 && got.Header().Get("Content-Type") != "" {
				t.Errorf("%s: a type without a body: %v", doc.path, got.Header())
			}
		}
	}
	// What a client has is no longer known once something changes.
	path := addresses(t, c)["apis/example.com/v1"]
	tag := ask(path).Header().Get("ETag")
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1+")})
	path, _, _ = strings.Cut(path, "?")
	if got := ask(path, "If-None-Match: "+tag); got.Code != 200 || got.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d %s", got.Code, got.Header().Get("ETag"))
	}
}

// TestOpenAPINegotiation: OpenAPI has JSON only, for all who take it in some way.
func TestOpenAPINegotiation(t *testing.T) {
	c := testCatalog()
	for _, path := range []string{OpenAPIRoot, OpenAPIRoot + "/api/v1"} {
		for accept, code := range map[string]int{
			"":                            200,
			"*/*":                         200,
			"application/*":               200,
			"application/json":            200,
			"application/json;v=1":        200,
			"text/html, application/json": 200,
			"text/html, */*;q=0.1":        200,
			"application/json;q=0":        406,
			"application/yaml":            406,
			"application/com.github.proto-openapi.spec.v3.v1.0+protobuf":                         406,
			"application/com.github.proto-openapi.spec.v3.v1.0+protobuf, application/json;q=0.5": 200,
			"garbage": 406,
		} {
			var header []string
			if accept != "" {
				header = append(header, "Accept: "+accept)
			}
			got := askOpenAPI(c, path, header...)
			// The index is there for everybody (upstream).
			if path == OpenAPIRoot {
				code = 200
			}
			if got.Code != code || code == 200 && got.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s, Accept %q: %d %v", path, accept, got.Code, got.Header())
			}
			if (got.Body.Len() == 0) != (code == 406) {
				t.Errorf("%s, Accept %q: %s", path, accept, got.Body)
			}
			// The index has no such header, and documents have it before they are refused.
			if vary := got.Header().Get("Vary"); (vary == "Accept") != (path != OpenAPIRoot) {
				t.Errorf("%s, Accept %q: Vary %q", path, accept, vary)
			}
		}
	}
}

// TestPathsOfDocuments: which paths have a document of discovery, and which of them are there by
// definitions alone.
func TestPathsOfDocuments(t *testing.T) {
	var c Catalog
	c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1", "v0-")})
	c.SetCustom("events.k8s.io", []*Definition{testCRD("events.k8s.io", "widgets", "Widget", "v2", "v1")})
	c.SetCustom("hidden.io", []*Definition{testCRD("hidden.io", "widgets", "Widget", "v1-")})
	for path, want := range map[string]string{
		"/api":                            "served",
		"/apis":                           "served",
		"/api/v1":                         "served",
		"/apis/events.k8s.io":             "served",
		"/apis/events.k8s.io/v1":          "served",
		"/apis/events.k8s.io/v2":          "custom",
		"/apis/example.com":               "custom",
		"/apis/example.com/v1":            "custom",
		"/apis/example.com/v0":            "none",
		"/apis/example.com/v1/widgets":    "none",
		"/apis/example":                   "none",
		"/apis/example.com.v1":            "none",
		"/apis/EXAMPLE.com":               "none",
		"/apis/hidden.io":                 "none",
		"/apis/hidden.io/v1":              "none",
		"/api/v2":                         "none",
		"/api/v1/pods":                    "none",
		"/apis//v1":                       "none",
		"/apis/v1":                        "none",
		"/apiss/example.com":              "none",
		"/openapi/v3/apis/example.com/v1": "none",
	} {
		serve, ok := c.Document(path)
		slashed, alsoOK := c.Document(path + "/")
		if ok != (want == "custom") || ok != alsoOK || (serve == nil) == ok || (slashed == nil) == ok {
			t.Errorf("%s: a custom document: %v, with a slash: %v", path, ok, alsoOK)
		}
		got := fetch(t, &c, path)
		if code := map[bool]int{true: 404, false: 200}[want == "none"]; got.Code != code {
			t.Errorf("%s: %d, want %d", path, got.Code, code)
		}
		if want == "none" && got.Body.String() != "404 page not found\n" {
			t.Errorf("%s: %q", path, got.Body)
		}
		if ok {
			w := httptest.NewRecorder()
			serve(w, httptest.NewRequest("GET", path, nil))
			if w.Body.String() != got.Body.String() || w.Code != 200 {
				t.Errorf("%s: %s, else %s", path, w.Body, got.Body)
			}
		}
	}
}

// TestDocumentOutlivesItsGroup: a handler that was found serves what there was, whatever happens to
// the definitions before it is called.
func TestDocumentOutlivesItsGroup(t *testing.T) {
	var c Catalog
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	serve, ok := c.Document("/apis/example.com/v1")
	if !ok {
		t.Fatal("no document")
	}
	c.SetCustom("example.com", nil)
	w := httptest.NewRecorder()
	serve(w, httptest.NewRequest("GET", "/apis/example.com/v1", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"name":"widgets"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := fetch(t, &c, "/apis/example.com/v1"); got.Code != 404 {
		t.Errorf("asked anew: %d", got.Code)
	}
}

// FuzzPaths: no path makes a document that another reading of it does not: what Document has, Serve
// has too, and it is JSON of the group in the path.
func FuzzPaths(f *testing.F) {
	var c Catalog
	c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
	c.SetCustom("example.com", []*Definition{testCRD("example.com", "widgets", "Widget", "v1")})
	for _, path := range []string{"/api", "/apis/", "/apis/example.com", "/apis/example.com/v1/", "/apis/example.com/v1//", "//apis/example.com", "/apis/example.com/v1\x00", ""} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		serve, ok := c.Document(path)
		plain := c.plainDocument(strings.TrimSuffix(path, "/"))
		if ok && plain == nil {
			t.Fatalf("%q has a document by one way only", path)
		}
		if plain != nil && !strings.HasPrefix(path, "/api") {
			t.Fatalf("%q has a document", path)
		}
		if !ok {
			return
		}
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest("GET", "/", nil))
		doc, _, err := tree.ParseJSONObject(w.Body.Bytes())
		if err != nil || !strings.Contains(path, "example.com") || doc["kind"] != "APIGroup" && doc["kind"] != "APIResourceList" {
			t.Fatalf("%q: %v %v", path, doc, err)
		}
	})
}

// TestHeadersOfDocuments: what each form says of itself besides its body.
func TestHeadersOfDocuments(t *testing.T) {
	c := testCatalog()
	for _, row := range []struct{ path, accept, contentType, vary, cache string }{
		{"/api", "*/*", "application/json", "Accept", ""},
		{"/apis", "application/json", "application/json", "Accept", ""},
		{"/apis", AggregatedType, AggregatedType, "Accept", "public"},
		{"/api/v1", "*/*", "application/json", "", ""},
		{"/apis/events.k8s.io", "*/*", "application/json", "", ""},
	} {
		got := fetch(t, c, row.path, "Accept: "+row.accept)
		h := got.Header()
		for name, want := range map[string]string{
			"Content-Type": row.contentType, "Vary": row.vary, "Cache-Control": row.cache, "Content-Length": fmt.Sprint(got.Body.Len()),
		} {
			if h.Get(name) != want {
				t.Errorf("%s, %s: %s is %q, want %q", row.path, row.accept, name, h.Get(name), want)
			}
		}
	}
	// A refusal depends on Accept too, but only where there is another form and the syntax is taken.
	for accept, want := range map[string]string{"application/json;as=Table": "Accept", "application/cbor": ""} {
		if got := fetch(t, c, "/apis", "Accept: "+accept); got.Code != 406 || got.Header().Get("Vary") != want {
			t.Errorf("refused for %s: %d, Vary %q", accept, got.Code, got.Header().Get("Vary"))
		}
	}
}

// TestReadersAndWriters: documents of every sort while definitions and servers change: each answer is
// whole, and has the last change that its reader made.
func TestReadersAndWriters(t *testing.T) {
	c := testCatalog()
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			group := fmt.Sprintf("g%d.io", w)
			for i := range 40 {
				plural := fmt.Sprintf("things%d", i)
				c.SetCustom(group, []*Definition{testCRD(group, plural, "Thing", "v1+")})
				for _, path := range []string{"/apis/" + group + "/v1", OpenAPIRoot + "/apis/" + group + "/v1"} {
					var got *httptest.ResponseRecorder
					if strings.HasPrefix(path, OpenAPIRoot) {
						got = askOpenAPI(c, path)
					} else {
						got = fetch(t, c, path)
					}
					if got.Code != 200 || !strings.Contains(got.Body.String(), plural) {
						t.Errorf("%s, round %d: %d %s", path, i, got.Code, got.Body)
						return
					}
				}
			}
		})
	}
	all.Go(func() {
		for i := range 20 {
			c.SetServers(GroupsOf(testKinds(), "core"), fmt.Sprintf("h:%d", i), testKinds())
			got := fetch(t, c, "/api").Body.String()
			if !strings.Contains(got, fmt.Sprintf(`"h:%d"`, i)) {
				t.Errorf("round %d: %s", i, got)
			}
		}
	})
	all.Wait()
	if got := addresses(t, c); got["apis/g0.io/v1"] == "" || got["apis/g2.io/v1"] == "" {
		t.Errorf("the index: %v", got)
	}
}

// TestTaggedAnswers: the parts of an answer with a tag.
func TestTaggedAnswers(t *testing.T) {
	for known, code := range map[string]int{"": 200, `"AB"`: 304} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		if known != "" {
			r.Header.Set("If-None-Match", known)
		}
		writeTagged(w, r, "AB", []byte("{}"))
		if w.Code != code || w.Header().Get("ETag") != `"AB"` || (w.Body.String() == "{}") != (code == http.StatusOK) {
			t.Errorf("%q: %d %v %s", known, w.Code, w.Header(), w.Body)
		}
	}
	// FIPS 180-4: the empty message, and "abc".
	for text, want := range map[string]string{
		"":    "CF83E1357EEFB8BDF1542850D66D8007D620E4050B5715DC83F4A921D36CE9CE47D0D13C5D85F2B0FF8318D2877EEC2F63B931BD47417A81A538327AF927DA3E",
		"abc": "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F",
	} {
		if got := upperHash([]byte(text)); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
