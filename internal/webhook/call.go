package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"apichain/internal/backend"
	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// A call of a webhook ends in one of three ways, which upstream tells apart: the webhook has answered (and may refuse), it could not
// be asked (then its failure policy decides), or what was asked of it makes no sense (then the write fails).
//
//	*answer         it has answered; allowed says what
//	*callError      no connection, no time, no review in the answer, a wrong uid: Fail is a 500, Ignore lets pass
//	*status.Error   a dry run that the webhook does not support (400), a patch that cannot be applied (500)
//
// What an answer that is none means is said in the words of upstream's client, in which every HTTP status has a sentence. The code
// beside an error is the one that metrics show; the client gets a 500 whatever it is.

// maxAnswer is the most bytes that an answer may have: a patch that replaces the largest object, in base64. Upstream has no bound.
const maxAnswer = 8 << 20

// maxShown is how many bytes are shown of a text that comes in place of an answer, upstream's number.
const maxShown = 2048

// mostRetries is how often a webhook is asked again that asks for it by a Retry-After, within its time.
const mostRetries = 10

// callError says why a webhook could not be asked.
type callError struct {
	webhook string
	// why is the reason, and code the HTTP status that metrics show.
	why  error
	code int
}

func (e *callError) Error() string {
	return "failed calling webhook " + strconv.Quote(e.webhook) + ": " + e.why.Error()
}

func (e *callError) Unwrap() error { return e.why }

// deniedError is the refusal of a webhook.
type deniedError struct{ says *status.Error }

func (e *deniedError) Error() string { return e.says.Error() }

// internalError returns upstream's 500 for what goes wrong in the server itself.
func internalError(why error) *status.Error {
	return &status.Error{
		Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + why.Error(),
		Details: &status.Details{Causes: []field.Error{{Message: why.Error()}}},
	}
}

// errTimeout is upstream's answer to a request whose time is over while webhooks are asked.
var errTimeout = &status.Error{
	Code: http.StatusGatewayTimeout, Reason: "Timeout", Message: "Timeout: request did not complete within requested timeout",
	Details: &status.Details{},
}

// call asks a webhook about a form of the question. The error is a *callError, or a *status.Error for the client. Annotations and
// warnings of the answer are given on. It waits for no longer than the webhook's own time and ctx say, and may be called by several
// goroutines for one question, whose form must have its tail then.
func (q *question) call(ctx context.Context, h *hook, f *form, mutating bool) (*answer, error) {
	if q.DryRun && !h.dry {
		return nil, status.BadRequest("admission webhook " + strconv.Quote(h.name) + " does not support dry run")
	}
	// All that goes wrong from here on is for the failure policy to judge.
	fail := func(code int, format string, args ...any) error {
		return &callError{h.name, backend.Short(fmt.Errorf(format, args...)), code}
	}
	if h.version == "" {
		const unknown = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)"
		return nil, fail(http.StatusBadRequest, unknown)
	}
	if err := h.backend.Unusable(); err != nil {
		return nil, fail(http.StatusInternalServerError, "could not get REST client: %w", err)
	}
	// Each call has a uid of its own, also where a webhook is asked twice about one write.
	review, uid := q.review(h, f)
	// The request's own end stays: of the two the earlier one counts.
	if h.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.timeout)
		defer cancel()
	}
	code, body, err := h.post(ctx, review)
	if err != nil {
		return nil, fail(code, "failed to call webhook: %w", err)
	}
	a, isBad, err := readAnswer(body, h.version, uid, mutating)
	// Upstream counts both as a service that is not available, since it is not the write's fault.
	switch {
	case isBad:
		return nil, fail(http.StatusServiceUnavailable, "received invalid webhook response: %w", err)
	case err != nil:
		return nil, fail(http.StatusServiceUnavailable, "failed to call webhook: %w", err)
	}
	// A refusal is annotated and warned of as well. A key that is no label's is dropped (upstream).
	for k, v := range a.annotations {
		if key := h.name + "/" + k; strings.Count(key, "/") == 1 && len(field.LabelKeyErrors(key)) == 0 {
			q.Scope.Annotate(key, v, false)
		}
	}
	for _, text := range a.warnings {
		if !strings.ContainsFunc(text, unicode.IsControl) { // which no header has (upstream)
			q.Scope.Warn("", text)
		}
	}
	return a, nil
}

// post sends a review and returns the body of the answer, of maxAnswer bytes at most. After an error code is the HTTP status that
// upstream counts: that of the answer, or 503 where there was none.
func (h *hook) post(ctx context.Context, review []byte) (code int, body []byte, err error) {
	url := h.url + timeoutQuery(ctx)
	// The body is read anew by each try.
	for try := 0; ; try++ {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(review))
		if err != nil {
			return http.StatusInternalServerError, nil, err
		}
		r.Header["Content-Type"] = jsonType
		r.Header["Accept"] = acceptTypes
		r.Header["User-Agent"] = userAgent
		// No credential of the client goes along: the backend adds what the server itself is known by.
		code, header, body, err := h.backend.Ask(ctx, r, maxAnswer)
		if err != nil {
			return http.StatusServiceUnavailable, nil, bodyError(code, err)
		}
		// Only who says when to come back is asked again; a connection that broke is not, since the review may have been taken.
		wait := retryAfter(code, header)
		if wait < 0 || try == mostRetries {
			return readStatus(code, header, body)
		}
		select {
		case <-ctx.Done():
			return http.StatusServiceUnavailable, nil, &neturl.Error{Op: "Post", URL: url, Err: ctx.Err()}
		case <-time.After(wait):
		}
	}
}

// timeoutQuery returns the query by which a webhook is told how much time it has, "" for a call without a deadline: in whole
// seconds, a part of one is one.
func timeoutQuery(ctx context.Context) string {
	deadline, ok := ctx.Deadline()
	left := time.Until(deadline)
	if !ok || left <= 0 {
		return ""
	}
	return "?timeout=" + (left + time.Second - 1).Truncate(time.Second).String()
}

// The headers of reviews. Nobody changes these.
var (
	jsonType    = []string{"application/json"}
	acceptTypes = []string{"application/json, */*"}
	userAgent   = []string{"kube-apiserver-admission"}
)

// bodyError returns what upstream's client says of an error of a call: code is 0 unless it is of the body of an answer.
func bodyError(code int, err error) error {
	what := "unexpected error when reading response body"
	switch {
	case code == 0:
		return err
	// Of HTTP/2, when the other side ends the stream.
	case strings.HasPrefix(err.Error(), "stream error"):
		what = "stream error when reading response body, may be caused by closed connection"
	}
	return fmt.Errorf("%s. Please retry. Original error: %w", what, err)
}

// retryAfter returns after which time a webhook that has answered so wants to be asked again, below 0 for never: only who is busy or
// broken may ask for it, and only in whole seconds, as upstream's client has it.
func retryAfter(code int, header http.Header) time.Duration {
	if code != http.StatusTooManyRequests && code/100 != 5 {
		return -1
	}
	n, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || n < 0 {
		return -1
	}
	return time.Duration(n) * time.Second
}

// readStatus returns the body of an answer that may be a review, or what the status says in place of it.
func readStatus(code int, header http.Header, body []byte) (int, []byte, error) {
	contentType := header.Get("Content-Type")
	media := "application/json"
	// The media type counts for little: an answer may be called anything that can be parsed, and is read for what it is.
	if contentType != "" {
		var err error
		if media, _, err = mime.ParseMediaType(contentType); err != nil {
			return http.StatusInternalServerError, nil, internalError(err)
		}
	}
	if code >= 200 && code <= 206 {
		if len(body) == 0 {
			err := fmt.Errorf("0-length response with status code: %d and content type: %s", code, media)
			return http.StatusServiceUnavailable, nil, err
		}
		return code, body, nil
	}
	// A Status in the body says it better.
	v, _, err := tree.ParseJSONObject(body)
	if err == nil && tree.Text(v, "kind") == "Status" && tree.Text(v, "apiVersion") == "v1" && tree.Text(v, "status") != "Success" {
		n, _ := v["code"].(int64)
		return int(n), nil, errors.New(tree.Text(v, "message"))
	}
	// What is no text might be anything, and is not shown.
	shown := "unknown"
	if contentType == "" || strings.HasPrefix(media, "text/") {
		shown = strings.TrimSpace(string(body[:min(len(body), maxShown)]))
	}
	return code, nil, errors.New(statusText(code, shown))
}

// statusText returns the sentence that upstream's client has for a status; shown is the text that came with it.
func statusText(code int, shown string) string {
	switch code {
	case http.StatusBadRequest:
		return "the server rejected our request for an unknown reason"
	case http.StatusUnauthorized:
		return "the server has asked for the client to provide credentials"
	case http.StatusForbidden, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return shown
	case http.StatusNotFound:
		return "the server could not find the requested resource"
	case http.StatusMethodNotAllowed:
		return "the server does not allow this method on the requested resource"
	case http.StatusConflict:
		return "the server reported a conflict"
	case http.StatusUnprocessableEntity:
		return "the server rejected our request due to an error in our request"
	case http.StatusTooManyRequests:
		return "the server has received too many requests and has asked us to try again later"
	case http.StatusServiceUnavailable:
		return "the server is currently unable to handle the request"
	case http.StatusGatewayTimeout:
		return "the server was unable to return a response in the time allotted, but may still be processing the request"
	}
	// The rest has no sentence of its own. Redirects are among it, for none is followed: where a review goes to is for the
	// configuration to say.
	if code >= http.StatusInternalServerError {
		return fmt.Sprintf("an error on the server (%q) has prevented the request from succeeding", shown)
	}
	return fmt.Sprintf("the server responded with the status code %d but did not return more information", code)
}
