package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"apichain/internal/discovery"
	"apichain/internal/field"
	"apichain/internal/kinds"
	"apichain/internal/schema"
	"apichain/internal/tree"
)

// HasCondition reports whether a condition of obj is True.
func HasCondition(obj map[string]any, typ string) bool {
	return slices.ContainsFunc(tree.List(obj, "status", "conditions"), func(c any) bool {
		return tree.Text(c, "type") == typ && tree.Text(c, "status") == "True"
	})
}

// customVerbs are the verbs of every custom resource. Nobody changes them.
var customVerbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}

// resources is what a definition serves, a resource for each version. The storage version
// is among them even where it is not served.
func (c *Customs) resources(crd map[string]any) []*Resource {
	versions := tree.List(crd, "spec", "versions")
	shapes := map[string]*customShape{}
	storage := ""
	for _, v := range versions {
		compiled, err := schema.Compile(tree.Object(v, "schema", "openAPIV3Schema"))
		if err != nil { // schema.CheckCRD took it
			c.api.Config.Log.Error("a schema does not compile", "definition", tree.Name(crd), "version", tree.Text(v, "name"), "err", err)
			return nil
		}
		shapes[tree.Text(v, "name")] = &customShape{compiled, c.api.meta}
		if tree.At(v, "storage") == true {
			storage = tree.Text(v, "name")
		}
	}
	names, group := tree.Object(crd, "status", "acceptedNames"), tree.Text(crd, "spec", "group")
	webhook := tree.Text(crd, "spec", "conversion", "strategy") == "Webhook"
	rules := schema.Rules(crd)
	fields := allSelectableFields(versions)
	var out []*Resource
	for _, v := range versions {
		version := tree.Text(v, "name")
		if version != storage && (tree.At(v, "served") != true || webhook) {
			continue
		}
		sub := tree.Object(v, "subresources")
		_, hasStatus := sub["status"]
		r := &Resource{
			Row: &kinds.Row{
				Group: group, Version: version, Kind: tree.Text(names, "kind"), ListKind: tree.Text(names, "listKind"), Plural: tree.Text(names, "plural"), Singular: tree.Text(names, "singular"),
				Namespaced: tree.Text(crd, "spec", "scope") == "Namespaced", Verbs: customVerbs, HasStatus: hasStatus, HasGeneration: true, Columns: printerColumns(tree.Object(v)),
			},
			api: c.api, custom: true, shape: shapes[version], nameErrors: field.DNSSubdomainErrors,
			fields: fieldsAmong(fields, selectableFields(tree.Object(v))), stored: fields, Bucket: c.api.Store.Bucket(qualifiedName(group, tree.Text(names, "plural"))),
			terminating: tree.At(crd, "metadata", "deletionTimestamp") != nil, retired: make(chan struct{}), deprecation: deprecationOf(group, tree.Text(names, "kind"), v, versions), unserved: tree.At(v, "served") != true,
		}
		if version != storage {
			r.storageVersion, r.storageShape = storage, shapes[storage]
		}
		if scale := tree.Object(sub, "scale"); scale != nil {
			r.scale = scalePathsOf(scale)
		}
		write := []string{"get", "patch", "update"}
		if hasStatus {
			r.Subresources = append(r.Subresources, kinds.Subresource{Name: "status", Verbs: write})
		}
		if r.scale != nil {
			r.Subresources = append(r.Subresources, kinds.Subresource{Name: "scale", Verbs: write})
		}
		if n := len(rules); n > 0 {
			r.unchecked = []string{ruleWarning(r.Qualified(), rules)}
		}
		out = append(out, r)
	}
	return out
}

// allSelectableFields is the selectable fields of all versions, each once: those are kept
// with an object, whichever version it was written in.
func allSelectableFields(versions []any) []kinds.Selectable {
	all := []kinds.Selectable{}
	for _, v := range versions {
		for _, f := range selectableFields(tree.Object(v)) {
			if !slices.ContainsFunc(all, func(o kinds.Selectable) bool { return o.Label == f.Label }) {
				all = append(all, f)
			}
		}
	}
	return all
}

// fieldsAmong is all with only those that a version has; the others have no label that a
// selector can say.
func fieldsAmong(all, some []kinds.Selectable) []kinds.Selectable {
	out := slices.Clone(all)
	for i := range out {
		if !slices.ContainsFunc(some, func(o kinds.Selectable) bool { return o.Label == out[i].Label }) {
			out[i].Label = ","
		}
	}
	return out
}

func ruleWarning(what string, rules []schema.Rule) string {
	text := what + ": x-kubernetes-validations are not evaluated: " + rules[0].Path
	if n := len(rules) - 1; n > 0 {
		text += " and " + strconv.Itoa(n) + " more"
	}
	return text
}

// deprecationOf is the warning of a deprecated version, "" for one that is not. It names the
// best newer version, if one is served.
func deprecationOf(group, kind string, v any, versions []any) string {
	if tree.At(v, "deprecated") != true {
		return ""
	}
	if given, ok := tree.At(v, "deprecationWarning").(string); ok {
		return given
	}
	version, best := tree.Text(v, "name"), ""
	for _, o := range versions {
		name := tree.Text(o, "name")
		if tree.At(o, "served") == true && tree.At(o, "deprecated") != true && discovery.CompareVersions(name, version) > 0 && (best == "" || discovery.CompareVersions(name, best) > 0) {
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
		if p := strings.Trim(tree.Text(scale, f), "."); p != "" {
			return strings.Split(p, ".")
		}
		return nil
	}
	return &scalePaths{spec: split("specReplicasPath"), status: split("statusReplicasPath"), selector: split("labelSelectorPath")}
}

// customShape is a schema, and the metadata that every kind has.
type customShape struct {
	*schema.Schema
	meta *kinds.Type
}

func (s *customShape) Prune(obj map[string]any) ([]string, error) {
	unknown, err := s.pruneMetadata(obj)
	if err != nil {
		return nil, err
	}
	more, err := s.Schema.Prune(obj)
	return append(unknown, more...), err
}

// pruneMetadata checks the part that every kind has.
func (s *customShape) pruneMetadata(obj map[string]any) ([]string, error) {
	if m, given := obj["metadata"]; given && m != nil {
		if _, ok := m.(map[string]any); !ok {
			return nil, fmt.Errorf("json: cannot unmarshal %s into Go struct field .metadata of type v1.ObjectMeta", tree.TypeName(m))
		}
	}
	unknown, err := kinds.Prune(s.meta, tree.Metadata(obj))
	for i := range unknown {
		unknown[i] = "metadata." + unknown[i]
	}
	return unknown, err
}

// selectableFields is the fields that selectors may name, of a version of a CRD.
func selectableFields(version map[string]any) (fields []kinds.Selectable) {
	for _, f := range tree.List(version, "selectableFields") {
		if path := tree.Text(f, "jsonPath"); path != "" {
			fields = append(fields, kinds.Selectable{Label: strings.TrimPrefix(path, "."), Path: schema.DotPath(path)})
		}
	}
	return fields
}

// printerColumns is the columns of tables of a version of a CRD: the name, then those that
// it asks for, else the age. A path that cannot be read makes a column without values.
func printerColumns(version map[string]any) []kinds.Column {
	columns := []kinds.Column{{
		Name: "Name", Type: "string", Format: "name", Description: "The name of the object, unique among the objects of its kind in its namespace.",
		Cell: func(obj map[string]any) any { return tree.Text(obj, "metadata", "name") },
	}}
	wanted := tree.List(version, "additionalPrinterColumns")
	if len(wanted) == 0 {
		wanted = []any{map[string]any{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "When the object was created, by the clock of the server."}}
	}
	for _, w := range wanted {
		path := tree.Text(w, "jsonPath")
		c := kinds.Column{Name: tree.Text(w, "name"), Type: tree.Text(w, "type"), Format: tree.Text(w, "format"), Description: tree.Text(w, "description")}
		if c.Description == "" {
			c.Description = "Custom resource definition column (in JSONPath format): " + path
		}
		if priority, ok := tree.Float(tree.At(w, "priority")); ok {
			c.Priority = int(priority)
		}
		find, err := schema.CompileJSONPath(path)
		if err != nil {
			find = func(any) (any, bool) { return nil, false }
		}
		typ := c.Type
		c.Cell = func(obj map[string]any) any {
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
		if f, ok := tree.Float(v); ok {
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
		return string(tree.AppendJSON(nil, v))
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
	return kinds.HumanDuration(now.Sub(t))
}
