package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/auth"
	"apichain/internal/flags"
	"apichain/internal/request"
)

// identity is what a handler learns of who it is, and of the header lines that say so.
type identity struct {
	User  request.User
	Lines []string // names of the header lines that could hold an identity
	Proto []string // Sec-WebSocket-Protocol
}

// whoAmI answers with the identity of its request.
var whoAmI = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	i := identity{User: *UserFrom(r.Context()), Proto: r.Header["Sec-Websocket-Protocol"]}
	for name := range r.Header {
		for _, prefix := range []string{"Authorization", "Impersonate-", "X-Remote-", "X-Fact", "X-Who"} {
			if strings.HasPrefix(name, prefix) {
				i.Lines = append(i.Lines, name)
			}
		}
	}
	slices.Sort(i.Lines)
	_ = json.NewEncoder(w).Encode(i)
})

// String is the user in one line: name, UID, groups, extra.
func (i identity) String() string {
	s := i.User.Name
	if i.User.UID != "" {
		s += "#" + i.User.UID
	}
	s += " " + strings.Join(i.User.Groups, ",")
	var keys []string
	for key := range i.User.Extra {
		if key != "authentication.kubernetes.io/credential-id" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		s += " " + key + "=" + strings.Join(i.User.Extra[key], ",")
	}
	return s
}

// judge is an authorizer that a test decides for.
type judge func(u *request.User, ri *request.Info) auth.Decision

func (j judge) Authorize(_ context.Context, u *request.User, ri *request.Info) auth.Decision {
	return j(u, ri)
}

// as is a client with a certificate; "https" or "h2".
func (r *running) as(kind string, cert *tls.Certificate) *http.Client {
	c := r.client(kind)
	if cert != nil {
		c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*cert}
	}
	return c
}

// testCA signs client certificates.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

// newTestCA is a root without a parent, else an intermediate.
func newTestCA(t testing.TB, parent *testCA) *testCA {
	t.Helper()
	ca := &testCA{pool: x509.NewCertPool()}
	ca.cert, ca.key = signTestCert(t, parent, &x509.Certificate{Subject: pkix.Name{CommonName: "CA of " + t.Name()}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	ca.pool.AddCert(ca.cert)
	return ca
}

func signTestCert(t testing.TB, ca *testCA, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := c, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// pair is a client certificate that the CA has signed, with its key.
func (ca *testCA) pair(t testing.TB, subject pkix.Name) *tls.Certificate {
	t.Helper()
	cert, key := signTestCert(t, ca, &x509.Certificate{Subject: subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// TestWhoIsWho: each sort of credential over a real handshake, alone, beside another and
// against another; what the handler learns, and that no credential gets so far.
func TestWhoIsWho(t *testing.T) {
	dir := t.TempDir()
	clients, proxies, strangers := newTestCA(t, nil), newTestCA(t, nil), newTestCA(t, nil)
	clientCA, proxyCA := filepath.Join(dir, "clients.crt"), filepath.Join(dir, "proxies.crt")
	put(t, clientCA, certPEM(clients.cert))
	put(t, proxyCA, certPEM(proxies.cert))
	carol := clients.pair(t, pkix.Name{CommonName: "carol", Organization: []string{"ops", request.GroupMasters}})
	dave := clients.pair(t, pkix.Name{CommonName: "dave", Organization: []string{"dev"}})
	nameless := clients.pair(t, pkix.Name{Organization: []string{request.GroupMasters}})
	front := proxies.pair(t, pkix.Name{CommonName: "front"})
	rogue := proxies.pair(t, pkix.Name{CommonName: "rogue"})
	stranger := strangers.pair(t, pkix.Name{CommonName: "root", Organization: []string{request.GroupMasters}})
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/who", whoAmI)
		s.program.authz = auth.Authorizers{open("/who"), s.program.authz}
	}, "--client-ca-file="+clientCA, "--requestheader-client-ca-file="+proxyCA, "--requestheader-allowed-names=front", "--requestheader-username-headers=X-Who,X-Remote-User",
		"--requestheader-uid-headers=X-Who-Id", "--requestheader-group-headers=X-Remote-Group,X-Who-Group", "--requestheader-extra-headers-prefix=X-Fact-")
	const no = "401"
	token := func(s string) string {
		return "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(s))
	}
	for _, c := range []struct {
		name   string
		cert   *tls.Certificate
		header []string
		want   string
		lines  string // what is left, where it is not nothing
	}{
		{"nobody", nil, nil, "system:anonymous system:unauthenticated", ""},
		{"token", nil, []string{"Authorization: Bearer admin-token"}, "admin#1 system:masters,system:authenticated", ""},
		{"token, odd case", nil, []string{"Authorization: BEARER alice-token"}, "alice#2 dev,system:authenticated", ""},
		{"token, no groups", nil, []string{"Authorization: Bearer bob-token"}, "bob#3 system:authenticated", ""},
		{"token, something behind it", nil, []string{"Authorization: Bearer alice-token and more"}, "alice#2 dev,system:authenticated", ""},
		{"token, spaces around", nil, []string{"Authorization:   Bearer alice-token  "}, "alice#2 dev,system:authenticated", ""},
		{"token, two spaces", nil, []string{"Authorization: Bearer  alice-token"}, "system:anonymous system:unauthenticated", ""},
		{"token, empty", nil, []string{"Authorization: Bearer "}, "system:anonymous system:unauthenticated", ""},
		{"token, a tab", nil, []string{"Authorization: Bearer\talice-token"}, "system:anonymous system:unauthenticated", ""},
		{"token, quoted", nil, []string{`Authorization: Bearer "alice-token"`}, no, ""},
		{"token, a prefix", nil, []string{"Authorization: Bearer alice-toke"}, no, ""},
		{"token, a part more", nil, []string{"Authorization: Bearer alice-token1"}, no, ""},
		{"token, other case", nil, []string{"Authorization: Bearer Alice-token"}, no, ""},
		{"token, comma", nil, []string{"Authorization: Bearer alice-token,"}, no, ""},
		{"basic", nil, []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:alice-token"))}, "system:anonymous system:unauthenticated", ""},
		{"token in the query", nil, []string{"?access_token=admin-token"}, "system:anonymous system:unauthenticated", ""},
		{"token in a cookie", nil, []string{"Cookie: token=admin-token; access_token=admin-token"}, "system:anonymous system:unauthenticated", ""},
		{"token of another header", nil, []string{"Proxy-Authorization: Bearer admin-token", "X-Auth-Token: admin-token"}, "system:anonymous system:unauthenticated", ""},

		{"certificate", dave, nil, "dave dev,system:authenticated", ""},
		{"certificate of a master", carol, nil, "carol ops,system:masters,system:authenticated", ""},
		{"certificate without a name", nameless, nil, no, ""},
		{"certificate of a stranger", stranger, nil, no, ""},
		{"certificate and token", dave, []string{"Authorization: Bearer admin-token"}, "dave dev,system:authenticated", ""},
		{"certificate and wrong token", dave, []string{"Authorization: Bearer wrong"}, "dave dev,system:authenticated", ""},
		{"wrong certificate and token", stranger, []string{"Authorization: Bearer alice-token"}, "alice#2 dev,system:authenticated", ""},
		{"certificate, forged front proxy", dave, []string{"X-Remote-User: root", "X-Remote-Group: system:masters", "X-Who: root", "X-Fact-A: b"}, "dave dev,system:authenticated", ""},

		{"front proxy", front, []string{"X-Remote-User: erin"}, "erin system:authenticated", ""},
		{"front proxy, all", front, []string{"X-Who: frank", "X-Who-Id: 9", "X-Remote-Group: a", "X-Who-Group: b", "X-Fact-Team: red", "X-Fact-Example.com%2fkey: v"}, "frank#9 a,b,system:authenticated example.com/key=v team=red", ""},
		{"front proxy, first header", front, []string{"X-Who: grace", "X-Remote-User: heidi"}, "grace system:authenticated", ""},
		{"front proxy for a master", front, []string{"X-Who: root", "X-Remote-Group: system:masters"}, "root system:masters,system:authenticated", ""},
		{"front proxy, extra by the default prefix", front, []string{"X-Who: ivan", "X-Remote-Extra-Scope: x"}, "ivan system:authenticated", ""},
		{"front proxy that names nobody", front, nil, no, ""},
		{"front proxy that names nobody, token", front, []string{"Authorization: Bearer alice-token"}, "alice#2 dev,system:authenticated", ""},
		{"another's certificate", rogue, []string{"X-Remote-User: root"}, no, ""},
		{"no certificate", nil, []string{"X-Remote-User: root", "X-Remote-Group: system:masters", "X-Who: root", "X-Who-Id: 0", "X-Who-Group: system:masters", "X-Fact-A: b", "X-Remote-Extra-A: b", "X-Remote-Uid: 0"}, "system:anonymous system:unauthenticated", ""},
		{"token, forged front proxy", nil, []string{"Authorization: Bearer alice-token", "X-Who: root", "X-Remote-Group: system:masters"}, "alice#2 dev,system:authenticated", ""},
		{"what only looks alike", nil, []string{"X-Whose: stays", "X-Remote-Users: stays", "X-Factor: stays"}, "system:anonymous system:unauthenticated", "X-Factor X-Remote-Users X-Whose"},
	} {
		for _, kind := range []string{"https", "h2"} {
			path := "/who"
			header := []string{"Authorization:"}
			for _, line := range c.header {
				if query, ok := strings.CutPrefix(line, "?"); ok {
					path += "?" + query
					continue
				}
				header = append(header, line)
			}
			got, err := r.send(r.as(kind, c.cert), kind, "GET", path, nil, header...)
			if err != nil {
				t.Errorf("%s, %s: %v", kind, c.name, err)
				continue
			}
			if c.want == no {
				if got.status != 401 {
					t.Errorf("%s, %s: got %d %s, want 401", kind, c.name, got.status, got.body)
				}
				continue
			}
			var i identity
			if err := json.Unmarshal([]byte(got.body), &i); err != nil || i.String() != c.want || strings.Join(i.Lines, " ") != c.lines {
				t.Errorf("%s, %s: got %d %q, lines %q; want %q, %q", kind, c.name, got.status, i, i.Lines, c.want, c.lines)
			}
			if id := i.User.Extra["authentication.kubernetes.io/credential-id"]; c.cert == dave && (len(id) != 1 || !strings.HasPrefix(id[0], "X509SHA256=")) {
				t.Errorf("%s, %s: credential ID %q", kind, c.name, id)
			}
		}
	}
	// A websocket's token; HTTP/2 has no Upgrade.
	for protocols, want := range map[string]string{
		"v4, " + token("alice-token"): "alice#2 dev,system:authenticated [v4]", token("alice-token") + ",v5,v4": "alice#2 dev,system:authenticated [v5,v4]",
		token("alice-token"): no, "v4, " + token("wrong"): no, "v4": "system:anonymous system:unauthenticated [v4]",
	} {
		got, err := r.send(r.client("https"), "https", "GET", "/who", nil, "Authorization:", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Protocol: "+protocols)
		var i identity
		_ = json.Unmarshal([]byte(got.body), &i)
		if text := fmt.Sprint(i, " ", i.Proto); err != nil || (want == no) != (got.status == 401) || want != no && text != want {
			t.Errorf("websocket %s: got %d %s %v, want %s", protocols, got.status, text, err, want)
		}
	}
}

// TestImpersonationThrough: as whom a request acts, what is asked for and refused, and
// who is judged, counted and recorded in the end.
func TestImpersonationThrough(t *testing.T) {
	args, log := auditFiles(t, "rules:\n- level: Metadata\n")
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/who", whoAmI)
		may := judge(func(u *request.User, ri *request.Info) auth.Decision {
			switch {
			case ri.Path == "/who":
				return auth.Decision{Verdict: auth.Allow, Reason: "the test says so"}
			case u.Name == "alice" && ri.Verb == "impersonate" && (ri.Resource == "users" && ri.Name == "bob" || ri.Resource == "serviceaccounts" && ri.Namespace == "n" || ri.Resource == "userextras" && ri.Subresource == "scopes" && ri.Name == "read"):
				return auth.Decision{Verdict: auth.Allow, Reason: "the test says so"}
			}
			return auth.Decision{}
		})
		s.program.authz = auth.Authorizers{may, s.program.authz}
	}, args...)
	const alice = "Authorization: Bearer alice-token"
	for _, c := range []struct {
		name   string
		header []string
		code   int
		want   string // the user, or what the refusal says
	}{
		{"nobody else", []string{alice}, 200, "alice#2 dev,system:authenticated"},
		{"a user", []string{alice, "Impersonate-User: bob"}, 200, "bob system:authenticated"},
		{"another user", []string{alice, "Impersonate-User: carol"}, 403, `users \"carol\" is forbidden: User \"alice\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope`},
		{"with a group", []string{alice, "Impersonate-User: bob", "Impersonate-Group: dev"}, 403, `groups \"dev\" is forbidden`},
		{"of the masters", []string{alice, "Impersonate-User: bob", "Impersonate-Group: system:masters"}, 403, `groups \"system:masters\" is forbidden`},
		{"with a UID", []string{alice, "Impersonate-User: bob", "Impersonate-Uid: 1"}, 403, `uids.authentication.k8s.io \"1\" is forbidden`},
		{"with an extra", []string{alice, "Impersonate-User: bob", "Impersonate-Extra-Scopes: read"}, 200, "bob system:authenticated scopes=read"},
		{"with an extra of other case", []string{alice, "Impersonate-User: bob", "impersonate-extra-SCOPES: read"}, 200, "bob system:authenticated scopes=read"},
		{"with another value", []string{alice, "Impersonate-User: bob", "Impersonate-Extra-Scopes: write"}, 403, `resource \"userextras/scopes\"`},
		{"a service account", []string{alice, "Impersonate-User: system:serviceaccount:n:a"}, 200, "system:serviceaccount:n:a system:serviceaccounts,system:serviceaccounts:n,system:authenticated"},
		{"a service account elsewhere", []string{alice, "Impersonate-User: system:serviceaccount:m:a"}, 403, `serviceaccounts \"a\" is forbidden: User \"alice\" cannot impersonate resource \"serviceaccounts\" in API group \"\" in the namespace \"m\"`},
		{"a node", []string{alice, "Impersonate-User: system:node:a"}, 403, `users \"system:node:a\" is forbidden`},
		{"a node, by a master", []string{"Impersonate-User: system:node:a", "Impersonate-Group: system:nodes"}, 200, "system:node:a system:nodes,system:authenticated"},
		{"anonymous, by a master", []string{"Impersonate-User: system:anonymous"}, 200, "system:anonymous system:unauthenticated"},
		{"a user, extra and UID, by a master", []string{"Impersonate-User: x", "Impersonate-Uid: 7", "Impersonate-Extra-A%2fb: c"}, 200, "x#7 system:authenticated a/b=c"},
		{"a group alone", []string{"Impersonate-Group: a"}, 400, "requested [{Group  a    }] without impersonating a user"},
		{"by nobody", []string{"Authorization:", "Impersonate-User: bob"}, 403, `User \"system:anonymous\" cannot impersonate`},
		{"with wrong credentials", []string{"Authorization: Bearer wrong", "Impersonate-User: bob"}, 401, "Unauthorized"},
		{"what only looks alike", []string{"Impersonate-Users: bob"}, 200, "admin#1 system:masters,system:authenticated"},
	} {
		for _, kind := range []string{"https", "h2"} {
			got := r.get(kind, "/who", append(slices.Clone(c.header), "Audit-ID: "+kind+" "+c.name)...)
			text := got.body
			if got.status == 200 {
				var i identity
				if err := json.Unmarshal([]byte(got.body), &i); err != nil {
					t.Fatal(err)
				}
				if text = i.String(); len(i.Lines) > 0 && c.name != "what only looks alike" {
					t.Errorf("%s: the handler still sees %q", c.name, i.Lines)
				}
			}
			if got.status != c.code || (c.code == 200 && text != c.want) || !strings.Contains(text, c.want) {
				t.Errorf("%s, %s: got %d %s, want %d %s", kind, c.name, got.status, text, c.code, c.want)
			}
		}
	}
	for _, kind := range []string{"http", "h2c"} { // nobody is asked there, and nobody acts as another
		got := r.get(kind, "/who", "Impersonate-User: bob", "Impersonate-Group: x", "X-Remote-User: eve")
		var i identity
		if err := json.Unmarshal([]byte(got.body), &i); err != nil || i.User.Name != request.UserUnsecured {
			t.Errorf("%s: got %d %s", kind, got.status, got.body)
		}
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	events := readAudit(t, log)
	for id, want := range map[string]string{"a user": "alice as bob", "another user": "alice", "a service account": "alice as system:serviceaccount:n:a", "with a group": "alice", "a group alone": "admin"} {
		list := events["https "+id]
		if len(list) != 2 {
			t.Errorf("%s: %d events", id, len(list))
			continue
		}
		e := list[1]
		who := e.User.Username
		if e.ImpersonatedUser != nil {
			who += " as " + e.ImpersonatedUser.Username
		}
		if who != want {
			t.Errorf("%s: recorded as %q, want %q", id, who, want)
		}
	}
}

func TestAuthenticationFlags(t *testing.T) {
	f := flags.New("test", &authenticationOptions{})
	p, err := f.Parse([]string{"--requestheader-username-headers=X Y", "--requestheader-uid-headers=Ü", "--requestheader-group-headers=a:b,ok", "--requestheader-extra-headers-prefix=X-\x01"})
	if err != nil {
		t.Fatal(err)
	}
	if len(p) != 4 {
		t.Fatalf("problems: %q, want 4", p)
	}
	for i, flag := range []string{"username-headers", "uid-headers", "group-headers", "extra-headers-prefix"} {
		if !strings.HasPrefix(p[i], "--requestheader-"+flag+": ") {
			t.Errorf("problem %q does not begin with the flag %s", p[i], flag)
		}
	}
}

// TestNobodyWanted: with --anonymous-auth=false whoever does not say who it is gets 401,
// health included.
func TestNobodyWanted(t *testing.T) {
	r := startProgram(t, nil, "--anonymous-auth=false")
	for _, kind := range []string{"https", "h2"} {
		for _, path := range []string{"/healthz", "/livez", "/version", "/nowhere"} {
			if got := r.get(kind, path, "Authorization:"); got.status != 401 {
				t.Errorf("%s %s: got %d, want 401", kind, path, got.status)
			}
		}
		if got := r.get(kind, "/healthz", "Authorization: Bearer bob-token"); got.status != 200 {
			t.Errorf("%s: somebody known: got %d", kind, got.status)
		}
	}
	if got := r.get("http", "/healthz"); got.status != 200 {
		t.Errorf("plain: got %d", got.status)
	}
}

// TestAuthorizerFails: an authorizer that cannot decide is a 500 in upstream's words,
// logged with its cause, unless another allows.
func TestAuthorizerFails(t *testing.T) {
	log := &lines{}
	p := newTestProgramLog(t, log, "--token-auth-file=testdata/tokens.csv")
	p.authz = auth.Authorizers{judge(func(*request.User, *request.Info) auth.Decision { return auth.Decision{Err: io.ErrUnexpectedEOF} }), auth.DefaultAuthorizer()}
	w := p.through("https", "GET", "/x<y>?a=b", "Authorization: Bearer alice-token", "Audit-ID: mine")
	if want := "Internal Server Error: \"/x%3Cy%3E?a=b\": unexpected EOF\n"; w.Code != 500 || w.Body.String() != want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d %q, want 500 %q", w.Code, w.Body, want)
	}
	if !log.has("auditID=mine") || !log.has("unexpected EOF") {
		t.Errorf("the log does not tell:\n%s", log)
	}
	if w := p.through("https", "GET", "/nowhere", "Authorization: Bearer admin-token"); w.Code == 500 {
		t.Errorf("a master: got %d %s", w.Code, w.Body)
	}
	p.authz = judge(func(*request.User, *request.Info) auth.Decision {
		return auth.Decision{Verdict: auth.Deny, Reason: "not on Sundays"}
	})
	if w := p.through("https", "GET", "/healthz", "Authorization: Bearer admin-token"); w.Code != 403 || !strings.Contains(w.Body.String(), `cannot get path \"/healthz\": not on Sundays`) {
		t.Errorf("denied: got %d %s", w.Code, w.Body)
	}
}

// TestOutsideTheChain: what handlers ask of a context that belongs to no request.
func TestOutsideTheChain(t *testing.T) {
	if u := UserFrom(t.Context()); u == nil || u.Name != "" || u.In(request.GroupAuthenticated) {
		t.Errorf("UserFrom: %+v, want a user without a name", u)
	}
	if i := RequestInfoFrom(t.Context()); i == nil || *i != (request.Info{}) {
		t.Errorf("RequestInfoFrom: %+v, want an empty one", i)
	}
	if (*request.User)(nil).In(request.GroupMasters) {
		t.Error("no user at all is a master")
	}
}
