package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// Upstream's scenarios of server-side apply are steps of testdata/owned_scenarios.txt, whose head says how they are read. What is
// written after a step is checked of both servers; besides, all that kube-apiserver answers is recorded and compared.

// scenario plays one of them, in a namespace of its own.
type scenario struct {
	*owned
	name, namespace string
	unrecorded      bool // an answer depends on when it was asked for
	answers         []string
}

// scenarioStep is a step as it is written.
type scenarioStep struct {
	line, body string
	wants      []string // the code and after it what is checked
}

// ownedScenarios reads the file: names and lines of steps.
func ownedScenarios(t *testing.T) (names []string, steps [][]scenarioStep) {
	t.Helper()
	b, err := os.ReadFile(testdata(t, "owned_scenarios.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range strings.Split(string(b), "\n=== ")[1:] {
		name, rest, _ := strings.Cut(text, "\n")
		var list []scenarioStep
		inBody := false
		for _, line := range strings.Split(strings.TrimSpace(rest), "\n") {
			switch last := len(list) - 1; {
			case strings.HasPrefix(line, "-> "), strings.HasPrefix(line, "? "):
				list[last].wants, inBody = append(list[last].wants, line[strings.Index(line, " ")+1:]), false
			case inBody && !scenarioVerb.MatchString(line):
				list[last].body += line + "\n"
			default:
				list, inBody = append(list, scenarioStep{line: line}), true
			}
		}
		names, steps = append(names, name), append(steps, list)
	}
	return names, steps
}

// scenarioVerb begins a step.
var scenarioVerb = regexp.MustCompile(`^(apply|merge|strategic|json|put|post|get|delete|change|until|tick|repeat|end|scaling)\b`)

// places are the paths of collections, $ for that of a namespace, and kinds.
var places = map[string][2]string{
	"pods": {"/api/v1/$pods", "Pod"}, "services": {"/api/v1/$services", "Service"}, "configmaps": {"/api/v1/$configmaps", "ConfigMap"}, "secrets": {"/api/v1/$secrets", "Secret"},
	"events": {"/api/v1/$events", "Event"}, "nodes": {"/api/v1/nodes", "Node"}, "namespaces": {"/api/v1/namespaces", "Namespace"}, "persistentvolumes": {"/api/v1/persistentvolumes", "PersistentVolume"},
	"replicationcontrollers": {"/api/v1/$replicationcontrollers", "ReplicationController"}, "deployments": {"/apis/apps/v1/$deployments", "Deployment"},
	"statefulsets": {"/apis/apps/v1/$statefulsets", "StatefulSet"}, "daemonsets": {"/apis/apps/v1/$daemonsets", "DaemonSet"}, "replicasets": {"/apis/apps/v1/$replicasets", "ReplicaSet"},
	"validatingwebhookconfigurations": {"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", "ValidatingWebhookConfiguration"},
	"clusterroles":                    {"/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRole"}, "rolebindings": {"/apis/rbac.authorization.k8s.io/v1/$rolebindings", "RoleBinding"},
	"customresourcedefinitions": {"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "CustomResourceDefinition"}, "apiservices": {"/apis/apiregistration.k8s.io/v1/apiservices", "APIService"},
	"frees": {"/apis/scenes.example.com/v1/$frees", "Free"}, "olds": {"/apis/scenes.example.com/v1/$olds", "Old"}, "noxus": {"/apis/scenes.example.com/v1/$noxus", "Noxu"},
	"defaults": {"/apis/scenes.example.com/v1/$defaults", "Default"},
}

// sceneDefinitions are the definitions of upstream's tests, or what of them can still be said.
const sceneDefinitions = `
- {plural: frees, kind: Free, schema: {type: object, x-kubernetes-preserve-unknown-fields: true}, status: {}}
- {plural: olds, kind: Old, schema: {type: object, properties: {spec: {type: object, properties: {a: {type: string}, b: {type: string}}}, status: {type: object, properties: {a: {type: string}}}}}, status: {}}
- plural: noxus
  kind: Noxu
  status: {}
  schema: &noxu
    type: object
    properties:
      status: {type: object, x-kubernetes-preserve-unknown-fields: true}
      spec: &spec
        type: object
        x-kubernetes-preserve-unknown-fields: true
        properties: &properties
          cronSpec: {type: string}
          shape: {type: object, additionalProperties: {type: string}}
          atomicList: {type: array, x-kubernetes-list-type: atomic, items: {type: string}}
          ports: &ports {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [containerPort, protocol], items: {type: object, required: [containerPort, protocol],
            properties: {containerPort: {type: integer, format: int32}, hostIP: {type: string}, hostPort: {type: integer, format: int32}, name: {type: string}, protocol: {type: string}}}}
  other: {type: object, properties: {status: {type: object, x-kubernetes-preserve-unknown-fields: true}, spec: {<<: *spec, properties: {<<: *properties, shape: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}}}}}
- plural: defaults
  kind: Default
  schema:
    type: object
    properties:
      spec:
        type: object
        x-kubernetes-preserve-unknown-fields: true
        properties:
          ports: {<<: *ports, items: {type: object, required: [containerPort], properties: {containerPort: {type: integer, format: int32}, name: {type: string}, protocol: {type: string, default: TCP}}}}
          infrastructureRef: {type: object, x-kubernetes-map-type: atomic, properties: {name: {type: string}, namespace: {type: string, default: default-namespace}}}
`

// defineScenes makes the definitions, each of v1 and v1beta1.
func (f *front) defineScenes(t *testing.T) {
	t.Helper()
	var all []struct {
		Plural, Kind          string
		Schema, Other, Status object
	}
	if err := yaml.Unmarshal([]byte(sceneDefinitions), &all); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, d := range all {
		version := object{"name": "v1", "served": true, "storage": true, "schema": object{"openAPIV3Schema": d.Schema}}
		if d.Status != nil {
			version["subresources"] = object{"status": object{}}
		}
		beta := maps.Clone(version)
		beta["name"], beta["storage"] = "v1beta1", false
		if d.Other != nil {
			beta["schema"] = object{"openAPIV3Schema": d.Other}
		}
		texts = append(texts, text(object{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": object{"name": d.Plural + ".scenes.example.com"}, "spec": object{
			"group": "scenes.example.com", "scope": "Namespaced", "names": object{"plural": d.Plural, "kind": d.Kind}, "versions": []any{version, beta}}}))
	}
	f.must(t, "create -f -", strings.Join(texts, "\n---\n"))
	f.must(t, "wait --for=condition=Established crd --all --timeout=30s", "")
}

// request is what a step asks for, and the path of its object.
func (s *scenario) request(ctx context.Context, line, body string) (q ask, path string, err error) {
	words := strings.Fields(s.named(line))
	q = ask{name: line, kind: words[0], method: "PATCH"}
	resource, rest, _ := strings.Cut(words[1], "/")
	name, sub, _ := strings.Cut(rest, "/")
	resource, version, _ := strings.Cut(resource, ".")
	place := places[resource]
	collection := strings.Replace(place[0], "$", "namespaces/"+s.namespace+"/", 1)
	apiVersion := strings.TrimPrefix(strings.TrimPrefix(place[0], "/apis/"), "/api/")
	apiVersion = apiVersion[:strings.LastIndexAny(strings.TrimRight(apiVersion, "abcdefghijklmnopqrstuvwxyz$"), "/")]
	if version != "" {
		collection, apiVersion = strings.Replace(collection, "/v1/", "/"+version+"/", 1), strings.Replace(apiVersion, "/v1", "/"+version, 1)
	}
	path = collection + "/" + name
	if q.path = path; sub != "" {
		q.path += "/" + sub
	}
	raw := false
	for i, word := range words[2:] {
		switch token, isToken := strings.CutPrefix(word, "as="); {
		case word == "by":
			q = q.with("fieldManager=" + words[i+3])
		case isToken:
			q.authorization = token
		case word == "raw":
			raw = true
		case strings.Contains(word, "="):
			q = q.with(word)
		}
	}
	if body == "" && words[0] != "change" {
		q.method = strings.ToUpper(words[0])
		return q, path, nil
	}
	var o object
	if q.body = s.named(body); words[0] != "json" && !raw {
		if err := yaml.Unmarshal([]byte(q.body), &o); err != nil {
			return q, path, fmt.Errorf("%s: %w", line, err)
		}
	}
	switch words[0] {
	case "change":
		live, err := s.live(ctx, path)
		if err != nil {
			return q, path, err
		}
		for _, k := range keys(o) {
			set(live, strings.Split(k, "."), o[k])
		}
		q.method, q.kind, q.body = "PUT", "json", text(live)
		return q, path, nil
	case "post":
		q.method, q.kind = "POST", "json"
		if sub == "" {
			q.path = strings.Replace(q.path, path, collection, 1)
		}
	case "put":
		q.method, q.kind = "PUT", "json"
	case "json":
		q.kind = "jsonpatch"
	}
	if o != nil && (q.kind == "apply" || q.kind == "json") {
		m, _ := o["metadata"].(object)
		m = maps.Clone(m)
		if m == nil {
			m = object{}
		}
		m["name"] = name
		o["apiVersion"], o["kind"], o["metadata"] = apiVersion, place[1], m
		q.body = text(o)
	} else if q.kind != "apply" {
		b, err := yaml.YAMLToJSON([]byte(q.body))
		if err != nil {
			return q, path, err
		}
		q.body = string(b)
	}
	return q, path, nil
}

// named is a text with the words that stand for others.
func (s *scenario) named(line string) string {
	line = strings.ReplaceAll(line, "NS", s.namespace)
	line = strings.ReplaceAll(line, "TEMPLATE", `selector: {matchLabels: {app: nginx}}, template: {metadata: {labels: {app: nginx}}, spec: {containers: [{name: nginx, image: "nginx:latest"}]}}`)
	if strings.Contains(line, "MANY") {
		many := object{}
		for i := range 9999 {
			many[fmt.Sprintf("this-key-is-very-long-so-as-to-create-a-very-large-serialized-fieldset-%d", i)] = "A"
		}
		line = strings.Replace(line, "MANY", text(many), 1)
	}
	return line
}

// set sets a value at a path, where * stands for every item of a list.
func set(o any, path []string, value any) {
	switch at := o.(type) {
	case object:
		if len(path) == 1 {
			at[path[0]] = value
			return
		}
		set(at[path[0]], path[1:], value)
	case []any:
		for i, item := range at {
			if path[0] == "*" || path[0] == strconv.Itoa(i) {
				set(item, path[1:], value)
			}
		}
	}
}

// play plays the steps.
func (s *scenario) play(ctx context.Context, steps []scenarioStep) error {
	for i := 0; i < len(steps); i++ {
		step := steps[i]
		words := strings.Fields(step.line)
		switch words[0] {
		case "tick":
			<-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // times are in seconds
			continue
		case "repeat":
			n, _ := strconv.Atoi(words[1])
			for k := range n {
				again := steps[i+1]
				again.line, again.body = strings.ReplaceAll(again.line, "updaterN", fmt.Sprint("updater", k)), strings.ReplaceAll(again.body, "updaterN", fmt.Sprint("updater", k))
				if err := s.step(ctx, again); err != nil {
					return err
				}
			}
			i += 2 // and its end
			continue
		case "scaling":
			if err := s.scaling(ctx, words[1]); err != nil {
				return err
			}
			continue
		case "until":
			s.unrecorded = true
			step.line = strings.TrimPrefix(step.line, "until ")
			var err error
			for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
				if err = s.step(ctx, step); err == nil {
					break
				}
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := s.step(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// step plays one.
func (s *scenario) step(ctx context.Context, step scenarioStep) error {
	q, path, err := s.request(ctx, step.line, step.body)
	if err != nil {
		return err
	}
	before := s.versions[path]
	r, err := s.send(ctx, q)
	if err != nil {
		return err
	}
	path = strings.Replace(path, "/v1beta1/", "/v1/", 1)
	answer := strings.ReplaceAll(s.told(path, r), s.namespace, "NS")
	s.answers = append(s.answers, answer)
	o := r.object()
	first := strings.Fields(step.wants[0])
	if fmt.Sprint(r.code) != first[0] {
		err = fmt.Errorf("code %d, want %s: %.1500s", r.code, first[0], answer)
	} else if len(first) > 1 && (before != s.versions[path]) != (first[1] == "written") {
		err = fmt.Errorf("version %s after %s, want it %s", s.versions[path], before, first[1])
	}
	for _, want := range step.wants[1:] {
		err = errors.Join(err, s.check(o, answer, s.named(want)))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", step.line, err)
	}
	return nil
}

// check checks what is written after a step.
func (s *scenario) check(o object, answer, want string) error {
	entries, _ := at(o, "metadata", "managedFields").([]any)
	word, rest, _ := strings.Cut(want, " ")
	switch word {
	case "says":
		if !strings.Contains(answer, rest) {
			return fmt.Errorf("want %q in %.1500s", rest, answer)
		}
	case "owners":
		var all []string
		for _, e := range entries {
			all = append(all, identity(e))
		}
		slices.Sort(all)
		if got := strings.Join(all, ", "); got != rest {
			return fmt.Errorf("owners %s, want %s", got, rest)
		}
	case "of":
		who, fields, _ := strings.Cut(rest, " ")
		for _, e := range entries {
			if identity(e) != who {
				continue
			}
			if got := text(at(e, "fieldsV1")); got != fields {
				return fmt.Errorf("%s owns %s, want %s", who, got, fields)
			}
			return nil
		}
		return fmt.Errorf("%s owns nothing, want %s", who, fields)
	case "times":
		times := map[string]bool{}
		for _, e := range entries {
			times[textAt(e, "time")] = true
		}
		if fmt.Sprint(len(times)) != rest {
			return fmt.Errorf("times %v, want %s of them", times, rest)
		}
	default:
		path, value, _ := strings.Cut(want, " = ")
		path, count := strings.CutSuffix(path, "#")
		got := pointed(o, strings.ReplaceAll(path, ".", "/"))
		if list, ok := got.([]any); ok && count {
			got = len(list)
		}
		var wanted any
		if json.Unmarshal([]byte(value), &wanted) != nil {
			wanted = value
		}
		var plain any
		if err := json.Unmarshal([]byte(text(got)), &plain); err != nil || !reflect.DeepEqual(plain, wanted) {
			return fmt.Errorf("%s is %s, want %s", path, text(got), value)
		}
	}
	return nil
}

// identity is who an entry is of.
func identity(entry any) string {
	return strings.TrimSuffix(textAt(entry, "manager")+"/"+textAt(entry, "operation")+"/"+textAt(entry, "subresource"), "/")
}

// scaling scales the object test in every way, and looks who owns its replicas.
func (s *scenario) scaling(ctx context.Context, resource string) error {
	path := resource + "/test"
	template := `TEMPLATE`
	if resource == "replicationcontrollers" {
		template = strings.Replace(s.named(template), "{matchLabels: {app: nginx}}", "{app: nginx}", 1)
	}
	config := "{spec: {replicas: 1, " + template + "}}"
	scale := func(n int) string {
		return fmt.Sprintf("{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: test, namespace: NS}, spec: {replicas: %d}}", n)
	}
	for _, c := range []struct {
		line, body, code string
		replicas         int
		owners           []string
	}{
		{"merge " + path + "/scale by scale_test", "{spec: {replicas: 5}}", "200", 5, []string{"scale_test"}},
		{"apply " + path + " by apply_test", config, "409", 5, []string{"scale_test"}},
		{"apply " + path + " by apply_test force=true", config, "200", 1, []string{"apply_test"}},
		{"apply " + path + "/scale by apply_scale raw", scale(17), "409", 1, []string{"apply_test"}},
		{"apply " + path + "/scale by apply_scale force=true raw", scale(17), "200", 17, []string{"apply_scale"}},
		{"put " + path + "/scale by replace_test raw", scale(7), "200", 7, []string{"replace_test"}},
		{"apply " + path + "/scale by co_owning_test raw", scale(7), "200", 7, []string{"replace_test", "co_owning_test"}},
		{"merge " + path + "/scale by scale_test", "{spec: {replicas: 5}}", "200", 5, []string{"scale_test"}},
	} {
		if err := s.step(ctx, scenarioStep{c.line, c.body, []string{c.code}}); err != nil {
			return err
		}
		if err := s.step(ctx, scenarioStep{"get " + path, "", []string{"200", fmt.Sprint("spec.replicas = ", c.replicas)}}); err != nil {
			return fmt.Errorf("after %s: %w", c.line, err)
		}
		live, err := s.live(ctx, strings.Replace(places[resource][0], "$", "namespaces/"+s.namespace+"/", 1)+"/test")
		if err != nil {
			return err
		}
		got, want := map[string]bool{}, map[string]bool{}
		entries, _ := at(live, "metadata", "managedFields").([]any)
		for _, e := range entries {
			if at(e, "fieldsV1", "f:spec", "f:replicas") != nil {
				got[textAt(e, "manager")] = true
			}
		}
		for _, m := range c.owners {
			want[m] = true
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("after %s: replicas are of %v, want %v", c.line, got, want)
		}
	}
	return nil
}

// TestOwnedScenarios plays all at once.
func TestOwnedScenarios(t *testing.T) {
	c := openRecording(t, "owned_scenarios.jsonl.gz")
	names, steps := ownedScenarios(t)
	eachServer(t, func(t *testing.T, folder string) {
		f := startFront(t, folder, startEtcd(t, 1).servers(), "--disable-admission-plugins=ServiceAccount")
		f.defineScenes(t)
		var (
			mu           sync.Mutex
			wait         sync.WaitGroup
			got          = map[string][]string{}
			passed, left int
		)
		for i, name := range names {
			if strings.Contains(name, "(RBAC)") && folder == folderOf(t) {
				left++ // the program does not enforce it
				continue
			}
			wait.Go(func() {
				s := &scenario{owned: newOwned(f.ask("the server")), name: name, namespace: fmt.Sprintf("scene-%d", i)}
				err := s.step(t.Context(), scenarioStep{"post namespaces/NS", "{}", []string{"201"}})
				if err == nil {
					err = s.play(t.Context(), steps[i])
				}
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else {
					passed++
				}
				if s.unrecorded || strings.Contains(name, "(unrecorded)") {
					return
				}
				got[name] = s.answers
				for k, want := range c.want[name] {
					if err == nil && os.Getenv("APICHAIN_WRITE") == "" && k < len(s.answers) && s.answers[k] != want {
						t.Errorf("%s: answer %d (of step %d): %s", name, k+1, k, firstDifference(s.answers[k], want))
						return
					}
				}
			})
		}
		wait.Wait()
		t.Logf("%d of %d scenarios pass", passed, len(names)-left)
		c.keep(t, folder, got)
	})
}
