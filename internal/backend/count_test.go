package backend

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/internal/metrics"
)

// TestStates goes through what a backend can be: each state is told once, however often it is found again.
func TestStates(t *testing.T) {
	ca := newAuthority(t, "ca")
	var told []string
	s := New(Config{Changed: func(b *Backend) { told = append(told, string(b.Report().State)) }})
	var fails atomic.Bool
	address := ca.serve(func(w http.ResponseWriter, _ *http.Request) {
		if fails.Load() {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(503)
	})
	b := s.Use(APIServer, "v1.g", Target{URL: "https://" + address, CABundle: ca.pem})
	call := func(n int) {
		for range n {
			_, _ = ask(t, within(t, time.Minute), b, 9)
		}
	}
	call(2)
	fails.Store(true)
	call(2)
	fails.Store(false)
	call(2)
	for range 2 {
		b.Probed(Probe{Reason: "FailedDiscoveryCheck", Message: "no", At: time.Now()})
	}
	b.Probed(Probe{Reason: "MissingEndpoints", Message: "none", At: time.Now()})
	b.Probed(Probe{Available: true, Reason: "Passed", At: time.Now()})
	if got, want := strings.Join(told, " "), "unused answering failing answering unavailable unavailable answering"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	r := b.Report()
	if r.Calls != 6 || r.Failures != 2 || r.LastCode != 503 || r.LastFailure == nil || r.LastProbe.Reason != "Passed" || r.P50 <= 0 || r.P99 < r.P50 || r.LastTook <= 0 || time.Since(r.LastAt) > time.Minute {
		t.Errorf("%+v", r)
	}
	b.Refused()
	b.FailedOpen()
	b.FailedClosed()
	if r := b.Report(); r.Refused != 1 || r.FailedOpen != 1 || r.FailedClosed != 1 {
		t.Errorf("%+v", r)
	}
}

// TestReportOfProbeAlone: who was probed well, and never asked, answers.
func TestReportOfProbeAlone(t *testing.T) {
	b := New(Config{}).Use(APIServer, "v1.g", Target{URL: "https://127.0.0.1:1"})
	b.Probed(Probe{Available: true, Reason: "Passed"})
	if r := b.Report(); r.State != Answering || r.Calls != 0 || !r.LastAt.IsZero() {
		t.Errorf("%+v", r)
	}
}

// TestConnections counts those that are open, and writes the gauge of all of a kind.
func TestConnections(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := ca.serve(func(http.ResponseWriter, *http.Request) {})
	s := New(Config{Resolve: map[string]string{"web.ns": ca.serve(func(http.ResponseWriter, *http.Request) {}, "web.ns.svc")}})
	hook := s.Use(ValidatingWebhook, "c/w", Target{URL: "https://" + address, CABundle: ca.pem})
	server := s.Use(APIServer, "v1.g", Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem})
	if _, err := ask(t, within(t, time.Minute), hook, 9); err != nil {
		t.Fatal(err)
	}
	c, err := server.Dial(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	gauge := func() string {
		var b bytes.Buffer
		e := metrics.NewWriter(&b)
		s.WriteMetrics(e)
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(b.String(), "# TYPE apichain_backend_connections gauge\n")
		return strings.ReplaceAll(strings.ReplaceAll(text, "apichain_backend_connections", ""), "\n", "")
	}
	if got := gauge(); got != `{kind="mutating-webhook"} 0{kind="validating-webhook"} 1{kind="conversion-webhook"} 0{kind="api-server"} 1` {
		t.Errorf("open: %s", got)
	}
	_ = c.Close()
	_ = c.Close()
	s.Drop(ValidatingWebhook, "c/w")
	for deadline := time.Now().Add(time.Minute); hook.Report().Connections+server.Report().Connections != 0; {
		hook.close() // the stream of the last answer may have been open at the first time
		if time.Now().After(deadline) {
			t.Fatalf("still open: %s", gauge())
		}
	}
}

// TestCountTogether counts calls of many at once, and reads meanwhile.
func TestCountTogether(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "x") })
	s := New(Config{})
	b := s.Use(ValidatingWebhook, "c/w", Target{URL: "https://" + address, CABundle: ca.pem})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				if _, err := ask(t, within(t, time.Minute), b, 9); err != nil {
					t.Error(err)
				}
				b.Report()
				s.Renew()
			}
		})
	}
	all.Wait()
	if r := b.Report(); r.Calls != 200 || r.Failures != 0 {
		t.Errorf("%+v", r)
	}
}
