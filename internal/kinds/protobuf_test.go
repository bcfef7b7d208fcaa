package kinds

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// pb is a message as a client's encoder writes it.
type pb []byte

func (m pb) tag(number, wire int) pb {
	return binary.AppendUvarint(m, uint64(number)<<3|uint64(wire))
}

func (m pb) number(number int, n int64) pb {
	return binary.AppendUvarint(m.tag(number, protobufVarint), uint64(n))
}

func (m pb) text(number int, s string) pb {
	return append(binary.AppendUvarint(m.tag(number, protobufBytes), uint64(len(s))), s...)
}

func (m pb) message(number int, in pb) pb { return m.text(number, string(in)) }

func (m pb) double(number int, f float64) pb {
	return binary.LittleEndian.AppendUint64(m.tag(number, protobufFixed64), math.Float64bits(f))
}

// entry is an entry of a map: key and value, the value encoded in field 2.
func (m pb) entry(number int, key string, value pb) pb {
	return m.message(number, append(pb{}.text(1, key), value...))
}

// protobufType is a type with a field of every form.
func protobufType() *Type {
	inner := &Type{Name: "Inner", Fields: []*Field{{Name: "a", number: 1}, {Name: "n", number: 2, Kind: FieldInt32}}}
	embedded := &Type{Name: "Embedded", Fields: []*Field{{Name: "source", number: 1, Kind: FieldMessage, Message: inner, pointer: true}}}
	outer := &Type{Name: "Outer", Fields: []*Field{
		{Name: "text", number: 1},
		{Name: "flag", number: 2, Kind: FieldBool},
		{Name: "small", number: 3, Kind: FieldInt32},
		{Name: "large", number: 4, Kind: FieldInt64},
		{Name: "double", number: 5, Kind: FieldDouble},
		{Name: "bytes", number: 6, Kind: FieldBytes},
		{Name: "time", number: 7, Kind: FieldTime},
		{Name: "micro", number: 8, Kind: FieldMicroTime},
		{Name: "port", number: 9, Kind: FieldIntOrString},
		{Name: "quantity", number: 10, Kind: FieldQuantity},
		{Name: "raw", number: 11, Kind: FieldRaw},
		{Name: "inner", number: 12, Kind: FieldMessage, Message: inner},
		{Name: "must", number: 13, Required: true},
		{Name: "mustInner", number: 14, Kind: FieldMessage, Message: inner, Required: true},
		{Name: "optional", number: 15, Kind: FieldInt32, pointer: true},
		{Name: "optionalInner", number: 16, Kind: FieldMessage, Message: inner, pointer: true},
		{Name: "texts", number: 17, IsList: true},
		{Name: "numbers", number: 18, Kind: FieldInt64, IsList: true},
		{Name: "doubles", number: 19, Kind: FieldDouble, IsList: true},
		{Name: "inners", number: 20, Kind: FieldMessage, Message: inner, IsList: true},
		{Name: "labels", number: 21, IsMap: true},
		{Name: "data", number: 22, Kind: FieldBytes, IsMap: true},
		{Name: "limits", number: 23, Kind: FieldQuantity, IsMap: true},
		{Name: "extra", number: 24, IsList: true, IsMap: true},
		{Name: "embedded", number: 25, Kind: FieldMessage, Message: embedded, Inline: true},
		{Name: "jsonOnly"},
		{Name: "optionalPort", number: 26, Kind: FieldIntOrString, pointer: true},
		{Name: "innersBy", number: 27, Kind: FieldMessage, Message: inner, IsMap: true},
		{Name: "orBool", number: 40, Kind: FieldMessage, Message: inner, pointer: true, Alternative: "bool", alternativeNumbers: [2]int{2, 1}},
		{Name: "orList", number: 41, Kind: FieldMessage, Message: inner, pointer: true, Alternative: "list", alternativeNumbers: [2]int{1, 2}},
		{Name: "orTexts", number: 42, Kind: FieldMessage, Message: inner, IsMap: true, Alternative: "strings", alternativeNumbers: [2]int{1, 2}},
	}}
	outer.Fields = append(outer.Fields, &Field{Name: "self", number: 30, Kind: FieldMessage, Message: outer})
	for _, t := range []*Type{inner, embedded, outer} {
		t.ByName, t.byNumber = map[string]*Field{}, make([]*Field, 100)
		for _, f := range t.Fields {
			t.ByName[f.Name] = f
			if f.number != 0 {
				t.byNumber[f.number] = f
			}
		}
	}
	return outer
}

// protobufCases are messages of protobufType, with their JSON or the error.
var protobufCases = []struct {
	name string
	in   pb
	want string
	err  string
}{
	{name: "nothing", want: `{}`},
	{name: "scalars", in: pb{}.text(1, "é").number(2, 1).number(3, -5).number(4, 1<<40).double(5, 1.5).text(6, "\x00\xff"), want: `{"text":"é","flag":true,"small":-5,"large":1099511627776,"double":1.5,"bytes":"AP8="}`},
	{name: "zero scalars", in: pb{}.text(1, "").number(2, 0).number(3, 0).number(4, 0).double(5, 0).text(6, ""), want: `{}`},
	{name: "zero messages", in: pb{}.text(7, "").text(8, "").text(9, "").text(10, "").text(11, "").text(12, ""), want: `{}`},
	{name: "required and optional", in: pb{}.text(13, "").text(14, "").number(15, 0).text(16, "").text(26, ""), want: `{"must":"","mustInner":{},"optional":0,"optionalInner":{},"optionalPort":0}`},
	{name: "message of zeros", in: pb{}.message(12, pb{}.text(1, "").number(2, 0)).message(16, pb{}.number(2, 0)), want: `{"optionalInner":{}}`},
	{name: "invalid UTF-8", in: pb{}.text(1, "a\xff\xfe"), want: `{"text":"a` + "\ufffd\ufffd" + `"}`},
	{name: "small is cut", in: pb{}.number(3, 1<<32+7), want: `{"small":7}`},
	{name: "last scalar", in: pb{}.text(1, "a").text(1, "b"), want: `{"text":"b"}`},
	{name: "last scalar is zero", in: pb{}.text(1, "a").text(1, ""), want: `{}`},
	{name: "message in parts", in: pb{}.message(12, pb{}.text(1, "a")).message(12, pb{}.number(2, 3)), want: `{"inner":{"a":"a","n":3}}`},

	{name: "time", in: pb{}.message(7, pb{}.number(1, 1714564800).number(2, 5)), want: `{"time":"2024-05-01T12:00:00Z"}`},
	{name: "zero time", in: pb{}.message(7, pb{}.number(1, -62135596800).number(2, 0)), want: `{}`},
	{name: "the epoch", in: pb{}.message(7, pb{}.number(1, 0).number(2, 0)), want: `{"time":"1970-01-01T00:00:00Z"}`},
	{name: "microseconds", in: pb{}.message(8, pb{}.number(1, 1714564800).number(2, 123456789)), want: `{"micro":"2024-05-01T12:00:00.123456Z"}`},
	{name: "time too late", in: pb{}.message(7, pb{}.number(1, 1<<50)), err: "time 1125899906842624 is not within the years 1 to 9999"},
	{name: "nanoseconds", in: pb{}.message(8, pb{}.number(1, 1).number(2, -1)), err: "-1 is no part of a second in nanoseconds"},
	{name: "port number", in: pb{}.message(9, pb{}.number(1, 0).number(2, 80).text(3, "")), want: `{"port":80}`},
	{name: "port name", in: pb{}.message(9, pb{}.number(1, 1).number(2, 0).text(3, "http")), want: `{"port":"http"}`},
	{name: "port of no type", in: pb{}.message(9, pb{}.number(1, 2)), err: "impossible IntOrString.Type"},
	{name: "quantity", in: pb{}.message(10, pb{}.text(1, "100Mi")), want: `{"quantity":"100Mi"}`},
	{name: "raw", in: pb{}.message(11, pb{}.text(1, `{"f:a":{".":{}}}`)), want: `{"raw":{"f:a":{".":{}}}}`},
	{name: "raw null", in: pb{}.message(11, pb{}.text(1, `null`)), want: `{}`},
	{name: "raw is no JSON", in: pb{}.message(11, pb{}.text(1, `{`)), err: "field raw: unexpected end of JSON input"},
	{name: "raw is protobuf", in: pb{}.message(11, pb{}.text(1, "k8s\x00x")), err: "field raw: an object in protobuf cannot stand in another: send it as JSON"},

	{name: "lists", in: pb{}.text(17, "a").text(17, "").number(18, 1).number(18, 0).message(20, pb{}.text(1, "x")).text(20, ""), want: `{"texts":["a",""],"numbers":[1,0],"inners":[{"a":"x"},{}]}`},
	{name: "packed", in: pb{}.text(18, "\x01\x80\x01").text(19, "\x00\x00\x00\x00\x00\x00\xf8\x3f").text(18, "\x05").number(18, 6), want: `{"numbers":[1,128,5,6],"doubles":[1.5]}`},
	{name: "packed nothing", in: pb{}.text(18, ""), want: `{}`},
	{name: "packed and cut", in: pb{}.text(18, "\x80"), err: "unexpected EOF"},
	{name: "maps", in: pb{}.entry(21, "b", pb{}.text(2, "1")).entry(21, "a", pb{}.text(2, "")).entry(21, "b", pb{}.text(2, "2")).entry(22, "k", pb{}.text(2, "hi")).entry(23, "cpu", pb{}.message(2, pb{}.text(1, "1"))),
		want: `{"labels":{"a":"","b":"2"},"data":{"k":"aGk="},"limits":{"cpu":"1"}}`},
	{name: "entries in parts", in: pb{}.entry(21, "a", nil).message(21, pb{}.text(2, "v")).entry(22, "k", nil).entry(23, "cpu", nil).entry(24, "e", nil).entry(27, "i", pb{}.number(9, 1)),
		want: `{"labels":{"a":"","":"v"},"data":{"k":""},"limits":{"cpu":"0"},"extra":{"e":[]},"innersBy":{"i":{}}}`},
	{name: "map of lists", in: pb{}.entry(24, "a", pb{}.message(2, pb{}.text(1, "x").number(5, 1).text(1, "y"))).entry(24, "b", pb{}.text(2, "")), want: `{"extra":{"a":["x","y"],"b":[]}}`},
	{name: "embedded", in: pb{}.message(25, pb{}.message(1, pb{}.text(1, "x"))), want: `{"source":{"a":"x"}}`},

	{name: "message or bool: true", in: pb{}.message(40, pb{}.number(1, 1)), want: `{"orBool":true}`},
	{name: "message or bool: false", in: pb{}.message(40, pb{}.number(1, 0)), want: `{"orBool":false}`},
	{name: "message or bool: neither", in: pb{}.message(40, pb{}.number(9, 0)), want: `{"orBool":false}`},
	{name: "message or bool: both", in: pb{}.message(40, pb{}.number(1, 1).message(2, pb{}.text(1, "x"))), want: `{"orBool":{"a":"x"}}`},
	{name: "message or bool: an empty message", in: pb{}.message(40, pb{}.number(1, 1).message(2, nil)), want: `{"orBool":{}}`},
	{name: "message or bool: wrong", in: pb{}.message(40, pb{}.text(1, "x")), err: "proto: wrong wireType = 2 for field bool"},
	{name: "message or bool: no message", in: pb{}.number(40, 1), err: "proto: wrong wireType = 0 for field orBool"},
	{name: "message or list: the message", in: pb{}.message(41, pb{}.message(1, pb{}.text(1, "x"))), want: `{"orList":{"a":"x"}}`},
	{name: "message or list: the list", in: pb{}.message(41, pb{}.message(2, pb{}.text(1, "x")).message(2, nil)), want: `{"orList":[{"a":"x"},{}]}`},
	{name: "message or list: both", in: pb{}.message(41, pb{}.message(1, nil).message(2, pb{}.text(1, "x"))), want: `{"orList":[{"a":"x"}]}`},
	{name: "message or list: neither", in: pb{}.message(41, nil), want: `{}`},
	{name: "message or list: cut", in: pb{}.message(41, pb{0x80}), err: "unexpected EOF"},
	{name: "message or strings", in: pb{}.entry(42, "a", pb{}.message(2, pb{}.text(2, "x").text(2, "y"))).entry(42, "b", pb{}.message(2, pb{}.message(1, pb{}.text(1, "x")))), want: `{"orTexts":{"a":["x","y"],"b":{"a":"x"}}}`},
	{name: "message or list again", in: pb{}.message(41, pb{}.message(1, pb{}.text(1, "x"))).message(41, pb{}.message(1, pb{}.number(2, 1))), want: `{"orList":{"n":1}}`},

	{name: "unknown fields", in: pb{}.number(99, 1).double(98, 1).text(97, "x").text(1, "a"), want: `{"text":"a"}`},
	{name: "unknown fixed32", in: append(pb{}.tag(99, protobufFixed32), 1, 2, 3, 4), want: `{}`},
	{name: "group", in: pb{}.tag(99, 3), err: "proto: illegal wireType 3"},
	{name: "field zero", in: pb{2, 0}, err: "proto: illegal tag 0 (wire type 2)"},
	{name: "field too large", in: pb{}.number(1<<29, 1), err: "proto: illegal tag 536870912 (wire type 0)"},
	{name: "wrong wire type", in: pb{}.number(1, 1), err: "proto: wrong wireType = 0 for field text"},
	{name: "wrong wire type of a number", in: pb{}.text(3, "a"), err: "proto: wrong wireType = 2 for field small"},
	{name: "wrong wire type of a double", in: pb{}.number(5, 1), err: "proto: wrong wireType = 0 for field double"},
	{name: "wrong wire type of a map", in: pb{}.number(21, 1), err: "proto: wrong wireType = 0 for field labels"},
	{name: "wrong wire type in a list", in: pb{}.number(20, 1), err: "proto: wrong wireType = 0 for field inners"},
	{name: "not a number", in: pb{}.double(5, math.NaN()), err: "json: unsupported value: NaN"},
	{name: "text too short", in: pb{10, 5, 'a'}, err: "unexpected EOF"},
	{name: "negative length", in: pb{10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, err: "proto: negative length found during unmarshaling"},
	{name: "overflow", in: pb{24, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, err: "proto: integer overflow"},
	{name: "overlong", in: pb{24, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, err: "proto: integer overflow"},
	{name: "half a tag", in: pb{0x80}, err: "unexpected EOF"},
	{name: "half a number", in: pb{24, 0x80}, err: "unexpected EOF"},
	{name: "half a double", in: pb{41, 1, 2}, err: "unexpected EOF"},
	{name: "half an unknown fixed64", in: append(pb{}.tag(99, protobufFixed64), 1), err: "unexpected EOF"},
}

func TestDecodeProtobuf(t *testing.T) {
	typ := protobufType()
	for _, tc := range protobufCases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := DecodeProtobuf(tc.in, typ)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Fatalf("got %v and error %v, want error %s", got, err, tc.err)
				}
				return
			}
			want, _, _ := tree.ParseJSON([]byte(tc.want))
			if err != nil || string(tree.AppendJSON(nil, got)) != string(tree.AppendJSON(nil, want)) {
				t.Fatalf("got %s (%v), want %s", tree.AppendJSON(nil, got), err, tc.want)
			}
		})
	}
}

func TestDecodeProtobufBounds(t *testing.T) {
	typ := protobufType()
	nested := func(depth int) pb {
		m := pb{}
		for range depth {
			m = pb{}.message(30, m)
		}
		return m
	}
	if _, err := DecodeProtobuf(nested(protobufMaxDepth), typ); err != nil {
		t.Error(err)
	}
	if _, err := DecodeProtobuf(nested(protobufMaxDepth+1), typ); err == nil || err.Error() != "nested deeper than 100" {
		t.Error(err)
	}
	bombs := map[string]pb{
		"messages": pb(strings.Repeat(string(pb{}.text(20, "")), protobufMaxValues+1)),
		"numbers":  pb{}.text(18, strings.Repeat("\x01", protobufMaxValues+1)),
		"entries":  pb(strings.Repeat(string(pb{}.text(21, "")), protobufMaxValues+1)),
	}
	for name, m := range bombs {
		if _, err := DecodeProtobuf(m, typ); err == nil || err.Error() != "more than 1048576 values" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeProtobufEnvelope(t *testing.T) {
	typeMeta := pb{}.text(1, "v1").text(2, "ConfigMap")
	whole := pb{}.message(1, typeMeta).text(2, "abc").text(3, "").text(4, "application/json").number(9, 1)
	apiVersion, kind, raw, contentType, err := DecodeEnvelope(append([]byte(ProtobufMagic), whole...))
	if apiVersion != "v1" || kind != "ConfigMap" || string(raw) != "abc" || contentType != "application/json" || err != nil {
		t.Errorf("%q %q %q %q %v", apiVersion, kind, raw, contentType, err)
	}
	if _, _, raw, _, err := DecodeEnvelope([]byte(ProtobufMagic)); len(raw) != 0 || err != nil {
		t.Errorf("an empty one: %q %v", raw, err)
	}
	const noMagic = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
	for _, tc := range []struct{ in, want string }{
		{"", noMagic}, {"k8s", noMagic}, {`{"kind":"ConfigMap"}`, noMagic},
		{ProtobufMagic + "\x80", "unexpected EOF"},
		{ProtobufMagic + "\x08\x01", "proto: wrong wireType = 0 for field Unknown"},
		{ProtobufMagic + "\x0a\x02\x08\x01", "proto: wrong wireType = 0 for field TypeMeta"},
		{ProtobufMagic + "\x0a\x01\x80", "unexpected EOF"},
		{ProtobufMagic + "\x0a\x01\x1b", "proto: illegal wireType 3"},
		{ProtobufMagic + "\x2b", "proto: illegal wireType 3"},
		{ProtobufMagic + string(pb{}.text(3, "gzip")), `content encoding "gzip" is not supported`},
	} {
		if _, _, _, _, err := DecodeEnvelope([]byte(tc.in)); err == nil || err.Error() != tc.want {
			t.Errorf("%q: got %v, want %s", tc.in, err, tc.want)
		}
	}
}

// FuzzProtobuf: no message panics, and what is decoded is JSON.
func FuzzProtobuf(f *testing.F) {
	for _, tc := range protobufCases {
		f.Add([]byte(tc.in))
		f.Add(append([]byte(ProtobufMagic), pb{}.message(2, tc.in)...))
	}
	typ := protobufType()
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, raw, _, err := DecodeEnvelope(data); err == nil {
			data = raw
		}
		got, err := DecodeProtobuf(data, typ)
		if err != nil {
			return
		}
		text := tree.AppendJSON(nil, got)
		if again, _, err := tree.ParseJSON(text); err != nil || !tree.Equal(again, got) {
			t.Fatalf("%q: %s reads as %v (%v)", data, text, again, err)
		}
	})
}

func BenchmarkDecodeProtobuf(b *testing.B) {
	typ := protobufType()
	m := pb{}
	for _, key := range []string{"a", "b", "c", "d"} {
		m = m.entry(21, key, pb{}.text(2, strings.Repeat(key, 200)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeProtobuf(m, typ); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDefinitionInProtobuf: the forms that parts of a schema may have.
func TestDefinitionInProtobuf(t *testing.T) {
	typ := kindsForTest(t).types.read["apiextensions.JSONSchemaProps"]
	text := func(s string) pb { return pb{}.text(5, s) }
	for want, in := range map[string]pb{
		`{"items":{"type":"string"}}`:                      pb{}.message(24, pb{}.message(1, text("string"))),
		`{"items":[{"type":"string"},{"type":"integer"}]}`: pb{}.message(24, pb{}.message(2, text("string")).message(2, text("integer"))),
		`{"additionalProperties":true}`:                    pb{}.message(30, pb{}.number(1, 1)),
		`{"additionalProperties":false}`:                   pb{}.message(30, pb{}.number(1, 0)),
		`{"additionalItems":{"type":"string"}}`:            pb{}.message(33, pb{}.number(1, 1).message(2, text("string"))),
		`{"dependencies":{"a":["b"],"c":{"type":"x"}}}`:    pb{}.entry(32, "a", pb{}.message(2, pb{}.text(2, "b"))).entry(32, "c", pb{}.message(2, pb{}.message(1, text("x")))),
		`{"default":{"a":[1]},"enum":["x",2,null]}`:        pb{}.message(8, pb{}.text(1, `{"a":[1]}`)).message(20, pb{}.text(1, `"x"`)).message(20, pb{}.text(1, "2")).message(20, pb{}.text(1, "null")),
	} {
		got, err := DecodeProtobuf(in, typ)
		if text := string(tree.AppendJSON(nil, got)); err != nil || text != want {
			t.Errorf("got %s %v, want %s", text, err, want)
		}
	}
}
