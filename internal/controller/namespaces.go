package controller

import (
	"context"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// A namespace lives, or it is being emptied:
//
//	lives          it has the service account "default" and the ConfigMap with the CA; both come
//	               back when they are deleted, and the CA is put right when it is changed
//	terminating    everything in it is deleted, in the background; when nothing is left, the
//	               finalizer in its spec goes, and with the last finalizer the namespace
//
// Creating something in a terminating namespace is refused by package api, so it empties. An
// object with a finalizer of somebody's holds it up until that goes, as upstream.

// The objects that every namespace has, by upstream's names.
const (
	// rootCAName is the ConfigMap by which pods trust the server.
	rootCAName = "kube-root-ca.crt"
	// defaultAccount is the service account that pods have without another.
	defaultAccount = "default"

	// rootCANote is the annotation that says what the ConfigMap is for.
	rootCANote = "kubernetes.io/description"
)

// syncNamespace sees to it that a namespace has what every namespace has, or that a deleted one is
// emptied and goes.
func (c *controllers) syncNamespace(ctx context.Context, name string) error {
	sn := c.api.Namespaces.Now()
	o := sn.Get(name)
	if o == nil {
		delete(c.terminating, name)
		return nil
	}
	if !o.Meta.Deleting {
		return c.ensureDefaults(ctx, name)
	}
	// Before anything is deleted: the events of that must lead back here.
	c.terminating[name] = true
	left, err := c.emptyNamespace(ctx, name)
	if err != nil || left {
		return err // the events of what is left bring us back
	}
	return c.finalizeNamespace(ctx, name)
}

// emptyNamespace deletes all objects in a namespace that are not being deleted yet. It reports
// whether any is still there, held by a finalizer or by its dependents.
func (c *controllers) emptyNamespace(ctx context.Context, name string) (left bool, err error) {
	// Another process may have put something into it that is not shown here yet.
	if err := c.api.Store.Consistent(ctx); err != nil {
		return false, err
	}
	for _, b := range c.api.Store.Buckets() {
		sn := b.Now()
		r := c.api.ForBucket(b)
		// What nobody serves now has no verbs to be deleted by, and does not hold the namespace up.
		if r == nil || !r.Namespaced {
			continue
		}
		for item := range sn.Scan(name+"/", "") {
			if err := c.delete(r, item, api.PropagationBackground); err != nil {
				return false, err
			}
			// Looked up anew: most are gone with the call.
			now := b.Now()
			left = left || now.Get(item.Key) != nil
		}
	}
	return left, nil
}

// finalizeNamespace takes the server's finalizer from the spec of an empty namespace, which goes
// with the last one. What others have put there stays and holds it.
func (c *controllers) finalizeNamespace(ctx context.Context, name string) error {
	r := c.api.Builtin("", "v1", "Namespace")
	// Somebody may have taken all finalizers before us, while it was not empty: then nothing changes
	// here, and nothing would make it go.
	bare := false
	now, err := c.call(r, "update", name, name, "finalize").Modify(ctx, func(obj map[string]any) bool {
		bare = len(tree.List(obj, "spec", "finalizers")) == 0
		return dropString(tree.Object(obj, "spec"), "finalizers", api.NamespaceFinalizer)
	})
	if err == nil && now != nil && bare {
		_, _, err = c.call(r, "delete", name, name, "").Delete(&api.DeleteOptions{UID: &now.Meta.UID})
	}
	return err
}

// ensureDefaults makes what every namespace has, where it is missing, and puts the CA right. What
// else somebody has added to the two objects stays.
func (c *controllers) ensureDefaults(ctx context.Context, ns string) error {
	accounts := c.api.Builtin("", "v1", "ServiceAccount")
	sn := accounts.Bucket.Now()
	if sn.Get(ns+"/"+defaultAccount) == nil {
		obj := map[string]any{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": map[string]any{"name": defaultAccount}}
		if err := c.create(accounts, ns, obj); err != nil {
			return err
		}
	}
	maps := c.api.Builtin("", "v1", "ConfigMap")
	data := map[string]any{"ca.crt": c.ca}
	sn = maps.Bucket.Now()
	if sn.Get(ns+"/"+rootCAName) == nil {
		note := map[string]any{rootCANote: "The certificates by which clients of this server trust it."}
		obj := map[string]any{
			"kind": "ConfigMap", "apiVersion": "v1", "data": data,
			"metadata": map[string]any{"name": rootCAName, "annotations": note},
		}
		return c.create(maps, ns, obj)
	}
	// A server with a new CA finds the old one in what its backend has kept.
	_, err := c.call(maps, "update", ns, rootCAName, "").Modify(ctx, func(obj map[string]any) bool {
		if tree.Equal(obj["data"], data) {
			return false
		}
		// Copied, since the change may be asked for again after a conflict.
		obj["data"] = tree.Copy(data)
		return true
	})
	return err
}
