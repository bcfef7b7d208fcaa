package admin

import (
	"bytes"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const (
	formJSON    = "application/json"
	formText    = "text/plain; charset=utf-8"
	formMetrics = "text/plain; version=0.0.4; charset=utf-8" // Prometheus text
	formBinary  = "application/octet-stream"
)

// endpoint is one row of the API. Its fields are what the index says of it.
type endpoint struct {
	path    string            // the whole path; profiles take what is below as well
	roles   map[string]string // by method; HEAD is GET
	summary string
	forms   []string                   // Content-Types offered, the default first
	answer  any                        // zero value of the JSON answer: its keys are described; nil: another form
	item    any                        // zero value of an item of it; nil: no list
	serve   func(*api, *answer) *Error // GET and HEAD
	change  changer                    // the other methods
}

// endpoints is the whole API, in the contract's order. Source: its section 2.
func endpoints(profiling bool) []endpoint {
	views, shown := map[string]string{http.MethodGet: "view"}, []string{formJSON, formText}
	operates := map[string]string{http.MethodPost: "operate"}
	both := map[string]string{http.MethodGet: "dangerous", http.MethodPut: "operate"}
	all := []endpoint{
		{"/admin/", views, "index of this API; a page in a browser", append(slices.Clone(shown), formHTML), index{}, indexItem{}, serveIndex, changer{}},
		{"/admin/v1/servers", views, "the delegation chain", shown, list{}, Server{}, serveList(Source.Servers, serverColumns), changer{}},
		{"/admin/v1/chain", views, "filters of each listener, in order, with counts and time", shown, list{}, Chain{}, serveChain, changer{}},
		{"/admin/v1/routes", views, "every route of every server", shown, list{}, Route{}, serveList(Source.Routes, routeColumns), changer{}},
		{"/admin/v1/hooks", views, "hooks with state, time, error, stack", shown, list{}, Hook{}, serveList(Source.Hooks, hookColumns), changer{}},
		{"/admin/v1/inflight", views, "requests now: counts and one row each", shown, inFlight{}, Request{}, serveInFlight, changer{}},
		{"/admin/v1/timeline", views, "start, run, stop; what a stop waits for", shown, timeline{}, Event{}, serveTimeline, changer{}},
		{"/admin/v1/listeners", views, "addresses, protocols, certificates, connections", shown, list{}, Listener{}, serveList(Source.Listeners, listenerColumns), changer{}},
		{"/admin/v1/build", views, "version and process", shown, build{}, nil, serveBuild, changer{}},
		{"/admin/v1/options", views, "every flag, value and source", shown, list{}, Option{}, serveList(Source.Options, optionColumns), changer{}},
		{"/admin/v1/watches", views, "open watches with lag", shown, list{}, Watch{}, serveList(Source.Watches, watchColumns), changer{}},
		{"/admin/v1/store", views, "revision, objects, bytes, window", shown, storeAnswer{}, nil, serveStore, changer{}},
		{"/admin/v1/reset", operates, "the store as it was at ready", shown, written{}, nil, nil, changer{serve: serveReset}},
		{"/admin/v1/snapshot", both, "the whole store out and in", []string{formJSON}, written{}, nil, serveSnapshot, changer{snapshotLimit, serveLoad}},
		{"/admin/v1/explain", views, "what would happen to a request, and why", shown, explanation{}, nil, serveExplain, changer{}},
		{"/admin/v1/requests", views, "finished requests with the time in each filter", shown, requests{}, FinishedRequest{}, serveRequests, changer{}},
		{"/admin/v1/stream", views, "events as they happen", []string{formEvents}, streamKeys{}, nil, serveStream, changer{}},
		drainEndpoint(),
		logLevelEndpoint(),
		faultsEndpoint(),
		{"/admin/v1/bundle", views, "one redacted archive for a bug report", []string{formGzip}, nil, nil, serveBundle, changer{}},
		{"/admin/v1/openapi.json", views, "OpenAPI 3.1 of this API", []string{formJSON}, nil, nil, serveOpenAPI, changer{}},
		{"/metrics", views, "Prometheus text", []string{formMetrics}, nil, nil, serveMetrics, changer{}},
	}
	if profiling {
		all = append(all, endpoint{pprofPath, map[string]string{http.MethodGet: "dangerous"}, "profiles", []string{formBinary, formText}, nil, nil, serveProfile, changer{}})
	}
	return all
}

// allow is the methods of the endpoint, as Allow has them.
func (e *endpoint) allow() string {
	return strings.Replace(strings.Join(e.methods(), ", "), "GET", "GET, HEAD", 1)
}

func (e *endpoint) methods() []string { return slices.Sorted(maps.Keys(e.roles)) }

// id is the path without what all have in front: routes, metrics, debug/pprof.
func (e *endpoint) id() string {
	if e.path == "/admin/" {
		return "index"
	}
	return strings.Trim(strings.TrimPrefix(e.path, "/admin/v1/"), "/")
}

// envelope begins every JSON answer.
type envelope struct {
	Generation int64 `json:"generation" doc:"structure of the process that the answer shows; grows with every change"`
	At         Time  `json:"at" doc:"the moment for which the whole answer holds"`
}

// items ends every list.
type items struct {
	Total int       `json:"total" doc:"items that matched the query, before limit"`
	Items List[any] `json:"items" doc:"the items"`
}

// list is the answer of an endpoint that shows items and nothing else.
type list struct {
	envelope
	items
}

// moment reads what an answer shows and sets the moment it holds for. What changes
// meanwhile is read again, so that answers of one generation show the same; a process
// that changes without pause is shown as it was last read.
func (a *api) moment(ans *answer, read func()) envelope {
	for tries := 0; ; tries++ {
		before := a.src.Generation()
		read()
		if a.src.Generation() == before || tries == 3 {
			ans.holds(before, a.Now())
			return envelope{before, Time(ans.at)}
		}
	}
}

// serveList serves a list and nothing else.
func serveList[T any](rows func(Source) []T, cols columns) func(*api, *answer) *Error {
	return func(a *api, ans *answer) *Error {
		var item T
		return a.serveRows(ans, item, cols, func() []any { return boxed(rows(a.src)) })
	}
}

func (a *api) serveRows(ans *answer, item any, cols columns, read func() []any) *Error {
	c, err := parseChoice(ans.query, item)
	if err != nil {
		return err
	}
	var rows []any
	env := a.moment(ans, func() { rows = read() })
	kept := c.matching(rows)
	shown := c.page(kept)
	if ans.form == formText {
		return ans.replyTable(cols, shown)
	}
	return ans.reply(http.StatusOK, list{env, items{len(kept), shown}})
}

// serveChain serves the filters: as JSON by listener, as text a line for each.
func serveChain(a *api, ans *answer) *Error {
	if ans.form != formText {
		return serveList(Source.Chain, nil)(a, ans)
	}
	c, err := parseChoice(ans.query, Chain{})
	if err != nil {
		return err
	}
	var chains []Chain
	a.moment(ans, func() { chains = a.src.Chain() })
	var lines []any
	for _, chain := range c.page(c.matching(boxed(chains))) {
		for _, f := range chain.(Chain).Filters {
			lines = append(lines, filterLine{chain.(Chain).Listener, f})
		}
	}
	return ans.replyTable(filterColumns, lines)
}

// filterLine is a filter with its listener, for text.
type filterLine struct {
	Listener string `json:"listener"`
	Filter
}

// index is the answer of /admin/.
type index struct {
	envelope
	Version  string        `json:"version" doc:"version of the program"`
	Phase    string        `json:"phase" doc:"start until ready, run, stop from ShutdownInitiated"`
	Ready    bool          `json:"ready" doc:"whether the program has become ready, does not stop and is not drained: /readyz, but for health checks that were added"`
	Controls List[Control] `json:"controls" doc:"what is switched on for a time"`

	User      string       `json:"user" doc:"who asks"`
	UserRoles List[string] `json:"userRoles" doc:"roles that the user holds at this path; rules may grant others elsewhere"`
	items
}

// indexItem describes one endpoint.
type indexItem struct {
	ID      string       `json:"id" doc:"name of the endpoint"`
	Methods List[string] `json:"methods" doc:"methods it takes; HEAD goes with GET"`
	Path    string       `json:"path" doc:"its path"`
	Roles   Map[string]  `json:"roles" doc:"the role that each method needs: view, operate or dangerous"`
	Summary string       `json:"summary" doc:"what it shows"`
	Fields  Map[string]  `json:"fields" doc:"what each key of its answer means: a key of an item by its name, one of the answer itself with a dot in front"`
}

func serveIndex(a *api, ans *answer) *Error {
	c, err := parseChoice(ans.query, indexItem{})
	if err != nil {
		return err
	}
	var rows []any
	for i := range a.endpoints {
		e := &a.endpoints[i]
		rows = append(rows, indexItem{e.id(), e.methods(), e.path, e.roles, e.summary, e.fields()})
	}
	if ans.form == formHTML {
		return a.servePage(ans)
	}
	kept := c.matching(rows)
	shown := c.page(kept)
	if ans.form == formText {
		return ans.replyTable(indexColumns, shown)
	}
	var s Status
	env := a.moment(ans, func() { s = a.src.Status() })
	return ans.reply(http.StatusOK, index{env, s.Version, s.Phase, s.Ready, s.Controls, ans.who.User, a.rolesAt(ans, "/admin/"), items{len(kept), shown}})
}

// fields are what the doc tags of the answer and its items say, by the path of the key.
func (e *endpoint) fields() Map[string] {
	out := Map[string]{}
	if e.answer != nil {
		describe(out, ".", reflect.TypeOf(e.answer))
	}
	if e.item != nil {
		describe(out, "", reflect.TypeOf(e.item))
	}
	return out
}

func describe(out Map[string], prefix string, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("json")
		if name == "" || name == "-" {
			continue // an embedded struct, whose fields are visible too, or nothing that is sent
		}
		out[prefix+name] = f.Tag.Get("doc")
		of := f.Type
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[Time]() {
			describe(out, prefix+name+".", of)
		}
	}
}

// inFlight is the answer of /admin/v1/inflight.
type inFlight struct {
	envelope
	Total  int          `json:"total" doc:"requests that matched the query, before limit"`
	Counts List[Places] `json:"counts" doc:"how many of those run on each listener, and its limits"`
	Groups Groups       `json:"groups" doc:"how many of those there are of each kind"`
	Items  List[any]    `json:"items" doc:"the requests, oldest first"`
}

func serveInFlight(a *api, ans *answer) *Error {
	c, err := parseChoice(ans.query, Request{}, "stack")
	if err != nil {
		return err
	}
	cols := inFlightColumns
	var requests []Request
	var v inFlight
	v.envelope = a.moment(ans, func() { requests, v.Counts = a.src.InFlight() })
	if with, _ := strconv.ParseBool(ans.query.Get("stack")); with {
		stacks := a.src.RequestStacks()
		for i := range requests {
			requests[i].Stack = stacks[requests[i].ID]
		}
		cols = append(slices.Clone(cols), "STACK=stack")
	}
	kept := c.matching(boxed(requests))
	v.Total, v.Groups = len(kept), groupsOf(kept)
	count(v.Counts, kept)
	v.Items = c.page(kept)
	if ans.form == formText {
		return ans.replyTable(cols, v.Items)
	}
	return ans.reply(http.StatusOK, v)
}

func groupsOf(rows []any) Groups {
	g := Groups{Map[int]{}, Map[int]{}, Map[int]{}, Map[int]{}, Map[int]{}}
	for _, row := range rows {
		r := row.(Request)
		g.Verb[r.Verb]++
		g.Resource[r.Resource]++
		g.User[r.User]++
		g.Listener[r.Listener]++
		g.LongRunning[strconv.FormatBool(r.LongRunning)]++
	}
	return g
}

// count sets the places that rows take, each in one of three counts as the limits do:
// get, list and watch are read-only. A request whose verb is not known yet takes none.
func count(places []Places, rows []any) {
	for i := range places {
		p := &places[i]
		p.ReadOnly, p.Mutating, p.LongRunning = 0, 0, 0
		for _, row := range rows {
			switch r := row.(Request); {
			case r.Listener != p.Listener || r.Verb == "":
			case r.LongRunning:
				p.LongRunning++
			case r.Verb == "get" || r.Verb == "list" || r.Verb == "watch":
				p.ReadOnly++
			default:
				p.Mutating++
			}
		}
	}
}

// timeline is the answer of /admin/v1/timeline.
type timeline struct {
	envelope
	Timeline
	items
}

func serveTimeline(a *api, ans *answer) *Error {
	c, err := parseChoice(ans.query, Event{})
	if err != nil {
		return err
	}
	var t Timeline
	env := a.moment(ans, func() { t = a.src.Timeline() })
	kept := c.matching(boxed(t.Events))
	shown := c.page(kept)
	if ans.form == formText {
		return ans.replyTimeline(t, shown)
	}
	return ans.reply(http.StatusOK, timeline{env, t, items{len(kept), shown}})
}

// build is the answer of /admin/v1/build.
type build struct {
	envelope
	Build
}

func serveBuild(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	var b Build
	env := a.moment(ans, func() { b = a.src.Build() })
	if ans.form == formText {
		return ans.replyPairs(b)
	}
	return ans.reply(http.StatusOK, build{env, b})
}

func serveMetrics(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := a.src.WriteMetrics(&b); err != nil {
		return &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "the metrics cannot be written: " + err.Error()}
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}

func boxed[T any](rows []T) []any {
	out := make([]any, len(rows))
	for i := range rows {
		out[i] = rows[i]
	}
	return out
}
