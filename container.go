package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
// for descriptions. A LongRunning route has no time limit and no place in flight, and a
// stop ends it by its context.
type Route struct {
	Method, Path       string
	Handler            http.Handler
	Operation, Doc     string
	Consumes, Produces []string
	Params             []Param
	Reads, Writes      any
	LongRunning        bool
}

// Param describes a parameter. In is path, query, header or body.
type Param struct {
	Name, In, Type, Doc string
	Required            bool
}

// container routes to web services. Reading takes no lock; registering builds a new
// table. Behaviour is go-restful's, as the API server uses it.
type container struct {
	server   string
	mu       sync.Mutex
	services map[string]*service // by root
	table    atomic.Pointer[node]
}

// service is a registered web service.
type service struct {
	root   string
	doc    string
	at     string
	routes []*route
	trie   node // of the paths below the root
}

func newContainer(server string) *container {
	return &container{server: server, services: map[string]*service{}}
}

// add registers a web service, all of it or, with an error, nothing. at is who
// registers it, file:line. A root or a method and path that is taken names both places.
func (c *container) add(ws *WebService, at string) error {
	root := trimSlash(ws.Root)
	if root == "" || root[0] != '/' || strings.ContainsAny(root, "{}") {
		return fmt.Errorf("the root %q (%s) must begin with a slash and have no parameters", ws.Root, at)
	}
	s := &service{root: root, doc: ws.Doc, at: at}
	taken := map[string]bool{}
	for i := range ws.Routes {
		r, err := c.newRoute(ws, &ws.Routes[i], root, at)
		if err != nil {
			return fmt.Errorf("%w (%s)", err, at)
		}
		if key := r.method + " " + shape(r.pattern); taken[key] {
			return fmt.Errorf("%s %s (%s) was already registered at %s", r.method, r.pattern, at, at)
		} else {
			taken[key] = true
		}
		s.routes = append(s.routes, r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.services[root]; o != nil {
		return fmt.Errorf("a web service at %q (%s) was already registered at %s", root, at, o.at)
	}
	c.services[root] = s
	c.changedLocked()
	return nil
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
	case w.Method == "" || strings.ToUpper(w.Method) != w.Method:
		return nil, fmt.Errorf("the method %q of %s must be in upper case", w.Method, pattern)
	}
	r := &route{
		server: c.server, kind: kindContainer, method: w.Method, pattern: trimSlash(pattern), operation: w.Operation, doc: w.Doc, at: at,
		consumes: w.Consumes, produces: w.Produces, params: w.Params, reads: w.Reads, writes: w.Writes, longRunning: w.LongRunning, listed: true, handler: w.Handler,
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
	var info RequestInfo
	if info.resolve(http.MethodGet, r.pattern, "") == nil && info.IsResourceRequest {
		r.resource = resourceName(&info)
	}
	return r, nil
}

// shape is a pattern without the names of its parameters: {a} and {b} take the same.
func shape(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if _, tail := tailName(s); tail {
			segments[i] = "{*}"
		} else if s != "" && s[0] == '{' {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// resourceName is plural[.group][/subresource].
func resourceName(ri *RequestInfo) string {
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
	_, ok := c.services[root]
	delete(c.services, root)
	c.changedLocked()
	return ok
}

// changedLocked compiles anew if somebody has looked something up already; before that
// the first lookup will.
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

// compileLocked builds the trie of roots. A service hangs at the end of its root, and
// its own trie, built once, below that.
func (c *container) compileLocked() *node {
	top := &node{}
	for _, s := range c.services {
		if s.trie.literal == nil && s.trie.param == nil && s.trie.tail == nil && s.trie.here == nil {
			skip := strings.Count(s.root, "/")
			if s.root == "/" {
				skip = 0
			}
			for _, r := range s.routes {
				segments, _ := splitPattern(r.pattern)
				s.trie.insert(segments[skip:], r)
			}
		}
		n := top
		if s.root != "/" {
			for rest := s.root; rest != ""; {
				var segment string
				segment, rest = nextSegment(rest)
				next := n.literal[segment]
				if next == nil {
					next = &node{}
					if n.literal == nil {
						n.literal = map[string]*node{}
					}
					n.literal[segment] = next
				}
				n = next
			}
		}
		n.service = s
	}
	return top
}

// serviceFor is the web service with the longest root that path is or is below, and
// what follows the root. The root /apis takes only /apis and /apis/: groups below it
// may be anybody's (upstream).
func (c *container) serviceFor(path string) (found *service, below string) {
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
		n = n.literal[segment]
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
func (c *container) find(req *http.Request) (*route, *statusError) {
	s, below := c.serviceFor(req.URL.Path)
	if s == nil {
		return nil, nil
	}
	if n := len(below); n > 0 && below[n-1] == '/' {
		below = below[:n-1]
	}
	var m match
	m.walk(&s.trie, below)
	if m.n == 0 {
		return nil, &statusError{code: http.StatusNotFound, reason: "NotFound", message: "the server could not find the requested resource", details: &statusDetails{}}
	}
	var first *route
	typeFits := false
	for _, leaf := range m.all() {
		for _, r := range leaf {
			if r.method != req.Method {
				continue
			}
			if first == nil {
				first = r
			}
			if !r.takes(req) {
				continue
			}
			typeFits = true
			if r.gives(req.Header["Accept"]) {
				return r, nil
			}
		}
	}
	switch {
	case first == nil:
		return nil, m.methodNotAllowed()
	case !typeFits:
		return nil, &statusError{code: http.StatusUnsupportedMediaType, reason: "UnsupportedMediaType", message: "the body of the request was in an unknown format - accepted media types include: " + strings.Join(first.consumes, ", "), details: &statusDetails{}}
	}
	return nil, &statusError{code: http.StatusNotAcceptable, reason: "NotAcceptable", message: "406: Not Acceptable\n\nAvailable representations: " + strings.Join(first.produces, ", "), details: &statusDetails{}}
}

// all is the leaves, best first.
func (m *match) all() [][]*route {
	if len(m.more) == 0 {
		return m.leaves[:m.n]
	}
	all := append(slices.Clone(m.leaves[:m.n]), m.more...)
	slices.SortStableFunc(all, func(a, b []*route) int {
		if better(a[0], b[0]) {
			return -1
		}
		return 1
	})
	return all
}

// methodNotAllowed is the 405, with the methods that the path has (RFC 9110, 15.5.6;
// upstream leaves Allow out).
func (m *match) methodNotAllowed() *statusError {
	methods := map[string]bool{}
	for _, leaf := range m.all() {
		for _, r := range leaf {
			methods[r.method] = true
		}
	}
	allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	return &statusError{code: http.StatusMethodNotAllowed, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource", details: &statusDetails{}, allow: allow}
}

// takes reports whether the route reads the request's Content-Type. Without one, a
// request that has no body, or whose method needs none, fits any; else it is a stream
// of bytes (go-restful).
func (r *route) takes(req *http.Request) bool {
	if len(r.consumes) == 0 {
		return true
	}
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
	for _, have := range r.consumes {
		if have == "*/*" || strings.EqualFold(have, mediaType(contentType)) {
			return true
		}
	}
	return false
}

// gives reports whether the route writes something the Accept header takes. Weights are
// not looked at here (go-restful).
func (r *route) gives(accept []string) bool {
	if len(r.produces) == 0 || len(accept) == 0 {
		return true
	}
	empty := true
	for _, line := range accept {
		for line != "" {
			var clause string
			clause, line, _ = strings.Cut(line, ",")
			want := mediaType(clause)
			if want == "" {
				continue
			}
			empty = false
			if want == "*/*" {
				return true
			}
			for _, have := range r.produces {
				if have == "*/*" || strings.EqualFold(have, want) || strings.HasSuffix(want, "/*") && len(have) >= len(want)-1 && strings.EqualFold(have[:len(want)-1], want[:len(want)-1]) {
					return true
				}
			}
		}
	}
	return empty
}

// mediaType is a header value without its parameters.
func mediaType(s string) string {
	if i := strings.IndexByte(s, ';'); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSpace(s)
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
	defer c.mu.Unlock()
	var out []*route
	for _, s := range c.services {
		out = append(out, s.routes...)
	}
	slices.SortFunc(out, func(a, b *route) int { return strings.Compare(a.pattern+" "+a.method, b.pattern+" "+b.method) })
	return out
}
