package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"apichain/internal/fieldset"
	"apichain/internal/schema"
)

// TestOwned: what is said of each construct of a schema, which is that of spec.a, and of what is below it. Upstream's reading
// of random schemas is compared in interop; here each construct stands by itself.
func TestOwned(t *testing.T) {
	const (
		open  = `"x-kubernetes-preserve-unknown-fields":true`
		known = `"type":"object","properties":{"x":{"type":"integer","default":3}}`
		free  = "{1 1 2 [] true}" // what nothing is said of
	)
	for _, row := range []struct{ rules, path, want string }{
		{`"type":"string"`, "", "named {3 0 0 [] false}"},
		{`"type":"string","format":"byte"`, "", "named {3 0 0 [] false}"},
		{`"type":"string","format":"whatever"`, "", "named {1 0 0 [] false}"},
		{`"type":"number"`, "", "named {2 0 0 [] false}"},
		{`"type":"boolean"`, "", "named {4 0 0 [] false}"},
		{`"type":"boolean"`, "x", "nil"},
		{`"type":"boolean"`, "[]", "nil"},
		{`"x-kubernetes-int-or-string":true`, "", "named " + free},
		{`"x-kubernetes-int-or-string":true`, "[]", free},
		{known, "", "named {0 0 2 [] false}"},
		{known, "x", "named {2 0 0 [] false} 3"},
		{known, "y", "nil"},
		{known + `,"x-kubernetes-map-type":"atomic"`, "", "named {0 0 1 [] false}"},
		{`"type":"object"`, "", "named {0 0 2 [] true}"},
		{`"type":"object"`, "y", free},
		{known + "," + open, "y", free},
		{known + "," + open, "", "named {0 0 2 [] false}"},
		{`"type":"object","properties":{"o":{` + known + `}},` + open, "o y", free}, // as upstream has it, although y is pruned
		{`"type":"object","properties":{"o":{` + open + `}}`, "o y z", free},
		{`"type":"object","properties":{"o":{` + open + `},"p":{` + known + `}}`, "p y", "nil"},
		{open, "", "named " + free},
		{`"type":"object","additionalProperties":{"type":"string"}`, "", "named {0 0 2 [] false}"},
		{`"type":"object","additionalProperties":{"type":"string"}`, "k", "{3 0 0 [] false}"},
		{`"type":"object","additionalProperties":{"type":"string","format":"date"}`, "", "named {0 0 2 [] true}"},
		{`"type":"object","additionalProperties":{` + known + `}`, "k x", "named {2 0 0 [] false} 3"},
		{`"type":"object","additionalProperties":true`, "k", free},
		{`"type":"object","additionalProperties":false`, "k", "nil"},
		{`"type":"array","items":{"type":"string"}`, "", "named {0 1 0 [] false}"},
		{`"type":"array","items":{"type":"string"}`, "[]", "{3 0 0 [] false}"},
		{`"type":"array","items":{"type":"string"}`, "x", "nil"},
		{`"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"string"}`, "", "named {0 1 0 [] false}"},
		{`"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}`, "", "named {0 2 0 [] false}"},
		{`"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["x"],"items":{` + known + `}`, "", "named {0 3 0 [x] false}"},
		{`"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["x"],"items":{` + known + `}`, "[] x", "named {2 0 0 [] false} 3"},
		{`"type":"array","items":{` + known + `},` + open, "[] y", free},
		{`"type":"object","x-kubernetes-embedded-resource":true,` + open, "", "named {0 0 2 [] false}"},
		{`"type":"object","x-kubernetes-embedded-resource":true,` + open, "metadata", "named {0 0 1 [] false}"},
		{`"type":"object","x-kubernetes-embedded-resource":true,` + open, "spec", free},
		{`"type":"object","x-kubernetes-embedded-resource":true,"properties":{"spec":{"type":"object"}}`, "kind", "named {3 0 0 [] false}"},
		{`"type":"object","x-kubernetes-embedded-resource":true,"properties":{"spec":{"type":"object"}}`, "status", "nil"},
	} {
		s, err := schema.Compile(parse(t, `{"type":"object","properties":{"a":{`+row.rules+`}}}`))
		if err != nil {
			t.Fatal(row.rules, err)
		}
		s.Metadata = someMetadata{}
		if got := placeAt(s.Owned(), "a "+row.path); got != row.want {
			t.Errorf("%s at %q: %s, want %s", row.rules, row.path, got, row.want)
		}
	}
}

// TestOwnedRoots: whole objects have metadata of their own, whatever the schema says of them, unless there is no schema.
func TestOwnedRoots(t *testing.T) {
	const metadata = `{"type":"object","properties":{"metadata":{"type":"object"},"kind":{"type":"integer"}}`
	for _, row := range []struct{ schema, path, want string }{
		{metadata + `}`, "", "{0 0 2 [] false}"},
		{metadata + `}`, "metadata", "named {0 0 1 [] false}"},
		{metadata + `}`, "kind", "named {3 0 0 [] false}"},
		{metadata + `}`, "spec", "nil"},
		{`{"type":"object"}`, "spec", "nil"},
		{`{"type":"object"}`, "metadata", "named {0 0 1 [] false}"},
		{metadata + `,"x-kubernetes-preserve-unknown-fields":true}`, "spec", "{1 1 2 [] true}"},
		{`{}`, "", "{0 0 2 [] true}"},
		{`{}`, "spec", "{1 1 2 [] true}"},
		{`{}`, "metadata", "{1 1 2 [] true}"},
	} {
		s, err := schema.Compile(parse(t, row.schema))
		if err != nil {
			t.Fatal(row.schema, err)
		}
		s.Metadata = someMetadata{}
		if got := placeAt(s.Owned(), row.path); got != row.want {
			t.Errorf("%s at %q: %s, want %s", row.schema, row.path, got, row.want)
		}
	}
}

// someMetadata is a place that no other is like.
type someMetadata struct{ fieldset.Schema }

func (someMetadata) Atom() fieldset.Atom { return fieldset.Atom{Map: fieldset.Atomic} }
func (someMetadata) Default() any        { return nil }

// placeAt writes what is said of the place at a path of fields and, as [], of items.
func placeAt(s fieldset.Schema, path string) string {
	said := ""
	for _, step := range strings.Fields(path) {
		if said = ""; step == "[]" {
			s = s.Items()
		} else {
			var named bool
			if s, named = s.Field(step); named {
				said = "named "
			}
		}
		if s == nil {
			return "nil"
		}
	}
	if said += fmt.Sprint(s.Atom()); s.Default() != nil {
		said += fmt.Sprint(" ", s.Default())
	}
	return said
}

// TestOwnedDoesNotAllocate: a walk by the views costs no memory.
func TestOwnedDoesNotAllocate(t *testing.T) {
	s, err := schema.Compile(parse(t, `{"type":"object","properties":{"list":{"type":"array","x-kubernetes-list-type":"map",
		"x-kubernetes-list-map-keys":["port"],"items":{"type":"object","properties":{"port":{"type":"integer","default":80}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		list, _ := s.Owned().Field("list")
		port, _ := list.Items().Field(list.Atom().Keys[0])
		if port.Default() == nil || port == list {
			t.Error("no default")
		}
		if kind, named := s.Owned().Field("kind"); kind == nil || !named {
			t.Error("no kind")
		}
	}); n != 0 {
		t.Error(n, "allocations")
	}
}
