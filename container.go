package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"apichain/internal/request"
	"apichain/internal/status"
)

// WebService is a set of routes below a root path, which it owns: what matches none of
// them is 404 there, and falls to nobody else. Consumes and Produces are media types of
// all its routes that name none; none at all means any.
type WebService struct {
	Root, Doc          string // Root is literal: no {parameters}
	Consumes, Produces []string
	Routes             []Route
}

// Route is one operation. Path is relative to the root and may hold {name}, which takes
// one segment, and at the end {name:*}, which takes all that is left; the handler reads
// them with r.PathValue. Reads and Writes are values of the types it takes and gives,
// for descriptions. Described are the media types that Handler takes and gives where it
// refuses others in its own words; with Consumes and Produces the container refuses. A
// LongRunning route has no time limit and no place in flight, and a stop ends it by its
// context.
type Route struct {
	Method, Path       string
	Handler            http.Handler
	Operation, Doc     string
	Consumes, Produces []string
	Described          *MediaTypes
	Params             []Param
	Reads, Writes      any
	LongRunning        bool
}

// MediaTypes are those of bodies and of answers, for descriptions; none at all means any.
type MediaTypes = request.MediaTypes

// Param describes a parameter. In is path, query, header or body.
type Param struct {
	Name, In, Type, Doc string
	Required            bool
}

// container routes to web services. Its methods may be called concurrently. Reading
// takes no lock: it sees the table of before or of after a change. Behaviour is
// go-restful's, as the API server uses it, without {name:regex} and custom verbs.
type container struct {
	server string
	table  atomic.Pointer[node] // of roots; nil until the first lookup

	mu       sync.Mutex          // guards what follows
	services map[string]*service // by root
	taken    map[string]*route   // by method and shape
}

// service is a registered web service.
type service struct {
	root, at string
	routes   []*route
	trie     *node // of the paths below the root; nil until compiled
}

func newContainer(server string) *container {
	return &container{server: server, services: map[string]*service{}, taken: map[string]*route{}}
}

// add registers a web service, all of it or, with an error, nothing. at is who
// registers it, file:line. A root, or a method and path, that is taken names both
// places: go-restful ends the process for a root and overwrites a path.
func (c *container) add(ws *WebService, at string) error {
	root := trimSlash(ws.Root)
	if _, err := splitPattern(ws.Root); err != nil || strings.ContainsAny(root, "{}") {
		return fmt.Errorf("the root %q (%s) must begin with a slash and have neither parameters nor empty segments", ws.Root, at)
	}
	s := &service{root: root, at: at}
	for i := range ws.Routes {
		r, err := c.newRoute(ws, &ws.Routes[i], root, at)
		if err != nil {
			return fmt.Errorf("%w (%s)", err, at)
		}
		s.routes = append(s.routes, r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.services[root]; o != nil {
		return fmt.Errorf("a web service at %q (%s) was already registered at %s", root, at, o.at)
	}
	for i, r := range s.routes {
		if o := c.taken[r.key()]; o != nil {
			c.releaseLocked(s.routes[:i])
			return fmt.Errorf("%s %s (%s) was already registered at %s", r.method, r.pattern, at, o.at)
		}
		c.taken[r.key()] = r
	}
	c.services[root] = s
	c.changedLocked()
	return nil
}

func (c *container) releaseLocked(routes []*route) {
	for _, r := range routes {
		delete(c.taken, r.key())
	}
}

func (c *container) newRoute(ws *WebService, w *Route, root, at string) (*route, error) {
	pattern := root
	if w.Path != "" && w.Path != "/" {
		pattern = strings.TrimSuffix(root, "/") + "/" + strings.TrimPrefix(w.Path, "/")
	}
	segments, err := splitPattern(pattern)
	switch {
	case err != nil:
		return nil, err
	case w.Handler == nil:
		return nil, fmt.Errorf("%s %s has no handler", w.Method, pattern)
	case strings.Trim(w.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || w.Method == "":
		return nil, fmt.Errorf("the method %q of %s must be upper-case letters", w.Method, pattern)
	}
	r := &route{
		server: c.server, kind: kindContainer, method: w.Method, pattern: trimSlash(pattern), operation: w.Operation, doc: w.Doc, at: at,
		consumes: w.Consumes, produces: w.Produces, described: w.Described, params: w.Params, reads: w.Reads, writes: w.Writes, longRunning: w.LongRunning, listed: true, handler: w.Handler,
	}
	if len(r.consumes) == 0 {
		r.consumes = ws.Consumes
	}
	if len(r.produces) == 0 {
		r.produces = ws.Produces
	}
	for _, s := range segments {
		if s[0] == '{' {
			r.named++
			r.segments = segments
		} else {
			r.static++
		}
	}
	var info request.Info
	if info.Resolve(http.MethodGet, r.pattern, "") == nil && info.IsResourceRequest {
		r.resource = resourceName(&info)
	}
	return r, nil
}

// key tells routes apart: the method and the pattern without the names of its
// parameters, since {a} and {b} take the same.
func (r *route) key() string {
	if r.segments == nil {
		return r.method + " " + r.pattern
	}
	segments := slices.Clone(r.segments)
	for i, s := range segments {
		if _, tail := tailName(s); tail {
			segments[i] = "{*}"
		} else if s[0] == '{' {
			segments[i] = "{}"
		}
	}
	return r.method + " /" + strings.Join(segments, "/")
}

// resourceName is plural[.group][/subresource].
func resourceName(ri *request.Info) string {
	name := ri.Resource
	if ri.APIGroup != "" {
		name += "." + ri.APIGroup
	}
	if ri.Subresource != "" {
		name += "/" + ri.Subresource
	}
	return name
}

// remove takes a web service away and reports whether there was one.
func (c *container) remove(root string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.services[trimSlash(root)]
	if s == nil {
		return false
	}
	delete(c.services, s.root)
	c.releaseLocked(s.routes)
	c.changedLocked()
	return true
}

// changedLocked compiles anew if somebody has looked something up already; before that
// the first lookup will, so that registering much at start costs one compilation.
func (c *container) changedLocked() {
	if c.table.Load() != nil {
		c.table.Store(c.compileLocked())
	}
}

func (c *container) compiled() *node {
	if t := c.table.Load(); t != nil {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.table.Load() == nil {
		c.table.Store(c.compileLocked())
	}
	return c.table.Load()
}

// compileLocked builds the trie of roots. A service hangs at the end of its root with a
// trie of its own, which is built once.
func (c *container) compileLocked() *node {
	top := &node{}
	for _, s := range c.services {
		if s.trie == nil {
			s.trie = &node{}
			for _, r := range s.routes {
				s.trie.insert(below(r.pattern, s.root), r)
			}
		}
		top.growPath(below(s.root, "/")).service = s
	}
	return top
}

// below is what follows a root in a path that has it: a slash and more, or nothing.
func below(path, root string) string {
	if root != "/" {
		return path[len(root):]
	}
	if path == "/" {
		return ""
	}
	return path
}

// serviceFor is the web service with the longest root that path is or is below, and
// what follows the root. The root /apis takes only /apis and /apis/: groups below it
// may be anybody's (upstream).
func (c *container) serviceFor(path string) (found *service, below string) {
	if path == "" || path[0] != '/' { // OPTIONS *
		return nil, ""
	}
	n, rest := c.compiled(), path
	for n != nil {
		if s := n.service; s != nil && (s.root != "/apis" || rest == "" || rest == "/") {
			found, below = s, rest
		}
		if rest == "" {
			break
		}
		var segment string
		segment, rest = nextSegment(rest)
		n = n.child(segment)
	}
	return found, below
}

// claims reports whether the director gives path to this container.
func (c *container) claims(path string) bool {
	s, _ := c.serviceFor(path)
	return s != nil
}

// find is the route that serves a request. Without a service that claims the path both
// results are nil; within one, what is not served is 404, 405, 415 or 406, in this
// order. It does not allocate unless it refuses.
func (c *container) find(req *http.Request) (*route, *status.Error) {
	s, rest := c.serviceFor(req.URL.Path)
	if s == nil {
		return nil, nil
	}
	if n := len(rest); n > 0 && rest[n-1] == '/' {
		rest = rest[:n-1]
	}
	m := match{req: req}
	m.walk(s.trie, rest)
	switch {
	case m.best != nil:
		return m.best, nil
	case !m.any:
		return nil, &status.Error{Code: http.StatusNotFound, Reason: "NotFound", Message: "the server could not find the requested resource", Details: &status.Details{}}
	}
	m.list = true
	m.walk(s.trie, rest)
	return nil, refuse(req, m.all)
}

// refuse is why none of the routes of a path serves a request, in go-restful's words. The
// 405 says which methods there are (RFC 9110, 15.5.6; upstream leaves Allow out).
func refuse(req *http.Request, routes []*route) *status.Error {
	sort.Slice(routes, func(i, j int) bool { return routes[i].before(routes[j]) < 0 })
	var methods, produces []string
	var typeFits bool
	for _, r := range routes {
		methods = append(methods, r.method)
		if r.method != req.Method {
			continue
		}
		if r.takes(req) {
			typeFits = true
			produces = append(produces, r.produces...)
		}
	}
	switch {
	case !slices.Contains(methods, req.Method):
		slices.Sort(methods)
		return &status.Error{Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed", Message: "the server does not allow this method on the requested resource", Details: &status.Details{}, Allow: strings.Join(slices.Compact(methods), ", ")}
	case !typeFits:
		return &status.Error{Code: http.StatusUnsupportedMediaType, Reason: "UnsupportedMediaType", Message: "415: Unsupported Media Type", Details: &status.Details{}}
	}
	return &status.Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: "406: Not Acceptable\n\nAvailable representations: " + joinOnce(produces), Details: &status.Details{}}
}

// joinOnce is a list without repeats, in the order given.
func joinOnce(list []string) string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// takes reports whether the route reads the request's Content-Type. Without one, a
// request that has no body, or whose method needs none, fits any; else it is a stream
// of bytes (go-restful).
func (r *route) takes(req *http.Request) bool {
	return len(r.consumes) == 0 || takesType(r.consumes, req)
}

func takesType(consumes []string, req *http.Request) bool {
	contentType := ""
	if v := req.Header["Content-Type"]; len(v) > 0 {
		contentType = v[0]
	}
	if contentType == "" {
		switch req.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete, http.MethodTrace:
			return true
		}
		if req.ContentLength == 0 {
			return true
		}
		contentType = "application/octet-stream"
	}
	for _, have := range consumes {
		if have == "*/*" || strings.EqualFold(have, request.MediaType(contentType)) {
			return true
		}
	}
	return false
}

// gives reports whether the route writes something the Accept header takes. Weights are
// not looked at here (go-restful).
func (r *route) gives(accept []string) bool {
	return len(r.produces) == 0 || len(accept) == 0 || givesType(r.produces, accept)
}

func givesType(produces, accept []string) bool {
	empty := true
	for _, line := range accept {
		for line != "" {
			var clause string
			clause, line, _ = strings.Cut(line, ",")
			want := request.MediaType(clause)
			if want == "" {
				continue
			}
			empty = false
			if want == "*/*" {
				return true
			}
			for _, have := range produces {
				if have == "*/*" || strings.EqualFold(have, want) || strings.HasSuffix(want, "/*") && len(have) >= len(want)-1 && strings.EqualFold(have[:len(want)-1], want[:len(want)-1]) {
					return true
				}
			}
		}
	}
	return empty
}

// types are what the route takes and gives, whoever refuses the rest.
func (r *route) types() MediaTypes {
	if r.described != nil {
		return *r.described
	}
	return MediaTypes{Consumes: r.consumes, Produces: r.produces}
}

// roots are the roots of all services, in order.
func (c *container) roots() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.services))
}

// routes is every route, by pattern, then method.
func (c *container) routes() []*route {
	c.mu.Lock()
	out := slices.Collect(maps.Values(c.taken))
	c.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		return cmp.Or(strings.Compare(out[i].pattern, out[j].pattern), strings.Compare(out[i].method, out[j].method)) < 0
	})
	return out
}

// longRunning reports whether any route is.
func (c *container) longRunning() bool {
	return slices.ContainsFunc(c.routes(), func(r *route) bool { return r.longRunning })
}
