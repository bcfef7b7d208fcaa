package discovery

import (
	"slices"
	"strings"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// The paths of a document: each operation of each resource, with the parameters that
// kubectl looks for before it uses them, and the media types of patches by which it
// chooses how to patch.

// openAPIWriter collects one document.
type openAPIWriter struct {
	group, version string
	root           string // /apis/apps/v1
	schemas        *schemaWriter
	paths          map[string]any
}

func newOpenAPIWriter(table *kinds.Table, group, version string) *openAPIWriter {
	w := &openAPIWriter{group: group, version: version, root: "/" + groupVersionKey(group, version), schemas: newSchemaWriter(table), paths: map[string]any{}}
	w.paths[w.root+"/"] = map[string]any{"get": map[string]any{
		"tags": []string{tagOf(group, version)}, "description": "get available resources",
		"operationId": "get" + operationGroup(group) + OperationName(version) + "APIResources",
		"responses":   responses(w.schemas.meta("APIResourceList"), "200"),
	}}
	return w
}

// described is a resource as its operations show it.
type described struct {
	plural, kind         string
	owner                string // kind of the resource, where this is a subresource
	namespaced           bool
	verbs                []string
	schema, list         string // components
	strategic            bool   // takes strategic merge patches
	deleteGivesObject    bool
	sub                  string // of a subresource
	subGroup, subVersion string // of its kind
}

// addKinds describes the built-in kinds of the group and version.
func (w *openAPIWriter) addKinds() {
	if w.schemas.table == nil {
		return
	}
	for _, row := range w.schemas.table.Kinds {
		if row.Group != w.group || row.Version != w.version {
			continue
		}
		d := described{
			plural: row.Plural, kind: row.Kind, owner: row.Kind, namespaced: row.Namespaced, verbs: row.Verbs, strategic: true,
			deleteGivesObject: row.ReturnsDeleted, schema: w.schemas.kind(row.Type, row.Group, row.Version, row.Kind),
		}
		if slices.Contains(row.Verbs, "list") {
			d.list = w.schemas.list(d.schema, row.Group, row.Version, row.Kind+"List")
		}
		w.add(d)
		for _, s := range row.Subresources {
			sub := described{plural: row.Plural, kind: s.Kind, owner: row.Kind, namespaced: row.Namespaced, verbs: s.Verbs, sub: s.Name, subGroup: s.Group, subVersion: s.Version, strategic: true}
			sub.schema = d.schema
			if s.Type != row.Type {
				sub.schema = w.schemas.kind(s.Type, s.Group, s.Version, s.Kind)
			}
			w.add(sub)
		}
	}
}

// addCustom describes a custom resource.
func (w *openAPIWriter) addCustom(doc *Definition) {
	v := doc.version(w.version)
	schema := w.schemas.custom(doc, w.version)
	for _, r := range doc.resources(v) {
		d := described{plural: doc.plural, kind: r.kind, owner: doc.kind, namespaced: doc.namespaced, verbs: r.verbs, schema: schema}
		var isSub bool
		if _, d.sub, isSub = strings.Cut(r.name, "/"); isSub {
			d.subGroup, d.subVersion = w.group, w.version
			if d.sub == "scale" {
				d.subGroup, d.subVersion, d.schema = r.group, r.version, w.schemas.scale()
			}
		} else {
			d.list = w.schemas.list(schema, w.group, w.version, doc.listKind)
		}
		w.add(d)
	}
}

// add describes the operations of a resource or subresource.
func (w *openAPIWriter) add(d described) {
	collection := w.root + "/" + d.plural
	if d.namespaced {
		collection = w.root + "/namespaces/{namespace}/" + d.plural
		if slices.Contains(d.verbs, "list") {
			all := w.operation(d, "list", "ForAllNamespaces")
			w.put(w.root+"/"+d.plural, d, "get", all)
		}
	}
	for _, verb := range d.verbs {
		method, item := "", true
		switch verb {
		case "get":
			method = "get"
		case "list":
			method, item = "get", false
		case "create":
			method, item = "post", d.sub != ""
		case "update":
			method = "put"
		case "patch", "delete":
			method = verb
		case "deletecollection":
			method, item = "delete", false
		default: // a watch is a list with a parameter
			continue
		}
		path := collection
		if item {
			path += "/{name}"
			if d.sub != "" {
				path += "/" + d.sub
			}
		}
		w.put(path, d, method, w.operation(d, verb, ""))
	}
}

func (w *openAPIWriter) put(path string, d described, method string, operation map[string]any) {
	item, ok := w.paths[path].(map[string]any)
	if !ok {
		parameters := []any{}
		if strings.Contains(path, "/{name}") {
			parameters = append(parameters, parameterRef("name"))
		}
		if strings.Contains(path, "/{namespace}/") {
			parameters = append(parameters, parameterRef("namespace"))
		}
		item = map[string]any{"parameters": append(parameters, parameterRef("pretty"))}
		w.paths[path] = item
	}
	item[method] = operation
}

// operation is what is said of a verb. Its identifier is upstream's, which generated
// clients have as the names of their methods.
func (w *openAPIWriter) operation(d described, verb, tail string) map[string]any {
	gvk := map[string]any{"group": w.group, "version": w.version, "kind": d.kind}
	if d.sub != "" {
		gvk["group"], gvk["version"] = d.subGroup, d.subVersion
	}
	action, word := verb, verb
	switch verb {
	case "create":
		action = "post"
	case "update":
		action, word = "put", "replace"
	case "get":
		word = "read"
	case "deletecollection":
		word = "delete"
	}
	name := word + operationGroup(w.group) + OperationName(w.version)
	if verb == "deletecollection" {
		name += "Collection"
	}
	if d.namespaced && tail == "" {
		name += "Namespaced"
	}
	name += d.owner + OperationName(d.sub) + tail
	op := map[string]any{
		"tags": []string{tagOf(w.group, w.version)}, "operationId": name, "description": describeVerb(verb, d),
		"x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
	}
	answer := d.schema
	switch verb {
	case "list":
		op["parameters"], answer = parameterRefs(listParameters()), d.list
	case "create", "update", "patch":
		op["parameters"] = writeParameters(verb == "patch")
		op["requestBody"] = map[string]any{"required": true, "content": w.content(d, verb)}
	case "delete", "deletecollection":
		names := deleteParameters()
		if verb == "deletecollection" {
			names = append(listParameters(), names...)
		}
		op["parameters"] = parameterRefs(names)
		op["requestBody"] = map[string]any{"content": jsonContent(w.schemas.meta("DeleteOptions"))}
		if verb == "deletecollection" || !d.deleteGivesObject {
			answer = w.schemas.meta("Status")
		}
	}
	codes := map[string][]string{"create": {"200", "201", "202"}, "update": {"200", "201"}, "patch": {"200", "201"}, "delete": {"200", "202"}}[verb]
	if codes == nil {
		codes = []string{"200"}
	}
	op["responses"] = responses(answer, codes...)
	return op
}

func (w *openAPIWriter) content(d described, verb string) map[string]any {
	if verb != "patch" {
		return jsonContent(d.schema)
	}
	out := map[string]any{}
	types := []string{"application/json-patch+json", "application/merge-patch+json"}
	if d.strategic {
		types = append(types, "application/strategic-merge-patch+json")
	}
	for _, t := range types {
		out[t] = map[string]any{"schema": schemaRef(w.schemas.meta("Patch"))}
	}
	return out
}

// document is the whole document.
func (w *openAPIWriter) document() []byte {
	return openAPIText(w.paths, w.schemas.out, true)
}

// discoveryOpenAPI is the document of a discovery path.
func discoveryOpenAPI(path, tag, operation, kind string) []byte {
	schemas := newSchemaWriter(nil)
	paths := map[string]any{path: map[string]any{"get": map[string]any{
		"tags": []string{tag}, "description": "get the discovery document", "operationId": operation, "responses": responses(schemas.meta(kind), "200"),
	}}}
	return openAPIText(paths, schemas.out, false)
}

func openAPIText(paths, schemas map[string]any, parameters bool) []byte {
	components := map[string]any{"schemas": schemas, "securitySchemes": map[string]any{
		"BearerToken": map[string]any{"type": "apiKey", "in": "header", "name": "authorization", "description": "a bearer token"},
	}}
	if parameters {
		components["parameters"] = sharedParameters()
	}
	return append(tree.AppendJSON(nil, map[string]any{
		"openapi": "3.0.0", "info": map[string]any{"title": "Kubernetes", "version": kinds.KubernetesVersion}, "paths": paths, "components": components,
	}), '\n')
}

func jsonContent(schema string) map[string]any {
	out := map[string]any{}
	for _, t := range []string{"application/json", "application/yaml"} {
		out[t] = map[string]any{"schema": schemaRef(schema)}
	}
	return out
}

func responses(schema string, codes ...string) map[string]any {
	words := map[string]string{"200": "OK", "201": "Created", "202": "Accepted"}
	out := map[string]any{"401": map[string]any{"description": "Unauthorized"}}
	for _, code := range codes {
		out[code] = map[string]any{"description": words[code], "content": jsonContent(schema)}
	}
	return out
}

func describeVerb(verb string, d described) string {
	what := d.kind
	if d.sub != "" {
		what = "the " + d.sub + " of " + d.plural
	}
	switch verb {
	case "list":
		return "list or watch objects of kind " + d.kind
	case "create":
		return "create " + what
	case "update":
		return "replace " + what
	case "patch":
		return "change parts of " + what
	case "deletecollection":
		return "delete all selected objects of kind " + d.kind
	}
	return strings.Replace(verb, "get", "read", 1) + " " + what
}

// tagOf is the tag of operations: core_v1, apiextensions_v1, exampleCom_v1.
func tagOf(group, version string) string {
	name := operationGroup(group)
	name = strings.ToLower(name[:1]) + name[1:]
	if version == "" {
		return name
	}
	return name + "_" + version
}

// operationGroup is a group as part of an identifier: Core, Apiextensions, ExampleCom.
func operationGroup(group string) string {
	if group == "" {
		return "Core"
	}
	return OperationName(strings.TrimSuffix(group, ".k8s.io"))
}

func listParameters() []string {
	return []string{"allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch"}
}

func deleteParameters() []string {
	return []string{"dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"}
}

func parameterRef(name string) map[string]any {
	return map[string]any{"$ref": "#/components/parameters/" + name}
}

func parameterRefs(names []string) []any {
	var out []any
	for _, name := range names {
		out = append(out, parameterRef(name))
	}
	return out
}

// writeParameters are written out in each operation, since kubectl follows no reference
// when it looks for fieldValidation and dryRun.
func writeParameters(patch bool) []any {
	names := []string{"dryRun", "fieldManager", "fieldValidation"}
	if patch {
		names = append(names, "force")
	}
	var out []any
	for _, name := range names {
		out = append(out, queryParameter(name))
	}
	return out
}

// sharedParameters are those that operations refer to.
func sharedParameters() map[string]any {
	out := map[string]any{}
	for _, name := range slices.Concat([]string{"pretty"}, listParameters(), deleteParameters()) {
		out[name] = queryParameter(name)
	}
	for name, doc := range map[string]string{"name": "the name of the object", "namespace": "the namespace of the object"} {
		out[name] = map[string]any{"name": name, "in": "path", "required": true, "description": doc, "schema": map[string]any{"type": "string"}}
	}
	return out
}

func queryParameter(name string) map[string]any {
	typ, doc := "string", ""
	switch name {
	case "pretty":
		doc = "true: the answer is indented"
	case "dryRun":
		doc = "All: everything is done except that nothing is stored"
	case "fieldManager":
		doc = "who makes the change, at most 128 printable characters"
	case "fieldValidation":
		doc = "what becomes of unknown and repeated fields: Ignore drops them, Warn (the default) also sends a warning for each, Strict refuses the request"
	case "force":
		typ, doc = "boolean", "take fields over from other managers; only for an apply patch"
	case "allowWatchBookmarks":
		typ, doc = "boolean", "a watch may get events of type BOOKMARK, which tell how far it has come"
	case "continue":
		doc = "the token of the list before, for what follows it"
	case "fieldSelector":
		doc = "only objects whose fields are so"
	case "labelSelector":
		doc = "only objects whose labels are so"
	case "limit":
		typ, doc = "integer", "at most so many objects, and a token for more"
	case "resourceVersion":
		doc = "how new the answer must be, or from where a watch begins"
	case "resourceVersionMatch":
		doc = "how resourceVersion is meant: Exact or NotOlderThan"
	case "sendInitialEvents":
		typ, doc = "boolean", "a watch begins with an event for each object there is, and a bookmark"
	case "timeoutSeconds":
		typ, doc = "integer", "ends the list or watch after so many seconds"
	case "watch":
		typ, doc = "boolean", "changes, one after another, instead of a list"
	case "gracePeriodSeconds":
		typ, doc = "integer", "how long the object may take to end; 0 is at once"
	case "orphanDependents":
		typ, doc = "boolean", "use propagationPolicy instead"
	case "propagationPolicy":
		doc = "what becomes of the objects that this one owns: Orphan, Background or Foreground"
	}
	return map[string]any{"name": name, "in": "query", "description": doc, "schema": map[string]any{"type": typ, "uniqueItems": true}}
}
