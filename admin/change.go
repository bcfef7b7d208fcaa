package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// What PUT, POST and DELETE have more than GET: checks 9 to 11 of the contract, and a
// report of what was changed.

// bodyLimit is the most bytes of a body, but where an endpoint says otherwise.
const bodyLimit = 1 << 20

// changer serves the methods of an endpoint that change something. It answers itself when
// it returns nil; body is whole, and may be kept.
type changer struct {
	limit int64 // bytes of the body; 0: bodyLimit
	serve func(a *api, ans *answer, body []byte) *Error
}

// change makes the checks that follow the path's, and lets the endpoint work.
func (a *api) change(e *endpoint, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	if err := ans.checkContentType(); err != nil {
		return err
	}
	if err := a.checkMatch(ans); err != nil {
		return err
	}
	body, err := ans.body(e, max(e.change.limit, bodyLimit))
	if err != nil {
		return err
	}
	if err := e.change.serve(a, ans, body); err != nil {
		return err
	}
	r := ans.r
	a.src.Changed(Change{ans.w.Header().Get("Audit-Id"), r.Method, r.URL.Path, r.RemoteAddr, cut(r.UserAgent(), 256), ans.who})
	return nil
}

// checkContentType is check 9.
func (ans *answer) checkContentType() *Error {
	if ans.r.Method == http.MethodDelete {
		return nil
	}
	of := ans.r.Header.Values("Content-Type")
	if len(of) == 1 {
		if kind, _, err := mime.ParseMediaType(of[0]); err == nil && kind == formJSON {
			return nil
		}
	}
	return &Error{Code: http.StatusUnsupportedMediaType, Reason: "UnsupportedMediaType", Message: fmt.Sprintf("a body here is of Content-Type application/json, not %q", cut(strings.Join(of, ", "), 128))}
}

// checkMatch is check 10: who replaces or removes something must have seen it.
func (a *api) checkMatch(ans *answer) *Error {
	if ans.r.Method == http.MethodPost {
		return nil
	}
	tags := ans.r.Header.Values("If-Match")
	if len(tags) == 0 {
		return &Error{Code: http.StatusPreconditionRequired, Reason: "PreconditionRequired", Message: "send If-Match with the ETag of what was read, or * for whatever is there"}
	}
	ans.holds(a.src.Generation(), a.Now())
	for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == ans.w.Header().Get("ETag") {
			return nil
		}
	}
	return &Error{Code: http.StatusPreconditionFailed, Reason: "PreconditionFailed", Message: fmt.Sprintf("the generation is %d now, which If-Match %q does not name", ans.generation, cut(strings.Join(tags, ", "), 128))}
}

// body is the whole body, at most limit bytes.
func (ans *answer) body(e *endpoint, limit int64) ([]byte, *Error) {
	tooLarge := &Error{Code: http.StatusRequestEntityTooLarge, Reason: "RequestEntityTooLarge", Message: fmt.Sprintf("the body of %s %s is larger than %d MiB", ans.r.Method, e.path, limit>>20), Close: true}
	if ans.r.ContentLength > limit {
		return nil, tooLarge
	}
	var b bytes.Buffer
	if n := ans.r.ContentLength; n > 0 {
		b.Grow(int(min(n, bodyLimit)) + bytes.MinRead) // more only as it comes: the length is what the client says
	}
	_, err := b.ReadFrom(http.MaxBytesReader(ans.w, ans.r.Body, limit))
	if tooMany := (*http.MaxBytesError)(nil); errors.As(err, &tooMany) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: "the body cannot be read: " + cut(err.Error(), 128), Close: true}
	}
	return b.Bytes(), nil
}

// checkObject refuses a body that is not one JSON object with each key at most once and,
// at its top, none but the known ones.
func checkObject(body []byte, known ...string) *Error {
	r := bodyReader{d: json.NewDecoder(bytes.NewReader(body)), known: known}
	if t, err := r.d.Token(); err != nil || t != json.Delim('{') {
		return badRequest("the body is not a JSON object")
	}
	if err := r.keys(""); err != nil {
		return err
	}
	if _, err := r.d.Token(); err != io.EOF {
		return badRequest("the body goes on after its JSON object")
	}
	return nil
}

// bodyDepth bounds how deep a body may nest, and with it the stack and the paths.
const bodyDepth = 100

type bodyReader struct {
	d     *json.Decoder
	known []string
	depth int // objects and lists around the position, but the outermost
}

// keys reads the object whose { is read, to its }. path is "" or ends with a dot.
func (r *bodyReader) keys(path string) *Error {
	seen := map[string]bool{}
	for {
		t, err := r.d.Token()
		if err != nil {
			return notJSON(err)
		}
		key, isKey := t.(string)
		if !isKey { // the }
			return nil
		}
		at := path + key
		switch {
		case seen[key]:
			return badRequest(fmt.Sprintf("the key %q is there twice", cut(at, 128)))
		case path == "" && !slices.Contains(r.known, key):
			return badRequest(fmt.Sprintf("unknown key %q: known are %s", cut(at, 128), cmp.Or(strings.Join(r.known, ", "), "none")))
		}
		seen[key] = true
		if err := r.value(at); err != nil {
			return err
		}
	}
}

func (r *bodyReader) value(path string) *Error {
	t, err := r.d.Token()
	if err != nil {
		return notJSON(err)
	}
	delim, nests := t.(json.Delim)
	if !nests {
		return nil
	}
	if r.depth++; r.depth > bodyDepth {
		return badRequest(fmt.Sprintf("the body nests deeper than %d", bodyDepth))
	}
	defer func() { r.depth-- }()
	if delim == '{' {
		return r.keys(path + ".")
	}
	for i := 0; r.d.More(); i++ {
		if err := r.value(fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	if _, err := r.d.Token(); err != nil {
		return notJSON(err)
	}
	return nil
}

func notJSON(err error) *Error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return badRequest("the body is not JSON: " + cut(err.Error(), 128))
}
