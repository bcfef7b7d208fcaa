package cel

import (
	"strings"

	"apichain/internal/cel/syntax"
)

// Messages are what expressions build by a name and fields. There are those that an Env declares, which are objects of their name,
// and those of Protocol Buffers that every CEL knows, which are no objects once they are built: google.protobuf.Int32Value is an int
// or null, google.protobuf.Struct a map. The latter need a table of names and fields, and nothing else of Protocol Buffers.

// message checks Name{field: value}.
func (c *checker) message(e *syntax.Expr) {
	written := e.Name
	e.Name = strings.TrimPrefix(written, ".")
	t, message, ok := c.messageType(e)
	if !ok {
		c.undeclared(e.ID, written)
		return
	}
	c.types[e.ID], c.refs[e.ID] = t, &Ref{Name: e.Name, Slot: -1}
	for _, entry := range e.Entries {
		c.check(entry.Value)
		want := ErrorType
		if field := c.fieldOf(entry.ID, message, entry.Field); field != nil {
			want = field
		}
		value := c.types[entry.Value.ID]
		if entry.Optional {
			value = c.unwrapped(entry.Value, value)
		}
		if !c.agree(want, value) {
			c.fault(entry.ID, "expected type of field '%s' is '%s' but provided type is '%s'", entry.Field, want, value)
		}
	}
}

// messageType returns the type that a message has once it is built, and the one that has its fields: google.protobuf.Int32Value
// becomes an int or null. ok is false where nothing has that name.
func (c *checker) messageType(e *syntax.Expr) (t, fields *Type, ok bool) {
	none := &Type{Kind: Object, Name: e.Name}
	if ref := c.env.constants[e.Name]; ref != nil && ref.Constant.kind == TypeKind {
		t = c.env.kinds[e.Name].Params[0]
	} else if m := c.env.message(e.Name); m != nil {
		return m, m, true
	} else if t, _ = wellKnown(e.Name); t == nil {
		return nil, nil, false
	}
	name := protobufName(t)
	if t.Kind == Object {
		name = t.Name
	}
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

// wellKnown returns the type of values of a message that every Env knows, and its fields as those of an Object. nil is no such
// message.
func wellKnown(name string) (t, fields *Type) {
	short, ok := strings.CutPrefix(name, "google.protobuf.")
	if !ok {
		return nil, nil
	}
	message := func(t *Type, fields map[string]*Field) (*Type, *Type) {
		m := &Type{Kind: Object, Name: name, Fields: fields}
		if t == nil {
			t = m
		}
		return t, m
	}
	wrapper := func(t *Type) (*Type, *Type) {
		return message(WrapperOf(t), map[string]*Field{"value": {Type: t, Key: "value"}})
	}
	switch short {
	case "BoolValue":
		return wrapper(BoolType)
	case "BytesValue":
		return wrapper(BytesType)
	case "DoubleValue", "FloatValue":
		return wrapper(DoubleType)
	case "Int32Value", "Int64Value":
		return wrapper(IntType)
	case "StringValue":
		return wrapper(StringType)
	case "UInt32Value", "UInt64Value":
		return wrapper(UintType)
	case "Any":
		return message(AnyType, map[string]*Field{
			"type_url": {Type: StringType, Key: "type_url"}, "value": {Type: BytesType, Key: "value"}})
	case "Duration", "Timestamp":
		t := DurationType
		if short == "Timestamp" {
			t = TimestampType
		}
		return message(t, map[string]*Field{
			"seconds": {Type: IntType, Key: "seconds"}, "nanos": {Type: IntType, Key: "nanos"}})
	case "Empty":
		return message(nil, map[string]*Field{})
	case "ListValue":
		return message(ListOf(DynType), map[string]*Field{"values": {Type: ListOf(DynType), Key: "values"}})
	case "Struct":
		return message(MapOf(StringType, DynType), map[string]*Field{"fields": {Type: MapOf(StringType, DynType), Key: "fields"}})
	case "Value":
		return message(DynType, map[string]*Field{
			"null_value": {Type: IntType, Key: "null_value"}, "number_value": {Type: DoubleType, Key: "number_value"},
			"string_value": {Type: StringType, Key: "string_value"}, "bool_value": {Type: BoolType, Key: "bool_value"},
			"struct_value": {Type: MapOf(StringType, DynType), Key: "struct_value"},
			"list_value":   {Type: ListOf(DynType), Key: "list_value"}})
	}
	return nil, nil
}
