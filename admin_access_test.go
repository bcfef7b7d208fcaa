package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"apichain/admin"
	"apichain/internal/auth"
	"apichain/internal/request"
)

// adminClient is a client of the admin listener by TCP or, with a socket, by a file.
func (r *running) adminClient(socket string, certs ...tls.Certificate) *http.Client {
	r.t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), Certificates: certs}}
	tr.TLSClientConfig.RootCAs.AppendCertsFromPEM(r.certs.CAPEM())
	if socket != "" {
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// ask sends a GET with header lines to a URL, which must be answered.
func (r *running) ask(c *http.Client, url string, header ...string) reply {
	r.t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if req.Header.Add(name, value); name == "Host" {
			req.Host = value
		}
	}
	resp, err := c.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// TestAdminTLSFlag: when the admin listener speaks TLS, and what the page of options says
// of it.
func TestAdminTLSFlag(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "false default",
		"--admin-tls":                     "true flag",
		"--admin-tls=false":               "false flag",
		"--admin-tls --listen-admin=off":  "true flag",
		"--listen-admin=off":              "false default",
		"--listen-admin=unix:/s,[::1]:0":  "false default",
		"--listen-admin=localhost:0":      "false default",
		"--listen-admin=0.0.0.0:0":        "true derived",
		"--listen-admin=:0":               "true derived",
		"--listen-admin=[::]:0":           "true derived",
		"--listen-admin=127.0.0.1:0,:0":   "true derived",
		"--listen-admin=:0 --admin-tls":   "true flag",
		"--listen-admin=192.0.2.1:0":      "true derived",
		"--listen-admin=[fe80::1%lo]:0":   "true derived",
		"--admin-tls=0 --listen-admin=:0": "true derived",
	} {
		o, f, wrong := parseFlags(t, strings.Fields(args)...)
		if len(wrong) > 0 {
			t.Errorf("%s: %q", args, wrong)
		}
		for _, option := range (source{&program{opt: o, flags: f}}).Options() {
			if option.Name == "admin-tls" && option.Value+" "+option.Source != want {
				t.Errorf("%s: %s %s, want %s", args, option.Value, option.Source, want)
			}
		}
	}
	if _, _, wrong := parseFlags(t, "--admin-tls=perhaps"); len(wrong) != 1 || !strings.HasPrefix(wrong[0], "--admin-tls: invalid") {
		t.Errorf("a wrong value: %q", wrong)
	}
	var b bytes.Buffer
	_, f := newOptions()
	if f.WriteHelp(&b); !strings.Contains(b.String(), "\n  --admin-tls\n        serve the admin listener over TLS") {
		t.Errorf("--help has no --admin-tls:\n%s", b.String())
	}
}

// A socket that others reach switches TLS on even if no flag tells, for every TCP listener
// of the role, and the certificate is for the addresses of --listen-admin too.
func TestAdminTLSIsForced(t *testing.T) {
	p := newListening(t, "--listen-http=off", "--listen-https=127.0.0.1:0", "--listen-admin=127.0.0.1:0")
	all := listenOn(t, "tcp", "0.0.0.0:0")
	if err := p.listen([]inheritedSocket{{Listener: listenOn(t, "tcp", "127.0.0.1:0"), name: "admin"}, {Listener: all, name: "admin"}}); err != nil {
		t.Fatal(err)
	}
	if !p.opt.adminAccess.tls || !p.flags.Lookup("admin-tls").Derived || slices.ContainsFunc(p.listeners, func(l *listener) bool { return !l.tls }) || len(p.listeners) != 3 {
		t.Errorf("TLS %v, derived %v, listeners %s", p.opt.adminAccess.tls, p.flags.Lookup("admin-tls").Derived, p.roles())
	}
	leaf := newTestProgram(t, "--listen-admin=192.0.2.7:0,admin.example:0,unix:/s").certs.Pairs()[0].Cert.Leaf
	for _, name := range []string{"192.0.2.7", "admin.example", "127.0.0.1", "localhost"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
}

// TestAdminForOthers: a program whose admin listener others can reach, from its files and
// start-up lines to who gets in, beside a socket in the file system that stays as it was.
func TestAdminForOthers(t *testing.T) {
	dir := t.TempDir()
	socket, ready, config := filepath.Join(dir, "s"), filepath.Join(dir, "ready.json"), filepath.Join(dir, "config")
	args, certs := adminUsers(t)
	r := startProgram(t, nil, append(args, "--listen-admin=0.0.0.0:0,127.0.0.1:0,unix:"+socket, "--ready-file="+ready, "--kubeconfig="+config, "--allowed-hosts=admin.example")...)
	urls := r.urls("admin")
	var file readyFile
	b, err := os.ReadFile(ready)
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err != nil || !slices.Equal(file.Admin, urls) || !strings.HasPrefix(urls[0], "https://127.0.0.1:") || !strings.HasPrefix(urls[1], "https://127.0.0.1:") || urls[2] != "unix:"+socket {
		t.Fatalf("ready file %s, %v; addresses %q", b, err, urls)
	}
	for _, line := range []string{
		"admin  " + urls[0] + "      try: kubectl --kubeconfig " + config + " --server " + urls[0] + " get --raw /admin/v1/routes\n",
		"try: curl -s --unix-socket " + socket + " -H 'Accept: text/plain' http://localhost/admin/v1/routes\n",
	} {
		if !r.out.has(line) {
			t.Errorf("the start-up lines lack %q:\n%s", line, r.out)
		}
	}

	// The token of the kubeconfig is a master's.
	b, err = os.ReadFile(config)
	token := regexp.MustCompile(`token: (\S+)`).FindSubmatch(b)
	if err != nil || token == nil {
		t.Fatalf("%v: %s", err, b)
	}
	master := "Authorization: Bearer " + string(token[1])
	c := r.adminClient("")
	for _, url := range urls[:2] {
		for _, q := range []struct {
			header []string
			want   int
		}{
			{nil, 401}, {[]string{master}, 200}, {[]string{"Authorization: Bearer view-token"}, 200}, {[]string{"Authorization: Bearer none-token"}, 403},
			{[]string{master, "Host: admin.example:81"}, 200}, {[]string{master, "Host: 192.0.2.1"}, 403}, {[]string{"Host: 192.0.2.1"}, 403},
			{[]string{master, "Origin: " + url}, 200}, {[]string{master, "Origin: " + strings.Replace(url, "https", "http", 1)}, 403},
		} {
			if got := r.ask(c, url+"/admin/v1/build", q.header...); got.status != q.want {
				t.Errorf("%s %q: %d %s, want %d", url, q.header, got.status, got.body, q.want)
			}
		}
	}
	if got := r.ask(r.adminClient("", *certs["viewer"]), urls[0]+"/admin/v1/build"); got.status != 200 {
		t.Errorf("client certificate: %d %s", got.status, got.body)
	}
	var index struct {
		User      string
		UserRoles []string
	}
	for url, want := range map[string]string{urls[0] + " view-token": "viewer [view]", urls[1] + " operate-token": "operator [view operate]", urls[0] + " dangerous-token": "danger [view dangerous]", urls[1] + " master-token": "root [view operate dangerous]"} {
		url, token, _ := strings.Cut(url, " ")
		got := r.ask(c, url+"/admin/", "Authorization: Bearer "+token)
		if err := json.Unmarshal([]byte(got.body), &index); err != nil || index.User+" ["+strings.Join(index.UserRoles, " ")+"]" != want {
			t.Errorf("index: %v %+v, want %s", err, index, want)
		}
	}

	// A socket in the file system asks nobody, and no proxy's lines or tokens change that.
	got := r.ask(r.adminClient(socket), "http://localhost/admin/", "Authorization: Bearer view-token", "X-Remote-User: eve")
	if err := json.Unmarshal([]byte(got.body), &index); err != nil || got.status != 200 || index.User != request.UserUnsecured || len(index.UserRoles) != 3 {
		t.Errorf("by the socket: %d %s", got.status, got.body)
	}

	var p page
	got = r.ask(c, urls[0]+"/admin/v1/listeners?listener=admin", master)
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || p.Total != 3 {
		t.Fatalf("listeners: %v %s", err, got.body)
	}
	for i, item := range p.Items {
		if with := i < 2; (item["tls"] != nil) != with || len(item["protocols"].([]any)) != 1 || item["protocols"].([]any)[0] != "http/1.1" {
			t.Errorf("listener %v: tls %v, protocols %v", item["id"], item["tls"], item["protocols"])
		}
	}
	// Who speaks plain HTTP is told, by net/http.
	if got := r.ask(c, strings.Replace(urls[0], "https", "http", 1)+"/admin/"); got.status != 400 || !strings.Contains(got.body, "HTTPS server") {
		t.Errorf("plain: %d %q", got.status, got.body)
	}
}

// TestAdminHandshakes: the admin listener negotiates as the TLS listener does, but HTTP/2,
// and what is reloaded is seen on both: certificate and client CAs.
func TestAdminHandshakes(t *testing.T) {
	dir := t.TempDir()
	args, certs := adminUsers(t)
	cert, key := putPair(t, dir, "old", &x509.Certificate{DNSNames: []string{"localhost"}})
	other, otherKey := putPair(t, dir, "other", &x509.Certificate{DNSNames: []string{"sni.example"}})
	r := startProgram(t, nil, append(args, "--admin-tls", "--listen-admin=127.0.0.1:0", "--tls-cert-file="+cert, "--tls-private-key-file="+key, "--tls-sni-cert-key="+other+","+otherKey, "--tls-min-version=VersionTLS13")...)
	addresses := map[string]string{}
	for _, role := range []string{"admin", "https"} {
		_, addresses[role], _ = strings.Cut(r.url(role, ""), "://")
	}
	leaf := func(role, name string) string {
		t.Helper()
		c, err := tls.Dial("tcp", addresses[role], &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().NegotiatedProtocol + " " + c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	for _, c := range []struct{ role, name, want string }{{"admin", "localhost", "http/1.1 old"}, {"https", "localhost", "h2 old"}, {"admin", "sni.example", "http/1.1 other"}} {
		if got := leaf(c.role, c.name); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.role, c.name, got, c.want)
		}
	}
	if c, err := tls.Dial("tcp", addresses["admin"], &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		c.Close()
		t.Error("TLS 1.2 in spite of --tls-min-version")
	}
	if c, err := tls.Dial("tcp", addresses["admin"], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}); err == nil {
		c.Close()
		t.Error("a client of HTTP/2 alone is let in")
	}

	// The same connection: the client's certificate is judged for each request anew.
	c := r.dialAdmin(certs["viewer"])
	ask := func(want int) {
		t.Helper()
		if resp, body, err := c.ask(t, "GET /admin/v1/build HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil || resp.StatusCode != want {
			t.Errorf("%v %q %v, want %d", resp, body, err, want)
		}
	}
	ask(200)
	clientCA := strings.TrimPrefix(args[1], "--client-ca-file=")
	put(t, clientCA, certPEM(newTestCA(t, nil).cert))
	next, nextKey := putPair(t, dir, "next", &x509.Certificate{DNSNames: []string{"localhost"}})
	for from, to := range map[string]string{next: cert, nextKey: key} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		put(t, to, b)
	}
	r.certs.Reload()
	ask(401)
	if got := leaf("admin", "localhost"); got != "http/1.1 next" {
		t.Errorf("after the reload: %q", got)
	}
}

// TestAdminIsInNoCount: whatever is sent to the admin listener, every count of requests and
// every page of them stays as it was.
func TestAdminIsInNoCount(t *testing.T) {
	args, certs := adminUsers(t)
	r := startProgram(t, nil, append(args, "--admin-tls", "--listen-admin=127.0.0.1:0")...)
	master := "Authorization: Bearer master-token"
	c := r.adminClient("")
	own := regexp.MustCompile(`^(go_|process_|apichain_gc_|apichain_connections|apichain_store_|apiserver_storage|apiserver_resource|aggregator_)`)
	counts := func() string {
		var b bytes.Buffer
		if err := r.writeMetrics(&b); err != nil {
			t.Fatal(err)
		}
		var kept []string
		for line := range strings.Lines(b.String()) {
			if !own.MatchString(line) {
				kept = append(kept, line)
			}
		}
		for _, path := range []string{"servers", "chain", "routes", "inflight", "requests", "requests?set=slowest"} {
			var p struct{ Items, Counts json.RawMessage }
			got := r.ask(c, r.url("admin", "/admin/v1/"+path), master)
			if got.status == 404 && strings.HasPrefix(path, "requests") {
				continue
			}
			if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != 200 || len(p.Items) < 2 {
				t.Fatalf("%s: %d %v %.200s", path, got.status, err, got.body)
			}
			kept = append(kept, path, string(p.Items), string(p.Counts))
		}
		return strings.Join(kept, "\n")
	}
	before := counts()
	for i := range attacks {
		r.attack(&attacks[i], "x", nil)
	}
	for i := range identityAttacks {
		r.attack(&identityAttacks[i], "x", certs[identityAttacks[i].cert])
	}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(r.url("admin", ""), "https://"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"x"}}); err == nil {
		c.Close()
	}
	after := counts()
	if before != after {
		a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Errorf("before %.300s\n after %.300s", a[i], b[i])
			}
		}
	}
	// The same counts move by one request to the TLS listener.
	if got := r.get("https", "/version", master); got.status != 200 {
		t.Fatal(got)
	}
	if counts() == after {
		t.Error("these counts count nothing")
	}
}

// TestRolesAreVerbs: the authorizer knows the roles of the admin package by the same
// names, and a client that sends one as its method to the serving side gains nothing.
func TestRolesAreVerbs(t *testing.T) {
	if auth.RoleView != admin.RoleView || auth.RoleOperate != admin.RoleOperate || auth.RoleDangerous != admin.RoleDangerous {
		t.Error("the authorizer's roles are not the admin package's")
	}
	users, _ := adminUsers(t)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/mine", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	}, "--listen-http=off", users[0])
	for _, method := range []string{"VIEW", "OPERATE", "GET"} {
		if got, err := r.send(r.client("https"), "https", method, "/mine", nil, "Authorization: Bearer operate-token"); err != nil || got.status != 403 {
			t.Errorf("%s of a handler: %d %v, want 403", method, got.status, err)
		}
	}
}

// TestAdminAsksTheAuthorizer: rules can grant a role on one endpoint, deny it to a group
// that holds it, and fail.
func TestAdminAsksTheAuthorizer(t *testing.T) {
	users, _ := adminUsers(t)
	r := startProgram(t, func(s *Server) {
		p := s.program
		p.authz = auth.Authorizers{judge(func(u *request.User, ri *request.Info) auth.Decision {
			if ri.IsResourceRequest || ri.APIGroup != "" || ri.Resource != "" {
				t.Errorf("asked for a resource: %+v", ri)
			}
			switch u.Name + " " + ri.Verb + " " + ri.Path {
			case "bob view /admin/v1/hooks", "bob dangerous /debug/pprof/":
				return auth.Decision{Verdict: auth.Allow}
			case "viewer view /admin/v1/routes":
				return auth.Decision{Verdict: auth.Deny}
			case "bob view /admin/v1/build":
				return auth.Decision{Err: errors.New("secret rule")}
			}
			return auth.Decision{}
		}), p.authz}
	}, append(users, "--admin-tls", "--listen-admin=127.0.0.1:0", "--profiling")...)
	c := r.adminClient("")
	for request, want := range map[string]int{
		"none-token /admin/v1/hooks": 200, "none-token /admin/v1/routes": 403, "none-token /debug/pprof/heap": 200, "none-token /admin/v1/%68ooks": 200, "none-token /admin/v1/build": 500,
		"view-token /admin/v1/hooks": 200, "view-token /admin/v1/routes": 403, "master-token /admin/v1/routes": 200,
	} {
		token, path, _ := strings.Cut(request, " ")
		got := r.ask(c, r.url("admin", path), "Authorization: Bearer "+token)
		if got.status != want || strings.Contains(got.body, "secret rule") {
			t.Errorf("%s: %d %s, want %d", request, got.status, got.body, want)
		}
	}
}

// A token of a service account is good here as well, and who has it needs a role as
// everybody; what was wrong with credentials is in the log alone.
func TestAdminAuthenticators(t *testing.T) {
	users, _ := adminUsers(t)
	r := startProgram(t, nil, append(users, "--admin-tls", "--listen-admin=127.0.0.1:0")...)
	got, err := r.send(r.client("http"), "http", "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", strings.NewReader(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":[]}}`), "Content-Type: application/json")
	var made struct{ Status struct{ Token string } }
	if err != nil || got.status != 201 || json.Unmarshal([]byte(got.body), &made) != nil {
		t.Fatalf("%d %s %v", got.status, got.body, err)
	}
	c := r.adminClient("")
	got = r.ask(c, r.url("admin", "/admin/v1/build"), "Authorization: Bearer "+made.Status.Token)
	if want := `User \"system:serviceaccount:default:default\" lacks role \"view\" for GET /admin/v1/build`; got.status != 403 || !strings.Contains(got.body, want) {
		t.Errorf("%d %s, want %s", got.status, got.body, want)
	}
	got = r.ask(c, r.url("admin", "/admin/"), "Authorization: Bearer wrong")
	if got.status != 401 || strings.Contains(got.body, "invalid") || !r.err.has(`cause="attempted: bearer: invalid bearer token"`) {
		t.Errorf("%d %s; log\n%s", got.status, got.body, r.err)
	}
	// A control names who has set it.
	req, err := http.NewRequest("PUT", r.url("admin", "/admin/v1/loglevel"), strings.NewReader(`{"rules":[{"match":{},"verbosity":2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer operate-token", "Content-Type": "application/json", "If-Match": "*"} {
		req.Header.Set(name, value)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || !strings.Contains(string(b), `"setBy":"operator"`) {
		t.Errorf("log level: %d %s %v", resp.StatusCode, b, err)
	}
	// The credentials are gone before an endpoint sees the request.
	req = httptest.NewRequest("GET", "/admin/", nil)
	req.Header.Set("Authorization", "Bearer view-token")
	req.Header.Set("X-Remote-User", "eve")
	who, refused := r.adminIdentity(req)
	if refused != nil || who.User != "viewer" || who.UID != "2" || !slices.Equal(who.Groups, []string{auth.GroupView, request.GroupAuthenticated}) || len(req.Header) != 0 {
		t.Errorf("%+v %v, left %v", who, refused, req.Header)
	}
	if u := adminUser(admin.Identity{}); u != nil {
		t.Errorf("nobody is %+v", u)
	}
}
