package backend

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"apichain/internal/tree"
)

// What is wrong with an answer that is no success, in the words of upstream's client for Go, by which upstream's
// server calls its webhooks: people search for them.

// mostShown is how many bytes of a text are shown (upstream).
const mostShown = 2048

// CheckAnswer returns what is wrong with an answer before its body is read: nil for a code of 200 to 206 with a body. A Status in the
// body of another says it itself; else the code does, and with a text as the body that is shown where upstream shows it. The number is
// the HTTP status by which upstream counts the answer in its metrics: the code unless the error says another.
func CheckAnswer(code int, h http.Header, body []byte) (int, error) {
	// The media type counts for little: an answer may be called anything that can be parsed, and is read for what it is.
	given, media := h.Get("Content-Type"), "application/json"
	if given != "" {
		var err error
		if media, _, err = mime.ParseMediaType(given); err != nil {
			return http.StatusInternalServerError, errors.New("Internal error occurred: " + err.Error())
		}
	}
	if code >= http.StatusOK && code <= http.StatusPartialContent {
		if len(body) == 0 {
			return http.StatusServiceUnavailable, fmt.Errorf("0-length response with status code: %d and content type: %s", code, media)
		}
		return code, nil
	}
	// A Status says it better. Servers of old said no version.
	if v, _, err := tree.ParseJSONObject(body); err == nil {
		version := tree.Text(v, "apiVersion")
		if tree.Text(v, "kind") == "Status" && (version == "v1" || version == "") && tree.Text(v, "status") == "Failure" {
			n, _ := v["code"].(int64)
			return int(n), errors.New(tree.Text(v, "message"))
		}
	}
	// What is no text might be anything, and is not shown.
	text := "unknown"
	if given == "" || strings.HasPrefix(media, "text/") {
		text = strings.TrimSpace(string(body[:min(len(body), mostShown)]))
	}
	return code, errors.New(refusal(code, text))
}

// longestWait bounds what an answer may ask for: nobody has more time for a call.
const longestWait = 60

// RetryAfter reports whether an answer asks for another try, and after which time: only who is busy or broken may, and only in whole
// seconds, as upstream's client has it.
func RetryAfter(code int, h http.Header) (time.Duration, bool) {
	if code != http.StatusTooManyRequests && code < http.StatusInternalServerError {
		return 0, false
	}
	n, err := strconv.Atoi(h.Get("Retry-After"))
	return time.Duration(max(min(n, longestWait), 0)) * time.Second, err == nil
}

// refusals are the texts of codes; "" shows the text of the answer.
var refusals = map[int]string{
	http.StatusConflict:             "the server reported a conflict",
	http.StatusNotFound:             "the server could not find the requested resource",
	http.StatusBadRequest:           "the server rejected our request for an unknown reason",
	http.StatusUnauthorized:         "the server has asked for the client to provide credentials",
	http.StatusForbidden:            "",
	http.StatusUnsupportedMediaType: "",
	http.StatusMethodNotAllowed:     "the server does not allow this method on the requested resource",
	http.StatusUnprocessableEntity:  "the server rejected our request due to an error in our request",
	http.StatusServiceUnavailable:   "the server is currently unable to handle the request",
	http.StatusGatewayTimeout: "the server was unable to return a response in the time allotted, " +
		"but may still be processing the request",
	http.StatusTooManyRequests: "the server has received too many requests and has asked us to try again later",
}

// refusal returns the text for a code and the text of its answer.
func refusal(code int, text string) string {
	known, ok := refusals[code]
	switch {
	case code == http.StatusNotAcceptable && (text == "" || text == "unknown"):
		return "the server was unable to respond with a content type that the client supports"
	case code == http.StatusNotAcceptable, ok && known == "":
		return text
	case ok:
		return known
	case code >= http.StatusInternalServerError:
		return "an error on the server (" + strconv.Quote(text) + ") has prevented the request from succeeding"
	}
	return "the server responded with the status code " + strconv.Itoa(code) + " but did not return more information"
}

// mostText is how many bytes of an error are told. What comes in place of an answer may be quoted in it, and be as long as
// a header or a body: it must not fill logs, conditions and answers.
const mostText = 4 << 10

// Short returns err with a text of bounded length: a longer one ends in three dots. nil stays nil.
//
//go:noinline
func Short(err error) error {
	if err == nil || len(err.Error()) <= mostText {
		return err
	}
	return &shortError{err}
}

// shortError is an error of which only the beginning is told.
type shortError struct{ error }

func (e *shortError) Error() string {
	return strings.ToValidUTF8(e.error.Error()[:mostText], "") + "..."
}

func (e *shortError) Unwrap() error { return e.error }
