package policy

import (
	"crypto/tls"
	_ "embed"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

//go:embed testdata/mutating.yaml
var mutating []byte

// Where mutating policies and their bindings are.
const (
	mutatingPath = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
	boundPath    = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
	servicePath  = "/api/v1/namespaces/default/configmaps?dryRun=All"
)

// TestMutatingScenarios: what mutating policies make of requests is what a real kube-apiserver makes of them. With APICHAIN_SERVER the
// scenarios are played to the one at that URL:
//
//	APICHAIN_SERVER=https://127.0.0.1:6443 go test -run TestMutatingScenarios ./internal/policy
func TestMutatingScenarios(t *testing.T) {
	s := &stage{Client: start(t).Client}
	if s.url = os.Getenv("APICHAIN_SERVER"); s.url != "" {
		web := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		s.Client = &apitest.Client{T: t, Do: web.Do, URL: s.url, Token: "admin-token"}
	}
	s.set()
	doc, _, err := tree.ParseYAMLObject(mutating)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, scenario := range tree.List(doc, "scenarios") {
		name := tree.Text(scenario, "name")
		if only := os.Getenv("APICHAIN_ONLY"); only != "" && only != name || s.url != "" && tree.At(scenario, "ours") == true {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) { s.play(t, i, scenario) })
	}
	t.Logf("%d scenarios", n)
}

// stage is a server that scenarios are played to.
type stage struct {
	*apitest.Client
	url string
}

// set makes what all scenarios need: a definition of two versions, and at a real server a policy that keeps config maps followed as
// parameters, since it stops following them for good when the last such policy goes.
func (s *stage) set() {
	s.Try("POST", "/api/v1/namespaces/default/serviceaccounts", `{"metadata":{"name":"default"}}`)
	const schema = `"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}`
	s.Try("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"metadata":{"name":"pandas.awesome.bears.com"},"spec":{"group":"awesome.bears.com","scope":"Cluster",
		"names":{"plural":"pandas","singular":"panda","kind":"Panda","listKind":"PandaList"},
		"versions":[{"name":"v1","served":true,"storage":true,`+schema+`},{"name":"v2","served":true,"storage":false,`+schema+`}]}}`)
	s.Soon("the definition is served", func() bool {
		code, _ := s.Try("GET", "/apis/awesome.bears.com/v2/pandas", nil)
		return code == 200
	})
	s.policy("keep", map[string]any{"paramKind": map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}, "apply": "Object{}",
		"matchConstraints": about("configmaps", "kept")})
	s.Try("POST", boundPath, `{"metadata":{"name":"keep"},"spec":{"policyName":"keep","paramRef":{"name":"a","parameterNotFoundAction":"Allow"}}}`)
}

// about returns constraints to writes of a core resource with a name, "" for any.
func about(resource, name string) map[string]any {
	rule := map[string]any{"operations": []any{"*"}, "apiGroups": []any{""}, "apiVersions": []any{"v1"}, "resources": []any{resource}}
	if name != "" {
		rule["resourceNames"] = []any{name}
	}
	return map[string]any{"resourceRules": []any{rule}}
}

// policy makes a policy of a scenario, and returns the answer.
func (s *stage) policy(name string, given map[string]any) (int, map[string]any) {
	spec := tree.Copy(given).(map[string]any)
	delete(spec, "name")
	if spec["matchConstraints"] == nil {
		spec["matchConstraints"] = about("endpoints", "")
	}
	if spec["reinvocationPolicy"] == nil {
		spec["reinvocationPolicy"] = "Never"
	}
	for _, m := range [...][3]string{{"apply", "ApplyConfiguration", "applyConfiguration"}, {"json", "JSONPatch", "jsonPatch"}} {
		of, ok := spec[m[0]]
		if delete(spec, m[0]); !ok {
			continue
		}
		list, ok := of.([]any)
		if !ok {
			list = []any{of}
		}
		for i := range list {
			list[i] = map[string]any{"patchType": m[1], m[2]: map[string]any{"expression": list[i]}}
		}
		spec["mutations"] = list
	}
	return s.Try("POST", mutatingPath, map[string]any{"metadata": map[string]any{"name": name}, "spec": spec})
}

// clean removes all policies and bindings, and waits until none is in force.
func (s *stage) clean(mark string) {
	for _, path := range [...]string{boundPath, mutatingPath} {
		for _, o := range tree.List(s.Must(200, "GET", path, nil), "items") {
			if name := tree.Text(o, "metadata", "name"); name != "keep" {
				s.Try("DELETE", path+"/"+name, nil)
			}
		}
	}
	s.Soon("no policy is in force", func() bool {
		_, got := s.Try("POST", servicePath, `{"metadata":{"name":"marker"}}`)
		return tree.Text(got, "metadata", "labels", "mark") == mark
	})
}

// play plays a scenario.
func (s *stage) play(t *testing.T, n int, scenario any) {
	s.clean("")
	for _, o := range tree.List(scenario, "objects") {
		path := tree.Text(o, "path")
		s.Try("DELETE", path+"/"+tree.Text(o, "object", "metadata", "name")+"?gracePeriodSeconds=0", nil)
		if code, got := s.Try("POST", path, tree.At(o, "object")); code != 201 {
			t.Fatalf("%d %v", code, got["message"])
		}
	}
	want := tree.Object(scenario, "want")
	bindings := tree.List(scenario, "bindings")
	for _, p := range tree.List(scenario, "policies") {
		name := tree.Text(p, "name")
		code, got := s.policy(name, tree.Object(p))
		if refused, ok := want["refused"]; ok {
			if code != 422 || got["message"] != refused {
				t.Errorf("%d\n got %v\nwant %v", code, got["message"], refused)
			}
			return
		}
		if code != 201 {
			t.Fatalf("%d %v", code, got["message"])
		}
		if tree.At(scenario, "bindings") == nil {
			bindings = append(bindings, map[string]any{"name": name, "policyName": name})
		}
	}
	for _, b := range bindings {
		spec := maps.Clone(tree.Object(b))
		name := spec["name"]
		delete(spec, "name")
		if code, got := s.Try("POST", boundPath, map[string]any{"metadata": map[string]any{"name": name}, "spec": spec}); code != 201 {
			t.Fatalf("%d %v", code, got["message"])
		}
	}
	// When the last policy is in force, all others are.
	mark := "m" + strconv.Itoa(n)
	s.policy("zz", map[string]any{"matchConstraints": about("configmaps", "marker"), "apply": `Object{metadata: Object.metadata{labels: {"mark": "` + mark + `"}}}`})
	s.Try("POST", boundPath, `{"metadata":{"name":"zz"},"spec":{"policyName":"zz"}}`)
	s.Soon("the policies are in force", func() bool {
		_, got := s.Try("POST", servicePath, `{"metadata":{"name":"marker"}}`)
		return tree.Text(got, "metadata", "labels", "mark") == mark
	})
	code, got := s.ask(scenario)
	// Parameters take their time at a real server.
	for s.url != "" && tree.At(scenario, "bindings") != nil && wrong(code, got, want) != "" {
		if n++; n > 200 {
			break
		}
		code, got = s.ask(scenario)
	}
	if why := wrong(code, got, want); why != "" {
		t.Error(why)
	}
}

// ask sends the request of a scenario as a dry run.
func (s *stage) ask(scenario any) (int, map[string]any) {
	r := tree.Object(scenario, "request")
	method, path := tree.Text(r, "method"), tree.Text(r, "path")
	if method == "" {
		method = "POST"
	}
	if path == "" {
		path = "/api/v1/namespaces/default/endpoints"
	}
	obj, _ := tree.Copy(tree.Object(r, "object")).(map[string]any)
	if obj == nil {
		obj = map[string]any{}
	}
	if tree.Name(obj) == "" {
		tree.Set(obj, "x", "metadata", "name")
	}
	if parts := strings.Split(path, "/"); parts[1] == "apis" && parts[2] == "awesome.bears.com" {
		obj["apiVersion"], obj["kind"] = parts[2]+"/"+parts[3], "Panda"
	}
	return s.Try(method, path+"?dryRun=All", obj)
}

// wrong says how an answer is not what is wanted, "" where it is.
func wrong(code int, got, want map[string]any) string {
	if want["code"] != nil {
		for _, name := range [...]string{"code", "reason", "message"} {
			if w, ok := want[name]; ok && !tree.Equal(got[name], w) {
				return name + ":\n got " + string(tree.AppendJSON(nil, got[name])) + "\nwant " + string(tree.AppendJSON(nil, w))
			}
		}
		return ""
	}
	if code >= 300 {
		return strconv.Itoa(code) + " " + tree.Text(got, "message")
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		var at any = got
		for step := range strings.SplitSeq(path, ".") {
			if list, ok := at.([]any); ok {
				if i, err := strconv.Atoi(step); err == nil && i < len(list) {
					at = list[i]
					continue
				}
			}
			at = tree.At(at, step)
		}
		if !tree.Equal(withoutNulls(at), withoutNulls(want[path])) {
			return path + ":\n got " + string(tree.AppendJSON(nil, at)) + "\nwant " + string(tree.AppendJSON(nil, want[path]))
		}
	}
	return ""
}

// withoutNulls returns a value without the members that are null.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if value != nil {
				out[name] = withoutNulls(value)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, value := range v {
			out = append(out, withoutNulls(value))
		}
		return out
	}
	return v
}
