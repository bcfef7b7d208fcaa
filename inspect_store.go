package main

import (
	"context"

	"apichain/admin"
	"apichain/internal/controller"
	"apichain/internal/status"
)

// What the admin package is shown of the store, and what it may change of it.

func (s source) Watches() []admin.Watch { return s.p.watchTable.list() }

func (s source) Store() admin.Store {
	rev, holdings := s.p.store.Snapshots()
	out := admin.Store{Revision: rev, Resources: []admin.Stock{}}
	for _, h := range holdings {
		out.Resources = append(out.Resources, admin.Stock{Resource: h.Bucket.Name, Objects: h.Now.Count(), Bytes: h.Now.Bytes(), Warnings: noNil(s.p.api.Customs.Warnings(h.Bucket.Name))})
	}
	out.Window.Events, out.Window.Bytes, out.Window.OldestRevision = s.p.store.Window()
	return out
}

func (s source) Snapshot() (admin.Snapshot, *admin.Error) {
	list := controller.NewList(s.p.store)
	return admin.Snapshot{Size: list.Size(), Write: list.Write}, nil
}

func (s source) Reset(ctx context.Context) (admin.Written, *admin.Error) {
	w, err := s.p.restorer.Reset(ctx)
	return admin.Written(w), adminError(err)
}

func (s source) LoadSnapshot(ctx context.Context, body []byte) (admin.Written, *admin.Error) {
	w, err := s.p.restorer.Load(ctx, body)
	return admin.Written(w), adminError(err)
}

// adminError returns e, which status renders elsewhere, as the admin API has errors; nil for nil.
func adminError(e *status.Error) *admin.Error {
	if e == nil {
		return nil
	}
	out := &admin.Error{Code: e.Code, Reason: e.Reason, Message: e.Message}
	if e.Details != nil {
		for _, c := range e.Details.Causes {
			out.Causes = append(out.Causes, admin.Cause{Reason: c.Reason, Message: c.Message, Field: c.Field})
		}
	}
	return out
}
