package patch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// operations reads a list of operations.
func operations(t testing.TB, text string) []any {
	t.Helper()
	v, _, err := tree.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	list, _ := v.([]any)
	return list
}

// TestOperations: what is done is what JSON does, and a failure says what upstream's library says.
func TestOperations(t *testing.T) {
	for _, c := range []struct{ patch, want string }{
		{`[]`, `{"a":{"b":1},"l":[1,2]}`},
		{`[{"op":"add","path":"/a/c","value":2},{"op":"remove","path":"/l/0"},{"op":"move","from":"/a/b","path":"/d"}]`, `{"a":{"c":2},"d":1,"l":[2]}`},
		{`[{"op":"test","path":"/a/b","value":1},{"op":"replace","path":"/a","value":null}]`, `{"a":null,"l":[1,2]}`},
		{`[{"op":"copy","from":"/a","path":"/e"},{"op":"add","path":"/l/-","value":3}]`, `{"a":{"b":1},"e":{"b":1},"l":[1,2,3]}`},
		{`[{"op":"replace","path":"","value":[]}]`, `[]`},
		{`[{"op":"remove","path":"/zz"}]`, `error in remove for path: '/zz': Unable to remove nonexistent key: zz: missing value`},
		{`[{"op":"remove","path":"/zz/a"}]`, `remove operation does not apply: doc is missing path: "/zz/a": missing value`},
		{`[{"op":"add","path":"/zz/a","value":1}]`, `add operation does not apply: doc is missing path: "/zz/a": missing value`},
		{`[{"op":"add","path":"a","value":1}]`, `add operation does not apply: doc is missing path: "a": missing value`},
		{`[{"op":"test","path":"/a/b","value":2}]`, `testing value /a/b failed: test failed`},
		{`[{"path":"/a"}]`, `Unexpected kind: unknown`},
		{`[{"op":"frob","path":"/a"}]`, `Unexpected kind: frob`},
		{`[{"op":"","path":"/a"}]`, `Unexpected kind: `},
		{`[{"op":"add","value":1}]`, `add operation failed to decode path: missing value`},
		{`[{"op":"copy","path":"/x"}]`, `copy operation failed to decode from: operation, missing from field: missing value`},
		{`[{"op":"replace","path":"","value":1}]`, `replace operation value must be object or array: %!w(<nil>)`},
		{`[{"op":"replace","path":"/zz/a","value":1}]`, `replace operation does not apply: doc is missing path: /zz/a: missing value`},
		{`[{"op":"replace","path":"/l/7","value":1}]`, `replace operation does not apply: doc is missing key: /l/7: missing value`},
		{`[{"op":"add","path":"/l/9","value":1}]`, `error in add for path: '/l/9': Unable to access invalid index: 9: invalid index referenced`},
		{`[{"op":"add","path":"/l/x","value":1}]`, `error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax`},
		{`[{"op":"remove","path":"/l/5"}]`, `error in remove for path: '/l/5': Unable to access invalid index: 5: invalid index referenced`},
		{`[{"op":"move","from":"/zz","path":"/b"}]`, `error in move for path: 'zz': Unable to remove nonexistent key: zz: missing value`},
		{`[{"op":"move","from":"/zz/a","path":"/b"}]`, `move operation does not apply: doc is missing from path: /zz/a: missing value`},
		{`[{"op":"move","from":"/a","path":"/zz/b"}]`, `move operation does not apply: doc is missing destination path: /zz/b: missing value`},
		{`[{"op":"copy","from":"/l/5","path":"/b"}]`, `error in copy for from: '/l/5': Unable to access invalid index: 5: invalid index referenced`},
		{`[{"op":"copy","from":"/zz/5","path":"/b"}]`, `copy operation does not apply: doc is missing from path: /zz/5: missing value`},
		{`[{"op":"copy","from":"/a","path":"/zz/b"}]`, `copy operation does not apply: doc is missing destination path: /zz/b: missing value`},
		{`[{"op":"copy","from":"/a","path":"/l/9"}]`, `error while adding value during copy: Unable to access invalid index: 9: invalid index referenced`},
		{`[{"op":"test","path":"/zz/a","value":1}]`, `test operation does not apply: is missing path: /zz/a: missing value`},
		{`[{"op":7,"path":"/a"}]`, `json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string`},
	} {
		doc, _, err := tree.ParseJSON([]byte(`{"a":{"b":1},"l":[1,2]}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Operations(doc, operations(t, c.patch))
		shown := string(tree.AppendJSON(nil, got))
		if err != nil {
			shown = err.Error()
		}
		if shown != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.patch, shown, c.want)
		}
	}
}

// TestManyOperations: a hundred thousand are done, or refused, in bounded time.
func TestManyOperations(t *testing.T) {
	for _, c := range []struct{ one, want string }{
		{`{"op":"add","path":"/data/k%d","value":"v"}`, ""},
		{`{"op":"add","path":"/list/0","value":%d}`, "the patch copies or shifts too much"},
		{`{"op":"copy","from":"/data","path":"/data/x%d"}`, "the patch copies or shifts too much"},
	} {
		var b strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&b, ","+c.one, i)
		}
		doc := map[string]any{"data": map[string]any{"k": "v"}, "list": []any{}}
		begun := time.Now()
		_, err := Operations(doc, operations(t, "["+b.String()[1:]+"]"))
		if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) || time.Since(begun) > time.Minute {
			t.Errorf("%s: %v after %v", c.one, err, time.Since(begun))
		}
	}
}
