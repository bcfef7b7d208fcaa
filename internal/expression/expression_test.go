package expression

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"apichain/internal/auth"
	"apichain/internal/cel"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// deciding is an authorizer that keeps what it was asked, and says the same each time.
type deciding struct {
	says auth.Decision
	got  []string
}

func (d *deciding) Authorize(_ context.Context, u *request.User, i *request.Info) auth.Decision {
	d.got = append(d.got, fmt.Sprintf("%s %q: %s %s|%s|%s|%s|%s|%s|%s|%s", u.Name, u.Groups, i.Verb, i.Path, i.APIGroup, i.Resource, i.Subresource, i.Namespace,
		i.Name, i.FieldSelector, i.LabelSelector))
	return d.says
}

func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	obj, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// pods returns an input about a pod, with parameters and a namespace.
func pods(t testing.TB, d auth.Authorizer) *Input {
	a := NewAuthority(t.Context(), d, &request.User{Name: "alice", Groups: []string{"g"}})
	in := &Input{
		Object:    parse(t, `{"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"endpoints1","namespace":"ns"},"subsets":[{"addresses":[{"ip":"1.1.1.1"}]}]}`),
		Params:    parse(t, `{"metadata":{"name":"crd1"},"data":{"fakeString":"fake"},"spec":{"testSize":10}}`),
		Namespace: parse(t, `{"metadata":{"name":"test","labels":{"env":"test","foo":"demo"}},"status":{"phase":"Active"}}`),
		Request: func() map[string]any {
			return parse(t, `{"operation":"CREATE","namespace":"default","kind":{"group":"","version":"v1","kind":"Endpoints"},"userInfo":{"username":"alice","groups":["g"]},"dryRun":false,"options":null}`)
		},
	}
	in.Authorizer, in.Resource = a.Values("", "endpoints", "status", "ns", "endpoints1")
	return in
}

// all is what an expression of a policy with parameters may name.
var all = Declared{Params: true, Authorizer: true}

// evaluated returns what an expression is, or what is said in its place.
func evaluated(t testing.TB, in *Input, text string) string {
	t.Helper()
	u := NewUnit(false)
	result, _, err := u.Run(t.Context(), in).Evaluate(u.Compile(text, all, false), Budget)
	switch {
	case err != nil:
		return err.Error()
	case result.Err != nil:
		return result.Err.Error()
	}
	v, err := result.Value.Tree()
	if err != nil {
		return err.Error()
	}
	return string(tree.AppendJSON(nil, v))
}

// TestEvaluate: what expressions see. The rows are upstream's of pkg/admission/plugin/cel's TestCondition, and more.
func TestEvaluate(t *testing.T) {
	in := pods(t, &deciding{says: auth.Decision{Verdict: auth.Allow, Reason: "because"}})
	for text, want := range map[string]string{
		"has(object.subsets) && object.subsets.size() < 2": "true",
		"object.metadata.name == 'endpoints1'":             "true",
		"oldObject == null":                                "true",
		"object != null":                                   "true",
		"request.operation == 'CREATE'":                    "true",
		"request.namespace != params.data.fakeString":      "true",
		"object.subsets.size() > 2":                        "false",
		"oldObject.x == 100":                               "expression 'oldObject.x == 100' resulted in error: no such key: x",
		"object.subsets.size() < params.spec.testSize":     "true",
		"fail to compile test":                             "compilation error: compilation failed: ERROR: <input>:1:6: Syntax error: mismatched input 'to' expecting <EOF>\n | fail to compile test\n | .....^",
		"1 < 'asdf'":                                       "compilation error: compilation failed: ERROR: <input>:1:3: found no matching overload for '_<_' applied to '(int, string)'\n | 1 < 'asdf'\n | ..^",
		"namespaceObject.metadata.name == 'test'":          "true",
		"'env' in namespaceObject.metadata.labels && namespaceObject.metadata.labels.env == 'test'":     "true",
		"('fake' in namespaceObject.metadata.labels) && namespaceObject.metadata.labels.fake == 'test'": "false",
		"has(namespaceObject.metadata.generateName)":                                                    "false",
		"request.name == ''": "expression 'request.name == ''' resulted in error: no such key: name",
		"has(request.name)":  "false",
		"request.userInfo.username + request.userInfo.groups[0]":               `"aliceg"`,
		"has(request.userInfo.extra)":                                          "false",
		"request.options == null":                                              "true",
		"dyn(request).operation":                                               `"CREATE"`,
		"[request, request].map(r, r.operation)":                               `["CREATE","CREATE"]`,
		"authorizer.group('').resource('endpoints').check('create').allowed()": "true",
		"authorizer.group('').resource('endpoints').check('create').errored()": "false",
		"authorizer.requestResource.check('get').reason()":                     `"because"`,
		"authorizer.path('/healthz').check('get').allowed()":                   "true",
		"variables.x": "compilation error: compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')\n | variables.x\n | ^",
	} {
		if got := evaluated(t, in, text); got != want {
			t.Errorf("%s\n\tis   %s\n\twant %s", text, got, want)
		}
	}
	// What is not there is null.
	if got := evaluated(t, &Input{}, "[object, oldObject, params] == [null, null, null] && namespaceObject == null"); got != "true" {
		t.Error(got)
	}
}

// TestAuthority: who is asked about what, and each thing once.
func TestAuthority(t *testing.T) {
	const me = `alice ["g"]: `
	for text, want := range map[string]string{
		"authorizer.group('apps').resource('deployments').fieldSelector('foo=bar').labelSelector('apple=banana').subresource('status').namespace('test').name('backend').check('create').allowed()": me + "create |apps|deployments|status|test|backend|foo=bar|apple=banana",
		"authorizer.group('apps').resource('deployments').fieldSelector('foo badoperator bar').labelSelector('apple badoperator banana').check('list').allowed()":                                   me + "list |apps|deployments|||||",
		"authorizer.path('/healthz').check('get').allowed()":                                                 me + "get /healthz|||||||",
		"authorizer.requestResource.check('custom-verb').allowed()":                                          me + "custom-verb ||endpoints|status|ns|endpoints1||",
		"authorizer.requestResource.check('v').allowed() && authorizer.requestResource.check('v').allowed()": me + "v ||endpoints|status|ns|endpoints1||",
		"authorizer.serviceAccount('default', 'sa').group('').resource('pods').check('v').allowed()":         `system:serviceaccount:default:sa ["system:serviceaccounts" "system:serviceaccounts:default"]: v ||pods|||||`,
	} {
		d := &deciding{says: auth.Decision{Verdict: auth.Allow}}
		if got := evaluated(t, pods(t, d), text); got != "true" || strings.Join(d.got, "; ") != want {
			t.Errorf("%s is %s\n\tasked %q\n\twant  %q", text, got, d.got, want)
		}
	}
	d := &deciding{says: auth.Decision{Verdict: auth.Deny, Reason: "fake reason", Err: errors.New("fake authz error")}}
	for text, want := range map[string]string{
		"authorizer.group('').resource('endpoints').check('create').reason() == 'fake reason'":     "true",
		"authorizer.group('').resource('endpoints').check('create').errored()":                     "true",
		"authorizer.group('').resource('endpoints').check('create').error() == 'fake authz error'": "true",
		"authorizer.group('').resource('endpoints').check('create').allowed()":                     "false",
	} {
		if got := evaluated(t, pods(t, d), text); got != want {
			t.Errorf("%s is %s", text, got)
		}
	}
}

// TestResults: an expression must be of a type that is wanted.
func TestResults(t *testing.T) {
	for _, c := range []struct {
		text string
		want []*cel.Type
		said string
	}{
		{"true", []*cel.Type{cel.BoolType}, ""},
		{"object", []*cel.Type{cel.BoolType}, "must evaluate to bool but got dyn"},
		{"1", []*cel.Type{cel.StringType, cel.NullType}, "must evaluate to one of [string null_type] but got int"},
		{"null", []*cel.Type{cel.StringType, cel.NullType}, ""},
		{"[1]", []*cel.Type{cel.ListOf(cel.IntType)}, ""},
		{"['a']", []*cel.Type{cel.ListOf(cel.IntType)}, "must evaluate to list(int) but got list(string)"},
		{"[null]", []*cel.Type{cel.ListOf(cel.IntType)}, "must evaluate to list(int) but got list(null_type)"},
		{"{1: timestamp(object)}", []*cel.Type{cel.BoolType}, "must evaluate to bool but got map(int, google.protobuf.Timestamp)"},
		{"[1]", nil, ""},
	} {
		e := NewUnit(false).Compile(c.text, all, false, c.want...)
		if said := fault(e.Fault); said != c.said {
			t.Errorf("%s: %s, want %s", c.text, said, c.said)
		}
	}
}

func fault(f *Fault) string {
	if f == nil {
		return ""
	}
	return f.Error()
}

// TestVariables: each is computed once and when it is named, in terms of those before it.
func TestVariables(t *testing.T) {
	d := &deciding{says: auth.Decision{Verdict: auth.Allow}}
	u := NewUnit(true)
	for i, v := range [][2]string{
		{"a", "authorizer.path('/a').check('get').allowed()"},
		{"never", "authorizer.path('/never').check('get').allowed()"},
		{"list", "[1, 2]"},
		{"b", "variables.a && variables.list.size() == 2"},
		{"bad", "object.nope"},
		{"broken", "nope"},
		{"typed", "timestamp('2020-01-01T00:00:00Z')"},
	} {
		if f := u.Variable(v[0], v[1], all, false); (f != nil) != (v[0] == "broken") {
			t.Errorf("%d: %v", i, f)
		}
	}
	if u.Len() != 7 {
		t.Error(u.Len())
	}
	run := u.Run(t.Context(), pods(t, d))
	for _, c := range [][2]string{
		{"variables.b && variables.a && variables.b", "true"},
		{"variables.bad == 1", `expression 'variables.bad == 1' resulted in error: composited variable "bad" fails to evaluate: no such key: nope`},
		{"variables.broken == 1", `expression 'variables.broken == 1' resulted in error: composited variable "broken" fails to compile: compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')` + "\n | nope\n | ^"},
		{"variables.list[0] == 'a'", "compilation error: compilation failed: ERROR: <input>:1:19: found no matching overload for '_==_' applied to '(int, string)'\n | variables.list[0] == 'a'\n | ..................^"},
		{"variables.other", "compilation error: compilation failed: ERROR: <input>:1:10: undefined field 'other'\n | variables.other\n | .........^"},
		{"variables.typed.getFullYear() == 2020", "true"},
		{"has(variables.a) && !has(variables.list) || true", "true"},
	} {
		result, _, err := run.Evaluate(u.Compile(c[0], all, false), Budget)
		got := "true"
		switch {
		case err != nil:
			got = err.Error()
		case result.Err != nil:
			got = result.Err.Error()
		case !result.Value.Bool():
			got = "false"
		}
		if got != c[1] {
			t.Errorf("%s\n\tis   %s\n\twant %s", c[0], got, c[1])
		}
	}
	if len(d.got) != 1 {
		t.Errorf("asked %q", d.got)
	}
}

// TestBudget: what expressions and variables cost is counted to the unit.
func TestBudget(t *testing.T) {
	u := NewUnit(true)
	u.Variable("v", "object.metadata.name", all, false) // 3
	cheap, named := u.Compile("object.metadata.name == 'x'", all, false), u.Compile("variables.v == 'x'", all, false)
	for _, c := range []struct {
		what   string
		e      *Expression
		budget uint64
		left   uint64
		spent  bool
	}{
		{"none at all", nil, 3, 3, false},
		{"enough", cheap, 10, 6, false},
		{"just enough", cheap, 4, 0, false},
		{"too little", cheap, 3, 0, true},
		{"a variable", named, 10, 4, false},
		{"a variable, too little", named, 5, 0, true},
		{"one that does not compile", u.Compile("nope", all, false), 10, 10, false},
	} {
		_, left, err := u.Run(t.Context(), pods(t, &deciding{})).Evaluate(c.e, c.budget)
		if left != c.left || (err != nil) != c.spent || err != nil && !errors.Is(err, ErrBudget) {
			t.Errorf("%s: %d left, %v", c.what, left, err)
		}
	}
	// A variable that was computed costs the next expression no more than its name.
	run := u.Run(t.Context(), pods(t, &deciding{}))
	_, left, _ := run.Evaluate(named, 100)
	if _, again, _ := run.Evaluate(named, left); 100-left != 6 || left-again != 3 {
		t.Errorf("%d and then %d left", left, again)
	}
}

// TestInterrupted: an evaluation ends with its context.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u := NewUnit(false)
	e := u.Compile("[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, a + b + c >= 0)))", all, false)
	result, _, err := u.Run(ctx, &Input{}).Evaluate(e, Budget)
	if err != nil || result.Err == nil || !strings.HasSuffix(result.Err.Error(), "resulted in error: operation interrupted") {
		t.Error(result.Err, err)
	}
}

// TestConditions: conditions are nil where there are none.
func TestConditions(t *testing.T) {
	if c := NewConditions(NewUnit(false), nil, all); c != nil {
		t.Error(c)
	}
	if matches, err := (*Conditions)(nil).Match(t.Context(), nil, nil, Labels{}); !matches || err != nil {
		t.Error(matches, err)
	}
	var n Counts
	c := NewConditions(NewUnit(false), parse(t, `{"l":[{"expression":"params.spec.testSize == 10"},{"expression":"params.nope"}]}`)["l"].([]any), all)
	if matches, err := c.Match(t.Context(), pods(t, &deciding{}), &n, Labels{Name: "x"}); matches || err == nil || !strings.HasPrefix(err.Error(), "compilation error: must evaluate to bool") {
		t.Error(matches, err)
	}
}

// TestCountsBounded: the names of series come from whoever may write webhooks.
func TestCountsBounded(t *testing.T) {
	var n Counts
	for i := range mostSeries + 10 {
		n.Excluded(Labels{Name: fmt.Sprint(i)})
	}
	if len(n.exclusions) != mostSeries+1 {
		t.Error(len(n.exclusions))
	}
}

// BenchmarkCondition: a condition that does not hold.
func BenchmarkCondition(b *testing.B) {
	c := NewConditions(NewUnit(false), parse(b, `{"l":[{"expression":"object.metadata.name == 'other'"}]}`)["l"].([]any), all)
	in, n := pods(b, &deciding{}), &Counts{}
	b.ReportAllocs()
	for b.Loop() {
		if matches, err := c.Match(b.Context(), in, n, Labels{Name: "x"}); matches || err != nil {
			b.Fatal(matches, err)
		}
	}
}

// BenchmarkUnit: compiling a policy of one variable and five validations.
func BenchmarkUnit(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		u := NewUnit(true)
		u.Variable("v", "object.spec.replicas", all, true)
		for range 5 {
			if e := u.Compile("variables.v <= 5 && object.metadata.name.startsWith('a')", all, true, cel.BoolType); e.Fault != nil {
				b.Fatal(e.Fault)
			}
		}
	}
}
