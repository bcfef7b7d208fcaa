package strategy

import (
	"slices"

	"apichain/internal/tree"
)

// The fields of a service that hang together. clusterIP came before clusterIPs, and older clients know of
// the first only; what the server has given away is kept for clients that send again what they sent at
// first; and a change of type takes along what the new type has no use for, unless the client has changed
// just that, too, which the checks then refuse.
//
// All of it comes before addresses and ports are given out, which asks for what is left.
//
// A client of before there were two families sends one address, and reads one back; what it does not know
// is kept:
//
//	stored  {"clusterIP":"10.0.0.7","clusterIPs":["10.0.0.7"],"ports":[{"port":80,"nodePort":30080}]}
//	sent    {"ports":[{"port":80}]}
//	meant   what is stored

// linkService makes obj, a service that is to be, say as much as its writer means. old is nil for a new one.
func linkService(obj, old map[string]any) {
	spec, was := tree.Object(obj, "spec"), tree.Object(old, "spec")
	if spec == nil {
		return
	}
	if old == nil {
		// clusterIPs alone are not enough: whoever knows of them must say clusterIP, too (upstream).
		if ip := tree.Text(spec, "clusterIP"); ip != "" && len(tree.List(spec, "clusterIPs")) == 0 {
			spec["clusterIPs"] = []any{ip}
		}
		return
	}
	// What is kept counts as said by the writer in what follows.
	keepAllocated(spec, was)
	keepNodePorts(spec, was)
	linkClusterIPs(spec, was)
}

// serviceType returns the type of a service's spec.
//
//go:noinline
func serviceType(spec map[string]any) string { return tree.Text(spec, "type") }

// hasNodePorts reports whether services of the type have ports on the nodes.
// A load balancer has them unless it says that it needs none; this is about the type alone.
func hasNodePorts(spec map[string]any) bool {
	return serviceType(spec) == "NodePort" || serviceType(spec) == "LoadBalancer"
}

// hasHealthCheck reports whether load balancers ask each node for endpoints of the service.
func hasHealthCheck(spec map[string]any) bool {
	return serviceType(spec) == "LoadBalancer" && tree.Text(spec, "externalTrafficPolicy") == "Local"
}

// externallyAccessible reports whether a service can be reached from outside of the cluster.
func externallyAccessible(spec map[string]any) bool {
	return hasNodePorts(spec) || serviceType(spec) == "ClusterIP" && len(tree.List(spec, "externalIPs")) > 0
}

// headlessService reports whether a service has no address on purpose.
func headlessService(spec map[string]any) bool {
	list := tree.List(spec, "clusterIPs")
	return len(list) == 1 && list[0] == "None"
}

// sameField reports whether two specs have the same in a field; empty is absent.
// was may be nil: then it reports whether the field is empty.
func sameField(spec, was map[string]any, name string) bool {
	empty := func(v any) any {
		if list, ok := v.([]any); v == "" || v == int64(0) || ok && len(list) == 0 {
			return nil
		}
		return v
	}
	return tree.Equal(empty(spec[name]), empty(was[name]))
}

// keepAllocated carries over what the server gave the service, where the writer says nothing.
func keepAllocated(spec, was map[string]any) {
	// Absent, empty and zero are alike: old clients send them all for what they do not know.
	keep := func(name string) {
		if v := was[name]; v != nil && sameField(spec, nil, name) {
			spec[name] = tree.Copy(v)
		}
	}
	if serviceType(spec) != "ExternalName" && serviceType(was) != "ExternalName" {
		keep("clusterIP")
		keep("clusterIPs")
	}
	if hasHealthCheck(spec) && hasHealthCheck(was) {
		keep("healthCheckNodePort")
	}
}

// keepNodePorts carries over the node ports by the names of the ports, unless another port has it now.
func keepNodePorts(spec, was map[string]any) {
	// A service that wants no ports on nodes any more is not given back those it had.
	wants := func(spec map[string]any) bool {
		return serviceType(spec) == "NodePort" || serviceType(spec) == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false
	}
	if !wants(spec) || !wants(was) {
		return
	}
	// The name is what a port keeps while all else of it changes.
	named, had := map[string]any{}, nodePorts(was)
	for _, p := range tree.List(was, "ports") {
		named[tree.Text(p, "name")] = tree.At(p, "nodePort")
	}
	taken := nodePorts(spec)
	for _, p := range tree.List(spec, "ports") {
		port, ok := p.(map[string]any)
		if n, _ := port["nodePort"].(int64); !ok || n != 0 {
			continue
		}
		// Not one that stays with another port: two would have it.
		old, _ := named[tree.Text(port, "name")].(int64)
		if old != 0 && !(slices.Contains(taken, old) && slices.Contains(had, old)) {
			port["nodePort"] = old
		}
	}
}

// nodePorts returns the node ports of a spec.
// They come in the order of the ports; one without is left out.
func nodePorts(spec map[string]any) (list []int64) {
	for _, p := range tree.List(spec, "ports") {
		if n, _ := tree.At(p, "nodePort").(int64); n != 0 {
			list = append(list, n)
		}
	}
	return list
}

// linkClusterIPs makes clusterIPs follow clusterIP where the writer has changed that alone.
// Upstream does so before it validates, so that a client of one field need not know of the other.
func linkClusterIPs(spec, was map[string]any) {
	one, before := tree.Text(spec, "clusterIP"), tree.Text(was, "clusterIP")
	if one == before {
		if len(tree.List(spec, "clusterIPs")) == 0 && len(tree.List(was, "clusterIPs")) > 0 {
			spec["clusterIPs"] = tree.Copy(was["clusterIPs"])
		}
		return
	}
	// Whoever has changed both means both.
	if !sameField(spec, was, "clusterIPs") {
		return
	}
	if one == "" {
		delete(spec, "clusterIPs")
	} else {
		spec["clusterIPs"] = []any{one}
	}
}

// dropServiceType takes from obj what its type has no use for and old had, unless the writer has changed it.
// Only updates drop anything: what a new object has its writer has said.
func dropServiceType(obj, old map[string]any) {
	spec, was := tree.Object(obj, "spec"), tree.Object(old, "spec")
	if spec == nil || old == nil {
		return
	}
	drop := func(name string) {
		if sameField(spec, was, name) {
			delete(spec, name)
		}
	}
	if serviceType(spec) == "ExternalName" && serviceType(was) != "ExternalName" {
		// One of the two alone would contradict the other.
		if sameField(spec, was, "clusterIP") && sameField(spec, was, "clusterIPs") {
			delete(spec, "clusterIP")
			delete(spec, "clusterIPs")
		}
		drop("ipFamilies")
		drop("ipFamilyPolicy")
	}
	if hasNodePorts(was) && !hasNodePorts(spec) {
		dropNodePorts(spec, was)
	}
	if hasHealthCheck(was) && !hasHealthCheck(spec) {
		drop("healthCheckNodePort")
	}
	if serviceType(was) == "LoadBalancer" && serviceType(spec) != "LoadBalancer" {
		drop("allocateLoadBalancerNodePorts")
		drop("loadBalancerClass")
	}
	if externallyAccessible(was) && !externallyAccessible(spec) {
		drop("externalTrafficPolicy")
	}
	// What stood in front of the service is no longer its own, though it may take a while to go.
	if s := tree.Object(obj, "status"); s != nil && serviceType(spec) != "LoadBalancer" {
		s["loadBalancer"] = map[string]any{}
	}
}

// dropNodePorts takes away all node ports, if the service had all of them.
// One that is new was asked for, and then none goes: the check refuses it by name.
func dropNodePorts(spec, was map[string]any) {
	had := nodePorts(was)
	for _, n := range nodePorts(spec) {
		if !slices.Contains(had, n) {
			return
		}
	}
	for _, p := range tree.List(spec, "ports") {
		if port, ok := p.(map[string]any); ok {
			delete(port, "nodePort")
		}
	}
}
