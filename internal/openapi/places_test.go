package openapi

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// Each place of a document where a reference can be, one at a time: a document has nothing but that one, so a place that
// some function forgets cannot hide behind another.
//
// REF is {"$ref":"#/definitions/T"}. In a document with the path /a that is all there is to use T.

// place is one.
type place struct {
	name string
	// operation says that text is of get of /a, schema that it is the schema of its body; else text is a whole document.
	operation, schema bool
	text              string
	// used says that T is used: it goes with /a, and stays with it. renamed says that the reference follows T to T_v2.
	used, renamed bool
	// v3 is what REF is in v3: its beginning is another (new), it is as it was (old), or the place is gone ("").
	v3 string
}

// places has them. Those which are no references come last.
var places = []place{
	{name: "body", schema: true, text: `REF`, used: true, renamed: true, v3: "new"},
	{name: "response", operation: true, text: `"responses":{"200":{"schema":REF}}`, used: true, renamed: true, v3: "new"},
	{name: "another response", operation: true, text: `"responses":{"default":{"schema":REF}}`, used: true, renamed: true, v3: "new"},
	{name: "parameter that is no body", operation: true, text: `"parameters":[{"name":"q","in":"query","schema":REF}]`, used: true, renamed: true, v3: "new"},
	{name: "second parameter", operation: true, text: `"parameters":[{"name":"q"},{"name":"body","schema":REF}]`, used: true, renamed: true, v3: "new"},
	{name: "parameter of a path", text: `{"paths":{"/a":{"parameters":[{"name":"body","schema":REF}]}},DEFINED}`, used: true, renamed: true, v3: "new"},
	{name: "shared parameter", text: `{"paths":{"/a":{"get":{"parameters":[{"$ref":"#/parameters/p"}]}}},"parameters":{"p":{"schema":REF}},DEFINED}`,
		used: true, renamed: true},
	{name: "another definition", text: `{"paths":{"/a":{"get":{"parameters":[{"name":"body","schema":{"$ref":"#/definitions/U"}}]}}},
		"definitions":{"U":{"properties":{"a":REF}},"T":{"description":"x"}}}`, used: true, renamed: true, v3: "new"},

	{name: "items", schema: true, text: `{"items":REF}`, used: true, renamed: true, v3: "new"},
	{name: "several items", schema: true, text: `{"items":[{},REF]}`, used: true, renamed: true, v3: "new"},
	{name: "properties", schema: true, text: `{"properties":{"a":REF}}`, used: true, renamed: true, v3: "new"},
	{name: "a property named $ref", schema: true, text: `{"properties":{"$ref":REF}}`, used: true, renamed: true, v3: "new"},
	{name: "additionalProperties", schema: true, text: `{"additionalProperties":REF}`, used: true, renamed: true, v3: "new"},
	{name: "additionalItems", schema: true, text: `{"additionalItems":REF}`, used: true, renamed: true, v3: "new"},
	{name: "far below", schema: true, text: `{"properties":{"a":{"items":[{"additionalProperties":{"items":REF}}]}}}`, used: true, renamed: true, v3: "new"},
	// Conversion does not look into these (upstream).
	{name: "allOf", schema: true, text: `{"allOf":[REF]}`, used: true, renamed: true, v3: "old"},
	{name: "anyOf", schema: true, text: `{"anyOf":[{},REF]}`, used: true, renamed: true, v3: "old"},
	{name: "oneOf", schema: true, text: `{"oneOf":[REF]}`, used: true, renamed: true, v3: "old"},
	{name: "not", schema: true, text: `{"not":REF}`, used: true, renamed: true, v3: "old"},
	{name: "patternProperties", schema: true, text: `{"patternProperties":{"a":REF}}`, used: true, renamed: true, v3: "old"},
	{name: "definitions of a schema", schema: true, text: `{"definitions":{"a":REF}}`, used: true, renamed: true, v3: "old"},

	// A shared response is no path's, whoever refers to it, so T counts as one that nobody has used; and it is not merged
	// (upstream).
	{name: "shared response", text: `{"paths":{"/a":{"get":{"responses":{"200":{"$ref":"#/responses/r"}}}}},"produces":["m"],"responses":{"r":{"schema":REF}},DEFINED}`, v3: "new"},
	{name: "unused definition", text: `{"paths":{"/a":{}},"definitions":{"U":{"items":REF},"T":{"description":"x"}}}`, renamed: true, v3: "new"},

	{name: "default", schema: true, text: `{"default":REF}`, v3: "old"},
	{name: "enum", schema: true, text: `{"enum":[REF]}`, v3: "old"},
	{name: "example", schema: true, text: `{"example":REF}`, v3: "old"},
	{name: "extension", schema: true, text: `{"x-a":REF}`, v3: "old"},
	{name: "what no schema has", schema: true, text: `{"if":REF}`, v3: "old"},
	{name: "extension of a path", text: `{"paths":{"/a":{"x-a":REF}},DEFINED}`, v3: "old"},
	{name: "extension of all paths", text: `{"paths":{"/a":{},"x-a":REF},DEFINED}`, v3: "old"},
	{name: "examples of a response", operation: true, text: `"responses":{"200":{"examples":REF}}`},
	{name: "another beginning", schema: true, text: `{"items":{"$ref":"#/parameters/T"}}`},
}

// document returns the document of a place.
func (p *place) document() string {
	text := p.text
	if p.schema {
		text = `"parameters":[{"name":"body","schema":` + text + `}]`
	}
	if p.schema || p.operation {
		text = `{"paths":{"/a":{"get":{"consumes":["m"],"produces":["m"],` + text + `}}},DEFINED}`
	}
	// The first operation of two has media types, by which a schema gets into v3.
	text = strings.Replace(text, `"get":{"parameters"`, `"get":{"consumes":["m"],"parameters"`, 1)
	return strings.NewReplacer("DEFINED", `"definitions":{"T":{"description":"x"}}`, "REF", `{"$ref":"#/definitions/T"}`).Replace(text)
}

// mustRead returns a document of a text.
func mustRead(t *testing.T, text string) Document {
	t.Helper()
	d, err := Read([]byte(text))
	if err != nil {
		t.Fatalf("%.300s: %v", text, err)
	}
	return d
}

// textOf returns a document as it is sent.
func textOf(d map[string]any) string { return string(tree.AppendJSON(nil, d)) }

// TestPlaces: in each place a reference keeps what it refers to, follows it to another name, and is what it should be in v3.
func TestPlaces(t *testing.T) {
	const old, moved, renamed = `"#/definitions/T"`, `"#/components/schemas/T"`, `"#/definitions/T_v2"`
	for _, p := range places {
		d := mustRead(t, p.document())
		d.Filter("/a")
		if d.part("definitions")["T"] == nil {
			t.Errorf("%s: a definition goes whose path stays", p.name)
		}
		if d.Filter("/b"); (d.part("definitions")["T"] == nil) != p.used {
			t.Errorf("%s: a definition is there: %t, after its path has gone", p.name, p.used)
		}

		d = document("/z>T T=t")
		d.Merge(mustRead(t, p.document()))
		got := textOf(d)
		if want := strings.Count(textOf(document("/z>T T=t")), old); p.renamed && (strings.Count(got, renamed) != 1 || strings.Count(got, old) != want) {
			t.Errorf("%s: not all references are renamed in %s", p.name, got)
		}
		if !p.renamed && strings.Contains(got, renamed) {
			t.Errorf("%s: what is no reference is renamed in %s", p.name, got)
		}

		v3, err := mustRead(t, p.document()).ToV3()
		got = textOf(v3)
		if err != nil || strings.Contains(got, moved) != (p.v3 == "new") || strings.Contains(got, old) != (p.v3 == "old") {
			t.Errorf("%s: %v, in v3 %s", p.name, err, got)
		}
	}
}

// TestOperations: an operation of any method counts, and one of a method that there is not is none.
func TestOperations(t *testing.T) {
	for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"} {
		text := strings.Replace((&place{schema: true, text: `REF`}).document(), `"get"`, `"`+method+`"`, 1)
		is := method != "trace"
		d := mustRead(t, text)
		if v3, err := mustRead(t, text).ToV3(); err != nil || (tree.At(v3, "paths", "/a", method, "requestBody", "content", "m", "schema", "$ref") != nil) != is {
			t.Errorf("%s: %v, in v3 %v", method, err, v3)
		}
		if d.Filter("/b"); (d.part("definitions")["T"] == nil) != is {
			t.Errorf("%s: not filtered with its path", method)
		}
	}
}
