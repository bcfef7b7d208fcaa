package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// watches are the long-running requests under way: what a stop ends, and how fast.
// newWatches makes one.
type watches struct {
	mu      sync.Mutex
	closing bool
	open    map[*exchange]struct{}
	empty   chan struct{}
}

func newWatches() *watches {
	return &watches{open: map[*exchange]struct{}{}, empty: make(chan struct{})}
}

// enter counts one more and reports false when a stop has begun to end them.
func (w *watches) enter(x *exchange) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return false
	}
	w.open[x] = struct{}{}
	x.countOnConn(1)
	return true
}

func (w *watches) isClosing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing
}

func (w *watches) leave(x *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, x)
	x.countOnConn(-1)
	if w.closing && len(w.open) == 0 {
		select {
		case <-w.empty:
		default:
			close(w.empty)
		}
	}
}

func (x *exchange) countOnConn(n int32) {
	if x.conn == nil {
		return
	}
	x.conn.longRunning.Add(n)
	if x.info.Verb == "watch" {
		x.conn.watches.Add(n)
	}
}

func (w *watches) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open)
}

// close lets no further one begin; the channel is closed when none is open.
func (w *watches) close() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closing {
		w.closing = true
		if len(w.open) == 0 {
			close(w.empty)
		}
	}
	return w.empty
}

var errStopping = errors.New("the server is stopping")

// end ends every open one by its context with a cause, spread over grace: at most
// max(200, open per second of grace) in a second, so that their clients do not all come
// back at once (upstream). It returns early when ctx ends.
func (w *watches) end(ctx context.Context, grace time.Duration, cause error) {
	list := w.list()
	perSecond := 200.0
	if s := grace.Seconds(); s > 0 {
		perSecond = max(perSecond, float64(len(list))/s)
	}
	const step = 50 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
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
func (w *watches) cut() {
	for _, x := range w.list() {
		x.cut(errStopping)
	}
}

func (w *watches) list() []*exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.open))
}

// admit counts a long-running request, once, and refuses it when a stop has begun to
// end those that are open.
func (w *watches) admit(x *exchange) error {
	if x.watched {
		return nil
	}
	if x.dry != nil {
		x.because("a stop would end it", "shutdown-watch-termination-grace-period")
		if !w.isClosing() || exempt(&x.req) {
			return nil
		}
		x.because("the server is stopping", "")
		return shuttingDown()
	}
	if x.watched = w.enter(x); !x.watched && !exempt(&x.req) {
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
	f.wrap = func(next handler) handler {
		return func(x *exchange) error {
			x.because("it is not long-running", "")
			if x.longRunning {
				if err := p.watches.admit(x); err != nil {
					return err
				}
			}
			return next(x)
		}
	}
	return f
}
