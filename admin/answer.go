package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An answer is one request on its way through the checks and the endpoint, and what is
// known of its reply so far. This file writes replies; which there are is for endpoints.
//
// Every reply but the stream, a snapshot and a profile is made whole before its first
// byte: it has a Content-Length, which HEAD then has too, and what fails while it is made
// can still be a 500.

// answer belongs to one request and to the goroutine that serves it.
type answer struct {
	w http.ResponseWriter
	r *http.Request

	// query and form are set by readForm: the parsed query and the Content-Type agreed
	// upon, one of the endpoint's forms.
	query url.Values
	form  string

	// profile is the part of the path below /debug/pprof/; empty elsewhere.
	profile string

	// who is the caller, the zero value until check 4.
	who Identity

	// generation and at are the moment the answer holds for; see setMoment.
	generation int64
	at         time.Time

	// controls returns the controls that are on, for the lines above text.
	controls func() []Control
}

// setMoment sets the moment that the answer holds for, and the ETag with it. A later call
// replaces an earlier one, as long as the header is not sent.
func (ans *answer) setMoment(generation int64, at time.Time) {
	ans.generation, ans.at = generation, at
	ans.w.Header().Set("ETag", `"`+strconv.FormatInt(generation, 10)+`"`)
}

// status is the Kubernetes Status of a refusal, with its keys in upstream's order.
type status struct {
	Kind       string         `json:"kind"`
	APIVersion string         `json:"apiVersion"`
	Metadata   struct{}       `json:"metadata"`
	Status     string         `json:"status"`
	Message    string         `json:"message"`
	Reason     string         `json:"reason"`
	Details    *statusDetails `json:"details,omitempty"`
	Code       int            `json:"code"`
}

// statusDetails is the part of a Status that only a 422 has.
type statusDetails struct {
	Causes []Cause `json:"causes"`
}

// replyStatus answers with e as a Status. ?pretty=true indents it like any other answer.
func (ans *answer) replyStatus(e *Error) {
	h := ans.w.Header()
	if e.Code == http.StatusMethodNotAllowed {
		// RFC 9110, 15.5.6: a 405 must have an Allow.
		h.Set("Allow", cmp.Or(e.methods, "GET, HEAD"))
	}
	if e.Close {
		h.Set("Connection", "close")
	}
	s := status{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: e.Message, Reason: e.Reason, Code: e.Code}
	if len(e.Causes) > 0 {
		s.Details = &statusDetails{e.Causes}
	}
	// A refusal is JSON even where the request agreed on text or on nothing.
	ans.form = formJSON
	_ = ans.reply(e.Code, s) // a Status can always be encoded
}

// reply answers with v as JSON, on one line or indented for ?pretty=true. It returns a 500
// for a number that JSON does not have (NaN, an infinity), which is a defect of the Source.
func (ans *answer) reply(code int, v any) *Error {
	// A pretty that is no truth value is false here: endpoints have refused it, and this may
	// be that refusal.
	b, err := json.Marshal(v)
	if pretty, _ := strconv.ParseBool(ans.query.Get("pretty")); pretty {
		b, err = json.MarshalIndent(v, "", "  ")
	}
	if err != nil {
		return internalError("the answer cannot be encoded: " + err.Error())
	}
	ans.send(code, append(b, '\n'))
	return nil
}

// send writes a whole answer in the form agreed upon. Text begins with a line for each
// control that is on, since nothing else on a terminal would say so.
func (ans *answer) send(code int, body []byte) {
	if ans.form == formText {
		body = append(ans.controlLines(), body...)
	}
	h := ans.w.Header()
	h.Set("Content-Type", ans.form)
	// Said here and not left to net/http: HEAD writes no body from which it could count.
	h.Set("Content-Length", strconv.Itoa(len(body)))
	ans.w.WriteHeader(code)
	_, _ = ans.w.Write(body) // it fails when the client has gone
}

// truncate returns at most n bytes of a client's text, with what is not UTF-8 replaced.
// The result may be longer than n bytes, since a replacement character has three.
//
//go:noinline
func truncate(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// badRequest returns a 400 with a message for people.
func badRequest(message string) *Error {
	return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: message}
}

// forbidden returns a 403 with a message for people.
func forbidden(message string) *Error {
	return &Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: message}
}

// internalError returns a 500 with a message for people.
func internalError(message string) *Error {
	return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: message}
}

// tooMany returns a 429 and sets Retry-After to a second.
func (ans *answer) tooMany(message string) *Error {
	ans.w.Header().Set("Retry-After", "1")
	return &Error{Code: http.StatusTooManyRequests, Reason: "TooManyRequests", Message: message}
}
