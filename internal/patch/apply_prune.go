package patch

import (
	"fmt"
	"maps"
	"slices"

	"apichain/internal/fieldset"
)

// Who applies a configuration without a field that it applied before wants to be rid of it. So whatever is in the set of
// the last apply is removed from the merged object, and then that is taken back as far as somebody else has a say:
//
//	last         spec.ports[80], spec.ports[80].port, spec.ports[443], ...     now: spec.ports[80] alone
//	remove       all of spec.ports
//	owned        spec.ports[80] stays, since it is owned now; so does what any other manager owns
//	dangling     spec.ports[443].nodePort, set by nobody who owns it, goes with its element, which was ours; a field
//	             that nobody owns in a map that somebody owns stays, since it never was ours
//
// Both steps compute, from the object before and the object after, which fields are to go, and then remove these from
// the object before. The way to an owned field is kept as if it were owned itself, hence MembersNamed everywhere.
// Sets are in the version of their owners, so it is the objects that are converted; the version of the last apply comes
// first, for a conversion may need a field that only those owned who wrote in it.

// versioned is an object and the version that it is in.
type versioned struct {
	object  map[string]any
	version string
}

// prune returns the merged object without what the manager owned by its last apply and nobody owns now. The owners have its new set
// already. merged is not changed, and may be what is returned; the error is that of a conversion, or of an object that has no set.
func (w *write) prune(merged map[string]any, last Owner) (map[string]any, error) {
	// A set in a version that is gone says nothing of the object as it is now, so nothing is pruned for it.
	schema, ok := w.versions.Schema(last.Version)
	if last.Set.IsEmpty() || !ok {
		return merged, nil
	}
	before, err := w.in(versioned{merged, w.version}, last.Version)
	if err != nil {
		return nil, fmt.Errorf("failed to convert merged object to last applied version: %v", err)
	}
	// The way to what was owned goes as well, or a map would stay empty where the last of its fields went.
	pruned := versioned{removeFrom(before.object, last.Set.MembersNamed(schema), schema), last.Version}
	if pruned, err = w.keepOwned(before, pruned); err != nil {
		return nil, fmt.Errorf("failed add back owned items: %v", err)
	}
	if pruned, err = w.keepDangling(before, pruned, last.Set.MembersNamed(schema), schema); err != nil {
		return nil, fmt.Errorf("failed add back dangling items: %v", err)
	}
	pruned, err = w.in(pruned, w.version)
	return pruned.object, err
}

// in converts an object. The result is the object itself where it is in that version already.
func (w *write) in(o versioned, version string) (versioned, error) {
	converted, err := w.convert(o.object, o.version, version)
	return versioned{converted, version}, err
}

// keepOwned puts back into pruned what anybody owns, the manager with its new set included. before and pruned are in the
// version of the last apply, the result in any.
func (w *write) keepOwned(before, pruned versioned) (versioned, error) {
	owned := map[string][]fieldset.Set{w.version: nil}
	for _, o := range w.owners {
		owned[o.Version] = append(owned[o.Version], o.Set)
	}
	// Sorted, so that what comes of several conversions does not hang on the order of a Go map.
	order := slices.Sorted(maps.Keys(owned))
	if i := slices.Index(order, pruned.version); i > 0 {
		order = slices.Insert(slices.Delete(order, i, i+1), 0, pruned.version)
	}
	for _, version := range order {
		schema, ok := w.versions.Schema(version)
		if !ok {
			continue
		}
		var err error
		// Both go through the same conversions one after another: a field that one version does not know is lost to both alike,
		// and never counts as pruned.
		if before, err = w.in(before, version); err != nil {
			return pruned, fmt.Errorf("failed to convert merged object at version %v: %v", version, err)
		}
		if pruned, err = w.in(pruned, version); err != nil {
			return pruned, fmt.Errorf("failed to convert pruned object at version %v: %v", version, err)
		}
		gone, err := missing(before, pruned, schema)
		if err != nil {
			return pruned, err
		}
		pruned.object = removeFrom(before.object, gone.Difference(fieldset.UnionOf(owned[version]).MembersNamed(schema)), schema)
	}
	return pruned, nil
}

// keepDangling puts back into pruned what went with something of the manager's and never was its own.
func (w *write) keepDangling(before, pruned versioned, last fieldset.Set, schema fieldset.Schema) (versioned, error) {
	// keepOwned leaves it in the last of all versions that it went through.
	pruned, err := w.in(pruned, before.version)
	if err != nil {
		return pruned, fmt.Errorf("failed to convert pruned object to last applied version: %v", err)
	}
	gone, err := missing(before, pruned, schema)
	if err != nil {
		return pruned, err
	}
	// Of all that is gone only the manager's own may go, so what it never set comes back, but for what stands below a removed
	// member.
	pruned.object = removeFrom(before.object, gone.Intersection(last), schema)
	return pruned, nil
}

// missing returns what is in one object and not in another, the way to it included where the other has nothing there.
func missing(before, after versioned, schema fieldset.Schema) (fieldset.Set, error) {
	var sets [2]fieldset.Set
	for i, o := range [2]versioned{before, after} {
		set, err := fieldset.Of(object(o.object), schema)
		if err != nil {
			return set, fmt.Errorf("failed to create field set at version %v: %v", o.version, err)
		}
		sets[i] = set.MembersNamed(schema)
	}
	return sets[0].Difference(sets[1]), nil
}

// removeFrom returns an object without the members of a set. It is not changed; what is left of it is shared.
func removeFrom(o map[string]any, set fieldset.Set, s fieldset.Schema) map[string]any {
	if set.IsEmpty() {
		return o
	}
	left, _ := remove(object(o), set, s).(map[string]any)
	return left
}

// remove returns a value without the members of a set. A map or a list of which nothing is left is null, and so is one
// that is atomic and in which, by a schema that was another one, the set has something.
func remove(v any, set fieldset.Set, s fieldset.Schema) any {
	// The set has something in a place of which the schema knows nothing: it cannot be walked, and is null as a whole.
	if s == nil {
		return nil
	}
	switch atom := s.Atom().For(v); {
	case atom.Map != fieldset.NoMap:
		if m, _ := v.(map[string]any); atom.Map != fieldset.Atomic {
			return removeFields(m, set, s)
		}
	case atom.Scalar != fieldset.NoScalar:
		return v
	case atom.List != fieldset.NoList:
		if list, _ := v.([]any); atom.List != fieldset.AtomicList {
			return removeItems(list, set, atom.Keys, s.Items())
		}
	}
	return nil
}

// removeFields is remove for the fields of a map. It walks along the set, which is mostly the smaller of the two.
func removeFields(m map[string]any, set fieldset.Set, s fieldset.Schema) any {
	// Live and merged share this map.
	out := maps.Clone(m)
	set.Elements(func(e fieldset.Element, member bool, below fieldset.Set) {
		v, ok := m[e.Text()]
		switch {
		// A set that was made for another schema may have elements of a list here: they are nowhere in a map.
		case !ok || e.Kind() != fieldset.FieldKind:
		case member:
			delete(out, e.Text())
		case !below.IsEmpty():
			place, _ := s.Field(e.Text())
			out[e.Text()] = remove(v, below, place)
		}
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

// removeItems is remove for the elements of a list.
func removeItems(list []any, set fieldset.Set, keys []string, place fieldset.Schema) any {
	var at index
	var nodes []struct {
		member bool
		below  fieldset.Set
	}
	set.Elements(func(e fieldset.Element, member bool, below fieldset.Set) {
		at.add(e)
		nodes = append(nodes, struct {
			member bool
			below  fieldset.Set
		}{member, below})
	})
	// Twins all go with their element: nobody could say which of them was meant.
	out := make([]any, 0, len(list))
	for _, item := range list {
		// An item without a key gives the zero Element, which no set has: it stays.
		e, _ := fieldset.KeyOf(item, keys, place)
		if i := at.find(e); i >= 0 {
			if nodes[i].member {
				continue
			}
			// An element of which nothing is left cannot stay, having no key. Upstream has a null there, and may fail for it.
			if item = remove(item, nodes[i].below, place); item == nil {
				continue
			}
		}
		out = append(out, item)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
