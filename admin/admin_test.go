package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// Each request fails the check of its row and every later one that it can fail, so the
// table holds the contract's order: path, Host, Origin, path known, method, Accept, query.
func TestFirstFailingCheckAnswers(t *testing.T) {
	const own, evil = "Origin: http://localhost:8081", "Origin: http://evil.example"
	for _, c := range []struct {
		name    string
		request string
		header  []string
		code    int
		reason  string
		message string // part of it
	}{
		{"path, before all", "PUT /a/../b?x=1", []string{"Host: evil.example", evil, "Accept: image/png"}, 400, "BadRequest", "dot segment"},
		{"Host", "PUT /nowhere?x=1", []string{"Host: evil.example", evil, "Accept: image/png"}, 403, "Forbidden", `Host "evil.example"`},
		{"no Host", "/admin/", []string{"Host: "}, 403, "Forbidden", `Host ""`},
		{"Origin", "PUT /nowhere?x=1", []string{evil, "Accept: image/png"}, 403, "Forbidden", `Origin "http://evil.example"`},
		{"Origin null", "/admin/", []string{"Origin: null"}, 403, "Forbidden", `Origin "null"`},
		{"Origin empty", "/admin/", []string{"Origin: "}, 403, "Forbidden", `Origin ""`},
		{"Origin of another port", "/admin/", []string{"Origin: http://localhost:8080"}, 403, "Forbidden", "only its own page"},
		{"Origin with TLS, listener without", "/admin/", []string{"Origin: https://localhost:8081"}, 403, "Forbidden", "only its own page"},
		{"Origin twice", "/admin/", []string{own, own}, 403, "Forbidden", "only its own page"},
		{"cross-site without Origin", "PUT /nowhere", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 403, "Forbidden", "another site"},
		{"no-cors from the same site", "/admin/", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"}, 403, "Forbidden", "no-cors"},
		{"no-cors without a site", "/admin/", []string{"Sec-Fetch-Mode: no-cors"}, 403, "Forbidden", "no-cors"},
		{"no-cors with our own Origin", "/admin/", []string{own, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Site: same-site"}, 403, "Forbidden", "no-cors"},
		{"unknown path", "PUT /nowhere?x=1", []string{"Accept: image/png"}, 404, "NotFound", "/admin/ lists"},
		{"root", "/", nil, 404, "NotFound", "begins at /admin/"},
		{"without the slash", "/admin", nil, 404, "NotFound", "/admin/ lists"},
		{"below a list", "/admin/v1/routes/x", nil, 404, "NotFound", "/admin/ lists"},
		{"a serving path", "/api/v1/namespaces", nil, 404, "NotFound", "/admin/ lists"},
		{"health is the serving side's", "/livez", nil, 404, "NotFound", "/admin/ lists"},
		{"cmdline", "/debug/pprof/cmdline", nil, 404, "NotFound", "/admin/ lists"},
		{"method", "PUT /admin/v1/routes?x=1", []string{"Accept: image/png"}, 405, "MethodNotAllowed", `/admin/v1/routes takes GET, HEAD, not "PUT"`},
		{"OPTIONS", "OPTIONS /admin/", []string{own}, 405, "MethodNotAllowed", "OPTIONS"},
		{"method of metrics", "POST /metrics", nil, 405, "MethodNotAllowed", "POST"},
		{"method of profiles", "POST /debug/pprof/heap", nil, 405, "MethodNotAllowed", "POST"},
		{"Accept", "/admin/v1/routes?x=1", []string{"Accept: image/png"}, 406, "NotAcceptable", "application/json and text/plain"},
		{"Accept of a page alone", "/admin/v1/routes", []string{"Accept: text/html"}, 406, "NotAcceptable", "application/json"},
		{"Accept of neither index nor page", "/admin/", []string{"Accept: image/png"}, 406, "NotAcceptable", "text/html"},
		{"Accept of a stream", "/admin/v1/hooks", []string{"Accept: text/event-stream"}, 406, "NotAcceptable", "application/json"},
		{"Accept of metrics", "/metrics", []string{"Accept: application/json"}, 406, "NotAcceptable", "text/plain"},
		{"query", "/admin/v1/routes?x=1", nil, 400, "BadRequest", `"x": known are id, server, kind`},
		{"query of build", "/admin/v1/build?x=1", nil, 400, "BadRequest", `"x": known are pretty, wide`},
		{"query of metrics", "/metrics?x=1", nil, 400, "BadRequest", "none here"},
		{"query that cannot be read", "/admin/v1/routes?a=%zz", nil, 400, "BadRequest", "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newFake(t)
			w := ask(t, handlerOf(t, src), c.request, c.header...)
			status := decode(t, w)
			if w.Code != c.code || status["reason"] != c.reason || !strings.Contains(status["message"].(string), c.message) {
				t.Errorf("%d %s, want %d %s with %q", w.Code, w.Body, c.code, c.reason, c.message)
			}
			if status["kind"] != "Status" || status["apiVersion"] != "v1" || status["status"] != "Failure" || status["code"] != float64(c.code) {
				t.Errorf("no Status: %s", w.Body)
			}
			if allow := w.Header().Get("Allow"); (allow == "GET, HEAD") != (c.code == 405) {
				t.Errorf("Allow %q with %d", allow, c.code)
			}
			checkHeader(t, w.Header(), formJSON)
			reported := src.refused()
			if want := c.code == 403 || c.code == 405; (len(reported) == 1) != want {
				t.Errorf("reported %+v", reported)
			}
			for _, r := range reported {
				if r.Code != c.code || r.Reason != c.reason || r.Message != status["message"] || r.AuditID != "the-audit-id" || !strings.HasPrefix(c.request, r.Method+" "+r.Path) && c.request != r.Path {
					t.Errorf("reported %+v", r)
				}
			}
		})
	}
}

// checkHeader holds for every answer.
func checkHeader(t *testing.T, h http.Header, contentType string) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type": contentType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Audit-Id": "the-audit-id", "ETag": `"1795411387412"`,
	} {
		if got := h.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s is sent", name)
		}
	}
}

// What passes: our own page, a browser's address line, tools, and everything over a
// socket in the file system, which no browser reaches.
func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		form   string
	}{
		{"curl", []string{"Accept: */*"}, formJSON},
		{"nothing", nil, formJSON},
		{"own page", []string{"Origin: http://localhost:8081", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"}, formJSON},
		{"own page without Origin", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors"}, formJSON},
		{"own Origin, odd site", []string{"Origin: http://LOCALHOST:8081", "Sec-Fetch-Site: cross-site"}, formJSON},
		{"address line", []string{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, formJSON},
		{"a link on the same site", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate"}, formJSON},
		{"text", []string{"Accept: text/plain"}, formText},
		{"unix", []string{"Test-Unix: yes", "Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site"}, formJSON},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newFake(t)
			w := ask(t, handlerOf(t, src), "/admin/v1/hooks", c.header...)
			if w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			checkHeader(t, w.Header(), c.form)
			if r := src.refused(); len(r) > 0 {
				t.Errorf("reported %+v", r)
			}
		})
	}
}

// With TLS the listener's own origin has https.
func TestOriginWithTLS(t *testing.T) {
	s := httptest.NewTLSServer(New(newFake(t), Options{
		CheckPath: func(*http.Request) *Error { return nil }, HostAllowed: func(string) bool { return true }, UnixSocket: func(*http.Request) bool { return false },
		Identify: identifyTest, Authorize: authorizeTest, AuditID: func(*http.Request) string { return "x" }, Now: nowZero,
	}))
	defer s.Close()
	for origin, want := range map[string]int{s.URL: 200, strings.Replace(s.URL, "https", "http", 1): 403} {
		r, err := http.NewRequest("GET", s.URL+"/admin/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Origin %s: %d, want %d", origin, resp.StatusCode, want)
		}
	}
}

func TestNegotiate(t *testing.T) {
	both := []string{formJSON, formText}
	for _, c := range []struct {
		accept, want string
	}{
		{"", formJSON},
		{" ", formJSON},
		{"*/*", formJSON},
		{"application/*", formJSON},
		{"text/*", formText},
		{"Text/PLAIN; charset=utf-8", formText},
		{"text/plain, application/json", formJSON},
		{"application/json;q=0.5, text/plain", formText},
		{"text/plain;q=0.5, application/json;Q=0.4", formText},
		{"text/plain, */*", formText},
		{"*/*, application/json;q=0", formText},
		{"*/*;q=0.9, text/plain;q=0.1", formJSON},
		{"application/json;q=0", ""},
		{"application/json;q=2", ""},
		{"application/json;q=NaN", ""},
		{"application/json;q=", ""},
		{"text/html", ""},
		{"application/vnd.kubernetes.protobuf", ""},
		{",;,", ""},
	} {
		got, ok := negotiate([]string{c.accept}, both)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Accept %q: %q %v, want %q", c.accept, got, ok, c.want)
		}
	}
	if got, _ := negotiate([]string{"text/html", "text/plain"}, both); got != formText {
		t.Errorf("Accept in two lines: %q", got)
	}
}

// An Error of the program's own check keeps its status and ends the connection. CONNECT
// has an Allow, as every 405.
func TestErrorsOfTheProgram(t *testing.T) {
	src := newFake(t)
	h := New(src, Options{
		CheckPath: func(*http.Request) *Error {
			return &Error{Code: 405, Reason: "MethodNotAllowed", Message: "no proxy", Close: true}
		},
		AuditID: func(*http.Request) string { return "x" }, Now: nowZero,
	})
	r := httptest.NewRequest("GET", "/"+strings.Repeat("p", 3000), nil)
	r.Method = strings.Repeat("M", 100)
	r.Header.Set("User-Agent", strings.Repeat("u", 255)+"\xff\xff")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 405 || w.Header().Get("Connection") != "close" || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	want := []Refusal{{"x", strings.Repeat("M", 32), "/" + strings.Repeat("p", 2047), r.RemoteAddr, strings.Repeat("u", 255) + "\uFFFD", Identity{}, 405, "MethodNotAllowed", "no proxy", ""}}
	if got := src.refused(); !reflect.DeepEqual(got, want) {
		t.Errorf("reported\n got %+v\nwant %+v", got, want)
	}
}

// HEAD is GET without a body: the same status and header, through a real server.
func TestHead(t *testing.T) {
	src := newFake(t)
	s := httptest.NewServer(handlerOf(t, src))
	defer s.Close()
	send := func(method, path, accept string) (*http.Response, string) {
		r, err := http.NewRequest(method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "localhost"
		r.Header.Set("Accept", accept)
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Header.Del("Date")
		return resp, string(b)
	}
	for _, path := range []string{"/admin/", "/admin/v1/routes", "/admin/v1/routes?x=1", "/admin/v1/build", "/nowhere", "/metrics", "/debug/pprof/", "/admin/v1/watches", "/admin/v1/snapshot", "/admin/v1/snapshot?pretty=1", "/admin/v1/reset"} {
		for _, accept := range []string{"*/*", "text/plain"} {
			get, body := send("GET", path, accept)
			head, none := send("HEAD", path, accept)
			if path == "/debug/pprof/" { // it counts goroutines, and so do we
				get.Header.Del("Content-Length")
				head.Header.Del("Content-Length")
			}
			if none != "" || body == "" {
				t.Errorf("%s %s: bodies %q of HEAD and %q of GET", path, accept, none, body)
			}
			if head.StatusCode != get.StatusCode || !reflect.DeepEqual(head.Header, get.Header) {
				t.Errorf("%s %s:\nHEAD %d %v\n GET %d %v", path, accept, head.StatusCode, head.Header, get.StatusCode, get.Header)
			}
		}
	}
}

// One line, or indented when asked.
func TestPretty(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for query, lines := range map[string]bool{"": false, "?pretty=false": false, "?pretty=true": true, "?pretty=1": true} {
		body := ask(t, h, "/admin/v1/routes"+query).Body.String()
		if got := strings.Count(body, "\n") > 1; got != lines || !strings.HasSuffix(body, "}\n") || !json.Valid([]byte(body)) {
			t.Errorf("%q: many lines %v, want %v", query, got, lines)
		}
	}
	if w := ask(t, h, "/admin/v1/routes?pretty=true&x=1"); w.Code != 400 || strings.Count(w.Body.String(), "\n") < 2 {
		t.Errorf("a refusal is not indented: %d %s", w.Code, w.Body)
	}
}
