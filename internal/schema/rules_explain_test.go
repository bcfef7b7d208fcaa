package schema

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// explained is a CRD with rules in several places.
const explained = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"foos.example.com"},
"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"foos","singular":"foo","kind":"Foo","listKind":"FooList"},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-validations":[{"rule":"self.n < 5"}],
"properties":{"n":{"type":"integer","x-kubernetes-validations":[{"rule":"self > oldSelf"},{"rule":"self != 1 / (self - 3)","message":"no"}]},
"l":{"type":"array","maxItems":3,"items":{"type":"string","maxLength":9,"x-kubernetes-validations":[{"rule":"self != ''"}]}},
"m":{"type":"object","additionalProperties":{"type":"string","x-kubernetes-validations":[{"rule":"self.foo"}]}}}}}}]}}`

// TestExplainCRD: each rule is told with what it may cost, how often it is asked, and why it does not compile.
func TestExplainCRD(t *testing.T) {
	crd, _, err := tree.ParseJSONObject([]byte(explained))
	if err != nil {
		t.Fatal(err)
	}
	DefaultCRD(crd)
	rules, errs := ExplainCRD(crd)
	var got []string
	for _, r := range rules {
		at := r.Path[strings.Index(r.Path, "Schema")+len("Schema"):]
		got = append(got, at+" "+r.Rule)
		if r.Rule == "self != ''" && r.Times != 3 || r.Rule != "self.foo" && (r.Cost == 0 || r.Fault != "") {
			t.Errorf("%+v", r)
		}
		if r.Rule == "self.foo" && !strings.Contains(r.Fault, "does not support field selection") {
			t.Errorf("%+v", r)
		}
	}
	const want = `.properties[l].items.x-kubernetes-validations[0] self != ''|` +
		`.properties[m].additionalProperties.x-kubernetes-validations[0] self.foo|.properties[n].x-kubernetes-validations[0] self > oldSelf|` +
		`.properties[n].x-kubernetes-validations[1] self != 1 / (self - 3)|.x-kubernetes-validations[0] self.n < 5`
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if len(errs) != 1 {
		t.Error(errs)
	}
	s, err := Compile(tree.Object(tree.List(crd, "spec", "versions")[0], "schema", "openAPIV3Schema"))
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(s.Rules(100), "|"); all != "self.n < 5|l[*]: self != ''|m[*]: self.foo|n: self > oldSelf|n: self != 1 / (self - 3)" {
		t.Error(all)
	}
	if all := s.Rules(2); len(all) != 2 {
		t.Error(all)
	}
}

// TestExplainRules: each rule that is asked is told with its verdict, as CheckRules takes it.
func TestExplainRules(t *testing.T) {
	crd, _, _ := tree.ParseJSONObject([]byte(explained))
	s, err := Compile(tree.Object(tree.List(crd, "spec", "versions")[0], "schema", "openAPIV3Schema"))
	if err != nil {
		t.Fatal(err)
	}
	obj := map[string]any{"n": int64(3), "l": []any{"a", ""}}
	asked, errs, _ := s.ExplainRules(obj, map[string]any{"n": int64(2)})
	var got []string
	for _, a := range asked {
		verdict := "fails"
		if a.Error != "" {
			verdict = a.Error
		} else if a.Holds {
			verdict = "holds"
		}
		got = append(got, a.Path+" "+a.Rule+" "+verdict)
	}
	const want = " self.n < 5 holds|l[0] self != '' holds|l[1] self != '' fails|n self > oldSelf holds|n self != 1 / (self - 3) division by zero"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if same := s.CheckRules(obj, map[string]any{"n": int64(2)}, nil, nil, func(string) {}); len(errs) != 2 || len(same) != 2 {
		t.Errorf("%v\n%v", errs, same)
	}
}
