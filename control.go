package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"apichain/admin"
)

// control is what drain, log level and faults have in common: it is switched on for a
// time, after which it undoes itself. It may be used concurrently.
type control struct {
	p    *program
	name string     // drain, loglevel or faults
	item func() any // what GET shows of it

	mu    sync.Mutex
	state admin.ControlState
	turn  int // of set and clear, so that an old timer undoes nothing new
	timer *time.Timer
	undo  func()
}

// set switches the control on or replaces it: apply makes it so, undo takes it back when
// it is cleared, replaced or its time is over. Both are called under the lock. It fails
// with 409 from ShutdownInitiated on.
func (c *control) set(s admin.Setting, apply, undo func()) *admin.Error {
	if c.p.signals.shutdownInitiated.fired() {
		return &admin.Error{Code: http.StatusConflict, Reason: "Conflict", Message: "the program is stopping: " + c.name + " cannot be switched on any more"}
	}
	c.mu.Lock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.undo != nil {
		c.undo()
	}
	now := time.Now()
	c.turn++
	turn := c.turn
	c.state = admin.ControlState{Active: true, SetBy: s.By, SetAt: admin.Time(now), ExpiresAt: admin.Time(now.Add(s.For)), Note: s.Note}
	c.undo = undo
	c.timer = time.AfterFunc(s.For, func() { c.end(turn, "its time is over") })
	apply()
	c.changedLocked("on", s.By)
	c.mu.Unlock()
	c.publish()
	return nil
}

// clear undoes the control at once. It does nothing to one that is off.
func (c *control) clear(by string) { c.end(0, by) }

// end undoes it, if turn is 0 or still the one that counts.
func (c *control) end(turn int, why string) {
	c.mu.Lock()
	if !c.state.Active || turn != 0 && turn != c.turn {
		c.mu.Unlock()
		return
	}
	c.timer.Stop()
	c.undo()
	c.undo, c.timer, c.state = nil, nil, admin.ControlState{}
	c.changedLocked("off", why)
	c.mu.Unlock()
	c.publish()
}

// changedLocked tells timeline and log; the generation grows with the state, so that one
// generation shows one state.
func (c *control) changedLocked(state, by string) {
	c.p.timeline.add("control", c.name, state+": "+by)
	attrs := []slog.Attr{slog.String("control", c.name), slog.String("state", state), slogText("by", by)}
	if c.state.Active {
		attrs = append(attrs, slog.String("until", c.state.ExpiresAt.String()), slogText("note", c.state.Note))
	}
	c.p.log.LogAttrs(context.Background(), slog.LevelInfo, "control", attrs...)
}

// publish tells the streams.
func (c *control) publish() { c.p.publish(c.name, c.name, c.item) }

// controls are those that are on.
func (p *program) controls() []admin.Control {
	out := []admin.Control{}
	for _, c := range []*control{&p.draining.control, &p.faults.control, &p.logLevel.control} {
		if s := c.shown(); s.Active {
			out = append(out, admin.Control{Control: c.name, SetBy: s.SetBy, SetAt: s.SetAt, ExpiresAt: s.ExpiresAt, Note: s.Note, Href: "/admin/v1/" + c.name})
		}
	}
	return out
}

// shown is the state for the admin endpoint.
func (c *control) shown() admin.ControlState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}
