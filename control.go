package main

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sort"
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
//
// Faults and log levels are about some requests only: which, a matcher says.

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

// Which requests a control is about: those that have one of the wanted values for each key, such as
// verb=list,watch and user=system:*. The admin package reads and checks what the user wrote; here it
// is asked about requests under way, from any goroutine, at any filter.

// matcher is an admin.Match, compiled: all of its terms must hold. The zero value matches everything.
type matcher []matchTerm

// matchTerm wants one of some values of one fact about a request.
type matchTerm struct {
	key  string
	fact func(*exchange) []string
	// any are the wanted values, each perhaps with a * at its end.
	any []string
}

// facts are the keys of a match, each with what it is of a request. Most have one value; a user has
// many groups. One that is not known yet at the request's position has none, and matches nothing:
// what a rule about users does, it does not do before the user is known. They may be asked for from
// any goroutine.
var facts = map[string]func(*exchange) []string{
	"listener": func(x *exchange) []string { return []string{x.chain.listener} },
	"server": func(x *exchange) []string {
		return one(x.hasInfo() && x.target.server != nil, func() string { return x.target.server.name })
	},
	"route": func(x *exchange) []string {
		return one(x.hasInfo() && x.target.route != nil, func() string { return x.target.route.id() })
	},
	"method": func(x *exchange) []string { return []string{x.req.Method} },
	"path":   func(x *exchange) []string { return []string{x.path} },
	"verb":   func(x *exchange) []string { return one(x.hasInfo(), func() string { return x.info.Verb }) },
	"resource": func(x *exchange) []string {
		return one(x.hasInfo(), func() string {
			if !x.info.IsResourceRequest {
				return "" // as its row has it
			}
			return resourceName(&x.info)
		})
	},
	"namespace": func(x *exchange) []string { return one(x.hasInfo(), func() string { return x.info.Namespace }) },
	"name":      func(x *exchange) []string { return one(x.hasInfo(), func() string { return x.info.Name }) },
	"user": func(x *exchange) []string {
		u := x.shownUser()
		return one(u != nil, func() string { return u.Name })
	},
	"group": func(x *exchange) []string {
		if u := x.shownUser(); u != nil {
			return u.Groups
		}
		return nil
	},
	backendKey: func(*exchange) []string { return nil },
}

// matchesCall reports whether the match names the backend of a call, and its other terms have a value of the request x
// that the call is made for. nil is no request, which only a match by the backend alone has.
func (m matcher) matchesCall(x *exchange, names ...string) bool {
	for i := range m {
		t := &m[i]
		have := names
		if t.key != backendKey {
			if x == nil {
				return false
			}
			have = t.fact(x)
		}
		if !slices.ContainsFunc(have, func(have string) bool { return admin.MatchesAny(t.any, have) }) {
			return false
		}
	}
	return m.has(backendKey)
}

// backendKey is the key of a match that is about calls of backends. No request has a value of it, so a match with it is
// about no request.
const backendKey = "backend"

// hasInfo reports whether it is known what the request is about and where it goes.
func (x *exchange) hasInfo() bool { return int(x.at.Load()) > x.chain.infoRow }

// one returns the value as a list, and does not ask for it where it is not known.
func one(known bool, value func() string) []string {
	if !known {
		return nil
	}
	return []string{value()}
}

// newMatcher compiles m, whose keys the admin package has checked. Terms are in the order of their
// keys, so that what is shown of two alike is alike.
func newMatcher(m admin.Match) matcher {
	var out matcher
	for key, values := range m {
		out = append(out, matchTerm{key, facts[key], values})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].key < out[j].key })
	return out
}

// has reports whether the match names the key.
func (m matcher) has(key string) bool {
	return slices.ContainsFunc(m, func(t matchTerm) bool { return t.key == key })
}

// matches reports whether every term has a value of the request's. It may be called from
// any goroutine.
func (m matcher) matches(x *exchange) bool {
	// By index: a copy of each term would be made for every request that is asked about.
	for i := range m {
		t := &m[i]
		if !slices.ContainsFunc(t.fact(x), func(have string) bool { return admin.MatchesAny(t.any, have) }) {
			return false
		}
	}
	return true
}
