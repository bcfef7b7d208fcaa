// Package store keeps versioned objects in memory: all resources of a server under one
// revision that only grows, with snapshots that readers take without a lock and a log of
// events that watches follow.
//
// Encoded objects come in as drafts, in commits that are made as a whole or not at all. Out
// go immutable objects, whose bytes exist once and are shared by every reader, snapshots of
// one resource at one revision, and events. A backend may order and keep the writes; reads
// never ask it.
//
//	s := store.New(store.Window{Events: 1000, Bytes: 1 << 20}, nil)
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
//	check the changes → backend → new trees and events → publish both per bucket → revision → trim the log → wake
//
// A reader that loads the revision first and a tree afterwards therefore has everything up to
// that revision. There are two locks: Store.mu is taken before the lock of a bucket's log,
// never the other way round, and readers of objects take neither.

// Store holds all resources of a server. Make one with New; the zero value has no backend and
// cannot commit.
type Store struct {
	limits Window

	// Backend keeps the writes. It may be replaced only while nobody commits.
	Backend keeper

	// rev is the newest committed revision. It moves after the trees and the log have it.
	rev atomic.Int64
	// watchFloor is where ExpireHistory was last called, or where the store began: nothing begins
	// before it.
	watchFloor atomic.Int64
	// editID numbers the edits of trees, so that a node tells which one may change it.
	editID atomic.Uint64
	// byName has every *Bucket by its name. Buckets are never taken out.
	byName sync.Map

	// mu admits one commit at a time and guards the four fields below it.
	mu sync.Mutex
	// log has every event of the window, over all buckets, oldest first.
	log ring[Entry]
	// logBytes is what the log is charged for, in bytes.
	logBytes int64
	// lastDropped is the revision of the newest event that the log no longer has, 0 for none.
	lastDropped int64

	// wake is for those who follow all buckets or await a revision.
	wake  wakeup
	pages pageCache
	forms formCache
}

// keeper orders and keeps writes, in a journal or another store.
type keeper interface {
	// Append is called once for each commit, under the lock of commits and before anything
	// of it is visible: writes[i] gets the revision first+i. When it fails nothing is
	// committed, the error goes to the writer as it is, and the same revisions come again.
	// It must not call the store.
	Append(ctx context.Context, first int64, writes []Change) error
	// Close is called by Store.Close, when no Append is under way.
	Close() error
}

// Memory is the Backend that keeps nothing: the objects are gone with the process.
type Memory struct{}

// Append accepts every write.
func (Memory) Append(context.Context, int64, []Change) error { return nil }

// Close does nothing.
func (Memory) Close() error { return nil }

// New makes an empty store at the first revision of o, whose log stays within o. A nil backend
// is Memory.
func New(o Window, b keeper) *Store {
	if b == nil {
		b = Memory{}
	}
	// Never 0, by which clients mean "any revision".
	o.First = max(o.First, 1)
	s := &Store{limits: o, Backend: b}
	s.rev.Store(o.First)
	// What is before is of another store, and nothing of it is known here.
	s.watchFloor.Store(o.First)
	return s
}

// Close waits for the commit under way and closes the backend, whose error it returns. Reads
// still work afterwards; what a later commit does is up to the backend.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Backend.Close()
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

// Settled returns the newest committed revision once no commit is under way. What a
// CommitFunc that began before the call has decided is in it.
func (s *Store) Settled() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
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
