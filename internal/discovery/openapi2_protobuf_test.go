package discovery

import (
	"encoding/hex"
	"maps"
	"slices"
	"testing"

	"apichain/internal/tree"
)

// TestMessages: each form of a value in protobuf, byte by byte; gnostic's own decoder is asked in interop.
func TestMessages(t *testing.T) {
	for _, c := range []struct{ what, form, in, want string }{
		{"text", "info", `{"title":"a","version":"bc"}`, "0a0161 12026263"},
		{"unknown", "info", `{"title":"a","nobody":"b","nullable":true}`, "0a0161"},
		{"true and false", "schema", `{"uniqueItems":true,"exclusiveMaximum":false}`, "4000 800101"},
		{"integer", "schema", `{"maxLength":300,"minLength":0}`, "58ac02 6000"},
		{"numbers", "schema", `{"maximum":1.5,"minimum":2}`, "39000000000000f83f 490000000000000040"},
		{"texts", "schema", `{"required":["a","b"]}`, "9a010161 9a010162"},
		{"any JSON", "schema", `{"default":{"a":1}}`, "2a09 1207 7b2261223a317d"},
		{"list of any", "schema", `{"enum":["a",null]}`, "a20105 1203226122 a20106 12046e756c6c"},
		{"extension", "schema", `{"x-a":true}`, "fa010d 0a03782d61 1206 120474727565"},
		{"type", "schema", `{"type":"string"}`, "b20108 0a06737472696e67"},
		{"types", "schema", `{"type":["a","b"]}`, "b20106 0a0161 0a0162"},
		{"reference", "schema", `{"$ref":"a"}`, "0a0161"},
		{"items", "schema", `{"items":{"$ref":"a"}}`, "ba0105 0a03 0a0161"},
		{"other keys", "schema", `{"additionalProperties":{"$ref":"a"}}`, "aa0105 0a03 0a0161"},
		{"any other keys", "schema", `{"additionalProperties":true}`, "aa0102 1001"},
		{"properties", "schema", `{"properties":{"b":{},"a":{"$ref":"c"}}}`, "ca0111 0a08 0a0161 1203 0a0163 0a05 0a0162 1200"},
		{"body", "operation", `{"parameters":[{"in":"body","name":"a"}]}`, "420d 0a0b 0a09 1a04626f6479 120161"},
		{"query", "operation", `{"parameters":[{"in":"query","name":"a"}]}`, "4210 0a0e 120c 1a0a 12057175657279 220161"},
		{"path", "operation", `{"parameters":[{"in":"path","name":"a","required":true}]}`, "4211 0a0f 120d 220b 120470617468 220161 0801"},
		{"shared", "operation", `{"parameters":[{"$ref":"a"}]}`, "4205 1203 0a0161"},
		{"answers", "operation", `{"responses":{"200":{"description":"OK","schema":{"$ref":"a"}}}}`, "4a16 0a14 0a03323030 120d 0a0b 0a024f4b 1205 0a03 0a0161"},
		{"demands", "document", `{"security":[{"a":[]}]}`, "6207 0a05 0a0161 1200"},
		{"not its type", "schema", `{"maxLength":"a","properties":[]}`, "5800"},
	} {
		v, _, err := tree.ParseJSONObject([]byte(c.in))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		want, err := hex.DecodeString(withoutSpaces(c.want))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := appendMessage(nil, messageForms[c.form], v); string(got) != string(want) {
			t.Errorf("%s:\n got %x\nwant %x", c.what, got, want)
		}
	}
}

func withoutSpaces(s string) string {
	return string(slices.DeleteFunc([]byte(s), func(b byte) bool { return b == ' ' }))
}

// TestMessageForms: numbers of a message differ, and every form is one of a message or known.
func TestMessageForms(t *testing.T) {
	known := []string{"string", "bool", "int", "double", "any", "parameter", "map:shared parameter", "map:texts", "map:security",
		"map:response", "answer", "others", "type", "items", "map:schema", "map:header", "map:any"}
	for _, name := range slices.Sorted(maps.Keys(messageForms)) {
		numbers := map[uint64]string{messageForms[name].extensions: "x-"}
		for field, f := range messageForms[name].fields {
			if had := numbers[f.number]; had != "" {
				t.Errorf("%s: %s has the number of %s", name, field, had)
			}
			numbers[f.number] = field
			if _, ok := messageForms[f.form]; !ok && !slices.Contains(known, f.form) {
				t.Errorf("%s: %s is a %s", name, field, f.form)
			}
		}
	}
}
