package kinds

import (
	"strings"
	"time"

	"apichain/internal/tree"
)

// The cells of volumes, claims and their classes, and of claims of devices, in upstream's words.
//
//	NAME   STATUS   VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS
//	data   Bound    pv-1     1Gi        RWO,ROX        fast
//	next   Pending                                     fast
//
// A claim shows what its volume has, not what was asked for, so the cells are empty until it is bound.

// storageCell returns the cell of that name, or nil if there is none.
func storageCell(name string) func(map[string]any) any {
	switch name {
	case "volumePhase":
		return volumePhase
	case "storageClass":
		return storageClass
	case "claimCapacity":
		return claimCapacity
	case "claimModes":
		return claimModes
	case "claimState":
		return claimState
	}
	return nil
}

// volumePhase returns the phase of a volume or a claim, which ends by going away.
func volumePhase(obj map[string]any) any {
	// Finalizers keep both as long as they are in use, which can be long: the phase would not tell.
	if tree.At(obj, "metadata", "deletionTimestamp") != nil {
		return "Terminating"
	}
	return tree.Text(obj, "status", "phase")
}

// storageClass returns the class of a volume or a claim. An older annotation outdoes the field.
func storageClass(obj map[string]any) any {
	if class, ok := tree.At(obj, "metadata", "annotations", "volume.beta.kubernetes.io/storage-class").(string); ok {
		return class
	}
	return tree.Text(obj, "spec", "storageClassName")
}

// claimCapacity returns the size of the volume of a claim, "" while it has none.
func claimCapacity(obj map[string]any) any {
	if tree.Text(obj, "spec", "volumeName") == "" {
		return ""
	}
	// Bound by name only, as long as the controller has not written the status.
	if size := tree.Text(obj, "status", "capacity", "storage"); size != "" {
		return size
	}
	return "0"
}

// claimModes returns how the volume of a claim is mounted, "" while it has none.
// The status has the modes of the volume, which can be more than were asked for.
func claimModes(obj map[string]any) any {
	if tree.Text(obj, "spec", "volumeName") == "" {
		return ""
	}
	return accessModes(tree.List(obj, "status", "accessModes"))
}

// accessModes returns access modes in short, each once, in upstream's order.
func accessModes(list []any) string {
	has := map[string]bool{}
	for _, mode := range tree.Strings(list) {
		has[mode] = true
	}
	var short []string
	for _, mode := range [...][2]string{
		{"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"},
	} {
		if has[mode[0]] {
			short = append(short, mode[1])
		}
	}
	return strings.Join(short, ",")
}

// claimState returns how far a claim of devices is.
// States are joined: a claim may be deleted and still be in use.
func claimState(obj map[string]any) any {
	var states []string
	deleted := tree.At(obj, "metadata", "deletionTimestamp") != nil
	if deleted {
		states = append(states, "deleted")
	}
	switch {
	case tree.Object(obj, "status", "allocation") != nil:
		states = append(states, "allocated")
		if len(tree.List(obj, "status", "reservedFor")) > 0 {
			states = append(states, "reserved")
		}
	// What is going away waits for nothing any more.
	case !deleted:
		states = append(states, "pending")
	}
	return strings.Join(states, ",")
}

// markDefault returns the names of the storage classes of a list, with a mark at the one that claims
// without a class get: the newest of those that say so, and of two of a second the one whose name is
// first. Upstream tells it in lists only.
func markDefault(objs []map[string]any) func(map[string]any) any {
	name, newest := "", time.Time{}
	for _, obj := range objs {
		annotations := tree.Object(obj, "metadata", "annotations")
		// The beta annotation is still read, by the plugin that gives claims their class, too.
		if annotations["storageclass.kubernetes.io/is-default-class"] != "true" &&
			annotations["storageclass.beta.kubernetes.io/is-default-class"] != "true" {
			continue
		}
		// Times have whole seconds, so that two can well be equal; the name settles it for every server
		// alike.
		created, _ := time.Parse(time.RFC3339, tree.Text(obj, "metadata", "creationTimestamp"))
		if name == "" || created.After(newest) || created.Equal(newest) && tree.Name(obj) < name {
			name, newest = tree.Name(obj), created
		}
	}
	return func(obj map[string]any) any {
		if tree.Name(obj) == name {
			return name + " (default)"
		}
		return tree.Name(obj)
	}
}
