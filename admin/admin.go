// Package admin is the inspection API: what a running program is doing, and why, over
// HTTP on a listener of its own. It knows nothing of the program but the Source it is
// given; the program knows nothing of forms, checks and rows.
//
// Every answer, and the order of checks before it, is the admin contract, version v1.
package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Error is a refusal, rendered as a Kubernetes Status. Close ends the connection, where
// its framing is in doubt.
type Error struct {
	Code            int // HTTP status
	Reason, Message string
	Close           bool
	allow           string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Options are what the package needs beside the Source. All functions must be set; they
// may be called concurrently.
type Options struct {
	CheckPath   func(*http.Request) *Error // check 1: the path, as the serving side checks it; nil is fine
	HostAllowed func(hostport string) bool // check 2: whether Host is a name of ours
	UnixSocket  func(*http.Request) bool   // sockets in the file system skip checks 2 and 3
	Profiling   bool                       // whether /debug/pprof/ is there
	AuditID     func(*http.Request) string // the Audit-Id of an answer
	Now         func() time.Time           // the clock of "at"
}

// New is the handler of the admin listener.
func New(src Source, o Options) http.Handler {
	return &api{src: src, Options: o, endpoints: endpoints(o.Profiling)}
}

type api struct {
	Options
	src       Source
	endpoints []endpoint
}

// endpoint is one row of the API.
type endpoint struct {
	path    string // with a slash at the end for /admin/ and /debug/pprof/, which take what is below
	role    string
	summary string
	item    any  // zero item of a list, or the answer's own shape: its keys are described
	list    bool // whether item is an item
	serve   func(*api, *answer) *Error
}

// answer is one request and what its endpoint says.
type answer struct {
	w          http.ResponseWriter
	r          *http.Request
	query      url.Values
	generation int64
	at         time.Time
	text       bool // text/plain is wanted
	below      string
}

// ServeHTTP checks in the contract's order and answers. HEAD is GET without a body.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Audit-Id", a.AuditID(r))
	ans := &answer{w: w, r: r, generation: a.src.Generation(), at: a.Now()}
	h.Set("ETag", `"`+strconv.FormatInt(ans.generation, 10)+`"`)
	if err := a.handle(ans); err != nil {
		a.refuse(ans, err)
	}
}

func (a *api) handle(ans *answer) *Error {
	r := ans.r
	if err := a.CheckPath(r); err != nil {
		return err
	}
	if !a.UnixSocket(r) {
		if err := a.checkBrowser(r); err != nil {
			return err
		}
	}
	e := a.find(ans)
	if e == nil {
		message := fmt.Sprintf("no endpoint at %s: /admin/ lists them", cut(r.URL.Path, 256))
		if r.URL.Path == "/" {
			message = "nothing is served here: the admin API begins at /admin/"
		}
		return &Error{Code: http.StatusNotFound, Reason: "NotFound", Message: message}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &Error{Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed", Message: fmt.Sprintf("%s is not possible for %s", cut(r.Method, 32), e.path), allow: "GET, HEAD"}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: "the query cannot be read: " + cut(err.Error(), 128)}
	}
	ans.query = query
	return e.serve(a, ans)
}

// checkBrowser keeps web pages out: Host must be ours, Origin our own, and a page of
// another site, or a request that a page sends without asking (no-cors), is refused.
// Source: the contract, checks 2 and 3; Fetch Metadata.
func (a *api) checkBrowser(r *http.Request) *Error {
	forbid := func(format string, args ...any) *Error {
		return &Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: fmt.Sprintf(format, args...)}
	}
	if !a.HostAllowed(r.Host) {
		return forbid("the Host %q is not a name of this server: use localhost or its address, or allow the name with --allowed-hosts", cut(r.Host, 256))
	}
	site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	if o := r.Header.Values("Origin"); len(o) > 0 {
		if len(o) > 1 || !strings.EqualFold(o[0], "http://"+r.Host) {
			return forbid("the Origin %q may not use the admin API: only its own page may", cut(o[0], 256))
		}
	} else if site == "cross-site" {
		return forbid("a web page of another site may not use the admin API")
	}
	if mode == "no-cors" && site != "same-origin" && site != "none" {
		return forbid("a web page may not use the admin API without asking (no-cors)")
	}
	return nil
}

// find is the endpoint of a path.
func (a *api) find(ans *answer) *endpoint {
	path := ans.r.URL.Path
	for i := range a.endpoints {
		e := &a.endpoints[i]
		if path == e.path {
			return e
		}
		if below, ok := strings.CutPrefix(path, e.path); ok && e.path == pprofPath {
			if !slices.Contains(profileNames, below) {
				return nil
			}
			ans.below = below
			return e
		}
	}
	return nil
}

// refuse answers with a Status, in JSON whatever was accepted, and reports what the
// audit log wants to know.
func (a *api) refuse(ans *answer, e *Error) {
	h := ans.w.Header()
	h.Set("Content-Type", "application/json")
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.Close {
		h.Set("Connection", "close")
	}
	b, _ := json.Marshal(struct {
		Kind       string   `json:"kind"`
		APIVersion string   `json:"apiVersion"`
		Metadata   struct{} `json:"metadata"`
		Status     string   `json:"status"`
		Message    string   `json:"message"`
		Reason     string   `json:"reason"`
		Code       int      `json:"code"`
	}{"Status", "v1", struct{}{}, "Failure", e.Message, e.Reason, e.Code})
	ans.w.WriteHeader(e.Code)
	_, _ = ans.w.Write(append(b, '\n'))
	switch e.Code {
	case 401, 403, 405, 412, 415, 428:
		r := ans.r
		a.src.Refused(Refusal{h.Get("Audit-Id"), r.Method, r.URL.Path, r.RemoteAddr, r.UserAgent(), e.Code, e.Reason, e.Message})
	}
}

// negotiate chooses between what the endpoint offers: JSON, and text where text is
// true. It sets the Content-Type.
func (ans *answer) negotiate(text bool) *Error {
	accept := strings.Join(ans.r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		accept = "*/*"
	}
	best, bestQ := "", 0.0
	for clause := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(clause, ";")
		q := 1.0
		for p := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				f, err := strconv.ParseFloat(v, 64)
				if err != nil {
					f = 0
				}
				q = f
			}
		}
		offer := ""
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/json", "*/*", "application/*":
			offer = "application/json"
		case "text/plain", "text/*":
			if text {
				offer = "text/plain; charset=utf-8"
			}
		}
		if offer != "" && q > bestQ {
			best, bestQ = offer, q
		}
	}
	if best == "" {
		return &Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: "only application/json and text/plain are offered here"}
	}
	ans.text = best != "application/json"
	ans.w.Header().Set("Content-Type", best)
	return nil
}

// writeJSON sends v on one line, or indented for ?pretty=true.
func (ans *answer) writeJSON(v any) *Error {
	b, err := json.Marshal(v)
	if ans.query.Get("pretty") == "true" {
		b, err = json.MarshalIndent(v, "", "  ")
	}
	if err != nil {
		return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the answer cannot be encoded: " + err.Error()}
	}
	_, _ = ans.w.Write(append(b, '\n')) // an error is the client's going
	return nil
}

// cut shortens a client's text to n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
