package admission

import (
	"slices"
	"strings"
	"time"

	"apichain/internal/tree"
)

// What objects use of a quota, by resource. Every kind counts as one object, under count/PLURAL.GROUP;
// pods, services, claims of storage and of devices count in other ways too, and a few kinds have a
// second, older name. A quota counts an object where one of its names is one that the object's resource
// has, and the object is in all of the quota's scopes.

// usage is a row: how a resource counts.
type usage struct {
	// counts reports whether a name in a quota is one that the resource uses, beside count/.
	counts func(name string) bool
	// of returns what an object uses, beside count/.
	of func(obj map[string]any) amounts
	// inScope reports whether an object is in a scope; nil: in none.
	inScope func(obj map[string]any, s scope) bool
	// lacks says what an object must say where a quota has these names, "" for nothing.
	lacks func(obj map[string]any, names []string) string
}

// usages has the resources that count in another way than as objects, by plural.group.
var usages = map[string]usage{
	"pods":                   {counts: countsPod, of: podUsage, inScope: podInScope, lacks: podLacks},
	"services":               {counts: oneOf("services", "services.nodeports", "services.loadbalancers"), of: serviceUsage},
	"persistentvolumeclaims": {counts: countsClaim, of: claimUsage, inScope: claimInScope},
	"configmaps":             countedAs("configmaps"),
	"secrets":                countedAs("secrets"),
	"resourcequotas":         countedAs("resourcequotas"),
	"replicationcontrollers": countedAs("replicationcontrollers"),
	"resourceclaims.resource.k8s.io": {counts: func(name string) bool { return strings.HasSuffix(name, perDeviceClass) },
		of: deviceUsage},
}

// oneOf is a rule of names that are known.
func oneOf(names ...string) func(string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

// countedAs is the row of a resource that has an older name.
// Both names may stand in one quota, and count the same.
func countedAs(name string) usage {
	return usage{counts: oneOf(name), of: func(map[string]any) amounts { return amounts{name: one} }}
}

// countName returns the name by which objects of a resource are counted.
func countName(resource string) string { return "count/" + resource }

// countedNames returns those of a quota's names that a resource uses.
// They are sorted, as messages list them.
func countedNames(resource string, hard amounts) (names []string) {
	row := usages[resource]
	for _, name := range hard.names() {
		if name == countName(resource) || row.counts != nil && row.counts(name) {
			names = append(names, name)
		}
	}
	return names
}

// usageOf returns what an object of a resource uses.
// The result is new, and has names that no quota asks for: the caller picks.
func usageOf(resource string, obj map[string]any) amounts {
	used := amounts{}
	if row := usages[resource]; row.of != nil {
		used = row.of(obj)
	}
	used[countName(resource)] = one
	return used
}

// scope is one that a quota is for.
type scope struct {
	name, operator string
	values         []any
}

// scopesOf returns the scopes of a quota, from both of its fields.
// A name in the older field is one that must merely be there.
func scopesOf(quota map[string]any) (all []scope) {
	for _, v := range tree.List(quota, "spec", "scopes") {
		name, _ := v.(string)
		all = append(all, scope{name: name, operator: "Exists"})
	}
	for _, v := range tree.List(quota, "spec", "scopeSelector", "matchExpressions") {
		all = append(all, scope{tree.Text(v, "scopeName"), tree.Text(v, "operator"), tree.List(v, "values")})
	}
	return all
}

// admits reports whether a value is what a scope asks for; "" is none.
// In and NotIn compare with the values of the scope; a value that is not there is in none of them.
func (s scope) admits(value string) bool {
	in := slices.Contains(s.values, any(value))
	switch s.operator {
	case "Exists":
		return value != ""
	case "DoesNotExist":
		return value == ""
	case "NotIn":
		return value == "" || !in
	}
	return value != "" && in
}

// inScopes reports whether an object of a resource is in all scopes of a quota.
// A quota without scopes is for all objects, and one with a scope that the resource does not know for
// none.
func inScopes(resource string, obj, quota map[string]any) bool {
	in := usages[resource].inScope
	for _, s := range scopesOf(quota) {
		if in == nil || !in(obj, s) {
			return false
		}
	}
	return true
}

// countsPod reports whether a name is one that pods use.
// The prefixes tell what is bounded: requests.cpu is what cpu is as well, limits.cpu is the other one.
func countsPod(name string) bool {
	if name == "pods" || strings.HasPrefix(name, "hugepages-") || strings.HasPrefix(name, "requests.hugepages-") {
		return true
	}
	// Extended resources, whose names have a domain, are counted by requests alone: limits are the
	// same.
	bare, requests := strings.CutPrefix(name, "requests.")
	if requests && strings.Contains(name, "/") && (!strings.Contains(name, "kubernetes.io/") || strings.HasPrefix(bare,
		"deviceclass.resource.kubernetes.io/")) {
		return true // an extended resource
	}
	// One prefix at most: requests.limits.cpu is nothing.
	bare, limits := strings.CutPrefix(bare, "limits.")
	return !(requests && limits) && slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, bare)
}

// podUsage counts a pod until it has ended, or should have.
// The overhead of its class counts, and what it holds while it is resized.
func podUsage(pod map[string]any) amounts {
	if podEnded(pod, time.Now()) {
		return amounts{}
	}
	o := podSums{overhead: true, hugePages: true, status: true}
	return resourceUsage(podTotal(pod, "requests", o), podTotal(pod, "limits", o))
}

// resourceUsage returns what requests and limits count as.
// Requests are under two names; limits only with their prefix. Other resources have no name in a quota.
func resourceUsage(requests, limits amounts) amounts {
	used := amounts{"pods": one}
	for name, v := range requests {
		switch {
		case name == "cpu" || name == "memory" || name == "ephemeral-storage" || strings.HasPrefix(name, "hugepages-"):
			used[name], used["requests."+name] = v, v
		case strings.Contains(name, "/") && !strings.HasPrefix(name, "requests."):
			used["requests."+name] = v
		}
	}
	for _, name := range [...]string{"cpu", "memory", "ephemeral-storage"} {
		if v, ok := limits[name]; ok {
			used["limits."+name] = v
		}
	}
	return used
}

// podEnded reports whether a pod has ended, or was to be gone before now.
// A pod whose node is gone is never reported as ended; it must not use up the quota for ever.
func podEnded(pod map[string]any, now time.Time) bool {
	if phase := tree.Text(pod, "status", "phase"); phase == "Failed" || phase == "Succeeded" {
		return true
	}
	deleted, err := time.Parse(time.RFC3339, tree.Text(pod, "metadata", "deletionTimestamp"))
	grace, ok := tree.At(pod, "metadata", "deletionGracePeriodSeconds").(int64)
	return err == nil && ok && now.After(deleted.Add(time.Duration(grace)*time.Second))
}

// podLacks: where a quota bounds cpu or memory, each container must say how much, or the pod as a whole.
// A pod that says something for all of its containers is asked nothing more (upstream).
func podLacks(pod map[string]any, names []string) string {
	for _, what := range [...]string{"requests", "limits"} {
		for name := range tree.Object(pod, "spec", "resources", what) {
			if name == "cpu" || name == "memory" || strings.HasPrefix(name, "hugepages-") {
				return ""
			}
		}
	}
	var parts []string
	for _, name := range names {
		// Storage and extended resources need not be said.
		if bare := name[strings.LastIndex(name, ".")+1:]; bare != "cpu" && bare != "memory" {
			continue
		}
		var lacking []string
		for _, list := range [...]string{"containers", "initContainers"} {
			for _, c := range tree.List(pod, "spec", list) {
				// What a container says is counted as a pod's would be, so the names are those of the
				// quota.
				has := resourceUsage(amountsOf(tree.Object(c, "resources", "requests")), amountsOf(tree.Object(c, "resources", "limits")))
				if _, ok := has[name]; !ok {
					lacking = append(lacking, tree.Text(c, "name"))
				}
			}
		}
		// A container of each list may have the same name until the kind is asked.
		if slices.Sort(lacking); len(lacking) > 0 {
			parts = append(parts, name+" for: "+strings.Join(slices.Compact(lacking), ","))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "must specify " + strings.Join(parts, "; ")
}

// podInScope reports whether a pod is in a scope.
// Scopes of other resources hold of no pod.
func podInScope(pod map[string]any, s scope) bool {
	switch s.name {
	case "Terminating", "NotTerminating":
		return podTerminates(pod) == (s.name == "Terminating")
	case "BestEffort", "NotBestEffort":
		return podAsksNothing(pod) == (s.name == "BestEffort")
	case "PriorityClass":
		return s.admits(tree.Text(pod, "spec", "priorityClassName"))
	case "CrossNamespacePodAffinity":
		return podCrosses(pod)
	}
	return false
}

// podTerminates reports whether a pod is ended after a time.
// The scope Terminating is about the deadline, and has nothing to do with deletion.
func podTerminates(pod map[string]any) bool {
	seconds, ok := tree.At(pod, "spec", "activeDeadlineSeconds").(int64)
	return ok && seconds >= 0
}

// podAsksNothing reports whether a pod is of the class BestEffort: none of its containers says anything
// of cpu or memory, nor does the pod as a whole.
// Its status says so once it is stored; a new pod is asked itself.
func podAsksNothing(pod map[string]any) bool {
	if class := tree.Text(pod, "status", "qosClass"); class != "" {
		return class == "BestEffort"
	}
	// The spec has resources of its own in the same place as a container.
	all := append(slices.Concat(tree.List(pod, "spec", "containers"), tree.List(pod, "spec", "initContainers")), tree.At(pod, "spec"))
	return !slices.ContainsFunc(all, func(v any) bool {
		for _, what := range [...]string{"requests", "limits"} {
			has := amountsOf(tree.Object(v, "resources", what))
			if has["cpu"].sign() != 0 || has["memory"].sign() != 0 {
				return true
			}
		}
		return false
	})
}

// podCrosses reports whether a pod wants to be near, or far from, pods of other namespaces.
// An empty selector of namespaces means all, so that it is there is enough.
func podCrosses(pod map[string]any) bool {
	for _, affinity := range [...]string{"podAffinity", "podAntiAffinity"} {
		terms := slices.Clone(tree.List(pod, "spec", "affinity", affinity, "requiredDuringSchedulingIgnoredDuringExecution"))
		for _, v := range tree.List(pod, "spec", "affinity", affinity, "preferredDuringSchedulingIgnoredDuringExecution") {
			terms = append(terms, tree.At(v, "podAffinityTerm"))
		}
		for _, term := range terms {
			if len(tree.List(term, "namespaces")) > 0 || tree.At(term, "namespaceSelector") != nil {
				return true
			}
		}
	}
	return false
}

// serviceUsage counts a service, its ports on nodes and its load balancer. A service of another type
// has 0 of both, which a change from one type to the other then lowers. Ports count by their number, as
// each will have one on the nodes.
func serviceUsage(service map[string]any) amounts {
	used := amounts{"services": one, "services.nodeports": "", "services.loadbalancers": ""}
	ports := tree.List(service, "spec", "ports")
	nodePorts := int64(len(ports))
	switch tree.Text(service, "spec", "type") {
	// All of its ports have one.
	case "NodePort":
	case "LoadBalancer":
		used["services.loadbalancers"] = one
		// Only those that it names itself, unless it lets the server choose.
		if tree.At(service, "spec", "allocateLoadBalancerNodePorts") != false {
			break
		}
		nodePorts = 0
		for _, p := range ports {
			if n, _ := tree.At(p, "nodePort").(int64); n != 0 {
				nodePorts++
			}
		}
	default:
		return used
	}
	used["services.nodeports"] = wholeAmount(nodePorts)
	return used
}

// perStorageClass stands between the name of a class and what is counted of it.
const perStorageClass = ".storageclass.storage.k8s.io/"

// countsClaim reports whether a name is one that claims use: in all, or behind the name of a storage
// class and what stands between.
func countsClaim(name string) bool {
	if i := strings.Index(name, perStorageClass); i >= 0 {
		name = name[i+len(perStorageClass):]
	}
	return name == "persistentvolumeclaims" || name == "requests.storage"
}

// claimUsage counts a claim, and what it asks for: what is set aside for it, where that is more.
// Sizes count in whole bytes. Each name is there twice for a claim with a class.
func claimUsage(claim map[string]any) amounts {
	used := amounts{"persistentvolumeclaims": one}
	if asked, ok := amountsOf(tree.Object(claim, "spec", "resources", "requests"))["storage"]; ok {
		// A claim that shrinks again after it could not grow still has what was set aside.
		if has := amountsOf(tree.Object(claim, "status", "allocatedResources"))["storage"]; has.cmp(asked) > 0 {
			asked = has
		}
		used["requests.storage"] = asked.ceil()
	}
	if class := storageClassOf(claim); class != "" {
		for _, name := range used.names() {
			used[class+perStorageClass+name] = used[name]
		}
	}
	return used
}

// claimInScope reports whether one of the classes that a claim has or will have is in a scope.
// While a claim moves from one class to another it is in the scopes of both.
func claimInScope(claim map[string]any, s scope) bool {
	if s.name != "VolumeAttributesClass" {
		return false
	}
	classes := claimClasses(claim)
	if len(classes) == 0 {
		return s.admits("")
	}
	return slices.ContainsFunc(classes, s.admits)
}

// claimClasses returns the volume attributes classes that a claim names.
// They are in the order wanted, current, on the way; each once.
func claimClasses(claim map[string]any) (classes []string) {
	for _, path := range [...][]string{
		{"spec", "volumeAttributesClassName"}, {"status", "currentVolumeAttributesClassName"},
		{"status", "modifyVolumeStatus", "targetVolumeAttributesClassName"},
	} {
		if class := tree.Text(claim, path...); class != "" && !slices.Contains(classes, class) {
			classes = append(classes, class)
		}
	}
	return classes
}

// perDeviceClass stands behind the name of a class of devices.
const perDeviceClass = ".deviceclass.resource.k8s.io/devices"

// mostDevices is how many devices a claim for all of them counts as.
const mostDevices = 32

// deviceUsage counts the devices of a claim by class; of alternatives the most of each class.
// It is the worst case that counts, as nobody knows yet which alternative is taken.
func deviceUsage(claim map[string]any) amounts {
	used := amounts{}
	count := func(v any) amounts {
		n, _ := tree.At(v, "count").(int64)
		if tree.Text(v, "allocationMode") == "All" {
			// Nobody knows how many that will be; a claim gets no more.
			n = mostDevices
		}
		return amounts{tree.Text(v, "deviceClassName") + perDeviceClass: wholeAmount(n)}
	}
	for _, r := range tree.List(claim, "spec", "devices", "requests") {
		most := amounts{}
		for _, alternative := range tree.List(r, "firstAvailable") {
			most.raise(count(alternative))
		}
		if exactly := tree.Object(r, "exactly"); exactly != nil && len(most) == 0 {
			most = count(exactly)
		}
		used.add(most)
	}
	return used
}
