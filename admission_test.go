package main

import (
	"strings"
	"testing"

	"apichain/internal/admission"
	"apichain/internal/kubeflags"
)

// TestPluginNames: the flags know the plugins that there are, and no others.
func TestPluginNames(t *testing.T) {
	for _, name := range admission.Names() {
		if !kubeflags.IsPlugin(name) {
			t.Errorf("%s is no plugin to the flags", name)
		}
	}
	if n := len(admission.Names()); n != 39 {
		t.Errorf("there are %d plugins, of upstream's 39", n)
	}
}

// TestExplainNamesPlugins: those that the handler of a write would ask, in their order; none of what is
// read, of what is refused, and of what is off.
func TestExplainNamesPlugins(t *testing.T) {
	p := newTestProgram(t, append(explained(t), "--disable-admission-plugins=ResourceQuota")...)
	for _, c := range []struct{ request, want string }{
		{"POST /api/v1/namespaces/a/pods", "NamespaceLifecycle LimitRanger ServiceAccount PodSecurity Priority DefaultTolerationSeconds RuntimeClass PodTopologyLabels"},
		{"PATCH /api/v1/namespaces/a/pods/x", "PodSecurity Priority DefaultTolerationSeconds"},
		{"POST /api/v1/namespaces/a/configmaps", "NamespaceLifecycle"},
		{"DELETE /api/v1/namespaces/a", "NamespaceLifecycle"},
		{"PUT /apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval", "CertificateApproval"},
		{"GET /api/v1/namespaces/a/pods", ""},
		{"GET /version", ""},
	} {
		if e := p.mustExplain(t, c.request, "user=x", "group=system:masters"); strings.Join(e.Admission, " ") != c.want {
			t.Errorf("%s: %q, want %s", c.request, e.Admission, c.want)
		}
	}
	for i, a := range (source{p}).Admission() {
		if want := a.Name != "ResourceQuota"; a.Position != i+1 || a.Name == "Priority" && !a.Enabled || a.Enabled && !want {
			t.Errorf("%+v", a)
		}
	}
}
