package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"apichain/internal/api"
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
