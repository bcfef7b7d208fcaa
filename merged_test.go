package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"apichain/internal/discovery"
	"apichain/internal/tree"
)

// otherServer is a server of the group other.example, which says who asked for its document of OpenAPI v3. It says of
// itself that it has more than it was given.
func otherServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	says := func(path, contentType, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write([]byte(strings.ReplaceAll(body, "USER", r.Header.Get("X-Remote-User")+" as "+r.Header.Get("Audit-Id"))))
		})
	}
	says("/apis", discovery.AggregatedType, `{"items":[{"metadata":{"name":"other.example"},"versions":[{"version":"v1","resources":[
		{"resource":"things","responseKind":{"group":"other.example","version":"v1","kind":"Thing"},"scope":"Namespaced","singularResource":"thing","verbs":["get"]}]}]},
		{"metadata":{"name":"apps"},"versions":[{"version":"v1","resources":[{"resource":"lies"}]}]}]}`)
	says("/apis/other.example/v1", "application/json", `{"kind":"APIResourceList","groupVersion":"other.example/v1","resources":[]}`)
	says("/openapi/v3", "application/json", `{"paths":{"apis/other.example/v1":{"serverRelativeURL":"/openapi/v3/apis/other.example/v1?hash=1"},
		"apis/apps/v1":{"serverRelativeURL":"/openapi/v3/apis/apps/v1?hash=LIE"}}}`)
	says("/openapi/v3/apis/other.example/v1", "application/json", `{"openapi":"3.0.0","info":{"title":"asked by USER"}}`)
	says("/openapi/v2", "application/json", `{"swagger":"2.0","paths":{"/apis/other.example/v1/things":{"get":{"responses":{"200":{"description":"OK",
		"schema":{"$ref":"#/definitions/Thing"}}}}},"/apis/apps/v1/lies":{}},"definitions":{"Thing":{"type":"object"}}}`)
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

// eventually asks for a document until it is as it should be.
func eventually(t *testing.T, r *running, path, accept string, good func(map[string]any) bool) map[string]any {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		got := r.get("http", path, "Accept: "+accept)
		doc, _, err := tree.ParseJSONObject([]byte(got.body))
		if err == nil && good(doc) {
			return doc
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %.2000s", path, got.body)
		}
		<-again.C
	}
}

// TestReadyWithOtherServers: as soon as the server is ready, its discovery lists what --aggregate says, in every form, and
// the document of a group that is another server's says so of itself.
func TestReadyWithOtherServers(t *testing.T) {
	other := otherServer(t)
	r := startProgram(t, nil, "--aggregate=other.example/v1="+other.URL+",insecure")
	for _, accept := range []string{"application/json", discovery.AggregatedType} {
		if got := r.get("http", "/apis", "Accept: "+accept); !strings.Contains(got.body, `"other.example"`) {
			t.Errorf("%s: the group is not there: %d %.300s", accept, got.status, got.body)
		}
	}
	if got := r.get("http", "/apis", "Accept: "+discovery.AggregatedType); !strings.Contains(got.body, `"resource":"things"`) {
		t.Errorf("the resources are not there: %d", got.status)
	}
	if e := r.program.mustExplain(t, "GET /apis/other.example", "listener=http"); e.Route == nil || !strings.HasPrefix(e.Route.ID, "extensions:prefix:") {
		t.Errorf("the document is explained as %+v", e.Route)
	}
}

// TestOtherServerIsOneWithOurs: the group of another server is in every document that shows the whole, as it says, and
// goes with its APIService.
func TestOtherServerIsOneWithOurs(t *testing.T) {
	other := otherServer(t)
	r := startProgram(t, nil, "--aggregate=other.example/v1="+other.URL+",insecure")
	groupOf := func(doc map[string]any, list, name string) map[string]any {
		for _, g := range tree.List(doc, list) {
			if tree.Text(g, "name") == name || tree.Text(g, "metadata", "name") == name {
				return g.(map[string]any)
			}
		}
		return nil
	}
	has := func(list string) func(map[string]any) bool {
		return func(doc map[string]any) bool { return groupOf(doc, list, "other.example") != nil }
	}
	eventually(t, r, "/apis", "application/json", has("groups"))
	doc := eventually(t, r, "/apis", discovery.AggregatedType, func(doc map[string]any) bool {
		versions := tree.List(groupOf(doc, "items", "other.example"), "versions")
		return len(versions) == 1 && tree.Text(versions[0], "freshness") == "Current"
	})
	text, _ := json.Marshal(groupOf(doc, "items", "other.example"))
	if !strings.Contains(string(text), `"resource":"things"`) {
		t.Errorf("the group is %s", text)
	}
	if text, _ := json.Marshal(groupOf(doc, "items", "apps")); strings.Contains(string(text), "lies") || !strings.Contains(string(text), "deployments") {
		t.Errorf("apps is %s", text)
	}
	if got := r.get("http", "/apis/other.example"); got.status != 200 || !strings.Contains(got.body, `"preferredVersion":{"groupVersion":"other.example/v1"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	index := eventually(t, r, discovery.OpenAPIRoot, "application/json", func(doc map[string]any) bool {
		return tree.At(doc, "paths", "apis/other.example/v1") != nil
	})
	if address := tree.Text(index, "paths", "apis/apps/v1", "serverRelativeURL"); strings.Contains(address, "LIE") {
		t.Errorf("apps is at %s", address)
	}
	address := tree.Text(index, "paths", "apis/other.example/v1", "serverRelativeURL")
	if got := r.get("http", address, "Audit-Id: an-id"); got.status != 200 || !strings.Contains(got.body, `"asked by system:unsecured as an-id"`) {
		t.Errorf("%s: %d %s", address, got.status, got.body)
	}
	merged := eventually(t, r, discovery.OpenAPI2Path, "application/json", func(doc map[string]any) bool {
		return tree.At(doc, "paths", "/apis/other.example/v1/things") != nil
	})
	if tree.At(merged, "definitions", "Thing") == nil || tree.At(merged, "paths", "/apis/apps/v1/lies") != nil {
		t.Error("v2 has not what it should have")
	}
	for _, hook := range []string{"apiservice-discovery-controller", "apiservice-openapi-controller", "apiservice-openapiv3-controller"} {
		if got := r.get("http", "/readyz/poststarthook/"+hook); got.status != 200 {
			t.Errorf("%s: %d %s", hook, got.status, got.body)
		}
	}
	if got := r.clients("http").Must(200, "DELETE", "/apis/apiregistration.k8s.io/v1/apiservices/v1.other.example", nil); got == nil {
		t.Error("no answer")
	}
	eventually(t, r, "/apis", "application/json", func(doc map[string]any) bool { return !has("groups")(doc) })
	eventually(t, r, discovery.OpenAPIRoot, "application/json", func(doc map[string]any) bool {
		return tree.At(doc, "paths", "apis/other.example/v1") == nil
	})
}
