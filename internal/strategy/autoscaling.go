package strategy

import (
	"maps"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// HorizontalPodAutoscaler, in the shape of autoscaling/v2, in which it is stored. A client of v1 is
// judged by that shape too, whose fields v1 has under the same names where it has them.
//
// A metric has a type, and a member of that name in which all else stands. Upstream judges the first
// member that is there, whichever it is, and refuses the others.

// The bounds of behavior, in seconds.
const (
	// Half an hour for a period, an hour for a window.
	maxScalingPeriod = 1800
	maxStabilization = 3600
)

// autoscalingRules are the rules of the types of the kind.
// Members of a metric have no rows here: upstream judges one of them alone, which a rule by type would
// not know of.
func autoscalingRules() kinds.Rules {
	return kinds.Rules{
		"autoscalingv2.HorizontalPodAutoscaler":     {Default: kinds.DropScalerAnnotations},
		"autoscalingv2.HorizontalPodAutoscalerSpec": {Default: autoscalerDefaults, Check: checkAutoscalerSpec},
		"autoscalingv2.HPAScalingRules":             {Check: checkScalingRules},
		"autoscalingv2.HPAScalingPolicy":            {Check: checkScalingPolicy},
		"autoscalingv2.MetricSpec":                  {Check: checkMetric},
	}
}

// keepAnnotations returns a preparation of objects of v1 that leaves annotations alone which are of another
// part than the one that is written, and a new object has none of.
// names are those annotations in which v1 keeps fields of v2 that it has no place for: some are of the
// spec and some of the status, and a write of one part must not change the other.
func keepAnnotations(names []string) func(obj, old map[string]any) {
	return func(obj, old map[string]any) {
		annotations := tree.Object(obj, "metadata", "annotations")
		for _, name := range names {
			was := tree.At(old, "metadata", "annotations", name)
			// Whatever the client sent under that name gives way to what is stored.
			if was != nil {
				tree.Set(obj, was, "metadata", "annotations", name)
			} else if annotations != nil {
				delete(annotations, name)
			}
		}
	}
}

// autoscalerDefaults makes the processor the metric where there is none, and completes a behavior that
// is there: whoever says something of one direction has both.
// Upstream's defaults of autoscaling/v2: 80 percent of the processor that is asked for, four pods or
// twice as many in 15 seconds, and down without a bound.
func autoscalerDefaults(obj map[string]any) {
	if len(tree.List(obj, "metrics")) == 0 {
		obj["metrics"] = []any{map[string]any{"type": "Resource", "resource": map[string]any{
			"name": "cpu", "target": map[string]any{"type": "Utilization", "averageUtilization": int64(80)}}}}
	}
	// Without a behavior the controller has defaults of its own, which are not stored.
	behavior, ok := obj["behavior"].(map[string]any)
	if !ok {
		return
	}
	policy := func(typ string, value int64) any {
		return map[string]any{"type": typ, "value": value, "periodSeconds": int64(15)}
	}
	for direction, rules := range map[string]map[string]any{
		"scaleUp": {"stabilizationWindowSeconds": int64(0), "selectPolicy": "Max",
			"policies": []any{policy("Pods", 4), policy("Percent", 100)}},
		"scaleDown": {"selectPolicy": "Max", "policies": []any{policy("Percent", 100)}},
	} {
		// What the client says replaces a default as a whole, policies too.
		maps.Copy(rules, tree.Object(behavior, direction))
		behavior[direction] = rules
	}
}

// checkAutoscalerSpec is about the numbers of replicas, and what is scaled.
// Upstream's order is that of the fields; what is said of the metrics as a list comes last here, and of
// each of them by its type.
func checkAutoscalerSpec(v *kinds.Visit) {
	least, bounded := v.Obj["minReplicas"].(int64)
	most := numberAt(v.Obj, "maxReplicas")
	if bounded && least < 0 {
		v.Add(field.Invalid(v.Path("minReplicas"), least, "must be greater than or equal to 0"))
	}
	switch {
	// 0 cannot be told from absent in upstream's type, and so is required.
	case most == 0:
		v.Add(field.Required(v.Path("maxReplicas"), ""))
	case most < 0:
		v.Add(field.Invalid(v.Path("maxReplicas"), most, "must be greater than or equal to 1"))
	}
	// Besides what is wrong with either number.
	if bounded && most < least {
		v.Add(field.Invalid(v.Path("maxReplicas"), most, "must be greater than or equal to `minReplicas`"))
	}
	target, was := tree.Object(v.Obj, "scaleTargetRef"), tree.Object(v.Old, "scaleTargetRef")
	v.Add(referenceErrors(v.Path("scaleTargetRef"), target)...)
	// ReplicationController is the one kind of the core group that can be scaled. A version that was taken
	// once is not asked about again.
	if v.Old == nil || tree.Text(was, "apiVersion") != tree.Text(target, "apiVersion") ||
		tree.Text(was, "kind") != tree.Text(target, "kind") {
		core := tree.Text(target, "kind") == "ReplicationController"
		v.Add(referenceVersionErrors(v.Path("scaleTargetRef"), target, core)...)
	}
	// With no pod there is none whose processor or memory could be measured: something else must tell
	// that one is needed.
	if bounded && least == 0 && !slices.ContainsFunc(tree.List(v.Obj, "metrics"), func(m any) bool {
		typ := tree.Text(m, "type")
		return typ == "Object" || typ == "External"
	}) {
		const why = "must specify at least one Object or External metric to support scaling to zero replicas"
		v.Add(field.Forbidden(v.Path("metrics"), why))
	}
}

// referenceErrors returns what is wrong with the kind and the name of a reference.
// Both become parts of a path when the controller asks for the object.
func referenceErrors(at string, ref map[string]any) (errs []field.Error) {
	// Kind first (upstream).
	for _, name := range [...]string{"kind", "name"} {
		s := tree.Text(ref, name)
		if s == "" {
			errs = append(errs, field.Required(at+"."+name, ""))
			continue
		}
		for _, why := range field.PathSegmentErrors(s) {
			errs = append(errs, field.Invalid(at+"."+name, s, why))
		}
	}
	return errs
}

// referenceVersionErrors returns what is wrong with the apiVersion of a reference, which has a group
// unless core says that it need not.
// at is the path of the reference. An empty apiVersion is the core group without a version.
func referenceVersionErrors(at string, ref map[string]any, core bool) []field.Error {
	version := tree.Text(ref, "apiVersion")
	group, _, slash := strings.Cut(version, "/")
	why := ""
	switch {
	case strings.Count(version, "/") > 1:
		why = "unexpected GroupVersion string: " + version
	case !core && (!slash || group == ""):
		why = "apiVersion must specify API group"
	}
	if why == "" {
		return nil
	}
	return []field.Error{field.Invalid(at+".apiVersion", version, why)}
}

// checkScalingRules is about one direction of a behavior.
// It stands for scaling up and down alike, which differ in their defaults only.
func checkScalingRules(v *kinds.Visit) {
	if window, ok := v.Obj["stabilizationWindowSeconds"].(int64); ok {
		at := v.Path("stabilizationWindowSeconds")
		if window < 0 {
			v.Add(field.Invalid(at, window, "must be greater than or equal to zero"))
		}
		// Never both, yet upstream asks for both.
		if window > maxStabilization {
			v.Add(field.Invalid(at, window, "must be less than or equal to 3600"))
		}
	}
	if policy, ok := v.Obj["selectPolicy"].(string); ok && policy != "Max" && policy != "Min" && policy != "Disabled" {
		v.Add(field.NotSupported(v.Path("selectPolicy"), policy, "Disabled", "Max", "Min"))
	}
	// Defaults have filled in what was absent: only a list that was sent empty comes here.
	if len(tree.List(v.Obj, "policies")) == 0 {
		v.Add(field.Required(v.Path("policies"), "must specify at least one Policy"))
	}
	// A quantity in canonical form, which begins with its sign.
	if tolerance, ok := v.Obj["tolerance"].(string); ok && strings.HasPrefix(tolerance, "-") {
		v.Add(field.Invalid(v.Path("tolerance"), tolerance, "must be greater than or equal to 0"))
	}
}

// checkScalingPolicy is about how much may be added or removed in what time.
func checkScalingPolicy(v *kinds.Visit) {
	if typ := tree.Text(v.Obj, "type"); typ != "Pods" && typ != "Percent" {
		v.Add(field.NotSupported(v.Path("type"), typ, "Percent", "Pods"))
	}
	// Both count from 1; a period has an end too.
	for _, name := range [...]string{"value", "periodSeconds"} {
		if n := numberAt(v.Obj, name); n <= 0 {
			v.Add(field.Invalid(v.Path(name), n, "must be greater than zero"))
		}
	}
	if n := numberAt(v.Obj, "periodSeconds"); n > maxScalingPeriod {
		v.Add(field.Invalid(v.Path("periodSeconds"), n, "must be less than or equal to 1800"))
	}
}

// metricSources are the types of metrics and the members in which they stand, in the order in which
// upstream looks for them.
// The type is the member's name with a capital.
var metricSources = [...]struct{ typ, member string }{
	{"Object", "object"}, {"External", "external"}, {"Pods", "pods"}, {"Resource", "resource"},
	{"ContainerResource", "containerResource"},
}

// checkMetric is about one metric.
// The type names the member that must be there; what is there besides is refused, with one exception
// that is upstream's: a single member of another type is judged, and not refused.
func checkMetric(v *kinds.Visit) {
	typ, expected := tree.Text(v.Obj, "type"), ""
	var present []string
	for _, s := range metricSources {
		// Only the first is judged, be it not the one of the type.
		if source, ok := v.Obj[s.member].(map[string]any); ok {
			if present = append(present, s.member); len(present) == 1 {
				checkMetricSource(v, s.member, source)
			}
		}
		if s.typ == typ {
			expected = s.member
		}
	}
	// An empty type is also not among those supported: both are told.
	if typ == "" {
		v.Add(field.Required(v.Path("type"), "must specify a metric source type"))
	}
	if expected == "" {
		v.Add(field.NotSupported(v.Path("type"), typ, "ContainerResource", "External", "Object", "Pods", "Resource"))
	} else if v.Obj[expected] == nil {
		v.Add(field.Required(v.Path(expected), "must populate information for the given metric source"))
	}
	if len(present) == 1 {
		return
	}
	// Two or more: all but the one that was meant.
	for _, member := range present {
		if member != expected {
			v.Add(field.Forbidden(v.Path(member), "must populate the given metric source only"))
		}
	}
}

// checkMetricSource is about what stands in the member of a metric.
// member is its name and source what is in it. What differs between members is what names the metric,
// and which forms of a target it may have:
//
//	Resource, ContainerResource   averageValue or averageUtilization
//	Pods                          averageValue
//	Object                        value or averageValue
//	External                      value or averageValue, not both
func checkMetricSource(v *kinds.Visit, member string, source map[string]any) {
	target := tree.Object(source, "target")
	value, average, utilization := target["value"], target["averageValue"], target["averageUtilization"]
	at := v.Path(member)
	// Most of it is that something is absent.
	need := func(name, why string) { v.Add(field.Required(at+"."+name, why)) }
	// An object of any group, core among them.
	if member == "object" {
		described := tree.Object(source, "describedObject")
		v.Add(referenceErrors(at+".describedObject", described)...)
		v.Add(referenceVersionErrors(at+".describedObject", described, true)...)
	}
	// A resource has its name here, other metrics have theirs in metric.
	name := tree.Text(source, "name")
	switch member {
	case "resource", "containerResource":
		if name == "" {
			need("name", "must specify a resource name")
		}
		if member == "containerResource" {
			v.Add(containerSourceErrors(at, name, tree.Text(source, "container"))...)
		}
		if average == nil && utilization == nil {
			need("target.averageUtilization", "must set either a target raw value or a target utilization")
		} else if average != nil && utilization != nil {
			v.Add(field.Forbidden(at+".target.averageValue", "may not set both a target raw value and a target utilization"))
		}
	default:
		metric := tree.Text(source, "metric", "name")
		if metric == "" {
			need("metric.name", "must specify a metric name")
		}
		// The name becomes a part of a path in the API of metrics.
		for _, why := range field.PathSegmentErrors(metric) {
			v.Add(field.Invalid(at+".metric.name", metric, why))
		}
	}
	switch {
	case member == "pods" && average == nil:
		need("target.averageValue", "must specify a positive target averageValue")
	case member == "object" && value == nil && average == nil:
		need("target.averageValue", "must set either a target value or averageValue")
	case member == "external" && value == nil && average == nil:
		need("target.averageValue", "must set either a target value for metric or a per-pod target")
	case member == "external" && value != nil && average != nil:
		v.Add(field.Forbidden(at+".target.value", "may not set both a target value for metric and a per-pod target"))
	}
	// Last: what every target must be, whoever has it.
	v.Add(metricTargetErrors(at+".target", target)...)
}

// containerSourceErrors returns what is wrong with the name of a resource and that of a container.
// at is the path of the member. A name that is absent was told before.
func containerSourceErrors(at, name, container string) (errs []field.Error) {
	if name != "" {
		errs = append(errs, containerResourceNameErrors(at+".name", name)...)
	}
	if container == "" {
		return append(errs, field.Required(at+".container", "must specify a container"))
	}
	for _, why := range field.DNSLabelErrors(container) {
		errs = append(errs, field.Invalid(at+".container", container, why))
	}
	return errs
}

// containerResourceNameErrors returns what is wrong with the name of a resource that a container has:
// it is one of Kubernetes, or has the domain of another.
// Upstream asks twice, first as for any resource and then as for one of a container, so one name may
// have two errors.
func containerResourceNameErrors(at, name string) (errs []field.Error) {
	why := field.LabelKeyErrors(name)
	prefixed := strings.Contains(name, "/")
	if why == nil && !prefixed && !isStandardResource(name) {
		why = []string{"must be a standard resource type or fully qualified"}
	}
	// The second question. Extended resources have the domain of who provides them, which is not
	// kubernetes.io.
	switch {
	case !prefixed && name != "cpu" && name != "memory" && name != "ephemeral-storage" && !isHugePages(name):
		why = append(why, "must be a standard resource for containers")
	case prefixed && !isNativeResource(name) && !isExtendedResource(name):
		why = append(why, "doesn't follow extended resource name standard")
	}
	for _, w := range why {
		errs = append(errs, field.Invalid(at, name, w))
	}
	return errs
}

// metricTargetErrors returns what is wrong with what a metric is to be.
// at is the path of the target. The type is not compared with which of the values is there (upstream).
func metricTargetErrors(at string, target map[string]any) (errs []field.Error) {
	typ := tree.Text(target, "type")
	if typ == "" {
		errs = append(errs, field.Required(at+".type", "must specify a metric target type"))
	}
	// An absent type is told twice, as required and as wrong.
	if typ != "Utilization" && typ != "Value" && typ != "AverageValue" {
		errs = append(errs, field.Invalid(at+".type", typ, "must be either Utilization, Value, or AverageValue"))
	}
	for _, name := range [...]string{"value", "averageValue"} {
		// Quantities are canonical: nothing but 0 is nothing, and what is negative begins with a sign.
		if q, ok := target[name].(string); ok && (q == "0" || strings.HasPrefix(q, "-")) {
			errs = append(errs, field.Invalid(at+"."+name, q, "must be positive"))
		}
	}
	// In percent of what is asked for; more than 100 is good.
	if n, ok := target["averageUtilization"].(int64); ok && n < 1 {
		errs = append(errs, field.Invalid(at+".averageUtilization", n, "must be greater than 0"))
	}
	return errs
}
