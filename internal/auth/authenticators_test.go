package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"apichain/internal/request"
	"apichain/internal/status"
)

// authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

// newAuthority is a root without a parent, else an intermediate.
func newAuthority(t testing.TB, parent *authority) *authority {
	t.Helper()
	ca := &authority{pool: x509.NewCertPool()}
	ca.cert, ca.key = signCertificate(t, parent, &x509.Certificate{Subject: pkix.Name{CommonName: "CA of " + t.Name()}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	ca.pool.AddCert(ca.cert)
	return ca
}

// client is a certificate for client authentication, unless edit makes it another.
func (ca *authority) client(t testing.TB, subject pkix.Name, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{Subject: subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if edit != nil {
		edit(c)
	}
	cert, _ := signCertificate(t, ca, c)
	return cert
}

func signCertificate(t testing.TB, ca *authority, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
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

// testConfig is what the program has without flags, with the fields that the arguments set
// by their flags' names: --NAME=VALUE,VALUE.
func testConfig(t testing.TB, args ...string) Config {
	t.Helper()
	c := Config{Anonymous: true, UserHeaders: []string{"X-Remote-User"}, GroupHeaders: []string{"X-Remote-Group"}, ExtraPrefixes: []string{"X-Remote-Extra-"}}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		list := strings.Split(value, ",")
		switch name {
		case "token-auth-file":
			c.TokenFile = value
		case "anonymous-auth":
			c.Anonymous = value == "true"
		case "requestheader-allowed-names":
			c.ProxyNames = list
		case "requestheader-username-headers":
			c.UserHeaders = list
		case "requestheader-uid-headers":
			c.UIDHeaders = list
		case "requestheader-group-headers":
			c.GroupHeaders = list
		case "requestheader-extra-headers-prefix":
			c.ExtraPrefixes = list
		default:
			t.Fatalf("no field is set by %s", arg)
		}
	}
	return c
}

// newTestAuthenticator takes arguments of testConfig; nil CAs are none.
func newTestAuthenticator(t testing.TB, clients, proxies *authority, tokens map[string]*request.User, args ...string) *Authenticator {
	t.Helper()
	pool := func(ca *authority) func() *x509.CertPool {
		return func() *x509.CertPool {
			if ca == nil {
				return nil
			}
			return ca.pool
		}
	}
	a, err := NewAuthenticator(testConfig(t, args...), pool(clients), pool(proxies), tokens)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request has header lines "Name: value" and the certificates of the handshake.
func testRequest(chain []*x509.Certificate, lines ...string) *http.Request {
	r := httptest.NewRequest("GET", "https://x/api", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: chain}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return r
}

func TestAuthenticate(t *testing.T) {
	clients, proxies, strangers := newAuthority(t, nil), newAuthority(t, nil), newAuthority(t, nil)
	cert := func(c *x509.Certificate) []*x509.Certificate { return []*x509.Certificate{c} }
	alice := cert(clients.client(t, pkix.Name{CommonName: "alice", Organization: []string{"dev"}}, nil))
	nameless := cert(clients.client(t, pkix.Name{Organization: []string{"dev"}}, nil))
	proxy := cert(proxies.client(t, pkix.Name{CommonName: "front"}, nil))
	otherProxy := cert(proxies.client(t, pkix.Name{CommonName: "other"}, nil))
	stranger := cert(strangers.client(t, pkix.Name{CommonName: "alice"}, nil))
	expired := cert(clients.client(t, pkix.Name{CommonName: "alice"}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
	server := cert(clients.client(t, pkix.Name{CommonName: "alice"}, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))

	tokens := map[string]*request.User{
		"good":   {Name: "bob", UID: "7", Groups: []string{"ops"}},
		"authed": {Name: "carol", Groups: []string{request.GroupAuthenticated}},
		"unauth": {Name: "dave", Groups: []string{request.GroupUnauthenticated}},
		"anon":   {Name: request.UserAnonymous},
	}
	const upgrade, ws = "Upgrade: WebSocket", "Sec-WebSocket-Protocol: "
	const connection = "Connection: keep-alive, Upgrade"
	const wsGood = webSocketTokenPrefix + "Z29vZA" // good
	const spaced = "the provided Authorization header contains extra space before the bearer token, and is ignored"
	const no = "401"
	a := newTestAuthenticator(t, clients, proxies, tokens, "--requestheader-allowed-names=front,front2", "--requestheader-uid-headers=X-Remote-Uid")
	closed := newTestAuthenticator(t, clients, proxies, tokens, "--anonymous-auth=false")
	bare := newTestAuthenticator(t, nil, nil, nil)
	for _, tc := range []struct {
		name      string
		a         *Authenticator
		chain     []*x509.Certificate
		lines     []string
		want      string // name and groups
		warning   string
		attempted string // of a 401
	}{
		{"nobody", a, nil, nil, "system:anonymous system:unauthenticated", "", ""},
		{"nobody, not wanted", closed, nil, nil, no, "", ""},
		{"token", a, nil, []string{"Authorization: Bearer good"}, "bob ops system:authenticated", "", ""},
		{"token, anonymous off", closed, nil, []string{"Authorization: Bearer good"}, "bob ops system:authenticated", "", ""},
		{"token of an authenticated", a, nil, []string{"Authorization: Bearer authed"}, "carol system:authenticated", "", ""},
		{"token of an unauthenticated", a, nil, []string{"Authorization: Bearer unauth"}, "dave system:unauthenticated", "", ""},
		{"token of nobody", a, nil, []string{"Authorization: Bearer anon"}, "system:anonymous", "", ""},
		{"wrong token", a, nil, []string{"Authorization: Bearer bad"}, no, "", "bearer"},
		{"spaces in front of a token", a, nil, []string{"Authorization: Bearer  good"}, "system:anonymous system:unauthenticated", spaced, ""},
		{"spaces in front of a token, anonymous off", closed, nil, []string{"Authorization: Bearer  good"}, no, spaced, ""},
		{"another scheme", a, nil, []string{"Authorization: Basic Z29vZA=="}, "system:anonymous system:unauthenticated", "", ""},
		{"first header line", a, nil, []string{"Authorization: Bearer good", "Authorization: Bearer bad"}, "bob ops system:authenticated", "", ""},

		{"certificate", a, alice, nil, "alice dev system:authenticated", "", ""},
		{"certificate before token", a, alice, []string{"Authorization: Bearer good"}, "alice dev system:authenticated", "", ""},
		{"certificate before wrong token", a, alice, []string{"Authorization: Bearer bad"}, "alice dev system:authenticated", "", ""},
		{"certificate of nobody", closed, nameless, nil, no, "", "front-proxy"},
		{"certificate of a stranger", a, stranger, nil, no, "", "front-proxy, x509"},
		{"certificate expired", a, expired, nil, no, "", "front-proxy, x509"},
		{"certificate of a server", a, server, nil, no, "", "front-proxy, x509"},
		{"wrong certificate, right token", a, stranger, []string{"Authorization: Bearer good"}, "bob ops system:authenticated", "", ""},
		{"wrong certificate and token", a, stranger, []string{"Authorization: Bearer bad"}, no, "", "front-proxy, x509, bearer"},
		{"certificate, no CA", bare, alice, nil, "system:anonymous system:unauthenticated", "", ""},

		{"front proxy", a, proxy, []string{"X-Remote-User: eve", "X-Remote-Group: g1", "X-Remote-Group: ", "X-Remote-Group: g2"}, "eve g1 g2 system:authenticated", "", ""},
		{"front proxy before token", a, proxy, []string{"X-Remote-User: eve", "Authorization: Bearer good"}, "eve system:authenticated", "", ""},
		{"front proxy for nobody", a, proxy, []string{"X-Remote-User: system:anonymous", "X-Remote-Group: system:unauthenticated"}, "system:anonymous system:unauthenticated", "", ""},
		{"front proxy without user, right token", a, proxy, []string{"X-Remote-Group: g1", "Authorization: Bearer good"}, "bob ops system:authenticated", "", ""},
		{"front proxy without user", a, proxy, nil, no, "", "x509"},
		{"front proxy of another name", a, otherProxy, []string{"X-Remote-User: eve"}, no, "", "front-proxy, x509"},
		{"front proxy, any name", closed, otherProxy, []string{"X-Remote-User: eve"}, "eve system:authenticated", "", ""},
		{"headers of a client", a, alice, []string{"X-Remote-User: eve", "X-Remote-Group: system:masters"}, "alice dev system:authenticated", "", ""},
		{"headers of nobody", a, nil, []string{"X-Remote-User: eve", "X-Remote-Group: system:masters"}, "system:anonymous system:unauthenticated", "", ""},

		{"websocket", a, nil, []string{upgrade, connection, ws + "v4, " + wsGood}, "bob ops system:authenticated", "", ""},
		{"websocket, wrong token", a, nil, []string{upgrade, connection, ws + "v4, " + webSocketTokenPrefix + "YmFk"}, no, "", "websocket"},
		{"websocket, padding", a, nil, []string{upgrade, connection, ws + "v4, " + wsGood + "=="}, no, "", "websocket"},
		{"websocket, not UTF-8", a, nil, []string{upgrade, connection, ws + "v4, " + webSocketTokenPrefix + "_w"}, no, "", "websocket"},
		{"websocket, token alone", a, nil, []string{upgrade, connection, ws + wsGood}, no, "", "websocket"},
		{"websocket, two tokens", a, nil, []string{upgrade, connection, ws + wsGood, ws + "v4," + wsGood}, no, "", "websocket"},
		{"websocket, no token", a, nil, []string{upgrade, connection, ws + "v4"}, "system:anonymous system:unauthenticated", "", ""},
		{"websocket, empty token", a, nil, []string{upgrade, connection, ws + "v4, " + webSocketTokenPrefix}, "system:anonymous system:unauthenticated", "", ""},
		{"no websocket", a, nil, []string{connection, ws + "v4, " + wsGood}, "system:anonymous system:unauthenticated", "", ""},
		{"no upgrade", a, nil, []string{upgrade, ws + "v4, " + wsGood}, "system:anonymous system:unauthenticated", "", ""},
		{"token before websocket", a, nil, []string{upgrade, connection, ws + "v4, " + webSocketTokenPrefix + "YmFk", "Authorization: Bearer good"}, "bob ops system:authenticated", "", ""},
		{"wrong token, right websocket", a, nil, []string{upgrade, connection, ws + "v4, " + wsGood, "Authorization: Bearer bad"}, "bob ops system:authenticated", "", ""},
	} {
		u, warning, err := tc.a.Authenticate(testRequest(tc.chain, tc.lines...))
		got := no
		if u != nil {
			got = strings.Join(append([]string{u.Name}, u.Groups...), " ")
		}
		if got != tc.want || warning != tc.warning || (err != nil) != (tc.want == no) {
			t.Errorf("%s: %s, warning %q, error %v; want %s, %q", tc.name, got, warning, err, tc.want, tc.warning)
		}
		if err == nil {
			continue
		}
		var e *status.Error
		var cause *attemptsError
		if !errors.As(err, &e) || !errors.As(err, &cause) {
			t.Errorf("%s: error %T without a cause", tc.name, err)
			continue
		}
		_, body := e.Body(false)
		if want := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}` + "\n"; string(body) != want || e.Code != 401 {
			t.Errorf("%s: %d %s", tc.name, e.Code, body)
		}
		if got := strings.Join(cause.attempted, ", "); got != tc.attempted {
			t.Errorf("%s: attempted %q, want %q", tc.name, got, tc.attempted)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than a line for the log: %q", tc.name, err)
		}
	}
	if success, failure, failed := closed.Attempts(); success != 2 || failure != 2 || failed != 1 {
		t.Errorf("attempts with success, failure, error: %d %d %d, want 2 2 1", success, failure, failed)
	}
}

// TestAuthenticateClearsHeaders: what stands behind must not see credentials, nor take a
// client's word for who it is.
func TestAuthenticateClearsHeaders(t *testing.T) {
	a := newTestAuthenticator(t, nil, nil, map[string]*request.User{"good": {Name: "bob"}},
		"--requestheader-username-headers=X-Who", "--requestheader-group-headers=x-CLUB,X-Remote-Group", "--requestheader-extra-headers-prefix=X-Fact-")
	const lines = "X-Remote-User: a|X-Remote-Uid: a|X-Remote-Group: a|X-Remote-Extra-Foo: a|X-Remote-Extra-: a|X-Who: a|X-Club: a|X-Fact-Foo: a|" +
		"Sec-WebSocket-Protocol: v4, " + webSocketTokenPrefix + "Z29vZA|Sec-WebSocket-Protocol: v5|X-Remote-Users: stays|X-Fact: stays|X-Remote-Extra: stays"
	for _, authorization := range []string{"Bearer good", "Basic Z29vZA==", ""} {
		r := testRequest(nil, append(strings.Split(lines, "|"), "Authorization: "+authorization)...)
		if _, _, err := a.Authenticate(r); err != nil {
			t.Errorf("%q: %v", authorization, err)
		}
		want := http.Header{"X-Remote-Users": {"stays"}, "X-Fact": {"stays"}, "X-Remote-Extra": {"stays"}, headerWebSocketProtocol: {"v4,v5"}}
		if !reflect.DeepEqual(r.Header, want) {
			t.Errorf("%q: left %v, want %v", authorization, r.Header, want)
		}
	}
	r := testRequest(nil, "Authorization: Bearer good", "Sec-WebSocket-Protocol: "+webSocketTokenPrefix+"Z29vZA")
	if _, _, err := a.Authenticate(r); err != nil || len(r.Header) != 0 {
		t.Errorf("error %v, left %v, want nothing", err, r.Header)
	}
	r = testRequest(nil, "Authorization: Bearer bad", "X-Remote-User: a")
	if _, _, err := a.Authenticate(r); err == nil || len(r.Header) != 2 {
		t.Errorf("error %v, left %v; a refused request is left as it is, for the audit event", err, r.Header)
	}
}

func TestFrontProxyUser(t *testing.T) {
	ca := newAuthority(t, nil)
	chain := []*x509.Certificate{ca.client(t, pkix.Name{CommonName: "front"}, nil)}
	user := func(name, uid string, extra map[string][]string, groups ...string) *request.User {
		return &request.User{Name: name, UID: uid, Groups: append(groups, request.GroupAuthenticated), Extra: extra}
	}
	for _, tc := range []struct {
		name  string
		args  string
		lines string
		want  *request.User // nil: not by the front proxy
	}{
		{"empty", "", "", nil},
		{"user", "", "X-Remote-User: Bob", user("Bob", "", nil)},
		{"no user by another name", "", "Prefixed-X-Remote-User-With-Suffix: Bob|X-Remote-User-With-Suffix: Bob", nil},
		{"first header with a value", "--requestheader-username-headers=X-Remote-User,A-Second,Another",
			"X-Remote-User: |X-Remote-User: second value|A-Second: two|A-Second: two again|Another: three", user("two", "", nil)},
		{"case", "--requestheader-username-headers=x-REMOTE-user --requestheader-group-headers=X-REMOTE-Group", "X-Remote-User: Bob|X-Remote-Group: Users", user("Bob", "", nil, "Users")},
		{"groups", "--requestheader-group-headers=X-Remote-Group-1,X-Remote-Group-2",
			"X-Remote-User: Bob|X-Remote-Group-2: two-a|X-Remote-Group-2: two-b|X-Remote-Group-1: one-a|X-Remote-Group-1: one-b", user("Bob", "", nil, "one-a", "one-b", "two-a", "two-b")},
		{"UID is off", "", "X-Remote-User: Bob|X-Remote-Uid: 1", user("Bob", "", nil)},
		{"UID", "--requestheader-uid-headers=X-Other,X-Remote-Uid", "X-Remote-User: Bob|X-Remote-Uid: 1", user("Bob", "1", nil)},
		{"extra", "--requestheader-extra-headers-prefix=X-Remote-Extra-1-,x-remote-EXTRA-2-",
			"X-Remote-User: Bob|X-Remote-Extra-2-Key1: echo|X-Remote-Extra-2-Key1: foxtrot|X-Remote-Extra-1-Key1: alfa|X-Remote-Extra-1-Key1: bravo|X-Remote-Extra-2-Key2: golf|X-Remote-Extra-1-: india|X-Remote-Extra-2-: kilo",
			user("Bob", "", map[string][]string{"key1": {"alfa", "bravo", "echo", "foxtrot"}, "key2": {"golf"}, "": {"india", "kilo"}})},
		{"escaped keys", "", "X-Remote-User: Bob|X-Remote-Extra-Percent%20encoded: a|X-Remote-Extra-Almost%zzpercent%xxencoded: b|X-Remote-Extra-Example.com%2fpercent%2520encoded: c|" +
			"X-Remote-Extra-Example.com%2F%E4%BB%8A%E6%97%A5%E3%81%AF: d|X-Remote-Extra-Abc123!#$+.-_*^`~|X-Remote-Extra-A'B: e",
			user("Bob", "", map[string][]string{"percent encoded": {"a"}, "almost%zzpercent%xxencoded": {"b"}, "example.com/percent%20encoded": {"c"}, "example.com/今日は": {"d"}, "abc123!#$+.-_*^`~": {""}, "a'b": {"e"}})},
	} {
		a := newTestAuthenticator(t, nil, ca, nil, strings.Fields(tc.args)...)
		var lines []string
		if tc.lines != "" {
			lines = strings.Split(tc.lines, "|")
		}
		got, err := a.proxies.authenticate(testRequest(chain, lines...))
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: error %v\n got %+v\nwant %+v", tc.name, err, got, tc.want)
		}
	}
}

func TestTokenFile(t *testing.T) {
	const sample = "token1,user1,uid1\ntoken2,user2,uid2\ntoken3,user3,uid3,\"group1,group2\"\n"
	for _, tc := range []struct {
		name, text string
		want       map[string]*request.User
		notes, err string
	}{
		{"sample", sample, map[string]*request.User{
			"token1": {Name: "user1", UID: "uid1"},
			"token2": {Name: "user2", UID: "uid2"},
			"token3": {Name: "user3", UID: "uid3", Groups: []string{"group1", "group2"}},
		}, "", ""},
		{"empty", "", map[string]*request.User{}, "", ""},
		{"more columns", "t,u,1,g,x\n", map[string]*request.User{"t": {Name: "u", UID: "1", Groups: []string{"g"}}}, "", ""},
		{"no groups", "t,u,1,\n", map[string]*request.User{"t": {Name: "u", UID: "1"}}, "", ""},
		{"no last newline", "t,u,1", map[string]*request.User{"t": {Name: "u", UID: "1"}}, "", ""},
		{"few columns", sample + "token4,user4\n", nil, "", "token file NAME: line 4: want at least 3 columns (token, user, uid), found 2"},
		{"quote", sample + "a\"b,u,1\n", nil, "", "token file NAME: line 4: bare \" in non-quoted-field"},
		{"open quote", "t,u,1,\"a\n\nb\n", nil, "", "token file NAME: line 1: extraneous or missing \" in quoted-field"},
		{"no token", ",user5,uid5\nt,u,1\n", map[string]*request.User{"t": {Name: "u", UID: "1"}}, "token file NAME: line 1: no token, the line is left out", ""},
		{"twice", "\nt,a,1\n\nt,b,2\n", map[string]*request.User{"t": {Name: "b", UID: "2"}}, "token file NAME: line 4: a token that stands further up, this line counts", ""},
	} {
		name := filepath.Join(t.TempDir(), "tokens.csv")
		if err := os.WriteFile(name, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, notes, err := readTokenFile(name)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if want := strings.ReplaceAll(tc.err, "NAME", name); text != want || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, error %q; want %v, %q", tc.name, got, text, tc.want, want)
		}
		if got, want := strings.Join(notes, "|"), strings.ReplaceAll(tc.notes, "NAME", name); got != want {
			t.Errorf("%s: notes %q, want %q", tc.name, got, want)
		}
	}
	if _, err := NewAuthenticator(Config{TokenFile: filepath.Join(t.TempDir(), "none")}, nil, nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v, want %v", err, os.ErrNotExist)
	}
}

func TestTokensOfFileAndProgram(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tokens.csv")
	if err := os.WriteFile(name, []byte("t,file,1,g\nown,file,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newTestAuthenticator(t, nil, nil, map[string]*request.User{"own": {Name: request.UserAPIServer, Groups: []string{request.GroupMasters}}}, "--token-auth-file="+name)
	for token, want := range map[string]*request.User{
		"t":   {Name: "file", UID: "1", Groups: []string{"g", request.GroupAuthenticated}},
		"own": {Name: request.UserAPIServer, Groups: []string{request.GroupMasters, request.GroupAuthenticated}},
	} {
		got, _, err := a.Authenticate(testRequest(nil, "Authorization: Bearer "+token))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, error %v; want %+v", token, got, err, want)
		}
	}
}

func TestBearerToken(t *testing.T) {
	for header, want := range map[string]string{
		"":                   "",
		"Bearer":             "",
		"Bearer ":            "",
		"Bearer 123":         "123",
		"bEARER 123":         "123",
		"  Bearer 123  ":     "123",
		"Bearer 123 a b c":   "123",
		"Bearer 123   a":     "123",
		"Bearer  123":        "spaced",
		"Bearer   ":          "",
		"Bearer\t123":        "",
		"bear 123":           "",
		"Bearer: 123":        "",
		"Basic 123":          "",
		"Basic  123":         "",
		"Bearer a,b;c/=~+_-": "a,b;c/=~+_-",
	} {
		token, spaced := bearerToken(header)
		if spaced {
			token += "spaced"
		}
		if token != want {
			t.Errorf("%q: %q, want %q", header, token, want)
		}
	}
}

func TestAuthenticateAllocations(t *testing.T) {
	ca := newAuthority(t, nil)
	chain := []*x509.Certificate{ca.client(t, pkix.Name{CommonName: "alice"}, nil)}
	a := newTestAuthenticator(t, ca, nil, map[string]*request.User{"good": {Name: "bob"}})
	token := []string{"Bearer good"}
	for name, r := range map[string]*http.Request{"token": testRequest(nil), "certificate": testRequest(chain), "anonymous": testRequest(nil)} {
		r.Header["Accept"] = []string{"*/*"}
		if n := testing.AllocsPerRun(100, func() {
			if name == "token" {
				r.Header["Authorization"] = token
			}
			if _, _, err := a.Authenticate(r); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	ca := newAuthority(b, nil)
	a := newTestAuthenticator(b, ca, nil, map[string]*request.User{"good": {Name: "bob"}})
	chain := []*x509.Certificate{ca.client(b, pkix.Name{CommonName: "alice"}, nil)}
	token := []string{"Bearer good"}
	for _, tc := range []struct {
		name   string
		chain  []*x509.Certificate
		header []string
		again  bool // forget what is known of certificates
	}{{"token", nil, token, false}, {"certificate", chain, nil, false}, {"certificate-first", chain, nil, true}, {"anonymous", nil, nil, false}} {
		b.Run(tc.name, func(b *testing.B) {
			r := testRequest(tc.chain, "Accept: */*", "User-Agent: x", "Accept-Encoding: gzip")
			b.ReportAllocs()
			for b.Loop() {
				if tc.header != nil {
					r.Header["Authorization"] = tc.header
				}
				if tc.again {
					clear(a.clients.known)
				}
				if _, _, err := a.Authenticate(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzBearer: a token has no space in it, stands in the header, and a header that net/http
// would pass on gives the same token with other spaces around it.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer 123", "bearer  x", " BEARER a b", "Basic x", "Bearer", "Bearer\xff \x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, spaced := bearerToken(header)
		if strings.Contains(token, " ") || !strings.Contains(header, token) || token != "" && spaced {
			t.Errorf("%q: token %q, spaced %t", header, token, spaced)
		}
		if again, _ := bearerToken(" " + header + " "); again != token {
			t.Errorf("%q: token %q, with spaces around it %q", header, token, again)
		}
		if token != "" {
			if again, _ := bearerToken("Bearer " + token + " x"); again != token {
				t.Errorf("%q: token %q reads as %q", header, token, again)
			}
		}
		h := http.Header{"Upgrade": {"websocket"}, "Connection": {"upgrade"}, headerWebSocketProtocol: {header, "v4"}}
		_, err := webSocketToken(h)
		stripWebSocketToken(h)
		if left, _ := webSocketToken(h); left != "" {
			t.Errorf("%q: token %q is left (error %v)", header, left, err)
		}
	})
}

// FuzzTokenFile: a file is refused with a line, or gives users that all have a token.
func FuzzTokenFile(f *testing.F) {
	for _, s := range []string{"t,u,1\n", "t,u,1,\"a,b\"\n,u,1\n", "t,u\n", "\"", "t,u,1\r\nt,u,2\r\n", "\xff,\x00,\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, notes, err := parseTokens(bytes.NewReader(text))
		if err != nil {
			if tokens != nil || !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("error %v, tokens %v", err, tokens)
			}
			return
		}
		if lines := bytes.Count(text, []byte("\n")) + 1; len(tokens)+len(notes) > lines {
			t.Errorf("%d tokens and %d notes of %d lines", len(tokens), len(notes), lines)
		}
		for token, u := range tokens {
			if token == "" || u == nil {
				t.Errorf("token %q of %v", token, u)
			}
		}
	})
}
