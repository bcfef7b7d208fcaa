package main

import (
	"context"
	"log/slog"
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
// The event has the level Metadata, whatever the policy; who reaches the listener without
// credentials is the user of the plain listener.
func (s source) Changed(c admin.Change) {
	p := s.p
	p.log.LogAttrs(context.Background(), slog.LevelInfo, "admin change", slogText("method", c.Method), slogText("path", c.Path), slogText("user", userUnsecured), slogText("remoteAddr", c.RemoteAddr), slogText("auditID", c.AuditID))
	if p.auditing == nil {
		return
	}
	now := auditTime(time.Now())
	p.auditing.log.write(&auditEvent{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: auditMetadata, AuditID: c.AuditID, Stage: auditResponseComplete, RequestURI: shorten(c.Path, 2048), Verb: strings.ToLower(c.Method),
		User: newAuditUser(&User{Name: userUnsecured, Groups: []string{groupMasters, groupAuthed}}), UserAgent: auditUserAgent(c.UserAgent), ResponseStatus: auditStatus(200, nil), Received: now, StageTime: now,
	})
}
