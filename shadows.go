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

// Which routes can never be hit, and which share paths with others: the director's own
// lookups are asked for sample requests, so what is said here is what it does. A sample has
// names that nobody registered where a route has parameters: whatever takes it does so
// whatever the names are, and so takes every path of the route that is as long.

// marks is what is said of one route.
type marks struct {
	by   *string  // who takes every request that the route could take; nil: it can be hit
	with []string // ids of the routes of another server or kind that it shares paths with, in order
}

// shadowMap is the marks of all routes but those of custom resources, for the tables of one
// moment. It does not change.
type shadowMap struct {
	first   *Server
	tables  []any              // of each server, in order: what marks is true for
	owner   map[*route]*Server // every route of the tables
	all     node               // their patterns; service marks the root of one
	deepest int                // most segments of a pattern
	marks   map[*route]marks
}

// shadows is the map for the routes there are now. It is made again when a container or a
// mux has changed; nothing of it depends on custom resources.
func (s *Server) shadows(cache *atomic.Pointer[shadowMap]) *shadowMap {
	if m := cache.Load(); m != nil && slices.Equal(m.tables, s.tables()) {
		return m
	}
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
	for r := range m.owner {
		found := marks{by: m.shadowing(r)}
		segments, open := r.shape()
		for o := range m.meeting(r, segments, open) {
			found.with = append(found.with, o.id())
		}
		slices.Sort(found.with)
		m.marks[r] = found
	}
	cache.Store(m)
	return m
}

// tables are the compiled tables of the chain from s on, which change with every change.
func (s *Server) tables() (out []any) {
	for ; s != nil; s = s.delegate {
		out = append(out, s.container.table.load(), s.mux.table.load())
	}
	return out
}

// unnamed is a segment that no route names: the canonical-path filter lets no request have
// it.
const unnamed = "\x00"

// shape is the segments of a route's pattern, unnamed where it has parameters, and whether
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

func joined(segments []string) string {
	if len(segments) == 0 {
		return ""
	}
	return "/" + strings.Join(segments, "/")
}

// samples are paths that stand for all that a route takes, the plainest first.
func (m *shadowMap) samples(r *route) []string {
	segments, open := r.shape()
	path := joined(segments)
	switch {
	case r.kind == kindExact:
		return []string{r.pattern}
	case r.kind == kindPrefix:
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

// deeper are paths below path, with and without a slash at the end, down to where no more
// than a tail or a prefix takes them.
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

// shadowing is the id of the route that takes the requests that r could take, the plainest
// of them where several share them; nil if some get to r. It is server:service:*:ROOT where
// a web service takes them that has no single route for them all: what it has none for it
// answers with 404 or 405 itself.
func (m *shadowMap) shadowing(r *route) *string {
	first := ""
	for _, path := range m.samples(r) {
		if !m.requests(r, path, func(req *http.Request) bool {
			by := m.taker(r, req)
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

// taker is who takes a request that r could take; "" if r does, or nobody.
func (m *shadowMap) taker(r *route, req *http.Request) string {
	for s := m.first; s != nil; s = s.delegate {
		if sv, _ := s.container.serviceFor(req.URL.Path); sv != nil {
			switch found, _ := s.container.find(req); {
			case found == r:
				return ""
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

// meeting are the routes that share paths with a route of the given shape, where the order
// of servers, or of container and mux in one, decides who gets them. Within one container
// or mux the longer pattern does, but for an exact path that is spelt like a prefix.
func (m *shadowMap) meeting(r *route, segments []string, open bool) map[*route]bool {
	found := map[*route]bool{}
	visit := func(o *route, path string, alike bool) {
		if o.server == r.server && (o.kind == kindContainer) == (r.kind == kindContainer) {
			if o.kind != r.kind && o.pattern == r.pattern {
				found[o] = true
			}
			return
		}
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

// walkShape visits the routes whose patterns take a path that one with segments takes, and
// such a path. alike tells that both go on behind it. It visits too many rather than too few.
func walkShape(n *node, segments []string, path string, open bool, visit func(o *route, path string, alike bool)) {
	for _, o := range n.tail {
		visit(o, path+joined(segments), open)
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

// holds reports whether the table that r is in gives it a path, for some request. A custom
// resource has the paths of its patterns to itself.
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

// with is the marks of all routes: those of the tables and those of custom resources, which
// come behind all tables. A group and version of custom resources costs no more than a look
// where, as nearly always, nobody else has paths there.
func (m *shadowMap) with(routes []*route, c *customRoutes) map[*route]marks {
	all, met := map[*route]marks{}, map[*route][]string{} // met: by a route of the tables
	meet := func(r *route, by *string, segments []string) {
		mine := all[r]
		mine.by = by
		for o := range m.meeting(r, segments, false) {
			mine.with, met[o] = append(mine.with, o.id()), append(met[o], r.id())
		}
		slices.Sort(mine.with)
		mine.with = slices.Compact(mine.with)
		all[r] = mine
	}
	root, touched := "", false
	for _, r := range routes {
		if known := root != "" && strings.HasPrefix(r.pattern, root); known && !touched || m.owner[r] != nil || r == &c.documents {
			continue
		} else if !known {
			root = r.handler.(*api.Resource).Root()
			segments := strings.Split(strings.Trim(root, "/"), "/")
			if touched = m.touches(segments); touched {
				for n := 2; n <= 3; n++ {
					if c.document(joined(segments[:n])) != nil {
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
