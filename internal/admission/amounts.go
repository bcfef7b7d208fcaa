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

func amountsOf(list map[string]any) amounts {
	a := make(amounts, len(list))
	for name, v := range list {
		a[name] = amountOf(v)
	}
	return a
}

// object returns the amounts as an object has them.
func (a amounts) object() map[string]any {
	list := make(map[string]any, len(a))
	for name, v := range a {
		list[name] = v.String()
	}
	return list
}

// add adds b to a.
func (a amounts) add(b amounts) {
	for name, v := range b {
		if is, ok := a[name]; ok {
			v = is.plus(v)
		}
		a[name] = v
	}
}

// raise makes a at least b.
func (a amounts) raise(b amounts) {
	for name, v := range b {
		if is, ok := a[name]; !ok || v.cmp(is) > 0 {
			a[name] = v
		}
	}
}

// equal reports whether both have the same numbers under the same names.
func (a amounts) equal(b amounts) bool {
	return maps.EqualFunc(a, b, func(x, y amount) bool { return x.cmp(y) == 0 })
}

// only returns those of the names.
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
func (a amounts) names() []string { return slices.Sorted(maps.Keys(a)) }

// String lists the amounts as messages have them: cpu=1,memory=2Gi.
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
func podTotal(pod map[string]any, what string, o podSums) amounts {
	spec := tree.Object(pod, "spec")
	total := podSum(spec, func(container any) amounts { return amountsOf(tree.Object(container, "resources", what)) })
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
func podSum(spec map[string]any, of func(container any) amounts) amounts {
	total, beside, first := amounts{}, amounts{}, amounts{}
	for _, container := range tree.List(spec, "containers") {
		total.add(of(container))
	}
	for _, container := range tree.List(spec, "initContainers") {
		needs := of(container)
		if tree.Text(container, "restartPolicy") == "Always" {
			total.add(needs)
			beside.add(needs)
			needs = beside
		} else {
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
func podHeld(pod map[string]any, what string, asked amounts) amounts {
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
		held = has([]string{"resources", what}, []string{"allocatedResources"})
		held.raise(has([]string{"allocatedResources"}))
	}
	if !infeasible {
		held.raise(asked)
	}
	return held
}

// statusOf returns the status of a container of a pod, nil if there is none yet.
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
func causeOf(reason string) field.Error { return field.Error{Reason: reason} }
