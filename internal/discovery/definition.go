package discovery

import (
	"cmp"
	"crypto/sha512"
	"sync"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// A CustomResourceDefinition becomes rows of kinds, one for each version, so that discovery and
// OpenAPI show a custom resource by the same code as a built-in one, and whoever serves it reads
// the same rows. What no row can say stays beside them: which version is stored, which are
// served, and that the definition is being deleted.
//
// Schemas are most of a definition, and most of ten thousand definitions are never looked at. So
// they are not kept as trees: the definition's JSON is kept, which the store has in memory
// anyway, and is parsed again when an OpenAPI document is rendered.

// Definition is a CustomResourceDefinition as far as documents show it. It never changes. An
// unchanged definition must be given to the catalog as the same pointer, since that is how the
// catalog knows what it may keep, and a changed one as another.
type Definition struct {
	// raw is the definition as JSON.
	raw []byte
	// storage is the version that objects are stored in.
	storage string
	// terminating says that the definition is being deleted: nothing can be created any more.
	terminating bool
	// versions are in the order of the definition.
	versions []*definitionVersion

	once sync.Once
	sum  [sha512.Size]byte
}

// definitionVersion is a version of a definition. plain and aggregated are its resources, encoded
// once for the lists they are in, since a list of ten thousand is put together again whenever
// one of them changes.
type definitionVersion struct {
	row    *kinds.Row
	served bool

	once              sync.Once
	plain, aggregated []byte
}

// Verbs that nobody changes, in the order in which upstream lists those of custom resources. While a
// definition is being deleted, its resource cannot be written to, but what is there can be seen and
// deleted. Subresources keep their verbs (upstream), which
// for a status or scale are always the same.
var (
	customVerbs      = []string{"delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"}
	terminatingVerbs = []string{"delete", "deletecollection", "get", "list", "watch"}
	subresourceVerbs = []string{"get", "patch", "update"}
)

// NewDefinition reads a definition that has been defaulted. raw is its JSON, and is kept; crd is
// the same as a tree, and is not. The names are those accepted, or before any are, those that the
// definition asks for. A tree that is no valid definition makes one that has less to show.
func NewDefinition(raw []byte, crd map[string]any) *Definition {
	names := tree.Object(crd, "status", "acceptedNames")
	if tree.Text(names, "plural") == "" {
		names = tree.Object(crd, "spec", "names")
	}
	d := &Definition{raw: raw, terminating: tree.At(crd, "metadata", "deletionTimestamp") != nil}
	// What all versions share; each row is a copy.
	row := kinds.Row{
		Group: tree.Text(crd, "spec", "group"), Kind: tree.Text(names, "kind"),
		ListKind: cmp.Or(tree.Text(names, "listKind"), tree.Text(names, "kind")+"List"),
		Plural:   tree.Text(names, "plural"), Singular: tree.Text(names, "singular"),
		ShortNames: tree.Strings(tree.List(names, "shortNames")), Categories: tree.Strings(tree.List(names, "categories")),
		Namespaced: tree.Text(crd, "spec", "scope") == "Namespaced",
		Verbs:      customVerbs, HasGeneration: true,
	}
	for _, v := range tree.List(crd, "spec", "versions") {
		cv := &definitionVersion{row: rowOfVersion(row, v), served: tree.At(v, "served") == true}
		if tree.At(v, "storage") == true {
			d.storage = cv.row.Version
		}
		d.versions = append(d.versions, cv)
	}
	return d
}

// rowOfVersion returns the row of one version of a definition, given what it shares with others.
func rowOfVersion(row kinds.Row, version any) *kinds.Row {
	row.Version = tree.Text(version, "name")
	sub := tree.Object(version, "subresources")
	if sub["status"] != nil {
		row.HasStatus = true
		row.Subresources = append(row.Subresources, kinds.Subresource{
			Name: "status", Group: row.Group, Version: row.Version, Kind: row.Kind, Verbs: subresourceVerbs,
		})
	}
	if sub["scale"] != nil {
		// The bodies are of a built-in kind, whatever the custom one is.
		row.Subresources = append(row.Subresources, kinds.Subresource{
			Name: "scale", Group: "autoscaling", Version: "v1", Kind: "Scale", Verbs: subresourceVerbs,
		})
	}
	return &row
}

// Row returns the row of a version, or nil if the definition has no such version. The row has no
// Type and no Columns. It belongs to whoever made the definition until the catalog is given that,
// and must not be changed after.
func (d *Definition) Row(version string) *kinds.Row {
	if v := d.version(version); v != nil {
		return v.row
	}
	return nil
}

// version returns the version of a name, or nil.
func (d *Definition) version(name string) *definitionVersion {
	for _, v := range d.versions {
		if v.row.Version == name {
			return v
		}
	}
	return nil
}

// versionTree returns a version of a name as the definition has it, as a tree that the caller owns.
func (d *Definition) versionTree(name string) any {
	crd, _, _ := tree.ParseJSONObject(d.raw)
	for _, v := range tree.List(crd, "spec", "versions") {
		if tree.Text(v, "name") == name {
			return v
		}
	}
	return nil
}

// verbs returns the verbs that a version's resource has now.
func (d *Definition) verbs(v *definitionVersion) []string {
	if d.terminating {
		return terminatingVerbs
	}
	return v.row.Verbs
}

// resources returns what a version has to show. The hash is of the version that is stored, so all
// versions of a definition have the same.
func (d *Definition) resources(v *definitionVersion) []resource {
	return resourcesOf(v.row, d.verbs(v), storageVersionHash(v.row.Group, d.storage, v.row.Kind))
}

// encoded returns a version, which must be there, with its resources encoded.
func (d *Definition) encoded(version string) *definitionVersion {
	v := d.version(version)
	v.once.Do(func() {
		one := Version{Version: version, resources: d.resources(v)}
		v.plain = appendResources(nil, one.resources)
		// One resource and its subresources are one element of the aggregated form.
		v.aggregated = appendDocument(nil, one.aggregated(v.row.Group, version)[0])
	})
	return v
}

// digest returns a hash of the whole definition: two with the same digest show the same.
func (d *Definition) digest() []byte {
	d.once.Do(func() { d.sum = sha512.Sum512(d.raw) })
	return d.sum[:]
}
