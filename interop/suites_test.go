package interop

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// controller-runtime's own suites of test environments, webhooks and its client, unmodified from its module, on the folder that the subcommand
// envtest makes.

// specs is Ginkgo's last word.
var specs = regexp.MustCompile(`Ran (\d+) of \d+ Specs.*\n.*-- .*?(\d+) Passed.*?(\d+) Failed`)

// TestSuites: all specs of each package run and pass.
func TestSuites(t *testing.T) {
	eachServer(t, func(t *testing.T, folder string) {
		for pkg, want := range map[string]string{"envtest": "28", "webhook": "8", "client": "311"} {
			var out []byte
			var err error
			// The suites choose a port some time before they bind it: where another program was quicker, they begin anew.
			for range 3 {
				cmd := exec.Command("go", "test", "-count=1", "sigs.k8s.io/controller-runtime/pkg/"+pkg, "-v", "-ginkgo.no-color")
				cmd.Env = append(os.Environ(), "KUBEBUILDER_ASSETS="+folder)
				if out, err = cmd.CombinedOutput(); !bytes.Contains(out, []byte("bind: address already in use")) {
					break
				}
			}
			if m := specs.FindSubmatch(out); err != nil || m == nil || string(m[1]) != want || string(m[2]) != want || string(m[3]) != "0" {
				t.Errorf("pkg/%s: %v: want %s specs that pass\n%s", pkg, err, want, out[max(0, len(out)-20000):])
			}
		}
	})
}
