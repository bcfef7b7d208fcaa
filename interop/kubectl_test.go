package interop

import (
	"os/exec"
	"strings"
	"testing"
)

// TestKubectl: an unmodified kubectl of the release that we follow works against both
// listeners.
func TestKubectl(t *testing.T) {
	path, err := kubectl()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	for name, access := range map[string][]string{
		"https": {"--kubeconfig", s.Kubeconfig},
		"http":  {"--kubeconfig", "/dev/null", "--server", s.HTTP[0]},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct{ args, want string }{
				{"version", "Server Version: " + kubernetesVersion + "+apichain"},
				{"version", "Client Version: " + kubernetesVersion},
				{"get --raw /healthz", "ok"},
				{"get --raw /livez", "ok"},
				{"get --raw /readyz?verbose", "readyz check passed"},
				{"get --raw /", `"/apis/apiextensions.k8s.io/v1"`},
				{"get --raw /api", `"versions":["v1"]`},
				{"get --raw /apis", `"name":"apiregistration.k8s.io"`},
				{"get --raw /apis/apiextensions.k8s.io/v1", `"groupVersion":"apiextensions.k8s.io/v1"`},
				{"get --raw /version", `"gitVersion"`},
				{"get --raw /metrics", "apiserver_request_total"},
				{"api-versions", "apiextensions.k8s.io/v1\napiregistration.k8s.io/v1\n"},
				{"api-resources", ""},
			} {
				cmd := exec.Command(path, append(access, strings.Fields(c.args)...)...)
				cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin"}
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), c.want) {
					t.Errorf("kubectl %s: %v, want %q in\n%s", c.args, err, c.want, out)
				}
			}
			out, err := exec.Command(path, append(access, "get", "--raw", "/nowhere")...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "NotFound") {
				t.Errorf("kubectl get --raw /nowhere: %v\n%s", err, out)
			}
		})
	}
}
