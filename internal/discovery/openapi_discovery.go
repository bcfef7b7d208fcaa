package discovery

import "strings"

// The OpenAPI documents of the discovery paths, /api/, /apis/ and /apis/GROUP/, and the types
// that only those documents and the lists of resources have. Upstream's are generated from its
// Go types. No kind of ours has them, so they are written down here.

// discoveryOpenAPI returns the document of one discovery path, which answers with a kind of
// discoveryType. tag and operation are the names that the operation has.
func discoveryOpenAPI(path, tag, operation, kind string) []byte {
	schemas := newSchemaWriter(nil)
	paths := map[string]any{path: map[string]any{"get": map[string]any{
		"tags": []string{tag}, "description": "get the discovery document", "operationId": operation,
		"responses": responses(schemas.meta(kind), "200"),
	}}}
	return openAPIText(paths, schemas.out, false)
}

// discoveryType returns the schema of a type of the discovery documents, by upstream's name of it
// in meta/v1. Any other name makes an object of which nothing is said.
func (w *schemaWriter) discoveryType(name string) map[string]any {
	text := map[string]any{"type": "string"}
	below := func(name string) map[string]any { return schemaRef(w.meta(name)) }
	switch name {
	case "APIVersions":
		return kindSchemaOf(name, "The versions of the core group.", "versions serverAddressByClientCIDRs", map[string]any{
			"versions": listOf(text), "serverAddressByClientCIDRs": listOf(below("ServerAddressByClientCIDR")),
		})
	case "APIGroup":
		return kindSchemaOf(name, "A group and its versions.", "name versions", map[string]any{
			"name": text, "versions": listOf(below("GroupVersionForDiscovery")),
			"preferredVersion":           below("GroupVersionForDiscovery"),
			"serverAddressByClientCIDRs": listOf(below("ServerAddressByClientCIDR")),
		})
	case "APIGroupList":
		return kindSchemaOf(name, "All groups.", "groups", map[string]any{"groups": listOf(below("APIGroup"))})
	case "APIResourceList":
		return kindSchemaOf(name, "The resources of a version.", "groupVersion resources", map[string]any{
			"groupVersion": text, "resources": listOf(below("APIResource")),
		})
	case "APIResource":
		return typeSchema("A resource or subresource.", "name singularName namespaced kind verbs", map[string]any{
			"name": text, "singularName": text, "namespaced": map[string]any{"type": "boolean"},
			"group": text, "version": text, "kind": text, "verbs": listOf(text),
			"shortNames": listOf(text), "categories": listOf(text), "storageVersionHash": text,
		})
	case "GroupVersionForDiscovery":
		return typeSchema("A version of a group.", "groupVersion version", map[string]any{"groupVersion": text, "version": text})
	case "ServerAddressByClientCIDR":
		return typeSchema("Where clients of a network find the server.", "clientCIDR serverAddress", map[string]any{
			"clientCIDR": text, "serverAddress": text,
		})
	case "Patch":
		return objectSchema("A patch, in the form that its media type says.", nil)
	}
	return objectSchema("", nil)
}

// typeSchema returns an object with properties of which some, their names separated by spaces,
// are required.
func typeSchema(doc, required string, properties map[string]any) map[string]any {
	s := objectSchema(doc, properties)
	var names []any
	for name := range strings.FieldsSeq(required) {
		names = append(names, name)
	}
	s["required"] = names
	return s
}

// kindSchemaOf returns typeSchema of a type that is a kind of the core group's v1, with the
// fields that every kind has.
func kindSchemaOf(kind, doc, required string, properties map[string]any) map[string]any {
	s := typeSchema(doc, required, properties)
	// s has the same map of properties: these two are added to those it was given.
	properties["apiVersion"], properties["kind"] = apiVersionSchema(), kindSchema()
	s["x-kubernetes-group-version-kind"] = []any{gvkOf("", "v1", kind)}
	return s
}

// listOf returns a list of elements.
func listOf(element map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": element}
}
