package kinds

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"apichain/internal/tree"
)

// Protobuf as Kubernetes clients send it, decoded into the trees that JSON would give. There
// is no generated code: the types of the table have the numbers of the fields, and one
// decoder walks message and type together.
//
// The two encodings differ in what they say of absent fields. The clients' encoders write
// every scalar that is no pointer, zero or not, where JSON leaves zero out; and protobuf
// cannot tell an empty list from none. So decoding leaves out what omitempty would:
//
//	port=80 nodePort=0 name=""     {"port":80}
//
// and keeps a zero where the field is a pointer upstream, since then its being there means
// something. Prune does not change what comes out, except to bring quantities into form.
//
// A body in protobuf can stand for a tree far larger than itself: an empty element of a list
// is two bytes. So values are counted, and nesting is bounded.
//
// What is encoded is in protobuf_encode.go.

const (
	// ProtobufMagic begins every body in protobuf, so that nothing takes it for JSON.
	ProtobufMagic = "k8s\x00"

	// protobufMaxDepth bounds how deep messages may nest, and with it the stack.
	protobufMaxDepth = 100
	// protobufMaxValues bounds how many values a body may have.
	protobufMaxValues = 1 << 20
)

// DecodeEnvelope takes apart what stands around every message of the API: the magic bytes,
// and a message with the type of the content, the content and what it is. contentType is ""
// where raw is a protobuf message; raw is a part of data. The errors are those of upstream's
// serializer, for a 400.
func DecodeEnvelope(data []byte) (apiVersion, kind string, raw []byte, contentType string, err error) {
	fail := func(err error) (string, string, []byte, string, error) { return "", "", nil, "", err }
	if len(data) < len(ProtobufMagic) || string(data[:len(ProtobufMagic)]) != ProtobufMagic {
		return fail(errors.New("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"))
	}
	var encoding string
	r := protobufReader{src: data[len(ProtobufMagic):]}
	for len(r.src) > 0 {
		number, wire, err := r.tag()
		if err != nil {
			return fail(err)
		}
		if number > 4 {
			if err := r.skip(wire); err != nil {
				return fail(err)
			}
			continue
		}
		// All four known fields are bytes.
		b, err := r.bytes(wire, "Unknown")
		if err != nil {
			return fail(err)
		}
		switch number {
		case 1:
			if apiVersion, kind, err = decodeTypeMeta(b); err != nil {
				return fail(err)
			}
		case 2:
			raw = b
		case 3:
			encoding = string(b)
		case 4:
			contentType = string(b)
		}
	}
	// The format has a place for compressed content that no client uses.
	if encoding != "" {
		return fail(fmt.Errorf("content encoding %q is not supported", encoding))
	}
	return apiVersion, kind, raw, contentType, nil
}

// decodeTypeMeta reads the message that says which kind the content is.
func decodeTypeMeta(data []byte) (apiVersion, kind string, err error) {
	r := protobufReader{src: data}
	for len(r.src) > 0 {
		number, wire, err := r.tag()
		if err != nil {
			return "", "", err
		}
		if number > 2 {
			if err := r.skip(wire); err != nil {
				return "", "", err
			}
			continue
		}
		b, err := r.bytes(wire, "TypeMeta")
		if err != nil {
			return "", "", err
		}
		if number == 1 {
			apiVersion = tree.JSONUTF8(string(b))
		} else {
			kind = tree.JSONUTF8(string(b))
		}
	}
	return apiVersion, kind, nil
}

// DecodeProtobuf decodes a message of type t into a tree that shares nothing with data.
// Fields that t does not have are skipped, as the format demands. A zero value is left out
// unless its field is required, or is a pointer upstream; so is an empty message. It is an
// error for messages to nest more than a hundred deep, for there to be more than a million
// values, and for a value to be one that JSON cannot write.
func DecodeProtobuf(data []byte, t *Type) (map[string]any, error) {
	values := 0
	r := protobufReader{src: data, values: &values}
	o := map[string]any{}
	if err := r.message(t, o); err != nil {
		return nil, err
	}
	return o, nil
}

// message reads the fields of t into o. As the format demands, a field that comes again
// replaces a scalar, adds to a list and merges into a message; a message that something else
// may stand in place of is replaced as well.
func (r *protobufReader) message(t *Type, o map[string]any) error {
	for len(r.src) > 0 {
		number, wire, err := r.tag()
		if err != nil {
			return err
		}
		var f *Field
		if number < len(t.byNumber) {
			f = t.byNumber[number]
		}
		if f == nil {
			if err := r.skip(wire); err != nil {
				return err
			}
			continue
		}
		switch {
		case f.IsMap:
			err = r.entry(f, wire, o)
		case f.wrapped:
			o[f.Name], err = r.wrappedList(f, wire)
		case f.IsList:
			err = r.element(f, wire, o)
		case f.Inline && f.Kind == FieldMessage:
			// The message is one of its own here, and its fields are o's in JSON.
			err = r.nested(f, wire, o)
		default:
			err = r.single(f, wire, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nested reads the message that is the next value, of f's type, into o.
func (r *protobufReader) nested(f *Field, wire int, o map[string]any) error {
	in, err := r.open(wire, f.Name)
	if err != nil || f.Message == nil {
		return err
	}
	return in.message(f.Message, o)
}

// single reads a field that is neither list nor map into its member of o.
func (r *protobufReader) single(f *Field, wire int, o map[string]any) error {
	var v any
	var err error
	if before, ok := o[f.Name].(map[string]any); ok && f.Kind == FieldMessage && f.Alternative == "" {
		v, err = before, r.nested(f, wire, before)
	} else {
		v, err = r.value(f, wire)
	}
	if err != nil {
		return err
	}
	// The last value counts, so a zero takes away what came before it.
	if protobufZero(f, v) {
		delete(o, f.Name)
	} else {
		o[f.Name] = v
	}
	return nil
}

// protobufZero reports whether JSON leaves the value v of f out.
func protobufZero(f *Field, v any) bool {
	if v == nil {
		// A zero time, or no raw JSON: all there is to write would be null.
		return true
	}
	if f.Required || f.pointer {
		return false
	}
	switch v := v.(type) {
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case bool:
		return !v
	case map[string]any:
		// Raw JSON is what the client wrote, also where it is an empty object.
		return len(v) == 0 && f.Kind == FieldMessage
	}
	return false
}

// element adds to the list that is a member of o: one value or, where numbers are packed,
// all those of the next value.
func (r *protobufReader) element(f *Field, wire int, o map[string]any) error {
	list, _ := o[f.Name].([]any)
	// Readers must take both forms of a list of numbers, whichever was declared.
	packed := wire == protobufBytes && (f.Kind == FieldBool || f.Kind == FieldInt32 || f.Kind == FieldInt64 || f.Kind == FieldDouble)
	if !packed {
		v, err := r.value(f, wire)
		if err != nil {
			return err
		}
		o[f.Name] = append(list, v)
		return nil
	}
	b, err := r.bytes(wire, f.Name)
	if err != nil {
		return err
	}
	wire = protobufVarint
	if f.Kind == FieldDouble {
		wire = protobufFixed64
	}
	// Packed numbers have no tags between them, and are no level of nesting.
	for in := (protobufReader{src: b, depth: r.depth, values: r.values}); len(in.src) > 0; {
		v, err := in.value(f, wire)
		if err != nil {
			return err
		}
		list = append(list, v)
	}
	if list != nil {
		o[f.Name] = list
	}
	return nil
}

// entry reads one entry of a map, a message with the key in field 1 and the value in field 2,
// into the map that is a member of o. Either may be missing and is zero then. A map of lists
// has its lists in messages of their own.
func (r *protobufReader) entry(f *Field, wire int, o map[string]any) error {
	in, err := r.open(wire, f.Name)
	if err != nil {
		return err
	}
	key, v, found := "", any(nil), false
	for len(in.src) > 0 {
		number, wire, err := in.tag()
		if err != nil {
			return err
		}
		switch number {
		case 1:
			b, err := in.bytes(wire, f.Name)
			if err != nil {
				return err
			}
			key = tree.JSONUTF8(string(b))
		case 2:
			found = true
			if f.IsList {
				v, err = in.wrappedList(f, wire)
			} else {
				v, err = in.value(f, wire)
			}
			if err != nil {
				return err
			}
		default:
			if err := in.skip(wire); err != nil {
				return err
			}
		}
	}
	if !found {
		v = protobufMissing(f)
	}
	// The entry counts besides its value: one without a value takes memory as well.
	if err := r.count(); err != nil {
		return err
	}
	entries, ok := o[f.Name].(map[string]any)
	if !ok {
		entries = map[string]any{}
		o[f.Name] = entries
	}
	entries[key] = v
	return nil
}

// wrappedList reads a message that has nothing but a list, in field 1.
func (r *protobufReader) wrappedList(f *Field, wire int) (any, error) {
	in, err := r.open(wire, f.Name)
	if err != nil {
		return nil, err
	}
	// A list without elements is an empty one here, unlike that of a field: its key is there.
	o := map[string]any{f.Name: []any{}}
	for len(in.src) > 0 {
		number, wire, err := in.tag()
		if err == nil && number == 1 {
			err = in.element(f, wire, o)
		} else if err == nil {
			err = in.skip(wire)
		}
		if err != nil {
			return nil, err
		}
	}
	return o[f.Name], nil
}

// protobufMissing returns the value of a map's entry that has none.
func protobufMissing(f *Field) any {
	if f.IsList {
		return []any{}
	}
	switch f.Kind {
	case FieldString, FieldBytes:
		return ""
	case FieldQuantity:
		return "0"
	case FieldInt32, FieldInt64, FieldIntOrString:
		return int64(0)
	case FieldDouble:
		return 0.0
	case FieldBool:
		return false
	case FieldMessage:
		return map[string]any{}
	}
	return nil
}

// value reads one value of f's kind, as JSON has it. Every value is counted, whatever it is
// part of.
func (r *protobufReader) value(f *Field, wire int) (any, error) {
	if err := r.count(); err != nil {
		return nil, err
	}
	switch f.Kind {
	case FieldBool, FieldInt32, FieldInt64:
		return r.integer(f, wire)
	case FieldDouble:
		return r.double(wire, f.Name)
	case FieldMessage:
		if f.Alternative != "" {
			return r.either(f, wire)
		}
		o := map[string]any{}
		return o, r.nested(f, wire, o)
	}
	b, err := r.bytes(wire, f.Name)
	if err != nil {
		return nil, err
	}
	switch f.Kind {
	case FieldString:
		return tree.JSONUTF8(string(b)), nil
	case FieldBytes:
		return base64.StdEncoding.EncodeToString(b), nil
	case FieldTime, FieldMicroTime:
		return protobufTime(b, f.Kind)
	case FieldIntOrString:
		return protobufIntOrString(b)
	case FieldQuantity:
		w, err := readWellKnown(b)
		return tree.JSONUTF8(string(w.text[1])), err
	case FieldRaw:
		return rawJSON(b, f.Name)
	}
	return nil, fmt.Errorf("field %s cannot stand in protobuf", f.Name)
}

// integer reads a varint as a bool or an integer. An int32 is cut to its size, as generated
// code does: a negative one is written with all 64 bits.
func (r *protobufReader) integer(f *Field, wire int) (any, error) {
	if wire != protobufVarint {
		return nil, wrongWireType(wire, f.Name)
	}
	n, err := r.varint()
	switch {
	case err != nil:
		return nil, err
	case f.Kind == FieldBool:
		return n != 0, nil
	case f.Kind == FieldInt32:
		return int64(int32(n)), nil
	}
	return int64(n), nil
}

// either reads a message that holds f's message or what may stand in place of it. The number
// of the field in it says which. Where a client writes both, upstream's marshalling to JSON
// decides: a list goes before the message, and the message before a bool. Neither is false
// where a bool may stand, else nothing.
func (r *protobufReader) either(f *Field, wire int) (any, error) {
	in, err := r.open(wire, f.Name)
	if err != nil {
		return nil, err
	}
	form, other := Field{Name: "message", Kind: FieldMessage, Message: f.Message}, f.alternative()
	o := map[string]any{}
	for len(in.src) > 0 {
		number, wire, err := in.tag()
		switch {
		case err != nil:
		case number == f.alternativeNumbers[0]:
			o[form.Name], err = in.value(&form, wire)
		case number == f.alternativeNumbers[1] && other.IsList:
			err = in.element(other, wire, o)
		case number == f.alternativeNumbers[1]:
			o[other.Name], err = in.value(other, wire)
		default:
			err = in.skip(wire)
		}
		if err != nil {
			return nil, err
		}
	}
	v, ok := o[form.Name]
	if !ok || other.IsList && o[other.Name] != nil {
		v = o[other.Name]
	}
	if v == nil && !other.IsList {
		v = false
	}
	return v, nil
}

// rawJSON reads a message that holds JSON of any sort; an empty one is nil. Upstream could
// hold an object in protobuf there, which no field of a built-in kind needs.
func rawJSON(b []byte, name string) (any, error) {
	w, err := readWellKnown(b)
	switch {
	case err != nil || len(w.text[1]) == 0:
		return nil, err
	case strings.HasPrefix(string(w.text[1]), ProtobufMagic):
		return nil, fmt.Errorf("field %s: an object in protobuf cannot stand in another: send it as JSON", name)
	}
	v, _, err := tree.ParseJSON(w.text[1])
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", name, err)
	}
	return v, nil
}
