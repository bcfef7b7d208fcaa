package admission

import (
	"context"
	"fmt"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// Priority turns the name of a pod's class into a number, which nobody may choose. A pod that names no
// class is of the one that is the default of all, or has the priority 0. An update keeps what is set.

// DefaultPriority is of pods where no class is the default.
const defaultPriority = int64(0)

// setPriority is the act of Priority on pods.
// On a create it sets priority, policy and, by the default, the name of the class; a pod that says
// otherwise is refused with 403.
func (c *Chain) setPriority(_ context.Context, a api.Admission) error {
	spec := specOf(a.Object)
	// A client of before these fields sends a pod without them, and means no change. What it changes of
	// them the kind refuses.
	if a.Operation == api.OperationUpdate {
		for _, f := range [...]string{"priority", "preemptionPolicy"} {
			if was := tree.At(a.Old, "spec", f); spec[f] == nil && was != nil {
				spec[f] = was
			}
		}
		return nil
	}
	value, policy := defaultPriority, "PreemptLowerPriority"
	// The default counts only for pods that name no class.
	class := c.defaultPriorityClass()
	if name := tree.Text(spec, "priorityClassName"); name != "" {
		if class = named(c.priorities.of(c.objects, ""), name); class == nil {
			return a.Forbidden("no PriorityClass with name " + name + " was found")
		}
	} else if class != nil {
		spec["priorityClassName"] = tree.Name(class)
	}
	if class != nil {
		value, _ = class["value"].(int64)
		policy = tree.Text(class, "preemptionPolicy")
	}
	// The very number that it would get is no choice: so a pod that was read may be made again.
	if given, ok := spec["priority"].(int64); ok && given != value {
		return a.Forbidden(fmt.Sprintf("the integer value of priority (%d) must not be provided in pod spec; "+
			"priority admission controller computed %d from the given PriorityClass name", given, value))
	}
	spec["priority"] = value
	// Only classes of an old database have none.
	if policy == "" {
		return nil
	}
	if given := tree.Text(spec, "preemptionPolicy"); given != "" && given != policy {
		return a.Forbidden(fmt.Sprintf("the string value of PreemptionPolicy (%s) must not be provided in pod spec; "+
			"priority admission controller computed %s from the given PriorityClass name", given, policy))
	}
	spec["preemptionPolicy"] = policy
	return nil
}

// checkPriorityClass is the act of Priority on its classes: one may be the default.
// A class that is the default already may be written again.
func (c *Chain) checkPriorityClass(_ context.Context, a api.Admission) error {
	if !tree.True(a.Object["globalDefault"]) {
		return nil
	}
	if is := c.defaultPriorityClass(); is != nil && (a.Operation == api.OperationCreate || tree.Name(is) != tree.Name(a.Object)) {
		return a.Forbidden("PriorityClass " + tree.Name(is) + " is already marked as default. Only one default can exist")
	}
	return nil
}

// defaultPriorityClass returns the class of pods that name none, nil without one. Of several, which
// two writers at once may make, it is the one of the lowest value (upstream).
// The object is shared, and nobody changes it.
func (c *Chain) defaultPriorityClass() (class map[string]any) {
	for _, obj := range c.priorities.of(c.objects, "") {
		if !tree.True(obj["globalDefault"]) {
			continue
		}
		v, _ := obj["value"].(int64)
		if least, _ := class["value"].(int64); class == nil || v < least {
			class = obj
		}
	}
	return class
}

// named returns the object of a name among objects, nil if there is none.
func named(all []map[string]any, name string) map[string]any {
	for _, obj := range all {
		if tree.Name(obj) == name {
			return obj
		}
	}
	return nil
}

// specOf returns the spec of an object, which has one from now on.
// Plugins are asked before the kind's rules, so an object may come without.
func specOf(obj map[string]any) map[string]any {
	if tree.Object(obj, "spec") == nil {
		obj["spec"] = map[string]any{}
	}
	return tree.Object(obj, "spec")
}

// SystemPriorityClasses returns the two classes that every server has from its start (upstream): for
// pods without which no node, and no cluster, works.
// They are new at each call, complete but for what the server sets, and stand above all that users may
// have: 2000001000 and 2000000000, where others end at 1000000000.
func SystemPriorityClasses() (classes []map[string]any) {
	const highest = int64(2000000000)
	for i, c := range [...]struct{ name, about string }{
		{"system-node-critical", "Used for system critical pods that must not be moved from their current node."},
		{"system-cluster-critical", "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."},
	} {
		classes = append(classes, map[string]any{
			"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": map[string]any{"name": c.name},
			"value": highest + 1000 - int64(i)*1000, "description": c.about, "preemptionPolicy": "PreemptLowerPriority",
		})
	}
	return classes
}
