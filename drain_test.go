package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"apichain/admin"
	"apichain/internal/api/apitest"
)

// drained is the drain as GET shows it.
func (r *running) drained() (d admin.Drain) {
	r.t.Helper()
	var v struct {
		Active, EndWatches, Idle bool
		Remaining                admin.Remaining
		BlockedBy                []admin.Blocker
	}
	r.look("/admin/v1/drain", &v)
	d.Active, d.EndWatches, d.Idle, d.Remaining, d.BlockedBy = v.Active, v.EndWatches, v.Idle, v.Remaining, v.BlockedBy
	return d
}

// raw is everything that comes back over a connection of its own, to its end.
func (r *running) raw(kind, request string) string {
	r.t.Helper()
	c := r.dial(kind)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request); err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		r.t.Errorf("%v after %q", err, b)
	}
	return string(b)
}

// A drain over real connections in every protocol: readyz alone fails, every request is
// served, on a connection that ends with it; undone, all is at once as before.
func TestDrain(t *testing.T) {
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
			// A signal is there a moment before its entry in the timeline.
			signals := r.signalsSeen()
			for !slices.Contains(signals, "HasBeenReady") {
				runtime.Gosched()
				signals = r.signalsSeen()
			}
			role, kept := 0, r.client(kind)
			if kind == "https" || kind == "h2" {
				role = 1
			}
			send := func(path string) reply {
				t.Helper()
				got, err := r.send(kept, kind, "GET", path, nil)
				if err != nil || got.err != nil {
					t.Fatalf("GET %s: %v %v", path, err, got.err)
				}
				return got
			}
			// probe is what each path answers, and how many connections that took.
			probe := func(want map[string]string, most uint64) {
				t.Helper()
				before := r.listeners[role].accepted.Load()
				for path, want := range want {
					if got := send(path); fmt.Sprint(got.status, " ", got.body) != want {
						t.Errorf("%s: %d %q, want %q", path, got.status, got.body, want)
					}
				}
				if n := r.listeners[role].accepted.Load() - before; most == 0 && n > 0 || most > 0 && (n < most-1 || n > most+1) {
					t.Errorf("%d connections for %d requests, want %d", n, len(want), most)
				}
			}
			well := map[string]string{"/readyz": "200 ok", "/readyz/drain": "200 ok", "/readyz/shutdown": "200 ok", "/livez": "200 ok", "/healthz": "200 ok"}
			send("/readyz")
			probe(well, 0)

			r.setControl("drain", `{}`)
			draining := map[string]string{"/readyz/drain": "500 internal server error: the server is being drained\n", "/readyz/shutdown": "200 ok", "/livez": "200 ok", "/healthz": "200 ok", "/livez/ping": "200 ok", "/readyz?exclude=drain": "200 ok"}
			probe(draining, uint64(len(draining)))
			if got := send("/readyz"); got.status != 500 || !strings.Contains(got.body, "[+]shutdown ok\n[-]drain failed: reason withheld\nreadyz check failed\n") {
				t.Errorf("readyz: %d %s", got.status, got.body)
			}
			if got := send("/api/v1/namespaces/default/configmaps"); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
			if kind == "http" || kind == "https" {
				if got := r.raw(kind, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); !strings.Contains(got, "\r\nConnection: close\r\n") || !strings.HasSuffix(got, "ok") {
					t.Errorf("over the wire:\n%s", got)
				}
			}

			r.clearControl("drain")
			if got := send("/readyz"); got.status != 200 {
				t.Errorf("undone, but readyz is %d %s", got.status, got.body)
			}
			// With HTTP/2 that one may have gone over a connection whose GOAWAY was under way. A client that comes now keeps its first.
			kept = r.client(kind)
			send("/readyz")
			probe(well, 0)
			if got := r.signalsSeen(); !slices.Equal(got, signals) {
				t.Errorf("signals %q, want %q as before", got, signals)
			}
		})
	}
}

// What a drain waits for is named. With endWatches each watch ends as after its timeout,
// other requests are let finish, and then nothing remains.
func TestDrainEndsWatches(t *testing.T) {
	g := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/slow", g) }, "--listen-admin=127.0.0.1:0", "--idle-timeout=100ms")
	var open []*apitest.Watch
	for _, kind := range clientKinds {
		c := r.clients(kind)
		for range 3 {
			open = append(open, c.Watch(t, "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name=later"))
		}
	}
	done := make(chan reply, 1)
	go func() { done <- r.get("https", "/slow", "Audit-ID: mine") }()
	await(t, "the slow request", g.began)
	if d := r.drained(); d.Active || d.Idle || d.Remaining.Watches != len(open) || d.Remaining.Requests != 1 || d.Remaining.Connections < 8 || len(d.BlockedBy) > 0 {
		t.Errorf("before: %+v", d)
	}

	r.setControl("drain", `{}`)
	d := r.drained()
	counts := map[string]int{}
	for i, b := range d.BlockedBy {
		counts[b.Kind]++
		if b.Kind == "request" && (b.AuditID != "mine" || b.What != "GET /slow" || b.Href != "/admin/v1/inflight?id="+b.ID) || i > 0 && b.AgeMs > d.BlockedBy[i-1].AgeMs+1 {
			t.Errorf("%+v", b)
		}
	}
	if !d.Active || d.EndWatches || d.Idle || !reflect.DeepEqual(counts, map[string]int{"request": 1, "watch": len(open)}) {
		t.Errorf("without endWatches: %+v", d)
	}

	r.setControl("drain", `{"endWatches":true}`)
	for _, w := range open {
		w.Ended()
	}
	r.quiet(t, func() bool { return r.drained().Remaining.Watches == 0 }, "the watches to be counted out")
	if d := r.drained(); !d.EndWatches || d.Idle || d.Remaining.Requests != 1 || len(d.BlockedBy) != 1 || d.BlockedBy[0].AuditID != "mine" {
		t.Errorf("with endWatches: %+v", d)
	}
	later := (r.clients("https")).Watch(t, "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name=later")
	r.applied(t, configMap("default", "later", "1"))
	if e := later.Next(); e.Type == "" {
		t.Errorf("a watch that comes later: %+v", e)
	}
	later.Cancel()
	close(g.release)
	if got := await(t, "the slow request", done); got.status != 200 || got.body != "done" {
		t.Errorf("the request: %+v", got)
	}
	r.quiet(t, func() bool { return r.drained().Idle }, "nothing to remain")
	if d := r.drained(); d.Remaining != (admin.Remaining{}) || len(d.BlockedBy) > 0 || !d.Active {
		t.Errorf("idle, but %+v", d)
	}
	r.clearControl("drain")
}

// Watches end at the rate of a stop. Those that come during the drain live for a while and
// end too; when it is over, or without endWatches, none does.
func TestWatchesEndAtTheRateOfAStop(t *testing.T) {
	for _, c := range []struct {
		grace string
		n     int
		least time.Duration
	}{{"0s", 500, 2 * time.Second}, {"1s", 500, 900 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			p := newTestProgram(t, "--shutdown-watch-termination-grace-period="+c.grace, "--shutdown-timeout=70s")
			ended := make(chan error, c.n+10)
			open := func() {
				ctx, cancel := context.WithCancel(t.Context())
				x := &exchange{chain: p.chains[0], parent: ctx}
				if !p.longRunning.enter(x) {
					t.Fatal("refused")
				}
				go func() {
					<-x.Done()
					cancel()
					p.longRunning.leave(x)
					ended <- context.Cause(x)
				}()
			}
			for range c.n {
				open()
			}
			set := func(endWatches bool) {
				t.Helper()
				if err := (source{p}).SetDrain(admin.Setting{By: "alice", For: time.Hour}, endWatches); err != nil {
					t.Fatal(err)
				}
			}
			set(false)
			time.Sleep(time.Minute)
			if n := len(ended); n > 0 {
				t.Errorf("%d have ended", n)
			}
			begun := time.Now()
			set(true)
			for range c.n {
				if err := <-ended; !errors.Is(err, errDraining) {
					t.Errorf("ended by %v", err)
				}
			}
			if took := time.Since(begun); took < c.least || took > c.least+time.Second {
				t.Errorf("%d in %v, want about %v", c.n, took, c.least)
			}
			for range 3 { // come, go, come back
				open()
				before := time.Now()
				<-ended
				if lived := time.Since(before); lived < time.Second || lived > drainSweep {
					t.Errorf("one that came later lived for %v", lived)
				}
			}
			open()
			set(false)
			time.Sleep(time.Minute)
			set(true)
			synctest.Wait()
			p.draining.clear("alice")
			open()
			time.Sleep(time.Minute)
			if n := len(ended); n > 1 {
				t.Errorf("%d have ended after the drain", n)
			}
			p.longRunning.cut()
			p.endBackground()
			p.owned.Wait()
		})
	}
}

// A stop during a drain goes as any stop; the drain stays on, cannot be changed and can be
// undone, which does not bring readyz back.
func TestStopDuringDrain(t *testing.T) {
	g := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/slow", g) }, "--listen-admin=127.0.0.1:0", "--shutdown-delay-duration=1s")
	done := make(chan reply, 1)
	go func() { done <- r.get("https", "/slow") }()
	await(t, "the slow request", g.began)
	r.setControl("drain", `{"endWatches":true,"note":"first"}`)
	kept := r.client("http")
	r.signal <- syscall.SIGTERM
	await(t, "the stop", r.signals.shutdownInitiated.ch)
	for name, body := range controlBodies {
		var s struct{ Reason, Message string }
		got := r.change("PUT", "/admin/v1/"+name, body, "If-Match: *")
		if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != http.StatusConflict || s.Reason != "Conflict" || !strings.Contains(s.Message, "stopping") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if d := r.drained(); !d.Active || !d.EndWatches {
		t.Errorf("the stop has changed the drain: %+v", d)
	}
	if got, err := r.send(kept, "http", "GET", "/readyz", nil); err != nil || got.status != 500 || !strings.Contains(got.body, "[-]shutdown failed: reason withheld\n[-]drain failed") {
		t.Errorf("readyz: %d %s %v", got.status, got.body, err)
	}
	r.clearControl("drain")
	if got, err := r.send(kept, "http", "GET", "/readyz", nil); err != nil || got.status != 500 || !strings.Contains(got.body, "[-]shutdown failed: reason withheld\n[+]drain ok") {
		t.Errorf("readyz: %d %s %v", got.status, got.body, err)
	}
	close(g.release)
	if got := await(t, "the slow request", done); got.body != "done" {
		t.Errorf("the request: %+v", got)
	}
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	if got, want := len(r.signalsSeen()), 8; got != want {
		t.Errorf("%d signals", got)
	}
}
