package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// mux is the path mux of a server: exact paths, and prefixes that end in a slash. An
// exact path beats a prefix, and of prefixes the longest wins. Handlers may come and go
// while it serves: readers take no lock and see the table of before or after.
type mux struct {
	server string
	mu     sync.Mutex
	byPath map[string]*route // exact paths and, with their slash, prefixes
	table  atomic.Pointer[muxTable]
}

// muxTable is the compiled form; it does not change.
type muxTable struct {
	exact    map[string]*route
	prefixes node // a prefix ends at the node of its last segment, in tail
}

func newMux(server string) *mux { return &mux{server: server, byPath: map[string]*route{}} }

// handle serves exactly path. at is who registers it, file:line.
func (m *mux) handle(path string, h http.Handler, listed bool, at string) error {
	if path == "" || path[0] != '/' {
		return fmt.Errorf("the path %q (%s) must begin with a slash", path, at)
	}
	return m.register(path, &route{kind: kindExact, handler: h, listed: listed, at: at})
}

// handlePrefix serves every path that begins with path, which must end in a slash.
func (m *mux) handlePrefix(path string, h http.Handler, listed bool, at string) error {
	if path == "" || path[0] != '/' || !strings.HasSuffix(path, "/") {
		return fmt.Errorf("the prefix %q (%s) must begin and end with a slash", path, at)
	}
	return m.register(path, &route{kind: kindPrefix, handler: h, listed: listed, at: at})
}

func (m *mux) register(path string, r *route) error {
	r.server, r.method, r.pattern = m.server, "*", path
	if r.handler == nil {
		return fmt.Errorf("the path %q (%s) has no handler", path, r.at)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.key(r)
	if o := m.byPath[key]; o != nil {
		return fmt.Errorf("the path %q (%s) was already registered at %s", path, r.at, o.at)
	}
	m.byPath[key] = r
	m.changedLocked()
	return nil
}

// key keeps an exact path and a prefix of the same spelling apart: both may be there.
func (m *mux) key(r *route) string { return r.kind + " " + r.pattern }

// unregister takes a path away, exact and prefix, and reports whether there was one.
func (m *mux) unregister(path string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.byPath)
	delete(m.byPath, kindExact+" "+path)
	delete(m.byPath, kindPrefix+" "+path)
	m.changedLocked()
	return len(m.byPath) < before
}

// changedLocked compiles anew if somebody has looked something up already; before that,
// the first lookup will, so that registering many paths at start costs one compilation.
func (m *mux) changedLocked() {
	if m.table.Load() != nil {
		m.table.Store(m.compileLocked())
	}
}

func (m *mux) compiled() *muxTable {
	if t := m.table.Load(); t != nil {
		return t
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.table.Load() == nil {
		m.table.Store(m.compileLocked())
	}
	return m.table.Load()
}

func (m *mux) compileLocked() *muxTable {
	t := &muxTable{exact: make(map[string]*route, len(m.byPath))}
	for _, r := range m.byPath {
		if r.kind == kindExact {
			t.exact[r.pattern] = r
			continue
		}
		n := &t.prefixes
		for rest := strings.TrimSuffix(r.pattern, "/"); rest != ""; {
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
		n.tail = []*route{r}
	}
	return t
}

// find is who serves path, or nil. It does not allocate.
func (m *mux) find(path string) *route {
	t := m.compiled()
	if r := t.exact[path]; r != nil {
		return r
	}
	var best *route
	n := &t.prefixes
	for rest := path; rest != "" && n != nil; {
		if len(n.tail) > 0 { // rest begins with the slash that the prefix ends in
			best = n.tail[0]
		}
		var segment string
		segment, rest = nextSegment(rest)
		n = n.literal[segment]
	}
	return best
}

// listedPaths is what the index of paths shows, in order.
func (m *mux) listedPaths() []string {
	var out []string
	for _, r := range m.routes() {
		if r.listed {
			out = append(out, r.pattern)
		}
	}
	return slices.Compact(out)
}

// routes is everything registered, by pattern.
func (m *mux) routes() []*route {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*route, 0, len(m.byPath))
	for _, r := range m.byPath {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *route) int { return strings.Compare(a.pattern+" "+a.kind, b.pattern+" "+b.kind) })
	return out
}
