package strategy

import (
	"fmt"
	"strconv"
	"strings"

	"apichain/internal/tree"
)

// Files of a volume that overwrite one another: a path twice, or one that is below another.
//
// Upstream stores such volumes and warns. For example two items of one secret with the same path:
//
//	volume "v" (Secret "s"): overlapping paths: "a" with "a"
//
// Of a projection each path also says which source it is from. Where two sources have the very same path
// the check of the projection refuses it before anybody is warned (volume_projected.go).

// placed is a path, and where it is from, if the volume has several sources.
type placed struct{ path, source string }

// String returns the path in quotes, with the source in parentheses behind it if there are several.
func (p placed) String() string {
	if p.source == "" {
		return strconv.Quote(p.path)
	}
	return fmt.Sprintf("%q (%s)", p.path, p.source)
}

// overlapWarnings tells of such files in a pod's volumes.
// The order is that of the volumes and of upstream's three looks at each: items, then projections. The
// texts name the object of the source where it has a name.
func overlapWarnings(volumes []any) (warnings []string) {
	for _, volume := range each(volumes) {
		name := tree.Text(volume, "name")
		for _, kind := range []struct{ field, name, title string }{
			{"configMap", "name", "ConfigMap"}, {"secret", "secretName", "Secret"}, {"downwardAPI", "", "DownwardAPI"},
		} {
			// A downward API is of the pod itself, and has no object to name.
			title := kind.title
			if kind.name != "" {
				title = fmt.Sprintf("%s %q", title, tree.Text(volume, kind.field, kind.name))
			}
			warnings = append(warnings, overlaps(name, title, itemPaths(tree.Object(volume, kind.field), ""))...)
		}
		// All sources of a projection share one directory, so their paths are compared as one list.
		if projected := tree.Object(volume, "projected"); projected != nil {
			var paths []placed
			for _, source := range each(projected["sources"]) {
				// Nothing is wrong with an empty source, but it was meant to be one (upstream warns and
				// stores it).
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
// Each pair is told once, at the later of the two, so n equal paths make n(n-1)/2 warnings, as upstream
// does.
func overlaps(volume, title string, paths []placed) (warnings []string) {
	for i := range paths {
		p := &paths[i]
		// A slash at the end makes no other file. It is cut in the list itself: the comparisons that
		// follow, and the texts, have the path without it.
		p.path = strings.TrimRight(p.path, "/")
		for _, other := range paths[:i] {
			// With a slash behind both a prefix is a directory on the way, and not the beginning of a
			// name: a/b is below a, ab is not. An empty path is refused elsewhere.
			if p.path != "" && other.path != "" && (strings.HasPrefix(other.path+"/", p.path+"/") || strings.HasPrefix(p.path+"/", other.path+"/")) {
				warnings = append(warnings, fmt.Sprintf("volume %q (%s): overlapping paths: %s with %s", volume, title, p, other))
			}
		}
	}
	return warnings
}

// itemPaths returns the paths of a source's items.
// A source without items writes one file a key, and which keys there are is not known here.
func itemPaths(source map[string]any, from string) (paths []placed) {
	for _, item := range each(source["items"]) {
		paths = append(paths, placed{tree.Text(item, "path"), from})
	}
	return paths
}

// projectedPaths returns the paths of one source of a projection.
// Of a source with two members, which is refused, the first one counts.
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
		// A bundle is either named, or all those of a signer: then the signer is its name in the text.
		name, ok := obj["name"].(string)
		if !ok {
			name = tree.Text(obj, "signerName")
		}
		return []placed{{tree.Text(obj, "path"), fmt.Sprintf("ClusterTrustBundle %q", name)}}
	}
	// A certificate may write three files, of which each has a title of its own.
	obj := tree.Object(source, "podCertificate")
	for _, kind := range []struct{ field, title string }{
		{"certificateChainPath", "PodCertificate chain"}, {"keyPath", "PodCertificate key"},
		{"credentialBundlePath", "PodCertificate credential bundle"},
	} {
		if path := tree.Text(obj, kind.field); path != "" {
			paths = append(paths, placed{path, kind.title})
		}
	}
	return paths
}
