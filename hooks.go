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

// The states of a hook.
const (
	hookPending  = "pending"
	hookRunning  = "running"
	hookDone     = "done"
	hookFailed   = "failed"
	hookPanicked = "panicked"
	hookSkipped  = "skipped" // the process stopped before its turn
)

// hook runs after the start (post-start) or before the stop (pre-shutdown).
type hook struct {
	phase  string
	name   string
	server string
	order  int
	at     string // where it was registered, file:line
	run    func(context.Context) error

	mu       sync.Mutex
	state    string
	started  time.Time
	took     time.Duration
	err      error
	stack    string
	finished chan struct{}
}

const (
	postStart   = "post-start"
	preShutdown = "pre-shutdown"
)

// hooks are those of all servers of the chain, in the order of registration. A name is
// taken once in each phase, over the whole chain.
type hooks struct {
	mu     sync.Mutex
	list   []*hook
	sealed map[string]bool // phases that have begun
	change func(*hook)     // called when a hook has changed state
}

func newHooks(change func(*hook)) *hooks { return &hooks{sealed: map[string]bool{}, change: change} }

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
	h.list = append(h.list, &hook{phase: phase, name: name, server: server, order: order, at: at, run: run, state: hookPending, finished: make(chan struct{})})
	return nil
}

// phase seals a phase and returns its hooks.
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

func (h *hooks) all() []*hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*hook(nil), h.list...)
}

// do runs one hook in the calling goroutine. A panic is the hook's failure: the caller
// names it and ends the process in good order.
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
		o.set(func() { o.state, o.took, o.err, o.stack = state, time.Since(o.started), err, stack })
		close(o.finished)
		h.change(o)
	}()
	labelled(ctx, "hook/"+o.phase+"/"+o.name, func(ctx context.Context) { err = o.run(ctx) })
	return err
}

func (o *hook) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// skip marks a hook whose turn did not come.
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

var errNotFinished = errors.New("not finished")

// check is the health check of a post-start hook: it fails until the hook has returned.
func (o *hook) check(context.Context) error {
	select {
	case <-o.finished:
		return nil
	default:
		return errNotFinished
	}
}

// failure is what the process says when the hook ends it.
func (o *hook) failure(err error) error {
	kind := "PostStartHook"
	if o.phase == preShutdown {
		kind = "PreShutdownHook"
	}
	return fmt.Errorf("%s %q failed: %w", kind, o.name, err)
}

// frames are the function and file:line of a stack text, without the runtime's, what dealt
// with a panic above it, and what runs hooks and handlers below labelled.
func frames(stack string) []string {
	var out []string
	var panics, inDo bool
	lines := strings.Split(stack, "\n")
	for i := 1; i+1 < len(lines); i += 2 {
		fn := strings.TrimSpace(lines[i])
		if j := strings.LastIndexByte(fn, '('); j >= 0 && strings.HasSuffix(fn, ")") {
			fn = fn[:j] // without arguments; a receiver's (*T) stays
		}
		place := lines[i+1]
		place, _, _ = strings.Cut(strings.TrimSpace(place[strings.LastIndexByte(place, '/')+1:]), " ")
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
