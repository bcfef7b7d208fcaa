package api_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// refusal is a request, "METHOD path" with the type of a patch behind the method, and the
// whole of what it is answered: "422 Invalid: message", or its beginning before a "…".
type refusal struct{ request, body, want string }

// patchTypes are the media types of patches as tables name them.
var patchTypes = map[string]string{"merge": apitest.MergePatch, "json": apitest.JSONPatch, "strategic": apitest.StrategicPatch, "apply": apitest.ApplyPatch, "text": "text/plain"}

// ask sends what a table names.
func (r *reviewed) ask(request, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	words := strings.Fields(request)
	method, path, typ := words[0], words[len(words)-1], ""
	if len(words) == 3 {
		typ = patchTypes[words[1]]
	}
	if method == "PATCH" && typ == "" {
		typ = apitest.MergePatch
	}
	return r.send(method, path, typ, body, header...)
}

// refusalOf is an answer as a table has it.
func (r *reviewed) refusalOf(w *httptest.ResponseRecorder) string {
	r.t.Helper()
	code := itoa(w.Code)
	if !strings.HasPrefix(w.Body.String(), "{") {
		return code + " " + strings.TrimSpace(w.Body.String())
	}
	status := r.tree(w)
	if status["kind"] != "Status" || status["code"] != int64(w.Code) {
		return code + " " + w.Body.String()
	}
	return code + " " + tree.Text(status, "reason") + ": " + chance.ReplaceAllString(tree.Text(status, "message"), "ANY")
}

// chance is what differs in each run: identifiers, times, revisions, the ends of generated names.
var chance = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:]{8}Z|\\"\d+\\"`)

// refuses sends each request, which must be answered as its row says, and change nothing.
func (r *reviewed) refuses(rows []refusal) {
	r.t.Helper()
	before := r.p.Store.Revision()
	for _, row := range rows {
		r.refusesOne(row)
	}
	if now := r.p.Store.Revision(); now != before {
		r.t.Errorf("%d writes of requests that were refused", now-before)
	}
}

// refusesOne sends one.
func (r *reviewed) refusesOne(row refusal) {
	r.t.Helper()
	got := r.refusalOf(r.ask(row.request, row.body))
	if begin, open := strings.CutSuffix(row.want, "…"); got != row.want && !(open && strings.HasPrefix(got, begin)) {
		r.t.Errorf("%s %s:\n got %s\nwant %s", row.request, row.body, got, row.want)
	}
}

const (
	answerMap    = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}`
	answerScale  = `{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"w"},"spec":{"replicas":2}}`
	answerSpaces = "/api/v1/namespaces"
)

// TestWriteOptions: what a write may say in its query is checked before anything else, alike
// for all verbs.
func TestWriteOptions(t *testing.T) {
	r := newReviewed(t)
	r.widget("w", "")
	r.ask("POST "+reviewMaps, answerMap)
	tooLong := strings.Repeat("m", 129)
	for _, verb := range []struct{ request, body, kind string }{
		{"POST " + reviewMaps, answerMap, "CreateOptions"},
		{"PUT " + reviewMaps + "/a", answerMap, "UpdateOptions"},
		{"PATCH " + reviewMaps + "/a", `{}`, "PatchOptions"},
		{"DELETE " + reviewMaps + "/a", "", "DeleteOptions"},
		{"DELETE " + reviewMaps, "", "DeleteOptions"},
		{"PUT " + reviewWidgets + "/w/status", `{}`, "UpdateOptions"},
		{"PUT " + reviewWidgets + "/w/scale", answerScale, "UpdateOptions"},
		{"PATCH " + reviewWidgets + "/w/scale", `{}`, "PatchOptions"},
		{"PUT " + answerSpaces + "/default/finalize", `{}`, "UpdateOptions"},
		{"POST " + answerSpaces + "/default/serviceaccounts/default/token", `{}`, "CreateOptions"},
		{"POST /apis/authentication.k8s.io/v1/selfsubjectreviews", `{}`, "CreateOptions"},
	} {
		head := "422 Invalid: " + verb.kind + `.meta.k8s.io "" is invalid: `
		rows := []refusal{
			{verb.request + "?dryRun=Some", verb.body, head + `dryRun: Unsupported value: ["Some"]: supported values: "All"`},
			{verb.request + "?dryRun=All&dryRun=", verb.body, head + `dryRun: Unsupported value: ["All",""]: supported values: "All"`},
			{verb.request + "?fieldManager=" + tooLong, verb.body, head + `fieldManager: Too long: may not be more than 128 bytes`},
			{verb.request + "?fieldManager=a%00b", verb.body, head + `fieldManager: Invalid value: "a\x00b": invalid character U+0000 (at position 1)`},
			{verb.request + "?fieldValidation=strict", verb.body, head + `fieldValidation: Unsupported value: "strict": supported values: "", "Ignore", "Strict", "Warn"`},
			{verb.request + "?dryRun=x&fieldValidation=y", verb.body, head + `[dryRun: Unsupported value: ["x"]: supported values: "All", fieldValidation: Unsupported value: "y": supported values: "", "Ignore", "Strict", "Warn"]`},
		}
		if verb.kind == "DeleteOptions" { // it has no others
			rows = rows[:2]
		}
		if verb.kind == "PatchOptions" {
			rows = append(rows, refusal{verb.request + "?force=false", verb.body, head + "force: Forbidden: may not be specified for non-apply patch"})
		}
		r.refuses(rows)
	}
}

// TestRefusedWrites: each is answered with all that upstream says of it.
func TestRefusedWrites(t *testing.T) {
	r := newReviewed(t)
	r.widget("w", "")
	r.ask("POST "+reviewMaps, answerMap)
	mapOf := func(meta string) string { return `{"kind":"ConfigMap","apiVersion":"v1","metadata":{` + meta + `}}` }
	const conflict = "the object has been modified; please apply your changes to the latest version and try again"
	r.refuses([]refusal{
		// Creates.
		{"POST /api/v1/configmaps", answerMap, "405 MethodNotAllowed: the server does not allow this method on the requested resource"},
		{"POST " + reviewMaps, mapOf(`"name":"b","resourceVersion":"7"`), "500 : resourceVersion should not be set on objects to be created"},
		{"POST " + reviewMaps, mapOf(`"name":"b","namespace":"other"`), "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"},
		{"POST " + reviewMaps, mapOf(`"labels":{}`), `422 Invalid: ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required`},
		{"POST " + reviewMaps, answerMap, `409 AlreadyExists: configmaps "a" already exists`},
		{"POST " + reviewMaps + "?dryRun=All", answerMap, `409 AlreadyExists: configmaps "a" already exists`},
		{"POST " + answerSpaces + "/none/configmaps", answerMap, `404 NotFound: namespaces "none" not found`},
		{"POST " + answerSpaces + "/none/configmaps?dryRun=All", answerMap, `404 NotFound: namespaces "none" not found`},
		{"POST " + reviewMaps, mapOf(`"name":"B_"`), `422 Invalid: ConfigMap "B_" is invalid: metadata.name: Invalid value: "B_": a lowercase RFC…`},
		{"POST " + reviewMaps, mapOf(`"generateName":"B_"`), `422 Invalid: ConfigMap "B_…`},
		{"POST " + reviewMaps, mapOf(`"name":"b","labels":{"a b":"c","d":"-"}`), `422 Invalid: ConfigMap "b" is invalid: [metadata.labels: Invalid value: "a b": name part must consist…`},
		{"POST " + reviewMaps, mapOf(`"name":"b","annotations":{"a b":"c"}`), `422 Invalid: ConfigMap "b" is invalid: metadata.annotations: Invalid value: "a b": name part must consist…`},
		{"POST " + reviewMaps, mapOf(`"name":"b","annotations":{"a":"` + strings.Repeat("x", 256<<10) + `"}`), `422 Invalid: ConfigMap "b" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes`},
		{"POST " + reviewMaps, mapOf(`"name":"b","finalizers":["x"]`), `422 Invalid: ConfigMap "b" is invalid: metadata.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified`},
		{"POST " + reviewMaps, mapOf(`"name":"b","finalizers":["a/b/c"]`), `422 Invalid: ConfigMap "b" is invalid: metadata.finalizers: Invalid value: "a/b/c": a valid label …`},
		{"POST " + reviewMaps, mapOf(`"name":"b","finalizers":["orphan","foregroundDeletion"]`), `422 Invalid: ConfigMap "b" is invalid: metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set`},
		{"POST " + reviewMaps, mapOf(`"name":"b","ownerReferences":[{"apiVersion":"apps/","kind":"K","name":"n","uid":"u"}]`), `422 Invalid: ConfigMap "b" is invalid: metadata.ownerReferences[0].apiVersion: Invalid value: "apps/": must be <group>/<version> or <version>`},
		{"POST " + reviewMaps, mapOf(`"name":"b","ownerReferences":[{"apiVersion":"","kind":"","name":"","uid":""}]`), `422 Invalid: ConfigMap "b" is invalid: [metadata.ownerReferences[0].apiVersion: Required value: must not be empty, metadata.ownerReferences[0].kind: Required value: must not be empty, metadata.ownerReferences[0].name: Required value: must not be empty, metadata.ownerReferences[0].uid: Required value: must not be empty]`},
		{"POST " + reviewMaps, mapOf(`"name":"b","ownerReferences":[{"apiVersion":"v1","kind":"Event","name":"n","uid":"u"}]`), `422 Invalid: ConfigMap "b" is invalid: metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"n","uid":"u"}: /v1, Kind=Event is disallowed from being an owner`},
		{"POST " + reviewMaps, mapOf(`"name":"b","ownerReferences":[{"apiVersion":"v1","kind":"A","name":"n","uid":"u","controller":true},{"apiVersion":"v1","kind":"B","name":"m","uid":"v","controller":true}]`), `422 Invalid: ConfigMap "b" is invalid: metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"A","name":"n","uid":"u","controller":true},{"apiVersion":"v1","kind":"B","name":"m","uid":"v","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for A/n and B/m`},
		{"POST " + reviewWidgets, `{"metadata":{"name":"x"}}`, `400 BadRequest: the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{"metadata":{"name":"x"}}' ({"metadata":{"name":"x"}})`},
		{"POST " + reviewWidgets, `{"kind":"Gadget","apiVersion":"example.com/v1","metadata":{"name":"x"}}`, `422 Invalid: Gadget.example.com "x" is invalid: kind: Invalid value: "Gadget": must be Widget`},
		{"POST " + reviewWidgets, `{"kind":"Widget","apiVersion":"example.com/v2","metadata":{"name":"x"}}`, "400 BadRequest: the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)"},
		{"POST " + reviewMaps, `{"kind":"ConfigMap","apiVersion":"v7","metadata":{"name":"x"}}`, `400 BadRequest: ConfigMap in version "v7" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v7" in scheme "pkg/runtime/scheme.go:111"`},
		{"POST " + reviewMaps, `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}`, `400 BadRequest: Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion`},
		{"POST " + reviewMaps, `{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"x"}}`, `400 BadRequest: Lease in version "v1" cannot be handled as a ConfigMap: converting (v1.Lease) to (core.ConfigMap): unknown conversion`},
		{"POST " + reviewWidgets + "?fieldValidation=Strict", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"x","no":1},"spec":{"size":1,"size":2,"what":1}}`, `400 BadRequest: Widget in version "v1" cannot be handled as a Widget: strict decoding error: duplicate field "spec.size", unknown field "metadata.no", unknown field "spec.what"`},
		{"POST " + reviewMaps + "?fieldValidation=Strict", `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"what":1,"data":{"a":"b","a":"c"}}`, `400 BadRequest: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "what", duplicate field "data.a"`},
		{"POST " + reviewWidgets + "/w/status", `{}`, `405 MethodNotAllowed: create is not supported on resources of kind "widgets.example.com"`},
		{"DELETE " + reviewWidgets + "/w/status", ``, `405 MethodNotAllowed: delete is not supported on resources of kind "widgets.example.com"`},
		{"POST " + reviewWidgets + "/w/scale", `{}`, `405 MethodNotAllowed: create is not supported on resources of kind "widgets.example.com"`},
		{"GET " + reviewWidgets + "/w/log", ``, `404 NotFound: widgets.example.com "w" not found`},
		{"GET " + reviewOld + "/w/scale", ``, `404 NotFound: widgets.example.com "w" not found`},
		{"GET " + reviewOld + "/w/status", ``, `404 NotFound: widgets.example.com "w" not found`},
		{"GET " + reviewMaps + "/a/status", ``, "404 NotFound: the server could not find the requested resource"},
		{"PUT " + reviewWidgets, `{}`, "400 BadRequest: name must be provided"},
		{"PATCH " + reviewMaps, `{}`, "405 MethodNotAllowed: the server does not allow this method on the requested resource"},
		// Updates.
		{"PUT " + reviewMaps + "/a", mapOf(`"labels":{}`), "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{"PUT " + reviewMaps + "/a", mapOf(`"name":"b"`), "400 BadRequest: the name of the object (b) does not match the name on the URL (a)"},
		{"PUT " + reviewMaps + "/a", mapOf(`"name":"a","namespace":"kube-system"`), "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"},
		{"PUT " + reviewMaps + "/a", mapOf(`"name":"a","resourceVersion":"x"`), `500 : strconv.ParseUint: parsing "x": invalid syntax`},
		{"PUT " + reviewMaps + "/a", mapOf(`"name":"a","resourceVersion":"99999999999999999999"`), `500 : strconv.ParseUint: parsing "99999999999999999999": value out of range`},
		{"PUT " + reviewMaps + "/a", mapOf(`"name":"a","resourceVersion":"1"`), `409 Conflict: Operation cannot be fulfilled on configmaps "a": ` + conflict},
		{"PUT " + reviewMaps + "/none", mapOf(`"name":"none","resourceVersion":"x"`), `404 NotFound: configmaps "none" not found`},
		{"PUT " + answerSpaces + "/none/finalize", `{"metadata":{"name":"none","resourceVersion":"x"}}`, `404 NotFound: namespaces "none" not found`},
		{"PUT /apis/coordination.k8s.io/v1/namespaces/default/leases/none", `{"metadata":{"name":"none","resourceVersion":"x"}}`, `500 : strconv.ParseUint: parsing "x": invalid syntax`},
		{"PUT " + reviewMaps + "/none", mapOf(`"name":"none"`), `404 NotFound: configmaps "none" not found`},
		{"PUT " + reviewWidgets + "/w", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w"}}`, `422 Invalid: widgets.example.com "w" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update`},
		{"PUT " + reviewWidgets + "/w/status", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w","resourceVersion":"1"}}`, `409 Conflict: Operation cannot be fulfilled on widgets.example.com "w": ` + conflict},
		{"PUT " + reviewWidgets + "/none/scale", strings.Replace(answerScale, `"w"`, `"none"`, 1), `404 NotFound: widgets.example.com "none" not found`},
		{"PUT " + reviewWidgets + "/w/scale", ``, `400 BadRequest: no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`},
		{"PUT " + reviewWidgets + "/w/scale", `{"kind":"Widget"}`, `400 BadRequest: no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`},
		{"PUT " + reviewWidgets + "/w/scale", `{"metadata":{"name":"v"}}`, "400 BadRequest: the name of the object (v) does not match the name on the URL (w)"},
		{"PUT " + reviewWidgets + "/w/scale", `{"metadata":{"name":"w"},"spec":{"replicas":-1}}`, `422 Invalid: Widget.example.com "w" is invalid: .spec.size: Invalid value: -1: should be a non-negative integer`},
		{"PUT " + reviewWidgets + "/w/scale", `{"spec":{"replicas":"2"}}`, `400 BadRequest: no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`},
		{"PUT " + reviewWidgets + "/w/scale", `{"metadata":{"name":"w"},"spec":{"replicas":101}}`, `422 Invalid: Widget.example.com "w" is invalid: spec.size: Invalid value: 101: spec.size in body should be less than or equal to 100`},
		{"PUT " + reviewWidgets + "/w/scale", `{"metadata":{"name":"w","resourceVersion":"1"},"spec":{"replicas":2}}`, `409 Conflict: Operation cannot be fulfilled on widgets.example.com "w": ` + conflict},
		{"PUT " + reviewWidgets + "/w/scale?fieldValidation=Strict", `{"spec":{"replicas":2,"x":1}}`, `400 BadRequest: no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"`},
		// Finalizers of a namespace.
		{"PUT " + answerSpaces + "/kube-node-lease/finalize", `{"metadata":{"name":"t"}}`, "400 BadRequest: the name of the object (t) does not match the name on the URL (kube-node-lease)"},
		{"PUT " + answerSpaces + "/kube-node-lease/finalize", `{"metadata":{"name":"kube-node-lease","resourceVersion":"1"}}`, `409 Conflict: Operation cannot be fulfilled on namespaces "kube-node-lease": ` + conflict},
		{"PUT " + answerSpaces + "/kube-node-lease/finalize", `{"metadata":{"name":"kube-node-lease","resourceVersion":"x"}}`, `500 : strconv.ParseUint: parsing "x": invalid syntax`},
		{"PUT " + answerSpaces + "/none/finalize", `{"metadata":{"name":"none"}}`, `404 NotFound: namespaces "none" not found`},
		{"GET " + answerSpaces + "/kube-node-lease/finalize", ``, "405 MethodNotAllowed: the server does not allow this method on the requested resource"},
		{"PATCH " + answerSpaces + "/kube-node-lease/finalize", `{}`, "405 MethodNotAllowed: the server does not allow this method on the requested resource"},
		{"DELETE " + answerSpaces + "/default", ``, `403 Forbidden: namespaces "default" is forbidden: this namespace may not be deleted`},
		// Patches.
		{"PATCH apply " + reviewMaps + "/a", `{}`, `422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch`},
		{"PATCH text " + reviewMaps + "/a?dryRun=x", `{}`, "415 UnsupportedMediaType: 415: Unsupported Media Type"},
		{"PATCH text " + reviewWidgets + "/w/scale?dryRun=x", `{}`, "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"},
		{"PATCH " + reviewMaps + "/none", `[]`, `404 NotFound: configmaps "none" not found`},
		{"PATCH " + reviewWidgets + "/none/scale", `null`, `404 NotFound: widgets.example.com "none" not found`},
		{"PATCH json " + reviewMaps + "/none", `[`, "400 BadRequest: invalid JSON patch"},
		{"PATCH json " + reviewWidgets + "/w/scale", `[{"op":"remove","path":"/metadata"}]`, "400 BadRequest: the name of the object (w based on URL) was undeterminable: name must be provided"},
		{"POST " + reviewWidgets, `{"kind":"Widget","metadata":{"name":"x"}}`, "400 BadRequest: the API version in the data () does not match the expected API version (example.com/v1)"},
		{"PUT " + reviewWidgets + "/w", `{"kind":"X"}`, "400 BadRequest: the API version in the data () does not match the expected API version (example.com/v1)"},
		{"PATCH strategic " + reviewWidgets + "/w", `{}`, "415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"},
		{"PATCH " + reviewMaps + "/none", `{}`, `404 NotFound: configmaps "none" not found`},
		{"PATCH " + reviewMaps + "/a", `[]`, "400 BadRequest: error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{"PATCH json " + reviewMaps + "/a", `{}`, "400 BadRequest: error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"},
		{"PATCH json " + reviewMaps + "/a", `[{"op":"replace","path":"","value":5}]`, "422 Invalid: the server rejected our request due to an error in our request"},
		{"PATCH json " + reviewMaps + "/a", `[{"op":"test","path":"/metadata/name","value":"b"}]`, "422 Invalid: the server rejected our request due to an error in our request"},
		{"PATCH json " + reviewMaps + "/a", `[{"op":"remove","path":"/metadata/none"}]`, "422 Invalid: the server rejected our request due to an error in our request"},
		{"PATCH json " + reviewMaps + "/a", "[" + strings.Repeat(`{"op":"test","path":"/kind","value":"ConfigMap"},`, 10_000) + `{"op":"remove","path":"/data"}]`, "413 RequestEntityTooLarge: Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"},
		{"PATCH " + reviewMaps + "/a", `{"metadata":5}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":5}": json: cannot unmarshal number into Go struct field ConfigMap.metadata of type v1.ObjectMeta`},
		{"PATCH " + reviewMaps + "/a", `{"metadata":{"name":null}}`, "400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided"},
		{"PATCH " + reviewMaps + "/a", `{"metadata":{"name":"b"}}`, "400 BadRequest: the name of the object (b) does not match the name on the URL (a)"},
		{"PATCH " + reviewMaps + "/a", `{"metadata":{"namespace":"b"}}`, "400 BadRequest: the namespace of the provided object does not match the namespace sent on the request"},
		{"PATCH " + reviewMaps + "/a", `{"metadata":{"uid":"b"}}`, `422 Invalid: ConfigMap "a" is invalid: metadata.uid: Invalid value: "b": field is immutable`},
		{"PATCH " + reviewMaps + "/a", `{"metadata":{"resourceVersion":"x"}}`, `500 : strconv.ParseUint: parsing "x": invalid syntax`},
		{"PATCH " + reviewMaps + "/a", `{"metadata":{"resourceVersion":"1"}}`, `409 Conflict: Operation cannot be fulfilled on configmaps "a": ` + conflict},
		{"PATCH " + reviewMaps + "/a", `{"kind":"Secret"}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"creationTimestamp\":\"ANY\",\"name\":\"a\",\"namespace\":\"default\",\"resourceVersion\":ANY,\"uid\":\"ANY\"}}": converting (v1.Secret) to (core.ConfigMap): unknown conversion`},
		{"PATCH " + reviewWidgets + "/w", `{"kind":"Secret"}`, `422 Invalid: Secret.example.com "w" is invalid: kind: Invalid value: "Secret": must be Widget`},
		{"PATCH " + reviewWidgets + "/w", `{"kind":"X","apiVersion":"zz/v1"}`, `422 Invalid: X.zz "w" is invalid: [kind: Invalid value: "X": must be Widget, apiVersion: Invalid value: "zz/v1": must be example.com/v1]`},
		{"PATCH " + reviewWidgets + "/w", `{"kind":"X","metadata":{"name":"z"}}`, "400 BadRequest: the name of the object (z) does not match the name on the URL (w)"},
		{"PATCH " + reviewWidgets + "/w", `{"kind":"X","metadata":{"resourceVersion":"1"}}`, `409 Conflict: Operation cannot be fulfilled on widgets.example.com "w": ` + conflict},
		{"PATCH " + reviewWidgets + "/w/status", `{"apiVersion":null}`, "500 InternalError: Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'"},
		{"PATCH " + reviewWidgets + "/w", `{"apiVersion":"example.com/v7"}`, `422 Invalid: Widget.example.com "w" is invalid: apiVersion: Invalid value: "example.com/v7": must be example.com/v1`},
		{"PATCH " + reviewMaps + "/a", `{"data":{"a":5}}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v1\",\"data\":{\"a\":5},\"kind\":\"ConfigMap\",\"metadata\":{\"creationTimestamp\":\"ANY\",\"name\":\"a\",\"namespace\":\"default\",\"resourceVersion\":ANY,\"uid\":\"ANY\"}}": json: cannot unmarshal number into Go struct field ConfigMap.data of type string`},
		{"PATCH " + reviewMaps + "/a?fieldValidation=Strict", `{"x":5}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"creationTimestamp\":\"ANY\",\"name\":\"a\",\"namespace\":\"default\",\"resourceVersion\":ANY,\"uid\":\"ANY\"},\"x\":5}": strict decoding error: unknown field "x"`},
		{"PATCH " + reviewMaps + "/a?fieldValidation=Strict", `{"data":{"a":"1","a":"2"}}`, `422 Invalid:  "" is invalid: patch: Invalid value: ` +
			`"{\"apiVersion\":\"v1\",\"data\":{\"a\":ANY},\"kind\":\"ConfigMap\",\"metadata\":{\"creationTimestamp\":\"ANY\",\"name\":\"a\",\"namespace\":\"default\",\"resourceVersion\":ANY,\"uid\":\"ANY\"}}": ` +
			`strict decoding error: duplicate field "data.a"`},
		{"PATCH " + reviewWidgets + "/w/scale", `{"spec":{"replicas":"x"}}`, `422 Invalid:  "" is invalid: patch: Invalid value: "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"metadata\":{\"creationTimestamp\":\"ANY\",\"managedFields\":[{\"apiVersion\":\"autoscaling/v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:spec\":{\"f:replicas\":{}}},\"manager\":\"unknown\",\"operation\":\"Update\",\"time\":\"ANY\"}],\"name\":\"w\",\"namespace\":\"default\",\"resourceVersion\":ANY,\"uid\":\"ANY\"},\"spec\":{\"replicas\":\"x\"},\"status\":{\"replicas\":0}}": json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32`},
		{"PATCH " + reviewWidgets + "/w/scale", `{"spec":{"replicas":-5}}`, `422 Invalid: Widget.example.com "w" is invalid: .spec.size: Invalid value: -5: should be a non-negative integer`},
		{"PATCH " + reviewWidgets + "/w/scale", `[]`, "400 BadRequest: error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{"PATCH " + reviewWidgets + "/w/scale", `{"metadata":{"uid":"x"}}`, `409 Conflict: Operation cannot be fulfilled on widgets.example.com "w": StorageError: invalid object, Code: 4, Key: /registry/example.com/widgets/default/w, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: ANY`},
		{"PATCH " + reviewWidgets + "/w", `{"metadata":{"uid":"x"}}`, `422 Invalid: Widget.example.com "w" is invalid: metadata.uid: Invalid value: "x": field is immutable`},
	})
}
