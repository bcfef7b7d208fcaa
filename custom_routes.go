package main

import (
	"net/http"
	"strings"
	"sync"
)

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
	return r.table.find(r, req.Method, info)
}

// document is the route of a discovery document of custom resources.
func (c *customs) document(path string) *route {
	if !strings.HasPrefix(path, "/apis/") {
		return nil
	}
	serve, ok := c.rest.program.catalog.document(trimSlash(path))
	if !ok {
		return nil
	}
	return &route{server: "extensions", kind: kindPrefix, method: "*", pattern: "/apis/", listed: true, at: "custom.go", handler: http.HandlerFunc(serve)}
}

// routeTable is the routes of a custom resource. They are made when the first request
// comes, since most of ten thousand definitions never see one.
type routeTable struct {
	once   sync.Once
	routes []*route
	byForm map[routeForm]*route
	other  *route // methods that the resource has not
}

type routeForm struct {
	method, sub string
	form        pathForm
}

func (t *routeTable) find(r *resource, method string, info *RequestInfo) *route {
	t.once.Do(func() { t.make(r) })
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

func (t *routeTable) make(r *resource) {
	root := "/apis/" + r.group + "/" + r.version
	row := func(w Route) *route {
		return &route{server: "extensions", kind: kindContainer, method: w.Method, pattern: root + w.Path, operation: w.Operation, doc: w.Doc, resource: r.qualified(), at: "custom.go", listed: true, handler: r}
	}
	t.byForm = map[routeForm]*route{}
	for _, w := range r.routeRows() {
		rt := row(w)
		t.routes = append(t.routes, rt)
		t.byForm[r.formOf(w)] = rt
	}
	t.other = row(Route{Method: "*", Path: "/" + r.plural, Operation: "refuse" + r.kind, Doc: "refuse a method that there is not"})
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

// list is the routes for the admin page.
func (t *routeTable) list(r *resource) []*route {
	t.once.Do(func() { t.make(r) })
	return t.routes
}
