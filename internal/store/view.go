package store

import "sync/atomic"

// Views: a stored object as somebody else shows it. A resource in another version than the stored one shows
// an object as a webhook converts it, which costs far more than to decode it; so what came out is kept beside
// the object, and goes with it: there is nothing to look up, to bound or to forget. It is an Object too, of
// the same key and revision, so whoever sends, selects or decodes objects does the same with views.
//
// A view belongs to whom it was made by, compared by identity. Once those have no more use for theirs
// (another definition), DropViews takes them from an object; an object that nobody comes to has a view of
// each who looked at it, and no more.

// shownAs is an element of the list of an object's views, which only grows at its head or is replaced.
type shownAs struct {
	by any
	// of is the object that is shown: more than one may share a Meta, as one draft may be committed twice.
	of, as *Object
	next   *shownAs
}

// IsView reports whether o is a view, which is in the form of who made it.
func (o *Object) IsView() bool { return o.isView }

// UseViews puts in the place of each object the view that is kept for by, and returns those objects that have none, in
// their order. Objects that are nil, or of which isFine is true, are left as they are. It takes no lock.
//
// What belongs to an object lies in four places of memory, none of which a long list finds in the processor's caches.
// So each is looked at for many objects before the next is, and memory fetches them side by side: one object after
// another costs a list of 10,000 half as much again as all the rest of it.
func UseViews(objs []*Object, by any, isFine func(*Object) bool) (missing []*Object) {
	var metas [64]*Meta
	var views [len(metas)]*shownAs
	for ; len(objs) > 0; objs = objs[min(len(metas), len(objs)):] {
		some := objs[:min(len(metas), len(objs))]
		for i, o := range some {
			if metas[i] = nil; o != nil && !isFine(o) {
				metas[i] = o.Meta
			}
		}
		for i := range some {
			if views[i] = nil; metas[i] != nil {
				views[i] = metas[i].views.Load()
			}
		}
		for i, o := range some {
			v := views[i]
			for v != nil && !(v.by == by && v.of == o) {
				v = v.next
			}
			switch {
			case v != nil:
				some[i] = v.as
			case metas[i] != nil:
				missing = append(missing, o)
			}
		}
	}
	return missing
}

// ViewOf returns the draft as a view of o, with its key, revision and kind of event. Nothing keeps it yet.
func (d *Draft) ViewOf(o *Object) *Object {
	v := newObject(o.EventKind(), o.Key, o.Rev, d.JSON[:d.RevisionAt], d.JSON[d.RevisionAt:], d.Meta)
	v.isView = true
	return v
}

// KeepView keeps as, a view of o, for by, and forgets those of whom stale is true. Of two that are kept for the
// same at the same time either may be found later. by must be comparable.
func (o *Object) KeepView(by any, as *Object, stale func(by any) bool) {
	changeViews(&o.Meta.views, &shownAs{by: by, of: o, as: as}, func(v *shownAs) bool { return v.by == by && v.of == o || stale(v.by) })
}

// DropViews forgets the views of whom stale is true.
func (o *Object) DropViews(stale func(by any) bool) {
	changeViews(&o.Meta.views, nil, func(v *shownAs) bool { return stale(v.by) })
}

// changeViews puts first in front of a list, if it is not nil, without those elements that drop names.
func changeViews(list *atomic.Pointer[shownAs], first *shownAs, drop func(*shownAs) bool) {
	for {
		was := list.Load()
		if was == nil && first == nil {
			return
		}
		var kept *shownAs
		for v := was; v != nil; v = v.next {
			if !drop(v) {
				kept = &shownAs{by: v.by, of: v.of, as: v.as, next: kept}
			}
		}
		if first != nil {
			first.next = kept
			kept = first
		}
		if list.CompareAndSwap(was, kept) {
			return
		}
	}
}
