package policy

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/metrics"
	"apichain/internal/tree"
)

const (
	policiesPath = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
	bindingsPath = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
)

// put creates a policy of config maps and a binding of the same name.
func (s *judged) put(name, spec, binding string) {
	s.T.Helper()
	s.Must(201, "POST", policiesPath, apitest.PolicyOf(name, "*:/v1/configmaps", spec))
	s.Must(201, "POST", bindingsPath, apitest.BindingOf(name, name, binding))
}

// unput removes them all.
func (s *judged) unput() {
	s.T.Helper()
	s.Must(200, "DELETE", bindingsPath, nil)
	s.Must(200, "DELETE", policiesPath, nil)
	s.noted()
}

// TestDecisions: what comes of validations that hold, fail and cannot be evaluated. The rows are upstream's of TestValidate.
func TestDecisions(t *testing.T) {
	const says = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: "
	const bad = "expression 'object.nope == 1' resulted in error: no such key: nope"
	s := start(t)
	for _, c := range []struct {
		what, spec string
		code       int // 201 if it passes
		message    string
	}{
		{"it holds", `"validations":[{"expression":"true"}]`, 201, ""},
		{"several hold", `"validations":[{"expression":"true"},{"expression":"1 == 1"}]`, 201, ""},
		{"one does not", `"validations":[{"expression":"true"},{"expression":"1 == 2"}]`, 422, "failed expression: 1 == 2"},
		{"the first that does not", `"validations":[{"expression":"1 == 2"},{"expression":"1 == 3"}]`, 422, "failed expression: 1 == 2"},
		{"a message", `"validations":[{"expression":"false","message":" I am not true "}]`, 422, "I am not true"},
		{"a reason", `"validations":[{"expression":"false","reason":"Forbidden"}]`, 403, "failed expression: false"},
		{"too large", `"validations":[{"expression":"false","reason":"RequestEntityTooLarge"}]`, 413, "failed expression: false"},
		{"an error", `"validations":[{"expression":"object.nope == 1","reason":"Forbidden"}]`, 422, bad},
		{"an error before a failure", `"validations":[{"expression":"object.nope == 1"},{"expression":"false","message":"m"}]`, 422, bad},
		{"an error behind a failure", `"validations":[{"expression":"false","message":"m"},{"expression":"object.nope == 1"}]`, 422, "m"},
		{"an error, ignored", `"failurePolicy":"Ignore","validations":[{"expression":"object.nope == 1"}]`, 201, ""},
		{"an error, ignored, and a failure", `"failurePolicy":"Ignore","validations":[{"expression":"object.nope == 1"},{"expression":"false","message":"m"}]`, 422, "m"},
		{"a message expression", `"validations":[{"expression":"false","messageExpression":"'it is ' + object.metadata.name"}]`, 422, "it is m"},
		{"over a message", `"validations":[{"expression":"false","message":"m","messageExpression":"'it is ' + object.metadata.name"}]`, 422, "it is m"},
		{"one that fails", `"validations":[{"expression":"false","message":"m","messageExpression":"string(object.nope)"}]`, 422, "m"},
		{"one that is empty", `"validations":[{"expression":"false","message":"m","messageExpression":"'  '"}]`, 422, "m"},
		{"one of two lines", `"validations":[{"expression":"false","message":"m","messageExpression":"'a\\nb'"}]`, 422, "m"},
		{"one that is too long", `"validations":[{"expression":"false","messageExpression":"'0123456789abcdef'.replace('', '` + strings.Repeat("x", 400) + `')"}]`, 422, "failed expression: false"},
		{"one of a passing validation that fails", `"validations":[{"expression":"true","messageExpression":"string(object.nope)"},{"expression":"false","message":"m"}]`, 422, "m"},
		{"conditions that do not hold", `"matchConditions":[{"name":"a","expression":"false"}],"validations":[{"expression":"false"}]`, 201, ""},
		{"conditions that hold", `"matchConditions":[{"name":"a","expression":"true"}],"validations":[{"expression":"false"}]`, 422, "failed expression: false"},
		{"conditions that fail", `"matchConditions":[{"name":"a","expression":"object.nope == 1"}],"validations":[{"expression":"true"}]`, 422, bad},
		{"conditions that fail, ignored", `"failurePolicy":"Ignore","matchConditions":[{"name":"a","expression":"object.nope == 1"}],"validations":[{"expression":"false"}]`, 201, ""},
		{"an annotation that fails", `"auditAnnotations":[{"key":"k","valueExpression":"string(object.nope)"}]`, 422, "expression 'string(object.nope)' resulted in error: no such key: nope"},
		{"an annotation that fails, ignored", `"failurePolicy":"Ignore","auditAnnotations":[{"key":"k","valueExpression":"string(object.nope)"}]`, 201, ""},
		{"a failure, and an annotation that fails", `"validations":[{"expression":"false"}],"auditAnnotations":[{"key":"k","valueExpression":"string(object.nope)"}]`, 422, "failed expression: false"},
	} {
		s.put("p", "{"+c.spec+"}", "{}")
		code, got := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		want := ""
		if c.message != "" {
			want = `configmaps "m" is forbidden: ` + says + c.message
			causes := tree.List(got, "details", "causes")
			if len(causes) != 1 || tree.Text(causes[0], "message") != says+c.message {
				t.Errorf("%s: causes %v", c.what, causes)
			}
		}
		if code != c.code || tree.Text(got, "message") != want {
			t.Errorf("%s: %d %s\n\twant %d %s", c.what, code, tree.Text(got, "message"), c.code, want)
		}
		s.unput()
	}
}

// TestBudgets: what is spent on messages and annotations counts as upstream counts it.
func TestBudgets(t *testing.T) {
	const dear = "authorizer.group('a').resource('b').check('c').allowed() && authorizer.group('a').resource('b').check('c').allowed()"
	// 700,000 of a message that no authorizer is asked for: joining long strings.
	long := `"variables":[{"name":"l","expression":"[0,1,2,3,4,5,6,7,8,9].map(x, [0,1,2,3,4,5,6,7,8,9].map(y, [0,1,2,3,4,5,6,7,8,9].map(z, 'aaaaaaaaaaaaaaaa')))"}],`
	validations := make([]string, 14)
	for i := range validations {
		validations[i] = `{"expression":"` + dear + `","messageExpression":"'m'"}`
	}
	s := start(t)
	for _, c := range []struct {
		what, spec, message string
	}{
		{"fourteen checks that pass", `"validations":[` + strings.Join(validations, ",") + `]`, ""},
		{"fifteen are too many", `"validations":[` + strings.Join(append(validations, validations[0]), ",") + `]`,
			"validation failed due to running out of cost budget, no further validation rules will be run"},
		{"messages that cost what is left, though all pass", long + `"validations":[` + strings.Join(slices.Repeat([]string{`{"expression":"` + dear + `","messageExpression":"string(variables.l.size()) + string([0,1,2,3,4,5,6,7,8,9].map(a, [0,1,2,3,4,5,6,7,8,9].map(b, [0,1,2,3,4,5,6,7,8,9].map(c, [0,1,2,3,4,5,6,7,8,9].map(d, a + b + c + d)))).size())"}`}, 14), ",") + `]`,
			"failed messageExpression: validation failed due to running out of cost budget, no further validation rules will be run"},
		{"annotations have a budget of their own", `"validations":[` + strings.Join(validations, ",") + `],"auditAnnotations":[{"key":"k","valueExpression":"string(object.metadata.name)"}]`, ""},
	} {
		s.put("p", "{"+c.spec+"}", "{}")
		_, got := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		want := ""
		if c.message != "" {
			want = `configmaps "m" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: ` + c.message
		}
		if tree.Text(got, "message") != want {
			t.Errorf("%s: %s\n\twant %s", c.what, tree.Text(got, "message"), want)
		}
		s.unput()
	}
}

// TestAnnotations: the annotations of the audit event are upstream's, of a policy and of what bindings want there.
func TestAnnotations(t *testing.T) {
	s := start(t)
	const failure = "validation.policy.admission.k8s.io/validation_failure"
	s.Must(201, "POST", apitest.MapsPath, `{"metadata":{"name":"a","labels":{"is":"param"}}}`)
	s.Must(201, "POST", apitest.MapsPath, `{"metadata":{"name":"b","labels":{"is":"param"}}}`)
	const params = `"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},`
	for _, c := range []struct {
		what, spec, binding string
		want                map[string]string
	}{
		{"a value", `"auditAnnotations":[{"key":"example-key","valueExpression":"'object name: ' + object.metadata.name"},{"key":"exclude-key","valueExpression":"null"}]`, "",
			map[string]string{"p/example-key": "object name: m"}},
		{"a blank one is none", `"auditAnnotations":[{"key":"k","valueExpression":"'  '"}]`, "", map[string]string{}},
		{"it is trimmed", `"auditAnnotations":[{"key":"k","valueExpression":"' a '"}]`, "", map[string]string{"p/k": "a"}},
		{"of several params, each once", params + `"auditAnnotations":[{"key":"k","valueExpression":"string(params.metadata.name)"},{"key":"l","valueExpression":"'same'"}]`,
			`"paramRef":{"selector":{"matchLabels":{"is":"param"}},"parameterNotFoundAction":"Deny"}`, map[string]string{"p/k": "a, b", "p/l": "same"}},
		{"an audit action", `"validations":[{"expression":"true"},{"expression":"object.metadata.name.endsWith('k8s')"}]`, `"validationActions":["Deny","Audit"]`,
			map[string]string{failure: `[{"message":"failed expression: object.metadata.name.endsWith('k8s')","policy":"p","binding":"p","expressionIndex":1,"validationActions":["Deny","Audit"]}]`}},
		{"an error", `"validations":[{"expression":"object.nope == 1"}]`, `"validationActions":["Audit"]`,
			map[string]string{failure: `[{"message":"expression 'object.nope == 1' resulted in error: no such key: nope","policy":"p","binding":"p","expressionIndex":0,"validationActions":["Audit"]}]`}},
		{"a warning is none", `"validations":[{"expression":"false"}]`, `"validationActions":["Warn"]`, map[string]string{}},
		{"what is too long is cut", `"auditAnnotations":[{"key":"k","valueExpression":"'x'.replace('', '` + strings.Repeat("y", 1000) + `').replace('y', 'yyyyyyyy')"}]`, "",
			map[string]string{"p/k": strings.Repeat("y", 8000) + "x" + strings.Repeat("y", 10240-8001)}},
	} {
		s.put("p", "{"+c.spec+"}", "{"+c.binding+"}")
		s.noted()
		s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		if got := s.noted(); !maps.Equal(got, c.want) {
			t.Errorf("%s: %q\n\twant %q", c.what, got, c.want)
		}
		s.unput()
	}
	// Fifty failures at most, whoever has them.
	s.put("p", `{"validations":[`+strings.TrimSuffix(strings.Repeat(`{"expression":"false"},`, 60), ",")+`]}`, `{"validationActions":["Audit"]}`)
	s.Must(201, "POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
	if got := s.noted()[failure]; strings.Count(got, `"expressionIndex"`) != 50 || !strings.Contains(got, `"expressionIndex":49`) {
		t.Errorf("%d failures", strings.Count(got, `"expressionIndex"`))
	}
}

// TestFollow: a policy and its binding are in force for what is written after them, and as long as both are there.
func TestFollow(t *testing.T) {
	s := start(t)
	try := func() int {
		code, _ := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		return code
	}
	steps := []struct {
		what, method, path string
		body               any
		want               int
	}{
		{"a policy alone", "POST", policiesPath, apitest.PolicyOf("p", "CREATE:/v1/configmaps", `{"validations":[{"expression":"false"}]}`), 201},
		{"with a binding", "POST", bindingsPath, apitest.BindingOf("b", "p", "{}"), 422},
		{"it changes", "PATCH", policiesPath + "/p", `{"spec":{"validations":[{"expression":"true"}]}}`, 201},
		{"and back", "PATCH", policiesPath + "/p", `{"spec":{"validations":[{"expression":"false"}]}}`, 422},
		{"another policy is meant", "PATCH", bindingsPath + "/b", `{"spec":{"policyName":"q"}}`, 201},
		{"this one again", "PATCH", bindingsPath + "/b", `{"spec":{"policyName":"p"}}`, 422},
		{"it only warns", "PATCH", bindingsPath + "/b", `{"spec":{"validationActions":["Warn"]}}`, 201},
		{"it denies", "PATCH", bindingsPath + "/b", `{"spec":{"validationActions":["Deny"]}}`, 422},
		{"the policy goes", "DELETE", policiesPath + "/p", nil, 201},
		{"it is back", "POST", policiesPath, apitest.PolicyOf("p", "CREATE:/v1/configmaps", `{"validations":[{"expression":"false"}]}`), 422},
		{"the binding goes", "DELETE", bindingsPath + "/b", nil, 201},
	}
	for _, c := range steps {
		if code, got := s.Try(c.method, c.path, c.body); code >= 300 {
			t.Fatalf("%s: %d %v", c.what, code, got)
		}
		if got := try(); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	// What has not changed is not made anew.
	was := s.p.policies[api.Validating]["p"]
	s.put("q", `{"validations":[{"expression":"true"}]}`, "{}")
	if s.p.policies[api.Validating]["p"] != was {
		t.Error("p was made anew")
	}
}

// TestRun: what another server writes is followed too, until the work ends.
func TestRun(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.p.Run(ctx)
	}()
	s.keep(t, buckets[api.Validating][0], "p", apitest.PolicyOf("p", "CREATE:/v1/configmaps", `{"validations":[{"expression":"false"}]}`))
	s.keep(t, buckets[api.Validating][1], "p", apitest.BindingOf("p", "p", "{}"))
	s.Soon("the policy is in force", func() bool {
		code, _ := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		return code == 422
	})
	cancel()
	<-done
}

// TestOwn: what the program writes before it has begun is not judged, and afterwards as what clients write.
func TestOwn(t *testing.T) {
	s := start(t)
	s.put("p", `{"validations":[{"expression":"false"}]}`, "{}")
	a := s.asked(s.API.Builtin("", "v1", "ConfigMap"), api.OperationCreate, apitest.MapObject("m"), nil)
	a.Namespace, a.Name = "default", "m"
	if err := s.p.Validate(t.Context(), a); err != nil {
		t.Error(err)
	}
	s.p.Bootstrapped()
	if err := s.p.Validate(t.Context(), a); err == nil {
		t.Error("it passes")
	}
}

// TestExempt: no policy is about policies.
func TestExempt(t *testing.T) {
	s := start(t)
	s.Must(201, "POST", policiesPath, apitest.PolicyOf("p", "*:admissionregistration.k8s.io/*/*", `{"validations":[{"expression":"false"}]}`))
	s.Must(201, "POST", bindingsPath, apitest.BindingOf("p", "p", "{}"))
	s.Must(422, "POST", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", `{"metadata":{"name":"w"}}`)
	for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"} {
		for _, version := range []string{"v1", "v1beta1"} {
			if r := s.API.Builtin("admissionregistration.k8s.io", version, kind); r != nil && s.p.Wants(api.Validating, r, "", api.OperationCreate) {
				t.Errorf("%s %s is judged", version, kind)
			}
		}
	}
	s.unput()
}

// TestCounted: the families and their labels are upstream's.
func TestCounted(t *testing.T) {
	s := start(t)
	s.put("deny", `{"matchConstraints":{"objectSelector":{"matchLabels":{"is":"deny"}}},"validations":[{"expression":"true"},{"expression":"false"}]}`, `{"validationActions":["Deny","Audit"]}`)
	s.put("warn", `{"validations":[{"expression":"object.nope == 1"}]}`, `{"validationActions":["Warn"]}`)
	s.put("open", `{"failurePolicy":"Ignore","validations":[{"expression":"object.nope == 1"}]}`, "{}")
	s.Must(422, "POST", apitest.MapsPath, apitest.MapObject("a", map[string]any{"labels": map[string]any{"is": "deny"}}))
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("b"))
	var text bytes.Buffer
	w := metrics.NewWriter(&text)
	s.p.WriteMetrics(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`check_total{enforcement_action="deny",error_type="invalid_error",policy="deny",policy_binding="deny"} 1`,
		`check_total{enforcement_action="audit",error_type="invalid_error",policy="deny",policy_binding="deny"} 1`,
		`check_total{enforcement_action="warn",error_type="invalid_error",policy="warn",policy_binding="warn"} 2`,
		`check_total{enforcement_action="allow",error_type="invalid_error",policy="open",policy_binding="open"} 2`,
		`check_duration_seconds_count{enforcement_action="warn",error_type="invalid_error",policy="warn",policy_binding="warn"} 2`,
	} {
		if !strings.Contains(text.String(), "apiserver_validating_admission_policy_"+line+"\n") {
			t.Errorf("no %s in\n%s", line, text.String())
		}
	}
	var c counts
	for i := range mostSeries + 5 {
		c.observe(labels{policy: strings.Repeat("x", i%50) + string(rune(i))}, time.Second)
	}
	if len(c.times) != mostSeries+1 {
		t.Errorf("%d series", len(c.times))
	}
}

// TestNamespaceGone: a write in a namespace that is not there fails by that, if a policy is about it.
func TestNamespaceGone(t *testing.T) {
	s := start(t)
	s.p.Bootstrapped()
	s.put("p", `{"validations":[{"expression":"true"}]}`, "{}")
	a := s.asked(s.API.Builtin("", "v1", "ConfigMap"), api.OperationCreate, apitest.MapObject("m"), nil)
	a.Namespace, a.Name = "gone", "m"
	if err := s.p.Validate(t.Context(), a); err == nil || err.Error() != `namespaces "gone" not found` {
		t.Error(err)
	}
	// One of the policy's selector is the policy's.
	s.Must(200, "PATCH", policiesPath+"/p", `{"spec":{"matchConstraints":{"namespaceSelector":{"matchLabels":{"a":"b"}}}}}`)
	if err := s.p.Validate(t.Context(), a); err == nil || err.Error() != `configmaps "m" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: namespaces "gone" not found` {
		t.Error(err)
	}
}

// TestPlanOfBindings: a write is judged where the rules of a binding are about it too.
func TestPlanOfBindings(t *testing.T) {
	s := start(t)
	s.put("p", `{"validations":[{"expression":"false"}]}`, `{"matchResources":{"resourceRules":[{"operations":["DELETE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}]}}`)
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))
	s.Must(422, "DELETE", apitest.MapsPath+"/m", nil)
}
