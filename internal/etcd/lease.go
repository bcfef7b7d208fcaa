package etcd

import (
	"context"
	"slices"
	"sync"
	"time"

	"apichain/internal/etcd/wire"
)

// Leases are shared, as upstream does it: one is good for all objects that are written within a part
// of its life, so that a burst of events costs etcd one lease. Who comes later in that part
// gets a life that is shorter than the lease's and never shorter than asked for.
//
//	ttl 1 h, reuse 1 min:  granted at 10:00 for 61 min, used until 10:01, ends at 11:01
//
// Nobody keeps a lease alive: it ends, and etcd deletes its objects at one revision, which the watch
// brings as any other deletion.

const (
	// A lease is used again for reusePart of its life, but no longer than reuseMost.
	reusePart = 0.05
	reuseMost = time.Minute
	// leaseObjects is how many writes one lease is good for.
	leaseObjects = 1000
)

// leases are those that this process has granted. busy is made by Open.
type leases struct {
	// busy is held by who uses the fields, so that a grant can be waited for with a context.
	busy chan struct{}
	// The lease in use: 0 for none. It ends at end, and objects were put under it.
	id      int64
	end     time.Time
	objects int

	// mu guards ends, when the leases end that may have objects.
	mu   sync.Mutex
	ends []time.Time
}

// lease returns a lease under which an object lives for ttl or somewhat longer.
func (b *Backend) lease(ctx context.Context, ttl time.Duration) (int64, error) {
	l := &b.leases
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	// Taken before the grant, so that a lease of etcd ends after ours and not before.
	now := time.Now()
	reuse := min(time.Duration(float64(ttl)*reusePart), reuseMost).Truncate(time.Second)
	// Counted whether the write succeeds or not, as upstream does.
	l.objects++
	if need := now.Add(ttl); l.id != 0 && need.Before(l.end) && need.Add(reuse).After(l.end) && l.objects <= leaseObjects {
		return l.id, nil
	}
	// The extra time is what those get who come after this one.
	ttl += reuse
	var a wire.Lease
	in := &wire.LeaseGrantRequest{TTL: int64((ttl + time.Second - 1) / time.Second)}
	// Granted twice, one of the two ends without an object.
	if err := b.call(ctx, "leaseGrant", "", wire.MethodGrant, in, &a, policy{repeatable: true, attempt: writing.attempt}); err != nil {
		return 0, err
	}
	l.id, l.end, l.objects = a.ID, now.Add(ttl), 1
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, l.end)
	return l.id, nil
}

// forget ends the use of a lease that etcd does not know.
func (l *leases) forget(ctx context.Context, id int64) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return // who has it finds out by itself
	}
	if l.id == id {
		l.id = 0
	}
}

// outstanding returns how many leases have not ended yet.
func (l *leases) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.ends = slices.DeleteFunc(l.ends, func(end time.Time) bool { return !end.After(now) })
	return len(l.ends)
}
