package strategy

import (
	"maps"
	"strconv"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// The rules of each controller of pods, as upstream's defaults.go and validation.go of apps have them.
// Numbers that must not be negative, fields that no update changes, and defaults that are always the same
// are words of the rows.

// rollsByDefault gives a strategy that rolls the parameters of rolling, whose defaults the rows have.
// Only the empty object is put there: the walk goes on into it, and the words of its type do the rest.
//
//	strategy: {type: RollingUpdate}  ->  {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, ...}}
func rollsByDefault(obj map[string]any) {
	if obj["type"] == "RollingUpdate" && obj["rollingUpdate"] == nil {
		obj["rollingUpdate"] = map[string]any{}
	}
}

// checkDeploymentSpec is about the selector, and what is said of time.
// A deadline that passes before a pod may count as available would make every rollout fail.
func checkDeploymentSpec(v *kinds.Visit) {
	checkReplicaSetSpec(v)
	deadline, ok := v.Obj["progressDeadlineSeconds"].(int64)
	if ok && deadline <= numberAt(v.Obj, "minReadySeconds") {
		v.Add(field.Invalid(v.Path("progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds"))
	}
}

// checkReplicaSetSpec is about the selector and the template, which upstream judges for both kinds in
// the same words.
// So a ReplicaSet is told of a selector that is empty for a deployment, which is upstream's mistake to
// keep.
func checkReplicaSetSpec(v *kinds.Visit) {
	checkSelector(v, "deployment", "invalid label selector")
	checkTemplateLabels(v)
	if _, err := selector.FromObject(tree.Object(v.Obj, "selector")); err == nil {
		checkEndless(v, "ReplicaSet") // upstream looks at no template that it cannot select
	}
}

// checkDeploymentStrategy is about how pods are replaced.
// One of the two numbers must let something happen: with neither a pod less nor a pod more, no rollout
// gets on.
func checkDeploymentStrategy(v *kinds.Visit) {
	switch typ := tree.Text(v.Obj, "type"); {
	case typ == "Recreate" && v.Obj["rollingUpdate"] != nil:
		v.Add(field.Forbidden(v.Path("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"))
	case typ == "RollingUpdate":
		rolling := tree.Object(v.Obj, "rollingUpdate")
		unavailable, surge := rolling["maxUnavailable"], rolling["maxSurge"]
		// Whole or not, each by itself, and then both together, at the place of the first.
		at := v.Path("rollingUpdate", "maxUnavailable")
		v.Add(amountErrors(at, unavailable)...)
		v.Add(amountErrors(v.Path("rollingUpdate", "maxSurge"), surge)...)
		if amount(unavailable) == 0 && amount(surge) == 0 {
			v.Add(field.Invalid(at, unavailable, "may not be 0 when `maxSurge` is 0"))
		}
		// More than 100% surge is a choice; more than 100% unavailable is none.
		v.Add(wholeErrors(at, unavailable)...)
	// The value shown is the whole strategy (upstream).
	case typ != "Recreate":
		v.Add(field.NotSupported(v.Path(), v.Obj, "Recreate", "RollingUpdate"))
	}
}

// checkDeploymentStatus is about what the counts say of each other.
func checkDeploymentStatus(v *kinds.Visit) {
	checkCounts(v, "readyReplicas", "updatedReplicas", "readyReplicas", "availableReplicas")
	checkCollisions(v)
}

// checkReplicaStatus is the same for a ReplicaSet or a ReplicationController.
// Neither has collisions to count.
func checkReplicaStatus(v *kinds.Visit) {
	checkCounts(v, "readyReplicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
}

// statefulSetDefaults sets what upstream's conversion does: the type of each claim template, whatever
// was sent.
// So what is stored has both, and a client that compares what it sent sees them come back.
func statefulSetDefaults(obj map[string]any) {
	for _, claim := range tree.List(obj, "volumeClaimTemplates") {
		if claim, ok := claim.(map[string]any); ok {
			claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
		}
	}
}

// asStatefulPods returns the spec as its pods will be, whose names and whose storage are their own: nobody
// reads the name of the host or the subdomain of the template, and what a claim is made for is a volume.
// Upstream puts those volumes before the template's, and so its paths count them.
// The object itself stays as it was sent: what is changed is copied, from the spec down to the pod. nil
// is never returned.
func asStatefulPods(obj map[string]any) map[string]any {
	claims, pod := tree.List(obj, "volumeClaimTemplates"), tree.Object(obj, "template", "spec")
	// Most have none of the three, and need no copy.
	if pod == nil || len(claims) == 0 && pod["hostname"] == nil && pod["subdomain"] == nil {
		return obj
	}
	pod = maps.Clone(pod)
	delete(pod, "hostname")
	delete(pod, "subdomain")
	if len(claims) > 0 {
		pod["volumes"] = claimVolumes(claims, tree.List(pod, "volumes"))
	}
	// Each level above what changed is copied, so that nothing of the object is written to.
	template := maps.Clone(tree.Object(obj, "template"))
	template["spec"] = pod
	obj = maps.Clone(obj)
	obj["template"] = template
	return obj
}

// claimVolumes returns the volumes of claims, and those of the others that do not have a name of theirs.
// Of two claims of one name the first counts; that there are two is told elsewhere.
func claimVolumes(claims, others []any) (volumes []any) {
	names := map[string]bool{}
	for _, c := range claims {
		name := tree.Text(c, "metadata", "name")
		if !names[name] {
			volumes = append(volumes, map[string]any{"name": name, "persistentVolumeClaim": map[string]any{"claimName": name}})
		}
		names[name] = true
	}
	for _, v := range others {
		if !names[tree.Text(v, "name")] {
			volumes = append(volumes, v)
		}
	}
	return volumes
}

// statefulSetStrategyDefaults gives only a strategy that says nothing the parameters of rolling; what
// they have in them is defaulted for whoever has them.
// One that says RollingUpdate itself, and no more, keeps nothing but that (upstream).
func statefulSetStrategyDefaults(obj map[string]any) {
	if tree.Text(obj, "type") == "" {
		obj["type"] = "RollingUpdate"
		rollsByDefault(obj)
	}
	// The partition has a default only for who rolls.
	if rolling, ok := obj["rollingUpdate"].(map[string]any); ok && obj["type"] == "RollingUpdate" {
		if rolling["partition"] == nil {
			rolling["partition"] = int64(0)
		}
		if rolling["maxUnavailable"] == nil {
			rolling["maxUnavailable"] = int64(1)
		}
	}
}

// checkStatefulSetSpec is about everything in the spec but the words of the rows.
// Upstream judges the parts in this order, and the messages name a few fields in ways of their own:
// ordinals.start is one name there.
func checkStatefulSetSpec(v *kinds.Visit) {
	if policy := tree.Text(v.Obj, "podManagementPolicy"); policy != "OrderedReady" && policy != "Parallel" {
		v.Add(field.Invalid(v.Path("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'"))
	}
	// It is judged here and not by its type, because its errors come between those of the spec.
	checkStatefulSetStrategy(v)
	if start := numberAt(v.Obj, "ordinals", "start"); start < 0 {
		v.Add(field.Invalid(v.Path("ordinals.start"), start, "must be greater than or equal to 0"))
	}
	// No update changes the name, so one that is no good stays.
	if name := tree.Text(v.Obj, "serviceName"); name != "" && !v.Update() {
		for _, why := range field.DNSLabelErrors(name) {
			v.Add(field.Invalid(v.Path("serviceName"), name, why))
		}
	}
	// A selector that cannot be read is told without a reason, unlike that of a deployment.
	checkSelector(v, "statefulset", "")
	checkTemplateLabels(v)
	checkEndless(v, "StatefulSet")
}

// checkStatefulSetStrategy is about how pods are replaced.
// Pods are replaced one by one from the last to partition, or maxUnavailable at once. OnDelete, with
// which the user deletes them himself, has no parameters.
func checkStatefulSetStrategy(v *kinds.Visit) {
	strategy := tree.Object(v.Obj, "updateStrategy")
	rolling := tree.Object(strategy, "rollingUpdate")
	switch typ := tree.Text(strategy, "type"); {
	case typ == "OnDelete" && rolling != nil:
		v.Add(field.Invalid(v.Path("updateStrategy", "rollingUpdate"), rolling, "only allowed for updateStrategy 'RollingUpdate'"))
	case typ == "RollingUpdate" && rolling != nil:
		if n := numberAt(rolling, "partition"); n < 0 {
			v.Add(field.Invalid(v.Path("updateStrategy", "rollingUpdate", "partition"), n, "must be greater than or equal to 0"))
		}
		// Unlike a deployment's, which has a surge beside it, this must never be 0.
		at := v.Path("updateStrategy", "rollingUpdate", "maxUnavailable")
		if value := rolling["maxUnavailable"]; value != nil {
			v.Add(amountErrors(at, value)...)
			if amount(value) == 0 {
				v.Add(field.Invalid(at, value, "cannot be 0"))
			}
			v.Add(wholeErrors(at, value)...)
		}
	case typ != "OnDelete" && typ != "RollingUpdate":
		v.Add(field.Invalid(v.Path("updateStrategy"), strategy, "must be 'RollingUpdate' or 'OnDelete'"))
	}
}

// checkStatefulSetStatus is about what the counts say of each other.
// Upstream names the field whole in this message, and only its last part in those of the other kinds.
func checkStatefulSetStatus(v *kinds.Visit) {
	checkCounts(v, "status.readyReplicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
	checkCollisions(v)
}

// checkDaemonSetSpec is about the selector and the template. Upstream does not demand a selector in so
// many words: one that is not there selects nothing.
func checkDaemonSetSpec(v *kinds.Visit) {
	checkLabelSelector(v, tree.Object(v.Obj, "selector"), hadBadSelector(v), "selector", nil)
	// After the selector's own errors and before that it is empty (upstream).
	checkTemplateLabels(v)
	if sel, ok := v.Obj["selector"].(map[string]any); ok && len(sel) == 0 {
		v.Add(field.Invalid(v.Path("selector"), sel, "empty selector is invalid for daemonset"))
	}
	checkEndless(v, "DaemonSet")
}

// checkDaemonSetStrategy is about how pods are replaced: either the old one goes first, or the new one
// comes first.
// Exactly one of the two numbers is set, as there is one pod on a node.
func checkDaemonSetStrategy(v *kinds.Visit) {
	switch tree.Text(v.Obj, "type") {
	case "OnDelete":
	case "RollingUpdate":
		rolling := tree.Object(v.Obj, "rollingUpdate")
		unavailable, surge := rolling["maxUnavailable"], rolling["maxSurge"]
		atUnavailable, atSurge := v.Path("rollingUpdate", "maxUnavailable"), v.Path("rollingUpdate", "maxSurge")
		v.Add(amountErrors(atUnavailable, unavailable)...)
		v.Add(amountErrors(atSurge, surge)...)
		v.Add(wholeErrors(atUnavailable, unavailable)...)
		// There is never more than one pod more on a node, so here a surge is bounded, too.
		v.Add(wholeErrors(atSurge, surge)...)
		switch hasUnavailable, hasSurge := amount(unavailable) != 0, amount(surge) != 0; {
		case hasUnavailable && hasSurge:
			v.Add(field.Invalid(atSurge, surge, "may not be set when maxUnavailable is non-zero"))
		// Required, though it may be there as 0: upstream takes 0 for absent.
		case !hasUnavailable && !hasSurge:
			v.Add(field.Required(atUnavailable, "cannot be 0 when maxSurge is 0"))
		}
	default:
		v.Add(field.NotSupported(v.Path(), v.Obj, "RollingUpdate", "OnDelete"))
	}
}

// templateGeneration is the annotation in which a DaemonSet counts the changes of its template.
// Its value is a decimal number. It is older than metadata.generation, and clients still send it back.
const templateGeneration = "deprecated.daemonset.template.generation"

// prepareDaemonSet counts the changes of the template in an annotation, whatever was sent: a new object
// may say where to begin, and none may say anything later.
// It begins with 1 at least; a text that is no number counts as 0.
func prepareDaemonSet(obj, old map[string]any) {
	prepareTemplate(obj, old)
	const least = 1
	n, _ := strconv.ParseInt(tree.Text(obj, "metadata", "annotations", templateGeneration), 10, 64)
	// What an update sends in the annotation is thrown away: only the stored count goes on.
	if old != nil {
		n, _ = strconv.ParseInt(tree.Text(old, "metadata", "annotations", templateGeneration), 10, 64)
		if !tree.Equal(tree.At(obj, "spec", "template"), tree.At(old, "spec", "template")) {
			n++
		}
	}
	tree.Set(obj, strconv.FormatInt(max(n, least), 10), "metadata", "annotations", templateGeneration)
}

// sentDaemonSet counts no changes where nothing is said of them: a number is what upstream has, and writes.
func sentDaemonSet(obj map[string]any) {
	if tree.Text(obj, "metadata", "annotations", templateGeneration) == "" {
		tree.Set(obj, "0", "metadata", "annotations", templateGeneration)
	}
}

// checkControllerRevision is about the data, which no update changes.
// A revision is what its controller goes back to, which must find it as it was. An update that changes
// anything else may.
func checkControllerRevision(v *kinds.Visit) {
	data := v.Obj["data"]
	if v.Update() {
		if !tree.Equal(data, v.Old["data"]) {
			v.Add(field.Invalid("data", data, "field is immutable"))
		}
		return
	}
	// It holds a patch or an object of any kind, of which upstream demands no more than that it is an
	// object.
	switch data.(type) {
	case nil:
		v.Add(field.Required("data", "data is mandatory"))
	case map[string]any:
	default:
		v.Add(field.Required("data", "data must be a valid JSON object"))
	}
}

// replicationControllerDefaults makes of the template's labels the selector and the labels of an object
// that has none.
// Later kinds demand a selector instead, as one that follows the template never changes with it.
func replicationControllerDefaults(obj map[string]any) {
	labels := tree.Object(obj, "spec", "template", "metadata", "labels")
	if len(labels) == 0 {
		return
	}
	if len(tree.Object(obj, "spec", "selector")) == 0 {
		// Maps of their own, so that what changes one leaves the template alone.
		tree.Set(obj, maps.Clone(labels), "spec", "selector")
	}
	if len(tree.Object(obj, "metadata", "labels")) == 0 {
		tree.Set(obj, maps.Clone(labels), "metadata", "labels")
	}
}

// checkReplicationController is about the selector, which is a map, and the template, which is not there
// where a pointer is.
// An absent template and an absent selector are told here, by upstream's names of both.
func checkReplicationController(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	sel := tree.Object(spec, "selector")
	if len(sel) == 0 {
		v.Add(field.Required("spec.selector", ""))
	}
	if spec["template"] == nil {
		v.Add(field.Required("spec.template", ""))
		return
	}
	labels := tree.Object(spec, "template", "metadata", "labels")
	// One that differs is enough, and the message names none: so the order of the map does not show.
	for k, value := range sel {
		if labels[k] != value {
			v.Add(field.Invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
			break
		}
	}
	if policy := tree.Text(spec, "template", "spec", "restartPolicy"); policy != "Always" {
		v.Add(field.NotSupported("spec.template.spec.restartPolicy", policy, "Always"))
	}
	if tree.At(spec, "template", "spec", "activeDeadlineSeconds") != nil {
		v.Add(field.Forbidden("spec.template.spec.activeDeadlineSeconds",
			"activeDeadlineSeconds in ReplicationController is not Supported"))
	}
}
