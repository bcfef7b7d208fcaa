package main

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestBetaVersions: a beta version that has the shape of the GA one is served where it is asked for, shows the
// same objects, does what the kind does, and warns; without the flag there is none.
func TestBetaVersions(t *testing.T) {
	const beta, ga = "/apis/resource.k8s.io/v1beta2/deviceclasses", "/apis/resource.k8s.io/v1/deviceclasses"
	off := startClients(t, "https")
	off.Must(404, "GET", beta, nil)
	for _, flag := range []string{"api/beta=true", "resource.k8s.io/v1beta2=true", "resource.k8s.io/v1beta2/deviceclasses=true", "api/all=true"} {
		c := startClients(t, "https", "--runtime-config="+flag)
		made := c.Must(201, "POST", beta, map[string]any{"metadata": map[string]any{"name": "a"}, "spec": map[string]any{}})
		if tree.Text(made, "apiVersion") != "resource.k8s.io/v1beta2" || tree.At(made, "metadata", "generation") != int64(1) {
			t.Errorf("%s: %v", flag, made)
		}
		same := c.Must(200, "GET", ga+"/a", nil)
		if tree.Text(same, "apiVersion") != "resource.k8s.io/v1" || tree.Text(same, "metadata", "uid") != tree.Text(made, "metadata", "uid") {
			t.Errorf("%s: %v", flag, same)
		}
		c.Must(422, "POST", beta, map[string]any{"metadata": map[string]any{"name": "B"}, "spec": map[string]any{}})
		versions := c.Must(200, "GET", "/apis/resource.k8s.io", nil)
		if tree.Text(versions, "preferredVersion", "version") != "v1" {
			t.Errorf("%s: %v", flag, versions)
		}
	}
	c := startClients(t, "https", "--runtime-config=certificates.k8s.io/v1beta1=true")
	c.Must(404, "GET", beta, nil)
	answer, err := c.Send(t.Context(), "GET", "/apis/certificates.k8s.io/v1beta1/clustertrustbundles", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	const want = "certificates.k8s.io/v1beta1 ClusterTrustBundle is deprecated in v1.37+, unavailable in v1.40+; use certificates.k8s.io/v1 ClusterTrustBundle"
	if got := answer.Header.Get("Warning"); !strings.Contains(got, want) {
		t.Errorf("the warning is %q", got)
	}
}

// TestAbsentVersions: what is asked for and is not here is named, and nothing else.
func TestAbsentVersions(t *testing.T) {
	for args, want := range map[string]string{
		"api/all=true,api/ga=true,api/beta=true,apps/v1=true,v1=true,api/v1,resource.k8s.io/v1beta2=true,batch/v1/jobs": "",
		"api/alpha=true":                          "api/alpha",
		"api/alpha=false,batch/v2alpha1=false":    "",
		"resource.k8s.io/v1alpha3,apps/v1/robots": "resource.k8s.io/v1alpha3,apps/v1/robots",
	} {
		var log strings.Builder
		newTestProgramLog(t, &log, "--runtime-config="+args)
		_, got, _ := strings.Cut(log.String(), "asks for what is not served here\" keys=")
		if got, _, _ = strings.Cut(got, "\n"); got != want {
			t.Errorf("%s: %q, want %q; the log:\n%s", args, got, want, log.String())
		}
	}
}
