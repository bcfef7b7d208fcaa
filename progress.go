package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"apichain/internal/status"
)

// A client that sends its body, or takes its answer, too slowly must not hold the
// server. net/http has time limits for whole requests only, so one goroutine looks at
// what waits, some ten times in the shortest limit, and ends what moves less than
// progressUnit bytes in it.

// progressUnit is the least that must move within a progress limit, in bytes.
const progressUnit = 1024

type progressOptions struct{ header, idle, body, write time.Duration }

func (o *progressOptions) register(f *flags) {
	f.in("slow clients")
	f.duration(&o.header, "read-header-timeout", 10*time.Second, "time for a request's header, and for a TLS handshake")
	f.duration(&o.idle, "idle-timeout", 90*time.Second, "time after which a kept-alive connection without a request is closed")
	f.duration(&o.body, "body-progress-timeout", 10*time.Second, "time in which a client must send at least 1 KiB of a body that is waited for")
	f.duration(&o.write, "write-progress-timeout", 10*time.Second, "time in which a client must take at least 1 KiB of an answer that waits for it")
}

func (o *progressOptions) check(p *problems) {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"read-header-timeout", o.header}, {"idle-timeout", o.idle}, {"body-progress-timeout", o.body}, {"write-progress-timeout", o.write}} {
		if d.value < time.Millisecond {
			p.add(d.flag, "must be at least 1ms, is %v", d.value)
		}
	}
}

// stall is one place where something may wait for the peer: odd while it waits. The
// other fields are the progress watch's own.
type stall struct {
	seq     atomic.Uint32
	size    atomic.Int32 // bytes of the write under way, at most 1 MiB of them
	stalled atomic.Bool  // the limit has passed

	lastSeq uint32
	base    int64         // bytes moved when the wait began to count
	waited  time.Duration // how long it has waited since
}

// enter begins a wait and returns its number; leave ends it.
func (s *stall) enter(size int) uint32 {
	if size > 0 {
		s.size.Store(int32(min(size, 1<<20)))
	}
	return s.seq.Add(1)
}

func (s *stall) leave() { s.seq.Add(1) }

// drips counts a tick of a wait that may go on over many short reads: what counts is
// how much has moved. It reports whether the limit has passed.
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

// sticks counts a tick of one wait in one call, whose progress is not seen from here.
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

var errBodyStalled = closing(&status.Error{Code: http.StatusRequestTimeout, Reason: "Timeout", Message: "the request body came too slowly: at least 1 KiB must come within --body-progress-timeout"})

var errAnswerStalled = errors.New("the client takes too little of the answer")

// watchProgress ends what waits too long, until ctx ends.
func (p *program) watchProgress(ctx context.Context) {
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
			p.stalledExchanges(c, tick)
		}
		p.watchTable.look()
		now := time.Now()
		p.conns.now.Store(now.UnixNano())
		for _, c := range p.conns.list() {
			c.arm(now)
			limit := o.write
			if c.watchTable.Load() > 0 {
				limit = slow
			}
			if id, over := c.out.sticks(tick, limit); over {
				c.interrupt(id)
			}
		}
	}
}

// stalledExchanges ends body reads of one listener, and writes to HTTP/2 streams: there
// the peer's window can be shut while the connection is well. Requests whose deadline is
// near get their timer.
func (p *program) stalledExchanges(c *chain, tick time.Duration) {
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
	for _, x := range readers {
		_ = http.NewResponseController(x.inner).SetReadDeadline(time.Unix(1, 0))
	}
	for _, x := range writers {
		x.cut(errAnswerStalled)
	}
}
