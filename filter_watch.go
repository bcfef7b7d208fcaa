package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Long-running requests (watches, and routes that say so) and how a stop ends them. A stop cannot
// wait for them, since they end only when somebody ends them:
//
//	--shutdown-watch-termination-grace-period=0   they go on while other requests drain, then all
//	                                              contexts end at once and what is left is cut
//	a grace period                                their contexts end one after another, spread over
//	                                              it; what is left at its end is cut
//
// Either way no new one begins from the moment when the drain does. The same is done, to those
// that are open, by the reversible drain (drain.go).

// longRunningRequests are the long-running requests under way. newLongRunning makes them.
type longRunningRequests struct {
	mu      sync.Mutex
	closing bool                   // no further one may begin
	open    map[*exchange]struct{} // those that entered and have not left
	empty   chan struct{}          // closed when closing and none is open
}

// newLongRunning makes a group that is open and empty.
func newLongRunning() *longRunningRequests {
	return &longRunningRequests{open: map[*exchange]struct{}{}, empty: make(chan struct{})}
}

// enter counts one more and reports false when a stop has begun to end them.
func (l *longRunningRequests) enter(x *exchange) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	l.open[x] = struct{}{}
	x.countOnConn(1)
	return true
}

// isClosing reports whether enter would fail.
func (l *longRunningRequests) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// leave is for each enter that reported true, once.
func (l *longRunningRequests) leave(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, x)
	x.countOnConn(-1)
	if l.closing {
		l.closeIfEmptyLocked()
	}
}

// countOnConn keeps the counts of the connection, by which a stop knows that it need not wait for
// it, and the progress check which time limit it has.
func (x *exchange) countOnConn(n int32) {
	if x.conn == nil {
		return
	}
	x.conn.longRunning.Add(n)
	if x.info.Verb == "watch" {
		x.conn.watches.Add(n)
	}
}

// close lets no further one begin; the channel is closed when none is open. It may be called again.
func (l *longRunningRequests) close() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		l.closing = true
		l.closeIfEmptyLocked()
	}
	return l.empty
}

// closeIfEmptyLocked closes the channel of close when none is open, unless it is closed already.
func (l *longRunningRequests) closeIfEmptyLocked() {
	if len(l.open) > 0 {
		return
	}
	select {
	case <-l.empty:
	default:
		close(l.empty)
	}
}

// errStopping is the cause with which a stop ends a request's context.
var errStopping = errors.New("the server is stopping")

// end ends every open one by its context with a cause, spread over grace: at most
// max(200, open per second of grace) in a second, so that their clients do not all come
// back at once (upstream). It returns early when ctx ends.
func (l *longRunningRequests) end(ctx context.Context, grace time.Duration, cause error) {
	list := l.list()
	perSecond := 200.0
	if s := grace.Seconds(); s > 0 {
		perSecond = max(perSecond, float64(len(list))/s)
	}
	const step = 50 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	// The first one ends at once; fractions of one are saved up from tick to tick.
	allowed := 1.0
	for _, x := range list {
		for allowed < 1 {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				allowed += perSecond * step.Seconds()
			}
		}
		allowed--
		x.end(cause)
	}
}

// cut breaks off every open one.
func (l *longRunningRequests) cut() {
	for _, x := range l.list() {
		x.cut(errStopping)
	}
}

// list returns the open ones, in no order. Some may have ended meanwhile: to end or cut them again
// does nothing.
func (l *longRunningRequests) list() []*exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.open))
}

// admit counts a long-running request, once, and refuses it with 503 when a stop has begun to
// end those that are open. Health and metrics are served even then, and not counted.
func (l *longRunningRequests) admit(x *exchange) error {
	// watch-termination and wait-group both call it.
	if x.inLongRunning {
		return nil
	}
	if x.dry != nil {
		x.because("a stop would end it", "shutdown-watch-termination-grace-period")
		if !l.isClosing() || exempt(&x.req) {
			return nil
		}
		x.because("the server is stopping", "")
		return shuttingDown()
	}
	if x.inLongRunning = l.enter(x); !x.inLongRunning && !exempt(&x.req) {
		return shuttingDown()
	}
	return nil
}

// watchTermination admits long-running requests where a stop ends them cleanly, within
// a grace period; without one wait-group admits them.
func watchTermination(p *program) filter {
	f := filter{brief: true, flags: []string{"shutdown-watch-termination-grace-period"}}
	if p.opt.shutdown.watchGrace <= 0 {
		f.off = "the grace period is 0: watches are cut at the end of the drain"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		x.because("it is not long-running", "")
		if x.longRunning {
			if err := p.longRunning.admit(x); err != nil {
				return err
			}
		}
		return next(x)
	}
	return f
}
