package kinds

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// The cells of ingresses, their classes, and addresses, in upstream's words.
//
//	NAME   CLASS   HOSTS                       ADDRESS    PORTS     AGE
//	web    nginx   a.io,b.io,c.io + 2 more...  10.0.0.7   80, 443   5m
//
// What an ingress does not say has a word that says it for all: a rule without a host is for each host,
// and no address is nothing at all.

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
		// Upstream says how many rules are left, and not how many hosts: rules without one count, too.
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
		// A way in with both is shown by its address.
		if ip := tree.Text(way, "ip"); ip != "" {
			ways[ip] = true
		} else if host := tree.Text(way, "hostname"); host != "" {
			ways[host] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(ways)), ",")
}

// ingressPorts returns the ports of HTTP, and with a certificate of HTTPS.
// They are those of the protocols, whatever the controller listens on: an ingress has no ports of its own.
func ingressPorts(obj map[string]any) any {
	if len(tree.List(obj, "spec", "tls")) > 0 {
		return "80, 443"
	}
	return "80"
}

// ingressClassName returns the name of a class, and whether it is that of ingresses that name none.
func ingressClassName(obj map[string]any) any {
	// The annotation is what admission reads, too: an ingress without a class gets this one.
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
	// An empty group is there, and leaves a dot (upstream).
	if group, ok := p["apiGroup"].(string); ok {
		kind += "." + group
	}
	return kind + "/" + tree.Text(p, "name")
}

// addressParent returns the object that has an address.
// Group and resource are joined by a dot, and the whole is in lower case, as upstream prints it.
func addressParent(obj map[string]any) any {
	ref := tree.Object(obj, "spec", "parentRef")
	if ref == nil {
		return "<none>"
	}
	// The form is that of kubectl's arguments: services/default/web.
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
