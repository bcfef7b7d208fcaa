package interop

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestJavaScript: the official JavaScript client, of the last release that runs on Node.js 20.
func TestJavaScript(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed: .ci/run installs it", tool)
			}
			t.Skipf("%s is not installed: THE JAVASCRIPT CLIENT IS NOT TESTED", tool)
		}
	}
	s := start(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("js")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"}, {"node", "client.mjs", s.Kubeconfig, testdata(t, "widgets.yaml")}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
		if args[0] == "node" && strings.TrimSpace(string(out)) != "ok" {
			t.Errorf("client.mjs printed\n%s", out)
		}
	}
}
