// Package admin serves the inspection API: what a running program is doing, and why, over
// HTTP on a listener of its own. It also takes the few changes an operator may make: the
// controls (drain, log level, faults), reset, and the load of a snapshot. Its contract is
// the admin contract, version v1, which fixes paths, keys, forms and the order of checks.
//
// What comes in is a Source, an interface that the program implements, and Options, the
// functions that judge a request (host names, identity, authorisation). What goes out is
// one http.Handler, made by New. The package knows nothing of the program beyond the
// Source, keeps no goroutine beyond a request and no state but the number of open streams;
// the program in turn knows nothing of media types, checks and rows. The handler is called
// concurrently, and calls the Source and the Options concurrently.
//
// The shapes in which the program fills its rows (Server, Route, Request and so on) carry
// two struct tags: json is the key, doc is its meaning. The index, the OpenAPI document,
// the query parameters and the columns of text tables are all derived from these shapes
// and from the table of endpoints, so that a new field needs no second place.
//
//	handler := admin.New(source{p}, admin.Options{
//		CheckPath:   checkPath,
//		HostAllowed: hosts.allowed,
//		UnixSocket:  overUnixSocket,
//		Identify:    identify,
//		Authorize:   authorize,
//		AuditID:     auditID,
//		Now:         time.Now,
//	})
//	err := (&http.Server{Handler: handler}).Serve(listener)
//
// A request passes the checks of admin.go and, when it changes something, those of
// change.go; then the row of endpoints.go that serves its path. Each endpoint that is more
// than a list has a file with its shapes and its handler: inflight.go, timeline.go,
// requests.go, store.go, explain.go, owners.go, stream.go, profiles.go, bundle.go, openapi.go, page.go
// and, over control.go, drain.go, loglevel.go and faults.go. rows.go selects and sorts the
// rows of lists, text.go prints them for people, body.go reads what a change sends.
//
// The package belongs to this program: there is no promise of compatibility to others.
package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Error refuses a request. The client gets it as a Kubernetes Status in JSON, whatever
// form it accepts. A nil *Error is success; functions here return *Error, not error, so
// that no caller can lose the status.
type Error struct {
	// Code is the HTTP status, from 400 on, and Reason the Status reason that goes with
	// it, such as Forbidden.
	Code   int
	Reason string

	// Message is for people; it names the header, parameter or path at fault. What it
	// quotes of the client must be cut.
	Message string

	// Close ends the connection after the answer, for requests whose framing is in doubt:
	// what follows on the connection could be read as another request.
	Close bool

	// Causes say what is wrong with each field of a body. Only a 422 has them.
	Causes []Cause

	// Private is the part of the reason that the client must not learn. It reaches the
	// log through Source.Refused and must hold no credentials.
	Private string

	// methods is the Allow header of a 405. It is empty where CheckPath refuses, since no
	// endpoint is known then; GET, HEAD is sent in its place.
	methods string
}

// Cause says what is wrong with one field of a body. Reason is one of Kubernetes' causes,
// such as FieldValueInvalid; Field is the path of the field, such as rules[0].percent.
type Cause struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Field   string `json:"field"`
}

// Error returns the message, so that an *Error can be logged as an error.
func (e *Error) Error() string { return e.Message }

// Options judge requests on behalf of the program. All functions must be set; they are
// called concurrently and must not block. The zero value serves nothing.
type Options struct {
	// CheckPath makes check 1: it refuses a path that is not canonical and a request
	// whose framing or size is out of bounds, as the serving listeners do. It returns nil
	// for a request that may go on.
	CheckPath func(*http.Request) *Error

	// HostAllowed makes check 2: it reports whether a Host header, with or without a
	// port, is a name of this server.
	HostAllowed func(hostport string) bool

	// UnixSocket reports whether a request came over a socket in the file system. No
	// browser can reach one, so checks 2 and 3 are left out for it.
	UnixSocket func(*http.Request) bool

	// Identify makes check 4: it returns who asks, or the 401.
	Identify func(*http.Request) (Identity, *Error)

	// Authorize makes check 7: it reports whether somebody holds a role at the path of an
	// endpoint. An error means that it cannot be decided; the client gets a 500 without
	// its text.
	Authorize func(ctx context.Context, who Identity, role, path string) (held bool, err error)

	// Profiling offers /debug/pprof/. Without it the path is 404, for every role.
	Profiling bool

	// AuditID returns the Audit-Id of the answer. It is called once for each request,
	// before any check.
	AuditID func(*http.Request) string

	// Now is the clock of "at" and of ages in text.
	Now func() time.Time
}

// New returns the handler of the admin listener. It answers the endpoints of the contract
// and nothing else; GET and HEAD never change anything. src and the functions of o must be
// ready before the first request.
func New(src Source, o Options) http.Handler {
	return &api{
		Options:    o,
		src:        src,
		endpoints:  endpoints(o.Profiling),
		pagePolicy: pagePolicy(string(page)),
		limits:     defaultStreamLimits,
	}
}

// api is the handler that New returns. Everything but its locks and counters is set once.
type api struct {
	Options
	src       Source
	endpoints []endpoint

	// pagePolicy is the Content-Security-Policy of the page, made once since it holds the
	// hashes of the page's script and style.
	pagePolicy string
	limits     streamLimits

	// controlMu is held while a control is changed, from the last look at If-Match until
	// the answer is read back.
	controlMu sync.Mutex

	// bundling is true while a bundle is put together: one is made at a time.
	bundling atomic.Bool

	// openStreams counts the streams that hold a place.
	openStreams atomic.Int32
}

// ServeHTTP makes the checks in the contract's order; the first that fails answers. HEAD
// is handled as GET, since net/http leaves out the body.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// These hold for refusals as well, so they are set before the first check. The page
	// and the stream replace what they need otherwise.
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Audit-Id", a.AuditID(r))
	ans := &answer{w: w, r: r, controls: func() []Control { return a.src.Status().Controls }}
	// A refusal has an ETag too: a 412 tells its client the generation to send next.
	ans.setMoment(a.src.Generation(), a.Now())
	if err := a.handle(ans); err != nil {
		a.refuse(ans, err)
	}
}

// handle makes checks 1 to 8 and lets the endpoint serve. It returns what refused the
// request, or nil once an answer was written.
//
// The order is part of the contract, and each check may rely on those before it: nothing
// reads the path before it is known to be canonical, nobody learns which paths exist
// before they said who they are, and no body is read before its sender is authorised.
func (a *api) handle(ans *answer) *Error {
	if err := a.CheckPath(ans.r); err != nil {
		return err
	}
	if !a.UnixSocket(ans.r) {
		if err := a.checkBrowser(ans.r); err != nil {
			return err
		}
	}
	who, err := a.Identify(ans.r)
	if err != nil {
		return err
	}
	ans.who = who
	e, err := a.findEndpoint(ans)
	if err != nil {
		return err
	}
	if err := e.checkMethod(ans.r.Method); err != nil {
		return err
	}
	if err := a.checkRole(e, ans); err != nil {
		return err
	}
	if err := ans.readForm(e); err != nil {
		return err
	}
	if m := ans.r.Method; m != http.MethodGet && m != http.MethodHead {
		return a.change(e, ans)
	}
	return e.serve(a, ans)
}

// readForm makes check 8: it agrees on the form of the answer (406) and parses the query
// (400). Which parameters an endpoint knows is for the endpoint to check.
func (ans *answer) readForm(e *endpoint) *Error {
	form, ok := negotiate(ans.r.Header.Values("Accept"), e.forms)
	if !ok {
		message := e.path + " is offered as " + strings.Join(e.forms, " and ") + " only"
		return &Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: message}
	}
	// URL.Query would drop what it cannot parse, and a filter that was dropped shows rows
	// that nobody asked for.
	query, parseErr := url.ParseQuery(ans.r.URL.RawQuery)
	if parseErr != nil {
		return badRequest("the query cannot be read: " + truncate(parseErr.Error(), 128))
	}
	ans.form, ans.query = form, query
	return nil
}

// checkBrowser makes checks 2 and 3, which keep web pages out. Host must be a name of this
// server: a page whose own name was made to resolve to this address (DNS rebinding) does
// not know one. Origin, when sent, must be the listener's own. A page of another site is
// refused, and so is what a page can send without asking (no-cors). Source: the contract,
// checks 2 and 3; Fetch Metadata Request Headers, 2.
func (a *api) checkBrowser(r *http.Request) *Error {
	if !a.HostAllowed(r.Host) {
		return forbidden(fmt.Sprintf(
			"the Host %q is not a name of this server: use localhost or its address, or allow the name with --allowed-hosts",
			truncate(r.Host, 256)))
	}
	own := "http://" + r.Host
	if r.TLS != nil {
		own = "https://" + r.Host
	}
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	// Origin decides where there is one: it cannot be forged by a page, and a browser that
	// sends our own may come over a link of another site.
	if origin := r.Header.Values("Origin"); len(origin) > 0 {
		if len(origin) > 1 || !strings.EqualFold(origin[0], own) {
			return forbidden(fmt.Sprintf("the Origin %q may not use the admin API: only its own page may", truncate(origin[0], 256)))
		}
	} else if site == "cross-site" {
		return forbidden("a web page of another site may not use the admin API")
	}
	// An <img> or <script> of a page on another port sends no Origin and is same-site. Tools
	// send neither header, and an address line has "none".
	if mode == "no-cors" && site != "same-origin" && site != "none" {
		return forbidden("a web page may not use the admin API without asking (Sec-Fetch-Mode: no-cors)")
	}
	return nil
}

// findEndpoint makes check 5: it returns the endpoint of the path, or a 404. Paths match
// exactly, but for profiles: the part of the path below theirs names one and is kept in
// ans.profile.
func (a *api) findEndpoint(ans *answer) (*endpoint, *Error) {
	path := ans.r.URL.Path
	for i := range a.endpoints {
		e := &a.endpoints[i]
		below, isBelow := strings.CutPrefix(path, e.path)
		if path == e.path || isBelow && e.path == pprofPath && isProfile(below) {
			ans.profile = below
			return e, nil
		}
	}
	message := fmt.Sprintf("nothing is served at %q: /admin/ lists what is", truncate(path, 256))
	if path == "/" {
		message = "nothing is served here: the admin API begins at /admin/"
	}
	return nil, &Error{Code: http.StatusNotFound, Reason: "NotFound", Message: message}
}

// checkMethod makes check 6: it refuses a method that has no role at the endpoint with a
// 405. HEAD is allowed where GET is. OPTIONS is allowed nowhere, since a preflight that
// succeeded would let other origins in.
func (e *endpoint) checkMethod(method string) *Error {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if _, ok := e.roles[method]; ok {
		return nil
	}
	return &Error{
		Code:    http.StatusMethodNotAllowed,
		Reason:  "MethodNotAllowed",
		Message: fmt.Sprintf("%s takes %s, not %q", e.path, e.allow(), truncate(method, 32)),
		methods: e.allow(),
	}
}

// reported are the statuses of which the program is told, for the audit log: the refusals
// that say something about the caller, not those of a mistyped query.
var reported = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
	http.StatusPreconditionFailed, http.StatusUnsupportedMediaType, http.StatusPreconditionRequired,
}

// refuse answers with the Status of e and then tells the Source of those in reported.
func (a *api) refuse(ans *answer, e *Error) {
	ans.replyStatus(e)
	if !slices.Contains(reported, e.Code) {
		return
	}
	r := ans.r
	a.src.Refused(Refusal{
		AuditID: ans.w.Header().Get("Audit-Id"), Method: truncate(r.Method, 32), Path: truncate(r.URL.Path, 2048),
		RemoteAddr: r.RemoteAddr, UserAgent: truncate(r.UserAgent(), 256), By: ans.who,
		Code: e.Code, Reason: e.Reason, Message: e.Message, Private: e.Private,
	})
}
