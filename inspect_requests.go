package main

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"sort"
	"strings"
	"time"

	"apichain/admin"
	"apichain/internal/request"
)

// What the admin endpoint shows of the way of requests: the servers and their routes, the filters,
// and the requests that are under way. The rules of inspect.go hold here too.
//
// A request under way is read while its own goroutine writes it. There is no lock: each field of an
// exchange is set once, by a filter, before the exchange's position moves past that filter. So who
// has loaded the position may read what the filters before it have set, and nothing else (see
// exchange). What the handler may change, such as the request and its header, is never read.
//
// The id of a route, SERVER:KIND:METHOD:PATTERN, is the same in every process that registers the
// same. Scripts may keep it, and the rules of controls name routes by it.

// Servers returns the servers of the delegation chain, the outermost first.
func (s source) Servers() []admin.Server {
	var out []admin.Server
	for i, sv := range s.p.servers {
		a := admin.Server{
			ID: sv.name, Position: i + 1, WebServices: sv.container.roots(), Declined: sv.declined.Load(), Taken: sv.refused.Load(),
			Groups: []string{}, Hooks: []string{}, HealthChecks: []string{},
		}
		if sv.delegate != nil {
			a.Delegate = &sv.delegate.name
		}
		for _, g := range sv.groups {
			a.Groups = append(a.Groups, g.Name)
		}
		if sv.more != nil {
			a.Groups = append(a.Groups, sv.more.groups()...)
		}
		// What a server has taken is what it has refused, which no route counts, and the hits.
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
		// Health is answered by the outermost server for the whole chain.
		if sv == s.p.outermost {
			for _, c := range s.p.readyz.checks() {
				a.HealthChecks = append(a.HealthChecks, c.name)
			}
		}
		out = append(out, a)
	}
	return out
}

// routes returns the routes of the container, of the mux and of custom resources, by pattern, then
// method, then kind.
func (s *Server) routes() []*route {
	own := append(s.container.routes(), s.mux.routes()...)
	slices.SortFunc(own, compareRoutes)
	if s.more == nil {
		return own
	}
	// Of custom resources there may be a hundred thousand, sorted already: the few others are put
	// between them, which costs a copy in place of a sort.
	others := s.more.routes()
	all := make([]*route, 0, len(own)+len(others))
	for _, r := range own {
		i, _ := slices.BinarySearchFunc(others, r, compareRoutes)
		all = append(append(all, others[:i]...), r)
		others = others[i:]
	}
	return append(all, others...)
}

// compareRoutes orders the routes of one server as the page of routes has them.
func compareRoutes(a, b *route) int {
	return cmp.Or(strings.Compare(a.pattern, b.pattern), strings.Compare(a.method, b.method), strings.Compare(a.kind, b.kind))
}

// Routes returns every route of every server, in delegation order, with what stands in its way.
func (s source) Routes() []admin.Route {
	var all []*route
	for _, sv := range s.p.servers {
		all = append(all, sv.routes()...)
	}
	marked := s.p.outermost.shadows(&s.p.shadows).with(all, s.p.custom)
	out := make([]admin.Route, 0, len(all))
	for _, r := range all {
		m, types := marked[r], r.types()
		a := admin.Route{
			ID: r.id(), Server: r.server, Kind: r.kind, Method: r.method, Pattern: r.pattern, Operation: r.operation,
			Resource: r.resource, Handler: handlerName(r.handler), RegisteredAt: r.at, Doc: r.doc,
			Consumes: noNil(types.Consumes), Produces: noNil(types.Produces),
			LongRunning: r.longRunning, Listed: r.listed, Hits: r.hits.Load(), ShadowedBy: m.by, ConflictsWith: noNil(m.with),
		}
		if t := r.lastHit.Load(); t > 0 {
			a.LastHit = admin.Time(time.Unix(0, t))
		}
		out = append(out, a)
	}
	return out
}

// id returns the route's name in every process that registers the same.
func (r *route) id() string { return r.server + ":" + r.kind + ":" + r.method + ":" + r.pattern }

// noNil returns s, which JSON shows as a list even where it has nothing.
func noNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// handlerName returns the name of the function or of the type that serves a route.
func handlerName(h http.Handler) string {
	v := reflect.ValueOf(h)
	if v.Kind() == reflect.Func {
		// The runtime calls a method value "-fm"; the reader looks for the method.
		if f := runtime.FuncForPC(v.Pointer()); f != nil {
			return strings.TrimSuffix(f.Name(), "-fm")
		}
	}
	return v.Type().String()
}

// serving returns the chains of the listeners that are on.
func (p *program) serving() []*chain {
	var on []*chain
	for i, c := range p.chains {
		if !off(p.opt.listen.roles()[i].addresses) {
			on = append(on, c)
		}
	}
	return on
}

// Admission returns the admission plugins in the order in which a write meets them.
func (s source) Admission() []admin.Plugin {
	out := []admin.Plugin{}
	for i, p := range s.p.admission.States() {
		out = append(out, admin.Plugin{ID: p.Name, Position: i + 1, Name: p.Name, Enabled: p.On, Does: p.Does, Idle: p.Why})
	}
	return out
}

// Chain returns the filters of each listener that is on, in the order in which a request meets
// them, with what has come of the requests that met them.
func (s source) Chain() []admin.Chain {
	out := []admin.Chain{}
	for _, c := range s.p.serving() {
		a := admin.Chain{ID: c.listener, Listener: c.listener}
		passed := c.passed()
		for i := range c.rows {
			a.Filters = append(a.Filters, s.filterShown(c, i, passed[i]))
		}
		out = append(out, a)
	}
	return out
}

// filterShown returns row i of a chain as the admin endpoint shows it. Every row is shown; one that
// is off, or has nothing to do at the moment, says why and has no counts: that a request went by it
// says nothing.
func (s source) filterShown(c *chain, i int, passed uint64) admin.Filter {
	r := &c.rows[i]
	f := admin.Filter{
		ID: c.listener + "/" + r.name, Position: i + 1, Name: r.name, Why: r.why, OffReason: r.off,
		Options: map[string]string{}, Passed: passed,
	}
	f.Answered, f.Rejected = c.answered[i].counts()
	// A flag is shown by the page's own rules, so that no filter can show a secret.
	for _, name := range r.flags {
		if flag := s.p.flags.Lookup(name); flag != nil {
			f.Options[name] = flag.Shown()
		}
	}
	if c.times != nil {
		if at := c.times[i].Percentiles(50, 99); at != nil {
			f.TimeNs = &admin.Percentiles{P50: at[0], P99: at[1]}
		}
	}
	if r.idle != nil && r.off == "" {
		f.OffReason = r.idle()
	}
	if f.Enabled = f.OffReason == ""; !f.Enabled {
		f.Passed, f.TimeNs = 0, nil
	}
	return f
}

// InFlight returns the requests under way, the oldest first, and the places of each listener.
func (s source) InFlight() ([]admin.Request, []admin.Places) {
	requests, places := []admin.Request{}, []admin.Places{}
	for _, c := range s.p.serving() {
		places = append(places, admin.Places{
			Listener: c.listener, ReadOnlyLimit: c.inFlight.readOnlyLimit, MutatingLimit: c.inFlight.mutatingLimit,
			Abandoned: c.abandoned.Load(),
		})
		c.table.each(func(x *exchange) { requests = append(requests, x.shown()) })
	}
	sort.Slice(requests, func(i, j int) bool {
		return time.Time(requests[i].ReceivedAt).Before(time.Time(requests[j].ReceivedAt))
	})
	return requests, places
}

// RequestStacks returns where the handlers of requests are, by the request's id: of those that are
// long-running and, with --request-stacks, of all.
func (s source) RequestStacks() map[string][]string {
	out := map[string][]string{}
	for label, frames := range stacks() {
		if id, ok := strings.CutPrefix(label, "request/"); ok {
			out[id] = frames
		}
	}
	return out
}

// shown returns the exchange as the admin endpoint shows it. Any goroutine may call it while the
// exchange is in the in-flight table, and the request's own until its books are closed. It reads
// only what filters before the exchange's position have set. Text of the client is cut: streams
// keep rows by the thousand.
func (x *exchange) shown() admin.Request {
	// The position comes first: what is loaded after it may be further, but never less far.
	c, at := x.chain, int(x.at.Load())
	a := admin.Request{
		RequestFacts: admin.RequestFacts{
			ID: fmt.Sprint(x.id), AuditID: request.Shown(x.auditID[0]), Listener: c.listener, Method: request.ShownShort(x.req.Method, 32),
			Path: request.Shown(x.path), Query: request.ShownQuery(x.query),
		},
		Groups: []string{}, RemoteAddr: x.req.RemoteAddr, UserAgent: request.ShownShort(x.userAgent, 256), Filter: c.place(at),
		ReceivedAt: admin.Time(x.received), AgeMs: *ms(time.Since(x.received)),
		BytesIn: x.bytesIn.Load(), BytesOut: x.bytesOut.Load(), Stack: []string{},
	}
	if at > c.infoRow {
		a.Verb, a.LongRunning = request.ShownShort(x.info.Verb, 32), x.longRunning
		a.Namespace, a.Name = request.Shown(x.info.Namespace), request.Shown(x.info.Name)
		if x.info.IsResourceRequest {
			a.Resource = request.Shown(resourceName(&x.info))
		}
	}
	// The route is found with the request info, but it is the request's only when the last filter
	// has let it through.
	if at >= len(c.rows) && x.target.server != nil {
		a.Server = &x.target.server.name
		if r := x.target.route; r != nil {
			id := r.id()
			a.Route = &id
		}
	}
	if u := x.shownUser(); u != nil {
		a.User, a.Groups = request.Shown(u.Name), noNil(u.Groups)
		if x.user != u {
			a.ImpersonatedBy = request.Shown(x.user.Name)
		}
	}
	if st := int(x.status.Load()); st > 0 {
		a.Status = &st
	}
	return a
}
