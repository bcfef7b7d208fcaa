package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

const (
	asTable   = "application/json;as=Table;v=v1;g=meta.k8s.io"
	asTable1  = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
	asPartial = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	asParts   = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
)

// plain is a body without what differs in each run.
func plain(w *httptest.ResponseRecorder) string {
	text := chance.ReplaceAllString(strings.TrimSpace(w.Body.String()), "ANY")
	return agePart.ReplaceAllString(revisionText.ReplaceAllString(text, "${1}N"), `"AGE"`)
}

var (
	revisionText = regexp.MustCompile(`("?resourceVersion"?: ?)("[0-9]+"|ANY)`)
	agePart      = regexp.MustCompile(`"[0-9]+s"`)
)

// TestForms: each form of an answer, to the byte. What is in YAML or in another form says the same.
func TestForms(t *testing.T) {
	r := newReviewed(t)
	r.widget("w", "")
	r.ask("POST "+answerSpaces+"/kube-public/configmaps", answerMap)
	const (
		maps    = answerSpaces + "/kube-public/configmaps"
		columns = `[{"description":"name of the object","format":"name","name":"Name","priority":0,"type":"string"},{"description":"how many keys there are","format":"","name":"Data","priority":0,"type":"string"},{"description":"how long ago the object was created","format":"","name":"Age","priority":0,"type":"string"}]`
	)
	for _, c := range []struct{ request, body, accept, typ, want string }{
		{"GET " + maps + "/a", "", "application/yaml", "application/yaml", "200 apiVersion: v1\nkind: ConfigMap\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: a\n  namespace: kube-public\n  resourceVersion: N\n  uid: ANY"},
		{"GET " + maps + "/a", "", "text/yaml, application/yaml;q=0.5", "application/yaml", "200 apiVersion: v1\nkind: ConfigMap\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: a\n  namespace: kube-public\n  resourceVersion: N\n  uid: ANY"},
		{"GET " + maps + "/a", "", "application/*", "application/json", `200 {"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}`},
		{"GET " + maps + "/a", "", "application/vnd.kubernetes.protobuf;q=0.9, application/json", "application/json", `200 {"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}`},
		{"GET " + maps + "/a?pretty=1", "", "", "application/json", "200 {\n  \"apiVersion\": \"v1\",\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\n    \"creationTimestamp\": \"ANY\",\n    \"name\": \"a\",\n    \"namespace\": \"kube-public\",\n    \"resourceVersion\": N,\n    \"uid\": \"ANY\"\n  }\n}"},
		{"GET " + maps + "/a", "", asPartial, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}`},
		{"GET " + maps + "/a", "", "application/yaml;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/yaml", "200 apiVersion: meta.k8s.io/v1\nkind: PartialObjectMetadata\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: a\n  namespace: kube-public\n  resourceVersion: N\n  uid: ANY"},
		{"GET " + maps + "/a", "", asParts, "application/json", `406 {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",` +
			`"message":"you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)","reason":"NotAcceptable","code":406}`},
		{"GET " + maps + "/a", "", asTable, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","columnDefinitions":` + columns + `,"kind":"Table","metadata":{"resourceVersion":N},"rows":[{"cells":["a",0,"AGE"],"object":{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}}]}`},
		{"GET " + maps + "/a?includeObject=None", "", asTable1, "application/json", `200 {"apiVersion":"meta.k8s.io/v1beta1","columnDefinitions":` + columns + `,"kind":"Table","metadata":{"resourceVersion":N},"rows":[{"cells":["a",0,"AGE"],"object":null}]}`},
		{"GET " + maps + "/a?includeObject=Object", "", asTable, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","columnDefinitions":` + columns + `,"kind":"Table","metadata":{"resourceVersion":N},"rows":[{"cells":["a",0,"AGE"],"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}}]}`},
		{"GET " + maps + "/a?includeObject=all", "", asTable, "application/json", "400 {\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",\n  \"message\": \"Unable to convert to Table as requested: includeObject: Invalid value: \\\"all\\\": must be 'Metadata', 'Object', 'None', or empty\",\n  \"reason\": \"BadRequest\",\n  \"code\": 400\n}"},
		{"GET " + maps + "?fieldSelector=metadata.name%3Da", "", asParts, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","items":[{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}],"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":N}}`},
		{"GET " + maps + "?fieldSelector=metadata.name%3Da", "", asPartial, "application/json", `406 {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)","reason":"NotAcceptable","code":406}`},
		{"GET " + maps + "?fieldSelector=metadata.name%3Da&includeObject=None", "", asTable, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","columnDefinitions":` + columns + `,"kind":"Table","metadata":{"resourceVersion":N},"rows":[{"cells":["a",0,"AGE"],"object":null}]}`},
		{"GET " + maps + "?fieldSelector=metadata.name%3Da", "", "application/yaml", "application/yaml", "200 apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    creationTimestamp: \"ANY\"\n    name: a\n    namespace: kube-public\n    resourceVersion: N\n    uid: ANY\nkind: ConfigMapList\nmetadata:\n  resourceVersion: N"},
		{"GET " + maps + "?fieldSelector=metadata.name%3Dnone", "", "application/yaml", "application/yaml", "200 apiVersion: v1\nitems: []\nkind: ConfigMapList\nmetadata:\n  resourceVersion: N"},
		{"GET " + maps + "/a", "", "text/html", "application/json", "406 {\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",\n  \"message\": \"406: Not Acceptable\\n\\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf\",\n  \"reason\": \"NotAcceptable\",\n  \"details\": {},\n  \"code\": 406\n}"},
		{"GET " + maps + "?watch=1", "", "application/yaml", "application/yaml", "406 apiVersion: v1\ncode: 406\nkind: Status\nmessage: 'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch'\nmetadata: {}\nreason: NotAcceptable\nstatus: Failure"},
		{"GET " + maps + "/a", "", "application/json;as=Table;v=v2;g=meta.k8s.io", "application/json", "406 {\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n  \"status\": \"Failure\",\n  \"message\": \"only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf\",\n  \"reason\": \"NotAcceptable\",\n  \"code\": 406\n}"},
		{"GET " + maps + "/a", "", "application/json;as=Other;v=v1;g=meta.k8s.io,application/yaml", "application/yaml", "200 apiVersion: v1\nkind: ConfigMap\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: a\n  namespace: kube-public\n  resourceVersion: N\n  uid: ANY"},
		{"GET " + maps + "/none", "", "application/yaml", "application/yaml", "404 apiVersion: v1\ncode: 404\ndetails:\n  kind: configmaps\n  name: none\nkind: Status\nmessage: configmaps \"none\" not found\nmetadata: {}\nreason: NotFound\nstatus: Failure"},
		{"PATCH " + maps + "/a", `{}`, asPartial, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}`},
		{"PATCH " + maps + "/a?dryRun=All", `{"data":{"k":"v"}}`, "application/yaml", "application/yaml", "200 apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: a\n  namespace: kube-public\n  resourceVersion: N\n  uid: ANY"},
		{"DELETE " + maps + "/a?dryRun=All", ``, asTable, "application/json", `200 {"apiVersion":"v1","details":{"kind":"configmaps","name":"a","uid":"ANY"},"kind":"Status","metadata":{},"status":"Success"}`},
		{"DELETE " + maps + "?dryRun=All&fieldSelector=metadata.name%3Da", ``, asParts, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","items":[{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"creationTimestamp":"ANY","name":"a","namespace":"kube-public","resourceVersion":N,"uid":"ANY"}}],"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":N}}`},
		{"DELETE " + maps + "?dryRun=All", ``, asPartial, "application/json", `406 {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)","reason":"NotAcceptable","code":406}`},
		{"GET " + reviewWidgets + "/w/scale", "", "", "application/json", `200 {"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"creationTimestamp":"ANY","name":"w","namespace":"default","resourceVersion":N,"uid":"ANY"},"spec":{"replicas":1},"status":{"replicas":0}}`},
		{"GET " + reviewWidgets + "/w/scale", "", "application/yaml", "application/yaml", "200 apiVersion: autoscaling/v1\nkind: Scale\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: w\n  namespace: default\n  resourceVersion: N\n  uid: ANY\nspec:\n  replicas: 1\nstatus:\n  replicas: 0"},
		{"GET " + reviewWidgets + "/w/scale?includeObject=None", "", asTable, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","columnDefinitions":[{"description":"The name of the object, unique among the objects of its kind in its namespace.","format":"name","name":"Name","priority":0,"type":"string"},{"description":"When the object was created, by the clock of the server.","format":"","name":"Age","priority":0,"type":"date"}],"kind":"Table","metadata":{"resourceVersion":N},"rows":[{"cells":["w","AGE"],"object":null}]}`},
		{"GET " + reviewWidgets + "/w/scale", "", asPartial, "application/json", `200 {"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{"creationTimestamp":"ANY","name":"w","namespace":"default","resourceVersion":N,"uid":"ANY"}}`},
		{"PUT " + reviewWidgets + "/w/scale?dryRun=All", answerScale, "application/yaml", "application/yaml", "200 apiVersion: autoscaling/v1\nkind: Scale\nmetadata:\n  creationTimestamp: \"ANY\"\n  name: w\n  namespace: default\n  resourceVersion: N\n  uid: ANY\nspec:\n  replicas: 2\nstatus:\n  replicas: 0"},
		{"GET " + reviewWidgets + "?limit=1", "", "", "application/json", `200 {"apiVersion":"example.com/v1","items":[{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"creationTimestamp":"ANY","generation":1,"managedFields":[{"apiVersion":"example.com/v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{".":{},"f:color":{},"f:size":{}}},"manager":"unknown","operation":"Update","time":"ANY"}],"name":"w","namespace":"default","resourceVersion":N,"uid":"ANY"},"spec":{"color":"red","size":1}}],"kind":"WidgetList","metadata":{"continue":"","resourceVersion":N}}`},
		{"GET " + reviewOld + "?limit=1", "", "", "application/json", `200 {"apiVersion":"example.com/v1beta1","items":[{"apiVersion":"example.com/v1beta1","kind":"Widget","metadata":{"creationTimestamp":"ANY","generation":1,"managedFields":[{"apiVersion":"example.com/v1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{".":{},"f:color":{},"f:size":{}}},"manager":"unknown","operation":"Update","time":"ANY"}],"name":"w","namespace":"default","resourceVersion":N,"uid":"ANY"},"spec":{"size":1}}],"kind":"WidgetList","metadata":{"continue":"","resourceVersion":N}}`},
	} {
		w := r.ask(c.request, c.body, "Accept", c.accept)
		if got := itoa(w.Code) + " " + plain(w); got != c.want {
			t.Errorf("%s as %s:\n got %q\nwant %q", c.request, c.accept, got, c.want)
		}
		if typ := w.Header().Get("Content-Type"); typ != c.typ {
			t.Errorf("%s as %s: type %s", c.request, c.accept, typ)
		}
	}
}

// TestCompression: what is long is compressed for whoever takes that, one object and a list
// alike, and is the same when it is read.
func TestCompression(t *testing.T) {
	r := newReviewed(t)
	const path = answerSpaces + "/kube-public/configmaps"
	for i := range 2 {
		body := fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"big-%d"},"data":{"k":"%s"}}`, i, strings.Repeat("x", 200<<10))
		if w := r.ask("POST "+path, body); w.Code != 201 {
			t.Fatal(w.Code)
		}
	}
	const one = path + "/big-0"
	const list = path + "?labelSelector=!none"
	for _, c := range []struct {
		path, takes string
		compressed  bool
	}{
		{one, "gzip", true}, {list, "gzip", true}, {list + "&limit=1", "gzip", true}, {list + "&pretty=1", "gzip", true},
		{list, "deflate, GZIP;q=0.5", true}, {one, "gzip;q=1.0", true}, {one, "gzip; q=0.001", true}, {one, "gzip;Q=1", true},
		{one, "", false}, {list, "", false}, {one, "identity", false}, {one, "*", false}, {one, "br, xgzip", false},
		{one, "gzip;q=0", false}, {list, "gzip;q=0", false}, {one, "gzip;q=0.0", false}, {list, "gzip ; q=0.000", false}, {one, "gzip;Q=0.", false}, {one, "deflate;q=1,gzip;q=0.00", false},
		{path + "/kube-root-ca.crt", "gzip", false}, {path + "?fieldSelector=metadata.name%3Dkube-root-ca.crt", "gzip", false}, {list + "&fieldSelector=metadata.name%3Dnone", "gzip", false},
	} {
		header := []string{"Accept-Encoding", c.takes}
		if c.takes == "" {
			header = nil
		}
		want := r.ask("GET "+c.path, "").Body.Bytes()
		w := r.ask("GET "+c.path, "", header...)
		got := w.Body.Bytes()
		if is := w.Header().Get("Content-Encoding") == "gzip"; is != c.compressed || is != strings.Contains(strings.Join(w.Header()["Vary"], ","), "Accept-Encoding") {
			t.Errorf("%s for %q: %v", c.path, c.takes, w.Header())
			continue
		} else if is {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Error(err)
			}
			if w.Header().Get("Content-Length") != "" {
				t.Errorf("%s for %q: it says the length before it is compressed", c.path, c.takes)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s for %q: %d bytes that are others than without (%d)", c.path, c.takes, len(got), len(want))
		}
	}
}
