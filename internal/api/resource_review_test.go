package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/kinds"
	"apichain/internal/tree"
)

const (
	reviewMaps        = "/api/v1/namespaces/default/configmaps"
	reviewWidgets     = "/apis/example.com/v1/namespaces/default/widgets"
	reviewOld         = "/apis/example.com/v1beta1/namespaces/default/widgets"
	reviewDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	reviewMerge       = "application/merge-patch+json"
)

// reviewDefinition has two versions of which the older knows less.
const reviewDefinition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
 "names":{"plural":"widgets","kind":"Widget"},"versions":[
 {"name":"v1","served":true,"storage":true,"selectableFields":[{"jsonPath":".spec.color"}],"subresources":{"status":{},"scale":{"specReplicasPath":".spec.size","statusReplicasPath":".status.size"}},
  "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer","maximum":100},"color":{"type":"string","default":"red"}}},
  "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}},
 {"name":"v1beta1","served":true,"storage":false,"deprecated":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}}}]}}`

// reviewed is a server that serves reviewDefinition.
type reviewed struct {
	t testing.TB
	p *apitest.Server
}

func newReviewed(t testing.TB, change ...func(*apitest.Config)) *reviewed {
	t.Helper()
	r := &reviewed{t, startClients(t, change...).Server}
	if got := r.send("POST", reviewDefinitions, "", reviewDefinition); got.Code != http.StatusCreated {
		t.Fatal(got.Body)
	}
	return r
}

// send sends one request as an administrator.
// header is names and values.
func (r *reviewed) send(method, path, contentType, body string, header ...string) *httptest.ResponseRecorder {
	req := administrator(context.Background(), method, path, body)
	if contentType == "" {
		contentType = "application/json"
	}
	if body != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.p.ServeHTTP(w, req)
	return w
}

// tree is an answer's body.
func (r *reviewed) tree(w *httptest.ResponseRecorder) map[string]any {
	r.t.Helper()
	obj, _, err := tree.ParseJSONObject(w.Body.Bytes())
	if err != nil {
		r.t.Fatalf("%v: %s", err, w.Body)
	}
	return obj
}

// at is a text of an answer's body.
func (r *reviewed) at(w *httptest.ResponseRecorder, path ...string) string {
	r.t.Helper()
	return tree.Text(r.tree(w), path...)
}

// names is the items of a list.
func (r *reviewed) names(path string) string {
	r.t.Helper()
	var names []string
	for _, item := range tree.List(r.tree(r.send("GET", path, "", "")), "items") {
		names = append(names, tree.Name(item.(map[string]any)))
	}
	return strings.Join(names, " ")
}

func (r *reviewed) widget(name, more string) {
	r.t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":%q%s},"spec":{"size":1}}`, name, more)
	if w := r.send("POST", reviewWidgets, "", body); w.Code != http.StatusCreated {
		r.t.Fatal(w.Body)
	}
}

// reviewCase is a request and what its answer has: the status and a part of the body.
type reviewCase struct {
	method, path, contentType, body string
	code                            int
	part                            string
}

func (r *reviewed) run(cases []reviewCase) {
	r.t.Helper()
	for _, c := range cases {
		w := r.send(c.method, c.path, c.contentType, c.body)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.part) {
			r.t.Errorf("%s %s %s: %d %s, want %d with %s", c.method, c.path, c.body, w.Code, w.Body, c.code, c.part)
		}
	}
}

// TestOddBodies: what is no object, or an object with members of other types, is a client's
// error whatever the kind, and nothing comes to be.
func TestOddBodies(t *testing.T) {
	r := newReviewed(t)
	before := r.p.Store.Revision()
	unrecognized := func(kind, tail string) string {
		b, _ := json.Marshal("the object provided is unrecognized (must be of type " + kind + "): couldn't get version/kind; json parse error: " + tail)
		return string(b[1 : len(b)-1])
	}
	for kind, path := range map[string]string{"ConfigMap": reviewMaps, "Widget": reviewWidgets} {
		version := map[string]string{"ConfigMap": "v1", "Widget": "example.com/v1"}[kind]
		head := `{"kind":"` + kind + `","apiVersion":"` + version + `","metadata":`
		for body, part := range map[string]string{
			"":                                      unrecognized(kind, "unexpected end of JSON input (<empty>)"),
			" \n":                                   unrecognized(kind, "unexpected end of JSON input (200a)"),
			"{":                                     unrecognized(kind, "unexpected end of JSON input ({)"),
			"[]":                                    unrecognized(kind, "json: cannot unmarshal array"),
			"\x00":                                  unrecognized(kind, "invalid character"),
			`{"kind":5}`:                            "cannot unmarshal number into Go struct field .kind of type string",
			head + `[]}`:                            "cannot unmarshal array",
			head + `"x"}`:                           "cannot unmarshal string",
			head + `{"name":5}}`:                    "cannot unmarshal number",
			head + `{"name":"a","labels":[]}}`:      "cannot unmarshal array",
			head + `{"name":"a","labels":{"a":1}}}`: "cannot unmarshal number",
			head + `{"name":"a","annotations":{"a":{}}}}`:                     "cannot unmarshal object",
			head + `{"name":"a","finalizers":[1]}}`:                           "cannot unmarshal number",
			head + `{"name":"a","ownerReferences":[5]}}`:                      "cannot unmarshal number",
			head + `{"name":"a","generation":1e30}}`:                          "cannot unmarshal number",
			head + `{"name":"a","creationTimestamp":"today"}}`:                "parsing time",
			`{"kind":"` + kind + `","apiVersion":[],"metadata":{"name":"a"}}`: "cannot unmarshal array into Go struct field .apiVersion of type string",
		} {
			r.run([]reviewCase{{"POST", path, "", body, 400, part}})
		}
	}
	// To a Go struct null is an object that says nothing (upstream).
	r.run([]reviewCase{
		{"POST", reviewMaps, "", "null", 422, "name or generateName is required"},
		{"POST", reviewWidgets, "", "null", 400, "Object 'Kind' is missing in 'null' (6e756c6c)"},
	})
	if now := r.p.Store.Revision(); now != before {
		t.Errorf("revision %d, want %d", now, before)
	}
}

// TestPatchedMetadata: a patch cannot take an object's metadata away unseen.
func TestPatchedMetadata(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", `,"labels":{"x":"y"}`)
	r.send("POST", reviewMaps, "", `{"metadata":{"name":"a","labels":{"x":"y"}}}`)
	const nameless = "the name of the object (a based on URL) was undeterminable: name must be provided"
	for _, path := range []string{reviewMaps + "/a", reviewWidgets + "/a"} {
		r.run([]reviewCase{
			{"PATCH", path, reviewMerge, `{"metadata":null}`, 400, nameless},
			{"PATCH", path, reviewMerge, `{"metadata":{"name":null}}`, 400, nameless},
			{"PATCH", path, reviewMerge, `{"metadata":[]}`, 422, "cannot unmarshal array"},
			{"PATCH", path, reviewMerge, `{"metadata":"x"}`, 422, "cannot unmarshal string"},
			{"PATCH", path, reviewMerge, `{"metadata":{"labels":{"x":5}}}`, 422, "cannot unmarshal number"},
			{"PATCH", path, reviewMerge, `{"metadata":{"resourceVersion":"x"}}`, 500, "strconv.ParseUint"},
			{"PATCH", path, apitest.JSONPatch, `[{"op":"remove","path":"/metadata"}]`, 400, nameless},
			{"PATCH", path, apitest.JSONPatch, `[{"op":"replace","path":"/metadata","value":[]}]`, 422, "cannot unmarshal array"},
			{"PATCH", path, apitest.JSONPatch, `[{"op":"replace","path":"","value":5}]`, 422, "the server rejected our request"},
			{"PATCH", path, reviewMerge, `{"metadata":{"uid":null,"creationTimestamp":null,"generation":99}}`, 200, `"labels":{"x":"y"}`},
		})
	}
	r.run([]reviewCase{{"PATCH", reviewWidgets + "/a", reviewMerge, `{"apiVersion":"x/v9"}`, 422, "must be example.com/v1"}})
}

// TestScaleBodies: a scale is what it says, or is refused; a dry run answers one and
// changes nothing.
func TestScaleBodies(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", "")
	const scale = reviewWidgets + "/a/scale"
	r.run([]reviewCase{
		{"PUT", scale, "", "", 400, "no kind is registered for the type v1.Scale"},
		{"PUT", scale, "", `{"spec":"x"}`, 400, "no kind is registered for the type v1.Scale"},
		{"PUT", scale, "", `{"spec":{"replicas":"3"}}`, 400, "no kind is registered for the type v1.Scale"},
		{"PUT", scale, "", `{"spec":{"replicas":1.5}}`, 400, "no kind is registered for the type v1.Scale"},
		{"PUT", scale, "", `{"spec":{"replicas":5000000000}}`, 400, "no kind is registered for the type v1.Scale"},
		{"PUT", scale, "", `{"metadata":{"name":"a"},"spec":{"replicas":-1}}`, 422, "non-negative"},
		{"PUT", scale, "", `{"metadata":{"name":"a"},"spec":{"replicas":101}}`, 422, "less than or equal to 100"},
		{"PUT", scale, "", `{"kind":"Foo","spec":{"replicas":3}}`, 400, "no kind is registered for the type v1.Scale"},
		{"PUT", scale, "", `{"metadata":{"name":"b"},"spec":{"replicas":3}}`, 400, "does not match the name on the URL"},
		{"PUT", scale, "", `{"metadata":{"name":"a","uid":"x"},"spec":{"replicas":3}}`, 409, "UID in precondition"},
		{"PUT", scale, "", `{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"replicas":3}}`, 409, "has been modified"},
		{"PATCH", scale, reviewMerge, `{"spec":{"replicas":"3"}}`, 422, "cannot unmarshal string"},
		{"POST", scale, "", `{}`, 405, "create is not supported"},
		{"GET", reviewWidgets + "/a", "", "", 200, `"size":1`},
		{"PUT", scale + "?dryRun=All", "", `{"metadata":{"name":"a"},"spec":{"replicas":3}}`, 200, `"name":"a"`},
		{"PATCH", scale + "?dryRun=All", reviewMerge, `{"spec":{"replicas":3}}`, 200, `"spec":{"replicas":3}`},
		{"GET", reviewWidgets + "/a", "", "", 200, `"generation":1`},
		{"PATCH", scale, reviewMerge, `{"spec":{"replicas":7}}`, 200, `"spec":{"replicas":7}`},
		{"GET", reviewWidgets + "/a", "", "", 200, `"generation":2`},
	})
}

// TestScaleProtobuf: scale and options of a delete are read from protobuf.
func TestScaleProtobuf(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", "")
	field := func(number byte, b string) string { return string([]byte{number<<3 | 2, byte(len(b))}) + b }
	whole := func(version, kind, raw string) string {
		return kinds.ProtobufMagic + field(1, field(1, version)+field(2, kind)) + field(2, raw)
	}
	scale := field(1, field(1, "a")) + field(2, "\x08\x04") // spec.replicas 4
	r.run([]reviewCase{
		{"PUT", reviewWidgets + "/a/scale", apitest.Protobuf, whole("autoscaling/v1", "Scale", scale), 200, `"spec":{"replicas":4}`},
		{"DELETE", reviewWidgets + "/a", apitest.Protobuf, whole("v1", "DeleteOptions", field(4, api.PropagationForeground)), 200, api.FinalizerForeground},
	})
}

// TestDeleteOptionsBodies: options that cannot be read delete nothing.
func TestDeleteOptionsBodies(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", "")
	for body, code := range map[string]int{
		`{"dryRun":"All"}`: 400, `{"dryRun":[5]}`: 400, `{"dryRun":["x"]}`: 422, `{"preconditions":"x"}`: 400, `{"preconditions":{"uid":5}}`: 400, `{"preconditions":{"uid":""}}`: 409,
		`{"preconditions":{"resourceVersion":"1"}}`: 409, `{"propagationPolicy":5}`: 400, `{"propagationPolicy":"x"}`: 422, `{"gracePeriodSeconds":"x"}`: 400, `{"orphanDependents":"x"}`: 400,
		`{"orphanDependents":true,"propagationPolicy":"Orphan"}`: 422, `[]`: 400, `5`: 400, `{`: 400, `{"kind":5}`: 400, `{"kind":"Foo"}`: 400,
		`{"dryRun":["All"]}`: 200, `{"kind":"DeleteOptions","apiVersion":"v1","dryRun":["All"]}`: 200, `{"dryRun":["All"],"unknown":1}`: 200,
	} {
		w := r.send("DELETE", reviewWidgets+"/a", "", body)
		if w.Code != code {
			t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, code)
		}
		if warned := w.Header().Get("Warning"); warned != "" {
			t.Errorf("%s: warned %s", body, warned)
		}
	}
	r.run([]reviewCase{
		{"DELETE", reviewWidgets + "/a?gracePeriodSeconds=x", "", "", 400, "strconv.ParseInt"},
		{"DELETE", reviewWidgets + "/a?dryRun=All&propagationPolicy=Foreground", "", "", 200, api.FinalizerForeground},
		{"DELETE", reviewWidgets + "/a?orphanDependents=false&propagationPolicy=Orphan", "", "", 422, "cannot be both set"},
		{"GET", reviewWidgets + "/a", "", "", 200, `"generation":1`},
		{"DELETE", reviewWidgets + "/a", "", `{"kind":"DeleteOptions"}`, 200, `"status":"Success"`},
		{"DELETE", reviewWidgets + "/a", "", "", 404, "not found"},
	})
}

// TestHeldObject: the life of an object with a finalizer from its delete to its end.
func TestHeldObject(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", `,"finalizers":["example.com/f"]`)
	const path = reviewWidgets + "/a"
	first := r.send("DELETE", path, "", "")
	if again := r.send("DELETE", path, "", ""); again.Body.String() != first.Body.String() {
		t.Errorf("a second delete: %s, want %s", again.Body, first.Body)
	}
	r.run([]reviewCase{
		{"GET", path, "", "", 200, `"generation":2`},
		{"POST", reviewWidgets, "", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"a"}}`, 409, "object is being deleted: widgets.example.com"},
		{"PATCH", path, reviewMerge, `{"metadata":{"finalizers":["example.com/f","example.com/g"]}}`, 422, "no new finalizers can be added"},
		{"PATCH", path, reviewMerge, `{"metadata":{"deletionTimestamp":null}}`, 200, `"deletionTimestamp":"2`},
		{"DELETE", path + "?propagationPolicy=Foreground", "", "", 200, `["example.com/f","foregroundDeletion"]`},
		{"DELETE", path + "?propagationPolicy=Background", "", "", 200, `["example.com/f"]`},
		{"PATCH", path + "?dryRun=All", reviewMerge, `{"metadata":{"finalizers":null}}`, 200, `"deletionTimestamp":"2`},
		{"GET", path, "", "", 200, "example.com/f"},
	})
	rev := r.at(r.send("GET", path, "", ""), "metadata", "resourceVersion")
	if w := r.send("PATCH", path, reviewMerge, `{"metadata":{"finalizers":null}}`); r.at(w, "metadata", "resourceVersion") != rev || strings.Contains(w.Body.String(), "finalizers") {
		t.Errorf("the last write: %s, want the object without finalizers at %s", w.Body, rev)
	}
	r.run([]reviewCase{{"GET", path, "", "", 404, "not found"}})
}

// TestDeleteCollectionOptions: a collection's deletion takes what a list with the same
// options shows.
func TestDeleteCollectionOptions(t *testing.T) {
	r := newReviewed(t)
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		r.widget(n, `,"labels":{"n":"`+n+`"}`)
	}
	token := r.at(r.send("GET", reviewWidgets+"?limit=3", "", ""), "metadata", "continue")
	for _, c := range []struct{ query, left string }{
		{"?dryRun=All", "a b c d e"}, {"?limit=1", "b c d e"}, {"?limit=1&continue=" + token, "b c e"}, {"?labelSelector=n%3De", "b c"}, {"?fieldSelector=metadata.name%3Dc", "b"}, {"", ""},
	} {
		if w := r.send("DELETE", reviewWidgets+c.query, "", ""); w.Code != 200 || r.at(w, "kind") != "WidgetList" {
			t.Errorf("%q: %d %s", c.query, w.Code, w.Body)
		}
		if got := r.names(reviewWidgets); got != c.left {
			t.Errorf("%q left %q, want %q", c.query, got, c.left)
		}
	}
	r.widget("a", "")
	w := r.send("DELETE", reviewWidgets, "", "", "Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
	if w.Code != 406 || r.names(reviewWidgets) != "a" {
		t.Errorf("as one object: %d %s", w.Code, w.Body)
	}
	r.run([]reviewCase{
		{"DELETE", "/api/v1/configmaps", "", "", 405, "does not allow"},
	})
}

// TestUpdateByVersion: an update that changes nothing writes nothing, whichever version
// it is made by; what the other version knows alone goes when it changes something.
func TestUpdateByVersion(t *testing.T) {
	r := newReviewed(t)
	r.widget("a", "")
	before := r.p.Store.Revision()
	for _, path := range []string{reviewWidgets + "/a", reviewOld + "/a"} {
		r.run([]reviewCase{
			{"PUT", path, "", r.send("GET", path, "", "").Body.String(), 200, `"generation":1`},
			{"PATCH", path, reviewMerge, `{}`, 200, `"generation":1`},
			{"PATCH", path, reviewMerge, `{"spec":{"size":1}}`, 200, `"generation":1`},
		})
	}
	if now := r.p.Store.Revision(); now != before {
		t.Errorf("revision %d, want %d", now, before)
	}
	r.run([]reviewCase{
		{"PATCH", reviewWidgets + "/a", reviewMerge, `{"spec":{"color":"green"}}`, 200, `"generation":2`},
		{"PATCH", reviewOld + "/a", reviewMerge, `{"spec":{"size":2}}`, 200, `"generation":3`},
		{"GET", reviewWidgets + "/a", "", "", 200, `"spec":{"color":"red","size":2}`},
		{"GET", reviewOld + "/a", "", "", 200, `"spec":{"size":2}`},
		{"GET", reviewOld + "/a/status", "", "", 404, "not found"},
		{"GET", reviewOld + "?fieldSelector=spec.color%3Dred", "", "", 400, "field label not supported: spec.color"},
	})
	if got, want := r.send("GET", reviewOld+"/a", "", "").Header().Get("Warning"), `299 - "example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget"`; got != want {
		t.Errorf("warning %s, want %s", got, want)
	}
}

// TestFinalizeSpace: the finalizers of a namespace go by its subresource alone.
func TestFinalizeSpace(t *testing.T) {
	r := newReviewed(t)
	r.run([]reviewCase{
		{"POST", "/api/v1/namespaces", "", `{"metadata":{"name":"n"}}`, 201, `"finalizers":["kubernetes"]`},
		{"PUT", "/api/v1/namespaces/n", "", `{"metadata":{"name":"n"},"spec":{}}`, 200, `"finalizers":["kubernetes"]`},
		{"PUT", "/api/v1/namespaces/n/finalize", "", `{"metadata":{"name":"n"},"spec":{"finalizers":5}}`, 400, "cannot unmarshal number"},
		{"PUT", "/api/v1/namespaces/n/finalize?dryRun=All", "", `{"metadata":{"name":"n"},"spec":{}}`, 200, `"spec":{}`},
		{"GET", "/api/v1/namespaces/n", "", "", 200, `"finalizers":["kubernetes"]`},
		{"PUT", "/api/v1/namespaces/n/finalize", "", `{"metadata":{"name":"n"},"spec":null}`, 200, `"spec":{}`},
		{"DELETE", "/api/v1/namespaces/default", "", "", 403, "this namespace may not be deleted"},
	})
}

// reviewStream collects the lines of a watch and ends it after some.
type reviewStream struct {
	*httptest.ResponseRecorder
	end  context.CancelFunc
	left int
}

func (s *reviewStream) Write(b []byte) (int, error) {
	n, err := s.ResponseRecorder.Write(b)
	if s.left -= strings.Count(string(b), "\n"); s.left <= 0 {
		s.end()
	}
	return n, err
}

// watch is the first lines of a watch, as TYPE name.
func (r *reviewed) watch(path string, lines int, header ...string) (string, *httptest.ResponseRecorder) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	w := &reviewStream{httptest.NewRecorder(), cancel, lines}
	r.p.ServeHTTP(w, administrator(ctx, "GET", path, "", header...))
	var out []string
	for line := range strings.Lines(w.Body.String()) {
		if e, _, err := tree.ParseJSONObject([]byte(line)); err == nil && e["type"] != nil {
			out = append(out, strings.TrimSpace(tree.Text(e, "type")+" "+tree.Text(e, "object", "metadata", "name")))
		}
	}
	return strings.Join(out, ", "), w.ResponseRecorder
}

// TestWatchForms: which events the parameters, paths and forms of a watch give.
func TestWatchForms(t *testing.T) {
	r := newReviewed(t)
	begin := r.p.Store.Revision()
	r.widget("a", `,"labels":{"n":"1"}`)
	r.widget("b", "")
	old := strings.TrimSuffix(reviewWidgets, "/namespaces/default/widgets") + "/watch"
	r.run([]reviewCase{{"PATCH", reviewWidgets + "/a", reviewMerge, `{"metadata":{"labels":{"n":"2"}}}`, 200, ""}, {"DELETE", reviewWidgets + "/b", "", "", 200, ""}})
	partial := "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	for _, c := range []struct {
		path   string
		lines  int
		accept string
		want   string
	}{
		{reviewWidgets + "?watch=1&allowWatchBookmarks=true", 2, "", "ADDED a, BOOKMARK"},
		{reviewWidgets + "?watch=1&allowWatchBookmarks=true", 2, partial, "ADDED a, BOOKMARK"},
		{reviewOld + "?watch=1", 1, "", "ADDED a"},
		{fmt.Sprint(reviewWidgets, "?watch=1&resourceVersion=", begin), 4, "", "ADDED a, ADDED b, MODIFIED a, DELETED b"},
		{fmt.Sprint(reviewOld, "?watch=1&resourceVersion=", begin), 4, "", "ADDED a, ADDED b, MODIFIED a, DELETED b"},
		{fmt.Sprint(reviewWidgets, "?watch=1&labelSelector=n%3D1&resourceVersion=", begin), 2, "", "ADDED a, DELETED a"},
		{fmt.Sprint(reviewWidgets, "?watch=1&labelSelector=n%3D2&resourceVersion=", begin), 1, "", "ADDED a"},
		{fmt.Sprint(reviewWidgets, "?watch=1&labelSelector=!n&resourceVersion=", begin), 2, partial, "ADDED b, DELETED b"},
		{fmt.Sprint(old, "/namespaces/default/widgets/b?resourceVersion=", begin), 2, "", "ADDED b, DELETED b"},
		{fmt.Sprint(old, "/namespaces/default/widgets/a?fieldSelector=metadata.name%3Da&resourceVersion=", begin), 2, "", "ADDED a, MODIFIED a"},
		{old + "/namespaces/default/widgets?resourceVersion=0", 1, "", "ADDED a"},
		{old + "/widgets", 1, "", "ADDED a"},
		{"/api/v1/watch/namespaces/default", 1, "", "ADDED default"},
		{reviewWidgets + "?watch=1&resourceVersion=1", 1, "", "ERROR"},
		{reviewWidgets + "?watch=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1", 2, "", "ADDED a, BOOKMARK"},
	} {
		if got, w := r.watch(c.path, c.lines, "Accept", c.accept); got != c.want || w.Code != 200 {
			t.Errorf("%s %s: %d %s, want %s", c.path, c.accept, w.Code, got, c.want)
		}
	}
	r.run([]reviewCase{
		{"GET", old + "/namespaces/default/widgets/a?fieldSelector=metadata.name%3Db", "", "", 400, "fieldSelector metadata.name doesn't match requested name"},
		{"GET", old + "/namespaces/default/widgets/a?fieldSelector=metadata.namespace%3Ddefault", "", "", 400, "fieldSelector metadata.name doesn't match requested name"},
		{"GET", reviewWidgets + "?watch=1&resourceVersion=x", "", "", 500, "strconv.ParseUint"},
		{"GET", reviewWidgets + "?watch=1&resourceVersionMatch=Exact", "", "", 422, "forbidden for watch unless sendInitialEvents"},
		{"GET", reviewWidgets + "?watch=1&sendInitialEvents=true", "", "", 422, "requires setting resourceVersionMatch"},
		{"GET", reviewWidgets + "/a?watch=true", "", "", 200, `"name":"a"`},
		{"HEAD", reviewWidgets + "?watch=1", "", "", 200, ""},
	})
	if w := r.send("GET", reviewWidgets+"?watch=1", "", "", "Accept", "application/yaml"); w.Code != 406 {
		t.Errorf("in YAML: %d %s", w.Code, w.Body)
	}
}

// TestBookmarksAreNew: a bookmark says the store's revision at its own time, though the
// watch's resource has been quiet since.
func TestBookmarksAreNew(t *testing.T) {
	r := newReviewed(t)
	r.p.API.Config.Bookmarks = 1 // each moment
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := make(chan int64, 1)
	req := administrator(ctx, "GET", reviewWidgets+"?watch=1&allowWatchBookmarks=true", "")
	w := &bookmarkReader{ResponseRecorder: httptest.NewRecorder(), t: t, want: want, end: cancel}
	var done sync.WaitGroup
	done.Go(func() { r.p.ServeHTTP(w, req) })
	r.send("POST", reviewMaps, "", `{"metadata":{"name":"a"}}`)
	want <- r.p.Store.Revision()
	done.Wait()
}

// bookmarkReader ends a watch at the first bookmark of a revision that is reached.
type bookmarkReader struct {
	*httptest.ResponseRecorder
	t      *testing.T
	want   chan int64
	target int64
	seen   int64
	end    context.CancelFunc
}

func (b *bookmarkReader) Write(line []byte) (int, error) {
	e, _, _ := tree.ParseJSONObject(line)
	var rev int64
	_, _ = fmt.Sscan(tree.Text(e, "object", "metadata", "resourceVersion"), &rev)
	if rev < b.seen {
		b.t.Errorf("bookmark %d after %d", rev, b.seen)
	}
	b.seen = rev
	if b.target == 0 {
		select {
		case b.target = <-b.want:
		default:
		}
	}
	if b.target > 0 && rev >= b.target {
		b.end()
	}
	return len(line), nil
}

// TestWritersAndDefinition: requests of every kind while the definition changes beneath
// them; run it with -race.
func TestWritersAndDefinition(t *testing.T) {
	r := newReviewed(t)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			name := fmt.Sprint("w", n)
			for i := range 20 {
				for _, c := range []reviewCase{
					{"POST", reviewWidgets, "", `{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"` + name + `"},"spec":{"size":1}}`, 201, ""},
					{"PATCH", reviewOld + "/" + name, reviewMerge, fmt.Sprintf(`{"spec":{"size":%d}}`, i), 200, ""},
					{"PATCH", reviewWidgets + "/" + name + "/status", reviewMerge, `{"status":{"size":1}}`, 200, ""},
					{"PATCH", reviewWidgets + "/" + name + "/scale", reviewMerge, `{"spec":{"replicas":3}}`, 200, ""},
					{"GET", reviewOld + "?limit=2", "", "", 200, ""},
					{"GET", reviewWidgets + "?fieldSelector=spec.color%3Dred", "", "", 200, ""},
					{"DELETE", reviewWidgets + "/" + name, "", "", 200, ""},
				} {
					if w := r.send(c.method, c.path, c.contentType, c.body); w.Code != c.code && w.Code != http.StatusConflict {
						t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
					}
				}
			}
		})
	}
	all.Go(func() {
		for i := range 20 {
			body := fmt.Sprintf(`[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum","value":%d}]`, 100+i)
			if w := r.send("PATCH", reviewDefinitions+"/widgets.example.com", apitest.JSONPatch, body); w.Code != 200 {
				t.Errorf("definition: %d %s", w.Code, w.Body)
			}
		}
	})
	all.Wait()
	if left := r.names(reviewWidgets); left != "" {
		t.Errorf("left: %s", left)
	}
}

// TestNamesRace: of definitions that come at once and want the same names, one gets them.
func TestNamesRace(t *testing.T) {
	r := newReviewed(t)
	var all sync.WaitGroup
	for i := range 4 {
		body := strings.NewReplacer("widgets", fmt.Sprint("things", i), `"Widget"`, `"Thing"`).Replace(reviewDefinition)
		all.Go(func() {
			if w := r.send("POST", reviewDefinitions, "", body); w.Code != http.StatusCreated {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	accepted := 0
	for i := range 4 {
		if api.HasCondition(r.tree(r.send("GET", fmt.Sprintf("%s/things%d.example.com", reviewDefinitions, i), "", "")), "NamesAccepted") {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d definitions have the names, want 1", accepted)
	}
}
