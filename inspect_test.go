package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// look reads one page of the admin API.
func (r *running) look(path string, into any) reply {
	r.t.Helper()
	resp, err := http.Get(r.url("admin", path))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			r.t.Fatalf("%s: %v\n%s", path, err, b)
		}
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
}

// page is what the tests read of any list.
type page struct {
	Generation int64
	Phase      string
	WaitingFor string
	Deadline   *string
	Total      int
	BlockedBy  []map[string]any
	Counts     []map[string]any
	Items      []map[string]any
}

// TestInspection: what a real program shows of itself while it works and while it stops.
func TestInspection(t *testing.T) {
	g, hook, held := newGate(), make(chan struct{}), make(chan struct{})
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/slow", g)
		_ = s.AddPreShutdownHook("hold", func(context.Context) error { close(held); <-hook; return nil })
	}, "--listen-admin=127.0.0.1:0")
	done := make(chan reply, 1)
	go func() {
		done <- r.get("https", "/slow?token=secret&watch=0", "Impersonate-User: bob", "Impersonate-Group: system:masters", "Audit-ID: mine")
	}()
	await(t, "the slow request", g.began)

	var p page
	r.look("/admin/v1/inflight?listener=https", &p)
	if p.Total != 1 {
		t.Fatalf("in flight: %+v", p)
	}
	row := p.Items[0]
	for key, want := range map[string]any{
		"auditID": "mine", "listener": "https", "method": "GET", "path": "/slow", "query": "token=REDACTED&watch=0", "verb": "get", "resource": "", "user": "bob", "impersonatedBy": "admin",
		"server": "core", "route": "core:exact:*:/slow", "filter": "handler", "longRunning": false, "status": nil,
	} {
		if row[key] != want {
			t.Errorf("in flight, %s: got %v, want %v", key, row[key], want)
		}
	}
	r.look("/admin/v1/routes?hits=1&server=core", &p)
	if p.Total != 1 || p.Items[0]["pattern"] != "/slow" || !strings.HasPrefix(p.Items[0]["registeredAt"].(string), "inspect_test.go:") {
		t.Errorf("routes that were hit: %+v", p.Items)
	}
	r.look("/admin/v1/chain", &p)
	for i, want := range [][]string{wantPlain, wantSecure} {
		var names []string
		for _, f := range p.Items[i]["filters"].([]any) {
			names = append(names, f.(map[string]any)["name"].(string))
		}
		if !slices.Equal(names, want) {
			t.Errorf("chain %d: %q", i, names)
		}
	}
	r.look("/admin/v1/servers", &p)
	for i, name := range []string{"aggregator", "core", "extensions"} {
		if p.Items[i]["id"] != name {
			t.Errorf("server %d is %v, want %s", i, p.Items[i]["id"], name)
		}
	}
	r.look("/admin/v1/options?source=flag", &p)
	if p.Total < 4 {
		t.Errorf("options given by flag: %d", p.Total)
	}
	// Neither listener answers for the other.
	for _, path := range []string{"/version", "/healthz", "/api", "/slow"} {
		if got := r.look(path, nil); got.status != 404 {
			t.Errorf("admin listener, %s: got %d, want 404", path, got.status)
		}
	}
	for _, path := range []string{"/admin/", "/admin/v1/routes", "/debug/pprof/"} {
		if got := r.get("https", path); got.status != 404 {
			t.Errorf("TLS listener, %s: got %d, want 404", path, got.status)
		}
	}

	// While stopping: what is still waited for.
	before := p.Generation
	r.signal <- syscall.SIGTERM
	await(t, "AfterShutdownDelayDuration", r.signals.afterShutdownDelayDuration.ch)
	await(t, "the hook", held)
	r.look("/admin/v1/timeline", &p)
	if p.Phase != "stop" || p.Deadline == nil || p.Generation <= before || len(p.BlockedBy) != 2 {
		t.Errorf("while stopping: phase %q, deadline %v, generation %d after %d, blocked by %v", p.Phase, p.Deadline, p.Generation, before, p.BlockedBy)
	}
	close(hook)
	await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
	r.look("/admin/v1/timeline", &p)
	if len(p.BlockedBy) != 1 || p.BlockedBy[0]["what"] != "GET /slow" || p.BlockedBy[0]["auditID"] != "mine" {
		t.Errorf("blocked by %v, want the slow request", p.BlockedBy)
	}
	close(g.release)
	if got := await(t, "the slow answer", done); got.status != 200 {
		t.Errorf("the slow request: %d", got.status)
	}
	await(t, "HTTPServerStoppedListening", r.signals.httpServerStoppedListening.ch)
	r.look("/admin/v1/timeline?kind=signal", &p)
	if p.Total != 8 {
		t.Errorf("%d signals at the end, want 8", p.Total)
	}
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}

// TestInspectionWhileBusy: every page can be read while requests come, fail and time
// out; the race detector watches.
func TestInspectionWhileBusy(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/stuck", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	}, "--listen-admin=127.0.0.1:0")
	stop := make(chan struct{})
	var load sync.WaitGroup
	for i, kind := range clientKinds {
		load.Go(func() {
			c := r.client(kind)
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, path := range []string{"/version", "/stuck?timeout=1ms", "/nowhere", "/a/../b", "/livez?timeout=x"} {
					header := []string{"Authorization: Bearer alice-token", "Authorization: Bearer admin-token", "Authorization: Bearer wrong", "Impersonate-User: bob"}[i]
					_, _ = r.send(c, kind, "GET", path, nil, header)
				}
			}
		})
	}
	for range 20 {
		for _, path := range []string{"/admin/", "/admin/v1/servers", "/admin/v1/chain", "/admin/v1/routes", "/admin/v1/hooks", "/admin/v1/inflight", "/admin/v1/timeline", "/admin/v1/listeners", "/admin/v1/build", "/admin/v1/options", "/metrics"} {
			if got := r.look(path, nil); got.status != 200 {
				t.Errorf("%s: got %d %s", path, got.status, got.body)
			}
		}
	}
	close(stop)
	load.Wait()
	for _, c := range r.chains {
		passed := c.passed()
		if !slices.IsSortedFunc(passed, func(a, b uint64) int { return int(b) - int(a) }) {
			t.Errorf("%s: what passed a filter passed those before it: %v", c.listener, passed)
		}
	}
	var p page
	r.look("/admin/v1/inflight", &p)
	if p.Total != 0 {
		t.Errorf("in flight at rest: %+v", p.Items)
	}
}

// TestListenersThatAreOff: what is shown by listener is shown of those that are on.
func TestListenersThatAreOff(t *testing.T) {
	for flag, want := range map[string]string{"--listen-http=off": "https", "--listen-https=off": "http", "--listen-http=127.0.0.1:0": "http https"} {
		src := source{newTestProgram(t, flag)}
		var chains, places []string
		for _, c := range src.Chain() {
			chains = append(chains, c.Listener)
		}
		_, all := src.InFlight()
		for _, p := range all {
			places = append(places, p.Listener)
		}
		if got := strings.Join(chains, " "); got != want {
			t.Errorf("%s: chains of %s", flag, got)
		}
		if got := strings.Join(places, " "); got != want {
			t.Errorf("%s: places of %s", flag, got)
		}
	}
}
