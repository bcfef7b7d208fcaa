package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func passing(context.Context) error { return nil }

func failing(text string) func(context.Context) error {
	return func(context.Context) error { return errors.New(text) }
}

// newTestHealth is an endpoint on a server of its own, sealed, and what it logged.
func newTestHealth(t testing.TB, endpoint string, checks ...healthCheck) (*Server, *[]string) {
	t.Helper()
	var failed []string
	h := newHealthChecks(endpoint, func(name string, err error) { failed = append(failed, name+": "+err.Error()) })
	for _, c := range checks {
		if err := h.add(c); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(newTestProgram(t), "test", nil)
	h.seal(s)
	return s, &failed
}

// ask sends a GET to what the server's path mux has; 0 where it has nothing.
func (s *Server) ask(path string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	rt := s.mux.find(r.URL.Path)
	if rt == nil {
		w.Code = 0
		return w
	}
	rt.handler.ServeHTTP(w, r)
	return w
}

// TestHealthText holds the answers to the byte. The first rows are upstream's table.
func TestHealthText(t *testing.T) {
	ping := healthCheck{name: "ping", check: passing}
	bad := healthCheck{name: "bad", check: failing("this will fail")}
	hook := healthCheck{name: "poststarthook/x", check: passing}
	store := healthCheck{name: "store-1", check: failing("gone"), group: "store"}
	for _, c := range []struct {
		checks []healthCheck
		path   string
		code   int
		want   string
		failed string // what the log is told
	}{
		{[]healthCheck{ping}, "?verbose", 200, "[+]ping ok\nNAME check passed\n", ""},
		{[]healthCheck{ping}, "?exclude=dontexist", 200, "ok", ""},
		{[]healthCheck{ping, bad}, "?exclude=bad", 200, "ok", ""},
		{[]healthCheck{ping, bad}, "?verbose=true&exclude=bad", 200, "[+]ping ok\n[+]bad excluded: ok\nNAME check passed\n", ""},
		{[]healthCheck{ping}, "?verbose=true&exclude=dontexist", 200, "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"dontexist\"\nNAME check passed\n", ""},
		{[]healthCheck{ping}, "/ping", 200, "ok", ""},
		{[]healthCheck{ping}, "", 200, "ok", ""},
		{[]healthCheck{ping, bad}, "?verbose", 500, "[+]ping ok\n[-]bad failed: reason withheld\nNAME check failed\n", "NAME/bad: this will fail"},
		{[]healthCheck{ping, bad}, "/ping", 200, "ok", ""},
		{[]healthCheck{ping, bad}, "/bad", 500, "internal server error: this will fail\n", "NAME/bad: this will fail"},
		{[]healthCheck{ping, bad}, "", 500, "[+]ping ok\n[-]bad failed: reason withheld\nNAME check failed\n", "NAME/bad: this will fail"},

		{nil, "", 200, "ok", ""},
		{[]healthCheck{ping, bad, hook}, "", 500, "[+]ping ok\n[-]bad failed: reason withheld\n[+]poststarthook/x ok\nNAME check failed\n", "NAME/bad: this will fail"},
		{[]healthCheck{ping, bad, hook}, "?exclude=ping", 500, "[+]ping excluded: ok\n[-]bad failed: reason withheld\n[+]poststarthook/x ok\nNAME check failed\n", "NAME/bad: this will fail"},
		{[]healthCheck{bad, store}, "?exclude=nope", 500, "[-]bad failed: reason withheld\n[-]store-1 failed: reason withheld\nwarn: some health checks cannot be excluded: no matches for \"nope\"\nNAME check failed\n", "NAME/bad: this will fail|NAME/store-1: gone"},
		{[]healthCheck{ping, store}, "?verbose&exclude=store", 200, "[+]ping ok\n[+]store-1 excluded with store: ok\nNAME check passed\n", ""},
		{[]healthCheck{ping, store}, "?verbose&exclude=store-1", 200, "[+]ping ok\n[+]store-1 excluded: ok\nNAME check passed\n", ""},
		{[]healthCheck{ping, store}, "?verbose&exclude=store&exclude=store-1", 200, "[+]ping ok\n[+]store-1 excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"store\"\nNAME check passed\n", ""},
		{[]healthCheck{ping}, "?verbose&exclude=b%22%0a&exclude=a&exclude=a&exclude=", 200, "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"\",\"a\",\"b\\\"\\n\"\nNAME check passed\n", ""},
		{[]healthCheck{ping, hook}, "?verbose&exclude=poststarthook", 200, "[+]ping ok\n[+]poststarthook/x ok\nwarn: some health checks cannot be excluded: no matches for \"poststarthook\"\nNAME check passed\n", ""},
		{[]healthCheck{hook}, "/poststarthook/x", 200, "ok", ""},
		{[]healthCheck{{name: "p", check: func(context.Context) error { panic("oh") }}}, "/p", 500, "internal server error: panic: oh\n", "NAME/p: panic: oh"},
	} {
		for _, endpoint := range []string{"healthz", "livez", "readyz"} {
			s, failed := newTestHealth(t, endpoint, c.checks...)
			got := s.ask("/" + endpoint + c.path)
			named := func(s string) string { return strings.ReplaceAll(s, "NAME", endpoint) }
			if got.Code != c.code || got.Body.String() != named(c.want) {
				t.Errorf("/%s%s:\n got %d %q\nwant %d %q", endpoint, c.path, got.Code, got.Body, c.code, named(c.want))
			}
			if a, b := got.Header().Get("Content-Type"), got.Header().Get("X-Content-Type-Options"); a != "text/plain; charset=utf-8" || b != "nosniff" {
				t.Errorf("/%s%s: header %q, %q", endpoint, c.path, a, b)
			}
			if told := strings.Join(*failed, "|"); told != named(c.failed) {
				t.Errorf("/%s%s: the log was told\n got %q\nwant %q", endpoint, c.path, told, named(c.failed))
			}
		}
	}
}

func TestHealthUnknownCheckIsNobodys(t *testing.T) {
	s, _ := newTestHealth(t, "healthz", healthCheck{name: "ping", check: passing}, healthCheck{name: "poststarthook/x", check: passing})
	for _, path := range []string{"/healthz/pong", "/healthz/poststarthook", "/healthz/", "/healthz/ping/", "/livez"} {
		if got := s.ask(path); got.Code != 0 {
			t.Errorf("%s: answered %d %q", path, got.Code, got.Body)
		}
	}
}

func TestHealthAdd(t *testing.T) {
	h := newHealthChecks("healthz", nil)
	if err := h.add(healthCheck{name: "a", check: passing}); err != nil {
		t.Fatal(err)
	}
	if err := h.add(healthCheck{name: "a", check: passing}); err == nil || !strings.Contains(err.Error(), `already has a check "a"`) {
		t.Errorf("the same name again: %v", err)
	}
	h.seal(newServer(newTestProgram(t), "test", nil))
	want := `health check "b": unable to add because the /healthz endpoint has already been created`
	if err := h.add(healthCheck{name: "b", check: passing}); err == nil || err.Error() != want {
		t.Errorf("after seal:\n got %v\nwant %s", err, want)
	}
	if n := len(h.checks()); n != 1 {
		t.Errorf("%d checks, want 1", n)
	}
}

// TestHealthConcurrently adds while others ask; it is for the race detector, and holds
// that a reader sees a list of before or after.
func TestHealthConcurrently(t *testing.T) {
	h := newHealthChecks("readyz", func(string, error) {})
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		all.Go(func() { _ = h.add(healthCheck{name: name, check: passing}) })
		all.Go(func() {
			w := httptest.NewRecorder()
			h.serveAll(w, httptest.NewRequest("GET", "/readyz", nil))
			if !h.passes(t.Context()) || w.Body.String() != "ok" {
				t.Errorf("got %q", w.Body)
			}
		})
	}
	all.Wait()
	if n := len(h.checks()); n != 4 {
		t.Errorf("%d checks, want 4", n)
	}
}

func TestHealthGetsRequestContext(t *testing.T) {
	type key struct{}
	var seen any
	s, _ := newTestHealth(t, "healthz", healthCheck{name: "a", check: func(ctx context.Context) error { seen = ctx.Value(key{}); return nil }})
	for _, path := range []string{"/healthz", "/healthz/a"} {
		seen = nil
		r := httptest.NewRequest("GET", path, nil)
		s.mux.find(path).handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), key{}, path)))
		if seen != path {
			t.Errorf("%s: the check saw %v", path, seen)
		}
	}
}

// TestHealthDelayed moves a clock over the end of the grace period.
func TestHealthDelayed(t *testing.T) {
	until := time.Unix(1000, 0)
	now := until
	c := delayed(healthCheck{name: "late", check: failing("not finished")}, until, func() time.Time { return now })
	for _, step := range []struct {
		at   time.Duration
		pass bool
	}{{-time.Hour, true}, {-1, true}, {0, true}, {1, false}, {time.Hour, false}, {-1, true}} {
		now = until.Add(step.at)
		if err := c.check(t.Context()); (err == nil) != step.pass {
			t.Errorf("%v from the end: %v, want pass %t", step.at, err, step.pass)
		}
	}
}

// TestHealthServed asks a whole running server, by every protocol, while one check fails
// on demand.
func TestHealthServed(t *testing.T) {
	var well atomic.Bool
	well.Store(true)
	r := startProgram(t, func(s *Server) {
		_ = s.AddHealthCheck("mine", func(context.Context) error {
			if well.Load() {
				return nil
			}
			return errors.New("a reason\nlevel=ERROR msg=forged")
		})
	}, "--listen-admin=off")
	for _, kind := range clientKinds {
		for path, want := range map[string]string{"/healthz": "ok", "/livez/ping": "ok", "/readyz/shutdown": "ok", "/readyz/poststarthook/paths-installed": "ok",
			"/livez?verbose": "[+]ping ok\n[+]log ok\n[+]autoregister-completion ok\n[+]mine ok\n[+]poststarthook/kube-apiserver-autoregistration ok\n" +
				"[+]poststarthook/apiservice-status-remote-available-controller ok\n[+]poststarthook/apiservice-discovery-controller ok\n" +
				"[+]poststarthook/apiservice-openapi-controller ok\n[+]poststarthook/apiservice-openapiv3-controller ok\n[+]poststarthook/bootstrap-objects ok\n[+]poststarthook/watch-certificates ok\n[+]poststarthook/watch-slow-clients ok\n[+]poststarthook/paths-installed ok\nlivez check passed\n"} {
			got := r.get(kind, path)
			if got.status != 200 || got.body != want || got.header.Get("Cache-Control") != "no-cache, private" {
				t.Errorf("%s %s: %d %q %v", kind, path, got.status, got.body, got.header)
			}
		}
		if got := r.get(kind, "/healthz/nobody"); got.status != 404 || got.body != "404 page not found\n" {
			t.Errorf("%s unknown check: %d %q", kind, got.status, got.body)
		}
	}
	well.Store(false)
	got := r.get("http", "/readyz")
	if got.status != 500 || !strings.Contains(got.body, "[-]mine failed: reason withheld\n") || strings.Contains(got.body, "a reason") {
		t.Errorf("readyz of a failed check: %d %q", got.status, got.body)
	}
	if r.err.has("\nlevel=ERROR msg=forged") || !r.err.has(`check=readyz/mine err="a reason\nlevel=ERROR msg=forged"`) {
		t.Errorf("the log:\n%s", r.err)
	}
}

// probe is an endpoint of four checks that pass.
func probe(t testing.TB) *Server {
	s, _ := newTestHealth(t, "livez", healthCheck{name: "ping", check: passing}, healthCheck{name: "a", check: passing}, healthCheck{name: "b", check: passing, group: "b"}, healthCheck{name: "c", check: passing})
	return s
}

func TestHealthAllocatesNothing(t *testing.T) {
	s := probe(t)
	for _, path := range []string{"/livez/ping", "/livez"} {
		h, r, w := s.mux.find(path).handler, httptest.NewRequest("GET", path, nil), &sink{h: http.Header{}}
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
		if w.n != 101*len("ok") {
			t.Errorf("%s: %d bytes", path, w.n)
		}
	}
}

// BenchmarkHealth is what a probe costs behind the filters.
func BenchmarkHealth(b *testing.B) {
	s := probe(b)
	for _, path := range []string{"/livez/ping", "/livez"} {
		b.Run(path[1:], func(b *testing.B) {
			h, r, w := s.mux.find(path).handler, httptest.NewRequest("GET", path, nil), &sink{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
