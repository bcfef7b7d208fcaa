package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// lookup is a request as the director hands it over: with a path as it stands.
func lookup(method, path string) *http.Request {
	return &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}}
}

func webService(root string, routes ...string) *WebService {
	ws := &WebService{Root: root}
	for _, r := range routes {
		method, path, _ := strings.Cut(r, " ")
		ws.Routes = append(ws.Routes, Route{Method: method, Path: path, Handler: nothing})
	}
	return ws
}

func mustAdd(t testing.TB, c *container, services ...*WebService) {
	t.Helper()
	for _, ws := range services {
		if err := c.add(ws, "here.go:1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallSite(t *testing.T) {
	if got := callSite(0); !strings.HasPrefix(got, "route_test.go:") {
		t.Errorf("callSite(0) = %q, want a line of route_test.go", got)
	}
	if got := callSite(1 << 20); got != "unknown" {
		t.Errorf("callSite beyond the stack = %q, want unknown", got)
	}
}

func TestSplitPattern(t *testing.T) {
	for _, row := range []struct{ pattern, want, problem string }{
		{"/", "", ""},
		{"/a/{b}/c", "a {b} c", ""},
		{"/a/{b}/{c:*}", "a {b} {c:*}", ""},
		{"/a/", "a", ""},
		{"", "", "must begin with a slash"},
		{"a", "", "must begin with a slash"},
		{"//", "", "empty segment"},
		{"/a//b", "", "empty segment"},
		{"/a//", "", "empty segment"},
		{"/{t:*}/a", "", "segments after {t:*}"},
		{"/{n:[0-9]+}", "", "neither {name} nor {name:*}"},
		{"/{n}:verb", "", "neither {name} nor {name:*}"},
		{"/x{n}", "", "neither {name} nor {name:*}"},
		{"/{n", "", "neither {name} nor {name:*}"},
		{"/{}", "", "no proper name"},
		{"/{:*}", "", "no proper name"},
		{"/{*}", "", "no proper name"},
		{"/{a}/{a}", "", "names {a} twice"},
		{"/{a}/{a:*}", "", "names {a} twice"},
	} {
		segments, err := splitPattern(row.pattern)
		if got := strings.Join(segments, " "); got != row.want || (err == nil) != (row.problem == "") || err != nil && !strings.Contains(err.Error(), row.problem) {
			t.Errorf("splitPattern(%q) = %q, %v; want %q, %q", row.pattern, got, err, row.want, row.problem)
		}
	}
}

func TestPathValues(t *testing.T) {
	c := newContainer("core")
	mustAdd(t, c, webService("/api", "GET /ns/{ns}/pods/{name}", "GET /proxy/{name}/{rest:*}", "GET /static"))
	for _, row := range []struct{ path, want string }{
		{"/api/ns/a/pods/b", "ns=a name=b rest="},
		{"/api/ns/a b/pods/{x}/", "ns=a b name={x} rest="},
		{"/api/proxy/p/x", "ns= name=p rest=x"},
		{"/api/proxy/p/x//y/", "ns= name=p rest=x//y"},
		{"/api/proxy/p//x", "ns= name=p rest=/x"},
		{"/api/static", "ns= name= rest="},
	} {
		req := lookup("GET", row.path)
		r, refused := c.find(req)
		if r == nil {
			t.Errorf("%s: %v", row.path, refused)
			continue
		}
		r.setPathValues(req)
		if got := fmt.Sprintf("ns=%s name=%s rest=%s", req.PathValue("ns"), req.PathValue("name"), req.PathValue("rest")); got != row.want {
			t.Errorf("%s: %s, want %s", row.path, got, row.want)
		}
	}
}

// claims reports whether the director gives path to the container.
func claims(c *container, path string) bool {
	s, _ := c.serviceFor(path)
	return s != nil
}

// TestClaims is the director's rule for which paths are a container's.
func TestClaims(t *testing.T) {
	c := newContainer("core")
	mustAdd(t, c, webService("/apis"), webService("/apis/apps/v1"), webService("/version/"))
	for path, want := range map[string]bool{
		"/apis": true, "/apis/": true, "/apis/apps": false, "/apis//": false, "/apisx": false,
		"/apis/apps/v1": true, "/apis/apps/v1/": true, "/apis/apps/v1/x/y": true, "/apis/apps/v1beta1": false,
		"/version": true, "/version/": true, "/version//": true, "/versions": false, "/Version": false,
		"/": false, "": false, "*": false, "version": false, "//version": false,
	} {
		if got := claims(c, path); got != want {
			t.Errorf("claims(%q) = %v, want %v", path, got, want)
		}
	}
	if got := strings.Join(c.roots(), " "); got != "/apis /apis/apps/v1 /version" {
		t.Errorf("roots: %s", got)
	}
	mustAdd(t, c, webService("/"))
	for path, want := range map[string]bool{"/": true, "/apis/x": true, "*": false, "": false} {
		if got := claims(c, path); got != want {
			t.Errorf("with a service at /: claims(%q) = %v, want %v", path, got, want)
		}
	}
}

// TestFind is which of several routes serves a path: go-restful's order.
func TestFind(t *testing.T) {
	c := newContainer("core")
	mustAdd(t, c,
		webService("/r", "GET ", "GET /a/{x}", "GET /{x}/b", "GET /{x}/{y}", "GET /a/b", "PUT /{x}/b", "GET /t/{rest:*}", "GET /t/{x}/{y}", "POST /a", "GET /{z}/b/{y}", "GET /a/{z}/{y}"),
		webService("/r/deep", "GET /only"))
	for _, row := range []struct{ method, path, want string }{
		{"GET", "/r", "/r"},
		{"GET", "/r/", "/r"},
		{"GET", "/r/a/b", "/r/a/b"}, // most literals
		{"GET", "/r/c/b", "/r/{x}/b"},
		{"GET", "/r/a/c", "/r/a/{x}"},
		{"GET", "/r/c/c", "/r/{x}/{y}"},
		{"PUT", "/r/a/b", "/r/{x}/b"},       // the better path lacks the method
		{"GET", "/r/a/b/c", "/r/{z}/b/{y}"}, // even: the pattern that sorts last
		{"GET", "/r/t/x/y", "/r/t/{x}/{y}"}, // more parameters
		{"GET", "/r/t/x", "/r/t/{rest:*}"},  // more literals than /r/{x}/{y}
		{"GET", "/r/t/x/y/z", "/r/t/{rest:*}"},
		{"GET", "/r/deep/only", "/r/deep/only"},
		{"GET", "/r/deep/b", "404"}, // the longer root owns it
		{"GET", "/r/t", "404"},      // a tail takes one segment or more
		{"GET", "/r/t/", "404"},
		{"GET", "/r//b", "404"},
		{"GET", "/r/a//", "404"},
		{"POST", "/r/a", "/r/a"},
		{"HEAD", "/r", "405"},
		{"OPTIONS", "/r", "405"},
		{"get", "/r", "405"},
		{"GET", "/q", ""},
	} {
		got := ""
		switch r, refused := c.find(lookup(row.method, row.path)); {
		case r != nil && refused != nil:
			t.Fatalf("%s %s: both a route and a refusal", row.method, row.path)
		case r != nil:
			got = r.pattern
		case refused != nil:
			got = fmt.Sprint(refused.Code)
		}
		if got != row.want {
			t.Errorf("%s %s is for %q, want %q", row.method, row.path, got, row.want)
		}
	}
}

// TestRefusals has the bodies as they go out.
func TestRefusals(t *testing.T) {
	c := newContainer("core")
	ws := webService("/r", "GET /x", "POST /x", "PATCH /x", "PUT /{y}", "PATCH /{y}")
	ws.Consumes, ws.Produces = []string{"application/json", "application/yaml"}, []string{"application/json"}
	ws.Routes[2].Consumes, ws.Routes[2].Produces = []string{"application/merge-patch+json"}, []string{"text/csv"}
	mustAdd(t, c, ws, webService("/free", "POST /x"))

	const (
		found   = ""
		missing = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}`
		method  = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server does not allow this method on the requested resource","reason":"MethodNotAllowed","details":{},"code":405}`
		media   = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"415: Unsupported Media Type","reason":"UnsupportedMediaType","details":{},"code":415}`
		patch   = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"415: Unsupported Media Type","reason":"UnsupportedMediaType","details":{},"code":415}`
		accept  = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"406: Not Acceptable\n\nAvailable representations: application/json","reason":"NotAcceptable","details":{},"code":406}`
		csv     = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"406: Not Acceptable\n\nAvailable representations: text/csv","reason":"NotAcceptable","details":{},"code":406}`
	)
	for _, row := range []struct {
		method, path, contentType, accept string
		length                            int64
		allow, want                       string
	}{
		{"GET", "/r", "", "", 0, "", missing},
		{"GET", "/r/x/y", "", "", 0, "", missing},
		{"DELETE", "/r/x", "", "", 0, "GET, PATCH, POST, PUT", method},
		{"HEAD", "/r/y", "", "", 0, "PATCH, PUT", method},
		{"DELETE", "/r/x", "x/y", "x/y", 9, "GET, PATCH, POST, PUT", method}, // the method first
		{"GET", "/r/x", "", "", 0, "", found},
		{"GET", "/r/x", "", "", 9, "", found}, // no type: a GET needs none
		{"GET", "/r/x", "text/csv", "", 0, "", media},
		{"POST", "/r/x", "", "", 0, "", found},
		{"POST", "/r/x", "", "", 9, "", media}, // octet-stream
		{"POST", "/r/x", "", "", -1, "", media},
		{"POST", "/r/x", "application/json", "", 9, "", found},
		{"POST", "/r/x", "Application/YAML ; charset=utf-8", "", 9, "", found},
		{"POST", "/r/x", "text/csv", "text/csv", 9, "", media}, // the body before the answer
		{"PATCH", "/r/x", "application/merge-patch+json", "", 9, "", found},
		{"PATCH", "/r/x", "application/json", "", 9, "", found}, // falls to /{y}
		{"PATCH", "/r/x", "text/csv", "", 9, "", patch},
		{"PATCH", "/r/x", "application/merge-patch+json", "application/json", 9, "", csv},
		{"GET", "/r/x", "", "text/csv", 0, "", accept},
		{"GET", "/r/x", "", "text/csv, */*;q=0.1", 0, "", found},
		{"POST", "/free/x", "", "text/csv", 9, "", found},
		{"POST", "/free/x", "anything", "", 9, "", found},
	} {
		req := lookup(row.method, row.path)
		req.ContentLength = row.length
		if row.contentType != "" {
			req.Header.Set("Content-Type", row.contentType)
		}
		if row.accept != "" {
			req.Header.Set("Accept", row.accept)
		}
		got, allow := "", ""
		r, refused := c.find(req)
		if refused != nil {
			_, body := refused.Body(false)
			got, allow = strings.TrimSpace(string(body)), refused.Allow
		}
		if got != row.want || allow != row.allow || (r == nil) != (refused != nil) {
			t.Errorf("%+v:\n got %s, Allow %q\nwant %s", row, got, allow, row.want)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	c := newContainer("core")
	if err := c.add(webService("/a", "GET /b/{x}", "GET /v1/y"), "first.go:1"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		ws   *WebService
		want string
	}{
		{webService("/a"), `a web service at "/a" (second.go:2) was already registered at first.go:1`},
		{webService("/a/"), `a web service at "/a" (second.go:2) was already registered at first.go:1`},
		{webService("/a/v1", "GET /x", "GET /y"), `GET /a/v1/y (second.go:2) was already registered at first.go:1`},
		{webService("/c", "GET /{x}", "GET /{y}"), `GET /c/{y} (second.go:2) was already registered at second.go:2`},
		{webService("/c", "GET /{x:*}", "GET /{y:*}"), `GET /c/{y:*} (second.go:2) was already registered at second.go:2`},
		{webService("/c", "get /x"), `the method "get" of /c/x must be upper-case letters (second.go:2)`},
		{webService("/c", "* /x"), `the method "*" of /c/x must be upper-case letters (second.go:2)`},
		{webService("/c", " /x"), `the method "" of /c/x must be upper-case letters (second.go:2)`},
		{webService("/c", "GET /{x:[a-z]}"), `the path "/c/{x:[a-z]}": {x:[a-z]} is neither {name} nor {name:*} (second.go:2)`},
		{webService("/c", "GET //x"), `the path "/c//x" has an empty segment (second.go:2)`},
		{&WebService{Root: "/c", Routes: []Route{{Method: "GET", Path: "x"}}}, `GET /c/x has no handler (second.go:2)`},
		{webService(""), `the root "" (second.go:2) must begin with a slash and have neither parameters nor empty segments`},
		{webService("c"), `the root "c" (second.go:2) must begin with a slash and have neither parameters nor empty segments`},
		{webService("/c//d"), `the root "/c//d" (second.go:2) must begin with a slash and have neither parameters nor empty segments`},
		{webService("//"), `the root "//" (second.go:2) must begin with a slash and have neither parameters nor empty segments`},
		{webService("/{c}"), `the root "/{c}" (second.go:2) must begin with a slash and have neither parameters nor empty segments`},
	} {
		if err := c.add(row.ws, "second.go:2"); err == nil || err.Error() != row.want {
			t.Errorf("%s:\n got %v\nwant %s", row.ws.Root, err, row.want)
		}
	}
	// What was refused left nothing behind.
	if got := len(c.routes()); got != 2 {
		t.Errorf("%d routes after refusals, want 2", got)
	}
	mustAdd(t, c, webService("/a/v1", "GET /x"), webService("/c", "GET /{x}"))
}

func TestContainerRoutes(t *testing.T) {
	c := newContainer("core")
	ws := webService("/api/v1", "PUT /pods/{name}", "GET /pods/{name}", "GET /pods")
	ws.Consumes = []string{"application/json"}
	ws.Routes[0].Consumes = []string{"application/yaml"}
	mustAdd(t, c, ws)
	long := webService("/watch", "GET ")
	long.Routes[0].LongRunning = true
	mustAdd(t, c, long)
	for _, r := range c.routes() {
		if r.longRunning != (r.pattern == "/watch") {
			t.Errorf("%s: long-running %t", r.pattern, r.longRunning)
		}
	}
	var got []string
	for _, r := range c.routes() {
		got = append(got, strings.Join([]string{r.server, r.kind, r.method, r.pattern, r.at, strings.Join(r.consumes, "+")}, " "))
	}
	want := []string{
		"core container GET /api/v1/pods here.go:1 application/json",
		"core container GET /api/v1/pods/{name} here.go:1 application/json",
		"core container PUT /api/v1/pods/{name} here.go:1 application/yaml",
		"core container GET /watch here.go:1 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes:\n got %q\nwant %q", got, want)
	}
}

// naive is find as go-restful describes it: every route tried, three filters in turn.
func naive(c *container, req *http.Request) (*route, int, string) {
	path := req.URL.Path
	var s *service
	for root, o := range c.services {
		if below := strings.TrimSuffix(root, "/") + "/"; path != root && !strings.HasPrefix(path, below) || root == "/apis" && path != "/apis" && path != "/apis/" {
			continue
		}
		if s == nil || len(root) > len(s.root) {
			s = o
		}
	}
	if s == nil {
		return nil, 0, ""
	}
	tokens := func(p string) []string {
		if p == "/" {
			return nil
		}
		return strings.Split(strings.TrimSuffix(p, "/")[1:], "/") // of "//" an empty one
	}
	fits := func(pattern, path []string) bool {
		for i, p := range pattern {
			switch {
			case strings.HasSuffix(p, ":*}"):
				return i < len(path) && strings.Join(path[i:], "/") != ""
			case i >= len(path) || path[i] == "" || p[0] != '{' && p != path[i]:
				return false
			}
		}
		return len(pattern) == len(path)
	}
	candidates := slices.DeleteFunc(slices.Clone(s.routes), func(r *route) bool { return !fits(tokens(r.pattern), tokens(path)) })
	weight := func(r *route) (literals, parameters int) {
		for _, p := range tokens(r.pattern) {
			if p[0] == '{' {
				parameters++
			} else {
				literals++
			}
		}
		return
	}
	slices.SortFunc(candidates, func(a, b *route) int {
		al, ap := weight(a)
		bl, bp := weight(b)
		if al != bl {
			return bl - al
		}
		if ap != bp {
			return bp - ap
		}
		return strings.Compare(b.pattern, a.pattern)
	})
	var methods []string
	for _, r := range candidates {
		methods = append(methods, r.method)
	}
	slices.Sort(methods)
	for _, filter := range []struct {
		code int
		drop func(*route) bool
	}{
		{404, func(*route) bool { return false }},
		{405, func(r *route) bool { return r.method != req.Method }},
		{415, func(r *route) bool { return !r.takes(req) }},
		{406, func(r *route) bool { return !r.gives(req.Header["Accept"]) }},
	} {
		if candidates = slices.DeleteFunc(candidates, filter.drop); len(candidates) == 0 {
			allow := ""
			if filter.code == 405 {
				allow = strings.Join(slices.Compact(methods), ", ")
			}
			return nil, filter.code, allow
		}
	}
	return candidates[0], 0, ""
}

func sameAsNaive(t *testing.T, c *container, req *http.Request) {
	t.Helper()
	want, code, allow := naive(c, req)
	got, refused := c.find(req)
	gotCode, gotAllow := 0, ""
	if refused != nil {
		gotCode, gotAllow = refused.Code, refused.Allow
	}
	if got != want || gotCode != code || gotAllow != allow {
		t.Errorf("%s %q %v: got %s %d %q, want %s %d %q", req.Method, req.URL.Path, req.Header, describe(got), gotCode, gotAllow, describe(want), code, allow)
	}
	if claimed := want != nil || code != 0; claims(c, req.URL.Path) != claimed {
		t.Errorf("claims(%q) = %v, want %v", req.URL.Path, !claimed, claimed)
	}
}

func describe(r *route) string {
	if r == nil {
		return "no route"
	}
	return r.method + " " + r.pattern
}

// TestFindProperty compares find with the naive one, over few words so that much
// overlaps, while services come.
func TestFindProperty(t *testing.T) {
	const seed = 7 // fixed: what must be met at least is met with it
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	served, refused := 0, map[int]int{}
	for range 150 {
		c := newContainer("core")
		for range 1 + rnd.IntN(6) {
			ws := &WebService{Root: pick("/", "/apis", "/a", "/a/b", "/apis/a", "/a/b/a/")}
			for range rnd.IntN(12) {
				path := ""
				for i := range rnd.IntN(5) {
					path += "/" + pick("a", "b", "ab", fmt.Sprintf("{%s%d}", pick("x", "y"), i))
				}
				if rnd.IntN(5) == 0 {
					path += "/{tail:*}"
				}
				r := Route{Method: pick("GET", "POST", "PATCH"), Path: path, Handler: nothing}
				if rnd.IntN(3) == 0 {
					r.Consumes = []string{pick("application/json", "text/a", "*/*")}
				}
				if rnd.IntN(3) == 0 {
					r.Produces = []string{pick("application/json", "text/a", "*/*")}
				}
				ws.Routes = append(ws.Routes, r)
			}
			_ = c.add(ws, "x") // duplicates are refused
			for range 30 {
				path := pick("", "/apis", "/a", "/a/b")
				for range rnd.IntN(6) {
					path += "/" + pick("a", "a", "b", "b", "ab", "c", "")
				}
				req := lookup(pick("GET", "POST", "PATCH", "DELETE"), path)
				req.ContentLength = int64(rnd.IntN(2))
				if rnd.IntN(2) == 0 {
					req.Header.Set("Content-Type", pick("application/json", "text/a", "text/b"))
				}
				if rnd.IntN(2) == 0 {
					req.Header.Set("Accept", pick("application/json", "text/*", "text/b, */*", "text/b"))
				}
				sameAsNaive(t, c, req)
				if r, e := c.find(req); r != nil {
					served++
				} else if e != nil {
					refused[e.Code]++
				}
			}
		}
	}
	// The comparison says something only if everything was met.
	if served < 100 || refused[404] < 100 || refused[405] < 100 || refused[415] < 20 || refused[406] < 20 {
		t.Errorf("too little was met: served %d, refused %v", served, refused)
	}
}

// TestChangeWhileServing: a reader sees the table of before or after a change, and what
// does not change at all times.
func TestChangeWhileServing(t *testing.T) {
	c, m := newContainer("core"), newMux("core")
	mustAdd(t, c, webService("/stays", "GET /{x}"))
	if err := errors.Join(m.handle("/stays", nothing, true, "x"), m.handlePrefix("/stays/", nothing, true, "x")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r, e := c.find(lookup("GET", "/stays/x")); r == nil {
					t.Error(e)
					return
				}
				if r, e := c.find(lookup("GET", "/comes299/x")); r == nil && e != nil {
					t.Error("half a service:", e)
					return
				}
				if m.find("/stays") == nil || m.find("/stays/x") == nil {
					t.Error("the mux lost a path")
					return
				}
				m.find("/comes299")
				m.find("/comes299/x")
			}
		})
	}
	for i := range 300 {
		path := fmt.Sprint("/comes", i)
		mustAdd(t, c, webService(path, "GET /{x}"))
		if err := errors.Join(m.handle(path, nothing, true, "x"), m.handlePrefix(path+"/", nothing, true, "x")); err != nil {
			t.Error(err)
		}
		if r, e := c.find(lookup("GET", path+"/x")); r == nil {
			t.Errorf("%s is not there when add has returned: %v", path, e)
		}
		if m.find(path) == nil || m.find(path+"/x") == nil {
			t.Errorf("the mux has no %s when handle has returned", path)
		}
	}
	close(stop)
	wg.Wait()
}

// TestLookupCost: nothing is allocated, with parameters neither, and a path of slashes
// is no work, wherever it stands.
func TestLookupCost(t *testing.T) {
	c, m := newContainer("core"), newMux("core")
	ws := webService("/api", "GET /ns/{ns}/pods/{name}", "GET /{a}/{b}/{c}/{d}", "GET /files/{rest:*}", "GET /static")
	ws.Consumes, ws.Produces = []string{"application/json"}, []string{"application/json", "text/plain"}
	mustAdd(t, c, ws)
	if err := errors.Join(m.handle("/healthz", nothing, true, "x"), m.handlePrefix("/debug/", nothing, true, "x"), m.handlePrefix("/", nothing, true, "x")); err != nil {
		t.Fatal(err)
	}
	slashes := strings.Repeat("/", 8000)
	for path, want := range map[string]bool{
		"/api/ns/a/pods/b": true, "/api/static": true, "/api/files/a/b": true, "/api/files" + slashes + "x": true, "/elsewhere": false, slashes: false,
	} {
		req := lookup("GET", path)
		req.Header.Set("Accept", "application/yaml;q=0.1, text/plain")
		var r *route
		if n := testing.AllocsPerRun(100, func() { r, _ = c.find(req) }); n != 0 || (r != nil) != want {
			t.Errorf("container %.20s: %v allocations, %s", path, n, describe(r))
		}
	}
	req := lookup("GET", "/api/static")
	r, _ := c.find(req)
	if n := testing.AllocsPerRun(100, func() { r.setPathValues(req) }); n != 0 {
		t.Errorf("no parameters: %v allocations", n)
	}
	for _, path := range []string{"/healthz", "/debug/x", "/" + slashes, "/a/b/c"} {
		if n := testing.AllocsPerRun(100, func() { r = m.find(path) }); n != 0 || r == nil {
			t.Errorf("mux %.20s: %v allocations, %s", path, n, describe(r))
		}
	}
}

func TestGives(t *testing.T) {
	r := &route{produces: []string{"application/json", "text/plain"}}
	for _, row := range []struct {
		accept []string
		want   bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{" , ;q=1"}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/json"}, true},
		{[]string{"APPLICATION/JSON;as=Table;v=v1"}, true},
		{[]string{"text/*"}, true},
		{[]string{"text/*;q=0"}, true}, // weights are for who writes the answer
		{[]string{"image/png,text/plain"}, true},
		{[]string{"image/png", "text/plain"}, true},
		{[]string{"image/png"}, false},
		{[]string{"image/*"}, false},
		{[]string{"tex/*"}, false},
		{[]string{"text"}, false},
		{[]string{"/*"}, false},
		{[]string{"*"}, false},
	} {
		if got := r.gives(row.accept); got != row.want {
			t.Errorf("gives(%q) = %v, want %v", row.accept, got, row.want)
		}
	}
	if anything := (&route{}); !anything.gives([]string{"image/png"}) || !(&route{produces: []string{"*/*"}}).gives([]string{"image/png"}) {
		t.Error("a route that may give anything refuses")
	}
}

func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/json;q=0.5, text/*", ",;,", "a/*", "/*", "*"} {
		f.Add(s, "application/json")
	}
	f.Fuzz(func(t *testing.T, accept, produces string) {
		r := &route{produces: []string{produces}}
		want, empty := false, true
		for _, clause := range strings.Split(accept, ",") {
			media := strings.TrimSpace(strings.Split(clause, ";")[0])
			if media == "" {
				continue
			}
			empty = false
			kind, all := strings.CutSuffix(media, "*")
			all = all && strings.HasSuffix(kind, "/")
			want = want || media == "*/*" || produces == "*/*" || strings.EqualFold(media, produces) ||
				all && len(produces) >= len(kind) && strings.EqualFold(produces[:len(kind)], kind)
		}
		if got := r.gives([]string{accept}); got != (want || empty) {
			t.Errorf("gives(%q) of %q = %v", accept, produces, got)
		}
	})
}

func FuzzFind(f *testing.F) {
	c := newContainer("core")
	mustAdd(f, c, webService("/apis"),
		webService("/apis/apps/v1", "GET ", "GET /{a}", "GET /x", "PUT /{a}/y", "GET /x/{b}", "GET /{a}/{b}", "GET /x/{t:*}", "GET /{a}/{b}/{t:*}"))
	m := newMux("core")
	for _, path := range []string{"/x/", "/x/y/", "/x/y//"} {
		if err := m.handlePrefix(path, nothing, true, "x"); err != nil {
			f.Fatal(err)
		}
	}
	for _, s := range []string{"", "*", "/", "/apis/", "/apis/apps/v1/x/y", "/apis/apps/v1//", "/apis/apps/v1/a/b//c/", "/x/y//z"} {
		f.Add("GET", s)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		req := lookup(method, path)
		if strings.HasPrefix(path, "/") {
			sameAsNaive(t, c, req)
		}
		if r, _ := c.find(req); r != nil {
			r.setPathValues(req)
			rebuilt := r.pattern
			if r.segments != nil {
				segments := slices.Clone(r.segments)
				for i, s := range segments {
					if s[0] == '{' {
						segments[i] = req.PathValue(strings.TrimSuffix(strings.Trim(s, "{}"), ":*"))
					}
				}
				rebuilt = "/" + strings.Join(segments, "/")
			}
			if want := trimSlash(path); rebuilt != want {
				t.Errorf("%s with its values is %q, want %q", r.pattern, rebuilt, want)
			}
		}
		best := ""
		for _, p := range []string{"/x/", "/x/y/", "/x/y//"} {
			if strings.HasPrefix(path, p) {
				best = p
			}
		}
		got := ""
		if r := m.find(path); r != nil {
			got = r.pattern
		}
		if got != best {
			t.Errorf("mux %q: %q, want %q", path, got, best)
		}
	})
}

// TestRouteServes: what find gives is the handler that was registered.
func TestRouteServes(t *testing.T) {
	c := newContainer("core")
	ws := webService("/a", "GET /{x}")
	ws.Routes[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("x")) })
	mustAdd(t, c, ws)
	req, rec := lookup("GET", "/a/hello"), httptest.NewRecorder()
	r, _ := c.find(req)
	r.setPathValues(req)
	r.handler.ServeHTTP(rec, req)
	if rec.Body.String() != "hello" {
		t.Errorf("served %q", rec.Body)
	}
}
