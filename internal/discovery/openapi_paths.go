package discovery

import (
	"slices"
	"strings"

	"apichain/internal/kinds"
)

// The paths of an OpenAPI document: each operation of each resource, with its parameters, bodies
// and answers. Built-in and custom kinds are described by the same code from their rows; they
// differ in where the schema of their objects comes from, in media types, and in that upstream describes
// those of definitions in a place of its own, which leaves out watches.
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
//	get    /apis/apps/v1/watch/deployments                          watchAppsV1DeploymentListForAllNamespaces

// openAPIWriter collects one document, or the parts of one that are about a version. It is used by
// one goroutine.
type openAPIWriter struct {
	form           openAPIForm
	group, version string
	// root is the path of the version: /apis/apps/v1.
	root    string
	schemas *schemaWriter
	paths   map[string]operations
}

// newOpenAPIWriter begins the document of a version, with schemas that may be those of others too.
func newOpenAPIWriter(schemas *schemaWriter, group, version string) *openAPIWriter {
	return &openAPIWriter{
		form: schemas.form, group: group, version: version, root: "/" + groupVersionKey(group, version), schemas: schemas,
		paths: map[string]operations{},
	}
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

// connects reports whether it leads to something else, a container or an address, so that no verb has
// a meaning of its own. Discovery shows those with the kind of their options.
func (d *described) connects() bool {
	return d.sub != nil && strings.HasSuffix(d.sub.Kind, "Options")
}

// addKinds describes the built-in kinds of the version, and the discovery document of it.
func (w *openAPIWriter) addKinds() {
	id := "get" + operationGroup(w.group) + OperationName(w.version) + "APIResources"
	w.addDiscovery(w.root+"/", tagOf(w.group, w.version), id, "APIResourceList")
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
		d.list = w.schemas.list(schema, row.Group, row.Version, row.ListKind, custom)
		w.schemas.share(schema, d.list, "x-kubernetes-selectable-fields")
	}
	w.add(d)
	for i := range row.Subresources {
		s := &row.Subresources[i]
		sub := described{row: row, sub: s, verbs: s.Verbs, schema: schema, custom: custom}
		switch {
		case sub.connects():
			w.addConnect(sub)
			continue
		case s.Name == "log":
			// What is answered is a text, whatever kind discovery shows.
			sub.schema = ""
		case s.Group != row.Group || s.Version != row.Version || s.Kind != row.Kind:
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
// a parameter, besides which it has paths of its own.
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
	collection := w.collection(d)
	if d.row.Namespaced && slices.Contains(d.verbs, "list") {
		// The list of all namespaces has a path of its own; nothing else is without a namespace.
		w.put(w.root+"/"+d.row.Plural, "get", w.operation(d, "list", "ForAllNamespaces"))
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
	if slices.Contains(d.verbs, "watch") && !d.custom {
		w.addWatches(d)
	}
}

// collection returns the path at which objects of one namespace, or of the cluster, are listed.
func (w *openAPIWriter) collection(d described) string {
	if d.row.Namespaced {
		return w.root + "/namespaces/{namespace}/" + d.row.Plural
	}
	return w.root + "/" + d.row.Plural
}

// addWatches describes the paths at which everything is watched, which upstream keeps for old
// clients.
func (w *openAPIWriter) addWatches(d described) {
	watch := func(path, action, tail string) {
		op := w.about(d, "watch", tail)
		op.action, op.answer, op.codes = action, w.schemas.meta("WatchEvent"), []string{"200"}
		op.produces, op.parameters = streamedTypes, slices.Concat(listParameters, []string{"pretty"})
		op.doc = "watch objects of kind " + d.row.Kind + "; better watch a list"
		w.put(w.root+"/watch"+strings.TrimPrefix(path, w.root), "get", op)
	}
	collection := w.collection(d)
	watch(collection+"/{name}", "watch", "")
	watch(collection, "watchlist", "List")
	if d.row.Namespaced {
		watch(w.root+"/"+d.row.Plural, "watchlist", "ListForAllNamespaces")
	}
}

// addConnect describes a subresource that leads to something else. A proxy has a path for what is
// asked of it, and all methods.
func (w *openAPIWriter) addConnect(d described) {
	methods := []string{"get", "post"}
	tails := []string{""}
	if slices.Contains(d.verbs, "delete") {
		methods, tails = append(methods, "put", "delete", "options", "head", "patch"), append(tails, "WithPath")
	}
	for _, tail := range tails {
		path := w.collection(d) + "/{name}/" + d.sub.Name
		if tail != "" {
			path += "/{path}"
		}
		for _, method := range methods {
			op := w.about(d, "connect", tail)
			// The method stands before the object, and nothing else of the kind has more than one.
			op.id = "connect" + operationGroup(w.group) + OperationName(w.version) + OperationName(method) + w.object(d, tail)
			op.action, op.doc, op.codes = "connect", "connect to the "+d.sub.Name+" of an object", []string{"200"}
			op.produces, op.parameters = anyType, connectParameters[d.sub.Kind]
			w.put(path, method, op)
		}
	}
}

// put adds an operation to a path, and the parameters that the path itself has to the operation.
func (w *openAPIWriter) put(path, method string, op *operation) {
	op.parameters = slices.Clip(op.parameters)
	for _, name := range []string{"{name}", "{namespace}", "{path}"} {
		if strings.Contains(path+"/", "/"+name+"/") {
			op.parameters = append(op.parameters, name)
		}
	}
	if w.paths[path] == nil {
		w.paths[path] = operations{}
	}
	w.paths[path][method] = op
}

// Media types, in upstream's order. Nobody changes these.
var (
	anyType       = []string{"*/*"}
	customTypes   = []string{"application/json", "application/yaml"}
	builtinTypes  = append(slices.Clip(customTypes), "application/vnd.kubernetes.protobuf")
	streamedTypes = append(slices.Clip(builtinTypes), "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
	textTypes     = append([]string{"text/plain"}, builtinTypes...)
	customPatches = []string{"application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"}
	patchTypes    = []string{
		"application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml",
	}
)

// about returns the beginning of an operation: whose it is, its name, and media types.
func (w *openAPIWriter) about(d described, word, tail string) *operation {
	group, version, kind := d.kind()
	op := &operation{tag: tagOf(w.group, w.version), consumes: anyType, produces: builtinTypes}
	if d.custom {
		// Upstream describes these in a place of its own: below every path is the kind itself.
		group, version, kind = d.row.Group, d.row.Version, d.row.Kind
		op.consumes, op.produces = customTypes, customTypes
	}
	op.kind = gvkOf(group, version, kind)
	op.id = word + operationGroup(w.group) + OperationName(w.version) + w.object(d, tail)
	return op
}

// operation returns what is said of a verb, which has a form. tail ends the operationId of the
// list of all namespaces, and is "" otherwise.
func (w *openAPIWriter) operation(d described, verb, tail string) *operation {
	form := verbForms[verb]
	op := w.about(d, form.word, tail)
	op.action, op.doc, op.codes, op.answer = form.action, describeVerb(verb, d), form.codes, d.schema
	switch verb {
	case "get":
		w.describeGet(op, d)
	case "list":
		op.parameters, op.answer = listParameters, d.list
		if !d.custom {
			op.produces = streamedTypes
		}
	case "create", "update":
		op.parameters, op.body, op.bodyNeeded = writeParameters, d.schema, true
	case "patch":
		op.parameters, op.body, op.bodyNeeded, op.consumes = patchParameters, w.schemas.meta("Patch"), true, patchTypes
		if d.custom {
			// A patch creates nothing there.
			op.consumes, op.codes = customPatches, op.codes[:1]
		}
	case "delete":
		op.parameters, op.body = deleteParameters, w.schemas.meta("DeleteOptions")
		// Few kinds answer the deletion of one object with that object. Namespaces do, and upstream says
		// otherwise.
		if !d.row.ReturnsDeleted || d.row.Plural == "namespaces" {
			op.answer = w.schemas.meta("Status")
		}
	case "deletecollection":
		op.id = form.word + operationGroup(w.group) + OperationName(w.version) + "Collection" + w.object(d, tail)
		op.parameters, op.answer = listParameters, w.schemas.meta("Status")
		if !d.custom {
			op.parameters, op.body = collectionParameters, w.schemas.meta("DeleteOptions")
		}
	}
	// Every answer may be indented.
	op.parameters = append(slices.Clip(op.parameters), "pretty")
	return op
}

// describeGet completes the operation that reads one object.
func (w *openAPIWriter) describeGet(op *operation, d described) {
	switch {
	case d.schema == "":
		op.parameters, op.produces = connectParameters["PodLogOptions"], textTypes
	case d.custom:
		op.parameters = []string{"resourceVersion"}
	}
}

// object returns the part of identifiers that says what an operation is about, with a tail:
// NamespacedPodStatus.
func (w *openAPIWriter) object(d described, tail string) string {
	object := d.row.Kind
	if d.row.Namespaced && !strings.HasSuffix(tail, "ForAllNamespaces") {
		object = "Namespaced" + object
	}
	if d.sub != nil {
		object += OperationName(d.sub.Name)
	}
	return OperationName(object + tail)
}

// addDiscovery describes a discovery document, which answers with a kind of meta/v1. tag and
// id are the names that the operation has.
func (w *openAPIWriter) addDiscovery(path, tag, id, kind string) {
	w.paths[path] = operations{"get": {
		tag: tag, id: id, doc: "get the discovery document", consumes: builtinTypes, produces: builtinTypes,
		answer: w.schemas.meta(kind), codes: []string{"200"},
	}}
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
