package main

// The built-in kinds. kinds.txt is the one table: it drives discovery, strict field
// checking, OpenAPI, tables, strategic merge and protobuf decoding, so that a further
// kind is a few rows and no code. kinds_read.go reads it; its header says how it is
// written.

// kindTable is kinds.txt, read. It is not changed afterwards.
type kindTable struct {
	kinds []*kindRow          // in the order of the file
	types map[string]*typeDef // by name: PodSpec (core), meta.ObjectMeta (others)

	byKind, byResource map[kindKey]*kindRow
}

// kindKey is a group, a version and the name of a kind or a resource.
type kindKey struct{ group, version, name string }

// kind is the row of a kind, nil if there is none.
func (t *kindTable) kind(group, version, kind string) *kindRow {
	return t.byKind[kindKey{group, version, kind}]
}

// resource is the row of a resource by its plural name, nil if there is none.
func (t *kindTable) resource(group, version, plural string) *kindRow {
	return t.byResource[kindKey{group, version, plural}]
}

// body is the type of the bodies of a kind: that of a row, or of a row's subresource, or
// DeleteOptions, which every group version knows. It is nil for others.
func (t *kindTable) body(group, version, kind string) *typeDef {
	if k := t.kind(group, version, kind); k != nil {
		return k.typ
	}
	for _, k := range t.kinds {
		for i := range k.subresources {
			if s := &k.subresources[i]; s.kind == kind && s.group == group && s.version == version {
				return s.typ
			}
		}
	}
	switch {
	case kind == "DeleteOptions":
		return t.types["meta.DeleteOptions"]
	case group == "autoscaling" && version == "v1" && kind == "Scale": // of custom kinds
		return t.types["autoscaling.Scale"]
	}
	return nil
}

// kindRow is one built-in kind.
type kindRow struct {
	group, version, kind string
	plural, singular     string
	shortNames           []string
	categories           []string
	namespaced           bool
	verbs                []string // of the resource itself, sorted
	subresources         []subresourceRow
	server               string   // core, extensions or aggregator
	typ                  *typeDef // of the object
	nameRule             string   // label, label1035, subdomain, segment
	storedAs             string   // resource (plural.group) of another kind whose objects these are; "" for its own
	stored               *kindRow // the row of storedAs, or this one

	deleteGivesObject bool // DELETE answers the object, else a Status
	blindUpdate       bool // PUT without resourceVersion is taken
	createOnUpdate    bool // PUT to a missing object creates it
	generation        bool // metadata.generation is kept
	hasStatus         bool // status is a subresource: writes of the object leave it alone
	givenStatus       bool // but a create may send one, which is kept
	reviewOnly        bool // only created, answered and never stored

	columns []tableColumn     // their cells are of the stored form
	fields  []selectableField // besides metadata.name and metadata.namespace

	initial   []initialValue // what a new object gets, whatever the client sent
	keeps     [][]string     // besides status, what writes of the object leave alone
	nameLabel string         // label that always holds the name
	freezer   string         // field that, once true, freezes itself and the frozen ones
	frozen    []string
	renames   [][2]string // of a kind stored as another: this one's name of a field, and that one's
}

// fieldIndex is which of the stored kind's selectable fields label selects by; false for
// labels that are none. metadata.name and metadata.namespace are for the caller.
func (k *kindRow) fieldIndex(label string) (int, bool) {
	for i := range k.fields {
		if k.fields[i].label == label {
			return k.fields[i].index, true
		}
	}
	return 0, false
}

// fieldValues are the values of the selectable fields of a stored object, in order.
func (k *kindRow) fieldValues(obj map[string]any) []string {
	if len(k.fields) == 0 {
		return nil
	}
	values := make([]string, len(k.fields))
	for i := range k.fields {
		values[i] = k.fields[i].value(obj)
	}
	return values
}

// subresourceRow is a subresource of a kind, with the kind of its bodies.
type subresourceRow struct {
	name                 string // status, scale, token, finalize
	group, version, kind string
	verbs                []string
	typ                  *typeDef
}

// selectableField is a label that field selectors may use and the path of its value.
type selectableField struct {
	label string
	path  []string
	other []string // path of the value where path has none
	zero  string   // the value where there is none at all
	index int      // in the stored kind's fields: where that kind keeps the value
}

// value is the field's value as selectors compare it.
func (f *selectableField) value(obj map[string]any) string {
	s := cellText(member(obj, f.path...))
	if s == "" && f.other != nil {
		s = cellText(member(obj, f.other...))
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

// tableColumn is a column of the Table form. cell gives its value for an object: string,
// int64, bool or nil.
type tableColumn struct {
	name, typ, format, description string
	priority                       int
	cell                           func(obj map[string]any) any
}

// fieldKind is the type of a field's value, or of an element where it is a list or map.
type fieldKind int

const (
	fieldString fieldKind = iota
	fieldBool
	fieldInt32
	fieldInt64
	fieldDouble
	fieldBytes       // base64 in JSON
	fieldTime        // RFC 3339, seconds; protobuf Timestamp-like message
	fieldMicroTime   // RFC 3339, microseconds
	fieldIntOrString // protobuf: type=1, intVal=2, strVal=3
	fieldQuantity    // string; protobuf message with string=1
	fieldRaw         // any JSON; protobuf message with raw=1 (RawExtension, FieldsV1, JSON)
	fieldMessage     // an object of type message
)

// typeDef is a type of the API: a set of fields.
type typeDef struct {
	name     string // as in kindTable.types
	schema   string // in OpenAPI: io.k8s.api.core.v1.PodSpec
	doc      string
	fields   []*typeField          // in the order of the file
	byName   map[string]*typeField // with those of inline types
	byNumber map[int]*typeField

	defaults bool // it or a type below has fields with defaults
}

// typeField is one field of a type.
type typeField struct {
	name      string // in JSON; "" of an inline one
	number    int    // in protobuf; 0: none
	kind      fieldKind
	list, dic bool     // []T or map[string]T; both: map[string][]T, whose lists are messages with items=1 in protobuf
	message   *typeDef // of fieldMessage
	component string   // of fieldRaw: its name in OpenAPI, with {} behind that of an object; "" for none
	or        string   // what may stand for the message as well: bool, list (of messages), strings (a list); "" for nothing
	orNumbers [2]int   // with or: in protobuf, the numbers of the message and of the other in the message that holds either
	doc       string   // one line of ours, for OpenAPI

	required bool   // always in JSON even when zero (no omitempty upstream)
	pointer  bool   // optional: in protobuf, present means set even when zero
	strategy string // strategic merge: merge, replace, retainKeys, "merge,retainKeys" or ""
	mergeKey string // of a list of objects that is merged; "" for a list of scalars
	inline   bool   // fields of message belong to the outer type (embedded)

	fallback any    // default; nil for none
	sibling  string // the field whose value is the default; "" for none
	into     string // map that the values of this one, as bytes, go into when written; "" for none
}

// fieldLabels is what selectors may name.
func fieldLabels(fields []selectableField) []string {
	labels := make([]string, len(fields))
	for i := range fields {
		labels[i] = fields[i].label
	}
	return labels
}
