package strategy

import (
	"maps"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The parts of a pod that can be written while it runs, each through a subresource of its own:
// containers that are added to look into it (ephemeralcontainers), and the processor and memory
// that its containers have (resize). A client sends a whole pod; what the part does not name is
// taken from the stored pod, so that an old copy does no harm:
//
//	PUT …/pods/x/resize {spec: {containers: [{name: c, image: other, resources: {…}}]}}
//
// changes the resources of c, and not its image. Then the result is judged as a whole, as a pod
// that had been made so, and the difference by the part's own check.

// podParts are the subresources of pods that write a part. The binding of a pod to its node is
// none of them: it writes no pod.
func podParts() map[string]Part {
	return map[string]Part{
		"ephemeralcontainers": {Merge: mergeEphemeralContainers, Check: checkEphemeralContainers},
		"resize":              {Merge: mergeResize, Check: checkResize},
	}
}

// restore makes pod a copy of old, but for what changes holds, and for the names and numbers in
// its metadata, which the write itself compares. change gets a copy of the old spec, to write
// to.
func restore(pod, old map[string]any, change func(spec map[string]any)) {
	meta := tree.Metadata(pod)
	for _, f := range [...]string{"deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences"} {
		copyField(meta, tree.Object(old, "metadata"), f)
	}
	// What came from old is old's still; neither may change with the other.
	pod["metadata"] = tree.Copy(meta)
	spec, _ := tree.Copy(tree.Object(old, "spec")).(map[string]any)
	change(spec)
	pod["spec"] = spec
	// A part says nothing of the status, and may not remove it either.
	delete(pod, "status")
	if status, ok := old["status"]; ok {
		pod["status"] = tree.Copy(status)
	}
}

// mergeEphemeralContainers makes of pod the old one with its ephemeral containers: the list is
// taken as it is sent, and checkEphemeralContainers sees that none is missing.
func mergeEphemeralContainers(pod, old map[string]any) {
	given := tree.Object(pod, "spec")
	restore(pod, old, func(spec map[string]any) { copyField(spec, given, "ephemeralContainers") })
}

// checkEphemeralContainers checks that what is there stays (upstream's
// ValidatePodEphemeralContainersUpdate): a container that was started cannot be taken back.
func checkEphemeralContainers(v *kinds.Visit) {
	checkAnnotationUpdate(v)
	// A static pod is its file on the node; nothing that is added to the mirror gets there.
	if tree.At(v.Old, "metadata", "annotations", mirrorPod) != nil {
		v.Add(field.Forbidden(noPath, "static pods do not support ephemeral containers"))
		return
	}
	now := map[string]map[string]any{}
	for _, c := range each(tree.At(v.Obj, "spec", "ephemeralContainers")) {
		now[tree.Text(c, "name")] = c
	}
	// The line feed at the end of both texts is upstream's, where a list of differences may
	// follow.
	for _, c := range each(tree.At(v.Old, "spec", "ephemeralContainers")) {
		name := tree.Text(c, "name")
		switch is, ok := now[name]; {
		case !ok:
			v.Add(field.Forbidden(v.Path("spec", "ephemeralContainers"), "existing ephemeral containers \""+name+"\" may not be removed\n"))
		case !tree.Equal(is, c):
			v.Add(field.Forbidden(v.Path("spec", "ephemeralContainers"), "existing ephemeral containers \""+name+"\" may not be changed\n"))
		}
	}
}

// mergeResize makes of pod the old one with its resources. Where containers come or go, pod is
// left as it was sent, for the check to refuse; so is a list in which one has another name or
// place.
func mergeResize(pod, old map[string]any) {
	given, was := tree.Object(pod, "spec"), tree.Object(old, "spec")
	for _, list := range [...]string{"containers", "initContainers"} {
		if len(tree.List(given, list)) != len(tree.List(was, list)) {
			return
		}
	}
	restore(pod, old, func(spec map[string]any) {
		// What the pod asks for as a whole is completed anew, by what its old containers ask
		// for.
		if given["resources"] != nil {
			spec["resources"] = given["resources"]
			podLevelResources(spec)
		}
		for _, list := range [...]string{"containers", "initContainers"} {
			resizeContainers(spec, given, list)
		}
	})
}

// resizeContainers gives the containers of spec the resources of those of given, or given's
// whole list where names differ. The lists are of one length.
func resizeContainers(spec, given map[string]any, list string) {
	from := tree.List(given, list)
	// All names are compared before the first is written to, so that nothing is half done.
	for i, c := range each(spec[list]) {
		if c["name"] != tree.At(from[i], "name") {
			spec[list] = from
			return
		}
	}
	for i, c := range each(spec[list]) {
		copyField(c, tree.Object(from[i]), "resources")
		copyField(c, tree.Object(from[i]), "resizePolicy")
	}
}

// checkResize checks that only processor and memory change, none is taken away, and the pod
// stays of its class (upstream's ValidatePodResize).
func checkResize(v *kinds.Visit) {
	spec, old := tree.Object(v.Obj, "spec"), tree.Object(v.Old, "spec")
	// The two are told alone: there is nothing else to mend in such a request.
	switch {
	case tree.At(v.Old, "metadata", "annotations", mirrorPod) != nil:
		v.Add(field.Forbidden(noPath, "static pods cannot be resized"))
		return
	case tree.Text(old, "os", "name") == "windows":
		v.Add(field.Forbidden(noPath, "windows pods cannot be resized"))
		return
	}
	// The value of the error is the class that the pod has, and not the one that it would get.
	if class := qosClass(spec); class != tree.Text(v.Old, "status", "qosClass") {
		v.Add(field.Invalid(v.Path("spec"), tree.Text(v.Old, "status", "qosClass"), "Pod QOS Class may not change as a result of resizing"))
	}
	// A resize that no kubelet carries out would stand in the spec for ever.
	if !takesResize(v.Old) {
		v.Add(field.Forbidden(v.Path("spec"), "Pod running on node without support for resize"))
	}
	// First what the pod asks for as a whole, then container by container.
	was, is := tree.Object(old, "resources"), tree.Object(spec, "resources")
	checkRemoved(v, is, was, "pod-level resource ", "spec", "resources")
	if !tree.Equal(sameSize(is, was), was) {
		v.Add(field.Forbidden(v.Path("spec"), "only cpu and memory resources are mutable at pod-level"))
	}
	// like is the new spec with all that may change as it was; what is left is what may not.
	like := maps.Clone(spec)
	copyField(like, old, "resources")
	for _, list := range [...]string{"containers", "initContainers"} {
		if !resizedInPlace(v, spec, old, list) {
			return
		}
		copyField(like, old, list)
	}
	// One error at the spec is enough; any other says more than this one.
	if !v.Failed() && !tree.Equal(like, old) {
		v.Add(field.Forbidden(v.Path("spec"), "only cpu and memory resources are mutable"))
	}
}

// takesResize reports whether the kubelet of a pod tells what its containers have; it does
// unless it is old. A pod of which no container runs has nothing to tell yet, and counts.
func takesResize(pod map[string]any) bool {
	for _, s := range each(tree.At(pod, "status", "containerStatuses")) {
		if tree.At(s, "state", "running") != nil {
			return s["resources"] != nil
		}
	}
	return true
}

// resizedInPlace checks a list of containers, and reports whether they are those of before; if
// not, nothing more can be compared.
func resizedInPlace(v *kinds.Visit, spec, old map[string]any, list string) bool {
	is, was := tree.List(spec, list), tree.List(old, list)
	if len(is) != len(was) {
		v.Add(field.Forbidden(v.Path("spec", list), list+" may not be added or removed on resize"))
		return false
	}
	same := true
	for i, c := range each(spec[list]) {
		if c["name"] != tree.At(was[i], "name") {
			v.Add(field.Forbidden(v.Path("spec", list, i, "name"), list+" may not be renamed or reordered on resize"))
			same = false
		}
	}
	if !same {
		return false
	}
	for i, c := range each(spec[list]) {
		before := tree.Object(was[i])
		checkRemoved(v, tree.Object(c, "resources"), tree.Object(before, "resources"), "resource ", "spec", list, i, "resources")
		// It is asked before processor and memory are made alike, below.
		changed := !tree.Equal(c, before)
		like := maps.Clone(c)
		like["resources"] = sameSize(tree.Object(c, "resources"), tree.Object(before, "resources"))
		if !tree.Equal(like, before) {
			// The paths differ: that of an init container is its own, that of others the spec's
			// (upstream).
			if list == "containers" {
				v.Add(field.Forbidden(v.Path("spec"), "only cpu and memory resources are mutable"))
			} else {
				v.Add(field.Forbidden(v.Path("spec", list, i), "only cpu and memory resources for init or sidecar containers are mutable"))
			}
		}
		// An init container that is no sidecar runs once; to restart it would be to run it
		// again.
		for _, policy := range each(c["resizePolicy"]) {
			if list == "initContainers" && changed && c["restartPolicy"] != "Always" && policy["restartPolicy"] == "RestartContainer" {
				v.Add(field.Forbidden(v.Path("spec", list, i),
					"non-sidecar init containers with a resize policy of RestartContainer cannot be resized"))
			}
		}
	}
	return true
}

// checkRemoved adds errors for requests and limits that are gone: one for each list, whatever
// the number of resources. sort stands in front of the list's name.
func checkRemoved(v *kinds.Visit, is, was map[string]any, sort string, at ...any) {
	for _, list := range [...]string{"requests", "limits"} {
		now := tree.Object(is, list)
		for name := range tree.Object(was, list) {
			if _, ok := now[name]; !ok {
				v.Add(field.Forbidden(v.Path(at...)+"."+list, sort+list+" cannot be removed"))
				break
			}
		}
	}
}

// sameSize returns resources with the processor and the memory that they had before, and empty
// lists left out, so that what is left of two specs can be compared. It returns nil for nil.
func sameSize(is, was map[string]any) map[string]any {
	if is == nil {
		return nil
	}
	out := maps.Clone(is)
	for _, list := range [...]string{"requests", "limits"} {
		amounts := maps.Clone(tree.Object(is, list))
		// A list that is gone is made for what it had, or that would count as another change.
		if amounts == nil {
			amounts = map[string]any{}
		}
		before := tree.Object(was, list)
		for _, name := range [...]string{"cpu", "memory"} {
			copyField(amounts, before, name)
		}
		if out[list] = amounts; len(amounts) == 0 {
			delete(out, list)
		}
	}
	// An empty object says no more than none.
	if was == nil && len(out) == 0 {
		return nil
	}
	return out
}
