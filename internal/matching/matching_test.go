package matching

import (
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/request"
	"apichain/internal/selector"
	"apichain/internal/tree"
)

const hpas = "horizontalpodautoscalers"

// rules returns rules that are written as GROUP/VERSION/RESOURCES [NAMES] [SCOPE], joined by semicolons, all of them about operations.
func rules(operations, text string, exact bool) Rules {
	var list []any
	for r := range strings.SplitSeq(text, "; ") {
		if r == "" {
			continue
		}
		words := strings.Fields(r)
		parts := strings.SplitN(words[0], "/", 3)
		rule := map[string]any{"operations": split(operations), "apiGroups": split(parts[0]), "apiVersions": split(parts[1]), "resources": split(parts[2])}
		for _, w := range words[1:] {
			if names, ok := strings.CutPrefix(w, "names="); ok {
				rule["resourceNames"] = split(names)
			} else {
				rule["scope"] = w
			}
		}
		list = append(list, rule)
	}
	return NewRules(list, exact)
}

func split(s string) (list []any) {
	for w := range strings.SplitSeq(s, ",") {
		list = append(list, w)
	}
	return list
}

// TestWays: in which form rules are about a request for a resource of autoscaling/v1, which v2 has too, and of others. The rows are
// upstream's of policy/matching, with autoscalers in place of deployments in groups that are no more.
func TestWays(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	resources := map[string]*api.Resource{
		"hpa": s.API.Builtin("autoscaling", "v1", "HorizontalPodAutoscaler"), "node": s.API.Builtin("", "v1", "Node"),
		"pod": s.API.Builtin("", "v1", "Pod"), "namespace": s.API.Builtin("", "v1", "Namespace"), "event": s.API.Builtin("", "v1", "Event"),
	}
	for _, c := range []struct {
		what, rules string
		exact       bool
		request     string // RESOURCE[/SUBRESOURCE] [OPERATION]
		want        string // GROUP/VERSION of the form, "" for none
	}{
		{"no rules", "", false, "hpa", ""},
		{"wildcards, as requested", "*/*/*", false, "hpa", "autoscaling/v1"},
		{"prefers the exact match", "autoscaling/v2/" + hpas + "; autoscaling/v1/" + hpas, false, "hpa", "autoscaling/v1"},
		{"a miss", "autoscaling/v2beta1/" + hpas + "; extensions/v1/" + hpas, false, "hpa", ""},
		{"an exact miss", "autoscaling/v2/" + hpas, true, "hpa", ""},
		{"equivalent", "extensions/v1beta1/" + hpas + "; autoscaling/v2/" + hpas, false, "hpa", "autoscaling/v2"},
		{"equivalent, another group", "events.k8s.io/v1/events", false, "event", "events.k8s.io/v1"},
		{"another group, exact", "events.k8s.io/v1/events", true, "event", ""},
		{"a subresource, as requested", "autoscaling/v2/" + hpas + "/status; autoscaling/v1/" + hpas + "/status", false, "hpa/status", "autoscaling/v1"},
		{"a subresource, equivalent", "autoscaling/v2/" + hpas + "/status", false, "hpa/status", "autoscaling/v2"},
		{"a subresource, exact miss", "autoscaling/v2/" + hpas + "/status", true, "hpa/status", ""},
		{"a subresource is not the object", "autoscaling/*/" + hpas, false, "hpa/status", ""},
		{"nor the other way", "autoscaling/*/" + hpas + "/status", false, "hpa", ""},
		{"all subresources", "*/*/" + hpas + "/*", false, "hpa/status", "autoscaling/v1"},
		{"and the object", "*/*/" + hpas + "/*", false, "hpa", "autoscaling/v1"},
		{"a subresource of all", "*/*/*/status", false, "hpa/status", "autoscaling/v1"},
		{"a name", "autoscaling/v1/" + hpas + " names=name", false, "hpa", "autoscaling/v1"},
		{"another name", "autoscaling/v1/" + hpas + " names=other", false, "hpa", ""},
		{"a name, equivalent", "autoscaling/v2/" + hpas + " names=name", false, "hpa", "autoscaling/v2"},
		{"another name, equivalent", "autoscaling/v2/" + hpas + " names=other", false, "hpa", ""},
		{"another name, and a rule for all in another form", "autoscaling/v1/" + hpas + " names=other; autoscaling/v2/" + hpas, false, "hpa", "autoscaling/v2"},
		{"several names", "autoscaling/v1/" + hpas + " names=other,name", false, "hpa", "autoscaling/v1"},
		{"an operation", "CREATE", false, "hpa CREATE", "autoscaling/v1"},
		{"another operation", "CREATE", false, "hpa UPDATE", ""},
		{"of namespaces", "*/*/*/* Namespaced", false, "pod/exec", "/v1"},
		{"of namespaces, not of the cluster", "*/*/*/* Namespaced", false, "node", ""},
		{"of the cluster", "*/*/*/* Cluster", false, "node", "/v1"},
		{"a namespace is of the cluster", "*/*/*/* Cluster", false, "namespace", "/v1"},
		{"and not of namespaces", "*/*/*/* Namespaced", false, "namespace", ""},
		{"of both", "*/*/*/* *", false, "node", "/v1"},
		{"the core group has no name", "/v1/pods", false, "pod", "/v1"},
	} {
		request, operation, _ := strings.Cut(c.request, " ")
		name, sub, _ := strings.Cut(request, "/")
		operations, text := "*", c.rules
		if operation != "" {
			operations, text = c.rules, "*/*/*"
		}
		r := rules(operations, text, c.exact)
		got := ""
		if form := Choose(r.Ways(Shape{Resource: resources[name], Subresource: sub, Operation: operation}), "name"); form != nil {
			got = form.Group + "/" + form.Version
		}
		if got != c.want {
			t.Errorf("%s: %s by %q is seen as %q, want %q", c.what, c.request, c.rules, got, c.want)
		}
	}
	// A rule that names nothing is about nothing, and an object without a name is not called "".
	empty := NewRules([]any{map[string]any{}}, false)
	if ways := empty.Ways(Shape{Resource: resources["pod"]}); len(ways) > 0 {
		t.Error(ways)
	}
	r := rules("*", "*/*/* names=a", false)
	if Choose(r.Ways(Shape{Resource: resources["pod"]}), "") != nil {
		t.Error("no name is a")
	}
}

// TestWaysEnd: behind a rule for all objects no further form is looked for.
func TestWaysEnd(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	r := rules("*", "autoscaling/v1/* names=a; autoscaling/v1/*; autoscaling/v2/*", false)
	ways := r.Ways(Shape{Resource: s.API.Builtin("autoscaling", "v1", "HorizontalPodAutoscaler")})
	if len(ways) != 2 || len(ways[0].Names) != 1 || len(ways[1].Names) != 0 {
		t.Errorf("%v", ways)
	}
}

// labels are objects for selectors: namespaces by name.
type namespaces map[string]map[string]string

func (n namespaces) Labels(_, _, name string) (map[string]string, bool) {
	l, ok := n[name]
	return l, ok
}

func selectorOf(t *testing.T, text string) selector.Labels {
	t.Helper()
	l, err := selector.ParseLabels(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestQuestion: what selectors say of objects and namespaces, also after a mutation.
func TestQuestion(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	var all Selectors
	a, b := all.Number(selectorOf(t, "is=a")), all.Number(selectorOf(t, "is=b"))
	if all.Number(selectorOf(t, "is=a")) != a || all.Number(selectorOf(t, "")) != -1 || a == b {
		t.Fatal("numbers")
	}
	object := func(labels string) map[string]any {
		obj, _, err := tree.ParseJSONObject([]byte(`{"metadata":{"labels":` + labels + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		return obj
	}
	within := namespaces{"a": {"is": "a"}, "none": nil}
	maps, spaces, nodes := s.API.Builtin("", "v1", "ConfigMap"), s.API.Builtin("", "v1", "Namespace"), s.API.Builtin("", "v1", "Node")
	for _, c := range []struct {
		what              string
		a                 api.Admission
		object, namespace string // which of a and b select, and what goes wrong
	}{
		{"a new object", api.Admission{Resource: maps, Namespace: "a", Operation: "CREATE", Object: object(`{"is":"a"}`)}, "a", "a"},
		{"an old object", api.Admission{Resource: maps, Namespace: "none", Operation: "DELETE", Old: object(`{"is":"b"}`)}, "b", ""},
		{"one that changes", api.Admission{Resource: maps, Namespace: "a", Operation: "UPDATE", Object: object(`{"is":"a"}`), Old: object(`{"is":"b"}`)}, "ab", "a"},
		{"one without labels", api.Admission{Resource: maps, Namespace: "a", Operation: "CREATE", Object: object(`{}`)}, "", "a"},
		{"one without metadata", api.Admission{Resource: maps, Namespace: "a", Operation: "CONNECT", Object: map[string]any{}}, "", "a"},
		{"of the cluster", api.Admission{Resource: nodes, Operation: "CREATE", Object: object(`{"is":"a"}`)}, "a", "ab"},
		{"a new namespace", api.Admission{Resource: spaces, Name: "new", Operation: "CREATE", Object: object(`{"is":"b"}`)}, "b", "b"},
		{"a namespace that goes", api.Admission{Resource: spaces, Name: "a", Operation: "DELETE", Old: object(`{"is":"b"}`)}, "b", "a"},
		{"a subresource of a namespace", api.Admission{Resource: spaces, Subresource: "status", Name: "a", Operation: "UPDATE", Object: object(`{"is":"b"}`)}, "b", "a"},
		{"a namespace that is not there", api.Admission{Resource: maps, Namespace: "gone", Operation: "CREATE", Object: object(`{}`)}, "", `namespaces "gone" not found`},
	} {
		q := Ask(&c.a, within, &all)
		gotObject, gotNamespace := "", ""
		for name, n := range map[string]int32{"a": a, "b": b} {
			if q.ObjectMatches(n) {
				gotObject += name
			} else if !q.RulesOut(n, -1) {
				t.Errorf("%s: %s is not ruled out", c.what, name)
			}
			if matches, err := q.NamespaceMatches(n); err != nil {
				gotNamespace = err.Error()
			} else if matches {
				gotNamespace += name
			}
		}
		if sorted(gotObject) != c.object || sorted(gotNamespace) != sorted(c.namespace) {
			t.Errorf("%s: the object is selected by %q, the namespace by %q", c.what, gotObject, gotNamespace)
		}
	}
	q := Ask(&api.Admission{Resource: maps, Namespace: "a", Operation: "CREATE", Object: object(`{}`)}, within, &all)
	if q.ObjectMatches(a) || !q.RulesOut(a, -1) {
		t.Error("before")
	}
	if q.Changed(object(`{"is":"a"}`)); q.RulesOut(a, -1) || !q.ObjectMatches(a) {
		t.Error("a mutation is not seen")
	}
}

// sorted returns a text of letters in their order; a sentence is none.
func sorted(s string) string {
	if s == "ba" {
		return "ab"
	}
	return s
}

// TestRequest: what request is, without what is empty.
func TestRequest(t *testing.T) {
	s := apitest.Start(t, apitest.Config{})
	r := s.API.Builtin("autoscaling", "v1", "HorizontalPodAutoscaler")
	var v2 *api.Resource
	for _, f := range r.Forms() {
		if f.Version == "v2" {
			v2 = f
		}
	}
	obj := map[string]any{"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": "h"}, "spec": map[string]any{"targetCPUUtilizationPercentage": int64(50)}}
	seen := ""
	admit := func(a *api.Admission) {
		q := Ask(a, namespaces{}, &Selectors{})
		f, err := q.In(t.Context(), v2)
		if err != nil {
			t.Fatal(err)
		}
		if len(tree.List(f.Object, "spec", "metrics")) != 1 || tree.Text(f.Object, "apiVersion") != "autoscaling/v2" {
			t.Errorf("as v2 it is %v", f.Object)
		}
		if same, _ := q.In(t.Context(), r); tree.Text(same.Object, "apiVersion") != "autoscaling/v1" {
			t.Error("as it is")
		}
		seen = string(tree.AppendJSON(nil, q.Request(&f, v2)))
		// What is changed in its form is changed in the one that was given.
		next, err := q.Move(t.Context(), f, r)
		if err != nil || tree.At(next.Object, "spec", "targetCPUUtilizationPercentage") != int64(50) {
			t.Error(next, err)
		}
		tree.Set(f.Object, int64(7), "spec", "maxReplicas")
		if err := q.Settle(t.Context(), obj, f); err != nil || tree.At(obj, "spec", "maxReplicas") != int64(7) || tree.Text(obj, "apiVersion") != "autoscaling/v1" {
			t.Error(obj, err)
		}
	}
	admit(&api.Admission{Phase: api.Mutating, Operation: "CONNECT", Resource: r, Namespace: "ns", Name: "h", Object: obj, Scope: request.From(t.Context())})
	if want := `{"dryRun":false,"kind":{"group":"autoscaling","kind":"HorizontalPodAutoscaler","version":"v2"},"name":"h","namespace":"ns","object":null,"oldObject":null,` +
		`"operation":"CONNECT","options":null,"requestKind":{"group":"autoscaling","kind":"HorizontalPodAutoscaler","version":"v1"},` +
		`"requestResource":{"group":"autoscaling","resource":"horizontalpodautoscalers","version":"v1"},"resource":{"group":"autoscaling","resource":"horizontalpodautoscalers","version":"v2"},` +
		`"uid":"","userInfo":{"groups":["system:authenticated","system:masters"],"username":"system:apiserver"}}`; seen != want {
		t.Errorf("%s\nwant %s", seen, want)
	}
}

// BenchmarkWays: one plan of a rule.
func BenchmarkWays(b *testing.B) {
	s := apitest.Start(b, apitest.Config{})
	r := rules("CREATE", "apps/v1/deployments,deployments/scale; autoscaling/v2/*", false)
	shape := Shape{Resource: s.API.Builtin("autoscaling", "v1", "HorizontalPodAutoscaler"), Operation: "CREATE"}
	b.ReportAllocs()
	for b.Loop() {
		if len(r.Ways(shape)) != 1 {
			b.Fatal("none")
		}
	}
}
