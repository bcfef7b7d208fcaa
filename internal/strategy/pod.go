package strategy

import (
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Pods, and the templates that they are made of. Pods have more defaults than templates: what is set late is not
// fixed for all pods of a controller; and a pod begins with a status that the server makes.

// podRules are the rules of pods, templates, and what is below them but volumes.
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
		"HTTPGetAction":                 {Default: drops("protocol")},
		"GRPCAction":                    {Default: drops("mode")},
		"VolumeMount":                   {Default: drops("bindMountOptions")},
	}
}

// podStrategies are the strategies of pods and their templates.
func podStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		{Version: "v1", Name: "Pod"}:         {Prepare: preparePod, PrepareStatus: preparePodStatus, Warnings: podWarnings, Parts: podParts()},
		{Version: "v1", Name: "PodTemplate"}: {Prepare: func(obj, _ map[string]any) { dropInitAnnotations(tree.Object(obj, "template")) }},
	}
}

// podDefaults sets what a pod gets and a template does not.
func podDefaults(pod map[string]any) {
	spec := tree.Object(pod, "spec")
	if spec == nil {
		return
	}
	if n, ok := spec["terminationGracePeriodSeconds"].(int64); ok && n < 0 {
		spec["terminationGracePeriodSeconds"] = int64(1)
	}
	if spec["enableServiceLinks"] == nil {
		spec["enableServiceLinks"] = true
	}
	for _, list := range [...]string{"containers", "initContainers"} {
		for _, c := range each(spec[list]) {
			requestLimits(c)
			for _, port := range each(c["ports"]) {
				if n := number(port["containerPort"]); tree.True(spec["hostNetwork"]) && number(port["hostPort"]) == 0 && n != 0 {
					port["hostPort"] = n
				}
			}
		}
	}
}

// requestLimits makes a container ask for as much of a resource as it may use, unless it says.
func requestLimits(c map[string]any) {
	limits := tree.Object(c, "resources", "limits")
	requests := tree.Object(c, "resources", "requests")
	for name, limit := range limits {
		if _, ok := requests[name]; ok {
			continue
		}
		if requests == nil {
			requests = map[string]any{}
			tree.Set(c, requests, "resources", "requests")
		}
		requests[name] = limit
	}
}

// podSpecDefaults keeps both names of the service account alike, and leaves out what is of features that are off.
func podSpecDefaults(spec map[string]any) {
	account := tree.Text(spec, "serviceAccountName")
	if account == "" {
		account = tree.Text(spec, "serviceAccount")
	}
	if account != "" {
		spec["serviceAccountName"], spec["serviceAccount"] = account, account
	}
	if spec["securityContext"] == nil {
		spec["securityContext"] = map[string]any{}
	}
	roundUp(tree.Object(spec, "overhead"))
	delete(spec, "schedulingGroup")
	delete(spec, "evictionResponders")
}

// podStatusDefaults keeps the single address and the list of addresses alike; the single one is what counts.
func podStatusDefaults(status map[string]any) {
	ips := tree.List(status, "podIPs")
	switch ip := tree.Text(status, "podIP"); {
	case ip == "" && len(ips) > 0:
		status["podIP"] = tree.Text(ips[0], "ip")
	case ip != "" && (len(ips) == 0 || tree.Text(ips[0], "ip") != ip):
		status["podIPs"] = []any{map[string]any{"ip": ip}}
	}
}

// containerDefaults sets when an image is pulled, and leaves out a signal, and a life cycle with nothing else.
func containerDefaults(c map[string]any) {
	if life := tree.Object(c, "lifecycle"); life["stopSignal"] != nil {
		if delete(life, "stopSignal"); len(life) == 0 {
			delete(c, "lifecycle")
		}
	}
	if c["imagePullPolicy"] == nil {
		c["imagePullPolicy"] = pullPolicy(tree.Text(c, "image"))
	}
}

// skipForbidden leaves alone what an ephemeral container may not have: that it is there is told already.
func skipForbidden(v *kinds.Visit) {
	v.Skip("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
}

// resourceDefaults rounds the amounts of resources.
func resourceDefaults(r map[string]any) {
	roundUp(tree.Object(r, "limits"))
	roundUp(tree.Object(r, "requests"))
}

// roundUp rounds amounts up to a thousandth.
func roundUp(list map[string]any) {
	for name, v := range list {
		if s := text(v); strings.ContainsAny(s, "nue") && quantity.Cmp(quantity.Of(quantity.Units(s, -3), -3), s) != 0 {
			list[name] = quantity.Of(quantity.Units(s, -3), -3)
		}
	}
}

// preparePod makes the status of a new pod and completes its spec, and keeps the resources of a pod from clients
// that do not know them.
func preparePod(pod, old map[string]any) {
	dropInitAnnotations(pod)
	spec := tree.Object(pod, "spec")
	if spec == nil {
		return
	}
	if old != nil {
		if r := tree.Object(old, "spec", "resources"); r != nil && spec["resources"] == nil {
			spec["resources"] = tree.Copy(r)
		}
		return
	}
	status := map[string]any{"phase": "Pending"}
	pod["status"] = status
	if len(tree.List(spec, "schedulingGates")) > 0 {
		status["conditions"] = []any{map[string]any{
			"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
			"message":       "Scheduling is blocked due to non-empty scheduling gates",
			"lastProbeTime": nil, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}}
	}
	labels := tree.Object(pod, "metadata", "labels")
	selectByLabelKeys(spec, labels)
	armorByAnnotations(spec, tree.Object(pod, "metadata", "annotations"))
	podLevelResources(spec)
	status["qosClass"] = qosClass(spec)
}

// dropInitAnnotations removes the annotations that init containers were written in before there was a field.
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

// selectByLabelKeys adds to selectors what they are to match, or not to match, of the pod's own labels.
func selectByLabelKeys(spec, labels map[string]any) {
	add := func(term map[string]any, f, operator string) {
		selector, _ := term["labelSelector"].(map[string]any)
		for _, key := range tree.List(term, f) {
			value, ok := labels[text(key)]
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
	for _, c := range each(spec["topologySpreadConstraints"]) {
		add(c, "matchLabelKeys", "In")
	}
}

// armorByAnnotations sets the AppArmor profiles of containers that only an annotation says.
func armorByAnnotations(spec, annotations map[string]any) {
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

// armorProfile returns the profile that an annotation says, nil for none.
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

// podLevelResources completes the resources of a pod as a whole where it has any: limits of huge pages and
// requests from its containers, requests from its own limits, and limits where all containers have some.
func podLevelResources(spec map[string]any) {
	r := tree.Object(spec, "resources")
	if len(tree.Object(r, "requests")) == 0 && len(tree.Object(r, "limits")) == 0 {
		return
	}
	limits, requests := orNew(r, "limits"), orNew(r, "requests")
	ofLimits := containerSums(spec, "limits")
	for name, sum := range ofLimits {
		if isHugePages(name) && requests[name] == nil && limits[name] == nil {
			limits[name] = sum
		}
	}
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
	for _, f := range [...]string{"limits", "requests"} {
		if len(tree.Object(r, f)) == 0 {
			delete(r, f)
		}
	}
}

// orNew returns the object in a field, a new one where there is none.
func orNew(obj map[string]any, name string) map[string]any {
	o, ok := obj[name].(map[string]any)
	if !ok {
		o = map[string]any{}
		obj[name] = o
	}
	return o
}

// allLimit reports whether all containers of spec have a limit of a resource.
func allLimit(spec map[string]any, name string) bool {
	for c := range containersOf(spec) {
		if c.list != "ephemeralContainers" && tree.Object(c.obj, "resources", "limits")[name] == nil {
			return false
		}
	}
	return true
}

// qosClass returns the quality of service of a pod: Guaranteed where all containers have limits of processor and
// memory that they ask for in full, BestEffort where none asks for any, and else Burstable.
func qosClass(spec map[string]any) string {
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

// requirementsClass is the class of one container's resources.
func requirementsClass(r map[string]any) string {
	class := ""
	for _, name := range [...]string{"cpu", "memory"} {
		request, limit := text(tree.Object(r, "requests")[name]), text(tree.Object(r, "limits")[name])
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

// checkPod is the rule of type Pod: what holds for pods and not for templates.
func checkPod(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	checkAnnotations(v, "metadata", "annotations")
	if tree.Text(spec, "serviceAccountName") == "" {
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
	if tree.Text(spec, "nodeName") != "" && len(tree.List(spec, "schedulingGates")) > 0 {
		v.Add(field.Forbidden(v.Path("spec", "nodeName"), "cannot be set until all schedulingGates have been cleared"))
	}
	checkAnnotatedProfiles(v)
}
