package webhook

import (
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestPatches: what comes of the patch of a webhook to a create, an update and a delete. All rows were compared with kube-apiserver.
func TestPatches(t *testing.T) {
	s := start(t, nil)
	const noModify = `500 Internal error occurred: admission webhook "p.example.com" attempted to modify the object, which is not supported for this operation`
	const undecodable = `500 Internal error occurred: failed calling webhook "p.example.com": received undecodable patch in webhook response: `
	for _, c := range []struct{ patch, create, update, delete string }{
		// What is made of data, or the error; = is the same as of a create.
		{`[]`, `201 {"k":"v"}`, `200 {"k":"v"}`, "200"},
		{`null`, `201 {"k":"v"}`, `200 {"k":"v"}`, "200"},
		{`garbage`, undecodable + `invalid character 'g' looking for beginning of value`, "=", "="},
		{`{}`, undecodable + `json: cannot unmarshal object into Go value of type jsonpatch.Patch`, "=", "="},
		{`[1]`, undecodable + `json: cannot unmarshal number into Go value of type jsonpatch.Operation`, "=", "="},
		{`[{"op":"add","path":"/data/x","value":"y"}]`, `201 {"k":"v","x":"y"}`, `200 {"k":"v","x":"y"}`, noModify},
		{`[{"op":"add","path":"/nope","value":7}]`, `201 {"k":"v"}`, `200 {"k":"v"}`, noModify},
		{`[{"op":"add","path":"/data/x","value":null}]`, `201 {"k":"v","x":""}`, `200 {"k":"v","x":""}`, noModify},
		{`[{"op":"remove","path":"/data/zz"}]`, `500 Internal error occurred: error in remove for path: '/data/zz': Unable to remove nonexistent key: zz: missing value`, "=", noModify},
		{`[{"op":"add","path":"/zz/zz","value":1}]`, `500 Internal error occurred: add operation does not apply: doc is missing path: "/zz/zz": missing value`, "=", noModify},
		{`[{"op":"test","path":"/data/k","value":"other"}]`, `500 Internal error occurred: testing value /data/k failed: test failed`, "=", noModify},
		{`[{"path":"/data/k"}]`, `500 Internal error occurred: Unexpected kind: unknown`, "=", noModify},
		{`[{"op":"add","path":"/data/x","value":7}]`, `500 Internal error occurred: json: cannot unmarshal number into Go struct field ConfigMap.data of type string`, "=", noModify},
		{`[{"op":"add","path":"/immutable","value":"x"}]`, `500 Internal error occurred: json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool`, "=", noModify},
		{`[{"op":"replace","path":"/metadata/name","value":"other"}]`, `201 {"k":"v"}`, `422 ConfigMap "other" is invalid: metadata.name: Invalid value: "other": field is immutable`, noModify},
		{`[{"op":"replace","path":"/metadata/namespace","value":"kube-system"}]`, `400 the namespace of the provided object does not match the namespace sent on the request`, "=", noModify},
		{`[{"op":"add","path":"/metadata/uid","value":"u"}]`, `201 {"k":"v"}`, `422 ConfigMap "o" is invalid: metadata.uid: Invalid value: "u": field is immutable`, noModify},
		{`[{"op":"add","path":"/metadata/resourceVersion","value":"12"}]`, `500 resourceVersion should not be set on objects to be created`,
			`409 Operation cannot be fulfilled on configmaps "o": the object has been modified; please apply your changes to the latest version and try again`, noModify},
		{`[{"op":"add","path":"/metadata/creationTimestamp","value":"2001-01-01T00:00:00Z"}]`, `201 {"k":"v"}`, `200 {"k":"v"}`, noModify},
		{`[{"op":"add","path":"/metadata/deletionTimestamp","value":"2020-01-01T00:00:00Z"}]`, `201 {"k":"v"}`,
			`422 ConfigMap "o" is invalid: metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable`, noModify},
		{`[{"op":"replace","path":"/apiVersion","value":"v2"}]`, `500 Internal error occurred: no kind "ConfigMap" is registered for version "v2" in scheme "pkg/runtime/scheme.go:111"`, "=", noModify},
		{`[{"op":"remove","path":"/kind"}]`, `201 {"k":"v"}`, `200 {"k":"v"}`, noModify},
		{`[{"op":"replace","path":"","value":[]}]`, `500 Internal error occurred: ` + noKind + `json: cannot unmarshal array into Go value of type ` + kindFields, "=", noModify},
		{`[{"op":"remove","path":"/metadata"}]`, `422 ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required`,
			`422 ConfigMap "" is invalid: [metadata.name: Required value: name or generateName is required, metadata.name: Invalid value: "": field is immutable]`, noModify},
		{`[{"op":"add","path":"/metadata/labels","value":{"a b":"b"}}]`, `422 ConfigMap "o" is invalid: metadata.labels: Invalid value: "a b": name part must consist of`, "=", noModify},
		{`[{"op":"add","path":"/data/x","path":"/data/z","value":"y"}]`, `201 {"k":"v","z":"y"}`, `200 {"k":"v","z":"y"}`, noModify},
	} {
		s.Must(201, "POST", apitest.MapsPath, `{"metadata":{"name":"there"},"data":{"k":"v"}}`)
		s.patches("patch", c.patch)
		for _, verb := range []struct{ method, path, body, want string }{
			{"POST", apitest.MapsPath, `{"metadata":{"name":"o"},"data":{"k":"v"}}`, c.create},
			{"PUT", apitest.MapsPath + "/o", `{"metadata":{"name":"o"},"data":{"k":"v"}}`, c.update},
			{"DELETE", apitest.MapsPath + "/o", "", c.delete},
		} {
			if verb.method != "POST" {
				s.Try("POST", apitest.MapsPath, `{"metadata":{"name":"o"},"data":{"k":"v"}}`)
			}
			s.configure("Mutating", "patch", s.hookOf("p", "patch", `"rules":[{"operations":["*"],"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"]}]`))
			var body any
			if verb.body != "" {
				body = verb.body
			}
			code, got := s.Try(verb.method, verb.path, body)
			shown := strings.TrimSpace(string(tree.AppendJSON(nil, int64(code))) + " " + message(got))
			if verb.method != "DELETE" && code < 300 {
				shown += " " + string(tree.AppendJSON(nil, got["data"]))
			}
			want := verb.want
			if want == "=" {
				want = c.create
			}
			if !strings.HasPrefix(shown, want) {
				t.Errorf("%s %s:\n got %s\nwant %s", verb.method, c.patch, shown, want)
			}
			s.unconfigure()
			s.Must(200, "DELETE", apitest.MapsPath, nil)
		}
	}
}

// TestPatchesOfOthers: patches of what is no object of the resource count as well: of a scale, of a token request, of a binding.
func TestPatchesOfOthers(t *testing.T) {
	s := start(t, nil)
	s.Must(201, "POST", "/api/v1/nodes", `{"metadata":{"name":"n2"}}`)
	s.Must(201, "POST", "/apis/apps/v1/namespaces/default/deployments", deployment)
	s.Must(201, "POST", "/api/v1/namespaces/default/pods", `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}`)
	s.patches("scale", `[{"op":"replace","path":"/spec/replicas","value":7}]`)
	s.patches("binding", `[{"op":"replace","path":"/target/name","value":"n2"},{"op":"add","path":"/x","value":1}]`)
	s.patches("token", `[{"op":"replace","path":"/spec/expirationSeconds","value":1200}]`)
	s.patches("wrong", `[{"op":"replace","path":"/spec/replicas","value":"many"}]`)
	for path, resource := range map[string]string{"scale": "deployments/scale", "binding": "pods/binding", "token": "serviceaccounts/token"} {
		s.configure("Mutating", path, s.hookOf("m", path, `"rules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["`+resource+`"]}]`))
	}
	if got := s.Must(200, "PATCH", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{"spec":{"replicas":2}}`); tree.At(got, "spec", "replicas") != int64(7) {
		t.Errorf("a scale: %v", got)
	}
	if got := s.Must(200, "GET", "/apis/apps/v1/namespaces/default/deployments/d", nil); tree.At(got, "spec", "replicas") != int64(7) {
		t.Errorf("what is scaled: %v", got["spec"])
	}
	s.Must(201, "POST", "/api/v1/namespaces/default/pods/p/binding", `{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}}`)
	if got := s.Must(200, "GET", "/api/v1/namespaces/default/pods/p", nil); tree.Text(got, "spec", "nodeName") != "n2" {
		t.Errorf("a binding: %v", got["spec"])
	}
	if got := s.Must(201, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", `{}`); tree.At(got, "spec", "expirationSeconds") != int64(1200) {
		t.Errorf("a token: %v", got["spec"])
	}
	s.unconfigure()
	s.configure("Mutating", "wrong", s.hookOf("m", "wrong", `"rules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["deployments/scale"]}]`))
	got := s.Must(500, "PATCH", "/apis/apps/v1/namespaces/default/deployments/d/scale", `{"spec":{"replicas":2}}`)
	if want := "Internal error occurred: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"; message(got) != want {
		t.Errorf("%s, want %s", message(got), want)
	}
}
