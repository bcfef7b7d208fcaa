package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Nodes. A node is made by its kubelet, with a status, and what has been said of it once
// (its ranges of addresses, its provider's name of it) does not change. The status is judged
// where it is written: by a create, and by the subresource.
//
// For example, a node may come without ranges and get podCIDRs: [10.0.1.0/24] from a
// controller later, but no other ones after that, since its pods have addresses of them.
//
// The rules are those of upstream's ValidateNode and ValidateNodeUpdate
// (pkg/apis/core/validation). Several of their paths are not where the value is, such as
// metadata.taints, and clients see them so.

// clusterRules returns the rules of the types of nodes.
func clusterRules() kinds.Rules {
	return kinds.Rules{
		"Node":       {Check: checkNode, Status: checkNodeStatus},
		"NodeSpec":   {Default: nodeSpecDefaults},
		"NodeStatus": {Default: nodeStatusDefaults},
	}
}

// clusterStrategies returns the strategy of nodes. What is dropped is another thing in a
// write of the status than in others, as upstream has a strategy for each.
func clusterStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("", "v1", "Node"): {Prepare: prepareNode, PrepareStatus: dropNodeStatus, Warnings: nodeWarnings},
	}
}

// nodeSpecDefaults makes podCIDR, which is older, the first of podCIDRs, or the other way
// round. Upstream does it as it converts a node, and has but the list inside. Where both are
// there and differ, podCIDR counts, as a client that does not know the list would write that
// alone.
func nodeSpecDefaults(spec map[string]any) {
	first, all := tree.Text(spec, "podCIDR"), tree.List(spec, "podCIDRs")
	switch {
	case first != "" && (len(all) == 0 || all[0] != first):
		spec["podCIDRs"] = []any{first}
	case len(all) > 0:
		spec["podCIDR"] = all[0]
	}
}

// nodeStatusDefaults says that pods may use all that there is, unless the kubelet keeps some
// for the system and says so; and it rounds amounts as all are.
func nodeStatusDefaults(status map[string]any) {
	capacity := tree.Object(status, "capacity")
	// It is the presence that counts: an empty list is what the client wants, and says that
	// there is nothing.
	if _, ok := status["allocatable"]; !ok && len(capacity) > 0 {
		status["allocatable"] = tree.Copy(capacity)
	}
	roundUp(capacity)
	roundUp(tree.Object(status, "allocatable"))
}

// prepareNode drops what no longer has a meaning, or not yet one: a source of configuration,
// which is a feature that was removed, and what is behind a gate that is closed. What the
// old node has may stay (dropDisabledFields).
func prepareNode(node, old map[string]any) {
	spec := tree.Object(node, "spec")
	if old == nil {
		delete(tree.Object(node, "status"), "config")
	}
	for _, name := range [...]string{"configSource", "podPreemptionPolicy"} {
		if tree.At(old, "spec", name) == nil {
			delete(spec, name)
		}
	}
}

// dropNodeStatus drops the same of a status, with what else is behind a gate there.
func dropNodeStatus(node, old map[string]any) {
	if tree.At(old, "status", "config") == nil {
		delete(tree.Object(node, "status"), "config")
	}
	if tree.At(old, "status", "nodeInfo", "runningInUserNamespace") == nil {
		delete(tree.Object(node, "status", "nodeInfo"), "runningInUserNamespace")
	}
}

// nodeWarnings returns what no longer has a meaning, and which ranges are written as they
// should not be, such as one with bits beyond its length.
func nodeWarnings(node, _ map[string]any) (warnings []string) {
	if tree.At(node, "spec", "configSource") != nil {
		warnings = append(warnings, "spec.configSource: the feature is removed")
	}
	if tree.Text(node, "spec", "externalID") != "" {
		warnings = append(warnings, "spec.externalID: this field is deprecated, and is unused by Kubernetes")
	}
	for i, s := range tree.Strings(tree.List(node, "spec", "podCIDRs")) {
		warnings = append(warnings, field.CIDRWarnings(fmt.Sprintf("spec.podCIDRs[%d]", i), s)...)
	}
	return warnings
}

// checkNode checks taints and ranges; the status of a new node; and what does not change.
func checkNode(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	v.Add(taintErrors("metadata.taints", spec["taints"])...) // upstream's path
	if !v.Update() {
		// An update of the node cannot change its status, so only a create has one to judge.
		v.Add(nodeAmountErrors(v.Obj)...)
		if n, ok := tree.At(v.Obj, "status", "nodeInfo", "swap", "capacity").(int64); ok && n <= 0 {
			v.Add(field.Invalid("metadata.nodeSwapStatus.capacity", n, "must be greater than zero"))
		}
		v.Add(nodeFeatureErrors(v.Obj)...)
	}
	v.Add(podRangeErrors(tree.List(spec, "podCIDRs"))...)
	if v.Update() {
		v.Add(nodeChangeErrors(v.Obj, v.Old)...)
	}
}

// taintErrors returns what is wrong with taints, of which no two have one key and effect. at
// is the path of the list (validateNodeTaints).
func taintErrors(at string, taints any) (errs []field.Error) {
	var seen set[string]
	for i, t := range each(taints) {
		at := fmt.Sprintf("%s[%d]", at, i)
		key, value, effect := tree.Text(t, "key"), tree.Text(t, "value"), tree.Text(t, "effect")
		errs = append(errs, invalidAll(at+".key", key, field.LabelKeyErrors(key))...)
		// All that is wrong with a value is one error, where that of a key is one for each
		// reason (upstream).
		if why := field.LabelValueErrors(value); len(why) > 0 {
			errs = append(errs, field.Invalid(at+".value", value, strings.Join(why, ";")))
		}
		switch effect {
		case "NoSchedule", "PreferNoSchedule", "NoExecute":
		case "":
			errs = append(errs, field.Required(at+".effect", ""))
		default:
			errs = append(errs, field.NotSupported(at+".effect", effect, "NoSchedule", "PreferNoSchedule", "NoExecute"))
		}
		if seen.add(effect + " " + key) {
			// The error of a double shows the whole taint, and says more behind it.
			shown := structJSON(t, "Key", "key", "Value", "value", "Effect", "effect", "TimeAdded", "timeAdded?")
			e := field.Duplicate(at, shown)
			e.Message += ": taints must be unique by key and effect pair"
			errs = append(errs, e)
		}
	}
	return errs
}

// structJSON returns an object as upstream shows one of its own structs: with the fields,
// which come in pairs of the name there and the one here, in the order of the struct. A
// field that is not there is empty, or null if its name here ends in a question mark. For
// example, an address is shown as {"Type":"InternalIP","Address":"10.0.0.1"}: those structs
// have no names for JSON.
func structJSON(obj map[string]any, fields ...string) field.JSON {
	b := []byte{'{'}
	for i := 0; i < len(fields); i += 2 {
		name, optional := strings.CutSuffix(fields[i+1], "?")
		value := obj[name]
		if value == nil && !optional {
			value = ""
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = tree.AppendJSON(append(tree.AppendJSONString(b, fields[i]), ':'), value)
	}
	return field.JSON(append(b, '}'))
}

// podRangeErrors returns what is wrong with the ranges of a node's pods: one, or one of each
// family.
func podRangeErrors(ranges []any) (errs []field.Error) {
	families, none := map[bool]bool{}, -1
	for i, s := range tree.Strings(ranges) {
		errs = append(errs, invalidAll(fmt.Sprintf("spec.podCIDRs[%d]", i), s, field.CIDRErrors(s))...)
		p, ok := field.LooseCIDR(s)
		families[p.Addr().Is4()] = true
		// Upstream gives up on the families at the first range that is none, and names that.
		if !ok && none < 0 {
			none = i
		}
	}
	if len(ranges) > 1 && none >= 0 { // the families are not known then
		errs = append(errs, field.Error{Reason: "InternalError", Field: "spec.podCIDRs", Message: fmt.Sprintf(
			"Internal error: invalid PodCIDRs. failed to check with dual stack with error:"+
				"invalid CIDR[%d]: <nil> (invalid CIDR address: %s)",
			none, text(ranges[none]))})
	}
	// This comes in addition, as upstream takes what it could not tell for no pair.
	if len(ranges) > 2 || len(ranges) == 2 && (len(families) < 2 || none >= 0) {
		errs = append(errs, field.Invalid("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family"))
	}
	return errs
}

// nodeChangeErrors returns what an update of a node changes and may not. A controller may
// say the ranges and the provider's name where there are none yet.
func nodeChangeErrors(node, old map[string]any) (errs []field.Error) {
	now, before := tree.Object(node, "spec"), tree.Object(old, "spec")
	if had := tree.List(before, "podCIDRs"); len(had) > 0 && !tree.Equal(now["podCIDRs"], before["podCIDRs"]) {
		errs = append(errs, field.Forbidden("spec.podCIDRs", `node updates may not change podCIDR except from "" to valid`))
	}
	// To clear it and to change it are two errors, and neither shows the value.
	switch had, id := tree.Text(before, "providerID"), tree.Text(now, "providerID"); {
	case had == "" || had == id:
	case id == "":
		errs = append(errs, field.Invalid("spec.providerID", nil, "field cannot be cleared once set"))
	default:
		errs = append(errs, field.Invalid("spec.providerID", nil, "field cannot be modified once set"))
	}
	if tree.Text(before, "externalID") != tree.Text(now, "externalID") {
		errs = append(errs, field.Forbidden("spec.externalID", "may not be updated"))
	}
	return errs
}

// checkNodeStatus checks amounts, features and addresses, of which none may come twice with
// one type.
func checkNodeStatus(v *kinds.Visit) {
	v.Add(nodeAmountErrors(v.Root)...)
	v.Add(nodeFeatureErrors(v.Root)...)
	var seen set[string]
	for i, a := range each(tree.At(v.Root, "status", "addresses")) {
		if seen.add(tree.Text(a, "type") + " " + tree.Text(a, "address")) {
			shown := structJSON(a, "Type", "type", "Address", "address")
			v.Add(field.Duplicate(fmt.Sprintf("status.addresses[%d]", i), shown))
		}
	}
}

// nodeAmountErrors returns what is wrong with the amounts in the status of a node, what
// there is and what pods may use. They are not compared with each other, and upstream does
// not either.
func nodeAmountErrors(node map[string]any) (errs []field.Error) {
	for _, list := range [...]string{"capacity", "allocatable"} {
		amounts := tree.Object(node, "status", list)
		for _, name := range tree.SortedKeys(amounts) {
			errs = append(errs, quotaAmountErrors("status."+list+"."+name, name, text(amounts[name]))...)
		}
	}
	return errs
}

// nodeFeatureErrors returns what is wrong with the names of the features of a node, which
// are in order, so that two lists are the same if their features are.
func nodeFeatureErrors(node map[string]any) (errs []field.Error) {
	names := tree.Strings(tree.List(node, "status", "declaredFeatures"))
	for i, name := range names {
		at := fmt.Sprintf("status.declaredFeatures[%d]", i)
		switch {
		case i == 0:
		case name == names[i-1]:
			errs = append(errs, field.Duplicate(at, name))
		case name < names[i-1]:
			errs = append(errs, field.Invalid(at, name, "list must be sorted alphabetically"))
		}
		if why := featureNameError(name); why != "" {
			errs = append(errs, field.Invalid(at, name, fmt.Sprintf("invalid feature name %q: %s", name, why)))
		}
	}
	return errs
}

// featureNameError returns why a name is none of a feature, "" for one that is: words of
// letters and digits with slashes between them, each beginning with a letter, and the first
// with a capital. For example, MyFeature/mySubFeature is one.
func featureNameError(name string) string {
	if len(name) > 253 {
		return "must be no more than 253 characters"
	}
	for i, word := range strings.Split(name, "/") {
		bad := strings.IndexFunc(word, func(c rune) bool { return c > 127 || !isLetterOrDigit(byte(c)) })
		// In ASCII, digits come before capitals, and those before small letters.
		if word == "" || bad >= 0 || word[0] <= '9' || i == 0 && word[0] >= 'a' {
			return "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or " +
				"MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
		}
	}
	return ""
}

// countedResources are those of which there are whole ones alone, beside extended resources,
// which have a domain.
const countedResources = "pods resourcequotas services replicationcontrollers secrets configmaps persistentvolumeclaims " +
	"services.nodeports services.loadbalancers"

// quotaAmountErrors returns what is wrong with an amount of a resource of a node or a quota
// (ValidateResourceQuantityValue): less than nothing, or a part of what has no parts.
func quotaAmountErrors(at, name, amount string) (errs []field.Error) {
	if quantity.Sign(amount) < 0 {
		errs = append(errs, field.Invalid(at, amount, "must be greater than or equal to 0"))
	}
	// It is asked in thousandths, the smallest unit of a quantity once it is rounded.
	if (listed(countedResources, name) || isExtendedResource(name)) && quantity.Units(amount, -3)%1000 != 0 {
		errs = append(errs, field.Invalid(at, amount, "must be an integer"))
	}
	return errs
}

// distinct returns errors without those that are equal to one before them. Those of scopes
// need it, as their paths have no index.
func distinct(errs []field.Error) (once []field.Error) {
	for _, e := range errs {
		if !slices.Contains(once, e) {
			once = append(once, e)
		}
	}
	return once
}
