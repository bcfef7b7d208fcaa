package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"apichain/internal/discovery"
	"apichain/internal/request"
)

// Server is one generic server of the delegation chain: aggregator, core or extensions.
// It has its own container and path mux; hooks and health checks of the whole chain
// are one list. Its methods are the surface for Extend; all of them may be called by
// one goroutine before PrepareRun. Routes may also come and go while it serves.
//
// Every registering method returns an error, and the first one of the chain is kept:
// start-up fails with it, so a caller that only registers may ignore it.
type Server struct {
	program  *program
	name     string
	delegate *Server           // asked for what it has not; nil on the last
	groups   []discovery.Group // what discovery says of it

	// Asked in this order, by find.
	container *container
	mux       *mux
	more      finder // what it has beyond its tables; nil: nothing

	declined atomic.Uint64 // requests it had nothing for
	refused  atomic.Uint64 // requests its container claimed and refused
}

// newServer makes a server that serves nothing yet.
func newServer(p *program, name string, delegate *Server) *Server {
	return &Server{name: name, delegate: delegate, container: newContainer(name), mux: newMux(name), program: p}
}

// Handle serves exactly path with h, behind the whole chain. The path must begin with
// a slash and be registered once; the index of paths lists it.
func (s *Server) Handle(path string, h http.Handler) error {
	return s.keep(s.mux.handle(path, h, true, callSite(1)))
}

// HandlePrefix serves every path that begins with path, which must end in a slash, and
// that no exact path and no longer prefix takes.
func (s *Server) HandlePrefix(path string, h http.Handler) error {
	return s.keep(s.mux.handlePrefix(path, h, true, callSite(1)))
}

// AddWebService serves the routes of ws below its root. All paths below the root are
// its own: what matches no route there is 404 with a Status.
func (s *Server) AddWebService(ws *WebService) error {
	return s.keep(s.container.add(ws, callSite(1)))
}

// AddPostStartHook runs f when the listeners accept. Hooks run side by side; the server
// is ready when all have returned and every health check passes. An error or a panic ends
// the process with exit code 1 and the hook's name. Its context ends when the stop begins.
func (s *Server) AddPostStartHook(name string, f func(context.Context) error) error {
	return s.keep(s.program.hooks.add(postStart, name, s.name, callSite(1), f))
}

// AddPreShutdownHook runs f when the stop has begun, while requests are still served.
// These hooks run one after another, in the order of registration, beside the shutdown
// delay. An error is logged and makes exit code 1; the stop goes on. Its context ends
// with the time for the whole stop.
func (s *Server) AddPreShutdownHook(name string, f func(context.Context) error) error {
	return s.keep(s.program.hooks.add(preShutdown, name, s.name, callSite(1), f))
}

// AddHealthCheck lets f decide, with all others, what /healthz, /livez and /readyz
// answer. An error fails the check; its text goes to the log and to /healthz/NAME. The
// context of f is a request's, or the start's: the server is not ready before f passes.
func (s *Server) AddHealthCheck(name string, f func(context.Context) error) error {
	return s.keep(s.addCheck(healthCheck{name: name, check: f}, s.program.healthz, s.program.livez, s.program.readyz))
}

// addCheck adds a check to each of the lists in turn; one that has its name already refuses it.
func (s *Server) addCheck(c healthCheck, to ...*healthChecks) error {
	if c.name == "" || c.check == nil {
		return fmt.Errorf("a health check needs a name and a function")
	}
	for _, h := range to {
		if err := h.add(c); err != nil {
			return err
		}
	}
	return nil
}

// handleUnlisted is Handle for a path that the index of paths leaves out.
func (s *Server) handleUnlisted(path string, h http.Handler) error {
	return s.keep(s.mux.handle(path, h, false, callSite(1)))
}

// keep keeps the first registration error of the chain, which start-up fails with, and returns err.
// With or without one the admin pages are of a new generation.
func (s *Server) keep(err error) error {
	p := s.program
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.registration == nil {
		p.registration = fmt.Errorf("server %s: %w", s.name, err)
	}
	p.generation.Add(1)
	return err
}

// listedPaths returns the index of s and all it delegates to, sorted: roots of web services and
// listed mux paths.
func (s *Server) listedPaths() []string {
	var out []string
	for ; s != nil; s = s.delegate {
		out = append(out, s.container.roots()...)
		out = append(out, s.mux.listedPaths()...)
	}
	return sorted(out)
}

// User and RequestInfo are who asks, and what is asked for: what handlers that Extend adds get
// from a request's context.
type (
	User        = request.User
	RequestInfo = request.Info
)

// RequestInfoFrom returns what the request of ctx is about: verb, group, version, resource,
// name. It is never nil; outside the chain it is empty. Callers must not change it.
func RequestInfoFrom(ctx context.Context) *RequestInfo { return request.From(ctx).RequestInfo() }

// UserFrom returns who the request of ctx acts as. It is never nil; outside the chain, and
// before authentication, it has no name. Callers must not change it.
func UserFrom(ctx context.Context) *User { return request.From(ctx).ActingUser() }

// AddWarning puts a Warning header on the answer of the request that ctx belongs to:
// 299, the agent ("-" when empty) and the text. Empty and repeated texts are dropped,
// as is text that is not UTF-8; control characters are removed. In all 4,096 characters
// are sent; beyond that each text is cut to 256. It must be called before the header is
// written, and may be called from any goroutine.
func AddWarning(ctx context.Context, agent, text string) { request.From(ctx).Warn(agent, text) }
