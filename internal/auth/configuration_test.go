package auth

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestConfiguration: what is read of a file, and what is wrong with one, as the real server takes and
// refuses it.
func TestConfiguration(t *testing.T) {
	const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
	for _, tt := range []struct {
		text string
		want *Anonymous
		err  string
	}{
		{head, nil, ""},
		{head + "jwt: []", nil, ""},
		{head + "anonymous: {enabled: false}", &Anonymous{}, ""},
		{head + "anonymous: {enabled: true}", &Anonymous{Enabled: true}, ""},
		{head + "anonymous: {enabled: true, conditions: [{path: a}, {path: /b/*}, {path: ''}]}", &Anonymous{Enabled: true, Paths: []string{"a", "/b/*", ""}}, ""},
		{`{"kind":"AuthenticationConfiguration","apiVersion":"apiserver.config.k8s.io/v1beta1","anonymous":{"enabled":true}}`, &Anonymous{Enabled: true}, ""},
		{"", nil, "is empty"},
		{" \n", nil, "is empty"},
		{"{", nil, "line 1"},
		{"[]", nil, "strict decoding error"},
		{"kind: AuthenticationConfiguration", nil, `of "" is no`},
		{"apiVersion: apiserver.config.k8s.io/v1\nkind: Foo", nil, `kind "Foo"`},
		{"apiVersion: v1\nkind: AuthenticationConfiguration", nil, `of "v1"`},
		{head + "bogus: 1", nil, `unknown field "bogus"`},
		{head + "anonymous: {enabled: true, bogus: 1}", nil, `unknown field "bogus"`},
		{head + "anonymous: {enabled: 'yes'}", nil, "strict decoding error"},
		{head + "anonymous: {enabled: true, enabled: true}", nil, "strict decoding error"},
		{head + "anonymous: {enabled: false, conditions: [{path: /a}]}", nil, "enabled should be set to true"},
		{head + "jwt: [{issuer: {url: 'https://x'}}]", nil, "jwt: no token of another issuer"},
	} {
		got, err := parseConfiguration([]byte(tt.text))
		if !reflect.DeepEqual(got, tt.want) || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %+v, %v, want %+v, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
	file := filepath.Join(t.TempDir(), "none")
	if _, err := ReadConfiguration(file); err == nil {
		t.Error("a missing file was read")
	}
	if err := os.WriteFile(file, []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfiguration(file); err == nil || !strings.HasPrefix(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

// TestModesOfFile: the authorizers of a configuration, and what is wrong with one, as the real server says it.
func TestModesOfFile(t *testing.T) {
	const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n"
	for _, tt := range []struct{ text, want, err string }{
		{head + "authorizers: [{type: RBAC, name: a}]", "RBAC", ""},
		{head + "authorizers: [{type: Node, name: a}, {type: RBAC, name: b}]", "Node RBAC", ""},
		{head, "", "authorizers: at least one"},
		{head + "authorizers: [{type: RBAC}]", "", "authorizers[0].name: Required value"},
		{head + "authorizers: [{type: RBAC, name: a}, {type: RBAC, name: b}]", "", `authorizers[1].type: Duplicate value: "RBAC"`},
		{head + "authorizers: [{type: Webhook, name: a}]", "", `"Webhook" is refused`},
		{head + "authorizers: [{type: RBAC, name: a, webhook: {timeout: 1s}}]", "", "authorizers[0].webhook"},
		{head + "authorizers: [{type: RBAC, name: a, matchConditions: []}]", "", "strict decoding error"},
		{strings.Replace(head, "Authorization", "Authentication", 1), "", "is no AuthorizationConfiguration"},
		{"", "", "is empty"},
	} {
		got, err := parseModes([]byte(tt.text))
		if strings.Join(got, " ") != tt.want || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %q, %v, want %q, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
	if _, err := ReadModes(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file was read")
	}
}

// TestAnonymousPaths: where paths are named, requests without credentials pass there alone; wrong
// credentials pass nowhere.
func TestAnonymousPaths(t *testing.T) {
	nobody := func() *x509.CertPool { return nil }
	a, err := NewAuthenticator(Config{Anonymous: true, AnonymousPaths: []string{"/livez", "/readyz"}}, nobody, nobody, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, passes := range map[string]bool{"/livez": true, "/readyz": true, "/livez/": false, "/healthz": false, "/": false, "/livez/ping": false} {
		r := testRequest(nil)
		r.URL.Path = path
		u, _, err := a.Identify(r)
		if (err == nil) != passes || passes && u != a.AnonymousUser() {
			t.Errorf("%s: %+v %v", path, u, err)
		}
		r = testRequest(nil, "Authorization: Bearer wrong")
		r.URL.Path = path
		if _, _, err := a.Identify(r); err == nil {
			t.Errorf("%s: a wrong token passes", path)
		}
	}
}
