package api

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"apichain/internal/managed"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The last step of a write: what has passed all checks becomes one change of the store, or none.
//
// Three things can still be in the way. Somebody else has written the object: the store says so,
// as a *store.Conflict. What the new object is to be in (its namespace, its definition) is being
// deleted: that is asked again inside the commit, where nobody can begin a deletion in between.
// And the definition of a custom resource may have changed since the call began, so that what
// was pruned, defaulted and validated was so by rules that no longer hold: errRedefined.

// errRedefined says that the definition of a custom resource has changed since the call began.
// It does not leave this file: a create begins again, a change counts as overtaken.
var errRedefined = errors.New("the resource is defined anew")

// commit stores a change of old, unless there is nothing to store: next is equal to was, or this
// is a dry run. An object that is being deleted goes with the write that takes its last
// finalizer. After it, done is as write says.
func (w *write) commit() error {
	w.keepTimes()
	// Equal trees are not enough where old's bytes are of another version or schema: writing
	// the same object again is how a client brings it up to date.
	if tree.Equal(w.next, w.was) && !w.reordered() && w.asStored(w.old) {
		if !w.dryRun {
			w.done = w.old
		}
		return w.confirm()
	}
	goes := w.old.Meta.Deleting && len(tree.List(w.next, "metadata", "finalizers")) == 0 && w.mayGo(w.next)
	if w.dryRun {
		return w.confirm()
	}
	if goes {
		// The answer is what was written last, and the event shows what was stored, finalizers
		// and all; both at the revision of before (upstream).
		return w.remove()
	}
	d, err := w.encode(w.req.Context(), w.next)
	if err != nil {
		return err
	}
	if d.Same(w.old) { // as another version shows it, it was not as it is stored
		w.done = w.old
		return w.confirm()
	}
	return w.put(&d)
}

// keepTimes puts the owners of before back where the write changes nothing but their times: it is none then.
func (w *write) keepTimes() {
	m, was := tree.Metadata(w.next), tree.Metadata(w.was)
	if owners := m["managedFields"]; managed.SameButTimes(owners, was["managedFields"]) {
		if m["managedFields"] = was["managedFields"]; !tree.Equal(w.next, w.was) {
			m["managedFields"] = owners
		}
	}
}

// reordered reports whether the owners are written in another order, as after a write of the Scale and after the one that follows: that
// is a change (upstream).
func (w *write) reordered() bool {
	owners, isRaw := tree.Metadata(w.next)["managedFields"].(tree.Raw)
	before, wasRaw := tree.Metadata(w.was)["managedFields"].(tree.Raw)
	return isRaw && wasRaw && owners != before
}

// mayGo reports whether nothing but finalizers in metadata holds a deleted object: a namespace
// has others in its spec, and a pod waits for who stops it while it has a grace period.
func (r *Resource) mayGo(obj map[string]any) bool {
	if integer(obj, "metadata", "deletionGracePeriodSeconds") > 0 {
		return false
	}
	return len(tree.List(obj, "spec", "finalizers")) == 0 || r.Plural != "namespaces" || r.Group != ""
}

// put stores d in the place of old. After it, done is the object.
func (w *write) put(d *store.Draft) (err error) {
	w.done, err = w.recommit(store.Change{Bucket: w.Bucket, Key: w.old.Key, Expect: w.old.Rev, Next: d})
	return err
}

// remove takes old out of the store. Its last event shows what was stored.
func (w *write) remove() error {
	_, err := w.recommit(store.Change{Bucket: w.Bucket, Key: w.old.Key, Expect: w.old.Rev})
	return err
}

// add stores a new object. A generated name that is taken is replaced by another one, up to
// generatedTries names in all; after that, and for a name that the client chose, it is the 409
// of an object that exists. After it, done is the object, or nil in a dry run.
func (w *write) add() error {
	for try := 1; ; try++ {
		err := w.addOnce()
		if err == nil {
			return nil
		}
		var taken *store.Conflict
		if !errors.As(err, &taken) {
			return err
		}
		// An object that is made beside it, of an address, has been taken by somebody else.
		if taken.Bucket != w.Bucket {
			return w.allocated(taken.Key)
		}
		if w.generated && try < generatedTries {
			w.rename(generatedName(tree.Text(w.next, "metadata", "generateName")))
			continue
		}
		return w.exists(tree.Name(w.next), taken.Current, tree.Text(w.next, "metadata", "generateName") != "")
	}
}

// addOnce stores next under its name, or in a dry run sees whether it could be. A name that is
// taken is a *store.Conflict.
func (w *write) addOnce() (err error) {
	name := tree.Name(w.next)
	key := w.Resource.Key(w.namespace, name)
	if w.dryRun {
		if err := w.consistent(); err != nil {
			return err
		}
		sn := w.Bucket.Now()
		if o := sn.Get(key); o != nil {
			return &store.Conflict{Bucket: w.Bucket, Key: key, Current: o}
		}
		return nil
	}
	// A client that sends one has read the object somewhere: it means an update.
	m := tree.Metadata(w.next)
	if v, err := strconv.ParseUint(tree.Text(m, "resourceVersion"), 10, 64); err == nil && v > 0 {
		return status.Unexplained("resourceVersion should not be set on objects to be created")
	}
	delete(m, "resourceVersion")
	d, err := w.encode(w.req.Context(), w.next)
	if err != nil {
		return err
	}
	q := w.Call
	change := store.Change{Bucket: q.Bucket, Key: key, Next: &d}
	w.done, err = w.commitChange(change, func() error { return q.checkPlace(name) })
	if errors.Is(err, errRedefined) {
		return w.addAnew()
	}
	return err
}

// addAnew takes a new object through all steps once more, by the definition as it is now. It
// keeps a name that was generated: nobody has that, and if somebody takes it this time, it is
// refused as if the client had chosen it.
func (w *write) addAnew() (err error) {
	if err := w.reload(); err != nil {
		return err
	}
	// encode may have made it an object of the storage version.
	w.next["apiVersion"] = w.apiVersion()
	if _, err := w.shape.Prune(w.next); err != nil {
		return status.BadRequest(err.Error())
	}
	w.done, err = w.Insert(w.next)
	return err
}

// commitChange makes one change, with its companions, and tells the kind of it. fits, if any, is asked while no other
// commit can come between, and its error ends it. Nothing is written under a definition that has
// been replaced: that is errRedefined. The context is not the request's: a client that goes away
// now must not leave it open whether its write was made.
func (w *write) commitChange(c store.Change, fits func() error) (*store.Object, error) {
	q := w.Call
	// The program's own writes come here too.
	if why := q.api.Config.ReadOnly; why != "" {
		return nil, q.forbidden(q.name, why)
	}
	var refused error
	ctx, cancel := q.untilWritten()
	defer cancel()
	done, err := q.api.Store.CommitFunc(ctx, func() []store.Change {
		// It may run again, after another write.
		if refused = nil; q.isRetired() {
			refused = errRedefined
		} else if fits != nil {
			refused = fits()
		}
		var more []store.Change
		if refused == nil {
			more, refused = w.companions(c.Next == nil)
		}
		if refused != nil {
			return nil
		}
		return append([]store.Change{c}, more...)
	})
	if err = cmp.Or(refused, q.storageError(err)); err != nil {
		return nil, err
	}
	// Outside of the commit, since the hook may read what the store has now; before the answer,
	// so that a client who has created a definition finds it served.
	if q.afterWrite != nil {
		q.afterWrite(done[0])
	}
	return done[0], nil
}

// recommit makes one change of an object that is there. When the resource has been defined anew
// the call gets it as it is now, and a *store.Conflict as if somebody had changed the object:
// then the next attempt reads, prunes and checks it by the new definition.
func (w *write) recommit(c store.Change) (*store.Object, error) {
	o, err := w.commitChange(c, nil)
	if errors.Is(err, errRedefined) {
		if err := w.reload(); err != nil {
			return nil, err
		}
		return nil, &store.Conflict{Bucket: c.Bucket, Key: c.Key}
	}
	return o, err
}

// checkPlace refuses a new object when what it would be in is on its way out: a custom one's
// definition, or its namespace. It is called within the commit, so the answer still holds when
// the object is there.
func (q *Call) checkPlace(name string) error {
	if q.custom {
		sn := q.api.Customs.Bucket.Latest()
		if d := sn.Get(q.Bucket.Name); d == nil {
			return status.PlainText(http.StatusNotFound, "404 page not found")
		} else if d.Meta.Deleting {
			return q.forbidden(name, definitionTerminating)
		}
	}
	return q.checkNamespaceActive(name, q.api.Namespaces.Latest())
}
