package discovery

import (
	"slices"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The paths of an OpenAPI document: each operation of each resource, with its parameters, bodies
// and answers. Built-in and custom kinds are described by the same code from their rows; they
// differ in where the schema of their objects comes from, and in that strategic merge patches
// need a type of the kind table.
//
// Clients read less of this than one might think, and what they read has to be where they look.
// kubectl finds a kind by x-kubernetes-group-version-kind of the operation; it looks in the
// parameters of its patch whether the server does fieldValidation and dryRun, and follows no
// reference there; it chooses how to patch by the media types of the body. Generators of clients
// name methods by operationId, so those are upstream's:
//
//	get    /apis/apps/v1/namespaces/{namespace}/deployments         listAppsV1NamespacedDeployment
//	get    /apis/apps/v1/deployments                                listAppsV1DeploymentForAllNamespaces
//	put    /apis/apps/v1/namespaces/{namespace}/deployments/{name}  replaceAppsV1NamespacedDeployment
//
// Left out are the deprecated paths of watches, and HEAD.

// openAPIWriter collects one document. It is used by one goroutine.
type openAPIWriter struct {
	group, version string
	// root is the path of the version: /apis/apps/v1.
	root    string
	schemas *schemaWriter
	paths   map[string]any
}

// newOpenAPIWriter begins the document of a version. It has the path of the version's discovery
// document and nothing else. table may be nil: then there are no types of built-in kinds, and
// those that every document needs are objects of which nothing is said.
func newOpenAPIWriter(table *kinds.Table, group, version string) *openAPIWriter {
	w := &openAPIWriter{
		group: group, version: version, root: "/" + groupVersionKey(group, version),
		schemas: newSchemaWriter(table), paths: map[string]any{},
	}
	w.paths[w.root+"/"] = map[string]any{"get": map[string]any{
		"tags": []string{tagOf(group, version)}, "description": "get available resources",
		"operationId": "get" + operationGroup(group) + OperationName(version) + "APIResources",
		"responses":   responses(w.schemas.meta("APIResourceList"), "200"),
	}}
	return w
}

// described is a resource or subresource as its operations show it.
type described struct {
	// row is of the kind that has the resource; sub is the subresource, or nil.
	row *kinds.Row
	sub *kinds.Subresource
	// verbs are those it has now.
	verbs []string
	// schema is the component of its bodies, and list that of lists; "" if it is never listed.
	schema, list string
	// custom says that it belongs to a definition.
	custom bool
}

// kind returns group, version and kind of the bodies.
func (d *described) kind() (group, version, kind string) {
	if d.sub != nil {
		return d.sub.Group, d.sub.Version, d.sub.Kind
	}
	return d.row.Group, d.row.Version, d.row.Kind
}

// addKinds describes the built-in kinds of the version.
func (w *openAPIWriter) addKinds() {
	if w.schemas.table == nil {
		return
	}
	for _, row := range w.schemas.table.Kinds {
		if row.Group == w.group && row.Version == w.version {
			w.addRow(row, row.Verbs, w.schemas.kind(row.Type(), row.Group, row.Version, row.Kind), false)
		}
	}
}

// addCustom describes the custom resource of a definition, which must have the version.
func (w *openAPIWriter) addCustom(d *Definition) {
	v := d.version(w.version)
	w.addRow(v.row, d.verbs(v), w.schemas.custom(d, v.row), true)
}

// addRow describes the resource of a kind and its subresources. verbs are those of the resource,
// and schema is the component of its objects.
func (w *openAPIWriter) addRow(row *kinds.Row, verbs []string, schema string, custom bool) {
	d := described{row: row, verbs: verbs, schema: schema, custom: custom}
	if slices.Contains(verbs, "list") {
		d.list = w.schemas.list(schema, row.Group, row.Version, row.ListKind)
		w.schemas.share(schema, d.list, "x-kubernetes-selectable-fields")
	}
	w.add(d)
	for i := range row.Subresources {
		s := &row.Subresources[i]
		sub := described{row: row, sub: s, verbs: s.Verbs, schema: schema, custom: custom}
		if s.Group != row.Group || s.Version != row.Version || s.Kind != row.Kind {
			sub.schema = w.schemas.body(s)
		}
		w.add(sub)
	}
}

// verbForm says how operations of a verb look.
type verbForm struct {
	// method is the HTTP method, in lower case as OpenAPI has it.
	method string
	// onItem says that the path names an object. Everything is below an object in a subresource.
	onItem bool
	// action is upstream's x-kubernetes-action, and word begins the operationId.
	action, word string
	// codes are of the answers when all is well.
	codes []string
}

// verbForms has the form of every verb that operations have. A watch has none: it is a list with
// a parameter.
var verbForms = map[string]verbForm{
	"get":              {"get", true, "get", "read", []string{"200"}},
	"list":             {"get", false, "list", "list", []string{"200"}},
	"create":           {"post", false, "post", "create", []string{"200", "201", "202"}},
	"update":           {"put", true, "put", "replace", []string{"200", "201"}},
	"patch":            {"patch", true, "patch", "patch", []string{"200", "201"}},
	"delete":           {"delete", true, "delete", "delete", []string{"200", "202"}},
	"deletecollection": {"delete", false, "deletecollection", "delete", []string{"200"}},
}

// add describes the operations of a resource or subresource.
func (w *openAPIWriter) add(d described) {
	collection := w.root + "/" + d.row.Plural
	if d.row.Namespaced {
		// The list of all namespaces has a path of its own; nothing else is without a namespace.
		if slices.Contains(d.verbs, "list") {
			w.put(collection, "get", w.operation(d, "list", "ForAllNamespaces"))
		}
		collection = w.root + "/namespaces/{namespace}/" + d.row.Plural
	}
	for _, verb := range d.verbs {
		form, ok := verbForms[verb]
		if !ok {
			continue
		}
		path := collection
		if form.onItem || d.sub != nil {
			path += "/{name}"
		}
		if d.sub != nil {
			path += "/" + d.sub.Name
		}
		w.put(path, form.method, w.operation(d, verb, ""))
	}
}

// put adds an operation to a path. The parameters that the path itself has come with the first.
func (w *openAPIWriter) put(path, method string, operation map[string]any) {
	item, ok := w.paths[path].(map[string]any)
	if !ok {
		parameters := []any{}
		if strings.Contains(path, "/{name}") {
			parameters = append(parameters, parameterRef("name"))
		}
		if strings.Contains(path, "/{namespace}/") {
			parameters = append(parameters, parameterRef("namespace"))
		}
		// Every method may be asked for an indented answer.
		item = map[string]any{"parameters": append(parameters, parameterRef("pretty"))}
		w.paths[path] = item
	}
	item[method] = operation
}

// operation returns what is said of a verb, which has a form. tail ends the operationId of the
// list of all namespaces, and is "" otherwise.
func (w *openAPIWriter) operation(d described, verb, tail string) map[string]any {
	group, version, kind := d.kind()
	form, codes := verbForms[verb], verbForms[verb].codes
	if d.custom {
		// Upstream describes these in a place of its own: below every path is the kind itself, and a
		// patch creates nothing.
		group, version, kind = d.row.Group, d.row.Version, d.row.Kind
		if verb == "patch" {
			codes = codes[:1]
		}
	}
	op := map[string]any{
		"tags": []string{tagOf(w.group, w.version)}, "operationId": w.operationID(d, verb, tail),
		"description": describeVerb(verb, d), "x-kubernetes-action": form.action,
		"x-kubernetes-group-version-kind": gvkOf(group, version, kind),
	}
	answer := d.schema
	switch verb {
	case "list":
		op["parameters"], answer = parameterRefs(listParameters), d.list
	case "create", "update", "patch":
		op["parameters"] = writeParameters(verb == "patch")
		op["requestBody"] = map[string]any{"required": true, "content": w.content(d, verb)}
	case "delete", "deletecollection":
		names := deleteParameters
		if verb == "deletecollection" {
			names = slices.Concat(listParameters, names)
		}
		op["parameters"] = parameterRefs(names)
		if verb == "delete" || !d.custom {
			op["requestBody"] = map[string]any{"content": jsonContent(w.schemas.meta("DeleteOptions"))}
		}
		// Few kinds answer the deletion of one object with that object.
		if verb == "deletecollection" || !d.row.ReturnsDeleted {
			answer = w.schemas.meta("Status")
		}
	}
	op["responses"] = responses(answer, codes...)
	return op
}

// operationID returns upstream's identifier of an operation, which no other of the server has.
func (w *openAPIWriter) operationID(d described, verb, tail string) string {
	object := d.row.Kind
	if d.row.Namespaced && tail == "" {
		object = "Namespaced" + object
	}
	if verb == "deletecollection" {
		object = "Collection" + object
	}
	if d.sub != nil {
		object += OperationName(d.sub.Name)
	}
	return verbForms[verb].word + operationGroup(w.group) + OperationName(w.version) + OperationName(object+tail)
}

// content returns the body that a write takes, by media type.
func (w *openAPIWriter) content(d described, verb string) map[string]any {
	if verb != "patch" {
		return jsonContent(d.schema)
	}
	// The schema of a patch says nothing: its form depends on the media type.
	out := map[string]any{}
	types := []string{"application/json-patch+json", "application/merge-patch+json"}
	if !d.custom {
		types = append(types, "application/strategic-merge-patch+json")
	}
	for _, t := range types {
		out[t] = map[string]any{"schema": schemaRef(w.schemas.meta("Patch"))}
	}
	return out
}

// document returns the document as it is by now.
func (w *openAPIWriter) document() []byte {
	return openAPIText(w.paths, w.schemas.out, true)
}

// openAPIText encodes a document of paths and schemas, with a newline at the end. parameters says
// that operations refer to the shared ones.
func openAPIText(paths, schemas map[string]any, parameters bool) []byte {
	components := map[string]any{"schemas": schemas, "securitySchemes": map[string]any{
		"BearerToken": map[string]any{
			"type": "apiKey", "in": "header", "name": "authorization", "description": "a bearer token",
		},
	}}
	if parameters {
		components["parameters"] = sharedParameters()
	}
	return append(tree.AppendJSON(nil, map[string]any{
		"openapi": "3.0.0", "info": map[string]any{"title": "Kubernetes", "version": kinds.KubernetesVersion},
		"paths": paths, "components": components,
	}), '\n')
}

// jsonContent returns a body of a component by the media types that all bodies may have. Protobuf
// is left out, as its form is not described by schemas.
func jsonContent(schema string) map[string]any {
	out := map[string]any{}
	for _, t := range []string{"application/json", "application/yaml"} {
		out[t] = map[string]any{"schema": schemaRef(schema)}
	}
	return out
}

// responses returns the answers of an operation: a body of the component for each of codes, and
// the 401 that upstream lists everywhere, though the other failures nowhere.
func responses(schema string, codes ...string) map[string]any {
	words := map[string]string{"200": "OK", "201": "Created", "202": "Accepted"}
	out := map[string]any{"401": map[string]any{"description": "Unauthorized"}}
	for _, code := range codes {
		out[code] = map[string]any{"description": words[code], "content": jsonContent(schema)}
	}
	return out
}

// describeVerb returns a sentence for people about an operation.
func describeVerb(verb string, d described) string {
	_, _, kind := d.kind()
	what := kind
	if d.sub != nil {
		what = "the " + d.sub.Name + " of " + d.row.Plural
	}
	switch verb {
	case "list":
		return "list or watch objects of kind " + kind
	case "patch":
		return "change parts of " + what
	case "deletecollection":
		return "delete all selected objects of kind " + kind
	}
	return verbForms[verb].word + " " + what
}

// tagOf returns the tag of the operations of a version, or of a group if version is "": core_v1,
// apiextensions_v1, exampleCom_v1, exampleCom.
func tagOf(group, version string) string {
	name := identifier(operationText(group), false)
	if version == "" {
		return name
	}
	return name + "_" + identifier(version, false)
}

// operationGroup returns a group as part of an identifier: Core, Apiextensions, ExampleCom.
func operationGroup(group string) string { return OperationName(operationText(group)) }

// operationText returns what operations call a group. The end that all groups of Kubernetes share is
// left out (upstream).
func operationText(group string) string {
	if group == "" {
		return "core"
	}
	return strings.TrimSuffix(group, ".k8s.io")
}
