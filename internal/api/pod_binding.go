package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// The binding of a pod to a node, which a scheduler asks for: by a Binding that is created below the
// pod, or in the older resource bindings. Nothing of it is stored but what it does to the pod.

// bindPod serves the create of a Binding, below a pod or by itself.
func bindPod(q *Call) error {
	if q.info.Verb != "create" {
		return q.unsupported(q.info.Verb)
	}
	if err := q.writeOptions("CreateOptions"); err != nil {
		return err
	}
	b, err := q.readBelow(q.api.Kinds.Body("", "v1", "Binding"), "v1", "Binding")
	if err != nil {
		return err
	}
	if err := q.ask(Mutating, OperationCreate, b, nil); err != nil {
		return err
	}
	name := tree.Name(b)
	switch {
	case q.name != "" && name != q.name:
		return status.BadRequest("name in URL does not match name in Binding object")
	case name == "":
		return status.BadRequest("Name parameter required.")
	}
	if err := bindingErrors(b); err != nil {
		return err
	}
	if err := q.ask(Validating, OperationCreate, b, nil); err != nil {
		return err
	}
	pods := q.api.Builtin("", "v1", "Pod")
	err = q.api.on(q, pods, name).retry(forever, func(old *store.Object) error {
		if old == nil {
			return pods.notFound(name)
		}
		return q.api.on(q, pods, name).bind(old, b)
	})
	if err != nil {
		return err
	}
	return q.answerSuccess()
}

// readBelow reads the body of a create below an object, which must say the namespace of the path if it says one. What it
// returns says its kind and the namespace.
func (q *Call) readBelow(typ *kinds.Type, apiVersion, kind string) (map[string]any, error) {
	obj, err := q.readTyped(typ, apiVersion, kind)
	if err != nil {
		return nil, err
	}
	if err := q.checkNamespace(tree.Metadata(obj)); err != nil {
		return nil, err
	}
	if obj == nil {
		obj = map[string]any{}
	}
	obj["apiVersion"], obj["kind"] = apiVersion, kind
	tree.Metadata(obj)["namespace"] = q.namespace
	return obj, nil
}

// on returns a call of the program itself for an object of another resource in the namespace of q,
// with the writer, the warnings and the dry run of q. Admission is asked about q and not about what it does.
func (s *API) on(q *Call, r *Resource, name string) *Call {
	c := s.Internal(r, "update", q.namespace, name, "")
	c.req, c.scope, c.dryRun, c.admitted, c.manager = q.req, q.scope, q.dryRun, true, q.manager
	return c
}

// answerSuccess answers a create that has done what it says with a Status.
func (q *Call) answerSuccess() error {
	q.form.kind = formObject
	return q.sendTree(http.StatusCreated, map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Success", "code": int64(http.StatusCreated),
	})
}

// bindingErrors returns what is wrong with the target of a Binding, as the 500 that upstream has for it.
func bindingErrors(b map[string]any) error {
	var errs []string
	kind, name := tree.Text(b, "target", "kind"), tree.Text(b, "target", "name")
	if kind != "" && kind != "Node" {
		errs = append(errs, field.NotSupported("target.kind", kind, "Node", "<empty>").String())
	}
	if name == "" {
		errs = append(errs, field.Required("target.name", "").String())
	} else if kind == "" || kind == "Node" {
		for _, why := range field.DNSSubdomainErrors(name) {
			errs = append(errs, field.Invalid("target.name", name, why).String())
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return status.Unexplained(errs[0])
	}
	return status.Unexplained("[" + strings.Join(errs, ", ") + "]")
}

// bind writes the pod old as bound by b. What rules it out is a 409 of pods/binding.
func (q *Call) bind(old *store.Object, b map[string]any) error {
	given, err := readPreconditions(b)
	if err != nil {
		return err
	}
	if err := given.checkStored(q, old); err != nil {
		return err
	}
	w := write{Call: q, old: old, was: q.decode(old), next: q.decode(old)}
	why, node := "", tree.Text(w.next, "spec", "nodeName")
	switch {
	case old.Meta.Deleting:
		why = "pod " + q.name + " is being deleted, cannot be assigned to a host"
	case node != "":
		why = "pod " + q.name + " is already assigned to node " + strconv.Quote(node)
	case len(tree.List(w.next, "spec", "schedulingGates")) > 0:
		why = "pod " + q.name + " has non-empty .spec.schedulingGates"
	}
	if why != "" {
		return status.Conflict("", "pods/binding", q.name, why)
	}
	tree.Set(w.next, tree.Text(b, "target", "name"), "spec", "nodeName")
	delete(tree.Object(w.next, "status"), "nominatedNodeName")
	for _, kind := range [...]string{"annotations", "labels"} {
		for k, v := range tree.Object(b, "metadata", kind) {
			tree.Set(w.next, v, "metadata", kind, k)
		}
	}
	setPodCondition(w.next, map[string]any{"type": "PodScheduled", "status": "True"}, time.Now())
	return w.commit() // no new generation: the node is not what somebody wants of the pod (upstream)
}

// setPodCondition puts a condition into the status of a pod, in the place of one of its type. The time
// of a change of its status is now.
func setPodCondition(pod, condition map[string]any, now time.Time) {
	condition["lastTransitionTime"] = timeText(now)
	condition["lastProbeTime"] = nil
	list := tree.List(pod, "status", "conditions")
	for i, c := range list {
		if tree.Text(c, "type") != condition["type"] {
			continue
		}
		if tree.Text(c, "status") == condition["status"] {
			condition["lastTransitionTime"] = tree.At(c, "lastTransitionTime")
		}
		list[i] = condition
		return
	}
	tree.Set(pod, append(list, condition), "status", "conditions")
}
