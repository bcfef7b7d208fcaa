package webhook

import (
	"bytes"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/metrics"
	"apichain/internal/tree"
)

// conditionsOf returns the matchConditions of a webhook, called c0, c1 and so on.
func conditionsOf(expressions ...string) string {
	list := []any{}
	for i, e := range expressions {
		list = append(list, map[string]any{"name": "c" + string(rune('0'+i)), "expression": e})
	}
	return `"matchConditions":` + string(tree.AppendJSON(nil, list))
}

// maps are the rules of config maps alone, so that nothing else is asked about.
const mapsAlone = `,"rules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]`

// TestConditions: what comes of conditions that hold, do not, and cannot be evaluated. The rows are upstream's of matchconditions.
func TestConditions(t *testing.T) {
	const bad = "object.nope == 1"
	const says = "expression 'object.nope == 1' resulted in error: no such key: nope"
	for _, c := range []struct {
		what        string
		expressions []string
		asked       bool
		fails       string // why the write is refused where failures count
	}{
		{"one that holds", []string{"true"}, true, ""},
		{"several that hold", []string{"true", "object.metadata.name == 'm'"}, true, ""},
		{"one that does not hold", []string{"false"}, false, ""},
		{"several that do not", []string{"false", "false"}, false, ""},
		{"the first does not", []string{"false", "true"}, false, ""},
		{"the last does not", []string{"true", "false"}, false, ""},
		{"the one in the middle does not", []string{"true", "false", "true"}, false, ""},
		{"an error", []string{bad}, false, says},
		{"an error among such that hold", []string{"true", bad, "true"}, false, says},
		{"errors, and one that does not hold", []string{"true", bad, "false", "true", bad}, false, ""},
		{"the same error twice", []string{bad, bad}, false, says},
		{"two errors", []string{bad, "object.no == 1"}, false, "[" + says + ", expression 'object.no == 1' resulted in error: no such key: no]"},
		{"the request", []string{"request.operation == 'CREATE' && request.userInfo.username == 'admin' && request.resource.resource == 'configmaps'"}, true, ""},
		{"no namespaceObject", []string{"namespaceObject == null && oldObject == null"}, true, ""},
		{"the authorizer", []string{"authorizer.requestResource.check('create').allowed()", "authorizer.path('/').check('get').allowed()"}, true, ""},
		{"the authorizer of an account", []string{"authorizer.serviceAccount('default', 'x').group('').resource('pods').check('get').allowed()"}, false, ""},
		{"more than one may cost", []string{"[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, true))))))"},
			false, "expression '[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, true))))))' resulted in error: operation cancelled: actual cost limit exceeded"},
	} {
		for _, kind := range []string{"Validating", "Mutating"} {
			for _, policy := range []string{"", ignore} {
				s := start(t, nil)
				s.says("ok", `{"allowed":true}`)
				s.configure(kind, "c", s.hookOf("a", "ok", conditionsOf(c.expressions...)+mapsAlone+policy))
				code, got := s.Try("POST", apitest.MapsPath, apitest.MapObject("m"))
				want := 201
				if c.fails != "" && policy == "" {
					want = 403
					if text := `configmaps "m" is forbidden: ` + c.fails; message(got) != text {
						t.Errorf("%s, %s: told %s\nwant %s", kind, c.what, message(got), text)
					}
				}
				if asked, _ := s.look(); code != want || (len(asked) > 0) != c.asked {
					t.Errorf("%s%s, %s: %d %s, asked %q", kind, policy, c.what, code, message(got), asked)
				}
			}
		}
	}
}

// TestConditionsBudget: what the conditions of a webhook may cost together, whatever the others are.
func TestConditionsBudget(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	const dear = "authorizer.group('a').resource('b').check('c').allowed() && authorizer.group('a').resource('b').check('c').allowed()"
	// Where a false one stands makes no difference: all are evaluated before it is looked at what they say.
	for i, list := range [][]string{{dear, dear, dear, dear, "false"}, {"false", dear, dear, dear, dear}} {
		s.configure([]string{"Validating", "Mutating"}[i], "c", s.hookOf("a", "ok", conditionsOf(list...)+mapsAlone))
		got := s.Must(403, "POST", apitest.MapsPath, apitest.MapObject("m"))
		if want := `configmaps "m" is forbidden: validation failed due to running out of cost budget, no further validation rules will be run`; message(got) != want {
			t.Errorf("told %s", message(got))
		}
	}
}

// TestConditionsRefused: conditions that do not compile are not stored, those that are there already may stay.
func TestConditionsRefused(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	for expression, why := range map[string]string{
		"object.":        "compilation failed: ERROR: <input>:1:8: Syntax error: no viable alternative at input '.'\n | object.\n | .......^",
		"nope":           "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope\n | ^",
		"'a'":            "must evaluate to bool but got string",
		"params == null": "compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params == null\n | ^",
	} {
		got := s.Must(422, "POST", pathOf("Validating"), configurationOf("Validating", "c", s.hookOf("a", "ok", ""), s.hookOf("b", "ok", conditionsOf("true", expression))))
		causes := tree.List(got, "details", "causes")
		if len(causes) != 1 || tree.Text(causes[0], "field") != "webhooks[1].matchConditions[1].expression" || !strings.HasSuffix(tree.Text(causes[0], "message"), why) {
			t.Errorf("%s: %v", expression, causes)
		}
	}
	s.keep("Validating", "kept", s.hookOf("a", "ok", conditionsOf("nope == 1")+mapsAlone))
	s.Must(200, "PATCH", pathOf("Validating")+"/kept", `{"metadata":{"labels":{"a":"b"}}}`)
	s.Must(422, "PATCH", pathOf("Validating")+"/kept", `[{"op":"replace","path":"/webhooks/0/matchConditions/0/name","value":"d"}]`, "Content-Type: "+apitest.JSONPatch)
	// It cannot be evaluated, and says so.
	got := s.Must(403, "POST", apitest.MapsPath, apitest.MapObject("m"))
	if !strings.HasPrefix(message(got), `configmaps "m" is forbidden: compilation error: compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope'`) {
		t.Errorf("told %s", message(got))
	}
}

// TestConditionsInForm: conditions see the object in the form of the webhook's rule, as the webhooks before have made it, and
// request.resource as it was asked for.
func TestConditionsInForm(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.patches("more", `[{"op":"replace","path":"/spec/maxReplicas","value":9}]`)
	rule := func(version string) string {
		return `,"rules":[{"operations":["*"],"apiGroups":["autoscaling"],"apiVersions":["` + version + `"],"resources":["*"]}]`
	}
	s.configure("Mutating", "m", s.hookOf("a", "more", rule("v1")[1:]),
		s.hookOf("b", "ok", conditionsOf("object.apiVersion == 'autoscaling/v2' && object.spec.maxReplicas == 9", "request.kind.version == 'v2' && request.resource.version == 'v1'")+rule("v2")))
	s.Must(201, "POST", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", autoscaler)
	if asked, _ := s.look(); strings.Join(asked, " ") != "more ok" {
		t.Errorf("asked %q", asked)
	}
}

// TestConditionsCounted: the families are upstream's.
func TestConditionsCounted(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.configure("Validating", "v", s.hookOf("a", "ok", conditionsOf("object.metadata.name == 'm'")+mapsAlone), s.hookOf("b", "ok", conditionsOf("object.a == 1", "object.b == 1")+ignore+mapsAlone))
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("n"))
	var text bytes.Buffer
	w := metrics.NewWriter(&text)
	s.w.config.Counts.WriteMetrics(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`apiserver_admission_match_condition_evaluation_errors_total{kind="webhook",name="b.example.com",operation="CREATE",type="validating"} 4`,
		`apiserver_admission_match_condition_exclusions_total{kind="webhook",name="a.example.com",operation="CREATE",type="validating"} 1`,
		`apiserver_admission_match_condition_evaluation_seconds_count{kind="webhook",name="a.example.com",operation="CREATE",type="validating"} 2`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, text.String())
		}
	}
}
