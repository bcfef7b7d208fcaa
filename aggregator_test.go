package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// groupServer is a server of the group ext.example.com, version v1, on TLS; the flag that aggregates it is returned too.
func groupServer(t testing.TB, h http.HandlerFunc) (address, flag string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/apis/ext.example.com/v1", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"ext.example.com/v1",
			"resources":[{"name":"things","singularName":"thing","namespaced":true,"kind":"Thing","verbs":["get","list","watch"]}]}`)
	})
	mux.HandleFunc("/", h)
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	address = s.Listener.Addr().String()
	return address, "--aggregate=ext.example.com/v1=https://" + address + ",insecure"
}

// awaitAggregated waits until an APIService is available.
func (r *running) awaitAggregated(name string) {
	r.t.Helper()
	c := r.clients("https")
	c.Soon(name+" is available", func() bool {
		_, obj := c.Try("GET", "/apis/apiregistration.k8s.io/v1/apiservices/"+name, nil)
		for _, condition := range tree.List(obj, "status", "conditions") {
			if tree.Text(condition, "status") == "True" {
				return true
			}
		}
		return false
	})
}

// thingsPath is a path of a resource that a groupServer has.
const thingsPath = "/apis/ext.example.com/v1/namespaces/a/things"

// TestAggregated: requests for the group of another server go there from every listener in every protocol, and are
// otherwise as all requests are: identified, authorized, shown.
func TestAggregated(t *testing.T) {
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q %q %v", r.Method, r.URL, r.Header.Get("X-Remote-User"), r.Header["X-Remote-Group"], b, r.Header["Authorization"])
	})
	// alice may nothing.
	r := startProgram(t, func(s *Server) {
		s.program.authz = judge(func(u *request.User, _ *request.Info) auth.Decision {
			if u.In(request.GroupMasters) {
				return auth.Decision{Verdict: auth.Allow}
			}
			return auth.Decision{}
		})
	}, flag, "--listen-admin=127.0.0.1:0")
	r.awaitAggregated("v1.ext.example.com")
	for _, kind := range clientKinds {
		who := `admin ["system:masters" "system:authenticated"]`
		if kind == "http" || kind == "h2c" {
			who = `system:unsecured ["system:masters" "system:authenticated"]`
		}
		got, err := r.send(r.client(kind), kind, "POST", thingsPath+"?b=1&a=2", strings.NewReader("body"), "Audit-Id: my-id", "X-Remote-User: root")
		if want := "POST " + thingsPath + "?a=2&b=1 " + who + ` "body" []`; err != nil || got.status != 200 || got.body != want || !slices.Equal(got.header["Audit-Id"], []string{"my-id"}) {
			t.Errorf("%s: %d %s %v (%v), want %s", kind, got.status, got.body, got.header, err, want)
		}
		if got := r.get(kind, "/apis/ext.example.com/v1/a%2Fb"); got.status != 400 {
			t.Errorf("%s: an encoded slash is %d", kind, got.status)
		}
	}
	// What a user may not do is refused in front.
	if got := r.get("https", thingsPath, "Authorization: Bearer alice-token"); got.status != 403 || !strings.Contains(got.body, `cannot list resource \"things\" in API group \"ext.example.com\"`) {
		t.Errorf("alice: %d %s", got.status, got.body)
	}
	// Local groups are served here, and so is what no server has.
	if got := r.get("https", "/apis/apps/v1/deployments"); got.status != 200 {
		t.Errorf("a local group is %d", got.status)
	}
	if got := r.get("https", "/apis/ext.example.com/v2/things"); got.status != 404 {
		t.Errorf("another version is %d", got.status)
	}
	// The pages show it.
	var routes struct{ Items []map[string]any }
	r.look("/admin/v1/routes?server=aggregator", &routes)
	found := false
	for _, rt := range routes.Items {
		if rt["pattern"] == "/apis/ext.example.com/v1/" {
			found = rt["server"] == "aggregator" && rt["kind"] == "prefix" && rt["hits"] == 4.0
		}
	}
	if !found {
		t.Errorf("the routes are %+v", routes.Items)
	}
}

// TestAggregatedExplained: an explanation names the APIService, and asks nobody.
func TestAggregatedExplained(t *testing.T) {
	var asked atomic.Int32
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, thingsPath) {
			asked.Add(1)
		}
	})
	r := startProgram(t, nil, flag)
	r.awaitAggregated("v1.ext.example.com")
	explain := func(path string) admin.Explanation {
		req := httptest.NewRequest("GET", path, nil)
		req.Host = "localhost"
		return r.chain("http").explain(req, nil)
	}
	e := explain(thingsPath)
	if !e.ReachesHandler || e.Server == nil || *e.Server != "aggregator" || e.Route == nil || asked.Load() != 0 {
		t.Errorf("%+v, asked %d times", e, asked.Load())
	}
	last := e.Steps[len(e.Steps)-1]
	if !strings.Contains(last.Why, "APIService v1.ext.example.com") {
		t.Errorf("the last step is %+v", last)
	}
	e = explain("/apis/ext.example.com/v2/things")
	if e.ReachesHandler || len(e.Delegation) == 0 || e.Delegation[0].Decision != "declined" {
		t.Errorf("%+v", e)
	}
}

// TestHandedOver: a group that is served here goes to another server as long as an APIService says so.
func TestHandedOver(t *testing.T) {
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "{}") })
	c := startClients(t, "https", flag)
	c.awaitAggregated("v1.ext.example.com")
	const path = "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps"
	before := c.Must(200, "GET", path, nil)
	there := c.Must(200, "GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1.ext.example.com", nil)
	service, _ := json.Marshal(tree.At(there, "spec", "service"))
	c.Must(200, "PATCH", path, `{"spec":{"insecureSkipTLSVerify":true,"service":`+string(service)+`}}`)
	// The other server does not know the version, so it fails its probe.
	c.Soon("apps is elsewhere", func() bool {
		code, _ := c.Try("GET", "/apis/apps/v1/deployments", nil)
		return code == 503 || code == 200
	})
	c.Soon("it is handed back", func() bool {
		// What the probe finds is written in between.
		code, _ := c.Try("PUT", path, map[string]any{
			"kind": "APIService", "apiVersion": "apiregistration.k8s.io/v1", "spec": before["spec"],
			"metadata": map[string]any{"name": "v1.apps", "resourceVersion": tree.Text(c.Must(200, "GET", path, nil), "metadata", "resourceVersion")},
		})
		return code == 200
	})
	if list := c.Must(200, "GET", "/apis/apps/v1/deployments", nil); list["kind"] != "DeploymentList" {
		t.Errorf("back here: %v", list)
	}
}

// proxied returns the flags by which a server aggregates a group of r, and shows the certificate of a front proxy.
func (r *running) proxied(dir, group, cert, key string) []string {
	r.t.Helper()
	ca := filepath.Join(dir, "ca-"+strings.ReplaceAll(r.url("https", ""), "/", "-")+".pem")
	put(r.t, ca, r.certs.CAPEM())
	return []string{"--aggregate=" + group + "=" + r.url("https", "") + ",ca=" + ca, "--proxy-client-cert-file=" + cert, "--proxy-client-key-file=" + key}
}

// TestThreeDeep: a request goes through two servers to a third one, each of which trusts the one before it, and who asks is
// the same at the last.
func TestThreeDeep(t *testing.T) {
	dir := t.TempDir()
	cert, key := putPair(t, dir, "front", &x509.Certificate{Subject: pkix.Name{CommonName: "front"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	trust := []string{"--requestheader-client-ca-file=" + cert, "--requestheader-allowed-names=front", "--requestheader-uid-headers=X-Remote-Uid", "--authorization-mode=RBAC"}
	who := func(s *Server) {
		_ = s.HandlePrefix("/apis/who.example.com/v1/", whoAmI)
		_ = s.Handle("/apis/who.example.com/v1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "{}") }))
	}
	third := startProgram(t, who, trust...)
	second := startProgram(t, nil, append(third.proxied(dir, "who.example.com/v1", cert, key), trust...)...)
	second.awaitAggregated("v1.who.example.com")
	first := startProgram(t, nil, append(second.proxied(dir, "who.example.com/v1", cert, key), "--authorization-mode=AlwaysAllow")...)
	first.awaitAggregated("v1.who.example.com")
	for header, want := range map[string]string{
		"Authorization: Bearer admin-token": `admin#1 system:masters,system:authenticated`,
		"Impersonate-User: zoë":             `zoë system:authenticated`,
		"X-Remote-User: root":               `admin#1 system:masters,system:authenticated`,
	} {
		for _, kind := range []string{"https", "h2"} {
			got := first.get(kind, "/apis/who.example.com/v1/x", header)
			var i identity
			if err := json.Unmarshal([]byte(got.body), &i); err != nil || got.status != 200 && want[0] == 'a' {
				t.Fatalf("%s: %d %s", header, got.status, got.body)
			}
			if got.status == 200 && (i.String() != want || len(i.Lines) > 0) {
				t.Errorf("%s: %s %q, want %s", header, i, i.Lines, want)
			}
			// Whom the second server does not let through, it names as the first has.
			if got.status == 403 && !strings.Contains(got.body, strings.Fields(want)[0]) {
				t.Errorf("%s: %s", header, got.body)
			}
		}
	}
	// Without the certificate nobody is believed.
	if got := third.get("https", "/apis/who.example.com/v1/x", "Authorization:", "X-Remote-User: root", "X-Remote-Group: system:masters"); got.status != 403 {
		t.Errorf("a stranger is answered %d %s", got.status, got.body)
	}
}

// TestProxiedWatchEnds: a stop ends watches of others' groups as it ends ours, whole, and is over in time.
func TestProxiedWatchEnds(t *testing.T) {
	left := make(chan struct{}, 8)
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"type":"ADDED"}`+"\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	})
	for _, grace := range []string{"0s", "200ms"} {
		r := startProgram(t, nil, flag, "--shutdown-watch-termination-grace-period="+grace)
		r.awaitAggregated("v1.ext.example.com")
		var watches []*bufio.Reader
		for _, kind := range clientKinds {
			c := r.clients(kind)
			resp, err := c.Send(context.Background(), "GET", thingsPath+"?watch=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			b := bufio.NewReader(resp.Body)
			if line, err := b.ReadString('\n'); err != nil || line != `{"type":"ADDED"}`+"\n" {
				t.Fatalf("%s: %q %v", kind, line, err)
			}
			watches = append(watches, b)
		}
		if code := r.stop(); code != exitDrained {
			t.Errorf("grace %s: exit code %d", grace, code)
		}
		for i, w := range watches {
			if rest, err := io.ReadAll(w); err != nil || len(rest) > 0 {
				t.Errorf("grace %s, %s: the watch ends with %q (%v)", grace, clientKinds[i], rest, err)
			}
			select {
			case <-left:
			case <-time.After(time.Minute):
				t.Fatal("the server's watch does not end")
			}
		}
	}
}

// TestAggregatedTimeLimit: the time limit of a request counts for one that another server does not answer.
func TestAggregatedTimeLimit(t *testing.T) {
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := startProgram(t, nil, flag)
	r.awaitAggregated("v1.ext.example.com")
	for _, kind := range clientKinds {
		if got := r.get(kind, thingsPath+"?timeout=100ms"); got.status != 504 || !strings.Contains(got.body, "request did not complete within") {
			t.Errorf("%s: %d %s", kind, got.status, got.body)
		}
	}
}

// TestAggregatedUpgrade: a connection that another server agrees to goes on beyond the time limit of requests, and a stop
// ends it.
func TestAggregatedUpgrade(t *testing.T) {
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, rw)
	})
	r := startProgram(t, nil, flag, "--request-timeout=50ms")
	r.awaitAggregated("v1.ext.example.com")
	for _, kind := range []string{"http", "https"} {
		c := r.dial(kind)
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprint(c, "GET "+thingsPath+"/t/console HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		b := bufio.NewReader(c)
		resp, err := http.ReadResponse(b, nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%s: %v %v", kind, resp, err)
		}
		for end := time.Now().Add(150 * time.Millisecond); time.Now().Before(end); {
			fmt.Fprint(c, "x\n")
			if line, err := b.ReadString('\n'); err != nil || line != "x\n" {
				t.Fatalf("%s: %q %v", kind, line, err)
			}
		}
		defer func() {
			if rest, _ := io.ReadAll(b); len(rest) > 0 {
				t.Errorf("%s: %q behind the end", kind, rest)
			}
		}()
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}

// TestAggregatedEarlyAnswer: an answer that comes before the body was read is the client's, and the audit event has what
// of the body was sent on.
func TestAggregatedEarlyAnswer(t *testing.T) {
	_, flag := groupServer(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	put(t, policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n"))
	r := startProgram(t, nil, flag, "--audit-policy-file="+policy, "--audit-log-path="+filepath.Join(dir, "audit.log"))
	r.awaitAggregated("v1.ext.example.com")
	for _, kind := range clientKinds {
		c := r.client(kind)
		for range 10 {
			// A client of HTTP/1 may see its connection break before it sees the answer.
			got, err := r.send(c, kind, "POST", thingsPath, strings.NewReader(strings.Repeat("x", 1<<20)))
			if err == nil && got.status != 403 && got.status != 503 {
				t.Errorf("%s: %d %s", kind, got.status, got.body)
			}
		}
		if got := r.get(kind, thingsPath); got.status != 403 || got.body != "no\n" {
			t.Errorf("%s: afterwards %d %s", kind, got.status, got.body)
		}
	}
}

// awaitRegistration waits until the versions of definitions have their APIServices, and only those: these are written
// after the answer, and move the revision that lists tell.
func (r *running) awaitRegistration(t *testing.T) {
	t.Helper()
	r.quiet(t, func() bool {
		want := map[string]bool{}
		for c := range r.api.Customs.All {
			want[c.Version+"."+c.Group] = true
		}
		for _, o := range r.api.List("apiservices.apiregistration.k8s.io", "") {
			if tree.Text(o, "metadata", "labels", "kube-aggregator.kubernetes.io/automanaged") == "true" {
				if !want[tree.Name(o)] {
					return false
				}
				delete(want, tree.Name(o))
			}
		}
		return len(want) == 0
	}, "the APIServices of definitions")
}

// TestAggregatedRestart: while another server is started again under load, only requests that it had fail, or that came
// while nobody listened; it is back within one probe.
func TestAggregatedRestart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	serve := func(l net.Listener) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "{}") }))
		_ = s.Listener.Close()
		s.Listener = l
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		s.StartTLS()
		return s
	}
	s := serve(l)
	r := startProgram(t, nil, "--aggregate=ext.example.com/v1=https://"+address+",insecure")
	r.awaitAggregated("v1.ext.example.com")
	var stop atomic.Bool
	var good, bad, late atomic.Int32
	var down atomic.Bool
	var load sync.WaitGroup
	for range 4 {
		c := r.client("http")
		load.Go(func() {
			for !stop.Load() {
				during := down.Load()
				got, err := r.send(c, "http", "GET", thingsPath, nil)
				switch {
				case err == nil && got.status == 200 && got.err == nil:
					good.Add(1)
				case during || down.Load():
					bad.Add(1)
				default:
					late.Add(1)
				}
			}
		})
	}
	for range 5 {
		before := good.Load()
		r.quiet(t, func() bool { return good.Load() >= before+50 }, "fifty answers")
		down.Store(true)
		s.CloseClientConnections()
		s.Close()
		if l, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		s = serve(l)
		r.awaitAggregated("v1.ext.example.com")
		before = good.Load()
		r.quiet(t, func() bool { return good.Load() > before }, "an answer of the new server")
		down.Store(false)
	}
	stop.Store(true)
	load.Wait()
	s.Close()
	t.Logf("%d answered, %d failed while the server was away", good.Load(), bad.Load())
	if late.Load() > 0 || good.Load() < 250 {
		t.Errorf("%d answered, %d failed while the server was there", good.Load(), late.Load())
	}
}

// TestRegisteredAgain: a snapshot that knows of no APIService, a reset, and a definition leave what is served here registered.
func TestRegisteredAgain(t *testing.T) {
	c := startClients(t, "http")
	names := func() (all []string) {
		for _, obj := range c.api.List("apiservices.apiregistration.k8s.io", "") {
			all = append(all, tree.Name(obj))
		}
		return all
	}
	before := names()
	if len(before) < 20 || !slices.Contains(before, "v1.apps") || !slices.Contains(before, "v1.") {
		t.Fatalf("there are %v", before)
	}
	is := func(want ...string) func() bool { return func() bool { return slices.Equal(names(), sorted(want)) } }
	c.applied(t, widgetCRD)
	c.Soon("the definition's", is(append([]string{"v1.example.com"}, before...)...))
	if _, err := (source{c.program}).Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Soon("as at ready", is(before...))
	list := decoded(t, string(c.snapshotText(t)))
	list["items"] = slices.DeleteFunc(tree.List(list, "items"), func(o any) bool { return tree.Text(o, "kind") == "APIService" })
	if _, err := (source{c.program}).LoadSnapshot(t.Context(), tree.AppendJSON(nil, list)); err != nil {
		t.Fatal(err)
	}
	c.Soon("registered again", is(before...))
}

// TestParseAggregated: the forms of --aggregate, and what is wrong with others.
func TestParseAggregated(t *testing.T) {
	for text, want := range map[string]string{
		"a.example.com/v1=https://localhost":               "a.example.com v1 https://localhost localhost 443 false ",
		"a.example.com/v1=https://127.0.0.1:8443,insecure": "a.example.com v1 https://127.0.0.1:8443 127.0.0.1 8443 true ",
		"a.example.com/v1=https://[::1]:8443,ca=/a b.pem":  "a.example.com v1 https://[::1]:8443 ::1 8443 false /a b.pem",
		"":                                 "must be GROUP/VERSION=https://HOST:PORT",
		"a/v1":                             "must be GROUP/VERSION=https://HOST:PORT",
		"a=https://b":                      "must be GROUP/VERSION=https://HOST:PORT",
		"/v1=https://b":                    "must be GROUP/VERSION=https://HOST:PORT",
		"a/v1/x=https://b":                 "must be GROUP/VERSION=https://HOST:PORT",
		"a/v1=http://b":                    `"http://b" is no https://HOST:PORT`,
		"a/v1=https://b/path":              `"https://b/path" is no https://HOST:PORT`,
		"a/v1=https://u:p@b":               `"https://u:p@b" is no https://HOST:PORT`,
		"a/v1=https://b:0":                 `"0" is no port`,
		"a/v1=https://b:70000":             `"70000" is no port`,
		"a/v1=https://b,secure":            `"secure" is neither ca=FILE nor insecure`,
		"a/v1=https://b,ca=":               `"ca=" is neither ca=FILE nor insecure`,
		"a/v1=https://b,ca=x.pem,insecure": "with insecure, ca=FILE would not be looked at",
	} {
		g, err := parseAggregated(text)
		got := fmt.Sprint(g.Group, " ", g.Version, " ", g.URL, " ", g.Host, " ", g.Port, " ", g.Insecure, " ", g.caFile)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// FuzzParseAggregated: what is read has all parts that are needed.
func FuzzParseAggregated(f *testing.F) {
	f.Add("a.example.com/v1=https://127.0.0.1:8443,insecure")
	f.Add("a/v1=https://[::1],ca=x")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseAggregated(text)
		if err == nil && (g.Group == "" || g.Version == "" || g.Host == "" || g.Port < 1 || !strings.HasPrefix(text, g.Group+"/"+g.Version+"="+g.URL)) {
			t.Errorf("%q is read as %+v", text, g)
		}
	})
}
