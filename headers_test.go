package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/flags"
	"apichain/internal/status"
)

// corsNames are the header lines of upstream's CORS answers, and what no answer has.
var corsNames = []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Allow-Credentials", "Access-Control-Max-Age", "Vary"}

// TestOriginPatterns: a pattern is pinned by marks that it holds somewhere, as upstream's help has
// them in groups; what they pin is the pattern's own affair.
func TestOriginPatterns(t *testing.T) {
	for pattern, want := range map[string]struct {
		taken   bool
		allowed string
		refused string
	}{
		`//example\.org(:|$)`:          {true, "https://example.org:8443", "https://example.org.evil"},
		`^https?://example\.org(:|$)`:  {true, "http://example.org", "https://xexample.org"},
		`(^http|//)dev\.example($|:)`:  {true, "https://dev.example", "https://dev.example.evil"},
		`^https://a\.example$|^null\b`: {true, "https://a.example", "https://a.examples"},
		`https:..c\.example(:|$)`:      {false, "", ""},
		`//d\.example`:                 {false, "", ""},
		`e\.example$`:                  {false, "", ""},
		`^`:                            {false, "", ""},
		`$`:                            {false, "", ""},
	} {
		var p flags.Problems
		o := corsOptions{origins: []string{pattern}}
		o.Check(&p)
		if taken := len(o.compiled) == 1; taken != want.taken {
			t.Errorf("%s: taken %v", pattern, taken)
		} else if taken && (!o.compiled.match(want.allowed) || o.compiled.match(want.refused)) {
			t.Errorf("%s: allows %s: %v, %s: %v", pattern, want.allowed, o.compiled.match(want.allowed), want.refused, o.compiled.match(want.refused))
		}
	}
}

// TestCORS: which origins may, what a preflight and what any other answer carries, and
// that credentials are asked for all the same.
func TestCORS(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv", `--cors-allowed-origins=^https://app\.example$,^https?://(dev|test)\.example:,//internal\.example$`)
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	_ = p.outermost.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }))
	_ = p.outermost.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("as asked") }))
	lines := func(h http.Header) string {
		var out []string
		for _, name := range corsNames {
			if v := h[name]; len(v) > 0 {
				out = append(out, name+": "+strings.Join(v, "|"))
			}
		}
		return strings.Join(out, "\n")
	}
	whole := func(origin string) string {
		return "Access-Control-Allow-Origin: " + origin + `
Access-Control-Allow-Methods: POST, GET, OPTIONS, PUT, DELETE, PATCH
Access-Control-Allow-Headers: Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since
Access-Control-Expose-Headers: Date
Access-Control-Allow-Credentials: true`
	}
	const admin, alice, wrong, nobody = "Bearer admin-token", "Bearer alice-token", "Bearer wrong", ""
	for origin, allowed := range map[string]bool{
		"https://app.example": true, "http://dev.example:8080": true, "https://test.example:1": true, "https://internal.example": true, "http://internal.example": true,
		"": false, "null": false, "*": false, "https://app.example.evil": false, "https://xapp.example": false, "http://app.example": false, "https://app.example:443": false, "https://app.example/": false,
		"https://APP.example": false, "https://appxexample": false, "http://dev.example": false, "https://x.internal.example": false, "https://internal.example:80": false, "https://evil.example/#https://app.example": false, "https://evil.example//internal.examples": false,
	} {
		for _, q := range []struct {
			method, path, auth string
			code               int // of an origin that may not, or of any method but OPTIONS
		}{
			{"OPTIONS", "/x", nobody, 403}, {"OPTIONS", "/x", wrong, 401}, {"OPTIONS", "/x", admin, 200}, {"OPTIONS", "/nowhere", nobody, 403}, {"OPTIONS", "/x?timeout=x", nobody, 400}, {"OPTIONS", "/a/../b", nobody, 400},
			{"GET", "/x", admin, 200}, {"GET", "/x", alice, 403}, {"GET", "/x", wrong, 401}, {"GET", "/nowhere", admin, 404}, {"GET", "/panic", admin, 500}, {"POST", "/version", admin, 405}, {"PUT", "/x", admin, 200},
		} {
			r, w := httptest.NewRequest(q.method, q.path, nil), httptest.NewRecorder()
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			r.Header.Set("Access-Control-Request-Method", "DELETE")
			if q.auth != "" {
				r.Header.Set("Authorization", q.auth)
			}
			p.chain("https").ServeHTTP(w, r)
			code, want := q.code, ""
			if early := q.code == 400; allowed && !early { // a doubtful request does not get so far
				if want = whole(origin); q.method == "OPTIONS" {
					code = 204
				}
			}
			if w.Code != code || lines(w.Header()) != want || code == 204 && w.Body.Len() > 0 {
				t.Errorf("%s %s by %q from %q: got %d %q\n%s\nwant %d\n%s", q.method, q.path, q.auth, origin, w.Code, w.Body, lines(w.Header()), code, want)
			}
		}
	}
	off := newTestProgram(t)
	for _, c := range off.chains {
		if r := c.rows[c.position("cors")]; r.off != "no origin is allowed" {
			t.Errorf("%s: without a pattern the row is off because %q", c.listener, r.off)
		}
	}
	if w := off.through("https", "OPTIONS", "/x", "Origin: https://app.example"); w.Code == 204 || lines(w.Header()) != "" {
		t.Errorf("switched off: got %d %s", w.Code, lines(w.Header()))
	}
}

// TestOriginOnPlain: on the plain listener an origin must be allowed or our own for
// anything at all, and what passes gets the CORS header if a pattern allows it.
func TestOriginOnPlain(t *testing.T) {
	p := newTestProgram(t, `--cors-allowed-origins=^https://app\.example$`)
	_ = p.outermost.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }))
	for _, c := range []struct {
		method  string
		origins []string
		host    string
		code    int
		allowed string
	}{
		{"GET", nil, "localhost", 200, ""},
		{"GET", []string{"https://app.example"}, "localhost", 200, "https://app.example"},
		{"OPTIONS", []string{"https://app.example"}, "localhost", 204, "https://app.example"},
		{"GET", []string{"http://localhost"}, "localhost", 200, ""},
		{"GET", []string{"http://LOCALHOST:8080"}, "localhost:8080", 200, ""},
		{"OPTIONS", []string{"http://localhost"}, "localhost", 200, ""},
		{"GET", []string{"http://localhost:1"}, "localhost", 403, ""},
		{"GET", []string{"https://localhost"}, "localhost", 403, ""},
		{"GET", []string{"http://localhost/"}, "localhost", 403, ""},
		{"GET", []string{"http://localhost", "http://localhost"}, "localhost", 403, ""},
		{"GET", []string{"https://app.example", "https://evil.example"}, "localhost", 403, ""},
		{"GET", []string{"http://user@localhost"}, "localhost", 403, ""},
		{"GET", []string{"http://localhost?x"}, "localhost", 403, ""},
		{"GET", []string{"null"}, "localhost", 403, ""},
		{"GET", []string{""}, "localhost", 403, ""},
		{"GET", []string{"file://"}, "localhost", 403, ""},
		{"GET", []string{"http://%zz"}, "localhost", 403, ""},
		{"OPTIONS", []string{"https://evil.example"}, "localhost", 403, ""},
		{"GET", []string{"https://app.example"}, "evil.example", 403, ""},
		{"GET", nil, "", 403, ""},
		{"GET", nil, "[::1", 403, ""},
		{"GET", nil, "127.0.0.1.evil.example", 403, ""},
		{"GET", nil, "[::ffff:127.0.0.1]:80", 200, ""},
		{"GET", nil, "0x7f000001", 403, ""},
		{"GET", nil, "0.0.0.0", 403, ""},
		{"GET", nil, "LOCALHOST:1", 200, ""},
		{"GET", nil, "localhost.", 403, ""},
	} {
		r, w := httptest.NewRequest(c.method, "/x", nil), httptest.NewRecorder()
		r.Host = c.host
		if c.origins != nil {
			r.Header["Origin"] = c.origins
		}
		p.chain("http").ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != c.code || got != c.allowed {
			t.Errorf("%s from %q as %q: got %d, allowed %q; want %d, %q", c.method, c.origins, c.host, w.Code, got, c.code, c.allowed)
		}
	}
}

// TestHSTS: on every answer of the TLS listener from its row inwards, on none of the
// plain one, and nowhere without a directive.
func TestHSTS(t *testing.T) {
	args := []string{"--token-auth-file=testdata/tokens.csv", `--cors-allowed-origins=^https://app\.example$`}
	for directives, want := range map[string]string{"": "", "max-age=0": "max-age=0", "max-age=31536000,includeSubDomains,preload": "max-age=31536000; includeSubDomains; preload"} {
		with := args
		if directives != "" {
			with = append(slices.Clone(args), "--strict-transport-security-directives="+directives)
		}
		everyChain(t, func(t *testing.T, p *program, listener string, major int) {
			_ = p.outermost.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("as asked") }))
			_ = p.outermost.Handle("/stuck", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			_ = p.outermost.Handle("/own", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Strict-Transport-Security", "max-age=1") }))
			for path, inside := range map[string]bool{"/version": true, "/nowhere": true, "/panic": true, "/stuck?timeout=1s": true, "/version?timeout=x": true, "/a/../b": false} {
				w, _ := p.inProtocol(listener, major, "GET", path, nil)
				expected := ""
				if inside && listener == "https" {
					expected = want
				}
				if got := strings.Join(w.Header()["Strict-Transport-Security"], "|"); got != expected {
					t.Errorf("%q, %s: got %q, want %q", directives, path, got, expected)
				}
			}
			if w, _ := p.inProtocol(listener, major, "GET", "/own", nil); w.Header().Get("Strict-Transport-Security") != "max-age=1" {
				t.Errorf("a handler's own: %q", w.Header()["Strict-Transport-Security"])
			}
		}, with...)
	}
}

// TestHeadersAreNobodyElses: what a handler does to the header lines that filters set
// stays on its own answer.
func TestHeadersAreNobodyElses(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv", "--strict-transport-security-directives=max-age=5")
	_ = p.outermost.Handle("/add", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Cache-Control", "Strict-Transport-Security", "Audit-Id"} {
			w.Header().Add(name, "added")
			if v := w.Header()[name]; len(v) > 1 {
				v[0] = "changed " + name
			}
		}
	}))
	_ = p.outermost.Handle("/set", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "public") }))
	_ = p.outermost.Handle("/del", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Del("Cache-Control") }))
	_ = p.outermost.Handle("/as-is", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	var all sync.WaitGroup
	for _, listener := range []string{"http", "https"} {
		for range 4 {
			all.Go(func() {
				for range 20 {
					for path, want := range map[string]string{"/add": "changed Cache-Control|added", "/set": "public", "/del": "", "/as-is": cacheControlValue} {
						w := p.through(listener, "GET", path, "Authorization: Bearer admin-token")
						if got := strings.Join(w.Header()["Cache-Control"], "|"); got != want {
							t.Errorf("%s %s: Cache-Control %q, want %q", listener, path, got, want)
						}
						if listener == "https" && path == "/as-is" && w.Header().Get("Strict-Transport-Security") != "max-age=5" {
							t.Errorf("Strict-Transport-Security %q", w.Header()["Strict-Transport-Security"])
						}
					}
				}
			})
		}
	}
	all.Wait()
}

// TestGoaway: about as many HTTP/2 requests as the flag says end their connection, and
// no request of HTTP/1.
func TestGoaway(t *testing.T) {
	const n = 20_000
	for _, c := range []struct {
		args        []string
		listener    string
		major       int
		least, most int
	}{
		{[]string{"--goaway-chance=0.02"}, "https", 2, 280, 520}, // 400, give or take six standard deviations
		{[]string{"--goaway-chance=0.02"}, "https", 1, 0, 0},
		{[]string{"--goaway-chance=0.02"}, "http", 2, 0, 0},
		{nil, "https", 2, 0, 0},
		{[]string{"--goaway-chance=0.02", "--disable-http2-serving"}, "https", 2, 0, 0},
	} {
		p := newTestProgram(t, append(c.args, "--token-auth-file=testdata/tokens.csv")...)
		r := httptest.NewRequest("GET", "/livez/ping", nil)
		r.Host, r.ProtoMajor, r.ProtoMinor = "localhost", c.major, 2-c.major
		ended := 0
		for range n {
			w := &sink{h: http.Header{}}
			r.Header = http.Header{"Authorization": {"Bearer admin-token"}}
			if p.chain(c.listener).ServeHTTP(w, r); w.h.Get("Connection") == "close" {
				ended++
			}
		}
		if ended < c.least || ended > c.most {
			t.Errorf("%s, %s, HTTP/%d: %d of %d ended their connection, want %d to %d", c.args, c.listener, c.major, ended, n, c.least, c.most)
		}
	}
	for args, want := range map[string]string{"": "the chance is 0", "--disable-http2-serving": "HTTP/2 is switched off"} {
		p := newTestProgram(t, strings.Fields("--goaway-chance=0 "+args)...)
		c := p.chain("https")
		if got := c.rows[c.position("goaway")].off; got != want {
			t.Errorf("%q: off because %q, want %q", args, got, want)
		}
	}
}

// TestNobodyKeepsNoConnection: on HTTP/2 of the TLS listener an answer to somebody
// unknown is the last on its connection; whoever is known keeps it.
func TestNobodyKeepsNoConnection(t *testing.T) {
	r := startProgram(t, nil)
	const n = 5
	for _, c := range []struct {
		auth  string
		kind  string
		conns uint64
	}{
		{"Authorization:", "h2", n}, {"Authorization: Bearer wrong", "h2", n}, {"Authorization: Basic Og==", "h2", n}, {"Authorization: Bearer alice-token", "h2", 1}, {"Authorization: Bearer admin-token", "h2", 1},
		{"Authorization:", "https", 1}, {"Authorization: Bearer wrong", "https", 1}, {"Authorization:", "h2c", 1}, {"Authorization: Bearer wrong", "h2c", 1}, {"Authorization:", "http", 1},
	} {
		l := r.listeners[slices.IndexFunc(r.listeners, func(l *listener) bool { return (l.role == "https") == (c.kind == "https" || c.kind == "h2") })]
		before, client := l.accepted.Load(), r.client(c.kind)
		for range n {
			if _, err := r.send(client, c.kind, "GET", "/version", nil, c.auth); err != nil {
				t.Errorf("%s %s: %v", c.kind, c.auth, err)
			}
		}
		// A client may open one more: when the end of a connection reaches it while its
		// next request is on the way there, it sends that again; and when it sends the second
		// request before its pool has the connection of the first (net/http).
		if got := l.accepted.Load() - before; got < c.conns || c.conns == 1 && got > 2 {
			t.Errorf("%s, %s: %d connections for %d requests, want %d", c.kind, c.auth, got, n, c.conns)
		}
	}
}

// TestWarningsOnTheWire: who may warn, until when, and on which answers it shows.
func TestWarningsOnTheWire(t *testing.T) {
	type key struct{}
	r := startProgram(t, func(s *Server) {
		on := func(path string, h http.HandlerFunc) { _ = s.Handle(path, h) }
		on("/one", func(w http.ResponseWriter, r *http.Request) { AddWarning(r.Context(), "", "one") })
		on("/derived", func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, 1))
			defer cancel()
			AddWarning(ctx, "agent", "derived")
		})
		on("/late", func(w http.ResponseWriter, r *http.Request) {
			AddWarning(r.Context(), "", "early")
			w.WriteHeader(200)
			AddWarning(r.Context(), "", "late")
		})
		on("/twice", func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				AddWarning(r.Context(), "", "a")
				AddWarning(r.Context(), "x", "a")
				AddWarning(r.Context(), "", "b")
			}
		})
		on("/fail", func(w http.ResponseWriter, r *http.Request) {
			AddWarning(r.Context(), "", "before it failed")
			status.Write(w, r, status.BadRequest("no"))
		})
		on("/panic", func(w http.ResponseWriter, r *http.Request) {
			AddWarning(r.Context(), "", "before it panicked")
			panic("as asked")
		})
		on("/own", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Warning", `199 - "mine"`)
			AddWarning(r.Context(), "", "ours")
		})
		on("/many", func(w http.ResponseWriter, r *http.Request) {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() { AddWarning(r.Context(), "", fmt.Sprint("w", i)) })
			}
			all.Wait()
		})
		on("/forged", func(w http.ResponseWriter, r *http.Request) {
			AddWarning(r.Context(), "a\r\nX-Forged: 1", "b\r\nX-Forged: 1")
		})
	})
	AddWarning(context.Background(), "", "outside of everything") // to nobody, and no harm
	matrix(t, func(t *testing.T, kind string) {
		for path, want := range map[string][]string{
			"/one": {`299 - "one"`}, "/derived": {`299 agent "derived"`}, "/late": {`299 - "early"`}, "/twice": {`299 - "a"`, `299 - "b"`}, "/fail": {`299 - "before it failed"`}, "/panic": {`299 - "before it panicked"`},
			"/own": {`199 - "mine"`, `299 - "ours"`}, "/forged": {`299 a--X-Forged:-1 "bX-Forged: 1"`}, "/version": nil, "/nowhere": nil,
		} {
			if got := r.get(kind, path).header; !slices.Equal(got["Warning"], want) || got.Get("X-Forged") != "" {
				t.Errorf("%s: got %q, want %q", path, got["Warning"], want)
			}
		}
		got := slices.Sorted(slices.Values(r.get(kind, "/many").header["Warning"]))
		if len(got) != 8 || got[0] != `299 - "w0"` || got[7] != `299 - "w7"` {
			t.Errorf("/many: %q", got)
		}
		spaces := "Authorization: Bearer  admin-token"
		want, code := []string{`299 - "the provided Authorization header contains extra space before the bearer token, and is ignored"`}, 403
		if kind == "http" || kind == "h2c" {
			want, code = nil, 200
		}
		if got := r.get(kind, "/one", spaces); got.status != code || code == 403 && !slices.Equal(got.header["Warning"], want) {
			t.Errorf("spaces before the token: got %d %q, want %d %q", got.status, got.header["Warning"], code, want)
		}
	})
}

// TestWarningBounds: upstream's bounds to the character, for texts of one and of several
// bytes a character.
func TestWarningBounds(t *testing.T) {
	for _, letter := range []string{"x", "é", "漢", "🙂"} {
		for _, c := range []struct {
			name string
			in   []int // characters of each text
			want []int // characters that are sent
		}{
			{"at the bound", []int{4096}, []int{4096}},
			{"in parts", []int{2000, 2000, 96}, []int{2000, 2000, 96}},
			{"one above", []int{2000, 2000, 97}, []int{256, 256, 97}},
			{"one alone above", []int{4097}, []int{256}},
			{"long after a cut", []int{4097, 300, 255}, []int{256, 256, 255}},
			{"sixteen fit", slices.Repeat([]int{300}, 17), slices.Repeat([]int{256}, 16)},
			{"short ones behind the bound", append(slices.Repeat([]int{300}, 17), 2), slices.Repeat([]int{256}, 16)},
			{"a short one fits where a long one does not", append(slices.Repeat([]int{300}, 15), 100, 400, 100), append(slices.Repeat([]int{256}, 15), 100, 100)},
		} {
			w := warnings{enabled: true}
			for i, n := range c.in {
				w.addLocked("", fmt.Sprint(i%10)+string(rune('a'+i/10))+strings.Repeat(letter, n-2))
			}
			h := http.Header{}
			w.headerLocked(h)
			var got []int
			for _, line := range h["Warning"] {
				text, ok := strings.CutPrefix(line, `299 - "`)
				if !ok || !strings.HasSuffix(text, `"`) {
					t.Errorf("%s: %.60q", c.name, line)
				}
				got = append(got, len([]rune(text))-1)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s of %q: got %v, want %v", c.name, letter, got, c.want)
			}
		}
	}
	w := warnings{} // in front of the recorder
	if w.addLocked("", "dropped"); len(w.list) != 0 {
		t.Errorf("kept %v in front of the recorder", w.list)
	}
}

// TestAuditIDOfHandler: one that sets another ID keeps it; one that only looks sees ours.
func TestAuditIDOfHandler(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/look", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, w.Header().Get("Audit-Id")) }))
		_ = s.Handle("/set", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Audit-Id", "another") }))
	})
	for _, kind := range []string{"https", "h2"} {
		if got := r.get(kind, "/look", "Audit-ID: mine"); got.body != "mine" || got.header.Get("Audit-Id") != "mine" {
			t.Errorf("%s: the handler sees %q, the client %q", kind, got.body, got.header.Get("Audit-Id"))
		}
		if got := r.get(kind, "/set", "Audit-ID: mine").header["Audit-Id"]; !slices.Equal(got, []string{"another"}) {
			t.Errorf("%s: %q, want the handler's alone", kind, got)
		}
	}
}
