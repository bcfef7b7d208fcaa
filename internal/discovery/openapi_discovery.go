package discovery

import (
	"slices"
	"strings"
)

// The paths that are of no kind in OpenAPI: discovery at /api/, /apis/ and /apis/GROUP/, and a few that
// tell of the server; and the types that only those and the lists of resources have.

// rootKeys are the keys of documents that every server has.
var rootKeys = []string{".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version"}

// addRoot describes the path of a key that is of no version, and reports whether it is one.
func (w *openAPIWriter) addRoot(key string) bool {
	group, isGroup := strings.CutPrefix(key, "apis/")
	switch {
	case key == "api":
		w.addDiscovery("/api/", "core", "getCoreAPIVersions", "APIVersions")
	case key == "apis":
		w.addDiscovery("/apis/", "apis", "getAPIVersions", "APIGroupList")
	case key == ".well-known/openid-configuration":
		w.addText(key, "WellKnown", "getServiceAccountIssuerOpenIDConfiguration", "application/json", "where and how tokens of service accounts are checked")
	case key == "openid/v1/jwks":
		w.addText(key, "openid", "getServiceAccountIssuerOpenIDKeyset", "application/jwk-set+json", "the keys that tokens of service accounts are checked with")
	case key == "version":
		op := w.addText(key, "version", "getCodeVersion", "application/json", "the version of the server")
		op.consumes, op.answer = op.produces, w.schemas.add("io.k8s.apimachinery.pkg.version.Info", func() map[string]any { return objectSchema("", nil) })
	case isGroup && !strings.Contains(group, "/"):
		w.addDiscovery("/apis/"+group+"/", tagOf(group, ""), "get"+operationGroup(group)+"APIGroup", "APIGroup")
	default:
		return false
	}
	return true
}

// registered are the groups and versions in which upstream has the kinds that are of every group,
// whether it serves them or not; behind the bar are those that the documents of definitions do not list.
const registered = `admissionregistration.k8s.io/v1,v1alpha1,v1beta1 apps/v1,v1beta1,v1beta2
authentication.k8s.io/v1,v1alpha1,v1beta1 authorization.k8s.io/v1,v1beta1 autoscaling/v1,v2 batch/v1,v1beta1
certificates.k8s.io/v1,v1alpha1,v1beta1 coordination.k8s.io/v1,v1alpha2,v1beta1 discovery.k8s.io/v1,v1beta1
events.k8s.io/v1,v1beta1 extensions/v1beta1 flowcontrol.apiserver.k8s.io/v1,v1beta1,v1beta2,v1beta3
internal.apiserver.k8s.io/v1alpha1 lifecycle.k8s.io/v1alpha1 networking.k8s.io/v1,v1beta1 node.k8s.io/v1,v1alpha1,v1beta1
policy/v1,v1beta1 rbac.authorization.k8s.io/v1,v1alpha1,v1beta1 resource.k8s.io/v1,v1alpha3,v1beta1,v1beta2
scheduling.k8s.io/v1,v1alpha3,v1beta1 storage.k8s.io/v1,v1alpha1,v1beta1 storagemigration.k8s.io/v1,v1beta1 |
admission.k8s.io/v1,v1beta1 apiextensions.k8s.io/v1,v1beta1 apiregistration.k8s.io/v1,v1beta1 imagepolicy.k8s.io/v1alpha1`

// registeredVersions returns those of registered, each as an apiVersion; for the documents of
// definitions without the last.
func registeredVersions(custom bool) (out []string) {
	text, rest, _ := strings.Cut(registered, "|")
	if !custom {
		text += rest
	}
	for entry := range strings.FieldsSeq(text) {
		group, versions, _ := strings.Cut(entry, "/")
		for version := range strings.SplitSeq(versions, ",") {
			out = append(out, group+"/"+version)
		}
	}
	slices.Sort(out)
	return out
}

// addText describes a path that answers with a text of a media type.
func (w *openAPIWriter) addText(key, tag, id, mediaType, doc string) *operation {
	op := &operation{tag: tag, id: id, doc: doc, produces: []string{mediaType}, codes: []string{"200"}}
	w.paths["/"+key+"/"] = operations{"get": op}
	return op
}

// discoveryType returns the schema of a type of the discovery documents, by upstream's name of it
// in meta/v1. Any other name makes an object of which nothing is said.
func (w *schemaWriter) discoveryType(name string) map[string]any {
	text := map[string]any{"type": "string"}
	below := func(name string) map[string]any { return schemaRef(w.meta(name)) }
	switch name {
	case "APIVersions":
		return kindSchemaOf(name, "The versions of the core group.", "versions serverAddressByClientCIDRs", map[string]any{
			"versions": listOf(text), "serverAddressByClientCIDRs": listOf(below("ServerAddressByClientCIDR")),
		})
	case "APIGroup":
		return kindSchemaOf(name, "A group and its versions.", "name versions", map[string]any{
			"name": text, "versions": listOf(below("GroupVersionForDiscovery")),
			"preferredVersion":           below("GroupVersionForDiscovery"),
			"serverAddressByClientCIDRs": listOf(below("ServerAddressByClientCIDR")),
		})
	case "APIGroupList":
		return kindSchemaOf(name, "All groups.", "groups", map[string]any{"groups": listOf(below("APIGroup"))})
	case "APIResourceList":
		return kindSchemaOf(name, "The resources of a version.", "groupVersion resources", map[string]any{
			"groupVersion": text, "resources": listOf(below("APIResource")),
		})
	case "APIResource":
		return typeSchema("A resource or subresource.", "name singularName namespaced kind verbs", map[string]any{
			"name": text, "singularName": text, "namespaced": map[string]any{"type": "boolean"},
			"group": text, "version": text, "kind": text, "verbs": listOf(text),
			"shortNames": listOf(text), "categories": listOf(text), "storageVersionHash": text,
		})
	case "GroupVersionForDiscovery":
		return typeSchema("A version of a group.", "groupVersion version", map[string]any{"groupVersion": text, "version": text})
	case "ServerAddressByClientCIDR":
		return typeSchema("Where clients of a network find the server.", "clientCIDR serverAddress", map[string]any{
			"clientCIDR": text, "serverAddress": text,
		})
	case "Patch":
		return objectSchema("A patch, in the form that its media type says.", nil)
	}
	return objectSchema("", nil)
}

// typeSchema returns an object with properties of which some, their names separated by spaces,
// are required.
func typeSchema(doc, required string, properties map[string]any) map[string]any {
	s := objectSchema(doc, properties)
	var names []any
	for name := range strings.FieldsSeq(required) {
		names = append(names, name)
	}
	s["required"] = names
	return s
}

// kindSchemaOf returns typeSchema of a type that is a kind of the core group's v1, with the
// fields that every kind has.
func kindSchemaOf(kind, doc, required string, properties map[string]any) map[string]any {
	s := typeSchema(doc, required, properties)
	// s has the same map of properties: these two are added to those it was given.
	properties["apiVersion"], properties["kind"] = apiVersionSchema(), kindSchema()
	s["x-kubernetes-group-version-kind"] = []any{gvkOf("", "v1", kind)}
	return s
}

// listOf returns a list of elements.
func listOf(element map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": element}
}
