package api

import (
	"errors"
	"net/http"
	"strconv"

	"apichain/internal/status"
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

// holdNamespace marks a deleted namespace, which stays as long as its spec has finalizers. It is
// called for each DELETE, and returns a 403 for a permanent namespace.
func holdNamespace(q *Call, obj map[string]any) (stays bool, err error) {
	for _, name := range permanentNamespaces {
		if q.name == name {
			return false, q.forbidden(q.name, "this namespace may not be deleted")
		}
	}
	// A first DELETE never removes it at once: controllers must see it terminate.
	if len(tree.List(obj, "spec", "finalizers")) == 0 && tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		return false, nil
	}
	tree.Set(obj, "Terminating", "status", "phase")
	return true, nil
}

// finalizeNamespace is the finalize subresource: it sets the finalizers in spec, and the last
// one that goes lets the namespace go.
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
	given, err := givenRevision(obj)
	if err != nil {
		return err
	}
	uid := tree.Text(obj, "metadata", "uid")
	for {
		sn := q.Bucket.Now()
		old := sn.Get(q.name)
		if old == nil {
			return q.notFound(q.name)
		}
		if uid != "" && uid != old.Meta.UID {
			return q.wrongUID(old, uid)
		}
		if given != "" && given != strconv.FormatInt(old.Rev, 10) {
			return q.conflict(q.name, status.ChangedMeanwhile)
		}
		was, next := q.decode(old), q.decode(old)
		if list := tree.List(obj, "spec", "finalizers"); len(list) > 0 {
			tree.Set(next, tree.Copy(list), "spec", "finalizers")
		} else {
			delete(tree.Object(next, "spec"), "finalizers")
		}
		done, err := q.replace(old, was, next)
		var raced *store.Conflict
		if errors.As(err, &raced) {
			continue
		}
		if err != nil {
			return err
		}
		if done == nil {
			return q.answerTree(http.StatusOK, next)
		}
		return q.answer(http.StatusOK, done)
	}
}
