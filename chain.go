package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"apichain/internal/metrics"
)

// The two filter chains, as data: what runs, what the admin endpoint shows and what the
// test asserts are the same rows, in the order a request meets them. A row says where it stands
// and why; the filter in it says what it does.
//
// newChain compiles the rows of a listener from the inside out: around the director goes the last
// row, and so on to the first. Rows that are off are left out of the calls, not of the positions,
// so that row 5 is the same row in every program. Each step is handed the rest of the chain, as
// net/http middleware is, but at the call: a filter is one function, and costs one call.
//
// A request notes its position before each step (exchange.at). Everything that is said of where
// requests are, where they ended and how many passed a row is derived from that one number.

// handler takes a request inward. An error is the refusal or failure that the client
// gets; the chain renders it, once, at its outer end.
type handler func(x *exchange) error

// filter is what a filter_*.go file gives to a row: the step itself, or why it is
// switched off. A filter without a step is done by the exchange when it is opened.
type filter struct {
	// step takes x inward by calling next, or answers it by returning without. It may run for many
	// exchanges at once.
	step func(x *exchange, next handler) error
	// off says why it is switched off; "" is on.
	off string
	// idle says why it does nothing now, "" while it works; nil: it always works.
	idle func() string
	// flags govern it.
	flags []string
	// brief is a step that does less than reading the clock costs, so that is left out; see
	// recent_time.go.
	brief bool
}

// row is a filter in its place.
type row struct {
	name string
	why  string // why it stands here
	filter
}

// plainRows returns the chain of the plain listener: that of the insecure port which upstream once
// had, behind the checks that keep a hostile web page or a doubtful request away.
func plainRows(p *program) []row {
	return []row{
		{"canonical-path", "first, so that every later decision sees one spelling of the path", canonicalPath(p)},
		{"host-and-origin", "before anything acts on the request: this listener knows no passwords, so a web page must not reach it", hostAndOrigin(p)},
		{"panic-recovery", "outside everything that may panic", panicRecovery(p)},
		{"cache-control", "outside whatever answers, so that refusals are not cached either", cacheControl()},
		{"warning-recorder", "before anything that may warn", warningRecorder()},
		{"request-info", "before all that asks for verb, resource or route", requestInfoFilter(p)},
		{"wait-group", "after request info, because long-running requests do not count", waitGroupFilter(p)},
		{"timeout", "outside the slow steps, so that they are inside the limit", timeoutWithDeadline(p)},
		{"cors", "before authentication, because a preflight carries no credentials", cors(p)},
		{"authentication", "before audit, which names the user", insecureSuperuser(p)},
		{"audit", "after authentication; before the limits, so that their refusals are recorded", auditFilter(p)},
		{"max-in-flight", "after audit, so that refusals are recorded; before fault injection, so that a delayed request holds its place", maxInFlight(p, false)},
		{"fault-injection", "last, so that a fault looks like a broken handler", faultInjection(p)},
	}
}

// secureRows returns the chain of the TLS listener, in upstream's order (v0.37).
func secureRows(p *program) []row {
	return []row{
		{"canonical-path", "first, so that what is authorised is what is routed", canonicalPath(p)},
		{"audit-init", "outside everything else, so that every answer carries Audit-Id; taken when the exchange is opened", auditInit()},
		{"panic-recovery", "outside everything that may panic", panicRecovery(p)},
		{"mux-and-discovery-complete", "before routing: a request that came too early must be told to try again, not 404", muxComplete(p)},
		{"received-timestamp", "before everything that takes time, because the deadline counts from it; taken when the exchange is opened", filter{}},
		{"request-info", "before all that asks for verb, resource or route", requestInfoFilter(p)},
		{"latency-tracking", "outside the steps it measures", latencyTracking(p)},
		{"access-record", "outside the filters that refuse, so that refusals are logged too", accessRecord(p)},
		{"retry-after", "before any work is done for a request that a stopping server sends away", retryAfter(p)},
		{"hsts", "outside whatever answers, so that refusals carry it too", hsts(p)},
		{"cache-control", "outside whatever answers, so that refusals are not cached either", cacheControl()},
		{"goaway", "before the answer begins, because it is a header line", goaway(p)},
		{"watch-termination", "beside wait-group: watches are counted and ended apart", watchTermination(p)},
		{"wait-group", "outside the time limit, so that a stop waits for the whole answer", waitGroupFilter(p)},
		{"deadline", "before authentication, which must stay inside the deadline", requestDeadline(p)},
		{"timeout", "after deadline, which sets what it enforces; outside the slow steps", timeout(p)},
		{"warning-recorder", "before anything that may warn", warningRecorder()},
		{"cors", "before authentication, because a preflight carries no credentials", cors(p)},
		{"authentication", "before all that asks who it is", authenticationFilter(p)},
		{"audit", "after authentication, which names the user; before all that refuses by name", auditFilter(p)},
		{"impersonation", "after audit, so that the real user is recorded; before all that decides about the user", impersonationFilter(p)},
		{"max-in-flight", "after impersonation, so that masters are known; before authorization, so that a flood costs no decisions", maxInFlight(p, true)},
		{"authorization", "after impersonation, about the user in force and the route that will be taken", authorizationFilter(p)},
		{"fault-injection", "last, so that a fault looks like a broken handler", faultInjection(p)},
	}
}

// runs reports whether requests enter the row.
func (r *row) runs() bool { return r.off == "" && r.step != nil }

// chain is the compiled chain of one listener: an http.Handler that opens an exchange,
// takes it through the rows and to the director, and closes it. newChain makes it; what is not
// atomic or locked does not change afterwards.
type chain struct {
	program  *program
	log      *slog.Logger
	listener string // http or https
	rows     []row
	run      handler

	// Positions, for readers from other goroutines: which fields are set from where on; -1 without
	// such a row.
	infoRow, userRow, actingRow, timeoutRow, panicRow, accessRow int
	// outerHeader is what the filters outside the time limit put on every answer.
	outerHeader http.Header

	inFlight  inFlightLimits
	table     table
	abandoned atomic.Int64 // handlers that go on after their time limit

	// By position; the director and the handler have one each, behind the rows.
	ended    []atomic.Uint64     // exchanges that ended there
	answered []statusCounts      // answers given there
	timed    bool                // whether filters note when they are entered
	times    []metrics.Durations // own times of each row, of a sample; nil unless timed
}

// newChain compiles rows around the director of the outermost server.
func newChain(p *program, listener string, rows []row) *chain {
	c := &chain{listener: listener, rows: rows, log: p.log, program: p, outerHeader: http.Header{}}
	c.ended = make([]atomic.Uint64, len(rows)+2)
	c.answered = make([]statusCounts, len(rows)+2)
	c.infoRow, c.userRow, c.actingRow = c.position("request-info"), c.position("authentication"), c.position("impersonation")
	c.timeoutRow, c.panicRow, c.accessRow = c.position("timeout"), c.position("panic-recovery"), c.position("access-record")
	// Where nobody can impersonate, whom a request acts as is known with who it is.
	if c.actingRow < 0 {
		c.actingRow = c.userRow
	}
	c.outerHeader["Cache-Control"] = []string{cacheControlValue}
	if v := p.opt.hsts.value(); v != "" && listener == "https" {
		c.outerHeader["Strict-Transport-Security"] = []string{v}
	}
	c.inFlight.readOnlyLimit, c.inFlight.mutatingLimit = int64(p.opt.inFlight.readOnly), int64(p.opt.inFlight.mutating)
	if c.timed = p.recent.on(); c.timed {
		if len(rows) >= mostPlaces {
			panic(fmt.Sprintf("the chain of %s has %d rows, and a recording has no room for them: raise mostPlaces", listener, len(rows)))
		}
		c.times = make([]metrics.Durations, len(rows)+1)
	}
	c.run = direct
	for i := len(rows) - 1; i >= 0; i-- {
		if i == c.actingRow {
			c.run = c.announced(c.run)
		}
		if rows[i].runs() {
			c.run = c.entered(i, c.run)
		}
	}
	return c
}

// entered returns row i in front of next: it notes where an exchange is, and in a timed chain when
// it came there, before it goes on.
func (c *chain) entered(i int, next handler) handler {
	step, position := c.rows[i].step, int32(i)
	// The first row's time begins with the exchange.
	if c.timed && i > 0 && !c.rows[i].brief {
		return func(x *exchange) error {
			x.mark(i)
			x.at.Store(position)
			return step(x, next)
		}
	}
	return func(x *exchange) error {
		x.at.Store(position)
		return step(x, next)
	}
}

// announced tells the streams of an exchange, if they want to know, once it is known who
// it acts as.
func (c *chain) announced(next handler) handler {
	return func(x *exchange) error {
		if c.program.hub.Recording() && x.dry == nil {
			x.at.Store(int32(c.actingRow) + 1) // from here on the user may be read
			c.program.publishStarted(x)
		}
		return next(x)
	}
}

// position returns the index of the row called name, or -1.
func (c *chain) position(name string) int {
	return slices.IndexFunc(c.rows, func(r row) bool { return r.name == name })
}

// place returns the name of a position: a row, "director" or "handler".
func (c *chain) place(at int) string {
	switch {
	case at < len(c.rows):
		return c.rows[at].name
	case at == len(c.rows):
		return "director"
	}
	return "handler"
}

// ServeHTTP serves one request from its first filter to the last byte.
func (c *chain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(c, w, r)
	x.id = c.program.requestIDs.Add(1)
	c.table.add(x)
	err := c.run(x)
	if err != nil {
		// A brief filter has not noted its time; rendering its refusal is its own.
		if at := int(x.at.Load()); at > 0 && at < len(c.rows) && c.rows[at].brief {
			x.mark(at)
		}
		x.Fail(err)
	}
	abort := x.close()
	how, by := x.ended(err, abort)
	c.finish(x, how, by)
	if abort {
		panic(http.ErrAbortHandler) // net/http's way to break an answer off; it logs nothing
	}
}

// endConnection reports whether this answer must be the last on its connection: in a stop or a
// drain, where the rest of a stalled body would come, and where HTTP/1 is so old or the end of the
// body so doubtful that what follows cannot be trusted.
func (c *chain) endConnection(x *exchange) bool {
	return c.program.stop.endConnections.Load() || c.program.draining.on.Load() || x.reading.stalled.Load() ||
		(x.req.ProtoMajor == 1 && (x.req.ProtoMinor == 0 || len(x.req.TransferEncoding) > 0 && doubtfulEnd(x)))
}

// passed returns how many requests went inward of each row since the start: all that ended,
// or are now, deeper than it. While requests are served the numbers are not of one moment.
func (c *chain) passed() []uint64 {
	deeper := make([]uint64, len(c.rows)+2)
	for i := range c.ended {
		deeper[i] = c.ended[i].Load()
	}
	c.table.each(func(x *exchange) { deeper[x.at.Load()]++ })
	out := make([]uint64, len(c.rows))
	var sum uint64
	for i := len(deeper) - 1; i > 0; i-- {
		sum += deeper[i]
		if i-1 < len(out) {
			out[i-1] = sum
		}
	}
	return out
}

// statusCounts counts answers by status code. Filters answer rarely, so a lock will do. The zero
// value is ready.
type statusCounts struct {
	mu sync.Mutex
	n  map[int]uint64
}

// add counts one answer.
func (s *statusCounts) add(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == nil {
		s.n = map[int]uint64{}
	}
	s.n[code]++
}

// counts returns a copy by code as text, and the sum of those from 400 on.
func (s *statusCounts) counts() (byCode map[string]uint64, rejected uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byCode = map[string]uint64{}
	for code, n := range s.n {
		byCode[strconv.Itoa(code)] = n
		if code >= 400 {
			rejected += n
		}
	}
	return byCode, rejected
}

// table is the exchanges now under way, in shards so that requests seldom meet at a
// lock. A shard is a list through the exchanges themselves, so that entering it allocates
// nothing. The zero value is ready.
type table struct {
	shards [16]struct {
		mu   sync.Mutex
		head *exchange
		_    [48]byte // a cache line for each
	}
}

// add puts an exchange in, whose id is set.
func (t *table) add(x *exchange) {
	s := &t.shards[x.id%uint64(len(t.shards))]
	s.mu.Lock()
	x.next = s.head
	if s.head != nil {
		s.head.prev = x
	}
	s.head = x
	s.mu.Unlock()
}

// remove takes an exchange out that was put in. It keeps its own links: it is never put in again.
func (t *table) remove(x *exchange) {
	s := &t.shards[x.id%uint64(len(t.shards))]
	s.mu.Lock()
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		s.head = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	s.mu.Unlock()
}

// each calls f for every exchange under way, one shard locked at a time: f must be
// short and must not finish an exchange.
func (t *table) each(f func(*exchange)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for x := s.head; x != nil; x = x.next {
			f(x)
		}
		s.mu.Unlock()
	}
}
