package admin

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var lists = []string{"servers", "chain", "backends", "routes", "hooks", "inflight", "timeline", "listeners", "options", "watches", "requests"}

// What comes out is the contract's example, key for key and value for value.
func TestAnswersAreTheContractsExamples(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for _, name := range append(slices.Clone(lists), "build", "store", "drain", "loglevel", "faults") {
		t.Run(name, func(t *testing.T) {
			var want map[string]any
			example(t, name, &want)
			want["generation"] = float64(exampleGeneration)
			if items, ok := want["items"].([]any); ok {
				want["total"] = float64(len(items)) // the examples are cut
			}
			got := decode(t, ask(t, h, "/admin/v1/"+name))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %v\nwant %v", got, want)
			}
		})
	}
}

// The index shows what this API has, so its values are not the example's, but its keys are.
func TestIndex(t *testing.T) {
	var want map[string]any
	example(t, "index", &want)
	got := decode(t, ask(t, handlerOf(t, controlled(t)), "/admin/"))
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Errorf("keys %v, want %v", g, w)
	}
	for _, key := range []string{"version", "phase", "ready", "controls"} {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s is %v, want %v", key, got[key], want[key])
		}
	}
	wantItem := want["items"].([]any)[0].(map[string]any)
	var paths []string
	for _, item := range got["items"].([]any) {
		item := item.(map[string]any)
		paths = append(paths, item["path"].(string))
		if g, w := slices.Sorted(maps.Keys(item)), slices.Sorted(maps.Keys(wantItem)); !slices.Equal(g, w) {
			t.Errorf("%v: keys %v, want %v", item["id"], g, w)
		}
		if item["id"] == "routes" {
			for _, key := range []string{"methods", "path", "roles", "summary"} {
				if !reflect.DeepEqual(item[key], wantItem[key]) {
					t.Errorf("routes: %s is %v, want %v", key, item[key], wantItem[key])
				}
			}
			if g := item["fields"].(map[string]any)["hits"]; g != "requests this route has taken" {
				t.Errorf("fields say of hits %q", g)
			}
		}
	}
	order := "/admin/ /admin/v1/servers /admin/v1/chain /admin/v1/admission /admin/v1/backends /admin/v1/routes /admin/v1/hooks /admin/v1/inflight /admin/v1/timeline /admin/v1/listeners /admin/v1/build /admin/v1/options /admin/v1/watches /admin/v1/store /admin/v1/reset /admin/v1/snapshot /admin/v1/backup /admin/v1/explain /admin/v1/owners /admin/v1/requests /admin/v1/stream /admin/v1/drain /admin/v1/loglevel /admin/v1/faults /admin/v1/bundle /admin/v1/openapi.json /metrics /debug/pprof/"
	if got := strings.Join(paths, " "); got != order {
		t.Errorf("paths\n got %s\nwant %s", got, order)
	}
}

// Every key of an answer is described, and nothing else is.
func TestFieldsDescribeTheAnswers(t *testing.T) {
	h := handlerOf(t, controlled(t))
	for _, item := range decode(t, ask(t, h, "/admin/"))["items"].([]any) {
		item := item.(map[string]any)
		fields := item["fields"].(map[string]any)
		path := item["path"].(string)
		if slices.Contains([]string{"/metrics", "/debug/pprof/", "/admin/v1/backup", "/admin/v1/bundle", "/admin/v1/openapi.json"}, path) {
			if len(fields) != 0 {
				t.Errorf("%s has a shape of its own, but has fields %v", path, fields)
			}
			continue
		}
		if path == "/admin/v1/stream" {
			continue // TestStreamKeysAreDescribed
		}
		request := path
		if change := map[string]string{"/admin/v1/reset": "POST ", "/admin/v1/snapshot": "PUT "}[path]; change != "" {
			request = change + path // a snapshot has its own shape; what is described is the answer of its load
		}
		seen := map[string]bool{}
		if path == "/admin/v1/store" { // a store is kept in one of the two
			src := newFake(t)
			src.store.Keeping.Journal = &Journal{}
			keysIn(decode(t, ask(t, handlerOf(t, src), path)), ".", seen)
		}
		if path == "/admin/v1/explain" { // one answer has a route, another what answers in its place
			request += "?path=/none"
			keysIn(decode(t, ask(t, h, path+"?path="+reached)), ".", seen)
		}
		if path == "/admin/v1/owners" {
			request = theCar
		}
		keysIn(decode(t, askWith(t, h, request, strings.NewReader("{}"), "Content-Type: application/json", "If-Match: *")), ".", seen)
		for _, key := range slices.Sorted(maps.Keys(seen)) {
			if fields[key] == nil || fields[key] == "" {
				t.Errorf("%s: key %q is not described", path, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			// The examples have no time of a filter and nothing that refers elsewhere.
			if !seen[key] && !strings.HasPrefix(key, "ref.") {
				t.Errorf("%s: %q is described, but is no key of the answer", path, key)
			}
		}
	}
}

// keysIn notes the keys of v. Where keys are data, they are not keys of the contract.
func keysIn(v any, prefix string, seen map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			keysIn(item, prefix, seen)
		}
	case map[string]any:
		for key, below := range v {
			seen[prefix+key] = true
			_, isMap := below.(map[string]any)
			switch {
			case isMap && keysAreData[key]:
			case prefix+key == ".items":
				keysIn(below, "", seen)
			default:
				keysIn(below, prefix+key+".", seen)
			}
		}
	}
}

// keysAreData are the maps of the contract; the other objects have fixed keys.
var keysAreData = map[string]bool{"fields": true, "roles": true, "options": true, "answered": true, "verb": true, "resource": true, "user": true, "listener": true, "longRunning": true, "match": true, "headers": true, "skipped": true}

// A program that has nothing to show yet shows [], {} and null where the contract does.
func TestNothingToShow(t *testing.T) {
	src := &fake{
		generation: func() int64 { return 1 },
		servers:    []Server{{}}, chain: []Chain{{Filters: []Filter{{}}}}, routes: []Route{{}}, hooks: []Hook{{}}, requests: []Request{{}}, listeners: []Listener{{TLS: &TLS{}}}, options: []Option{{}}, watches: []Watch{{}}, store: Store{}, finished: []FinishedRequest{{}},
	}
	h := handlerOf(t, src)
	for path, wants := range map[string][]string{
		"/admin/":                  {`"controls":[]`},
		"/admin/v1/servers":        {`"delegate":null`, `"groups":[]`, `"webServices":[]`, `"hooks":[]`, `"healthChecks":[]`},
		"/admin/v1/chain":          {`"options":{}`, `"answered":{}`, `"timeNs":null`},
		"/admin/v1/routes":         {`"consumes":[]`, `"produces":[]`, `"lastHit":null`, `"shadowedBy":null`, `"conflictsWith":[]`},
		"/admin/v1/hooks":          {`"startedAt":null`, `"durationMs":null`, `"stack":[]`},
		"/admin/v1/inflight":       {`"counts":[]`, `"groups":[]`, `"server":null`, `"route":null`, `"status":null`, `"stack":[]`},
		"/admin/v1/timeline":       {`"readyAt":null`, `"deadline":null`, `"waitingFor":""`, `"blockedBy":[]`, `"total":0,"items":[]`},
		"/admin/v1/listeners":      {`"protocols":[]`, `"cipherSuites":[]`, `"clientCA":null`, `"certificates":[]`},
		"/admin/v1/build":          {`"revisionTime":null`},
		"/admin/v1/watches":        {`"lastSend":null`},
		"/admin/v1/store":          {`"resources":[]`},
		"/admin/v1/requests":       {`"recording":true`, `"groups":[]`, `"server":null`, `"route":null`, `"status":null`, `"filters":[]`, `"stack":[]`},
		"/admin/v1/explain?path=/": {`"requestInfo":null`, `"groups":[]`, `"headers":[]`, `"steps":[]`, `"delegation":[]`, `"server":null,"route":null,"reachesHandler":false,"admission":[],"webhooks":[],"policies":[],"rules":[],"nearMisses":[],"wouldAnswer":null`},
	} {
		body := ask(t, h, path).Body.String()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s has no %s: %s", path, want, body)
			}
		}
	}
}

// An answer that the program changed under is read again; one that never rests is shown.
func TestGenerationHoldsForTheWholeAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		reads []int64 // what Generation says, in order; the last goes on growing
		want  int64
	}{
		{"at rest", []int64{5, 5, 5, 5}, 5},
		{"changed once", []int64{5, 5, 6, 6, 6}, 6},
		{"without rest", nil, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newFake(t)
			n := int64(0)
			src.generation = func() int64 {
				n++
				if int(n) <= len(c.reads) {
					return c.reads[n-1]
				}
				return n
			}
			w := ask(t, handlerOf(t, src), "/admin/v1/servers")
			if got := decode(t, w)["generation"]; got != float64(c.want) {
				t.Errorf("generation is %v, want %d", got, c.want)
			}
			if got, want := w.Header().Get("ETag"), fmt.Sprintf(`"%d"`, c.want); got != want {
				t.Errorf("ETag is %s, want %s", got, want)
			}
		})
	}
}

// Counts and groups are of what matched, before limit.
func TestInFlightCounts(t *testing.T) {
	src := newFake(t)
	src.places = []Places{{Listener: "http", ReadOnlyLimit: 4}, {Listener: "https", Abandoned: 2}}
	src.requests = nil
	for i, r := range []Request{
		{RequestFacts: RequestFacts{Listener: "https", Verb: "get"}},
		{RequestFacts: RequestFacts{Listener: "https", Verb: "list", Resource: "pods"}},
		{RequestFacts: RequestFacts{Listener: "https", Verb: "create"}, User: "alice"},
		{RequestFacts: RequestFacts{Listener: "https", Verb: "watch"}, LongRunning: true},
		{RequestFacts: RequestFacts{Listener: "https"}},
		{RequestFacts: RequestFacts{Listener: "http", Verb: "delete"}},
	} {
		r.ID = fmt.Sprint(i)
		src.requests = append(src.requests, r)
	}
	got := decode(t, ask(t, handlerOf(t, src), "/admin/v1/inflight?listener=https&limit=1"))
	if got["total"] != 5.0 || len(got["items"].([]any)) != 1 {
		t.Errorf("total %v with %d items, want 5 with 1", got["total"], len(got["items"].([]any)))
	}
	wantCounts := []any{
		map[string]any{"listener": "http", "readOnly": 0.0, "readOnlyLimit": 4.0, "mutating": 0.0, "mutatingLimit": 0.0, "longRunning": 0.0, "abandoned": 0.0},
		map[string]any{"listener": "https", "readOnly": 2.0, "readOnlyLimit": 0.0, "mutating": 1.0, "mutatingLimit": 0.0, "longRunning": 1.0, "abandoned": 2.0},
	}
	if !reflect.DeepEqual(got["counts"], wantCounts) {
		t.Errorf("counts\n got %v\nwant %v", got["counts"], wantCounts)
	}
	wantGroups := map[string]any{
		"verb":     map[string]any{"get": 1.0, "list": 1.0, "create": 1.0, "watch": 1.0, "": 1.0},
		"resource": map[string]any{"pods": 1.0, "": 4.0}, "user": map[string]any{"alice": 1.0, "": 4.0},
		"listener": map[string]any{"https": 5.0}, "longRunning": map[string]any{"false": 4.0, "true": 1.0},
	}
	if !reflect.DeepEqual(got["groups"], wantGroups) {
		t.Errorf("groups\n got %v\nwant %v", got["groups"], wantGroups)
	}
}

func TestMetrics(t *testing.T) {
	src := newFake(t)
	h := handlerOf(t, src)
	w := ask(t, h, "/metrics")
	if w.Code != 200 || w.Body.String() != "up 1\n" || w.Header().Get("Content-Type") != formMetrics {
		t.Errorf("%d %q %s", w.Code, w.Body, w.Header().Get("Content-Type"))
	}
	src.metrics = errors.New("no metrics")
	if w := ask(t, h, "/metrics"); w.Code != 500 || decode(t, w)["reason"] != "InternalError" {
		t.Errorf("a failing source gives %d %s", w.Code, w.Body)
	}
}
