// Package status holds failures as clients get them: upstream's Status object in JSON or
// YAML, or for the few answers that upstream gives as text, the text.
//
// Whatever serves a request returns an error. If it is an *Error it says itself what the
// client gets; any other becomes a bare 500, because its text may name what the client must
// not see. Write turns the error into an answer; behind a chain it hands the error to the
// record of the request, which does so by From, Header and Body, in this order, with Error's
// text for the log. So a handler never writes a failure on its own, and none can tell too much.
//
// An Error may be shared by requests that are served at the same time, and some are variables:
// nobody changes one that came from somewhere else, and no method here changes its receiver.
// The package is internal and promises no compatibility. In short:
//
//	return &status.Error{
//		Code:    http.StatusNotFound,
//		Reason:  "NotFound",
//		Message: `pods "web" not found`,
//		Details: &status.Details{Name: "web", Kind: "pods"},
//	}
package status

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Error is one failure. The zero value of each field but Code leaves something out. Reason,
// Message and Details are data for programs as much as text for people: client-go's
// IsNotFound and its like look at Reason, kubectl prints Message as it is.
type Error struct {
	// What failed.

	// Code is the HTTP status. It is the Status's code as well.
	Code int

	// Reason is upstream's StatusReason, "" for an error that upstream knows none for.
	Reason string

	// Message is for the client, so it says nothing that the client may not know. In a text
	// answer it is the whole body, but for the line end.
	Message string

	// Details is nil for a Status without the key, which differs from one with "details": {}.
	Details *Details

	// RetryAfter is how long the client should wait, in seconds. It is sent as a header and,
	// unless Plain, in the details.
	RetryAfter int

	// Continue is a token for the metadata: a list that expired may go on with it.
	Continue string

	// How it is written.

	// Plain makes the answer text/plain instead of a Status.
	Plain bool

	// YAML writes the Status in YAML, for a client that takes only that.
	YAML bool

	// Pretty indents a Status in JSON whatever the query says, as upstream does where no form
	// of the answer suits the client.
	Pretty bool

	// NoSniff sends X-Content-Type-Options with a Status, where upstream does. Plain text
	// has the header always.
	NoSniff bool

	// Close ends the connection after the answer.
	Close bool

	// Allow is the value of that header, which a 405 must have (RFC 9110, 15.5.6).
	Allow string

	// Cause is for the log and for errors.Is. The client never sees it.
	Cause error
}

// Details is the details of a Status, with the keys in upstream's order.
type Details struct {
	Name              string        `json:"name,omitempty"`
	Group             string        `json:"group,omitempty"`
	Kind              string        `json:"kind,omitempty"`
	UID               string        `json:"uid,omitempty"`
	Causes            []field.Error `json:"causes,omitempty"`
	RetryAfterSeconds int           `json:"retryAfterSeconds,omitempty"`
}

// Status is the wire form, metav1.Status, with the keys in upstream's order. It is only
// ever a failure here.
type Status struct {
	Kind       string     `json:"kind,omitempty"`
	APIVersion string     `json:"apiVersion,omitempty"`
	Metadata   statusMeta `json:"metadata"`
	Status     string     `json:"status,omitempty"`
	Message    string     `json:"message,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Details    *Details   `json:"details,omitempty"`
	Code       int        `json:"code,omitempty"`
}

// statusMeta is a list's metadata as far as a failure has any. It is written even if empty.
type statusMeta struct {
	Continue string `json:"continue,omitempty"`
}

// BadRequest returns the 400 for a request that cannot be understood.
//
//go:noinline
func BadRequest(message string) *Error {
	return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: message}
}

// PlainText returns a failure that is sent as text.
func PlainText(code int, message string) *Error {
	return &Error{Code: code, Message: message, Plain: true}
}

// Invalid returns the 422 for an object with these errors, of which there is at least one.
// All are causes; in the message an error that comes twice is said once (upstream). Details
// have the kind itself, not the resource as a 404 has it. name is empty for an object that
// has none yet, and is quoted even so.
func Invalid(group, kind, name string, errs []field.Error) *Error {
	e := &Error{
		Code:    http.StatusUnprocessableEntity,
		Reason:  "Invalid",
		Details: &Details{Name: name, Group: group, Kind: kind},
	}
	var texts []string
	said := map[string]bool{}
	for _, f := range errs {
		e.Details.Causes = append(e.Details.Causes, f)
		// Texts are compared, not errors: two reasons may have the same one.
		if t := f.String(); !said[t] {
			said[t] = true
			texts = append(texts, t)
		}
	}
	all := strings.Join(texts, ", ")
	if len(texts) > 1 {
		all = "[" + all + "]"
	}
	if group != "" {
		kind += "." + group
	}
	e.Message = kind + " " + strconv.Quote(name) + " is invalid: " + all
	return e
}

// InternalText returns upstream's 500 in plain text for a request that it could not decide
// on. uri is quoted, and neither it nor problem can carry markup: the answer is the one
// place where a client's own text comes back outside of JSON.
func InternalText(uri, problem string) *Error {
	text := "Internal Server Error: " + strconv.Quote(uri) + ": " + problem
	return PlainText(http.StatusInternalServerError, EscapeMarkup(text))
}

// EscapeMarkup makes a client's text harmless to a browser that takes an answer for HTML.
// It escapes &, < and >, and leaves quotes alone: upstream does so in these messages, and
// clients compare them.
func EscapeMarkup(s string) string {
	if !strings.ContainsAny(s, "&<>") {
		return s
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// From returns err as the client will see it. The first *Error in its chain is returned as
// it is, so what was wrapped around it is not shown. Any other error is an internal one:
// the client gets a 500 with auditID to ask about, and the log finds err as the cause. err
// is not nil.
func From(err error, auditID string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{
		Code:    http.StatusInternalServerError,
		Reason:  "InternalError",
		Message: "Internal error occurred: see the log for audit ID " + auditID,
		Cause:   err,
	}
}

// Error returns the text for the log: the message, and the cause if there is one.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

// Unwrap returns the cause, so that errors.Is finds what happened below.
func (e *Error) Unwrap() error { return e.Cause }

// Header puts the failure's own header lines into h. It must run before the status line is
// written, and leaves Content-Type to who writes the body.
func (e *Error) Header(h http.Header) {
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	if e.Plain || e.NoSniff {
		h.Set("X-Content-Type-Options", "nosniff")
	}
	if e.Allow != "" {
		h.Set("Allow", e.Allow)
	}
	if e.Close {
		h.Set("Connection", "close")
	}
}

// Body renders the failure and returns the Content-Type with it. pretty indents a Status in
// JSON (?pretty=true); text and YAML have one form only.
func (e *Error) Body(pretty bool) (contentType string, b []byte) {
	if e.Plain {
		return "text/plain; charset=utf-8", append([]byte(e.Message), '\n')
	}
	// A Status is made of strings and numbers, so encoding it cannot fail.
	if e.YAML {
		// Through JSON, which knows what is left out. The keys are sorted on the way.
		b, _ = json.Marshal(e.Object())
		v, _, _ := tree.ParseJSON(b)
		return "application/yaml", tree.AppendYAML(nil, v)
	}
	if pretty || e.Pretty {
		b, _ = json.MarshalIndent(e.Object(), "", "  ")
	} else {
		b, _ = json.Marshal(e.Object())
	}
	return "application/json", append(b, '\n')
}

// Object returns the Status of the failure. The seconds to wait are in the details as well
// as in the header, as upstream has them.
func (e *Error) Object() Status {
	s := Status{
		Kind:       "Status",
		APIVersion: "v1",
		Metadata:   statusMeta{e.Continue},
		Status:     "Failure",
		Message:    e.Message,
		Reason:     e.Reason,
		Details:    e.Details,
		Code:       e.Code,
	}
	if e.RetryAfter > 0 && !e.Plain {
		// On a copy: other requests may have the same failure at this moment.
		d := Details{}
		if e.Details != nil {
			d = *e.Details
		}
		d.RetryAfterSeconds = e.RetryAfter
		s.Details = &d
	}
	return s
}
