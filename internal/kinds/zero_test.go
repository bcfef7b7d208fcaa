package kinds

import (
	"testing"

	"apichain/internal/tree"
)

// TestComplete: what a struct always writes is filled in where an object has it not, at every depth, and no defaults.
func TestComplete(t *testing.T) {
	whole := typeForTest(t, defaultsTable, "model.Whole")
	const zero = `"leaf":{},"deep":{"leaf":{}},"bare":{},"size":"0","target":0`
	for in, want := range map[string]string{
		`{}`: `{` + zero + `}`,
		`{"leaf":{"mode":"x"},"deep":{"may":{}},"leaves":[{}],"by":{"a":{"count":1}}}`: `{"leaf":{"mode":"x"},"deep":{"leaf":{},"may":{}},` +
			`"bare":{},"size":"0","target":0,"leaves":[{}],"by":{"a":{"count":1}}}`,
	} {
		obj, wanted := objectForTest(t, in), objectForTest(t, want)
		if whole.Complete(obj); !tree.Equal(obj, wanted) {
			t.Errorf("%s becomes %s, want %s", in, tree.AppendJSON(nil, obj), want)
		}
	}
	if got := whole.Zero(); !tree.Equal(got, objectForTest(t, `{`+zero+`}`)) {
		t.Errorf("nothing becomes %s", tree.AppendJSON(nil, got))
	}
}
