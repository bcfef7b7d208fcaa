package fieldset

import (
	"encoding/json"
	"strings"
	"testing"

	"apichain/internal/tree"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                             `{}`,
		` { } `:                          `{}`,
		`null`:                           `{}`,
		`{".":{}}`:                       `{}`,
		`{"f:a":{}}`:                     `{"f:a":{}}`,
		`{"f:a":null}`:                   `{"f:a":{}}`,
		"{\n\t\"f:a\" : {\r\n} }":        `{"f:a":{}}`,
		`{"f:a":{".":{}}}`:               `{"f:a":{}}`,
		`{"f:a":{".":{},"f:b":{}}}`:      `{"f:a":{".":{},"f:b":{}}}`,
		`{"f:a":{"f:b":{},".":[1,"]"]}}`: `{"f:a":{".":{},"f:b":{}}}`,
		// In any order, and the same key again.
		`{"f:b":{},"f:a":{}}`:                                     `{"f:a":{},"f:b":{}}`,
		`{"f:b":{"f:d":{},"f:c":{}},"f:a":{}}`:                    `{"f:a":{},"f:b":{"f:c":{},"f:d":{}}}`,
		`{"f:a":{},"f:a":{}}`:                                     `{"f:a":{}}`,
		`{"f:a":{},"f:a":{"f:b":{}}}`:                             `{"f:a":{".":{},"f:b":{}}}`,
		`{"f:a":{"f:b":{}},"f:a":{}}`:                             `{"f:a":{".":{},"f:b":{}}}`,
		`{"f:a":{"f:b":{},"f:c":{}},"f:z":{},"f:a":{"f:d":{}}}`:   `{"f:a":{"f:d":{}},"f:z":{}}`,
		`{"i:10":{},"i:2":{},"v:1":{},"k:{\"a\":1}":{},"f:a":{}}`: `{"f:a":{},"k:{\"a\":1}":{},"v:1":{},"i:2":{},"i:10":{}}`,
		`{"v:null":{},"v:true":{},"v:false":{},"v:\"1\"":{},"v:10":{},"v:9.5":{},"v:-1":{}}`: `{"v:-1":{},"v:9.5":{},"v:10":{},"v:\"1\"":{},"v:false":{},"v:true":{},"v:null":{}}`,
		`{"k:{\"p\":1000}":{},"k:{\"p\":443}":{},"k:{\"n\":\"a\",\"p\":1}":{}}`:              `{"k:{\"n\":\"a\",\"p\":1}":{},"k:{\"p\":443}":{},"k:{\"p\":1000}":{}}`,
		`{"k:{\"b\":1,\"a\":2}":{}}`:                     `{"k:{\"a\":2,\"b\":1}":{}}`,
		`{"k:{ \"a\" : 1.0 }":{},"k:null":{}}`:           `{"k:{}":{},"k:{\"a\":1}":{}}`,
		`{"k:{\"a\":1}":{},"k:{\"a\":1,\"b\":2}":{}}`:    `{"k:{\"a\":1}":{},"k:{\"a\":1,\"b\":2}":{}}`,
		`{"v:1.0":{},"v:1":{},"v:1e0":{}}`:               `{"v:1":{}}`,
		`{"v:-0":{},"v:1e-7":{},"v:1e21":{},"v:1E3":{}}`: `{"v:0":{},"v:1e-07":{},"v:1000":{},"v:1e+21":{}}`,
		`{"i:007":{},"i:+3":{},"i:-1":{}}`:               `{"i:-1":{},"i:3":{},"i:7":{}}`,
		// What nobody knows goes, with what is below it.
		`{"x:a":{"f:b":{}},"f:a":{}}`: `{"f:a":{}}`,
		`{"f:a":{"x:b":{}}}`:          `{"f:a":{}}`,
		`{"x:a":17,"*:a":{}}`:         `{}`,
		// Names are texts of all sorts.
		`{"f:":{},"f:.":{},"f:f:":{}}`:      `{"f:":{},"f:.":{},"f:f:":{}}`,
		`{"f:\u00e4":{},"f:a\"b\\c\n":{}}`:  `{"f:a\"b\\c\n":{},"f:ä":{}}`,
		`{"f:<&>":{},"v:\"<\"":{}}`:         `{"f:\u003c\u0026\u003e":{},"v:\"\\u003c\"":{}}`,
		"{\"f:\xff\":{}}":                   `{"f:�":{}}`,
		`{"k:{\"n\":\"\\u00e4 \\\"\"}":{}}`: `{"k:{\"n\":\"ä \\\"\"}":{}}`,
		`{"k:{\"a!\":1,\"a\":2}":{}}`:       `{"k:{\"a\":2,\"a!\":1}":{}}`,
	} {
		s := parse(t, text)
		is(t, text, s, want)
		is(t, want, parse(t, want), want)
	}
}

func TestParseErrors(t *testing.T) {
	deep := strings.Repeat(`{"f:a":`, tree.MaxDepth+1) + "{}" + strings.Repeat("}", tree.MaxDepth+1)
	for text, want := range map[string]string{
		``:                              "unexpected end of JSON input",
		`{`:                             "unexpected end of JSON input",
		`{"f:a"`:                        "unexpected end of JSON input",
		`{"f:a":`:                       "unexpected end of JSON input",
		`{"f:a":{}`:                     "unexpected end of JSON input",
		`{"f:a`:                         "unexpected end of JSON input",
		`{"f:a\`:                        "unexpected end of JSON input",
		`{"f:a\"`:                       "unexpected end of JSON input",
		`{"f:a":{},}`:                   "looking for beginning of object key string",
		`{"f:a" {}}`:                    "after object key",
		`{"f:a":{} "f:b":{}}`:           "after object key:value pair",
		`{"f:\x":{}}`:                   "in string escape code",
		"{\"f:\x01\":{}}":               "in string literal",
		`{} {}`:                         "after top-level value",
		`nul`:                           "unexpected end of JSON input",
		`[]`:                            "expected an object at byte 0",
		`17`:                            "expected an object at byte 0",
		`{"f:a":[]}`:                    "expected an object at byte 7",
		`{"f:a":true}`:                  "expected an object at byte 7",
		`{"f":{}}`:                      "key must be 2 characters long",
		`{"":{}}`:                       "key must be 2 characters long",
		`{"ff":{}}`:                     "missing colon: ff",
		`{"ä:":{}}`:                     "missing colon: ä:",
		`{"v:":{}}`:                     "unexpected end of JSON input",
		`{"v:x":{}}`:                    "looking for beginning of value",
		`{"v:01":{}}`:                   "after top-level value",
		`{"k:":{}}`:                     "unexpected end of JSON input",
		`{"k:[]":{}}`:                   "a key must be an object",
		`{"k:1":{}}`:                    "a key must be an object",
		`{"k:{\"a\"x1}":{}}`:            "after object key",
		`{"k:{\"a\":1}x":{}}`:           "after top-level value",
		`{"i:":{}}`:                     "invalid syntax",
		`{"i:x":{}}`:                    "invalid syntax",
		`{"i:99999999999999999999":{}}`: "out of range",
		`{"x:a":{]}`:                    "looking for beginning of object key string",
		`{".":}`:                        "looking for beginning of value",
		deep:                            "exceeded max depth",
	} {
		if s, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.80s is read as %.80s", text, s.AppendJSON(nil))
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
}

// TestByText has keys in the order of what upstream sorts as the names of an object.
func TestByText(t *testing.T) {
	s := parse(t, `{"f:b":{".":{},"k:{\"p\":443}":{"i:10":{},"i:2":{}},"k:{\"p\":1000}":{},"v:9":{},"v:10":{}},"f:a":{},"i:0":{},"k:{}":{}}`)
	want := `{"f:a":{},"f:b":{".":{},"k:{\"p\":1000}":{},"k:{\"p\":443}":{"i:10":{},"i:2":{}},"v:10":{},"v:9":{}},"i:0":{},"k:{}":{}}`
	if got := string(s.AppendJSONByText(nil)); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	var v any
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		t.Fatal(err)
	}
	if sorted, err := json.Marshal(v); err != nil || string(sorted) != want {
		t.Errorf("%s is not in order: %s %v", want, sorted, err)
	}
	for text, want := range map[string]bool{want: false, string(s.AppendJSON(nil)): true} {
		if _, ordered, err := ParseOrdered(text); err != nil || ordered != want {
			t.Errorf("%s is ordered: %v %v", text, ordered, err)
		}
	}
	is(t, "the set itself", s, string(parse(t, want).AppendJSON(nil)))
}

// TestAppendJSONAppends checks that what was there before stays.
func TestAppendJSONAppends(t *testing.T) {
	if got := string(parse(t, `{"f:ä":{}}`).AppendJSON([]byte("x"))); got != `x{"f:ä":{}}` {
		t.Error(got)
	}
	if got := string(Set{}.AppendJSON(nil)); got != `{}` {
		t.Error(got)
	}
}

// FuzzParse feeds anything to the reader of FieldsV1. It must neither panic nor take more memory than a multiple of the text, and
// what it takes it must write so that it is read again, as an object of JSON, and with all that is promised of sets.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{}`, `null`, `{"f:a":{".":{},"f:b":{}},"k:{\"a\":1}":{"v:\"x\"":{}},"i:0":{}}`, `{"f:b":{},"f:a":{},"f:b":{"f:c":{}}}`,
		`{"x:a":[{"b":"]"}],"v:1e400":{}}`, `{"k:{\"b\":[1,{}],\"a\":null}":{}}`, `{"f:\ud83d\u0041":{}}`, `{"k:{\"a`, `{"v:"`, `{"f:a\"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		sound(t, string(text), s)
		if len(s.nodes) > len(text)/5 {
			t.Errorf("%d nodes of %d bytes", len(s.nodes), len(text))
		}
		written := s.AppendJSON(nil)
		if _, repeated, err := tree.ParseJSONObject(written); err != nil || len(repeated) > 0 {
			t.Errorf("%s is written as %s: %v %v", text, written, repeated, err)
		}
		again, err := Parse(written)
		if err != nil || !again.Equal(s) {
			t.Errorf("%s is written as %s, which is read as %s: %v", text, written, again.AppendJSON(nil), err)
		}
		s.Each(func(p Path) {
			if !s.Has(p) {
				t.Errorf("%s has %v and does not know", text, p)
			}
		})
		if !s.Union(s).Equal(s) || !s.Difference(s).IsEmpty() || !s.Intersection(s).Equal(s) {
			t.Errorf("%s is not what it is with itself", text)
		}
	})
}
