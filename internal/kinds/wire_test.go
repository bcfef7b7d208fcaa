package kinds

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestVarints: what the standard library writes is read, and takes as many bytes.
func TestVarints(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 0))
	numbers := []uint64{0, 1, 127, 128, 16383, 16384, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, math.MaxUint64}
	for range 2000 {
		numbers = append(numbers, r.Uint64()>>r.IntN(64))
	}
	for _, want := range numbers {
		text := binary.AppendUvarint(nil, want)
		in := protobufReader{src: append(slices.Clone(text), "rest"...)}
		got, err := in.varint()
		if err != nil || got != want || string(in.src) != "rest" {
			t.Fatalf("%d: got %d, %v, %q is left", want, got, err, in.src)
		}
		for i := range text {
			in := protobufReader{src: text[:i]}
			if _, err := in.varint(); err != errProtobufEnd {
				t.Fatalf("%d cut at %d: %v", want, i, err)
			}
		}
	}
}

// TestVarintForms: numbers may have more bytes than they need, but no more than ten and no
// more than 64 bits.
func TestVarintForms(t *testing.T) {
	const overflow = "proto: integer overflow"
	for in, want := range map[string]string{
		"\x00":                              "0",
		"\x80\x00":                          "0",
		"\x81\x80\x80\x00":                  "1",
		"\xff\x7f":                          "16383",
		strings.Repeat("\x80", 9) + "\x00":  "0",
		strings.Repeat("\x80", 9) + "\x01":  "9223372036854775808",
		strings.Repeat("\xff", 9) + "\x01":  "18446744073709551615",
		strings.Repeat("\xff", 9) + "\x02":  overflow,
		strings.Repeat("\x80", 9) + "\x7f":  overflow,
		strings.Repeat("\x80", 10):          overflow,
		strings.Repeat("\x80", 11) + "\x00": overflow,
		strings.Repeat("\x80", 9):           "unexpected EOF",
		"":                                  "unexpected EOF",
	} {
		r := protobufReader{src: []byte(in)}
		n, err := r.varint()
		got := fmt.Sprint(n)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestTags: numbers from 1 to the largest that a tag may have, with each wire type.
func TestTags(t *testing.T) {
	for _, number := range []int{1, 15, 16, 2047, 2048, 1<<29 - 1} {
		for wire := range 8 {
			r := protobufReader{src: pb{}.tag(number, wire)}
			n, w, err := r.tag()
			if err != nil || n != number || w != wire || len(r.src) != 0 {
				t.Errorf("%d, %d: got %d, %d, %v", number, wire, n, w, err)
			}
		}
	}
	for number, want := range map[int]string{
		0:       "proto: illegal tag 0 (wire type 5)",
		1 << 29: "proto: illegal tag 536870912 (wire type 5)",
		1 << 40: "proto: illegal tag 1099511627776 (wire type 5)",
	} {
		r := protobufReader{src: pb{}.tag(number, 5)}
		if _, _, err := r.tag(); err == nil || err.Error() != want {
			t.Errorf("%d: got %v, want %s", number, err, want)
		}
	}
}

// TestSkip: a value of each wire type is skipped whole, and one that is cut is an error.
func TestSkip(t *testing.T) {
	for _, c := range []struct {
		wire  int
		value string
	}{
		{protobufVarint, "\x05"},
		{protobufVarint, "\xff\xff\x03"},
		{protobufFixed64, "12345678"},
		{protobufFixed32, "1234"},
		{protobufBytes, "\x00"},
		{protobufBytes, "\x03abc"},
		{protobufBytes, "\x80\x01" + strings.Repeat("x", 128)},
	} {
		r := protobufReader{src: []byte(c.value + "rest")}
		if err := r.skip(c.wire); err != nil || string(r.src) != "rest" {
			t.Errorf("%d %q: %v, %q is left", c.wire, c.value, err, r.src)
		}
		for i := range c.value {
			r := protobufReader{src: []byte(c.value[:i])}
			if err := r.skip(c.wire); err != errProtobufEnd {
				t.Errorf("%d %q cut at %d: %v", c.wire, c.value, i, err)
			}
		}
	}
	for _, wire := range []int{3, 4, 6, 7} {
		r := protobufReader{src: []byte("12345678")}
		if err := r.skip(wire); err == nil || err.Error() != fmt.Sprint("proto: illegal wireType ", wire) {
			t.Errorf("%d: %v", wire, err)
		}
	}
}

// TestLengths: a length may be of all that is left, and of no more.
func TestLengths(t *testing.T) {
	for in, want := range map[string]string{
		"\x00":                    "",
		"\x03abc":                 "abc",
		"\x02abc":                 "ab",
		"\x04abc":                 "unexpected EOF",
		"\x80":                    "unexpected EOF",
		"":                        "unexpected EOF",
		"\xff\xff\xff\xff\x07abc": "unexpected EOF",
		"\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc":     "unexpected EOF",
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01abc": "proto: negative length found during unmarshaling",
	} {
		r := protobufReader{src: []byte(in)}
		b, err := r.bytes(protobufBytes, "x")
		got := string(b)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for _, wire := range []int{0, 1, 3, 5, 7} {
		r := protobufReader{src: []byte("\x00")}
		if _, err := r.bytes(wire, "spec"); err == nil || err.Error() != fmt.Sprintf("proto: wrong wireType = %d for field spec", wire) {
			t.Errorf("%d: %v", wire, err)
		}
	}
}

// TestProtobufTimes: the bounds of what RFC 3339 can write, and the time that means none.
func TestProtobufTimes(t *testing.T) {
	const first, last = -62135596800, 253402300799
	at := func(seconds, nanos int64) pb { return pb{}.number(1, seconds).number(2, nanos) }
	for _, c := range []struct {
		kind FieldKind
		in   pb
		want string
	}{
		{FieldTime, nil, "<nil>"},
		{FieldTime, at(first, 0), "<nil>"},
		{FieldTime, at(first+1, 0), "0001-01-01T00:00:01Z"},
		{FieldTime, at(first-1, 0), "error: time -62135596801 is not within the years 1 to 9999"},
		{FieldTime, at(last, 0), "9999-12-31T23:59:59Z"},
		{FieldTime, at(last+1, 0), "error: time 253402300800 is not within the years 1 to 9999"},
		{FieldTime, at(0, 0), "1970-01-01T00:00:00Z"},
		{FieldTime, at(-1, 0), "1969-12-31T23:59:59Z"},
		// Seconds are all there is, whatever else the message has.
		{FieldTime, at(1, 999_999_999), "1970-01-01T00:00:01Z"},
		{FieldTime, at(1, -1), "1970-01-01T00:00:01Z"},
		{FieldTime, pb{}.number(2, 5), "1970-01-01T00:00:00Z"},
		{FieldTime, pb{}.text(1, "x"), "1970-01-01T00:00:00Z"},
		{FieldTime, pb{}.number(1, 5).number(9, 1).text(8, "x").double(7, 1), "1970-01-01T00:00:05Z"},
		{FieldTime, pb{0x08}, "error: unexpected EOF"},

		{FieldMicroTime, nil, "<nil>"},
		{FieldMicroTime, at(first, 0), "<nil>"},
		{FieldMicroTime, at(first, 1000), "0001-01-01T00:00:00.000001Z"},
		{FieldMicroTime, at(last, 999_999_999), "9999-12-31T23:59:59.999999Z"},
		{FieldMicroTime, at(1, 999), "1970-01-01T00:00:01.000000Z"},
		{FieldMicroTime, at(1, 1000), "1970-01-01T00:00:01.000001Z"},
		{FieldMicroTime, at(1, 1_000_000_000), "error: 1000000000 is no part of a second in nanoseconds"},
		{FieldMicroTime, at(1, -1), "error: -1 is no part of a second in nanoseconds"},
		// Nanoseconds are an int32, as the generated code cuts them.
		{FieldMicroTime, at(1, 1<<32+5000), "1970-01-01T00:00:01.000005Z"},
	} {
		v, err := protobufTime(c.in, c.kind)
		got := fmt.Sprint(v)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%v %x: got %s, want %s", c.kind, c.in, got, c.want)
		}
	}
}

// TestProtobufIntOrString: the type says which of the two fields counts, whatever the other
// has.
func TestProtobufIntOrString(t *testing.T) {
	for _, c := range []struct {
		in   pb
		want string
	}{
		{nil, "int64 0"},
		{pb{}.number(2, 80), "int64 80"},
		{pb{}.number(1, 0).number(2, 80).text(3, "http"), "int64 80"},
		{pb{}.number(1, 1).number(2, 80).text(3, "http"), "string http"},
		{pb{}.number(1, 1), "string "},
		{pb{}.number(2, -1), "int64 -1"},
		{pb{}.number(2, 1<<32+1), "int64 1"},
		{pb{}.text(3, "50%").number(1, 1), "string 50%"},
		{pb{}.number(1, 1).text(3, "a\xff"), "string a\ufffd"},
		{pb{}.number(1, -1), "impossible IntOrString.Type"},
		{pb{0x08}, "unexpected EOF"},
	} {
		v, err := protobufIntOrString(c.in)
		got := fmt.Sprintf("%T %v", v, v)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%x: got %s, want %s", c.in, got, c.want)
		}
	}
}

// rawField is one field of a message as it stands: its number and all its bytes.
type rawField struct {
	number int
	bytes  pb
}

// splitFields takes a message apart.
func splitFields(t *testing.T, m pb) []rawField {
	t.Helper()
	var fields []rawField
	for r := (protobufReader{src: m}); len(r.src) > 0; {
		before := r.src
		number, wire, err := r.tag()
		if err == nil {
			err = r.skip(wire)
		}
		if err != nil {
			t.Fatal(err)
		}
		fields = append(fields, rawField{number, pb(before[:len(before)-len(r.src)])})
	}
	return fields
}

// TestProtobufFieldsInAnyOrder: fields of different numbers may come in any order, and what
// nobody knows may come between them.
func TestProtobufFieldsInAnyOrder(t *testing.T) {
	unknown := []pb{
		pb{}.number(500, 7),
		pb{}.text(501, "what is this"),
		pb{}.double(502, 1.5),
		append(pb{}.tag(503, protobufFixed32), 1, 2, 3, 4),
		pb{}.message(504, pb{}.number(1, 1)),
	}
	eachType(t, 2, func(d *Type, m *objectMaker) {
		obj := m.object(d, "", 2)
		onlyProtobuf(d, obj)
		whole := encoded(d, obj)
		want, err := DecodeProtobuf(whole, d)
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		fields := splitFields(t, whole)
		// Sorting by a random rank for each number keeps those of one number in order.
		rank := map[int]int{}
		for _, f := range fields {
			rank[f.number] = m.rand.IntN(1 << 30)
		}
		slices.SortStableFunc(fields, func(a, b rawField) int { return rank[a.number] - rank[b.number] })
		var mixed pb
		for _, f := range fields {
			mixed = append(mixed, f.bytes...)
			if m.rand.IntN(3) == 0 {
				mixed = append(mixed, unknown[m.rand.IntN(len(unknown))]...)
			}
		}
		got, err := DecodeProtobuf(mixed, d)
		if err != nil || !tree.Equal(got, want) {
			t.Errorf("%s: %v, got %s\nwant %s", d.Name, err, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	})
}

// TestProtobufOfTwoMessages: two messages one behind the other are one that has both: lists
// follow each other, and of all else the last counts. So a message behind itself adds to
// lists and changes nothing more.
func TestProtobufOfTwoMessages(t *testing.T) {
	d := typeForTest(t, modelTable, "model.ModelOuter")
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		obj := objectForTest(t, modelJSON(r, d, 2))
		if _, err := Prune(d, obj); err != nil {
			t.Fatal(err)
		}
		// Without lists below messages, which would grow inside them, all is at the top.
		delete(obj, "inner")
		delete(obj, "mayInner")
		once := encoded(d, obj)
		want, err := DecodeProtobuf(once, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range d.Fields {
			if l, ok := want[f.Name].([]any); ok {
				want[f.Name] = append(slices.Clone(l), l...)
			}
		}
		got, err := DecodeProtobuf(append(slices.Clone(once), once...), d)
		if err != nil || !tree.Equal(got, want) {
			t.Fatalf("%s twice: %v, got %s\nwant %s", tree.AppendJSON(nil, obj), err, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	}
}

// TestProtobufIsJSON: an object that a client sends in protobuf is the one that it would have
// sent in JSON, once both are in upstream's form.
func TestProtobufIsJSON(t *testing.T) {
	d := typeForTest(t, modelTable, "model.ModelOuter")
	r := rand.New(rand.NewPCG(3, 3))
	for range 1000 {
		text := modelJSON(r, d, 3)
		want := objectForTest(t, text)
		if _, err := Prune(d, want); err != nil {
			t.Fatal(err)
		}
		got, err := DecodeProtobuf(encoded(d, want), d)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		// Structs that are always there may be there and empty in one of the two.
		writeAll(d, got)
		writeAll(d, want)
		if !tree.Equal(got, want) {
			t.Fatalf("%s\n got %s\nwant %s", text, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	}
}

// TestProtobufSharesNothing: what was decoded does not change with the buffer that it came in.
func TestProtobufSharesNothing(t *testing.T) {
	d := protobufType()
	m := pb{}.text(1, "text").text(6, "bytes").message(9, pb{}.number(1, 1).text(3, "http")).message(10, pb{}.text(1, "1Gi")).
		message(11, pb{}.text(1, `{"a":"b"}`)).entry(21, "key", pb{}.text(2, "value"))
	got, err := DecodeProtobuf(m, d)
	if err != nil {
		t.Fatal(err)
	}
	want := tree.Copy(got)
	for i := range m {
		m[i] = 'x'
	}
	if !tree.Equal(got, want) {
		t.Errorf("got %s, was %s", tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
	}
}

// TestEnvelopeInParts: the parts of an envelope come in any order, the last of each counts,
// and unknown ones are skipped.
func TestEnvelopeInParts(t *testing.T) {
	meta := func(apiVersion, kind string) pb { return pb{}.text(1, apiVersion).text(2, kind) }
	for _, c := range []struct {
		name string
		in   pb
		want string // apiVersion, kind, raw and content type
	}{
		{"nothing", nil, "|||"},
		{"raw first", pb{}.text(2, "body").message(1, meta("v1", "Pod")), "v1|Pod|body|"},
		{"twice", pb{}.message(1, meta("v1", "Pod")).text(2, "a").message(1, meta("v2", "Job")).text(2, "b"), "v2|Job|b|"},
		{"kind alone", pb{}.message(1, pb{}.text(2, "Pod")), "|Pod||"},
		{"kind first", pb{}.message(1, pb{}.text(2, "Pod").text(1, "v1")), "v1|Pod||"},
		{"unknown parts", pb{}.number(9, 1).double(10, 1).text(11, "x").message(1, meta("v1", "Pod").number(3, 7)), "v1|Pod||"},
		{"JSON inside", pb{}.text(2, `{"kind":"Pod"}`).text(4, "application/json"), `||{"kind":"Pod"}|application/json`},
		{"an encoding that is empty", pb{}.text(2, "a").text(3, ""), "||a|"},
		{"invalid UTF-8", pb{}.message(1, meta("v1", "Po\xffd")), "v1|Po\ufffdd||"},
	} {
		apiVersion, kind, raw, contentType, err := DecodeEnvelope(append([]byte(ProtobufMagic), c.in...))
		if got := strings.Join([]string{apiVersion, kind, string(raw), contentType}, "|"); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// TestEnvelopeCut: an envelope that is cut is an error, but between its parts.
func TestEnvelopeCut(t *testing.T) {
	whole := pb{}.message(1, pb{}.text(1, "v1").text(2, "Pod")).text(2, "body").text(4, "x")
	ends := map[int]bool{}
	at := 0
	for _, f := range splitFields(t, whole) {
		ends[at] = true
		at += len(f.bytes)
	}
	for i := range whole {
		_, _, raw, _, err := DecodeEnvelope(append([]byte(ProtobufMagic), whole[:i]...))
		if (err == nil) != ends[i] {
			t.Errorf("cut at %d: %v", i, err)
		}
		if err != nil && raw != nil {
			t.Errorf("cut at %d: there is a body beside the error", i)
		}
	}
}
