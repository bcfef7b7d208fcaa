package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/audit"
	"apichain/internal/request"
	"apichain/internal/status"
)

// An exchange is the record of one request and, at once, the writer of its answer and the
// request's context. Filters read and write its fields instead of stacking context values and
// writer wrappers; the access record, the audit event, metrics, the in-flight table and the
// answer of the time limit are views of it. As the context it serves RequestInfoFrom and
// UserFrom without a context of their own.
//
// This file has the record and the context, exchange_write.go the writer and the request's
// body, exchange_end.go what happens when the answer is over, or must be.
//
// One exchange is allocated for each request and never reused: a handler that leaks its writer
// can then harm nobody else's answer. It is one allocation, of a size that TestExchangeSize
// holds, so its parts are nested by value.

// exchange is made by newExchange; the zero value serves tests only.
//
// Who may touch what:
//
//   - The goroutine that runs the chain reads and writes everything; in HTTP/2 that is the
//     handler's own from the timeout filter inward (see runApart).
//   - Another goroutine (a timer, a stop, the admin endpoint) loads at first, and then may read
//     the fields that filters before that position have set.
//   - Fields under the heading "under mu" need the lock, whoever asks. Methods named …Locked
//     are called with it. Atomic fields need none, but state changes only under it.
//
// mu may be taken under the lock of a table (of exchanges, of watches). Under it only the locks
// of the audit trail, of the connection and of the list of connections are taken, and nothing is
// written to the client but a header and the answer of the time limit.
type exchange struct {
	// What came. Set when the exchange is opened.
	chain     *chain
	inner     http.ResponseWriter // net/http's
	parent    context.Context     // net/http's: ends when the client goes
	conn      *conn               // nil in tests that have no connection
	req       http.Request        // what the filters and the handler see; its context is the exchange
	id        uint64
	received  time.Time
	path      string // as it came: a handler may change req
	query     string
	userAgent string
	auditID   [1]string // a slice of it is the header value, which saves an allocation

	// What the filters found out. Each is set before at moves on, and then stays, but for acting,
	// which impersonation sets again (see shownUser).
	info        request.Info
	target      target
	user        *request.User // who the credentials say
	acting      *request.User // who the request acts as: user, or the impersonated one
	latency     *latencies    // nil: not tracked
	longRunning bool          // it has no time limit, and a stop ends it instead of waiting
	early       bool          // it came before all paths were installed
	// At most one of these two is set: which of the program's two groups it is in.
	inWaitGroup   bool // requests that a stop waits for
	inLongRunning bool // requests that a stop ends
	// at is the row of the chain it is in; len(rows) is the director, one more the handler.
	at atomic.Int32

	in      body
	bytesIn atomic.Int64
	reading stall // whether it waits for its client's body

	prev, next *exchange // in the in-flight table, under the lock of its shard

	response
	completion
	watchedBy
}

// response is what the client gets.
type response struct {
	// header is the handler's map: net/http's own, or one that is copied to it when the answer
	// begins (apart).
	header   http.Header
	state    atomic.Int32 // one of the states below
	status   atomic.Int32 // 0 until the header is written
	bytesOut atomic.Int64
	writing  stall         // whether it waits for its client to take the answer
	refusal  *status.Error // what it was answered with, if that was a failure
	apart    bool          // header is not net/http's own map
	sent     int32         // lines of a header apart that were copied, to notice trailers

	// Under mu.
	warnings warnings
}

// The states of an answer. They change under mu, and only in the direction of the arrows.
//
//	fresh ── the header is written ──> answering ── the chain has returned ──> done
//	  │                                    │
//	  ├── the time limit answers ──> expired
//	  ├── cut, a panic ──────────> cut <───┤ the time limit, a panic, a stop, a client that stalls
//	  └── Hijack ──────────────> hijacked <┘
const (
	stateFresh     = iota // nothing is written
	stateAnswering        // the header is out
	stateHijacked         // the handler has the connection
	stateExpired          // the time limit has written the answer
	stateCut              // the answer was broken off: the connection must go
	stateDone             // the answer is whole
)

// completion is how the exchange ends: by its handler or by its time limit, whichever is first.
// Each happens once at most, and both close the books (chain.finish), of which the first counts:
//
//	handler ── returns ──> handlerReturned ──> booksClosed
//	timer ──── fires ────> expired or cut ───> booksClosed ──> limitAnswered
//
// Usually the handler returns and the timer never fires. Where the limit comes first, the books are
// closed while the handler goes on: it is abandoned until it returns, and what it still writes
// reaches nobody.
type completion struct {
	// limit is how long after received the time limit answers; 0: never, as for everything
	// long-running.
	limit time.Duration
	// limitAnswered is closed when the time limit has answered. Only runApart waits for it, and
	// makes it: nil where the handler has no goroutine of its own.
	limitAnswered chan struct{}
	panicked      *panicked                // what the handler panicked with
	life          atomic.Pointer[lifetime] // nil until somebody waits for the context
	hijackedCut   atomic.Bool              // cut after it was hijacked, which state does not show

	mu sync.Mutex

	// Under mu.

	handlerReturned bool
	booksClosed     bool
	abandoned       bool // booksClosed, but not yet handlerReturned
	// until is how long after received the context of a watch ends; 0: it does not. The chain's
	// goroutine writes it, and may read it without the lock.
	until        time.Duration
	timer        *time.Timer // of limit; nil while the deadline is far (see armSoon)
	afterHandler func()      // closes the connection that the time limit has taken from net/http
}

// watchedBy is who else looks at the exchange, and what for.
type watchedBy struct {
	// audit is nil where the policy records nothing. It is set under mu, because the goroutine
	// that closes the books may be another one; capture is what the policy wants of the body.
	audit   *audit.Trail
	capture *audit.Body

	recording *recording                 // where its time goes; nil: nothing is recorded
	fault     atomic.Pointer[fault]      // what fault injection does to it; nil: nothing
	decidedBy atomic.Pointer[faultRules] // the rules of faults that have decided last
	dry       *dryRun                    // nil: a real request
	streamed  atomic.Bool                // streams were told that it started
}

// newExchange opens the record of r. The audit ID is the client's, kept whole, or a new one.
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
	// In HTTP/1 the time limit takes the connection and writes past net/http, so the handler may
	// have net/http's map. An HTTP/2 stream cannot be taken: there the limit answers through
	// that map, and the handler, which may still be writing to its own, must have another.
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
	// A copy: net/http reads its own request when the handler has returned, and the handler may
	// have changed ours.
	x.req = *r.WithContext(x)
	x.path, x.query, x.userAgent = r.URL.Path, r.URL.RawQuery, r.UserAgent()
	if r.Body != nil && r.Body != http.NoBody {
		x.in = body{x: x, rc: r.Body}
		x.req.Body = &x.in
	}
	return x
}

// exchangeFrom returns the exchange that ctx belongs to, or nil.
func exchangeFrom(ctx context.Context) *exchange {
	x, _ := request.From(ctx).(*exchange)
	return x
}

// RequestInfo returns what the request is about; it is empty before the filter that resolves it.
// With ActingUser and Warn it makes the exchange the request.Scope of its context.
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

// Annotate sets an annotation of the audit event, where the policy records one.
func (x *exchange) Annotate(key, value string, withBody bool) {
	if x.audit != nil {
		x.audit.Annotate(key, value, withBody)
	}
}

// Spend adds to the time in others' hands, where times are recorded.
func (x *exchange) Spend(in request.Part, took time.Duration) {
	if x.recording != nil {
		x.recording.elsewhere[in].Add(int64(took))
	}
}

// lifetime is the real context behind an exchange, made when somebody first waits for it: most
// handlers never do.
type lifetime struct {
	context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc // of the deadline; nil without one
}

// lifetime returns the context behind x, made now if nobody asked before.
func (x *exchange) lifetime() *lifetime {
	if l := x.life.Load(); l != nil {
		return l
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lifetimeLocked()
}

// lifetimeLocked is lifetime for callers that hold mu.
func (x *exchange) lifetimeLocked() *lifetime {
	l := x.life.Load()
	if l != nil {
		return l
	}
	l = &lifetime{}
	l.Context, l.cancel = context.WithCancelCause(x.parent)
	switch {
	case x.limit > 0:
		l.Context, l.stop = context.WithDeadline(l.Context, x.received.Add(x.limit))
	case x.until > 0:
		l.Context, l.stop = context.WithDeadline(l.Context, x.received.Add(x.until))
	}
	if x.handlerReturned { // close has cancelled what there was, and does not come again
		l.cancel(context.Canceled)
	}
	x.life.Store(l)
	return l
}

// Deadline returns when the context ends at the latest: the time limit of the request, or of a
// long-running one what endsAfter has set, if anything.
func (x *exchange) Deadline() (time.Time, bool) {
	switch {
	case x.limit > 0:
		return x.received.Add(x.limit), true
	case x.until > 0:
		return x.received.Add(x.until), true
	}
	return time.Time{}, false
}

// Done is closed when the client has gone, the time limit has passed, the chain has
// returned, or a stop ends a long-running request.
func (x *exchange) Done() <-chan struct{} { return x.lifetime().Done() }

// Err says why Done is closed, and nil before.
func (x *exchange) Err() error { return x.lifetime().Err() }

// Value answers for the exchange itself, for context.Cause and for net/http's context.
func (x *exchange) Value(key any) any {
	if request.IsKey(key) {
		return x
	}
	// Cause and derived contexts ask by a key of package context's own, which the lifetime has.
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
