package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"apichain/internal/api"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// What the program itself does with resources: finding them, describing them, and calling them
// without a request.

// reason is what a Status says of an error, "" for another error and for none.
func reason(err error) string {
	var e *status.Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Code, " ", e.Reason)
	}
	return ""
}

// TestResourcesAreFound by their kind, by their bucket and by what a path has.
func TestResourcesAreFound(t *testing.T) {
	c := startSubjects(t)
	for _, s := range subjects {
		r := c.API.ForKind(s.apiVersion, s.kind)
		if r == nil {
			t.Fatalf("no resource for %s %s", s.apiVersion, s.kind)
		}
		if r.Qualified() != s.resource || r.Namespaced != strings.Contains(s.path, "/namespaces/") {
			t.Errorf("%s %s is %s, in a namespace: %t", s.apiVersion, s.kind, r.Qualified(), r.Namespaced)
		}
		want := "default/a"
		if !r.Namespaced {
			want = "a"
		}
		if got := r.Key("default", "a"); got != want {
			t.Errorf("%s: key %q, want %q", s.resource, got, want)
		}
		_, version, named := strings.Cut(s.apiVersion, "/")
		if named && r.Root() != "/apis/"+s.apiVersion+"/" {
			t.Errorf("%s: root %s", s.resource, r.Root())
		}
		if !named {
			version = s.apiVersion
		}
		builtin := c.API.Builtin(s.group(), version, s.kind)
		custom := c.API.Customs.Kind(s.group(), version, s.kind)
		looked := c.API.Customs.Lookup(s.group(), version, s.plural())
		switch {
		case s.custom && (builtin != nil || custom != r || looked != r):
			t.Errorf("%s: %v %v %v", s.resource, builtin, custom, looked)
		case !s.custom && (builtin != r || custom != nil || looked != nil):
			t.Errorf("%s: %v %v %v", s.resource, builtin, custom, looked)
		}
		// Two kinds may share a bucket; it is found as the one that is stored.
		if found := c.API.ForBucket(r.Bucket); found == nil || found != r && s.resource != "events.events.k8s.io" {
			t.Errorf("%s: by its bucket %v", s.resource, found)
		}
	}
	for _, none := range [][2]string{{"v1", "Nothing"}, {"v2", "ConfigMap"}, {"", "ConfigMap"}, {"example.com/v2", "Widget"}, {"example.com", "Widget"}, {"/v1", "configmap"}} {
		if r := c.API.ForKind(none[0], none[1]); r != nil {
			t.Errorf("%v is %s", none, r.Qualified())
		}
	}
	if r := c.API.ForBucket(c.Store.Bucket("nobodys")); r != nil {
		t.Errorf("a bucket of nobody's is %s", r.Qualified())
	}
	var all []string
	for r := range c.API.Customs.All {
		all = append(all, r.Qualified())
	}
	slices.Sort(all)
	if got := strings.Join(all, " "); got != "globes.example.com widgets.example.com" {
		t.Errorf("custom resources: %s", got)
	}
}

// TestOperations: each has a method and a path of its own, and a name as upstream makes them.
func TestOperations(t *testing.T) {
	c := startSubjects(t)
	list := func(r *api.Resource) string {
		var out []string
		for _, o := range r.Operations() {
			if o.Method != "HEAD" {
				out = append(out, o.Method+" "+o.Path+" "+o.Name)
			}
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	const inNamespace = "/namespaces/{namespace}"
	want := func(kind, plural, gv, at, scope string) string {
		out := []string{
			"DELETE " + at + plural + " delete" + gv + "Collection" + scope + kind,
			"DELETE " + at + plural + "/{name} delete" + gv + scope + kind,
			"GET " + at + plural + " list" + gv + scope + kind,
			"GET " + at + plural + "/{name} read" + gv + scope + kind,
			"GET /watch" + at + plural + " watch" + gv + scope + kind + "List",
			"GET /watch" + at + plural + "/{name} watch" + gv + scope + kind,
			"PATCH " + at + plural + "/{name} patch" + gv + scope + kind,
			"POST " + at + plural + " create" + gv + scope + kind,
			"PUT " + at + plural + "/{name} replace" + gv + scope + kind,
		}
		if scope != "" {
			out = append(out, "GET "+plural+" list"+gv+kind+"ForAllNamespaces", "GET /watch"+plural+" watch"+gv+kind+"ListForAllNamespaces")
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	for _, row := range []struct{ apiVersion, kind, want string }{
		{"v1", "ConfigMap", want("ConfigMap", "/configmaps", "CoreV1", inNamespace, "Namespaced")},
		{"coordination.k8s.io/v1", "Lease", want("Lease", "/leases", "CoordinationV1", inNamespace, "Namespaced")},
		{"events.k8s.io/v1", "Event", want("Event", "/events", "EventsV1", inNamespace, "Namespaced")},
		{"authentication.k8s.io/v1", "TokenReview", "POST /tokenreviews createAuthenticationV1TokenReview"},
		{"authorization.k8s.io/v1", "LocalSubjectAccessReview", "POST /namespaces/{namespace}/localsubjectaccessreviews createAuthorizationV1NamespacedLocalSubjectAccessReview"},
	} {
		if got := list(c.API.ForKind(row.apiVersion, row.kind)); got != row.want {
			t.Errorf("%s %s:\n got %s\nwant %s", row.apiVersion, row.kind, got, row.want)
		}
	}
	for _, row := range c.API.Kinds.Kinds {
		r := c.API.Builtin(row.Group, row.Version, row.Kind)
		seen, named := map[string]bool{}, map[string]bool{}
		for _, o := range r.Operations() {
			if key := o.Method + " " + o.Path; seen[key] {
				t.Errorf("%s: %s is there twice", row.Kind, key)
			} else {
				seen[key] = true
			}
			if named[o.Name] || o.Name == "" || o.Doc == "" || o.Media == nil {
				t.Errorf("%s: operation %+v", row.Kind, o)
			}
			named[o.Name] = true
			if at := strings.Contains(o.Path, "{name}"); at != (o.Form == api.FormItem || o.Form == api.FormWatchItem) {
				t.Errorf("%s: %s is of form %d", row.Kind, o.Path, o.Form)
			}
			if below := strings.HasSuffix(strings.TrimSuffix(o.Path, "/{path:*}"), "/"+o.Subresource); o.Subresource != "" && !below {
				t.Errorf("%s: %s is of the subresource %s", row.Kind, o.Path, o.Subresource)
			}
		}
		for key := range seen {
			if path, get := strings.CutPrefix(key, "GET "); get && !seen["HEAD "+path] {
				t.Errorf("%s: no HEAD %s", row.Kind, path)
			}
		}
	}
}

// TestApply: an object is made or put in the place of another with the checks of a request, its
// status with it; what is applied twice is written once.
func TestApply(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		apply := func(text string) (uid string, rev int64, created bool, err error) {
			t.Helper()
			obj, _, parse := tree.ParseJSONObject([]byte(text))
			if parse != nil {
				t.Fatal(parse)
			}
			o, created, err := c.API.Apply(t.Context(), obj)
			if err != nil {
				return "", 0, created, err
			}
			return o.Meta.UID, o.Rev, created, nil
		}
		uid, rev, created, err := apply(s.named("a"))
		if err != nil || !created || rev != c.Store.Revision() {
			t.Fatalf("created %t at %d: %v", created, rev, err)
		}
		again, now, created, err := apply(s.named("a"))
		if err != nil || created || again != uid || now != rev {
			t.Errorf("the same again: created %t, %s at %d, was %s at %d: %v", created, again, now, uid, rev, err)
		}
		again, now, created, err = apply(s.body(`"name":"a","labels":{"l":"v"},"uid":"other","generation":9`, s.spec))
		if err != nil || created || again != uid || now != rev+1 {
			t.Errorf("another label: created %t, %s at %d, was %s at %d: %v", created, again, now, uid, rev, err)
		}
		if got := c.Must(200, "GET", s.path+"/a", nil); tree.Text(got, "metadata", "labels", "l") != "v" {
			t.Errorf("applied: %v", got)
		}
		if _, now, _, err = apply(s.named("a")); err != nil || now != rev+2 {
			t.Errorf("without the label: %d, %v", now, err)
		}
		if got := c.Must(200, "GET", s.path+"/a", nil); tree.Object(got, "metadata", "labels") != nil {
			t.Errorf("what is left out stays: %v", got)
		}
		before := c.Store.Revision()
		for text, want := range map[string]string{
			s.body(`"name":"B/"`, s.spec):                       "422 Invalid",
			s.body(`"labels":{}`, s.spec):                       "422 Invalid",
			s.body(`"name":"a"`, s.spec+`,"bogus":1`):           "400 BadRequest",
			s.body(`"name":"a","labels":{"a b":""}`, s.spec):    "422 Invalid",
			s.body(`"name":"c","finalizers":[""]`, s.spec):      "422 Invalid",
			s.body(`"name":"d","resourceVersion":"7"`, s.spec):  "500 ",
			`{"kind":"None","apiVersion":"v1","metadata":{}}`:   "",
			`{"kind":"TokenReview","apiVersion":"v1"}`:          "",
			`{"kind":"Widget","apiVersion":"example.com/v9"}`:   "",
			`{"kind":"` + s.kind + `","metadata":{"name":"a"}}`: "",
		} {
			if _, _, _, err := apply(text); err == nil || reason(err) != want {
				t.Errorf("%s: %v %q, want %q", text, err, reason(err), want)
			}
		}
		if now := c.Store.Revision(); now != before {
			t.Errorf("%d writes of what was refused", now-before)
		}
	})
}

// TestInternalCalls: the program makes, changes and deletes without a request, by the same rules,
// and a change is made of what is there at that moment.
func TestInternalCalls(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		r := c.API.ForKind(s.apiVersion, s.kind)
		ctx := t.Context()
		call := func(verb, name string) *api.Call { return c.API.Internal(r, verb, "default", name, "") }
		change := func(name string, set func(obj map[string]any) bool) (rev int64, there bool) {
			t.Helper()
			o, err := call("update", name).Modify(ctx, set)
			if err != nil {
				t.Errorf("a change of %s: %v", name, err)
			}
			if o == nil {
				return 0, false
			}
			return o.Rev, true
		}
		label := func(obj map[string]any) bool {
			tree.Metadata(obj)["labels"] = map[string]any{"l": "v"}
			return true
		}
		if _, there := change("a", label); there {
			t.Error("none was changed")
		}
		obj, _, err := tree.ParseJSONObject([]byte(s.named("a")))
		if err != nil {
			t.Fatal(err)
		}
		made, err := call("create", "").Insert(obj)
		if err != nil || made.Name() != "a" {
			t.Fatalf("%v, %v", made, err)
		}
		obj, _, _ = tree.ParseJSONObject([]byte(s.named("a")))
		if _, err := call("create", "").Insert(obj); reason(err) != "409 AlreadyExists" {
			t.Errorf("made twice: %v", err)
		}
		if rev, there := change("a", func(map[string]any) bool { return false }); !there || rev != made.Rev {
			t.Errorf("left as it is: %d, was %d", rev, made.Rev)
		}
		if rev, there := change("a", func(map[string]any) bool { return true }); !there || rev != made.Rev {
			t.Errorf("written as it is: %d, was %d", rev, made.Rev)
		}
		// Somebody else is first, twice: the change is made a third time, of what they have left.
		tries := 0
		rev, there := change("a", func(obj map[string]any) bool {
			if tries++; tries < 3 {
				c.Must(200, "PATCH", s.path+"/a", fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, tries))
			}
			return label(obj)
		})
		got := c.Must(200, "GET", s.path+"/a", nil)
		if !there || tries != 3 || fmt.Sprint(rev) != revision(got) || tree.Text(got, "metadata", "annotations", "n") != "2" || tree.Text(got, "metadata", "labels", "l") != "v" {
			t.Errorf("%d tries led to %v", tries, got)
		}
		// Who gives up does not write.
		over, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := call("update", "a").Modify(over, label); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}

		uid, old := "other", "1"
		for _, o := range []*api.DeleteOptions{{UID: &uid}, {ResourceVersion: &old}} {
			if _, _, err := call("delete", "a").Delete(o); reason(err) != "409 Conflict" {
				t.Errorf("of another state: %v", err)
			}
		}
		last, gone, err := call("delete", "a").Delete(&api.DeleteOptions{Propagation: api.PropagationBackground, UID: &made.Meta.UID})
		if err != nil || !gone || tree.Name(last) != "a" {
			t.Errorf("deleted: %v, gone %t, %v", last, gone, err)
		}
		if _, _, err := call("delete", "a").Delete(&api.DeleteOptions{}); reason(err) != "404 NotFound" {
			t.Errorf("deleted twice: %v", err)
		}
		// With the last finalizer of a deleted object the change is its end.
		c.Must(201, "POST", s.path, s.body(`"name":"b","finalizers":["example.com/x"]`, s.spec))
		if _, gone, err := call("delete", "b").Delete(&api.DeleteOptions{}); gone || err != nil {
			t.Errorf("held: gone %t, %v", gone, err)
		}
		if _, there := change("b", func(obj map[string]any) bool {
			delete(tree.Metadata(obj), "finalizers")
			return true
		}); there {
			t.Error("let go, and still there")
		}
		c.Must(404, "GET", s.path+"/b", nil)
	})
}

// TestDefinitionsThatWait: which definitions have not got their names, and which are being
// deleted, as the controllers ask it.
func TestDefinitionsThatWait(t *testing.T) {
	c := startSubjects(t)
	c.Must(201, "POST", definitionsPath, definitionOf("gadgets", "Widget", "Namespaced"))
	if got := c.API.Customs.NamesPending("example.com"); !slices.Equal(got, []string{"gadgets.example.com"}) {
		t.Errorf("waiting: %q", got)
	}
	if got := c.API.Customs.NamesPending("other.io"); len(got) != 0 {
		t.Errorf("waiting in another group: %q", got)
	}
	c.Must(201, "POST", widgetsPath, custom("Widget", "w", held("example.com/x")))
	if c.API.Customs.IsTerminating("widgets.example.com") || c.API.Customs.IsTerminating("none.example.com") {
		t.Error("nothing is being deleted")
	}
	c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	if !c.API.Customs.IsTerminating("widgets.example.com") {
		t.Error("the definition is being deleted")
	}
	c.Release(widgetsPath + "/w")
	c.Soon("the kind is passed on", c.There("/apis/example.com/v1/gadgets"))
	if got := c.API.Customs.NamesPending("example.com"); len(got) != 0 {
		t.Errorf("still waiting: %q", got)
	}
}
