package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// gate is a handler that says when it has begun and ends when it is let.
type gate struct {
	began   chan *http.Request
	release chan struct{}
}

func newGate() *gate { return &gate{make(chan *http.Request, 100), make(chan struct{})} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.began <- r
	<-g.release
	io.WriteString(w, "done")
}

// await fails the test when nothing comes in time.
func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited 20s for %s", what)
	}
	return v
}

// signalsSeen are the names on the timeline, in order.
func (r *running) signalsSeen() []string {
	events, _ := r.timeline.list()
	var out []string
	for _, e := range events {
		if e.kind == "signal" {
			out = append(out, e.name)
		}
	}
	return out
}

// TestStopUnderLoad: what was admitted is answered, whatever it waits for; the signals
// come in order; the exit code is 0.
func TestStopUnderLoad(t *testing.T) {
	g := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/slow", g) })
	type result struct {
		kind string
		reply
		err error
	}
	results := make(chan result, 100)
	var n int
	for _, kind := range clientKinds {
		c := r.client(kind)
		for range 5 {
			n++
			go func() {
				got, err := r.send(c, kind, "GET", "/slow", nil)
				results <- result{kind, got, err}
			}()
		}
	}
	for range n {
		await(t, "the requests to begin", g.began)
	}
	r.signal <- syscall.SIGTERM
	await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
	if r.signals.inFlightRequestsDrained.fired() {
		t.Error("drained while requests are under way")
	}
	close(g.release)
	for range n {
		if got := await(t, "the answers", results); got.err != nil || got.status != 200 || got.body != "done" || got.reply.err != nil {
			t.Errorf("%s: admitted, but got %d %q %v %v", got.kind, got.status, got.body, got.err, got.reply.err)
		}
	}
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d, want 0:\n%s", code, r.err)
	}
	want := []string{"MuxAndDiscoveryComplete", "HasBeenReady", "ShutdownInitiated", "AfterShutdownDelayDuration", "PreShutdownHooksStopped", "NotAcceptingNewRequest", "InFlightRequestsDrained", "HTTPServerStoppedListening"}
	if got := r.signalsSeen(); !slices.Equal(got, want) {
		t.Errorf("signals\n got %q\nwant %q", got, want)
	}
}

// TestTermination follows one stop through its signals, on fresh and on kept-alive
// connections, in each protocol.
func TestTermination(t *testing.T) {
	matrix(t, func(t *testing.T, kind string) {
		g, hook := newGate(), make(chan struct{})
		r := startProgram(t, func(s *Server) {
			_ = s.Handle("/slow", g)
			_ = s.AddPreShutdownHook("hold", func(context.Context) error { <-hook; return nil })
		}, "--shutdown-delay-duration=1ms")
		kept, busy := r.client(kind), r.client(kind)
		if got, err := r.send(kept, kind, "GET", "/livez/ping", nil); err != nil || got.status != 200 {
			t.Fatalf("before the stop: %d %v", got.status, err)
		}
		slow := make(chan reply, 1)
		go func() {
			got, err := r.send(busy, kind, "GET", "/slow", nil)
			got.err = errors.Join(got.err, err)
			slow <- got
		}()
		await(t, "the slow request", g.began)

		// ShutdownInitiated: served as before, but not ready.
		r.signal <- syscall.SIGTERM
		await(t, "AfterShutdownDelayDuration", r.signals.afterShutdownDelayDuration.ch)
		for name, c := range map[string]*http.Client{"kept-alive": kept, "fresh": r.client(kind)} {
			if got, err := r.send(c, kind, "GET", "/readyz", nil); err != nil || got.status != 500 || !strings.Contains(got.body, "[-]shutdown failed: reason withheld") {
				t.Errorf("%s connection, /readyz while stopping: got %d %q %v", name, got.status, got.body, err)
			}
			for _, path := range []string{"/livez", "/healthz", "/version"} {
				if got, err := r.send(c, kind, "GET", path, nil); err != nil || got.status != 200 {
					t.Errorf("%s connection, %s while stopping: got %d %v, want 200", name, path, got.status, err)
				}
			}
		}

		// NotAcceptingNewRequest: 503 where a connection is, refused where none is.
		close(hook)
		await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
		await(t, "the listeners to close", closedListeners(r))
		got, err := r.send(kept, kind, "GET", "/version", nil)
		if err != nil || got.status != 503 || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"apiserver is shutting down"`) {
			t.Errorf("kept-alive connection after NotAcceptingNewRequest: got %d %q %v, want 503 with Retry-After", got.status, got.body, err)
		}
		if _, err := r.send(r.client(kind), kind, "GET", "/version", nil); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("fresh connection after NotAcceptingNewRequest: got %v, want it refused", err)
		}
		if _, err := r.send(kept, kind, "GET", "/version", nil); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the connection that was told 503 is still open: %v", err)
		}
		close(g.release)
		if got := await(t, "the slow answer", slow); got.status != 200 || got.err != nil {
			t.Errorf("the admitted request: got %d %v", got.status, got.err)
		}
		if code := r.wait(); code != exitDrained {
			t.Errorf("exit code %d, want 0:\n%s", code, r.err)
		}
	})
}

// closedListeners is closed when every serving listener is.
func closedListeners(r *running) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, f := range r.fronts {
			f.loops.Wait()
		}
	}()
	return done
}

// TestRetryAfter: with --shutdown-send-retry-after connections are not refused until
// the drain is over; new requests are told to come again, health is still told.
func TestRetryAfter(t *testing.T) {
	g := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/slow", g) }, "--shutdown-send-retry-after")
	done := make(chan reply, 1)
	go func() { done <- r.get("https", "/slow") }()
	await(t, "the slow request", g.began)
	r.signal <- syscall.SIGTERM
	await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
	for _, kind := range []string{"https", "h2"} {
		got := r.get(kind, "/version")
		if got.status != 429 || got.header.Get("Retry-After") != "5" || got.body != "The apiserver is shutting down, please try again later.\n" {
			t.Errorf("%s: got %d %q %v, want 429 with Retry-After 5", kind, got.status, got.body, got.header)
		}
		if got := r.get(kind, "/livez"); got.status != 200 {
			t.Errorf("%s: /livez: got %d, want 200", kind, got.status)
		}
		if got := r.get(kind, "/version", "User-Agent: kube-apiserver/v1"); got.status != 200 {
			t.Errorf("%s: the server's own client: got %d, want 200", kind, got.status)
		}
	}
	close(g.release)
	if got := await(t, "the slow answer", done); got.status != 200 {
		t.Errorf("the admitted request: got %d", got.status)
	}
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d, want 0", code)
	}
}

// watchHandler streams until its context ends, and says how it ended.
func watchHandler(began chan<- struct{}, ends chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "event\n")
		_ = http.NewResponseController(w).Flush()
		began <- struct{}{}
		<-r.Context().Done()
		ends <- context.Cause(r.Context())
	})
}

// TestWatchesEnd: a stop ends long-running requests by their context: cleanly within a
// grace period, and otherwise at the end of the drain, for which they do not count.
func TestWatchesEnd(t *testing.T) {
	for _, args := range [][]string{nil, {"--shutdown-watch-termination-grace-period=5s"}} {
		t.Run(strings.Join(args, ""), func(t *testing.T) {
			began, ends := make(chan struct{}, 10), make(chan error, 10)
			r := startProgram(t, func(s *Server) {
				_ = s.AddWebService(&WebService{Root: "/stream", Routes: []Route{{Method: "GET", Handler: watchHandler(began, ends), LongRunning: true}}})
			}, args...)
			bodies := make(chan reply, len(clientKinds))
			for _, kind := range clientKinds {
				go func() { bodies <- r.get(kind, "/stream?timeout=1ms") }() // a limit it does not have
			}
			for range clientKinds {
				await(t, "the watches to begin", began)
			}
			if code := r.stop(); code != exitDrained {
				t.Errorf("exit code %d, want 0: %s", code, r.err)
			}
			for range clientKinds {
				if err := await(t, "a watch to end", ends); err == nil {
					t.Error("a watch ended without a cause")
				}
				if got := await(t, "its client", bodies); got.status != 200 || got.body != "event\n" || args != nil && got.err != nil {
					t.Errorf("the client got %d %q %v", got.status, got.body, got.err)
				}
			}
		})
	}
}

// TestDrainRunsOutOfTime: a stop has a hard limit, however requests and hooks behave.
func TestDrainRunsOutOfTime(t *testing.T) {
	for _, what := range []string{"request", "hook"} {
		t.Run(what, func(t *testing.T) {
			g := newGate()
			defer close(g.release)
			r := startProgram(t, func(s *Server) {
				_ = s.Handle("/slow", g)
				if what == "hook" {
					_ = s.AddPreShutdownHook("stuck", func(context.Context) error { <-g.release; return nil })
				}
			}, "--shutdown-timeout=200ms")
			if what == "request" {
				go r.send(r.client("http"), "http", "GET", "/slow", nil)
				await(t, "the slow request", g.began)
			}
			if code := r.stop(); code != exitDrainTime {
				t.Errorf("exit code %d, want 3", code)
			}
			if !r.err.has("--shutdown-timeout 200ms") {
				t.Errorf("stderr does not name the limit:\n%s", r.err)
			}
		})
	}
}

// TestSecondSignal: it ends the process at once.
func TestSecondSignal(t *testing.T) {
	g := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/slow", g) })
	go r.send(r.client("http"), "http", "GET", "/slow", nil)
	await(t, "the slow request", g.began)
	r.signal <- syscall.SIGTERM
	await(t, "ShutdownInitiated", r.signals.shutdownInitiated.ch)
	r.signal <- syscall.SIGINT
	if code := await(t, "the exit", r.code); code != exitInterrupted {
		t.Errorf("exit code %d, want 130", code)
	}
	close(g.release)
	if code := await(t, "the end", r.code); code != exitDrained { // the test's exit does not exit
		t.Errorf("the drain behind it: code %d", code)
	}
	r.exited = true
}

// TestPostStartHooks: they run side by side once the listeners accept; until all have
// returned the server is not ready, and says which it waits for.
func TestPostStartHooks(t *testing.T) {
	release, running := make(chan struct{}), make(chan string, 2)
	var stopped atomic.Bool
	r := launchProgram(t, func(s *Server) {
		for _, name := range []string{"one", "two"} {
			_ = s.AddPostStartHook(name, func(ctx context.Context) error {
				running <- name
				<-release
				context.AfterFunc(ctx, func() { stopped.Store(true) })
				return nil
			})
		}
	}, "--livez-grace-period=1h")
	await(t, "both hooks to run", running)
	await(t, "both hooks to run", running)
	got := r.get("http", "/readyz")
	for _, line := range []string{"[-]poststarthook/one failed: reason withheld", "[-]poststarthook/two failed: reason withheld", "readyz check failed"} {
		if got.status != 500 || !strings.Contains(got.body, line) {
			t.Errorf("/readyz while hooks run: got %d %q, want %q", got.status, got.body, line)
		}
	}
	if got := r.get("http", "/readyz/poststarthook/one"); got.status != 500 || got.body != "internal server error: not finished\n" {
		t.Errorf("its own path: got %d %q", got.status, got.body)
	}
	if got := r.get("http", "/livez"); got.status != 200 {
		t.Errorf("/livez within its grace period: got %d, want 200", got.status)
	}
	if r.signals.hasBeenReady.fired() || r.out.String() != "" {
		t.Error("ready before its hooks have returned")
	}
	close(release)
	await(t, "ready", r.signals.hasBeenReady.ch)
	if got := r.get("http", "/readyz"); got.status != 200 {
		t.Errorf("/readyz: got %d, want 200", got.status)
	}
	if code := r.stop(); code != exitDrained || !stopped.Load() {
		t.Errorf("exit code %d; the hooks' context ended: %v", code, stopped.Load())
	}
}

// TestHookFails: a failed or panicking post-start hook ends the process with its name.
func TestHookFails(t *testing.T) {
	for name, hook := range map[string]func(context.Context) error{
		"fails":  func(context.Context) error { return errors.New("no such thing") },
		"panics": func(context.Context) error { panic("no such thing") },
	} {
		r := launchProgram(t, func(s *Server) { _ = s.AddPostStartHook(name, hook) })
		if code := r.wait(); code != exitFailed || !r.err.has(`PostStartHook "`+name+`" failed`) || !r.err.has("no such thing") {
			t.Errorf("%s: exit code %d, stderr:\n%s", name, code, r.err)
		}
		for _, o := range r.hooks.all() {
			if o.name == name && (o.shown().Error == "" || o.state != map[string]string{"fails": hookFailed, "panics": hookPanicked}[name]) {
				t.Errorf("%s: shown as %+v", name, o.shown())
			}
		}
	}
}

// TestStopBeforeReady: while a check of readyz does not pass, or does not even return, a
// signal and a broken listener end the program all the same, and nobody is told "ready".
func TestStopBeforeReady(t *testing.T) {
	for _, c := range []struct {
		name  string
		check func(context.Context) error
		end   func(*running)
		want  int
	}{
		{"a signal, with a check that fails", func(context.Context) error { return errors.New("never") }, func(r *running) { r.signal <- syscall.SIGTERM }, exitDrained},
		{"a signal, with a check that waits", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, func(r *running) { r.signal <- syscall.SIGINT }, exitDrained},
		{"a broken listener", func(context.Context) error { return errors.New("never") }, func(r *running) { r.listeners[0].Listener.Close() }, exitFailed},
	} {
		asked := make(chan struct{})
		var once sync.Once
		ready := filepath.Join(t.TempDir(), "ready.json")
		r := launchProgram(t, func(s *Server) {
			_ = s.AddHealthCheck("gate", func(ctx context.Context) error {
				once.Do(func() { close(asked) })
				return c.check(ctx)
			})
		}, "--ready-file="+ready)
		select {
		case <-asked: // the hooks have returned
		case code := <-r.code:
			t.Fatalf("%s: exited with %d before readyz was asked", c.name, code)
		}
		c.end(r)
		if code := r.wait(); code != c.want {
			t.Errorf("%s: exit code %d, want %d:\n%s", c.name, code, c.want, r.err)
		}
		if _, err := os.Stat(ready); !errors.Is(err, fs.ErrNotExist) || r.out.has("is ready") {
			t.Errorf("%s: somebody was told that it is ready (%v)", c.name, err)
		}
	}
}

// TestPreShutdownHooks: one after another in the order of registration, all of them,
// while requests are served; a failed one makes exit code 1.
func TestPreShutdownHooks(t *testing.T) {
	var mu sync.Mutex
	var order []string
	var r *running
	add := func(s *Server, name string, err error) {
		_ = s.AddPreShutdownHook(name, func(context.Context) error {
			got, e := r.send(r.client("http"), "http", "GET", "/version", nil)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprint(name, " ", got.status, " ", e))
			return err
		})
	}
	r = startProgram(t, func(s *Server) {
		add(s, "c", nil)
		add(s, "a", errors.New("broken"))
		add(s, "b", nil)
	})
	if code := r.stop(); code != exitFailed || !r.err.has(`PreShutdownHook "a" failed`) {
		t.Errorf("exit code %d, want 1 with the hook's name:\n%s", code, r.err)
	}
	if want := []string{"c 200 <nil>", "a 200 <nil>", "b 200 <nil>"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

// TestRegistrationErrors: whoever registers twice, or wrongly, is told at start, and a
// duplicate names both places.
func TestRegistrationErrors(t *testing.T) {
	h := http.NotFoundHandler()
	ok := func(context.Context) error { return nil }
	for name, c := range map[string]struct {
		extend func(*Server)
		want   string
		places int
	}{
		"path":    {func(s *Server) { _ = s.Handle("/x", h); _ = s.Handle("/x", h) }, `the path "/x"`, 2},
		"prefix":  {func(s *Server) { _ = s.HandlePrefix("/x/", h); _ = s.HandlePrefix("/x/", h) }, `the path "/x/"`, 2},
		"slash":   {func(s *Server) { _ = s.HandlePrefix("/x", h) }, "must begin and end with a slash", 1},
		"service": {func(s *Server) { _ = s.AddWebService(&WebService{Root: "/api"}) }, `a web service at "/api"`, 1},
		"route": {func(s *Server) {
			_ = s.AddWebService(&WebService{Root: "/w", Routes: []Route{{Method: "GET", Path: "/{a}", Handler: h}, {Method: "GET", Path: "/{b}", Handler: h}}})
		}, "GET /w/{b}", 2},
		"post-start":   {func(s *Server) { _ = s.AddPostStartHook("h", ok); _ = s.AddPostStartHook("h", ok) }, `unable to add PostStartHook "h"`, 2},
		"pre-shutdown": {func(s *Server) { _ = s.AddPreShutdownHook("", ok) }, "missing name", 1},
		"nil hook":     {func(s *Server) { _ = s.AddPostStartHook("h", nil) }, `hook func may not be nil: "h"`, 1},
		"check":        {func(s *Server) { _ = s.AddHealthCheck("ping", ok) }, `already has a check "ping"`, 0},
	} {
		r := launchProgram(t, c.extend)
		if code := r.wait(); code != exitFailed || !r.err.has(c.want) || strings.Count(r.err.String(), "lifecycle_test.go:") < c.places {
			t.Errorf("%s: exit code %d, want 1 with %q and %d places:\n%s", name, code, c.want, c.places, r.err)
		}
	}
}

// TestFiles: the ready file and the kubeconfig come when the server is ready, are ours
// alone to read, and go at exit.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	ready, kubeconfig, socket := filepath.Join(dir, "ready.json"), filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "s.sock")
	r := startProgram(t, nil, "--ready-file="+ready, "--kubeconfig="+kubeconfig, "--listen-http=unix:"+socket)
	b, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	var got readyFile
	if err := json.Unmarshal(b, &got); err != nil || got.PID != os.Getpid() || got.Version == "" || len(got.HTTPS) != 1 || got.Kubeconfig != kubeconfig || got.Admin == nil {
		t.Errorf("ready file %s: %v", b, err)
	}
	if want := []string{"unix:" + socket}; !slices.Equal(got.HTTP, want) {
		t.Errorf("http %q, want %q", got.HTTP, want)
	}
	for _, path := range []string{ready, kubeconfig, socket} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v, want mode 0600", path, info, err)
		}
	}
	config, _ := os.ReadFile(kubeconfig)
	if !strings.Contains(string(config), "server: "+got.HTTPS[0]) {
		t.Errorf("the kubeconfig does not name the server:\n%s", config)
	}
	_, token, _ := strings.Cut(string(config), "token: ")
	token, _, _ = strings.Cut(token, "\n")
	if got := r.get("https", "/nowhere", "Authorization: Bearer "+token); got.status != 404 {
		t.Errorf("with the kubeconfig's token: got %d, want a superuser's 404", got.status)
	}
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer c.CloseIdleConnections()
	req, _ := http.NewRequest("GET", "http://anything.example/version", nil)
	if resp, err := c.Do(req); err != nil || resp.StatusCode != 200 {
		t.Errorf("by the socket, whatever the Host: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	// A live socket is left alone.
	second := launchProgram(t, nil, "--listen-http=unix:"+socket)
	if code := second.wait(); code != exitFailed || !second.err.has("is in use") {
		t.Errorf("a second server on the socket: exit code %d\n%s", code, second.err)
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	for _, path := range []string{ready, kubeconfig, socket} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left after the exit", path)
		}
	}
}
