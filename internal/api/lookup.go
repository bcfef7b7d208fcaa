package api

import (
	"context"

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
	if o := sn.Get(r.Key(namespace, name)); o != nil {
		return r.decode(o)
	}
	return nil
}

// List returns the objects of a namespace, or with "" of all, in the order of their keys. The caller
// owns them.
func (s *API) List(resource, namespace string) (all []map[string]any) {
	r, sn := s.lookup(resource)
	if r == nil {
		return nil
	}
	prefix := ""
	if namespace != "" {
		prefix = namespace + "/"
	}
	for o := range sn.Scan(prefix, "") {
		all = append(all, r.decode(o))
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
	_, err := s.Internal(r, "update", namespace, name, subresource).Modify(ctx, change)
	return err
}
