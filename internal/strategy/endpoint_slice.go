package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The rule of EndpointSlice. Upstream has two validations of it, whose errors come one behind the
// other: that written in Go (ports, the addresses themselves, hints), then that which the fields'
// tags declare (the type of the addresses, how many of them there are).
//
//	{"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.7"],"conditions":{"ready":true}}],
//	 "ports":[{"name":"http","port":80}]}
//
// All addresses of a slice are of the one type, and the type never changes. Controllers write thousands of
// slices, most of which change a condition, so that what is as it was is told from the rest before
// anything is judged.

// sliceRules are those of the types here.
func sliceRules() kinds.Rules {
	return kinds.Rules{"discovery.EndpointSlice": {Check: whole(sliceRule)}}
}

// sliceStrategies are those of the kinds here.
func sliceStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{kinds.NewKey("discovery.k8s.io", "v1", "EndpointSlice"): {Warnings: sliceWarnings}}
}

// The most elements that the lists of a slice have.
const (
	maxSlicePorts = 20000
	maxEndpoints  = 1000
	maxAddresses  = 100
	maxHints      = 8
)

// sliceRule is about everything in a slice but references. Endpoints that an update leaves as they
// are were good once, and are not asked about again.
// References have words of their rows.
func sliceRule(obj, old map[string]any) (errs []field.Error) {
	ports, endpoints := tree.List(obj, "ports"), tree.List(obj, "endpoints")
	// A list that is too long is not looked into: the bound is what keeps the answer small.
	if n := len(ports); n > maxSlicePorts {
		errs = append(errs, field.TooMany("ports", n, maxSlicePorts))
	} else {
		errs = append(errs, slicePortErrors(ports)...)
	}
	// As a whole, and not one by one: an endpoint has no name by which it could be found again.
	same := old != nil && tree.Equal(obj["endpoints"], old["endpoints"])
	typ := tree.Text(obj, "addressType")
	if n := len(endpoints); n > maxEndpoints && !same {
		errs = append(errs, field.TooMany("endpoints", n, maxEndpoints))
	} else if !same {
		for i, e := range endpoints {
			errs = append(errs, endpointErrors(fmt.Sprintf("endpoints[%d]", i), typ, e, ownEndpoints(obj))...)
		}
	}
	// From here on it is the second validation's part.
	const at = "addressType"
	if typ == "" {
		errs = append(errs, field.Required(at, ""))
	} else if typ != "IPv4" && typ != "IPv6" && typ != "FQDN" {
		errs = append(errs, field.NotSupported(at, typ, "FQDN", "IPv4", "IPv6"))
	}
	if old != nil && typ != tree.Text(old, "addressType") {
		errs = append(errs, field.Invalid(at, nil, "field is immutable")) // upstream does not show it
	}
	for i, e := range endpoints {
		at := fmt.Sprintf("endpoints[%d].addresses", i)
		if n := len(tree.List(e, "addresses")); same {
			break
		} else if n == 0 {
			errs = append(errs, field.Required(at, ""))
		} else if n > maxAddresses {
			errs = append(errs, field.TooMany(at, n, maxAddresses))
		}
	}
	return errs
}

// slicePortErrors returns what is wrong with the ports of a slice, whose names are unique.
// No number is good: it means all ports. The empty name is one name, so that of several ports one may have
// it.
func slicePortErrors(ports []any) (errs []field.Error) {
	names := make(map[string]bool, len(ports))
	for i, p := range ports {
		at, name, protocol := fmt.Sprintf("ports[%d].", i), tree.Text(p, "name"), tree.Text(p, "protocol")
		if name != "" {
			errs = append(errs, invalidAll(at+"name", name, field.DNSLabelErrors(name))...)
		}
		if names[name] {
			errs = append(errs, field.Duplicate(at+"name", name))
		}
		names[name] = true
		if protocol != "TCP" && protocol != "UDP" && protocol != "SCTP" {
			errs = append(errs, field.NotSupported(at+"protocol", protocol, "SCTP", "TCP", "UDP"))
		}
		if app, ok := tree.At(p, "appProtocol").(string); ok {
			errs = append(errs, invalidAll(at+"appProtocol", app, field.LabelKeyErrors(app))...)
		}
	}
	return errs
}

// endpointErrors returns what is wrong with an endpoint at a path, how many addresses it has aside.
func endpointErrors(at, addressType string, e any, loopback bool) (errs []field.Error) {
	for i, address := range tree.Strings(tree.List(e, "addresses")) {
		errs = append(errs, addressErrors(at+".addresses", i, addressType, address, loopback)...)
	}
	// Pointers upstream: an empty text is there, and is no name.
	if node, ok := tree.At(e, "nodeName").(string); ok {
		errs = append(errs, invalidAll(at+".nodeName", node, field.DNSSubdomainErrors(node))...)
	}
	if host, ok := tree.At(e, "hostname").(string); ok {
		errs = append(errs, invalidAll(at+".hostname", host, field.DNSLabelErrors(host))...)
	}
	// A hint is for the proxy of a zone or a node, and the names have the forms that those have.
	zones := hintErrors(at+".hints.forZones", tree.List(e, "hints", "forZones"), field.LabelValueErrors)
	if len(zones) == 1 && zones[0].Reason == "FieldValueTooMany" {
		return append(errs, zones...) // upstream looks no further
	}
	return slices.Concat(errs, zones, hintErrors(at+".hints.forNodes", tree.List(e, "hints", "forNodes"), field.DNSSubdomainErrors))
}

// hintErrors returns what is wrong with a list of hints, each of which has a name by a rule.
// at is the path of the list; rule says what is wrong with a name.
func hintErrors(at string, hints []any, rule func(string) []string) (errs []field.Error) {
	if n := len(hints); n > maxHints {
		return []field.Error{field.TooMany(at, n, maxHints)}
	}
	names := map[string]bool{}
	for i, h := range hints {
		path, name := fmt.Sprintf("%s[%d].name", at, i), tree.Text(h, "name")
		if names[name] {
			errs = append(errs, field.Duplicate(path, name))
		}
		names[name] = true
		errs = append(errs, invalidAll(path, name, rule(name))...)
	}
	return errs
}

// addressErrors returns what is wrong with the i-th of the addresses at a path. Those of an unknown
// type have no form; loopback says that one of loopback is good.
func addressErrors(list string, i int, addressType, s string, loopback bool) (errs []field.Error) {
	at, why := fmt.Sprintf("%s[%d]", list, i), []string(nil)
	switch addressType {
	case "IPv4":
		// IPv4 may be in an older form; IPv6, which came later, must be in the one canonical form.
		why = field.IPErrors(s)
	case "IPv6":
		why = field.CanonicalIPErrors(s)
	case "FQDN":
		return domainErrors(at, s)
	default:
		return nil
	}
	if why != nil {
		return invalidAll(at, s, why)
	}
	if isIPv6(s) != (addressType == "IPv6") {
		errs = append(errs, field.Invalid(list, s, "must be an "+addressType+" address")) // of the list: as upstream says it
	}
	if a, _ := field.LooseAddress(s); loopback && a.IsLoopback() {
		return errs
	}
	return append(errs, invalidAll(at, s, field.EndpointIPErrors(s))...)
}

// domainErrors returns the one thing that is wrong with a domain, which has two segments or more. A
// dot at its end counts for nothing, and is not shown.
// The type is deprecated, and nothing in a cluster makes such a slice; it can still be stored.
func domainErrors(at, s string) []field.Error {
	name := strings.TrimSuffix(s, ".")
	if s == "" {
		return []field.Error{field.Required(at, "")}
	} else if why := field.DNSSubdomainErrors(name); why != nil {
		return []field.Error{field.Invalid(at, name, strings.Join(why, ","))}
	} else if !strings.Contains(name, ".") {
		return []field.Error{field.Invalid(at, name, "should be a domain with at least two segments separated by dots")}
	}
	for segment := range strings.SplitSeq(name, ".") {
		if why := field.DNSLabelErrors(segment); why != nil { // it is too long
			return []field.Error{field.Invalid(at, segment, strings.Join(why, ","))}
		}
	}
	return nil
}
