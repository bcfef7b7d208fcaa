// Package wire is etcd's v3 API as bytes: its messages in protobuf, their framing in gRPC, and the
// codes of gRPC's errors. The client of etcd and the etcd of the tests both stand on it.
//
// A message is a struct with a method that names its fields by number, once for both directions.
// Its zero value is an empty message; fields that are not named are skipped when they come.
//
//	b := wire.Append(nil, &wire.RangeRequest{Key: key, Limit: 500})
//	var m wire.RangeResponse
//	err := wire.Parse(b, &m) // m's bytes are parts of b
//
// Nothing here has a state, so that everything may be used by many goroutines at once.
package wire

import (
	"encoding/binary"
	"errors"
	"slices"
)

// The encoding of protobuf, as far as etcd's messages need it: a field is a key, which is
// number<<3 | form, and a value. Integers are varints, negative ones in ten bytes; bytes, texts and
// messages have their length in front. A field with its zero value is left out, and of one
// that comes twice the last counts.
//
// Both directions are one walk over the fields of a message: to encode, each call appends its
// field; to decode, a message is walked for each field that comes, and the call with its
// number takes it. That is quadratic in the number of fields, which is a handful.

// Message is a message of etcd's API.
type Message interface {
	// fields names each field to f by one call, in the order of their numbers.
	fields(f *fields)
}

// Why bytes are no message.
var (
	errTruncated = errors.New("message is truncated")
	errForm      = errors.New("field has not the form of its type")
	errDeep      = errors.New("message is nested too deeply")
)

// The forms of values.
const (
	formVarint  = 0
	formFixed64 = 1
	formBytes   = 2
	formFixed32 = 5
)

// maxDepth is how deep messages are nested: those that we know are at most 5 deep, unless a Txn is
// in a Txn.
const maxDepth = 20

// For example, a message of an integer and a text is described by
//
//	func (m *LeaseName) fields(f *fields) {
//		integer(f, 1, &m.ID)
//		text(f, 2, &m.Name)
//	}

// fields is a walk over the fields of one message.
type fields struct {
	// out is what is encoded so far.
	out []byte

	// decoding says which direction it is. num, form, number and bytes are the field that has come.
	decoding bool
	num      int
	form     int
	number   uint64
	bytes    []byte
	depth    int
	err      error
}

// Append appends the encoding of m to b.
func Append(b []byte, m Message) []byte {
	f := fields{out: b}
	m.fields(&f)
	return f.out
}

// Parse decodes b into m, which is empty. Bytes and texts of m are parts of b. The error is of
// bytes that are no message; m may be filled in part then.
func Parse(b []byte, m Message) error { return parse(b, m, 0) }

func parse(b []byte, m Message, depth int) error {
	if depth > maxDepth {
		return errDeep
	}
	f := fields{decoding: true, depth: depth}
	for len(b) > 0 {
		var err error
		if b, err = f.next(b); err != nil {
			return err
		}
		if m.fields(&f); f.err != nil {
			return f.err
		}
	}
	return nil
}

// next takes a field from b and returns the rest.
func (f *fields) next(b []byte) ([]byte, error) {
	key, n := binary.Uvarint(b)
	if n <= 0 || key>>3 == 0 || key>>3 > 1<<29-1 {
		return nil, errTruncated
	}
	b = b[n:]
	f.num, f.form, f.number, f.bytes = int(key>>3), int(key&7), 0, nil
	switch f.form {
	case formVarint:
		if f.number, n = binary.Uvarint(b); n <= 0 {
			return nil, errTruncated
		}
	case formFixed64:
		n = 8
	case formFixed32:
		n = 4
	case formBytes:
		size, head := binary.Uvarint(b)
		if head <= 0 || size > uint64(len(b)-head) {
			return nil, errTruncated
		}
		n = head + int(size)
		// Cut, so that who appends to it writes over nothing.
		f.bytes = b[head:n:n]
	default:
		return nil, errForm
	}
	if n > len(b) {
		return nil, errTruncated
	}
	return b[n:], nil
}

// is reports whether the field that has come is num, which must have a form.
func (f *fields) is(num, form int) bool {
	if f.num != num {
		return false
	}
	if f.form != form {
		f.err = errForm
		return false
	}
	return true
}

// key appends the key of a field.
func (f *fields) key(num, form int) { f.out = binary.AppendUvarint(f.out, uint64(num)<<3|uint64(form)) }

// integer names a field that is an integer.
func integer[T ~int64 | ~uint64 | ~int32](f *fields, num int, v *T) {
	switch {
	case f.decoding:
		if f.is(num, formVarint) {
			*v = T(f.number)
		}
	case *v != 0:
		f.key(num, formVarint)
		f.out = binary.AppendUvarint(f.out, uint64(*v))
	}
}

// boolean names a field that is true or false.
func (f *fields) boolean(num int, v *bool) {
	switch {
	case f.decoding:
		if f.is(num, formVarint) {
			*v = f.number != 0
		}
	case *v:
		f.key(num, formVarint)
		f.out = append(f.out, 1)
	}
}

// text names a field that is bytes or a string.
func text[T ~[]byte | ~string](f *fields, num int, v *T) {
	switch {
	case f.decoding:
		if f.is(num, formBytes) {
			*v = T(f.bytes)
		}
	case len(*v) > 0:
		f.key(num, formBytes)
		f.out = append(binary.AppendUvarint(f.out, uint64(len(*v))), *v...)
	}
}

// texts names a field that is any number of strings.
func (f *fields) texts(num int, v *[]string) {
	if f.decoding {
		if f.is(num, formBytes) {
			*v = append(*v, string(f.bytes))
		}
		return
	}
	for _, s := range *v {
		f.key(num, formBytes)
		f.out = append(binary.AppendUvarint(f.out, uint64(len(s))), s...)
	}
}

// message names a field that is a message, which is there if *v is not nil.
func message[T any, M interface {
	*T
	Message
}](f *fields, num int, v **T) {
	switch {
	case f.decoding:
		if f.is(num, formBytes) {
			*v = new(T)
			f.err = parse(f.bytes, M(*v), f.depth+1)
		}
	case *v != nil:
		f.nested(num, M(*v))
	}
}

// messages names a field that is any number of messages.
func messages[T any, M interface {
	*T
	Message
}](f *fields, num int, v *[]T) {
	if f.decoding {
		if f.is(num, formBytes) {
			*v = append(*v, *new(T))
			f.err = parse(f.bytes, M(&(*v)[len(*v)-1]), f.depth+1)
		}
		return
	}
	for i := range *v {
		f.nested(num, M(&(*v)[i]))
	}
}

// nested appends a field that is a message. The length in front is not known before: there is room
// for one of up to 127, and a longer message moves.
func (f *fields) nested(num int, m Message) {
	f.key(num, formBytes)
	at := len(f.out)
	f.out = append(f.out, 0)
	m.fields(f)
	size := len(f.out) - at - 1
	if size < 0x80 {
		f.out[at] = byte(size)
		return
	}
	var room [binary.MaxVarintLen64]byte
	f.out = slices.Replace(f.out, at, at+1, room[:binary.PutUvarint(room[:], uint64(size))]...)
}
