package managed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"apichain/internal/fieldset"
	"apichain/internal/patch"
	"apichain/internal/tree"
)

// A server-side apply: upstream's checks of what is applied, in their order, around patch.Apply. Manager kubectl alone is helped over
// from its former way: what it has written into an annotation with client-side apply is its own, if it still says what it said.

// A Refusal is the error of what is applied: the client gets it as a 400.
// It is about the configuration alone: the same request is refused again whatever happens to the object.
type Refusal string

// Error returns what is wrong.
func (r Refusal) Error() string { return string(r) }

// A Conflict is the error of an apply that would change what others own.
// The client gets it as a 409, and may go on with force, or with less in its configuration.
type Conflict struct {
	// Message says all of it.
	Message string
	// Causes are the fields, each with the manager that owns it.
	Causes []Cause
}

// Cause is a field of a Conflict.
type Cause struct{ Message, Field string }

// Error returns the message.
func (c *Conflict) Error() string { return c.Message }

// kubectl is the manager with a past, and lastApplied the annotation in which it is kept.
const (
	kubectl     = "kubectl"
	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// maxAnnotations is the most bytes that annotations may have (upstream).
const maxAnnotations = 256 << 10

// Apply returns the object that comes of applying config to live, with its owners; live is nil for one that is to be created. force
// takes over what others own. Neither tree is changed, and the result shares nothing with them that may be changed. The error is
// a Refusal, a *Conflict, or any other, which is a fault of the server to the client.
func (w *Writer) Apply(live, config map[string]any, force bool) (map[string]any, error) {
	// The list is no part of what is merged, or it would be owned itself. It is put back on every way out, since the stored
	// object may be read by others.
	had := take(live)
	defer put(live, had)
	entries, err := read(had)
	if err != nil {
		return nil, fmt.Errorf("failed to decode managed fields: %w", err)
	}
	// A stored list that cannot be read is told before what is wrong with the configuration, as upstream does.
	if err := w.check(config); err != nil {
		return nil, err
	}
	base := live
	if base == nil {
		base = w.empty()
	}
	// Somebody has written what is there, and nobody knows who. Of a new object there is nothing.
	if len(entries) == 0 && live != nil {
		entries, err = w.update(w.empty(), live, nil, beforeApply)
		if w.Foreign != nil {
			err = fmt.Errorf("failed to convert live object (/; %s) to proper version: %w", groupVersionKind(w.Version, w.Kind), w.Foreign)
		}
		if err != nil {
			return nil, fmt.Errorf("failed to create manager for existing fields: %w", err)
		}
	}
	// The entry has no fields yet: patch knows it by its identity alone, and applied gives it what it owns.
	self := w.self(opApply, w.Manager)
	self.identify()
	merged, owners, err := patch.Apply(base, config, w.Version, self.id, force, ownersOf(entries), w.Versions)
	// Client-side apply has left an entry of operation Update behind, so a first server-side apply of the same file would
	// conflict with kubectl's own past. Where nothing else is in the way, it is done again with force.
	if conflicts := new(patch.Conflicts); errors.As(err, &conflicts) && w.Manager == kubectl {
		if left := w.uncovered(base, conflicts); len(left) > 0 {
			err = &patch.Conflicts{Conflicts: left}
		} else {
			merged, owners, err = patch.Apply(base, config, w.Version, self.id, true, ownersOf(entries), w.Versions)
		}
	}
	if err != nil {
		return nil, w.told(err, config, live)
	}
	// Only the object that changes is converted, so an apply that changes nothing passes even here.
	if merged != nil && w.Foreign != nil {
		return nil, fmt.Errorf("failed to convert new object (%s) to proper version: %w", w.named(config), w.Foreign)
	}
	entries = w.applied(entries, owners, self, merged != nil)
	if merged == nil {
		merged = base
	}
	// What patch returns has parts of live and of config; what is returned here is about to be completed in place.
	object := tree.Copy(merged).(map[string]any)
	if w.Manager == kubectl {
		renewLastApplied(object, config)
	}
	put(object, write(entries, w.ByText))
	return object, nil
}

// check refuses what is no configuration of the kind, in upstream's order.
func (w *Writer) check(config map[string]any) error {
	version, kind := tree.Text(config, "apiVersion"), tree.Text(config, "kind")
	if version != w.Version || kind != w.Kind {
		return Refusal("invalid object type: " + groupVersionKind(version, kind))
	}
	if tree.At(config, "metadata", "managedFields") != nil {
		return Refusal("metadata.managedFields must be nil")
	}
	return nil
}

// groupVersionKind writes the type of an object as upstream does: /v1, Kind=Pod. What is no version has no kind either.
func groupVersionKind(version, kind string) string {
	switch strings.Count(version, "/") {
	case 0:
		version = "/" + version
	// A group and a version are written as they are.
	case 1:
	default: // upstream's reader of such a version leaves all of it empty
		version, kind = "/", ""
	}
	return version + ", Kind=" + kind
}

// applied returns the entries after an apply. The entry of who applies has the time of the last apply that changed the object.
// Entries may be changed in place; an entry that owns nothing after the apply is left out.
func (w *Writer) applied(entries []entry, owners patch.Owners, self entry, changed bool) []entry {
	// What nobody owns is taken out only after the count, since a configuration has to name its kind to be applied at all.
	mine := owners[self.id].Set.Difference(stripped())
	if i := slices.IndexFunc(entries, self.is); i >= 0 {
		old := entries[i]
		entries = slices.Delete(entries, i, i+1)
		self.time = old.time
		// Text for text the same, so that an apply that says nothing new leaves the stored bytes as they are.
		if !changed && old.version == self.version && old.set.Equal(mine) {
			self.text = old.text
		}
	}
	// The entry of who applies is out of the list by now, so what others have lost is all that is left to count.
	entries = counted(entries, owners)
	if mine.IsEmpty() {
		return entries
	}
	// An apply that changes only who owns what keeps the time it had, none for a first one.
	if self.set = mine; changed {
		self.now = true
	}
	return append(entries, self)
}

// told returns an error of package patch in upstream's words.
func (w *Writer) told(err error, config, live map[string]any) error {
	var conflicts *patch.Conflicts
	var invalid *patch.Invalid
	switch {
	case errors.As(err, &conflicts):
		return conflict(conflicts.Conflicts)
	case errors.As(err, &invalid) && invalid.Live:
		return fmt.Errorf("failed to create typed live object (%s): %w", w.named(live), err)
	case errors.As(err, &invalid):
		return fmt.Errorf("failed to create typed patch object (%s): %w", w.named(config), err)
	}
	return err
}

// named writes the name and the type of an object.
func (w *Writer) named(obj map[string]any) string {
	return tree.Text(obj, "metadata", "namespace") + "/" + tree.Name(obj) + "; " + groupVersionKind(w.Version, w.Kind)
}

// Unconverted says in upstream's words that what comes of a configuration is no object of its kind.
func (w *Writer) Unconverted(config map[string]any, err error) string {
	return "failed to convert new object (" + w.named(config) + ") to proper version: unable to convert unstructured object to " +
		groupVersionKind(w.Version, w.Kind) + ": " + err.Error()
}

// mostText is how many bytes of fields a Conflict tells, and one more field: of a long name with many fields below it each would have
// the name.
const mostText = 1 << 20

// conflict returns the error of conflicts, of which there is at least one. It counts all fields, and tells those that there is room for.
func conflict(conflicts []patch.Conflict) *Conflict {
	c, total, text := &Conflict{}, 0, 0
	var lines []string
	for _, of := range conflicts {
		total += of.Set.Len()
		// Every conflict is counted, told or not: the number in the message is that of all of them.
		if text > mostText {
			continue
		}
		manager := managerText(of.Manager)
		lines = append(lines, "conflicts with "+manager+":")
		of.Each(func(path string) bool {
			c.Causes, lines = append(c.Causes, Cause{"conflict with " + manager, path}), append(lines, "- "+path)
			text += len(manager) + len(path)
			return text <= mostText
		})
	}
	// Upstream tells a single one in a line of its own, and several grouped by manager.
	if c.Message = "Apply failed with 1 conflict: " + c.Causes[0].Message + ": " + c.Causes[0].Field; total > 1 {
		c.Message = fmt.Sprintf("Apply failed with %d conflicts: %s", total, strings.Join(lines, "\n"))
	}
	return c
}

// managerText shows a manager by its identity.
// What is no identity, which no entry here has, is shown as it is.
func managerText(id string) string {
	v, _, err := tree.ParseJSONObject([]byte(id))
	if err != nil {
		return fmt.Sprintf("%q", id)
	}
	text := fmt.Sprintf("%q", tree.Text(v, "manager"))
	// The words come in upstream's order: subresource, then version. Who applies is one in all versions, and has none.
	if sub := tree.Text(v, "subresource"); sub != "" {
		text += fmt.Sprintf(" with subresource %q", sub)
	}
	if tree.Text(v, "operation") == opUpdate {
		text += " using " + tree.Text(v, "apiVersion")
	}
	return text
}

// uncovered returns the conflicts that are not about what kubectl has applied itself before, or all where that is not known.
func (w *Writer) uncovered(live map[string]any, conflicts *patch.Conflicts) []patch.Conflict {
	own, ok := w.lastApplied(live)
	if !ok {
		return conflicts.Conflicts
	}
	var left []patch.Conflict
	for _, c := range conflicts.Conflicts {
		// A manager whose conflicts are all covered is not told at all.
		if c.Set = c.Set.Difference(own); !c.Set.IsEmpty() {
			left = append(left, c)
		}
	}
	return left
}

// lastApplied returns the fields of what kubectl has noted in an object which are still as they were noted.
func (w *Writer) lastApplied(live map[string]any) (own fieldset.Set, ok bool) {
	text := tree.Text(live, "metadata", "annotations", lastApplied)
	if text == "" {
		return own, false
	}
	noted, _, err := tree.ParseJSONObject([]byte(text))
	// A note of another version names other fields: it proves nothing here.
	if err != nil || tree.Text(noted, "apiVersion") != w.Version {
		return own, false
	}
	schema, served := w.Versions.Schema(w.Version)
	// Both have to fit the schema, or a field that is not declared would be compared as anything.
	if !served || patch.Validate(live, schema, false) != nil || patch.Validate(noted, schema, false) != nil {
		return own, false
	}
	own, err = fieldset.Of(noted, schema)
	if err != nil {
		return own, false
	}
	// What somebody has changed since is not kubectl's any more, and conflicts as it would for anybody.
	c, err := fieldset.Compare(noted, live, schema)
	return own.Difference(c.Modified).Difference(c.Added).Difference(c.Removed), err == nil
}

// renewLastApplied writes what is applied into the annotation of an object that has it, for those who go on with client-side apply. Where
// annotations would become too large it goes.
// obj is changed and config is not; the text is the configuration as one line of JSON and a line break, as kubectl writes
// it.
func renewLastApplied(obj, config map[string]any) {
	annotations := tree.Object(obj, "metadata", "annotations")
	// Who has never used client-side apply gets no annotation by this.
	if tree.Text(annotations, lastApplied) == "" {
		return
	}
	config = tree.Copy(config).(map[string]any)
	// Upstream writes the annotations back without this one, even if there were none.
	if given := tree.Object(config, "metadata", "annotations"); given != nil {
		delete(given, lastApplied)
	}
	annotations[lastApplied] = string(tree.AppendJSON(nil, config)) + "\n"
	// Upstream counts names and values, nothing for the JSON around them.
	size := 0
	for k, v := range annotations {
		s, _ := v.(string)
		size += len(k) + len(s)
	}
	if size > maxAnnotations {
		delete(annotations, lastApplied)
	}
}
