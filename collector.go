package main

import (
	"context"
)

// Owners and dependents: an object whose owners are all gone is deleted, and an owner
// that is deleted in the foreground, or orphaning, waits for its dependents (upstream's
// garbage collector).

// dependent looks whether the owners of an object are there. Owners of kinds that nobody
// serves are taken to be.
func (c *controllers) dependent(ctx context.Context, at place) error {
	sn := at.bucket.now()
	o := sn.get(at.key)
	r := c.rest.resourceFor(at.bucket)
	if o == nil || o.meta.deleting || r == nil || len(o.meta.owners) == 0 {
		return nil
	}
	var gone, waiting []string
	for i := range o.meta.owners {
		owner := c.ownerOf(o, &o.meta.owners[i])
		switch {
		case owner == ownerGone:
			gone = append(gone, o.meta.owners[i].uid)
		case owner == ownerWaits:
			waiting = append(waiting, o.meta.owners[i].uid)
		}
	}
	switch {
	case len(gone)+len(waiting) == 0:
		return nil
	case len(gone)+len(waiting) < len(o.meta.owners):
		return c.release(ctx, r, o, append(gone, waiting...))
	case len(waiting) > 0 && len(c.owned[o.meta.uid]) > 0:
		if err := c.breakCircle(ctx, r, o); err != nil {
			return err
		}
		return c.deleteAt(r, o, o.rev, foreground) // its own dependents go first; where a circle was broken, at the event of that
	}
	return c.deleteAt(r, o, o.rev, background)
}

// breakCircle lets o no longer block its owners when a dependent of its own waits for its
// dependents: both may wait for each other (upstream).
func (c *controllers) breakCircle(ctx context.Context, r *resource, o *object) error {
	circle := false
	for dependent := range c.owned[o.meta.uid] {
		sn := dependent.bucket.now()
		d := sn.get(dependent.key)
		circle = circle || d != nil && d.meta.deleting && hasFinalizer(d, finalizerForegnd)
	}
	if !circle {
		return nil
	}
	_, err := c.rest.internal(r, "update", o.namespace(), o.name(), "").modify(ctx, func(obj map[string]any) bool {
		blocked := false
		for _, ref := range listAt(obj, "metadata", "ownerReferences") {
			if member(ref, "blockOwnerDeletion") == true {
				delete(objectAt(ref), "blockOwnerDeletion")
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

func (c *controllers) ownerOf(o *object, ref *ownerRef) ownerState {
	r := c.rest.resourceOf(ref.apiVersion, ref.kind)
	switch {
	case r != nil && r.namespaced && o.namespace() == "":
		return ownerThere // nobody can tell which it is (upstream)
	case c.gone[ref.uid]:
		return ownerGone // perhaps its kind with it
	case r == nil || r.bucket == nil:
		return ownerThere
	}
	sn := r.bucket.now()
	owner := sn.get(r.key(o.namespace(), ref.name))
	switch {
	case owner == nil || owner.meta.uid != ref.uid:
		return ownerGone
	case owner.meta.deleting && hasFinalizer(owner, finalizerForegnd):
		return ownerWaits
	}
	return ownerThere
}

func hasFinalizer(o *object, name string) bool {
	if o.meta.finalizers == 0 {
		return false
	}
	for _, f := range listAt(o.decode(), "metadata", "finalizers") {
		if f == name {
			return true
		}
	}
	return false
}

// release takes owners out of an object.
func (c *controllers) release(ctx context.Context, r *resource, o *object, uids []string) error {
	_, err := c.rest.internal(r, "update", o.namespace(), o.name(), "").modify(ctx, func(obj map[string]any) bool {
		m := metadataOf(obj)
		var kept []any
		for _, ref := range listAt(m, "ownerReferences") {
			uid, drop := textAt(ref, "uid"), false
			for _, u := range uids {
				drop = drop || u == uid
			}
			if !drop {
				kept = append(kept, ref)
			}
		}
		if len(kept) == len(listAt(m, "ownerReferences")) {
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
	sn := at.bucket.now()
	o := sn.get(at.key)
	r := c.rest.resourceFor(at.bucket)
	if o == nil || !o.meta.deleting || r == nil {
		return nil
	}
	switch {
	case hasFinalizer(o, finalizerOrphan):
		for dependent := range c.owned[o.meta.uid] {
			now := dependent.bucket.now()
			d, dr := now.get(dependent.key), c.rest.resourceFor(dependent.bucket)
			if d == nil || dr == nil {
				continue
			}
			if err := c.release(ctx, dr, d, []string{o.meta.uid}); err != nil {
				return err
			}
		}
		return c.unhold(ctx, r, o, finalizerOrphan)
	case hasFinalizer(o, finalizerForegnd):
		blocked := false
		for dependent := range c.owned[o.meta.uid] {
			now := dependent.bucket.now()
			d := now.get(dependent.key)
			if d == nil {
				continue
			}
			c.add(taskDependent, dependent)
			for _, ref := range d.meta.owners {
				blocked = blocked || ref.uid == o.meta.uid && ref.block
			}
		}
		if blocked {
			return nil // the end of each dependent brings us back
		}
		return c.unhold(ctx, r, o, finalizerForegnd)
	}
	return nil
}

// unhold takes a finalizer away.
func (c *controllers) unhold(ctx context.Context, r *resource, o *object, finalizer string) error {
	_, err := c.rest.internal(r, "update", o.namespace(), o.name(), "").modify(ctx, func(obj map[string]any) bool {
		return dropString(metadataOf(obj), "finalizers", finalizer)
	})
	return err
}
