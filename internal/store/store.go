// Package store keeps versioned objects in memory: all resources of a server under one
// revision that only grows, with snapshots that readers take without a lock and a log of
// events that watches follow.
//
// Encoded objects come in as drafts, in commits that are made as a whole or not at all. Out
// go immutable objects, whose bytes exist once and are shared by every reader, snapshots of
// one resource at one revision, and events. A backend may order and keep the writes; reads
// never ask it.
//
//	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20})
//	maps := s.Bucket("configmaps")
//	draft := store.Encode(map[string]any{"metadata": map[string]any{"name": "a"}}, nil)
//	before := maps.Now()                                                  // a snapshot: it stays as it is
//	cursor, err := maps.Watch(before.Rev)                                 // misses and repeats nothing
//	objs, err := s.Commit(ctx, store.Change{Bucket: maps, Key: "ns/a", Next: &draft}) // fails if there is one
//	now := maps.Now()                                                     // now.Get("ns/a") == objs[0]
//	events, wait, err := cursor.Next(nil, 100)                            // one event, Added; without any: <-wait
//
// Everything here may be used by many goroutines at once, but for the Next of a cursor,
// which has one reader. The package knows how an object carries its revision and what an
// event of a watch looks like as JSON; it knows nothing of kinds, schemas or who may do what.
// It is internal to this program: there is no promise of compatibility.
package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// One store has one revision, as etcd has: every write takes the next one, whatever its
// resource, so that revisions order all writes and the resourceVersion of a list says where
// a watch of any resource goes on.
//
// A resource is a bucket. Its objects are a B-tree whose published nodes never change
// (btree.go), so that reading is loading a pointer. Commits are made one at a time under
// Store.mu, each in this order:
//
//	check the changes → new trees and events → publish both per bucket → revision → trim the log → wake
//
// A backend (backend.go) comes between: a journal keeps the new trees and events before they are published
// (group.go), and one that is shared gives them back in the order of all its writers (shared.go, feed.go).
//
// A reader that loads the revision first and a tree afterwards therefore has everything up to
// that revision. There are two locks: Store.mu is taken before the lock of a bucket's log,
// never the other way round, and readers of objects take neither.

// Store holds all resources of a server. Make one with New; the zero value is of no use.
type Store struct {
	limits Window

	// backend keeps the writes, nil for memory alone; as one of the other two it is asked. They are set by Open.
	backend Backend
	journal Journal
	shared  Shared

	// rev is the newest committed revision. It moves after the trees and the log have it.
	rev atomic.Int64
	// watchFloor is where ExpireHistory was last called, or where the store began: nothing begins
	// before it.
	watchFloor atomic.Int64
	// editID numbers the edits of trees, so that a node tells which one may change it.
	editID atomic.Uint64
	// byName has every *Bucket by its name. Buckets are never taken out.
	byName sync.Map

	// mu admits one commit at a time and guards the fields below it.
	mu sync.Mutex
	// head is the newest revision that was given, by a commit that may not be kept yet.
	head int64
	// group has the commits that a journal has not kept yet.
	group group
	// log has every event of the window, over all buckets, oldest first.
	log ring[Entry]
	// logBytes is what the log is charged for, in bytes.
	logBytes int64
	// lastDropped is the revision of the newest event that the log no longer has, 0 for none.
	lastDropped int64

	// writing is held for reading by each commit over a Shared backend.
	writing sync.RWMutex

	// wake is for those who follow all buckets or await a revision.
	wake  wakeup
	pages pageCache
	forms formCache
}

// New makes an empty store at the first revision of o, whose log stays within o. It keeps its
// objects in memory alone until Open says otherwise.
func New(o Window) *Store {
	// Never 0, by which clients mean "any revision".
	o.First = max(o.First, 1)
	s := &Store{limits: o, head: o.First}
	s.rev.Store(o.First)
	// What is before is of another store, and nothing of it is known here.
	s.watchFloor.Store(o.First)
	return s
}

// Open gives the store, which must be empty, what keeps its writes, and fills it with what that has
// kept: from then on the revisions are those of the backend. Nobody may use the store meanwhile. An error is that of
// Backend.Load; the backend is the caller's to close then.
func (s *Store) Open(ctx context.Context, b Backend) error {
	if err := b.Load(ctx, &Feed{s: s}); err != nil {
		return err
	}
	s.backend = b
	s.journal, _ = b.(Journal)
	s.shared, _ = b.(Shared)
	return nil
}

// Close waits for the commits under way and closes the backend, whose error it returns. Reads
// still work afterwards; what a later commit does is up to the backend.
func (s *Store) Close() error {
	s.Settled()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend == nil {
		return nil
	}
	return s.backend.Close()
}

// Bucket holds the objects of one resource, and the events of the window that are of it.
type Bucket struct {
	Name  string
	store *Store
	tree  atomic.Pointer[state]
	log   bucketLog

	// The two below are of the commit under way and guarded by store.mu. A bucket without
	// pending events is not in that commit.
	edit    treeEdit
	pending []*Event
	// ahead is the newest state where that is not published yet, else nil. It is guarded by store.mu.
	ahead *state
}

// state is a tree with the revision of the bucket's newest event, which led to it; 0 for none.
type state struct {
	rev   int64
	root  *treeNode
	bytes int64
}

// Bucket returns the bucket of a resource, named as "configmaps" or "widgets.example.com".
// It is made on first use, is the same for ever after, and never goes, even when the
// resource does.
func (s *Store) Bucket(name string) *Bucket {
	if b, ok := s.byName.Load(name); ok {
		return b.(*Bucket)
	}
	// The name may be a part of a request's path, which must not stay alive with the bucket.
	b := &Bucket{Name: strings.Clone(name), store: s}
	b.tree.Store(&state{})
	// Two may get here at once for one name: both must leave with the same bucket.
	was, _ := s.byName.LoadOrStore(b.Name, b)
	return was.(*Bucket)
}

// Buckets returns all buckets sorted by name, those without objects too.
func (s *Store) Buckets() []*Bucket {
	var all []*Bucket
	s.byName.Range(func(_, b any) bool {
		all = append(all, b.(*Bucket))
		return true
	})
	slices.SortFunc(all, func(a, b *Bucket) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Revision returns the newest committed revision. Snapshots and cursors that are asked
// afterwards have everything up to it: a watcher that reads the revision and then finds
// nothing in its cursor has seen all up to that revision, and may say so in a bookmark.
func (s *Store) Revision() int64 { return s.rev.Load() }

// Settled returns the newest committed revision once no commit of this store is under way. What a
// CommitFunc that began before the call has decided is in it.
func (s *Store) Settled() int64 {
	if s.shared != nil {
		s.writing.Lock()
		defer s.writing.Unlock()
		return s.rev.Load()
	}
	s.mu.Lock()
	head := s.head
	s.mu.Unlock()
	// When the journal has failed, what was not kept never was.
	_ = s.keep(head)
	return s.rev.Load()
}

// Await waits until the store has reached a revision, which it may have already: then it
// returns nil, even if ctx is done. Else it returns the error of ctx once that is done.
//
// Nothing runs while it waits: each commit wakes it to look again. A commit that nobody waits
// for pays one load for it.
func (s *Store) Await(ctx context.Context, rev int64) error {
	for s.rev.Load() < rev {
		wait := s.wake.waiting()
		// A commit may have come between the look and the channel, and its wake-up gone to
		// nobody. One that comes after this second look closes the channel.
		if s.rev.Load() >= rev {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ExpireHistory makes every revision before the current one expired: new watches and reads
// of the past before it get an *Expired. Cursors that are open go on.
func (s *Store) ExpireHistory() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchFloor.Store(s.rev.Load())
}
