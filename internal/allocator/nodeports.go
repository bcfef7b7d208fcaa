package allocator

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// The ports of a service on the nodes. Two of its ports with one number, one of TCP and one of UDP, share
// a node port when the service is new; so may others that name the same.

// onNodes reports whether a service of this type has node ports at all.
func onNodes(spec map[string]any) bool {
	t := tree.Text(spec, "type")
	return t == "NodePort" || t == "LoadBalancer"
}

// wantsPorts reports whether ports that name no node port get one.
// Load balancers that reach pods by themselves need none, and say so.
func wantsPorts(spec map[string]any) bool {
	return tree.Text(spec, "type") == "NodePort" || tree.True(spec["allocateLoadBalancerNodePorts"])
}

// needsHealthCheck reports whether load balancers ask each node for the service's endpoints there.
// Only then it matters on which node a pod is.
func needsHealthCheck(spec map[string]any) bool {
	return tree.Text(spec, "type") == "LoadBalancer" && tree.Text(spec, "externalTrafficPolicy") == "Local"
}

// nodePorts takes what the ports ask for.
// A new service is judged by other rules than a changed one, as upstream has two ways through its code.
// Ports that it no longer has need not be given back: they are free as soon as it is stored.
func (r *request) nodePorts() error {
	if !onNodes(r.spec) {
		return nil
	}
	if r.isNew {
		return r.newNodePorts()
	}
	// What the service has already is its own, under whichever of its ports.
	had := numbers(r.old)
	// Two ports of one protocol cannot share a node port; of two protocols they can.
	type place struct {
		protocol string
		port     int
	}
	seen, took := map[place]bool{}, map[int]bool{}
	for i, port := range objects(r.spec, "ports") {
		n := number(port, "nodePort")
		switch {
		case n == 0 && !wantsPorts(r.spec):
			// None is wanted, but one that is named is respected.
			continue
		case n == 0:
			next, err := r.nextPort()
			if err != nil {
				return internal("failed to allocate a nodePort: %v", err)
			}
			n = next
			port["nodePort"] = int64(n)
		case !slices.Contains(had, n) && !took[n]:
			if err := r.namedPort(i, n); err != nil {
				return err
			}
			// Another port of this service may name it too.
			took[n] = true
		}
		p := place{tree.Text(port, "protocol"), n}
		// A mistake of the client, for which upstream answers 500.
		if seen[p] {
			return status.Unexplained(fmt.Sprintf("duplicate nodePort: {%s %d}", p.protocol, p.port))
		}
		seen[p] = true
	}
	return nil
}

// newNodePorts takes the ports of a new service: one for each number, unless they name others.
//
//	ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]   both get the same
func (r *request) newNodePorts() error {
	ports := objects(r.spec, "ports")
	took := map[int]int{}
	for i, port := range ports {
		n, of := number(port, "nodePort"), number(port, "port")
		// One that is named is respected even if none is wanted.
		if n == 0 && !wantsPorts(r.spec) {
			continue
		}
		switch have := took[of]; {
		case have == 0:
			// The first port of that number decides for those behind it, by what any of them names.
			chosen := 0
			for _, other := range ports {
				if chosen == 0 && number(other, "port") == of {
					chosen = number(other, "nodePort")
				}
			}
			var err error
			if chosen != 0 {
				err = r.namedPort(i, chosen)
			} else if chosen, err = r.nextPort(); err != nil {
				err = internal("failed to allocate a nodePort: %v", err)
			}
			if err != nil {
				return err
			}
			port["nodePort"], took[of] = int64(chosen), chosen
		case n == 0:
			port["nodePort"] = int64(have)
		case n != have:
			// It names another one than its predecessor has: then it has one of its own.
			if err := r.namedPort(i, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// namedPort takes the node port that the i-th port names.
// The error is a 422 about its field.
func (r *request) namedPort(i, n int) error {
	if err := r.port(n); err != nil {
		return r.invalid(field.Invalid(fmt.Sprintf("spec.ports[%d].nodePort", i), n, err.Error()))
	}
	return nil
}

// healthCheckPort takes the port by which load balancers ask, where they begin to.
// It counts among the ports on the nodes, and is kept as long as they ask. Its errors are 500
// (upstream).
func (r *request) healthCheckPort() error {
	if !needsHealthCheck(r.spec) || !r.isNew && needsHealthCheck(r.old) {
		return nil
	}
	if n := number(r.spec, "healthCheckNodePort"); n != 0 {
		if err := r.port(n); err != nil {
			return internal("failed to allocate requested HealthCheck NodePort %d: %v", n, err)
		}
		return nil
	}
	n, err := r.nextPort()
	if err != nil {
		return internal("failed to allocate a HealthCheck NodePort 0: %v", err)
	}
	r.spec["healthCheckNodePort"] = int64(n)
	return nil
}

// numbers returns the node ports of a service.
// 0 is none; one that two ports share is there twice.
func numbers(spec map[string]any) (list []int) {
	for _, port := range objects(spec, "ports") {
		if n := number(port, "nodePort"); n != 0 {
			list = append(list, n)
		}
	}
	return list
}

// number returns a number of an object, 0 for none.
func number(obj map[string]any, name string) int {
	n, _ := obj[name].(int64)
	return int(n)
}

// objects returns the objects of a list, each in its place.
// What is no object is nil, which has no numbers.
func objects(obj map[string]any, name string) []map[string]any {
	list := tree.List(obj, name)
	out := make([]map[string]any, len(list))
	for i, v := range list {
		out[i], _ = v.(map[string]any)
	}
	return out
}
