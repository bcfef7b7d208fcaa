package matching

import (
	"errors"
	"net/http"
	"strconv"

	"apichain/internal/field"
	"apichain/internal/status"
)

// The answers that webhooks and policies have in common, in upstream's words.

// ErrTimeout is the answer to a request whose time is over while somebody is asked. Nobody may change it.
var ErrTimeout = &status.Error{
	Code: http.StatusGatewayTimeout, Reason: "Timeout", Message: "Timeout: request did not complete within requested timeout",
	Details: &status.Details{},
}

// InternalError returns the 500 for what goes wrong in the server itself.
func InternalError(why error) *status.Error {
	return &status.Error{
		Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + why.Error(),
		Details: &status.Details{Causes: []field.Error{{Message: why.Error()}}},
	}
}

// ClientError returns an error as the client gets it: what is a *status.Error is one already, all else is an InternalError.
func ClientError(err error) error {
	var e *status.Error
	if errors.As(err, &e) {
		return e
	}
	return InternalError(err)
}

// NoNamespace returns upstream's 404 for a namespace that is not there.
func NoNamespace(name string) *status.Error {
	return &status.Error{
		Code: http.StatusNotFound, Reason: "NotFound", Message: "namespaces " + strconv.Quote(name) + " not found",
		Details: &status.Details{Name: name, Kind: "namespaces"},
	}
}
