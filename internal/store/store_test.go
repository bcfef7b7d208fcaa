package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"apichain/internal/tree"
)

func storeOf(events int) *Store { return New(Window{Events: events, Bytes: math.MaxInt64}) }

// TestFirstRevision: a store that begins at a number of its own takes every revision before it for
// expired, and counts on from it.
func TestFirstRevision(t *testing.T) {
	const first = 1_795_411_387_412_000
	s := New(Window{First: first, Events: 2, Bytes: math.MaxInt64})
	b := s.Bucket("things")
	if s.Revision() != first || b.Now().Rev != first {
		t.Fatalf("an empty store is at %d, its bucket at %d", s.Revision(), b.Now().Rev)
	}
	var old *Expired
	for _, rev := range []int64{1, 42, first - 1} {
		if _, err := b.At(rev); !errors.As(err, &old) || *old != (Expired{rev, first}) {
			t.Errorf("state of %d: %v", rev, err)
		}
		if _, err := b.Watch(rev); !errors.As(err, &old) || *old != (Expired{rev, first}) {
			t.Errorf("watch from %d: %v", rev, err)
		}
	}
	c, err := b.Watch(first)
	if err != nil {
		t.Fatal(err)
	}
	if o := mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(1)})[0]; o.Rev != first+1 {
		t.Errorf("the first write is at %d", o.Rev)
	}
	if events, _, err := c.Next(nil, 9); err != nil || len(events) != 1 || events[0].Rev != first+1 {
		t.Errorf("the watch gets %v, %v", events, err)
	}
	for _, rev := range []int64{0, first} {
		if events, _, ok := s.After(rev, 9); !ok || len(events) != 1 || events[0].Event.Rev != first+1 {
			t.Errorf("after %d: %v, %t", rev, events, ok)
		}
	}
	mustCommit(t, s, Change{Bucket: b, Key: "b", Next: numbered(2)})
	mustCommit(t, s, Change{Bucket: b, Key: "c", Next: numbered(3)})
	if n, _, oldest := s.Window(); n != 2 || oldest != first+1 {
		t.Errorf("the window has %d events from %d", n, oldest)
	}
}

// numbered is a draft with a number in it.
func numbered(n int) *Draft {
	d := Encode(map[string]any{"n": int64(n)}, nil)
	return &d
}

func number(o *Object) int { n, _ := tree.At(o.Decode(), "n").(int64); return int(n) }

func mustCommit(t testing.TB, s *Store, cs ...Change) []*Object {
	t.Helper()
	objs, err := s.Commit(context.Background(), cs...)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// stateOf is the objects of a snapshot: key=number@revision.
func stateOf(sn Snapshot) string {
	var b strings.Builder
	for o := range sn.Scan("", "") {
		fmt.Fprintf(&b, "%s=%d@%d ", o.Key, number(o), o.Rev)
	}
	return strings.TrimSpace(b.String())
}

// What a change expects decides, and a commit with a change that does not fit does nothing.
func TestCommitExpectations(t *testing.T) {
	type write struct {
		key    string
		expect int64
		remove bool
	}
	// Before, a is at revision 2 and b at 3.
	tests := []struct {
		name   string
		writes []write
		err    string // "" for done
		state  string
	}{
		{"create", []write{{"c", 0, false}}, "", "a=0@2 b=1@3 c=7@4"},
		{"create what is there", []write{{"a", 0, false}}, `things "a" is at revision 2`, ""},
		{"update", []write{{"a", 2, false}}, "", "a=7@4 b=1@3"},
		{"update of an older one", []write{{"b", 2, false}}, `things "b" is at revision 3`, ""},
		{"update of a newer one", []write{{"a", 4, false}}, `things "a" is at revision 2`, ""},
		{"update of an absent one", []write{{"c", 2, false}}, `things "c" does not exist`, ""},
		{"whatever is there", []write{{"a", -1, false}}, "", "a=7@4 b=1@3"},
		{"whatever is not there", []write{{"c", -1, false}}, "", "a=0@2 b=1@3 c=7@4"},
		{"delete", []write{{"a", 2, true}}, "", "b=1@3"},
		{"delete whatever", []write{{"a", -1, true}}, "", "b=1@3"},
		{"delete of an older one", []write{{"b", 2, true}}, `things "b" is at revision 3`, ""},
		{"delete of an absent one", []write{{"c", 2, true}}, `things "c" does not exist`, ""},
		{"delete whatever, absent", []write{{"c", -1, true}}, `things "c" does not exist`, ""},
		{"delete of what must be absent", []write{{"c", 0, true}}, `things "c" does not exist`, ""},
		{"several", []write{{"c", 0, false}, {"a", 2, true}, {"b", 3, false}}, "", "b=9@6 c=7@4"},
		{"several, the last unfit", []write{{"c", 0, false}, {"a", 2, true}, {"b", 2, false}}, `things "b" is at revision 3`, ""},
		{"one key twice", []write{{"c", 0, false}, {"c", -1, false}}, `things "c" is twice in one commit`, ""},
		{"nothing", nil, "", "a=0@2 b=1@3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := storeOf(100)
			b := s.Bucket("things")
			mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(0)}, Change{Bucket: b, Key: "b", Next: numbered(1)})
			before := stateOf(b.Now())
			var cs []Change
			for i, w := range tt.writes {
				c := Change{Bucket: b, Key: w.key, Expect: w.expect}
				if !w.remove {
					c.Next = numbered(7 + i)
				}
				cs = append(cs, c)
			}
			objs, err := s.Commit(context.Background(), cs...)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("the error is %v, want %s", err, tt.err)
				}
				var conflict *Conflict
				if errors.As(err, &conflict) {
					if sn := b.Now(); conflict.Current != sn.Get(conflict.Key) || conflict.Bucket != b {
						t.Errorf("the conflict is with %v", conflict.Current)
					}
				}
				if got := stateOf(b.Now()); got != before || s.Revision() != 3 || b.Head() != 3 {
					t.Errorf("it left %s at %d", got, s.Revision())
				}
				return
			}
			if err != nil || len(objs) != len(cs) {
				t.Fatalf("%d objects, %v", len(objs), err)
			}
			for i, o := range objs {
				if o.Key != cs[i].Key || o.Rev != int64(4+i) {
					t.Errorf("result %d is %s at %d", i, o.Key, o.Rev)
				}
			}
			if got := stateOf(b.Now()); got != tt.state {
				t.Errorf("it left %s, want %s", got, tt.state)
			}
			if want := int64(3 + len(cs)); s.Revision() != want {
				t.Errorf("revision %d, want %d", s.Revision(), want)
			}
		})
	}
}

// A deleted object is sent as it was stored, at the revision of its deletion.
func TestDeletedObject(t *testing.T) {
	s := storeOf(100)
	b := s.Bucket("things")
	mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(1)}, Change{Bucket: b, Key: "b", Next: numbered(2)})
	objs := mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1}, Change{Bucket: b, Key: "b", Expect: -1})
	want := []string{
		`{"type":"DELETED","object":{"metadata":{"resourceVersion":"4"},"n":1}}` + "\n",
		`{"type":"DELETED","object":{"metadata":{"resourceVersion":"5"},"n":2}}` + "\n",
	}
	for i, o := range objs {
		if string(o.Line) != want[i] {
			t.Errorf("got %swant %s", o.Line, want[i])
		}
	}
	if sn := b.Now(); sn.Count() != 0 || sn.Bytes() != 0 {
		t.Errorf("%d objects of %d bytes are left", sn.Count(), sn.Bytes())
	}
}

// failingBackend is a journal that refuses commits while fail is set, and notes what it is given.
type failingBackend struct {
	fail   error
	firsts []int64
	keys   []string
	kept   int64
	closed bool
}

func (f *failingBackend) Load(context.Context, *Feed) error { return nil }

func (f *failingBackend) Append(commit []Entry) error {
	if f.fail != nil {
		return f.fail
	}
	f.firsts = append(f.firsts, commit[0].Event.Rev)
	for _, e := range commit {
		f.keys, f.kept = append(f.keys, e.Event.Object.Key), e.Event.Rev
	}
	return nil
}

func (f *failingBackend) Sync() (int64, error) { return f.kept, nil }

func (f *failingBackend) Close() error { f.closed = true; return nil }

// openOf returns a store over a backend.
func openOf(t testing.TB, o Window, b Backend) *Store {
	t.Helper()
	s := New(o)
	if err := s.Open(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBackend(t *testing.T) {
	f := &failingBackend{}
	s := openOf(t, Window{Events: 100, Bytes: 1 << 20}, f)
	b := s.Bucket("things")
	mustCommit(t, s, Change{Bucket: b, Key: "a", Next: numbered(1)}, Change{Bucket: b, Key: "b", Next: numbered(1)})
	f.fail = errors.New("the disk is full")
	if _, err := s.Commit(context.Background(), Change{Bucket: b, Key: "c", Next: numbered(1)}); !errors.Is(err, f.fail) {
		t.Errorf("the error is %v", err)
	}
	if got := stateOf(b.Now()); got != "a=1@2 b=1@3" || s.Revision() != 3 {
		t.Errorf("a failed write left %s at %d", got, s.Revision())
	}
	f.fail = nil
	// A conflict is found before the backend is asked.
	if _, err := s.Commit(context.Background(), Change{Bucket: b, Key: "a", Next: numbered(2)}); err == nil {
		t.Error("a conflict went through")
	}
	mustCommit(t, s, Change{Bucket: b, Key: "c", Next: numbered(1)})
	if fmt.Sprint(f.firsts, f.keys) != "[2 4] [a b c]" {
		t.Errorf("the backend was given %v %v", f.firsts, f.keys)
	}
	if err := s.Close(); err != nil || !f.closed {
		t.Error("the backend was not closed")
	}
}

func TestCommitOfACancelledContext(t *testing.T) {
	s := storeOf(100)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Commit(ctx, Change{Bucket: s.Bucket("things"), Key: "a", Next: numbered(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if s.Revision() != 1 {
		t.Error("it was committed")
	}
}

func TestBuckets(t *testing.T) {
	s := storeOf(100)
	for _, name := range []string{"secrets", "configmaps", "widgets.example.com", "secrets"} {
		if b := s.Bucket(name); b.Name != name || b != s.Bucket(name) {
			t.Errorf("%s is %q", name, b.Name)
		}
	}
	var names []string
	for _, b := range s.Buckets() {
		names = append(names, b.Name)
	}
	if got := strings.Join(names, " "); got != "configmaps secrets widgets.example.com" {
		t.Errorf("the buckets are %s", got)
	}
	// A write of one bucket is no event of another, but moves the revision of both.
	one, other := s.Bucket("secrets"), s.Bucket("configmaps")
	mustCommit(t, s, Change{Bucket: one, Key: "a", Next: numbered(1)})
	if one.Head() != 2 || other.Head() != 0 || other.Now().Rev != 2 {
		t.Errorf("heads %d and %d, revision %d", one.Head(), other.Head(), other.Now().Rev)
	}
	mustCommit(t, s, Change{Bucket: one, Key: "a", Expect: -1}, Change{Bucket: other, Key: "a", Next: numbered(5)})
	if got := stateOf(one.Now()) + "|" + stateOf(other.Now()); got != "|a=5@4" {
		t.Errorf("the states are %s", got)
	}
}

// The state at every revision of the window is what it was then.
func TestSnapshotAt(t *testing.T) {
	s := storeOf(1000)
	b, noise := s.Bucket("things"), s.Bucket("noise")
	states := map[int64]string{1: ""}
	sizes := map[int64]int64{}
	for i := range 120 {
		key := fmt.Sprint("k", i*7%11)
		sn := b.Now()
		c := Change{Bucket: b, Key: key, Expect: -1, Next: numbered(i)}
		if sn.Get(key) != nil && i%3 == 0 {
			c.Next = nil
		}
		cs := []Change{c}
		if i%5 == 0 {
			cs = append(cs, Change{Bucket: noise, Key: "x", Expect: -1, Next: numbered(i)})
		}
		mustCommit(t, s, cs...)
		sn = b.Now()
		states[s.Revision()], sizes[s.Revision()] = stateOf(sn), sn.Bytes()
	}
	for range 2 { // the second time, some are kept
		for rev, want := range states {
			sn, err := b.At(rev)
			if err != nil || stateOf(sn) != want || sn.Rev != rev || sn.Bytes() != sizes[rev] {
				t.Fatalf("at %d it is %s of %d bytes (%v), want %s of %d", rev, stateOf(sn), sn.Bytes(), err, want, sizes[rev])
			}
		}
	}
	if n := len(s.pages.list); n > pagesKept {
		t.Errorf("%d states are kept", n)
	}
}

func TestSnapshotAtTheEdges(t *testing.T) {
	s := storeOf(3)
	b, quiet := s.Bucket("things"), s.Bucket("quiet")
	mustCommit(t, s, Change{Bucket: quiet, Key: "q", Next: numbered(0)}) // 2
	s.ExpireHistory()
	for i := range 2 {
		mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(i)}) // 3, 4
	}
	check := func(b *Bucket, rev int64, want string) {
		t.Helper()
		sn, err := b.At(rev)
		got := stateOf(sn)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s at %d: %s, want %s", b.Name, rev, got, want)
		}
	}
	check(b, 1, "revision 1 is no longer kept: the oldest is 2")
	check(b, 2, "")
	check(b, 3, "a=0@3")
	check(b, 4, "a=1@4")
	check(quiet, 4, "q=0@2")
	check(b, 5, "revision 5 is not there yet: the current one is 4")
	for i := range 4 {
		mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(10 + i)}) // 5 to 8
	}
	check(b, 3, "revision 3 is no longer kept: the oldest is 5")
	check(b, 4, "revision 4 is no longer kept: the oldest is 5")
	check(b, 5, "a=10@5")
	// Nothing of it was dropped since the window was opened.
	check(quiet, 2, "q=0@2")
	var expired *Expired
	if _, err := b.At(4); !errors.As(err, &expired) || expired.Asked != 4 || expired.Oldest != 5 {
		t.Errorf("the error is %v", err)
	}
	var future *Future
	if _, err := b.At(99); !errors.As(err, &future) || future.Asked != 99 || future.Current != 8 {
		t.Errorf("the error is %v", err)
	}
	// A state that was kept goes with the window.
	if len(s.pages.list) != 1 {
		t.Errorf("%d states are kept, want that at 5", len(s.pages.list))
	}
	mustCommit(t, s, Change{Bucket: b, Key: "a", Expect: -1, Next: numbered(20)})
	if len(s.pages.list) != 0 || s.pages.filled.Load() {
		t.Error("a state before the window is kept")
	}
}

// Of the states that were rebuilt, those used last are kept.
func TestPageCache(t *testing.T) {
	var c pageCache
	b, other := &Bucket{}, &Bucket{}
	for i := range pagesKept {
		c.put(b, Snapshot{Rev: int64(i)})
	}
	if _, ok := c.get(b, 0); !ok {
		t.Error("the first is gone")
	}
	if _, ok := c.get(other, 0); ok {
		t.Error("one of another bucket was found")
	}
	c.put(b, Snapshot{Rev: 100})
	for rev, want := range map[int64]bool{0: true, 1: false, 2: true, 100: true, 101: false} {
		if _, ok := c.get(b, rev); ok != want {
			t.Errorf("%d is kept: %v", rev, ok)
		}
	}
}

// A key may be a part of a request's path or body, which the store must not hold.
func TestKeysAreCopied(t *testing.T) {
	s := storeOf(10)
	b := s.Bucket("things")
	buffer := []byte("/api/v1/things/abc")
	path := string(buffer)
	mustCommit(t, s, Change{Bucket: b, Key: path[15:], Next: numbered(1)})
	first := b.Now()
	mustCommit(t, s, Change{Bucket: b, Key: path[15:], Expect: -1, Next: numbered(2)})
	second := b.Now()
	if first.Get("abc") == second.Get("abc") {
		t.Error("the second write is not there")
	}
	if sameText(first.Get("abc").Key, path[15:]) || !sameText(first.Get("abc").Key, second.Get("abc").Key) {
		t.Error("the key is not the store's own")
	}
}

// Settled waits for the commit under way: what that has decided is in the revision it returns.
func TestSettled(t *testing.T) {
	s := storeOf(10)
	if got := s.Settled(); got != 1 {
		t.Errorf("an empty store is settled at %d", got)
	}
	settled := make(chan int64, 3)
	_, err := s.CommitFunc(t.Context(), func() []Change {
		for range cap(settled) {
			go func() { settled <- s.Settled() }()
		}
		if got := s.Revision(); got != 1 {
			t.Errorf("within the commit the revision is %d", got)
		}
		return []Change{{Bucket: s.Bucket("things"), Key: "a", Next: numbered(1)}, {Bucket: s.Bucket("things"), Key: "b", Next: numbered(1)}}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range cap(settled) {
		// They began while the commit held the lock.
		if got := <-settled; got != 3 {
			t.Errorf("settled at %d, want 3", got)
		}
	}
}

// A CommitFunc without changes is no commit: nobody is woken and no revision is used.
func TestCommitOfNothing(t *testing.T) {
	f := &failingBackend{}
	s := openOf(t, Window{Events: 10, Bytes: math.MaxInt64}, f)
	_, wait, _ := s.After(1, 1)
	objs, err := s.CommitFunc(t.Context(), func() []Change { return nil })
	if objs != nil || err != nil || s.Revision() != 1 || len(f.firsts) != 0 {
		t.Errorf("%d objects at %d, %v; the backend was given %v", len(objs), s.Revision(), err, f.firsts)
	}
	select {
	case <-wait:
		t.Error("somebody was woken")
	default:
	}
}

// The room of a large commit is let go with it, while that of small ones is used again.
func TestRoomOfCommits(t *testing.T) {
	s := storeOf(10_000)
	b := s.Bucket("things")
	many := func(n int) (cs []Change) {
		for i := range n {
			cs = append(cs, Change{Bucket: b, Key: fmt.Sprint(i), Expect: -1, Next: numbered(i)})
		}
		return cs
	}
	mustCommit(t, s, many(10)...)
	if cap(b.pending) < 10 || len(b.pending) != 0 {
		t.Errorf("after a small one there is room for %d, and %d are in it", cap(b.pending), len(b.pending))
	}
	for _, e := range b.pending[:cap(b.pending)] {
		if e != nil {
			t.Error("an event of the last commit is held")
		}
	}
	mustCommit(t, s, many(1000)...)
	if b.pending != nil {
		t.Errorf("after a large one there is room for %d", cap(b.pending))
	}
	if b.edit.root != nil || b.edit.id != 0 {
		t.Error("its edit is held")
	}
}

// Close closes the backend and reports its error; without a backend there is nothing to close,
// and reads go on.
func TestClose(t *testing.T) {
	s := storeOf(10)
	mustCommit(t, s, Change{Bucket: s.Bucket("things"), Key: "a", Next: numbered(1)})
	if err := s.Close(); err != nil || stateOf(s.Bucket("things").Now()) != "a=1@2" {
		t.Errorf("%v, and then it is %s", err, stateOf(s.Bucket("things").Now()))
	}
	broken := errors.New("cannot be flushed")
	if err := openOf(t, Window{Events: 10, Bytes: 10}, closing{broken}).Close(); err != broken {
		t.Errorf("the error is %v", err)
	}
}

// closing is a backend that fails to close.
type closing struct{ err error }

func (closing) Load(context.Context, *Feed) error { return nil }
func (c closing) Close() error                    { return c.err }
