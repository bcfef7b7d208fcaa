package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// What the writer of a good pod, or of a template, is warned of (upstream's pkg/api/pod,
// warnings.go): what has no effect any more, what hides something else of the same spec, and
// what matches nothing. For example, with two variables of one name
//
//	spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when …
//
// is a header of the answer, which kubectl shows. Warnings of templates are told where their
// spec changes; paths are made only where there is something to tell, since nearly all writes
// are of objects in which there is not.

// podWarnings are those of a pod. Updates of pods have none: they are many, and seldom of
// people, and what could be told was told when the pod was made. The name becomes that of the
// host in the pod, where only a label of DNS is sure to work.
func podWarnings(pod, old map[string]any) (warnings []string) {
	if old != nil {
		return nil
	}
	if why := field.DNSLabelErrors(tree.Name(pod)); len(why) > 0 {
		warnings = append(warnings, fmt.Sprintf("metadata.name: this is used in the Pod's hostname, "+
			"which can result in surprising behavior; a DNS label is recommended: %v", why))
	}
	return append(warnings, specWarnings("", pod)...)
}

// templatePaths are the places of templates in the kinds that have one.
func templatePaths() map[kinds.Key][]string {
	spec := []string{"spec", "template"}
	return map[kinds.Key][]string{
		kinds.NewKey("", "v1", "PodTemplate"):           {"template"},
		kinds.NewKey("", "v1", "ReplicationController"): spec,
		kinds.NewKey("apps", "v1", "Deployment"):        spec,
		kinds.NewKey("apps", "v1", "ReplicaSet"):        spec,
		kinds.NewKey("apps", "v1", "StatefulSet"):       spec,
		kinds.NewKey("apps", "v1", "DaemonSet"):         spec,
		kinds.NewKey("batch", "v1", "Job"):              spec,
		kinds.NewKey("batch", "v1", "CronJob"):          {"spec", "jobTemplate", "spec", "template"},
	}
}

// warnOfTemplates adds the warnings of templates to those that the kinds with one have. It
// changes all.
func warnOfTemplates(all map[kinds.Key]Strategy) {
	for key, path := range templatePaths() {
		s := all[key]
		own := s.Warnings
		s.Warnings = func(obj, old map[string]any) (warnings []string) {
			if own != nil {
				warnings = own(obj, old)
			}
			// Controllers write the status and labels of such objects again and again; upstream
			// compares the generation, which counts the same changes.
			if old != nil && tree.Equal(tree.At(obj, path[0]), tree.At(old, path[0])) {
				return warnings
			}
			return append(warnings, specWarnings(strings.Join(path, ".")+".", tree.Object(obj, path...))...)
		}
		all[key] = s
	}
}

// specWarnings are those of a pod or a template, whose path is at, with a dot behind it, "" for
// a pod. The order is about upstream's; clients count on none.
func specWarnings(at string, pod map[string]any) (warnings []string) {
	spec, annotations := tree.Object(pod, "spec"), tree.Object(pod, "metadata", "annotations")
	warnings = placeWarnings(at+"spec.", spec)
	for _, gone := range goneAnnotations {
		if _, ok := annotations[gone[0]]; ok {
			warnings = append(warnings, at+"metadata.annotations["+gone[0]+"]: "+gone[1])
		}
	}
	// Volumes with a claim in them are warned of as the claim would be, when it is made.
	for i, v := range each(spec["volumes"]) {
		// It is asked twice, so that the path is made only for a volume with a warning.
		if len(sourceWarnings("", v)) > 0 {
			warnings = append(warnings, sourceWarnings(fmt.Sprintf("%sspec.volumes[%d]", at, i), v)...)
		}
		if claim := tree.Object(v, "ephemeral", "volumeClaimTemplate", "spec"); claim != nil {
			warnings = append(warnings, claimSpecWarnings(
				fmt.Sprintf("%sspec.volumes[%d].ephemeral.volumeClaimTemplate.spec", at, i), claim)...)
		}
	}
	warnings = append(warnings, overlapWarnings(tree.List(spec, "volumes"))...)
	warnings = append(warnings, repeatWarnings(at+"spec.", spec)...)
	warnings = append(warnings, partWarnings(tree.Object(spec, "overhead"), func() string { return at + "spec.overhead" })...)
	warnings = append(warnings, profileWarnings(at, spec, annotations)...)
	// The path of a container is made by who finds something in it.
	for c := range containersOf(spec) {
		path := func() string { return fmt.Sprintf("%sspec.%s[%d].", at, c.list, c.i) }
		for _, list := range [...]string{"limits", "requests"} {
			warnings = append(warnings, partWarnings(tree.Object(c.obj, "resources", list),
				func() string { return path() + "resources." + list })...)
		}
		warnings = append(warnings, envWarnings(c.obj, path)...)
	}
	warnings = append(warnings, portWarnings(at, spec)...)
	// Only a template still has a negative period: that of a pod has become 1.
	if number(spec["terminationGracePeriodSeconds"]) < 0 {
		warnings = append(warnings, at+"spec.terminationGracePeriodSeconds: must be >= 0; "+
			"negative values are invalid and will be treated as 1")
	}
	warnings = append(warnings, selectorWarnings(at+"spec.affinity.", spec)...)
	// What is refused has been told as an error; another way to write the same address is
	// taken, and the usual one is told.
	for i, s := range tree.List(spec, "dnsConfig", "nameservers") {
		warnings = append(warnings, field.IPWarnings(fmt.Sprintf("%sspec.dnsConfig.nameservers[%d]", at, i), text(s))...)
	}
	for i, alias := range each(spec["hostAliases"]) {
		warnings = append(warnings, field.IPWarnings(fmt.Sprintf("%sspec.hostAliases[%d].ip", at, i), tree.Text(alias, "ip"))...)
	}
	return warnings
}

// placeWarnings tells of old names of labels by which nodes are chosen, of values that no label
// can have, and of pods that are spread among none. at is the path of the spec, with a dot.
func placeWarnings(at string, spec map[string]any) (warnings []string) {
	// Labels of nodes had names of beta stages once; kubelets set both for as long as these are
	// known.
	for _, k := range tree.SortedKeys(tree.Object(spec, "nodeSelector")) {
		if why := oldLabel(k); why != "" {
			warnings = append(warnings, at+"nodeSelector["+k+"]: "+why)
		}
	}
	node := tree.Object(spec, "affinity", "nodeAffinity")
	path := at + "affinity.nodeAffinity."
	for i, term := range each(tree.At(node, "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")) {
		warnings = append(warnings, oldLabelWarnings(
			fmt.Sprintf("%srequiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[%d].matchExpressions", path, i), term)...)
	}
	for i, term := range each(node["preferredDuringSchedulingIgnoredDuringExecution"]) {
		term, path := tree.Object(term, "preference"),
			fmt.Sprintf("%spreferredDuringSchedulingIgnoredDuringExecution[%d].preference.matchExpressions", path, i)
		warnings = append(warnings, oldLabelWarnings(path, term)...)
		// Required terms with such values are refused; preferred ones only match no node.
		for j, e := range each(term["matchExpressions"]) {
			for k, value := range tree.List(e, "values") {
				for _, why := range field.LabelValueErrors(text(value)) {
					warnings = append(warnings, fmt.Sprintf("%s[%d].values[%d]: %s is invalid, %s", path, j, k, text(value), why))
				}
			}
		}
	}
	// The texts differ in where the key stands: here it is the value, above it is the place.
	for i, c := range each(spec["topologySpreadConstraints"]) {
		path, key := fmt.Sprintf("%stopologySpreadConstraints[%d]", at, i), tree.Text(c, "topologyKey")
		if why := oldLabel(key); why != "" {
			warnings = append(warnings, path+".topologyKey: "+key+" is "+why)
		}
		if c["labelSelector"] == nil {
			warnings = append(warnings, path+noLabelSelector)
		}
	}
	return warnings
}

// noLabelSelector is said of a selector that is not there, and so matches nothing; an empty one
// would match everything, which is what some mean.
const noLabelSelector = ".labelSelector: a null labelSelector results in matching no pod"

// selectorWarnings tells of affinities to no pod: terms without a selector. at is the path of
// the affinity, with a dot. Selectors that match no pod yet are none of its business.
func selectorWarnings(at string, spec map[string]any) (warnings []string) {
	for _, sort := range [...]string{"podAffinity", "podAntiAffinity"} {
		pods := tree.Object(spec, "affinity", sort)
		for i, term := range each(pods["requiredDuringSchedulingIgnoredDuringExecution"]) {
			if term["labelSelector"] == nil {
				warnings = append(warnings,
					fmt.Sprintf("%s%s.requiredDuringSchedulingIgnoredDuringExecution[%d]", at, sort, i)+noLabelSelector)
			}
		}
		for i, term := range each(pods["preferredDuringSchedulingIgnoredDuringExecution"]) {
			if tree.At(term, "podAffinityTerm", "labelSelector") == nil {
				warnings = append(warnings, fmt.Sprintf("%s%s.preferredDuringSchedulingIgnoredDuringExecution[%d].podAffinityTerm",
					at, sort, i)+noLabelSelector)
			}
		}
	}
	return warnings
}

// goneAnnotations are annotations without effect, each with what is said of it.
var goneAnnotations = [...][2]string{
	{"scheduler.alpha.kubernetes.io/critical-pod", `non-functional in v1.16+; use the "priorityClassName" field instead`},
	{"security.alpha.kubernetes.io/sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
	{"security.alpha.kubernetes.io/unsafe-sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
}

// profileWarnings tells of profiles that only an annotation has. Where the field is there too,
// the annotation is for old clients, and right.
func profileWarnings(at string, spec, annotations map[string]any) (warnings []string) {
	if len(annotations) == 0 {
		return nil
	}
	warn := func(key, why string) { warnings = append(warnings, at+"metadata.annotations["+key+"]: "+why) }
	const seccomp = `non-functional in v1.27+; use the "seccompProfile" field instead`
	// Annotations of seccomp have no effect at all any more, those of AppArmor become the
	// field.
	if _, ok := annotations[podSeccomp]; ok && tree.At(spec, "securityContext", "seccompProfile") == nil {
		warn(podSeccomp, seccomp)
	}
	for c := range containersOf(spec) {
		if _, ok := annotations[containerSeccomp+c.name]; ok && tree.At(c.obj, "securityContext", "seccompProfile") == nil {
			warn(containerSeccomp+c.name, seccomp)
		}
		// A pod's own annotation has become the field by now, if it says a profile.
		s, ok := annotations[containerAppArmor+c.name]
		if ok && tree.At(c.obj, "securityContext", "appArmorProfile") == nil &&
			!tree.Equal(armorProfile(text(s)), tree.At(spec, "securityContext", "appArmorProfile")) {
			warn(containerAppArmor+c.name, `deprecated since v1.30; use the "appArmorProfile" field instead`)
		}
	}
	return warnings
}

// repeatWarnings tells of addresses and secrets that come twice, and of secrets without a name.
// These lists were never checked, and are merged by that field, so that a repetition is lost.
func repeatWarnings(at string, spec map[string]any) (warnings []string) {
	for _, list := range [...][2]string{{"hostAliases", "ip"}, {"imagePullSecrets", "name"}} {
		var had set[string]
		for i, e := range each(spec[list[0]]) {
			if s := tree.Text(e, list[1]); had.add(s) {
				warnings = append(warnings, fmt.Sprintf("%s%s[%d].%s: duplicate %s %q", at, list[0], i, list[1], list[1], s))
			}
		}
	}
	for i, e := range each(spec["imagePullSecrets"]) {
		if tree.Text(e, "name") == "" {
			warnings = append(warnings, fmt.Sprintf("%simagePullSecrets[%d].name: invalid empty name %q", at, i, ""))
		}
	}
	return warnings
}

// partWarnings tells of parts of bytes, which nothing can have. at is the path of the list.
func partWarnings(list map[string]any, at func() string) (warnings []string) {
	for _, name := range [...]string{"memory", "ephemeral-storage"} {
		if s, ok := list[name].(string); ok && quantity.Units(s, -3)%1000 != 0 {
			warnings = append(warnings, fmt.Sprintf("%s[%s]: fractional byte value %q is invalid, must be an integer", at(), name, s))
		}
	}
	return warnings
}

// envWarnings tells of variables that hide an earlier one, which those that extend it do not:
// with PATH twice, the second being "$(PATH):/x", both count. at is the path of the container.
func envWarnings(c map[string]any, at func() string) (warnings []string) {
	var names set[string]
	for i, e := range each(c["env"]) {
		name, value := tree.Text(e, "name"), tree.Text(e, "value")
		if !names.add(name) {
			continue
		}
		// A variable that is its former self and nothing more does hide it.
		if ref := "$(" + name + ")"; e["valueFrom"] != nil || value == ref || !strings.Contains(value, ref) {
			warnings = append(warnings, fmt.Sprintf("%senv[%d]: hides previous definition of %q, which may be dropped when using apply",
				at(), i, name))
		}
	}
	return warnings
}

// shownPort is a port of a container as it is compared with others, and its path.
type shownPort struct {
	path, ip string
	port     int64
}

// portWarnings tells of ports that are alike within a pod, or take the same port of the host:
// those of one name follow the others, as upstream has it.
func portWarnings(at string, spec map[string]any) (warnings []string) {
	type key struct {
		port     int64
		protocol string
	}
	// Most pods have few ports, and no two of one number; then nothing is written down.
	if !repeatsPorts(spec) {
		return nil
	}
	ports, names := map[key][]shownPort{}, map[string]string{}
	var named []string
	for c := range containersOf(spec) {
		for i, p := range each(c.obj["ports"]) {
			path := fmt.Sprintf("%sspec.%s[%d].ports[%d]", at, c.list, c.i, i)
			is := shownPort{path, tree.Text(p, "hostIP"), number(p["hostPort"])}
			// An address of the host without a port of it does nothing.
			if is.ip != "" && is.port == 0 {
				warnings = append(warnings, fmt.Sprintf(
					"%s: hostIP set without hostPort: {Name:%s HostPort:0 ContainerPort:%d Protocol:%s HostIP:%s}",
					path, tree.Text(p, "name"), number(p["containerPort"]), tree.Text(p, "protocol"), is.ip))
			}
			k := key{number(p["containerPort"]), tree.Text(p, "protocol")}
			for _, other := range ports[k] {
				switch {
				case is.ip == other.ip && is.port == other.port:
					warnings = append(warnings, path+": duplicate port definition with "+other.path)
				// One of the two takes no port of the host: both can be, and say the same of
				// the container.
				case is.port == 0 || other.port == 0:
					warnings = append(warnings, path+": overlapping port definition with "+other.path)
				// No address means all addresses of the host, the other's among them.
				case is.port == other.port && (is.ip == "") != (other.ip == ""):
					warnings = append(warnings, path+": dangerously ambiguous port definition with "+other.path)
				}
			}
			if len(ports[k]) < maxSamePorts {
				ports[k] = append(ports[k], is)
			}
			if name := tree.Text(p, "name"); name != "" {
				// Names are compared over all containers; within one they are unique by a rule.
				if first, ok := names[name]; ok {
					named = append(named,
						fmt.Sprintf("%s: duplicate port name %q with %s, services and probes that select ports by name will use %s",
							path, name, first, first))
				} else {
					names[name] = path
				}
			}
		}
	}
	return append(warnings, named...)
}

// maxSamePorts bounds with how many others of its number a port is compared, so that time does
// not grow with the square of what a client sends.
const maxSamePorts = 100

// repeatsPorts reports whether a number or a name of a port comes twice, or an address without
// a port: whether portWarnings may have anything to say. It may say yes of what then is no
// harm, as of one number with two protocols.
func repeatsPorts(spec map[string]any) bool {
	var numbers set[int64]
	var names set[string]
	for c := range containersOf(spec) {
		for _, p := range each(c.obj["ports"]) {
			name := tree.Text(p, "name")
			if numbers.add(number(p["containerPort"])) || name != "" && names.add(name) || p["hostIP"] != nil && p["hostPort"] == nil {
				return true
			}
		}
	}
	return false
}
