package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// owned writes the owners of an object, one a line: who, how, in which version without the group, to which part, and what. They are
// sorted: in the object they are in the order of their times, in seconds.
func owned(obj map[string]any) string {
	var lines []string
	for _, e := range tree.List(obj, "metadata", "managedFields") {
		version := tree.Text(e, "apiVersion")
		line := fmt.Sprint(tree.Text(e, "manager"), " ", tree.Text(e, "operation"), " ", version[strings.LastIndexByte(version, '/')+1:])
		if part := tree.Text(e, "subresource"); part != "" {
			line += "/" + part
		}
		lines = append(lines, line+" "+string(tree.AppendJSON(nil, tree.At(e, "fieldsV1"))))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestOwnersInSeveralVersions plays what kube-apiserver has answered of a definition with two versions that have not the same
// fields and that no webhook converts: what cannot be shown in an owner's version stops an apply, and an update leaves the owners.
func TestOwnersInSeveralVersions(t *testing.T) {
	s := startClients(t)
	version := func(name, fields, rest string) string {
		return `{"name":"` + name + `","served":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{
			"spec":{"type":"object","properties":{` + fields + `}},"status":{"type":"object","properties":{"s":{"type":"string"}}}}}},` + rest + `}`
	}
	const a, b = `"a":{"type":"string"}`, `"b":{"type":"string"}`
	s.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced",
		versions(version("v1", a, `"storage":false`), version("v2", a+","+b, `"storage":true`))))
	path := func(version, rest string) string {
		return "/apis/example.com/" + version + "/namespaces/default/widgets/x" + rest
	}
	widget := func(version, fields string) string {
		return `{"apiVersion":"example.com/` + version + `","kind":"Widget","metadata":{"name":"x"` + fields + `}`
	}
	const applied, merged = "application/apply-patch+yaml", "application/merge-patch+json"
	for i, step := range []struct {
		method, path, typ, body string
		code                    int
		want                    string // the message of a failure, or the owners
	}{
		{"POST", strings.TrimSuffix(path("v1", ""), "/x") + "?fieldManager=one", "application/json", widget("v1", `},"spec":{"a":"1"}`), 201,
			`one Update v1 {"f:spec":{".":{},"f:a":{}}}`},
		{"PATCH", path("v2", "?fieldManager=two"), applied, widget("v2", `},"spec":{"b":"1"}`), 500,
			"failed to convert new object: .spec.b: field not declared in schema"},
		{"PATCH", path("v1", "?fieldManager=three"), merged, `{"spec":{"a":"2"}}`, 200,
			`one Update v1 {"f:spec":{}}` + "\n" + `three Update v1 {"f:spec":{"f:a":{}}}`},
		{"PATCH", path("v2", "/status?fieldManager=st"), merged, `{"status":{"s":"1"},"metadata":{"labels":{"k":"v"}}}`, 200,
			`one Update v1 {"f:spec":{}}` + "\n" + `st Update v2/status {"f:status":{".":{},"f:s":{}}}` + "\n" + `three Update v1 {"f:spec":{"f:a":{}}}`},
		{"PATCH", path("v2", "?fieldManager=four"), merged, `{"spec":{"b":"2"}}`, 200,
			`one Update v1 {"f:spec":{}}` + "\n" + `st Update v2/status {"f:status":{".":{},"f:s":{}}}` + "\n" + `three Update v1 {"f:spec":{"f:a":{}}}`},
		{"PATCH", path("v2", "?fieldManager=two"), applied, widget("v2", `},"spec":{"b":"1"}`), 500, ".spec.b: field not declared in schema"},
		{"PATCH", path("v1", "?fieldManager=ap"), applied, widget("v1", `,"labels":{"l":"1"}}`), 200,
			`ap Apply v1 {"f:metadata":{"f:labels":{"f:l":{}}}}` + "\n" +
				`one Update v1 {"f:spec":{}}` + "\n" + `st Update v2/status {"f:status":{".":{},"f:s":{}}}` + "\n" + `three Update v1 {"f:spec":{"f:a":{}}}`},
	} {
		code, obj := s.Try(step.method, step.path, step.body, "Content-Type: "+step.typ)
		got := owned(obj)
		if code >= 400 {
			got = tree.Text(obj, "message")
		}
		if code != step.code || got != step.want {
			t.Fatalf("step %d: %d\n%s\nwant %d\n%s", i, code, got, step.code, step.want)
		}
	}
}

// TestScaleAppliedToCustoms plays what kube-apiserver has answered: its server of custom resources cannot apply anything to a scale.
func TestScaleAppliedToCustoms(t *testing.T) {
	s := startClients(t)
	const schema = `"served":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}`
	s.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(
		`{"name":"v1","storage":true,"subresources":{"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}},`+schema+`}`,
		`{"name":"v2","storage":false,`+schema+`}`)))
	const scale = `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"x","namespace":"default"},"spec":{"replicas":3}}`
	apply := func(want int, version, rest, body string) map[string]any {
		t.Helper()
		return s.Must(want, "PATCH", "/apis/example.com/"+version+"/namespaces/default/widgets/x"+rest, body, "Content-Type: application/apply-patch+yaml")
	}
	apply(201, "v2", "?fieldManager=two", `{"apiVersion":"example.com/v2","kind":"Widget","metadata":{"name":"x"},"spec":{"n":1}}`)
	refused := apply(500, "v1", "/scale?fieldManager=sc&force=true", scale)
	if got := tree.Text(refused, "message"); !strings.HasPrefix(got, "failed to create manager for existing fields: failed to convert live object (/; autoscaling/v1,") {
		t.Error(got)
	}
	apply(200, "v1", "?fieldManager=one", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x"},"spec":{"n":1}}`)
	refused = apply(500, "v1", "/scale?fieldManager=sc&force=true", scale)
	if got := tree.Text(refused, "message"); got != "failed to convert new object (default/x; autoscaling/v1, Kind=Scale) to proper version: "+
		"request to convert CR to an invalid group/version: autoscaling/v1" {
		t.Error(got)
	}
	apply(409, "v1", "/scale?fieldManager=sc", scale)
	apply(200, "v1", "/scale?fieldManager=sc", strings.Replace(scale, "3", "1", 1)) // changes nothing
}

// TestOwnersOfDuplicates plays what kube-apiserver has answered: a patch that says an owner reference twice owns it, since the second
// one is taken away after admission; a create that does so owns it as if it were said once.
func TestOwnersOfDuplicates(t *testing.T) {
	s := startClients(t)
	// The owner is there: what nobody owns any more is collected.
	uid := tree.Text(s.Must(201, "POST", "/api/v1/nodes", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}`), "metadata", "uid")
	ref := `{"apiVersion":"v1","kind":"Node","name":"a","uid":"` + uid + `"}`
	const list = "/api/v1/namespaces/default/configmaps"
	made := s.Must(201, "POST", list+"?fieldManager=one", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","ownerReferences":[`+ref+`,`+ref+`]}}`)
	if got := owned(made); got != `one Update v1 {"f:metadata":{"f:ownerReferences":{".":{},"k:{\"uid\":\"`+uid+`\"}":{}}}}` {
		t.Errorf("created: %s", got)
	}
	patched := s.Must(200, "PATCH", list+"/x?fieldManager=two", `[{"op":"add","path":"/metadata/ownerReferences/1","value":`+ref+`}]`, "Content-Type: application/json-patch+json")
	want := `one Update v1 {"f:metadata":{"f:ownerReferences":{}}}` + "\n" + `two Update v1 {"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"` + uid + `\"}":{}}}}`
	if got := owned(patched); got != want || len(tree.List(patched, "metadata", "ownerReferences")) != 1 {
		t.Errorf("patched: %s\n%v", got, patched)
	}
}

// TestNoOwnersOfCustoms plays what kube-apiserver has answered: to its server of custom resources an empty list of owners is none, so that the stored ones stay.
func TestNoOwnersOfCustoms(t *testing.T) {
	s := startClients(t)
	s.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(
		`{"name":"v1","storage":true,"served":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`)))
	const path = "/apis/example.com/v1/namespaces/default/widgets/x"
	before := s.Must(201, "PATCH", path+"?fieldManager=one", `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x","labels":{"a":"z"}}}`, "Content-Type: application/apply-patch+yaml")
	after := s.Must(200, "PATCH", path+"?fieldManager=two", `{"metadata":{"managedFields":[]}}`, "Content-Type: application/merge-patch+json")
	if string(tree.AppendJSON(nil, after)) != string(tree.AppendJSON(nil, before)) {
		t.Errorf("%v\nwas %v", after, before)
	}
}

// TestNothingLeftOfCustoms plays what kube-apiserver has answered: a struct of which an apply leaves nothing is null, which a definition refuses.
func TestNothingLeftOfCustoms(t *testing.T) {
	s := startClients(t)
	s.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(
		`{"name":"v1","storage":true,"served":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{
		  "spec":{"type":"object","properties":{"list":{"type":"array","items":{"type":"string"}},"text":{"type":"string"}}},
		  "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}`)))
	const path = "/apis/example.com/v1/namespaces/default/widgets/x"
	apply := func(code int, rest, body string) {
		t.Helper()
		s.Must(code, "PATCH", path+rest, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x"}`+body+`}`, "Content-Type: application/apply-patch+yaml")
	}
	apply(201, "?fieldManager=one", `,"spec":{"text":"a"}`)
	apply(200, "/status?fieldManager=one", `,"status":{"list":[],"phase":"A"}`)
	apply(422, "/status?fieldManager=one&force=true", `,"status":{}`)
	apply(422, "?fieldManager=one", `,"spec":{}`)
}

// TestOwnersOfBuiltinVersions plays what kube-apiserver has answered: an autoscaler that is applied in another version keeps what it scales, though
// nobody owns that any more, since it is a struct on the way from one version to the other.
func TestOwnersOfBuiltinVersions(t *testing.T) {
	s := startClients(t)
	apply := func(code int, version, spec string) map[string]any {
		t.Helper()
		return s.Must(code, "PATCH", "/apis/autoscaling/"+version+"/namespaces/default/horizontalpodautoscalers/x?fieldManager=ann&force=true",
			`{"apiVersion":"autoscaling/`+version+`","kind":"HorizontalPodAutoscaler","metadata":{"name":"x"},"spec":{`+spec+`}}`, "Content-Type: application/apply-patch+yaml")
	}
	apply(201, "v2", `"maxReplicas":6,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"b"}`)
	kept := apply(200, "v1", `"maxReplicas":5`)
	if got := tree.Text(kept, "spec", "scaleTargetRef", "name"); got != "b" || owned(kept) != `ann Apply v1 {"f:spec":{"f:maxReplicas":{}}}` {
		t.Errorf("%q %s", got, owned(kept))
	}
}

// TestOwnersInAnotherOrder plays what kube-apiserver has answered: a Scale that is written as it was puts names into the order of their texts, and
// the next write of the object back; each is a change.
func TestOwnersInAnotherOrder(t *testing.T) {
	s := startClients(t)
	const path = "/apis/apps/v1/namespaces/default/deployments/x"
	was := s.Must(201, "PATCH", path+"?fieldManager=ann", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"},"spec":{"replicas":2,
		"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[
		{"name":"c","image":"i","ports":[{"containerPort":80},{"containerPort":443}]}]}}}}`, "Content-Type: application/apply-patch+yaml")
	for _, at := range []string{path + "/scale", path} {
		s.Must(200, "PATCH", at+"?fieldManager=bob", `{}`, "Content-Type: application/merge-patch+json")
		is := s.Must(200, "GET", path, "")
		if tree.Text(is, "metadata", "resourceVersion") == tree.Text(was, "metadata", "resourceVersion") || owned(is) != owned(was) {
			t.Errorf("%s: %s\nwas %s", at, owned(is), owned(was))
		}
		was = is
	}
}
