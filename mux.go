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
)

// mux is the path mux of a server: exact paths, and prefixes that end in a slash. An
// exact path beats a prefix, and of prefixes the longest wins. Handlers may come and go
// while it serves: readers take no lock and see the table of before or after.
type mux struct {
	server string
	table  atomic.Pointer[muxTable] // nil until the first lookup

	mu    sync.Mutex        // guards what follows
	taken map[string]*route // by kind and path: an exact path and a prefix may be spelt alike
}

// muxTable is the compiled form; it does not change.
type muxTable struct {
	exact    map[string]*route
	prefixes node // a prefix ends at the node of its last segment, in tail
}

func newMux(server string) *mux { return &mux{server: server, taken: map[string]*route{}} }

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
	key := r.kind + " " + path
	if o := m.taken[key]; o != nil {
		return fmt.Errorf("the path %q (%s) was already registered at %s", path, r.at, o.at)
	}
	m.taken[key] = r
	m.changedLocked()
	return nil
}

// unregister takes a path away, exact and prefix, and reports whether there was one.
func (m *mux) unregister(path string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.taken)
	delete(m.taken, kindExact+" "+path)
	delete(m.taken, kindPrefix+" "+path)
	if len(m.taken) == before {
		return false
	}
	m.changedLocked()
	return true
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
	t := &muxTable{exact: map[string]*route{}}
	for _, r := range m.taken {
		if r.kind == kindExact {
			t.exact[r.pattern] = r
		} else {
			t.prefixes.growPath(strings.TrimSuffix(r.pattern, "/")).tail = []*route{r}
		}
	}
	return t
}

// find is who serves path, or nil. It does not allocate.
func (m *mux) find(path string) *route {
	if path == "" || path[0] != '/' { // OPTIONS *
		return nil
	}
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
		n = n.child(segment)
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

// routes is everything registered, by pattern, then kind.
func (m *mux) routes() []*route {
	m.mu.Lock()
	out := slices.Collect(maps.Values(m.taken))
	m.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		return cmp.Or(strings.Compare(out[i].pattern, out[j].pattern), strings.Compare(out[i].kind, out[j].kind)) < 0
	})
	return out
}
