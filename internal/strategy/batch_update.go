package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What an update of a Job may change, and what a CronJob must be. Nearly nothing of a Job changes once
// it is there, since its pods do not. Before it has begun, while it is suspended, a queueing controller
// may say where its pods run, and with how much.

// checkJobUpdate is about what an update changes of the spec.
// spec and old are those of the object now and before. Errors show the new value.
func checkJobUpdate(v *kinds.Visit, spec, old map[string]any) {
	// First, as it is the one field that may change under conditions.
	checkCompletions(v, spec, old)
	for _, name := range [...]string{
		"selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy",
	} {
		if !tree.Equal(spec[name], old[name]) {
			v.Add(field.Invalid("spec."+name, spec[name], "field is immutable"))
		}
	}
	template, was := tree.Object(spec, "template"), tree.Object(old, "template")
	state := tree.Object(v.OldRoot, "status")
	// Suspended before this write, with no pod of it there: either it has never begun, or its
	// controller has said that all pods are gone.
	waits := old["suspend"] == true && numberAt(state, "active") == 0 && (state["startTime"] == nil || jobIs(v.OldRoot, "Suspended"))
	if !waits {
		if !tree.Equal(template, was) {
			v.Add(field.Invalid("spec.template", template, "field is immutable"))
		}
		return
	}
	// A Job that waits may change where its pods run and with what resources: what may change is made
	// equal, and then nothing may differ in the spec of the pods.
	pod, wasPod := tree.Object(template, "spec"), tree.Copy(tree.Object(was, "spec")).(map[string]any)
	// Where they run: the fields of it that are the pod's own.
	for _, name := range [...]string{"nodeSelector", "tolerations", "schedulingGates"} {
		copyMember(wasPod, pod, name)
	}
	// Of affinities only that to nodes, beside which the others must stay as they are.
	affinity, _ := wasPod["affinity"].(map[string]any)
	if affinity == nil && pod["affinity"] != nil {
		affinity = map[string]any{}
		wasPod["affinity"] = affinity
	}
	copyMember(affinity, tree.Object(pod, "affinity"), "nodeAffinity")
	// To take the last of it away is a change of the same sort.
	if pod["affinity"] == nil && len(affinity) == 0 {
		delete(wasPod, "affinity")
	}
	// With how much: the resources of each container, found by its place and its name.
	for _, name := range [...]string{"containers", "initContainers"} {
		containers, wasContainers := tree.List(pod, name), tree.List(wasPod, name)
		for i := range containers {
			if c, ok := containers[i].(map[string]any); ok && len(containers) == len(wasContainers) {
				if w, ok := wasContainers[i].(map[string]any); ok && w["name"] == c["name"] {
					copyMember(w, c, "resources")
				}
			}
		}
	}
	if !tree.Equal(pod, wasPod) {
		v.Add(field.Invalid("spec.template.spec", pod, "field is immutable"))
	}
}

// copyMember makes a member of to what it is in from. Where there is no to, nothing is done.
// The value is shared with from, and absent from both if it is absent there.
func copyMember(to, from map[string]any, name string) {
	if to == nil {
		return
	}
	if value, ok := from[name]; ok {
		to[name] = value
	} else {
		delete(to, name)
	}
}

// checkCompletions is about how often the work is done. An indexed Job may be scaled if all of it runs
// at once.
// Otherwise pods that are numbered beyond the new end would have run for nothing.
func checkCompletions(v *kinds.Visit, spec, old map[string]any) {
	completions := spec["completions"]
	switch {
	case tree.Equal(completions, old["completions"]):
	case spec["completionMode"] != indexedCompletion:
		v.Add(field.Invalid("spec.completions", completions, "field is immutable"))
	// Without completions an indexed Job is refused anyway, and not here.
	case completions != nil && !tree.Equal(completions, spec["parallelism"]):
		v.Add(field.Invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism"))
	}
}

// checkCronJobName leaves room for the time that the names of the Jobs end with.
// A Job's name is bounded by 63, and 11 are for a hyphen and ten digits. A CronJob that has a longer
// name may still be changed.
func checkCronJobName(v *kinds.Visit) {
	const most = 52
	if name := tree.Name(v.Obj); len(name) > most && !v.Update() {
		v.Add(field.Invalid("metadata.name", name, fmt.Sprintf("must be no more than %d characters", most)))
	}
}

// checkCronJobSpec is about when it fires.
// What the Jobs will be is judged by the types of the template.
func checkCronJobSpec(v *kinds.Visit) {
	schedule := tree.Text(v.Obj, "schedule")
	zone, hasZone := v.Obj["timeZone"].(string)
	if schedule == "" {
		v.Add(field.Required(v.Path("schedule"), ""))
	} else {
		// Judged at every write, changed or not: a schedule that cannot be read never fires.
		if err := scheduleError(schedule); err != nil {
			v.Add(field.Invalid(v.Path("schedule"), schedule, err.Error()))
		}
		// A schedule that has had a zone in it may keep it, as long as that is the only one.
		switch had := namesZone(tree.Text(v.Old, "schedule")); {
		case !namesZone(schedule):
		case !had:
			v.Add(field.Invalid(v.Path("schedule"), schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
		case hasZone:
			v.Add(field.Invalid(v.Path("schedule"), schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"))
		}
	}
	// What was good in an older database stays good.
	// The controller's database of zones may be newer or older than this one.
	if hasZone && (v.Old == nil || v.Old["timeZone"] != zone) {
		for _, why := range zoneErrors(zone) {
			v.Add(field.Invalid(v.Path("timeZone"), zone, why))
		}
	}
	switch policy := tree.Text(v.Obj, "concurrencyPolicy"); policy {
	case "Allow", "Forbid", "Replace":
	case "":
		v.Add(field.Required(v.Path("concurrencyPolicy"), ""))
	default:
		v.Add(field.NotSupported(v.Path("concurrencyPolicy"), policy, "Allow", "Forbid", "Replace"))
	}
}

// checkJobTemplate refuses a selector, which every Job has of its own.
// All Jobs of one template would share it, and each take the pods of the others for its own.
func checkJobTemplate(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	if spec["selector"] != nil {
		v.Add(field.Invalid(v.Path("spec", "selector"), spec["selector"], "`selector` will be auto-generated"))
	}
	if spec["manualSelector"] == true {
		v.Add(field.NotSupported(v.Path("spec", "manualSelector"), true, "nil", "false"))
	}
}

// prepareCronJob drops annotations of the template that nobody reads any more.
func prepareCronJob(obj, _ map[string]any) {
	dropInitAnnotations(tree.Object(obj, "spec", "jobTemplate", "spec", "template"))
}

// jobWarnings returns the warnings for a JobSpec at a path: of names, and of numbers that are too great to
// keep track of.
// The path is that of the JobSpec in its object. They are given again only when the spec changes.
func jobWarnings(path ...string) func(obj, old map[string]any) []string {
	return func(obj, old map[string]any) []string {
		warnings, spec := hostNameWarnings(obj, old), tree.Object(obj, path...)
		changed := old == nil || !tree.Equal(spec, tree.Object(old, path...))
		if changed && spec["completionMode"] == indexedCompletion && numberAt(spec, "completions") > maxIndexes &&
			numberAt(spec, "parallelism") > maxIndexesOfHuge {
			warnings = append(warnings, strings.Join(path, ".")+": In Indexed Jobs with a number of completions higher than 10^5 and a "+
				"parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail")
		}
		return warnings
	}
}

// cronJobWarnings says besides that a schedule still has its time zone in it.
func cronJobWarnings(obj, old map[string]any) []string {
	warnings := jobWarnings("spec", "jobTemplate", "spec")(obj, old)
	// A new one is refused rather than warned of; the path in the text is upstream's slip.
	if old != nil && namesZone(tree.Text(obj, "spec", "schedule")) {
		warnings = append(warnings, "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, "+
			"see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details")
	}
	return warnings
}
