package kinds

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"

	"apichain/internal/tree"
)

// Protobuf as Kubernetes clients send it, decoded into JSON trees by the types of the
// kind table. The clients' encoders write every scalar that is no pointer, zero or not,
// where JSON would leave it out; decoding leaves it out again.

const (
	ProtobufMagic     = "k8s\x00"
	protobufMaxDepth  = 100
	protobufMaxValues = 1 << 20 // an empty element takes two bytes of a body, and far more as a tree
)

// Wire types.
const (
	protobufVarint  = 0
	protobufFixed64 = 1
	protobufBytes   = 2
	protobufFixed32 = 5
)

var errProtobufEnd = errors.New("unexpected EOF")

// DecodeEnvelope takes apart what stands around every message of the API: the
// magic bytes, and a message with the type, the content and what the content is (""
// is a protobuf message). raw is a part of data.
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
	if encoding != "" {
		return fail(fmt.Errorf("content encoding %q is not supported", encoding))
	}
	return apiVersion, kind, raw, contentType, nil
}

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

// DecodeProtobuf decodes a message of type t. Fields that t does not have are skipped. A
// zero value is left out unless its field is required, or is a pointer upstream; so is an
// empty message. Nesting and the number of values are bounded.
func DecodeProtobuf(data []byte, t *Type) (map[string]any, error) {
	values := 0
	r := protobufReader{src: data, values: &values}
	o := map[string]any{}
	if err := r.message(t, o); err != nil {
		return nil, err
	}
	return o, nil
}

// protobufReader is what is left of a message.
type protobufReader struct {
	src    []byte
	depth  int
	values *int // decoded so far, in all messages
}

// inner is a reader of a part of the message.
func (r *protobufReader) inner(b []byte) (protobufReader, error) {
	if r.depth >= protobufMaxDepth {
		return protobufReader{}, fmt.Errorf("nested deeper than %d", protobufMaxDepth)
	}
	return protobufReader{src: b, depth: r.depth + 1, values: r.values}, nil
}

// message reads the fields of t into o. A field that comes again replaces a scalar, adds
// to a list and goes on with a message, unless something else may stand for it.
func (r *protobufReader) message(t *Type, o map[string]any) error {
	for len(r.src) > 0 {
		number, wire, err := r.tag()
		if err != nil {
			return err
		}
		f := t.byNumber[number]
		if f == nil {
			if err := r.skip(wire); err != nil {
				return err
			}
			continue
		}
		switch {
		case f.IsMap:
			err = r.entry(f, wire, o)
		case f.IsList:
			err = r.element(f, wire, o)
		case f.Inline && f.Kind == FieldMessage:
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

// nested reads a message into o.
func (r *protobufReader) nested(f *Field, wire int, o map[string]any) error {
	b, err := r.bytes(wire, f.Name)
	if err != nil {
		return err
	}
	in, err := r.inner(b)
	if err != nil {
		return err
	}
	if f.Message == nil {
		return nil
	}
	return in.message(f.Message, o)
}

// single reads a field that is neither list nor map.
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
	if protobufZero(f, v) {
		delete(o, f.Name)
	} else {
		o[f.Name] = v
	}
	return nil
}

// protobufZero reports whether JSON leaves the value of f out.
func protobufZero(f *Field, v any) bool {
	if v == nil {
		return true // a zero time, or no JSON: null would be all there is to write
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
		return len(v) == 0 && f.Kind == FieldMessage
	}
	return false
}

// element adds to a list: one value, or with packed numbers several.
func (r *protobufReader) element(f *Field, wire int, o map[string]any) error {
	list, _ := o[f.Name].([]any)
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

// entry reads one entry of a map: a message of key and value, each zero when missing. A
// map of lists has its lists in messages of their own.
func (r *protobufReader) entry(f *Field, wire int, o map[string]any) error {
	b, err := r.bytes(wire, f.Name)
	if err != nil {
		return err
	}
	in, err := r.inner(b)
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
	if err := r.count(); err != nil {
		return err
	}
	dic, ok := o[f.Name].(map[string]any)
	if !ok {
		dic = map[string]any{}
		o[f.Name] = dic
	}
	dic[key] = v
	return nil
}

// wrappedList reads a message that has nothing but a list, in field 1.
func (r *protobufReader) wrappedList(f *Field, wire int) (any, error) {
	b, err := r.bytes(wire, f.Name)
	if err != nil {
		return nil, err
	}
	in, err := r.inner(b)
	if err != nil {
		return nil, err
	}
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

// protobufMissing is the value of a map's entry that has none.
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

// value reads one value of f's type, as JSON has it.
func (r *protobufReader) value(f *Field, wire int) (any, error) {
	if err := r.count(); err != nil {
		return nil, err
	}
	switch f.Kind {
	case FieldBool, FieldInt32, FieldInt64:
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
		return r.raw(b, f.Name)
	}
	return nil, fmt.Errorf("field %s cannot stand in protobuf", f.Name)
}

// either reads a message that holds f's message or what may stand for it, and says by the
// number which. Where there are both, what is a list counts, and a bool does not; neither is
// false, or nothing (upstream).
func (r *protobufReader) either(f *Field, wire int) (any, error) {
	b, err := r.bytes(wire, f.Name)
	if err != nil {
		return nil, err
	}
	in, err := r.inner(b)
	if err != nil {
		return nil, err
	}
	form, other := Field{Name: "message", Kind: FieldMessage, Message: f.Message}, f.other()
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

func (r *protobufReader) count() error {
	if *r.values++; *r.values > protobufMaxValues {
		return fmt.Errorf("more than %d values", protobufMaxValues)
	}
	return nil
}

func (r *protobufReader) double(wire int, name string) (any, error) {
	if wire != protobufFixed64 {
		return nil, wrongWireType(wire, name)
	}
	if len(r.src) < 8 {
		return nil, errProtobufEnd
	}
	var n uint64
	for i := range 8 {
		n |= uint64(r.src[i]) << (8 * i)
	}
	r.src = r.src[8:]
	f := math.Float64frombits(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("json: unsupported value: %v", f)
	}
	return f, nil
}

// raw reads a message that holds JSON.
func (r *protobufReader) raw(b []byte, name string) (any, error) {
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
