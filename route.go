package main

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
)

// Routes of containers and path muxes are looked up in one kind of trie, by path
// segments, so that a lookup costs the length of the path, however much is registered.
// A trie is built once and never changed: registering builds another.

// The kinds of routes.
const (
	kindContainer = "container"
	kindExact     = "exact"
	kindPrefix    = "prefix"
)

// route is one registered route, with its live counters. All else is set once.
type route struct {
	server, kind       string
	method             string // "*" for a mux route
	pattern            string // the whole path, as registered
	operation, doc     string
	resource           string // plural[.group][/subresource], "" for a path of no resource
	at                 string // file:line that registered it
	consumes, produces []string
	described          *MediaTypes // what the handler takes and gives, where that is not for the container to refuse
	params             []Param
	reads, writes      any
	longRunning        bool
	listed             bool
	handler            http.Handler

	segments []string // of pattern; nil without parameters
	static   int      // literal segments
	named    int      // parameters

	hits    atomic.Uint64
	lastHit atomic.Int64 // Unix nanoseconds
	series  atomic.Pointer[verbSeries]
	slow    atomic.Pointer[slowRoute]
}

// callSite is file:line of the function skip levels above its caller's: 1 is who called
// the function that calls callSite.
func callSite(skip int) string {
	_, file, line, ok := runtime.Caller(skip + 1)
	if !ok {
		return "unknown"
	}
	return filepath.Base(file) + ":" + strconv.Itoa(line)
}

// setPathValues makes the path's parameters readable with r.PathValue.
func (r *route) setPathValues(req *http.Request) {
	if r.segments == nil {
		return
	}
	rest := trimSlash(req.URL.Path)
	for _, s := range r.segments {
		if name, ok := tailName(s); ok {
			req.SetPathValue(name, strings.TrimPrefix(rest, "/"))
			return
		}
		var segment string
		segment, rest = nextSegment(rest)
		if s[0] == '{' {
			req.SetPathValue(s[1:len(s)-1], segment)
		}
	}
}

// nextSegment splits "/a/b" into "a" and "/b".
func nextSegment(path string) (segment, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// trimSlash takes one trailing slash off, as the container does before it matches.
func trimSlash(path string) string {
	if n := len(path); n > 1 && path[n-1] == '/' {
		return path[:n-1]
	}
	return path
}

// tailName is the name of a {name:*} segment.
func tailName(segment string) (string, bool) {
	name, ok := strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, ":*}")
}

// splitPattern is the segments of a pattern, or what is wrong with it. Expressions in
// parameters ({name:regex}) and custom verbs, which go-restful has, are refused: no
// path of Kubernetes has them.
func splitPattern(pattern string) ([]string, error) {
	if pattern == "" || pattern[0] != '/' {
		return nil, fmt.Errorf("the path %q must begin with a slash", pattern)
	}
	if pattern == "/" {
		return nil, nil
	}
	segments := strings.Split(trimSlash(pattern)[1:], "/")
	seen := map[string]bool{}
	for i, s := range segments {
		name, tail := tailName(s)
		switch {
		case s == "":
			return nil, fmt.Errorf("the path %q has an empty segment", pattern)
		case !strings.ContainsAny(s, "{}"):
			continue
		case tail && i < len(segments)-1:
			return nil, fmt.Errorf("the path %q has segments after %s, which takes them all", pattern, s)
		case !tail:
			name = strings.TrimSuffix(strings.TrimPrefix(s, "{"), "}")
			if len(name)+2 != len(s) || strings.Contains(name, ":") {
				return nil, fmt.Errorf("the path %q: %s is neither {name} nor {name:*}", pattern, s)
			}
		}
		if name == "" || strings.ContainsAny(name, "{}:*") {
			return nil, fmt.Errorf("the path %q: %s has no proper name", pattern, s)
		}
		if seen[name] {
			return nil, fmt.Errorf("the path %q names {%s} twice", pattern, name)
		}
		seen[name] = true
	}
	return segments, nil
}

// node is a place in a trie: what ends here, and what goes on. Most places have one
// way on, which costs no map.
type node struct {
	label   string           // of only
	only    *node            // the one literal segment that goes on, or
	literal map[string]*node // two or more of them
	param   *node
	tail    []*route // {name:*}, which takes one segment or more; or the prefix of a mux
	here    []*route // end here, for each method
	service *service // in the trie of roots: whose root ends here
}

// child is the node of a literal segment, or nil.
func (n *node) child(segment string) *node {
	if n.only != nil {
		if n.label == segment {
			return n.only
		}
		return nil
	}
	return n.literal[segment]
}

// grow is child, made if it is not there. Tries are built before they are read.
func (n *node) grow(segment string) *node {
	c := n.child(segment)
	if c != nil {
		return c
	}
	c = &node{}
	switch {
	case n.only == nil && n.literal == nil:
		n.label, n.only = segment, c
		return c
	case n.only != nil:
		n.literal = map[string]*node{n.label: n.only}
		n.label, n.only = "", nil
	}
	n.literal[segment] = c
	return c
}

// growPath is the node at the end of a path whose segments are all literal.
func (n *node) growPath(path string) *node {
	for path != "" {
		var segment string
		segment, path = nextSegment(path)
		n = n.grow(segment)
	}
	return n
}

// insert puts a route at the end of a pattern that splitPattern found well-formed.
func (n *node) insert(pattern string, r *route) {
	for pattern != "" {
		var s string
		s, pattern = nextSegment(pattern)
		switch _, tail := tailName(s); {
		case tail:
			n.tail = append(n.tail, r)
			return
		case s[0] == '{':
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		default:
			n = n.grow(s)
		}
	}
	n.here = append(n.here, r)
}

// match is the search of a trie for the routes whose pattern takes a path. It looks at
// all of them, since where a literal and a parameter both go on, neither is the better
// before the end. No segment is looked at twice but behind such a fork.
type match struct {
	req  *http.Request
	any  bool     // some pattern takes the path
	best *route   // the first in order of those that serve req
	list bool     // collect all, for a refusal to say what there is
	all  []*route // in no order
}

// walk looks for rest, which begins with a slash or is empty, from n on.
func (m *match) walk(n *node, rest string) {
	for rest != "" {
		if len(n.tail) > 0 && len(rest) > 1 {
			m.meet(n.tail)
		}
		var segment string
		segment, rest = nextSegment(rest)
		next := n.child(segment)
		if n.param != nil && segment != "" {
			if next != nil {
				m.walk(next, rest)
			}
			next = n.param
		}
		if next == nil {
			return
		}
		n = next
	}
	if len(n.here) > 0 {
		m.meet(n.here)
	}
}

// meet takes note of routes whose pattern takes the path.
func (m *match) meet(routes []*route) {
	m.any = true
	if m.list {
		m.all = append(m.all, routes...)
		return
	}
	for _, r := range routes {
		if r.method == m.req.Method && (m.best == nil || r.before(m.best) < 0) && r.takes(m.req) && r.gives(m.req.Header["Accept"]) {
			m.best = r
		}
	}
}

// before is the order of candidates, that of go-restful's curly router: more literal
// segments, then more parameters, then the pattern that sorts last.
func (r *route) before(o *route) int {
	return cmp.Or(cmp.Compare(o.static, r.static), cmp.Compare(o.named, r.named), strings.Compare(o.pattern, r.pattern))
}
