package kinds

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestRules: what upstream's validation says of the values of each kind, in its words.
func TestRules(t *testing.T) {
	const badKey = `"Bad Key!": a valid config key must consist of alphanumeric characters, '-', '_' or '.' ` +
		`(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`
	const plain = `"x": name is neither a standard finalizer name nor is it fully qualified`
	full := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", maxData)))
	over := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", maxData+1)))
	table := kindsForTest(t)
	for _, c := range []struct{ kind, old, obj, want string }{
		{"v1 ConfigMap", "", `{"data":{"a":"1","_x-1.y":""},"binaryData":{"b":"AA=="}}`, ""},
		{"v1 ConfigMap", "", `{"data":{"b":"","Bad Key!":"","a":""},"binaryData":{"b":"","a":"","Bad Key!":""}}`,
			"data[Bad Key!]: Invalid value: " + badKey + `|data[Bad Key!]: Invalid value: "Bad Key!": duplicate of key present in binaryData` +
				`|data[a]: Invalid value: "a": duplicate of key present in binaryData|data[b]: Invalid value: "b": duplicate of key present in binaryData` +
				"|binaryData[Bad Key!]: Invalid value: " + badKey},
		{"v1 ConfigMap", "", `{"data":{"a":"` + strings.Repeat("x", maxData) + `"}}`, ""},
		{"v1 ConfigMap", "", `{"data":{"a":"x"},"binaryData":{"b":"` + full + `"}}`, "[]: Too long: may not be more than 1048576 bytes"},
		{"v1 ConfigMap", `{"immutable":true,"data":{"a":"1"}}`, `{"immutable":true,"data":{"Bad Key!":"1"}}`,
			"data: Forbidden: field is immutable when `immutable` is set|data[Bad Key!]: Invalid value: " + badKey},

		{"v1 Secret", "", `{"type":"Opaque","data":{"a":"` + full + `"}}`, ""},
		{"v1 Secret", "", `{"type":"Opaque","data":{"a":"` + over + `"}}`, "data: Too long: may not be more than 1048576 bytes"},
		{"v1 Secret", `{"type":"a"}`, `{"type":"b"}`, `type: Invalid value: "b": field is immutable`},
		{"v1 Secret", `{"type":"a"}`, `{"type":"a"}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/service-account-token"}`, "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/service-account-token","metadata":{"annotations":{"kubernetes.io/service-account.name":"a"}}}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockercfg"}`, "data[.dockercfg]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockercfg","data":{".dockercfg":"e30="}}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":""}}`,
			`data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input`},
		{"v1 Secret", "", `{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"W10="}}`,
			`data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}`},
		{"v1 Secret", "", `{"type":"kubernetes.io/basic-auth"}`, "data[username]: Required value|data[password]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/basic-auth","data":{"password":""}}`, ""},
		{"v1 Secret", "", `{"type":"kubernetes.io/ssh-auth","data":{"ssh-privatekey":""}}`, "data[ssh-privatekey]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/ssh-auth"}`, "data[ssh-privatekey]: Required value"},
		{"v1 Secret", "", `{"type":"kubernetes.io/tls","data":{"tls.key":""}}`, "data[tls.crt]: Required value"},

		{"v1 Namespace", "", `{"spec":{"finalizers":["kubernetes","x","a/b"]}}`, "spec.finalizers: Invalid value: " + plain},
		{"v1 Namespace", `{"spec":{"finalizers":["x"]}}`, `{"spec":{"finalizers":["x"]},"status":{"phase":"Active"}}`, ""},
		{"v1 Namespace", `{"status":{"phase":"Active"}}`, `{"metadata":{"deletionTimestamp":"t"},"status":{"phase":"Active"}}`, ""},
		{"v1 Namespace", `{"spec":{}}`, `{"spec":{"finalizers":["kubernetes","x"]},"status":{"phase":"Active"}}`, "spec.finalizers[1]: Invalid value: " + plain},
		{"v1 Namespace", `{}`, `{"status":{"phase":"Gone"}}`, "status.Phase: Invalid value: \"Gone\": may only be 'Active' if `deletionTimestamp` is empty"},
		{"v1 Namespace", `{}`, `{"metadata":{"deletionTimestamp":"t"},"status":{"phase":"Active"}}`,
			"status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"},

		{"coordination.k8s.io/v1 Lease", "", `{"spec":{"leaseDurationSeconds":1,"leaseTransitions":0}}`, ""},
		{"coordination.k8s.io/v1 Lease", "", `{"spec":{"leaseDurationSeconds":0,"leaseTransitions":-1}}`,
			"spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0|spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"},
		{"v1 ServiceAccount", "", `{}`, ""},
	} {
		var old map[string]any
		if c.old != "" {
			old = objectForTest(t, c.old)
		}
		var said []string
		for _, e := range shapeForTest(t, table, c.kind).Validate(objectForTest(t, c.obj), old) {
			said = append(said, e.String())
		}
		if got := strings.Join(said, "|"); got != c.want {
			t.Errorf("%s %.80s after %s\n got %s\nwant %s", c.kind, c.obj, c.old, got, c.want)
		}
	}
}
