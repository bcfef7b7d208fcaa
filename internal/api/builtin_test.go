package api_test

import (
	"strings"
	"testing"

	"apichain/internal/tree"
)

// asker sends requests to a server and reads objects.
type asker struct {
	*clients
	t *testing.T
}

// ask wants an answer with this code.
func (a asker) ask(method, path, body string, code int, header ...string) map[string]any {
	a.t.Helper()
	return a.Must(code, method, path, body, append(header, "Content-Type: application/json")...)
}

// want compares a part of an answer.
func (a asker) want(obj any, json string, path ...string) {
	a.t.Helper()
	want, _, err := tree.ParseJSON([]byte(json))
	if err != nil {
		a.t.Fatal(err)
	}
	if got := tree.At(obj, path...); !tree.Equal(got, want) {
		a.t.Errorf("%s: got %s, want %s", strings.Join(path, "."), tree.AppendJSON(nil, got), json)
	}
}

// TestGivenStatus: a node is created with the status sent, and with none where none is;
// updates leave it, but for those of the status. Other kinds are created without.
func TestGivenStatus(t *testing.T) {
	a := asker{startClients(t), t}
	const nodes = "/api/v1/nodes"
	const two, four = `{"cpu":"2"}`, `{"cpu":"4"}`
	node := func(status string) string {
		return `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"status":` + status + `}`
	}
	a.want(a.ask("POST", nodes, node(`{"capacity":`+two+`}`), 201), two, "status", "capacity")
	a.want(a.ask("GET", nodes+"/n1", "", 200), two, "status", "capacity")
	a.want(a.ask("PUT", nodes+"/n1", node(`{"capacity":`+four+`}`), 200), two, "status", "capacity")
	a.want(a.ask("PUT", nodes+"/n1/status", node(`{"capacity":`+four+`}`), 200), four, "status", "capacity")
	plain := a.ask("POST", nodes, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n2"}}`, 201)
	if tree.At(plain, "status", "capacity") != nil || tree.At(plain, "status", "nodeInfo", "osImage") != "" { // structs are written
		t.Errorf("a node without status: %v", plain)
	}
	made := a.ask("POST", "/api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"},"status":{"phase":"Terminating"}}`, 201)
	a.want(made, `{"phase":"Active"}`, "status")
	service := a.ask("POST", "/api/v1/namespaces/default/services", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":1}]},"status":{"loadBalancer":{"ingress":[{"ip":"1.1.1.1"}]}}}`, 201)
	if tree.List(service, "status", "loadBalancer", "ingress") != nil {
		t.Errorf("a service with status: %v", service)
	}
}

// TestEndpointSlices: lists are null where they are empty, labels count for the generation and other
// metadata do not, and what a slice is made of is asked by every write.
func TestEndpointSlices(t *testing.T) {
	a := asker{startClients(t), t}
	const slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
	slice := func(name, rest string) string {
		return `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"` + name + `"}` + rest + `}`
	}
	made := a.ask("POST", slices, slice("s", `,"addressType":"IPv4","endpoints":[]`), 201)
	for _, list := range []string{"endpoints", "ports"} {
		if v, has := made[list]; v != nil || !has {
			t.Errorf("%s: %v", list, made)
		}
	}
	for _, step := range []struct {
		patch      string
		generation string
	}{
		{`{"metadata":{"annotations":{"a":"b"}}}`, "1"},
		{`{"metadata":{"labels":{"a":"b"}}}`, "2"},
		{`{"endpoints":[{"addresses":["10.0.0.1"],"deprecatedTopology":{"a":"b"}}]}`, "3"},
		{`{"endpoints":[{"addresses":["10.0.0.1"],"deprecatedTopology":{"c":"d"}}],"ports":[]}`, "3"},
		{`{"ports":[{"port":1}]}`, "4"},
	} {
		got := a.Must(200, "PATCH", slices+"/s", step.patch, "Content-Type: application/merge-patch+json")
		a.want(got, step.generation, "metadata", "generation")
	}
	got := a.ask("GET", slices+"/s", "", 200)
	a.want(got, `[{"addresses":["10.0.0.1"],"conditions":{}}]`, "endpoints")
	a.want(got, `[{"name":"","port":1,"protocol":"TCP"}]`, "ports")
	a.ask("POST", slices, slice("bad", ""), 422)
	a.ask("PUT", slices+"/s", slice("s", `,"addressType":"IPv6"`), 422)
	a.ask("PUT", slices+"/new", slice("new", `,"addressType":"IPv4"`), 404)
	a.want(a.ask("DELETE", slices+"/s", "", 200), `"Status"`, "kind")
}

// TestTableOfOtherShape: the cells of events are alike in both of their groups, and the
// rows' objects are of the group asked.
func TestTableOfOtherShape(t *testing.T) {
	a := asker{startClients(t), t}
	const below = "/namespaces/default/events"
	a.ask("POST", "/api/v1"+below, `{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p"},"reason":"Why","message":"what",
		"source":{"component":"kubelet"},"type":"Normal","count":3,"firstTimestamp":"2020-01-01T00:00:00Z","lastTimestamp":"2020-01-02T00:00:00Z"}`, 201)
	rows := map[string]map[string]any{}
	for _, root := range []string{"/api/v1", "/apis/events.k8s.io/v1"} {
		for _, path := range []string{below, below + "/e"} {
			table := a.ask("GET", root+path+"?includeObject=Object", "", 200, "Accept: application/json;as=Table;v=v1;g=meta.k8s.io")
			rows[root+path], _ = tree.List(table, "rows")[0].(map[string]any)
		}
	}
	want := tree.List(rows["/api/v1"+below], "cells")
	if text := string(tree.AppendJSON(nil, want[1:])); !strings.HasPrefix(text, `["Normal","Why","pod/p","","kubelet","what",`) {
		t.Fatalf("cells %s", text)
	}
	for path, row := range rows {
		if !tree.Equal(row["cells"], want) {
			t.Errorf("%s: %v, want %v", path, row["cells"], want)
		}
		what := []string{"involvedObject", "regarding"}
		if strings.HasPrefix(path, "/apis/") {
			what = []string{"regarding", "involvedObject"}
		}
		if obj := tree.Object(row, "object"); tree.Object(obj, what[0]) == nil || obj[what[1]] != nil {
			t.Errorf("%s: %v", path, obj)
		}
	}
}

// TestUnknownFieldLabel: what is said depends on whether a kind has labels of its own.
func TestUnknownFieldLabel(t *testing.T) {
	a := asker{startClients(t), t}
	a.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
		"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`, 201)
	const unsupported, unknown = `"field label not supported: spec.x"`, `"\"spec.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""`
	for path, message := range map[string]string{
		"/api/v1/secrets": unsupported, "/api/v1/nodes": unsupported, "/apis/events.k8s.io/v1/events": unsupported, "/apis/example.com/v1/widgets": unsupported,
		"/api/v1/configmaps": unknown, "/apis/coordination.k8s.io/v1/leases": unknown, "/apis/apiregistration.k8s.io/v1/apiservices": unknown,
	} {
		for _, watch := range []string{"", "&watch=1"} {
			a.want(a.ask("GET", path+"?fieldSelector=spec.x%3D1"+watch, "", 400), message, "message")
			// No field is called nothing, not even where the stored kind has one that this kind lacks.
			none := strings.Replace(message, "spec.x", "", 1)
			a.want(a.ask("GET", path+"?fieldSelector=%3Dx"+watch, "", 400), none, "message")
		}
	}
}

// TestBasicUser: whoever is authenticated may ask about himself, nobody else may, and the
// review of the rules says so.
func TestBasicUser(t *testing.T) {
	a := asker{startClients(t), t}
	const bob, nobody = "Authorization: Bearer bob-token", "Authorization:"
	const root = "/apis/authorization.k8s.io/v1/"
	head := func(kind, spec string) string {
		return `{"apiVersion":"authorization.k8s.io/v1","kind":"` + kind + `","spec":` + spec + `}`
	}
	access := head("SelfSubjectAccessReview", `{"resourceAttributes":{"verb":"create","group":"authorization.k8s.io","resource":"selfsubjectrulesreviews"}}`)
	a.want(a.ask("POST", root+"selfsubjectaccessreviews", access, 201, bob), `{"allowed":true,"reason":"authenticated users may ask who they are and what they may do"}`, "status")
	a.ask("POST", root+"selfsubjectaccessreviews", access, 403, nobody)
	who := `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`
	a.want(a.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", who, 201, bob), `"bob"`, "status", "userInfo", "username")
	a.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", who, 403, nobody)
	a.ask("POST", root+"subjectaccessreviews", head("SubjectAccessReview", `{"user":"x","nonResourceAttributes":{"verb":"get","path":"/x"}}`), 403, bob)
	rules := a.ask("POST", root+"selfsubjectrulesreviews", head("SelfSubjectRulesReview", `{"namespace":"default"}`), 201, bob)
	a.want(rules, `[{"apiGroups":["authentication.k8s.io"],"resources":["selfsubjectreviews"],"verbs":["create"]},
		{"apiGroups":["authorization.k8s.io"],"resources":["selfsubjectaccessreviews","selfsubjectrulesreviews"],"verbs":["create"]}]`, "status", "resourceRules")
	a.want(rules, `false`, "status", "incomplete")
}
