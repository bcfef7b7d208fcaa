package strategy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// limitRules returns the rules of ranges of resources.
func limitRules() kinds.Rules {
	return kinds.Rules{
		"LimitRangeItem":      {Default: limitRangeDefaults, Check: checkLimitRangeItem},
		"LimitRangeSpec":      {Check: checkLimitRange},
		"ResourceQuotaSpec":   {Default: quotaDefaults, Check: checkQuotaSpec},
		"ResourceQuotaStatus": {Default: quotaDefaults, Check: func(v *kinds.Visit) { quotaAmounts(v, "hard"); quotaAmounts(v, "used") }},
	}
}

// checkLimitRange: there is one range of a type.
func checkLimitRange(v *kinds.Visit) {
	seen := map[string]bool{}
	for i, item := range tree.List(v.Obj, "limits") {
		typ := tree.Text(item, "type")
		if seen[typ] {
			v.Add(field.Duplicate(v.Path("limits", i, "type"), typ))
		}
		seen[typ] = true
	}
}

// limitRangeLists are the lists of amounts in a range.
var limitRangeLists = [...]string{"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}

// checkLimitRangeItem: names are those of resources, and bounds and defaults are in their order.
func checkLimitRangeItem(v *kinds.Visit) {
	typ := tree.Text(v.Obj, "type")
	if errs := field.LabelKeyErrors(typ); len(errs) > 0 {
		for _, why := range errs {
			v.Add(field.Invalid(v.Path("type"), typ, why))
		}
	} else if !slices.Contains([]string{"Pod", "Container", "PersistentVolumeClaim"}, typ) && !strings.Contains(typ, "/") {
		v.Add(field.Invalid(v.Path("type"), typ, "must be a standard limit type or fully qualified"))
	}
	names := map[string]bool{}
	for _, list := range limitRangeLists {
		amounts := tree.Object(v.Obj, list)
		if typ == "Pod" && strings.HasPrefix(list, "default") {
			if len(amounts) > 0 {
				v.Add(field.Forbidden(v.Path(list), "may not be specified when `type` is 'Pod'"))
			}
			continue
		}
		for _, name := range tree.SortedKeys(amounts) {
			names[name] = true
			v.Add(limitedNameErrors(v.Path(list, kinds.MapKey(name)), name, typ == "Pod" || typ == "Container")...)
		}
	}
	if typ == "PersistentVolumeClaim" && tree.At(v.Obj, "min", "storage") == nil && tree.At(v.Obj, "max", "storage") == nil {
		v.Add(field.Required(v.Path("limits"), "either minimum or maximum storage value is required, but neither was provided"))
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		checkLimitRangeOrder(v, name, typ != "Pod")
	}
}

// checkLimitRangeOrder compares the amounts of a resource, defaults among them where the type has any.
func checkLimitRangeOrder(v *kinds.Visit, name string, defaults bool) {
	at := func(list string) string { return v.Path(list, kinds.MapKey(name)) }
	of := func(list string) (string, bool) {
		q := tree.At(v.Obj, list, name)
		return text(q), q != nil && (defaults || !strings.HasPrefix(list, "default"))
	}
	for _, o := range [...]struct{ low, high, field, shown, say string }{
		{"min", "max", "min", "min", "min value %s is greater than max value %s"},
		{"min", "defaultRequest", "defaultRequest", "defaultRequest", "min value %s is greater than default request value %s"},
		{"defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value %s is greater than max value %s"},
		{"defaultRequest", "default", "defaultRequest", "defaultRequest", "default request value %s is greater than default limit value %s"},
		{"min", "default", "default", "min", "min value %s is greater than default value %s"},
		{"default", "max", "default", "max", "default value %s is greater than max value %s"},
	} {
		low, hasLow := of(o.low)
		high, hasHigh := of(o.high)
		if hasLow && hasHigh && quantity.Cmp(low, high) > 0 {
			shown, _ := of(o.shown)
			v.Add(field.Invalid(at(o.field), shown, fmt.Sprintf(o.say, low, high)))
		}
	}
	if ratio, ok := of("maxLimitRequestRatio"); ok {
		if quantity.Cmp(ratio, "1") < 0 {
			v.Add(field.Invalid(at("maxLimitRequestRatio"), ratio, "ratio "+ratio+" is less than 1"))
		}
		least, hasMin := of("min")
		most, hasMax := of("max")
		if most := float64(quantity.Units(most, -3)) / float64(quantity.Units(least, -3)); hasMin && hasMax &&
			float64(quantity.Units(ratio, -3))/1000 > most {
			v.Add(field.Invalid(at("maxLimitRequestRatio"), ratio, fmt.Sprintf("ratio %s is greater than max/min = %f", ratio, most)))
		}
	}
	limit, hasLimit := of("default")
	request, hasRequest := of("defaultRequest")
	if hasLimit && hasRequest && (!isNativeResource(name) || isHugePages(name)) && quantity.Cmp(limit, request) != 0 {
		v.Add(field.Invalid(at("defaultRequest"), request, fmt.Sprintf("default value %s must equal to defaultRequest value %s in %s",
			limit, request, name)))
	}
}

// limitedNameErrors returns what is wrong with the name of a resource at a path, which may be one that
// containers have.
func limitedNameErrors(at, name string, container bool) (errs []field.Error) {
	whys := field.LabelKeyErrors(name)
	prefixed := strings.Contains(name, "/")
	if len(whys) == 0 && !prefixed && !isStandardResource(name) {
		whys = []string{"must be a standard resource type or fully qualified"}
	}
	switch {
	case !container:
	case !prefixed && name != "cpu" && name != "memory" && name != "ephemeral-storage" && !isHugePages(name):
		whys = append(whys, "must be a standard resource for containers")
	case prefixed && !isNativeResource(name) && !isExtendedResource(name):
		whys = append(whys, "doesn't follow extended resource name standard")
	}
	for _, why := range whys {
		errs = append(errs, field.Invalid(at, name, why))
	}
	return errs
}

// limitRangeDefaults gives a range of containers the limits and requests that it implies, as upstream's
// SetDefaults_LimitRangeItem does: a limit is the maximum, a request the limit or else the minimum.
func limitRangeDefaults(item map[string]any) {
	for _, list := range limitRangeLists {
		roundUp(tree.Object(item, list))
	}
	if tree.Text(item, "type") != "Container" {
		return
	}
	for _, d := range [...]struct{ field, from string }{{"default", "max"}, {"defaultRequest", "default"}, {"defaultRequest", "min"}} {
		for name, v := range tree.Object(item, d.from) {
			if tree.At(item, d.field, name) == nil {
				tree.Set(item, v, d.field, name)
			}
		}
	}
}
