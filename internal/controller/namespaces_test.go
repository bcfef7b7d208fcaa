package controller_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/controller"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// TestNamespaceIsFurnished: it gets its service account and the CA, and gets them again.
func TestNamespaceIsFurnished(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", spacesPath, space("a"))
	account, root := spacesPath+"/a/serviceaccounts/default", spacesPath+"/a/configmaps/"+controller.RootCAName
	c.Soon("the account", c.There(account))
	c.Soon("the CA", c.There(root))
	uid := tree.Text(c.Must(200, "GET", account, nil), "metadata", "uid")
	c.Must(200, "DELETE", account, nil)
	c.Soon("a new account", func() bool {
		code, obj := c.Try("GET", account, nil)
		return code == 200 && tree.Text(obj, "metadata", "uid") != uid
	})
	right := c.Must(200, "GET", root, nil)
	for _, patch := range []string{`{"data":{"ca.crt":"x"}}`, `{"data":null}`, `{"data":{"more":"x"}}`} {
		c.Must(200, "PATCH", root, patch)
		c.Soon("the right CA", func() bool {
			_, obj := c.Try("GET", root, nil)
			return tree.Equal(obj["data"], right["data"])
		})
	}
	// What others add elsewhere in them is theirs.
	c.Must(200, "PATCH", root, `{"metadata":{"labels":{"a":"b"}}}`)
	c.Must(200, "DELETE", root, nil)
	c.Soon("the CA is there again", c.There(root))
	c.Must(200, "DELETE", spacesPath+"/a/configmaps", nil)
	c.Soon("and again", c.There(root))
}

// TestNamespaceDeletion: deleting a namespace deletes all in it, of custom kinds too, and
// waits for what finalizers hold.
func TestNamespaceDeletion(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(201, "POST", definitionsPath, definitionOf("idles", "Idle", "Namespaced"))
	c.Must(201, "POST", spacesPath, space("a"))
	c.Must(201, "POST", spacesPath, space("ab")) // its keys begin alike
	for _, ns := range []string{"a", "ab"} {
		c.Must(201, "POST", spacesPath+"/"+ns+"/configmaps", mapObject("free"))
		c.Must(201, "POST", spacesPath+"/"+ns+"/configmaps", mapObject("kept", held("example.com/x")))
		c.Must(201, "POST", "/apis/example.com/v1/namespaces/"+ns+"/widgets", custom("Widget", "free"))
		c.Must(201, "POST", "/apis/example.com/v1/namespaces/"+ns+"/widgets", custom("Widget", "kept", held("example.com/x")))
		c.Must(201, "POST", "/apis/example.com/v1/namespaces/"+ns+"/idles", custom("Idle", "i"))
	}
	// Objects that nobody can ask for any more are in it, too.
	c.Must(200, "PATCH", definitionsPath+"/idles.example.com", `[{"op":"replace","path":"/spec/versions/0/served","value":false}]`, "Content-Type: "+api.JsonPatchType)
	gone := c.Must(200, "DELETE", spacesPath+"/a", nil)
	if tree.Text(gone, "status", "phase") != "Terminating" || tree.Text(gone, "metadata", "deletionTimestamp") == "" {
		t.Errorf("the answer: %v", gone)
	}
	c.Soon("what is not held is gone", c.Missing(spacesPath+"/a/configmaps/free"))
	c.Soon("custom objects, too", c.Missing("/apis/example.com/v1/namespaces/a/widgets/free"))
	c.Soon("and hidden ones", func() bool {
		sn := c.Store.Bucket("idles.example.com").Now()
		return sn.Get("a/i") == nil
	})
	for _, make := range []func() (int, map[string]any){
		func() (int, map[string]any) { return c.Try("POST", spacesPath+"/a/configmaps", mapObject("new")) },
		func() (int, map[string]any) {
			return c.Try("POST", spacesPath+"/a/configmaps?dryRun=All", mapObject("new"))
		},
		func() (int, map[string]any) {
			return c.Try("POST", "/apis/example.com/v1/namespaces/a/widgets", custom("Widget", "new"))
		},
	} {
		code, e := make()
		causes := tree.List(e, "details", "causes")
		if code != 403 || len(causes) != 1 || tree.Text(causes[0], "reason") != "NamespaceTerminating" || !strings.Contains(tree.Text(e, "message"), "because it is being terminated") {
			t.Errorf("a create in it: %d %v", code, e)
		}
	}
	c.Must(200, "PATCH", spacesPath+"/a/configmaps/kept", `{"data":{"still":"writable"}}`)
	c.Release(spacesPath + "/a/configmaps/kept")
	c.Must(200, "GET", spacesPath+"/a", nil)
	c.Release("/apis/example.com/v1/namespaces/a/widgets/kept")
	c.Soon("the namespace is gone", c.Missing(spacesPath+"/a"))
	for _, b := range c.Store.Buckets() {
		sn := b.Now()
		for o := range sn.Scan("a/", "") {
			t.Errorf("%s %s is left", b.Name, o.Key)
		}
	}
	c.Must(200, "GET", spacesPath+"/ab/configmaps/free", nil)
	c.Must(200, "GET", "/apis/example.com/v1/namespaces/ab/widgets/free", nil)
	if e := c.Must(404, "POST", spacesPath+"/a/configmaps", mapObject("new")); tree.Text(e, "message") != `namespaces "a" not found` {
		t.Errorf("a create in none: %v", e)
	}
	// Its name is free again.
	c.Must(201, "POST", spacesPath, space("a"))
	c.Soon("the new one is furnished", c.There(spacesPath+"/a/serviceaccounts/default"))
}

// TestNamespaceFinalize: those in spec hold a namespace once it is empty, and only the
// subresource takes them away.
func TestNamespaceFinalize(t *testing.T) {
	c := startClients(t)
	obj := space("a")
	obj["spec"] = map[string]any{"finalizers": []any{"example.com/x"}}
	made := c.Must(201, "POST", spacesPath, obj)
	if got := tree.List(made, "spec", "finalizers"); !slices.Contains(got, any("kubernetes")) || !slices.Contains(got, any("example.com/x")) {
		t.Fatalf("finalizers %v", got)
	}
	c.Must(200, "DELETE", spacesPath+"/a", nil)
	c.Soon("the server has let go of it", func() bool {
		_, now := c.Try("GET", spacesPath+"/a", nil)
		return tree.Equal(tree.List(now, "spec", "finalizers"), []any{"example.com/x"})
	})
	now := c.Must(200, "GET", spacesPath+"/a", nil)
	now["spec"] = map[string]any{}
	c.Must(200, "PUT", spacesPath+"/a", now)
	now = c.Must(200, "GET", spacesPath+"/a", nil)
	if !tree.Equal(tree.List(now, "spec", "finalizers"), []any{"example.com/x"}) {
		t.Errorf("a plain write has changed the finalizers: %v", now)
	}
	stale := tree.Copy(made).(map[string]any)
	stale["spec"] = map[string]any{}
	c.Must(409, "PUT", spacesPath+"/a/finalize", stale)
	c.Must(405, "GET", spacesPath+"/a/finalize", nil)
	c.Must(404, "PUT", spacesPath+"/b/finalize", space("b"))
	now["spec"] = map[string]any{}
	c.Must(200, "PUT", spacesPath+"/a/finalize", now)
	c.Soon("it is gone", c.Missing(spacesPath+"/a"))
}

// TestNamespaceWithoutFinalizers: what is in it goes all the same.
func TestNamespaceWithoutFinalizers(t *testing.T) {
	c := startClients(t)
	now := c.Must(201, "POST", spacesPath, space("a"))
	c.Soon("furnished", c.There(spacesPath+"/a/configmaps/"+controller.RootCAName))
	now["spec"] = map[string]any{}
	bare := c.Must(200, "PUT", spacesPath+"/a/finalize", now)
	if f := tree.At(bare, "spec", "finalizers"); f != nil {
		t.Errorf("finalizers %v", f)
	}
	c.Must(201, "POST", spacesPath+"/a/configmaps", mapObject("kept", held("example.com/x")))
	c.Must(200, "DELETE", spacesPath+"/a", nil)
	c.Soon("what is in it is deleted", c.Missing(spacesPath+"/a/configmaps/"+controller.RootCAName))
	c.Must(200, "GET", spacesPath+"/a", nil)
	c.Release(spacesPath + "/a/configmaps/kept")
	c.Soon("it has gone", c.Missing(spacesPath+"/a"))
}

// TestPermanentNamespaces cannot be deleted, one by one or together.
func TestPermanentNamespaces(t *testing.T) {
	c := startClients(t)
	for _, ns := range []string{"default", "kube-system", "kube-public"} {
		if e := c.Must(403, "DELETE", spacesPath+"/"+ns, nil); tree.Text(e, "reason") != "Forbidden" || !strings.Contains(tree.Text(e, "message"), "this namespace may not be deleted") {
			t.Errorf("%s: %v", ns, e)
		}
		c.Must(201, "POST", spacesPath+"/"+ns+"/configmaps", mapObject("x"))
	}
	c.Must(200, "DELETE", spacesPath+"/kube-node-lease", nil)
	c.Soon("another one goes", c.Missing(spacesPath+"/kube-node-lease"))
}

// TestNamespaceRace: creates that race with the deletion of their namespace leave nothing
// behind, neither do those into its successor's name get lost.
func TestNamespaceRace(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	for round := range 8 {
		ns := "race-" + itoa(round)
		c.Must(201, "POST", spacesPath, space(ns))
		var made atomic.Int32
		begun := make(chan struct{}, 100)
		var all sync.WaitGroup
		for w := range 4 {
			path, obj := spacesPath+"/"+ns+"/configmaps", mapObject
			if w%2 == 1 {
				path, obj = "/apis/example.com/v1/namespaces/"+ns+"/widgets", func(name string, _ ...map[string]any) map[string]any { return custom("Widget", name) }
			}
			all.Go(func() {
				for i := range 200 {
					code, e := c.Try("POST", path, obj(fmt.Sprintf("o-%d-%d", w, i)))
					switch code {
					case 201:
						made.Add(1)
					case 403, 404:
						return
					default:
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
		c.Must(200, "DELETE", spacesPath+"/"+ns, nil)
		all.Wait()
		c.Soon("the namespace is gone", c.Missing(spacesPath+"/"+ns))
		for _, b := range c.Store.Buckets() {
			sn := b.Now()
			if n := sn.Remaining(ns+"/", ""); n > 0 {
				t.Errorf("round %d: %d of %d objects of %s are left", round, n, made.Load(), b.Name)
			}
		}
	}
}

// TestNamespaceGoesBeforeCommit: a create that was checked, and then finds the namespace
// deleted or gone when it commits, fails as if it had come later.
func TestNamespaceGoesBeforeCommit(t *testing.T) {
	c := startClients(t)
	for holds, want := range map[string]string{"example.com/x": "Forbidden", "": "NotFound"} {
		ns := "a" + itoa(len(holds))
		c.Must(201, "POST", spacesPath, space(ns))
		if holds != "" {
			c.Must(201, "POST", spacesPath+"/"+ns+"/secrets", `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","finalizers":["`+holds+`"]}}`)
		}
		r := c.API.NewBuiltin(c.API.Kinds.Kind("", "v1", "ConfigMap"))
		r.ToStored = func(map[string]any) { // just before the commit
			c.Must(200, "DELETE", spacesPath+"/"+ns, nil)
			if holds == "" {
				c.Soon("the namespace is gone", c.Missing(spacesPath+"/"+ns))
			}
		}
		_, err := c.API.Internal(r, "create", ns, "", "").Insert(mapObject("late"))
		var e *status.Error
		if !errors.As(err, &e) || e.Reason != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if sn := r.Bucket.Now(); sn.Get(ns+"/late") != nil {
			t.Error("the object is there")
		}
	}
}
