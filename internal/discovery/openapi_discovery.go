package discovery

import (
	"slices"
	"strings"
)

// The paths that are of no kind in OpenAPI: discovery at /api/, /apis/ and /apis/GROUP/, and a few that
// tell of the server.

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
		w.addText(key, "WellKnown", "getServiceAccountIssuerOpenIDConfiguration", "application/json",
			"where and how tokens of service accounts are checked")
	case key == "openid/v1/jwks":
		w.addText(key, "openid", "getServiceAccountIssuerOpenIDKeyset", "application/jwk-set+json",
			"the keys that tokens of service accounts are checked with")
	case key == "version":
		op := w.addText(key, "version", "getCodeVersion", "application/json", "the version of the server")
		op.consumes, op.answer = op.produces, w.schemas.named("version.Info", "io.k8s.apimachinery.pkg.version.Info")
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
