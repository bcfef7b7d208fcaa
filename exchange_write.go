package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"apichain/internal/audit"
)

// The exchange as http.ResponseWriter, as it stands between the handler and net/http: it keeps the
// header until the answer begins, counts bytes, feeds the audit event, notes whether the client
// takes what is written, and lets nothing through once the time limit has answered.
//
// A handler may write from any goroutine that it owns, as to every ResponseWriter one at a time.
// Only the time limit and a cut come from elsewhere, and they go by the state: what they find
// fresh they answer, what they find answering they break off. A write that is under way then
// ends with an error, because its connection or stream has gone.

var (
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
	_ http.Hijacker       = (*exchange)(nil)
	_ io.StringWriter     = (*exchange)(nil)
)

// Header returns the handler's header map. After the time limit has answered, what the
// handler still does to it reaches nobody: in HTTP/1 the limit takes the connection and
// writes past net/http, and in HTTP/2 the map is not net/http's own.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader begins the answer. As in net/http a second call does nothing, and 1xx
// codes (but 101) may come before it. After the time limit it does nothing.
func (x *exchange) WriteHeader(code int) {
	if x.overdue() {
		x.expire()
		return
	}
	if x.in.rc != nil && x.req.ProtoMajor == 1 && code >= 200 {
		x.in.finish()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state.Load() != stateFresh {
		return
	}
	if code >= 100 && code < 200 && code != http.StatusSwitchingProtocols {
		x.copyHeaderLocked()
		x.inner.WriteHeader(code)
		return
	}
	x.state.Store(stateAnswering)
	x.status.Store(int32(code))
	// A header that has more lines than these when the chain returns may have trailers.
	x.sent = int32(len(x.header))
	x.warnings.headerLocked(x.header)
	x.copyHeaderLocked()
	// The answer of a watch may go on for an hour: its audit event ResponseStarted comes now.
	if x.audit != nil && x.longRunning {
		x.audit.Started(code)
	}
	x.inner.WriteHeader(code)
}

// overdue reports whether the handler may have seen its context end at the deadline
// before the timer ran. Its answer must not win then, or the same request would be answered now
// by the limit and now by the handler.
func (x *exchange) overdue() bool {
	l := x.life.Load()
	return l != nil && x.limit > 0 && errors.Is(l.Err(), context.DeadlineExceeded)
}

// copyHeaderLocked hands the header to net/http, with what every answer carries.
func (x *exchange) copyHeaderLocked() {
	h := x.header
	if x.apart {
		h = x.inner.Header()
		for k, v := range x.header {
			h[k] = v
		}
	}
	if len(h["Audit-Id"]) == 0 {
		h["Audit-Id"] = x.auditID[:]
	}
	if x.chain.endConnection(x) {
		h["Connection"] = []string{"close"}
	} else if x.conn != nil && x.req.ProtoMajor == 1 && len(x.req.TransferEncoding) > 0 {
		x.conn.chunkedAt.Store(x.conn.got.Load())
	}
}

// Write writes body bytes. After the time limit it fails with http.ErrHandlerTimeout.
func (x *exchange) Write(b []byte) (int, error) {
	if err := x.begin(); err != nil {
		return 0, err
	}
	if f := x.fault.Load(); f != nil {
		return f.write(x, b)
	}
	return x.write(b)
}

// write is Write past fault injection, which calls it with what it lets through.
func (x *exchange) write(b []byte) (int, error) {
	x.enterWrite(len(b))
	n, err := x.inner.Write(b)
	x.leaveWrite(n)
	if x.capture != nil {
		x.capture.Add(b[:n])
	}
	return n, err
}

// WriteString is Write without a copy.
func (x *exchange) WriteString(s string) (int, error) {
	if err := x.begin(); err != nil {
		return 0, err
	}
	if f := x.fault.Load(); f != nil {
		return f.write(x, []byte(s))
	}
	x.enterWrite(len(s))
	n, err := io.WriteString(x.inner, s)
	x.leaveWrite(n)
	if x.capture != nil {
		x.capture.Add([]byte(s[:n]))
	}
	return n, err
}

// begin sees to it that a header is out and that the answer is still the handler's.
func (x *exchange) begin() error {
	if x.state.Load() == stateFresh {
		x.WriteHeader(http.StatusOK)
	}
	switch x.state.Load() {
	case stateAnswering:
		return nil
	case stateHijacked:
		return http.ErrHijacked
	}
	return http.ErrHandlerTimeout
}

// enterWrite and leaveWrite are around every call that may wait for the client: the progress
// check sees the wait, and the recording takes its time out of the handler's. Neither may hold
// mu, which a cut must get while the call waits. size is what is to be written, n what was.
func (x *exchange) enterWrite(size int) {
	x.writing.enter(size)
	x.writeBegins()
}

func (x *exchange) leaveWrite(n int) {
	x.writeEnds()
	x.writing.leave()
	x.bytesOut.Add(int64(n))
}

// FlushError sends what is written so far; http.ResponseController calls it.
func (x *exchange) FlushError() error {
	if err := x.begin(); err != nil {
		return err
	}
	x.enterWrite(0)
	err := flush(x.inner)
	x.leaveWrite(0)
	return err
}

// Flush is FlushError for handlers that ask for an http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// flush flushes w as a ResponseController would, which would cost an allocation. It returns
// http.ErrNotSupported where w cannot.
func flush(w http.ResponseWriter) error {
	switch f := w.(type) {
	case interface{ FlushError() error }:
		return f.FlushError()
	case http.Flusher:
		f.Flush()
		return nil
	}
	return http.ErrNotSupported
}

// Hijack gives the connection to the handler, which closes it. The time limit ends: its timer
// would find nothing that it may write to.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.state.Load() {
	case stateFresh, stateAnswering:
	default:
		return nil, nil, http.ErrHandlerTimeout
	}
	c, rw, err := http.NewResponseController(x.inner).Hijack()
	if err == nil {
		x.state.Store(stateHijacked)
		if x.timer != nil {
			x.timer.Stop()
		}
	}
	return c, rw, err
}

// Unwrap lets http.ResponseController reach what x does not have: deadlines and full duplex.
func (x *exchange) Unwrap() http.ResponseWriter { return x.inner }

// trailersLocked hands on what the handler set after the header went out: lines with
// http.TrailerPrefix, and those that it had announced. net/http sends them from its own map.
func (x *exchange) trailersLocked() {
	h := x.inner.Header()
	for k, v := range x.header {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			h[k] = v
		}
	}
	for _, line := range x.header["Trailer"] {
		for k := range strings.SplitSeq(line, ",") {
			k = http.CanonicalHeaderKey(strings.TrimSpace(k))
			if v, ok := x.header[k]; ok {
				h[k] = v
			}
		}
	}
}

// body is the request's body as the handler reads it: counted, watched for progress,
// and kept for the audit event where the policy wants it.
type body struct {
	x       *exchange
	rc      io.ReadCloser // net/http's
	capture *audit.Body   // nil: nobody wants it
	ended   atomic.Bool   // it was read to its end
}

// Read reads. It fails with errBodyStalled, a 408, when the progress check has ended the wait.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.read(p)
	if b.capture != nil {
		b.capture.Add(p[:n])
	}
	return n, err
}

// read is Read for who does not want the bytes to be kept.
func (b *body) read(p []byte) (int, error) {
	b.x.reading.enter(0)
	n, err := b.rc.Read(p)
	b.x.reading.leave()
	b.x.bytesIn.Add(int64(n))
	switch {
	case err == io.EOF:
		b.ended.Store(true)
	// What net/http says is a timeout of the connection, which tells the client nothing.
	case err != nil && b.x.reading.stalled.Load():
		err = errBodyStalled
	}
	return n, err
}

// mostUnread is how much of a body is read that nobody wanted, as net/http has it.
const mostUnread = 256 << 10

// finish reads what the handler has left of the body before the answer of an HTTP/1 request begins, so
// that the connection can be kept. net/http would do that too, but without a look at the time: here the
// progress check and the time limit of the request hold. A body that is larger, or that its client has
// not been asked for, is left alone, and ends the connection.
func (b *body) finish() {
	if b.ended.Load() || b.x.dry != nil || b.x.req.ContentLength > mostUnread ||
		b.x.state.Load() != stateFresh || b.x.req.Header["Expect"] != nil {
		return
	}
	var room [4 << 10]byte
	for left := mostUnread; left > 0; {
		n, err := b.read(room[:])
		if err != nil {
			return
		}
		left -= n
	}
}

// Close closes net/http's body.
func (b *body) Close() error { return b.rc.Close() }
