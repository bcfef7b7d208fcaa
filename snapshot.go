package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"apichain/admin"
	"apichain/internal/store"
)

// Putting the store into a known state: what it was at ready, or what a snapshot says.
// Both are one commit of the differences, computed while no other commit can come between,
// so that they are whole or not at all and a watcher sees exactly what changed. An object
// that was deleted and made again under its name is put back in one MODIFIED event.

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

// objectList is the whole store as a Kubernetes list.
type objectList struct {
	rev     int64
	objects []*store.Object
}

const (
	listHead = `{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"`
	listMid  = `"},"items":[`
	listTail = "]}\n"
)

// list is all objects, CustomResourceDefinitions first, then Namespaces, then by
// resource, namespace and name.
func listOf(s *store.Store) *objectList {
	rev, all := s.Snapshots()
	l := &objectList{rev: rev}
	slices.SortStableFunc(all, func(a, b store.Holding) int {
		return cmp.Compare(resourceRank(a.Bucket.Name), resourceRank(b.Bucket.Name))
	})
	for _, h := range all {
		from := len(l.objects)
		for o := range h.Now.Scan("", "") {
			l.objects = append(l.objects, o)
		}
		// Keys have the order of "a-b/x" and "a/x" the other way round.
		slices.SortFunc(l.objects[from:], func(a, b *store.Object) int {
			return cmp.Or(strings.Compare(a.Namespace(), b.Namespace()), strings.Compare(a.Name(), b.Name()))
		})
	}
	return l
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

// wantedObject is one object that is to be there: the very object, or a draft of it.
type wantedObject struct {
	object *store.Object
	draft  *store.Draft
}

func (t wantedObject) met(o *store.Object) bool {
	if t.draft != nil {
		return t.draft.Same(o)
	}
	if t.object == o {
		return true
	}
	before, after := t.object.SplitAtRevision()
	isBefore, isAfter := o.SplitAtRevision()
	return bytes.Equal(before, isBefore) && bytes.Equal(after, isAfter)
}

func (t wantedObject) write() *store.Draft {
	if t.draft != nil {
		return t.draft
	}
	before, after := t.object.SplitAtRevision()
	return &store.Draft{JSON: slices.Concat(before, after), RevisionAt: len(before), Meta: t.object.Meta}
}

// contents is all that the store is to hold.
type contents map[*store.Bucket]map[string]wantedObject

// changes is what makes the store hold c and nothing else: first what comes, definitions
// and namespaces before the rest, then what goes, the other way round.
func (c contents) changes(all []store.Holding) (cs []store.Change, w admin.Written) {
	var gone [][]store.Change
	for _, h := range all {
		want := c[h.Bucket]
		var going []store.Change
		for o := range h.Now.Scan("", "") {
			t, stays := want[o.Key]
			switch {
			case !stays:
				going = append(going, store.Change{Bucket: h.Bucket, Key: o.Key, Expect: o.Rev})
			case t.met(o):
				w.Unchanged++
			default:
				cs = append(cs, store.Change{Bucket: h.Bucket, Key: o.Key, Expect: o.Rev, Next: t.write()})
				w.Updated++
			}
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if h.Now.Get(key) == nil {
				cs = append(cs, store.Change{Bucket: h.Bucket, Key: key, Next: want[key].write()})
				w.Created++
			}
		}
		gone = append(gone, going)
		w.Deleted += len(going)
	}
	for _, going := range slices.Backward(gone) {
		cs = append(cs, going...)
	}
	return cs, w
}

// become makes the store hold c and nothing else, in one commit.
func become(ctx context.Context, s *store.Store, c contents) (w admin.Written, err error) {
	objs, err := s.CommitFunc(ctx, func() []store.Change {
		var all []store.Holding
		for _, b := range s.Buckets() {
			all = append(all, store.Holding{Bucket: b, Now: b.Now()})
		}
		slices.SortStableFunc(all, func(a, b store.Holding) int {
			return cmp.Compare(resourceRank(a.Bucket.Name), resourceRank(b.Bucket.Name))
		})
		var cs []store.Change
		cs, w = c.changes(all)
		w.Revision = s.Revision()
		return cs
	})
	if n := len(objs); n > 0 {
		w.Revision = objs[n-1].Rev
	}
	return w, err
}

// reset makes the store what it was at ready. Watchers see each event, and finalizers
// hold nothing up.
func (p *program) reset(ctx context.Context) (admin.Written, *admin.Error) {
	return p.rewrite(ctx, func() (contents, *admin.Error) {
		c := contents{}
		for _, h := range *p.known.base.Load() {
			c[h.Bucket] = make(map[string]wantedObject, h.Now.Count())
			for o := range h.Now.Scan("", "") {
				c[h.Bucket][o.Key] = wantedObject{object: o}
			}
		}
		return c, nil
	})
}

// loadSnapshot makes the store hold what a snapshot has. The body is read, and refused,
// before anything else is looked at.
func (p *program) loadSnapshot(ctx context.Context, body []byte) (admin.Written, *admin.Error) {
	c, err := p.readSnapshot(body)
	if err != nil {
		return admin.Written{}, err
	}
	return p.rewrite(ctx, func() (contents, *admin.Error) { return c, nil })
}

// rewrite makes the store hold what want says, unless that is being done already.
func (p *program) rewrite(ctx context.Context, want func() (contents, *admin.Error)) (admin.Written, *admin.Error) {
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
	w, err := become(ctx, p.store, c)
	if err != nil {
		p.log.Error("the store could not be changed as a whole", "err", err)
		return admin.Written{}, &admin.Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the store could not be changed: " + err.Error()}
	}
	p.rest.customs.follow() // what it holds is served when it is answered
	return w, nil
}

func conflictWith(message string) *admin.Error {
	return &admin.Error{Code: http.StatusConflict, Reason: "Conflict", Message: message}
}
