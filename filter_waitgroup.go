package main

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"apichain/internal/status"
)

// waitGroup counts requests that a stop must let finish, and turns away those that come
// after it was closed. newWaitGroup makes one. sync.WaitGroup can do neither: it must not be
// waited for while it is empty and somebody enters, and it refuses nobody.
type waitGroup struct {
	n     atomic.Int64 // the count; closingBit is added when no more may enter
	once  sync.Once
	empty chan struct{} // closed by once, when it was closed and all have left
}

// closingBit is more than requests could ever be counted.
const closingBit = 1 << 62

// newWaitGroup makes a group that is open and empty.
func newWaitGroup() *waitGroup { return &waitGroup{empty: make(chan struct{})} }

// enter counts one more, and reports false when the group is closed.
func (g *waitGroup) enter() bool {
	// Counted before it looks: close then either sees us or is seen.
	if g.n.Add(1) >= closingBit {
		g.leave()
		return false
	}
	return true
}

// closing reports whether enter would fail.
func (g *waitGroup) closing() bool { return g.n.Load() >= closingBit }

// leave is for each enter that reported true, once.
func (g *waitGroup) leave() {
	// One that was turned away may bring the count back to empty once more.
	if g.n.Add(-1) == closingBit {
		g.once.Do(func() { close(g.empty) })
	}
}

// close lets nobody in any more. The returned channel is closed when all have left.
// It may be called again, by one goroutine at a time.
func (g *waitGroup) close() <-chan struct{} {
	if g.n.Load() < closingBit {
		g.n.Add(closingBit + 1)
		g.leave() // closes empty when nobody else is in
	}
	return g.empty
}

// count returns how many are in.
func (g *waitGroup) count() int64 { return g.n.Load() &^ closingBit }

// waitGroupFilter lets a stop wait for every request that was admitted and is not
// long-running, and turns new ones away once that wait has begun. Whoever watches the
// stop (health and metrics) is still served. Long-running requests it admits where
// watch-termination is off.
func waitGroupFilter(p *program) filter {
	return filter{brief: true, flags: []string{"shutdown-timeout"}, step: func(x *exchange, next handler) error {
		if x.longRunning {
			if err := p.longRunning.admit(x); err != nil {
				return err
			}
			return next(x)
		}
		if x.dry != nil && !p.requests.closing() || x.dry == nil && p.requests.enter() {
			x.because("a stop would wait for it", "shutdown-timeout")
			// finish leaves the group: the answer of the time limit may be the last word.
			x.inWaitGroup = x.dry == nil
			return next(x)
		}
		if exempt(&x.req) {
			x.because("the server is stopping, but health and metrics are still served", "")
			return next(x)
		}
		x.because("the server is stopping", "")
		return shuttingDown()
	}}
}

// shuttingDown returns the 503 of a request that came too late, in upstream's words.
func shuttingDown() *status.Error {
	return &status.Error{
		Code: http.StatusServiceUnavailable, Reason: "ServiceUnavailable", Message: "apiserver is shutting down",
		RetryAfter: 1, NoSniff: true,
	}
}

// exempt reports whether a request is served while new ones are turned away: health,
// metrics, and the server's own client (upstream).
func exempt(r *http.Request) bool {
	for _, prefix := range []string{"/readyz", "/livez", "/healthz", "/metrics"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return true
		}
	}
	return strings.HasPrefix(r.UserAgent(), "kube-apiserver/")
}

// retryAfter sends new requests away once the server accepts no more, while the
// listeners stay open: clients and load balancers get an answer instead of a refusal.
func retryAfter(p *program) filter {
	f := filter{brief: true, flags: []string{"shutdown-send-retry-after"}}
	if !p.opt.shutdown.sendRetryAfter {
		f.off = "--shutdown-send-retry-after is not set"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		if !p.signals.notAcceptingNewRequest.fired() || exempt(&x.req) {
			x.because("the server takes requests, or this one is about its health", "shutdown-send-retry-after")
			return next(x)
		}
		x.because("the server is stopping", "shutdown-send-retry-after")
		e := status.PlainText(http.StatusTooManyRequests, "The apiserver is shutting down, please try again later.")
		// Close, or a client with an open connection would come back to this server.
		e.RetryAfter, e.Close = 5, true
		return e
	}
	return f
}

// muxComplete marks a request that came before all paths were installed, so that the
// last not-found handler can say "try again" instead of 404.
func muxComplete(p *program) filter {
	return filter{brief: true, step: func(x *exchange, next handler) error {
		x.early = !p.signals.muxAndDiscoveryComplete.fired()
		x.because("all paths are installed", "signal MuxAndDiscoveryComplete")
		if x.early {
			x.because("not all paths are installed yet: what is not found is to be asked for again", "signal MuxAndDiscoveryComplete")
		}
		return next(x)
	}}
}
