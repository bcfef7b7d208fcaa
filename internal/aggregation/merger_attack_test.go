package aggregation

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

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

// trickle sends a byte now and then.
func trickle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", discovery.AggregatedType)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, _ = w.Write([]byte(" "))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-again.C:
		case <-r.Context().Done():
			return
		}
	}
}

// behind returns the world of one server that is asked over a real connection.
func behind(t *testing.T, answer http.HandlerFunc) (*world, *server) {
	front := httptest.NewTLSServer(answer)
	t.Cleanup(front.Close)
	w := newWorld(t)
	w.m.ask = (*Remote).Ask
	set := backend.New(backend.Config{Resolve: map[string]string{"one.ns": front.Listener.Addr().String()}})
	r := &Remote{Name: "v1.a.example", Group: "a.example", Version: "v1", Service: backend.Service{Namespace: "ns", Name: "one", Port: 443}}
	r.Backend = set.Use(backend.APIServer, r.Name, backend.Target{Service: r.Service, InsecureSkipTLSVerify: true})
	r.available.Store(true)
	w.remotes = []*Remote{r}
	w.m.adopt()
	return w, &server{remotes: w.remotes}
}

// all returns what the followers ask a server.
func (w *world) all(s *server) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"discovery": func(ctx context.Context) error { return w.m.askDiscovery(ctx, s) },
		"v2":        func(ctx context.Context) error { return w.m.askOpenAPI2(ctx, s) },
		"v3":        func(ctx context.Context) error { return w.m.askOpenAPI3(ctx, s) },
	}
}

// TestAnswersThatTrickle: the time of a question bounds the answer too, not its beginning alone.
func TestAnswersThatTrickle(t *testing.T) {
	w, s := behind(t, trickle)
	for what, ask := range w.all(s) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
	}
}

// TestAnswersWithoutEnd: ten gigabytes of an answer, over a real connection, are an error after some megabytes, for each
// of the followers.
func TestAnswersWithoutEnd(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{"endless": endless, "bomb": bomb} {
		t.Run(name, func(t *testing.T) {
			w, s := behind(t, answer)
			// Without the time of a question, in which not every machine reads as much.
			w.m.ask = func(r *Remote, ctx context.Context, path string, header http.Header, user string, groups []string) (int, http.Header, []byte, error) {
				return r.Ask(context.WithoutCancel(ctx), path, header, user, groups)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for what, ask := range w.all(s) {
				if err := ask(t.Context()); err == nil || !strings.Contains(err.Error(), "more than") {
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

// TestNobodyElseHasAPIServices: who takes the version in which APIServices are changes nothing of what is said of it, since requests
// for them stay here; other versions of the group are another's.
func TestNobodyElseHasAPIServices(t *testing.T) {
	bubble(t, func(w *world) {
		w.serve("one", apis("", map[string]string{"apiregistration.k8s.io/v1": "lies", "apiregistration.k8s.io/v2": "lies"}))
		w.have("v1.apiregistration.k8s.io 10 1 one", "v2.apiregistration.k8s.io 10 1 one")
		w.run(&w.m.Discovery)
		w.want(`
			apiregistration.k8s.io v2 Current lies(status)
		`)
	})
}
