package main

import (
	"net/http"
	"slices"
	"strings"

	"apichain/admin"
	"apichain/internal/api"
	"apichain/internal/request"
	"apichain/internal/status"
)

// A request is explained by sending it through the chain without a client, as a dry run: the filters
// and the director are those of real requests, so there is no second description of the rules that
// could be wrong. It ends in front of the handler; what a handler says is not predicted.
//
// A filter asks for x.dry where it would count, keep, start, wait or roll dice, and leaves that alone;
// everywhere it says, with because, why it lets the request pass or answers it. The rules for a filter:
//
//   - It decides by the same code in both cases. Only the effect is left out.
//   - It says something on each way out. The last word counts, so a filter may speak before it calls
//     the next one, and a refusal overrules what was said before.
//   - A filter that rolls dice, as fault injection does, passes unless its answer is certain, and
//     names what may happen.
//
// The writer keeps the header alone and the exchange is in no table, so a dry run is invisible: not
// counted, recorded, audited or shown in flight. TestExplainChangesNothing holds that.

// dryRun collects what is said of an exchange without a client on its way; a real exchange has none.
// It belongs to the goroutine that explains.
type dryRun struct {
	user    *request.User  // whom a successful authentication has found; nil: the headers say
	reasons map[int]reason // by row of the chain; what was said last
	walk    []visit        // servers in the order in which the director asked them
}

// reason is what a filter says of its decision.
type reason struct {
	why   string
	rule  string // the flag, rule or pattern that decided; "": none
	waits bool   // the filter would hold the request back for a while
}

// because says, in a dry run, why the filter that x is in lets it pass or answers it, and by which
// flag, rule or pattern. On a real request it costs a comparison, so a caller that has to put text
// together asks for x.dry first.
//
//go:noinline
func (x *exchange) because(why, rule string) {
	if x.dry != nil {
		x.dry.say(x, reason{why: why, rule: rule})
	}
}

// wouldWait is because for a filter that would hold the request back for a while. It must pass a dry
// run on at once.
func (x *exchange) wouldWait(why, rule string) {
	if x.dry != nil {
		x.dry.say(x, reason{why, rule, true})
	}
}

//go:noinline
func (d *dryRun) say(x *exchange, r reason) { d.reasons[int(x.at.Load())] = r }

// visit is one server that the director asked. It has taken the request for a route, refused it with
// err or, with neither, declined it.
type visit struct {
	server *Server
	route  *route
	err    *status.Error

	// What visited makes of it.
	by        string // container or mux
	why, rule string // as of a reason
}

// visited notes what came of asking v.server. Its reason is found by looking a second time, since
// the director's own lookup keeps none, which would cost every real request.
func (d *dryRun) visited(v visit, r *http.Request) {
	v.by, v.rule = "mux", "mux"
	switch s := v.server; {
	case v.err != nil:
		// Only a web service refuses: it owns the paths below its root, and has no route for this one.
		claimed, _ := s.container.serviceFor(r.URL.Path)
		v.by, v.rule = "container", claimed.root
		v.why = "the web service at " + claimed.root + " owns the path: " + v.err.Message
	case v.route != nil:
		v.why, v.rule = "registered at "+v.route.at, v.route.pattern
		if v.route.kind == kindContainer {
			v.by = "container"
		} else if h, ok := v.route.handler.(hop); ok {
			v.why = h.String()
		}
	case s.more != nil:
		v.why = s.more.why(r)
	default:
		v.why = "no entry for " + request.Shown(r.URL.Path)
	}
	d.walk = append(d.walk, v)
}

// decision returns the word for what the server said; declined is the one for that, which differs
// between the page's two lists.
func (v *visit) decision(declined string) string {
	switch {
	case v.err != nil:
		return "answered"
	case v.route != nil:
		return "passed"
	}
	return declined
}

// explain takes r through the chain as far as its handler. u is who it is from; with nil its headers
// say. It may be called concurrently with real requests and with itself.
func (c *chain) explain(r *http.Request, u *request.User) admin.Explanation {
	w := &headerOnly{header: http.Header{}}
	x := newExchange(c, w, r)
	x.dry = &dryRun{user: u, reasons: map[int]reason{}}
	err := c.run(x)
	if err != nil {
		// As for a client, so that the header has what a refusal adds to it.
		x.Fail(err)
	}
	at := int(x.at.Load())
	handled := at == len(c.rows) // the last filter has let it through to the director
	e := admin.Explanation{Steps: x.filterSteps(at), ReachesHandler: handled && err == nil}
	if handled {
		e.Steps = append(e.Steps, x.routingSteps()...)
	}
	if e.ReachesHandler {
		c.program.admissionOf(&x.info, &e)
	}
	if at > c.infoRow {
		// The route is found with the request info, so the walk is known even where a filter
		// further in answers. What is near is worth telling then too.
		x.explainTarget(&e)
		e.NearMisses = c.program.nearMisses(x)
	}
	if s := x.target.server; s != nil && handled {
		e.Server = &s.name
		if rt := x.target.route; rt != nil {
			e.Route = &admin.RouteRef{ID: rt.id(), RegisteredAt: rt.at, Handler: handlerName(rt.handler), Operation: rt.operation}
		}
	}
	if !e.ReachesHandler {
		e.WouldAnswer = x.wouldAnswer(&e.Steps[len(e.Steps)-1], err, w.header)
	}
	// Whoever took the context of x is told that it is over.
	x.close()
	return e
}

// operations are those of admission, by the verb of a request.
var operations = map[string]string{
	"create": api.OperationCreate, "update": api.OperationUpdate, "patch": api.OperationUpdate,
	"delete": api.OperationDelete, "deletecollection": api.OperationDelete,
}

// admissionOf puts into e the plugins that the handler of a write would ask, and the webhooks, policies and rules: those of admission for
// a write, and what converts for any request.
func (p *program) admissionOf(i *request.Info, e *admin.Explanation) {
	r := p.api.Customs.Lookup(i.APIGroup, i.APIVersion, i.Resource)
	for _, row := range p.kinds.Kinds {
		if row.Group == i.APIGroup && row.Version == i.APIVersion && row.Plural == i.Resource {
			r = p.api.Builtin(row.Group, row.Version, row.Kind)
			break
		}
	}
	if !i.IsResourceRequest || r == nil {
		return
	}
	operation := operations[i.Verb]
	// A subresource that is a connection is asked about as one, whatever its verb.
	for _, sub := range r.Subresources {
		if sub.Name == i.Subresource && strings.HasSuffix(sub.Kind, "Options") {
			operation = api.OperationConnect
		}
	}
	if operation != "" {
		e.Admission, e.Webhooks = p.admission.Acting(r.Row, i.Subresource, operation), p.webhooksOf(r, i.Subresource, operation)
		e.Policies = p.policiesOf(r, i.Subresource, operation)
		if operation == api.OperationCreate || operation == api.OperationUpdate {
			e.Rules = r.Rules(mostRules)
		}
	}
	if from := r.ConvertsFrom(); from != "" {
		e.Webhooks = append(e.Webhooks, r.Plural+"."+r.Group+" for objects of "+from)
	}
}

// mostRules is how many validation rules an explanation tells.
const mostRules = 100

// explainTarget puts into e what the request is about and which servers the director asked for it.
func (x *exchange) explainTarget(e *admin.Explanation) {
	i := &x.info
	e.RequestInfo = &admin.RequestInfo{
		IsResourceRequest: i.IsResourceRequest, Path: request.Shown(i.Path), Verb: request.Shown(i.Verb),
		APIPrefix: i.APIPrefix, APIGroup: request.Shown(i.APIGroup), APIVersion: request.Shown(i.APIVersion),
		Namespace: request.Shown(i.Namespace), Resource: request.Shown(i.Resource), Subresource: request.Shown(i.Subresource),
		Name: request.Shown(i.Name),
	}
	for _, v := range x.dry.walk {
		e.Delegation = append(e.Delegation, admin.Visit{
			Server: v.server.name, Decision: v.decision("declined"), By: v.by, Why: v.why,
		})
	}
}

// wouldAnswer returns the answer of a request that reaches no handler. last is the step that gives
// it, err its refusal, and header what the filters have set. Without an err a filter has answered by
// itself, or would cut the connection: then the client gets no message, the step says why, and a cut
// has no status.
func (x *exchange) wouldAnswer(last *admin.Step, err error, header http.Header) *admin.WouldAnswer {
	a := &admin.WouldAnswer{Status: int(x.status.Load()), By: last.Name, Headers: map[string]string{}}
	// Behind the chain it is not a server's name that says who answers, but whether a web service
	// refused or nobody took it.
	if last.Position == nil {
		a.By = last.Stage
	}
	if err != nil {
		s := status.From(err, x.auditID[0])
		a.Reason, a.Message = s.Reason, s.Message
	}
	for name, values := range header {
		if !slices.Contains(commonHeaders[:], name) {
			a.Headers[name] = strings.Join(values, ", ")
		}
	}
	return a
}

// commonHeaders are the header lines that say nothing of one answer in particular.
var commonHeaders = [...]string{"Audit-Id", "Cache-Control", "Content-Type", "Strict-Transport-Security", "X-Content-Type-Options"}

// filterSteps returns the filters that x has entered, up to the one at position at, which answers
// unless it is the director. Filters that are off are left out, and so are those that have nothing to
// do at the moment and say nothing.
func (x *exchange) filterSteps(at int) []admin.Step {
	var out []admin.Step
	rows := x.chain.rows
	for i := range rows[:min(at+1, len(rows))] {
		r, said := x.dry.reasons[i]
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
	return out
}

// routingSteps returns the servers that the director has asked, and what happens to a request that
// none of them takes.
func (x *exchange) routingSteps() []admin.Step {
	var out []admin.Step
	walk := x.dry.walk
	for i := range walk {
		v := &walk[i]
		s := admin.Step{Stage: v.by, Name: v.server.name, Decision: v.decision("passed"), Why: v.why, Rule: v.rule}
		if v.route == nil && v.err == nil {
			// It is neither part of the server that declines, but the director that goes on.
			s.Stage, s.Why = "director", "no web service claims the path; the mux has no entry"
			if v.server.more != nil {
				s.Why += "; " + v.why
			}
		}
		out = append(out, s)
	}
	if x.target.server == nil {
		s := admin.Step{Stage: "not-found", Name: walk[len(walk)-1].server.name, Decision: "answered", Why: "last server of the chain"}
		// A request that came early is told to come again, since its path may be installed by then.
		if x.early {
			s.Why, s.Rule = "last server of the chain, and not all paths are installed yet", "signal MuxAndDiscoveryComplete"
		}
		out = append(out, s)
	}
	return out
}

// headerOnly is a writer that keeps nothing but the header.
type headerOnly struct{ header http.Header }

func (w *headerOnly) Header() http.Header         { return w.header }
func (w *headerOnly) WriteHeader(int)             {}
func (w *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
