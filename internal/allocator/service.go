package allocator

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// What a service asks for, read from its fields and written back into them. The order is upstream's:
// families first, which say how many addresses there are to be, then addresses, then ports. The object has
// its defaults, and clusterIP and clusterIPs agree as far as its writer may say less than both.
//
// A write that leaves a service of PreferDualStack as it is does not give it a second address, be there a
// second range by now: nothing changes unless the writer says so.

// Service fills in what the server gives a service, and holds it. old is nil for a new one. The error is a
// *status.Error for the client; without one the caller must end the claim.
// obj is changed in place, even where there is an error: the caller then throws it away.
func (p *Pool) Service(obj, old map[string]any, dryRun bool) (*Claim, error) {
	// Anything but a spec has nothing to ask for.
	c := &Claim{pool: p, dry: dryRun}
	r := request{c, obj, tree.Object(obj, "spec"), tree.Object(old, "spec"), old == nil}
	if r.spec == nil {
		return c, nil
	}
	// Addresses need the families, and the checks of families nothing that is taken: what is refused first has
	// taken nothing. A step that fails lets go of what those before it hold.
	for _, step := range []func() error{r.families, r.addresses, r.nodePorts, r.healthCheckPort} {
		if err := step(); err != nil {
			c.End()
			return nil, err
		}
	}
	return c, nil
}

// request is a service that asks.
type request struct {
	*Claim
	obj       map[string]any
	spec, old map[string]any // old is nil for a new service
	isNew     bool
}

// invalid returns the 422 for errors.
func (r *request) invalid(errs ...field.Error) error {
	return status.Invalid("", "Service", tree.Name(r.obj), errs)
}

// internal returns upstream's 500 for what is nobody's fault.
// The message is there twice, in the text and as a cause, as upstream's is.
func internal(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	e := status.Unexplained("Internal error occurred: " + text)
	e.Reason = "InternalError"
	e.Details = &status.Details{Causes: []field.Error{{Message: text}}}
	return e
}

// Addresses returns the addresses of a service in canonical form; none for one that has no need of them.
// One in another form, as older versions of Kubernetes took, is the same address.
func Addresses(service map[string]any) (list []string) {
	spec := tree.Object(service, "spec")
	if tree.Text(spec, "type") == "ExternalName" {
		return nil
	}
	for _, s := range tree.Strings(tree.List(spec, "clusterIPs")) {
		if a, ok := field.LooseAddress(s); ok {
			list = append(list, a.Unmap().String())
		}
	}
	return list
}

// familyOf returns the family of an address.
// An address of IPv4 that is written as one of IPv6 is of IPv4. What is no address is of the family
// unknown, which no cluster has.
func familyOf(s string) string {
	a, ok := field.LooseAddress(s)
	switch {
	case !ok:
		return "unknown"
	case a.Unmap().Is4():
		return "IPv4"
	}
	return "IPv6"
}

// other returns the other family.
func other(family string) string {
	if family == "IPv4" {
		return "IPv6"
	}
	return "IPv4"
}

// configured reports whether the cluster has a range of a family.
func (p *Pool) configured(family string) bool {
	for _, prefix := range p.Cluster {
		if prefix.Addr().Is4() == (family == "IPv4") {
			return true
		}
	}
	return false
}

// primary is the family of services that name none.
// Without any range it is IPv4 (upstream).
func (p *Pool) primary() string {
	if len(p.Cluster) > 0 && p.Cluster[0].Addr().Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// external reports whether a service is but a name for another host; it has neither addresses nor
// ports.
func external(spec map[string]any) bool { return tree.Text(spec, "type") == "ExternalName" }

// headless reports whether it has no address because it wants none: clients find its pods one by one.
func headless(spec map[string]any) bool {
	list := tree.List(spec, "clusterIPs")
	return len(list) > 0 && list[0] == "None"
}

// bare reports whether it is headless without a selector, so that its endpoints are anybody's.
func bare(spec map[string]any) bool {
	return tree.Text(spec, "clusterIP") == "None" && len(tree.Object(spec, "selector")) == 0
}

// sameList reports whether two lists of a field are equal; an empty one is none.
func (r *request) sameList(name string) bool {
	return slices.Equal(tree.Strings(tree.List(r.spec, name)), tree.Strings(tree.List(r.old, name)))
}

// reduced reports whether a field has fewer elements than before, and not none.
func (r *request) reduced(name string) bool {
	n := len(tree.List(r.spec, name))
	return n > 0 && n < len(tree.List(r.old, name))
}

// leftAlone reports whether a write changes nothing about a service of PreferDualStack.
// Another type, another policy, or another list of families or addresses is a change.
func (r *request) leftAlone() bool {
	policy := func(spec map[string]any) string { return tree.Text(spec, "ipFamilyPolicy") }
	was := policy(r.old)
	return !r.isNew && !external(r.spec) && tree.Text(r.spec, "type") == tree.Text(r.old, "type") &&
		policy(r.spec) == "PreferDualStack" && (was == "" || was == "PreferDualStack") &&
		r.sameList("clusterIPs") && r.sameList("ipFamilies")
}

// addresses takes what the families ask for and gives back what they no longer do.
// Where it fails, the caller ends the claim: nothing need be undone here.
func (r *request) addresses() error {
	switch {
	case r.isNew || !r.leftAlone() && external(r.old) && !external(r.spec):
		return r.allAddresses()
	case r.leftAlone() || headless(r.old):
		return nil
	case external(r.spec):
		// From here on nobody has them.
		if !external(r.old) {
			r.Gone = Addresses(map[string]any{"spec": r.old})
		}
		return nil
	}
	// Between types that have addresses the first one stays: only a second one comes or goes.
	had, has := len(tree.List(r.old, "ipFamilies")), len(tree.List(r.spec, "ipFamilies"))
	switch {
	case had == 1 && has == 2:
		list := slices.Clone(tree.List(r.spec, "clusterIPs"))
		// The second one may be named by the writer, or be any.
		if len(list) < 2 {
			list = append(list, "")
		}
		r.spec["clusterIPs"] = list
		return r.fill(list, 1)
	case had == 2 && has == 1:
		if list := Addresses(map[string]any{"spec": r.old}); len(list) > 1 {
			r.Gone = list[1:]
		}
	}
	return nil
}

// allAddresses takes an address of each family, unless the service has none at all.
// A service may have come to need them by an update, and is then treated as new.
func (r *request) allAddresses() error {
	if external(r.spec) || headless(r.spec) {
		return nil
	}
	// A family without an address gets an empty one, which fill replaces.
	list := slices.Clone(tree.List(r.spec, "clusterIPs"))
	for len(list) < len(tree.List(r.spec, "ipFamilies")) {
		list = append(list, "")
	}
	r.spec["clusterIPs"] = list
	for i := range list {
		if err := r.fill(list, i); err != nil {
			return err
		}
	}
	if len(list) > 0 {
		r.spec["clusterIP"] = list[0]
	}
	return nil
}

// fill takes the i-th address of list, which is any of its family where it is empty.
// Both errors of a range that is full and of an address that cannot be read are 500; one that is taken,
// or outside, is a 422 (upstream).
func (r *request) fill(list []any, i int) error {
	const at = "spec.clusterIPs"
	// A message shows the list without what has just been taken.
	shown := slices.Clone(list)
	named, _ := list[i].(string)
	if named == "" {
		families := tree.Strings(tree.List(r.spec, "ipFamilies"))
		if i >= len(families) {
			return nil
		}
		s, err := r.nextAddress(families[i] == "IPv4")
		if err != nil {
			return internal("failed to allocate a serviceIP for Service %q: %v", tree.Name(r.obj), err)
		}
		list[i] = s
		return nil
	}
	a, ok := field.LooseAddress(named)
	if !ok {
		return internal("failed to parse service IP %q", named)
	}
	if err := r.address(a.Unmap()); err != nil {
		return r.invalid(field.Invalid(at, shown, fmt.Sprintf("failed to allocate IP %s: %v", named, err)))
	}
	return nil
}
