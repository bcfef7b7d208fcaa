package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/fieldset"
	"apichain/internal/kinds"
	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// Admission is the seam for whoever may change or refuse a write but is no part of the resource:
// plugins, webhooks, policies, quota. It is asked twice in each attempt to write, as upstream's
// chain of admission plugins is: to change the object, as the writer has sent it and with its
// defaults, when nobody has checked it; and to refuse it, when it is checked and counted and just
// about to be stored. A write that is retried after a conflict is a new attempt and is asked about
// anew.
//
// Who is asked about a resource is known when the resource is made (Config.Admit), but not always whether
// anybody has something to say: webhooks come and go. So a write first asks whether anybody wants to know.
//
//	object             itself, and status, as sent         ─► mutate ─► steps of the write ─► admit
//	scale              the Scale that is shown of it       ─► the same
//	binding, eviction, the body below the object; what is done to the object for it, nobody is asked about
//	token
//	exec, proxy, ...   the options of the connection: both phases, and then the connection

// Phase says at which moment of a write admission is asked.
type Phase int

const (
	// Mutating admission may change the object, in place. It sees it pruned and with defaults, without
	// what the server sets, and before it has a generated name.
	Mutating Phase = iota
	// Validating admission sees the object as it is to be stored, and only says yes or no.
	// Whoever keeps count of objects, as quota does, keeps it here and last.
	Validating
)

// The operations that admission knows, by upstream's names.
const (
	OperationCreate = "CREATE"
	OperationUpdate = "UPDATE"
	OperationDelete = "DELETE"
	// OperationConnect is a request to a subresource that is a connection, as exec is. Its object is the options.
	OperationConnect = "CONNECT"
)

// Admit answers a question of admission: nil, or the error that the client gets. It is called
// concurrently.
type Admit func(context.Context, Admission) error

// Admitters is who is asked about the writes of a resource. The zero value is nobody.
type Admitters struct {
	// Wants reports whether anybody is to be asked about an operation of a subresource ("" is the object) in a
	// phase. It is called for every write, concurrently, and should neither wait nor allocate. nil is never.
	Wants func(phase Phase, subresource, operation string) bool
	// Ask is called where Wants says so.
	Ask Admit
}

// Admission is one question of admission. It is passed by value, and its trees are the
// write's own: they must not be kept beyond the answer, and only Mutating admission may change
// Object.
type Admission struct {
	// What is asked.

	// Phase is Mutating or Validating.
	Phase Phase
	// Operation is one of the four above. A patch, a scale and a change of status are updates.
	Operation string
	// DryRun says that nothing will be stored: whoever decides must not have effects either.
	DryRun bool

	// What is written, in the version of the request.

	Resource    *Resource
	Subresource string
	// Namespace is "" for an object of the cluster; Name is "" for one whose name is not made yet, and
	// where several are deleted at once (upstream).
	Namespace, Name string
	// Object is as it is to be, nil for a delete. Old is as it is stored, nil for a create. They are of another
	// kind than the resource's where a subresource has a body of its own, as a Scale.
	Object, Old map[string]any

	// Who writes.

	// Scope knows the user and takes warnings. For the program's own writes it is an empty one.
	Scope request.Scope
	// FieldManager is what the client calls itself in the options, "" if it does not.
	FieldManager string

	call    *Call
	deletes *DeleteOptions
}

// Kind returns of what kind Object and Old are.
func (a *Admission) Kind() (group, version, kind string) {
	obj := a.Object
	if obj == nil {
		obj = a.Old
	}
	group, version = kinds.SplitAPIVersion(tree.Text(obj, "apiVersion"))
	return group, version, tree.Text(obj, "kind")
}

// Options returns the options of the request as upstream's object of them, nil for a connection. The caller owns it.
func (a *Admission) Options() map[string]any {
	var kind string
	switch a.Operation {
	case OperationCreate:
		kind = "CreateOptions"
	case OperationUpdate:
		kind = "UpdateOptions"
	case OperationDelete:
		kind = deleteOptionsKind
	default:
		return nil
	}
	o := map[string]any{}
	if a.deletes != nil {
		o = a.deletes.object()
		if a.call.preconditionFailed != "" {
			// The storage of these kinds looks at them itself, and says which object it has found (upstream).
			tree.Set(o, tree.Text(a.Old, "metadata", "uid"), "preconditions", "uid")
		}
	} else {
		for _, name := range [...]string{"fieldManager", "fieldValidation"} {
			if v := a.call.param(name); v != "" {
				o[name] = v
			}
		}
	}
	if a.DryRun {
		o["dryRun"] = []any{"All"}
	}
	o["kind"], o["apiVersion"] = kind, "meta.k8s.io/v1"
	return o
}

// Forbidden returns the 403 by which a plugin refuses a write, in upstream's form: an object that has no name yet is named by what its
// name will begin with. A caller may add causes.
func (a *Admission) Forbidden(why string) *status.Error {
	name := cmp.Or(a.Name, tree.Text(a.Object, "metadata", "generateName"), "Unknown")
	return status.Forbidden(a.Resource.Group, a.Resource.Plural, name, why)
}

// Fit makes obj, which admission has made of Object or of what that is in the resource to, fit the type of its kind: what
// that does not have is removed, and what is missing is set to its default. The error is the client's, but one that is no
// *status.Error says which value has another JSON type.
func (a *Admission) Fit(obj map[string]any, to *Resource) error {
	_, err := a.fit(obj, to)
	return err
}

// FitStrictly is Fit, and the fields that a built-in type does not have are an error too.
func (a *Admission) FitStrictly(obj map[string]any, to *Resource) error {
	unknown, err := a.fit(obj, to)
	if err != nil || len(unknown) == 0 || a.Resource.custom {
		return err
	}
	for i := range unknown {
		unknown[i] = unknownField(unknown[i])
	}
	return errors.New("strict decoding error: " + strings.Join(unknown, ", "))
}

// fit is Fit, and returns the paths of what was removed.
func (a *Admission) fit(obj map[string]any, to *Resource) (unknown []string, err error) {
	r := a.Resource
	if t, isBody := a.body(); isBody {
		if t == nil {
			return nil, nil
		}
		return kinds.Prune(t, obj)
	}
	if r.custom {
		if err := to.checkSaid(obj); err != nil {
			return nil, err
		}
		obj["apiVersion"] = to.apiVersion()
		if to != r { // only in its own version is anything removed
			to.shape.SetDefaults(obj)
			return nil, nil
		}
	} else {
		if err := to.checkRegistered(obj); err != nil {
			return nil, err
		}
		obj["kind"], obj["apiVersion"] = to.Kind, to.apiVersion()
	}
	if unknown, err = to.shape.Prune(obj); err != nil {
		if r.custom { // of which metadata alone has types here
			err = status.Invalid(to.Group, to.Kind, tree.Name(obj), []field.Error{field.Invalid("metadata", obj["metadata"], err.Error())})
		}
		return nil, err
	}
	to.shape.SetDefaults(obj)
	return unknown, nil
}

// body returns the type of the question's objects where they are not of the resource's kind but the body of a subresource, nil for one
// that nobody knows.
func (a *Admission) body() (t *kinds.Type, ok bool) {
	group, version, kind := a.Kind()
	if kind == a.Resource.Kind && group == a.Resource.Group {
		return nil, false
	}
	return a.Resource.api.Kinds.Body(group, version, kind), true
}

// Owned returns how the fields of the question's objects are owned, in the form of them that the resource in has; nil where the OpenAPI
// document of their version does not tell.
func (a *Admission) Owned(in *Resource) fieldset.Schema {
	if t, isBody := a.body(); isBody {
		// Of bodies a document has those of its own version, and not the options of a connection.
		group, version, _ := a.Kind()
		if t == nil || group != in.Group || version != in.Version || a.Operation == OperationConnect {
			return nil
		}
		return t.Owned()
	}
	s, _ := versions{Resource: in}.Schema(in.apiVersion())
	return s
}

// checkSaid returns what upstream says of a custom object that no longer says what it is, or says it is of another kind. Of another
// version it says nothing.
func (r *Resource) checkSaid(obj map[string]any) error {
	switch kind := tree.Text(obj, "kind"); {
	case kind == "":
		return errors.New(missingKind + string(tree.AppendJSON(nil, obj)) + "'")
	case kind != r.Kind:
		return status.Invalid(r.Group, kind, tree.Name(obj), []field.Error{field.Invalid("kind", kind, "must be "+r.Kind)})
	case tree.Text(obj, "apiVersion") == "":
		const lost = "/, Kind=%s is unstructured and is not suitable for converting to %q"
		return status.Unexplained(fmt.Sprintf(lost, kind, r.apiVersion()))
	}
	return nil
}

// checkRegistered returns what upstream says of a built-in object that says it is of another kind or version. One that does not say
// it is as it was.
func (r *Resource) checkRegistered(obj map[string]any) error {
	kind, version := cmp.Or(tree.Text(obj, "kind"), r.Kind), cmp.Or(tree.Text(obj, "apiVersion"), r.apiVersion())
	if kind != r.Kind || version != r.apiVersion() {
		return errors.New(notRegistered(kind, version))
	}
	return nil
}

// wants reports whether admission is to be asked in a phase. Nobody is asked about a write that is a part of another one.
//
//go:noinline
func (q *Call) wants(phase Phase, operation string) bool {
	return !q.admitted && q.admitters.Wants != nil && q.admitters.Wants(phase, q.info.Subresource, operation)
}

// admit asks admission about the write as it is now. It returns nil, or the failure that the
// client gets.
func (w *write) admit(phase Phase) error {
	operation := OperationUpdate
	switch {
	case w.next == nil:
		operation = OperationDelete
	case w.old == nil:
		operation = OperationCreate
	}
	// The question is made after this and passed by value, so that no write is moved to the heap for
	// an answer that nobody wants.
	if !w.wants(phase, operation) {
		return nil
	}
	a := w.question(phase, operation)
	a.Object, a.Old, a.deletes = w.next, w.was, w.deletes
	if w.view != nil {
		a.Object, a.Old = w.view(w.next), w.view(w.was)
	}
	if operation == OperationCreate {
		a.Name = tree.Name(w.next)
	}
	return w.admitters.Ask(w.req.Context(), a)
}

// question returns what all questions of a call have in common.
func (q *Call) question(phase Phase, operation string) Admission {
	a := Admission{
		Phase: phase, Operation: operation, DryRun: q.dryRun, Resource: q.Resource, Subresource: q.info.Subresource,
		Namespace: q.namespace, Name: q.name, Scope: q.scope, FieldManager: q.manager, call: q,
	}
	if q.info.Verb == "deletecollection" {
		a.Name = ""
	}
	return a
}

// ask asks admission about what is no object of the resource: a body below one, or the options of a connection.
func (q *Call) ask(phase Phase, operation string, obj, old map[string]any) error {
	if !q.wants(phase, operation) {
		return nil
	}
	a := q.question(phase, operation)
	a.Object, a.Old = obj, old
	if a.Name == "" {
		a.Name = tree.Name(obj)
	}
	return q.admitters.Ask(q.req.Context(), a)
}

// mutate lets mutating admission change next, as it was sent and with its defaults and owners: what the server sets and keeps comes
// afterwards. What may not change is refused in it as in what a client sends. Without admission it does nothing.
func (w *write) mutate() error {
	operation := OperationUpdate
	if w.old == nil {
		operation = OperationCreate
	}
	if w.view != nil || !w.wants(Mutating, operation) { // the view has been asked about
		return nil
	}
	owners := tree.Metadata(w.next)["managedFields"]
	if err := w.admit(Mutating); err != nil {
		return err
	}
	w.mutated = true
	m := tree.Metadata(w.next)
	w.checkOwners(w.next, owners)
	if err := w.checkNamespace(m); err != nil || w.old == nil {
		return err
	}
	if name := tree.Text(m, "name"); name != w.old.Name() {
		errs := immutableName(name)
		return status.Invalid(w.Group, w.Kind, name, errs)
	}
	if given := tree.Text(m, "resourceVersion"); given != "" && given != "0" && given != strconv.FormatInt(w.old.Rev, 10) {
		return w.conflict(w.name, status.ChangedMeanwhile)
	}
	return nil
}

// immutableName returns what is wrong with another name than that of the object there is.
func immutableName(name string) (errs []field.Error) {
	if name == "" {
		errs = append(errs, field.Required("metadata.name", "name or generateName is required"))
	}
	return append(errs, field.Invalid("metadata.name", name, "field is immutable"))
}
