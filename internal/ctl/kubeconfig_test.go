package ctl

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newPair returns a client certificate and its key, as PEM.
func newPair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

// TestClientCertificate: a pair of the kubeconfig is shown to the server, from files or from data,
// or from one of each.
func TestClientCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = w.Write([]byte(name + "\n"))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	defer s.Close()
	cert, key := newPair(t, "ann")
	_, otherKey := newPair(t, "bob")
	dir := t.TempDir()
	for name, content := range map[string][]byte{"c": cert, "k": key, "other": otherKey} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := base64.StdEncoding.EncodeToString
	for user, want := range map[string]outcome{
		"client-certificate: c, client-key: k":                                       {exitDone, "ann\n", ""},
		"client-certificate-data: " + data(cert) + ", client-key-data: " + data(key): {exitDone, "ann\n", ""},
		"client-certificate-data: " + data(cert) + ", client-key: k":                 {exitDone, "ann\n", ""},
		"client-key: k":                            {exitDone, "nobody\n", ""},
		"username: ann, password: p":               {exitDone, "nobody\n", ""},
		"client-certificate: c, client-key: c":     {exitUsage, "", "found a certificate rather than a key"},
		"client-certificate: c, client-key: other": {exitUsage, "", "client-certificate: tls: private key does not match public key"},
		"client-certificate: c":                    {exitUsage, "", "client-certificate: tls: failed to find any PEM data in key input"},
	} {
		path := filepath.Join(dir, "config")
		text := "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n" +
			"clusters: [{name: c, cluster: {insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {" + user + "}}]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := inspect(t, t.Context(), "", "hooks", "--admin="+s.URL, "--kubeconfig="+path)
		if got.code != want.code || got.out != want.out || !strings.Contains(got.errs, want.errs) || (want.errs == "") != (got.errs == "") {
			t.Errorf("%s: %+v, want %+v", user, got, want)
		}
	}
}
