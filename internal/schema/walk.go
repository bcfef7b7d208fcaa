package schema

import (
	"iter"

	"fmt"
	"slices"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// Questions to all schemas of a CRD at once, asked of its JSON and not of compiled nodes: they are
// also asked of CRDs that do not compile, and the answers name places in the CRD.

// Rule is one rule of x-kubernetes-validations: its CEL expression, and the Path of that in the
// CRD, for messages that say it is not evaluated.
type Rule struct{ Path, rule string }

// Rules returns all CEL rules of a CRD in the order of its versions, outer schemas first, so that
// the caller can say which rules nobody evaluates. A path looks like
// spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule. What
// is not formed like a CRD has no rules.
func Rules(crd map[string]any) (rules []Rule) {
	for i, v := range tree.List(crd, "spec", "versions") {
		root := field.Root("spec").Child("versions").Index(i).Child("schema").Child("openAPIV3Schema")
		walkSchema(root, tree.Object(v, "schema", "openAPIV3Schema"), func(p *field.Path, s map[string]any) {
			for j, r := range tree.List(s, "x-kubernetes-validations") {
				at := p.Child("x-kubernetes-validations").Index(j).Child("rule")
				rules = append(rules, Rule{at.String(), tree.Text(r, "rule")})
			}
		})
	}
	return rules
}

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
		walkSchema(nil, tree.Object(v, "schema", "openAPIV3Schema"), func(_ *field.Path, s map[string]any) {
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

// walkSchema calls visit for s and each schema inside, outer ones before inner ones and fields by
// name. With a nil path no paths are made, and visit gets nil ones. s need not be a good schema:
// subschemas that are no objects are passed over.
func walkSchema(p *field.Path, s map[string]any, visit func(*field.Path, map[string]any)) {
	visit(p, s)
	// i or name say which of several subschemas v is: an index of at least 0, or a name.
	sub := func(keyword string, i int, name string, v any) {
		o, ok := v.(map[string]any)
		if !ok {
			return
		}
		at := p
		if p != nil {
			switch at = p.Child(keyword); {
			case i >= 0:
				at = at.Index(i)
			case name != "":
				at = at.Key(name)
			}
		}
		walkSchema(at, o, visit)
	}
	props := tree.Object(s, "properties")
	for _, name := range tree.SortedKeys(props) {
		sub("properties", -1, name, props[name])
	}
	sub("additionalProperties", -1, "", s["additionalProperties"])
	sub("items", -1, "", s["items"])
	for _, junctor := range []string{"allOf", "anyOf", "oneOf"} {
		for i, v := range tree.List(s, junctor) {
			sub(junctor, i, "", v)
		}
	}
	sub("not", -1, "", s["not"])
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
