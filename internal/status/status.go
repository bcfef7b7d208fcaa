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

// Error is a failure as the client gets it: upstream's Status object, or for the
// few answers that upstream gives as text, the text. Handlers return it (or any error,
// which becomes a 500 without its text); writeError renders it. cause goes to the log
// and to nobody else.
type Error struct {
	Code       int
	Reason     string // upstream's StatusReason, "" for none
	Message    string
	Details    *Details
	RetryAfter int  // seconds; above 0 also sent as Retry-After
	Pretty     bool // indent the Status whatever the query says, where upstream does
	YAML       bool // the Status in YAML, as the client takes it
	Plain      bool // a text/plain answer instead of a Status object
	NoSniff    bool // X-Content-Type-Options on a Status, where upstream sends it
	Close      bool // end the connection after the answer
	Allow      string
	Continue   string // a continue token, in the Status's metadata
	Cause      error
}

// Details is the details of a Status; keys in upstream's order.
type Details struct {
	Name              string  `json:"name,omitempty"`
	Group             string  `json:"group,omitempty"`
	Kind              string  `json:"kind,omitempty"`
	UID               string  `json:"uid,omitempty"`
	Causes            []Cause `json:"causes,omitempty"`
	RetryAfterSeconds int     `json:"retryAfterSeconds,omitempty"`
}

type Cause struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Field   string `json:"field,omitempty"`
}

// Status is the wire form, metav1.Status, in upstream's order of keys.
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

// statusMeta is a list's metadata as far as a failure has any.
type statusMeta struct {
	Continue string `json:"continue,omitempty"`
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Object is the Status of a failure. Seconds to wait are in the details as well as in
// the header, as upstream has them.
func (e *Error) Object() Status {
	s := Status{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: e.Message, Reason: e.Reason, Details: e.Details, Code: e.Code, Metadata: statusMeta{e.Continue}}
	if e.RetryAfter > 0 && !e.Plain {
		d := Details{}
		if e.Details != nil {
			d = *e.Details
		}
		d.RetryAfterSeconds = e.RetryAfter
		s.Details = &d
	}
	return s
}

// From is err as the client will see it. An error that is no Error is an
// internal one: the client gets 500 and the audit ID to ask about, the log the text.
func From(err error, auditID string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: see the log for audit ID " + auditID, Cause: err}
}

// Body renders the failure, with its Content-Type. pretty indents a Status (?pretty=true).
func (e *Error) Body(pretty bool) (contentType string, b []byte) {
	if e.Plain {
		return "text/plain; charset=utf-8", append([]byte(e.Message), '\n')
	}
	if e.YAML {
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

// Header puts the failure's own header lines into h.
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

// Constructors for the reasons that more than one place gives.

func BadRequest(message string) *Error {
	return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: message}
}

func PlainText(code int, message string) *Error {
	return &Error{Code: code, Message: message, Plain: true}
}

// Invalid is the 422 for an object with these errors, all of them as causes. An error
// that comes twice is said once in the message (upstream).
func Invalid(group, kind, name string, errs []field.Error) *Error {
	e := &Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Details: &Details{Name: name, Group: group, Kind: kind}}
	var texts []string
	said := map[string]bool{}
	for _, f := range errs {
		e.Details.Causes = append(e.Details.Causes, Cause{f.Reason, f.Message, f.Field})
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

// InternalText is upstream's answer in plain text to what it could not decide on. The
// request URI is quoted, and neither it nor the problem can carry markup.
func InternalText(uri, problem string) *Error {
	return PlainText(http.StatusInternalServerError, EscapeMarkup("Internal Server Error: "+strconv.Quote(uri)+": "+problem))
}

// EscapeMarkup makes text of a client harmless to a browser that takes an answer for
// HTML. Upstream does it in these messages, and clients compare them.
func EscapeMarkup(s string) string {
	if !strings.ContainsAny(s, "&<>") {
		return s
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
