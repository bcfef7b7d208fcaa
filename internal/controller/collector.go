package controller

import (
	"context"

	"apichain/internal/api"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Owners and dependents: an object whose owners are all gone is deleted, and an owner
// that is deleted in the foreground, or orphaning, waits for its dependents (upstream's
// garbage collector).

// dependent looks whether the owners of an object are there. Owners of kinds that nobody
// serves are taken to be.
func (c *controllers) dependent(ctx context.Context, at place) error {
	sn := at.bucket.Now()
	o := sn.Get(at.key)
	r := c.api.ForBucket(at.bucket)
	if o == nil || o.Meta.Deleting || r == nil || len(o.Meta.Owners) == 0 {
		return nil
	}
	var gone, waiting []string
	for i := range o.Meta.Owners {
		owner := c.ownerOf(o, &o.Meta.Owners[i])
		switch {
		case owner == ownerGone:
			gone = append(gone, o.Meta.Owners[i].UID)
		case owner == ownerWaits:
			waiting = append(waiting, o.Meta.Owners[i].UID)
		}
	}
	switch {
	case len(gone)+len(waiting) == 0:
		return nil
	case len(gone)+len(waiting) < len(o.Meta.Owners):
		return c.release(ctx, r, o, append(gone, waiting...))
	case len(waiting) > 0 && len(c.owned[o.Meta.UID]) > 0:
		if err := c.breakCircle(ctx, r, o); err != nil {
			return err
		}
		return c.deleteAt(r, o, o.Rev, api.PropagationForeground) // its own dependents go first; where a circle was broken, at the event of that
	}
	return c.deleteAt(r, o, o.Rev, api.PropagationBackground)
}

// breakCircle lets o no longer block its owners when a dependent of its own waits for its
// dependents: both may wait for each other (upstream).
func (c *controllers) breakCircle(ctx context.Context, r *api.Resource, o *store.Object) error {
	circle := false
	for dependent := range c.owned[o.Meta.UID] {
		sn := dependent.bucket.Now()
		d := sn.Get(dependent.key)
		circle = circle || d != nil && d.Meta.Deleting && hasFinalizer(d, api.FinalizerForeground)
	}
	if !circle {
		return nil
	}
	_, err := c.api.Internal(r, "update", o.Namespace(), o.Name(), "").Modify(ctx, func(obj map[string]any) bool {
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

type ownerState int

const (
	ownerThere ownerState = iota
	ownerWaits            // deleted in the foreground: it waits for its dependents
	ownerGone
)

func (c *controllers) ownerOf(o *store.Object, ref *store.Owner) ownerState {
	r := c.api.ForKind(ref.APIVersion, ref.Kind)
	switch {
	case r != nil && r.Namespaced && o.Namespace() == "":
		return ownerThere // nobody can tell which it is (upstream)
	case c.gone[ref.UID]:
		return ownerGone // perhaps its kind with it
	case r == nil || r.Bucket == nil:
		return ownerThere
	}
	sn := r.Bucket.Now()
	owner := sn.Get(r.Key(o.Namespace(), ref.Name))
	switch {
	case owner == nil || owner.Meta.UID != ref.UID:
		return ownerGone
	case owner.Meta.Deleting && hasFinalizer(owner, api.FinalizerForeground):
		return ownerWaits
	}
	return ownerThere
}

func hasFinalizer(o *store.Object, name string) bool {
	if o.Meta.Finalizers == 0 {
		return false
	}
	for _, f := range tree.List(o.Decode(), "metadata", "finalizers") {
		if f == name {
			return true
		}
	}
	return false
}

// release takes owners out of an object.
func (c *controllers) release(ctx context.Context, r *api.Resource, o *store.Object, uids []string) error {
	_, err := c.api.Internal(r, "update", o.Namespace(), o.Name(), "").Modify(ctx, func(obj map[string]any) bool {
		m := tree.Metadata(obj)
		var kept []any
		for _, ref := range tree.List(m, "ownerReferences") {
			uid, drop := tree.Text(ref, "uid"), false
			for _, u := range uids {
				drop = drop || u == uid
			}
			if !drop {
				kept = append(kept, ref)
			}
		}
		if len(kept) == len(tree.List(m, "ownerReferences")) {
			return false
		}
		if kept == nil {
			delete(m, "ownerReferences")
		} else {
			m["ownerReferences"] = kept
		}
		return true
	})
	return err
}

// owner looks after an object that is deleted and waits for its dependents.
func (c *controllers) owner(ctx context.Context, at place) error {
	sn := at.bucket.Now()
	o := sn.Get(at.key)
	r := c.api.ForBucket(at.bucket)
	if o == nil || !o.Meta.Deleting || r == nil {
		return nil
	}
	switch {
	case hasFinalizer(o, api.FinalizerOrphan):
		for dependent := range c.owned[o.Meta.UID] {
			now := dependent.bucket.Now()
			d, dr := now.Get(dependent.key), c.api.ForBucket(dependent.bucket)
			if d == nil || dr == nil {
				continue
			}
			if err := c.release(ctx, dr, d, []string{o.Meta.UID}); err != nil {
				return err
			}
		}
		return c.unhold(ctx, r, o, api.FinalizerOrphan)
	case hasFinalizer(o, api.FinalizerForeground):
		blocked := false
		for dependent := range c.owned[o.Meta.UID] {
			now := dependent.bucket.Now()
			d := now.Get(dependent.key)
			if d == nil {
				continue
			}
			c.add(taskDependent, dependent)
			for _, ref := range d.Meta.Owners {
				blocked = blocked || ref.UID == o.Meta.UID && ref.BlockOwnerDeletion
			}
		}
		if blocked {
			return nil // the end of each dependent brings us back
		}
		return c.unhold(ctx, r, o, api.FinalizerForeground)
	}
	return nil
}

// unhold takes a finalizer away.
func (c *controllers) unhold(ctx context.Context, r *api.Resource, o *store.Object, finalizer string) error {
	_, err := c.api.Internal(r, "update", o.Namespace(), o.Name(), "").Modify(ctx, func(obj map[string]any) bool {
		return dropString(tree.Metadata(obj), "finalizers", finalizer)
	})
	return err
}
