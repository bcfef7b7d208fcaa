package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/request"
	"apichain/internal/status"
)

// Explain equals reality: what it says of a request is what the request then gets.

// explained are the flags under which every filter has something to decide.
func explained(t testing.TB) []string {
	args, _ := auditFiles(t, "rules: [{level: Metadata}]\n")
	return append(args, "--token-auth-file=testdata/tokens.csv", "--cors-allowed-origins=^https://ok\\.example$", "--shutdown-send-retry-after", "--shutdown-watch-termination-grace-period=1s",
		"--goaway-chance=0.02", "--strict-transport-security-directives=max-age=1", "--allowed-hosts=named.example", "--max-header-lines=12", "--max-cookies=3", "--max-query-keys=20")
}

const clusterCRD = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"globes.example.com"},"spec":{"group":"example.com","scope":"Cluster",
 "names":{"plural":"globes","singular":"globe","kind":"Globe","listKind":"GlobeList"},"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object"}}},{"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`

// extendEverywhere registers one route of each kind on each server of the chain, those of
// the same path too.
func extendEverywhere(p *program, h http.Handler) {
	for _, s := range p.servers {
		at := "/of/" + s.name
		_ = s.Handle(at+"/exact", h)
		_ = s.Handle(at+"/slash/", h)
		_ = s.HandlePrefix(at+"/below/", h)
		_ = s.Handle("/shared/exact", h)
		_ = s.HandlePrefix("/shared/"+s.name+"/", h)
		_ = s.AddWebService(&WebService{Root: at + "/v1", Routes: []Route{
			{Method: "GET", Path: "/things", Handler: h},
			{Method: "POST", Path: "/things", Handler: h, Consumes: []string{"application/json"}},
			{Method: "GET", Path: "/things/{name}", Handler: h, Produces: []string{"application/json", "text/plain"}},
			{Method: "PUT", Path: "/things/{name}/part", Handler: h, Consumes: []string{"text/plain"}, Produces: []string{"application/json"}},
			{Method: "GET", Path: "/files/{path:*}", Handler: h},
			{Method: "GET", Path: "/follow", Handler: h, LongRunning: true},
		}})
	}
}

// question is one request, as explain is asked about it and as a client sends it.
type question struct {
	admin.ExplainRequest
	token string // of User, for the real one
}

// questions makes requests that are like those which something is registered for.
type questions struct {
	r        *rand.Rand
	patterns []string
	rare     []string // those few among them that tests and definitions add
}

func newQuestions(p *program, seed uint64) *questions {
	q := &questions{r: rand.New(rand.NewPCG(seed, 1))}
	for _, s := range p.servers {
		for _, r := range s.routes() {
			q.patterns = append(q.patterns, r.pattern)
		}
	}
	slices.Sort(q.patterns)
	q.patterns = slices.Compact(q.patterns)
	for _, s := range q.patterns {
		if strings.Contains(s, "example.com") || strings.HasPrefix(s, "/of/") || strings.HasPrefix(s, "/shared/") {
			q.rare = append(q.rare, s)
		}
	}
	return q
}

func (q *questions) one(list ...string) string { return list[q.r.IntN(len(list))] }

func (q *questions) chance(percent int) bool { return q.r.IntN(100) < percent }

// path is a registered pattern with its parameters filled in, and often something odd.
func (q *questions) path() string {
	patterns := q.patterns
	if q.chance(40) && len(q.rare) > 0 {
		patterns = q.rare
	}
	segments := strings.Split(q.one(patterns...), "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = q.one("default", "kube-system", "a", "widgets", "v1")
		}
	}
	if last := len(segments) - 1; segments[last] == "" && q.chance(50) {
		segments[last] = q.one("x", "x/y", "x//y", "")
	}
	for range q.r.IntN(4) - 1 { // none in half of them
		i := 1 + q.r.IntN(len(segments)-1)
		switch q.r.IntN(9) {
		case 0:
			segments[i] += q.one("s", "%41", "%2f", "%5c", ";", "?", "é", "%C3%A9", "%FF", "%00")
		case 1:
			segments = slices.Delete(segments, i, i+1)
		case 2:
			segments = slices.Insert(segments, i, q.one("", "extra", ".", "..", "watch", "proxy", "namespaces", "status"))
		case 3:
			segments = append(segments, q.one("", "status", "scale", "log", "extra"))
		case 4:
			segments[i] = q.one("v1", "v2", "v1beta1", "apis", "api", "example.com", "watch", "pods")
		case 5:
			segments[i] = strings.TrimSuffix(segments[i], "s")
		case 6:
			segments[i] = strings.ToUpper(segments[i])
		default:
			segments = append(segments, "")
		}
		if len(segments) < 2 {
			return "/"
		}
	}
	path := strings.Join(segments, "/")
	if q.chance(30) && !strings.Contains(path, "?") {
		path += q.one("?timeout=30s", "?timeout=x", "?timeout=0", "?watch=1", "?watch=true&timeoutSeconds=1", "?watch=false", "?fieldSelector=metadata.name%3Da", "?pretty", "?limit=1", "?"+strings.Repeat("a&", 25), "?labelSelector=%zz")
	}
	return path
}

func (q *questions) question() question {
	var out question
	out.Path, out.Listener = q.path(), q.one("http", "https", "https")
	out.Method = q.one("GET", "GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "BREW", "get")
	switch {
	case strings.Contains(out.Path, "customresourcedefinitions") && out.Method == "DELETE":
		out.Method = "GET" // else there would soon be no custom resource
	case q.chance(4):
		out.Method, out.Path, _ = strings.Cut(q.one("POST /of/core/v1/things", "PUT /of/aggregator/v1/things/a/part", "GET /of/extensions/v1/things/a"), " ")
		out.Headers = append(out.Headers, q.one("Accept: image/png", "Content-Type: text/html"))
	case q.chance(3):
		out.Path = q.one("*", "/api/v1/watch", "http://named.example/version", "http://other.example/version", "https://127.0.0.1/version", "//x/y", "/", "/%", "version", "")
	}
	header := func(percent int, name string, values ...string) {
		if q.chance(percent) {
			out.Headers = append(out.Headers, name+": "+q.one(values...))
		}
	}
	header(15, "Accept", "application/json", "application/yaml", "text/plain", "image/png", "*/*", "application/*", "text/html, application/json;q=0.1", "", ";")
	header(15, "Content-Type", "application/json", "text/plain", "application/merge-patch+json; charset=utf-8", "application/vnd.kubernetes.protobuf", "")
	header(10, "Origin", "https://ok.example", "https://bad.example", "null", "http://localhost")
	header(5, "Host", "named.example", "other.example", "localhost:1", "")
	header(5, "Sec-Fetch-Site", "cross-site", "same-origin", "none")
	header(3, "Cookie", "a=1", "a=1;b=2;c=3;d=4")
	header(3, "User-Agent", "kube-apiserver/v1", "curl")
	header(3, "Expect", "100-continue", "more")
	header(3, "Connection", "close", "keep-alive")
	header(2, "Audit-Id", "mine")
	if out.Listener == "http" {
		if q.chance(5) {
			for i := range 13 {
				out.Headers = append(out.Headers, "X-Line-"+itoa(i)+": 1")
			}
		}
		out.Headers = slices.DeleteFunc(out.Headers, func(h string) bool { return strings.HasPrefix(h, "Cookie") })
		return out
	}
	switch q.r.IntN(8) {
	case 0, 1, 2:
		out.User, out.Groups, out.token = "admin", []string{request.GroupMasters}, "admin-token"
	case 3:
		out.User, out.Groups, out.token = "alice", []string{"dev"}, "alice-token"
	case 4:
		out.User, out.token = "bob", "bob-token"
	case 5:
		out.Headers = append(out.Headers, "Authorization: "+q.one("Bearer admin-token", "Bearer  admin-token", "Bearer wrong", "Basic eDp5"))
	}
	header(15, "Impersonate-User", "carol", "system:serviceaccount:default:x", "system:anonymous", "")
	header(4, "Impersonate-Group", "dev", request.GroupMasters)
	header(3, "Impersonate-Extra-Scope", "s")
	header(3, "X-Remote-User", "mallory")
	return out
}

// real is the request as a client sends it.
func (q *question) real() admin.ExplainRequest {
	r := q.ExplainRequest
	if q.token != "" {
		r.User, r.Groups, r.Headers = "", nil, append(slices.Clone(r.Headers), "Authorization: Bearer "+q.token)
	}
	return r
}

// wrongly says how what a request got differs from what was foretold; "" if it does not.
func wrongly(e *admin.Explanation, code int, header http.Header, body string) string {
	a := e.WouldAnswer
	if a == nil {
		return ""
	}
	var s status.Status
	message, reason := strings.TrimSuffix(body, "\n"), ""
	if json.Unmarshal([]byte(body), &s) == nil && s.Kind == "Status" {
		message, reason = s.Message, s.Reason
	}
	if body == "" && code != http.StatusNoContent {
		message, reason = a.Message, a.Reason // an answer to HEAD
	}
	if a.Status != code || a.Reason != reason || a.Message != message {
		return fmt.Sprintf("foretold %d %q %q, got %d %q %q", a.Status, a.Reason, a.Message, code, reason, message)
	}
	for name, value := range a.Headers {
		if got := strings.Join(header[name], ", "); got != value {
			return fmt.Sprintf("foretold %s: %q, got %q", name, value, got)
		}
	}
	return ""
}

// foretoldFilters are the filters among the steps of an explanation, in order.
func foretoldFilters(e *admin.Explanation) string {
	var names []string
	for _, s := range e.Steps {
		if s.Stage == "filter" {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " ")
}

// recordedFilters are those of the request that ended last, in order.
func recordedFilters(p *program) string {
	var names []string
	for _, f := range p.recent.slots[p.recent.next.Load()%uint64(len(p.recent.slots))].shown().Filters {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

// TestExplainListsWhatIsRecorded: a request that is explained and the same one when it has ended have
// the same filters: those that do their work where the request is opened or closed are among them,
// and those that have nothing to do at the moment are not, until they have.
func TestExplainListsWhatIsRecorded(t *testing.T) {
	p := newTestProgram(t, explained(t)...)
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	ask := func(listener string) string {
		q := admin.ExplainRequest{Path: "/version", Listener: listener}
		e, err := source{p}.Explain(q)
		r, refused := p.dryRequest(listener, &q)
		if err != nil || refused != nil {
			t.Fatal(err, refused)
		}
		p.chain(listener).ServeHTTP(httptest.NewRecorder(), r)
		if got := recordedFilters(p); got != foretoldFilters(&e) {
			t.Errorf("%s: foretold filters %s; recorded %s", listener, foretoldFilters(&e), got)
		}
		return recordedFilters(p)
	}
	for _, listener := range []string{"http", "https"} {
		quiet := ask(listener)
		if strings.Contains(quiet, "access-record") || strings.Contains(quiet, "fault-injection") || listener == "https" && !strings.Contains(quiet, "received-timestamp") {
			t.Errorf("%s: %s", listener, quiet)
		}
		p.logLevel.usual = accessVerbosity
		p.faults.rules.Store(&faultRules{})
		if busy := ask(listener); !strings.HasSuffix(busy, " fault-injection") || listener == "https" && !strings.Contains(busy, " access-record ") {
			t.Errorf("%s: %s", listener, busy)
		}
		p.logLevel.usual = 2
		p.faults.rules.Store(nil)
	}
	for _, f := range (source{p}).Chain()[1].Filters {
		if f.TimeNs != nil && (f.Name == "access-record" || f.Name == "received-timestamp") {
			t.Errorf("%s has a time: %+v", f.Name, f.TimeNs)
		}
	}
}

// TestExplainEqualsReality asks about 10,000 requests and sends each of them through the
// real chain: server and route are those foretold, and so is the answer where no handler
// gives it. EXPLAIN_SEED repeats a run.
func TestExplainEqualsReality(t *testing.T) {
	p := newTestProgram(t, explained(t)...)
	extendEverywhere(p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	p.applied(t, widgetCRD)
	p.applied(t, clusterCRD)
	p.api.Customs.Follow()
	p.fire(p.signals.muxAndDiscoveryComplete, "")
	var last *exchange
	for _, c := range p.chains {
		run := c.run
		c.run = func(x *exchange) error {
			last = x
			return run(x)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()

	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("EXPLAIN_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	q := newQuestions(p, seed)
	reached, answered, refused, servers := map[string]int{}, map[string]int{}, 0, map[string]int{}
	for i := range 10_000 {
		ask := q.question()
		e, unable := source{p}.Explain(ask.ExplainRequest)
		real := ask.real()
		r, refusal := p.dryRequest(ask.Listener, &real)
		if (unable == nil) != (refusal == nil) {
			t.Fatalf("seed %d, %d: %+v: explain says %v, reading it %v", seed, i, ask, unable, refusal)
		}
		if unable != nil {
			refused++
			continue
		}
		w := httptest.NewRecorder()
		if e.RequestInfo != nil && request.IsLongRunning(&request.Info{IsResourceRequest: e.RequestInfo.IsResourceRequest, Path: e.RequestInfo.Path, Verb: e.RequestInfo.Verb, Subresource: e.RequestInfo.Subresource}) {
			r = r.WithContext(ended) // else it would last
		}
		c := p.chain(ask.Listener)
		c.ServeHTTP(w, r)
		at, server, route := int(last.at.Load()), "", ""
		if at >= len(c.rows) && last.target.server != nil {
			server = last.target.server.name
			if last.target.route != nil {
				route = last.target.route.id()
			}
		}
		problem := wrongly(&e, w.Code, w.Header(), w.Body.String())
		foretoldServer, foretoldRoute := "", ""
		if e.Server != nil {
			foretoldServer = *e.Server
		}
		if e.Route != nil {
			foretoldRoute = e.Route.ID
		}
		switch {
		case foretoldServer != server || foretoldRoute != route:
			problem = fmt.Sprintf("foretold server %q, route %q; got %q, %q", foretoldServer, foretoldRoute, server, route)
		case e.ReachesHandler != (at == len(c.rows)+1) || e.ReachesHandler != (e.WouldAnswer == nil):
			problem = fmt.Sprintf("foretold a handler: %v; came to %s", e.ReachesHandler, c.place(at))
		case foretoldFilters(&e) != recordedFilters(p):
			problem = fmt.Sprintf("foretold filters %s; recorded %s", foretoldFilters(&e), recordedFilters(p))
		case len(e.NearMisses) > maxNearMisses:
			problem = fmt.Sprintf("%d near misses", len(e.NearMisses))
		}
		if problem != "" {
			t.Fatalf("seed %d, %d: %+v: %s\n%s", seed, i, ask, problem, w.Body)
		}
		if servers[server]++; e.WouldAnswer == nil {
			kind := strings.Split(route, ":")
			reached[kind[0]+":"+kind[1]]++
		} else {
			answered[e.WouldAnswer.By+" "+itoa(e.WouldAnswer.Status)]++
		}
	}
	t.Logf("reached %v, answered %v, not sent %d", reached, answered, refused)
	for _, want := range []string{"aggregator:container", "aggregator:exact", "aggregator:prefix", "core:container", "core:exact", "core:prefix", "extensions:container", "extensions:exact", "extensions:prefix"} {
		if reached[want] == 0 {
			t.Errorf("seed %d: nothing reached %s", seed, want)
		}
	}
	for _, want := range []string{"canonical-path 400", "canonical-path 405", "canonical-path 421", "canonical-path 431", "host-and-origin 403", "request-info 500", "timeout 400", "deadline 400", "cors 204", "authentication 401", "impersonation 403", "authorization 403",
		"container 404", "container 405", "container 406", "container 415", "not-found 404"} {
		if answered[want] == 0 {
			t.Errorf("seed %d: nothing was answered by %s", seed, want)
		}
	}
}

// TestExplainEqualsRealityOverSockets sends some of them over real connections, byte for
// byte, so that net/http's own reading is compared too: what it refuses cannot be
// explained.
func TestExplainEqualsRealityOverSockets(t *testing.T) {
	reached := 0
	r := startProgram(t, nil, append(explained(t), "--max-header-lines=20")...)
	extendEverywhere(r.program, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	r.applied(t, widgetCRD)
	r.api.Customs.Follow()
	seed := uint64(time.Now().UnixNano())
	q := newQuestions(r.program, seed)
	pool := r.client("https").Transport.(*http.Transport).TLSClientConfig
	for i := 0; i < 300; i++ {
		ask := q.question()
		if i < len(oddRequests) {
			ask = question{ExplainRequest: oddRequests[i]}
		}
		if strings.Contains(ask.Path, "watch") || ask.Path == "" {
			continue // it would last
		}
		e, unable := source{r.program}.Explain(ask.ExplainRequest)
		code, header, body, err := r.sendRaw(ask.Listener, ask.real(), pool)
		if err != nil {
			t.Fatalf("seed %d, %d: %+v: %v", seed, i, ask, err)
		}
		switch {
		case unable != nil && (header.Get("Audit-Id") != "" || code < 400):
			t.Errorf("seed %d, %d: %+v is not explained (%s), but got %d %s", seed, i, ask, unable.Message, code, body)
		case unable == nil && header.Get("Audit-Id") == "":
			t.Errorf("seed %d, %d: %+v never came to the chain (%d %s), but is explained: %+v", seed, i, ask, code, body, e.WouldAnswer)
		case unable == nil:
			if problem := wrongly(&e, code, header, body); problem != "" {
				t.Errorf("seed %d, %d: %+v: %s", seed, i, ask, problem)
			}
			if e.ReachesHandler {
				reached++
			}
		}
	}
	if reached < 10 {
		t.Errorf("seed %d: only %d reached a handler", seed, reached)
	}
}

// oddRequests are near the edge of what net/http takes.
var oddRequests = []admin.ExplainRequest{
	{Listener: "http", Path: "/version", Headers: []string{"Host: a b"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: a/b"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: a\\b"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: é"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: 127.0.0.1", "Host: 127.0.0.1"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: [::1]:80"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: a!$&'()*+,;=:@b"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: a!$&'()*+,;=:b"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: a|b^c`d#e"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: %41"}},
	{Listener: "http", Path: "/version", Headers: []string{"Host: a~b_c"}},
	{Listener: "http", Path: "/version", Headers: []string{"Content-Length: 1, 2"}},
	{Listener: "http", Path: "/version", Headers: []string{"Content-Length: x"}},
	{Listener: "http", Path: "/version", Headers: []string{"Content-Length: 0", "Content-Length: 0"}},
	{Listener: "http", Path: "/version", Headers: []string{"Content-Length: -1"}},
	{Listener: "http", Path: "/version", Headers: []string{"Transfer-Encoding: gzip"}},
	{Listener: "http", Path: "/version", Headers: []string{"X: a\tb", "Y: é\xff"}},
	{Listener: "http", Path: "/version", Headers: []string{"Expect: more"}},
	{Listener: "http", Path: "/version", Headers: []string{"Trailer: X", "Transfer-Encoding: identity"}},
	{Listener: "http", Path: "/%zz"},
	{Listener: "http", Path: "/é\xff"},
	{Listener: "http", Path: "version"},
	{Listener: "http", Path: "://x"},
	{Listener: "http", Path: "http://[::1/"},
	{Listener: "http", Path: "http://a b/"},
	{Listener: "http", Path: "/version", Method: "GE(T"},
	{Listener: "http", Path: "/version", Method: "BREW"},
	{Listener: "http", Path: "*", Method: "OPTIONS"},
	{Listener: "http", Path: "*"},
	{Listener: "http", Path: "host:1", Method: "CONNECT"},
	{Listener: "http", Path: "/version#fragment"},
	{Listener: "http", Path: "/version?a#b"},
	{Listener: "http", Path: "?a"},
}

// sendRaw writes the request as it is asked about to a connection of its own.
func (r *running) sendRaw(listener string, q admin.ExplainRequest, config *tls.Config) (int, http.Header, string, error) {
	u, err := url.Parse(r.urls(listener)[0])
	if err != nil {
		return 0, nil, "", err
	}
	var c net.Conn
	if c, err = net.Dial("tcp", u.Host); err != nil {
		return 0, nil, "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if listener == "https" {
		own := config.Clone()
		own.ServerName = "127.0.0.1"
		c = tls.Client(c, own)
	}
	method := q.Method
	if method == "" {
		method = "GET"
	}
	lines, has := "", func(name string) bool {
		return slices.ContainsFunc(q.Headers, func(l string) bool { return strings.HasPrefix(l, name+":") })
	}
	for _, l := range q.Headers {
		lines += l + "\r\n"
	}
	if !has("Host") {
		lines += "Host: " + u.Host + "\r\n"
	}
	if !has("Content-Length") && (method == "POST" || method == "PUT" || method == "PATCH") {
		lines += "Content-Length: 0\r\n"
	}
	if _, err := io.WriteString(c, method+" "+q.Path+" HTTP/1.1\r\n"+lines+"\r\n"); err != nil {
		return 0, nil, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: strings.ToUpper(method)})
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	if resp.Close { // ReadResponse takes the line away
		resp.Header.Set("Connection", "close")
	}
	if method == "CONNECT" {
		return resp.StatusCode, resp.Header, "", nil
	}
	b, err := io.ReadAll(resp.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return resp.StatusCode, resp.Header, string(b), err
}
