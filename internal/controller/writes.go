package controller

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The writes of the controllers. Each is made for a state that was read before and may be another
// one now. What a client did meanwhile is no error: its event is in the log, and whoever is
// concerned looks again.

// The field managers as which objects are written here. Where upstream's kube-apiserver does it, that is the default of
// package api.
const (
	// managerOfControllers does what upstream does in kube-controller-manager.
	managerOfControllers = "kube-controller-manager"
	// managerOfFlows says whether the priority level of a flow schema is there, in kube-apiserver.
	managerOfFlows = "api-priority-and-fairness-config-consumer-v1"
	// managerOfRanges says that the range of services can be used, in kube-apiserver too.
	managerOfRanges = "kubernetes-service-cidr-controller"
	// managerOfFixtures applies what the user has named.
	managerOfFixtures = "apichain-fixtures"
)

// call returns a call of what upstream does in kube-controller-manager.
//
//go:noinline
func (c *controllers) call(r *api.Resource, verb, ns, name, subresource string) *api.Call {
	return c.api.Internal(r, verb, ns, name, subresource).As(managerOfControllers)
}

// configureStatus applies what a manager says in the status of an object of the cluster.
func configureStatus(ctx context.Context, a *api.API, r *api.Resource, manager, name string, says map[string]any) error {
	return a.Internal(r, "patch", "", name, "status").As(manager).Configure(ctx, map[string]any{
		"apiVersion": r.Group + "/" + r.Version, "kind": r.Kind, "metadata": map[string]any{"name": name}, "status": says,
	})
}

// create makes an object, unless there is one already, or its namespace is going or gone.
func (c *controllers) create(r *api.Resource, ns string, obj map[string]any) error {
	_, err := c.call(r, "create", ns, "", "").Insert(obj)
	// Forbidden is the answer in a namespace that is being deleted.
	if isReason(err, "AlreadyExists", "NotFound", "Forbidden") {
		return nil
	}
	return err
}

// delete deletes an object, if it is still there and not being deleted yet. Another one of its
// name is left alone.
func (c *controllers) delete(r *api.Resource, o *store.Object, policy string) error {
	return c.deleteAt(r, o, 0, policy)
}

// deleteUnasked deletes an object as delete does, in the background, without asking admission about it.
func (c *controllers) deleteUnasked(r *api.Resource, o *store.Object) error {
	if o.Meta.Deleting {
		return nil
	}
	uid := o.Meta.UID
	_, _, err := c.call(r, "delete", o.Namespace(), o.Name(), "").Unasked().
		Delete(&api.DeleteOptions{UID: &uid, Propagation: api.PropagationBackground})
	if isReason(err, "NotFound", "Conflict") {
		return nil
	}
	return err
}

// deleteAt is delete of an object that is as it was at a revision, 0 for any: who has changed it
// meanwhile may have given it another owner, and the event of that is to come.
func (c *controllers) deleteAt(r *api.Resource, o *store.Object, rev int64, policy string) error {
	// A second delete would change how the first one treats dependents.
	if o.Meta.Deleting {
		return nil
	}
	uid := o.Meta.UID
	options := api.DeleteOptions{UID: &uid, Propagation: policy}
	if rev != 0 {
		text := strconv.FormatInt(rev, 10)
		options.ResourceVersion = &text
	}
	_, _, err := c.call(r, "delete", o.Namespace(), o.Name(), "").Delete(&options)
	if isReason(err, "NotFound", "Conflict") {
		return nil
	}
	return err
}

// removeFinalizer takes a finalizer from an object, which goes with the last one. It does nothing
// if the object has it no longer, or has gone.
func (c *controllers) removeFinalizer(ctx context.Context, r *api.Resource, o *store.Object, finalizer string) error {
	_, err := c.call(r, "update", o.Namespace(), o.Name(), "").Modify(ctx, func(obj map[string]any) bool {
		return dropString(tree.Metadata(obj), "finalizers", finalizer)
	})
	return err
}

// isReason reports whether err is a Status with one of the reasons.
func isReason(err error, reasons ...string) bool {
	var e *status.Error
	return errors.As(err, &e) && slices.Contains(reasons, e.Reason)
}

// hasFinalizer reports whether an object has a finalizer in its metadata.
func hasFinalizer(o *store.Object, name string) bool {
	// Most have none, and decoding costs more than the answer is worth.
	if o.Meta.Finalizers == 0 {
		return false
	}
	return slices.Contains(tree.List(o.Decode(), "metadata", "finalizers"), any(name))
}

// dropString takes a string out of a list in obj and reports whether it was there.
func dropString(obj map[string]any, key, s string) bool {
	return filterList(obj, key, func(v any) bool { return v != s })
}

// filterList keeps the elements of a list in obj for which keep is true and reports whether any
// was dropped. A list of which nothing remains is deleted, as an empty one is not stored.
func filterList(obj map[string]any, key string, keep func(any) bool) bool {
	list := tree.List(obj, key)
	var kept []any
	for _, v := range list {
		if keep(v) {
			kept = append(kept, v)
		}
	}
	if len(kept) == len(list) {
		return false
	}
	if kept == nil {
		delete(obj, key)
	} else {
		obj[key] = kept
	}
	return true
}
