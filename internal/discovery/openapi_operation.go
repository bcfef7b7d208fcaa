package discovery

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// An operation before it has the form of a version of OpenAPI. The two versions say the same in
// different places, so each document is made of these, and only the last step knows which it is:
//
//	                 OpenAPI v3                        OpenAPI v2
//	body             requestBody                       a parameter in "body"
//	media types      keys of the content, each with    consumes and produces
//	                 the schema
//	type of a        below schema                      beside its name
//	parameter
//	references       #/components/schemas/NAME         #/definitions/NAME
//
// What all operations of a path have in common the path has (upstream): most often its own
// parameters, and all parameters of a path with one operation.

// operation describes what one method of a path does.
type operation struct {
	tag, id, doc string
	// action is upstream's x-kubernetes-action, and kind the element of
	// x-kubernetes-group-version-kind; both are empty where it is about no kind.
	action string
	kind   map[string]any
	// consumes and produces are media types, in upstream's order.
	consumes, produces []string
	// parameters are names in queryParameters, and those of the path in braces: {name}.
	parameters []string
	// body is the component of the body, "" for none; a body may be left out unless it is needed.
	body       string
	bodyNeeded bool
	// answer is the component of the answer, "" for a text, and codes are those it comes with.
	answer string
	codes  []string
}

// operations are those of one path, by method in lower case.
type operations map[string]*operation

// sharedNames returns the names of the parameters that all operations have.
func (o operations) sharedNames() (shared []string) {
	var counts = map[string]int{}
	for _, op := range o {
		for _, name := range op.parameters {
			counts[name]++
		}
	}
	for name, n := range counts {
		if n == len(o) {
			shared = append(shared, name)
		}
	}
	return shared
}

// item returns the description of a path: its operations, and the parameters that they share. used
// gets the names of the parameters that it refers to.
func (o operations) item(form openAPIForm, used map[string]bool) map[string]any {
	out := map[string]any{}
	shared := o.sharedNames()
	if len(shared) > 0 {
		out["parameters"] = form.parameters(shared, used)
	}
	for method, op := range o {
		own := slices.DeleteFunc(slices.Clone(op.parameters), func(name string) bool { return slices.Contains(shared, name) })
		out[method] = form.operation(op, form.parameters(own, used))
	}
	return out
}

// openAPIForm is a version of OpenAPI.
type openAPIForm int

const (
	openAPI3 openAPIForm = iota
	openAPI2
)

// operation returns the description of an operation, given that of its own parameters.
func (form openAPIForm) operation(op *operation, parameters []any) map[string]any {
	out := map[string]any{
		"tags": []any{op.tag}, "operationId": op.id, "description": op.doc, "responses": form.responses(op),
	}
	if op.action != "" {
		out["x-kubernetes-action"], out["x-kubernetes-group-version-kind"] = op.action, op.kind
	}
	switch {
	case form == openAPI2:
		out["schemes"] = []any{"https"}
		if len(op.consumes) > 0 {
			out["consumes"] = anyList(op.consumes)
		}
		out["produces"] = anyList(op.produces)
		if op.body != "" {
			body := map[string]any{"name": "body", "in": "body", "schema": schemaRef(op.body)}
			parameters = append([]any{needed(body, op.bodyNeeded)}, parameters...)
		}
	case op.body != "":
		out["requestBody"] = needed(map[string]any{"content": contentOf(op.body, op.consumes)}, op.bodyNeeded)
	}
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	return out
}

// needed returns the description of a body, in which it notes whether there must be one.
func needed(body map[string]any, required bool) map[string]any {
	if required {
		body["required"] = true
	}
	return body
}

// responses returns the answers of an operation: its own for each of its codes, and the 401 that
// upstream lists everywhere, though the other failures nowhere.
func (form openAPIForm) responses(op *operation) map[string]any {
	words := map[string]string{"200": "OK", "201": "Created", "202": "Accepted"}
	out := map[string]any{"401": map[string]any{"description": "Unauthorized"}}
	for _, code := range op.codes {
		answer := map[string]any{"description": words[code]}
		if form == openAPI2 {
			answer["schema"] = answerSchema(op.answer)
		} else {
			answer["content"] = contentOf(op.answer, op.produces)
		}
		out[code] = answer
	}
	return out
}

// contentOf returns a body of a component, or a text, by media type.
func contentOf(component string, types []string) map[string]any {
	out := map[string]any{}
	for _, t := range types {
		out[t] = map[string]any{"schema": answerSchema(component)}
	}
	return out
}

// answerSchema returns a reference to a component, or the schema of a text if the name is "".
func answerSchema(component string) map[string]any {
	if component == "" {
		return map[string]any{"type": "string"}
	}
	return schemaRef(component)
}

// parameters returns the descriptions of parameters, or references to them, by their names; used
// gets the names of those referred to.
func (form openAPIForm) parameters(names []string, used map[string]bool) (out []any) {
	// By name; of two that have the same, the path's is first.
	names = slices.SortedFunc(slices.Values(names), func(a, b string) int {
		return cmp.Or(strings.Compare(bareName(a), bareName(b)), strings.Compare(b, a))
	})
	for _, name := range names {
		if inlineParameters[name] {
			out = append(out, form.parameter(name))
			continue
		}
		used[name] = true
		out = append(out, map[string]any{"$ref": "#/components/parameters/" + parameterKey(name)})
	}
	return out
}

// parameter returns the description of a parameter by its name, which queryParameters must have.
func (form openAPIForm) parameter(name string) map[string]any {
	p := queryParameters[name]
	out := map[string]any{"name": bareName(name), "in": "query", "description": p.doc}
	if name[0] == '{' {
		out["in"], out["required"] = "path", true
	}
	schema := map[string]any{"type": p.typ, "uniqueItems": true}
	if form == openAPI2 {
		maps.Copy(out, schema)
	} else {
		out["schema"] = schema
	}
	return out
}

// components returns the descriptions of the parameters that are referred to, by their keys.
func (form openAPIForm) components(used map[string]bool) map[string]any {
	out := map[string]any{}
	for name := range used {
		out[parameterKey(name)] = form.parameter(name)
	}
	return out
}

// bareName returns the name that a parameter has in requests.
func bareName(name string) string { return strings.Trim(name, "{}") }

// parameterKey returns the name under which a parameter is referred to. One of the path and one of
// the query may have the same name, and a reference cannot have braces.
func parameterKey(name string) string {
	if name[0] == '{' && queryParameters[bareName(name)].typ != "" {
		return bareName(name) + "-in-path"
	}
	return bareName(name)
}

// anyList returns texts as elements of a tree.
func anyList(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}
