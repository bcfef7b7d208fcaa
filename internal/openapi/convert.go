package openapi

import (
	"fmt"
	"strings"

	"apichain/internal/tree"
)

// A document of v2 as one of v3, for servers that have no other. What moves:
//
//	v2                                            v3
//	definitions, securityDefinitions, responses   components.schemas, securitySchemes, responses
//	a parameter named body with a schema          requestBody, once for each media type of consumes
//	the schema of a response                      content, once for each media type of produces
//	type, format of another parameter             its schema
//	a reference with more beside it               allOf of that reference
//
// What upstream's conversion loses is lost here too: shared parameters, security, headers, bounds of parameters, and
// media types that only the document as a whole has.

// mostContent is how many bytes the schemas of contents may take, as JSON. A schema is written once for each media type,
// so two lists of a document could be multiplied to more than any memory has.
const mostContent = 64 << 20

// converter converts one document. left is what contents may still take; it is negative if one was left out.
type converter struct{ left int }

// ToV3 returns the document in v3, or an error if that would be many times larger. It shares values with d, and changes
// some: d must not be used after.
func (d Document) ToV3() (map[string]any, error) {
	c := &converter{left: mostContent}
	out := c.document(d)
	// Checked once at the end: from the first content that was left out on, nothing else is made.
	if c.left < 0 {
		return nil, fmt.Errorf("media types make more than %d bytes of its schemas", mostContent)
	}
	return out, nil
}

// document converts a whole document.
func (c *converter) document(d Document) map[string]any {
	// info is there even where the document has none, as upstream writes it.
	out := map[string]any{"openapi": "3.0.0", "info": d["info"]}
	keepOnly(out, d, "externalDocs")
	// An empty object is not the same as none: who has paths in v2 has them in v3.
	if paths := d.part("paths"); paths != nil {
		converted := map[string]any{}
		for path, item := range paths {
			// Of any kind, and so nothing to convert.
			if isExtension(path) {
				converted[path] = item
				continue
			}
			converted[path] = c.path(tree.Object(item))
		}
		out["paths"] = converted
	}
	// Also with nothing in it.
	components := map[string]any{}
	eachPart := func(from, to string, convert func(map[string]any) map[string]any) {
		for name, v := range d.part(from) {
			tree.Set(components, convert(tree.Object(v)), to, name)
		}
	}
	eachPart("definitions", "schemas", schemaToV3)
	eachPart("securityDefinitions", "securitySchemes", securityToV3)
	eachPart("responses", "responses", func(r map[string]any) map[string]any {
		// A shared response is of no operation, so what counts is what the whole document says.
		return c.response(r, tree.List(map[string]any(d), "produces"))
	})
	out["components"] = components
	return out
}

// keep copies members of one object to another, and all extensions.
func keep(to, from map[string]any, names ...string) {
	for _, name := range names {
		if v, ok := from[name]; ok {
			to[name] = v
		}
	}
	for name, v := range from {
		if isExtension(name) {
			to[name] = v
		}
	}
}

// path converts all operations of a path.
func (c *converter) path(item map[string]any) map[string]any {
	out := map[string]any{}
	keep(out, item, "$ref")
	// v3 has trace too; v2 has not.
	for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch"} {
		if op := tree.Object(item, method); op != nil {
			out[method] = c.operation(op)
		}
	}
	var parameters []any
	for _, p := range tree.List(item, "parameters") {
		parameters = append(parameters, parameterToV3(tree.Object(p)))
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	return out
}

// operation converts an operation.
func (c *converter) operation(op map[string]any) map[string]any {
	// An operation that says none has no content: what the document says is not looked at (upstream).
	out, produces := map[string]any{}, tree.List(op, "produces")
	keep(out, op, "description", "externalDocs", "tags", "summary", "deprecated", "operationId")
	var parameters []any
	for _, p := range tree.List(op, "parameters") {
		p := tree.Object(p)
		// By its name and not by what it is in: so upstream tells it. Of two the last one is it.
		if schema := tree.Object(p, "schema"); schema != nil && tree.Text(p, "name") == "body" {
			out["requestBody"] = c.withContent(map[string]any{}, schema, tree.List(op, "consumes"))
			continue
		}
		parameters = append(parameters, parameterToV3(p))
	}
	if parameters != nil {
		out["parameters"] = parameters
	}
	responses := map[string]any{}
	for code, r := range tree.Object(op, "responses") {
		if isExtension(code) {
			responses[code] = r
			continue
		}
		responses[code] = c.response(tree.Object(r), produces)
	}
	// v3 wants it, so it is there without an answer in it too.
	out["responses"] = responses
	return out
}

// withContent adds a schema to what has content, the same for each of the media types.
func (c *converter) withContent(to, schema map[string]any, types []any) map[string]any {
	// One tree for all types: it is written as often as there are types, but kept once.
	one := map[string]any{"schema": schemaToV3(schema)}
	// Counted before it is made. A negative rest stays negative, so the error is not lost.
	if c.left -= len(types) * len(tree.AppendJSON(nil, one)); len(types) == 0 || c.left < 0 {
		return to
	}
	content := map[string]any{}
	for _, mediaType := range tree.Strings(types) {
		content[mediaType] = one
	}
	to["content"] = content
	return to
}

// orEmpty returns an object, an empty one where v is none.
func orEmpty(v any) map[string]any {
	if o, ok := v.(map[string]any); ok {
		return o
	}
	return map[string]any{}
}

// response converts a response.
func (c *converter) response(r map[string]any, produces []any) map[string]any {
	out := map[string]any{}
	keep(out, r, "description")
	moveReference(out, r, "#/responses/", "#/components/responses/")
	if schema := tree.Object(r, "schema"); schema != nil {
		c.withContent(out, schema, produces)
	}
	return out
}

// parameterToV3 converts a parameter that is no body.
func parameterToV3(p map[string]any) map[string]any {
	out := map[string]any{}
	keep(out, p, "name", "description", "in", "required", "allowEmptyValue")
	moveReference(out, p, toParameter, "#/components/parameters/")
	// A body with another name, or one of a whole path, stays what it was.
	if schema := tree.Object(p, "schema"); schema != nil {
		out["schema"] = schemaToV3(schema)
		return out
	}
	// Its type is said even where there is none, as of a reference (upstream).
	schema := map[string]any{"type": tree.Text(p, "type")}
	keepOnly(schema, p, "format", "uniqueItems")
	out["schema"] = schema
	return out
}

// keepOnly copies members of one object to another.
func keepOnly(to, from map[string]any, names ...string) {
	for _, name := range names {
		if v, ok := from[name]; ok {
			to[name] = v
		}
	}
}

// moveReference copies a reference, with another beginning.
func moveReference(to, from map[string]any, old, beginning string) {
	if ref := tree.Text(from, "$ref"); ref != "" {
		to["$ref"] = strings.Replace(ref, old, beginning, 1)
	}
}

// securityToV3 converts how clients tell who they are.
func securityToV3(s map[string]any) map[string]any {
	out := map[string]any{}
	keep(out, s, "description", "type", "name", "in")
	if flow := tree.Text(s, "flow"); flow != "" {
		conversion := map[string]any{}
		keepOnly(conversion, s, "authorizationUrl", "tokenUrl", "scopes")
		// v3 has several flows, each with its own addresses; v2 has one.
		out["flows"] = map[string]any{flow: conversion}
	}
	return out
}

// schemaToV3 changes a schema, and all below it that conversion looks at.
func schemaToV3(s map[string]any) map[string]any {
	// The alternatives' own references stay as they are (upstream), but are put into allOf like all others.
	convertReferences(s)
	walk(s, "schema", func(object map[string]any, shape string) {
		// v3 ignores what stands beside a reference, such as a default or a description: within allOf it counts.
		if ref := object["$ref"]; shape == "schema" && ref != nil && len(object) > 1 {
			delete(object, "$ref")
			object["allOf"] = []any{map[string]any{"$ref": ref}}
		}
	})
	return s
}

// convertReferences gives the references of a schema, its properties and elements their new beginning.
func convertReferences(s map[string]any) {
	if ref := tree.Text(s, "$ref"); ref != "" {
		// Whatever stands before it: an address of the same document.
		if i := strings.Index(ref, toDefinition); i >= 0 {
			s["$ref"] = "#/components/schemas/" + ref[i+len(toDefinition):]
		}
	}
	// Down a tree that Read has bounded in depth; references are not followed.
	for _, p := range tree.Object(s, "properties") {
		convertReferences(orEmpty(p))
	}
	for _, key := range []string{"items", "additionalProperties", "additionalItems"} {
		switch v := s[key].(type) {
		case map[string]any:
			convertReferences(v)
		case []any:
			for _, e := range v {
				convertReferences(orEmpty(e))
			}
		}
	}
}
