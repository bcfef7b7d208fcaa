package schema

import (
	"strings"
	"testing"
)

// TestSchemaAtPath: paths and what is wrong with them, in the words of kube-apiserver v1.37.2.
func TestSchemaAtPath(t *testing.T) {
	s := objectOf(t, `{"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"string"},"it's":{"type":"integer"},"a.b":{"type":"boolean"},
		"m":{"type":"object","additionalProperties":{"type":"number"}},"any":{"type":"object","additionalProperties":true},"none":{"type":"object","properties":{}}}}}}`)
	const end, nowhere, brackets = "unexpected end of JSON path", "does not refer to a valid field", "array notation is not allowed"
	for _, row := range []struct{ path, steps, typ, plain, inBrackets string }{
		{".spec.a", "spec a", "string", "", ""},
		{".spec", "spec", "object", "", ""},
		{".spec.m.x", "spec m [x]", "number", "", ""},
		{".spec.any.x", "spec any [x]", "", "", ""},
		{".spec.any.x.y", "", "", nowhere, nowhere},
		{".spec.none.x", "", "", nowhere, nowhere},
		{".spec.a.x", "", "", nowhere, nowhere},
		{".", "", "", end, end},
		{".spec.", "", "", end, end},
		{"..spec", "", "", nowhere, nowhere},
		{"a", "", "", "expected [ or . but got: a", "expected [ or . but got: a"},
		{"x.spec", "", "", "expected [ or . but got: x", "expected [ or . but got: x"},
		{".spec.a]", "", "", "expected [ or . but got: ]", "expected [ or . but got: ]"},
		{".'spec'.a", "", "", nowhere, nowhere},
		{"['spec'].a", "spec a", "string", brackets, ""},
		{".spec['a.b']", "spec a.b", "boolean", brackets, ""},
		{`.spec['it\'s']`, "spec it's", "integer", brackets, ""},
		{".spec[0]", "", "", brackets, "expected single quoted string but got 0"},
		{"[]", "", "", brackets, "expected single quoted string but got ]"},
		{"[", "", "", brackets, end},
		{"['spec", "", "", brackets, "expected single quoted string but got 'spec"},
		{"['spec'", "", "", brackets, end},
		{"['spec'.a", "", "", brackets, "expected ] but got ."},
		{"['x']", "", "", brackets, nowhere},
	} {
		for _, allowed := range []bool{false, true} {
			want := row.plain
			if allowed {
				want = row.inBrackets
			}
			steps, found, problem := schemaAtPath(row.path, s, allowed)
			typ, _ := found["type"].(string)
			if problem != want || want == "" && (strings.Join(steps, " ") != row.steps || typ != row.typ) {
				t.Errorf("%s, brackets %v: %q %q %q, want %q", row.path, allowed, steps, typ, problem, want)
			}
		}
	}
}

// FuzzSchemaAtPath: any text is a path or not, and no path has more steps than bytes.
func FuzzSchemaAtPath(f *testing.F) {
	for _, path := range []string{".spec.a", "['a'].b", "[", "'", ".[", `.spec['it\'s']`} {
		f.Add(path)
	}
	s := map[string]any{}
	s["additionalProperties"] = s
	f.Fuzz(func(t *testing.T, path string) {
		if path == "" {
			return
		}
		steps, _, problem := schemaAtPath(path, s, true)
		if len(steps) > len(path) || problem == "" && len(steps) == 0 {
			t.Errorf("%q: %q %q", path, steps, problem)
		}
	})
}
