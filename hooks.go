package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Hooks: what parts of the program do once the listeners serve (post-start) and before they stop
// (pre-shutdown). Here they are registered and run, one at a time; in which order, and what their
// failure means, is lifecycle.go's.
//
// As upstream has it, post-start hooks run side by side, the server is not ready before all of them
// have returned, and one that fails or panics ends the process: upstream on the spot, here by an
// orderly stop that names the hook. Pre-shutdown hooks run one after another; one that fails is logged,
// and the others run all the same.
//
//	pending ── its turn ──> running ──> done, failed, panicked
//	pending ── the process stops before its turn ──> skipped

// The states of a hook.
const (
	hookPending  = "pending"
	hookRunning  = "running"
	hookDone     = "done"
	hookFailed   = "failed"
	hookPanicked = "panicked"
	hookSkipped  = "skipped" // the process stopped before its turn
)

// The phases of hooks.
const (
	postStart   = "post-start"
	preShutdown = "pre-shutdown"
)

// hook is one function that runs once, in its phase.
type hook struct {
	phase string
	// name is taken once in a phase, over all servers.
	name string
	// server is the one that it was registered with.
	server string
	// order is that of registration in its phase, from 1.
	order int
	// at is the file:line that registered it.
	at  string
	run func(context.Context) error

	// mu guards what follows, up to finished.
	mu    sync.Mutex
	state string
	// started is zero before it runs.
	started time.Time
	// took is 0 before it has returned.
	took time.Duration
	// err is of a hook that failed or panicked.
	err error
	// stack is of a panic.
	stack string

	// finished is closed when it has returned.
	finished chan struct{}
}

// hooks are those of all servers of the chain, in the order of registration. Its methods may be
// called concurrently.
type hooks struct {
	mu   sync.Mutex
	list []*hook
	// sealed are the phases that have begun.
	sealed map[string]bool
	// change is called when a hook has changed state, without a lock.
	change func(*hook)
}

// newHooks makes an empty list. change is called for every hook that has changed its state.
func newHooks(change func(*hook)) *hooks { return &hooks{sealed: map[string]bool{}, change: change} }

// add registers a hook of a server; at is who does it, file:line. A name is taken once in each phase,
// over all servers, since it is also the name of a health check; the error names who has it. Once
// the phase has begun it is too late. The words are upstream's.
func (h *hooks) add(phase, name, server, at string, run func(context.Context) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	kind := map[string]string{postStart: "PostStartHook", preShutdown: "PreShutdownHook"}[phase]
	switch {
	case name == "":
		return fmt.Errorf("missing name of a %s (%s)", kind, at)
	case run == nil:
		return fmt.Errorf("hook func may not be nil: %q (%s)", name, at)
	case h.sealed[phase]:
		return fmt.Errorf("unable to add %q (%s) because %ss have already been called", name, at, kind)
	}
	order := 1
	for _, o := range h.list {
		if o.phase != phase {
			continue
		}
		if o.name == name {
			return fmt.Errorf("unable to add %s %q (%s) because it was already registered at %s", kind, name, at, o.at)
		}
		order++
	}
	h.list = append(h.list, &hook{
		phase: phase, name: name, server: server, order: order, at: at, run: run,
		state: hookPending, finished: make(chan struct{}),
	})
	return nil
}

// phase seals a phase, so that what it returns are all its hooks, in the order of registration.
func (h *hooks) phase(phase string) []*hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealed[phase] = true
	var out []*hook
	for _, o := range h.list {
		if o.phase == phase {
			out = append(out, o)
		}
	}
	return out
}

// all returns the hooks of both phases, in the order of registration.
func (h *hooks) all() []*hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*hook(nil), h.list...)
}

// do runs one hook in the calling goroutine, once, and returns its error. A panic is the hook's
// failure: the caller names it and ends the process in good order. Whoever sees the hook finished
// sees its final state too.
func (h *hooks) do(ctx context.Context, o *hook) (err error) {
	o.set(func() { o.state, o.started = hookRunning, time.Now() })
	h.change(o)
	defer func() {
		state, stack := hookDone, ""
		if v := recover(); v != nil {
			err, state, stack = fmt.Errorf("panic: %v", v), hookPanicked, string(debug.Stack())
		} else if err != nil {
			state = hookFailed
		}
		// The state before the channel: a health check that passes must not show a running hook.
		o.set(func() { o.state, o.took, o.err, o.stack = state, time.Since(o.started), err, stack })
		close(o.finished)
		h.change(o)
	}()
	// Labelled, so that its stack can be found if it takes long.
	labelled(ctx, "hook/"+o.phase+"/"+o.name, func(ctx context.Context) { err = o.run(ctx) })
	return err
}

// set calls f under the hook's lock.
func (o *hook) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// skip marks a hook whose turn did not come; one that has begun stays as it is.
func (h *hooks) skip(o *hook) {
	skipped := false
	o.set(func() {
		if skipped = o.state == hookPending; skipped {
			o.state = hookSkipped
		}
	})
	if skipped {
		h.change(o)
	}
}

// errNotFinished is why the health check of a hook fails.
var errNotFinished = errors.New("not finished")

// check is the health check of a post-start hook: it fails until the hook has returned. One that has
// failed passes too: the process is about to end, which is another check's business.
func (o *hook) check(context.Context) error {
	select {
	case <-o.finished:
		return nil
	default:
		return errNotFinished
	}
}

// failure returns err as the process says it when the hook ends it, with phase and name.
func (o *hook) failure(err error) error {
	kind := "PostStartHook"
	if o.phase == preShutdown {
		kind = "PreShutdownHook"
	}
	return fmt.Errorf("%s %q failed: %w", kind, o.name, err)
}

// frames returns "function file:line" for each frame of a stack text (runtime/debug.Stack), the
// innermost first: without the runtime's, what dealt with a panic above it, and what runs hooks and
// handlers below labelled. A text of another form gives what can be read of it.
func frames(stack string) []string {
	var out []string
	var panics, inDo bool
	lines := strings.Split(stack, "\n")
	// The first line names the goroutine; then come two for each frame: function and place.
	for i := 1; i+1 < len(lines); i += 2 {
		fn := strings.TrimSpace(lines[i])
		if j := strings.LastIndexByte(fn, '('); j >= 0 && strings.HasSuffix(fn, ")") {
			fn = fn[:j] // without arguments; a receiver's (*T) stays
		}
		place := lines[i+1]
		place, _, _ = strings.Cut(strings.TrimSpace(place[strings.LastIndexByte(place, '/')+1:]), " ")
		// What is above the innermost panic is the recovery. A panic during another one has two.
		if fn == "panic" && !panics {
			out, panics = out[:0], true
		}
		if inDo && strings.HasSuffix(fn, ".labelled") {
			return out[:max(len(out)-1, 0)] // the last is the function that Do calls
		}
		if inDo = fn == "runtime/pprof.Do"; strings.HasPrefix(fn, "runtime") || fn == "panic" {
			continue
		}
		out = append(out, fn+" "+place)
	}
	return out
}
