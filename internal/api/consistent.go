package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/store"
)

// What requests do where others write to the same objects (store.Shared): what the store shows may be behind.
//
//	a read that asks for the present     waits until the store has everything that was written before it (consistent)
//	a read of resourceVersion=0          is of what there is; it works while the backend is away
//	a write                              begins with what there is: the transaction tells when that is of the past
//	a write that is refused, or that
//	changes nothing                      is so only by what was there when it was asked: believe, confirm
//
// Upstream does so, too, with its watch cache. What the backend says when it cannot do its part becomes what
// kube-apiserver answers then (storageError). Over memory and a journal nothing of this costs more than a look
// at a field: the store is always up to date.

// writeLimit is the most time that a write waits for its backend (upstream's requestTimeoutUpperBound).
const writeLimit = 34 * time.Second

// consistent waits until the store shows all that was written before the call, by whomever. It asks once for a
// call: what comes later is newer still. Reads wait as long as the request may last, writes not longer than upstream's.
func (q *Call) consistent() error {
	ctx := q.req.Context()
	if v := q.info.Verb; v == "get" || v == "list" {
		return q.consistentBy(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	return q.consistentBy(ctx)
}

// consistentBy is consistent until ctx ends.
func (q *Call) consistentBy(ctx context.Context) error {
	if !q.api.Store.IsShared() || q.confirmed {
		return nil
	}
	if err := q.api.Store.Consistent(ctx); err != nil {
		return q.storageError(err)
	}
	q.confirmed = true
	return nil
}

// untilWritten returns the context of a commit. It is not the request's: a client that goes away now must not
// leave it open whether its write was made. But it ends when the client has been told that the time is over.
func (q *Call) untilWritten() (context.Context, context.CancelFunc) {
	if !q.api.Store.IsShared() {
		return context.Background(), func() {}
	}
	until := time.Now().Add(writeLimit)
	if d, ok := q.req.Context().Deadline(); ok && d.Before(until) {
		until = d
	}
	return context.WithDeadline(context.WithoutCancel(q.req.Context()), until)
}

// believe makes an attempt, and once more if it was refused because of what the store showed and that was of the
// past. attempt must be fit for that; its *store.Conflict has been looked into by the store already.
func (q *Call) believe(attempt func() error) error {
	before := q.api.Store.Revision()
	err := attempt()
	if err == nil || !q.api.Store.IsShared() || q.confirmed {
		return err
	}
	// What is above 499 is the backend's own: the write may have been made.
	var refused *status.Error
	if !errors.As(err, &refused) || refused.Code >= 500 {
		return err
	}
	if failed := q.consistent(); failed != nil {
		return failed
	}
	if q.api.Store.Revision() == before {
		return err
	}
	return attempt()
}

// Find is Lookup of a request: a resource that is not served may be so by a definition that another process has just
// made, which is followed before that is believed. A backend that does not answer soon is not waited for.
func (c *Customs) Find(ctx context.Context, group, version, plural string) *Resource {
	s := c.api.Store
	r := c.Lookup(group, version, plural)
	if r != nil || !s.IsShared() {
		return r
	}
	before := s.Revision()
	ctx, cancel := context.WithTimeout(ctx, awaitLimit)
	defer cancel()
	if s.Consistent(ctx) != nil || s.Revision() == before {
		return nil
	}
	c.Follow()
	return c.Lookup(group, version, plural)
}

// lost reports whether a write failed because another process was quicker with what it claimed.
func (q *Call) lost(err error) bool { return q.api.Store.IsShared() && errors.Is(err, errAllocated) }

// confirm returns a *store.Conflict if old is no longer what is stored. It is asked where nothing is to be written,
// so that no transaction would find out.
func (w *write) confirm() error {
	if !w.api.Store.IsShared() || w.confirmed {
		return nil
	}
	if err := w.consistent(); err != nil {
		return err
	}
	sn := w.Bucket.Now()
	if o := sn.Get(w.old.Key); o == nil || o.Rev != w.old.Rev {
		return &store.Conflict{Bucket: w.Bucket, Key: w.old.Key, Current: o}
	}
	return nil
}

// storageError returns what a client is told of an error of the store. One that is a client's already, or that
// leads to another attempt, is returned as it is.
//
//	the end of a context     504 Timeout: whether a write was made is open
//	what etcd says           500 without a reason, in its words; open as well
//	what a journal says      500 InternalError
//
// All are upstream's. To a watch, whose header is out by then, each is the event of an InternalError.
func (q *Call) storageError(err error) error {
	if err == nil {
		return nil
	}
	var told *status.Error
	var raced *store.Conflict
	switch {
	case errors.As(err, &told), errors.As(err, &raced):
		return err
	case q.info.Verb == "watch":
		return &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: err.Error()}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &status.Error{Code: http.StatusGatewayTimeout, Reason: "Timeout", Details: &status.Details{},
			Message: "Timeout: request did not complete within requested timeout - " + err.Error()}
	case q.api.Store.IsShared():
		return status.Unexplained(err.Error())
	}
	return &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "Internal error occurred: " + err.Error(),
		Details: &status.Details{Causes: []field.Error{{Message: err.Error()}}}}
}
