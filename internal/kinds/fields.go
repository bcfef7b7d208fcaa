package kinds

import "strings"

// The types of bodies: what a Go struct declares upstream, told as data. A Type is walked by
// everything that must know fields one by one, and each walk has the same four cases in the
// same order: a map, then a list (which may be what a map holds), then the single value, then
// the message below it. An embedded field is no step of its own in JSON, but is one in
// protobuf where it has a number.
//
// What the types do not say is which values are good: a port of 70000 is an int32, and its
// validation is for others.

// FieldKind is the type of a field's value or, where the field is a list or a map, of one of
// its elements. It decides what JSON is accepted, what protobuf carries, and what OpenAPI
// says.
type FieldKind int

// The kinds of values. Those without a word of their own are the JSON values of that name;
// in protobuf, strings are bytes, booleans and integers are varints, and doubles fixed64.
const (
	FieldString FieldKind = iota
	FieldBool
	FieldInt32
	FieldInt64
	FieldDouble
	// FieldBytes is base64 text in JSON.
	FieldBytes
	// FieldTime is RFC 3339 text with whole seconds; in protobuf a message with seconds=1.
	FieldTime
	// FieldMicroTime is RFC 3339 text with six digits of a second; in protobuf a message
	// with seconds=1 and nanos=2.
	FieldMicroTime
	// FieldIntOrString is a number or text; in protobuf a message with type=1, intVal=2 and
	// strVal=3.
	FieldIntOrString
	// FieldQuantity is text such as 100m or 2Gi; in protobuf a message with string=1.
	FieldQuantity
	// FieldRaw is any JSON; in protobuf a message with raw=1, as RawExtension, FieldsV1 and
	// JSON are.
	FieldRaw
	// FieldMessage is an object of the type Message.
	FieldMessage
)

// Type describes an object of the API: a set of fields, as a Go struct is upstream.
type Type struct {
	// Name is what Table.Type knows it by.
	Name string
	// Schema is the name in OpenAPI: io.k8s.api.core.v1.PodSpec.
	Schema string
	// Doc says in a line what the type is.
	Doc string

	// Fields are in the order of the file.
	Fields []*Field
	// ByName has the same fields by their JSON names, and those of embedded types in place
	// of the fields that embed them.
	ByName map[string]*Field
	// byNumber has the fields that protobuf knows at their numbers, nil where there is none.
	// Those of embedded types are in a message of their own, so they are not among them.
	byNumber []*Field

	// Atomic says that server-side apply owns an object of the type as a whole.
	Atomic bool

	// Union is the union that OpenAPI tells, nil for none.
	Union *Union

	// union is what the members of the type are called of which an object has exactly one, "" for
	// none: "handler". rule is what no row can say.
	union string
	rule  Rule

	// checks is set where the type, or one below it, has a rule of any sort; defaults where a field
	// of them has a default or is moved. An object of another type need not be walked for either.
	checks, defaults bool
}

// Union names fields of a type of which one is meant, and the field that says which, "" for none.
type Union struct {
	Discriminator string
	Fields        []string
}

// Field describes one field of a type.
type Field struct {
	// Name is that in JSON, "" for an embedded field, and number that in protobuf, 0 for
	// none. Doc is one line of ours for OpenAPI.
	Name   string
	number int
	Doc    string

	// The form of the value. IsList is []T and IsMap is map[string]T; both together are
	// map[string][]T, whose lists are messages with items=1 in protobuf. Message is the type
	// of a FieldMessage. Component is the name of a FieldRaw in OpenAPI, with {} behind that
	// of an object, "" for none.
	Kind      FieldKind
	IsList    bool
	IsMap     bool
	Message   *Type
	Component string

	// Alternative is what may stand in place of the message: bool, list (of such messages),
	// strings (a list of them), or "" for nothing. In protobuf a message of its own holds
	// either one, under the two alternativeNumbers: the message's, then the other's.
	Alternative        string
	alternativeNumbers [2]int

	// How upstream's struct declares the field. Required has no omitempty, so JSON has it
	// even when zero. pointer tells zero from absent: what is present counts as set, also
	// where it is zero. nullable is a list that JSON has as null where it is empty. Inline embeds
	// the fields of Message in the outer object.
	Required bool
	pointer  bool
	nullable bool
	Inline   bool
	// emptyAsks is a list whose client asks for something by sending an empty one, so that it is left in: managedFields.
	emptyAsks bool
	// zeroInProtobuf goes with pointer, for a struct that JSON leaves out where it is zero and
	// protobuf does not.
	zeroInProtobuf bool
	// wrapped is a list that is a message with items=1 in protobuf.
	wrapped bool

	// Strategic merge. Strategy is merge, replace, retainKeys, "merge,retainKeys" or "";
	// MergeKey is the field by which elements of a merged list of objects are told apart, ""
	// for a list of scalars.
	Strategy string
	MergeKey string

	// What OpenAPI says. ListType is atomic, set or map, whose elements are told apart by ListKeys;
	// it is atomic or granular for a map or an object, which are owned as a whole or by their parts,
	// and "" where nothing is said. Values are those that a text may have, nil for any. Demanded is
	// what has to be sent; nearly always it is what is Required.
	ListType string
	ListKeys []string
	Values   []string
	Demanded bool

	// rules are what must hold of the value, in the order of their words; member says that it is one
	// of its type's union.
	rules  []fieldRule
	member bool

	// Default is the value of a field that is absent, nil for none, and ShownDefault the one that
	// OpenAPI tells. DefaultFrom names a
	// field of the same type whose value is the default, "" for none. MovesInto names a map
	// of bytes of the same type that takes the texts of this one when the object is
	// written, "" for none.
	Default      any
	ShownDefault any
	DefaultFrom  string
	MovesInto    string
}

// IsPointer reports whether upstream's struct has a pointer, which tells zero from absent.
func (f *Field) IsPointer() bool { return f.pointer }

// alternative returns a field for what may stand in place of f's message. Its name is that
// of the form, which errors of protobuf show.
func (f *Field) alternative() *Field {
	switch f.Alternative {
	case "bool":
		return &Field{Name: f.Alternative, Kind: FieldBool}
	case "strings":
		return &Field{Name: f.Alternative, IsList: true}
	}
	return &Field{Name: f.Alternative, Kind: FieldMessage, Message: f.Message, IsList: true}
}

// goType returns the Go type that upstream's struct has for f, as encoding/json names it in
// its errors: []v1.ServicePort. With element it is that of one element of a list.
func goType(f *Field, element bool) string {
	name := ""
	switch f.Kind {
	case FieldString, FieldTime, FieldMicroTime, FieldQuantity:
		// Upstream's types for times and quantities unmarshal themselves from a string, so
		// it is that string's type that the error names.
		name = "string"
		if f.Name == "uid" {
			name = "types.UID"
		}
	case FieldBool:
		name = "bool"
	case FieldInt32, FieldIntOrString:
		// What is no string is unmarshalled into the number of an IntOrString.
		name = "int32"
	case FieldInt64:
		name = "int64"
	case FieldDouble:
		name = "float64"
	case FieldBytes:
		name = "[]uint8"
	case FieldMessage:
		name = packageType(f.Message.Schema)
	case FieldRaw:
		name = packageType(strings.TrimSuffix(f.Component, "{}"))
	}
	switch {
	case !f.IsList || element:
		return name
	case f.Name == "x-kubernetes-validations":
		return ruleList
	}
	return "[]" + name
}

// packageType returns the Go type of a component with its package: io.k8s.api.core.v1.ServicePort is
// v1.ServicePort. A text without a dot has no package.
func packageType(component string) string {
	parts := strings.Split(component, ".")
	return strings.Join(parts[max(0, len(parts)-2):], ".")
}
