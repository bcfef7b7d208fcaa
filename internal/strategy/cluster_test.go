package strategy

import (
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestNodeRules: what v1.37.2 answered to nodes.
func TestNodeRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"v1 Node": {
			{"", `{}`, ""},
			{"", `{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"]}}`, ""},
			{"", `{"spec":{"podCIDR":"y","podCIDRs":["x","10.0.0.0/24"]}}`, `spec.podCIDRs[0]: Invalid value: "y": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
			{"", `{"spec":{"podCIDRs":["x","10.0.0.0/24"]}}`, lines(
				`spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
				"spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[0]: <nil> (invalid CIDR address: x)",
				`spec.podCIDRs: Invalid value: ["x","10.0.0.0/24"]: may specify no more than one CIDR for each IP family`)},
			{"", `{"spec":{"podCIDR":"010.0.0.1/24"}}`, `spec.podCIDRs[0]: Invalid value: "010.0.0.1/24": must not have leading 0s in IP or prefix length`},
			{"", `{"spec":{"podCIDRs":["10.0.0.0/24","10.1.0.0/24","fd00::/64"]}}`, `spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.0/24","fd00::/64"]: may specify no more than one CIDR for each IP family`},
			{"", `{"spec":{"taints":[{},{"key":"a","value":"c d","effect":"X"},{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule","value":"c"}]}}`, lines(
				`metadata.taints[0].key: Invalid value: "": name part must be non-empty`,
				"metadata.taints[0].key: Invalid value: \"\": "+namePart,
				"metadata.taints[0].effect: Required value",
				"metadata.taints[1].value: Invalid value: \"c d\": "+labelValue,
				`metadata.taints[1].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`,
				`metadata.taints[3]: Duplicate value: {"Key":"a","Value":"c","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair`)},
			{"", `{"status":{"capacity":{"cpu":"-1"},"allocatable":{"pods":"1500m"}}}`, lines(
				`status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0`,
				`status.allocatable.pods: Invalid value: "1500m": must be an integer`)},
			{"", `{"status":{"nodeInfo":{"swap":{"capacity":0}},"declaredFeatures":["b","a"]}}`, lines(
				"metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero",
				`status.declaredFeatures[0]: Invalid value: "b": invalid feature name "b": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`,
				`status.declaredFeatures[1]: Invalid value: "a": list must be sorted alphabetically`,
				`status.declaredFeatures[1]: Invalid value: "a": invalid feature name "a": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`)},
			{"", `{"status":{"declaredFeatures":["A","A","Ab/c","B/"]}}`, lines(
				`status.declaredFeatures[1]: Duplicate value: "A"`,
				`status.declaredFeatures[3]: Invalid value: "B/": invalid feature name "B/": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`)},
			{`{"spec":{"podCIDR":"10.0.0.0/24","providerID":"p"}}`, `{"spec":{"podCIDR":"10.0.1.0/24","providerID":"q","externalID":"x"}}`, lines(
				`spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid`,
				"spec.providerID: Invalid value: null: field cannot be modified once set",
				"spec.externalID: Forbidden: may not be updated")},
			{`{"spec":{"podCIDR":"10.0.0.0/24","providerID":"p"}}`, `{"spec":{"taints":[{"key":"a"}]}}`, lines(
				"metadata.taints[0].effect: Required value",
				`spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid`,
				"spec.providerID: Invalid value: null: field cannot be cleared once set")},
			{`{}`, `{"spec":{"podCIDR":"10.0.1.0/24","providerID":"q"}}`, ""},
		},
	} {
		checkRules(t, kind, cases)
	}
}

// TestLimitRules: what v1.37.2 answered to limit ranges and quotas.
func TestLimitRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"v1 LimitRange": {
			{"", `{"spec":{"limits":[]}}`, ""},
			{"", `{"spec":{"limits":[{"type":"X"},{"type":"Pod","default":{"cpu":"1"},"defaultRequest":{"cpu":"1"}},{"type":"Pod"},{"type":"PersistentVolumeClaim"},{"type":"a/b","max":{"c":"1"}}]}}`, lines(
				`spec.limits[0].type: Invalid value: "X": must be a standard limit type or fully qualified`,
				"spec.limits[1].default: Forbidden: may not be specified when `type` is 'Pod'",
				"spec.limits[1].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'",
				`spec.limits[2].type: Duplicate value: "Pod"`,
				"spec.limits[3].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
				`spec.limits[4].max[c]: Invalid value: "c": must be a standard resource type or fully qualified`)},
			{"", `{"spec":{"limits":[{"type":"Container","max":{"cpu":"1"},"min":{"cpu":"2"},"default":{"cpu":"3"},"defaultRequest":{"cpu":"4"},"maxLimitRequestRatio":{"cpu":"500m","pods":"2"}}]}}`, lines(
				`spec.limits[0].maxLimitRequestRatio[pods]: Invalid value: "pods": must be a standard resource for containers`,
				`spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1`,
				`spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than max value 1`,
				`spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than default limit value 3`,
				`spec.limits[0].default[cpu]: Invalid value: "1": default value 3 is greater than max value 1`,
				`spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1`)},
			{"", `{"spec":{"limits":[{"type":"Container","min":{"cpu":"3"},"default":{"cpu":"2"},"defaultRequest":{"cpu":"1"}}]}}`, lines(
				`spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 3 is greater than default request value 1`,
				`spec.limits[0].default[cpu]: Invalid value: "3": min value 3 is greater than default value 2`)},
			{"", `{"spec":{"limits":[{"type":"Container","max":{"cpu":"3"},"min":{"cpu":"2"},"maxLimitRequestRatio":{"cpu":"2"}}]}}`, `spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "2": ratio 2 is greater than max/min = 1.500000`},
			{"", `{"spec":{"limits":[{"type":"Container","default":{"hugepages-2Mi":"4Mi"},"defaultRequest":{"hugepages-2Mi":"2Mi"}}]}}`, `spec.limits[0].defaultRequest[hugepages-2Mi]: Invalid value: "2Mi": default value 4Mi must equal to defaultRequest value 2Mi in hugepages-2Mi`},
			{"", `{"spec":{"limits":[{"type":"PersistentVolumeClaim","min":{"storage":"1"},"max":{"storage":"20P"},"maxLimitRequestRatio":{"storage":"30P"}}]}}`, `spec.limits[0].maxLimitRequestRatio[storage]: Invalid value: "30P": ratio 30P is greater than max/min = 20000000000000000.000000`},
			{`{"spec":{"limits":[]}}`, `{"spec":{"limits":[{"type":"X"}]}}`, `spec.limits[0].type: Invalid value: "X": must be a standard limit type or fully qualified`},
		},
		"v1 ResourceQuota": {
			{"", `{"spec":{"hard":{"pods":"1","count/x":"2","requests.example.com/x":"3","hugepages-2Mi":"4","requests.hugepages-2Mi":"4"}}}`, ""},
			{"", `{"spec":{"hard":{"foo":"1"}}}`, lines(
				`spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified`,
				`spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota`)},
			{"", `{"spec":{"hard":{"storage":"-1"}}}`, lines(
				`spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota`,
				`spec.hard[storage]: Invalid value: "-1": must be greater than or equal to 0`)},
			{"", `{"spec":{"hard":{"pods":"1500m"}}}`, `spec.hard[pods]: Invalid value: "1500m": must be an integer`},
			{"", `{"spec":{"hard":{"x.y/z":"1500m"}}}`, `spec.hard[x.y/z]: Invalid value: "1500m": must be an integer`},
			{"", `{"spec":{"hard":{"services":"1"},"scopes":["X","BestEffort","NotBestEffort","Terminating"]}}`, lines(
				`spec.scopes: Invalid value: ["X","BestEffort","NotBestEffort","Terminating"]: unsupported scope`,
				`spec.scopes: Invalid value: ["X","BestEffort","NotBestEffort","Terminating"]: unsupported scope applied to resource`,
				`spec.scopes: Invalid value: ["X","BestEffort","NotBestEffort","Terminating"]: conflicting scopes`)},
			{"", `{"spec":{"hard":{"requests.storage":"1"},"scopes":["VolumeAttributesClass"]}}`, ""},
			{"", `{"spec":{"hard":{"pods":"1"},"scopes":["VolumeAttributesClass","Terminating","NotTerminating"]}}`, lines(
				`spec.scopes: Invalid value: ["VolumeAttributesClass","Terminating","NotTerminating"]: unsupported scope applied to resource`,
				`spec.scopes: Invalid value: ["VolumeAttributesClass","Terminating","NotTerminating"]: conflicting scopes`)},
			{"", `{"spec":{"hard":{"services":"1"},"scopeSelector":{"matchExpressions":[{},{"scopeName":"PriorityClass","operator":"In"},{"scopeName":"PriorityClass","operator":"Exists","values":["a"]},{"scopeName":"BestEffort","operator":"In","values":["a"]},{"scopeName":"NotBestEffort","operator":"Exists"}]}}}`, lines(
				`spec.scopeSelector.matchExpressions.scopeName: Invalid value: "": unsupported scope`,
				`spec.scopeSelector.matchExpressions.operator: Invalid value: "": not a valid selector operator`,
				`spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"","Operator":"","Values":null},{"ScopeName":"PriorityClass","Operator":"In","Values":null},{"ScopeName":"PriorityClass","Operator":"Exists","Values":["a"]},{"ScopeName":"BestEffort","Operator":"In","Values":["a"]},{"ScopeName":"NotBestEffort","Operator":"Exists","Values":null}]}: unsupported scope applied to resource`,
				"spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
				"spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
				`spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
				"spec.scopeSelector.matchExpressions: Invalid value: null: conflicting scopes")},
			{`{"spec":{"hard":{"pods":"1"},"scopes":["BestEffort"]}}`, `{"spec":{"hard":{"pods":"1"},"scopes":["Terminating"]}}`, `spec.scopes: Invalid value: ["Terminating"]: field is immutable`},
			{`{"spec":{"hard":{"pods":"1"},"scopes":["Terminating","PriorityClass"]}}`, `{"spec":{"hard":{"pods":"2"},"scopes":["PriorityClass","Terminating"]}}`, ""},
		},
	} {
		checkRules(t, kind, cases)
	}
}

// TestNodePreparation: what is kept of a node, and what its writer is warned of.
func TestNodePreparation(t *testing.T) {
	const source = `{"configMap":{"name":"a"}}`
	for _, c := range []struct{ old, obj, want string }{
		{"", `{"spec":{"configSource":` + source + `,"podPreemptionPolicy":{}},"status":{"config":{}}}`, `{"spec":{},"status":{}}`},
		{`{}`, `{"spec":{"configSource":` + source + `},"status":{"config":{}}}`, `{"spec":{},"status":{"config":{}}}`},
		{`{"spec":{"configSource":{}}}`, `{"spec":{"configSource":` + source + `}}`, `{"spec":{"configSource":` + source + `}}`},
		{"", `{}`, `{}`},
	} {
		var old map[string]any
		if c.old != "" {
			old = objectForTest(t, c.old)
		}
		obj := objectForTest(t, c.obj)
		prepareNode(obj, old)
		if got := string(tree.AppendJSON(nil, obj)); got != c.want {
			t.Errorf("%s after %s is kept as %s, want %s", c.obj, c.old, got, c.want)
		}
	}
	status := objectForTest(t, `{"status":{"config":{},"nodeInfo":{"runningInUserNamespace":true}}}`)
	dropNodeStatus(status, objectForTest(t, `{"status":{}}`))
	if got := string(tree.AppendJSON(nil, status)); got != `{"status":{"nodeInfo":{}}}` {
		t.Errorf("the status of a node is kept as %s", got)
	}
	node := objectForTest(t, `{"spec":{"externalID":"x","configSource":{},"podCIDRs":["10.0.0.0/24","10.0.0.1/24"]}}`)
	checkLines(t, nodeWarnings(node, nil), "spec.configSource: the feature is removed",
		"spec.externalID: this field is deprecated, and is unused by Kubernetes",
		`spec.podCIDRs[1]: CIDR value "10.0.0.1/24" is ambiguous in this context (should be "10.0.0.0/24" or "10.0.0.1/32"?)`)
}

// checkLines compares texts.
func checkLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNodeStatusRules: what v1.37.2 answered to a write of the status.
func TestNodeStatusRules(t *testing.T) {
	shape := shapeForTest(t, tableForTest(t), "v1 Node")
	node := objectForTest(t, `{"status":{"addresses":[{"type":"a","address":"b"},{"type":"a","address":"b"}],"capacity":{"pods":"1500m","cpu":"-1"}}}`)
	shape.SetDefaults(node)
	var said []string
	for _, e := range shape.Validate(node, objectForTest(t, `{}`), true) {
		said = append(said, e.String())
	}
	checkLines(t, said, `status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0`,
		`status.capacity.pods: Invalid value: "1500m": must be an integer`,
		`status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0`,
		`status.allocatable.pods: Invalid value: "1500m": must be an integer`,
		`status.addresses[1]: Duplicate value: {"Type":"a","Address":"b"}`)
}

// TestLimitDefaults: what v1.37.2 made of limits.
func TestLimitDefaults(t *testing.T) {
	for obj, want := range map[string]string{
		`{"type":"Container","max":{"cpu":"1"},"min":{"memory":"1"}}`: `{"default":{"cpu":"1"},"defaultRequest":{"cpu":"1","memory":"1"},` +
			`"max":{"cpu":"1"},"min":{"memory":"1"},"type":"Container"}`,
		`{"type":"Container","max":{"cpu":"1"},"default":{"cpu":"2"}}`: `{"default":{"cpu":"2"},"defaultRequest":{"cpu":"2"},"max":{"cpu":"1"},"type":"Container"}`,
		`{"type":"Pod","max":{"cpu":"3u"}}`:                            `{"max":{"cpu":"1m"},"type":"Pod"}`,
		`{"type":"Container"}`:                                         `{"type":"Container"}`,
	} {
		o := objectForTest(t, obj)
		limitDefaults(o)
		limitDefaults(o)
		if got := string(tree.AppendJSON(nil, o)); got != want {
			t.Errorf("%s becomes %s, want %s", obj, got, want)
		}
	}
}

// TestQuotaWarnings: what v1.37.2 warned of.
func TestQuotaWarnings(t *testing.T) {
	quota := objectForTest(t, `{"spec":{"hard":{"requests.cpu":"2","limits.cpu":"1","memory":"2","limits.memory":"1","requests.storage":"1"}}}`)
	checkLines(t, quotaWarnings(quota, nil), "ResourceQuota requests.cpu (2) should be less than limits.cpu (1)",
		"ResourceQuota memory (2) should be less than limits.memory (1)")
	checkLines(t, quotaWarnings(quota, quota))
}
