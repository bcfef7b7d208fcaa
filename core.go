package main

import (
	"encoding/json"
	"net/http"
)

// newCore is the server of the built-in kinds, as the kind table has them. Extend adds to
// it.
func newCore(p *program, delegate *Server) *Server {
	s := newServer(p, "core", delegate)
	s.groups = groupsOf(p.rest.kinds, "core")
	s.serveGroups()
	return s
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
	index := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := json.MarshalIndent(struct {
			Paths []string `json:"paths"`
		}{s.listedPaths()}, "", "  ")
		writeJSON(w, b)
	})
	_ = s.handleUnlisted("/", index)
	_ = s.handleUnlisted("/index.html", index)
}
