package fieldset

import "testing"

// parse returns the set that text is FieldsV1 of.
func parse(t testing.TB, text string) Set {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestAlgebra(t *testing.T) {
	for _, c := range []struct{ op, a, b, want string }{
		{"union", `{"f:a":{"f:b":{}}}`, `{"f:a":{"f:c":{}}}`, `{"f:a":{"f:b":{},"f:c":{}}}`},
		{"union", `{"f:a":{"f:b":{}}}`, `{"f:a":{}}`, `{"f:a":{".":{},"f:b":{}}}`},
		{"union", `{}`, `{"f:a":{}}`, `{"f:a":{}}`},
		{"intersection", `{"f:a":{".":{},"f:b":{}}}`, `{"f:a":{"f:b":{}},"f:c":{}}`, `{"f:a":{"f:b":{}}}`},
		{"intersection", `{"f:a":{"f:b":{}}}`, `{"f:a":{"f:c":{}}}`, `{}`},
		{"difference", `{"f:a":{".":{},"f:b":{}}}`, `{"f:a":{}}`, `{"f:a":{"f:b":{}}}`},
		{"difference", `{"f:a":{"f:b":{}},"f:c":{}}`, `{"f:a":{"f:b":{}}}`, `{"f:c":{}}`},
		{"recursive", `{"f:a":{".":{},"f:b":{}},"f:c":{"f:d":{}}}`, `{"f:a":{},"f:c":{"f:e":{}}}`, `{"f:c":{"f:d":{}}}`},
	} {
		a, b := parse(t, c.a), parse(t, c.b)
		got := map[string]func(Set) Set{
			"union": a.Union, "intersection": a.Intersection, "difference": a.Difference, "recursive": a.RecursiveDifference,
		}[c.op](b)
		if string(got.AppendJSON(nil)) != c.want || !got.Equal(parse(t, c.want)) {
			t.Errorf("%s of %s and %s is %s, want %s", c.op, c.a, c.b, got.AppendJSON(nil), c.want)
		}
	}
}
