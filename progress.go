package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"apichain/internal/status"
)

// A client that sends its body, or takes its answer, too slowly must not hold the server. net/http
// has time limits for whole requests only, which would end the large and slow with the stuck. So one
// goroutine, the progress check, looks at what waits, some ten times in the shortest limit, and ends
// what moves less than progressUnit bytes in it.
//
// It sees three places where somebody may wait for a client:
//
//	reading a body         how much has come is counted, so a trickle is seen as one
//	a write to a socket    one call at a time; what it has moved is known when it returns
//	a write to a stream    of HTTP/2, whose window can be shut while the connection is well
//
// A place says that it waits by a number that is odd meanwhile (stall), so that the serving path pays
// two atomic additions and no lock. The check also keeps what would cost a timer each: far read
// deadlines (conn) and the time limits of requests (exchange).

// progressUnit is the least that must move within a progress limit, in bytes.
const progressUnit = 1024

// progressOptions are the time limits against slow clients, for net/http and for the check.
type progressOptions struct{ header, idle, body, write time.Duration }

// register declares the time limits.
func (o *progressOptions) register(f *flags) {
	f.in("slow clients")
	f.duration(&o.header, "read-header-timeout", 10*time.Second, "time for a request's header, and for a TLS handshake")
	f.duration(&o.idle, "idle-timeout", 90*time.Second,
		"time after which a kept-alive connection without a request is closed")
	f.duration(&o.body, "body-progress-timeout", 10*time.Second,
		"time in which a client must send at least 1 KiB of a body that is waited for")
	f.duration(&o.write, "write-progress-timeout", 10*time.Second,
		"time in which a client must take at least 1 KiB of an answer that waits for it")
}

// check refuses limits that are too short to be kept: the check has some ten turns in the shortest.
func (o *progressOptions) check(p *problems) {
	p.when(o.header < time.Millisecond, "read-header-timeout", "must be at least 1ms, is %v", o.header)
	p.when(o.idle < time.Millisecond, "idle-timeout", "must be at least 1ms, is %v", o.idle)
	p.when(o.body < time.Millisecond, "body-progress-timeout", "must be at least 1ms, is %v", o.body)
	p.when(o.write < time.Millisecond, "write-progress-timeout", "must be at least 1ms, is %v", o.write)
}

// stall is one place where something may wait for the peer. Its zero value is ready for use.
type stall struct {
	// seq is odd while something waits; each wait has a number of its own.
	seq atomic.Uint32
	// size is the bytes of the write under way, at most 1 MiB of them.
	size atomic.Int32
	// stalled says that the limit has passed.
	stalled atomic.Bool

	// The progress check's own.
	lastSeq uint32
	base    int64         // bytes moved when the wait began to count
	waited  time.Duration // how long it has waited since
}

// enter begins a wait for size bytes to be written, 0 for none that count, and returns its number;
// leave ends it. A place has one wait at a time.
func (s *stall) enter(size int) uint32 {
	if size > 0 {
		s.size.Store(int32(min(size, 1<<20)))
	}
	return s.seq.Add(1)
}

// leave ends a wait.
func (s *stall) leave() { s.seq.Add(1) }

// drips counts a tick of waits that may be many and short, as reads are: what counts is how much has
// moved in all. It reports whether the limit has passed without progressUnit bytes. The time between
// waits does not count: there the handler is the slow one.
func (s *stall) drips(moved int64, tick, limit time.Duration) bool {
	if moved-s.base >= progressUnit {
		s.base, s.waited = moved, 0
	}
	if s.seq.Load()%2 == 0 {
		return false
	}
	s.waited += tick
	return s.waited >= limit
}

// sticks counts a tick of one wait in one call, whose progress is not seen from here, and reports
// whether the limit has passed; then it begins to count anew, since the call may be resumed. A call
// that began since the last tick is counted from the next one on.
func (s *stall) sticks(tick, limit time.Duration) (id uint32, over bool) {
	id = s.seq.Load()
	if id%2 == 0 || id != s.lastSeq {
		s.lastSeq, s.waited = id, 0
		return id, false
	}
	s.waited += tick
	if s.waited < limit {
		return id, false
	}
	s.waited = 0
	return id, true
}

// errBodyStalled is the answer to a request whose body came too slowly; its connection ends.
var errBodyStalled = closing(&status.Error{
	Code: http.StatusRequestTimeout, Reason: "Timeout",
	Message: "the request body came too slowly: at least 1 KiB must come within --body-progress-timeout",
})

// errAnswerStalled is why an answer was broken off, for the log: the client gets no more of it.
var errAnswerStalled = errors.New("the client takes too little of the answer")

// checkProgress ends what waits too long, until ctx ends. It is the only one that does, so what it
// keeps of a stall needs no lock.
func (p *program) checkProgress(ctx context.Context) {
	o := &p.opt.progress
	slow := p.opt.watch.slow
	tick := min(time.Second, o.body/10, o.write/10, slow/10)
	t := time.NewTicker(max(tick, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, c := range p.chains {
			p.checkExchanges(c, tick)
		}
		p.watchTable.look()
		// The clock first: a deadline that is set meanwhile is judged by it.
		now := time.Now()
		p.conns.now.Store(now.UnixNano())
		for _, c := range p.conns.list() {
			c.arm(now)
			// One watch gives its connection the time of watches, whatever else is on it.
			limit := o.write
			if c.watches.Load() > 0 {
				limit = slow
			}
			if id, over := c.out.sticks(tick, limit); over {
				c.interrupt(id)
			}
		}
	}
}

// checkExchanges ends body reads of one listener, and writes to HTTP/2 streams: there
// the peer's window can be shut while the connection is well. Requests whose deadline is
// near get their timer. All of that is done after the walk: within it no exchange may finish
// (table.each).
func (p *program) checkExchanges(c *chain, tick time.Duration) {
	o := &p.opt.progress
	var readers, writers, due []*exchange
	now := time.Now()
	c.table.each(func(x *exchange) {
		if int(x.at.Load()) > c.timeoutRow && x.nearLimit(now) {
			due = append(due, x)
		}
		if x.reading.drips(x.bytesIn.Load(), tick, o.body) && !x.reading.stalled.Swap(true) {
			readers = append(readers, x)
		}
		if x.req.ProtoMajor >= 2 {
			// Nothing is seen of a write until it returns, so a large one gets its time for each
			// unit that it must move, up to six times.
			limit := o.write * time.Duration(min(max(1, x.writing.size.Load()/progressUnit), 6))
			if int(x.at.Load()) > c.timeoutRow && x.info.Verb == "watch" {
				limit = p.opt.watch.slow * time.Duration(min(max(1, x.writing.size.Load()>>16), 6))
			}
			if _, over := x.writing.sticks(tick, limit); over {
				writers = append(writers, x)
			}
		}
	})
	for _, x := range due {
		x.arm()
	}
	// The read fails with a timeout, and stalled, which is set, says why.
	for _, x := range readers {
		_ = http.NewResponseController(x.inner).SetReadDeadline(time.Unix(1, 0))
	}
	for _, x := range writers {
		x.cut(errAnswerStalled)
	}
}
