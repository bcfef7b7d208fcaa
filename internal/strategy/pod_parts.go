package strategy

import (
	"maps"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The parts of a pod that can be written while it runs, each through a subresource of its own: containers that
// are added to look into it, and the processor and memory that its containers have. All else stays as it is.

// podParts are the subresources of pods that write a part.
func podParts() map[string]Part {
	return map[string]Part{
		"ephemeralcontainers": {Merge: mergeEphemeralContainers, Check: checkEphemeralContainers},
		"resize":              {Merge: mergeResize, Check: checkResize},
	}
}

// restore makes pod a copy of old, but for what changes holds, and for the names and numbers in its metadata.
func restore(pod, old map[string]any, change func(spec map[string]any)) {
	meta := tree.Metadata(pod)
	for _, f := range [...]string{"deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences"} {
		copyField(meta, tree.Object(old, "metadata"), f)
	}
	pod["metadata"] = tree.Copy(meta)
	spec, _ := tree.Copy(tree.Object(old, "spec")).(map[string]any)
	change(spec)
	pod["spec"] = spec
	delete(pod, "status")
	if status, ok := old["status"]; ok {
		pod["status"] = tree.Copy(status)
	}
}

// mergeEphemeralContainers makes of pod the old one with its ephemeral containers.
func mergeEphemeralContainers(pod, old map[string]any) {
	given := tree.Object(pod, "spec")
	restore(pod, old, func(spec map[string]any) { copyField(spec, given, "ephemeralContainers") })
}

// checkEphemeralContainers: what is there stays.
func checkEphemeralContainers(v *kinds.Visit) {
	checkAnnotationUpdate(v)
	if tree.At(v.Old, "metadata", "annotations", mirrorPod) != nil {
		v.Add(field.Forbidden(noPath, "static pods do not support ephemeral containers"))
		return
	}
	now := map[string]map[string]any{}
	for _, c := range each(tree.At(v.Obj, "spec", "ephemeralContainers")) {
		now[tree.Text(c, "name")] = c
	}
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

// mergeResize makes of pod the old one with its resources. Where containers come, go, or have another name or
// place, pod is left as it was sent, for the check to refuse.
func mergeResize(pod, old map[string]any) {
	given, was := tree.Object(pod, "spec"), tree.Object(old, "spec")
	for _, list := range [...]string{"containers", "initContainers"} {
		if len(tree.List(given, list)) != len(tree.List(was, list)) {
			return
		}
	}
	restore(pod, old, func(spec map[string]any) {
		if given["resources"] != nil {
			spec["resources"] = given["resources"]
			podLevelResources(spec)
		}
		for _, list := range [...]string{"containers", "initContainers"} {
			resizeContainers(spec, given, list)
		}
	})
}

// resizeContainers gives the containers of spec the resources of those of given, or given's whole list where
// names differ.
func resizeContainers(spec, given map[string]any, list string) {
	from := tree.List(given, list)
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

// checkResize: only processor and memory change, none is taken away, and the pod stays of its class.
func checkResize(v *kinds.Visit) {
	spec, old := tree.Object(v.Obj, "spec"), tree.Object(v.Old, "spec")
	switch {
	case tree.At(v.Old, "metadata", "annotations", mirrorPod) != nil:
		v.Add(field.Forbidden(noPath, "static pods cannot be resized"))
		return
	case tree.Text(old, "os", "name") == "windows":
		v.Add(field.Forbidden(noPath, "windows pods cannot be resized"))
		return
	}
	if class := qosClass(spec); class != tree.Text(v.Old, "status", "qosClass") {
		v.Add(field.Invalid(v.Path("spec"), tree.Text(v.Old, "status", "qosClass"), "Pod QOS Class may not change as a result of resizing"))
	}
	if !takesResize(v.Old) {
		v.Add(field.Forbidden(v.Path("spec"), "Pod running on node without support for resize"))
	}
	was, is := tree.Object(old, "resources"), tree.Object(spec, "resources")
	checkRemoved(v, is, was, "pod-level resource ", "spec", "resources")
	if !tree.Equal(sameSize(is, was), was) {
		v.Add(field.Forbidden(v.Path("spec"), "only cpu and memory resources are mutable at pod-level"))
	}
	like := maps.Clone(spec)
	copyField(like, old, "resources")
	for _, list := range [...]string{"containers", "initContainers"} {
		if !resizedInPlace(v, spec, old, list) {
			return
		}
		copyField(like, old, list)
	}
	if !v.Failed() && !tree.Equal(like, old) {
		v.Add(field.Forbidden(v.Path("spec"), "only cpu and memory resources are mutable"))
	}
}

// takesResize reports whether the kubelet of a pod tells what its containers have; it does unless it is old.
func takesResize(pod map[string]any) bool {
	for _, s := range each(tree.At(pod, "status", "containerStatuses")) {
		if tree.At(s, "state", "running") != nil {
			return s["resources"] != nil
		}
	}
	return true
}

// resizedInPlace checks a list of containers, and reports whether they are those of before.
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
		changed := !tree.Equal(c, before)
		like := maps.Clone(c)
		like["resources"] = sameSize(tree.Object(c, "resources"), tree.Object(before, "resources"))
		if !tree.Equal(like, before) {
			if list == "containers" {
				v.Add(field.Forbidden(v.Path("spec"), "only cpu and memory resources are mutable"))
			} else {
				v.Add(field.Forbidden(v.Path("spec", list, i), "only cpu and memory resources for init or sidecar containers are mutable"))
			}
		}
		for _, policy := range each(c["resizePolicy"]) {
			if list == "initContainers" && changed && c["restartPolicy"] != "Always" && policy["restartPolicy"] == "RestartContainer" {
				v.Add(field.Forbidden(v.Path("spec", list, i),
					"non-sidecar init containers with a resize policy of RestartContainer cannot be resized"))
			}
		}
	}
	return true
}

// checkRemoved adds errors for requests and limits that are gone.
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

// sameSize returns resources with the processor and the memory that they had before, and empty lists left out.
func sameSize(is, was map[string]any) map[string]any {
	if is == nil {
		return nil
	}
	out := maps.Clone(is)
	for _, list := range [...]string{"requests", "limits"} {
		amounts := maps.Clone(tree.Object(is, list))
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
	if was == nil && len(out) == 0 {
		return nil
	}
	return out
}
