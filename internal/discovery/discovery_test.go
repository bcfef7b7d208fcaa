package discovery

import (
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// testGroups have every kind of entry: two servers with one group, priorities that
// disagree with names, subresources before and without their resource.
func testGroups() []Group {
	return []Group{
		{Name: "zoo.example", priority: 2000, Versions: []Version{
			{Version: "v1beta1", priority: 5},
			{Version: "v1", priority: 10, resources: []resource{
				{Name: "lions/status", Namespaced: true, Kind: "Lion", Verbs: []string{"get", "patch"}},
				{Name: "lions", SingularName: "lion", Kind: "Lion", Namespaced: true, Verbs: []string{"get", "list", "watch"}, ShortNames: []string{"li"}, Categories: []string{"all"}},
				{Name: "lions/scale", Namespaced: true, Kind: "Scale", Group: "autoscaling", Version: "v1", Verbs: []string{"get"}},
				{Name: "cages/door", Kind: "Door", Verbs: []string{"update"}},
			}},
		}},
		{Name: "", priority: 18000, Versions: []Version{{Version: "v1", resources: []resource{{Name: "nodes", SingularName: "node", Kind: "Node", Verbs: []string{"get"}}}}}},
		{Name: "empty.example", priority: 9000},
		{Name: "art.example", priority: 1000, Versions: []Version{{Version: "v1"}}},
		{Name: "zoo.example", priority: 100, Versions: []Version{{Version: "v2alpha1", priority: 10}, {Version: "v1", priority: 99}}},
	}
}

// fetch asks a handler of the documents.
func fetch(t testing.TB, d *Catalog, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	d.Serve(r.URL.Path).ServeHTTP(w, r)
	return w
}

func TestDiscoveryDocuments(t *testing.T) {
	var d Catalog
	d.SetServers(testGroups(), "127.0.0.1:6443", nil)
	const zooVersions = `"versions":[{"groupVersion":"zoo.example/v1","version":"v1"},{"groupVersion":"zoo.example/v2alpha1","version":"v2alpha1"},{"groupVersion":"zoo.example/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"zoo.example/v1","version":"v1"}`
	for path, want := range map[string]string{
		"/api": `{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"127.0.0.1:6443"}]}`,
		"/apis": `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"zoo.example",` + zooVersions + `},` +
			`{"name":"art.example","versions":[{"groupVersion":"art.example/v1","version":"v1"}],"preferredVersion":{"groupVersion":"art.example/v1","version":"v1"}}]}`,
		"/apis/zoo.example":    `{"kind":"APIGroup","apiVersion":"v1","name":"zoo.example",` + zooVersions + `}`,
		"/api/v1":              `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"nodes","singularName":"node","namespaced":false,"kind":"Node","verbs":["get"]}]}`,
		"/apis/art.example/v1": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"art.example/v1","resources":[]}`,
		"/apis/zoo.example/v1": `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"zoo.example/v1","resources":[` +
			`{"name":"lions/status","singularName":"","namespaced":true,"kind":"Lion","verbs":["get","patch"]},` +
			`{"name":"lions","singularName":"lion","namespaced":true,"kind":"Lion","verbs":["get","list","watch"],"shortNames":["li"],"categories":["all"]},` +
			`{"name":"lions/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get"]},` +
			`{"name":"cages/door","singularName":"","namespaced":false,"kind":"Door","verbs":["update"]}]}`,
	} {
		got := fetch(t, &d, path)
		if got.Code != 200 || got.Body.String() != want+"\n" || got.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v\n got %s\nwant %s", path, got.Code, got.Header(), got.Body, want)
		}
	}
}

const aggregatedZoo = `{"metadata":{"name":"zoo.example"},"versions":[{"version":"v1","resources":[` +
	`{"resource":"lions","responseKind":{"group":"","version":"","kind":"Lion"},"scope":"Namespaced","singularResource":"lion","verbs":["get","list","watch"],"shortNames":["li"],"categories":["all"],"subresources":[` +
	`{"subresource":"status","responseKind":{"group":"","version":"","kind":"Lion"},"verbs":["get","patch"]},` +
	`{"subresource":"scale","responseKind":{"group":"autoscaling","version":"v1","kind":"Scale"},"verbs":["get"]}]},` +
	`{"resource":"cages","responseKind":{"group":"","version":"","kind":""},"scope":"Cluster","singularResource":"","verbs":null,"subresources":[` +
	`{"subresource":"door","responseKind":{"group":"","version":"","kind":"Door"},"verbs":["update"]}]}],"freshness":"Current"},` +
	`{"version":"v2alpha1","freshness":"Current"},{"version":"v1beta1","freshness":"Current"}]}`

func TestDiscoveryAggregated(t *testing.T) {
	var d Catalog
	d.SetServers(testGroups(), "", nil)
	const head = `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[`
	for path, want := range map[string]string{
		"/apis": head + aggregatedZoo + `,{"metadata":{"name":"art.example"},"versions":[{"version":"v1","freshness":"Current"}]}]}`,
		"/api":  head + `{"metadata":{},"versions":[{"version":"v1","resources":[{"resource":"nodes","responseKind":{"group":"","version":"","kind":"Node"},"scope":"Cluster","singularResource":"node","verbs":["get"]}],"freshness":"Current"}]}]}`,
	} {
		got := fetch(t, &d, path, "Accept: "+AggregatedType)
		h, etag := got.Header(), fmt.Sprintf(`"%X"`, sha512.Sum512(got.Body.Bytes()))
		if got.Code != 200 || got.Body.String() != want+"\n" {
			t.Errorf("%s: %d\n got %s\nwant %s", path, got.Code, got.Body, want)
		}
		for name, value := range map[string]string{"Content-Type": AggregatedType, "ETag": etag, "Vary": "Accept", "Cache-Control": "public"} {
			if h.Get(name) != value {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), value)
			}
		}
		for known, code := range map[string]int{etag: 304, "W/" + etag: 200, strings.Trim(etag, `"`): 200, `"", ` + etag: 200, "*": 200, strings.ToLower(etag): 200} {
			got := fetch(t, &d, path, "Accept: "+AggregatedType, "If-None-Match: "+known)
			if got.Code != code || got.Header().Get("ETag") != etag || (got.Body.Len() == 0) != (code == 304) {
				t.Errorf("%s If-None-Match %.20s: %d, %d bytes, want %d", path, known, got.Code, got.Body.Len(), code)
			}
		}
		if got := fetch(t, &d, path, "If-None-Match: "+etag); got.Code != 200 || got.Header().Get("ETag") != "" || got.Header().Get("Vary") != "Accept" {
			t.Errorf("%s, the plain form: %d %v", path, got.Code, got.Header())
		}
	}
}

// notAcceptable is the refusal of who takes none of these types.
func notAcceptable(types string) string {
	return `{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "only the following media types are accepted: ` + types + `",
  "reason": "NotAcceptable",
  "code": 406
}
`
}

func TestDiscoveryNegotiation(t *testing.T) {
	var d Catalog
	d.SetServers(testGroups(), "", testKinds())
	const beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
	for _, c := range []struct{ path, accept, kind string }{
		{"/apis", "", "APIGroupList"},
		{"/apis", "*/*", "APIGroupList"},
		{"/apis", "application/*", "APIGroupList"},
		{"/apis", "text/html,application/xhtml+xml,*/*;q=0.8", "APIGroupList"},
		{"/apis", AggregatedType + ",application/json", "APIGroupDiscoveryList"},
		{"/apis", "application/json;q=0.9," + AggregatedType, "APIGroupDiscoveryList"},
		{"/apis", AggregatedType + ";q=0.9,application/json", "APIGroupList"},
		{"/apis", beta + ",application/json", "APIGroupList"},
		{"/apis", beta + "," + AggregatedType, "APIGroupDiscoveryList"},
		{"/apis", "application/yaml;q=0.5,application/json", "APIGroupList"},
		{"/apis/zoo.example", AggregatedType + ",application/json", "APIGroup"},
		{"/apis", beta, ""},
		{"/apis", "application/json;v=v2", ""},
		{"/apis", "application/json;as=Table;v=v1;g=meta.k8s.io", ""},
		{"/apis", "application/cbor", ""},
		{"/apis", "garbage", ""},
		{"/apis", "application/json;q=0", ""},
		{"/apis/zoo.example", AggregatedType, ""},
		{"/api/v1", "text/plain", ""},
	} {
		var header []string
		if c.accept != "" {
			header = []string{"Accept: " + c.accept}
		}
		got := fetch(t, &d, c.path, header...)
		if c.kind == "" {
			if got.Code != 406 || got.Body.String() != notAcceptable("application/json, application/yaml, application/vnd.kubernetes.protobuf") {
				t.Errorf("%s Accept %q: %d %s", c.path, c.accept, got.Code, got.Body)
			}
			continue
		}
		var doc struct{ Kind string }
		if err := json.Unmarshal(got.Body.Bytes(), &doc); err != nil || got.Code != 200 || doc.Kind != c.kind {
			t.Errorf("%s Accept %q: %d, kind %q, %v; want %q", c.path, c.accept, got.Code, doc.Kind, err, c.kind)
		}
	}
}

func TestDiscoveryPretty(t *testing.T) {
	var d Catalog
	d.SetServers(testGroups(), "h:1", nil)
	const plain = `{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"h:1"}]}` + "\n"
	const pretty = `{
  "kind": "APIVersions",
  "versions": [
    "v1"
  ],
  "serverAddressByClientCIDRs": [
    {
      "clientCIDR": "0.0.0.0/0",
      "serverAddress": "h:1"
    }
  ]
}
`
	for query, want := range map[string]string{"": plain, "?pretty=true": pretty, "?pretty=1": pretty, "?pretty": pretty, "?pretty=0": plain, "?pretty=false": plain} {
		if got := fetch(t, &d, "/api"+query, "User-Agent: curl/8.1"); got.Body.String() != want {
			t.Errorf("/api%s:\n got %s\nwant %s", query, got.Body, want)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	want := []string{"v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10", "v1beta", "v1gamma1"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int { return -CompareVersions(a, b) })
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for _, a := range want {
		for _, b := range want {
			if CompareVersions(a, b) != -CompareVersions(b, a) || (CompareVersions(a, b) == 0) != (a == b) {
				t.Errorf("%s and %s: %d and %d", a, b, CompareVersions(a, b), CompareVersions(b, a))
			}
		}
	}
}

// BenchmarkDiscovery is what a document costs behind the filters.
func BenchmarkDiscovery(b *testing.B) {
	var d Catalog
	d.SetServers(testGroups(), "", nil)
	h, r, w := d.Serve("/apis"), httptest.NewRequest("GET", "/apis", nil), &discard{header: http.Header{}}
	r.Header.Set("Accept", AggregatedType+",application/json")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
