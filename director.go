package main

import (
	"net/http"
	"time"

	"apichain/internal/status"
)

// The director sends a request where it belongs. There is one of it for both chains, and it is
// asked twice: find walks the delegation chain, early, because filters must know the route; direct
// is the innermost step of a chain and goes there.
//
//	aggregator ── container? mux? ──> core ── container? mux? ──> extensions ── … custom? ──> 404

// target is where a request goes: a route of a server, or the refusal of the container
// that claims its path. The zero value is: to nobody.
type target struct {
	server *Server
	route  *route
	err    *status.Error
}

// find walks the delegation chain from s on. At each server the container is asked
// first, and what it claims it also answers, if only with 404 or 405; then the path
// mux; then the next server, by its unprotected handler, which is to say without
// filters: those have run once, in front (upstream). With dry set each server asked is
// noted there, and none counts it.
func (s *Server) find(r *http.Request, dry *dryRun) target {
	for ; s != nil; s = s.delegate {
		rt, err := s.container.find(r)
		if rt == nil && err == nil {
			if rt = s.mux.find(r.URL.Path); rt == nil && s.more != nil {
				rt = s.more.find(r)
			}
		}
		if dry != nil {
			dry.visited(visit{server: s, route: rt, err: err}, r)
		}
		if rt != nil || err != nil {
			return target{s, rt, err}
		}
		if dry == nil {
			s.declined.Add(1)
		}
	}
	return target{}
}

// direct sends the exchange where find found; a dry run ends in front of the handler.
func direct(x *exchange) error {
	x.mark(len(x.chain.rows))
	x.at.Store(int32(len(x.chain.rows)))
	t := &x.target
	switch {
	case t.err != nil:
		if x.dry == nil {
			t.server.refused.Add(1)
		}
		return t.err
	case t.route == nil:
		return notFound(x)
	case x.dry != nil:
		return nil
	}
	// Counted here, not where the route was found: between the two a filter may have refused.
	t.route.hits.Add(1)
	t.route.lastHit.Store(x.received.UnixNano())
	t.route.setPathValues(&x.req)
	x.at.Store(int32(len(x.chain.rows)) + 1)
	x.serve()
	return nil
}

// notFound is the end of the delegation chain. A request that came before all paths
// were installed is told to try again: its path may be there in a moment.
func notFound(x *exchange) error {
	if x.early {
		return &status.Error{
			Code: http.StatusServiceUnavailable, Reason: "ServiceUnavailable", RetryAfter: int((5 * time.Second).Seconds()),
			Message: "the request has been made before all known HTTP paths have been installed, please try again",
		}
	}
	return status.PlainText(http.StatusNotFound, "404 page not found")
}
