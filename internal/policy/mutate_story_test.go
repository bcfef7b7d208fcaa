package policy

import (
	"bytes"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/metrics"
	"apichain/internal/tree"
)

// mutatorBody is a mutating policy as a request has it: about creates and updates of resources of the core group, with the rest of its
// spec.
func mutatorBody(name, resources, rest, mutations string) string {
	if !strings.Contains(rest, `"reinvocationPolicy"`) {
		rest += `"reinvocationPolicy":"Never",`
	}
	return `{"metadata":{"name":"` + name + `"},"spec":{` + rest + `"matchConstraints":{"resourceRules":[{"operations":["CREATE","UPDATE"],` +
		`"apiGroups":[""],"apiVersions":["v1"],"resources":["` + resources + `"]}]},"mutations":[` + mutations + `]}}`
}

// boundBody is a binding of the policy of its name, with the rest of its spec.
func boundBody(name, rest string) string {
	return `{"metadata":{"name":"` + name + `"},"spec":{` + rest + `"policyName":"` + name + `"}}`
}

// labeled is a mutation that sets a label to what an expression says.
func labeled(label, text string) string {
	return applied(`Object{metadata: Object.metadata{labels: {"` + label + `": ` + text + `}}}`)
}

// TestStoryMutated: what one policy fills in another one demands; so a client that says nothing is let pass, and one that is wrong is
// told. A default is none any more when its policy is gone, but stays in what was written.
func TestStoryMutated(t *testing.T) {
	s := start(t)
	tier := func(name string) string {
		return tree.Text(s.Must(200, "GET", apitest.MapsPath+"/"+name, nil), "metadata", "labels", "tier")
	}
	s.play(t, []act{
		{"a demand", "POST", policiesPath, policyBody("demand", "CREATE,UPDATE:/v1/configmaps",
			`{"validations":[{"expression":"object.metadata.?labels.tier.orValue('') in ['gold', 'iron']","message":"no such tier"}]}`), 201, "", ""},
		{"its binding", "POST", bindingsPath, bindingBody("demand", "{}"), 201, "", ""},
		{"nobody fills it in", "POST", apitest.MapsPath, mapBody("a", "{}"), 422, "no such tier", ""},
		{"a default", "POST", mutatingPath, mutatorBody("default", "configmaps", `"matchConditions":[{"name":"none","expression":"!('tier' in object.metadata.?labels.orValue({}))"}],`,
			labeled("tier", `"iron"`)), 201, "", ""},
		{"its binding", "POST", boundPath, boundBody("default", ""), 201, "", ""},
		{"it is filled in", "POST", apitest.MapsPath, mapBody("a", "{}"), 201, "", ""},
		{"what is said stays", "POST", apitest.MapsPath, `{"metadata":{"name":"b","labels":{"tier":"gold"}}}`, 201, "", ""},
		{"also where it is wrong", "POST", apitest.MapsPath, `{"metadata":{"name":"c","labels":{"tier":"tin"}}}`, 422, "no such tier", ""},
		{"taken away it comes back", "PATCH", apitest.MapsPath + "/b", `{"metadata":{"labels":null}}`, 200, "", ""},
	})
	if a, b := tier("a"), tier("b"); a != "iron" || b != "iron" {
		t.Errorf("tiers %q and %q", a, b)
	}
	s.play(t, []act{
		{"the default goes", "DELETE", mutatingPath + "/default", "", 200, "", ""},
		{"what is written stays", "PATCH", apitest.MapsPath + "/a", `{"data":{"x":"y"}}`, 200, "", ""},
		{"what is new is not filled in", "POST", apitest.MapsPath, mapBody("d", "{}"), 422, "no such tier", ""},
	})
}

// TestStoryMutatedByParams: what is filled in is what the parameters say at the time of the write, those of all objects that are selected,
// in the order of their names.
func TestStoryMutatedByParams(t *testing.T) {
	s := start(t)
	const limits = "/api/v1/namespaces/default/configmaps"
	source := func(name, data string) string {
		return `{"metadata":{"name":"` + name + `","labels":{"is":"source"}},"data":` + data + `}`
	}
	// The labels of a new secret.
	labels := func() string {
		got := s.Must(201, "POST", "/api/v1/namespaces/default/secrets?dryRun=All", `{"metadata":{"name":"s"}}`)
		return string(tree.AppendJSON(nil, tree.At(got, "metadata", "labels")))
	}
	expect := func(what, want string) {
		t.Helper()
		if got := labels(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	s.play(t, []act{
		{"a policy", "POST", mutatingPath, mutatorBody("fill", "secrets", `"paramKind":{"apiVersion":"v1","kind":"ConfigMap"},`,
			applied(`Object{metadata: Object.metadata{labels: params.data}}`)), 201, "", ""},
		{"a binding", "POST", boundPath, boundBody("fill", `"paramRef":{"selector":{"matchLabels":{"is":"source"}},"parameterNotFoundAction":"Allow"},`), 201, "", ""},
	})
	expect("no parameters", "null")
	s.Must(201, "POST", limits, source("a", `{"one":"1","two":"1"}`))
	expect("one object", `{"one":"1","two":"1"}`)
	s.Must(201, "POST", limits, source("b", `{"two":"2"}`))
	expect("another one behind it", `{"one":"1","two":"2"}`)
	s.Must(200, "PATCH", limits+"/a", `{"data":{"one":"9"}}`)
	expect("it changes", `{"one":"9","two":"2"}`)
	s.Must(200, "DELETE", limits+"/a", nil)
	expect("it goes", `{"two":"2"}`)
	s.Must(200, "PATCH", boundPath+"/fill", `{"spec":{"paramRef":{"selector":{"matchLabels":{"is":"other"}},"parameterNotFoundAction":"Deny"}}}`)
	code, got := s.Try("POST", "/api/v1/namespaces/default/secrets?dryRun=All", `{"metadata":{"name":"s"}}`)
	if code != 403 || !strings.Contains(tree.Text(got, "message"), "no params found") {
		t.Errorf("%d %s", code, tree.Text(got, "message"))
	}
}

// TestReinvoked: who wants it is invoked once more if anything was changed behind him, or by him; nobody twice more. Each policy appends
// its letter to what the label says already.
func TestReinvoked(t *testing.T) {
	for _, c := range []struct {
		what string
		// A letter a policy, in order: capital ones want to be invoked again.
		policies string
		conds    map[byte]string // conditions, of some
		want     string
	}{
		{"one that does not want to", "a", nil, "a"},
		{"one that wants to, for its own change", "A", nil, "AA"},
		{"the first of two", "Ab", nil, "AbA"},
		{"the second of two", "aB", nil, "aBB"},
		{"both", "AB", nil, "ABAB"},
		{"neither", "ab", nil, "ab"},
		{"three", "AbC", nil, "AbCAC"},
		{"one whose condition holds no more", "Ab", map[byte]string{'A': "!has(object.metadata.labels)"}, "Ab"},
		{"one whose condition holds only then", "Ab", map[byte]string{'A': "has(object.metadata.labels)"}, "b"},
	} {
		s := start(t)
		for i := range len(c.policies) {
			letter := c.policies[i]
			name, rest := "p"+string(rune('0'+i)), ""
			if letter < 'a' {
				rest = `"reinvocationPolicy":"IfNeeded",`
			}
			if cond := c.conds[letter]; cond != "" {
				rest += `"matchConditions":[{"name":"c","expression":"` + cond + `"}],`
			}
			appends := labeled("by", `object.metadata.?labels.by.orValue("") + "`+string(letter)+`"`)
			s.Must(201, "POST", mutatingPath, mutatorBody(name, "configmaps", rest, appends))
			s.Must(201, "POST", boundPath, boundBody(name, ""))
		}
		got := tree.Text(s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m")), "metadata", "labels", "by")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

// TestListMaps: a configuration is merged into lists by their keys, in the order of what is there; a set takes what it has not; what has
// no keys may not be named at all.
func TestListMaps(t *testing.T) {
	const pods = "/api/v1/namespaces/default/pods?dryRun=All"
	const pod = `{"metadata":{"name":"p","finalizers":["a.example.com/x"]},"spec":{"containers":[
		{"name":"one","image":"i","env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"ports":[{"containerPort":80,"name":"web"}]},
		{"name":"two","image":"j","args":["x"]}],"tolerations":[{"key":"k","operator":"Exists"}]}}`
	const in = `Object{spec: Object.spec{containers: [`
	const one = in + `Object.spec.containers{name: "one", `
	// names lists an item's fields of all items.
	texts := func(list []any, name string) string {
		var all []string
		for _, v := range list {
			all = append(all, tree.Text(v, name))
		}
		return strings.Join(all, ",")
	}
	for _, c := range []struct {
		what, text string
		see        func(spec map[string]any, containers []any) string
		want       string // or what the refusal says
		code       int
	}{
		{"a new container", in + `Object.spec.containers{name: "side", image: "k"}]}}`,
			func(_ map[string]any, c []any) string { return texts(c, "name") + " " + texts(c, "image") }, "one,two,side i,j,k", 201},
		{"a field of one that is there", in + `Object.spec.containers{name: "two", image: "k"}]}}`,
			func(_ map[string]any, c []any) string { return texts(c, "name") + " " + texts(c, "image") }, "one,two i,k", 201},
		{"one that is there and a new one", in + `Object.spec.containers{name: "two", image: "k"}, Object.spec.containers{name: "side", image: "l"}]}}`,
			func(_ map[string]any, c []any) string { return texts(c, "name") + " " + texts(c, "image") }, "one,two,side i,k,l", 201},
		{"all that are there", `Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{name: c.name, image: c.image + ":v1"})}}`,
			func(_ map[string]any, c []any) string { return texts(c, "image") }, "i:v1,j:v1", 201},
		{"a list in a list", one + `env: [Object.spec.containers.env{name: "B", value: "3"}, Object.spec.containers.env{name: "C", value: "4"}]}]}}`,
			func(_ map[string]any, c []any) string {
				return texts(tree.List(c[0], "env"), "name") + " " + texts(tree.List(c[0], "env"), "value")
			}, "A,B,C 1,3,4", 201},
		{"two keys, of which one has a default", one + `ports: [Object.spec.containers.ports{containerPort: 80, protocol: "TCP", name: "http"}]}]}}`,
			func(_ map[string]any, c []any) string { return texts(tree.List(c[0], "ports"), "name") }, "http", 201},
		{"another key", one + `ports: [Object.spec.containers.ports{containerPort: 80, protocol: "UDP", name: "quic"}]}]}}`,
			func(_ map[string]any, c []any) string { return texts(tree.List(c[0], "ports"), "name") }, "web,quic", 201},
		{"what is not named stays", one + `image: "z"}]}}`,
			func(_ map[string]any, c []any) string { return texts(tree.List(c[0], "env"), "name") }, "A,B", 201},
		{"no key", in + `Object.spec.containers{image: "z"}]}}`, nil, "spec.containers[2].name: Required value", 422},
		{"a key twice", in + `Object.spec.containers{name: "a"}, Object.spec.containers{name: "a"}]}}`, nil, `duplicate entries for key [name="a"]`, 403},
		{"a list without keys", one + `args: ["y"]}]}}`, nil,
			`may not mutate atomic arrays, maps or structs: .spec.containers[0].args`, 403},
		{"another one", `Object{spec: Object.spec{tolerations: [Object.spec.tolerations{key: "l"}]}}`, nil, "may not mutate atomic arrays, maps or structs: .spec.tolerations", 403},
		{"a field that is not there", one + `nope: "y"}]}}`, nil, `.spec.containers[name="one"].nope: field not declared in schema`, 403},
		{"another type", one + `image: 1}]}}`, nil, `.spec.containers[name="one"].image: expected string`, 403},
	} {
		s := start(t)
		s.Must(201, "POST", "/api/v1/namespaces/default/serviceaccounts", `{"metadata":{"name":"extra"}}`)
		s.Must(201, "POST", mutatingPath, mutatorBody("p", "pods", "", applied(c.text)))
		s.Must(201, "POST", boundPath, boundBody("p", ""))
		code, got := s.Try("POST", pods, pod)
		saw := tree.Text(got, "message")
		if code < 300 && c.see != nil {
			saw = c.see(tree.Object(got, "spec"), tree.List(got, "spec", "containers"))
		}
		if code != c.code || c.code == 201 && saw != c.want || !strings.Contains(saw, c.want) {
			t.Errorf("%s: %d %s\n\twant %d %s", c.what, code, saw, c.code, c.want)
		}
	}
}

// TestPatchErrors: operations that cannot be done refuse the write, or leave the object as it was where the policy may fail; never is a
// part of them done. A test that fails is no failure.
func TestPatchErrors(t *testing.T) {
	// Each is done behind one that could be.
	const first = `JSONPatch{op: "add", path: "/metadata/labels", value: {"first": "done"}}, `
	for _, c := range []struct {
		what, operation string
		says            string // "": it is no failure
		label           string // of the object that is made, with its policy failing as it is
	}{
		{"none", `JSONPatch{op: "add", path: "/data", value: {"a": "b"}}`, "", "done"},
		{"no operation of JSON patches", `JSONPatch{op: "put", path: "/data", value: "b"}`, "JSON Patch: Unexpected kind: put", ""},
		{"no parent", `JSONPatch{op: "add", path: "/data/a", value: "b"}`, `add operation does not apply: doc is missing path: "/data/a"`, ""},
		{"nothing to remove", `JSONPatch{op: "remove", path: "/data"}`, "Unable to remove nonexistent key: data", ""},
		{"nothing to move", `JSONPatch{op: "move", from: "/data", path: "/binaryData"}`, "JSON Patch: ", ""},
		{"nothing to copy", `JSONPatch{op: "copy", from: "/data", path: "/binaryData"}`, "", "done"}, // it becomes null
		{"nothing to copy from", `JSONPatch{op: "copy", from: "/data/a", path: "/binaryData"}`, "doc is missing from path: /data/a", ""},
		{"a test that fails", `JSONPatch{op: "test", path: "/metadata/name", value: "other"}`, "", ""},
		{"a test that holds", `JSONPatch{op: "test", path: "/metadata/name", value: "m"}`, "", "done"},
		{"a value that cannot be computed", `JSONPatch{op: "add", path: "/data", value: {"a": string(object.nope)}}`, "no such key: nope", ""},
		{"a value that is no JSON", `JSONPatch{op: "add", path: "/data", value: quantity("1k")}`, "could not marshal to JSON", ""},
		{"a value of another type's name", `JSONPatch{op: "add", path: "/data", value: Object.spec{x: Object.y{}}}`, "type mismatch: unexpected type name", ""},
	} {
		s := start(t)
		s.mutate("p", "", patched("["+first+c.operation+"]"))
		code, got := s.Try("POST", apitest.MapsPath+"?dryRun=All", apitest.MapObject("m"))
		message, want, begin := tree.Text(got, "message"), 201, ""
		if c.says != "" {
			want, begin = 403, "policy 'p' with binding 'p' denied request: "
		}
		if code != want || !strings.Contains(message, c.says) || !strings.HasPrefix(message, begin) {
			t.Errorf("%s: %d %s\n\twant %s", c.what, code, message, c.says)
		}
		s.Must(200, "PATCH", mutatingPath+"/p", `{"spec":{"failurePolicy":"Ignore"}}`)
		got = s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))
		if label := tree.Text(got, "metadata", "labels", "first"); label != c.label {
			t.Errorf("%s: the label is %q, want %q", c.what, label, c.label)
		}
	}
}

// TestMutationsCounted: each mutation is counted by what came of it.
func TestMutationsCounted(t *testing.T) {
	s := start(t)
	s.mutate("good", "", labeled("a", `"b"`)+","+labeled("c", `"d"`))
	s.mutate("open", `"failurePolicy":"Ignore",`, labeled("a", `string(object.nope)`))
	s.mutate("never", `"matchConditions":[{"name":"no","expression":"false"}],`, labeled("a", `"b"`))
	s.Must(201, "POST", apitest.MapsPath, apitest.MapObject("m"))
	var text bytes.Buffer
	w := metrics.NewWriter(&text)
	s.p.WriteMetrics(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`{error_type="no_error",policy="good",policy_binding="good"} 2`,
		`{error_type="invalid_error",policy="open",policy_binding="open"} 1`,
	} {
		if !strings.Contains(text.String(), "apiserver_mutating_admission_policy_check_total"+line+"\n") {
			t.Errorf("no %s in\n%s", line, text.String())
		}
	}
	if strings.Contains(text.String(), `"never"`) {
		t.Error("a mutation that was not invoked is counted")
	}
}
