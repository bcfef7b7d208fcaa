package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"apichain/internal/status"
)

// timeoutOptions are the time limits of requests.
type timeoutOptions struct{ request, minRequest time.Duration }

func (o *timeoutOptions) register(f *flags) {
	f.in("serving")
	f.duration(&o.request, "request-timeout", 60*time.Second, "time limit of a request that is not long-running; ?timeout= may ask for less")
	f.duration(&o.minRequest, "min-request-timeout", 1800*time.Second, "time after which the context of a watch ends: at a random moment from this to twice as long")
}

func (o *timeoutOptions) check(p *problems) {
	if o.request <= 0 {
		p.add("request-timeout", "must be above 0, is %v", o.request)
	}
	if o.minRequest <= 0 {
		p.add("min-request-timeout", "must be above 0, is %v", o.minRequest)
	}
}

// requestDeadline gives a request that is not long-running its deadline: the server's,
// or a shorter one that ?timeout= asks for. It counts from the moment the request came.
func requestDeadline(p *program) filter {
	limit := p.opt.timeout.request
	return filter{brief: true, flags: []string{"request-timeout"}, wrap: func(next handler) handler {
		return func(x *exchange) error {
			if err := x.setDeadline(limit); err != nil {
				return err
			}
			return next(x)
		}
	}}
}

func (x *exchange) setDeadline(limit time.Duration) error {
	if x.longRunning {
		x.because("a long-running request has no time limit", "")
		return nil
	}
	d, err := parseTimeout(x.req.URL.RawQuery)
	if err != nil {
		e := status.BadRequest("invalid timeout specified in the request URL - " + err.Error())
		x.because("?timeout= is no duration", "")
		x.chain.program.auditRefusal(x)
		return e
	}
	rule := "?timeout="
	if d <= 0 || d > limit {
		d, rule = limit, "request-timeout"
	}
	x.deadline = x.received.Add(d)
	if x.dry != nil {
		x.because("it has "+d.String(), rule)
	}
	return nil
}

// parseTimeout is the first timeout parameter of a query, a Go duration; 0 when there
// is none or it is empty. What url.ParseQuery would drop is no parameter here either.
func parseTimeout(rawQuery string) (time.Duration, error) {
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
// an answer that has begun. In HTTP/1 the handler runs where it is and the timer's
// goroutine answers; net/http ends an HTTP/2 stream only when the handler returns, so
// there the handler gets a goroutine of its own that can be left behind. A watch has no
// limit, but its context ends at a random moment, so that watches do not live for ever
// and do not end all at once.
func timeout(p *program) filter {
	return filter{brief: true, flags: []string{"request-timeout", "min-request-timeout"}, wrap: func(next handler) handler {
		return func(x *exchange) error {
			if x.dry != nil {
				return x.explainLimit(next)
			}
			if x.longRunning || x.deadline.IsZero() {
				if x.info.Verb == "watch" {
					x.endsAfter(p.opt.timeout.minRequest + rand.N(p.opt.timeout.minRequest))
				}
				return next(x)
			}
			if x.req.ProtoMajor >= 2 {
				return x.runApart(next)
			}
			x.armSoon()
			return next(x)
		}
	}}
}

// explainLimit is the step of a dry run: no timer, no goroutine and no dice.
func (x *exchange) explainLimit(next handler) error {
	switch {
	case !x.longRunning:
		x.because("it would be answered 504 after "+x.deadline.Sub(x.received).String(), "request-timeout")
	case x.info.Verb == "watch":
		x.because("a watch ends after a random time of this or up to twice as much", "min-request-timeout")
	default:
		x.because("a long-running request has no time limit", "")
	}
	return next(x)
}

// armAhead is how long before its deadline a request gets a timer.
const armAhead = 5 * time.Second

// armSoon sets the timer of a deadline that is near. Nearly every request ends long
// before its limit, so the others get one only when the watch over slow clients, which
// looks at all of them every second, finds their deadline near.
func (x *exchange) armSoon() {
	if left := x.deadline.Sub(x.received); left < armAhead {
		x.arm()
	}
}

// arm sets the timer, once, unless the exchange has ended.
func (x *exchange) arm() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.timer == nil && !x.finished && !x.left {
		x.timer = time.AfterFunc(time.Until(x.deadline), x.expire)
	}
}

// timeoutWithDeadline is both steps in one, as the plain listener's chain has it.
func timeoutWithDeadline(p *program) filter {
	limit, f := p.opt.timeout.request, timeout(p)
	inner := f.wrap
	f.wrap = func(next handler) handler {
		next = inner(next)
		return func(x *exchange) error {
			if err := x.setDeadline(limit); err != nil {
				return err
			}
			return next(x)
		}
	}
	return f
}

// runApart runs next in a goroutine of its own and returns when it is done or the time
// limit has answered, whichever is first. A handler that goes on then is counted as
// abandoned until it returns; its panic is logged and counted, and reaches nobody.
func (x *exchange) runApart(next handler) error {
	type outcome struct {
		err   error
		panic *panicked
		at    int64
	}
	x.gone = make(chan struct{})
	done := make(chan outcome, 1)
	x.armSoon()
	x.markHere()
	go func() {
		var o outcome
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					o.panic = &panicked{value: v}
				} else {
					o.panic = &panicked{value: v, stack: debug.Stack()}
				}
			}
			x.mu.Lock()
			x.leaveLocked()
			late := x.state.Load() == stateExpired
			x.mu.Unlock()
			if late && o.panic != nil {
				_ = x.contain(o.panic)
			}
			if x.recording != nil {
				o.at = x.clock()
			}
			done <- o
		}()
		o.err = next(x)
	}()
	select {
	case o := <-done:
		if x.recording != nil {
			x.recording.handover = x.clock() - o.at
		}
		if o.panic != nil && o.panic.value == http.ErrAbortHandler {
			panic(http.ErrAbortHandler)
		}
		if o.panic != nil {
			panic(o.panic)
		}
		return o.err
	case <-x.gone:
		<-x.Done() // a handler that goes on is to see its deadline, not the end of the chain
		return nil
	}
}

// expire is the time limit. Where nothing is written it answers 504 through the inner
// writer, under the lock, while the handler goes on in its own goroutine; where an
// answer has begun it is broken off, as upstream does.
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
	gone := x.gone
	x.mu.Unlock()
	x.chain.finish(x, endTimedOut, x.chain.timeoutRow)
	if gone != nil {
		close(gone)
	}
}

var errTimeout = status.Error{Code: http.StatusGatewayTimeout, Reason: "Timeout", Message: "Timeout: request did not complete within the allotted timeout", Details: &status.Details{}}

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
	if !x.apart {
		x.answerPastLocked(h, b)
		return
	}
	h["Content-Length"] = []string{itoa(len(b))}
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
	x.rest = func() { x.linger(c) }
	_ = c.SetReadDeadline(time.Unix(1, 0))
	h["Content-Length"] = []string{itoa(len(b))}
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
