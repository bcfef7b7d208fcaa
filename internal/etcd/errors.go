package etcd

import (
	"context"
	"errors"
	"strings"

	"apichain/internal/etcd/wire"
)

// What the error of a call says of a transaction:
//
//	*Error, InvalidArgument, ResourceExhausted, ...   etcd has looked at it and refused: not made
//	*Error, Unavailable, nothing was sent             no member has taken the connection: not made
//	*Error, Unavailable, "etcdserver: no leader"      the member has not looked at it: not made
//	*Error, Unavailable, whatever else                made or not, or made later: *Unknown
//	context.DeadlineExceeded, context.Canceled        the same, unless nothing was sent
//
// Upstream makes no difference between these, and answers with the text of the error. So does a server
// here, but for what it says of its own: that a write has failed is only said of one that was
// certainly not made.

// ErrReadOnly is the error of Transact with Config.ReadOnly.
var ErrReadOnly = errors.New("etcd is opened read-only")

// errClosed is the error of what is under way when the Backend is closed.
var errClosed = errors.New("the client of etcd is closed")

// Error is how a call ended that etcd refused, or that did not reach it: Unavailable then.
type Error struct {
	Code    wire.Code
	Message string

	// unsent says that nothing of the call has left this process.
	unsent bool
}

// Error returns the text that clients of kube-apiserver see of it: what etcd says as it is, and all else
// in the words of gRPC.
func (e *Error) Error() string {
	if strings.HasPrefix(e.Message, "etcdserver: ") {
		return e.Message
	}
	return "rpc error: code = " + e.Code.String() + " desc = " + e.Message
}

// Unknown is the error of a transaction that may have been made, or may be made yet: the answer has
// not come. It must not be tried again, nor called a failure. Its text is that of Err.
type Unknown struct{ Err error }

// Error returns the text of what went wrong.
func (e *Unknown) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong: an *Error, or the error of the writer's context.
func (e *Unknown) Unwrap() error { return e.Err }

// ended is the end of a call's context while etcd was away. Its text is that of the context alone, as clients of
// upstream see it; what happened last is told by those who have a log or an operator to tell it to.
type ended struct{ by, last error }

func (e *ended) Error() string   { return e.by.Error() }
func (e *ended) Unwrap() []error { return []error{e.by, e.last} }

// HasCode reports whether err is an *Error with a code.
func HasCode(err error, code wire.Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// says reports whether err is what etcd says by a text.
func says(err error, text string) bool {
	var e *Error
	return errors.As(err, &e) && e.Message == text
}

// refused reports whether err says for certain that a transaction was not made. etcd answers with
// Unavailable, and other members' codes are taken for it, when it does not know itself.
func refused(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if e.unsent || e.Message == wire.TextNoLeader || e.Message == wire.TextLearner {
		return true
	}
	switch e.Code {
	case wire.InvalidArgument, wire.NotFound, wire.AlreadyExists, wire.PermissionDenied, wire.ResourceExhausted, wire.FailedPrecondition,
		wire.OutOfRange, wire.Unimplemented, wire.Unauthenticated:
		return true
	}
	return false
}

// elsewhere reports whether another member may do what this one has not done, and whether it may be
// asked: a call that is not repeatable must certainly not have been done.
func elsewhere(err error, repeatable bool) bool {
	var e *Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return repeatable // only this attempt is over
	case !errors.As(err, &e):
		return false
	case e.unsent, e.Message == wire.TextNoLeader, e.Message == wire.TextLearner:
		return true
	}
	return repeatable && (e.Code == wire.Unavailable || e.Code == wire.DeadlineExceeded)
}
