package interop

import (
	"os"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
)

// TestPolicies plays the scenarios of validating policies and of webhooks' conditions to both servers: what clients are told is the same.
// kube-apiserver sees a policy within seconds, so that each scenario waits for it, and they take minutes.
//
//	APICHAIN_REFERENCE=~/.cache/reference-bin go test -run TestPolicies -timeout 20m .
func TestPolicies(t *testing.T) {
	text, err := os.ReadFile("../internal/policy/testdata/scenarios.txt")
	if err != nil {
		t.Fatal(err)
	}
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		a := f.ask("the server")
		c, wait := &apitest.Client{T: t, Do: a.http.Do, URL: a.url, Token: a.token}, func() {}
		if folder == os.Getenv("APICHAIN_REFERENCE") {
			wait = apitest.Settled()
		}
		same, steps := 0, 0
		for _, s := range apitest.ReadScenarios(string(text)) {
			answers := s.Play(c, wait)
			for i, step := range s.Steps {
				steps++
				if slices.Equal(answers[i], step.Want) {
					same++
					continue
				}
				const next = "\n\t     "
				t.Errorf("%s: %s\n\tgot  %s\n\twant %s", s.Name, step.Line, strings.Join(answers[i], next), strings.Join(step.Want, next))
			}
		}
		t.Logf("%d of %d answers", same, steps)
	})
}
