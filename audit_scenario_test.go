package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/flags"
	"apichain/internal/request"
	"apichain/internal/status"
)

// recorded is what the tests read of an audit event.
type recorded struct {
	Kind, APIVersion, Level, AuditID, Stage, Verb, RequestURI, UserAgent string
	User                                                                 struct {
		Username string
		Groups   []string
	}
	ImpersonatedUser *struct {
		Username string
		Groups   []string
	}
	SourceIPs      []string
	ObjectRef      map[string]string
	ResponseStatus *struct {
		Code                    int
		Status, Reason, Message string
	}
	RequestObject, ResponseObject            json.RawMessage
	RequestReceivedTimestamp, StageTimestamp time.Time
	Annotations                              map[string]string
}

// String is stage, user, and what was answered.
func (e recorded) String() string {
	s := strings.TrimSpace(e.Stage + " " + e.User.Username)
	if e.ImpersonatedUser != nil {
		s += " as " + e.ImpersonatedUser.Username
	}
	if r := e.ResponseStatus; r != nil {
		s += fmt.Sprint(" ", r.Code, " ", r.Reason)
	}
	return strings.TrimSuffix(s, " ")
}

func TestAuditOptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want []string
	}{
		{"none", nil, nil},
		{"both", []string{"--audit-policy-file=p", "--audit-log-path=-", "--audit-log-maxsize=1", "--audit-log-maxbackup=2", "--audit-log-maxage=3"}, nil},
		{"policy alone", []string{"--audit-policy-file=p"}, []string{"--audit-policy-file: records nothing without --audit-log-path"}},
		{"log alone", []string{"--audit-log-path=x"}, []string{"--audit-log-path: records nothing without --audit-policy-file"}},
		{"negative", []string{"--audit-log-maxsize=-1", "--audit-log-maxbackup=-2", "--audit-log-maxage=-3"},
			[]string{"--audit-log-maxsize: -1 is negative", "--audit-log-maxbackup: -2 is negative", "--audit-log-maxage: -3 is negative"}},
	} {
		var o auditOptions
		f := flags.New("test", &o)
		got, err := f.Parse(tc.args)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		for _, r := range f.All() {
			if r.Section != "audit" {
				t.Errorf("--%s is in group %q, want audit", r.Name, r.Section)
			}
		}
	}
}

// auditFiles are the flags of a policy, and of a log in a directory of its own.
func auditFiles(t testing.TB, policy string) (args []string, log string) {
	t.Helper()
	dir := t.TempDir()
	file, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "log", "audit.log")
	if err := os.WriteFile(file, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\n"+policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--audit-policy-file=" + file, "--audit-log-path=" + log}, log
}

// readAudit is the log by audit ID. Each line must be a whole event.
func readAudit(t testing.TB, log string) map[string][]recorded {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]recorded{}
	for line := range bytes.Lines(b) {
		var e recorded
		if err := json.Unmarshal(line, &e); err != nil || e.Kind != "Event" || e.APIVersion != "audit.k8s.io/v1" {
			t.Fatalf("not an event, %v: %s", err, line)
		}
		if e.StageTimestamp.Before(e.RequestReceivedTimestamp) || e.RequestReceivedTimestamp.IsZero() {
			t.Errorf("%s: received %v, stage %v", e.AuditID, e.RequestReceivedTimestamp, e.StageTimestamp)
		}
		out[e.AuditID] = append(out[e.AuditID], e)
	}
	return out
}

func texts(events []recorded) string {
	var out []string
	for _, e := range events {
		out = append(out, e.String())
	}
	return strings.Join(out, " | ")
}

// TestAuditOfEveryEnding: each way in which a request can end has its events, in every
// protocol, and those that end in front of the audit filter are what upstream leaves out
// too. USER is who asks: the superuser on the plain listener.
func TestAuditOfEveryEnding(t *testing.T) {
	t.Parallel()
	args, log := auditFiles(t, "rules:\n- level: Metadata\n")
	began := make(chan struct{}, 1)
	r := startProgram(t, func(s *Server) {
		on := func(path string, h http.HandlerFunc) { _ = s.Handle(path, h) }
		on("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
		on("/silent", func(http.ResponseWriter, *http.Request) {})
		on("/teapot", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418) })
		on("/fail", func(w http.ResponseWriter, r *http.Request) { status.Write(w, r, errors.New("the reason is a secret")) })
		on("/conflict", func(w http.ResponseWriter, r *http.Request) {
			status.Write(w, r, &status.Error{Code: 409, Reason: "Conflict", Message: "in the way"})
		})
		on("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
		on("/panic-late", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(201)
			w.(http.Flusher).Flush()
			panic("late")
		})
		on("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		on("/stuck", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		on("/half", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			io.ReadAll(r.Body)
			panic(http.ErrAbortHandler)
		})
		on("/gone", func(w http.ResponseWriter, r *http.Request) {
			began <- struct{}{}
			<-r.Context().Done()
		})
		_ = s.AddWebService(&WebService{Root: "/apis/g.io/v1", Consumes: []string{"application/json"}, Produces: []string{"application/json"}, Routes: []Route{
			{Method: "GET", Path: "/things", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") })},
			{Method: "POST", Path: "/things", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201) })},
		}})
	}, append(args, "--max-mutating-requests-inflight=1", `--cors-allowed-origins=^https://app\.example$`)...)
	const received, complete = "RequestReceived USER | ", "ResponseComplete USER "
	bob := "Impersonate-User: bob"
	cases := []struct {
		id, method, path string
		header           []string
		tls, plain       string // plain "" is as on TLS
	}{
		{"ok", "GET", "/ok", nil, received + complete + "200", ""},
		{"silent", "GET", "/silent", nil, received + complete + "200", ""},
		{"head", "HEAD", "/ok", nil, received + complete + "200", ""},
		{"teapot", "GET", "/teapot", nil, received + complete + "418", ""},
		{"an error", "GET", "/fail", nil, received + complete + "500 InternalError", ""},
		{"a status", "GET", "/conflict", nil, received + complete + "409 Conflict", ""},
		{"404", "GET", "/nowhere", nil, received + complete + "404", ""},
		{"404 of a container", "GET", "/apis/g.io/v1/others", nil, received + complete + "404 NotFound", ""},
		{"405", "DELETE", "/apis/g.io/v1/things", nil, received + complete + "405 MethodNotAllowed", ""},
		{"406", "GET", "/apis/g.io/v1/things", []string{"Accept: text/html"}, received + complete + "406 NotAcceptable", ""},
		{"415", "POST", "/apis/g.io/v1/things", []string{"Content-Type: text/plain"}, received + complete + "415 UnsupportedMediaType", ""},
		{"429", "POST", "/ok", []string{"Authorization: Bearer alice-token"}, "RequestReceived alice | ResponseComplete alice 429", received + complete + "429"},
		{"401", "GET", "/ok", []string{"Authorization: Bearer wrong"}, "ResponseStarted 401 Unauthorized", received + complete + "200"},
		{"403", "GET", "/ok", []string{"Authorization: Bearer alice-token"}, "RequestReceived alice | ResponseComplete alice 403 Forbidden", received + complete + "200"},
		{"403 of nobody", "GET", "/ok", []string{"Authorization:"}, "RequestReceived system:anonymous | ResponseComplete system:anonymous 403 Forbidden", received + complete + "200"},
		{"impersonated", "GET", "/ok", []string{bob, "Impersonate-Group: system:masters"}, received + "ResponseComplete admin as bob 200", received + complete + "200"},
		{"impersonated, 403", "GET", "/ok", []string{bob}, received + "ResponseComplete admin as bob 403 Forbidden", received + complete + "200"},
		{"impersonation refused", "GET", "/ok", []string{"Authorization: Bearer alice-token", bob}, "RequestReceived alice | ResponseComplete alice 403 Forbidden", received + complete + "200"},
		{"impersonation wrong", "GET", "/ok", []string{"Impersonate-Group: x"}, received + complete + "400 BadRequest", received + complete + "200"},
		{"timeout wrong", "GET", "/ok?timeout=x", nil, "ResponseStarted 400 BadRequest", ""},
		{"504", "GET", "/stuck?timeout=20ms", nil, received + complete + "504 Timeout", ""},
		{"half, then out of time", "GET", "/half?timeout=20ms", nil, received + complete + "200", ""},
		{"panic", "GET", "/panic", nil, received + "Panic USER 500 InternalError", ""},
		{"panic late", "GET", "/panic-late", nil, received + "Panic USER 500 InternalError", ""},
		{"abort", "GET", "/abort", nil, received + "ResponseComplete USER", ""},
		{"client gone", "GET", "/gone", nil, received + complete + "200", ""},
		{"two readings", "GET", "/ok/%2e%2e/x", nil, "", ""},
		{"no resource", "GET", "/api/v1/watch", nil, "", ""},
		{"preflight", "OPTIONS", "/ok", []string{"Origin: https://app.example"}, "", ""},
	}
	for _, kind := range clientKinds {
		for _, c := range cases {
			// A panicking server must not lose the event of another request on the connection.
			client := r.client(kind)
			header := append(slices.Clone(c.header), "Audit-ID: "+kind+" "+c.id, "User-Agent: tester/1")
			chain := r.chain(map[string]string{"http": "http", "h2c": "http", "https": "https", "h2": "https"}[kind])
			switch c.id {
			case "429":
				chain.inFlight.mutating.Store(1)
			case "client gone":
				ctx, leave := context.WithCancel(context.Background())
				req, _ := http.NewRequestWithContext(ctx, c.method, r.url(kind, c.path), nil)
				req.Header.Set("Authorization", "Bearer admin-token")
				req.Header.Set("Audit-ID", kind+" "+c.id)
				ended := make(chan struct{})
				go func() { client.Do(req); close(ended) }()
				await(t, "the handler", began)
				leave()
				<-ended
				continue
			}
			got, err := r.send(client, kind, c.method, c.path, nil, header...)
			if c.id == "429" {
				chain.inFlight.mutating.Store(0)
			}
			// What is left out of the log carries the ID nevertheless.
			if err == nil && got.header.Get("Audit-Id") != kind+" "+c.id {
				t.Errorf("%s %s: Audit-Id %q", kind, c.id, got.header.Get("Audit-Id"))
			}
		}
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	events := readAudit(t, log)
	for _, kind := range clientKinds {
		for _, c := range cases {
			want, user := c.tls, "admin"
			if kind == "http" || kind == "h2c" {
				if user = request.UserUnsecured; c.plain != "" {
					want = c.plain
				}
			}
			want = strings.ReplaceAll(want, "USER", user)
			if c.id == "429" && (kind == "http" || kind == "h2c") {
				want = strings.ReplaceAll(c.plain, "USER", request.UserUnsecured)
			}
			list := events[kind+" "+c.id]
			if got := texts(list); got != want {
				t.Errorf("%s, %s:\n got %s\nwant %s", kind, c.id, got, want)
			}
			for _, e := range list {
				if e.RequestURI != c.path || len(e.SourceIPs) != 1 || e.SourceIPs[0] != "127.0.0.1" || e.Level != "Metadata" || c.id != "client gone" && e.UserAgent != "tester/1" || e.RequestObject != nil || e.ResponseObject != nil {
					t.Errorf("%s, %s: %+v", kind, c.id, e)
				}
			}
			if len(list) == 0 || kind == "http" || kind == "h2c" {
				continue
			}
			// The decision of the authorizer, wherever it was asked.
			last := list[len(list)-1]
			decision := map[string]string{"403": "forbid", "403 of nobody": "forbid", "impersonated, 403": "forbid", "401": "", "429": "", "timeout wrong": "", "impersonation refused": "", "impersonation wrong": ""}
			wantDecision, listed := decision[c.id]
			if !listed {
				wantDecision = "allow"
			}
			if got := last.Annotations["authorization.k8s.io/decision"]; got != wantDecision {
				t.Errorf("%s, %s: decision %q, want %q", kind, c.id, got, wantDecision)
			}
		}
	}
	b, _ := os.ReadFile(log)
	for _, secret := range []string{"admin-token", "alice-token", "the reason is a secret"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

// TestAuditLevelsAndStages: what each level keeps of a request, and which stages a
// policy can leave out.
func TestAuditLevelsAndStages(t *testing.T) {
	object := `{"a":1}`
	for _, c := range []struct {
		policy          string
		short, watch    string // the stages of an ordinary request and of a watch
		request, answer bool
	}{
		{"rules:\n- level: None\n", "", "", false, false},
		{"rules:\n- level: Metadata\n", "RequestReceived ResponseComplete", "RequestReceived ResponseStarted ResponseComplete", false, false},
		{"rules:\n- level: Request\n", "RequestReceived ResponseComplete", "RequestReceived ResponseStarted ResponseComplete", true, false},
		{"rules:\n- level: RequestResponse\n", "RequestReceived ResponseComplete", "RequestReceived ResponseStarted ResponseComplete", true, true},
		{"omitStages: [RequestReceived]\nrules:\n- level: Request\n", "ResponseComplete", "ResponseStarted ResponseComplete", true, false},
		{"rules:\n- level: Request\n  omitStages: [ResponseStarted]\n", "RequestReceived ResponseComplete", "RequestReceived ResponseComplete", true, false},
		{"omitStages: [RequestReceived]\nrules:\n- level: RequestResponse\n  omitStages: [ResponseComplete]\n", "", "ResponseStarted", false, false},
		{"omitStages: [RequestReceived, ResponseStarted, ResponseComplete, Panic]\nrules:\n- level: RequestResponse\n", "", "", false, false},
		{"rules:\n- level: None\n  users: [admin]\n- level: Metadata\n", "", "", false, false},
		{"rules:\n- level: None\n  verbs: [watch]\n- level: Metadata\n", "RequestReceived ResponseComplete", "", false, false},
		{"rules:\n- level: RequestResponse\n  verbs: [create]\n", "RequestReceived ResponseComplete", "", true, true},
		{"rules:\n- level: Request\n  namespaces: [other]\n- level: Metadata\n", "RequestReceived ResponseComplete", "RequestReceived ResponseStarted ResponseComplete", false, false},
	} {
		args, log := auditFiles(t, c.policy)
		p := newTestProgram(t, append(args, "--token-auth-file=testdata/tokens.csv")...)
		_ = p.outermost.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"b":`)
			io.WriteString(w, `2}`)
		}))
		for _, major := range []int{1, 2} {
			p.inProtocol("https", major, "POST", "/apis/g.io/v1/namespaces/n/things", strings.NewReader(object))
			p.inProtocol("https", major, "GET", "/apis/g.io/v1/namespaces/n/things?watch=1", nil)
		}
		p.closeAudit()
		stages := map[string][]string{}
		for _, list := range readAudit(t, log) {
			verb := list[0].Verb
			var got []string
			for _, e := range list {
				got = append(got, e.Stage)
				wantRequest, wantAnswer := "", ""
				if e.Stage == "ResponseComplete" && c.request && verb == "create" {
					wantRequest = object
				}
				if e.Stage == "ResponseComplete" && c.answer {
					wantAnswer = `{"b":2}`
				}
				if string(e.RequestObject) != wantRequest || string(e.ResponseObject) != wantAnswer {
					t.Errorf("%q, %s %s: objects %s and %s, want %s and %s", c.policy, verb, e.Stage, e.RequestObject, e.ResponseObject, wantRequest, wantAnswer)
				}
				if e.ObjectRef["resource"] != "things" || e.ObjectRef["namespace"] != "n" || e.ObjectRef["apiGroup"] != "g.io" || e.ObjectRef["apiVersion"] != "v1" {
					t.Errorf("%q: objectRef %v", c.policy, e.ObjectRef)
				}
			}
			stages[verb] = append(stages[verb], strings.Join(got, " "))
		}
		for verb, want := range map[string]string{"create": c.short, "watch": c.watch} {
			wanted := []string{want, want}
			if want == "" {
				wanted = nil
			}
			if !slices.Equal(stages[verb], wanted) {
				t.Errorf("%q, %s: stages %q, want %q twice", c.policy, verb, stages[verb], want)
			}
		}
	}
}

// TestAuditBodies: a body is kept whole or not at all, up to upstream's bound, and only
// of resource requests.
func TestAuditBodies(t *testing.T) {
	args, log := auditFiles(t, "rules:\n- level: RequestResponse\n")
	p := newTestProgram(t, append(args, "--token-auth-file=testdata/tokens.csv")...)
	_ = p.outermost.HandlePrefix("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("read") {
		case "all":
			io.Copy(w, r.Body)
		case "some":
			io.CopyN(w, r.Body, 5)
		case "fail":
			panic("with a body")
		}
	}))
	filled := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	const thing, other = "/apis/g.io/v1/things", "/x"
	const mostBody = 3 << 20
	cases := []struct{ name, target, body, wantRequest, wantAnswer string }{
		{"an object", thing + "?read=all", `{"a": [1, 2]}`, `{"a":[1,2]}`, `{"a":[1,2]}`},
		{"a scalar", thing + "?read=all", "17", "17", "17"},
		{"nothing", thing + "?read=all", "", "", ""},
		{"no JSON", thing + "?read=all", "a: 1\n", "", ""},
		{"two objects", thing + "?read=all", "{}\n{}", "", ""},
		{"forged lines", thing + "?read=all", "{}\n{\"kind\":\"Event\"}\n", "", ""},
		{"line breaks in JSON", thing + "?read=all", "{\n\"a\":\"\\n\"\n}", `{"a":"\n"}`, `{"a":"\n"}`},
		{"read in part", thing + "?read=some", `[1,2]    `, "[1,2]", "[1,2]"},
		{"not read", thing + "?read=none", `{"a":1}`, "", ""},
		{"half an object", thing + "?read=some", `{"a":1}`, "", ""},
		{"of a panic", thing + "?read=fail", `{"a":1}`, "", `{"kind":"Status"`},
		{"at the bound", thing + "?read=all", filled(mostBody), filled(mostBody), filled(mostBody)},
		{"above the bound", thing + "?read=all", filled(mostBody + 1), "", ""},
		{"no resource", other + "?read=all", `{"a":1}`, "", ""},
	}
	for _, c := range cases {
		for _, major := range []int{1, 2} {
			r := httptest.NewRequest("POST", c.target, strings.NewReader(c.body))
			r.Host, r.ProtoMajor = "localhost", major
			r.Header.Set("Authorization", "Bearer admin-token")
			r.Header.Set("Audit-Id", fmt.Sprint(c.name, major))
			p.chain("https").ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	p.closeAudit()
	events := readAudit(t, log)
	for _, c := range cases {
		for _, major := range []int{1, 2} {
			list := events[fmt.Sprint(c.name, major)]
			if len(list) != 2 {
				t.Errorf("%s, HTTP/%d: %d events", c.name, major, len(list))
				continue
			}
			last := list[1]
			if string(last.RequestObject) != c.wantRequest || !strings.HasPrefix(string(last.ResponseObject), c.wantAnswer) || c.wantAnswer == "" && last.ResponseObject != nil {
				t.Errorf("%s, HTTP/%d: kept %.80s and %.80s, want %.80s and %.80s", c.name, major, last.RequestObject, last.ResponseObject, c.wantRequest, c.wantAnswer)
			}
		}
	}
}

// TestAuditForgery: whatever a client puts where, a line of the log is one event of ours.
func TestAuditForgery(t *testing.T) {
	args, log := auditFiles(t, "rules:\n- level: Metadata\n")
	stderr := &lines{}
	p := newTestProgramLog(t, stderr, append(args, "--token-auth-file=testdata/tokens.csv", "-v=4")...)
	forged := "x\n{\"kind\":\"Event\",\"auditID\":\"forged\"}\r\nlevel=INFO msg=forged \u2028\u2029\x00\x1b[31m\xff"
	for _, listener := range []string{"http", "https"} {
		for _, name := range []string{"User-Agent", "Audit-Id", "X-Forwarded-For", "X-Real-Ip", "Impersonate-User", "Impersonate-Group", "Authorization"} {
			r := httptest.NewRequest("GET", "/nowhere", nil)
			r.Host = "localhost"
			r.Header.Set("Authorization", "Bearer admin-token")
			if strings.HasPrefix(name, "Impersonate-") {
				r.Header.Set("Impersonate-User", "bob")
			}
			r.Header[name] = []string{forged}
			p.chain(listener).ServeHTTP(httptest.NewRecorder(), r)
		}
		r := httptest.NewRequest("GET", "/nowhere", nil)
		r.Host = "localhost"
		r.Header.Set("Authorization", "Bearer admin-token")
		r.Method, r.URL.Path, r.URL.RawQuery, r.RemoteAddr = "GET\nX", "/apis/a\u2028b/v1/x", "a=b\nlevel=INFO", "1.2.3.4\n:80"
		p.chain(listener).ServeHTTP(httptest.NewRecorder(), r)
	}
	p.closeAudit()
	n := 0
	for id, list := range readAudit(t, log) {
		n += len(list)
		if id == "forged" {
			t.Error("a client has written an event")
		}
	}
	if n < 28 {
		t.Errorf("%d events, want two for each request", n)
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\x00\x1b\r") {
			t.Errorf("a line that is not ours: %q", line)
		}
	}
}

// TestAuditOfSlowRequests: from half a second on the event says where the time went.
func TestAuditOfSlowRequests(t *testing.T) {
	for _, c := range []struct {
		took time.Duration
		want string
	}{{400 * time.Millisecond, ""}, {500 * time.Millisecond, ""}, {501 * time.Millisecond, "501ms"}, {3 * time.Second, "2s"}} {
		synctest.Test(t, func(t *testing.T) {
			args, log := auditFiles(t, "rules:\n- level: Metadata\n")
			p := newTestProgram(t, append(args, "--token-auth-file=testdata/tokens.csv", "--request-timeout=2s")...)
			_ = p.outermost.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(c.took) }))
			p.inProtocol("https", 1, "GET", "/x", nil)
			time.Sleep(time.Minute)
			p.closeAudit()
			for _, list := range readAudit(t, log) {
				notes := list[len(list)-1].Annotations
				if got := notes["apiserver.latency.k8s.io/total"]; got != c.want {
					t.Errorf("after %v: total %q, want %q", c.took, got, c.want)
				}
				_, parts := notes["apiserver.latency.k8s.io/authentication"]
				if want := c.want != "" && c.took < 2*time.Second; parts != want {
					t.Errorf("after %v: its parts are there %v, want %v", c.took, parts, want)
				}
			}
		})
	}
}

// TestAuditRotationUnderRequests: the log turns over while requests come, and no event
// is lost or torn.
func TestAuditRotationUnderRequests(t *testing.T) {
	t.Parallel()
	args, log := auditFiles(t, "rules:\n- level: Metadata\n")
	r := startProgram(t, nil, append(args, "--audit-log-maxsize=1", "--audit-log-maxbackup=0")...)
	const each = 40
	long := "/version?" + strings.Repeat("x", 20<<10) // two events of it are 40 KB of the megabyte
	done := make(chan error, len(clientKinds))
	for _, kind := range clientKinds {
		c := r.client(kind)
		go func() {
			for i := range each {
				if _, err := r.send(c, kind, "GET", long, nil, fmt.Sprint("Audit-ID: ", kind, "-", i)); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clientKinds {
		if err := await(t, "the clients", done); err != nil {
			t.Error(err)
		}
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(log), "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, file := range files {
		for id, list := range readAudit(t, file) {
			seen[id] += len(list)
		}
	}
	for _, kind := range clientKinds {
		for i := range each {
			if id := fmt.Sprint(kind, "-", i); seen[id] != 2 {
				t.Errorf("%s: %d events, want 2", id, seen[id])
			}
		}
	}
	if len(files) < 5 {
		t.Errorf("%d files: the log did not turn over", len(files))
	}
}
