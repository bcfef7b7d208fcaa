package strategy

import (
	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The rules of Endpoints. Subsets that an update leaves as they are were good once, and are not asked about
// again.
//
// A subset is the product of its addresses and its ports, and an address is in one of two lists by whether
// it is ready:
//
//	{"subsets":[{"addresses":[{"ip":"10.0.0.7"}],"ports":[{"name":"http","port":80,"protocol":"TCP"}]}]}
//
// The kind is deprecated, and slices are made of it by a controller; that it is, is told by the version's
// own warning.

// endpointRules are those of the types here.
func endpointRules() kinds.Rules {
	return kinds.Rules{"Endpoints": {Check: whole(endpointsErrors)}}
}

// endpointStrategies are those of the kinds here.
func endpointStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{kinds.NewKey("", "v1", "Endpoints"): {Warnings: endpointsWarnings}}
}

// ownEndpoints reports whether an object says where this server is. Most servers for tests listen on an
// address of loopback, which upstream refuses, and there alone it is one that others may use.
func ownEndpoints(obj map[string]any) bool {
	return tree.Name(obj) == "kubernetes" && tree.Text(obj, "metadata", "namespace") == "default"
}

// endpointsErrors returns what is wrong with the subsets.
func endpointsErrors(obj, old map[string]any) (errs []field.Error) {
	if old != nil && tree.Equal(obj["subsets"], old["subsets"]) {
		return nil
	}
	for i, subset := range tree.List(obj, "subsets") {
		// Upstream refuses a subset without addresses, which would say nothing, but not one without ports.
		at := fmt.Sprintf("subsets[%d]", i)
		empty := true
		for _, list := range [...]string{"addresses", "notReadyAddresses"} {
			for j, address := range tree.List(subset, list) {
				empty = false
				errs = append(errs, endpointAddressErrors(fmt.Sprintf("%s.%s[%d].", at, list, j), address, ownEndpoints(obj))...)
			}
		}
		if empty {
			errs = append(errs, field.Required(at, "must specify `addresses` or `notReadyAddresses`"))
		}
		// Of one port nobody has to tell which it is; of several each has a name.
		ports := tree.List(subset, "ports")
		for j, port := range ports {
			errs = append(errs, endpointPortErrors(fmt.Sprintf("%s.ports[%d].", at, j), port, len(ports) > 1)...)
		}
	}
	return errs
}

// endpointAddressErrors returns what is wrong with an address at a path that ends with a dot.
// A loopback address is good only where loopback is set.
func endpointAddressErrors(at string, address any, loopback bool) (errs []field.Error) {
	ip, host := tree.Text(address, "ip"), tree.Text(address, "hostname")
	errs = invalidAll(at+"ip", ip, field.IPErrors(ip))
	if host != "" {
		errs = append(errs, invalidAll(at+"hostname", host, field.DNSLabelErrors(host))...)
	}
	if node, ok := tree.At(address, "nodeName").(string); ok {
		errs = append(errs, invalidAll(at+"nodeName", node, field.DNSSubdomainErrors(node))...)
	}
	// The second rule for an address is about what it stands for: what is nothing in particular, the node
	// itself or a link is no endpoint.
	if a, ok := field.LooseAddress(ip); ok && loopback && a.IsLoopback() {
		return errs
	}
	return append(errs, invalidAll(at+"ip", ip, field.EndpointIPErrors(ip))...)
}

// endpointPortErrors returns what is wrong with a port at a path that ends with a dot.
// named says that the port must have a name.
func endpointPortErrors(at string, port any, named bool) (errs []field.Error) {
	if name := tree.Text(port, "name"); name != "" {
		errs = invalidAll(at+"name", name, field.DNSLabelErrors(name))
	} else if named {
		errs = append(errs, field.Required(at+"name", ""))
	}
	n, _ := tree.At(port, "port").(int64)
	errs = append(errs, invalidAll(at+"port", n, field.PortErrors(n))...)
	if s := tree.Text(port, "protocol"); !slices.Contains(protocols[:], s) {
		errs = append(errs, field.NotSupported(at+"protocol", s, protocols[:]...))
	}
	if app, ok := tree.At(port, "appProtocol").(string); ok {
		errs = append(errs, invalidAll(at+"appProtocol", app, field.LabelKeyErrors(app))...)
	}
	return errs
}

// endpointsWarnings tells of addresses in odd forms, but not the controller that puts them right itself.
func endpointsWarnings(obj, _ map[string]any) (warnings []string) {
	if tree.Text(obj, "metadata", "labels", "endpoints.kubernetes.io/managed-by") == "endpoint-controller" {
		return nil
	}
	for i, subset := range tree.List(obj, "subsets") {
		for _, list := range [...]string{"addresses", "notReadyAddresses"} {
			for j, address := range tree.List(subset, list) {
				at := fmt.Sprintf("subsets[%d].%s[%d].ip", i, list, j)
				warnings = append(warnings, field.IPWarnings(at, tree.Text(address, "ip"))...)
			}
		}
	}
	return warnings
}
