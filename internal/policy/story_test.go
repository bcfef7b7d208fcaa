package policy

import (
	"context"
	"io"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// These tests tell what becomes of a server as its policies, parameters and objects change: each is a story of requests, one after
// another, of which every one is judged by all that was written before it. What a single request is told is in testdata/scenarios.txt,
// as a real kube-apiserver tells it.

// act is one request of a story, and what must come of it.
type act struct {
	what, method, path, body string
	code                     int
	says                     string // is in the message; "": it is not looked at
	warns                    string // is in the one warning; "": there must be none
}

// play sends the requests of a story. It ends with the first that is not answered as it must be, since the others build on it.
func (s *judged) play(t *testing.T, acts []act) {
	t.Helper()
	for _, a := range acts {
		header := "Content-Type: application/json"
		if a.method == "PATCH" {
			header = "Content-Type: " + apitest.MergePatch
		}
		resp, err := s.Send(t.Context(), a.method, a.path, strings.NewReader(a.body), header)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		obj, _, _ := tree.ParseJSONObject(text)
		if message := tree.Text(obj, "message"); resp.StatusCode != a.code || !strings.Contains(message, a.says) {
			t.Fatalf("%s: %d %s\n\twant %d %s", a.what, resp.StatusCode, message, a.code, a.says)
		}
		warnings := resp.Header["Warning"]
		if len(warnings) != min(1, len(a.warns)) || !strings.Contains(strings.Join(warnings, "\n"), a.warns) {
			t.Fatalf("%s warns %q, want %q", a.what, warnings, a.warns)
		}
	}
}

// policyBody is a policy as a request has it, and bindingBody a binding of the same name as its policy.
func policyBody(name, rules, spec string) string {
	return string(tree.AppendJSON(nil, apitest.PolicyOf(name, rules, spec)))
}

func bindingBody(name, spec string) string {
	return string(tree.AppendJSON(nil, apitest.BindingOf(name, name, spec)))
}

// mapBody is a config map with data as JSON.
func mapBody(name, data string) string {
	return `{"metadata":{"name":"` + name + `"},"data":` + data + `}`
}

// TestStoryIntroduced: a rule is brought in the way the documentation advises: it warns, then it is audited as well, and in the end it
// refuses, also the objects that were let pass before it did. It is gone with its binding.
func TestStoryIntroduced(t *testing.T) {
	s := start(t)
	const failure = "validation.policy.admission.k8s.io/validation_failure"
	const says = "ValidatingAdmissionPolicy 'owner' with binding 'owner'"
	s.play(t, []act{
		{"a policy", "POST", policiesPath, policyBody("owner", "CREATE,UPDATE:/v1/configmaps",
			`{"validations":[{"expression":"'owner' in object.?data.orValue({})","message":"every map has an owner","reason":"Forbidden"}]}`), 201, "", ""},
		{"nobody is bound by it", "POST", apitest.MapsPath, mapBody("a", "{}"), 201, "", ""},
		{"a binding that warns", "POST", bindingsPath, bindingBody("owner", `{"validationActions":["Warn"]}`), 201, "", ""},
		{"the write is done", "POST", apitest.MapsPath, mapBody("b", "{}"), 201, "", "Validation failed for " + says + ": every map has an owner"},
		{"one that obeys is not warned of", "POST", apitest.MapsPath, mapBody("c", `{"owner":"me"}`), 201, "", ""},
	})
	if got := s.noted(); got[failure] != "" {
		t.Errorf("a warning is in the audit event: %q", got)
	}
	s.play(t, []act{
		{"it is audited too", "PATCH", bindingsPath + "/owner", `{"spec":{"validationActions":["Warn","Audit"]}}`, 200, "", ""},
		{"an update is judged as it comes out", "PATCH", apitest.MapsPath + "/b", `{"data":{"x":"y"}}`, 200, "", "every map has an owner"},
	})
	const want = `[{"message":"every map has an owner","policy":"owner","binding":"owner","expressionIndex":0,` +
		`"validationActions":["Warn","Audit"]}]`
	if got := s.noted(); got[failure] != want {
		t.Errorf("the audit event has %q", got)
	}
	s.play(t, []act{
		{"it refuses", "PATCH", bindingsPath + "/owner", `{"spec":{"validationActions":["Deny"]}}`, 200, "", ""},
		{"what was let pass", "PATCH", apitest.MapsPath + "/a", `{"data":{"x":"y"}}`, 403, says + " denied request: every map has an owner", ""},
		{"unless it is mended", "PATCH", apitest.MapsPath + "/a", `{"data":{"owner":"me"}}`, 200, "", ""},
		{"it may go as it is", "DELETE", apitest.MapsPath + "/b", "", 200, "", ""},
		{"without its binding", "DELETE", bindingsPath + "/owner", "", 200, "", ""},
		{"it refuses nothing", "POST", apitest.MapsPath, mapBody("d", "{}"), 201, "", ""},
	})
}

// TestStoryFailurePolicy: an expression that cannot be evaluated refuses the write or not, as the policy says at the time of the write;
// what can be evaluated and does not hold refuses it either way.
func TestStoryFailurePolicy(t *testing.T) {
	s := start(t)
	const spec = `{"validations":[{"expression":"int(object.data.size) < 10","message":"too large"}]}`
	const noKey = "expression 'int(object.data.size) < 10' resulted in error: no such key: size"
	maps := apitest.MapsPath + "?dryRun=All"
	s.play(t, []act{
		{"a policy", "POST", policiesPath, policyBody("size", "CREATE:/v1/configmaps", spec), 201, "", ""},
		{"a binding", "POST", bindingsPath, bindingBody("size", "{}"), 201, "", ""},
		{"it holds", "POST", maps, mapBody("m", `{"size":"9"}`), 201, "", ""},
		{"it does not", "POST", maps, mapBody("m", `{"size":"10"}`), 422, "denied request: too large", ""},
		{"there is no key", "POST", maps, mapBody("m", `{"other":"9"}`), 422, noKey, ""},
		{"it is no number", "POST", maps, mapBody("m", `{"size":"x"}`), 422, "type conversion error from 'string' to 'int'", ""},
		{"failures are ignored", "PATCH", policiesPath + "/size", `{"spec":{"failurePolicy":"Ignore"}}`, 200, "", ""},
		{"there is no key, ignored", "POST", maps, mapBody("m", `{"other":"9"}`), 201, "", ""},
		{"it is no number, ignored", "POST", maps, mapBody("m", `{"size":"x"}`), 201, "", ""},
		{"but it does not hold", "POST", maps, mapBody("m", `{"size":"10"}`), 422, "denied request: too large", ""},
		{"parameters of no kind", "PATCH", policiesPath + "/size", `{"spec":{"paramKind":{"apiVersion":"none.example.com/v1","kind":"None"}}}`, 200, "", ""},
		{"are a failure as well", "POST", maps, mapBody("m", `{"size":"10"}`), 201, "", ""},
		{"which is not ignored any more", "PATCH", policiesPath + "/size", `{"spec":{"failurePolicy":"Fail"}}`, 200, "", ""},
		{"so nothing passes", "POST", maps, mapBody("m", `{"size":"9"}`), 422,
			"failed to configure policy: failed to find resource referenced by paramKind: 'none.example.com/v1, Kind=None'", ""},
	})
}

// TestStoryParams: a limit is an object that somebody changes between two writes. Selected by labels there may be several, all of which
// must allow the write; where none is left the binding says what happens.
func TestStoryParams(t *testing.T) {
	s := start(t)
	const limits = "/api/v1/namespaces/default/configmaps"
	const secrets = "/api/v1/namespaces/default/secrets?dryRun=All"
	of := func(most string) string { return `{"metadata":{"name":"x` + most + `"}}` }
	limit := func(name, most string) string {
		return `{"metadata":{"name":"` + name + `","labels":{"is":"limit"}},"data":{"most":"` + most + `"}}`
	}
	const notFound = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
	s.play(t, []act{
		{"a policy", "POST", policiesPath, policyBody("long", "CREATE:/v1/secrets", `{"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},
			"validations":[{"expression":"object.metadata.name.size() <= int(params.data.most)","messageExpression":"params.metadata.name + ' allows ' + params.data.most"}]}`), 201, "", ""},
		{"a binding", "POST", bindingsPath, bindingBody("long", `{"paramRef":{"selector":{"matchLabels":{"is":"limit"}},"parameterNotFoundAction":"Deny"}}`), 201, "", ""},
		{"no limit", "POST", secrets, of("1"), 422, notFound, ""},
		{"one", "POST", limits, limit("one", "3"), 201, "", ""},
		{"short enough", "POST", secrets, of("12"), 201, "", ""},
		{"too long", "POST", secrets, of("123"), 422, "one allows 3", ""},
		{"it grows", "PATCH", limits + "/one", `{"data":{"most":"5"}}`, 200, "", ""},
		{"short enough now", "POST", secrets, of("123"), 201, "", ""},
		{"another one", "POST", limits, limit("other", "2"), 201, "", ""},
		{"which must allow it too", "POST", secrets, of("123"), 422, "other allows 2", ""},
		{"it is a limit no more", "PATCH", limits + "/other", `{"metadata":{"labels":{"is":null}}}`, 200, "", ""},
		{"so it is not asked", "POST", secrets, of("123"), 201, "", ""},
		{"a limit that is no number", "PATCH", limits + "/one", `{"data":{"most":"many"}}`, 200, "", ""},
		{"fails", "POST", secrets, of("1"), 422, "resulted in error: type conversion error from 'string' to 'int'", ""},
		{"the limit goes", "DELETE", limits + "/one", "", 200, "", ""},
		{"none is left", "POST", secrets, of("1"), 422, notFound, ""},
		{"the binding allows that", "PATCH", bindingsPath + "/long", `{"spec":{"paramRef":{"parameterNotFoundAction":"Allow"}}}`, 200, "", ""},
		{"so all may be", "POST", secrets, of("123456"), 201, "", ""},
		{"a limit of another namespace", "POST", "/api/v1/namespaces/kube-system/configmaps", limit("far", "1"), 201, "", ""},
		{"is nobody's here", "POST", secrets, of("123456"), 201, "", ""},
		{"but there", "POST", "/api/v1/namespaces/kube-system/secrets?dryRun=All", of("1"), 422, "far allows 1", ""},
	})
}

// TestStoryExcluded: what a policy excludes is not judged, by it and whatever its rules say; a binding can exclude more, but take
// nothing back.
func TestStoryExcluded(t *testing.T) {
	s := start(t)
	excluded := func(rule string) string {
		return `"excludeResourceRules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],` + rule + `}]`
	}
	maps, secrets := apitest.MapsPath+"?dryRun=All", "/api/v1/namespaces/default/secrets?dryRun=All"
	s.play(t, []act{
		{"a policy", "POST", policiesPath, policyBody("no", "CREATE:/v1/*", `{"validations":[{"expression":"false"}],"matchConstraints":{`+excluded(`"resources":["configmaps"],"resourceNames":["free"]`)+`}}`), 201, "", ""},
		{"a binding", "POST", bindingsPath, bindingBody("no", "{}"), 201, "", ""},
		{"a map", "POST", maps, mapBody("m", "{}"), 422, "failed expression: false", ""},
		{"the free one", "POST", maps, mapBody("free", "{}"), 201, "", ""},
		{"a secret of that name", "POST", secrets, `{"metadata":{"name":"free"}}`, 422, "failed expression: false", ""},
		{"the binding excludes secrets", "PATCH", bindingsPath + "/no", `{"spec":{"matchResources":{` + excluded(`"resources":["secrets"]`) + `}}}`, 200, "", ""},
		{"a secret", "POST", secrets, `{"metadata":{"name":"s"}}`, 201, "", ""},
		{"a map still", "POST", maps, mapBody("m", "{}"), 422, "failed expression: false", ""},
		{"the binding is about all", "PATCH", bindingsPath + "/no", `{"spec":{"matchResources":{"excludeResourceRules":null,"resourceRules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}]}}}`, 200, "", ""},
		{"but the free one is free", "POST", maps, mapBody("free", "{}"), 201, "", ""},
		{"and an update is none of the policy's", "POST", apitest.MapsPath, mapBody("free", "{}"), 201, "", ""},
		{"also of what is not free", "PATCH", apitest.MapsPath + "/free", `{"data":{"a":"b"}}`, 200, "", ""},
	})
}

// TestStoryEquivalent: a policy about one version of a kind judges writes by another as well, and sees the object in the version that
// it names. One that wants to be exact does not.
func TestStoryEquivalent(t *testing.T) {
	s := start(t)
	const rest = "/namespaces/default/horizontalpodautoscalers?dryRun=All"
	const v1, v2 = "/apis/autoscaling/v1" + rest, "/apis/autoscaling/v2" + rest
	const target = `"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"maxReplicas":3`
	const old = `{"metadata":{"name":"h"},"spec":{` + target + `,"targetCPUUtilizationPercentage":80}}`
	const metric = `{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}`
	const now = `{"metadata":{"name":"h"},"spec":{` + target + `,"metrics":[` + metric + `]}}`
	const text = "object.apiVersion == 'autoscaling/v2' && object.spec.metrics[0].resource.target.averageUtilization < 50"
	s.play(t, []act{
		{"a policy of v2", "POST", policiesPath, policyBody("cpu", "CREATE:autoscaling/v2/horizontalpodautoscalers", `{"validations":[{"expression":"`+text+`"}]}`), 201, "", ""},
		{"a binding", "POST", bindingsPath, bindingBody("cpu", "{}"), 201, "", ""},
		{"an object of v2", "POST", v2, now, 422, "failed expression: " + text, ""},
		{"an object of v1", "POST", v1, old, 422, "failed expression: " + text, ""},
		{"one of v1 that it allows", "POST", v1, strings.Replace(old, "80", "40", 1), 201, "", ""},
		{"it becomes exact", "PATCH", policiesPath + "/cpu", `{"spec":{"matchConstraints":{"matchPolicy":"Exact"}}}`, 200, "", ""},
		{"an object of v1 again", "POST", v1, old, 201, "", ""},
		{"an object of v2 again", "POST", v2, now, 422, "failed expression: " + text, ""},
	})
}

// TestStoryOld: what rules say of a change. There is no old object when one is made, and no new one when it goes.
func TestStoryOld(t *testing.T) {
	s := start(t)
	one := apitest.MapsPath + "/m"
	s.play(t, []act{
		{"a policy", "POST", policiesPath, policyBody("fixed", "*:/v1/configmaps", `{"validations":[
			{"expression":"request.operation != 'CREATE' || oldObject == null && object != null","message":"a create"},
			{"expression":"request.operation != 'UPDATE' || oldObject.data.id == object.data.id","message":"the id is fixed"},
			{"expression":"request.operation != 'DELETE' || object == null && !('keep' in oldObject.metadata.?labels.orValue({}))","message":"it is kept"}]}`), 201, "", ""},
		{"a binding", "POST", bindingsPath, bindingBody("fixed", "{}"), 201, "", ""},
		{"it is made", "POST", apitest.MapsPath, mapBody("m", `{"id":"1"}`), 201, "", ""},
		{"another id", "PATCH", one, `{"data":{"id":"2"}}`, 422, "the id is fixed", ""},
		{"no id", "PATCH", one, `{"data":null}`, 422, "no such key: data", ""},
		{"something else", "PATCH", one, `{"data":{"more":"2"},"metadata":{"labels":{"keep":""}}}`, 200, "", ""},
		{"it may not go", "DELETE", one, "", 422, "it is kept", ""},
		{"not even in a dry run", "DELETE", one + "?dryRun=All", "", 422, "it is kept", ""},
		{"nor with all others", "DELETE", apitest.MapsPath + "?labelSelector=keep", "", 422, "it is kept", ""},
		{"it is kept no more", "PATCH", one, `{"metadata":{"labels":null}}`, 200, "", ""},
		{"it goes", "DELETE", one, "", 200, "", ""},
	})
}

// TestStoryNamespaces: a rule about the namespace of an object is judged by its labels at the time of the write, whether it names them
// or selects by them.
func TestStoryNamespaces(t *testing.T) {
	s := start(t)
	space := apitest.NamespacesPath + "/mine"
	maps := space + "/configmaps?dryRun=All"
	s.play(t, []act{
		{"a namespace", "POST", apitest.NamespacesPath, `{"metadata":{"name":"mine"}}`, 201, "", ""},
		{"a policy that names", "POST", policiesPath, policyBody("names", "CREATE:/v1/configmaps", `{"validations":[{"expression":"namespaceObject.metadata.?labels.tier.orValue('') != 'closed'","message":"closed"}]}`), 201, "", ""},
		{"its binding", "POST", bindingsPath, bindingBody("names", "{}"), 201, "", ""},
		{"a policy that selects", "POST", policiesPath, policyBody("selects", "CREATE:/v1/configmaps", `{"matchConstraints":{"namespaceSelector":{"matchLabels":{"tier":"locked"}}},"validations":[{"expression":"false","message":"locked"}]}`), 201, "", ""},
		{"its binding too", "POST", bindingsPath, bindingBody("selects", "{}"), 201, "", ""},
		{"it is open", "POST", maps, mapBody("m", "{}"), 201, "", ""},
		{"it is closed", "PATCH", space, `{"metadata":{"labels":{"tier":"closed"}}}`, 200, "", ""},
		{"so nothing is made", "POST", maps, mapBody("m", "{}"), 422, "closed", ""},
		{"it is locked", "PATCH", space, `{"metadata":{"labels":{"tier":"locked"}}}`, 200, "", ""},
		{"so nothing is made either", "POST", maps, mapBody("m", "{}"), 422, "'selects' with binding 'selects' denied request: locked", ""},
		{"it is open again", "PATCH", space, `{"metadata":{"labels":null}}`, 200, "", ""},
		{"so all is made", "POST", maps, mapBody("m", "{}"), 201, "", ""},
	})
}

// TestCountedOnce: a variable costs when it is first named, however many validations name it, and what one policy spends is nothing of
// another's. A question to the authorizer costs 350,000, of which 28 fit in the 10,000,000 of a policy.
func TestCountedOnce(t *testing.T) {
	const asks = "authorizer.group('').resource('pods').check('get').allowed()"
	list := func(n int, text string) string {
		return `"validations":[` + strings.TrimSuffix(strings.Repeat(`{"expression":"`+text+`"},`, n), ",") + `]`
	}
	const variable = `"variables":[{"name":"may","expression":"` + asks + `"},{"name":"unused","expression":"[1].map(x, ` + asks + `)[0]"}],`
	const spent = "validation failed due to running out of cost budget, no further validation rules will be run"
	s := start(t)
	for _, c := range []struct {
		what  string
		specs []string
		says  string
	}{
		{"28 questions", []string{list(28, asks)}, ""},
		{"29 questions", []string{list(29, asks)}, spent},
		{"a variable 90 times", []string{variable + list(90, "variables.may")}, ""},
		{"and 27 questions beside", []string{variable + strings.TrimSuffix(list(1, "variables.may"), "]") + "," + strings.TrimPrefix(list(27, asks), `"validations":[`)}, ""},
		{"and 28", []string{variable + strings.TrimSuffix(list(1, "variables.may"), "]") + "," + strings.TrimPrefix(list(28, asks), `"validations":[`)}, spent},
		{"28 questions of each of three", []string{list(28, asks), list(28, asks), list(28, asks)}, ""},
		{"conditions have their own", []string{`"matchConditions":[{"name":"a","expression":"` + asks + `"}],` + list(28, asks)}, ""},
	} {
		for i, spec := range c.specs {
			s.put("p"+strconv.Itoa(i), "{"+spec+"}", "{}")
		}
		code, got := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		if message := tree.Text(got, "message"); (code == 201) != (c.says == "") || !strings.HasSuffix(message, c.says) {
			t.Errorf("%s: %d %s", c.what, code, message)
		}
		s.unput()
	}
}

// timed is a scope that keeps what time was spent in which part.
type timed struct {
	request.Scope
	mu  sync.Mutex
	sum map[request.Part]time.Duration
}

func (x *timed) Spend(in request.Part, took time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sum[in] += took
}

// TestRulesTime: the time of expressions is told to the request, as the rulesMs of a recent request, and of what no policy is about there
// is none.
func TestRulesTime(t *testing.T) {
	s := start(t)
	s.p.Bootstrapped()
	s.put("p", `{"validations":[{"expression":"[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, a + b >= 0))"}]}`, "{}")
	s.mutate("m", "", applied(`Object{metadata: Object.metadata{labels: {"a": "b"}}}`))
	for _, c := range []struct {
		kind  string
		spent []api.Phase // in which there is time
	}{{"ConfigMap", []api.Phase{api.Mutating, api.Validating}}, {"Secret", nil}} {
		obj := map[string]any{"apiVersion": "v1", "kind": c.kind, "metadata": map[string]any{"name": "m", "namespace": "default"}}
		a := s.asked(s.API.Builtin("", "v1", c.kind), api.OperationCreate, obj, nil)
		a.Namespace, a.Name = "default", "m"
		got := map[api.Phase]bool{}
		for _, phase := range []api.Phase{api.Mutating, api.Validating} {
			x := &timed{Scope: a.Scope, sum: map[request.Part]time.Duration{}}
			b := a
			b.Phase, b.Scope = phase, x
			var err error
			if phase == api.Mutating {
				_, _, err = s.p.Mutate(context.Background(), b)
			} else {
				err = s.p.Validate(context.Background(), b)
			}
			if err != nil {
				t.Fatal(err)
			}
			if x.sum[request.InRules] > 0 {
				got[phase] = true
			}
		}
		want := map[api.Phase]bool{}
		for _, phase := range c.spent {
			want[phase] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: time in %v, want %v", c.kind, got, want)
		}
	}
}

// TestWhoAsks: expressions see who writes, and ask the authorizer about him: not about whoever wrote the policy.
func TestWhoAsks(t *testing.T) {
	s := start(t)
	s.put("p", `{"validations":[{"expression":"request.userInfo.username == 'admin'","messageExpression":"'no ' + request.userInfo.username + ' of ' + request.userInfo.groups[0]"},
		{"expression":"authorizer.group('').resource('secrets').namespace('kube-system').check('delete').allowed()"}]}`, "{}")
	s.Must(201, "POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
	a := s.asked(s.API.Builtin("", "v1", "ConfigMap"), api.OperationConnect, apitest.MapObject("m"), nil)
	a.Namespace, a.Name = "default", "m"
	s.p.Bootstrapped()
	for _, c := range []struct {
		who  *request.User
		says string
	}{
		{&request.User{Name: "alice", Groups: []string{"dev"}}, "no alice of dev"},
		{&request.User{Name: "admin", Groups: []string{"dev"}}, "failed expression: authorizer.group('').resource('secrets').namespace('kube-system').check('delete').allowed()"},
		{&request.User{Name: "admin", Groups: []string{request.GroupMasters}}, ""},
	} {
		b := a
		b.Scope = acting{a.Scope, c.who}
		err := s.p.Validate(t.Context(), b)
		if said := told(err); !strings.HasSuffix(said, c.says) || (err == nil) != (c.says == "") {
			t.Errorf("%s: %s, want %s", c.who.Name, said, c.says)
		}
	}
}

// acting is a scope of somebody's request.
type acting struct {
	request.Scope
	who *request.User
}

func (a acting) ActingUser() *request.User { return a.who }

// told returns what an error says, "" for none.
func told(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
