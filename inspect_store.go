package main

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"apichain/admin"
)

// What the admin package is shown of the store, and what it may change of it.

func (s source) Watches() []admin.Watch { return s.p.watching.list() }

func (s source) Store() admin.Store {
	rev, holdings := s.p.store.moment()
	out := admin.Store{Revision: rev, Resources: []admin.Stock{}}
	for _, h := range holdings {
		out.Resources = append(out.Resources, admin.Stock{Resource: h.bucket.name, Objects: h.now.count(), Bytes: h.now.bytes(), Warnings: noNil(s.p.resourceWarnings(h.bucket.name))})
	}
	out.Window.Events, out.Window.Bytes, out.Window.OldestRevision = s.p.store.window()
	return out
}

func (s source) Snapshot() (admin.Snapshot, *admin.Error) {
	list := s.p.store.list()
	return admin.Snapshot{Size: list.size(), Write: list.write}, nil
}

func (s source) Reset(ctx context.Context) (admin.Written, *admin.Error) {
	return s.p.reset(ctx)
}

func (s source) LoadSnapshot(ctx context.Context, body []byte) (admin.Written, *admin.Error) {
	return s.p.loadSnapshot(ctx, body)
}

// Changed writes the audit event and the log line of a request that changed something.
func (s source) Changed(c admin.Change) {
	p := s.p
	p.log.LogAttrs(context.Background(), slog.LevelInfo, "admin change", slogText("method", c.Method), slogText("path", c.Path), slogText("user", c.By.User), slogText("remoteAddr", c.RemoteAddr), slogText("auditID", c.AuditID))
	p.auditAdmin(c.AuditID, c.Method, c.Path, c.UserAgent, c.By, http.StatusOK, nil)
}

// auditAdmin writes the audit event of a request to the admin listener. It has the level
// Metadata, whatever the policy; who comes without credentials is the user of the plain
// listener, and who was turned away before that was known is nobody.
func (p *program) auditAdmin(id, method, path, userAgent string, by admin.Identity, code int, e *statusError) {
	if p.auditing == nil {
		return
	}
	now := auditTime(time.Now())
	event := &auditEvent{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: auditMetadata, AuditID: id, Stage: auditResponseComplete, RequestURI: shorten(path, 2048), Verb: strings.ToLower(method),
		UserAgent: auditUserAgent(userAgent), ResponseStatus: auditStatus(code, e), Received: now, StageTime: now,
	}
	if by.User != "" {
		event.User = newAuditUser(&User{Name: by.User, Groups: by.Groups})
	}
	p.auditing.log.write(event)
}
