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

// Routes of containers and path muxes are looked up in one kind of trie, by path segments, so that
// a lookup costs the length of the path, however much is registered. A trie is built once and never
// changed: registering builds another (swapped).
//
// From a place in the trie a literal segment, a parameter and a tail may go on. A pattern with more
// literal segments beats one with fewer, wherever they stand, and that is known only at the end. So
// a lookup follows both ways of such a fork: with /a/{x}/c and /{y}/b/{z}, the path /a/b/c takes
// both, and the first wins. A path of n segments can meet n forks; each segment behind a fork is
// looked at once for each way that reaches it, and patterns that fork at every segment are few.

// The kinds of routes. They are part of a route's id, which the admin endpoint shows.
const (
	kindContainer = "container"
	kindExact     = "exact"
	kindPrefix    = "prefix"
)

// route is one registered route of a container or a mux, with its live counters. All but those is
// set before it is registered, and does not change.
type route struct {
	// Which it is.

	// server is the name of the one that it is registered with.
	server string
	// kind is kindContainer, kindExact or kindPrefix.
	kind string
	// method is "*" for a route of a mux.
	method string
	// pattern is the whole path, in a container without a slash at the end.
	pattern string
	// at is the file:line that registered it.
	at string

	// What it is about, for descriptions.
	operation, doc string
	// resource is plural[.group][/subresource], "" for a path of no resource.
	resource string
	params   []Param
	// Values of the types that it takes and gives; nil: not described.
	reads, writes any
	// listed says that it is in the index of paths.
	listed bool

	// How it serves.
	handler     http.Handler
	longRunning bool
	// What the container lets through; none: everything.
	consumes, produces []string
	// described is what the handler takes and gives, where that is not for the container to refuse.
	described *MediaTypes

	// What matching needs of the pattern.

	// segments are nil without parameters.
	segments []string
	// static and named count literal segments and parameters.
	static, named int

	// What has come of it.
	hits atomic.Uint64
	// lastHit is in Unix nanoseconds; 0: never.
	lastHit atomic.Int64
	series  atomic.Pointer[verbSeries]
	slow    atomic.Pointer[slowRoute]
}

// callSite returns file:line of the function skip levels above its caller's: 1 is who called
// the function that calls callSite. Errors of registration name it, so that both places of a
// conflict can be found.
func callSite(skip int) string {
	_, file, line, ok := runtime.Caller(skip + 1)
	if !ok {
		return "unknown"
	}
	return filepath.Base(file) + ":" + strconv.Itoa(line)
}

// setPathValues makes the path's parameters readable with r.PathValue. req must be one that the
// route was found for.
func (r *route) setPathValues(req *http.Request) {
	if r.segments == nil {
		return
	}
	// As find has it, one trailing slash does not count: it is no part of a tail.
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

// nextSegment splits "/a/b" into "a" and "/b", and "/" into two empty texts. The path must begin
// with a slash.
func nextSegment(path string) (segment, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// trimSlash takes one trailing slash off, as the container does before it matches. "/" stays.
func trimSlash(path string) string {
	if n := len(path); n > 1 && path[n-1] == '/' {
		return path[:n-1]
	}
	return path
}

// tailName returns the name of a {name:*} segment, and whether it is one.
func tailName(segment string) (string, bool) {
	name, ok := strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, ":*}")
}

// splitPattern returns the segments of a pattern, none for "/", or what is wrong with it. A
// parameter is a whole segment. Expressions in parameters ({name:regex}) and custom verbs, which
// go-restful has, are refused: no path of Kubernetes has them, and what is refused here cannot
// match by surprise.
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

// node is a place in a trie: what ends here, and what goes on. Most places have one literal
// segment that goes on, which costs no map.
type node struct {
	// only is behind the one literal segment that goes on, which label is; or
	// literal has two or more of them.
	label   string
	only    *node
	literal map[string]*node

	// param goes on behind {name}, which takes one segment that is not empty.
	param *node
	// tail are {name:*}, which take one segment or more; or the prefix of a mux.
	tail []*route
	// here are the routes that end here, one or more for each method.
	here []*route
	// service is, in the trie of roots, the one whose root ends here.
	service *service
}

// child returns the node of a literal segment, or nil.
func (n *node) child(segment string) *node {
	if n.only != nil {
		if n.label == segment {
			return n.only
		}
		return nil
	}
	return n.literal[segment]
}

// grow returns the child, made if it is not there. It must not be called once the trie is read.
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
		// The second: from now on there is a map.
		n.literal = map[string]*node{n.label: n.only}
		n.label, n.only = "", nil
	}
	n.literal[segment] = c
	return c
}

// growPath returns the node at the end of a path whose segments are all literal, made where it is
// not there.
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

// match is the search of a trie for the routes whose pattern takes a path. It keeps the best of
// them in place of a list, so that a lookup allocates nothing.
type match struct {
	req *http.Request
	// any says that some pattern takes the path, whatever its method and types.
	any bool
	// best is the first in order (before) of those that serve req.
	best *route

	// list makes it collect all, for a refusal to say what there is.
	list bool
	// all are in no order.
	all []*route
}

// walk looks for rest, which begins with a slash or is empty, from n on.
func (m *match) walk(n *node, rest string) {
	for rest != "" {
		// A tail takes one segment at least: not the slash alone.
		if len(n.tail) > 0 && len(rest) > 1 {
			m.meet(n.tail)
		}
		var segment string
		segment, rest = nextSegment(rest)
		next := n.child(segment)
		if n.param != nil && segment != "" {
			// A fork: the literal way by a call, the parameter's in this loop. So the stack grows
			// with the forks, and not with the path, which a client chooses.
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

// meet takes note of routes whose pattern takes the path. Order in the trie does not count: before
// decides.
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

// before compares candidates in the order of go-restful's curly router: more literal segments
// first, then more parameters, then the pattern that sorts last. It is negative if r goes before o.
func (r *route) before(o *route) int {
	return cmp.Or(cmp.Compare(o.static, r.static), cmp.Compare(o.named, r.named), strings.Compare(o.pattern, r.pattern))
}
