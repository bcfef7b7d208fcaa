package request

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"apichain/internal/selector"
	"apichain/internal/status"
)

func TestRequestInfoOfResources(t *testing.T) {
	for _, tc := range []struct {
		method, url                         string
		verb, gv, namespace, resource, name string
		Fields, Labels                      string
	}{
		{"GET", "/api/v1/namespaces", "list", "/v1", "", "namespaces", "", "", ""},
		{"GET", "/api/v1/namespaces/other", "get", "/v1", "other", "namespaces", "other", "", ""},
		{"GET", "/api/v1/namespaces/other/", "get", "/v1", "other", "namespaces", "other", "", ""},
		{"PATCH", "/api/v1/namespaces/new", "patch", "/v1", "new", "namespaces", "new", "", ""},
		{"GET", "/api/v1/namespaces/other/pods", "list", "/v1", "other", "pods", "", "", ""},
		{"GET", "/api/v1/namespaces/other/pods/", "list", "/v1", "other", "pods", "", "", ""},
		{"GET", "/api/v1/namespaces/other/pods/foo", "get", "/v1", "other", "pods", "foo", "", ""},
		{"HEAD", "/api/v1/namespaces/other/pods/foo", "get", "/v1", "other", "pods", "foo", "", ""},
		{"GET", "/api/v1/pods", "list", "/v1", "", "pods", "", "", ""},
		{"HEAD", "/api/v1/pods", "list", "/v1", "", "pods", "", "", ""},

		// The verb in the path.
		{"GET", "/api/v1/proxy/namespaces/other/pods/foo", "proxy", "/v1", "other", "pods", "foo", "", ""},
		{"GET", "/api/v1/proxy/namespaces/other/pods/foo/subpath/not/a/subresource", "proxy", "/v1", "other", "pods", "foo", "", ""},
		{"POST", "/api/v1/proxy/namespaces/other/status", "proxy", "/v1", "other", "namespaces", "other", "", ""},
		{"GET", "/api/v1/watch/pods", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/watch/namespaces/other/pods", "watch", "/v1", "other", "pods", "", "", ""},
		{"GET", "/api/v1/watch/namespaces/other", "watch", "/v1", "other", "namespaces", "other", "", ""},
		{"GET", "/api/v1/watch/pods?fieldSelector=metadata.name%3Dx&labelSelector=a", "watch", "/v1", "", "pods", "", "", ""},
		{"DELETE", "/api/v1/watch/pods", "watch", "/v1", "", "pods", "", "", ""},

		// The verb in the query, read leniently.
		{"GET", "/api/v1/pods?watch=true", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=false", "list", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=False", "list", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=0", "list", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=1", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=bogus", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?limit=1&wa%74ch=%31", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=false&watch=true", "list", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=1;x", "list", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?watch=%zz&watch=1", "watch", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods?xwatch=1&watchx=1&%zzwatch=1", "list", "/v1", "", "pods", "", "", ""},
		{"GET", "/api/v1/pods/foo?watch=1", "get", "/v1", "", "pods", "foo", "", ""},
		{"POST", "/api/v1/pods?watch=1", "create", "/v1", "", "pods", "", "", ""},

		// Subresources.
		{"GET", "/api/v1/namespaces/other/pods/foo/status", "get", "/v1", "other", "pods/status", "foo", "", ""},
		{"GET", "/api/v1/namespaces/other/pods/foo/proxy/subpath//x", "get", "/v1", "other", "pods/proxy", "foo", "", ""},
		{"PUT", "/api/v1/namespaces/other/finalize", "update", "/v1", "other", "namespaces/finalize", "other", "", ""},
		{"PUT", "/api/v1/namespaces/other/status", "update", "/v1", "other", "namespaces/status", "other", "", ""},
		{"GET", "/api/v1/namespaces/other/status/x", "get", "/v1", "other", "namespaces/status", "other", "", ""},
		{"GET", "/api/v1/pods/namespaces/x", "get", "/v1", "", "pods/x", "namespaces", "", ""},

		// Verbs.
		{"PATCH", "/api/v1/namespaces/other/pods/foo", "patch", "/v1", "other", "pods", "foo", "", ""},
		{"DELETE", "/api/v1/namespaces/other/pods/foo", "delete", "/v1", "other", "pods", "foo", "", ""},
		{"POST", "/api/v1/namespaces/other/pods", "create", "/v1", "other", "pods", "", "", ""},
		{"OPTIONS", "/api/v1/pods", "", "/v1", "", "pods", "", "", ""},
		{"foo", "/api/v1/pods", "", "/v1", "", "pods", "", "", ""},
		{"DELETE", "/api/v1/nodes", "deletecollection", "/v1", "", "nodes", "", "", ""},
		{"DELETE", "/api/v1/namespaces", "deletecollection", "/v1", "", "namespaces", "", "", ""},
		{"DELETE", "/api/v1/namespaces/other/pods", "deletecollection", "/v1", "other", "pods", "", "", ""},

		// Groups.
		{"DELETE", "/apis/extensions/v1/namespaces/other/pods", "deletecollection", "extensions/v1", "other", "pods", "", "", ""},
		{"POST", "/apis/extensions/v1beta3/namespaces/other/pods", "create", "extensions/v1beta3", "other", "pods", "", "", ""},
		{"GET", "/apis/batch/v1/jobs/foo/scale", "get", "batch/v1", "", "jobs/scale", "foo", "", ""},

		// Selectors.
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=name1", "list", "g/v", "", "r", "name1", "metadata.name=name1", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name==name1", "list", "g/v", "", "r", "name1", "metadata.name==name1", ""},
		{"GET", "/apis/g/v/r?watch=1&fieldSelector=metadata.name%3Dname1", "watch", "g/v", "", "r", "name1", "metadata.name=name1", ""},
		{"GET", "/apis/g/v/r?fieldSelector=foo=bar", "list", "g/v", "", "r", "", "foo=bar", ""},
		{"GET", "/apis/g/v/r?fieldSelector=foo=bar,metadata.name=n,metadata.name=m", "list", "g/v", "", "r", "n", "foo=bar,metadata.name=n,metadata.name=m", ""},
		{"GET", "/apis/g/v/r?fieldSelector=,metadata.name=n,", "list", "g/v", "", "r", "n", ",metadata.name=n,", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name!=n", "list", "g/v", "", "r", "", "metadata.name!=n", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name!==n", "list", "g/v", "", "r", "", "metadata.name!==n", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=n,foo", "list", "g/v", "", "r", "", "metadata.name=n,foo", ""},
		{"GET", "/apis/g/v/r?watch=true&fieldSelector=metadata.name=n,foo", "watch", "g/v", "", "r", "", "metadata.name=n,foo", ""},
		{"GET", "/apis/g/v/r?watch=false&fieldSelector=metadata.name=n,foo", "list", "g/v", "", "r", "", "metadata.name=n,foo", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=a/b", "list", "g/v", "", "r", "", "metadata.name=a/b", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=a%2525", "list", "g/v", "", "r", "", "metadata.name=a%25", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=..", "list", "g/v", "", "r", "", "metadata.name=..", ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=a%5C,b", "list", "g/v", "", "r", "a,b", `metadata.name=a\,b`, ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=a%5Cb", "list", "g/v", "", "r", "", `metadata.name=a\b`, ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=a%5C", "list", "g/v", "", "r", "", `metadata.name=a\`, ""},
		{"GET", "/apis/g/v/r?fieldSelector=metadata.name=%5C=a=", "list", "g/v", "", "r", "", `metadata.name=\=a=`, ""},
		{"GET", "/apis/g/v/r?labelSelector=a%3Db,c&labelSelector=d", "list", "g/v", "", "r", "", "", "a=b,c"},
		{"DELETE", "/apis/g/v/r?fieldSelector=metadata.name=n&labelSelector=a+b", "deletecollection", "g/v", "", "r", "", "metadata.name=n", "a b"},
		{"GET", "/apis/g/v/r/n?fieldSelector=metadata.name=m", "get", "g/v", "", "r", "n", "", ""},
	} {
		path, query, _ := strings.Cut(tc.url, "?")
		var ri Info
		if err := ri.Resolve(tc.method, path, query); err != nil {
			t.Errorf("%s %s: %v", tc.method, tc.url, err)
			continue
		}
		resource, sub, _ := strings.Cut(tc.resource, "/")
		group, version, _ := strings.Cut(tc.gv, "/")
		want := Info{IsResourceRequest: true, Path: path, Verb: tc.verb, APIPrefix: "api", APIGroup: group, APIVersion: version, Namespace: tc.namespace,
			Resource: resource, Subresource: sub, Name: tc.name, FieldSelector: tc.Fields, LabelSelector: tc.Labels}
		if group != "" {
			want.APIPrefix = "apis"
		}
		if ri != want {
			t.Errorf("%s %s:\n got %+v\nwant %+v", tc.method, tc.url, ri, want)
		}
	}
}

func TestRequestInfoOfOtherPaths(t *testing.T) {
	for _, tc := range []struct{ method, path, verb, prefix string }{
		{"GET", "", "get", ""},
		{"OPTIONS", "*", "options", ""},
		{"GET", "/", "get", ""},
		{"GET", "/version", "get", ""},
		{"HEAD", "/readyz", "head", ""},
		{"foo", "/readyz", "foo", ""},
		{"WATCH", "/readyz", "watch", ""},
		{"GET", "/api", "get", ""},
		{"GET", "/api/v1", "get", ""},
		{"GET", "/api/v1/", "get", ""},
		{"GET", "/apis", "get", ""},
		{"GET", "/apis/g", "get", ""},
		{"DELETE", "/apis/g/v", "delete", "apis"},
		{"GET", "/apis/g/v/", "get", "apis"},
		{"GET", "/not-api/version/resource", "get", ""},
		{"GET", "/API/v1/pods", "get", ""},
		// An empty segment is no name, no group and no resource.
		{"GET", "//api/v1/pods", "get", ""},
		{"GET", "/api//pods", "get", ""},
		{"GET", "/api//v1/pods", "get", ""},
		{"GET", "/api/v1//pods", "get", ""},
		{"GET", "/api/v1/pods//", "get", ""},
		{"GET", "/api/v1/pods//status", "get", ""},
		{"GET", "/api/v1/pods/x//", "get", ""},
		{"GET", "/api/v1/namespaces//pods", "get", ""},
		{"GET", "/api/v1/namespaces/x//pods", "get", ""},
		{"GET", "/api/v1/watch//pods", "get", ""},
		{"GET", "/apis//v1/pods", "get", "apis"},
		{"GET", "/apis/g//pods", "get", "apis"},
		{"GET", "//", "get", ""},
	} {
		ri := Info{Name: "left over", IsResourceRequest: true}
		if err := ri.Resolve(tc.method, tc.path, "watch=1"); err != nil {
			t.Errorf("%s %s: %v", tc.method, tc.path, err)
		}
		if want := (Info{Path: tc.path, Verb: tc.verb, APIPrefix: tc.prefix}); ri != want {
			t.Errorf("%s %s:\n got %+v\nwant %+v", tc.method, tc.path, ri, want)
		}
	}
}

func TestRequestInfoError(t *testing.T) {
	for _, tc := range []struct{ path, query, want string }{
		{"/api/v1/watch", "", `Internal Server Error: "/api/v1/watch": failed to create RequestInfo: unable to determine kind and namespace from url, /api/v1/watch`},
		{"/api/v1/proxy/", "", `Internal Server Error: "/api/v1/proxy/": failed to create RequestInfo: unable to determine kind and namespace from url, /api/v1/proxy/`},
		{"/apis/g/v/watch", "a=<b>&c", `Internal Server Error: "/apis/g/v/watch?a=&lt;b&gt;&amp;c": failed to create RequestInfo: unable to determine kind and namespace from url, /apis/g/v/watch?a=&lt;b&gt;&amp;c`},
		{"/apis/g\"/v/watch", "", `Internal Server Error: "/apis/g%22/v/watch": failed to create RequestInfo: unable to determine kind and namespace from url, /apis/g%22/v/watch`},
	} {
		var ri Info
		err := ri.Resolve("GET", tc.path, tc.query)
		var se *status.Error
		if !errors.As(err, &se) {
			t.Errorf("%s: error %v, want a statusError", tc.path, err)
			continue
		}
		if se.Code != http.StatusInternalServerError || !se.Plain || se.Message != tc.want {
			t.Errorf("%s: %d, text %t,\n got %s\nwant %s", tc.path, se.Code, se.Plain, se.Message, tc.want)
		}
	}
}

func TestLongRunning(t *testing.T) {
	for _, tc := range []struct {
		method, path, query string
		want                bool
	}{
		{"GET", "/api/v1/pods", "watch=1", true},
		{"GET", "/api/v1/watch/pods", "", true},
		{"GET", "/api/v1/proxy/pods/x", "", true},
		{"GET", "/api/v1/namespaces/n/pods/x/log", "", true},
		{"POST", "/api/v1/namespaces/n/pods/x/exec", "", true},
		{"POST", "/api/v1/namespaces/n/pods/x/attach", "", true},
		{"POST", "/api/v1/namespaces/n/pods/x/portforward", "", true},
		{"GET", "/api/v1/namespaces/n/pods/x/proxy/path", "", true},
		{"GET", "/debug/pprof/profile", "", true},
		{"GET", "/api/v1/namespaces/n/pods/x/status", "", false},
		{"GET", "/api/v1/namespaces/n/pods/log", "", false},
		{"GET", "/api/v1/pods", "", false},
		{"GET", "/debug/pprof", "", false},
		{"GET", "/healthz", "watch=1", false},
		{"WATCH", "/healthz", "", false},
		{"PROXY", "/test/echo", "", false},
	} {
		var ri Info
		if err := ri.Resolve(tc.method, tc.path, tc.query); err != nil {
			t.Fatal(err)
		}
		if got := IsLongRunning(&ri); got != tc.want {
			t.Errorf("%s %s?%s: long-running %t, want %t", tc.method, tc.path, tc.query, got, tc.want)
		}
	}
}

var requestInfoPaths = []struct{ name, path, query string }{
	{"health", "/readyz", ""},
	{"get", "/apis/example.com/v1/namespaces/default/widgets/one", ""},
	{"list", "/api/v1/namespaces/default/pods", ""},
	{"watch", "/api/v1/pods", "allowWatchBookmarks=true&resourceVersion=12&timeoutSeconds=300&watch=true"},
	{"selector", "/api/v1/pods", "fieldSelector=metadata.name=x&limit=500"},
}

func TestRequestInfoAllocations(t *testing.T) {
	var ri Info
	for _, tc := range requestInfoPaths {
		if n := testing.AllocsPerRun(100, func() { _ = ri.Resolve("GET", tc.path, tc.query) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", tc.name, n)
		}
	}
}

func BenchmarkRequestInfo(b *testing.B) {
	for _, tc := range requestInfoPaths {
		b.Run(tc.name, func(b *testing.B) {
			var ri Info
			b.ReportAllocs()
			for b.Loop() {
				_ = ri.Resolve("GET", tc.path, tc.query)
			}
		})
	}
}

// FuzzRequestInfo holds resolve to what filters and handlers rely on: the fields are
// segments of the path, and a query reads as net/url reads it.
func FuzzRequestInfo(f *testing.F) {
	for _, s := range []struct{ method, path, query string }{
		{"GET", "/api/v1/namespaces/a/pods/b/log", "watch=1"},
		{"DELETE", "/apis/g/v/r", "labelSelector=a%3Db"},
		{"GET", "/apis/g/v/r", `fieldSelector=metadata.name=a\,b,x!=y;&watch`},
		{"POST", "/api/v1/watch/namespaces/x//y", ""},
		{"GET", "/api/v1/proxy", "&&=&%zz=1"},
		{"OPTIONS", "//", ""},
	} {
		f.Add(s.method, s.path, s.query)
	}
	f.Fuzz(func(t *testing.T, method, path, query string) {
		var ri Info
		if err := ri.Resolve(method, path, query); err != nil {
			if !strings.Contains(path, "/watch") && !strings.Contains(path, "/proxy") {
				t.Errorf("error %v without a verb in the path", err)
			}
			return
		}
		if ri.Path != path {
			t.Errorf("Path %q, want %q", ri.Path, path)
		}
		if !ri.IsResourceRequest {
			if want := (Info{Path: path, Verb: strings.ToLower(method), APIPrefix: ri.APIPrefix}); ri != want {
				t.Errorf("got %+v, want no field of a resource", ri)
			}
			return
		}
		values, _ := url.ParseQuery(query)
		selected, _ := selector.SelectedName(values.Get("fieldSelector"))
		listed := ri.Verb == "list" || ri.Verb == "watch"
		for _, part := range []string{ri.APIPrefix, ri.APIGroup, ri.APIVersion, ri.Namespace, ri.Resource, ri.Name, ri.Subresource} {
			if strings.Contains(part, "/") {
				t.Errorf("slash in a field of %+v", ri)
			}
			if part != "" && !strings.Contains("/"+path+"/", "/"+part+"/") && !(listed && part == ri.Name && part == selected) {
				t.Errorf("%q is no segment of %q: %+v", part, path, ri)
			}
		}
		if ri.APIVersion == "" || ri.Resource == "" || ri.Subresource != "" && ri.Name == "" {
			t.Errorf("empty part in %+v", ri)
		}
		for key, got := range map[string]string{"fieldSelector": ri.FieldSelector, "labelSelector": ri.LabelSelector} {
			if got != "" && got != values.Get(key) {
				t.Errorf("%s %q, net/url reads %q", key, got, values.Get(key))
			}
		}
		if v, ok := queryValue(query, "watch"); ok != values.Has("watch") || v != values.Get("watch") {
			t.Errorf("watch %q %t, net/url reads %q", v, ok, values["watch"])
		}
	})
}
