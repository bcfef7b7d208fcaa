package main

// Extend is where a copy of this program adds its own: routes, hooks, health checks. It
// is called once, with the core server, after the three servers of the delegation chain
// are built and before the first listener serves. An error ends start-up with exit
// code 1. See Server for what can be added.
func Extend(s *Server) error {
	return nil
}
