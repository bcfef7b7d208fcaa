package interop

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestH2Spec runs the HTTP/2 conformance suite against both listeners and, beside each, a
// bare net/http server with the same limits: nothing may fail with us that does not fail
// there. The suite has no credentials, and on TLS an anonymous request is answered with
// GOAWAY, as upstream does; so there the bare server ends every connection too.
func TestH2Spec(t *testing.T) {
	path, err := h2spec()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	for _, l := range []struct {
		name, url string
		bare      http.HandlerFunc
		start     func(*httptest.Server)
	}{
		{"plain", s.HTTP[0], func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") }, func(s *httptest.Server) {
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetHTTP1(true)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
		}},
		{"TLS", s.HTTPS[0], func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "ok")
		}, func(s *httptest.Server) {
			s.EnableHTTP2 = true
			s.StartTLS()
		}},
	} {
		t.Run(l.name, func(t *testing.T) {
			bare := httptest.NewUnstartedServer(l.bare)
			bare.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100} // as ours
			l.start(bare)
			defer bare.Close()
			// Some cases race with the answer: a stream that has ended cannot be misused any
			// more. What fails with us in each of several runs, and in none with net/http, is ours.
			var alone map[string]bool
			for run := range 5 {
				ours, n := failures(t, path, l.url)
				theirs, _ := failures(t, path, bare.URL)
				t.Logf("run %d: %d cases; failed with us %d, with net/http %d", run, n, len(ours), len(theirs))
				if alone == nil {
					alone = maps.Clone(ours)
				}
				maps.DeleteFunc(alone, func(name string, _ bool) bool { return !ours[name] || theirs[name] })
				if len(alone) == 0 {
					return
				}
			}
			for name := range alone {
				t.Errorf("fails with us and not with net/http: %s", name)
			}
		})
	}
}

var h2spec = build(".", "github.com/summerwind/h2spec/cmd/h2spec", "h2spec")

// failures are the cases that failed, by their text, and how many ran.
func failures(t *testing.T, path, url string) (map[string]bool, int) {
	t.Helper()
	scheme, address, _ := strings.Cut(url, "://")
	host, port, _ := strings.Cut(address, ":")
	cmd := exec.Command(path, "-h", host, "-p", port, "-P", "/livez/ping", "-o", "2")
	if scheme == "https" {
		cmd.Args = append(cmd.Args, "-t", "-k")
	}
	out, _ := cmd.CombinedOutput() // its exit code says that something failed
	m := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("h2spec did not finish against %s:\n%s", url, out)
	}
	failed := map[string]bool{}
	for _, c := range regexp.MustCompile(`(?m)^\s*(?:\x1b\[[0-9;]*m)*×\s*(?:\x1b\[[0-9;]*m)*(.*)$`).FindAllSubmatch(out, -1) {
		failed[regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(string(c[1]), "")] = true
	}
	var n int
	fmt.Sscan(string(m[1]), &n)
	return failed, n
}
