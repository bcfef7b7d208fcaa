package main

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"apichain/admin"
	"apichain/internal/store"
)

// Putting the store into a known state: what it was at ready, or what a snapshot says.
// Both are one commit of the differences (store.Replace), so that they are whole or not at all
// and a watcher sees exactly what changed. What is here is which objects those are, which
// resources others need, and that one at a time is done.

const (
	crdResource       = "customresourcedefinitions.apiextensions.k8s.io"
	namespaceResource = "namespaces"
)

// knownState is what reset goes back to, and what keeps two changes of the whole store
// apart. The zero value is that of a program that is not ready.
type knownState struct {
	busy sync.Mutex
	base atomic.Pointer[baseline]
}

// baseline is the objects at ready. Trees are never changed, so it costs only what was
// changed since.
type baseline []store.Holding

// keepBaseline makes the present state the one that reset goes back to. It is called at
// ready, when the window of the watches opens.
func (p *program) keepBaseline() {
	_, all := p.store.Snapshots()
	p.known.base.Store((*baseline)(&all))
}

// resourceRank puts what others need first: definitions, then namespaces.
func resourceRank(resource string) int {
	switch resource {
	case crdResource:
		return 0
	case namespaceResource:
		return 1
	}
	return 2
}

// objectList is the whole store as a Kubernetes list: CustomResourceDefinitions first, then
// Namespaces, then by resource, namespace and name.
type objectList struct {
	rev     int64
	objects []*store.Object
}

const (
	listHead = `{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"`
	listMid  = `"},"items":[`
	listTail = "]}\n"
)

// listOf takes the list of all objects as they are after one commit.
func listOf(s *store.Store) *objectList {
	rev, objects := s.Objects(resourceRank)
	return &objectList{rev: rev, objects: objects}
}

// size is how many bytes write writes.
func (l *objectList) size() int64 {
	n := int64(len(listHead) + len(strconv.FormatInt(l.rev, 10)) + len(listMid) + len(listTail) + max(len(l.objects)-1, 0))
	for _, o := range l.objects {
		n += int64(len(o.Raw()))
	}
	return n
}

// write writes in large pieces, however small the objects are.
func (l *objectList) write(w io.Writer) error {
	const piece = 64 << 10
	b := append(make([]byte, 0, piece+4096), listHead...)
	b = append(strconv.AppendInt(b, l.rev, 10), listMid...)
	for i, o := range l.objects {
		if i > 0 {
			b = append(b, ',')
		}
		if b = append(b, o.Raw()...); len(b) >= piece {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(append(b, listTail...))
	return err
}

// reset makes the store what it was at ready. Watchers see each event, and finalizers
// hold nothing up.
func (p *program) reset(ctx context.Context) (admin.Written, *admin.Error) {
	return p.rewrite(ctx, func() (store.Contents, *admin.Error) {
		return store.ContentsOf(*p.known.base.Load()), nil
	})
}

// loadSnapshot makes the store hold what a snapshot has. The body is read, and refused,
// before anything else is looked at.
func (p *program) loadSnapshot(ctx context.Context, body []byte) (admin.Written, *admin.Error) {
	c, err := p.readSnapshot(body)
	if err != nil {
		return admin.Written{}, err
	}
	return p.rewrite(ctx, func() (store.Contents, *admin.Error) { return c, nil })
}

// rewrite makes the store hold what want says, unless that is being done already.
func (p *program) rewrite(ctx context.Context, want func() (store.Contents, *admin.Error)) (admin.Written, *admin.Error) {
	if p.known.base.Load() == nil {
		return admin.Written{}, conflictWith("the server is not ready yet: the store is still being filled")
	}
	if !p.known.busy.TryLock() {
		return admin.Written{}, conflictWith("a reset or the load of a snapshot is under way: try again when it has ended")
	}
	defer p.known.busy.Unlock()
	c, refused := want()
	if refused != nil {
		return admin.Written{}, refused
	}
	w, err := p.store.Replace(ctx, c, resourceRank)
	if err != nil {
		p.log.Error("the store could not be changed as a whole", "err", err)
		return admin.Written{}, &admin.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the store could not be changed: " + err.Error()}
	}
	p.awaitServed(ctx, w.Revision)
	return admin.Written(w), nil
}

func conflictWith(message string) *admin.Error {
	return &admin.Error{Code: http.StatusConflict, Reason: "Conflict", Message: message}
}
