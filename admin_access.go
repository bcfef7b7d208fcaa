package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"apichain/admin"
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

// Without rules these groups hold the roles.
const (
	groupView      = "apichain:view"
	groupOperate   = "apichain:operate"
	groupDangerous = "apichain:dangerous"
)

// roleRules allow the roles of the admin listener, which are verbs on the paths of its
// endpoints. No other path is theirs: a client may send a method of any name.
type roleRules struct{}

func (roleRules) authorize(_ context.Context, u *request.User, ri *request.Info) (decision, string, error) {
	if ri.IsResourceRequest || ri.Path != "/metrics" && !strings.HasPrefix(ri.Path, "/admin/") && !strings.HasPrefix(ri.Path, "/debug/pprof/") {
		return noOpinion, "", nil
	}
	var groups []string
	switch ri.Verb {
	case admin.RoleView:
		groups = []string{groupView, groupOperate, groupDangerous}
	case admin.RoleOperate:
		groups = []string{groupOperate}
	case admin.RoleDangerous:
		groups = []string{groupDangerous}
	}
	for _, group := range groups {
		if u.In(group) {
			return allow, group + " holds the role " + ri.Verb, nil
		}
	}
	return noOpinion, "", nil
}

// rules are what roleRules allow, for a review of rules.
func (roleRules) rules(u *request.User, _ string) (resources, paths []any) {
	var verbs []any
	for _, role := range []string{admin.RoleView, admin.RoleOperate, admin.RoleDangerous} {
		if d, _, _ := (roleRules{}).authorize(context.Background(), u, &request.Info{Verb: role, Path: "/metrics"}); d == allow {
			verbs = append(verbs, role)
		}
	}
	if verbs != nil {
		paths = []any{map[string]any{"verbs": verbs, "nonResourceURLs": []any{"/admin/*", "/debug/pprof/*", "/metrics"}}}
	}
	return nil, paths
}

// adminIdentity is who sent a request to the admin listener: on TLS whoever the program's
// own authenticators say, but for anonymous users and those of front proxies; else the
// user of the plain listener.
func (p *program) adminIdentity(r *http.Request) (admin.Identity, *admin.Error) {
	c := connFrom(r.Context())
	if !p.opt.adminAccess.tls || c != nil && c.unix {
		return admin.Identity{User: request.UserUnsecured, Groups: []string{request.GroupMasters, request.GroupAuthenticated}}, nil
	}
	u, err := p.authn.direct(r)
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
	d, _, err := p.authz.authorize(ctx, adminUser(who), &request.Info{Path: path, Verb: role})
	if d == allow {
		return true, nil
	}
	return false, err
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
	now := auditTime(time.Now())
	p.auditing.log.write(&auditEvent{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: auditMetadata, AuditID: c.AuditID, Stage: auditResponseComplete, RequestURI: status.Shorten(c.Path, 2048), Verb: strings.ToLower(c.Method),
		User: newAuditUser(adminUser(c.By)), SourceIPs: sourceIPs(&http.Request{RemoteAddr: c.RemoteAddr}), UserAgent: auditUserAgent(c.UserAgent), ResponseStatus: auditStatus(code, failure), Received: now, StageTime: now,
	})
}
