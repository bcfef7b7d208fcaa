package kinds

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"

	"apichain/internal/tree"
)

// The wire format of protobuf: what messages are made of, and the few messages that are a
// single value in JSON. A message is a row of fields, each a tag and a value; a tag has the
// number of the field and how long the value is to be read:
//
//	0 varint    seven bits a byte, the least first; the high bit says that more follow
//	1 fixed64   eight bytes
//	2 bytes     a varint, and as many bytes: strings, messages, packed numbers
//	5 fixed32   four bytes
//
// Every reading method moves the reader behind what it read. Nothing is copied: bytes gives
// parts of the source, which callers turn into strings of their own. The texts of errors are
// those of upstream's generated code, as clients see them in a 400.

// The wire types.
const (
	protobufVarint  = 0
	protobufFixed64 = 1
	protobufBytes   = 2
	protobufFixed32 = 5
)

// errProtobufEnd is the error of a message that ends within a field, io.ErrUnexpectedEOF's
// text.
var errProtobufEnd = errors.New("unexpected EOF")

// protobufReader reads one message; src is what is left of it.
type protobufReader struct {
	src []byte
	// depth is how many messages are around this one.
	depth int
	// values counts what has been decoded, in all messages of a body. It is nil in readers
	// of messages that are not made into trees.
	values *int
}

// open returns a reader of the message that is the next value; wire is the type its tag has,
// and name the field's. It is an error for the message to nest too deep.
func (r *protobufReader) open(wire int, name string) (protobufReader, error) {
	b, err := r.bytes(wire, name)
	if err != nil {
		return protobufReader{}, err
	}
	if r.depth >= protobufMaxDepth {
		return protobufReader{}, fmt.Errorf("nested deeper than %d", protobufMaxDepth)
	}
	return protobufReader{src: b, depth: r.depth + 1, values: r.values}, nil
}

// count counts one value more, and fails where there are too many.
func (r *protobufReader) count() error {
	if *r.values++; *r.values > protobufMaxValues {
		return fmt.Errorf("more than %d values", protobufMaxValues)
	}
	return nil
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

// varint reads a number of at most ten bytes. Negative ones take all ten.
func (r *protobufReader) varint() (uint64, error) {
	var n uint64
	for i, c := range r.src {
		// Nine bytes have 63 bits, so the tenth can have but one.
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

// bytes reads a value with a length; it is a part of the source. name is the field that an
// error of the wire type names.
func (r *protobufReader) bytes(wire int, name string) ([]byte, error) {
	if wire != protobufBytes {
		return nil, wrongWireType(wire, name)
	}
	n, err := r.varint()
	if err != nil {
		return nil, err
	}
	if n > uint64(len(r.src)) {
		// Upstream reads the length into an int, and says so when that comes out negative.
		if bits.Len64(n) == 64 {
			return nil, errors.New("proto: negative length found during unmarshaling")
		}
		return nil, errProtobufEnd
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b, nil
}

// double reads a fixed64 as a float64. JSON has no way to write NaN and the infinities, so
// they are refused in the words of encoding/json.
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

// skip moves over a value that nobody wants. Groups (wire types 3 and 4) have long been
// deprecated, no client of the API writes them, and they are refused.
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

// wrongWireType returns the error of a field whose value has another wire type than its kind.
func wrongWireType(wire int, name string) error {
	return fmt.Errorf("proto: wrong wireType = %d for field %s", wire, name)
}

// wellKnown has the fields, by number, of a small message that is a single value in JSON: a
// time, a quantity, an integer or string, raw JSON. None has a number above 3.
type wellKnown struct {
	number [4]int64
	text   [4][]byte
}

// readWellKnown reads such a message. A field of another wire type than expected is not there.
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

// protobufTime returns a time as JSON has it, or nil for the zero time, which upstream writes
// as an empty message and JSON as null. Times that RFC 3339 cannot write are errors.
func protobufTime(b []byte, kind FieldKind) (any, error) {
	w, err := readWellKnown(b)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	// The first second of the year 1, and the last of 9999.
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

// protobufIntOrString returns the number or the text that the message says it holds.
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
