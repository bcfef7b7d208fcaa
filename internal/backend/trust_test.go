package backend

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTrust makes targets of every trust, and says of each what it is. The errors are upstream's.
func TestTrust(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	address := ca.serve(func(http.ResponseWriter, *http.Request) {})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for _, row := range []struct {
		target      Target
		trust, want string // of the error; "": none
	}{
		{Target{CABundle: ca.pem}, "bundle of 1", ""},
		{Target{CABundle: append(append([]byte("text\n"), other.pem...), ca.pem...)}, "bundle of 2", ""},
		{Target{InsecureSkipTLSVerify: true}, "insecure", ""},
		{Target{}, "system", "x509: certificate signed by unknown authority"},
		{Target{CABundle: other.pem}, "bundle of 1", "x509: certificate signed by unknown authority"},
		{Target{CABundle: []byte("no PEM")}, "bundle of 0", "unable to load root certificates: unable to parse bytes as PEM block"},
		{Target{CABundle: broken}, "bundle of 1", "unable to load root certificates: failed to parse certificate: x509: malformed certificate"},
		{Target{CABundle: key}, "bundle of 1", "unable to load root certificates: no valid certificate authority data seen"},
		{Target{CABundle: ca.pem, InsecureSkipTLSVerify: true}, "insecure", "specifying a root certificates file with the insecure flag is not allowed"},
	} {
		row.target.URL = "https://" + address
		b := New(Config{}).Use(APIServer, "v1.g", row.target)
		_, err := ask(t, within(t, time.Minute), b, 9)
		if (err == nil) != (row.want == "") || row.want != "" && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.trust, err, row.want)
		}
		if b.Trust() != row.trust {
			t.Errorf("shown is %s, want %s", b.Trust(), row.trust)
		}
		unusable := b.Unusable() != nil
		if _, err := b.Dial(within(t, time.Minute)); (err == nil) != (row.want == "") {
			t.Errorf("%s: dialled with %v", row.trust, err)
		}
		if state := b.Report().State; unusable != (state == Broken) {
			t.Errorf("%s: is %s", row.trust, state)
		}
	}
}

// TestDeprecatedCertificates counts what upstream counts of serving certificates, by who was asked.
func TestDeprecatedCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := New(Config{})
	bare := ca.server(func(http.ResponseWriter, *http.Request) {})
	bare.TLS.Certificates[0] = ca.loaded("127.0.0.1") // no alternative names
	target := Target{URL: bare.URL, CABundle: ca.pem}
	if _, err := ask(t, within(t, time.Minute), s.Use(ValidatingWebhook, "c/w", target), 9); err == nil {
		t.Fatal("a certificate without names is good") // its common name does not count, which is counted
	}
	target.CABundle, target.InsecureSkipTLSVerify = nil, true
	for range 2 {
		if _, err := ask(t, within(t, time.Minute), s.Use(APIServer, "v1.g", target), 9); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(s.webhooks.missingSAN.Load(), s.webhooks.sha1.Load(), s.servers.missingSAN.Load(), s.servers.sha1.Load()); got != "1 0 2 0" {
		t.Errorf("counted %s", got)
	}
	signed := func(subject, issuer string, a x509.SignatureAlgorithm) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: subject}, Issuer: pkix.Name{CommonName: issuer}, SignatureAlgorithm: a}
	}
	if !isSHA1(signed("a", "b", x509.SHA1WithRSA)) || !isSHA1(signed("a", "b", x509.ECDSAWithSHA1)) || isSHA1(signed("a", "a", x509.SHA1WithRSA)) || isSHA1(signed("a", "b", x509.SHA256WithRSA)) {
		t.Error("SHA-1 is not told from others")
	}
}

// TestUseAndDrop keeps a backend whose target is the same, and lets go of another's connections.
func TestUseAndDrop(t *testing.T) {
	var told []string
	s := New(Config{Changed: func(b *Backend) { told = append(told, fmt.Sprint(b.Name, b.Gone())) }})
	target := Target{URL: "https://127.0.0.1:1", CABundle: newAuthority(t, "ca").pem}
	b := s.Use(ConversionWebhook, "b", target)
	if s.Use(ConversionWebhook, "b", target) != b {
		t.Error("the same target has another backend")
	}
	a := s.Use(APIServer, "a", target)
	target.URL += "2"
	if s.Use(ConversionWebhook, "b", target) == b {
		t.Error("another target has the same backend")
	}
	if all := s.All(); len(all) != 2 || all[0] != a || all[1].Target.URL != target.URL {
		t.Errorf("all are %v", all)
	}
	s.Drop(ConversionWebhook, "b")
	s.Drop(ConversionWebhook, "nobody")
	if got := strings.Join(told, " "); got != "bfalse afalse bfalse btrue" {
		t.Errorf("told %s", got)
	}
}

// TestCallsAfterTheEnd: who has not heard of the end of a backend is answered, and no connection is kept for the next call, which will not
// come. That of an aggregated server, of HTTP/2 and of 1.1.
func TestCallsAfterTheEnd(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := New(Config{})
	for _, isHTTP2 := range []bool{true, false} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
		server.EnableHTTP2 = isHTTP2
		server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.loaded("server", "127.0.0.1")}}
		server.StartTLS()
		t.Cleanup(server.Close)
		b := s.Use(APIServer, "v1.a", Target{URL: server.URL, CABundle: ca.pem})
		for range 2 {
			if text, err := ask(t, within(t, time.Minute), b, 99); err != nil || isHTTP2 != (text == "OK HTTP/2.0") {
				t.Errorf("HTTP/2 %t: %s %v", isHTTP2, text, err)
			}
			s.Drop(APIServer, "v1.a")
			// The transport closes by itself, a moment after the answer.
			for end := time.Now().Add(time.Minute); b.Report().Connections > 0; runtime.Gosched() {
				if time.Now().After(end) {
					t.Fatalf("HTTP/2 %t: %d connections are kept", isHTTP2, b.Report().Connections)
				}
			}
		}
	}
}

// TestProxyAddress is what net/http dials for a proxy of the environment: it is not judged, as targets are.
func TestProxyAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://proxy": "proxy:80", "https://proxy": "proxy:443", "socks5://proxy": "proxy:1080", "socks5h://proxy": "proxy:1080",
		"http://u:p@proxy:3128": "proxy:3128", "http://[::1]": "[::1]:80",
	} {
		u, err := url.Parse(text)
		if err != nil || proxyAddress(u) != want {
			t.Errorf("%s: got %s, want %s", text, proxyAddress(u), want)
		}
	}
	s := New(Config{})
	s.proxy = deadPort(t)
	b := s.Use(ValidatingWebhook, "c/w", Target{URL: "https://169.254.169.254"})
	if _, err := b.connect(within(t, time.Minute), "tcp", s.proxy); err == nil || strings.Contains(err.Error(), "refused to dial") {
		t.Errorf("the proxy is judged: %v", err)
	}
	if b.link.Load().wire != nil {
		t.Error("a wire goes past the proxy")
	}
}

// TestLocal are the hosts to which HTTP/2 is spoken.
func TestLocal(t *testing.T) {
	for text, want := range map[string]bool{
		"https://localhost": true, "https://LOCALHOST:1/x": true, "https://127.0.0.1": true, "https://127.9.9.9:1": true, "https://[::1]:443": true,
		"https://[::ffff:127.0.0.1]": true, "https://localhost.example.com": false, "https://10.0.0.1": false, "https://example.com": false, "": false, "://": false,
	} {
		if isLocal(text) != want {
			t.Errorf("%q: got %v", text, !want)
		}
	}
}

// TestBaseURL is where requests begin, for a URL and for a service with and without port and path.
func TestBaseURL(t *testing.T) {
	for _, row := range []struct {
		target         Target
		base, hostPort string
	}{
		{Target{URL: "https://a.example.com/x"}, "https://a.example.com/x", "a.example.com:443"},
		{Target{URL: "https://[::1]:8443"}, "https://[::1]:8443", "[::1]:8443"},
		{Target{Service: Service{Namespace: "n", Name: "s"}}, "https://s.n.svc:443", "s.n.svc:443"},
		{Target{Service: Service{Namespace: "n", Name: "s", Port: 8443, Path: "/a/b"}}, "https://s.n.svc:8443/a/b", "s.n.svc:8443"},
		{Target{URL: "https://a b"}, "https://a b", ""},
	} {
		b := New(Config{}).Use(MutatingWebhook, "c/w", row.target)
		if b.BaseURL() != row.base || b.hostPort() != row.hostPort {
			t.Errorf("got %s, %s, want %s, %s", b.BaseURL(), b.hostPort(), row.base, row.hostPort)
		}
		if wrong := b.Unusable(); (wrong != nil) != (row.hostPort == "") || wrong != nil && !strings.HasPrefix(wrong.Error(), "Unparsable URL: ") {
			t.Errorf("%s: %v", row.base, wrong)
		}
	}
}
