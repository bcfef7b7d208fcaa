package strategy

import "testing"

// TestFlowRules: what v1.37.2 answered to flow schemas and priority levels.
func TestFlowRules(t *testing.T) {
	for kind, cases := range map[string][]ruleCase{
		"flowcontrol.apiserver.k8s.io/v1 FlowSchema": {
			{"", `{}`, "spec.priorityLevelConfiguration.name: Required value: must reference a priority level"},
			{"", `{"spec":{"matchingPrecedence":-1,"priorityLevelConfiguration":{"name":"x"}}}`, "spec.matchingPrecedence: Invalid value: -1: must be a positive value"},
			{"", `{"spec":{"matchingPrecedence":10001,"priorityLevelConfiguration":{"name":"A"},"distinguisherMethod":{"type":"x"}}}`, lines(
				"spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000",
				`spec.distinguisherMethod.type: Unsupported value: {"Type":"x"}: supported values: "ByNamespace", "ByUser"`,
				"spec.priorityLevelConfiguration.name: Invalid value: \"A\": "+dnsSubdomain)},
			{"", `{"spec":{"matchingPrecedence":1,"priorityLevelConfiguration":{"name":"a"},"rules":[{},{"subjects":[{},{"kind":"User"},{"kind":"Group","user":{"name":"x"},"serviceAccount":{}},{"kind":"ServiceAccount","serviceAccount":{"name":"A","namespace":"B"},"user":{},"group":{}},{"kind":"ServiceAccount","serviceAccount":{"name":"*"}},{"kind":"User","user":{},"group":{}}],"nonResourceRules":[{"verbs":["get"],"nonResourceURLs":["*"]}]}]}}`, lines(
				"spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
				"spec.rules[0].subjects: Required value: subjects must contain at least one value",
				"spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
				`spec.rules[1].subjects[0].kind: Unsupported value: "": supported values: "Group", "ServiceAccount", "User"`,
				"spec.rules[1].subjects[1].user: Required value: user is required when subject kind is 'User'",
				"spec.rules[1].subjects[2].group: Required value: group is required when subject kind is 'Group'",
				"spec.rules[1].subjects[2].serviceAccount: Forbidden: serviceAccount is forbidden when subject kind is not 'ServiceAccount'",
				"spec.rules[1].subjects[2].user: Forbidden: user is forbidden when subject kind is not 'User'",
				"spec.rules[1].subjects[3].serviceAccount.name: Invalid value: \"A\": "+dnsSubdomain,
				"spec.rules[1].subjects[3].serviceAccount.namespace: Invalid value: \"B\": "+dnsLabel,
				"spec.rules[1].subjects[3].user: Forbidden: user is forbidden when subject kind is not 'User'",
				"spec.rules[1].subjects[3].group: Forbidden: group is forbidden when subject kind is not 'Group'",
				"spec.rules[1].subjects[4].serviceAccount.namespace: Required value: must specify namespace for service account",
				"spec.rules[1].subjects[5].user.name: Required value",
				"spec.rules[1].subjects[5].group: Forbidden: group is forbidden when subject kind is not 'Group'")},
			{"", `{"spec":{"priorityLevelConfiguration":{"name":"a"},"rules":[{"subjects":[{"kind":"User","user":{"name":"x"}}],"resourceRules":[{},{"verbs":["foo"],"apiGroups":["*"],"resources":["*"],"namespaces":["A"]},{"verbs":["get","*"],"apiGroups":["*","a"],"resources":["*","a"],"namespaces":["*","a"]},{"verbs":["*"],"apiGroups":[""],"resources":["*"],"clusterScope":true}]}]}}`, lines(
				"spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value",
				"spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group",
				"spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource",
				"spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace",
				`spec.rules[0].resourceRules[1].verbs: Unsupported value: ["foo"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"`,
				"spec.rules[0].resourceRules[1].namespaces[0]: Invalid value: \"A\": each member of this list must be '*' or a DNS-1123 label; "+dnsLabel,
				`spec.rules[0].resourceRules[2].verbs: Invalid value: ["get","*"]: if '*' is present, must not specify other verbs`,
				`spec.rules[0].resourceRules[2].apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other api groups`,
				`spec.rules[0].resourceRules[2].resources: Invalid value: ["*","a"]: if '*' is present, must not specify other resources`,
				`spec.rules[0].resourceRules[2].namespaces: Invalid value: ["*","a"]: if '*' is present, must not specify other namespaces`)},
			{"", `{"spec":{"priorityLevelConfiguration":{"name":"a"},"rules":[{"subjects":[{"kind":"User","user":{"name":"x"}}],"nonResourceRules":[{},{"verbs":["*","a"],"nonResourceURLs":["*","/a"]},{"verbs":["b"],"nonResourceURLs":["","a","/a b","/a//b","/a*","/*/*","/a/*","/"]}]}]}}`, lines(
				"spec.rules[0].nonResourceRules[0].verbs: Required value: verbs must contain at least one value",
				"spec.rules[0].nonResourceRules[0].nonResourceURLs: Required value: nonResourceURLs must contain at least one value",
				`spec.rules[0].nonResourceRules[1].verbs: Invalid value: ["*","a"]: if '*' is present, must not specify other verbs`,
				`spec.rules[0].nonResourceRules[1].nonResourceURLs: Invalid value: ["*","/a"]: if '*' is present, must not specify other non-resource URLs`,
				`spec.rules[0].nonResourceRules[2].verbs: Unsupported value: ["b"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"`,
				`spec.rules[0].nonResourceRules[2].nonResourceURLs[0]: Invalid value: "": must not be empty`,
				`spec.rules[0].nonResourceRules[2].nonResourceURLs[1]: Invalid value: "a": must start with slash`,
				`spec.rules[0].nonResourceRules[2].nonResourceURLs[2]: Invalid value: "/a b": must not contain white-space`,
				`spec.rules[0].nonResourceRules[2].nonResourceURLs[3]: Invalid value: "/a//b": must not contain double slash`,
				`spec.rules[0].nonResourceRules[2].nonResourceURLs[4]: Invalid value: "/a*": wildcard can only do suffix matching`,
				`spec.rules[0].nonResourceRules[2].nonResourceURLs[5]: Invalid value: "/*/*": wildcard can only do suffix matching`)},
			{`{"spec":{"priorityLevelConfiguration":{"name":"a"}}}`, `{"spec":{"matchingPrecedence":-5,"priorityLevelConfiguration":{"name":"a"}}}`, "spec.matchingPrecedence: Invalid value: -5: must be a positive value"},
		},
		"flowcontrol.apiserver.k8s.io/v1 PriorityLevelConfiguration": {
			{"", `{}`, "spec.type: Required value"},
			{"", `{"spec":{"type":"Limited"}}`, "spec.limited: Required value"},
			{"", `{"spec":{"type":"X","limited":{},"exempt":{}}}`, lines(
				`spec.type: Unsupported value: "X": supported values: "Exempt", "Limited"`,
				"spec.exempt: Forbidden",
				"spec.limited: Forbidden",
				"spec.limited.limitResponse.type: Required value")},
			{"", `{"spec":{"limited":{"lendablePercent":200},"exempt":{}}}`, lines(
				"spec.exempt: Forbidden",
				"spec.limited: Forbidden",
				"spec.type: Required value",
				"spec.limited.limitResponse.type: Required value")},
			{"", `{"spec":{"type":"Exempt","limited":{},"exempt":{"nominalConcurrencyShares":-1,"lendablePercent":101}}}`, lines(
				"spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'",
				"spec.exempt.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
				"spec.exempt.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
				"spec.limited: Forbidden",
				"spec.limited.limitResponse.type: Required value")},
			{"", `{"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":-1,"lendablePercent":-1,"borrowingLimitPercent":-1},"exempt":{}}}`, lines(
				"spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
				"spec.limited.lendablePercent: Invalid value: -1: must be between 0 and 100, inclusive",
				"spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer",
				"spec.exempt: Forbidden",
				"spec.limited.limitResponse.type: Required value")},
			{"", `{"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":-1,"limitResponse":{"type":"Q","queuing":{}}}}}`, lines(
				"spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
				`spec.limited.limitResponse.type: Unsupported value: "Q": supported values: "Queue", "Reject"`,
				"spec.limited.limitResponse.queuing: Forbidden")},
			{"", `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue"}}}}`, "spec.limited.limitResponse.queuing: Required value"},
			{"", `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject","queuing":{}}}}}`, "spec.limited.limitResponse.queuing: Forbidden"},
			{"", `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":-1,"handSize":-1,"queueLengthLimit":-1}}}}}`, lines(
				"spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive",
				"spec.limited.limitResponse.queuing.queues: Invalid value: -1: must be positive",
				"spec.limited.limitResponse.queuing.handSize: Invalid value: -1: must be positive")},
			{"", `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":10000001,"handSize":9}}}}}`, lines(
				"spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000",
				"spec.limited.limitResponse.queuing.handSize: Invalid value: 9: required entropy bits of deckSize 10000001 and handSize 9 should not be greater than 60")},
			{"", `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"queues":3}}}}}`, "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (3)"},
			{"", `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{}}}}}`, ""},
		},
	} {
		checkRules(t, kind, cases)
	}
}

// TestFixedFlowObjects: two objects of each kind are always as they are, but for what the exempt level lends.
func TestFixedFlowObjects(t *testing.T) {
	const level = `{"metadata":{"name":"exempt"},"spec":{"type":"Exempt","exempt":{"nominalConcurrencyShares":5}}}`
	table := tableForTest(t)
	for _, c := range []struct{ kind, obj, want string }{
		{"PriorityLevelConfiguration", level, ""},
		{"PriorityLevelConfiguration", `{"metadata":{"name":"exempt"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}}`, lines(
			"spec.type: Invalid value: \"Limited\": must be 'Exempt' if and only if `name` is 'exempt'",
			`spec: Invalid value: {"limited":{"lendablePercent":0,"limitResponse":{"type":"Reject"},"nominalConcurrencyShares":30},"type":"Limited"}: `+
				"spec of 'exempt' except the 'spec.exempt' field must equal the fixed value")},
		{"PriorityLevelConfiguration",
			`{"metadata":{"name":"catch-all"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":5,"limitResponse":{"type":"Reject"}}}}`, ""},
		{"PriorityLevelConfiguration", `{"metadata":{"name":"catch-all"},"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}}`,
			`spec: Invalid value: {"limited":{"lendablePercent":0,"limitResponse":{"type":"Reject"},"nominalConcurrencyShares":30},"type":"Limited"}: ` +
				"spec of 'catch-all' must equal the fixed value"},
		{"FlowSchema", `{"metadata":{"name":"exempt"},"spec":` + fixedFlowSchemas[0].spec + `}`, ""},
		{"FlowSchema", `{"metadata":{"name":"catch-all"},"spec":` + fixedFlowSchemas[1].spec + `}`, ""},
		{"FlowSchema", `{"metadata":{"name":"catch-all"},"spec":{"matchingPrecedence":10000,"priorityLevelConfiguration":{"name":"x"}}}`,
			`spec: Invalid value: {"matchingPrecedence":10000,"priorityLevelConfiguration":{"name":"x"}}: spec of 'catch-all' must equal the fixed value`},
	} {
		checkRule(t, table, "flowcontrol.apiserver.k8s.io/v1 "+c.kind, "", c.obj, c.want)
	}
}

// TestFlowConditions: there is one condition of each type.
func TestFlowConditions(t *testing.T) {
	shape := shapeForTest(t, tableForTest(t), "flowcontrol.apiserver.k8s.io/v1 FlowSchema")
	var said []string
	for _, e := range shape.Validate(objectForTest(t, `{"status":{"conditions":[{},{"type":"a"},{"type":"a"}]}}`), map[string]any{}, true) {
		said = append(said, e.String())
	}
	checkLines(t, said, "status.conditions[0].type: Required value", `status.conditions[2].type: Duplicate value: "a"`)
}
