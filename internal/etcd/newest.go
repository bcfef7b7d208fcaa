package etcd

import (
	"context"
	"sync"
	"time"

	"apichain/internal/etcd/wire"
)

// The newest revision is asked of etcd's leader, by a read that has nothing to find. Callers share a
// question, but one that is already on its way is no answer for who comes now: another write
// may have been made since. So there is one on its way, and one that all who come meanwhile wait for.

// flights are the questions under way. The zero value is ready.
type flights struct {
	// mu guards the fields, and that none begins once the Backend is closed.
	mu sync.Mutex
	// next is what those wait for who have come since the one under way has begun.
	next    *flight
	running bool
}

// flight is one question; done is closed when it is answered.
type flight struct {
	done chan struct{}
	rev  int64
	err  error
}

// Newest implements store.Shared. When the store is behind, the watch is asked for progress at
// once. While etcd is away it is asked again until ctx ends, or once if that has no deadline.
func (b *Backend) Newest(ctx context.Context) (int64, error) {
	for last := ctx.Err(); ; {
		f, err := b.board()
		if err != nil {
			return 0, err
		}
		select {
		case <-f.done:
			if _, ends := ctx.Deadline(); !ends || f.err == nil || !elsewhere(f.err, true) {
				return f.rev, f.err
			}
			last = f.err
		case <-ctx.Done():
			return 0, outOfTime(ctx, last)
		}
	}
}

// Healthy asks etcd as readyz's check does; the error has upstream's words.
func (b *Backend) Healthy(ctx context.Context) error {
	if _, err := b.Newest(ctx); err != nil {
		return &unhealthy{err}
	}
	return nil
}

// unhealthy is the error of a health check.
type unhealthy struct{ err error }

func (e *unhealthy) Error() string { return "error getting data from etcd: " + e.err.Error() }
func (e *unhealthy) Unwrap() error { return e.err }

// board returns the flight that begins next, and sees to it that it does.
func (b *Backend) board() (*flight, error) {
	n := &b.newest
	n.mu.Lock()
	defer n.mu.Unlock()
	if b.ctx.Err() != nil {
		return nil, errClosed
	}
	if n.next == nil {
		n.next = &flight{done: make(chan struct{})}
	}
	if !n.running {
		n.running = true
		b.all.Go(b.fly)
	}
	return n.next, nil
}

// fly makes flights until nobody waits for another one.
func (b *Backend) fly() {
	n := &b.newest
	for {
		n.mu.Lock()
		// From here on, who comes waits for the next one: this one may be answered already.
		f := n.next
		n.next, n.running = nil, f != nil
		n.mu.Unlock()
		if f == nil {
			return
		}
		f.rev, f.err = b.askNewest(b.ctx)
		close(f.done)
	}
}

// askNewest asks for the newest revision and notes it.
func (b *Backend) askNewest(ctx context.Context) (int64, error) {
	var a wire.RangeResponse
	// Upstream's health check asks for the same key, which nobody writes.
	in := &wire.RangeRequest{Key: []byte(b.prefix + "/health"), CountOnly: true, Serializable: b.conf.ReadOnly}
	if err := b.call(ctx, "getCurrentResourceVersion", "", wire.MethodRange, in, &a, reading); err != nil {
		return 0, err
	}
	if a.Header == nil || a.Header.Revision <= 0 {
		return 0, &Error{Code: wire.Internal, Message: "the current resource version must be greater than 0"}
	}
	// Revisions of another cluster, which took this one's place, say nothing until the watch has
	// found it, too.
	if of := b.cluster.Load(); of != 0 && a.Header.ClusterID != of {
		return 0, &Error{Code: wire.Unavailable, Message: "etcdserver: cluster ID mismatch"}
	}
	b.reach(a.Header.Revision)
	return a.Header.Revision, nil
}

// reach notes that a revision exists that somebody waits for. If the watch has not brought it, it
// is asked how far it is: what is written outside of the prefix makes no event.
func (b *Backend) reach(rev int64) {
	if b.want(rev) > b.applied.Load() {
		select {
		case b.ask <- struct{}{}:
		default: // it is going to ask
		}
	}
}

// want notes that a revision exists, and returns the newest of which that is known.
func (b *Backend) want(rev int64) int64 {
	for {
		old := b.wanted.Load()
		if rev <= old {
			return old
		}
		if b.wanted.CompareAndSwap(old, rev) {
			if rev > b.applied.Load() {
				b.behind.CompareAndSwap(0, time.Now().UnixNano())
			}
			return rev
		}
	}
}
