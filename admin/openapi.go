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

// The description of this API, made of the table of endpoints and of the shapes' tags.
// Source: the contract, GET /admin/v1/openapi.json; OpenAPI 3.1; JSON Schema 2020-12.

// object is a JSON object of the description.
type object = map[string]any

func serveOpenAPI(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty"); err != nil {
		return err
	}
	a.moment(ans, func() {})
	return ans.reply(http.StatusOK, describeAPI(a.endpoints))
}

// describeAPI is the description. Keys are in order, so that it is the same each time.
func describeAPI(endpoints []endpoint) object {
	d := description{schemas: object{}}
	d.schemas["Status"] = d.shape(reflect.TypeFor[statusShape](), true)
	paths := object{}
	for i := range endpoints {
		e := &endpoints[i]
		item := object{}
		for _, method := range e.methods() {
			item[strings.ToLower(method)] = d.operation(e, method, false)
		}
		paths[e.path] = item
		if e.path == pprofPath {
			paths[pprofPath+"{profile}"] = object{"get": d.operation(e, http.MethodGet, true), "parameters": []any{object{
				"name": "profile", "in": "path", "required": true, "schema": object{"type": "string", "enum": append(slices.Clone(atOnce), "profile", "trace")},
			}}}
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "apichain admin API", "version": "v1", "description": "HEAD goes with GET. Every answer has ETag, the generation, and Audit-Id. " +
			"x-role is the role that a caller needs: view; operate, which includes view; or dangerous, which includes view."},
		"paths":      paths,
		"components": object{"schemas": d.schemas},
	}
}

// statusShape is the Status that every refusal is.
type statusShape struct {
	Kind       string   `json:"kind" doc:"Status"`
	APIVersion string   `json:"apiVersion" doc:"v1"`
	Metadata   struct{} `json:"metadata" doc:"empty"`
	Status     string   `json:"status" doc:"Failure"`
	Message    string   `json:"message" doc:"for people; names the header, parameter, field or path"`
	Reason     string   `json:"reason" doc:"reason of the Status"`
	Details    *struct {
		Causes []struct {
			Reason  string `json:"reason" doc:"such as FieldValueInvalid"`
			Message string `json:"message" doc:"what is wrong"`
			Field   string `json:"field" doc:"the field's path"`
		} `json:"causes" doc:"what is wrong with each field"`
	} `json:"details" doc:"of a 422" optional:"true"`
	Code int `json:"code" doc:"HTTP status"`
}

// Bodies are the shapes of what is sent; but for those that are needed, all keys may be
// left out.
type (
	controlBody struct {
		ExpiresIn string `json:"expiresIn" doc:"when it undoes itself: a Go duration above 0, at most 24h; default 10m"`
		Note      string `json:"note" doc:"free text, at most 200 characters"`
	}
	drainBody struct {
		EndWatches bool `json:"endWatches" doc:"end long-running requests; default false"`
		controlBody
	}
	logLevelBody struct {
		Rules []struct {
			Match     requestMatch `json:"match" doc:"requests it is for; default all"`
			Verbosity int          `json:"verbosity" doc:"0 to 10, as -v" needed:"true"`
		} `json:"rules" doc:"at least one; the highest of the matching ones holds" needed:"true"`
		controlBody
	}
	faultsBody struct {
		Seed  *int64 `json:"seed" doc:"what the choice of matches depends on; default: one is chosen"`
		Rules []struct {
			ID      string       `json:"id" doc:"a name; default: the place among the rules, from 1"`
			Match   requestMatch `json:"match" doc:"requests it is for; default all"`
			Action  FaultAction  `json:"action" doc:"what to do" needed:"true"`
			Percent float64      `json:"percent" doc:"above 0 to 100; default 100"`
			Count   *int64       `json:"count" doc:"the most hits; null: no limit"`
		} `json:"rules" doc:"at least one; the first that fires acts alone" needed:"true"`
		controlBody
	}
	snapshotBody struct {
		APIVersion string `json:"apiVersion" doc:"v1" needed:"true"`
		Kind       string `json:"kind" doc:"List" needed:"true"`
		Metadata   any    `json:"metadata" doc:"of the list; not read"`
		Items      []any  `json:"items" doc:"the objects" needed:"true"`
	}
	emptyBody struct{}

	// requestMatch has the keys of a Match.
	requestMatch struct {
		Listener  []string `json:"listener" doc:"http or https"`
		Server    []string `json:"server" doc:"server that took it"`
		Route     []string `json:"route" doc:"id of its route"`
		Method    []string `json:"method" doc:"HTTP method"`
		Path      []string `json:"path" doc:"path, decoded"`
		Verb      []string `json:"verb" doc:"Kubernetes verb, or the method in lower case"`
		Resource  []string `json:"resource" doc:"plural[.group][/subresource]"`
		Namespace []string `json:"namespace" doc:"namespace"`
		Name      []string `json:"name" doc:"object name"`
		User      []string `json:"user" doc:"user in force"`
		Group     []string `json:"group" doc:"one of its groups"`
	}
)

// bodies is what PUT and POST of an endpoint take.
var bodies = map[string]any{
	"/admin/v1/reset": emptyBody{}, "/admin/v1/snapshot": snapshotBody{}, "/admin/v1/drain": drainBody{}, "/admin/v1/loglevel": logLevelBody{}, "/admin/v1/faults": faultsBody{},
}

// parameter is one of a query: its name, what it says, and the JSON type of its value.
type parameter struct{ name, doc, kind string }

var prettyParameter = parameter{"pretty", "JSON is indented", "boolean"}

// queries is the parameters of endpoints that have others than those of all: pretty and
// wide and, for lists, the rules of Choosing rows.
var queries = map[string][]parameter{
	"/admin/v1/snapshot":     {prettyParameter},
	"/admin/v1/openapi.json": {prettyParameter},
	"/admin/v1/bundle":       {},
	"/metrics":               {},
	pprofPath:                {},
}

// furtherQueries is what an endpoint has beside those.
var furtherQueries = map[string][]parameter{
	"/admin/v1/inflight": {{"stack", "shows where handlers are", "boolean"}},
	"/admin/v1/requests": {{"set", "slowest: the slowest of each route instead of the last", "string"}},
	"/admin/v1/explain": {
		{"path", "request target, its own query percent-encoded; needed", "string"}, {"method", "HTTP method; default GET", "string"}, {"listener", "http or https", "string"},
		{"user", "who asks, on https", "string"}, {"group", "one of its groups", "array"}, {"header", "Name: value", "array"},
	},
}

// parametersOf is the query of an endpoint.
func parametersOf(e *endpoint, profile bool) []parameter {
	if profile {
		return []parameter{{"debug", "of a profile of one moment: 1 or 2 for text", "integer"}, {"seconds", "of profile and trace: how long, at most " + strconv.Itoa(mostSeconds), "integer"}}
	}
	if own, ok := queries[e.path]; ok {
		return own
	}
	if e.path == "/admin/v1/stream" {
		out := []parameter{{"topics", "what events are about, with commas; default: all but requests", "string"}}
		for _, f := range reflect.VisibleFields(reflect.TypeFor[requestMatch]()) {
			out = append(out, parameter{f.Tag.Get("json"), f.Tag.Get("doc"), "array"})
		}
		return out
	}
	var out []parameter
	if e.item != nil {
		t := reflect.TypeOf(e.item)
		fields, names := scalarFields(t)
		for _, name := range names {
			out = append(out, parameter{name, t.FieldByIndex(fields[name]).Tag.Get("doc"), "array"})
		}
		out = append(out, parameter{"sort", "name of a field; - in front for falling order", "string"}, parameter{"limit", "the most items shown", "integer"})
		if fields["ageMs"] != nil || fields["durationMs"] != nil {
			out = append(out, parameter{"minMs", "only items that have lasted so many milliseconds", "number"})
		}
	}
	return append(append(out, furtherQueries[e.path]...), prettyParameter, parameter{"wide", "cells of text are not cut", "boolean"})
}

// description gathers the schemas that others refer to.
type description struct{ schemas object }

// operation is one method of an endpoint, or of a profile below it.
func (d *description) operation(e *endpoint, method string, profile bool) object {
	id := strings.ToLower(method) + title(e.id())
	if profile {
		id += "Profile"
	}
	op := object{"operationId": id, "summary": e.summary, "x-role": e.roles[method], "responses": d.responses(e, method)}
	params := []any{}
	query := []parameter{prettyParameter, {"wide", "cells of text are not cut", "boolean"}}
	if method == http.MethodGet {
		query = parametersOf(e, profile)
	}
	for _, p := range query {
		schema := object{"type": p.kind}
		if p.kind == "array" {
			schema["items"] = object{"type": "string"}
		}
		params = append(params, object{"name": p.name, "in": "query", "description": p.doc, "schema": schema})
	}
	if method == http.MethodPut || method == http.MethodDelete {
		params = append(params, object{"name": "If-Match", "in": "header", "required": true, "description": "the ETag of what was read, or *", "schema": object{"type": "string"}})
	}
	if slices.Contains(e.forms, formEvents) {
		params = append(params, object{"name": "Last-Event-ID", "in": "header", "description": "id of the last event that was read: what came after it is sent first", "schema": object{"type": "string"}})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if method == http.MethodPut || method == http.MethodPost {
		body := object{"type": "object"}
		if of, ok := bodies[e.path]; ok {
			body = d.shape(reflect.TypeOf(of), false)
		}
		op["requestBody"] = object{"required": true, "content": object{formJSON: object{"schema": body}}}
	}
	return op
}

// errorCodes are the refusals by method: first those of reading, then what PUT, POST and
// DELETE have beside. Source: the contract, Errors.
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

func (d *description) responses(e *endpoint, method string) object {
	content := object{}
	for _, form := range e.forms {
		kind, _, _ := strings.Cut(form, ";")
		schema := object{"type": "string"}
		switch {
		case kind == formJSON && method == http.MethodGet && e.path == "/admin/v1/snapshot":
			schema = d.shape(reflect.TypeFor[snapshotBody](), false)
		case kind == formJSON && e.answer != nil:
			schema = d.answer(e)
		case kind == formJSON:
			schema = object{"type": "object"}
		case kind == formGzip || kind == formBinary:
			schema = object{}
		}
		content[kind] = object{"schema": schema}
	}
	out := object{"200": object{"description": e.summary, "content": content}}
	for _, code := range errorCodes(e, method) {
		out[strconv.Itoa(code)] = object{"description": http.StatusText(code), "content": object{formJSON: object{"schema": object{"$ref": "#/components/schemas/Status"}}}}
	}
	return out
}

// answer is the schema of an endpoint's JSON: its items are of the type that the table has.
func (d *description) answer(e *endpoint) object {
	schema := d.shape(reflect.TypeOf(e.answer), true)
	if e.item != nil {
		schema["properties"].(object)["items"] = object{"type": "array", "items": d.schema(reflect.TypeOf(e.item), true), "description": "the items"}
	}
	return schema
}

// shape is the schema of a struct. Of an answer every key is there, but for those that
// have the tag optional or are written by the type itself; of a body those that are needed
// are.
func (d *description) shape(t reflect.Type, answer bool) object {
	properties, required := object{}, []string{}
	writesItself := t.Implements(reflect.TypeFor[json.Marshaler]())
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		schema := d.schema(f.Type, answer)
		if doc := f.Tag.Get("doc"); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if answer && !writesItself && f.Tag.Get("optional") == "" || f.Tag.Get("needed") != "" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	out := object{"type": "object", "properties": properties, "required": required}
	if !answer {
		out["additionalProperties"] = false
	}
	return out
}

// schema is that of a type. Named structs of answers are components.
func (d *description) schema(t reflect.Type, answer bool) object {
	if t == reflect.TypeFor[Time]() {
		return object{"type": []string{"string", "null"}, "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := d.schema(t.Elem(), answer)
		if kind, ok := s["type"].(string); ok {
			s["type"] = []string{kind, "null"}
			return s
		}
		return object{"anyOf": []any{s, object{"type": "null"}}}
	case reflect.Struct:
		if t.Name() == "" || !answer {
			return d.shape(t, answer)
		}
		name := title(t.Name())
		if d.schemas[name] == nil {
			d.schemas[name] = object{} // its fields may refer to it
			d.schemas[name] = d.shape(t, answer)
		}
		return object{"$ref": "#/components/schemas/" + name}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem(), answer)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem(), answer)}
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

// title is a name with each part's first letter large: debug/pprof is DebugPprof.
func title(s string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
