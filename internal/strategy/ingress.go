package strategy

import (
	"fmt"
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The rules of Ingress and IngressClass.
//
// A rule sends requests for a host and a path to a backend, which is a port of a service or some other
// object that the controller knows:
//
//	{"host":"*.example.com","http":{"paths":[{"path":"/a","pathType":"Prefix",
//	  "backend":{"service":{"name":"web","port":{"number":80}}}}]}}
//
// The class names the controller, and a class of its own kind has the parameters for it. What is judged is
// form only: services, secrets and classes may come later, or never. Paths of errors are upstream's, in
// which those of a backend stop at the backend where the union of its fields is wrong.

// ingressRules are those of the types here.
func ingressRules() kinds.Rules {
	return kinds.Rules{
		"networking.Ingress":                         {Check: checkIngressAnnotation, Status: checkIngressStatus},
		"networking.IngressSpec":                     {Check: checkIngressSpec},
		"networking.IngressTLS":                      {Check: checkIngressTLS},
		"networking.IngressRule":                     {Check: checkIngressRule},
		"networking.HTTPIngressRuleValue":            {Check: checkIngressPaths},
		"networking.HTTPIngressPath":                 {Check: checkIngressPath},
		"networking.IngressClassSpec":                {Check: checkIngressClass},
		"networking.IngressClassParametersReference": {Default: ingressParametersDefaults, Check: checkIngressParameters},
	}
}

// ingressStrategies are those of the kinds here.
func ingressStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("networking.k8s.io", "v1", "Ingress"): {Warnings: ingressWarnings},
	}
}

// ingressClassAnnotation named the class before there was a field.
const ingressClassAnnotation = "kubernetes.io/ingress.class"

// checkIngressAnnotation demands of a new ingress that both places name one class.
func checkIngressAnnotation(v *kinds.Visit) {
	named, ok := tree.Object(v.Obj, "metadata", "annotations")[ingressClassAnnotation]
	class := tree.At(v.Obj, "spec", "ingressClassName")
	// Only of a new one: others were stored before there was the rule.
	if ok && class != nil && named != class && !v.Update() {
		v.Add(field.Invalid("annotations."+ingressClassAnnotation, named, "must match `ingressClassName` when both are specified"))
	}
	// The rule of the spec is not asked where there is none.
	if tree.Object(v.Obj, "spec") == nil {
		v.Add(field.Invalid("spec", nil, "either `defaultBackend` or `rules` must be specified"))
	}
}

// checkIngressSpec demands somewhere to send requests, and the name of a class.
func checkIngressSpec(v *kinds.Visit) {
	if len(tree.List(v.Obj, "rules")) == 0 && v.Obj["defaultBackend"] == nil {
		v.Add(field.Invalid(v.Path(), nil, "either `defaultBackend` or `rules` must be specified"))
	}
	if backend := tree.Object(v.Obj, "defaultBackend"); backend != nil {
		v.Add(ingressBackendErrors(v.Path("defaultBackend"), backend)...)
	}
	// Empty is there, and no name.
	if class, ok := v.Obj["ingressClassName"].(string); ok {
		v.Add(invalidAll(v.Path("ingressClassName"), class, field.DNSSubdomainErrors(class))...)
	}
}

// hostErrors returns what is wrong with a host, which may stand for all below a domain.
// *.example.com is for one label below the domain, and the star stands nowhere else.
func hostErrors(at, host string) []field.Error {
	if strings.Contains(host, "*") {
		return invalidAll(at, host, field.WildcardErrors(host))
	}
	return invalidAll(at, host, field.DNSSubdomainErrors(host))
}

// checkIngressTLS judges the hosts and the secret of a certificate. A secret's name that no secret can have
// stays where any was there before.
func checkIngressTLS(v *kinds.Visit) {
	for i, host := range tree.Strings(tree.List(v.Obj, "hosts")) {
		v.Add(hostErrors(v.Path("hosts", i), host)...)
	}
	name := tree.Text(v.Obj, "secretName")
	// Upstream made the rule when there were objects with such names, and spares those that have any.
	bad := func(e any) bool {
		s := tree.Text(e, "secretName")
		return s != "" && field.DNSSubdomainErrors(s) != nil
	}
	if bad(v.Obj) && !slices.ContainsFunc(tree.List(v.OldRoot, "spec", "tls"), bad) {
		v.Add(invalidAll(v.Path("secretName"), name, field.DNSSubdomainErrors(name))...)
	}
}

// checkIngressRule judges the host of a rule.
// No host is all hosts.
func checkIngressRule(v *kinds.Visit) {
	host := tree.Text(v.Obj, "host")
	if host == "" {
		return
	}
	// Both rules are asked: an address in the form of IPv4 is a good subdomain, one of IPv6 is not.
	if _, is := field.LooseAddress(host); is {
		v.Add(field.Invalid(v.Path("host"), host, "must be a DNS name, not an IP address"))
	}
	v.Add(hostErrors(v.Path("host"), host)...)
}

// checkIngressPaths demands a path.
func checkIngressPaths(v *kinds.Visit) {
	if len(tree.List(v.Obj, "paths")) == 0 {
		v.Add(field.Required(v.Path("paths"), ""))
	}
}

// checkIngressPath judges a path by its type, and what is behind it. Without a type upstream looks no
// further.
func checkIngressPath(v *kinds.Visit) {
	typ, ok := v.Obj["pathType"].(string)
	if !ok {
		v.Add(field.Required(v.Path("pathType"), "pathType must be specified"))
		return
	}
	checkTypedPath(v, typ)
	v.Add(ingressBackendErrors(v.Path("backend"), tree.Object(v.Obj, "backend"))...)
}

// checkTypedPath judges a path of a type.
// A path that is matched by the controller's own rules may be a pattern, so it must only begin as one
// does.
func checkTypedPath(v *kinds.Visit, typ string) {
	path, at := tree.Text(v.Obj, "path"), v.Path("path")
	switch {
	case typ == "ImplementationSpecific":
		if path != "" && path[0] != '/' {
			v.Add(field.Invalid(at, path, "must be an absolute path"))
		}
		return
	case typ != "Exact" && typ != "Prefix":
		v.Add(field.NotSupported(v.Path("pathType"), typ, "Exact", "ImplementationSpecific", "Prefix"))
		return
	}
	if !strings.HasPrefix(path, "/") {
		v.Add(field.Invalid(at, path, "must be an absolute path"))
	}
	// What servers would make another path of is no path: it would be matched as it is not meant.
	for _, part := range [...]string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(path, part) {
			v.Add(field.Invalid(at, path, "must not contain '"+part+"'"))
		}
	}
	for _, end := range [...]string{"/..", "/."} {
		if strings.HasSuffix(path, end) {
			v.Add(field.Invalid(at, path, "cannot end with '"+end+"'"))
		}
	}
}

// ingressBackendErrors demands a service with one port, or a resource.
func ingressBackendErrors(at string, backend map[string]any) (errs []field.Error) {
	service, resource := tree.Object(backend, "service"), tree.Object(backend, "resource")
	switch {
	case service != nil && resource != nil:
		return []field.Error{field.Invalid(at, "", "cannot set both resource and service backends")}
	case resource != nil:
		return localReferenceErrors(at+".resource", resource)
	case service == nil:
		return []field.Error{field.Invalid(at, "", "resource or service backend is required")}
	}
	// A service's name is a label of DNS. That it begins with a letter is no longer asked (upstream's
	// relaxed names of services).
	if name := tree.Text(service, "name"); name == "" {
		errs = append(errs, field.Required(at+".service.name", ""))
	} else {
		errs = append(errs, invalidAll(at+".service.name", name, field.DNSLabelErrors(name))...)
	}
	name := tree.Text(service, "port", "name")
	// Zero is an unset number.
	number, _ := tree.At(service, "port", "number").(int64)
	switch {
	case name != "" && number != 0:
		return append(errs, field.Invalid(at, "", "cannot set both port name & port number"))
	case name != "":
		return append(errs, invalidAll(at+".service.port.name", name, field.PortNameErrors(name))...)
	case number != 0:
		return append(errs, invalidAll(at+".service.port.number", number, field.PortErrors(number))...)
	}
	return append(errs, field.Required(at, "port name or number is required"))
}

// localReferenceErrors returns what is wrong with a reference to an object by group, kind and name.
func localReferenceErrors(at string, ref map[string]any) (errs []field.Error) {
	if group, ok := ref["apiGroup"].(string); ok {
		errs = invalidAll(at+".apiGroup", group, field.DNSSubdomainErrors(group))
	}
	for _, name := range [...]string{"kind", "name"} {
		errs = append(errs, segmentErrors(at+"."+name, tree.Text(ref, name))...)
	}
	return errs
}

// segmentErrors demands a text that can be a segment of a path.
// A kind and a name end up in the path of a request.
func segmentErrors(at, s string) []field.Error {
	if s == "" {
		return []field.Error{field.Required(at, "")}
	}
	return invalidAll(at, s, field.PathSegmentErrors(s))
}

// checkIngressStatus is about the load balancer's ways in.
func checkIngressStatus(v *kinds.Visit) {
	existing := tree.List(v.Old, "status", "loadBalancer", "ingress")
	for i, e := range tree.List(v.Obj, "status", "loadBalancer", "ingress") {
		v.Add(wayInErrors(fmt.Sprintf("status.loadBalancer.ingress[%d].", i), e, existing)...)
	}
}

// ingressWarnings tells whoever makes an ingress of the annotation's successor.
// An update is not warned of: the annotation was taken when the object was made.
func ingressWarnings(obj, old map[string]any) []string {
	_, ok := tree.Object(obj, "metadata", "annotations")[ingressClassAnnotation]
	if ok && old == nil && tree.At(obj, "spec", "ingressClassName") == nil {
		return []string{fmt.Sprintf("annotation %q is deprecated, please use 'spec.ingressClassName' instead", ingressClassAnnotation)}
	}
	return nil
}

// maxIngressController is the length of a controller's name in bytes.
const maxIngressController = 250

// checkIngressClass judges the controller, which stays.
// The name is that of a domain with a path, example.com/ingress-controller, as controllers look for
// theirs.
func checkIngressClass(v *kinds.Visit) {
	s := tree.Text(v.Obj, "controller")
	at := v.Path("controller")
	if v.Update() && s != tree.Text(v.Old, "controller") {
		v.Add(field.Invalid(at, s, "field is immutable"))
	}
	if len(s) > maxIngressController {
		v.Add(field.TooLong(at, maxIngressController))
	}
	v.Add(field.DomainPathErrors(at, s)...)
}

// ingressParametersDefaults says that parameters are of the cluster.
func ingressParametersDefaults(obj map[string]any) {
	if obj["scope"] == nil {
		obj["scope"] = "Cluster"
	}
}

// checkIngressParameters judges a reference to parameters: in a namespace, or of the cluster.
func checkIngressParameters(v *kinds.Visit) {
	v.Add(localReferenceErrors(v.Path(), v.Obj)...)
	// Absent and empty differ in both: the pointers of upstream's type are asked whether they are nil.
	scope, ok := v.Obj["scope"].(string)
	namespace, named := v.Obj["namespace"].(string)
	switch {
	case !ok:
		v.Add(field.Required(v.Path("scope"), ""))
	case scope != "Cluster" && scope != "Namespace":
		v.Add(field.NotSupported(v.Path("scope"), scope, "Cluster", "Namespace"))
	case scope == "Cluster" && named:
		v.Add(field.Forbidden(v.Path("namespace"), "`parameters.scope` is set to 'Cluster'"))
	case scope == "Namespace" && !named:
		v.Add(field.Required(v.Path("namespace"), "`parameters.scope` is set to 'Namespace'"))
	case scope == "Namespace":
		v.Add(invalidAll(v.Path("namespace"), namespace, field.DNSLabelErrors(namespace))...)
	}
}
