package storage

import (
	"slices"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// SelectableFields returns the fields that selectors may name in a version of a definition. What is no path
// of fields is left out.
func SelectableFields(version map[string]any) (fields []kinds.Selectable) {
	for _, f := range tree.List(version, "selectableFields") {
		path := tree.Text(f, "jsonPath")
		if names := schema.FieldPath(path); names != nil {
			fields = append(fields, kinds.Selectable{Label: strings.TrimPrefix(path, "."), Path: names})
		}
	}
	return fields
}

// AllSelectableFields returns the selectable fields of all versions, each once, in the order in
// which they are first named: the order of the values that are kept beside each object. It is not nil.
func AllSelectableFields(versions []any) []kinds.Selectable {
	all := []kinds.Selectable{}
	for _, v := range versions {
		for _, f := range SelectableFields(tree.Object(v)) {
			if !hasLabel(all, f.Label) {
				all = append(all, f)
			}
		}
	}
	return all
}

// hasLabel reports whether a field of a label is among fields.
func hasLabel(fields []kinds.Selectable, label string) bool {
	return slices.ContainsFunc(fields, func(f kinds.Selectable) bool { return f.Label == label })
}
