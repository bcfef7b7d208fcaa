package main

import (
	"net/http"
	"strings"
	"sync/atomic"
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
	r := c.served[kindKey{info.APIGroup, info.APIVersion, info.Resource}]
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
	if _, ok := c.catalog.document(trimSlash(path)); !ok {
		return nil
	}
	return &c.documents
}

func (c *customs) serveDocument(w http.ResponseWriter, r *http.Request) {
	serve, ok := c.catalog.document(trimSlash(r.URL.Path))
	if !ok { // it went after it was found
		http.NotFound(w, r)
		return
	}
	serve(w, r)
}

// routes is what there is now, in no order, for the admin page. The routes of a resource
// that has seen no request are made for the page alone.
func (c *customs) routes() []*route {
	c.mu.RLock()
	all := make([]*resource, 0, len(c.served))
	for _, r := range c.served {
		all = append(all, r)
	}
	c.mu.RUnlock()
	out := []*route{&c.documents}
	for _, r := range all {
		set := r.table.made.Load()
		if set == nil {
			set = r.makeRoutes()
		}
		out = append(out, set.all...)
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
		if !seen[key.group] {
			seen[key.group] = true
			out = append(out, key.group)
		}
	}
	return sorted(out)
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

func (t *routeSet) find(r *resource, method string, info *RequestInfo) *route {
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

func (r *resource) makeRoutes() *routeSet {
	root, resource := "/apis/"+r.group+"/"+r.version, r.qualified()
	row := func(w Route) *route {
		return &route{server: "extensions", kind: kindContainer, method: w.Method, pattern: root + w.Path, operation: w.Operation, doc: w.Doc, resource: resource, at: "custom.go", listed: true, handler: r}
	}
	t := &routeSet{byForm: map[routeForm]*route{}}
	for _, w := range r.routeRows() {
		rt := row(w)
		t.all = append(t.all, rt)
		t.byForm[r.formOf(w)] = rt
	}
	t.other = row(Route{Method: "*", Path: "/" + r.plural, Operation: "refuse" + r.kind, Doc: "refuse a method that there is not"})
	t.all = append(t.all, t.other)
	return t
}

// formOf is where a route's path stands among the forms.
func (r *resource) formOf(w Route) routeForm {
	for form := formAll; form <= formWatchItem; form++ {
		rest, ok := strings.CutPrefix(w.Path, r.path(form))
		if ok && rest == "" {
			if form == formAll && !r.namespaced {
				form = formCollection
			}
			return routeForm{method: w.Method, form: form}
		}
		if ok && form == formItem && rest[0] == '/' {
			return routeForm{method: w.Method, form: form, sub: rest[1:]}
		}
	}
	return routeForm{}
}
