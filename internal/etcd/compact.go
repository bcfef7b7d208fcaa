package etcd

import (
	"context"
	"strconv"
	"time"

	"apichain/internal/etcd/wire"
)

// Compaction is upstream's, so that any number of kube-apiservers and of these share it. Who does it is
// settled by a key: its version is a clock that one of them moves on in each interval, and its value the
// revision of the compaction. Who was first compacts to the revision that it saw an interval
// ago; the others take over its clock, and try again after another interval. The first
// move of a process compacts nothing, since it saw no revision yet.

// compactKey is the key on which all agree. It is outside of any prefix.
const compactKey = "compact_rev_key"

// compactor is what one process knows: the clock, and the revision that it saw last, 0 for none.
type compactor struct{ clock, seen int64 }

// compactAll compacts once in each interval, until Close.
func (b *Backend) compactAll() {
	t := time.NewTicker(b.conf.CompactionInterval)
	defer t.Stop()
	var c compactor
	for {
		select {
		case <-t.C:
			if err := b.compact(b.ctx, &c); err != nil && b.ctx.Err() == nil {
				b.log.Warn("compaction of etcd failed", "error", err)
			}
		case <-b.ctx.Done():
			return
		}
	}
}

// compact makes one move.
func (b *Backend) compact(ctx context.Context, c *compactor) error {
	key := []byte(compactKey)
	var a wire.TxnResponse
	if err := b.call(ctx, "compactTxn", "", wire.MethodTxn, &wire.TxnRequest{
		Compare: []wire.Compare{{Target: wire.CompareVersion, Key: key, Version: c.clock}},
		Success: []wire.RequestOp{{Put: &wire.PutRequest{Key: key, Value: strconv.AppendInt(nil, c.seen, 10)}}},
		Failure: []wire.RequestOp{{Range: &wire.RangeRequest{Key: key}}},
	}, &a, writing); err != nil {
		return err
	}
	// Whoever was first, the revision of now is the one to compact to in an interval.
	to := c.seen
	c.seen = headRevision(a.Header)
	if !a.Succeeded {
		// Somebody else has moved the clock, or an operator has deleted the key.
		c.clock = 0
		if len(a.Responses) == 1 && a.Responses[0].Range != nil && len(a.Responses[0].Range.KVs) == 1 {
			c.clock = a.Responses[0].Range.KVs[0].Version
		}
		return nil
	}
	c.clock++
	if to == 0 {
		return nil
	}
	err := b.call(ctx, "compact", "", wire.MethodCompact, &wire.CompactRequest{Revision: to}, new(wire.HeaderOnly), writing)
	if says(err, wire.TextCompacted) {
		return nil // somebody else did, which nobody minds
	}
	return err
}
