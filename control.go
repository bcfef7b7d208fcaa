package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"apichain/admin"
	"apichain/internal/metrics"
)

// What can be switched from outside while the program serves: the drain, the log level, faults. Each
// is set for a time that must be given, and undoes itself when that is over, so that nobody has to
// remember to, and a session that died leaves nothing behind. Setting it again replaces it whole, with
// a new time.
//
//	off ── set ──> on ── clear, its time is over ──> off
//	                └── set ──> on, otherwise
//
// Each change is one step: no request sees a part of it, and what it writes to the timeline, the log
// and the streams is in the order of the changes. None can be set once a stop has begun.

// control is what drain, log level and faults have in common. It may be used concurrently.
type control struct {
	p *program
	// name is drain, loglevel or faults.
	name string
	// item returns what GET shows of it; it is called without the lock.
	item func() any

	// mu is taken before the locks of the watches, the timeline and the streams.
	mu    sync.Mutex
	state admin.ControlState
	// forget ends the context of what is set; nil before the first.
	forget context.CancelFunc
	// undoing takes back what is set.
	undoing func()

	// telling is held from the reading of item to its event; it is taken before mu.
	telling sync.Mutex
}

// set switches the control on or replaces it whole: apply makes it so, over what was
// there, and undo takes it back when it is cleared or its time is over. Both are called
// under the lock, and nothing between the old and the new is ever seen. The context that
// apply gets ends after undo, after the apply that replaces it, and with the process. It
// fails with 409 from ShutdownInitiated on.
func (c *control) set(s admin.Setting, apply func(context.Context), undo func()) *admin.Error {
	if c.p.signals.shutdownInitiated.fired() {
		return &admin.Error{
			Code: http.StatusConflict, Reason: "Conflict",
			Message: "the program is stopping: " + c.name + " cannot be switched on any more",
		}
	}
	c.mu.Lock()
	now := time.Now()
	c.state = admin.ControlState{
		Active: true, SetBy: s.By, SetAt: admin.Time(now), ExpiresAt: admin.Time(now.Add(s.For)), Note: s.Note,
	}
	c.undoing = undo
	replaced := c.forget
	// What is set has a context of its own, by which a timer whose time is over knows that it was
	// replaced meanwhile.
	ctx, forget := context.WithCancel(c.p.background)
	c.forget = forget
	c.p.owned.Go(func() {
		t := time.NewTimer(s.For)
		defer t.Stop()
		select {
		case <-t.C:
			c.end(ctx, "its time is over")
		case <-ctx.Done():
		}
	})
	// The new before the end of the old, without undo between: a drain that is replaced by another
	// goes on draining.
	apply(ctx)
	if replaced != nil {
		replaced()
	}
	c.changedLocked("on", s.By)
	// item takes locks of its own, this one too.
	c.mu.Unlock()
	c.publish()
	return nil
}

// clear undoes the control at once. It does nothing to one that is off.
func (c *control) clear(by string) { c.end(context.Background(), by) }

// end undoes the control if it is on, and ctx, that of what was set, has not ended.
func (c *control) end(ctx context.Context, why string) {
	c.mu.Lock()
	if !c.state.Active || ctx.Err() != nil {
		c.mu.Unlock()
		return
	}
	c.undoing()
	c.forget()
	c.state = admin.ControlState{}
	c.changedLocked("off", why)
	c.mu.Unlock()
	c.publish()
}

// changedLocked tells timeline and log. The generation grows with the state, so that one
// generation shows one state.
func (c *control) changedLocked(state, by string) {
	c.p.timeline.add("control", c.name, state+": "+by)
	attrs := []slog.Attr{slog.String("control", c.name), slog.String("state", state), slogText("by", by)}
	if c.state.Active {
		attrs = append(attrs, slog.String("until", c.state.ExpiresAt.String()), slogText("note", c.state.Note))
	}
	c.p.log.LogAttrs(context.Background(), slog.LevelInfo, "control", attrs...)
}

// publish tells the streams, one at a time, so that the last event shows the last state.
func (c *control) publish() {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.p.publish(c.name, c.name, c.item())
}

// shown returns the state, for the admin endpoint.
func (c *control) shown() admin.ControlState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// everyControl returns all there are, by name.
func (p *program) everyControl() []*control {
	return []*control{&p.draining.control, &p.faults.control, &p.logLevel.control}
}

// controls returns those that are on, for the admin endpoint.
func (p *program) controls() []admin.Control {
	out := []admin.Control{}
	for _, c := range p.everyControl() {
		if s := c.shown(); s.Active {
			out = append(out, admin.Control{
				Control: c.name, SetBy: s.SetBy, SetAt: s.SetAt, ExpiresAt: s.ExpiresAt, Note: s.Note, Href: "/admin/v1/" + c.name,
			})
		}
	}
	return out
}

// writeControls writes which controls are on.
func writeControls(e *metrics.Writer, all []*control) {
	e.Family("apichain_control_active", "gauge", "Whether a control is on.")
	for _, c := range all {
		on := 0.0
		if c.shown().Active {
			on = 1
		}
		e.Number(on, "control", c.name)
	}
}
