package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
)

// formNames are the forms as the tables below name them.
var formNames = map[PathForm]string{
	FormAll: "all", FormCollection: "collection", FormItem: "item",
	FormWatchAll: "watch all", FormWatchCollection: "watch collection", FormWatchItem: "watch item",
}

// operationsOf returns the operations of a resource but for HEAD, one a line.
func operationsOf(r *Resource) (out []string) {
	for _, o := range r.Operations() {
		if o.Method != "HEAD" {
			out = append(out, fmt.Sprintf("%s %s (%s) %s: %s", o.Method, o.Path, formNames[o.Form], o.Name, o.Doc))
		}
	}
	return out
}

// TestOperations: all operations of a resource in namespaces, of one of the cluster, of a review, of
// a subresource that is created, and of a custom resource, in their order. Paths and names are those
// that upstream's container registers.
func TestOperations(t *testing.T) {
	s, _ := testAPI(t, nil)
	apply(t, s, definitionText(t, "widgets", "Widget",
		`{"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}}}`))
	for _, c := range []struct {
		r    *Resource
		want string
	}{
		{s.Builtin("", "v1", "ConfigMap"), `
GET /namespaces/{namespace}/configmaps (collection) listCoreV1NamespacedConfigMap: list or watch ConfigMap
POST /namespaces/{namespace}/configmaps (collection) createCoreV1NamespacedConfigMap: create ConfigMap
DELETE /namespaces/{namespace}/configmaps (collection) deleteCoreV1CollectionNamespacedConfigMap: delete several ConfigMap
GET /namespaces/{namespace}/configmaps/{name} (item) readCoreV1NamespacedConfigMap: read ConfigMap
PUT /namespaces/{namespace}/configmaps/{name} (item) replaceCoreV1NamespacedConfigMap: replace ConfigMap
PATCH /namespaces/{namespace}/configmaps/{name} (item) patchCoreV1NamespacedConfigMap: change ConfigMap
DELETE /namespaces/{namespace}/configmaps/{name} (item) deleteCoreV1NamespacedConfigMap: delete ConfigMap
GET /configmaps (all) listCoreV1ConfigMapForAllNamespaces: list or watch in all namespaces ConfigMap
GET /watch/configmaps (watch all) watchCoreV1ConfigMapListForAllNamespaces: watch in all namespaces ConfigMap
GET /watch/namespaces/{namespace}/configmaps (watch collection) watchCoreV1NamespacedConfigMapList: watch ConfigMap
GET /watch/namespaces/{namespace}/configmaps/{name} (watch item) watchCoreV1NamespacedConfigMap: watch one ConfigMap`},
		{s.Builtin("", "v1", "Namespace"), `
GET /namespaces (collection) listCoreV1Namespace: list or watch Namespace
POST /namespaces (collection) createCoreV1Namespace: create Namespace
GET /namespaces/{name} (item) readCoreV1Namespace: read Namespace
PUT /namespaces/{name} (item) replaceCoreV1Namespace: replace Namespace
PATCH /namespaces/{name} (item) patchCoreV1Namespace: change Namespace
DELETE /namespaces/{name} (item) deleteCoreV1Namespace: delete Namespace
GET /watch/namespaces (watch collection) watchCoreV1NamespaceList: watch Namespace
GET /watch/namespaces/{name} (watch item) watchCoreV1Namespace: watch one Namespace
GET /namespaces/{name}/status (item) readCoreV1NamespaceStatus: read Namespace
PUT /namespaces/{name}/status (item) replaceCoreV1NamespaceStatus: replace Namespace
PATCH /namespaces/{name}/status (item) patchCoreV1NamespaceStatus: change Namespace
PUT /namespaces/{name}/finalize (item) replaceCoreV1NamespaceFinalize: replace Namespace`},
		{s.Builtin("authorization.k8s.io", "v1", "LocalSubjectAccessReview"), `
POST /namespaces/{namespace}/localsubjectaccessreviews (collection) createAuthorizationV1NamespacedLocalSubjectAccessReview: create LocalSubjectAccessReview`},
		{s.Customs.Lookup("example.com", "v1", "widgets"), `
GET /namespaces/{namespace}/widgets (collection) listExampleV1NamespacedWidget: list or watch Widget
POST /namespaces/{namespace}/widgets (collection) createExampleV1NamespacedWidget: create Widget
DELETE /namespaces/{namespace}/widgets (collection) deleteExampleV1CollectionNamespacedWidget: delete several Widget
GET /namespaces/{namespace}/widgets/{name} (item) readExampleV1NamespacedWidget: read Widget
PUT /namespaces/{namespace}/widgets/{name} (item) replaceExampleV1NamespacedWidget: replace Widget
PATCH /namespaces/{namespace}/widgets/{name} (item) patchExampleV1NamespacedWidget: change Widget
DELETE /namespaces/{namespace}/widgets/{name} (item) deleteExampleV1NamespacedWidget: delete Widget
GET /widgets (all) listExampleV1WidgetForAllNamespaces: list or watch in all namespaces Widget
GET /watch/widgets (watch all) watchExampleV1WidgetListForAllNamespaces: watch in all namespaces Widget
GET /watch/namespaces/{namespace}/widgets (watch collection) watchExampleV1NamespacedWidgetList: watch Widget
GET /watch/namespaces/{namespace}/widgets/{name} (watch item) watchExampleV1NamespacedWidget: watch one Widget
GET /namespaces/{namespace}/widgets/{name}/status (item) readExampleV1NamespacedWidgetStatus: read Widget
PUT /namespaces/{namespace}/widgets/{name}/status (item) replaceExampleV1NamespacedWidgetStatus: replace Widget
PATCH /namespaces/{namespace}/widgets/{name}/status (item) patchExampleV1NamespacedWidgetStatus: change Widget
GET /namespaces/{namespace}/widgets/{name}/scale (item) readExampleV1NamespacedWidgetScale: read Widget
PUT /namespaces/{namespace}/widgets/{name}/scale (item) replaceExampleV1NamespacedWidgetScale: replace Widget
PATCH /namespaces/{namespace}/widgets/{name}/scale (item) patchExampleV1NamespacedWidgetScale: change Widget`},
	} {
		got, want := operationsOf(c.r), strings.Split(c.want, "\n")[1:]
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.r.Kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	token := operationsOf(s.Builtin("", "v1", "ServiceAccount"))
	const want = "POST /namespaces/{namespace}/serviceaccounts/{name}/token (item) createCoreV1NamespacedServiceAccountToken: create ServiceAccount"
	if got := token[len(token)-1]; got != want {
		t.Errorf("the last of service accounts:\n%s\nwant\n%s", got, want)
	}
}

// TestOperationsOfAllKinds: no two operations of a server have the same name or the same method and
// path; behind each GET is the HEAD of the same path; and what an operation says agrees with its row.
func TestOperationsOfAllKinds(t *testing.T) {
	s, _ := testAPI(t, nil)
	names, routes := map[string]string{}, map[string]string{}
	for _, row := range s.Kinds.Kinds {
		r := s.Builtin(row.Group, row.Version, row.Kind)
		operations := r.Operations()
		verbs := map[string]bool{}
		for i, o := range operations {
			at := row.Server + " " + row.Group + "/" + row.Version + " " + o.Method + " " + o.Path
			if had := names[row.Server+o.Name]; had != "" {
				t.Errorf("%s is called %s, as is %s", at, o.Name, had)
			}
			if routes[at] != "" {
				t.Errorf("%s is there twice", at)
			}
			names[row.Server+o.Name], routes[at] = at, o.Name
			if o.Method == "GET" {
				head := operations[i+1]
				if head.Method != "HEAD" || head.Path != o.Path || head.Form != o.Form || head.Media != o.Media ||
					head.Name != "head"+strings.ToUpper(o.Name[:1])+o.Name[1:] {
					t.Errorf("%s is followed by %+v", at, head)
				}
			}
			if namespaced := strings.Contains(o.Path, "{namespace}"); namespaced && !row.Namespaced {
				t.Errorf("%s of the cluster", at)
			}
			if isItem := o.Form == FormItem || o.Form == FormWatchItem; isItem != strings.Contains(o.Path, "/{name}") {
				t.Errorf("%s has the form %s", at, formNames[o.Form])
			}
			if o.Media == nil || len(o.Media.Produces) == 0 ||
				(len(o.Media.Consumes) > 0) != slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, o.Method) {
				t.Errorf("%s takes and gives %+v", at, o.Media)
			}
			verbs[o.Method+o.Subresource] = true
		}
		for _, sub := range row.Subresources {
			for _, verb := range sub.Verbs {
				if method := map[string]string{"get": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}[verb]; !verbs[method+sub.Name] {
					t.Errorf("%s of %s/%s has no operation", verb, row.Plural, sub.Name)
				}
			}
		}
	}
}

// TestMediaTypes: what a verb takes and gives, by whether the resource is custom.
func TestMediaTypes(t *testing.T) {
	const objects = "application/json application/yaml"
	for _, c := range []struct {
		verb, consumes, produces, customConsumes string
	}{
		{"get", "", objects, ""},
		{"list", "", objects, ""},
		{"watch", "", "application/json", ""},
		{"create", objects + " application/vnd.kubernetes.protobuf", objects, objects},
		{"update", objects + " application/vnd.kubernetes.protobuf", objects, objects},
		{"delete", objects + " application/vnd.kubernetes.protobuf", objects, objects},
		{"deletecollection", objects + " application/vnd.kubernetes.protobuf", objects, objects},
		{"patch", "application/json-patch+json application/merge-patch+json application/strategic-merge-patch+json", objects,
			"application/json-patch+json application/merge-patch+json"},
	} {
		for custom, consumes := range map[bool]string{false: c.consumes, true: c.customConsumes} {
			m := (&Resource{custom: custom}).mediaTypes(c.verb)
			if got := strings.Join(m.Consumes, " "); got != consumes || strings.Join(m.Produces, " ") != c.produces {
				t.Errorf("%s, custom %v: takes %q, gives %q; want %q and %q", c.verb, custom, got, m.Produces, consumes, c.produces)
			}
		}
	}
}

// TestPathForms: each form of a resource in namespaces and of one of the cluster, where those of all
// namespaces are the same as the collection's.
func TestPathForms(t *testing.T) {
	for form, want := range map[PathForm][2]string{
		FormAll:             {"/pods", "/pods"},
		FormCollection:      {"/namespaces/{namespace}/pods", "/pods"},
		FormItem:            {"/namespaces/{namespace}/pods/{name}", "/pods/{name}"},
		FormWatchAll:        {"/watch/pods", "/watch/pods"},
		FormWatchCollection: {"/watch/namespaces/{namespace}/pods", "/watch/pods"},
		FormWatchItem:       {"/watch/namespaces/{namespace}/pods/{name}", "/watch/pods/{name}"},
	} {
		for i, namespaced := range []bool{true, false} {
			r := &Resource{Row: &kinds.Row{Plural: "pods", Namespaced: namespaced}}
			if got := r.path(form); got != want[i] {
				t.Errorf("%s, namespaced %v: %q, want %q", formNames[form], namespaced, got, want[i])
			}
		}
	}
}

// TestHookTable: every hook is of a kind that there is, each review has its answer, and each
// subresource that no row describes has its handler, if only one that refuses; no other kind does
// anything of its own.
func TestHookTable(t *testing.T) {
	s, _ := testAPI(t, nil)
	hooks := s.hookTable()
	for key := range hooks {
		if s.builtin[key] == nil {
			t.Errorf("hooks for %v, which is no kind", key)
		}
	}
	for _, row := range s.Kinds.Kinds {
		key := kinds.NewKey(row.Group, row.Version, row.Kind)
		h := s.builtin[key].kindHooks
		if (h.review != nil) != row.ReviewOnly {
			t.Errorf("%s is a review: %v, and has an answer: %v", row.Kind, row.ReviewOnly, h.review != nil)
		}
		// Any kind may have a status, and a scale.
		there := map[string]bool{"": len(row.Verbs) == 1, "status": true, "scale": true}
		for _, sub := range row.Subresources {
			part := s.builtin[key].Parts[sub.Name].Merge != nil
			if there[sub.Name] = true; sub.Name != "status" && sub.Name != "scale" && h.special[sub.Name] == nil && !part {
				t.Errorf("nobody serves %s/%s", row.Plural, sub.Name)
			}
		}
		for name := range h.special {
			if !there[name] {
				t.Errorf("%s serves the subresource %q, which its row has not", row.Kind, name)
			}
		}
		own := h.prepare != nil || h.serial != nil || h.beforeDelete != nil || h.afterWrite != nil
		if want := slices.Contains([]string{"Namespace", "CustomResourceDefinition", "CertificateSigningRequest"}, row.Kind); own != want {
			t.Errorf("%s does something of its own: %v", row.Kind, own)
		}
	}
	// Another resource of the row has the same objects, and none of the hooks.
	r := s.Builtin("", "v1", "Namespace")
	if other := s.newBuiltin(r.Row); other == r || other.Bucket != r.Bucket || other.beforeDelete != nil || other.special != nil {
		t.Errorf("another resource: %+v", other.kindHooks)
	}
}

// TestSharedStorage: the two kinds of events are one bucket, and the fields of either are found
// where the values are kept.
func TestSharedStorage(t *testing.T) {
	s, _ := testAPI(t, nil)
	core, events := s.Builtin("", "v1", "Event"), s.Builtin("events.k8s.io", "v1", "Event")
	if core.Bucket != events.Bucket || s.ForBucket(core.Bucket) != core {
		t.Errorf("buckets %s and %s", core.Bucket.Name, events.Bucket.Name)
	}
	if len(events.fields) != len(core.fields) || len(events.stored) != len(core.fields) {
		t.Fatalf("%d fields and %d", len(events.fields), len(core.fields))
	}
	for i, f := range events.fields {
		// Only the source has no name in the newer kind.
		if f.Label == "" && core.fields[i].Label == "source" {
			continue
		}
		if strings.Join(f.Path, ".") != strings.Join(core.fields[i].Path, ".") {
			t.Errorf("%s is at %v, where %s is kept", f.Label, f.Path, core.fields[i].Label)
		}
	}
	if s.ForKind("events.k8s.io/v1", "Event") != events || s.ForKind("v1", "Event") != core || s.ForKind("v1", "Lease") != nil ||
		s.ForKind("", "Event") != nil {
		t.Error("a kind is found under another name")
	}
	if r := s.Builtin("authentication.k8s.io", "v1", "TokenReview"); r.Bucket != nil || r.initialize != nil {
		t.Errorf("a review is stored: %+v", r)
	}
}
