package tree

import (
	"fmt"
	"strings"
	"testing"
)

// TestJSONMerged: objects of a repeated key are merged as Go's decoder merges them into a struct;
// any other value takes the place of the one before.
func TestJSONMerged(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":{"x":1,"y":{"p":1}},"a":{"y":{"q":2},"z":3}}`: `{"a":{"x":1,"y":{"p":1,"q":2},"z":3}} a`,
		`{"a":{"x":1},"a":{"x":2}}`:                         `{"a":{"x":2}} a`,
		`{"a":{"x":1},"a":null}`:                            `{"a":null} a`,
		`{"a":null,"a":{"x":1}}`:                            `{"a":{"x":1}} a`,
		`{"a":[1],"a":[2]}`:                                 `{"a":[2]} a`,
		`{"a":1}`:                                           `{"a":1} `,
		`null`:                                              `null `,
		`[]`:                                                `[] `,
		`{"a":`:                                             "unexpected end of JSON input",
	} {
		v, repeated, err := ParseJSONMerged([]byte(in))
		got := fmt.Sprintf("%s %s", AppendJSON(nil, v), strings.Join(repeated, ","))
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// TestJSONKeys: each key with its path, in the order of the text, up to the first error.
func TestJSONKeys(t *testing.T) {
	var got []string
	JSONKeys([]byte(`{"b":{"c":1,"c":2},"a":[{"d":1},{"d":2}],"b":1,"e"`), func(path []byte, repeated bool) {
		got = append(got, fmt.Sprintf("%s:%t", path, repeated))
	})
	if s := strings.Join(got, " "); s != "b:false b.c:false b.c:true a:false a[0].d:false a[1].d:false b:true" {
		t.Error(s)
	}
}
