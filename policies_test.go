package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
)

const (
	policyPath = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
	aPolicy    = `{"metadata":{"name":"p"},"spec":{"matchConstraints":{"resourceRules":[{"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]},` +
		`"validations":[{"expression":"object.metadata.name != 'bad'"}],"auditAnnotations":[{"key":"name","valueExpression":"'is ' + object.metadata.name"}]}}`
	aBinding = `{"metadata":{"name":"b"},"spec":{"policyName":"p","validationActions":["Deny","Audit"]}}`
)

// TestPolicies: a policy is in force for the request behind its binding's, is told in the audit log and in metrics, and can be switched
// off as a plugin.
func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	log, rules := filepath.Join(dir, "audit.log"), filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(rules, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, verbs: [create]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startProgram(t, nil, "--audit-policy-file="+rules, "--audit-log-path="+log)
	post := func(path, body string) reply {
		got, err := r.send(r.client("http"), "http", "POST", path, strings.NewReader(body), "Content-Type: application/json")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	post(policyPath, aPolicy)
	post(strings.TrimSuffix(policyPath, "ies")+"ybindings", aBinding)
	if got := post("/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"good"}}`); got.status != 201 {
		t.Error(got.status, got.body)
	}
	if got := post("/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"bad"}}`); got.status != 422 ||
		!strings.Contains(got.body, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.metadata.name != 'bad'") {
		t.Error(got.status, got.body)
	}
	for _, want := range []string{
		`"p/name":"is good"`, `"p/name":"is bad"`, `"validation.policy.admission.k8s.io/validation_failure":"[{\"message\":\"failed expression: object.metadata.name != 'bad'\"`,
	} {
		awaitText(t, want, func() string { b, _ := os.ReadFile(log); return string(b) })
	}
	if got := r.get("http", "/metrics"); !strings.Contains(got.body, `apiserver_validating_admission_policy_check_total{enforcement_action="deny",error_type="invalid_error",policy="p",policy_binding="b"} 1`) {
		t.Error("not counted")
	}
	r = startProgram(t, nil, "--disable-admission-plugins=ValidatingAdmissionPolicy")
	post(policyPath, aPolicy)
	post(strings.TrimSuffix(policyPath, "ies")+"ybindings", aBinding)
	if got := post("/api/v1/namespaces/default/configmaps", `{"metadata":{"name":"bad"}}`); got.status != 201 {
		t.Error("off:", got.status, got.body)
	}
}

// TestPoliciesOfSnapshots: what a snapshot has of policies is in force when it is loaded, and nothing of it behind a reset; nobody has to
// follow the store for that.
func TestPoliciesOfSnapshots(t *testing.T) {
	p := readyProgram(t)
	judging := func() string {
		return strings.Join(p.policiesOf(p.api.Builtin("", "v1", "ConfigMap"), "", api.OperationCreate), "; ")
	}
	for _, o := range []struct{ kind, spec string }{{"ValidatingAdmissionPolicy", aPolicy}, {"ValidatingAdmissionPolicyBinding", aBinding}} {
		p.applied(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"`+o.kind+`",`+o.spec[1:])
	}
	const want = "p with binding b"
	if got := judging(); got != want {
		t.Fatalf("written: %q", got)
	}
	text := p.snapshotText(t)
	for range 2 {
		if _, refused := p.restorer.Reset(t.Context()); refused != nil {
			t.Fatal(refused)
		}
		if got := judging(); got != "" {
			t.Errorf("behind a reset: %q", got)
		}
		if _, refused := p.restorer.Load(t.Context(), text); refused != nil {
			t.Fatal(refused)
		}
		if got := judging(); got != want {
			t.Errorf("behind the load of a snapshot: %q", got)
		}
	}
}

// awaitText waits until what is read has a text.
func awaitText(t *testing.T, want string, read func() string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if strings.Contains(read(), want) {
			return
		}
		<-time.After(time.Millisecond)
	}
	t.Errorf("no %s in %s", want, read())
}
