package store

import "context"

// What keeps the writes. Reads are the same whatever it is: they are of the trees and the log in
// memory, and never ask a backend. There are three ways to keep a write:
//
//	memory    no backend: the objects are gone with the process
//	Journal   the store orders the commits, the backend keeps them in that order
//	Shared    the backend orders the commits of several stores, each of which follows all of them
//
// A backend fills a store through a Feed: all at once when it is opened, and a Shared one from
// then on with what everybody writes, the store's own commits among it. Nothing of a commit is
// visible before its backend has it: before the Sync of a Journal has returned, or before the
// Feed of a Shared one has brought it.
//
// Backends know buckets, keys and encoded objects, and nothing of kinds.

// Backend is what keeps the writes of a store. It is a Journal or a Shared.
type Backend interface {
	// Load feeds all that is kept into a store that is still empty, and ends with Feed.Complete
	// or, for a Journal, with the commits since. It is called once, by Open, before everything else.
	Load(ctx context.Context, into *Feed) error
	// Close is called by Store.Close, when no commit is under way, and gives back what Load took.
	Close() error
}

// Journal is a Backend that keeps the commits of one store in the order that the store gives them.
type Journal interface {
	Backend
	// Append takes a commit, all of its events in order, to be kept by the next Sync. It is called under the lock
	// of commits, must not wait for a disk, and must not call the store. An error refuses this commit alone.
	Append(commit []Entry) error
	// Sync keeps all that was appended before it was called, or more, and returns the revision up to which
	// everything is kept. One call is made at a time, Append goes on meanwhile. After an error the
	// journal is not asked again: the store refuses all further commits with it.
	Sync() (kept int64, err error)
}

// Shared is a Backend that several stores, and programs of others, write to: it gives the revisions.
type Shared interface {
	Backend
	// Transact makes all writes or none, at a revision that it returns; all of them have the same. Each
	// says by Expect at which revision its object must be, 0 for none; it is never negative. When
	// one is not, the error is an *Overtaken. Any other error goes to the writer, and its text to
	// the client: whether the writes were made may be unknown then. It may be called concurrently.
	Transact(ctx context.Context, writes []Change) (rev int64, err error)
	// Newest returns the newest revision there is, asked now: a store that has reached it shows
	// everything that had been written when Newest was called. It may be called concurrently.
	Newest(ctx context.Context) (rev int64, err error)
	// Follow feeds what is written after Load's revision, until ctx ends. It is called once, by
	// Store.Follow. It survives whatever happens to the connection: it goes on where it was or,
	// if that is no longer possible, begins anew with all there is.
	Follow(ctx context.Context, into *Feed)
}

// Overtaken is the error of a transaction that expected something else than there is at Rev.
type Overtaken struct{ Rev int64 }

// Error says that somebody else was first.
func (e *Overtaken) Error() string { return "another write came first" }

// Write is one write that a backend has kept: of the object Key of the bucket Bucket, which is Next
// since revision Rev, or is gone with it.
type Write struct {
	Bucket, Key string
	Rev         int64
	// Next is nil for a deletion. Its JSON is copied: it may be part of a buffer that is used again. Its Meta is kept.
	Next *Draft
}
