package strategy

import (
	"slices"
	"strings"
	"testing"

	"apichain/internal/kinds"
	"apichain/internal/tree"
)

// TestQuotaAndRangeRules: what is wrong with quotas and ranges, by the fields that the real server names.
func TestQuotaAndRangeRules(t *testing.T) {
	table, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ kind, spec, old, want string }{
		{"ResourceQuota", `{"hard":{"pods":"1","cpu":"1","count/widgets.example.com":"1","requests.hugepages-2Mi":"1"}}`, "", ""},
		{"ResourceQuota", `{"hard":{"pods":"-1","services":"1500m","odd":"1"}}`, "", "spec.hard[odd] spec.hard[odd] spec.hard[pods] spec.hard[services]"},
		{"ResourceQuota", `{"hard":{"pods":"1"},"scopes":["BestEffort","NotBestEffort"]}`, "", "spec.scopes"},
		{"ResourceQuota", `{"hard":{"services":"1"},"scopes":["Terminating"]}`, "", "spec.scopes"},
		{"ResourceQuota", `{"hard":{"pods":"1"},"scopes":["terminating"]}`, "", "spec.scopes"},
		{"ResourceQuota", `{"hard":{"pods":"1"},"scopes":["Terminating"]}`, `{"hard":{"pods":"1"}}`, "spec.scopes"},
		{"ResourceQuota", `{"hard":{"pods":"1"},"scopes":["Terminating","BestEffort"]}`, `{"scopes":["BestEffort","Terminating"]}`, ""},
		{"ResourceQuota", `{"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In"},{"scopeName":"BestEffort","operator":"In","values":["a"]},{"scopeName":"x","operator":"Is"}]}}`, "",
			"spec.scopeSelector.matchExpressions.operator spec.scopeSelector.matchExpressions.operator spec.scopeSelector.matchExpressions.scopeName spec.scopeSelector.matchExpressions.values"},
		{"LimitRange", `{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"cpu":"1"},"maxLimitRequestRatio":{"cpu":"2"}}]}`, "", ""},
		{"LimitRange", `{"limits":[{"type":"Container","max":{"cpu":"1"},"min":{"cpu":"2"}}]}`, "", "spec.limits[0].min[cpu]"},
		{"LimitRange", `{"limits":[{"type":"Container","maxLimitRequestRatio":{"cpu":"3"},"max":{"cpu":"2"},"min":{"cpu":"1"}}]}`, "", "spec.limits[0].maxLimitRequestRatio[cpu]"},
		{"LimitRange", `{"limits":[{"type":"Pod","default":{"cpu":"1"}},{"type":"Pod"},{"type":"odd"}]}`, "", "spec.limits[0].default spec.limits[1].type spec.limits[2].type"},
		{"LimitRange", `{"limits":[{"type":"PersistentVolumeClaim"}]}`, "", "spec.limits[0].limits"},
		{"LimitRange", `{"limits":[{"type":"Container","max":{"pods":"1"},"default":{"x.io/gpu":"2"},"defaultRequest":{"x.io/gpu":"1"}}]}`, "",
			"spec.limits[0].defaultRequest[x.io/gpu] spec.limits[0].max[pods]"},
	} {
		read := func(spec string) map[string]any {
			if spec == "" {
				return nil
			}
			obj, _, err := tree.ParseJSONObject([]byte(`{"metadata":{"name":"a","namespace":"n"},"spec":` + spec + `}`))
			if err != nil {
				t.Fatal(err)
			}
			return obj
		}
		var fields []string
		for _, e := range (kinds.Shape{Row: table.Kind("", "v1", c.kind)}).Validate(read(c.spec), read(c.old), false) {
			fields = append(fields, e.Field)
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.kind, c.spec, got, c.want)
		}
	}
}
