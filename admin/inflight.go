package admin

import (
	"net/http"
	"slices"
	"strconv"
)

// Requests under way: GET /admin/v1/inflight.
//
// A row is a view of a request that goes on while it is shown, so what it will become
// (server, route, status) is null until it is known. The counts above the rows cover what
// matched the query and are made here, of the same rows that are shown: they always agree,
// which counters kept by the program beside the table would not.

// RequestFacts are what a request asks for: the keys that a request has in common while it
// is under way and after it has ended. Text of the client is cut and made valid UTF-8, and
// values of parameters that Kubernetes does not define come as REDACTED.
//
// Both shapes embed it first, since the keys of an embedded struct stand in JSON where the
// struct stands. What they share further on (groups, addresses, bytes) is not in it: there
// it alternates with keys whose meaning differs before and after the end.
type RequestFacts struct {
	// Which request it is.
	ID       string `json:"id" doc:"unique in the process"`
	AuditID  string `json:"auditID" doc:"what the client has in Audit-Id"`
	Listener string `json:"listener" doc:"http or https"`

	// What it sent.
	Method string `json:"method" doc:"HTTP method"`
	Path   string `json:"path" doc:"path, decoded"`
	Query  string `json:"query" doc:"query; values that Kubernetes does not define are REDACTED"`

	// What that means, by the rules of the API; Verb is empty until they were applied.
	Verb      string `json:"verb" doc:"Kubernetes verb, or the method in lower case"`
	Resource  string `json:"resource" doc:"plural[.group][/subresource], or empty"`
	Namespace string `json:"namespace" doc:"namespace, or empty"`
	Name      string `json:"name" doc:"object name, or empty"`
}

// Request shows one request under way. Its times are since it came, its bytes those of
// bodies. Source: the contract, GET /admin/v1/inflight and Nothing secret.
type Request struct {
	RequestFacts

	// Who sent it, and from where.
	User           string       `json:"user" doc:"user in force; empty before authentication"`
	Groups         List[string] `json:"groups" doc:"groups of that user"`
	ImpersonatedBy string       `json:"impersonatedBy" doc:"the real user, where another is in force"`
	RemoteAddr     string       `json:"remoteAddr" doc:"address of the client"`
	UserAgent      string       `json:"userAgent" doc:"User-Agent, cut at 256 bytes"`

	// Where it is.
	Server *string `json:"server" doc:"server that took it; null until known"`
	Route  *string `json:"route" doc:"id of its route; null until known"`
	Filter string  `json:"filter" doc:"filter it is in, or director or handler"`

	// How far it is.
	ReceivedAt  Time         `json:"receivedAt" doc:"when it came"`
	AgeMs       float64      `json:"ageMs" doc:"time since, in milliseconds"`
	BytesIn     int64        `json:"bytesIn" doc:"body bytes read"`
	BytesOut    int64        `json:"bytesOut" doc:"body bytes written"`
	LongRunning bool         `json:"longRunning" doc:"whether it has no time limit"`
	Status      *int         `json:"status" doc:"status sent; null until the header is"`
	Stack       List[string] `json:"stack" doc:"where its handler is, with stack=true: function file:line, the innermost first; of requests that are not long-running with --request-stacks alone"`
}

// Places counts what runs on one listener. The package sets ReadOnly, Mutating and
// LongRunning itself, by what matched the query; the Source sets the rest.
type Places struct {
	Listener      string `json:"listener" doc:"http or https"`
	ReadOnly      int64  `json:"readOnly" doc:"requests with verb get, list or watch that are not long-running"`
	ReadOnlyLimit int64  `json:"readOnlyLimit" doc:"most of those at once; 0: no limit"`
	Mutating      int64  `json:"mutating" doc:"all other requests that are not long-running"`
	MutatingLimit int64  `json:"mutatingLimit" doc:"most of those at once; 0: no limit"`
	LongRunning   int64  `json:"longRunning" doc:"long-running requests, which have no limit"`
	Abandoned     int64  `json:"abandoned" doc:"handlers that go on after their request's time limit; the query does not choose among them"`
}

// Groups counts requests by what they are; the keys of each map are values of the rows.
type Groups struct {
	Verb        Map[int] `json:"verb" doc:"requests by verb"`
	Resource    Map[int] `json:"resource" doc:"requests by resource"`
	User        Map[int] `json:"user" doc:"requests by user"`
	Listener    Map[int] `json:"listener" doc:"requests by listener"`
	LongRunning Map[int] `json:"longRunning" doc:"requests by whether they have no time limit"`
}

// inFlight is the answer of /admin/v1/inflight.
type inFlight struct {
	envelope
	Total  int          `json:"total" doc:"requests that matched the query, before limit"`
	Counts List[Places] `json:"counts" doc:"how many of those run on each listener, and its limits"`
	Groups Groups       `json:"groups" doc:"how many of those there are of each kind"`
	Items  List[any]    `json:"items" doc:"the requests, oldest first"`
}

// serveInFlight serves the requests under way. stack=true adds where the handlers of some
// of them are, as a field and, in text, as a column.
func serveInFlight(a *api, ans *answer) *Error {
	q, err := parseRowQuery(ans.query, Request{}, "stack")
	if err != nil {
		return err
	}
	cols := inFlightColumns
	var requests []Request
	var v inFlight
	v.envelope = a.readStable(ans, func() { requests, v.Counts = a.src.InFlight() })
	if with, _ := strconv.ParseBool(ans.query.Get("stack")); with {
		// Behind them is a profile of every goroutine, so they are read once and not again with
		// the rows: a request that ended meanwhile has none.
		stacks := a.src.RequestStacks()
		for i := range requests {
			requests[i].Stack = stacks[requests[i].ID]
		}
		cols = append(slices.Clone(cols), "STACK=stack")
	}
	kept := q.matching(toRows(requests))
	// Counted before the page is cut: the counts are of what matched, not of what is shown.
	v.Total, v.Groups = len(kept), groupRequests(kept)
	countPlaces(v.Counts, kept)
	v.Items = q.page(kept)
	if ans.form == formText {
		return ans.replyTable(cols, v.Items)
	}
	return ans.reply(http.StatusOK, v)
}

// groupRequests counts rows, which are Requests, by each of the contract's five keys. What
// is not known yet counts under "".
func groupRequests(rows []any) Groups {
	g := Groups{Map[int]{}, Map[int]{}, Map[int]{}, Map[int]{}, Map[int]{}}
	for _, row := range rows {
		r := row.(Request)
		g.Verb[r.Verb]++
		g.Resource[r.Resource]++
		g.User[r.User]++
		g.Listener[r.Listener]++
		g.LongRunning[strconv.FormatBool(r.LongRunning)]++
	}
	return g
}

// countPlaces sets the counts of places from rows, which are Requests: each takes one place
// of its listener, as the limits on requests in flight count them.
func countPlaces(places []Places, rows []any) {
	for i := range places {
		p := &places[i]
		p.ReadOnly, p.Mutating, p.LongRunning = 0, 0, 0
		for _, row := range rows {
			switch r := row.(Request); {
			case r.Listener != p.Listener || r.Verb == "":
				// Without a verb it has not come as far as the limits.
			case r.LongRunning:
				p.LongRunning++
			case r.Verb == "get" || r.Verb == "list" || r.Verb == "watch":
				p.ReadOnly++
			default:
				p.Mutating++
			}
		}
	}
}
