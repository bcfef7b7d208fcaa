package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"apichain/internal/auth"
	"apichain/internal/flags"
	"apichain/internal/request"
	"apichain/internal/status"
)

// Who a request is from, as whom it acts, whether it may, and how many of it at a time: the
// filters of both chains, each in the words of internal/auth, which knows no exchange. The plain
// listener has two of them alone, since everybody there is the superuser:
//
//	TLS    authentication → user → impersonation → acting → limits in flight → authorization
//	plain  insecureSuperuser → user, acting ─────────────> limits in flight
//
// Upstream has priority and fairness in the place of the limits, and falls back on them without.
//
// Each filter also works in a dry run (see explain.go): there nothing is counted and no place is
// taken, and it says what it decided.

// authenticationOptions say who may be who on the TLS listener. The files with the CAs
// belong to the TLS group, which reloads them.
type authenticationOptions struct {
	auth.Config
	// configuration is a file that says more of anonymous requests; "": none.
	configuration string
}

// Register declares the flags of tokens, anonymous users and front proxies.
func (o *authenticationOptions) Register(f *flags.Set) {
	f.In("authentication")
	f.Text(&o.TokenFile, "token-auth-file", "", `CSV file of bearer tokens, read once at start: token,user,uid,"group1,group2"`)
	f.Text(&o.configuration, "authentication-config", "",
		"file of kind AuthenticationConfiguration, whose anonymous part takes the place of --anonymous-auth; its jwt part is refused")
	f.Bool(&o.Anonymous, "anonymous-auth", true, "let requests without credentials pass as system:anonymous")
	f.List(&o.ProxyNames, "requestheader-allowed-names", nil,
		"common names of the front proxies' certificates; empty: every one of --requestheader-client-ca-file")
	f.List(&o.UserHeaders, "requestheader-username-headers", []string{"X-Remote-User"},
		"headers in which a front proxy names the user; the first with a value counts")
	f.List(&o.UIDHeaders, "requestheader-uid-headers", nil,
		"headers in which a front proxy gives the user's UID; the first with a value counts")
	f.List(&o.GroupHeaders, "requestheader-group-headers", []string{"X-Remote-Group"},
		"headers in which a front proxy names the user's groups; all count")
	f.List(&o.ExtraPrefixes, "requestheader-extra-headers-prefix", []string{"X-Remote-Extra-"},
		"what the names of headers with extra facts of the user begin with")
}

// Check reports names that cannot be those of headers, which no request could then match.
func (o *authenticationOptions) Check(p *flags.Problems) {
	for _, list := range []struct {
		flag  string
		names []string
	}{
		{"requestheader-username-headers", o.UserHeaders},
		{"requestheader-uid-headers", o.UIDHeaders},
		{"requestheader-group-headers", o.GroupHeaders},
		{"requestheader-extra-headers-prefix", o.ExtraPrefixes},
	} {
		for _, name := range list.names {
			p.When(!isHeaderName(name), list.flag, "%q is no name of a header", name)
		}
	}
}

// config returns who may be who, with what the configuration file says. given says that --anonymous-auth
// was, beside which the file may say nothing of anonymous requests (upstream).
func (o *authenticationOptions) config(given bool) (c auth.Config, err error) {
	c = o.Config
	if o.configuration == "" {
		return c, nil
	}
	a, err := auth.ReadConfiguration(o.configuration)
	switch {
	case err != nil:
		return c, fmt.Errorf("--authentication-config: %w", err)
	case a != nil && given:
		return c, errors.New("--anonymous-auth: cannot be given beside the anonymous part of --authentication-config")
	case a != nil:
		c.Anonymous, c.AnonymousPaths = a.Enabled, a.Paths
	}
	return c, nil
}

// isHeaderName reports whether s is a token of RFC 9110, section 5.6.2.
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

// insecureSuperuser makes every request of the plain listener act as the superuser, as
// upstream's insecure port did; that listener is bound to loopback for this reason.
func insecureSuperuser(*program) filter {
	u := &request.User{Name: request.UserUnsecured, Groups: []string{request.GroupMasters, request.GroupAuthenticated}}
	return filter{brief: true, step: func(x *exchange, next handler) error {
		x.user, x.acting = u, u
		x.because("everybody on the plain listener is "+request.UserUnsecured, "")
		return next(x)
	}}
}

// authenticationFilter finds out who it is. The credentials leave the request here, so
// that no handler and no backend sees them. A request that cannot be identified is 401
// and audited; on HTTP/2 a connection without an identity is ended after the answer, so
// that it cannot be used to open streams by the thousand (upstream).
func authenticationFilter(p *program) filter {
	flags := []string{"token-auth-file", "client-ca-file", "requestheader-client-ca-file", "anonymous-auth"}
	return filter{flags: flags, step: func(x *exchange, next handler) error {
		if x.dry != nil {
			u, err := x.predictUser(p.authn)
			if err != nil {
				return err
			}
			x.user, x.acting = u, u
			return next(x)
		}
		began := x.latency.clock()
		u, warning, err := p.authn.Authenticate(&x.req)
		if l := x.latency; l != nil {
			l.authentication = time.Since(began)
		}
		if warning != "" {
			x.Warn("", warning)
		}
		if x.req.ProtoMajor == 2 && (err != nil || u.Name == request.UserAnonymous) {
			x.header["Connection"] = []string{"close"}
		}
		if err != nil {
			// The audit filter is further in, because it names the user; of this one there is none.
			p.auditRefusal(x)
			return err
		}
		p.metrics.authenticated(u.Name)
		x.user, x.acting = u, u
		return next(x)
	}}
}

// predictUser is authentication in a dry run: whom it is about is taken to have come with
// the right credentials. Nothing is counted.
func (x *exchange) predictUser(a *auth.Authenticator) (*request.User, error) {
	if u := x.dry.user; u != nil {
		a.Strip(x.req.Header)
		x.because("user "+request.Shown(u.Name)+", as asked", "")
		return u, nil
	}
	u, warning, err := a.Identify(&x.req)
	if warning != "" {
		x.Warn("", warning)
	}
	switch {
	case err != nil:
		x.because(errors.Unwrap(err).Error(), "anonymous-auth")
	case u == a.AnonymousUser():
		x.because("it has no credentials: user "+request.UserAnonymous, "anonymous-auth")
	default:
		x.because("user "+request.Shown(u.Name)+", by its credentials", "")
	}
	return u, err
}

// impersonationFilter lets a permitted user act as another. What follows sees the
// other; the audit event names both.
func impersonationFilter(p *program) filter {
	return filter{brief: true, step: func(x *exchange, next handler) error {
		// Brief without the headers; with them every part costs a decision.
		if auth.Impersonates(x.req.Header) {
			x.markHere()
		}
		u, err := auth.Impersonate(x, p.authz, x.user, x.req.Header)
		if err != nil {
			if x.dry != nil {
				x.because("it asks to act as somebody else: "+err.Error(), "verb impersonate")
			}
			return err
		}
		x.because("it does not ask to act as somebody else", "")
		if u != nil {
			x.acting = u
			if x.dry != nil {
				x.because("acts as "+request.Shown(u.Name)+", and every part of it is allowed", "verb impersonate")
			}
			if x.audit != nil {
				x.audit.Impersonated(u)
			}
		}
		return next(x)
	}}
}

// authorizationFilter asks whether the user in force may do this. Who may not gets 403, with the
// reason of the rule; a rule that cannot be evaluated is a 500, and never a yes.
func authorizationFilter(p *program) filter {
	return filter{step: func(x *exchange, next handler) error {
		began := x.latency.clock()
		x.because("it is allowed", "")
		d := p.authz.Authorize(x, x.acting, &x.info)
		if l := x.latency; l != nil {
			l.authorization = time.Since(began)
		}
		if x.dry == nil {
			p.metrics.authorized(d.Verdict)
		}
		if x.audit != nil {
			x.audit.Decided(d.Verdict == auth.Allow, d.Reason)
		}
		if d.Verdict == auth.Allow {
			if d.Rule != "" {
				x.because(d.Reason, d.Rule)
			}
			return next(x)
		}
		x.because("no rule allows it", "")
		if d.Err != nil {
			x.because("a rule could not be evaluated", "")
			e := status.InternalText(x.req.URL.RequestURI(), d.Err.Error())
			e.Cause = d.Err
			return e
		}
		return auth.Forbidden(x.acting, &x.info, d.Reason)
	}}
}

// inFlightOptions are the most requests at a time, on each listener; 0 is no limit.
type inFlightOptions struct{ readOnly, mutating int }

func (o *inFlightOptions) Register(f *flags.Set) {
	f.In("serving")
	f.Int(&o.readOnly, "max-requests-inflight", 400, "most requests at a time that read, on each listener; 0: no limit")
	f.Int(&o.mutating, "max-mutating-requests-inflight", 200, "most requests at a time that write, on each listener; 0: no limit")
}

func (o *inFlightOptions) Check(p *flags.Problems) {
	p.When(o.readOnly < 0, "max-requests-inflight", "must not be negative, is %d", o.readOnly)
	p.When(o.mutating < 0, "max-mutating-requests-inflight", "must not be negative, is %d", o.mutating)
}

// inFlightLimits are the places of one listener, and how many are taken.
type inFlightLimits struct {
	readOnlyLimit, mutatingLimit int64
	readOnly, mutating           atomic.Int64
}

// maxInFlight bounds what runs at a time, reading and writing apart. Long-running
// requests hold no place. With masters set, system:masters pass above the limit without
// taking a place (upstream); the plain listener, where everybody is a master, holds it
// for all. Health paths are not exempt (upstream).
func maxInFlight(p *program, masters bool) filter {
	f := filter{brief: true, flags: []string{"max-requests-inflight", "max-mutating-requests-inflight"}}
	if p.opt.inFlight.readOnly == 0 && p.opt.inFlight.mutating == 0 {
		f.off = "both limits are 0"
		return f
	}
	f.step = func(x *exchange, next handler) error {
		if x.longRunning {
			x.because("a long-running request takes no place", "")
			return next(x)
		}
		l := &x.chain.inFlight
		n, limit, flag := &l.mutating, l.mutatingLimit, "max-mutating-requests-inflight"
		switch x.info.Verb {
		case "get", "list", "watch":
			n, limit, flag = &l.readOnly, l.readOnlyLimit, "max-requests-inflight"
		}
		if limit == 0 {
			x.because("there is no limit", flag)
			return next(x)
		}
		if !x.takePlace(n, limit) {
			if masters && x.acting.In(request.GroupMasters) {
				x.because("every place is taken, but "+request.GroupMasters+" need none", flag)
				return next(x)
			}
			x.because("every place is taken", flag)
			if x.dry == nil {
				p.metrics.dropped(n == &l.mutating)
			}
			e := status.PlainText(http.StatusTooManyRequests, "Too many requests, please try again later.")
			e.RetryAfter = 1
			return e
		}
		// The place is held until the handler returns, even behind the time limit: what it
		// guards is work, not answers.
		if x.dry == nil {
			defer n.Add(-1)
		}
		x.because("a place is free", flag)
		return next(x)
	}
	return f
}

// takePlace reports whether there is a place, and takes it unless x is a dry run.
func (x *exchange) takePlace(n *atomic.Int64, limit int64) bool {
	if x.dry != nil {
		return n.Load() < limit
	}
	// Taken first and given back: to look before would let two take the last one.
	if n.Add(1) <= limit {
		return true
	}
	n.Add(-1)
	return false
}
