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
//
//	StorageClass              provisioner and parameters of volumes that are made on demand
//	VolumeAttributesClass     parameters that a volume may change to while it is there
//	VolumeAttachment          a volume is to be attached to a node; the status says whether it is
//	CSIDriver, CSINode        what a driver can do, and which drivers a node has
//	CSIStorageCapacity        how much there is of a class at a place, for the scheduler
//	StorageVersionMigration   a resource whose objects are to be written once more
//
// Rules that upstream writes in Go show a value; those that it declares at its types do not, and have
// other words for the same thing. Which of the two a field has was taken from the real server's answers.

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
// A write that changes nothing of it keeps the count.
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
// It adds nothing in a create.
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
// They go to the driver as they are, so only their size is bounded.
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
	// A volume of a class is deleted or kept. Recycling is for volumes that somebody made by hand.
	if policy := tree.Text(v.Obj, "reclaimPolicy"); policy != "" && policy != "Delete" && policy != "Retain" {
		v.Add(field.NotSupported(v.Path("reclaimPolicy"), policy, "Delete", "Retain"))
	}
	checkTopologies(v)
	// What may change is what is no promise to a volume made already: whether it can grow, how it is
	// mounted, and where others of the class can be.
	immutable(v, "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
}

// checkTopologies is about where volumes can be: no two terms may say the same, and no term nothing.
// Upstream's paths of a term end with matchLabelExpressions, at which an empty term is a duplicate, too:
// it is compared with as many empty terms as the list is long.
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
			// Of a key twice the last one counts in the comparison, as in upstream's map.
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
// The name of a driver is judged in Go where a volume has it, and by a declaration in an attachment.
var declared = strings.NewReplacer("63 bytes", "63 characters", "a lowercase RFC 1123", "an RFC 1123",
	"of lower case alphanumeric", "of alphanumeric", "'example.com'", "'Example.com'")

// checkAttachment is about the driver, the node and the volume of an attachment. Nothing of it changes.
// The spec is judged as a whole here since its errors come in the order in which upstream declares them.
func checkAttachment(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	for _, e := range driverErrors(v.Path("spec", "attacher"), tree.Text(spec, "attacher")) {
		e.Message = declared.Replace(e.Message)
		v.Add(e)
	}
	node := tree.Text(spec, "nodeName")
	v.Add(invalids(v.Path("spec", "nodeName"), node, field.DNSSubdomainErrors)...)
	// An empty name is told of by the rule of the source, too.
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
// It comes from a driver outside of Kubernetes, and all of it is kept in the store.
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
	// A token is asked for an audience, and two requests for one would differ in nothing but how long it
	// is good.
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
	// Each wrong mode is shown at the list, not at its place in it.
	for _, mode := range tree.Strings(tree.List(spec, "volumeLifecycleModes")) {
		if mode != "Persistent" && mode != "Ephemeral" {
			v.Add(field.NotSupported(v.Path("spec", "volumeLifecycleModes"), mode, "Persistent", "Ephemeral"))
		}
	}
	if n, ok := spec["nodeAllocatableUpdatePeriodSeconds"].(int64); ok && n < 10 {
		v.Add(field.Invalid(v.Path("spec", "nodeAllocatableUpdatePeriodSeconds"), n, "must be greater than or equal to 10 seconds"))
	}
	// Where the tokens go can only be said by a driver that gets any.
	if in, ok := spec["serviceAccountTokenInSecrets"]; ok && len(requests) == 0 {
		v.Add(field.Invalid(v.Path("spec", "serviceAccountTokenInSecrets"), in, "serviceAccountTokenInSecrets is set but no tokenRequests are specified"))
	}
	if !v.Update() {
		return
	}
	// The path is upstream's: it has attachedRequired, which is no field.
	if !tree.Equal(spec["attachRequired"], old["attachRequired"]) {
		v.Add(field.Invalid(v.Path("spec", "attachedRequired"), spec["attachRequired"], "field is immutable"))
	}
	// Whoever has made a volume relies on the mode that it was made for.
	if !tree.Equal(spec["volumeLifecycleModes"], old["volumeLifecycleModes"]) {
		v.Add(field.Invalid(v.Path("spec", "volumeLifecycleModes"), spec["volumeLifecycleModes"], "field is immutable"))
	}
}

// checkDriverNode is about the drivers of a node: none twice, and those that were there before stay as
// they are, but for how many volumes they take.
// The kubelet writes the object, one driver at a time as they register.
func checkDriverNode(v *kinds.Visit) {
	names := map[string]bool{}
	for i, driver := range each(tree.At(v.Obj, "spec", "drivers")) {
		name := tree.Text(driver, "name")
		if names[name] {
			v.Add(field.Duplicate(v.Path("spec", "drivers", i, "name"), name))
		}
		names[name] = true
		// allocatable follows the node's hardware. The error shows the driver as it is now, at the list.
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
	// The node's name in the driver's own world.
	switch id := tree.Text(v.Obj, "nodeID"); {
	case id == "":
		v.Add(field.Required(v.Path("nodeID"), ""))
	case len(id) > 256:
		v.Add(field.Invalid(v.Path("nodeID"), id, "must be 256 characters or less"))
	}
	if n, _ := tree.At(v.Obj, "allocatable", "count").(int64); n < 0 {
		v.Add(field.Invalid(v.Path("allocatable", "count"), n, "must be greater than or equal to 0"))
	}
	// Upstream has no index in the paths of these, and puts the empty key where the detail would be.
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
	// As elsewhere: a selector that is stored with values that are no labels can be stored again.
	tolerated := func() bool { return len(labelSelectorErrors(tree.Object(v.Old, "nodeTopology"), never)) > 0 }
	v.Add(below(v.Path("nodeTopology"), labelSelectorErrors(tree.Object(v.Obj, "nodeTopology"), tolerated))...)
	class := tree.Text(v.Obj, "storageClassName")
	v.Add(invalids(v.Path("storageClassName"), class, field.DNSSubdomainErrors)...)
	if size, ok := v.Obj["capacity"].(string); ok && quantity.Sign(size) < 0 {
		v.Add(field.Invalid(v.Path("capacity"), size, "must be greater than or equal to 0"))
	}
	// What the numbers are about is the object's identity; the numbers themselves change all the time.
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
	// A class without parameters would change nothing.
	if len(parameters) == 0 {
		v.Add(field.Required(v.Path("parameters"), "must contain at least one key/value pair"))
	}
	// Upstream has its own words for immutability here, with a full stop.
	for _, name := range []string{"driverName", "parameters"} {
		if v.Update() && !tree.Equal(v.Obj[name], v.Old[name]) {
			v.Add(field.Forbidden(v.Path(name), "updates to "+name+" are forbidden."))
		}
	}
}

// checkMigration is about the resource whose objects are to be stored again.
func checkMigration(v *kinds.Visit) {
	resource := tree.Text(v.Obj, "spec", "resource", "resource")
	// All that is wrong with a name is one error here, in which the reasons are joined.
	if resource == "" {
		v.Add(field.Required(v.Path("spec", "resource", "resource"), "resource is required to be set"))
	} else if why := field.DNS1035LabelErrors(resource); len(why) > 0 {
		v.Add(field.Invalid(v.Path("spec", "resource", "resource"), resource, strings.Join(why, ",")))
	}
	// The core group is the empty one.
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
// at is the path of the list, which is shown whole.
func checkMigrationStatus(v *kinds.Visit) {
	at, conditions := v.Path("status", "conditions"), tree.At(v.Obj, "status", "conditions")
	ended := func(obj map[string]any, kind string) bool {
		// The first condition of a type counts; a second one is refused by its own rule.
		for _, c := range each(tree.At(obj, "status", "conditions")) {
			if tree.Text(c, "type") == kind {
				return tree.Text(c, "status") == "True"
			}
		}
		return false
	}
	v.Add(conditionErrors(at, tree.List(v.Obj, "status", "conditions"))...)
	// A version is a whole number above zero without zeros in front, as upstream compares versions.
	was, now := tree.Text(v.OldRoot, "status", "resourceVersion"), tree.Text(v.Obj, "status", "resourceVersion")
	if now != "" && (strings.Trim(now, "0123456789") != "" || now[0] == '0') {
		v.Add(field.Invalid(v.Path("status", "resourceVersion"), now, "resource version is not well formed: "+now))
	}
	// The controller begins with the version that it found, and must end with the same one.
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
