package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Protobuf as Kubernetes clients send it, decoded into JSON trees by the types of the
// kind table. The clients' encoders write every scalar that is no pointer, zero or not,
// where JSON would leave it out; decoding leaves it out again.

const (
	protobufMagic     = "k8s\x00"
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

// decodeProtobufEnvelope takes apart what stands around every message of the API: the
// magic bytes, and a message with the type, the content and what the content is (""
// is a protobuf message). raw is a part of data.
func decodeProtobufEnvelope(data []byte) (apiVersion, kind string, raw []byte, contentType string, err error) {
	fail := func(err error) (string, string, []byte, string, error) { return "", "", nil, "", err }
	if len(data) < len(protobufMagic) || string(data[:len(protobufMagic)]) != protobufMagic {
		return fail(errors.New("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"))
	}
	var encoding string
	r := protobufReader{src: data[len(protobufMagic):]}
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
			apiVersion = jsonUTF8(string(b))
		} else {
			kind = jsonUTF8(string(b))
		}
	}
	return apiVersion, kind, nil
}

// decodeProtobuf decodes a message of type t. Fields that t does not have are skipped. A
// zero value is left out unless its field is required, or is a pointer upstream; so is an
// empty message. Nesting and the number of values are bounded.
func decodeProtobuf(data []byte, t *typeDef) (map[string]any, error) {
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
func (r *protobufReader) message(t *typeDef, o map[string]any) error {
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
		case f.dic:
			err = r.entry(f, wire, o)
		case f.list:
			err = r.element(f, wire, o)
		case f.inline && f.kind == fieldMessage:
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
func (r *protobufReader) nested(f *typeField, wire int, o map[string]any) error {
	b, err := r.bytes(wire, f.name)
	if err != nil {
		return err
	}
	in, err := r.inner(b)
	if err != nil {
		return err
	}
	if f.message == nil {
		return nil
	}
	return in.message(f.message, o)
}

// single reads a field that is neither list nor map.
func (r *protobufReader) single(f *typeField, wire int, o map[string]any) error {
	var v any
	var err error
	if before, ok := o[f.name].(map[string]any); ok && f.kind == fieldMessage && f.or == "" {
		v, err = before, r.nested(f, wire, before)
	} else {
		v, err = r.value(f, wire)
	}
	if err != nil {
		return err
	}
	if protobufZero(f, v) {
		delete(o, f.name)
	} else {
		o[f.name] = v
	}
	return nil
}

// protobufZero reports whether JSON leaves the value of f out.
func protobufZero(f *typeField, v any) bool {
	if v == nil {
		return true // a zero time, or no JSON: null would be all there is to write
	}
	if f.required || f.pointer {
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
		return len(v) == 0 && f.kind == fieldMessage
	}
	return false
}

// element adds to a list: one value, or with packed numbers several.
func (r *protobufReader) element(f *typeField, wire int, o map[string]any) error {
	list, _ := o[f.name].([]any)
	packed := wire == protobufBytes && (f.kind == fieldBool || f.kind == fieldInt32 || f.kind == fieldInt64 || f.kind == fieldDouble)
	if !packed {
		v, err := r.value(f, wire)
		if err != nil {
			return err
		}
		o[f.name] = append(list, v)
		return nil
	}
	b, err := r.bytes(wire, f.name)
	if err != nil {
		return err
	}
	wire = protobufVarint
	if f.kind == fieldDouble {
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
		o[f.name] = list
	}
	return nil
}

// entry reads one entry of a map: a message of key and value, each zero when missing. A
// map of lists has its lists in messages of their own.
func (r *protobufReader) entry(f *typeField, wire int, o map[string]any) error {
	b, err := r.bytes(wire, f.name)
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
			b, err := in.bytes(wire, f.name)
			if err != nil {
				return err
			}
			key = jsonUTF8(string(b))
		case 2:
			found = true
			if f.list {
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
	dic, ok := o[f.name].(map[string]any)
	if !ok {
		dic = map[string]any{}
		o[f.name] = dic
	}
	dic[key] = v
	return nil
}

// wrappedList reads a message that has nothing but a list, in field 1.
func (r *protobufReader) wrappedList(f *typeField, wire int) (any, error) {
	b, err := r.bytes(wire, f.name)
	if err != nil {
		return nil, err
	}
	in, err := r.inner(b)
	if err != nil {
		return nil, err
	}
	o := map[string]any{f.name: []any{}}
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
	return o[f.name], nil
}

// protobufMissing is the value of a map's entry that has none.
func protobufMissing(f *typeField) any {
	if f.list {
		return []any{}
	}
	switch f.kind {
	case fieldString, fieldBytes:
		return ""
	case fieldQuantity:
		return "0"
	case fieldInt32, fieldInt64, fieldIntOrString:
		return int64(0)
	case fieldDouble:
		return 0.0
	case fieldBool:
		return false
	case fieldMessage:
		return map[string]any{}
	}
	return nil
}

// value reads one value of f's type, as JSON has it.
func (r *protobufReader) value(f *typeField, wire int) (any, error) {
	if err := r.count(); err != nil {
		return nil, err
	}
	switch f.kind {
	case fieldBool, fieldInt32, fieldInt64:
		if wire != protobufVarint {
			return nil, wrongWireType(wire, f.name)
		}
		n, err := r.varint()
		switch {
		case err != nil:
			return nil, err
		case f.kind == fieldBool:
			return n != 0, nil
		case f.kind == fieldInt32:
			return int64(int32(n)), nil
		}
		return int64(n), nil
	case fieldDouble:
		return r.double(wire, f.name)
	case fieldMessage:
		if f.or != "" {
			return r.either(f, wire)
		}
		o := map[string]any{}
		return o, r.nested(f, wire, o)
	}
	b, err := r.bytes(wire, f.name)
	if err != nil {
		return nil, err
	}
	switch f.kind {
	case fieldString:
		return jsonUTF8(string(b)), nil
	case fieldBytes:
		return base64.StdEncoding.EncodeToString(b), nil
	case fieldTime, fieldMicroTime:
		return protobufTime(b, f.kind)
	case fieldIntOrString:
		return protobufIntOrString(b)
	case fieldQuantity:
		w, err := readWellKnown(b)
		return jsonUTF8(string(w.text[1])), err
	case fieldRaw:
		return r.raw(b, f.name)
	}
	return nil, fmt.Errorf("field %s cannot stand in protobuf", f.name)
}

// either reads a message that holds f's message or what may stand for it, and says by the
// number which. Where there are both, what is a list counts, and a bool does not; neither is
// false, or nothing (upstream).
func (r *protobufReader) either(f *typeField, wire int) (any, error) {
	b, err := r.bytes(wire, f.name)
	if err != nil {
		return nil, err
	}
	in, err := r.inner(b)
	if err != nil {
		return nil, err
	}
	form, other := typeField{name: "message", kind: fieldMessage, message: f.message}, f.other()
	o := map[string]any{}
	for len(in.src) > 0 {
		number, wire, err := in.tag()
		switch {
		case err != nil:
		case number == f.orNumbers[0]:
			o[form.name], err = in.value(&form, wire)
		case number == f.orNumbers[1] && other.list:
			err = in.element(other, wire, o)
		case number == f.orNumbers[1]:
			o[other.name], err = in.value(other, wire)
		default:
			err = in.skip(wire)
		}
		if err != nil {
			return nil, err
		}
	}
	v, ok := o[form.name]
	if !ok || other.list && o[other.name] != nil {
		v = o[other.name]
	}
	if v == nil && !other.list {
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
	case strings.HasPrefix(string(w.text[1]), protobufMagic):
		return nil, fmt.Errorf("field %s: an object in protobuf cannot stand in another: send it as JSON", name)
	}
	v, _, err := parseJSON(w.text[1])
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", name, err)
	}
	return v, nil
}
