package main

import (
	"net/http"
	"strings"
	"testing"

	"apichain/internal/discovery"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// TestCustomServed asks a running server for groups that only custom resources make, by
// whole requests, the way the extensions server hands them out.
func TestCustomServed(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.HandlePrefix("/apis/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if serve, ok := s.program.catalog.Document(r.URL.Path); ok {
				serve(w, r)
				return
			}
			status.Write(w, r, status.PlainText(404, "404 page not found"))
		}))
	})
	raw := []byte(`{"kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","singular":"widget","kind":"Widget"},
		"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{}},"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`)
	crd, _, err := tree.ParseJSONObject(raw)
	if err != nil {
		t.Fatal(err)
	}
	definition := discovery.NewDefinition(raw, crd)
	r.catalog.SetCustom("example.com", []*discovery.Definition{definition})
	for _, kind := range clientKinds {
		for path, want := range map[string]string{"/apis": `{"name":"example.com",`, "/apis/example.com": `"kind":"APIGroup"`, "/apis/example.com/v1/": `"name":"widgets/scale"`, "/openapi/v3": `"apis/example.com/v1":{`, "/openapi/v3/apis/example.com/v1": `"com.example.v1.Widget":{`} {
			if got := r.get(kind, path); got.status != 200 || !strings.Contains(got.body, want) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: %d %v %s", kind, path, got.status, got.header, got.body)
			}
		}
	}
	if got := r.get("http", "/apis/example.com", "Accept: text/html"); got.status != 406 {
		t.Errorf("text/html: %d", got.status)
	}
	if got := r.get("http", "/apis/nobody.example"); got.status != 404 {
		t.Errorf("nobody: %d", got.status)
	}
}

// TestDiscoveryServed asks for every document of a running server, with and without a
// slash at the end, and for what is not there.
func TestDiscoveryServed(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=off")
	kinds := map[string]string{"/api": "APIVersions", "/apis": "APIGroupList", "/api/v1": "APIResourceList"}
	for _, g := range r.outermost.allGroups() {
		if g.Name != "" {
			kinds["/apis/"+g.Name], kinds["/apis/"+g.Name+"/"+g.Versions[0].Version] = "APIGroup", "APIResourceList"
		}
	}
	if len(kinds) < 7 {
		t.Errorf("only %v", kinds)
	}
	for path, kind := range kinds {
		for _, slash := range []string{"", "/"} {
			got := r.get("h2", path+slash)
			if got.status != 200 || !strings.HasPrefix(got.body, `{"kind":"`+kind+`",`) || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s%s: %d %v %s", path, slash, got.status, got.header, got.body)
			}
		}
	}
	if got, want := r.get("http", "/api").body, `"serverAddress":"`+strings.TrimPrefix(r.urls("https")[0], "https://")+`"`; !strings.Contains(got, want) {
		t.Errorf("/api: %s, want %s", got, want)
	}
	got := r.get("http", "/apis", "Accept: "+discovery.AggregatedType)
	if got.status != 200 || got.header.Get("Cache-Control") != "public" || got.header.Get("Vary") != "Accept" {
		t.Errorf("aggregated: %d %v", got.status, got.header)
	}
	if got := r.get("http", "/apis", "Accept: "+discovery.AggregatedType, "If-None-Match: "+got.header.Get("ETag")); got.status != http.StatusNotModified || got.body != "" {
		t.Errorf("known: %d %q", got.status, got.body)
	}
	if got := r.get("http", "/apis", "Accept: text/html"); got.status != 406 || got.body != `{
  "kind": "Status",
  "apiVersion": "v1",
  "metadata": {},
  "status": "Failure",
  "message": "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
  "reason": "NotAcceptable",
  "code": 406
}
` {
		t.Errorf("Accept text/html: %d %q", got.status, got.body)
	}
	for path, status := range map[string]int{"/apis/nobody.example": 404, "/api/v9": 404} {
		if got := r.get("http", path); got.status != status {
			t.Errorf("%s: %d, want %d: %s", path, got.status, status, got.body)
		}
	}
}
