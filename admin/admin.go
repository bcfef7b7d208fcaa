// Package admin is the inspection API: what a running program is doing, and why, over
// HTTP on a listener of its own. It knows nothing of the program but the Source it is
// given; the program knows nothing of forms, checks and rows.
//
// A request meets the checks here, and in change.go those of what changes something, then
// its row of the table in endpoints.go, which reads the shapes of shapes.go from the
// Source; rows.go chooses among them and text.go writes them for people. identity.go asks
// who it is and what they may. What is not a list is apart: the store, profiles, explain,
// requests that have ended, the stream, and the page for browsers; control.go has what drain,
// log level and faults have in common. bundle.go and openapi.go are made of the table itself.
//
// Every answer, and the order of checks before it, is the admin contract, version v1.
package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Error is a refusal, which the client gets as a Kubernetes Status.
type Error struct {
	Code    int    // HTTP status, from 400 on
	Reason  string // Status reason, such as Forbidden
	Message string // for people; names the header, parameter or path
	Close   bool   // end the connection after it, where its framing is in doubt

	Causes []Cause // of a 422: what is wrong with each field

	Private string // more of the why, for the log alone; no credentials

	methods string // Allow of a 405; "" is GET, HEAD, where CheckPath knows no endpoint yet
}

// Cause is one thing wrong with one field of a body.
type Cause struct {
	Reason  string `json:"reason"` // such as FieldValueInvalid
	Message string `json:"message"`
	Field   string `json:"field"`
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Options are what the package needs beside the Source. All functions must be set; they
// are called concurrently.
type Options struct {
	// CheckPath is check 1: the path, framing and bounds, as the serving side checks
	// them. nil is fine.
	CheckPath func(*http.Request) *Error

	// HostAllowed is check 2: whether a Host header, with or without a port, names us.
	HostAllowed func(hostport string) bool

	// UnixSocket reports whether a request came over a socket in the file system: no
	// browser reaches one, so checks 2 and 3 are left out.
	UnixSocket func(*http.Request) bool

	// Identify is check 4: who asks. Its error is the 401.
	Identify func(*http.Request) (Identity, *Error)

	// Authorize is check 7: whether somebody holds a role at the path of an endpoint. An
	// error means that nobody can tell, and is a 500.
	Authorize func(ctx context.Context, who Identity, role, path string) (held bool, err error)

	// Profiling offers /debug/pprof/; without it the path is 404.
	Profiling bool

	// AuditID is the Audit-Id of the answer. It is asked once for each request.
	AuditID func(*http.Request) string

	// Now is the clock of "at" and of ages in text.
	Now func() time.Time
}

// New is the handler of the admin listener. GET and HEAD never change anything, and it
// answers nothing but the endpoints of the contract.
func New(src Source, o Options) http.Handler {
	return &api{Options: o, src: src, endpoints: endpoints(o.Profiling), pagePolicy: pagePolicy(string(page)), pace: streamPace}
}

type api struct {
	Options
	src         Source
	endpoints   []endpoint
	pagePolicy  string       // Content-Security-Policy of the page, with its hashes
	controlling sync.Mutex   // held while a control is changed
	bundling    atomic.Bool  // a bundle is being put together
	pace        pace         // of streams
	streams     atomic.Int32 // open ones
}

// answer is one request and what its endpoint says.
type answer struct {
	w          http.ResponseWriter
	r          *http.Request
	query      url.Values
	form       string // the Content-Type agreed upon
	below      string // the path below the endpoint's, for profiles
	who        Identity
	generation int64
	at         time.Time
	controls   func() []Control // those that are on
}

// ServeHTTP makes the checks in the contract's order; the first that fails answers.
// HEAD is GET without a body, which net/http leaves out.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Audit-Id", a.AuditID(r))
	ans := &answer{w: w, r: r, controls: func() []Control { return a.src.Status().Controls }}
	ans.holds(a.src.Generation(), a.Now())
	if err := a.handle(ans); err != nil {
		a.refuse(ans, err)
	}
}

// holds sets the moment of the answer.
func (ans *answer) holds(generation int64, at time.Time) {
	ans.generation, ans.at = generation, at
	ans.w.Header().Set("ETag", `"`+strconv.FormatInt(generation, 10)+`"`)
}

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
	e, err := a.find(ans)
	if err != nil {
		return err
	}
	if err := e.checkMethod(ans.r.Method); err != nil {
		return err
	}
	if err := a.checkRole(e, ans); err != nil {
		return err
	}
	form, ok := negotiate(ans.r.Header.Values("Accept"), e.forms)
	if !ok {
		return &Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: e.path + " is offered as " + strings.Join(e.forms, " and ") + " only"}
	}
	query, badly := url.ParseQuery(ans.r.URL.RawQuery)
	if badly != nil {
		return badRequest("the query cannot be read: " + cut(badly.Error(), 128))
	}
	ans.form, ans.query = form, query
	if m := ans.r.Method; m != http.MethodGet && m != http.MethodHead {
		return a.change(e, ans)
	}
	return e.serve(a, ans)
}

// checkBrowser keeps web pages out: Host must be a name of ours, which a page whose own
// name was made to point here (DNS rebinding) does not know; Origin must be the
// listener's own; a page of another site, and what a page sends without asking
// (no-cors), is refused. Source: the contract, checks 2 and 3; Fetch Metadata.
func (a *api) checkBrowser(r *http.Request) *Error {
	if !a.HostAllowed(r.Host) {
		return forbidden(fmt.Sprintf("the Host %q is not a name of this server: use localhost or its address, or allow the name with --allowed-hosts", cut(r.Host, 256)))
	}
	own := "http://" + r.Host
	if r.TLS != nil {
		own = "https://" + r.Host
	}
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	if origin := r.Header.Values("Origin"); len(origin) > 0 {
		if len(origin) > 1 || !strings.EqualFold(origin[0], own) {
			return forbidden(fmt.Sprintf("the Origin %q may not use the admin API: only its own page may", cut(origin[0], 256)))
		}
	} else if site == "cross-site" {
		return forbidden("a web page of another site may not use the admin API")
	}
	if mode == "no-cors" && site != "same-origin" && site != "none" {
		return forbidden("a web page may not use the admin API without asking (Sec-Fetch-Mode: no-cors)")
	}
	return nil
}

// find is the endpoint of the path; below profiles' own, the profile's name is noted.
func (a *api) find(ans *answer) (*endpoint, *Error) {
	path := ans.r.URL.Path
	for i := range a.endpoints {
		e := &a.endpoints[i]
		below, under := strings.CutPrefix(path, e.path)
		if path == e.path || under && e.path == pprofPath && isProfile(below) {
			ans.below = below
			return e, nil
		}
	}
	message := fmt.Sprintf("nothing is served at %q: /admin/ lists what is", cut(path, 256))
	if path == "/" {
		message = "nothing is served here: the admin API begins at /admin/"
	}
	return nil, &Error{Code: http.StatusNotFound, Reason: "NotFound", Message: message}
}

// checkMethod refuses what is in no role of the endpoint. HEAD is GET; OPTIONS is
// nowhere, since nothing here is shared with other origins.
func (e *endpoint) checkMethod(method string) *Error {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if _, ok := e.roles[method]; ok {
		return nil
	}
	return &Error{Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed", Message: fmt.Sprintf("%s takes %s, not %q", e.path, e.allow(), cut(method, 32)), methods: e.allow()}
}

// negotiate is the one of forms that Accept prefers: by quality, then by how exactly it
// is named, then in the order of forms. Parameters but q do not count. Source: RFC 9110,
// 12.5.1.
func negotiate(accept, forms []string) (form string, ok bool) {
	clauses := strings.Join(accept, ",")
	if strings.TrimSpace(clauses) == "" {
		return forms[0], true
	}
	var best float64
	for _, f := range forms {
		kind, _, _ := strings.Cut(f, ";")
		group, _, _ := strings.Cut(kind, "/")
		exactly, quality := 0, 0.0
		for clause := range strings.SplitSeq(clauses, ",") {
			name, params, _ := strings.Cut(clause, ";")
			n := 0
			switch strings.ToLower(strings.TrimSpace(name)) {
			case kind:
				n = 3
			case group + "/*":
				n = 2
			case "*/*":
				n = 1
			}
			if n > exactly {
				exactly, quality = n, qualityOf(params)
			}
		}
		// Adding the exactness cannot outweigh a thousandth, the least step of q.
		if rank := quality + float64(exactly)/10000; quality > 0 && rank > best {
			best, form = rank, f
		}
	}
	return form, form != ""
}

// qualityOf is q of a clause's parameters: 1 without, 0 where it cannot be.
func qualityOf(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(v, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}

// refuse answers with a Status, in JSON whatever was accepted, and reports what the
// audit log wants to know.
func (a *api) refuse(ans *answer, e *Error) {
	h := ans.w.Header()
	if e.Code == http.StatusMethodNotAllowed {
		h.Set("Allow", cmp.Or(e.methods, "GET, HEAD"))
	}
	if e.Close {
		h.Set("Connection", "close")
	}
	ans.form = formJSON
	type details struct {
		Causes []Cause `json:"causes"`
	}
	s := struct {
		Kind       string   `json:"kind"`
		APIVersion string   `json:"apiVersion"`
		Metadata   struct{} `json:"metadata"`
		Status     string   `json:"status"`
		Message    string   `json:"message"`
		Reason     string   `json:"reason"`
		Details    *details `json:"details,omitempty"`
		Code       int      `json:"code"`
	}{"Status", "v1", struct{}{}, "Failure", e.Message, e.Reason, nil, e.Code}
	if len(e.Causes) > 0 {
		s.Details = &details{e.Causes}
	}
	_ = ans.reply(e.Code, s)
	switch e.Code {
	case 401, 403, 405, 412, 415, 428:
		r := ans.r
		a.src.Refused(Refusal{h.Get("Audit-Id"), cut(r.Method, 32), cut(r.URL.Path, 2048), r.RemoteAddr, cut(r.UserAgent(), 256), ans.who, e.Code, e.Reason, e.Message, e.Private})
	}
}

// reply answers with v, on one line or indented for ?pretty=true. The error is that v has
// a number that JSON has not, which is the Source's defect.
func (ans *answer) reply(code int, v any) *Error {
	b, err := json.Marshal(v)
	if pretty, _ := strconv.ParseBool(ans.query.Get("pretty")); pretty {
		b, err = json.MarshalIndent(v, "", "  ")
	}
	if err != nil {
		return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the answer cannot be encoded: " + err.Error()}
	}
	ans.send(code, append(b, '\n'))
	return nil
}

// send writes a whole answer in the form agreed upon; text has a line for each control
// that is on above it. The length is said, so that HEAD has it too.
func (ans *answer) send(code int, body []byte) {
	if ans.form == formText {
		body = append(ans.controlLines(), body...)
	}
	h := ans.w.Header()
	h.Set("Content-Type", ans.form)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	ans.w.WriteHeader(code)
	_, _ = ans.w.Write(body) // an error is the client's going
}

// cut is at most n bytes of a client's text, as valid UTF-8, which may be longer.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func badRequest(message string) *Error {
	return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: message}
}

func forbidden(message string) *Error {
	return &Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: message}
}
