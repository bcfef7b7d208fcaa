package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What says how pods are treated: PodDisruptionBudget, PriorityClass, RuntimeClass and Lease. They are
// small; what they have in common is that somebody else (the eviction of a pod, admission, a kubelet)
// reads them and must find what it expects.

// policyRules are the rules of the types of these kinds.
// Leases have nothing that the words of their rows do not say.
func policyRules() kinds.Rules {
	return kinds.Rules{
		"policy.PodDisruptionBudgetSpec": {Check: checkDisruptionBudget},
		"policy.PodDisruptionBudget":     {Status: checkDisruptionStatus},
		"scheduling.PriorityClass":       {Check: checkPriorityClass},
		"node.Overhead":                  {Check: checkOverhead},
		"node.Scheduling":                {Check: checkScheduling},
	}
}

// checkDisruptionBudget is about how many pods there must be, or how many may be missing.
// The two are alternatives, and both may be percentages, of all pods that the selector selects. The
// spec as a whole is shown where both are there.
func checkDisruptionBudget(v *kinds.Visit) {
	least, most := v.Obj["minAvailable"], v.Obj["maxUnavailable"]
	if least != nil && most != nil {
		v.Add(field.Invalid(v.Path(), v.Obj, "minAvailable and maxUnavailable cannot be both set"))
	}
	// Each is judged even where only one may be there.
	for _, name := range [...]string{"minAvailable", "maxUnavailable"} {
		v.Add(amountErrors(v.Path(name), v.Obj[name])...)
		v.Add(wholeErrors(v.Path(name), v.Obj[name])...)
	}
	// Unlike those of workloads it may be empty, which means all pods, or absent, which means none.
	checkLabelSelector(v, tree.Object(v.Obj, "selector"), hadBadSelector(v), "selector", nil)
	// Absent is what it was before there was a choice.
	if policy, ok := v.Obj["unhealthyPodEvictionPolicy"].(string); ok && policy != "IfHealthyBudget" && policy != "AlwaysAllow" {
		v.Add(field.NotSupported(v.Path("unhealthyPodEvictionPolicy"), policy, "AlwaysAllow", "IfHealthyBudget"))
	}
}

// checkDisruptionStatus is about the conditions. The numbers are words of the row.
func checkDisruptionStatus(v *kinds.Visit) {
	v.Add(conditionErrors("status.conditions", tree.List(v.Root, "status", "conditions"))...)
}

// The longest texts of a condition.
const (
	maxConditionReason  = 1 << 10
	maxConditionMessage = 32 << 10
)

// conditionErrors returns what is wrong with a list of conditions, of which there is one of each type.
// They are conditions of apimachinery (metav1.Condition), whose rules are the same wherever they stand;
// at is the path of the list. Errors come by condition, in the order of upstream's fields.
//
//	status.conditions[1].reason: Required value
//	status.conditions[2]: Duplicate value: "DisruptionAllowed"
func conditionErrors(at string, conditions []any) (errs []field.Error) {
	seen := map[string]bool{}
	for i, c := range conditions {
		at := fmt.Sprintf("%s[%d]", at, i)
		typ, state, reason := tree.Text(c, "type"), tree.Text(c, "status"), tree.Text(c, "reason")
		// The second and every later one of a type is told, as type is the key of the list.
		if seen[typ] {
			errs = append(errs, field.Duplicate(at, typ))
		}
		seen[typ] = true
		if typ == "" {
			errs = append(errs, field.Required(at+".type", "is required"))
		} else {
			for _, why := range field.LabelKeyErrors(typ) {
				errs = append(errs, field.Invalid(at+".type", typ, why))
			}
		}
		// Required and without a reason: absent is not one of the words.
		switch state {
		case "True", "False", "Unknown":
		case "":
			errs = append(errs, field.Required(at+".status", ""))
		default:
			errs = append(errs, field.NotSupported(at+".status", state, "False", "True", "Unknown"))
		}
		// 0 is that nobody has said of which generation it is.
		if n := numberAt(c, "observedGeneration"); n < 0 {
			errs = append(errs, field.Invalid(at+".observedGeneration", n, "must be greater than or equal to zero"))
		}
		// The zero time is absent in what is stored.
		if tree.Text(c, "lastTransitionTime") == "" {
			errs = append(errs, field.Required(at+".lastTransitionTime", ""))
		}
		// Its form is judged only of one that is there.
		if reason == "" {
			errs = append(errs, field.Required(at+".reason", ""))
		} else {
			errs = append(errs, conditionReasonErrors(at+".reason", reason)...)
		}
		if len(tree.Text(c, "message")) > maxConditionMessage {
			errs = append(errs, field.TooLong(at+".message", maxConditionMessage))
		}
	}
	return errs
}

// conditionReasonErrors returns what is wrong with a reason, which is a word that a program can read.
// reason is not empty. Its length is judged beside its form, so one text may have two errors.
func conditionReasonErrors(at, reason string) (errs []field.Error) {
	const rule = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric " +
		"characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or " +
		"'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
	last := reason[len(reason)-1]
	// The expression of the message, read by hand: the ends first, and then what is between.
	good := isLetterOrDigit(reason[0]) && reason[0] > '9' && (isLetterOrDigit(last) || last == '_')
	for i := range len(reason) {
		good = good && (isLetterOrDigit(reason[i]) || strings.IndexByte("_,:", reason[i]) >= 0)
	}
	if !good {
		errs = append(errs, field.Invalid(at, reason, rule))
	}
	if len(reason) > maxConditionReason {
		errs = append(errs, field.TooLong(at, maxConditionReason))
	}
	return errs
}

const (
	// systemPriority begins the names of the priority classes that Kubernetes has itself.
	systemPriority = "system-"
	// maxUserPriority is the highest value of the others.
	maxUserPriority = 1000000000
)

// systemPriorities are the values of the system's own classes.
// Admission makes the classes; here is only what their names must come with.
var systemPriorities = []struct {
	name  string
	value int64
}{{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}}

// checkPriorityClass is about name and value, of which no update changes anything.
// An update is compared with what is stored, and all else is for new objects alone.
func checkPriorityClass(v *kinds.Visit) {
	name, value, policy := tree.Name(v.Obj), numberAt(v.Obj, "value"), tree.Text(v.Obj, "preemptionPolicy")
	if v.Update() {
		if value != numberAt(v.Old, "value") {
			v.Add(field.Forbidden("value", "may not be changed in an update."))
		}
		// Two reasons for what is one rule, as upstream has it.
		if policy != tree.Text(v.Old, "preemptionPolicy") {
			v.Add(field.Invalid("preemptionPolicy", policy, "field is immutable"))
		}
		return
	}
	// Above what users may have stand only classes that upstream knows by name.
	if strings.HasPrefix(name, systemPriority) {
		if why := systemPriorityError(name, value, tree.True(v.Obj["globalDefault"])); why != "" {
			v.Add(field.Forbidden("metadata.name",
				"priority class names with '"+systemPriority+"' prefix are reserved for system use only. error: "+why))
		}
	} else if value > maxUserPriority {
		v.Add(field.Forbidden("value", fmt.Sprintf("maximum allowed value of a user defined priority is %d", maxUserPriority)))
	}
	switch policy {
	case "PreemptLowerPriority", "Never":
	case "":
		v.Add(field.Required("preemptionPolicy", ""))
	default:
		v.Add(field.NotSupported("preemptionPolicy", policy, "PreemptLowerPriority", "Never"))
	}
}

// systemPriorityError returns why a class is none of the system's, "" for one that is.
func systemPriorityError(name string, value int64, global bool) string {
	for _, c := range systemPriorities {
		switch {
		case c.name != name:
		case c.value != value:
			return fmt.Sprintf("value of %s PriorityClass must be %d", name, c.value)
		case global:
			return fmt.Sprintf("globalDefault of %s PriorityClass must be false", name)
		default:
			return ""
		}
	}
	return name + " is not a known system priority class"
}

// checkOverhead is about what the runtime needs besides, which is judged as the limits of a container.
// As limits, and not as requests, is how upstream has it judged.
func checkOverhead(v *kinds.Visit) {
	p := podSpec{Visit: v}
	p.resources(map[string]any{"limits": v.Obj["podFixed"]}, containerResource)
}

// checkScheduling is about the tolerations, of which no two are alike.
// Two tolerations that differ in their seconds alone are alike.
// Values count even where the operator has none, as upstream compares the fields as they are.
func checkScheduling(v *kinds.Visit) {
	var seen [][4]string
	for i, t := range each(v.Obj["tolerations"]) {
		// Each by itself first, so that one that is wrong twice is told of both.
		checkToleration(v, t, "tolerations", i)
		key := [4]string{tree.Text(t, "key"), tree.Text(t, "operator"), tree.Text(t, "value"), tree.Text(t, "effect")}
		if slices.Contains(seen, key) {
			v.Add(field.Duplicate(v.Path("tolerations", i), t))
		}
		seen = append(seen, key)
	}
}

// runtimeClassWarnings says that nodes are selected by labels that have newer names.
// They are in the order of the keys, for updates as well.
func runtimeClassWarnings(obj, _ map[string]any) (warnings []string) {
	for _, key := range tree.SortedKeys(tree.Object(obj, "scheduling", "nodeSelector")) {
		for _, old := range oldNodeLabels {
			if old.key == key {
				warnings = append(warnings, "scheduling.nodeSelector: "+old.why)
			}
		}
	}
	return warnings
}

// oldNodeLabels are labels of nodes that have newer names, or no use any more.
// Why each is there is how upstream's warnings end.
var oldNodeLabels = []struct{ key, why string }{
	{"app.kubernetes.io/created-by", "deprecated since v1.9"},
	{"beta.kubernetes.io/arch", `deprecated since v1.14; use "kubernetes.io/arch" instead`},
	{"beta.kubernetes.io/instance-type", `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`},
	{"beta.kubernetes.io/os", `deprecated since v1.14; use "kubernetes.io/os" instead`},
	{"failure-domain.beta.kubernetes.io/region", `deprecated since v1.17; use "topology.kubernetes.io/region" instead`},
	{"failure-domain.beta.kubernetes.io/zone", `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`},
	{"node-role.kubernetes.io/master", `use "node-role.kubernetes.io/control-plane" instead`},
	{"scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"},
}
