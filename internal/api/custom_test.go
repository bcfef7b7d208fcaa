package api_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"apichain/internal/tree"
)

// TestSchemaChange: objects of before are read by the schema of now, selectable fields
// included, watches end, and nothing that was written under the old schema is served as if
// it had been under the new one.
func TestSchemaChange(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced"))
	obj := custom("Widget", "w")
	obj["spec"] = map[string]any{"size": int64(3), "color": "red"}
	made := c.Must(201, "POST", widgetsPath, obj)
	watch := c.Watch(t, widgetsPath+"?watch=1&resourceVersion="+revision(made))
	next := strings.Replace(version("v1", true, "size:integer", "shape:string"), `"shape":{"type":"string"}`, `"shape":{"type":"string","default":"round"}`, 1)
	next = strings.Replace(next, `"subresources"`, `"selectableFields":[{"jsonPath":".spec.shape"}],"subresources"`, 1)
	list, _, _ := tree.ParseJSONObject([]byte(next))
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", map[string]any{"spec": map[string]any{"versions": []any{list}}})
	got := c.Must(200, "GET", widgetsPath+"/w", nil)
	if want := map[string]any{"size": int64(3), "shape": "round"}; !tree.Equal(got["spec"], want) || revision(got) != revision(made) {
		t.Errorf("read: %v", got)
	}
	for path, want := range map[string]int{"": 1, "?fieldSelector=spec.shape%3Dround": 1, "?fieldSelector=spec.shape%3Dflat": 0} {
		items := tree.List(c.Must(200, "GET", widgetsPath+path, nil), "items")
		if len(items) != want || want > 0 && tree.At(items[0], "spec", "shape") != "round" {
			t.Errorf("list%s: %v", path, items)
		}
	}
	watch.Ended()
	again := c.Watch(t, widgetsPath+"?watch=1")
	if e := again.Next(); e.Type != "ADDED" || tree.At(e.Obj, "spec", "shape") != "round" {
		t.Errorf("watched: %v", e)
	}
	// A write stores it as it is read.
	c.Must(200, "PATCH", widgetsPath+"/w", `{"metadata":{"labels":{"a":"b"}}}`)
	if e := again.Next(); e.Type != "MODIFIED" || tree.At(e.Obj, "spec", "color") != nil {
		t.Errorf("watched: %v", e)
	}
	sn := c.Store.Bucket("widgets.example.com").Now()
	if raw := sn.Get("default/w").Raw(); bytes.Contains(raw, []byte(`"color"`)) || !bytes.Contains(raw, []byte("round")) {
		t.Errorf("stored: %s", raw)
	}
	// What says nothing new does not end a watch.
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"metadata":{"labels":{"a":"b"}}}`)
	c.Must(201, "POST", widgetsPath, custom("Widget", "x"))
	if e := again.Next(); e.Type != "ADDED" || tree.Name(e.Obj) != "x" {
		t.Errorf("watched: %v", e)
	}
}

// TestSchemaRace: while a schema changes to and fro, each object that is read fits the
// schema of the moment.
func TestSchemaRace(t *testing.T) {
	c := startClients(t)
	with, without := version("v1", true, "size:integer", "old:string"), version("v1", true, "size:integer")
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(with)))
	// The writers go on while a schema comes and a list is read, but only so far: a list that
	// must look at everything ever made would leave the schemas no time.
	turns := make(chan struct{}, 40)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			i := 0
			for range turns {
				name := fmt.Sprintf("w-%d-%d", w, i)
				i++
				obj := custom("Widget", name)
				obj["spec"] = map[string]any{"size": int64(1), "old": "x"}
				if code, e := c.Try("POST", widgetsPath, obj); code != 201 {
					t.Errorf("a create: %d %v", code, e)
					return
				}
				if code, e := c.Try("PATCH", widgetsPath+"/"+name, `{"spec":{"size":2,"old":"y"}}`); code != 200 && code != 409 {
					t.Errorf("a patch: %d %v", code, e)
					return
				}
				// Without a network a writer makes thousands a second: what is listed below stays few.
				if i >= 25 {
					c.Must(200, "DELETE", fmt.Sprintf("%s/w-%d-%d", widgetsPath, w, i-25), nil)
				}
			}
		})
	}
	for i := range 40 {
		text := without
		if i%2 == 1 {
			text = with
		}
		for len(turns) < cap(turns) {
			turns <- struct{}{}
		}
		v, _, _ := tree.ParseJSONObject([]byte(text))
		c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", map[string]any{"spec": map[string]any{"versions": []any{v}}})
		list := c.Must(200, "GET", widgetsPath, nil)
		for _, item := range tree.List(list, "items") {
			if i%2 == 0 && tree.At(item, "spec", "old") != nil {
				t.Fatalf("round %d: an object with a field that there is not: %v", i, item)
			}
		}
	}
	close(turns)
	all.Wait()
}

// TestVersions: they come and go, the stored one changes, and each shows all objects.
func TestVersions(t *testing.T) {
	c := startClients(t)
	const beta, stable = "/apis/example.com/v1beta1/namespaces/default/widgets", widgetsPath
	put := func(change func(crd map[string]any)) {
		t.Helper()
		crd := c.Must(200, "GET", definitionsPath+"/widgets.example.com", nil)
		change(crd)
		c.Must(200, "PUT", definitionsPath+"/widgets.example.com", crd)
	}
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(version("v1beta1", true, "size:integer", "beta:string"))))
	old := custom("Widget", "old")
	old["apiVersion"], old["spec"] = "example.com/v1beta1", map[string]any{"size": int64(1), "beta": "x"}
	c.Must(201, "POST", beta, old)
	c.Must(404, "GET", stable, nil)
	both := versions(
		strings.Replace(version("v1beta1", true, "size:integer", "beta:string"), `"subresources"`, `"selectableFields":[{"jsonPath":".spec.beta"}],"subresources"`, 1),
		strings.Replace(version("v1", false, "size:integer", "beta:string", "more:string"), `"subresources"`, `"selectableFields":[{"jsonPath":".spec.more"},{"jsonPath":".spec.beta"}],"subresources"`, 1))
	put(both)
	if got := c.Must(200, "GET", stable+"/old", nil); got["apiVersion"] != "example.com/v1" || tree.At(got, "spec", "beta") != "x" {
		t.Errorf("by v1: %v", got)
	}
	put(func(crd map[string]any) {
		for i, v := range tree.List(crd, "spec", "versions") {
			v.(map[string]any)["storage"] = i == 1
		}
	})
	young := custom("Widget", "young")
	young["spec"] = map[string]any{"size": int64(2), "beta": "y", "more": "m"}
	c.Must(201, "POST", stable, young)
	for path, want := range map[string]string{beta: "example.com/v1beta1", stable: "example.com/v1"} {
		for _, name := range []string{"old", "young"} {
			got := c.Must(200, "GET", path+"/"+name, nil)
			if got["apiVersion"] != want || path == beta && tree.At(got, "spec", "more") != nil {
				t.Errorf("%s: %v", path, got)
			}
		}
		watch := c.Watch(t, path+"?watch=1")
		for range 2 {
			if e := watch.Next(); e.Obj["apiVersion"] != want {
				t.Errorf("watch of %s: %v", path, e)
			}
		}
		for name, value := range map[string]string{"old": "x", "young": "y"} {
			items := tree.List(c.Must(200, "GET", path+"?fieldSelector=spec.beta%3D"+value, nil), "items")
			if len(items) != 1 || tree.Name(items[0].(map[string]any)) != name {
				t.Errorf("%s, beta=%s: %v", path, value, items)
			}
		}
	}
	c.Must(400, "GET", beta+"?fieldSelector=spec.more%3Dm", nil)
	if items := tree.List(c.Must(200, "GET", stable+"?fieldSelector=spec.more%3Dm", nil), "items"); len(items) != 1 {
		t.Errorf("more=m: %v", items)
	}
	crd := c.Must(200, "GET", definitionsPath+"/widgets.example.com", nil)
	if stored := tree.List(crd, "status", "storedVersions"); !tree.Equal(stored, []any{"v1beta1", "v1"}) {
		t.Errorf("stored versions %v", stored)
	}
	crd["spec"].(map[string]any)["versions"] = tree.List(crd, "spec", "versions")[1:]
	c.Must(422, "PUT", definitionsPath+"/widgets.example.com", crd)
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com/status", `{"status":{"storedVersions":["v1"]}}`)
	put(func(now map[string]any) { now["spec"] = crd["spec"] })
	c.Must(404, "GET", beta, nil)
	doc := c.Must(200, "GET", "/apis/example.com", nil)
	if v := tree.List(doc, "versions"); len(v) != 1 || tree.Text(v[0], "version") != "v1" {
		t.Errorf("discovery: %v", doc)
	}
	if items := tree.List(c.Must(200, "GET", stable, nil), "items"); len(items) != 2 {
		t.Errorf("%v", items)
	}
	// A version that is not served is not there, and comes back.
	put(func(crd map[string]any) { tree.List(crd, "spec", "versions")[0].(map[string]any)["served"] = false })
	c.Must(404, "GET", stable+"/old", nil)
	c.Must(404, "GET", "/apis/example.com", nil)
	put(func(crd map[string]any) { tree.List(crd, "spec", "versions")[0].(map[string]any)["served"] = true })
	c.Must(200, "GET", stable+"/old", nil)
}

// TestNamesOfDefinitions: who comes second waits for a name until it is free.
func TestNamesOfDefinitions(t *testing.T) {
	c := startClients(t)
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, []any{"w", "wi"}, "spec", "names", "shortNames")
	}))
	second := c.Must(201, "POST", definitionsPath, definitionOf("gadgets", "Widget", "Namespaced"))
	if got := tree.List(second, "status", "conditions"); len(got) == 0 {
		t.Error("no conditions in the answer")
	}
	c.Must(201, "POST", definitionsPath, definitionOf("gizmos", "Gizmo", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, []any{"wi"}, "spec", "names", "shortNames")
	}))
	// Another group has names of its own.
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", func(crd map[string]any) {
		tree.Set(crd, "other.io", "spec", "group")
		tree.Set(crd, "widgets.other.io", "metadata", "name")
	}))
	c.Must(200, "GET", "/apis/other.io/v1/widgets", nil)
	for name, reason := range map[string]string{"gadgets.example.com": "ListKindConflict", "gizmos.example.com": "ShortNamesConflict"} {
		if !is(c.Condition(name, "NamesAccepted"), "False", reason) || !is(c.Condition(name, "Established"), "False", "NotAccepted") {
			t.Errorf("%s: %v, %v", name, c.Condition(name, "NamesAccepted"), c.Condition(name, "Established"))
		}
	}
	c.Must(404, "GET", "/apis/example.com/v1/gadgets", nil)
	c.Must(404, "GET", "/apis/example.com/v1/gizmos", nil)
	// A name that is given up is free, as is one whose owner goes.
	c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", `{"spec":{"names":{"shortNames":["w"]}}}`)
	c.Soon("the short name is passed on", c.There("/apis/example.com/v1/gizmos"))
	c.Must(404, "GET", "/apis/example.com/v1/gadgets", nil)
	c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil)
	c.Soon("the kind is passed on", c.There("/apis/example.com/v1/gadgets"))
	for _, name := range []string{"gadgets.example.com", "gizmos.example.com"} {
		if !is(c.Condition(name, "NamesAccepted"), "True", "NoConflicts") || !is(c.Condition(name, "Established"), "True", "InitialNamesAccepted") {
			t.Errorf("%s: %v, %v", name, c.Condition(name, "NamesAccepted"), c.Condition(name, "Established"))
		}
	}
	c.Must(201, "POST", "/apis/example.com/v1/namespaces/default/gadgets", custom("Widget", "x"))
	got := c.Must(200, "GET", definitionsPath+"/gadgets.example.com", nil)
	if tree.Text(got, "status", "acceptedNames", "kind") != "Widget" {
		t.Errorf("accepted names: %v", got)
	}
	if m := tree.Object(got, "metadata"); len(m) > 6 {
		t.Errorf("metadata: %v", m)
	}
}

// TestDefinitionChangesBeforeCommit: a write that was checked, and then finds the definition
// changed when it commits, is one under the new definition.
func TestDefinitionChangesBeforeCommit(t *testing.T) {
	c := startClients(t)
	patch := func(text string) {
		v, _, _ := tree.ParseJSONObject([]byte(text))
		c.Must(200, "PATCH", definitionsPath+"/widgets.example.com", map[string]any{"spec": map[string]any{"versions": []any{v}}})
	}
	with, without := version("v1", true, "size:integer", "old:string"), version("v1", true, "size:integer")
	c.Must(201, "POST", definitionsPath, definitionOf("widgets", "Widget", "Namespaced", versions(with)))
	// before lets the resource that is served now do something just before its next commit.
	before := func(do func()) {
		var once sync.Once
		c.API.Customs.Kind("example.com", "v1", "Widget").ToStored = func(map[string]any) { once.Do(do) }
	}
	obj := custom("Widget", "w")
	obj["spec"] = map[string]any{"size": int64(1), "old": "x"}
	stored := func(when, name string) {
		t.Helper()
		sn := c.Store.Bucket("widgets.example.com").Now()
		if o := sn.Get("default/" + name); o == nil || bytes.Contains(o.Raw(), []byte(`"old"`)) {
			t.Errorf("%s: stored as %v", when, o)
		}
	}
	before(func() { patch(without) })
	if got := c.Must(201, "POST", widgetsPath, obj); tree.At(got, "spec", "old") != nil {
		t.Errorf("answered %v", got)
	}
	stored("a create", "w")
	patch(with)
	before(func() { patch(without) })
	c.Must(200, "PATCH", widgetsPath+"/w", `{"spec":{"size":2,"old":"y"}}`)
	stored("a patch", "w")
	if got := c.Must(200, "GET", widgetsPath+"/w", nil); tree.At(got, "spec", "size") != int64(2) || tree.At(got, "metadata", "generation") != int64(2) {
		t.Errorf("patched: %v", got)
	}
	patch(with)
	now := c.Must(200, "GET", widgetsPath+"/w", nil)
	tree.Set(now, "z", "spec", "old")
	before(func() { patch(without) })
	c.Must(409, "PUT", widgetsPath+"/w", now) // it was read under the old one
	stored("an update", "w")

	c.Must(200, "PATCH", widgetsPath+"/w", `{"metadata":{"finalizers":["example.com/x"]}}`)
	before(func() { c.Must(200, "DELETE", definitionsPath+"/widgets.example.com", nil) })
	tree.Metadata(obj)["name"] = "late"
	c.Must(403, "POST", widgetsPath, obj)
	c.Release(widgetsPath + "/w")
	c.Soon("the definition is gone", c.Missing(definitionsPath+"/widgets.example.com"))
}
