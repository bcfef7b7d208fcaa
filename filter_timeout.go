package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"apichain/internal/status"
)

// The time limit of a request. It counts from the moment the request came, and answers 504 while
// the handler goes on; what the handler writes later reaches nobody (http.ErrHandlerTimeout).
// net/http's TimeoutHandler buys the same with a goroutine and a buffer for every answer. Here:
//
//   - In HTTP/1 the handler runs where it is. The timer's goroutine takes the connection from
//     net/http, writes the answer past it, and closes it when the handler has returned.
//   - In HTTP/2 a stream cannot be taken, and net/http ends it only when its handler returns. So
//     the handler gets a goroutine of its own that can be left behind (runApart).
//   - The timer itself is mostly saved: only requests whose deadline is near have one (armSoon).
//   - A long-running request has no limit. The context of a watch ends at a random moment, so
//     that watches do not live for ever and do not end all at once.
//
// An answer that has begun is broken off at the limit, as upstream does: it must not look whole.

// timeoutOptions are the time limits of requests.
type timeoutOptions struct {
	request    time.Duration // the limit, and the most that ?timeout= may ask for
	minRequest time.Duration // a watch ends after this to twice as much
}

func (o *timeoutOptions) register(f *flags) {
	f.in("serving")
	f.duration(&o.request, "request-timeout", 60*time.Second,
		"time limit of a request that is not long-running; ?timeout= may ask for less")
	f.duration(&o.minRequest, "min-request-timeout", 1800*time.Second,
		"time after which the context of a watch ends: at a random moment from this to twice as long")
}

func (o *timeoutOptions) check(p *problems) {
	p.when(o.request <= 0, "request-timeout", "must be above 0, is %v", o.request)
	p.when(o.minRequest <= 0, "min-request-timeout", "must be above 0, is %v", o.minRequest)
}

// requestDeadline gives a request that is not long-running its deadline: the server's,
// or a shorter one that ?timeout= asks for. It counts from the moment the request came.
func requestDeadline(p *program) filter {
	limit := p.opt.timeout.request
	return filter{brief: true, flags: []string{"request-timeout"}, step: func(x *exchange, next handler) error {
		if err := x.setDeadline(limit); err != nil {
			return err
		}
		return next(x)
	}}
}

// setDeadline sets x.limit, at most to limit. It returns 400 for a ?timeout= that is no duration.
func (x *exchange) setDeadline(limit time.Duration) error {
	if x.longRunning {
		x.because("a long-running request has no time limit", "")
		return nil
	}
	d, err := parseTimeout(x.req.URL.RawQuery)
	if err != nil {
		e := status.BadRequest("invalid timeout specified in the request URL - " + err.Error())
		x.because("?timeout= is no duration", "")
		// The audit filter is further in, and upstream records this refusal all the same.
		x.chain.program.auditRefusal(x)
		return e
	}
	rule := "?timeout="
	if d <= 0 || d > limit {
		d, rule = limit, "request-timeout"
	}
	x.limit = d
	if x.dry != nil {
		x.because("it has "+d.String(), rule)
	}
	return nil
}

// parseTimeout returns the first timeout parameter of a query, a Go duration; 0 when there
// is none or it is empty. What url.ParseQuery would drop is no parameter here either.
func parseTimeout(rawQuery string) (time.Duration, error) {
	// Nearly every query is spared the parser, which allocates. The name may be encoded.
	if !strings.Contains(rawQuery, "timeout") && !strings.Contains(rawQuery, "%") {
		return 0, nil
	}
	q, _ := url.ParseQuery(rawQuery)
	s := q.Get("timeout")
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}

// timeout answers 504 for a request that is not finished at its deadline, or breaks off
// an answer that has begun. It also sets when the context of a watch ends.
func timeout(p *program) filter {
	shortest := p.opt.timeout.minRequest
	flags := []string{"request-timeout", "min-request-timeout"}
	return filter{brief: true, flags: flags, step: func(x *exchange, next handler) error {
		if x.dry != nil {
			return x.explainLimit(next)
		}
		if x.limit == 0 {
			if x.info.Verb == "watch" {
				x.endsAfter(shortest + rand.N(shortest))
			}
			return next(x)
		}
		if x.req.ProtoMajor >= 2 {
			return x.runApart(next)
		}
		x.armSoon()
		return next(x)
	}}
}

// timeoutWithDeadline is both steps in one, as the plain listener's chain has it.
func timeoutWithDeadline(p *program) filter {
	f := timeout(p)
	limit, enforce := p.opt.timeout.request, f.step
	f.step = func(x *exchange, next handler) error {
		if err := x.setDeadline(limit); err != nil {
			return err
		}
		return enforce(x, next)
	}
	return f
}

// explainLimit is the step of a dry run: no timer, no goroutine and no dice.
func (x *exchange) explainLimit(next handler) error {
	switch {
	case !x.longRunning:
		x.because("it would be answered 504 after "+x.limit.String(), "request-timeout")
	case x.info.Verb == "watch":
		x.because("a watch ends after a random time of this or up to twice as much", "min-request-timeout")
	default:
		x.because("a long-running request has no time limit", "")
	}
	return next(x)
}

// armAhead is how long before its deadline a request gets a timer: well above the second in which
// the progress check comes by.
const armAhead = 5 * time.Second

// armSoon sets the timer of a deadline that is near. Nearly every request ends long
// before its limit, so the others get one only when the progress check, which
// looks at all of them every second, finds their deadline near.
func (x *exchange) armSoon() {
	if x.limit < armAhead {
		x.arm()
	}
}

// nearLimit reports whether a timer is due: the deadline is near. It is for the progress check,
// and for exchanges that are past the filter which sets the limit.
func (x *exchange) nearLimit(now time.Time) bool {
	return x.limit > 0 && x.received.Add(x.limit).Sub(now) < armAhead
}

// arm sets the timer, once, unless the exchange has ended.
func (x *exchange) arm() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.timer == nil && !x.booksClosed && !x.handlerReturned {
		x.timer = time.AfterFunc(time.Until(x.received.Add(x.limit)), x.expire)
	}
}

// runApart runs next in a goroutine of its own and returns when it is done or the time
// limit has answered, whichever is first. A handler that goes on then is counted as
// abandoned until it returns; its panic is logged and counted, and reaches nobody.
func (x *exchange) runApart(next handler) error {
	x.limitAnswered = make(chan struct{})
	done := make(chan handled, 1) // with room: nobody reads it of a handler that was left behind
	x.armSoon()
	x.markHere()
	go x.handle(next, done)
	select {
	case o := <-done:
		if x.recording != nil {
			x.recording.handover = x.clock() - o.at
		}
		// Panics are dealt with where those of HTTP/1 are, by the filter that recovers.
		switch {
		case o.panic == nil:
			return o.err
		case o.panic.value == http.ErrAbortHandler:
			panic(http.ErrAbortHandler)
		}
		panic(o.panic)
	case <-x.limitAnswered:
		<-x.Done() // a handler that goes on is to see its deadline, not the end of the chain
		return nil
	}
}

// handled is how a handler in its own goroutine has ended.
type handled struct {
	err   error
	panic *panicked
	at    int64 // when, on the clock of the recording; 0 without one
}

// handle runs next and tells done how it ended, be it by a panic or by runtime.Goexit. It is the
// handler's own goroutine.
func (x *exchange) handle(next handler, done chan<- handled) {
	var o handled
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			o.panic = &panicked{value: v}
		default:
			o.panic = &panicked{value: v, stack: debug.Stack()}
		}
		x.mu.Lock()
		x.returnedLocked()
		late := x.state.Load() == stateExpired
		x.mu.Unlock()
		// The request's goroutine has gone on without us: nobody else will report the panic.
		if late && o.panic != nil {
			_ = x.contain(o.panic)
		}
		if x.recording != nil {
			o.at = x.clock()
		}
		done <- o
	}()
	o.err = next(x)
}

// expire is the time limit. Where nothing is written it answers 504 through the inner
// writer, under the lock, while the handler goes on in its own goroutine; where an
// answer has begun it is broken off, as upstream does. It may be called more than once, by the
// timer and by a handler that is late: the first call counts.
func (x *exchange) expire() {
	x.mu.Lock()
	switch x.state.Load() {
	case stateFresh:
		x.state.Store(stateExpired)
		x.writeBegins()
		x.answerExpiredLocked()
		x.writeEnds()
	case stateAnswering:
		x.state.Store(stateCut)
		x.cutLocked()
	default:
		x.mu.Unlock()
		return
	}
	if x.life.Load() == nil {
		x.lifetimeLocked() // a handler that asks from now on finds it over
	}
	answered := x.limitAnswered
	x.mu.Unlock()
	// The books first: whoever is told that the request is over must find it counted.
	x.chain.finish(x, endTimedOut, x.chain.timeoutRow)
	if answered != nil {
		close(answered)
	}
}

// errTimeout is the 504 of the time limit, in upstream's words.
var errTimeout = status.Error{
	Code: http.StatusGatewayTimeout, Reason: "Timeout",
	Message: "Timeout: request did not complete within the allotted timeout", Details: &status.Details{},
}

// answerExpiredLocked writes the 504. It must not touch x.header, which the handler may
// be changing at this moment, so it takes what the outer filters set from the chain.
func (x *exchange) answerExpiredLocked() {
	x.status.Store(http.StatusGatewayTimeout)
	contentType, b := errTimeout.Body(status.WantsPretty(&x.req))
	h := http.Header{}
	if x.apart {
		h = x.inner.Header()
	}
	for k, v := range x.chain.outerHeader {
		h[k] = v
	}
	h["Audit-Id"] = x.auditID[:]
	if f := x.fault.Load(); f != nil {
		h[faultHeader] = []string{f.ID}
	}
	x.warnings.headerLocked(h)
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	if !x.apart {
		x.answerPastLocked(h, b)
		return
	}
	x.inner.WriteHeader(http.StatusGatewayTimeout)
	n, _ := x.inner.Write(b)
	x.bytesOut.Add(int64(n))
	_ = http.NewResponseController(x.inner).Flush()
}

// answerPastLocked takes an HTTP/1 connection from net/http, which also ends a read that
// the handler may be stuck in, and writes the 504 as its last answer. The handler may
// still use the connection's reader, so it is closed when the handler has returned.
func (x *exchange) answerPastLocked(h http.Header, b []byte) {
	c, _, err := http.NewResponseController(x.inner).Hijack()
	if err != nil {
		return // the connection has gone
	}
	x.afterHandler = func() { x.linger(c) }
	_ = c.SetReadDeadline(time.Unix(1, 0))
	// What net/http would have added.
	h["Connection"] = []string{"close"}
	h["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	w := bytes.NewBufferString("HTTP/1.1 504 Gateway Timeout\r\n")
	_ = h.Write(w)
	w.WriteString("\r\n")
	if x.req.Method != http.MethodHead {
		w.Write(b)
		x.bytesOut.Add(int64(len(b)))
	}
	_, _ = c.Write(w.Bytes())
	// The client is to see the end of the answer now, and not when the handler returns.
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// linger closes what answerPastLocked has taken. A client that still sends its body would
// lose the answer to a reset if it were closed at once, so for a moment what comes is
// read, as net/http does for answers of its own.
func (x *exchange) linger(c net.Conn) {
	if x.in.rc != nil {
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, _ = io.CopyN(io.Discard, c, 256<<10)
	}
	_ = c.Close()
}
