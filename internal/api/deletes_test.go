package api_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/tree"
)

// How objects end: what a delete asks for, what holds an object back, and when it has gone.

// finalizers is an object's, in order.
func finalizers(obj map[string]any) string {
	var out []string
	for _, f := range tree.List(obj, "metadata", "finalizers") {
		out = append(out, f.(string))
	}
	return strings.Join(out, " ")
}

// TestFinalizersOfADelete: what is to become of dependents is said by the delete, or else by what
// stands in the object, and stands in the object then; who waits for dependents holds it. "gone"
// is an object that is removed at once. Who says with the deprecated option that dependents are not
// to be orphaned, and finds the object held, gets a 202.
func TestFinalizersOfADelete(t *testing.T) {
	const fore, orphan, own = "foregroundDeletion", "orphan", "example.com/x"
	options := []string{"", "propagationPolicy=Background", "propagationPolicy=Foreground", "propagationPolicy=Orphan", "orphanDependents=false", "orphanDependents=true"}
	rows := []struct {
		stand []string
		want  []string // by options; "" is not asked
	}{
		{nil, []string{"gone", "gone", fore, orphan, "gone", orphan}},
		{[]string{own}, []string{own, own, own + " " + fore, own + " " + orphan, own, own + " " + orphan}},
		{[]string{orphan}, []string{orphan, "gone", fore, orphan, "", orphan}},
		{[]string{fore}, []string{fore, "gone", fore, orphan, "", orphan}},
		{[]string{own, orphan}, []string{own + " " + orphan, own, own + " " + fore, own + " " + orphan, "", own + " " + orphan}},
		{[]string{fore, own}, []string{fore + " " + own, own, fore + " " + own, own + " " + orphan, "", own + " " + orphan}},
	}
	each(t, func(t *testing.T, c *clients, s subject) {
		n := 0
		for _, row := range rows {
			for i, option := range options {
				if row.want[i] == "" {
					continue
				}
				// Each way of saying it: in the query, in the body, and of a collection.
				for _, way := range []string{"query", "body", "collection"} {
					n++
					name := "o" + itoa(n)
					held := `"name":"` + name + `"`
					if row.stand != nil {
						held += `,"finalizers":["` + strings.Join(row.stand, `","`) + `"]`
					}
					made := c.Must(201, "POST", s.path, s.body(held, s.spec))
					var answer map[string]any
					code := 200
					if option == "orphanDependents=false" && row.want[i] != "gone" {
						code = 202
					}
					switch way {
					case "query":
						answer = c.Must(code, "DELETE", s.path+"/"+name+"?"+option, nil)
					case "body":
						key, value, said := strings.Cut(option, "=")
						body := "{}"
						if key == "propagationPolicy" {
							value = `"` + value + `"`
						}
						if said {
							body = `{"` + key + `":` + value + `}`
						}
						answer = c.Must(code, "DELETE", s.path+"/"+name, body)
					default:
						list := c.Must(200, "DELETE", s.path+"?fieldSelector=metadata.name%3D"+name+"&"+option, nil)
						if len(tree.List(list, "items")) != 1 {
							t.Fatalf("deleted together: %v", list)
						}
						// The list shows the objects as they were, and the controllers may have done
						// their part since.
						found, now := c.Try("GET", s.path+"/"+name, nil)
						if held := strings.Contains(row.want[i], own); held != strings.Contains(finalizers(now), own) || row.want[i] == "gone" && found != 404 {
							t.Errorf("%v, %q together: %d %v", row.stand, option, found, now)
						}
						continue
					}
					what := fmt.Sprintf("%v, %q in the %s", row.stand, option, way)
					if row.want[i] == "gone" {
						if answer["kind"] != "Status" && !s.object {
							t.Errorf("%s: %v, want it gone", what, answer)
						}
						c.Must(404, "GET", s.path+"/"+name, nil)
						continue
					}
					got := strings.Fields(finalizers(answer))
					want := strings.Fields(row.want[i])
					slices.Sort(got)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Errorf("%s: finalizers %q, want %q", what, got, want)
					}
					m := tree.Metadata(answer)
					if m["deletionTimestamp"] == nil || m["deletionGracePeriodSeconds"] != int64(0) || generation(answer) != s.want(2) || m["uid"] != tree.Metadata(made)["uid"] {
						t.Errorf("%s: %v", what, m)
					}
				}
			}
		}
	})
}

// TestHeldObjects: what may be done with an object that is deleted and held, and that it goes with
// its last finalizer, whoever takes that.
func TestHeldObjects(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		item := s.path + "/a"
		for _, way := range []string{"PUT", "merge", "json"} {
			c.Must(201, "POST", s.path, s.body(`"name":"a","finalizers":["example.com/x","example.com/y"]`, s.spec))
			c.Must(200, "PATCH", item, `{"metadata":{"finalizers":["example.com/y","example.com/z","example.com/x"]}}`) // not yet deleted
			deleted := c.Must(200, "DELETE", item, nil)
			before := c.Store.Revision()
			if again := c.Must(200, "DELETE", item, nil); !tree.Equal(again, deleted) || c.Store.Revision() != before {
				t.Errorf("deleted again: %v, was %v", again, deleted)
			}
			for _, list := range []string{`["example.com/x","example.com/y","example.com/z","example.com/new"]`, `["example.com/new"]`, `["orphan"]`} {
				e := c.Must(422, "PATCH", item, `{"metadata":{"finalizers":`+list+`}}`)
				times := 1 // of a custom resource upstream says it twice
				if s.custom {
					times = 2
				}
				if cause := tree.List(e, "details", "causes"); len(cause) != times || tree.Text(cause[0], "field") != "metadata.finalizers" || !strings.Contains(tree.Text(cause[0], "message"), "no new finalizers can be added") {
					t.Errorf("a new finalizer: %v", e)
				}
			}
			// Other changes are made, and fewer finalizers in any order.
			changed := c.Must(200, "PATCH", item, `{"metadata":{"labels":{"l":"v"},"finalizers":["example.com/x","example.com/y"]},`+s.changed+`}`)
			if finalizers(changed) != "example.com/x example.com/y" || tree.Text(changed, "metadata", "deletionTimestamp") != tree.Text(deleted, "metadata", "deletionTimestamp") {
				t.Errorf("changed: %v", changed["metadata"])
			}
			c.Must(200, "PATCH", item, `{"metadata":{"deletionTimestamp":null,"deletionGracePeriodSeconds":null}}`)
			c.Must(409, "POST", s.path, s.named("a"))
			last := c.Must(200, "GET", item, nil)
			if finalizers(last) != "example.com/x example.com/y" || tree.Text(last, "metadata", "deletionTimestamp") == "" {
				t.Errorf("nobody is brought back: %v", last["metadata"])
			}
			var gone map[string]any
			switch way {
			case "PUT":
				delete(tree.Metadata(last), "finalizers")
				gone = c.Must(200, "PUT", item, last)
			case "merge":
				gone = c.Must(200, "PATCH", item, `{"metadata":{"finalizers":[]}}`)
			case "json":
				gone = c.Must(200, "PATCH", item, `[{"op":"remove","path":"/metadata/finalizers/1"},{"op":"remove","path":"/metadata/finalizers/0"}]`, "Content-Type: "+patchTypes["json"])
			}
			if finalizers(gone) != "" || gone["kind"] != s.kind {
				t.Errorf("by %s: %v", way, gone)
			}
			c.Must(404, "GET", item, nil)
			c.Must(404, "DELETE", item, nil)
		}
	})
}

// TestDeleteOfACollection: each object of it goes by the rules of its own, one that is held does
// not keep the others, and options that cannot be are refused before any goes.
func TestDeleteOfACollection(t *testing.T) {
	each(t, func(t *testing.T, c *clients, s subject) {
		plant := func() {
			for _, name := range []string{"a", "b", "c"} {
				finalizers := ""
				if name == "b" {
					finalizers = `,"finalizers":["example.com/x"]`
				}
				c.Must(201, "POST", s.path, s.body(`"name":"`+name+`","labels":{"n":"yes"}`+finalizers, s.spec))
			}
		}
		plant()
		before := c.Store.Revision()
		for body, want := range map[string]int{
			`{"preconditions":{"uid":"x"}}`: 409, `{"propagationPolicy":"Never"}`: 422, `{"dryRun":["all"]}`: 422,
			`{"propagationPolicy":"Orphan","orphanDependents":true}`: 422, `[`: 400, `{"kind":"Foo","apiVersion":"v1"}`: 400,
		} {
			if code, e := c.Try("DELETE", s.path+"?labelSelector=n", body); code != want {
				t.Errorf("with %s: %d %v, want %d", body, code, e, want)
			}
		}
		for _, query := range []string{"labelSelector=n%3D%3D%3Dn", "fieldSelector=none%3Dn", "labelSelector=n&limit=x"} {
			c.Must(400, "DELETE", s.path+"?"+query, nil)
		}
		if now := c.Store.Revision(); now != before {
			t.Errorf("%d writes of requests that were refused", now-before)
		}
		taken := c.Must(200, "DELETE", s.path+"?labelSelector=n", nil)
		if got := names(taken); got != "a b c" {
			t.Errorf("took %s", got)
		}
		left := c.Must(200, "GET", s.path+"?labelSelector=n", nil)
		if got := names(left); got != "b" || tree.Text(tree.List(left, "items")[0], "metadata", "deletionTimestamp") == "" {
			t.Errorf("left %s", got)
		}
		// Once more, and nothing changes.
		before = c.Store.Revision()
		c.Must(200, "DELETE", s.path+"?labelSelector=n", nil)
		if now := c.Store.Revision(); now != before {
			t.Errorf("%d writes", now-before)
		}
		c.Release(s.path + "/b")
		if got := names(c.Must(200, "GET", s.path+"?labelSelector=n", nil)); got != "" {
			t.Errorf("at last there is %s", got)
		}
	})
}

// TestCollectionAmongWriters: whatever is made, changed and deleted while a collection is deleted,
// each object ends once, and what was there before has gone.
func TestCollectionAmongWriters(t *testing.T) {
	c := startSubjects(t)
	const rounds, writers = 10, 3
	for round := range rounds {
		for i := range 20 {
			c.Must(201, "POST", secretsPath("default"), fmt.Sprintf(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"old-%d"}}`, i))
		}
		begun := c.Store.Revision()
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range 20 {
					name := fmt.Sprintf("new-%d-%d", w, i)
					if code, e := c.Try("POST", secretsPath("default"), `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"`+name+`"}}`); code != 201 {
						t.Errorf("a create: %d %v", code, e)
					}
					for _, name := range []string{name, fmt.Sprintf("old-%d", i)} {
						if code, e := c.Try("PATCH", secretsPath("default")+"/"+name, fmt.Sprintf(`{"metadata":{"labels":{"w":"%d"}}}`, w)); code != 200 && code != 404 && code != 409 {
							t.Errorf("a patch: %d %v", code, e)
						}
					}
					if code, e := c.Try("DELETE", secretsPath("default")+fmt.Sprintf("/old-%d", 19-i), nil); code != 200 && code != 404 {
						t.Errorf("a delete: %d %v", code, e)
					}
				}
			})
		}
		if code, e := c.Try("DELETE", secretsPath("default"), nil); code != 200 {
			t.Errorf("of all: %d %v", code, e)
		}
		all.Wait()
		for _, name := range strings.Fields(names(c.Must(200, "GET", secretsPath("default"), nil))) {
			if strings.HasPrefix(name, "old-") {
				t.Errorf("round %d: %s is left", round, name)
			}
		}
		log, err := c.Store.Bucket("secrets").Watch(begun)
		if err != nil {
			t.Fatal(err)
		}
		ends := map[string]int{}
		events, _, err := log.Next(nil, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == 'D' {
				ends[e.Object.Meta.UID]++
			}
		}
		for uid, n := range ends {
			if n != 1 {
				t.Errorf("round %d: the object %s ended %d times", round, uid, n)
			}
		}
		if len(ends) < 20 {
			t.Errorf("round %d: %d objects ended, want at least 20", round, len(ends))
		}
		c.Must(200, "DELETE", secretsPath("default"), nil)
	}
}
