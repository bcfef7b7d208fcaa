package strategy

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Persistent volumes: the kind, and their spec, which an attachment may have in it too, with less.
//
// What both have in common is judged first, then what one of them has alone:
//
//	PersistentVolume   capacity, reclaim policy, mode, class, affinity, class of attributes
//	VolumeAttachment   spec.source.inlineVolumeSpec: a CSI source and access modes, little else
//
// A persistent volume is made once for one piece of storage, so an update may change next to nothing of
// where that is. Upstream's messages of such errors end with a diff of Go structs, which is left out here.

// accessModes are the ways to mount a volume, in the order of their names.
const accessModes = "ReadOnlyMany ReadWriteMany ReadWriteOnce ReadWriteOncePod"

// accessModeErrors returns what is wrong with a list of access modes, all of it shown at the list.
// A claim has the same rule. ReadWriteOncePod stands alone: it promises one pod, and any other mode beside
// it would promise more.
func accessModeErrors(path string, modes []any) (errs []field.Error) {
	supported := strings.Fields(accessModes)
	alone, others := false, false
	for _, mode := range tree.Strings(modes) {
		switch {
		case !slices.Contains(supported, mode):
			errs = append(errs, field.NotSupported(path, mode, supported...))
		case mode == "ReadWriteOncePod":
			alone = true
		default:
			others = true
		}
	}
	if alone && others {
		errs = append(errs, field.Forbidden(path, "may not use ReadWriteOncePod with other access modes"))
	}
	return errs
}

// checkPersistentVolume is about the spec of a persistent volume.
// Access modes are asked of either kind; then each has its own part.
func checkPersistentVolume(v *kinds.Visit) {
	modes := tree.List(v.Obj, "accessModes")
	if len(modes) == 0 {
		v.Add(field.Required(v.Path("accessModes"), ""))
	}
	v.Add(accessModeErrors(v.Path("accessModes"), modes)...)
	if v.Type.Name == "storage.VolumeAttachment" {
		checkInlineVolume(v)
	} else {
		checkCapacity(v)
		checkVolumeChoices(v)
	}
	// A local disk is on one node. Without an affinity the scheduler would put pods anywhere; upstream
	// looks at the source it has found first.
	if v.Obj["local"] != nil && firstSource(v.Obj, persistentSources) == "local" && v.Obj["nodeAffinity"] == nil {
		v.Add(field.Required(v.Path("nodeAffinity"), "Local volume requires node affinity"))
	}
	// Recycling empties the volume, which here would be all of a node.
	host, policy := tree.Object(v.Obj, "hostPath"), tree.Text(v.Obj, "persistentVolumeReclaimPolicy")
	if host != nil && path.Clean(tree.Text(host, "path")) == "/" && policy == "Recycle" {
		v.Add(field.Forbidden(v.Path("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'"))
	}
}

// checkCapacity demands a size, and nothing else.
// The resource is storage, and each quantity is judged twice, as upstream does: one below zero has both
// errors.
func checkCapacity(v *kinds.Visit) {
	capacity := tree.Object(v.Obj, "capacity")
	if len(capacity) == 0 {
		v.Add(field.Required(v.Path("capacity"), ""))
	}
	if _, ok := capacity["storage"]; !ok || len(capacity) > 1 {
		v.Add(field.NotSupported(v.Path("capacity"), v.Obj["capacity"], "storage"))
	}
	for _, name := range tree.SortedKeys(capacity) {
		// The order of a map is none; that of the names makes answers repeatable.
		at, size := v.Path("capacity", kinds.MapKey(name)), tree.Text(capacity, name)
		v.Add(negativeErrors(at, size)...)
		v.Add(positiveErrors(at, size)...)
	}
}

// negativeErrors returns that a quantity is below zero, as a whole number.
// The value shown is that number, and not the quantity as it was sent; upstream has the same rule for all
// resources (validateBasicResource).
func negativeErrors(path, s string) []field.Error {
	if n := quantity.Units(s, 0); n < 0 {
		return []field.Error{field.Invalid(path, n, "must be a valid resource quantity")}
	}
	return nil
}

// positiveErrors returns that a quantity is not above zero.
// Zero is refused, too (ValidatePositiveQuantityValue).
func positiveErrors(path, s string) []field.Error {
	if quantity.Sign(s) <= 0 {
		return []field.Error{field.Invalid(path, s, "must be greater than zero")}
	}
	return nil
}

// checkVolumeChoices is about what only a persistent volume of its own has.
func checkVolumeChoices(v *kinds.Visit) {
	checkChoice(v, "persistentVolumeReclaimPolicy", "Delete", "Recycle", "Retain")
	checkChoice(v, "volumeMode", "Block", "Filesystem")
	if class := tree.Text(v.Obj, "storageClassName"); class != "" {
		v.Add(invalids(v.Path("storageClassName"), class, field.DNSSubdomainErrors)...)
	}
	// Values that are no labels were stored before upstream asked: those of an affinity that has some
	// already are let be.
	if affinity := tree.Object(v.Obj, "nodeAffinity"); affinity != nil && affinity["required"] == nil {
		v.Add(field.Required(v.Path("nodeAffinity", "required"), "must specify required node constraints"))
	} else if affinity != nil {
		tolerated := func() bool { return badNodeValues(tree.Object(v.Old, "nodeAffinity", "required")) }
		checkNodeSelector(v, tree.Object(affinity, "required"), tolerated, "nodeAffinity", "required")
	}
	// An absent class of attributes and an empty one differ: the empty one would be a class without name,
	// where that of storage classes means none at all.
	attributes, ok := v.Obj["volumeAttributesClassName"].(string)
	if !ok {
		return
	}
	if attributes == "" {
		v.Add(field.Required(v.Path("volumeAttributesClassName"), "an empty string is disallowed"))
	} else {
		v.Add(invalids(v.Path("volumeAttributesClassName"), attributes, field.DNSSubdomainErrors)...)
	}
	// Only a CSI driver can change attributes of a volume that is there.
	if v.Obj["csi"] == nil {
		v.Add(field.Required(v.Path("csi"), "has to be specified when using volumeAttributesClassName"))
	}
}

// checkChoice demands one of the values, in the order given, of a field that is there. An empty text is none
// of them, where the word in takes it for absent.
func checkChoice(v *kinds.Visit, name string, values ...string) {
	if s, ok := v.Obj[name].(string); ok && !slices.Contains(values, s) {
		v.Add(field.NotSupported(v.Path(name), s, values...))
	}
}

// checkInlineVolume is about the volume that an attachment brings along: a CSI one, kept by nobody.
// Such a volume stands for one of an older source that a CSI driver took over. There is no object of it,
// so nothing binds, reclaims or schedules it; what would say how is refused, and not judged further.
func checkInlineVolume(v *kinds.Visit) {
	const inline = " in the context of inline volumes"
	for _, name := range []string{"claimRef", "capacity", "nodeAffinity", "storageClassName"} {
		// Upstream asks of pointers whether they are nil, of texts and maps whether they are empty.
		value := v.Obj[name]
		if m, ok := value.(map[string]any); value == nil || value == "" || name == "capacity" && ok && len(m) == 0 {
			continue
		}
		v.Add(field.Forbidden(v.Path(name), "may not be specified"+inline))
		// It is not to be there: what is in it would only make more errors of the same.
		v.Skip(name)
	}
	if v.Obj["csi"] == nil {
		v.Add(field.Required(v.Path("csi"), "has to be specified"+inline))
	}
	if policy := tree.Text(v.Obj, "persistentVolumeReclaimPolicy"); policy != "" && policy != "Retain" {
		v.Add(field.Forbidden(v.Path("persistentVolumeReclaimPolicy"), "may only be Retain"+inline))
	}
	if mode, ok := v.Obj["volumeMode"]; ok && mode != "Filesystem" {
		v.Add(field.Forbidden(v.Path("volumeMode"), "may not specify volumeMode other than Filesystem"+inline))
	}
}

// mountOptions are in an annotation of volumes that are older than the field.
const mountOptions = "volume.beta.kubernetes.io/mount-options"

// checkVolumeObject is about the kind: options of a mount in an annotation, which most sources take,
// names that are made of the volume's, and what does not change.
func checkVolumeObject(v *kinds.Visit) {
	spec := tree.Object(v.Obj, "spec")
	if _, ok := tree.Object(v.Obj, "metadata", "annotations")[mountOptions]; ok && !takesMountOptions(spec) {
		v.Add(field.Forbidden(v.Path("metadata", "annotations", mountOptions), "may not specify mount options for this volume type"))
	}
	// Upstream passes the name of the volume down to the source's validation; the rule of the type does
	// not know it, so this part of the rule is here. targetportal is upstream's spelling.
	if iscsi := tree.Object(spec, "iscsi"); firstSource(spec, persistentSources) == "iscsi" {
		portal := tree.Text(iscsi, "targetPortal")
		if _, ok := iscsi["initiatorName"]; ok && len(tree.Name(v.Obj))+1+len(portal) > maxPortal {
			v.Add(field.Invalid(v.Path("spec", "iscsi", "targetportal"), portal, portalTooLong))
		}
	}
	if v.Update() {
		checkVolumeUpdate(v, spec, tree.Object(v.OldRoot, "spec"))
	}
}

// takesMountOptions reports whether the volume has a source that is mounted with options.
// The list is upstream's, by name; a CSI volume is not in it.
func takesMountOptions(spec map[string]any) bool {
	for name := range strings.FieldsSeq("gcePersistentDisk awsElasticBlockStore glusterfs nfs rbd quobyte iscsi cinder cephfs " +
		"azureFile vsphereVolume azureDisk photonPersistentDisk") {
		if spec[name] != nil {
			return true
		}
	}
	return false
}

// checkVolumeUpdate is about what does not change: the source, but for a secret to expand it that was
// not there before, the mode, where the volume can be reached from, and that it has a class of attributes.
// The paths of three of them are upstream's.
func checkVolumeUpdate(v *kinds.Visit, spec, old map[string]any) {
	for entry := range strings.FieldsSeq(persistentSources) {
		name, _, _ := strings.Cut(entry, ":")
		now, before := tree.Object(spec, name), tree.Object(old, name)
		// A driver may learn to expand volumes after they were made. Once there the secret stays: the next
		// update finds one before.
		if name == "csi" && now != nil && before != nil && before["controllerExpandSecretRef"] == nil {
			now = without(now, "controllerExpandSecretRef")
		}
		// The sources are one struct upstream, so however many of them differ there is one error.
		if (now == nil) != (before == nil) || !tree.Equal(now, before) {
			v.Add(field.Forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"))
			break
		}
	}
	if !tree.Equal(spec["volumeMode"], old["volumeMode"]) {
		v.Add(field.Invalid("volumeMode", spec["volumeMode"], "field is immutable"))
	}
	// An affinity may come, since volumes of old got theirs later; it may not go or change.
	if before := tree.Object(old, "nodeAffinity"); before != nil && !sameAffinity(spec["nodeAffinity"], before) {
		v.Add(field.Invalid("nodeAffinity", spec["nodeAffinity"], "field is immutable, except for updating from beta label to GA"))
	}
	if old["volumeAttributesClassName"] != nil && spec["volumeAttributesClassName"] == nil {
		v.Add(field.Forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))
	}
}

// without returns a copy of an object without some fields.
// The copy is shallow: what the fields have is shared.
func without(obj map[string]any, names ...string) map[string]any {
	copied := maps.Clone(obj)
	for _, name := range names {
		delete(copied, name)
	}
	return copied
}

// stableLabel returns the name that a label of nodes has since it is no beta any more, "" for others.
// The pairs are upstream's. That a label is none of them is told by the empty name.
func stableLabel(key string) string {
	switch key {
	case "failure-domain.beta.kubernetes.io/zone":
		return "topology.kubernetes.io/zone"
	case "failure-domain.beta.kubernetes.io/region":
		return "topology.kubernetes.io/region"
	case "beta.kubernetes.io/instance-type":
		return "node.kubernetes.io/instance-type"
	case "beta.kubernetes.io/os", "beta.kubernetes.io/arch":
		return strings.TrimPrefix(key, "beta.")
	}
	return ""
}

// sameAffinity reports whether two affinities of volumes are equal, but for labels that got their
// stable names. Upstream's table of these has an empty name for all others, which then passes too.
func sameAffinity(now any, before map[string]any) bool {
	// What was stored is not to change: the names are put in a copy.
	before, _ = tree.Copy(before).(map[string]any)
	terms := tree.List(now, "required", "nodeSelectorTerms")
	for i, term := range each(tree.List(before, "required", "nodeSelectorTerms")) {
		// Terms, like the conditions in them, are compared by place. More or fewer of them is a difference
		// that the comparison at the end finds.
		if i < len(terms) {
			renameKeys(term["matchExpressions"], tree.List(terms[i], "matchExpressions"))
			renameKeys(term["matchFields"], tree.List(terms[i], "matchFields"))
		}
	}
	return tree.Equal(now, before)
}

// renameKeys gives conditions the keys that they have now, where these are the stable names of theirs.
func renameKeys(before any, now []any) {
	for j, was := range each(before) {
		if j < len(now) && stableLabel(tree.Text(was, "key")) == tree.Text(now[j], "key") {
			was["key"] = tree.Text(now[j], "key")
		}
	}
}

// prepareVolume gives a new volume the time since when it has its phase.
// The first phase is told by the default of the status, Pending.
func prepareVolume(obj, old map[string]any) {
	if old == nil {
		tree.Set(obj, now(), "status", "lastPhaseTransitionTime")
	}
}

// prepareVolumeStatus keeps that time as long as the phase does, and sets it where that changes, unless
// the writer does.
// A controller that knows nothing of the field would otherwise drop it with each write of the status.
func prepareVolumeStatus(obj, old map[string]any) {
	const since = "lastPhaseTransitionTime"
	status, before := tree.Object(obj, "status"), tree.Object(old, "status")
	switch same := tree.Text(status, "phase") == tree.Text(before, "phase"); {
	// Absent is what a writer of old sends.
	case same && status[since] == nil && before[since] != nil:
		status[since] = before[since]
	// The same time with another phase was not meant: it came along with what the writer had read.
	case !same && (status[since] == nil || status[since] == before[since]):
		tree.Set(obj, now(), "status", since)
	}
}

// now returns the time as metadata have it.
func now() string { return time.Now().UTC().Format(time.RFC3339) }
