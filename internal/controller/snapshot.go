package controller

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/store"
)

// Putting the store into a known state: what it was at ready, or what a snapshot says.
// Both are one commit of the differences (store.Replace), so that they are whole or not at all
// and a watcher sees exactly what changed. What is here is which objects those are, which
// resources others need, and that one at a time is done.

const (
	CrdResource       = "customresourcedefinitions.apiextensions.k8s.io"
	namespaceResource = "namespaces"
)

// Restorer puts the store into a known state. Its methods may be called concurrently: one change
// of the whole store at a time is made, and another one is refused meanwhile.
type Restorer struct {
	api  *api.API
	Busy sync.Mutex
	base atomic.Pointer[baseline] // what Reset goes back to; nil before Keep
}

// NewRestorer makes the Restorer of a server that is not ready yet.
func NewRestorer(a *api.API) *Restorer { return &Restorer{api: a} }

// baseline is the objects at ready. Trees are never changed, so it costs only what was
// changed since.
type baseline []store.Holding

// Keep makes the present state the one that reset goes back to. It is called at ready, when the
// window of the watches opens.
func (r *Restorer) Keep() {
	_, all := r.api.Store.Snapshots()
	r.base.Store((*baseline)(&all))
}

// resourceRank puts what others need first: definitions, then namespaces.
func resourceRank(resource string) int {
	switch resource {
	case CrdResource:
		return 0
	case namespaceResource:
		return 1
	}
	return 2
}

// List is the whole store as a Kubernetes list: CustomResourceDefinitions first, then
// Namespaces, then by resource, namespace and name.
type List struct {
	rev     int64
	objects []*store.Object
}

const (
	listHead = `{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"`
	listMid  = `"},"items":[`
	listTail = "]}\n"
)

// NewList takes the list of all objects as they are after one commit.
func NewList(s *store.Store) *List {
	rev, objects := s.Objects(resourceRank)
	return &List{rev: rev, objects: objects}
}

// Size is how many bytes write writes.
func (l *List) Size() int64 {
	n := int64(len(listHead) + len(strconv.FormatInt(l.rev, 10)) + len(listMid) + len(listTail) + max(len(l.objects)-1, 0))
	for _, o := range l.objects {
		n += int64(len(o.Raw()))
	}
	return n
}

// Write writes in large pieces, however small the objects are.
func (l *List) Write(w io.Writer) error {
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

// Reset makes the store what it was at ready. Watchers see each event, and finalizers
// hold nothing up. The error is a 409 before ready and beside another change.
func (r *Restorer) Reset(ctx context.Context) (store.Written, *status.Error) {
	return r.rewrite(ctx, func() store.Contents { return store.ContentsOf(*r.base.Load()) })
}

// Load makes the store hold what a snapshot has. The body is read, and refused with 400 or 422,
// before anything else is looked at.
func (r *Restorer) Load(ctx context.Context, body []byte) (store.Written, *status.Error) {
	c, err := readSnapshot(r.api, body)
	if err != nil {
		return store.Written{}, err
	}
	return r.rewrite(ctx, func() store.Contents { return c })
}

// rewrite makes the store hold what want says, unless that is being done already.
func (r *Restorer) rewrite(ctx context.Context, want func() store.Contents) (store.Written, *status.Error) {
	if r.base.Load() == nil {
		return store.Written{}, conflictWith("the server is not ready yet: the store is still being filled")
	}
	if !r.Busy.TryLock() {
		return store.Written{}, conflictWith("a reset or the load of a snapshot is under way: try again when it has ended")
	}
	defer r.Busy.Unlock()
	w, err := r.api.Store.Replace(ctx, want(), resourceRank)
	if err != nil {
		r.api.Config.Log.Error("the store could not be changed as a whole", "err", err)
		return store.Written{}, &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the store could not be changed: " + err.Error()}
	}
	// What it holds is served when it is answered.
	r.api.Customs.Follow()
	return w, nil
}

func conflictWith(message string) *status.Error {
	return &status.Error{Code: http.StatusConflict, Reason: "Conflict", Message: message}
}
