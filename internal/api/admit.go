package api

import (
	"context"

	"apichain/internal/request"
	"apichain/internal/tree"
)

// Admission is the seam for whoever may change or refuse a write but is no part of the resource:
// plugins, webhooks, policies, quota. It is asked twice in each attempt to write, as upstream's
// chain of admission plugins is: to change the object, when it has its defaults and nobody has
// checked it; and to refuse it, when it is checked and counted and just about to be stored. A
// write that is retried after a conflict is a new attempt and is asked about anew.
//
// Who is asked about a resource is known when the resource is made (Config.Admit). Most resources
// have nobody who changes them: then the step costs a comparison with nil.

// Phase says at which moment of a write admission is asked.
type Phase int

const (
	// Mutating admission may change the object, in place. It sees it pruned and with defaults,
	// and before it has a generated name.
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

// Admitters are who is asked about the writes of a resource, by Phase; nil is nobody.
type Admitters [2]Admit

// Admission is one question of admission. It is passed by value, and its trees are the
// write's own: they must not be kept beyond the answer, and only Mutating admission may change
// Object.
type Admission struct {
	// What is asked.

	// Phase is Mutating or Validating.
	Phase Phase
	// Operation is one of the three above. A patch, a scale and a change of status are updates.
	Operation string
	// DryRun says that nothing will be stored: whoever decides must not have effects either.
	DryRun bool

	// What is written, in the version of the request.

	Resource    *Resource
	Subresource string
	// Namespace is "" for an object of the cluster; Name is "" for one whose name is not made yet.
	Namespace, Name string
	// Object is as it is to be, nil for a delete. Old is as it is stored, nil for a create.
	Object, Old map[string]any

	// Who writes.

	// Scope knows the user and takes warnings. For the program's own writes it is an empty one.
	Scope request.Scope
	// FieldManager is what the client calls itself in the options, "" if it does not.
	FieldManager string
}

// admit asks admission about the write as it is now. It returns nil, or the failure that the
// client gets.
func (w *write) admit(phase Phase) error {
	// The question is made here and passed by value, so that no write is moved to the heap for
	// an answer that nobody wants.
	if ask := w.admitters[phase]; ask != nil {
		return ask(w.req.Context(), w.admission(phase))
	}
	return nil
}

// admission returns the question. Which trees the write has says what operation it is.
func (w *write) admission(phase Phase) Admission {
	a := Admission{
		Phase:        phase,
		Operation:    OperationUpdate,
		DryRun:       w.dryRun,
		Resource:     w.Resource,
		Subresource:  w.info.Subresource,
		Namespace:    w.namespace,
		Name:         w.name,
		Object:       w.next,
		Old:          w.was,
		Scope:        w.scope,
		FieldManager: w.manager,
	}
	switch {
	case w.next == nil:
		a.Operation = OperationDelete
	case w.old == nil:
		a.Operation, a.Name = OperationCreate, tree.Name(w.next)
	}
	return a
}
