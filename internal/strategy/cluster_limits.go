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

// Limit ranges and resource quotas: which resources they may name, and how the amounts of
// one go together (upstream's ValidateLimitRange and ValidateResourceQuotaSpec in
// pkg/apis/core/validation).
//
// A limit range has one limit for a type of object, with five lists of amounts: the most and
// the least, what a container gets that says nothing, and how much more a limit may be than
// a request. For example, {type: Container, max: {cpu: 2}} makes default and defaultRequest
// {cpu: 2} as well, and with min: {cpu: 3} it is refused, as nothing could be within it.
//
// A quota has one list, and scopes that say of which objects. Each scope is about some
// resources only: BestEffort counts pods, and with hard: {cpu: 1} it is refused, since such
// pods ask for none.

// limitRules returns the rules of the types of these kinds.
func limitRules() kinds.Rules {
	return kinds.Rules{
		"LimitRangeItem":      {Default: limitDefaults},
		"LimitRangeSpec":      {Check: checkLimits},
		"ResourceQuotaSpec":   {Default: func(spec map[string]any) { roundUp(tree.Object(spec, "hard")) }, Check: checkQuota},
		"ResourceQuotaStatus": {Default: quotaStatusDefaults, Check: checkQuotaStatus},
	}
}

// limitStrategies returns the strategies of the kinds here: quotas alone have warnings.
func limitStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{kinds.NewKey("", "v1", "ResourceQuota"): {Warnings: quotaWarnings}}
}

// limitLists are the lists of amounts of a limit, in the order in which upstream looks at
// them.
var limitLists = [...]string{"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}

// limitDefaults makes the most that a container may have its limit, that its request, and
// else the least that it may have; and rounds all amounts. Limits of other types have no
// defaults.
func limitDefaults(limit map[string]any) {
	if limit["type"] == "Container" {
		// The order counts: what the first step made is copied by the second, and then the third
		// finds only those that have neither a most nor a default.
		for _, copied := range [...][2]string{{"max", "default"}, {"default", "defaultRequest"}, {"min", "defaultRequest"}} {
			for name, v := range tree.Object(limit, copied[0]) {
				if to := orNew(limit, copied[1]); to[name] == nil {
					to[name] = v
				}
			}
		}
	}
	for _, list := range limitLists {
		roundUp(tree.Object(limit, list))
	}
}

// checkLimits checks the limits, of which there is one for a type of object: with two it
// would be unclear which holds.
func checkLimits(v *kinds.Visit) {
	var seen set[string]
	for i, limit := range each(v.Obj["limits"]) {
		typ := tree.Text(limit, "type")
		errs := field.LabelKeyErrors(typ)
		// A type without a domain is upstream's own, and there are three.
		if len(errs) == 0 && !strings.Contains(typ, "/") && !listed("Pod Container PersistentVolumeClaim", typ) {
			errs = []string{"must be a standard limit type or fully qualified"}
		}
		v.Add(invalidAll(v.Path("limits", i, "type"), typ, errs)...)
		if seen.add(typ) {
			v.Add(field.Duplicate(v.Path("limits", i, "type"), typ))
		}
		checkLimit(v, limit, typ, i)
	}
}

// checkLimit checks the resources of the i-th limit, and then the amounts of each, so that
// all errors about names come first.
func checkLimit(v *kinds.Visit, limit map[string]any, typ string, i int) {
	p := podSpec{Visit: v}
	var names []string
	for _, list := range limitLists {
		amounts := tree.Object(limit, list)
		// Defaults are set in containers, and a pod as a whole has none to set.
		if typ == "Pod" && len(amounts) > 0 && strings.HasPrefix(list, "default") {
			v.Add(field.Forbidden(v.Path("limits", i, list), "may not be specified when `type` is 'Pod'"))
			continue
		}
		// A limit of claims must bound the storage. It is asked once, with the last list, and
		// the path is upstream's.
		if list == limitLists[4] && typ == "PersistentVolumeClaim" &&
			tree.At(limit, "min", "storage") == nil && tree.At(limit, "max", "storage") == nil {
			v.Add(field.Required(v.Path("limits", i, "limits"),
				"either minimum or maximum storage value is required, but neither was provided"))
		}
		for _, name := range tree.SortedKeys(amounts) {
			names = append(names, name)
			// What a container can ask for is a smaller set of names than what a quota can count.
			if typ == "Pod" || typ == "Container" {
				p.resourceName(containerResource, name, list, []any{"limits", i})
			} else {
				v.Add(invalidAll(v.Path("limits", i, list, kinds.MapKey(name)), name, resourceNameErrors(name))...)
			}
		}
	}
	// Each resource is judged once, though several lists name it.
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		at := func(list string) string { return v.Path("limits", i, list, kinds.MapKey(name)) }
		v.Add(limitErrors(at, limit, name, typ == "Pod")...)
	}
}

// resourceNameErrors returns what is wrong with the name of a resource of any use: one
// without a domain must be known.
func resourceNameErrors(name string) []string {
	errs := field.LabelKeyErrors(name)
	if len(errs) == 0 && !strings.Contains(name, "/") && !isStandardResource(name) {
		errs = []string{"must be a standard resource type or fully qualified"}
	}
	return errs
}

// limitErrors returns what is wrong with the amounts of a resource, which are at most what
// the order of the table says. at is the path of the one in a list. Without defaults those
// lists do not count, as for pods, whose defaults are an error already.
func limitErrors(at func(list string) string, limit map[string]any, name string, noDefaults bool) (errs []field.Error) {
	amount := func(list string) string {
		if noDefaults && strings.HasPrefix(list, "default") {
			return ""
		}
		return tree.Text(limit, list, name)
	}
	// Each row has what may not be more than what, how upstream calls the two, and which it
	// names and shows; in the last two rows these differ.
	for _, rule := range [...]struct{ less, more, lessIs, moreIs, at, shown string }{
		{"min", "max", "min value", "max value", "min", "min"},
		{"min", "defaultRequest", "min value", "default request value", "defaultRequest", "defaultRequest"},
		{"defaultRequest", "max", "default request value", "max value", "defaultRequest", "defaultRequest"},
		{"defaultRequest", "default", "default request value", "default limit value", "defaultRequest", "defaultRequest"},
		{"min", "default", "min value", "default value", "default", "min"},
		{"default", "max", "default value", "max value", "default", "max"},
	} {
		less, more := amount(rule.less), amount(rule.more)
		if less != "" && more != "" && quantity.Cmp(less, more) > 0 {
			errs = append(errs, field.Invalid(at(rule.at), amount(rule.shown),
				fmt.Sprintf("%s %s is greater than %s %s", rule.lessIs, less, rule.moreIs, more)))
		}
	}
	least, most, ratio := amount("min"), amount("max"), amount("maxLimitRequestRatio")
	if ratio != "" && quantity.Cmp(ratio, "1") < 0 {
		errs = append(errs, field.Invalid(at("maxLimitRequestRatio"), ratio, "ratio "+ratio+" is less than 1"))
	}
	// No request is less than the least and no limit more than the most, so a ratio above
	// theirs would never matter.
	if ratio != "" && least != "" && most != "" {
		if n, bound := ratios(ratio, least, most); n > bound {
			errs = append(errs, field.Invalid(at("maxLimitRequestRatio"), ratio,
				fmt.Sprintf("ratio %s is greater than max/min = %f", ratio, bound)))
		}
	}
	has, asks := amount("default"), amount("defaultRequest")
	// Of some resources nobody can be promised more than there is, such as huge pages, so
	// request and limit are one.
	if has != "" && asks != "" && !mayOvercommit(name) && quantity.Cmp(has, asks) != 0 {
		errs = append(errs, field.Invalid(at("defaultRequest"), asks,
			fmt.Sprintf("default value %s must equal to defaultRequest value %s in %s", has, asks, name)))
	}
	return errs
}

// ratios returns a ratio as a number, and that of the most to the least. Thousandths count,
// unless there are too many of them for 64 bits (upstream); then whole numbers do, rounded
// up.
func ratios(ratio, least, most string) (n, bound float64) {
	const limit = (1<<63 - 1) / 1000
	power, unit := -3, 1000.0
	for _, s := range [...]string{ratio, least, most} {
		if quantity.Units(s, 0) >= limit {
			power, unit = 0, 1
		}
	}
	return float64(quantity.Units(ratio, power)) / unit, float64(quantity.Units(most, power)) / float64(quantity.Units(least, power))
}

// quotaStatusDefaults rounds the amounts, as all are in what the server reads.
func quotaStatusDefaults(status map[string]any) {
	roundUp(tree.Object(status, "hard"))
	roundUp(tree.Object(status, "used"))
}

// quotaErrors returns what is wrong with the amounts of a quota at a path. A name can be
// wrong for more than one reason, and upstream tells each.
func quotaErrors(at string, amounts map[string]any) (errs []field.Error) {
	for _, name := range tree.SortedKeys(amounts) {
		at := at + "[" + name + "]"
		errs = append(errs, invalidAll(at, name, resourceNameErrors(name))...)
		if !strings.Contains(name, "/") && !isQuotaResource(name) {
			errs = append(errs, field.Invalid(at, name, "must be a standard resource for quota"))
		}
		errs = append(errs, quotaAmountErrors(at, name, text(amounts[name]))...)
	}
	return errs
}

// isQuotaResource reports whether a name without a prefix is one that a quota may have. A
// quota bounds requests.storage, and storage itself is only for claims and their limits.
func isQuotaResource(name string) bool { return name != "storage" && isStandardResource(name) }

// checkQuota checks the amounts, and which objects count. The scopes never change, whatever
// their order; a selector, which came later, may.
func checkQuota(v *kinds.Visit) {
	v.Add(quotaErrors(v.Path("hard"), tree.Object(v.Obj, "hard"))...)
	if scopes := tree.List(v.Obj, "scopes"); len(scopes) > 0 {
		v.Add(scopeErrors(v.Path("scopes"), tree.Object(v.Obj, "hard"), scopes)...)
	}
	if s, ok := v.Obj["scopeSelector"].(map[string]any); ok {
		v.Add(scopeSelectorErrors(v.Path("scopeSelector", "matchExpressions"), v.Obj, s)...)
	}
	if v.Update() {
		now, before := tree.Strings(tree.List(v.Obj, "scopes")), tree.Strings(tree.List(v.Old, "scopes"))
		slices.Sort(now)
		slices.Sort(before)
		if !slices.Equal(slices.Compact(now), slices.Compact(before)) {
			v.Add(field.Invalid(v.Path("scopes"), v.Obj["scopes"], "field is immutable"))
		}
	}
}

// checkQuotaStatus checks the amounts of a status as those of the spec, of what is allowed
// and of what is used.
func checkQuotaStatus(v *kinds.Visit) {
	v.Add(quotaErrors(v.Path("hard"), tree.Object(v.Obj, "hard"))...)
	v.Add(quotaErrors(v.Path("used"), tree.Object(v.Obj, "used"))...)
}

// These are the resources that a scope can be about.
const (
	podCounts  = "pods cpu memory limits.cpu limits.memory requests.cpu requests.memory"
	claimCount = "persistentvolumeclaims requests.storage"
)

// scopeCounts returns the resources that a scope can be about, and false for what is no
// scope. Pods of BestEffort ask for nothing, so only their number can be bounded.
func scopeCounts(scope string) (string, bool) {
	switch scope {
	case "Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity":
		return podCounts, true
	case "BestEffort":
		return "pods", true
	case "VolumeAttributesClass":
		return claimCount, true
	}
	return "", false
}

// unscoped reports whether one of the amounts is of a resource that the scope cannot be
// about. One that no quota may have is not counted: it has an error already.
func unscoped(scope string, hard map[string]any) bool {
	counts, ok := scopeCounts(scope)
	for name := range hard {
		if ok && isQuotaResource(name) && !strings.Contains(name, "/") && !listed(counts, name) {
			return true
		}
	}
	return false
}

// scopeErrors returns what is wrong with scopes at a path, of a quota with the amounts hard.
// Every error shows all the scopes, so those of two wrong ones are alike and told once.
func scopeErrors(at string, hard map[string]any, scopes []any) (errs []field.Error) {
	for _, scope := range tree.Strings(scopes) {
		if _, ok := scopeCounts(scope); !ok {
			errs = append(errs, field.Invalid(at, scopes, "unsupported scope"))
		}
		if unscoped(scope, hard) {
			errs = append(errs, field.Invalid(at, scopes, "unsupported scope applied to resource"))
		}
	}
	return distinct(append(errs, opposedErrors(at, tree.Strings(scopes), scopes)...))
}

// opposedErrors returns an error for each pair of scopes that exclude each other, since no
// pod would be counted. shown is the value.
func opposedErrors(at string, scopes []string, shown any) (errs []field.Error) {
	for _, scope := range [...]string{"BestEffort", "Terminating"} {
		if slices.Contains(scopes, scope) && slices.Contains(scopes, "Not"+scope) {
			errs = append(errs, field.Invalid(at, shown, "conflicting scopes"))
		}
	}
	return errs
}

// scopeSelectorErrors returns what is wrong with the conditions at a path by which a quota
// selects. The paths have no index (upstream), so equal errors of two conditions are told
// once. Of most scopes a pod either is or is not, and so there is nothing to compare: the
// operator can be Exists alone.
func scopeSelectorErrors(at string, spec, selector map[string]any) (errs []field.Error) {
	var scopes, shown []string
	for _, e := range each(selector["matchExpressions"]) {
		shown = append(shown, string(structJSON(e, "ScopeName", "scopeName", "Operator", "operator", "Values", "values?")))
	}
	for _, e := range each(selector["matchExpressions"]) {
		scope, operator, values := tree.Text(e, "scopeName"), tree.Text(e, "operator"), tree.List(e, "values")
		scopes = append(scopes, scope)
		counts, ok := scopeCounts(scope)
		if !ok {
			errs = append(errs, field.Invalid(at+".scopeName", scope, "unsupported scope"))
		}
		if unscoped(scope, tree.Object(spec, "hard")) {
			whole := field.JSON(`{"MatchExpressions":[` + strings.Join(shown, ",") + "]}")
			errs = append(errs, field.Invalid(at, whole, "unsupported scope applied to resource"))
		}
		if ok && scope != "PriorityClass" && counts != claimCount && operator != "Exists" {
			errs = append(errs, field.Invalid(at+".operator", operator, "must be 'Exists' when scope is any of "+
				"ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "+
				"ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"))
		}
		// The values must go with the operator, whatever the scope.
		switch operator {
		case "In", "NotIn":
			if len(values) == 0 {
				errs = append(errs, field.Required(at+".values",
					"must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
			}
		case "Exists", "DoesNotExist":
			if len(values) > 0 {
				errs = append(errs, field.Invalid(at+".values", values,
					"must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
			}
		default:
			errs = append(errs, field.Invalid(at+".operator", operator, "not a valid selector operator"))
		}
	}
	return distinct(append(errs, opposedErrors(at, scopes, spec["scopes"])...))
}

// quotaWarnings returns of which resources more may be asked for than used. Only a create is
// warned. Of cpu and memory the name alone means the same as requests, and stands in where
// that is not.
func quotaWarnings(quota, old map[string]any) (warnings []string) {
	hard := tree.Object(quota, "spec", "hard")
	for _, name := range [...]string{"cpu", "memory", "storage", "ephemeral-storage"} {
		request := "requests." + name
		if hard[request] == nil && (name == "cpu" || name == "memory") {
			request = name
		}
		asks, may := text(hard[request]), text(hard["limits."+name])
		if old == nil && asks != "" && may != "" && quantity.Cmp(asks, may) > 0 {
			warnings = append(warnings, fmt.Sprintf("ResourceQuota %s (%s) should be less than limits.%s (%s)", request, asks, name, may))
		}
	}
	return warnings
}
