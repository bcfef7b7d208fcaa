package schema

import (
	"encoding/base64"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestCheckConversion: where a conversion webhook may be, and what it has to understand. The texts are
// those of kube-apiserver v1.37.2, which reports a missing name as that of the namespace.
func TestCheckConversion(t *testing.T) {
	const at, subdomain = "spec.conversion.webhookClientConfig.", "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
		"and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
		`'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
	const form = "; desired format: https://host[/path]"
	webhook := func(config, versions string) func(map[string]any) {
		return func(crd map[string]any) {
			tree.Set(crd, objectOf(t, `{"strategy":"Webhook","webhook":{"clientConfig":`+config+`,"conversionReviewVersions":`+versions+`}}`), "spec", "conversion")
		}
	}
	address := func(s string) func(map[string]any) { return webhook(`{"url":"`+s+`"}`, `["v1"]`) }
	path := func(s string) func(map[string]any) {
		return webhook(`{"service":{"name":"a","namespace":"b","path":"`+s+`"}}`, `["v1"]`)
	}
	service := func(s string) func(map[string]any) { return webhook(`{"service":`+s+`}`, `["v1"]`) }
	badPath := func(s, why string) string { return at + `service.path: Invalid value: "` + s + `": ` + why }
	for _, row := range []struct {
		name   string
		change func(map[string]any)
		want   []string
	}{
		{"url", address("https://a/b"), nil},
		{"url by http", address("http://a/"), []string{at + `url: Invalid value: "http": 'https' is the only allowed URL scheme` + form}},
		{"url without a host", address("https://"), []string{at + `url: Invalid value: "": host must be specified` + form}},
		{"url with more", address("https://u:p@a/?q=1#f"), []string{
			at + `url: Invalid value: "u:p": user information is not permitted in the URL`,
			at + `url: Invalid value: "f": fragments are not permitted in the URL`,
			at + `url: Invalid value: "q=1": query parameters are not permitted in the URL`,
		}},
		{"no url", address("://"), []string{at + `url: Required value: url must be a valid URL: parse "://": missing protocol scheme` + form}},

		{"path", path("/a/b/"), nil},
		{"root", path("/"), nil},
		{"path without a slash", path("z"), []string{badPath("z", "must start with a '/'"), badPath("z", "segment[0] may not be empty")}},
		{"two slashes", path("//"), []string{badPath("//", "segment[0] may not be empty")}},
		{"empty segment", path("/a//b"), []string{badPath("/a//b", "segment[1] may not be empty")}},
		{"capital", path("/a/B"), []string{badPath("/a/B", "segment[1]: "+subdomain)}},

		{"greatest port", service(`{"name":"a","namespace":"b","port":65535}`), nil},
		{"port", service(`{"name":"a","namespace":"b","port":70000}`),
			[]string{at + "service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive"}},
		{"port 0", service(`{"name":"a","namespace":"b","port":0}`),
			[]string{at + "service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"}},
		{"no name", service(`{"namespace":"b"}`), []string{at + "service.namespace: Required value"}},
		{"no namespace", service(`{"name":"a"}`), []string{at + "service.name: Required value"}},
		{"neither", service(`{}`), []string{at + "service.name: Required value", at + "service.namespace: Required value"}},

		{"versions", webhook(`{"url":"https://a"}`, `["v1","v1","","v3"]`), []string{
			`spec.conversion.conversionReviewVersions[1]: Invalid value: "v1": duplicate version`,
			`spec.conversion.conversionReviewVersions[2]: Invalid value: "": ` + LabelWords(""),
		}},
		{"junk is no problem at first", webhook(`{"url":"https://a","caBundle":"anVuaw=="}`, `["v1"]`), nil},
		{"preserve", func(crd map[string]any) {
			tree.Set(crd, "Foo", "spec", "conversion", "strategy")
			tree.Set(crd, true, "spec", "preserveUnknownFields")
		}, []string{
			`spec.conversion.strategy: Invalid value: "Foo": must be None if spec.preserveUnknownFields is true`,
			`spec.conversion.strategy: Unsupported value: "Foo": supported values: "None", "Webhook"`,
			"spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
		}},
	} {
		if got, want := shown(CheckCRD(crdOf(t, plainSchema, row.change), nil)), strings.Join(row.want, "\n"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, want)
		}
	}
}

// TestCheckCABundle: certificates that cannot be read are refused in an update of an established CRD,
// unless it had such before.
func TestCheckCABundle(t *testing.T) {
	const words = ": unable to load root certificates: "
	crd := func(ca, established string) map[string]any {
		return crdOf(t, plainSchema, func(crd map[string]any) {
			config := `{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://a","caBundle":"` + ca + `"},"conversionReviewVersions":["v1"]}}`
			tree.Set(crd, objectOf(t, config), "spec", "conversion")
			tree.Set(crd, []any{map[string]any{"type": "Established", "status": established}}, "status", "conditions")
		})
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	key := b64("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	cert := b64("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for _, row := range []struct{ name, old, established, now, want string }{
		{"junk", "", "True", "anVuaw==", "unable to parse bytes as PEM block"},
		{"a key", "", "True", key, "no valid certificate authority data seen"},
		{"no certificate in it", "", "True", cert, "failed to parse certificate: x509: malformed certificate"},
		{"not established", "", "False", "anVuaw==", ""},
		{"junk before", key, "True", "anVuaw==", ""},
		{"none", "", "True", "", ""},
	} {
		want := ""
		if row.want != "" {
			want = `spec.conversion.webhookClientConfig.caBundle: Invalid value: "` + row.now + `"` + words + row.want
		}
		if got := shown(CheckCRD(crd(row.now, row.established), crd(row.old, row.established))); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.name, got, want)
		}
	}
}

// TestStoredVersions: a version that was ever stored stays in the list until a client takes it out,
// and is in it once. Of several that want to be stored, which is an error, the first is.
func TestStoredVersions(t *testing.T) {
	for _, row := range []struct {
		status, versions string
		want             string
	}{
		{`{}`, `{"name":"v1"},{"name":"v2","storage":true}`, `["v2"]`},
		{`{"storedVersions":["v2"]}`, `{"name":"v1"},{"name":"v2","storage":true}`, `["v2"]`},
		{`{"storedVersions":["v1"]}`, `{"name":"v1"},{"name":"v2","storage":true}`, `["v1","v2"]`},
		{`{"storedVersions":["v2","v1"]}`, `{"name":"v1"},{"name":"v2","storage":true}`, `["v2","v1"]`},
		{`{"storedVersions":["v0"]}`, `{"name":"v1"},{"name":"v2","storage":true}`, `["v0","v2"]`},
		{`{}`, `{"name":"v1","storage":true},{"name":"v2","storage":true}`, `["v1"]`},
		{`{"storedVersions":["v1"]}`, `{"storage":true}`, `["v1",""]`},
		{`{}`, `{"name":"v1"}`, `null`},
	} {
		crd := objectOf(t, `{"spec":{"versions":[`+row.versions+`]},"status":`+row.status+`}`)
		was := tree.Copy(crd)
		var got any
		if l := StoredVersions(crd); l != nil {
			got = l
		}
		if text := string(tree.AppendJSON(nil, got)); text != row.want || !tree.Equal(crd, was) {
			t.Errorf("%s, %s: %s, want %s", row.status, row.versions, text, row.want)
		}
	}
}
