package controller

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/store"
)

// The store can be put into a known state: what it was at ready (Reset), or what a snapshot says
// (Load). Both are one commit of the differences (store.Replace), so that they are whole or not at
// all, and a watcher sees exactly what changed. What is here is which objects those are, which
// resources others need, and that one change of the whole store at a time is made.
//
// A snapshot is a Kubernetes list of all objects as they are stored, so kubectl and jq can read it.
// What is loaded keeps uids, times and status: it was in a store before (snapshot_read.go).

// The ranks of resources: those of a lower one come first in a list and are written first, since
// others need them; they are deleted last.
const (
	// rankDefinition is for definitions: without them custom resources are of no kind.
	rankDefinition = iota
	// rankNamespace is for namespaces: without them nothing can be in them.
	rankNamespace
	rankOther
)

// namespaceResource is the resource of namespaces, as the store's buckets are called.
const namespaceResource = "namespaces"

// resourceRank returns the rank of a resource. A watcher of a reset that follows several resources
// in the order of their revisions never sees an object before what it needs.
func resourceRank(resource string) int {
	switch resource {
	case crdResource:
		return rankDefinition
	case namespaceResource:
		return rankNamespace
	}
	return rankOther
}

// Restorer puts the store into a known state. Its methods may be called concurrently: one change
// of the whole store at a time is made, and another one is refused meanwhile.
type Restorer struct {
	api *api.API
	// busy is held while the store is changed as a whole, and guards election.
	busy sync.Mutex
	// election is for the Lease of who does so, over a shared backend. It remembers how long it has not changed.
	election *election
	// base is what Reset goes back to; nil before Keep.
	base atomic.Pointer[baseline]
}

// NewRestorer returns the Restorer of a server that is not ready yet: it refuses everything until
// Keep is called.
func NewRestorer(a *api.API) *Restorer {
	return &Restorer{api: a, election: newElection(a, restoreLease)}
}

// baseline is the objects at ready. Trees are never changed, so it costs only what was changed
// since.
type baseline []store.Holding

// Keep makes the present state the one that Reset goes back to. It is called at ready, when the
// window of the watches opens.
func (r *Restorer) Keep() {
	_, all := r.api.Store.Snapshots()
	r.base.Store((*baseline)(&all))
}

// List is the whole store as a Kubernetes list: CustomResourceDefinitions first, then Namespaces,
// then by resource, namespace and name. It holds the store's own bytes, copies none, and stays as
// it is while the store goes on.
type List struct {
	rev     int64
	objects []*store.Object
}

// The text of a list around its revision and its items.
const (
	listHead = `{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"`
	listMid  = `"},"items":[`
	listTail = "]}\n"
)

// NewList takes the list of all objects as they are after one commit.
func NewList(s *store.Store) *List {
	rev, objects := s.Objects(resourceRank)
	// What keeps node ports apart is made of the services, and is of no kind that is served.
	objects = slices.DeleteFunc(objects, func(o *store.Object) bool {
		return o.Key == api.NodePortRange && o.Decode()["kind"] == "RangeAllocation"
	})
	return &List{rev: rev, objects: objects}
}

// Size returns how many bytes Write writes, so that the answer can have a Content-Length.
func (l *List) Size() int64 {
	commas := max(len(l.objects)-1, 0)
	n := int64(len(listHead) + len(strconv.FormatInt(l.rev, 10)) + len(listMid) + commas + len(listTail))
	for _, o := range l.objects {
		n += int64(len(o.Raw()))
	}
	return n
}

// Write writes the list in large pieces, however small the objects are. The error is w's first.
func (l *List) Write(w io.Writer) error {
	const piece = 64 << 10
	// A little more than a piece: the object that fills it need not make it grow.
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

// Reset makes the store what it was at ready. Watchers see each event, and finalizers hold nothing
// up. The error is a 409 before ready and beside another change of the whole store.
func (r *Restorer) Reset(ctx context.Context) (store.Written, *status.Error) {
	// Called when it is known that there is a base.
	return r.rewrite(ctx, func() store.Contents { return store.ContentsOf(*r.base.Load()) })
}

// Load makes the store hold what a snapshot has. The body is read, and refused with 400 or 422,
// before anything else is looked at. It may not be changed afterwards.
func (r *Restorer) Load(ctx context.Context, body []byte) (store.Written, *status.Error) {
	c, err := readSnapshot(r.api, body)
	if err != nil {
		return store.Written{}, err
	}
	return r.rewrite(ctx, func() store.Contents { return c })
}

// rewrite makes the store hold what want returns, unless that is being done already. A failure of
// the backend is a 500, and logged; then nothing has changed, or over a shared backend a part, which it says.
func (r *Restorer) rewrite(ctx context.Context, want func() store.Contents) (store.Written, *status.Error) {
	if why := r.api.Config.ReadOnly; why != "" {
		return store.Written{}, &status.Error{Code: http.StatusForbidden, Reason: "Forbidden", Message: "the store may not be changed: " + why}
	}
	if r.base.Load() == nil {
		return store.Written{}, conflictWith("the server is not ready yet: the store is still being filled")
	}
	// Not waited for: whoever comes second should know that the state is not what he thinks.
	if !r.busy.TryLock() {
		return store.Written{}, conflictWith("a reset or the load of a snapshot is under way: try again when it has ended")
	}
	defer r.busy.Unlock()
	w, refused := r.replace(ctx, want())
	if refused != nil {
		return w, refused
	}
	// A snapshot may have services without the objects that stand for their addresses.
	r.api.RepairAddresses(ctx)
	// What it holds is served, and who is asked about writes by it, is asked, when it is answered.
	r.api.Customs.Follow()
	for _, follow := range r.api.Config.AfterWrite {
		follow()
	}
	return w, nil
}

// replace makes the store hold c. Over a shared backend that takes many transactions: no other process does the same
// meanwhile, which a Lease sees to, and how far a failure has come is told.
func (r *Restorer) replace(ctx context.Context, c store.Contents) (w store.Written, refused *status.Error) {
	message := "the store could not be changed: "
	if r.api.Store.IsShared() {
		e := r.election
		held, err := e.try(ctx)
		switch {
		case err != nil:
			return w, failedWith(message + err.Error())
		case !held:
			return w, conflictWith(fmt.Sprintf("process %s is changing the whole store: try again when it has done so, or %.0f s from now if it has ended",
				e.holder, time.Until(e.expires).Seconds()))
		}
		var ended func() string
		ctx, ended = e.keep(ctx)
		defer func() {
			// What was lost is not to be changed any more: somebody else may be at it.
			if why := ended(); why != "" && refused != nil {
				refused.Message += ": " + why
			}
		}()
		// Those who hold Leases renew them meanwhile: these are left as they are.
		leases := e.leases().Bucket
		if c[leases] == nil {
			c[leases] = make(map[string]store.Wanted)
		}
		for _, name := range []string{controllersLease, restoreLease} {
			c[leases][leaseNamespace+"/"+name] = store.Wanted{}
		}
	}
	w, err := r.api.Store.Replace(ctx, c, resourceRank)
	if err == nil {
		if r.api.Store.IsShared() {
			r.api.Config.Log.Info("the store was changed as a whole, in one transaction an object",
				"created", w.Created, "updated", w.Updated, "deleted", w.Deleted)
		}
		return w, nil
	}
	r.api.Config.Log.Error("the store could not be changed as a whole", "created", w.Created, "updated", w.Updated, "deleted", w.Deleted, "err", err)
	if n := w.Created + w.Updated + w.Deleted; n > 0 {
		message = fmt.Sprintf("the store was changed in part, in %d objects, and the same again completes it: ", n)
	}
	return store.Written{}, failedWith(message + err.Error())
}

// failedWith returns a 500 that is about the whole store and no object.
func failedWith(message string) *status.Error {
	return &status.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: message}
}

// conflictWith returns a 409 that is about the whole store and no object.
func conflictWith(message string) *status.Error {
	return &status.Error{Code: http.StatusConflict, Reason: "Conflict", Message: message}
}
