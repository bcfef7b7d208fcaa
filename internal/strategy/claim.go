package strategy

import (
	"slices"
	"strconv"
	"strings"

	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/quantity"
	"apichain/internal/tree"
)

// Claims of persistent volumes: their spec, which stateful sets and ephemeral volumes have as a
// template, and the kind, whose spec hardly changes: a volume is bound to it once, it may grow while
// it is bound, and get another class of attributes.

// storageClassAnnotation named the class of a claim before the spec did.
const storageClassAnnotation = "volume.beta.kubernetes.io/storage-class"

// claimStatusDefaults rounds amounts.
func claimStatusDefaults(status map[string]any) {
	roundUp(tree.Object(status, "capacity"))
	roundUp(tree.Object(status, "allocatedResources"))
}

// checkClaimSpec is about the spec of a claim, wherever it stands. The templates of a stateful set
// are not judged again, since they cannot change.
func checkClaimSpec(v *kinds.Visit) {
	if v.Update() && v.Type.Name == "apps.StatefulSet" {
		return
	}
	modes := tree.List(v.Obj, "accessModes")
	if len(modes) == 0 {
		v.Add(field.Required(v.Path("accessModes"), "at least 1 access mode is required"))
	}
	v.Add(accessModeErrors(v.Path("accessModes"), modes)...)
	tolerated := func() bool { return len(labelSelectorErrors(tree.Object(v.Old, "selector"), never)) > 0 }
	v.Add(below(v.Path("selector"), labelSelectorErrors(tree.Object(v.Obj, "selector"), tolerated))...)
	at := v.Path("resources", kinds.MapKey("storage"))
	if size, ok := tree.At(v.Obj, "resources", "requests", "storage").(string); ok {
		v.Add(positiveErrors(at, size)...)
	} else {
		v.Add(field.Required(at, ""))
	}
	for _, name := range []string{"storageClassName", "volumeAttributesClassName"} {
		if class := tree.Text(v.Obj, name); class != "" {
			v.Add(invalids(v.Path(name), class, field.DNSSubdomainErrors)...)
		}
	}
	checkDataSources(v)
}

// checkDataSources is about what the volume is filled with: two fields that say the same.
func checkDataSources(v *kinds.Visit) {
	for _, name := range []string{"dataSource", "dataSourceRef"} {
		source := tree.Object(v.Obj, name)
		if source == nil {
			continue
		}
		needs(v, name, "name", "kind")
		kind, group := tree.Text(source, "kind"), tree.Text(source, "apiGroup")
		if group == "" && kind != "PersistentVolumeClaim" {
			v.Add(field.Invalid(v.Path(name), kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
		}
		// A group that is there already is tolerated, whichever it is.
		if group != "" && tree.Text(v.Old, "dataSource", "apiGroup")+tree.Text(v.Old, "dataSourceRef", "apiGroup") == "" {
			v.Add(invalids(v.Path(name, "apiGroup"), group, field.DNSSubdomainErrors)...)
		}
	}
	source, ref := tree.Object(v.Obj, "dataSource"), tree.Object(v.Obj, "dataSourceRef")
	namespace := tree.Text(ref, "namespace")
	if namespace != "" {
		v.Add(invalids(v.Path("dataSourceRef", "namespace"), namespace, field.DNSLabelErrors)...)
	}
	// The value is a path, which has no fields that are shown.
	switch {
	case source == nil || ref == nil:
	case namespace != "":
		v.Add(field.Invalid(v.Path(), field.JSON("{}"), "may not be specified when dataSourceRef.namespace is specified"))
	case !tree.Equal(source, ref):
		v.Add(field.Invalid(v.Path(), field.JSON("{}"), "must match dataSourceRef"))
	}
}

// checkClaimTemplate is about the metadata of a template, which may have labels and annotations only.
func checkClaimTemplate(v *kinds.Visit) {
	meta := tree.Object(v.Obj, "metadata")
	for _, name := range tree.SortedKeys(meta) {
		switch name {
		case "labels":
			labels := tree.Object(meta, name)
			for _, key := range tree.SortedKeys(labels) {
				v.Add(invalids(v.Path("metadata", name), key, field.LabelKeyErrors)...)
				v.Add(invalids(v.Path("metadata", name), tree.Text(labels, key), field.LabelValueErrors)...)
			}
		case "annotations":
			for _, key := range tree.SortedKeys(tree.Object(meta, name)) {
				for _, why := range field.LabelKeyErrors(strings.ToLower(key)) {
					v.Add(field.Invalid(v.Path("metadata", name), key, why))
				}
			}
		case "uid":
			v.Add(field.Forbidden(v.Path("metadata", "uID"), "cannot be set")) // upstream's spelling
		default:
			if meta[name] != nil {
				v.Add(field.Forbidden(v.Path("metadata", name), "cannot be set"))
			}
		}
	}
}

// checkClaim is about the kind: what changes of its spec. An update compares specs in which whatever
// may change has been made equal.
func checkClaim(v *kinds.Visit) {
	if !v.Update() || v.Type.Name != "PersistentVolumeClaim" { // a stateful set has it as a template
		return
	}
	spec, old := tree.Object(v.Obj, "spec"), tree.Object(v.OldRoot, "spec")
	now, _ := tree.Copy(spec).(map[string]any)
	before, _ := tree.Copy(old).(map[string]any)
	if tree.Text(old, "volumeName") == "" {
		move(before, now, "volumeName")
	}
	checkClass(v, now, before)
	bound := tree.Text(v.Obj, "status", "phase") == "Bound"
	if bound {
		if requests := tree.Object(now, "resources", "requests"); requests != nil {
			move(requests, tree.Object(old, "resources", "requests"), "storage")
		}
		move(now, before, "volumeAttributesClassName")
	}
	if !sameClaimSpec(now, before) {
		v.Add(field.Forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"))
	}
	at := []string{"resources", "requests", "storage"}
	size, oldSize := tree.Text(spec, at...), tree.Text(old, at...)
	if quantity.Cmp(size, oldSize) < 0 && quantity.Cmp(size, tree.Text(v.OldRoot, "status", "capacity", "storage")) <= 0 {
		v.Add(field.Forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
	}
	if !tree.Equal(spec["volumeMode"], old["volumeMode"]) {
		v.Add(field.Invalid("volumeMode", spec["volumeMode"], "field is immutable"))
	}
	// A class of attributes that was applied stays, or gives way to another one.
	if tree.At(v.OldRoot, "status", "currentVolumeAttributesClassName") == nil {
		return
	}
	const class, applied = "volumeAttributesClassName", " is forbidden when status.currentVolumeAttributesClassName is not nil"
	switch {
	case tree.Equal(spec[class], old[class]):
	case spec[class] == nil:
		v.Add(field.Forbidden("spec."+class, "update to nil"+applied))
	case spec[class] == "":
		v.Add(field.Forbidden("spec."+class, "update to empty string"+applied))
	}
}

// checkClass lets a claim get the storage class that its annotation names, or one where it has none.
// Otherwise the annotation does not change.
func checkClass(v *kinds.Visit, now, before map[string]any) {
	annotation, annotated := tree.Object(v.OldRoot, "metadata", "annotations")[storageClassAnnotation]
	newAnnotation, still := tree.Object(v.Obj, "metadata", "annotations")[storageClassAnnotation]
	class, old := now["storageClassName"], before["storageClassName"]
	if annotated && old == nil && class == annotation && (!still || newAnnotation == annotation) {
		delete(now, "storageClassName")
		return
	}
	if text, _ := newAnnotation.(string); annotated != still || newAnnotation != annotation {
		if was, _ := annotation.(string); text != was {
			v.Add(field.Invalid("metadata.annotations."+storageClassAnnotation, text, "field is immutable"))
		}
	}
	if class != nil && old == nil && (!annotated || class == annotation) {
		delete(now, "storageClassName")
	}
}

// sameClaimSpec reports whether two specs are equal. Quantities are equal as numbers.
func sameClaimSpec(a, b map[string]any) bool {
	for _, name := range []string{"requests", "limits"} {
		x, y := tree.Object(a, "resources", name), tree.Object(b, "resources", name)
		for key, size := range x {
			s, _ := size.(string)
			if t, ok := y[key].(string); ok && quantity.Cmp(s, t) == 0 {
				x[key] = t
			}
		}
	}
	return tree.Equal(a, b)
}

// move gives an object the field that another one has, or none if that has none.
func move(to, from map[string]any, name string) {
	if value, ok := from[name]; ok {
		to[name] = value
	} else {
		delete(to, name)
	}
}

// resizeStatuses are how far growing a claim can have come.
const resizeStatuses = "ControllerResizeInProgress ControllerResizeInfeasible NodeResizeInProgress NodeResizeInfeasible NodeResizePending"

// checkClaimStatus is about the status of a claim: sizes, and how far growing it has come.
func checkClaimStatus(v *kinds.Visit) {
	status := tree.Object(v.Obj, "status")
	capacity := tree.Object(status, "capacity")
	for _, name := range tree.SortedKeys(capacity) {
		v.Add(negativeErrors(v.Path("status", "capacity", kinds.MapKey(name)), tree.Text(capacity, name))...)
	}
	at, supported := v.Path("status", "allocatedResourceStatuses"), strings.Fields(resizeStatuses)
	resizes := tree.Object(status, "allocatedResourceStatuses")
	for _, name := range tree.SortedKeys(resizes) {
		v.Add(claimResourceErrors(at, name)...)
		if !slices.Contains(supported, tree.Text(resizes, name)) {
			v.Add(field.NotSupported(at, name, supported...))
		}
	}
	at = v.Path("status", "allocatedResources")
	sizes := tree.Object(status, "allocatedResources")
	for _, name := range tree.SortedKeys(sizes) {
		errs := claimResourceErrors(at, name)
		if len(errs) == 0 {
			errs = negativeErrors(v.Path("status", "allocatedResources", kinds.MapKey(name)), tree.Text(sizes, name))
		}
		v.Add(errs...)
	}
}

// claimResourceErrors returns what is wrong with the name of what a claim can ask for: storage, or
// what others have made up in a domain of theirs.
func claimResourceErrors(path, name string) []field.Error {
	if errs := invalids(path, name, field.LabelKeyErrors); len(errs) > 0 {
		return errs
	}
	if name != "storage" && (!strings.Contains(name, "/") || strings.Contains(name, "kubernetes.io/")) {
		return []field.Error{field.NotSupported(path, name, "storage")}
	}
	return nil
}

// prepareClaim drops what no feature asks for, and makes the two fields that say what a volume is
// filled with alike: the older one takes claims and snapshots only, and is dropped otherwise, as if it
// had never been sent.
func prepareClaim(obj, old map[string]any) {
	spec := tree.Object(obj, "spec")
	if spec == nil {
		return
	}
	before := tree.Object(old, "spec")
	if tree.Text(spec, "dataSourceRef", "namespace") != "" && before["dataSourceRef"] == nil {
		delete(spec, "dataSourceRef")
	}
	if source := tree.Object(spec, "dataSource"); before["dataSource"] == nil && before["dataSourceRef"] == nil && spec["dataSourceRef"] == nil {
		switch tree.Text(source, "apiGroup") + "/" + tree.Text(source, "kind") {
		case "/PersistentVolumeClaim", "snapshot.storage.k8s.io/VolumeSnapshot":
		default:
			delete(spec, "dataSource")
		}
	}
	source, ref := tree.Object(spec, "dataSource"), tree.Object(spec, "dataSourceRef")
	switch {
	case source != nil && ref == nil:
		spec["dataSourceRef"] = tree.Copy(source)
	case ref != nil && source == nil:
		spec["dataSource"] = without(ref, "namespace")
	}
}

// prepareClaimStatus drops what no feature asks for.
func prepareClaimStatus(obj, _ map[string]any) { delete(tree.Object(obj, "status"), "healthStatus") }

// claimWarnings tells of the old annotation, and of bytes that are not whole.
func claimWarnings(obj, _ map[string]any) []string {
	var warnings []string
	if _, ok := tree.Object(obj, "metadata", "annotations")[storageClassAnnotation]; ok {
		warnings = append(warnings, "metadata.annotations["+storageClassAnnotation+`]: deprecated since v1.8; use "storageClassName" attribute instead`)
	}
	return append(warnings, claimSpecWarnings("spec", tree.Object(obj, "spec"))...)
}

// claimSpecWarnings tells of bytes that are not whole in the spec of a claim at the path.
func claimSpecWarnings(path string, spec map[string]any) (warnings []string) {
	for _, name := range []string{"requests", "limits"} {
		size := tree.Text(spec, "resources", name, "storage")
		if size != "" && quantity.Units(size, -3)%1000 != 0 {
			warnings = append(warnings, path+".resources."+name+"[storage]: fractional byte value "+strconv.Quote(size)+" is invalid, must be an integer")
		}
	}
	return warnings
}
