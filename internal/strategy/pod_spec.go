package strategy

import (
	"fmt"
	"iter"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Pod specs, wherever one stands: in a pod, or in the template of whatever makes pods. What
// holds for one value alone is a word of its row; here is what one part of a spec demands of
// another: names that may come once, mounts and their volumes, handlers and the grace period,
// what an operating system rules out. For example, containers[0].volumeMounts[0].name must be
// that of a volume, which no rule of a mount alone can know.
//
// The checks are in upstream's order (pkg/apis/core/validation, ValidatePodSpec), and allocate
// nothing in a spec in which all is well. A few paths are not where the value is, and a few are
// no paths at all: clients have seen them for years, and they are upstream's to the letter.
//
// An update may keep what a later rule forbids where the object has it already; each such
// tolerance is asked of the old spec only where the rule is broken.

// podSpec is one spec that is being checked. It is made for one visit and used by one
// goroutine.
type podSpec struct {
	*kinds.Visit
	// spec is the object of the visit, and old the same before, nil for a create.
	spec, old map[string]any
	// pod says that the spec is that of a pod, and not of a template.
	pod bool
	// os is the name of the operating system, hasOS whether one is named, if only by "".
	os    string
	hasOS bool
	// grace is the grace period, graced whether there is one.
	grace  int64
	graced bool
	// hostUsers is false where the pod has user namespaces of its own.
	hostUsers bool
	// claims are the names of the pod's resource claims.
	claims set[string]
	// volumes has the good volumes by name, where there are many, and badVolumes the places of the others.
	volumes    map[string]map[string]any
	badVolumes map[int]bool
}

// checkPodSpec is the rule of type PodSpec.
func checkPodSpec(v *kinds.Visit) {
	p := podSpec{Visit: v, spec: v.Obj, old: v.Old, pod: v.Type.Name == "Pod", hostUsers: v.Obj["hostUsers"] != false}
	if os, ok := v.Obj["os"].(map[string]any); ok {
		p.os, p.hasOS = tree.Text(os, "name"), true
	}
	p.grace, p.graced = v.Obj["terminationGracePeriodSeconds"].(int64)
	// Volumes and claims come first, since containers name both.
	p.goodVolumes()
	p.resourceClaims()
	p.containers()
	p.podResources()
	p.hostNetworkPorts()
	p.sysctls()
	if tree.True(p.spec["shareProcessNamespace"]) && tree.True(p.spec["hostPID"]) {
		v.Add(field.Invalid(v.Path("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"))
	}
	if policy, ok := p.spec["preemptionPolicy"].(string); ok {
		p.oneOf(policy, []string{"PreemptLowerPriority", "Never"}, "preemptionPolicy")
	}
	// Unlike other names, an empty one of a class is no name, and not none.
	if name, ok := p.spec["runtimeClassName"].(string); ok {
		for _, why := range field.DNSSubdomainErrors(name) {
			v.Add(field.Invalid(v.Path("runtimeClassName"), name, why))
		}
	}
	p.affinity()
	p.dns()
	p.gates()
	p.hostAliases()
	p.topologySpread()
	p.hostProcess()
	p.hostUserNamespace()
	p.hostName()
	p.tolerations()
	p.operatingSystem()
}

// container is one of a pod's containers and its place in the spec.
type container struct {
	// list is containers, initContainers or ephemeralContainers.
	list string
	i    int
	// obj is the container itself, name its name.
	obj  map[string]any
	name string
}

// containersOf returns all containers of a spec, in the order in which upstream visits them:
// those that run first come first, whatever the order of the fields is.
func containersOf(spec map[string]any) iter.Seq[container] {
	return func(yield func(container) bool) {
		for _, list := range [...]string{"initContainers", "containers", "ephemeralContainers"} {
			for i, c := range each(spec[list]) {
				if !yield(container{list, i, c, tree.Text(c, "name")}) {
					return
				}
			}
		}
	}
}

// resourceClaims checks that names come once, and that each entry says either a claim or a
// template (upstream's validatePodResourceClaims).
func (p *podSpec) resourceClaims() {
	for i, claim := range each(p.spec["resourceClaims"]) {
		// No scheduler sees a static pod, so that nobody would reserve a device for it.
		if p.pod && tree.At(p.Root, "metadata", "annotations", mirrorPod) != nil {
			p.Add(field.Forbidden(noPath, "static pods do not support resource claims"))
			continue
		}
		// An entry without a name is told by the rule of its field.
		if name := tree.Text(claim, "name"); name != "" && p.claims.add(name) {
			p.Add(field.Duplicate(p.Path("resourceClaims", i, "name"), name))
		}
		// Whether a field is there counts, and not what is in it: an empty name is a name that
		// is wrong.
		_, byName := claim["resourceClaimName"]
		_, byTemplate := claim["resourceClaimTemplateName"]
		switch {
		case byName && byTemplate:
			p.Add(field.Invalid(p.Path("resourceClaims", i), claim,
				"at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"))
		case !byName && !byTemplate:
			p.Add(field.Invalid(p.Path("resourceClaims", i), claim,
				"must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
		}
	}
}

// hostNetworkPorts checks that in the network of the host, a port of a container is the port of
// the host. A template may leave that out, since its pods get it as a default (podDefaults).
func (p *podSpec) hostNetworkPorts() {
	if !tree.True(p.spec["hostNetwork"]) {
		return
	}
	for i, c := range each(p.spec["containers"]) {
		for j, port := range each(c["ports"]) {
			host, container := number(port["hostPort"]), number(port["containerPort"])
			if (p.pod || host != 0) && host != container {
				p.Add(field.Invalid(p.Path("containers", i, "ports", j, "hostPort"), host,
					"must match `containerPort` when `hostNetwork` is true"))
			}
		}
	}
}

// number returns a whole number of a tree, 0 where it is absent.
func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

// Limits of the resolver of libc, which upstream checks so that no lookup in a pod goes astray.
const (
	maxNameservers = 3
	maxSearchPaths = 32
	maxSearchChars = 2048
)

// dns checks dnsConfig, which a policy may demand (upstream's validatePodDNSConfig).
func (p *podSpec) dns() {
	config, has := p.spec["dnsConfig"].(map[string]any)
	servers := tree.List(config, "nameservers")
	// With this policy nothing comes from the cluster, so that the pod has what is here or
	// nothing.
	if p.spec["dnsPolicy"] == "None" {
		if !has {
			p.Add(field.Required(p.Path("dnsConfig"), "must provide `dnsConfig` when `dnsPolicy` is None"))
			return
		}
		if len(servers) == 0 {
			p.Add(field.Required(p.Path("dnsConfig", "nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None"))
			return
		}
	}
	if len(servers) > maxNameservers {
		p.Add(field.Invalid(p.Path("dnsConfig", "nameservers"), servers,
			fmt.Sprintf("must not have more than %d nameservers", maxNameservers)))
	}
	for i, s := range servers {
		p.address(s, "dnsConfig", "nameservers", i)
	}
	searches := tree.List(config, "searches")
	if len(searches) > maxSearchPaths {
		p.Add(field.Invalid(p.Path("dnsConfig", "searches"), searches,
			fmt.Sprintf("must not have more than %d search paths", maxSearchPaths)))
	}
	// The list is one line of a file, with a space between two.
	chars := max(len(searches)-1, 0)
	for i, s := range searches {
		s, _ := s.(string)
		chars += len(s)
		if s = strings.TrimSuffix(s, "."); s == "" && len(searches[i].(string)) == 1 {
			continue // the root alone
		}
		for _, why := range field.SearchDomainErrors(s) {
			p.Add(field.Invalid(p.Path("dnsConfig", "searches", i), s, why))
		}
	}
	if chars > maxSearchChars {
		p.Add(field.Invalid(p.Path("dnsConfig", "searches"), searches,
			fmt.Sprintf("must not have more than %d characters (including spaces) in the search list", maxSearchChars)))
	}
	// An option without a name would be one that no resolver knows.
	for i, option := range each(config["options"]) {
		if option["name"] == nil || option["name"] == "" {
			p.Add(field.Required(p.Path("dnsConfig", "options", i), "must not be empty"))
		}
	}
}

// address adds an error unless v is an IP address. Zeros in front and IPv4 in IPv6 were taken
// once, since readers do not agree on what they mean; for these fields upstream refuses them by
// now, and has no tolerance for what is stored.
func (p *podSpec) address(v any, at ...any) {
	s, _ := v.(string)
	for _, why := range field.IPErrors(s) {
		p.Add(field.Invalid(p.Path(at...), s, why))
	}
}

// gates checks the readiness gates, and the scheduling gates, whose paths leave the name out. A
// readiness gate is the type of a condition, which may come twice; a scheduling gate may not.
func (p *podSpec) gates() {
	for i, gate := range each(p.spec["readinessGates"]) {
		t := tree.Text(gate, "conditionType")
		for _, why := range field.LabelKeyErrors(t) {
			p.Add(field.Invalid(p.Path("readinessGates", i, "conditionType"), t, why))
		}
	}
	var names set[string]
	for i, gate := range each(p.spec["schedulingGates"]) {
		name := tree.Text(gate, "name")
		for _, why := range field.LabelKeyErrors(name) {
			p.Add(field.Invalid(p.Path("schedulingGates", i), name, why))
		}
		if names.add(name) {
			p.Add(field.Duplicate(p.Path("schedulingGates", i), name))
		}
	}
}

// hostAliases checks addresses and names of hosts that pods are to know. Each is a line of the
// file of hosts in the pod.
func (p *podSpec) hostAliases() {
	for i, alias := range each(p.spec["hostAliases"]) {
		p.address(alias["ip"], "hostAliases", i, "ip")
		for j, name := range tree.List(alias, "hostnames") {
			for _, why := range field.DNSSubdomainErrors(text(name)) {
				p.Add(field.Invalid(p.Path("hostAliases", i, "hostnames", j), name, why))
			}
		}
	}
}

// hostName checks hostnameOverride, which stands against other ways to name the host: the name
// is the override to the letter, or made of the pod's and the domain's, or that of the node.
func (p *podSpec) hostName() {
	name, ok := p.spec["hostnameOverride"].(string)
	if !ok {
		return
	}
	if tree.True(p.spec["setHostnameAsFQDN"]) {
		p.Add(field.Forbidden(p.Path("hostnameOverride"), "may not be specified when setHostnameAsFQDN is true"))
	}
	if tree.True(p.spec["hostNetwork"]) {
		p.Add(field.Forbidden(p.Path("hostnameOverride"), "may not be specified when hostNetwork is true"))
	}
	// It is the kernel's bound for the name of a host, not that of DNS.
	if len(name) > 64 {
		p.Add(field.TooLong(p.Path("hostnameOverride"), 64))
	}
	for _, why := range field.DNSSubdomainErrors(name) {
		p.Add(field.Invalid(p.Path("hostnameOverride"), name, why))
	}
}

// tolerations checks what stands behind an operator, and which effect may have seconds.
func (p *podSpec) tolerations() {
	for i, t := range each(p.spec["tolerations"]) {
		checkToleration(p.Visit, t, "tolerations", i)
	}
}

// checkToleration adds what is wrong with a toleration, but for the form of its key and its
// effect (upstream's ValidateTolerations). The DefaultTolerationSeconds of admission come
// later.
func checkToleration(v *kinds.Visit, t map[string]any, list string, i int) {
	key, operator, value := tree.Text(t, "key"), tree.Text(t, "operator"), tree.Text(t, "value")
	if key == "" && operator != "Exists" {
		v.Add(field.Invalid(v.Path(list, i, "operator"), operator,
			"operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
	}
	// Seconds say when a pod that runs is evicted, which the other effects never do.
	if _, ok := t["tolerationSeconds"]; ok && t["effect"] != "NoExecute" {
		v.Add(field.Invalid(v.Path(list, i, "effect"), tree.Text(t, "effect"),
			"effect must be 'NoExecute' when `tolerationSeconds` is set"))
	}
	switch operator {
	case "Equal", "":
		if errs := field.LabelValueErrors(value); len(errs) > 0 {
			v.Add(field.Invalid(v.Path(list, i, "operator"), value, strings.Join(errs, ";")))
		}
	case "Exists":
		if value != "" {
			v.Add(field.Invalid(v.Path(list, i, "operator"), value, "value must be empty when `operator` is 'Exists'"))
		}
	// Numbers are compared only with a feature that is off; upstream refuses the operators and
	// names them among the supported ones all the same.
	case "Lt", "Gt":
		v.Add(field.NotSupported(v.Path(list, i, "operator"), operator, "Equal", "Exists", "Lt", "Gt"))
	default:
		v.Add(field.NotSupported(v.Path(list, i, "operator"), operator, "Equal", "Exists"))
	}
}
