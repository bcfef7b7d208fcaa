package api

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// metadata: the part that all objects have alike, and that the server shares with whoever
// writes them.

// SystemFields are what only the server sets: what a client says of them does not count.
var SystemFields = [...]string{"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "managedFields"}

// stampNew fills in the metadata of a new object.
func (q *Call) stampNew(obj map[string]any) {
	m := tree.Metadata(obj)
	for _, f := range SystemFields {
		delete(m, f)
	}
	delete(m, "resourceVersion")
	m["uid"] = request.NewUUID()
	m["creationTimestamp"] = TimeText(time.Now())
	if q.HasGeneration {
		m["generation"] = int64(1)
	}
	if q.Namespaced {
		m["namespace"] = q.namespace
	} else {
		delete(m, "namespace")
	}
}

// TimeText is a time as metadata has it, to the second.
func TimeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// keepSystemFields carries over what an update may not change.
func keepSystemFields(obj, old map[string]any) {
	m, was := tree.Metadata(obj), tree.Metadata(old)
	for _, f := range SystemFields {
		if v, ok := was[f]; ok {
			m[f] = v
		} else {
			delete(m, f)
		}
	}
	if v, ok := was["generateName"]; ok && m["generateName"] == nil {
		m["generateName"] = v
	}
}

// The names that generateName makes: what it is given, cut, and five letters that make no
// words (upstream).
const (
	GeneratedLetters = "bcdfghjklmnpqrstvwxz2456789"
	GeneratedBase    = 58
	GeneratedTries   = 8
)

func generatedName(base string) string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = GeneratedLetters[int(b[i])%len(GeneratedLetters)]
	}
	return base[:min(len(base), GeneratedBase)] + string(b[:])
}

// metadataErrors is what is wrong with obj's metadata, as far as its content goes.
func (r *Resource) metadataErrors(obj map[string]any) (errs []field.Error) {
	m := tree.Metadata(obj)
	name, generate := tree.Text(m, "name"), tree.Text(m, "generateName")
	if generate != "" {
		for _, why := range r.nameErrors(strings.TrimSuffix(generate, "-") + "x") {
			errs = append(errs, field.Invalid("metadata.generateName", generate, why))
		}
	}
	if name == "" {
		errs = append(errs, field.Required("metadata.name", "name or generateName is required"))
	} else {
		for _, why := range r.nameErrors(name) {
			errs = append(errs, field.Invalid("metadata.name", name, why))
		}
	}
	if labels := tree.Object(m, "labels"); len(labels) > 0 {
		errs = append(errs, labelErrors(labels)...)
	}
	if notes := tree.Object(m, "annotations"); len(notes) > 0 {
		errs = append(errs, annotationErrors(notes)...)
	}
	if owners := tree.List(m, "ownerReferences"); len(owners) > 0 {
		errs = append(errs, ownerErrors(owners)...)
	}
	if finalizers := tree.List(m, "finalizers"); len(finalizers) > 0 {
		errs = append(errs, r.finalizerErrors(finalizers)...)
	}
	return errs
}

// finalizerErrors: in built-in kinds, a finalizer that is not the server's own has to say
// whose it is (upstream).
func (r *Resource) finalizerErrors(finalizers []any) (errs []field.Error) {
	for _, f := range finalizers {
		s, _ := f.(string)
		for _, why := range field.LabelKeyErrors(s) {
			errs = append(errs, field.Invalid("metadata.finalizers", s, why))
		}
	}
	if slices.Contains(finalizers, any(FinalizerOrphan)) && slices.Contains(finalizers, any(FinalizerForeground)) {
		errs = append(errs, field.Invalid("metadata.finalizers", finalizers, "finalizer "+FinalizerOrphan+" and "+FinalizerForeground+" cannot be both set"))
	}
	for i, f := range finalizers {
		s, _ := f.(string)
		if !r.custom && !strings.Contains(s, "/") && s != FinalizerOrphan && s != FinalizerForeground && s != NamespaceFinalizer {
			errs = append(errs, field.Invalid("metadata.finalizers["+strconv.Itoa(i)+"]", s, "name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	return errs
}

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

// maxAnnotations is the most bytes all annotations of an object may have (upstream).
const maxAnnotations = 256 << 10

func annotationErrors(notes map[string]any) (errs []field.Error) {
	size := 0
	for _, k := range tree.SortedKeys(notes) {
		for _, why := range field.LabelKeyErrors(strings.ToLower(k)) {
			errs = append(errs, field.Invalid("metadata.annotations", k, why))
		}
		v, _ := notes[k].(string)
		size += len(k) + len(v)
	}
	if size > maxAnnotations {
		errs = append(errs, field.TooLong("metadata.annotations", maxAnnotations))
	}
	return errs
}

func ownerErrors(owners []any) (errs []field.Error) {
	controller := ""
	for i, o := range owners {
		path := fmt.Sprintf("metadata.ownerReferences[%d]", i)
		version := tree.Text(o, "apiVersion")
		if version == "" || strings.HasSuffix(version, "/") || strings.Count(version, "/") > 1 {
			errs = append(errs, field.Invalid(path+".apiVersion", version, "version must not be empty"))
		}
		for _, f := range []string{"kind", "name", "uid"} {
			if tree.Text(o, f) == "" {
				errs = append(errs, field.Invalid(path+"."+f, "", f+" must not be empty"))
			}
		}
		if version == "v1" && tree.Text(o, "kind") == "Event" {
			errs = append(errs, field.Invalid(path, o, "/v1, Kind=Event is disallowed from being an owner"))
		}
		if tree.At(o, "controller") == true {
			name := tree.Text(o, "kind") + "/" + tree.Text(o, "name")
			if controller != "" {
				errs = append(errs, field.Invalid("metadata.ownerReferences", owners, `Only one reference can have Controller set to true. Found "true" in references for `+controller+" and "+name))
			}
			controller = name
		}
	}
	return errs
}

// immutableErrors is what an update changes of metadata that may not change.
func immutableErrors(obj, old map[string]any) (errs []field.Error) {
	m, was := tree.Metadata(obj), tree.Metadata(old)
	if was["deletionTimestamp"] == nil {
		return nil
	}
	var added []string
	for _, f := range tree.List(m, "finalizers") {
		if !slices.Contains(tree.List(was, "finalizers"), f) {
			s, _ := f.(string)
			added = append(added, s)
		}
	}
	if added != nil {
		errs = append(errs, field.Forbidden("metadata.finalizers", fmt.Sprintf("no new finalizers can be added if the object is being deleted, found new finalizers %#v", added)))
	}
	return errs
}

// dedupeOwners takes out owners that come twice, with a warning. Of a patch it says so as of
// what the server itself has made (upstream).
func (q *Call) dedupeOwners(obj map[string]any) {
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
	if twice == nil {
		return
	}
	m["ownerReferences"] = kept
	when := ""
	if q.info.Verb == "patch" {
		when = " after mutating admission happens"
	}
	q.scope.Warn("", ".metadata.ownerReferences contains duplicate entries"+when+"; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "+strings.Join(twice, ", "))
}

// sameGeneration reports whether two objects are the same but for metadata, and for
// status where that is written apart: then the generation stays.
func (r *Resource) sameGeneration(a, b map[string]any) bool {
	skip := func(k string) bool { return k == "metadata" || k == "status" && r.HasStatus }
	for k, v := range a {
		if w, ok := b[k]; !skip(k) && (!ok || !tree.Equal(v, w)) {
			return false
		}
	}
	for k := range b {
		if _, ok := a[k]; !skip(k) && !ok {
			return false
		}
	}
	return true
}
