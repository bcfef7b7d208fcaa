package schema

import (
	"slices"
	"strings"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// The parts of a version that lead to values by JSONPath: the scale subresource, the columns of
// tables and the fields that selectors may name. A version with all three:
//
//	subresources:
//	  scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}
//	additionalPrinterColumns:
//	- {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
//	selectableFields:
//	- {jsonPath: .spec.colour}
//
// Only the last are looked up in the schema. A column may name a field that does not exist, and a
// path that cannot even be read is found only when a table is made: upstream checks no more than its
// first character.

// subresources checks the subresources of a version; only scale has anything to check.
func (c *crdCheck) subresources(p *field.Path, sub map[string]any) {
	scale := tree.Object(sub, "scale")
	if scale == nil {
		return
	}
	c.scalePath(p, scale, "specReplicasPath", true, "should be a json path under .spec", ".spec.")
	c.scalePath(p, scale, "statusReplicasPath", true, "should be a json path under .status", ".status.")
	c.scalePath(p, scale, "labelSelectorPath", false, "should be a json path under either .spec or .status", ".spec.", ".status.")
}

// scalePath checks that one of the paths of scale begins with one of the prefixes; detail says so.
// The path has to lead to a field below, hence the dot at the end of each prefix.
func (c *crdCheck) scalePath(p *field.Path, scale map[string]any, name string, required bool, detail string, prefixes ...string) {
	p = p.Child("scale").Child(name)
	path := tree.Text(scale, name)
	switch {
	case path == "" && required:
		c.required(p, "")
	case path == "":
	case path[0] != '.':
		c.invalid(p, path, "must be a simple json path starting with .")
	case !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) }):
		c.invalid(p, path, detail)
	}
}

// columnTypes and columnFormats are what a printer column may be.
var (
	columnTypes   = []string{"boolean", "date", "integer", "number", "string"}
	columnFormats = []string{"byte", "date", "date-time", "double", "float", "int32", "int64", "password"}
)

// columns checks the printer columns of a version.
func (c *crdCheck) columns(p *field.Path, columns []any) {
	for i, col := range columns {
		at := p.Index(i)
		if tree.Text(col, "name") == "" {
			c.required(at.Child("name"), "")
		}
		if typ := tree.Text(col, "type"); typ == "" {
			c.required(at.Child("type"), "must be one of "+strings.Join(columnTypes, ","))
		} else if !slices.Contains(columnTypes, typ) {
			c.invalid(at.Child("type"), typ, "must be one of "+strings.Join(columnTypes, ","))
		}
		if format := tree.Text(col, "format"); format != "" && !slices.Contains(columnFormats, format) {
			c.invalid(at.Child("format"), format, "must be one of "+strings.Join(columnFormats, ","))
		}
		// In capitals, as the field was called before v1.
		if path := tree.Text(col, "jsonPath"); path == "" {
			c.required(at.Child("JSONPath"), "")
		} else if path[0] != '.' {
			c.invalid(at.Child("JSONPath"), path, "must be a simple json path starting with .")
		}
	}
}

// maxSelectableFields is the most fields of a version that selectors may name.
const maxSelectableFields = 8

// selectable checks the selectable fields of a version: each leads by names alone to a scalar in the
// schema, none is in metadata, and no two lead to the same. Upstream finds the schema only where it
// finds the fields: elsewhere means that just one of the two is hoisted, and unwanted what is said then.
// p is the path of what has both.
func (c *crdCheck) selectable(p *field.Path, version any, elsewhere bool, unwanted string) {
	p, schemaPath := p.Child("selectableFields"), p.Child("schema").Child("openAPIV3Schema")
	fields, s := tree.List(version, "selectableFields"), tree.Object(version, "schema", "openAPIV3Schema")
	if len(fields) == 0 {
		return
	}
	if elsewhere || s == nil {
		c.invalid(p, "", unwanted)
		return
	}
	if why := unsupported(s); why != "" {
		// Upstream breaks down at the first path then.
		c.invalid(schemaPath, "", why)
	}
	unique := map[string]bool{}
	for i, f := range fields {
		at, path := p.Index(i).Child("jsonPath"), tree.Text(f, "jsonPath")
		if path == "" {
			c.required(at, "")
			continue
		}
		steps, found, problem := schemaAtPath(path, s, false)
		if problem != "" {
			c.invalid(at, path, "is an invalid path: "+problem)
			continue
		}
		if steps[0] == "metadata" {
			c.invalid(at, path, "must not point to fields in metadata")
		}
		if typ := tree.Text(found, "type"); typ != "string" && typ != "boolean" && typ != "integer" {
			c.invalid(at, path, "must point to a field of type string, boolean or integer. "+
				"Enum string fields and strings with formats are allowed.")
		}
		if id := strings.Join(steps, "."); unique[id] {
			c.add(field.Duplicate(at.String(), path))
		} else {
			unique[id] = true
		}
	}
	// Too many are tolerated if the version had the same before.
	old := c.oldVersion(tree.Text(version, "name"))
	if n := len(unique); n > maxSelectableFields && !tree.Equal(tree.At(old, "selectableFields"), fields) {
		c.add(field.TooMany(p.String(), n, maxSelectableFields))
	}
}
