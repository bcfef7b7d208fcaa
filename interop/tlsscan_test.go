package interop

import (
	"encoding/xml"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTLSScanner: Debian's sslscan finds TLS 1.2 and 1.3 with AEAD suites, and nothing
// else: no older protocol, no compression, no renegotiation, no Heartbleed.
func TestTLSScanner(t *testing.T) {
	path, err := exec.LookPath("sslscan")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("sslscan is not installed: .ci/run installs it")
		}
		t.Skip("sslscan is not installed (apt-get install sslscan): THE TLS LISTENER IS NOT SCANNED")
	}
	s := start(t)
	out, err := exec.Command(path, "--no-colour", "--xml=-", strings.TrimPrefix(s.HTTPS[0], "https://")).Output()
	if err != nil {
		t.Fatalf("sslscan: %v\n%s", err, out)
	}
	var doc struct {
		Test struct {
			Protocols []struct {
				Type    string `xml:"type,attr"`
				Version string `xml:"version,attr"`
				Enabled string `xml:"enabled,attr"`
			} `xml:"protocol"`
			Ciphers []struct {
				Version string `xml:"sslversion,attr"`
				Name    string `xml:"cipher,attr"`
			} `xml:"cipher"`
			Compression struct {
				Supported string `xml:"supported,attr"`
			} `xml:"compression"`
			Renegotiation struct {
				Supported string `xml:"supported,attr"`
				Secure    string `xml:"secure,attr"`
			} `xml:"renegotiation"`
			Heartbleed []struct {
				Vulnerable string `xml:"vulnerable,attr"`
			} `xml:"heartbleed"`
		} `xml:"ssltest"`
	}
	if err := xml.Unmarshal(out, &doc); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	enabled := map[string]bool{}
	for _, p := range doc.Test.Protocols {
		enabled[p.Type+p.Version] = p.Enabled == "1"
	}
	for name, want := range map[string]bool{"ssl2": false, "ssl3": false, "tls1.0": false, "tls1.1": false, "tls1.2": true, "tls1.3": true} {
		if got, ok := enabled[name]; !ok || got != want {
			t.Errorf("%s: offered %v (told %v), want %v", name, got, ok, want)
		}
	}
	if len(doc.Test.Ciphers) == 0 {
		t.Error("no suite was found")
	}
	for _, c := range doc.Test.Ciphers {
		if !strings.Contains(c.Name, "GCM") && !strings.Contains(c.Name, "CHACHA20") {
			t.Errorf("%s offers %s, which is no AEAD suite", c.Version, c.Name)
		}
	}
	if doc.Test.Compression.Supported == "1" || doc.Test.Renegotiation.Supported == "1" && doc.Test.Renegotiation.Secure != "1" {
		t.Errorf("compression %+v, renegotiation %+v", doc.Test.Compression, doc.Test.Renegotiation)
	}
	for _, h := range doc.Test.Heartbleed {
		if h.Vulnerable != "0" {
			t.Error("Heartbleed")
		}
	}
}
