package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/status"
)

// rowText is a row of the admin API with what no test can foresee taken out.
func rowText(r map[string]any, without ...string) string {
	out := maps.Clone(r)
	for _, key := range without {
		delete(out, key)
	}
	b, _ := json.Marshal(out)
	return string(b)
}

// stopAndLook ends a program that has an admin listener without its last second.
func (r *running) stopAndLook() int {
	r.t.Helper()
	r.signal <- syscall.SIGTERM
	await(r.t, "HTTPServerStoppedListening", r.signals.httpServerStoppedListening.ch)
	r.look("/admin/v1/timeline", nil)
	return r.wait()
}

// TestRowsInFlight: what the admin listener shows of each sort of request while its
// handler works, wherever that request has got to, and that it shows no secret.
func TestRowsInFlight(t *testing.T) {
	at := make(chan string, 20)
	release := make(chan struct{})
	r := startProgram(t, func(s *Server) {
		stay := func(where string) { at <- where; <-release }
		_ = s.Handle("/silent", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stay("silent") }))
		_ = s.Handle("/begun", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.ReadFull(r.Body, make([]byte, 5))
			w.WriteHeader(202)
			io.WriteString(w, "0123456789")
			w.(http.Flusher).Flush()
			stay("begun")
		}))
		_ = s.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stay("thing") }))
		_ = s.AddWebService(&WebService{Root: "/w", Routes: []Route{{Method: "GET", Path: "/{name}", Operation: "getW", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stay("route") }), LongRunning: true}}})
		may := judge(func(_ *request.User, ri *request.Info) auth.Decision {
			if ri.Path == "/judged" {
				stay("judged")
			}
			return auth.Decision{}
		})
		s.program.authz = auth.Authorizers{may, s.program.authz}
	}, "--listen-admin=127.0.0.1:0")
	body, more := io.Pipe()
	defer more.Close()
	type sent struct {
		kind, method, path string
		body               io.Reader
		header             []string
	}
	done := make(chan string, 20)
	for _, q := range []sent{
		{"http", "GET", "/silent?token=hunter2&limit=5&%zz=hunter2", nil, []string{"Cookie: session=hunter2", "Authorization: Bearer hunter2"}},
		{"h2", "POST", "/begun", body, nil},
		{"https", "GET", "/apis/g.io/v1/namespaces/n/things/a/status?watch=1", nil, []string{"Impersonate-User: bob", "Impersonate-Group: system:masters"}},
		{"h2c", "GET", "/apis/g.io/v1/things?watch=1&labelSelector=a", nil, nil},
		{"https", "GET", "/w/x", nil, nil},
		{"https", "DELETE", "/judged", nil, []string{"Authorization: Bearer alice-token", "User-Agent: " + strings.Repeat("u", 300)}},
	} {
		c := r.client(q.kind)
		go func() {
			got, err := r.send(c, q.kind, q.method, q.path, q.body, append([]string{"User-Agent: tester", "Audit-ID: " + q.path}, q.header...)...)
			done <- answer(got, err)
		}()
		if q.body != nil {
			io.WriteString(more, "hello")
		}
		await(t, q.path, at)
	}
	admin, unsecured := `["system:masters","system:authenticated"]`, `["system:masters","system:authenticated"]`
	want := []string{
		`{"auditID":"/silent?token=hunter2\u0026limit=5\u0026%zz=hunter2","bytesIn":0,"bytesOut":0,"filter":"handler","groups":` + unsecured + `,"impersonatedBy":"","listener":"http","longRunning":false,"method":"GET","name":"","namespace":"","path":"/silent","query":"token=REDACTED\u0026limit=5\u0026%zz=REDACTED","resource":"","route":"core:exact:*:/silent","server":"core","stack":[],"status":null,"user":"system:unsecured","userAgent":"tester","verb":"get"}`,
		`{"auditID":"/begun","bytesIn":5,"bytesOut":10,"filter":"handler","groups":` + admin + `,"impersonatedBy":"","listener":"https","longRunning":false,"method":"POST","name":"","namespace":"","path":"/begun","query":"","resource":"","route":"core:exact:*:/begun","server":"core","stack":[],"status":202,"user":"admin","userAgent":"tester","verb":"post"}`,
		`{"auditID":"/apis/g.io/v1/namespaces/n/things/a/status?watch=1","bytesIn":0,"bytesOut":0,"filter":"handler","groups":` + admin + `,"impersonatedBy":"admin","listener":"https","longRunning":false,"method":"GET","name":"a","namespace":"n","path":"/apis/g.io/v1/namespaces/n/things/a/status","query":"watch=1","resource":"things.g.io/status","route":"core:prefix:*:/apis/g.io/","server":"core","stack":[],"status":null,"user":"bob","userAgent":"tester","verb":"get"}`,
		`{"auditID":"/apis/g.io/v1/things?watch=1\u0026labelSelector=a","bytesIn":0,"bytesOut":0,"filter":"handler","groups":` + unsecured + `,"impersonatedBy":"","listener":"http","longRunning":true,"method":"GET","name":"","namespace":"","path":"/apis/g.io/v1/things","query":"watch=1\u0026labelSelector=a","resource":"things.g.io","route":"core:prefix:*:/apis/g.io/","server":"core","stack":[],"status":null,"user":"system:unsecured","userAgent":"tester","verb":"watch"}`,
		`{"auditID":"/w/x","bytesIn":0,"bytesOut":0,"filter":"handler","groups":` + admin + `,"impersonatedBy":"","listener":"https","longRunning":true,"method":"GET","name":"","namespace":"","path":"/w/x","query":"","resource":"","route":"core:container:GET:/w/{name}","server":"core","stack":[],"status":null,"user":"admin","userAgent":"tester","verb":"get"}`,
		`{"auditID":"/judged","bytesIn":0,"bytesOut":0,"filter":"authorization","groups":["dev","system:authenticated"],"impersonatedBy":"","listener":"https","longRunning":false,"method":"DELETE","name":"","namespace":"","path":"/judged","query":"","resource":"","route":null,"server":null,"stack":[],"status":null,"user":"alice","userAgent":"` + strings.Repeat("u", 256) + `…","verb":"delete"}`,
	}
	var p page
	var groups struct{ Groups map[string]map[string]int }
	r.look("/admin/v1/inflight", &groups)
	r.look("/admin/v1/inflight", &p)
	ids := map[any]bool{}
	for i, item := range p.Items {
		ids[item["id"]] = true
		if got := rowText(item, "id", "receivedAt", "ageMs", "remoteAddr"); i >= len(want) || got != want[i] {
			t.Errorf("row %d:\n got %s\nwant %s", i, got, want[min(i, len(want)-1)])
		}
		if age, _ := item["ageMs"].(float64); age <= 0 || !strings.HasPrefix(item["remoteAddr"].(string), "127.0.0.1:") {
			t.Errorf("row %d: age %v from %v", i, item["ageMs"], item["remoteAddr"])
		}
	}
	if len(p.Items) != len(want) || len(ids) != len(want) {
		t.Errorf("%d rows with %d ids, want %d", len(p.Items), len(ids), len(want))
	}
	for name, want := range map[string]map[string]int{"user": {"system:unsecured": 2, "admin": 2, "bob": 1, "alice": 1}, "listener": {"http": 2, "https": 4}, "longRunning": {"true": 2, "false": 4}, "verb": {"get": 3, "post": 1, "watch": 1, "delete": 1}} {
		if got := groups.Groups[name]; !maps.Equal(got, want) {
			t.Errorf("groups by %s: %v, want %v", name, got, want)
		}
	}
	counts := map[string]string{}
	for _, c := range p.Counts {
		counts[c["listener"].(string)] = rowText(c, "listener")
	}
	for listener, want := range map[string]string{
		"http":  `{"abandoned":0,"longRunning":1,"mutating":0,"mutatingLimit":200,"readOnly":1,"readOnlyLimit":400}`,
		"https": `{"abandoned":0,"longRunning":1,"mutating":2,"mutatingLimit":200,"readOnly":1,"readOnlyLimit":400}`,
	} {
		if counts[listener] != want {
			t.Errorf("%s: counts %s, want %s", listener, counts[listener], want)
		}
	}
	for query, total := range map[string]int{"user=bob": 1, "listener=http": 2, "longRunning=true": 2, "filter=authorization": 1, "verb=watch&listener=https": 0, "resource=things.g.io": 1} {
		var p page
		if r.look("/admin/v1/inflight?"+query, &p); p.Total != total {
			t.Errorf("?%s: %d rows, want %d", query, p.Total, total)
		}
	}
	// Connections by state, while these requests hold theirs.
	r.look("/admin/v1/listeners", &p)
	for _, l := range p.Items {
		c := l["connections"].(map[string]any)
		if c["active"].(float64) < 1 || c["accepted"].(float64) < c["active"].(float64) {
			t.Errorf("%s: connections %v", l["id"], c)
		}
	}
	for _, path := range []string{"/admin/", "/admin/v1/servers", "/admin/v1/chain", "/admin/v1/routes", "/admin/v1/hooks", "/admin/v1/inflight", "/admin/v1/timeline", "/admin/v1/listeners", "/admin/v1/build", "/admin/v1/options", "/metrics"} {
		got := r.look(path, nil)
		text := strings.ReplaceAll(got.body, `/silent?token=hunter2\u0026limit=5\u0026%zz=hunter2`, "") // the client's own audit ID
		text = strings.ReplaceAll(text, `/silent?token=hunter2&limit=5&%zz=hunter2`, "")
		for _, secret := range []string{"hunter2", "admin-token", "alice-token", "PRIVATE KEY"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", path, secret)
			}
		}
	}
	close(release)
	more.Close()
	answers := map[string]int{}
	for range want {
		answers[await(t, "an answer", done)]++
	}
	if fmt.Sprint(answers) != "map[200:4 202:1 403:1]" {
		t.Errorf("answers %v", answers)
	}
	r.quiet(t, func() bool { var p page; r.look("/admin/v1/inflight", &p); return p.Total == 0 }, "the rows to go")
	// Each route tells how often it was taken, and when last.
	hits := map[string]float64{"/silent": 1, "/begun": 1, "/apis/g.io/": 2, "/w/{name}": 1}
	r.look("/admin/v1/routes?server=core", &p)
	for _, item := range p.Items {
		n := hits[item["pattern"].(string)]
		if item["hits"].(float64) != n || (item["lastHit"] == nil) != (n == 0) {
			t.Errorf("%s: %v hits, last %v; want %v", item["id"], item["hits"], item["lastHit"], n)
		}
		if at, _ := item["registeredAt"].(string); n > 0 && !strings.HasPrefix(at, "inspect_rows_test.go:") {
			t.Errorf("%s: registered at %q", item["id"], at)
		}
	}
	if code := r.stopAndLook(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}

// TestBlockers: while a stop waits, the timeline names what it waits for, and that only.
func TestBlockers(t *testing.T) {
	t.Parallel()
	hook, began := make(chan struct{}), make(chan struct{}, 1)
	slow := newGate()
	stubborn := make(chan struct{})
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/slow", slow)
		_ = s.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { began <- struct{}{}; <-stubborn }))
		_ = s.AddPreShutdownHook("hold", func(context.Context) error { <-hook; return nil })
	}, "--listen-admin=127.0.0.1:0", "--shutdown-delay-duration=700ms", "--shutdown-watch-termination-grace-period=20s", "--shutdown-timeout=60s")
	what := func() string {
		var p page
		r.look("/admin/v1/timeline", &p)
		out := p.WaitingFor + ":"
		for _, b := range p.BlockedBy {
			text := b["what"].(string)
			if b["kind"] == "delay" && (strings.HasSuffix(text, "ms left") || strings.HasSuffix(text, "s left")) {
				text = "some time left"
			}
			out += fmt.Sprintf(" %s %s (%s)", b["kind"], text, b["auditID"])
			href := b["href"].(string)
			if got := r.look(href, nil); got.status != 200 {
				t.Errorf("%s leads to %d", href, got.status)
			}
		}
		return out
	}
	if got := what(); got != ":" {
		t.Errorf("while it serves: %q", got)
	}
	for path, done := range map[string]<-chan struct{}{"/apis/g.io/v1/things?watch=1": began} {
		go r.send(r.client("https"), "https", "GET", path, nil, "Audit-ID: w")
		await(t, path, done)
	}
	go r.send(r.client("http"), "http", "GET", "/slow", nil, "Audit-ID: s")
	await(t, "the slow request", slow.began)
	r.signal <- syscall.SIGTERM
	await(t, "ShutdownInitiated", r.signals.shutdownInitiated.ch)
	const watch, request, held = " watch GET /apis/g.io/v1/things (w)", " request GET /slow (s)", " hook hold ()"
	// The signal comes a moment before the delay is noted.
	r.quiet(t, func() bool { return *r.program.stop.waitingFor.Load() == "delay" }, "the delay")
	if got, want := what(), "delay:"+watch+request+" delay some time left ()"+held; got != want && !r.signals.afterShutdownDelayDuration.fired() {
		t.Errorf("in the delay: %q, want %q", got, want)
	}
	await(t, "AfterShutdownDelayDuration", r.signals.afterShutdownDelayDuration.ch)
	r.quiet(t, func() bool { return *r.program.stop.waitingFor.Load() == "hooks" }, "the hooks")
	if got, want := what(), "hooks:"+watch+request+held; got != want {
		t.Errorf("while a hook runs: %q, want %q", got, want)
	}
	close(hook)
	r.quiet(t, func() bool { return *r.program.stop.waitingFor.Load() == "requests" }, "the drain")
	if got, want := what(), "requests:"+watch+request; got != want {
		t.Errorf("while requests end: %q, want %q", got, want)
	}
	close(slow.release)
	r.quiet(t, func() bool { return *r.program.stop.waitingFor.Load() == "watches" }, "the watches")
	if got, want := what(), "watches:"+watch; got != want {
		t.Errorf("while watches end: %q, want %q", got, want)
	}
	close(stubborn)
	await(t, "HTTPServerStoppedListening", r.signals.httpServerStoppedListening.ch)
	r.quiet(t, func() bool { return *r.program.stop.waitingFor.Load() == "" }, "the end")
	if got := what(); got != ":" {
		t.Errorf("at the end: %q", got)
	}
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}

// TestRefusedByAdmin: what the admin listener turns away is logged and recorded, in lines
// of our own, whatever the policy.
func TestRefusedByAdmin(t *testing.T) {
	args, log := auditFiles(t, "rules:\n- level: None\n")
	r := startProgram(t, nil, append(args, "--listen-admin=127.0.0.1:0")...)
	for _, c := range []struct {
		id, method, path, host, origin string
		code                           int
	}{
		{"method", "POST", "/admin/v1/routes", "", "", 405},
		{"host", "GET", "/admin/v1/routes", "evil.example", "", 403},
		{"origin", "GET", "/admin/v1/routes", "", "https://evil.example", 403},
		{"not refused", "GET", "/admin/v1/routes", "", "", 200},
		{"not there", "GET", "/admin/v1/nothing", "", "", 404},
	} {
		req, err := http.NewRequest(c.method, r.url("admin", c.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		req.Header.Set("Audit-ID", c.id)
		req.Header.Set("User-Agent", `x" level=ERROR msg="forged`)
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.code || resp.Header.Get("Audit-Id") != c.id {
			t.Errorf("%s: got %d %q, want %d", c.id, resp.StatusCode, resp.Header.Get("Audit-Id"), c.code)
		}
	}
	if code := r.stopAndLook(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	events := readAudit(t, log)
	for id, want := range map[string]string{"method": "ResponseComplete system:unsecured 405 MethodNotAllowed", "host": "ResponseComplete 403 Forbidden", "origin": "ResponseComplete 403 Forbidden", "not refused": "", "not there": ""} {
		if got := texts(events[id]); got != want {
			t.Errorf("%s: recorded %q, want %q", id, got, want)
		}
		if logged := r.err.has("auditID=" + id); logged != (want != "") {
			t.Errorf("%s: logged %v", id, logged)
		}
	}
	if e := events["host"]; len(e) == 1 && (e[0].RequestURI != "/admin/v1/routes" || e[0].Verb != "get" || e[0].Level != "Metadata") {
		t.Errorf("%+v", e[0])
	}
	if strings.Contains(r.err.String(), " level=ERROR") {
		t.Errorf("a client has forged a line:\n%s", r.err)
	}
}

// TestShorten: to so many bytes, and not within a character.
func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"", 0, ""}, {"abc", 3, "abc"}, {"abc", 2, "ab…"}, {"abc", 0, "…"}, {"éé", 3, "é…"}, {"éé", 1, "…"}, {"é", 2, "é"}, {"\x80\x80\x80", 2, "…"}} {
		if got := status.Shorten(c.in, c.n); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// TestComplaints: what net/http complains of is a client's affair and shown from -v 4 on;
// failed handshakes are counted always.
func TestComplaints(t *testing.T) {
	for _, v := range []string{"2", "4"} {
		r := startProgram(t, nil, "-v="+v)
		conn := r.dial("http")
		raw, err := (&http.Client{}).Get("http" + strings.TrimPrefix(r.urls("https")[0], "https")) // plain text to a TLS port
		if err == nil {
			raw.Body.Close()
		}
		conn.Close()
		r.quiet(t, func() bool { return r.metrics.tlsErrors.Value() > 0 }, "the failed handshake to be counted")
		if code := r.stop(); code != exitDrained {
			t.Errorf("exit code %d", code)
		}
		if shown := r.err.has("TLS handshake error"); shown != (v == "4") {
			t.Errorf("-v %s: shown %v\n%s", v, shown, r.err)
		}
	}
	log := &lines{}
	p := newTestProgramLog(t, log)
	for text, level := range map[string]string{"http: panic serving 1.2.3.4: x\nlevel=ERROR": "level=ERROR", "http: Accept error: x": "level=ERROR", "http: superfluous": ""} {
		before := log.String()
		if n, err := (complaints{p, "https"}).Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%q: %d %v", text, n, err)
		}
		added := strings.TrimPrefix(log.String(), before)
		if level == "" && added != "" || level != "" && (!strings.Contains(added, level) || strings.Count(added, "\n") != 1) {
			t.Errorf("%q: logged %q", text, added)
		}
	}
}

// TestListedPaths: the index is that of the whole chain, in order, each path once.
func TestListedPaths(t *testing.T) {
	p := newTestProgram(t)
	core, h := p.servers[1], http.NotFoundHandler()
	for _, err := range []error{core.Handle("/zebra", h), core.HandlePrefix("/aardvark/", h), core.AddWebService(&WebService{Root: "/apis/x.io/v1"}), p.outermost.Handle("/middle", h), p.servers[2].Handle("/middle", h), core.handleUnlisted("/hidden", h)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := p.outermost.listedPaths()
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("not sorted, or not each once: %q", got)
	}
	for _, path := range []string{"/zebra", "/aardvark/", "/apis/x.io/v1", "/middle", "/version", "/healthz", "/livez", "/readyz"} {
		if !slices.Contains(got, path) {
			t.Errorf("%s is not listed in %q", path, got)
		}
	}
	if slices.Contains(got, "/hidden") || slices.Contains(p.servers[2].listedPaths(), "/zebra") {
		t.Errorf("listed what is not to be: %q; the last server %q", got, p.servers[2].listedPaths())
	}
	w := p.through("http", "GET", "/")
	var index struct{ Paths []string }
	if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil || !slices.Equal(index.Paths, got) {
		t.Errorf("the index: %v %q, want %q", err, index.Paths, got)
	}
}

// TestAdminTokenIsSecret: the credentials of the kubeconfig are in that file and nowhere else.
func TestAdminTokenIsSecret(t *testing.T) {
	file := t.TempDir() + "/kubeconfig"
	r := startProgram(t, nil, "--kubeconfig="+file, "--listen-admin=127.0.0.1:0", "-v=10")
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), r.adminToken) || len(r.adminToken) < 26 {
		t.Fatalf("the kubeconfig: %v", err)
	}
	r.get("https", "/version?access_token="+r.adminToken, "Authorization: Bearer "+r.adminToken)
	r.get("https", "/version", "Authorization: Bearer x"+r.adminToken)
	for _, path := range []string{"/admin/v1/options", "/admin/v1/inflight", "/admin/v1/timeline", "/admin/v1/build", "/metrics"} {
		if got := r.look(path, nil); strings.Contains(got.body, r.adminToken) {
			t.Errorf("%s shows the token", path)
		}
	}
	if code := r.stopAndLook(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	if r.err.has(r.adminToken) || r.out.has(r.adminToken) {
		t.Error("the token is in the log or on stdout")
	}
}

// TestRowsReadOnlyWhatIsSet: a row of a request that is anywhere in the chain never shows
// what a filter further in has yet to set.
func TestRowsReadOnlyWhatIsSet(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	for _, c := range p.chains {
		r := httptest.NewRequest("GET", "/apis/g.io/v1/things", nil)
		x := newExchange(c, httptest.NewRecorder(), r)
		if err := x.info.Resolve("GET", "/apis/g.io/v1/things", ""); err != nil {
			t.Fatal(err)
		}
		x.user = &request.User{Name: "real"}
		x.acting = &request.User{Name: "acting"}
		x.target = target{server: p.outermost}
		for at := range len(c.rows) + 2 {
			x.at.Store(int32(at))
			a := x.shown()
			verb, user, server := "", "", ""
			if at > c.infoRow {
				verb = "list"
			}
			if at > c.userRow {
				user = "real"
			}
			if at > c.actingRow {
				user = "acting"
			}
			if at >= len(c.rows) {
				server = p.outermost.name
			}
			got := ""
			if a.Server != nil {
				got = *a.Server
			}
			if a.Verb != verb || a.User != user || got != server || a.Filter != c.place(at) {
				t.Errorf("%s, in %s: verb %q, user %q, server %q; want %q, %q, %q", c.listener, c.place(at), a.Verb, a.User, got, verb, user, server)
			}
		}
	}
}

// TestRowsAreBounded: whatever a client sends, no text of its row is long or broken, as of
// a request under way so of one that has ended.
func TestRowsAreBounded(t *testing.T) {
	p := newTestProgram(t)
	c := p.chain("https")
	x := newExchange(c, httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	long := strings.Repeat("a\xff", 100_000)
	x.req.Method, x.path, x.query, x.userAgent, x.auditID[0] = long, long, "limit="+long, long, long
	x.info = request.Info{IsResourceRequest: true, Verb: long, APIGroup: long, Resource: long, Namespace: long, Name: long}
	x.user, x.acting = &request.User{Name: long}, &request.User{Name: long}
	x.at.Store(int32(len(c.rows)))
	var ended record
	ended.fill(x, endCompleted, time.Second)
	for _, row := range []any{x.shown(), ended.shown()} {
		v := reflect.ValueOf(row)
		for i := range v.NumField() {
			f := v.Field(i)
			if f.Kind() != reflect.String {
				continue
			}
			if s := f.String(); len(s) > 2048+len("…") || !utf8.ValidString(s) {
				t.Errorf("%s of %T: %d bytes, valid UTF-8: %v", v.Type().Field(i).Name, row, len(s), utf8.ValidString(s))
			}
		}
	}
}
