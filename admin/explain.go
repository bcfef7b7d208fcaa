package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// What would become of a request, and why: GET /admin/v1/explain.
//
// The program takes the request through its own filters and its own director, as a dry run,
// and stops in front of the handler; there is no second description of the rules that could
// be wrong. The answer is the way of the request: each filter it enters, each server it is
// offered to, and at the end the one that answers it or the route that takes it.
//
//	/admin/v1/explain?path=/api/v1/secrets&user=bob
//
// shows on which filter bob fails. A path is a request target, so a query of its own must
// be percent-encoded: path=/api/v1/pods%3Fwatch=true. What a handler says is not foretold.

// Explainer says what would become of a request.
type Explainer interface {
	// Explain takes a request that nobody sends through the filters and the director, up
	// to its handler. It changes nothing and counts nothing. Its error is a 400 that names
	// the parameter.
	Explain(ExplainRequest) (Explanation, *Error)
}

// ExplainRequest is the request asked about, as the query has it: "" is the default.
// Source: the contract, GET /admin/v1/explain.
type ExplainRequest struct {
	// Method defaults to GET and Listener to https or, where that is off, http. Path is a
	// request target, with its own query.
	Method, Path, Listener string

	// User stands for a successful authentication. Groups are completed as those of an
	// impersonated user.
	User   string
	Groups []string

	// Headers are lines, "Name: value".
	Headers []string
}

// Explanation shows what would become of a request. Either
// ReachesHandler is true and Route is set, or WouldAnswer is. Source: the contract, GET /admin/v1/explain.
type Explanation struct {
	Request        ExplainedRequest `json:"request" doc:"the request asked about, with what was added to it"`
	RequestInfo    *RequestInfo     `json:"requestInfo" doc:"what it is about; null when it is answered before that is known"`
	Steps          List[Step]       `json:"steps" doc:"filters it enters and servers it is offered to, in order; the last answers it or takes it"`
	Delegation     List[Visit]      `json:"delegation" doc:"servers that the director asked, in order; also when a filter answers later"`
	Server         *string          `json:"server" doc:"server that takes it; null when a filter answers, or nobody takes it"`
	Route          *RouteRef        `json:"route" doc:"its route; null when it has none, or a filter answers"`
	ReachesHandler bool             `json:"reachesHandler" doc:"whether a handler would be called"`
	Admission      List[string]     `json:"admission" doc:"admission plugins that the handler would ask, in order; empty for what is no write"`
	Webhooks       List[string]     `json:"webhooks" doc:"webhooks that would be asked, configuration/webhook in the order of asking, with what that depends on, and the definition of one that converts; nobody is asked"`
	Policies       List[string]     `json:"policies" doc:"admission policies that would be evaluated, mutating ones first, with their bindings and what that depends on"`
	Rules          List[string]     `json:"rules" doc:"validation rules of the definition, place: rule; at most 100"`
	NearMisses     List[NearMiss]   `json:"nearMisses" doc:"at most five routes that lack exactly one thing to take it"`
	WouldAnswer    *WouldAnswer     `json:"wouldAnswer" doc:"the answer; null when a handler would give it"`
}

// ExplainedRequest shows the request as it goes into the chain. Values of headers that may
// hold secrets come as REDACTED, as do those of parameters that Kubernetes does not define.
type ExplainedRequest struct {
	Method   string       `json:"method" doc:"HTTP method"`
	Path     string       `json:"path" doc:"path, decoded, and query"`
	Listener string       `json:"listener" doc:"http or https"`
	User     string       `json:"user" doc:"user asked for; empty: its headers say"`
	Groups   List[string] `json:"groups" doc:"groups of that user, completed"`
	Headers  List[string] `json:"headers" doc:"header lines asked for; values that may be secret are REDACTED"`
}

// RequestInfo shows what method, path and query say of a request.
type RequestInfo struct {
	IsResourceRequest bool   `json:"isResourceRequest" doc:"whether it is about a resource"`
	Path              string `json:"path" doc:"its path, decoded"`
	Verb              string `json:"verb" doc:"Kubernetes verb, or the method in lower case"`
	APIPrefix         string `json:"apiPrefix" doc:"api or apis"`
	APIGroup          string `json:"apiGroup" doc:"API group; empty is the core group"`
	APIVersion        string `json:"apiVersion" doc:"API version"`
	Namespace         string `json:"namespace" doc:"namespace, or empty"`
	Resource          string `json:"resource" doc:"plural of the resource, or empty"`
	Subresource       string `json:"subresource" doc:"subresource, or empty"`
	Name              string `json:"name" doc:"object name, or empty"`
}

// Step shows one filter or router on the way.
type Step struct {
	Position *int   `json:"position" doc:"place in the chain, from 1; null behind the chain"`
	Stage    string `json:"stage" doc:"filter, director, container, mux or not-found"`
	Name     string `json:"name" doc:"name of the filter or server"`
	Decision string `json:"decision" doc:"passed, answered or would-wait"`
	Why      string `json:"why" doc:"the reason, for people"`
	Rule     string `json:"rule" doc:"flag, rule or pattern that decided, or empty"`
}

// Visit shows one server that the director asked, and what it said.
type Visit struct {
	Server   string `json:"server" doc:"name of the server"`
	Decision string `json:"decision" doc:"declined, passed (to a route) or answered"`
	By       string `json:"by" doc:"container or mux"`
	Why      string `json:"why" doc:"the reason, for people"`
}

// RouteRef points to the route of a request.
type RouteRef struct {
	ID           string `json:"id" doc:"server:kind:method:pattern"`
	RegisteredAt string `json:"registeredAt" doc:"file:line that registered it"`
	Handler      string `json:"handler" doc:"function or type that serves it"`
	Operation    string `json:"operation" doc:"name of the operation"`
}

// NearMiss shows a route that almost took the request: one thing keeps it from that.
type NearMiss struct {
	Route        string `json:"route" doc:"id of the route"`
	Lacks        Lack   `json:"lacks" doc:"the one thing that keeps it from taking the request"`
	RegisteredAt string `json:"registeredAt" doc:"file:line that registered it"`
}

// Lack says what a request would have to have for a route.
type Lack struct {
	What string `json:"what" doc:"method, segment, version, content-type or accept"`
	Want string `json:"want" doc:"what the route has; empty: a segment too many"`
	Got  string `json:"got" doc:"what the request has; empty: it is missing"`
}

// WouldAnswer shows an answer that no handler gives. Headers leave out what every answer
// has.
type WouldAnswer struct {
	Status  int         `json:"status" doc:"HTTP status; 0: the connection is cut"`
	Reason  string      `json:"reason" doc:"reason of the Status, or empty"`
	Message string      `json:"message" doc:"message of the Status, or the text"`
	By      string      `json:"by" doc:"filter, container or not-found"`
	Headers Map[string] `json:"headers" doc:"header lines that this answer has and not every other"`
}

// explanation is the answer of /admin/v1/explain.
type explanation struct {
	envelope
	Explanation
}

// serveExplain asks the Source about the request that the query describes. Here only the
// form of the query is checked; what a parameter may be depends on the listener, which the
// program knows.
func serveExplain(a *api, ans *answer) *Error {
	query := ans.query
	if err := checkQuery(query, "path", "method", "listener", "user", "group", "header", "pretty", "wide"); err != nil {
		return err
	}
	for _, name := range []string{"path", "method", "listener", "user"} {
		if v := query[name]; len(v) > 1 {
			return badValue(name, strings.Join(v, ", "), "one value")
		}
	}
	if query.Get("path") == "" {
		return badRequest("query parameter path is missing: it is the request target to explain, such as /api/v1/namespaces")
	}
	q := ExplainRequest{
		Method: query.Get("method"), Path: query.Get("path"), Listener: query.Get("listener"),
		User: query.Get("user"), Groups: query["group"], Headers: query["header"],
	}
	var e Explanation
	var err *Error
	// Explained again when the structure changes meanwhile, so that routes and filters are
	// those of one generation.
	env := a.readStable(ans, func() { e, err = a.src.Explain(q) })
	if err != nil {
		return err
	}
	if ans.form == formText {
		return ans.replyExplanation(e)
	}
	return ans.reply(http.StatusOK, explanation{env, e})
}

// replyExplanation answers in text with the steps, a line for what comes of them, and the
// routes that almost matched.
func (ans *answer) replyExplanation(e Explanation) *Error {
	var b bytes.Buffer
	ans.writeTable(&b, stepColumns, toRows(e.Steps))
	switch w := e.WouldAnswer; {
	case w == nil && e.Route != nil:
		fmt.Fprintf(&b, "reaches %s, %s, registered at %s\n", Printable(e.Route.ID), e.Route.Handler, e.Route.RegisteredAt)
	case w.Status == 0:
		// No status, since the client would see none: the connection ends.
		fmt.Fprintf(&b, "cut by %s: %s\n", w.By, Printable(w.Message))
	default:
		fmt.Fprintf(&b, "%d %s by %s: %s\n", w.Status, http.StatusText(w.Status), w.By, Printable(w.Message))
	}
	if len(e.Admission) > 0 {
		fmt.Fprintf(&b, "admission plugins: %s\n", strings.Join(e.Admission, ", "))
	}
	if len(e.Webhooks) > 0 {
		fmt.Fprintf(&b, "webhooks: %s\n", strings.Join(e.Webhooks, "; "))
	}
	if len(e.Policies) > 0 {
		fmt.Fprintf(&b, "policies: %s\n", strings.Join(e.Policies, "; "))
	}
	for _, rule := range e.Rules {
		fmt.Fprintf(&b, "rule: %s\n", Printable(rule))
	}
	if len(e.NearMisses) > 0 {
		b.WriteByte('\n')
		ans.writeTable(&b, missColumns, toRows(e.NearMisses))
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}
