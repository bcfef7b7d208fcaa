package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestHooksAdd: a name is taken once in each phase over all servers, and what is refused
// says where it and the other stand.
func TestHooksAdd(t *testing.T) {
	ok := func(context.Context) error { return nil }
	h := newHooks(func(*hook) {})
	for _, c := range []struct {
		phase, name, server, at string
		run                     func(context.Context) error
		err                     string
	}{
		{postStart, "a", "core", "x.go:1", ok, ""},
		{postStart, "b", "core", "x.go:2", ok, ""},
		{preShutdown, "a", "core", "x.go:3", ok, ""},
		{postStart, "a", "core", "x.go:4", ok, `unable to add PostStartHook "a" (x.go:4) because it was already registered at x.go:1`},
		{postStart, "a", "aggregator", "x.go:5", ok, `unable to add PostStartHook "a" (x.go:5) because it was already registered at x.go:1`},
		{preShutdown, "a", "core", "x.go:6", ok, `unable to add PreShutdownHook "a" (x.go:6) because it was already registered at x.go:3`},
		{postStart, "", "core", "x.go:7", ok, "missing name of a PostStartHook (x.go:7)"},
		{preShutdown, "", "core", "x.go:8", ok, "missing name of a PreShutdownHook (x.go:8)"},
		{preShutdown, "c", "core", "x.go:9", nil, `hook func may not be nil: "c" (x.go:9)`},
		{preShutdown, "c", "aggregator", "x.go:10", ok, ""},
	} {
		if err := h.add(c.phase, c.name, c.server, c.at, c.run); errText(err) != c.err {
			t.Errorf("%s: got %v, want %q", c.at, err, c.err)
		}
	}
	var got []string
	for _, o := range h.all() {
		got = append(got, fmt.Sprintf("%s/%s %s %d %s", o.phase, o.name, o.server, o.order, o.state))
	}
	want := []string{"post-start/a core 1 pending", "post-start/b core 2 pending", "pre-shutdown/a core 1 pending", "pre-shutdown/c aggregator 2 pending"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A phase that has begun takes no more; the other still does.
	if got := len(h.phase(postStart)); got != 2 {
		t.Errorf("%d post-start hooks, want 2", got)
	}
	if err := h.add(postStart, "late", "core", "x.go:11", ok); errText(err) != `unable to add "late" (x.go:11) because PostStartHooks have already been called` {
		t.Errorf("after the phase has begun: %v", err)
	}
	if err := h.add(preShutdown, "late", "core", "x.go:12", ok); err != nil {
		t.Errorf("of the other phase: %v", err)
	}
	// What callers get is theirs.
	h.all()[0] = nil
	if h.all()[0] == nil {
		t.Error("all gives its own list away")
	}
}

// TestHookStates follows hooks from pending to their end: state, time, error, health
// check, and a change for each state.
func TestHookStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		h := newHooks(func(*hook) { changes++ })
		var inside []string
		note := func(name string) {
			for _, o := range h.all() {
				if o.name == name {
					inside = append(inside, o.shown().State+" "+errText(o.check(t.Context())))
				}
			}
		}
		end := map[string]func() error{
			"done":     func() error { return nil },
			"failed":   func() error { return errors.New("boom") },
			"panicked": func() error { panic("boom") },
			"nil":      func() error { var p *int; *p = 1; return nil },
		}
		names := []string{"done", "failed", "panicked", "nil"}
		for _, name := range names {
			if err := h.add(postStart, name, "core", "x.go:1", func(context.Context) error {
				note(name)
				time.Sleep(3 * time.Second)
				return end[name]()
			}); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]struct{ state, err string }{
			"done": {hookDone, ""}, "failed": {hookFailed, "boom"}, "panicked": {hookPanicked, "panic: boom"}, "nil": {hookPanicked, "panic: runtime error: invalid memory address or nil pointer dereference"},
		}
		for _, o := range h.phase(postStart) {
			if got := o.shown(); got.State != hookPending || got.DurationMs != nil || o.check(t.Context()) != errNotFinished {
				t.Errorf("%s before: %+v, check %v", o.name, got, o.check(t.Context()))
			}
			began, before := time.Now(), changes
			err := h.do(t.Context(), o)
			got, w := o.shown(), want[o.name]
			if errText(err) != w.err || got.State != w.state || got.Error != w.err || got.DurationMs == nil || *got.DurationMs != 3000 || !time.Time(got.StartedAt).Equal(began) || got.HealthCheck != "poststarthook/"+o.name {
				t.Errorf("%s after: %v, %+v", o.name, err, got)
			}
			if o.check(t.Context()) != nil {
				t.Errorf("%s: the check of a hook that has returned: %v", o.name, o.check(t.Context()))
			}
			if changes != before+2 {
				t.Errorf("%s: %d changes, want 2", o.name, changes-before)
			}
			if (len(got.Stack) > 0) != (w.state == hookPanicked) || len(got.Stack) > 0 && !strings.Contains(strings.Join(got.Stack, "\n"), "hooks_test.go:") {
				t.Errorf("%s: stack %q", o.name, got.Stack)
			}
			if err != nil && o.failure(err).Error() != `PostStartHook "`+o.name+`" failed: `+w.err || err != nil && !errors.Is(o.failure(err), err) {
				t.Errorf("%s: the process says %v", o.name, o.failure(err))
			}
			h.skip(o) // too late
			if o.shown().State != w.state {
				t.Errorf("%s: skipped after its end", o.name)
			}
		}
		if w := slices.Repeat([]string{"running not finished"}, len(names)); !slices.Equal(inside, w) {
			t.Errorf("while they ran: %q, want %q", inside, w)
		}
	})
}

// TestPreShutdownOrder: one after another, a failed one does not keep the others from
// running, and those whose turn does not come in time are skipped.
func TestPreShutdownOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newListening(t)
		var running atomic.Int32
		var ran []string
		for i, name := range []string{"a", "b", "c", "d", "e"} {
			if err := p.hooks.add(preShutdown, name, "core", "x.go:1", func(ctx context.Context) error {
				if running.Add(1) != 1 {
					t.Error("two hooks run at a time")
				}
				defer running.Add(-1)
				ran = append(ran, name)
				time.Sleep(time.Second)
				if i%2 == 0 {
					return errors.New("no " + name)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		err := p.runPreShutdownHooks(ctx)
		if want := []string{"a", "b", "c", "d"}; !slices.Equal(ran, want) {
			t.Errorf("ran %q, want %q", ran, want)
		}
		if want := "PreShutdownHook \"a\" failed: no a\nPreShutdownHook \"c\" failed: no c"; errText(err) != want {
			t.Errorf("got %q, want %q", errText(err), want)
		}
		var states []string
		for _, o := range p.hooks.all() {
			states = append(states, o.shown().State)
		}
		if want := []string{hookFailed, hookDone, hookFailed, hookDone, hookSkipped}; !slices.Equal(states, want) {
			t.Errorf("states %q, want %q", states, want)
		}
	})
}

// TestFrames: a stack without what the runtime puts on top, without folders and arguments.
func TestFrames(t *testing.T) {
	const stack = `goroutine 7 [running]:
runtime/debug.Stack()
	/go/src/runtime/debug/stack.go:26 +0x5e
panic({0x1, 0x2})
	/go/src/runtime/panic.go:792 +0x132
runtime.mapassign_faststr(0x1)
	/go/src/runtime/map.go:1
main.(*thing).run(0xc000)
	/home/me/my app/thing.go:12 +0x20
main.each[...](...)
	plain.go:3
created by main.(*thing).start in goroutine 1
	/home/me/start.go:9 +0x11
`
	want := []string{"main.(*thing).run thing.go:12", "main.each[...] plain.go:3", "created by main.(*thing).start in goroutine 1 start.go:9"}
	if got := frames(stack); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	const hook = "goroutine 7 [running]:\nruntime/debug.Stack()\n\t/a/stack.go:26\nmain.(*hooks).do.func2()\n\t/a/hooks.go:110\npanic({0x1, 0x2})\n\t/a/panic.go:792\nmain.again()\n\t/b/x.go:5\npanic({0x1, 0x2})\n\t/a/panic.go:792\n" +
		"main.warm({0x1})\n\t/b/x.go:3\nmain.(*hooks).do.func3({0x1})\n\t/a/hooks.go:120\nruntime/pprof.Do({0x1})\n\t/a/runtime.go:51\nmain.labelled({0x1})\n\t/a/stacks.go:30\nmain.(*hooks).do(0x1)\n\t/a/hooks.go:120\n"
	if got, want := frames(hook), []string{"main.again x.go:5", "main.warm x.go:3"}; !slices.Equal(got, want) {
		t.Errorf("of a hook that panicked twice: %q, want %q", got, want)
	}
	for s, want := range map[string][]string{"": nil, "x": nil, "x\ny": nil, "goroutine 1:\nmain.f()": nil, "\n)\n)": {") )"}, "\n\n": {" "}} {
		if got := frames(s); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

// TestTimeline: events in order with rising numbers and the phase they fell in; a step is
// there from its beginning and its end is filled in.
func TestTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		l := newTimeline(time.Now(), func() { changes++ })
		end := l.step("certificates", "two files")
		time.Sleep(2 * time.Second)
		events, phase := l.list()
		if len(events) != 1 || phase != "start" || events[0].over || events[0].took != 0 || events[0].instant || events[0].detail != "two files" {
			t.Errorf("a step that has begun: %+v in %s", events, phase)
		}
		end(errors.New("bad file"))
		l.step("hook", "post-start/warm")(nil)
		l.add("signal", "HasBeenReady", "")
		l.add("os-signal", "SIGHUP", "again")
		l.add("signal", "ShutdownInitiated", "SIGTERM")
		l.step("drain", "")
		events, phase = l.list()
		var got []string
		for i, e := range events {
			if e.id != i+1 {
				t.Errorf("event %d has number %d", i, e.id)
			}
			got = append(got, fmt.Sprintf("%s %s %s %v %v %s", e.phase, e.kind, e.name, e.instant, e.over, e.err))
		}
		want := []string{
			"start step certificates false true bad file",
			"start hook post-start/warm false true ",
			"run signal HasBeenReady true false ",
			"run os-signal SIGHUP true false ",
			"stop signal ShutdownInitiated true false ",
			"stop step drain false false ",
		}
		if !slices.Equal(got, want) || phase != "stop" {
			t.Errorf("in %s\n got %q\nwant %q", phase, got, want)
		}
		if events[0].took != 2*time.Second || events[1].at.Sub(events[0].at) != 2*time.Second {
			t.Errorf("took %v, the next %v later", events[0].took, events[1].at.Sub(events[0].at))
		}
		if changes != len(want) {
			t.Errorf("%d changes, want one for each of %d events", changes, len(want))
		}
		// What is handed out is a copy.
		events[0].name = "other"
		if again, _ := l.list(); again[0].name != "certificates" {
			t.Error("list gives its own events away")
		}
	})
}

// TestTimelineIsBounded: of what repeats for ever the start and the newest stay, in order,
// and a step whose event is gone may still end.
func TestTimelineIsBounded(t *testing.T) {
	l := newTimeline(time.Now(), func() {})
	for range timelineMost / 2 {
		l.add("step", "first", "")
	}
	end := l.step("middle", "")
	for range 3 * timelineMost {
		l.add("certificate", "again", "")
	}
	end(nil)
	l.add("step", "last", "")
	events, _ := l.list()
	if len(events) != timelineMost || events[0].id != 1 || events[len(events)-1].name != "last" || events[len(events)-1].id != 7*timelineMost/2+2 {
		t.Fatalf("%d events, from %d to %d", len(events), events[0].id, events[len(events)-1].id)
	}
	for i, e := range events[:timelineMost/2] {
		if e.name != "first" || e.id != i+1 {
			t.Fatalf("event %d of the start is %s, number %d", i, e.name, e.id)
		}
	}
	for i := timelineMost/2 + 1; i < len(events); i++ {
		if events[i].id != events[i-1].id+1 {
			t.Fatalf("between %d and %d something is missing", events[i-1].id, events[i].id)
		}
	}
}
