package field

import (
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestWebhookErrors: a client config has a URL or a service, and both have a form. The expectations are what
// v1.37.2 said.
func TestWebhookErrors(t *testing.T) {
	const form = "; desired format: https://host[/path]"
	invalid := func(at, value, why string) string { return at + `: Invalid value: "` + value + `": ` + why }
	for _, c := range []struct {
		config string
		want   []string
	}{
		{`{}`, []string{"c: Required value: exactly one of url or service is required"}},
		{`{"url":"https://a","service":{}}`, []string{"c: Required value: exactly one of url or service is required"}},
		{`{"url":"https://a/b"}`, nil},
		{`{"url":":"}`, []string{`c.url: Required value: url must be a valid URL: parse ":": missing protocol scheme` + form}},
		{`{"url":"http://u:p@/x?y#z"}`, []string{invalid("c.url", "http", "'https' is the only allowed URL scheme"+form),
			invalid("c.url", "", "host must be specified"+form),
			invalid("c.url", "u:p", "user information is not permitted in the URL"),
			invalid("c.url", "z", "fragments are not permitted in the URL"),
			invalid("c.url", "y", "query parameters are not permitted in the URL")}},
		{`{"service":{"namespace":"n","name":"s","port":1}}`, nil},
		{`{"service":{"namespace":"n","name":"s","port":65535,"path":"/a/b/"}}`, nil},
		{`{"service":{"name":"s","port":1}}`, []string{"c.service.name: Required value"}}, // each as the other
		{`{"service":{"namespace":"n","port":0}}`, []string{"c.service.namespace: Required value",
			"c.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"}},
		{`{"service":{"namespace":"n","name":"s","port":1,"path":"//"}}`, []string{
			invalid("c.service.path", "//", "segment[0] may not be empty")}},
		{`{"service":{"namespace":"n","name":"s","port":1,"path":"x//b"}}`, []string{
			invalid("c.service.path", "x//b", "must start with a '/'"), invalid("c.service.path", "x//b", "segment[0] may not be empty"),
			invalid("c.service.path", "x//b", "segment[1] may not be empty")}},
	} {
		config, _, err := tree.ParseJSONObject([]byte(c.config))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range WebhookErrors("c", config) {
			got = append(got, e.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.config, got, c.want)
		}
	}
}

// TestWebhookPathBound: of a long path with many empty segments not everything is said.
func TestWebhookPathBound(t *testing.T) {
	path := strings.Repeat("/", 1<<16)
	errs := WebhookErrors("c", map[string]any{"service": map[string]any{"name": "s", "namespace": "n", "port": int64(1), "path": path}})
	if n := len(errs); n == 0 || n > 10 {
		t.Errorf("%d errors", n)
	}
}

// TestReviewVersionErrors: versions are labels, each once, and one is known.
func TestReviewVersionErrors(t *testing.T) {
	for _, c := range []struct {
		versions []any
		want     []string
	}{
		{[]any{"v1"}, nil},
		{[]any{"v2", "v1beta1"}, nil},
		{[]any{"v1", "v1"}, []string{`v[1]: Invalid value: "v1": duplicate version`}},
		{[]any{"v2"}, []string{`v: Invalid value: ["v2"]: must include at least one of v1, v1beta1`}},
	} {
		var got []string
		for _, e := range ReviewVersionErrors("v", c.versions) {
			got = append(got, e.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.versions, got, c.want)
		}
	}
	if errs := ReviewVersionErrors("v", []any{"V"}); len(errs) != 2 {
		t.Errorf("%v", errs)
	}
}
