package strategy

import (
	"fmt"
	"math"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The status of a pod, which kubelets and schedulers write. It says nothing of what is not in the spec, and no
// container comes back that has ended for good.

// preparePodStatus keeps what a writer of the status does not know, or must not change.
func preparePodStatus(pod, old map[string]any) {
	meta, was := tree.Metadata(pod), tree.Object(old, "metadata")
	copyField(meta, was, "ownerReferences")
	before := tree.Object(old, "status")
	status, ok := pod["status"].(map[string]any)
	if !ok {
		status = map[string]any{}
		pod["status"] = status
	}
	for _, f := range [...]string{"qosClass", "resourceClaimStatuses", "extendedResourceClaimStatus", "observedGeneration"} {
		if status[f] == nil || status[f] == "" {
			copyField(status, before, f)
		}
	}
	delete(status, "volumeHealth")
	delete(status, "nodeAllocatableResourceClaimStatuses")
	// Conditions of one type are told apart by their order.
	generations := map[string][]any{}
	for _, c := range each(before["conditions"]) {
		t := tree.Text(c, "type")
		generations[t] = append(generations[t], c["observedGeneration"])
	}
	for _, c := range each(status["conditions"]) {
		t := tree.Text(c, "type")
		if had := generations[t]; len(had) > 0 {
			if generations[t] = had[1:]; c["observedGeneration"] == nil && had[0] != nil {
				c["observedGeneration"] = had[0]
			}
		}
	}
}

// checkPodStatus judges a write of a pod's status.
func checkPodStatus(v *kinds.Visit) {
	checkAnnotationUpdate(v)
	checkAnnotations(v, "metadata", "annotations")
	spec, status, was := tree.Object(v.Obj, "spec"), tree.Object(v.Obj, "status"), tree.Object(v.Old, "status")
	for i, c := range each(status["conditions"]) {
		if n := number(c["observedGeneration"]); n < 0 {
			v.Add(field.Invalid(v.Path("status", "conditions", i, "observedGeneration"), n, "must be a non-negative integer"))
		}
		switch t := tree.Text(c, "type"); t {
		case "PodScheduled", "Ready", "Initialized":
		default:
			for _, why := range field.LabelKeyErrors(t) {
				v.Add(field.Invalid(v.Path("status", "conditions", i, "Type"), t, why))
			}
		}
	}
	if name := tree.Text(status, "nominatedNodeName"); name != "" && name != tree.Text(was, "nominatedNodeName") {
		for _, why := range field.DNSSubdomainErrors(name) {
			v.Add(field.Invalid(v.Path("status", "nominatedNodeName"), name, why))
		}
		if tree.Text(spec, "nodeName") != "" {
			v.Add(field.Forbidden(v.Path("status", "nominatedNodeName"), "may not be set on pods that are already bound to a node"))
		}
	}
	if n := number(status["observedGeneration"]); n < 0 {
		v.Add(field.Invalid(v.Path("status", "observedGeneration"), n, "must be a non-negative integer"))
	}
	if class := tree.Text(status, "qosClass"); class != tree.Text(was, "qosClass") {
		v.Add(field.Invalid(v.Path("status", "qosClass"), class, "field is immutable"))
	}
	for _, of := range [...]string{"containers", "initContainers", "ephemeralContainers"} {
		checkContainerStatuses(v, spec, of)
	}
	checkClaimStatuses(v, spec, status)
	checkStatusAddresses(v, status, was, "podIP", "podIPs")
	checkStatusAddresses(v, status, was, "hostIP", "hostIPs")
}

// statusesOf returns the field of a status that tells of a list of containers.
func statusesOf(list string) string { return list[:len(list)-1] + "Statuses" }

// checkContainerStatuses checks what is told of one list of containers.
func checkContainerStatuses(v *kinds.Visit, spec map[string]any, list string) {
	f := statusesOf(list)
	now := map[string]map[string]any{}
	for i, s := range each(tree.At(v.Obj, "status", f)) {
		if name := tree.Text(s, "name"); now[name] == nil {
			now[name] = s
		}
		if list == "ephemeralContainers" && len(tree.List(s, "allocatedResourcesStatus")) > 0 {
			v.Add(field.Forbidden(v.Path("status", f, i, "allocatedResourcesStatus"), "must not be specified in container status"))
		}
		user := tree.Object(s, "user", "linux")
		if user == nil {
			continue
		}
		if tree.Text(spec, "os", "name") == "windows" {
			v.Add(field.Forbidden(v.Path("status", f, i, "user", "linux"), "cannot be set for a windows pod"))
			continue
		}
		if uid := number(user["uid"]); uid < 0 || uid > math.MaxUint32 {
			v.Add(field.Invalid(v.Path("status", f, i, "user", "linux", "uid"), uid, fmt.Sprintf("must be between 0 and %d, inclusive", math.MaxUint32)))
		}
		const group = "must be between 0 and 2147483647, inclusive"
		if gid := number(user["gid"]); gid < 0 || gid > math.MaxInt32 {
			v.Add(field.Invalid(v.Path("status", f, i, "user", "linux", "gid"), gid, group))
		}
		for j, gid := range tree.List(user, "supplementalGroups") {
			if n := number(gid); n < 0 || n > math.MaxInt32 {
				v.Add(field.Invalid(v.Path("status", f, i, "user", "linux", "supplementalGroups", j), n, group))
			}
		}
	}
	if list != "ephemeralContainers" && allMayRestart(spec) {
		return
	}
	for i, s := range each(tree.At(v.Old, "status", f)) {
		ended, ok := tree.At(s, "state", "terminated").(map[string]any)
		is := now[tree.Text(s, "name")]
		if !ok || is == nil || tree.At(is, "state", "terminated") != nil {
			continue
		}
		if list == "ephemeralContainers" || !mayRestart(spec, list, tree.Text(s, "name"), number(ended["exitCode"])) {
			v.Add(field.Forbidden(v.Path("status", f, i, "state"), "may not be transitioned to non-terminated state"))
		}
	}
}

// allMayRestart reports whether a rule of one container restarts all of them.
func allMayRestart(spec map[string]any) bool {
	for c := range containersOf(spec) {
		for _, rule := range each(c.obj["restartPolicyRules"]) {
			if rule["action"] == "RestartAllContainers" {
				return true
			}
		}
	}
	return false
}

// mayRestart reports whether a container that ended with a code is started again, by its own rules and policy or
// by the pod's policy.
func mayRestart(spec map[string]any, list, name string, code int64) bool {
	for _, c := range each(spec[list]) {
		if c["name"] != name {
			continue
		}
		policy, ok := c["restartPolicy"].(string)
		if !ok {
			policy = tree.Text(spec, "restartPolicy")
		}
		for _, rule := range each(c["restartPolicyRules"]) {
			if ok && restartsOn(rule, code) {
				return true
			}
		}
		return policy == "Always" || policy == "OnFailure" && code != 0
	}
	return false
}

// restartsOn reports whether a rule restarts a container that ended with a code.
func restartsOn(rule map[string]any, code int64) bool {
	in := false
	for _, n := range tree.List(rule, "exitCodes", "values") {
		in = in || n == code
	}
	return rule["action"] == "Restart" && in == (tree.Text(rule, "exitCodes", "operator") == "In")
}

// checkClaimStatuses checks what is told of resource claims that were made for the pod.
func checkClaimStatuses(v *kinds.Visit, spec, status map[string]any) {
	var claims, told set[string]
	for _, c := range each(spec["resourceClaims"]) {
		claims.add(tree.Text(c, "name"))
	}
	for i, s := range each(status["resourceClaimStatuses"]) {
		name := tree.Text(s, "name")
		if !claims.has(name) {
			v.Add(field.Invalid(v.Path("status", "resourceClaimStatuses", i, "name"), name, "must match the name of an entry in `spec.resourceClaims`"))
		}
		if told.add(name) {
			v.Add(field.Duplicate(v.Path("status", "resourceClaimStatuses", i, "name"), name))
		}
		if claim, ok := s["resourceClaimName"].(string); ok {
			for _, why := range field.DNSSubdomainErrors(claim) {
				v.Add(field.Invalid(v.Path("status", "resourceClaimStatuses", i, "resourceClaimName"), claim, why))
			}
		}
	}
}

// checkStatusAddresses checks a list of addresses, one of each family at most, and that the single field is its
// first. What was there before may stay.
func checkStatusAddresses(v *kinds.Visit, status, was map[string]any, one, list string) {
	ips := tree.List(status, list)
	first := tree.Text(status, one)
	if len(ips) == 0 {
		if first != "" && one == "podIP" {
			v.Add(field.Invalid(v.Path("status", list), ips, "podIP and podIPs must either both be set or both be unset"))
		}
		return
	}
	if ip := tree.Text(ips[0], "ip"); first != ip && (first != "" || one == "hostIP") {
		v.Add(field.Invalid(v.Path("status", list, 0, "ip"), ip, "must be equal to `"+one+"`"))
	}
	var had set[string]
	for _, ip := range each(was[list]) {
		had.add(tree.Text(ip, "ip"))
	}
	families, bad := map[bool]int{}, false
	for i, e := range each(status[list]) {
		ip := tree.Text(e, "ip")
		for _, why := range field.IPErrors(ip) {
			if !had.has(ip) {
				v.Add(field.Invalid(v.Path("status", list, i), ip, why))
			}
		}
		addr, ok := field.LooseAddress(ip)
		if families[addr.Unmap().Is4()]++; !ok && len(ips) > 1 && !bad {
			bad = true
			v.Add(field.Error{Reason: "InternalError", Field: v.Path("status", list),
				Message: fmt.Sprintf("Internal error: failed to check for dual stack with error:invalid IP[%d]: %s", i, ip)})
		}
	}
	if families[true] > 1 || families[false] > 1 || bad {
		v.Add(field.Invalid(v.Path("status", list), ips, "may specify no more than one IP for each IP family"))
	}
}
