package strategy

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// countedResources are counted by quotas in whole numbers, and measuredResources in any.
var (
	countedResources = []string{"pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
		"persistentvolumeclaims", "services.nodeports", "services.loadbalancers"}
	measuredResources = []string{"cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
		"requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage"}
)

// quotaDefaults rounds the amounts of a quota as upstream rounds all.
func quotaDefaults(obj map[string]any) {
	roundUp(tree.Object(obj, "hard"))
	roundUp(tree.Object(obj, "used"))
}

// isQuotaResource reports whether quotas know a name without a domain.
func isQuotaResource(name string) bool {
	return slices.Contains(countedResources, name) || slices.Contains(measuredResources, name) ||
		isHugePages(strings.TrimPrefix(name, "requests."))
}

// quotaAmounts checks the names and amounts in a list of a quota.
func quotaAmounts(v *kinds.Visit, list string) {
	amounts := tree.Object(v.Obj, list)
	for _, name := range tree.SortedKeys(amounts) {
		at, q := v.Path(list, kinds.MapKey(name)), amounts[name]
		v.Add(limitedNameErrors(at, name, false)...)
		if !strings.Contains(name, "/") && !isQuotaResource(name) {
			v.Add(field.Invalid(at, name, "must be a standard resource for quota"))
		}
		if quantity.Sign(text(q)) < 0 {
			v.Add(field.Invalid(at, q, "must be greater than or equal to 0"))
		}
		if (slices.Contains(countedResources, name) || isExtendedResource(name)) && quantity.Units(text(q), -3)%1000 != 0 {
			v.Add(field.Invalid(at, q, "must be an integer"))
		}
	}
}

// checkQuotaSpec: a quota bounds what it can count, in scopes that go together and that such things have,
// and its scopes stay.
func checkQuotaSpec(v *kinds.Visit) {
	quotaAmounts(v, "hard")
	scopes := tree.Strings(tree.List(v.Obj, "scopes"))
	at := v.Path("scopes")
	for _, s := range scopes {
		if !isQuotaScope(s) {
			v.Add(field.Invalid(at, scopes, "unsupported scope"))
		}
		for range unscoped(v, s) {
			v.Add(field.Invalid(at, scopes, "unsupported scope applied to resource"))
		}
	}
	for range conflicts(scopes) {
		v.Add(field.Invalid(at, scopes, "conflicting scopes"))
	}
	checkScopeSelector(v)
	if v.Update() && !sameSet(scopes, tree.Strings(tree.List(v.Old, "scopes"))) {
		v.Add(field.Invalid(at, scopes, "field is immutable"))
	}
}

// sameSet reports whether two lists have the same elements.
func sameSet(a, b []string) bool {
	in := func(list []string) func(string) bool { return func(s string) bool { return !slices.Contains(list, s) } }
	return !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// checkScopeSelector checks the conditions on scopes.
func checkScopeSelector(v *kinds.Visit) {
	at := v.Path("scopeSelector", "matchExpressions")
	var names []string
	for _, e := range tree.List(v.Obj, "scopeSelector", "matchExpressions") {
		name, operator, values := tree.Text(e, "scopeName"), tree.Text(e, "operator"), tree.Strings(tree.List(e, "values"))
		names = append(names, name)
		if !isQuotaScope(name) {
			v.Add(field.Invalid(at+".scopeName", name, "unsupported scope"))
		}
		for range unscoped(v, name) {
			v.Add(field.Invalid(at, tree.At(v.Obj, "scopeSelector"), "unsupported scope applied to resource"))
		}
		if name != "PriorityClass" && name != "VolumeAttributesClass" && isQuotaScope(name) && operator != "Exists" {
			v.Add(field.Invalid(at+".operator", operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "+
				"ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"))
		}
		switch operator {
		case "In", "NotIn":
			if len(values) == 0 {
				v.Add(field.Required(at+".values", "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
			}
		case "Exists", "DoesNotExist":
			if len(values) > 0 {
				v.Add(field.Invalid(at+".values", values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
			}
		default:
			v.Add(field.Invalid(at+".operator", operator, "not a valid selector operator"))
		}
	}
	for range conflicts(names) {
		v.Add(field.Invalid(at, tree.At(v.Obj, "scopeSelector"), "conflicting scopes"))
	}
}

func isQuotaScope(s string) bool {
	return slices.Contains([]string{"Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "VolumeAttributesClass",
		"CrossNamespacePodAffinity"}, s)
}

// conflicts returns the pairs of scopes that exclude each other.
func conflicts(scopes []string) (pairs []string) {
	for _, s := range [...]string{"BestEffort", "Terminating"} {
		if slices.Contains(scopes, s) && slices.Contains(scopes, "Not"+s) {
			pairs = append(pairs, s)
		}
	}
	return pairs
}

// unscoped returns the resources of a quota that are never in a scope.
func unscoped(v *kinds.Visit, scope string) (names []string) {
	for _, name := range tree.SortedKeys(tree.Object(v.Obj, "hard")) {
		in := true
		switch scope {
		case "Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity":
			in = slices.Contains([]string{"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"}, name)
		case "BestEffort":
			in = name == "pods"
		case "VolumeAttributesClass":
			in = name == "persistentvolumeclaims" || name == "requests.storage"
		}
		if !in && isQuotaResource(name) {
			names = append(names, name)
		}
	}
	return names
}
