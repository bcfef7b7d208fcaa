package strategy

import (
	"fmt"
	"strings"

	"apichain/internal/tree"
)

// What whoever writes volumes and classes is warned of: sources without a driver, labels that have
// another name by now, and files that overwrite one another.
//
// A warning is a text behind a path, and nothing is refused for it:
//
//	spec.volumes[0].glusterfs: deprecated in v1.25, non-functional in v1.26+
//	allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.14; use "kubernetes.io/os" instead
//
// The texts are upstream's (pkg/api/pod, persistentvolume, storage and node), and so are the places at
// which it has no colon, or another case of a letter, than elsewhere.

// goneSources are the sources that no kubelet can mount, with what upstream says of them. The last
// two are warned of in pods only.
const goneSources = "photonPersistentDisk v1.11, non-functional in v1.16+|scaleIO v1.16, non-functional in v1.22+|" +
	"storageos v1.22, non-functional in v1.25+|glusterfs v1.25, non-functional in v1.26+|cephfs v1.28, non-functional in v1.31+|" +
	"rbd v1.28, non-functional in v1.31+|gitRepo v1.11, and disabled by default in v1.33+|flocker v1.22, non-functional in v1.25+|" +
	"quobyte v1.22, non-functional in v1.25+"

// sourceWarnings tells of the sources in obj that cannot be mounted. path is that of obj.
func sourceWarnings(path string, obj map[string]any) (warnings []string) {
	for entry := range strings.SplitSeq(goneSources, "|") {
		// Nothing but the release differs in the texts, so that the list has the names and the rest.
		name, since, _ := strings.Cut(entry, " ")
		if obj[name] == nil {
			continue
		}
		if name == "storageos" { // upstream's spelling
			name = "storageOS"
		}
		warnings = append(warnings, path+"."+name+": deprecated in "+since)
	}
	return warnings
}

// podVolumeWarnings tells of such sources in the volumes of a pod's spec at the path, of claims for bytes
// that are not whole, and of files that overwrite one another.
// A template has the same warnings, with its own path in front.
func podVolumeWarnings(path string, spec map[string]any) (warnings []string) {
	for i, volume := range each(spec["volumes"]) {
		at := fmt.Sprintf("%s.volumes[%d]", path, i)
		warnings = append(warnings, sourceWarnings(at, volume)...)
		// A claim in a template is not yet an object of its own, and is warned of where it will be made
		// from.
		if claim := tree.Object(volume, "ephemeral", "volumeClaimTemplate", "spec"); claim != nil {
			warnings = append(warnings, claimSpecWarnings(at+".ephemeral.volumeClaimTemplate.spec", claim)...)
		}
	}
	return append(warnings, overlapWarnings(tree.List(spec, "volumes"))...)
}

// volumeWarnings tells of a persistent volume's old annotations, its reclaim policy, labels of nodes and
// its source.
func volumeWarnings(obj, _ map[string]any) (warnings []string) {
	spec := tree.Object(obj, "spec")
	// That an annotation is there is enough, whatever it says.
	annotations := tree.Object(obj, "metadata", "annotations")
	if _, ok := annotations[storageClassAnnotation]; ok {
		warnings = append(warnings, "metadata.annotations["+storageClassAnnotation+`]: deprecated since v1.8; use "storageClassName" attribute instead`)
	}
	if _, ok := annotations[mountOptions]; ok {
		warnings = append(warnings, "metadata.annotations["+mountOptions+`]: deprecated since v1.31; use "mountOptions" attribute instead`)
	}
	if tree.Text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
		warnings = append(warnings, "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "+
			"Instead, the recommended approach is to use dynamic provisioning.")
	}
	// Upstream warns of expressions about labels alone: fields have no old names.
	for i, term := range each(tree.At(spec, "nodeAffinity", "required", "nodeSelectorTerms")) {
		path := fmt.Sprintf("spec.nodeAffinity.required.nodeSelectorTerms[%d].matchExpressions", i)
		warnings = append(warnings, oldLabelWarnings(path, term)...)
	}
	// These are deprecated in volumes, too, but upstream's list for them lacks them.
	return append(warnings, sourceWarnings("spec", without(spec, "flocker", "quobyte", "gitRepo"))...)
}

// oldLabel returns what is said of a label of nodes that has another name by now, "" for others.
// Two sentences differ from the others since these two have no other name.
func oldLabel(key string) string {
	switch key {
	case "beta.kubernetes.io/arch", "beta.kubernetes.io/os":
		return `deprecated since v1.14; use "` + stableLabel(key) + `" instead`
	case "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone", "beta.kubernetes.io/instance-type":
		return `deprecated since v1.17; use "` + stableLabel(key) + `" instead`
	case "app.kubernetes.io/created-by":
		return "deprecated since v1.9"
	case "scheduler.alpha.kubernetes.io/preferAvoidPods":
		return "deprecated since v1.22; use Taints and Tolerations instead"
	case "node-role.kubernetes.io/master":
		return `use "node-role.kubernetes.io/control-plane" instead`
	}
	return ""
}

// oldLabelWarnings tells of such labels in the matchExpressions of obj, whose path is given.
func oldLabelWarnings(path string, obj map[string]any) (warnings []string) {
	for i, e := range each(obj["matchExpressions"]) {
		key := tree.Text(e, "key")
		if why := oldLabel(key); why != "" {
			warnings = append(warnings, fmt.Sprintf("%s[%d].key: %s is %s", path, i, key, why))
		}
	}
	return warnings
}

// classWarnings tells of such labels where a storage class has its volumes.
// The text leaves out the key, which others show.
func classWarnings(obj, _ map[string]any) (warnings []string) {
	for i, topology := range each(obj["allowedTopologies"]) {
		for j, e := range each(topology["matchLabelExpressions"]) {
			if why := oldLabel(tree.Text(e, "key")); why != "" {
				warnings = append(warnings, fmt.Sprintf("allowedTopologies[%d].matchLabelExpressions[%d].key: %s", i, j, why))
			}
		}
	}
	return warnings
}

// capacityWarnings tells of such labels where storage is.
func capacityWarnings(obj, _ map[string]any) []string {
	topology := tree.Object(obj, "nodeTopology")
	warnings := oldLabelWarnings("nodeTopology.matchExpressions", topology)
	// Sorted, since a map has no order.
	labels := tree.Object(topology, "matchLabels")
	for _, key := range tree.SortedKeys(labels) {
		if why := oldLabel(key); why != "" {
			warnings = append(warnings, "nodeTopology.matchLabels."+key+": "+why)
		}
	}
	return warnings
}

// driverWarnings tells of tokens that a driver gets where they may be logged.
// A list of requests that stays as it was is not warned of again: whoever wrote it has been told.
func driverWarnings(obj, old map[string]any) []string {
	requests := tree.List(obj, "spec", "tokenRequests")
	if len(requests) == 0 || tree.At(obj, "spec", "serviceAccountTokenInSecrets") != nil ||
		old != nil && tree.Equal(requests, tree.List(old, "spec", "tokenRequests")) {
		return nil
	}
	return []string{"spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, " +
		"set to true to prevent possible logging of tokens in volume attributes"}
}
