package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"apichain/internal/store"
)

// Cluster is what several stores share, as an etcd in miniature: it orders the transactions of all, and each
// member follows them. The zero value is empty and ready, and its revisions begin at 1. A test may set the
// functions before the first member is opened; they are called concurrently.
type Cluster struct {
	// Ask is called before each question, with "transact", "newest" or "load". Its error is the answer.
	Ask func(ctx context.Context, op string) error
	// Lose says whether the answer to a transaction that was made is lost: the writer gets ErrLost.
	Lose func() bool
	// Lag is called before a member is told of what was written up to a revision.
	Lag func(rev int64)

	mu sync.Mutex
	// rev is one below the newest revision.
	rev  int64
	objs map[[2]string]store.Write
	log  []store.Write
	// floor is the revision up to which the log was dropped.
	floor int64
	// grown is closed by the next transaction.
	grown chan struct{}
}

// ErrLost is the error of a transaction that was made and whose answer got lost.
var ErrLost = errors.New("the answer was lost")

// Member returns a backend for one store.
func (c *Cluster) Member() store.Shared { return &member{c: c} }

// Compact drops the log: who follows and is behind begins anew.
func (c *Cluster) Compact() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor, c.log = c.rev+1, nil
}

// ask calls Ask, if there is one.
func (c *Cluster) ask(ctx context.Context, op string) error {
	if c.Ask == nil {
		return ctx.Err()
	}
	return c.Ask(ctx, op)
}

// member is one store's way to a Cluster.
type member struct {
	c *Cluster
	// seen is the revision up to which the store was told.
	seen int64
}

func (m *member) Load(ctx context.Context, into *store.Feed) error {
	if err := m.c.ask(ctx, "load"); err != nil {
		return err
	}
	m.begin(into)
	return nil
}

// begin feeds all there is.
func (m *member) begin(into *store.Feed) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for _, w := range m.c.objs {
		into.Object(w)
	}
	m.seen = m.c.rev + 1
	into.Complete(m.seen)
}

func (m *member) Follow(ctx context.Context, into *store.Feed) {
	for ctx.Err() == nil {
		writes, upTo, grown, expired := m.c.after(m.seen)
		switch {
		case expired:
			m.begin(into)
		case len(writes) == 0:
			select {
			case <-grown:
			case <-ctx.Done():
			}
		default:
			if m.c.Lag != nil {
				m.c.Lag(upTo)
			}
			into.Apply(upTo, writes)
			m.seen = upTo
		}
	}
}

// after returns what was written after a revision and up to another one; without any, grown is closed by the next
// write.
func (c *Cluster) after(rev int64) (writes []store.Write, upTo int64, grown <-chan struct{}, expired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rev < c.floor {
		return nil, 0, nil, true
	}
	i := 0
	for i < len(c.log) && c.log[i].Rev <= rev {
		i++
	}
	if c.grown == nil {
		c.grown = make(chan struct{})
	}
	return slices.Clone(c.log[i:]), c.rev + 1, c.grown, false
}

func (m *member) Transact(ctx context.Context, writes []store.Change) (int64, error) {
	if err := m.c.ask(ctx, "transact"); err != nil {
		return 0, err
	}
	c := m.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range writes {
		if c.objs[[2]string{w.Bucket.Name, w.Key}].Rev != w.Expect {
			return 0, &store.Overtaken{Rev: c.rev + 1}
		}
	}
	c.rev++
	if c.objs == nil {
		c.objs = make(map[[2]string]store.Write)
	}
	for _, w := range writes {
		kept := store.Write{Bucket: w.Bucket.Name, Key: w.Key, Rev: c.rev + 1, Next: w.Next}
		c.log = append(c.log, kept)
		if at := [2]string{kept.Bucket, kept.Key}; w.Next == nil {
			delete(c.objs, at)
		} else {
			c.objs[at] = kept
		}
	}
	if c.grown != nil {
		close(c.grown)
		c.grown = nil
	}
	if c.Lose != nil && c.Lose() {
		return 0, ErrLost
	}
	return c.rev + 1, nil
}

func (m *member) Newest(ctx context.Context) (int64, error) {
	if err := m.c.ask(ctx, "newest"); err != nil {
		return 0, err
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.c.rev + 1, nil
}

func (m *member) Close() error { return nil }
