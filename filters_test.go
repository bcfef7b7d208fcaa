package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWarnings: the wire form, what is dropped, and upstream's bounds.
func TestWarnings(t *testing.T) {
	add := func(texts ...string) []string {
		w := warnings{enabled: true}
		for _, s := range texts {
			w.addLocked("", s)
		}
		h := http.Header{}
		w.headerLocked(h)
		return h["Warning"]
	}
	for _, c := range []struct{ texts, want []string }{
		{[]string{"a", "", "b", "a"}, []string{`299 - "a"`, `299 - "b"`}},
		{[]string{`quote " and \`}, []string{`299 - "quote \" and \\"`}},
		{[]string{"line\r\nX-Forged: 1\x00"}, []string{`299 - "lineX-Forged: 1"`}},
		{[]string{"\xff"}, nil},
		{[]string{strings.Repeat("é", 4096)}, []string{`299 - "` + strings.Repeat("é", 4096) + `"`}},
		{[]string{strings.Repeat("é", 4097)}, []string{`299 - "` + strings.Repeat("é", 256) + `"`}},
	} {
		if got := add(c.texts...); !slices.Equal(got, c.want) {
			t.Errorf("%.40q: got %.80q, want %.80q", c.texts, got, c.want)
		}
	}
	var many []string
	for i := range 20 {
		many = append(many, fmt.Sprint(i, strings.Repeat("x", 300)))
	}
	got := add(many...)
	if len(got) != 16 { // 16 of 256 characters are 4,096
		t.Errorf("%d warnings beyond the bound, want 16", len(got))
	}
	for _, s := range got {
		if len(s) != len(`299 - ""`)+256 {
			t.Errorf("a warning of %d bytes: %.40s", len(s), s)
		}
	}
	w := warnings{enabled: true}
	w.addLocked(`agent "x"`, "a")
	h := http.Header{}
	w.headerLocked(h)
	if got := h.Get("Warning"); got != `299 agent--x- "a"` {
		t.Errorf("agent: %q", got)
	}
}

// TestIdentity: who is let in, as whom, and what the handler gets to see of it.
func TestIdentity(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/who", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u := UserFrom(r.Context())
			var left []string
			for name := range r.Header {
				if strings.HasPrefix(name, "Impersonate") || strings.HasPrefix(name, "X-Remote") || name == "Authorization" {
					left = append(left, name)
				}
			}
			fmt.Fprint(w, u.Name, " ", strings.Join(u.Groups, ","), " ", left)
		}))
	})
	unauthorized := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}` + "\n"
	denied := func(user string) string {
		return `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"forbidden: User \"` + user + `\" cannot get path \"/who\"","reason":"Forbidden","details":{},"code":403}` + "\n"
	}
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"token", nil, 200, "admin system:masters,system:authenticated []"},
		{"scheme in other case", []string{"Authorization: bEaReR admin-token"}, 200, "admin system:masters,system:authenticated []"},
		{"wrong token", []string{"Authorization: Bearer wrong"}, 401, unauthorized},
		{"no permission", []string{"Authorization: Bearer alice-token"}, 403, denied("alice")},
		{"anonymous", []string{"Authorization:"}, 403, denied("system:anonymous")},
		{"forged proxy header", []string{"X-Remote-User: evil", "X-Remote-Group: system:masters"}, 200, "admin system:masters,system:authenticated []"},
		{"impersonated", []string{"Impersonate-User: bob", "Impersonate-Group: system:masters"}, 200, "bob system:masters,system:authenticated []"},
		{"impersonated without permission", []string{"Impersonate-User: bob"}, 403, denied("bob")},
		{"not allowed to", []string{"Authorization: Bearer alice-token", "Impersonate-User: bob"}, 403, ""},
		{"groups alone", []string{"Impersonate-Group: x"}, 400, ""},
	} {
		for _, kind := range []string{"https", "h2"} {
			got := r.get(kind, "/who", c.header...)
			if got.status != c.status || c.body != "" && got.body != c.body {
				t.Errorf("%s, %s: got %d %q, want %d %q", kind, c.name, got.status, got.body, c.status, c.body)
			}
			if c.status == 401 && got.header.Get("Www-Authenticate") != "" {
				t.Errorf("%s: WWW-Authenticate %q, upstream sends none", c.name, got.header.Get("Www-Authenticate"))
			}
			if c.status == 403 && got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: no nosniff", c.name)
			}
		}
	}
	if got := r.get("http", "/who", "Authorization: Bearer wrong", "Impersonate-User: bob"); got.status != 200 || !strings.HasPrefix(got.body, "system:unsecured system:masters,system:authenticated") {
		t.Errorf("plain: got %d %q, want the superuser whatever is sent", got.status, got.body)
	}
	// On HTTP/2 a connection without an identity ends with its answer.
	c := r.client("h2")
	for range 2 {
		if got, err := r.send(c, "h2", "GET", "/version", nil, "Authorization:"); err != nil || got.status != 200 {
			t.Errorf("anonymous: %d %v", got.status, err)
		}
	}
	if n := r.listeners[1].accepted.Load(); n == 0 {
		t.Error("nothing was accepted")
	}
}

// TestMaxInFlight: so many at a time, reading and writing apart; who is above the limit.
func TestMaxInFlight(t *testing.T) {
	g := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/apis/slow", g) }, "--max-requests-inflight=2", "--max-mutating-requests-inflight=1")
	alice := "Authorization: Bearer alice-token"
	tooMany := func(got reply) bool {
		return got.status == 429 && got.header.Get("Retry-After") == "1" && got.body == "Too many requests, please try again later.\n"
	}
	for _, kind := range []string{"http", "https"} {
		done := make(chan reply, 10)
		for range 2 {
			go func() { done <- r.get(kind, "/apis/slow", alice) }()
			await(t, "a reader", g.began)
		}
		if got := r.get(kind, "/apis/slow", alice); !tooMany(got) {
			t.Errorf("%s: a third reader: got %d %q, want 429", kind, got.status, got.body)
		}
		if got := r.get(kind, "/healthz", alice); !tooMany(got) {
			t.Errorf("%s: health is not exempt (upstream): got %d", kind, got.status)
		}
		if got, err := r.send(r.client(kind), kind, "POST", "/apis/none", nil, alice); err != nil || tooMany(got) {
			t.Errorf("%s: a writer has places of its own: got %d %v", kind, got.status, err)
		}
		if got := r.get(kind, "/version"); (got.status == 200) != (kind == "https") {
			t.Errorf("%s: a master: got %d; above the limit on TLS, and held to it where all are masters", kind, got.status)
		}
		for range 2 {
			g.release <- struct{}{}
			if got := await(t, "an answer", done); got.status != 200 {
				t.Errorf("%s: an admitted reader: got %d", kind, got.status)
			}
		}
		if got := r.get(kind, "/healthz", alice); got.status != 200 {
			t.Errorf("%s: after them: got %d", kind, got.status)
		}
	}
}

// TestHeaders: what is on every answer of the TLS listener.
func TestHeaders(t *testing.T) {
	r := startProgram(t, nil, "--strict-transport-security-directives=max-age=31536000,includeSubDomains", "--goaway-chance=0.02")
	for path, header := range map[string]string{"/version": "", "/nowhere": "", "/api": "Authorization: Bearer wrong"} {
		got := r.get("https", path, header)
		if v := got.header.Get("Strict-Transport-Security"); v != "max-age=31536000; includeSubDomains" {
			t.Errorf("%s: Strict-Transport-Security %q", path, v)
		}
		if v := got.header.Get("Cache-Control"); v != "no-cache, private" {
			t.Errorf("%s: Cache-Control %q", path, v)
		}
	}
	if got := r.get("http", "/version"); got.header.Get("Strict-Transport-Security") != "" {
		t.Error("the plain listener sends Strict-Transport-Security")
	}
	c, want := r.client("h2"), r.listeners[1].accepted.Load()+1
	for range 500 { // with a chance of 2 % none in 500 is one in 24,000
		if _, err := r.send(c, "h2", "GET", "/livez", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.listeners[1].accepted.Load(); got <= want {
		t.Error("no connection was ended by GOAWAY")
	}
}

// TestAuditOfEverything: each failure has its events, with the identity, the code and
// the reason, and nothing secret.
func TestAuditOfEverything(t *testing.T) {
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
		_ = s.Handle("/stuck", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	}, "--audit-policy-file="+policy, "--audit-log-path="+log)
	type event struct {
		AuditID, Stage, Verb, RequestURI string
		User                             struct{ Username string }
		ImpersonatedUser                 *struct{ Username string }
		ResponseStatus                   struct {
			Code            int
			Reason, Message string
		}
		Annotations map[string]string
	}
	cases := []struct {
		id, path string
		header   []string
		want     string
	}{
		{"ok", "/version", nil, "RequestReceived admin 0 | ResponseComplete admin 200 "},
		{"401", "/version", []string{"Authorization: Bearer secret-wrong-token"}, "ResponseStarted  401 Unauthorized"},
		{"403", "/nowhere", []string{"Authorization: Bearer alice-token"}, "RequestReceived alice 0 | ResponseComplete alice 403 Forbidden"},
		{"404", "/nowhere", nil, "RequestReceived admin 0 | ResponseComplete admin 404 "},
		{"timeout", "/version?timeout=x", nil, "ResponseStarted  400 BadRequest"},
		{"504", "/stuck?timeout=20ms", nil, "RequestReceived admin 0 | ResponseComplete admin 504 Timeout"},
		{"panic", "/panic", nil, "RequestReceived admin 0 | Panic admin 500 InternalError"},
		{"as", "/version", []string{"Impersonate-User: bob"}, "RequestReceived admin 0 | ResponseComplete admin as bob 200 "},
	}
	for _, c := range cases {
		r.get("https", c.path, append(c.header, "Audit-ID: "+c.id)...)
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for line := range bytes.Lines(b) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		text := e.Stage + " " + e.User.Username
		if e.ImpersonatedUser != nil {
			text += " as " + e.ImpersonatedUser.Username
		}
		text += " " + fmt.Sprint(e.ResponseStatus.Code)
		if e.Stage != "RequestReceived" {
			text += " " + e.ResponseStatus.Reason
		}
		got[e.AuditID] = append(got[e.AuditID], text)
	}
	for _, c := range cases {
		if text := strings.Join(got[c.id], " | "); text != c.want {
			t.Errorf("%s: got %q, want %q", c.id, text, c.want)
		}
	}
	for _, secret := range []string{"secret-wrong-token", "admin-token", "alice-token"} {
		if bytes.Contains(b, []byte(secret)) || r.err.has(secret) {
			t.Errorf("%s is in the audit log or the log", secret)
		}
	}
}

// TestEarlyRequest: before all paths are installed an unknown one may still come.
func TestEarlyRequest(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	got := p.through("https", "GET", "/nowhere", "Authorization: Bearer admin-token")
	if got.Code != 503 || got.Header().Get("Retry-After") != "5" || !strings.Contains(got.Body.String(), `"retryAfterSeconds":5`) {
		t.Errorf("early: got %d %v %s", got.Code, got.Header(), got.Body)
	}
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	if got := p.through("https", "GET", "/nowhere", "Authorization: Bearer admin-token"); got.Code != 404 || got.Body.String() != "404 page not found\n" {
		t.Errorf("afterwards: got %d %s", got.Code, got.Body)
	}
}

// TestWatchContextEnds: a watch outlives the time limit of requests, and its context
// ends between --min-request-timeout and twice that.
func TestWatchContextEnds(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.AddWebService(&WebService{Root: "/apis/example.com/v1", Routes: []Route{{Method: "GET", Path: "/things", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			fmt.Fprint(w, RequestInfoFrom(r.Context()).Verb, " ", r.Context().Err())
		})}}})
	}, "--request-timeout=1ms", "--min-request-timeout=50ms")
	for _, kind := range clientKinds {
		if got := r.get(kind, "/apis/example.com/v1/things?watch=1"); got.status != 200 || got.body != "watch context deadline exceeded" {
			t.Errorf("%s: got %d %q", kind, got.status, got.body)
		}
	}
}

// TestAccessRecord: one line for each request from -v 3 on, in either form, and no line
// that a client wrote.
func TestAccessRecord(t *testing.T) {
	for _, c := range []struct {
		args  []string
		lines int
	}{{[]string{"-v=2"}, 0}, {[]string{"-v=3"}, 2}, {[]string{"-v=3", "--logging-format=json"}, 2}} {
		r := startProgram(t, nil, c.args...)
		r.get("https", "/livez?token=secret&watch=0", "User-Agent: x\\nlevel=INFO msg=HTTP forged=\"1\"", "Audit-ID: a b")
		r.get("https", "/nowhere", "Authorization: Bearer wrong")
		if code := r.stop(); code != exitDrained {
			t.Errorf("exit code %d", code)
		}
		n := 0
		for line := range strings.SplitSeq(r.err.String(), "\n") {
			if strings.Contains(line, "msg=HTTP ") || strings.Contains(line, `"msg":"HTTP"`) {
				n++
			}
			if strings.HasPrefix(line, "level=") || c.args[len(c.args)-1] == "--logging-format=json" && line != "" && !json.Valid([]byte(line)) {
				t.Errorf("%q: a line that is not ours: %s", c.args, line)
			}
		}
		if n != c.lines || r.err.has("secret") || r.err.has("Bearer") {
			t.Errorf("%q: %d access records, want %d, and nothing secret:\n%s", c.args, n, c.lines, r.err)
		}
	}
}
