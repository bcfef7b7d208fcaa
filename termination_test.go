package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/status"
)

// answer is what a probe gets, in a word: the status and what it is told of retrying,
// or why there is no answer.
func answer(got reply, err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case err != nil:
		return "no answer: " + err.Error()
	case got.err != nil:
		return "broken off"
	}
	s := fmt.Sprint(got.status)
	if after := got.header.Get("Retry-After"); after != "" {
		s += " again in " + after
	}
	return s
}

// stopping is a program in the middle of a stop that the test leads from signal to signal.
type stopping struct {
	*running
	kind string
	hook chan struct{} // closing it lets NotAcceptingNewRequest come
	slow *gate
}

func newStopping(t *testing.T, kind string, args ...string) *stopping {
	s := &stopping{kind: kind, hook: make(chan struct{}), slow: newGate()}
	s.running = startProgram(t, func(sv *Server) {
		_ = sv.Handle("/slow", s.slow)
		_ = sv.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "thing") }))
		_ = sv.AddPreShutdownHook("hold", func(context.Context) error { <-s.hook; return nil })
	}, args...)
	return s
}

// kept is a client that has a connection open.
func (s *stopping) kept() *http.Client {
	s.t.Helper()
	c := s.client(s.kind)
	if got, err := s.send(c, s.kind, "GET", "/livez/ping", nil); err != nil || got.status != 200 {
		s.t.Fatalf("before the stop: %s", answer(got, err))
	}
	return c
}

// begin sends one slow request and waits until its handler runs.
func (s *stopping) begin() <-chan reply {
	done := make(chan reply, 1)
	c := s.client(s.kind)
	go func() {
		got, err := s.send(c, s.kind, "GET", "/slow", nil)
		got.err = errors.Join(got.err, err)
		done <- got
	}()
	await(s.t, "the slow request", s.slow.began)
	return done
}

// accepted is how many connections the listener of this kind has had.
func (s *stopping) accepted() uint64 {
	for _, l := range s.listeners {
		if strings.HasPrefix(s.url(s.kind, ""), l.url()) {
			return l.accepted.Load()
		}
	}
	s.t.Fatal("no listener")
	return 0
}

// awaitClosed returns when the drain has closed the group of requests: that is a moment
// after the signal, where the listeners stay open.
func (s *stopping) awaitClosed() {
	for deadline := time.Now().Add(time.Minute); s.requests.n.Load() < closingBit; runtime.Gosched() {
		if time.Now().After(deadline) {
			s.t.Fatal("the drain has not begun")
		}
	}
}

// probes is what one state of a stop answers to each sort of request, on connections
// that were open before.
type probes []struct{ path, header, want string }

func (s *stopping) check(state string, ps probes, clients []*http.Client) {
	s.t.Helper()
	for i, p := range ps {
		got, err := s.send(clients[i%len(clients)], s.kind, "GET", p.path, nil, p.header)
		if a := answer(got, err); a != p.want {
			s.t.Errorf("%s, %s %s: got %q, want %q: %s", state, p.path, p.header, a, p.want, got.body)
		}
	}
}

// TestEverySignal follows a stop through its signals, without and with
// --shutdown-send-retry-after, in every protocol, on connections that are open and on
// new ones: who is served, who is sent away and with what words.
func TestEverySignal(t *testing.T) {
	t.Parallel()
	const thing, watch = "/apis/g.io/v1/things", "/apis/g.io/v1/things?watch=1"
	const own = "User-Agent: kube-apiserver/v1.37.2"
	serving := probes{{"/version", "", "200"}, {"/nowhere", "", "404"}, {thing, "", "200"}, {watch, "", "200"}, {"/livez", "", "200"}, {"/healthz", "", "200"}, {"/metrics", "", "200"}, {"/a/../b", "", "400"}}
	ready := append(probes{{"/readyz", "", "200"}}, serving...)
	leaving := append(probes{{"/readyz", "", "500"}, {"/readyz/shutdown", "", "500"}, {"/readyz/ping", "", "200"}}, serving...)
	told := func(what string) probes {
		return probes{{"/version", "", what}, {"/nowhere", "", what}, {thing, "", what}, {watch, "", what}, {"/livez", "", "200"}, {"/livez/ping", "", "200"}, {"/healthz", "", "200"}, {"/metrics", "", "200"},
			{"/readyz", "", "500"}, {"/version", own, "200"}, {thing, own, "200"}, {watch, own, "200"}, {"/a/../b", "", "400"}, {"/version?timeout=x", "", what}}
	}
	for _, mode := range []string{"refuse", "retry"} {
		for _, kind := range clientKinds {
			t.Run(mode+" "+kind, func(t *testing.T) {
				t.Parallel()
				args := []string{"--shutdown-delay-duration=50ms", "--shutdown-timeout=60s"}
				if mode == "retry" {
					args = append(args, "--shutdown-send-retry-after")
				}
				s := newStopping(t, kind, args...)
				one := []*http.Client{s.kept()}
				s.check("running, kept", ready, one)
				s.check("running, fresh", ready, []*http.Client{s.client(kind)})
				// Later every answer ends its connection, so each probe has its own.
				sent := told("503 again in 1")
				if mode == "retry" && (kind == "https" || kind == "h2") {
					sent = told("429 again in 5")
				}
				var open []*http.Client
				for range sent {
					open = append(open, s.kept())
				}
				spare := s.kept()
				slow := s.begin()

				s.signal <- syscall.SIGTERM
				await(t, "ShutdownInitiated", s.signals.shutdownInitiated.ch)
				s.check("ShutdownInitiated, kept", leaving, one)
				s.check("ShutdownInitiated, fresh", leaving, []*http.Client{s.client(kind)})
				await(t, "AfterShutdownDelayDuration", s.signals.afterShutdownDelayDuration.ch)
				s.check("AfterShutdownDelayDuration, kept", leaving, one)
				s.check("AfterShutdownDelayDuration, fresh", leaving, []*http.Client{s.client(kind)})
				if s.signals.preShutdownHooksStopped.fired() {
					t.Error("PreShutdownHooksStopped while a hook runs")
				}

				close(s.hook)
				await(t, "NotAcceptingNewRequest", s.signals.notAcceptingNewRequest.ch)
				if mode == "refuse" {
					await(t, "the listeners to close", closedListeners(s.running))
				} else {
					s.awaitClosed()
				}
				s.check("NotAcceptingNewRequest, kept", sent, open)
				fresh := s.client(kind)
				want := "refused"
				if mode == "retry" {
					want = sent[0].want
				}
				// Whoever was sent away has lost its connection with the answer.
				before := s.accepted()
				if got, err := s.send(open[0], kind, "GET", "/version", nil); answer(got, err) != want || mode == "retry" && s.accepted() != before+1 {
					t.Errorf("NotAcceptingNewRequest, kept, once more: got %q, want %q on another connection", answer(got, err), want)
				}
				if got, err := s.send(fresh, kind, "GET", "/version", nil); answer(got, err) != want {
					t.Errorf("NotAcceptingNewRequest, fresh: got %q, want %q", answer(got, err), want)
				}
				if s.signals.inFlightRequestsDrained.fired() {
					t.Error("InFlightRequestsDrained while a request is under way")
				}

				close(s.slow.release)
				if got := await(t, "the slow answer", slow); got.status != 200 || got.body != "done" || got.err != nil {
					t.Errorf("the admitted request: %s %q", answer(got, got.err), got.body)
				}
				await(t, "HTTPServerStoppedListening", s.signals.httpServerStoppedListening.ch)
				for name, c := range map[string]*http.Client{"kept": spare, "fresh": s.client(kind)} {
					if got, err := s.send(c, kind, "GET", "/livez", nil); answer(got, err) != "refused" {
						t.Errorf("HTTPServerStoppedListening, %s: got %q, want a refusal", name, answer(got, err))
					}
				}
				if code := s.wait(); code != exitDrained {
					t.Errorf("exit code %d:\n%s", code, s.err)
				}
			})
		}
	}
}

// TestUploadAcrossTheStop: a request that was admitted may still send its body, and is
// answered when it has.
func TestUploadAcrossTheStop(t *testing.T) {
	t.Parallel()
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			began := make(chan struct{}, 1)
			r := startProgram(t, func(s *Server) {
				_ = s.Handle("/upload", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					first := make([]byte, 5)
					io.ReadFull(r.Body, first)
					began <- struct{}{}
					rest, err := io.ReadAll(r.Body)
					fmt.Fprintf(w, "%s%s %v", first, rest, err)
				}))
			})
			body, more := io.Pipe()
			done := make(chan string, 1)
			go func() {
				got, err := r.send(r.client(kind), kind, "POST", "/upload", body)
				done <- answer(got, err) + " " + got.body
			}()
			io.WriteString(more, "begin")
			await(t, "the upload", began)
			r.signal <- syscall.SIGTERM
			await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
			io.WriteString(more, " and end")
			more.Close()
			if got := await(t, "the answer", done); got != "200 begin and end <nil>" {
				t.Errorf("got %q", got)
			}
			if code := r.wait(); code != exitDrained {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestDelayServes: the shutdown delay passes in full, though nothing is left to wait
// for, and a hook that takes longer is waited for beside it, not after it.
func TestDelayServes(t *testing.T) {
	t.Parallel()
	for _, hook := range []bool{false, true} {
		const delay = 100 * time.Millisecond
		var sawDelay bool
		r := startProgram(t, func(s *Server) {
			if hook {
				_ = s.AddPreShutdownHook("beside", func(context.Context) error {
					sawDelay = !s.program.signals.afterShutdownDelayDuration.fired()
					<-s.program.signals.afterShutdownDelayDuration.ch
					return nil
				})
			}
		}, "--shutdown-delay-duration="+delay.String())
		begun := time.Now()
		if code := r.stop(); code != exitDrained || time.Since(begun) < delay {
			t.Errorf("exit code %d after %v, want 0 after %v", code, time.Since(begun), delay)
		}
		if hook && !sawDelay {
			t.Error("the hook ran after the delay, not beside it")
		}
	}
}

// TestWatchesAtTheStop: what becomes of a watch that ends with its context and of one
// that does not, without and with a grace period.
func TestWatchesAtTheStop(t *testing.T) {
	t.Parallel()
	for _, grace := range []string{"0", "100ms"} {
		for _, stubborn := range []bool{false, true} {
			for _, kind := range clientKinds {
				t.Run(fmt.Sprint("grace ", grace, ", stubborn ", stubborn, ", ", kind), func(t *testing.T) {
					t.Parallel()
					began, release := make(chan struct{}, 1), make(chan struct{})
					cause := make(chan error, 1)
					g := newGate()
					r := startProgram(t, func(s *Server) {
						_ = s.Handle("/slow", g)
						_ = s.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							io.WriteString(w, "event\n")
							w.(http.Flusher).Flush()
							began <- struct{}{}
							<-r.Context().Done()
							cause <- context.Cause(r.Context())
							if stubborn {
								<-release
							}
							io.WriteString(w, "bye\n")
						}))
					}, "--shutdown-watch-termination-grace-period="+grace)
					watch, slow := make(chan string, 1), make(chan string, 1)
					go func() {
						got, err := r.send(r.client(kind), kind, "GET", "/apis/g.io/v1/things?watch=1", nil)
						watch <- answer(got, err) + " " + got.body
					}()
					await(t, "the watch", began)
					go func() {
						got, err := r.send(r.client(kind), kind, "GET", "/slow", nil)
						slow <- answer(got, err)
					}()
					await(t, "the slow request", g.began)
					r.signal <- syscall.SIGTERM
					await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
					if n := len(r.longRunning.list()); n != 1 {
						t.Errorf("%d watches while requests are drained, want the one", n)
					}
					close(g.release)
					if got := await(t, "the slow answer", slow); got != "200" {
						t.Errorf("the slow request: %s", got)
					}
					if err := await(t, "the watch's context to end", cause); !errors.Is(err, errStopping) {
						t.Errorf("its cause is %v, want %v", err, errStopping)
					}
					want := "200 event\nbye\n"
					if stubborn {
						want = "broken off event\n"
					}
					if got := await(t, "the watcher", watch); got != want {
						t.Errorf("the watcher got %q, want %q", got, want)
					}
					if stubborn {
						close(release)
					}
					if code := r.wait(); code != exitDrained {
						t.Errorf("exit code %d: a watch does not make a stop late:\n%s", code, r.err)
					}
				})
			}
		}
	}
}

// TestWatchesEndAtARate: at most 200 in a second, or as many as the grace period needs.
func TestWatchesEndAtARate(t *testing.T) {
	for _, c := range []struct {
		n         int
		grace     time.Duration
		perSecond float64
	}{{0, time.Second, 0}, {1, 0, 200}, {100, 0, 200}, {100, 10 * time.Second, 200}, {1000, 10 * time.Second, 200}, {1000, 2 * time.Second, 500}, {5000, time.Second, 5000}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := newLongRunning()
			ended := make(chan time.Duration, c.n)
			begun := time.Now()
			for range c.n {
				x := &exchange{parent: ctx}
				if !w.enter(x) {
					t.Fatal("refused")
				}
				go func() {
					<-x.Done()
					ended <- time.Since(begun)
					w.leave(x)
				}()
			}
			empty := w.close()
			w.end(ctx, c.grace, errStopping)
			<-empty
			took := time.Since(begun)
			if c.n > 0 && took.Seconds() > float64(c.n)/c.perSecond+0.1 {
				t.Errorf("%d in %v: over after %v", c.n, c.grace, took)
			}
			count := map[time.Duration]int{}
			for range c.n {
				count[(<-ended).Truncate(time.Second)]++
			}
			for second, n := range count {
				if float64(n) > c.perSecond*1.06+1 {
					t.Errorf("%d in %v: %d ended in the second from %v on, want at most %v", c.n, c.grace, n, second, c.perSecond)
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // the time for it runs out
		w := newLongRunning()
		for range 1000 {
			w.enter(&exchange{parent: t.Context()})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if w.end(ctx, 0, errStopping); time.Since(begun) != time.Second {
			t.Errorf("returned after %v, want with its context", time.Since(begun))
		}
		for _, x := range w.list() {
			x.end(errStopping)
		}
	})
}

// TestWatchesCount: who is in, who may come, and when all have left.
func TestWatchesCount(t *testing.T) {
	w := newLongRunning()
	request := func(agent string) *exchange {
		x := &exchange{parent: t.Context(), req: *httptest.NewRequest("GET", "/x", nil)}
		x.req.Header.Set("User-Agent", agent)
		return x
	}
	a, b := request("a"), request("b")
	for range 2 { // a second admission is none
		if err := w.admit(a); err != nil || len(w.list()) != 1 {
			t.Errorf("admitted: %v, %d open", err, len(w.list()))
		}
	}
	first, second := w.close(), w.close()
	if first != second {
		t.Error("closing twice gives two channels")
	}
	var e *status.Error
	if err := w.admit(b); !errors.As(err, &e) || e.Code != 503 || e.RetryAfter != 1 || b.inLongRunning {
		t.Errorf("after closing: %v, want 503", err)
	}
	if err := w.admit(request("kube-apiserver/v1")); err != nil || len(w.list()) != 1 {
		t.Errorf("the server's own client: %v, %d open; want it served and not counted", err, len(w.list()))
	}
	select {
	case <-first:
		t.Error("empty while one is open")
	default:
	}
	w.leave(a)
	await(t, "the last to leave", first)
	w.leave(a) // harmless
	if _, open := <-newLongRunning().close(); open {
		t.Error("none was ever open, but the channel waits")
	}
}

// TestWaitGroup: nobody enters after it was closed, and empty means that all have left.
func TestWaitGroup(t *testing.T) {
	g := newWaitGroup()
	one, two := g.enter(), g.enter()
	if !one || !two || g.count() != 2 {
		t.Fatalf("two entered, %d are in", g.count())
	}
	g.leave()
	if g.count() != 1 {
		t.Errorf("one left, %d are in", g.count())
	}
	empty := g.close()
	if g.enter() || g.count() != 1 || g.close() != empty {
		t.Error("after closing: entered, or counted, or another channel")
	}
	select {
	case <-empty:
		t.Error("empty while one is in")
	default:
	}
	g.leave()
	await(t, "the last to leave", empty)
	if g.enter() || g.count() != 0 {
		t.Error("entered an empty closed group")
	}
	if _, open := <-newWaitGroup().close(); open {
		t.Error("a group that nobody entered is not empty")
	}

	// From many goroutines: each that was let in is waited for.
	g = newWaitGroup()
	var all sync.WaitGroup
	var mu sync.Mutex
	inside, admitted := 0, 0
	start := make(chan struct{})
	for range 8 {
		all.Go(func() {
			<-start
			for range 1000 {
				if !g.enter() {
					return
				}
				mu.Lock()
				inside, admitted = inside+1, admitted+1
				mu.Unlock()
				mu.Lock()
				inside--
				mu.Unlock()
				g.leave()
			}
		})
	}
	close(start)
	<-g.close()
	mu.Lock()
	if inside != 0 {
		t.Errorf("empty, but %d are inside", inside)
	}
	mu.Unlock()
	all.Wait()
	if g.count() != 0 {
		t.Errorf("%d are left of %d", g.count(), admitted)
	}
}

// TestExempt: who is served while others are sent away, by the beginning of the path
// or of the user agent.
func TestExempt(t *testing.T) {
	for _, c := range []struct {
		path, agent string
		want        bool
	}{
		{"/readyz", "", true}, {"/readyz/ping", "", true}, {"/livez", "", true}, {"/healthz", "", true}, {"/metrics", "", true}, {"/metrics/slis", "", true}, {"/livezilla", "", true},
		{"/", "", false}, {"/version", "", false}, {"/api/readyz", "", false}, {"//readyz", "", false}, {"/READYZ", "", false}, {"/apis/livez", "", false},
		{"/version", "kube-apiserver/v1.37", true}, {"/version", "kube-apiserver", false}, {"/version", "not kube-apiserver/v1", false}, {"/version", "Kube-Apiserver/v1", false},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.URL.Path = c.path
		r.Header.Set("User-Agent", c.agent)
		if got := exempt(r); got != c.want {
			t.Errorf("%s by %q: exempt %v, want %v", c.path, c.agent, got, c.want)
		}
	}
}

// TestSignalsStaySignalled: a signal comes once, with one line in the log and on the
// timeline.
func TestSignalsStaySignalled(t *testing.T) {
	log := &lines{}
	p := newTestProgramLog(t, log)
	s := p.signals.shutdownInitiated
	if s.fired() {
		t.Error("signalled before it was")
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() { p.fire(s, "because\nlevel=ERROR") })
	}
	all.Wait()
	if !s.fired() {
		t.Error("not signalled")
	}
	if n := strings.Count(log.String(), "ShutdownInitiated"); n != 1 || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%d lines, want one:\n%s", n, log)
	}
	events, phase := p.timeline.list()
	n := slices.IndexFunc(events, func(e event) bool { return e.kind == "signal" })
	if n < 0 || phase != "stop" || events[n].name != "ShutdownInitiated" || !events[n].instant {
		t.Errorf("timeline %+v, phase %s", events, phase)
	}
}

// TestSignalNames: a stop says by which signal of the system it was begun.
func TestSignalNames(t *testing.T) {
	for s, want := range map[os.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", os.Interrupt: "SIGINT"} {
		r := startProgram(t, nil)
		r.signal <- s
		if code := r.wait(); code != exitDrained {
			t.Errorf("%v: exit code %d", s, code)
		}
		events, _ := r.timeline.list()
		if i := slices.IndexFunc(events, func(e event) bool { return e.name == "ShutdownInitiated" }); i < 0 || events[i].detail != want {
			t.Errorf("%v: not on the timeline as %s", s, want)
		}
	}
	if got := signalName(syscall.SIGUSR1); got != "user defined signal 1" {
		t.Errorf("another signal is %q", got)
	}
}
