package backend

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// What is wrong with an answer that is no success, in the words of upstream's client for Go, by which upstream's
// server calls its webhooks: people search for them.

// mostShown is how many bytes of a text are shown (upstream).
const mostShown = 2048

// CheckAnswer returns what is wrong with an answer before its body is looked at: nil for a code of 200 to 206. A Status
// in the body says it itself; else the code does, and with a text as the body that is shown where upstream shows it.
func CheckAnswer(code int, h http.Header, body []byte) error {
	media, err := mediaType(h)
	switch {
	case err != nil:
		return errors.New("Internal error occurred: " + err.Error())
	case code >= http.StatusOK && code <= http.StatusPartialContent:
		return nil
	}
	var status struct{ Kind, Status, Message string }
	if json.Unmarshal(body, &status) == nil && (status.Kind == "Status" || status.Kind == "") && status.Status == "Failure" {
		return errors.New(status.Message)
	}
	text := "unknown"
	if media == "" || strings.HasPrefix(media, "text/") {
		text = strings.TrimSpace(string(body[:min(len(body), mostShown)]))
	}
	return errors.New(refusal(code, text))
}

// mediaType returns what a body is, "" for an answer that does not say it.
func mediaType(h http.Header) (string, error) {
	given := h.Get("Content-Type")
	if given == "" {
		return "", nil
	}
	media, _, err := mime.ParseMediaType(given)
	return media, err
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
