package kinds

import (
	"slices"
	"strings"

	"apichain/internal/tree"
)

// The cells of volumes, claims, classes, drivers and migrations, in upstream's words.

// storageCell returns the cell of that name, or nil if there is none.
func storageCell(name string) func(map[string]any) any {
	switch name {
	case "volumePhase":
		return volumePhase
	case "volumeModes":
		return func(obj map[string]any) any { return accessModes(tree.List(obj, "spec", "accessModes")) }
	case "volumeClaim":
		return volumeClaim
	case "volumeClass", "claimClass":
		return volumeClass
	case "claimCapacity":
		return claimCapacity
	case "claimModes":
		return claimModes
	case "storageClassName":
		return storageClassName
	case "driverAudiences":
		return driverAudiences
	case "migrationResource":
		return migrationResource
	case "migrationStatus":
		return migrationStatus
	}
	return nil
}

// volumePhase returns the phase of a volume or a claim, or that it is being deleted.
func volumePhase(obj map[string]any) any {
	if tree.Text(obj, "metadata", "deletionTimestamp") != "" {
		return "Terminating"
	}
	return tree.Text(obj, "status", "phase")
}

// accessModes returns the short names of access modes, in an order of their own.
func accessModes(modes []any) string {
	var short []string
	for _, mode := range [...][2]string{
		{"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"},
	} {
		if slices.Contains(modes, any(mode[0])) {
			short = append(short, mode[1])
		}
	}
	return strings.Join(short, ",")
}

// volumeClaim returns the claim that a volume is bound to, by its namespace and name.
func volumeClaim(obj map[string]any) any {
	claim := tree.Object(obj, "spec", "claimRef")
	if claim == nil {
		return ""
	}
	return tree.Text(claim, "namespace") + "/" + tree.Text(claim, "name")
}

// volumeClass returns the storage class of a volume or a claim, which an old annotation goes before.
func volumeClass(obj map[string]any) any {
	if class, ok := tree.Object(obj, "metadata", "annotations")["volume.beta.kubernetes.io/storage-class"]; ok {
		return class
	}
	return tree.Text(obj, "spec", "storageClassName")
}

// claimCapacity returns how large the volume of a claim is, once it has one.
func claimCapacity(obj map[string]any) any {
	if tree.Text(obj, "spec", "volumeName") == "" {
		return ""
	}
	if size := tree.Text(obj, "status", "capacity", "storage"); size != "" {
		return size
	}
	return "0"
}

// claimModes returns how the volume of a claim is mounted, once it has one.
func claimModes(obj map[string]any) any {
	if tree.Text(obj, "spec", "volumeName") == "" {
		return ""
	}
	return accessModes(tree.List(obj, "status", "accessModes"))
}

// storageClassName returns the name of a class, and whether claims get it that name none. Upstream says
// that in lists alone, and of the youngest of several.
func storageClassName(obj map[string]any) any {
	annotations := tree.Object(obj, "metadata", "annotations")
	for _, key := range [...]string{"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"} {
		if annotations[key] == "true" {
			return tree.Name(obj) + " (default)"
		}
	}
	return tree.Name(obj)
}

// driverAudiences returns whom the tokens are for that a driver gets.
func driverAudiences(obj map[string]any) any {
	requests := tree.List(obj, "spec", "tokenRequests")
	if requests == nil {
		return "<unset>"
	}
	audiences := make([]string, len(requests))
	for i, request := range requests {
		audiences[i] = tree.Text(request, "audience")
	}
	return strings.Join(audiences, ",")
}

// migrationResource returns the resource whose objects are stored again: deployments.apps.
func migrationResource(obj map[string]any) any {
	resource, group := tree.Text(obj, "spec", "resource", "resource"), tree.Text(obj, "spec", "resource", "group")
	if group == "" {
		return resource
	}
	return resource + "." + group
}

// migrationStatus returns the last of the conditions that is true, of those that tell how far it is.
func migrationStatus(obj map[string]any) any {
	status := "Unknown"
	for _, c := range tree.List(obj, "status", "conditions") {
		switch typ := tree.Text(c, "type"); typ {
		case "Running", "Failed", "Succeeded":
			if tree.Text(c, "status") == "True" {
				status = typ
			}
		}
	}
	return status
}
