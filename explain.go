package main

import (
	"net/http"
	"slices"
	"strings"

	"apichain/admin"
	"apichain/internal/request"
	"apichain/internal/status"
)

// A request is explained by sending it through the chain without a client: the filters
// and the director are those of real requests. What they would count, keep, start or roll
// dice for, they leave alone while exchange.dry is set, and there they say why they let
// the request pass or answer it.

// dryRun is what an exchange without a client collects on its way; nil on a real one.
// It belongs to the goroutine that explains.
type dryRun struct {
	user    *request.User  // whom a successful authentication has found; nil: the headers say
	reasons map[int]reason // by row; what was said last counts
	walk    []visit        // servers in the order they were asked
}

// reason is what a filter says of its decision. rule is the flag, rule or pattern that
// decided; "" is none.
type reason struct {
	why, rule string
	waits     bool
}

// because says, in a dry run, why the filter that x is in lets it pass or answers it,
// and by which flag, rule or pattern; the last word counts. On a real request it costs a
// comparison, so a caller that has to put text together asks for x.dry first.
func (x *exchange) because(why, rule string) {
	if x.dry != nil {
		x.dry.say(x, reason{why: why, rule: rule})
	}
}

// wouldWait is because for a filter that would hold the request back for a while. It
// passes the dry run on at once.
func (x *exchange) wouldWait(why, rule string) {
	if x.dry != nil {
		x.dry.say(x, reason{why, rule, true})
	}
}

func (d *dryRun) say(x *exchange, r reason) { d.reasons[int(x.at.Load())] = r }

// visit is one server that the director asked: it took the request, refused it, or, with
// neither route nor err, declined. by is container or mux.
type visit struct {
	server        *Server
	route         *route
	err           *status.Error
	by, why, rule string
}

// visited notes what came of asking v.server.
func (d *dryRun) visited(v visit, r *http.Request) {
	v.by, v.rule = "mux", "mux"
	switch s := v.server; {
	case v.err != nil:
		claimed, _ := s.container.serviceFor(r.URL.Path)
		v.by, v.why, v.rule = "container", "the web service at "+claimed.root+" owns the path: "+v.err.Message, claimed.root
	case v.route != nil:
		v.why, v.rule = "registered at "+v.route.at, v.route.pattern
		if v.route.kind == kindContainer {
			v.by = "container"
		}
	case s.more != nil:
		v.why = s.more.why(r)
	default:
		v.why = "no entry for " + shownText(r.URL.Path)
	}
	d.walk = append(d.walk, v)
}

// explain takes r through the chain as far as its handler. u is who it is from, nil to
// find out from its headers.
func (c *chain) explain(r *http.Request, u *request.User) admin.Explanation {
	d := &dryRun{user: u, reasons: map[int]reason{}}
	w := &headerOnly{header: http.Header{}}
	x := newExchange(c, w, r)
	x.dry = d
	err := c.run(x)
	if err != nil {
		x.Fail(err)
	}
	at := int(x.at.Load())
	e := admin.Explanation{Steps: d.steps(x, at), ReachesHandler: at == len(c.rows) && err == nil}
	if at > c.infoRow {
		i := &x.info
		e.RequestInfo = &admin.RequestInfo{
			IsResourceRequest: i.IsResourceRequest, Path: shownText(i.Path), Verb: shownText(i.Verb), APIPrefix: i.APIPrefix, APIGroup: shownText(i.APIGroup), APIVersion: shownText(i.APIVersion),
			Namespace: shownText(i.Namespace), Resource: shownText(i.Resource), Subresource: shownText(i.Subresource), Name: shownText(i.Name),
		}
		for _, v := range d.walk {
			e.Delegation = append(e.Delegation, admin.Visit{Server: v.server.name, Decision: v.decision("declined"), By: v.by, Why: v.why})
		}
		e.NearMisses = c.program.nearMisses(x)
	}
	if s := x.target.server; s != nil && at == len(c.rows) {
		e.Server = &s.name
		if rt := x.target.route; rt != nil {
			e.Route = &admin.RouteRef{ID: rt.id(), RegisteredAt: rt.at, Handler: handlerName(rt.handler), Operation: rt.operation}
		}
	}
	if !e.ReachesHandler {
		last := e.Steps[len(e.Steps)-1]
		a := &admin.WouldAnswer{Status: int(x.status.Load()), Message: last.Why, By: last.Name, Headers: map[string]string{}}
		if last.Position == nil {
			a.By = last.Stage
		}
		if err != nil {
			s := status.From(err, x.auditID[0])
			a.Reason, a.Message = s.Reason, s.Message
		}
		for name, values := range w.header {
			if !slices.Contains(everyAnswer[:], name) {
				a.Headers[name] = strings.Join(values, ", ")
			}
		}
		e.WouldAnswer = a
	}
	x.close() // whoever took its context is told
	return e
}

// everyAnswer are the header lines that say nothing of one answer in particular.
var everyAnswer = [...]string{"Audit-Id", "Cache-Control", "Content-Type", "Strict-Transport-Security", "X-Content-Type-Options"}

// steps are the filters entered, up to the one at position at, and from the director on
// the servers asked.
func (d *dryRun) steps(x *exchange, at int) (out []admin.Step) {
	rows := x.chain.rows
	for i := range rows[:min(at+1, len(rows))] {
		r, said := d.reasons[i]
		row := &rows[i]
		switch {
		case row.off != "", !said && i != at && row.idle != nil && row.idle() != "":
			continue
		case row.step == nil:
			r.why = "done where the request is opened and closed"
		}
		position := i + 1
		s := admin.Step{Position: &position, Stage: "filter", Name: row.name, Decision: "passed", Why: r.why, Rule: r.rule}
		switch {
		case i == at:
			s.Decision = "answered"
		case r.waits:
			s.Decision = "would-wait"
		}
		out = append(out, s)
	}
	if at < len(rows) {
		return out
	}
	for i := range d.walk {
		v := &d.walk[i]
		s := admin.Step{Stage: v.by, Name: v.server.name, Decision: v.decision("passed"), Why: v.why, Rule: v.rule}
		if v.route == nil && v.err == nil {
			s.Stage, s.Why = "director", "no web service claims the path; the mux has no entry"
			if v.server.more != nil {
				s.Why += "; " + v.why
			}
		}
		out = append(out, s)
	}
	if x.target.server == nil {
		s := admin.Step{Stage: "not-found", Name: d.walk[len(d.walk)-1].server.name, Decision: "answered", Why: "last server of the chain"}
		if x.early {
			s.Why, s.Rule = "last server of the chain, and not all paths are installed yet", "signal MuxAndDiscoveryComplete"
		}
		out = append(out, s)
	}
	return out
}

func (v *visit) decision(declined string) string {
	switch {
	case v.err != nil:
		return "answered"
	case v.route != nil:
		return "passed"
	}
	return declined
}

// headerOnly is a writer that keeps nothing but the header.
type headerOnly struct{ header http.Header }

func (w *headerOnly) Header() http.Header         { return w.header }
func (w *headerOnly) WriteHeader(int)             {}
func (w *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
