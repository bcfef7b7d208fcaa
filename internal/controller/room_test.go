package controller

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"apichain/internal/api"
	"apichain/internal/discovery"
	"apichain/internal/store"
	"apichain/internal/strategy"
	"apichain/internal/tree"
)

// room is controllers over an empty store, without their goroutine: a test says when they work.
type room struct {
	*controllers
	t testing.TB
}

// newRoom makes a room whose log holds that many events.
func newRoom(t testing.TB, events int) *room {
	t.Helper()
	table, err := strategy.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := api.New(api.Config{
		Store:   store.New(store.Window{Events: events, Bytes: 64 << 20}),
		Kinds:   table,
		Catalog: &discovery.Catalog{},
		Changed: func() {},
		Log:     slog.New(slog.DiscardHandler),
	})
	var groups []discovery.Group
	for _, server := range []string{"aggregator", "core", "extensions"} {
		groups = append(groups, discovery.GroupsOf(table, server)...)
	}
	a.Config.Catalog.SetServers(groups, "127.0.0.1:6443", table)
	return &room{newControllers(a, "the CA"), t}
}

// object is a manifest as a tree.
func object(t testing.TB, manifest string, args ...any) map[string]any {
	t.Helper()
	doc, _, err := tree.ParseYAMLObject(fmt.Appendf(nil, manifest, args...))
	if err != nil {
		t.Fatal(err)
	}
	obj := tree.Object(doc)
	if obj == nil {
		t.Fatalf("%s is no object", manifest)
	}
	return obj
}

// apply writes a manifest and returns what is stored.
func (r *room) apply(manifest string, args ...any) *store.Object {
	r.t.Helper()
	o, _, err := r.api.Apply(r.t.Context(), object(r.t, manifest, args...))
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

// owned writes a ConfigMap of the namespace default with finalizers and owners; an owner with a
// + blocks.
func (r *room) owned(name string, finalizers string, owners ...*store.Object) *store.Object {
	r.t.Helper()
	refs := ""
	for _, o := range owners {
		refs += fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, name: %s, uid: %s, blockOwnerDeletion: true}, ", o.Name(), o.Meta.UID)
	}
	return r.apply("{kind: ConfigMap, apiVersion: v1, metadata: {name: %s, namespace: default, finalizers: [%s], ownerReferences: [%s]}}", name, finalizers, refs)
}

// erase deletes an object as a client would.
func (r *room) erase(kind, ns, name, policy string) {
	r.t.Helper()
	res := r.api.Builtin("", "v1", kind)
	if _, _, err := r.api.Internal(res, "delete", ns, name, "").Delete(&api.DeleteOptions{Propagation: policy}); err != nil {
		r.t.Fatal(err)
	}
}

// follow sees what was written since and does what is to be done, until nothing is.
func (r *room) follow() {
	r.t.Helper()
	for range 100 {
		events, _, ok := r.api.Store.After(r.observed, eventBatch)
		if !ok {
			r.t.Fatal("the log has lost events")
		}
		if len(events) == 0 && len(r.queue) == 0 {
			return
		}
		for _, e := range events {
			r.observe(e.Bucket, e.Event)
		}
		if r.work(context.Background()) {
			r.t.Fatalf("failing: %v", r.failing)
		}
	}
	r.t.Fatal("they never rest")
}

// at returns an object, nil if there is none.
func (r *room) at(resource, key string) *store.Object {
	sn := r.api.Store.Bucket(resource).Now()
	return sn.Get(key)
}
