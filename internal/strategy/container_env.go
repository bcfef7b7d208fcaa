package strategy

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Environments of containers: values, and the sources that values are taken from, of which
// there is exactly one. A source is a key of a config map or a secret, a line of a file in a
// volume, a field of the pod or a resource of a container:
//
//	valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}
//	valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}
//
// The last two are also what a volume of downwardAPI shows as files, with other fields: one
// that changes while the pod runs (labels as a whole) is of use in a file, and one that is
// known late (an address of the pod) only to a process that starts later still.

// envSources are the sources of a value.
var envSources = [...]string{"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"}

// envFields and volumeFields are what a variable and a volume may show of a pod, and envResources what both may
// show of a container, in order.
var (
	envFields = []string{"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"}
	volumeFields = []string{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}
	envResources = []string{"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
		"requests.memory"}
)

// env checks where the values of variables come from (upstream's ValidateEnv). A variable
// without a source is a rule of its fields alone.
func (p *podSpec) env(c *container) {
	for i, e := range each(c.obj["env"]) {
		from, ok := e["valueFrom"].(map[string]any)
		if !ok {
			continue
		}
		// Whether a source is there counts, and not what is in it: an empty one is wrong in
		// itself.
		sources := 0
		for _, s := range envSources {
			if from[s] != nil {
				sources++
			}
		}
		why := ""
		switch {
		case sources == 0:
			why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
		case tree.Text(e, "value") != "":
			why = "may not be specified when `value` is not empty"
		case sources > 1:
			why = "may not have more than one field specified at a time"
		}
		// The first fault is told, at the sources as a whole, without a value.
		if why != "" {
			p.Add(field.Invalid(p.Path(c.list, c.i, "env", i, "valueFrom"), "", why))
		}
		if ref, ok := from["fieldRef"].(map[string]any); ok {
			p.addBelow(fieldSelectorErrors(ref, envFields), c.list, c.i, "env", i, "valueFrom", "fieldRef")
		}
		if ref, ok := from["resourceFieldRef"].(map[string]any); ok {
			p.addBelow(resourceSelectorErrors(ref, false), c.list, c.i, "env", i, "valueFrom", "resourceFieldRef")
		}
		if ref, ok := from["fileKeyRef"].(map[string]any); ok {
			p.fileRef(c, i, ref)
		}
	}
}

// fileRef checks that a file with values is in a volume that is an empty directory: an earlier
// container has written it, in the same pod.
func (p *podSpec) fileRef(c *container, i int, ref map[string]any) {
	name := tree.Text(ref, "volumeName")
	volume := p.volume(name)
	switch {
	case volume == nil:
		p.Add(notFound(p.Path(c.list, c.i, "env", i, "valueFrom", "fileKeyRef", "volumeName"), name))
	case volume["emptyDir"] == nil:
		p.Add(field.Invalid(p.Path(c.list, c.i, "env", i, "valueFrom", "fileKeyRef", "volumeName"), name,
			"referenced volume must be of type emptyDir"))
	}
	if path := tree.Text(ref, "path"); hasBackstep(path) {
		p.Add(field.Invalid(p.Path(c.list, c.i, "env", i, "valueFrom", "fileKeyRef", "path"), path, "must not contain '..'"))
	}
}

// envFrom checks that each entry has one source. The path of errors about that is the list's
// (upstream).
func (p *podSpec) envFrom(c *container) {
	for _, e := range each(c.obj["envFrom"]) {
		switch byMap, bySecret := e["configMapRef"] != nil, e["secretRef"] != nil; {
		case byMap && bySecret:
			p.Add(field.Invalid(p.Path(c.list, c.i, "envFrom"), "", "may not have more than one field specified at a time"))
		case !byMap && !bySecret:
			p.Add(field.Invalid(p.Path(c.list, c.i, "envFrom"), "", "must specify one of: `configMapRef` or `secretRef`"))
		}
	}
}

// checkKeyRef is the rule of a reference to a key of a config map or a secret, of which
// upstream demands a name even where it may be missing (optional).
func checkKeyRef(v *kinds.Visit) {
	name := tree.Text(v.Obj, "name")
	for _, why := range field.DNSSubdomainErrors(name) {
		v.Add(field.Invalid(v.Path("name"), name, why))
	}
}

// checkEnvSource is the rule of a reference to all keys of one. A hyphen at the end is taken,
// as if the name were still to be completed.
func checkEnvSource(v *kinds.Visit) {
	name := tree.Text(v.Obj, "name")
	if name == "" {
		v.Add(field.Required(v.Path("name"), ""))
		return
	}
	whole := name
	// Upstream puts a letter for the last two characters, whatever the first of them is; so
	// "a.-" is taken.
	if n := len(name); n > 1 && name[n-1] == '-' {
		whole = name[:n-2] + "a"
	}
	for _, why := range field.DNSSubdomainErrors(whole) {
		v.Add(field.Invalid(v.Path("name"), name, why))
	}
}

// podFields are the fields of a pod that a reference may name at all; of those, variables and
// volumes may show a few each.
var podFields = [...]string{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
	"spec.nodeName",
	"spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName", "status.phase", "status.hostIP", "status.hostIPs",
	"status.podIP", "status.podIPs"}

// fieldRefErrors returns what is wrong with a volume's reference to a field of the pod, with
// paths below path. Volumes are checked by a rule of their own, which knows no podSpec.
func fieldRefErrors(path string, ref map[string]any) []field.Error {
	return below(path, fieldSelectorErrors(ref, volumeFields))
}

// resourceRefErrors returns what is wrong with a volume's reference to a resource of a
// container, with paths below path.
func resourceRefErrors(path string, ref map[string]any) []field.Error {
	return below(path, resourceSelectorErrors(ref, true))
}

// below puts a path in front of those of errors, which it changes.
func below(path string, errs []field.Error) []field.Error {
	for i := range errs {
		errs[i].Field = path + errs[i].Field
	}
	return errs
}

// addBelow adds errors whose paths are below at. The path is made only where there are any.
func (p *podSpec) addBelow(errs []field.Error, at ...any) {
	if len(errs) > 0 {
		p.Add(below(p.Path(at...), errs)...)
	}
}

// fieldSelectorErrors returns what is wrong with a reference to a field of the pod, which must
// be one of expressions or one label or annotation (upstream's validateObjectFieldSelector).
// The paths are below the reference's.
func fieldSelectorErrors(ref map[string]any, expressions []string) (errs []field.Error) {
	version, path := tree.Text(ref, "apiVersion"), tree.Text(ref, "fieldPath")
	if version == "" {
		return []field.Error{field.Required(".apiVersion", "")}
	}
	if path == "" {
		return []field.Error{field.Required(".fieldPath", "")}
	}
	// A path is first converted to the newest version's, and then looked up among what may be
	// shown; each step has its own error.
	base, key, keyed := cutSubscript(path)
	why := ""
	switch {
	case version != "v1":
		why = "unsupported pod version: " + version
	case keyed && base != "metadata.annotations" && base != "metadata.labels":
		why = "field label does not support subscript: " + path
	// It is the name that the field had in an older version.
	case !keyed && path == "spec.host":
		base = "spec.nodeName"
	case !keyed && !slices.Contains(podFields[:], path):
		why = "field label not supported: " + path
	}
	switch {
	case why != "":
		errs = append(errs, field.Invalid(".fieldPath", path, "error converting fieldPath: "+why))
	case keyed:
		// Keys of annotations are checked as if in lower case, as where they are set.
		if base == "metadata.annotations" {
			key = strings.ToLower(key)
		}
		for _, why := range field.LabelKeyErrors(key) {
			errs = append(errs, field.Invalid("", key, why))
		}
	case !slices.Contains(expressions, base):
		errs = append(errs, field.NotSupported(".fieldPath", base, expressions...))
	}
	return errs
}

// cutSubscript takes metadata.labels['key'] apart. What is not of this form is a path as a
// whole.
func cutSubscript(path string) (base, key string, ok bool) {
	rest, ok := strings.CutSuffix(path, "']")
	if !ok {
		return path, "", false
	}
	base, key, ok = strings.Cut(rest, "['")
	if !ok || base == "" {
		return path, "", false
	}
	return base, key, true
}

// resourceSelectorErrors returns what is wrong with a reference to a resource of a container,
// which a volume must name: a variable is in one already. The paths are below the reference's.
func resourceSelectorErrors(ref map[string]any, volume bool) (errs []field.Error) {
	resource := tree.Text(ref, "resource")
	hugePages := strings.HasPrefix(resource, "requests.hugepages-") || strings.HasPrefix(resource, "limits.hugepages-")
	switch {
	case volume && tree.Text(ref, "containerName") == "":
		errs = append(errs, field.Required(".containerName", ""))
	case resource == "":
		errs = append(errs, field.Required(".resource", ""))
	case !hugePages && !slices.Contains(envResources, resource):
		errs = append(errs, field.NotSupported(".resource", resource, envResources...))
	}
	divisor := tree.Text(ref, "divisor")
	// No divisor means 1, which kubelets put in when they use it.
	if quantity.Sign(divisor) == 0 {
		return errs
	}
	_, name, _ := strings.Cut(resource, ".")
	units, values := "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei", "1 1k 1M 1G 1T 1P 1E 1Ki 1Mi 1Gi 1Ti 1Pi 1Ei"
	switch {
	// Processor is counted in thousandths or whole ones, everything else in bytes.
	case resource == "limits.cpu" || resource == "requests.cpu":
		units, values = "1m and 1", "1m 1"
	case hugePages:
		name = "hugepages"
	// What is no resource has been told above, and has no divisors to choose from.
	case !slices.Contains(envResources, resource):
		return errs
	case name == "ephemeral-storage":
		name = "local ephemeral storage"
	}
	// Texts are compared and not amounts: by now a divisor is in upstream's form.
	for value := range strings.SplitSeq(values, " ") {
		if value == divisor {
			return errs
		}
	}
	// The value of the error is the resource, and not the divisor (upstream).
	return append(errs, field.Invalid(".divisor", resource, "only divisor's values "+units+" are supported with the "+name+" resource"))
}
