package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serversOf is a delegation chain of servers that are told as lines: "SERVER mux /path",
// "SERVER mux /prefix/*", "SERVER service /root: METHOD /path, METHOD /path". Servers are
// named in order of their first line.
func serversOf(t testing.TB, lines ...string) *Server {
	t.Helper()
	var first, last *Server
	byName := map[string]*Server{}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		kind, what, _ := strings.Cut(rest, " ")
		s := byName[name]
		if s == nil {
			s = newServer(nil, name, nil)
			byName[name] = s
			if last != nil {
				last.delegate = s
			} else {
				first = s
			}
			last = s
		}
		var err error
		switch kind {
		case "mux":
			if prefix, ok := strings.CutSuffix(what, "*"); ok {
				err = s.mux.handlePrefix(prefix, nothing, true, "here.go:1")
			} else {
				err = s.mux.handle(what, nothing, true, "here.go:1")
			}
		case "service":
			root, routes, _ := strings.Cut(what, ":")
			ws := &WebService{Root: root}
			for _, r := range strings.Split(strings.TrimSpace(routes), ", ") {
				if method, path, ok := strings.Cut(r, " "); ok {
					ws.Routes = append(ws.Routes, Route{Method: method, Path: path, Handler: nothing})
				}
			}
			err = s.container.add(ws, "here.go:1")
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return first
}

// marksOf is what is said of every route that there is something to say of.
func marksOf(s *Server) map[string]string {
	var cache atomic.Pointer[shadowMap]
	out := map[string]string{}
	for r, m := range s.shadows(&cache).marks {
		by := ""
		if m.by != nil {
			by = "by " + *m.by
		}
		if len(m.with) > 0 {
			by += " with " + strings.Join(m.with, " ")
		}
		if by != "" {
			out[r.id()] = strings.TrimSpace(by)
		}
	}
	return out
}

func TestShadows(t *testing.T) {
	for _, tt := range []struct {
		name string
		has  []string
		want map[string]string
	}{
		{"nothing in common", []string{"one mux /a", "one mux /b/*", "two service /c: GET /{x}"}, nil},
		{"a longer pattern decides", []string{"one mux /a/*", "one mux /a/b/*", "one mux /a/b/c", "one service /s: GET /{x}, GET /y, GET /{a:*}"}, nil},
		{"an earlier server's prefix", []string{"one mux /a/*", "two mux /a/b"}, map[string]string{
			"one:prefix:*:/a/": "with two:exact:*:/a/b", "two:exact:*:/a/b": "by one:prefix:*:/a/ with one:prefix:*:/a/"}},
		{"a later server's prefix", []string{"one mux /a/b", "two mux /a/*"}, map[string]string{
			"one:exact:*:/a/b": "with two:prefix:*:/a/", "two:prefix:*:/a/": "with one:exact:*:/a/b"}},
		{"the same exact path", []string{"one mux /a", "two mux /a", "three mux /a"}, map[string]string{
			"one:exact:*:/a": "with three:exact:*:/a two:exact:*:/a", "two:exact:*:/a": "by one:exact:*:/a with one:exact:*:/a three:exact:*:/a", "three:exact:*:/a": "by one:exact:*:/a with one:exact:*:/a two:exact:*:/a"}},
		{"a container before the mux", []string{"one service /w: GET /{name}", "one mux /w/x"}, map[string]string{
			"one:container:GET:/w/{name}": "with one:exact:*:/w/x", "one:exact:*:/w/x": "by one:service:*:/w with one:container:GET:/w/{name}"}},
		{"a service that has nothing for it", []string{"one service /w: GET /x", "two service /w/y: GET /z", "two mux /w/v/*"}, map[string]string{
			"two:container:GET:/w/y/z": "by one:service:*:/w", "two:prefix:*:/w/v/": "by one:service:*:/w"}},
		{"a longer root of the same container", []string{"one service /a: GET /b/{x}, GET /c", "one service /a/b: GET /y"}, map[string]string{"one:container:GET:/a/b/{x}": "by one:service:*:/a/b"}},
		{"another method shares the path", []string{"one service /a: GET /", "two service /a: POST /"}, map[string]string{
			"one:container:GET:/a": "with two:container:POST:/a", "two:container:POST:/a": "by one:service:*:/a with one:container:GET:/a"}},
		{"the same method and path", []string{"one service /a: GET /{x}", "two service /a: GET /{y}"}, map[string]string{
			"one:container:GET:/a/{x}": "with two:container:GET:/a/{y}", "two:container:GET:/a/{y}": "by one:container:GET:/a/{x} with one:container:GET:/a/{x}"}},
		{"a tail that sorts last", []string{"one service /a: GET /{z:*}, GET /{x}"}, map[string]string{"one:container:GET:/a/{x}": "by one:container:GET:/a/{z:*}"}},
		{"a tail that sorts first", []string{"one service /a: GET /{a:*}, GET /{x}"}, nil},
		{"/apis takes itself alone", []string{"one service /apis: GET /", "two mux /apis/x", "two mux /apis", "two mux /apis/*"}, map[string]string{
			"one:container:GET:/apis": "with two:exact:*:/apis two:prefix:*:/apis/", "two:exact:*:/apis": "by one:service:*:/apis with one:container:GET:/apis", "two:prefix:*:/apis/": "with one:container:GET:/apis"}},
		{"what no request can reach is not shadowed by anybody", []string{"one service /apis: GET /x"}, nil},
		{"an exact path spelt like a prefix", []string{"one mux /a/", "one mux /a/*"}, map[string]string{
			"one:exact:*:/a/": "with one:prefix:*:/a/", "one:prefix:*:/a/": "with one:exact:*:/a/"}},
		{"two of them take all of a route", []string{"one mux /a", "one mux /a/*", "two service /a: GET /"}, map[string]string{
			"one:exact:*:/a": "with two:container:GET:/a", "one:prefix:*:/a/": "with two:container:GET:/a", "two:container:GET:/a": "by one:exact:*:/a with one:exact:*:/a one:prefix:*:/a/"}},
		{"one of them does not", []string{"one mux /a", "two service /a: GET /"}, map[string]string{
			"one:exact:*:/a": "with two:container:GET:/a", "two:container:GET:/a": "with one:exact:*:/a"}},
		{"patterns that cross", []string{"one service /a: GET /{x}/c", "two service /a/b: GET /{y}"}, map[string]string{
			"one:container:GET:/a/{x}/c": "with two:container:GET:/a/b/{y}", "two:container:GET:/a/b/{y}": "by one:service:*:/a with one:container:GET:/a/{x}/c"}},
		{"everything", []string{"one mux /*", "two mux /a/*", "two service /b: GET /"}, map[string]string{
			"one:prefix:*:/": "with two:container:GET:/b two:prefix:*:/a/", "two:prefix:*:/a/": "by one:prefix:*:/ with one:prefix:*:/", "two:container:GET:/b": "by one:prefix:*:/ with one:prefix:*:/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := marksOf(serversOf(t, tt.has...))
			if !maps.Equal(got, tt.want) {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestShadowsFollowTheTables: the map is made again when a table changes and not before.
func TestShadowsFollowTheTables(t *testing.T) {
	s := serversOf(t, "one mux /a", "two mux /a/b")
	var cache atomic.Pointer[shadowMap]
	before := s.shadows(&cache)
	if s.shadows(&cache) != before {
		t.Error("the map is made again without a change")
	}
	for _, change := range []func() error{
		func() error { return s.mux.handlePrefix("/a/", nothing, true, "here.go:1") },
		func() error { return s.container.add(&WebService{Root: "/a"}, "here.go:1") },
		func() error { return s.delegate.mux.handle("/b", nothing, true, "here.go:1") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		m := s.shadows(&cache)
		if m == before {
			t.Error("a change is not noticed")
		}
		before = m
	}
}

// shadowRounds takes about a second.
const shadowRounds = 40

// sampled is everything that is asked of random tables: paths of up to four segments, of
// which c is in no pattern.
func sampled() (paths []string) {
	level := []string{""}
	for range 5 {
		for _, p := range level {
			if p != "" {
				paths = append(paths, p)
			}
			paths = append(paths, p+"/")
		}
		var next []string
		for _, p := range level {
			next = append(next, p+"/a", p+"/b", p+"/c")
		}
		level = next
	}
	return paths
}

// eachRequest calls f with each request for a path that a table of the test could tell from others.
func eachRequest(path string, f func(*http.Request)) {
	for _, method := range []string{"GET", "POST"} {
		for _, sent := range []string{"", "application/json", "text/plain", "text/css"} {
			for _, wanted := range []string{"", "application/json", "text/plain", "text/css"} {
				f(&http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{"Content-Type": {sent}, "Accept": {wanted}}})
			}
		}
	}
	f(&http.Request{Method: "PUT", URL: &url.URL{Path: path}})
}

// randomServers registers at random on three servers.
func randomServers(t testing.TB, rnd *rand.Rand) *Server {
	t.Helper()
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	media := func() []string {
		return [][]string{nil, nil, {"application/json"}, {"text/plain"}}[rnd.IntN(4)]
	}
	var next *Server
	for _, name := range []string{"three", "two", "one"} {
		s := newServer(nil, name, next)
		for range rnd.IntN(3) {
			ws := &WebService{Root: pick("/", "/a", "/b", "/a/b")}
			for range 1 + rnd.IntN(4) {
				path := ""
				for i := range rnd.IntN(5 - len(strings.Split(ws.Root, "/"))) { // all of a pattern is within the paths sampled
					path += "/" + pick("a", "b", "{"+string(rune('m'+i))+"}", "{"+string(rune('p'+i))+"}")
				}
				if rnd.IntN(4) == 0 {
					path += "/" + pick("{n:*}", "{q:*}")
				}
				ws.Routes = append(ws.Routes, Route{Method: pick("GET", "POST"), Path: path, Handler: nothing, Consumes: media(), Produces: media()})
			}
			_ = s.container.add(ws, "here.go:1") // one that is taken is left out
		}
		for range rnd.IntN(4) {
			path := ""
			for range rnd.IntN(4) {
				path += "/" + pick("a", "b")
			}
			if rnd.IntN(2) == 0 {
				_ = s.mux.handlePrefix(path+"/", nothing, true, "here.go:1")
			} else {
				_ = s.mux.handle(path+pick("", "/"), nothing, true, "here.go:1")
			}
		}
		next = s
	}
	return next
}

// TestShadowsAreWhatRequestsFind compares the map with the answers of the director to every
// request there could be.
func TestShadowsAreWhatRequestsFind(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 1))
	paths := sampled()
	shadowed, conflicts := 0, 0
	for round := range shadowRounds {
		first := randomServers(t, rnd)
		hit, with := map[*route]bool{}, map[*route]map[string]bool{}
		unclaimed := map[*route]bool{} // some request that the route alone could take finds nobody
		var all []*route
		for s := first; s != nil; s = s.delegate {
			all = append(all, s.routes()...)
		}
		for _, r := range all {
			with[r] = map[string]bool{}
		}
		share := func(a, b *route) { with[a][b.id()], with[b][a.id()] = true, true }
		for _, path := range paths {
			var tables [][]*route
			for s := first; s != nil; s = s.delegate {
				found := map[*route]bool{}
				eachRequest(path, func(req *http.Request) {
					if r, _ := s.container.find(req); r != nil {
						found[r] = true
					}
				})
				mine := slices.Collect(maps.Keys(found))
				tables = append(tables, mine, nil)
				if r := s.mux.find(path); r != nil {
					tables[len(tables)-1] = []*route{r}
					if o := s.mux.taken[kindPrefix+" "+r.pattern]; r.kind == kindExact && o != nil {
						share(r, o)
					}
				}
			}
			for i, one := range tables {
				for _, other := range tables[i+1:] {
					for _, a := range one {
						for _, b := range other {
							share(a, b)
						}
					}
				}
			}
			eachRequest(path, func(req *http.Request) {
				if got := first.find(req, nil); got.route != nil {
					hit[got.route] = true
				} else if got.err == nil {
					for _, r := range all {
						unclaimed[r] = unclaimed[r] || r.kind != kindContainer && r.covers(path) || r.kind == kindContainer && r.method == req.Method && r.covers(path)
					}
				}
			})
		}
		var cache atomic.Pointer[shadowMap]
		got := first.shadows(&cache).marks
		for _, r := range all {
			m := got[r]
			conflicts += len(m.with)
			if want := slices.Sorted(maps.Keys(with[r])); !slices.Equal(m.with, want) {
				t.Errorf("round %d: %s shares paths with %q, want %q", round, r.id(), m.with, want)
			}
			want := ""
			if !hit[r] && !unclaimed[r] {
				want = plainTaker(first, r)
				shadowed++
			}
			if by := fmt.Sprint(deref(m.by)); by != want {
				t.Errorf("round %d: %s is shadowed by %q, want %q", round, r.id(), by, want)
			}
		}
		if t.Failed() {
			for _, r := range all {
				t.Logf("%s consumes %v produces %v", r.id(), r.consumes, r.produces)
			}
			t.Fatalf("seed %d", seed)
		}
	}
	if shadowed < shadowRounds/2 || conflicts < shadowRounds {
		t.Errorf("only %d shadowed routes and %d conflicts: the test tests little", shadowed, conflicts)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// covers reports whether the pattern of a route, seen alone, takes a path.
func (r *route) covers(path string) bool {
	switch r.kind {
	case kindExact:
		return path == r.pattern
	case kindPrefix:
		return strings.HasPrefix(path, r.pattern)
	}
	path, pattern := strings.TrimSuffix(path, "/"), strings.TrimSuffix(r.pattern, "/")
	have, want := strings.Split(path, "/"), strings.Split(pattern, "/")
	for i, s := range want {
		if _, tail := tailName(s); tail {
			return len(have) > i
		}
		if i >= len(have) || have[i] != s && !strings.HasPrefix(s, "{") {
			return false
		}
	}
	return len(have) == len(want)
}

// plainTaker is who takes the plainest request that a route could take.
func plainTaker(first *Server, r *route) string {
	path, method := r.pattern, r.method
	for _, name := range []string{"{m}", "{n}", "{p}", "{q}"} {
		path = strings.ReplaceAll(path, name, "d")
	}
	for _, name := range []string{"/{n:*}", "/{q:*}"} {
		path = strings.ReplaceAll(path, name, "/d")
	}
	if r.kind == kindPrefix {
		path += "d"
	}
	if method == "*" {
		method = "GET"
	}
	switch got := first.find(&http.Request{Method: method, URL: &url.URL{Path: path}}, nil); {
	case got.route != nil && (got.route.kind != kindContainer || r.method != "*"):
		return got.route.id()
	case got.server != nil:
		sv, _ := got.server.container.serviceFor(path)
		return got.server.name + ":service:*:" + sv.root
	}
	return ""
}

// manyCustom puts n custom resources in groups of their own, a hundred in each.
func (p *program) manyCustom(t testing.TB, n int) {
	t.Helper()
	serveWidgets(t, p, n, func(i int) (plural, group string) { return "widgets" + itoa(i), "g" + itoa(i/100) + ".example.com" })
}

// TestShadowsOfCustomResources: what other servers have on paths of custom resources, and
// nothing where they have nothing.
func TestShadowsOfCustomResources(t *testing.T) {
	const list, item = "extensions:container:GET:/apis/g0.example.com/v1/widgets0", "extensions:container:GET:/apis/g0.example.com/v1/namespaces/{namespace}/widgets0/{name}"
	const other = "extensions:container:*:/apis/g0.example.com/v1/widgets0"
	for _, tt := range []struct {
		name     string
		register func(s *Server)
		by       map[string]string // "" is: nobody
		with     map[string]string
		quiet    string // a resource that nothing is said of
	}{
		{"nobody", func(*Server) {}, map[string]string{list: "", item: "", other: ""}, map[string]string{list: "", item: ""}, "widgets0"},
		{"a prefix over a group", func(s *Server) { _ = s.HandlePrefix("/apis/g0.example.com/", nothing) },
			map[string]string{list: "core:prefix:*:/apis/g0.example.com/", item: "core:prefix:*:/apis/g0.example.com/", other: "core:prefix:*:/apis/g0.example.com/"},
			map[string]string{list: "core:prefix:*:/apis/g0.example.com/"}, "widgets100"},
		{"a prefix over one resource", func(s *Server) { _ = s.HandlePrefix("/apis/g0.example.com/v1/widgets0/", nothing) },
			map[string]string{list: "", item: "", other: ""}, map[string]string{list: "core:prefix:*:/apis/g0.example.com/v1/widgets0/", item: ""}, "widgets1"},
		{"an exact path", func(s *Server) { _ = s.Handle("/apis/g0.example.com/v1/namespaces/n/widgets0/x", nothing) },
			map[string]string{list: "", item: ""}, map[string]string{list: "", item: "core:exact:*:/apis/g0.example.com/v1/namespaces/n/widgets0/x"}, "widgets1"},
		{"a list, with a slash and without", func(s *Server) {
			_ = s.Handle("/apis/g0.example.com/v1/widgets0", nothing)
			_ = s.Handle("/apis/g0.example.com/v1/widgets0/", nothing)
		}, map[string]string{list: "core:exact:*:/apis/g0.example.com/v1/widgets0", item: "", other: ""},
			map[string]string{list: "core:exact:*:/apis/g0.example.com/v1/widgets0 core:exact:*:/apis/g0.example.com/v1/widgets0/", item: ""}, "widgets1"},
		{"a web service", func(s *Server) {
			_ = s.AddWebService(&WebService{Root: "/apis/g0.example.com", Routes: []Route{{Method: "GET", Path: "/v1/{any}", Handler: nothing}}})
		}, map[string]string{list: "core:container:GET:/apis/g0.example.com/v1/{any}", item: "core:service:*:/apis/g0.example.com", other: "core:service:*:/apis/g0.example.com"},
			map[string]string{list: "core:container:GET:/apis/g0.example.com/v1/{any}", item: ""}, "widgets100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTestProgram(t)
			tt.register(p.servers[1])
			p.manyCustom(t, 101)
			back := map[string]string{} // what others say of the list
			for _, r := range (source{p}).Routes() {
				if want, ok := tt.by[r.ID]; ok && deref(r.ShadowedBy) != want {
					t.Errorf("%s is shadowed by %q, want %q", r.ID, deref(r.ShadowedBy), want)
				}
				if want, ok := tt.with[r.ID]; ok && strings.Join(r.ConflictsWith, " ") != want {
					t.Errorf("%s shares paths with %q, want %q", r.ID, r.ConflictsWith, want)
				}
				if r.Resource == tt.quiet+".g0.example.com" || r.Resource == tt.quiet+".g1.example.com" {
					if r.ShadowedBy != nil || len(r.ConflictsWith) > 0 {
						t.Errorf("%s: %v %q", r.ID, deref(r.ShadowedBy), r.ConflictsWith)
					}
				}
				if slices.Contains(r.ConflictsWith, list) {
					back[r.ID] = ""
				}
			}
			if got := strings.Join(slices.Sorted(maps.Keys(back)), " "); got != tt.with[list] {
				t.Errorf("%q say that they share paths with the list, want %q", got, tt.with[list])
			}
		})
	}
}

// TestNothingIsShadowed: the program as it is has no route that is never reached.
func TestNothingIsShadowed(t *testing.T) {
	p := newTestProgram(t)
	for _, r := range (source{p}).Routes() {
		if r.ShadowedBy != nil || len(r.ConflictsWith) > 0 {
			t.Errorf("%s is shadowed by %q and shares paths with %q", r.ID, deref(r.ShadowedBy), r.ConflictsWith)
		}
	}
}

// TestChoosingShadowed: the queries of the contract.
func TestChoosingShadowed(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/version", nothing)
		_ = s.Handle("/hit", nothing)
	}, "--listen-admin=127.0.0.1:0")
	var p page
	if r.look("/admin/v1/routes?shadowedBy=*", &p); p.Total != 1 || p.Items[0]["id"] != "core:exact:*:/version" || p.Items[0]["shadowedBy"] != "aggregator:service:*:/version" {
		t.Errorf("shadowed: %v", p.Items)
	}
	r.get("http", "/hit")
	var all, never page
	r.look("/admin/v1/routes", &all)
	r.look("/admin/v1/routes?hits=0", &never)
	if never.Total == 0 || never.Total >= all.Total || slices.ContainsFunc(never.Items, func(i map[string]any) bool { return i["pattern"] == "/hit" }) {
		t.Errorf("%d of %d routes were never hit", never.Total, all.Total)
	}
}

// BenchmarkRoutes is what Source.Routes costs with 10,000 custom resources: where nobody else
// has paths of theirs, with the marks left out for comparison, and under a prefix over all of
// them, which is the worst; and what the map of the tables costs to make.
func BenchmarkRoutes(b *testing.B) {
	p := newTestProgram(b)
	p.manyCustom(b, 10_000)
	routes := func(b *testing.B) {
		for b.Loop() {
			if n := len((source{p}).Routes()); n < 170_000 {
				b.Fatal(n)
			}
		}
	}
	var all []*route
	for _, s := range p.servers {
		all = append(all, s.routes()...)
	}
	b.Run("rows", routes)
	b.Run("marks", func(b *testing.B) {
		for b.Loop() {
			p.outermost.shadows(&p.shadows).with(all, p.custom)
		}
	})
	b.Run("map", func(b *testing.B) {
		for b.Loop() {
			var cache atomic.Pointer[shadowMap]
			p.outermost.shadows(&cache)
		}
	})
	if err := p.servers[1].HandlePrefix("/apis/", nothing); err != nil {
		b.Fatal(err)
	}
	b.Run("rows under a prefix", routes)
}
