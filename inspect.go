package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"time"

	"apichain/admin"
	"apichain/internal/metrics"
	"apichain/internal/request"
	"apichain/internal/status"
)

// What the admin package is shown. Nothing here changes anything.

type adminOptions struct{ profiling bool }

func (o *adminOptions) register(f *flags) {
	f.in("admin")
	f.bool(&o.profiling, "profiling", false, "serve profiles at /debug/pprof/ of the admin listener")
}

func (o *adminOptions) check(*problems) {}

// adminHandler is the admin API over this program.
func (p *program) adminHandler() http.Handler {
	h := admin.New(source{p}, admin.Options{
		CheckPath: func(r *http.Request) *admin.Error {
			_, bounds := p.opt.front.checkBounds(r)
			for _, err := range []*status.Error{checkFraming(r, connFrom(r.Context()), p.hosts), bounds, checkPath(r)} {
				if err != nil {
					return &admin.Error{Code: err.Code, Reason: err.Reason, Message: err.Message, Close: err.Close}
				}
			}
			return nil
		},
		HostAllowed: p.hosts.allows,
		UnixSocket: func(r *http.Request) bool {
			c := connFrom(r.Context())
			return c != nil && c.unix
		},
		Identify:  p.adminIdentity,
		Authorize: p.adminHolds,
		Profiling: p.opt.admin.profiling,
		AuditID: func(r *http.Request) string {
			return cmp.Or(r.Header.Get("Audit-Id"), request.NewUUID())
		},
		Now: time.Now,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := p.signals.httpServerStoppedListening.fired() // as it came: one that came before has not seen the end
		h.ServeHTTP(w, r)
		if after {
			select {
			case p.adminAsked <- struct{}{}:
			default:
			}
		}
	})
}

// source is the program as admin.Source.
type source struct{ p *program }

func (s source) Generation() int64 { return s.p.generation.Load() }

func (s source) Status() admin.Status {
	_, phase := s.p.timeline.list()
	return admin.Status{Version: programVersion, Phase: phase, Ready: phase == "run" && !s.p.draining.shown().Active, Controls: s.p.controls()}
}

func (s source) Servers() []admin.Server {
	var out []admin.Server
	for i, sv := range s.p.servers {
		a := admin.Server{ID: sv.name, Position: i + 1, Groups: []string{}, WebServices: sv.container.roots(), Hooks: []string{}, HealthChecks: []string{}, Declined: sv.declined.Load(), Taken: sv.refused.Load()}
		if sv.delegate != nil {
			a.Delegate = &sv.delegate.name
		}
		for _, g := range sv.groups {
			a.Groups = append(a.Groups, g.Name)
		}
		if sv.more != nil {
			a.Groups = append(a.Groups, sv.more.groups()...)
		}
		for _, r := range sv.routes() {
			a.Taken += r.hits.Load()
			switch r.kind {
			case kindContainer:
				a.Routes.Container++
			case kindExact:
				a.Routes.Exact++
			default:
				a.Routes.Prefix++
			}
		}
		for _, o := range s.p.hooks.all() {
			if o.server == sv.name {
				a.Hooks = append(a.Hooks, o.phase+"/"+o.name)
			}
		}
		if sv == s.p.outermost {
			for _, c := range s.p.readyz.checks() {
				a.HealthChecks = append(a.HealthChecks, c.name)
			}
		}
		out = append(out, a)
	}
	return out
}

// routes are those of the container, of the mux and of custom resources, sorted.
func (s *Server) routes() []*route {
	own := append(s.container.routes(), s.mux.routes()...)
	slices.SortFunc(own, compareRoutes)
	if s.more == nil {
		return own
	}
	others := s.more.routes()
	all := make([]*route, 0, len(own)+len(others))
	for _, r := range own {
		i, _ := slices.BinarySearchFunc(others, r, compareRoutes)
		all = append(append(all, others[:i]...), r)
		others = others[i:]
	}
	return append(all, others...)
}

func compareRoutes(a, b *route) int {
	return cmp.Or(strings.Compare(a.pattern, b.pattern), strings.Compare(a.method, b.method), strings.Compare(a.kind, b.kind))
}

// serving are the chains of the listeners that are on.
func (p *program) serving() []*chain {
	var on []*chain
	for i, c := range p.chains {
		if !off(p.opt.listen.roles()[i].addresses) {
			on = append(on, c)
		}
	}
	return on
}

func (s source) Chain() []admin.Chain {
	out := []admin.Chain{}
	for _, c := range s.p.serving() {
		a := admin.Chain{ID: c.listener, Listener: c.listener}
		passed := c.passed()
		for i := range c.rows {
			r := &c.rows[i]
			f := admin.Filter{ID: c.listener + "/" + r.name, Position: i + 1, Name: r.name, Why: r.why, Enabled: r.off == "", OffReason: r.off, Options: map[string]string{}, Passed: passed[i]}
			f.Answered, f.Rejected = c.answered[i].counts()
			for _, name := range r.flags {
				if row := s.p.flags.byKey[name]; row != nil {
					f.Options[name] = s.p.flags.shown(row)
				}
			}
			if c.times != nil {
				f.TimeNs = c.times[i].shown()
			}
			if r.idle != nil && r.off == "" {
				f.OffReason = r.idle()
				f.Enabled = f.OffReason == ""
			}
			if !f.Enabled {
				f.Passed, f.TimeNs = 0, nil
			}
			a.Filters = append(a.Filters, f)
		}
		out = append(out, a)
	}
	return out
}

func (s source) Routes() []admin.Route {
	var all []*route
	for _, sv := range s.p.servers {
		all = append(all, sv.routes()...)
	}
	marked := s.p.outermost.shadows(&s.p.shadows).with(all, s.p.custom)
	out := make([]admin.Route, 0, len(all))
	for _, r := range all {
		m := marked[r]
		a := admin.Route{
			ID: r.id(), Server: r.server, Kind: r.kind, Method: r.method, Pattern: r.pattern, Operation: r.operation, Resource: r.resource,
			Handler: handlerName(r.handler), RegisteredAt: r.at, Doc: r.doc, Consumes: noNil(r.types().Consumes), Produces: noNil(r.types().Produces),
			LongRunning: r.longRunning, Listed: r.listed, Hits: r.hits.Load(), ShadowedBy: m.by, ConflictsWith: noNil(m.with),
		}
		if t := r.lastHit.Load(); t > 0 {
			a.LastHit = admin.Time(time.Unix(0, t))
		}
		out = append(out, a)
	}
	return out
}

// id is the same in every process that registers the same.
func (r *route) id() string { return r.server + ":" + r.kind + ":" + r.method + ":" + r.pattern }

func noNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// handlerName is the function or type that serves a route.
func handlerName(h http.Handler) string {
	v := reflect.ValueOf(h)
	if v.Kind() == reflect.Func {
		if f := runtime.FuncForPC(v.Pointer()); f != nil {
			return strings.TrimSuffix(f.Name(), "-fm")
		}
	}
	return v.Type().String()
}

func (s source) Hooks() []admin.Hook {
	out := []admin.Hook{}
	for _, phase := range []string{postStart, preShutdown} {
		for _, o := range s.p.hooks.all() {
			if o.phase == phase {
				out = append(out, o.shown())
			}
		}
	}
	slow := func(h admin.Hook) bool {
		return h.State == hookRunning && *h.DurationMs > *ms(stackAfter)
	}
	if !slices.ContainsFunc(out, slow) {
		return out
	}
	now := stacks()
	for i := range out {
		if slow(out[i]) {
			out[i].Stack = now["hook/"+out[i].ID]
		}
	}
	return out
}

func (o *hook) shown() admin.Hook {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := admin.Hook{ID: o.phase + "/" + o.name, Phase: o.phase, Name: o.name, Server: o.server, Order: o.order, State: o.state, StartedAt: admin.Time(o.started), Error: errText(o.err), RegisteredAt: o.at, Stack: []string{}}
	if o.phase == postStart {
		a.HealthCheck = "poststarthook/" + o.name
	}
	switch o.state {
	case hookRunning:
		a.DurationMs = ms(time.Since(o.started))
	case hookDone, hookFailed, hookPanicked:
		a.DurationMs = ms(o.took)
	}
	if o.state == hookPanicked {
		a.Stack = frames(o.stack)
	}
	return a
}

// ms is a duration in milliseconds.
func ms(d time.Duration) *float64 {
	f := float64(d.Microseconds()) / 1000
	return &f
}

func (s source) InFlight() ([]admin.Request, []admin.Places) {
	requests, places := []admin.Request{}, []admin.Places{}
	for _, c := range s.p.serving() {
		places = append(places, admin.Places{Listener: c.listener, ReadOnlyLimit: c.inFlight.readOnlyLimit, MutatingLimit: c.inFlight.mutatingLimit, Abandoned: c.abandoned.Load()})
		c.table.each(func(x *exchange) { requests = append(requests, x.shown()) })
	}
	sort.Slice(requests, func(i, j int) bool {
		return time.Time(requests[i].ReceivedAt).Before(time.Time(requests[j].ReceivedAt))
	})
	return requests, places
}

// RequestStacks is where the handlers of requests are, by the request's id: of those that
// are long-running and, with --request-stacks, of all.
func (s source) RequestStacks() map[string][]string {
	out := map[string][]string{}
	for label, frames := range stacks() {
		if id, ok := strings.CutPrefix(label, "request/"); ok {
			out[id] = frames
		}
	}
	return out
}

// shown is the exchange as the admin endpoint shows it. It reads only what filters
// before the exchange's position have set. Text of the client is cut: streams keep rows
// by the thousand.
func (x *exchange) shown() admin.Request {
	c, at := x.chain, int(x.at.Load())
	a := admin.Request{
		RequestFacts: admin.RequestFacts{
			ID: fmt.Sprint(x.id), AuditID: shownText(x.auditID[0]), Listener: c.listener, Method: clientText(x.req.Method, 32),
			Path: shownText(x.path), Query: shownQuery(x.query),
		},
		Groups: []string{}, RemoteAddr: x.req.RemoteAddr, UserAgent: clientText(x.userAgent, 256), Filter: c.place(at), ReceivedAt: admin.Time(x.received),
		AgeMs: *ms(time.Since(x.received)), BytesIn: x.bytesIn.Load(), BytesOut: x.bytesOut.Load(), Stack: []string{},
	}
	if at > c.infoRow {
		a.Verb, a.Namespace, a.Name, a.LongRunning = clientText(x.info.Verb, 32), shownText(x.info.Namespace), shownText(x.info.Name), x.longRunning
		if x.info.IsResourceRequest {
			a.Resource = shownText(resourceName(&x.info))
		}
	}
	if at >= len(c.rows) && x.target.server != nil {
		a.Server = &x.target.server.name
		if r := x.target.route; r != nil {
			id := r.id()
			a.Route = &id
		}
	}
	if u := x.shownUser(); u != nil {
		a.User, a.Groups = shownText(u.Name), noNil(u.Groups)
		if x.user != u {
			a.ImpersonatedBy = shownText(x.user.Name)
		}
	}
	if st := int(x.status.Load()); st > 0 {
		a.Status = &st
	}
	return a
}

func (s source) Timeline() admin.Timeline {
	p := s.p
	events, phase := p.timeline.list()
	t := admin.Timeline{Phase: phase, StartedAt: admin.Time(p.started), BlockedBy: []admin.Blocker{}, Events: []admin.Event{}}
	if at := p.readyAt.Load(); at != nil {
		t.ReadyAt = admin.Time(*at)
	}
	if phase == "stop" {
		if d := p.stop.deadline.Load(); d != nil {
			t.Deadline = admin.Time(*d)
		}
		t.WaitingFor = *p.stop.waitingFor.Load()
		t.BlockedBy = p.blockers(t.WaitingFor)
	}
	for _, e := range events {
		t.Events = append(t.Events, e.shown(p.started))
	}
	return t
}

// shown is the event as the admin endpoint shows it.
func (e *event) shown(origin time.Time) admin.Event {
	a := admin.Event{ID: fmt.Sprint(e.id), Phase: e.phase, Kind: e.kind, Name: e.name, At: admin.Time(e.at), SinceStartMs: *ms(e.at.Sub(origin)), Error: e.err, Detail: e.detail}
	switch {
	case e.instant:
	case e.over:
		a.DurationMs = ms(e.took)
	default:
		a.DurationMs = ms(time.Since(e.at))
	}
	if e.kind == "hook" {
		a.Ref = &admin.Ref{Kind: "hook", ID: e.name, Href: "/admin/v1/hooks?id=" + e.name}
	}
	return a
}

// blockers are what a stop waits for, oldest first: the delay, hooks that run, requests that
// wait-group let in, and watches where they have a grace period. What is left when the
// listeners close is everything.
func (p *program) blockers(waiting string) []admin.Blocker {
	out := []admin.Blocker{}
	if left := time.Until(p.delayUntil()); waiting == "delay" && left > 0 {
		out = append(out, admin.Blocker{Kind: "delay", ID: "delay", Href: "/admin/v1/timeline?name=delay", What: left.Round(100*time.Millisecond).String() + " left", AgeMs: *ms(p.opt.shutdown.delay - left)})
	}
	for _, o := range p.hooks.all() {
		if a := o.shown(); a.State == hookRunning {
			out = append(out, admin.Blocker{Kind: "hook", ID: a.ID, Href: "/admin/v1/hooks?id=" + a.ID, What: a.Name, AgeMs: *a.DurationMs})
		}
	}
	for _, c := range p.chains {
		admitted := int32(c.position("wait-group"))
		c.table.each(func(x *exchange) {
			if at := x.at.Load(); waiting != "listeners" && (at <= admitted || !x.inWaitGroup && (!x.longRunning || p.opt.shutdown.watchGrace == 0)) {
				return // cut or let go, not waited for
			}
			r := x.shown()
			out = append(out, blockerOf(&r))
		})
	}
	slices.SortStableFunc(out, func(a, b admin.Blocker) int { return cmp.Compare(b.AgeMs, a.AgeMs) })
	return out
}

// blockerOf is a request or watch that is waited for.
func blockerOf(r *admin.Request) admin.Blocker {
	kind := "request"
	if r.LongRunning {
		kind = "watch"
	}
	return admin.Blocker{Kind: kind, ID: r.ID, Href: "/admin/v1/inflight?id=" + r.ID, AuditID: r.AuditID, What: r.Method + " " + r.Path, AgeMs: r.AgeMs}
}

// delayUntil is when the shutdown delay ends.
func (p *program) delayUntil() time.Time {
	if d := p.stop.deadline.Load(); d != nil {
		return d.Add(p.opt.shutdown.delay - p.opt.shutdown.timeout)
	}
	return time.Time{}
}

func (s source) Listeners() []admin.Listener {
	out := []admin.Listener{}
	states := map[*listener]*admin.Connections{}
	for _, c := range s.p.conns.list() {
		n := states[c.listener]
		if n == nil {
			n = &admin.Connections{}
			states[c.listener] = n
		}
		switch http.ConnState(c.state.Load()) {
		case http.StateNew:
			n.New++
		case http.StateActive:
			n.Active++
		case http.StateIdle:
			n.Idle++
		case http.StateHijacked:
			n.Hijacked++
		}
	}
	for _, l := range s.p.listeners {
		a := admin.Listener{ID: l.role + "/" + l.address, Listener: l.role, Address: l.address, Network: l.network, Inherited: l.inherited, Protocols: s.p.opt.listen.protocols(l.role)}
		if n := states[l]; n != nil {
			a.Connections = *n
		}
		a.Connections.Accepted, a.Connections.Closed = l.accepted.Load(), l.closed.Load()
		if l.tls {
			a.TLS = shownTLS(s.p.certs)
		}
		out = append(out, a)
	}
	return out
}

func (s source) Build() admin.Build {
	b := readBuild()
	module := "apichain"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		module = info.Main.Path
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	revised, _ := time.Parse(time.RFC3339, b.time) // zero, and so null, where nothing was stamped
	return admin.Build{
		Version: programVersion, GoVersion: runtime.Version(), Module: module, Revision: b.revision, RevisionTime: admin.Time(revised), Modified: b.modified, Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Process: admin.Process{PID: os.Getpid(), StartedAt: admin.Time(s.p.started), UptimeSeconds: time.Since(s.p.started).Seconds(), Goroutines: runtime.NumGoroutine(), HeapBytes: m.HeapAlloc, ResidentBytes: metrics.ResidentBytes(), CPUs: runtime.NumCPU()},
	}
}

func (s source) Options() []admin.Option {
	f := s.p.flags
	out := []admin.Option{}
	for _, r := range f.rows {
		a := admin.Option{ID: r.name, Name: r.name, Group: r.group, Value: f.shown(r), Default: f.set.Lookup(r.name).DefValue, Source: "default", Secret: r.secret, Help: r.help}
		switch {
		case r.derived:
			a.Source = "derived"
		case r.given:
			a.Source = "flag"
		}
		out = append(out, a)
	}
	sort.SliceStable(out, func(i, j int) bool {
		return cmp.Or(strings.Compare(out[i].Group, out[j].Group), strings.Compare(out[i].Name, out[j].Name)) < 0
	})
	return out
}

func (s source) WriteMetrics(w io.Writer) error { return s.p.writeMetrics(w) }
