package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strings"
)

// mux is the path mux of a server: exact paths, and prefixes that end in a slash. An
// exact path beats a prefix, and of prefixes the longest wins. Methods do not count, and a path
// without its trailing slash is another path: /a/ serves /a/ and /a/b, and not /a.
//
// Its methods may be called concurrently, and paths may be added while it serves: lookups take no
// lock (swapped).
type mux struct {
	// server is the name of the server it is of, for its routes.
	server string

	// table is what requests read; its lock guards taken.
	table swapped[muxTable]
	// taken are by kind and path: an exact path and a prefix may be spelt alike.
	taken map[string]*route
}

// muxTable is the compiled form; it does not change.
type muxTable struct {
	exact map[string]*route
	// prefixes has each prefix at the node of its last segment, in tail.
	prefixes node
}

// newMux makes an empty mux of the server with that name.
func newMux(server string) *mux {
	m := &mux{server: server, taken: map[string]*route{}}
	m.table.compile = m.compileLocked
	return m
}

// handle serves exactly path. at is who registers it, file:line, and stands in every error; where
// the path is taken, the error names who has it too. A listed path is in the index of paths.
func (m *mux) handle(path string, h http.Handler, listed bool, at string) error {
	if path == "" || path[0] != '/' {
		return fmt.Errorf("the path %q (%s) must begin with a slash", path, at)
	}
	return m.register(path, &route{kind: kindExact, handler: h, listed: listed, at: at})
}

// handlePrefix serves every path that begins with path, which must end in a slash; else as handle.
func (m *mux) handlePrefix(path string, h http.Handler, listed bool, at string) error {
	if path == "" || path[0] != '/' || !strings.HasSuffix(path, "/") {
		return fmt.Errorf("the prefix %q (%s) must begin and end with a slash", path, at)
	}
	return m.register(path, &route{kind: kindPrefix, handler: h, listed: listed, at: at})
}

// register takes path for r, unless it is taken.
func (m *mux) register(path string, r *route) error {
	r.server, r.method, r.pattern = m.server, "*", path
	if r.handler == nil {
		return fmt.Errorf("the path %q (%s) has no handler", path, r.at)
	}
	return m.table.change(func() error {
		key := r.kind + " " + path
		if o := m.taken[key]; o != nil {
			return fmt.Errorf("the path %q (%s) was already registered at %s", path, r.at, o.at)
		}
		m.taken[key] = r
		return nil
	})
}

// compileLocked builds the table. A prefix hangs at the node of its last segment: /a/ at that of /a,
// where a lookup comes by before it goes on below.
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

// find returns the route that serves path, or nil. It does not allocate, and may be called
// concurrently.
func (m *mux) find(path string) *route {
	if path == "" || path[0] != '/' { // OPTIONS *
		return nil
	}
	// Exact paths first: /a/ may be one and a prefix too.
	t := m.table.load()
	if r := t.exact[path]; r != nil {
		return r
	}
	var best *route
	n := &t.prefixes
	for rest := path; rest != "" && n != nil; {
		// Here rest begins with the slash that the prefix ends in. What is met later is longer.
		if len(n.tail) > 0 {
			best = n.tail[0]
		}
		var segment string
		segment, rest = nextSegment(rest)
		n = n.child(segment)
	}
	return best
}

// listedPaths returns what the index of paths shows, in order, each once.
func (m *mux) listedPaths() []string {
	var out []string
	for _, r := range m.routes() {
		if r.listed {
			out = append(out, r.pattern)
		}
	}
	return slices.Compact(out)
}

// routes returns everything registered, by pattern, then kind.
func (m *mux) routes() []*route {
	// Sorted outside the lock, which registering waits for.
	m.table.mu.Lock()
	out := slices.Collect(maps.Values(m.taken))
	m.table.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		return cmp.Or(strings.Compare(out[i].pattern, out[j].pattern), strings.Compare(out[i].kind, out[j].kind)) < 0
	})
	return out
}
