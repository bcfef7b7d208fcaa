// Package etcdtest is an etcd in memory for tests: the revisions, transactions, history, watches and
// leases of etcd v3 over gRPC on loopback, and faults at the places where a client must be right.
//
// A test writes and reads by the methods of Cluster, which never fail, and sets faults at a Member. What
// is tested connects to the members' URLs.
//
//	c := etcdtest.Start(t, 3)
//	c.Put("/registry/configmaps/ns/a", "{}")
//	c.Members[0].Inject(wire.MethodTxn, etcdtest.Fault{Lost: true}) // the next one is done, and never answered
//	b, err := etcd.Open(ctx, etcd.Config{Servers: c.URLs(), ...})
//
// It is no etcd where a client cannot tell: members share one state, so that no election is ever
// needed, and nothing is kept. All methods may be called concurrently.
package etcdtest

import (
	"maps"
	"slices"
	"sort"
	"sync"
	"testing"
	"time"

	"apichain/internal/etcd/wire"
)

// Cluster is the state that its members share.
type Cluster struct {
	Members []*Member

	mu sync.Mutex
	id uint64
	// rev is the newest revision, and compacted the oldest whose state can be asked for.
	rev, compacted int64
	// names are all keys that ever were, sorted, and versions what became of each, oldest first.
	names    []string
	versions map[string][]wire.Event
	// history has all events, in their order.
	history []wire.Event
	// wake is closed and replaced at each write.
	wake chan struct{}

	// now is the clock of leases, which only Advance moves.
	now    time.Time
	leases map[int64]*lease
	lastID int64
}

// lease is a lease that lives until end.
type lease struct {
	ttl  int64
	end  time.Time
	keys map[string]bool
}

// Start starts a cluster of several members, until the test ends.
func Start(t testing.TB, members int) *Cluster {
	t.Helper()
	c := &Cluster{id: 1, rev: 1, versions: map[string][]wire.Event{}, wake: make(chan struct{}), now: time.Unix(1e9, 0),
		leases: map[int64]*lease{}}
	for i := range members {
		m := &Member{c: c, id: uint64(i + 1), version: "3.6.0", FragmentBytes: 2 << 20}
		c.Members = append(c.Members, m)
		if err := m.start("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Stop)
	}
	return c
}

// URLs returns the addresses of the members.
func (c *Cluster) URLs() (urls []string) {
	for _, m := range c.Members {
		urls = append(urls, m.URL)
	}
	return urls
}

// Put writes a key and returns its revision.
func (c *Cluster) Put(key, value string) int64 { return c.Write(map[string]string{key: value}) }

// Delete deletes keys and returns the revision of that.
func (c *Cluster) Delete(keys ...string) int64 { return c.Write(nil, keys...) }

// Write sets keys and deletes others, all at one revision, which it returns.
func (c *Cluster) Write(put map[string]string, deleted ...string) int64 {
	var ops []wire.RequestOp
	for _, key := range slices.Sorted(maps.Keys(put)) {
		ops = append(ops, wire.RequestOp{Put: &wire.PutRequest{Key: []byte(key), Value: []byte(put[key])}})
	}
	for _, key := range deleted {
		ops = append(ops, wire.RequestOp{Delete: &wire.DeleteRangeRequest{Key: []byte(key)}})
	}
	return c.txn(&wire.TxnRequest{Success: ops}).Header.Revision
}

// Get returns a key as it is now, nil for none.
func (c *Cluster) Get(key string) *wire.KeyValue {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(key, c.rev)
}

// Revision returns the newest revision.
func (c *Cluster) Revision() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rev
}

// Leases returns how many keys each lease has.
func (c *Cluster) Leases() map[int64]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[int64]int{}
	for id, l := range c.leases {
		n[id] = len(l.keys)
	}
	return n
}

// Advance moves the clock of leases, and ends those that are over.
func (c *Cluster) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for _, id := range slices.Sorted(maps.Keys(c.leases)) {
		if l := c.leases[id]; !l.end.After(c.now) {
			c.revoke(id)
		}
	}
}

// Compact drops the history before rev. It reports whether rev was one that is compacted or not
// there yet.
func (c *Cluster) Compact(rev int64) (compacted, future bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rev <= c.compacted {
		return true, false
	}
	if rev > c.rev {
		return false, true
	}
	c.compacted = rev
	c.wakeAll()
	return false, false
}

// Restore makes it another cluster, as a backup does that is restored: with other keys, at a revision
// of its own, and without a history.
func (c *Cluster) Restore(rev int64, kvs map[string]string) {
	c.mu.Lock()
	c.id++
	c.rev, c.compacted, c.names, c.history = rev-1, rev-1, nil, nil
	c.versions, c.leases = map[string][]wire.Event{}, map[int64]*lease{}
	c.mu.Unlock()
	c.Write(kvs)
	for _, m := range c.Members {
		m.CutWatches()
	}
}

// at returns the key in the state of a revision, nil for none. The caller holds the lock, as for
// all below.
func (c *Cluster) at(key string, rev int64) *wire.KeyValue {
	for _, e := range slices.Backward(c.versions[key]) {
		if e.KV.ModRevision <= rev {
			if e.Type == wire.EventDelete {
				return nil
			}
			return e.KV
		}
	}
	return nil
}

// within returns the names that a request for key and end means, sorted.
func (c *Cluster) within(key, end string) []string {
	from := sort.SearchStrings(c.names, key)
	switch end {
	case "":
		if from < len(c.names) && c.names[from] == key {
			return c.names[from : from+1]
		}
		return nil
	case "\x00": // all from key on
		return c.names[from:]
	}
	return c.names[from:max(from, sort.SearchStrings(c.names, end))]
}

// header returns the header of an answer.
func (c *Cluster) header(rev int64) *wire.Header { return &wire.Header{ClusterID: c.id, Revision: rev} }

// find answers a Range; the revision has been checked.
func (c *Cluster) find(r *wire.RangeRequest) *wire.RangeResponse {
	a := &wire.RangeResponse{Header: c.header(c.rev)}
	rev := r.Revision
	if rev == 0 {
		rev = c.rev
	}
	for _, name := range c.within(string(r.Key), string(r.RangeEnd)) {
		kv := c.at(name, rev)
		if kv == nil {
			continue
		}
		a.Count++
		if r.CountOnly {
			continue
		}
		if r.Limit > 0 && int64(len(a.KVs)) == r.Limit {
			a.More = true
			continue
		}
		found := *kv
		if r.KeysOnly {
			found.Value = nil
		}
		a.KVs = append(a.KVs, found)
	}
	return a
}

// txn makes a transaction, which was checked, under the lock that it takes.
func (c *Cluster) txn(t *wire.TxnRequest) *wire.TxnResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &wire.TxnResponse{Succeeded: true}
	for _, cond := range t.Compare {
		kv := c.at(string(cond.Key), c.rev)
		if kv == nil {
			kv = &wire.KeyValue{}
		}
		a.Succeeded = a.Succeeded && (cond.Target != wire.CompareMod || kv.ModRevision == cond.ModRevision) &&
			(cond.Target != wire.CompareVersion || kv.Version == cond.Version)
	}
	ops := t.Success
	if !a.Succeeded {
		ops = t.Failure
	}
	before := len(c.history)
	for _, op := range ops {
		switch {
		case op.Range != nil:
			a.Responses = append(a.Responses, wire.ResponseOp{Range: c.find(op.Range)})
		case op.Put != nil:
			c.put(op.Put)
			a.Responses = append(a.Responses, wire.ResponseOp{Put: &wire.Empty{}})
		case op.Delete != nil:
			n := c.remove(slices.Clone(c.within(string(op.Delete.Key), string(op.Delete.RangeEnd))))
			a.Responses = append(a.Responses, wire.ResponseOp{Delete: &wire.DeleteRangeResponse{Deleted: n}})
		}
	}
	c.commit(before)
	a.Header = c.header(c.rev)
	return a
}

// commit ends a transaction, which has a revision if the history has grown since before.
func (c *Cluster) commit(before int) {
	if len(c.history) > before {
		c.rev++
		c.wakeAll()
	}
}

// wakeAll wakes all watches.
func (c *Cluster) wakeAll() {
	close(c.wake)
	c.wake = make(chan struct{})
}

// put sets a key at the revision that is made.
func (c *Cluster) put(p *wire.PutRequest) {
	key := string(p.Key)
	kv := &wire.KeyValue{Key: p.Key, Value: slices.Clone(p.Value), Lease: p.Lease, CreateRevision: c.rev + 1,
		ModRevision: c.rev + 1, Version: 1}
	if old := c.at(key, c.rev); old != nil {
		kv.CreateRevision, kv.Version = old.CreateRevision, old.Version+1
		c.detach(old)
	}
	if l := c.leases[p.Lease]; l != nil {
		l.keys[key] = true
	}
	c.event(key, wire.Event{KV: kv})
}

// remove deletes those of the keys that there are and returns how many there were.
func (c *Cluster) remove(keys []string) (n int64) {
	for _, key := range keys {
		if old := c.at(key, c.rev); old != nil {
			n++
			c.detach(old)
			c.event(key, wire.Event{Type: wire.EventDelete, KV: &wire.KeyValue{Key: []byte(key), ModRevision: c.rev + 1}})
		}
	}
	return n
}

// detach takes a key from its lease.
func (c *Cluster) detach(kv *wire.KeyValue) {
	if l := c.leases[kv.Lease]; l != nil {
		delete(l.keys, string(kv.Key))
	}
}

// event notes what became of a key.
func (c *Cluster) event(key string, e wire.Event) {
	if c.versions[key] == nil {
		c.names = slices.Insert(c.names, sort.SearchStrings(c.names, key), key)
	}
	c.versions[key] = append(c.versions[key], e)
	c.history = append(c.history, e)
}

// revoke ends a lease and deletes its keys, at one revision.
func (c *Cluster) revoke(id int64) {
	keys := slices.Sorted(maps.Keys(c.leases[id].keys))
	delete(c.leases, id)
	before := len(c.history)
	c.remove(keys)
	c.commit(before)
}
