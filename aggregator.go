package main

// newAggregator is the outermost server: the director of both listeners. It answers
// for the whole chain where discovery of groups begins, at /apis.
func newAggregator(p *program, delegate *Server) *Server {
	s := newServer(p, "aggregator", delegate)
	s.groups = groupsOf(p.rest.kinds, "aggregator")
	s.serveGroups()
	s.serveDocument("/apis", "getAPIVersions", "get available API groups of the whole chain", groupListDoc{}, nil)
	p.catalog.serveOpenAPI(s)
	return s
}
