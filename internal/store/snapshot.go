package store

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// A snapshot is the root of a tree, whose nodes never change, and a revision: taking one is
// two loads, and it may be read for as long as one likes without holding anybody up. It keeps
// alive what it shows, and nothing else does once that has been replaced and left the log.
//
// A state of the past, which a list in pages asks for again and again while writers go on, is
// not kept: it is made of the present tree by taking back the events since. That costs as much
// as the writes it goes back over, shares nearly all nodes with the present, and works as far
// back as the log reaches. The last few that were made are remembered, since the next page
// asks for the same.

// Snapshot is the objects of a resource at a revision. It is a value, to be copied freely; the
// zero value is empty.
type Snapshot struct {
	Rev  int64
	root *treeNode
	// size is how many bytes of JSON the objects are.
	size int64
}

// Now returns the newest state. A watch from its revision misses nothing and repeats nothing.
//
//go:noinline
func (b *Bucket) Now() Snapshot {
	rev := b.store.rev.Load()
	t := b.tree.Load()
	// The tree has all up to rev, since that was read first; if it has more, it is at its
	// own revision. The other way round, a commit between the two loads would be missed.
	return Snapshot{max(rev, t.rev), t.root, t.bytes}
}

// At returns the state at a revision: an *Expired when that is before the window, a
// *Future when it is not there yet.
func (b *Bucket) At(rev int64) (Snapshot, error) {
	if sn := b.Now(); rev >= sn.Rev {
		if rev > sn.Rev {
			return Snapshot{}, &Future{rev, sn.Rev}
		}
		return sn, nil
	}
	// The floor comes before the states that are remembered: what has expired stays expired.
	if oldest := b.oldest(); rev < oldest {
		return Snapshot{}, &Expired{rev, oldest}
	}
	if sn, ok := b.store.pages.get(b, rev); ok {
		return sn, nil
	}
	t, events, err := b.since(rev)
	if err != nil {
		return Snapshot{}, err
	}
	if len(events) == 0 {
		return Snapshot{rev, t.root, t.bytes}, nil
	}
	// The events are taken back from the newest on: each puts back what it replaced. The edit
	// has an id of its own, so that it copies every node it changes.
	e := treeEdit{id: b.store.editID.Add(1), root: t.root, bytes: t.bytes}
	for _, ev := range slices.Backward(events) {
		if ev.Prev != nil {
			e.set(ev.Prev)
		} else {
			e.remove(ev.Object.Key)
		}
	}
	sn := Snapshot{rev, e.root, e.bytes}
	b.store.pages.put(b, sn)
	return sn, nil
}

// Get returns the object of a key, nil for none.
//
//go:noinline
func (sn *Snapshot) Get(key string) *Object { return sn.root.get(key) }

// Count returns how many objects there are, without going through them.
func (sn *Snapshot) Count() int {
	if sn.root == nil {
		return 0
	}
	return sn.root.count
}

// Bytes returns how much JSON the objects are together.
func (sn *Snapshot) Bytes() int64 { return sn.size }

// Scan yields the objects whose keys have the prefix and are not below from, in the order of
// their keys. A namespace's objects have the prefix "namespace/"; a page that ended with a key
// goes on from that key and a zero byte.
func (sn *Snapshot) Scan(prefix, from string) iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		sn.root.walk(max(prefix, from), prefix, yield)
	}
}

// Remaining returns how many objects Scan yields, without going through them.
func (sn *Snapshot) Remaining(prefix, from string) int {
	// The keys with a prefix end before the first text that is above all of them: the prefix
	// with its last byte one higher. A last byte of 0xff has no higher one, and goes; when
	// nothing is left, there is no end but that of the tree.
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	n := sn.Count()
	if len(end) > 0 {
		end[len(end)-1]++
		n = sn.root.rank(string(end))
	}
	// It is below zero when from is behind the end.
	return max(n-sn.root.rank(max(prefix, from)), 0)
}

// Holding is a bucket and its objects at one moment.
type Holding struct {
	Bucket *Bucket
	Now    Snapshot
}

// Snapshots returns the state of all buckets, sorted by name, as it was after one commit, and
// the revision of that.
func (s *Store) Snapshots() (rev int64, all []Holding) {
	read := func() (together bool) {
		rev, all, together = s.Revision(), nil, true
		for _, b := range s.Buckets() {
			h := Holding{b, b.Now()}
			// A bucket that is further has a commit that the ones before it may lack.
			together = together && h.Now.Rev == rev
			all = append(all, h)
		}
		return together
	}
	for range 3 {
		if read() {
			return rev, all
		}
	}
	// Writers come faster than we read. They wait, then.
	s.mu.Lock()
	defer s.mu.Unlock()
	read()
	return rev, all
}

// Objects returns the objects of all buckets as they were after one commit, and its revision:
// buckets of a lower rank first, then by name, and within one by namespace and name. rank gets
// a bucket's name.
func (s *Store) Objects(rank func(bucket string) int) (rev int64, all []*Object) {
	rev, holdings := s.Snapshots()
	for _, h := range ranked(holdings, rank) {
		from := len(all)
		for o := range h.Now.Scan("", "") {
			all = append(all, o)
		}
		// Keys have the order of "a-b/x" and "a/x" the other way round.
		slices.SortFunc(all[from:], func(a, b *Object) int {
			return cmp.Or(strings.Compare(a.Namespace(), b.Namespace()), strings.Compare(a.Name(), b.Name()))
		})
	}
	return rev, all
}

// ranked sorts holdings in place by the rank of their buckets; those of one rank stay in
// their order. It returns them.
func ranked(all []Holding, rank func(bucket string) int) []Holding {
	sort.SliceStable(all, func(i, j int) bool { return rank(all[i].Bucket.Name) < rank(all[j].Bucket.Name) })
	return all
}

// pageCache remembers the last few states of the past that were made, for lists in pages. The
// zero value is ready.
type pageCache struct {
	// filled tells commits whether there is something to prune, without the lock.
	filled atomic.Bool
	mu     sync.Mutex
	// list has the one that was used last at its end.
	list []past
}

// past is a state that a bucket had.
type past struct {
	b  *Bucket
	sn Snapshot
}

// pagesKept is how many states of the past are remembered: clients that go through long lists
// at the same time.
const pagesKept = 16

// get returns the state of a bucket at a revision, if it is remembered, and makes it the last
// one to be forgotten.
func (c *pageCache) get(b *Bucket, rev int64) (Snapshot, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.list {
		if p.b == b && p.sn.Rev == rev {
			c.list = append(slices.Delete(c.list, i, i+1), p)
			return p.sn, true
		}
	}
	return Snapshot{}, false
}

// put remembers a state, in place of the one that has not been used for longest. Two that
// made the same one at once both put it; that is a waste and no harm.
func (c *pageCache) put(b *Bucket, sn Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == pagesKept {
		c.list = slices.Delete(c.list, 0, 1)
	}
	c.list = append(c.list, past{b, sn})
	c.filled.Store(true)
}

// prune forgets states that are before the window: the log no longer has their objects,
// and only they would hold them. It is called by each commit that dropped events.
func (c *pageCache) prune() {
	if !c.filled.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(p past) bool { return p.sn.Rev < p.b.log.lastDropped.Load() })
	c.filled.Store(len(c.list) > 0)
}
