package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/tree"
)

// authority is a CA of a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	a.cert, a.pem, _ = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key)
	return a
}

// sign fills and signs a certificate; one of the authority itself while there is none.
func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, []byte, []byte) {
	a.t.Helper()
	c.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, _ := x509.ParseCertificate(der)
	keyDER, _ := x509.MarshalPKCS8PrivateKey(key)
	return made, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// pair returns a certificate for names, which may be addresses, and its key, in PEM.
func (a *authority) pair(commonName string, names ...string) (cert, key []byte) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: commonName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	_, cert, key = a.sign(c, k)
	return cert, key
}

// loaded is pair as crypto/tls has it.
func (a *authority) loaded(commonName string, names ...string) tls.Certificate {
	a.t.Helper()
	cert, err := tls.X509KeyPair(a.pair(commonName, names...))
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// serve starts a server with a certificate of the authority for names, and 127.0.0.1 without any. It speaks HTTP/2
// too, and asks for client certificates. It returns host:port.
func (a *authority) serve(h http.HandlerFunc, names ...string) string {
	a.t.Helper()
	return a.server(h, names...).Listener.Addr().String()
}

func (a *authority) server(h http.HandlerFunc, names ...string) *httptest.Server {
	a.t.Helper()
	if len(names) == 0 {
		names = []string{"127.0.0.1", "localhost"}
	}
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.loaded("server", names...)}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s
}

// objects are those of a test. A change is made by put.
type objects struct {
	mu     sync.Mutex
	byKind map[string][]map[string]any
	change int64
	reads  int
}

// put replaces all objects of a resource by those that the YAML has.
func (o *objects) put(t testing.TB, resource, yaml string) {
	t.Helper()
	docs, err := tree.ParseYAML([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKind == nil {
		o.byKind = map[string][]map[string]any{}
	}
	o.byKind[resource] = nil
	for _, d := range docs {
		o.byKind[resource] = append(o.byKind[resource], d.(map[string]any))
	}
	o.change++
}

func (o *objects) Get(resource, namespace, name string) map[string]any {
	for _, obj := range o.List(resource, namespace) {
		if tree.Name(obj) == name {
			return obj
		}
	}
	return nil
}

func (o *objects) List(resource, namespace string) (all []map[string]any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reads++
	for _, obj := range o.byKind[resource] {
		if tree.Text(obj, "metadata", "namespace") == namespace {
			all = append(all, obj)
		}
	}
	return all
}

func (o *objects) Change(string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.change
}

// ask posts a body to the backend and returns what came back, or the error, in one line.
func ask(t testing.TB, ctx context.Context, b *Backend, most int64) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", b.BaseURL(), strings.NewReader(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	code, _, body, err := b.Ask(ctx, r, most)
	if err != nil {
		return "", err
	}
	return http.StatusText(code) + " " + string(body), nil
}

// within returns a context for calls that must end soon.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
