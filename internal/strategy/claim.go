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
//
// A claim asks for a size, ways to mount, and a class; what it is filled with can be said in two fields:
//
//	{"dataSource":{"kind":"PersistentVolumeClaim","name":"c"}}      the older one, of claims and snapshots
//	{"dataSourceRef":{"apiGroup":"example.com","kind":"Book",…}}     of any kind
//
// A writer who says the one gets the other, too, before the claim is judged, so that both old and new
// readers find it (prepareClaim). The rules are those of ValidatePersistentVolumeClaimSpec and of the
// claim's update, whose message ends with a diff of Go structs upstream, which is left out here.

// storageClassAnnotation named the class of a claim before the spec did.
const storageClassAnnotation = "volume.beta.kubernetes.io/storage-class"

// claimStatusDefaults rounds amounts.
// Upstream does so for each list of resources that it defaults: amounts are kept to a thousandth.
func claimStatusDefaults(status map[string]any) {
	roundUp(tree.Object(status, "capacity"))
	roundUp(tree.Object(status, "allocatedResources"))
}

// checkClaimSpec is about the spec of a claim, wherever it stands. The templates of a stateful set
// are not judged again, since they cannot change.
// Errors of the size are shown at resources[storage], which is not where the request is (upstream).
func checkClaimSpec(v *kinds.Visit) {
	if v.Update() && v.Type.Name == "apps.StatefulSet" {
		return
	}
	modes := tree.List(v.Obj, "accessModes")
	if len(modes) == 0 {
		v.Add(field.Required(v.Path("accessModes"), "at least 1 access mode is required"))
	}
	v.Add(accessModeErrors(v.Path("accessModes"), modes)...)
	// A selector that was stored before upstream asked for the form of its values can still be updated.
	tolerated := func() bool { return len(labelSelectorErrors(tree.Object(v.Old, "selector"), never)) > 0 }
	v.Add(below(v.Path("selector"), labelSelectorErrors(tree.Object(v.Obj, "selector"), tolerated))...)
	at := v.Path("resources", kinds.MapKey("storage"))
	// A request is text after pruning, so what is none is absent; a size of zero is refused, not absent.
	if size, ok := tree.At(v.Obj, "resources", "requests", "storage").(string); ok {
		v.Add(positiveErrors(at, size)...)
	} else {
		v.Add(field.Required(at, ""))
	}
	// Empty is no class at all: it keeps the default class away, and is good.
	for _, name := range []string{"storageClassName", "volumeAttributesClassName"} {
		if class := tree.Text(v.Obj, name); class != "" {
			v.Add(invalids(v.Path(name), class, field.DNSSubdomainErrors)...)
		}
	}
	checkDataSources(v)
}

// checkDataSources is about what the volume is filled with: two fields that say the same.
func checkDataSources(v *kinds.Visit) {
	// Upstream has a function for either field, which say the same.
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
	// What is left is about both at once: from another namespace only the newer field can take anything.
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
// The claim is made by a controller, which gives it a name and a namespace; anything of that in the
// template would be ignored. Where upstream has one list of errors for the labels, all of them are shown
// at the map.
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
				// Keys of annotations have had capital letters for as long as there are any, and upstream
				// lowers them to ask.
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
	// Both are copies: what is stored and what is sent stay as they are while the two are made alike.
	spec, old := tree.Object(v.Obj, "spec"), tree.Object(v.OldRoot, "spec")
	now, _ := tree.Copy(spec).(map[string]any)
	before, _ := tree.Copy(old).(map[string]any)
	// A claim is bound once. Only then is the name copied to the older one; a later change is a
	// difference.
	if tree.Text(old, "volumeName") == "" {
		move(before, now, "volumeName")
	}
	checkClass(v, now, before)
	// The phase is that of the object as it is to be stored, which a write of the spec takes from the
	// stored one.
	bound := tree.Text(v.Obj, "status", "phase") == "Bound"
	if bound {
		if requests := tree.Object(now, "resources", "requests"); requests != nil {
			move(requests, tree.Object(old, "resources", "requests"), "storage")
		}
		move(now, before, "volumeAttributesClassName")
	}
	// One error tells of all that differs. The ways out of it are those above, and growing is judged
	// below.
	if !sameClaimSpec(now, before) {
		v.Add(field.Forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"))
	}
	// Growing can fail for want of space. A claim may then ask for less again, down to what it has and a
	// little more: the volume itself never shrinks.
	at := []string{"resources", "requests", "storage"}
	size, oldSize := tree.Text(spec, at...), tree.Text(old, at...)
	if quantity.Cmp(size, oldSize) < 0 && quantity.Cmp(size, tree.Text(v.OldRoot, "status", "capacity", "storage")) <= 0 {
		v.Add(field.Forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
	}
	// The mode is part of the comparison above, and upstream tells it once more, at this path.
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
// now and before are the copies that checkClaim compares: where the class may change it is taken out of
// now, so that they are equal in it.
func checkClass(v *kinds.Visit, now, before map[string]any) {
	annotation, annotated := tree.Object(v.OldRoot, "metadata", "annotations")[storageClassAnnotation]
	newAnnotation, still := tree.Object(v.Obj, "metadata", "annotations")[storageClassAnnotation]
	class, old := now["storageClassName"], before["storageClassName"]
	// From the annotation to the field is a change of where it is said only. The annotation may go with
	// it.
	if annotated && old == nil && class == annotation && (!still || newAnnotation == annotation) {
		delete(now, "storageClassName")
		return
	}
	// Upstream compares texts, so that an empty annotation is as good as none.
	if text, _ := newAnnotation.(string); annotated != still || newAnnotation != annotation {
		if was, _ := annotation.(string); text != was {
			v.Add(field.Invalid("metadata.annotations."+storageClassAnnotation, text, "field is immutable"))
		}
	}
	// A claim that waits for a volume may be given a class afterwards, when there is a default one.
	if class != nil && old == nil && (!annotated || class == annotation) {
		delete(now, "storageClassName")
	}
}

// sameClaimSpec reports whether two specs are equal. Quantities are equal as numbers.
// a may be changed: it gets the texts of b where the amounts are the same.
func sameClaimSpec(a, b map[string]any) bool {
	for _, name := range []string{"requests", "limits"} {
		x, y := tree.Object(a, "resources", name), tree.Object(b, "resources", name)
		for key, size := range x {
			s, _ := size.(string)
			// 1Gi and 1024Mi are one amount. Each has its own text here, since clients read back what they
			// wrote.
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
// Only the controllers that grow volumes write it. Rules are those of upstream's status update.
func checkClaimStatus(v *kinds.Visit) {
	status := tree.Object(v.Obj, "status")
	capacity := tree.Object(status, "capacity")
	for _, name := range tree.SortedKeys(capacity) {
		v.Add(negativeErrors(v.Path("status", "capacity", kinds.MapKey(name)), tree.Text(capacity, name))...)
	}
	// The key is a resource, the value how far it has come. The error shows the key in place of the value,
	// as upstream does.
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
		// Of a resource with a wrong name the amount means nothing.
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
	// Names in the domains of Kubernetes are its own, and it has but the one.
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
	// Of another namespace is a feature that is off by default: such a reference is as if it had not been
	// sent, unless the claim has one already.
	if tree.Text(spec, "dataSourceRef", "namespace") != "" && before["dataSourceRef"] == nil {
		delete(spec, "dataSourceRef")
	}
	// An older field of any other kind was accepted and ignored when it was the only one, and still is.
	if source := tree.Object(spec, "dataSource"); before["dataSource"] == nil && before["dataSourceRef"] == nil && spec["dataSourceRef"] == nil {
		switch tree.Text(source, "apiGroup") + "/" + tree.Text(source, "kind") {
		case "/PersistentVolumeClaim", "snapshot.storage.k8s.io/VolumeSnapshot":
		default:
			delete(spec, "dataSource")
		}
	}
	// Here both are what they will be. A reference into another namespace has no form in the older field.
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
// Each amount is stored as it was sent; the driver will have to make a whole number of it.
func claimSpecWarnings(path string, spec map[string]any) (warnings []string) {
	for _, name := range []string{"requests", "limits"} {
		size := tree.Text(spec, "resources", name, "storage")
		// In thousandths every quantity that can be stored is whole.
		if size != "" && quantity.Units(size, -3)%1000 != 0 {
			warnings = append(warnings, path+".resources."+name+"[storage]: fractional byte value "+strconv.Quote(size)+" is invalid, must be an integer")
		}
	}
	return warnings
}
