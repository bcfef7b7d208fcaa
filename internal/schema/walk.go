package schema

import (
	"iter"

	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Questions to all schemas of a CRD at once, asked of its JSON and not of compiled nodes: they are
// also asked of CRDs that do not compile.

// maxWarnings is the most warnings for one CRD: each is a header of the response.
const maxWarnings = 100

// Warnings returns the warnings for a client that writes a CRD, each text once: formats that are
// not enforced because nobody knows them, and sets of objects or lists, whose items
// server-side apply cannot tell apart.
func Warnings(crd map[string]any) (warnings []string) {
	warn := func(w string) {
		if !slices.Contains(warnings, w) && len(warnings) < maxWarnings {
			warnings = append(warnings, w)
		}
	}
	for _, v := range tree.List(crd, "spec", "versions") {
		walkSchema(tree.Object(v, "schema", "openAPIV3Schema"), func(s map[string]any) {
			item := tree.Text(s, "items", "type")
			if tree.Text(s, "x-kubernetes-list-type") == "set" && (item == "object" || item == "array") {
				warn(fmt.Sprintf("x-kubernetes-list-type: set for items of type %q is not supported by "+
					"server-side apply or CEL validation rules", item))
			}
			format := tree.Text(s, "format")
			if format == "" {
				return
			}
			// An int-or-string has the formats of texts, as upstream has it.
			types := schemaTypes(0)
			if i := slices.Index(schemaTypeNames, tree.Text(s, "type")); i >= 0 && !tree.True(s["x-kubernetes-int-or-string"]) {
				types = 1 << i
			}
			if !formatKnown(types, format) {
				warn(fmt.Sprintf("unrecognized format %q", format))
			}
		})
	}
	return warnings
}

// walkSchema calls visit for s and each schema inside, outer ones before inner ones and fields by name. s need not be a good
// schema: subschemas that are no objects are passed over.
func walkSchema(s map[string]any, visit func(map[string]any)) {
	visit(s)
	below := []any{}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		below = append(below, props[name])
	}
	below = append(below, s["additionalProperties"], s["items"])
	for _, junctor := range []string{"allOf", "anyOf", "oneOf"} {
		below = append(below, tree.List(s, junctor)...)
	}
	for _, v := range append(below, s["not"]) {
		if o, ok := v.(map[string]any); ok {
			walkSchema(o, visit)
		}
	}
}

// CountValues returns the number of values in a tree, itself and every field and item included:
// {"a":[1,2]} has four.
func CountValues(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += CountValues(e)
		}
	case []any:
		for _, e := range v {
			n += CountValues(e)
		}
	}
	return n
}

// HasEmbedded reports whether the schema has any x-kubernetes-embedded-resource.
func (s *Schema) HasEmbedded() bool { return s.root.embeds }

// Embedded yields the embedded resources of obj with their paths, outer ones before inner ones and
// fields by name. The caller may change what it is given.
func (s *Schema) Embedded(obj map[string]any) iter.Seq2[*field.Path, map[string]any] {
	return func(yield func(*field.Path, map[string]any) bool) { yieldEmbedded(nil, s.root, obj, yield) }
}

// yieldEmbedded yields those in v, whose schema is n, and reports whether yield wants more.
func yieldEmbedded(p *field.Path, n *schemaNode, v any, yield func(*field.Path, map[string]any) bool) bool {
	if n == nil || !n.embeds {
		return true
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if !yieldEmbedded(p.Index(i), n.items, e, yield) {
				return false
			}
		}
	case map[string]any:
		if n.embedded && !yield(p, v) {
			return false
		}
		for _, name := range tree.SortedKeys(v) {
			at := p.Key(name)
			if n.fields[name] != nil {
				at = p.Child(name)
			}
			child, _ := n.child(name)
			if !yieldEmbedded(at, child, v[name], yield) {
				return false
			}
		}
	}
	return true
}
