// Package kinds is the table of the built-in kinds: what the server knows of ConfigMap,
// Service or Lease beyond the rules that hold for every object.
//
// What comes in are text files, which are embedded in the program: kinds.txt describes how they
// are written, and every group has one of its own. Load reads them once. What goes out is a Table: rows of kinds (names, verbs, subresources, columns, selectable
// fields, rules for writes) and the types of their bodies, field by field. Discovery,
// OpenAPI, Table answers, strict field checking, defaulting, strategic merge and the
// both ways of protobuf all read that one table, so a further kind is a few rows of text and
// no code, unless it has rules that no row can state.
//
//	table, err := kinds.Load(nil)
//	row := table.Kind("", "v1", "Service")
//	shape := kinds.Shape{Row: row}
//	unknown, err := shape.Prune(obj) // typed as upstream's struct would be, or an error
//	shape.SetDefaults(obj)
//
// A Table is never changed after Load and may be read by any number of goroutines. The
// functions that take an object change it in place and must have it alone while they run.
//
// The package knows nothing of requests or storage. Of the kinds that a CustomResourceDefinition
// adds it knows only the form: they have Rows too, without a Type, since their objects are
// shaped by schemas. The package is internal, and promises no compatibility between versions
// of the program.
package kinds

import (
	"crypto/sha512"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"apichain/internal/fieldset"
	"apichain/internal/tree"
)

// A kind is named three ways, and the table answers for each: by group, version and kind
// (what a body says it is), by group, version and plural (what a path says), and by
// plural.group (what a row names when it stores its objects as those of another kind).
// Only the first is asked for while requests are served; the other two serve the reader.
//
// The rows are plain data and are read directly by the packages above. What a row says in
// a form that must be interpreted (renamed fields, immutable fields, initial values) is not
// exported: Shape, ToStored and FromStored apply it.
//
// Two kinds may share stored objects. Event is in the core group and in events.k8s.io, with
// different names for the same fields; the second has StoredAs "events", so that its rows
// of columns and its selectable fields are about the shape of the first:
//
//	regarding.kind=Pod   selects by   involvedObject.kind   of the stored object

// Table is the content of the files, with all references resolved. The zero value has no
// kinds. A table that Load returned must not be changed.
type Table struct {
	// Kinds holds the rows in the order of the files, which is the order of discovery.
	Kinds []*Row
	// Groups holds the API groups that have kinds, by name; "" is the core group.
	Groups map[string]Group

	// ByKind and ByResource hold the rows by the name of the kind and by the plural name.
	ByKind, ByResource map[Key]*Row

	// types are those of the bodies. A copy of the table shares them.
	types *types
}

// types are the types of a table, by name: PodSpec for one of the core group, else with the package
// before it, as in meta.ObjectMeta.
type types struct {
	// files are what the table was read from.
	files []source
	// lines are those of all types in the files, and rules are given to the types as they are read.
	lines map[string]typeLines
	rules Rules
	// read has the types that were asked for.
	mu   sync.Mutex
	read map[string]*Type
}

// Key identifies a kind or a resource: a group, a version, and the name of either. Which of
// the two the name is depends on the map that has the key.
type Key struct{ Group, Version, Name string }

// NewKey returns the key of a group ("" for the core group), a version and a name.
func NewKey(group, version, name string) Key { return Key{group, version, name} }

// WasRead reports whether the table was read from a text, and is not one that a test has made.
func (t *Table) WasRead() bool { return t.types != nil && t.types.files != nil }

// Digest returns a hash of the text of a table that was read. What two tables of the same digest say of a
// kind is the same.
func (t *Table) Digest() []byte {
	sum := sha512.New()
	for _, f := range t.types.files {
		_, _ = io.WriteString(sum, f.text) // a hash takes everything
	}
	return sum.Sum(nil)
}

// otherVersion is an earlier version of a kind, and since when it is deprecated, as whoever uses it is
// warned; "" if it is not.
type otherVersion struct{ version, deprecated string }

// WithAlso returns the table with the earlier versions of kinds that are wanted: another version of the
// same shape, whose objects are those of the row. The table is returned as it is if none is wanted.
func (t *Table) WithAlso(wanted func(group, version, plural string) bool) *Table {
	out := *t
	for _, k := range t.Kinds {
		for _, also := range k.also {
			version := also.version
			if !wanted(k.Group, version, k.Plural) {
				continue
			}
			if len(out.Kinds) == len(t.Kinds) { // the first one
				out.ByKind, out.ByResource = maps.Clone(t.ByKind), maps.Clone(t.ByResource)
				out.Kinds = slices.Clone(t.Kinds)
			}
			row := *k
			row.Version, row.StoredAs, row.also, row.Same = version, k.Qualified(), nil, k
			if also.deprecated != "" {
				row.Deprecated = k.Group + "/" + version + " " + k.Kind + " is deprecated in " + also.deprecated
			}
			row.Subresources = slices.Clone(k.Subresources)
			for i := range row.Subresources {
				if s := &row.Subresources[i]; s.Group == k.Group && s.Version == k.Version {
					s.Version = version
				}
			}
			out.Kinds = append(out.Kinds, &row)
			out.ByKind[Key{k.Group, version, k.Kind}], out.ByResource[Key{k.Group, version, k.Plural}] = &row, &row
		}
	}
	if len(out.Kinds) == len(t.Kinds) {
		return t
	}
	return &out
}

// Know gives the table types beside those of its files, as long as nobody else uses it: tests make
// tables of their own so.
func (t *Table) Know(known ...*Type) {
	if t.types == nil {
		t.types = &types{read: map[string]*Type{}}
	}
	for _, typ := range known {
		t.types.read[typ.Name] = typ
	}
}

// Group says where discovery lists an API group among the others. The numbers are those
// that upstream registers its own APIServices with: higher ones come first, and the first
// version of a group is the one that clients prefer.
type Group struct {
	Priority        int
	VersionPriority int
}

// Group returns the priorities of a group by its name, "" for the core group. It reports
// false for a group that has no built-in kinds, such as one of custom resources only.
func (t *Table) Group(name string) (Group, bool) {
	g, ok := t.Groups[name]
	return g, ok
}

// Kind returns the row of a kind, or nil if the table has no such kind. Names are compared
// exactly: kinds are in CamelCase.
func (t *Table) Kind(group, version, kind string) *Row {
	return t.ByKind[Key{group, version, kind}]
}

// Body returns the type by which a request body of the given kind is decoded, or nil for a
// kind that no built-in resource accepts. Three sorts of kinds are known: those with a row
// of their own, those of a subresource's bodies (authentication.k8s.io/v1 TokenRequest), and
// two that belong to no row, DeleteOptions and Scale.
func (t *Table) Body(group, version, kind string) *Type {
	if k := t.Kind(group, version, kind); k != nil {
		return k.Type()
	}
	for _, k := range t.Kinds {
		for i := range k.Subresources {
			if s := &k.Subresources[i]; s.Kind == kind && s.Group == group && s.Version == version {
				return s.Type()
			}
		}
	}
	switch {
	case kind == "DeleteOptions":
		// Upstream registers the options in every group version, and clients send them
		// with that of the object to delete.
		return t.Type("meta.DeleteOptions")
	case group == "autoscaling" && version == "v1" && kind == "Scale":
		// No built-in kind has a scale subresource, but custom resources may.
		return t.Type("autoscaling.Scale")
	}
	return nil
}

// Answer returns the type of what is answered as the given kind: that of Body, or of what is only
// answered, as a Status and the documents of discovery are. It is nil for a list, whose items have
// types.
func (t *Table) Answer(group, version, kind string) *Type {
	switch kind {
	case "Status", "PartialObjectMetadata", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList":
		return t.Type("meta." + kind)
	case "APIGroupDiscoveryList":
		return t.Type("apidiscovery." + kind)
	}
	return t.Body(group, version, kind)
}

// AllVerbs are the verbs of a resource that can do everything, sorted as discovery lists them.
// Rows share the slice, so nobody may change it.
var AllVerbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}

// Row describes one kind and the resource that serves its objects. The rows of built-in kinds
// come from the table. Those of custom resources, one for each version of a definition, have
// names, verbs, subresources and columns; their Type() is nil, and what only a built-in kind can
// do is zero.
type Row struct {
	// Identity, as discovery shows it. ListKind is the kind of lists of the objects; NameRule
	// is label, label1035, subdomain, segment or ip; Server is core, extensions or aggregator;
	// Verbs are those of the resource itself, sorted.
	Group      string
	Version    string
	Kind       string
	ListKind   string
	Plural     string
	Singular   string
	ShortNames []string
	Categories []string
	Namespaced bool
	NameRule   string
	Server     string
	Verbs      []string

	// Subresources have verbs and perhaps bodies of their own.
	Subresources []Subresource

	// Body describes the objects as clients send and receive them; see Type. StoredAs names the
	// resource (plural.group) of another kind whose objects these are, "" for a kind that
	// stores its own; stored is the row of that kind, or this one.
	Body     *LazyType
	StoredAs string
	stored   *Row
	// Same is the row of which this one is another version of the same shape, nil for any other.
	Same *Row

	// HashVersion is the version that upstream stores the objects in where it is another than Version, and
	// that storageVersionHash is made of; "-" where there is no such hash. See StorageVersion.
	HashVersion string
	// StoragePath is where upstream has the objects in etcd, below the prefix of all keys: "/pods".
	StoragePath string

	// What DELETE, PUT and POST do. Upstream's strategies have the same switches.
	//
	// ReturnsDeleted: DELETE answers with the object instead of a Status.
	// UnconditionalUpdate: PUT without a resourceVersion is accepted.
	// CreateOnUpdate: PUT to a missing object creates it.
	// HasGeneration: metadata.generation counts changes of the object.
	// LabelsCount: it counts those of the labels too.
	// HasStatus: status is a subresource, so writes of the object leave it alone.
	// KeepsGivenStatus: a create may carry a status, which is kept.
	// ReviewOnly: objects are created, answered and never stored.
	// StatusAlone: a write of the status leaves the metadata as they are.
	// QualifiedFinalizers: finalizers have a prefix, unless they are the server's own.
	// RechecksNames: an update asks again whether name and generateName are good.
	ReturnsDeleted      bool
	UnconditionalUpdate bool
	CreateOnUpdate      bool
	HasGeneration       bool
	LabelsCount         bool
	HasStatus           bool
	KeepsGivenStatus    bool
	ReviewOnly          bool
	StatusAlone         bool
	QualifiedFinalizers bool
	RechecksNames       bool
	// Deprecated is a warning that comes with every answer, "" for none.
	Deprecated string

	// Columns are those of the Table form, and Fields what field selectors may name besides
	// metadata.name and metadata.namespace. Both are about the stored shape.
	Columns []Column
	Fields  []Selectable

	// Kept are paths that, like status, a write of the object cannot change.
	Kept [][]string

	// resets are the filters by subresource that are not those of most kinds: see Resets.
	resets map[string]*fieldset.Filter

	// also are versions before this one that had the same shape, which are served where they are asked
	// for: see WithAlso.
	also []otherVersion
	// reads are further versions of the same shape in which objects may have been stored.
	reads []string

	// file and line are where the row of a built-in kind stands.
	file string
	line int

	// Rules that Shape applies: initial is what a new object gets, whatever the client sent;
	// nameLabel is a label that always holds the object's name; immutableFlag is a field
	// that, once true, makes itself and immutableFields unchangeable; fixed are fields that no
	// update changes; dropped are fields that are never kept.
	initial         []initialValue
	nameLabel       string
	immutableFlag   string
	immutableFields []string
	fixed           []string
	dropped         []droppedFields

	// renames are pairs of top-level fields of a kind that is stored as another: the name
	// here, and the name in the stored shape.
	renames [][2]string
}

// StorageVersion returns the version in which upstream stores the objects of the kind, which stores its
// own.
func (k *Row) StorageVersion() string {
	if k.HashVersion == "" || k.HashVersion == "-" {
		return k.Version
	}
	return k.HashVersion
}

// Versions returns the versions that have the shape of the row and may have been stored: its own, earlier
// ones, and the one that upstream stores.
func (k *Row) Versions() []string {
	versions := append([]string{k.Version}, k.reads...)
	for _, also := range k.also {
		versions = append(versions, also.version)
	}
	if v := k.StorageVersion(); !slices.Contains(versions, v) {
		versions = append(versions, v)
	}
	return versions
}

// Type describes the objects as clients send and receive them; nil for a custom resource.
//
//go:noinline
func (k *Row) Type() *Type { return k.Body.get() }

// Qualified returns the name of the resource across groups, as messages and buckets have it:
// widgets.example.com, and just pods in the core group.
func (k *Row) Qualified() string {
	if k.Group == "" {
		return k.Plural
	}
	return k.Plural + "." + k.Group
}

// SplitAPIVersion splits an apiVersion, group/version. Without a slash it is a version of the
// core group, whose name is "".
func SplitAPIVersion(text string) (group, version string) {
	if g, v, ok := strings.Cut(text, "/"); ok {
		return g, v
	}
	return "", text
}

// Subresource describes a subresource of a kind: status, scale, token, finalize.
type Subresource struct {
	Name string
	// Group, Version and Kind are of its bodies, those of the object unless the table says
	// otherwise.
	Group, Version, Kind string
	// Verbs are sorted.
	Verbs []string
	// Body describes its bodies; see Type.
	Body *LazyType
}

// Type describes the bodies of the subresource; nil for a custom resource.
func (s *Subresource) Type() *Type { return s.Body.get() }

// Selectable is a field that field selectors may name. Its value is found in the stored
// shape of an object.
type Selectable struct {
	// Label is the name in selectors: involvedObject.kind.
	Label string
	Path  []string
	// fallbackPath, nil for none, leads to the value of objects that have none at Path.
	fallbackPath []string
	// absent is the value of objects that have none at either path.
	absent string
	// Index is the position of the same field among those of the stored kind, which is
	// where the store keeps the value.
	Index int
	// Hidden says that selectors cannot name the field: its value is kept with the objects for
	// another version of a custom resource, which has it.
	Hidden bool
}

// Value returns the value of the field in an object of the stored shape, as selectors
// compare it: scalars as text, collections as "". A value of "" counts as absent, so that
// source of an Event without one is its reportingComponent.
func (f *Selectable) Value(obj map[string]any) string {
	// A selector has only text to compare with, so that of a cell serves.
	s := cellText(tree.At(obj, f.Path...))
	if s == "" && f.fallbackPath != nil {
		s = cellText(tree.At(obj, f.fallbackPath...))
	}
	if s == "" {
		s = f.absent
	}
	return s
}

// FieldValues returns the values of selectable fields in obj, in their order, as field selectors
// compare them.
func FieldValues(obj map[string]any, fields []Selectable) []string {
	var values []string
	for i := range fields {
		values = append(values, fields[i].Value(obj))
	}
	return values
}

// FieldLabels returns the labels of fields in order, as selectors are resolved by: the position
// of a label is that of the value. A hidden field keeps its position.
func FieldLabels(fields []Selectable) []string {
	labels := make([]string, len(fields))
	for i := range fields {
		labels[i] = fields[i].Label
		if fields[i].Hidden {
			// Terms are split at commas, so no term can be about a field of this name.
			labels[i] = ","
		}
	}
	return labels
}

// initialValue is a value that a new object gets at a path, over what the client sent. If
// it is a list, its elements are added to the list that is there.
type initialValue struct {
	path  []string
	value any
}

// droppedFields are fields that no object keeps, of the object at a path or of the elements of
// the list there.
type droppedFields struct {
	path   []string
	fields []string
}

// Column is a column of the Table form. The names are upstream's, because people and
// scripts read kubectl's output by them.
type Column struct {
	// Name is - for a cell that no column is defined for.
	Name, Type, Format, Description string
	// Priority is 0 for a column that is always shown; kubectl shows others with -o wide.
	Priority int
	// Cell returns the value for an object of the stored shape: a string, int64, bool or
	// nil. It may be called concurrently. Ages are measured against the clock.
	Cell func(obj map[string]any) any
	// InList returns what takes the place of Cell in the table of a list of these objects, nil for a
	// column whose cells do not depend on the others.
	InList func(objs []map[string]any) func(obj map[string]any) any
}
