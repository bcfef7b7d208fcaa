package backend

import (
	"net/http"
	"strings"
	"testing"
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
