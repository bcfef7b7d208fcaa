package main

// newExtensions is the last server of the chain: the one of custom resources. What it
// and those before it do not know is not found.
func newExtensions(p *program) *Server {
	s := newServer(p, "extensions", nil)
	s.groups = groupsOf(p.rest.kinds, "extensions")
	s.customs = p.rest.customs
	s.serveGroups()
	return s
}
