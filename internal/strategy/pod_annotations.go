package strategy

import (
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Annotations of pods that mean something to the server. Some are older than the fields that
// say the same, and must not say anything else; clients that know only the one or the other go
// on working. For example, of a container c these two say the same:
//
//	container.apparmor.security.beta.kubernetes.io/c: localhost/p
//	securityContext: {appArmorProfile: {type: Localhost, localhostProfile: p}}
//
// One marks the mirror of a static pod, which a kubelet made without asking the server; another
// has a number by which controllers choose which pod to delete first.

// Keys of annotations. Those that end with a slash are of containers, whose names follow.
const (
	mirrorPod         = "kubernetes.io/config.mirror"
	deletionCost      = "controller.kubernetes.io/pod-deletion-cost"
	podSeccomp        = "seccomp.security.alpha.kubernetes.io/pod"
	containerSeccomp  = "container.seccomp.security.alpha.kubernetes.io/"
	containerAppArmor = "container.apparmor.security.beta.kubernetes.io/"
)

// noPath is how upstream writes the path of what is wrong with a pod of a sort: that of no
// field.
const noPath = "[]"

// checkTemplate is the rule of type PodTemplateSpec (upstream's ValidatePodTemplateSpec). The
// paths of labels and annotations leave the metadata out.
func checkTemplate(v *kinds.Visit) {
	labels, annotations := tree.Object(v.Obj, "metadata", "labels"), tree.Object(v.Obj, "metadata", "annotations")
	var buf [8]string
	for _, k := range sortedKeys(labels, buf[:]) {
		for _, why := range field.LabelKeyErrors(k) {
			v.Add(field.Invalid(v.Path("labels"), k, why))
		}
		for _, why := range field.LabelValueErrors(text(labels[k])) {
			v.Add(field.Invalid(v.Path("labels"), labels[k], why))
		}
	}
	size := 0
	// Keys are checked as if they were in lower case, as those of all objects are.
	for _, k := range sortedKeys(annotations, buf[:]) {
		for _, why := range field.LabelKeyErrors(strings.ToLower(k)) {
			v.Add(field.Invalid(v.Path("annotations"), k, why))
		}
		size += len(k) + len(text(annotations[k]))
	}
	// This bound is that of the annotations of any object, keys and values together.
	if size > 256<<10 {
		v.Add(field.TooLong(v.Path("annotations"), 256<<10))
	}
	checkAnnotations(v, "annotations")
	checkAnnotatedProfiles(v)
	// They are added to a pod that runs; no pod can be made with them.
	if len(tree.List(v.Obj, "spec", "ephemeralContainers")) > 0 {
		v.Add(field.Forbidden(v.Path("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template"))
	}
}

// checkAnnotations checks what annotations of a pod or a template say. at is the path that
// errors have: upstream leaves the metadata out for templates.
func checkAnnotations(v *kinds.Visit, at ...any) {
	annotations := tree.Object(v.Obj, "metadata", "annotations")
	if len(annotations) == 0 {
		return
	}
	spec := tree.Object(v.Obj, "spec")
	// What a kubelet mirrors runs on its node.
	if s, ok := annotations[mirrorPod]; ok && tree.Text(spec, "nodeName") == "" {
		v.Add(field.Invalid(v.Path(at...)+"["+mirrorPod+"]", s, "must set spec.nodeName if mirror pod annotation is set"))
	}
	if s, ok := annotations[deletionCost]; ok && !isCost(text(s)) {
		// The check came late: an old pod with a bad cost keeps it, or gets another bad one.
		if old, had := tree.Object(v.Old, "metadata", "annotations")[deletionCost]; !had || isCost(text(old)) {
			v.Add(field.Invalid(v.Path(at...)+"["+deletionCost+"]", s, "must be a 32bit integer"))
		}
	}
	var buf [8]string
	// The rest is in the order of keys, since upstream's is any.
	for _, k := range sortedKeys(annotations, buf[:]) {
		s := text(annotations[k])
		switch name, armored := strings.CutPrefix(k, containerAppArmor); {
		// A name of a container that there is not is not told here, unlike that of AppArmor
		// (upstream).
		case k == podSeccomp || strings.HasPrefix(k, containerSeccomp):
			for _, why := range seccompErrors(s) {
				v.Add(field.Invalid(v.Path(at...)+"."+k, strings.TrimPrefix(s, "localhost/"), why))
			}
		case armored:
			if !hasContainer(spec, name) {
				v.Add(field.Invalid(v.Path(at...)+"["+k+"]", name, "container not found"))
			}
			// An empty profile means the same as none.
			if s != "" && s != "runtime/default" && s != "unconfined" && !strings.HasPrefix(s, "localhost/") {
				v.Add(field.Invalid(v.Path(at...)+"["+k+"]", s, "invalid AppArmor profile name: "+strconv.Quote(s)))
			}
		}
	}
}

// isCost reports whether s is how dear a pod is to who made it: an int32 in its shortest form.
func isCost(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	// Upstream refuses a sign or zeros in front, so that there is one text for each number.
	return err == nil && s[0] != '+' && (s[0] != '0' || s == "0")
}

// hasContainer reports whether a container of spec has the name, of whichever of the three
// sorts.
func hasContainer(spec map[string]any, name string) bool {
	for c := range containersOf(spec) {
		if c.name == name {
			return true
		}
	}
	return false
}

// seccompErrors returns what is wrong with a seccomp profile in an annotation. The one of
// docker is an old name of the runtime's own.
func seccompErrors(s string) []string {
	switch path, local := strings.CutPrefix(s, "localhost/"); {
	case s == "runtime/default", s == "docker/default", s == "unconfined":
		return nil
	case local:
		return descendingErrors(path)
	}
	return []string{"must be a valid seccomp profile"}
}

// checkAnnotatedProfiles checks that an annotation and a field about one profile say the same.
// Where only the annotation is there, all is well.
func checkAnnotatedProfiles(v *kinds.Visit) {
	annotations, spec := tree.Object(v.Obj, "metadata", "annotations"), tree.Object(v.Obj, "spec")
	if len(annotations) == 0 {
		return
	}
	// What the pod's annotation says is not compared with the fields of its containers, nor
	// that of a container with the field of the pod.
	if s, ok := annotations[podSeccomp].(string); ok {
		checkProfile(v, "seccomp", s, tree.Object(spec, "securityContext", "seccompProfile"), "spec", "securityContext", "seccompProfile")
	}
	armor := tree.Object(spec, "securityContext", "appArmorProfile")
	for c := range containersOf(spec) {
		if s, ok := annotations[containerSeccomp+c.name].(string); ok {
			checkProfile(v, "seccomp", s, tree.Object(c.obj, "securityContext", "seccompProfile"), "spec", c.list, c.i, "securityContext",
				"seccompProfile")
		}
		if s, ok := annotations[containerAppArmor+c.name].(string); ok && tree.Text(spec, "os", "name") != "windows" {
			// For AppArmor the pod's profile is that of each container without one.
			profile := tree.Object(c.obj, "securityContext", "appArmorProfile")
			if profile == nil {
				profile = armor
			}
			checkProfile(v, "apparmor", s, profile, "spec", c.list, c.i, "securityContext", "appArmorProfile")
		}
	}
}

// checkProfile checks that the annotation s says what the profile does, which may be nil. sort
// is how errors name it, at the profile's path.
func checkProfile(v *kinds.Visit, sort, s string, profile map[string]any, at ...any) {
	path, local := strings.CutPrefix(s, "localhost/")
	bad := false
	switch profile["type"] {
	case "Unconfined":
		bad = s != "unconfined"
	case "RuntimeDefault":
		bad = s != "runtime/default" && (s != "docker/default" || sort != "seccomp")
	case "Localhost":
		bad = !local
		// Another profile on the node is told at its own field, another type at the type.
		if local && profile["localhostProfile"] != path {
			v.Add(field.Forbidden(v.Path(at...)+".localhostProfile", sort+" profile in annotation and field must match"))
		}
	}
	if bad {
		v.Add(field.Forbidden(v.Path(at...)+".type", sort+" type in annotation and field must match"))
	}
}
