package api

import (
	"net/http"
	"strconv"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// A create adds an object that nobody has yet. It may not say a resource version, since there is
// none, which only the store looks at; what else it says in the server's fields is overwritten
// without a word. What it is put into must be there and stay there: its namespace, which is asked
// for before anything in the object, and for a custom resource the definition.

// create serves POST to a collection.
func (q *Call) create() error {
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	// Upstream has no such route for a namespaced resource: its mux answers.
	if q.Namespaced && q.namespace == "" {
		return status.PlainText(http.StatusNotFound, "404 page not found")
	}
	obj, err := q.readNew()
	if err != nil {
		return err
	}
	return q.createAndAnswer(obj)
}

// createAndAnswer is create with its object read, which it consumes.
func (q *Call) createAndAnswer(obj map[string]any) error {
	w := write{Call: q, next: obj}
	if err := w.insert(); err != nil {
		return err
	}
	return w.answer(http.StatusCreated)
}

// Insert checks and stores a new object, and is the one way by which any comes to be: for
// requests, controllers, fixtures. obj is consumed, and must have been pruned. In a dry run
// nothing is stored, the result is nil, and obj is what it would be. The error is a
// *status.Error for whoever asked.
func (q *Call) Insert(obj map[string]any) (*store.Object, error) {
	w := write{Call: q, next: obj}
	err := w.insert()
	return w.done, err
}

// checkNew refuses what no new object may say, before anything is filled in.
func (w *write) checkNew() error {
	m := tree.Metadata(w.next)
	name := tree.Text(m, "name")
	// POST to the path of an object is taken as a create of it (upstream).
	if w.name != "" && name != "" && name != w.name {
		return w.wrongName(name)
	}
	if err := w.checkNamespace(m); err != nil {
		return err
	}
	// The resource knows of the deletion since its definition was last followed; checkPlace asks
	// the store itself once more.
	if w.terminating {
		return w.forbidden(name, definitionTerminating)
	}
	return nil
}

// checkNamespaceActive refuses a new object whose namespace is not there, with a 404 that names
// the namespace, or is being deleted, with a 403 and a cause that namespace controllers look
// for. name is the object's, and namespaces are those that count: within a commit they are the latest.
func (q *Call) checkNamespaceActive(name string, namespaces store.Snapshot) error {
	if !q.Namespaced || q.api.Config.NoNamespaceLifecycle {
		return nil
	}
	ns := namespaces.Get(q.namespace)
	if ns == nil {
		return &status.Error{
			Code:    http.StatusNotFound,
			Reason:  "NotFound",
			Message: "namespaces " + strconv.Quote(q.namespace) + " not found",
			Details: &status.Details{Name: q.namespace, Kind: "namespaces"},
		}
	}
	if ns.Meta.Deleting {
		e := q.forbidden(name, "unable to create new content in namespace "+q.namespace+" because it is being terminated")
		e.Details.Causes = []field.Error{{
			Reason:  "NamespaceTerminating",
			Message: "namespace " + q.namespace + " is being terminated",
			Field:   "metadata.namespace",
		}}
		return e
	}
	return nil
}

// exists returns the 409 for a name that is taken. current is who has it, nil when that is not
// known; an object that is being deleted is said to be so, because then waiting helps. generate
// says that the new object has a generateName: the next name may be free, so the client is told to
// try again, even if it has chosen the name (upstream).
func (r *Resource) exists(name string, current *store.Object, generate bool) *status.Error {
	e := &status.Error{
		Code:    http.StatusConflict,
		Reason:  "AlreadyExists",
		Message: r.Qualified() + " " + strconv.Quote(name) + " already exists",
		Details: &status.Details{Name: name, Group: r.Group, Kind: r.Plural},
	}
	if generate {
		e.Message += ", the server was not able to generate a unique name for the object"
		e.RetryAfter = 1
	}
	if current != nil && current.Meta.Deleting {
		e.Message = "object is being deleted: " + e.Message
	}
	return e
}

// definitionTerminating says why nothing is added to a resource whose definition is being
// deleted.
const definitionTerminating = "create not allowed while custom resource definition is terminating"

// forbidden returns the 403 for a write that the state of the cluster rules out, whoever asks
// for it.
func (r *Resource) forbidden(name, why string) *status.Error {
	return status.Forbidden(r.Group, r.Plural, name, why)
}
