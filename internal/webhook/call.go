package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	neturl "net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"apichain/internal/backend"
	"apichain/internal/field"
	"apichain/internal/status"
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
		wait, again := backend.RetryAfter(code, header)
		if !again || try == mostRetries {
			code, err = backend.CheckAnswer(code, header, body)
			return code, body, err
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
