package main

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

// store is all resources. Its methods and those of what it returns may be called
// concurrently, except that a cursor has one reader.
type store struct {
	limits  storeWindow
	backend backend
	rev     atomic.Int64  // newest committed; shown after the trees and the log have it
	floor   atomic.Int64  // watches may start here and later
	edits   atomic.Uint64 // ids of edits
	byName  sync.Map      // string → *bucket

	mu      sync.Mutex // one commit at a time; guards what follows
	order   ring[kept] // every event of the log, over all buckets
	charged int64      // bytes that the log holds
	lost    int64      // revision of the newest event that was dropped
	wake    wakeup     // of those who follow all buckets

	pages pageCache
}

// backend orders and keeps writes; reads never ask it. append is called under the lock of
// commits and before anything is visible: write i of it has the revision first+i. When it
// fails, the commit fails with its error, and the same revisions come again.
type backend interface {
	append(ctx context.Context, first int64, writes []change) error
	close() error
}

// memoryBackend keeps nothing: the objects are gone with the process.
type memoryBackend struct{}

func (memoryBackend) append(context.Context, int64, []change) error { return nil }
func (memoryBackend) close() error                                  { return nil }

// newStore is an empty store at revision 1; 0 means no particular revision to clients. A
// nil backend is memory.
func newStore(o storeWindow, b backend) *store {
	if b == nil {
		b = memoryBackend{}
	}
	s := &store{limits: o, backend: b}
	s.rev.Store(1)
	return s
}

// close closes the backend. Reads still work.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend.close()
}

// bucket is the objects of one resource.
type bucket struct {
	name  string
	store *store
	tree  atomic.Pointer[tree]
	log   bucketLog

	// Of the commit that is under way; guarded by store.mu.
	edit  treeEdit
	fresh []*logEvent // none: the bucket is not in it
}

// tree is a bucket's objects after the event of revision rev, its newest; 0 for none.
type tree struct {
	rev   int64
	root  *treeNode
	bytes int64
}

// resource is the bucket of a resource, as "configmaps" or "widgets.example.com". It is
// made on first use and never goes.
func (s *store) resource(name string) *bucket {
	if b, ok := s.byName.Load(name); ok {
		return b.(*bucket)
	}
	b := &bucket{name: strings.Clone(name), store: s}
	b.tree.Store(&tree{})
	was, _ := s.byName.LoadOrStore(b.name, b)
	return was.(*bucket)
}

// buckets is all buckets, sorted by name.
func (s *store) buckets() []*bucket {
	var all []*bucket
	s.byName.Range(func(_, b any) bool {
		all = append(all, b.(*bucket))
		return true
	})
	slices.SortFunc(all, func(a, b *bucket) int { return cmp.Compare(a.name, b.name) })
	return all
}

// revision is the newest committed. Snapshots and cursors that are asked for afterwards
// have all up to it: when next finds nothing, a watcher is at the revision read before.
func (s *store) revision() int64 { return s.rev.Load() }

// settled is the newest committed once no commit is under way: what a commitOf that began
// before has decided is in it.
func (s *store) settled() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rev.Load()
}

// openWindow makes older revisions than the current one expired for new watches and
// reads of the past. Cursors that are open go on.
func (s *store) openWindow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floor.Store(s.rev.Load())
}

// change is one write of a commit.
type change struct {
	bucket *bucket
	key    string
	expect int64  // revision it must have now; 0: must not be there; -1: whatever
	next   *draft // nil: delete; then it must be there
	last   *draft // final state to send of a deleted object; nil: as it was stored
}

// conflictError is that an object is not as a change expects it. current is nil when
// there is none.
type conflictError struct {
	bucket  *bucket
	key     string
	current *object
}

func (e *conflictError) Error() string {
	if e.current == nil {
		return fmt.Sprintf("%s %q does not exist", e.bucket.name, e.key)
	}
	return fmt.Sprintf("%s %q is at revision %d", e.bucket.name, e.key, e.current.rev)
}

// commit makes all changes or none. Each gets its own revision, increasing in their
// order, and the objects are returned in it; for a delete that is the deleted object at
// its new revision. A key may be in it once. The error is a *conflictError when a change
// expects something else. The context is not looked at once the commit has begun.
func (s *store) commit(ctx context.Context, cs ...change) ([]*object, error) {
	return s.commitOf(ctx, func() []change { return cs })
}

// commitOf is commit of changes that are worked out while no other commit can come
// between. changes must be quick: writers wait for it.
func (s *store) commitOf(ctx context.Context, changes func() []change) ([]*object, error) {
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

func (s *store) apply(ctx context.Context, changes func() []change) (objs []*object, touched []*bucket, err error) {
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
	if err := s.backend.append(ctx, rev+1, cs); err != nil {
		return nil, nil, err
	}
	objs, touched = make([]*object, len(cs)), make([]*bucket, 0, 1)
	id := s.edits.Add(1)
	for i := range cs {
		b := cs[i].bucket
		if len(b.fresh) == 0 {
			t := b.tree.Load()
			b.edit = treeEdit{id: id, root: t.root, bytes: t.bytes}
			touched = append(touched, b)
		}
		rev++
		e := b.edit.apply(&cs[i], rev)
		b.fresh = append(b.fresh, e)
		objs[i] = e.obj
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
func checkChanges(cs []change) error {
	for i := range cs {
		c := &cs[i]
		cur := c.bucket.tree.Load().root.get(c.key)
		switch {
		case cur == nil && (c.next == nil || c.expect > 0),
			cur != nil && c.expect >= 0 && c.expect != cur.rev:
			return &conflictError{c.bucket, c.key, cur}
		}
	}
	if len(cs) == 1 {
		return nil
	}
	type place struct {
		b   *bucket
		key string
	}
	seen := make(map[place]bool, len(cs))
	for i := range cs {
		p := place{cs[i].bucket, cs[i].key}
		if seen[p] {
			return fmt.Errorf("%s %q is twice in one commit", p.b.name, p.key)
		}
		seen[p] = true
	}
	return nil
}

// apply makes one change, which was checked, and returns its event.
func (t *treeEdit) apply(c *change, rev int64) *logEvent {
	if c.next == nil {
		prev := t.remove(c.key)
		before, after := prev.around()
		meta := prev.meta
		if c.last != nil {
			before, after, meta = c.last.json[:c.last.hole], c.last.json[c.last.hole:], c.last.meta
		}
		return &logEvent{kind: eventDeleted, rev: rev, prev: prev, obj: newObject(eventDeleted, prev.key, rev, before, after, meta)}
	}
	e := &logEvent{kind: eventModified, rev: rev, prev: t.root.get(c.key)}
	var key string
	if e.prev != nil {
		key = e.prev.key
	} else {
		e.kind = eventAdded
		key = strings.Clone(c.key) // it may be a part of a request's text
	}
	e.obj = newObject(e.kind, key, rev, c.next.json[:c.next.hole], c.next.json[c.next.hole:], c.next.meta)
	t.set(e.obj)
	return e
}

// publish shows what the commit under way did to a bucket: whoever finds an event in the
// log finds a tree that has it.
func (b *bucket) publish() {
	last := b.fresh[len(b.fresh)-1].rev
	b.log.mu.Lock()
	for _, e := range b.fresh {
		b.log.events.push(e)
	}
	b.tree.Store(&tree{rev: last, root: b.edit.root, bytes: b.edit.bytes})
	b.log.mu.Unlock()
	clear(b.fresh)
	if b.fresh = b.fresh[:0]; cap(b.fresh) > 64 {
		b.fresh = nil
	}
	b.edit = treeEdit{}
}

// snapshot is the objects of a resource at a revision.
type snapshot struct {
	rev  int64
	root *treeNode
	size int64
}

// now is the newest state. A watch from its revision misses nothing and repeats nothing.
func (b *bucket) now() snapshot {
	rev := b.store.rev.Load()
	t := b.tree.Load()
	// The tree has all up to rev, since that was read first; if it has more, it is at its
	// own revision.
	return snapshot{max(rev, t.rev), t.root, t.bytes}
}

// at is the state at a revision: an *expiredError when that is before the window, a
// *futureError when it is not there yet.
func (b *bucket) at(rev int64) (snapshot, error) {
	if sn := b.now(); rev >= sn.rev {
		if rev > sn.rev {
			return snapshot{}, &futureError{rev, sn.rev}
		}
		return sn, nil
	}
	if oldest := b.oldest(); rev < oldest {
		return snapshot{}, &expiredError{rev, oldest}
	}
	if sn, ok := b.store.pages.get(b, rev); ok {
		return sn, nil
	}
	t, events, err := b.since(rev)
	if err != nil {
		return snapshot{}, err
	}
	if len(events) == 0 {
		return snapshot{rev, t.root, t.bytes}, nil
	}
	e := treeEdit{id: b.store.edits.Add(1), root: t.root, bytes: t.bytes}
	for _, ev := range slices.Backward(events) {
		if ev.prev != nil {
			e.set(ev.prev)
		} else {
			e.remove(ev.obj.key)
		}
	}
	sn := snapshot{rev, e.root, e.bytes}
	b.store.pages.put(b, sn)
	return sn, nil
}

func (sn *snapshot) get(key string) *object { return sn.root.get(key) }

func (sn *snapshot) count() int {
	if sn.root == nil {
		return 0
	}
	return sn.root.count
}

// bytes is how much JSON the objects are.
func (sn *snapshot) bytes() int64 { return sn.size }

// scan yields the objects whose keys have the prefix and are not below from, in order.
func (sn *snapshot) scan(prefix, from string) iter.Seq[*object] {
	return func(yield func(*object) bool) {
		sn.root.walk(max(prefix, from), prefix, yield)
	}
}

// remaining is how many objects scan yields, without going through them.
func (sn *snapshot) remaining(prefix, from string) int {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	n := sn.count()
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
	b  *bucket
	sn snapshot
}

const pagesKept = 16

func (c *pageCache) get(b *bucket, rev int64) (snapshot, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.list {
		if p.b == b && p.sn.rev == rev {
			c.list = append(slices.Delete(c.list, i, i+1), p)
			return p.sn, true
		}
	}
	return snapshot{}, false
}

func (c *pageCache) put(b *bucket, sn snapshot) {
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
	c.list = slices.DeleteFunc(c.list, func(p past) bool { return p.sn.rev < p.b.log.lost.Load() })
	c.some.Store(len(c.list) > 0)
}

// holding is the objects of one resource at one moment.
type holding struct {
	bucket *bucket
	now    snapshot
}

// moment is all resources, sorted by name, as they were after one commit.
func (s *store) moment() (rev int64, all []holding) {
	read := func() (together bool) {
		rev, all, together = s.revision(), nil, true
		for _, b := range s.buckets() {
			h := holding{b, b.now()}
			together = together && h.now.rev == rev
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
