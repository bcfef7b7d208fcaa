package strategy

import (
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// The controllers of pods that run for ever: Deployment, ReplicaSet, StatefulSet, DaemonSet and
// ReplicationController, and the ControllerRevision in which two of them keep what they were. What
// they have in common is here, by what it is about: the selector, the pod template, numbers that may
// be percentages, and counts in a status. The rules of each follow in workload_apps.go.
//
// The template is a PodTemplateSpec like any other and judged as such by the walk. Here is only what a
// controller demands of it besides: labels that its selector selects, and pods that are never done.

// workloadRules are the rules of the types of these kinds.
// The key is the name of a type in the rows, so a DeploymentSpec is judged wherever one stands. Numbers
// that are never negative, and fields that never change, are words there and not here.
func workloadRules() kinds.Rules {
	return kinds.Rules{
		"apps.Deployment":                {Status: checkDeploymentStatus},
		"apps.DeploymentSpec":            {Check: checkDeploymentSpec},
		"apps.DeploymentStrategy":        {Default: rollsByDefault, Check: checkDeploymentStrategy},
		"apps.ReplicaSet":                {Status: checkReplicaStatus},
		"apps.ReplicaSetSpec":            {Check: checkReplicaSetSpec},
		"apps.StatefulSet":               {Status: checkStatefulSetStatus},
		"apps.StatefulSetSpec":           {Default: statefulSetDefaults, Judge: asStatefulPods, Check: checkStatefulSetSpec},
		"apps.StatefulSetUpdateStrategy": {Default: statefulSetStrategyDefaults},
		"apps.DaemonSet":                 {Status: checkCollisions},
		"apps.DaemonSetSpec":             {Check: checkDaemonSetSpec},
		"apps.DaemonSetUpdateStrategy":   {Default: rollsByDefault, Check: checkDaemonSetStrategy},
		"apps.ControllerRevision":        {Check: checkControllerRevision},
		"ReplicationController":          {Default: replicationControllerDefaults, Check: checkReplicationController, Status: checkReplicaStatus},
	}
}

// workloadStrategies are what is done with objects of these kinds, and those of batch, before they are
// judged, and what their writers are told.
// By kind and not by type, since what an update does to the rest of the object is a matter of the
// whole. spec and status are the annotations in which v1 of the autoscaler keeps what it has no fields
// for.
func workloadStrategies() map[kinds.Key]Strategy {
	spec, status := kinds.ScalerAnnotations()
	return map[kinds.Key]Strategy{
		kinds.NewKey("autoscaling", "v1", "HorizontalPodAutoscaler"): {Prepare: keepAnnotations(status), PrepareStatus: keepAnnotations(spec)},
		kinds.NewKey("", "v1", "ReplicationController"):              {Prepare: prepareTemplate, Warnings: hostNameWarnings},
		kinds.NewKey("apps", "v1", "Deployment"): {
			Prepare: prepareTemplate, PrepareStatus: keepLabels, Warnings: hostNameWarnings, Changes: changesDeployment,
		},
		kinds.NewKey("apps", "v1", "ReplicaSet"):          {Prepare: prepareTemplate, Warnings: hostNameWarnings},
		kinds.NewKey("apps", "v1", "StatefulSet"):         {Prepare: prepareTemplate, Warnings: statefulSetWarnings},
		kinds.NewKey("apps", "v1", "DaemonSet"):           {Prepare: prepareDaemonSet, Sent: sentDaemonSet},
		kinds.NewKey("batch", "v1", "Job"):                {Prepare: prepareJob, Warnings: jobWarnings("spec")},
		kinds.NewKey("batch", "v1", "CronJob"):            {Prepare: prepareCronJob, Warnings: cronJobWarnings},
		kinds.NewKey("node.k8s.io", "v1", "RuntimeClass"): {Warnings: runtimeClassWarnings},
		// Nothing of it that matters can change.
		kinds.NewKey("scheduling.k8s.io", "v1", "PriorityClass"): {Changes: func(_, _ map[string]any) bool { return false }},
	}
}

// changesDeployment counts annotations too, since they are copied to the ReplicaSets.
// It reports whether an update counts as a new generation. Other kinds of pods are asked by their spec
// alone.
func changesDeployment(obj, old map[string]any) bool {
	return !tree.Equal(obj["spec"], old["spec"]) ||
		!tree.Equal(tree.At(obj, "metadata", "annotations"), tree.At(old, "metadata", "annotations"))
}

// prepareTemplate drops annotations of the template that nobody reads any more.
// Versions before init containers had a field kept them in there.
func prepareTemplate(obj, _ map[string]any) {
	dropInitAnnotations(tree.Object(obj, "spec", "template"))
}

// keepLabels leaves the labels alone where only the status is written.
// Of these kinds upstream does so for deployments alone; a controller that sends an old object with a
// new status takes no label away by it.
func keepLabels(obj, old map[string]any) {
	m := tree.Metadata(obj)
	// First away, as the old object may have had none.
	delete(m, "labels")
	if labels := tree.Object(old, "metadata", "labels"); labels != nil {
		m["labels"] = tree.Copy(labels)
	}
}

// hostNameWarnings says that the pods of a new object will have names that are no names of hosts.
// Pods are called after the object that makes them, with something behind: so a name with a dot, which
// the object may have, is one that no DNS label is. An update warns of nothing, since no name changes.
func hostNameWarnings(obj, old map[string]any) []string {
	why := field.DNSLabelErrors(tree.Name(obj))
	if old != nil || why == nil {
		return nil
	}
	return []string{"metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; " +
		"a DNS label is recommended: [" + strings.Join(why, " ") + "]"}
}

// statefulSetWarnings says that a limit which is below zero is none.
// The field is taken as it is; that all revisions stay is what the controller makes of it.
func statefulSetWarnings(obj, _ map[string]any) []string {
	if numberAt(obj, "spec", "revisionHistoryLimit") >= 0 {
		return nil
	}
	return []string{"spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"}
}

// labelTexts returns labels as a map of texts.
// Labels that are no texts are "", which only happens before the labels themselves are judged.
func labelTexts(labels map[string]any) map[string]string {
	texts := make(map[string]string, len(labels))
	for k, v := range labels {
		texts[k], _ = v.(string)
	}
	return texts
}

// checkTemplateLabels demands that the selector of a spec selects the labels of its template. Nothing
// is said of a selector that is none.
// The error shows the labels of the template, at their place. A selector that is absent matches none
// here, though elsewhere that means everything (upstream).
func checkTemplateLabels(v *kinds.Visit) {
	sel := tree.Object(v.Obj, "selector")
	labels := tree.Object(v.Obj, "template", "metadata", "labels")
	l, err := selector.FromObject(sel)
	if err == nil && (sel == nil || !l.Matches(labelTexts(labels))) {
		v.Add(field.Invalid(v.Path("template", "metadata", "labels"), labels, "`selector` does not match template `labels`"))
	}
}

// checkSelector demands a selector, and that it is one and selects something. kind is what upstream
// calls whose it is; why is what it says of one that cannot be read.
// It says three things at most, in upstream's order: that there is none, that it is empty, and that it
// cannot be read. An empty why ends the message with the value.
func checkSelector(v *kinds.Visit, kind, why string) {
	sel := tree.Object(v.Obj, "selector")
	switch {
	case v.Obj["selector"] == nil:
		v.Add(field.Required(v.Path("selector"), ""))
	// Empty would mean all pods of the namespace, each of which the controller would take for its own.
	case len(tree.Object(sel, "matchLabels"))+len(tree.List(sel, "matchExpressions")) == 0:
		v.Add(field.Invalid(v.Path("selector"), sel, "empty selector is invalid for "+kind))
	}
	// What is wrong inside of it is told at its place, and then once more as a whole.
	checkLabelSelector(v, sel, never, "selector", nil)
	if _, err := selector.FromObject(sel); err != nil {
		e := field.Invalid(v.Path("selector"), sel, why)
		e.Message = strings.TrimSuffix(e.Message, ": ") // as it is without a reason
		v.Add(e)
	}
}

// hadBadSelector returns a tolerance for what was wrong with the selector before.
// An object of an older database, whose values of labels were not judged, can so be updated still.
func hadBadSelector(v *kinds.Visit) func() bool {
	return func() bool { return len(labelSelectorErrors(tree.Object(v.Old, "selector"), never)) > 0 }
}

// checkEndless demands that the pods of the template of a spec are restarted whatever happens. kind is
// what upstream calls whose they are.
// A pod that ends by itself would be made again without end. The messages are the same in all kinds but
// for the name.
func checkEndless(v *kinds.Visit, kind string) {
	if policy := tree.Text(v.Obj, "template", "spec", "restartPolicy"); policy != "Always" {
		v.Add(field.NotSupported(v.Path("template", "spec", "restartPolicy"), policy, "Always"))
	}
	// A deadline ends the pod whatever its policy is.
	if tree.At(v.Obj, "template", "spec", "activeDeadlineSeconds") != nil {
		v.Add(field.Forbidden(v.Path("template", "spec", "activeDeadlineSeconds"), "activeDeadlineSeconds in "+kind+" is not Supported"))
	}
}

// numberAt returns the integer at a path, 0 where there is none.
// A number with a fraction is 0 as well: none comes through the rows.
//
//go:noinline
func numberAt(obj any, path ...string) int64 {
	n, _ := tree.At(obj, path...).(int64)
	return n
}

// notPercent is upstream's rule in words, with its two blanks.
const notPercent = "a valid percent string must be a numeric string followed by an ending '%' " +
	"(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

// percent returns the number of a percentage, and false for what is none.
// Digits and one sign behind them, nothing else: neither a fraction nor a sign before.
func percent(value any) (int, bool) {
	s, _ := value.(string)
	digits, ok := strings.CutSuffix(s, "%")
	if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.Atoi(digits) // one that is too long is the greatest number
	return n, true
}

// amount returns a number or percentage as a number: that of a text which is neither is 0.
// It tells only whether there is something at all, which is what the rules ask: 10% of nothing is not
// looked at. A text of digits without a sign counts here, and is refused by amountErrors.
func amount(value any) int {
	switch value := value.(type) {
	case int64:
		return int(value)
	case string:
		if n, ok := percent(value); ok {
			return n
		}
		if n, err := strconv.Atoi(value); err == nil {
			return n
		}
	}
	return 0
}

// amountErrors returns what is wrong with a number that may be a percentage.
// What is absent has no error, as that is for a default or another rule to say.
func amountErrors(at string, value any) (errs []field.Error) {
	switch value := value.(type) {
	case int64:
		if value < 0 {
			errs = append(errs, field.Invalid(at, value, "must be greater than or equal to 0"))
		}
	case string:
		if _, ok := percent(value); !ok {
			errs = append(errs, field.Invalid(at, value, notPercent))
		}
	}
	return errs
}

// wholeErrors returns the error for a percentage of more than everything.
// A number has none here: more than there are replicas is taken as all of them.
func wholeErrors(at string, value any) (errs []field.Error) {
	if n, _ := percent(value); n > 100 {
		errs = append(errs, field.Invalid(at, value, "must not be greater than 100%"))
	}
	return errs
}

// checkCollisions refuses a status in which fewer collisions were counted than before.
// The count makes names of revisions different, and a lower one would make an old name again.
func checkCollisions(v *kinds.Visit) {
	// Not to have counted yet is less than 0.
	before, counted := tree.At(v.OldRoot, "status", "collisionCount").(int64)
	if now := numberAt(v.Root, "status", "collisionCount"); counted && now < before {
		v.Add(field.Invalid("status.collisionCount", now, "cannot be decremented"))
	}
}

// checkCounts refuses a status in which more of the replicas are something than there are replicas, or
// more of them available than ready. ready is what upstream calls the latter.
// counts are names of fields of the status, judged in that order. Each stands by itself, so one that is
// wrong does not hide the next.
func checkCounts(v *kinds.Visit, ready string, counts ...string) {
	for _, name := range counts {
		if n := numberAt(v.Root, "status", name); n > numberAt(v.Root, "status", "replicas") {
			v.Add(field.Invalid("status."+name, n, "cannot be greater than status.replicas"))
		}
	}
	if n := numberAt(v.Root, "status", "availableReplicas"); n > numberAt(v.Root, "status", "readyReplicas") {
		v.Add(field.Invalid("status.availableReplicas", n, "cannot be greater than "+ready))
	}
}
