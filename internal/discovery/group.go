package discovery

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sort"
	"strings"

	"apichain/internal/kinds"
)

// Groups, versions and resources as data: where they come from, and in which order they are
// shown.
//
// There are two sources, and both are rows of kinds. The servers of the chain have what the kind
// table assigns to them, and definitions add custom resources, also to groups that a server has.
// orderGroups merges the two. Within a version the built-in resources come first, by name; then
// the custom ones, in the order in which their definitions were established.
//
// Order is what clients choose by. The first version of a group is the preferred one, and when
// kubectl is given a plural that several groups have, the group that is listed first wins. So
// groups are in order of priority, and versions too; only among equals do names count, and
// versions then by age, as CompareVersions has it:
//
//	v10, v2, v1, v11beta2, v3beta1, v12alpha1, foo1
//
// Upstream keeps the priorities in APIService objects. Here those of built-in groups are rows of
// the kind table, and custom groups have the constants below.

// The priorities that upstream gives to the groups and versions of definitions. All built-in
// groups have higher ones.
const (
	customGroupPriority   = 1000
	customVersionPriority = 100
)

// Group is an API group as a server has it. It is made by GroupsOf, and not changed then.
type Group struct {
	// Name is "" for the core group.
	Name string
	// priority is the highest of those that servers give it. Higher ones come first.
	priority int
	// Versions are in the order of discovery once the catalog has merged them.
	Versions []Version
}

// Version is a version of a group.
type Version struct {
	Version string
	// priority orders the versions of a group. Higher ones come first.
	priority int
	// resources are those of built-in kinds, in order of their names, each before its
	// subresources.
	resources []resource
	// custom are the definitions that serve this version. Their resources come after the others.
	custom []*Definition
	// remote is set if another server has the version, and nothing else is then.
	remote *RemoteVersion
}

// resource is one resource or subresource of a version. It is also the form in which the plain
// documents show it, with the keys in upstream's order.
type resource struct {
	// Name has a slash in it for a subresource: services/status.
	Name         string `json:"name"`
	SingularName string `json:"singularName"`
	Namespaced   bool   `json:"namespaced"`
	// Group and Version are those of the kind, where they differ from those of the document.
	Group   string `json:"group,omitempty"`
	Version string `json:"version,omitempty"`
	Kind    string `json:"kind"`
	// Verbs are sorted, but for those of a custom resource (upstream).
	Verbs      []string `json:"verbs"`
	ShortNames []string `json:"shortNames,omitempty"`
	Categories []string `json:"categories,omitempty"`
	// StorageHash is storageVersionHash of the kind that the objects are stored as, "" for what
	// is not stored and for subresources.
	StorageHash string `json:"storageVersionHash,omitempty"`
}

// GroupsOf returns what a server has by the kind table: groups in the order of their first kinds,
// resources by name.
func GroupsOf(t *kinds.Table, server string) []Group {
	var out []Group
	for _, row := range t.Kinds {
		if row.Server != server {
			continue
		}
		// Every group of a kind has priorities: a table without them is not loaded.
		priorities, _ := t.Group(row.Group)
		g := slices.IndexFunc(out, func(g Group) bool { return g.Name == row.Group })
		if g < 0 {
			g = len(out)
			out = append(out, Group{Name: row.Group, priority: priorities.Priority})
		}
		versions := &out[g].Versions
		v := slices.IndexFunc(*versions, func(v Version) bool { return v.Version == row.Version })
		if v < 0 {
			v = len(*versions)
			*versions = append(*versions, Version{Version: row.Version, priority: priorities.VersionPriority})
		}
		(*versions)[v].resources = append((*versions)[v].resources, resourcesOf(row, row.Verbs, storageHash(t, row))...)
	}
	for _, g := range out {
		for _, v := range g.Versions {
			// A resource is a prefix of its subresources, so it stays in front of them.
			sort.Slice(v.resources, func(i, j int) bool { return v.resources[i].Name < v.resources[j].Name })
		}
	}
	return out
}

// resourcesOf returns the resource of a kind, built-in or custom, and its subresources. verbs are
// those of the resource itself: a definition that is being deleted has fewer than its row. The
// slices are shared with the row.
func resourcesOf(row *kinds.Row, verbs []string, storageHash string) []resource {
	out := make([]resource, 1, 1+len(row.Subresources))
	out[0] = resource{
		Name: row.Plural, SingularName: row.Singular, Namespaced: row.Namespaced, Kind: row.Kind, Verbs: verbs,
		ShortNames: row.ShortNames, Categories: row.Categories, StorageHash: storageHash,
	}
	for _, s := range row.Subresources {
		r := resource{Name: row.Plural + "/" + s.Name, Kind: s.Kind, Namespaced: row.Namespaced, Verbs: s.Verbs}
		// A group and version of its own is said only where it is another's, as in scale.
		if s.Group != row.Group || s.Version != row.Version {
			r.Group, r.Version = s.Group, s.Version
		}
		out = append(out, r)
	}
	return out
}

// storageHash returns the hash of the kind by which the objects of a built-in kind are stored,
// "" for a kind that is not stored. Resources with the same hash show the same objects, such as
// the two kinds of events, and clients that look at all objects (garbage collectors, storage
// migrators) visit only one of them.
func storageHash(t *kinds.Table, row *kinds.Row) string {
	switch {
	case row.ReviewOnly || row.HashVersion == "-":
		return ""
	case row.HashVersion != "":
		return storageVersionHash(row.Group, row.HashVersion, row.Kind)
	}
	for _, o := range t.Kinds {
		// Of a resource in several versions, the first row is that of the stored one.
		if row.StoredAs == o.Qualified() || row.StoredAs == "" && o.Group == row.Group && o.Plural == row.Plural {
			return storageVersionHash(o.Group, o.Version, o.Kind)
		}
	}
	return storageVersionHash(row.Group, row.Version, row.Kind)
}

// storageVersionHash returns the hash of a kind as upstream computes it: the first eight bytes
// of SHA-256 of group/version/kind, in base64. In the core group the text begins with the slash.
func storageVersionHash(group, version, kind string) string {
	sum := sha256.Sum256([]byte(group + "/" + version + "/" + kind))
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// groupsOfDefinitions returns the groups and versions that definitions serve. What none serves is
// left out, so a definition without served versions adds nothing.
func groupsOfDefinitions(definitions []*Definition) []Group {
	var out []Group
	// Positions in out, and in a group's Versions by group/version. Ten thousand definitions may
	// be in one group, where a search would be quadratic.
	at, versions := map[string]int{}, map[string]int{}
	for _, d := range definitions {
		for _, v := range d.versions {
			if !v.served {
				continue
			}
			row := v.row
			g, ok := at[row.Group]
			if !ok {
				g = len(out)
				at[row.Group] = g
				out = append(out, Group{Name: row.Group, priority: customGroupPriority})
			}
			key := row.Group + "/" + row.Version
			i, ok := versions[key]
			if !ok {
				i = len(out[g].Versions)
				versions[key] = i
				out[g].Versions = append(out[g].Versions, Version{Version: row.Version, priority: customVersionPriority})
			}
			out[g].Versions[i].custom = append(out[g].Versions[i].custom, d)
		}
	}
	return out
}

// orderGroups merges groups of the same name and puts groups and versions in order: by priority,
// then groups by name and versions by CompareVersions. Of versions of the same name the first
// counts, and nothing of the others: a definition cannot add to a version that a server has. The
// groups that it is given stay as they are.
func orderGroups(groups []Group) []Group {
	var out []Group
	for _, g := range groups {
		i := slices.IndexFunc(out, func(o Group) bool { return o.Name == g.Name })
		if i < 0 {
			// A copy, since the versions are sorted in place below.
			g.Versions = slices.Clone(g.Versions)
			out = append(out, g)
			continue
		}
		out[i].priority = max(out[i].priority, g.priority)
		for _, v := range g.Versions {
			if !slices.ContainsFunc(out[i].Versions, func(o Version) bool { return o.Version == v.Version }) {
				out[i].Versions = append(out[i].Versions, v)
			}
		}
	}
	for _, g := range out {
		sort.SliceStable(g.Versions, func(i, j int) bool {
			a, b := &g.Versions[i], &g.Versions[j]
			return cmp.Or(cmp.Compare(b.priority, a.priority), -CompareVersions(a.Version, b.Version)) < 0
		})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].compare(&out[j]) < 0 })
	return out
}

// CompareVersions compares two names of versions as Kubernetes does, with the results of
// cmp.Compare: v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > any name that is not of this form. Those
// are greater the earlier they are in the alphabet, so that a list from the greatest down has
// them in order.
func CompareVersions(a, b string) int {
	ra, rb := versionRank(a), versionRank(b)
	return cmp.Or(cmp.Compare(ra[0], rb[0]), cmp.Compare(ra[1], rb[1]), cmp.Compare(ra[2], rb[2]), strings.Compare(b, a))
}

// versionRank returns what CompareVersions compares, from left to right: the stability (3 for a
// stable version, 2 beta, 1 alpha, 0 for a name that is none of these), the major number and
// that of the alpha or beta.
func versionRank(s string) [3]int {
	text, ok := strings.CutPrefix(s, "v")
	major, rest := leadingNumber(text)
	if !ok || major < 0 {
		return [3]int{}
	}
	if rest == "" {
		return [3]int{3, major, 0}
	}
	for stability, word := range map[int]string{2: "beta", 1: "alpha"} {
		if tail, ok := strings.CutPrefix(rest, word); ok {
			if minor, end := leadingNumber(tail); minor > 0 && end == "" {
				return [3]int{stability, major, minor}
			}
		}
	}
	return [3]int{}
}

// leadingNumber cuts a number off the front of s. It returns -1 if s has none there, or one that
// begins with 0, which no version has. More than nine digits are left in rest, so that no text
// overflows.
func leadingNumber(s string) (n int, rest string) {
	i := 0
	for i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if i == 0 || s[0] == '0' {
		return -1, s
	}
	return n, s[i:]
}
