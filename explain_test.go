package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/admin"
)

// mustExplain is what is said of a request: "METHOD path", and then name=value parameters.
func (p *program) mustExplain(t testing.TB, request string, parameters ...string) admin.Explanation {
	t.Helper()
	e, err := source{p}.Explain(asked(request, parameters...))
	if err != nil {
		t.Fatalf("%s %q: %v", request, parameters, err)
	}
	return e
}

func asked(request string, parameters ...string) admin.ExplainRequest {
	q := admin.ExplainRequest{}
	q.Method, q.Path, _ = strings.Cut(request, " ")
	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		switch name {
		case "listener":
			q.Listener = value
		case "user":
			q.User = value
		case "group":
			q.Groups = append(q.Groups, value)
		case "header":
			q.Headers = append(q.Headers, value)
		}
	}
	return q
}

// stepOf is a step by its name, nil if there is none.
func stepOf(e *admin.Explanation, name string) *admin.Step {
	for i := range e.Steps {
		if e.Steps[i].Name == name {
			return &e.Steps[i]
		}
	}
	return nil
}

// TestExplainTheContractsExample asks the contract's question of a program that has its
// widgets: what the example says comes out.
func TestExplainTheContractsExample(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	p.applied(t, widgetCRD)
	p.api.Customs.Follow()
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/admin/v1/explain?method=GET&path=/apis/example.com/v1/namespaces/t1/widget&user=alice&group=system:masters", nil)
	r.Host = "localhost"
	p.adminHandler().ServeHTTP(w, r)
	var got, want map[string]any
	text, err := os.ReadFile("admin/testdata/explain.json")
	if err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(text, &want) != nil || json.Unmarshal(w.Body.Bytes(), &got) != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, key := range []string{"request", "requestInfo", "server", "route", "reachesHandler", "wouldAnswer"} {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s\n got %v\nwant %v", key, got[key], want[key])
		}
	}
	// Of the steps the example has some, and of a why the words are free.
	steps := got["steps"].([]any)
	for i, s := range want["steps"].([]any) {
		s := s.(map[string]any)
		at := slices.IndexFunc(steps, func(have any) bool {
			h := have.(map[string]any)
			return h["name"] == s["name"] && h["stage"] == s["stage"] && h["decision"] == s["decision"] && h["rule"] == s["rule"] && reflect.DeepEqual(h["position"], s["position"])
		})
		if at < 0 {
			t.Errorf("step %d of the example is not there: %v\n%v", i, s, steps)
		}
	}
	for i, v := range want["delegation"].([]any) {
		have, v := got["delegation"].([]any)[i].(map[string]any), v.(map[string]any)
		if have["server"] != v["server"] || have["decision"] != v["decision"] || have["by"] != v["by"] || !strings.HasPrefix(have["why"].(string), v["why"].(string)) {
			t.Errorf("delegation %d\n got %v\nwant %v", i, have, v)
		}
	}
	near, wantNear := got["nearMisses"].([]any)[0].(map[string]any), want["nearMisses"].([]any)[0].(map[string]any)
	if near["route"] != wantNear["route"] || !reflect.DeepEqual(near["lacks"], wantNear["lacks"]) || !strings.HasPrefix(near["registeredAt"].(string), "resources_custom.go:") {
		t.Errorf("near miss\n got %v\nwant %v", near, wantNear)
	}
}

// TestExplainStandsBeforeTheHandler: a route is named with who registered it, and no
// handler runs, on any server, for anybody.
func TestExplainStandsBeforeTheHandler(t *testing.T) {
	p := newTestProgram(t, explained(t)...)
	extendEverywhere(p, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a handler runs") }))
	for _, s := range []string{"aggregator", "core", "extensions"} {
		for _, row := range []struct{ path, id, stage string }{
			{"/of/" + s + "/exact", s + ":exact:*:/of/" + s + "/exact", "mux"},
			{"/of/" + s + "/below/a/b", s + ":prefix:*:/of/" + s + "/below/", "mux"},
			{"/of/" + s + "/v1/things/a", s + ":container:GET:/of/" + s + "/v1/things/{name}", "container"},
			{"/of/" + s + "/v1/follow", s + ":container:GET:/of/" + s + "/v1/follow", "container"},
		} {
			e := p.mustExplain(t, "GET "+row.path, "listener=http")
			last := e.Steps[len(e.Steps)-1]
			if e.Route == nil || e.Route.ID != row.id || !strings.HasPrefix(e.Route.RegisteredAt, "explain_reality_test.go:") || !strings.Contains(e.Route.Handler, "TestExplainStandsBeforeTheHandler") || *e.Server != s || !e.ReachesHandler || e.WouldAnswer != nil {
				t.Errorf("%s: %+v", row.path, e)
			}
			if last.Stage != row.stage || last.Name != s || last.Decision != "passed" || last.Position != nil || last.Rule != strings.SplitN(row.id, ":", 4)[3] {
				t.Errorf("%s ends with %+v", row.path, last)
			}
			if d := e.Delegation; len(d) != slices.IndexFunc(p.servers, func(o *Server) bool { return o.name == s })+1 || d[len(d)-1].Decision != "passed" || len(d) > 1 && d[0].Decision != "declined" {
				t.Errorf("%s: delegation %+v", row.path, d)
			}
		}
	}
	q := newQuestions(p, 1)
	for range 1000 {
		_, _ = source{p}.Explain(q.question().ExplainRequest)
	}
	if e := p.mustExplain(t, "GET /api/v1/namespaces/a/configmaps", "user=x", "group=system:masters"); e.Route.Operation != "listCoreV1NamespacedConfigMap" || e.Route.Handler != "*api.Resource" {
		t.Errorf("%+v", e.Route)
	}
}

// TestExplainSaysWhy: each filter that a request enters has a reason of its own and names
// what decided; those that are off are not there.
func TestExplainSaysWhy(t *testing.T) {
	p := newTestProgram(t, explained(t)...)
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	for _, row := range []struct {
		request, parameters, filter, Decision, why, rule string
	}{
		{"GET /version", "", "canonical-path", "passed", "nothing to refuse", ""},
		{"GET /a%2fb", "", "canonical-path", "answered", "holds an encoded slash", ""},
		{"GET /version", "header=Cookie: a;b;c;d", "canonical-path", "answered", "4 cookies", "max-cookies"},
		{"GET /version?" + strings.Repeat("a&", 30), "", "canonical-path", "answered", "more than 20 parameters", "max-query-keys"},
		{"GET /version", "listener=http header=Host: other", "host-and-origin", "answered", `"other"`, "allowed-hosts"},
		{"GET /version", "listener=http header=Origin: null", "host-and-origin", "answered", `"null"`, "cors-allowed-origins"},
		{"GET /version", "listener=http", "host-and-origin", "passed", "a name of this server", "allowed-hosts"},
		{"GET /version", "", "mux-and-discovery-complete", "passed", "installed", "signal MuxAndDiscoveryComplete"},
		{"GET /api/v1/pods", "user=x", "request-info", "passed", "list of resource pods", ""},
		{"GET /api/v1/watch", "user=x", "request-info", "answered", "names no resource", ""},
		{"GET /version", "", "retry-after", "passed", "takes requests", "shutdown-send-retry-after"},
		{"GET /version", "", "hsts", "passed", "TLS only", "strict-transport-security-directives"},
		{"GET /version", "", "goaway", "passed", "HTTP/1.1", "goaway-chance"},
		{"GET /version", "", "watch-termination", "passed", "not long-running", ""},
		{"GET /api/v1/pods?watch=1", "", "watch-termination", "passed", "a stop would end it", "shutdown-watch-termination-grace-period"},
		{"GET /version", "", "wait-group", "passed", "a stop would wait", "shutdown-timeout"},
		{"GET /version", "", "deadline", "passed", "it has 1m0s", "request-timeout"},
		{"GET /version?timeout=3s", "", "deadline", "passed", "it has 3s", "?timeout="},
		{"GET /version?timeout=x", "", "deadline", "answered", "no duration", ""},
		{"GET /version?timeout=3s", "", "timeout", "passed", "504 after 3s", "request-timeout"},
		{"GET /api/v1/pods?watch=1", "", "timeout", "passed", "random", "min-request-timeout"},
		{"GET /version", "", "cors", "passed", "names no Origin", ""},
		{"GET /version", "header=Origin: https://bad.example", "cors", "passed", "not allowed", "cors-allowed-origins"},
		{"GET /version", "header=Origin: https://ok.example", "cors", "passed", "is allowed", "cors-allowed-origins"},
		{"OPTIONS /version", "header=Origin: https://ok.example", "cors", "answered", "preflight", "cors-allowed-origins"},
		{"GET /version", "listener=http", "authentication", "passed", "everybody on the plain listener is system:unsecured", ""},
		{"GET /version", "user=bob", "authentication", "passed", "user bob, as asked", ""},
		{"GET /version", "", "authentication", "passed", "user system:anonymous", "anonymous-auth"},
		{"GET /version", "header=Authorization: Bearer alice-token", "authentication", "passed", "user alice, by its credentials", ""},
		{"GET /version", "header=Authorization: Bearer wrong", "authentication", "answered", "bearer: invalid bearer token", "anonymous-auth"},
		{"GET /version", "", "audit", "passed", "level Metadata", "audit-policy-file"},
		{"GET /version", "user=bob", "impersonation", "passed", "does not ask", ""},
		{"GET /version", "user=x group=system:masters header=Impersonate-User: carol", "impersonation", "passed", "acts as carol", "verb impersonate"},
		{"GET /version", "user=bob header=Impersonate-User: carol", "impersonation", "answered", `User "bob" cannot impersonate`, "verb impersonate"},
		{"GET /version", "user=bob", "max-in-flight", "passed", "a place is free", "max-requests-inflight"},
		{"POST /version", "user=bob", "max-in-flight", "passed", "a place is free", "max-mutating-requests-inflight"},
		{"GET /api/v1/pods?watch=1", "user=bob", "max-in-flight", "passed", "takes no place", ""},
		{"GET /version", "user=bob", "authorization", "passed", "everybody may read", "get /version"},
		{"GET /api/v1", "user=bob", "authorization", "passed", "discovery", "get /api/"},
		{"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "user=bob", "authorization", "passed", "who they are", "create selfsubjectaccessreviews.authorization.k8s.io"},
		{"GET /api/v1/pods", "user=bob group=system:masters", "authorization", "passed", "may do everything", "group system:masters"},
		{"GET /api/v1/pods", "user=bob", "authorization", "answered", "no rule allows it", ""},
	} {
		var parameters []string
		for _, s := range strings.Split(row.parameters, " ") {
			if n := len(parameters); n > 0 && !strings.Contains(s, "=") {
				parameters[n-1] += " " + s
			} else if s != "" {
				parameters = append(parameters, s)
			}
		}
		e := p.mustExplain(t, row.request, parameters...)
		s := stepOf(&e, row.filter)
		if s == nil || s.Decision != row.Decision || !strings.Contains(s.Why, row.why) || s.Rule != row.rule {
			t.Errorf("%s %s: %s is %+v, want %s %q %q", row.request, row.parameters, row.filter, s, row.Decision, row.why, row.rule)
			continue
		}
		answers := row.Decision == "answered"
		if last := e.Steps[len(e.Steps)-1]; answers != (last.Name == row.filter) || answers && (e.WouldAnswer == nil || e.WouldAnswer.By != row.filter || e.Server != nil || e.Route != nil) {
			t.Errorf("%s %s: ends with %+v, %+v", row.request, row.parameters, last, e.WouldAnswer)
		}
		if early := e.RequestInfo == nil; early != (answers && *s.Position <= 6) {
			t.Errorf("%s %s: request info %+v", row.request, row.parameters, e.RequestInfo)
		}
	}
	for _, listener := range []string{"http", "https"} {
		e := p.mustExplain(t, "GET /version", "listener="+listener)
		var want, got []string
		for i, r := range p.chain(listener).rows {
			if r.off == "" && (r.idle == nil || r.idle() == "") {
				want = append(want, itoa(i+1)+" "+r.name)
			}
		}
		for _, s := range e.Steps {
			if s.Why == "" {
				t.Errorf("%s: %s gives no reason", listener, s.Name)
			}
			if s.Position != nil {
				got = append(got, itoa(*s.Position)+" "+s.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", listener, got, want)
		}
	}
}

// TestExplainWaits: a filter can say that it would wait, or that it would cut the
// connection, and nothing waits.
func TestExplainWaits(t *testing.T) {
	p := newTestProgram(t)
	c := p.chain("http")
	fault := func(f func(x *exchange, next handler) error) admin.Explanation {
		rows := slices.Clone(c.rows)
		rows[len(rows)-1].filter = filter{step: f}
		r, err := p.dryRequest("http", &admin.ExplainRequest{Path: "/version"})
		if err != nil {
			t.Fatal(err)
		}
		return newChain(p, "http", rows).explain(r, nil)
	}
	e := fault(func(x *exchange, next handler) error {
		x.wouldWait("rule slow delays it by 2s", "slow")
		return next(x)
	})
	if s := stepOf(&e, "fault-injection"); s == nil || s.Decision != "would-wait" || s.Why != "rule slow delays it by 2s" || s.Rule != "slow" || !e.ReachesHandler {
		t.Errorf("%+v %v", s, e.ReachesHandler)
	}
	e = fault(func(x *exchange, next handler) error {
		x.because("rule gone cuts it", "gone")
		return nil
	})
	if a := e.WouldAnswer; a == nil || a.Status != 0 || a.By != "fault-injection" || a.Message != "" || e.ReachesHandler {
		t.Errorf("%+v", a)
	}
}

// TestExplainLimits: where every place is taken it says so, and takes none that is free.
func TestExplainLimits(t *testing.T) {
	p := newTestProgram(t, "--max-requests-inflight=1", "--max-mutating-requests-inflight=0")
	c := p.chain("https")
	for range 3 {
		if e := p.mustExplain(t, "GET /version", "user=bob"); !e.ReachesHandler {
			t.Fatalf("%+v", e.WouldAnswer)
		}
	}
	c.inFlight.readOnly.Add(1)
	e := p.mustExplain(t, "GET /version", "user=bob")
	if a := e.WouldAnswer; a == nil || a.Status != 429 || a.By != "max-in-flight" || !reflect.DeepEqual(map[string]string(a.Headers), map[string]string{"Retry-After": "1"}) {
		t.Errorf("%+v", a)
	}
	if s := stepOf(&e, "max-in-flight"); s.Why != "every place is taken" || s.Rule != "max-requests-inflight" {
		t.Errorf("%+v", s)
	}
	e = p.mustExplain(t, "GET /version", "user=bob", "group=system:masters")
	if s := stepOf(&e, "max-in-flight"); !e.ReachesHandler || !strings.Contains(s.Why, "need none") {
		t.Errorf("%+v", s)
	}
	e = p.mustExplain(t, "POST /version", "user=bob", "group=system:masters")
	if s := stepOf(&e, "max-in-flight"); s.Why != "there is no limit" || s.Rule != "max-mutating-requests-inflight" || e.WouldAnswer.Status != 405 || e.WouldAnswer.Headers["Allow"] != "GET" || e.WouldAnswer.By != "container" {
		t.Errorf("%+v %+v", s, e.WouldAnswer)
	}
	if n := c.inFlight.readOnly.Load(); n != 1 {
		t.Errorf("%d places are taken", n)
	}
}

// TestExplainChangesNothing compares everything that counts, keeps or shows requests
// before and after 1,000 explains.
func TestExplainChangesNothing(t *testing.T) {
	args := explained(t)
	r := startProgram(t, func(s *Server) { extendEverywhere(s.program, nothing) }, append(args, "--listen-admin=127.0.0.1:0", "--max-requests-inflight=2")...)
	r.applied(t, widgetCRD)
	r.api.Customs.Follow()
	log := strings.TrimPrefix(args[1], "--audit-log-path=")
	h := r.adminHandler()
	moving := regexp.MustCompile(`"(at|ageMs|ageSeconds)":[^,}]*|(?m)^(go|process|apichain_gc)_.*$`)
	shown := func() map[string]string {
		out := map[string]string{}
		for _, page := range []string{"servers", "chain", "routes", "hooks", "inflight", "timeline", "listeners", "watches", "store", "requests", "requests?set=slowest", "faults", "drain", "loglevel"} {
			out[page] = "/admin/v1/" + page
		}
		out["metrics"] = "/metrics"
		for page, path := range out {
			w, req := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
			req.Host = "localhost"
			h.ServeHTTP(w, req)
			out[page] = moving.ReplaceAllString(w.Body.String(), "")
		}
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		out["audit log"], out["log"] = string(b), r.err.String()
		for _, c := range r.chains {
			n := 0
			c.table.each(func(*exchange) { n++ })
			out["chain "+c.listener] = fmt.Sprint(c.passed(), n, c.inFlight.readOnly.Load(), c.inFlight.mutating.Load(), c.abandoned.Load())
		}
		success, failure, failed := r.authn.Attempts()
		out["counters"] = fmt.Sprint(r.requestIDs.Load(), r.requests.count(), len(r.longRunning.list()), success, failure, failed, r.generation.Load())
		return out
	}
	for _, kind := range []string{"http", "https"} { // so that there is something to keep
		r.get(kind, "/api/v1/namespaces")
		r.get(kind, "/none")
	}
	q := newQuestions(r.program, 7)
	// A connection is active until a moment after its client has read the answer.
	quiet, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if !r.waitQuiet(quiet, 0) {
		t.Fatal("connections stay active")
	}
	before, goroutines := shown(), runtime.NumGoroutine()
	for range 1000 {
		ask := q.question()
		v := url.Values{"path": {ask.Path}, "method": {ask.Method}, "listener": {ask.Listener}, "group": ask.Groups, "header": ask.Headers}
		if ask.User != "" {
			v.Set("user", ask.User)
		}
		w, req := httptest.NewRecorder(), httptest.NewRequest("GET", "/admin/v1/explain?"+v.Encode(), nil)
		req.Host = "localhost"
		h.ServeHTTP(w, req)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%+v: %d %s", ask, w.Code, w.Body)
		}
	}
	after := shown()
	for what, was := range before {
		was, is := strings.Split(was, "\n"), strings.Split(after[what], "\n")
		for i := range max(len(was), len(is)) {
			if i >= len(was) || i >= len(is) || was[i] != is[i] {
				t.Errorf("%s has changed in line %d of %d, now %d\nfrom %s\nto   %s", what, i, len(was), len(is), was[min(i, len(was)-1)], is[min(i, len(is)-1)])
				break
			}
		}
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 { // connections of the requests before may still end
		t.Errorf("%d goroutines after, %d before", n, goroutines)
	}
}

// TestExplainBeforeAndAfter: before all paths are installed, and while a server stops,
// what is explained is what a request gets.
func TestExplainBeforeAndAfter(t *testing.T) {
	p := newTestProgram(t, explained(t)...)
	check := func(state, request string, status int, by string, parameters ...string) {
		t.Helper()
		q := asked(request, append(parameters, "header=Authorization: Bearer admin-token", "listener=https")...)
		e, refused := source{p}.Explain(q)
		r, _ := p.dryRequest("https", &q)
		if refused != nil {
			t.Fatal(refused)
		}
		w := httptest.NewRecorder()
		p.chain("https").ServeHTTP(w, r)
		switch problem := wrongly(&e, w.Code, w.Header(), w.Body.String()); {
		case problem != "":
			t.Errorf("%s: %s: %s", state, request, problem)
		case status == 0 && !e.ReachesHandler, status > 0 && (e.WouldAnswer == nil || e.WouldAnswer.Status != status || e.WouldAnswer.By != by):
			t.Errorf("%s: %s: %+v, want %d by %s", state, request, e.WouldAnswer, status, by)
		}
	}
	check("start", "GET /none", 503, "not-found")
	check("start", "GET /version", 0, "")
	if e := p.mustExplain(t, "GET /none", "user=x", "group=system:masters"); e.WouldAnswer.Headers["Retry-After"] != "5" || !strings.Contains(stepOf(&e, "mux-and-discovery-complete").Why, "not all paths") {
		t.Errorf("%+v %+v", e.WouldAnswer, e.Steps)
	}
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	check("run", "GET /none", 404, "not-found")
	p.requests.close()
	p.longRunning.close()
	check("drain", "GET /version", 503, "wait-group")
	check("drain", "GET /api/v1/namespaces?watch=1", 503, "watch-termination")
	check("drain", "GET /readyz", 0, "")
	check("drain", "GET /version", 0, "", "header=User-Agent: kube-apiserver/v1")
	p.fire(p.signals.notAcceptingNewRequest, "")
	check("stop", "GET /version", 429, "retry-after")
	check("stop", "GET /readyz", 0, "")
	p.stop.endConnections.Store(true)
	if e := p.mustExplain(t, "GET /a/../b"); e.WouldAnswer.Headers["Connection"] != "close" {
		t.Errorf("%+v", e.WouldAnswer)
	}
}

// TestExplainRefuses what cannot be asked, and names the parameter.
func TestExplainRefuses(t *testing.T) {
	p := newTestProgram(t, "--requestheader-username-headers=X-Proxy-User", "--requestheader-extra-headers-prefix=X-Proxy-Extra-")
	for _, row := range []struct{ request, parameter, want string }{
		{"GET /", "listener=admin", "listener: is http or https"},
		{"GET /", "group=dev", "group: is of no use without user"},
		{"GET /", "listener=http user=x", "user: everybody on the plain listener is system:unsecured"},
		{"GET /", "listener=http header=authorization:x", "header: Authorization carries credentials"},
		{"GET /", "listener=http header=Cookie:x", "header: Cookie carries credentials"},
		{"GET /", "listener=http header=x-remote-user:x", "header: X-Remote-User carries credentials"},
		{"GET /", "listener=http header=x-remote-extra-any:x", "header: X-Remote-Extra-Any carries credentials"},
		{"GET /", "listener=http header=x-proxy-user:x", "header: X-Proxy-User carries credentials"},
		{"GET /", "listener=http header=x-proxy-extra-a:x", "header: X-Proxy-Extra-A carries credentials"},
		{"GET /", "header=nothing", "header: wants Name: value"},
		{"GET /", "header=a b:c", "header: wants Name: value"},
		{"GET /", "header=A:b\r\nC: d", "header: A has a control character"},
		{"GET /", "header=Host:a|b", `header: Host "a|b" is no host name`},
		{"GET /", "header=Expect:more", "header: Expect is refused"},
		{"G(T /", "", `method: "G(T" is no method`},
		{"GET", "", `path: "" is no request target`},
		{"GET /a b", "", `path: "/a b" is no request target`},
		{"GET /a\r\nX:y", "", "path: "},
		{"GET a", "", "path: the request is refused before the first filter"},
		{"GET /%zz", "", "path: the request is refused before the first filter"},
		{"GET /" + strings.Repeat("a", 2<<20), "", "larger than 1 MiB"},
	} {
		var parameters []string
		if row.parameter != "" {
			parameters = strings.SplitN(row.parameter, " ", 2)
			if strings.HasPrefix(row.parameter, "header") {
				parameters = []string{row.parameter}
			}
		}
		e, err := source{p}.Explain(asked(row.request, parameters...))
		if err == nil || err.Code != 400 || err.Reason != "BadRequest" || !strings.Contains(err.Message, row.want) {
			t.Errorf("%.40s %q: %+v %+v, want %q", row.request, parameters, err, e.WouldAnswer, row.want)
		}
	}
	p = newTestProgram(t, "--listen-https=off")
	if e := p.mustExplain(t, "GET /version"); e.Request.Listener != "http" || !e.ReachesHandler {
		t.Errorf("%+v", e)
	}
	if _, err := (source{p}).Explain(asked("GET /", "listener=https")); err == nil || !strings.Contains(err.Message, "https is off: see --listen-https") {
		t.Errorf("%v", err)
	}
}

// TestExplainShowsNoSecret: neither in what was asked nor in the reasons.
func TestExplainShowsNoSecret(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	const secret = "s3cr3t"
	for _, lines := range [][]string{
		{"Authorization: Bearer " + secret, "Cookie: " + secret, "X-Api-Key: " + secret, "X-Remote-User: " + secret, "Accept: a/b", "Impersonate-User: carol"},
		{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: " + "base64url.bearer.authorization.k8s.io." + secret + ", x"},
	} {
		e, refused := source{p}.Explain(admin.ExplainRequest{Path: "/api/v1/secrets?watch=0&mine=" + secret + "&limit=3", Headers: lines})
		b, err := json.Marshal(e)
		if refused != nil || err != nil || strings.Contains(string(b), secret) {
			t.Errorf("%v %v %s", refused, err, b)
		}
	}
	e := p.mustExplain(t, "GET /a?x=1&limit=3", "header=Accept: a/b", "header=X-Key: y", "header=impersonate-user: carol")
	if got := e.Request; got.Path != "/a?x=REDACTED&limit=3" || strings.Join(got.Headers, "; ") != "Accept: a/b; X-Key: REDACTED; Impersonate-User: carol" {
		t.Errorf("%+v", got)
	}
}

// TestExplainOverASocket: a listener in the file system checks no Host, and neither does
// its explanation.
func TestExplainOverASocket(t *testing.T) {
	r := startProgram(t, nil, "--listen-http=unix:"+t.TempDir()+"/s", "--listen-https=127.0.0.1:0")
	e := r.mustExplain(t, "GET /version", "listener=http", "header=Host: other.example")
	if s := stepOf(&e, "host-and-origin"); !e.ReachesHandler || !strings.Contains(s.Why, "socket in the file system") {
		t.Errorf("%+v", s)
	}
	if host, unix := r.ownHost("https"); unix || "https://"+host != r.urls("https")[0] {
		t.Errorf("%s %v", host, unix)
	}
}

// FuzzExplain: whatever is asked, the answer is an explanation or a 400.
func FuzzExplain(f *testing.F) {
	for _, q := range oddRequests {
		f.Add(q.Method, q.Path, "", "", "", strings.Join(q.Headers, "\n"))
	}
	f.Add("GET", "/apis/example.com/v1/namespaces/t1/widget", "https", "alice", "system:masters", "Accept: a/b")
	f.Add("POST", "/of/core/v1/things?timeout=1s", "http", "", "", "Content-Type: x")
	p := newTestProgram(f, "--token-auth-file=testdata/tokens.csv")
	extendEverywhere(p, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a handler runs") }))
	p.applied(f, widgetCRD)
	p.api.Customs.Follow()
	h := p.adminHandler()
	f.Fuzz(func(t *testing.T, method, path, listener, user, group, headers string) {
		v := url.Values{"path": {path}}
		for name, value := range map[string]string{"method": method, "listener": listener, "user": user, "group": group} {
			if value != "" {
				v.Set(name, value)
			}
		}
		if headers != "" {
			v["header"] = strings.Split(headers, "\n")
		}
		for _, accept := range []string{"application/json", "text/plain"} {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/admin/v1/explain?"+v.Encode(), nil)
			r.Host = "localhost"
			r.Header.Set("Accept", accept)
			began := time.Now()
			h.ServeHTTP(w, r)
			if w.Code != 200 && w.Code != 400 || w.Body.Len() == 0 || accept == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		}
	})
}
