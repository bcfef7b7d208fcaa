package main

import (
	"encoding/json"
	"net/http"
)

// newCore is the server of the built-in kinds. Its groups grow with the kinds it
// serves; Extend adds to it.
func newCore(p *program, delegate *Server) *Server {
	s := newServer(p, "core", delegate)
	s.groups = []apiGroup{{name: "", priority: 18000, versions: []apiVersion{{version: "v1", priority: 1}}}}
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
