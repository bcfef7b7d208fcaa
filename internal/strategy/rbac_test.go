package strategy

import "testing"

// labelValue is why a text is no value of a label.
const labelValue = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
	"alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

// TestRoleRules: what v1.37.2 answered to roles and bindings.
func TestRoleRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"rbac.authorization.k8s.io/v1 Role": {
			{"", `{}`, ""},
			{"", `{"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}`, ""},
			{"", `{"rules":[{},{"verbs":["a"],"nonResourceURLs":["/a"],"apiGroups":[""]},{"verbs":["get"],"apiGroups":[""]}]}`, lines(
				"rules[0].apiGroups: Required value: resource rules must supply at least one api group",
				"rules[0].resources: Required value: resource rules must supply at least one resource",
				`rules[1].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs`,
				`rules[1].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs`,
				"rules[2].resources: Required value: resource rules must supply at least one resource",
				"rules[0].verbs: Required value")},
			{`{"rules":[]}`, `{"rules":[{"verbs":["get"],"resources":["pods"]}]}`, "rules[0].apiGroups: Required value: resource rules must supply at least one api group"},
		},
		"rbac.authorization.k8s.io/v1 ClusterRole": {
			{"", `{"rules":[{"verbs":["get"],"nonResourceURLs":["/a"]}]}`, ""},
			{"", `{"rules":[{},{"verbs":["a"],"nonResourceURLs":["/a"],"resourceNames":["x"]}],"aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"a","operator":"X"}]}]}}`, lines(
				"rules[0].apiGroups: Required value: resource rules must supply at least one api group",
				"rules[0].resources: Required value: resource rules must supply at least one resource",
				`rules[1].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs`,
				`aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "X": not a valid selector operator`,
				"aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.",
				"rules[0].verbs: Required value")},
			{"", `{"aggregationRule":{}}`, "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"},
			{"", `{"aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"a","operator":"In","values":["b c"]}]}]}}`, lines(
				"aggregationRule.clusterRoleSelectors[0].matchExpressions[0].values[0]: Invalid value: \"b c\": "+labelValue,
				"aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.")},
			{`{"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]}}`, `{"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b c"}}]}}`, lines(
				"aggregationRule.clusterRoleSelectors[0].matchLabels: Invalid value: \"b c\": "+labelValue,
				"aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.")},
		},
		"rbac.authorization.k8s.io/v1 RoleBinding": {
			{"", `{}`, lines(
				`roleRef.kind: Unsupported value: "": supported values: "Role", "ClusterRole"`,
				"roleRef.name: Required value")},
			{"", `{"roleRef":{"kind":"Role","name":"a:b"},"subjects":[{"kind":"User","name":"a"},{"kind":"Group","name":"b"},{"kind":"ServiceAccount","name":"c"}]}`, ""},
			{"", `{"roleRef":{"kind":"Rle","name":"a/b","apiGroup":"x"},"subjects":[{},{"kind":"User","apiGroup":"x"},{"kind":"ServiceAccount","name":"A B","apiGroup":"rbac.authorization.k8s.io"},{"kind":"Foo","name":"x"}]}`, lines(
				`roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"`,
				`roleRef.kind: Unsupported value: "Rle": supported values: "Role", "ClusterRole"`,
				`roleRef.name: Invalid value: "a/b": may not contain '/'`,
				`subjects[0].kind: Unsupported value: "": supported values: "ServiceAccount", "User", "Group"`,
				`subjects[1].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"`,
				"subjects[2].name: Invalid value: \"A B\": "+dnsSubdomain,
				`subjects[2].apiGroup: Unsupported value: "rbac.authorization.k8s.io": supported values: ""`,
				`subjects[3].kind: Unsupported value: "Foo": supported values: "ServiceAccount", "User", "Group"`,
				"subjects[0].name: Required value",
				"subjects[1].name: Required value")},
			{`{"roleRef":{"kind":"Role","name":"x"}}`, `{"roleRef":{"kind":"Role","name":""}}`, lines(
				"roleRef.name: Required value",
				`roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":""}: field is immutable`)},
			{`{"roleRef":{"kind":"Role","name":"x"}}`, `{"roleRef":{"kind":"ClusterRole","name":"x"},"subjects":[{}]}`, lines(
				`subjects[0].kind: Unsupported value: "": supported values: "ServiceAccount", "User", "Group"`,
				`roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"x"}: field is immutable`,
				"subjects[0].name: Required value")},
			{`{"roleRef":{"kind":"Role","name":"x"}}`, `{"roleRef":{"kind":"Role","name":"x"},"subjects":[{"kind":"User","name":"y"}]}`, ""},
		},
		"rbac.authorization.k8s.io/v1 ClusterRoleBinding": {
			{"", `{"roleRef":{"kind":"ClusterRole","name":"view"},"subjects":[{"kind":"ServiceAccount","name":"x","namespace":"y"}]}`, ""},
			{"", `{"roleRef":{"kind":"Role","name":".."},"subjects":[{"kind":"ServiceAccount","name":"x"},{"kind":"ServiceAccount","name":""}]}`, lines(
				`roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"`,
				`roleRef.name: Invalid value: "..": may not be '..'`,
				"subjects[0].namespace: Required value",
				"subjects[1].namespace: Required value",
				"subjects[1].name: Required value")},
		},
	} {
		checkRules(t, kind, cases)
	}
}
