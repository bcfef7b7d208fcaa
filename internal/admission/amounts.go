package admission

import (
	"maps"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Amounts of resources, by name, and what a pod asks for in all. A container of a pod that is done
// before the others start (an init container) counts only where it needs more than these together; one
// that goes on beside them (restartPolicy Always) counts as one of them, and beside those behind it.

// amounts are quantities by the name of a resource. What is no quantity is 0: the types of kinds let
// none pass.
type amounts map[string]amount

// amountsOf reads a list as an object has it: requests, limits, hard. It returns an empty one for nil,
// never nil, so that the caller may add to it.
func amountsOf(list map[string]any) amounts {
	a := make(amounts, len(list))
	for name, v := range list {
		a[name] = amountOf(v)
	}
	return a
}

// object returns the amounts as an object has them.
// The map is new, and its values are texts.
func (a amounts) object() map[string]any {
	list := make(map[string]any, len(a))
	for name, v := range a {
		list[name] = v.String()
	}
	return list
}

// add adds b to a.
// Names that a does not have come from b as they are written there.
func (a amounts) add(b amounts) {
	for name, v := range b {
		// Without an operand the text stays as its writer has it, 1000m and not 1.
		if is, ok := a[name]; ok {
			v = is.plus(v)
		}
		a[name] = v
	}
}

// raise makes a at least b.
// It keeps a's way of writing where both are equal.
func (a amounts) raise(b amounts) {
	for name, v := range b {
		if is, ok := a[name]; !ok || v.cmp(is) > 0 {
			a[name] = v
		}
	}
}

// equal reports whether both have the same numbers under the same names.
// A name that only one of them has makes them differ, even with 0 (upstream compares the maps, too).
func (a amounts) equal(b amounts) bool {
	return maps.EqualFunc(a, b, func(x, y amount) bool { return x.cmp(y) == 0 })
}

// only returns those of the names.
// Names that a lacks are left out; the result is new.
func (a amounts) only(names []string) amounts {
	some := amounts{}
	for _, name := range names {
		if v, ok := a[name]; ok {
			some[name] = v
		}
	}
	return some
}

// names returns the names, sorted.
// Messages, and whatever else has an order, go by it.
func (a amounts) names() []string { return slices.Sorted(maps.Keys(a)) }

// String lists the amounts as messages have them: cpu=1,memory=2Gi.
// It is sorted by name, and empty without any.
func (a amounts) String() string {
	var parts []string
	for _, name := range a.names() {
		parts = append(parts, name+"="+a[name].String())
	}
	return strings.Join(parts, ",")
}

// podSums says what counts for a pod beside its containers.
type podSums struct {
	// overhead counts what the pod's class costs; hugePages lets what the pod asks for as a whole
	// say of huge pages too.
	overhead, hugePages bool
	// status counts what containers have, where that is more than they ask for: a pod that is resized
	// holds both.
	status bool
}

// podTotal returns the requests or limits (as what says) of a pod in all.
// Upstream's rule is PodRequests and PodLimits of component-helpers; the caller owns the result. What
// the pod says as a whole replaces what its containers add up to, for cpu and memory, and for huge
// pages where that is asked for.
func podTotal(pod map[string]any, what string, o podSums) amounts {
	spec := tree.Object(pod, "spec")
	total := podSum(spec, func(container any) amounts { return amountsOf(tree.Object(container, "resources", what)) })
	// What a status has is of containers, so it comes before what the pod says as a whole.
	if o.status {
		total = podHeld(pod, what, total)
	}
	for name, v := range amountsOf(tree.Object(spec, "resources", what)) {
		if name == "cpu" || name == "memory" || o.hugePages && strings.HasPrefix(name, "hugepages-") {
			total[name] = v
		}
	}
	if !o.overhead {
		return total
	}
	costs := amountsOf(tree.Object(spec, "overhead"))
	if what == "limits" {
		// What is not limited is not by its overhead either.
		maps.DeleteFunc(costs, func(name string, _ amount) bool { return total[name].sign() == 0 })
	}
	total.add(costs)
	return total
}

// podSum adds up what each container of a pod has.
// of is what one container has. With containers a and b, an init container i, and one, s, that goes on
// beside them, it is
//
//	max( a + b + s, i [+ s if s stands before i] )
//
// for each resource by itself.
func podSum(spec map[string]any, of func(container any) amounts) amounts {
	total, beside, first := amounts{}, amounts{}, amounts{}
	for _, container := range tree.List(spec, "containers") {
		total.add(of(container))
	}
	for _, container := range tree.List(spec, "initContainers") {
		// In the order of the list: only those that began before run beside this one.
		needs := of(container)
		if tree.Text(container, "restartPolicy") == "Always" {
			total.add(needs)
			beside.add(needs)
			needs = beside
		} else {
			// Its own, since what of returned may be shared.
			needs = maps.Clone(needs)
			needs.add(beside)
		}
		first.raise(needs)
	}
	total.raise(first)
	return total
}

// podHeld returns what a pod holds that asks for so much: of each resource the most of what it asks for,
// what is set aside for it and what it has. What it asks for in vain does not count.
// The kubelet's word counts because a node gives up resources later than they are asked away: what is
// still set aside is still used.
func podHeld(pod map[string]any, what string, asked amounts) amounts {
	// What can never be granted would block the quota for nothing.
	infeasible := false
	for _, c := range tree.List(pod, "status", "conditions") {
		infeasible = infeasible || tree.Text(c, "type") == "PodResizePending" && tree.Text(c, "reason") == "Infeasible"
	}
	// has returns the first of the two that a container's status says, or what its spec says.
	has := func(paths ...[]string) amounts {
		return podSum(tree.Object(pod, "spec"), func(container any) amounts {
			status := statusOf(pod, tree.Text(container, "name"))
			for _, path := range paths {
				if list := tree.Object(status, path...); list != nil {
					return amountsOf(list)
				}
			}
			if infeasible {
				return amounts{}
			}
			return amountsOf(tree.Object(container, "resources", what))
		})
	}
	held := has([]string{"resources", what})
	if what == "requests" {
		// Requests alone are set aside on the node, which limits are not.
		held = has([]string{"resources", what}, []string{"allocatedResources"})
		held.raise(has([]string{"allocatedResources"}))
	}
	if !infeasible {
		held.raise(asked)
	}
	return held
}

// statusOf returns the status of a container of a pod, nil if there is none yet.
// Ephemeral containers have none that counts: they ask for nothing.
func statusOf(pod map[string]any, name string) any {
	for _, list := range [...]string{"containerStatuses", "initContainerStatuses"} {
		for _, s := range tree.List(pod, "status", list) {
			if tree.Text(s, "name") == name {
				return s
			}
		}
	}
	return nil
}

// causeOf returns a cause that has a reason alone.
// Upstream adds such a one to a refusal for programs to read, with neither a message nor a field.
func causeOf(reason string) field.Error { return field.Error{Reason: reason} }
