package main

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/backend"
	"apichain/internal/tree"
)

// webhookServer is a webhook on loopback TLS.
type webhookServer struct {
	*httptest.Server
	asked  atomic.Int32
	answer func(uid string) string // of the response
	auth   atomic.Pointer[string]  // of the last request
}

func newWebhookServer(t testing.TB) *webhookServer {
	h := &webhookServer{answer: func(uid string) string { return `{"uid":"` + uid + `","allowed":true}` }}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		auth := r.Header.Get("Authorization")
		h.auth.Store(&auth)
		body, _ := io.ReadAll(r.Body)
		review, _, _ := tree.ParseJSONObject(body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":%s}`, h.answer(tree.Text(review, "request", "uid")))
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// caBundle is the authority of the server, as a configuration has it.
func (h *webhookServer) caBundle() string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
}

// configure creates a ValidatingWebhookConfiguration policy with one webhook, check.example.com, for config maps.
func (r *running) configure(clientConfig string) {
	r.t.Helper()
	got, err := r.send(r.client("https"), "https", "POST", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", strings.NewReader(
		`{"metadata":{"name":"policy"},"webhooks":[{"name":"check.example.com","timeoutSeconds":30,"sideEffects":"None","admissionReviewVersions":["v1"],"clientConfig":`+clientConfig+`,
"rules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["configmaps"]}]}]}`), "Content-Type: application/json")
	if err != nil || got.status != 201 {
		r.t.Fatal(err, got.status, got.body)
	}
}

// makeMap creates a config map.
func (r *running) makeMap(name string) reply {
	r.t.Helper()
	got, err := r.send(r.client("https"), "https", "POST", "/api/v1/namespaces/default/configmaps",
		strings.NewReader(`{"metadata":{"name":"`+name+`"}}`), "Content-Type: application/json")
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// backendRows are the rows of the page.
func (r *running) backendRows() []map[string]any {
	r.t.Helper()
	var v struct{ Items []map[string]any }
	r.look("/admin/v1/backends", &v)
	return v.Items
}

const policyID = "validating-webhook/policy/check.example.com"

// TestBackendOfALife follows one webhook from its configuration to its end, on every page that shows it.
func TestBackendOfALife(t *testing.T) {
	h := newWebhookServer(t)
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	if rows := r.backendRows(); len(rows) != 0 {
		t.Fatalf("before: %v", rows)
	}
	events := r.stream("?topics=backends,faults")
	r.configure(`{"url":"` + h.URL + `/check","caBundle":"` + h.caBundle() + `"}`)
	expect := func(state string) {
		t.Helper()
		if e := events.next(); e.name != "backend" || e.item("id") != policyID || e.item("state") != state {
			t.Errorf("event %v, want %s", e, state)
		}
	}
	expect("unused")
	if rows := r.backendRows(); len(rows) != 1 || rows[0]["id"] != policyID || rows[0]["trust"] != "bundle of 1" || rows[0]["target"] != h.URL+"/check" {
		t.Fatalf("configured: %v", rows)
	}
	if e := r.mustExplain(t, "POST /api/v1/namespaces/default/configmaps", "user=x", "group=system:masters"); !slices.Equal(e.Webhooks, []string{"policy/check.example.com"}) {
		t.Errorf("explained: %v", e.Webhooks)
	}
	if n := h.asked.Load(); n != 0 {
		t.Errorf("explain has asked %d times", n)
	}
	if got := r.makeMap("a"); got.status != 201 {
		t.Fatal(got.status, got.body)
	}
	expect("answering")
	h.answer = func(uid string) string { return `{"uid":"` + uid + `","allowed":false}` }
	if got := r.makeMap("b"); got.status != 400 || !strings.Contains(got.body, "denied the request") {
		t.Error(got.status, got.body)
	}
	row := r.backendRows()[0]
	if row["calls"] != 2. || row["refused"] != 1. || row["lastStatus"] != 200. || row["connections"] != 1. || row["timeNs"] == nil || row["shownAs"] != "" {
		t.Errorf("after two calls: %v", row)
	}
	checkWebhookTime(t, r)
	// A fault by name lets the call fail, and the webhook is not asked.
	r.inject(`{"id":"away","match":{"backend":["policy/*"],"user":["admin"]},"action":{"do":"cut"}}`)
	if e := events.next(); e.name != "faults" {
		t.Error(e)
	}
	asked := h.asked.Load()
	got := r.makeMap("c")
	if want := `failed calling webhook \"check.example.com\": failed to call webhook: Post \"` + h.URL + `/check?timeout=30s\": injected fault away`; got.status != 500 || !strings.Contains(got.body, want) {
		t.Errorf("%d %s, want %s", got.status, got.body, want)
	}
	if h.asked.Load() != asked || r.fired() != "away 1/1" {
		t.Errorf("asked %d, fired %s", h.asked.Load()-asked, r.fired())
	}
	if e := events.next(); e.name != "fault-hit" || e.item("backend") != policyID || e.item("rule") != "away" {
		t.Error(e)
	}
	expect("failing")
	if row := r.backendRows()[0]; row["failures"] != 1. || row["failedClosed"] != 1. || row["detail"] != "injected fault away" {
		t.Errorf("after a failure: %v", row)
	}
	if text := r.get("https", "/metrics").body; !strings.Contains(text, `apichain_backend_connections{kind="validating-webhook"} 1`) {
		t.Error("no gauge of the connection")
	}
	if _, err := r.send(r.client("https"), "https", "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/policy", nil); err != nil {
		t.Fatal(err)
	}
	expect("gone")
	if rows := r.backendRows(); len(rows) != 0 {
		t.Errorf("after: %v", rows)
	}
}

// checkWebhookTime looks at the newest write: its time in webhooks is a part of its own, and all parts are the whole.
func checkWebhookTime(t *testing.T, r *running) {
	t.Helper()
	var a admin.FinishedRequest
	for _, f := range (source{r.program}).Requests(false).Finished {
		if f.Resource == "configmaps" && f.Verb == "create" {
			a = f
			break
		}
	}
	sum := a.QueueMs + a.HandlerMs + a.WebhooksMs + a.ConversionMs + a.ProxyMs + a.WriteMs
	for _, f := range a.Filters {
		sum += float64(f.OwnNs) / 1e6
	}
	if a.WebhooksMs <= 0 || a.HandlerMs <= 0 || sum-a.DurationMs > 1e-6 || a.DurationMs-sum > 1e-6 {
		t.Errorf("webhooks %v, handler %v, sum %v of %v", a.WebhooksMs, a.HandlerMs, sum, a.DurationMs)
	}
}

// TestBackendDelayed: a call can be delayed by name, and goes on when the rule is taken back.
func TestBackendDelayed(t *testing.T) {
	h := newWebhookServer(t)
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	r.configure(`{"url":"` + h.URL + `","caBundle":"` + h.caBundle() + `"}`)
	r.inject(`{"id":"slow","match":{"backend":["`+policyID+`"]},"action":{"do":"delay","delayMs":60000}}`, `{"id":"other","match":{"backend":["x"]},"action":{"do":"cut"}}`)
	events := r.stream("?topics=faults")
	done := make(chan reply)
	go func() { done <- r.makeMap("a") }()
	if e := events.next(); e.name != "fault-hit" {
		t.Error(e)
	}
	if fired := r.fired(); fired != "slow 1/1, other 0/0" {
		t.Error(fired)
	}
	r.putFaults("")
	// Whoever waits for all of the delay has no time for the call itself.
	if got := <-done; got.status != 201 {
		t.Error(got.status, got.body)
	}
	if got := r.putFaults(`{"rules":[{"match":{"backend":["x"]},"action":{"do":"answer","status":503}}]}`); got.status != 422 || !strings.Contains(got.body, "a call of a backend can have a delay, or a cut") {
		t.Error(got.status, got.body)
	}
}

// TestBackendFaultsAreReproducible: a rule by name hits the matches that its seed and its id say, whatever else is asked.
func TestBackendFaultsAreReproducible(t *testing.T) {
	h := newWebhookServer(t)
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	r.configure(`{"url":"` + h.URL + `","caBundle":"` + h.caBundle() + `"}`)
	for range 2 {
		r.inject(`{"id":"flaky-list","match":{"backend":["policy/check.example.com"]},"action":{"do":"cut"},"percent":25}`)
		var hits []int
		for i := range 13 {
			if got := r.makeMap(fmt.Sprintf("m-%d-%d", i, time.Now().UnixNano())); got.status == 500 {
				hits = append(hits, i+1)
			}
			r.get("https", "/api/v1/namespaces/default/configmaps")
		}
		if !slices.Equal(hits, []int{1, 2, 13}) {
			t.Errorf("hit %v", hits)
		}
	}
}

// TestBackendOfAggregatedServer shows a group of another server: its backend with the last probe, the hop in what is
// explained, which is not made, and the time that a request has waited for it.
func TestBackendOfAggregatedServer(t *testing.T) {
	var asked atomic.Int32
	h := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/apis/g.example.com/v1/widgets" {
			asked.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"g.example.com/v1","resources":[]}`)
	}))
	t.Cleanup(h.Close)
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0", "--aggregate=g.example.com/v1="+h.URL+",insecure")
	const path = "/apis/g.example.com/v1/widgets"
	deadline := time.Now().Add(time.Minute)
	for r.get("https", path).status != 200 {
		if time.Now().After(deadline) {
			t.Fatalf("not available: %v", r.backendRows())
		}
	}
	row := r.backendRows()[0]
	if row["kind"] != "api-server" || row["name"] != "v1.g.example.com" || row["state"] != "answering" || row["condition"] != "Passed" ||
		row["probedAt"] == nil || row["trust"] != "insecure" || row["address"] != h.Listener.Addr().String() {
		t.Errorf("%v", row)
	}
	before := asked.Load()
	e := r.mustExplain(t, "GET "+path, "user=x", "group=system:masters")
	if last := e.Steps[len(e.Steps)-1]; last.Decision != "passed" || last.Name != "aggregator" || !strings.Contains(e.Route.ID, "/apis/g.example.com/v1/") || len(e.Webhooks) > 0 {
		t.Errorf("explained %+v, %+v", last, e.Route)
	}
	if asked.Load() != before {
		t.Error("explain has asked the other server")
	}
	for _, f := range (source{r.program}).Requests(false).Finished {
		if f.Path == path && f.Status != nil && *f.Status == 200 {
			if f.ProxyMs <= 0 || f.ProxyMs > f.DurationMs {
				t.Errorf("%v ms of %v in the proxy", f.ProxyMs, f.DurationMs)
			}
			break
		}
	}
	r.inject(`{"id":"away","match":{"backend":["v1.g.*"]},"action":{"do":"cut"}}`)
	if got := r.get("https", path); got.status != 503 || !strings.Contains(got.body, "injected fault away") {
		t.Error(got.status, got.body)
	}
}

// TestBackendUsers: who the server is to webhooks comes from the kubeconfig that the admission configuration names, and
// a change of it counts from the next call on. --resolve says where the service is.
func TestBackendUsers(t *testing.T) {
	h := newWebhookServer(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kubeconfig := write("kubeconfig", `{users: [{name: "*.ns.svc", user: {tokenFile: token}}]}`)
	write("token", "first")
	config := write("admission", `{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration, plugins: [
  {name: ValidatingAdmissionWebhook, configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: `+kubeconfig+`}},
  {name: PodSecurity, path: x}]}`)
	// The certificate of the test server is for example.com.
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0", "--admission-control-config-file="+config, "--resolve=web.ns="+h.Listener.Addr().String())
	if !strings.Contains(r.err.String(), "plugins=PodSecurity") {
		t.Errorf("no warning: %s", r.err)
	}
	r.configure(`{"service":{"namespace":"ns","name":"web","path":"/check"},"caBundle":"` + h.caBundle() + `"}`)
	got := r.makeMap("a")
	if want := `Post \"https://web.ns.svc:443/check?timeout=30s\": tls: failed to verify certificate: x509: certificate is valid for example.com, *.example.com, not web.ns.svc`; !strings.Contains(got.body, want) {
		t.Errorf("%s, want %s", got.body, want)
	}
	if row := r.backendRows()[0]; row["shownAs"] != "header" || row["address"] != h.Listener.Addr().String() || row["state"] != "failing" {
		t.Errorf("%v", row)
	}
	b := r.backends.Use(backend.ValidatingWebhook, "by-url", backend.Target{URL: h.URL, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})})
	if b.ShownAs() != "" {
		t.Errorf("a stranger is shown %s", b.ShownAs())
	}
	write("kubeconfig", `{users: [{name: "*", user: {token: second}}]}`)
	r.certs.Reload()
	req, _ := http.NewRequest("POST", h.URL, strings.NewReader("{}"))
	if code, _, _, err := b.Ask(t.Context(), req, 1<<20); code != 200 || *h.auth.Load() != "Bearer second" {
		t.Error(code, err, *h.auth.Load())
	}
	write("kubeconfig", `{users: [{user: {token: third}}]}`)
	r.certs.Reload()
	if !strings.Contains(r.err.String(), "users[0] has no name") {
		t.Errorf("no complaint: %s", r.err)
	}
}

// TestBackendFilesAtStart: what is wrong with the files ends the start, with the flag and the file.
func TestBackendFilesAtStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := func(inner string) string {
		return `{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration, plugins: [{name: MutatingAdmissionWebhook, ` + inner + `}]}`
	}
	names := write("names", config(`configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: /nowhere}`))
	for _, row := range []struct{ args, want string }{
		{"--admission-control-config-file=/nowhere", "--admission-control-config-file: open /nowhere"},
		{"--admission-control-config-file=" + names, "--admission-control-config-file: open /nowhere"},
		{"--proxy-client-cert-file=/no --proxy-client-key-file=/no", "--proxy-client-cert-file: open /no"},
	} {
		r := launchProgram(t, nil, strings.Fields(row.args)...)
		if code := r.wait(); code != exitFailed || !strings.Contains(r.err.String(), row.want) {
			t.Errorf("%s: %d %s", row.args, code, r.err)
		}
	}
}

// TestOwnListeners are not dialled, by whichever address they are named.
func TestOwnListeners(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	for _, role := range []string{"https", "http", "admin"} {
		url := "https://" + strings.TrimPrefix(strings.TrimPrefix(r.urls(role)[0], "https://"), "http://")
		b := r.backends.Use(backend.ValidatingWebhook, role, backend.Target{URL: url})
		req, _ := http.NewRequest("POST", url, strings.NewReader("{}"))
		if _, _, _, err := b.Ask(t.Context(), req, 1); err == nil || !strings.Contains(err.Error(), "this server listens there") {
			t.Errorf("%s: %v", role, err)
		}
	}
	self := r.backends.Use(backend.APIServer, "v1.g", backend.Target{Service: backend.Service{Namespace: "default", Name: "kubernetes"}, CABundle: r.certs.CAPEM()})
	req, _ := http.NewRequest("GET", self.BaseURL()+"/version", nil)
	if code, _, body, err := self.Ask(t.Context(), req, 1<<20); code != 200 || !strings.Contains(string(body), "gitVersion") {
		t.Errorf("by its own name: %d %s %v", code, body, err)
	}
}
