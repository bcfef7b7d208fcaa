package main

import (
	"net/http"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// clients is a running program and a client of it, for tests of what many requests make.
type clients struct {
	*running
	*apitest.Client
	kind string
	c    *http.Client
}

// startClients runs a program and makes a client of a kind.
func startClients(t testing.TB, kind string, args ...string) *clients {
	t.Helper()
	return startProgram(t, nil, args...).clients(kind)
}

// clients makes a client of a kind: an administrator, by a token where that is needed.
func (r *running) clients(kind string) *clients {
	r.t.Helper()
	c := &clients{running: r, kind: kind, c: r.client(kind)}
	c.Client = &apitest.Client{T: r.t, Do: c.c.Do, URL: r.url(kind, "")}
	if kind == "https" || kind == "h2" {
		c.Token = "admin-token"
	}
	return c
}

// What the tests of objects say often.
var (
	mapObject    = apitest.MapObject
	custom       = apitest.Custom
	revision     = apitest.Revision
	definitionOf = apitest.DefinitionOf
	configMap    = apitest.MapManifest
	widget       = apitest.WidgetManifest
)

const (
	definitionsPath = apitest.DefinitionsPath
	mapsPath        = apitest.MapsPath
	widgetCRD       = apitest.WidgetDefinition
)

// TestStartingState: what is there before the first request, and is put right by whoever
// has broken it.
func TestStartingState(t *testing.T) {
	c := startClients(t, "https")
	for _, ns := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		space := c.Must(200, "GET", "/api/v1/namespaces/"+ns, nil)
		if tree.Text(space, "status", "phase") != "Active" || tree.At(space, "metadata", "labels", "kubernetes.io/metadata.name") != ns {
			t.Errorf("%s: %v", ns, space)
		}
		c.Must(200, "GET", "/api/v1/namespaces/"+ns+"/serviceaccounts/default", nil)
		root := c.Must(200, "GET", "/api/v1/namespaces/"+ns+"/configmaps/"+apitest.RootCAName, nil)
		if tree.Text(root, "data", "ca.crt") != string(c.certs.CAPEM()) {
			t.Errorf("%s: another CA", ns)
		}
	}
	service := c.Must(200, "GET", "/api/v1/namespaces/default/services/kubernetes", nil)
	ends := c.Must(200, "GET", "/api/v1/namespaces/default/endpoints/kubernetes", nil)
	// The Service is where upstream's is, and leads to the listener.
	ports := tree.List(service, "spec", "ports")
	port := tree.At(ports[0], "targetPort")
	if tree.At(ports[0], "port") != int64(443) || tree.Text(service, "spec", "clusterIP") != "10.0.0.1" ||
		port != tree.At(tree.List(tree.List(ends, "subsets")[0], "ports")[0], "port") || !strings.HasSuffix(c.url("https", ""), ":"+string(tree.AppendJSON(nil, port))) {
		t.Errorf("%v %v, listening at %s", service, ends, c.url("https", ""))
	}
}
