package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"apichain/internal/kinds"
	"apichain/internal/request"
)

// The routes of custom resources. They are in no trie: a request's group, version and
// resource find them, so that a definition costs no more than two entries of a map.

// find is the route of a request for a custom resource, nil if it is for none: then it
// is not found.
func (c *customs) find(req *http.Request) *route {
	info := RequestInfoFrom(req.Context())
	if !info.IsResourceRequest || info.APIPrefix != "apis" {
		return c.document(req.URL.Path)
	}
	c.mu.RLock()
	r := c.served[kinds.NewKey(info.APIGroup, info.APIVersion, info.Resource)]
	c.mu.RUnlock()
	if r == nil {
		return nil
	}
	everywhere := info.Verb == "list" || info.Verb == "watch"
	if r.namespaced && info.Namespace == "" && !everywhere || !r.namespaced && info.Namespace != "" {
		return nil
	}
	return r.table.of(r).find(r, req.Method, info)
}

// document is the route of a discovery document of custom resources.
func (c *customs) document(path string) *route {
	if !strings.HasPrefix(path, "/apis/") {
		return nil
	}
	if _, ok := c.catalog.Document(trimSlash(path)); !ok {
		return nil
	}
	return &c.documents
}

func (c *customs) serveDocument(w http.ResponseWriter, r *http.Request) {
	serve, ok := c.catalog.Document(trimSlash(r.URL.Path))
	if !ok { // it went after it was found
		http.NotFound(w, r)
		return
	}
	serve(w, r)
}

// routes is what there is now, sorted as the admin page has it. The routes of a resource
// that has seen no request are made for the page alone.
func (c *customs) routes() []*route {
	c.mu.RLock()
	byRoot := map[string][]*resource{}
	for _, r := range c.served {
		root := r.root()
		byRoot[root] = append(byRoot[root], r)
	}
	c.mu.RUnlock()
	out := []*route{&c.documents}
	for _, root := range slices.Sorted(maps.Keys(byRoot)) { // all sorted at once would take twice as long
		first := len(out)
		for _, r := range byRoot[root] {
			out = append(out, r.rows()...)
		}
		slices.SortFunc(out[first:], compareRoutes)
	}
	return out
}

// names is the groups there are beside those that the program brings.
func (c *customs) names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	seen := map[string]bool{}
	var out []string
	for key := range c.served {
		if !seen[key.Group] {
			seen[key.Group] = true
			out = append(out, key.Group)
		}
	}
	return sorted(out)
}

// rows is the routes of r for the admin page: those that take requests, if there are any.
func (r *resource) rows() []*route {
	if set := r.table.made.Load(); set != nil {
		return set.all
	}
	_, all := r.routes()
	return all
}

// routeTable is the routes of a custom resource. They are made when the first request
// comes, since most of ten thousand definitions never see one.
type routeTable struct{ made atomic.Pointer[routeSet] }

// of is the routes of r, whose table it is.
func (t *routeTable) of(r *resource) *routeSet {
	set := t.made.Load()
	if set == nil {
		t.made.CompareAndSwap(nil, r.makeRoutes())
		set = t.made.Load()
	}
	return set
}

type routeSet struct {
	all    []*route
	byForm map[routeForm]*route
	other  *route // methods that the resource has not; the last of all
}

type routeForm struct {
	method, sub string
	form        pathForm
}

func (t *routeSet) find(r *resource, method string, info *request.Info) *route {
	f := routeForm{method: method, sub: info.Subresource, form: formItem}
	switch {
	case info.Name == "" || info.Verb == "list" || info.Verb == "watch" || info.Verb == "deletecollection":
		f.form = formCollection
		if r.namespaced && info.Namespace == "" {
			f.form = formAll
		}
		if info.Verb == "watch" && strings.HasPrefix(info.Path, "/apis/"+info.APIGroup+"/"+info.APIVersion+"/watch/") {
			f.form += formWatchAll - formAll
			if info.Name != "" {
				f.form = formWatchItem
			}
		}
	}
	if found := t.byForm[f]; found != nil {
		return found
	}
	return t.other
}

// root is where the paths of a custom resource begin.
func (r *resource) root() string { return "/apis/" + r.group + "/" + r.version + "/" }

// routes is every route of a custom resource, and the rows of the first ones; the last is
// for methods that the resource has not.
func (r *resource) routes() ([]Route, []*route) {
	root, resource, rows := strings.TrimSuffix(r.root(), "/"), r.qualified(), r.routeRows()
	room, all := make([]route, len(rows)+1), make([]*route, len(rows)+1)
	set := func(i int, w *Route) {
		all[i] = &room[i]
		rt := all[i]
		rt.server, rt.kind, rt.method, rt.pattern, rt.operation, rt.doc = "extensions", kindContainer, w.Method, root+w.Path, w.Operation, w.Doc
		rt.described, rt.resource, rt.at, rt.listed, rt.handler = w.Described, resource, r.rest.customs.documents.at, true, r
	}
	for i := range rows {
		set(i, &rows[i])
	}
	set(len(rows), &Route{Method: "*", Path: "/" + r.plural, Operation: "refuse" + r.kind, Doc: "refuse a method that there is not"})
	return rows, all
}

func (r *resource) makeRoutes() *routeSet {
	rows, all := r.routes()
	t := &routeSet{all: all, byForm: make(map[routeForm]*route, len(rows)), other: all[len(rows)]}
	for i, w := range rows {
		t.byForm[r.formOf(w)] = all[i]
	}
	return t
}

// formOf is where a route's path stands among the forms.
func (r *resource) formOf(w Route) routeForm {
	for form := formAll; form <= formWatchItem; form++ {
		rest, ok := strings.CutPrefix(w.Path, r.path(form))
		if ok && rest == "" {
			if !r.namespaced && (form == formAll || form == formWatchAll) {
				form++ // the collection of all is the only one
			}
			return routeForm{method: w.Method, form: form}
		}
		if ok && form == formItem && rest[0] == '/' {
			return routeForm{method: w.Method, form: form, sub: rest[1:]}
		}
	}
	return routeForm{}
}
