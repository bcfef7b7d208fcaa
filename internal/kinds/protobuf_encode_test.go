package kinds

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestEncodeByHand: messages that were put together field by field, of an object with a field of
// every form.
func TestEncodeByHand(t *testing.T) {
	// One that does not have itself as a field that is always written.
	outer := protobufType()
	outer.Fields = outer.Fields[:len(outer.Fields)-1]
	outer.byNumber[30] = nil
	delete(outer.ByName, "self")
	// What is written of an object without members.
	zeros := pb{}.text(1, "").number(2, 0).number(3, 0).number(4, 0).double(5, 0).text(7, "").text(8, "").
		message(9, pb{}.number(1, 0).number(2, 0).text(3, "")).message(10, pb{}.text(1, "0")).text(11, "").message(12, pb{}.text(1, "").number(2, 0)).
		text(13, "").message(14, pb{}.text(1, "").number(2, 0))
	embedded := pb{}.text(25, "")
	for name, c := range map[string]struct {
		json string
		want pb
	}{
		"nothing":  {`{}`, append(bytes.Clone(zeros), embedded...)},
		"null":     {`{"text":null,"texts":null,"labels":null,"optional":null,"time":null}`, append(bytes.Clone(zeros), embedded...)},
		"unknown":  {`{"other":{"a":[1,"]"]},"another":"}"}`, append(bytes.Clone(zeros), embedded...)},
		"pointers": {`{"optional":0,"optionalInner":{},"optionalPort":-1}`, append(append(bytes.Clone(zeros), pb{}.number(15, 0).message(16, pb{}.text(1, "").number(2, 0))...), append(embedded, pb{}.message(26, pb{}.number(1, 0).number(2, -1).text(3, ""))...)...)},
		"lists": {`{"texts":["a",null,""],"numbers":[1,-1],"doubles":[0.5],"inners":[{"n":1},{}]}`,
			append(append(bytes.Clone(zeros), pb{}.text(17, "a").text(17, "").text(17, "").number(18, 1).number(18, -1).double(19, 0.5).
				message(20, pb{}.text(1, "").number(2, 1)).message(20, pb{}.text(1, "").number(2, 0))...), embedded...)},
		"maps": {`{"data":{"a":"AAE=","b":""},"extra":{"k":["x","y"],"none":[]},"labels":{"":"","k":"v"},"limits":{"cpu":"1"}}`,
			append(append(bytes.Clone(zeros), pb{}.entry(21, "", pb{}.text(2, "")).entry(21, "k", pb{}.text(2, "v")).entry(22, "a", pb{}.text(2, "\x00\x01")).entry(22, "b", pb{}.text(2, "")).
				entry(23, "cpu", pb{}.message(2, pb{}.text(1, "1"))).entry(24, "k", pb{}.message(2, pb{}.text(1, "x").text(1, "y"))).entry(24, "none", pb{}.text(2, ""))...), embedded...)},
		"alternatives": {`{"orBool":{"a":"x"},"orList":[{"n":1}],"orTexts":{"k":["a"]}}`,
			append(append(bytes.Clone(zeros), embedded...), pb{}.message(40, pb{}.number(1, 1).message(2, pb{}.text(1, "x").number(2, 0))).
				message(41, pb{}.message(2, pb{}.text(1, "").number(2, 1))).entry(42, "k", pb{}.message(2, pb{}.text(2, "a")))...)},
		"bool instead": {`{"orBool":false,"orList":{"a":"y"}}`,
			append(append(bytes.Clone(zeros), embedded...), pb{}.message(40, pb{}.number(1, 0)).message(41, pb{}.message(1, pb{}.text(1, "y").number(2, 0)))...)},
		"embedded": {`{"source":{"a":"z"}}`, append(bytes.Clone(zeros), pb{}.message(25, pb{}.message(1, pb{}.text(1, "z").number(2, 0)))...)},
	} {
		if got := encoded(outer, objectForTest(t, c.json)); !bytes.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

// TestEncodeScalars: values that have a form of their own.
func TestEncodeScalars(t *testing.T) {
	one := func(kind FieldKind) *Type {
		f := &Field{Name: "v", number: 1, Kind: kind, pointer: true}
		return &Type{Fields: []*Field{f}, ByName: map[string]*Field{"v": f}, byNumber: []*Field{nil, f}}
	}
	for _, c := range []struct {
		kind FieldKind
		json string
		want pb
	}{
		{FieldTime, `"2024-05-01T12:00:00Z"`, pb{}.message(1, pb{}.number(1, 1714564800).number(2, 0))},
		{FieldTime, `"0001-01-01T00:00:00Z"`, pb{}.text(1, "")},
		{FieldTime, `"none"`, pb{}.text(1, "")},
		{FieldMicroTime, `"2024-05-01T12:00:00.000005Z"`, pb{}.message(1, pb{}.number(1, 1714564800).number(2, 5000))},
		{FieldMicroTime, `"1969-12-31T23:59:59.000000Z"`, pb{}.message(1, pb{}.number(1, -1).number(2, 0))},
		{FieldRaw, `{"a":[1,"<"]}`, pb{}.message(1, pb{}.text(1, `{"a":[1,"\u003c"]}`))},
		{FieldRaw, `"text"`, pb{}.message(1, pb{}.text(1, `"text"`))},
		{FieldInt64, `-9223372036854775808`, pb{}.number(1, -1<<63)},
		{FieldDouble, `2`, pb{}.double(1, 2)},
		{FieldBool, `true`, pb{}.number(1, 1)},
		{FieldBytes, `"YQ=="`, pb{}.text(1, "a")},
		{FieldIntOrString, `"50%"`, pb{}.message(1, pb{}.number(1, 1).number(2, 0).text(3, "50%"))},
		{FieldQuantity, `"1500m"`, pb{}.message(1, pb{}.text(1, "1500m"))},
	} {
		if got := encoded(one(c.kind), objectForTest(t, `{"v":`+c.json+`}`)); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.json, got, c.want)
		}
	}
}

// TestEncodeText: text of all sorts, as keys and as values, comes back as it was, also where one
// encoder has written longer and shorter objects before.
func TestEncodeText(t *testing.T) {
	pieces := []string{`"`, `\`, `\\`, "\n", "\t", "\r", "\b", "\f", "\x00", "\x1f", "<", ">", "&", "é", "\u2028", "\u2029", "😀", "\ufffd", "a", "{", "}", "[", "]", ",", ":", "null"}
	r := rand.New(rand.NewPCG(41, 42))
	text := func() string {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	row := kindsForTest(t).Kind("", "v1", "ConfigMap")
	var e ProtobufEncoder
	for range 2000 {
		data := map[string]any{"k": text()}
		for range r.IntN(8) {
			data[text()] = strings.Repeat(text(), r.IntN(20))
		}
		want := map[string]any{"metadata": map[string]any{"name": text() + "n"}, "data": data}
		_, _, raw, _, err := DecodeEnvelope(e.Object(row.Type(), "v1", "ConfigMap", tree.AppendJSON(nil, want)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeProtobuf(raw, row.Type())
		if err != nil || !tree.Equal(got, want) {
			t.Fatalf("%v: got %s\nwant %s", err, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
	}
}

// TestEncodeAllocates: an encoder that is used again needs no memory.
func TestEncodeAllocates(t *testing.T) {
	row := kindsForTest(t).Kind("", "v1", "Service")
	text := []byte(`{"apiVersion":"v1","kind":"Service","metadata":{"creationTimestamp":"2026-01-02T03:04:05Z","name":"s"},"spec":{"ports":[{"port":80,"targetPort":"http"}],"selector":{"a":"\u003cb"}}}`)
	var e ProtobufEncoder
	e.Object(row.Type(), "v1", "Service", text)
	if n := testing.AllocsPerRun(100, func() { e.Object(row.Type(), "v1", "Service", text) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
