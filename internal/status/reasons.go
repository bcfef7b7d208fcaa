package status

import (
	"net/http"
	"strconv"
	"unicode/utf8"
)

// Failures that more than one room gives, in upstream's words.

const (
	// ChangedMeanwhile says why a write of an object conflicts whose resource version is not the
	// current one.
	ChangedMeanwhile = "the object has been modified; please apply your changes to the latest version and try again"
	// TooOldForList says why a list is expired: its resource version, or that of its continue
	// token, is no longer kept.
	TooOldForList = "The resourceVersion for the provided list is too old."
)

// Conflict returns the 409 for a write of an object that is not as the writer takes it to be.
// resource is the plural name.
func Conflict(group, resource, name, why string) *Error {
	qualified := resource
	if group != "" {
		qualified += "." + group
	}
	return &Error{Code: http.StatusConflict, Reason: "Conflict", Message: "Operation cannot be fulfilled on " + qualified + " " + strconv.Quote(name) + ": " + why,
		Details: &Details{Name: name, Group: group, Kind: resource}}
}

// Forbidden returns the 403 for a request that the state of the cluster or a rule of it rules out,
// whoever makes it. resource is the plural name; name may be "".
func Forbidden(group, resource, name, why string) *Error {
	qualified := resource
	if group != "" {
		qualified += "." + group
	}
	if name != "" {
		qualified += " " + strconv.Quote(name)
	}
	return &Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: qualified + " is forbidden: " + why,
		Details: &Details{Name: name, Group: group, Kind: resource}}
}

// Expired returns the 410 for a resource version that is no longer kept.
func Expired(message string) *Error {
	return &Error{Code: http.StatusGone, Reason: "Expired", Message: message}
}

// Unexplained returns what upstream answers where it has no better: 500 without a reason, but
// with the message.
func Unexplained(message string) *Error {
	return &Error{Code: http.StatusInternalServerError, Message: message}
}

// Shorten cuts a client's text, for a message that quotes it, to at most n bytes at the start of a
// character, and marks the cut.
//
//go:noinline
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
