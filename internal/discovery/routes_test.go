package discovery

import (
	"fmt"
	"slices"
	"testing"
)

// TestDocumentsOfServers: the routes of a server's documents: their paths, names and types, group by
// group.
func TestDocumentsOfServers(t *testing.T) {
	show := func(d Document) string {
		return fmt.Sprintf("%s %s %T %q/%q: %s", d.Root, d.Operation, d.Writes, d.Group, d.Version, d.Doc)
	}
	var got []string
	for _, d := range append([]Document{GroupList()}, Documents(readGroups(t, "/9 v1/1", "apps/5 v1/1 v1beta1/1", "a.b.io/1 v2/1", "none.io/1"))...) {
		got = append(got, show(d))
	}
	want := []string{
		`/apis getAPIVersions discovery.groupListDoc ""/"": get available API groups of the whole chain`,
		`/api getAPIVersions discovery.versionsDoc ""/"": get available API versions of the core group`,
		`/api/v1 getCoreV1APIResources discovery.resourceListDoc ""/"v1": get available resources`,
		`/apis/apps getAppsAPIGroup discovery.groupDoc ""/"": get information of the group apps`,
		`/apis/apps/v1 getAppsV1APIResources discovery.resourceListDoc "apps"/"v1": get available resources`,
		`/apis/apps/v1beta1 getAppsV1beta1APIResources discovery.resourceListDoc "apps"/"v1beta1": get available resources`,
		`/apis/a.b.io getABIoAPIGroup discovery.groupDoc ""/"": get information of the group a.b.io`,
		`/apis/a.b.io/v2 getABIoV2APIResources discovery.resourceListDoc "a.b.io"/"v2": get available resources`,
		`/apis/none.io getNoneIoAPIGroup discovery.groupDoc ""/"": get information of the group none.io`,
	}
	if !slices.Equal(got, want) {
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("%d:\n got %q\nwant %q", i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
			}
		}
	}
	if got := Documents(nil); got != nil {
		t.Errorf("of no groups: %v", got)
	}
}

// TestDocumentsAreServed: each route of a server has a document.
func TestDocumentsAreServed(t *testing.T) {
	c := testCatalog()
	table := testKinds()
	for _, d := range append(Documents(append(GroupsOf(table, "core"), GroupsOf(table, "extensions")...)), GroupList()) {
		got := fetch(t, c, d.Root)
		var kind string
		switch d.Writes.(type) {
		case groupListDoc:
			kind = "APIGroupList"
		case versionsDoc:
			kind = "APIVersions"
		case groupDoc:
			kind = "APIGroup"
		case resourceListDoc:
			kind = "APIResourceList"
		}
		if doc := document(t, c, d.Root, false); got.Code != 200 || doc["kind"] != kind {
			t.Errorf("%s: %d, kind %v, want %s", d.Root, got.Code, doc["kind"], kind)
		}
	}
}

// TestOperationNames: groups and versions as parts of identifiers and tags.
func TestOperationNames(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "apps": "Apps", "apps.example": "AppsExample", "v1": "V1", "v1beta1": "V1beta1", "a.b.c": "ABC", "..x.": "X", "cert-mgr.io": "CertMgrIo", "3d.a_b": "DA_b", "a.3d": "A3d",
	} {
		if got := OperationName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct{ group, version, operation, tag string }{
		{"", "v1", "Core", "core_v1"},
		{"", "", "Core", "core"},
		{"apps", "v1", "Apps", "apps_v1"},
		{"apiextensions.k8s.io", "v1", "Apiextensions", "apiextensions_v1"},
		{"rbac.authorization.k8s.io", "v1", "RbacAuthorization", "rbacAuthorization_v1"},
		{"example.com", "v1beta1", "ExampleCom", "exampleCom_v1beta1"},
		{"k8s.io", "v1", "K8sIo", "k8sIo_v1"}, // it is not below itself
		{"example.com", "", "ExampleCom", "exampleCom"},
		{"cert-mgr.io", "v1", "CertMgrIo", "certMgrIo_v1"},
	} {
		if got, tag := operationGroup(c.group), tagOf(c.group, c.version); got != c.operation || tag != c.tag {
			t.Errorf("%s/%s: %q and %q, want %q and %q", c.group, c.version, got, tag, c.operation, c.tag)
		}
	}
	for path, in := range map[string][2]string{"api/v1": {"", "v1"}, "apis/apps/v1": {"apps", "v1"}} {
		if got := groupVersionKey(in[0], in[1]); got != path {
			t.Errorf("%v: %q, want %q", in, got, path)
		}
	}
}
