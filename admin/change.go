package admin

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// What PUT, POST and DELETE have beyond GET: checks 9 to 11 of the contract, and a report
// to the program of what was changed. Nothing else in the package changes anything.

// changer serves the methods of an endpoint that change something. The zero value is an
// endpoint that has none.
type changer struct {
	// limit is the most bytes of a body; 0 stands for bodyLimit.
	limit int64

	// serve makes the change and answers, or returns what refused it, in which case
	// nothing was changed. body is whole, and may be kept; DELETE has none that is looked at.
	serve func(a *api, ans *answer, body []byte) *Error
}

// change makes the checks that follow the role, lets the endpoint work, and tells the
// Source once the answer is out. It returns what refused the request.
func (a *api) change(e *endpoint, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	if err := ans.checkContentType(); err != nil {
		return err
	}
	// Before the body is read: whoever has not seen what is there need not send it, and a
	// snapshot can have 256 MiB.
	if err := a.checkPrecondition(ans); err != nil {
		return err
	}
	body, err := ans.readBody(e, max(e.change.limit, bodyLimit))
	if err != nil {
		return err
	}
	if err := e.change.serve(a, ans, body); err != nil {
		return err
	}
	r := ans.r
	a.src.Changed(Change{
		AuditID: ans.w.Header().Get("Audit-Id"), Method: r.Method, Path: r.URL.Path,
		RemoteAddr: r.RemoteAddr, UserAgent: truncate(r.UserAgent(), 256), By: ans.who,
	})
	return nil
}

// checkContentType makes check 9: a body is application/json, whatever its parameters. It
// also keeps out HTML forms, which can send no such type. DELETE has no body to have one.
func (ans *answer) checkContentType() *Error {
	if ans.r.Method == http.MethodDelete {
		return nil
	}
	sent := ans.r.Header.Values("Content-Type")
	// Two lines are refused even if both say JSON: which of them counts is up to the reader.
	if len(sent) == 1 {
		if kind, _, err := mime.ParseMediaType(sent[0]); err == nil && kind == formJSON {
			return nil
		}
	}
	return &Error{
		Code:    http.StatusUnsupportedMediaType,
		Reason:  "UnsupportedMediaType",
		Message: fmt.Sprintf("a body here is of Content-Type application/json, not %q", truncate(strings.Join(sent, ", "), 128)),
	}
}

// checkPrecondition makes check 10: whoever replaces or removes something must have seen
// it, so If-Match must name the current generation or be *. It returns a 428 without
// If-Match and a 412, whose ETag says the current generation, for any other. Weak tags
// never match. Source: RFC 9110, 13.1.1; RFC 6585, 3.
func (a *api) checkPrecondition(ans *answer) *Error {
	if ans.r.Method == http.MethodPost {
		// What POST does, a reset, has the same outcome whatever was there before.
		return nil
	}
	tags := ans.r.Header.Values("If-Match")
	if len(tags) == 0 {
		return &Error{
			Code:    http.StatusPreconditionRequired,
			Reason:  "PreconditionRequired",
			Message: "send If-Match with the ETag of what was read, or * for whatever is there",
		}
	}
	// The generation of ServeHTTP may be old by now; the 412 must say the one compared with.
	ans.setMoment(a.src.Generation(), a.Now())
	for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == ans.w.Header().Get("ETag") {
			return nil
		}
	}
	return &Error{
		Code:   http.StatusPreconditionFailed,
		Reason: "PreconditionFailed",
		Message: fmt.Sprintf("the generation is %d now, which If-Match %q does not name",
			ans.generation, truncate(strings.Join(tags, ", "), 128)),
	}
}
