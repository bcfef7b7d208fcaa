// Package storetest says what a store does, whatever keeps its writes, as a table of behaviours that the tests of
// each backend run: Run for one store and those that are opened after it, and what several stores at once share
// for a store.Shared. Cluster is such a backend, in memory and with faults.
//
//	storetest.Run(t, func(t *testing.T) storetest.World { return storetest.World{Open: ..., Keeps: true} })
//
// It is for tests alone. Its functions end the test that they are given, and may be used by parallel ones.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"apichain/internal/store"
)

// World is where stores keep their writes: each behaviour gets one of its own, empty.
type World struct {
	// Open returns a store over what is kept; it must be ready and, if it is shared, follow. close ends it as a
	// process would that stops, and is called once.
	Open func(t *testing.T) (s *store.Store, close func())
	// Keeps says that what one store has written is there for one that is opened later.
	Keeps bool
	// Resumes says that a watch of a store that was closed goes on in the next.
	Resumes bool
	// Shared says that several stores may be open at once.
	Shared bool
}

// behaviours are what a store does. Each is run in a world of its own.
var behaviours = []struct {
	name string
	// of says in which worlds it holds; nil: in all.
	of  func(World) bool
	run func(*testing.T, World)
}{
	{"conflicts", nil, conflicts},
	{"all or none", nil, allOrNone},
	{"a watch has every event", nil, watched},
	{"no write of many gets lost", nil, counted},
	{"a CommitFunc meets what it reads", nil, met},
	{"nothing is a commit of nothing", nil, nothing},
	{"the past", nil, past},
	{"replace", nil, replaced},
	{"opened again", func(w World) bool { return w.Keeps }, reopened},
	{"a watch goes on", func(w World) bool { return w.Resumes }, resumed},
	{"two stores are one", func(w World) bool { return w.Shared }, both},
	{"two stores count together", func(w World) bool { return w.Shared }, countedTogether},
}

// Run tests all behaviours that hold in worlds like those that make returns.
func Run(t *testing.T, make func(t *testing.T) World) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			w := make(t)
			if b.of != nil && !b.of(w) {
				t.Skip("another kind of backend")
			}
			b.run(t, w)
		})
	}
}

// open opens a store that is closed at the end of the test.
func (w World) open(t *testing.T) *store.Store {
	t.Helper()
	s, end := w.Open(t)
	t.Cleanup(end)
	return s
}

// draft returns an object of a number.
func draft(n int) *store.Draft {
	d := store.Encode(map[string]any{
		"kind": "Thing", "n": int64(n), "metadata": map[string]any{
			"name": "x", "uid": fmt.Sprintf("uid-%d", n), "labels": map[string]any{"n": fmt.Sprint(n)}, "finalizers": []any{"a", "b"},
			"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "Thing", "name": "o", "uid": "u", "blockOwnerDeletion": true}},
		},
	}, []string{fmt.Sprint("field-", n)})
	return &d
}

// number returns the number of an object; -1 for none.
func number(o *store.Object) int {
	if o == nil {
		return -1
	}
	n, _ := o.Decode()["n"].(int64)
	return int(n)
}

// put commits objects of numbers, whatever is there, and returns the revision of the last.
func put(t *testing.T, s *store.Store, bucket string, keys string, n int) int64 {
	t.Helper()
	var rev int64
	for key := range strings.FieldsSeq(keys) {
		objs, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket(bucket), Key: key, Expect: -1, Next: draft(n)})
		if err != nil {
			t.Fatalf("%s %s: %v", bucket, key, err)
		}
		rev = objs[0].Rev
	}
	return rev
}

// all returns what a store holds, as "bucket/key=number@revision" with the facts of each.
func all(s *store.Store) (text []string) {
	_, holdings := s.Snapshots()
	for _, h := range holdings {
		for o := range h.Now.Scan("", "") {
			text = append(text, fmt.Sprintf("%s/%s=%d@%d %s %+v", h.Bucket.Name, o.Key, number(o), o.Rev, o.Raw(), o.Meta))
		}
	}
	return text
}

func conflicts(t *testing.T, w World) {
	s := w.open(t)
	b := s.Bucket("things")
	first := put(t, s, "things", "ns/a", 1)
	second := put(t, s, "things", "ns/a", 2)
	if first >= second || s.Revision() != second {
		t.Errorf("revisions %d, %d, and the store is at %d", first, second, s.Revision())
	}
	for name, c := range map[string]store.Change{
		"create of what is there":   {Key: "ns/a", Next: draft(3)},
		"update of an old one":      {Key: "ns/a", Expect: first, Next: draft(3)},
		"update of none":            {Key: "ns/b", Expect: second, Next: draft(3)},
		"delete of an old one":      {Key: "ns/a", Expect: first},
		"delete of none":            {Key: "ns/b", Expect: -1},
		"update of one yet to come": {Key: "ns/a", Expect: second + 1000, Next: draft(3)},
	} {
		c.Bucket = b
		_, err := s.Commit(t.Context(), c)
		conflict := new(store.Conflict)
		if !errors.As(err, &conflict) || conflict.Key != c.Key || number(conflict.Current) != map[string]int{"ns/a": 2, "ns/b": -1}[c.Key] {
			t.Errorf("%s: %v", name, err)
		}
	}
	objs, err := s.Commit(t.Context(), store.Change{Bucket: b, Key: "ns/a", Expect: second})
	if err != nil || objs[0].Rev <= second || number(objs[0]) != 2 || objs[0].EventKind() != store.Deleted {
		t.Fatalf("delete: %v %v", objs, err)
	}
	if sn := b.Now(); sn.Count() != 0 || sn.Rev != objs[0].Rev {
		t.Errorf("%d objects at %d after the delete at %d", sn.Count(), sn.Rev, objs[0].Rev)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ended, store.Change{Bucket: b, Key: "ns/c", Next: draft(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func allOrNone(t *testing.T, w World) {
	s := w.open(t)
	put(t, s, "things", "a", 1)
	before := all(s)
	a, b := s.Bucket("things"), s.Bucket("others")
	good := store.Change{Bucket: b, Key: "new", Next: draft(2)}
	for name, bad := range map[string]store.Change{
		"a conflict":     {Bucket: a, Key: "a", Next: draft(2)},
		"the same twice": {Bucket: b, Key: "new", Next: draft(3)},
	} {
		if _, err := s.Commit(t.Context(), good, bad); err == nil || !slices.Equal(all(s), before) {
			t.Errorf("%s: %v, and then there is %q", name, err, all(s))
		}
	}
	objs, err := s.Commit(t.Context(), good, store.Change{Bucket: a, Key: "a", Expect: -1, Next: draft(2)})
	if err != nil || len(objs) != 2 || objs[0].Key != "new" || objs[1].Key != "a" || objs[1].EventKind() != store.Modified {
		t.Fatalf("both: %v %v", objs, err)
	}
	if sn := b.Now(); number(sn.Get("new")) != 2 || s.Revision() != objs[1].Rev {
		t.Errorf("at %d of %d there is %v", s.Revision(), objs[1].Rev, sn.Get("new"))
	}
}

// events takes n events from a cursor, in the form of "A a=1".
func events(t *testing.T, c *store.Cursor, n int) (text []string) {
	t.Helper()
	for len(text) < n {
		got, wait, err := c.Next(nil, n-len(text))
		if err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		if wait != nil {
			select {
			case <-wait:
			case <-t.Context().Done():
				t.Fatalf("no more than %q", text)
			}
		}
		for _, e := range got {
			text = append(text, fmt.Sprintf("%c %s=%d", e.Kind, e.Object.Key, number(e.Object)))
		}
	}
	return text
}

func watched(t *testing.T, w World) {
	s := w.open(t)
	from := put(t, s, "things", "a", 1)
	c, err := s.Bucket("things").Watch(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "things", "b a", 2)
	put(t, s, "others", "a", 2)
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: "b", Expect: -1}); err != nil {
		t.Fatal(err)
	}
	if got := events(t, c, 3); !slices.Equal(got, []string{"A b=2", "M a=2", "D b=2"}) {
		t.Errorf("got %q", got)
	}
	got, _, ok := s.After(from, 100)
	if !ok || len(got) != 4 || got[2].Bucket.Name != "others" || !slices.IsSortedFunc(got, func(a, b store.Entry) int { return int(a.Event.Rev - b.Event.Rev) }) {
		t.Errorf("of all buckets: %v %v", got, ok)
	}
	s.ExpireHistory()
	expired := new(store.Expired)
	if _, err := s.Bucket("things").Watch(from); !errors.As(err, &expired) || expired.Oldest != s.Revision() {
		t.Errorf("a watch of what has expired: %v", err)
	}
}

// add lets writers add 1 to an object many times each, as clients do: read, change, commit, and again after a
// conflict.
func add(t *testing.T, stores []*store.Store, writers, times int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range writers {
		s := stores[i%len(stores)]
		all.Go(func() {
			b := s.Bucket("things")
			for done := 0; done < times; {
				sn := b.Now()
				c := store.Change{Bucket: b, Key: "sum", Next: draft(1)}
				if o := sn.Get("sum"); o != nil {
					c.Expect, c.Next = o.Rev, draft(number(o)+1)
				}
				_, err := s.Commit(t.Context(), c)
				if conflict := new(store.Conflict); err != nil && !errors.As(err, &conflict) {
					t.Errorf("%v", err)
					return
				}
				if err == nil {
					done++
				}
			}
		})
	}
	all.Wait()
}

func counted(t *testing.T, w World) {
	s := w.open(t)
	c, err := s.Bucket("things").Watch(s.Revision())
	if err != nil {
		t.Fatal(err)
	}
	add(t, []*store.Store{s}, 8, 25)
	sn := s.Bucket("things").Now()
	if got := number(sn.Get("sum")); got != 200 {
		t.Errorf("200 writes made %d", got)
	}
	for i, e := range events(t, c, 200) {
		if _, n, _ := strings.Cut(e, "="); n != fmt.Sprint(i+1) {
			t.Fatalf("event %d is %s", i+1, e)
		}
	}
}

func met(t *testing.T, w World) {
	s := w.open(t)
	b := s.Bucket("things")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				_, err := s.CommitFunc(t.Context(), func() []store.Change {
					sn := b.Latest()
					return []store.Change{{Bucket: b, Key: "sum", Expect: -1, Next: draft(max(number(sn.Get("sum")), 0) + 1)}}
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if sn := b.Now(); number(sn.Get("sum")) != 200 {
		t.Errorf("200 commits made %d", number(sn.Get("sum")))
	}
}

func nothing(t *testing.T, w World) {
	s := w.open(t)
	put(t, s, "things", "a", 1)
	rev := s.Revision()
	if objs, err := s.CommitFunc(t.Context(), func() []store.Change { return nil }); objs != nil || err != nil || s.Revision() != rev {
		t.Errorf("%v, %v at %d after %d", objs, err, s.Revision(), rev)
	}
	if got := s.Settled(); got != rev {
		t.Errorf("settled at %d", got)
	}
	if err := s.Consistent(t.Context()); err != nil || s.Await(t.Context(), rev) != nil {
		t.Errorf("consistent: %v", err)
	}
}

func past(t *testing.T, w World) {
	s := w.open(t)
	first := put(t, s, "things", "a b", 1)
	put(t, s, "things", "a c", 2)
	sn, err := s.Bucket("things").At(first)
	if err != nil || sn.Count() != 2 || number(sn.Get("a")) != 1 || sn.Get("c") != nil {
		t.Errorf("at %d: %d objects, %v", first, sn.Count(), err)
	}
	future := new(store.Future)
	if _, err := s.Bucket("things").At(math.MaxInt64); !errors.As(err, &future) {
		t.Errorf("of the future: %v", err)
	}
}

func replaced(t *testing.T, w World) {
	s := w.open(t)
	put(t, s, "things", "a b c", 1)
	_, holdings := s.Snapshots()
	want := store.ContentsOf(holdings)
	put(t, s, "things", "b d", 2)
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: "c", Expect: -1}); err != nil {
		t.Fatal(err)
	}
	did, err := s.Replace(t.Context(), want, func(string) int { return 0 })
	if err != nil || did.Created != 1 || did.Updated != 1 || did.Deleted != 1 || did.Unchanged != 1 || did.Revision != s.Revision() {
		t.Fatalf("%+v %v", did, err)
	}
	sn := s.Bucket("things").Now()
	for key, n := range map[string]int{"a": 1, "b": 1, "c": 1, "d": -1} {
		if got := number(sn.Get(key)); got != n {
			t.Errorf("%s is %d, want %d", key, got, n)
		}
	}
}

func reopened(t *testing.T, w World) {
	s, end := w.Open(t)
	put(t, s, "things", "ns/a ns/b ns/c", 1)
	put(t, s, "others.example.com", "x y", 2)
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: "ns/b", Expect: -1}); err != nil {
		t.Fatal(err)
	}
	want, rev := all(s), s.Revision()
	end()
	s = w.open(t)
	if got := all(s); !slices.Equal(got, want) || s.Revision() < rev {
		t.Errorf("at %d there is\n%s\nwant at %d\n%s", s.Revision(), strings.Join(got, "\n"), rev, strings.Join(want, "\n"))
	}
	if got := put(t, s, "things", "ns/new", 3); got <= rev {
		t.Errorf("the next revision is %d after %d", got, rev)
	}
}

func resumed(t *testing.T, w World) {
	s, end := w.Open(t)
	from := put(t, s, "things", "a", 1)
	put(t, s, "things", "b a", 2)
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: "b", Expect: -1}); err != nil {
		t.Fatal(err)
	}
	end()
	s = w.open(t)
	c, err := s.Bucket("things").Watch(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "things", "c", 3)
	if got := events(t, c, 4); !slices.Equal(got, []string{"A b=2", "M a=2", "D b=2", "A c=3"}) {
		t.Errorf("got %q", got)
	}
}

func both(t *testing.T, w World) {
	a, b := w.open(t), w.open(t)
	rev := put(t, a, "things", "x", 1)
	if err := b.Consistent(t.Context()); err != nil || b.Revision() < rev {
		t.Fatalf("the other is at %d of %d: %v", b.Revision(), rev, err)
	}
	sn := b.Bucket("things").Now()
	if o := sn.Get("x"); number(o) != 1 || o.Rev != rev || o.Meta.UID != "uid-1" || !slices.Equal(o.Meta.Fields, []string{"field-1"}) {
		t.Fatalf("it has %+v", o)
	}
	// What one of them has not heard of yet is no conflict, and what it has not heard is gone is one.
	put(t, a, "things", "x", 2)
	put(t, b, "things", "x", 3)
	if _, err := b.Commit(t.Context(), store.Change{Bucket: b.Bucket("things"), Key: "x", Expect: -1}); err != nil {
		t.Fatal(err)
	}
	_, err := a.Commit(t.Context(), store.Change{Bucket: a.Bucket("things"), Key: "x", Expect: rev, Next: draft(4)})
	if conflict := new(store.Conflict); !errors.As(err, &conflict) || conflict.Current != nil {
		t.Errorf("an update of what is gone: %v", err)
	}
	put(t, a, "things", "x", 5)
	if err := b.Consistent(t.Context()); err != nil || !slices.Equal(all(a), all(b)) {
		t.Errorf("they differ: %v\n%q\n%q", err, all(a), all(b))
	}
}

func countedTogether(t *testing.T, w World) {
	a, b := w.open(t), w.open(t)
	watches := make([]*store.Cursor, 2)
	for i, s := range []*store.Store{a, b} {
		c, err := s.Bucket("things").Watch(s.Revision())
		if err != nil {
			t.Fatal(err)
		}
		watches[i] = c
	}
	add(t, []*store.Store{a, b}, 8, 25)
	for _, c := range watches {
		for i, e := range events(t, c, 200) {
			if _, n, _ := strings.Cut(e, "="); n != fmt.Sprint(i+1) {
				t.Fatalf("event %d is %s", i+1, e)
			}
		}
	}
}
