package strategy

import (
	"strings"
	"testing"

	"apichain/internal/field"
	"apichain/internal/tree"
)

// TestCertificateRules: what v1.37.2 answered to requests for certificates, and to bundles.
func TestCertificateRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"certificates.k8s.io/v1 CertificateSigningRequest": {
			{"", `{}`, lines(
				"spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST",
				"spec.usages: Required value",
				"spec.signerName: Required value")},
			{"", `{"spec":{"request":"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eEREQUtCZ05WQkFvTUEyUmxkakVPTUF3R0ExVUVBd3dGWVd4cFkyVXdXVEFUQmdjcQpoa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVNDRlozV0tLWlZ3SkFsT2dqcU94aWYvS3YvM1c3bE56VFduT2U3CjhTRTRxRkZBTWMrT05ESFJCYnplTTJtYU8zbVdvVDlSay9Wa05SQU9FTHA1blNuVG9BQXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUlnYm5zK0pVanFxT3VpQmcybWdkenA4ZVJPV1RwMTN6R0RPVUtPbE5SazhEb0NJUUQ5d3hocgo2NGpWOFB1a3lxNE5SU2swc3NwYnlyUy80LzE5dTd2WWxFbDJ6UT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=","signerName":"a.b/c","usages":["client auth"],"expirationSeconds":600}}`, ""},
			{"", `{"spec":{"request":"YQ==","signerName":"a","usages":["x","client auth","client auth"],"expirationSeconds":599}}`, lines(
				`spec.request: Invalid value: "YQ==": PEM block type must be CERTIFICATE REQUEST`,
				`spec.usages[0]: Unsupported value: "x": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"`,
				`spec.usages[2]: Duplicate value: "client auth"`,
				`spec.signerName: Invalid value: "a": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
				"spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)")},
			{"", `{"spec":{"request":"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIWk1JR0FBZ0VBTUI0eEREQUtCZ05WQkFvTUEyUmxkakVPTUF3R0ExVUVBd3dGWVd4cFkyVXdXVEFUQmdjcQpoa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVNDRlozV0tLWlZ3SkFsT2dqcU94aWYvS3YvM1c3bE56VFduT2U3CjhTRTRxRkZBTWMrT05ESFJCYnplTTJtYU8zbVdvVDlSay9Wa05SQU9FTHA1blNuVG9BQXdDZ1lJS29aSXpqMEUKQXdJRFNBQXdSUUlnYm5zK0pVanFxT3VpQmcybWdkenA4ZVJPV1RwMTN6R0RPVUtPbE5SazhEb0NJUUQ5d3hocgo2NGpWOFB1a3lxNE5SU2swc3NwYnlyUy80LzE5dTd2WWxFbDJ6UT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=","signerName":"kubernetes.io/legacy-unknown","usages":["any"]}}`, `spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version`},
			{"", `{"spec":{"request":"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KWVE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K","signerName":"a.b/c","usages":["any"]}}`, `spec.request: Invalid value: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KWVE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K": asn1: syntax error: truncated tag or length`},
		},
		"certificates.k8s.io/v1 ClusterTrustBundle": {
			{"", `{"metadata":{"name":"t"}}`, `spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided`},
			{"", `{"metadata":{"name":"t"},"spec":{"trustBundle":"-----BEGIN CERTIFICATE-----\nMIIBfDCCASGgAwIBAgIUcLsAI8pyqb1Jnfdjna+ETxWd0MAwCgYIKoZIzj0EAwIw\nEjEQMA4GA1UEAwwHa2Qgcm9vdDAgFw0yNjExMjkwMTQzMDJaGA8yMTI2MTEwNTAx\nNDMwMlowEjEQMA4GA1UEAwwHa2Qgcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEH\nA0IABDACRM0Fp2jqevxZ6SXdKfAdUqPSaNFbrMrczIBnIUNKSRm35gLjPNu7iYv7\nSDuTrtmNtw6/dSDeQAjLwzTGp3+jUzBRMB0GA1UdDgQWBBSZmtL/U8jZqlA1dv3m\nNaCTB7wGaDAfBgNVHSMEGDAWgBSZmtL/U8jZqlA1dv3mNaCTB7wGaDAPBgNVHRMB\nAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCAIy12PIIJAbvYxShhPNfwfRpn\nWiChqx4tyl3V6T0chAIhAJE4aKpsDpREXlGTf6bAh2GkzJaKJjfFHbZXjs6ZX5X1\n-----END CERTIFICATE-----\n"}}`, ""},
			{"", `{"metadata":{"name":"a:b"},"spec":{"trustBundle":"x"}}`, lines(
				`metadata.name: Invalid value: "a:b": ClusterTrustBundle without signer name must not have ":" in its name`,
				`spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided`)},
			{"", `{"metadata":{"name":"a:b"},"spec":{"signerName":"a.b/c","trustBundle":"-----BEGIN X-----\nYQ==\n-----END X-----\n-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\na: b\n\nYQ==\n-----END CERTIFICATE-----\n"}}`, lines(
				`metadata.name: Invalid value: "a:b": ClusterTrustBundle for signerName a.b/c must be named with prefix a.b:c:`,
				`spec.trustBundle: Invalid value: "<value omitted>": entry 0 has bad block type: X`,
				`spec.trustBundle: Invalid value: "<value omitted>": entry 1 does not parse as X.509`,
				`spec.trustBundle: Invalid value: "<value omitted>": entry 2 has PEM block headers`)},
			{"", `{"metadata":{"name":"a.b:c:D"},"spec":{"signerName":"a.b/c","trustBundle":"-----BEGIN CERTIFICATE-----\nMIIBfDCCASGgAwIBAgIUcLsAI8pyqb1Jnfdjna+ETxWd0MAwCgYIKoZIzj0EAwIw\nEjEQMA4GA1UEAwwHa2Qgcm9vdDAgFw0yNjExMjkwMTQzMDJaGA8yMTI2MTEwNTAx\nNDMwMlowEjEQMA4GA1UEAwwHa2Qgcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEH\nA0IABDACRM0Fp2jqevxZ6SXdKfAdUqPSaNFbrMrczIBnIUNKSRm35gLjPNu7iYv7\nSDuTrtmNtw6/dSDeQAjLwzTGp3+jUzBRMB0GA1UdDgQWBBSZmtL/U8jZqlA1dv3m\nNaCTB7wGaDAfBgNVHSMEGDAWgBSZmtL/U8jZqlA1dv3mNaCTB7wGaDAPBgNVHRMB\nAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCAIy12PIIJAbvYxShhPNfwfRpn\nWiChqx4tyl3V6T0chAIhAJE4aKpsDpREXlGTf6bAh2GkzJaKJjfFHbZXjs6ZX5X1\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMIIBfDCCASGgAwIBAgIUcLsAI8pyqb1Jnfdjna+ETxWd0MAwCgYIKoZIzj0EAwIw\nEjEQMA4GA1UEAwwHa2Qgcm9vdDAgFw0yNjExMjkwMTQzMDJaGA8yMTI2MTEwNTAx\nNDMwMlowEjEQMA4GA1UEAwwHa2Qgcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEH\nA0IABDACRM0Fp2jqevxZ6SXdKfAdUqPSaNFbrMrczIBnIUNKSRm35gLjPNu7iYv7\nSDuTrtmNtw6/dSDeQAjLwzTGp3+jUzBRMB0GA1UdDgQWBBSZmtL/U8jZqlA1dv3m\nNaCTB7wGaDAfBgNVHSMEGDAWgBSZmtL/U8jZqlA1dv3mNaCTB7wGaDAPBgNVHRMB\nAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCAIy12PIIJAbvYxShhPNfwfRpn\nWiChqx4tyl3V6T0chAIhAJE4aKpsDpREXlGTf6bAh2GkzJaKJjfFHbZXjs6ZX5X1\n-----END CERTIFICATE-----\n"}}`, lines(
				"metadata.name: Invalid value: \"a.b:c:D\": "+dnsSubdomain,
				`spec.trustBundle: Invalid value: "<value omitted>": duplicate trust anchor (indices [0 1])`)},
			{`{"metadata":{"name":"a.b:c:d"},"spec":{"signerName":"a.b/c","trustBundle":"-----BEGIN CERTIFICATE-----\nMIIBfDCCASGgAwIBAgIUcLsAI8pyqb1Jnfdjna+ETxWd0MAwCgYIKoZIzj0EAwIw\nEjEQMA4GA1UEAwwHa2Qgcm9vdDAgFw0yNjExMjkwMTQzMDJaGA8yMTI2MTEwNTAx\nNDMwMlowEjEQMA4GA1UEAwwHa2Qgcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEH\nA0IABDACRM0Fp2jqevxZ6SXdKfAdUqPSaNFbrMrczIBnIUNKSRm35gLjPNu7iYv7\nSDuTrtmNtw6/dSDeQAjLwzTGp3+jUzBRMB0GA1UdDgQWBBSZmtL/U8jZqlA1dv3m\nNaCTB7wGaDAfBgNVHSMEGDAWgBSZmtL/U8jZqlA1dv3mNaCTB7wGaDAPBgNVHRMB\nAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCAIy12PIIJAbvYxShhPNfwfRpn\nWiChqx4tyl3V6T0chAIhAJE4aKpsDpREXlGTf6bAh2GkzJaKJjfFHbZXjs6ZX5X1\n-----END CERTIFICATE-----\n"}}`, `{"metadata":{"name":"a.b:c:d"},"spec":{"signerName":"a.b/d","trustBundle":"-----BEGIN CERTIFICATE-----\nMIIBfDCCASGgAwIBAgIUcLsAI8pyqb1Jnfdjna+ETxWd0MAwCgYIKoZIzj0EAwIw\nEjEQMA4GA1UEAwwHa2Qgcm9vdDAgFw0yNjExMjkwMTQzMDJaGA8yMTI2MTEwNTAx\nNDMwMlowEjEQMA4GA1UEAwwHa2Qgcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEH\nA0IABDACRM0Fp2jqevxZ6SXdKfAdUqPSaNFbrMrczIBnIUNKSRm35gLjPNu7iYv7\nSDuTrtmNtw6/dSDeQAjLwzTGp3+jUzBRMB0GA1UdDgQWBBSZmtL/U8jZqlA1dv3m\nNaCTB7wGaDAfBgNVHSMEGDAWgBSZmtL/U8jZqlA1dv3mNaCTB7wGaDAPBgNVHRMB\nAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCAIy12PIIJAbvYxShhPNfwfRpn\nWiChqx4tyl3V6T0chAIhAJE4aKpsDpREXlGTf6bAh2GkzJaKJjfFHbZXjs6ZX5X1\n-----END CERTIFICATE-----\n"}}`, lines(
				`metadata.name: Invalid value: "a.b:c:d": ClusterTrustBundle for signerName a.b/d must be named with prefix a.b:d:`,
				`spec.signerName: Invalid value: "a.b/d": field is immutable`)},
		},
		"certificates.k8s.io/v1 PodCertificateRequest": {
			{"", `{}`, lines(
				"spec.signerName: Required value",
				"spec.podName: Invalid value: \"\": "+dnsSubdomain,
				`spec.podUID: Invalid value: "": must not be empty`,
				"spec.serviceAccountName: Invalid value: \"\": "+dnsSubdomain,
				`spec.serviceAccountUID: Invalid value: "": must not be empty`,
				"spec.nodeName: Invalid value: \"\": "+dnsSubdomain,
				`spec.nodeUID: Invalid value: "": must not be empty`,
				"spec: Invalid value: exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set")},
			{"", `{"spec":{"signerName":"a.b/c","podName":"a","podUID":"x","serviceAccountName":"b","serviceAccountUID":"y","nodeName":"c","nodeUID":"z","stubPKCS10Request":"MIG6MGICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGMT7dq0jduFvkYlrybHLKGwV/pjGap/af2mAuqxMphRWxNyGeB8rka83PIgIIvTYt2QMPNEfAewQHmgDFNa2GKgADAKBggqhkjOPQQDAgNIADBFAiEA+r5n48KankkN5HmU7l6hRAwAF4gcR33bfBmZ3a1NY0MCIFJSjRzXRSeTJDGNCd6N/iElJJqMpDLG5ywyUXVNTtKq","unverifiedUserAnnotations":{"A.b/C":"d"}}}`, ""},
			{"", `{"spec":{"signerName":"kubernetes.io/x","maxExpirationSeconds":3599,"podName":"a","podUID":"x","serviceAccountName":"b","serviceAccountUID":"y","nodeName":"c","nodeUID":"z","unverifiedUserAnnotations":{"a":"b"},"stubPKCS10Request":"YQ=="}}`, lines(
				`spec.unverifiedUserAnnotations: Invalid value: "a": must be a domain-prefixed key (such as "acme.io/foo")`,
				"spec.maxExpirationSeconds: Invalid value: 3599: must be in the range [3600, 86400]",
				"spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR")},
			{"", `{"spec":{"signerName":"a.b/x","maxExpirationSeconds":9999999,"podName":"a","podUID":"x","serviceAccountName":"b","serviceAccountUID":"y","nodeName":"c","nodeUID":"z"}}`, lines(
				"spec.maxExpirationSeconds: Invalid value: 9999999: must be in the range [3600, 7862400]",
				"spec: Invalid value: exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set")},
		},
	} {
		checkRules(t, kind, cases)
	}
}

// TestPodCertificateChanges: nothing of the spec changes, and nothing of the status behind its end.
func TestPodCertificateChanges(t *testing.T) {
	shape := shapeForTest(t, tableForTest(t), "certificates.k8s.io/v1 PodCertificateRequest")
	condition := func(typ string) string {
		return `{"type":"` + typ + `","status":"True","reason":"a","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}`
	}
	denied := `{"status":{"conditions":[` + condition("Denied") + `]}}`
	const frozen, alone = "status: Invalid value: immutable after PodCertificateRequest is issued, denied, or failed",
		"status: Invalid value: non-condition status fields must be empty when denying or failing the PodCertificateRequest"
	for _, c := range []struct {
		old, obj string
		status   bool
		want     string
	}{
		{`{"spec":{"podName":"a"}}`, `{"spec":{"podName":"b"}}`, false, `spec: Invalid value: {"podName":"b"}: field is immutable`},
		{`{"spec":{"podName":"A"}}`, `{"spec":{"podName":"A"}}`, false, ""},
		{`{}`, denied, true, ""},
		{denied, denied, true, ""},
		{denied, `{"status":{}}`, true, frozen},
		{`{}`, `{"status":{"certificateChain":"x","conditions":[` + condition("Failed") + `]}}`, true, alone},
		{`{}`, `{"status":{"certificateChain":"x"}}`, true,
			`status: Invalid value: status is immutable unless transitioning to "Issued", "Denied", or "Failed"`},
		{`{}`, `{"status":{"conditions":[` + condition("X") + `]}}`, true,
			`status.conditions.[0].type: Unsupported value: "X": supported values: "Issued", "Denied", "Failed"`},
		{`{}`, `{"status":{"conditions":[` + condition("Denied") + "," + condition("Failed") + `]}}`, true,
			`status.conditions.[1].type: Invalid value: "Failed": There may be at most one condition with type "Issued", "Denied", or "Failed"`},
		{`{}`, strings.Replace(denied, "True", "False", 1), true, `status.conditions.[0].status: Unsupported value: "False": supported values: "True"`},
	} {
		checkLines(t, saidOf(shape.Validate(objectForTest(t, c.obj), objectForTest(t, c.old), c.status)), splitLines(c.want)...)
	}
}

// TestSigningConditions: what v1.37.2 answered to writes of the approval and of the status of a request, and
// which conditions they leave.
func TestSigningConditions(t *testing.T) {
	const (
		approved = `{"conditions":[{"type":"Approved","status":"True","reason":"r"}]}`
		changed  = `{"conditions":[{"type":"Approved","status":"True","reason":"x"}]}`
		both     = `{"conditions":[{"type":"Approved","status":"True"},{"type":"Denied","status":"True"}]}`
		odd      = `{"conditions":[{},{"type":"Approved","status":"False"},{"type":"X","status":"Y"},{"type":"X","status":"True"}]}`
		oddSaid  = "status.conditions[0].type: Required value|status.conditions[0].status: Required value|" +
			`status.conditions[1].status: Unsupported value: "False": supported values: "True"|` +
			`status.conditions[2].status: Unsupported value: "Y": supported values: "False", "True", "Unknown"|status.conditions[3].type: Duplicate value: "X"`
		bothSaid = `status.conditions: Invalid value: "{conditions[{\"type\": \"Approved\"}], conditions[{\"type\": \"Denied\"}]}": ` +
			"must specify at most one of: `conditions[{\"type\": \"Approved\"}]`, `conditions[{\"type\": \"Denied\"}]`"
		adds = `status.conditions: Forbidden: updates may not add a condition of type `
	)
	for _, c := range []struct {
		part, old, status, want, reason string
	}{
		{"approval", `{}`, both, bothSaid, ""},
		{"approval", `{}`, odd, oddSaid, ""},
		{"approval", `{}`, `{"certificate":"YQ=="}`, "", ""},
		{"approval", `{}`, approved, "", "r"},
		{"approval", approved, `{}`, `status.conditions: Forbidden: updates may not remove a condition of type "Approved"`, ""},
		{"approval", approved, changed, "", "x"},
		{"status", `{}`, both, adds + `"Approved"|` + adds + `"Denied"|` + bothSaid, ""},
		{"status", `{}`, odd, oddSaid + "|" + adds + `"Approved"`, ""},
		{"status", `{}`, `{"certificate":"YQ=="}`,
			`status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block`, ""},
		{"status", `{"certificate":"YQ=="}`, `{"certificate":"YQ=="}`, "", ""},
		{"status", `{"certificate":"YQ=="}`, `{}`, "status.certificate: Forbidden: updates may not modify existing certificate content", ""},
		{"status", `{}`, `{"conditions":[{"type":"Failed","status":"True","reason":"f"}]}`, "", "f"},
		{"status", approved, changed, "", "r"},
	} {
		old, obj := objectForTest(t, `{"spec":{"signerName":"a"},"status":`+c.old+`}`), objectForTest(t, `{"spec":{},"status":`+c.status+`}`)
		if c.part == "approval" {
			mergeApproval(obj, old)
			if tree.Text(obj, "spec", "signerName") != "a" || tree.Text(obj, "status", "certificate") != "" {
				t.Errorf("the approval of %s writes more than conditions: %v", c.status, obj)
			}
		} else {
			prepareSigningStatus(obj, old)
		}
		checkLines(t, saidOf(signingChangeErrors(obj, old, c.part == "approval")), splitLines(c.want)...)
		conditions := tree.List(obj, "status", "conditions")
		if c.reason != "" && (tree.Text(conditions[0], "reason") != c.reason || tree.Text(conditions[0], "lastTransitionTime") == "" && c.reason != "r") {
			t.Errorf("%s %s after %s leaves the conditions %v", c.part, c.status, c.old, conditions)
		}
	}
}

// TestConditionTimes: a condition that is as it was keeps its time, and what is given is kept.
func TestConditionTimes(t *testing.T) {
	old := objectForTest(t, `{"status":{"conditions":[{"type":"A","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	obj := objectForTest(t, `{"status":{"conditions":[{"type":"A","status":"True"},{"type":"A","status":"False"},
		{"type":"B","status":"True","lastTransitionTime":"2026-01-02T00:00:00Z","lastUpdateTime":"2026-01-03T00:00:00Z"}]}}`)
	completeTimes(obj, old)
	c := tree.List(obj, "status", "conditions")
	if tree.Text(c[0], "lastTransitionTime") != "2026-01-01T00:00:00Z" || tree.Text(c[1], "lastTransitionTime") <= "2026-01-01T00:00:00Z" ||
		tree.Text(c[2], "lastUpdateTime") != "2026-01-03T00:00:00Z" || tree.Text(c[0], "lastUpdateTime") == "" {
		t.Errorf("the times are %v", c)
	}
}

// saidOf returns the texts of errors, and splitLines those that lines has joined.
func saidOf(errs []field.Error) (said []string) {
	for _, e := range errs {
		said = append(said, e.String())
	}
	return said
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}
