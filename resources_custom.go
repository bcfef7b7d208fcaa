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
//
//	/apis/example.com/v1/namespaces/a/widgets/w/status
//	  request info: group example.com, version v1, resource widgets, subresource status, name w
//	  api.Customs.Lookup ── *api.Resource ── its routeSet ── {GET, status, item} ── *route
//
// A definition may come, change and go while its routes are asked for. A resource is replaced whole,
// and its routes with it, so a request goes on with what it has found; hits of a replaced resource
// are not carried over.

// finder is what a server has beyond its tables: custom resources now, remote groups once there are
// any. Its methods may be called concurrently, and see what there is at the moment.
type finder interface {
	// find returns the route of a request, nil if it is for none.
	find(*http.Request) *route
	// why says, for the explanation of a request, why find has no route.
	why(*http.Request) string
	// routes returns all routes, sorted as the admin page has them.
	routes() []*route
	// near returns the routes that a path may be meant for, the nearest first.
	near(path string) []*route
	// groups returns the names of the groups beside those that the program brings, sorted.
	groups() []string
}

// customRoutes is what the extensions server has beyond its tables: the routes to custom resources, and to
// the discovery documents of their groups and of groups that other servers have. Its methods may be called concurrently.
type customRoutes struct {
	custom    *api.Customs
	catalog   *discovery.Catalog
	documents route // of all discovery documents that are in no table
}

// newCustomRoutes makes the routes of what custom and catalog have, now and later.
func newCustomRoutes(custom *api.Customs, catalog *discovery.Catalog) *customRoutes {
	c := &customRoutes{custom: custom, catalog: catalog}
	c.documents = route{
		server: "extensions", kind: kindPrefix, method: "*", pattern: "/apis/", doc: "discovery documents of groups that come and go",
		at: callSite(0), listed: true, handler: http.HandlerFunc(c.serveDocument),
	}
	return c
}

// find returns the route of a request for a custom resource, or for a discovery document of one; nil
// if it is for none.
func (c *customRoutes) find(req *http.Request) *route {
	info := RequestInfoFrom(req.Context())
	if !info.IsResourceRequest || info.APIPrefix != "apis" {
		return c.document(req.URL.Path)
	}
	r := c.custom.Find(req.Context(), info.APIGroup, info.APIVersion, info.Resource)
	if r == nil {
		return nil
	}
	// A namespace is in the path of every request for what lives in one, but for those over all.
	everywhere := info.Verb == "list" || info.Verb == "watch"
	if r.Namespaced && info.Namespace == "" && !everywhere || !r.Namespaced && info.Namespace != "" {
		return nil
	}
	return c.of(r).find(r, req.Method, info)
}

// why says why find has no route, in the order in which find gives up.
func (c *customRoutes) why(req *http.Request) string {
	info := RequestInfoFrom(req.Context())
	if !info.IsResourceRequest || info.APIPrefix != "apis" {
		return "no entry for " + request.Shown(req.URL.Path)
	}
	r := c.custom.Lookup(info.APIGroup, info.APIVersion, info.Resource)
	switch {
	case r == nil:
		return "no resource " + strconv.Quote(request.Shown(info.Resource)) + " in " + request.Shown(info.APIGroup+"/"+info.APIVersion)
	case r.Namespaced:
		return r.Qualified() + " lives in namespaces, and the path names none"
	}
	return r.Qualified() + " lives in no namespace, and the path names one"
}

// document returns the route of a discovery document of custom resources, nil if path is of none.
func (c *customRoutes) document(path string) *route {
	if !strings.HasPrefix(path, "/apis/") {
		return nil
	}
	if _, ok := c.catalog.Document(trimSlash(path)); !ok {
		return nil
	}
	return &c.documents
}

// serveDocument serves the discovery document at the request's path.
func (c *customRoutes) serveDocument(w http.ResponseWriter, r *http.Request) {
	serve, ok := c.catalog.Document(trimSlash(r.URL.Path))
	if !ok { // it went after it was found
		http.NotFound(w, r)
		return
	}
	serve(w, r)
}

// routes returns what there is now, sorted. The routes of a resource that has seen no request are
// made for the page alone.
func (c *customRoutes) routes() []*route {
	byRoot := map[string][]*api.Resource{}
	for r := range c.custom.All {
		root := r.Root()
		byRoot[root] = append(byRoot[root], r)
	}
	out := []*route{&c.documents}
	// Sorted by root first: all routes at once would take twice as long.
	for _, root := range slices.Sorted(maps.Keys(byRoot)) {
		first := len(out)
		for _, r := range byRoot[root] {
			out = append(out, c.rows(r)...)
		}
		slices.SortFunc(out[first:], compareRoutes)
	}
	return out
}

// groups returns the groups there are beside those that the program brings, sorted.
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

// near returns the routes of the custom resources that path may be meant for, the nearest first.
func (c *customRoutes) near(path string) []*route {
	var out []*route
	for _, r := range c.nearest(path) {
		out = append(out, c.rows(r)...)
	}
	return out
}

// nearest returns the custom resources that path may be meant for, the nearest first: at most
// maxNearResources of those whose group, version and plural it names but for one, which may be
// spelt in any way. All resources are looked at, since a slip may be in any of the three.
func (c *customRoutes) nearest(path string) []*api.Resource {
	type candidate struct {
		r        *api.Resource
		distance int // of the part that path does not name; 0: it names all three
	}
	var best []candidate
	// Room for apis, group, version, watch, namespaces, its name, plural, name, subresource and one
	// too many, behind the empty one in front: a longer path is not taken apart further.
	segments := strings.SplitN(path, "/", 12)
	for r := range c.custom.All {
		differing, shared := "", 0
		for _, part := range [...]string{r.Group, r.Version, r.Plural} {
			if slices.Contains(segments, part) {
				shared++
			} else {
				differing = part
			}
		}
		if shared < 2 {
			continue
		}
		found := candidate{r, 0}
		if differing != "" {
			found.distance = len(differing)
			for _, s := range segments {
				found.distance = min(found.distance, byteDistance(differing, s))
			}
		}
		// By name where the distance is the same, so that the answer is always the same.
		at, _ := slices.BinarySearchFunc(best, found, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.distance, b.distance),
				strings.Compare(a.r.Group, b.r.Group), strings.Compare(a.r.Plural, b.r.Plural), strings.Compare(a.r.Version, b.r.Version))
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

// newRouteSet makes the routes of r in one piece of memory. Where they are registered is where the
// customRoutes were made: no line of the program registers them one by one.
func (c *customRoutes) newRouteSet(r *api.Resource) *routeSet {
	root, resource, operations := strings.TrimSuffix(r.Root(), "/"), r.Qualified(), r.Operations()
	room := make([]route, len(operations)+1)
	t := &routeSet{all: make([]*route, len(room)), byOperation: make(map[operationKey]*route, len(operations))}
	for i := range room {
		rt := &room[i]
		t.all[i] = rt
		rt.server, rt.kind, rt.resource, rt.at, rt.listed, rt.handler = "extensions", kindContainer, resource, c.documents.at, true, r
		if i == len(operations) {
			rt.method, rt.pattern = "*", root+"/"+r.Plural
			rt.operation, rt.doc = "refuse"+r.Kind, "refuse a method that there is not"
			t.other = rt
			break
		}
		o := &operations[i]
		rt.method, rt.pattern, rt.operation, rt.doc, rt.described = o.Method, root+o.Path, o.Name, o.Doc, o.Media
		t.byOperation[operationKey{o.Method, o.Subresource, o.Form}] = rt
	}
	return t
}

// find returns the route of a request for r: the one of its operation, else the one that refuses.
func (t *routeSet) find(r *api.Resource, method string, info *request.Info) *route {
	k := operationKey{method: method, subresource: info.Subresource, form: api.FormItem}
	// With one of these verbs a name may come from a field selector, on the path of a collection.
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
