package backend

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestChooseUser goes through upstream's order, most wanted first: each user in turn is taken out, and the next one counts.
func TestChooseUser(t *testing.T) {
	for _, row := range []struct {
		target string
		order  string
	}{
		{"web.ns.svc:443", "web.ns.svc:443 *.ns.svc:443 *.svc:443 web.ns.svc *.ns.svc *.svc * current"},
		{"web.ns.svc:8443", "web.ns.svc:8443 *.ns.svc:8443 *.svc:8443 * current"},
		{"api.example.com:443", "api.example.com:443 *.example.com:443 *.com:443 api.example.com *.example.com *.com * current"},
		{"localhost:443", "localhost:443 localhost * current"},
		{"[::1]:443", "[::1]:443 ::1 * current"},
	} {
		order := strings.Fields(row.order)
		for i := range order {
			var b strings.Builder
			b.WriteString("{current-context: c, contexts: [{name: other, context: {user: nobody}}, {name: c, context: {user: current}}], users: [{name: x.y, user: {token: x}}")
			for _, name := range order[i:] {
				fmt.Fprintf(&b, ", {name: %q, user: {token: %q}}", name, name)
			}
			b.WriteString("]}")
			u, err := ParseUsers([]byte(b.String()), "/")
			if err != nil {
				t.Fatal(err)
			}
			_, h, err := u.identityFor(row.target)
			if got := h.Get("Authorization"); err != nil || got != "Bearer "+order[i] {
				t.Errorf("%s without %v: got %s, %v", row.target, order[:i], got, err)
			}
		}
	}
	u, _ := ParseUsers([]byte("{users: [{name: x.y, user: {token: x}}]}"), "/")
	if c, h, err := u.identityFor("web.ns.svc:443"); c != nil || h != nil || err != nil {
		t.Errorf("nobody is %v %v %v", c, h, err)
	}
}

// TestUserFields reads what a user can say, and what is wrong with one.
func TestUserFields(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, "ca")
	cert, key := ca.pair("me")
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": key, "token": []byte("of-a-file\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	for _, row := range []struct {
		user, header string // header lines, in order, with ; between
		certificate  bool
		wrong        string
	}{
		{"{}", "", false, ""},
		{"{token: a, tokenFile: token}", "Authorization: Bearer a", false, ""},
		{"{tokenFile: token}", "Authorization: Bearer of-a-file", false, ""},
		{"{tokenFile: " + dir + "/token}", "Authorization: Bearer of-a-file", false, ""},
		{"{username: u, password: p}", "Authorization: Basic " + data([]byte("u:p")), false, ""},
		{"{client-certificate: cert.pem, client-key: key.pem}", "", true, ""},
		{"{client-certificate-data: " + data(cert) + ", client-key-data: " + data(key) + ", client-certificate: nowhere, token: a}", "Authorization: Bearer a", true, ""},
		{"{as: bob, as-uid: u, as-groups: [g, h], as-user-extra: {a/b: [c]}}", "Impersonate-Extra-A%2fb: c; Impersonate-Group: g; Impersonate-Group: h; Impersonate-Uid: u; Impersonate-User: bob", false, ""},
		{"{token: a, username: u}", "", false, "username/password or bearer token may be set, but not both"},
		{"{auth-provider: {name: gcp}}", "", false, "auth provider not supported"},
		{"{exec: {command: x}}", "", false, "exec plugins are not supported"},
		{"{tokenFile: nowhere}", "", false, "nowhere: no such file"},
		{"{client-certificate: nowhere}", "", false, "nowhere: no such file"},
		{"{client-certificate: cert.pem}", "", false, "tls: failed to find any PEM data"},
		{"{client-certificate-data: '!'}", "", false, "client-certificate-data: illegal base64"},
	} {
		u, err := ParseUsers([]byte(`{users: [{name: "*", user: `+row.user+`}]}`), dir)
		if err != nil {
			t.Fatal(row.user, err)
		}
		c, h, err := u.identityFor("web.ns.svc:443")
		var lines []string
		for name, values := range h {
			for _, v := range values {
				lines = append(lines, name+": "+v)
			}
		}
		slices.Sort(lines)
		if row.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), row.wrong) {
				t.Errorf("%s: got %v, want %s", row.user, err, row.wrong)
			}
			continue
		}
		if got := strings.Join(lines, "; "); err != nil || !strings.EqualFold(got, row.header) || (c != nil) != row.certificate {
			t.Errorf("%s: got %s, certificate %v, %v", row.user, got, c != nil, err)
		}
	}
}

// TestUsersInvalid refuses what is no kubeconfig, and names without a meaning.
func TestUsersInvalid(t *testing.T) {
	for text, want := range map[string]string{
		"{":                               "",
		"users: [{user: {}}]":             "users[0] has no name",
		"users: [{name: a}, {name: a}]":   `users has the name "a" twice`,
		"[]":                              "is no kubeconfig",
		"":                                "none",
		"users: [{name: a}, {name: b}]\n": "none",
	} {
		_, err := ParseUsers([]byte(text), "/")
		if (err == nil) != (want == "none") || want != "none" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	u, _ := ParseUsers([]byte("users: [{name: a, user: {client-certificate: c, client-key: /k, tokenFile: t}}, {name: b, user: {client-key: /k}}]"), "/d")
	files := u.Files()
	slices.Sort(files)
	if got := strings.Join(files, " "); got != "/d/c /d/t /k" {
		t.Errorf("files %s", got)
	}
}

// TestIdentity lets a webhook see the user for it, an aggregated server the certificate for those, and neither the other's.
// A renewal counts from the next call on.
func TestIdentity(t *testing.T) {
	ca := newAuthority(t, "ca")
	seen := func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		fmt.Fprint(w, name, " ", r.Header.Get("Authorization"))
	}
	address := ca.serve(seen, "web.ns.svc")
	proxy := ca.loaded("proxy")
	cert, key := ca.pair("hook")
	users, err := ParseUsers([]byte(`{users: [{name: "*", user: {token: t, client-certificate-data: `+base64.StdEncoding.EncodeToString(cert)+
		`, client-key-data: `+base64.StdEncoding.EncodeToString(key)+`}}]}`), "/")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Resolve: map[string]string{"web.ns": address}})
	target := Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem}
	hook, conversion, server := s.Use(ValidatingWebhook, "c/w", target), s.Use(ConversionWebhook, "c", target), s.Use(APIServer, "v1.g", target)
	expect := func(b *Backend, want, shown string) {
		t.Helper()
		if got, err := ask(t, within(t, time.Minute), b, 99); got != "OK "+want || b.ShownAs() != shown {
			t.Errorf("%s: got %s, %v, shown as %q, want %s", b.Kind, got, err, b.ShownAs(), want)
		}
	}
	expect(hook, "nobody ", "")
	expect(server, "nobody ", "")
	s.config.Users = func(k Kind) *Users {
		if k == ValidatingWebhook {
			return users
		}
		return nil
	}
	s.config.ClientCertificate = func() *tls.Certificate { return &proxy }
	expect(hook, "nobody ", "")
	s.Renew()
	expect(hook, "hook Bearer t", "certificate+header")
	expect(conversion, "nobody ", "")
	expect(server, "proxy ", "certificate")
}

func FuzzParseUsers(f *testing.F) {
	f.Add([]byte(`{users: [{name: "*", user: {token: t}}]}`))
	f.Add([]byte("current-context: a\ncontexts:\n- name: a\n  context: {user: b}\nusers:\n- name: b\n  user: {as: c, as-groups: [d]}\n"))
	f.Add([]byte("users: [1, {name: 2}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := ParseUsers(text, "/nowhere")
		if err != nil {
			return
		}
		u.Files()
		_ = u.choose("web.ns.svc:443")
	})
}
