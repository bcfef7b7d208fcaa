package admin

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// described is the description that a handler gives of itself.
func described(t testing.TB, h http.Handler) map[string]any {
	t.Helper()
	w := ask(t, h, "/admin/v1/openapi.json")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	return decode(t, w)
}

// at is what keys lead to.
func at(v any, keys ...string) any {
	for _, key := range keys {
		v, _ = v.(map[string]any)[key]
		if v == nil {
			return nil
		}
	}
	return v
}

// validator checks JSON against the schemas of a description, as far as those go: type,
// properties, required, additionalProperties, items, anyOf, enum, format date-time and $ref.
// A keyword that it does not know is a failure: nothing is said that is not tested.
type validator struct{ schemas map[string]any }

func (v validator) check(schema map[string]any, value any, path string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for keyword, is := range schema {
		switch keyword {
		case "description":
		case "$ref":
			name := strings.TrimPrefix(is.(string), "#/components/schemas/")
			if to, ok := v.schemas[name].(map[string]any); ok {
				wrong = append(wrong, v.check(to, value, path)...)
			} else {
				say("there is no schema %v", is)
			}
		case "type":
			types, isList := is.([]any)
			if !isList {
				types = []any{is}
			}
			if !slices.ContainsFunc(types, func(kind any) bool { return isOf(value, kind.(string)) }) {
				say("is %T, want %v", value, is)
			}
		case "format":
			if s, ok := value.(string); ok {
				if _, err := time.Parse("2006-01-02T15:04:05.000Z", s); err != nil {
					say("%q is no time", s)
				}
			}
		case "required":
			if of, ok := value.(map[string]any); ok {
				for _, key := range is.([]any) {
					if _, has := of[key.(string)]; !has {
						say("has no %v", key)
					}
				}
			}
		case "properties", "additionalProperties":
			of, ok := value.(map[string]any)
			if !ok {
				continue
			}
			properties, _ := schema["properties"].(map[string]any)
			for key, below := range of {
				to, known := properties[key].(map[string]any)
				other, isSchema := schema["additionalProperties"].(map[string]any)
				switch {
				case keyword == "properties" && known:
					wrong = append(wrong, v.check(to, below, path+"."+key)...)
				case keyword == "additionalProperties" && !known && isSchema:
					wrong = append(wrong, v.check(other, below, path+"."+key)...)
				case keyword == "additionalProperties" && !known && is == false:
					say("may not have %q", key)
				}
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				wrong = append(wrong, v.check(is.(map[string]any), item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "anyOf":
			if !slices.ContainsFunc(is.([]any), func(one any) bool { return len(v.check(one.(map[string]any), value, path)) == 0 }) {
				say("is none of %v", is)
			}
		default:
			say("the keyword %q is not tested", keyword)
		}
	}
	return wrong
}

func isOf(value any, kind string) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	}
	return kind == "object"
}

// unknownKeys are the keys of an answer that its schema does not name: clients may get them,
// but this program's description should know its own.
func (v validator) unknownKeys(schema map[string]any, value any, path string) (out []string) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = v.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
	if one, ok := schema["anyOf"].([]any); ok {
		return v.unknownKeys(one[0].(map[string]any), value, path)
	}
	switch of := value.(type) {
	case []any:
		for _, item := range of {
			out = append(out, v.unknownKeys(schema["items"].(map[string]any), item, path+"[]")...)
		}
	case map[string]any:
		properties, has := schema["properties"].(map[string]any)
		for key, below := range of {
			if to, ok := properties[key].(map[string]any); ok {
				out = append(out, v.unknownKeys(to, below, path+"."+key)...)
			} else if has {
				out = append(out, path+"."+key)
			}
		}
	}
	return out
}

// TestValidator: the small validator refuses what a large one would.
func TestValidator(t *testing.T) {
	schemas := map[string]any{"Name": map[string]any{"type": "string"}}
	for _, tt := range []struct {
		schema, value string
		wrong         int
	}{
		{`{"type":"string"}`, `"a"`, 0}, {`{"type":"string"}`, `1`, 1}, {`{"type":["string","null"]}`, `null`, 0}, {`{"type":"string"}`, `null`, 1},
		{`{"type":"integer"}`, `1`, 0}, {`{"type":"integer"}`, `1.5`, 1}, {`{"type":"number"}`, `1.5`, 0}, {`{"type":"boolean"}`, `"true"`, 1},
		{`{"$ref":"#/components/schemas/Name"}`, `"a"`, 0}, {`{"$ref":"#/components/schemas/Name"}`, `{}`, 1}, {`{"$ref":"#/components/schemas/None"}`, `{}`, 1},
		{`{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}`, `{"a":1,"b":2}`, 0}, {`{"type":"object","required":["a"]}`, `{}`, 1},
		{`{"type":"object","properties":{"a":{"type":"integer"}}}`, `{"a":"1"}`, 1}, {`{"additionalProperties":false,"properties":{"a":{}}}`, `{"a":1,"b":1}`, 1},
		{`{"additionalProperties":{"type":"integer"}}`, `{"a":1,"b":"1"}`, 1}, {`{"type":"array","items":{"type":"integer"}}`, `[1,"2",3,"4"]`, 2},
		{`{"anyOf":[{"type":"integer"},{"type":"null"}]}`, `null`, 0}, {`{"anyOf":[{"type":"integer"},{"type":"null"}]}`, `"a"`, 1},
		{`{"format":"date-time"}`, `"2026-11-23T05:23:07.412Z"`, 0}, {`{"format":"date-time"}`, `"yesterday"`, 1}, {`{"minimum":1}`, `1`, 1},
	} {
		var schema map[string]any
		var value any
		if err := json.Unmarshal([]byte(tt.schema), &schema); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(tt.value), &value); err != nil {
			t.Fatal(err)
		}
		if got := (validator{schemas}).check(schema, value, ""); len(got) != tt.wrong {
			t.Errorf("%s of %s: %q, want %d", tt.value, tt.schema, got, tt.wrong)
		}
	}
}

// TestDescriptionHasTheTable: every endpoint and method, with its role, and nothing else.
func TestDescriptionHasTheTable(t *testing.T) {
	d := described(t, handlerOf(t, newFake(t)))
	if d["openapi"] != "3.1.0" || at(d, "info", "version") != "v1" {
		t.Errorf("it calls itself %v, %v", d["openapi"], d["info"])
	}
	var got, want []string
	for path, item := range d["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method != "parameters" {
				got = append(got, fmt.Sprint(strings.ToUpper(method), " ", path, " ", at(op, "x-role")))
			}
		}
	}
	for _, e := range endpoints(true) {
		for method, role := range e.roles {
			want = append(want, method+" "+e.path+" "+role)
		}
	}
	want = append(want, "GET /debug/pprof/{profile} dangerous")
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("operations\n%q, want\n%q", got, want)
	}
	ids := map[any]bool{}
	for _, item := range d["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method != "parameters" {
				id := at(op, "operationId")
				if ids[id] || id == nil || at(op, "summary") == "" {
					t.Errorf("the operation %v is there twice, or says nothing", id)
				}
				ids[id] = true
			}
		}
	}
	o := handlerOf(t, newFake(t)).(*api).Options
	o.Profiling = false
	without := described(t, New(newFake(t), o))
	if at(without, "paths", "/debug/pprof/") != nil || at(without, "paths", "/debug/pprof/{profile}") != nil {
		t.Error("profiles are described though they are not served")
	}
}

// response is the schema of an answer.
func response(t testing.TB, d map[string]any, path, method string, code int) map[string]any {
	t.Helper()
	s, _ := at(d, "paths", path, strings.ToLower(method), "responses", strconv.Itoa(code), "content", "application/json", "schema").(map[string]any)
	if s == nil {
		t.Errorf("%s %s: %d is not described", method, path, code)
	}
	return s
}

// TestAnswersAreAsDescribed: what handlers say is what the description says, also when they
// have nothing to show and when they refuse.
func TestAnswersAreAsDescribed(t *testing.T) {
	empty := newFake(t)
	empty.status, empty.timeline, empty.build, empty.store, empty.places = Status{}, Timeline{}, Build{}, Store{}, nil
	empty.servers, empty.chain, empty.routes, empty.hooks, empty.requests = []Server{{}}, []Chain{{Filters: []Filter{{}}}}, []Route{{}}, []Hook{{}}, []Request{{}}
	empty.listeners, empty.options, empty.watches = []Listener{{TLS: &TLS{}}}, []Option{{}}, []Watch{{}}
	failing := newFake(t)
	failing.fails = &Error{Code: 422, Reason: "Invalid", Message: "no", Causes: []Cause{{"FieldValueInvalid", "no", "a"}}}
	for name, src := range map[string]*fake{"examples": newFake(t), "nothing": empty, "failing": failing} {
		h := handlerOf(t, src)
		d := described(t, h)
		v := validator{at(d, "components", "schemas").(map[string]any)}
		asked := 0
		check := func(request string, w *httptest.ResponseRecorder) {
			method, path, _ := strings.Cut(request, " ")
			path, _, _ = strings.Cut(path, "?")
			s := response(t, d, path, method, w.Code)
			if s == nil || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
				return
			}
			asked++
			body := decode(t, w)
			for _, wrong := range append(v.check(s, body, ""), v.unknownKeys(s, body, "")...) {
				t.Errorf("%s: %s, %d: %s", name, request, w.Code, wrong)
			}
		}
		for _, e := range endpoints(true) {
			for method := range e.roles {
				request := method + " " + e.path
				if !slices.Contains(e.forms, formJSON) {
					continue
				}
				const json, match = "Content-Type: application/json", "If-Match: *"
				target := request
				switch e.path {
				case "/admin/v1/explain":
					target += "?path=/api"
				case "/admin/v1/owners":
					target = "GET " + theCar
				}
				body := bodyOf(e.path)
				if src.fails == nil || method != http.MethodGet { // a snapshot given out has no causes
					check(request, askWith(t, h, target, strings.NewReader(body), json, match))
				}
				check(request, ask(t, h, request+"?nothing=known", json, match))
				check(request, ask(t, h, request, "Accept: image/png"))
				check(request, ask(t, h, request, "Host: evil.example"))
				if method != http.MethodGet {
					check(request, askWith(t, h, request, strings.NewReader(body), "Content-Type: text/plain", match))
					check(request, askWith(t, h, request, strings.NewReader(body), json))
					check(request, askWith(t, h, request, strings.NewReader(body), json, `If-Match: "1"`))
					check(request, askWith(t, h, request, strings.NewReader("["), json, match))
				}
			}
		}
		if asked < 50 {
			t.Errorf("%s: only %d answers were compared", name, asked)
		}
	}
}

// bodyOf is the contract's example of what an endpoint takes.
func bodyOf(path string) string {
	return map[string]string{
		"/admin/v1/reset":    `{}`,
		"/admin/v1/snapshot": `{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"1042"},"items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}]}`,
		"/admin/v1/drain":    `{"endWatches":true,"expiresIn":"10m","note":"moving to node b"}`,
		"/admin/v1/loglevel": `{"rules":[{"match":{"user":["alice"]},"verbosity":6}],"expiresIn":"5m"}`,
		"/admin/v1/faults":   `{"seed":7,"rules":[{"id":"flaky-list","match":{"verb":["list"],"resource":["widgets.example.com"]},"action":{"do":"answer","status":503,"retryAfterSeconds":1},"percent":25,"count":10}],"expiresIn":"5m"}`,
	}[path]
}

// TestBodiesAreAsDescribed: the contract's examples fit, and are taken; every key that is
// described is known to the handler, and one that is not is refused by both.
func TestBodiesAreAsDescribed(t *testing.T) {
	h := handlerOf(t, newFake(t))
	d := described(t, h)
	v := validator{at(d, "components", "schemas").(map[string]any)}
	for _, e := range endpoints(true) {
		for method := range e.roles {
			schema, _ := at(d, "paths", e.path, strings.ToLower(method), "requestBody", "content", "application/json", "schema").(map[string]any)
			if takes := method == http.MethodPut || method == http.MethodPost; takes != (schema != nil) {
				t.Errorf("%s %s: has a body %v, described %v", method, e.path, takes, schema != nil)
			}
			if schema == nil {
				continue
			}
			if bodies[e.path] == nil {
				t.Errorf("%s %s: the body is not described", method, e.path)
				continue
			}
			send := func(body string) int {
				return askWith(t, h, method+" "+e.path, strings.NewReader(body), "Content-Type: application/json", "If-Match: *").Code
			}
			fits := func(body string) bool {
				var value any
				if err := json.Unmarshal([]byte(body), &value); err != nil {
					t.Fatal(err)
				}
				return len(v.check(schema, value, "")) == 0
			}
			if body := bodyOf(e.path); !fits(body) || send(body) != 200 {
				t.Errorf("%s %s: the example fits %v, is answered %d", method, e.path, fits(body), send(body))
			}
			if e.path == "/admin/v1/snapshot" {
				continue // its body is the program's to read
			}
			if body := `{"nobody":"knows"}`; fits(body) || send(body) != 400 {
				t.Errorf("%s %s: an unknown key fits %v, is answered %d", method, e.path, fits(body), send(body))
			}
			for key := range schema["properties"].(map[string]any) {
				if code := send(`{"` + key + `":null}`); code == 400 {
					t.Errorf("%s %s: the key %s is not known", method, e.path, key)
				}
			}
		}
	}
	// The keys of a match are those that are matched.
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[requestMatch]()) {
		keys = append(keys, f.Tag.Get("json"))
	}
	if want := strings.Fields("listener server route method path verb resource namespace name user group"); !slices.Equal(keys, want) {
		t.Errorf("keys of a match: %q, want %q", keys, want)
	}
}

// TestParametersAreAsDescribed: an endpoint refuses a parameter that nobody knows with the
// names of those it knows, and those are the described ones; each is taken.
func TestParametersAreAsDescribed(t *testing.T) {
	h := handlerOf(t, newFake(t))
	d := described(t, h)
	names := func(path, method string) (out []string, types map[string]string) {
		list, _ := at(d, "paths", path, strings.ToLower(method), "parameters").([]any)
		types = map[string]string{}
		for _, p := range list {
			if at(p, "in") == "query" {
				name := at(p, "name").(string)
				out = append(out, name)
				types[name], _ = at(p, "schema", "type").(string)
				if at(p, "description") == "" {
					t.Errorf("%s %s: %s says nothing", method, path, name)
				}
			}
		}
		if method == http.MethodGet {
			resumes := slices.ContainsFunc(list, func(p any) bool { return at(p, "in") == "header" && at(p, "name") == "Last-Event-ID" })
			if resumes != (path == "/admin/v1/stream") {
				t.Errorf("%s: Last-Event-ID is described: %v", path, resumes)
			}
		}
		slices.Sort(out)
		return out, types
	}
	for _, e := range endpoints(true) {
		for method := range e.roles {
			told := decode(t, ask(t, h, method+" "+e.path+"?nobody=knows", "Content-Type: application/json", "If-Match: *"))["message"].(string)
			_, list, _ := strings.Cut(told, "known are ")
			known := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
			slices.Sort(known)
			got, types := names(e.path, method)
			if !slices.Equal(got, known) {
				t.Errorf("%s %s: described are\n%q, known are\n%q", method, e.path, got, known)
			}
			if method != http.MethodGet {
				continue
			}
			values := map[string]string{"boolean": "true", "integer": "1", "number": "1.5", "string": "1", "array": "1"}
			special := map[string]string{"sort": "id", "set": "slowest", "topics": "hooks", "listener": "https", "method": "GET", "header": "X-A:%201", "path": "/api"}
			for _, name := range got {
				if e.path == "/admin/v1/stream" {
					continue // it would not end
				}
				value := special[name]
				if value == "" || types[name] != "string" && name != "header" {
					value = values[types[name]]
				}
				target := e.path + "?" + name + "=" + value
				switch {
				case e.path == "/admin/v1/explain" && name != "path":
					target += "&path=/api"
				case e.path == "/admin/v1/owners" && name == "resource":
					target += "&name=a"
				case e.path == "/admin/v1/owners" && name == "name":
					target += "&resource=a"
				case e.path == "/admin/v1/owners":
					target += "&resource=a&name=a"
				}
				if w := ask(t, h, target); w.Code != 200 {
					t.Errorf("%s: %d %s", target, w.Code, w.Body)
				}
				if types[name] == "array" && e.path != "/admin/v1/explain" {
					if w := ask(t, h, target+"&"+name+"=2"); w.Code != 200 {
						t.Errorf("%s, twice: %d %s", target, w.Code, w.Body)
					}
				}
			}
		}
	}
	for target, code := range map[string]int{"heap?debug=1": 200, "heap?seconds=1": 400, "trace?debug=1": 400, "heap?nobody=1": 400} {
		if w := ask(t, h, "/debug/pprof/"+target); w.Code != code {
			t.Errorf("%s: %d, want %d", target, w.Code, code)
		}
	}
	if got, _ := names("/debug/pprof/{profile}", "GET"); !slices.Equal(got, []string{"debug", "seconds"}) {
		t.Errorf("parameters of profiles: %q", got)
	}
}

// TestDescriptionIsSteady: the same each time, in both forms, of the moment's generation.
func TestDescriptionIsSteady(t *testing.T) {
	h := handlerOf(t, newFake(t))
	first := ask(t, h, "/admin/v1/openapi.json")
	if again := ask(t, h, "/admin/v1/openapi.json"); again.Body.String() != first.Body.String() {
		t.Error("it differs from one time to the next")
	}
	if strings.Count(first.Body.String(), "\n") != 1 || first.Header().Get("ETag") != `"1795411387412"` {
		t.Errorf("%d lines, ETag %s", strings.Count(first.Body.String(), "\n"), first.Header().Get("ETag"))
	}
	pretty := ask(t, h, "/admin/v1/openapi.json?pretty=true")
	if !reflect.DeepEqual(decode(t, pretty), decode(t, first)) || strings.Count(pretty.Body.String(), "\n") < 1000 {
		t.Error("indented it is another")
	}
	for _, accept := range []string{"text/plain", "application/yaml"} {
		if w := ask(t, h, "/admin/v1/openapi.json", "Accept: "+accept); w.Code != 406 {
			t.Errorf("Accept %s: %d, want 406", accept, w.Code)
		}
	}
	if path := os.Getenv("OPENAPI_OUT"); path != "" { // for other readers of OpenAPI
		if err := os.WriteFile(path, pretty.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, s := range at(decode(t, first), "components", "schemas").(map[string]any) {
		if properties, _ := at(s, "properties").(map[string]any); len(properties) == 0 {
			t.Errorf("the schema %s has no properties", name)
		} else {
			for _, key := range slices.Sorted(maps.Keys(properties)) {
				if at(properties[key], "description") == nil {
					t.Errorf("%s.%s says nothing", name, key)
				}
			}
		}
	}
}

// references returns the names of schemas that a part of the document refers to.
func references(v any) (names []string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			names = append(names, strings.TrimPrefix(ref, "#/components/schemas/"))
		}
		for _, in := range v {
			names = append(names, references(in)...)
		}
	case []any:
		for _, in := range v {
			names = append(names, references(in)...)
		}
	}
	return names
}

// TestReferencesResolve: every schema that is referred to is there, and every one that is
// there is referred to, so none is named after a type that nobody sees: the struct that two
// shapes of requests share is in both, and is no schema.
func TestReferencesResolve(t *testing.T) {
	d := described(t, handlerOf(t, newFake(t)))
	used := map[string]bool{}
	for _, name := range references(d) {
		used[name] = true
	}
	schemas := at(d, "components", "schemas").(map[string]any)
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(schemas)); !slices.Equal(got, want) {
		t.Errorf("referred to are\n%q, there are\n%q", got, want)
	}
	if schemas["RequestFacts"] != nil {
		t.Error("RequestFacts is a schema")
	}
	for _, name := range []string{"Request", "FinishedRequest"} {
		required, _ := at(schemas[name], "required").([]any)
		for _, key := range []any{"id", "auditID", "path", "verb", "name", "user", "receivedAt"} {
			if at(schemas[name], "properties", key.(string)) == nil || !slices.Contains(required, key) {
				t.Errorf("%s has no %s, or need not have it", name, key)
			}
		}
	}
}

// TestErrorCodes: the refusals of each method, worked out from the contract's table of
// checks: GET cannot fail a check from 9 on, POST needs no If-Match, DELETE has no body type.
func TestErrorCodes(t *testing.T) {
	for request, want := range map[string]string{
		"GET /admin/v1/routes":      "[400 401 403 406 500]",
		"GET /admin/v1/stream":      "[400 401 403 406 429 500]",
		"GET /admin/v1/bundle":      "[400 401 403 406 429 500]",
		"GET /debug/pprof/":         "[400 401 403 406 409 500]",
		"POST /admin/v1/reset":      "[400 401 403 406 409 413 415 422 500]",
		"PUT /admin/v1/faults":      "[400 401 403 406 409 412 413 415 422 428 500]",
		"DELETE /admin/v1/loglevel": "[400 401 403 406 409 412 413 428 500]",
		"PUT /admin/v1/snapshot":    "[400 401 403 406 409 412 413 415 422 428 500]",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := fmt.Sprint(errorCodes(&endpoint{path: path}, method)); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

// TestTitle: names of operations and schemas are made of letters and digits alone.
func TestTitle(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "routes": "Routes", "debug/pprof": "DebugPprof", "openapi.json": "OpenapiJson", "inFlight": "InFlight", "TLS": "TLS", "a1/2b": "A12b", "//": "",
	} {
		if got := title(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
