package strategy

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// The kinds of storage.k8s.io and storagemigration.k8s.io: classes of volumes, the drivers that make
// them, and what they are attached to. Most of it is immutable.

// storageRules are the rules of these kinds and of the types that only they have.
func storageRules() kinds.Rules {
	return kinds.Rules{
		"storage.StorageClass":                     {Check: checkStorageClass},
		"storage.VolumeAttachment":                 {Check: checkAttachment},
		"storage.VolumeAttachmentSource":           {Check: checkAttachmentSource},
		"storage.VolumeAttachmentStatus":           {Check: checkAttachmentStatus},
		"storage.CSIDriverSpec":                    {Default: driverDefaults},
		"storage.CSIDriver":                        {Check: checkDriver},
		"storage.CSINode":                          {Check: checkDriverNode},
		"storage.CSINodeDriver":                    {Check: checkNodeDriver},
		"storage.CSIStorageCapacity":               {Check: checkStorageCapacity},
		"storage.VolumeAttributesClass":            {Check: checkAttributesClass},
		"storagemigration.StorageVersionMigration": {Check: checkMigration, Status: checkMigrationStatus},
	}
}

// storageStrategies are those of volumes, claims and the kinds here.
func storageStrategies() map[kinds.Key]Strategy {
	return map[kinds.Key]Strategy{
		kinds.NewKey("", "v1", "PersistentVolume"):      {Prepare: prepareVolume, PrepareStatus: prepareVolumeStatus, Warnings: volumeWarnings},
		kinds.NewKey("", "v1", "PersistentVolumeClaim"): {Prepare: prepareClaim, PrepareStatus: prepareClaimStatus, Warnings: claimWarnings},

		kinds.NewKey("storage.k8s.io", "v1", "StorageClass"):       {Warnings: classWarnings},
		kinds.NewKey("storage.k8s.io", "v1", "CSIDriver"):          {Prepare: prepareDriver, Warnings: driverWarnings},
		kinds.NewKey("storage.k8s.io", "v1", "CSINode"):            {PrepareStatus: prepareNodeStatus},
		kinds.NewKey("storage.k8s.io", "v1", "CSIStorageCapacity"): {Warnings: capacityWarnings},
	}
}

// prepareDriver counts the changes of a driver's spec. A new one has no count (upstream).
func prepareDriver(obj, old map[string]any) {
	if old != nil && !tree.Equal(obj["spec"], old["spec"]) {
		n, _ := tree.At(old, "metadata", "generation").(int64)
		tree.Set(obj, n+1, "metadata", "generation")
	}
}

// driverDefaults makes the volumes of a driver persistent ones.
func driverDefaults(spec map[string]any) {
	if len(tree.List(spec, "volumeLifecycleModes")) == 0 {
		spec["volumeLifecycleModes"] = []any{"Persistent"}
	}
}

// prepareNodeStatus drops what no feature asks for.
func prepareNodeStatus(obj, _ map[string]any) { delete(tree.Object(obj, "status"), "storageHealth") }

// immutable adds an error for each field of the object that is not as it was. The value is not shown,
// as upstream does not where such a rule is declared.
func immutable(v *kinds.Visit, fields ...string) {
	for _, name := range fields {
		if v.Update() && !tree.Equal(v.Obj[name], v.Old[name]) {
			v.Add(field.Invalid(v.Path(name), nil, "field is immutable"))
		}
	}
}

// provisionerErrors returns what is wrong with the name of who makes volumes, whose case does not
// matter. That it is there is for its row to say.
func provisionerErrors(path, name string) []field.Error {
	if name == "" {
		return nil
	}
	var errs []field.Error
	for _, why := range field.LabelKeyErrors(strings.ToLower(name)) {
		errs = append(errs, field.Invalid(path, strings.ToLower(name), why))
	}
	return errs
}

// The most that parameters of a class may be: in number, and in bytes.
const (
	maxParameters     = 512
	maxParameterBytes = 256 << 10
)

// parameterErrors returns what is wrong with the parameters of a class.
func parameterErrors(path string, parameters map[string]any) (errs []field.Error) {
	if len(parameters) > maxParameters {
		return []field.Error{field.TooLong(path, maxParameters)}
	}
	if _, ok := parameters[""]; ok {
		errs = append(errs, field.Invalid(path, "", "field can not be empty."))
	}
	if textBytes(parameters) > maxParameterBytes {
		errs = append(errs, field.TooLong(path, maxParameterBytes))
	}
	return errs
}

// textBytes returns the bytes of the keys and the texts of a map.
func textBytes(m map[string]any) int {
	n := 0
	for k, v := range m {
		s, _ := v.(string)
		n += len(k) + len(s)
	}
	return n
}

// checkStorageClass is about a class: who makes its volumes, with which parameters, and where.
func checkStorageClass(v *kinds.Visit) {
	v.Add(provisionerErrors(v.Path("provisioner"), tree.Text(v.Obj, "provisioner"))...)
	v.Add(parameterErrors(v.Path("parameters"), tree.Object(v.Obj, "parameters"))...)
	if policy := tree.Text(v.Obj, "reclaimPolicy"); policy != "" && policy != "Delete" && policy != "Retain" {
		v.Add(field.NotSupported(v.Path("reclaimPolicy"), policy, "Delete", "Retain"))
	}
	checkTopologies(v)
	immutable(v, "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
}

// checkTopologies is about where volumes can be: no two terms may say the same, and no term nothing.
func checkTopologies(v *kinds.Visit) {
	topologies := tree.List(v.Obj, "allowedTopologies")
	var before []map[string]any
	for i, topology := range each(topologies) {
		// A term is its keys with their sets of values.
		term := map[string]any{}
		for j, expression := range each(topology["matchLabelExpressions"]) {
			at := []any{"allowedTopologies", i, "matchLabelExpressions", j}
			key, values := tree.Text(expression, "key"), tree.Strings(tree.List(expression, "values"))
			set := map[string]any{}
			for n, value := range values {
				if set[value] != nil {
					v.Add(field.Duplicate(v.Path(append(at, "values", n)...), value))
				}
				set[value] = true
			}
			if len(values) == 0 {
				v.Add(field.Required(v.Path(append(at, "values")...), ""))
			}
			v.Add(invalids(v.Path(append(at, "key")...), key, field.LabelKeyErrors)...)
			if term[key] != nil {
				v.Add(field.Duplicate(v.Path(append(at, "key")...), key))
			}
			term[key] = set
		}
		if len(term) == 0 || slices.ContainsFunc(before, func(t map[string]any) bool { return tree.Equal(t, term) }) {
			v.Add(field.Duplicate(v.Path("allowedTopologies", i, "matchLabelExpressions"), ""))
		}
		before = append(before, term)
	}
}

// declared makes what is said of the name of a driver what upstream says of it where that is declared.
var declared = strings.NewReplacer("63 bytes", "63 characters", "a lowercase RFC 1123", "an RFC 1123",
	"of lower case alphanumeric", "of alphanumeric", "'example.com'", "'Example.com'")

// checkAttachment is about the driver, the node and the volume of an attachment. Nothing of it changes.
func checkAttachment(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	for _, e := range driverErrors(v.Path("spec", "attacher"), tree.Text(spec, "attacher")) {
		e.Message = declared.Replace(e.Message)
		v.Add(e)
	}
	node := tree.Text(spec, "nodeName")
	v.Add(invalids(v.Path("spec", "nodeName"), node, field.DNSSubdomainErrors)...)
	if volume, ok := tree.At(spec, "source", "persistentVolumeName").(string); ok {
		v.Add(invalids(v.Path("spec", "source", "persistentVolumeName"), volume, field.DNSSubdomainErrors)...)
	}
	immutable(v, "spec")
}

// checkAttachmentSource demands a volume: one that is there, or one that the attachment has in it.
func checkAttachmentSource(v *kinds.Visit) {
	const one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
	name, named := v.Obj["persistentVolumeName"]
	inline := v.Obj["inlineVolumeSpec"] != nil
	switch {
	case !named && !inline:
		v.Add(field.Required(v.Path(), one))
	case named && inline:
		v.Add(field.Forbidden(v.Path(), one))
		v.Skip("inlineVolumeSpec")
	case named && name == "":
		v.Add(field.Required(v.Path("persistentVolumeName"), "must specify non empty persistentVolumeName"))
	}
}

// checkAttachmentStatus bounds what a driver tells of an attachment.
func checkAttachmentStatus(v *kinds.Visit) {
	if textBytes(tree.Object(v.Obj, "attachmentMetadata")) > maxParameterBytes {
		v.Add(field.TooLong(v.Path("attachmentMetadata"), maxParameterBytes))
	}
	for _, name := range []string{"attachError", "detachError"} {
		if len(tree.Text(v.Obj, name, "message")) > 1024 {
			v.Add(field.TooLong(v.Path(name, "message"), 1024))
		}
		if code, _ := tree.At(v.Obj, name, "errorCode").(int64); code < 0 {
			v.Add(field.Invalid(v.Path(name, "errorCode"), code, "must be between 0 and 2147483647, inclusive"))
		}
	}
}

// checkDriver is about a driver: the tokens that it wants, and what does not change. A path of the
// latter is not where the field is (upstream).
func checkDriver(v *kinds.Visit) {
	spec, old := tree.Object(v.Obj, "spec"), tree.Object(v.OldRoot, "spec")
	audiences := map[string]bool{}
	requests := tree.List(spec, "tokenRequests")
	for i, request := range each(requests) {
		audience := tree.Text(request, "audience")
		if audiences[audience] {
			v.Add(field.Duplicate(v.Path("spec", "tokenRequests", i, "audience"), audience))
			continue
		}
		audiences[audience] = true
		v.Add(lifetimeErrors(v.Path("spec", "tokenRequests", i, "expirationSeconds"), request["expirationSeconds"])...)
	}
	for _, mode := range tree.Strings(tree.List(spec, "volumeLifecycleModes")) {
		if mode != "Persistent" && mode != "Ephemeral" {
			v.Add(field.NotSupported(v.Path("spec", "volumeLifecycleModes"), mode, "Persistent", "Ephemeral"))
		}
	}
	if n, ok := spec["nodeAllocatableUpdatePeriodSeconds"].(int64); ok && n < 10 {
		v.Add(field.Invalid(v.Path("spec", "nodeAllocatableUpdatePeriodSeconds"), n, "must be greater than or equal to 10 seconds"))
	}
	if in, ok := spec["serviceAccountTokenInSecrets"]; ok && len(requests) == 0 {
		v.Add(field.Invalid(v.Path("spec", "serviceAccountTokenInSecrets"), in, "serviceAccountTokenInSecrets is set but no tokenRequests are specified"))
	}
	if !v.Update() {
		return
	}
	if !tree.Equal(spec["attachRequired"], old["attachRequired"]) {
		v.Add(field.Invalid(v.Path("spec", "attachedRequired"), spec["attachRequired"], "field is immutable"))
	}
	if !tree.Equal(spec["volumeLifecycleModes"], old["volumeLifecycleModes"]) {
		v.Add(field.Invalid(v.Path("spec", "volumeLifecycleModes"), spec["volumeLifecycleModes"], "field is immutable"))
	}
}

// checkDriverNode is about the drivers of a node: none twice, and those that were there before stay as
// they are, but for how many volumes they take.
func checkDriverNode(v *kinds.Visit) {
	names := map[string]bool{}
	for i, driver := range each(tree.At(v.Obj, "spec", "drivers")) {
		name := tree.Text(driver, "name")
		if names[name] {
			v.Add(field.Duplicate(v.Path("spec", "drivers", i, "name"), name))
		}
		names[name] = true
		for _, old := range each(tree.At(v.OldRoot, "spec", "drivers")) {
			now, before := without(driver, "allocatable"), without(old, "allocatable")
			if tree.Text(old, "name") == name && !tree.Equal(now, before) {
				v.Add(field.Invalid(v.Path("spec", "drivers"), now, "field is immutable"))
			}
		}
	}
}

// checkNodeDriver is about one driver of a node. Errors of its keys are shown at the driver.
func checkNodeDriver(v *kinds.Visit) {
	v.Add(driverErrors(v.Path("name"), tree.Text(v.Obj, "name"))...)
	switch id := tree.Text(v.Obj, "nodeID"); {
	case id == "":
		v.Add(field.Required(v.Path("nodeID"), ""))
	case len(id) > 256:
		v.Add(field.Invalid(v.Path("nodeID"), id, "must be 256 characters or less"))
	}
	if n, _ := tree.At(v.Obj, "allocatable", "count").(int64); n < 0 {
		v.Add(field.Invalid(v.Path("allocatable", "count"), n, "must be greater than or equal to 0"))
	}
	keys := map[string]bool{}
	for _, key := range tree.Strings(tree.List(v.Obj, "topologyKeys")) {
		if key == "" {
			v.Add(field.Required(v.Path(), key))
		}
		if keys[key] {
			v.Add(field.Duplicate(v.Path(), key))
		}
		keys[key] = true
		v.Add(invalids(v.Path(), key, field.LabelKeyErrors)...)
	}
}

// checkStorageCapacity is about how much there is of a class at a place, both of which do not change.
func checkStorageCapacity(v *kinds.Visit) {
	tolerated := func() bool { return len(labelSelectorErrors(tree.Object(v.Old, "nodeTopology"), never)) > 0 }
	v.Add(below(v.Path("nodeTopology"), labelSelectorErrors(tree.Object(v.Obj, "nodeTopology"), tolerated))...)
	class := tree.Text(v.Obj, "storageClassName")
	v.Add(invalids(v.Path("storageClassName"), class, field.DNSSubdomainErrors)...)
	if size, ok := v.Obj["capacity"].(string); ok && quantity.Sign(size) < 0 {
		v.Add(field.Invalid(v.Path("capacity"), size, "must be greater than or equal to 0"))
	}
	for _, name := range []string{"nodeTopology", "storageClassName"} {
		if v.Update() && !tree.Equal(v.Obj[name], v.Old[name]) {
			v.Add(field.Invalid(v.Path(name), v.Obj[name], "field is immutable"))
		}
	}
}

// checkAttributesClass is about a class of attributes: a driver and what it is told.
func checkAttributesClass(v *kinds.Visit) {
	v.Add(provisionerErrors(v.Path("driverName"), tree.Text(v.Obj, "driverName"))...)
	parameters := tree.Object(v.Obj, "parameters")
	v.Add(parameterErrors(v.Path("parameters"), parameters)...)
	if len(parameters) == 0 {
		v.Add(field.Required(v.Path("parameters"), "must contain at least one key/value pair"))
	}
	for _, name := range []string{"driverName", "parameters"} {
		if v.Update() && !tree.Equal(v.Obj[name], v.Old[name]) {
			v.Add(field.Forbidden(v.Path(name), "updates to "+name+" are forbidden."))
		}
	}
}

// checkMigration is about the resource whose objects are to be stored again.
func checkMigration(v *kinds.Visit) {
	resource := tree.Text(v.Obj, "spec", "resource", "resource")
	if resource == "" {
		v.Add(field.Required(v.Path("spec", "resource", "resource"), "resource is required to be set"))
	} else if why := field.DNS1035LabelErrors(resource); len(why) > 0 {
		v.Add(field.Invalid(v.Path("spec", "resource", "resource"), resource, strings.Join(why, ",")))
	}
	if group := tree.Text(v.Obj, "spec", "resource", "group"); group != "" {
		if why := field.DNSSubdomainErrors(group); len(why) > 0 {
			v.Add(field.Invalid(v.Path("spec", "resource", "group"), group, strings.Join(why, ",")))
		}
	}
	if v.Update() && !tree.Equal(v.Obj["spec"], v.Old["spec"]) {
		v.Add(field.Invalid(v.Path("spec"), v.Obj["spec"], "field is immutable"))
	}
}

// checkMigrationStatus keeps a migration at its end: it succeeds or fails, and stays so.
func checkMigrationStatus(v *kinds.Visit) {
	at, conditions := v.Path("status", "conditions"), tree.At(v.Obj, "status", "conditions")
	ended := func(obj map[string]any, kind string) bool {
		for _, c := range each(tree.At(obj, "status", "conditions")) {
			if tree.Text(c, "type") == kind {
				return tree.Text(c, "status") == "True"
			}
		}
		return false
	}
	v.Add(conditionErrors(at, tree.List(v.Obj, "status", "conditions"))...)
	was, now := tree.Text(v.OldRoot, "status", "resourceVersion"), tree.Text(v.Obj, "status", "resourceVersion")
	if now != "" && (strings.Trim(now, "0123456789") != "" || now[0] == '0') {
		v.Add(field.Invalid(v.Path("status", "resourceVersion"), now, "resource version is not well formed: "+now))
	}
	if was != "" && was != now {
		v.Add(field.Invalid(v.Path("status", "resourceVersion"), now, "field is immutable"))
	}
	if ended(v.Obj, "Succeeded") && ended(v.Obj, "Failed") {
		v.Add(field.Invalid(at, conditions, "Both success and failed conditions cannot be true at the same time"))
	}
	if ended(v.OldRoot, "Succeeded") && !ended(v.Obj, "Succeeded") {
		v.Add(field.Invalid(at, conditions, "Success condition cannot be set to false once it is true"))
	}
	if ended(v.OldRoot, "Failed") && !ended(v.Obj, "Failed") {
		v.Add(field.Invalid(at, conditions, "Failed condition cannot be set to false once it is true"))
	}
}
