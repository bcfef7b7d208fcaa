package cel

import (
	"math"

	"apichain/internal/cel/syntax"
)

// A Type serves three who ask different things of it. The checker asks what it is: Kind, Name and Params, and
// nothing else makes two types different. The estimator asks how large a value of the place may be: Max and Min,
// which come from a schema (maxLength, maxItems, maxProperties, enum, format), and which upstream keeps beside its
// types, in the DeclType of apiserver/pkg/cel. The evaluator asks how the place looks in a tree: Fields with their
// Keys, Listing, Nullable, Format.
//
// The functions of this room that are kept out of line (go:noinline) all have one reason, and it is told here: they are called
// from hundreds of places, the tables of libraries above all, none of which is in a hurry, and a copy of the body at each of
// them makes the program larger. TestSize of the root holds the figure that they are kept for. Whoever takes such a line away
// asks that test; whoever writes a hot path, as program_names.go does, does not call one of them in it.

// Kind says what a type or a value is.
type Kind uint8

// The kinds. Values have one of those up to Opaque.
const (
	// The order matters: everything from String to Map may be long, and the evaluator asks for that by one
	// comparison.
	Error Kind = iota // a value that is an error; as a type, what could not be checked
	Null
	Bool
	Int
	Uint
	Double
	String
	Bytes
	Timestamp
	Duration
	List
	Map
	Object   // a message: named fields of known types
	TypeKind // a value that is a type
	Opaque   // a type of a library, as quantities, and optional_type
	Dyn      // what is not known before it is there
	Param    // a type parameter of a function: A, B
	Any
	Wrapper // a value of Params[0] or null
)

// Type is a type as the checker sees it, with what is known of a place that has it: how long it may become, and how it looks in a
// tree. Types are compared by kind, name and parameters. A Type is immutable once it is used.
type Type struct {
	Kind   Kind
	Name   string            // as messages have it: of an object, an opaque type, a parameter
	Params []*Type           // the item of a list; key and value of a map; those of an opaque type
	Fields map[string]*Field // of an object, by their names in CEL

	// Max is the most items, entries, bytes that a value of this place may have: Unbounded where nothing is known, and as upstream
	// has it 0 for what has no length. Min is the fewest bytes that a value takes as JSON. Both are for estimates of cost.
	Max, Min uint64

	// Listing says how a list is compared and added to: set and map lists of schemas. Keys are the fields that tell the items of
	// a map list apart, by their names in the tree.
	Listing Listing
	Keys    []string

	// Nullable and Format are what a schema says of a place beyond its type: "date" beside Timestamp, "int-or-string" beside Dyn.
	Nullable bool
	Format   string

	// Open is true for a message any of whose fields exists, as dyn. Among the types of an Env it answers for every name below its
	// own too: Object.spec for Object.
	Open bool

	// Named is true for a map of which an entry that is selected by name is as long as its values may be: upstream looks for the
	// sizes of entries only where they are indexed, but for the attributes of devices.
	Named bool

	variable int32 // the number of a type variable, from 1; see bindings
}

// Unbounded is the Max of a type of which nothing is known.
const Unbounded = math.MaxInt64

// Listing is a list's x-kubernetes-list-type.
type Listing uint8

// The sorts of lists.
const (
	Atomic Listing = iota
	Set
	Keyed
)

// Field is a field of an object.
type Field struct {
	Type *Type
	// Key is the name in the tree: the one in CEL may be escaped.
	Key string
	// Required is false for a field that may be absent. The checker does not ask: has() may be asked of any field.
	Required bool
}

// The types that have no parts.
var (
	DynType       = &Type{Kind: Dyn, Name: "dyn", Max: Unbounded}
	ErrorType     = &Type{Kind: Error, Name: "!error!", Max: Unbounded}
	NullType      = &Type{Kind: Null, Name: "null", Max: Unbounded}
	BoolType      = &Type{Kind: Bool, Name: "bool", Max: Unbounded}
	IntType       = &Type{Kind: Int, Name: "int", Max: Unbounded}
	UintType      = &Type{Kind: Uint, Name: "uint", Max: Unbounded}
	DoubleType    = &Type{Kind: Double, Name: "double", Max: Unbounded}
	StringType    = &Type{Kind: String, Name: "string", Max: Unbounded}
	BytesType     = &Type{Kind: Bytes, Name: "bytes", Max: Unbounded}
	TimestampType = &Type{Kind: Timestamp, Name: "timestamp", Max: Unbounded}
	DurationType  = &Type{Kind: Duration, Name: "duration", Max: Unbounded}
	TypeType      = &Type{Kind: TypeKind, Name: "type", Max: Unbounded}
	AnyType       = &Type{Kind: Any, Name: "any", Max: Unbounded}
)

// ListOf returns the type of lists of an item's type.
func ListOf(item *Type) *Type {
	return &Type{Kind: List, Name: "list", Params: []*Type{item}, Max: Unbounded}
}

// MapOf returns the type of maps.
func MapOf(key, value *Type) *Type {
	return &Type{Kind: Map, Name: "map", Params: []*Type{key, value}, Max: Unbounded}
}

// OptionalOf returns the type of what is a value of a type, or is not there.
// Its values are made by optional.of and its like, and by a.?b; its functions are those of the library optional.
func OptionalOf(t *Type) *Type {
	return &Type{Kind: Opaque, Name: "optional_type", Params: []*Type{t}, Max: Unbounded}
}

// OpaqueOf returns a type of a library.
func OpaqueOf(name string, params ...*Type) *Type {
	return &Type{Kind: Opaque, Name: name, Params: params, Max: Unbounded}
}

// ObjectOf returns the type of messages whose fields nobody knows: of a library's values that expressions cannot look into.
func ObjectOf(name string) *Type { return &Type{Kind: Object, Name: name, Max: Unbounded} }

// WrapperOf returns the type of what is a value of a type, or null.
// It agrees with the type itself in all but null (checker/types.go), and has the same functions.
func WrapperOf(t *Type) *Type {
	return &Type{Kind: Wrapper, Name: t.Name, Params: []*Type{t}, Max: Unbounded}
}

// TypeOf returns the type of a type as a value.
func TypeOf(t *Type) *Type {
	return &Type{Kind: TypeKind, Name: "type", Params: []*Type{t}, Max: Unbounded}
}

// ParamOf returns a type parameter.
// In a row of a library it stands for one type within that row: (list(A), A) -> A. It is not what the checker
// calls a variable, which each call gets anew; see instance.
func ParamOf(name string) *Type { return &Type{Kind: Param, Name: name, Max: Unbounded} }

// fieldNamed returns the field that an expression calls name, nil if there is none. A name that is a reserved word may be written as it
// is; estimates find only the escaped one (upstream).
// It is what cel-go asks of a type provider: FindStructFieldType.
func (t *Type) fieldNamed(name string) *Field {
	if f := t.Fields[name]; f != nil || !syntax.IsReserved(name) {
		return f
	}
	return t.Fields["__"+name+"__"]
}
