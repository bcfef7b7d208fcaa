package discovery

import (
	"slices"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// Types as components of an OpenAPI document: those of the kind table under upstream's names, and
// the schemas of custom resources.
//
// A component is made when something first refers to it, and those it refers to itself are made
// on the way; so a document has all that it needs and nothing else. Its name is entered before
// its fields are, which is what ends the recursion of a type that contains itself:
//
//	JSONSchemaProps  has a field items, which may be one JSONSchemaProps or a list of them
//
// Upstream's rules where a schema would be less plain: a value of one of several types is a
// component that names no type; a reference with something beside it is wrapped in allOf, since
// OpenAPI 3.0 ignores what stands beside a $ref; a kind says in x-kubernetes-group-version-kind
// which one it is, and a type that several kinds have lists them all.

// schemaWriter collects the components that a document refers to. It is used by one goroutine.
type schemaWriter struct {
	// table is nil where there are no built-in types.
	table *kinds.Table
	// form is the version of OpenAPI. All schemas are made as v3 has them, but for those of definitions,
	// of which v2 says less: what is left to do for v2 reduce does.
	form openAPIForm
	// registered are the groups with versions that know the kinds which clients send or are sent of
	// any group, besides v1: DeleteOptions and WatchEvent.
	registered []string
	// out has the components by name, and written the names of those that were taken out of it.
	out     map[string]any
	written map[string]bool
}

// newSchemaWriter returns a writer without components. table may be nil: then there are no types of
// built-in kinds, and those that every document needs are objects of which nothing is said.
func newSchemaWriter(table *kinds.Table, form openAPIForm, registered ...string) *schemaWriter {
	return &schemaWriter{table: table, form: form, registered: registered, out: map[string]any{}, written: map[string]bool{}}
}

// metaKinds are the types of package meta that clients receive on their own, but for those that are of
// every group.
var metaKinds = []string{"Status", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList"}

// metaSchemas begins the names of the components that all groups share.
const metaSchemas = "io.k8s.apimachinery.pkg.apis.meta.v1."

// schemaRef returns a reference to a component.
func schemaRef(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// besides returns s, and wraps the reference that it is, if it is one, so that what stands beside
// it counts: a description or default.
func besides(s map[string]any) map[string]any {
	if ref, ok := s["$ref"]; ok && len(s) > 1 {
		delete(s, "$ref")
		s["allOf"] = []any{map[string]any{"$ref": ref}}
	}
	return s
}

// gvkOf returns an element of x-kubernetes-group-version-kind.
func gvkOf(group, version, kind string) map[string]any {
	return map[string]any{"group": group, "version": version, "kind": kind}
}

// kind returns the name of the component of a kind's objects, and notes there that the type is
// one of the kind. Without a type, nothing is said of the objects.
func (w *schemaWriter) kind(t *kinds.Type, group, version, kind string) string {
	if t == nil {
		return w.add(reversedName(group, version, kind), func() map[string]any { return objectSchema("", nil) })
	}
	name := w.typ(t)
	w.noteKind(name, group, version, kind)
	return name
}

// body returns the name of the component of a subresource's bodies. A custom resource does not
// know the type of its scale, but the table does.
func (w *schemaWriter) body(s *kinds.Subresource) string {
	t := s.Type()
	if t == nil && w.table != nil {
		t = w.table.Body(s.Group, s.Version, s.Kind)
	}
	return w.kind(t, s.Group, s.Version, s.Kind)
}

// addKind returns a list of kinds with one more, unless it has that one.
func addKind(list any, kind map[string]any) []any {
	l, _ := list.([]any)
	if slices.ContainsFunc(l, func(o any) bool { return tree.Equal(o, kind) }) {
		return l
	}
	return append(l, kind)
}

// add has make return the component of a name that is not there yet, and returns the name. make
// may refer to the component that it makes.
func (w *schemaWriter) add(name string, make func() map[string]any) string {
	if _, has := w.out[name]; !has && !w.written[name] {
		// The place is taken first: make may come here again with the same name.
		w.out[name] = map[string]any{}
		w.out[name] = make()
	}
	return name
}

// typ returns the name of the component of a type.
func (w *schemaWriter) typ(t *kinds.Type) string {
	return w.add(t.Schema, func() map[string]any {
		if len(t.Fields) == 0 {
			return objectSchema(t.Doc, nil)
		}
		s := objectSchema(t.Doc, map[string]any{})
		w.addFields(s, t)
		w.addTypeWords(s, t)
		return s
	})
}

// addTypeWords adds to an object's schema what is said of its type as a whole.
func (w *schemaWriter) addTypeWords(s map[string]any, t *kinds.Type) {
	name, isMeta := strings.CutPrefix(t.Name, "meta.")
	// A type that other groups have objects of, too, is a kind there as well: a claim in a template.
	if isMeta && slices.Contains(metaKinds, name) || w.table != nil && w.table.Kind("", "v1", name) != nil {
		s["x-kubernetes-group-version-kind"] = []any{gvkOf("", "v1", name)}
	}
	if t.Atomic {
		s["x-kubernetes-map-type"] = "atomic"
	}
	if t.Union != nil {
		fields := map[string]any{}
		for _, f := range t.Union.Fields {
			fields[f] = OperationName(f)
		}
		union := map[string]any{"fields-to-discriminateBy": fields}
		if t.Union.Discriminator != "" {
			union["discriminator"] = t.Union.Discriminator
		}
		s["x-kubernetes-unions"] = []any{union}
	}
}

// addFields adds the fields of a type to an object's schema.
func (w *schemaWriter) addFields(s map[string]any, t *kinds.Type) {
	properties := s["properties"].(map[string]any)
	for _, f := range t.Fields {
		// In JSON the fields of an embedded type are those of the type around it.
		if f.Inline {
			w.addFields(s, f.Message)
			continue
		}
		field := w.field(f)
		// Upstream describes every field, except for some of this type, and so wraps every reference.
		if field["$ref"] != nil && (f.Name == "default" || !strings.HasSuffix(t.Schema, ".JSONSchemaProps")) {
			field = map[string]any{"allOf": []any{field}}
		}
		properties[f.Name] = field
		if f.Demanded {
			required, _ := s["required"].([]any)
			s["required"] = append(required, f.Name)
		}
	}
}

// objectSchema returns an object with properties; nil says nothing of them. A description of ""
// is left out.
//
//go:noinline
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

// listOf returns a list of elements.
func listOf(element map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": element}
}

// field returns the schema of a field.
func (w *schemaWriter) field(f *kinds.Field) map[string]any {
	s := w.value(f)
	if f.IsList {
		s = listOf(s)
	}
	// A map of lists is both, and s is what one key has.
	if f.IsMap {
		element := s
		s = objectSchema("", nil)
		s["additionalProperties"] = element
	}
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	if def := f.OpenAPIDefault(); def != nil {
		s["default"] = tree.Copy(def)
	}
	w.addListType(s, f)
	if f.Strategy != "" {
		s["x-kubernetes-patch-strategy"] = f.Strategy
	}
	if f.MergeKey != "" {
		s["x-kubernetes-patch-merge-key"] = f.MergeKey
	}
	return besides(s)
}

// addListType adds to the schema of a field how its lists and maps are merged when they are applied, and
// which texts are known.
func (w *schemaWriter) addListType(s map[string]any, f *kinds.Field) {
	if f.ListType != "" {
		kind := "x-kubernetes-list-type"
		if f.IsMap || f.Kind == kinds.FieldMessage && !f.IsList {
			kind = "x-kubernetes-map-type"
		}
		s[kind] = f.ListType
	}
	if len(f.ListKeys) > 0 {
		s["x-kubernetes-list-map-keys"] = anyList(f.ListKeys)
	}
	if len(f.Values) == 0 {
		return
	}
	if f.IsMap {
		s = tree.Object(s, "additionalProperties")
	}
	if f.IsList {
		s = tree.Object(s, "items")
	}
	s["enum"] = anyList(slices.Sorted(slices.Values(f.Values)))
}

// value returns the schema of one value of a field, of its elements if it is a list or map.
func (w *schemaWriter) value(f *kinds.Field) map[string]any {
	// What may stand instead is another component, named after both.
	switch f.Alternative {
	case "bool":
		return schemaRef(w.either(f.Message, "OrBool", "a boolean"))
	case "list":
		return schemaRef(w.either(f.Message, "OrArray", "a list of them"))
	case "strings":
		return schemaRef(w.either(f.Message, "OrStringArray", "a list of strings"))
	}
	if f.Kind == kinds.FieldMessage {
		return schemaRef(w.typ(f.Message))
	}
	if s, ok := scalarSchemas[f.Kind]; ok {
		return w.scalar(s)
	}
	// What remains is any JSON, which may have a component of its own.
	if name, isObject := strings.CutSuffix(f.Component, "{}"); isObject {
		return w.scalar(scalarSchema{name, "any object", "object", ""})
	} else if name != "" {
		return w.scalar(scalarSchema{name, "any JSON", "", ""})
	}
	return map[string]any{"x-kubernetes-preserve-unknown-fields": true}
}

// either returns the name of the component of a type or something else, which is told in words
// only.
func (w *schemaWriter) either(t *kinds.Type, tail, other string) string {
	return w.add(t.Schema+tail, func() map[string]any {
		doc, _ := strings.CutSuffix(t.Doc, ".")
		return map[string]any{"description": strings.TrimPrefix(doc+", or "+other, ", ")}
	})
}

// scalarSchema describes a value that has no fields.
type scalarSchema struct {
	// component is the name of the value's component; "" puts the schema where the value is.
	component, doc string
	// types are JSON types, separated by spaces.
	types, format string
}

// scalarSchemas has the schemas of the kinds of fields that have no fields of their own.
var scalarSchemas = map[kinds.FieldKind]scalarSchema{
	kinds.FieldString:      {types: "string"},
	kinds.FieldBool:        {types: "boolean"},
	kinds.FieldInt32:       {types: "integer", format: "int32"},
	kinds.FieldInt64:       {types: "integer", format: "int64"},
	kinds.FieldDouble:      {types: "number", format: "double"},
	kinds.FieldBytes:       {types: "string", format: "byte"},
	kinds.FieldTime:        {metaSchemas + "Time", "a time: RFC 3339, to the second", "string", "date-time"},
	kinds.FieldMicroTime:   {metaSchemas + "MicroTime", "a time: RFC 3339, to the microsecond", "string", "date-time"},
	kinds.FieldIntOrString: {intOrString, "an integer or a string", "integer string", "int-or-string"},
	kinds.FieldQuantity:    {quantity, "a quantity: a number with a suffix such as m, k, Ki or Gi", "string number", ""},
}

// The components of values that are written in two ways.
const (
	intOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
	quantity    = "io.k8s.apimachinery.pkg.api.resource.Quantity"
)

// scalar returns the schema of a value, or the reference to its component.
func (w *schemaWriter) scalar(s scalarSchema) map[string]any {
	if s.component == "" {
		return s.text()
	}
	return schemaRef(w.add(s.component, s.text))
}

// text returns the schema itself. Several types are put such that kubectl explain shows the name
// of the component instead: it knows no list of types.
func (s scalarSchema) text() map[string]any {
	out := map[string]any{}
	if s.doc != "" {
		out["description"] = s.doc
	}
	switch list := strings.Fields(s.types); len(list) {
	case 0:
	case 1:
		out["type"] = list[0]
	default:
		one := make([]any, len(list))
		for i, typ := range list {
			one[i] = map[string]any{"type": typ}
		}
		out["oneOf"] = one
	}
	if s.format != "" {
		out["format"] = s.format
	}
	return out
}

// list returns the name of the component of a list of objects, given that of the objects. kind is
// that of the list.
func (w *schemaWriter) list(item, group, version, kind string, custom bool) string {
	name := item[:strings.LastIndexByte(item, '.')+1] + kind
	return w.add(name, func() map[string]any {
		items := listOf(schemaRef(item))
		items["description"] = "the objects"
		metadata := schemaRef(w.meta("ListMeta"))
		metadata["description"] = "what every list has"
		if !custom {
			metadata["default"] = map[string]any{}
		}
		s := objectSchema("A list of objects.", map[string]any{
			"apiVersion": apiVersionSchema(), "kind": kindSchema(), "metadata": besides(metadata), "items": items,
		})
		s["required"] = []any{"items"}
		s["x-kubernetes-group-version-kind"] = []any{gvkOf(group, version, kind)}
		return s
	})
}

// share gives a component what another says in an extension, if it does.
func (w *schemaWriter) share(from, to, extension string) {
	if v := tree.At(w.out[from], extension); v != nil {
		w.out[to].(map[string]any)[extension] = v
	}
}

// apiVersionSchema returns the schema of the field of that name, which is alike everywhere.
func apiVersionSchema() map[string]any {
	return map[string]any{"type": "string", "description": "group and version of the kind"}
}

// kindSchema returns the schema of the field kind.
func kindSchema() map[string]any {
	return map[string]any{"type": "string", "description": "name of the kind"}
}

// meta returns the name of the component of a type that all groups share, by upstream's name of
// the type.
func (w *schemaWriter) meta(name string) string {
	component := w.named("meta."+name, metaSchemas+name)
	if name == "DeleteOptions" || name == "WatchEvent" {
		w.everywhere(component, name)
	}
	return component
}

// named returns the name of the component of a type of the table. Without it, nothing is said of the
// component, whose name is given.
func (w *schemaWriter) named(name, component string) string {
	if w.table != nil {
		if t := w.table.Type(name); t != nil {
			return w.typ(t)
		}
	}
	return w.add(component, func() map[string]any { return objectSchema("", nil) })
}

// everywhere notes in a component that it is a kind of every group.
func (w *schemaWriter) everywhere(component, kind string) {
	w.noteKind(component, "", "v1", kind)
	for _, gv := range w.registered {
		group, version := kinds.SplitAPIVersion(gv)
		w.noteKind(component, group, version, kind)
	}
}

// noteKind notes in a component, if it is not written yet, that it is of a kind.
func (w *schemaWriter) noteKind(component, group, version, kind string) {
	if s, ok := w.out[component].(map[string]any); ok {
		s["x-kubernetes-group-version-kind"] = addKind(s["x-kubernetes-group-version-kind"], gvkOf(group, version, kind))
	}
}

// reversedName returns the name of the component of a kind that upstream has no Go type of, with
// the group from back to front: com.example.v1.Widget.
func reversedName(group, version, kind string) string {
	parts := strings.Split(group, ".")
	slices.Reverse(parts)
	return strings.Trim(strings.Join(parts, ".")+"."+version+"."+kind, ".")
}

// custom returns the name of the component of a custom resource in the version of a row: its
// schema, with what every object has.
func (w *schemaWriter) custom(d *Definition, row *kinds.Row) string {
	return w.add(reversedName(row.Group, row.Version, row.Kind), func() map[string]any {
		// A tree of our own, which may be changed; the definition was encoded by us.
		version := d.versionTree(row.Version)
		schema := tree.Object(version, "schema", "openAPIV3Schema")
		if schema == nil || w.form == openAPI2 && schema["x-kubernetes-preserve-unknown-fields"] == true {
			// With the fields of every object and nothing else, kubectl would refuse all others (upstream).
			schema = objectSchema("", nil)
		} else {
			// A schema may leave it to the reader that objects are objects.
			schema["type"] = "object"
			if w.form == openAPI2 {
				reduceCustom(schema)
			}
			w.completeEmbedded(schema)
			w.addObjectFields(schema)
		}
		schema["x-kubernetes-group-version-kind"] = []any{gvkOf(row.Group, row.Version, row.Kind)}
		addSelectable(schema, version)
		return schema
	})
}

// addSelectable notes in a component which fields selectors may name in the version of a definition,
// if there are any.
func addSelectable(schema map[string]any, version any) {
	var fields []any
	for _, f := range tree.List(version, "selectableFields") {
		fields = append(fields, map[string]any{"fieldPath": strings.TrimPrefix(tree.Text(f, "jsonPath"), ".")})
	}
	if fields != nil {
		schema["x-kubernetes-selectable-fields"] = fields
	}
}

// addObjectFields adds the fields of every object to a schema, over what it says of them: it may
// restrict names, but the types are given.
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

// completeEmbedded adds to a schema what its extensions mean to a reader who does not know them: the
// fields of an object wherever one is embedded, and the two types of an int-or-string.
func (w *schemaWriter) completeEmbedded(schema map[string]any) {
	for _, key := range []string{"properties", "items", "additionalProperties"} {
		below := tree.Object(schema, key)
		if key != "properties" {
			below = map[string]any{key: schema[key]}
		}
		for _, v := range below {
			// A list or a boolean may stand there too, and holds no schema to complete.
			if s, ok := v.(map[string]any); ok {
				w.completeEmbedded(s)
			}
		}
	}
	if schema["x-kubernetes-int-or-string"] == true && w.form == openAPI3 {
		nameTypes(schema)
	}
	if w.form == openAPI2 && schema["x-kubernetes-preserve-unknown-fields"] == true {
		return
	}
	// From below upwards, so that the metadata that is added is not gone into.
	if schema["x-kubernetes-embedded-resource"] == true {
		w.addObjectFields(schema)
		required := tree.List(schema, "required")
		for _, f := range []any{"kind", "apiVersion"} {
			if !slices.Contains(required, f) {
				required = append(required, f)
			}
		}
		schema["required"] = required
	}
}

// nameTypes adds the types of an int-or-string to its schema, unless it names them already as a
// structural schema may: in anyOf, or in the first schema of allOf. An anyOf that says something else
// is left as it is, and they come into allOf.
func nameTypes(schema map[string]any) {
	types := []any{map[string]any{"type": "integer"}, map[string]any{"type": "string"}}
	all := tree.List(schema, "allOf")
	switch {
	case schema["anyOf"] == nil && (len(all) == 0 || !tree.Equal(tree.At(all[0], "anyOf"), types)):
		schema["anyOf"] = types
	case schema["anyOf"] != nil && !tree.Equal(schema["anyOf"], types) && (len(all) == 0 || !tree.Equal(tree.At(all[0], "anyOf"), types)):
		schema["allOf"] = append([]any{map[string]any{"anyOf": types}}, all...)
	}
}
