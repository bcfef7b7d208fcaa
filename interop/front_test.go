package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// Servers in front of others: the program under the name kube-apiserver and, where APICHAIN_REFERENCE names its folder,
// kube-apiserver itself, started by one command line, so that what a test asks for is what the real one does.
//
//	client --token--> front --front-proxy certificate, X-Remote-*--> aggregated server --token--> front
//	                    \--> webhooks
//
// A front finds an aggregated server by a Service of type ExternalName, the only type that needs no cluster.

// authority signs certificates. Its methods end the test at an error.
type authority struct {
	file string // has its certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".crt")}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), crand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(crand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := errors.Join(err, os.WriteFile(a.file, a.pem, 0o600)); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue writes a certificate of a name, for clients and for servers of these hosts, and returns its files.
func (a *authority) issue(t *testing.T, name string, hosts ...string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(crand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// pair is the certificate of issue, as servers in this process take it.
func (a *authority) pair(t *testing.T, name string, hosts ...string) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.issue(t, name, hosts...))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// eachServer runs f with the folder of the program and with that of kube-apiserver, in which each has this name beside an
// etcd. The second is skipped where APICHAIN_REFERENCE is not set.
func eachServer(t *testing.T, f func(t *testing.T, folder string)) {
	t.Helper()
	ours := folderOf(t) // outlives the test
	t.Run("apichain", func(t *testing.T) { f(t, ours) })
	t.Run("kube-apiserver", func(t *testing.T) {
		folder := os.Getenv("APICHAIN_REFERENCE")
		if folder == "" {
			t.Skip("APICHAIN_REFERENCE names no folder with kube-apiserver and etcd")
		}
		f(t, folder)
	})
}

// front is a running server, with the authority that its front-proxy certificate is of.
type front struct {
	*instance
	*kube
	proxies *authority
}

// startFront starts the server of a folder on an etcd until the test ends. The users are admin-token (admin, of
// system:masters) and user-token (alice, of dev).
func startFront(t *testing.T, folder, etcd string, args ...string) *front {
	t.Helper()
	return startFrontOf(t, folder, etcd, newAuthority(t, "proxies"), args...)
}

// startFrontOf is startFront of a server that is a front proxy by an authority, and believes front proxies by it.
func startFrontOf(t *testing.T, folder, etcd string, proxies *authority, args ...string) *front {
	t.Helper()
	dir := t.TempDir()
	path, err := kubectl()
	if err != nil {
		t.Fatal(err)
	}
	f := &front{proxies: proxies, kube: &kube{path: path, dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}}
	cert, key := f.proxies.issue(t, "front-proxy")
	f.instance = startServer(t, folder, etcd, append([]string{
		"--client-ca-file=" + newAuthority(t, "clients").file,
		"--requestheader-client-ca-file=" + f.proxies.file, "--requestheader-allowed-names=front-proxy", "--requestheader-uid-headers=X-Remote-Uid",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + cert, "--proxy-client-key-file=" + key,
	}, args...)...)
	f.write(t, "kubeconfig", kubeconfigOf(f.url, f.token))
	return f
}

// config is how Go clients reach the server as a user.
func (f *front) config(token string) *rest.Config {
	return &rest.Config{
		Host: f.url, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{Insecure: true}, QPS: -1, WarningHandler: rest.NoWarnings{},
	}
}

// kubeconfigOf is a kubeconfig for a server whose certificate is not looked at.
func kubeconfigOf(url, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: front, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: user, user: {token: %q}}]
contexts: [{name: front, context: {cluster: front, user: user}}]
current-context: front
`, url, token)
}

// aggregate has the server send a group version to https://localhost:PORT, whose certificate an authority has signed for
// NAME.aside.svc.
func (f *front) aggregate(t *testing.T, groupVersion, name string, port int, trust *authority) {
	t.Helper()
	group, version, _ := strings.Cut(groupVersion, "/")
	_, _ = f.output(t, "create namespace aside", "")
	_, _ = f.output(t, "create -f -", fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: aside},
  spec: {type: ExternalName, externalName: localhost, ports: [{port: %d}]}}`, name, port))
	f.must(t, "create -f -", fmt.Sprintf(`{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: %[2]s.%[1]s}, spec: {
  group: %[1]s, version: %[2]s, groupPriorityMinimum: 1000, versionPriority: 15, caBundle: %[3]s, service: {name: %[4]s, namespace: aside, port: %[5]d}}}`,
		group, version, base64Of(trust.pem), name, port))
}

// serve is aggregate, and waits until the group version is available.
func (f *front) serve(t *testing.T, groupVersion, name string, port int, trust *authority) {
	t.Helper()
	f.aggregate(t, groupVersion, name, port, trust)
	group, version, _ := strings.Cut(groupVersion, "/")
	f.must(t, "wait --for=condition=Available --timeout=30s apiservice/"+version+"."+group, "")
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// show waits until the output of a command has a text: that of documents which are made when others were asked.
func (k *kube) show(t *testing.T, args, want string) {
	t.Helper()
	eventually(t, "kubectl "+args, func() error {
		k.forget(t)
		if out, _ := k.output(t, args, ""); !strings.Contains(folded(out), want) {
			return fmt.Errorf("want %q in\n%s", want, out)
		}
		return nil
	})
}

// golden is a file of what kube-apiserver does, by the name of each case. A run with APICHAIN_WRITE writes it anew, by what
// kube-apiserver does, and compares nothing.
type golden[T any] struct {
	file    string
	writing bool
	want    map[string]T
}

func openGolden[T any](t *testing.T, name string) *golden[T] {
	t.Helper()
	g := &golden[T]{file: testdata(t, name), writing: os.Getenv("APICHAIN_WRITE") != ""}
	b, err := os.ReadFile(g.file)
	if err == nil {
		err = json.Unmarshal(b, &g.want)
	}
	if err != nil && !g.writing {
		t.Fatal(err)
	}
	return g
}

// keep writes what the server of a folder has done, if that is kube-apiserver's and it is to be written.
func (g *golden[T]) keep(t *testing.T, folder string, got map[string]T) {
	t.Helper()
	if !g.writing || folder == folderOf(t) {
		return
	}
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	j.SetIndent("", " ")
	if err := errors.Join(j.Encode(got), os.WriteFile(g.file, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}
