package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// statusError is a failure as the client gets it: upstream's Status object, or for the
// few answers that upstream gives as text, the text. Handlers return it (or any error,
// which becomes a 500 without its text); writeError renders it. cause goes to the log
// and to nobody else.
type statusError struct {
	code       int
	reason     string // upstream's StatusReason, "" for none
	message    string
	details    *statusDetails
	retryAfter int  // seconds; above 0 also sent as Retry-After
	pretty     bool // indent the Status whatever the query says, where upstream does
	yaml       bool // the Status in YAML, as the client takes it
	text       bool // a text/plain answer instead of a Status object
	nosniff    bool // X-Content-Type-Options on a Status, where upstream sends it
	close      bool // end the connection after the answer
	allow      string
	cursor     string // a continue token, in the Status's metadata
	cause      error
}

// statusDetails is the details of a Status; keys in upstream's order.
type statusDetails struct {
	Name              string        `json:"name,omitempty"`
	Group             string        `json:"group,omitempty"`
	Kind              string        `json:"kind,omitempty"`
	UID               string        `json:"uid,omitempty"`
	Causes            []statusCause `json:"causes,omitempty"`
	RetryAfterSeconds int           `json:"retryAfterSeconds,omitempty"`
}

type statusCause struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Field   string `json:"field,omitempty"`
}

// status is the wire form, metav1.Status, in upstream's order of keys.
type status struct {
	Kind       string         `json:"kind,omitempty"`
	APIVersion string         `json:"apiVersion,omitempty"`
	Metadata   statusMeta     `json:"metadata"`
	Status     string         `json:"status,omitempty"`
	Message    string         `json:"message,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Details    *statusDetails `json:"details,omitempty"`
	Code       int            `json:"code,omitempty"`
}

// statusMeta is a list's metadata as far as a failure has any.
type statusMeta struct {
	Continue string `json:"continue,omitempty"`
}

func (e *statusError) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

func (e *statusError) Unwrap() error { return e.cause }

// object is the Status of a failure. Seconds to wait are in the details as well as in
// the header, as upstream has them.
func (e *statusError) object() status {
	s := status{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: e.message, Reason: e.reason, Details: e.details, Code: e.code, Metadata: statusMeta{e.cursor}}
	if e.retryAfter > 0 && !e.text {
		d := statusDetails{}
		if e.details != nil {
			d = *e.details
		}
		d.RetryAfterSeconds = e.retryAfter
		s.Details = &d
	}
	return s
}

// asStatus is err as the client will see it. An error that is no statusError is an
// internal one: the client gets 500 and the audit ID to ask about, the log the text.
func asStatus(err error, auditID string) *statusError {
	var e *statusError
	if errors.As(err, &e) {
		return e
	}
	return &statusError{code: http.StatusInternalServerError, reason: "InternalError", message: "Internal error occurred: see the log for audit ID " + auditID, cause: err}
}

// body renders the failure, with its Content-Type. pretty indents a Status (?pretty=true).
func (e *statusError) body(pretty bool) (contentType string, b []byte) {
	if e.text {
		return "text/plain; charset=utf-8", append([]byte(e.message), '\n')
	}
	if e.yaml {
		b, _ = json.Marshal(e.object())
		v, _, _ := parseJSON(b)
		return "application/yaml", appendYAML(nil, v)
	}
	if pretty || e.pretty {
		b, _ = json.MarshalIndent(e.object(), "", "  ")
	} else {
		b, _ = json.Marshal(e.object())
	}
	return "application/json", append(b, '\n')
}

// header puts the failure's own header lines into h.
func (e *statusError) header(h http.Header) {
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	if e.text || e.nosniff {
		h.Set("X-Content-Type-Options", "nosniff")
	}
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.close {
		h.Set("Connection", "close")
	}
}

// Constructors for the reasons that more than one place gives.

func badRequest(message string) *statusError {
	return &statusError{code: http.StatusBadRequest, reason: "BadRequest", message: message}
}

func textError(code int, message string) *statusError {
	return &statusError{code: code, message: message, text: true}
}

// invalid is the 422 for an object with these errors, all of them as causes. An error
// that comes twice is said once in the message (upstream).
func invalid(group, kind, name string, errs []fieldError) *statusError {
	e := &statusError{code: http.StatusUnprocessableEntity, reason: "Invalid", details: &statusDetails{Name: name, Group: group, Kind: kind}}
	var texts []string
	said := map[string]bool{}
	for _, f := range errs {
		e.details.Causes = append(e.details.Causes, statusCause{f.reason, f.message, f.field})
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
	e.message = kind + " " + strconv.Quote(name) + " is invalid: " + all
	return e
}

// internalText is upstream's answer in plain text to what it could not decide on. The
// request URI is quoted, and neither it nor the problem can carry markup.
func internalText(uri, problem string) *statusError {
	return textError(http.StatusInternalServerError, escapeMarkup("Internal Server Error: "+strconv.Quote(uri)+": "+problem))
}

// escapeMarkup makes text of a client harmless to a browser that takes an answer for
// HTML. Upstream does it in these messages, and clients compare them.
func escapeMarkup(s string) string {
	if !strings.ContainsAny(s, "&<>") {
		return s
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
