package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// neverPassing are health checks with which a server never becomes ready; asked gets a
// token, if it has room, whenever one is asked.
func neverPassing(asked chan<- struct{}) map[string]func(context.Context) error {
	ask := func() {
		select {
		case asked <- struct{}{}:
		default:
		}
	}
	return map[string]func(context.Context) error{
		"fails":           func(context.Context) error { ask(); return errors.New("never") },
		"panics":          func(context.Context) error { ask(); panic("never") },
		"waits":           func(ctx context.Context) error { ask(); <-ctx.Done(); return ctx.Err() },
		"heeds nothing":   func(context.Context) error { ask(); select {} },
		"says too late":   func(ctx context.Context) error { ask(); <-ctx.Done(); return nil },
		"fails by itself": func(ctx context.Context) error { ask(); return context.Canceled },
	}
}

// TestNeverReady: a signal that comes while a check keeps the server from being ready
// drains at once, by the same signals as ever; what says "ready" is never said.
func TestNeverReady(t *testing.T) {
	asked := make(chan struct{}, 1)
	for name, check := range neverPassing(asked) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ready, kubeconfig := filepath.Join(dir, "ready"), filepath.Join(dir, "kubeconfig")
			r := launchProgram(t, func(s *Server) { _ = s.AddHealthCheck("never", check) }, "--ready-file="+ready, "--kubeconfig="+kubeconfig)
			await(t, "the check to be asked", asked)
			if got := r.get("http", "/version"); got.status != 200 {
				t.Errorf("/version before ready: got %d, want 200", got.status)
			}
			if code := r.stop(); code != exitDrained {
				t.Errorf("exit code %d, want 0:\n%s", code, r.err)
			}
			if r.readyAt.Load() != nil || r.out.String() != "" {
				t.Errorf("ready at %v, stdout %q", r.readyAt.Load(), r.out)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("files %v %v, want none", left, err)
			}
			want := []string{"MuxAndDiscoveryComplete", "ShutdownInitiated", "AfterShutdownDelayDuration", "PreShutdownHooksStopped", "NotAcceptingNewRequest", "InFlightRequestsDrained", "HTTPServerStoppedListening"}
			if got := r.signalsSeen(); !slices.Equal(got, want) {
				t.Errorf("signals\n got %q\nwant %q", got, want)
			}
		})
	}
}

// TestStartUpLines: all of them in one write, so that who reads the first line through a
// pipe and closes it, as the README says, does not end the program.
func TestStartUpLines(t *testing.T) {
	r := startProgram(t, nil)
	r.out.mu.Lock()
	text, writes := r.out.b.String(), r.out.writes
	r.out.mu.Unlock()
	if writes != 1 || strings.Count(text, "\n") != 3 || !strings.Contains(text, "\n  http   http://") || !strings.Contains(text, "\n  https  https://") {
		t.Errorf("%d writes: %q", writes, text)
	}
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if r.out.writes != writes {
		t.Errorf("it wrote more: %q", r.out)
	}
}

// TestReadyWaitsForChecks: the server is ready when the last check passes and not before,
// and the timeline has how long that took.
func TestReadyWaitsForChecks(t *testing.T) {
	asked := make(chan struct{})
	var well atomic.Bool
	r := launchProgram(t, func(s *Server) {
		_ = s.AddHealthCheck("database", func(ctx context.Context) error {
			if well.Load() {
				return nil
			}
			select {
			case asked <- struct{}{}:
			case <-ctx.Done():
			}
			return errors.New("not yet")
		})
	})
	for range 3 {
		await(t, "the check to be asked", asked)
		if r.signals.hasBeenReady.fired() || r.out.String() != "" {
			t.Fatal("ready although a check fails")
		}
	}
	well.Store(true)
	await(t, "ready", r.signals.hasBeenReady.ch)
	if r.readyAt.Load() == nil || !strings.HasPrefix(r.out.String(), "apichain "+programVersion+" is ready after ") {
		t.Errorf("ready at %v, stdout %q", r.readyAt.Load(), r.out)
	}
	events, _ := r.timeline.list()
	i := slices.IndexFunc(events, func(e event) bool { return e.name == "ready" })
	if i < 0 || !events[i].over || events[i].err != "" || events[i].took <= 0 {
		t.Errorf("no step ready that ended well in %+v", events)
	}
}

// TestFailureBeforeReady: while a check keeps the server from being ready, a hook that
// fails and a listener that breaks end it as they would later: named, with exit code 1.
func TestFailureBeforeReady(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(r *running, hook chan<- error)
		want string
	}{
		"hook":     {func(_ *running, hook chan<- error) { hook <- errors.New("no database") }, `PostStartHook "late" failed: no database`},
		"listener": {func(r *running, hook chan<- error) { hook <- nil; _ = r.listeners[0].Listener.Close() }, " stopped accepting: "},
	} {
		t.Run(name, func(t *testing.T) {
			ready := filepath.Join(t.TempDir(), "ready")
			hook := make(chan error)
			r := launchProgram(t, func(s *Server) {
				_ = s.AddHealthCheck("never", func(context.Context) error { return errors.New("never") })
				_ = s.AddPostStartHook("late", func(context.Context) error { return <-hook })
			}, "--ready-file="+ready)
			c.fail(r, hook)
			if code := r.wait(); code != exitFailed || strings.Count(r.err.String(), "apichain: ") != 1 || !r.err.has("apichain: ") || !r.err.has(c.want) {
				t.Errorf("exit code %d, want 1 with one line %q:\n%s", code, c.want, r.err)
			}
			if _, err := os.Stat(ready); !os.IsNotExist(err) || r.signals.hasBeenReady.fired() {
				t.Errorf("ready file: %v; ready: %v", err, r.signals.hasBeenReady.fired())
			}
		})
	}
}

// TestSignalsDuringStart: a signal is heard whatever the start is doing: the first ends
// it as soon as it serves, or the hook that it waits for; the second exits at once.
func TestSignalsDuringStart(t *testing.T) {
	for name, register := range map[string]func(s *Server, began chan<- struct{}, release <-chan struct{}){
		"Extend": func(_ *Server, began chan<- struct{}, release <-chan struct{}) { began <- struct{}{}; <-release },
		"hook": func(s *Server, began chan<- struct{}, release <-chan struct{}) {
			_ = s.AddPostStartHook("slow", func(context.Context) error { began <- struct{}{}; <-release; return nil })
		},
		"pre-shutdown hook": func(s *Server, began chan<- struct{}, release <-chan struct{}) {
			_ = s.AddHealthCheck("never", func(context.Context) error { return errors.New("never") })
			_ = s.AddPostStartHook("begin", func(context.Context) error { began <- struct{}{}; return nil })
			_ = s.AddPreShutdownHook("slow", func(context.Context) error { <-release; return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			began, release := make(chan struct{}, 1), make(chan struct{})
			r := launchProgram(t, func(s *Server) { register(s, began, release) })
			await(t, "the start to wait", began)
			r.signal <- syscall.SIGINT
			r.signal <- syscall.SIGTERM
			if code := await(t, "the exit", r.code); code != exitInterrupted {
				t.Errorf("exit code %d, want 130", code)
			}
			close(release)
			if code := r.wait(); code != exitDrained { // the test's exit does not exit
				t.Errorf("the drain of the first signal: exit code %d, want 0:\n%s", code, r.err)
			}
			if r.signals.hasBeenReady.fired() && name != "Extend" {
				t.Error("became ready although it was to stop")
			}
			events, _ := r.timeline.list()
			if !slices.ContainsFunc(events, func(e event) bool { return e.kind == "os-signal" && e.name == "SIGTERM" }) {
				t.Error("the second signal is not on the timeline")
			}
		})
	}
}

// TestSecondSignalRemovesFiles: who reads the ready file of a server that was interrupted
// twice must not take it for one that runs.
func TestSecondSignalRemovesFiles(t *testing.T) {
	dir := t.TempDir()
	release, seen := make(chan struct{}), make(chan int, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.AddPreShutdownHook("slow", func(context.Context) error { <-release; return nil })
	}, "--ready-file="+filepath.Join(dir, "ready"), "--kubeconfig="+filepath.Join(dir, "kubeconfig"))
	r.program.exit = func(code int) {
		left, _ := os.ReadDir(dir)
		seen <- len(left)
		r.code <- code
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Fatalf("files %v, want both", left)
	}
	r.signal <- syscall.SIGTERM
	r.signal <- syscall.SIGTERM
	if code := await(t, "the exit", r.code); code != exitInterrupted {
		t.Errorf("exit code %d, want 130", code)
	}
	if n := await(t, "the count", seen); n != 0 {
		t.Errorf("%d files are left, want none", n)
	}
	close(release)
	r.wait()
}

// TestBinaryStopsBeforeReady: the same of a built program, a copy with a check that never
// passes, with real signals.
func TestBinaryStopsBeforeReady(t *testing.T) {
	dir := t.TempDir()
	copyProgram(t, dir)
	const extend = `package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

func Extend(s *Server) error {
	var once sync.Once
	return s.AddHealthCheck("never", func(context.Context) error {
		once.Do(func() { fmt.Println(s.program.urls("http")[0]) })
		return errors.New("never")
	})
}
`
	if err := os.WriteFile(filepath.Join(dir, "extend.go"), []byte(extend), 0o600); err != nil {
		t.Fatal(err)
	}
	goOffline(t, dir, "build", "-o", "stubborn", ".")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		ready := filepath.Join(dir, "ready")
		cmd := exec.Command(filepath.Join(dir, "stubborn"), "--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=off", "--ready-file="+ready)
		errs := &lines{}
		cmd.Stderr = errs
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		r := bufio.NewReader(out)
		url, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no check was asked: %v\n%s", err, errs)
		}
		resp, err := http.Get(strings.TrimSpace(url) + "/readyz/never")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "internal server error: never\n"; resp.StatusCode != 500 || string(text) != want {
			t.Errorf("/readyz/never: %d %q, want 500 %q", resp.StatusCode, text, want)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(r)
		if err := cmd.Wait(); err != nil || len(rest) > 0 {
			t.Errorf("%v: %v, stdout %q, want exit code 0 and nothing said\n%s", sig, err, rest, errs)
		}
		if !errs.has("signal=ShutdownInitiated detail=" + map[syscall.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT"}[sig]) {
			t.Errorf("the log does not name %v:\n%s", sig, errs)
		}
		if _, err := os.Stat(ready); !os.IsNotExist(err) {
			t.Errorf("a ready file was written: %v", err)
		}
	}
}
