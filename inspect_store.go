package main

import (
	"context"

	"apichain/admin"
)

// What the admin package is shown of the store, and what it may change of it.

func (s source) Watches() []admin.Watch { return s.p.watching.list() }

func (s source) Store() admin.Store {
	rev, holdings := s.p.store.Snapshots()
	out := admin.Store{Revision: rev, Resources: []admin.Stock{}}
	for _, h := range holdings {
		out.Resources = append(out.Resources, admin.Stock{Resource: h.Bucket.Name, Objects: h.Now.Count(), Bytes: h.Now.Bytes(), Warnings: noNil(s.p.rest.customs.warnings(h.Bucket.Name))})
	}
	out.Window.Events, out.Window.Bytes, out.Window.OldestRevision = s.p.store.Window()
	return out
}

func (s source) Snapshot() (admin.Snapshot, *admin.Error) {
	list := listOf(s.p.store)
	return admin.Snapshot{Size: list.size(), Write: list.write}, nil
}

func (s source) Reset(ctx context.Context) (admin.Written, *admin.Error) {
	return s.p.reset(ctx)
}

func (s source) LoadSnapshot(ctx context.Context, body []byte) (admin.Written, *admin.Error) {
	return s.p.loadSnapshot(ctx, body)
}
