package discovery

import (
	"sync"
	"sync/atomic"
)

// cached holds a document that is made of the whole catalog, such as the list of all groups, and
// is made anew by the first who asks for it after a change. The zero value has none yet. T is a
// pointer, and what it points to must not be changed. Methods may be called concurrently.
type cached[T any] struct {
	latest atomic.Pointer[dated[T]]
	// building is held while a new document is made, so that many readers at once make one.
	building sync.Mutex
}

// dated is a document and the count of changes up to which it surely knows the catalog.
type dated[T any] struct {
	changes  int64
	document T
}

// get returns the document of c as it is now. If the catalog has changed since the last one was
// made, build makes another, and readers that come meanwhile wait for it. build must not call
// get of the same value. The document has all changes in it whose calls returned before get was
// called, and perhaps later ones.
func (k *cached[T]) get(c *Catalog, build func(*Catalog) T) T {
	// Most requests end here, without a lock and without an allocation.
	if d := k.latest.Load(); d != nil && d.changes == c.changes.Load() {
		return d.document
	}
	k.building.Lock()
	defer k.building.Unlock()
	// Whoever held the lock before may have made it.
	if d := k.latest.Load(); d != nil && d.changes == c.changes.Load() {
		return d.document
	}
	// The count is read first: if a change comes in between, the document has it and is dated
	// before it, so it is made once too often. The other way round it would be missed.
	d := &dated[T]{changes: c.changes.Load()}
	d.document = build(c)
	k.latest.Store(d)
	return d.document
}
