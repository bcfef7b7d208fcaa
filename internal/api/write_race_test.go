package api_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"apichain/internal/api"
	"apichain/internal/api/apitest"
	"apichain/internal/status"
	"apichain/internal/tree"
)

// write is one that was answered with success, of one key: what it replaced and what it
// became.
type write struct {
	before, after int64 // revisions; before is 0 for a create, after -1 for a delete
}

// TestLinearizable: of many who change a few objects on condition, each success replaces
// what another one has left: the writes of an object are one chain, from the first to what
// is there at the end.
func TestLinearizable(t *testing.T) {
	c := startClients(t)
	const keys, writers, rounds = 3, 6, 60
	var mu sync.Mutex
	history := map[string][]write{}
	note := func(key string, w write) {
		mu.Lock()
		defer mu.Unlock()
		history[key] = append(history[key], w)
	}
	number := func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n }
	first := number(revision(c.Must(200, "GET", mapsPath, nil)))
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			newest := map[string]int64{}
			for range rounds {
				key := "k-" + itoa(rand.N(keys))
				path := mapsPath + "/" + key
				code, obj := c.Try("GET", path, nil)
				if code == 404 {
					if code, made := c.Try("POST", mapsPath, mapObject(key)); code == 201 {
						note(key, write{0, number(revision(made))})
					}
					continue
				}
				was := number(revision(obj))
				if was < newest[key] { // a read is never older than what its client has seen
					t.Errorf("%s: read revision %d after %d", key, was, newest[key])
				}
				newest[key] = was
				n, _ := strconv.Atoi(tree.Text(obj, "data", "n"))
				obj["data"] = map[string]any{"n": itoa(n + 1)}
				switch rand.N(4) {
				case 0:
					if code, _ := c.Try("DELETE", path, map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": map[string]any{"resourceVersion": revision(obj)}}); code == 200 {
						note(key, write{was, -1})
					} else if code != 409 && code != 404 {
						t.Errorf("delete: %d", code)
					}
				case 1:
					code, now := c.Try("PATCH", path, map[string]any{"metadata": map[string]any{"resourceVersion": revision(obj)}, "data": obj["data"]})
					if code == 200 {
						note(key, write{was, number(revision(now))})
					} else if code != 409 && code != 404 {
						t.Errorf("patch: %d %v", code, now)
					}
				default:
					code, now := c.Try("PUT", path, obj)
					if code == 200 {
						note(key, write{was, number(revision(now))})
					} else if code != 409 && code != 404 {
						t.Errorf("update: %d %v", code, now)
					}
				}
			}
		})
	}
	all.Wait()
	for key, writes := range history {
		from := map[int64]write{}
		creates, deletes := 0, 0
		for _, w := range writes {
			switch {
			case w.before == 0:
				creates++
				continue
			case w.after < 0:
				deletes++
			case w.after <= w.before:
				t.Errorf("%s: %d was replaced by %d", key, w.before, w.after)
			}
			if other, twice := from[w.before]; twice {
				t.Errorf("%s: revision %d was replaced twice: %v and %v", key, w.before, other, w)
			}
			from[w.before] = w
		}
		// Each life is a chain; all of them together are all the writes.
		linked := 0
		ends := 0
		for _, w := range writes {
			if w.before != 0 {
				continue
			}
			linked++
			for at := w.after; ; {
				next, ok := from[at]
				if !ok {
					ends++
					code, now := c.Try("GET", mapsPath+"/"+key, nil)
					if code != 200 || number(revision(now)) != at {
						t.Errorf("%s: the chain ends at %d, the object is %d %s", key, at, code, revision(now))
					}
					break
				}
				linked++
				if next.after < 0 {
					break
				}
				at = next.after
			}
		}
		if linked != len(writes) || ends > 1 || creates != deletes+ends {
			t.Errorf("%s: %d of %d writes are in %d chains, %d deletes, %d ends", key, linked, len(writes), creates, deletes, ends)
		}
		// The watch tells the same chain.
		watch := c.Watch(t, mapsPath+"?watch=1&fieldSelector=metadata.name%3D"+key+"&resourceVersion="+strconv.FormatInt(first, 10))
		counter := -1
		for range writes {
			e := watch.Next()
			n, _ := strconv.Atoi(tree.Text(e.Obj, "data", "n"))
			switch {
			case e.Type == "ADDED" && n == 0, e.Type == "MODIFIED" && n == counter+1:
				counter = n
			case e.Type == "DELETED" && n == counter:
				counter = -1
			default:
				t.Errorf("%s: %s with %d after %d", key, e.Type, n, counter)
			}
		}
		watch.Cancel()
	}
}

// TestPagesAtOneRevision: a list in pages is the list at the revision of its first page,
// whatever is written meanwhile.
func TestPagesAtOneRevision(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	for i := range 60 {
		c.Must(201, "POST", mapsPath, mapObject(fmt.Sprintf("o-%03d", 2*i)))
		c.Must(201, "POST", widgetsPath, custom("Widget", fmt.Sprintf("o-%03d", 2*i)))
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("o-%03d", rand.N(120))
				for path, make := range map[string]func(string, ...map[string]any) map[string]any{mapsPath: mapObject, widgetsPath: func(n string, _ ...map[string]any) map[string]any { return custom("Widget", n) }} {
					if rand.N(2) == 0 {
						c.Try("POST", path, make(name))
					} else {
						c.Try("DELETE", path+"/"+name, nil)
					}
				}
			}
		})
	}
	keys := func(items []any) (out []string) {
		for _, item := range items {
			out = append(out, tree.Name(item.(map[string]any))+"@"+tree.Text(item, "metadata", "resourceVersion"))
		}
		return out
	}
	for range 15 {
		for _, path := range []string{mapsPath, widgetsPath} {
			var got []string
			token, rev := "", ""
			for pages := 0; pages == 0 || token != ""; pages++ {
				page := c.Must(200, "GET", path+"?limit="+itoa(1+rand.N(20))+"&continue="+token, nil)
				if rev != "" && revision(page) != rev {
					t.Fatalf("a page at %s after one at %s", revision(page), rev)
				}
				items := tree.List(page, "items")
				rev, token, got = revision(page), tree.Text(page, "metadata", "continue"), append(got, keys(items)...)
			}
			whole := c.Must(200, "GET", path+"?resourceVersionMatch=Exact&resourceVersion="+rev, nil)
			if want := keys(tree.List(whole, "items")); strings.Join(got, " ") != strings.Join(want, " ") || revision(whole) != rev {
				t.Fatalf("in pages at %s\n got %s\nwant %s", rev, got, want)
			}
		}
	}
	close(stop)
	all.Wait()
}

// TestGeneratedNames never collide in the end, and give up in the words of upstream.
func TestGeneratedNames(t *testing.T) {
	c := startClients(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	names := map[string]bool{}
	for range 4 {
		all.Go(func() {
			for range 50 {
				code, obj := c.Try("POST", mapsPath, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"generateName":"g-"}}`)
				mu.Lock()
				if code != 201 || names[tree.Name(obj)] || !strings.HasPrefix(tree.Name(obj), "g-") || len(tree.Name(obj)) != 7 {
					t.Errorf("%d %v", code, obj)
				}
				names[tree.Name(obj)] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	// Somebody is always there first.
	row := c.API.Kinds.Kind("", "v1", "ConfigMap")
	other, r := c.API.NewBuiltin(row), c.API.NewBuiltin(row)
	tries := 0
	r.ToStored = func(obj map[string]any) { // just before each commit
		tries++
		if _, err := c.API.Internal(other, "create", "default", "", "").Insert(mapObject(tree.Name(obj))); err != nil {
			t.Error(err)
		}
	}
	_, err := c.API.Internal(r, "create", "default", "", "").Insert(map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"generateName": "g-"}})
	var e *status.Error
	if !errors.As(err, &e) || e.Code != 409 || e.Reason != "AlreadyExists" || e.RetryAfter != 1 || tries != api.GeneratedTries {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// TestPatchRaces: patches without a revision are tried again and all count, unless others
// are always quicker.
func TestPatchRaces(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", mapsPath, mapObject("p"))
	const writers, rounds = 4, 40
	var done atomic.Int32
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range rounds {
				patch := fmt.Sprintf(`{"data":{"w-%d-%d":"x"}}`, w, i)
				for {
					code, e := c.Try("PATCH", mapsPath+"/p", patch)
					if code == 200 {
						done.Add(1)
						break
					}
					if code != 409 {
						t.Errorf("a patch: %d %v", code, e)
						return
					}
				}
			}
		})
	}
	all.Wait()
	if got := len(tree.Object(c.Must(200, "GET", mapsPath+"/p", nil), "data")); got != writers*rounds {
		t.Errorf("%d of %d patches are in the object", got, writers*rounds)
	}
}

// TestPatchOvertaken: a patch that finds the object changed each time gives up after five
// retries, if it says no revision, and at once if it does; so does a write of the scale.
func TestPatchOvertaken(t *testing.T) {
	tries := 0
	var c *clients
	overtake := func(*api.Call, map[string]any, map[string]any) error {
		r := c.API.NewBuiltin(c.API.Kinds.Kind("", "v1", "Secret"))
		tries++
		_, err := c.API.Internal(r, "update", "default", "p", "").Modify(t.Context(), func(obj map[string]any) bool {
			tree.Set(obj, itoa(tries), "metadata", "annotations", "tries")
			return true
		})
		return err
	}
	c = startClients(t, func(config *apitest.Config) {
		config.Extend = func(a *api.API) {
			a.Builtin("", "v1", "Secret").OnPrepare(func(q *api.Call, obj, old map[string]any) error {
				if old == nil {
					return nil
				}
				return overtake(q, obj, old)
			})
		}
	})
	const path = spacesPath + "/default/secrets"
	made := c.Must(201, "POST", path, `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"p"}}`)
	for _, typ := range []string{apitest.MergePatch, apitest.StrategicPatch, apitest.JSONPatch} {
		patch := `{"metadata":{"labels":{"a":"b"}}}`
		if typ == apitest.JSONPatch {
			patch = `[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]`
		}
		tries = 0
		e := c.Must(409, "PATCH", path+"/p", patch, "Content-Type: "+typ)
		if tree.Text(e, "reason") != "Conflict" || tree.Text(e, "message") != `Operation cannot be fulfilled on secrets "p": `+status.ChangedMeanwhile || tries != api.PatchTries+1 {
			t.Errorf("%s: %d tries, %v", typ, tries, e)
		}
	}
	tries = 0
	c.Must(409, "PATCH", path+"/p", `{"metadata":{"resourceVersion":"`+revision(made)+`"}}`)
	if tries != 0 {
		t.Errorf("%d tries of a patch at a revision that is past", tries)
	}
	now := c.Must(200, "GET", path+"/p", nil)
	now["data"] = map[string]any{"a": "Yg=="}
	c.Must(409, "PUT", path+"/p", now)
	if now := c.Must(200, "GET", path+"/p", nil); tree.Object(now, "metadata", "labels") != nil || now["data"] != nil {
		t.Errorf("a patch that failed has written: %v", now)
	}
}

// TestBlindUpdates: updates without a revision do not fail when others write, and the last
// one stays.
func TestBlindUpdates(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", mapsPath, mapObject("u"))
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 40 {
				obj := mapObject("u")
				obj["data"] = map[string]any{"w": itoa(w), "i": itoa(i)}
				if code, e := c.Try("PUT", mapsPath+"/u", obj); code != 200 || tree.Text(e, "data", "i") != itoa(i) {
					t.Errorf("%d %v", code, e)
				}
			}
		})
	}
	all.Wait()
	if got := c.Must(200, "GET", mapsPath+"/u", nil); tree.Text(got, "data", "i") != "39" {
		t.Errorf("%v", got)
	}
}

// TestDeleteRaces: of many deletes of an object one removes it; one that has preconditions
// never removes another one.
func TestDeleteRaces(t *testing.T) {
	c := startClients(t)
	for range 20 {
		made := c.Must(201, "POST", mapsPath, mapObject("d"))
		uid := tree.Text(made, "metadata", "uid")
		var gone, remade atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				code, e := c.Try("DELETE", mapsPath+"/d", map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": map[string]any{"uid": uid}})
				switch code {
				case 200:
					gone.Add(1)
				case 404, 409:
				default:
					t.Errorf("%d %v", code, e)
				}
			})
			all.Go(func() {
				if code, _ := c.Try("POST", mapsPath, mapObject("d")); code == 201 {
					remade.Add(1)
				}
			})
		}
		all.Wait()
		if gone.Load() != 1 || remade.Load() > 1 {
			t.Fatalf("%d removed it, %d made it again", gone.Load(), remade.Load())
		}
		code, _ := c.Try("DELETE", mapsPath+"/d", nil)
		if want := 404 - 204*int(remade.Load()); code != want {
			t.Fatalf("at the end: %d, want %d", code, want)
		}
	}
	// Finalizers that are taken away while it is deleted: it goes once.
	for range 20 {
		made := c.Must(201, "POST", mapsPath, mapObject("f", held("example.com/x")))
		var all sync.WaitGroup
		all.Go(func() { c.Try("DELETE", mapsPath+"/f", nil) })
		all.Go(func() { c.Try("PATCH", mapsPath+"/f", `{"metadata":{"finalizers":null}}`) })
		all.Wait()
		code, now := c.Try("GET", mapsPath+"/f", nil)
		if code != 404 {
			t.Fatalf("deleted and let go: %v, was %v", now, made)
		}
	}
}

// TestNamespaceGoesBeforeCommit: a create that was checked, and then finds the namespace
// deleted or gone when it commits, fails as if it had come later.
func TestNamespaceGoesBeforeCommit(t *testing.T) {
	c := startClients(t)
	for holds, want := range map[string]string{"example.com/x": "Forbidden", "": "NotFound"} {
		ns := "a" + itoa(len(holds))
		c.Must(201, "POST", spacesPath, apitest.Namespace(ns))
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
