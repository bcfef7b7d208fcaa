package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// hasCondition reports whether a condition of obj is True.
func hasCondition(obj map[string]any, typ string) bool {
	return slices.ContainsFunc(listAt(obj, "status", "conditions"), func(c any) bool {
		return textAt(c, "type") == typ && textAt(c, "status") == "True"
	})
}

// resources is what a definition serves, a resource for each version. The storage version
// is among them even where it is not served.
func (c *customs) resources(crd map[string]any) []*resource {
	versions := listAt(crd, "spec", "versions")
	shapes := map[string]*customShape{}
	storage := ""
	for _, v := range versions {
		sub := objectAt(v, "subresources")
		_, hasStatus := sub["status"]
		compiled, err := compileSchema(objectAt(v, "schema", "openAPIV3Schema"), hasStatus)
		if err != nil { // checkCRD took it
			c.rest.program.log.Error("a schema does not compile", "definition", objectName(crd), "version", textAt(v, "name"), "err", err)
			return nil
		}
		shapes[textAt(v, "name")] = &customShape{compiled, c.rest.meta}
		if member(v, "storage") == true {
			storage = textAt(v, "name")
		}
	}
	names, group := objectAt(crd, "status", "acceptedNames"), textAt(crd, "spec", "group")
	webhook := textAt(crd, "spec", "conversion", "strategy") == "Webhook"
	rules := celRules(crd)
	fields := allSelectableFields(versions)
	var out []*resource
	for _, v := range versions {
		version := textAt(v, "name")
		if version != storage && (member(v, "served") != true || webhook) {
			continue
		}
		sub := objectAt(v, "subresources")
		_, hasStatus := sub["status"]
		r := &resource{
			rest: c.rest, group: group, version: version, kind: textAt(names, "kind"), listKind: textAt(names, "listKind"), plural: textAt(names, "plural"), singular: textAt(names, "singular"),
			namespaced: textAt(crd, "spec", "scope") == "Namespaced", custom: true, shape: shapes[version], nameErrors: dnsSubdomainErrors,
			columns: printerColumns(objectAt(v)), fields: fieldsAmong(fields, selectableFields(objectAt(v))), stored: fields, hidden: member(v, "served") != true, hasStatus: hasStatus, generation: true,
			terminating: member(crd, "metadata", "deletionTimestamp") != nil, retired: make(chan struct{}), deprecation: deprecationOf(group, textAt(names, "kind"), v, versions),
			verbs: []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}, bucket: c.rest.store.resource(textAt(names, "plural") + "." + group),
		}
		if version != storage {
			r.storageVersion, r.storageShape = storage, shapes[storage]
		}
		if scale := objectAt(sub, "scale"); scale != nil {
			r.scale = scalePathsOf(scale)
		}
		write := []string{"get", "patch", "update"}
		if hasStatus {
			r.subs = append(r.subs, subresourceRow{name: "status", verbs: write})
		}
		if r.scale != nil {
			r.subs = append(r.subs, subresourceRow{name: "scale", verbs: write})
		}
		if n := len(rules); n > 0 {
			r.unchecked = []string{ruleWarning(r.qualified(), rules)}
		}
		out = append(out, r)
	}
	return out
}

// allSelectableFields is the selectable fields of all versions, each once: those are kept
// with an object, whichever version it was written in.
func allSelectableFields(versions []any) []selectableField {
	all := []selectableField{}
	for _, v := range versions {
		for _, f := range selectableFields(objectAt(v)) {
			if !slices.ContainsFunc(all, func(o selectableField) bool { return o.label == f.label }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// fieldsAmong is all with only those that a version has; the others have no label that a
// selector can say.
func fieldsAmong(all, some []selectableField) []selectableField {
	out := slices.Clone(all)
	for i := range out {
		if !slices.ContainsFunc(some, func(o selectableField) bool { return o.label == out[i].label }) {
			out[i].label = ","
		}
	}
	return out
}

func ruleWarning(what string, rules []celRule) string {
	text := what + ": x-kubernetes-validations are not evaluated: " + rules[0].path
	if n := len(rules) - 1; n > 0 {
		text += " and " + itoa(n) + " more"
	}
	return text
}

// deprecationOf is the warning of a deprecated version, "" for one that is not. It names the
// best newer version, if one is served.
func deprecationOf(group, kind string, v any, versions []any) string {
	if member(v, "deprecated") != true {
		return ""
	}
	if given, ok := member(v, "deprecationWarning").(string); ok {
		return given
	}
	version, best := textAt(v, "name"), ""
	for _, o := range versions {
		name := textAt(o, "name")
		if member(o, "served") == true && member(o, "deprecated") != true && compareVersions(name, version) > 0 && (best == "" || compareVersions(name, best) > 0) {
			best = name
		}
	}
	text := group + "/" + version + " " + kind + " is deprecated"
	if best != "" {
		text += "; use " + group + "/" + best + " " + kind
	}
	return text
}

func scalePathsOf(scale map[string]any) *scalePaths {
	split := func(f string) []string {
		if p := strings.Trim(textAt(scale, f), "."); p != "" {
			return strings.Split(p, ".")
		}
		return nil
	}
	return &scalePaths{spec: split("specReplicasPath"), status: split("statusReplicasPath"), selector: split("labelSelectorPath")}
}

// customShape is a schema, and the metadata that every kind has.
type customShape struct {
	*schema
	meta *typeDef
}

func (s *customShape) prune(obj map[string]any) ([]string, error) {
	unknown, err := s.pruneMetadata(obj)
	if err != nil {
		return nil, err
	}
	more, err := s.schema.prune(obj)
	return append(unknown, more...), err
}

// pruneMetadata checks the part that every kind has.
func (s *customShape) pruneMetadata(obj map[string]any) ([]string, error) {
	if m, given := obj["metadata"]; given && m != nil {
		if _, ok := m.(map[string]any); !ok {
			return nil, fmt.Errorf("json: cannot unmarshal %s into Go struct field .metadata of type v1.ObjectMeta", jsonTypeName(m))
		}
	}
	unknown, err := pruneObject(s.meta, metadataOf(obj))
	for i := range unknown {
		unknown[i] = "metadata." + unknown[i]
	}
	return unknown, err
}

// selectableFields is the fields that selectors may name, of a version of a CRD.
func selectableFields(version map[string]any) (fields []selectableField) {
	for _, f := range listAt(version, "selectableFields") {
		if path := textAt(f, "jsonPath"); path != "" {
			fields = append(fields, selectableField{label: strings.TrimPrefix(path, "."), path: dotPath(path)})
		}
	}
	return fields
}

// printerColumns is the columns of tables of a version of a CRD: the name, then those that
// it asks for, else the age. A path that cannot be read makes a column without values.
func printerColumns(version map[string]any) []tableColumn {
	columns := []tableColumn{{
		name: "Name", typ: "string", format: "name", description: "The name of the object, unique among the objects of its kind in its namespace.",
		cell: func(obj map[string]any) any { return textAt(obj, "metadata", "name") },
	}}
	wanted := listAt(version, "additionalPrinterColumns")
	if len(wanted) == 0 {
		wanted = []any{map[string]any{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "When the object was created, by the clock of the server."}}
	}
	for _, w := range wanted {
		path := textAt(w, "jsonPath")
		c := tableColumn{name: textAt(w, "name"), typ: textAt(w, "type"), format: textAt(w, "format"), description: textAt(w, "description")}
		if c.description == "" {
			c.description = "Custom resource definition column (in JSONPath format): " + path
		}
		if priority, ok := asFloat(member(w, "priority")); ok {
			c.priority = int(priority)
		}
		find, err := compileJSONPath(path)
		if err != nil {
			find = func(any) (any, bool) { return nil, false }
		}
		typ := c.typ
		c.cell = func(obj map[string]any) any {
			if v, found := find(obj); found {
				return columnValue(typ, v, time.Now)
			}
			return nil
		}
		columns = append(columns, c)
	}
	return columns
}

// columnValue is a value as a column of a type shows it; nil where it is of another type.
func columnValue(typ string, v any, now func() time.Time) any {
	switch typ {
	case "integer":
		switch v := v.(type) {
		case int64:
			return v
		case float64:
			return int64(v)
		}
	case "number":
		if f, ok := asFloat(v); ok {
			return f
		}
	case "boolean":
		if b, ok := v.(bool); ok {
			return b
		}
	case "string":
		return columnText(v)
	case "date":
		if s, ok := v.(string); ok {
			return columnAge(s, now())
		}
	}
	return nil
}

func columnText(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return v
	case map[string]any, []any:
		return string(appendJSON(nil, v))
	}
	return fmt.Sprint(v)
}

func columnAge(text string, now time.Time) string {
	if text == "" || text == "null" {
		return "<unknown>"
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "<invalid>"
	}
	return humanDuration(now.Sub(t))
}
