package patch

import (
	"errors"
	"fmt"
	"sort"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// Server-side apply in one page. Several managers write one object, and each owns the fields that it set. Who updates
// owns what the update changed. Who applies states all that it wants to own, and that is what it owns from then on:
//
//	live                 owners                      helm applies          merged
//	replicas: 3          helm: replicas, image       image: b              image: b
//	image: a             kubectl: labels, labels.x   labels: {z: "2"}      labels: {x: "1", z: "2"}
//	labels: {x: "1"}                                                       helm: image, labels.z; kubectl as before
//
// An apply goes through these steps, each of which has a file of its own or a function below:
//
//  1. Validate. What is applied fits the schema, or nobody could say who owns what (apply_validate.go).
//  2. Reconcile. The schema may have changed since the sets were written: who owned fields of what is atomic now owns
//     the whole of it (fieldset.Set.Whole).
//  3. Merge the configuration into the live object by the schema's list and map types. That adds and changes, and never
//     removes: replicas is still there (apply_merge.go).
//  4. Own. The set of the configuration becomes the manager's, less what a write of this kind never changes and hence
//     never owns, as status where status is a subresource.
//  5. Prune. What the manager owned and does not own any more goes, unless somebody else owns it: replicas goes. If
//     kubectl owned it too it would stay, and kubectl be its only owner (apply_prune.go).
//  6. Compare live with merged. What changed and others own is a conflict. Without force that is the end; with force
//     they lose it. What is gone everybody loses. One that owns nothing any more is no owner.
//
// An update has no configuration, so it begins with two objects and has but 2 and 6: it always has force, and the manager
// adds what changed to what it owned.
//
// A manager's set is in the version of the API in which it wrote. Objects are converted to that version, sets never are,
// and what comes of a conversion has to fit its schema. An owner in a version that is not served any more is dropped.
//
// The rules, and the texts of errors, are those of upstream's structured-merge-diff: its scenarios are the tests here, and
// interop/ runs it beside this. What it does in strange cases is kept, with the reason where it is done.

// Owner is what one manager owns. Applied tells that it owns it by having applied it.
type Owner struct {
	Set     fieldset.Set
	Version string
	Applied bool
}

// Owners has the owner of each identity of a manager. None of them owns nothing.
type Owners map[string]Owner

// Versions is what is known of an object's kind in the versions of its API. Its methods may be called for any version
// that an owner or a caller of this package names.
type Versions interface {
	// Schema returns the schema of a version, and false for one that is not served.
	Schema(version string) (fieldset.Schema, bool)
	// Convert returns an object in another version that is served. It changes nothing of obj, which may be part of what
	// it returns.
	Convert(obj map[string]any, from, to string) (map[string]any, error)
	// Reset returns what keeps out fields that this write never changes, nil where there are none.
	Reset(version string) *fieldset.Filter
}

// Conflict is what another manager owns and an apply would change: at least one field.
type Conflict struct {
	Manager string
	Set     fieldset.Set
}

// Each calls f for the path of each field until it returns false: in the order of messages, which have the members of each level before
// what is below any of them. The text is never kept here, since all of them together may be long: f says what is enough.
func (c Conflict) Each(f func(path string) (more bool)) { eachConflict(nil, c.Set, f) }

// eachConflict is Each for a set below prefix. It returns what f says last.
func eachConflict(prefix []byte, set fieldset.Set, f func(string) bool) bool {
	more := true
	set.Elements(func(e fieldset.Element, member bool, _ fieldset.Set) {
		if member && more {
			more = f(string(append(prefix, e.String()...)))
		}
	})
	set.Elements(func(e fieldset.Element, _ bool, below fieldset.Set) {
		if more && !below.IsEmpty() {
			more = eachConflict(append(prefix, e.String()...), below, f)
		}
	})
	return more
}

// Conflicts is the error of an apply without force that would change what others own: by manager, in the order of their identities.
// There is at least one.
type Conflicts struct{ Conflicts []Conflict }

// Error says of how many fields others are the owners. Who has names for these words the error itself.
func (e *Conflicts) Error() string {
	n := 0
	for _, c := range e.Conflicts {
		n += c.Set.Len()
	}
	return fmt.Sprintf("%d fields of other managers would change", n)
}

// errNotServed is the error for a write in a version that is not served, which callers have refused long before.
var errNotServed = errors.New("the version of the object is not served")

// UpdateOwners returns who owns what after manager has written next in the place of live, by whatever verb but apply.
// Both are objects in version, live is nil where nothing was. owners is not changed, and may be what is returned.
func UpdateOwners(live, next map[string]any, version, manager string, owners Owners, v Versions) (Owners, error) {
	w, err := begin(live, version, manager, owners, v)
	if err != nil {
		return nil, err
	}
	c, err := w.settle(next, true)
	if err != nil {
		return nil, err
	}
	w.own(w.owners[manager].Set.Difference(c.gone).Union(c.set), false)
	return w.owners, nil
}

// Apply merges config into live and returns the result and who owns what then. Both are objects in version, live is nil
// where nothing was, and neither is changed; merged has parts of both, so who changes it in place copies it before. It is
// nil where the object stays as it is, even if owners do not. The error is an *Invalid for an object that does not fit its
// schema and *Conflicts where others own what would change and force is not given.
func Apply(live, config map[string]any, version, manager string, force bool, owners Owners, v Versions) (
	merged map[string]any, _ Owners, err error,
) {
	schema, ok := v.Schema(version)
	if !ok {
		return nil, nil, errNotServed
	}
	if err := Validate(object(config), schema, false); err != nil {
		return nil, nil, err
	}
	if err := Validate(object(live), schema, true); err != nil {
		return nil, nil, err
	}
	w, err := begin(live, version, manager, owners, v)
	if err != nil {
		return nil, nil, err
	}
	set, err := fieldset.Of(object(config), schema)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to get field set: %v", err)
	}
	last := w.owners[manager]
	w.own(set, true)
	result, changed := merge(object(live), object(config), schema)
	merged, _ = result.(map[string]any)
	// Who applies again all that he owns removes nothing. That is known only where his set is in the same version.
	if now := w.owners[manager]; last.Version != version || !last.Set.Difference(now.Set).IsEmpty() {
		if merged, err = w.prune(merged, last); err != nil {
			return nil, nil, fmt.Errorf("failed to prune fields: %v", err)
		}
		changed = !tree.Equal(object(live), object(merged))
	}
	if !changed {
		return nil, w.owners, nil
	}
	if _, err = w.settle(merged, force); err != nil {
		return nil, nil, err
	}
	if merged == nil {
		merged = map[string]any{}
	}
	return merged, w.owners, nil
}

// object returns an object as a value: nil, and no map, where there is none.
func object(o map[string]any) any {
	if o == nil {
		return nil
	}
	return o
}

// write is a write of an object while it is thought about.
type write struct {
	live             map[string]any
	converted        map[string]map[string]any // the live object in other versions
	version, manager string
	owners           Owners
	versions         Versions
}

// begin returns a write with owners of its own, reconciled with the schemas of their versions, in which the live object
// has to be possible: the error is that of its conversion.
func begin(live map[string]any, version, manager string, owners Owners, v Versions) (*write, error) {
	if _, ok := v.Schema(version); !ok {
		return nil, errNotServed
	}
	w := &write{live: live, version: version, manager: manager, versions: v, owners: make(Owners, len(owners)+1)}
	for name, o := range owners {
		schema, ok := v.Schema(o.Version)
		if !ok {
			continue
		}
		if _, err := w.liveIn(o.Version); err != nil {
			return nil, err
		}
		if o.Set = o.Set.Whole(schema); !o.Set.IsEmpty() {
			w.owners[name] = o
		}
	}
	return w, nil
}

// liveIn returns the live object in a version. Managers mostly write in the same one, so it is seldom converted, and then
// once for each version.
func (w *write) liveIn(version string) (map[string]any, error) {
	if version == w.version {
		return w.live, nil
	}
	if o, ok := w.converted[version]; ok {
		return o, nil
	}
	o, err := w.convert(w.live, w.version, version)
	if err != nil {
		return nil, err
	}
	if w.converted == nil {
		w.converted = map[string]map[string]any{}
	}
	w.converted[version] = o
	return o, nil
}

// own makes set, less what this write never changes, the manager's.
func (w *write) own(set fieldset.Set, applied bool) {
	set = w.versions.Reset(w.version).Apply(set)
	if set.IsEmpty() {
		delete(w.owners, w.manager)
		return
	}
	w.owners[w.manager] = Owner{Set: set, Version: w.version, Applied: applied}
}

// changes is what a write changes of an object in some version: set has what is modified or added, gone what is removed.
type changes struct{ set, gone fieldset.Set }

// settle takes from all other managers what the write changes of theirs, and returns what it changes at all, in its own
// version. Without force it is *Conflicts if others own something of what is set.
func (w *write) settle(next map[string]any, force bool) (changes, error) {
	own, err := w.changes(next, w.version)
	if err != nil {
		return own, err
	}
	mine := w.contested(own, w.version)
	var in map[string]changes // by other versions
	var conflicts []Conflict
	for name, o := range w.owners {
		if name == w.manager {
			continue
		}
		c, ok := mine, o.Version == w.version
		if !ok {
			c, ok = in[o.Version]
		}
		if !ok {
			if c, err = w.changes(next, o.Version); err != nil {
				return own, err
			}
			c = w.contested(c, o.Version)
			if in == nil {
				in = map[string]changes{}
			}
			in[o.Version] = c
		}
		if !force {
			if set := o.Set.Intersection(c.set); !set.IsEmpty() {
				conflicts = append(conflicts, Conflict{name, set})
			}
		}
		if o.Set = o.Set.Difference(c.set).Difference(c.gone); o.Set.IsEmpty() {
			delete(w.owners, name)
			continue
		}
		w.owners[name] = o
	}
	if len(conflicts) > 0 {
		sort.Slice(conflicts, func(i, j int) bool { return conflicts[i].Manager < conflicts[j].Manager })
		return own, &Conflicts{conflicts}
	}
	return own, nil
}

// fewOwners is how many owners are each held beside all that changes.
const fewOwners = 16

// contested returns the changes that owners in a version have to be held beside. Of many owners these are the ones that anybody owns,
// or each of them would cost as much as all that changes.
func (w *write) contested(c changes, version string) changes {
	if len(w.owners) <= fewOwners {
		return c
	}
	sets := make([]fieldset.Set, 0, len(w.owners))
	for name, o := range w.owners {
		if name != w.manager && o.Version == version {
			sets = append(sets, o.Set)
		}
	}
	all := fieldset.UnionOf(sets)
	return changes{set: c.set.Intersection(all), gone: c.gone.Intersection(all)}
}

// changes compares live with next in a version, and leaves out what a write never changes there.
func (w *write) changes(next map[string]any, version string) (changes, error) {
	schema, _ := w.versions.Schema(version)
	live, err := w.liveIn(version)
	if err != nil {
		return changes{}, fmt.Errorf("failed to convert old object: %v", err)
	}
	if next, err = w.convert(next, w.version, version); err != nil {
		return changes{}, fmt.Errorf("failed to convert new object: %v", err)
	}
	c, err := fieldset.Compare(object(live), object(next), schema)
	if err != nil {
		return changes{}, fmt.Errorf("failed to compare objects: %v", err)
	}
	c = c.Filtered(w.versions.Reset(version))
	return changes{set: c.Modified.Union(c.Added), gone: c.Removed}, nil
}

// convert returns an object in another version that is served, and what is no object, or is in that version, as it is.
func (w *write) convert(o map[string]any, from, to string) (map[string]any, error) {
	if o == nil || from == to {
		return o, nil
	}
	o, err := w.versions.Convert(o, from, to)
	if err != nil {
		return nil, err
	}
	schema, _ := w.versions.Schema(to)
	if err := Validate(o, schema, false); err != nil {
		return nil, errors.New(err.Error()) // of neither the live object nor what is applied
	}
	return o, nil
}
