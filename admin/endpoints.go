package admin

import (
	"bytes"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// The table of endpoints, and those that need no file of their own: the index and the
// endpoints that show a list and nothing else.
//
// The table is the whole API. The checks, the index, the OpenAPI document and the bundle
// read it, so an endpoint that is added here is checked, listed, described and bundled. What
// an endpoint's answer looks like is said by zero values of its shapes, whose tags are read
// by reflection: an answer embeds envelope and, if it is a list, items.

// The Content-Types that endpoints offer. formMetrics is Prometheus' text format.
const (
	formJSON    = "application/json"
	formText    = "text/plain; charset=utf-8"
	formMetrics = "text/plain; version=0.0.4; charset=utf-8"
	formBinary  = "application/octet-stream"
)

// endpoint is one row of the API.
type endpoint struct {
	// path is the whole path. That of profiles also takes what is below it.
	path string

	// roles are the roles by method, without HEAD, which goes with GET. A method that is
	// not in it is a 405.
	roles map[string]string

	// summary says in the index what the endpoint shows or does.
	summary string

	// forms are the Content-Types offered, the default first.
	forms []string

	// response is the zero value of the JSON answer, and item that of one of its items:
	// their tags describe the keys. response is nil for an answer in a foreign form, item
	// for one without items.
	response any
	item     any

	// serve answers GET and HEAD, change the other methods.
	serve  func(*api, *answer) *Error
	change changer
}

// endpoints returns the whole API, in the contract's order. Source: its section 2.
func endpoints(profiling bool) []endpoint {
	views, shown := map[string]string{http.MethodGet: RoleView}, []string{formJSON, formText}
	resets := map[string]string{http.MethodPost: RoleOperate}
	snapshots := map[string]string{http.MethodGet: RoleDangerous, http.MethodPut: RoleOperate}
	profiles := map[string]string{http.MethodGet: RoleDangerous}
	all := []endpoint{
		{"/admin/", views, "index of this API; a page in a browser",
			append(slices.Clone(shown), formHTML), index{}, indexItem{}, serveIndex, changer{}},
		{"/admin/v1/servers", views, "the delegation chain",
			shown, list{}, Server{}, serveList(Source.Servers, serverColumns), changer{}},
		{"/admin/v1/chain", views, "filters of each listener, in order, with counts and time",
			shown, list{}, Chain{}, serveChain, changer{}},
		{"/admin/v1/admission", views, "admission plugins, in the order in which a write meets them",
			shown, list{}, Plugin{}, serveList(Source.Admission, pluginColumns), changer{}},
		{"/admin/v1/backends", views, "webhooks and aggregated servers: where, how they are, what came of calls",
			shown, list{}, Backend{}, serveList(Source.Backends, backendColumns), changer{}},
		{"/admin/v1/routes", views, "every route of every server",
			shown, list{}, Route{}, serveList(Source.Routes, routeColumns), changer{}},
		{"/admin/v1/hooks", views, "hooks with state, time, error, stack",
			shown, list{}, Hook{}, serveList(Source.Hooks, hookColumns), changer{}},
		{"/admin/v1/inflight", views, "requests now: counts and one row each",
			shown, inFlight{}, Request{}, serveInFlight, changer{}},
		{"/admin/v1/timeline", views, "start, run, stop; what a stop waits for",
			shown, timeline{}, Event{}, serveTimeline, changer{}},
		{"/admin/v1/listeners", views, "addresses, protocols, certificates, connections",
			shown, list{}, Listener{}, serveList(Source.Listeners, listenerColumns), changer{}},
		{"/admin/v1/build", views, "version and process", shown, build{}, nil, serveBuild, changer{}},
		{"/admin/v1/options", views, "every flag, value and source",
			shown, list{}, Option{}, serveList(Source.Options, optionColumns), changer{}},
		{"/admin/v1/watches", views, "open watches with lag",
			shown, list{}, Watch{}, serveList(Source.Watches, watchColumns), changer{}},
		{"/admin/v1/store", views, "revision, objects, bytes, window, what keeps them", shown, storeAnswer{}, nil, serveStore, changer{}},
		{"/admin/v1/reset", resets, "the store as it was at ready", shown, written{}, nil, nil, changer{serve: serveReset}},
		{"/admin/v1/snapshot", snapshots, "the whole store out and in",
			[]string{formJSON}, written{}, nil, serveSnapshot, changer{snapshotLimit, serveLoad}},
		{"/admin/v1/backup", profiles, "the whole store for --data-dir",
			[]string{formBinary}, nil, nil, serveBackup, changer{}},
		{"/admin/v1/explain", views, "what would happen to a request, and why",
			shown, explanation{}, nil, serveExplain, changer{}},
		{"/admin/v1/owners", views, "who owns the fields of an object, and what a forced apply would take",
			shown, owners{}, Owner{}, serveOwners, changer{}},
		{"/admin/v1/requests", views, "finished requests with the time in each filter",
			shown, requests{}, FinishedRequest{}, serveRequests, changer{}},
		{"/admin/v1/stream", views, "events as they happen",
			[]string{formEvents}, streamKeys{}, nil, serveStream, changer{}},
		drainEndpoint(),
		logLevelEndpoint(),
		faultsEndpoint(),
		{"/admin/v1/bundle", views, "one redacted archive for a bug report",
			[]string{formGzip}, nil, nil, serveBundle, changer{}},
		{"/admin/v1/openapi.json", views, "OpenAPI 3.1 of this API", []string{formJSON}, nil, nil, serveOpenAPI, changer{}},
		{"/metrics", views, "Prometheus text", []string{formMetrics}, nil, nil, serveMetrics, changer{}},
	}
	if profiling {
		all = append(all, endpoint{pprofPath, profiles, "profiles",
			[]string{formBinary, formText}, nil, nil, serveProfile, changer{}})
	}
	return all
}

// methods returns the methods of the endpoint in order, without HEAD.
func (e *endpoint) methods() []string { return slices.Sorted(maps.Keys(e.roles)) }

// allow returns the methods of the endpoint as the header Allow has them, HEAD among them.
func (e *endpoint) allow() string {
	return strings.Replace(strings.Join(e.methods(), ", "), "GET", "GET, HEAD", 1)
}

// id returns the name of the endpoint: its path without what most have in front, such as
// routes, metrics and debug/pprof.
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

// readStable reads what an answer shows and sets the moment it holds for. What changes
// meanwhile is read again, so that answers of one generation show the same structure. A
// process that changes without pause is shown as it was read the fourth time: an answer
// that is a little torn is worth more than none.
func (a *api) readStable(ans *answer, read func()) envelope {
	for tries := 0; ; tries++ {
		before := a.src.Generation()
		read()
		if a.src.Generation() == before || tries == 3 {
			ans.setMoment(before, a.Now())
			return envelope{before, Time(ans.at)}
		}
	}
}

// serveList returns what serves a list and nothing else: rows from the Source, as text in
// the columns.
func serveList[T any](rows func(Source) []T, cols columns) func(*api, *answer) *Error {
	return func(a *api, ans *answer) *Error {
		var item T
		return a.serveRows(ans, item, cols, func() []any { return toRows(rows(a.src)) })
	}
}

// serveRows answers with the rows that the query selects. item is a zero value of a row:
// its fields are the parameters of the query.
func (a *api) serveRows(ans *answer, item any, cols columns, read func() []any) *Error {
	q, err := parseRowQuery(ans.query, item)
	if err != nil {
		return err
	}
	var rows []any
	env := a.readStable(ans, func() { rows = read() })
	kept := q.matching(rows)
	shown := q.page(kept)
	if ans.form == formText {
		return ans.replyTable(cols, shown)
	}
	return ans.reply(http.StatusOK, list{env, items{len(kept), shown}})
}

// toRows returns rows as values of any type, as queries and tables take them. It copies:
// queries sort in place.
func toRows[T any](rows []T) []any {
	out := make([]any, len(rows))
	for i := range rows {
		out[i] = rows[i]
	}
	return out
}

// serveChain serves the filters: as JSON one item for each listener, as text one line for
// each filter. The query chooses listeners in both.
func serveChain(a *api, ans *answer) *Error {
	if ans.form != formText {
		return serveList(Source.Chain, nil)(a, ans)
	}
	q, err := parseRowQuery(ans.query, Chain{})
	if err != nil {
		return err
	}
	var chains []Chain
	a.readStable(ans, func() { chains = a.src.Chain() })
	var lines []any
	for _, row := range q.page(q.matching(toRows(chains))) {
		chain := row.(Chain)
		for _, f := range chain.Filters {
			lines = append(lines, filterLine{chain.Listener, f})
		}
	}
	return ans.replyTable(filterColumns, lines)
}

// filterLine is a row of text: a filter with its listener.
type filterLine struct {
	Listener string `json:"listener"`
	Filter
}

// index is the answer of /admin/.
type index struct {
	envelope

	// What the process is doing.
	Version  string        `json:"version" doc:"version of the program"`
	Phase    string        `json:"phase" doc:"start until ready, run, stop from ShutdownInitiated"`
	Ready    bool          `json:"ready" doc:"whether the program has become ready, does not stop and is not drained: /readyz, but for health checks that were added"`
	Controls List[Control] `json:"controls" doc:"what is switched on for a time"`

	// Who asks, for the page.
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

// serveIndex serves the index, or in a browser the page. Endpoints are shown whatever the
// caller's roles: that they exist is no secret, and the index says which role each needs.
func serveIndex(a *api, ans *answer) *Error {
	// Also for the page: a parameter that is not known is 400 in every form.
	q, err := parseRowQuery(ans.query, indexItem{})
	if err != nil {
		return err
	}
	if ans.form == formHTML {
		return a.servePage(ans)
	}
	var rows []any
	for i := range a.endpoints {
		e := &a.endpoints[i]
		rows = append(rows, indexItem{e.id(), e.methods(), e.path, e.roles, e.summary, e.fields()})
	}
	kept := q.matching(rows)
	shown := q.page(kept)
	if ans.form == formText {
		return ans.replyTable(indexColumns, shown)
	}
	var s Status
	env := a.readStable(ans, func() { s = a.src.Status() })
	return ans.reply(http.StatusOK, index{
		envelope: env, Version: s.Version, Phase: s.Phase, Ready: s.Ready, Controls: s.Controls,
		User: ans.who.User, UserRoles: a.rolesAt(ans, "/admin/"), items: items{len(kept), shown},
	})
}

// fields returns what the doc tags of the answer and of its items say, by the path of the
// key: that of the answer begins with a dot, that of an item does not.
func (e *endpoint) fields() Map[string] {
	out := Map[string]{}
	if e.response != nil {
		describe(out, ".", reflect.TypeOf(e.response))
	}
	if e.item != nil {
		describe(out, "", reflect.TypeOf(e.item))
	}
	return out
}

// describe adds the doc tags of a struct to out, and those of the structs in it by paths
// such as tls.certificates.names. Lists and pointers add nothing to a path.
func describe(out Map[string], prefix string, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("json")
		if name == "" || name == "-" {
			// An embedded struct, whose fields are visible by themselves, or what is not sent.
			continue
		}
		out[prefix+name] = f.Tag.Get("doc")
		of := f.Type
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		// A Time is a struct to reflection and a text to JSON.
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[Time]() {
			describe(out, prefix+name+".", of)
		}
	}
}

// build is the answer of /admin/v1/build.
type build struct {
	envelope
	Build
}

// serveBuild serves the version and the process.
func serveBuild(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query, "pretty", "wide"); err != nil {
		return err
	}
	var b Build
	env := a.readStable(ans, func() { b = a.src.Build() })
	if ans.form == formText {
		return ans.replyPairs(b)
	}
	return ans.reply(http.StatusOK, build{env, b})
}

// serveMetrics serves the metrics of the program, those that its serving listeners have
// too. They are written to memory first, so that a failure is a 500 and not half a page,
// which a scraper would take for all there is.
func serveMetrics(a *api, ans *answer) *Error {
	if err := checkQuery(ans.query); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := a.src.WriteMetrics(&b); err != nil {
		return internalError("the metrics cannot be written: " + err.Error())
	}
	ans.send(http.StatusOK, b.Bytes())
	return nil
}
