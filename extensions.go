package main

// newExtensions is the last server of the chain: the one of custom resources. What it
// and those before it do not know is not found.
func newExtensions(p *program) *Server {
	s := newServer(p, "extensions", nil)
	s.groups = []apiGroup{{name: "apiextensions.k8s.io", priority: 16700, versions: []apiVersion{{version: "v1", priority: 15}}}}
	s.serveGroups()
	return s
}
