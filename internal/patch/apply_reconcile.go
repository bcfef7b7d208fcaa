package patch

import (
	"slices"

	"apichain/internal/fieldset"
)

// A definition may get another schema while objects of it are there, and owners own what the old one said. Where a map or
// a list has become atomic there is but one owner of the whole: who owned something in it owns it.
//
//	map granular      {"f:spec":{"f:selector":{"f:app":{},"f:tier":{}}}}
//	map atomic        {"f:spec":{"f:selector":{}}}
//
// The other way round nothing has to be done: who owned the whole goes on owning it, and nothing in it, until its next
// write. Places of which the schema says nothing, and does not say they are atomic, are left alone.

// reconcile returns a set as it is under a schema.
func reconcile(set fieldset.Set, s fieldset.Schema) fieldset.Set {
	whole := atomic(nil, nil, set, s)
	if len(whole) == 0 {
		return set
	}
	tops := fieldset.New(whole...)
	return set.RecursiveDifference(tops).Union(tops)
}

// atomic appends to found the paths of what the schema has as atomic and set has something in. set is what is below path,
// where s is the place. One that allows several sorts is looked at as the first of map, scalar and list.
func atomic(found []fieldset.Path, path fieldset.Path, set fieldset.Set, s fieldset.Schema) []fieldset.Path {
	atom := s.Atom()
	list := atom.Map == fieldset.NoMap
	switch {
	case set.IsEmpty() || atom.Untold || list && atom.Scalar != fieldset.NoScalar:
		return found
	case atom.Map == fieldset.Atomic || list && atom.List == fieldset.AtomicList:
		return append(found, slices.Clone(path))
	}
	set.Elements(func(e fieldset.Element, _ bool, below fieldset.Set) {
		place := s.Items()
		if !list {
			place, _ = s.Field(e.Text())
		}
		if place != nil {
			found = atomic(found, append(path, e), below, place)
		}
	})
	return found
}
