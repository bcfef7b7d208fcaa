package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"apichain/internal/request"
	"apichain/internal/status"
)

// The RESTful container: the part of go-restful that the API server uses, with its behaviour to the
// words of its refusals. It routes in two steps, and the first decides alone:
//
//   - Of all web services the one with the longest root that the path is or is below takes the
//     request. If none of its routes fits, no other service is asked: with services at /a and
//     /a/b, a request for /a/b/x is never answered by the /{p}/x of /a.
//   - Of that service's routes for the method, those that take the body's type and give an accepted
//     one are candidates, and the most literal pattern wins (route.before).
//
// Left out are parameters with expressions ({name:regex}) and custom verbs ({name}:verb), which no
// path of Kubernetes has. What go-restful gets wrong at registration is an error here: the same root
// twice ends its process, and the same method and path twice silently replaces the first.

// WebService is a set of routes below a root path, which it owns: what matches none of
// them is 404 there, and falls to nobody else.
type WebService struct {
	// Root begins with a slash and is literal: no {parameters}.
	Root, Doc string
	// Consumes and Produces are media types of all routes that name none; none at all means any.
	Consumes, Produces []string
	Routes             []Route

	// later makes further routes when somebody first asks for one of the service; nil: there are none.
	// The program's own services have hundreds, of which most processes ask for a few.
	later func() []Route
}

// Route is one operation.
type Route struct {
	// Method is in upper case. Path is relative to the root and may hold {name}, which takes one
	// segment, and at the end {name:*}, which takes all that is left; the handler reads them with
	// r.PathValue.
	Method, Path string
	Handler      http.Handler
	// Operation is the name of the operation, for descriptions, as is Doc.
	Operation, Doc string
	// Consumes and Produces are the media types that the container lets through: another body is
	// 415, another Accept 406. None: those of the service.
	Consumes, Produces []string
	// Described are the media types that Handler takes and gives where it refuses others in its
	// own words; the container then looks at none. Nil: Consumes and Produces.
	Described *MediaTypes
	Params    []Param
	// Reads and Writes are values of the types that it takes and gives, for descriptions.
	Reads, Writes any
	// LongRunning routes have no time limit and no place in flight, and a stop ends them by their
	// context.
	LongRunning bool
}

// MediaTypes are those of bodies and of answers, for descriptions; none at all means any.
type MediaTypes = request.MediaTypes

// Param describes a parameter. In is path, query, header or body.
type Param struct {
	Name, In, Type, Doc string
	Required            bool
}

// container routes to web services. Its methods may be called concurrently, and web services may
// be added while it serves: lookups take no lock (swapped).
type container struct {
	// server is the name of the server it is of, for its routes.
	server string

	// table is the trie of roots; its lock guards what follows.
	table swapped[node]
	// services are by root; later are those of them that make their routes when they are first asked.
	services map[string]*service
	later    []*service
	// taken are routes by method and shape (route.key): those of all services that had to be compared
	// with another (addLocked).
	taken map[string]*route
}

// service is a registered web service.
type service struct {
	root string
	// at is the file:line that registered it.
	at string
	// later makes further routes; nil: there are none.
	later func() ([]*route, error)
	// compared says that the routes are in taken, under the container's lock.
	compared bool

	// once guards what follows, which does not change once made has returned. wrong is what is the matter
	// with the routes of later.
	once   sync.Once
	routes []*route
	wrong  error
	trie   *node // of the paths below the root
}

// made returns s with all its routes and its trie, which the first call makes.
func (s *service) made() *service {
	s.once.Do(func() {
		if s.later != nil {
			var more []*route
			more, s.wrong = s.later()
			s.routes = append(s.routes, more...)
		}
		s.trie = &node{}
		for _, r := range s.routes {
			s.trie.insert(below(r.pattern, s.root), r)
		}
	})
	return s
}

// newContainer makes an empty container of the server with that name.
func newContainer(server string) *container {
	c := &container{server: server, services: map[string]*service{}, taken: map[string]*route{}}
	c.table.compile = c.compileLocked
	return c
}

// add registers a web service, all of it or, with an error, nothing. at is who registers it,
// file:line, and stands in every error; where a root, or a method and path, is taken, the error
// names who has it too.
func (c *container) add(ws *WebService, at string) error {
	root := trimSlash(ws.Root)
	if _, err := splitPattern(ws.Root); err != nil || strings.ContainsAny(root, "{}") {
		return fmt.Errorf("the root %q (%s) must begin with a slash and have neither parameters nor empty segments", ws.Root, at)
	}
	s := &service{root: root, at: at}
	var err error
	if s.routes, err = c.newRoutes(ws, ws.Routes, root, at); err != nil {
		return err
	}
	if ws.later != nil {
		s.later = func() ([]*route, error) { return c.newRoutes(ws, ws.later(), root, at) }
	}
	return c.table.change(func() error { return c.addLocked(s) })
}

// addLocked takes the root of a service and the method and path of each route. Routes are compared with
// those of the services above and below, which are made for it, but not where both make theirs later:
// those are the program's own, whose paths differ by kind.
func (c *container) addLocked(s *service) error {
	if o := c.services[s.root]; o != nil {
		return fmt.Errorf("a web service at %q (%s) was already registered at %s", s.root, s.at, o.at)
	}
	compare := s.later == nil
	if compare {
		// Few make theirs later, so that a hundred thousand others are not compared in pairs.
		for _, o := range c.later {
			if isBelow(s.root, o.root) || isBelow(o.root, s.root) {
				if err := c.takeLocked(o); err != nil {
					return err
				}
			}
		}
	} else {
		for _, o := range c.services {
			compare = compare || o.later == nil && (isBelow(s.root, o.root) || isBelow(o.root, s.root))
		}
	}
	if compare {
		if err := c.takeLocked(s); err != nil {
			return err
		}
	}
	if s.later != nil {
		c.later = append(c.later, s)
	}
	c.services[s.root] = s
	return nil
}

// takeLocked puts the routes of a service among those that are taken, all or, with an error, none.
func (c *container) takeLocked(s *service) error {
	if s.compared {
		return nil
	}
	if s.made().wrong != nil {
		return s.wrong
	}
	for i, r := range s.routes {
		// Another service may have it: /a with /b/{x} and /a/b with /{x} are one path. Another
		// route of this one may too.
		if o := c.taken[r.key()]; o != nil {
			for _, r := range s.routes[:i] {
				delete(c.taken, r.key())
			}
			return fmt.Errorf("%s %s (%s) was already registered at %s", r.method, r.pattern, s.at, o.at)
		}
		c.taken[r.key()] = r
	}
	s.compared = true
	return nil
}

// isBelow reports whether path is root or below it.
func isBelow(path, root string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(root, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// newRoutes makes routes of the service ws at root, or says what is wrong with one.
func (c *container) newRoutes(ws *WebService, routes []Route, root, at string) ([]*route, error) {
	out := make([]*route, len(routes))
	for i := range routes {
		r, err := c.newRoute(ws, &routes[i], root, at)
		if err != nil {
			return nil, fmt.Errorf("%w (%s)", err, at)
		}
		out[i] = r
	}
	return out, nil
}

// newRoute makes the route w of the service ws at root, or says what is wrong with it.
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
		server: c.server, kind: kindContainer, method: w.Method, pattern: trimSlash(pattern), at: at, listed: true,
		operation: w.Operation, doc: w.Doc, params: w.Params, reads: w.Reads, writes: w.Writes,
		consumes: w.Consumes, produces: w.Produces, described: w.Described, longRunning: w.LongRunning, handler: w.Handler,
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
			r.segments = segments // only where there are values to read
		} else {
			r.static++
		}
	}
	// A pattern reads like a path, with {namespace} and {name} for names, so the grammar of paths
	// says which resource it is of.
	var info request.Info
	if info.Resolve(http.MethodGet, r.pattern, "") == nil && info.IsResourceRequest {
		r.resource = resourceName(&info)
	}
	return r, nil
}

// key returns what tells routes apart: the method and the pattern without the names of its
// parameters, since {a} and {b} take the same paths.
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

// resourceName returns plural[.group][/subresource] of a request for a resource.
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

// compileLocked builds the trie of roots. A service hangs at the end of its root with a
// trie of its own, which is built once: readers of an older table have it too.
func (c *container) compileLocked() *node {
	top := &node{}
	for _, s := range c.services {
		top.growPath(below(s.root, "/")).service = s
	}
	return top
}

// below returns what follows a root in a path that has it: a slash and more, or nothing. Of the
// root "/", what follows "/a" is "/a", and what follows "/" is nothing.
func below(path, root string) string {
	if root != "/" {
		return path[len(root):]
	}
	if path == "/" {
		return ""
	}
	return path
}

// serviceFor returns the web service with the longest root that path is or is below, and what
// follows the root; nil if the container does not claim the path, so that it is the mux's or the
// delegate's. The root /apis takes only /apis and /apis/: groups below it may be anybody's
// (upstream).
func (c *container) serviceFor(path string) (found *service, below string) {
	if path == "" || path[0] != '/' { // OPTIONS *
		return nil, ""
	}
	n, rest := c.table.load(), path
	for n != nil {
		// The way down meets the shorter roots first, so the last one met is the longest.
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

// find returns the route that serves a request, or the refusal. Without a service that claims the
// path both are nil; within one, what is not served is 404, 405, 415 or 406: the first of these that
// is true. It does not allocate unless it refuses, and may be called concurrently.
func (c *container) find(req *http.Request) (*route, *status.Error) {
	s, rest := c.serviceFor(req.URL.Path)
	if s == nil {
		return nil, nil
	}
	// One trailing slash does not count (go-restful).
	if n := len(rest); n > 0 && rest[n-1] == '/' {
		rest = rest[:n-1]
	}
	m := match{req: req}
	m.walk(s.made().trie, rest)
	switch {
	case m.best != nil:
		return m.best, nil
	case !m.any:
		return nil, plainRefusal(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	}
	// Once more, now collecting: only a refusal pays for the list.
	m.list = true
	m.walk(s.trie, rest)
	return nil, refuse(req, m.all)
}

// plainRefusal makes a Status of a code, with details that are there and empty, as upstream sends them.
func plainRefusal(code int, reason, message string) *status.Error {
	return &status.Error{Code: code, Reason: reason, Message: message, Details: &status.Details{}}
}

// refuse returns why none of the routes of a path serves a request, in go-restful's words. The
// 405 says which methods there are (RFC 9110, 15.5.6; upstream leaves Allow out).
func refuse(req *http.Request, routes []*route) *status.Error {
	// The 406 lists types in the order of the routes, so that it is the same each time.
	slices.SortFunc(routes, (*route).before)
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
	// Sorted and each once: a method has a route for each pattern that takes the path.
	case !slices.Contains(methods, req.Method):
		e := plainRefusal(http.StatusMethodNotAllowed, "MethodNotAllowed",
			"the server does not allow this method on the requested resource")
		e.Allow = strings.Join(sorted(methods), ", ")
		return e
	case !typeFits:
		return plainRefusal(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "415: Unsupported Media Type")
	}
	return plainRefusal(http.StatusNotAcceptable, "NotAcceptable", "406: Not Acceptable\n\nAvailable representations: "+joinOnce(produces))
}

// joinOnce joins a list without repeats, in the order given.
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

// takesType reports whether consumes has the type of the request's body, "*/*" being all.
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

// givesType reports whether one of produces is in the clauses of the Accept lines; lines without
// any clause take everything.
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
				if have == "*/*" || strings.EqualFold(have, want) || inRange(have, want) {
					return true
				}
			}
		}
	}
	return empty
}

// inRange reports whether a media type is in a range like text/*.
func inRange(have, want string) bool {
	family, ok := strings.CutSuffix(want, "*")
	return ok && strings.HasSuffix(family, "/") && len(have) >= len(family) && strings.EqualFold(have[:len(family)], family)
}

// types returns what the route takes and gives, whoever refuses the rest.
func (r *route) types() MediaTypes {
	if r.described != nil {
		return *r.described
	}
	return MediaTypes{Consumes: r.consumes, Produces: r.produces}
}

// roots returns the roots of all services, in order.
func (c *container) roots() []string {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	return slices.Sorted(maps.Keys(c.services))
}

// routes returns every route, by pattern, then method. Those that are made later are made now.
func (c *container) routes() []*route {
	c.table.mu.Lock()
	services := slices.Collect(maps.Values(c.services))
	c.table.mu.Unlock()
	var out []*route
	for _, s := range services {
		out = append(out, s.made().routes...)
	}
	slices.SortFunc(out, (*route).compare)
	return out
}
