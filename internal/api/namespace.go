package api

import (
	"net/http"
	"slices"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// What namespaces do that no other kind does: a deleted one stays, in the phase Terminating, until a
// controller has emptied it and finalized its spec. Its finalizers in the spec are apart from those
// in the metadata, which it may have as well; it goes when neither is left.

// NamespaceFinalizer is the finalizer in the spec of every namespace. The controller that empties a
// deleted one takes it out.
const NamespaceFinalizer = "kubernetes"

// permanentNamespaces cannot be deleted (upstream).
var permanentNamespaces = [...]string{"default", "kube-system", "kube-public"}

// keepPermanent returns a 403 for the DELETE of a permanent namespace while NamespaceLifecycle is on. That is the first of upstream's
// plugins, so that nobody else is asked about it.
func (q *Call) keepPermanent() error {
	if q.Kind != "Namespace" || q.Group != "" || q.api.Config.NoNamespaceLifecycle || !slices.Contains(permanentNamespaces[:], q.name) {
		return nil
	}
	return q.forbidden(q.name, "this namespace may not be deleted")
}

// holdNamespace marks a deleted namespace, which stays as long as its spec has finalizers. It is
// called for each DELETE.
func holdNamespace(_ *Call, obj map[string]any) (stays bool, err error) {
	// A first DELETE never removes it at once: controllers must see it terminate.
	if len(tree.List(obj, "spec", "finalizers")) == 0 && tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		return false, nil
	}
	tree.Set(obj, "Terminating", "status", "phase")
	return true, nil
}

// finalizeNamespace serves the finalize subresource: it sets the finalizers in spec and the metadata
// to those of the body, and nothing else of it counts. The last finalizer that goes lets the namespace
// go.
func finalizeNamespace(q *Call) error {
	if q.info.Verb != "update" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("UpdateOptions"); err != nil {
		return err
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	if name := tree.Name(obj); name != q.name {
		return q.wrongName(name)
	}
	given, unread := readPreconditions(obj)
	return q.retry(forever, func(old *store.Object) error {
		if old == nil {
			return q.notFound(q.name)
		}
		if unread != nil {
			return unread
		}
		if err := given.check(q, old); err != nil {
			return err
		}
		w := write{Call: q, old: old, was: q.decode(old), next: q.decode(old), sent: tree.Copy(obj).(map[string]any)}
		if list := tree.List(obj, "spec", "finalizers"); len(list) > 0 {
			// Copies, because the write is consumed and there may be another attempt.
			tree.Set(w.next, tree.Copy(list), "spec", "finalizers")
		} else {
			delete(tree.Object(w.next, "spec"), "finalizers")
		}
		w.next["metadata"] = tree.Copy(obj["metadata"])
		if err := w.replace(); err != nil {
			return err
		}
		return w.answer(http.StatusOK)
	})
}
