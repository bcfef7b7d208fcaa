package aggregation

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"apichain/internal/backend"
	"apichain/internal/discovery"
)

// endless writes spaces until nobody reads them any more.
func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", discovery.AggregatedType)
	block := []byte(strings.Repeat(" ", 1<<20))
	for range 10 << 10 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// bomb is as large, and small on the wire.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Type", discovery.AggregatedType)
	// Members of the format may follow one another, so one is enough.
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, _ = z.Write([]byte(strings.Repeat(" ", 1<<20)))
	_ = z.Close()
	for range 10 << 10 {
		if _, err := w.Write(member.Bytes()); err != nil {
			return
		}
	}
}

// TestAnswersWithoutEnd: ten gigabytes of an answer, over a real connection, are an error after some megabytes, for each
// of the followers.
func TestAnswersWithoutEnd(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{"endless": endless, "bomb": bomb} {
		t.Run(name, func(t *testing.T) {
			front := httptest.NewTLSServer(answer)
			defer front.Close()
			w := newWorld(t)
			w.m.ask = (*Remote).Ask
			set := backend.New(backend.Config{Resolve: map[string]string{"one.ns": front.Listener.Addr().String()}})
			r := &Remote{Name: "v1.a.example", Group: "a.example", Version: "v1", Service: backend.Service{Namespace: "ns", Name: "one", Port: 443}}
			r.Backend = set.Use(backend.APIServer, r.Name, backend.Target{Service: r.Service, InsecureSkipTLSVerify: true})
			r.available.Store(true)
			w.remotes = []*Remote{r}
			s := &server{remotes: w.remotes}
			w.m.adopt()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for what, ask := range map[string]func() error{
				"discovery": func() error { return w.m.askDiscovery(t.Context(), s) },
				"v2":        func() error { return w.m.askOpenAPI2(t.Context(), s) },
				"v3":        func() error { return w.m.askOpenAPI3(t.Context(), s) },
			} {
				if err := ask(); err == nil || !strings.Contains(err.Error(), "more than") {
					t.Errorf("%s: %v", what, err)
				}
			}
			runtime.ReadMemStats(&after)
			// Reading doubles a buffer as it grows.
			if used := after.TotalAlloc - before.TotalAlloc; used > 3*6*mostAsked {
				t.Errorf("%d MB were allocated", used>>20)
			}
			if got := w.groups(); got != "a.example v1 Stale\n" {
				t.Errorf("groups are %q", got)
			}
		})
	}
}
