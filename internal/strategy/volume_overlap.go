package strategy

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// Files of a volume that overwrite one another: a path twice, or one that is below another.

// placed is a path, and where it is from, if the volume has several sources.
type placed struct{ path, source string }

func (p placed) String() string {
	if p.source == "" {
		return strconv.Quote(p.path)
	}
	return fmt.Sprintf("%q (%s)", p.path, p.source)
}

// overlapWarnings tells of such files in a pod's volumes.
func overlapWarnings(volumes []any) (warnings []string) {
	for _, volume := range each(volumes) {
		name := tree.Text(volume, "name")
		for _, kind := range []struct{ field, name, title string }{
			{"configMap", "name", "ConfigMap"}, {"secret", "secretName", "Secret"}, {"downwardAPI", "", "DownwardAPI"},
		} {
			title := kind.title
			if kind.name != "" {
				title = fmt.Sprintf("%s %q", title, tree.Text(volume, kind.field, kind.name))
			}
			warnings = append(warnings, overlaps(name, title, itemPaths(tree.Object(volume, kind.field), ""))...)
		}
		if projected := tree.Object(volume, "projected"); projected != nil {
			var paths []placed
			for _, source := range each(projected["sources"]) {
				if len(source) == 0 {
					warnings = append(warnings, fmt.Sprintf("volume %q (Projected) has no sources provided", name))
				}
				paths = append(paths, projectedPaths(source)...)
			}
			warnings = append(warnings, overlaps(name, "Projected", paths)...)
		}
	}
	return warnings
}

// overlaps tells of paths of which one is, or is below, one before it.
func overlaps(volume, title string, paths []placed) (warnings []string) {
	for i := range paths {
		p := &paths[i]
		p.path = strings.TrimRight(p.path, "/")
		for _, other := range paths[:i] {
			if p.path != "" && other.path != "" && (strings.HasPrefix(other.path+"/", p.path+"/") || strings.HasPrefix(p.path+"/", other.path+"/")) {
				warnings = append(warnings, fmt.Sprintf("volume %q (%s): overlapping paths: %s with %s", volume, title, p, other))
			}
		}
	}
	return warnings
}

// itemPaths returns the paths of a source's items.
func itemPaths(source map[string]any, from string) (paths []placed) {
	for _, item := range each(source["items"]) {
		paths = append(paths, placed{tree.Text(item, "path"), from})
	}
	return paths
}

// projectedPaths returns the paths of one source of a projection.
func projectedPaths(source map[string]any) (paths []placed) {
	for _, kind := range []struct{ field, title string }{{"configMap", "ConfigMap"}, {"secret", "Secret"}} {
		if obj := tree.Object(source, kind.field); obj != nil {
			return itemPaths(obj, fmt.Sprintf("%s %q", kind.title, tree.Text(obj, "name")))
		}
	}
	if obj := tree.Object(source, "downwardAPI"); obj != nil {
		return itemPaths(obj, "DownwardAPI")
	}
	if obj := tree.Object(source, "serviceAccountToken"); obj != nil {
		return []placed{{tree.Text(obj, "path"), "ServiceAccountToken"}}
	}
	if obj := tree.Object(source, "clusterTrustBundle"); obj != nil {
		name, ok := obj["name"].(string)
		if !ok {
			name = tree.Text(obj, "signerName")
		}
		return []placed{{tree.Text(obj, "path"), fmt.Sprintf("ClusterTrustBundle %q", name)}}
	}
	obj := tree.Object(source, "podCertificate")
	for _, kind := range []struct{ field, title string }{
		{"certificateChainPath", "PodCertificate chain"}, {"keyPath", "PodCertificate key"}, {"credentialBundlePath", "PodCertificate credential bundle"},
	} {
		if path := tree.Text(obj, kind.field); path != "" {
			paths = append(paths, placed{path, kind.title})
		}
	}
	return paths
}
