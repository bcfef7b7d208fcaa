package discovery

import (
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// TestDocumentForms: a document says the same in each form, and names it. Only JSON is indented.
func TestDocumentForms(t *testing.T) {
	table, err := kinds.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var d Catalog
	d.SetServers(GroupsOf(table, "core"), "10.0.0.1:6443", table)
	aggregatedAs := func(mediaType string) string { return mediaType + aggregatedParameters }
	for _, c := range []struct{ path, kind, apiVersion, aggregated string }{
		{"/api", "APIVersions", "", ""},
		{"/apis", "APIGroupList", "v1", ""},
		{"/apis/discovery.k8s.io", "APIGroup", "v1", ""},
		{"/api/v1", "APIResourceList", "", ""},
		{"/apis/discovery.k8s.io/v1", "APIResourceList", "v1", ""},
		{"/api", "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2", "yes"},
		{"/apis", "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2", "yes"},
	} {
		accept := func(mediaType string) string {
			if c.aggregated != "" {
				mediaType = aggregatedAs(mediaType)
			}
			return mediaType
		}
		json := fetch(t, &d, c.path, "Accept: "+accept("application/json"))
		want, _, err := tree.ParseJSONObject(json.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		yaml := fetch(t, &d, c.path+"?pretty=1", "Accept: "+accept("application/yaml"))
		if got, err := tree.ParseYAML(yaml.Body.Bytes()); err != nil || len(got) != 1 || !tree.Equal(got[0], want) || yaml.Header().Get("Content-Type") != accept("application/yaml") {
			t.Errorf("%s in YAML: %v %s", c.path, err, yaml.Body)
		}
		message := fetch(t, &d, c.path+"?pretty=1", "Accept: "+accept("application/vnd.kubernetes.protobuf"))
		apiVersion, kind, raw, _, err := kinds.DecodeEnvelope(message.Body.Bytes())
		if err != nil || apiVersion != c.apiVersion || kind != c.kind || message.Header().Get("Content-Type") != accept("application/vnd.kubernetes.protobuf") {
			t.Errorf("%s in protobuf: %v %q %q %v", c.path, err, apiVersion, kind, message.Header())
			continue
		}
		group, version := kinds.SplitAPIVersion(apiVersion)
		got, err := kinds.DecodeProtobuf(raw, table.Answer(group, version, kind))
		if err != nil {
			t.Fatal(err)
		}
		// Protobuf has no empty lists, and required fields in what JSON leaves out.
		names := func(o map[string]any) string {
			return strings.Join(strings.Fields(string(tree.AppendJSON(nil, leafNames(o)))), "")
		}
		delete(want, "kind")
		delete(want, "apiVersion")
		if names(got) != names(want) {
			t.Errorf("%s in protobuf: %s\nwant %s", c.path, tree.AppendJSON(nil, got), tree.AppendJSON(nil, want))
		}
		if etag := json.Header().Get("ETag"); message.Header().Get("ETag") != etag || yaml.Header().Get("ETag") != etag {
			t.Errorf("%s: other tags for other forms", c.path)
		}
	}
}

// leafNames returns the texts in v in order, but for empty ones.
func leafNames(v any) (out []any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range tree.SortedKeys(v) {
			if in := leafNames(v[k]); len(in) > 0 {
				out = append(out, append([]any{k}, in...)...)
			}
		}
	case []any:
		for _, e := range v {
			out = append(out, leafNames(e)...)
		}
	case string:
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

// TestNoMessagesWithoutTypes: a catalog without the table of kinds has JSON and YAML alone.
func TestNoMessagesWithoutTypes(t *testing.T) {
	var d Catalog
	d.SetServers(testGroups(), "", nil)
	if got := fetch(t, &d, "/apis", "Accept: application/vnd.kubernetes.protobuf"); got.Code != 406 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := fetch(t, &d, "/apis", "Accept: application/vnd.kubernetes.protobuf, application/json"); got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v", got.Header())
	}
}
