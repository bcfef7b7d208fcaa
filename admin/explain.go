package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// Explainer says what would become of a request.
type Explainer interface {
	// Explain takes a request that nobody sends through the filters and the director, up
	// to its handler. It changes nothing and counts nothing. The error is a 400 that names
	// the parameter.
	Explain(ExplainRequest) (Explanation, *Error)
}

// ExplainRequest is the request asked about, as the query has it: "" is the default.
// Source: the contract, GET /admin/v1/explain.
type ExplainRequest struct {
	Method, Path, Listener string // Path is a request target, with its own query
	User                   string // stands for a successful authentication
	Groups                 []string
	Headers                []string // Name: value
}

// Explanation is what would become of a request. Source: the contract, GET
// /admin/v1/explain.
type Explanation struct {
	Request        ExplainedRequest `json:"request" doc:"the request asked about, with what was added to it"`
	RequestInfo    *RequestInfo     `json:"requestInfo" doc:"what it is about; null when it is answered before that is known"`
	Steps          List[Step]       `json:"steps" doc:"filters it enters and servers it is offered to, in order; the last answers it or takes it"`
	Delegation     List[Visit]      `json:"delegation" doc:"servers that the director asked, in order; also when a filter answers later"`
	Server         *string          `json:"server" doc:"server that takes it; null when a filter answers, or nobody takes it"`
	Route          *RouteRef        `json:"route" doc:"its route; null when it has none, or a filter answers"`
	ReachesHandler bool             `json:"reachesHandler" doc:"whether a handler would be called"`
	NearMisses     List[NearMiss]   `json:"nearMisses" doc:"at most five routes that lack exactly one thing to take it"`
	WouldAnswer    *WouldAnswer     `json:"wouldAnswer" doc:"the answer; null when a handler would give it"`
}

// ExplainedRequest is the request, as it goes into the chain. Values of headers that may
// hold secrets come as REDACTED, as do those of parameters that Kubernetes does not define.
type ExplainedRequest struct {
	Method   string       `json:"method" doc:"HTTP method"`
	Path     string       `json:"path" doc:"path, decoded, and query"`
	Listener string       `json:"listener" doc:"http or https"`
	User     string       `json:"user" doc:"user asked for; empty: its headers say"`
	Groups   List[string] `json:"groups" doc:"groups of that user, completed"`
	Headers  List[string] `json:"headers" doc:"header lines asked for; values that may be secret are REDACTED"`
}

// RequestInfo is what method, path and query say of a request.
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

// Step is one filter or router on the way.
type Step struct {
	Position *int   `json:"position" doc:"place in the chain, from 1; null behind the chain"`
	Stage    string `json:"stage" doc:"filter, director, container, mux or not-found"`
	Name     string `json:"name" doc:"name of the filter or server"`
	Decision string `json:"decision" doc:"passed, answered or would-wait"`
	Why      string `json:"why" doc:"the reason, for people"`
	Rule     string `json:"rule" doc:"flag, rule or pattern that decided, or empty"`
}

// Visit is one server that the director asked.
type Visit struct {
	Server   string `json:"server" doc:"name of the server"`
	Decision string `json:"decision" doc:"declined, passed (to a route) or answered"`
	By       string `json:"by" doc:"container or mux"`
	Why      string `json:"why" doc:"the reason, for people"`
}

// RouteRef is the route of a request.
type RouteRef struct {
	ID           string `json:"id" doc:"server:kind:method:pattern"`
	RegisteredAt string `json:"registeredAt" doc:"file:line that registered it"`
	Handler      string `json:"handler" doc:"function or type that serves it"`
	Operation    string `json:"operation" doc:"name of the operation"`
}

// NearMiss is a route that almost took the request.
type NearMiss struct {
	Route        string `json:"route" doc:"id of the route"`
	Lacks        Lack   `json:"lacks" doc:"the one thing that keeps it from taking the request"`
	RegisteredAt string `json:"registeredAt" doc:"file:line that registered it"`
}

// Lack is what a request would have to have for a route.
type Lack struct {
	What string `json:"what" doc:"method, segment, version, content-type or accept"`
	Want string `json:"want" doc:"what the route has; empty: a segment too many"`
	Got  string `json:"got" doc:"what the request has; empty: it is missing"`
}

// WouldAnswer is an answer that no handler gives. Headers leave out what every answer has.
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

func serveExplain(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "path", "method", "listener", "user", "group", "header", "pretty", "wide"); err != nil {
		return err
	}
	for _, name := range []string{"path", "method", "listener", "user"} {
		if v := ans.query[name]; len(v) > 1 {
			return badValue(name, strings.Join(v, ", "), "one value")
		}
	}
	if ans.query.Get("path") == "" {
		return badRequest("query parameter path is missing: it is the request target to explain, such as /api/v1/namespaces")
	}
	q := ExplainRequest{Method: ans.query.Get("method"), Path: ans.query.Get("path"), Listener: ans.query.Get("listener"), User: ans.query.Get("user"), Groups: ans.query["group"], Headers: ans.query["header"]}
	var e Explanation
	var err *Error
	env := a.moment(ans, func() { e, err = a.src.Explain(q) })
	if err != nil {
		return err
	}
	if ans.form == formText {
		return ans.replyExplanation(e)
	}
	return ans.reply(http.StatusOK, explanation{env, e})
}

var (
	stepColumns = columns{"POS=position", "STAGE=stage", "NAME=name", "DECISION=decision", "WHY=why"}
	missColumns = columns{"NEAR-MISS=route", "LACKS=lacks.what", "WANT=lacks.want", "GOT=lacks.got", "REGISTERED=registeredAt"}
)

// replyExplanation answers with the steps, a line for what comes of it, and the routes
// that almost matched.
func (ans *answer) replyExplanation(e Explanation) *Error {
	var b bytes.Buffer
	ans.table(&b, stepColumns, boxed(e.Steps))
	switch w := e.WouldAnswer; {
	case w == nil && e.Route != nil:
		fmt.Fprintf(&b, "reaches %s, %s, registered at %s\n", Printable(e.Route.ID), e.Route.Handler, e.Route.RegisteredAt)
	case w.Status == 0:
		fmt.Fprintf(&b, "cut by %s: %s\n", w.By, Printable(w.Message))
	default:
		fmt.Fprintf(&b, "%d %s by %s: %s\n", w.Status, http.StatusText(w.Status), w.By, Printable(w.Message))
	}
	if len(e.NearMisses) > 0 {
		b.WriteByte('\n')
		ans.table(&b, missColumns, boxed(e.NearMisses))
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}
