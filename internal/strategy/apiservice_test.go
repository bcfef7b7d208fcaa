package strategy

import (
	"testing"

	"apichain/internal/tree"
)

// TestAPIServiceRules: what v1.37.2 answered to API services.
func TestAPIServiceRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"apiregistration.k8s.io/v1 APIService": {
			{"", `{"metadata":{"name":"t"}}`, lines(
				"metadata.name: Invalid value: \"t\": must be `spec.version+\".\"+spec.group`: \".\"",
				"spec.group: Required value: only v1 may have an empty group and it better be legacy kube",
				`spec.version: Invalid value: "": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
				"spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
				"spec.versionPriority: Invalid value: 0: must be positive and less than 1000")},
			{"", `{"metadata":{"name":"v1.a.b"},"spec":{"group":"a.b","version":"v1","groupPriorityMinimum":1,"versionPriority":1}}`, ""},
			{"", `{"metadata":{"name":"v1.a.b"},"spec":{"group":"a.b","version":"v1","groupPriorityMinimum":20001,"versionPriority":1001,"caBundle":"YQ==","insecureSkipTLSVerify":true}}`, lines(
				"spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
				"spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
				`spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle`,
				"spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify")},
			{"", `{"metadata":{"name":"v1.a.b"},"spec":{"group":"A","version":"V1","groupPriorityMinimum":1,"versionPriority":1,"service":{"port":0},"caBundle":"YQ==","insecureSkipTLSVerify":true}}`, lines(
				"metadata.name: Invalid value: \"v1.a.b\": must be `spec.version+\".\"+spec.group`: \"V1.A\"",
				"spec.group: Invalid value: \"A\": "+dnsSubdomain,
				`spec.version: Invalid value: "V1": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
				"spec.service.namespace: Required value",
				"spec.service.name: Required value",
				"spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
				"spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present")},
			{"", `{"metadata":{"name":"v1.a.b"},"spec":{"group":"a.b","version":"v1","groupPriorityMinimum":1,"versionPriority":1,"service":{"name":"a","namespace":"b"}}}`, ""},
		},
	} {
		checkRules(t, kind, cases)
	}
}

// TestLocalAPIService: one that is answered here is available from the start, and no other.
func TestLocalAPIService(t *testing.T) {
	for _, c := range []struct {
		old map[string]any
		obj string
		has bool
	}{{nil, `{"spec":{}}`, true}, {nil, `{"spec":{"service":{}}}`, false}, {map[string]any{}, `{"spec":{}}`, false}} {
		obj := objectForTest(t, c.obj)
		prepareAPIService(obj, c.old)
		if got := tree.At(obj, "status", "conditions") != nil; got != c.has {
			t.Errorf("%s has conditions: %v, want %v", c.obj, got, c.has)
		}
	}
}

// TestAPIServiceStatus: a condition is true, false or unknown.
func TestAPIServiceStatus(t *testing.T) {
	shape := shapeForTest(t, tableForTest(t), "apiregistration.k8s.io/v1 APIService")
	obj := objectForTest(t, `{"status":{"conditions":[{},{"status":"X"},{"status":"Unknown"}]}}`)
	checkLines(t, saidOf(shape.Validate(obj, map[string]any{}, true)),
		`status.conditions[0].status: Unsupported value: "": supported values: "True", "False", "Unknown"`,
		`status.conditions[1].status: Unsupported value: "X": supported values: "True", "False", "Unknown"`)
}
