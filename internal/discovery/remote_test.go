package discovery

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// setRemotes tells a catalog of versions of other servers: VERSION.GROUP GROUP-PRIORITY VERSION-PRIORITY, with a * in
// front for one that is stale, and a ? for one that nobody has asked.
func setRemotes(c *Catalog, lines ...string) {
	groups := map[string][]*RemoteVersion{}
	for _, line := range lines {
		line, stale := strings.CutPrefix(line, "*")
		line, unknown := strings.CutPrefix(line, "?")
		v := &RemoteVersion{Stale: stale, Unknown: unknown, Resources: []byte(`[{"resource":"things"}]`)}
		var name string
		_, _ = fmt.Sscan(line, &name, &v.GroupPriority, &v.VersionPriority)
		var group string
		v.Version, group, _ = strings.Cut(name, ".")
		groups[group] = append(groups[group], v)
	}
	for group, versions := range groups {
		c.SetRemote(group, versions)
	}
}

// plainGroups returns the plain list of groups, each as NAME VERSION …, of which the first is preferred.
func plainGroups(t *testing.T, c *Catalog) (out []string) {
	t.Helper()
	var list groupListDoc
	if err := json.Unmarshal(fetch(t, c, "/apis").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	for _, g := range list.Groups {
		line := g.Name
		for _, v := range g.Versions {
			line += " " + v.Version
			if v.GroupVersion != g.Name+"/"+v.Version {
				t.Errorf("%s is %s", line, v.GroupVersion)
			}
		}
		if g.PreferredVersion != g.Versions[0] {
			t.Errorf("%s prefers %v", line, g.PreferredVersion)
		}
		out = append(out, line)
	}
	return out
}

// TestRemoteGroups: the rows of kube-aggregator's TestAPIs and TestAPIGroup, and what else groups of other servers can
// be beside.
func TestRemoteGroups(t *testing.T) {
	registration := Group{Name: "apiregistration.k8s.io", priority: 20001, Versions: []Version{{Version: "v1", priority: 18}}}
	for _, c := range []struct {
		what    string
		remotes []string
		want    string
	}{
		{"empty", nil, "apiregistration.k8s.io v1, own v1, crd.example v2 v1"},
		{"simple add", []string{"v1.foo 11 0", "v1.bar 10 0"}, "apiregistration.k8s.io v1, own v1, crd.example v2 v1, foo v1, bar v1"},
		{"sorting", []string{"v1.foo 20 10", "v2.bar 11 0", "v2.foo 1 15", "v1.bar 11 0"},
			"apiregistration.k8s.io v1, own v1, crd.example v2 v1, foo v2 v1, bar v2 v1"},
		{"unavailable service", []string{"*v1.foo 20 0"}, "apiregistration.k8s.io v1, own v1, crd.example v2 v1, foo v1"},
		{"names decide last", []string{"v1.b 5000 1", "v1.a 5000 1", "v1.c 20000 1"}, "apiregistration.k8s.io v1, c v1, a v1, b v1, own v1, crd.example v2 v1"},
		{"another version of a group of ours", []string{"v9.own 1 1000"}, "apiregistration.k8s.io v1, own v9 v1, crd.example v2 v1"},
		{"a version of ours", []string{"v1.own 1 1"}, "apiregistration.k8s.io v1, crd.example v2 v1, own v1"},
		{"a version of a definition", []string{"v2.crd.example 9000 1"}, "apiregistration.k8s.io v1, crd.example v1 v2, own v1"},
		{"one that nobody has asked", []string{"?v2.own 1 1000"}, "apiregistration.k8s.io v1, own v2 v1, crd.example v2 v1"},
		{"a group that nobody has asked", []string{"?v1.foo 3000 1"}, "apiregistration.k8s.io v1, foo v1, own v1, crd.example v2 v1"},
		{"the core group", []string{"v1. 20000 1"}, "apiregistration.k8s.io v1, own v1, crd.example v2 v1"},
	} {
		var d Catalog
		own := Group{Name: "own", priority: 2000, Versions: []Version{{Version: "v1", priority: 15}}}
		d.SetServers([]Group{own, registration}, "", nil)
		d.SetCustom("crd.example", []*Definition{testCRD("crd.example", "widgets", "Widget", "v1", "v2")})
		before := fetch(t, &d, "/apis", "Accept: "+AggregatedType)
		setRemotes(&d, c.remotes...)
		if got := strings.Join(plainGroups(t, &d), ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
		// Both forms have the same order, and say of each version whose it is.
		var aggregated []string
		doc, _, _ := tree.ParseJSONObject(fetch(t, &d, "/apis", "Accept: "+AggregatedType).Body.Bytes())
		for _, g := range tree.List(doc, "items") {
			line := tree.Text(g, "metadata", "name")
			for _, v := range tree.List(g, "versions") {
				line += " " + tree.Text(v, "version")
				isRemote := slices.ContainsFunc(c.remotes, func(r string) bool {
					return strings.HasPrefix(strings.TrimPrefix(r, "*"), tree.Text(v, "version")+"."+tree.Text(g, "metadata", "name")+" ")
				})
				resources := tree.List(v, "resources")
				if isRemote != (len(resources) == 1 && tree.Text(resources[0], "resource") == "things") {
					t.Errorf("%s: %s has %v", c.what, line, resources)
				}
				stale := slices.Contains(c.remotes, "*v1.foo 20 0") && tree.Text(g, "metadata", "name") == "foo"
				if stale != (tree.Text(v, "freshness") == "Stale") {
					t.Errorf("%s: %s is %s", c.what, line, tree.Text(v, "freshness"))
				}
			}
			aggregated = append(aggregated, line)
		}
		asked := strings.NewReplacer("foo v1, ", "", "v2 v1, crd", "v1, crd").Replace(c.want)
		if !strings.HasPrefix(strings.Join(c.remotes, ""), "?") {
			asked = c.want
		}
		if got := strings.Join(aggregated, ", "); got != asked {
			t.Errorf("%s: aggregated:\n got %s\nwant %s", c.what, got, c.want)
		}
		for _, group := range []string{"foo", "own", "crd.example"} {
			d.SetRemote(group, nil)
		}
		for _, group := range []string{"bar", "a", "b", "c"} {
			d.SetRemote(group, nil)
		}
		after := fetch(t, &d, "/apis", "Accept: "+AggregatedType)
		if after.Body.String() != before.Body.String() || after.Header().Get("Etag") != before.Header().Get("Etag") {
			t.Errorf("%s: when they have gone, discovery is another than before", c.what)
		}
	}
}

// TestRemoteDocuments: which of the documents of a group that another server has are served here, and how.
func TestRemoteDocuments(t *testing.T) {
	c := fullCatalog(t)
	setRemotes(c, "v1.foo 20 10", "v9.events.k8s.io 1 1", "v1.authentication.k8s.io 1 1")
	for path, want := range map[string]bool{
		"/apis/foo": true, "/apis/foo/": true, "/apis/foo/v1": false, "/apis/events.k8s.io": false, "/apis/events.k8s.io/v9": false, "/apis/bar": false,
	} {
		serve, ok := c.Document(path)
		if ok != want {
			t.Errorf("%s: %v", path, ok)
		}
		if !ok {
			continue
		}
		for _, form := range documentTypes {
			r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
			r.Header.Set("Accept", form)
			serve(w, r)
			if got := w.Header().Get("Content-Type"); w.Code != 200 || got != form || !strings.Contains(w.Body.String(), "foo/v1") {
				t.Errorf("%s: %d %s %q", path, w.Code, got, w.Body)
			}
		}
	}
	// A version of another server has no document here, even if the chain has it too.
	for _, path := range []string{"/apis/foo/v1", "/apis/authentication.k8s.io/v1"} {
		if w := fetch(t, c, path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// remoteDocument is a document of v2 of another server, as it is put into ours: its own path and kind, and what every
// API server has, as we have it or otherwise.
const remoteDocument = `{"swagger":"2.0","info":{"title":"other"},"paths":{"/apis/foo/v1/things":{"parameters":[{"$ref":"#/parameters/pretty"}],
	"get":{"operationId":"listThings","responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/foo.Thing"}}},
	"parameters":[{"in":"header","name":"h","type":"array","items":{"type":"string"},"maximum":2},{"in":"formData","name":"f","type":"file","enum":["a"]},
	{"in":"path","name":"p","type":"string","required":true},{"$ref":"#/parameters/limit"}]},
	"post":{"summary":"s","deprecated":true,"externalDocs":{"url":"u"},"responses":{"default":{"$ref":"#/responses/a","description":"d"}}}}},
	"parameters":{"pretty":{"in":"query","name":"pretty","type":"string"},"limit":{"in":"query","name":"limit","type":"integer","description":"another limit"}},
	"definitions":{"foo.Thing":{"type":"object","properties":{"metadata":{"$ref":"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
	"pod":{"$ref":"#/definitions/io.k8s.api.core.v1.PodSpec"}}},
	"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta":{"description":"another"},"io.k8s.api.core.v1.PodSpec":SAME}}`

// TestRemoteOpenAPI2: a document of another server is merged into ours, which is otherwise as it was.
func TestRemoteOpenAPI2(t *testing.T) {
	c := fullCatalog(t)
	before := openAPI2Tree(t, c)
	tag := askOpenAPI2(c).Header().Get("Etag")
	same := tree.AppendJSON(nil, tree.At(before, "definitions", "io.k8s.api.core.v1.PodSpec"))
	c.SetRemoteOpenAPI([]*RemoteOpenAPI{{}, {Definitions: []byte("no document")}, {Definitions: []byte(strings.Replace(remoteDocument, "SAME", string(same), 1))}})
	after := openAPI2Tree(t, c)
	if askOpenAPI2(c).Header().Get("Etag") == tag {
		t.Error("the tag is the same")
	}
	for _, part := range []string{"paths", "definitions", "parameters"} {
		added := maps.Clone(tree.Object(after, part))
		for name, v := range tree.Object(before, part) {
			if !tree.Equal(v, added[name]) {
				t.Errorf("%s.%s: was %s, is %s", part, name, jsonText(v), jsonText(added[name]))
			}
			delete(added, name)
		}
		want := map[string]string{"paths": "[/apis/foo/v1/things]", "definitions": "[foo.Thing io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2]"}[part]
		if got := fmt.Sprint(slices.Sorted(maps.Keys(added))); want != "" && got != want {
			t.Errorf("%s has more: %s", part, got)
		}
	}
	for _, ref := range references(after) {
		if ref != "#/responses/a" && tree.At(after, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	if w := askOpenAPI2(c, "Accept: "+protobufOpenAPI2); w.Code != 200 || !strings.Contains(w.Body.String(), "/apis/foo/v1/things") {
		t.Error("the form in protobuf has it not")
	}
	c.SetRemoteOpenAPI(nil)
	if !tree.Equal(openAPI2Tree(t, c), before) || askOpenAPI2(c).Header().Get("Etag") != tag {
		t.Error("when it has gone, the document is another than before")
	}
}

// TestRemoteOpenAPI3: documents of other servers are listed, and asked for there; nobody says what is ours.
func TestRemoteOpenAPI3(t *testing.T) {
	c := fullCatalog(t)
	own := indexOf(t, c)
	asked := ""
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = io.WriteString(w, "theirs")
	})
	setRemotes(c, "v1.foo 10 1", "v1.bar 10 1", "v1.apps 10 1")
	c.SetRemoteOpenAPI([]*RemoteOpenAPI{
		{Addresses: map[string]string{"apis/foo": "/a", "apis/foo/v1": "/openapi/v3/apis/foo/v1?hash=1", "apis/apps": "/lie", "api/v1": "/lie", "version": "/lie"}, Serve: serve},
		{Addresses: map[string]string{"apis/foo/v1": "/second", "apis/apps/v1": "/theirs"}, Serve: serve},
		{Converted: map[string][]byte{"apis/bar/v1": []byte(`{"openapi":"3.0.0"}`)}},
	})
	got := indexOf(t, c)
	want := maps.Clone(own)
	maps.Copy(want, map[string]string{"apis/foo": "/a", "apis/foo/v1": "/openapi/v3/apis/foo/v1?hash=1", "apis/apps/v1": "/theirs",
		"apis/bar/v1": got["apis/bar/v1"]})
	if !maps.Equal(got, want) {
		t.Errorf("index has\n%v\nwant\n%v", got, want)
	}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept", "application/json")
		c.ServeOpenAPI(w, r)
		return w
	}
	for path, answer := range map[string]string{
		"/openapi/v3/apis/foo/v1?hash=2": "theirs", "/openapi/v3/apis/apps/v1": "theirs", got["apis/bar/v1"]: `{"openapi":"3.0.0"}`,
	} {
		asked = ""
		if w := get(path); w.Code != 200 || w.Body.String() != answer || answer == "theirs" && asked != path {
			t.Errorf("%s: %d %.40q, asked for %s", path, w.Code, w.Body, asked)
		}
	}
	for _, path := range []string{"/openapi/v3/apis/apps", "/openapi/v3/version", "/openapi/v3/api/v1"} {
		if w := get(path); w.Code != 200 || w.Body.String() == "theirs" {
			t.Errorf("%s: %d %.40q", path, w.Code, w.Body)
		}
	}
	setRemotes(c)
	for _, group := range []string{"foo", "bar", "apps"} {
		c.SetRemote(group, nil)
	}
	c.SetRemoteOpenAPI(nil)
	if !maps.Equal(indexOf(t, c), own) || get("/openapi/v3/apis/foo/v1").Code != 404 {
		t.Error("when they have gone, the index is another than before")
	}
}

// indexOf returns the addresses of the index of v3 by key.
func indexOf(t *testing.T, c *Catalog) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	c.ServeOpenAPIIndex(w, httptest.NewRequest("GET", OpenAPIRoot, nil))
	doc, _, err := tree.ParseJSONObject(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for key, entry := range tree.Object(doc, "paths") {
		out[key] = tree.Text(entry, "serverRelativeURL")
	}
	return out
}

// TestReadRemote: what is read of the two forms of discovery.
func TestReadRemote(t *testing.T) {
	const want = `[{"resource":"a","responseKind":{"group":"","version":"","kind":"A"},"scope":"Namespaced","singularResource":"b","verbs":["get"],` +
		`"shortNames":["c"],"subresources":[{"subresource":"status","responseKind":{"group":"","version":"","kind":""},"verbs":["get"]}]}]`
	aggregated := `{"items":[{"metadata":{"name":"g"},"versions":[{"version":"v1","freshness":"Stale","resources":[{"resource":"a","responseKind":{"kind":"A"},` +
		`"scope":"Namespaced","singularResource":"b","verbs":["get"],"shortNames":["c"],"more":1,"subresources":[{"subresource":"status","verbs":["get"]}]}]},{"version":"v2"}]}]}`
	got, err := ReadRemote([]byte(aggregated))
	if err != nil || string(got["g/v1"]) != want || got["g/v2"] != nil || len(got) != 2 {
		t.Errorf("%v\n got %s\nwant %s", err, got["g/v1"], want)
	}
	plain := `{"resources":[{"name":"a","singularName":"b","namespaced":true,"kind":"A","verbs":["get"],"shortNames":["c"]},` +
		`{"name":"a/status","namespaced":true,"kind":"","verbs":["get"]}]}`
	if got, err := ReadRemoteVersion([]byte(plain)); err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	// As many as may be are read in no time.
	many := []byte(`{"resources":[`)
	for i := range 200_000 {
		many = fmt.Appendf(many, `{"name":"r%d/x"},`, i)
	}
	if got, err := ReadRemoteVersion(append(many, `{}]}`...)); err != nil || len(got) < len(many) {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	if _, err := ReadRemoteVersion([]byte(`{"resources":[{"name":"a"},{"name":"a/b","namespaced":true}]}`)); err == nil {
		t.Error("a subresource of another scope is taken")
	}
	if got, err := ReadRemoteVersion([]byte(`{}`)); err != nil || got != nil {
		t.Errorf("%v %s", err, got)
	}
}

// FuzzReadRemote: whatever a server says, the catalog's documents can be read.
func FuzzReadRemote(f *testing.F) {
	f.Add([]byte(`{"items":[{"metadata":{"name":"foo"},"versions":[{"version":"v1","resources":[{"resource":"a/b","verbs":null,"subresources":[{}]}]}]}]}`))
	f.Add([]byte(`{"resources":[{"name":"a/b/c"},{"name":"/"},{}]}`))
	table, err := kinds.Load(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		known, err := ReadRemote(body)
		plain, wrong := ReadRemoteVersion(body)
		if err != nil || wrong != nil {
			return
		}
		for _, resources := range append(slices.Collect(maps.Values(known)), plain) {
			var c Catalog
			c.SetServers(nil, "", table)
			c.SetRemote("foo", []*RemoteVersion{{Version: "v1", Resources: resources}})
			if b := fetch(t, &c, "/apis", "Accept: "+AggregatedType).Body.Bytes(); !json.Valid(b) {
				t.Errorf("%q", b)
			}
			for _, form := range []string{"application/vnd.kubernetes.protobuf", "application/yaml"} {
				if got := fetch(t, &c, "/apis", "Accept: "+form+aggregatedParameters); got.Code != 200 {
					t.Errorf("%s: %d of %q", form, got.Code, resources)
				}
			}
		}
	})
}
