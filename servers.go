package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"apichain/internal/discovery"
)

// The three servers of the delegation chain, outermost first, as kube-apiserver has them:
//
//	aggregator   discovery of groups and OpenAPI, for the whole chain; version, metrics, health
//	core         the built-in kinds, and what Extend adds
//	extensions   the custom resources
//
// They are made from the last to the first, because each knows the one that it delegates to. Which
// kinds are whose says the kind table. Registering here cannot fail but for a mistake in the
// program, and then the start does (Server.keep), so the errors are dropped.

// newAggregator makes the outermost server, where the director of both listeners begins. It answers
// for the whole chain where discovery of groups begins, at /apis.
func newAggregator(p *program, delegate *Server) *Server {
	s := newServer(p, "aggregator", delegate)
	s.serveGroups()
	s.serveDocument(discovery.GroupList())
	return s
}

// newCore makes the server of the built-in kinds, as the kind table has them.
func newCore(p *program, delegate *Server) *Server {
	s := newServer(p, "core", delegate)
	s.serveGroups()
	return s
}

// newExtensions makes the last server of the chain: the one of custom resources. What it
// and those before it do not know is not found.
func newExtensions(p *program) *Server {
	s := newServer(p, "extensions", nil)
	p.custom = newCustomRoutes(p.api.Customs, &p.catalog)
	s.more = p.custom
	s.serveGroups()
	return s
}

// serveGroups registers the documents of the server's own groups, by the kind table, and below
// each version its resources.
func (s *Server) serveGroups() {
	s.groups = discovery.GroupsOf(s.program.kinds, s.name)
	for _, d := range discovery.Documents(s.groups) {
		s.serveDocument(d)
	}
}

// serveDocument registers a discovery document, and the resources below it.
func (s *Server) serveDocument(d discovery.Document) {
	document := Route{Method: http.MethodGet, Operation: d.Operation, Doc: d.Doc, Writes: d.Writes, Handler: s.program.catalog.Serve(d.Root)}
	later := func() []Route { return append([]Route{document}, s.resourceRoutes(d.Group, d.Version)...) }
	_ = s.keep(s.container.add(&WebService{Root: d.Root, Doc: d.Doc, later: later}, callSite(1)))
}

// resourceRoutes returns the routes of the server's built-in kinds in one group and version.
func (s *Server) resourceRoutes(group, version string) []Route {
	var routes []Route
	for _, row := range s.program.kinds.Kinds {
		if row.Server != s.name || row.Group != group || row.Version != version {
			continue
		}
		r := s.program.api.Builtin(group, version, row.Kind)
		for _, o := range r.Operations() {
			// One handler for all of them: it goes by the request info, as upstream's storage does.
			routes = append(routes, Route{Method: o.Method, Path: o.Path, Handler: r, Operation: o.Name, Doc: o.Doc, Described: o.Media})
		}
	}
	return routes
}

// allGroups returns the groups of s and all it delegates to.
func (s *Server) allGroups() []discovery.Group {
	var out []discovery.Group
	for ; s != nil; s = s.delegate {
		out = append(out, s.groups...)
	}
	return out
}

// installOwnPaths puts on the outermost server what it shows of itself and of all it
// delegates to: version, metrics, health, and the index of paths.
func (p *program) installOwnPaths(s *Server) {
	_ = s.AddWebService(versionService())
	_ = s.Handle("/metrics", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain; version=0.0.4; charset=utf-8"}
		_ = p.writeMetrics(w) // an error is the client's going
	}))
	p.installHealth(s)
	p.installIssuer(s)
	// Unlisted, as upstream's is: whoever reads the index has found it.
	index := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := json.MarshalIndent(struct {
			Paths []string `json:"paths"`
		}{s.listedPaths()}, "", "  ")
		// A server that is told no length of so much sends it in chunks.
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(b))}
		writeJSON(w, b)
	})
	_ = s.handleUnlisted("/", index)
	_ = s.handleUnlisted("/index.html", index)
}

// publicAddress returns host:port of the first listener that is no socket file, the TLS one
// before the plain one; "" without any.
func (p *program) publicAddress() string {
	for _, url := range append(p.urls("https"), p.urls("http")...) {
		if _, address, ok := strings.Cut(url, "://"); ok {
			return address
		}
	}
	return ""
}
