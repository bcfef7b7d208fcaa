package main

import (
	"net/http"
	"sync/atomic"
)

// insecureSuperuser makes every request of the plain listener act as the superuser, as
// the seed's insecure port does; that listener is bound to loopback for this reason.
func insecureSuperuser(*program) filter {
	u := &User{Name: userUnsecured, Groups: []string{groupMasters, groupAuthed}}
	return filter{wrap: func(next handler) handler {
		return func(x *exchange) error {
			x.user, x.acting = u, u
			return next(x)
		}
	}}
}

// authenticationFilter finds out who it is. The credentials leave the request here, so
// that no handler and no backend sees them. A request that cannot be identified is 401
// and audited; on HTTP/2 a connection without an identity is ended after the answer, so
// that it cannot be used to open streams by the thousand (upstream).
func authenticationFilter(p *program) filter {
	return filter{flags: []string{"token-auth-file", "client-ca-file", "requestheader-client-ca-file", "anonymous-auth"}, wrap: func(next handler) handler {
		return func(x *exchange) error {
			began := x.latency.clock()
			u, warning, err := p.authn.authenticate(&x.req)
			x.latency.authentication = x.latency.since(began)
			if warning != "" {
				x.mu.Lock()
				x.warnings.addLocked("", warning)
				x.mu.Unlock()
			}
			if x.req.ProtoMajor == 2 && (err != nil || u.Name == userAnonymous) {
				x.header["Connection"] = []string{"close"}
			}
			if err != nil {
				p.auditRefusal(x)
				return err
			}
			p.metrics.authenticated(u.Name)
			x.user, x.acting = u, u
			return next(x)
		}
	}}
}

// impersonationFilter lets a permitted user act as another. What follows sees the
// other; the audit event names both.
func impersonationFilter(p *program) filter {
	return filter{wrap: func(next handler) handler {
		return func(x *exchange) error {
			u, err := impersonate(x, p.authz, x.user, x.req.Header)
			if err != nil {
				return err
			}
			if u != nil {
				x.acting = u
				if x.audit != nil {
					x.audit.impersonated(u)
				}
			}
			return next(x)
		}
	}}
}

// authorizationFilter asks whether the user in force may do this.
func authorizationFilter(p *program) filter {
	return filter{wrap: func(next handler) handler {
		return func(x *exchange) error {
			began := x.latency.clock()
			d, reason, err := p.authz.authorize(x, x.acting, &x.info)
			x.latency.authorization = x.latency.since(began)
			p.metrics.authorized(d)
			if x.audit != nil {
				x.audit.decided(d == allow, reason)
			}
			if d == allow {
				return next(x)
			}
			if err != nil {
				e := internalText(x.req.URL.RequestURI(), err.Error())
				e.cause = err
				return e
			}
			return forbidden(x.acting, &x.info, reason)
		}
	}}
}

type inFlightOptions struct{ readOnly, mutating int }

func (o *inFlightOptions) register(f *flags) {
	f.in("serving")
	f.int(&o.readOnly, "max-requests-inflight", 400, "most requests at a time that read, on each listener; 0: no limit")
	f.int(&o.mutating, "max-mutating-requests-inflight", 200, "most requests at a time that write, on each listener; 0: no limit")
}

func (o *inFlightOptions) check(p *problems) {
	if o.readOnly < 0 {
		p.add("max-requests-inflight", "must not be negative, is %d", o.readOnly)
	}
	if o.mutating < 0 {
		p.add("max-mutating-requests-inflight", "must not be negative, is %d", o.mutating)
	}
}

// inFlightLimits are the places of one listener.
type inFlightLimits struct {
	readOnlyLimit, mutatingLimit int64
	readOnly, mutating           atomic.Int64
}

// maxInFlight bounds what runs at a time, reading and writing apart. Long-running
// requests hold no place. With masters set, system:masters pass above the limit without
// taking a place (upstream); the plain listener, where everybody is a master, holds it
// for all. Health paths are not exempt (upstream).
func maxInFlight(p *program, masters bool) filter {
	f := filter{flags: []string{"max-requests-inflight", "max-mutating-requests-inflight"}}
	if p.opt.inFlight.readOnly == 0 && p.opt.inFlight.mutating == 0 {
		f.off = "both limits are 0"
		return f
	}
	f.wrap = func(next handler) handler {
		return func(x *exchange) error {
			if x.longRunning {
				return next(x)
			}
			l := &x.chain.inFlight
			n, limit := &l.mutating, l.mutatingLimit
			switch x.info.Verb {
			case "get", "list", "watch":
				n, limit = &l.readOnly, l.readOnlyLimit
			}
			if limit == 0 {
				return next(x)
			}
			if n.Add(1) > limit {
				n.Add(-1)
				if masters && x.acting.in(groupMasters) {
					return next(x)
				}
				p.metrics.dropped(n == &l.mutating)
				e := textError(http.StatusTooManyRequests, "Too many requests, please try again later.")
				e.retryAfter = 1
				return e
			}
			defer n.Add(-1)
			return next(x)
		}
	}
	return f
}
