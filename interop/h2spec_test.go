package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestH2Spec runs the HTTP/2 conformance suite against the TLS listener and against a
// bare net/http server: nothing may fail with us that does not fail there.
func TestH2Spec(t *testing.T) {
	path, err := h2spec()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	bare := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") }))
	bare.EnableHTTP2 = true
	bare.StartTLS()
	defer bare.Close()
	ours, n := failures(t, path, s.HTTPS[0])
	theirs, _ := failures(t, path, bare.URL)
	for name := range ours {
		if !theirs[name] {
			t.Errorf("fails with us and not with net/http: %s", name)
		}
	}
	t.Logf("%d cases; failed with us %d, with net/http %d", n, len(ours), len(theirs))
}

var h2spec = build(".", "github.com/summerwind/h2spec/cmd/h2spec", "h2spec")

// failures are the cases that failed, by their text, and how many ran.
func failures(t *testing.T, path, url string) (map[string]bool, int) {
	t.Helper()
	host, port, _ := strings.Cut(strings.TrimPrefix(url, "https://"), ":")
	out, _ := exec.Command(path, "-t", "-k", "-h", host, "-p", port, "-P", "/livez/ping", "-o", "5").CombinedOutput() // its exit code says that something failed
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
