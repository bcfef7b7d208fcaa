package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// The store of objects: one revision that only grows, a tree of objects for each resource
// and a log of events. Reads come from memory and take no lock that a writer holds for
// long; a backend orders and keeps the writes.

// Store is all resources. Its methods and those of what it returns may be called
// concurrently, except that a cursor has one reader.
type Store struct {
	limits     Window
	Backend    Backend
	rev        atomic.Int64  // newest committed; shown after the trees and the log have it
	watchFloor atomic.Int64  // watches may start here and later
	editID     atomic.Uint64 // ids of edits
	byName     sync.Map      // string → *bucket

	mu          sync.Mutex   // one commit at a time; guards what follows
	log         ring[logged] // every event of the log, over all buckets
	logBytes    int64        // bytes that the log holds
	lastDropped int64        // revision of the newest event that was dropped
	wake        wakeup       // of those who follow all buckets

	pages pageCache
}

// Backend orders and keeps writes; reads never ask it. append is called under the lock of
// commits and before anything is visible: write i of it has the revision first+i. When it
// fails, the commit fails with its error, and the same revisions come again.
type Backend interface {
	Append(ctx context.Context, first int64, writes []Change) error
	Close() error
}

// Memory keeps nothing: the objects are gone with the process.
type Memory struct{}

func (Memory) Append(context.Context, int64, []Change) error { return nil }
func (Memory) Close() error                                  { return nil }

// New is an empty store at revision 1; 0 means no particular revision to clients. A
// nil backend is memory.
func New(o Window, b Backend) *Store {
	if b == nil {
		b = Memory{}
	}
	s := &Store{limits: o, Backend: b}
	s.rev.Store(1)
	return s
}

// close closes the backend. Reads still work.
func (s *Store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Backend.Close()
}

// Bucket is the objects of one resource.
type Bucket struct {
	Name  string
	store *Store
	tree  atomic.Pointer[state]
	log   bucketLog

	// Of the commit that is under way; guarded by store.mu.
	edit    treeEdit
	pending []*Event // none: the bucket is not in it
}

// state is a bucket's objects after the event of revision rev, its newest; 0 for none.
type state struct {
	rev   int64
	root  *treeNode
	bytes int64
}

// Bucket is the bucket of a resource, as "configmaps" or "widgets.example.com". It is
// made on first use and never goes.
func (s *Store) Bucket(name string) *Bucket {
	if b, ok := s.byName.Load(name); ok {
		return b.(*Bucket)
	}
	b := &Bucket{Name: strings.Clone(name), store: s}
	b.tree.Store(&state{})
	was, _ := s.byName.LoadOrStore(b.Name, b)
	return was.(*Bucket)
}

// Buckets is all buckets, sorted by name.
func (s *Store) Buckets() []*Bucket {
	var all []*Bucket
	s.byName.Range(func(_, b any) bool {
		all = append(all, b.(*Bucket))
		return true
	})
	slices.SortFunc(all, func(a, b *Bucket) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Revision is the newest committed. Snapshots and cursors that are asked for afterwards
// have all up to it: when next finds nothing, a watcher is at the revision read before.
func (s *Store) Revision() int64 { return s.rev.Load() }

// Settled is the newest committed once no commit is under way: what a CommitFunc that began
// before has decided is in it.
func (s *Store) Settled() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rev.Load()
}

// ExpireHistory makes older revisions than the current one expired for new watches and
// reads of the past. Cursors that are open go on.
func (s *Store) ExpireHistory() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchFloor.Store(s.rev.Load())
}

// Change is one write of a commit.
type Change struct {
	Bucket *Bucket
	Key    string
	Expect int64  // revision it must have now; 0: must not be there; -1: whatever
	Next   *Draft // nil: delete; then it must be there
	Last   *Draft // final state to send of a deleted object; nil: as it was stored
}

// Conflict is that an object is not as a change expects it. current is nil when
// there is none.
type Conflict struct {
	Bucket  *Bucket
	Key     string
	Current *Object
}

func (e *Conflict) Error() string {
	if e.Current == nil {
		return fmt.Sprintf("%s %q does not exist", e.Bucket.Name, e.Key)
	}
	return fmt.Sprintf("%s %q is at revision %d", e.Bucket.Name, e.Key, e.Current.Rev)
}

// Commit makes all changes or none. Each gets its own revision, increasing in their
// order, and the objects are returned in it; for a delete that is the deleted object at
// its new revision. A key may be in it once. The error is a *Conflict when a change
// expects something else. The context is not looked at once the commit has begun.
func (s *Store) Commit(ctx context.Context, cs ...Change) ([]*Object, error) {
	return s.CommitFunc(ctx, func() []Change { return cs })
}

// CommitFunc is commit of changes that are worked out while no other commit can come
// between. changes must be quick: writers wait for it.
func (s *Store) CommitFunc(ctx context.Context, changes func() []Change) ([]*Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	objs, touched, err := s.apply(ctx, changes)
	for _, b := range touched {
		b.log.wakeAll()
	}
	if len(objs) > 0 {
		s.wake.wakeAll()
	}
	return objs, err
}

func (s *Store) apply(ctx context.Context, changes func() []Change) (objs []*Object, touched []*Bucket, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cs := changes()
	if len(cs) == 0 {
		return nil, nil, nil
	}
	if err := checkChanges(cs); err != nil {
		return nil, nil, err
	}
	rev := s.rev.Load()
	if err := s.Backend.Append(ctx, rev+1, cs); err != nil {
		return nil, nil, err
	}
	objs, touched = make([]*Object, len(cs)), make([]*Bucket, 0, 1)
	id := s.editID.Add(1)
	for i := range cs {
		b := cs[i].Bucket
		if len(b.pending) == 0 {
			t := b.tree.Load()
			b.edit = treeEdit{id: id, root: t.root, bytes: t.bytes}
			touched = append(touched, b)
		}
		rev++
		e := b.edit.apply(&cs[i], rev)
		b.pending = append(b.pending, e)
		objs[i] = e.Object
		s.note(b, e)
	}
	for _, b := range touched {
		b.publish()
	}
	s.rev.Store(rev)
	s.trim()
	return objs, touched, nil
}

// checkChanges says whether the changes fit what is there now.
func checkChanges(cs []Change) error {
	for i := range cs {
		c := &cs[i]
		cur := c.Bucket.tree.Load().root.get(c.Key)
		switch {
		case cur == nil && (c.Next == nil || c.Expect > 0),
			cur != nil && c.Expect >= 0 && c.Expect != cur.Rev:
			return &Conflict{c.Bucket, c.Key, cur}
		}
	}
	if len(cs) == 1 {
		return nil
	}
	type place struct {
		b   *Bucket
		key string
	}
	seen := make(map[place]bool, len(cs))
	for i := range cs {
		p := place{cs[i].Bucket, cs[i].Key}
		if seen[p] {
			return fmt.Errorf("%s %q is twice in one commit", p.b.Name, p.key)
		}
		seen[p] = true
	}
	return nil
}

// apply makes one change, which was checked, and returns its event.
func (t *treeEdit) apply(c *Change, rev int64) *Event {
	if c.Next == nil {
		prev := t.remove(c.Key)
		before, after := prev.SplitAtRevision()
		meta := prev.Meta
		if c.Last != nil {
			before, after, meta = c.Last.JSON[:c.Last.RevisionAt], c.Last.JSON[c.Last.RevisionAt:], c.Last.Meta
		}
		return &Event{Kind: Deleted, Rev: rev, Prev: prev, Object: newObject(Deleted, prev.Key, rev, before, after, meta)}
	}
	e := &Event{Kind: Modified, Rev: rev, Prev: t.root.get(c.Key)}
	var key string
	if e.Prev != nil {
		key = e.Prev.Key
	} else {
		e.Kind = Added
		key = strings.Clone(c.Key) // it may be a part of a request's text
	}
	e.Object = newObject(e.Kind, key, rev, c.Next.JSON[:c.Next.RevisionAt], c.Next.JSON[c.Next.RevisionAt:], c.Next.Meta)
	t.set(e.Object)
	return e
}

// publish shows what the commit under way did to a bucket: whoever finds an event in the
// log finds a tree that has it.
func (b *Bucket) publish() {
	last := b.pending[len(b.pending)-1].Rev
	b.log.mu.Lock()
	for _, e := range b.pending {
		b.log.events.push(e)
	}
	b.tree.Store(&state{rev: last, root: b.edit.root, bytes: b.edit.bytes})
	b.log.mu.Unlock()
	clear(b.pending)
	if b.pending = b.pending[:0]; cap(b.pending) > 64 {
		b.pending = nil
	}
	b.edit = treeEdit{}
}

// Snapshot is the objects of a resource at a revision.
type Snapshot struct {
	Rev  int64
	root *treeNode
	size int64
}

// Now is the newest state. A watch from its revision misses nothing and repeats nothing.
func (b *Bucket) Now() Snapshot {
	rev := b.store.rev.Load()
	t := b.tree.Load()
	// The tree has all up to rev, since that was read first; if it has more, it is at its
	// own revision.
	return Snapshot{max(rev, t.rev), t.root, t.bytes}
}

// At is the state at a revision: an *Expired when that is before the window, a
// *Future when it is not there yet.
func (b *Bucket) At(rev int64) (Snapshot, error) {
	if sn := b.Now(); rev >= sn.Rev {
		if rev > sn.Rev {
			return Snapshot{}, &Future{rev, sn.Rev}
		}
		return sn, nil
	}
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

func (sn *Snapshot) Get(key string) *Object { return sn.root.get(key) }

func (sn *Snapshot) Count() int {
	if sn.root == nil {
		return 0
	}
	return sn.root.count
}

// Bytes is how much JSON the objects are.
func (sn *Snapshot) Bytes() int64 { return sn.size }

// Scan yields the objects whose keys have the prefix and are not below from, in order.
func (sn *Snapshot) Scan(prefix, from string) iter.Seq[*Object] {
	return func(yield func(*Object) bool) {
		sn.root.walk(max(prefix, from), prefix, yield)
	}
}

// Remaining is how many objects scan yields, without going through them.
func (sn *Snapshot) Remaining(prefix, from string) int {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	n := sn.Count()
	if len(end) > 0 {
		end[len(end)-1]++
		n = sn.root.rank(string(end))
	}
	return max(n-sn.root.rank(max(prefix, from)), 0)
}

// pageCache is the last few states of the past that were rebuilt, for lists in pages.
type pageCache struct {
	mu   sync.Mutex
	some atomic.Bool // there are any
	list []past      // the last used last
}

type past struct {
	b  *Bucket
	sn Snapshot
}

const pagesKept = 16

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

func (c *pageCache) put(b *Bucket, sn Snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == pagesKept {
		c.list = slices.Delete(c.list, 0, 1)
	}
	c.list = append(c.list, past{b, sn})
	c.some.Store(true)
}

// prune forgets states that are before the window: the log no longer has their objects,
// and only they would hold them.
func (c *pageCache) prune() {
	if !c.some.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(p past) bool { return p.sn.Rev < p.b.log.lost.Load() })
	c.some.Store(len(c.list) > 0)
}

// Holding is the objects of one resource at one moment.
type Holding struct {
	Bucket *Bucket
	Now    Snapshot
}

// Snapshots is all resources, sorted by name, as they were after one commit.
func (s *Store) Snapshots() (rev int64, all []Holding) {
	read := func() (together bool) {
		rev, all, together = s.Revision(), nil, true
		for _, b := range s.Buckets() {
			h := Holding{b, b.Now()}
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
