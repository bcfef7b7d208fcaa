package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/controller"
	"apichain/internal/kubeflags"
	"apichain/internal/request"
	"apichain/internal/standin"
	"apichain/internal/tree"
)

// The program under the name of kube-apiserver, in this process: its flags, the command lines of those who
// start it, and the objects it begins with.

// freePort is a port that was free a moment ago, as test environments find one.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// startUpstream runs the program by a command line of kube-apiserver until the test ends, and returns when
// it is ready. env is its environment.
func startUpstream(t testing.TB, env map[string]string, args ...string) *running {
	t.Helper()
	o, f := newOptions()
	line := kubeflags.Load().Read(args)
	if problems := append(line.Problems, o.parseUpstream(f, line, func(k string) string { return env[k] })...); len(problems) > 0 {
		t.Fatalf("%q: %q", args, problems)
	}
	r := launchOptions(t, nil, o, f)
	r.awaitReady(t)
	return r
}

// TestTakenFlags: what the table says is taken is a flag here, and a flag that both have is taken.
func TestTakenFlags(t *testing.T) {
	_, f := newOptions()
	for _, row := range kubeflags.Load().All() {
		ours := f.Lookup(row.Name) != nil
		// Of one the files differ, and one ends the program: they are read where it starts.
		apart := row.Name == "cert-dir" || row.Name == "version"
		if taken := row.Action == kubeflags.Taken; taken != ours && !apart {
			t.Errorf("--%s is %s, and a flag of ours: %t", row.Name, row.Action, ours)
		}
	}
}

// TestTakenValues: what the real program takes as the value of a flag that is taken, ours can read.
func TestTakenValues(t *testing.T) {
	values := map[string]string{
		"bool": "true", "int": "1", "float": "0.01", "duration": "1h", "ip": "192.0.2.1", "strings": "", "string": "", "array": "a",
		"pair": "a,b:c", "map": "apps/v1,api/all=true", "level": "1", "plugins": "ServiceAccount", "ints": "23",
	}
	// Where the form alone is not enough.
	special := map[string]string{
		"authorization-mode": "RBAC", "logging-format": "json", "tls-min-version": "VersionTLS13", "controllers": "all",
		"audit-log-path": "a --audit-policy-file=b", "audit-policy-file": "a --audit-log-path=b",
		"etcd-cafile": "a --etcd-servers=b:1", "etcd-certfile": "a --etcd-keyfile=b --etcd-servers=c:1", "etcd-keyfile": "a --etcd-certfile=b --etcd-servers=c:1",
		"etcd-servers": "https://a:1", "etcd-prefix": "registry", "storage-media-type": mediaJSON,
		"resolve": "a.b=c:1", "aggregate": "a.example.com/v1=https://b:1",
		"tls-cert-file": "a --tls-private-key-file=b", "tls-private-key-file": "a --tls-cert-file=b",
	}
	for _, row := range kubeflags.Load().All() {
		if row.Action != kubeflags.Taken {
			continue
		}
		value, ok := special[row.Name]
		if !ok {
			value = values[row.Type]
		}
		o, f := newOptions()
		line := kubeflags.Load().Read(strings.Split("--"+row.Name+"="+value, " "))
		problems := append(line.Problems, o.parseUpstream(f, line, func(string) string { return "" })...)
		if len(problems) > 0 || !f.Lookup(row.Name).Given {
			t.Errorf("--%s=%s (%s): %q", row.Name, value, row.Type, problems)
		}
	}
}

// TestUpstreamArguments: what becomes of a command line of kube-apiserver.
func TestUpstreamArguments(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{}
	const usual = "--listen-http=off --listen-https=0.0.0.0:6443 --listen-admin=off --controllers=none " +
		"--audit-log-maxage=366 --audit-log-maxbackup=100 --storage-media-type=application/vnd.kubernetes.protobuf --requestheader-username-headers= --requestheader-group-headers= --requestheader-extra-headers-prefix= "
	for _, tt := range []struct{ args, want, wrong string }{
		{"", usual + "--authorization-mode=AlwaysAllow", ""},
		{"--authorization-mode=RBAC --authorization-mode Node", usual + "--authorization-mode=RBAC,Node", ""},
		{"--bind-address=::1 --secure-port=1 --v=4", strings.Replace(usual, "0.0.0.0:6443", "[::1]:1", 1) + "--authorization-mode=AlwaysAllow --v=4", ""},
		{"--min-request-timeout=5 -v=20", usual + "--authorization-mode=AlwaysAllow --min-request-timeout=5s --v=10", ""},
		{"--audit-log-path=a", usual + "--authorization-mode=AlwaysAllow", ""},
		{"--audit-policy-file=a", usual + "--authorization-mode=AlwaysAllow", ""},
		{"--audit-policy-file=a --audit-log-path=-", usual + "--authorization-mode=AlwaysAllow --audit-log-path=- --audit-policy-file=a", ""},
		{"--tls-curve-preferences=23 --tls-curve-preferences=29,24 --disable-admission-plugins=PodSecurity --disable-admission-plugins NamespaceLifecycle",
			usual + "--authorization-mode=AlwaysAllow --tls-curve-preferences=23,29,24 --disable-admission-plugins=PodSecurity,NamespaceLifecycle", ""},
		{"--etcd-cafile=a --etcd-certfile=b --storage-backend=etcd3", usual + "--authorization-mode=AlwaysAllow", ""},
		{"--storage-backend=etcd2", "", "--storage-backend: invalid, allowed values: etcd3. If not specified, it will default to 'etcd3'"},
		{"--secure-port=0", "", "--secure-port: must be from 1 to 65535, is 0: it cannot be turned off"},
		{"--secure-port=65536", "", "--secure-port: must be from 1 to 65535, is 65536: it cannot be turned off"},
		{"--cert-dir=" + dir, usual + "--authorization-mode=AlwaysAllow --cert-dir=" + dir, ""},
		{"--cert-dir=" + dir + " --tls-cert-file=a --tls-private-key-file=b", usual + "--authorization-mode=AlwaysAllow --tls-cert-file=a --tls-private-key-file=b", ""},
	} {
		got, wrong := asUsual(kubeflags.Load().Read(strings.Fields(tt.args)), func(k string) string { return env[k] })
		if strings.Join(wrong, "|") != tt.wrong || tt.wrong == "" && strings.Join(got, " ") != tt.want {
			t.Errorf("%s:\n got %q %q\nwant %q %q", tt.args, strings.Join(got, " "), wrong, tt.want, tt.wrong)
		}
	}
	etcd := kubeflags.Load().Read(strings.Fields("--etcd-servers=a:1 --etcd-servers=b:2 --etcd-cafile=c --storage-media-type=application/json"))
	for kept, want := range map[string]string{"": "--etcd-cafile=c --etcd-servers=a:1,b:2 --storage-media-type=application/json", "memory": "--storage-media-type=application/json"} {
		env[storageVariable] = kept
		if got, wrong := asUsual(etcd, func(k string) string { return env[k] }); !strings.HasSuffix(strings.Join(got, " "), "--authorization-mode=AlwaysAllow "+want) || len(wrong) > 0 {
			t.Errorf("kept in %q: %q %q", kept, got, wrong)
		}
	}
	env[storageVariable] = "disk"
	if _, wrong := asUsual(etcd, func(k string) string { return env[k] }); len(wrong) != 1 || wrong[0] != `APICHAIN_STORAGE: must be memory or empty, is "disk"` {
		t.Errorf("kept on disk: %q", wrong)
	}
	delete(env, storageVariable)
	env[adminVariable], env[controllersVariable] = "127.0.0.1:0", "all"
	got, _ := asUsual(kubeflags.Load().Read(nil), func(k string) string { return env[k] })
	if text := strings.Join(got, " "); !strings.Contains(text, "--listen-admin=127.0.0.1:0 --controllers=all") {
		t.Errorf("by the environment: %s", text)
	}
}

// TestUpstreamExits: what the program says where it does not serve, and with which code it ends, which are
// the real one's.
func TestUpstreamExits(t *testing.T) {
	for _, tt := range []struct {
		args     string
		code     int
		out, err string // regular expressions
	}{
		{"--version", 0, `^Kubernetes v1\.37\.\d+\n$`, `^$`},
		{"--version=true", 0, `^Kubernetes v1\.37\.\d+\n$`, `^$`},
		{"--version=raw", 0, `^version\.Info\{Major:"1", Minor:"37", .*\}\n$`, `^$`},
		{"--version --bogus", 0, `^Kubernetes `, `^$`},
		{"--version=foo", 1, `^$`, `^kube-apiserver: --version: invalid value "foo": .*\n$`},
		{"--help --secure-port=x", 1, `^$`, `--secure-port: invalid value "x": invalid syntax`},
		{"--help", 0, `(?m)^ +--secure-port int$`, `^$`},
		{"-h", 0, `(?s)\nGeneric flags:\n.*\nGlobal flags:\n`, `^$`},
		{"word", 1, `^$`, `^kube-apiserver: "word": unexpected argument\n$`},
		{"--secure-port=0 --authorization-mode=Foo --oidc-issuer-url=x --service-account-issuer=a --service-account-issuer=a", 1, `^$`,
			`(?s)oidc-issuer-url.*\n.*secure-port.*\n.*"Foo" is no mode.*\n.*stands twice\n`},
		{"--authorization-mode=RBAC,Webhook,ABAC,RBAC", 1, `^$`, `(?s)Webhook is refused.*ABAC is refused.*RBAC stands twice`},
		{"--service-cluster-ip-range=10.0.0.0/31", 1, `^$`, `fewer than 8 addresses`},
		{"--service-cluster-ip-range=10.0.0.0/24,10.1.0.0/24", 1, `^$`, `one of each family`},
		{"--service-account-max-token-expiration=1m", 1, `^$`, `between 1 hour`},
		{"--runtime-config=foo/v1=true,api/all=maybe", 1, `^$`, `(?s)no built-in group "foo".*key=false`},
		{"--etcd-servers=ftp://a --storage-media-type=x/y", 1, `^$`, `(?s)"ftp://a" is no URL.*"x/y" invalid, allowed values: `},
		{"--controllers=some", 1, `^$`, `must be all or none`},
	} {
		var out, stderr strings.Builder
		code := kubeAPIServer(strings.Fields(tt.args), &out, &stderr)
		for what, c := range map[string]struct{ got, want string }{"stdout": {out.String(), tt.out}, "stderr": {stderr.String(), tt.err}} {
			if !regexp.MustCompile(c.want).MatchString(c.got) {
				t.Errorf("%s: %s is %q, want %q", tt.args, what, c.got, c.want)
			}
		}
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.args, code, tt.code)
		}
		if strings.Contains(out.String(), "--insecure-port") {
			t.Error("help names a flag by which drivers know an old release")
		}
	}
}

// writePEM writes a certificate and its key into two files.
func writePEM(t testing.TB, pair *tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startStandin runs a stand-in for etcd until the test ends, and returns its port once it answers.
func startStandin(t testing.TB) string {
	t.Helper()
	port, ended := freePort(t), make(chan int, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- standin.Main(ctx, []string{"--listen-client-urls=http://127.0.0.1:" + port}, io.Discard, io.Discard)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	until(t, "the stand-in answers", func() bool {
		known, _ := standin.At(ctx, "http://127.0.0.1:"+port)
		return known
	})
	return port
}

// TestDrivers: the command lines of four programs that start the binary, and what each then asks before it
// lets a test begin: a certificate that it has made itself, its way in, and the namespace default.
func TestDrivers(t *testing.T) {
	ca := newTestCA(t, nil)
	serving, servingKey := signTestCert(t, ca, &x509.Certificate{
		Subject: pkix.Name{CommonName: "apiserver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	leaf, leafKey := signTestCert(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "kubeapitest", Organization: []string{request.GroupMasters}}})
	lonely := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey, Leaf: leaf}
	signed := ca.pair(t, pkix.Name{CommonName: "admin", Organization: []string{request.GroupMasters}})
	for _, d := range []struct {
		name, args string
		client     *tls.Certificate
		token      string
		anonymous  int // the answer to /healthz without credentials
	}{
		{"controller-runtime", "--allow-privileged=true --authorization-mode=RBAC --bind-address=127.0.0.1 --cert-dir=DIR " +
			"--client-ca-file=DIR/client-cert-auth-ca.crt --disable-admission-plugins=ServiceAccount --etcd-servers=http://127.0.0.1:ETCD --secure-port=PORT " +
			"--service-account-issuer=https://127.0.0.1:PORT/ --service-account-key-file=DIR/sa-signer.crt " +
			"--service-account-signing-key-file=DIR/sa-signer.key --service-cluster-ip-range=10.0.0.0/24", signed, "", 200},
		{"envtest-js", "--etcd-servers=http://127.0.0.1:ETCD --cert-dir=DIR --tls-cert-file=DIR/apiserver.crt --tls-private-key-file=DIR/apiserver.key " +
			"--client-ca-file=DIR/client-cert-auth-ca.crt --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port=PORT --service-cluster-ip-range=10.0.0.0/24 " +
			"--service-account-issuer=https://127.0.0.1:PORT/ --service-account-key-file=DIR/sa-signer.crt --service-account-signing-key-file=DIR/sa-signer.key " +
			"--authorization-mode=RBAC --disable-admission-plugins=ServiceAccount --allow-privileged=true", signed, "", 200},
		{"fabric8", "--cert-dir DIR --etcd-servers http://0.0.0.0:ETCD --authorization-mode RBAC --service-account-issuer https://localhost " +
			"--service-account-signing-key-file DIR/sa-signer.key --disable-admission-plugins ServiceAccount --client-ca-file DIR/leaf.crt " +
			"--service-cluster-ip-range 10.0.0.0/24 --service-account-issuer DIR/issuer --service-account-signing-key-file DIR/sa-signer.key " +
			"--service-account-key-file DIR/sa-signer.key --secure-port PORT --bind-address 127.0.0.1 --allow-privileged", lonely, "", 200},
		{"k8senv", "--etcd-servers=http://127.0.0.1:ETCD --cert-dir=DIR --secure-port=PORT --bind-address=127.0.0.1 --service-account-issuer=https://kubernetes.default.svc " +
			"--service-account-key-file=DIR/sa-signer.crt --service-account-signing-key-file=DIR/sa-signer.key --service-cluster-ip-range=10.0.0.0/24 " +
			"--authentication-config=DIR/authentication.yaml --token-auth-file=DIR/tokens.csv --authorization-mode=AlwaysAllow --watch-cache=false --v=2", nil, "k8senv", 401},
	} {
		t.Run(d.name, func(t *testing.T) {
			dir, port := t.TempDir(), freePort(t)
			writePEM(t, &tls.Certificate{Certificate: [][]byte{serving.Raw}, PrivateKey: servingKey}, dir+"/apiserver.crt", dir+"/apiserver.key")
			writePEM(t, signed, dir+"/sa-signer.crt", dir+"/sa-signer.key")
			writePEM(t, lonely, dir+"/leaf.crt", dir+"/leaf.key")
			writePEM(t, &tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key}, dir+"/client-cert-auth-ca.crt", dir+"/ca.key")
			for file, text := range map[string]string{
				"tokens.csv":          "k8senv,k8senv,1,\"system:masters\"\n",
				"authentication.yaml": "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous:\n  enabled: true\n  conditions:\n  - path: /livez\n  - path: /readyz\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := startUpstream(t, nil, strings.Fields(strings.NewReplacer("DIR", dir, "PORT", port, "ETCD", startStandin(t)).Replace(d.args))...)
			config := &tls.Config{RootCAs: ca.pool}
			if d.client != nil {
				config.Certificates = []tls.Certificate{*d.client}
			}
			ask := func(config *tls.Config, token, path string) int {
				t.Helper()
				tr := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
				defer tr.CloseIdleConnections()
				q, _ := http.NewRequest("GET", "https://127.0.0.1:"+port+path, nil)
				if token != "" {
					q.Header.Set("Authorization", "Bearer "+token)
				}
				resp, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Do(q)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				io.Copy(io.Discard, resp.Body)
				return resp.StatusCode
			}
			if got := ask(&tls.Config{RootCAs: ca.pool}, "", "/healthz"); got != d.anonymous {
				t.Errorf("/healthz without credentials: %d, want %d", got, d.anonymous)
			}
			for _, path := range []string{"/readyz", "/healthz", "/api/v1/namespaces/default", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"} {
				if got := ask(config, d.token, path); got != 200 {
					t.Errorf("%s: %d", path, got)
				}
			}
			if got := ask(&tls.Config{RootCAs: ca.pool}, "", "/api/v1/namespaces/default"); got != 403 && d.anonymous == 200 || got == 200 {
				t.Errorf("everybody reads a namespace: %d", got)
			}
			if len(r.urls("http"))+len(r.urls("admin")) > 0 || r.urls("https")[0] != "https://127.0.0.1:"+port {
				t.Errorf("listeners: %q %q %q", r.urls("http"), r.urls("https"), r.urls("admin"))
			}
			if code := r.stop(); code != exitDrained {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestCertDir: a pair that is missing is made under upstream's names, for every name by which the server is
// reached, and taken as it is by the next start; half a pair ends the start.
func TestCertDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	args := []string{"--cert-dir=" + dir, "--bind-address=127.0.0.1", "--advertise-address=192.0.2.1", "--token-auth-file=testdata/tokens.csv"}
	r := startUpstream(t, nil, append(args, "--secure-port="+freePort(t))...)
	for _, name := range []string{"127.0.0.1", "192.0.2.1", "10.0.0.1", "localhost", "kubernetes.default.svc"} {
		if err := r.certs.Pairs()[0].Cert.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	r.stop()
	made, err := os.ReadFile(dir + "/apiserver.crt")
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(dir + "/*"); len(files) != 2 {
		t.Errorf("left behind: %q", files)
	}
	again := startUpstream(t, nil, append(args, "--secure-port="+freePort(t))...)
	if got := again.get("h2", "/version"); got.status != 200 {
		t.Errorf("with the pair that was made: %d", got.status)
	}
	again.stop()
	if now, _ := os.ReadFile(dir + "/apiserver.crt"); string(now) != string(made) {
		t.Error("the pair was made anew")
	}
	if err := os.Remove(dir + "/apiserver.key"); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	if code := kubeAPIServer(append(args, "--secure-port="+freePort(t)), io.Discard, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "apiserver.key") {
		t.Errorf("with half a pair: %d\n%s", code, stderr.String())
	}
}

// TestEveryMistakeAtOnce: files that are missing and a port that is taken are one line each.
func TestEveryMistakeAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	files := []string{"tls-cert-file", "client-ca-file", "token-auth-file", "service-account-key-file", "service-account-signing-key-file", "authentication-config"}
	args := []string{"--bind-address=127.0.0.1", "--secure-port=" + port, "--tls-private-key-file=none"}
	for _, f := range files {
		args = append(args, "--"+f+"=/none/"+f)
	}
	var stderr strings.Builder
	if code := kubeAPIServer(args, io.Discard, &stderr); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, f := range append(files, "secure-port") {
		if !regexp.MustCompile(`(?m)^apichain: --` + f + `: .*$`).MatchString(stderr.String()) {
			t.Errorf("no line of --%s:\n%s", f, stderr.String())
		}
	}
}

// TestUpstreamObjects: what is there at the start, and that nothing comes of what the real server leaves to
// its controllers. The objects are the real server's.
func TestUpstreamObjects(t *testing.T) {
	ca := newTestCA(t, nil)
	file := filepath.Join(t.TempDir(), "ca.crt")
	writePEM(t, &tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key}, file, file+".key")
	port := freePort(t)
	r := startUpstream(t, nil, "--bind-address=127.0.0.1", "--secure-port="+port, "--advertise-address=192.0.2.2", "--authorization-mode=RBAC",
		"--token-auth-file=testdata/tokens.csv", "--client-ca-file="+file, "--service-cluster-ip-range=10.7.0.0/16")
	list := func(path string) (names []string) {
		t.Helper()
		for _, item := range tree.List(decoded(t, r.get("h2", path).body), "items") {
			names = append(names, tree.Text(item, "metadata", "name"))
		}
		return names
	}
	for path, want := range map[string][]string{
		"/api/v1/namespaces":                       {"default", "kube-node-lease", "kube-public", "kube-system"},
		"/api/v1/serviceaccounts":                  nil,
		"/api/v1/configmaps":                       {"extension-apiserver-authentication", "kube-apiserver-legacy-service-account-token-tracking"},
		"/api/v1/services":                         {"kubernetes"},
		"/api/v1/endpoints":                        {"kubernetes"},
		"/apis/discovery.k8s.io/v1/endpointslices": {"kubernetes"},
		"/apis/networking.k8s.io/v1/servicecidrs":  {"kubernetes"},
		"/apis/networking.k8s.io/v1/ipaddresses":   {"10.7.0.1"},
		"/apis/coordination.k8s.io/v1/leases":      {serverIdentity(hostname(t))},
	} {
		if got := list(path); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	service := decoded(t, r.get("h2", "/api/v1/namespaces/default/services/kubernetes").body)
	if got := tree.Text(service, "spec", "clusterIP"); got != "10.7.0.1" {
		t.Errorf("the service has %s", got)
	}
	endpoints := r.get("h2", "/api/v1/namespaces/default/endpoints/kubernetes").body
	if !strings.Contains(endpoints, `"subsets":[{"addresses":[{"ip":"192.0.2.2"}],"ports":[{"name":"https","port":`+port+`,"protocol":"TCP"}]}]`) {
		t.Errorf("endpoints: %s", endpoints)
	}
	slice := r.get("h2", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").body
	if !strings.Contains(slice, `"endpoints":[{"addresses":["192.0.2.2"],"conditions":{"ready":true}}]`) ||
		!strings.Contains(slice, `"ports":[{"name":"https","port":`+port+`,"protocol":"TCP"}]`) {
		t.Errorf("the slice: %s", slice)
	}
	// A namespace that is deleted stays: the real server has nobody to empty it.
	const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	c := r.client("h2")
	for _, step := range []struct{ method, path, body string }{
		{"POST", "/api/v1/namespaces", `{"metadata":{"name":"gone"}}`},
		{"POST", "/api/v1/namespaces/gone/configmaps", `{"metadata":{"name":"a"}}`},
		{"DELETE", "/api/v1/namespaces/gone", ""},
		{"POST", crds, `{"metadata":{"name":"as.g.x"},"spec":{"group":"g.x","scope":"Namespaced","names":{"plural":"as","kind":"A"},` +
			`"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`},
		{"DELETE", crds + "/as.g.x", ""},
	} {
		if got, err := r.send(c, "h2", step.method, step.path, strings.NewReader(step.body), "Content-Type: application/json"); err != nil || got.status >= 300 {
			t.Fatalf("%s %s: %d %v", step.method, step.path, got.status, err)
		}
	}
	// Definitions are emptied, by the goroutine that would have emptied the namespace before.
	for deadline := time.Now().Add(time.Minute); r.get("h2", crds+"/as.g.x").status != 404; {
		if time.Now().After(deadline) {
			t.Fatal("the definition stays")
		}
	}
	if got := list("/api/v1/namespaces/gone/configmaps"); len(got) != 1 {
		t.Errorf("the namespace was emptied: %q", got)
	}
}

// hostname is that of this machine.
func hostname(t testing.TB) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSwitchedOff: under upstream's name objects come into namespaces that nobody has made where
// NamespaceLifecycle is off, and only then, and the key exchange is one of those that are allowed.
func TestSwitchedOff(t *testing.T) {
	const maps = "/api/v1/namespaces/missing/configmaps"
	for _, tt := range []struct {
		flags  string
		create int
		remove int
	}{
		{"--disable-admission-plugins=ServiceAccount,PodSecurity", 404, 403},
		{"--disable-admission-plugins=PodSecurity --disable-admission-plugins=NamespaceLifecycle", 201, 200},
	} {
		r := startUpstream(t, nil, append(strings.Fields(tt.flags), "--bind-address=127.0.0.1", "--secure-port="+freePort(t),
			"--token-auth-file=testdata/tokens.csv", "--tls-curve-preferences=29")...)
		c := r.client("h2")
		for _, step := range []struct {
			method, path, body string
			want               int
		}{
			{"POST", maps, `{"metadata":{"name":"a"}}`, tt.create},
			{"DELETE", "/api/v1/namespaces/kube-public", "", tt.remove},
			{"POST", "/api/v1/namespaces", `{"metadata":{"name":"ps","labels":{"pod-security.kubernetes.io/enforce":"bad"}}}`, 201},
		} {
			got, err := r.send(c, "h2", step.method, step.path, strings.NewReader(step.body), "Content-Type: application/json")
			if err != nil || got.status != step.want {
				t.Errorf("%s: %s %s: %d %v, want %d", tt.flags, step.method, step.path, got.status, err, step.want)
			}
		}
		address := strings.TrimPrefix(r.urls("https")[0], "https://")
		for curve, allowed := range map[tls.CurveID]bool{tls.X25519: true, tls.CurveP256: false} {
			conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{curve}})
			if (err == nil) != allowed {
				t.Errorf("%s: %v", curve, err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

// TestLeaseIsRenewed: the lease of the server has the time of the last renewal, is made again if it is gone,
// and nothing goes on when the server ends.
func TestLeaseIsRenewed(t *testing.T) {
	// Nobody has made the namespace.
	p := newTestProgram(t, "--disable-admission-plugins=NamespaceLifecycle")
	lease := p.upstreamObjects(controller.Own{Host: "192.0.2.2", Port: 1})[0]
	const leases = "leases.coordination.k8s.io"
	key := "kube-system/" + serverIdentity(hostname(t))
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		go p.renewLease(ctx, lease)
		start := time.Now()
		for n := range 4 {
			time.Sleep(leaseRenewal - 1)
			synctest.Wait()
			before := p.store.Revision()
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			o := apitest.Stored(p.store, leases, key)
			if o == nil {
				t.Fatalf("no lease after %s", time.Since(start))
			}
			obj := o.Decode()
			want := microTime(start.Add(time.Duration(n+1) * leaseRenewal))
			if got := tree.Text(obj, "spec", "renewTime"); got != want || p.store.Revision() != before+1 {
				t.Errorf("renewed at %s, want %s; %d writes", got, want, p.store.Revision()-before)
			}
			if id := tree.Text(obj, "metadata", "labels", "apiserver.kubernetes.io/identity"); id != "kube-apiserver" {
				t.Errorf("the lease is of %q", id)
			}
			if n == 2 {
				apitest.Remove(t, p.store, leases, key)
			}
		}
		end()
		synctest.Wait()
	})
}

// TestAdminByEnvironment: where the environment names its address, the admin endpoint is served, and stderr says
// where; the controllers run where it says so.
func TestAdminByEnvironment(t *testing.T) {
	r := startUpstream(t, map[string]string{adminVariable: "127.0.0.1:0", controllersVariable: "all"}, "--bind-address=127.0.0.1",
		"--secure-port="+freePort(t), "--token-auth-file=testdata/tokens.csv")
	if len(r.urls("admin")) != 1 || !r.err.has("the admin endpoint is at "+r.urls("admin")[0]) {
		t.Errorf("admin at %q:\n%s", r.urls("admin"), r.err)
	}
	if got := r.get("h2", "/api/v1/namespaces/default/serviceaccounts/default").status; got != 200 {
		t.Errorf("the service account of a namespace: %d", got)
	}
}

// TestServerIdentity is the name that the real server had on a host called vm.
func TestServerIdentity(t *testing.T) {
	if got := serverIdentity("vm"); got != "apiserver-wlv32tlttr4jl3gtroqexyxapa" {
		t.Errorf("got %s", got)
	}
}

// TestStopIsShort: neither a watch nor a connection without a request holds a stop up. net/http alone waits a
// second for an idle client of HTTP/2.
func TestStopIsShort(t *testing.T) {
	var took []time.Duration
	for range 5 {
		took = append(took, stopWithClients(t))
		// It takes some 60 ms. Less than the second of net/http is what must hold, once at least on a busy machine.
		if took[len(took)-1] < 900*time.Millisecond {
			return
		}
	}
	t.Errorf("the stops took %v", took)
}

// stopWithClients returns how long a stop takes with a watch and an idle connection.
func stopWithClients(t *testing.T) time.Duration {
	t.Helper()
	r := startUpstream(t, nil, "--bind-address=127.0.0.1", "--secure-port="+freePort(t), "--token-auth-file=testdata/tokens.csv")
	watcher, idle := r.client("h2"), r.client("h2")
	if got, err := r.send(idle, "h2", "GET", "/api/v1/namespaces", nil); err != nil || got.status != 200 {
		t.Fatal(got.status, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q, _ := http.NewRequestWithContext(ctx, "GET", r.url("h2", "/api/v1/namespaces?watch=true"), nil)
	q.Header.Set("Authorization", "Bearer admin-token")
	resp, err := watcher.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	return time.Since(began)
}
