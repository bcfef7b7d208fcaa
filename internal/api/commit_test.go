package api

import (
	"errors"
	"strings"
	"testing"

	"apichain/internal/status"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// events follows what is written to the resource's bucket after the call of events, and returns
// it as type and object, one a line.
func (p *steps) events() func() string {
	sn := p.Bucket.Now()
	cursor, err := p.Bucket.Watch(sn.Rev)
	if err != nil {
		p.t.Fatal(err)
	}
	return func() string {
		found, _, err := cursor.Next(nil, 100)
		if err != nil {
			p.t.Fatal(err)
		}
		lines := make([]string, len(found))
		for i, e := range found {
			line := parsed(p.t, string(e.Object.Line))
			lines[i] = tree.Text(line, "type") + " " + text(tree.Object(line, "object", "metadata")["finalizers"]) + " " + text(tree.At(line, "object", "spec"))
		}
		return strings.Join(lines, "\n")
	}
}

// TestCommit: what becomes of a change that has passed all checks.
func TestCommit(t *testing.T) {
	const held = `{"metadata":{"name":"a","uid":"u","deletionTimestamp":"t","finalizers":["x/y"]},"spec":{"n":1}}`
	const end = `{"metadata":{"name":"a"},"spec":{"n":2}}`
	for _, c := range []struct {
		what      string
		old, next string
		change    func(*steps)
		dry       bool
		// done is what the write leaves in done: nothing, old, or a new object.
		done, events string
	}{
		{what: "a change", old: widgetA, next: `{"metadata":{"name":"a"},"spec":{"n":2}}`, done: "new", events: `MODIFIED null {"n":2}`},
		{what: "a change, dry", old: widgetA, next: `{"metadata":{"name":"a"},"spec":{"n":2}}`, dry: true, done: "nothing"},
		{what: "none", old: widgetA, next: widgetA, done: "old"},
		{what: "none, dry", old: widgetA, next: widgetA, dry: true, done: "nothing"},
		{what: "none but a status that does not count", old: widgetA, next: strings.Replace(widgetA, `"s":1`, `"s":2`, 1), done: "old"},
		{what: "none, of an object stored by another schema", old: widgetA, next: widgetA, change: func(p *steps) { p.schemaRevision = 1 << 40 }, done: "old"},
		{what: "none, but another schema has defaults", old: widgetA, next: widgetA, change: func(p *steps) {
			p.schemaRevision = 1 << 40
			p.defaults = func(obj map[string]any) { tree.Set(obj, true, "spec", "new") }
		}, done: "new", events: `MODIFIED null {"n":1,"new":true}`},
		{what: "the last finalizer", old: held, next: end, done: "nothing", events: `DELETED ["x/y"] {"n":1}`},
		{what: "the last finalizer, dry", old: held, next: end, dry: true, done: "nothing"},
		{what: "one finalizer of two", old: strings.Replace(held, `"x/y"`, `"x/y","x/z"`, 1), next: `{"metadata":{"name":"a","finalizers":["x/z"]},"spec":{"n":1}}`,
			done: "new", events: `MODIFIED ["x/z"] {"n":1}`},
		{what: "the last finalizer of a living object", old: strings.Replace(held, `"deletionTimestamp":"t",`, "", 1), next: end, done: "new", events: `MODIFIED null {"n":2}`},
		// Only a namespace is held by its spec as well.
		{what: "finalizers in the spec of another kind", old: held, next: `{"metadata":{"name":"a"},"spec":{"finalizers":["f"]}}`, done: "nothing", events: `DELETED ["x/y"] {"n":1}`},
		{what: "finalizers in the spec of a namespace", old: held, next: `{"metadata":{"name":"a"},"spec":{"finalizers":["f"]}}`,
			change: func(p *steps) { p.Plural, p.Group = "namespaces", "" }, done: "new", events: `MODIFIED null {"finalizers":["f"]}`},
	} {
		p := newSteps(t)
		old := p.put(p.Bucket, "default/a", c.old)
		if c.change != nil {
			c.change(p)
		}
		events := p.events()
		w := p.change("", c.next)
		w.dryRun = c.dry
		if err := w.replace(); err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		done := map[bool]string{true: "old", false: "new"}[w.done == old]
		if w.done == nil {
			done = "nothing"
		}
		if got := events(); done != c.done || got != c.events {
			t.Errorf("%s: done is %s, events\n%s", c.what, done, got)
		}
	}
}

// TestCommitConflict: who writes on what is no longer there gets a conflict; who does so under a
// definition that is gone gets what its path answers then.
func TestCommitConflict(t *testing.T) {
	for what, between := range map[string]func(p *steps){
		"a change":   func(p *steps) { p.put(p.Bucket, "default/a", widgetA) },
		"a deletion": func(p *steps) { _, _, _ = p.call("delete", "a", "").Delete(&DeleteOptions{}) },
		"a definition": func(p *steps) {
			p.Resource.retired = make(chan struct{})
			close(p.Resource.retired)
		},
	} {
		p := newSteps(t)
		p.put(p.Bucket, "default/a", widgetA)
		w := p.change("", `{"metadata":{"name":"a"},"spec":{"n":2}}`)
		between(p)
		err := w.replace()
		if what == "a definition" {
			// There is no other one to begin again with.
			if brief(err) != "404: 404 page not found" {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		var raced *store.Conflict
		if !errors.As(err, &raced) || raced.Bucket != p.Bucket || raced.Key != "default/a" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAdd: where a new object may not be, and what is said of a name that is taken.
func TestAdd(t *testing.T) {
	const taken = `409 AlreadyExists: widgets.example.com "a" already exists`
	for _, c := range []struct {
		what   string
		change func(p *steps, q *Call)
		meta   string
		want   string
	}{
		{"free", func(*steps, *Call) {}, `{"name":"a"}`, "<nil>"},
		{"taken", func(p *steps, _ *Call) { p.put(p.Bucket, "default/a", widgetA) }, `{"name":"a"}`, taken},
		{"taken by one that goes", func(p *steps, _ *Call) {
			p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","deletionTimestamp":"t","finalizers":["x/y"]}}`)
		}, `{"name":"a"}`, `409 AlreadyExists: object is being deleted: widgets.example.com "a" already exists`},
		{"no namespace", func(_ *steps, q *Call) { q.namespace = "none" }, `{"name":"a"}`, `404 NotFound: namespaces "none" not found`},
		{"a namespace that goes", func(p *steps, _ *Call) {
			p.put(p.api.Namespaces, "default", `{"metadata":{"name":"default","deletionTimestamp":"t"}}`)
		}, `{"name":"a"}`, `403 Forbidden: widgets.example.com "a" is forbidden: unable to create new content in namespace default because it is being terminated`},
		{"no namespace and taken", func(p *steps, q *Call) {
			p.put(p.Bucket, "none/a", widgetA)
			q.namespace = "none"
		}, `{"name":"a"}`, `404 NotFound: namespaces "none" not found`},
		{"a definition that goes", func(p *steps, _ *Call) { p.terminating = true }, `{"name":"a"}`,
			`403 Forbidden: widgets.example.com "a" is forbidden: create not allowed while custom resource definition is terminating`},
		{"another name", func(_ *steps, q *Call) { q.name = "b" }, `{"name":"a"}`, `400 BadRequest: the name of the object (a) does not match the name on the URL (b)`},
		{"the name of the path only", func(_ *steps, q *Call) { q.name = "b" }, `{}`, `422 Invalid: Widget.example.com "" is invalid: metadata.name: Required value: name or generateName is required`},
		{"another namespace", func(*steps, *Call) {}, `{"name":"a","namespace":"b"}`, `400 BadRequest: the namespace of the provided object does not match the namespace sent on the request`},
		{"a resource version", func(*steps, *Call) {}, `{"name":"a","resourceVersion":"1"}`, `500: resourceVersion should not be set on objects to be created`},
		{"a resource version that is no number", func(*steps, *Call) {}, `{"name":"a","resourceVersion":"x"}`, "<nil>"},
		{"a resource version and taken", func(p *steps, _ *Call) { p.put(p.Bucket, "default/a", widgetA) }, `{"name":"a","resourceVersion":"1"}`,
			`500: resourceVersion should not be set on objects to be created`},
		{"no namespace and wrong", func(_ *steps, q *Call) { q.namespace = "none" }, `{"name":"A","labels":{"a":"b c"}}`, `404 NotFound: namespaces "none" not found`},
		{"taken, with a generateName", func(p *steps, _ *Call) { p.put(p.Bucket, "default/a", widgetA) }, `{"name":"a","generateName":"g"}`,
			taken + ", the server was not able to generate a unique name for the object"},
		{"resource version 0", func(*steps, *Call) {}, `{"name":"a","resourceVersion":"0"}`, "<nil>"},
	} {
		for _, dry := range []bool{false, true} {
			p := newSteps(t)
			q := p.call("create", "", "")
			c.change(p, q)
			before := p.api.Store.Revision()
			q.dryRun = dry
			// Only the store looks at the resource version: a dry run does not get so far.
			if dry && strings.HasPrefix(c.want, "500") {
				c.want = map[bool]string{true: taken, false: "<nil>"}[strings.Contains(c.what, "taken")]
			}
			o, err := q.Insert(map[string]any{"metadata": parsed(t, c.meta)})
			if got := brief(err); got != c.want {
				t.Errorf("%s, dry %v\n got %s\nwant %s", c.what, dry, got, c.want)
			}
			made := err == nil && !dry
			if (o != nil) != made || (p.api.Store.Revision() > before) != made {
				t.Errorf("%s, dry %v: %v at revision %d after %d", c.what, dry, o, p.api.Store.Revision(), before)
			}
		}
	}
}

// TestAddGenerated: a name that is taken is made anew, and after eight of them the client is
// asked to come again.
func TestAddGenerated(t *testing.T) {
	for _, c := range []struct {
		meta         string
		taken, tries int
		after        int
		failed       bool
	}{
		{`{"generateName":"g-"}`, 0, 1, 0, false},
		{`{"generateName":"g-"}`, 7, 8, 0, false},
		{`{"generateName":"g-"}`, 8, 8, 1, true},
		{`{"generateName":"g-","name":"n"}`, 1, 1, 1, true},
	} {
		p := newSteps(t)
		tries, names := 0, map[string]bool{}
		p.ToStored = func(obj map[string]any) {
			name := tree.Name(obj)
			names[name] = true
			if tries++; tries <= c.taken {
				p.put(p.Bucket, "default/"+name, widgetA)
			}
		}
		_, err := p.call("create", "", "").Insert(map[string]any{"metadata": parsed(t, c.meta)})
		if tries != c.tries || len(names) != c.tries || (err != nil) != c.failed {
			t.Errorf("%+v: %d tries of %v, %v", c, tries, names, err)
		}
		if !c.failed {
			continue
		}
		var e *status.Error
		if !errors.As(err, &e) || e.Reason != "AlreadyExists" || e.RetryAfter != c.after || !names[e.Details.Name] {
			t.Errorf("%+v: %+v", c, e)
		}
	}
}

// TestPlaceAtCommit: a namespace or definition that begins to go after the checks and before the
// commit is seen by the commit.
func TestPlaceAtCommit(t *testing.T) {
	definitions := func(p *steps) *store.Bucket { return p.api.Customs.Bucket }
	for _, c := range []struct {
		what    string
		between func(p *steps)
		want    string
	}{
		{"nothing", func(*steps) {}, "<nil>"},
		{"namespace", func(p *steps) {
			p.put(p.api.Namespaces, "default", `{"metadata":{"name":"default","deletionTimestamp":"t"}}`)
		}, `403 Forbidden: widgets.example.com "a" is forbidden: unable to create new content in namespace default because it is being terminated`},
		{"definition", func(p *steps) {
			p.put(definitions(p), "widgets.example.com", `{"metadata":{"name":"widgets.example.com","deletionTimestamp":"t"}}`)
		}, `403 Forbidden: widgets.example.com "a" is forbidden: create not allowed while custom resource definition is terminating`},
	} {
		p := newSteps(t)
		p.custom = true
		p.put(definitions(p), "widgets.example.com", `{"metadata":{"name":"widgets.example.com"}}`)
		p.ToStored = func(map[string]any) { c.between(p) }
		_, err := p.call("create", "", "").Insert(parsed(t, `{"metadata":{"name":"a"}}`))
		if got := brief(err); got != c.want || (p.stored() != nil) != (err == nil) {
			t.Errorf("%s: %s, stored %v", c.what, got, p.stored())
		}
	}
	// Without its definition a custom resource is not there, in the words of the mux.
	p := newSteps(t)
	p.custom = true
	if _, err := p.call("create", "", "").Insert(parsed(t, `{"metadata":{"name":"a"}}`)); brief(err) != "404: 404 page not found" {
		t.Error(err)
	}
}

// TestAnswerOfRemoval: the write that takes the last finalizer answers the object as it was
// written, at the revision of before, although what was stored last is another shape.
func TestAnswerOfRemoval(t *testing.T) {
	p := newSteps(t)
	old := p.put(p.Bucket, "default/a", `{"metadata":{"name":"a","uid":"u","deletionTimestamp":"t","finalizers":["x/y"]},"spec":{"n":1}}`)
	p.ToStored = func(obj map[string]any) { obj["stored"] = true }
	p.fromStored = func(obj map[string]any) { delete(obj, "stored") }
	w := p.change("", `{"metadata":{"name":"a"},"spec":{"n":2}}`)
	if err := w.replace(); err != nil {
		t.Fatal(err)
	}
	want := `{"metadata":{"deletionTimestamp":"t","generation":1,"name":"a","namespace":"default","resourceVersion":"` + tree.Text(old.Decode(), "metadata", "resourceVersion") + `","uid":"u"},"spec":{"n":2}}`
	if got := text(w.next); got != want || w.done != nil || p.stored() != nil {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
