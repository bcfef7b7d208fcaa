package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/audit"
	"apichain/internal/request"
	"apichain/internal/status"
)

// exchange is the record of one request and the writer of its answer, in one. Filters
// read and write its fields instead of stacking context values and writer wrappers; the
// access record, the audit event, metrics, the in-flight table and the answer of the
// time limit are views of it. It is also the request's context, so that
// RequestInfoFrom and UserFrom cost no context of their own.
//
// One is allocated for each request and never reused: a handler that leaks its writer
// can then harm nobody else's answer.
//
// Who may read what: the goroutine that runs the chain reads and writes everything.
// Another one (the time limit, the admin endpoint) loads at first, and then may read
// the fields that filters before that position have set; each is set once.
type exchange struct {
	chain     *chain
	inner     http.ResponseWriter
	parent    context.Context // net/http's: ends when the client goes
	conn      *conn           // nil in tests that have no connection
	req       http.Request    // what the filters and the handler see; its context is x
	id        uint64
	received  time.Time
	path      string // as it came: a handler may change req
	query     string
	userAgent string
	auditID   [1]string // a slice of it is the header value, which saves an allocation

	// Set by the filters, each once.
	info        request.Info
	target      target
	longRunning bool
	early       bool          // came before all paths were installed
	watched     bool          // counted as a watch that a stop ends
	apart       bool          // header is not net/http's own map
	sent        int32         // lines of it that were copied, to notice trailers
	deadline    time.Time     // zero: none
	until       time.Duration // after received, when the context of a watch ends; 0: it does not
	user        *request.User // who the credentials say
	acting      *request.User // who the request acts as: user, or the impersonated one
	audit       *audit.Trail
	latency     *latencies // nil: not tracked

	at       atomic.Int32 // the row of the chain it is in; len(rows) is the director, one more the handler
	status   atomic.Int32 // 0 until the header is written
	bytesIn  atomic.Int64
	bytesOut atomic.Int64

	header  http.Header // the handler's; net/http's own, or one that is copied to it when the answer begins
	in      body
	capture *audit.Body // what the audit policy wants of the answer's body
	reading stall       // whether it waits for its client's body
	writing stall       // whether it waits for its client to take the answer

	mu       sync.Mutex
	state    atomic.Int32 // changes under mu
	streamed atomic.Bool  // streams were told that it started
	aborted  atomic.Bool  // cut after it was hijacked
	finished bool
	grouped  bool // counted among the requests that a stop waits for
	left     bool // the chain has returned
	// isAbandoned: the time limit has answered and the handler goes on.
	isAbandoned bool
	panicked    *panicked
	timer       *time.Timer
	rest        func()        // what is left to do, when the handler returns, with the connection that the time limit has taken from net/http
	gone        chan struct{} // closed when the time limit has answered; only where the handler has its own goroutine
	warnings    warnings
	life        atomic.Pointer[lifetime]

	prev, next *exchange // in the in-flight table

	recording *recording                 // of its time; nil: nothing is recorded
	refusal   *status.Error              // what it was answered with, if that was a failure
	fault     atomic.Pointer[fault]      // what fault injection does to it; nil: nothing
	decidedBy atomic.Pointer[faultRules] // the rules of faults that have decided last
	dry       *dryRun                    // nil: a real request
}

// The states of an answer. From fresh it is answering, or hijacked, or expired, or done;
// from answering it is cut or done.
const (
	stateFresh     = iota // nothing is written
	stateAnswering        // the header is out
	stateHijacked         // the handler has the connection
	stateExpired          // the time limit has written the answer
	stateCut              // the answer was broken off: the connection must go
	stateDone
)

// newExchange opens the record. The audit ID is the client's, kept whole, or a new one.
func newExchange(c *chain, w http.ResponseWriter, r *http.Request) *exchange {
	var x *exchange
	if c.timed {
		both := &recordedExchange{}
		x = &both.exchange
		x.recording = &both.times
	} else {
		x = &exchange{}
	}
	x.chain, x.inner, x.parent, x.received = c, w, r.Context(), time.Now()
	if x.conn = connFrom(x.parent); x.conn != nil {
		x.conn.requests.Add(1)
	}
	if _, ok := w.(http.Hijacker); ok {
		x.header = w.Header()
	} else {
		x.header, x.apart = make(http.Header, 8), true
	}
	if id := r.Header["Audit-Id"]; len(id) > 0 && id[0] != "" {
		x.auditID[0] = id[0]
	} else {
		x.auditID[0] = request.NewUUID()
	}
	x.req = *r.WithContext(x)
	x.path, x.query, x.userAgent = r.URL.Path, r.URL.RawQuery, r.UserAgent()
	if r.Body != nil && r.Body != http.NoBody {
		x.in = body{x: x, rc: r.Body}
		x.req.Body = &x.in
	}
	return x
}

// The writer.

// Header is the handler's header map. After the time limit has answered, what the
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
	x.sent = int32(len(x.header))
	x.warnings.headerLocked(x.header)
	x.copyHeaderLocked()
	if x.audit != nil && x.longRunning {
		x.audit.Started(code)
	}
	x.inner.WriteHeader(code)
}

// overdue reports whether the handler may have seen its context end at the deadline
// before the timer ran.
func (x *exchange) overdue() bool {
	l := x.life.Load()
	return l != nil && !x.deadline.IsZero() && errors.Is(l.Err(), context.DeadlineExceeded)
}

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

func (x *exchange) write(b []byte) (int, error) {
	x.writing.enter(len(b))
	x.writeBegins()
	n, err := x.inner.Write(b)
	x.writeEnds()
	x.writing.leave()
	x.bytesOut.Add(int64(n))
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
	x.writing.enter(len(s))
	x.writeBegins()
	n, err := io.WriteString(x.inner, s)
	x.writeEnds()
	x.writing.leave()
	x.bytesOut.Add(int64(n))
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

// FlushError sends what is written so far; http.ResponseController calls it.
func (x *exchange) FlushError() error {
	if err := x.begin(); err != nil {
		return err
	}
	x.writing.enter(0)
	x.writeBegins()
	err := flush(x.inner)
	x.writeEnds()
	x.writing.leave()
	return err
}

// Flush is FlushError for handlers that ask for an http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

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

// Hijack gives the connection to the handler, which closes it. The time limit ends.
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

// The context.

// exchangeFrom returns the exchange that ctx belongs to, or nil.
func exchangeFrom(ctx context.Context) *exchange {
	x, _ := request.From(ctx).(*exchange)
	return x
}

// RequestInfo, ActingUser and Warn make the exchange the request.Scope of its context.

// RequestInfo returns what the request is about; it is empty before the filter that resolves it.
func (x *exchange) RequestInfo() *request.Info { return &x.info }

// ActingUser returns who the request acts as; the user has no name before authentication.
func (x *exchange) ActingUser() *request.User {
	if x.acting == nil {
		return &request.User{}
	}
	return x.acting
}

// Warn puts a Warning header on the answer; see AddWarning.
func (x *exchange) Warn(agent, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.warnings.addLocked(agent, text)
}

// lifetime is the real context behind x, made when somebody first waits for it: most
// handlers never do.
type lifetime struct {
	context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
}

func (x *exchange) lifetime() *lifetime {
	if l := x.life.Load(); l != nil {
		return l
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lifetimeLocked()
}

func (x *exchange) lifetimeLocked() *lifetime {
	l := x.life.Load()
	if l != nil {
		return l
	}
	l = &lifetime{}
	l.Context, l.cancel = context.WithCancelCause(x.parent)
	switch {
	case !x.deadline.IsZero():
		l.Context, l.stop = context.WithDeadline(l.Context, x.deadline)
	case x.until > 0:
		l.Context, l.stop = context.WithDeadline(l.Context, x.received.Add(x.until))
	}
	if x.left {
		l.cancel(context.Canceled)
	}
	x.life.Store(l)
	return l
}

// Deadline returns when the context ends at the latest: the time limit of the request, or of a
// long-running one what endsAfter has set, if anything.
func (x *exchange) Deadline() (time.Time, bool) {
	if x.deadline.IsZero() && x.until > 0 {
		return x.received.Add(x.until), true
	}
	return x.deadline, !x.deadline.IsZero()
}

// Done is closed when the client has gone, the time limit has passed, the chain has
// returned, or a stop ends a long-running request.
func (x *exchange) Done() <-chan struct{} { return x.lifetime().Done() }

// Err says why Done is closed, and nil before.
func (x *exchange) Err() error { return x.lifetime().Err() }

// Value answers for the exchange itself and for net/http's context.
func (x *exchange) Value(key any) any {
	if request.IsKey(key) {
		return x
	}
	if l := x.life.Load(); l != nil {
		return l.Value(key)
	}
	return x.parent.Value(key)
}

// endsAfter sets how long after it was received a watch's context ends, if nobody waits
// for it yet: a stop, which may look at a watch from its admission on, has ended it then.
func (x *exchange) endsAfter(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.until = d
}

// end cancels the request's context with a cause: a stop ends a long-running request.
func (x *exchange) end(cause error) { x.lifetime().cancel(cause) }

// The end.

// Fail answers with err, unless an answer has begun: then there is nothing to tell the
// client any more and err goes to the log alone.
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
	x.header["Content-Type"] = []string{contentType}
	if x.audit != nil {
		x.audit.Refused(e)
	}
	x.WriteHeader(e.Code)
	_, _ = x.Write(b)
}

// cutLocked breaks the answer off at once, even while the handler does not return: the
// connection in HTTP/1, the stream in HTTP/2.
func (x *exchange) cutLocked() {
	if x.req.ProtoMajor == 1 && x.conn != nil {
		x.conn.abort()
		return
	}
	_ = http.NewResponseController(x.inner).SetWriteDeadline(time.Unix(1, 0))
}

// cut ends the exchange without regard to what is written: for a client that stalls and
// for the end of a stop.
func (x *exchange) cut(cause error) {
	x.mu.Lock()
	switch x.state.Load() {
	case stateFresh, stateAnswering:
		x.state.Store(stateCut)
		x.cutLocked()
	case stateHijacked:
		x.aborted.Store(true)
		if x.conn != nil {
			x.conn.abort()
		}
	}
	l := x.lifetimeLocked()
	x.mu.Unlock()
	l.cancel(cause)
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
	state := x.state.Load()
	if state == stateAnswering {
		x.state.Store(stateDone)
		if x.apart && (len(x.header) != int(x.sent) || len(x.header["Trailer"]) > 0) {
			x.trailersLocked()
		}
	}
	if x.gone == nil {
		x.leaveLocked()
	}
	l, rest := x.life.Load(), x.rest
	x.mu.Unlock()
	if rest != nil {
		rest()
	}
	if l != nil {
		l.cancel(context.Canceled)
		if l.stop != nil {
			l.stop()
		}
	}
	if f := x.req.MultipartForm; f != nil {
		_ = f.RemoveAll() // net/http cleans up its own request, not our copy
	}
	return state == stateCut
}

// leaveLocked notes that the handler has returned.
func (x *exchange) leaveLocked() {
	x.left = true
	if x.isAbandoned {
		x.isAbandoned = false
		x.chain.abandoned.Add(-1)
	}
}

// trailersLocked hands on what the handler set after the header went out.
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
	rc      io.ReadCloser
	capture *audit.Body
}

func (b *body) Read(p []byte) (int, error) {
	b.x.reading.enter(0)
	n, err := b.rc.Read(p)
	b.x.reading.leave()
	b.x.bytesIn.Add(int64(n))
	if b.capture != nil {
		b.capture.Add(p[:n])
	}
	if err != nil && b.x.reading.stalled.Load() {
		err = errBodyStalled
	}
	return n, err
}

func (b *body) Close() error { return b.rc.Close() }
