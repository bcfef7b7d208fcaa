package admin

import (
	"reflect"
	"strconv"
)

// What the OpenAPI document cannot derive from the shapes of answers: bodies, which are
// parsed by hand (body.go), and query parameters beside those of rows. Tests hold both
// against the handlers: every key and parameter described here is known to its handler, and
// every one that is known is described.

// statusShape describes the Status that every refusal is. It is apart from status, whose
// types are named, so that the document has one schema for it and not four.
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

// In the bodies below a key with the tag needed must be there; all others may be left out.

// controlBody describes the keys that the body of every control has.
type controlBody struct {
	ExpiresIn string `json:"expiresIn" doc:"when it undoes itself: a Go duration above 0, at most 24h; default 10m"`
	Note      string `json:"note" doc:"free text, at most 200 characters"`
}

// drainBody describes the body of PUT /admin/v1/drain.
type drainBody struct {
	EndWatches bool `json:"endWatches" doc:"end long-running requests; default false"`
	controlBody
}

// logLevelBody describes the body of PUT /admin/v1/loglevel.
type logLevelBody struct {
	Rules []struct {
		Match     requestMatch `json:"match" doc:"requests it is for; default all"`
		Verbosity int          `json:"verbosity" doc:"0 to 10, as -v" needed:"true"`
	} `json:"rules" doc:"at least one; the highest of the matching ones holds" needed:"true"`
	controlBody
}

// faultsBody describes the body of PUT /admin/v1/faults.
type faultsBody struct {
	Seed  *int64 `json:"seed" doc:"what the choice of matches depends on; default: one is chosen"`
	Rules []struct {
		ID      string      `json:"id" doc:"a name; default: the place among the rules, from 1"`
		Match   faultMatch  `json:"match" doc:"requests it is for; default all"`
		Action  FaultAction `json:"action" doc:"what to do" needed:"true"`
		Percent float64     `json:"percent" doc:"above 0 to 100; default 100"`
		Count   *int64      `json:"count" doc:"the most hits; null: no limit"`
	} `json:"rules" doc:"at least one; the first that fires acts alone" needed:"true"`
	controlBody
}

// snapshotBody describes a snapshot, both as a body and as an answer.
type snapshotBody struct {
	APIVersion string `json:"apiVersion" doc:"v1" needed:"true"`
	Kind       string `json:"kind" doc:"List" needed:"true"`
	Metadata   any    `json:"metadata" doc:"of the list; not read"`
	Items      []any  `json:"items" doc:"the objects" needed:"true"`
}

// emptyBody describes the body of POST /admin/v1/reset, {}.
type emptyBody struct{}

// requestMatch describes the keys of a Match, in the order of matchKeys. The stream has
// them as parameters.
type requestMatch struct {
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

// faultMatch describes the keys of the Match of a fault.
type faultMatch struct {
	requestMatch
	Backend []string `json:"backend" doc:"name or id of a backend: the rule is for calls of it, made for such a request"`
}

// bodies has what PUT and POST of an endpoint take, by its path.
var bodies = map[string]any{
	"/admin/v1/reset":    emptyBody{},
	"/admin/v1/snapshot": snapshotBody{},
	"/admin/v1/drain":    drainBody{},
	"/admin/v1/loglevel": logLevelBody{},
	"/admin/v1/faults":   faultsBody{},
}

// parameter describes one parameter of a query: its name, what it says, and the JSON type
// of its value; array stands for one that may be repeated.
type parameter struct{ name, doc, kind string }

// The parameters that nearly every endpoint has.
var (
	prettyParameter = parameter{"pretty", "JSON is indented", "boolean"}
	wideParameter   = parameter{"wide", "cells of text are not cut", "boolean"}
)

// ownQueries has the whole query of the endpoints that do not have the usual one: pretty,
// wide and, for lists, what selects rows.
var ownQueries = map[string][]parameter{
	"/admin/v1/snapshot":     {prettyParameter},
	"/admin/v1/openapi.json": {prettyParameter},
	"/admin/v1/bundle":       {},
	"/admin/v1/backup":       {},
	"/metrics":               {},
	pprofPath:                {},
}

// furtherQueries has what an endpoint takes beside the usual query.
var furtherQueries = map[string][]parameter{
	"/admin/v1/inflight": {{"stack", "shows where handlers are", "boolean"}},
	"/admin/v1/requests": {{"set", "slowest: the slowest of each route instead of the last", "string"}},
	"/admin/v1/owners": {
		{"resource", "plural[.group], or its singular or a short name; needed", "string"},
		{"namespace", "namespace of the object; default: default", "string"},
		{"name", "name of the object; needed", "string"},
		{"force", "a manager: only what its forced apply would take from others", "string"},
	},
	"/admin/v1/explain": {
		{"path", "request target, its own query percent-encoded; needed", "string"},
		{"method", "HTTP method; default GET", "string"},
		{"listener", "http or https", "string"},
		{"user", "who asks, on https", "string"},
		{"group", "one of its groups", "array"},
		{"header", "Name: value", "array"},
	},
}

// profileQuery has what the profiles below an endpoint take: each of them one of the two.
var profileQuery = []parameter{
	{"debug", "of a profile of one moment: 1 or 2 for text", "integer"},
	{"seconds", "of profile and trace: how long, at most " + strconv.Itoa(maxProfileSeconds), "integer"},
}

// parametersOf returns the query of an endpoint's GET.
func parametersOf(e *endpoint) []parameter {
	if own, ok := ownQueries[e.path]; ok {
		return own
	}
	if e.path == "/admin/v1/stream" {
		return streamParameters()
	}
	var out []parameter
	if e.item != nil {
		out = rowParameters(reflect.TypeOf(e.item))
	}
	return append(append(out, furtherQueries[e.path]...), prettyParameter, wideParameter)
}

// streamParameters returns the query of the stream, which has neither pretty nor wide.
func streamParameters() []parameter {
	out := []parameter{{"topics", "what events are about, with commas; default: all but requests", "string"}}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[requestMatch]()) {
		out = append(out, parameter{f.Tag.Get("json"), f.Tag.Get("doc"), "array"})
	}
	return out
}

// rowParameters returns what selects and sorts rows of a type: its scalar fields, then
// those that parseRowQuery knows beside.
func rowParameters(row reflect.Type) []parameter {
	var out []parameter
	fields, names := scalarFields(row)
	for _, name := range names {
		out = append(out, parameter{name, row.FieldByIndex(fields[name]).Tag.Get("doc"), "array"})
	}
	out = append(out,
		parameter{"sort", "name of a field; - in front for falling order", "string"},
		parameter{"limit", "the most items shown", "integer"})
	if fields["ageMs"] != nil || fields["durationMs"] != nil {
		out = append(out, parameter{"minMs", "only items that have lasted so many milliseconds", "number"})
	}
	return out
}
