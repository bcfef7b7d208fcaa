package etcd

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// A transaction of two writes, of which the first updates an object at revision 41 and the second makes
// a new one, is this for etcd:
//
//	if    mod(/registry/configmaps/ns/a) = 41 and mod(/registry/configmaps/ns/b) = 0
//	then  put(/registry/configmaps/ns/a, ...), put(/registry/configmaps/ns/b, ...)
//
// A key that is not there has the mod revision 0, so that one comparison is all there is to creates,
// updates and deletions. Nothing is read when the conditions do not hold: the store has, or gets
// from the watch, what there is instead. All that is put gets the revision of the transaction.
//
// The watch brings a store its own writes as it brings those of others. Only their decoding is
// spared: the bytes that were sent are kept until they come back.

// MaxWrites is how many writes one transaction may have, by the default of etcd's --max-txn-ops. etcd
// refuses more.
const MaxWrites = 128

// Transact implements store.Shared. The error is an *Overtaken, an *Unknown if the writes may have
// been made, and otherwise why they certainly were not: ErrReadOnly, an *Error, one of the codec,
// or that of ctx.
func (b *Backend) Transact(ctx context.Context, writes []store.Change) (int64, error) {
	if b.conf.ReadOnly {
		return 0, ErrReadOnly
	}
	t, err := b.transaction(writes)
	if err != nil {
		return 0, err
	}
	// What failed never comes, or comes as a surprise, and is decoded then.
	defer func() {
		if err != nil {
			b.own.forget(t.own)
		}
	}()
	operation, bucket := "txn", ""
	if len(writes) == 1 {
		operation, bucket = operationOf(&writes[0]), writes[0].Bucket.Name
	}
	// A lease that is gone before its time, as after a restore, is replaced once.
	for again := true; ; again = false {
		var id int64
		if id, err = b.attachLease(ctx, t, writes); err != nil {
			return 0, err
		}
		var a wire.TxnResponse
		err = b.call(ctx, operation, bucket, wire.MethodTxn, &t.request, &a, writing)
		if says(err, wire.TextLeaseNotFound) && again {
			b.leases.forget(ctx, id)
			continue
		}
		if err != nil && !refused(err) {
			err = &Unknown{err}
		}
		if err != nil {
			return 0, err
		}
		rev := headRevision(a.Header)
		// Not made: the header says at which state the conditions did not hold.
		if !a.Succeeded {
			// The store waits for that revision, which may be of a write that the watch never brings.
			b.reach(rev)
			if err = b.hidden(t, writes); err == nil {
				err = &store.Overtaken{Rev: rev}
			}
			return 0, err
		}
		// The watch brings it, since it is below the prefix: there is nothing to ask.
		b.want(rev)
		return rev, nil
	}
}

// Hidden is the error of a transaction that makes an object where there is one that cannot be read
// here: for readers there is none, but its name is taken.
type Hidden struct{ Bucket, Key, Reason string }

// Error says which object is there, and why nobody sees it.
func (e *Hidden) Error() string {
	return "the object " + e.Key + " of " + e.Bucket + " is there but cannot be read: " + e.Reason
}

// hidden returns a *Hidden if that is why a transaction was not made, and nil otherwise. Without it
// the store would try for ever.
func (b *Backend) hidden(t *transaction, writes []store.Change) error {
	for i := range writes {
		if writes[i].Expect != 0 {
			continue
		}
		path := strings.TrimPrefix(string(t.request.Compare[i].Key), b.prefix)
		if reason := b.skipped.reason(path); reason != "" {
			return &Hidden{writes[i].Bucket.Name, writes[i].Key, reason}
		}
	}
	return nil
}

// operationOf returns what upstream calls a write.
func operationOf(c *store.Change) string {
	switch {
	case c.Next == nil:
		return "delete"
	case c.Expect == 0:
		return "create"
	}
	return "update"
}

// headRevision returns the revision of a header, 0 for none.
func headRevision(h *wire.Header) int64 {
	if h == nil {
		return 0
	}
	return h.Revision
}

// transaction is a Txn, and what is known of its values without decoding them.
type transaction struct {
	request wire.TxnRequest
	own     []*ownWrite
}

// transaction makes the Txn of writes: all objects are at the revisions expected, or nothing is done.
func (b *Backend) transaction(writes []store.Change) (*transaction, error) {
	t := &transaction{request: wire.TxnRequest{Compare: make([]wire.Compare, len(writes)), Success: make([]wire.RequestOp, len(writes))}}
	for i := range writes {
		w := &writes[i]
		path := b.codec.Path(w.Bucket.Name, w.Key)
		key := []byte(b.prefix + path)
		t.request.Compare[i] = wire.Compare{Target: wire.CompareMod, Key: key, ModRevision: w.Expect}
		if w.Next == nil {
			t.request.Success[i].Delete = &wire.DeleteRangeRequest{Key: key}
			continue
		}
		value, err := b.codec.Encode(w.Bucket.Name, w.Key, w.Next)
		if err != nil {
			return nil, err
		}
		t.request.Success[i].Put = &wire.PutRequest{Key: key, Value: value}
		t.own = append(t.own, &ownWrite{path, value, w.Next})
	}
	// Before anything is sent: the watch may be faster than the answer.
	b.own.add(t.own)
	return t, nil
}

// attachLease puts the objects that do not live for ever under a lease, whose id it returns: that of
// the longest life among them, since one transaction seldom has two.
func (b *Backend) attachLease(ctx context.Context, t *transaction, writes []store.Change) (id int64, err error) {
	for i := range writes {
		put := t.request.Success[i].Put
		if put == nil {
			continue
		}
		ttl := b.codec.TTL(writes[i].Bucket.Name)
		if ttl <= 0 {
			continue
		}
		if put.Lease, err = b.lease(ctx, ttl); err != nil {
			return 0, err
		}
		id = put.Lease
	}
	return id, nil
}

// ownWrite is a value that this process has sent, and the draft that it was made of.
type ownWrite struct {
	path  string
	value []byte
	draft *store.Draft
}

// ownWrites are the writes that were sent and that the watch has not brought yet: it need not decode what
// it has encoded. Of several of one path the last counts. The zero value is ready.
type ownWrites struct {
	mu     sync.Mutex
	byPath map[string]*ownWrite
}

// add notes writes that are about to be sent.
func (o *ownWrites) add(ws []*ownWrite) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byPath == nil {
		o.byPath = make(map[string]*ownWrite)
	}
	for _, w := range ws {
		o.byPath[w.path] = w
	}
}

// take returns the draft of a value that has come at a path, nil if it is not known, and forgets it.
func (o *ownWrites) take(path string, value []byte) *store.Draft {
	o.mu.Lock()
	w := o.byPath[path]
	// Values are compared without the lock: they may be long, and do not change.
	o.mu.Unlock()
	if w == nil || !bytes.Equal(w.value, value) {
		return nil
	}
	o.forget([]*ownWrite{w})
	return w.draft
}

// forget forgets writes that have come, or that may never come.
func (o *ownWrites) forget(ws []*ownWrite) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range ws {
		if o.byPath[w.path] == w {
			delete(o.byPath, w.path)
		}
	}
}

// clear forgets all: the watch begins anew, behind them.
func (o *ownWrites) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byPath = nil
}
