package api

import (
	"context"
	"slices"

	"apichain/internal/store"
)

// What admission and others look up beside the object that is written, and what they write: by
// resource, whose name is plural.group, as a bucket's is. Reading is from snapshots and waits for
// nobody. A resource that is not served has no objects.

// lookup returns the resource of a name as it is stored, and its objects now; nil where none is
// served.
func (s *API) lookup(resource string) (*Resource, store.Snapshot) {
	b := s.Store.Bucket(resource)
	return s.ForBucket(b), b.Now()
}

// Get returns an object, which the caller owns, or nil if there is none. namespace is "" for one of
// the cluster.
func (s *API) Get(resource, namespace, name string) map[string]any {
	r, sn := s.lookup(resource)
	if r == nil {
		return nil
	}
	return r.lookAt(sn.Get(r.Key(namespace, name)))
}

// lookAt returns an object, which may be nil, as r shows it: nil where a webhook would have to convert it and does not.
func (r *Resource) lookAt(o *store.Object) map[string]any {
	one := [1]*store.Object{o}
	if o == nil || len(r.show(context.Background(), one[:])) > 0 {
		return nil
	}
	return r.decode(one[0])
}

// Shown returns an object as r shows it, which the caller owns. The error is that of a webhook that would have to convert it.
func (r *Resource) Shown(ctx context.Context, o *store.Object) (map[string]any, error) {
	one := [1]*store.Object{o}
	if bad := r.show(ctx, one[:]); len(bad) > 0 {
		return nil, bad[0].err
	}
	return r.decode(one[0]), nil
}

// List returns the objects of a namespace, or with "" of all, in the order of their keys, but for those that a
// webhook would have to convert and does not. The caller owns them.
func (s *API) List(resource, namespace string) (all []map[string]any) {
	r, sn := s.lookup(resource)
	if r == nil {
		return nil
	}
	prefix := ""
	if namespace != "" {
		prefix = namespace + "/"
	}
	objs := slices.Collect(sn.Scan(prefix, ""))
	_ = r.show(context.Background(), objs)
	for _, o := range objs {
		if r.webhook == nil || r.asStored(o) {
			all = append(all, r.decode(o))
		}
	}
	return all
}

// Labels returns the labels of an object, which nobody may change, and whether there is one. It costs
// less than Get.
func (s *API) Labels(resource, namespace, name string) (labels map[string]string, ok bool) {
	if r, sn := s.lookup(resource); r != nil {
		if o := sn.Get(r.Key(namespace, name)); o != nil {
			return o.Meta.Labels, true
		}
	}
	return nil, false
}

// Change returns the revision of the last change of a resource's objects, which grows with each.
func (s *API) Change(resource string) int64 { return s.Store.Bucket(resource).Head() }

// Write changes an object or, with the subresource status, its status, as Modify says. It does nothing
// for one that is not there.
func (s *API) Write(ctx context.Context, resource, namespace, name, subresource string, change func(obj map[string]any) bool) error {
	r, _ := s.lookup(resource)
	if r == nil {
		return nil
	}
	_, err := s.Internal(r, "update", namespace, name, subresource).As(managerOf(ctx)).Modify(ctx, change)
	return err
}
