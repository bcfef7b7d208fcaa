package api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/kinds"
	"apichain/internal/selector"
	"apichain/internal/store"
	"apichain/internal/tree"
)

// lineSink keeps the lines of a watch that is called directly.
type lineSink struct {
	http.ResponseWriter
	lines []string
}

func (s *lineSink) Write(b []byte) (int, error) {
	s.lines = append(s.lines, string(b))
	return len(b), nil
}

// watcherOf returns a watcher that is under way and has sent its columns, or none yet.
func watcherOf(r *Resource, f form, labels string, columnsSent bool) (*watcher, *lineSink) {
	sink := &lineSink{}
	w := &watcher{Call: &Call{Resource: r, w: sink, form: f, namespace: "default"}, columnsSent: columnsSent, formName: f.name()}
	if labels != "" {
		w.labels, _ = selector.ParseLabels(labels)
	}
	return w, sink
}

// alone returns an event that shares nothing with the one in the log, so that each who asks for
// a form of it encodes that.
func alone(e *store.Event) *store.Event {
	return &store.Event{Kind: e.Kind, Rev: e.Rev, Object: e.Object, Prev: e.Prev}
}

// counting returns the resource with a count of the objects that are decoded in it: one for
// each encoding of an event, since they are never taken as they are stored.
func counting(r *Resource) (*Resource, *atomic.Int64) {
	n := new(atomic.Int64)
	c := &Resource{Row: r.Row, api: r.api, custom: r.custom, shape: r.shape, fields: r.fields, stored: r.stored, Bucket: r.Bucket, storageVersion: r.storageVersion, shapes: r.shapes,
		ToStored: r.ToStored}
	c.fromStored = func(obj map[string]any) {
		n.Add(1)
		if r.fromStored != nil {
			r.fromStored(obj)
		}
	}
	return c, n
}

// events returns the events of a bucket after a revision.
func (s *readServer) events(bucket string, after int64) []*store.Event {
	s.Helper()
	c, err := s.Store.Bucket(bucket).Watch(after)
	if err != nil {
		s.Fatal(err)
	}
	events, _, err := c.Next(nil, 1<<20)
	if err != nil {
		s.Fatal(err)
	}
	return events
}

// readForms are the forms that a watch can have.
func readForms() (all []form) {
	for _, version := range []string{"v1", "v1beta1"} {
		all = append(all, form{kind: formPartial, version: version})
		for _, include := range []string{"Metadata", "Object", "None"} {
			all = append(all, form{kind: formTable, version: version, include: include})
		}
	}
	return append(all, form{}, form{kind: formPartial, version: "v1", protobuf: true})
}

// TestTransitions: what a watch with a selector is told, for each pair of what matched before
// and matches now.
func TestTransitions(t *testing.T) {
	s := newReadServer(t, 100)
	base := s.Store.Revision()
	body := func(labels string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","labels":{` + labels + `}}}`
	}
	s.must(201, "POST "+readMaps, body(""))
	for _, labels := range []string{`"app":"x"`, `"app":"x","n":"1"`, `"app":"y"`, `"app":"z"`, `"app":"x"`} {
		s.must(200, "PUT "+readMaps+"/m", body(labels))
	}
	s.must(200, "DELETE "+readMaps+"/m", "")
	s.must(201, "POST "+readMaps, body(`"app":"x"`))
	s.must(200, "PUT "+readMaps+"/m", body(`"app":"y"`))
	s.must(200, "DELETE "+readMaps+"/m", "")
	for selector, want := range map[string]string{
		"":        "A1 M2 M3 M4 M5 M6 D7 A8 M9 D10",
		"app=x":   "A2 M3 D4:x A6 D7 A8 D9:x",
		"app!=x":  "A1 D2: A4 M5 D6:z A9 D10",
		"app=y":   "A4 D5:y A9 D10",
		"n=1":     "A3 D4:x",
		"app":     "A2 M3 M4 M5 M6 D7 A8 M9 D10",
		"app=any": "",
	} {
		w, _ := watcherOf(s.Builtin("", "v1", "ConfigMap"), form{}, selector, false)
		var got []string
		for _, e := range s.events("configmaps", base) {
			kind, o := w.transition(e)
			if o == nil {
				continue
			}
			text := fmt.Sprintf("%c%d", kind, e.Rev-base)
			if o != e.Object {
				// The object as it was when it still matched, told at the revision of the change.
				text += ":" + o.Meta.Labels["app"]
				line := w.encodeEvent(e, kind, o, e.Rev)
				if want := fmt.Sprintf(`"resourceVersion":"%d"`, e.Rev); !bytes.Contains(line, []byte(want)) || !bytes.HasPrefix(line, []byte(`{"type":"DELETED"`)) {
					t.Errorf("%s: %s is told as %s", selector, text, line)
				}
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%q: %s, want %s", selector, text, want)
		}
	}
	// Another namespace sees none of it.
	w, sink := watcherOf(s.Builtin("", "v1", "ConfigMap"), form{}, "", false)
	w.namespace = "other"
	for _, e := range s.events("configmaps", base) {
		w.event(e)
	}
	if len(sink.lines) != 0 {
		t.Errorf("another namespace was told %v", sink.lines)
	}
}

// TestStoredLines: an object that is told as it was written is the stored line itself, and one
// that is told as another type has the same object.
func TestStoredLines(t *testing.T) {
	s := newReadServer(t, 100)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a")
	s.must(200, "PATCH "+readMaps+"/a", `{"metadata":{"labels":{"app":"x"}}}`)
	e := s.events("configmaps", base)[1]
	w, _ := watcherOf(s.Builtin("", "v1", "ConfigMap"), form{}, "", false)
	if line := w.encodeEvent(e, store.Modified, e.Object, e.Rev); &line[0] != &e.Object.Line[0] {
		t.Error("the stored line was copied")
	}
	want := `{"type":"ADDED","object":` + string(e.Object.Raw()) + "}\n"
	if line := w.encodeEvent(e, store.Added, e.Object, e.Rev); string(line) != want {
		t.Errorf("got %s, want %s", line, want)
	}
	if !bytes.HasPrefix(e.Object.Line, []byte(`{"type":"MODIFIED"`)) {
		t.Error("the stored line has changed")
	}
}

// TestOneEncodingForAll: a hundred watchers of one form cause one encoding of an event, and are
// told the same; each form and each type that is told has its own.
func TestOneEncodingForAll(t *testing.T) {
	s := newReadServer(t, 1000)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a")
	s.must(200, "PATCH "+readMaps+"/a", `{"metadata":{"labels":{"app":"x"}}}`)
	e := s.events("configmaps", base)[1]
	r, encodings := counting(s.Builtin("", "v1", "ConfigMap"))
	synctest.Test(t, func(t *testing.T) { // where no second goes by
		n := int64(0)
		for _, f := range readForms() {
			for _, labels := range []string{"", "app=x", "app!=x"} { // MODIFIED, ADDED, DELETED
				first := ""
				for range 100 {
					w, sink := watcherOf(r, f, labels, true)
					w.event(e)
					if len(sink.lines) != 1 || first != "" && sink.lines[0] != first {
						t.Fatalf("%+v %s: %q, the first %q", f, labels, sink.lines, first)
					}
					first = sink.lines[0]
				}
				if n++; encodings.Load() != n {
					t.Errorf("%+v %s: %d encodings, want %d", f, labels, encodings.Load(), n)
				}
			}
		}
	})
	// Without the columns it cannot be another's; the same without an event.
	for range 2 {
		before := encodings.Load()
		w, _ := watcherOf(r, form{kind: formTable, version: "v1", include: "None"}, "", false)
		w.event(e)
		w.send(nil, store.Added, e.Object, e.Rev)
		if got := encodings.Load() - before; got != 2 {
			t.Errorf("%d encodings of the first table and of an object of the state, want 2", got)
		}
	}
}

// TestOneEncodingAtOnce: the same of watchers that come to events at the same time.
func TestOneEncodingAtOnce(t *testing.T) {
	s := newReadServer(t, 1000)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a", "b", "c", "d", "e", "f", "g", "h")
	events := s.events("configmaps", base)
	r, encodings := counting(s.Builtin("", "v1", "ConfigMap"))
	f := form{kind: formPartial, version: "v1"}
	var all sync.WaitGroup
	sinks := make([]*lineSink, 100)
	for i := range sinks {
		var w *watcher
		w, sinks[i] = watcherOf(r, f, "", true)
		all.Go(func() {
			for _, e := range events {
				w.event(e)
			}
		})
	}
	all.Wait()
	for _, sink := range sinks {
		if !slices.Equal(sink.lines, sinks[0].lines) {
			t.Fatal("two watchers were told different things")
		}
	}
	if got := encodings.Load(); got != int64(len(events)) {
		t.Errorf("%d encodings of %d events", got, len(events))
	}
}

// TestSharedIsAlone: watchers of every form, of two versions, of a kind under another name and
// with selectors, who all share what is encoded, are told to the byte what each would be alone.
func TestSharedIsAlone(t *testing.T) {
	s := newWidgetServer(t)
	base := s.Store.Revision()
	r := rand.New(rand.NewPCG(11, 12))
	there := map[string]bool{}
	for range 300 {
		name := string(rune('a' + r.IntN(6)))
		body := fmt.Sprintf(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"%s","labels":{"app":"%c"}},"spec":{"size":%d}}`, name, 'x'+r.IntN(2), r.IntN(100))
		switch {
		case !there[name]:
			s.must(201, "POST "+readWidgets, body)
			there[name] = true
		case r.IntN(4) == 0:
			s.must(200, "DELETE "+readWidgets+"/"+name, "")
			there[name] = false
		default:
			s.must(200, "PATCH "+readWidgets+"/"+name, body)
		}
	}
	events := s.events("widgets.example.com", base)
	synctest.Test(t, func(t *testing.T) {
		type pair struct {
			what         string
			shared, solo *watcher
			got, want    *lineSink
		}
		var pairs []pair
		for _, version := range []string{"v1", "v1beta1"} {
			resource := s.Customs.Lookup("example.com", version, "widgets")
			for _, f := range readForms() {
				for _, labels := range []string{"", "app=x", "app!=x"} {
					for _, columnsSent := range []bool{true, false} {
						p := pair{what: fmt.Sprintf("%s as %+v of %q, columns sent %t", version, f, labels, columnsSent)}
						p.shared, p.got = watcherOf(resource, f, labels, columnsSent)
						p.solo, p.want = watcherOf(resource, f, labels, columnsSent)
						pairs = append(pairs, p)
					}
				}
			}
		}
		var all sync.WaitGroup
		for _, p := range pairs {
			all.Go(func() {
				for _, e := range events {
					p.shared.event(e)
					p.solo.event(alone(e))
				}
			})
		}
		all.Wait()
		for _, p := range pairs {
			if len(p.want.lines) == 0 {
				t.Errorf("%s was told nothing", p.what)
			}
			for i := range p.want.lines {
				if i >= len(p.got.lines) || p.got.lines[i] != p.want.lines[i] {
					t.Fatalf("%s:\n got %v\nwant %s", p.what, p.got.lines[min(i, len(p.got.lines)-1)], p.want.lines[i])
				}
			}
			if len(p.got.lines) != len(p.want.lines) {
				t.Errorf("%s: %d lines, want %d", p.what, len(p.got.lines), len(p.want.lines))
			}
		}
	})
}

// TestRenamedKindInForms: the events of a kind that is stored as another share nothing with
// those of that one.
func TestRenamedKindInForms(t *testing.T) {
	s := newReadServer(t, 100)
	base := s.Store.Revision()
	s.must(201, "POST /api/v1/namespaces/default/events", `{"apiVersion":"v1","kind":"Event","metadata":{"name":"e","namespace":"default"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"message":"a message"}`)
	e := s.events("events", base)[0]
	for _, f := range []form{{}, {kind: formTable, version: "v1", include: "Object"}} {
		lines := map[string]string{}
		for _, group := range []string{"", "events.k8s.io", "", "events.k8s.io"} {
			r := s.Builtin(group, "v1", "Event")
			w, sink := watcherOf(r, f, "", true)
			w.event(e)
			line, _, err := tree.ParseJSONObject([]byte(sink.lines[0]))
			if err != nil {
				t.Fatal(err)
			}
			obj := tree.Object(line, "object")
			if f.kind == formTable {
				obj = tree.Object(tree.List(obj, "rows")[0].(map[string]any), "object")
			}
			named := map[string]string{"": "message", "events.k8s.io": "note"}[group]
			if tree.Text(obj, named) != "a message" || tree.Text(obj, "apiVersion") != r.apiVersion() {
				t.Errorf("%q in %+v: %v", group, f, obj)
			}
			if was := lines[group]; was != "" && was != sink.lines[0] {
				t.Errorf("%q in %+v is told in two ways", group, f)
			}
			lines[group] = sink.lines[0]
		}
	}
}

// TestAgesGoOn: a table that is encoded again later shows the age of then; metadata, which has
// no age, is not encoded again.
func TestAgesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReadServer(t, 100)
		base := s.Store.Revision()
		s.addMaps(readMaps, "a")
		e := s.events("configmaps", base)[0]
		table, tables := counting(s.Builtin("", "v1", "ConfigMap"))
		partial, partials := counting(s.Builtin("", "v1", "ConfigMap"))
		for i, wait := range []time.Duration{0, 0, time.Second, 0, 999 * time.Millisecond, time.Millisecond, time.Hour} {
			time.Sleep(wait)
			w, sink := watcherOf(table, form{kind: formTable, version: "v1", include: "None"}, "", true)
			w.event(e)
			want := fmt.Sprintf(`{"type":"ADDED","object":{"apiVersion":"meta.k8s.io/v1","columnDefinitions":null,"kind":"Table","metadata":{"resourceVersion":"%d"},"rows":[{"cells":["a",0,"%s"],"object":null}]}}`+"\n",
				e.Rev, []string{"0s", "0s", "1s", "1s", "1s", "2s", "60m"}[i])
			if sink.lines[0] != want {
				t.Errorf("step %d: %s, want %s", i, sink.lines[0], want)
			}
			w, _ = watcherOf(partial, form{kind: formPartial, version: "v1"}, "", true)
			w.event(e)
		}
		if tables.Load() != 4 || partials.Load() != 1 {
			t.Errorf("%d tables in four seconds, and %d times metadata", tables.Load(), partials.Load())
		}
	})
}

// TestColumnsOnce: the first table of a watch has the columns, be it an object, a bookmark or
// an event, and no other one.
func TestColumnsOnce(t *testing.T) {
	s := newReadServer(t, 100)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a", "b")
	events := s.events("configmaps", base)
	o := events[0].Object
	steps := map[string]func(w *watcher){
		"state":    func(w *watcher) { w.send(nil, store.Added, o, o.Rev) },
		"bookmark": func(w *watcher) { w.sendBookmark(7, true) },
		"event":    func(w *watcher) { w.event(events[1]) },
	}
	for _, include := range []string{"Metadata", "Object", "None"} {
		for first, step := range steps {
			w, sink := watcherOf(s.Builtin("", "v1", "ConfigMap"), form{kind: formTable, version: "v1", include: include}, "", false)
			step(w)
			for _, name := range []string{"bookmark", "event", "state", "event"} {
				steps[name](w)
			}
			for i, line := range sink.lines {
				obj, _, err := tree.ParseJSONObject([]byte(line))
				if err != nil {
					t.Fatal(err)
				}
				columns, given := tree.Object(obj, "object")["columnDefinitions"]
				if !given || (columns != nil) != (i == 0) {
					t.Errorf("%s first: line %d has the columns %v", first, i, columns)
				}
				if row := tree.Object(tree.List(obj, "object", "rows")[0]); len(row) != 2 || (row["object"] == nil) != (include == "None") {
					t.Errorf("%s first, %s: line %d has the row %v", first, include, i, row)
				}
			}
		}
	}
}

// TestBookmarkLines: a bookmark in each form, to the byte. It has no name, which is a text as
// any, and of what else there is not the cell is null.
func TestBookmarkLines(t *testing.T) {
	s := newWidgetServer(t)
	for _, c := range []struct {
		f        form
		complete bool
		want     string
	}{
		{form{}, false, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"resourceVersion":"7"}}`},
		{form{}, true, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"annotations":{"k8s.io/initial-events-end":"true"},"resourceVersion":"7"}}`},
		{form{kind: formPartial, version: "v1beta1"}, true, `{"apiVersion":"meta.k8s.io/v1beta1","kind":"PartialObjectMetadata","metadata":{"annotations":{"k8s.io/initial-events-end":"true"},"resourceVersion":"7"}}`},
		{form{kind: formTable, version: "v1", include: "None"}, false, `{"apiVersion":"meta.k8s.io/v1","columnDefinitions":null,"kind":"Table","metadata":{"resourceVersion":"7"},"rows":[{"cells":["",null],"object":null}]}`},
	} {
		w, sink := watcherOf(s.Customs.Lookup("example.com", "v1", "widgets"), c.f, "", true)
		w.sendBookmark(7, c.complete)
		if want := `{"type":"BOOKMARK","object":` + c.want + "}\n"; sink.lines[0] != want {
			t.Errorf("%+v:\n got %s\nwant %s", c.f, sink.lines[0], want)
		}
		if w.record.Bookmarks.Load() != 1 || w.record.Events.Load() != 1 {
			t.Errorf("%d bookmarks, %d events", w.record.Bookmarks.Load(), w.record.Events.Load())
		}
	}
}

// TestSharedBytesStay: what a watcher got of the store stays as it is while the watcher goes on
// in its buffer.
func TestSharedBytesStay(t *testing.T) {
	s := newReadServer(t, 100)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a", "b", "c")
	events := s.events("configmaps", base)
	f := form{kind: formPartial, version: "v1"}
	w, _ := watcherOf(s.Builtin("", "v1", "ConfigMap"), f, "", true)
	kept := w.encodeEvent(events[0], store.Added, events[0].Object, events[0].Rev)
	was := string(kept)
	for _, e := range events[1:] {
		w.event(e)
		w.sendBookmark(e.Rev, false)
	}
	if string(kept) != was {
		t.Errorf("it became %s", kept)
	}
	if cap(kept) > len(kept)+len(kept)/4+32 {
		t.Errorf("%d bytes keep %d alive", len(kept), cap(kept))
	}
}

// BenchmarkWatchersOfOneEvent is what an event costs a hundred watchers of one table together.
// Alone each encodes it; sharing, one does. Encodings are counted in cells.
func BenchmarkWatchersOfOneEvent(b *testing.B) {
	const watchers, window = 100, 4000
	s := newReadServer(b, window)
	base := s.Store.Revision()
	s.addMaps(readMaps, "a")
	for i := range window / 2 {
		s.must(200, "PATCH "+readMaps+"/a", fmt.Sprintf(`{"data":{"n":"%d"}}`, i))
	}
	// More events than forms are kept: whoever comes round to one again finds nothing.
	events := s.events("configmaps", base)
	var encodings atomic.Int64
	r := s.Builtin("", "v1", "ConfigMap")
	row := *r.Row
	row.Columns = slices.Clone(row.Columns)
	cell := row.Columns[0].Cell
	row.Columns[0].Cell = func(obj map[string]any) any {
		encodings.Add(1)
		return cell(obj)
	}
	counted := &Resource{Row: &row, api: r.api, shape: kinds.Shape{Row: &row}, fields: r.fields, Bucket: r.Bucket}
	each := map[string]float64{}
	for _, how := range []string{"alone", "shared"} {
		b.Run(how, func(b *testing.B) {
			var all []*watcher
			for range watchers {
				w, _ := watcherOf(counted, form{kind: formTable, version: "v1", include: "Metadata"}, "", true)
				w.w = discarded{}
				all = append(all, w)
			}
			encodings.Store(0)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				e := events[n%len(events)]
				if n++; how == "alone" {
					e = alone(e)
				}
				for _, w := range all {
					w.event(e)
				}
			}
			each[how] = float64(b.Elapsed()) / float64(n)
			b.ReportMetric(float64(encodings.Load())/float64(n), "encodings/event")
			if how == "shared" {
				b.ReportMetric(each["alone"]/each["shared"], "alone/shared")
			}
		})
	}
}

// discarded is the answer of a watch that nobody reads.
type discarded struct{ http.ResponseWriter }

func (discarded) Write(b []byte) (int, error) { return len(b), nil }
