package schema_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// ruledDefinition is a kind whose spec and status have rules.
const ruledDefinition = `{"metadata":{"name":"jobs.rules.example.com"},"spec":{"group":"rules.example.com","scope":"Cluster",
"names":{"plural":"jobs","kind":"Job"},"versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
"schema":{"openAPIV3Schema":{"type":"object",RULES"properties":{
"spec":{"type":"object","properties":{"min":{"type":"integer","default":1},"max":{"type":"integer"},"name":{"type":"string","maxLength":10}},
"x-kubernetes-validations":[{"rule":"!has(self.max) || self.min <= self.max","message":"max is below min","fieldPath":".max"},
{"rule":"has(self.name) == has(oldSelf.name)","message":"the name is forever","reason":"FieldValueForbidden"}]},
"status":{"type":"object","properties":{"done":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf","message":"done may only grow"}]}}}}}}}]}}`

// TestRulesServed: rules are asked of every write of an object as it comes out, with its defaults: also of patches, of what is applied, of
// a dry run and of status, each of which sees the part that it can change. The time of it is told to the request.
func TestRulesServed(t *testing.T) {
	var mu sync.Mutex
	var spent time.Duration
	s := apitest.Start(t, apitest.Config{Spent: func(in request.Part, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if in == request.InRules {
			spent += took
		}
	}})
	const definitions, jobs = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/rules.example.com/v1/jobs"
	with := func(rules string) string { return strings.Replace(ruledDefinition, "RULES", rules, 1) }
	s.Must(422, "POST", definitions, with(`"x-kubernetes-validations":[{"rule":"self.spec.nope"}],`))
	s.Must(201, "POST", definitions, with(""))
	s.Soon("the kind is served", func() bool { code, _ := s.Try("GET", jobs, nil); return code == 200 })
	const max, forever = `spec.max: Invalid value: max is below min`, "spec: Forbidden: the name is forever"
	const grow = "status.done: Invalid value: 4: done may only grow"
	for _, c := range []struct {
		what, method, path, kind, body string
		code                           int
		says                           string // is the end of the message, "" if it is not looked at
	}{
		{"none", "POST", jobs, "json", `{"apiVersion":"rules.example.com/v1","kind":"Job","metadata":{"name":"a"},"spec":{}}`, 201, ""},
		{"the default counts", "POST", jobs, "json", `{"apiVersion":"rules.example.com/v1","kind":"Job","metadata":{"name":"b"},"spec":{"max":0}}`, 422, max},
		{"in a dry run too", "POST", jobs + "?dryRun=All", "json", `{"apiVersion":"rules.example.com/v1","kind":"Job","metadata":{"name":"b"},"spec":{"max":0}}`, 422, max},
		{"a patch", "PATCH", jobs + "/a", "merge-patch+json", `{"spec":{"max":0}}`, 422, max},
		{"a JSON patch", "PATCH", jobs + "/a", "json-patch+json", `[{"op":"add","path":"/spec/max","value":0}]`, 422, max},
		{"what is applied", "PATCH", jobs + "/a?fieldManager=me&force=true", "apply-patch+yaml", `{"apiVersion":"rules.example.com/v1","kind":"Job","spec":{"max":5,"min":7}}`, 422, max},
		{"applied anew", "PATCH", jobs + "/new?fieldManager=me", "apply-patch+yaml", `{"apiVersion":"rules.example.com/v1","kind":"Job","metadata":{"name":"new"},"spec":{"max":0}}`, 422, max},
		{"a good patch", "PATCH", jobs + "/a", "merge-patch+json", `{"spec":{"max":5}}`, 200, ""},
		{"which makes another one wrong", "PATCH", jobs + "/a", "merge-patch+json", `{"spec":{"min":6}}`, 422, max},
		{"a transition", "PATCH", jobs + "/a", "merge-patch+json", `{"spec":{"name":"x"}}`, 422, forever},
		{"two errors", "PATCH", jobs + "/a", "merge-patch+json", `{"spec":{"name":"x","min":6}}`, 422, "[" + max + ", " + forever + "]"},
		{"a schema error comes first", "PATCH", jobs + "/a", "merge-patch+json", `{"spec":{"name":"12345678901","min":6}}`, 422,
			"some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"},
		{"status", "PATCH", jobs + "/a/status", "merge-patch+json", `{"status":{"done":5}}`, 200, ""},
		{"status goes back", "PATCH", jobs + "/a/status", "merge-patch+json", `{"status":{"done":4}}`, 422, grow},
		{"a write of spec leaves it", "PATCH", jobs + "/a", "merge-patch+json", `{"status":{"done":4},"spec":{"max":9}}`, 200, ""},
		{"and one of status leaves spec", "PATCH", jobs + "/a/status", "merge-patch+json", `{"status":{"done":6},"spec":{"max":0}}`, 200, ""},
		{"it may go", "DELETE", jobs + "/a", "json", "", 200, ""},
	} {
		mu.Lock()
		spent = 0
		mu.Unlock()
		code, got := s.Try(c.method, c.path, c.body, "Content-Type: application/"+c.kind)
		if message := tree.Text(got, "message"); code != c.code || !strings.HasSuffix(message, c.says) {
			t.Errorf("%s: %d %s\n\twant %d %s", c.what, code, message, c.code, c.says)
		}
		mu.Lock()
		if (spent > 0) != (c.method != "DELETE") {
			t.Errorf("%s: %v are spent in rules", c.what, spent)
		}
		mu.Unlock()
	}
}

// TestRulesComeLater: a rule that is added to a definition warns of objects that are as they were, and refuses what changes them to be
// wrong; a definition that goes back to what it was knows nothing of it.
func TestRulesComeLater(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	const widgets = "/apis/example.com/v1/namespaces/default/widgets"
	s.Must(201, "POST", definitions, apitest.WidgetDefinition)
	s.Soon("the kind is served", func() bool { code, _ := s.Try("GET", widgets, nil); return code == 200 })
	s.Must(201, "POST", widgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"size":"huge"}`)
	rule := func(text string) {
		patch := `[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/size/x-kubernetes-validations","value":` + text + `}]`
		s.Must(200, "PATCH", definitions+"/widgets.example.com", patch, "Content-Type: application/json-patch+json")
	}
	// write changes the widget, and returns the code and the warning.
	write := func(patch string) (code int, warning string) {
		resp, err := s.Send(t.Context(), "PATCH", widgets+"/w?dryRun=All", strings.NewReader(patch), "Content-Type: "+apitest.MergePatch)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, strings.Join(resp.Header["Warning"], "\n")
	}
	const label, other = `{"metadata":{"labels":{"a":"b"}}}`, `{"size":"large"}`
	if code, warning := write(other); code != 200 || warning != "" {
		t.Errorf("without rules: %d %s", code, warning)
	}
	rule(`[{"rule":"self in ['small', 'medium']","message":"no such size"}]`)
	s.Soon("the rule is asked", func() bool { code, _ := write(other); return code == 422 })
	if code, warning := write(label); code != 200 || warning != `299 - "size: Invalid value: \"huge\": no such size"` {
		t.Errorf("a label: %d %s", code, warning)
	}
	if code, warning := write(`{"size":"small"}`); code != 200 || warning != "" {
		t.Errorf("a good size: %d %s", code, warning)
	}
	rule(`[]`)
	s.Soon("the rule is gone", func() bool { code, _ := write(other); return code == 200 })
	if code, warning := write(label); code != 200 || warning != "" {
		t.Errorf("a label, without rules: %d %s", code, warning)
	}
}
