package webhook

import (
	"slices"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

// requests are those that rules are tried with, by name: they are sent in order, each as a client's.
var requests = []struct{ name, method, path, body string }{
	{"map create", "POST", apitest.MapsPath, `{"metadata":{"name":"m"}}`},
	{"map update", "PATCH", apitest.MapsPath + "/m", `{"data":{"a":"b"}}`},
	{"map delete", "DELETE", apitest.MapsPath + "/m", ""},
	{"pod create", "POST", "/api/v1/namespaces/default/pods", `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`},
	{"pod status", "PATCH", "/api/v1/namespaces/default/pods/p/status", `{"status":{"message":"m"}}`},
	{"pod exec", "POST", "/api/v1/namespaces/default/pods/p/exec?command=ls", ""},
	{"pod proxy", "GET", "/api/v1/namespaces/default/pods/p/proxy/x", ""},
	{"pod delete", "DELETE", "/api/v1/namespaces/default/pods/p", ""},
	{"deployment create", "POST", "/apis/apps/v1/namespaces/default/deployments", deployment},
	{"deployment scale", "PATCH", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{"spec":{"replicas":2}}`},
	{"deployment delete", "DELETE", "/apis/apps/v1/namespaces/default/deployments/d", ""},
	{"node create", "POST", "/api/v1/nodes", `{"metadata":{"name":"n"}}`},
	{"node proxy", "GET", "/api/v1/nodes/n/proxy", ""},
	{"node delete", "DELETE", "/api/v1/nodes/n", ""},
	{"namespace update", "PATCH", apitest.NamespacesPath + "/default", `{"metadata":{"labels":{"x":"y"}}}`},
	{"namespace finalize", "PUT", apitest.NamespacesPath + "/default/finalize", `{"metadata":{"name":"default"},"spec":{"finalizers":["kubernetes"]}}`},
	{"hpa create", "POST", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", autoscaler},
	{"hpa delete", "DELETE", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h", ""},
	{"hpa v2 create", "POST", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", autoscaler},
	{"hpa v2 delete", "DELETE", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/h", ""},
}

const (
	deployment = `{"metadata":{"name":"d"},"spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`
	autoscaler = `{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"D","name":"d","apiVersion":"x/v1"}}}`
)

// sendAll sends all requests and returns the names of those that the one webhook was asked about, by whose reviews.
func (s *served) sendAll() (asked []string) {
	s.T.Helper()
	for _, r := range requests {
		s.look()
		var body any
		if r.body != "" {
			body = r.body
		}
		if code, got := s.Try(r.method, r.path, body); code == 0 || code == 422 {
			s.T.Errorf("%s: %d %s", r.name, code, message(got))
		}
		if _, reviews := s.look(); len(reviews) > 0 {
			asked = append(asked, r.name)
		}
	}
	return asked
}

// names returns the names of requests that a pattern of words names, as "pod* node proxy".
func names(t *testing.T, pattern string) (out []string) {
	t.Helper()
	for _, r := range requests {
		for p := range strings.SplitSeq(pattern, ", ") {
			if p == r.name || strings.HasSuffix(p, "*") && strings.HasPrefix(r.name, p[:len(p)-1]) || strings.HasPrefix(p, "*") && strings.HasSuffix(r.name, p[1:]) {
				out = append(out, r.name)
				break
			}
		}
	}
	return out
}

// TestRules: which requests a rule is about. The rows are upstream's of predicates/rules, with resources that there are.
func TestRules(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	for _, c := range []struct{ what, rule, asked string }{
		{"everything", everything, "map*, pod*, deployment*, node*, namespace*, hpa*"},
		// Groups.
		{"all groups", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}`, "* create, * update, * delete"},
		{"exact groups", `{"operations":["*"],"apiGroups":["apps","autoscaling"],"apiVersions":["*"],"resources":["*"]}`, "deployment create, deployment delete, hpa*"},
		{"the core group", `{"operations":["*"],"apiGroups":[""],"apiVersions":["*"],"resources":["*"]}`, "map*, pod create, pod delete, node create, node delete, namespace update"},
		{"another group", `{"operations":["*"],"apiGroups":["example.com"],"apiVersions":["*"],"resources":["*/*"]}`, ""},
		// Versions.
		{"exact versions", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["v1","v3"],"resources":["*"]}`, "* create, * update, * delete"},
		{"exact versions without others", `{"operations":["*"],"apiGroups":["autoscaling"],"apiVersions":["v2"],"resources":["*"]}`, "hpa*"},
		{"another version", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["v4"],"resources":["*/*"]}`, ""},
		// Operations.
		{"create", `{"operations":["CREATE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}`, "* create"},
		{"update", `{"operations":["UPDATE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}`, "* update, pod status, deployment scale, namespace finalize"},
		{"delete", `{"operations":["DELETE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}`, "* delete"},
		{"connect", `{"operations":["CONNECT"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}`, "pod exec, pod proxy, node proxy"},
		{"update and delete", `{"operations":["UPDATE","DELETE"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"]}`,
			"* update, * delete, pod status, deployment scale, namespace finalize"},
		// Resources.
		{"one with all subresources", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["pods/*"]}`, "pod*"},
		{"one with subresources and another", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["pods/*","nodes"]}`, "pod*, node create, node delete"},
		{"subresources of all", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/proxy","*/exec"]}`, "pod exec, pod proxy, node proxy"},
		{"a subresource of one", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["deployments/scale"]}`, "deployment scale"},
		// Scope.
		{"of the cluster", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"],"scope":"Cluster"}`, "node*, namespace*"},
		{"of namespaces", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"],"scope":"Namespaced"}`, "map*, pod*, deployment*, hpa*"},
		{"of both", `{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*/*"],"scope":"*"}`, "map*, pod*, deployment*, node*, namespace*, hpa*"},
	} {
		s.configure("Validating", "rules", s.hookOf("a", "ok", `"rules":[`+c.rule+`]`))
		if got, want := s.sendAll(), names(t, c.asked); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.what, got, want)
		}
		s.unconfigure()
	}
	s.configure("Validating", "rules", s.hookOf("a", "ok", `"rules":[]`))
	if got := s.sendAll(); len(got) > 0 {
		t.Errorf("without a rule: %q", got)
	}
}

// TestSelectors: which objects, in which namespaces. The rows are upstream's of predicates/object and predicates/namespace.
func TestSelectors(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	const not1 = `{"matchExpressions":[{"key":"runlevel","operator":"NotIn","values":["1"]}]}`
	node := func(name, level string) string {
		return `{"metadata":{"name":"` + name + `","labels":{"runlevel":"` + level + `"}}}`
	}
	s.Must(201, "POST", "/api/v1/nodes", node("one", "1"))
	s.Must(201, "POST", "/api/v1/nodes", node("two", "2"))
	s.Must(201, "POST", apitest.NamespacesPath, `{"metadata":{"name":"second","labels":{"runlevel":"2"}}}`)
	for _, c := range []struct {
		what, selector, method, path, body string
		want                               bool
	}{
		{"an empty selector is of all", `"objectSelector":{}`, "POST", "/api/v1/nodes", node("a", "1"), true},
		{"a new object", `"objectSelector":` + not1, "POST", "/api/v1/nodes", node("b", "2"), true},
		{"an old object", `"objectSelector":` + not1, "DELETE", "/api/v1/nodes/b", "", true},
		{"not a new object", `"objectSelector":` + not1, "POST", "/api/v1/nodes", node("c", "1"), false},
		{"not an old object", `"objectSelector":` + not1, "DELETE", "/api/v1/nodes/c", "", false},
		{"the new one of an update", `"objectSelector":` + not1, "PATCH", "/api/v1/nodes/one", `{"metadata":{"labels":{"runlevel":"3"}}}`, true},
		{"the old one of an update", `"objectSelector":` + not1, "PATCH", "/api/v1/nodes/one", `{"metadata":{"labels":{"runlevel":"1"}}}`, true},
		{"neither of an update", `"objectSelector":` + not1, "PATCH", "/api/v1/nodes/one", `{"metadata":{"labels":{"x":"1"}}}`, false},
		{"not what has no labels at all", `"objectSelector":` + not1, "GET", "/api/v1/nodes/two/proxy", "", false},
		{"an empty one is of that too", `"objectSelector":{}`, "GET", "/api/v1/nodes/two/proxy", "", true},
		{"the labels of a new namespace", `"namespaceSelector":{"matchLabels":{"runlevel":"3"}}`, "POST", apitest.NamespacesPath, `{"metadata":{"name":"third","labels":{"runlevel":"3"}}}`, true},
		{"the new labels of a namespace", `"namespaceSelector":{"matchLabels":{"runlevel":"4"}}`, "PATCH", apitest.NamespacesPath + "/third", `{"metadata":{"labels":{"runlevel":"4"}}}`, true},
		{"not its old labels", `"namespaceSelector":{"matchLabels":{"runlevel":"4"}}`, "PATCH", apitest.NamespacesPath + "/third", `{"metadata":{"labels":{"runlevel":"5"}}}`, false},
		{"the stored labels of one that is finalized", `"namespaceSelector":{"matchLabels":{"runlevel":"2"}}`, "PUT", apitest.NamespacesPath + "/second/finalize", `{"metadata":{"name":"second"},"spec":{"finalizers":["kubernetes"]}}`, true},
		{"the stored labels of one that is deleted", `"namespaceSelector":{"matchLabels":{"runlevel":"5"}}`, "DELETE", apitest.NamespacesPath + "/third", "", true},
		{"an object in a namespace", `"namespaceSelector":{"matchLabels":{"runlevel":"0"}}`, "POST", apitest.MapsPath, `{"metadata":{"name":"m"}}`, true},
		{"not in another one", `"namespaceSelector":{"matchLabels":{"runlevel":"2"}}`, "DELETE", apitest.MapsPath + "/m", "", false},
		{"what is of the cluster", `"namespaceSelector":{"matchLabels":{"never":"so"}}`, "DELETE", "/api/v1/nodes/a", "", true},
	} {
		// A namespace that goes is written by its controller too, which nobody should take for the request.
		rules := `,"rules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],"resources":["nodes/*","configmaps","namespaces/*"]}]`
		s.configure("Validating", "select", s.hookOf("a", "ok", c.selector+rules))
		var body any
		if c.body != "" {
			body = c.body
		}
		code, _ := s.Try(c.method, c.path, body)
		_, reviews := s.look()
		got := slices.ContainsFunc(reviews, func(r map[string]any) bool { return tree.Text(r, "request", "userInfo", "username") == "admin" })
		if got != c.want || code == 422 {
			t.Errorf("%s: %d, asked %v", c.what, code, got)
		}
		s.unconfigure()
	}
}

// TestMissingNamespace: an object in a namespace that is not there has none whose labels could be selected.
func TestMissingNamespace(t *testing.T) {
	s := start(t, nil)
	var namespaces, objects selector.Labels
	for value, l := range map[string]*selector.Labels{"b": &namespaces, "c": &objects} {
		if err := l.Require("a", "=", value); err != nil {
			t.Fatal(err)
		}
	}
	table := &table{}
	table.selectors.Number(namespaces)
	table.selectors.Number(objects)
	a := api.Admission{Operation: api.OperationCreate, Resource: s.API.Builtin("", "v1", "ConfigMap"), Namespace: "gone", Object: apitest.MapObject("m")}
	if _, err := s.w.ask(&a, table).match(&hook{namespaces: 0, objects: -1}); err == nil || err.Error() != `namespaces "gone" not found` {
		t.Error(err)
	}
	// To what the object's labels rule out it is not said.
	if wants, err := s.w.ask(&a, table).match(&hook{namespaces: 0, objects: 1}); wants || err != nil {
		t.Error(wants, err)
	}
}

// TestEquivalents: a rule for another form of the same objects is about a request too, unless it wants to be exact, and is shown the
// object in its own. The rows are upstream's of generic's TestShouldCallHook, with autoscalers and events in place of deployments
// in groups that are no more.
func TestEquivalents(t *testing.T) {
	s := start(t, nil)
	s.says("ok", `{"allowed":true}`)
	s.Must(201, "POST", apitest.DefinitionsPath, apitest.DefinitionOf("widgets", "Widget", "Namespaced", apitest.Versions(
		apitest.Version("v1", true, "size:integer", "color:string"), apitest.Version("v2", false, "size:integer"))))
	rule := func(group, version, resources string) string {
		return `{"operations":["*"],"apiGroups":["` + group + `"],"apiVersions":["` + version + `"],"resources":["` + strings.ReplaceAll(resources, " ", `","`) + `"]}`
	}
	const hpas = "horizontalpodautoscalers"
	const widget = `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"h"},"spec":{"size":1,"color":"red"}}`
	for _, c := range []struct {
		what, rules, policy, path, body string
		want                            string // kind, resource and requestResource, and what is in the spec; "" is not asked
	}{
		{"as requested", rule("*", "*", "*"), "", "autoscaling/v1/namespaces/default/" + hpas, autoscaler, "autoscaling/v1 HorizontalPodAutoscaler " + hpas + " of v1"},
		{"prefers the exact one", rule("autoscaling", "v2", hpas) + "," + rule("autoscaling", "v1", hpas), "", "autoscaling/v1/namespaces/default/" + hpas, autoscaler,
			"autoscaling/v1 HorizontalPodAutoscaler " + hpas + " of v1"},
		{"equivalent by default", rule("autoscaling", "v2", hpas), "", "autoscaling/v1/namespaces/default/" + hpas, autoscaler,
			"autoscaling/v2 HorizontalPodAutoscaler " + hpas + " of v1"},
		{"equivalent the other way", rule("autoscaling", "v1", hpas), "Equivalent", "autoscaling/v2/namespaces/default/" + hpas, autoscaler,
			"autoscaling/v1 HorizontalPodAutoscaler " + hpas + " of v2"},
		{"exact miss", rule("autoscaling", "v2", hpas), "Exact", "autoscaling/v1/namespaces/default/" + hpas, autoscaler, ""},
		{"miss", rule("autoscaling", "v2beta1", hpas), "", "autoscaling/v1/namespaces/default/" + hpas, autoscaler, ""},
		{"another group", rule("events.k8s.io", "*", "events"), "", "/api/v1/namespaces/default/events", `{"metadata":{"name":"h"},"involvedObject":{"kind":"Pod","namespace":"default"},"type":"Normal"}`,
			"events.k8s.io/v1 Event events of v1"},
		{"another group, exact", rule("events.k8s.io", "*", "events"), "Exact", "/api/v1/namespaces/default/events", `{"metadata":{"name":"h"},"involvedObject":{"kind":"Pod","namespace":"default"},"type":"Normal"}`, ""},
		{"a custom object", rule("example.com", "v2", "widgets"), "", "example.com/v1/namespaces/default/widgets", widget, `example.com/v2 Widget widgets of v1 {"color":"red","size":1}`},
		{"a custom object, as it is", rule("example.com", "v1", "widgets"), "", "example.com/v1/namespaces/default/widgets", widget, `example.com/v1 Widget widgets of v1 {"color":"red","size":1}`},
	} {
		more := `"rules":[` + c.rules + `]`
		if c.policy != "" {
			more += `,"matchPolicy":"` + c.policy + `"`
		}
		s.configure("Validating", "equivalent", s.hookOf("a", "ok", more))
		path := c.path
		if path[0] != '/' {
			path = "/apis/" + path
		}
		s.Must(201, "POST", path, c.body)
		got := ""
		if _, reviews := s.look(); len(reviews) > 0 {
			r := tree.Object(reviews[0], "request")
			got = strings.TrimPrefix(tree.Text(r, "kind", "group")+"/", "/") + tree.Text(r, "kind", "version") + " " + tree.Text(r, "kind", "kind") + " " +
				tree.Text(r, "resource", "resource") + " of " + tree.Text(r, "requestResource", "version")
			if tree.Text(r, "object", "apiVersion") != strings.TrimPrefix(tree.Text(r, "kind", "group")+"/", "/")+tree.Text(r, "kind", "version") {
				t.Errorf("%s: the object is in %s", c.what, tree.Text(r, "object", "apiVersion"))
			}
			if strings.Contains(c.path, "example.com") {
				got += " " + string(tree.AppendJSON(nil, tree.At(r, "object", "spec")))
			}
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
		s.unconfigure()
		s.Must(200, "DELETE", path+"/h", nil)
	}
	// What a webhook changes in its form is changed in that of the request.
	s.patches("more", `[{"op":"replace","path":"/spec/maxReplicas","value":9},{"op":"add","path":"/spec/metrics","value":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":70}}}]}]`)
	s.configure("Mutating", "equivalent", s.hookOf("a", "more", `"rules":[`+rule("autoscaling", "v2", hpas)+`]`), s.hookOf("b", "ok", `"rules":[`+rule("autoscaling", "v1", hpas)+`]`))
	got := s.Must(201, "POST", "/apis/autoscaling/v1/namespaces/default/"+hpas, autoscaler)
	if tree.At(got, "spec", "maxReplicas") != int64(9) || tree.At(got, "spec", "targetCPUUtilizationPercentage") != int64(70) {
		t.Errorf("changed as v2: %v", got["spec"])
	}
	// The next one, in the form of the request, sees it.
	if _, reviews := s.look(); len(reviews) != 2 || tree.At(reviews[1], "request", "object", "spec", "targetCPUUtilizationPercentage") != int64(70) {
		t.Errorf("%v", reviews)
	}
}
