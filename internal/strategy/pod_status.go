package strategy

import (
	"fmt"
	"math"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// The status of a pod, which kubelets and schedulers write. It says nothing of what is not in
// the spec, and no container comes back that has ended for good: with restartPolicy Never and
//
//	containerStatuses: [{name: c, state: {terminated: {exitCode: 0}}}]
//
// a later status in which c runs is refused, since a controller has counted the pod as done.
// What older writers do not know stays as it was, or they would take it away with each write.

// preparePodStatus keeps what a writer of the status does not know, or must not change
// (upstream's PrepareForUpdate of the status strategy). The spec is the stored one already. A
// status that is absent is made, and so has what the server itself knows.
func preparePodStatus(pod, old map[string]any) {
	// Old kubelets write owners in a broken form, and garbage is collected by them; so they are
	// not taken from a kubelet.
	meta, was := tree.Metadata(pod), tree.Object(old, "metadata")
	copyField(meta, was, "ownerReferences")
	before := tree.Object(old, "status")
	status, ok := pod["status"].(map[string]any)
	if !ok {
		status = map[string]any{}
		pod["status"] = status
	}
	// An empty class counts as absent: older kubelets send none.
	for _, f := range [...]string{"qosClass", "resourceClaimStatuses", "extendedResourceClaimStatus", "observedGeneration"} {
		if status[f] == nil || status[f] == "" {
			copyField(status, before, f)
		}
	}
	// Both are of features that are off.
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

// checkPodStatus judges a write of a pod's status (upstream's ValidatePodStatusUpdate). The
// spec is not judged again: nobody could mend it here.
func checkPodStatus(v *kinds.Visit) {
	checkAnnotationUpdate(v)
	checkAnnotations(v, "metadata", "annotations")
	spec, status, was := tree.Object(v.Obj, "spec"), tree.Object(v.Obj, "status"), tree.Object(v.Old, "status")
	for i, c := range each(status["conditions"]) {
		if n := number(c["observedGeneration"]); n < 0 {
			v.Add(field.Invalid(v.Path("status", "conditions", i, "observedGeneration"), n, "must be a non-negative integer"))
		}
		// Names without a prefix are Kubernetes' own; any other name of a label is taken, with
		// one or not. The path has the field's name in Go (upstream).
		switch t := tree.Text(c, "type"); t {
		case "PodScheduled", "Ready", "Initialized":
		default:
			for _, why := range field.LabelKeyErrors(t) {
				v.Add(field.Invalid(v.Path("status", "conditions", i, "Type"), t, why))
			}
		}
	}
	// What was nominated before may stay, when the pod has been bound since.
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
	// The class follows from the spec, and kubelets evict by it: no writer may say otherwise.
	if class := tree.Text(status, "qosClass"); class != tree.Text(was, "qosClass") {
		v.Add(field.Invalid(v.Path("status", "qosClass"), class, "field is immutable"))
	}
	// The three lists are told of apart, and end in different ways.
	for _, of := range [...]string{"containers", "initContainers", "ephemeralContainers"} {
		checkContainerStatuses(v, spec, of)
	}
	checkClaimStatuses(v, spec, status)
	checkExtendedClaim(v, spec)
	checkStatusAddresses(v, status, was, "podIP", "podIPs")
	checkStatusAddresses(v, status, was, "hostIP", "hostIPs")
}

// checkExtendedClaim checks what is told of the claim that was made for resources which
// containers ask for by name. A status that says nothing new of it is not checked again.
func checkExtendedClaim(v *kinds.Visit, spec map[string]any) {
	status, ok := tree.At(v.Obj, "status", "extendedResourceClaimStatus").(map[string]any)
	if !ok || tree.Equal(status, tree.At(v.Old, "status", "extendedResourceClaimStatus")) {
		return
	}
	// The slice is clipped below, so that no path is written over another.
	at := []any{"status", "extendedResourceClaimStatus"}
	below := func(steps ...any) string { return v.Path(append(at[:2:2], steps...)...) }
	if len(tree.List(status, "requestMappings")) == 0 {
		v.Add(field.Required(below("requestMappings"), "at least one request mapping is required"))
	}
	var had set[[3]string]
	for i, m := range each(status["requestMappings"]) {
		key := [3]string{tree.Text(m, "containerName"), tree.Text(m, "resourceName"), tree.Text(m, "requestName")}
		if c := namedContainer(spec, key[0]); c == nil {
			v.Add(field.Invalid(below("requestMappings", i, "containerName"), key[0],
				"must match the name of an entry in spec.initContainers.name or spec.containers.name"))
		} else if tree.Object(c, "resources", "requests")[key[1]] == nil {
			v.Add(field.Invalid(below("requestMappings", i, "resourceName"), key[1],
				"must match the extended resource name of an entry in "+
					"spec.initContainers.resources.requests or spec.containers.resources.requests"))
		}
		// The path leaves the list and the place out (upstream).
		for _, why := range field.DNSLabelErrors(key[2]) {
			v.Add(field.Invalid(below("requestName"), key[2], why))
		}
		// The three together may come once, and the error is told at each of them.
		if had.add(key) {
			for j, f := range [...]string{"containerName", "resourceName", "requestName"} {
				v.Add(field.Duplicate(below("requestMappings", i, f), key[j]))
			}
		}
	}
	name := tree.Text(status, "resourceClaimName")
	if name == "" {
		v.Add(field.Required(below("resourceClaimName"), ""))
		return
	}
	for _, why := range field.DNSSubdomainErrors(name) {
		v.Add(field.Invalid(below("resourceClaimName"), name, why))
	}
}

// namedContainer returns the container of a name that runs from the start or before, nil for
// none. Ephemeral ones have no resources.
func namedContainer(spec map[string]any, name string) map[string]any {
	for _, list := range [...]string{"containers", "initContainers"} {
		for _, c := range each(spec[list]) {
			if c["name"] == name {
				return c
			}
		}
	}
	return nil
}

// checkAllocated checks what is told of the devices of container status s, number i of its
// list. spec is the pod's, which says what the container asks for: an entry is of a resource by
// its name, or of a claim as claim:name or claim:name/request.
func checkAllocated(v *kinds.Visit, spec map[string]any, list string, i int, s map[string]any) {
	f := statusesOf(list)
	// They ask for nothing, so that nothing can have been given to them.
	if list == "ephemeralContainers" {
		v.Add(field.Forbidden(v.Path("status", f, i, "allocatedResourcesStatus"), "must not be specified in container status"))
		return
	}
	// Names are unique in a list that was created by the rules.
	var asks map[string]any
	for _, c := range each(spec[list]) {
		if c["name"] == s["name"] {
			asks = tree.Object(c, "resources")
			break
		}
	}
	for j, a := range each(s["allocatedResourcesStatus"]) {
		name := tree.Text(a, "name")
		switch claim, ok := strings.CutPrefix(name, "claim:"); {
		// Who is not in the spec, or asks for nothing there, is not held to it.
		case asks == nil:
		case ok && !claims(asks, claim) && !extends(v, s, asks, claim):
			v.Add(field.Invalid(v.Path("status", f, i, "allocatedResourcesStatus", j, "name"), name,
				"must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when "+
					"container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"))
		case !ok && tree.Object(asks, "requests")[name] == nil:
			v.Add(field.Invalid(v.Path("status", f, i, "allocatedResourcesStatus", j, "name"), name,
				"must match one of the container's resource requests"))
		}
		var ids set[string]
		for k, r := range each(a["resources"]) {
			path := func(step string) string {
				return v.Path("status", f, i, "allocatedResourcesStatus", j, "resources", k, step)
			}
			switch health := tree.Text(r, "health"); health {
			case "Healthy", "Unhealthy", "Unknown":
			default:
				v.Add(field.NotSupported(path("health"), health, "Healthy", "Unhealthy", "Unknown"))
			}
			// Absent and empty differ: who sends a message has something to say.
			if message, ok := r["message"].(string); ok && message == "" {
				v.Add(field.Required(path("message"), "must be non-empty if specified"))
			} else if len(message) > 1024 {
				v.Add(field.TooLong(path("message"), 1024))
			}
			// One device has one health.
			if id := tree.Text(r, "resourceID"); ids.add(id) {
				v.Add(field.Duplicate(path("resourceID"), id))
			}
		}
	}
}

// claims reports whether the resources of a container name a claim, as claim or as
// claim/request.
func claims(asks map[string]any, claim string) bool {
	for _, c := range each(asks["claims"]) {
		name := tree.Text(c, "name")
		if request := tree.Text(c, "request"); request != "" {
			name += "/" + request
		}
		if name == claim {
			return true
		}
	}
	return false
}

// extends reports whether claim is a request of the claim that was made for resources which the
// container of status s asks for by name. Its text is claim/request; without a request it is
// none.
func extends(v *kinds.Visit, s, asks map[string]any, claim string) bool {
	status := tree.Object(v.Obj, "status", "extendedResourceClaimStatus")
	name, request, _ := strings.Cut(claim, "/")
	if name == "" || request == "" || name != tree.Text(status, "resourceClaimName") {
		return false
	}
	for _, m := range each(status["requestMappings"]) {
		amount := text(tree.Object(asks, "requests")[tree.Text(m, "resourceName")])
		if m["containerName"] == s["name"] && m["requestName"] == request && quantity.Sign(amount) != 0 {
			return true
		}
	}
	return false
}

// statusesOf returns the field of a status that tells of a list of containers:
// containerStatuses for containers.
func statusesOf(list string) string { return list[:len(list)-1] + "Statuses" }

// checkContainerStatuses checks what is told of one list of containers: devices, users, and
// that none comes back that has ended for good (upstream's ValidateContainerStateTransition).
func checkContainerStatuses(v *kinds.Visit, spec map[string]any, list string) {
	f := statusesOf(list)
	now := map[string]map[string]any{}
	for i, s := range each(tree.At(v.Obj, "status", f)) {
		// Of two of one name the first counts, as in upstream's loop.
		if name := tree.Text(s, "name"); now[name] == nil {
			now[name] = s
		}
		if len(tree.List(s, "allocatedResourcesStatus")) > 0 {
			checkAllocated(v, spec, list, i, s)
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
			v.Add(field.Invalid(v.Path("status", f, i, "user", "linux", "uid"), uid, fmt.Sprintf("must be between 0 and %d, inclusive",
				math.MaxUint32)))
		}
		// The bound of groups is that of signed numbers, and that of users is not (upstream).
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
	// Ephemeral containers never start again, whatever the others do.
	if list != "ephemeralContainers" && allMayRestart(spec) {
		return
	}
	for i, s := range each(tree.At(v.Old, "status", f)) {
		ended, ok := tree.At(s, "state", "terminated").(map[string]any)
		// A status that is gone is no container that came back. The place in the path is that
		// of the old status.
		is := now[tree.Text(s, "name")]
		if !ok || is == nil || tree.At(is, "state", "terminated") != nil {
			continue
		}
		if list == "ephemeralContainers" || !mayRestart(spec, list, tree.Text(s, "name"), number(ended["exitCode"])) {
			v.Add(field.Forbidden(v.Path("status", f, i, "state"), "may not be transitioned to non-terminated state"))
		}
	}
}

// allMayRestart reports whether a rule of one container restarts all of them; then each may
// come back, whatever its own policy is.
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

// mayRestart reports whether a container that ended with a code is started again, by its own
// rules and policy or by the pod's policy. A container that is not in the spec is not.
func mayRestart(spec map[string]any, list, name string, code int64) bool {
	for _, c := range each(spec[list]) {
		if c["name"] != name {
			continue
		}
		policy, ok := c["restartPolicy"].(string)
		if !ok {
			policy = tree.Text(spec, "restartPolicy")
		}
		// Rules go before the policy, and count only beside a policy of the container's own.
		for _, rule := range each(c["restartPolicyRules"]) {
			if ok && restartsOn(rule, code) {
				return true
			}
		}
		return policy == "Always" || policy == "OnFailure" && code != 0
	}
	return false
}

// restartsOn reports whether a rule restarts a container that ended with a code. An operator
// other than In means that the code must not be among the values.
func restartsOn(rule map[string]any, code int64) bool {
	in := false
	for _, n := range tree.List(rule, "exitCodes", "values") {
		in = in || n == code
	}
	return rule["action"] == "Restart" && in == (tree.Text(rule, "exitCodes", "operator") == "In")
}

// checkClaimStatuses checks what is told of resource claims that were made for the pod. An
// entry without a claim says that none was needed.
func checkClaimStatuses(v *kinds.Visit, spec, status map[string]any) {
	var claims, told set[string]
	for _, c := range each(spec["resourceClaims"]) {
		claims.add(tree.Text(c, "name"))
	}
	for i, s := range each(status["resourceClaimStatuses"]) {
		name := tree.Text(s, "name")
		if !claims.has(name) {
			v.Add(field.Invalid(v.Path("status", "resourceClaimStatuses", i, "name"), name,
				"must match the name of an entry in `spec.resourceClaims`"))
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

// checkStatusAddresses checks a list of addresses, one of each family at most, and that the
// single field is its first. What was there before may stay. one and list are fields of the
// status: podIP and podIPs, or hostIP and hostIPs.
func checkStatusAddresses(v *kinds.Visit, status, was map[string]any, one, list string) {
	ips := tree.List(status, list)
	first := tree.Text(status, one)
	if len(ips) == 0 {
		// Of the host the single field may be alone, since older kubelets send no list.
		if first != "" && one == "podIP" {
			v.Add(field.Invalid(v.Path("status", list), ips, "podIP and podIPs must either both be set or both be unset"))
		}
		return
	}
	// The default has made podIP of the list by now; hostIP has none, so that an empty one is
	// unequal.
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
		// Rules for addresses became stricter; what is stored may be written again.
		for _, why := range field.IPErrors(ip) {
			if !had.has(ip) {
				v.Add(field.Invalid(v.Path("status", list, i), ip, why))
			}
		}
		addr, ok := field.LooseAddress(ip)
		// What is no address counts as the other family here, and is told once, as a failure of
		// the server: so upstream answers, with the first of them.
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
