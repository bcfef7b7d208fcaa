package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
)

// How an exchange ends, with the states and flags that are drawn in exchange.go. Fail is the
// answer of a chain that returned an error; close and finish are the regular end, in this order,
// when the chain has returned; cut is the end by force, from any goroutine at any time. The time
// limit (filter_timeout.go) ends one as cut does, or with an answer, and calls finish itself.

// Fail answers with err, unless an answer has begun: then there is nothing to tell the
// client any more. What a failure of the server's own hides from the client is in the log.
func (x *exchange) Fail(err error) {
	e := status.From(err, x.auditID[0])
	if e.Code >= 500 && e.Cause != nil && x.dry == nil {
		x.chain.log.Error("request failed", "auditID", x.auditID[0], "method", x.req.Method, "path", x.req.URL.Path, "err", e.Cause)
	}
	if x.state.Load() != stateFresh {
		return
	}
	x.refusal = e
	e.Header(x.header)
	contentType, b := e.Body(status.WantsPretty(&x.req))
	// A Status has a form of its own: that of a 404 is protobuf where the object would be JSON.
	if !e.Plain && x.chain.program.kinds != nil && request.PrefersProtobuf(x.req.Header["Accept"]) {
		contentType, b = request.Protobuf, x.chain.program.statusMessage(e)
	}
	x.header["Content-Type"] = []string{contentType}
	// Before the answer begins, and with it perhaps the audit event that is to name the failure.
	if x.audit != nil {
		x.audit.Refused(e)
	}
	x.WriteHeader(e.Code)
	_, _ = x.Write(b)
}

// statusMessage returns the Status of a failure in protobuf.
func (p *program) statusMessage(e *status.Error) []byte {
	text, _ := json.Marshal(e.Object()) // strings and numbers can be encoded
	var encoder kinds.ProtobufEncoder
	return encoder.Object(p.kinds.Answer("", "v1", "Status"), "v1", "Status", text)
}

// cut ends the exchange without regard to what is written: for a client that stalls and
// for the end of a stop. Its handler finds the context ended with cause.
func (x *exchange) cut(cause error) {
	x.mu.Lock()
	switch x.state.Load() {
	case stateFresh, stateAnswering:
		x.state.Store(stateCut)
		x.cutLocked()
	case stateHijacked:
		x.hijackedCut.Store(true)
		if x.conn != nil {
			x.conn.abort()
		}
	}
	// Made even if nobody waits: a handler that asks later must find the cause. Cancelled
	// without mu, since contexts that derive from it hear of it in the same call.
	l := x.lifetimeLocked()
	x.mu.Unlock()
	l.cancel(cause)
}

// cutLocked breaks the answer off at once, even while the handler does not return: the
// connection in HTTP/1, the stream in HTTP/2, by a deadline that has passed.
func (x *exchange) cutLocked() {
	if x.req.ProtoMajor == 1 && x.conn != nil {
		x.conn.abort()
		return
	}
	_ = http.NewResponseController(x.inner).SetWriteDeadline(time.Unix(1, 0))
}

// close is the end of the chain in the request's own goroutine: an answer that never
// began is an empty 200, trailers are handed on, and whoever waits for the context is
// told. It reports whether the connection must be broken off, by http.ErrAbortHandler.
func (x *exchange) close() (abort bool) {
	switch state := x.state.Load(); {
	case state == stateFresh:
		x.WriteHeader(http.StatusOK)
	case state == stateAnswering && x.overdue():
		x.expire() // what the handler left off must not look complete
	}
	x.mu.Lock()
	if x.timer != nil {
		x.timer.Stop()
	}
	// Read only now: until the lock was ours the timer may still have fired.
	state := x.state.Load()
	if state == stateAnswering {
		x.state.Store(stateDone)
		if x.apart && (len(x.header) != int(x.sent) || len(x.header["Trailer"]) > 0) {
			x.trailersLocked()
		}
	}
	// A handler with a goroutine of its own says itself when it returns: it may go on.
	if x.limitAnswered == nil {
		x.returnedLocked()
	}
	l, afterHandler := x.life.Load(), x.afterHandler
	x.mu.Unlock()
	// These may wait or call out, so mu is free. The connection goes first: its client waits.
	if afterHandler != nil {
		afterHandler()
	}
	if l != nil {
		l.cancel(context.Canceled)
		if l.stop != nil {
			l.stop()
		}
	}
	if x.dry == nil && x.req.ProtoMajor == 1 && (x.in.rc == nil || x.in.ended.Load()) {
		x.conn.nextHead()
	}
	if f := x.req.MultipartForm; f != nil {
		_ = f.RemoveAll() // net/http cleans up its own request, not our copy
	}
	return state == stateCut
}

// returnedLocked notes that the handler has returned.
func (x *exchange) returnedLocked() {
	x.handlerReturned = true
	if x.abandoned {
		x.abandoned = false
		x.chain.abandoned.Add(-1)
	}
}

// ending is why an exchange ended. Metrics, the access record and the admin endpoint show it.
type ending string

const (
	endCompleted  ending = "completed"
	endRefused    ending = "refused" // a filter answered
	endTimedOut   ending = "timed-out"
	endClientGone ending = "client-gone"
	endPanicked   ending = "panicked"
	endCut        ending = "cut"
)

// ended returns how the exchange ended whose chain returned err and whose close returned abort,
// and which row answered it, or -1.
func (x *exchange) ended(err error, abort bool) (how ending, by int) {
	c := x.chain
	// In the order of what says most: a panic also cuts, and who is cut has often gone.
	switch at := int(x.at.Load()); {
	case x.panicked != nil && abort: // the handler had answered before
		return endPanicked, -1
	case x.panicked != nil:
		return endPanicked, c.panicRow
	case abort || x.hijackedCut.Load():
		return endCut, -1
	case at < len(c.rows) && err != errLeft:
		return endRefused, at
	case x.parent.Err() != nil:
		return endClientGone, -1
	}
	return endCompleted, -1
}

// finish closes the books of an exchange, once: counters, metrics, audit event, access
// record, recent requests, streams, in that order, and last the places it held. by is the
// row that answered, or -1. It runs in the request's own goroutine or, when the time limit
// answers, in the timer's, while the handler goes on.
func (c *chain) finish(x *exchange, how ending, by int) {
	x.mu.Lock()
	if x.booksClosed {
		x.mu.Unlock()
		return
	}
	x.booksClosed = true
	trail := x.audit
	if !x.handlerReturned {
		x.abandoned = true
		c.abandoned.Add(1)
		// An HTTP/1 connection ends with this answer, whenever its handler returns.
		if x.conn != nil && x.req.ProtoMajor == 1 {
			x.conn.abandoned.Store(true)
		}
	}
	x.mu.Unlock()

	took := time.Since(x.received)
	status := int(x.status.Load())
	alike := c.ended[x.at.Load()].Add(1)
	if by >= 0 {
		c.answered[by].add(status)
	}
	c.program.observe(x, how, status, took)
	if trail != nil {
		x.completeTrail(trail, how, status, took)
	}
	// The row of the access record is idle below its verbosity: by this mark the record says that it was not.
	if c.program.logLevel.highest() >= accessVerbosity && c.accessRow >= 0 && int(x.at.Load()) >= c.accessRow {
		x.mark(c.accessRow)
	}
	if c.program.logLevel.of(x, true) >= accessVerbosity {
		logAccess(x, how, status, took)
	}
	if x.recording != nil {
		c.program.recent.add(x, how, took, alike%sampleOf == 1)
	}
	// Off the table before its event goes out: whoever reads of the end must not find it there.
	c.table.remove(x)
	if c.program.hub.Recording() {
		c.program.publishEnded(x, how, took)
	}
	// The places last: a stop that sees them free may close the log and the streams.
	if x.inLongRunning {
		c.program.longRunning.leave(x)
	}
	if x.inWaitGroup {
		c.program.requests.leave()
	}
}
