package managed

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"apichain/internal/fieldset"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// The two ways to write, as upstream's field manager has them. Owners are told apart by their identities while package patch counts,
// and an update is counted as that of a manager of its own, current, so that it shows whether it has changed anything.

// Writer is who writes, and what is written.
// It does not change by its methods, which may be called at the same time for different objects.
type Writer struct {
	// Manager is the name of the field manager, "" if nobody says.
	Manager string
	// Version and Kind are those of the request, as apps/v1, and Subresource is "" for the object itself.
	Version, Kind, Subresource string
	// ByText says that the names in sets are written in the order of their texts, as upstream has them where the list has been a tree: of
	// custom objects.
	ByText bool
	// Versions are those of the object.
	Versions patch.Versions
	// Empty returns the object that there is before a create, as upstream encodes an empty struct of the kind; nil is for one with
	// nothing in it.
	Empty func() map[string]any
	// Foreign is nil but where upstream's server does not know the kind that it applies to, as that of custom resources a Scale:
	// why nothing that changes the object can be applied.
	Foreign error
}

// The names of managers that nobody has given.
const (
	unknownManager = "unknown"
	current        = "current-operation"
	beforeApply    = "before-first-apply"
	ancient        = "ancient-changes"
)

// maxUpdaters is how many entries of updates a list has at most (upstream).
const maxUpdaters = 10

// stripped are the fields that nobody owns.
var stripped = sync.OnceValue(func() fieldset.Set {
	s, err := fieldset.Parse([]byte(`{"f:apiVersion":{},"f:kind":{},"f:metadata":{".":{},"f:clusterName":{},"f:creationTimestamp":{},` +
		`"f:generation":{},"f:managedFields":{},"f:name":{},"f:namespace":{},"f:resourceVersion":{},"f:selfLink":{},"f:uid":{}}}`))
	if err != nil {
		panic(err) // it is a constant
	}
	return s
})

// Update gives next, which is to replace live or, where that is nil, to be created, the owners of its fields: the list that it has
// in its metadata is what the request sends. Where owners cannot be counted it has those of live.
func (w *Writer) Update(live, next map[string]any) {
	// Both lists are out while the rest is compared, or a changed list would be a changed field.
	given, had := take(next), take(live)
	defer put(live, had)
	// Most objects have one entry or two, which are on the stack then.
	var room [2]entry
	entries := w.given(room[:0], given, had)
	// An object that is there without owners has been written without them, and an update does not begin with them.
	if len(entries) == 0 && tree.Text(live, "metadata", "uid") != "" {
		return
	}
	if live == nil {
		live = w.empty()
	}
	entries, err := w.update(live, next, entries, w.Manager)
	if err != nil {
		// An update is never refused for its owners: it goes through, and the list stays what it was (upstream).
		put(next, had)
		return
	}
	put(next, write(entries, w.ByText))
}

// empty returns the object that there is before a create.
func (w *Writer) empty() map[string]any {
	if w.Empty == nil {
		return map[string]any{}
	}
	return w.Empty()
}

// take takes the list out of an object, which may be nil.
// The caller puts it back, unless the object is to have another one.
func take(obj map[string]any) any {
	m := tree.Object(obj, "metadata")
	v := m["managedFields"]
	delete(m, "managedFields")
	return v
}

// put puts a list into an object, which may be nil; a nil list is none.
func put(obj map[string]any, list any) {
	if list != nil && obj != nil {
		tree.Metadata(obj)["managedFields"] = list
	}
}

// given returns the entries that an update begins with: those that the request sends, if it may and they are any, else the stored
// ones; none, if it asks for that or the stored ones cannot be read. They are in into, if it has room for them.
func (w *Writer) given(into []entry, sent, stored any) []entry {
	// What comes back as it was read is the stored list, whose entries have a text.
	if w.Subresource == "" && sent != nil && !tree.Equal(sent, stored) {
		if isReset(sent) {
			return into
		}
		if entries, err := readInto(into, sent); err == nil && len(entries) > 0 {
			return entries
		}
	}
	entries, err := readInto(into, stored)
	if err != nil {
		return into
	}
	return entries
}

// update counts an update of live to next by a manager, and returns the entries after it.
// Entries are the callee's from then on, and may be changed in place. The error is that of a comparison or a conversion.
func (w *Writer) update(live, next map[string]any, entries []entry, manager string) ([]entry, error) {
	if len(entries) == 0 {
		return w.begun(live, next, entries, manager)
	}
	// Most updates are by a controller that owns what it writes: these pay for one comparison, and no map of owners.
	if w.again(live, next, entries, manager) {
		return entries, nil
	}
	return w.count(live, next, entries, manager)
}

// count is update for an object that somebody owns something of.
func (w *Writer) count(live, next map[string]any, entries []entry, manager string) ([]entry, error) {
	// Counted under a name that no entry has: what it owns afterwards is what this update changed, and only this.
	owners, err := patch.UpdateOwners(live, next, w.Version, current, ownersOf(entries), w.Versions)
	if err != nil {
		return nil, err
	}
	mine := owners[current].Set.Difference(stripped())
	entries = counted(entries, owners)
	// One that changes nothing, or only what nobody owns, leaves no entry and renews no time.
	if !mine.IsEmpty() {
		self := w.self(opUpdate, manager)
		if i := slices.IndexFunc(entries, self.is); i >= 0 {
			mine = mine.Union(entries[i].set)
			entries = slices.Delete(entries, i, i+1)
		}
		self.set, self.now = mine, true
		entries = append(entries, self)
	}
	return capped(entries), nil
}

// again reports whether an update is one of the most common, and dates the writer's entry if that has changed anything: all owners are of
// the version of the request, and it changes nothing but what the writer owns already, and nobody else does. Then nobody owns anything
// else after it.
func (w *Writer) again(live, next map[string]any, entries []entry, manager string) bool {
	schema, ok := w.Versions.Schema(w.Version)
	c, err := fieldset.Compare(live, next, schema)
	if !ok || err != nil || len(entries) > maxUpdaters {
		return false
	}
	// What this write resets changes for nobody, whatever was sent.
	c = c.Filtered(w.Versions.Reset(w.Version))
	set := c.Modified.Union(c.Added)
	self, mine := entry{manager: cmp.Or(manager, unknownManager), operation: opUpdate, version: w.Version, subresource: w.Subresource}, -1
	for i := range entries {
		e := &entries[i]
		switch {
		// Of another version it would have to be compared in that; without fields it would be dropped, of what is removed it would
		// lose something, and by a schema of today it might be owned as a whole: each is for the full count.
		case e.version != w.Version || e.set.IsEmpty() || e.set.Meets(c.Removed) || !e.set.Whole(schema).Equal(e.set):
			return false
		case self.is(*e):
			mine = i
		case e.set.Meets(set):
			return false
		}
	}
	if set.IsEmpty() {
		return true
	}
	// The writer gets something that it did not own, so its set changes.
	if mine < 0 || !entries[mine].set.HasAll(set) {
		return false
	}
	entries[mine].time, entries[mine].now, entries[mine].text = "", true, ""
	return true
}

// begun is update where nobody owns anything, as in a create: then what differs is all that there is to count.
func (w *Writer) begun(live, next map[string]any, into []entry, manager string) ([]entry, error) {
	schema, ok := w.Versions.Schema(w.Version)
	if !ok {
		return nil, errors.New("the version is not served")
	}
	c, err := fieldset.Compare(live, next, schema)
	if err != nil {
		return nil, err
	}
	// Nothing can be lost where nobody owns anything, so Removed is not looked at.
	set := w.Versions.Reset(w.Version).Apply(c.Modified.Union(c.Added)).Difference(stripped())
	if set.IsEmpty() {
		return nil, nil
	}
	self := w.self(opUpdate, manager)
	self.set, self.now = set, true
	return append(into, self), nil
}

// self returns the entry of the writer, without fields.
func (w *Writer) self(operation, manager string) entry {
	return entry{manager: cmp.Or(manager, unknownManager), operation: operation, version: w.Version, subresource: w.Subresource}
}

// ownersOf returns entries, which it identifies, as package patch has them.
func ownersOf(entries []entry) patch.Owners {
	owners := make(patch.Owners, len(entries)+1)
	for i := range entries {
		e := &entries[i]
		e.identify()
		owners[e.id] = patch.Owner{Set: e.set, Version: e.version, Applied: e.operation == opApply}
	}
	return owners
}

// counted returns the entries with what their managers own now, without those that own nothing.
func counted(entries []entry, owners patch.Owners) []entry {
	kept := entries[:0]
	for _, e := range entries {
		o, ok := owners[e.id]
		if !ok {
			continue
		}
		// Only then the text has to be written anew.
		if !o.Set.Equal(e.set) {
			e.set, e.text = o.Set, ""
		}
		kept = append(kept, e)
	}
	return kept
}

// capped merges the entries of updates that are the oldest into one of their version, until there are no more than maxUpdaters. The
// oldest of a version waits for a second one.
// The time of what is merged is that of the youngest in it. Entries of applies do not count and are never merged; the
// result has the room of what is given.
func capped(entries []entry) []entry {
	if len(entries) <= maxUpdaters {
		return entries
	}
	at := make(map[string]int, len(entries)) // by identity
	var order []int                          // of updates
	for i := range entries {
		entries[i].identify()
		if at[entries[i].id] = i; entries[i].operation == opUpdate {
			order = append(order, i)
		}
	}
	// The oldest first; of those of one second, the identity tells, so that all servers merge the same.
	slices.SortFunc(order, func(i, j int) int {
		a, b := &entries[i], &entries[j]
		return cmp.Or(cmp.Compare(a.seconds(), b.seconds()), cmp.Compare(a.id, b.id))
	})
	first, sets, merged := map[string]int{}, map[int][]fieldset.Set{}, make([]bool, len(entries))
	for n, k := len(order), 0; n > maxUpdaters && k < len(order); k++ {
		i := order[k]
		e := entries[i]
		oldest, ok := first[e.version]
		if !ok {
			first[e.version] = i
			continue
		}
		// The second of a version opens the bucket, which stands where the first was; a bucket that is there already is used.
		bucket := entry{manager: ancient, operation: opUpdate, version: e.version}
		bucket.identify()
		into, ok := at[bucket.id]
		if !ok {
			into = oldest
			at[bucket.id] = into
		}
		// Sets are gathered and united at the end: to unite them one by one would cost the square of many entries.
		if sets[into] == nil {
			sets[into] = []fieldset.Set{entries[into].set}
		}
		sets[into] = append(sets[into], e.set)
		// The time is that of the younger one.
		bucket.time, bucket.now = e.time, e.now
		entries[into] = bucket
		delete(at, e.id)
		merged[i] = true
		n--
	}
	kept := entries[:0]
	for i, e := range entries {
		if merged[i] {
			continue
		}
		if sets[i] != nil {
			e.set = fieldset.UnionOf(sets[i])
		}
		kept = append(kept, e)
	}
	return kept
}
