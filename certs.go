package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tlsOptions are the certificates of the TLS listener, whom it trusts, and what it speaks.
type tlsOptions struct {
	certFile, keyFile                 string
	sni                               []sniFlag
	minVersion                        string
	suites                            []string
	certDir, clientCA, requestHeaders string
	proxiesNamed                      bool // derived: --requestheader-allowed-names says who is a front proxy
}

// sniFlag is one --tls-sni-cert-key.
type sniFlag struct {
	cert, key string
	names     []string
}

func (o *tlsOptions) register(f *flags) {
	f.in("tls")
	f.text(&o.certFile, "tls-cert-file", "", "serving certificate with its chain, PEM; none: a CA and a certificate are generated at start")
	f.text(&o.keyFile, "tls-private-key-file", "", "key of --tls-cert-file, PEM")
	f.set.Var((*sniValue)(&o.sni), "tls-sni-cert-key", "")
	f.row("tls-sni-cert-key", "further certificate: cert,key or cert,key:domain,*.domain; the flag may be repeated, and each use adds one")
	f.text(&o.minVersion, "tls-min-version", "VersionTLS12", "lowest TLS version: VersionTLS12 or VersionTLS13")
	f.list(&o.suites, "tls-cipher-suites", nil, "cipher suites of TLS 1.2, all of them AEAD; none: Go's choice (the suites of TLS 1.3 may be named, and are always on)")
	f.text(&o.certDir, "cert-dir", "", "directory in which a generated CA and certificate are kept over restarts; none: they live in memory")
	f.text(&o.clientCA, "client-ca-file", "", "CAs of client certificates, PEM: a client's common name is its user, its organisations are its groups")
	f.text(&o.requestHeaders, "requestheader-client-ca-file", "", "CAs of front proxies, PEM, which may name the user in header lines")
}

// sniValue is the flag: unlike every other, it adds when it is repeated.
type sniValue []sniFlag

func (v *sniValue) String() string {
	if v == nil {
		return ""
	}
	var out []string
	for _, s := range *v {
		text := s.cert + "," + s.key
		if len(s.names) > 0 {
			text += ":" + strings.Join(s.names, ",")
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// Set adds one certificate. A colon promises names: none after it is an error, as upstream.
func (v *sniValue) Set(s string) error {
	files, names, named := strings.Cut(s, ":")
	cert, key, _ := strings.Cut(files, ",")
	f := sniFlag{cert: strings.TrimSpace(cert), key: strings.TrimSpace(key)}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			f.names = append(f.names, name)
		}
	}
	if f.cert == "" || f.key == "" || strings.Contains(f.key, ",") || named && f.names == nil {
		return errors.New("must be cert,key or cert,key:domain,domain")
	}
	*v = append(*v, f)
	return nil
}

func (o *tlsOptions) check(p *problems) {
	if o.certFile != "" && o.keyFile == "" {
		p.add("tls-cert-file", "needs --tls-private-key-file")
	}
	if o.keyFile != "" && o.certFile == "" {
		p.add("tls-private-key-file", "needs --tls-cert-file")
	}
	if o.minVersion != "VersionTLS12" && o.minVersion != "VersionTLS13" {
		p.add("tls-min-version", "must be VersionTLS12 or VersionTLS13, is %q", o.minVersion)
	}
	wrong := false
	for _, name := range o.suites {
		if _, ok := aeadSuites()[name]; !ok {
			wrong = true
			p.add("tls-cipher-suites", "%q is not offered; offered are %s", name, strings.Join(sorted(suiteNames(aeadSuites())), ", "))
		}
	}
	// Upstream does not start then either: its HTTP/2 wants a suite of TLS 1.2.
	if len(o.suites) > 0 && !wrong && o.version() < tls.VersionTLS13 && !slices.ContainsFunc(o.suiteIDs(), ofTLS12) {
		p.add("tls-cipher-suites", "names suites of TLS 1.3 alone, which are always on, and leaves clients of TLS 1.2 none: name one of TLS 1.2 too, or say --tls-min-version=VersionTLS13")
	}
}

// ofTLS12 reports whether a suite that is offered is one of TLS 1.2.
func ofTLS12(id uint16) bool {
	return slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
		return s.ID == id && slices.Contains(s.SupportedVersions, tls.VersionTLS12)
	})
}

// aeadSuites are the suites that may be named. Those of TLS 1.3 may be too, as upstream
// has them in its list, but they are always on.
func aeadSuites() map[string]uint16 {
	out := map[string]uint16{}
	for _, s := range tls.CipherSuites() {
		if strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "CHACHA20_POLY1305") {
			out[s.Name] = s.ID
		}
	}
	return out
}

func suiteNames(m map[string]uint16) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	return out
}

// suiteIDs are the suites for TLS 1.2: those chosen, or every AEAD one with forward secrecy.
func (o *tlsOptions) suiteIDs() []uint16 {
	all := aeadSuites()
	var out []uint16
	for _, name := range o.suites {
		out = append(out, all[name])
	}
	if len(out) == 0 {
		for _, s := range tls.CipherSuites() {
			if _, ok := all[s.Name]; ok && !strings.HasPrefix(s.Name, "TLS_RSA_") {
				out = append(out, s.ID)
			}
		}
	}
	return out
}

func (o *tlsOptions) version() uint16 {
	if o.minVersion == "VersionTLS13" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// pair is a serving certificate with its key, as it was loaded.
type pair struct {
	cert     *tls.Certificate
	names    []string // given for SNI, in lower case; nil: those of the certificate
	sni      bool
	source   string // file, or "generated"
	loadedAt time.Time
	pem      []byte // the chain, and nothing else that the file held
}

// serves reports whether the pair is for a server name in lower case, and how well, as
// upstream ranks them: 4 for a given name, 3 for one of the certificate, 2 for a given
// wildcard, 1 for one of the certificate, 0 for not at all. Given names replace those of
// the certificate. A wildcard stands for one label.
func (p *pair) serves(name string) int {
	names, given := p.names, 1
	if names == nil {
		names, given = p.cert.Leaf.DNSNames, 0
	}
	best := 0
	for _, n := range names {
		n = strings.ToLower(n)
		if n == name {
			return 3 + given
		}
		if _, domain, ok := strings.Cut(name, "."); ok && n == "*."+domain {
			best = 1 + given
		}
	}
	return best
}

// loadPair reads a certificate with its key. The error names the file that is wrong.
func loadPair(certFile, keyFile string) (*pair, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	p, err := newPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", certFile, keyFile, err)
	}
	p.source = certFile
	return p, nil
}

func newPair(cert, key []byte) (*pair, error) {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, err
		}
	}
	// The file may hold the key too, which must not get into what clients are given.
	p := &pair{cert: &c, loadedAt: time.Now()}
	for _, der := range c.Certificate {
		p.pem = append(p.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return p, nil
}

// loadPool reads CA certificates. The error names the file.
func loadPool(file string) (*trust, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t := &trust{pool: x509.NewCertPool(), source: file, loadedAt: time.Now()}
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		t.pool.AddCert(c)
		t.certs = append(t.certs, c)
		t.subjects = append(t.subjects, c.Subject.String())
	}
	if len(t.certs) == 0 {
		return nil, fmt.Errorf("%s: holds no certificate in PEM form", file)
	}
	return t, nil
}

// The names of a generated certificate, beside the hosts of the listen addresses.
var generatedNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}

const generatedLife = 365 * 24 * time.Hour

// generated makes a CA and a serving certificate, or takes those of dir while they are
// good for another 30 days and for these hosts. The key of the CA is not kept.
func generated(dir string, hosts []string, log *slog.Logger) (*pair, []byte, error) {
	names, ips := slices.Clone(generatedNames), []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, h := range hosts {
		// A zone is the business of one machine: certificates know none.
		if a, err := netip.ParseAddr(h); err == nil {
			ip := net.IP(a.WithZone("").AsSlice())
			if !ip.IsUnspecified() && !slices.ContainsFunc(ips, ip.Equal) {
				ips = append(ips, ip)
			}
		} else if !slices.Contains(names, h) {
			names = append(names, h)
		}
	}
	if dir == "" {
		p, _, ca, err := generate(names, ips)
		return p, ca, err
	}
	caFile, certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "apichain.crt"), filepath.Join(dir, "apichain.key")
	p, err := loadPair(certFile, keyFile)
	ca, caErr := os.ReadFile(caFile)
	if err = errors.Join(err, caErr); err == nil {
		if err = stillGood(p, ca, names, ips); err == nil {
			return p, ca, nil
		}
	}
	log.Info("a new certificate is generated", "dir", dir, "why", err)
	p, key, ca, err := generate(names, ips)
	if err != nil {
		return nil, nil, err
	}
	p.source = certFile
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	return p, ca, errors.Join(writeAtomic(keyFile, key), writeAtomic(certFile, p.pem), writeAtomic(caFile, ca))
}

// stillGood says why kept certificates cannot be used any more.
func stillGood(p *pair, ca []byte, names []string, ips []net.IP) error {
	if left := time.Until(p.cert.Leaf.NotAfter); left < 30*24*time.Hour {
		return fmt.Errorf("it ends in %v", left.Round(time.Hour))
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	if _, err := p.cert.Leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		return err
	}
	for _, n := range names {
		if err := p.cert.Leaf.VerifyHostname(n); err != nil {
			return err
		}
	}
	for _, ip := range ips {
		if err := p.cert.Leaf.VerifyHostname(ip.String()); err != nil {
			return err
		}
	}
	return nil
}

// generate makes a CA and a certificate signed by it: ECDSA P-256, one year.
func generate(names []string, ips []net.IP) (p *pair, keyPEM, caPEM []byte, err error) {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "apichain-ca"}, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(generatedLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "apichain"}, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(generatedLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: names, IPAddresses: ips,
	}
	// The parent must be the CA as it was made, which has a key identifier: without that in
	// the leaf, clients that verify strictly (RFC 5280, 4.2.1.1; Python 3.13) refuse it.
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return nil, nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	keyPEM, err = marshalKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), caPEM...)
	p, err = newPair(chain, keyPEM)
	if err == nil {
		p.source = "generated"
	}
	return p, keyPEM, caPEM, err
}

func marshalKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(bytes.TrimLeft(b[:], "\x00"))
}
