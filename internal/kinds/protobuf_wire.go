package kinds

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"apichain/internal/tree"
)

// What protobuf messages are made of: tags, numbers and bytes, and the few messages that
// are a value of their own.

// wellKnown is the fields of the small messages that are a single value in JSON: time,
// quantity, integer or string, JSON.
type wellKnown struct {
	number [4]int64
	text   [4][]byte
}

func readWellKnown(data []byte) (w wellKnown, err error) {
	r := protobufReader{src: data}
	for len(r.src) > 0 {
		number, wire, err := r.tag()
		switch {
		case err != nil:
		case number < len(w.number) && wire == protobufVarint:
			var n uint64
			n, err = r.varint()
			w.number[number] = int64(n)
		case number < len(w.text) && wire == protobufBytes:
			w.text[number], err = r.bytes(wire, "")
		default:
			err = r.skip(wire)
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// protobufTime is a time as JSON has it, nil for the zero one, which is an empty message.
func protobufTime(b []byte, kind FieldKind) (any, error) {
	w, err := readWellKnown(b)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	seconds, layout := w.number[1], "2006-01-02T15:04:05Z"
	if seconds < -62135596800 || seconds > 253402300799 {
		return nil, fmt.Errorf("time %d is not within the years 1 to 9999", seconds)
	}
	nanos := int64(0)
	if kind == FieldMicroTime {
		nanos, layout = int64(int32(w.number[2])), "2006-01-02T15:04:05.000000Z"
		if nanos < 0 || nanos > 999_999_999 {
			return nil, fmt.Errorf("%d is no part of a second in nanoseconds", nanos)
		}
	}
	t := time.Unix(seconds, nanos).UTC()
	if t.IsZero() {
		return nil, nil
	}
	return t.Format(layout), nil
}

func protobufIntOrString(b []byte) (any, error) {
	w, err := readWellKnown(b)
	if err != nil {
		return nil, err
	}
	switch w.number[1] {
	case 0:
		return int64(int32(w.number[2])), nil
	case 1:
		return tree.JSONUTF8(string(w.text[3])), nil
	}
	return nil, errors.New("impossible IntOrString.Type")
}

// tag reads the number and the wire type of the next field.
func (r *protobufReader) tag() (number, wire int, err error) {
	n, err := r.varint()
	if err != nil {
		return 0, 0, err
	}
	if n>>3 == 0 || n>>3 > 1<<29-1 {
		return 0, 0, fmt.Errorf("proto: illegal tag %d (wire type %d)", n>>3, n&7)
	}
	return int(n >> 3), int(n & 7), nil
}

func (r *protobufReader) varint() (uint64, error) {
	var n uint64
	for i, c := range r.src {
		if i == 9 && c > 1 || i > 9 {
			return 0, errors.New("proto: integer overflow")
		}
		if n |= uint64(c&0x7f) << (7 * i); c < 0x80 {
			r.src = r.src[i+1:]
			return n, nil
		}
	}
	return 0, errProtobufEnd
}

// bytes reads a value with a length.
func (r *protobufReader) bytes(wire int, name string) ([]byte, error) {
	if wire != protobufBytes {
		return nil, wrongWireType(wire, name)
	}
	n, err := r.varint()
	if err != nil {
		return nil, err
	}
	if n > uint64(len(r.src)) {
		if bits.Len64(n) == 64 {
			return nil, errors.New("proto: negative length found during unmarshaling")
		}
		return nil, errProtobufEnd
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b, nil
}

// skip moves over a value. Groups, which no client has sent in ages, are refused.
func (r *protobufReader) skip(wire int) error {
	size := 0
	switch wire {
	case protobufVarint:
		_, err := r.varint()
		return err
	case protobufBytes:
		_, err := r.bytes(wire, "")
		return err
	case protobufFixed64:
		size = 8
	case protobufFixed32:
		size = 4
	default:
		return errors.New("proto: illegal wireType " + strconv.Itoa(wire))
	}
	if len(r.src) < size {
		return errProtobufEnd
	}
	r.src = r.src[size:]
	return nil
}

func wrongWireType(wire int, name string) error {
	return fmt.Errorf("proto: wrong wireType = %d for field %s", wire, name)
}
