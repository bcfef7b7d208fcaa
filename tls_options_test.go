package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"apichain/internal/atomicfile"
	"apichain/internal/certs"
	"apichain/internal/flags"
)

// newTLSOptions parses flags of the group.
func newTLSOptions(t testing.TB, args ...string) (*tlsOptions, flags.Problems) {
	t.Helper()
	o := &tlsOptions{}
	p, err := flags.New("test", o).Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	return o, p
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
	want := []certs.SNI{{Cert: "a.crt", Key: "a.key"}, {Cert: "b.crt", Key: "b.key", Names: []string{"b.example", "*.c.example", "10.0.0.1"}}}
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
		if len(v) != 1 || v[0].Cert == "" || v[0].Key == "" {
			t.Fatalf("%q: got %+v, want one pair with both files", s, v)
		}
		if err := again.Set(v.String()); err != nil || !reflect.DeepEqual(v, again) {
			t.Errorf("%q: got %+v %v once written, want %+v", s, again, err, v)
		}
	})
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

// putPEM writes NAME.crt and NAME.key.
func putPEM(t testing.TB, dir, name string, cert *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
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
