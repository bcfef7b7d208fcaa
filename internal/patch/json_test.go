package patch

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/status"
	"apichain/internal/tree"
)

// patchJSON is a value from JSON text.
func patchJSON(t testing.TB, text string) any {
	t.Helper()
	v, _, err := tree.ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func patchObject(t testing.TB, text string) map[string]any {
	t.Helper()
	o, ok := patchJSON(t, text).(map[string]any)
	if !ok {
		t.Fatalf("%s is no object", text)
	}
	return o
}

// tidyJSON is JSON text as tree.AppendJSON writes it.
func tidyJSON(t testing.TB, text string) string {
	t.Helper()
	return string(tree.AppendJSON(nil, patchJSON(t, text)))
}

// jsonPatchCases are documents, patches and results; where the result is "", the patch
// is refused.
var jsonPatchCases = []struct{ name, doc, patch, want string }{
	// RFC 6902, appendix A.
	{"A.1 adding an object member", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
	{"A.2 adding an array element", `{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
	{"A.3 removing an object member", `{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
	{"A.4 removing an array element", `{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
	{"A.5 replacing a value", `{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
	{"A.6 moving a value", `{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`,
		`{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
	{"A.7 moving an array element", `{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
	{"A.8 testing a value: success", `{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
	{"A.9 testing a value: error", `{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ""},
	{"A.10 adding a nested member object", `{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"child":{"grandchild":{}},"foo":"bar"}`},
	{"A.11 ignoring unrecognized elements", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"baz":"qux","foo":"bar"}`},
	{"A.12 adding to a nonexistent target", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ""},
	{"A.14 ~ escape ordering", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10},{"op":"test","path":"/~1","value":9}]`, `{"/":9,"~1":10}`},
	{"A.15 comparing strings and numbers", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ""},
	{"A.16 adding an array value", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},

	// Pointers (RFC 6901, section 5).
	{"empty key", `{"":1}`, `[{"op":"test","path":"/","value":1},{"op":"replace","path":"/","value":2}]`, `{"":2}`},
	{"keys with odd characters", `{"a/b":1,"c%d":2,"m~n":3," ":4}`,
		`[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/c%d"},{"op":"remove","path":"/m~0n"},{"op":"remove","path":"/ "}]`, `{}`},
	{"empty keys below", `{"a":{"":{"":1}}}`, `[{"op":"replace","path":"/a//","value":2}]`, `{"a":{"":{"":2}}}`},
	{"digits are a key of an object", `{"0":{"1":2}}`, `[{"op":"replace","path":"/0/1","value":3}]`, `{"0":{"1":3}}`},
	{"minus is a key of an object", `{"-":1}`, `[{"op":"remove","path":"/-"}]`, `{}`},
	{"no slash first", `{"a":1}`, `[{"op":"remove","path":"a"}]`, ""},
	{"through a scalar", `{"a":1}`, `[{"op":"add","path":"/a/b","value":1}]`, ""},
	{"through an absent member", `{}`, `[{"op":"test","path":"/a/b","value":null}]`, ""},
	{"through the end of a list", `{"a":[]}`, `[{"op":"add","path":"/a/-/b","value":1}]`, ""},

	// Indices.
	{"insert at the front and the end", `{"a":[2]}`, `[{"op":"add","path":"/a/0","value":1},{"op":"add","path":"/a/2","value":3},{"op":"add","path":"/a/-","value":4}]`, `{"a":[1,2,3,4]}`},
	{"insert behind the end", `{"a":[1]}`, `[{"op":"add","path":"/a/2","value":1}]`, ""},
	{"insert from the end", `{"a":[1,2]}`, `[{"op":"add","path":"/a/-1","value":3},{"op":"add","path":"/a/-4","value":0}]`, `{"a":[0,1,2,3]}`},
	{"insert ahead of the front", `{"a":[1]}`, `[{"op":"add","path":"/a/-3","value":0}]`, ""},
	{"the last element", `{"a":[1,2,3]}`, `[{"op":"test","path":"/a/-1","value":3},{"op":"replace","path":"/a/-1","value":4},{"op":"remove","path":"/a/-3"}]`, `{"a":[2,4]}`},
	{"before the first", `{"a":[1]}`, `[{"op":"remove","path":"/a/-2"}]`, ""},
	{"the end is no element", `{"a":[1]}`, `[{"op":"remove","path":"/a/-"}]`, ""},
	{"the end cannot be tested", `{"a":[1]}`, `[{"op":"test","path":"/a/-","value":1}]`, ""},
	{"the end cannot be replaced", `{"a":[1]}`, `[{"op":"replace","path":"/a/-","value":1}]`, ""},
	{"the end cannot be copied", `{"a":[1]}`, `[{"op":"copy","from":"/a/-","path":"/b"}]`, ""},
	{"leading zero", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/01"}]`, ""},
	{"plus sign", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/+1"}]`, ""},
	{"an exponent", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/1e0"}]`, ""},
	{"no number", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/b"}]`, ""},
	{"two signs", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/--1"}]`, ""},
	{"beyond int", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/99999999999999999999"}]`, ""},
	{"empty", `{"a":[1,2]}`, `[{"op":"remove","path":"/a/"}]`, ""},
	{"lists of lists", `{"a":[[1],[2,[3]]]}`, `[{"op":"add","path":"/a/1/1/0","value":4},{"op":"add","path":"/a/1/-","value":5},{"op":"remove","path":"/a/0/0"},{"op":"add","path":"/a/-1/-1","value":6}]`,
		`{"a":[[],[2,[4,3],5,6]]}`},
	{"a list by an index from the end", `{"a":[[1],[2]]}`, `[{"op":"add","path":"/a/-1/0","value":0},{"op":"remove","path":"/a/-2/0"}]`, `{"a":[[],[0,2]]}`},
	{"objects in lists", `{"a":[{"b":[1]}]}`, `[{"op":"add","path":"/a/0/b/0","value":0},{"op":"add","path":"/a/0/c","value":2}]`, `{"a":[{"b":[0,1],"c":2}]}`},

	// Operations.
	{"nothing", `{"a":1}`, `[]`, `{"a":1}`},
	{"null is no operations", `{"a":1}`, `null`, `{"a":1}`},
	{"in order", `{}`, `[{"op":"add","path":"/a","value":{}},{"op":"add","path":"/a/b","value":[]},{"op":"add","path":"/a/b/-","value":1},{"op":"move","from":"/a/b/0","path":"/c"}]`, `{"a":{"b":[]},"c":1}`},
	{"add replaces", `{"a":1}`, `[{"op":"add","path":"/a","value":2}]`, `{"a":2}`},
	{"add null", `{}`, `[{"op":"add","path":"/a","value":null}]`, `{"a":null}`},
	{"add without a value", `{}`, `[{"op":"add","path":"/a"}]`, `{"a":null}`},
	{"add the whole", `{}`, `[{"op":"add","path":"","value":{}}]`, ""},
	{"remove nothing", `{}`, `[{"op":"remove","path":"/a"}]`, ""},
	{"remove the whole", `{}`, `[{"op":"remove","path":""}]`, ""},
	{"remove behind the end", `{"a":[1]}`, `[{"op":"remove","path":"/a/1"}]`, ""},
	{"replace an absent member", `{}`, `[{"op":"replace","path":"/a","value":1}]`, `{"a":1}`},
	{"replace below an absent member", `{}`, `[{"op":"replace","path":"/a/b","value":1}]`, ""},
	{"replace behind the end", `{"a":[1]}`, `[{"op":"replace","path":"/a/1","value":1}]`, ""},
	{"replace the whole", `{"a":1}`, `[{"op":"replace","path":"","value":{"b":2}},{"op":"add","path":"/c","value":3}]`, `{"b":2,"c":3}`},
	{"replace the whole by a list", `{"a":1}`, `[{"op":"replace","path":"","value":[1]},{"op":"add","path":"/-","value":2},{"op":"remove","path":"/0"}]`, `[2]`},
	{"replace the whole by a scalar", `{"a":1}`, `[{"op":"replace","path":"","value":1}]`, ""},
	{"move to itself", `{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":{"b":1}}`},
	{"move into itself", `{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, ""},
	{"move nothing", `{"a":1}`, `[{"op":"move","from":"/b","path":"/a"}]`, ""},
	{"move without from", `{"a":1}`, `[{"op":"move","path":"/b"}]`, ""},
	{"copy is a copy", `{"a":{"b":[1]}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"add","path":"/c/b/-","value":2},{"op":"add","path":"/a/b/0","value":0}]`, `{"a":{"b":[0,1]},"c":{"b":[1,2]}}`},
	{"copy into itself", `{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/a/c"}]`, `{"a":{"b":1,"c":{"b":1}}}`},
	{"copy an element", `{"a":["x","y"]}`, `[{"op":"copy","from":"/a/1","path":"/a/0"}]`, `{"a":["y","x","y"]}`},
	{"copy an absent member", `{}`, `[{"op":"copy","from":"/b","path":"/a"}]`, `{"a":null}`},
	{"copy an absent element", `{"b":[]}`, `[{"op":"copy","from":"/b/0","path":"/a"}]`, ""},
	{"copy without from", `{"a":1}`, `[{"op":"copy","path":"/b"}]`, ""},
	{"copy the whole", `{"a":1}`, `[{"op":"copy","from":"","path":"/b"}]`, ""},
	{"test the whole", `{"a":[1,{"b":null}]}`, `[{"op":"test","path":"","value":{"a":[1,{"b":null}]}}]`, `{"a":[1,{"b":null}]}`},
	{"test the whole, another", `{"a":1}`, `[{"op":"test","path":"","value":{"a":1,"b":2}}]`, ""},
	{"test numbers by value", `{"a":1}`, `[{"op":"test","path":"/a","value":1.0}]`, `{"a":1}`},
	{"test objects whatever their order", `{"a":{"x":1,"y":[2]}}`, `[{"op":"test","path":"/a","value":{"y":[2],"x":1}}]`, `{"a":{"x":1,"y":[2]}}`},
	{"test lists in order", `{"a":[1,2]}`, `[{"op":"test","path":"/a","value":[2,1]}]`, ""},
	{"test an absent member for null", `{}`, `[{"op":"test","path":"/a","value":null}]`, `{}`},
	{"test an absent member", `{}`, `[{"op":"test","path":"/a","value":1}]`, ""},
	{"test null for something", `{"a":null}`, `[{"op":"test","path":"/a","value":0}]`, ""},
	{"a failed test undoes all", `{"a":1}`, `[{"op":"remove","path":"/a"},{"op":"test","path":"/a","value":1}]`, ""},
	{"no operation", `{"a":1}`, `[{"path":"/a"}]`, ""},
	{"unknown operation", `{"a":1}`, `[{"op":"spam","path":"/a"}]`, ""},
	{"operations are lower-case", `{"a":1}`, `[{"op":"Remove","path":"/a"}]`, ""},
	{"no path", `{"a":1}`, `[{"op":"remove"}]`, ""},
	{"path null", `{"a":1}`, `[{"op":"remove","path":null}]`, ""},
	{"null for an operation", `{"a":1}`, `[null]`, ""},
}

func TestJSONPatch(t *testing.T) {
	for _, c := range jsonPatchCases {
		got, _, err := JSON(patchJSON(t, c.doc), []byte(c.patch))
		switch {
		case c.want == "":
			checkPatchRefused(t, c.name, err)
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		default:
			if b := string(tree.AppendJSON(nil, got)); b != tidyJSON(t, c.want) {
				t.Errorf("%s: %s, want %s", c.name, b, c.want)
			}
		}
	}
}

// checkPatchRefused checks for upstream's 422, which tells nothing.
func checkPatchRefused(t *testing.T, name string, err error) {
	t.Helper()
	var e *status.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v, want a refusal", name, err)
		return
	}
	b, _ := json.Marshal(e.Object())
	const want = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server rejected our request due to an error in our request","reason":"Invalid","details":{},"code":422}`
	if string(b) != want {
		t.Errorf("%s: %s", name, b)
	}
	if e.Cause == nil {
		t.Errorf("%s: nothing for the log", name)
	}
}

func TestJSONPatchUnreadable(t *testing.T) {
	many := "[" + strings.Repeat(`{"op":"test","path":"/a","value":1},`, jsonPatchMaxOps) + `{"op":"test","path":"/a","value":1}]`
	for _, c := range []struct {
		patch, want string
		code        int
	}{
		{`{"a":1}`, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp", 400},
		{`"a"`, "error decoding patch: json: cannot unmarshal string into Go value of type []handlers.jsonPatchOp", 400},
		{`["a"]`, "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp", 400},
		{`[{"op":1}]`, "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string", 400},
		{`[{"op":"add","path":["a"]}]`, "error decoding patch: json: cannot unmarshal array into Go struct field jsonPatchOp.path of type string", 400},
		{`[{"op":"add","path":"","from":{}}]`, "error decoding patch: json: cannot unmarshal object into Go struct field jsonPatchOp.from of type string", 400},
		{`[`, "invalid JSON patch", 400},
		{``, "invalid JSON patch", 400},
		{`[}`, "invalid JSON patch", 400},
		{many, "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001", 413},
	} {
		doc := patchJSON(t, `{"a":1}`)
		_, _, err := JSON(doc, []byte(c.patch))
		var e *status.Error
		if !errors.As(err, &e) || e.Code != c.code || !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%.40s: %v, want %d %s", c.patch, err, c.code, c.want)
		}
	}
	if _, _, err := JSON(patchJSON(t, `{"a":1}`), []byte(strings.Replace(many, `{"op":"test","path":"/a","value":1},`, "", 1))); err != nil {
		t.Errorf("%d operations: %v", jsonPatchMaxOps, err)
	}
}

func TestJSONPatchOddities(t *testing.T) {
	for patch, want := range map[string][]string{
		`[{"op":"test","path":"/a","foo":1,"bar":2},{"op":"test","path":"/b","path":"/a"}]`: {
			`json patch unknown field "[0].foo"`, `json patch unknown field "[0].bar"`, `json patch duplicate field "[1].path"`},
		`[{"op":"add","path":"/b","value":{"k":1,"k":2}}]`: {`json patch duplicate field "[0].value.k"`},
		`[{"op":"add","path":"/b","value":{"k":1}}]`:       nil,
		// In the order of the text, and of each unknown field once.
		`[{"x":{"a":1,"a":2},"op":"add","x":3,"op":"add","path":"/b"}]`: {`json patch unknown field "[0].x"`, `json patch duplicate field "[0].op"`},
		`[]`: nil,
	} {
		_, odd, err := readJSONPatch([]byte(patch))
		if err != nil || !slices.Equal(odd, want) {
			t.Errorf("%s: %q, %v", patch, odd, err)
		}
	}
}

// patchBombLimit is how long a patch may take: a second, and as much for a busy machine.
const patchBombLimit = 30 * time.Second

// jsonPatchBombs make a document and a patch that would take very long or very much.
var jsonPatchBombs = map[string]func() (doc any, patch string){
	"copies that double": func() (any, string) {
		return bombValue(`{"a":[1,2,3,4,5,6,7,8]}`), "[" + strings.Repeat(`{"op":"copy","from":"/a","path":"/a/-"},`, 9999) + `{"op":"copy","from":"/a","path":"/a/-"}]`
	},
	"copies of a long text": func() (any, string) {
		return map[string]any{"a": strings.Repeat("x", 1<<20), "l": []any{}}, "[" + strings.Repeat(`{"op":"copy","from":"/a","path":"/l/-"},`, 9999) + `{"op":"copy","from":"/a","path":"/l/-"}]`
	},
	"copies of long keys": func() (any, string) {
		return map[string]any{"a": map[string]any{strings.Repeat("x", 1<<20): nil}, "l": []any{}}, "[" + strings.Repeat(`{"op":"copy","from":"/a","path":"/l/-"},`, 9999) + `{"op":"copy","from":"/a","path":"/l/-"}]`
	},
	"insertions at the front of a long list": func() (any, string) {
		return map[string]any{"a": make([]any, 1<<20)}, "[" + strings.Repeat(`{"op":"add","path":"/a/0","value":0},`, 9999) + `{"op":"add","path":"/a/0","value":0}]`
	},
	"moves in a long list": func() (any, string) {
		return map[string]any{"a": make([]any, 1<<20)}, "[" + strings.Repeat(`{"op":"move","from":"/a/0","path":"/a/-"},`, 9999) + `{"op":"test","path":"/b","value":null}]`
	},
	"copies that nest": func() (any, string) {
		return bombValue(`{"a":{}}`), "[" + strings.Repeat(`{"op":"copy","from":"/a","path":"/b"},{"op":"move","from":"/b","path":"/a/b"},`, 4999) + `{"op":"test","path":"/b","value":null}]`
	},
	"moves that nest": func() (any, string) {
		return bombValue(`{"a":[]}`), "[" + strings.Repeat(`{"op":"add","path":"/b","value":[]},{"op":"move","from":"/a","path":"/b/0"},{"op":"move","from":"/b","path":"/a"},`, 3300) + `{"op":"test","path":"/c","value":null}]`
	},
	"a deep path": func() (any, string) {
		return bombValue(`{"a":1}`), `[{"op":"add","path":"` + strings.Repeat("/a", 1<<20) + `","value":1}]`
	},
}

func bombValue(text string) any {
	v, _, err := tree.ParseJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	return v
}

func TestJSONPatchBombs(t *testing.T) {
	for name, bomb := range jsonPatchBombs {
		doc, patch := bomb()
		start := time.Now()
		_, _, err := JSON(doc, []byte(patch))
		if took := time.Since(start); took > patchBombLimit {
			t.Errorf("%s: took %v", name, took)
		}
		var e *status.Error
		if !errors.As(err, &e) || e.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %v, want 422", name, err)
		}
	}
	// A value that no reader would take is refused as a patch.
	_, _, err := JSON(bombValue(`{}`), []byte(`[{"op":"add","path":"/a","value":`+strings.Repeat("[", 100000)+strings.Repeat("]", 100000)+`}]`))
	if err == nil || !strings.Contains(err.Error(), "invalid JSON patch") {
		t.Errorf("a deep value: %v", err)
	}
}

// Copies are bounded by what they add, not by what is there.
func TestJSONPatchCopyLimit(t *testing.T) {
	doc := map[string]any{"a": strings.Repeat("x", 1<<20-2), "big": strings.Repeat("y", 8<<20)}
	for n, ok := range map[int]bool{3: true, 4: false} {
		ops := slices.Repeat([]string{`{"op":"copy","from":"/a","path":"/b"}`}, n)
		_, _, err := JSON(tree.Copy(doc), []byte("["+strings.Join(ops, ",")+"]"))
		if (err == nil) != ok {
			t.Errorf("%d MiB of copies: %v", n, err)
		}
	}
}

func TestNestsWithin(t *testing.T) {
	for text, depth := range map[string]int{`1`: 0, `"a"`: 0, `{}`: 1, `[[]]`: 2, `{"a":1,"b":[{}]}`: 3} {
		v := patchJSON(t, text)
		if !nestsWithin(v, depth) || depth > 0 && nestsWithin(v, depth-1) {
			t.Errorf("%s: does not nest %d deep", text, depth)
		}
	}
}

// What test operations say of every member of a document holds, and no operation but
// those that change it does so.
func TestJSONPatchTestsWhole(t *testing.T) {
	for _, c := range jsonPatchCases {
		doc := patchJSON(t, c.doc)
		var ops []any
		var walk func(path string, v any)
		walk = func(path string, v any) {
			ops = append(ops, map[string]any{"op": "test", "path": path, "value": v})
			switch v := v.(type) {
			case map[string]any:
				for k, e := range v {
					walk(path+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(k), e)
				}
			case []any:
				for i, e := range v {
					walk(path+"/"+string(tree.AppendJSON(nil, i)), e)
				}
			}
		}
		walk("", doc)
		got, _, err := JSON(doc, tree.AppendJSON(nil, ops))
		if err != nil || !tree.Equal(got, patchJSON(t, c.doc)) {
			t.Errorf("%s: %v", c.doc, err)
		}
	}
}

func FuzzJSONPatch(f *testing.F) {
	for _, c := range jsonPatchCases {
		f.Add([]byte(c.doc), []byte(c.patch))
	}
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		if len(doc) > 1<<16 || len(patch) > 1<<16 {
			return
		}
		v, _, err := tree.ParseJSON(doc)
		if err != nil {
			return
		}
		got, _, err := JSON(v, patch)
		if err != nil {
			var e *status.Error
			if !errors.As(err, &e) || e.Code < 400 || e.Code > 499 {
				t.Fatalf("error %v", err)
			}
			return
		}
		checkPatchEncodable(t, got)
	})
}

// checkPatchEncodable checks that a value can be written and read again as it is.
func checkPatchEncodable(t *testing.T, v any) {
	t.Helper()
	b := tree.AppendJSON(nil, v)
	back, repeated, err := tree.ParseJSON(b)
	if err != nil || len(repeated) > 0 || !tree.Equal(v, back) {
		t.Fatalf("%.200s is read as another: %v %v", b, err, repeated)
	}
}
