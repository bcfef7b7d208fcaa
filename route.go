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
	trimmed := trimSlash(pattern)
	if trimmed == "/" {
		return nil, nil
	}
	segments := strings.Split(trimmed[1:], "/")
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

// node is a place in a trie: what ends here, and what goes on.
type node struct {
	literal map[string]*node
	param   *node
	tail    []*route // {name:*}: takes one segment or more
	here    []*route // end here, one for each method
	service *service // in the trie of roots: whose root ends here
}

// insert puts a route at the end of its segments. Tries are built before they are read.
func (n *node) insert(segments []string, r *route) {
	for _, s := range segments {
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
			next := n.literal[s]
			if next == nil {
				next = &node{}
				if n.literal == nil {
					n.literal = map[string]*node{}
				}
				n.literal[s] = next
			}
			n = next
		}
	}
	n.here = append(n.here, r)
}

// match is the leaves of a trie that match a path, best first: more literal segments,
// then more parameters, then the later pattern (go-restful's curly router). Nearly
// always there is one; the array keeps that from allocating.
type match struct {
	n      int
	leaves [4][]*route
	more   [][]*route
}

// walk collects what matches rest, a path that begins with a slash or is empty.
func (m *match) walk(n *node, rest string) {
	for {
		if rest == "" {
			m.add(n.here)
			return
		}
		if len(n.tail) > 0 && len(rest) > 1 {
			m.add(n.tail)
		}
		segment, after := nextSegment(rest)
		next := n.literal[segment]
		switch {
		case n.param != nil && segment != "":
			if next != nil {
				m.walk(next, after)
			}
			n = n.param
		case next != nil:
			n = next
		default:
			return
		}
		rest = after
	}
}

// add keeps the leaves in order.
func (m *match) add(leaf []*route) {
	if len(leaf) == 0 {
		return
	}
	if m.n >= len(m.leaves) {
		m.more = append(m.more, leaf)
		return
	}
	i := m.n
	for i > 0 && better(leaf[0], m.leaves[i-1][0]) {
		m.leaves[i] = m.leaves[i-1]
		i--
	}
	m.leaves[i] = leaf
	m.n++
}

func better(a, b *route) bool {
	return cmp.Or(cmp.Compare(a.static, b.static), cmp.Compare(a.named, b.named), cmp.Compare(a.pattern, b.pattern)) > 0
}
