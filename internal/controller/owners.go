package controller

import (
	"context"
	"slices"

	"apichain/internal/api"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Owners and dependents, as upstream's garbage collector has them. An object names its owners by
// uid in metadata.ownerReferences. Each of them is in one of three states, in upstream's words:
//
//	solid       it is there; or nobody can tell, since its kind is not served, or is namespaced
//	            while the dependent is in no namespace
//	waiting     it is deleted in the foreground: finalizer foregroundDeletion
//	dangling    it is gone: no object of that name, or one with another uid
//
// What becomes of an object with owners (syncDependent):
//
//	solid   waiting  dangling
//	  n        0        0      nothing
//	 n>0     some or    some   the references to those that wait or are gone are removed
//	  0       n>0      any     deleted: in the foreground if it has dependents of its own, else
//	                           in the background
//	  0        0       n>0     deleted in the background; its own dependents dangle then
//
// What becomes of an object that is deleted and has dependents (syncOwner):
//
//	finalizer orphan               its dependents lose the reference to it, then the finalizer goes
//	finalizer foregroundDeletion   its dependents are looked at, as above; the finalizer goes when
//	                               none is left that names it with blockOwnerDeletion
//	neither                        it goes at once, and its dependents dangle
//
// Two that own each other and are both deleted in the foreground would wait for ever; so a
// dependent that blocks its owner and has a dependent that waits itself no longer blocks
// (unblockOwners).

// ownerState is what an owner reference leads to.
type ownerState int

// The states. The zero value keeps the dependent.
const (
	ownerSolid ownerState = iota
	ownerWaiting
	ownerDangling
)

// addDependent puts an object into the index, under each of its owners.
func (c *controllers) addDependent(at place, m *store.Meta) {
	for _, o := range m.Owners {
		if c.dependents[o.UID] == nil {
			c.dependents[o.UID] = map[place]bool{}
		}
		c.dependents[o.UID][at] = true
	}
}

// removeDependent takes an object out of the index, under the owners that it had. What is known of
// an owner that nobody names any more is forgotten.
func (c *controllers) removeDependent(at place, m *store.Meta) {
	for _, o := range m.Owners {
		if set := c.dependents[o.UID]; set != nil {
			delete(set, at)
			if len(set) == 0 {
				delete(c.dependents, o.UID)
				delete(c.absent, o.UID)
			}
		}
	}
}

// ownerGone notes that an object has gone, if it has dependents, and queues these.
func (c *controllers) ownerGone(uid string) {
	if len(c.dependents[uid]) > 0 {
		c.absent[uid] = true
	}
	for dependent := range c.dependents[uid] {
		c.add(taskDependent, dependent)
	}
}

// syncDependent looks whether the owners of an object are there, and deletes it or removes
// references to it by the table above. The precondition on its revision makes sure that what is
// deleted is what was looked at: with another owner it may have to stay.
func (c *controllers) syncDependent(ctx context.Context, at place) error {
	sn := at.bucket.Now()
	o := sn.Get(at.key)
	r := c.api.ForBucket(at.bucket)
	if o == nil || o.Meta.Deleting || r == nil || len(o.Meta.Owners) == 0 {
		return nil
	}
	var dangling, waiting []string
	for i := range o.Meta.Owners {
		ref := &o.Meta.Owners[i]
		switch c.stateOf(o, ref) {
		case ownerDangling:
			dangling = append(dangling, ref.UID)
		case ownerWaiting:
			waiting = append(waiting, ref.UID)
		}
	}
	switch n := len(dangling) + len(waiting); {
	case n == 0:
		return nil
	case n < len(o.Meta.Owners):
		return c.removeOwners(ctx, r, o, append(dangling, waiting...))
	case len(waiting) > 0 && len(c.dependents[o.Meta.UID]) > 0:
		// Its own dependents go first, as those of its owner do.
		if err := c.unblockOwners(ctx, r, o); err != nil {
			return err
		}
		// If references were changed just now, the revision is another one and nothing is deleted
		// yet; the event of the change brings us back.
		return c.deleteAt(r, o, o.Rev, api.PropagationForeground)
	}
	return c.deleteAt(r, o, o.Rev, api.PropagationBackground)
}

// stateOf says what a reference of o leads to now. What is known to be gone counts only while its
// kind has gone with it: else the store says whether it is there, as after a reset it may be again.
func (c *controllers) stateOf(o *store.Object, ref *store.Owner) ownerState {
	r := c.api.ForKind(ref.APIVersion, ref.Kind)
	switch {
	case r != nil && r.Namespaced && o.Namespace() == "":
		return ownerSolid // nobody can tell which it is (upstream)
	case (r == nil || r.Bucket == nil) && c.absent[ref.UID]:
		return ownerDangling
	case r == nil || r.Bucket == nil:
		return ownerSolid
	}
	sn := r.Bucket.Now()
	// An owner in another namespace cannot be named: the reference means one in the dependent's.
	owner := sn.Get(r.Key(o.Namespace(), ref.Name))
	switch {
	case owner == nil || owner.Meta.UID != ref.UID:
		return ownerDangling
	case owner.Meta.Deleting && hasFinalizer(owner, api.FinalizerForeground):
		return ownerWaiting
	}
	return ownerSolid
}

// unblockOwners lets o no longer block its owners, when a dependent of its own waits for
// dependents: both may wait for each other (upstream).
func (c *controllers) unblockOwners(ctx context.Context, r *api.Resource, o *store.Object) error {
	cycle := false
	for dependent := range c.dependents[o.Meta.UID] {
		sn := dependent.bucket.Now()
		d := sn.Get(dependent.key)
		cycle = cycle || d != nil && d.Meta.Deleting && hasFinalizer(d, api.FinalizerForeground)
	}
	if !cycle {
		return nil
	}
	_, err := c.call(r, "update", o.Namespace(), o.Name(), "").Modify(ctx, func(obj map[string]any) bool {
		blocked := false
		for _, ref := range tree.List(obj, "metadata", "ownerReferences") {
			if tree.At(ref, "blockOwnerDeletion") == true {
				delete(tree.Object(ref), "blockOwnerDeletion")
				blocked = true
			}
		}
		return blocked
	})
	return err
}

// removeOwners takes the references to owners out of an object, by their uids.
func (c *controllers) removeOwners(ctx context.Context, r *api.Resource, o *store.Object, uids []string) error {
	_, err := c.call(r, "update", o.Namespace(), o.Name(), "").Modify(ctx, func(obj map[string]any) bool {
		return filterList(tree.Metadata(obj), "ownerReferences", func(ref any) bool {
			return !slices.Contains(uids, tree.Text(ref, "uid"))
		})
	})
	return err
}

// syncOwner looks after an object that is deleted and held for its dependents, by the second table
// above. One that is not deleted, or is held by others only, needs nothing.
func (c *controllers) syncOwner(ctx context.Context, at place) error {
	sn := at.bucket.Now()
	o := sn.Get(at.key)
	r := c.api.ForBucket(at.bucket)
	if o == nil || !o.Meta.Deleting || r == nil {
		return nil
	}
	switch {
	// Orphans first: an object that has both finalizers keeps its dependents.
	case hasFinalizer(o, api.FinalizerOrphan):
		if err := c.orphanDependents(ctx, o.Meta.UID); err != nil {
			return err
		}
		return c.removeFinalizer(ctx, r, o, api.FinalizerOrphan)
	case hasFinalizer(o, api.FinalizerForeground):
		if c.isBlocked(o.Meta.UID) {
			return nil // the end of each dependent brings us back
		}
		return c.removeFinalizer(ctx, r, o, api.FinalizerForeground)
	}
	return nil
}

// orphanDependents removes the references to an owner from all its dependents. The index is not
// touched: the events of the writes will do that.
func (c *controllers) orphanDependents(ctx context.Context, uid string) error {
	for dependent := range c.dependents[uid] {
		now := dependent.bucket.Now()
		d, r := now.Get(dependent.key), c.api.ForBucket(dependent.bucket)
		if d == nil || r == nil {
			continue
		}
		if err := c.removeOwners(ctx, r, d, []string{uid}); err != nil {
			return err
		}
	}
	return nil
}

// isBlocked reports whether a dependent blocks the deletion of its owner, and queues all dependents
// of it: also those that do not block are deleted now.
func (c *controllers) isBlocked(uid string) (blocked bool) {
	for dependent := range c.dependents[uid] {
		now := dependent.bucket.Now()
		d := now.Get(dependent.key)
		if d == nil {
			continue
		}
		c.add(taskDependent, dependent)
		for _, ref := range d.Meta.Owners {
			blocked = blocked || ref.UID == uid && ref.BlockOwnerDeletion
		}
	}
	return blocked
}
