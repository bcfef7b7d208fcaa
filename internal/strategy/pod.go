package strategy

import (
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Pods, and the templates that they are made of. What goes on here when one is created:
//
//	decode      podSpecDefaults and containerDefaults, for a pod and a template alike
//	            podDefaults, for a pod alone
//	prepare     preparePod: the status, selectors by label keys, pod-level resources, the class
//	check       checkPod and what it shares with templates (pod_spec.go), or checkPodUpdate
//
// Pods have more defaults than templates: what is set late is not fixed for all pods of a
// controller, and a template is stored as its writer meant it. So a template with limits alone
// is kept so, while its pods ask for as much as their limits are. A pod begins with a status
// that the server makes; one that a client sends along is dropped.

// podRules are the rules of pods, templates, and what is below them but volumes, by type: they
// hold wherever a type stands, so that the template of a Deployment is judged as a pod is.
func podRules() kinds.Rules {
	return kinds.Rules{
		"Pod":                           {Default: podDefaults, Check: checkPod, Status: checkPodStatus},
		"PodSpec":                       {Default: podSpecDefaults, Check: checkPodSpec},
		"PodStatus":                     {Default: podStatusDefaults},
		"PodTemplateSpec":               {Check: checkTemplate},
		"Container":                     {Default: containerDefaults},
		"EphemeralContainerCommon":      {Default: containerDefaults, Check: skipForbidden},
		"ResourceRequirements":          {Default: resourceDefaults},
		"ConfigMapKeySelector":          {Check: checkKeyRef},
		"SecretKeySelector":             {Check: checkKeyRef},
		"ConfigMapEnvSource":            {Check: checkEnvSource},
		"SecretEnvSource":               {Check: checkEnvSource},
		"SeccompProfile":                {Check: checkSeccompProfile},
		"AppArmorProfile":               {Check: checkAppArmorProfile},
		"WindowsSecurityContextOptions": {Check: checkWindowsOptions},
		// These fields are of features that the real server has turned off; it drops them in
		// silence.
		"HTTPGetAction": {Default: drops("protocol")},
		"GRPCAction":    {Default: drops("mode")},
		"VolumeMount":   {Default: drops("bindMountOptions")},
	}
}

// podStrategies are the strategies of pods and their templates: what cannot be said by type,
// since it is about the object as a whole and what was there before.
func podStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		{Version: "v1", Name: "Pod"}: {Prepare: preparePod, PrepareStatus: preparePodStatus, Warnings: podWarnings,
			Parts: podParts()},
		{Version: "v1", Name: "PodTemplate"}: {Prepare: func(obj, _ map[string]any) { dropInitAnnotations(tree.Object(obj, "template")) }},
	}
}

// podDefaults sets what a pod gets and a template does not (upstream's SetDefaults_Pod). It
// runs before the defaults of what is below, none of which is read here.
func podDefaults(pod map[string]any) {
	spec := tree.Object(pod, "spec")
	if spec == nil {
		return
	}
	// A negative period was taken once; it is mended here, and by an update of a pod that has
	// one.
	if n, ok := spec["terminationGracePeriodSeconds"].(int64); ok && n < 0 {
		spec["terminationGracePeriodSeconds"] = int64(1)
	}
	if spec["enableServiceLinks"] == nil {
		spec["enableServiceLinks"] = true
	}
	// Ephemeral containers are left out: they have neither ports nor resources.
	for _, list := range [...]string{"containers", "initContainers"} {
		for _, c := range each(spec[list]) {
			requestLimits(c)
			for _, port := range each(c["ports"]) {
				// In the network of the host, a port that is open in the container is one of
				// the host.
				if n := number(port["containerPort"]); tree.True(spec["hostNetwork"]) && number(port["hostPort"]) == 0 && n != 0 {
					port["hostPort"] = n
				}
			}
		}
	}
}

// requestLimits makes a container ask for as much of a resource as it may use, unless it says.
// Each resource counts alone: a request for processor does not stop that for memory.
func requestLimits(c map[string]any) {
	limits := tree.Object(c, "resources", "limits")
	requests := tree.Object(c, "resources", "requests")
	for name, limit := range limits {
		if _, ok := requests[name]; ok {
			continue
		}
		// Most containers have no limits, and get no empty list.
		if requests == nil {
			requests = map[string]any{}
			tree.Set(c, requests, "resources", "requests")
		}
		requests[name] = limit
	}
}

// podSpecDefaults keeps both names of the service account alike, and leaves out what is of
// features that are off. The older name counts only where the newer is empty.
func podSpecDefaults(spec map[string]any) {
	account := tree.Text(spec, "serviceAccountName")
	if account == "" {
		account = tree.Text(spec, "serviceAccount")
	}
	if account != "" {
		spec["serviceAccountName"], spec["serviceAccount"] = account, account
	}
	// Upstream stores an object here, be it empty.
	if spec["securityContext"] == nil {
		spec["securityContext"] = map[string]any{}
	}
	roundUp(tree.Object(spec, "overhead"))
	// Both are of features that are off in the real server as it starts without flags.
	delete(spec, "schedulingGroup")
	delete(spec, "evictionResponders")
}

// podStatusDefaults keeps the single address and the list of addresses alike. The single one is
// what counts, for the sake of kubelets that know no list (upstream's SetDefaults_PodStatus).
func podStatusDefaults(status map[string]any) {
	ips := tree.List(status, "podIPs")
	switch ip := tree.Text(status, "podIP"); {
	case ip == "" && len(ips) > 0:
		status["podIP"] = tree.Text(ips[0], "ip")
	case ip != "" && (len(ips) == 0 || tree.Text(ips[0], "ip") != ip):
		status["podIPs"] = []any{map[string]any{"ip": ip}}
	}
}

// containerDefaults sets when an image is pulled, and leaves out a signal, and a life cycle
// with nothing else. It is for all three sorts of containers.
func containerDefaults(c map[string]any) {
	// The signal is of a feature that is off. What it leaves empty would be a life cycle
	// without a hook, which a client that sent a signal never meant.
	if life := tree.Object(c, "lifecycle"); life["stopSignal"] != nil {
		if delete(life, "stopSignal"); len(life) == 0 {
			delete(c, "lifecycle")
		}
	}
	if c["imagePullPolicy"] == nil {
		c["imagePullPolicy"] = pullPolicy(tree.Text(c, "image"))
	}
}

// skipForbidden leaves alone what an ephemeral container may not have. That it is there is told
// already (ephemeralContainers); what is wrong inside would be told on top of that.
func skipForbidden(v *kinds.Visit) {
	v.Skip("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
}

// resourceDefaults rounds the amounts of resources (upstream's SetDefaults_ResourceList).
func resourceDefaults(r map[string]any) {
	roundUp(tree.Object(r, "limits"))
	roundUp(tree.Object(r, "requests"))
}

// roundUp rounds amounts up to a thousandth, in place. What needs no rounding keeps its text,
// which may be in another form than this package would write.
func roundUp(list map[string]any) {
	for name, v := range list {
		// Amounts are in upstream's form by now, in which one of less than a thousandth has one
		// of these letters, a suffix or an exponent, but for a few texts that are kept as they
		// were sent.
		if s := text(v); strings.ContainsAny(s, "nue") && quantity.Cmp(quantity.Of(quantity.Units(s, -3), -3), s) != 0 {
			list[name] = quantity.Of(quantity.Units(s, -3), -3)
		}
	}
}

// preparePod makes the status of a new pod and completes its spec. Of an update it keeps the
// resources of the pod as a whole, where a client that does not know them has sent none.
func preparePod(pod, old map[string]any) {
	dropInitAnnotations(pod)
	spec := tree.Object(pod, "spec")
	if spec == nil {
		return
	}
	// An update has its status from what is stored; of the spec only this may be filled in.
	if old != nil {
		if r := tree.Object(old, "spec", "resources"); r != nil && spec["resources"] == nil {
			spec["resources"] = tree.Copy(r)
		}
		return
	}
	// Whatever status a client sends is forgotten, and the condition says why nothing happens
	// yet.
	status := map[string]any{"phase": "Pending"}
	pod["status"] = status
	if len(tree.List(spec, "schedulingGates")) > 0 {
		status["conditions"] = []any{map[string]any{
			"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
			"message":       "Scheduling is blocked due to non-empty scheduling gates",
			"lastProbeTime": nil, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}}
	}
	// The order is upstream's: the class is of the resources as they are completed.
	labels := tree.Object(pod, "metadata", "labels")
	selectByLabelKeys(spec, labels)
	armorByAnnotations(spec, tree.Object(pod, "metadata", "annotations"))
	podLevelResources(spec)
	status["qosClass"] = qosClass(spec)
}

// dropInitAnnotations removes the annotations that init containers were written in before there
// was a field. Upstream drops them along with the fields of features that are off.
func dropInitAnnotations(pod map[string]any) {
	annotations := tree.Object(pod, "metadata", "annotations")
	for _, stage := range [...]string{"alpha", "beta"} {
		for _, what := range [...]string{"containers", "container-statuses"} {
			if key := "pod." + stage + ".kubernetes.io/init-" + what; annotations[key] != nil {
				delete(annotations, key)
			}
		}
	}
}

// selectByLabelKeys adds to selectors what they are to match, or not to match, of the pod's own
// labels. For example, with matchLabelKeys: [version] a pod that has version: a gets, beside
// what its selector says, version In (a): it keeps to the pods of its own release.
func selectByLabelKeys(spec, labels map[string]any) {
	add := func(term map[string]any, f, operator string) {
		selector, _ := term["labelSelector"].(map[string]any)
		for _, key := range tree.List(term, f) {
			value, ok := labels[text(key)]
			// A selector that is not there matches no pod, and must not begin to match some; a
			// label that the pod does not have says nothing.
			if !ok || selector == nil {
				continue
			}
			selector["matchExpressions"] = append(tree.List(selector, "matchExpressions"),
				map[string]any{"key": key, "operator": operator, "values": []any{value}})
		}
	}
	for _, sort := range [...]string{"podAffinity", "podAntiAffinity"} {
		pods := tree.Object(spec, "affinity", sort)
		for _, term := range each(pods["preferredDuringSchedulingIgnoredDuringExecution"]) {
			add(tree.Object(term, "podAffinityTerm"), "matchLabelKeys", "In")
			add(tree.Object(term, "podAffinityTerm"), "mismatchLabelKeys", "NotIn")
		}
		for _, term := range each(pods["requiredDuringSchedulingIgnoredDuringExecution"]) {
			add(term, "matchLabelKeys", "In")
			add(term, "mismatchLabelKeys", "NotIn")
		}
	}
	// Constraints have no mismatching keys: to spread among pods that differ has no meaning.
	for _, c := range each(spec["topologySpreadConstraints"]) {
		add(c, "matchLabelKeys", "In")
	}
}

// armorByAnnotations sets the AppArmor profiles of containers that only an annotation says, so
// that kubelets need to read nothing but the field. Nothing is set where the pod's own profile
// is the same already.
func armorByAnnotations(spec, annotations map[string]any) {
	// AppArmor is of Linux; a Windows pod may not have the field.
	if len(annotations) == 0 || tree.Text(spec, "os", "name") == "windows" {
		return
	}
	for c := range containersOf(spec) {
		profile := armorProfile(text(annotations[containerAppArmor+c.name]))
		if profile == nil || tree.At(c.obj, "securityContext", "appArmorProfile") != nil ||
			tree.Equal(profile, tree.At(spec, "securityContext", "appArmorProfile")) {
			continue
		}
		tree.Set(c.obj, profile, "securityContext", "appArmorProfile")
	}
}

// armorProfile returns the profile that an annotation says, nil for none and for one that the
// field could not hold.
func armorProfile(s string) any {
	switch name, local := strings.CutPrefix(s, "localhost/"); {
	case s == "unconfined":
		return map[string]any{"type": "Unconfined"}
	case s == "runtime/default":
		return map[string]any{"type": "RuntimeDefault"}
	case local && name != "" && name == strings.TrimSpace(name) && len(name) <= 4095:
		return map[string]any{"type": "Localhost", "localhostProfile": name}
	}
	return nil
}

// podLevelResources completes the resources of a pod as a whole where it has any (upstream's
// DefaultPodLevelResources): limits of huge pages and requests from its containers, requests
// from its own limits, and limits where all containers have some. For example, a pod with
// limits: {cpu: 2} whose containers ask for 500m together gets requests: {cpu: 500m}.
func podLevelResources(spec map[string]any) {
	r := tree.Object(spec, "resources")
	if len(tree.Object(r, "requests")) == 0 && len(tree.Object(r, "limits")) == 0 {
		return
	}
	limits, requests := orNew(r, "limits"), orNew(r, "requests")
	ofLimits := containerSums(spec, "limits")
	// Huge pages have equal limits and requests, so that the one gives the other below.
	for name, sum := range ofLimits {
		if isHugePages(name) && requests[name] == nil && limits[name] == nil {
			limits[name] = sum
		}
	}
	// What the containers ask for goes before the pod's limits, which are only the most there
	// can be.
	for name, sum := range containerSums(spec, "requests") {
		if isPodResource(name) && mayOvercommit(name) && requests[name] == nil {
			requests[name] = sum
		}
	}
	for name, limit := range limits {
		if isPodResource(name) && requests[name] == nil {
			requests[name] = limit
		}
	}
	// A limit is made only of a resource for which no container is unbounded; and it is no less
	// than what the pod asks for, or it would be refused for what nobody wrote.
	for name, request := range requests {
		sum, ok := ofLimits[name]
		if !ok || !isPodResource(name) || limits[name] != nil || !allLimit(spec, name) {
			continue
		}
		if quantity.Cmp(text(request), sum) > 0 {
			sum = text(request)
		}
		limits[name] = sum
	}
	// Lists that were made above and stayed empty go again, as if nobody had looked.
	for _, f := range [...]string{"limits", "requests"} {
		if len(tree.Object(r, f)) == 0 {
			delete(r, f)
		}
	}
}

// orNew returns the object in a field, a new one where there is none, which is then in obj.
func orNew(obj map[string]any, name string) map[string]any {
	o, ok := obj[name].(map[string]any)
	if !ok {
		o = map[string]any{}
		obj[name] = o
	}
	return o
}

// allLimit reports whether all containers of spec have a limit of a resource. Ephemeral ones,
// which have no resources, do not count.
func allLimit(spec map[string]any, name string) bool {
	for c := range containersOf(spec) {
		if c.list != "ephemeralContainers" && tree.Object(c.obj, "resources", "limits")[name] == nil {
			return false
		}
	}
	return true
}

// qosClass returns the quality of service of a pod: Guaranteed where all containers have limits
// of processor and memory that they ask for in full, BestEffort where none asks for any, and
// else Burstable. What the pod as a whole asks for goes before what its containers do. Kubelets
// evict by it, and no update changes it.
func qosClass(spec map[string]any) string {
	// A pod that has resources as a whole is judged by these alone.
	if r := tree.Object(spec, "resources"); r != nil {
		return requirementsClass(r)
	}
	class := ""
	for c := range containersOf(spec) {
		if c.list == "ephemeralContainers" {
			continue
		}
		switch of := requirementsClass(tree.Object(c.obj, "resources")); {
		case class == "":
			class = of
		case class != of:
			class = "Burstable"
		}
	}
	if class == "" {
		return "BestEffort"
	}
	return class
}

// requirementsClass is the class of one list of resources. A container that asks for the one
// resource and not for the other is of two classes, and so Burstable.
func requirementsClass(r map[string]any) string {
	class := ""
	for _, name := range [...]string{"cpu", "memory"} {
		request, limit := text(tree.Object(r, "requests")[name]), text(tree.Object(r, "limits")[name])
		// Absent amounts count as 0: with neither a request nor a limit both are equal, and 0.
		of := "Guaranteed"
		if quantity.Cmp(request, limit) != 0 {
			of = "Burstable"
		} else if quantity.Sign(request) == 0 {
			of = "BestEffort"
		}
		if class != "" && class != of {
			return "Burstable"
		}
		class = of
	}
	return class
}

// checkPod is the rule of type Pod: what holds for pods and not for templates (upstream's
// ValidatePodCreate and ValidatePodUpdate). The spec has been judged when it is called.
func checkPod(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	checkAnnotations(v, "metadata", "annotations")
	if tree.Text(spec, "serviceAccountName") == "" {
		// A token is of an account. Admission sets one before; it is missing only where that
		// plugin is off, and in mirrors of static pods, which may have none.
		for i, volume := range each(spec["volumes"]) {
			for j, source := range each(tree.At(volume, "projected", "sources")) {
				if source["serviceAccountToken"] != nil {
					v.Add(field.Forbidden(v.Path("spec", "volumes", i, "projected", "sources", j, "serviceAccountToken"),
						"must not be specified when serviceAccountName is not set"))
				}
			}
		}
	}
	if n := number(spec["terminationGracePeriodSeconds"]); n < 0 {
		v.Add(field.Invalid(v.Path("spec", "terminationGracePeriodSeconds"), n, "must be greater than or equal to 0"))
	}
	// Subresources that write a part have a check of their own for what may change.
	if v.Part {
		return
	}
	if v.Update() {
		checkPodUpdate(v)
		return
	}
	if len(tree.List(spec, "ephemeralContainers")) > 0 {
		v.Add(field.Forbidden(v.Path("spec", "ephemeralContainers"), "cannot be set on create"))
	}
	// Gates keep the scheduler away; a pod that is on a node already would have them for
	// nothing.
	if tree.Text(spec, "nodeName") != "" && len(tree.List(spec, "schedulingGates")) > 0 {
		v.Add(field.Forbidden(v.Path("spec", "nodeName"), "cannot be set until all schedulingGates have been cleared"))
	}
	checkAnnotatedProfiles(v)
}
