package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// outcome is an answer in short: its status, the values at some paths, and its warnings.
func (r *reviewed) outcome(w *httptest.ResponseRecorder, paths ...string) string {
	r.t.Helper()
	out := []string{itoa(w.Code)}
	obj := r.tree(w)
	for _, path := range paths {
		v := tree.At(obj, strings.Split(path, "/")...)
		out = append(out, path+"="+chance.ReplaceAllString(string(tree.AppendJSON(nil, v)), "ANY"))
	}
	for _, line := range w.Header()["Warning"] {
		out = append(out, "! "+chance.ReplaceAllString(line, "ANY"))
	}
	return strings.Join(out, " ")
}

// TestDuplicateOwners: they are kept once and warned of, in each way of writing; owners that
// differ in anything stay.
func TestDuplicateOwners(t *testing.T) {
	r := newReviewed(t)
	owner := func(uid, more string) string { // of a kind that nobody can look for
		return `{"apiVersion":"other.io/v1","kind":"Other","name":"n","uid":"` + uid + `"` + more + `}`
	}
	with := func(owners ...string) string {
		return `"metadata":{"name":"a","ownerReferences":[` + strings.Join(owners, ",") + `]}`
	}
	const head = "! 299 - \".metadata.ownerReferences contains duplicate entries"
	const tail = "; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
	a, b := owner("u-1", ""), owner("u-2", "")
	for _, c := range []struct{ request, body, owners, warning string }{
		{"POST " + reviewMaps, with(a, b), a + "," + b, ""},
		{"PUT " + reviewMaps + "/a", with(a), a, ""},
		{"PUT " + reviewMaps + "/a", with(a, b, a), a + "," + b, head + tail + `u-1"`},
		{"PUT " + reviewMaps + "/a?dryRun=All", with(b, b), b, head + tail + `u-2"`},
		{"PATCH " + reviewMaps + "/a", with(a, a, a, b, b), a + "," + b, head + " after mutating admission happens" + tail + `u-1, u-1, u-2"`},
		{"PATCH " + reviewMaps + "/a", with(a, owner("u-1", `,"controller":true`)), a + `,{"apiVersion":"other.io/v1","controller":true,"kind":"Other","name":"n","uid":"u-1"}`, ""},
		{"PATCH " + reviewMaps + "/a", `"metadata":{"labels":{"k":"v"}}`, a + `,{"apiVersion":"other.io/v1","controller":true,"kind":"Other","name":"n","uid":"u-1"}`, ""},
		{"POST " + reviewMaps, strings.Replace(with(b, b), `"a"`, `"c"`, 1), b, head + tail + `u-2"`},
	} {
		body := `{"kind":"ConfigMap","apiVersion":"v1",` + c.body + `}`
		got := r.outcome(r.ask(c.request, body), "metadata/ownerReferences")
		got = got[strings.Index(got, " ")+1:]
		want := strings.TrimSpace("metadata/ownerReferences=[" + c.owners + "] " + c.warning)
		if got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.request, c.body, got, want)
		}
	}
}

// TestOvertakenReplacement: a PUT that may create, and finds that somebody else has done so
// meanwhile, replaces that; one that found an object which then goes, makes it anew. Neither
// is told of the other.
func TestOvertakenReplacement(t *testing.T) {
	r := newReviewed(t)
	const path = answerSpaces + "/default/secrets"
	secrets := r.p.API.Builtin("", "v1", "Secret")
	secrets.CreateOnUpdate, secrets.UnconditionalUpdate = true, true
	other := r.p.API.NewBuiltin(r.p.API.Kinds.Kind("", "v1", "Secret"))
	body := func(value string) string {
		return `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"` + value + `"}}`
	}
	var meanwhile func()
	secrets.OnPrepare(func(*api.Call, map[string]any, map[string]any) error {
		if do := meanwhile; do != nil {
			meanwhile = nil
			do()
		}
		return nil
	})
	create := func() {
		if _, err := r.p.API.Internal(other, "create", "default", "", "").Insert(map[string]any{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"name": "a", "labels": map[string]any{"by": "other"}}}); err != nil {
			t.Error(err)
		}
	}
	remove := func() {
		if _, _, err := r.p.API.Internal(other, "delete", "default", "a", "").Delete(&api.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
	change := func() {
		_, err := r.p.API.Internal(other, "update", "default", "a", "").Modify(t.Context(), func(obj map[string]any) bool {
			obj["data"] = map[string]any{"other": "eA=="}
			return true
		})
		if err != nil {
			t.Error(err)
		}
	}
	uid := ""
	for _, c := range []struct {
		what      string
		meanwhile func()
		code      int
		value     string
		sameUID   bool
	}{
		{"nobody", nil, 201, "YQ==", false},
		{"the object goes", remove, 201, "Yg==", false},
		{"the object changes", change, 200, "Yw==", true},
	} {
		meanwhile = c.meanwhile
		w := r.ask("PUT "+path+"/a", body(c.value))
		now := r.at(w, "metadata", "uid")
		if w.Code != c.code || r.at(w, "data", "k") != c.value || len(tree.Object(r.tree(w), "data")) != 1 || (now == uid) != c.sameUID {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Body)
		}
		uid = now
	}
	remove()
	meanwhile = create
	w := r.ask("PUT "+path+"/a", body("ZA=="))
	if w.Code != 200 || r.at(w, "data", "k") != "ZA==" || tree.Object(r.tree(w), "metadata", "labels") != nil {
		t.Errorf("created by another: %d %s", w.Code, w.Body)
	}
	// Who says which object it means does not make another.
	stale := strings.Replace(body("ZQ=="), `"name"`, `"uid":"`+r.at(w, "metadata", "uid")+`","name"`, 1)
	meanwhile = remove
	if w := r.ask("PUT "+path+"/a", stale); w.Code != 409 {
		t.Errorf("the very object has gone: %d %s", w.Code, w.Body)
	}
	if w := r.ask("PUT "+path+"/a?dryRun=All", body("Zg==")); w.Code != 201 || r.ask("GET "+path+"/a", "").Code != 404 {
		t.Errorf("created to see whether it could be: %d", w.Code)
	}
}

// TestHonestDefinitions: what a definition asks for and is not done is said, in a condition,
// a warning, or a refusal, and no longer when it does not ask for it any more.
func TestHonestDefinitions(t *testing.T) {
	const rules = `"x-kubernetes-validations":[{"rule":"self.size > 0"}],`
	definition := func(more string, v1 string) string {
		return `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gears.example.com"},"spec":{` + more + `"group":"example.com","scope":"Namespaced","names":{"plural":"gears","kind":"Gear"},"versions":[
		{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{` + v1 + `"type":"object","properties":{"size":{"type":"integer"}}}}}}},
		{"name":"v2","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`
	}
	webhook := `"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"https://localhost/convert"}}},`
	conditions := func(r *reviewed) string {
		var out []string
		for _, c := range tree.List(r.tree(r.ask("GET "+reviewDefinitions+"/gears.example.com", "")), "status", "conditions") {
			out = append(out, tree.Text(c, "type")+"="+tree.Text(c, "status")+"/"+tree.Text(c, "reason"))
		}
		return strings.Join(out, " ")
	}
	r := newReviewed(t)
	const base = "NamesAccepted=True/NoConflicts Established=True/InitialNamesAccepted"
	const gears = "/namespaces/default/gears"
	for _, c := range []struct {
		body       string
		warning    string
		conditions string
		second     int // what a list in v2 is answered
		warned     string
	}{
		{definition("", ""), "", base, 200, ""},
		{definition("", rules), "x-kubernetes-validations are not evaluated", base + " ValidationRulesEvaluated=False/NotSupported", 200, "x-kubernetes-validations are not evaluated"},
		{definition(webhook, rules), "x-kubernetes-validations are not evaluated", base + " ValidationRulesEvaluated=False/NotSupported", 500, "x-kubernetes-validations are not evaluated"},
		// There are objects, and nobody whom this server would ask.
		{definition(webhook, ""), "", base, 500, ""},
		{definition(`"conversion":{"strategy":"None"},`, ""), "", base, 200, ""},
	} {
		var w *httptest.ResponseRecorder
		if o := r.p.Store.Bucket(apitest.DefinitionsBucket).Now(); o.Get("gears.example.com") == nil {
			w = r.ask("POST "+reviewDefinitions, c.body)
		} else {
			obj, _, _ := tree.ParseJSONObject([]byte(c.body))
			tree.Metadata(obj)["resourceVersion"] = r.at(r.ask("GET "+reviewDefinitions+"/gears.example.com", ""), "metadata", "resourceVersion")
			w = r.ask("PUT "+reviewDefinitions+"/gears.example.com", string(tree.AppendJSON(nil, obj)))
		}
		said := strings.Join(w.Header()["Warning"], " ")
		if w.Code/100 != 2 || (said == "") != (c.warning == "") || !strings.Contains(said, c.warning) {
			t.Errorf("%s: %d %s, warning %q", c.body, w.Code, w.Body, said)
		}
		if got := conditions(r); got != c.conditions {
			t.Errorf("%s:\n got %s\nwant %s", c.body, got, c.conditions)
		}
		if got := r.ask("GET /apis/example.com/v2"+gears, "").Code; got != c.second {
			t.Errorf("%s: v2 is %d, want %d", c.body, got, c.second)
		}
		w = r.ask("POST /apis/example.com/v1"+gears, `{"kind":"Gear","apiVersion":"example.com/v1","metadata":{"generateName":"g-"},"spec":{"size":0}}`)
		said = strings.Join(w.Header()["Warning"], " ")
		if w.Code != 201 || (said == "") != (c.warned == "") || !strings.Contains(said, c.warned) {
			t.Errorf("%s: an object: %d, warning %q", c.body, w.Code, said)
		}
	}
	strict := newReviewed(t, func(c *apitest.Config) { c.StrictCRDs = true })
	strict.refuses([]refusal{{"POST " + reviewDefinitions, definition("", rules), `422 Invalid: CustomResourceDefinition.apiextensions.k8s.io "gears.example.com" is invalid: …`}})
	if w := strict.ask("POST "+reviewDefinitions, definition("", "")); w.Code != 201 {
		t.Errorf("strict: %d %s", w.Code, w.Body)
	}
	patch := `[{"op":"add","path":"/spec/versions/1/schema/openAPIV3Schema/x-kubernetes-validations","value":[{"rule":"true"}]}]`
	strict.refuses([]refusal{{"PATCH json " + reviewDefinitions + "/gears.example.com", patch, `422 Invalid: CustomResourceDefinition.apiextensions.k8s.io "gears.example.com" is invalid: …`}})
}
