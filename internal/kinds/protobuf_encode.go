package kinds

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"
)

// Answers in protobuf, made of the JSON that they would be otherwise. There is no tree between:
// the text is scanned once (protobuf_nodes.go), and one walk over the fields of its type writes
// the message, byte for byte what upstream's generated code writes of the same object:
//
//   - fields in the order of their numbers, and maps in that of their keys;
//   - scalars and messages that are no pointers upstream even where they are zero, since the
//     generated code does not know what was set: {"name":"a"} has thirteen more bytes of metadata;
//   - nothing of lists and maps that are empty, nor of pointers that are nil.
//
// It is written from the end to the beginning, as upstream's code does: the length of a message,
// which stands in front of it, is known when its fields are there. So fields, elements and entries
// come last first, and nothing is measured or moved.
//
// Around a message stands the envelope with the kind (Object), and in a watch around that an event
// with its length (Event). A list is too long for one piece: ListHead makes what stands in front
// of its items, and Item each of them.

// ProtobufEncoder encodes objects. The zero value is ready, and one that is used again needs no
// new memory. What its methods return is good until the next call of one, and belongs to it. The
// texts are JSON that this program has written, without white space. It must not be used
// concurrently.
type ProtobufEncoder struct {
	// text is the JSON, and nodes are its values.
	text  []byte
	nodes []jsonNode
	// found has, for each object that is being written, where its fields are: node by number;
	// and the elements of the lists.
	found []int32
	// unescaped is a buffer for a string.
	unescaped []byte

	// b[at:] is what is written.
	b  []byte
	at int
}

// Object returns the answer for an object of a kind, whose JSON is text and whose type is t: the
// magic bytes and the envelope.
func (e *ProtobufEncoder) Object(t *Type, apiVersion, kind string, text []byte) []byte {
	e.reset()
	e.scan(text)
	e.object(t, apiVersion, kind)
	return e.b[e.at:]
}

// Event returns an event of a watch about an object: four bytes with the length of what follows,
// and a WatchEvent of a type (ADDED and so on) with the answer of Object in it.
func (e *ProtobufEncoder) Event(event string, t *Type, apiVersion, kind string, text []byte) []byte {
	e.reset()
	e.scan(text)
	// The object is the raw field of an extension, which is the second field of the event.
	e.object(t, apiVersion, kind)
	e.close(1, 0)
	e.close(2, 0)
	e.string(1, event)
	size := e.size()
	binary.BigEndian.PutUint32(e.room(4), uint32(size))
	return e.b[e.at:]
}

// Item returns one item of a list, with its tag and length.
func (e *ProtobufEncoder) Item(t *Type, text []byte) []byte {
	e.reset()
	e.scan(text)
	e.message(t, absentNode+1)
	e.close(2, 0)
	return e.b[e.at:]
}

// ListHead returns what stands in front of the items of a list and, in tail, what stands behind
// them: the magic bytes and the envelope. meta is the JSON of the list's metadata, of the type t,
// and items is how many bytes all items take.
func (e *ProtobufEncoder) ListHead(t *Type, apiVersion, kind string, meta []byte, items int) (head, tail []byte) {
	e.reset()
	e.envelopeEnd()
	tail = slices.Clone(e.b[e.at:])
	e.reset()
	e.scan(meta)
	e.message(t, absentNode+1)
	e.close(1, 0)
	e.varint(uint64(e.size() + items))
	e.varint(2<<3 | protobufBytes)
	e.envelopeBegin(apiVersion, kind)
	return e.b[e.at:], tail
}

// object writes the envelope with the object that was scanned.
func (e *ProtobufEncoder) object(t *Type, apiVersion, kind string) {
	e.envelopeEnd()
	mark := e.size()
	e.message(t, absentNode+1)
	e.close(2, mark)
	e.envelopeBegin(apiVersion, kind)
}

// envelopeEnd writes what is behind the content: it is not compressed, and has no other type.
func (e *ProtobufEncoder) envelopeEnd() {
	e.string(4, "")
	e.string(3, "")
}

// envelopeBegin writes what is in front of the content: the kind, and the magic bytes.
func (e *ProtobufEncoder) envelopeBegin(apiVersion, kind string) {
	mark := e.size()
	e.string(2, kind)
	e.string(1, apiVersion)
	e.close(1, mark)
	copy(e.room(len(ProtobufMagic)), ProtobufMagic)
}

// message writes the fields of a message of type t, of the object at a node.
func (e *ProtobufEncoder) message(t *Type, node int32) {
	base := len(e.found)
	e.found = slices.Grow(e.found, len(t.byNumber))[:base+len(t.byNumber)]
	clear(e.found[base:])
	for key := node + 1; key < e.nodes[node].next; key = e.nodes[key+1].next {
		// The fields of embedded types are found as well. They are members of the same object, but
		// fields of another message.
		f := t.ByName[string(e.content(key))]
		if f != nil && f.number < len(t.byNumber) && t.byNumber[f.number] == f && !e.isNull(key+1) {
			e.found[base+f.number] = key + 1
		}
	}
	for number := len(t.byNumber) - 1; number > 0; number-- {
		f, at := t.byNumber[number], e.found[base+number]
		switch {
		case f == nil:
		case f.Inline:
			mark := e.size()
			e.message(f.Message, node)
			e.close(number, mark)
		case f.IsMap:
			e.entries(f, at)
		case f.wrapped && at != absentNode:
			mark := e.size()
			e.elements(f, 1, at)
			e.close(number, mark)
		case f.IsList:
			e.elements(f, number, at)
		case at != absentNode:
			e.single(f, number, at)
		case !f.pointer || f.zeroInProtobuf:
			e.zero(f, number)
		}
	}
	e.found = e.found[:base]
}

// isNull reports whether the value at a node is null, which is as good as absent.
func (e *ProtobufEncoder) isNull(node int32) bool { return e.text[e.nodes[node].start] == 'n' }

// elements writes a list, the elements under one number each.
func (e *ProtobufEncoder) elements(f *Field, number int, node int32) {
	base := len(e.found)
	for at := node + 1; at < e.nodes[node].next; at = e.nodes[at].next {
		e.found = append(e.found, at)
	}
	for i := len(e.found) - 1; i >= base; i-- {
		if at := e.found[i]; e.isNull(at) {
			e.zero(f, number)
		} else {
			e.single(f, number, at)
		}
	}
	e.found = e.found[:base]
}

// entries writes a map, each entry a message with key and value. A list as a value is in a message
// of its own.
func (e *ProtobufEncoder) entries(f *Field, node int32) {
	base := len(e.found)
	for key := node + 1; key < e.nodes[node].next; key = e.nodes[key+1].next {
		e.found = append(e.found, key)
	}
	for i := len(e.found) - 1; i >= base; i-- {
		mark, key := e.size(), e.found[i]
		switch {
		case f.IsList:
			e.elements(f, 1, key+1)
			e.close(2, mark)
		case e.isNull(key + 1):
			e.zero(f, 2)
		default:
			e.single(f, 2, key+1)
		}
		e.bytes(1, e.content(key))
		e.close(f.number, mark)
	}
	e.found = e.found[:base]
}

// zero writes f as it is where nobody has set it. Bytes are a slice, and nothing then.
func (e *ProtobufEncoder) zero(f *Field, number int) {
	mark := e.size()
	switch f.Kind {
	case FieldBytes:
		return
	case FieldBool, FieldInt32, FieldInt64:
		e.number(number, 0)
		return
	case FieldDouble:
		clear(e.room(8))
		e.varint(uint64(number)<<3 | protobufFixed64)
		return
	case FieldIntOrString:
		e.intOrString(0, 0, nil)
	case FieldQuantity:
		e.string(1, "0")
	case FieldMessage:
		if f.Alternative != "" {
			return
		}
		e.message(f.Message, absentNode)
	}
	// Of text, a time and raw JSON nothing is but the length.
	e.close(number, mark)
}

// single writes one value of f's kind, which is there.
func (e *ProtobufEncoder) single(f *Field, number int, node int32) {
	mark, text := e.size(), e.text[e.nodes[node].start:e.nodes[node].end]
	switch f.Kind {
	case FieldString:
		e.bytes(number, e.content(node))
		return
	case FieldBool:
		e.number(number, boolNumber(text))
		return
	case FieldInt32, FieldInt64:
		e.number(number, uint64(integer(text)))
		return
	case FieldDouble:
		n, _ := strconv.ParseFloat(string(text), 64)
		binary.LittleEndian.PutUint64(e.room(8), math.Float64bits(n))
		e.varint(uint64(number)<<3 | protobufFixed64)
		return
	case FieldBytes:
		in := e.content(node)
		n := base64.StdEncoding.DecodedLen(len(in)) - padding(in)
		_, _ = base64.StdEncoding.Decode(e.room(n), in)
	case FieldTime, FieldMicroTime:
		e.time(f.Kind, e.content(node))
	case FieldIntOrString:
		if text[0] == '"' {
			e.intOrString(1, 0, e.content(node))
		} else {
			e.intOrString(0, integer(text), nil)
		}
	case FieldQuantity:
		e.bytes(1, e.content(node))
	case FieldRaw:
		e.bytes(1, text)
	case FieldMessage:
		if f.Alternative != "" {
			e.either(f, node)
		} else {
			e.message(f.Message, node)
		}
	}
	e.close(number, mark)
}

// either writes what holds f's message or what may stand in place of it. A bool says with a message
// that it is there.
func (e *ProtobufEncoder) either(f *Field, node int32) {
	text := e.text[e.nodes[node].start:]
	mark := e.size()
	switch {
	case text[0] == '[':
		e.elements(f.alternative(), f.alternativeNumbers[1], node)
	case text[0] == '{':
		e.message(f.Message, node)
		e.close(f.alternativeNumbers[0], mark)
		if f.Alternative == "bool" {
			e.number(f.alternativeNumbers[1], 1)
		}
	default:
		e.number(f.alternativeNumbers[1], boolNumber(text))
	}
}

// time writes seconds and nanoseconds. The zero time, and what is no time, is empty. Only a micro
// time has parts of a second.
func (e *ProtobufEncoder) time(kind FieldKind, text []byte) {
	var t time.Time
	if t.UnmarshalText(text) != nil || t.IsZero() {
		return
	}
	nanos := 0
	if kind == FieldMicroTime {
		nanos = t.Nanosecond() / 1000 * 1000
	}
	e.number(2, uint64(nanos))
	e.number(1, uint64(t.Unix()))
}

// intOrString writes which of the two it is, and both.
func (e *ProtobufEncoder) intOrString(which uint64, n int64, text []byte) {
	e.bytes(3, text)
	e.number(2, uint64(n))
	e.number(1, which)
}

// boolNumber returns what true or false is in protobuf.
func boolNumber(text []byte) uint64 {
	if text[0] == 't' {
		return 1
	}
	return 0
}

// integer returns an integer of a text. What is none, which pruning has not let in, is zero.
func integer(text []byte) int64 {
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}

// padding returns how many characters at the end of a text in base64 only fill it up.
func padding(text []byte) (n int) {
	for n < len(text) && text[len(text)-1-n] == '=' {
		n++
	}
	return n
}

// reset begins another message.
func (e *ProtobufEncoder) reset() {
	if e.b == nil {
		e.b = make([]byte, 1<<10)
	}
	e.at = len(e.b)
}

// size returns how many bytes are written.
func (e *ProtobufEncoder) size() int { return len(e.b) - e.at }

// room makes room for n bytes in front of what is written, and returns it. It is not cleared.
func (e *ProtobufEncoder) room(n int) []byte {
	if e.at < n {
		written := e.b[e.at:]
		b := make([]byte, max(2*len(e.b), len(written)+n))
		e.at = len(b) - len(written)
		copy(b[e.at:], written)
		e.b = b
	}
	e.at -= n
	return e.b[e.at : e.at+n]
}

// close makes what was written since there were mark bytes the content of a field: it writes the
// length and the tag in front of it.
func (e *ProtobufEncoder) close(number, mark int) {
	e.varint(uint64(e.size() - mark))
	e.varint(uint64(number)<<3 | protobufBytes)
}

// bytes writes a field of bytes.
func (e *ProtobufEncoder) bytes(number int, b []byte) {
	mark := e.size()
	copy(e.room(len(b)), b)
	e.close(number, mark)
}

// string is bytes for a string.
func (e *ProtobufEncoder) string(number int, s string) {
	mark := e.size()
	copy(e.room(len(s)), s)
	e.close(number, mark)
}

// number writes a field of a varint.
func (e *ProtobufEncoder) number(number int, n uint64) {
	e.varint(n)
	e.varint(uint64(number)<<3 | protobufVarint)
}

// varint writes a number, of which nearly all have one byte.
func (e *ProtobufEncoder) varint(n uint64) {
	if n < 0x80 {
		e.room(1)[0] = byte(n)
		return
	}
	var b [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(b[:], n)
	copy(e.room(size), b[:size])
}
