package backend

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestCheckAnswer: what an answer that is none means, in the words of upstream's client, and what metrics count it as.
func TestCheckAnswer(t *testing.T) {
	for _, c := range []struct {
		code      int
		typ, body string
		want      string
		wantCode  int
	}{
		{200, "application/json", "{}", "", 200},
		{201, "", "{}", "", 201},
		{206, "text/plain", "{}", "", 206},
		{200, "application/json", "", "0-length response with status code: 200 and content type: application/json", 503},
		{204, "", "", "0-length response with status code: 204 and content type: application/json", 503},
		{200, ";;", "{}", "Internal error occurred: mime: no media type", 500},
		{207, "", "x", "the server responded with the status code 207 but did not return more information", 207},
		{302, "", "x", "the server responded with the status code 302 but did not return more information", 302},
		{400, "text/plain", "x", "the server rejected our request for an unknown reason", 400},
		{401, "text/plain", "x", "the server has asked for the client to provide credentials", 401},
		{403, "text/plain", " nope\n", "nope", 403},
		{403, "application/json", "{}", "unknown", 403},
		{404, "text/plain", "x", "the server could not find the requested resource", 404},
		{405, "text/plain", "x", "the server does not allow this method on the requested resource", 405},
		{409, "text/plain", "x", "the server reported a conflict", 409},
		{415, "text/plain", "x", "x", 415},
		{422, "text/plain", "x", "the server rejected our request due to an error in our request", 422},
		{429, "text/plain", "x", "the server has received too many requests and has asked us to try again later", 429},
		{500, "text/plain", "went wrong", `an error on the server ("went wrong") has prevented the request from succeeding`, 500},
		{500, "application/json", "{}", `an error on the server ("unknown") has prevented the request from succeeding`, 500},
		{500, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"boom","code":418}`, "boom", 418},
		{409, "application/json", `{"kind":"Status","status":"Failure","message":"of old"}`, "of old", 0},
		{409, "application/json", `{"kind":"Status","status":"Success","message":"good"}`, "the server reported a conflict", 409},
		{409, "application/json", `{"kind":"Status","apiVersion":"v2","status":"Failure","message":"no"}`, "the server reported a conflict", 409},
		{409, "application/json", `{"kind":"Pod","status":"Failure","message":"no"}`, "the server reported a conflict", 409},
		{409, "application/json", `{"status":"Failure","message":"no"}`, "the server reported a conflict", 409},
		{406, "", "x", "x", 406},
		{406, "application/json", "{}", "the server was unable to respond with a content type that the client supports", 406},
		{503, "text/plain", "x", "the server is currently unable to handle the request", 503},
		{504, "text/plain", "x", "the server was unable to return a response in the time allotted, but may still be processing the request", 504},
		{600, "text/plain", strings.Repeat("x", 5000), `an error on the server ("` + strings.Repeat("x", 2048) + `") has prevented the request from succeeding`, 600},
	} {
		h, got := http.Header{}, ""
		if c.typ != "" {
			h.Set("Content-Type", c.typ)
		}
		code, err := CheckAnswer(c.code, h, []byte(c.body))
		if err != nil {
			got = err.Error()
		}
		if got != c.want || code != c.wantCode {
			t.Errorf("%d %s %.40s: %d %s, want %d %s", c.code, c.typ, c.body, code, got, c.wantCode, c.want)
		}
	}
}

// TestRetryAfter: who is busy or broken may ask for another try, in whole seconds of which there is an end.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		code  int
		says  string
		wait  time.Duration
		again bool
	}{
		{429, "2", 2 * time.Second, true},
		{503, "0", 0, true},
		{500, "-1", 0, true},
		{500, "9223372036854775807", time.Minute, true},
		{503, "", 0, false},
		{503, "1.5", 0, false},
		{503, "Wed, 21 Oct 2026 07:28:00 GMT", 0, false},
		{409, "1", 0, false},
		{200, "1", 0, false},
	} {
		wait, again := RetryAfter(c.code, http.Header{"Retry-After": {c.says}})
		if again != c.again || again && wait != c.wait {
			t.Errorf("%d %s: %v %t", c.code, c.says, wait, again)
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
