package policy

import (
	"strings"
	"testing"

	"apichain/internal/api"
)

// TestMatching: who would be evaluated, and on what it depends; nobody is.
func TestMatching(t *testing.T) {
	s := start(t)
	for name, spec := range map[string]string{
		"a": `"matchConstraints":{"namespaceSelector":{"matchLabels":{"n":"s"}},"resourceRules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["*"],"resources":["configmaps","nodes"]}]},"matchConditions":[{"name":"c","expression":"true"}]`,
		"b": `"matchConstraints":{"objectSelector":{"matchExpressions":[{"key":"k","operator":"Exists"}]},"resourceRules":[{"operations":["CREATE"],"apiGroups":["autoscaling"],"apiVersions":["v2"],"resources":["*"]}]}`,
		"c": `"matchConstraints":{"resourceRules":[{"resourceNames":["x"],"operations":["CREATE"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]},"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}`,
	} {
		s.Must(201, "POST", mutatingPath, `{"metadata":{"name":"`+name+`"},"spec":{`+spec+`,"reinvocationPolicy":"Never","mutations":[{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":"Object{}"}}]}}`)
	}
	s.Must(201, "POST", boundPath, `{"metadata":{"name":"all"},"spec":{"policyName":"a"}}`)
	s.Must(201, "POST", boundPath, `{"metadata":{"name":"other"},"spec":{"policyName":"a","matchResources":{"objectSelector":{"matchLabels":{"o":"p"}}}}}`)
	s.Must(201, "POST", boundPath, `{"metadata":{"name":"b"},"spec":{"policyName":"b"}}`)
	s.Must(201, "POST", boundPath, `{"metadata":{"name":"c"},"spec":{"policyName":"c","paramRef":{"name":"p","parameterNotFoundAction":"Allow"}}}`)
	for _, c := range []struct{ group, version, kind, operation, want string }{
		{"", "v1", "ConfigMap", api.OperationUpdate, "a with binding all if the namespace has labels n=s, if its conditions hold; " +
			"a with binding other if the namespace has labels n=s, if the object has labels o=p, if its conditions hold"},
		{"", "v1", "Node", api.OperationCreate, "a with binding all if its conditions hold; a with binding other if the object has labels o=p, if its conditions hold"},
		{"", "v1", "Node", api.OperationDelete, ""}, // there is nothing to change
		{"", "v1", "Secret", api.OperationCreate, ""},
		{"autoscaling", "v1", "HorizontalPodAutoscaler", api.OperationCreate, "b with binding b if the object has labels k, as horizontalpodautoscalers.v2.autoscaling"},
	} {
		r := s.API.Builtin(c.group, c.version, c.kind)
		if got := strings.Join(s.p.Matching(api.Mutating, r, "", c.operation), "; "); got != c.want {
			t.Errorf("%s of %s:\n got %s\nwant %s", c.operation, c.kind, got, c.want)
		}
	}
	all := s.p.Matching(api.Mutating, s.API.Builtin("", "v1", "ConfigMap"), "", api.OperationCreate)
	if last := all[len(all)-1]; last != "c with binding c for objects of some names, with parameters ConfigMap" {
		t.Error(last)
	}
}
