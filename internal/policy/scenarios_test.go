package policy

import (
	"crypto/tls"
	_ "embed"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
)

//go:embed testdata/scenarios.txt
var scenarios string

// TestScenarios: what clients are told is what a real kube-apiserver tells. With APICHAIN_SERVER the scenarios are played to the one at
// that URL, and with APICHAIN_WRITE its answers are written to that file:
//
//	APICHAIN_SERVER=https://127.0.0.1:6443 APICHAIN_WRITE=testdata/scenarios.txt go test -run TestScenarios ./internal/policy
func TestScenarios(t *testing.T) {
	url := os.Getenv("APICHAIN_SERVER")
	c, wait := start(t).Client, func() {}
	if url != "" {
		web := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		c, wait = &apitest.Client{T: t, Do: web.Do, URL: url, Token: "admin-token"}, apitest.Settled()
	}
	head, _, _ := strings.Cut(scenarios, "\n== ")
	written := []byte(head)
	for _, s := range apitest.ReadScenarios(scenarios) {
		if only := os.Getenv("APICHAIN_ONLY"); only != "" && s.Name != only {
			continue
		}
		answers := s.Play(c, wait)
		written = s.AppendTo(written, answers)
		for i, step := range s.Steps {
			if !slices.Equal(answers[i], step.Want) && os.Getenv("APICHAIN_WRITE") == "" {
				t.Errorf("%s: %s\n\tgot  %s\n\twant %s", s.Name, step.Line, strings.Join(answers[i], "\n\t     "), strings.Join(step.Want, "\n\t     "))
			}
		}
	}
	if name := os.Getenv("APICHAIN_WRITE"); name != "" {
		if err := os.WriteFile(name, written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
