package api

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Metadata is the part that objects of all kinds have alike, and that two write: some fields the
// server alone (SystemFields, resourceVersion, namespace), the others the client, by rules that
// hold for every kind but for what a name may be.
//
// What a client says in the server's fields is no error. It is dropped on create and ignored on
// update, so that an object can be sent back as it was read. The exceptions are conditions in
// disguise: a resourceVersion or uid in an update says which object the client means; that an
// object is being deleted cannot be said by an update at all; and of a kind that counts no
// generations, the one that its creator says is kept (upstream).
//
// A path to a field is metadata.labels, without the key, since upstream's rules are written for
// the whole map; the errors of one map come in the order of its keys, so that the same object is
// always refused in the same words.

// SystemFields are the fields of metadata that only the server sets: what a client says of them
// does not count. resourceVersion is none of them, since it is set with each write.
var SystemFields = [...]string{
	"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "managedFields",
}

// stampNew sets the metadata that the server owns in an object about to be created: uid, the
// time, the first generation where the kind counts them, and the namespace of the path. It
// drops what the client says in the others. A resource version stays: see addOnce.
func (q *Call) stampNew(obj map[string]any, uid string) {
	m := tree.Metadata(obj)
	for _, f := range SystemFields {
		if f != "generation" && f != "managedFields" {
			delete(m, f)
		}
	}
	m["uid"] = uid
	m["creationTimestamp"] = timeText(time.Now())
	if q.HasGeneration {
		m["generation"] = int64(1)
	}
	q.setNamespace(m)
}

// setNamespace makes the namespace of metadata that of the path.
func (q *Call) setNamespace(m map[string]any) {
	if q.Namespaced {
		setText(m, "namespace", q.namespace)
	} else {
		delete(m, "namespace")
	}
}

// setText sets m[key] to a text. What is the same already is not set again: it would be one more copy, and a map of eight keys
// grows whenever one of them is set.
func setText(m map[string]any, key, text string) {
	if was, ok := m[key].(string); !ok || was != text {
		m[key] = text
	}
}

// timeText writes a time as metadata has it: UTC, RFC 3339, to the second. Parts of a second are
// dropped, so that a time never lies in the future of who reads it.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// immutableFields are the system fields of which what an update says is not ignored, if it is
// anything, but refused: which object it is, and whether that is being deleted.
var immutableFields = [...]string{"uid", "deletionTimestamp", "deletionGracePeriodSeconds"}

// keepSystemFields makes the system fields of obj those of old: what an update says of them is
// ignored, and what it leaves out stays. What it says of the uid, of a deletion that old has not, or
// of another grace period, is left for immutableErrors.
func keepSystemFields(obj, old map[string]any) {
	m, was := tree.Metadata(obj), tree.Metadata(old)
	for _, f := range SystemFields {
		v, has := was[f]
		if f == "managedFields" { // the step own has set them
			continue
		}
		if slices.Contains(immutableFields[:], f) && m[f] != nil && (!has || f != "deletionTimestamp") {
			continue
		}
		setOrDelete(m, f, v, has)
	}
}

// A generated name is a base, cut so that the whole fits the 63 bytes of a DNS label, and five of
// these letters. There are no vowels among them, and nothing that looks like one, so that they
// make no words (upstream). generatedTries is how many names are tried before a create gives up.
const (
	generatedLetters = "bcdfghjklmnpqrstvwxz2456789"
	generatedBase    = 58
	generatedTries   = 8
)

// generatedName returns a name that begins with base. It may be taken: the store decides.
func generatedName(base string) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // it never fails
	for i := range b {
		// 27 does not divide 256, so some letters come a little more often. That matters to
		// nobody: the name is not a secret.
		b[i] = generatedLetters[int(b[i])%len(generatedLetters)]
	}
	return base[:min(len(base), generatedBase)] + string(b[:])
}

// metadataErrors returns what is wrong with the metadata of a new object, as far as its own
// content goes. Types have been checked before.
func (r *Resource) metadataErrors(obj map[string]any) []field.Error {
	m := tree.Metadata(obj)
	errs := append(nameFieldErrors(m, r.nameErrors), contentErrors(m)...)
	return append(errs, r.plainFinalizerErrors(m)...)
}

// metadataUpdateErrors returns what is wrong with the metadata of obj as the successor of old,
// in upstream's order: what may change, then what may not, then the rules of the kind. rules are
// the errors of the kind about the rest of the object, which stand between those. Upstream asks
// whether a name is good in some kinds only (RechecksNames), since it cannot change; a bad
// generateName can.
func (r *Resource) metadataUpdateErrors(obj, old map[string]any, rules []field.Error) []field.Error {
	m := tree.Metadata(obj)
	errs := append(nameFieldErrors(m, segmentName), contentErrors(m)...)
	fixed := immutableErrors(obj, old)
	errs = append(errs, fixed...)
	if r.custom {
		// Upstream asks what every update has to obey once for all kinds and once more for custom ones,
		// each time with the maps of metadata, and says so; of other kinds it says each thing once.
		maps := mapErrors(m)
		errs = slices.Concat(errs, maps, fixed, maps)
	}
	errs = append(errs, r.plainFinalizerErrors(m)...)
	errs = append(errs, rules...)
	if r.RechecksNames {
		errs = append(errs, nameFieldErrors(m, r.nameErrors)...)
	}
	return errs
}

// contentErrors returns what is wrong with the parts of metadata that every write may change.
func contentErrors(m map[string]any) (errs []field.Error) {
	// Most objects lack most of these. Each is looked at only if there is something in it.
	if n, _ := m["generation"].(int64); n < 0 {
		errs = append(errs, field.Invalid("metadata.generation", n, "must be greater than or equal to 0"))
	}
	errs = append(errs, mapErrors(m)...)
	if finalizers := tree.List(m, "finalizers"); len(finalizers) > 0 {
		errs = append(errs, finalizerErrors(finalizers)...)
	}
	return errs
}

// mapErrors returns what is wrong with labels, annotations and owner references.
func mapErrors(m map[string]any) (errs []field.Error) {
	if labels := tree.Object(m, "labels"); len(labels) > 0 {
		errs = append(errs, labelErrors(labels)...)
	}
	if annotations := tree.Object(m, "annotations"); len(annotations) > 0 {
		errs = append(errs, annotationErrors(annotations)...)
	}
	if owners := tree.List(m, "ownerReferences"); len(owners) > 0 {
		errs = append(errs, ownerErrors(owners)...)
	}
	return errs
}

// nameFieldErrors returns what is wrong with name and generateName, by a rule for names.
func nameFieldErrors(m map[string]any, rule nameRule) (errs []field.Error) {
	name, generate := tree.Text(m, "name"), tree.Text(m, "generateName")
	if generate != "" {
		for _, why := range rule(generate, true) {
			errs = append(errs, field.Invalid("metadata.generateName", generate, why))
		}
	}
	if name == "" {
		return append(errs, field.Required("metadata.name", "name or generateName is required"))
	}
	for _, why := range rule(name, false) {
		errs = append(errs, field.Invalid("metadata.name", name, why))
	}
	return errs
}

// nameRule returns what is wrong with a name, or where prefix is set with the base of one that
// is generated, which gets a letter behind it.
type nameRule func(name string, prefix bool) []string

// nameRules has the rules by NameRule of a row.
var nameRules = map[string]nameRule{
	"label":     dnsName(field.DNSLabelErrors),
	"label1035": dnsName(field.DNS1035LabelErrors),
	"subdomain": dnsName(field.DNSSubdomainErrors),
	"segment":   segmentName,
	"ip":        func(s string, _ bool) []string { return field.CanonicalIPErrors(s) },
}

// dnsName returns the rule of names in DNS, whose base may end in a dash as no name can. That the
// letter takes the place of two characters then is upstream's.
func dnsName(rule func(string) []string) nameRule {
	return func(s string, prefix bool) []string {
		if n := len(s); prefix && n > 1 && s[n-1] == '-' {
			s = s[:n-2] + "a"
		}
		return rule(s)
	}
}

// segmentName is the rule of names that need only fit into a path.
func segmentName(s string, prefix bool) []string {
	if prefix {
		s += "x"
	}
	return field.PathSegmentErrors(s)
}

// labelErrors returns what is wrong with labels: their keys, and their values, which selectors
// compare.
func labelErrors(labels map[string]any) (errs []field.Error) {
	for _, k := range tree.SortedKeys(labels) {
		for _, why := range field.LabelKeyErrors(k) {
			errs = append(errs, field.Invalid("metadata.labels", k, why))
		}
		v, _ := labels[k].(string)
		for _, why := range field.LabelValueErrors(v) {
			errs = append(errs, field.Invalid("metadata.labels", v, why))
		}
	}
	return errs
}

// maxAnnotations is the most bytes that the keys and values of all annotations of an object may
// have together (upstream).
const maxAnnotations = 256 << 10

// annotationErrors returns what is wrong with annotations: their keys, and their size. Values may
// be anything. A key may be in upper case, unlike a label's (upstream).
func annotationErrors(annotations map[string]any) (errs []field.Error) {
	size := 0
	for _, k := range tree.SortedKeys(annotations) {
		for _, why := range field.LabelKeyErrors(strings.ToLower(k)) {
			errs = append(errs, field.Invalid("metadata.annotations", k, why))
		}
		v, _ := annotations[k].(string)
		size += len(k) + len(v)
	}
	if size > maxAnnotations {
		errs = append(errs, field.TooLong("metadata.annotations", maxAnnotations))
	}
	return errs
}

// ownerErrors returns what is wrong with owner references, in their order. Whether an owner is
// there is not asked: the garbage collector treats one that is not as gone.
func ownerErrors(owners []any) (errs []field.Error) {
	controller := "" // the first one that says it is
	for i, o := range owners {
		path := fmt.Sprintf("metadata.ownerReferences[%d]", i)
		version := tree.Text(o, "apiVersion")
		if version != "" && (version == "/" || strings.HasSuffix(version, "/") || strings.Count(version, "/") > 1) {
			errs = append(errs, field.Invalid(path+".apiVersion", version, "must be <group>/<version> or <version>"))
		}
		for _, f := range [...]string{"apiVersion", "kind", "name", "uid"} {
			if tree.Text(o, f) == "" {
				errs = append(errs, field.Required(path+"."+f, "must not be empty"))
			}
		}
		// Events are so many, and so short-lived, that nothing may hang on one.
		if version == "v1" && tree.Text(o, "kind") == "Event" {
			errs = append(errs, field.Invalid(path, shownOwner(o), "/v1, Kind=Event is disallowed from being an owner"))
		}
		if tree.At(o, "controller") != true {
			continue
		}
		name := tree.Text(o, "kind") + "/" + tree.Text(o, "name")
		if controller == "" {
			controller = name
			continue
		}
		all := make([]string, len(owners))
		for i, o := range owners {
			all[i] = string(shownOwner(o))
		}
		why := `Only one reference can have Controller set to true. Found "true" in references for ` + controller + " and " + name
		errs = append(errs, field.Invalid("metadata.ownerReferences", field.JSON("["+strings.Join(all, ",")+"]"), why))
	}
	return errs
}

// shownOwner returns an owner reference as messages show it: its fields in the order of
// upstream's struct, and those that it must have even if they are empty.
func shownOwner(o any) field.JSON {
	b := []byte{'{'}
	for _, f := range [...]string{"apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"} {
		v := tree.At(o, f)
		if v == nil {
			if f == "controller" || f == "blockOwnerDeletion" {
				continue
			}
			v = ""
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(tree.AppendJSON(b, f), ':')
		b = tree.AppendJSON(b, v)
	}
	return field.JSON(append(b, '}'))
}

// finalizerErrors returns what is wrong with finalizers.
func finalizerErrors(finalizers []any) (errs []field.Error) {
	for _, f := range finalizers {
		s, _ := f.(string)
		for _, why := range field.LabelKeyErrors(s) {
			errs = append(errs, field.Invalid("metadata.finalizers", s, why))
		}
	}
	if slices.Contains(finalizers, any(FinalizerOrphan)) && slices.Contains(finalizers, any(FinalizerForeground)) {
		why := "finalizer " + FinalizerOrphan + " and " + FinalizerForeground + " cannot be both set"
		errs = append(errs, field.Invalid("metadata.finalizers", finalizers, why))
	}
	return errs
}

// plainFinalizerErrors refuses finalizers without a prefix that says whose they are, unless they
// are the server's own. That is for the kinds of upstream's core validation (QualifiedFinalizers).
func (r *Resource) plainFinalizerErrors(m map[string]any) (errs []field.Error) {
	if !r.QualifiedFinalizers {
		return nil
	}
	for i, f := range tree.List(m, "finalizers") {
		if s, _ := f.(string); field.IsPlainFinalizer(s) {
			errs = append(errs, field.Invalid("metadata.finalizers["+strconv.Itoa(i)+"]", s, field.PlainFinalizer))
		}
	}
	return errs
}

// warnFinalizers warns whoever adds a finalizer without a prefix to a custom resource, which had
// finalizers before there was a rule. was is the tree before, nil for a new object.
func (q *Call) warnFinalizers(obj, was map[string]any) {
	had := tree.List(was, "metadata", "finalizers")
	var added []string
	for _, f := range tree.List(obj, "metadata", "finalizers") {
		if s, _ := f.(string); field.IsPlainFinalizer(s) && !slices.Contains(had, f) {
			added = append(added, s)
		}
	}
	slices.Sort(added)
	for _, s := range slices.Compact(added) {
		path := ""
		if strings.Contains(s, ".") {
			path = " including a path (/)"
		}
		q.scope.Warn("", "metadata.finalizers: "+strconv.Quote(s)+": prefer a domain-qualified finalizer name"+path+
			" to avoid accidental conflicts with other finalizer writers")
	}
}

// immutableErrors returns what an update changes of metadata that may not change: whether the
// object is being deleted, and if it is, it gets no new finalizers, or its end would be put off
// without end. The other fields that may not change have been overwritten by then.
func immutableErrors(obj, old map[string]any) (errs []field.Error) {
	m, was := tree.Metadata(obj), tree.Metadata(old)
	for _, f := range immutableFields {
		if !tree.Equal(m[f], was[f]) {
			errs = append(errs, field.Invalid("metadata."+f, m[f], "field is immutable"))
		}
	}
	if was["deletionTimestamp"] == nil {
		return errs
	}
	var added []string
	for _, f := range tree.List(m, "finalizers") {
		if !slices.Contains(tree.List(was, "finalizers"), f) {
			s, _ := f.(string)
			added = append(added, s)
		}
	}
	if added != nil {
		why := fmt.Sprintf("no new finalizers can be added if the object is being deleted, found new finalizers %#v", added)
		errs = append([]field.Error{field.Forbidden("metadata.finalizers", why)}, errs...)
	}
	return errs
}

// dedupeOwners takes out owner references that are equal to one before them, with one warning for
// all of them. For a patch the warning says that this is after admission, as upstream does: there
// it looks at the body, which for a patch is not the object.
func (w *write) dedupeOwners(obj map[string]any) {
	m := tree.Object(obj, "metadata")
	owners := tree.List(m, "ownerReferences")
	var kept []any
	var twice []string
	for _, o := range owners {
		if slices.ContainsFunc(kept, func(k any) bool { return tree.Equal(k, o) }) {
			twice = append(twice, tree.Text(o, "uid"))
		} else {
			kept = append(kept, o)
		}
	}
	// A list without doubles stays as it is: it may be shared with the stored object's tree.
	if twice == nil {
		return
	}
	m["ownerReferences"] = kept
	when := ""
	if w.mutated || w.info.Verb == "patch" {
		when = " after mutating admission happens"
	}
	w.scope.Warn("", ".metadata.ownerReferences contains duplicate entries"+when+
		"; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests"+
		"; duplicate UID(s) observed: "+strings.Join(twice, ", "))
}
