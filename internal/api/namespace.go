package api

import (
	"net/http"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// What namespaces do that no other kind does.

// NamespaceFinalizer is the finalizer in the spec of every namespace: it keeps a deleted one until it is
// empty.
const NamespaceFinalizer = "kubernetes"

// permanentNamespaces cannot be deleted (upstream).
var permanentNamespaces = [...]string{"default", "kube-system", "kube-public"}

// holdNamespace marks a deleted namespace, which stays until it is empty.
func holdNamespace(q *Call, obj map[string]any) (stays bool, err error) {
	for _, name := range permanentNamespaces {
		if q.name == name {
			return false, q.forbidden(q.name, "this namespace may not be deleted")
		}
	}
	if len(tree.List(obj, "spec", "finalizers")) == 0 && tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		return false, nil
	}
	tree.Set(obj, "Terminating", "status", "phase")
	return true, nil
}

// finalizeNamespace serves the finalize subresource: it sets the finalizers in spec to those of
// the body, and nothing else of it counts. The last one that goes lets the namespace go.
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
	given, err := readPreconditions(obj)
	if err != nil {
		return err
	}
	return q.retry(forever, func(old *store.Object) error {
		if old == nil {
			return q.notFound(q.name)
		}
		if err := given.check(q, old); err != nil {
			return err
		}
		w := write{Call: q, old: old, was: q.decode(old), next: q.decode(old)}
		if list := tree.List(obj, "spec", "finalizers"); len(list) > 0 {
			// A copy, because the write is consumed and there may be another attempt.
			tree.Set(w.next, tree.Copy(list), "spec", "finalizers")
		} else {
			delete(tree.Object(w.next, "spec"), "finalizers")
		}
		if err := w.replace(); err != nil {
			return err
		}
		return w.answer(http.StatusOK)
	})
}
