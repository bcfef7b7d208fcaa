package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stuck functions, by whose names the stacks are told.
type stuckAt struct{ began, release chan struct{} }

func newStuckAt() *stuckAt { return &stuckAt{make(chan struct{}), make(chan struct{})} }

func (s *stuckAt) here() {
	close(s.began)
	<-s.release
}

func (s *stuckAt) hook(context.Context) error {
	s.here()
	return nil
}

func (s *stuckAt) ServeHTTP(http.ResponseWriter, *http.Request) { s.here() }

// begins reports whether the frames begin with functions, each "function file.go:".
func begins(frames []any, want ...string) bool {
	for i, w := range want {
		if i >= len(frames) || !strings.HasPrefix(frames[i].(string), w) {
			return false
		}
	}
	return len(frames) == len(want)
}

// TestStuckDrain: a real stop that waits for a stuck hook, a stuck request and a stuck watch
// says so, with links to each; the hook's and the watch's stack say where.
func TestStuckDrain(t *testing.T) {
	hook, request, watch := newStuckAt(), newStuckAt(), newStuckAt()
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/stuck", request)
		_ = s.HandlePrefix("/apis/g.io/", watch)
		_ = s.AddPreShutdownHook("stuck", hook.hook)
	}, "--listen-admin=127.0.0.1:0", "--shutdown-watch-termination-grace-period=1m", "--shutdown-timeout=5m")
	for path, s := range map[string]*stuckAt{"/stuck": request, "/apis/g.io/v1/things?watch=1": watch} {
		c := r.client("https")
		go func() { _, _ = r.send(c, "https", "GET", path, nil, "Audit-ID: of "+path) }()
		await(t, path, s.began)
	}
	r.signal <- syscall.SIGTERM
	await(t, "the hook", hook.began)

	// Of a hook that has just begun nobody wants to see the stack.
	var p page
	if r.look("/admin/v1/hooks?state=running", &p); p.Total != 1 || len(p.Items[0]["stack"].([]any)) != 0 {
		t.Errorf("hooks that run: %v, want the stuck one without a stack", p.Items)
	}
	for _, o := range r.hooks.all() {
		if o.name == "stuck" {
			o.set(func() { o.started = o.started.Add(-stackAfter - time.Second) })
		}
	}
	blockers := func(waiting string, want ...string) {
		t.Helper()
		var p page
		for p.WaitingFor != waiting {
			if r.look("/admin/v1/timeline", &p); t.Context().Err() != nil {
				t.Fatal("still waiting for", p.WaitingFor)
			}
		}
		var got []string
		age := time.Hour.Seconds() * 1000
		for _, b := range p.BlockedBy {
			got = append(got, b["kind"].(string)+" "+b["what"].(string)+" "+b["auditID"].(string))
			var there page
			if r.look(b["href"].(string), &there); there.Total != 1 || there.Items[0]["id"] != b["id"] {
				t.Errorf("%v leads to %v", b["href"], there.Items)
			}
			if b["ageMs"].(float64) > age {
				t.Errorf("%v is older than what is in front of it", b)
			}
			age = b["ageMs"].(float64)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("while waiting for %s: blocked by\n%q, want\n%q", waiting, got, want)
		}
	}
	theHook, theRequest, theWatch := "hook stuck ", "request GET /stuck of /stuck", "watch GET /apis/g.io/v1/things of /apis/g.io/v1/things?watch=1"
	blockers("hooks", theHook, theRequest, theWatch)
	r.look("/admin/v1/timeline", &p)
	if p.BlockedBy[0]["kind"] != "hook" {
		t.Errorf("the oldest is %v, want the hook", p.BlockedBy[0])
	}
	r.look(p.BlockedBy[0]["href"].(string), &p)
	if got := p.Items[0]["stack"].([]any); !begins(got, "apichain.(*stuckAt).here stacks_test.go:", "apichain.(*stuckAt).hook stacks_test.go:") {
		t.Errorf("the hook's stack: %q", got)
	}
	r.look("/admin/v1/inflight?stack=true&longRunning=true", &p)
	if got := p.Items[0]["stack"].([]any); !begins(got, "apichain.(*stuckAt).here stacks_test.go:", "apichain.(*stuckAt).ServeHTTP stacks_test.go:") {
		t.Errorf("the watch's stack: %q", got)
	}
	for _, query := range []string{"?stack=true&longRunning=false", "?stack=false", ""} {
		r.look("/admin/v1/inflight"+query, &p)
		for _, row := range p.Items {
			if len(row["stack"].([]any)) > 0 {
				t.Errorf("%s: a stack of %v nobody asked for: %v", query, row["path"], row["stack"])
			}
		}
	}

	close(hook.release)
	await(t, "NotAcceptingNewRequest", r.signals.notAcceptingNewRequest.ch)
	blockers("requests", theRequest, theWatch)
	close(request.release)
	blockers("watches", theWatch)
	close(watch.release)
	await(t, "HTTPServerStoppedListening", r.signals.httpServerStoppedListening.ch)
	blockers("")
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d\n%s", code, r.err)
	}
}

// TestBlockedByDelay: what is left of the delay, whose age is that of the stop.
func TestBlockedByDelay(t *testing.T) {
	p := newTestProgram(t, "--shutdown-delay-duration=10s", "--shutdown-timeout=1m")
	deadline := time.Now().Add(time.Minute - 4*time.Second) // the stop began four seconds ago
	p.stop.deadline.Store(&deadline)
	got := p.blockers("delay")
	if len(got) != 1 || got[0].Kind != "delay" || got[0].Href != "/admin/v1/timeline?name=delay" || !strings.HasSuffix(got[0].What, "s left") || got[0].AgeMs < 4000 || got[0].AgeMs > 10_000 {
		t.Errorf("blocked by %+v", got)
	}
	deadline = time.Now().Add(49 * time.Second)
	if got := p.blockers("delay"); len(got) != 0 {
		t.Errorf("blocked by %+v when the delay is over", got)
	}
	if got := p.blockers("requests"); len(got) != 0 {
		t.Errorf("blocked by %+v when nothing is", got)
	}
}

// TestBlockersAreWhatIsWaitedFor: what a drain does not wait for is not named, before the
// listeners close.
func TestBlockersAreWhatIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		at   string // the row that the request is in
		x    *exchange
		want map[string]string
	}{
		{"admitted", nil, "authentication", &exchange{inWaitGroup: true}, map[string]string{"requests": "request", "listeners": "request"}},
		{"not yet admitted", nil, "request-info", &exchange{}, map[string]string{"listeners": "request"}},
		{"let pass after the end", nil, "authentication", &exchange{}, map[string]string{"listeners": "request"}},
		{"a watch that is cut", nil, "authentication", &exchange{longRunning: true, inLongRunning: true}, map[string]string{"listeners": "watch"}},
		{"a watch that is ended", []string{"--shutdown-watch-termination-grace-period=1s"}, "authentication", &exchange{longRunning: true, inLongRunning: true}, map[string]string{"requests": "watch", "watches": "watch", "listeners": "watch"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newTestProgram(t, tt.args...)
			c, x := p.chain("https"), tt.x
			x.chain, x.received = c, time.Now()
			x.req.Method, x.path = "GET", "/x"
			x.at.Store(int32(c.position(tt.at)))
			c.table.add(x)
			for _, waiting := range []string{"requests", "watches", "listeners"} {
				kind := ""
				for _, b := range p.blockers(waiting) {
					kind += b.Kind
				}
				if want := tt.want[waiting]; kind != want && !(waiting == "watches" && tt.want["requests"] == kind) {
					t.Errorf("waiting for %s: %q, want %q", waiting, kind, want)
				}
			}
		})
	}
}

// TestRequestStacks: with the flag every handler is found, on each listener and protocol,
// and none when it has returned.
func TestRequestStacks(t *testing.T) {
	var all []*stuckAt
	r := startProgram(t, func(s *Server) {
		for _, kind := range clientKinds {
			all = append(all, newStuckAt())
			_ = s.Handle("/"+kind, all[len(all)-1])
		}
	}, "--listen-admin=127.0.0.1:0", "--request-stacks")
	done := make(chan reply, len(clientKinds))
	for i, kind := range clientKinds {
		go func() { done <- r.get(kind, "/"+kind) }()
		await(t, kind, all[i].began)
	}
	var p page
	r.look("/admin/v1/inflight?stack=1", &p)
	if p.Total != len(clientKinds) {
		t.Fatalf("%d requests, want %d", p.Total, len(clientKinds))
	}
	for _, row := range p.Items {
		if got := row["stack"].([]any); !begins(got, "apichain.(*stuckAt).here stacks_test.go:", "apichain.(*stuckAt).ServeHTTP stacks_test.go:") {
			t.Errorf("%v: stack %q", row["path"], got)
		}
	}
	if got, err := r.send(http.DefaultClient, "admin", "GET", "/admin/v1/inflight?stack=true&limit=1&wide=true", nil, "Accept: text/plain"); err != nil || !strings.Contains(got.body, "  STACK\n") || !strings.Contains(got.body, "apichain.(*stuckAt).here stacks_test.go:") {
		t.Errorf("as text: %v\n%s", err, got.body)
	}
	for i := range clientKinds {
		close(all[i].release)
	}
	for range clientKinds {
		await(t, "an answer", done)
	}
	if got := stacks(); len(got) != 0 {
		t.Errorf("labels that stay: %q", got)
	}
	for _, path := range []string{"/admin/v1/inflight?stack=maybe", "/admin/v1/hooks?stack=true", "/admin/v1/watches?stack=true", "/admin/v1/build?stack=true"} {
		if got := r.look(path, nil); got.status != 400 {
			t.Errorf("%s: %d, want 400", path, got.status)
		}
	}
}

// TestStacksAreTheGoroutinesOwn: what a hook begins beside itself is not its stack, though it
// inherits the label; what panics leaves no label.
func TestStacksAreTheGoroutinesOwn(t *testing.T) {
	child, own := newStuckAt(), newStuckAt()
	h := newHooks(func(*hook) {})
	run := func(name string, f func(context.Context) error) chan error {
		if err := h.add(postStart, name, "core", "here.go:1", f); err != nil {
			t.Fatal(err)
		}
		list := h.all()
		done := make(chan error, 1)
		go func() { done <- h.do(t.Context(), list[len(list)-1]) }()
		return done
	}
	children := make(chan struct{})
	done := run("parent", func(context.Context) error {
		go func() { child.here(); close(children) }()
		<-child.began
		own.here()
		return nil
	})
	await(t, "the hook", own.began)
	got := stacks()
	if frames := got["hook/post-start/parent"]; len(got) != 1 || len(frames) != 2 || !strings.HasPrefix(frames[0], "apichain.(*stuckAt).here ") || !strings.HasPrefix(frames[1], "apichain.TestStacksAreTheGoroutinesOwn.") {
		t.Errorf("stacks: %q", got)
	}
	close(own.release)
	if err := await(t, "the hook's end", done); err != nil {
		t.Error(err)
	}
	if got := stacks(); len(got) != 0 {
		t.Errorf("when the hook has returned and its child has not: %q", got)
	}
	close(child.release)
	await(t, "the child", children)
	if err := await(t, "the panic", run("panics", func(context.Context) error { panic("no") })); err == nil {
		t.Error("a panic is no error")
	}
	if got := h.all()[1].shown().Stack; len(got) != 1 || !strings.HasPrefix(got[0], "apichain.TestStacksAreTheGoroutinesOwn.") {
		t.Errorf("the panic's stack: %q", got)
	}
}

func TestLabelledStacks(t *testing.T) {
	const begin = "goroutine profile: total 3\n"
	record := func(labels string, frames ...string) string {
		return "1 @ 0x1 0x2\n# labels: " + labels + "\n#\t0x1\t" + strings.Join(frames, "\n#\t0x1\t") + "\n"
	}
	own := []string{"main.f.func1+0x1\t\t/a b/f.go:3", "runtime/pprof.Do+0xa\t/go/runtime.go:51", "main.labelled+0x1\t/x/stacks.go:9", "main.run+0x1\t/x/y.go:1"}
	in := append([]string{"main.wait+0x1f\t\t/src/dir/wait.go:12", "main.(*set[go.shape.int]).add+0x1\t/src/set.go:1", "runtime.Callers+0x2\t/go/extern.go:331"}, own...)
	for _, tt := range []struct {
		name, profile string
		want          map[string]string
	}{
		{"nothing", "", nil},
		{"no record", begin, nil},
		{"one", begin + record(`{"apichain":"hook/a"}`, in...), map[string]string{"hook/a": "main.wait wait.go:12, main.(*set[go.shape.int]).add set.go:1"}},
		{"two, and other labels", begin + record(`{"apichain":"hook/a", "other":"x"}`, in...) + "\n" + record(`{"apichain":"request/7"}`, append([]string{"main.serve+0x0\t/s.go:1"}, own...)...) + "\n",
			map[string]string{"hook/a": "main.wait wait.go:12, main.(*set[go.shape.int]).add set.go:1", "request/7": "main.serve s.go:1"}},
		{"in the runner itself", begin + record(`{"apichain":"hook/a"}`, own...), map[string]string{"hook/a": ""}},
		{"a child", begin + record(`{"apichain":"hook/a"}`, in[:3]...), nil},
		{"another's Do", begin + record(`{"apichain":"hook/a"}`, "main.f+0x1\t/f.go:3", "runtime/pprof.Do+0xa\t/go/runtime.go:51", "main.other+0x1\t/x/stacks.go:9"), nil},
		{"within its own Do", begin + record(`{"apichain":"hook/a"}`, append([]string{"main.g+0x1\t/g.go:4", "runtime/pprof.Do+0xa\t/go/runtime.go:51"}, own...)...), map[string]string{"hook/a": "main.g g.go:4, runtime/pprof.Do runtime.go:51"}},
		{"no label", begin + "1 @ 0x1\n#\t0x1\tmain.f+0x1\t/f.go:3\n", nil},
		{"labels that cannot be read", begin + record(`{"apichain":"\x01"}`, in...), nil},
		{"another label", begin + record(`{"other":"hook/a"}`, in...), nil},
		{"a column is missing", begin + record(`{"apichain":"hook/a"}`, append([]string{"main.g+0x1"}, own...)...), nil},
		{"no offset", begin + record(`{"apichain":"hook/a"}`, append([]string{"main.g\t/g.go:4"}, own...)...), nil},
		{"no frames", begin + "1 @ 0x1\n# labels: {\"apichain\":\"hook/a\"}\n", nil},
		{"cut off", begin + "1 @ 0x1\n# lab", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := labelledStacks(tt.profile)
			for label, want := range tt.want {
				if have, ok := got[label]; !ok || strings.Join(have, ", ") != want {
					t.Errorf("%s: %q, want %q", label, have, want)
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzLabelledStacks: no text, however broken, does harm.
func FuzzLabelledStacks(f *testing.F) {
	f.Add("1 @ 0x1\n# labels: {\"apichain\":\"hook/a\"}\n#\t0x1\tmain.f+0x1\t/f.go:3\n#\t0x2\truntime/pprof.Do+0xa\t/go/r.go:5\n#\t0x3\tmain.labelled+0x1\t/x/s.go:9\n")
	f.Fuzz(func(t *testing.T, profile string) {
		for label, frames := range labelledStacks(profile) {
			if label == "" || slices.Contains(frames, "") {
				t.Errorf("%q: %q", label, frames)
			}
		}
	})
}

// BenchmarkRequestStacks is what a request costs with --request-stacks and without, and what
// reading stacks costs with a thousand handlers under way.
func BenchmarkRequestStacks(b *testing.B) {
	for _, flag := range []string{"--request-stacks=false", "--request-stacks=true"} {
		b.Run(flag, func(b *testing.B) {
			p := newTestProgram(b, flag)
			if err := p.outermost.Handle("/bench", nothing); err != nil {
				b.Fatal(err)
			}
			r, w, c := httptest.NewRequest("GET", "/bench", nil), &sink{h: http.Header{}}, p.chain("http")
			r.Host = "localhost"
			b.ReportAllocs()
			for b.Loop() {
				w.status = 0
				clear(w.h)
				c.ServeHTTP(w, r)
			}
			if w.status != http.StatusOK {
				b.Fatalf("status %d", w.status)
			}
		})
	}
	b.Run("read", func(b *testing.B) {
		var running sync.WaitGroup
		began, release := make(chan struct{}), make(chan struct{})
		for i := range 1000 {
			running.Go(func() {
				labelled(b.Context(), "request/"+itoa(i), func(context.Context) { began <- struct{}{}; <-release })
			})
			<-began
		}
		for b.Loop() {
			if n := len(stacks()); n != 1000 {
				b.Fatal(n)
			}
		}
		close(release)
		running.Wait()
	})
}
