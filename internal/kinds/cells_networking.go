package kinds

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// The cells of ingresses, their classes, and addresses, in upstream's words.

// networkingCell returns the cell of that name, or nil if there is none.
func networkingCell(name string) func(map[string]any) any {
	switch name {
	case "ingressHosts":
		return ingressHosts
	case "ingressAddress":
		return ingressAddress
	case "ingressPorts":
		return ingressPorts
	case "ingressClassName":
		return ingressClassName
	case "ingressClassParameters":
		return ingressClassParameters
	case "addressParent":
		return addressParent
	}
	return nil
}

// ingressHosts returns the first hosts of the rules: all for a rule without any.
func ingressHosts(obj map[string]any) any {
	const shown = 3
	var hosts []string
	rules := tree.List(obj, "spec", "rules")
	for _, rule := range rules {
		if len(hosts) == shown {
			return strings.Join(hosts, ",") + " + " + strconv.Itoa(len(rules)-shown) + " more..."
		}
		if host := tree.Text(rule, "host"); host != "" {
			hosts = append(hosts, host)
		}
	}
	return joinOr(hosts, "*")
}

// ingressAddress returns the ways into the load balancer, each once and sorted.
func ingressAddress(obj map[string]any) any {
	ways := map[string]bool{}
	for _, way := range tree.List(obj, "status", "loadBalancer", "ingress") {
		if ip := tree.Text(way, "ip"); ip != "" {
			ways[ip] = true
		} else if host := tree.Text(way, "hostname"); host != "" {
			ways[host] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(ways)), ",")
}

// ingressPorts returns the ports of HTTP, and with a certificate of HTTPS.
func ingressPorts(obj map[string]any) any {
	if len(tree.List(obj, "spec", "tls")) > 0 {
		return "80, 443"
	}
	return "80"
}

// ingressClassName returns the name of a class, and whether it is that of ingresses that name none.
func ingressClassName(obj map[string]any) any {
	if tree.Text(obj, "metadata", "annotations", "ingressclass.kubernetes.io/is-default-class") == "true" {
		return tree.Name(obj) + " (default)"
	}
	return tree.Name(obj)
}

// ingressClassParameters returns the kind and name of the object that has the parameters of a class.
func ingressClassParameters(obj map[string]any) any {
	p := tree.Object(obj, "spec", "parameters")
	if p == nil {
		return "<none>"
	}
	kind := tree.Text(p, "kind")
	if group, ok := p["apiGroup"].(string); ok {
		kind += "." + group
	}
	return kind + "/" + tree.Text(p, "name")
}

// addressParent returns the object that has an address.
func addressParent(obj map[string]any) any {
	ref := tree.Object(obj, "spec", "parentRef")
	if ref == nil {
		return "<none>"
	}
	s := tree.Text(ref, "resource")
	if group := tree.Text(ref, "group"); group != "" {
		s += "." + group
	}
	s = strings.ToLower(s)
	if namespace := tree.Text(ref, "namespace"); namespace != "" {
		s += "/" + namespace
	}
	return s + "/" + tree.Text(ref, "name")
}
