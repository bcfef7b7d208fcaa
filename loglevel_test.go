package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"apichain/admin"
	"apichain/internal/request"
)

// logged are the requests, by name, that have an access record in the log.
func (l *lines) logged(names []string) string {
	var out []string
	for _, name := range names {
		for line := range strings.Lines(l.String()) {
			if strings.Contains(line, "msg=HTTP ") && strings.Contains(line, " audit-ID="+name+" ") {
				out = append(out, name)
			}
		}
	}
	return strings.Join(out, " ")
}

// Rules by user, route, resource and every other fact: whose access records are written,
// and how many requests each rule has taken. Requests are of several users, on both
// listeners, some refused.
func TestLogLevel(t *testing.T) {
	const maps, route = "/api/v1/namespaces/default/configmaps", "core:container:GET:/api/v1/namespaces/{namespace}/configmaps"
	requests := []struct{ name, kind, method, path, header string }{
		{"list", "https", "GET", maps, ""},
		{"get", "h2", "GET", maps + "/kube-root-ca.crt", ""},
		{"alice", "https", "GET", maps, "Authorization: Bearer alice-token"}, // 403
		{"carol", "https", "GET", maps, "Impersonate-User: carol"},           // admin as carol: 403
		{"wrong", "https", "GET", maps, "Authorization: Bearer wrong"},       // 401: no user is known
		{"plain", "http", "GET", "/version", ""},
		{"lost", "http", "GET", "/nowhere", ""},     // no route
		{"bad", "http", "GET", "/a/../version", ""}, // refused before anything is known of it
		{"other", "https", "DELETE", "/apis/coordination.k8s.io/v1/namespaces/n/leases/none", ""},
	}
	var names []string
	for _, q := range requests {
		names = append(names, q.name)
	}
	all := strings.Join(names, " ")
	for _, c := range []struct {
		usual, rules string
		want         string // the records
		hits         string
	}{
		{"-v=2", ``, "", ""},
		{"-v=3", ``, all, ""},
		{"-v=2", `{"match":{"user":["alice"]},"verbosity":6}`, "alice", "1"},
		{"-v=2", `{"match":{"user":["carol"]},"verbosity":3}`, "carol", "1"},
		{"-v=2", `{"match":{"user":["admin","alice"]},"verbosity":3}`, "list get alice other", "4"},
		{"-v=2", `{"match":{"user":["a*"]},"verbosity":2}`, "", "4"},
		{"-v=2", `{"match":{"user":["*"]},"verbosity":10}`, "list get alice carol plain lost other", "7"},
		{"-v=2", `{"match":{"route":["` + route + `"]},"verbosity":3}`, "list alice carol wrong", "4"},
		{"-v=2", `{"match":{"resource":["configmaps"]},"verbosity":3}`, "list get alice carol wrong", "5"},
		{"-v=2", `{"match":{"resource":["leases.coordination.k8s.io"]},"verbosity":3}`, "other", "1"},
		{"-v=2", `{"match":{"resource":[""]},"verbosity":3}`, "plain lost", "2"},
		{"-v=2", `{"match":{"resource":["*"]},"verbosity":3}`, "list get alice carol wrong other", "6"},
		{"-v=2", `{"match":{"resource":["configmaps"],"user":["admin"],"verb":["get"]},"verbosity":3}`, "get", "1"},
		{"-v=2", `{"match":{"server":["core"],"listener":["https"]},"verbosity":3}`, "list get alice carol wrong other", "6"},
		{"-v=2", `{"match":{"listener":["http"]},"verbosity":3}`, "plain lost bad", "3"},
		{"-v=2", `{"match":{"path":["/version"]},"verbosity":3}`, "plain", "1"},
		{"-v=2", `{"match":{"path":["/api/*"]},"verbosity":3}`, "list get alice carol wrong", "5"},
		{"-v=2", `{"match":{"method":["DELETE"]},"verbosity":3}`, "other", "1"},
		{"-v=2", `{"match":{"verb":["list","delete"]},"verbosity":3}`, "list alice carol wrong other", "5"},
		{"-v=2", `{"match":{"namespace":["n"]},"verbosity":3}`, "other", "1"},
		{"-v=2", `{"match":{"namespace":[""]},"verbosity":3}`, "plain lost", "2"},
		{"-v=2", `{"match":{"name":["kube-*","none"]},"verbosity":3}`, "get other", "2"},
		{"-v=2", `{"match":{"group":["dev"]},"verbosity":3}`, "alice", "1"},
		{"-v=2", `{"match":{},"verbosity":3}`, all, "9"},
		{"-v=2", `{"match":{"user":["alice"]},"verbosity":3},{"match":{"method":["GET"]},"verbosity":1}`, "alice", "1 8"}, // the highest holds
		{"-v=3", `{"match":{"user":["alice"]},"verbosity":0}`, strings.Replace(all, "alice ", "", 1), "1"},                // and of one alone it is the rule's
		{"-v=3", `{"match":{},"verbosity":2},{"match":{"path":["/version"]},"verbosity":3}`, "plain", "9 1"},
	} {
		log := &lines{}
		p := newTestProgramLog(t, log, c.usual, "--token-auth-file=testdata/tokens.csv")
		p.fire(p.signals.muxAndDiscoveryComplete, "")
		if c.rules != "" {
			p.ruled(t, c.rules)
		}
		for _, q := range requests {
			listener, major := "https", 1
			if q.kind == "http" {
				listener = "http"
			}
			if q.kind == "h2" {
				major = 2
			}
			header := []string{"Audit-ID: " + q.name}
			if listener == "https" && !strings.HasPrefix(q.header, "Authorization") {
				header = append(header, "Authorization: Bearer admin-token")
			}
			if q.header != "" {
				header = append(header, q.header)
			}
			p.sendTo(listener, major, q.method, q.path, header...)
		}
		if got := log.logged(names); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.usual, c.rules, got, c.want)
		}
		var hits []string
		for _, r := range (source{p}).LogLevel().Rules {
			hits = append(hits, fmt.Sprint(r.Hits))
		}
		if got := strings.Join(hits, " "); got != c.hits {
			t.Errorf("%s %s: hits %s, want %s", c.usual, c.rules, got, c.hits)
		}
	}
}

// ruled sets rules as a PUT does.
func (p *program) ruled(t testing.TB, rules string) {
	t.Helper()
	r := httptest.NewRequest("PUT", "/admin/v1/loglevel", strings.NewReader(`{"rules":[`+rules+`]}`))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-Match", "*")
	w := httptest.NewRecorder()
	p.adminHandler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", rules, w.Code, w.Body)
	}
}

// sendTo sends one request through a chain; header lines are "Name: value".
func (p *program) sendTo(listener string, major int, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host, r.ProtoMajor, r.ProtoMinor = "localhost", major, 2-major
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	p.chain(listener).ServeHTTP(w, r)
	return w
}

// Debug lines: those written with a request's context follow its rules, by what is known
// of it then; those of no request follow rules without keys.
func TestDebugLines(t *testing.T) {
	for _, c := range []struct {
		usual, rules    string
		alice, bob, own bool
	}{
		{"-v=2", ``, false, false, false},
		{"-v=4", ``, true, true, true},
		{"-v=2", `{"match":{"user":["alice"]},"verbosity":4}`, true, false, false},
		{"-v=2", `{"match":{"user":["alice"]},"verbosity":3}`, false, false, false},
		{"-v=2", `{"verbosity":4}`, true, true, true},
		{"-v=4", `{"verbosity":3}`, false, false, false},
		{"-v=4", `{"match":{"user":["bob"]},"verbosity":3}`, true, false, true},
		{"-v=4", `{"verbosity":2},{"match":{"user":["bob"]},"verbosity":9}`, false, true, false},
		{"-v=4", `{"match":{"listener":["admin"]},"verbosity":0}`, true, true, true},
	} {
		for _, form := range []string{"text", "json"} {
			log := &lines{}
			p := newTestProgramLog(t, log, c.usual, "--token-auth-file=testdata/tokens.csv", "--logging-format="+form)
			_ = p.outermost.Handle("/log", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				who := UserFrom(r.Context()).Name
				p.log.With("a", 1).WithGroup("g").DebugContext(r.Context(), "debug of "+who)
				p.log.InfoContext(r.Context(), "info of "+who)
			}))
			if c.rules != "" {
				p.ruled(t, c.rules)
			}
			for _, who := range []string{"alice", "bob"} {
				p.sendTo("https", 1, "GET", "/log", "Authorization: Bearer admin-token", "Impersonate-User: "+who, "Impersonate-Group: system:masters")
			}
			_, _ = complaints{p, "https"}.Write([]byte("http: debug of nobody"))
			for who, want := range map[string]bool{"alice": c.alice, "bob": c.bob, "nobody": c.own} {
				if got := log.has("debug of " + who); got != want {
					t.Errorf("%s %s: a debug line of %s: %v, want %v", c.usual, c.rules, who, got, want)
				}
			}
			if !log.has("info of alice") || !log.has("info of bob") {
				t.Errorf("%s %s: a line is lost:\n%s", c.usual, c.rules, log)
			}
		}
	}
}

// Over a real program: from PUT to DELETE, with the row of the chain that says so.
func TestLogLevelOverHTTP(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	row := func() (enabled bool, why string) {
		t.Helper()
		for _, c := range (source{r.program}).Chain() {
			for _, f := range c.Filters {
				if f.Name == "access-record" {
					enabled, why = f.Enabled, f.OffReason
				}
			}
		}
		return enabled, why
	}
	get := func(id string) {
		t.Helper()
		if got := r.get("https", "/version", "Audit-ID: "+id); got.status != 200 {
			t.Errorf("%s: %d", id, got.status)
		}
	}
	if enabled, why := row(); enabled || why != "-v is below 3, and so is every rule of the log level" {
		t.Errorf("access-record: %v %q", enabled, why)
	}
	get("before")
	set := r.setControl("loglevel", `{"rules":[{"match":{"path":["/version"]},"verbosity":3},{"match":{"user":["nobody"]},"verbosity":2}],"expiresIn":"5m"}`)
	if enabled, why := row(); !enabled || why != "" {
		t.Errorf("access-record: %v %q", enabled, why)
	}
	get("during")
	get("again")
	r.quiet(t, func() bool { return r.err.has("audit-ID=again") }, "the access record")
	got := r.look("/admin/v1/loglevel", nil).body
	if want := `"note":"","default":2,"rules":[{"id":"1","match":{"path":["/version"]},"verbosity":3,"hits":2},{"id":"2","match":{"user":["nobody"]},"verbosity":2,"hits":0}]}`; !strings.Contains(got, want) || set["default"] != 2.0 {
		t.Errorf("got %s\nwant %s", got, want)
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(r.url("https", ""), "https://"), &tls.Config{MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true})
	if err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	r.clearControl("loglevel")
	get("after")
	if enabled, _ := row(); enabled {
		t.Error("access-record is still on")
	}
	r.stopAndLook()
	if got := r.err.logged([]string{"before", "during", "again", "after"}); got != "during again" || r.err.has("level=DEBUG") {
		t.Errorf("logged %s:\n%s", got, r.err)
	}
}

// What a request pays for the log level while no rule is set, beside one.
func BenchmarkLogLevel(b *testing.B) {
	p := newTestProgram(b)
	x := &exchange{chain: p.chain("https"), acting: &request.User{Name: "alice"}, user: &request.User{Name: "alice"}}
	x.at.Store(int32(len(x.chain.rows)))
	b.Run("no rule", func(b *testing.B) {
		for b.Loop() {
			_ = p.logLevel.of(x, true)
		}
	})
	if err := (source{p}).SetLogLevel(admin.Setting{By: "alice", For: 1 << 40}, []admin.LogRule{{ID: "1", Match: admin.Match{"user": {"alice"}}, Verbosity: 0}}); err != nil {
		b.Fatal(err)
	}
	b.Run("a rule by user", func(b *testing.B) {
		for b.Loop() {
			_ = p.logLevel.of(x, true)
		}
	})
}

// A handler without lines of its own: the program's log keeps what its attributes need.
func TestLevelledKeepsItsControl(t *testing.T) {
	p := newTestProgramLog(t, io.Discard, "-v=2")
	for _, l := range []*slog.Logger{p.log, p.log.With("a", 1), p.log.WithGroup("g"), p.log.With("a", 1).WithGroup("g")} {
		if l.Enabled(context.Background(), slog.LevelDebug) || !l.Enabled(context.Background(), slog.LevelInfo) {
			t.Error("-v 2 has debug lines, or no others")
		}
	}
	p.ruled(t, `{"verbosity":4}`)
	for _, l := range []*slog.Logger{p.log, p.log.With("a", 1), p.log.WithGroup("g")} {
		if !l.Enabled(context.Background(), slog.LevelDebug) {
			t.Error("a rule is not followed")
		}
	}
}
