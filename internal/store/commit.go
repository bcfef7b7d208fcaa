package store

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// A commit is a list of changes that are made together: all of them or none. Each change is
// one event with a revision of its own, in the order in which they are given, so that a
// watcher which is cut between two of them knows where it was.
//
// A change names the revision that its object must have now (Expect). That is all there is of
// concurrency control, as with the mod revision in a transaction of etcd: who read an object,
// changed it and finds a *Conflict reads again. For example, of two writers that read the
// object at 7, the first gets 8 and the second is told that it is at 8.
//
// Nothing of a commit can be seen before its backend has it, and nothing of one that failed
// is ever seen.

// Change is one write of a commit: of the object Key of Bucket.
type Change struct {
	Bucket *Bucket
	// Key is "namespace/name", or "name" of a cluster-scoped object. The store makes its own copy.
	Key string
	// Expect is the revision that the object must have: 0 means that there must be none, and
	// -1 takes whatever there is.
	Expect int64
	// Next is the object to be. With nil the object is deleted, which must then be there; its
	// event shows it as it was stored, at the revision of its deletion.
	Next *Draft
}

// Conflict is the error of a commit whose change of Key expects something else than there is.
type Conflict struct {
	Bucket *Bucket
	Key    string
	// Current is the object as it is; nil when there is none.
	Current *Object
}

// Error says where the object is now.
func (e *Conflict) Error() string {
	if e.Current == nil {
		return fmt.Sprintf("%s %q does not exist", e.Bucket.Name, e.Key)
	}
	return fmt.Sprintf("%s %q is at revision %d", e.Bucket.Name, e.Key, e.Current.Rev)
}

// Commit makes all changes or none, and returns the written objects in the order of the
// changes; for a delete that is the deleted object at its new revision. When it returns, every
// reader sees them. A bucket's key may be in it once.
//
// The error is a *Conflict when a change expects something else, that of ctx when that was
// done before the commit began, or the backend's. ctx is not looked at once it has begun, but by a
// Shared backend.
func (s *Store) Commit(ctx context.Context, cs ...Change) ([]*Object, error) {
	return s.CommitFunc(ctx, func() []Change { return cs })
}

// CommitFunc commits the changes that a function returns, which runs while no other commit of this store
// can come between: what it reads by Bucket.Latest is what the changes meet. With none, nothing is committed.
// All writers wait for changes: it must be quick, and must not commit, nor ask After,
// Settled or Window. Over a Shared backend it runs again when another store was first.
func (s *Store) CommitFunc(ctx context.Context, changes func() []Change) ([]*Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.shared != nil {
		return s.transact(ctx, changes)
	}
	objs, touched, seen, err := s.apply(changes)
	if s.journal != nil {
		// A refusal waits as well: what it says of other commits must not be forgotten by a restart.
		if failed := s.keep(seen); failed != nil && err == nil {
			return nil, failed
		}
		return objs, err
	}
	s.wakeAll(touched, len(objs) > 0)
	return objs, err
}

// wakeAll wakes those who wait for events of the buckets, or of any. Waking may mean making thousands of
// goroutines ready. The next writer does not wait for that: the caller has let go of s.mu, and who wakes
// finds the log free.
func (s *Store) wakeAll(touched []*Bucket, some bool) {
	for _, b := range touched {
		b.log.wakeAll()
	}
	if some {
		s.wake.wakeAll()
	}
}

// apply makes a commit under the lock, and returns what it wrote and the buckets to wake. What it has
// decided, be it a refusal, rests on everything up to the revision seen.
func (s *Store) apply(changes func() []Change) (objs []*Object, touched []*Bucket, seen int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cs := changes()
	if len(cs) == 0 {
		return nil, nil, s.head, nil
	}
	if err := cmp.Or(checkChanges(cs), s.group.failed); err != nil {
		return nil, nil, s.head, err
	}
	objs, touched = make([]*Object, len(cs)), make([]*Bucket, 0, 1)
	id, rev := s.editID.Add(1), s.head
	for i := range cs {
		b := cs[i].Bucket
		if len(b.pending) == 0 {
			b.begin(id)
			touched = append(touched, b)
		}
		rev++
		e := b.edit.makeChange(&cs[i], rev)
		e.cache = &s.forms
		b.pending = append(b.pending, e)
		objs[i] = e.Object
		if s.journal == nil {
			s.record(b, e)
		}
	}
	if s.journal != nil {
		if err := s.enqueue(cs, touched, objs, rev); err != nil {
			return nil, nil, s.head, err
		}
		return objs, touched, rev, nil
	}
	for _, b := range touched {
		b.publish(b.edited())
	}
	// The revision moves when all trees and logs have it: who reads it first and a tree
	// afterwards misses nothing (see Now).
	s.head = rev
	s.rev.Store(rev)
	s.trim(0, 0)
	return objs, touched, rev, nil
}

// newestLocked returns the state that a commit meets.
func (b *Bucket) newestLocked() *state {
	if b.ahead != nil {
		return b.ahead
	}
	return b.tree.Load()
}

// Latest returns the state that a commit meets: with the commits before it that a journal does not keep
// yet, which Now does not show. Only a function that was given to CommitFunc may call it.
func (b *Bucket) Latest() Snapshot {
	t := b.newestLocked()
	return Snapshot{max(b.store.head, t.rev), t.root, t.bytes}
}

// begin begins the edit of a bucket by the commit under way. The caller holds s.mu.
func (b *Bucket) begin(id uint64) {
	t := b.newestLocked()
	b.edit = treeEdit{id: id, root: t.root, bytes: t.bytes}
}

// edited returns the state that the commit under way has made. The caller holds s.mu.
func (b *Bucket) edited() *state {
	return &state{rev: b.pending[len(b.pending)-1].Rev, root: b.edit.root, bytes: b.edit.bytes}
}

// checkChanges says whether the changes fit what is there now. It returns the *Conflict of
// the first that does not, or an error when a key is in it twice: two changes of one object
// cannot both say what they expect. The caller holds s.mu.
func checkChanges(cs []Change) error {
	for i := range cs {
		c := &cs[i]
		cur := c.Bucket.newestLocked().root.get(c.Key)
		switch {
		case cur == nil && (c.Next == nil || c.Expect > 0),
			cur != nil && c.Expect >= 0 && c.Expect != cur.Rev:
			return &Conflict{c.Bucket, c.Key, cur}
		}
	}
	// Nearly all commits are of one change, and need no map.
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

// makeChange makes one change, which was checked, at a revision, and returns its event.
func (t *treeEdit) makeChange(c *Change, rev int64) *Event {
	if c.Next == nil {
		prev := t.remove(c.Key)
		before, after := prev.SplitAtRevision()
		// The tree no longer has the object, but watchers get it once more, at the revision
		// of its end: a client that goes on from there is not sent the deletion again.
		return &Event{Kind: Deleted, Rev: rev, Prev: prev, Object: newObject(Deleted, prev.Key, rev, before, after, prev.Meta)}
	}
	e := &Event{Kind: Modified, Rev: rev, Prev: t.root.get(c.Key)}
	var key string
	if e.Prev != nil {
		key = e.Prev.Key // all versions of an object share the text of its key
	} else {
		e.Kind = Added
		key = strings.Clone(c.Key) // it may be a part of a request's text
	}
	e.Object = newObject(e.Kind, key, rev, c.Next.JSON[:c.Next.RevisionAt], c.Next.JSON[c.Next.RevisionAt:], c.Next.Meta)
	t.set(e.Object)
	return e
}

// publish shows the pending events of the bucket and the state that they led to. The caller holds s.mu.
func (b *Bucket) publish(to *state) {
	// Events and tree change under one lock: whoever finds an event in the log finds a tree
	// that has it, and since gets a tree and the very events that led to it.
	b.log.mu.Lock()
	for _, e := range b.pending {
		b.log.events.push(e)
	}
	b.tree.Store(to)
	b.log.mu.Unlock()
	b.end()
}

// end forgets the edit of the commit under way. The caller holds s.mu.
func (b *Bucket) end() {
	// The room for pending events stays for the next commit, but neither the events nor the
	// room of a large commit, as the load of a snapshot is one.
	clear(b.pending)
	if b.pending = b.pending[:0]; cap(b.pending) > 64 {
		b.pending = nil
	}
	b.edit = treeEdit{}
}
