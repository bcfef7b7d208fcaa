package kinds

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// Pruning compared with what it stands for: a Go struct that encoding/json reads and writes.
// ModelOuter and modelTable declare the same fields, one for Go and one for the table.

// ModelInner is the type below ModelOuter.
type ModelInner struct {
	Name  string       `json:"name,omitempty"`
	Size  int32        `json:"size,omitempty"`
	Inner *ModelInner  `json:"inner,omitempty"`
	Inlay []ModelInner `json:"inlay,omitempty"`
}

// ModelHead is embedded in ModelOuter.
type ModelHead struct {
	Kind string `json:"kind,omitempty"`
	Rank int64  `json:"rank,omitempty"`
}

// ModelOuter has a field of every form that Go has a type for.
type ModelOuter struct {
	ModelHead `json:",inline"`

	Text     string                `json:"text,omitempty"`
	Must     string                `json:"must"`
	May      *string               `json:"may,omitempty"`
	Flag     bool                  `json:"flag,omitempty"`
	MayFlag  *bool                 `json:"mayFlag,omitempty"`
	Small    int32                 `json:"small,omitempty"`
	MustSize int32                 `json:"mustSize"`
	Large    int64                 `json:"large,omitempty"`
	MayLarge *int64                `json:"mayLarge,omitempty"`
	Share    float64               `json:"share,omitempty"`
	Blob     []byte                `json:"blob,omitempty"`
	Texts    []string              `json:"texts,omitempty"`
	Numbers  []int64               `json:"numbers,omitempty"`
	Inner    ModelInner            `json:"inner,omitempty"`
	MayInner *ModelInner           `json:"mayInner,omitempty"`
	Inners   []ModelInner          `json:"inners,omitempty"`
	Labels   map[string]string     `json:"labels,omitempty"`
	Sizes    map[string]int32      `json:"sizes,omitempty"`
	ByName   map[string]ModelInner `json:"byName,omitempty"`
	Extra    map[string][]string   `json:"extra,omitempty"`
}

// modelTable is the same in the table's words. The schema's last part but one is the name of
// this Go package, as errors show it.
const modelTable = `package model x.kinds
type ModelInner
  name 1 string, size 2 int32, inner 3 ModelInner*, inlay 4 []ModelInner
type ModelHead
  kind 1 string, rank 2 int64
type ModelOuter
  + 1 ModelHead
  text 2 string, must 3 string!, may 4 string*, flag 5 bool, mayFlag 6 bool*
  small 7 int32, mustSize 8 int32!, large 9 int64, mayLarge 10 int64*, share 11 double, blob 12 bytes
  texts 13 []string, numbers 14 []int64, inner 15 ModelInner, mayInner 16 ModelInner*, inners 17 []ModelInner
  labels 18 {}string, sizes 19 {}int32, byName 20 {}ModelInner, extra 21 {}[]string
`

// typeForTest returns a type of a table of its own.
func typeForTest(t testing.TB, text, name string) *Type {
	t.Helper()
	table, err := parseKinds(text)
	if err != nil {
		t.Fatal(err)
	}
	if table.Type(name) == nil {
		t.Fatalf("there is no type %s", name)
	}
	return table.Type(name)
}

// writeAll puts in what a Go struct always writes and a tree may leave out: fields without
// omitempty, and structs that are no pointers.
func writeAll(d *Type, obj map[string]any) {
	for _, f := range d.ByName {
		v, there := obj[f.Name]
		switch {
		case !there && f.Required && f.Kind == FieldString:
			obj[f.Name] = ""
		case !there && f.Required:
			obj[f.Name] = int64(0)
		case !there && f.Kind == FieldMessage && !f.pointer && !f.IsList && !f.IsMap:
			v = map[string]any{}
			obj[f.Name] = v
		}
		eachObject(v, f, writeAll)
	}
}

// modelValues are JSON texts for a field, all of which Go takes.
func modelValues(f *Field) []string {
	switch f.Kind {
	case FieldBool:
		return []string{"true", "false"}
	case FieldInt32:
		return []string{"0", "1", "-2147483648", "2147483647"}
	case FieldInt64:
		return []string{"0", "-1", "9223372036854775807"}
	case FieldDouble:
		return []string{"0", "0.5", "1e3", "-2"}
	case FieldBytes:
		return []string{`""`, `"YWI="`, `"YQ=="`, `"Y\nWI="`}
	}
	return []string{`""`, `"x"`, `"\u00e9\ud83d\ude00"`, `"null"`}
}

// modelJSON writes a random object of a type: some fields are absent, some null, some empty.
func modelJSON(r *rand.Rand, d *Type, depth int) string {
	var members []string
	for _, f := range d.ByName {
		if r.IntN(3) > 0 && (f.Kind != FieldMessage || depth > 0) {
			members = append(members, fmt.Sprintf("%q:%s", f.Name, modelField(r, f, depth)))
		}
	}
	if r.IntN(3) == 0 {
		members = append(members, `"unknown":{"x":[1,null]}`)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// modelField writes a random value of a field.
func modelField(r *rand.Rand, f *Field, depth int) string {
	if r.IntN(8) == 0 {
		return "null"
	}
	if f.IsMap {
		element := *f
		element.IsMap = false
		var members []string
		for i := range r.IntN(3) {
			v := modelField(r, &element, depth)
			// Go writes a nil list in a map as null, and the tree has an empty one.
			if f.IsList && v == "null" {
				v = "[]"
			}
			members = append(members, fmt.Sprintf(`"k%d":%s`, i, v))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	if f.IsList {
		element := *f
		element.IsList = false
		var members []string
		for range r.IntN(3) {
			members = append(members, modelField(r, &element, depth))
		}
		return "[" + strings.Join(members, ",") + "]"
	}
	if f.Kind == FieldMessage {
		return modelJSON(r, f.Message, depth-1)
	}
	values := modelValues(f)
	return values[r.IntN(len(values))]
}

// TestPruneIsAGoStruct: an object is pruned to what a Go struct makes of it.
func TestPruneIsAGoStruct(t *testing.T) {
	const seed = 31
	d, r := typeForTest(t, modelTable, "model.ModelOuter"), rand.New(rand.NewPCG(seed, 0))
	for i := range 3000 {
		text := modelJSON(r, d, 3)
		var model ModelOuter
		if err := json.Unmarshal([]byte(text), &model); err != nil {
			t.Fatalf("seed %d, round %d: Go does not take %s: %v", seed, i, text, err)
		}
		written, err := json.Marshal(model)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := tree.ParseJSON(written)
		if err != nil {
			t.Fatal(err)
		}
		obj := objectForTest(t, text)
		if _, err := Prune(d, obj); err != nil {
			t.Fatalf("seed %d, round %d: %s: %v", seed, i, text, err)
		}
		writeAll(d, obj)
		if !tree.Equal(obj, want) {
			t.Fatalf("seed %d, round %d: %s\n got %s\nwant %s", seed, i, text, tree.AppendJSON(nil, obj), written)
		}
	}
}

// modelWrong are objects with one value of a wrong type each.
var modelWrong = []string{
	`{"text":1}`,
	`{"text":true}`,
	`{"text":[]}`,
	`{"text":{}}`,
	`{"must":0.5}`,
	`{"may":{}}`,
	`{"flag":0}`,
	`{"flag":"true"}`,
	`{"mayFlag":[]}`,
	`{"small":"1"}`,
	`{"small":1.5}`,
	`{"small":2147483648}`,
	`{"small":-2147483649}`,
	`{"small":true}`,
	`{"mustSize":{}}`,
	`{"large":1.5}`,
	`{"large":[1]}`,
	`{"mayLarge":"9"}`,
	`{"share":"0.5"}`,
	`{"share":false}`,
	`{"blob":1}`,
	`{"blob":{}}`,
	`{"texts":"x"}`,
	`{"texts":{}}`,
	`{"texts":["a",1]}`,
	`{"texts":["a",["b"]]}`,
	`{"numbers":[1,"2"]}`,
	`{"numbers":[1.5]}`,
	`{"numbers":7}`,
	`{"inner":"x"}`,
	`{"inner":[]}`,
	`{"inner":{"name":1}}`,
	`{"inner":{"size":"1"}}`,
	`{"inner":{"inner":{"size":2147483648}}}`,
	`{"inner":{"inlay":{}}}`,
	`{"inner":{"inlay":[{"name":{}}]}}`,
	`{"mayInner":1}`,
	`{"mayInner":{"inner":true}}`,
	`{"inners":{}}`,
	`{"inners":[1]}`,
	`{"inners":[{},{"size":[]}]}`,
	`{"labels":"x"}`,
	`{"labels":["x"]}`,
	`{"labels":{"a":1}}`,
	`{"labels":{"a":{}}}`,
	`{"sizes":{"a":"1"}}`,
	`{"sizes":{"a":1.5}}`,
	`{"byName":[]}`,
	`{"byName":{"a":1}}`,
	`{"byName":{"a":{"size":true}}}`,
	`{"extra":[]}`,
	`{"extra":{"a":"b"}}`,
	`{"extra":{"a":[1]}}`,
}

// TestPruneErrorsAreGos: a value of a wrong type is refused in the words of encoding/json,
// which are compared here with those that it says itself. (Those of embedded fields are not:
// it names the embedded struct by now, and upstream's fork of it does not.)
func TestPruneErrorsAreGos(t *testing.T) {
	d := typeForTest(t, modelTable, "model.ModelOuter")
	for _, text := range modelWrong {
		var model ModelOuter
		want := json.Unmarshal([]byte(text), &model)
		if want == nil {
			t.Errorf("Go takes %s", text)
			continue
		}
		_, got := Prune(d, objectForTest(t, text))
		if got == nil || got.Error() != want.Error() {
			t.Errorf("%s\n got %v\nwant %v", text, got, want)
		}
	}
}

// TestPruneOfAlternatives: what may stand in place of a message is taken, and nothing else;
// unknown fields below it go without a word, as upstream decodes it leniently.
func TestPruneOfAlternatives(t *testing.T) {
	d := typeForTest(t, `package model x.kinds
type Part
  name 1 string, more 2 Part*
type Whole
  orBool 1 Part=1|bool=2, orList 2 Part=1|list=2, orTexts 3 Part=1|strings=2, by 4 {}Part=1|strings=2
  plain 5 Part
`, "model.Whole")
	const cannot = "json: cannot unmarshal "
	for _, c := range []struct{ in, out, unknown, err string }{
		{in: `{"orBool":{"name":"x"}}`, out: `{"orBool":{"name":"x"}}`},
		{in: `{"orBool":true}`, out: `{"orBool":true}`},
		{in: `{"orBool":false}`, out: `{"orBool":false}`}, // a struct upstream, which is written
		{in: `{"orBool":null}`, out: `{}`},
		{in: `{"orBool":[]}`, err: "boolean or JSON schema expected"},
		{in: `{"orBool":"true"}`, err: "boolean or JSON schema expected"},
		{in: `{"orBool":{"name":1}}`, err: cannot + "number into Go struct field Part.orBool.name of type string"},
		{in: `{"orBool":{"name":"x","nome":"y"}}`, out: `{"orBool":{"name":"x"}}`},
		{in: `{"orBool":{"more":{"nome":"y"}}}`, out: `{"orBool":{"more":{}}}`},
		{in: `{"plain":{"nome":"y"}}`, out: `{"plain":{}}`, unknown: "plain.nome"},
		{in: `{"plain":true}`, err: cannot + "bool into Go struct field Whole.plain of type kinds.Part"},
		{in: `{"orList":{"name":"x"}}`, out: `{"orList":{"name":"x"}}`},
		{in: `{"orList":[{"name":"x"},null,{"nome":1}]}`, out: `{"orList":[{"name":"x"},{},{}]}`},
		{in: `{"orList":["x"]}`, err: cannot + "string into Go struct field Whole.orList of type kinds.Part"},
		{in: `{"orList":true}`, out: `{}`}, // it is taken for nothing
		{in: `{"orList":[]}`, out: `{}`},
		{in: `{"orTexts":["a","",null]}`, out: `{"orTexts":["a","",""]}`},
		{in: `{"orTexts":[1]}`, err: cannot + "number into Go struct field Whole.orTexts of type string"},
		{in: `{"by":{"a":["b"],"c":{"name":"x"},"d":{"nome":1}}}`, out: `{"by":{"a":["b"],"c":{"name":"x"},"d":{}}}`},
		{in: `{"by":{"a":true,"b":[]}}`, out: `{"by":{"a":null,"b":null}}`},
		// The lenient part ends with the value: what is unknown behind it is told.
		{in: `{"orBool":{"nome":1},"zz":1}`, out: `{"orBool":{}}`, unknown: "zz"},
	} {
		obj := objectForTest(t, c.in)
		unknown, err := Prune(d, obj)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: got %v, want %s", c.in, err, c.err)
			}
			continue
		}
		if err != nil || strings.Join(unknown, " ") != c.unknown {
			t.Errorf("%s: unknown %q, error %v", c.in, unknown, err)
		}
		sameJSON(t, c.in, any(obj), c.out)
	}
}

// TestPruneTellsTheFirst: of several errors the one with the least path is told, however the
// maps are walked.
func TestPruneTellsTheFirst(t *testing.T) {
	d := typeForTest(t, modelTable, "model.ModelOuter")
	for in, want := range map[string]string{
		`{"text":1,"flag":1}`: "ModelOuter.flag",
		`{"inners":[{},{},{"size":"x"},{},{},{},{},{},{},{},{"name":1}],"texts":[1]}`: "ModelInner.inners.size",
		`{"labels":{"b":1},"byName":{"z":{"name":1}}}`:                                "ModelInner.byName.name",
		`{"sizes":{"a":1.5,"b":true},"text":{}}`:                                      "ModelOuter.sizes of type int32",
		`{"inner":{"size":"x","name":1}}`:                                             "ModelInner.inner.name",
	} {
		// Maps are walked in another order each time.
		for range 20 {
			if _, err := Prune(d, objectForTest(t, in)); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("%s: got %v, want that of %s", in, err, want)
			}
		}
	}
}

// FuzzPrune: no object panics, what is pruned is pruned, and it is what a Go struct makes of
// the text wherever that takes it.
func FuzzPrune(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	d := typeForTest(f, modelTable, "model.ModelOuter")
	for range 20 {
		f.Add([]byte(modelJSON(r, d, 2)))
	}
	for _, text := range modelWrong {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		obj, repeated, err := tree.ParseJSONObject(text)
		if err != nil || repeated != nil {
			return
		}
		if _, err := Prune(d, obj); err != nil {
			return
		}
		once := tree.Copy(obj)
		if unknown, err := Prune(d, obj); err != nil || unknown != nil || !tree.Equal(obj, once) {
			t.Fatalf("%s: the second time: unknown %q, error %v", text, unknown, err)
		}
	})
}
