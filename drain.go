package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"apichain/admin"
)

// The drain that can be undone: for taking a server out of rotation, looking at what still holds it, and
// putting it back. It is a stop without its end, and shares the stop's means.

// drainControl is the reversible drain. While it is on /readyz fails and every answer ends
// its connection, as in a stop, but nothing is refused and no signal fires. A connection
// that is idle ends with its next answer, or after --idle-timeout.
type drainControl struct {
	control
	// on is what every answer asks: whether it ends its connection.
	on atomic.Bool
	// endWatches says that long-running requests are ended too; mu guards it.
	endWatches bool
}

// drainSweep is how long a watch may be open that comes while a drain ends watches: its
// client has not noticed /readyz yet, and must neither stay nor come back at once.
const drainSweep = 5 * time.Second

// errDraining is why /readyz fails and watches end.
var errDraining = errors.New("the server is being drained")

// check is a health check of readyz: it fails while the drain is on.
func (d *drainControl) check(context.Context) error {
	if d.on.Load() {
		return errDraining
	}
	return nil
}

// endWatches ends long-running requests at the rate of a stop, until ctx ends: those that
// are open, and then every drainSweep those that have come since.
func (p *program) endWatches(ctx context.Context) {
	t := time.NewTicker(drainSweep)
	defer t.Stop()
	for {
		// Those that are open now; what comes while this runs is left to the next turn.
		p.longRunning.end(ctx, p.opt.shutdown.watchGrace, errDraining)
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// Drain returns the state of the drain for the admin endpoint, and counts what the serving listeners
// still have, whether it is on or not; what blocks it is named while it is.
func (s source) Drain() admin.Drain {
	p, d := s.p, &s.p.draining
	d.mu.Lock()
	out := admin.Drain{ControlState: d.state, EndWatches: d.endWatches, BlockedBy: []admin.Blocker{}}
	d.mu.Unlock()
	count := func(longRunning bool) {
		if longRunning {
			out.Remaining.Watches++
		} else {
			out.Remaining.Requests++
		}
	}
	// A row for each request costs something: without a drain the numbers alone are made.
	if out.Active {
		requests, _ := s.InFlight()
		for i := range requests {
			count(requests[i].LongRunning)
			out.BlockedBy = append(out.BlockedBy, blockerOf(&requests[i]))
		}
	} else {
		for _, c := range p.chains {
			c.table.each(func(x *exchange) { count(x.hasInfo() && x.longRunning) })
		}
	}
	for _, c := range p.conns.list() {
		if c.listener.role != "admin" {
			out.Remaining.Connections++
		}
	}
	out.Idle = out.Remaining == admin.Remaining{}
	return out
}

// SetDrain switches the drain on for a time. With endWatches long-running requests are ended too, those
// that are open and those that come.
func (s source) SetDrain(set admin.Setting, endWatches bool) *admin.Error {
	d := &s.p.draining
	return d.set(set, func(ctx context.Context) {
		// Answers end their connections before watches are ended: a client that comes back at once
		// is to come over a connection that a load balancer has chosen anew.
		d.endWatches = endWatches
		d.on.Store(true)
		if endWatches {
			d.p.owned.Go(func() { d.p.endWatches(ctx) })
		}
	}, func() {
		d.endWatches = false
		d.on.Store(false)
	})
}

// ClearDrain switches the drain off.
func (s source) ClearDrain(by string) { s.p.draining.clear(by) }
