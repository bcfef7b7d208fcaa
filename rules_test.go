package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// named is a handler that is known by its name.
type named string

func (n named) ServeHTTP(http.ResponseWriter, *http.Request) {}

func reached(r *route) string {
	if r == nil {
		return ""
	}
	return string(r.handler.(named))
}

// TestMuxRules: exact beats prefix, the longest prefix wins, a prefix needs its slash;
// paths come and go, and only listed ones are listed.
func TestMuxRules(t *testing.T) {
	m := newMux("core")
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(m.handle("/a", named("a"), true, "x.go:1"))
	must(m.handle("/a/b", named("a/b"), true, "x.go:2"))
	must(m.handlePrefix("/a/", named("a/*"), true, "x.go:3"))
	must(m.handlePrefix("/a/b/c/", named("a/b/c/*"), false, "x.go:4"))
	must(m.handlePrefix("/", named("/*"), false, "x.go:5"))
	must(m.handle("/secret", named("secret"), false, "x.go:6"))
	must(m.handle("/slash/", named("slash/"), true, "x.go:7"))
	check := func(want map[string]string) {
		t.Helper()
		for path, name := range want {
			if got := reached(m.find(path)); got != name {
				t.Errorf("%s: got %q, want %q", path, got, name)
			}
		}
	}
	check(map[string]string{
		"/a": "a", "/a/": "a/*", "/a/b": "a/b", "/a/b/": "a/*", "/a/b/c": "a/*", "/a/b/c/": "a/b/c/*", "/a/b/c/d/e": "a/b/c/*", "/a/x": "a/*", "/a//": "a/*",
		"/": "/*", "/ab": "/*", "/secret": "secret", "/secret/x": "/*", "/slash/": "slash/", "/slash": "/*",
	})
	if got, want := m.listedPaths(), []string{"/a", "/a/", "/a/b", "/slash/"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	for path, err := range map[string]error{"/a": m.handle("/a", named(""), true, "y.go:8"), "/a/": m.handlePrefix("/a/", named(""), true, "y.go:8")} {
		if err == nil || !strings.Contains(err.Error(), "y.go:8") || !strings.Contains(err.Error(), "x.go:") {
			t.Errorf("%s again: %v, want both places", path, err)
		}
	}
	long := strings.Repeat("/", 8000)
	if n := testing.AllocsPerRun(100, func() { m.find("/a/b/c/d"); m.find(long) }); n != 0 {
		t.Errorf("find allocates %v times", n)
	}
}

// TestDirectorRules: a container claims its roots and what is below them, but of /apis
// the path itself alone.
func TestDirectorRules(t *testing.T) {
	c := newContainer("core")
	for _, root := range []string{"/apis", "/apis/g", "/api", "/api/v1/"} {
		if err := c.add(&WebService{Root: root}, "x.go:1"); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"/apis": true, "/apis/": true, "/apis/x": false, "/apis//": false, "/apis/g": true, "/apis/g/": true, "/apis/g/x/y": true, "/apis/gg": false,
		"/api": true, "/api/": true, "/api/x": true, "/apix": false, "/api/v1": true, "/": false, "": false,
	} {
		if got := claims(c, path); got != want {
			t.Errorf("%q: claimed %v, want %v", path, got, want)
		}
	}
}

// TestContainerRules: go-restful's choice of routes, and its refusals as the API server
// words them.
func TestContainerRules(t *testing.T) {
	c := newContainer("core")
	route := func(method, path, name string, more ...func(*Route)) Route {
		r := Route{Method: method, Path: path, Handler: named(name)}
		for _, f := range more {
			f(&r)
		}
		return r
	}
	yaml := func(r *Route) { r.Produces, r.Consumes = []string{"application/yaml"}, []string{"application/yaml"} }
	err := c.add(&WebService{Root: "/w", Consumes: []string{"application/json"}, Produces: []string{"application/json"}, Routes: []Route{
		route("GET", "", "root"), route("GET", "/{a}", "a"), route("PUT", "/{a}", "put a"), route("GET", "/lit", "lit"), route("GET", "/{a}/{b}", "a/b"), route("GET", "/lit/{b}", "lit/b"),
		route("GET", "/{a}/x/{c}", "a/x/c"), route("GET", "/lit/{b}/{c}", "lit/b/c"), route("GET", "/t/{rest:*}", "tail"), route("POST", "/t/one", "post one"), route("POST", "/yaml", "yaml", yaml),
	}}, "x.go:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct{ method, path, header, want string }{
		{"GET", "/w", "", "root"}, {"GET", "/w/", "", "root"}, {"GET", "/w/1", "", "a"}, {"GET", "/w/1/", "", "a"}, {"GET", "/w/lit", "", "lit"}, {"GET", "/w/1/2", "", "a/b"}, {"GET", "/w/lit/2", "", "lit/b"},
		{"GET", "/w/lit/x/3", "", "a/x/c"}, {"GET", "/w/lit/2/3", "", "lit/b/c"}, {"GET", "/w/1/x/3", "", "a/x/c"}, {"GET", "/w/t/a/b//c", "", "tail"}, {"GET", "/w/t/one", "", "tail"}, {"POST", "/w/t/one", "", "post one"},
		{"PUT", "/w/lit", "", "put a"}, {"GET", "/w//2", "", "404"}, {"GET", "/w/1//", "", "404"}, {"GET", "/w/1/2/3/4", "", "404"}, {"HEAD", "/w", "", "405 GET"}, {"DELETE", "/w/lit", "", "405 GET, PUT"}, {"OPTIONS", "/w/1", "", "405 GET, PUT"},
		{"GET", "/w", "Accept: text/html, */*;q=0.1", "root"}, {"GET", "/w", "Accept: application/*", "root"}, {"GET", "/w", "Accept: APPLICATION/JSON; charset=utf-8", "root"}, {"GET", "/w", "Accept: text/html", "406"},
		{"POST", "/w/t/one", "Content-Type: application/json; charset=utf-8", "post one"}, {"POST", "/w/t/one", "Content-Type: text/plain", "415"}, {"POST", "/w/yaml", "Content-Type: application/json", "415"}, {"POST", "/w/yaml", "Content-Type: application/yaml", "yaml"},
		{"GET", "/v", "", "unclaimed"},
	} {
		r, err := http.NewRequest(q.method, "http://x"+q.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if name, value, ok := strings.Cut(q.header, ": "); ok {
			r.Header.Set(name, value)
		}
		rt, refusal := c.find(r)
		got := reached(rt)
		switch {
		case rt == nil && refusal == nil:
			got = "unclaimed"
		case refusal != nil:
			got = strings.TrimSpace(fmt.Sprint(refusal.Code, " ", refusal.Allow))
		}
		if got != q.want {
			t.Errorf("%s %s %s: got %q, want %q", q.method, q.path, q.header, got, q.want)
		}
	}
	for path, want := range map[string]string{
		"/w/none/of/these/at": `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}`,
		"/w/lit":              `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server does not allow this method on the requested resource","reason":"MethodNotAllowed","details":{},"code":405}`,
	} {
		r, _ := http.NewRequest("PATCH", "http://x"+path, nil)
		_, refusal := c.find(r)
		if _, body := refusal.Body(false); string(body) != want+"\n" {
			t.Errorf("%s: %s", path, body)
		}
	}
	r, _ := http.NewRequest("GET", "http://x/w/t/a/b//c", nil)
	rt, _ := c.find(r)
	rt.setPathValues(r)
	if got := r.PathValue("rest"); got != "a/b//c" {
		t.Errorf("tail %q", got)
	}
	r, _ = http.NewRequest("GET", "http://x/w/1/x/3/", nil)
	rt, _ = c.find(r)
	rt.setPathValues(r)
	if a, b := r.PathValue("a"), r.PathValue("c"); a != "1" || b != "3" {
		t.Errorf("parameters %q %q", a, b)
	}
	for _, bad := range []string{"/{a", "/a}", "/{a:[0-9]+}", "/{}", "/{a:*}/b", "/{a}/{a}", "//"} {
		if err := c.add(&WebService{Root: "/bad", Routes: []Route{route("GET", bad, "")}}, "x.go:9"); err == nil || !strings.Contains(err.Error(), "x.go:9") {
			t.Errorf("pattern %s: %v, want an error with its place", bad, err)
		}
	}
}
