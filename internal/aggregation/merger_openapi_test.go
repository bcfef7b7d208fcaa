package aggregation

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/discovery"
	"apichain/internal/tree"
)

// swagger is a document of v2 whose operations are of the paths, each with a definition Thing that has a description.
func swagger(description string, paths ...string) []byte {
	doc := map[string]any{"swagger": "2.0", "info": map[string]any{"title": "remote", "version": "1"}, "paths": map[string]any{}}
	for _, path := range paths {
		ok := map[string]any{"description": "OK", "schema": map[string]any{"$ref": "#/definitions/Thing"}}
		doc["paths"].(map[string]any)[path] = map[string]any{"get": map[string]any{
			"operationId": path, "produces": []any{"application/json"}, "responses": map[string]any{"200": ok},
		}}
	}
	doc["definitions"] = map[string]any{"Thing": map[string]any{"type": "object", "description": description}}
	return tree.AppendJSON(nil, doc)
}

// openAPI is a server with documents of v2 and v3, or without where they are nil.
func openAPI(v2, v3 http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{"/openapi/v2": v2, "/openapi/v3": v3} {
		if h != nil {
			mux.Handle(path, h)
		}
	}
	return mux
}

// said2 returns what v2 shows of other servers: PATH DEFINITION DESCRIPTION a line, sorted.
func (w *world) said2() string {
	w.Helper()
	code, _, doc := w.get(w.catalog.ServeOpenAPI2, discovery.OpenAPI2Path, "application/json")
	if code != http.StatusOK {
		w.Fatal("code", code)
	}
	var out strings.Builder
	for _, path := range tree.SortedKeys(tree.Object(doc, "paths")) {
		ref := tree.Text(doc, "paths", path, "get", "responses", "200", "schema", "$ref")
		if name, ok := strings.CutPrefix(ref, "#/definitions/"); ok && strings.Contains(path, "/things") {
			fmt.Fprintln(&out, path, name, tree.Text(doc, "definitions", name, "description"))
		}
	}
	return out.String()
}

func (w *world) want2(want string) {
	w.Helper()
	synctest.Wait()
	if got := w.said2(); got != strings.ReplaceAll(strings.TrimPrefix(want, "\n"), "\t", "") {
		w.Errorf("v2 has\n%swant%s", got, want)
	}
}

// TestOpenAPI2OfServers: TestBasicPathsMerged, TestAddUpdateAPIService, TestAddRemoveAPIService, TestAPIServiceSort and
// TestAPIServiceOpenAPIServiceMismatch upstream.
func TestOpenAPI2OfServers(t *testing.T) {
	bubble(t, func(w *world) {
		const a, b, c = "/apis/a.example/v1/things", "/apis/b.example/v1/things", "/apis/c.example/v1/things"
		w.serve("one", openAPI(tagged(`"1"`, "", swagger("of one", a, b, "/apis/a.example/v1")), nil))
		w.serve("two", openAPI(tagged(`"1"`, "", swagger("of two", b, "/apis/c.example/v2/things", "/version/things")), nil))
		w.run(&w.m.OpenAPI2)
		w.have("v1.a.example 10 1 one", "v1.b.example 20 1 two", "v1.c.example 30 1 two")
		// The path of b is of two, whatever one says, and nobody says anything of c.
		w.want2(`
			/apis/a.example/v1/things Thing_v2 of one
			/apis/b.example/v1/things Thing of two
		`)
		_, h, doc := w.get(w.catalog.ServeOpenAPI2, discovery.OpenAPI2Path, "application/json")
		if tree.At(doc, "paths", "/apis/a.example/v1") != nil || tree.Text(doc, "info", "title") == "remote" {
			t.Error("what is not of a version is shown")
		}
		first := h.Get("Etag")
		// The other comes first with another priority.
		w.have("v1.a.example 21 1 one", "v1.b.example 20 1 two", "v1.c.example 30 1 two")
		w.want2(`
			/apis/a.example/v1/things Thing of one
			/apis/b.example/v1/things Thing_v2 of two
		`)
		if _, h, _ := w.get(w.catalog.ServeOpenAPI2, discovery.OpenAPI2Path, "application/json"); h.Get("Etag") == first {
			t.Error("the tag is that of another document")
		}
		w.have("v1.b.example 20 1 two")
		w.want2(`
			/apis/b.example/v1/things Thing of two
		`)
		_ = c
	})
}

// TestOpenAPI2OfOneThatFails: TestUpdateAPIService, TestFailingAPIServiceSkippedAggregation, TestAPIServiceFailSuccessTransition
// and TestFailingAPIServiceDoesNotBlockAdd upstream. The last document that was good stays.
func TestOpenAPI2OfOneThatFails(t *testing.T) {
	const a = "/apis/a.example/v1/things"
	bad := map[string]http.Handler{
		"503": failing(http.StatusServiceUnavailable), "403": failing(http.StatusForbidden), "304": failing(http.StatusNotModified), "nobody": nil, "hangs": hanging,
		"garbage": tagged(`"2"`, "", []byte("{")), "list": tagged(`"2"`, "", []byte("[]")), "text": tagged(`"2"`, "", []byte(`{"paths":"all"}`)),
		"kinds": tagged(`"2"`, "", []byte(`{"paths":{"/a":{}},"definitions":{"Thing":{"x-kubernetes-group-version-kind":"K"}}}`)),
		"deep":  tagged(`"2"`, "", []byte(`{"definitions":{"Thing":`+strings.Repeat(`{"items":`, 100_000))),
		"large": tagged(`"2"`, "", slices.Repeat([]byte(" "), openAPIMostBytes+1)),
		"many":  tagged(`"2"`, "", []byte(`{"paths":{},"x-a":[`+strings.Repeat(`[],`, mostValues)+`1]}`)),
	}
	for name, server := range bad {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.serve("one", server)
				w.serve("two", openAPI(tagged("", "", swagger("of two", "/apis/b.example/v1/things")), nil))
				w.have("v1.a.example 10 1 one", "v1.b.example 10 1 two")
				w.run(&w.m.OpenAPI2)
				w.want2(`
					/apis/b.example/v1/things Thing of two
				`)
				w.questions("one")
				// After a minute, two, four, …, but never more than an hour; who hangs takes another minute each time.
				time.Sleep(2*time.Hour + 10*time.Minute)
				synctest.Wait()
				if got := len(w.questions("one")); got < 6 || got > 7 {
					t.Errorf("asked %d times in two hours", got)
				}
				w.serve("one", openAPI(tagged(`"1"`, "", swagger("of one", a)), nil))
				time.Sleep(time.Hour + openAPITime)
				good := `
					/apis/a.example/v1/things Thing of one
					/apis/b.example/v1/things Thing_v2 of two
				`
				w.want2(good)
				w.serve("one", server)
				time.Sleep(time.Hour)
				w.want2(good)
				// A change of the APIService is a reason to ask at once.
				w.serve("one", openAPI(tagged(`"3"`, "", swagger("new", a)), nil))
				w.have("v1.a.example 10 2 one", "v1.b.example 10 1 two")
				time.Sleep(openAPITime)
				w.want2(`
					/apis/a.example/v1/things Thing new
					/apis/b.example/v1/things Thing_v2 of two
				`)
			})
		})
	}
}

// TestOpenAPI2Downloads: TestDownloadOpenAPISpec upstream. A document is taken when its tag or, without one, its bytes
// have changed.
func TestOpenAPI2Downloads(t *testing.T) {
	const a = "/apis/a.example/v1/things"
	for _, tag := range []string{`"1"`, "etag_test", ""} {
		bubble(t, func(w *world) {
			w.serve("one", openAPI(tagged(tag, "", swagger("first", a)), nil))
			w.have("v1.a.example 10 1 one")
			w.run(&w.m.OpenAPI2)
			before := w.catalogTag()
			time.Sleep(150 * time.Second)
			synctest.Wait()
			who := "/openapi/v2 system:aggregator []"
			again := strings.TrimSpace(who + " " + tag)
			if got := w.questions("one"); !slices.Equal(got, []string{who, again, again}) {
				t.Errorf("tag %q: asked %q", tag, got)
			}
			if w.catalogTag() != before {
				t.Error("the document has changed with nothing")
			}
			next := tag
			if next != "" {
				next = `"2"`
			}
			w.serve("one", openAPI(tagged(next, "", swagger("second", a)), nil))
			time.Sleep(time.Minute)
			w.want2(`
				/apis/a.example/v1/things Thing second
			`)
		})
	}
}

// catalogTag returns the entity tag of v2.
func (w *world) catalogTag() string {
	w.Helper()
	_, h, _ := w.get(w.catalog.ServeOpenAPI2, discovery.OpenAPI2Path, "application/json")
	return h.Get("Etag")
}

// TestOpenAPI2OfOneWithout: a server without the document is not asked again before its APIService changes, and one that
// is not available is asked when it is.
func TestOpenAPI2OfOneWithout(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", openAPI(nil, nil))
		w.serve("two", openAPI(tagged("", "", swagger("of two", "/apis/b.example/v1/things")), nil))
		w.have("v1.a.example 10 1 one", "v1.b.example 10 1 two!")
		w.run(&w.m.OpenAPI2)
		time.Sleep(24 * time.Hour)
		if got := w.questions("one"); len(got) != 1 {
			t.Errorf("asked %q", got)
		}
		if got := w.questions("two"); got != nil {
			t.Errorf("one that is not available was asked %q", got)
		}
		w.have("v1.a.example 10 2 one", "v1.b.example 10 1 two")
		w.want2(`
			/apis/b.example/v1/things Thing of two
		`)
		if got := w.questions("one"); len(got) != 1 {
			t.Errorf("asked %q", got)
		}
	})
}

// index returns the keys and addresses of v3 that other servers have.
func (w *world) index() map[string]string {
	w.Helper()
	synctest.Wait()
	_, _, doc := w.get(w.catalog.ServeOpenAPIIndex, discovery.OpenAPIRoot, "application/json")
	out := map[string]string{}
	for key, entry := range tree.Object(doc, "paths") {
		if strings.Contains(key, "example") {
			out[key] = tree.Text(entry, "serverRelativeURL")
		}
	}
	return out
}

// TestOpenAPI3OfServers: TestV3APIService and TestV3RootAPIService upstream, and a server that lies.
func TestOpenAPI3OfServers(t *testing.T) {
	bubble(t, func(w *world) {
		entry := func(address string) any { return map[string]any{"serverRelativeURL": address} }
		w.serve("one", openAPI(nil, tagged(`"1"`, "", mustJSON(map[string]any{"paths": map[string]any{
			"apis/a.example": entry("/openapi/v3/apis/a.example?hash=A"), "apis/a.example/v1": entry("/openapi/v3/apis/a.example/v1?hash=1"),
			"apis/a.example/v2": entry("https://evil.example/openapi/v3/apis/a.example/v2?hash=1"),
			// Of these it has no APIService.
			"apis/a.example/v3": entry("/openapi/v3/apis/a.example/v3?hash=1"), "apis/b.example/v1": entry("/openapi/v3/apis/b.example/v1?hash=LIE"),
			"apis/other.example": entry("/x"), "example": entry("/x"),
		}}))))
		w.serve("two", openAPI(nil, tagged("", "", mustJSON(map[string]any{"paths": map[string]any{
			"apis/b.example/v1": entry("/openapi/v3/apis/b.example/v1?hash=2"),
		}}))))
		w.have("v1.a.example 10 1 one", "v2.a.example 10 1 one", "v1.b.example 10 1 two")
		w.run(&w.m.OpenAPI3)
		want := map[string]string{
			"apis/a.example": "/openapi/v3/apis/a.example?hash=A", "apis/a.example/v1": "/openapi/v3/apis/a.example/v1?hash=1",
			"apis/a.example/v2": "/openapi/v3/apis/a.example/v2", "apis/b.example/v1": "/openapi/v3/apis/b.example/v1?hash=2",
		}
		if got := w.index(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("index has\n%v\nwant\n%v", got, want)
		}
		time.Sleep(90 * time.Second)
		if got, want := w.questions("one"), []string{"/openapi/v3 system:aggregator []", `/openapi/v3 system:aggregator [] "1"`}; !slices.Equal(got, want) {
			t.Errorf("asked %q", got)
		}
		w.have("v1.a.example 10 1 one")
		if got := w.index(); len(got) != 2 {
			t.Errorf("index has %v", got)
		}
	})
}

// TestOpenAPI3OfOlderServer: TestV2APIService upstream. What is converted once is not asked for as v3 again.
func TestOpenAPI3OfOlderServer(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", openAPI(tagged(`"1"`, "", swagger("of one", "/apis/a.example/v1/things")), nil))
		w.have("v1.a.example 10 1 one")
		w.run(&w.m.OpenAPI3)
		address := w.index()["apis/a.example/v1"]
		if !strings.HasPrefix(address, "/openapi/v3/apis/a.example/v1?hash=") {
			t.Fatalf("index has %v", w.index())
		}
		code, h, doc := w.get(w.catalog.ServeOpenAPI, address, "application/json")
		ref := tree.Text(doc, "paths", "/apis/a.example/v1/things", "get", "responses", "200", "content", "application/json", "schema", "$ref")
		if code != http.StatusOK || tree.Text(doc, "openapi") != "3.0.0" || ref != "#/components/schemas/Thing" ||
			h.Get("Cache-Control") != "public, immutable" {
			t.Errorf("%d %v %v", code, h, doc)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		want := []string{"/openapi/v3 system:aggregator []", "/openapi/v2 system:aggregator []", `/openapi/v2 system:aggregator [] "1"`}
		if got := w.questions("one"); !slices.Equal(got, want) {
			t.Errorf("asked %q", got)
		}
	})
}

// TestOpenAPI3OfOneThatFails: what cannot be had is missing, or as it was.
func TestOpenAPI3OfOneThatFails(t *testing.T) {
	for name, server := range map[string]http.Handler{
		"503": failing(http.StatusServiceUnavailable), "hangs": hanging, "garbage": openAPI(nil, tagged("", "", []byte("{"))),
		"list": openAPI(nil, tagged("", "", []byte(`{"paths":[]}`))), "neither": openAPI(nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.serve("one", server)
				w.have("v1.a.example 10 1 one")
				w.run(&w.m.OpenAPI3)
				if got := w.index(); len(got) > 0 {
					t.Errorf("index has %v", got)
				}
				w.serve("one", openAPI(tagged("", "", swagger("", "/apis/a.example/v1/things")), tagged("", "", []byte(`{"paths":{"apis/a.example/v1":{}}}`))))
				time.Sleep(10 * time.Minute)
				if got := w.index(); len(got) != 1 {
					t.Errorf("index has %v", got)
				}
				w.serve("one", server)
				time.Sleep(10 * time.Minute)
				if got := w.index(); len(got) != 1 {
					t.Errorf("index has %v", got)
				}
			})
		})
	}
}

// TestOpenAPI2Order: TestAPIServiceSort upstream. Documents are merged by the priority of the group, which is the highest
// that any of its APIServices says, and then by name: those of versions do not count. Who comes later gets another name.
func TestOpenAPI2Order(t *testing.T) {
	bubble(t, func(w *world) {
		var services []string
		for _, service := range []string{"v1.one.example 10 5", "v1.two.example 15 3", "v2.one.example 16 3", "v1.three.example 15 3", "v1.four.example 9 900"} {
			version, group, _ := strings.Cut(strings.Fields(service)[0], ".")
			name := version + group
			w.serve(name, openAPI(tagged("", "", swagger("of "+name, "/apis/"+group+"/"+version+"/things")), nil))
			services = append(services, service+" "+name)
		}
		w.have(services...)
		w.run(&w.m.OpenAPI2)
		w.want2(`
			/apis/four.example/v1/things Thing_v5 of v1four.example
			/apis/one.example/v1/things Thing of v1one.example
			/apis/one.example/v2/things Thing_v2 of v2one.example
			/apis/three.example/v1/things Thing_v3 of v1three.example
			/apis/two.example/v1/things Thing_v4 of v1two.example
		`)
	})
}
