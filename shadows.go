package main

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"apichain/internal/api"
)

// Which routes can never be hit, and which share paths with others, for the admin endpoint. There
// is no second description of the director's rules: its own lookups are asked for sample requests,
// so what is said here is what it does.
//
// A sample has a name that nobody can register or send (unnamed) where a route has a parameter.
// Whoever takes such a path does so whatever the name is, and so takes every path of the route that
// is as long. The reverse does not hold, and need not: a route of which only the sample gets through
// can be hit.
//
//	one mux /a/     two service /a: GET /x     the route is shadowed by one:prefix:*:/a/
//	one mux /a/x    two service /a: GET /{p}   it is not, but they share the path /a/x
//
// Custom resources come and go with their definitions, and there may be thousands of them. They are
// asked last of all tables, so they shadow nothing, and they matter only where a table has paths
// in their group and version, which is looked up first (touches).

// marks is what is said of one route.
type marks struct {
	// by is the id of who takes every request that the route could take; nil: it can be hit.
	by *string
	// with are the ids of the routes of another server or kind that it shares paths with, in order.
	with []string
}

// shadowMap is the marks of all routes but those of custom resources, for the tables of one
// moment. It does not change.
type shadowMap struct {
	first *Server
	// tables are those of each server, in order: what marks is true for.
	tables []any
	// owner has every route of the tables.
	owner map[*route]*Server
	// all are their patterns; service marks the root of one.
	all node
	// deepest is the most segments of a pattern.
	deepest int
	marks   map[*route]marks
}

// shadows returns the map for the routes there are now, of the chain of servers from s on. It is
// kept in cache, and made again when a container or a mux has changed; nothing of it depends on
// custom resources. It may be called concurrently: two callers may make the same map.
func (s *Server) shadows(cache *atomic.Pointer[shadowMap]) *shadowMap {
	if m := cache.Load(); m != nil && slices.Equal(m.tables, s.tables()) {
		return m
	}
	// The tables are read before the routes: a change in between makes the map out of date, and so
	// is noticed at the next call.
	m := &shadowMap{first: s, tables: s.tables(), owner: map[*route]*Server{}, marks: map[*route]marks{}}
	for ; s != nil; s = s.delegate {
		for _, root := range s.container.roots() {
			m.all.growPath(below(root, "/")).service = &service{root: root}
		}
		for _, r := range append(s.container.routes(), s.mux.routes()...) {
			m.owner[r] = s
			segments, _ := r.shape()
			m.deepest = max(m.deepest, len(segments)+1)
			switch pattern := strings.TrimSuffix(r.pattern, "/"); r.kind {
			case kindContainer:
				m.all.insert(pattern, r)
			case kindExact:
				n := m.all.growPath(pattern)
				n.here = append(n.here, r)
			default:
				n := m.all.growPath(pattern)
				n.tail = append(n.tail, r)
			}
		}
	}
	// Only now, with all patterns there: to mark a route takes all the others.
	for r := range m.owner {
		found := marks{by: m.shadowing(r)}
		segments, open := r.shape()
		for o := range m.sharing(r, segments, open) {
			found.with = append(found.with, o.id())
		}
		slices.Sort(found.with)
		m.marks[r] = found
	}
	cache.Store(m)
	return m
}

// tables returns the compiled tables of the chain from s on. A change makes another table, so equal
// pointers are equal routes.
func (s *Server) tables() (out []any) {
	for ; s != nil; s = s.delegate {
		out = append(out, s.container.table.load(), s.mux.table.load())
	}
	return out
}

// unnamed is a segment that no route names, and that no request has: the canonical-path filter
// refuses the byte.
const unnamed = "\x00"

// shape returns the segments of a route's pattern, unnamed where it has parameters, and whether
// it takes paths that go on behind them.
func (r *route) shape() (segments []string, open bool) {
	pattern := strings.TrimSuffix(r.pattern, "/")
	if pattern == "" {
		return nil, r.kind == kindPrefix
	}
	segments = strings.Split(pattern[1:], "/")
	if r.kind != kindContainer {
		return segments, r.kind == kindPrefix // a path of a mux is literal
	}
	for i, s := range segments {
		if _, tail := tailName(s); tail {
			return segments[:i], true
		}
		if strings.HasPrefix(s, "{") {
			segments[i] = unnamed
		}
	}
	return segments, false
}

// pathOf returns the path of segments; none are the empty text.
func pathOf(segments []string) string {
	if len(segments) == 0 {
		return ""
	}
	return "/" + strings.Join(segments, "/")
}

// samples returns paths that stand for all that a route takes, the plainest first: if another takes
// all of these, it takes all there are.
func (m *shadowMap) samples(r *route) []string {
	segments, open := r.shape()
	path := pathOf(segments)
	switch {
	case r.kind == kindExact:
		return []string{r.pattern}
	case r.kind == kindPrefix:
		// An exact path may be spelt like the prefix, and takes that one path from it.
		return []string{r.pattern + unnamed, r.pattern}
	case open:
		return m.deeper(path)
	case path == "":
		return []string{"/"}
	case r.method == "*": // methods that a custom resource has not
		if of := r.handler.(*api.Resource); of.Namespaced {
			path = of.Root() + "namespaces/" + unnamed + "/" + of.Plural
		}
	}
	return []string{path, path + "/"}
}

// deeper returns paths below path, with and without a slash at the end, down to where no more
// than a tail or a prefix takes them: what takes the deepest takes all that are deeper.
func (m *shadowMap) deeper(path string) (out []string) {
	for range m.deepest + 1 {
		path += "/" + unnamed
		out = append(out, path, path+"/")
	}
	return out
}

// requests calls f with requests for a path that stand for all that r takes, by method and
// media types, until f returns false; then it does too.
func (m *shadowMap) requests(r *route, path string, f func(*http.Request) bool) bool {
	method := r.method
	if method == "*" {
		method = http.MethodGet
	}
	if r.kind != kindContainer || m.owner[r] == nil { // media types decide within a container alone
		return f(&http.Request{Method: method, URL: &url.URL{Path: path}})
	}
	// Each type that the route names, none at all, and where it takes any, one that nobody names.
	types := func(named []string) []string {
		if len(named) == 0 {
			named = []string{"unnamed/unnamed"}
		}
		return append([]string{""}, named...)
	}
	for _, sent := range types(r.consumes) {
		for _, wanted := range types(r.produces) {
			req := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}}
			if sent != "" {
				req.Header.Set("Content-Type", sent)
			}
			if wanted != "" {
				req.Header.Set("Accept", wanted)
			}
			if !f(req) {
				return false
			}
		}
	}
	return true
}

// shadowing returns the id of the route that takes the requests that r could take, that of the
// plainest request where several routes share them; nil if some get to r. It is
// server:service:*:ROOT where a web service takes them that has no single route for them all: what
// it has none for it answers with 404 or 405 itself.
func (m *shadowMap) shadowing(r *route) *string {
	first := ""
	for _, path := range m.samples(r) {
		if !m.requests(r, path, func(req *http.Request) bool {
			by := m.takenBy(r, req)
			if first == "" {
				first = by
			}
			return by != ""
		}) {
			return nil
		}
	}
	return &first
}

// takenBy returns the id of who takes a request that r could take; "" if r does, or nobody. It asks
// in the director's order: of each server the container, then the mux.
func (m *shadowMap) takenBy(r *route, req *http.Request) string {
	for s := m.first; s != nil; s = s.delegate {
		if sv, _ := s.container.serviceFor(req.URL.Path); sv != nil {
			switch found, _ := s.container.find(req); {
			case found == r:
				return ""
			// A route of all methods is taken by the service as a whole, if at all: this is one of
			// its routes for GET.
			case found != nil && r.method != "*":
				return found.id()
			}
			return s.name + ":service:*:" + sv.root
		}
		if found := s.mux.find(req.URL.Path); found == r {
			return ""
		} else if found != nil {
			return found.id()
		}
	}
	return ""
}

// sharing returns the routes that share paths with a route of the given shape, where the order
// of servers, or of container and mux in one, decides who gets them. Within one container
// or mux the patterns decide, which surprises nobody; but an exact path that is spelt like a prefix
// is told.
func (m *shadowMap) sharing(r *route, segments []string, open bool) map[*route]bool {
	found := map[*route]bool{}
	visit := func(o *route, path string, alike bool) {
		if o.server == r.server && (o.kind == kindContainer) == (r.kind == kindContainer) {
			if o.kind != r.kind && o.pattern == r.pattern {
				found[o] = true
			}
			return
		}
		// The walk finds too much, so each is asked: a path that both get if they are asked alone.
		paths := []string{path, path + "/"}
		if alike {
			paths = append(paths, m.deeper(path)...)
		}
		found[o] = found[o] || slices.ContainsFunc(paths, func(path string) bool { return m.holds(r, path) && m.holds(o, path) })
	}
	walkShape(&m.all, segments, "", open, visit)
	maps.DeleteFunc(found, func(_ *route, shares bool) bool { return !shares })
	return found
}

// walkShape visits the routes below n whose patterns take a path that one with segments takes,
// with such a path, which begins with path. open says that the shape goes on behind its segments;
// alike tells the visitor that both do. It visits too many rather than too few, and some twice.
func walkShape(n *node, segments []string, path string, open bool, visit func(o *route, path string, alike bool)) {
	for _, o := range n.tail {
		visit(o, path+pathOf(segments), open)
	}
	if len(segments) == 0 {
		for _, o := range n.here {
			visit(o, path, false)
		}
		if open {
			n.each(func(segment string, c *node) { walkShape(c, nil, path+"/"+segment, true, visit) })
		}
		return
	}
	// A parameter takes whatever the other has there; a literal takes its like and a parameter.
	if segments[0] == unnamed {
		n.each(func(segment string, c *node) { walkShape(c, segments[1:], path+"/"+segment, open, visit) })
		return
	}
	for _, c := range []*node{n.child(segments[0]), n.param} {
		if c != nil {
			walkShape(c, segments[1:], path+"/"+segments[0], open, visit)
		}
	}
}

// each calls f for all that go on from n, with unnamed for a parameter.
func (n *node) each(f func(segment string, c *node)) {
	if n.only != nil {
		f(n.label, n.only)
	}
	for segment, c := range n.literal {
		f(segment, c)
	}
	if n.param != nil {
		f(unnamed, n.param)
	}
}

// holds reports whether the table that r is in, asked alone, gives it a path, for some request. A
// custom resource has the paths of its patterns to itself.
func (m *shadowMap) holds(r *route, path string) bool {
	s := m.owner[r]
	switch {
	case s == nil:
		return true
	case r.kind != kindContainer:
		return s.mux.find(path) == r
	}
	return !m.requests(r, path, func(req *http.Request) bool {
		found, _ := s.container.find(req)
		return found != r
	})
}

// with returns the marks of all routes: those of the tables and those of custom resources, which
// come behind all tables. routes are ordered by pattern, so that those of one group and version
// stand together. A group and version of custom resources costs no more than a look where, as
// nearly always, nobody else has paths there. The result must not be changed.
func (m *shadowMap) with(routes []*route, c *customRoutes) map[*route]marks {
	all, met := map[*route]marks{}, map[*route][]string{} // met: by a route of the tables
	meet := func(r *route, by *string, segments []string) {
		mine := all[r]
		mine.by = by
		for o := range m.sharing(r, segments, false) {
			mine.with, met[o] = append(mine.with, o.id()), append(met[o], r.id())
		}
		slices.Sort(mine.with)
		mine.with = slices.Compact(mine.with)
		all[r] = mine
	}
	root, touched := "", false
	for _, r := range routes {
		if _, away := r.handler.(hop); away {
			continue // it comes and goes with an object, and stands in front of what it hides on purpose
		}
		if known := root != "" && strings.HasPrefix(r.pattern, root); known && !touched || m.owner[r] != nil || r == &c.documents {
			continue
		} else if !known {
			root = r.handler.(*api.Resource).Root()
			segments := strings.Split(strings.Trim(root, "/"), "/")
			if touched = m.touches(segments); touched {
				// The documents of the group and of the version are one route with many paths.
				for n := 2; n <= 3; n++ {
					if c.document(pathOf(segments[:n])) != nil {
						meet(&c.documents, nil, segments[:n])
					}
				}
			}
		}
		if touched {
			segments, _ := r.shape()
			meet(r, m.shadowing(r), segments)
		}
	}
	if len(all) == 0 {
		return m.marks
	}
	// A copy: m is shared, and other definitions may be there the next time.
	maps.Copy(all, m.marks)
	for o, ids := range met {
		mine := all[o]
		mine.with = slices.Concat(mine.with, ids)
		slices.Sort(mine.with)
		mine.with = slices.Compact(mine.with)
		all[o] = mine
	}
	return all
}

// touches reports whether a table may have something to do with paths below segments.
func (m *shadowMap) touches(segments []string) bool {
	n := &m.all
	for i := 0; ; i++ {
		switch {
		case n == nil:
			return false
		case i == len(segments), len(n.tail) > 0, n.param != nil, n.service != nil && n.service.root != "/apis":
			return true
		}
		n = n.child(segments[i])
	}
}
