package main

// The built-in kinds. kinds.txt is the one table: it drives discovery, strict field
// checking, OpenAPI, tables, strategic merge and protobuf decoding, so that a further
// kind is a few rows and no code.

// kindTable is kinds.txt, read. It is not changed afterwards.
type kindTable struct {
	kinds []*kindRow          // in the order of the file
	types map[string]*typeDef // by name: PodSpec, meta.ObjectMeta
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

	deleteGivesObject bool // DELETE answers the object, else a Status
	blindUpdate       bool // PUT without resourceVersion is taken
	createOnUpdate    bool // PUT to a missing object creates it
	generation        bool // metadata.generation is kept
	hasStatus         bool // status is a subresource: writes of the object leave it alone
	reviewOnly        bool // only created, answered and never stored

	columns []tableColumn
	fields  []selectableField // besides metadata.name and metadata.namespace
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
	name     string // as in kinds.txt
	doc      string
	fields   []*typeField // in the order of the file
	byName   map[string]*typeField
	byNumber map[int]*typeField
}

// typeField is one field of a type.
type typeField struct {
	name      string // in JSON
	number    int    // in protobuf; 0: none
	kind      fieldKind
	list, dic bool     // []T or map[string]T
	message   *typeDef // of fieldMessage
	doc       string   // one line of ours, for OpenAPI

	required bool   // always in JSON even when zero (no omitempty upstream)
	pointer  bool   // optional scalar: in protobuf, present means set even when zero
	strategy string // strategic merge: merge, replace, retainKeys, "merge,retainKeys" or ""
	mergeKey string // of a list of objects that is merged; "" for a list of scalars
	inline   bool   // fields of message belong to the outer type (embedded)
}
