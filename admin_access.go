package main

import (
	"context"
	"log/slog"
	"net/http"

	"apichain/admin"
	"apichain/internal/audit"
	"apichain/internal/auth"
	"apichain/internal/request"
	"apichain/internal/status"
)

// Who may use the admin listener, and what is kept of it. Source: the admin contract,
// Who may.

// adminAccessOptions say how the admin listener is reached.
type adminAccessOptions struct{ tls bool }

func (o *adminAccessOptions) register(f *flags) {
	f.in("admin")
	f.bool(&o.tls, "admin-tls", false, "serve the admin listener over TLS, with the TLS listener's certificates, and only to users with a bearer token or a client certificate; unix sockets stay as they are; always on with an address that others can reach")
}

func (o *adminAccessOptions) check(*problems) {}

// force switches TLS on, whatever the flag says: others can reach the listener.
func (o *adminAccessOptions) force(f *flags) {
	if !o.tls {
		o.tls = true
		f.byKey["admin-tls"].derived = true
	}
}

// adminIdentity is who sent a request to the admin listener: on TLS whoever the program's
// own authenticators say, but for anonymous users and those of front proxies; else the
// user of the plain listener.
func (p *program) adminIdentity(r *http.Request) (admin.Identity, *admin.Error) {
	c := connFrom(r.Context())
	if !p.opt.adminAccess.tls || c != nil && c.unix {
		return admin.Identity{User: request.UserUnsecured, Groups: []string{request.GroupMasters, request.GroupAuthenticated}}, nil
	}
	u, err := p.authn.Direct(r)
	if err != nil {
		return admin.Identity{}, &admin.Error{Code: http.StatusUnauthorized, Reason: "Unauthorized", Message: "the admin listener needs a valid bearer token or client certificate", Private: err.Error()}
	}
	return admin.Identity{User: u.Name, UID: u.UID, Groups: u.Groups, Extra: u.Extra}, nil
}

// adminUser is an identity as the authorizer and the audit log know users; nil for nobody.
func adminUser(who admin.Identity) *request.User {
	if who.User == "" {
		return nil
	}
	return &request.User{Name: who.User, UID: who.UID, Groups: who.Groups, Extra: who.Extra}
}

// adminHolds asks the authorizer for a role, as a verb on the path of an endpoint.
func (p *program) adminHolds(ctx context.Context, who admin.Identity, role, path string) (bool, error) {
	d := p.authz.Authorize(ctx, adminUser(who), &request.Info{Path: path, Verb: role})
	if d.Verdict == auth.Allow {
		return true, nil
	}
	return false, d.Err
}

// Refused writes the audit event and the log line of a request that the admin listener
// turned away.
func (s source) Refused(r admin.Refusal) {
	more := []slog.Attr{slogText("reason", r.Reason), slogText("message", r.Message)}
	if r.Private != "" {
		more = append(more, slogText("cause", r.Private))
	}
	s.p.keepAdmin("admin request refused", admin.Change{AuditID: r.AuditID, Method: r.Method, Path: r.Path, RemoteAddr: r.RemoteAddr, UserAgent: r.UserAgent, By: r.By}, r.Code,
		&status.Error{Code: r.Code, Reason: r.Reason, Message: r.Message}, more...)
}

// Changed writes the audit event and the log line of a request that changed something.
func (s source) Changed(c admin.Change) {
	s.p.keepAdmin("admin change", c, http.StatusOK, nil)
}

// keepAdmin logs an admin request and records it at the level Metadata, whatever the
// policy. Nobody's user is empty. The query is left out: it may hold what must not be kept.
func (p *program) keepAdmin(line string, c admin.Change, code int, failure *status.Error, more ...slog.Attr) {
	p.log.LogAttrs(context.Background(), slog.LevelInfo, line, append([]slog.Attr{slogText("method", c.Method), slogText("path", c.Path), slogText("user", c.By.User),
		slogText("remoteAddr", c.RemoteAddr), slogText("auditID", c.AuditID)}, more...)...)
	if p.auditing == nil {
		return
	}
	p.auditing.Record(audit.Action{
		ID: c.AuditID, Method: c.Method, Path: status.Shorten(c.Path, 2048), User: adminUser(c.By), RemoteAddr: c.RemoteAddr, UserAgent: c.UserAgent, Code: code, Failure: failure,
	})
}
