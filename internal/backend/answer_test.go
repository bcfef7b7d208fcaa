package backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCheckAnswer: a code says what is wrong, but a Status in the body says it better, and a text is shown where upstream shows
// it. All codes are asked of a converter in package conversion.
func TestCheckAnswer(t *testing.T) {
	const status = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"its own"}`
	for _, c := range []struct {
		code       int
		media      string
		body, want string
	}{
		{200, "", "whatever", ""},
		{206, "application/json", status, ""},
		{200, "//", "", "Internal error occurred: mime: no media type"},
		{409, "application/json", status, "its own"},
		{409, "application/json", `{"kind":"Status","status":"Success","message":"good"}`, "the server reported a conflict"},
		{409, "application/json", `{"kind":"Pod","status":"Failure","message":"no"}`, "the server reported a conflict"},
		{403, "text/plain; charset=utf-8", " no \n", "no"},
		{403, "application/json", `{}`, "unknown"},
		{500, "", strings.Repeat("x", 3000), `an error on the server ("` + strings.Repeat("x", 2048) + `") has prevented the request from succeeding`},
		{300, "", "", "the server responded with the status code 300 but did not return more information"},
	} {
		h := http.Header{}
		if c.media != "" {
			h.Set("Content-Type", c.media)
		}
		got := ""
		if err := CheckAnswer(c.code, h, []byte(c.body)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%d %s %.40s: %s, want %s", c.code, c.media, c.body, got, c.want)
		}
	}
}

// TestLongErrors: what comes in place of an answer is told in part, by whichever way it came, and errors are known by what they are
// all the same.
func TestLongErrors(t *testing.T) {
	why := fmt.Errorf("%s: %w", strings.Repeat("é", mostText), io.ErrUnexpectedEOF)
	if got := Short(why); len(got.Error()) > mostText+3 || !utf8.ValidString(got.Error()) || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes", len(got.Error()))
	}
	if why := errors.New("short"); Short(why) != why || Short(nil) != nil {
		t.Error("what is short is another")
	}
	ca := newAuthority(t, "ca")
	garbage := strings.Repeat("<script>", 1<<16) + "\r\n\r\n…"
	address, _ := scripted(t, ca, garbage, garbage, garbage)
	s := New(Config{})
	b := hook(s, ca, address)
	if _, err := ask(t, t.Context(), b, 99); err == nil || len(err.Error()) > 2*mostText || !strings.Contains(err.Error(), "malformed HTTP response") {
		t.Errorf("by the wire: %.200v", err)
	}
	server := s.Use(APIServer, "v1.a", Target{Service: b.Target.Service, CABundle: ca.pem})
	t.Cleanup(func() { s.Drop(APIServer, "v1.a") })
	if _, err := ask(t, t.Context(), server, 99); err == nil || len(err.Error()) > 2*mostText || !strings.Contains(err.Error(), "malformed HTTP response") {
		t.Errorf("by the transport: %.200v", err)
	}
	if f := server.Report().LastFailure; f == nil || len(f.Text) > 2*mostText {
		t.Error("the page has all of it")
	}
}
