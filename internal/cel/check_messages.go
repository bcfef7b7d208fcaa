package cel

import (
	"strings"

	"apichain/internal/cel/syntax"
)

// Messages are what expressions build by a name and fields. There are those that an Env declares, which are objects of their name,
// and those of Protocol Buffers that every CEL knows, which are no objects once they are built: google.protobuf.Int32Value is an int
// or null, google.protobuf.Struct a map. The latter need a table of names and fields, and nothing else of Protocol Buffers.

// message checks Name{field: value}. A message of which nobody knows is reported, and its fields are not looked at; a name that is
// known but builds nothing, as int, is reported, and its fields are nevertheless checked, for what is wrong within their values.
// (checkCreateStruct in checker/checker.go.) The node gets its type before its fields are looked at, so that it
// has one whatever is wrong with them.
func (c *checker) message(e *syntax.Expr) {
	written := e.Name
	e.Name = strings.TrimPrefix(written, ".")
	t, message, ok := c.messageType(e)
	if !ok {
		c.undeclared(e.ID, written)
		return
	}
	c.types[e.ID], c.refs[e.ID] = t, &Ref{Name: e.Name, Slot: -1}
	// Each field is reported at its own place: that there is no such field, or that it has another type. A field that does not exist
	// takes values of any type.
	for _, entry := range e.Entries {
		c.check(entry.Value)
		// !error! agrees with the value, so that an unknown field is one fault, not two.
		want := ErrorType
		if field := c.fieldOf(entry.ID, message, entry.Field); field != nil {
			want = field
		}
		value := c.types[entry.Value.ID]
		if entry.Optional {
			value = c.unwrapped(entry.Value, value)
		}
		// null agrees with a wrapper, and not with a scalar.
		if !c.agree(want, value) {
			c.fault(entry.ID, "expected type of field '%s' is '%s' but provided type is '%s'", entry.Field, want, value)
		}
	}
}

// messageType returns the type that a message has once it is built, and the one that has its fields: google.protobuf.Int32Value
// becomes an int or null. ok is false where nothing has that name.
func (c *checker) messageType(e *syntax.Expr) (t, fields *Type, ok bool) {
	// The name is that of a type that everybody knows, as google.protobuf.Timestamp, or of a message of the Env, or of one of Protocol
	// Buffers; an Env may not hide the first.
	// none is a message without fields, for a name that is known and builds nothing: each field is told as one
	// that the message has not.
	none := &Type{Kind: Object, Name: e.Name}
	if ref := c.env.constants[e.Name]; ref != nil && ref.Constant.kind == TypeKind {
		t = c.env.kinds[e.Name].Params[0]
	} else if m := c.env.message(e.Name); m != nil {
		return m, m, true
	} else if t, _ = wellKnown(e.Name); t == nil {
		return nil, nil, false
	}
	// Several messages build values of one type. Upstream goes by the type, and so finds the fields of another message of that type,
	// which has the same ones.
	name := protobufName(t)
	if t.Kind == Object {
		name = t.Name
	}
	// Only the types above are built by a name: bool{}, or string{}, are types and no messages.
	if name == "" {
		c.fault(e.ID, "'%s' is not a message type", t.TypeName())
		return ErrorType, none, true
	}
	if _, fields = wellKnown(name); fields == nil {
		return t, &Type{Kind: Object, Name: name}, true
	}
	return t, fields, true
}

// protobufName returns the message that builds values of a type, "" where there is none. A wrapper is one of the widest of its kind.
// It is the way back of the table below, and goes by the type: all integers are one type, so that the fields of an
// Int32Value are looked up as those of an Int64Value.
func protobufName(t *Type) string {
	const prefix = "google.protobuf."
	switch t.Kind {
	case Any:
		return prefix + "Any"
	case Duration:
		return prefix + "Duration"
	case Timestamp:
		return prefix + "Timestamp"
	case Dyn:
		return prefix + "Value"
	case Null:
		return prefix + "NullValue"
	case List:
		if t.Params[0].Kind == Dyn {
			return prefix + "ListValue"
		}
	case Map:
		if t.Params[0].Kind == String && t.Params[1].Kind == Dyn {
			return prefix + "Struct"
		}
	case Wrapper:
		switch t.Params[0].Kind {
		case Bool:
			return prefix + "BoolValue"
		case Bytes:
			return prefix + "BytesValue"
		case Double:
			return prefix + "DoubleValue"
		case Int:
			return prefix + "Int64Value"
		case String:
			return prefix + "StringValue"
		case Uint:
			return prefix + "UInt64Value"
		}
	}
	return ""
}

// wellKnownMessages are the messages of google.protobuf: a name, what it is once it is built, - for nothing but itself, and its fields.
const wellKnownMessages = `Any any type_url=string value=bytes
BoolValue wrapper(bool) value=bool
BytesValue wrapper(bytes) value=bytes
DoubleValue wrapper(double) value=double
Duration duration seconds=int nanos=int
Empty -
FloatValue wrapper(double) value=double
Int32Value wrapper(int) value=int
Int64Value wrapper(int) value=int
ListValue list values=list
StringValue wrapper(string) value=string
Struct map fields=map
Timestamp timestamp seconds=int nanos=int
UInt32Value wrapper(uint) value=uint
UInt64Value wrapper(uint) value=uint
Value dyn null_value=int number_value=double string_value=string bool_value=bool struct_value=map list_value=list
`

// wellKnown returns the type of values of a message that every Env knows, and its fields as those of an Object. nil is no such
// message.
// The table is read anew at each look, since next to no expression names one of these, and a parsed table would be
// mutable state of the package.
func wellKnown(name string) (t, fields *Type) {
	short, ok := strings.CutPrefix(name, "google.protobuf.")
	if !ok {
		return nil, nil
	}
	for line := range strings.Lines(wellKnownMessages) {
		row := strings.Fields(line)
		if row[0] != short {
			continue
		}
		m := &Type{Kind: Object, Name: name, Fields: map[string]*Field{}}
		for _, field := range row[2:] {
			key, typ, _ := strings.Cut(field, "=")
			m.Fields[key] = &Field{Key: key, Type: typeNamed(typ)}
		}
		// A message is a type of its own, unless it builds values of another.
		if row[1] == "-" {
			return m, m
		}
		return typeNamed(row[1]), m
	}
	return nil, nil
}

// typeNamed returns the type of a name in wellKnownMessages; lists and maps are those of JSON.
func typeNamed(name string) *Type {
	if wrapped, ok := strings.CutPrefix(name, "wrapper("); ok {
		return WrapperOf(typeNamed(strings.TrimSuffix(wrapped, ")")))
	}
	switch name {
	case "list":
		return ListOf(DynType)
	case "map":
		return MapOf(StringType, DynType)
	}
	for _, t := range []*Type{BoolType, IntType, UintType, DoubleType, StringType, BytesType, TimestampType, DurationType, AnyType} {
		if t.Name == name {
			return t
		}
	}
	return DynType
}
