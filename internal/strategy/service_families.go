package strategy

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// What the addresses of a service and their families may be, and how they may change: a second one may come
// and go, the first one stays.
//
// A cluster of two families gives a service one address of each where its policy asks for it:
//
//	{"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv4","IPv6"],"clusterIPs":["10.0.0.7","fd00::7"]}
//
// Families and addresses belong together by their places. The allocator asks for these rules before it
// gives out anything, and the check of the kind asks again with what was given
// (ValidateServiceClusterIPsRelatedFields).

// ipFamilyPolicies are the policies, in the order of upstream's messages.
var ipFamilyPolicies = [...]string{"PreferDualStack", "RequireDualStack", "SingleStack"}

// ClusterIPErrors returns what is wrong with a service's clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy.
// was is the spec before, nil for a new service: its addresses were good once.
// Nothing is said of an external name, which has none of the four.
func ClusterIPErrors(spec, was map[string]any) (errs []field.Error) {
	if serviceType(spec) == "ExternalName" {
		return nil
	}
	const at = "spec.clusterIPs"
	// clusterIP is the first of clusterIPs, or there is neither.
	list := tree.List(spec, "clusterIPs")
	ips := tree.Strings(list)
	switch one := tree.Text(spec, "clusterIP"); {
	case one == "" && len(ips) > 0:
		errs = append(errs, field.Invalid(at, list, "must be empty when `clusterIP` is not specified"))
	case one != "" && len(ips) == 0:
		errs = append(errs, field.Required(at, ""))
	case one != "" && ips[0] != one:
		errs = append(errs, field.Invalid(at, list, "first value must match `clusterIP`"))
	}
	errs = append(errs, familyErrors(spec)...)
	bad := false
	for i, ip := range ips {
		if i == 0 && ip == "None" {
			if len(ips) > 1 {
				bad = true
				errs = append(errs, field.Invalid(at, list, "'None' must be the first and only value"))
			}
			continue
		}
		// Leading zeros were good once, and what was allocated cannot be changed by its owner.
		if slices.Contains(tree.Strings(tree.List(was, "clusterIPs")), ip) {
			continue
		}
		why := field.IPErrors(ip)
		bad = bad || why != nil
		errs = append(errs, invalidAll(fmt.Sprintf("%s[%d]", at, i), ip, why)...)
	}
	// There are two families, and one address of each.
	if len(ips) > 2 {
		errs = append(errs, field.Invalid(at, list, "may only hold up to 2 values"))
	}
	// What is no address has no family to compare.
	if bad {
		return errs
	}
	return append(errs, familiesOfIPsErrors(spec)...)
}

// familyErrors returns what is wrong with ipFamilies and ipFamilyPolicy themselves.
// Both have defaults that the allocator sets, so that they may be absent here.
func familyErrors(spec map[string]any) (errs []field.Error) {
	families := tree.Strings(tree.List(spec, "ipFamilies"))
	for i, f := range families {
		at := fmt.Sprintf("spec.ipFamilies[%d]", i)
		if f != "IPv4" && f != "IPv6" {
			errs = append(errs, field.NotSupported(at, f, "IPv4", "IPv6"))
		}
		if slices.Contains(families[:i], f) {
			errs = append(errs, field.Duplicate(at, f))
		}
	}
	// Each is asked about alone: whether a policy allows for two families is for the allocator.
	if policy, ok := spec["ipFamilyPolicy"].(string); ok && !slices.Contains(ipFamilyPolicies[:], policy) {
		errs = append(errs, field.NotSupported("spec.ipFamilyPolicy", policy, ipFamilyPolicies[:]...))
	}
	return errs
}

// isIPv6 reports whether a text is an address of IPv6.
// An address of IPv4 in the form of IPv6 is one of IPv4, as upstream's parser has it.
func isIPv6(s string) bool {
	a, ok := field.LooseAddress(s)
	return ok && !a.Unmap().Is4()
}

// familiesOfIPsErrors returns where the addresses, all of which are some, are not of the families.
// A headless service has families and no address to compare with them.
func familiesOfIPsErrors(spec map[string]any) (errs []field.Error) {
	const at = "spec.clusterIPs"
	list := tree.List(spec, "clusterIPs")
	ips, families := tree.Strings(list), tree.Strings(tree.List(spec, "ipFamilies"))
	if len(ips) > 1 {
		// Three and more addresses are refused by their number already; here it is enough that both
		// families are there.
		var of [2]int
		for _, ip := range ips {
			if isIPv6(ip) {
				of[1]++
			} else {
				of[0]++
			}
		}
		if of[0] == 0 || of[1] == 0 {
			errs = append(errs, field.Invalid(at, list, "may specify no more than one IP for each IP family"))
		}
	}
	// Each address with the family at its place, as far as there are both.
	for i, ip := range ips {
		if headlessService(spec) || i >= len(families) {
			break
		}
		if f := families[i]; f == "IPv4" && isIPv6(ip) || f == "IPv6" && !isIPv6(ip) {
			why := fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%d]`", f, i)
			errs = append(errs, field.Invalid(fmt.Sprintf("%s[%d]", at, i), ip, why))
		}
	}
	return errs
}

// clusterIPChangeErrors returns what a change may not do to the addresses.
// The first address is what DNS and proxies know the service by; a second one came later and can go again.
// Errors show the whole list as it is to be.
func clusterIPChangeErrors(spec, was map[string]any) (errs []field.Error) {
	if serviceType(spec) == "ExternalName" || serviceType(was) == "ExternalName" || headlessService(spec) && headlessService(was) {
		return nil
	}
	const at = "spec.clusterIPs"
	list := tree.List(spec, "clusterIPs")
	now, old := tree.Strings(list), tree.Strings(tree.List(was, "clusterIPs"))
	changed := func(i int) {
		errs = append(errs, field.Invalid(fmt.Sprintf("%s[%d]", at, i), list, "may not change once set"))
	}
	switch {
	case len(old) == len(now):
		// Neither has come or gone, so that each must be what it was.
		for i := range old {
			if now[i] != old[i] {
				changed(i)
			}
		}
		return errs
	// From some to none: whoever wants another type says so by the type.
	case len(now) == 0:
		errs = append(errs, field.Invalid(at+"[0]", list, "primary clusterIP can not be unset"))
	case len(old) > 0 && now[0] != old[0]:
		changed(0)
	}
	// A policy that still asks for two would get the address back at once.
	if len(now) == 1 && len(old) > 1 && tree.Text(spec, "ipFamilyPolicy") != "SingleStack" {
		errs = append(errs, field.Invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"],
			"must be set to 'SingleStack' when releasing the secondary clusterIP"))
	}
	return errs
}

// familyChangeErrors returns what a change may not do to the families.
// It is the rule of the addresses for what they are made of, and is asked beside it.
func familyChangeErrors(spec, was map[string]any) (errs []field.Error) {
	if serviceType(spec) == "ExternalName" || serviceType(was) == "ExternalName" || headlessService(spec) || headlessService(was) {
		return nil
	}
	const at = "spec.ipFamilies[0]"
	list := tree.List(spec, "ipFamilies")
	now, old := tree.Strings(list), tree.Strings(tree.List(was, "ipFamilies"))
	// All of them are shown at the first place, whichever differs (upstream).
	if len(old) == len(now) {
		for i := range old {
			if now[i] != old[i] {
				errs = append(errs, field.Invalid(at, list, "may not change once set"))
			}
		}
		return errs
	}
	if len(old) > len(now) && len(tree.List(spec, "clusterIPs")) == 0 {
		errs = append(errs, field.Invalid(at, list, "primary ipFamily can not be unset"))
	}
	// The value shown is the list of addresses, not that of families (upstream).
	if len(now) > 0 && len(old) > 0 && now[0] != old[0] {
		errs = append(errs, field.Invalid(at, tree.List(spec, "clusterIPs"), "may not change once set"))
	}
	if len(now) == 1 && len(old) > 1 && tree.Text(spec, "ipFamilyPolicy") != "SingleStack" {
		errs = append(errs, field.Invalid("spec.ipFamilyPolicy", spec["ipFamilyPolicy"],
			"must be set to 'SingleStack' when releasing the secondary ipFamily"))
	}
	return errs
}
