package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api"
	"apichain/internal/controller"
	"apichain/internal/tree"
)

const widgetsPath = "/apis/example.com/v1/namespaces/default/widgets"

func (c *clients) condition(name, typ string) map[string]any {
	c.t.Helper()
	for _, v := range tree.List(c.must(200, "GET", definitionsPath+"/"+name, nil), "status", "conditions") {
		if tree.Text(v, "type") == typ {
			return v.(map[string]any)
		}
	}
	return nil
}

func is(condition map[string]any, status, reason string) bool {
	return tree.Text(condition, "status") == status && tree.Text(condition, "reason") == reason
}

// TestServedAtOnce: a definition is served when its POST is answered, in all that shows it,
// and no longer when it has gone.
func TestServedAtOnce(t *testing.T) {
	c := startClients(t, "h2")
	var worst time.Duration
	for i := range 20 {
		plural := "things" + strconv.Itoa(i)
		c.must(404, "GET", "/apis/example.com/v1/"+plural, nil)
		c.must(201, "POST", definitionsPath, definitionOf(plural, "Thing"+strconv.Itoa(i), "Namespaced"))
		begun := time.Now()
		c.must(201, "POST", "/apis/example.com/v1/namespaces/default/"+plural, custom("Thing"+strconv.Itoa(i), "x"))
		worst = max(worst, time.Since(begun))
		doc := c.must(200, "GET", "/apis/example.com/v1", nil)
		if !slices.ContainsFunc(tree.List(doc, "resources"), func(r any) bool { return tree.Text(r, "name") == plural }) {
			t.Fatalf("%s is not in the discovery document", plural)
		}
		c.must(200, "GET", "/apis/example.com", nil)
		agg := c.get(c.kind, "/apis", "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		if !strings.Contains(agg.body, `"`+plural+`"`) {
			t.Fatalf("%s is not in aggregated discovery", plural)
		}
		if doc := c.get(c.kind, "/openapi/v3/apis/example.com/v1"); !strings.Contains(doc.body, "/"+plural) {
			t.Fatalf("%s is not in the OpenAPI document", plural)
		}
	}
	t.Logf("the slowest first create took %v", worst)
	for i := range 20 {
		name := "things" + strconv.Itoa(i) + ".example.com"
		c.must(200, "DELETE", definitionsPath+"/"+name, nil)
		c.soon(name+" is gone", c.missing(definitionsPath+"/"+name))
		c.must(404, "GET", "/apis/example.com/v1/things"+strconv.Itoa(i), nil)
	}
	c.must(404, "GET", "/apis/example.com", nil)
	if c.get(c.kind, "/apis").body != c.get("http", "/apis").body || strings.Contains(c.get(c.kind, "/apis").body, "example.com") {
		t.Error("/apis still has the group")
	}
}

// TestSchemaChange: objects of before are read by the schema of now, selectable fields
// included, watches end, and nothing that was written under the old schema is served as if
// it had been under the new one.
func TestSchemaChange(t *testing.T) {
	c := startClients(t, "http")
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	obj := custom("Widget", "w")
	obj["spec"] = map[string]any{"size": int64(3), "color": "red"}
	made := c.must(201, "POST", widgetsPath, obj)
	watch := c.watch(t, widgetsPath+"?watch=1&resourceVersion="+revision(made))
	next := strings.Replace(version("v1", true, "size:integer", "shape:string"), `"shape":{"type":"string"}`, `"shape":{"type":"string","default":"round"}`, 1)
	next = strings.Replace(next, `"subresources"`, `"selectableFields":[{"jsonPath":".spec.shape"}],"subresources"`, 1)
	list, _, _ := tree.ParseJSONObject([]byte(next))
	c.must(200, "PATCH", definitionsPath+"/widgets.example.com", map[string]any{"spec": map[string]any{"versions": []any{list}}})
	got := c.must(200, "GET", widgetsPath+"/w", nil)
	if want := map[string]any{"size": int64(3), "shape": "round"}; !tree.Equal(got["spec"], want) || revision(got) != revision(made) {
		t.Errorf("read: %v", got)
	}
	for path, want := range map[string]int{"": 1, "?fieldSelector=spec.shape%3Dround": 1, "?fieldSelector=spec.shape%3Dflat": 0} {
		items := tree.List(c.must(200, "GET", widgetsPath+path, nil), "items")
		if len(items) != want || want > 0 && tree.At(items[0], "spec", "shape") != "round" {
			t.Errorf("list%s: %v", path, items)
		}
	}
	watch.ended()
	again := c.watch(t, widgetsPath+"?watch=1")
	if e := again.next(); e.typ != "ADDED" || tree.At(e.obj, "spec", "shape") != "round" {
		t.Errorf("watched: %v", e)
	}
	// A write stores it as it is read.
	c.must(200, "PATCH", widgetsPath+"/w", `{"metadata":{"labels":{"a":"b"}}}`)
	if e := again.next(); e.typ != "MODIFIED" || tree.At(e.obj, "spec", "color") != nil {
		t.Errorf("watched: %v", e)
	}
	sn := c.store.Bucket("widgets.example.com").Now()
	if raw := sn.Get("default/w").Raw(); bytes.Contains(raw, []byte("color")) || !bytes.Contains(raw, []byte("round")) {
		t.Errorf("stored: %s", raw)
	}
	// What says nothing new does not end a watch.
	c.must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"metadata":{"labels":{"a":"b"}}}`)
	c.must(201, "POST", widgetsPath, custom("Widget", "x"))
	if e := again.next(); e.typ != "ADDED" || tree.Name(e.obj) != "x" {
		t.Errorf("watched: %v", e)
	}
}

// TestSchemaRace: while a schema changes to and fro, each object that is read fits the
// schema of the moment.
func TestSchemaRace(t *testing.T) {
	c := startClients(t, "http")
	with, without := version("v1", true, "size:integer", "old:string"), version("v1", true, "size:integer")
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(with)))
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("w-%d-%d", w, i)
				obj := custom("Widget", name)
				obj["spec"] = map[string]any{"size": int64(1), "old": "x"}
				if code, e := c.try("POST", widgetsPath, obj); code != 201 {
					t.Errorf("a create: %d %v", code, e)
					return
				}
				if code, e := c.try("PATCH", widgetsPath+"/"+name, `{"spec":{"size":2,"old":"y"}}`); code != 200 && code != 409 {
					t.Errorf("a patch: %d %v", code, e)
					return
				}
			}
		})
	}
	for i := range 40 {
		text := without
		if i%2 == 1 {
			text = with
		}
		v, _, _ := tree.ParseJSONObject([]byte(text))
		c.must(200, "PATCH", definitionsPath+"/widgets.example.com", map[string]any{"spec": map[string]any{"versions": []any{v}}})
		list := c.must(200, "GET", widgetsPath, nil)
		for _, item := range tree.List(list, "items") {
			if i%2 == 0 && tree.At(item, "spec", "old") != nil {
				t.Fatalf("round %d: an object with a field that there is not: %v", i, item)
			}
		}
	}
	close(stop)
	all.Wait()
}

// TestVersions: they come and go, the stored one changes, and each shows all objects.
func TestVersions(t *testing.T) {
	c := startClients(t, "http")
	const beta, stable = "/apis/example.com/v1beta1/namespaces/default/widgets", widgetsPath
	put := func(change func(crd map[string]any)) {
		t.Helper()
		crd := c.must(200, "GET", definitionsPath+"/widgets.example.com", nil)
		change(crd)
		c.must(200, "PUT", definitionsPath+"/widgets.example.com", crd)
	}
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(version("v1beta1", true, "size:integer", "beta:string"))))
	old := custom("Widget", "old")
	old["apiVersion"], old["spec"] = "example.com/v1beta1", map[string]any{"size": int64(1), "beta": "x"}
	c.must(201, "POST", beta, old)
	c.must(404, "GET", stable, nil)
	both := versions(
		strings.Replace(version("v1beta1", true, "size:integer", "beta:string"), `"subresources"`, `"selectableFields":[{"jsonPath":".spec.beta"}],"subresources"`, 1),
		strings.Replace(version("v1", false, "size:integer", "beta:string", "more:string"), `"subresources"`, `"selectableFields":[{"jsonPath":".spec.more"},{"jsonPath":".spec.beta"}],"subresources"`, 1))
	put(both)
	if got := c.must(200, "GET", stable+"/old", nil); got["apiVersion"] != "example.com/v1" || tree.At(got, "spec", "beta") != "x" {
		t.Errorf("by v1: %v", got)
	}
	put(func(crd map[string]any) {
		for i, v := range tree.List(crd, "spec", "versions") {
			v.(map[string]any)["storage"] = i == 1
		}
	})
	young := custom("Widget", "young")
	young["spec"] = map[string]any{"size": int64(2), "beta": "y", "more": "m"}
	c.must(201, "POST", stable, young)
	for path, want := range map[string]string{beta: "example.com/v1beta1", stable: "example.com/v1"} {
		for _, name := range []string{"old", "young"} {
			got := c.must(200, "GET", path+"/"+name, nil)
			if got["apiVersion"] != want || path == beta && tree.At(got, "spec", "more") != nil {
				t.Errorf("%s: %v", path, got)
			}
		}
		watch := c.watch(t, path+"?watch=1")
		for range 2 {
			if e := watch.next(); e.obj["apiVersion"] != want {
				t.Errorf("watch of %s: %v", path, e)
			}
		}
		for name, value := range map[string]string{"old": "x", "young": "y"} {
			items := tree.List(c.must(200, "GET", path+"?fieldSelector=spec.beta%3D"+value, nil), "items")
			if len(items) != 1 || tree.Name(items[0].(map[string]any)) != name {
				t.Errorf("%s, beta=%s: %v", path, value, items)
			}
		}
	}
	c.must(400, "GET", beta+"?fieldSelector=spec.more%3Dm", nil)
	if items := tree.List(c.must(200, "GET", stable+"?fieldSelector=spec.more%3Dm", nil), "items"); len(items) != 1 {
		t.Errorf("more=m: %v", items)
	}
	crd := c.must(200, "GET", definitionsPath+"/widgets.example.com", nil)
	if stored := tree.List(crd, "status", "storedVersions"); !tree.Equal(stored, []any{"v1beta1", "v1"}) {
		t.Errorf("stored versions %v", stored)
	}
	crd["spec"].(map[string]any)["versions"] = tree.List(crd, "spec", "versions")[1:]
	c.must(422, "PUT", definitionsPath+"/widgets.example.com", crd)
	c.must(200, "PATCH", definitionsPath+"/widgets.example.com/status", `{"status":{"storedVersions":["v1"]}}`)
	put(func(now map[string]any) { now["spec"] = crd["spec"] })
	c.must(404, "GET", beta, nil)
	doc := c.must(200, "GET", "/apis/example.com", nil)
	if v := tree.List(doc, "versions"); len(v) != 1 || tree.Text(v[0], "version") != "v1" {
		t.Errorf("discovery: %v", doc)
	}
	if items := tree.List(c.must(200, "GET", stable, nil), "items"); len(items) != 2 {
		t.Errorf("%v", items)
	}
	// A version that is not served is not there, and comes back.
	put(func(crd map[string]any) { tree.List(crd, "spec", "versions")[0].(map[string]any)["served"] = false })
	c.must(404, "GET", stable+"/old", nil)
	c.must(404, "GET", "/apis/example.com", nil)
	put(func(crd map[string]any) { tree.List(crd, "spec", "versions")[0].(map[string]any)["served"] = true })
	c.must(200, "GET", stable+"/old", nil)
}

// TestNamesOfDefinitions: who comes second waits for a name until it is free.
func TestNamesOfDefinitions(t *testing.T) {
	c := startClients(t, "http")
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, []any{"w", "wi"}, "spec", "names", "shortNames")
	}))
	second := c.must(201, "POST", definitionsPath, definitionOf("gadgets", "Widget", "Namespaced"))
	if got := tree.List(second, "status", "conditions"); len(got) == 0 {
		t.Error("no conditions in the answer")
	}
	c.must(201, "POST", definitionsPath, definitionOf("gizmos", "Gizmo", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, []any{"wi"}, "spec", "names", "shortNames")
	}))
	// Another group has names of its own.
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, "other.io", "spec", "group")
		tree.Set(crd, "widgets.other.io", "metadata", "name")
	}))
	c.must(200, "GET", "/apis/other.io/v1/widgets", nil)
	for name, reason := range map[string]string{"gadgets.example.com": "ListKindConflict", "gizmos.example.com": "ShortNamesConflict"} {
		if !is(c.condition(name, "NamesAccepted"), "False", reason) || !is(c.condition(name, "Established"), "False", "NotAccepted") {
			t.Errorf("%s: %v, %v", name, c.condition(name, "NamesAccepted"), c.condition(name, "Established"))
		}
	}
	c.must(404, "GET", "/apis/example.com/v1/gadgets", nil)
	c.must(404, "GET", "/apis/example.com/v1/gizmos", nil)
	// A name that is given up is free, as is one whose owner goes.
	c.must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"spec":{"names":{"shortNames":["w"]}}}`)
	c.soon("the short name is passed on", c.there("/apis/example.com/v1/gizmos"))
	c.must(404, "GET", "/apis/example.com/v1/gadgets", nil)
	c.must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.soon("the kind is passed on", c.there("/apis/example.com/v1/gadgets"))
	for _, name := range []string{"gadgets.example.com", "gizmos.example.com"} {
		if !is(c.condition(name, "NamesAccepted"), "True", "NoConflicts") || !is(c.condition(name, "Established"), "True", "InitialNamesAccepted") {
			t.Errorf("%s: %v, %v", name, c.condition(name, "NamesAccepted"), c.condition(name, "Established"))
		}
	}
	c.must(201, "POST", "/apis/example.com/v1/namespaces/default/gadgets", custom("Widget", "x"))
	got := c.must(200, "GET", definitionsPath+"/gadgets.example.com", nil)
	if tree.Text(got, "status", "acceptedNames", "kind") != "Widget" {
		t.Errorf("accepted names: %v", got)
	}
	if m := tree.Object(got, "metadata"); len(m) > 5 {
		t.Errorf("metadata: %v", m)
	}
}

// TestDefinitionDeletion: its objects go first, watchers see that, nothing new is made, and
// a finalizer of one holds it all.
func TestDefinitionDeletion(t *testing.T) {
	c := startClients(t, "http")
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.must(201, "POST", widgetsPath, custom("Widget", "free"))
	last := c.must(201, "POST", widgetsPath, custom("Widget", "kept", held("example.com/x")))
	watch := c.watch(t, widgetsPath+"?watch=1&resourceVersion="+revision(last))
	crd := c.must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	if !slices.Contains(tree.List(crd, "metadata", "finalizers"), any(api.DefinitionFinalizer)) || tree.Text(crd, "metadata", "deletionTimestamp") == "" {
		t.Errorf("the answer: %v", crd)
	}
	if !is(c.condition("widgets.example.com", "Terminating"), "True", "InstanceDeletionInProgress") {
		t.Errorf("conditions: %v", c.condition("widgets.example.com", "Terminating"))
	}
	if e := c.must(403, "POST", widgetsPath, custom("Widget", "new")); tree.Text(e, "message") != `widgets.example.com "new" is forbidden: create not allowed while custom resource definition is terminating` {
		t.Errorf("a create: %v", e)
	}
	c.soon("what is not held is gone", c.missing(widgetsPath+"/free"))
	c.must(200, "PATCH", widgetsPath+"/kept", `{"spec":{"size":5}}`)
	doc := c.must(200, "GET", "/apis/example.com/v1", nil)
	for _, r := range tree.List(doc, "resources") {
		if tree.Text(r, "name") == "widgets" && !tree.Equal(tree.List(r, "verbs"), []any{"delete", "deletecollection", "get", "list", "watch"}) {
			t.Errorf("verbs %v", tree.List(r, "verbs"))
		}
	}
	c.release(widgetsPath + "/kept")
	c.soon("the definition is gone", c.missing(definitionsPath+"/widgets.example.com"))
	c.must(404, "GET", widgetsPath, nil)
	var seen []string
	for {
		e, ok := watch.take()
		if !ok {
			break
		}
		seen = append(seen, e.typ+" "+tree.Name(e.obj))
	}
	slices.Sort(seen)
	if want := []string{"DELETED free", "DELETED kept", "MODIFIED kept", "MODIFIED kept"}; !slices.Equal(seen, want) {
		t.Errorf("watched %q, want %q", seen, want)
	}
	// Another one of its name has nothing of it.
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Cluster"))
	if items := tree.List(c.must(200, "GET", "/apis/example.com/v1/widgets", nil), "items"); len(items) > 0 {
		t.Errorf("%v", items)
	}
}

// TestDefinitionRace: creates that race with the deletion of their definition leave nothing
// behind.
func TestDefinitionRace(t *testing.T) {
	c := startClients(t, "http")
	for round := range 8 {
		c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
		begun := make(chan struct{}, 100)
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for i := range 200 {
					code, e := c.try("POST", widgetsPath, custom("Widget", fmt.Sprintf("o-%d-%d", w, i)))
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
			await(t, "a create", begun)
		}
		c.must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
		all.Wait()
		c.soon("the definition is gone", c.missing(definitionsPath+"/widgets.example.com"))
		sn := c.store.Bucket("widgets.example.com").Now()
		if n := sn.Count(); n > 0 {
			t.Errorf("round %d: %d objects are left", round, n)
		}
	}
}

// TestHiddenDefinitionDeletion: objects of a kind that no version serves any more go with
// their definition.
func TestHiddenDefinitionDeletion(t *testing.T) {
	c := startClients(t, "http")
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	c.must(201, "POST", widgetsPath, custom("Widget", "w"))
	c.must(200, "PATCH", definitionsPath+"/widgets.example.com", `[{"op":"replace","path":"/spec/versions/0/served","value":false}]`, "Content-Type: "+api.JsonPatchType)
	c.must(404, "GET", widgetsPath, nil)
	c.must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.soon("the definition is gone", c.missing(definitionsPath+"/widgets.example.com"))
	sn := c.store.Bucket("widgets.example.com").Now()
	if sn.Count() > 0 {
		t.Error("an object is left")
	}
}

// many adds definitions without requests; all in one group, which is the worst.
func (c *clients) many(t testing.TB, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, _, err := c.api.Apply(t.Context(), definitionOf("many"+strconv.Itoa(i), "Many"+strconv.Itoa(i), "Namespaced")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyDefinitions: they slow neither a request nor the next definition.
func TestManyDefinitions(t *testing.T) {
	c := startClients(t, "http")
	p := c.program
	fastest := func(do func()) time.Duration {
		best := time.Hour
		for range 20 {
			begun := time.Now()
			do()
			best = min(best, time.Since(begun))
		}
		return best
	}
	n := 0
	measure := func() (request, served time.Duration) {
		h := p.chain("http")
		request = fastest(func() {
			for range 50 {
				req, _ := http.NewRequest("GET", "/apis/example.com/v1/namespaces/default/many0", nil)
				h.ServeHTTP(&sink{h: http.Header{}}, req)
			}
		}) / 50
		served = fastest(func() {
			n++
			crd := definitionOf("extra"+strconv.Itoa(n), "Extra"+strconv.Itoa(n), "Namespaced")
			if _, _, err := c.api.Apply(t.Context(), crd); err != nil {
				t.Fatal(err)
			}
			if p.api.Customs.Kind("example.com", "v1", "Extra"+strconv.Itoa(n)) == nil {
				t.Fatal("not served")
			}
		})
		return request, served
	}
	c.many(t, 0, 10)
	request, served := measure()
	c.many(t, 10, 2000)
	manyRequest, manyServed := measure()
	t.Logf("a request %v, with 2,000 %v; a definition %v, with 2,000 %v", request, manyRequest, served, manyServed)
	if manyRequest > 2*request+50*time.Microsecond {
		t.Errorf("a request takes %v with 2,000 definitions, %v with 10", manyRequest, request)
	}
	if manyServed > 5*served+time.Millisecond {
		t.Errorf("a definition is served after %v", manyServed)
	}
}

// BenchmarkDefinitions is what the next definition costs, and a request, with 10,000.
func BenchmarkDefinitions(b *testing.B) {
	c := startClients(b, "http")
	c.many(b, 0, 10_000)
	b.Run("create", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			name := fmt.Sprintf("x%d-%d", b.N, i)
			if _, _, err := c.api.Apply(b.Context(), definitionOf(name, "X"+name, "Namespaced")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		req, _ := http.NewRequest("GET", "/apis/example.com/v1/namespaces/default/many5000", nil)
		for b.Loop() {
			c.chain("http").ServeHTTP(&sink{h: http.Header{}}, req)
		}
	})
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
	c := startClients(t, "http", "--fixtures="+dir)
	got := c.must(200, "GET", "/apis/example.com/v1/namespaces/team/widgets/w", nil)
	if tree.Text(got, "status", "phase") != "Done" || tree.At(got, "spec", "size") != int64(2) || tree.At(got, "metadata", "generation") != int64(1) {
		t.Errorf("%v", got)
	}
	c.must(200, "GET", "/api/v1/namespaces/team/serviceaccounts/default", nil)
	c.must(200, "GET", "/api/v1/namespaces/team/configmaps/"+controller.RootCAName, nil)
}

// TestDefinitionChangesBeforeCommit: a write that was checked, and then finds the definition
// changed when it commits, is one under the new definition.
func TestDefinitionChangesBeforeCommit(t *testing.T) {
	c := startClients(t, "http")
	patch := func(text string) {
		v, _, _ := tree.ParseJSONObject([]byte(text))
		c.must(200, "PATCH", definitionsPath+"/widgets.example.com", map[string]any{"spec": map[string]any{"versions": []any{v}}})
	}
	with, without := version("v1", true, "size:integer", "old:string"), version("v1", true, "size:integer")
	c.must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(with)))
	// before lets the resource that is served now do something just before its next commit.
	before := func(do func()) {
		var once sync.Once
		c.api.Customs.Kind("example.com", "v1", "Widget").ToStored = func(map[string]any) { once.Do(do) }
	}
	obj := custom("Widget", "w")
	obj["spec"] = map[string]any{"size": int64(1), "old": "x"}
	stored := func(when, name string) {
		t.Helper()
		sn := c.store.Bucket("widgets.example.com").Now()
		if o := sn.Get("default/" + name); o == nil || bytes.Contains(o.Raw(), []byte(`"old"`)) {
			t.Errorf("%s: stored as %v", when, o)
		}
	}
	before(func() { patch(without) })
	if got := c.must(201, "POST", widgetsPath, obj); tree.At(got, "spec", "old") != nil {
		t.Errorf("answered %v", got)
	}
	stored("a create", "w")
	patch(with)
	before(func() { patch(without) })
	c.must(200, "PATCH", widgetsPath+"/w", `{"spec":{"size":2,"old":"y"}}`)
	stored("a patch", "w")
	if got := c.must(200, "GET", widgetsPath+"/w", nil); tree.At(got, "spec", "size") != int64(2) || tree.At(got, "metadata", "generation") != int64(2) {
		t.Errorf("patched: %v", got)
	}
	patch(with)
	now := c.must(200, "GET", widgetsPath+"/w", nil)
	tree.Set(now, "z", "spec", "old")
	before(func() { patch(without) })
	c.must(409, "PUT", widgetsPath+"/w", now) // it was read under the old one
	stored("an update", "w")

	c.must(200, "PATCH", widgetsPath+"/w", `{"metadata":{"finalizers":["example.com/x"]}}`)
	before(func() { c.must(200, "DELETE", definitionsPath+"/widgets.example.com", nil) })
	tree.Metadata(obj)["name"] = "late"
	c.must(403, "POST", widgetsPath, obj)
	c.release(widgetsPath + "/w")
	c.soon("the definition is gone", c.missing(definitionsPath+"/widgets.example.com"))
}
