package main

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"apichain/internal/api"
	"apichain/internal/discovery"
	"apichain/internal/request"
)

// The routes of custom resources. They are in no trie: a request's group, version and resource
// find the resource in a map, so that a definition costs no more than two entries of it, and its
// routes are made when the first request comes, since most of ten thousand definitions never see
// one.

// finder is what a server has beyond its tables: custom resources. Its methods may be called
// concurrently.
type finder interface {
	// find returns the route of a request, nil if it is for none.
	find(*http.Request) *route
	// why says, for the explanation of a request, why find has none.
	why(*http.Request) string
	// routes returns all routes there are now, sorted as the admin page has them.
	routes() []*route
	// near returns the routes that a path may be meant for, the nearest first.
	near(path string) []*route
	// groups returns the names of the groups that it adds to those of its server, sorted.
	groups() []string
}

// customRoutes are the routes to custom resources and to their discovery documents.
type customRoutes struct {
	custom    *api.Customs
	catalog   *discovery.Catalog
	documents route // of all discovery documents
}

func newCustomRoutes(custom *api.Customs, catalog *discovery.Catalog) *customRoutes {
	c := &customRoutes{custom: custom, catalog: catalog}
	c.documents = route{
		server: "extensions", kind: kindPrefix, method: "*", pattern: "/apis/", doc: "discovery documents of custom resources", at: callSite(0), listed: true,
		handler: http.HandlerFunc(c.serveDocument),
	}
	return c
}

// find returns the route of a request for a custom resource, or for a discovery document of one.
func (c *customRoutes) find(req *http.Request) *route {
	info := RequestInfoFrom(req.Context())
	if !info.IsResourceRequest || info.APIPrefix != "apis" {
		return c.document(req.URL.Path)
	}
	r := c.custom.Lookup(info.APIGroup, info.APIVersion, info.Resource)
	if r == nil {
		return nil
	}
	everywhere := info.Verb == "list" || info.Verb == "watch"
	if r.Namespaced && info.Namespace == "" && !everywhere || !r.Namespaced && info.Namespace != "" {
		return nil
	}
	return c.of(r).find(r, req.Method, info)
}

// why says why find has no route.
func (c *customRoutes) why(req *http.Request) string {
	info := RequestInfoFrom(req.Context())
	if !info.IsResourceRequest || info.APIPrefix != "apis" {
		return "no entry for " + shownText(req.URL.Path)
	}
	r := c.custom.Lookup(info.APIGroup, info.APIVersion, info.Resource)
	switch {
	case r == nil:
		return "no resource " + strconv.Quote(shownText(info.Resource)) + " in " + shownText(info.APIGroup+"/"+info.APIVersion)
	case r.Namespaced:
		return r.Qualified() + " lives in namespaces, and the path names none"
	}
	return r.Qualified() + " lives in no namespace, and the path names one"
}

// document returns the route of a discovery document of custom resources.
func (c *customRoutes) document(path string) *route {
	if !strings.HasPrefix(path, "/apis/") {
		return nil
	}
	if _, ok := c.catalog.Document(trimSlash(path)); !ok {
		return nil
	}
	return &c.documents
}

func (c *customRoutes) serveDocument(w http.ResponseWriter, r *http.Request) {
	serve, ok := c.catalog.Document(trimSlash(r.URL.Path))
	if !ok { // it went after it was found
		http.NotFound(w, r)
		return
	}
	serve(w, r)
}

// routes returns what there is now. The routes of a resource that has seen no request are made
// for the page alone.
func (c *customRoutes) routes() []*route {
	byRoot := map[string][]*api.Resource{}
	for r := range c.custom.All {
		root := r.Root()
		byRoot[root] = append(byRoot[root], r)
	}
	out := []*route{&c.documents}
	for _, root := range slices.Sorted(maps.Keys(byRoot)) { // all sorted at once would take twice as long
		first := len(out)
		for _, r := range byRoot[root] {
			out = append(out, c.rows(r)...)
		}
		slices.SortFunc(out[first:], compareRoutes)
	}
	return out
}

// groups returns the groups there are beside those that the program brings.
func (c *customRoutes) groups() []string {
	seen := map[string]bool{}
	var out []string
	for r := range c.custom.All {
		if !seen[r.Group] {
			seen[r.Group] = true
			out = append(out, r.Group)
		}
	}
	return sorted(out)
}

// near returns the routes of the custom resources that path may be meant for.
func (c *customRoutes) near(path string) []*route {
	var out []*route
	for _, r := range c.nearest(path) {
		out = append(out, c.rows(r)...)
	}
	return out
}

// nearest returns the custom resources that path may be meant for, the nearest first.
func (c *customRoutes) nearest(path string) []*api.Resource {
	type candidate struct {
		r   *api.Resource
		far int
	}
	var best []candidate
	segments := strings.SplitN(path, "/", 12) // apis, group, version, watch, namespaces, its name, plural, name, subresource and one too many
	for r := range c.custom.All {
		odd, shared := "", 0
		for _, part := range [...]string{r.Group, r.Version, r.Plural} {
			if slices.Contains(segments, part) {
				shared++
			} else {
				odd = part
			}
		}
		if shared < 2 {
			continue
		}
		found := candidate{r, 0}
		if odd != "" {
			found.far = len(odd)
			for _, s := range segments {
				found.far = min(found.far, byteDistance(odd, s))
			}
		}
		at, _ := slices.BinarySearchFunc(best, found, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.far, b.far), strings.Compare(a.r.Group, b.r.Group), strings.Compare(a.r.Plural, b.r.Plural), strings.Compare(a.r.Version, b.r.Version))
		})
		if at < maxNearResources {
			best = slices.Insert(best[:min(len(best), maxNearResources-1)], at, found)
		}
	}
	var out []*api.Resource
	for _, b := range best {
		out = append(out, b.r)
	}
	return out
}

// rows returns the routes of r: those that take requests, if there are any, else others.
func (c *customRoutes) rows(r *api.Resource) []*route {
	if set, ok := r.Routes.Load().(*routeSet); ok {
		return set.all
	}
	return c.newRouteSet(r).all
}

// of returns the routes of r, which are made once.
func (c *customRoutes) of(r *api.Resource) *routeSet {
	set, ok := r.Routes.Load().(*routeSet)
	if !ok {
		// Who comes second takes the routes of the first, so that hits are counted in one place.
		r.Routes.CompareAndSwap(nil, c.newRouteSet(r))
		set = r.Routes.Load().(*routeSet)
	}
	return set
}

// routeSet is the routes of one custom resource.
type routeSet struct {
	all         []*route // other is the last
	byOperation map[operationKey]*route
	other       *route // methods that the resource has not
}

// operationKey is what tells the operations of a resource apart.
type operationKey struct {
	method, subresource string
	form                api.PathForm
}

// newRouteSet makes the routes of r in one piece of memory.
func (c *customRoutes) newRouteSet(r *api.Resource) *routeSet {
	root, resource, operations := strings.TrimSuffix(r.Root(), "/"), r.Qualified(), r.Operations()
	room := make([]route, len(operations)+1)
	t := &routeSet{all: make([]*route, len(room)), byOperation: make(map[operationKey]*route, len(operations))}
	for i := range room {
		rt := &room[i]
		t.all[i] = rt
		rt.server, rt.kind, rt.resource, rt.at, rt.listed, rt.handler = "extensions", kindContainer, resource, c.documents.at, true, r
		if i == len(operations) {
			rt.method, rt.pattern, rt.operation, rt.doc = "*", root+"/"+r.Plural, "refuse"+r.Kind, "refuse a method that there is not"
			t.other = rt
			break
		}
		o := &operations[i]
		rt.method, rt.pattern, rt.operation, rt.doc, rt.described = o.Method, root+o.Path, o.Name, o.Doc, o.Media
		t.byOperation[operationKey{o.Method, o.Subresource, o.Form}] = rt
	}
	return t
}

// find returns the route of a request for r.
func (t *routeSet) find(r *api.Resource, method string, info *request.Info) *route {
	k := operationKey{method: method, subresource: info.Subresource, form: api.FormItem}
	if info.Name == "" || info.Verb == "list" || info.Verb == "watch" || info.Verb == "deletecollection" {
		k.form = collectionForm(r, info)
	}
	if found := t.byOperation[k]; found != nil {
		return found
	}
	return t.other
}

// collectionForm returns which of the paths that name no object, or that watch, a request is on.
func collectionForm(r *api.Resource, info *request.Info) api.PathForm {
	everywhere := r.Namespaced && info.Namespace == ""
	switch {
	// The deprecated paths of watches say so in front; a watch may as well be a list with a parameter.
	case info.Verb == "watch" && strings.HasPrefix(info.Path, r.Root()+"watch/"):
		switch {
		case info.Name != "":
			return api.FormWatchItem
		case everywhere:
			return api.FormWatchAll
		}
		return api.FormWatchCollection
	case everywhere:
		return api.FormAll
	}
	return api.FormCollection
}
