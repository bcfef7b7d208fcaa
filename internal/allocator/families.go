package allocator

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// families fills in ipFamilyPolicy and ipFamilies, from what the service says of both, from its addresses,
// and from what the cluster has.
// The result agrees with itself: as many families as the policy wants and the cluster has. The error is
// a 422, with all that is wrong by one of the steps.
func (r *request) families() error {
	// A name in DNS has no address of ours.
	if external(r.spec) || r.leftAlone() {
		return nil
	}
	r.defaultPolicy()
	if errs := strategy.ClusterIPErrors(r.spec, r.old); len(errs) > 0 {
		return r.invalid(errs...)
	}
	// Both, before the cluster is asked: what a writer contradicts himself in is told first.
	errs := append(r.keptErrors(), r.infer()...)
	if len(errs) > 0 {
		return r.invalid(errs...)
	}
	if bare(r.spec) {
		// Endpoints of any family may stand behind it, whatever the cluster has.
		r.addFamily(true)
		return nil
	}
	if errs := r.clusterErrors(); len(errs) > 0 {
		return r.invalid(errs...)
	}
	r.addFamily(len(r.pool.Cluster) == 2)
	return nil
}

// policy returns the policy.
// The words are SingleStack, PreferDualStack and RequireDualStack; "" is for a service without any,
// before defaultPolicy.
func (r *request) policy() string { return tree.Text(r.spec, "ipFamilyPolicy") }

// defaultPolicy keeps the policy of before, or chooses one.
//
//	what it had before  >  RequireDualStack for one that is bare  >  SingleStack
func (r *request) defaultPolicy() {
	if r.spec["ipFamilyPolicy"] != nil {
		return
	}
	// Never a fixed default: a write that says nothing must not change between one and two families.
	if was := r.old["ipFamilyPolicy"]; was != nil {
		r.spec["ipFamilyPolicy"] = was
	} else if bare(r.spec) {
		r.spec["ipFamilyPolicy"] = "RequireDualStack"
	} else {
		r.spec["ipFamilyPolicy"] = "SingleStack"
	}
}

// keptErrors brings lists of two down to one where the policy has become SingleStack, and returns what does
// not go with the policy.
// A service goes from two families to one only on purpose: its writer says SingleStack. For a new
// service nothing was there to be kept.
func (r *request) keptErrors() (errs []field.Error) {
	const at = "spec.ipFamilyPolicy"
	// Both lists are judged, so that both mistakes are told at once.
	single := r.policy() == "SingleStack"
	for _, f := range []struct{ list, release, multiple string }{
		{"clusterIPs", "must be 'SingleStack' to release the secondary cluster IP", "multiple cluster IPs"},
		{"ipFamilies", "must be 'SingleStack' to release the secondary IP family", "multiple IP families"},
	} {
		list := tree.List(r.spec, f.list)
		// The policy alone is intent enough; a list that was shortened without it is not.
		if !r.isNew && single && r.sameList(f.list) && len(list) > 1 {
			list = list[:1:1]
			r.spec[f.list] = list
		}
		if !r.isNew && !single && r.reduced(f.list) {
			errs = append(errs, field.Invalid(at, r.policy(), f.release))
		}
		if single && len(list) == 2 {
			why := "must be 'RequireDualStack' or 'PreferDualStack' when " + f.multiple + " are specified"
			errs = append(errs, field.Invalid(at, r.policy(), why))
		}
	}
	return errs
}

// infer adds the families of addresses that have none yet.
// Addresses behind None are not looked at: there is nothing behind it in a service that is good.
func (r *request) infer() (errs []field.Error) {
	list := tree.List(r.spec, "clusterIPs")
	families := slices.Clone(tree.List(r.spec, "ipFamilies"))
	for i, s := range tree.Strings(list) {
		// Headless: no address tells of a family.
		if s == "None" {
			break
		}
		// Families that are named have been compared with the addresses before.
		if i < len(families) {
			continue
		}
		if f := familyOf(s); r.pool.configured(f) {
			families = append(families, f)
		} else {
			errs = append(errs, field.Invalid(fmt.Sprintf("spec.clusterIPs[%d]", i), list, f+" is not configured on this cluster"))
		}
	}
	// An empty list stays as it is, be it absent or empty.
	if len(families) > 0 {
		r.spec["ipFamilies"] = families
	}
	return errs
}

// clusterErrors returns what the cluster cannot give.
// PreferDualStack is never too much to ask, as it takes what there is.
func (r *request) clusterErrors() (errs []field.Error) {
	if r.policy() == "RequireDualStack" && len(r.pool.Cluster) < 2 {
		errs = append(errs, field.Invalid("spec.ipFamilyPolicy", r.policy(), "this cluster is not configured for dual-stack services"))
	}
	for i, f := range tree.Strings(tree.List(r.spec, "ipFamilies")) {
		if !r.pool.configured(f) {
			errs = append(errs, field.Invalid(fmt.Sprintf("spec.ipFamilies[%d]", i), f, "not configured on this cluster"))
		}
	}
	return errs
}

// addFamily makes the families whole: the cluster's first one where there is none, and the other one where
// the policy wants two and second allows it.
// The list is a new one, since the client's may be shared.
func (r *request) addFamily(second bool) {
	families := slices.Clone(tree.List(r.spec, "ipFamilies"))
	if len(families) == 0 {
		families = []any{r.pool.primary()}
	}
	if first, _ := families[0].(string); len(families) == 1 && second && r.policy() != "SingleStack" {
		families = append(families, other(first))
	}
	r.spec["ipFamilies"] = families
}
