package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Resources that containers and pods ask for (requests) and may use at most (limits): which
// names there are, which amounts, and how those of a pod go with those of its containers. A
// name has a prefix, but for those of Kubernetes; of the latter only a few are a container's:
//
//	cpu, memory, ephemeral-storage   may be more in limits than in requests
//	hugepages-2Mi                    as much in both, and whole pages
//	example.com/gpu                  as much in both, and a whole number
//
// The names of quotas (requests.cpu, pods) are standard too, and refused where a container asks
// for them, with a text of its own.

// sort of resources, which says what names it has: a pod as a whole asks for less than a
// container.
type resourceSort int

const (
	containerResource resourceSort = iota
	podResource
)

// standardResources are the names without a prefix that mean anything at all, quotas included.
// They are one text, which is searched without a map.
const standardResources = "cpu memory ephemeral-storage requests.cpu requests.memory requests.ephemeral-storage limits.cpu limits.memory " +
	"limits.ephemeral-storage pods resourcequotas services replicationcontrollers secrets configmaps persistentvolumeclaims storage " +
	"requests.storage services.nodeports services.loadbalancers"

// isStandardResource reports whether a name without a prefix is one of a resource. Huge pages
// are of any size, so that there is no list of them.
func isStandardResource(name string) bool {
	return isHugePages(name) || strings.HasPrefix(name, "requests.hugepages-") || listed(standardResources, name)
}

// isHugePages reports whether a resource is memory in pages of one size.
func isHugePages(name string) bool { return strings.HasPrefix(name, "hugepages-") }

// isNativeResource reports whether a resource is Kubernetes' own: without a prefix, or with one
// of its domain.
func isNativeResource(name string) bool {
	return !strings.Contains(name, "/") || strings.Contains(name, "kubernetes.io/")
}

// mayOvercommit reports whether a container may use more of a resource than it asks for. What
// is somebody else's is counted in whole devices, and pages are set aside: neither can be
// shared.
func mayOvercommit(name string) bool { return isNativeResource(name) && !isHugePages(name) }

// isExtendedResource reports whether a resource is somebody else's, and a quota can name it,
// which puts a word in front; so the name must still be one with that.
func isExtendedResource(name string) bool {
	return !isNativeResource(name) && !strings.HasPrefix(name, "requests.") && len(field.LabelKeyErrors("requests."+name)) == 0
}

// isPodResource reports whether a pod can have a resource as a whole.
func isPodResource(name string) bool { return name == "cpu" || name == "memory" || isHugePages(name) }

// resourceName adds what is wrong with the name of a resource, whose value is in a list (limits
// or requests) of what is at a path.
func (p *podSpec) resourceName(sort resourceSort, name, list string, at []any) {
	// Nearly all are one of these; they need no further look.
	if name == "cpu" || name == "memory" {
		return
	}
	errs := field.LabelKeyErrors(name)
	prefixed := strings.Contains(name, "/")
	if len(errs) == 0 && !prefixed && !isStandardResource(name) {
		errs = []string{"must be a standard resource type or fully qualified"}
	}
	// A name that is no name at all is not held to the list of what a pod may have (upstream).
	switch {
	case sort == podResource && len(errs) == 0 && !isPodResource(name):
		p.Add(field.NotSupported(p.Path(at...)+"."+list+"["+name+"]", name, "cpu", "hugepages-", "memory"))
	case sort == podResource:
	case !prefixed && name != "ephemeral-storage" && !isHugePages(name):
		errs = append(errs, "must be a standard resource for containers")
	// A name with a prefix that a quota could not name is refused, since it could not be
	// bounded.
	case prefixed && !isNativeResource(name) && !isExtendedResource(name):
		errs = append(errs, "doesn't follow extended resource name standard")
	}
	for _, why := range errs {
		p.Add(field.Invalid(p.Path(at...)+"."+list+"["+name+"]", name, why))
	}
}

// amount adds what is wrong with an amount of a resource. Amounts are quantities by now; what
// is none was refused when the object was decoded.
func (p *podSpec) amount(name string, v any, list string, at []any) {
	s := text(v)
	if quantity.Sign(s) < 0 {
		p.Add(field.Invalid(p.Path(at...)+"."+list+"["+name+"]", v, "must be greater than or equal to 0"))
	}
	if name == "cpu" || name == "memory" {
		return
	}
	// There is no part of a device; thousandths are counted, in which a fraction shows.
	if isExtendedResource(name) && quantity.Units(s, -3)%1000 != 0 {
		p.Add(field.Invalid(p.Path(at...)+"."+list+"["+name+"]", v, "must be an integer"))
	}
	// Upstream began to ask for whole pages when there were pods without; these may be updated.
	if !isPages(name, s) && !p.hadOddPages() {
		p.Add(field.Invalid(p.Path(at...)+"."+list+"["+name+"]", v, s+" is not positive integer multiple of "+name))
	}
}

// isPages reports whether an amount is a number of pages of the size that the name of huge
// pages says; that of any other resource is. A size that is no quantity has no pages.
func isPages(name, amount string) bool {
	size, huge := strings.CutPrefix(name, "hugepages-")
	return !huge || quantity.Check(size) == nil && quantity.Sign(size) > 0 && quantity.Units(size, -3)%1000 == 0 &&
		quantity.Units(amount, 0)%quantity.Units(size, 0) == 0
}

// hadOddPages reports whether the old spec has an amount of huge pages that is not a number of
// them. One is a pass for all, as upstream has it.
func (p *podSpec) hadOddPages() bool {
	for c := range containersOf(p.old) {
		for _, list := range [...]string{"limits", "requests"} {
			for name, v := range tree.Object(c.obj, "resources", list) {
				if !isPages(name, text(v)) {
					return true
				}
			}
		}
	}
	for name, v := range tree.Object(p.old, "overhead") {
		if !isPages(name, text(v)) {
			return true
		}
	}
	return false
}

// sortedKeys returns the keys of a map in order, in buf where that is enough: with a buffer on
// the stack of the caller, a good spec costs no memory.
func sortedKeys(m map[string]any, buf []string) []string {
	buf = buf[:0]
	for k := range m {
		buf = append(buf, k)
	}
	slices.Sort(buf)
	return buf
}

// resources checks the limits, the requests and the claims of a container or a pod (upstream's
// validateResourceRequirements). Errors are in the order of names; upstream's is any.
func (p *podSpec) resources(r map[string]any, sort resourceSort, at ...any) {
	limits, requests := tree.Object(r, "limits"), tree.Object(r, "requests")
	var buf [8]string
	// Huge pages count as memory of their own, so that a pod with nothing else would be
	// scheduled as if it needed nothing to run in.
	huge, basic := false, false
	for _, name := range sortedKeys(limits, buf[:]) {
		p.resourceName(sort, name, "limits", at)
		p.amount(name, limits[name], "limits", at)
		huge, basic = huge || isHugePages(name), basic || name == "cpu" || name == "memory"
	}
	for _, name := range sortedKeys(requests, buf[:]) {
		v := requests[name]
		p.resourceName(sort, name, "requests", at)
		p.amount(name, v, "requests", at)
		huge, basic = huge || isHugePages(name), basic || name == "cpu" || name == "memory"
		// A request without a limit is bounded by the node alone, which must not be so with
		// what cannot be shared. The paths are those of the lists, without the name (upstream).
		if limit, ok := limits[name]; ok {
			switch d := quantity.Cmp(text(v), text(limit)); {
			case d != 0 && !mayOvercommit(name):
				p.Add(field.Invalid(p.Path(at...)+".requests", v, "must be equal to "+name+" limit of "+text(limit)))
			case d > 0:
				p.Add(field.Invalid(p.Path(at...)+".requests", v, "must be less than or equal to "+name+" limit of "+text(limit)))
			}
		} else if !mayOvercommit(name) {
			p.Add(field.Required(p.Path(at...)+".limits", "Limit must be set for non overcommitable resources"))
		}
	}
	if huge && !basic {
		p.Add(field.Forbidden(p.Path(at...), "HugePages require cpu or memory"))
	}
	p.claimNames(r, at)
}

// claimNames checks that a container names claims of the pod, each once, or requests of one
// each once. Two requests of one claim are two devices; a claim as a whole has all of them.
func (p *podSpec) claimNames(r map[string]any, at []any) {
	// parts has names of claims beside name/request: that some request of the claim was named.
	var whole, parts set[string]
	for i, claim := range each(r["claims"]) {
		name, request := tree.Text(claim, "name"), tree.Text(claim, "request")
		if name == "" {
			p.Add(field.Required(fmt.Sprintf("%s.claims[%d]", p.Path(at...), i), ""))
			continue
		}
		path := func() string { return fmt.Sprintf("%s.claims[%d]", p.Path(at...), i) }
		switch {
		case whole.has(name):
			p.Add(field.Duplicate(path(), name))
		// Both orders are refused: the whole after a part here, a part after the whole above.
		case request == "":
			if parts.has(name) {
				p.Add(field.Duplicate(path(), name))
			}
			whole.add(name)
		default:
			for _, why := range field.DNSLabelErrors(request) {
				p.Add(field.Invalid(path()+".request", request, why))
			}
			if key := name + "/" + request; parts.add(key) {
				p.Add(field.Duplicate(path(), key))
			}
			parts.add(name)
		}
		if !p.claims.has(name) {
			// Upstream's text goes on with the names that there are to choose from.
			e, names := notFound(path(), name), p.claimsInOrder()
			if e.Message += ": must be one of the names in pod.spec.resourceClaims"; len(names) == 0 {
				e.Message += " which is empty"
			} else {
				e.Message += ": " + strings.Join(names, ", ")
			}
			p.Add(e)
		}
	}
}

// claimsInOrder returns the names of the pod's claims, in order, each once.
func (p *podSpec) claimsInOrder() (names []string) {
	for _, claim := range each(p.spec["resourceClaims"]) {
		if name := tree.Text(claim, "name"); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// podResources checks the resources of the pod as a whole, and that they hold what its
// containers ask for (upstream's validatePodResourceConsistency).
func (p *podSpec) podResources() {
	// What the runtime adds to a pod is checked as limits of a container; its paths are as if
	// it were one, limits and all.
	if overhead := tree.Object(p.spec, "overhead"); overhead != nil {
		p.resources(map[string]any{"limits": overhead}, containerResource, "overhead")
	}
	r, ok := p.spec["resources"].(map[string]any)
	if !ok {
		return
	}
	if p.os == "windows" {
		p.Add(field.Forbidden(p.Path("resources"), "may not be set for a windows pod"))
		return
	}
	if _, ok := r["claims"]; ok {
		p.Add(field.Forbidden(p.Path("resources", "claims"), "claims may not be set for Resources at pod-level"))
	}
	p.resources(r, podResource, "resources")
	limits, requests := tree.Object(r, "limits"), tree.Object(r, "requests")
	// The scheduler looks at the pod's requests alone: they must not be less than what is
	// promised.
	sums := containerSums(p.spec, "requests")
	for _, name := range tree.SortedKeys(requests) {
		if sum, ok := sums[name]; ok && quantity.Cmp(sum, text(requests[name])) > 0 {
			p.Add(field.Invalid(p.Path("resources")+".requests["+name+"]", requests[name],
				"must be greater than or equal to aggregate container requests of "+sum))
		}
	}
	// Limits of containers may add up to more than the pod's, since not all are used at once;
	// but none is more alone, and huge pages are set aside in full.
	sums = containerSums(p.spec, "limits")
	for _, name := range tree.SortedKeys(limits) {
		limit := text(limits[name])
		if sum, ok := sums[name]; ok && isHugePages(name) && quantity.Cmp(sum, limit) > 0 {
			p.Add(field.Invalid(p.Path("resources")+".limits["+name+"]", limits[name],
				"must be greater than or equal to aggregate container limits of "+sum))
		}
		// The path is upstream's, below the pod's resources where no containers are.
		for i, c := range each(p.spec["containers"]) {
			if v, ok := tree.Object(c, "resources", "limits")[name]; ok && quantity.Cmp(text(v), limit) > 0 {
				p.Add(field.Invalid(p.Path("resources", "containers", i)+"["+name+"].limits", v,
					"must be less than or equal to pod limits of "+limit))
			}
		}
	}
}

// amounts are amounts of resources by name.
type amounts map[string]string

// add adds what a list of a tree has. What is not there counts as 0; the suffix of a sum is of
// the sort that its first amount has.
func (a amounts) add(list map[string]any) {
	for name, v := range list {
		a[name] = quantity.Add(a[name], text(v))
	}
}

// atLeast raises amounts to those of others, one by one.
func (a amounts) atLeast(others amounts) {
	for name, v := range others {
		if had, ok := a[name]; !ok || quantity.Cmp(had, v) < 0 {
			a[name] = v
		}
	}
}

// containerSums returns what the containers of a spec ask for together, of the requests or of
// the limits: all that run beside each other, but at least what an init container needs beside
// the sidecars before it. For example, with a sidecar of 1, an init container of 5 behind it
// and a container of 2 it is 6: the init container has gone when the last one starts.
func containerSums(spec map[string]any, list string) amounts {
	sums, sidecars, most := amounts{}, amounts{}, amounts{}
	for _, c := range each(spec["containers"]) {
		sums.add(tree.Object(c, "resources", list))
	}
	for _, c := range each(spec["initContainers"]) {
		own := tree.Object(c, "resources", list)
		// A sidecar runs on, beside those that come after it and beside the containers.
		if c["restartPolicy"] == "Always" {
			sums.add(own)
			sidecars.add(own)
			most.atLeast(sidecars)
			continue
		}
		use := amounts{}
		use.add(own)
		// Sidecars that come later have not started yet, so that order counts.
		for name, v := range sidecars {
			use[name] = quantity.Add(use[name], v)
		}
		most.atLeast(use)
	}
	sums.atLeast(most)
	return sums
}
