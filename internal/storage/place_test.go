package storage

import (
	"strings"
	"testing"
)

// TestPlace: paths of objects are told from those of everything else.
func TestPlace(t *testing.T) {
	c := New(table(t), Options{})
	for _, row := range []struct{ path, bucket, key string }{
		{"/configmaps/default/a", "configmaps", "default/a"},
		{"/services/specs/default/a", "services", "default/a"},
		{"/services/endpoints/default/a", "endpoints", "default/a"},
		{"/minions/a", "nodes", "a"},
		{"/controllers/default/a", "replicationcontrollers", "default/a"},
		{"/ingress/default/a", "ingresses.networking.k8s.io", "default/a"},
		{"/deployments/default/a", "deployments.apps", "default/a"},
		{"/ranges/servicenodeports", "ranges", "servicenodeports"},
		{"/events/default/a.1", "events", "default/a.1"},
		{"/clusterroles/system:node", "clusterroles.rbac.authorization.k8s.io", "system:node"},
		{"/namespaces/a", "namespaces", "a"},
		{"/apiextensions.k8s.io/customresourcedefinitions/a.b.c", "customresourcedefinitions.apiextensions.k8s.io", "a.b.c"},
		{"/apiregistration.k8s.io/apiservices/v1.", "apiservices.apiregistration.k8s.io", "v1."},
		{"/example.com/widgets/default/a", "widgets.example.com", "default/a"},
		{"/example.com/widgets/a", "widgets.example.com", "a"},
		{"/example.com/configmaps/a/b", "configmaps.example.com", "a/b"},
	} {
		bucket, key, ok := c.Place(row.path)
		if bucket != row.bucket || key != row.key || !ok {
			t.Errorf("%s is %q %q %v, want %s %s", row.path, bucket, key, ok, row.bucket, row.key)
		}
		if got := c.Path(row.bucket, row.key); got != row.path {
			t.Errorf("%s %s is at %s, want %s", row.bucket, row.key, got, row.path)
		}
	}
}

// TestNoPlace: what is no object that is served has no place.
func TestNoPlace(t *testing.T) {
	c := New(table(t), Options{})
	for _, path := range strings.Fields(`/ /a // /configmaps /configmaps/ /configmaps/a /configmaps/a/ /configmaps//a /configmaps/a/b/c
		configmaps/a/b
		/nodes/a /minions/a/b /services/default/a /services/specs/a /services/specs /services/other/a/b /ingresses/a/b /replicationcontrollers/a/b
		/ranges/a/b /ranges /masterleases/10.0.0.1 /peerserverleases/apiserver-a compact_rev_key
		/apps/deployments/a/b /networking.k8s.io/ingresses/a/b /apiextensions.k8s.io/customresourcedefinitions/a/b
		/apiregistration.k8s.io/apiservices/a/b /example.com/widgets /example.com/widgets/ /example.com//a /example.com/a.b/c
		/example.com/widgets/a/b/c /example.com/widgets//b /example.com/widgets/a/ /subjectaccessreviews/a /bindings/a/b`) {
		if bucket, key, ok := c.Place(path); ok {
			t.Errorf("%s is %q %q", path, bucket, key)
		}
	}
	if _, _, ok := c.Place(""); ok {
		t.Error("nothing has a place")
	}
}

// FuzzPlace: every path has at most one place, and that place has that path.
func FuzzPlace(f *testing.F) {
	c := New(table(f), Options{})
	for _, path := range []string{"/configmaps/default/a", "/services/specs/default/a", "/a.b/c/d", "/minions/a", "//", "/ranges/x", "\x00"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if bucket, key, ok := c.Place(path); ok && c.Path(bucket, key) != path {
			t.Errorf("%q is %q %q, whose path is %q", path, bucket, key, c.Path(bucket, key))
		}
	})
}
