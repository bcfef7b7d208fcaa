package strategy

import (
	"maps"
	"math"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// What an update may change of a pod: images, a deadline that comes nearer, tolerations that
// are added, scheduling gates that are taken away, and, while there are gates, on which nodes
// it may run. Everything else is refused at the spec as a whole, for which both specs are
// compared with what may change made alike:
//
//	old   containers: [{name: c, image: a}]   priority: 1
//	new   containers: [{name: c, image: b}]   priority: 2
//	like  containers: [{name: c, image: a}]   priority: 2    differs from old: refused
//
// Upstream does the same, and adds the difference to its text; here the text ends before it.

// updatable is how upstream names what may change. The line feed is before its list of
// differences.
const updatable = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`," +
	"`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)," +
	"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"

// checkPodUpdate adds what an update of a pod may not change (upstream's ValidatePodUpdate,
// whose order it has). Processor and memory change through the subresource resize alone.
func checkPodUpdate(v *kinds.Visit) {
	checkAnnotationUpdate(v)
	spec, old := tree.Object(v.Obj, "spec"), tree.Object(v.Old, "spec")
	for _, list := range [...]string{"containers", "initContainers"} {
		if len(tree.List(spec, list)) != len(tree.List(old, list)) {
			v.Add(field.Forbidden(v.Path("spec", list), "pod updates may not add or remove containers"))
			// Lists of one length are compared place by place below; nothing more can be said
			// of others.
			return
		}
	}
	if !checkDeadline(v, spec, old) {
		return
	}
	checkAddedTolerations(v, spec, old)
	// Gates are taken away one by one, by whom each is of; no new one may hold up a pod.
	var gates set[string]
	for _, g := range each(old["schedulingGates"]) {
		gates.add(tree.Text(g, "name"))
	}
	for i, g := range each(spec["schedulingGates"]) {
		if name := tree.Text(g, "name"); !gates.has(name) {
			v.Add(field.Forbidden(v.Path("spec", "schedulingGates", i, "name"),
				"only deletion is allowed, but found new scheduling gate '"+name+"'"))
		}
	}
	// Most updates are of labels and the like, and end here, before anything is copied.
	if tree.Equal(spec, old) {
		return
	}
	// Only what is written to is copied; neither spec may change by being compared.
	like := maps.Clone(spec)
	for _, list := range [...]string{"containers", "initContainers"} {
		// An absent list of init containers stays absent, and not an empty one.
		if had := tree.List(old, list); had != nil {
			like[list] = withFields(tree.List(spec, list), had, "image")
		}
	}
	keep := []string{"activeDeadlineSeconds", "schedulingGates", "tolerations"}
	// By the time of the check the default has made a negative period 1 (podDefaults).
	if number(old["terminationGracePeriodSeconds"]) < 0 && spec["terminationGracePeriodSeconds"] == int64(1) {
		keep = append(keep, "terminationGracePeriodSeconds")
	}
	// The gates of the old pod count: the update that takes the last one away may say where to
	// run.
	if len(tree.List(old, "schedulingGates")) > 0 {
		checkGatedNodes(v, spec, old)
		keep = append(keep, "nodeSelector")
		likeNodeAffinity(like, old)
	}
	for _, f := range keep {
		copyField(like, old, f)
	}
	if !tree.Equal(like, old) {
		v.Add(field.Forbidden(v.Path("spec"), updatable))
	}
}

// copyField makes a field of obj what it is in from, or absent as there. The value is shared.
func copyField(obj, from map[string]any, name string) {
	if value, ok := from[name]; ok {
		obj[name] = value
	} else {
		delete(obj, name)
	}
}

// withFields returns copies of the objects in a list with some fields as those of another list
// of that length have them. The list itself and what is in it stay as they were; an element
// that is no object stays itself, and differs from any that is.
func withFields(list, from []any, fields ...string) []any {
	out := slices.Clone(list)
	for i, e := range out {
		o, ok := e.(map[string]any)
		if !ok {
			continue
		}
		o = maps.Clone(o)
		for _, f := range fields {
			copyField(o, tree.Object(from[i]), f)
		}
		out[i] = o
	}
	return out
}

// checkDeadline checks that a deadline only comes nearer, and reports whether there is more to
// be said: upstream stops at two of its three errors.
func checkDeadline(v *kinds.Visit, spec, old map[string]any) bool {
	was, had := old["activeDeadlineSeconds"].(int64)
	n, has := spec["activeDeadlineSeconds"].(int64)
	path := func() string { return v.Path("spec", "activeDeadlineSeconds") }
	switch {
	case has && (n < 0 || n > math.MaxInt32):
		v.Add(field.Invalid(path(), n, "must be between 0 and 2147483647, inclusive"))
		return false
	case has && had && was < n:
		v.Add(field.Invalid(path(), n, "must be less than or equal to previous value"))
		return false
	case had && !has:
		// A pod that has a deadline keeps one; who waits for its end counts on it.
		v.Add(field.Invalid(path(), nil, "must not update from a positive integer to nil value"))
	}
	return true
}

// checkAddedTolerations checks that each old toleration is still there, but for its seconds, in
// whatever order (upstream's validateOnlyAddedTolerations).
func checkAddedTolerations(v *kinds.Visit, spec, old map[string]any) {
	now := tree.List(spec, "tolerations")
	if tree.Equal(now, tree.List(old, "tolerations")) {
		// One error is told, however many are gone.
		return
	}
	without := func(t any) map[string]any {
		o := maps.Clone(tree.Object(t))
		delete(o, "tolerationSeconds")
		return o
	}
	// They are compared by what they say, in one text, so that many do not take long.
	has := map[string]bool{}
	for _, t := range now {
		has[string(tree.AppendJSON(nil, without(t)))] = true
	}
	for _, t := range tree.List(old, "tolerations") {
		if !has[string(tree.AppendJSON(nil, without(t)))] {
			v.Add(field.Forbidden(v.Path("spec", "tolerations"), "existing toleration can not be modified except its tolerationSeconds"))
			return
		}
	}
}

// checkGatedNodes checks that a pod with gates is bound to its nodes more closely, and not
// otherwise: who holds a gate may decide where it runs, within what its maker allowed.
func checkGatedNodes(v *kinds.Visit, spec, old map[string]any) {
	selector := tree.Object(spec, "nodeSelector")
	for k, value := range tree.Object(old, "nodeSelector") {
		if selector[k] != value {
			// The error is at the selector, and there is one of them, whichever label it is.
			v.Add(field.Invalid(v.Path("spec", "nodeSelector"), selector,
				"only additions to spec.nodeSelector are allowed (no mutations or deletions)"))
			break
		}
	}
	terms := func(spec map[string]any) []any {
		return tree.List(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
	}
	before, after := terms(old), terms(spec)
	at := []any{"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"}
	// One of the terms must hold: another one would allow more nodes. Where there was none, any
	// node was allowed, and each term is closer.
	if len(before) > 0 && len(before) != len(after) {
		var shown any
		if after != nil {
			shown = after
		}
		v.Add(field.Invalid(v.Path(at...), shown, "no additions/deletions to non-empty NodeSelectorTerms list are allowed"))
		return
	}
	for i := range before {
		if !onlyAdds(tree.Object(after[i]), tree.Object(before[i])) {
			v.Add(field.Invalid(v.Path(append(slices.Clip(at), i)...), after[i], "only additions are allowed (no mutations or deletions)"))
		}
	}
}

// onlyAdds reports whether a term about nodes has what the old one has, in front of what is
// new. A term without conditions names no node, and stays so.
func onlyAdds(term, old map[string]any) bool {
	if len(old) == 0 && len(term) > 0 {
		return false
	}
	for _, f := range [...]string{"matchExpressions", "matchFields"} {
		had, has := tree.List(old, f), tree.List(term, f)
		if len(has) < len(had) || len(had) > 0 && !tree.Equal(has[:len(had)], had) {
			return false
		}
	}
	return true
}

// likeNodeAffinity gives spec, which is a copy, the node affinity of old, so that what is left
// of the affinity can be compared: that to pods does not change, gated or not.
func likeNodeAffinity(spec, old map[string]any) {
	affinity := maps.Clone(tree.Object(spec, "affinity"))
	was := tree.Object(old, "affinity")
	if affinity == nil {
		affinity = map[string]any{}
	}
	copyField(affinity, was, "nodeAffinity")
	// The object may have been made for the node affinity alone.
	if len(affinity) == 0 && was == nil {
		delete(spec, "affinity")
		return
	}
	spec["affinity"] = affinity
}

// checkAnnotationUpdate checks that annotations that make a pod what it is stay (upstream's
// ValidatePodSpecificAnnotationUpdates): the profile of a running container does not change,
// and no pod becomes the mirror of another, or ceases to be one.
func checkAnnotationUpdate(v *kinds.Visit) {
	was, is := tree.Object(v.Old, "metadata", "annotations"), tree.Object(v.Obj, "metadata", "annotations")
	// Errors are in the order of the map, as upstream's are.
	for k, value := range was {
		if is[k] == value {
			continue
		}
		if strings.HasPrefix(k, containerAppArmor) {
			v.Add(field.Forbidden("metadata.annotations["+k+"]", "may not remove or update AppArmor annotations"))
		}
		if k == mirrorPod {
			v.Add(field.Forbidden("metadata.annotations["+k+"]", "may not remove or update mirror pod annotation"))
		}
	}
	// What both have was compared above.
	for k := range is {
		if _, had := was[k]; had {
			continue
		}
		if strings.HasPrefix(k, containerAppArmor) {
			v.Add(field.Forbidden("metadata.annotations["+k+"]", "may not add AppArmor annotations"))
		}
		if k == mirrorPod {
			v.Add(field.Forbidden("metadata.annotations["+k+"]", "may not add mirror pod annotation"))
		}
	}
}
