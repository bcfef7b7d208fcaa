package admission

import (
	"context"
	"fmt"
	"slices"

	"apichain/internal/api"
	"apichain/internal/tree"
)

// Classes that an object is of without naming one, and what being of a class brings with it: storage
// and ingress classes that are marked as default, runtime classes. And what keeps storage from being
// taken away under who uses it, which controllers take off.

// The annotations by which classes are defaults, and those by which objects name a class as before there
// was a field for it.
const (
	defaultStorageNote     = "storageclass.kubernetes.io/is-default-class"
	defaultStorageBetaNote = "storageclass.beta.kubernetes.io/is-default-class"
	defaultIngressNote     = "ingressclass.kubernetes.io/is-default-class"
	storageClassNote       = "volume.beta.kubernetes.io/storage-class"
	ingressClassNote       = "kubernetes.io/ingress.class"
)

// setStorageClass is the act of DefaultStorageClass on new claims.
// Two annotations mark a class, the older of which counts as well (upstream).
func (c *Chain) setStorageClass(_ context.Context, a api.Admission) error {
	setClass(a.Object, "storageClassName", storageClassNote, &c.storageClasses, c.objects, defaultStorageNote, defaultStorageBetaNote)
	return nil
}

// setIngressClass is the act of DefaultIngressClass on new ingresses.
func (c *Chain) setIngressClass(_ context.Context, a api.Admission) error {
	setClass(a.Object, "ingressClassName", ingressClassNote, &c.ingressClasses, c.objects, defaultIngressNote)
	return nil
}

// setClass names the newest class that one of the notes marks as default, of several of one second the
// first by name, unless obj names one: in its field, be it "", or in an annotation.
// field is the field of the spec and note the annotation by which an object names a class itself; notes
// are those by which a class says that it is the default. Without such a class the object stays without
// one: a controller may give it one later.
func setClass(obj map[string]any, field, note string, classes *decoded, o Objects, notes ...string) {
	// The empty text is a choice too: a claim with it wants a volume without a class.
	if _, named := tree.Object(obj, "metadata", "annotations")[note]; named || tree.At(obj, "spec", field) != nil {
		return
	}
	var newest map[string]any
	for _, class := range classes.of(o, "") {
		// Nothing but the very word counts, so True marks nothing.
		marked := func(note string) bool { return tree.Text(class, "metadata", "annotations", note) == "true" }
		created := func(obj map[string]any) string { return tree.Text(obj, "metadata", "creationTimestamp") }
		// RFC 3339 in UTC sorts by time.
		if slices.ContainsFunc(notes, marked) && (newest == nil || created(class) > created(newest)) {
			newest = class
		}
	}
	// More than one default is no error: it happens while an operator moves from one to the other.
	if newest != nil {
		specOf(obj)[field] = tree.Name(newest)
	}
}

// protectionFinalizers are what StorageObjectInUseProtection adds, by plural.
var protectionFinalizers = map[string]string{
	"persistentvolumes": "kubernetes.io/pv-protection", "persistentvolumeclaims": "kubernetes.io/pvc-protection",
	"volumeattributesclasses": "kubernetes.io/vac-protection",
}

// protectStorage is the act of StorageObjectInUseProtection on new volumes, claims and classes of them.
// Who else has put the finalizer there already is left alone, be it not the last one.
func (c *Chain) protectStorage(_ context.Context, a api.Admission) error {
	m, f := tree.Metadata(a.Object), protectionFinalizers[a.Resource.Plural]
	// A copy, since the list may be shared with what the client sent.
	if has := tree.List(m, "finalizers"); !slices.Contains(has, any(f)) {
		m["finalizers"] = append(slices.Clip(has), f)
	}
	return nil
}

// checkExpansion is the act of PersistentVolumeClaimResize on changed claims.
// What does not grow is not its business: whether a claim may shrink is a rule of the kind. Refusals
// are 403, in the order bound, class.
func (c *Chain) checkExpansion(_ context.Context, a api.Admission) error {
	size := func(obj map[string]any) map[string]any { return tree.Object(obj, "spec", "resources", "requests") }
	if amountsOf(size(a.Object))["storage"].cmp(amountsOf(size(a.Old))["storage"]) <= 0 {
		return nil
	}
	// Before, there is no volume that could grow.
	if tree.Text(a.Old, "status", "phase") != "Bound" {
		return a.Forbidden("Only bound persistent volume claims can be expanded")
	}
	// A claim that changes its class in the same write has none that has promised anything.
	name := storageClassOf(a.Object)
	class := named(c.storageClasses.of(c.objects, ""), name)
	if name == "" || name != storageClassOf(a.Old) || !tree.True(class["allowVolumeExpansion"]) {
		return a.Forbidden("only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc " +
			"must support resize")
	}
	return nil
}

// storageClassOf returns the class that a claim names, "" for none.
// The annotation of before there was a field counts first, even if it is empty (upstream).
func storageClassOf(claim map[string]any) string {
	if name, ok := tree.Object(claim, "metadata", "annotations")[storageClassNote].(string); ok {
		return name
	}
	return tree.Text(claim, "spec", "storageClassName")
}

// runtimeClass returns the class of a pod, nil if it names none, or the 403 for one that is not there.
// A name that is there and empty is looked up, and not found.
func (c *Chain) runtimeClass(a api.Admission) (map[string]any, error) {
	name, ok := tree.At(a.Object, "spec", "runtimeClassName").(string)
	if !ok {
		return nil, nil
	}
	class := c.objects.Get("runtimeclasses.node.k8s.io", "", name)
	if class == nil {
		return nil, a.Forbidden(fmt.Sprintf("pod rejected: RuntimeClass %q not found", name))
	}
	return class, nil
}

// overheadDiffers is why a pod is refused that says another overhead than its class.
const overheadDiffers = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"

// setRuntime is the mutating act of RuntimeClass: a pod costs and is scheduled as its class says.
// Overhead, node selector and tolerations of the class go into the pod; what the pod says itself must
// agree with it, and is refused with 403 where it does not. A class without one of them leaves the
// pod's alone.
func (c *Chain) setRuntime(_ context.Context, a api.Admission) error {
	class, err := c.runtimeClass(a)
	if err != nil || class == nil {
		return err
	}
	spec := specOf(a.Object)
	if tree.Object(class, "overhead") != nil {
		// Compared as numbers, so that a client may send a pod again as it has read it.
		fixed := tree.Object(class, "overhead", "podFixed")
		if given := tree.Object(spec, "overhead"); len(given) > 0 && !amountsOf(given).equal(amountsOf(fixed)) {
			return a.Forbidden(overheadDiffers)
		}
		// Then the class's own text is stored, whichever form the pod had.
		delete(spec, "overhead")
		if fixed != nil {
			spec["overhead"] = tree.Copy(fixed)
		}
	}
	scheduling := tree.Object(class, "scheduling")
	if scheduling == nil {
		return nil
	}
	// In the order of the keys, so that of several conflicts always the same one is told.
	chosen := tree.Object(spec, "nodeSelector")
	for _, key := range tree.SortedKeys(tree.Object(scheduling, "nodeSelector")) {
		value := tree.Text(scheduling, "nodeSelector", key)
		if is, ok := chosen[key].(string); ok && is != value {
			return a.Forbidden(fmt.Sprintf("conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; pod.spec.nodeSelector[%s] = %s",
				key, value, key, is))
		}
		tree.Set(spec, value, "nodeSelector", key)
	}
	// A copy: the class is shared by all who ask.
	added := tree.List(tree.Copy(tree.List(scheduling, "tolerations")))
	if all := mergeTolerations(append(slices.Clip(tree.List(spec, "tolerations")), added...)); len(all) > 0 {
		spec["tolerations"] = all
	}
	return nil
}

// checkRuntime is the validating act of RuntimeClass: only a class gives an overhead.
// It is asked after every plugin that changes pods, one of which may have changed the overhead.
func (c *Chain) checkRuntime(_ context.Context, a api.Admission) error {
	class, err := c.runtimeClass(a)
	if err != nil {
		return err
	}
	given := tree.Object(a.Object, "spec", "overhead")
	// No class at all is the same as one that costs nothing.
	if tree.Object(class, "overhead") == nil {
		if given != nil {
			return a.Forbidden("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
		}
		return nil
	}
	if !amountsOf(given).equal(amountsOf(tree.Object(class, "overhead", "podFixed"))) {
		return a.Forbidden(overheadDiffers)
	}
	return nil
}

// mergeTolerations returns tolerations without those that another one covers; of equal ones the first
// stays.
// The order is that of the list. A pod's own come first in it, so one that its class repeats is not
// there twice:
//
//	[{key: a, operator: Exists}, {key: a, value: v}]  ->  [{key: a, operator: Exists}]
func mergeTolerations(all []any) (merged []any) {
	for i, t := range all {
		// One that is kept covers this one, or a wider one is still to come.
		covered := slices.ContainsFunc(merged, func(other any) bool { return covers(other, t) })
		later := slices.ContainsFunc(all[i+1:], func(other any) bool { return !tree.Equal(t, other) && covers(other, t) })
		if !covered && !later {
			merged = append(merged, t)
		}
	}
	return merged
}

// covers reports whether one toleration tolerates all that another one does.
// wide covers t if every taint that t tolerates is one that wide does, for at least as long. Values are
// compared only where both ask for equality.
func covers(wide, t any) bool {
	text := func(v any, field string) string { return tree.Text(v, field) }
	operator := text(wide, "operator")
	switch {
	// Equal ones first: each covers the other, whatever they say.
	case tree.Equal(wide, t):
		return true
	// No key, with Exists, means every key.
	case text(t, "key") != text(wide, "key") && (text(wide, "key") != "" || operator != "Exists"):
		return false
	case text(t, "effect") != text(wide, "effect") && text(wide, "effect") != "":
		return false
	}
	// Seconds count for NoExecute alone: other effects drive nobody out.
	if most, bounded := tree.At(wide, "tolerationSeconds").(int64); bounded && text(wide, "effect") == "NoExecute" {
		if seconds, ok := tree.At(t, "tolerationSeconds").(int64); !ok || seconds > most {
			return false
		}
	}
	if operator == "" || operator == "Equal" {
		return text(t, "operator") == "Equal" && text(t, "value") == text(wide, "value")
	}
	return operator == "Exists"
}
