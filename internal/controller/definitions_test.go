package controller_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestDefinitionDeletion: its objects go first, watchers see that, nothing new is made, and
// a finalizer of one holds it all.
func TestDefinitionDeletion(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(201, "POST", widgetsPath, custom("Widget", "free"))
	last := c.Must(201, "POST", widgetsPath, custom("Widget", "kept", held("example.com/x")))
	watch := c.Watch(t, widgetsPath+"?watch=1&resourceVersion="+revision(last))
	crd := c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	if !slices.Contains(tree.List(crd, "metadata", "finalizers"), any(api.DefinitionFinalizer)) || tree.Text(crd, "metadata", "deletionTimestamp") == "" {
		t.Errorf("the answer: %v", crd)
	}
	pending := tree.List(crd, "status", "conditions")
	if last := tree.Object(pending[len(pending)-1]); !is(last, "True", "InstanceDeletionPending") {
		t.Errorf("conditions of the answer: %v", pending)
	}
	c.Soon("its objects are being deleted", func() bool {
		return is(c.Condition("widgets.example.com", "Terminating"), "True", "InstanceDeletionInProgress")
	})
	if e := c.Must(403, "POST", widgetsPath, custom("Widget", "new")); tree.Text(e, "message") != `widgets.example.com "new" is forbidden: create not allowed while custom resource definition is terminating` {
		t.Errorf("a create: %v", e)
	}
	c.Soon("what is not held is gone", c.Missing(widgetsPath+"/free"))
	c.Must(200, "PATCH", widgetsPath+"/kept", `{"spec":{"size":5}}`)
	doc := c.Must(200, "GET", "/apis/example.com/v1", nil)
	for _, r := range tree.List(doc, "resources") {
		if tree.Text(r, "name") == "widgets" && !tree.Equal(tree.List(r, "verbs"), []any{"delete", "deletecollection", "get", "list", "watch"}) {
			t.Errorf("verbs %v", tree.List(r, "verbs"))
		}
	}
	c.Release(widgetsPath + "/kept")
	c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
	// Who serves follows the store.
	c.Soon("nobody serves it", c.Missing(widgetsPath))
	var seen []string
	for {
		e, ok := watch.Take()
		if !ok {
			break
		}
		seen = append(seen, e.Type+" "+tree.Name(e.Obj))
	}
	slices.Sort(seen)
	if want := []string{"DELETED free", "DELETED kept", "MODIFIED kept", "MODIFIED kept"}; !slices.Equal(seen, want) {
		t.Errorf("watched %q, want %q", seen, want)
	}
	// Another one of its name has nothing of it.
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Cluster"))
	if items := tree.List(c.Must(200, "GET", "/apis/example.com/v1/widgets", nil), "items"); len(items) > 0 {
		t.Errorf("%v", items)
	}
}

// TestDefinitionRace: creates that race with the deletion of their definition leave nothing
// behind.
func TestDefinitionRace(t *testing.T) {
	c := startClients(t)
	for round := range 8 {
		c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
		begun := make(chan struct{}, 100)
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for i := range 200 {
					code, e := c.Try("POST", widgetsPath, custom("Widget", fmt.Sprintf("o-%d-%d", w, i)))
					if code == 403 || code == 404 {
						return
					}
					if code != 201 {
						t.Errorf("a create: %d %v", code, e)
						return
					}
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
		}
		for range 1 + 3*round {
			apitest.Await(t, "a create", begun)
		}
		c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
		all.Wait()
		c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
		sn := c.Store.Bucket("widgets.example.com").Now()
		if n := sn.Count(); n > 0 {
			t.Errorf("round %d: %d objects are left", round, n)
		}
	}
}

// TestHiddenDefinitionDeletion: objects of a kind that no version serves any more go with
// their definition.
func TestHiddenDefinitionDeletion(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(201, "POST", widgetsPath, custom("Widget", "w"))
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", `[{"op":"replace","path":"/spec/versions/0/served","value":false}]`, "Content-Type: "+apitest.JSONPatch)
	c.Must(404, "GET", widgetsPath, nil)
	c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
	sn := c.Store.Bucket("widgets.example.com").Now()
	if sn.Count() > 0 {
		t.Error("an object is left")
	}
}

// TestFixturesOfACustomKind: definitions, objects and their status are there when the server
// is ready, and what the server adds to a namespace of theirs.
func TestFixturesOfACustomKind(t *testing.T) {
	dir := t.TempDir()
	obj := custom("Widget", "w", map[string]any{"namespace": "team"})
	obj["spec"], obj["status"] = map[string]any{"size": int64(2)}, map[string]any{"phase": "Done"}
	crd := definitionOf("widgets", "Widget", "Namespaced")
	tree.Set(tree.List(crd, "spec", "versions")[0].(map[string]any), map[string]any{"type": "object", "properties": map[string]any{"phase": map[string]any{"type": "string"}}}, "schema", "openAPIV3Schema", "properties", "status")
	for name, docs := range map[string][]any{"a.json": {obj}, "b.json": {space("team")}, "c.json": {crd}} {
		var text []byte
		for _, doc := range docs {
			b, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, b...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := startClients(t, func(c *apitest.Config) { c.Fixtures = []string{dir} })
	got := c.Must(200, "GET", "/apis/example.com/v1/namespaces/team/widgets/w", nil)
	if tree.Text(got, "status", "phase") != "Done" || tree.At(got, "spec", "size") != int64(2) || tree.At(got, "metadata", "generation") != int64(1) {
		t.Errorf("%v", got)
	}
	c.Must(200, "GET", "/api/v1/namespaces/team/serviceaccounts/default", nil)
	c.Must(200, "GET", "/api/v1/namespaces/team/configmaps/"+apitest.RootCAName, nil)
}

// TestBrokenDefinitionDeletion: a definition that no write of its spec would pass any more goes all the
// same, and one that was never established says so at the end.
func TestBrokenDefinitionDeletion(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com/status", `{"status":{"storedVersions":["v1","v9"]}}`)
	c.Must(422, "PATCH", definitionsPath+"/widgets.example.com", `{"metadata":{"labels":{"a":"b"}}}`)
	c.Must(201, "POST", definitionsPath, definitionOf("gadgets", "Widget", "Namespaced"))
	watch := c.Watch(t, definitionsPath+"?watch=1")
	c.Must(200, "DELETE", definitionsPath+"/gadgets.example.com", nil)
	c.Soon("the other is gone", c.Missing(definitionsPath+"/gadgets.example.com"))
	c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
	var reasons []string
	for {
		e, ok := watch.Take()
		if !ok || e.Type == "DELETED" && tree.Name(e.Obj) == "widgets.example.com" {
			break
		}
		for _, condition := range tree.List(e.Obj, "status", "conditions") {
			if e.Type == "MODIFIED" && tree.Text(condition, "type") == "Terminating" {
				reasons = append(reasons, tree.Text(condition, "reason"))
			}
		}
	}
	if want := []string{"InstanceDeletionPending", "InstanceDeletionInProgress", "InstanceDeletionPending", "InstanceDeletionInProgress"}; !slices.Equal(reasons, want) {
		t.Errorf("%q, want %q", reasons, want)
	}
}

// TestFreedName: of several definitions that wait for a name the first in the alphabet gets it, when
// another gives it up and when another goes.
func TestFreedName(t *testing.T) {
	c := startClients(t)
	with := func(plural, kind string, short ...any) map[string]any {
		crd := definitionOf(plural, kind, "Namespaced")
		tree.Set(crd, short, "spec", "names", "shortNames")
		return crd
	}
	accepted := func(name string) bool { return is(c.Condition(name, "NamesAccepted"), "True", "NoConflicts") }
	c.Must(201, "POST", definitionsPath, with("apples", "Apple", "x", "y"))
	for _, plural := range []string{"dates", "cherries", "berries"} {
		c.Must(201, "POST", definitionsPath, with(plural, strings.ToUpper(plural[:1])+plural[1:], "x"))
	}
	c.Must(200, "PATCH", definitionsPath+"/apples.example.com", `{"spec":{"names":{"shortNames":["y"]}}}`)
	c.Soon("the first has the name", func() bool { return accepted("berries.example.com") })
	c.Must(200, "DELETE", definitionsPath+"/berries.example.com", nil)
	c.Soon("the next has the name", func() bool { return accepted("cherries.example.com") })
	if accepted("dates.example.com") {
		t.Error("the last has the name as well")
	}
}

// TestHeldDefinitionDeletion: a definition that others hold has its cleaning up behind it, and says so.
func TestHeldDefinitionDeletion(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"metadata":{"finalizers":["example.com/a"]}}`)
	c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.Soon("it is cleaned up", func() bool {
		return is(c.Condition("widgets.example.com", "Terminating"), "False", "InstanceDeletionCompleted")
	})
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"metadata":{"labels":{"a":"b"}}}`)
	if got := c.Condition("widgets.example.com", "Terminating"); !is(got, "False", "InstanceDeletionCompleted") {
		t.Errorf("after another write: %v", got)
	}
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"metadata":{"finalizers":null}}`)
	c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
}
