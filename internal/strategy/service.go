package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The rules of Service: a union of four types in which each field belongs to some of them. What its
// addresses may be is in service_families.go, what of them hangs together in service_linked.go; that
// they are given out at all is internal/allocator's.
//
//	ClusterIP      an address in the cluster, or "None" for a headless one
//	NodePort       that, and a port on each node
//	LoadBalancer   both, and something in front that the status names
//	ExternalName   none of it: another name in DNS
//
// A field that the type has no use for is refused where somebody has set it on purpose, and taken away
// where the type has changed and the field has not. Some lists are judged element by element and keep what
// older servers let in: addresses and ranges in odd forms.

// serviceRules are those of the types here.
func serviceRules() kinds.Rules {
	return kinds.Rules{
		"Service":     {Default: serviceDefaults, Check: checkServiceAnnotations, Status: checkServiceStatus},
		"ServiceSpec": {Default: serviceSpecDefaults, Check: checkServiceSpec},
		"ServicePort": {Check: checkServicePort},
	}
}

// serviceStrategies are those of the kinds here.
func serviceStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("", "v1", "Service"): {Prepare: prepareService, Warnings: serviceWarnings},
	}
}

// prepareService completes what the writer of a service means, and drops what it no longer does.
// old is nil for a create. What is completed counts for what is dropped, so the order is this one.
func prepareService(obj, old map[string]any) {
	linkService(obj, old)
	dropServiceType(obj, old)
	// Upstream stores it and never shows it. A wrong value stays, to be refused.
	spec := tree.Object(obj, "spec")
	if p := spec["internalTrafficPolicy"]; serviceType(spec) == "ExternalName" && (p == "Cluster" || p == "Local") {
		delete(spec, "internalTrafficPolicy")
	}
}

// serviceDefaults says how load balancers take the addresses that are in the status.
// The only type that has ways in is that of load balancers; what the status of others has is refused.
func serviceDefaults(obj map[string]any) {
	if tree.Text(obj, "spec", "type") != "LoadBalancer" {
		return
	}
	for _, e := range tree.List(obj, "status", "loadBalancer", "ingress") {
		// A name instead of an address has no mode: it is resolved to whatever it is.
		if in, ok := e.(map[string]any); ok && tree.Text(in, "ip") != "" && in["ipMode"] == nil {
			in["ipMode"] = "VIP"
		}
	}
}

// affinitySeconds is how long a client stays with an endpoint, unless the service says otherwise.
const affinitySeconds = 10800

// serviceSpecDefaults sets what depends on more than one field.
// What depends on one field alone is a word of its row.
func serviceSpecDefaults(spec map[string]any) {
	switch spec["sessionAffinity"] {
	// The configuration is that of an affinity there is not; upstream drops it without a word.
	case "None":
		delete(spec, "sessionAffinityConfig")
	case "ClientIP":
		if tree.At(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds") == nil {
			spec["sessionAffinityConfig"] = map[string]any{"clientIP": map[string]any{"timeoutSeconds": int64(affinitySeconds)}}
		}
	}
	// Where the pointer is there its value counts, be it empty: the checks refuse that.
	set := func(name string, v any) {
		if spec[name] == nil {
			spec[name] = v
		}
	}
	// A policy of traffic from outside needs a way in from there, and that from inside an address of its
	// own.
	if externallyAccessible(spec) {
		set("externalTrafficPolicy", "Cluster")
	}
	if hasNodePorts(spec) || serviceType(spec) == "ClusterIP" {
		set("internalTrafficPolicy", "Cluster")
	}
	// Balancers that reach pods themselves need no ports on nodes, but have to say so.
	if serviceType(spec) == "LoadBalancer" {
		set("allocateLoadBalancerNodePorts", true)
	}
}

// The annotations that have rules.
const (
	topologyHints = "service.kubernetes.io/topology-aware-hints"
	topologyMode  = "service.kubernetes.io/topology-mode"
	sourceRanges  = "service.beta.kubernetes.io/load-balancer-source-ranges"
)

// checkServiceAnnotations is about annotations that are older than the fields in their place.
func checkServiceAnnotations(v *kinds.Visit) {
	annotations := tree.Object(v.Obj, "metadata", "annotations")
	// Two names for one switch: a service may have both while its writers move from one to the other.
	hints, hinted := annotations[topologyHints]
	if mode, ok := annotations[topologyMode]; ok && hinted && mode != hints {
		v.Add(field.Invalid("metadata.annotations["+topologyMode+"]", mode, "must match annotations["+topologyHints+"] when both are specified"))
	}
	// The field hides the annotation, and an annotation that stays as it was is not asked about again.
	text, ok := annotations[sourceRanges].(string)
	if !ok || len(tree.List(v.Obj, "spec", "loadBalancerSourceRanges")) > 0 {
		return
	}
	const at = "metadata.annotations[" + sourceRanges + "]"
	// The type is asked about at each write, the ranges only where the annotation changes.
	if tree.Text(v.Obj, "spec", "type") != "LoadBalancer" {
		v.Add(field.Forbidden(at, "may only be used when `type` is 'LoadBalancer'"))
	}
	was := tree.Object(v.Old, "metadata", "annotations")[sourceRanges]
	if strings.TrimSpace(text) == "" || was == text {
		return
	}
	// The annotation has all ranges in one text, so that errors of all of them are at one path.
	for cidr := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		cidr = strings.TrimSpace(cidr)
		v.Add(invalidAll(at, cidr, field.CIDRErrors(cidr))...)
	}
}

// checkServiceSpec judges all of a service but its single ports.
// Changes are judged first (ValidateServiceUpdate), then the object as it is (ValidateService), in
// upstream's order: clients show the first error.
func checkServiceSpec(v *kinds.Visit) {
	spec, was := v.Obj, v.Old
	if v.Update() {
		v.Add(clusterIPChangeErrors(spec, was)...)
		v.Add(familyChangeErrors(spec, was)...)
		// Which balancer implements a service is settled when it becomes one: the other would not know
		// that it has to let go.
		const balanced, class = "LoadBalancer", "loadBalancerClass"
		if serviceType(spec) == balanced && serviceType(was) == balanced && !tree.Equal(spec[class], was[class]) {
			v.Add(field.Invalid(v.Path("loadBalancerClass"), spec["loadBalancerClass"], "may not change once set"))
		}
		// The port is allocated on every node, and the balancer was told of it.
		if hasHealthCheck(spec) && hasHealthCheck(was) && !sameField(spec, was, "healthCheckNodePort") {
			v.Add(field.Forbidden(v.Path("healthCheckNodePort"), "field is immutable"))
		}
	}
	// Without an address nothing listens on a port, so a headless service may have none; an external name
	// is none of the cluster's.
	if len(tree.List(spec, "ports")) == 0 && !headlessService(spec) && serviceType(spec) != "ExternalName" {
		v.Add(field.Required(v.Path("ports"), ""))
	}
	// What a node sends on it sends to the service's address.
	if hasNodePorts(spec) && headlessService(spec) {
		v.Add(field.Invalid(v.Path("clusterIPs", 0), "None", "may not be set to 'None' for "+serviceType(spec)+" services"))
	}
	if serviceType(spec) == "ExternalName" {
		checkExternalName(v)
	}
	checkPortsTogether(v)
	checkAffinity(v)
	v.Add(ClusterIPErrors(spec, was)...)
	// Addresses that were there were good by older rules.
	existing := tree.Strings(tree.List(was, "externalIPs"))
	for i, ip := range tree.Strings(tree.List(spec, "externalIPs")) {
		var why []string
		if !slices.Contains(existing, ip) {
			why = field.IPErrors(ip)
		}
		if why == nil {
			why = field.EndpointIPErrors(ip) // as upstream does for historical reasons
		}
		v.Add(invalidAll(v.Path("externalIPs", i), ip, why)...)
	}
	checkLoadBalancer(v)
	checkTrafficPolicies(v)
}

// checkExternalName is about a service that is another name for something outside.
// The dot at the end of a full name is good, and not part of what is judged.
func checkExternalName(v *kinds.Visit) {
	for _, name := range [...]string{"clusterIPs", "ipFamilies", "ipFamilyPolicy"} {
		if !sameField(v.Obj, nil, name) {
			v.Add(field.Forbidden(v.Path(name), "may not be set for ExternalName services"))
		}
	}
	at := v.Path("externalName")
	name := strings.TrimSuffix(tree.Text(v.Obj, "externalName"), ".")
	if name == "" {
		v.Add(field.Required(at, ""))
		return
	}
	v.Add(invalidAll(at, name, field.DNSSubdomainErrors(name))...)
}

// checkPortsTogether is about what several ports may not have in common.
// Names tell ports apart for clients; protocol and number do for the network.
func checkPortsTogether(v *kinds.Visit) {
	type place struct {
		protocol string
		port     any
	}
	names, onNodes, ports := map[any]bool{}, map[place]bool{}, map[place]bool{}
	list := tree.List(v.Obj, "ports")
	for i, e := range list {
		p, ok := e.(map[string]any)
		if !ok {
			continue
		}
		// A single port needs no name, since nobody has to tell it from others.
		if name := tree.Text(p, "name"); name == "" && len(list) > 1 {
			v.Add(field.Required(v.Path("ports", i, "name"), ""))
		} else if name != "" && names[name] {
			v.Add(field.Duplicate(v.Path("ports", i, "name"), name))
		} else {
			names[name] = true
		}
		// The same number is another port for another protocol, on nodes and at the service's address
		// alike.
		protocol := tree.Text(p, "protocol")
		if n, _ := p["nodePort"].(int64); n != 0 {
			at := v.Path("ports", i, "nodePort")
			if serviceType(v.Obj) == "ClusterIP" {
				v.Add(field.Forbidden(at, "may not be used when `type` is 'ClusterIP'"))
			}
			if onNodes[place{protocol, n}] {
				v.Add(field.Duplicate(at, n))
			}
			onNodes[place{protocol, n}] = true
		}
		if ports[place{protocol, p["port"]}] {
			// Upstream shows its own struct.
			v.Add(field.Duplicate(v.Path("ports", i), field.JSON(fmt.Sprintf(
				`{"Name":"","Protocol":%q,"AppProtocol":null,"Port":%v,"TargetPort":0,"NodePort":0}`, protocol, p["port"]))))
		}
		ports[place{protocol, p["port"]}] = true
	}
}

// checkServicePort judges one port.
// A target may be the name that the pod's container gave its port, which only its endpoints know the
// number of.
func checkServicePort(v *kinds.Visit) {
	if name := tree.Text(v.Obj, "name"); name != "" {
		v.Add(invalidAll(v.Path("name"), name, field.DNSLabelErrors(name))...)
	}
	// An absent port is 0, which is out of range, and is shown so.
	port, _ := v.Obj["port"].(int64)
	v.Add(invalidAll(v.Path("port"), port, field.PortErrors(port))...)
	if protocol := tree.Text(v.Obj, "protocol"); !slices.Contains(protocols[:], protocol) {
		v.Add(field.NotSupported(v.Path("protocol"), protocol, protocols[:]...))
	}
	switch target := v.Obj["targetPort"].(type) {
	case int64:
		v.Add(invalidAll(v.Path("targetPort"), target, field.PortErrors(target))...)
	case string:
		v.Add(invalidAll(v.Path("targetPort"), target, field.PortNameErrors(target))...)
	}
	// An empty one is there, and wrong.
	if app, ok := v.Obj["appProtocol"].(string); ok {
		v.Add(invalidAll(v.Path("appProtocol"), app, field.LabelKeyErrors(app))...)
	}
}

// protocols are those of ports, in the order of upstream's messages.
var protocols = [...]string{"SCTP", "TCP", "UDP"}

// checkAffinity is about which endpoint a client gets.
func checkAffinity(v *kinds.Visit) {
	checkOneOf(v, "sessionAffinity", "ClientIP", "None")
	at := v.Path("sessionAffinityConfig", "clientIP", "timeoutSeconds")
	// The bound is a day, which is good although the text says less (upstream).
	n, _ := tree.At(v.Obj, "sessionAffinityConfig", "clientIP", "timeoutSeconds").(int64)
	if tree.Text(v.Obj, "sessionAffinity") == "ClientIP" && (n <= 0 || n > 86400) {
		v.Add(field.Invalid(at, n, "must be greater than 0 and less than 86400"))
	}
}

// checkOneOf demands a value of a few, which are in the order of upstream's messages.
// An empty text is absent, as in fields of Go that are no pointers.
func checkOneOf(v *kinds.Visit, name string, values ...string) {
	if s := tree.Text(v.Obj, name); s == "" {
		v.Add(field.Required(v.Path(name), ""))
	} else if !slices.Contains(values, s) {
		v.Add(field.NotSupported(v.Path(name), s, values...))
	}
}

// checkLoadBalancer is about what only a service with a load balancer may have.
func checkLoadBalancer(v *kinds.Visit) {
	checkOneOf(v, "type", "ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
	const only = "may only be used when `type` is 'LoadBalancer'"
	balanced := serviceType(v.Obj) == "LoadBalancer"
	if ranges := tree.Strings(tree.List(v.Obj, "loadBalancerSourceRanges")); len(ranges) > 0 {
		at := v.Path("LoadBalancerSourceRanges") // as upstream spells it
		if !balanced {
			v.Add(field.Forbidden(at, only))
		}
		var existing []string
		for _, s := range tree.Strings(tree.List(v.Old, "loadBalancerSourceRanges")) {
			existing = append(existing, strings.TrimSpace(s))
		}
		for i, s := range ranges {
			// Space around a range has always been taken.
			if s = strings.TrimSpace(s); !slices.Contains(existing, s) {
				v.Add(invalidAll(fmt.Sprintf("%s[%d]", at, i), s, field.CIDRErrors(s))...)
			}
		}
	}
	// Both of these are pointers upstream: what is there was set by somebody, be it false or empty.
	if v.Obj["allocateLoadBalancerNodePorts"] != nil && !balanced {
		v.Add(field.Forbidden(v.Path("allocateLoadBalancerNodePorts"), only))
	}
	class, ok := v.Obj["loadBalancerClass"].(string)
	if ok && !balanced {
		v.Add(field.Forbidden(v.Path("loadBalancerClass"), only))
	} else if ok {
		v.Add(invalidAll(v.Path("loadBalancerClass"), class, field.LabelKeyErrors(class))...)
	}
}

// checkTrafficPolicies is about which endpoints get traffic from where, and how a load balancer knows them.
// Local keeps the address of a client, since traffic stays on the node where it arrives; a balancer must
// then know which nodes have endpoints, and asks each one at the health check's port.
func checkTrafficPolicies(v *kinds.Visit) {
	if externallyAccessible(v.Obj) {
		checkOneOf(v, "externalTrafficPolicy", "Cluster", "Local")
	} else if s := tree.Text(v.Obj, "externalTrafficPolicy"); s != "" {
		v.Add(field.Invalid(v.Path("externalTrafficPolicy"), s, "may only be set for externally-accessible services"))
	}
	at := v.Path("healthCheckNodePort")
	n, _ := v.Obj["healthCheckNodePort"].(int64)
	// Zero is an unset number upstream: the port is allocated before the object is judged, so that it is
	// missing only where nothing could be allocated.
	switch {
	case !hasHealthCheck(v.Obj) && n != 0:
		v.Add(field.Invalid(at, n, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
	case hasHealthCheck(v.Obj) && n == 0:
		v.Add(field.Required(at, ""))
	case n != 0:
		v.Add(invalidAll(at, n, field.PortErrors(n))...)
	}
	if v.Obj["internalTrafficPolicy"] != nil || hasNodePorts(v.Obj) || serviceType(v.Obj) == "ClusterIP" {
		// Here an empty text is a value (upstream).
		if s, ok := v.Obj["internalTrafficPolicy"].(string); !ok {
			v.Add(field.Required(v.Path("internalTrafficPolicy"), ""))
		} else if s != "Cluster" && s != "Local" {
			v.Add(field.NotSupported(v.Path("internalTrafficPolicy"), s, "Cluster", "Local"))
		}
	}
	// The order is upstream's, which is not that of the alphabet here.
	distributions := [...]string{"PreferClose", "PreferSameZone", "PreferSameNode"}
	if s, ok := v.Obj["trafficDistribution"].(string); ok && !slices.Contains(distributions[:], s) {
		v.Add(field.NotSupported(v.Path("trafficDistribution"), s, distributions[:]...))
	}
}

// checkServiceStatus is about the load balancer's ways in.
// The status may be written whatever the spec's writer meant; its rule looks at the type in the object
// beside it.
func checkServiceStatus(v *kinds.Visit) {
	ways := tree.List(v.Obj, "status", "loadBalancer", "ingress")
	if tree.Text(v.Obj, "spec", "type") != "LoadBalancer" {
		if len(ways) > 0 {
			v.Add(field.Forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'"))
		}
		return
	}
	existing := tree.List(v.Old, "status", "loadBalancer", "ingress")
	for i, e := range ways {
		at := fmt.Sprintf("status.loadBalancer.ingress[%d].", i)
		ip := tree.Text(e, "ip")
		mode, hasMode := tree.At(e, "ipMode").(string)
		// The mode says with which destination traffic arrives at a node: the balancer's address, or the
		// node's own. The default sets it wherever there is an address.
		switch {
		case !hasMode && ip != "":
			v.Add(field.Required(at+"ipMode", "must be specified when `ip` is set"))
		case hasMode && ip == "":
			v.Add(field.Forbidden(at+"ipMode", "may not be specified when `ip` is not set"))
		case hasMode && mode != "VIP" && mode != "Proxy":
			v.Add(field.NotSupported(at+"ipMode", mode, "Proxy", "VIP"))
		}
		v.Add(wayInErrors(at, e, existing)...)
	}
}

// wayInErrors returns what is wrong with the address and the name of a way into a load balancer. at ends
// with a dot; addresses of existing ways were good once.
// Ingresses have ways in with the same rule.
func wayInErrors(at string, way any, existing []any) (errs []field.Error) {
	ip, host := tree.Text(way, "ip"), tree.Text(way, "hostname")
	had := slices.ContainsFunc(existing, func(e any) bool { return tree.Text(e, "ip") == ip })
	if ip != "" && !had {
		errs = invalidAll(at+"ip", ip, field.IPErrors(ip))
	}
	if host != "" {
		errs = append(errs, invalidAll(at+"hostname", host, field.DNSSubdomainErrors(host))...)
		if _, is := field.LooseAddress(host); is {
			errs = append(errs, field.Invalid(at+"hostname", host, "must be a DNS name, not an IP address"))
		}
	}
	return errs
}

// serviceWarnings tells of fields that mean nothing here, and of addresses in odd forms.
// old makes no difference: a service is warned of at each write, as upstream does.
// The order is upstream's, in which clients print them.
func serviceWarnings(obj, _ map[string]any) (warnings []string) {
	warn := func(text string) { warnings = append(warnings, text) }
	spec := tree.Object(obj, "spec")
	external := serviceType(spec) == "ExternalName"
	headless := serviceType(spec) == "ClusterIP" && spec["clusterIP"] == "None"
	if _, ok := tree.Object(obj, "metadata", "annotations")[topologyHints]; ok {
		warn("annotation " + topologyHints + " is deprecated, please use " + topologyMode + " instead")
	}
	externalIPs := tree.Strings(tree.List(spec, "externalIPs"))
	loadBalancerIP := tree.Text(spec, "loadBalancerIP")
	// None is no address, and the first of clusterIPs is clusterIP.
	if ip := spec["clusterIP"]; ip != nil && ip != "" && ip != "None" {
		for i, ip := range tree.Strings(tree.List(spec, "clusterIPs")) {
			warnings = append(warnings, field.IPWarnings(fmt.Sprintf("spec.clusterIPs[%d]", i), ip)...)
		}
	}
	if headless && loadBalancerIP != "" {
		warn("spec.loadBalancerIP is ignored for headless services")
	}
	if headless && len(externalIPs) > 0 {
		warn("spec.externalIPs is ignored for headless services")
	}
	// The capital S is upstream's.
	if headless && spec["sessionAffinity"] != "None" {
		warn("spec.SessionAffinity is ignored for headless services")
	}
	for i, ip := range externalIPs {
		warnings = append(warnings, field.IPWarnings(fmt.Sprintf("spec.externalIPs[%d]", i), ip)...)
	}
	// A headless service was told above that they are ignored; an external name is told below.
	if len(externalIPs) > 0 && !headless && !external {
		warn("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
	}
	warnings = append(warnings, field.IPWarnings("spec.loadBalancerIP", loadBalancerIP)...)
	for i, cidr := range tree.Strings(tree.List(spec, "loadBalancerSourceRanges")) {
		warnings = append(warnings, field.CIDRWarnings(fmt.Sprintf("spec.loadBalancerSourceRanges[%d]", i), cidr)...)
	}
	if external && len(externalIPs) > 0 {
		warn(`spec.externalIPs is ignored when spec.type is "ExternalName"`)
	}
	if !external && tree.Text(spec, "externalName") != "" {
		warn(`spec.externalName is ignored when spec.type is not "ExternalName"`)
	}
	if spec["trafficDistribution"] == "PreferClose" {
		warn(`spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"`)
	}
	return warnings
}
