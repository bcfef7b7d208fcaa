package controller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/status"
	"apichain/internal/store"
)

// readyProgram is a server at the moment after ready: it has the namespaces a and
// a-b, with two config maps, and a definition with one object of it.
func readyProgram(t testing.TB) *emptyServer {
	t.Helper()
	p := newEmptyServer(t)
	for _, manifest := range []string{
		widgetCRD,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a-b"}}`,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}`,
		configMap("a", "one", "1"), configMap("a-b", "two", "2"), widget("a", "w", "3"),
	} {
		p.applied(t, manifest)
	}
	p.Store.ExpireHistory()
	p.restorer.Keep()
	return p
}

// Reset puts back what was changed, brings back what went, removes what came, whatever
// holds it, and leaves the rest alone, down to its revision.
func TestResetRestoresExactly(t *testing.T) {
	p := readyProgram(t)
	want, untouched := p.held(), p.stored("configmaps", "a-b/two").Rev
	total := len(want)
	uid := p.stored("configmaps", "a/one").Meta.UID

	p.applied(t, configMap("a", "one", "changed"))
	p.applied(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"a","name":"held","finalizers":["example.com/hold"]}}`)
	p.removed(t, "widgets.example.com", "a/w")
	p.removed(t, apitest.DefinitionsBucket, "widgets.example.com")
	before := p.Store.Revision()
	w, refused := p.restorer.Reset(context.Background())
	if refused != nil {
		t.Fatal(refused)
	}
	sameHeld(t, p.held(), want)
	if want := (store.Written{Revision: before + 4, Created: 2, Updated: 1, Deleted: 1, Unchanged: total - 3}); w != want || p.Store.Revision() != w.Revision {
		t.Errorf("did %+v, want %+v; at %d", w, want, p.Store.Revision())
	}
	if now := p.stored("configmaps", "a-b/two").Rev; now != untouched {
		t.Errorf("an untouched object went from revision %d to %d", untouched, now)
	}
	if o := p.stored("configmaps", "a/one"); o.Meta.UID != uid || o.Rev <= before || !bytes.Contains(o.Raw(), fmt.Appendf(nil, `"resourceVersion":"%d"`, o.Rev)) {
		t.Errorf("put back as %s", o.Raw())
	}
	// Again there is nothing to do, and no event.
	w, refused = p.restorer.Reset(context.Background())
	if want := (store.Written{Revision: before + 4, Unchanged: total}); refused != nil || w != want {
		t.Errorf("again: %+v, want %+v (%v)", w, want, refused)
	}
}

// Watchers see the events of a reset: definitions first, then the rest, and what goes last.
func TestWatchersSeeAReset(t *testing.T) {
	p := readyProgram(t)
	p.applied(t, configMap("a", "one", "changed"))
	p.applied(t, configMap("a", "new", ""))
	p.removed(t, "configmaps", "a-b/two")
	p.removed(t, "namespaces", "a-b")
	p.applied(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"z"}}`)
	p.removed(t, apitest.DefinitionsBucket, "widgets.example.com")
	cursors := map[string]*store.Cursor{}
	for _, resource := range []string{apitest.DefinitionsBucket, "namespaces", "configmaps"} {
		c, err := p.Store.Bucket(resource).Watch(p.Store.Revision())
		if err != nil {
			t.Fatal(err)
		}
		cursors[resource] = c
	}
	if _, refused := p.restorer.Reset(context.Background()); refused != nil {
		t.Fatal(refused)
	}
	got := map[int64]string{}
	for resource, c := range cursors {
		events, _, err := c.Next(nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got[e.Rev] = fmt.Sprintf("%c %s %s", e.Kind, strings.TrimSuffix(resource, ".apiextensions.k8s.io"), e.Object.Key)
		}
	}
	var text []string
	for _, rev := range slices.Sorted(maps.Keys(got)) {
		text = append(text, got[rev])
	}
	want := "A customresourcedefinitions widgets.example.com; A namespaces a-b; M configmaps a/one; A configmaps a-b/two; D configmaps a/new; D namespaces z"
	if got := strings.Join(text, "; "); got != want {
		t.Errorf("events\n got %s\nwant %s", got, want)
	}
}

// A snapshot is in the contract's order, and loading it anywhere makes the same objects:
// in the program that gave it nothing changes, in another one everything, and definitions
// that were not there count at once.
func TestSnapshotRoundTrip(t *testing.T) {
	p := readyProgram(t)
	text := p.snapshotText(t)
	var list struct {
		APIVersion, Kind string
		Metadata         struct{ ResourceVersion string }
		Items            []struct {
			Kind     string
			Metadata struct{ Namespace, Name, ResourceVersion string }
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if list.APIVersion != "v1" || list.Kind != "List" || list.Metadata.ResourceVersion != fmt.Sprint(p.Store.Revision()) || !bytes.HasSuffix(text, []byte("]}\n")) {
		t.Errorf("head and tail of %s", text)
	}
	var order []string
	for _, item := range list.Items {
		if id := item.Kind + " " + item.Metadata.Namespace + "/" + item.Metadata.Name; strings.Contains("CustomResourceDefinition /widgets.example.com Namespace /a Namespace /a-b ConfigMap a/one ConfigMap a-b/two Widget a/w", id) {
			order = append(order, id)
		}
	}
	if got, want := strings.Join(order, ", "), "CustomResourceDefinition /widgets.example.com, Namespace /a, Namespace /a-b, ConfigMap a/one, ConfigMap a-b/two, Widget a/w"; got != want {
		t.Errorf("order\n got %s\nwant %s", got, want)
	}

	want := p.held()
	before := p.Store.Revision()
	w, refused := p.restorer.Load(context.Background(), text)
	if want := (store.Written{Revision: before, Unchanged: len(want)}); refused != nil || w != want {
		t.Errorf("loaded where it came from: %+v, want %+v (%v)", w, want, refused)
	}

	other := newEmptyServer(t)
	other.restorer.Keep()
	w, refused = other.restorer.Load(context.Background(), text)
	if refused != nil {
		t.Fatal(refused.Message)
	}
	sameHeld(t, other.held(), want)
	if w.Created+w.Updated+w.Unchanged != len(want) || w.Created == 0 || w.Revision != other.Store.Revision() {
		t.Errorf("loaded elsewhere: %+v", w)
	}
	if o := other.stored("widgets.example.com", "a/w"); o == nil || o.Meta.UID != p.stored("widgets.example.com", "a/w").Meta.UID {
		t.Errorf("the custom object is %v", o)
	}
	// Back to an empty state, and everything goes.
	if _, refused := other.restorer.Load(context.Background(), []byte(`{"apiVersion":"v1","kind":"List","items":[]}`)); refused != nil || len(other.held()) != 0 {
		t.Errorf("%v, %d objects left", refused, len(other.held()))
	}
}

// What a snapshot cannot say, and that nothing changes then.
func TestSnapshotsThatAreRefused(t *testing.T) {
	p := readyProgram(t)
	const meta = `"uid":"u","creationTimestamp":"2026-11-23T05:20:00Z"`
	item := func(s string) string { return `{"apiVersion":"v1","kind":"List","items":[` + s + `]}` }
	cm := func(s string) string {
		return item(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"a",` + s + `}}`)
	}
	good := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"a","name":"x",` + meta + `}}`
	for _, c := range []struct {
		name, body string
		code       int
		want       string // part of the message, or fields of the causes
	}{
		{"nothing", ``, 400, "not a JSON object"},
		{"half", `{"apiVersion":"v1",`, 400, "not a JSON object"},
		{"a list", `[]`, 400, "not a JSON object"},
		{"more behind", item("") + "x", 400, "not a JSON object"},
		{"deep", item(strings.Repeat(`[`, 2000)), 400, "not a JSON object"},
		{"repeated key", `{"apiVersion":"v1","kind":"List","items":[],"items":[]}`, 400, `"items" is there twice`},
		{"repeated key in an item", item(`{"kind":"a","kind":"b"}`), 400, `twice`},
		{"unknown key", `{"apiVersion":"v1","kind":"List","items":[],"status":{}}`, 400, `unknown key "status"`},
		{"no list", `{}`, 422, "apiVersion kind items"},
		{"another kind", `{"apiVersion":"v1","kind":"ConfigMapList","items":null,"metadata":7}`, 422, "kind metadata items"},
		{"no objects", item(`1,[],"x",null`), 422, "items[0] items[1] items[2] items[3]"},
		{"no kind", item(`{},{"apiVersion":"v1"},{"kind":"ConfigMap"}`), 422, "items[0].apiVersion items[0].kind items[1].kind items[2].apiVersion"},
		{"unknown kind", item(`{"apiVersion":"v1","kind":"Nothing","metadata":{"name":"x",` + meta + `}}`), 422, "items[0].kind"},
		{"unknown version", item(`{"apiVersion":"v9","kind":"ConfigMap","metadata":{"namespace":"a","name":"x",` + meta + `}}`), 422, "items[0].kind"},
		{"a kind whose definition goes", item(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"namespace":"a","name":"w",` + meta + `}}`), 422, "items[0].kind"},
		{"a definition that is none", item(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"x.y.z",` + meta + `},"spec":{}}`), 422, "items[0].metadata.name items[0].spec.group items[0].spec.scope "},
		{"no metadata", item(`{"apiVersion":"v1","kind":"ConfigMap"}`), 422, "items[0].metadata.name items[0].metadata.namespace items[0].metadata.uid items[0].metadata.creationTimestamp"},
		{"metadata of no types", cm(`"name":1,"uid":true,"creationTimestamp":"yesterday","labels":[],"annotations":{"k":1},"finalizers":{},"ownerReferences":[{}]`), 422,
			"items[0].metadata.name items[0].metadata.uid items[0].metadata.creationTimestamp items[0].metadata.labels items[0].metadata.annotations[k] items[0].metadata.finalizers items[0].metadata.ownerReferences[0]"},
		{"a name of two", cm(`"name":"b/c",` + meta), 422, "items[0].metadata.name"},
		{"a namespace of two", item(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"a/b","name":"x",` + meta + `}}`), 422, "items[0].metadata.namespace"},
		{"a namespace in a namespace", item(`{"apiVersion":"v1","kind":"Namespace","metadata":{"namespace":"a","name":"x",` + meta + `}}`), 422, "items[0].metadata.namespace"},
		{"twice", item(good + "," + good), 422, "items[1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, before := p.held(), p.Store.Revision()
			_, refused := p.restorer.Load(context.Background(), []byte(c.body))
			if refused == nil || refused.Code != c.code {
				t.Fatalf("got %+v, want %d", refused, c.code)
			}
			var fields []string
			if refused.Details == nil {
				refused.Details = &status.Details{}
			}
			for _, cause := range refused.Details.Causes {
				if fields = append(fields, cause.Field); cause.Reason == "" || cause.Message == "" {
					t.Errorf("cause %+v", cause)
				}
			}
			if got := strings.Join(fields, " "); c.code == 422 && !strings.HasPrefix(got, c.want) || c.code == 400 && !strings.Contains(refused.Message, c.want) {
				t.Errorf("got %q %q, want %q", refused.Message, got, c.want)
			}
			if p.Store.Revision() != before {
				t.Error("something was written")
			}
			sameHeld(t, p.held(), want)
		})
	}
	if w, refused := p.restorer.Load(context.Background(), []byte(item(good))); refused != nil || w.Created != 1 {
		t.Errorf("the good one: %+v %+v", w, refused)
	}
}

// Of thousands of wrong items, a hundred are told.
func TestManyCauses(t *testing.T) {
	p := readyProgram(t)
	_, refused := p.restorer.Load(context.Background(), []byte(`{"apiVersion":"v1","kind":"List","items":[`+strings.Repeat("{},", 2000)+`{}]}`))
	if refused == nil || len(refused.Details.Causes) != 100 || !strings.Contains(refused.Message, "and 4001 more") || len(refused.Message) > 200 {
		t.Errorf("%+v", refused)
	}
}

// One at a time, and none before ready.
func TestOneRewriteAtATime(t *testing.T) {
	p := newEmptyServer(t)
	empty := []byte(`{"apiVersion":"v1","kind":"List","items":[]}`)
	both := func(why string) {
		t.Helper()
		_, reset := p.restorer.Reset(context.Background())
		_, load := p.restorer.Load(context.Background(), empty)
		for _, refused := range []*status.Error{reset, load} {
			if refused == nil || refused.Code != 409 || refused.Reason != "Conflict" || !strings.Contains(refused.Message, why) {
				t.Errorf("got %+v, want 409 with %q", refused, why)
			}
		}
	}
	both("not ready yet")
	p.restorer.Keep()
	release := p.restorer.Hold()
	both("under way")
	if _, refused := p.restorer.Load(context.Background(), []byte("{}")); refused == nil || refused.Code != 422 {
		t.Errorf("the body comes first: %+v", refused)
	}
	release()
	if _, refused := p.restorer.Load(context.Background(), empty); refused != nil {
		t.Errorf("afterwards: %+v", refused)
	}
}

// brokenBackend is a journal that refuses every commit.
type brokenBackend struct{}

func (brokenBackend) Load(context.Context, *store.Feed) error { return nil }
func (brokenBackend) Append([]store.Entry) error              { return errors.New("disk full") }
func (brokenBackend) Sync() (int64, error)                    { return 0, nil }
func (brokenBackend) Close() error                            { return nil }

// A write that fails leaves everything as it was.
func TestResetThatFails(t *testing.T) {
	p := readyProgram(t)
	p.applied(t, configMap("a", "one", "changed"))
	p.removed(t, "configmaps", "a-b/two")
	want, before := p.held(), p.Store.Revision()
	if err := p.Store.Open(t.Context(), brokenBackend{}); err != nil {
		t.Fatal(err)
	}
	_, refused := p.restorer.Reset(context.Background())
	if refused == nil || refused.Code != 500 || p.Store.Revision() != before {
		t.Errorf("got %+v at %d", refused, p.Store.Revision())
	}
	sameHeld(t, p.held(), want)
}

// However many write meanwhile, there is a revision at which the store is what it was.
func TestResetAmongWriters(t *testing.T) {
	p := readyProgram(t)
	want := p.held()
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			b := p.Store.Bucket("configmaps")
			for i := 0; ctx.Err() == nil; i++ {
				d := store.Encode(map[string]any{"metadata": map[string]any{"name": "x"}, "i": int64(i)}, nil)
				key := fmt.Sprintf("a/w%d-%d", n, i%5)
				now := b.Now()
				if c := (store.Change{Bucket: b, Key: key, Expect: -1, Next: &d}); i%3 == 0 && now.Get(key) != nil {
					c.Next = nil
					_, _ = p.Store.Commit(ctx, c)
				} else {
					_, _ = p.Store.Commit(ctx, c)
				}
			}
		})
	}
	for range 20 {
		w, refused := p.restorer.Reset(context.Background())
		if refused != nil {
			t.Fatal(refused)
		}
		sn, err := p.Store.Bucket("configmaps").At(w.Revision)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for o := range sn.Scan("a", "") {
			keys = append(keys, o.Key)
		}
		if got := strings.Join(keys, " "); !strings.HasPrefix(got, "a-b/") || strings.Contains(got, "a/w") || !strings.Contains(got, "a/one") {
			t.Fatalf("at revision %d there are %s", w.Revision, got)
		}
	}
	cancel()
	writers.Wait()
	if _, refused := p.restorer.Reset(context.Background()); refused != nil {
		t.Fatal(refused)
	}
	sameHeld(t, p.held(), want)
}

// A snapshot taken while others write is that of one revision: each commit writes two
// objects alike.
func TestSnapshotOfOneMoment(t *testing.T) {
	p := readyProgram(t)
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			d := store.Encode(map[string]any{"metadata": map[string]any{"name": "pair"}, "pair": int64(i)}, nil)
			_, _ = p.Store.Commit(ctx, store.Change{Bucket: p.Store.Bucket("configmaps"), Key: "a/pair", Expect: -1, Next: &d}, store.Change{Bucket: p.Store.Bucket("secrets"), Key: "a/pair", Expect: -1, Next: &d})
		}
	})
	defer writer.Wait()
	defer cancel()
	for range 200 {
		var list struct {
			Metadata struct{ ResourceVersion json.Number }
			Items    []struct{ Pair *int }
		}
		text := p.snapshotText(t)
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		var pairs []int
		for _, item := range list.Items {
			if item.Pair != nil {
				pairs = append(pairs, *item.Pair)
			}
		}
		if n := len(pairs); n != 0 && n != 2 || n == 2 && pairs[0] != pairs[1] {
			t.Fatalf("pairs %v", pairs)
		}
	}
}

// Reading a snapshot takes any bytes, and what it takes can be given out again.
func FuzzSnapshot(f *testing.F) {
	p := readyProgram(f)
	f.Add(p.snapshotText(f))
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","metadata":{},"items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"a","name":"x","uid":"u","creationTimestamp":"2026-11-23T05:20:00Z","labels":{"a":"b"}}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, refused := p.restorer.Load(context.Background(), body); refused != nil {
			if refused.Code != 400 && refused.Code != 422 {
				t.Errorf("%d %s", refused.Code, refused.Message)
			}
			return
		}
		want := p.held()
		w, refused := p.restorer.Load(context.Background(), p.snapshotText(t))
		if refused != nil || w.Unchanged != len(want) || w.Created+w.Updated+w.Deleted != 0 {
			t.Errorf("its own snapshot: %+v %+v", w, refused)
		}
	})
}
