package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"apichain/internal/request"
	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// Calls of the program itself: controllers, initial objects and fixtures write through the same
// steps as requests, so that defaults, checks, finalizers and hooks hold for them too. No request
// stands behind such a call. Nobody authorizes it, its warnings go nowhere, and there is nothing to
// answer.

// Internal returns a call of the program itself for an object of r, or for the collection if name is
// "". verb and subresource are those that a request would have; namespace is ignored by a
// cluster-scoped resource. A call is used by one goroutine, and may be used again.
func (s *API) Internal(r *Resource, verb, namespace, name, subresource string) *Call {
	info := &request.Info{
		IsResourceRequest: true, Verb: verb, APIGroup: r.Group, APIVersion: r.Version,
		Namespace: namespace, Resource: r.Plural, Name: name, Subresource: subresource,
	}
	q := &Call{
		Resource: r, req: &http.Request{}, scope: request.From(context.Background()), info: info, name: name,
		options: options{strict: "Ignore", manager: ownManager},
	}
	if r.Namespaced {
		q.namespace = namespace
	}
	return q
}

// Until makes an internal call end with ctx, and with its deadline what it asks of a backend. It returns the call.
func (q *Call) Until(ctx context.Context) *Call {
	q.req = q.req.WithContext(ctx)
	return q
}

// Unasked makes an internal call one about which admission is not asked. It returns the call.
func (q *Call) Unasked() *Call {
	q.admitted = true
	return q
}

// Modify changes the object of an internal call until nobody else does meanwhile, or ctx ends.
// change gets a tree of its own each time; false leaves the object as it is. The result is nil when
// there is no such object, or it has gone with the change.
func (q *Call) Modify(ctx context.Context, change func(obj map[string]any) bool) (o *store.Object, err error) {
	err = q.retry(forever, func(old *store.Object) error {
		if o = nil; ctx.Err() != nil || old == nil {
			return ctx.Err()
		}
		w := write{Call: q, old: old, next: q.decode(old)}
		if !change(w.next) {
			o = old
			return nil
		}
		// change may have kept parts of what it got, so the state before is read anew.
		w.was = q.decode(old)
		err := w.replace()
		o = w.done
		return err
	})
	return o, err
}

// Configure applies a configuration to the object of an internal call, as server-side apply with force does, until nobody else
// changes it meanwhile, or ctx ends. Where there is no such object it does nothing.
func (q *Call) Configure(ctx context.Context, config map[string]any) error {
	q.force = true
	return q.retry(forever, func(old *store.Object) (err error) {
		if ctx.Err() != nil || old == nil {
			return ctx.Err()
		}
		w := write{Call: q, old: old, was: q.decode(old), owned: true}
		by := q.writer()
		if w.next, err = q.applied(&by, w.was, &configuration{object: config}); err != nil {
			return err
		}
		return w.replace()
	})
}

// Apply creates obj, or puts it in the place of the object of its name, with all checks that a
// request would meet but for authorization; created says which. What obj says of its status is
// written too, by itself, if the kind has a status. obj is pruned, and unknown fields are an error.
// An object without a namespace goes to the default one. Other writers are overwritten.
func (s *API) Apply(ctx context.Context, obj map[string]any) (o *store.Object, created bool, err error) {
	return s.put(ctx, obj, true)
}

// Ensure is Apply that leaves an object alone if there is one of that name, whoever has made it.
func (s *API) Ensure(ctx context.Context, obj map[string]any) error {
	// Looked for first: the address that a service names is taken where the service is there.
	there := func() bool {
		r := s.ForKind(tree.Text(obj, "apiVersion"), tree.Text(obj, "kind"))
		if r == nil || r.Bucket == nil {
			return false
		}
		sn := r.Bucket.Now()
		return sn.Get(r.Key(cmp.Or(tree.Text(obj, "metadata", "namespace"), "default"), tree.Name(obj))) != nil
	}
	if there() {
		return nil
	}
	// After a refusal all is shown that was written before.
	if _, _, err := s.put(ctx, obj, false); err != nil && !there() {
		return err
	}
	return nil
}

// put is Apply, which without over returns the AlreadyExists of an object that is there.
func (s *API) put(ctx context.Context, obj map[string]any, over bool) (o *store.Object, created bool, err error) {
	apiVersion, kind := tree.Text(obj, "apiVersion"), tree.Text(obj, "kind")
	r := s.ForKind(apiVersion, kind)
	if r == nil || r.Bucket == nil {
		return nil, false, fmt.Errorf("no kind %q is served in version %q", kind, apiVersion)
	}
	namespace, name := tree.Text(obj, "metadata", "namespace"), tree.Name(obj)
	if r.Namespaced && namespace == "" {
		namespace = "default"
	}
	manager := managerOf(ctx)
	q := s.Internal(r, "create", namespace, name, "").As(manager)
	q.strict = "Strict"
	unknown, err := r.shape.Prune(obj)
	if err = q.reportProblems(r.Kind, r.Version, &bodyNotes{}, unknown, err); err != nil {
		return nil, false, err
	}
	// Looked for first: what it names of the cluster, such as an address, is taken by the one that is there.
	sn := r.Bucket.Now()
	if created = !over || sn.Get(r.Key(namespace, name)) == nil; created {
		// Insert consumes its object, and may have changed it when it finds that there is one.
		o, err = q.Insert(tree.Copy(obj).(map[string]any))
		var e *status.Error
		created = !(errors.As(err, &e) && e.Reason == "AlreadyExists")
	}
	if !created && over {
		o, err = s.Internal(r, "update", namespace, name, "").As(manager).Modify(ctx, func(old map[string]any) bool {
			overwrite(old, obj)
			return true
		})
	}
	// Neither write has touched the status, as no write of the object does.
	if sent, given := obj["status"]; err == nil && given && r.HasStatus {
		o, err = s.Internal(r, "update", namespace, name, "status").As(manager).Modify(ctx, func(old map[string]any) bool {
			old["status"] = tree.Copy(sent)
			return true
		})
	}
	return o, created, err
}

// overwrite makes old a copy of obj, but for its status, if it has one, and what says which object it
// is: with that the write that follows has no conflict.
func overwrite(old, obj map[string]any) {
	was, status := tree.Metadata(old), old["status"]
	clear(old)
	for k, v := range tree.Copy(obj).(map[string]any) {
		old[k] = v
	}
	m := tree.Metadata(old)
	for _, f := range append(immutableFields[:], "resourceVersion") {
		v, has := was[f]
		setOrDelete(m, f, v, has)
	}
	if status != nil {
		old["status"] = status
	}
}
