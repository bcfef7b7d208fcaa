package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"apichain/admin"
	"apichain/internal/audit"
	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/status"
)

// The admin listener: its flags, its handler, who may use it, and what is kept of its requests.
// Source: the admin contract, Who may.
//
// Package admin decides in which order a request is checked and what each endpoint needs; it asks
// the functions given to it here. So the framing, the path, Host and Origin are judged by the code
// of the serving listeners, a user is found by their authenticators, and a role is granted by their
// authorizer. What the endpoints show is in inspect.go and the files named there.
//
// A request to this listener opens no exchange and passes no chain: it appears in no page, count or
// metric of requests. Changes and refusals are the exception to silence: each is a log line and,
// with an audit log, an event.

// adminOptions says what the admin listener serves beside its API.
type adminOptions struct{ profiling bool }

// register declares the flag of profiles.
func (o *adminOptions) register(f *flags) {
	f.in("admin")
	f.bool(&o.profiling, "profiling", false, "serve profiles at /debug/pprof/ of the admin listener")
}

func (o *adminOptions) check(*problems) {}

// adminAccessOptions says how the admin listener is reached.
type adminAccessOptions struct{ tls bool }

// register declares the flag of TLS.
func (o *adminAccessOptions) register(f *flags) {
	f.in("admin")
	f.bool(&o.tls, "admin-tls", false, "serve the admin listener over TLS, with the TLS listener's certificates, "+
		"and only to users with a bearer token or a client certificate; unix sockets stay as they are; "+
		"always on with an address that others can reach")
}

func (o *adminAccessOptions) check(*problems) {}

// force switches TLS on, whatever the flag says, for a listener that others can reach. The options
// page then says that the value was derived.
func (o *adminAccessOptions) force(f *flags) {
	if !o.tls {
		o.tls = true
		f.byKey["admin-tls"].derived = true
	}
}

// adminHandler returns the handler of the admin listener: the admin API over this program. It may
// be called before the program serves; what it shows is read at each request.
func (p *program) adminHandler() http.Handler {
	h := admin.New(source{p}, admin.Options{
		CheckPath:   p.checkAdminRequest,
		HostAllowed: p.hosts.allows,
		UnixSocket:  overSocket,
		Identify:    p.adminIdentity,
		Authorize:   p.adminHolds,
		Profiling:   p.opt.admin.profiling,
		AuditID: func(r *http.Request) string {
			return cmp.Or(r.Header.Get("Audit-Id"), request.NewUUID())
		},
		Now: time.Now,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Read as the request comes in: one that came before the signal has not seen the end, and
		// a stop waits for a client that has.
		after := p.signals.httpServerStoppedListening.fired()
		h.ServeHTTP(w, r)
		if after {
			// Nobody may be waiting, and one word is enough: the request must not hang here.
			select {
			case p.adminAsked <- struct{}{}:
			default:
			}
		}
	})
}

// overSocket reports whether a request came over a socket in the file system, which no browser and
// no other machine can reach.
func overSocket(r *http.Request) bool {
	c := connFrom(r.Context())
	return c != nil && c.unix
}

// checkAdminRequest refuses, with the errors of the serving listeners, a request whose framing is
// in doubt, that exceeds the bounds of the front, or whose path is not canonical. nil lets it on.
func (p *program) checkAdminRequest(r *http.Request) *admin.Error {
	_, bounds := p.opt.front.checkBounds(r)
	// Framing first: while it is in doubt what the request is, nothing else of it can be trusted.
	for _, err := range []*status.Error{checkFraming(r, connFrom(r.Context()), p.hosts), bounds, checkPath(r)} {
		if err != nil {
			return adminError(err)
		}
	}
	return nil
}

// adminIdentity returns who sent a request to the admin listener. Over TLS that is whoever the
// program's own authenticators find, without anonymous users and those that a front proxy names;
// nobody is a 401. Without TLS, which only loopback addresses may be, and on a socket in the file
// system it is the user of the plain listener, who may do everything.
func (p *program) adminIdentity(r *http.Request) (admin.Identity, *admin.Error) {
	if !p.opt.adminAccess.tls || overSocket(r) {
		groups := []string{request.GroupMasters, request.GroupAuthenticated}
		return admin.Identity{User: request.UserUnsecured, Groups: groups}, nil
	}
	u, err := p.authn.Direct(r)
	if err != nil {
		// The cause is for the log: a client that guesses must not learn which check failed.
		return admin.Identity{}, &admin.Error{
			Code: http.StatusUnauthorized, Reason: "Unauthorized",
			Message: "the admin listener needs a valid bearer token or client certificate", Private: err.Error(),
		}
	}
	return admin.Identity{User: u.Name, UID: u.UID, Groups: u.Groups, Extra: u.Extra}, nil
}

// adminUser converts an identity to the user that the authorizer and the audit log know; nil for
// nobody.
func adminUser(who admin.Identity) *request.User {
	if who.User == "" {
		return nil
	}
	return &request.User{Name: who.User, UID: who.UID, Groups: who.Groups, Extra: who.Extra}
}

// adminHolds reports whether who has a role on an endpoint. The authorizer is asked for it as a
// verb on a non-resource path, so that the rules of the serving side can grant it. The error is
// that of a rule which could not be evaluated, and comes with false only.
func (p *program) adminHolds(ctx context.Context, who admin.Identity, role, path string) (bool, error) {
	d := p.authz.Authorize(ctx, adminUser(who), &request.Info{Path: path, Verb: role})
	if d.Verdict == auth.Allow {
		return true, nil
	}
	return false, d.Err
}

// Refused writes the audit event and the log line of a request that the admin listener turned away.
func (s source) Refused(r admin.Refusal) {
	more := []slog.Attr{slogText("reason", r.Reason), slogText("message", r.Message)}
	if r.Private != "" {
		more = append(more, slogText("cause", r.Private))
	}
	asked := admin.Change{
		AuditID: r.AuditID, Method: r.Method, Path: r.Path, RemoteAddr: r.RemoteAddr, UserAgent: r.UserAgent, By: r.By,
	}
	failure := &status.Error{Code: r.Code, Reason: r.Reason, Message: r.Message}
	s.p.keepAdmin("admin request refused", asked, r.Code, failure, more...)
}

// Changed writes the audit event and the log line of a request that changed something.
func (s source) Changed(c admin.Change) {
	s.p.keepAdmin("admin change", c, http.StatusOK, nil)
}

// keepAdmin writes the log line of an admin request and, with an audit log, its event at the level
// Metadata, whatever the policy says: a policy is about requests to the API. A request by nobody
// has an empty user. The query is left out: it may hold what must not be kept.
func (p *program) keepAdmin(line string, c admin.Change, code int, failure *status.Error, more ...slog.Attr) {
	p.log.LogAttrs(context.Background(), slog.LevelInfo, line, append([]slog.Attr{
		slogText("method", c.Method), slogText("path", c.Path), slogText("user", c.By.User),
		slogText("remoteAddr", c.RemoteAddr), slogText("auditID", c.AuditID),
	}, more...)...)
	if p.auditing == nil {
		return
	}
	p.auditing.Record(audit.Action{
		ID: c.AuditID, Method: c.Method, Path: status.Shorten(c.Path, 2048), User: adminUser(c.By),
		RemoteAddr: c.RemoteAddr, UserAgent: c.UserAgent, Code: code, Failure: failure,
	})
}
