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

// DeleteOptions is what a delete asks for.
type DeleteOptions struct {
	UID, ResourceVersion *string // preconditions
	Propagation          string  // "" is the resource's default: Background
	orphanGiven          bool
	orphan               bool
}

const (
	PropagationForeground = "Foreground"
	PropagationBackground = "Background"
	PropagationOrphan     = "Orphan"
	FinalizerForeground   = "foregroundDeletion"
	FinalizerOrphan       = "orphan"
	deleteOptionsKind     = "DeleteOptions"
	scaleType             = "autoscaling.Scale"
	deleteOptionsType     = "meta.DeleteOptions"
)

// readDeleteOptions reads them from the body, or without one from the query.
func (q *Call) readDeleteOptions() (o DeleteOptions, err error) {
	if err := q.writeOptions(deleteOptionsKind); err != nil {
		return o, err
	}
	q.strict = "Ignore" // of options, unknown fields are never told (upstream)
	obj, err := q.readTyped(q.api.Kinds.Types[deleteOptionsType], deleteOptionsKind)
	if err != nil {
		return o, err
	}
	if obj == nil {
		obj = map[string]any{}
		if v := q.param("gracePeriodSeconds"); v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return o, status.BadRequest("strconv.ParseInt: parsing " + strconv.Quote(v) + ": invalid syntax")
			}
			obj["gracePeriodSeconds"] = n // no kind has any: all objects are gone at once
		}
		if v := q.param("propagationPolicy"); v != "" {
			obj["propagationPolicy"] = v
		}
		if v, given := q.flag("orphanDependents"); given {
			obj["orphanDependents"] = v
		}
	}
	return o, q.fillDeleteOptions(&o, obj)
}

func (q *Call) fillDeleteOptions(o *DeleteOptions, obj map[string]any) error {
	var errs []field.Error
	o.orphan, o.orphanGiven = obj["orphanDependents"].(bool)
	if v, given := tree.At(obj, "preconditions", "uid").(string); given {
		o.UID = &v
	}
	if v, given := tree.At(obj, "preconditions", "resourceVersion").(string); given {
		o.ResourceVersion = &v
	}
	if list := tree.List(obj, "dryRun"); len(list) > 0 {
		if slices.ContainsFunc(list, func(v any) bool { return v != "All" }) {
			errs = append(errs, field.NotSupported("dryRun", tree.Strings(list), "All"))
		}
		q.dryRun = true
	}
	o.Propagation = tree.Text(obj, "propagationPolicy")
	switch o.Propagation {
	case "", PropagationForeground, PropagationBackground, PropagationOrphan:
	default:
		errs = append(errs, field.NotSupported("propagationPolicy", o.Propagation, PropagationForeground, PropagationBackground, PropagationOrphan, "nil"))
	}
	if o.orphanGiven && o.Propagation != "" {
		errs = append(errs, field.Invalid("propagationPolicy", o.Propagation, "orphanDependents and deletionPropagation cannot be both set"))
	}
	if len(errs) > 0 {
		return status.Invalid("meta.k8s.io", deleteOptionsKind, "", errs)
	}
	if o.orphanGiven && o.orphan {
		o.Propagation = PropagationOrphan
	}
	return nil
}

// delete removes an object, or marks it where something holds it.
func (q *Call) delete() error {
	o, err := q.readDeleteOptions()
	if err != nil {
		return err
	}
	obj, gone, err := q.Delete(&o)
	if err != nil {
		return err
	}
	code := http.StatusOK
	if !gone && o.orphanGiven && !o.orphan {
		code = http.StatusAccepted
	}
	if gone && !q.ReturnsDeleted {
		details := map[string]any{"name": q.name, "kind": q.Plural, "uid": tree.Text(obj, "metadata", "uid")}
		if q.Group != "" {
			details["group"] = q.Group
		}
		q.form.kind = formObject
		return q.sendTree(code, map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Success", "details": details})
	}
	return q.answerTree(code, obj)
}

// Delete does it. obj is the object's last state; gone says that it is removed, or
// with dryRun that it would be.
func (q *Call) Delete(o *DeleteOptions) (obj map[string]any, gone bool, err error) {
	for {
		sn := q.Bucket.Now()
		old := sn.Get(q.Resource.Key(q.namespace, q.name))
		if old == nil {
			return nil, false, q.notFound(q.name)
		}
		if o.UID != nil && *o.UID != old.Meta.UID {
			return nil, false, q.kindConflict(q.name, "the UID in the precondition ("+*o.UID+") does not match the UID in record ("+old.Meta.UID+"). The object might have been deleted and then recreated")
		}
		if rev := strconv.FormatInt(old.Rev, 10); o.ResourceVersion != nil && *o.ResourceVersion != rev {
			return nil, false, q.kindConflict(q.name, "the ResourceVersion in the precondition ("+*o.ResourceVersion+") does not match the ResourceVersion in record ("+rev+"). The object might have been modified")
		}
		obj, gone, err = q.deleteOnce(old, o)
		var raced *store.Conflict
		if !errors.As(err, &raced) {
			return obj, gone, err
		}
	}
}

func (q *Call) deleteOnce(old *store.Object, o *DeleteOptions) (map[string]any, bool, error) {
	obj := q.decode(old)
	m := tree.Metadata(obj)
	finalizers := q.deletionFinalizers(tree.List(m, "finalizers"), o)
	held := len(finalizers) > 0
	changed := !tree.Equal(finalizers, append([]any{}, tree.List(m, "finalizers")...))
	stays := false // for reasons of its kind
	if q.beforeDelete != nil {
		var err error
		if stays, err = q.beforeDelete(q, obj); err != nil {
			return nil, false, err
		}
		if stays {
			held = true
			finalizers = q.deletionFinalizers(tree.List(m, "finalizers"), o)
		}
	}
	if !held {
		if q.dryRun {
			return obj, true, nil
		}
		if _, err := q.recommit(store.Change{Bucket: q.Bucket, Key: old.Key, Expect: old.Rev}); err != nil {
			return nil, false, err
		}
		return obj, true, nil
	}
	if old.Meta.Deleting && !changed {
		return obj, false, nil
	}
	if !old.Meta.Deleting {
		m["deletionTimestamp"] = TimeText(time.Now())
		if n, ok := m["generation"].(int64); ok && !stays {
			m["generation"] = n + 1
		}
		if !stays { // of a namespace or a definition upstream says neither
			m["deletionGracePeriodSeconds"] = int64(0)
		}
	}
	if len(finalizers) > 0 {
		m["finalizers"] = finalizers
	} else {
		delete(m, "finalizers")
	}
	if q.dryRun {
		return obj, false, nil
	}
	d := q.encode(tree.Copy(obj).(map[string]any))
	done, err := q.recommit(store.Change{Bucket: q.Bucket, Key: old.Key, Expect: old.Rev, Next: &d})
	if err != nil {
		return nil, false, err
	}
	m["resourceVersion"] = strconv.FormatInt(done.Rev, 10)
	return obj, false, nil
}

// deletionFinalizers is the finalizers with those that the propagation policy adds or
// takes away.
func (q *Call) deletionFinalizers(have []any, o *DeleteOptions) []any {
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
	return out
}

// deleteCollection deletes what a list would show, and answers that list.
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
		one := *q
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
