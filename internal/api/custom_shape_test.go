package api_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// Whole conversations about custom objects. The answers of all rows are kube-apiserver v1.37.2's, to
// the same requests in the same order.

// customRow is a request and what is asked of its answer.
type customRow struct {
	// verb is a method, or merge or json for a patch of that type.
	verb string
	// path is the version, and behind it the name, the subresource, the query.
	path string
	// body is JSON; a resource version NOW is the current one.
	body string
	// want is the code, and what the answer says: of an object all but its identity, with its generation
	// as g, of a failure its causes or its message. A patched object in a message is left out.
	want string
}

// runCustom makes a definition with versions, and sends the requests of all rows.
func runCustom(t *testing.T, versionTexts string, rows []customRow) {
	t.Helper()
	c := startClients(t)
	crd, _, err := tree.ParseJSONObject([]byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.example.com"},
"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"things","singular":"thing","kind":"Thing","listKind":"ThingList"},"versions":` + versionTexts + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	c.Must(201, "POST", definitionsPath, crd)
	for _, row := range rows {
		version, rest, named := strings.Cut(row.path, "/")
		version, query, _ := strings.Cut(version, "?")
		path := "/apis/example.com/" + version + "/namespaces/default/things"
		if named {
			path += "/" + rest
		}
		if query != "" {
			path += "?" + query
		}
		method, header := row.verb, []string(nil)
		switch row.verb {
		case "merge":
			method, header = "PATCH", []string{"Content-Type: application/merge-patch+json"}
		case "json":
			method, header = "PATCH", []string{"Content-Type: " + apitest.JSONPatch}
		}
		var body any
		if row.body != "" {
			text := row.body
			if strings.Contains(text, `"NOW"`) {
				name, _, _ := strings.Cut(rest, "/")
				now := c.Must(200, "GET", "/apis/example.com/"+version+"/namespaces/default/things/"+name, nil)
				text = strings.Replace(text, "NOW", revision(now), 1)
			}
			body = text
		}
		code, obj := c.Try(method, path, body, header...)
		if got := shownCustom(code, obj); got != row.want {
			t.Errorf("%s %s %s\n got %s\nwant %s", row.verb, row.path, row.body, got, row.want)
		}
	}
}

// patchedObject is the object in the message about a patch.
var patchedObject = regexp.MustCompile(`patch: Invalid value: "\{.*\}": `)

// shownCustom writes an answer as rows have it.
func shownCustom(code int, obj map[string]any) string {
	if obj["kind"] == "Status" {
		var causes []string
		for _, e := range tree.List(obj, "details", "causes") {
			causes = append(causes, tree.Text(e, "field")+": "+tree.Text(e, "message"))
		}
		text := strings.Join(causes, "; ")
		if causes == nil {
			text = tree.Text(obj, "message")
		}
		return fmt.Sprintf("%d %s", code, patchedObject.ReplaceAllString(text, "patch: "))
	}
	shown := map[string]any{"g": tree.At(obj, "metadata", "generation")}
	for name, v := range obj {
		if name != "apiVersion" && name != "kind" && name != "metadata" {
			shown[name] = v
		}
	}
	if labels := tree.Object(obj, "metadata", "labels"); labels != nil {
		shown["labels"] = labels
	}
	return fmt.Sprintf("%d %s", code, tree.AppendJSON(nil, shown))
}

// TestCustomVersions: a request is completed by its own version, what is stored by the
// storage version, and a read by none. The generation counts what differs in the version of the write.
func TestCustomVersions(t *testing.T) {
	runCustom(t, `[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"string"},"d1":{"type":"string","default":"one"},"n":{"type":"integer"},"only1":{"type":"string"},"nul":{"type":"string","nullable":true}}},"status":{"type":"object","properties":{"p":{"type":"string"},"df":{"type":"string","default":"ready"}}}}}},"subresources":{"status":{}}},{"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"string"},"d2":{"type":"string","default":"two"},"n":{"type":"integer"},"only2":{"type":"string"},"nul":{"type":"string"}}},"status":{"type":"object","properties":{"p":{"type":"string"},"df":{"type":"string","default":"ready"}}}}}},"subresources":{"status":{}}}]`, []customRow{
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"a":"1"}}`, `201 {"g":1,"spec":{"a":"1","d1":"one"}}`},
		{"GET", "v1/a", ``, `200 {"g":1,"spec":{"a":"1","d1":"one"}}`},
		{"GET", "v2/a", ``, `200 {"g":1,"spec":{"a":"1"}}`},
		{"merge", "v2/a", `{"metadata":{"labels":{"l":"1"}}}`, `200 {"g":2,"labels":{"l":"1"},"spec":{"a":"1"}}`},
		{"GET", "v1/a", ``, `200 {"g":2,"labels":{"l":"1"},"spec":{"a":"1","d1":"one"}}`},
		{"merge", "v1/a", `{"metadata":{"labels":{"l":"2"}}}`, `200 {"g":2,"labels":{"l":"2"},"spec":{"a":"1","d1":"one"}}`},
		{"json", "v2/a", `[{"op":"test","path":"/spec/d2","value":"two"}]`, `422 the server rejected our request due to an error in our request`},
		{"merge", "v2/a", `{"spec":{"only2":"x"}}`, `200 {"g":3,"labels":{"l":"2"},"spec":{"a":"1"}}`},
		{"GET", "v1/a", ``, `200 {"g":3,"labels":{"l":"2"},"spec":{"a":"1","d1":"one"}}`},
		{"PUT", "v2/a", `{"apiVersion":"example.com/v2","kind":"Thing","metadata":{"name":"a","resourceVersion":"NOW"},"spec":{"a":"2"}}`, `200 {"g":4,"spec":{"a":"2"}}`},
		{"GET", "v1/a", ``, `200 {"g":4,"spec":{"a":"2","d1":"one"}}`},
		{"merge", "v1/a", `{"spec":{"only1":"kept?"}}`, `200 {"g":5,"spec":{"a":"2","d1":"one","only1":"kept?"}}`},
		{"merge", "v2/a", `{"spec":{"a":"3"}}`, `200 {"g":6,"spec":{"a":"3"}}`},
		{"GET", "v1/a", ``, `200 {"g":6,"spec":{"a":"3","d1":"one"}}`},
		{"POST", "v2", `{"apiVersion":"example.com/v2","kind":"Thing","metadata":{"name":"b"},"spec":{"a":"1"},"status":{"p":"x"}}`, `201 {"g":1,"spec":{"a":"1"}}`},
		{"GET", "v1/b", ``, `200 {"g":1,"spec":{"a":"1","d1":"one"}}`},
		{"GET", "v2/b", ``, `200 {"g":1,"spec":{"a":"1"}}`},
		{"merge", "v2/b?dryRun=All", `{"spec":{"a":"2"}}`, `200 {"g":2,"spec":{"a":"2"}}`},
		{"GET", "v1/b", ``, `200 {"g":1,"spec":{"a":"1","d1":"one"}}`},
		{"merge", "v2/b/status", `{"status":{"p":"y"}}`, `200 {"g":1,"spec":{"a":"1"},"status":{"df":"ready","p":"y"}}`},
		{"GET", "v1/b", ``, `200 {"g":1,"spec":{"a":"1","d1":"one"},"status":{"df":"ready","p":"y"}}`},
		{"merge", "v2/b/status", `{"status":null}`, `200 {"g":1,"spec":{"a":"1"}}`},
		{"GET", "v1/b", ``, `200 {"g":1,"spec":{"a":"1","d1":"one"}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"e"},"status":{"p":"x"}}`, `201 {"g":1}`},
		{"merge", "v1/e/status", `{"status":{}}`, `200 {"g":1,"status":{"df":"ready"}}`},
		{"GET", "v2/e", ``, `200 {"g":1,"status":{"df":"ready"}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"f"},"spec":{"nul":null,"d1":null,"n":null}}`, `201 {"g":1,"spec":{"d1":"one","nul":null}}`},
		{"GET", "v2/f", ``, `200 {"g":1,"spec":{}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"g"},"spec":{"n":1}}`, `201 {"g":1,"spec":{"d1":"one","n":1}}`},
		{"merge", "v1/g", `{"spec":{"n":1.0}}`, `200 {"g":2,"spec":{"d1":"one","n":1}}`},
		{"merge", "v1/g", `{"spec":{"n":1}}`, `200 {"g":2,"spec":{"d1":"one","n":1}}`},
		{"merge", "v1/g", `{}`, `200 {"g":2,"spec":{"d1":"one","n":1}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"h"}}`, `201 {"g":1}`},
		{"GET", "v2/h", ``, `200 {"g":1}`},
		{"merge", "v2/h", `{}`, `200 {"g":1}`},
		{"merge", "v2/h", `{"spec":{}}`, `200 {"g":2,"spec":{}}`},
		{"merge", "v2/h", `{"spec":{}}`, `200 {"g":3,"spec":{}}`},
	})
}

// TestCustomContents: embedded resources are decoded, checked and normalised like objects, in
// the order of upstream; a write of the status is checked for less; paths of a scale for more.
func TestCustomContents(t *testing.T) {
	runCustom(t, `[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","required":["size"],"properties":{"size":{"type":"integer","maximum":10},"t":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true},"list":{"type":"array","items":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}},"map":{"type":"object","additionalProperties":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}},"named":{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"metadata":{"type":"object","properties":{"name":{"type":"string","maxLength":3}}},"kind":{"type":"string"}}},"set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},"lm":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","required":["k"],"properties":{"k":{"type":"string"},"v":{"type":"integer","maximum":5}}}}}},"status":{"type":"object","required":["phase"],"properties":{"phase":{"type":"string","enum":["A","B"]},"n":{"type":"integer","maximum":9},"t":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true},"set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}}},"top":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}}}},"subresources":{"status":{},"scale":{"specReplicasPath":".spec.size","statusReplicasPath":".status.n"}}}]`, []customRow{
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m1"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":1}}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"labels":{"a":1}}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m2"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":5}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"name":5}: json: cannot unmarshal number into Go struct field ObjectMeta.name of type string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m3"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"bogus"}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"creationTimestamp":"bogus"}: parsing time "bogus" as "2006-01-02T15:04:05Z07:00": cannot parse "bogus" as "2006"`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m4"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"finalizers":"x"}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"finalizers":"x"}: json: cannot unmarshal string into Go struct field ObjectMeta.finalizers of type []string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m5"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":[]}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: []: json: cannot unmarshal array into Go value of type v1.ObjectMeta`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m6"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":"x"}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: "x": json: cannot unmarshal string into Go value of type v1.ObjectMeta`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m7"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"uid":5}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"uid":5}: json: cannot unmarshal number into Go struct field ObjectMeta.uid of type types.UID`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m8"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"deletionGracePeriodSeconds":1.5}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"deletionGracePeriodSeconds":1.5}: json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.deletionGracePeriodSeconds of type int64`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"nul"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":null}}}`, `201 {"g":1,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{}}}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m9"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a b":"c"}}}}}`, `422 spec.t.metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m10"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":"b c"}}}}}`, `422 spec.t.metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m11"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"annotations":{"a b":""}}}}}`, `422 spec.t.metadata.annotations: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m12"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":"a/b"}}}}`, `422 spec.t.metadata.name: Invalid value: "a/b": may not contain '/'`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m13"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":".."}}}}`, `422 spec.t.metadata.name: Invalid value: "..": may not be '..'`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m14"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"generateName":"a%"}}}}`, `422 spec.t.metadata.generateName: Invalid value: "a%": may not contain '%'`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m15"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"namespace":"a.b"}}}}`, `422 spec.t.metadata.namespace: Invalid value: "a.b": must not contain dots`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m16"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"generation":-1}}}}`, `422 spec.t.metadata.generation: Invalid value: -1: must be greater than or equal to 0`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m17"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"finalizers":["a b"]}}}}`, `422 spec.t.metadata.finalizers: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m18"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"managedFields":[{}]}}}}`, `422 spec.t.metadata.managedFields[0].operation: Required value: must not be empty`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m19"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"managedFields":[{"operation":"X","fieldsType":"Y"}]}}}}`, "422 spec.t.metadata.managedFields[0].operation: Unsupported value: \"X\": supported values: \"Apply\", \"Update\"; spec.t.metadata.managedFields[0].fieldsType: Invalid value: \"Y\": must be `FieldsV1`"},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m20"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":"A_b","namespace":"ns"}}}}`, `201 {"g":1,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":"A_b","namespace":"ns"}}}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m21"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"managedFields":[],"labels":{},"name":"","annotations":null,"finalizers":[]}}}}`, `201 {"g":1,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{}}}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m22"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T02:00:00.5+02:00","deletionGracePeriodSeconds":2.0,"generation":0}}}}`, `201 {"g":1,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","deletionGracePeriodSeconds":2}}}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"m23"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":null},"foo":1}}}}`, `201 {"g":1,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":""}}}}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"k1"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":null}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.kind: Invalid value: null: must be a string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"k2"},"spec":{"size":1,"t":{"apiVersion":5,"kind":"X"}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.apiVersion: Invalid value: 5: must be a string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"k3"},"spec":{"size":1,"t":{"kind":"X_y","apiVersion":"a/b/c"}}}`, `422 spec.t.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c; spec.t.kind: Invalid value: "X_y": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"k4"},"spec":{"size":1,"t":{"kind":""}}}`, `422 spec.t.apiVersion: Required value; spec.t.kind: Invalid value: "": must not be empty`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o1"},"spec":{"size":-1,"t":{"kind":"X","metadata":{"name":"a/b"}},"set":["a","a"]}}`, `422 .spec.size: Invalid value: -1: should be a non-negative integer; spec.t.apiVersion: Required value; spec.t.metadata.name: Invalid value: "a/b": may not contain '/'; spec.set[1]: Duplicate value: "a"`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o2"},"spec":{"size":11,"list":[{"apiVersion":"v1","kind":"X"},{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a b":""}}}]}}`, `422 spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10; spec.list[1].metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o3"},"spec":{"size":1,"map":{"k":{"apiVersion":"v1","kind":"X","metadata":{"name":"%"}}}}}`, `422 spec.map[k].metadata.name: Invalid value: "%": may not contain '%'`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o4"},"spec":{"size":1,"map":{"k":{"apiVersion":"v1","kind":"X","metadata":{"name":1}}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.map[k].metadata: Invalid value: {"name":1}: json: cannot unmarshal number into Go struct field ObjectMeta.name of type string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o5"},"spec":{"size":1,"named":{"apiVersion":"v1","kind":"X","metadata":{"name":"long"}}}}`, `422 spec.named.metadata.name: Too long: may not be more than 3 bytes`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o6"},"spec":{"size":1,"named":{"apiVersion":"v1","kind":null,"metadata":null}}}`, `422 spec.named.kind: Required value`},
		{"POST", "v1?fieldValidation=Strict", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"o7"},"spec":{"size":1,"x":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"x":1,"ownerReferences":[{"apiVersion":"v1","kind":"A","name":"n","uid":"u","y":1}]}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.x", unknown field "spec.t.metadata.ownerReferences[0].y", unknown field "spec.t.metadata.x"`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"top"},"spec":{"size":1},"top":{"apiVersion":"v1","kind":"X","metadata":{"name":1}}}`, `400 Thing in version "v1" cannot be handled as a Thing: top.metadata: Invalid value: {"name":1}: json: cannot unmarshal number into Go struct field ObjectMeta.name of type string`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"u"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":"x"}}}}`, `201 {"g":1,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"name":"x"}}}}`},
		{"merge", "v1/u", `{"spec":{"t":{"metadata":{"labels":{"a":1}}}}}`, `422 patch: spec.t.metadata: Invalid value: {"labels":{"a":1},"name":"x"}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
		{"merge", "v1/u", `{"spec":{"t":{"metadata":{"labels":{"a b":"1"}}}}}`, `422 spec.t.metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`},
		{"merge", "v1/u", `{"spec":{"t":{"metadata":null}}}`, `200 {"g":2,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X"}}}`},
		{"merge", "v1/u", `{"spec":{"t":{"metadata":{"name":"y","creationTimestamp":"2020-01-01T00:00:00.9Z"}}}}`, `200 {"g":3,"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","name":"y"}}}}`},
		{"json", "v1/u", `[{"op":"add","path":"/spec/t/metadata/labels","value":{"a":true}}]`, `422 patch: spec.t.metadata: Invalid value: {"creationTimestamp":"2020-01-01T00:00:00Z","labels":{"a":true},"name":"y"}: json: cannot unmarshal bool into Go struct field ObjectMeta.labels of type string`},
		{"json", "v1/u", `[{"op":"add","path":"/spec/t/kind","value":null}]`, `422 patch: spec.t.kind: Invalid value: null: must be a string`},
		{"json", "v1/u", `[{"op":"remove","path":"/spec/t/kind"}]`, `422 spec.t.kind: Required value`},
		{"merge", "v1/u", `{"spec":{"list":[{"apiVersion":"v1","kind":"X","metadata":{"name":null,"labels":{"a":"b"}}}]}}`, `200 {"g":4,"spec":{"list":[{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":"b"}}}],"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","name":"y"}}}}`},
		{"PUT", "v1/u", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"u","resourceVersion":"NOW"},"spec":{"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":5}}}}`, `400 Thing in version "v1" cannot be handled as a Thing: spec.t.metadata: Invalid value: {"labels":5}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type map[string]string`},
		{"PUT", "v1/u", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"u"},"spec":{"size":2}}`, `422 metadata.resourceVersion: Invalid value: 0: must be specified for an update`},
		{"merge", "v1/u/status", `{"status":{"phase":"A","t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":1}}}}}`, `422 patch: status.t.metadata: Invalid value: {"labels":{"a":1}}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
		{"merge", "v1/u/status", `{"status":{"phase":"A","t":{"kind":"1","metadata":{"labels":{"a b":"1"},"foo":1}}}}`, `200 {"g":4,"spec":{"list":[{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":"b"}}}],"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","name":"y"}}},"status":{"phase":"A","t":{"kind":"1","metadata":{"labels":{"a b":"1"}}}}}`},
		{"merge", "v1/u/status", `{"status":{"phase":"C","n":10}}`, `422 status.n: Invalid value: 10: n in body should be less than or equal to 9; status.phase: Unsupported value: "C": supported values: "A", "B"`},
		{"merge", "v1/u/status", `{"status":{"phase":null}}`, `422 status.phase: Required value`},
		{"merge", "v1/u/status", `{"status":5}`, `422 status: Invalid value: "integer":  in body must be of type object: "integer"; .status.n: Invalid value: 0: .status.n accessor error: 5 is of the type int64, expected map[string]interface{}`},
		{"merge", "v1/u/status", `{"status":{"set":["a","a"]}}`, `422 status.set[1]: Duplicate value: "a"`},
		{"merge", "v1/u/status", `{"status":{"n":-1}}`, `422 .status.n: Invalid value: -1: should be a non-negative integer`},
		{"merge", "v1/u/status", `{"status":null}`, `200 {"g":4,"spec":{"list":[{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":"b"}}}],"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","name":"y"}}}}`},
		{"PUT", "v1/u/status", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"u","resourceVersion":"NOW"},"spec":{"size":99,"t":5},"status":{"phase":"B"}}`, `200 {"g":4,"spec":{"list":[{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":"b"}}}],"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","name":"y"}}},"status":{"phase":"B"}}`},
		{"PUT", "v1/u/status", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"u","resourceVersion":"NOW","labels":{"x":"y"}},"status":{"phase":"B","n":3}}`, `200 {"g":4,"spec":{"list":[{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":"b"}}}],"size":1,"t":{"apiVersion":"v1","kind":"X","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","name":"y"}}},"status":{"n":3,"phase":"B"}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"s1"},"spec":{"size":-1}}`, `422 .spec.size: Invalid value: -1: should be a non-negative integer`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"s2"},"spec":{"size":"x"}}`, `422 spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"; .spec.size: Invalid value: 0: .spec.size accessor error: x is of the type string, expected int64`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"s3"},"spec":{"size":1.0}}`, `422 .spec.size: Invalid value: 0: .spec.size accessor error: 1 is of the type float64, expected int64`},
	})
}

// TestCustomConversionFails: what the storage version cannot decode is not stored, by a write in
// another version that could.
func TestCustomConversionFails(t *testing.T) {
	runCustom(t, `[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"t":{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true},"n":{"type":"string","nullable":false}}}}}}},{"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"t":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"n":{"type":"string","nullable":true}}}}}}}]`, []customRow{
		{"POST", "v2", `{"apiVersion":"example.com/v2","kind":"Thing","metadata":{"name":"a"},"spec":{"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":1},"name":"x","foo":1}}}}`, `500 spec.t.metadata: Invalid value: {"foo":1,"labels":{"a":1},"name":"x"}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
		{"GET", "v2/a", ``, `404 things.example.com "a" not found`},
		{"GET", "v1/a", ``, `404 things.example.com "a" not found`},
		{"POST", "v2", `{"apiVersion":"example.com/v2","kind":"Thing","metadata":{"name":"b"},"spec":{"t":{"kind":5,"metadata":{"labels":{"a b":"x"}}}}}`, `500 spec.t.kind: Invalid value: 5: must be a string`},
		{"GET", "v1/b", ``, `404 things.example.com "b" not found`},
		{"POST", "v2", `{"apiVersion":"example.com/v2","kind":"Thing","metadata":{"name":"c"},"spec":{"t":{"x":1},"n":null}}`, `201 {"g":1,"spec":{"t":{"x":1}}}`},
		{"GET", "v1/c", ``, `200 {"g":1,"spec":{"t":{"x":1}}}`},
		{"GET", "v2/c", ``, `200 {"g":1,"spec":{"t":{"x":1}}}`},
		{"merge", "v2/c", `{"spec":{"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":1},"name":"x","foo":1}}}}`, `500 spec.t.metadata: Invalid value: {"foo":1,"labels":{"a":1},"name":"x"}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
		{"merge", "v1/c", `{"spec":{"t":{"apiVersion":"v1","kind":"X"}}}`, `200 {"g":2,"spec":{"t":{"apiVersion":"v1","kind":"X","x":1}}}`},
		{"POST", "v2?dryRun=All", `{"apiVersion":"example.com/v2","kind":"Thing","metadata":{"name":"d"},"spec":{"t":{"apiVersion":"v1","kind":"X","metadata":{"labels":{"a":1},"name":"x","foo":1}}}}`, `500 spec.t.metadata: Invalid value: {"foo":1,"labels":{"a":1},"name":"x"}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string`},
	})
}

// TestCustomScales: a scale in a version that is not stored adds none of its defaults; it makes
// the field that is missing; the numbers are checked in every write.
func TestCustomScales(t *testing.T) {
	runCustom(t, `[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"n":{"type":"integer"},"d1":{"type":"string","default":"d1"}}},"status":{"type":"object","properties":{"n":{"type":"integer"}}}}}},"subresources":{"status":{},"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}}},{"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"n":{"type":"integer"},"d2":{"type":"string","default":"d2"}}},"status":{"type":"object","properties":{"n":{"type":"integer"}}}}}},"subresources":{"status":{},"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}}}]`, []customRow{
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"n":1}}`, `201 {"g":1,"spec":{"d1":"d1","n":1}}`},
		{"merge", "v2/a/scale", `{"spec":{"replicas":1}}`, `200 {"g":null,"spec":{"replicas":1},"status":{"replicas":0}}`},
		{"GET", "v1/a", ``, `200 {"g":1,"spec":{"d1":"d1","n":1}}`},
		{"merge", "v2/a/scale", `{"spec":{"replicas":2}}`, `200 {"g":null,"spec":{"replicas":2},"status":{"replicas":0}}`},
		{"GET", "v1/a", ``, `200 {"g":2,"spec":{"d1":"d1","n":2}}`},
		{"merge", "v1/a/scale", `{"spec":{"replicas":2}}`, `200 {"g":null,"spec":{"replicas":2},"status":{"replicas":0}}`},
		{"GET", "v2/a", ``, `200 {"g":2,"spec":{"n":2}}`},
		{"POST", "v1", `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"b"},"spec":{}}`, `201 {"g":1,"spec":{"d1":"d1"}}`},
		{"GET", "v1/b/scale", ``, `500 : the spec replicas field ".spec.n" does not exist`},
		{"merge", "v1/b/scale", `{"status":{"replicas":2}}`, `400 the spec replicas field ".spec.n" cannot be empty`},
		{"merge", "v2/b/scale", `{"spec":{"replicas":0}}`, `200 {"g":null,"spec":{},"status":{"replicas":0}}`},
		{"GET", "v1/b", ``, `200 {"g":2,"spec":{"d1":"d1","n":0}}`},
		{"merge", "v1/b", `{"spec":{"n":-1}}`, `422 .spec.n: Invalid value: -1: should be a non-negative integer`},
		{"merge", "v1/b/status", `{"status":{"n":3000000000}}`, `422 .status.n: Invalid value: 3000000000: should be less than or equal to 2147483647`},
	})
}
