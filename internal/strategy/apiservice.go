package strategy

import (
	"fmt"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// API services: which server answers for a group and version. One without a service is
// answered here. For example, v1.metrics.example.com is that of group metrics.example.com,
// version v1. The rules are those of k8s.io/kube-aggregator
// (pkg/apis/apiregistration/validation).

// apiServiceRules returns the rules of the types of the kind, and the defaults of definitions, which extend the API as well.
func apiServiceRules() kinds.Rules {
	return kinds.Rules{
		"apiregistration.APIService":             {Check: checkAPIService, Status: checkAPIServiceStatus},
		"apiextensions.CustomResourceDefinition": {Default: schema.DefaultCRD},
	}
}

// apiServiceStrategies returns the strategy of the kind, which has something to do for new
// ones only.
func apiServiceStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("apiregistration.k8s.io", "v1", "APIService"): {Prepare: prepareAPIService},
	}
}

// prepareAPIService says of a new one that is answered here that it is available: no
// controller needs to ask its server.
func prepareAPIService(obj, old map[string]any) {
	if old == nil && tree.At(obj, "spec", "service") == nil {
		tree.Set(obj, []any{map[string]any{
			"type": "Available", "status": "True", "reason": "Local", "message": "Local APIServices are always available",
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}}, "status", "conditions")
	}
}

// checkAPIService checks the name, the order among others, and how to reach the server. The
// name is made of version and group, so there can be one for both only.
func checkAPIService(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	group, version := tree.Text(spec, "group"), tree.Text(spec, "version")
	for _, at := range [...]string{"generateName", "name"} {
		// A name that no path can have is told elsewhere, once.
		name, want := tree.Text(v.Obj, "metadata", at), version+"."+group
		if name != "" && name != want && len(field.PathSegmentErrors(name)) == 0 {
			v.Add(field.Invalid("metadata."+at, name, fmt.Sprintf("must be `spec.version+\".\"+spec.group`: %q", want)))
		}
	}
	// Only the core group has no name, and it has one version.
	if group == "" && version != "v1" {
		v.Add(field.Required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
	}
	if group != "" {
		v.Add(invalidAll("spec.group", group, field.DNSSubdomainErrors(group))...)
	}
	// A version is a part of the name and of paths, so it is one label.
	v.Add(invalidAll("spec.version", version, field.DNS1035LabelErrors(version))...)
	// Clients that know no version prefer the group, and in it the version, with the larger
	// number.
	for _, order := range [...]struct {
		name string
		most int64
	}{{"groupPriorityMinimum", 20000}, {"versionPriority", 1000}} {
		if n := numberAt(spec, order.name); n <= 0 || n > order.most {
			// The text says "less than" though the number itself is good (upstream).
			v.Add(field.Invalid("spec."+order.name, n, fmt.Sprintf("must be positive and less than %d", order.most)))
		}
	}
	bundle, insecure := decoded(spec["caBundle"]), tree.True(spec["insecureSkipTLSVerify"])
	service, ok := spec["service"].(map[string]any)
	// How to trust a server has no meaning where none is asked.
	if !ok {
		if len(bundle) > 0 {
			v.Add(field.Invalid("spec.caBundle", fmt.Sprintf("%d bytes", len(bundle)), "local APIServices may not have a caBundle"))
		}
		if insecure {
			v.Add(field.Invalid("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify"))
		}
		return
	}
	for _, name := range [...]string{"namespace", "name"} {
		if tree.Text(service, name) == "" {
			v.Add(field.Required("spec.service."+name, ""))
		}
	}
	// A port that is not said has its default by now.
	if n := numberAt(service, "port"); len(field.PortErrors(n)) > 0 {
		v.Add(field.Invalid("spec.service.port", n, "port is not valid: "+strings.Join(field.PortErrors(n), ", ")))
	}
	// Whoever gives certificates to trust wants them checked, so not to check cannot be meant.
	if insecure && len(bundle) > 0 {
		v.Add(field.Invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present"))
	}
}

// checkAPIServiceStatus checks the states of the conditions. Their types may be any.
func checkAPIServiceStatus(v *kinds.Visit) {
	for i, c := range each(tree.At(v.Root, "status", "conditions")) {
		if state := tree.Text(c, "status"); !listed("True False Unknown", state) {
			v.Add(field.NotSupported(fmt.Sprintf("status.conditions[%d].status", i), state, "True", "False", "Unknown"))
		}
	}
}
