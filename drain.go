package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"apichain/admin"
)

// drainControl is the reversible drain. While it is on /readyz fails and every answer ends
// its connection, as in a stop, but nothing is refused and no signal fires. A connection
// that is idle ends with its next answer, or after --idle-timeout.
type drainControl struct {
	control
	on         atomic.Bool
	endWatches bool // guarded by mu
}

// drainSweep is how long a watch may be open that comes while a drain ends watches: its
// client has not noticed /readyz yet, and must neither stay nor come back at once.
const drainSweep = 5 * time.Second

var errDraining = errors.New("the server is being drained")

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
		p.longRunning.end(ctx, p.opt.shutdown.watchGrace, errDraining)
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// Drain counts what the serving listeners still have, whether the drain is on or not;
// what blocks it is named while it is.
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
	if out.Active {
		requests, _ := s.InFlight()
		for i := range requests {
			count(requests[i].LongRunning)
			out.BlockedBy = append(out.BlockedBy, blockerOf(&requests[i]))
		}
	} else { // the numbers alone, without a row for each
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

func (s source) SetDrain(set admin.Setting, endWatches bool) *admin.Error {
	d := &s.p.draining
	return d.set(set, func(ctx context.Context) {
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

func (s source) ClearDrain(by string) { s.p.draining.clear(by) }
