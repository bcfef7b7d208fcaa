package main

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// metadata: the part that all objects have alike, and that the server shares with whoever
// writes them.

// systemFields are what only the server sets: what a client says of them does not count.
var systemFields = [...]string{"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "managedFields"}

// beginLife fills in the metadata of a new object.
func (q *call) beginLife(obj map[string]any) {
	m := metadataOf(obj)
	for _, f := range systemFields {
		delete(m, f)
	}
	delete(m, "resourceVersion")
	m["uid"] = newUUID()
	m["creationTimestamp"] = timeText(time.Now())
	if q.generation {
		m["generation"] = int64(1)
	}
	if q.namespaced {
		m["namespace"] = q.namespace
	} else {
		delete(m, "namespace")
	}
}

// timeText is a time as metadata has it, to the second.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// keepLife carries over what an update may not change.
func keepLife(obj, old map[string]any) {
	m, was := metadataOf(obj), metadataOf(old)
	for _, f := range systemFields {
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
	generatedLetters = "bcdfghjklmnpqrstvwxz2456789"
	generatedBase    = 58
	generatedTries   = 8
)

func generatedName(base string) string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = generatedLetters[int(b[i])%len(generatedLetters)]
	}
	return base[:min(len(base), generatedBase)] + string(b[:])
}

// metadataErrors is what is wrong with obj's metadata, as far as its content goes.
func (r *resource) metadataErrors(obj map[string]any) (errs []fieldError) {
	m := metadataOf(obj)
	name, generate := textAt(m, "name"), textAt(m, "generateName")
	if generate != "" {
		for _, why := range r.nameErrors(strings.TrimSuffix(generate, "-") + "x") {
			errs = append(errs, fieldInvalid("metadata.generateName", generate, why))
		}
	}
	if name == "" {
		errs = append(errs, fieldRequired("metadata.name", "name or generateName is required"))
	} else {
		for _, why := range r.nameErrors(name) {
			errs = append(errs, fieldInvalid("metadata.name", name, why))
		}
	}
	if labels := objectAt(m, "labels"); len(labels) > 0 {
		errs = append(errs, labelErrors(labels)...)
	}
	if notes := objectAt(m, "annotations"); len(notes) > 0 {
		errs = append(errs, annotationErrors(notes)...)
	}
	if owners := listAt(m, "ownerReferences"); len(owners) > 0 {
		errs = append(errs, ownerErrors(owners)...)
	}
	if finalizers := listAt(m, "finalizers"); len(finalizers) > 0 {
		errs = append(errs, r.finalizerErrors(finalizers)...)
	}
	return errs
}

// finalizerErrors: in built-in kinds, a finalizer that is not the server's own has to say
// whose it is (upstream).
func (r *resource) finalizerErrors(finalizers []any) (errs []fieldError) {
	for _, f := range finalizers {
		s, _ := f.(string)
		for _, why := range labelKeyErrors(s) {
			errs = append(errs, fieldInvalid("metadata.finalizers", s, why))
		}
	}
	if slices.Contains(finalizers, any(finalizerOrphan)) && slices.Contains(finalizers, any(finalizerForegnd)) {
		errs = append(errs, fieldInvalid("metadata.finalizers", finalizers, "finalizer "+finalizerOrphan+" and "+finalizerForegnd+" cannot be both set"))
	}
	for i, f := range finalizers {
		s, _ := f.(string)
		if !r.custom && !strings.Contains(s, "/") && s != finalizerOrphan && s != finalizerForegnd && s != spaceHolder {
			errs = append(errs, fieldInvalid("metadata.finalizers["+strconv.Itoa(i)+"]", s, "name is neither a standard finalizer name nor is it fully qualified"))
		}
	}
	return errs
}

func labelErrors(labels map[string]any) (errs []fieldError) {
	for _, k := range sortedKeys(labels) {
		for _, why := range labelKeyErrors(k) {
			errs = append(errs, fieldInvalid("metadata.labels", k, why))
		}
		v, _ := labels[k].(string)
		for _, why := range labelValueErrors(v) {
			errs = append(errs, fieldInvalid("metadata.labels", v, why))
		}
	}
	return errs
}

// maxAnnotations is the most bytes all annotations of an object may have (upstream).
const maxAnnotations = 256 << 10

func annotationErrors(notes map[string]any) (errs []fieldError) {
	size := 0
	for _, k := range sortedKeys(notes) {
		for _, why := range labelKeyErrors(strings.ToLower(k)) {
			errs = append(errs, fieldInvalid("metadata.annotations", k, why))
		}
		v, _ := notes[k].(string)
		size += len(k) + len(v)
	}
	if size > maxAnnotations {
		errs = append(errs, fieldTooLong("metadata.annotations", maxAnnotations))
	}
	return errs
}

func ownerErrors(owners []any) (errs []fieldError) {
	controller := ""
	for i, o := range owners {
		path := fmt.Sprintf("metadata.ownerReferences[%d]", i)
		version := textAt(o, "apiVersion")
		if version == "" || strings.HasSuffix(version, "/") || strings.Count(version, "/") > 1 {
			errs = append(errs, fieldInvalid(path+".apiVersion", version, "version must not be empty"))
		}
		for _, f := range []string{"kind", "name", "uid"} {
			if textAt(o, f) == "" {
				errs = append(errs, fieldInvalid(path+"."+f, "", f+" must not be empty"))
			}
		}
		if version == "v1" && textAt(o, "kind") == "Event" {
			errs = append(errs, fieldInvalid(path, o, "/v1, Kind=Event is disallowed from being an owner"))
		}
		if member(o, "controller") == true {
			name := textAt(o, "kind") + "/" + textAt(o, "name")
			if controller != "" {
				errs = append(errs, fieldInvalid("metadata.ownerReferences", owners, `Only one reference can have Controller set to true. Found "true" in references for `+controller+" and "+name))
			}
			controller = name
		}
	}
	return errs
}

// immutableErrors is what an update changes of metadata that may not change.
func immutableErrors(obj, old map[string]any) (errs []fieldError) {
	m, was := metadataOf(obj), metadataOf(old)
	if was["deletionTimestamp"] == nil {
		return nil
	}
	var added []string
	for _, f := range listAt(m, "finalizers") {
		if !slices.Contains(listAt(was, "finalizers"), f) {
			s, _ := f.(string)
			added = append(added, s)
		}
	}
	if added != nil {
		errs = append(errs, fieldForbidden("metadata.finalizers", fmt.Sprintf("no new finalizers can be added if the object is being deleted, found new finalizers %#v", added)))
	}
	return errs
}

// dedupeOwners takes out owners that come twice, with a warning. Of a patch it says so as of
// what the server itself has made (upstream).
func (q *call) dedupeOwners(obj map[string]any) {
	m := objectAt(obj, "metadata")
	owners := listAt(m, "ownerReferences")
	var kept []any
	var twice []string
	for _, o := range owners {
		if slices.ContainsFunc(kept, func(k any) bool { return deepEqual(k, o) }) {
			twice = append(twice, textAt(o, "uid"))
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
	AddWarning(q.req.Context(), "", ".metadata.ownerReferences contains duplicate entries"+when+"; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "+strings.Join(twice, ", "))
}

// sameGeneration reports whether two objects are the same but for metadata, and for
// status where that is written apart: then the generation stays.
func (r *resource) sameGeneration(a, b map[string]any) bool {
	skip := func(k string) bool { return k == "metadata" || k == "status" && r.hasStatus }
	for k, v := range a {
		if w, ok := b[k]; !skip(k) && (!ok || !deepEqual(v, w)) {
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
