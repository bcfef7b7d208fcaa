package interop

import (
	"os"
	"os/exec"
	"testing"
)

// TestMutatingPolicies: the scenarios of internal/policy/testdata/mutating.yaml, most of which are upstream's
// test/integration/apiserver/cel/mutatingadmissionpolicy_test.go, come out at a real kube-apiserver as they do here. It takes five
// minutes, as that one looks once a second at what is written.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin go test -run TestMutatingPolicies -v .
func TestMutatingPolicies(t *testing.T) {
	if os.Getenv("APICHAIN_REFERENCE") == "" {
		t.Skip("APICHAIN_REFERENCE names no folder with kube-apiserver")
	}
	reference := startReference(t, startEtcd(t, 1).servers())
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-run", "TestMutatingScenarios", "./internal/policy")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "APICHAIN_SERVER="+reference.url)
	out, err := cmd.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Error(err)
	}
}
