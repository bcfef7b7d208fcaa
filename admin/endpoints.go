package admin

import (
	"reflect"
	"strings"
)

// envelope begins every answer.
type envelope struct {
	Generation int64 `json:"generation"`
	At         Time  `json:"at"`
}

func (ans *answer) envelope() envelope { return envelope{ans.generation, Time(ans.at)} }

// items ends every list.
type items struct {
	Total int   `json:"total"`
	Items []any `json:"items"`
}

// endpoints is the whole API, in the contract's order. Source: its section 2.
func endpoints(profiling bool) []endpoint {
	all := []endpoint{
		{path: "/admin/", role: "view", summary: "index of this API", item: indexItem{}, list: true, serve: serveIndex},
		list("/admin/v1/servers", "the delegation chain", Source.Servers),
		list("/admin/v1/chain", "filters of each listener, in order, with counts", Source.Chain),
		list("/admin/v1/routes", "every route of every server", Source.Routes),
		list("/admin/v1/hooks", "hooks with state, time and error", Source.Hooks),
		{path: "/admin/v1/inflight", role: "view", summary: "requests now: counts and one row each", item: Request{}, list: true, serve: serveInFlight},
		{path: "/admin/v1/timeline", role: "view", summary: "start, run, stop; what a stop waits for", item: Event{}, list: true, serve: serveTimeline},
		list("/admin/v1/listeners", "addresses, protocols, certificates, connections", Source.Listeners),
		{path: "/admin/v1/build", role: "view", summary: "version and process", item: Build{}, serve: serveBuild},
		list("/admin/v1/options", "every flag, its value and where it came from", Source.Options),
		{path: "/metrics", role: "view", summary: "Prometheus text", serve: serveMetrics},
	}
	if profiling {
		all = append(all, endpoint{path: pprofPath, role: "dangerous", summary: "profiles", serve: serveProfile})
	}
	return all
}

// list is an endpoint that shows rows and nothing else.
func list[T any](path, summary string, rows func(Source) []T) endpoint {
	var zero T
	return endpoint{path: path, role: "view", summary: summary, item: zero, list: true, serve: func(a *api, ans *answer) *Error {
		kept, total, err := ans.choose(zero, boxed(rows(a.src)))
		if err != nil {
			return err
		}
		if ans.text {
			return ans.writeText(path, kept)
		}
		return ans.writeJSON(struct {
			envelope
			items
		}{ans.envelope(), items{total, kept}})
	}}
}

func boxed[T any](rows []T) []any {
	out := make([]any, len(rows))
	for i := range rows {
		out[i] = rows[i]
	}
	return out
}

// choose negotiates the form and applies the query to the rows.
func (ans *answer) choose(zero any, rows []any) ([]any, int, *Error) {
	if err := ans.negotiate(true); err != nil {
		return nil, 0, err
	}
	c, err := parseChoice(ans.query, keysOf(zero))
	if err != nil {
		return nil, 0, err
	}
	kept, total := c.rows(rows)
	return kept, total, nil
}

// keysOf are the JSON keys of a struct, in order.
func keysOf(item any) []string {
	var keys []string
	t := reflect.TypeOf(item)
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("json"); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// indexItem describes one endpoint.
type indexItem struct {
	ID      string            `json:"id" doc:"path of the endpoint, without /admin/v1/"`
	Methods []string          `json:"methods" doc:"what can be done"`
	Path    string            `json:"path" doc:"its path"`
	Roles   map[string]string `json:"roles" doc:"the role that each method needs"`
	Summary string            `json:"summary" doc:"what it shows"`
	Fields  map[string]string `json:"fields" doc:"what each key of its answer means"`
}

func serveIndex(a *api, ans *answer) *Error {
	var rows []any
	for _, e := range a.endpoints {
		id := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(e.path, "/admin/"), "v1/"), "/")
		if e.path == "/admin/" {
			id = "index"
		}
		rows = append(rows, indexItem{id, []string{"GET"}, e.path, map[string]string{"GET": e.role}, e.summary, describe(e.item)})
	}
	kept, total, err := ans.choose(indexItem{}, rows)
	if err != nil {
		return err
	}
	if ans.text {
		return ans.writeText("/admin/", kept)
	}
	s := a.src.Status()
	return ans.writeJSON(struct {
		envelope
		Version  string `json:"version"`
		Phase    string `json:"phase"`
		Ready    bool   `json:"ready"`
		Controls []any  `json:"controls"`
		items
	}{ans.envelope(), s.Version, s.Phase, s.Ready, []any{}, items{total, kept}})
}

// describe is the doc tags of a shape, by key.
func describe(item any) map[string]string {
	out := map[string]string{}
	if item == nil {
		return out
	}
	t := reflect.TypeOf(item)
	for i := range t.NumField() {
		f := t.Field(i)
		if doc := f.Tag.Get("doc"); doc != "" {
			out[f.Tag.Get("json")] = doc
		}
	}
	return out
}

func serveInFlight(a *api, ans *answer) *Error {
	requests, places := a.src.InFlight()
	all := ans.query["limit"]
	delete(ans.query, "limit") // counts are of what matched, before limit
	kept, total, err := ans.choose(Request{}, boxed(requests))
	if err != nil {
		return err
	}
	groups := map[string]map[string]int{"verb": {}, "resource": {}, "user": {}, "listener": {}, "longRunning": {}}
	for i := range places {
		places[i].ReadOnly, places[i].Mutating, places[i].LongRunning = 0, 0, 0
	}
	for _, k := range kept {
		r := k.(Request)
		groups["verb"][r.Verb]++
		groups["resource"][r.Resource]++
		groups["user"][r.User]++
		groups["listener"][r.Listener]++
		groups["longRunning"][show(r.LongRunning)]++
		for i := range places {
			switch p := &places[i]; {
			case p.Listener != r.Listener:
			case r.LongRunning:
				p.LongRunning++
			case r.Verb == "get" || r.Verb == "list" || r.Verb == "watch":
				p.ReadOnly++
			default:
				p.Mutating++
			}
		}
	}
	if len(all) > 0 {
		c, err := parseChoice(map[string][]string{"limit": all}, nil)
		if err != nil {
			return err
		}
		kept, _ = c.rows(kept)
	}
	if ans.text {
		return ans.writeText("/admin/v1/inflight", kept)
	}
	return ans.writeJSON(struct {
		envelope
		Total  int                       `json:"total"`
		Counts []Places                  `json:"counts"`
		Groups map[string]map[string]int `json:"groups"`
		Items  []any                     `json:"items"`
	}{ans.envelope(), total, places, groups, kept})
}

func serveTimeline(a *api, ans *answer) *Error {
	t := a.src.Timeline()
	kept, total, err := ans.choose(Event{}, boxed(t.Events))
	if err != nil {
		return err
	}
	if ans.text {
		return ans.writeText("/admin/v1/timeline", kept)
	}
	if t.BlockedBy == nil {
		t.BlockedBy = []Blocker{}
	}
	return ans.writeJSON(struct {
		envelope
		Timeline
		items
	}{ans.envelope(), t, items{total, kept}})
}

func serveBuild(a *api, ans *answer) *Error {
	if err := ans.negotiate(true); err != nil {
		return err
	}
	if _, err := parseChoice(ans.query, nil); err != nil {
		return err
	}
	v := struct {
		envelope
		Build
	}{ans.envelope(), a.src.Build()}
	if ans.text {
		return ans.writePairs(v)
	}
	return ans.writeJSON(v)
}

func serveMetrics(a *api, ans *answer) *Error {
	ans.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = a.src.WriteMetrics(ans.w) // an error is the client's going
	return nil
}
