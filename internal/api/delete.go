package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// A delete removes an object at once, unless something holds it: finalizers of its own, one that
// the propagation policy of the delete adds, or its kind (a namespace stays until it is empty).
// Then it is only marked, by a deletionTimestamp, and answered as it is now; whoever writes it
// without its last finalizer removes it (commit). So there are three ends:
//
//	held by nothing           removed           200 and a Status, or the object for kinds that return it
//	held, not marked yet      marked            200 and the object
//	held and marked already   left as it is     200 and the object, unless the policy changes the finalizers
//
// The policy says what becomes of the objects whose owner this one is. It works by finalizers
// alone: the garbage collector sees them on a marked owner, does what they ask, and takes them
// off. A kind with a grace period has a delete of its own in front of this: see grace.go.

// DeleteOptions says how to delete. The zero value sets no condition, and leaves dependents to
// the garbage collector, which deletes them afterwards.
type DeleteOptions struct {
	// UID and ResourceVersion are preconditions: an object of which they do not hold is a
	// conflict. nil asks for nothing; a pointer to "" never holds.
	UID, ResourceVersion *string

	// Propagation is one of the three policies, or "", which leaves the finalizers for
	// dependents as they are. It is Background for an object that has none.
	Propagation string

	// GracePeriodSeconds is how long an object may take to end, nil for as long as it says itself.
	// Most kinds end at once. What is below 0 counts as 1.
	GracePeriodSeconds *int64

	// orphanDependents is the option that Propagation has replaced, true for Orphan and false for
	// Background; orphanGiven says that the client gave it, which may change the code of the answer.
	orphanDependents, orphanGiven bool
	// given is what the client has sent, nil for a delete of the program itself.
	given map[string]any
}

// object returns the options as upstream's object of them, without kind and dryRun.
func (o *DeleteOptions) object() map[string]any {
	if o.given != nil {
		obj := tree.Copy(o.given).(map[string]any)
		delete(obj, "dryRun")
		return obj
	}
	obj := map[string]any{}
	if o.UID != nil {
		tree.Set(obj, *o.UID, "preconditions", "uid")
	}
	if o.ResourceVersion != nil {
		tree.Set(obj, *o.ResourceVersion, "preconditions", "resourceVersion")
	}
	if o.Propagation != "" {
		obj["propagationPolicy"] = o.Propagation
	}
	if o.GracePeriodSeconds != nil {
		obj["gracePeriodSeconds"] = *o.GracePeriodSeconds
	}
	return obj
}

// The propagation policies: delete dependents first, delete them afterwards, leave them.
const (
	PropagationForeground = "Foreground"
	PropagationBackground = "Background"
	PropagationOrphan     = "Orphan"
)

// The finalizers by which two of the policies work. The server sets and removes them itself.
const (
	FinalizerForeground = "foregroundDeletion"
	FinalizerOrphan     = "orphan"
)

const (
	deleteOptionsKind = "DeleteOptions"
	deleteOptionsType = "meta.DeleteOptions"
)

// readDeleteOptions reads the options from the body, or if there is none from the query: one
// hides the other, dryRun too. So a body, even {}, deletes in spite of a dryRun in the query
// (upstream).
func (q *Call) readDeleteOptions() (o DeleteOptions, err error) {
	q.strict = "Ignore" // of options, unknown fields are never told (upstream)
	obj, err := q.readTyped(q.api.Kinds.Type(deleteOptionsType), "meta.k8s.io/v1", deleteOptionsKind)
	if err != nil {
		return o, err
	}
	if obj == nil {
		if obj, err = q.queryDeleteOptions(); err != nil {
			return o, err
		}
	}
	o.given = obj
	return o, q.fillDeleteOptions(&o, obj)
}

// queryDeleteOptions returns the options in the query, as the body would say them. Preconditions
// can be given in a body only.
func (q *Call) queryDeleteOptions() (map[string]any, error) {
	obj := map[string]any{}
	if v := q.param("gracePeriodSeconds"); q.query.Has("gracePeriodSeconds") {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, status.BadRequest("strconv.ParseInt: parsing " + strconv.Quote(v) + ": invalid syntax")
		}
		obj["gracePeriodSeconds"] = n
	}
	if q.query.Has("propagationPolicy") {
		obj["propagationPolicy"] = q.param("propagationPolicy")
	}
	if v, given := q.flag("orphanDependents"); given {
		obj["orphanDependents"] = v
	}
	var dry []any
	for _, v := range q.query["dryRun"] {
		dry = append(dry, v)
	}
	obj["dryRun"] = dry
	return obj, nil
}

// fillDeleteOptions takes the options from obj, and dryRun for the call. It returns one 422 for
// all that is wrong with them.
func (q *Call) fillDeleteOptions(o *DeleteOptions, obj map[string]any) error {
	var errs []field.Error
	o.orphanDependents, o.orphanGiven = obj["orphanDependents"].(bool)
	if v, given := tree.At(obj, "preconditions", "uid").(string); given {
		o.UID = &v
	}
	if v, given := tree.At(obj, "preconditions", "resourceVersion").(string); given {
		o.ResourceVersion = &v
	}
	if n, given := obj["gracePeriodSeconds"].(int64); given {
		if n < 0 {
			n = 1
		}
		o.GracePeriodSeconds = &n
	}
	policy, given := obj["propagationPolicy"].(string)
	o.Propagation = policy
	if o.orphanGiven && given {
		why := "orphanDependents and deletionPropagation cannot be both set"
		errs = append(errs, field.Invalid("propagationPolicy", o.Propagation, why))
	}
	if given && !slices.Contains([]string{PropagationForeground, PropagationBackground, PropagationOrphan}, policy) {
		policies := []string{PropagationForeground, PropagationBackground, PropagationOrphan, "nil"}
		errs = append(errs, field.NotSupported("propagationPolicy", o.Propagation, policies...))
	}
	if list := tree.List(obj, "dryRun"); len(list) > 0 {
		if slices.ContainsFunc(list, func(v any) bool { return v != "All" }) {
			errs = append(errs, field.NotSupported("dryRun", tree.Strings(list), "All"))
		}
		q.dryRun = true
	}
	if len(errs) > 0 {
		return status.Invalid("meta.k8s.io", deleteOptionsKind, "", errs)
	}
	if o.orphanDependents {
		o.Propagation = PropagationOrphan
	} else if o.orphanGiven {
		o.Propagation = PropagationBackground
	}
	return nil
}

// delete serves DELETE of an object.
func (q *Call) delete() error {
	o, err := q.readDeleteOptions()
	if err != nil {
		return err
	}
	obj, gone, err := q.Delete(&o)
	if err != nil {
		return err
	}
	if gone && !q.ReturnsDeleted {
		return q.answerDeleted(tree.Text(obj, "metadata", "uid"))
	}
	code := http.StatusOK
	// Upstream's one 202: who used the old option to wait for dependents learns that there is
	// something to wait for.
	if !gone && o.orphanGiven && !o.orphanDependents {
		code = http.StatusAccepted
	}
	return q.answerTree(code, obj)
}

// answerDeleted answers the Status of an object that is gone. It has no other form: a Table is
// not made of it, whatever the client asked for.
func (q *Call) answerDeleted(uid string) error {
	details := map[string]any{"name": q.name, "kind": q.Plural, "uid": uid}
	if q.Group != "" {
		details["group"] = q.Group
	}
	q.form.kind = formObject
	return q.sendTree(http.StatusOK, map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Success", "details": details,
	})
}

// Delete deletes the object of the call, and tries until no other write comes between. obj is
// the object's last state, which the caller owns; gone says that it is removed, or in a dry run
// would be, and not only marked. The error is a *status.Error for whoever asked: 404 when there
// is no such object, 409 when a precondition does not hold.
func (q *Call) Delete(o *DeleteOptions) (obj map[string]any, gone bool, err error) {
	err = q.retry(forever, func(old *store.Object) error {
		if old == nil {
			return q.notFound(q.name)
		}
		if err := o.check(q, old); err != nil {
			return err
		}
		w := write{Call: q, old: old, was: q.decode(old), deletes: o}
		var err error
		gone, err = w.delete(o)
		obj = w.next
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return obj, gone, nil
}

// check returns the 409 for a precondition that does not hold of old. Unlike those of an update,
// its texts name the kind and show both values; kinds that look themselves have words of their own.
func (o *DeleteOptions) check(q *Call, old *store.Object) error {
	differ := func(field, wanted, is string) error {
		return q.conflict(q.name, q.preconditionFailed+": "+field+" in precondition: "+wanted+", "+field+" in object meta: "+is)
	}
	if o.UID != nil && *o.UID != old.Meta.UID {
		if q.preconditionFailed != "" {
			return differ("UID", *o.UID, old.Meta.UID)
		}
		return q.kindConflict(q.name, "the UID in the precondition ("+*o.UID+
			") does not match the UID in record ("+old.Meta.UID+"). The object might have been deleted and then recreated")
	}
	if rev := strconv.FormatInt(old.Rev, 10); o.ResourceVersion != nil && *o.ResourceVersion != rev {
		if q.preconditionFailed != "" {
			return differ("ResourceVersion", *o.ResourceVersion, rev)
		}
		return q.kindConflict(q.name, "the ResourceVersion in the precondition ("+*o.ResourceVersion+
			") does not match the ResourceVersion in record ("+rev+"). The object might have been modified")
	}
	return nil
}

// delete removes or marks old. Before it, was is old's tree. After it, next is the last state of
// the object, and gone as Delete says.
func (w *write) delete(o *DeleteOptions) (gone bool, err error) {
	if err := w.keepPermanent(); err != nil {
		return false, err
	}
	// For a delete upstream has both kinds of admission here, where the preconditions hold. No
	// new object exists yet, which is how admission knows a delete.
	for _, phase := range [...]Phase{Mutating, Validating} {
		if err := w.admit(phase); err != nil {
			return false, err
		}
	}
	// Nothing is compared with the old tree any more: the mark is made in it.
	w.next, w.was = w.was, nil
	if w.grace != nil {
		if done, gone, err := w.gracefulDelete(o); done || err != nil {
			return gone, err
		}
	}
	m := tree.Metadata(w.next)
	had := tree.List(m, "finalizers")
	finalizers := o.finalizers(had)
	changed := !sameFinalizers(finalizers, had)
	held, byKind := len(finalizers) > 0, false
	if w.beforeDelete != nil {
		if byKind, err = w.beforeDelete(w.Call, w.next); err != nil {
			return false, err
		}
	}
	if byKind {
		// The kind may have added a finalizer of its own. That does not count as a change,
		// since it does so only to an object that it marks.
		held, finalizers = true, o.finalizers(tree.List(m, "finalizers"))
	}
	switch {
	case !held && w.dryRun:
		return true, w.confirm()
	case !held:
		return true, w.remove()
	case w.old.Meta.Deleting && !changed:
		return false, w.confirm()
	}
	w.mark(finalizers, byKind)
	return false, w.commitMark()
}

// mark sets what a deleted object has that is still held: the time, and the finalizers that must
// go. byKind says that its kind holds it.
func (w *write) mark(finalizers []any, byKind bool) {
	m := tree.Metadata(w.next)
	if !w.old.Meta.Deleting {
		m["deletionTimestamp"] = timeText(time.Now())
		// Of a namespace or a definition upstream changes neither of these: its own code for
		// them marks the object, not the general one.
		if !byKind {
			if n, ok := m["generation"].(int64); ok {
				m["generation"] = n + 1
			}
			m["deletionGracePeriodSeconds"] = int64(0)
		}
	}
	setOrDelete(m, "finalizers", finalizers, len(finalizers) > 0)
}

// commitMark stores an object that has been marked. After it, next has its resource version. In
// a dry run it does nothing.
func (w *write) commitMark() error {
	if w.dryRun {
		return w.confirm()
	}
	d, err := w.encode(w.req.Context(), tree.Copy(w.next).(map[string]any)) // next is what the delete answers
	if err != nil {
		return err
	}
	if err := w.put(&d); err != nil {
		return err
	}
	tree.Metadata(w.next)["resourceVersion"] = strconv.FormatInt(w.done.Rev, 10)
	return nil
}

// sameFinalizers reports whether two lists have the same finalizers, in any order.
func sameFinalizers(a, b []any) bool {
	in := func(list []any) func(any) bool { return func(f any) bool { return !slices.Contains(list, f) } }
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// finalizers returns a new list: those in have, but of the two by which policies work only the
// one that this delete asks for. A delete without a policy leaves what an earlier one asked for,
// and where nothing changes the order stays.
func (o *DeleteOptions) finalizers(have []any) []any {
	out := append([]any{}, have...)
	if o.Propagation == "" {
		return out
	}
	out = slices.DeleteFunc(out, func(f any) bool { return f == FinalizerForeground || f == FinalizerOrphan })
	switch o.Propagation {
	case PropagationForeground:
		out = append(out, FinalizerForeground)
	case PropagationOrphan:
		out = append(out, FinalizerOrphan)
	}
	if sameFinalizers(out, have) {
		return append([]any{}, have...)
	}
	return out
}

// deleteCollection deletes what a list of the same request would show, each object by itself,
// and answers that list, as it was before. An object that cannot be deleted ends it; those
// before it are gone.
func (q *Call) deleteCollection() error {
	if q.Namespaced && q.namespace == "" {
		return status.PlainText(http.StatusNotFound, "404 page not found")
	}
	options, err := q.readDeleteOptions()
	if err != nil {
		return err
	}
	l, items, err := q.listed()
	if err != nil {
		return err
	}
	page := slices.Collect(items)
	for _, item := range page {
		one := *q // with the name of the item, and perhaps a resource that is reloaded meanwhile
		one.name = item.Name()
		if _, _, err := one.Delete(&options); err != nil {
			var e *status.Error
			if errors.As(err, &e) && e.Code == http.StatusNotFound {
				continue // somebody else did
			}
			return err
		}
	}
	return q.writeList(l, slices.Values(page))
}
