package controller_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/request"
	"apichain/internal/tree"
)

// TestOwnersGone: an object goes when all its owners have gone, and not before.
func TestOwnersGone(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.Must(201, "POST", definitionsPath, definitionOf("globes", "Globe", "Cluster"))
	const widgets, globes = "/apis/example.com/v1/namespaces/default/widgets", "/apis/example.com/v1/globes"
	one := c.Must(201, "POST", mapsPath, mapObject("one"))
	two := c.Must(201, "POST", widgets, custom("Widget", "two"))
	globe := c.Must(201, "POST", globes, custom("Globe", "globe"))
	absent := ref(one)
	absent["uid"] = request.NewUUID()
	unserved := map[string]any{"apiVersion": "nobody.io/v1", "kind": "Nothing", "name": "x", "uid": request.NewUUID()}
	unknown := ref(one)
	unknown["name"] = "never-was"

	for name, owners := range map[string][]any{
		"of-absent": {absent}, "of-unknown": {unknown}, "of-two-absent": {absent, unknown},
	} {
		c.Must(201, "POST", mapsPath, mapObject(name, ownedBy(owners...)))
		c.Soon(name+" is collected", c.Missing(mapsPath+"/"+name))
	}
	for name, owners := range map[string][]any{
		"of-one": {ref(one)}, "of-two": {ref(two)}, "of-both": {ref(one), ref(two)}, "of-globe": {ref(globe)},
		"of-one-and-absent": {ref(one), absent}, "of-unserved": {unserved}, "of-one-and-unserved": {ref(one), unserved},
	} {
		c.Must(201, "POST", mapsPath, mapObject(name, ownedBy(owners...)))
		w := custom("Widget", name, ownedBy(owners...))
		c.Must(201, "POST", widgets, w)
	}
	// An object of the cluster cannot have an owner in a namespace: nobody can tell which.
	c.Must(201, "POST", globes, custom("Globe", "of-one", ownedBy(ref(one))))
	names := func(path string) []string {
		var out []string
		for _, item := range tree.List(c.Must(200, "GET", path, nil), "items") {
			if name, ok := strings.CutPrefix(tree.Name(item.(map[string]any)), "of-"); ok {
				out = append(out, name)
			}
		}
		return out
	}
	check := func(when string, want ...string) {
		t.Helper()
		for _, path := range []string{mapsPath, widgets} {
			var got []string
			c.Soon(when+": "+strings.Join(want, " "), func() bool {
				got = names(path)
				return slices.Equal(got, want)
			})
		}
	}
	check("at first", "both", "globe", "one", "one-and-absent", "one-and-unserved", "two", "unserved")
	c.Soon("an absent owner is taken out where another stays", func() bool {
		got := c.Must(200, "GET", mapsPath+"/of-one-and-absent", nil)
		return len(tree.List(got, "metadata", "ownerReferences")) == 1
	})
	c.Must(200, "DELETE", mapsPath+"/one", nil)
	check("without one", "both", "globe", "one-and-unserved", "two", "unserved")
	c.Must(200, "DELETE", widgets+"/two", nil)
	check("without two", "globe", "one-and-unserved", "unserved")
	c.Must(200, "DELETE", globes+"/globe", nil)
	check("without the globe", "one-and-unserved", "unserved")
	c.Must(200, "GET", globes+"/of-one", nil)
}

// TestOwnerRecreated: another object of an owner's name is not the owner.
func TestOwnerRecreated(t *testing.T) {
	c := startClients(t)
	first := c.Must(201, "POST", mapsPath, mapObject("owner"))
	c.Must(201, "POST", mapsPath, mapObject("dependent", ownedBy(ref(first)), held("example.com/x")))
	c.Must(200, "DELETE", mapsPath+"/owner", nil)
	second := c.Must(201, "POST", mapsPath, mapObject("owner"))
	c.Must(201, "POST", mapsPath, mapObject("late", ownedBy(ref(first))))
	c.Must(201, "POST", mapsPath, mapObject("new", ownedBy(ref(second))))
	c.Soon("the late one goes", c.Missing(mapsPath+"/late"))
	c.Soon("the old one is deleted", func() bool {
		return tree.Text(c.Must(200, "GET", mapsPath+"/dependent", nil), "metadata", "deletionTimestamp") != ""
	})
	c.Release(mapsPath + "/dependent")
	c.Soon("and goes", c.Missing(mapsPath+"/dependent"))
	c.Must(200, "GET", mapsPath+"/new", nil)
	// An owner that is taken on later counts as well, and one that is given up does not.
	c.Must(201, "POST", mapsPath, mapObject("joins"))
	c.Must(200, "PATCH", mapsPath+"/joins", map[string]any{"metadata": ownedBy(ref(second))})
	c.Must(200, "PATCH", mapsPath+"/new", `{"metadata":{"ownerReferences":null}}`)
	c.Must(200, "DELETE", mapsPath+"/owner", nil)
	c.Soon("who has joined goes", c.Missing(mapsPath+"/joins"))
	c.Must(200, "GET", mapsPath+"/new", nil)
}

// TestPropagation: what a delete does with dependents, of dependents too.
func TestPropagation(t *testing.T) {
	c := startClients(t)
	plant := func(name string) {
		owner := c.Must(201, "POST", mapsPath, mapObject(name))
		child := c.Must(201, "POST", mapsPath, mapObject(name+"-blocks", ownedBy(ref(owner, "blockOwnerDeletion")), held("example.com/x")))
		c.Must(201, "POST", mapsPath, mapObject(name+"-grandchild", ownedBy(ref(child, "blockOwnerDeletion"))))
		c.Must(201, "POST", mapsPath, mapObject(name+"-free", ownedBy(ref(owner))))
	}
	state := func(name string) string {
		code, obj := c.Try("GET", mapsPath+"/"+name, nil)
		switch {
		case code == 404:
			return "gone"
		case tree.Text(obj, "metadata", "deletionTimestamp") != "":
			return "deleted " + fmt.Sprint(len(tree.List(obj, "metadata", "finalizers")))
		}
		return fmt.Sprint("there ", len(tree.List(obj, "metadata", "ownerReferences")))
	}
	states := func(when, name string, want ...string) {
		t.Helper()
		var got [4]string
		c.Soon(when, func() bool {
			got = [4]string{state(name), state(name + "-blocks"), state(name + "-grandchild"), state(name + "-free")}
			return slices.Equal(got[:], want)
		})
	}
	for _, body := range []any{nil, `{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}`, `{"orphanDependents":false}`} {
		plant("background")
		code, _ := c.Try("DELETE", mapsPath+"/background", body)
		if code != 200 {
			t.Errorf("%v: got %d, want 200", body, code)
		}
		states("in the background", "background", "gone", "deleted 1", "there 1", "gone")
		c.Release(mapsPath + "/background-blocks")
		states("at the end", "background", "gone", "gone", "gone", "gone")
	}
	plant("foreground")
	deleted := c.Must(200, "DELETE", mapsPath+"/foreground?propagationPolicy=Foreground", nil)
	if f := tree.List(deleted, "metadata", "finalizers"); !tree.Equal(f, []any{api.FinalizerForeground}) {
		t.Errorf("finalizers %v", f)
	}
	// The child is deleted in the foreground in turn, since it has dependents: when those have
	// gone only what holds it itself is left.
	states("in the foreground", "foreground", "deleted 1", "deleted 1", "gone", "gone")
	c.Release(mapsPath + "/foreground-blocks")
	states("at the end", "foreground", "gone", "gone", "gone", "gone")

	for _, how := range []string{"propagationPolicy=Orphan", "orphanDependents=true"} {
		plant("orphan")
		c.Must(200, "DELETE", mapsPath+"/orphan?"+how, nil)
		states("orphaned", "orphan", "gone", "there 0", "there 1", "there 0")
		c.Release(mapsPath + "/orphan-blocks")
		for _, name := range []string{"blocks", "grandchild", "free"} {
			c.Try("DELETE", mapsPath+"/orphan-"+name, nil)
		}
		states("cleared", "orphan", "gone", "gone", "gone", "gone")
	}
	// Finalizers that stand in an object decide where a delete says nothing.
	owner := c.Must(201, "POST", mapsPath, mapObject("says", held(api.FinalizerOrphan)))
	c.Must(201, "POST", mapsPath, mapObject("says-child", ownedBy(ref(owner))))
	c.Must(200, "DELETE", mapsPath+"/says", nil)
	c.Soon("the owner is gone", c.Missing(mapsPath+"/says"))
	if got := state("says-child"); got != "there 0" {
		t.Errorf("a dependent of an owner that holds its own orphans: %s", got)
	}
}

// TestForegroundOfSeveral: a dependent with another owner is only let go; one that does not
// block holds nothing up; and a circle goes as a whole.
func TestForegroundOfSeveral(t *testing.T) {
	c := startClients(t)
	one, two := c.Must(201, "POST", mapsPath, mapObject("one")), c.Must(201, "POST", mapsPath, mapObject("two"))
	c.Must(201, "POST", mapsPath, mapObject("shared", ownedBy(ref(one, "blockOwnerDeletion"), ref(two))))
	c.Must(201, "POST", mapsPath, mapObject("lingers", ownedBy(ref(one)), held("example.com/x")))
	c.Must(200, "DELETE", mapsPath+"/one?propagationPolicy=Foreground", nil)
	c.Soon("one goes without who lingers", c.Missing(mapsPath+"/one"))
	c.Soon("the shared one is let go", func() bool {
		return len(tree.List(c.Must(200, "GET", mapsPath+"/shared", nil), "metadata", "ownerReferences")) == 1
	})
	c.Soon("who lingers is deleted", func() bool {
		return tree.Text(c.Must(200, "GET", mapsPath+"/lingers", nil), "metadata", "deletionTimestamp") != ""
	})

	a := c.Must(201, "POST", mapsPath, mapObject("a"))
	b := c.Must(201, "POST", mapsPath, mapObject("b", ownedBy(ref(a, "blockOwnerDeletion"))))
	c.Must(200, "PATCH", mapsPath+"/a", map[string]any{"metadata": ownedBy(ref(b, "blockOwnerDeletion"))})
	c.Must(200, "DELETE", mapsPath+"/a", nil)
	c.Soon("a has gone", c.Missing(mapsPath+"/a"))
	c.Soon("b has gone", c.Missing(mapsPath+"/b"))

	a = c.Must(201, "POST", mapsPath, mapObject("a"))
	b = c.Must(201, "POST", mapsPath, mapObject("b", ownedBy(ref(a, "blockOwnerDeletion"))))
	c.Must(200, "PATCH", mapsPath+"/a", map[string]any{"metadata": ownedBy(ref(b, "blockOwnerDeletion"))})
	c.Must(200, "DELETE", mapsPath+"/a?propagationPolicy=Foreground", nil)
	c.Soon("a circle has gone in the foreground", func() bool {
		return c.Missing(mapsPath+"/a")() && c.Missing(mapsPath+"/b")()
	})
}

// TestOwnersOfADeletedKind: when a definition goes and its objects with it, what they own
// goes, too.
func TestOwnersOfADeletedKind(t *testing.T) {
	c := startClients(t)
	const path = "/apis/example.com/v1/namespaces/default/widgets"
	for round := range 5 {
		c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
		for i := range 5 {
			w := c.Must(201, "POST", path, custom("Widget", "w-"+strconv.Itoa(i)))
			c.Must(201, "POST", mapsPath, mapObject(fmt.Sprintf("of-%d-%d", round, i), ownedBy(ref(w))))
		}
		c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
		c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
		c.Soon("and what its objects own", func() bool {
			return len(tree.List(c.Must(200, "GET", mapsPath, nil), "items")) == 1
		})
	}
}

// TestManyDependents: ten thousand of them go while the server does everything else.
func TestManyDependents(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand objects")
	}
	c := startClients(t)
	for _, policy := range []string{api.PropagationBackground, api.PropagationForeground, api.PropagationOrphan} {
		owner := c.Must(201, "POST", mapsPath, mapObject("owner"))
		r := c.API.Builtin("", "v1", "ConfigMap")
		for i := range 10_000 {
			if _, err := c.API.Internal(r, "create", "default", "", "").Insert(mapObject(fmt.Sprintf("d-%05d", i), ownedBy(ref(owner, "blockOwnerDeletion")))); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		c.Must(200, "DELETE", mapsPath+"/owner?propagationPolicy="+policy, nil)
		c.Must(201, "POST", spacesPath, space(strings.ToLower(policy)))
		var took time.Duration
		for took == 0 {
			sn := r.Bucket.Now()
			left := 0
			for o := range sn.Scan("default/d-", "") {
				if left += len(o.Meta.Owners); left > 0 {
					break
				}
			}
			switch {
			case left == 0 && sn.Get("default/owner") == nil:
				took = time.Since(begun)
			case time.Since(begun) > 5*time.Minute: // it takes a second or two where nobody else works
				t.Fatalf("%s: not within 5m", policy)
			default:
				c.Must(200, "GET", spacesPath+"/default", nil)
			}
		}
		t.Logf("%s: %v", policy, took)
		c.Soon("a namespace made meanwhile is furnished", c.There(spacesPath+"/"+strings.ToLower(policy)+"/serviceaccounts/default"))
		c.Must(200, "DELETE", mapsPath, nil)
	}
}
