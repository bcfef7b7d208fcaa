package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// newTLSOptions parses flags of the group.
func newTLSOptions(t testing.TB, args ...string) (*tlsOptions, problems) {
	t.Helper()
	o, f := &tlsOptions{}, newFlags()
	o.register(f)
	var p problems
	if err := f.parse(args, &p); err != nil {
		t.Fatal(err)
	}
	o.check(&p)
	return o, p
}

// newTestCertificates are the certificates of flags that are right.
func newTestCertificates(t testing.TB, log io.Writer, args ...string) *certificates {
	t.Helper()
	o, p := newTLSOptions(t, args...)
	if len(p) > 0 {
		t.Fatal(p)
	}
	c, err := newCertificates(o, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
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
	if err := writeAtomic(path, b); err != nil {
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

func TestTLSProblems(t *testing.T) {
	const offered = "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, " +
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
	sni := func(v string) string {
		return `--tls-sni-cert-key: invalid value "` + v + `": must be cert,key or cert,key:domain,domain`
	}
	suite := func(v string) string {
		return `--tls-cipher-suites: "` + v + `" is not offered; offered are ` + offered
	}
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"", nil},
		{"--tls-cert-file=a --tls-private-key-file=b --tls-min-version=VersionTLS13", nil},
		{"--tls-cert-file=a", []string{"--tls-cert-file: needs --tls-private-key-file"}},
		{"--tls-private-key-file=a", []string{"--tls-private-key-file: needs --tls-cert-file"}},
		{"--tls-min-version=VersionTLS10", []string{`--tls-min-version: must be VersionTLS12 or VersionTLS13, is "VersionTLS10"`}},
		{"--tls-min-version=VersionTLS11", []string{`--tls-min-version: must be VersionTLS12 or VersionTLS13, is "VersionTLS11"`}},
		{"--tls-min-version=", []string{`--tls-min-version: must be VersionTLS12 or VersionTLS13, is ""`}},
		{"--tls-cipher-suites=" + strings.ReplaceAll(offered, " ", ""), nil},
		{"--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", []string{suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA")}},
		{"--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA,TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_3DES_EDE_CBC_SHA", []string{suite("TLS_RSA_WITH_RC4_128_SHA"), suite("TLS_RSA_WITH_3DES_EDE_CBC_SHA")}},
		{"--tls-cipher-suites=TLS_RSA_WITH_AES_128_GCM_SHA256", []string{suite("TLS_RSA_WITH_AES_128_GCM_SHA256")}},
		{"--tls-cipher-suites=tls_aes_128_gcm_sha256", []string{suite("tls_aes_128_gcm_sha256")}},
		{"--tls-sni-cert-key=a", []string{sni("a")}},
		{"--tls-sni-cert-key=a,", []string{sni("a,")}},
		{"--tls-sni-cert-key=,b:x", []string{sni(",b:x")}},
		{"--tls-sni-cert-key=a,b,c", []string{sni("a,b,c")}},
		{"--tls-sni-cert-key=a,b:", []string{sni("a,b:")}},
		{"--tls-sni-cert-key=a,b:,", []string{sni("a,b:,")}},
		{"--tls-cert-file=a --tls-min-version=x --tls-sni-cert-key=y", []string{sni("y"), "--tls-cert-file: needs --tls-private-key-file", `--tls-min-version: must be VersionTLS12 or VersionTLS13, is "x"`}},
	} {
		if _, got := newTLSOptions(t, strings.Fields(tt.args)...); !slices.Equal(got, tt.want) {
			t.Errorf("%q:\n got %q\nwant %q", tt.args, []string(got), tt.want)
		}
	}
}

// TestSNIFlagAdds: this flag alone adds when it is repeated.
func TestSNIFlagAdds(t *testing.T) {
	o, p := newTLSOptions(t, "--tls-sni-cert-key=a.crt,a.key", "--tls-sni-cert-key= b.crt , b.key :B.Example, *.c.example,10.0.0.1")
	want := []sniFlag{{cert: "a.crt", key: "a.key"}, {"b.crt", "b.key", []string{"b.example", "*.c.example", "10.0.0.1"}}}
	if len(p) > 0 || !reflect.DeepEqual(o.sni, want) {
		t.Errorf("got %+v %q, want %+v", o.sni, []string(p), want)
	}
	if got, want := (*sniValue)(&o.sni).String(), "a.crt,a.key b.crt,b.key:b.example,*.c.example,10.0.0.1"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}

// FuzzSNIFlag: what is accepted has two files, and reads the same once written.
func FuzzSNIFlag(f *testing.F) {
	for _, s := range []string{"a,b", "a,b:x,y", "a,b:*.x", ",", ":", "a,b:", "a , b : c ", "a,b:c:d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var v, again sniValue
		if v.Set(s) != nil {
			if len(v) > 0 {
				t.Errorf("%q was refused and added", s)
			}
			return
		}
		if len(v) != 1 || v[0].cert == "" || v[0].key == "" {
			t.Fatalf("%q: got %+v, want one pair with both files", s, v)
		}
		if err := again.Set(v.String()); err != nil || !reflect.DeepEqual(v, again) {
			t.Errorf("%q: got %+v %v once written, want %+v", s, again, err, v)
		}
	})
}

func TestGenerated(t *testing.T) {
	t.Chdir(t.TempDir())
	hosts := []string{"Api.example.com", "10.1.2.3", "127.0.0.2", "127.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "localhost", "10.1.2.3"}
	p, ca, err := generated("", hosts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("no CA in %q", ca)
	}
	leaf := p.cert.Leaf
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
			ca := newTestCA(t, nil)
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
		{name: "another CA", change: func(t *testing.T, dir string) { put(t, filepath.Join(dir, "ca.crt"), certPEM(newTestCA(t, nil).cert)) }, why: "unknown authority"},
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
			if _, _, err := generated(dir, nil, logger); err != nil {
				t.Fatal(err)
			}
			checkModes(t, dir)
			tt.change(t, dir)
			was, _ := os.ReadFile(filepath.Join(dir, "apichain.crt"))
			before := len(log.String())
			p, ca, err := generated(dir, tt.hosts, logger)
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
			again, caAgain, err := generated(dir, tt.hosts, logger)
			if err != nil || !again.cert.Leaf.Equal(p.cert.Leaf) || !slices.Equal(ca, caAgain) {
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
		args []string
		want []string
	}{
		{[]string{"--tls-cert-file=" + none, "--tls-private-key-file=" + key}, []string{"--tls-cert-file: ", none, "no such file"}},
		{[]string{"--tls-cert-file=" + cert, "--tls-private-key-file=" + none}, []string{"--tls-cert-file: ", none, "no such file"}},
		{[]string{"--tls-cert-file=" + bad, "--tls-private-key-file=" + key}, []string{"--tls-cert-file: ", bad, "PEM"}},
		{[]string{"--tls-cert-file=" + cert, "--tls-private-key-file=" + bad}, []string{"--tls-cert-file: ", bad, "PEM"}},
		{[]string{"--tls-cert-file=" + cert, "--tls-private-key-file=" + otherKey}, []string{"--tls-cert-file: ", cert, otherKey, "does not match"}},
		{[]string{"--tls-sni-cert-key=" + cert + "," + none}, []string{"--tls-sni-cert-key: ", none, "no such file"}},
		{[]string{"--tls-sni-cert-key=" + half + "," + key + ":x"}, []string{"--tls-sni-cert-key: ", half, "x509"}},
		{[]string{"--client-ca-file=" + none}, []string{"--client-ca-file: ", none, "no such file"}},
		{[]string{"--client-ca-file=" + key}, []string{"--client-ca-file: ", key, "holds no certificate in PEM form"}},
		{[]string{"--client-ca-file=" + half}, []string{"--client-ca-file: ", half, "x509"}},
		{[]string{"--requestheader-client-ca-file=" + bad}, []string{"--requestheader-client-ca-file: ", bad, "holds no certificate in PEM form"}},
		{[]string{"--cert-dir=" + filepath.Join(bad, "dir")}, []string{"--cert-dir: ", bad, "not a directory"}},
	} {
		o, p := newTLSOptions(t, tt.args...)
		_, err := newCertificates(o, nil, slog.New(slog.DiscardHandler))
		if len(p) > 0 || err == nil {
			t.Errorf("%q: got problems %q, error %v; want a start-up failure", tt.args, []string(p), err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: got %q, want one line with %q", tt.args, err, want)
			}
		}
	}
	o, _ := newTLSOptions(t)
	if _, err := newCertificates(o, []string{"bücher.example"}, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "--cert-dir") || !strings.Contains(err.Error(), "bücher.example") {
		t.Errorf("a host that no certificate can name: got %v, want it named, and no flag that was not given", err)
	}
}

// TestCAsOverlap: CAs of clients and of front proxies may share no certificate, wherever
// it stands in its file, unless the front proxies are named.
func TestCAsOverlap(t *testing.T) {
	dir := t.TempDir()
	shared, one, other := newTestCA(t, nil).cert, newTestCA(t, nil).cert, newTestCA(t, nil).cert
	for _, tt := range []struct {
		name             string
		clients, proxies []*x509.Certificate
		want             bool
	}{
		{"neither", nil, nil, false},
		{"clients alone", []*x509.Certificate{shared}, nil, false},
		{"front proxies alone", nil, []*x509.Certificate{shared}, false},
		{"apart", []*x509.Certificate{one}, []*x509.Certificate{other}, false},
		{"the same", []*x509.Certificate{shared}, []*x509.Certificate{shared}, true},
		{"last of both", []*x509.Certificate{one, shared}, []*x509.Certificate{other, shared}, true},
		{"first and last", []*x509.Certificate{shared, one}, []*x509.Certificate{other, shared}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var args []string
			for flag, cas := range map[string][]*x509.Certificate{"client-ca-file": tt.clients, "requestheader-client-ca-file": tt.proxies} {
				if cas == nil {
					continue
				}
				var b []byte
				for _, ca := range cas {
					b = append(b, certPEM(ca)...)
				}
				put(t, filepath.Join(dir, flag), b)
				args = append(args, "--"+flag+"="+filepath.Join(dir, flag))
			}
			for _, named := range []bool{false, true} {
				args := slices.Clone(args)
				if named {
					args = append(args, "--requestheader-allowed-names=proxy")
				}
				o, f := newOptions()
				if wrong, err := o.parse(f, args); err != nil || len(wrong) > 0 {
					t.Fatal(wrong, err)
				}
				p := newProgram(o, f, io.Discard, io.Discard)
				p.endBackground()
				err := p.loadIdentity()
				if refused := err != nil; refused != (tt.want && !named) {
					t.Errorf("front proxies named %t: got %v, want refused %t", named, err, !refused)
				} else if refused && (!strings.Contains(err.Error(), "--requestheader-allowed-names") || !strings.Contains(err.Error(), "--client-ca-file")) {
					t.Errorf("got %q, want the flags named", err)
				}
			}
		})
	}
}

// TestCAsOverlapAfterReload: files that come to share a CA later are not taken, in
// whichever of them it appears, and what was trusted before stays.
func TestCAsOverlapAfterReload(t *testing.T) {
	one, other := newTestCA(t, nil).cert, newTestCA(t, nil).cert
	for _, named := range []bool{false, true} {
		for _, flag := range []string{"client-ca-file", "requestheader-client-ca-file"} {
			dir := t.TempDir()
			files := map[string]string{"client-ca-file": filepath.Join(dir, "clients"), "requestheader-client-ca-file": filepath.Join(dir, "proxies")}
			put(t, files["client-ca-file"], certPEM(one))
			put(t, files["requestheader-client-ca-file"], certPEM(other))
			args := []string{"--client-ca-file=" + files["client-ca-file"], "--requestheader-client-ca-file=" + files["requestheader-client-ca-file"]}
			if named {
				args = append(args, "--requestheader-allowed-names=proxy")
			}
			o, f := newOptions()
			if wrong, err := o.parse(f, args); err != nil || len(wrong) > 0 {
				t.Fatal(wrong, err)
			}
			log := &lines{}
			c, err := newCertificates(&o.tls, nil, o.logging.logger(log))
			if err != nil {
				t.Fatal(err)
			}
			clients, proxies := c.clientCAs(), c.requestHeaderCAs()
			put(t, files[flag], append(certPEM(one), certPEM(other)...))
			c.reload()
			kept := c.clients.Load().pool == clients || flag != "client-ca-file"
			kept = kept && (c.requestHeader.Load().pool == proxies || flag == "client-ca-file")
			if kept == named || log.has("--requestheader-allowed-names") == named {
				t.Errorf("%s, front proxies named %t: kept what was trusted %t, log:\n%s", flag, named, kept, log)
			}
		}
	}
}

// TestCAPEM: clients are given the generated CA, or the chain of the file: never its key.
func TestCAPEM(t *testing.T) {
	c := newTestCertificates(t, io.Discard)
	if got := c.caPEM(); !slices.Equal(got, c.ca) || len(got) == 0 {
		t.Errorf("generated: got %q, want the CA", got)
	}
	dir := t.TempDir()
	ca := newTestCA(t, nil)
	leaf, key := signTestCert(t, ca, &x509.Certificate{DNSNames: []string{"localhost"}})
	cert, keyFile := putPEM(t, dir, "both", leaf, key)
	k, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	want := append(certPEM(leaf), certPEM(ca.cert)...)
	put(t, cert, append(append(k, "a comment\n"...), want...))
	c = newTestCertificates(t, io.Discard, "--tls-cert-file="+cert, "--tls-private-key-file="+cert)
	if got := c.caPEM(); !slices.Equal(got, want) {
		t.Errorf("given: got\n%s\nwant the chain without key and comment\n%s", got, want)
	}
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := generated("", []string{"10.1.2.3"}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
