package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// noRank leaves buckets sorted by name.
func noRank(string) int { return 0 }

// firstB puts the buckets whose names begin with b in front.
func firstB(bucket string) int {
	if strings.HasPrefix(bucket, "b") {
		return 0
	}
	return 1
}

// contentsOf reads "bucket/key=number ..." as drafts.
func contentsOf(s *Store, text string) Contents {
	c := Contents{}
	for _, f := range strings.Fields(text) {
		name, rest, _ := strings.Cut(f, "/")
		key, value, _ := strings.Cut(rest, "=")
		n := 0
		fmt.Sscan(value, &n)
		b := s.Bucket(name)
		if c[b] == nil {
			c[b] = map[string]Wanted{}
		}
		c[b][key] = Wanted{Draft: numbered(n)}
	}
	return c
}

// allOf is all objects of a store, as contentsOf reads them.
func allOf(s *Store) string {
	_, all := s.Snapshots()
	var out []string
	for _, h := range all {
		for o := range h.Now.Scan("", "") {
			out = append(out, fmt.Sprintf("%s/%s=%d", h.Bucket.Name, o.Key, number(o)))
		}
	}
	return strings.Join(out, " ")
}

// eventsAfter is all events after a revision: kind, bucket, key and number of each.
func eventsAfter(t *testing.T, s *Store, rev int64) string {
	t.Helper()
	events, _, ok := s.After(rev, math.MaxInt)
	if !ok {
		t.Fatalf("the events after %d have left the log", rev)
	}
	var out []string
	for _, k := range events {
		out = append(out, fmt.Sprintf("%c%s/%s=%d", k.Event.Kind, k.Bucket.Name, k.Event.Object.Key, number(k.Event.Object)))
	}
	return strings.Join(out, " ")
}

// The differences are one commit, what comes before what goes, by the rank of the buckets, and
// what is as it should be is let be.
func TestReplace(t *testing.T) {
	tests := []struct {
		name, is, want, events string
		written                Written // its revision is that before
	}{
		{"nothing by nothing", "", "", "", Written{}},
		{"the same", "a/x=1 b/x=2", "b/x=2 a/x=1", "", Written{Unchanged: 2}},
		{"all is new", "", "c/z=1 c/a=2 b/x=3 a/x=4", "Ab/x=3 Aa/x=4 Ac/a=2 Ac/z=1", Written{Created: 4}},
		{"all goes, the other way round", "c/z=1 c/a=2 b/x=3 a/x=4", "", "Dc/a=2 Dc/z=1 Da/x=4 Db/x=3", Written{Deleted: 4}},
		{"changed", "a/x=1 a/y=2", "a/x=1 a/y=3", "Ma/y=3", Written{Updated: 1, Unchanged: 1}},
		{"changes before new ones in a bucket", "a/m=1 a/z=1", "a/a=5 a/m=2 a/z=2", "Ma/m=2 Ma/z=2 Aa/a=5", Written{Created: 1, Updated: 2}},
		{"everything at once", "a/x=1 a/y=2 b/gone=3 c/same=4", "a/y=5 b/new=6 c/same=4 d/new=7",
			"Ab/new=6 Ma/y=5 Ad/new=7 Da/x=1 Db/gone=3", Written{Created: 2, Updated: 1, Deleted: 2, Unchanged: 1}},
		{"keys of two buckets are apart", "a/x=1", "b/x=1", "Ab/x=1 Da/x=1", Written{Created: 1, Deleted: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := storeOf(100)
			if _, err := s.Replace(t.Context(), contentsOf(s, tt.is), noRank); err != nil {
				t.Fatal(err)
			}
			before := s.Revision()
			got, err := s.Replace(t.Context(), contentsOf(s, tt.want), firstB)
			tt.written.Revision = before + int64(tt.written.Created+tt.written.Updated+tt.written.Deleted)
			if err != nil || got != tt.written || s.Revision() != got.Revision {
				t.Errorf("did %+v (%v), want %+v; at %d", got, err, tt.written, s.Revision())
			}
			if events := eventsAfter(t, s, before); events != tt.events {
				t.Errorf("events\n got %s\nwant %s", events, tt.events)
			}
			want := strings.Fields(tt.want)
			slices.Sort(want)
			if got := allOf(s); got != strings.Join(want, " ") {
				t.Errorf("it holds %s", got)
			}
		})
	}
}

// Random writes, and then back to what was: every object has its text of then, those that
// nobody touched are the very same, and one that was deleted and made again has one event.
func TestReplaceRestores(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 21))
		s := storeOf(math.MaxInt)
		touch := func(rounds int) map[*Bucket]map[string]bool {
			touched := map[*Bucket]map[string]bool{}
			for range rounds {
				c := Change{Bucket: s.Bucket(fmt.Sprint("b", rng.IntN(4))), Key: fmt.Sprint("ns/", rng.IntN(15)), Expect: -1}
				if sn := c.Bucket.Now(); sn.Get(c.Key) == nil || rng.IntN(2) == 0 {
					c.Next = numbered(rng.IntN(3))
				}
				mustCommit(t, s, c)
				if touched[c.Bucket] == nil {
					touched[c.Bucket] = map[string]bool{}
				}
				touched[c.Bucket][c.Key] = true
			}
			return touched
		}
		touch(60)
		_, then := s.Snapshots()
		want := allOf(s)
		touched := touch(rng.IntN(40))
		before := s.Revision()
		w, err := s.Replace(t.Context(), ContentsOf(then), noRank)
		if err != nil || allOf(s) != want {
			t.Fatalf("seed %d: it holds %s, want %s (%v)", seed, allOf(s), want, err)
		}
		if writes := w.Created + w.Updated + w.Deleted; w.Revision != before+int64(writes) || w.Created+w.Updated+w.Unchanged != len(strings.Fields(want)) {
			t.Errorf("seed %d: from %d it did %+v", seed, before, w)
		}
		for _, h := range then {
			now := h.Bucket.Now()
			for o := range h.Now.Scan("", "") {
				if !touched[h.Bucket][o.Key] && now.Get(o.Key) != o {
					t.Errorf("seed %d: %s was written, and nobody had touched it", seed, o.Key)
				}
			}
		}
		seen := map[string]bool{}
		events, _, _ := s.After(before, math.MaxInt)
		for _, k := range events {
			id := k.Bucket.Name + " " + k.Event.Object.Key
			if seen[id] {
				t.Errorf("seed %d: two events of %s", seed, id)
			}
			seen[id] = true
		}
		// Again there is nothing to do.
		again, err := s.Replace(t.Context(), ContentsOf(then), noRank)
		if want := (Written{Revision: w.Revision, Unchanged: len(strings.Fields(want))}); err != nil || again != want {
			t.Errorf("seed %d: again it did %+v, want %+v (%v)", seed, again, want, err)
		}
	}
}

// Only the revision of an object's text is changed when it is put back.
func TestReplacePutsBackTheText(t *testing.T) {
	s := storeOf(100)
	b := s.Bucket("things")
	d := Encode(configMapOf("ns", "a", 300), []string{"f"})
	was := mustCommit(t, s, Change{Bucket: b, Key: "ns/a", Next: &d})[0]
	_, then := s.Snapshots()
	mustCommit(t, s, Change{Bucket: b, Key: "ns/a", Expect: 2})
	if _, err := s.Replace(t.Context(), ContentsOf(then), noRank); err != nil {
		t.Fatal(err)
	}
	sn := b.Now()
	o := sn.Get("ns/a")
	if want := strings.Replace(string(was.Raw()), `"resourceVersion":"2"`, `"resourceVersion":"4"`, 1); string(o.Raw()) != want {
		t.Errorf("got %s\nwant %s", o.Raw(), want)
	}
	if o.Meta != was.Meta || o.Rev != 4 {
		t.Errorf("at %d it has %+v", o.Rev, o.Meta)
	}
}

// What fails changes nothing and counts nothing.
func TestReplaceThatFails(t *testing.T) {
	f := &failingBackend{}
	s := openOf(t, Window{Events: 100, Bytes: math.MaxInt64}, f)
	if _, err := s.Replace(t.Context(), contentsOf(s, "a/x=1 b/y=2"), noRank); err != nil {
		t.Fatal(err)
	}
	want, rev := allOf(s), s.Revision()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if w, err := s.Replace(ended, Contents{}, noRank); err != context.Canceled || w != (Written{}) {
		t.Errorf("with a context that has ended it did %+v: %v", w, err)
	}
	f.fail = errors.New("the disk is full")
	if w, err := s.Replace(t.Context(), Contents{}, noRank); err != f.fail || w != (Written{}) {
		t.Errorf("with a full disk it did %+v: %v", w, err)
	}
	if allOf(s) != want || s.Revision() != rev {
		t.Errorf("it left %s at %d", allOf(s), s.Revision())
	}
	// Without a difference the backend is not asked.
	if w, err := s.Replace(t.Context(), contentsOf(s, want), noRank); err != nil || w != (Written{Revision: rev, Unchanged: 2}) {
		t.Errorf("without a difference it did %+v: %v", w, err)
	}
}

// However many write meanwhile, the store holds exactly the contents at the revision that
// Replace returns.
func TestReplaceAmongWriters(t *testing.T) {
	s := storeOf(math.MaxInt)
	const text = "one/k0=100 one/new=101 two/k5=102"
	buckets := []*Bucket{s.Bucket("one"), s.Bucket("two")}
	var wg sync.WaitGroup
	wg.Go(func() { writers(t, s, buckets, 3, 300) })
	for range 50 {
		w, err := s.Replace(t.Context(), contentsOf(s, text), noRank)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range buckets {
			sn, err := b.At(w.Revision)
			if err != nil {
				t.Fatal(err)
			}
			for o := range sn.Scan("", "") {
				got = append(got, fmt.Sprintf("%s/%s=%d", b.Name, o.Key, number(o)))
			}
		}
		if got := strings.Join(got, " "); got != text {
			t.Fatalf("at %d it held %s", w.Revision, got)
		}
	}
	wg.Wait()
}

// Objects are sorted by the rank of their buckets, their names, namespaces and names, which is
// not the order of the keys.
func TestObjects(t *testing.T) {
	s := storeOf(100)
	if rev, all := s.Objects(noRank); rev != 1 || len(all) != 0 {
		t.Errorf("an empty store has %d objects at %d", len(all), rev)
	}
	for _, at := range []string{"c a-b/x", "c a/x", "c a/w", "c a-b/a", "a zz", "a b", "b ns/x", "b2 x", "c top"} {
		bucket, key, _ := strings.Cut(at, " ")
		mustCommit(t, s, Change{Bucket: s.Bucket(bucket), Key: key, Next: numbered(1)})
	}
	s.Bucket("empty")
	for name, tt := range map[string]struct {
		rank func(string) int
		want string
	}{
		"by name":      {noRank, "b zz ns/x x top a/w a/x a-b/a a-b/x"},
		"b's first":    {firstB, "ns/x x b zz top a/w a/x a-b/a a-b/x"},
		"the last one": {func(b string) int { return -int(b[0]) }, "top a/w a/x a-b/a a-b/x ns/x x b zz"},
	} {
		rev, all := s.Objects(tt.rank)
		var got []string
		for _, o := range all {
			got = append(got, o.Key)
		}
		if got := strings.Join(got, " "); got != tt.want || rev != 10 {
			t.Errorf("%s: at %d\n got %s\nwant %s", name, rev, got, tt.want)
		}
	}
}

// Objects and Snapshots are of one commit, however fast writers are: each of theirs writes
// two objects alike.
func TestObjectsOfOneMoment(t *testing.T) {
	s := storeOf(100)
	one, two := s.Bucket("one"), s.Bucket("two")
	done := make(chan struct{})
	var writing sync.WaitGroup
	for range 2 {
		writing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					mustCommit(t, s, Change{Bucket: one, Key: "a", Expect: -1, Next: numbered(i)}, Change{Bucket: two, Key: "a", Expect: -1, Next: numbered(i)})
				}
			}
		})
	}
	defer writing.Wait()
	defer close(done)
	last := int64(0)
	for range 2000 {
		rev, all := s.Objects(noRank)
		if rev < last || len(all) != 0 && (len(all) != 2 || number(all[0]) != number(all[1]) || all[0].Rev+1 != all[1].Rev || all[1].Rev != rev) {
			t.Fatalf("at %d after %d: %v", rev, last, all)
		}
		last = rev
	}
}

// BenchmarkReplace is a reset of 10,000 objects of which ten were written.
func BenchmarkReplace(b *testing.B) {
	s, bucket := filledStore(b, 10_000, 100)
	_, then := s.Snapshots()
	d := Encode(configMapOf("ns-1", "x", 100), nil)
	b.ReportAllocs()
	for b.Loop() {
		for i := range 10 {
			mustCommit(b, s, Change{Bucket: bucket, Key: fmt.Sprintf("ns-%d/cm-%06d", i, i), Expect: -1, Next: &d})
		}
		if w, err := s.Replace(context.Background(), ContentsOf(then), noRank); err != nil || w.Updated != 10 {
			b.Fatal(w, err)
		}
	}
}
