package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/tree"
)

func TestConstructors(t *testing.T) {
	two := []field.Error{field.Required("spec", ""), field.Invalid("spec.size", int64(9), "too large")}
	for _, tc := range []struct {
		name string
		got  *Error
		want string // the answer's body
	}{
		{"bad request", BadRequest(`a "b" <c>`),
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"a \"b\" \u003cc\u003e","reason":"BadRequest","code":400}`},
		{"plain", PlainText(502, "no backend"), "no backend"},
		{"internal text", InternalText("/a?b=<c>&d", "failed: <x>"), `Internal Server Error: "/a?b=&lt;c&gt;&amp;d": failed: &lt;x&gt;`},
		{"internal text of a forged line", InternalText("/a\n\"b", "p"), `Internal Server Error: "/a\n\"b": p`},
		{"one error", Invalid("example.com", "Widget", "w1", two[:1]),
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Widget.example.com \"w1\" is invalid: spec: Required value",` +
				`"reason":"Invalid","details":{"name":"w1","group":"example.com","kind":"Widget",` +
				`"causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec"}]},"code":422}`},
		{"two errors without a name", Invalid("", "Pod", "", two),
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",` +
				`"message":"Pod \"\" is invalid: [spec: Required value, spec.size: Invalid value: 9: too large]","reason":"Invalid","details":{"kind":"Pod",` +
				`"causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec"},` +
				`{"reason":"FieldValueInvalid","message":"Invalid value: 9: too large","field":"spec.size"}]},"code":422}`},
	} {
		_, body := tc.got.Body(false)
		if string(body) != tc.want+"\n" {
			t.Errorf("%s:\n got %swant %s", tc.name, body, tc.want)
		}
		if got := tc.got.Error(); got != tc.got.Message {
			t.Errorf("%s: the log has %q", tc.name, got)
		}
	}
}

// TestInvalidTwice: an error that comes twice is a cause twice, and said once.
func TestInvalidTwice(t *testing.T) {
	e := field.Invalid("metadata.uid", "other", "field is immutable")
	sameText := e
	sameText.Reason = "FieldValueForbidden"
	const said = `metadata.uid: Invalid value: "other": field is immutable`
	for _, tc := range []struct {
		errs []field.Error
		want string
	}{
		{[]field.Error{e}, `W "" is invalid: ` + said},
		{[]field.Error{e, e}, `W "" is invalid: ` + said},
		{[]field.Error{e, sameText}, `W "" is invalid: ` + said},
		{[]field.Error{e, field.Required("a", ""), e}, `W "" is invalid: [` + said + `, a: Required value]`},
	} {
		got := Invalid("", "W", "", tc.errs)
		if got.Message != tc.want || !reflect.DeepEqual(got.Details.Causes, tc.errs) {
			t.Errorf("got %q with %v, want %q with %v", got.Message, got.Details.Causes, tc.want, tc.errs)
		}
	}
}

// full has every field that shows in a Status.
func full() *Error {
	return &Error{
		Code: 409, Reason: "Conflict", Message: "m", RetryAfter: 3, Continue: "token",
		Details: &Details{Name: "n", Group: "g", Kind: "k", UID: "u", Causes: []field.Error{{Reason: "r", Message: "c", Field: "f"}}},
		Cause:   errors.New("secret"),
	}
}

// TestKeysOfAStatus: order and presence of the keys are upstream's (metav1.Status).
func TestKeysOfAStatus(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    *Error
		want string
	}{
		{"all", full(), `{"kind":"Status","apiVersion":"v1","metadata":{"continue":"token"},"status":"Failure","message":"m","reason":"Conflict",` +
			`"details":{"name":"n","group":"g","kind":"k","uid":"u","causes":[{"reason":"r","message":"c","field":"f"}],"retryAfterSeconds":3},"code":409}`},
		{"least", &Error{Code: 500}, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":500}`},
		{"empty details", &Error{Code: 404, Details: &Details{}}, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","details":{},"code":404}`},
		{"only seconds", &Error{Code: 429, RetryAfter: 1},
			`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","details":{"retryAfterSeconds":1},"code":429}`},
		{"no seconds below one", &Error{Code: 429, RetryAfter: -1}, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":429}`},
	} {
		contentType, body := tc.e.Body(false)
		if contentType != "application/json" || string(body) != tc.want+"\n" {
			t.Errorf("%s: %s\n got %swant %s", tc.name, contentType, body, tc.want)
		}
		// Indented it is the same, whether the client asks or the failure does.
		pretty := *tc.e
		pretty.Pretty = true
		_, asked := tc.e.Body(true)
		_, unasked := pretty.Body(false)
		var compact any
		err := json.Unmarshal(asked, &compact)
		if err != nil || string(asked) != string(unasked) || !strings.HasPrefix(string(asked), "{\n  \"kind\": \"Status\",\n") {
			t.Errorf("%s: indented\n%s\n%s(%v)", tc.name, asked, unasked, err)
		}
	}
}

func TestYAMLForm(t *testing.T) {
	e := full()
	e.YAML = true
	contentType, body := e.Body(true)
	const want = `apiVersion: v1
code: 409
details:
  causes:
  - field: f
    message: c
    reason: r
  group: g
  kind: k
  name: "n"
  retryAfterSeconds: 3
  uid: u
kind: Status
message: m
metadata:
  continue: token
reason: Conflict
status: Failure
`
	if contentType != "application/yaml" || string(body) != want {
		t.Errorf("%s\n%s", contentType, body)
	}
	// It says what the JSON says, also with text that YAML would take for another type.
	e.Message, e.Details.Name = "yes: \"no\"\nline <two>", "1e3"
	_, body = e.Body(false)
	docs, err := tree.ParseYAML(body)
	e.YAML = false
	_, jsonBody := e.Body(false)
	v, _, _ := tree.ParseJSON(jsonBody)
	if err != nil || len(docs) != 1 || !tree.Equal(docs[0], v) {
		t.Errorf("%s reads as %v (%v), want %v", body, docs, err, v)
	}
	// Text wins over YAML: there is no Status to write.
	plain := &Error{Code: 500, Message: "text", Plain: true, YAML: true, RetryAfter: 1}
	contentType, body = plain.Body(true)
	if contentType != "text/plain; charset=utf-8" || string(body) != "text\n" || plain.Object().Details != nil {
		t.Errorf("%s %q", contentType, body)
	}
}

func TestHeader(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    Error
		want http.Header
	}{
		{"nothing", Error{Code: 404}, http.Header{}},
		{"retry", Error{RetryAfter: 5}, http.Header{"Retry-After": {"5"}}},
		{"no retry", Error{RetryAfter: -5}, http.Header{}},
		{"plain", Error{Plain: true}, http.Header{"X-Content-Type-Options": {"nosniff"}}},
		{"no sniffing", Error{NoSniff: true}, http.Header{"X-Content-Type-Options": {"nosniff"}}},
		{"allow", Error{Allow: "GET, PUT"}, http.Header{"Allow": {"GET, PUT"}}},
		{"close", Error{Close: true}, http.Header{"Connection": {"close"}}},
		{"all", Error{RetryAfter: 1, Plain: true, Allow: "GET", Close: true},
			http.Header{"Retry-After": {"1"}, "X-Content-Type-Options": {"nosniff"}, "Allow": {"GET"}, "Connection": {"close"}}},
	} {
		h := http.Header{}
		tc.e.Header(h)
		if !reflect.DeepEqual(h, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, h, tc.want)
		}
		// What was there of the same name goes, or there would be two.
		h = http.Header{"Retry-After": {"9"}, "Allow": {"x"}, "Connection": {"y"}, "X-Other": {"z"}}
		tc.e.Header(h)
		for name, values := range tc.want {
			if !reflect.DeepEqual(h[name], values) {
				t.Errorf("%s: %s is %q over an older one", tc.name, name, h[name])
			}
		}
		if h.Get("X-Other") != "z" {
			t.Errorf("%s: another header is gone", tc.name)
		}
	}
}

// TestFrom: what a client may see of an error, and what it may not.
func TestFrom(t *testing.T) {
	own := full()
	for _, tc := range []struct {
		name string
		err  error
		want *Error // itself, or nil for a bare 500
	}{
		{"its own", own, own},
		{"wrapped", fmt.Errorf("secret: %w", own), own},
		{"joined", errors.Join(io.EOF, own), own},
		{"an error below another", &Error{Code: 400, Cause: own}, nil},
		{"foreign", errors.New("secret"), nil},
		{"foreign with a cause", fmt.Errorf("secret: %w", io.EOF), nil},
	} {
		got := From(tc.err, "audit-1")
		if e, ok := tc.err.(*Error); ok {
			tc.want = e
		}
		if tc.want != nil && got != tc.want {
			t.Errorf("%s: %+v, want the error itself", tc.name, got)
		}
		if tc.want == nil {
			const message = "Internal error occurred: see the log for audit ID audit-1"
			if got.Code != 500 || got.Reason != "InternalError" || got.Message != message {
				t.Errorf("%s: %+v", tc.name, got)
			}
			if !errors.Is(got, tc.err) || !strings.Contains(got.Error(), "secret") {
				t.Errorf("%s: the log has %q", tc.name, got)
			}
		}
		// In no form does the client see the cause or what was wrapped around.
		for _, form := range []Error{{}, {YAML: true}, {Plain: true}, {Pretty: true}} {
			shown := *got
			shown.YAML, shown.Plain, shown.Pretty = form.YAML, form.Plain, form.Pretty
			h := http.Header{}
			shown.Header(h)
			if _, body := shown.Body(false); strings.Contains(string(body)+fmt.Sprint(h), "secret") {
				t.Errorf("%s: the client sees %s %v", tc.name, body, h)
			}
		}
	}
}

func TestErrorAndUnwrap(t *testing.T) {
	e := &Error{Code: 500, Message: "outer", Cause: fmt.Errorf("inner: %w", io.ErrUnexpectedEOF)}
	if e.Error() != "outer: inner: unexpected EOF" || !errors.Is(e, io.ErrUnexpectedEOF) {
		t.Errorf("%q", e)
	}
	if none := BadRequest("m"); none.Unwrap() != nil || none.Error() != "m" {
		t.Errorf("%q has the cause %v", none, none.Unwrap())
	}
}

// TestShared: a failure that many requests share is not changed by what is made of it.
func TestShared(t *testing.T) {
	for _, e := range []*Error{full(), {Code: 504, RetryAfter: 1, Details: &Details{}}, {Code: 504, RetryAfter: 1}} {
		before, details := *e, Details{}
		if e.Details != nil {
			details = *e.Details
		}
		e.Body(true)
		e.Header(http.Header{})
		e.Object().Details.Name = "other"
		if !reflect.DeepEqual(*e, before) || e.Details != nil && !reflect.DeepEqual(*e.Details, details) {
			t.Errorf("%+v became %+v with %+v", before, *e, e.Details)
		}
	}
}

func TestEscapeMarkup(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a b": "a b", `"quotes' stay"`: `"quotes' stay"`, "<script>": "&lt;script&gt;", "a&b": "a&amp;b", "&lt;": "&amp;lt;", "é<é": "é&lt;é",
	} {
		if got := EscapeMarkup(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
