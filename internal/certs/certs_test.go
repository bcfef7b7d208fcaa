package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/atomicfile"
)

// newTestLoader loads c with a log that is text.
func newTestLoader(t testing.TB, log io.Writer, c Config) *Loader {
	t.Helper()
	l, err := New(c, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lines is a log that may be written while it is read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) has(s string) bool { return strings.Contains(l.String(), s) }

// testCA is a CA that signs certificates for tests.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestCA(t testing.TB) *testCA {
	t.Helper()
	cert, key := signTestCert(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "CA of " + t.Name()}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return &testCA{cert, key}
}

// signTestCert makes a certificate of c, signed by ca or by itself. Times that c leaves out are
// an hour from now.
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

// putPEM writes NAME.crt and NAME.key.
func putPEM(t testing.TB, dir, name string, cert *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
	t.Helper()
	k, err := marshalKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	put(t, certFile, certPEM(cert))
	put(t, keyFile, k)
	return certFile, keyFile
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func put(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := atomicfile.Write(path, b); err != nil {
		t.Fatal(err)
	}
}

// putPair writes a certificate that signed itself; its common name is the file's.
func putPair(t testing.TB, dir, name string, c *x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	c.Subject = pkix.Name{CommonName: name}
	cert, key := signTestCert(t, nil, c)
	return putPEM(t, dir, name, cert, key)
}

func TestGenerated(t *testing.T) {
	t.Chdir(t.TempDir())
	hosts := []string{"Api.example.com", "10.1.2.3", "127.0.0.2", "127.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "localhost", "10.1.2.3"}
	p, ca, err := generated("", "", hosts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("no CA in %q", ca)
	}
	leaf := p.Cert.Leaf
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "api.example.com", "127.0.0.1", "::1", "10.1.2.3", "127.0.0.2", "fe80::1"}
	for _, name := range names {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(leaf.DNSNames) + len(leaf.IPAddresses); got != len(names) {
		t.Errorf("got names %q %v, want each of %q once", leaf.DNSNames, leaf.IPAddresses, names)
	}
	block, _ := pem.Decode(ca)
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := issuer.Subject.String(); got != "CN=apichain-ca" || leaf.Issuer.String() != got || !issuer.IsCA || leaf.IsCA {
		t.Errorf("got CA %q (%t), leaf of %q (%t)", got, issuer.IsCA, leaf.Issuer, leaf.IsCA)
	}
	// Strict verifiers want the identifier (RFC 5280, 4.2.1.1).
	if len(leaf.AuthorityKeyId) == 0 || !slices.Equal(leaf.AuthorityKeyId, issuer.SubjectKeyId) {
		t.Errorf("authority key identifier %x, want %x", leaf.AuthorityKeyId, issuer.SubjectKeyId)
	}
	for _, c := range []*x509.Certificate{leaf, issuer} {
		if k, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
			t.Errorf("%s: key %T, want ECDSA P-256", c.Subject, c.PublicKey)
		}
		if left := time.Until(c.NotAfter); left < generatedLife-time.Minute || left > generatedLife {
			t.Errorf("%s: ends in %v, want %v", c.Subject, left, generatedLife)
		}
	}
	if !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("usage %v, want serverAuth alone", leaf.ExtKeyUsage)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("got files %v %v, want nothing on disk", files, err)
	}
}

// TestCertDir: what is kept is taken again while it is good, and made anew otherwise,
// with a log line that says why.
func TestCertDir(t *testing.T) {
	// kept replaces what the directory holds by a certificate of our own.
	kept := func(edit func(*x509.Certificate)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			ca := newTestCA(t)
			c := &x509.Certificate{Subject: pkix.Name{CommonName: "kept"}, NotAfter: time.Now().Add(31 * 24 * time.Hour), DNSNames: slices.Clone(generatedNames), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
			ca.cert.NotAfter = c.NotAfter
			edit(c)
			cert, key := signTestCert(t, ca, c)
			putPEM(t, dir, "apichain", cert, key)
			put(t, filepath.Join(dir, "ca.crt"), certPEM(ca.cert))
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(name, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, filepath.Join(dir, name), []byte(content)) }
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string)
		hosts  []string
		why    string // "": the same certificate is taken again
	}{
		{name: "unchanged", change: func(*testing.T, string) {}},
		{name: "31 days left", change: kept(func(*x509.Certificate) {})},
		{name: "29 days left", change: kept(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(29 * 24 * time.Hour) }), why: "it ends in 696h"},
		{name: "not yet valid", change: kept(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), why: "not yet valid"},
		{name: "a name less", change: kept(func(c *x509.Certificate) { c.DNSNames = c.DNSNames[1:] }), why: "not localhost"},
		{name: "an address less", change: kept(func(c *x509.Certificate) { c.IPAddresses = c.IPAddresses[:1] }), why: "not ::1"},
		{name: "not for servers", change: kept(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), why: "incompatible key usage"},
		{name: "a host more", change: func(*testing.T, string) {}, hosts: []string{"10.1.2.3"}, why: "not 10.1.2.3"},
		{name: "another CA", change: func(t *testing.T, dir string) { put(t, filepath.Join(dir, "ca.crt"), certPEM(newTestCA(t).cert)) }, why: "unknown authority"},
		{name: "another key", change: func(t *testing.T, dir string) {
			_, key := putPair(t, t.TempDir(), "other", &x509.Certificate{})
			if err := os.Rename(key, filepath.Join(dir, "apichain.key")); err != nil {
				t.Fatal(err)
			}
		}, why: "does not match"},
		{name: "garbage", change: write("apichain.crt", "garbage"), why: "apichain.crt"},
		{name: "an empty key", change: write("apichain.key", ""), why: "apichain.key"},
		{name: "an empty CA", change: write("ca.crt", ""), why: "unknown authority"},
		{name: "no certificate", change: remove("apichain.crt"), why: "apichain.crt"},
		{name: "no key", change: remove("apichain.key"), why: "apichain.key"},
		{name: "no CA", change: remove("ca.crt"), why: "ca.crt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, log := filepath.Join(t.TempDir(), "made", "here"), &lines{}
			logger := slog.New(slog.NewTextHandler(log, nil))
			if _, _, err := generated(dir, "", nil, logger); err != nil {
				t.Fatal(err)
			}
			checkModes(t, dir)
			tt.change(t, dir)
			was, _ := os.ReadFile(filepath.Join(dir, "apichain.crt"))
			before := len(log.String())
			p, ca, err := generated(dir, "", tt.hosts, logger)
			if err != nil {
				t.Fatal(err)
			}
			checkModes(t, dir)
			said := log.String()[before:]
			if tt.why == "" {
				if !slices.Equal(p.pem, was) || said != "" {
					t.Errorf("got another certificate, or log %q; want what was kept, silently", said)
				}
				return
			}
			if slices.Equal(p.pem, was) || !strings.Contains(said, tt.why) || strings.Count(said, "\n") != 1 {
				t.Errorf("log %q, want a new certificate and one line with %q", said, tt.why)
			}
			again, caAgain, err := generated(dir, "", tt.hosts, logger)
			if err != nil || !again.Cert.Leaf.Equal(p.Cert.Leaf) || !slices.Equal(ca, caAgain) {
				t.Errorf("the new certificate was not kept: %v", err)
			}
		})
	}
}

// checkModes: three files, for their owner alone, and no other.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range append(files, dirEntry(t, dir)) {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name()] = info.Mode().String()
	}
	want := map[string]string{"here": "drwx------", "ca.crt": "-rw-------", "apichain.crt": "-rw-------", "apichain.key": "-rw-------"}
	if !maps.Equal(got, want) {
		t.Errorf("got files %v, want %v", got, want)
	}
}

func dirEntry(t *testing.T, path string) os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v %v, want one directory", entries, err)
	}
	return entries[0]
}

// TestCertificatesFailToLoad: a start-up error names the flag, the file and what is wrong.
func TestCertificatesFailToLoad(t *testing.T) {
	dir := t.TempDir()
	cert, key := putPair(t, dir, "good", &x509.Certificate{})
	_, otherKey := putPair(t, dir, "other", &x509.Certificate{})
	bad, none := filepath.Join(dir, "bad"), filepath.Join(dir, "none")
	put(t, bad, []byte("garbage"))
	half := filepath.Join(dir, "half.crt")
	put(t, half, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	for _, tt := range []struct {
		config Config
		want   []string
	}{
		{Config{CertFile: none, KeyFile: key}, []string{"--tls-cert-file: ", none, "no such file"}},
		{Config{CertFile: cert, KeyFile: none}, []string{"--tls-cert-file: ", none, "no such file"}},
		{Config{CertFile: bad, KeyFile: key}, []string{"--tls-cert-file: ", bad, "PEM"}},
		{Config{CertFile: cert, KeyFile: bad}, []string{"--tls-cert-file: ", bad, "PEM"}},
		{Config{CertFile: cert, KeyFile: otherKey}, []string{"--tls-cert-file: ", cert, otherKey, "does not match"}},
		{Config{SNI: []SNI{{Cert: cert, Key: none}}}, []string{"--tls-sni-cert-key: ", none, "no such file"}},
		{Config{SNI: []SNI{{half, key, []string{"x"}}}}, []string{"--tls-sni-cert-key: ", half, "x509"}},
		{Config{ClientCAs: none}, []string{"--client-ca-file: ", none, "no such file"}},
		{Config{ClientCAs: key}, []string{"--client-ca-file: ", key, "holds no certificate in PEM form"}},
		{Config{ClientCAs: half}, []string{"--client-ca-file: ", half, "x509"}},
		{Config{RequestHeaderCAs: bad}, []string{"--requestheader-client-ca-file: ", bad, "holds no certificate in PEM form"}},
		{Config{Dir: filepath.Join(bad, "dir")}, []string{"--cert-dir: ", bad, "not a directory"}},
	} {
		_, err := New(tt.config, nil, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%+v: got no error, want a start-up failure", tt.config)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v: got %q, want one line with %q", tt.config, err, want)
			}
		}
	}
	if _, err := New(Config{}, []string{"bücher.example"}, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "--cert-dir") || !strings.Contains(err.Error(), "bücher.example") {
		t.Errorf("a host that no certificate can name: got %v, want it named, and no flag that was not given", err)
	}
}

// TestCAsOverlapAfterReload: files that come to share a CA later are not taken, in
// whichever of them it appears, and what was trusted before stays.
func TestCAsOverlapAfterReload(t *testing.T) {
	one, other := newTestCA(t).cert, newTestCA(t).cert
	for _, named := range []bool{false, true} {
		for _, changed := range []string{"clients", "proxies"} {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			put(t, at("clients"), certPEM(one))
			put(t, at("proxies"), certPEM(other))
			log := &lines{}
			c := newTestLoader(t, log, Config{ClientCAs: at("clients"), RequestHeaderCAs: at("proxies"), ProxiesNamed: named})
			clients, proxies := c.ClientCAs(), c.RequestHeaderCAs()
			put(t, at(changed), append(certPEM(one), certPEM(other)...))
			c.Reload()
			kept := c.ClientCAs() == clients || changed != "clients"
			kept = kept && (c.RequestHeaderCAs() == proxies || changed == "clients")
			if kept == named || log.has("--requestheader-allowed-names") == named {
				t.Errorf("%s, front proxies named %t: kept what was trusted %t, log:\n%s", changed, named, kept, log)
			}
		}
	}
}

// TestCAPEM: clients are given the generated CA, or the chain of the file: never its key.
func TestCAPEM(t *testing.T) {
	c := newTestLoader(t, io.Discard, Config{})
	if got := c.CAPEM(); !slices.Equal(got, c.ca) || len(got) == 0 {
		t.Errorf("generated: got %q, want the CA", got)
	}
	dir := t.TempDir()
	ca := newTestCA(t)
	leaf, key := signTestCert(t, ca, &x509.Certificate{DNSNames: []string{"localhost"}})
	cert, keyFile := putPEM(t, dir, "both", leaf, key)
	k, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	want := append(certPEM(leaf), certPEM(ca.cert)...)
	put(t, cert, append(append(k, "a comment\n"...), want...))
	c = newTestLoader(t, io.Discard, Config{CertFile: cert, KeyFile: cert})
	if got := c.CAPEM(); !slices.Equal(got, want) {
		t.Errorf("given: got\n%s\nwant the chain without key and comment\n%s", got, want)
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := generated("", "", []string{"10.1.2.3"}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNamesCAs: a handshake names the CAs of clients and front proxies that are trusted at the time, and none where
// there are none.
func TestNamesCAs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clients")
	one, two, proxies := newTestCA(t).cert, newTestCA(t).cert, newTestCA(t).cert
	put(t, filepath.Join(dir, "proxies"), certPEM(proxies))
	put(t, file, certPEM(one))
	none := newTestLoader(t, io.Discard, Config{})
	some := newTestLoader(t, io.Discard, Config{ClientCAs: file})
	both := newTestLoader(t, io.Discard, Config{ClientCAs: file, RequestHeaderCAs: filepath.Join(dir, "proxies")})
	configs := map[*Loader]*tls.Config{none: none.TLSConfig(nil), some: some.TLSConfig(nil), both: both.TLSConfig(nil)}
	named := func(l *Loader) int {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		var names [][]byte
		asked := func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			names = r.AcceptableCAs
			return &tls.Certificate{}, nil
		}
		client := tls.Client(near, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: asked})
		server := make(chan error, 1)
		go func() { server <- tls.Server(far, configs[l]).Handshake() }()
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, client) // tickets, which the end of the handshake waits for
		if err := <-server; err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	if a, b, c := named(none), named(some), named(both); a != 0 || b != 1 || c != 2 {
		t.Errorf("%d, %d and %d CAs are named", a, b, c)
	}
	put(t, file, append(certPEM(one), certPEM(two)...))
	some.Reload()
	if n := named(some); n != 2 {
		t.Errorf("%d CAs after a reload", n)
	}
}
