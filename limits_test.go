package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/status"
)

// tooManyRequests is upstream's answer to one more than fit.
func tooManyRequests(w *httptest.ResponseRecorder) bool {
	return w.Code == 429 && w.Header().Get("Retry-After") == "1" && w.Body.String() == "Too many requests, please try again later.\n" &&
		w.Header().Get("Content-Type") == "text/plain; charset=utf-8" && w.Header().Get("X-Content-Type-Options") == "nosniff"
}

// places are the places that are taken: reading, writing.
func (c *chain) places() string {
	return fmt.Sprint(c.inFlight.readOnly.Load(), " ", c.inFlight.mutating.Load())
}

// TestPlaces: which requests take a place of which kind while they run. None is left
// when they have ended, however they end.
func TestPlaces(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	var c *chain
	var taken string
	look := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken = c.places()
		switch {
		case r.Header.Get("Panic") != "":
			panic("as asked")
		case r.Header.Get("Fail") != "":
			status.Write(w, r, status.BadRequest("as asked"))
		}
	})
	_ = p.outermost.HandlePrefix("/", look)
	_ = p.outermost.AddWebService(&WebService{Root: "/stream", Routes: []Route{{Method: "GET", Handler: look, LongRunning: true}, {Method: "POST", Handler: look}}})
	const reads, writes, none = "1 0", "0 1", "0 0"
	for _, q := range []struct{ method, path, header, want string }{
		{"GET", "/x", "", reads}, {"HEAD", "/x", "", writes}, {"OPTIONS", "/x", "", writes}, {"POST", "/x", "", writes}, {"PUT", "/x", "", writes}, {"DELETE", "/x", "", writes}, {"PATCH", "/x", "", writes},
		{"FOO", "/x", "", writes}, {"WATCH", "/x", "", reads}, {"LIST", "/x", "", reads}, {"GET", "/x?watch=1", "", reads}, {"GET", "/debug/pprof/x", "", none},
		{"GET", "/apis/g.io/v1/things", "", reads}, {"HEAD", "/apis/g.io/v1/things", "", reads}, {"GET", "/apis/g.io/v1/things/a", "", reads}, {"HEAD", "/apis/g.io/v1/things/a", "", reads},
		{"GET", "/apis/g.io/v1/namespaces/n/things", "", reads}, {"GET", "/apis/g.io/v1/things?watch=0", "", reads}, {"GET", "/apis/g.io/v1/things?watch=false", "", reads},
		{"GET", "/apis/g.io/v1/things?watch=1", "", none}, {"GET", "/apis/g.io/v1/things?watch", "", none}, {"GET", "/apis/g.io/v1/watch/things", "", none}, {"GET", "/apis/g.io/v1/proxy/things/a", "", none},
		{"POST", "/apis/g.io/v1/things", "", writes}, {"PUT", "/apis/g.io/v1/things/a", "", writes}, {"PATCH", "/apis/g.io/v1/things/a", "", writes}, {"DELETE", "/apis/g.io/v1/things/a", "", writes},
		{"DELETE", "/apis/g.io/v1/things", "", writes}, {"OPTIONS", "/apis/g.io/v1/things", "", writes}, {"FOO", "/apis/g.io/v1/things", "", writes}, {"POST", "/apis/g.io/v1/things?watch=1", "", writes},
		{"GET", "/apis/g.io/v1/things/a/status", "", reads}, {"PUT", "/apis/g.io/v1/things/a/status", "", writes}, {"GET", "/apis/g.io/v1/things/a/log", "", none},
		{"POST", "/apis/g.io/v1/things/a/exec", "", none}, {"POST", "/apis/g.io/v1/things/a/attach", "", none}, {"GET", "/apis/g.io/v1/things/a/portforward", "", none}, {"GET", "/apis/g.io/v1/things/a/proxy/x", "", none},
		{"GET", "/stream", "", none}, {"POST", "/stream", "", writes},
		{"GET", "/x", "Panic: 1", reads}, {"POST", "/x", "Panic: 1", writes}, {"GET", "/x", "Fail: 1", reads},
	} {
		for _, listener := range []string{"http", "https"} {
			for _, major := range []int{1, 2} {
				c, taken = p.chain(listener), "no handler"
				r, w := httptest.NewRequest(q.method, q.path, nil), httptest.NewRecorder()
				r.Host, r.ProtoMajor, r.ProtoMinor = "localhost", major, 2-major
				r.Header.Set("Authorization", "Bearer admin-token")
				if name, value, ok := strings.Cut(q.header, ": "); ok {
					r.Header.Set(name, value)
				}
				c.ServeHTTP(w, r)
				if taken != q.want {
					t.Errorf("%s, HTTP/%d, %s %s %s: places %q, want %q", listener, major, q.method, q.path, q.header, taken, q.want)
				}
				if left := c.places(); left != none {
					t.Fatalf("%s, HTTP/%d, %s %s %s: places %q are left", listener, major, q.method, q.path, q.header, left)
				}
			}
		}
	}
}

// TestFullHouse: what is refused and what passes while every place is taken.
func TestFullHouse(t *testing.T) {
	const alice, admin = "Authorization: Bearer alice-token", "Authorization: Bearer admin-token"
	const ok, full, no = 200, 429, 403
	for _, c := range []struct {
		args                  []string
		readers, writers      int
		method, path          string
		header                []string
		onPlain, onTLS, other int // when it is full; other: on the plain listener when TLS is
	}{
		{nil, 2, 0, "GET", "/apis", []string{alice}, full, full, ok},
		{nil, 1, 1, "GET", "/apis", []string{alice}, ok, ok, ok},
		{nil, 2, 0, "GET", "/version", []string{alice}, full, full, ok},
		{nil, 2, 0, "GET", "/version", nil, full, full, ok},
		{nil, 2, 0, "GET", "/apis", []string{admin}, full, ok, ok},
		{nil, 2, 0, "GET", "/apis", []string{admin, "Impersonate-User: bob"}, full, full, ok},
		{nil, 2, 0, "GET", "/apis", []string{admin, "Impersonate-User: bob", "Impersonate-Group: system:masters"}, full, ok, ok},
		{nil, 2, 0, "GET", "/apis", []string{alice, "Impersonate-User: admin"}, full, no, ok},
		{nil, 2, 0, "POST", "/apis", []string{admin}, 405, 405, 405},
		{nil, 2, 0, "POST", "/nowhere", []string{alice}, 404, no, 404},
		{nil, 2, 1, "POST", "/nowhere", []string{alice}, full, full, 404},
		{nil, 2, 1, "POST", "/nowhere", []string{admin}, full, 404, 404},
		{nil, 0, 1, "GET", "/apis", []string{alice}, ok, ok, ok},
		{nil, 0, 1, "HEAD", "/apis", []string{alice}, full, full, 405},
		{nil, 2, 1, "GET", "/apis/g.io/v1/things?watch=1", []string{admin}, ok, ok, ok},
		{nil, 2, 1, "GET", "/apis/g.io/v1/things?watch=1", []string{alice}, ok, no, ok},
		{nil, 2, 0, "GET", "/nowhere", []string{alice}, full, full, 404},                                    // before authorization: a flood costs no decisions
		{nil, 2, 0, "GET", "/apis", []string{"Authorization: Bearer wrong"}, full, 401, ok},                 // behind authentication
		{nil, 2, 0, "GET", "/a/../b", []string{alice}, 400, 400, 400},                                       // in front of everything
		{nil, 2, 0, "GET", "/apis?timeout=x", []string{alice}, 400, 400, 400},                               // in front of it
		{[]string{"--max-requests-inflight=0"}, 5, 0, "GET", "/apis", []string{alice}, ok, ok, ok},          // no limit
		{[]string{"--max-requests-inflight=0"}, 5, 1, "POST", "/nowhere", []string{alice}, full, full, 404}, // of the one kind alone
		{[]string{"--max-mutating-requests-inflight=0"}, 0, 5, "POST", "/x", []string{alice}, 404, no, 404}, // and of the other
		{[]string{"--max-mutating-requests-inflight=0"}, 2, 5, "GET", "/apis", []string{alice}, full, full, ok},
		{[]string{"--max-requests-inflight=0", "--max-mutating-requests-inflight=0"}, 5, 5, "GET", "/apis", []string{alice}, ok, ok, ok},
	} {
		name := fmt.Sprintf("%d reading, %d writing %s: %s %s %s", c.readers, c.writers, c.args, c.method, c.path, c.header)
		args := append([]string{"--token-auth-file=testdata/tokens.csv", "--max-requests-inflight=2", "--max-mutating-requests-inflight=1"}, c.args...)
		for _, listener := range []string{"http", "https"} {
			p := newTestProgram(t, args...)
			p.fire(p.signals.muxAndDiscoveryComplete, "")
			began, release := make(chan struct{}), make(chan struct{})
			_ = p.outermost.Handle("/apis/slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				began <- struct{}{}
				<-release
			}))
			_ = p.outermost.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			// Those who fill the house are nobody special, so that they take places on TLS.
			p.authz = auth.Authorizers{open("/apis/slow"), p.authz}
			var inside sync.WaitGroup
			fill := func(method string) {
				inside.Go(func() {
					if w := p.through(listener, method, "/apis/slow", "Authorization: Bearer bob-token"); w.Code != 200 {
						t.Errorf("%s: who was admitted got %d %s", name, w.Code, w.Body)
					}
				})
				<-began
			}
			for range c.readers {
				fill("GET")
			}
			for range c.writers {
				fill("PUT")
			}
			want, elsewhere := c.onPlain, "https"
			if listener == "https" {
				want, elsewhere = c.onTLS, "http"
			}
			before := p.chain(listener).places()
			w := p.through(listener, c.method, c.path, c.header...)
			if w.Code != want || want == full && !tooManyRequests(w) {
				t.Errorf("%s: %s: got %d %q, want %d", listener, name, w.Code, w.Body, want)
			}
			if after := p.chain(listener).places(); after != before {
				t.Errorf("%s: %s: places %q before and %q after", listener, name, before, after)
			}
			// Each listener counts for itself.
			if w := p.through(elsewhere, c.method, c.path, c.header...); w.Code == full || elsewhere == "http" && w.Code != c.other {
				t.Errorf("%s full, the other: %s: got %d %q, want %d", listener, name, w.Code, w.Body, c.other)
			}
			close(release)
			inside.Wait()
			if left := p.chain(listener).places(); left != "0 0" {
				t.Errorf("%s: %s: places %q are left", listener, name, left)
			}
		}
	}
}

// open allows one path to everybody.
func open(path string) auth.Authorizer {
	return judge(func(_ *request.User, ri *request.Info) auth.Decision {
		if ri.Path == path {
			return auth.Decision{Verdict: auth.Allow, Reason: "the test says so"}
		}
		return auth.Decision{}
	})
}

// TestDroppedIsCounted: refusals show in the metrics, by kind.
func TestDroppedIsCounted(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv", "--max-requests-inflight=1", "--max-mutating-requests-inflight=1")
	c := p.chain("https")
	c.inFlight.readOnly.Store(1)
	c.inFlight.mutating.Store(1)
	for range 3 {
		p.through("https", "GET", "/apis", "Authorization: Bearer alice-token")
	}
	for range 2 {
		p.through("https", "POST", "/apis", "Authorization: Bearer alice-token")
	}
	p.through("https", "GET", "/apis", "Authorization: Bearer admin-token")
	var text strings.Builder
	if err := p.writeMetrics(&text); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`apiserver_dropped_requests_total{request_kind="readOnly"} 3`, `apiserver_dropped_requests_total{request_kind="mutating"} 2`} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	answered, rejected := c.answered[c.position("max-in-flight")].counts()
	if answered["429"] != 5 || rejected != 5 {
		t.Errorf("the row shows %v, %d rejected; want 429:5", answered, rejected)
	}
}

// TestLimitSwitchedOff: with both limits 0 the row says so.
func TestLimitSwitchedOff(t *testing.T) {
	p := newTestProgram(t, "--max-requests-inflight=0", "--max-mutating-requests-inflight=0")
	for _, c := range p.chains {
		if r := c.rows[c.position("max-in-flight")]; r.off != "both limits are 0" {
			t.Errorf("%s: the row is off because %q", c.listener, r.off)
		}
	}
}

// TestManyAtOnce: however many come at the same time, no more than the limit are inside,
// and who is refused takes nobody's place.
func TestManyAtOnce(t *testing.T) {
	const limit, clients, rounds = 3, 16, 50
	p := newTestProgram(t, "--max-requests-inflight="+fmt.Sprint(limit))
	var mu sync.Mutex
	inside, most := 0, 0
	_ = p.outermost.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		inside++
		most = max(most, inside)
		mu.Unlock()
		defer func() { mu.Lock(); inside--; mu.Unlock() }()
	}))
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range rounds {
				if w := p.through("http", "GET", "/x"); w.Code != 200 && !tooManyRequests(w) {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
			}
		})
	}
	all.Wait()
	if most > limit || most == 0 {
		t.Errorf("%d inside at a time, the limit is %d", most, limit)
	}
	if left := p.chain("http").places(); left != "0 0" {
		t.Errorf("places %q are left", left)
	}
}
