package kinds

import "apichain/internal/tree"

// The built-in kinds. kinds.txt is the one table: it drives discovery, strict field
// checking, OpenAPI, tables, strategic merge and protobuf decoding, so that a further
// kind is a few rows and no code. read.go reads it; its header says how it is
// written.

// Table is kinds.txt, read. It is not changed afterwards.
type Table struct {
	Kinds []*Row           // in the order of the file
	Types map[string]*Type // by name: PodSpec (core), meta.ObjectMeta (others)

	ByKind, ByResource map[Key]*Row
}

// Key is a group, a version and the name of a kind or a resource.
type Key struct{ Group, Version, Name string }

// NewKey makes a key of its three parts.
func NewKey(group, version, name string) Key { return Key{group, version, name} }

// Kind is the row of a kind, nil if there is none.
func (t *Table) Kind(group, version, kind string) *Row {
	return t.ByKind[Key{group, version, kind}]
}

// resource is the row of a resource by its plural name, nil if there is none.
func (t *Table) resource(group, version, plural string) *Row {
	return t.ByResource[Key{group, version, plural}]
}

// Body is the type of the bodies of a kind: that of a row, or of a row's subresource, or
// DeleteOptions, which every group version knows. It is nil for others.
func (t *Table) Body(group, version, kind string) *Type {
	if k := t.Kind(group, version, kind); k != nil {
		return k.Type
	}
	for _, k := range t.Kinds {
		for i := range k.Subresources {
			if s := &k.Subresources[i]; s.Kind == kind && s.Group == group && s.Version == version {
				return s.Type
			}
		}
	}
	switch {
	case kind == "DeleteOptions":
		return t.Types["meta.DeleteOptions"]
	case group == "autoscaling" && version == "v1" && kind == "Scale": // of custom kinds
		return t.Types["autoscaling.Scale"]
	}
	return nil
}

// Row is one built-in kind.
type Row struct {
	Group, Version, Kind string
	Plural, Singular     string
	ListKind             string // of lists of the kind
	ShortNames           []string
	Categories           []string
	Namespaced           bool
	Verbs                []string // of the resource itself, sorted
	Subresources         []Subresource
	Server               string // core, extensions or aggregator
	Type                 *Type  // of the object
	NameRule             string // label, label1035, subdomain, segment
	StoredAs             string // resource (plural.group) of another kind whose objects these are; "" for its own
	stored               *Row   // the row of StoredAs, or this one

	ReturnsDeleted      bool // DELETE answers the object, else a Status
	UnconditionalUpdate bool // PUT without resourceVersion is taken
	CreateOnUpdate      bool // PUT to a missing object creates it
	HasGeneration       bool // metadata.generation is kept
	HasStatus           bool // status is a subresource: writes of the object leave it alone
	KeepsGivenStatus    bool // but a create may send one, which is kept
	ReviewOnly          bool // only created, answered and never stored

	Columns []Column     // their cells are of the stored form
	Fields  []Selectable // besides metadata.name and metadata.namespace

	initial   []initialValue // what a new object gets, whatever the client sent
	Kept      [][]string     // besides status, what writes of the object leave alone
	nameLabel string         // label that always holds the name
	freezer   string         // field that, once true, freezes itself and the frozen ones
	frozen    []string
	renames   [][2]string // of a kind stored as another: this one's name of a field, and that one's
}

// fieldIndex is which of the stored kind's selectable fields label selects by; false for
// labels that are none. metadata.name and metadata.namespace are for the caller.
func (k *Row) fieldIndex(label string) (int, bool) {
	for i := range k.Fields {
		if k.Fields[i].Label == label {
			return k.Fields[i].Index, true
		}
	}
	return 0, false
}

// fieldValues are the values of the selectable fields of a stored object, in order.
func (k *Row) fieldValues(obj map[string]any) []string {
	if len(k.Fields) == 0 {
		return nil
	}
	values := make([]string, len(k.Fields))
	for i := range k.Fields {
		values[i] = k.Fields[i].Value(obj)
	}
	return values
}

// Subresource is a subresource of a kind, with the kind of its bodies.
type Subresource struct {
	Name                 string // status, scale, token, finalize
	Group, Version, Kind string
	Verbs                []string
	Type                 *Type
}

// Selectable is a label that field selectors may use and the path of its value.
type Selectable struct {
	Label string
	Path  []string
	other []string // path of the value where path has none
	zero  string   // the value where there is none at all
	Index int      // in the stored kind's fields: where that kind keeps the value
}

// Value is the field's value as selectors compare it.
func (f *Selectable) Value(obj map[string]any) string {
	s := cellText(tree.At(obj, f.Path...))
	if s == "" && f.other != nil {
		s = cellText(tree.At(obj, f.other...))
	}
	if s == "" {
		s = f.zero
	}
	return s
}

// initialValue is put at path of a new object; where value is a list, its elements are
// added to what is there.
type initialValue struct {
	path  []string
	value any
}

// Column is a column of the Table form. cell gives its value for an object: string,
// int64, bool or nil.
type Column struct {
	Name, Type, Format, Description string
	Priority                        int
	Cell                            func(obj map[string]any) any
}

// FieldKind is the type of a field's value, or of an element where it is a list or map.
type FieldKind int

const (
	FieldString FieldKind = iota
	FieldBool
	FieldInt32
	FieldInt64
	FieldDouble
	FieldBytes       // base64 in JSON
	FieldTime        // RFC 3339, seconds; protobuf Timestamp-like message
	FieldMicroTime   // RFC 3339, microseconds
	FieldIntOrString // protobuf: type=1, intVal=2, strVal=3
	FieldQuantity    // string; protobuf message with string=1
	FieldRaw         // any JSON; protobuf message with raw=1 (RawExtension, FieldsV1, JSON)
	FieldMessage     // an object of type message
)

// Type is a type of the API: a set of fields.
type Type struct {
	Name     string // as in Table.types
	Schema   string // in OpenAPI: io.k8s.api.core.v1.PodSpec
	Doc      string
	Fields   []*Field          // in the order of the file
	ByName   map[string]*Field // with those of inline types
	byNumber map[int]*Field

	defaults bool // it or a type below has fields with defaults
}

// Field is one field of a type.
type Field struct {
	Name               string // in JSON; "" of an inline one
	number             int    // in protobuf; 0: none
	Kind               FieldKind
	IsList, IsMap      bool   // []T or map[string]T; both: map[string][]T, whose lists are messages with items=1 in protobuf
	Message            *Type  // of FieldMessage
	Component          string // of FieldRaw: its name in OpenAPI, with {} behind that of an object; "" for none
	Alternative        string // what may stand for the message as well: bool, list (of messages), strings (a list); "" for nothing
	alternativeNumbers [2]int // with or: in protobuf, the numbers of the message and of the other in the message that holds either
	Doc                string // one line of ours, for OpenAPI

	Required bool   // always in JSON even when zero (no omitempty upstream)
	pointer  bool   // optional: in protobuf, present means set even when zero
	Strategy string // strategic merge: merge, replace, patch.retainKeys, "merge,patch.retainKeys" or ""
	MergeKey string // of a list of objects that is merged; "" for a list of scalars
	Inline   bool   // fields of message belong to the outer type (embedded)

	Default     any    // default; nil for none
	DefaultFrom string // the field whose value is the default; "" for none
	MovesInto   string // map that the values of this one, as bytes, go into when written; "" for none
}

// FieldLabels is what selectors may name.
func FieldLabels(fields []Selectable) []string {
	labels := make([]string, len(fields))
	for i := range fields {
		labels[i] = fields[i].Label
	}
	return labels
}
