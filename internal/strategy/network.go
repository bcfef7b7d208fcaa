package strategy

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The rules of NetworkPolicy, and of IPAddress and ServiceCIDR, by which the cluster keeps its addresses.
//
// A policy lets traffic through to and from the pods that it selects, by peers and ports:
//
//	{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],
//	  "ports":[{"port":8000,"endPort":8100}]}]}
//
// An empty rule is one for all traffic, and no rule at all stops all of it, so that little may be refused.
// The other two kinds are written by the server itself; their rules keep others from taking an address
// away.

// networkRules are those of the types here.
func networkRules() kinds.Rules {
	return kinds.Rules{
		"networking.NetworkPolicySpec": {Default: policyDefaults, Check: checkPolicySpec},
		"networking.NetworkPolicyPort": {Default: policyPortDefaults, Check: checkPolicyPort},
		"networking.NetworkPolicyPeer": {Check: checkPolicyPeer},
		"networking.IPBlock":           {Check: checkIPBlock},
		"networking.IPAddress":         {Check: whole(ipAddressErrors)},
		"networking.ServiceCIDR":       {Check: whole(serviceCIDRErrors)},
	}
}

// networkStrategies are those of the kinds here.
func networkStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("networking.k8s.io", "v1", "NetworkPolicy"): {Warnings: policyWarnings},
	}
}

// policyDefaults says that a policy is about what comes in, and if it has rules for it about what goes out.
// Egress came later: a policy of before it must not begin to stop what goes out.
func policyDefaults(spec map[string]any) {
	if len(tree.List(spec, "policyTypes")) > 0 {
		return
	}
	types := []any{"Ingress"}
	if len(tree.List(spec, "egress")) > 0 {
		types = append(types, "Egress")
	}
	spec["policyTypes"] = types
}

// policyPortDefaults says that ports are of TCP.
func policyPortDefaults(port map[string]any) {
	if port["protocol"] == nil {
		port["protocol"] = "TCP"
	}
}

// checkPolicySpec judges the selector and the types of a policy.
func checkPolicySpec(v *kinds.Visit) {
	v.Add(policySelectorErrors(v.Path("podSelector"), tree.Object(v.Obj, "podSelector"))...)
	types := tree.List(v.Obj, "policyTypes")
	// Upstream looks at none of them then.
	if len(types) > 2 {
		v.Add(field.Invalid(v.Path("policyTypes"), types, "may not specify more than two policyTypes"))
		return
	}
	for i, s := range tree.Strings(types) {
		if s != "Ingress" && s != "Egress" {
			v.Add(field.NotSupported(v.Path("policyTypes", i), s, "Ingress", "Egress"))
		}
	}
}

// policySelectorErrors returns what is wrong with a selector of labels at a path.
// Upstream spares a policy that was stored with values that are no labels; none is stored so here.
// The errors come without a path, which is put in front.
func policySelectorErrors(at string, sel map[string]any) []field.Error {
	errs := labelSelectorErrors(sel, never)
	for i := range errs {
		errs[i].Field = at + errs[i].Field
	}
	return errs
}

// checkPolicyPort judges a port, by number, by name, or from one number to another.
// A policy for a name holds for whatever number a pod's container gave to it.
func checkPolicyPort(v *kinds.Visit) {
	if s := tree.Text(v.Obj, "protocol"); v.Obj["protocol"] != nil && !slices.Contains(protocols[:], s) {
		v.Add(field.NotSupported(v.Path("protocol"), s, "TCP", "UDP", "SCTP"))
	}
	// A range ends at a number, so it begins at one.
	end, hasEnd := v.Obj["endPort"].(int64)
	endAt := v.Path("endPort")
	switch port := v.Obj["port"].(type) {
	case int64:
		v.Add(invalidAll(v.Path("port"), port, field.PortErrors(port))...)
		if hasEnd && end < port {
			v.Add(field.Invalid(endAt, end, "must be greater than or equal to `port`"))
		}
		if hasEnd {
			v.Add(invalidAll(endAt, end, field.PortErrors(end))...)
		}
	case string:
		if hasEnd {
			v.Add(field.Invalid(endAt, end, "may not be specified when `port` is non-numeric"))
		}
		v.Add(invalidAll(v.Path("port"), port, field.PortNameErrors(port))...)
	default:
		if hasEnd {
			v.Add(field.Invalid(endAt, end, "may not be specified when `port` is not specified"))
		}
	}
}

// checkPolicyPeer demands one way to say who a peer is, or the two selectors together.
// Two selectors together are one peer: pods that the one selects in namespaces that the other does.
func checkPolicyPeer(v *kinds.Visit) {
	peers := 0
	// An empty selector selects everything, and is there.
	for _, name := range [...]string{"podSelector", "namespaceSelector"} {
		if sel := tree.Object(v.Obj, name); sel != nil {
			peers++
			v.Add(policySelectorErrors(v.Path(name), sel)...)
		}
	}
	block := v.Obj["ipBlock"] != nil
	// An address range is for what is outside, where there are no labels.
	if peers > 0 && block {
		v.Add(field.Forbidden(v.Path(), "may not specify both ipBlock and another peer"))
	} else if peers == 0 && !block {
		v.Add(field.Required(v.Path(), "must specify a peer"))
	}
}

// eachIPBlock yields the blocks of a policy with their paths.
// The order is upstream's, ingress first, in which warnings come.
func eachIPBlock(policy map[string]any, yield func(at string, block map[string]any)) {
	for _, way := range [...][2]string{{"ingress", "from"}, {"egress", "to"}} {
		for i, rule := range tree.List(policy, "spec", way[0]) {
			for j, peer := range tree.List(rule, way[1]) {
				if block := tree.Object(peer, "ipBlock"); block != nil {
					yield(fmt.Sprintf("spec.%s[%d].%s[%d].ipBlock", way[0], i, way[1], j), block)
				}
			}
		}
	}
}

// checkIPBlock judges a range and the ranges that are no part of it. A text that was anywhere in the policy
// before was good once.
func checkIPBlock(v *kinds.Visit) {
	var existing []string
	eachIPBlock(v.OldRoot, func(_ string, block map[string]any) {
		existing = append(append(existing, tree.Text(block, "cidr")), tree.Strings(tree.List(block, "except"))...)
	})
	check := func(at, s string) {
		if !slices.Contains(existing, s) {
			v.Add(invalidAll(at, s, field.CIDRErrors(s))...)
		}
	}
	cidr := tree.Text(v.Obj, "cidr")
	// Nothing can be said of exceptions from a range that is none.
	if cidr == "" {
		v.Add(field.Required(v.Path("cidr"), ""))
		return
	}
	check(v.Path("cidr"), cidr)
	// Of a range that cannot be read at all an error is there already.
	outer, ok := field.LooseCIDR(cidr)
	if !ok {
		return
	}
	for i, s := range tree.Strings(tree.List(v.Obj, "except")) {
		at := v.Path("except", i)
		check(at, s)
		// Strict: an exception of the whole range would leave nothing. Both are masked, since an odd form
		// may have bits behind its length.
		inner, ok := field.LooseCIDR(s)
		if ok && (!outer.Masked().Contains(inner.Masked().Addr()) || outer.Bits() >= inner.Bits()) {
			v.Add(field.Invalid(at, s, "must be a strict subset of `cidr`"))
		}
	}
}

// policyWarnings tells of ranges in odd forms.
// Forms with leading zeros or bits behind the length are read differently by other programs.
func policyWarnings(obj, _ map[string]any) (warnings []string) {
	eachIPBlock(obj, func(at string, block map[string]any) {
		warnings = append(warnings, field.CIDRWarnings(at+".cidr", tree.Text(block, "cidr"))...)
		for i, s := range tree.Strings(tree.List(block, "except")) {
			warnings = append(warnings, field.CIDRWarnings(fmt.Sprintf("%s.except[%d]", at, i), s)...)
		}
	})
	return warnings
}

// ipAddressErrors returns what is wrong with the object that has an address, which never changes.
// The object is named by the address; the parent is who has it.
func ipAddressErrors(obj, old map[string]any) (errs []field.Error) {
	const at = "spec.parentRef"
	ref := tree.Object(obj, "spec", "parentRef")
	if old != nil && !tree.Equal(tree.At(obj, "spec", "parentRef"), tree.At(old, "spec", "parentRef")) {
		errs = []field.Error{field.Invalid(at, nil, "field is immutable")} // upstream does not show it
	}
	if ref == nil {
		return append(errs, field.Required(at, ""))
	}
	if group := tree.Text(ref, "group"); group != "" {
		errs = append(errs, invalidAll(at+".group", group, field.DNSSubdomainErrors(group))...)
	}
	for _, name := range [...]string{"resource", "name"} {
		errs = append(errs, segmentErrors(at+"."+name, tree.Text(ref, name))...)
	}
	if namespace := tree.Text(ref, "namespace"); namespace != "" {
		errs = append(errs, invalidAll(at+".namespace", namespace, field.PathSegmentErrors(namespace))...)
	}
	return errs
}

// serviceCIDRErrors returns what is wrong with the ranges of services. The only change is to add one of the
// other family.
func serviceCIDRErrors(obj, old map[string]any) (errs []field.Error) {
	const at, fixed = "spec.cidrs", "field is immutable"
	list := tree.List(obj, "spec", "cidrs")
	cidrs, had := tree.Strings(list), tree.Strings(tree.List(old, "spec", "cidrs"))
	if old != nil {
		// A cluster may become one of two families, and stays one.
		if len(had) != len(cidrs) && !(len(had) == 1 && len(cidrs) == 2) {
			return []field.Error{field.Invalid(at, list, fixed)}
		}
		// What was there stays, in its place, whatever comes behind it.
		for i := range had {
			if had[i] != cidrs[i] {
				errs = append(errs, field.Invalid(fmt.Sprintf("%s[%d]", at, i), cidrs[i], fixed))
			}
		}
		// What was judged once is not judged again.
		if len(had) == len(cidrs) {
			return errs
		}
	}
	switch {
	case len(cidrs) == 0:
		return append(errs, field.Required(at, "at least one CIDR required"))
	// The value is the whole spec, as upstream shows it.
	case len(cidrs) > 2:
		return append(errs, field.Invalid(at, map[string]any{"CIDRs": list}, "may only hold up to 2 values"))
	}
	// A text that is no range has no family, and the first rule tells of it.
	var families []bool
	for i, s := range cidrs {
		errs = append(errs, invalidAll(fmt.Sprintf("%s[%d]", at, i), s, field.CanonicalCIDRErrors(s))...)
		if p, ok := field.LooseCIDR(s); ok {
			families = append(families, p.Addr().Is4())
		}
	}
	if len(families) == 2 && families[0] == families[1] {
		errs = append(errs, field.Invalid(at, list,
			"may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"))
	}
	return errs
}
