package main

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The admin listener answers whatever the serving side does. Source: the admin contract,
// "When".

// holdLimit is the contract's.
const holdLimit = 250 * time.Millisecond

// TestAdminHold: with as many requests in flight as the limits allow and 1,000 watches
// open, while others are turned away without pause, each page answers within 250 ms at the
// 99th percentile; and so they do while the server drains.
func TestAdminHold(t *testing.T) {
	var all sync.WaitGroup
	t.Cleanup(all.Wait) // after the stop, which ends what waits
	release := make(chan struct{})
	var held atomic.Int64
	hold := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held.Add(1)
		<-release
	})
	r := startProgram(t, func(s *Server) {
		if err := s.AddWebService(&WebService{Root: "/hold", Routes: []Route{{Method: "GET", Handler: hold}, {Method: "POST", Handler: hold}}}); err != nil {
			t.Error(err)
		}
	}, "--listen-admin=127.0.0.1:0", "--shutdown-timeout=20s")
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	t.Cleanup(free)
	// A connection carries 100 requests; one that is asked for when there are others costs a
	// handshake that is thrown away.
	var clients []*http.Client
	for range 16 {
		c := r.client("h2")
		c.Timeout = 0
		if _, err := r.send(c, "h2", "GET", "/livez/ping", nil); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	asked := 0
	ask := func(method, path string, began func()) {
		c := clients[asked/100]
		asked++
		all.Go(func() {
			req, err := http.NewRequest(method, r.url("h2", path), nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer admin-token")
			resp, err := c.Do(req)
			began()
			if err != nil {
				if !r.signals.shutdownInitiated.fired() {
					t.Errorf("%s %s: %v", method, path, err)
				}
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		})
	}
	var watching sync.WaitGroup
	watching.Add(1000)
	for range 1000 {
		ask("GET", "/api/v1/configmaps?watch=true", watching.Done)
	}
	for range r.opt.inFlight.readOnly {
		ask("GET", "/hold", func() {})
	}
	for range r.opt.inFlight.mutating {
		ask("POST", "/hold", func() {})
	}
	plain := r.client("http")
	watching.Wait()
	full := int64(r.opt.inFlight.readOnly + r.opt.inFlight.mutating)
	for begun := time.Now(); held.Load() < full; {
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("%d of %d requests are held", held.Load(), full)
		}
		_, _ = r.send(plain, "admin", "GET", "/admin/v1/build", nil)
	}
	// One client more, without pause.
	over := make(chan struct{})
	end := sync.OnceFunc(func() { close(over) })
	t.Cleanup(end) // before the one that waits
	all.Go(func() {
		h := r.client("http")
		for {
			select {
			case <-over:
				return
			default:
				_, _ = r.send(h, "http", "GET", "/api/v1/namespaces", nil)
			}
		}
	})
	pages := r.viewPages()
	r.holds(pages, "saturated")
	end()

	r.signal <- interruption{}
	await(t, "the drain", r.signals.notAcceptingNewRequest.ch)
	r.holds(pages, "draining")
	free()
	r.wait()
}

// interruption is SIGTERM for a program in this process.
type interruption struct{}

func (interruption) Signal()        {}
func (interruption) String() string { return "terminated" }

// viewPages are the paths that the index names for viewers, without those that the
// contract excepts or that do not end.
func (r *running) viewPages() []string {
	var index struct {
		Items []struct {
			ID, Path string
			Roles    map[string]string
		}
	}
	got, err := r.send(r.client("http"), "admin", "GET", "/admin/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got.body), &index); err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, e := range index.Items {
		if e.Roles["GET"] == "view" && !slices.Contains([]string{"bundle", "stream"}, e.ID) {
			switch e.ID {
			case "explain":
				e.Path += "?path=/api/v1/namespaces/default/configmaps/a"
			case "owners":
				e.Path += "?resource=namespaces&name=default"
			}
			out = append(out, e.Path)
		}
	}
	if len(out) < 12 {
		r.t.Fatalf("only %q", out)
	}
	return out
}

// holds asks each page a number of times and checks the slowest of a hundred.
func (r *running) holds(pages []string, when string) {
	r.t.Helper()
	c := r.client("http")
	var took []time.Duration
	slowest := map[string]time.Duration{}
	for range 10 {
		for _, page := range pages {
			began := time.Now()
			got, err := r.send(c, "admin", "GET", page, nil)
			if err != nil || got.status != 200 || got.err != nil {
				r.t.Fatalf("%s, GET %s: %d %v %v\n%s", when, page, got.status, err, got.err, got.body)
			}
			d := time.Since(began)
			took = append(took, d)
			slowest[page] = max(slowest[page], d)
		}
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	r.t.Logf("%s: %d answers of %d pages, p50 %v, p99 %v, most %v", when, len(took), len(pages), p50, p99, took[len(took)-1])
	if limit := holdLimit * raceFactor; p99 > limit {
		r.t.Errorf("%s: the 99th percentile of admin answers is %v, above %v: %v", when, p99, limit, slowest)
	}
}
