package admin

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The OpenAPI document of this API: GET /admin/v1/openapi.json. It is made of the table of
// endpoints and of the tags of the shapes, by reflection, so it cannot describe what is not
// served: paths and methods are the table's rows, schemas the shapes of their answers and
// bodies, descriptions their doc tags. Clients in other languages can be generated from it.
//
// An answer and a body have different schemas of the same struct. Every key of an answer is
// required, since none is ever left out, and more keys may come in a later version. A key
// of a body is required only if it is needed, and no other key is taken.
//
// Source: the contract, GET /admin/v1/openapi.json; OpenAPI 3.1.1; JSON Schema 2020-12.

// object is a JSON object of the document. encoding/json writes its keys in order, so the
// document is the same each time.
type object = map[string]any

// serveOpenAPI serves the document. It depends on nothing but Options.Profiling; its ETag is
// the moment's, as that of every answer.
func serveOpenAPI(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty"); err != nil {
		return err
	}
	a.readStable(ans, func() {})
	return ans.reply(http.StatusOK, describeAPI(a.endpoints))
}

// document gathers the schemas that others refer to while the document is made.
type document struct{ schemas object }

// describeAPI returns the document of some endpoints.
func describeAPI(endpoints []endpoint) object {
	d := document{schemas: object{}}
	// Every operation refers to it, though no endpoint has it as its answer.
	d.schemas["Status"] = d.structSchema(reflect.TypeFor[statusShape](), true)
	paths := object{}
	for i := range endpoints {
		e := &endpoints[i]
		item := object{}
		for _, method := range e.methods() {
			item[strings.ToLower(method)] = d.operation(e, method)
		}
		paths[e.path] = item
		if e.path == pprofPath {
			paths[pprofPath+"{profile}"] = d.profiles(e)
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":   "apichain admin API",
			"version": "v1",
			"description": "HEAD goes with GET. Every answer has ETag, the generation, and Audit-Id. " +
				"x-role is the role that a caller needs: view; operate, which includes view; or dangerous, which includes view.",
		},
		"paths":      paths,
		"components": object{"schemas": d.schemas},
	}
}

// profiles returns the path item of the profiles below an endpoint, which is one row of the
// table and two paths of the document.
func (d *document) profiles(e *endpoint) object {
	op := d.operation(e, http.MethodGet)
	// Ids must be unique, since generators name functions by them.
	op["operationId"] = op["operationId"].(string) + "Profile"
	op["parameters"] = describeQuery(profileQuery)
	return object{"get": op, "parameters": []any{object{
		"name": "profile", "in": "path", "required": true,
		"schema": object{"type": "string", "enum": append(slices.Clone(instantProfiles), "profile", "trace")},
	}}}
}

// operation describes one method of an endpoint.
func (d *document) operation(e *endpoint, method string) object {
	op := object{
		"operationId": strings.ToLower(method) + title(e.id()),
		"summary":     e.summary,
		"x-role":      e.roles[method],
		"responses":   d.responses(e, method),
	}
	// Changes take what selects the form of their answer, and nothing else.
	query := []parameter{prettyParameter, wideParameter}
	if method == http.MethodGet {
		query = parametersOf(e)
	}
	// An empty list of parameters is left out: generators differ in what they make of one.
	if params := append(describeQuery(query), describeHeaders(e, method)...); len(params) > 0 {
		op["parameters"] = params
	}
	if method == http.MethodPut || method == http.MethodPost {
		body := object{"type": "object"}
		if of, ok := bodies[e.path]; ok {
			body = d.structSchema(reflect.TypeOf(of), false)
		}
		op["requestBody"] = object{"required": true, "content": object{formJSON: object{"schema": body}}}
	}
	return op
}

// describeQuery describes the parameters of a query.
func describeQuery(query []parameter) []any {
	params := []any{}
	for _, p := range query {
		schema := object{"type": p.kind}
		if p.kind == "array" {
			schema["items"] = object{"type": "string"}
		}
		params = append(params, object{"name": p.name, "in": "query", "description": p.doc, "schema": schema})
	}
	return params
}

// describeHeaders describes the headers that a method of an endpoint reads, beside those
// that OpenAPI has other words for (Accept, Content-Type).
func describeHeaders(e *endpoint, method string) (params []any) {
	if method == http.MethodPut || method == http.MethodDelete {
		params = append(params, object{
			"name": "If-Match", "in": "header", "required": true,
			"description": "the ETag of what was read, or *",
			"schema":      object{"type": "string"},
		})
	}
	if slices.Contains(e.forms, formEvents) {
		params = append(params, object{
			"name": "Last-Event-ID", "in": "header",
			"description": "id of the last event that was read: what came after it is sent first",
			"schema":      object{"type": "string"},
		})
	}
	return params
}

// errorCodes returns the statuses of refusals by method: first those of reading, then what
// PUT, POST and DELETE have beside. 404 and 405 are left out, which are of no operation.
// Source: the contract, Errors.
func errorCodes(e *endpoint, method string) []int {
	codes := []int{400, 401, 403, 406, 500}
	switch method {
	case http.MethodPut:
		codes = append(codes, 409, 412, 413, 415, 422, 428)
	case http.MethodPost:
		codes = append(codes, 409, 413, 415, 422)
	case http.MethodDelete:
		codes = append(codes, 409, 412, 413, 428)
	}
	switch e.path {
	case "/admin/v1/bundle", "/admin/v1/stream":
		codes = append(codes, http.StatusTooManyRequests)
	case pprofPath, "/admin/v1/snapshot":
		codes = append(codes, http.StatusConflict)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// responses describes the answers of one method of an endpoint: the 200 in each form that
// is offered, and the refusals, each of which is a Status.
func (d *document) responses(e *endpoint, method string) object {
	content := object{}
	for _, form := range e.forms {
		// Parameters such as charset are no part of a key: generators compare it as a whole.
		kind, _, _ := strings.Cut(form, ";")
		content[kind] = object{"schema": d.formSchema(e, method, kind)}
	}
	out := object{"200": object{"description": e.summary, "content": content}}
	for _, code := range errorCodes(e, method) {
		refusal := object{"schema": object{"$ref": "#/components/schemas/Status"}}
		out[strconv.Itoa(code)] = object{"description": http.StatusText(code), "content": object{formJSON: refusal}}
	}
	return out
}

// formSchema returns the schema of an answer in one form: text is a string, and what is
// neither text nor JSON may be anything.
func (d *document) formSchema(e *endpoint, method, kind string) object {
	switch {
	case kind == formJSON && method == http.MethodGet && e.path == "/admin/v1/snapshot":
		// The one endpoint whose GET and PUT answer with different things.
		return d.structSchema(reflect.TypeFor[snapshotBody](), false)
	case kind == formJSON && e.response != nil:
		return d.responseSchema(e)
	case kind == formJSON:
		return object{"type": "object"}
	case kind == formGzip || kind == formBinary:
		return object{}
	}
	return object{"type": "string"}
}

// responseSchema returns the schema of an endpoint's JSON. Its items are of the type that
// the table has; the type of the answer says only that there are some.
func (d *document) responseSchema(e *endpoint) object {
	schema := d.structSchema(reflect.TypeOf(e.response), true)
	if e.item != nil {
		schema["properties"].(object)["items"] = object{
			"type": "array", "items": d.schema(reflect.TypeOf(e.item), true), "description": "the items",
		}
	}
	return schema
}

// structSchema returns the schema of a struct, with the fields of embedded ones as its own.
// Of an answer every key is required, but for those that have the tag optional and for
// types that write themselves, which may leave keys out. Of a body those with the tag
// needed are.
func (d *document) structSchema(t reflect.Type, isAnswer bool) object {
	properties, required := object{}, []string{}
	writesItself := t.Implements(reflect.TypeFor[json.Marshaler]())
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		schema := d.schema(f.Type, isAnswer)
		// Beside a $ref too: since 3.1 it may have siblings.
		if doc := f.Tag.Get("doc"); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if isAnswer && !writesItself && f.Tag.Get("optional") == "" || f.Tag.Get("needed") != "" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	out := object{"type": "object", "properties": properties, "required": required}
	if !isAnswer {
		out["additionalProperties"] = false
	}
	return out
}

// schema returns the schema of a type. Named structs of answers become components, under
// the name of the type; all else stands where it is used.
func (d *document) schema(t reflect.Type, isAnswer bool) object {
	if t == reflect.TypeFor[Time]() {
		return object{"type": []string{"string", "null"}, "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return orNull(d.schema(t.Elem(), isAnswer))
	case reflect.Struct:
		if t.Name() == "" || !isAnswer {
			return d.structSchema(t, isAnswer)
		}
		return d.component(t)
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem(), isAnswer)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem(), isAnswer)}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

// orNull returns the schema of what may be null. It changes s where s has a type.
func orNull(s object) object {
	if kind, ok := s["type"].(string); ok {
		s["type"] = []string{kind, "null"}
		return s
	}
	return object{"anyOf": []any{s, object{"type": "null"}}}
}

// component adds the schema of a named struct to the document, once, and returns a
// reference to it.
func (d *document) component(t reflect.Type) object {
	name := title(t.Name())
	if d.schemas[name] == nil {
		// Its place is taken first, since its fields may refer to it.
		d.schemas[name] = object{}
		d.schemas[name] = d.structSchema(t, true)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// title returns a name with the first letter of each part in upper case and nothing
// between them: debug/pprof is DebugPprof.
func title(s string) string {
	var b strings.Builder
	separates := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for part := range strings.FieldsFuncSeq(s, separates) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
