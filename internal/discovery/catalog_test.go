package discovery

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// testKinds is a small table: a namespaced kind with a subresource of another group, a
// second shape of a stored kind, a cluster-scoped kind with status, and a review.
func testKinds() *kinds.Table {
	all := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	text := func(name string) *kinds.Field { return &kinds.Field{Name: name, Kind: kinds.FieldString} }
	typ := func(name, schema string, fields ...*kinds.Field) *kinds.Type {
		return &kinds.Type{Name: name, Schema: schema, Doc: "About " + name + ".", Fields: fields}
	}
	head := typ("meta.TypeMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.TypeMeta", text("kind"), text("apiVersion"))
	meta := typ("meta.ObjectMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", text("name"),
		&kinds.Field{Name: "labels", Kind: kinds.FieldString, IsMap: true, Doc: "to select by"},
		&kinds.Field{Name: "creationTimestamp", Kind: kinds.FieldTime, Required: true, Demanded: true},
		&kinds.Field{Name: "finalizers", Kind: kinds.FieldString, IsList: true, Strategy: "merge"})
	deletion := typ("meta.DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", &kinds.Field{Kind: kinds.FieldMessage, Message: head, Inline: true}, text("propagationPolicy"))
	scale := typ("autoscaling.Scale", "io.k8s.api.autoscaling.v1.Scale", &kinds.Field{Name: "metadata", Kind: kinds.FieldMessage, Message: meta})
	port := typ("ServicePort", "io.k8s.api.core.v1.ServicePort", &kinds.Field{Name: "port", Kind: kinds.FieldInt32, Required: true, Demanded: true}, &kinds.Field{Name: "targetPort", Kind: kinds.FieldIntOrString}, &kinds.Field{Name: "protocol", Kind: kinds.FieldString, Required: true, ShownDefault: "TCP"})
	props := typ("apiextensions.Props", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
	props.Fields = []*kinds.Field{{Name: "items", Kind: kinds.FieldMessage, Message: props, Alternative: "list"}, {Name: "properties", Kind: kinds.FieldMessage, Message: props, IsMap: true}, {Name: "default", Kind: kinds.FieldRaw}}
	object := func(name, schema string, fields ...*kinds.Field) *kinds.Type {
		return typ(name, schema, append([]*kinds.Field{{Kind: kinds.FieldMessage, Message: head, Inline: true}, {Name: "metadata", Kind: kinds.FieldMessage, Message: meta}}, fields...)...)
	}
	service := object("Service", "io.k8s.api.core.v1.Service",
		&kinds.Field{Name: "ports", Kind: kinds.FieldMessage, Message: port, IsList: true, Strategy: "merge", MergeKey: "port"},
		&kinds.Field{Name: "data", Kind: kinds.FieldBytes, IsMap: true}, &kinds.Field{Name: "extra", Kind: kinds.FieldString, IsList: true, IsMap: true},
		&kinds.Field{Name: "limits", Kind: kinds.FieldQuantity, IsMap: true}, &kinds.Field{Name: "weight", Kind: kinds.FieldDouble}, &kinds.Field{Name: "at", Kind: kinds.FieldMicroTime}, &kinds.Field{Name: "on", Kind: kinds.FieldBool}, &kinds.Field{Name: "n", Kind: kinds.FieldInt64})
	t := &kinds.Table{ByKind: map[kinds.Key]*kinds.Row{}, ByResource: map[kinds.Key]*kinds.Row{},
		Groups: map[string]kinds.Group{"": {Priority: 18000, VersionPriority: 1}, "events.k8s.io": {Priority: 17750, VersionPriority: 15}, "authentication.k8s.io": {Priority: 17700, VersionPriority: 15}, "apiextensions.k8s.io": {Priority: 16700, VersionPriority: 15}}}
	t.Know(meta, deletion, scale)
	for _, row := range []*kinds.Row{
		{Version: "v1", Kind: "Service", Plural: "services", Singular: "service", ShortNames: []string{"svc"}, Categories: []string{"all"}, Namespaced: true, Verbs: all, Server: "core", Body: kinds.Known(service), ReturnsDeleted: true,
			Subresources: []kinds.Subresource{{Name: "status", Version: "v1", Kind: "Service", Verbs: []string{"get", "patch", "update"}, Body: kinds.Known(service)}, {Name: "scale", Group: "autoscaling", Version: "v1", Kind: "Scale", Verbs: []string{"get"}, Body: kinds.Known(scale)}}},
		{Version: "v1", Kind: "Event", Plural: "events", Singular: "event", Namespaced: true, Verbs: all, Server: "core", Body: kinds.Known(object("Event", "io.k8s.api.core.v1.Event"))},
		{Group: "events.k8s.io", Version: "v1", Kind: "Event", Plural: "events", Singular: "event", Namespaced: true, Verbs: all, Server: "core", StoredAs: "events", Body: kinds.Known(object("events.Event", "io.k8s.api.events.v1.Event"))},
		{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition", Plural: "customresourcedefinitions", Singular: "customresourcedefinition", Verbs: all, Server: "extensions", Body: kinds.Known(object("apiextensions.CRD", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", &kinds.Field{Name: "spec", Kind: kinds.FieldMessage, Message: props, Required: true}))},
		{Group: "authentication.k8s.io", Version: "v1", Kind: "TokenReview", Plural: "tokenreviews", Singular: "tokenreview", Verbs: []string{"create"}, Server: "core", ReviewOnly: true, Body: kinds.Known(object("authentication.TokenReview", "io.k8s.api.authentication.v1.TokenReview"))},
	} {
		row.ListKind = row.Kind + "List"
		t.Kinds = append(t.Kinds, row)
		t.ByKind[kinds.NewKey(row.Group, row.Version, row.Kind)], t.ByResource[kinds.NewKey(row.Group, row.Version, row.Plural)] = row, row
	}
	return t
}

// testCRD is a definition whose versions are told as "v1" (served and stored),
// "v1beta1-" (not served), with + for status and scale.
func testCRD(group, plural, kind string, versions ...string) *Definition {
	var list []any
	for i, v := range versions {
		name := strings.Trim(v, "+-")
		version := map[string]any{"name": name, "served": !strings.HasSuffix(v, "-"), "storage": i == 0, "schema": map[string]any{"openAPIV3Schema": map[string]any{
			"type": "object", "description": "A " + kind + ".", "properties": map[string]any{"spec": map[string]any{"type": "object", "properties": map[string]any{
				"size":     map[string]any{"type": "integer", "default": int64(3), "maximum": int64(10)},
				"port":     map[string]any{"x-kubernetes-int-or-string": true},
				"template": map[string]any{"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
			}}},
		}}}
		if strings.HasSuffix(v, "+") {
			version["subresources"] = map[string]any{"status": map[string]any{}, "scale": map[string]any{"specReplicasPath": ".spec.size"}}
		}
		list = append(list, version)
	}
	crd := map[string]any{"metadata": map[string]any{"name": plural + "." + group}, "spec": map[string]any{
		"group": group, "scope": "Namespaced", "versions": list,
		"names": map[string]any{"plural": plural, "singular": strings.ToLower(kind), "kind": kind, "shortNames": []any{plural[:2]}},
	}}
	return NewDefinition(tree.AppendJSON(nil, crd), crd)
}

// names is a version's resources, "name(kind hash verbs)".
func resourceNames(v Version) (out []string) {
	for _, r := range v.resources {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s%s%s %s", r.Name, strings.TrimLeft(r.Group+"/"+r.Version+"/", "/"), r.Kind, map[bool]string{true: " ns"}[r.Namespaced], r.StorageHash)))
	}
	return out
}

func TestGroupsOfTable(t *testing.T) {
	var got []string
	for _, server := range []string{"core", "extensions", "aggregator"} {
		for _, g := range GroupsOf(testKinds(), server) {
			for _, v := range g.Versions {
				got = append(got, fmt.Sprintf("%s: %s %d %s %d %s", server, g.Name, g.priority, v.Version, v.priority, strings.Join(resourceNames(v), ", ")))
			}
		}
	}
	// The hashes are upstream's, of the kinds that it stores.
	want := []string{
		"core:  18000 v1 1 events Event ns r2yiGXH7wu8=, services Service ns 0/CO1lhkEBI=, services/scale autoscaling/v1/Scale ns, services/status Service ns",
		"core: events.k8s.io 17750 v1 15 events Event ns r2yiGXH7wu8=",
		"core: authentication.k8s.io 17700 v1 15 tokenreviews TokenReview",
		"extensions: apiextensions.k8s.io 16700 v1 15 customresourcedefinitions CustomResourceDefinition M5uH+AlWATY=",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCRDGroups(t *testing.T) {
	widgets, gone := testCRD("example.com", "widgets", "Widget", "v1+", "v1beta1", "v0-"), testCRD("example.com", "gizmos", "Gizmo", "v1beta1")
	gone.terminating = true
	other := testCRD("other.example", "things", "Thing", "v1")
	var got []string
	for _, g := range groupsOfDefinitions([]*Definition{widgets, gone, other, testCRD("none.example", "nones", "None", "v1-")}) {
		for _, v := range g.Versions {
			line := fmt.Sprintf("%s %d %s %d", g.Name, g.priority, v.Version, v.priority)
			for _, d := range v.custom {
				for _, r := range d.resources(d.version(v.Version)) {
					line += fmt.Sprintf(" %s:%d", r.Name, len(r.Verbs))
				}
			}
			got = append(got, line)
		}
	}
	want := []string{
		"example.com 1000 v1 100 widgets:8 widgets/status:3 widgets/scale:3",
		"example.com 1000 v1beta1 100 widgets:8 gizmos:5",
		"other.example 1000 v1 100 things:8",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNewCRDDoc(t *testing.T) {
	crd := map[string]any{"metadata": map[string]any{"deletionTimestamp": "2024-01-01T00:00:00Z"}, "spec": map[string]any{"group": "g.example", "scope": "Cluster", "names": map[string]any{"plural": "wished", "kind": "Wished"}, "versions": []any{map[string]any{"name": "v1"}}}}
	d := NewDefinition(nil, crd)
	if row := d.Row("v1"); row.Plural != "wished" || row.ListKind != "WishedList" || row.Namespaced || !d.terminating {
		t.Errorf("%+v %+v", d, row)
	}
	crd["status"] = map[string]any{"acceptedNames": map[string]any{"plural": "given", "kind": "Given", "listKind": "Gifts", "categories": []any{"all"}}}
	if row := NewDefinition(nil, crd).Row("v1"); row.Plural != "given" || row.ListKind != "Gifts" || !slices.Equal(row.Categories, []string{"all"}) {
		t.Errorf("%+v", row)
	}
}

// TestCustomDiscovery follows a group of custom resources through its life: each change
// is in all documents as soon as SetCustom has returned.
func TestCustomDiscovery(t *testing.T) {
	var c Catalog
	c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
	has := func(step, path string, want ...string) {
		t.Helper()
		got := fetch(t, &c, path, "Accept: "+map[bool]string{true: AggregatedType, false: "*/*"}[strings.Contains(step, "aggregated")])
		for _, w := range want {
			if w, no := strings.CutPrefix(w, "!"); strings.Contains(got.Body.String(), w) == no {
				t.Errorf("%s: %s: %s: want %q (not: %v)", step, path, got.Body, w, no)
			}
		}
	}
	none := func(step, path string) {
		t.Helper()
		if _, ok := c.Document(path); ok || fetch(t, &c, path).Code != 404 {
			t.Errorf("%s: %s is there", step, path)
		}
	}
	none("before", "/apis/example.com")
	has("before", "/apis", "!example.com")
	has("before, aggregated", "/apis", "!example.com")

	widgets := testCRD("example.com", "widgets", "Widget", "v1+", "v1beta1")
	c.SetCustom("example.com", []*Definition{widgets})
	const versions = `"versions":[{"groupVersion":"example.com/v1","version":"v1"},{"groupVersion":"example.com/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"example.com/v1","version":"v1"}}`
	has("one", "/apis", `"groups":[{"name":"events.k8s.io",`, `},{"name":"example.com",`+versions+"]}")
	has("one", "/apis/example.com", `{"kind":"APIGroup","apiVersion":"v1","name":"example.com",`+versions)
	has("one", "/apis/example.com/v1", `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"example.com/v1","resources":[`+
		`{"name":"widgets","singularName":"widget","namespaced":true,"kind":"Widget","verbs":["delete","deletecollection","get","list","patch","create","update","watch"],"shortNames":["wi"],"storageVersionHash":"`+storageVersionHash("example.com", "v1", "Widget")+`"},`+
		`{"name":"widgets/status","singularName":"","namespaced":true,"kind":"Widget","verbs":["get","patch","update"]},`+
		`{"name":"widgets/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get","patch","update"]}]}`)
	has("one, aggregated", "/apis", `{"metadata":{"name":"example.com"},"versions":[{"version":"v1","resources":[{"resource":"widgets","responseKind":{"group":"example.com","version":"v1","kind":"Widget"},"scope":"Namespaced","singularResource":"widget",`,
		`"subresources":[{"subresource":"status","responseKind":{"group":"example.com","version":"v1","kind":"Widget"},"verbs":["get","patch","update"]},{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},`,
		`}],"freshness":"Current"},{"version":"v1beta1","resources":[`)
	for _, path := range []string{"/apis/example.com", "/apis/example.com/", "/apis/example.com/v1", "/apis/example.com/v1beta1/"} {
		if serve, ok := c.Document(path); !ok || serve == nil {
			t.Errorf("no document %s", path)
		}
	}
	for _, path := range []string{"/apis/example.com/v2", "/apis/example.com/v1/widgets", "/apis/events.k8s.io", "/apis/events.k8s.io/v1", "/api/v1", "/apis", "/apis/", "/", "", "/apis//v1"} {
		if _, ok := c.Document(path); ok {
			t.Errorf("a document %q", path)
		}
	}

	gizmos := testCRD("example.com", "gizmos", "Gizmo", "v1")
	c.SetCustom("example.com", []*Definition{widgets, gizmos})
	has("two", "/apis/example.com/v1", `"name":"widgets/scale"`, `},{"name":"gizmos",`)
	has("two, aggregated", "/apis", `]},{"resource":"gizmos",`)
	c.SetCustom("example.com", nil)
	none("after", "/apis/example.com")
	none("after", "/apis/example.com/v1")
	has("after", "/apis", "!example.com")
	has("after, aggregated", "/apis", "!example.com")
}

// TestCustomInServersGroup adds custom versions to a group that a server has.
func TestCustomInServersGroup(t *testing.T) {
	var c Catalog
	c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
	c.SetCustom("events.k8s.io", []*Definition{testCRD("events.k8s.io", "widgets", "Widget", "v2", "v1")})
	if got := fetch(t, &c, "/apis/events.k8s.io").Body.String(); !strings.Contains(got, `"versions":[{"groupVersion":"events.k8s.io/v2","version":"v2"},{"groupVersion":"events.k8s.io/v1","version":"v1"}]`) {
		t.Errorf("%s", got)
	}
	if got := fetch(t, &c, "/apis/events.k8s.io/v1").Body.String(); !strings.Contains(got, `"events"`) || strings.Contains(got, "widgets") {
		t.Errorf("the version of the server: %s", got)
	}
	for path, want := range map[string]bool{"/apis/events.k8s.io": false, "/apis/events.k8s.io/v1": false, "/apis/events.k8s.io/v2": true} {
		if _, ok := c.Document(path); ok != want {
			t.Errorf("document %s: %v", path, ok)
		}
	}
	c.SetServers(nil, "", nil)
	if got := fetch(t, &c, "/apis").Body.String(); !strings.Contains(got, `"name":"events.k8s.io","versions":[{"groupVersion":"events.k8s.io/v2","version":"v2"},{"groupVersion":"events.k8s.io/v1"`) {
		t.Errorf("without the servers: %s", got)
	}
}

// TestCatalogConcurrently reads while groups come and go: an answer is whole, and never
// older than a change that was made before the request.
func TestCatalogConcurrently(t *testing.T) {
	var c Catalog
	c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			group := fmt.Sprintf("g%d.example", i)
			for n := range 30 {
				var docs []*Definition
				if n%2 == 0 {
					docs = append(docs, testCRD(group, "widgets", "Widget", "v1+"))
				}
				c.SetCustom(group, docs)
				for _, accept := range []string{"*/*", AggregatedType} {
					got := fetch(t, &c, "/apis", "Accept: "+accept).Body.Bytes()
					if !json.Valid(got) || strings.Contains(string(got), group) != (n%2 == 0) {
						t.Errorf("%s, round %d: %s", group, n, got)
					}
				}
				if _, there := c.index().documents["apis/"+group+"/v1"]; there != (n%2 == 0) {
					t.Errorf("%s, round %d: in the index: %v", group, n, there)
				}
			}
		})
	}
	all.Wait()
}

// TestManyCustomGroups bounds what a change costs among ten thousand definitions, each in
// a group of its own, and all in one.
func TestManyCustomGroups(t *testing.T) {
	const many = 10_000
	for _, spread := range []bool{true, false} {
		var c Catalog
		c.SetServers(GroupsOf(testKinds(), "core"), "", testKinds())
		name := func(i int) string {
			if spread {
				return fmt.Sprintf("g%d.example", i)
			}
			return "one.example"
		}
		docs := map[string][]*Definition{}
		for i := range many {
			docs[name(i)] = append(docs[name(i)], testCRD(name(i), fmt.Sprintf("widgets%d", i), fmt.Sprintf("Widget%d", i), "v1"))
		}
		for group, list := range docs {
			c.SetCustom(group, list)
		}
		fetch(t, &c, "/apis", "Accept: "+AggregatedType)
		c.index()
		fastest := time.Hour
		for i := range 5 {
			group := name(i)
			next := append(slices.Clone(docs[group]), testCRD(group, "extras", "Extra", "v1"))
			start := time.Now()
			c.SetCustom(group, next)
			fastest = min(fastest, time.Since(start))
		}
		start := time.Now()
		got := fetch(t, &c, "/apis", "Accept: "+AggregatedType)
		lists := time.Since(start)
		start = time.Now()
		index := c.index()
		t.Logf("spread %v: a change %v; then the lists (%d bytes) %v, the index (%d bytes) %v", spread, fastest, got.Body.Len(), lists, len(index.body), time.Since(start))
		if fastest > 10*time.Millisecond {
			t.Errorf("spread %v: a change takes %v", spread, fastest)
		}
		if !strings.Contains(got.Body.String(), `"resource":"extras"`) {
			t.Error("the change is not in the list")
		}
	}
}
