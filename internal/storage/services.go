package storage

import (
	"strings"

	"apichain/internal/tree"
)

// completeService gives a service what services have had since they may have two addresses: those that
// were stored before say one address and no family. Upstream does it whenever it reads one.
func (c *Codec) completeService(obj map[string]any) {
	spec := tree.Object(obj, "spec")
	ip := tree.Text(spec, "clusterIP")
	if ip != "" && len(tree.List(spec, "clusterIPs")) == 0 {
		spec["clusterIPs"] = []any{ip}
	}
	switch {
	case tree.Text(spec, "type") == "ExternalName":
		// It was a default once.
		delete(spec, "internalTrafficPolicy")
		return
	case spec == nil || len(tree.List(spec, "ipFamilies")) > 0:
		return
	}
	first, second := "IPv4", "IPv6"
	if c.options.IPv6 {
		first, second = second, first
	}
	var families []any
	switch {
	case ip != "None":
		for _, ip := range tree.Strings(tree.List(spec, "clusterIPs")) {
			family := "IPv4"
			if strings.Contains(ip, ":") {
				family = "IPv6"
			}
			families = append(families, family)
		}
	case len(tree.Object(spec, "selector")) == 0:
		// Whoever makes its endpoints may give them addresses of either.
		families = []any{first, second}
	default:
		families = []any{first}
	}
	switch len(families) {
	case 0:
		return
	case 1:
		spec["ipFamilyPolicy"] = "SingleStack"
	case 2:
		spec["ipFamilyPolicy"] = "RequireDualStack"
	}
	spec["ipFamilies"] = families
}
