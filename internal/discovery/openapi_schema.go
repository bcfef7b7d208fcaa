package discovery

import (
	"slices"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Types as components of an OpenAPI document: those of the kind table under upstream's
// names, and the schemas of custom resources.

// schemaWriter collects the components that a document refers to.
type schemaWriter struct {
	table *kinds.Table // nil: no built-in types
	out   map[string]any
}

func newSchemaWriter(table *kinds.Table) *schemaWriter {
	return &schemaWriter{table: table, out: map[string]any{}}
}

const metaSchemas = "io.k8s.apimachinery.pkg.apis.meta.v1."

func schemaRef(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// besides puts the reference that s is, if it is one, where there may be more beside it:
// description and default (upstream).
func besides(s map[string]any) map[string]any {
	if ref, ok := s["$ref"]; ok && len(s) > 1 {
		delete(s, "$ref")
		s["allOf"] = []any{map[string]any{"$ref": ref}}
	}
	return s
}

func gvkOf(group, version, kind string) map[string]any {
	return map[string]any{"group": group, "version": version, "kind": kind}
}

// kind is the component of a kind's type, which tells that it is one.
func (w *schemaWriter) kind(t *kinds.Type, group, version, kind string) string {
	if t == nil {
		return w.add(reversedName(group, version, kind), func() map[string]any { return objectSchema("", nil) })
	}
	name := w.typ(t)
	if s, ok := w.out[name].(map[string]any); ok {
		s["x-kubernetes-group-version-kind"] = addKind(s["x-kubernetes-group-version-kind"], gvkOf(group, version, kind))
	}
	return name
}

// addKind adds a kind to a list that does not have it.
func addKind(list any, kind map[string]any) []any {
	l, _ := list.([]any)
	if slices.ContainsFunc(l, func(o any) bool { return tree.Equal(o, kind) }) {
		return l
	}
	return append(l, kind)
}

// add makes a component that is not there yet; make may refer to it.
func (w *schemaWriter) add(name string, make func() map[string]any) string {
	if _, has := w.out[name]; !has {
		w.out[name] = map[string]any{}
		w.out[name] = make()
	}
	return name
}

// typ is the component of a type and, below it, those of its fields.
func (w *schemaWriter) typ(t *kinds.Type) string {
	return w.add(t.Schema, func() map[string]any {
		s := objectSchema(t.Doc, map[string]any{})
		w.addFields(s, t)
		return s
	})
}

func (w *schemaWriter) addFields(s map[string]any, t *kinds.Type) {
	properties := s["properties"].(map[string]any)
	for _, f := range t.Fields {
		if f.Inline {
			w.addFields(s, f.Message)
			continue
		}
		properties[f.Name] = w.field(f)
		if f.Required && f.Default == nil {
			required, _ := s["required"].([]any)
			s["required"] = append(required, f.Name)
		}
	}
}

// objectSchema is an object with properties, nil where any may be there.
func objectSchema(doc string, properties map[string]any) map[string]any {
	s := map[string]any{"type": "object"}
	if doc != "" {
		s["description"] = doc
	}
	if properties != nil {
		s["properties"] = properties
	}
	return s
}

func (w *schemaWriter) field(f *kinds.Field) map[string]any {
	s := w.value(f)
	if f.IsList {
		s = map[string]any{"type": "array", "items": s}
	}
	if f.IsMap {
		s = objectSchema("", nil)
		s["additionalProperties"] = w.element(f)
	}
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	if f.Default != nil && !f.IsList && !f.IsMap {
		s["default"] = tree.Copy(f.Default)
	}
	if f.Strategy != "" {
		s["x-kubernetes-patch-strategy"] = f.Strategy
	}
	if f.MergeKey != "" {
		s["x-kubernetes-patch-merge-key"] = f.MergeKey
	}
	return besides(s)
}

// element is a value of a map.
func (w *schemaWriter) element(f *kinds.Field) map[string]any {
	if f.IsList {
		return map[string]any{"type": "array", "items": w.value(f)}
	}
	return w.value(f)
}

// value is one value of a field. One that may be of several types is a component that
// names none, as upstream has it.
func (w *schemaWriter) value(f *kinds.Field) map[string]any {
	switch f.Alternative {
	case "bool":
		return schemaRef(w.either(f.Message, "OrBool", "a boolean"))
	case "list":
		return schemaRef(w.either(f.Message, "OrArray", "a list of them"))
	case "strings":
		return schemaRef(w.either(f.Message, "OrStringArray", "a list of strings"))
	}
	switch f.Kind {
	case kinds.FieldString:
		return map[string]any{"type": "string"}
	case kinds.FieldBool:
		return map[string]any{"type": "boolean"}
	case kinds.FieldInt32:
		return map[string]any{"type": "integer", "format": "int32"}
	case kinds.FieldInt64:
		return map[string]any{"type": "integer", "format": "int64"}
	case kinds.FieldDouble:
		return map[string]any{"type": "number", "format": "double"}
	case kinds.FieldBytes:
		return map[string]any{"type": "string", "format": "byte"}
	case kinds.FieldTime:
		return schemaRef(w.scalar(metaSchemas+"Time", "a time: RFC 3339, to the second", "string", "date-time"))
	case kinds.FieldMicroTime:
		return schemaRef(w.scalar(metaSchemas+"MicroTime", "a time: RFC 3339, to the microsecond", "string", "date-time"))
	case kinds.FieldIntOrString:
		return schemaRef(w.scalar("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "an integer or a string", "integer string", "int-or-string"))
	case kinds.FieldQuantity:
		return schemaRef(w.scalar("io.k8s.apimachinery.pkg.api.resource.Quantity", "a quantity: a number with a suffix such as m, k, Ki or Gi", "string number", ""))
	case kinds.FieldMessage:
		return schemaRef(w.typ(f.Message))
	}
	if name, object := strings.CutSuffix(f.Component, "{}"); object {
		return schemaRef(w.scalar(name, "any object", "object", ""))
	} else if name != "" {
		return schemaRef(w.scalar(name, "any JSON", "", ""))
	}
	return map[string]any{"x-kubernetes-preserve-unknown-fields": true}
}

func (w *schemaWriter) either(t *kinds.Type, tail, other string) string {
	return w.add(t.Schema+tail, func() map[string]any {
		doc, _ := strings.CutSuffix(t.Doc, ".")
		return map[string]any{"description": strings.TrimPrefix(doc+", or "+other, ", ")}
	})
}

// scalar is the component of a value of the types. Where there are several, it says them
// such that kubectl shows its name instead.
func (w *schemaWriter) scalar(name, doc, types, format string) string {
	return w.add(name, func() map[string]any {
		s := map[string]any{"description": doc}
		switch list := strings.Fields(types); len(list) {
		case 0:
		case 1:
			s["type"] = list[0]
		default:
			one := make([]any, len(list))
			for i, typ := range list {
				one[i] = map[string]any{"type": typ}
			}
			s["oneOf"] = one
		}
		if format != "" {
			s["format"] = format
		}
		return s
	})
}

// list is the component of a list of objects.
func (w *schemaWriter) list(item, group, version, kind string) string {
	name := item[:strings.LastIndexByte(item, '.')+1] + kind
	return w.add(name, func() map[string]any {
		s := objectSchema("A list of objects.", map[string]any{
			"apiVersion": apiVersionSchema(), "kind": kindSchema(), "metadata": schemaRef(w.meta("ListMeta")),
			"items": map[string]any{"type": "array", "items": schemaRef(item), "description": "the objects"},
		})
		s["required"] = []any{"items"}
		s["x-kubernetes-group-version-kind"] = []any{gvkOf(group, version, kind)}
		return s
	})
}

func apiVersionSchema() map[string]any {
	return map[string]any{"type": "string", "description": "group and version of the kind"}
}

func kindSchema() map[string]any {
	return map[string]any{"type": "string", "description": "name of the kind"}
}

// meta is the component of a type that all groups share: the table's, or one of those
// that only documents have.
func (w *schemaWriter) meta(name string) string {
	if w.table != nil {
		if t := w.table.Types["meta."+name]; t != nil {
			return w.shared(t, name)
		}
	}
	return w.add(metaSchemas+name, func() map[string]any { return w.discoveryType(name) })
}

// shared is the component of a type of the table that all groups share.
func (w *schemaWriter) shared(t *kinds.Type, name string) string {
	if name == "Status" || name == "DeleteOptions" {
		return w.kind(t, "", "v1", name)
	}
	return w.typ(t)
}

// discoveryType is a type of the discovery documents; any other is an object of which
// nothing is said.
func (w *schemaWriter) discoveryType(name string) map[string]any {
	text := map[string]any{"type": "string"}
	list := func(of map[string]any) map[string]any { return map[string]any{"type": "array", "items": of} }
	below := func(name string) map[string]any { return schemaRef(w.meta(name)) }
	with := func(doc, required string, properties map[string]any) map[string]any {
		s := objectSchema(doc, properties)
		var names []any
		for name := range strings.FieldsSeq(required) {
			names = append(names, name)
		}
		s["required"] = names
		return s
	}
	head := func(doc, required string, properties map[string]any) map[string]any {
		s := with(doc, required, properties)
		properties["apiVersion"], properties["kind"] = apiVersionSchema(), kindSchema()
		s["x-kubernetes-group-version-kind"] = []any{gvkOf("", "v1", name)}
		return s
	}
	switch name {
	case "APIVersions":
		return head("The versions of the core group.", "versions serverAddressByClientCIDRs", map[string]any{"versions": list(text), "serverAddressByClientCIDRs": list(below("ServerAddressByClientCIDR"))})
	case "APIGroup":
		return head("A group and its versions.", "name versions", map[string]any{
			"name": text, "versions": list(below("GroupVersionForDiscovery")), "preferredVersion": below("GroupVersionForDiscovery"),
			"serverAddressByClientCIDRs": list(below("ServerAddressByClientCIDR")),
		})
	case "APIGroupList":
		return head("All groups.", "groups", map[string]any{"groups": list(below("APIGroup"))})
	case "APIResourceList":
		return head("The resources of a version.", "groupVersion resources", map[string]any{"groupVersion": text, "resources": list(below("APIResource"))})
	case "APIResource":
		return with("A resource or subresource.", "name singularName namespaced kind verbs", map[string]any{
			"name": text, "singularName": text, "namespaced": map[string]any{"type": "boolean"}, "group": text, "version": text, "kind": text,
			"verbs": list(text), "shortNames": list(text), "categories": list(text), "storageVersionHash": text,
		})
	case "GroupVersionForDiscovery":
		return with("A version of a group.", "groupVersion version", map[string]any{"groupVersion": text, "version": text})
	case "ServerAddressByClientCIDR":
		return with("Where clients of a network find the server.", "clientCIDR serverAddress", map[string]any{"clientCIDR": text, "serverAddress": text})
	case "Patch":
		return objectSchema("A patch, in the form that its media type says.", nil)
	}
	return objectSchema("", nil)
}

// scale is the component of the scale subresource of custom resources.
func (w *schemaWriter) scale() string {
	var t *kinds.Type
	if w.table != nil {
		t = w.table.Types["autoscaling.Scale"]
	}
	return w.kind(t, "autoscaling", "v1", "Scale")
}

// Custom resources.

// reversedName is a component's name: com.example.v1.Widget.
func reversedName(group, version, kind string) string {
	parts := strings.Split(group, ".")
	slices.Reverse(parts)
	return strings.Trim(strings.Join(parts, ".")+"."+version+"."+kind, ".")
}

// custom is the component of a custom resource: its schema, with what every object has.
func (w *schemaWriter) custom(d *Definition, version string) string {
	return w.add(reversedName(d.group, version, d.kind), func() map[string]any {
		schema := map[string]any{}
		crd, _, _ := tree.ParseJSONObject(d.raw) // it was encoded by us
		for _, v := range tree.List(crd, "spec", "versions") {
			if tree.Text(v, "name") == version {
				schema = tree.Object(v, "schema", "openAPIV3Schema")
			}
		}
		if schema == nil {
			schema = map[string]any{}
		}
		schema["type"] = "object"
		w.completeEmbedded(schema, 0)
		w.addObjectFields(schema)
		schema["x-kubernetes-group-version-kind"] = []any{gvkOf(d.group, version, d.kind)}
		return schema
	})
}

// addObjectFields adds the fields of every object to a schema.
func (w *schemaWriter) addObjectFields(schema map[string]any) {
	properties := tree.Object(schema, "properties")
	if properties == nil {
		properties = map[string]any{}
		schema["properties"] = properties
	}
	properties["apiVersion"], properties["kind"] = apiVersionSchema(), kindSchema()
	metadata := schemaRef(w.meta("ObjectMeta"))
	metadata["description"] = "what every stored object has"
	properties["metadata"] = besides(metadata)
}

// completeEmbedded adds those fields wherever an object is embedded.
func (w *schemaWriter) completeEmbedded(schema map[string]any, depth int) {
	for _, key := range []string{"properties", "items", "additionalProperties"} {
		below := tree.Object(schema, key)
		if key != "properties" {
			below = map[string]any{key: schema[key]}
		}
		for _, v := range below {
			if s, ok := v.(map[string]any); ok {
				w.completeEmbedded(s, depth+1)
			}
		}
	}
	if depth > 0 && schema["x-kubernetes-embedded-resource"] == true {
		w.addObjectFields(schema)
	}
}
