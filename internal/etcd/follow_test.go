package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// history follows all of a store from its revision on, until the store has rev, and returns the
// events as "A ns/a=1@5".
func history(t *testing.T, s *store.Store, from, rev int64) (text []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c, err := s.Bucket("things").Watch(from)
	if err != nil {
		return nil, err
	}
	if err := s.Await(ctx, rev); err != nil {
		t.Fatalf("the store does not get to %d: %v", rev, err)
	}
	for {
		events, wait, err := c.Next(nil, 1000)
		if err != nil || wait != nil {
			return text, err
		}
		for _, e := range events {
			text = append(text, fmt.Sprintf("%c %s=%d@%d", e.Kind, e.Object.Key, etcdtest.Number(e.Object), e.Rev))
		}
	}
}

// writer writes to a cluster at random and knows what a watch must tell of it.
type writer struct {
	c    *etcdtest.Cluster
	r    *rand.Rand
	objs map[string]int
	want []string
	n    int
	rev  int64
}

// write makes one transaction of one to four objects, some of which are no objects.
func (w *writer) write() {
	put, kinds := map[string]string{}, map[string]byte{}
	var gone []string
	for range 1 + w.r.IntN(4) {
		key := fmt.Sprintf("ns/%d", w.r.IntN(20))
		path := "/registry/things/" + key
		if _, twice := kinds[key]; twice {
			continue
		}
		w.n++
		if _, there := w.objs[key]; there && w.r.IntN(3) == 0 {
			kinds[key] = 'D'
			gone = append(gone, path)
			continue
		}
		kinds[key] = 'A'
		if _, there := w.objs[key]; there {
			kinds[key] = 'M'
		}
		put[path] = etcdtest.Value(w.n)
		kinds[key+"="] = byte(0)
		w.objs[key+"="] = w.n // noted below
	}
	switch w.r.IntN(4) {
	case 0:
		put["/registry/unknown/x"] = "not an object"
	case 1:
		put["/elsewhere"] = "not below the prefix"
	}
	w.rev = w.c.Write(put, gone...)
	for _, path := range slices.Sorted(maps.Keys(put)) {
		if key, ok := strings.CutPrefix(path, "/registry/things/"); ok {
			w.objs[key] = w.objs[key+"="]
			delete(w.objs, key+"=")
			w.want = append(w.want, fmt.Sprintf("%c %s=%d@%d", kinds[key], key, w.objs[key], w.rev))
		}
	}
	for _, path := range gone {
		key := strings.TrimPrefix(path, "/registry/things/")
		w.want = append(w.want, fmt.Sprintf("D %s=%d@%d", key, w.objs[key], w.rev))
		delete(w.objs, key)
	}
}

// check compares what a store told with what was written.
func (w *writer) check(t *testing.T, got []string) {
	t.Helper()
	for i := range max(len(got), len(w.want)) {
		if i >= len(got) || i >= len(w.want) || got[i] != w.want[i] {
			t.Fatalf("event %d of %d, %d were told:\n got %q\nwant %q", i, len(w.want), len(got), got[min(i, len(got)):min(i+3,
				len(got))], w.want[min(i, len(w.want)):min(i+3, len(w.want))])
		}
	}
}

// TestHistory: a follower tells every write once and in order, whatever happens to watches,
// connections and members.
func TestHistory(t *testing.T) {
	for name, trouble := range map[string]func(*etcdtest.Cluster, *rand.Rand){
		"none":        func(*etcdtest.Cluster, *rand.Rand) {},
		"watches":     func(c *etcdtest.Cluster, r *rand.Rand) { c.Members[r.IntN(3)].CutWatches() },
		"connections": func(c *etcdtest.Cluster, r *rand.Rand) { c.Members[r.IntN(3)].DropConnections() },
		"leaders": func(c *etcdtest.Cluster, r *rand.Rand) {
			m := c.Members[r.IntN(2)]
			m.SetQuorum(false)
			m.SetQuorum(true)
		},
		"refusals": func(c *etcdtest.Cluster, r *rand.Rand) {
			m := c.Members[r.IntN(3)]
			m.Inject(wire.MethodWatch, etcdtest.Fault{Code: wire.Unavailable, Message: "etcdserver: server stopped"})
			m.CutWatches()
		},
		"members": func(c *etcdtest.Cluster, r *rand.Rand) {
			m := c.Members[r.IntN(2)] // one stays
			m.Stop()
			_ = m.Start() // the port may be taken, and then it stays away
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := etcdtest.Start(t, 3)
			for _, m := range c.Members {
				m.FragmentBytes = 300 // most batches come in parts, of which few end where a transaction does
			}
			s := opened(t, backend(t, c))
			from := s.Revision()
			w := &writer{c: c, r: rand.New(rand.NewPCG(1, 2)), objs: map[string]int{}}
			for i := range 1000 {
				if w.write(); i%50 == 25 {
					trouble(c, w.r)
				}
			}
			got, err := history(t, s, from, w.rev)
			if err != nil {
				t.Fatal(err)
			}
			w.check(t, got)
		})
	}
}

// TestHistoryWithGaps: when history is compacted under a broken watch, a watcher is told so, lists
// anew, and goes on: what it lists is what there was at that revision, and what it is told before
// and after is everything.
func TestHistoryWithGaps(t *testing.T) {
	c := etcdtest.Start(t, 2)
	s := opened(t, backend(t, c))
	w := &writer{c: c, r: rand.New(rand.NewPCG(3, 4)), objs: map[string]int{}}
	states := map[int64]map[string]int{s.Revision(): {}}
	var mu sync.Mutex // guards states and want
	done := make(chan struct{})
	gaps := 0
	var watcher sync.WaitGroup
	watcher.Go(func() {
		at := s.Bucket("things").Now()
		cursor, err := s.Bucket("things").Watch(s.Revision())
		have := map[string]int{}
		for o := range at.Scan("", "") {
			have[o.Key] = etcdtest.Number(o)
		}
		last := int64(0)
		for err == nil || errors.As(err, new(*store.Expired)) {
			if err != nil {
				gaps++
				now := s.Bucket("things").Now()
				if cursor, err = s.Bucket("things").Watch(now.Rev); err != nil {
					continue
				}
				clear(have)
				for o := range now.Scan("", "") {
					have[o.Key] = etcdtest.Number(o)
				}
				last = now.Rev
				mu.Lock()
				if want := states[last]; want != nil && !maps.Equal(have, want) {
					t.Errorf("listed at %d: %v, want %v", last, have, want)
				}
				mu.Unlock()
			}
			var events []*store.Event
			var wait <-chan struct{}
			if events, wait, err = cursor.Next(nil, 100); err != nil {
				continue
			}
			for i, e := range events {
				if have[e.Object.Key] = etcdtest.Number(e.Object); e.Kind == store.Deleted {
					delete(have, e.Object.Key)
				}
				// All events of a revision have been told when another one begins.
				if i == len(events)-1 || events[i+1].Rev != e.Rev {
					last = e.Rev
				}
			}
			if wait == nil {
				continue
			}
			mu.Lock()
			if want := states[last]; want != nil && !maps.Equal(have, want) {
				t.Errorf("told up to %d: %v, want %v", last, have, want)
			}
			mu.Unlock()
			select {
			case <-wait:
			case <-done:
				return
			}
		}
		t.Errorf("the watcher is told %v", err)
	})
	for i := range 600 {
		mu.Lock()
		w.write()
		states[w.rev] = maps.Clone(w.objs)
		mu.Unlock()
		switch i % 60 {
		case 20:
			// Nobody is there to tell while much is written and forgotten.
			for _, m := range c.Members {
				m.Stop()
			}
		case 40:
			c.Compact(w.rev)
			for _, m := range c.Members {
				_ = m.Start()
			}
			eventually(t, "the store is there again", func() bool { return s.Revision() >= w.rev })
		}
	}
	eventually(t, "the store has all", func() bool { return s.Revision() >= w.rev })
	close(done)
	watcher.Wait()
	if gaps == 0 {
		t.Error("there were no gaps")
	}
}

// TestNeverSplit: writes of one transaction become visible together, however the watch brings them.
func TestNeverSplit(t *testing.T) {
	c := etcdtest.Start(t, 1)
	c.Members[0].FragmentBytes = 1
	s := opened(t, backend(t, c))
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, all := s.Snapshots()
			seen := map[int]bool{}
			for _, h := range all {
				for o := range h.Now.Scan("", "") {
					seen[etcdtest.Number(o)] = true
				}
			}
			if len(seen) > 1 {
				t.Errorf("parts of transactions: %v", seen)
				return
			}
		}
	})
	for n := range 200 {
		put := map[string]string{}
		for i := range 5 {
			put[fmt.Sprintf("/registry/kind%d/x", i)] = etcdtest.Value(n)
		}
		rev := c.Write(put)
		if err := s.Await(t.Context(), rev); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	reader.Wait()
}

// TestCompacted: a follower that has missed what is compacted begins anew; its watchers are told
// that their history has gone.
func TestCompacted(t *testing.T) {
	c := etcdtest.Start(t, 1)
	c.Put("/registry/things/old", etcdtest.Value(1))
	c.Put("/registry/things/stays", etcdtest.Value(1))
	b := backend(t, c)
	s := opened(t, b)
	cursor, err := s.Bucket("things").Watch(s.Revision())
	if err != nil {
		t.Fatal(err)
	}
	from := s.Revision()
	m := c.Members[0]
	eventually(t, "it watches", func() bool { return m.Streams() == 1 })
	m.Stop()
	c.Delete("/registry/things/old")
	rev := c.Put("/registry/things/new", etcdtest.Value(2))
	c.Compact(rev)
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := s.Await(ctx, rev); err != nil {
		t.Fatal(err)
	}
	sn := s.Bucket("things").Now()
	if sn.Count() != 2 || sn.Get("old") != nil || etcdtest.Number(sn.Get("new")) != 2 {
		t.Errorf("%d objects at %d", sn.Count(), sn.Rev)
	}
	expired := new(store.Expired)
	if _, _, err := cursor.Next(nil, 10); !errors.As(err, &expired) {
		t.Errorf("who watched is told %v", err)
	}
	if _, err := s.Bucket("things").Watch(from); !errors.As(err, &expired) {
		t.Errorf("a watch of what was: %v", err)
	}
	// The store has it a moment before it is counted.
	eventually(t, "it is counted", func() bool { st := b.Stats(); return st.Reloads == 1 && st.Restarts > 0 })
	// And on it goes.
	rev = c.Put("/registry/things/newer", etcdtest.Value(3))
	if err := s.Await(ctx, rev); err != nil {
		t.Error(err)
	}
}

// TestRestored: another cluster in the place of the one that was followed is begun anew with, be
// its revisions newer or older.
func TestRestored(t *testing.T) {
	for name, to := range map[string]int64{"older": 5, "newer": 5000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := etcdtest.Start(t, 2)
			for i := range 20 {
				c.Put(fmt.Sprint("/registry/things/", i), etcdtest.Value(i))
			}
			s := opened(t, backend(t, c))
			c.Restore(to, map[string]string{"/registry/things/restored": etcdtest.Value(1)})
			eventually(t, "the store has what was restored", func() bool {
				sn := s.Bucket("things").Now()
				return s.Revision() == to && sn.Count() == 1 && sn.Get("restored") != nil
			})
			eventually(t, "a write", func() bool { _, err := s.Commit(t.Context(), create(s, "a", 1)); return err == nil })
			if err := s.Consistent(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSilence: a watch that brings nothing though its connection lives is found out and replaced.
func TestSilence(t *testing.T) {
	c := etcdtest.Start(t, 2)
	b := backend(t, c)
	b.silence, b.stalled = 50*time.Millisecond, 50*time.Millisecond
	s := opened(t, b)
	eventually(t, "it watches", func() bool { return c.Members[0].Streams() == 1 })
	// As long as nothing happens nothing is wrong.
	before := c.Members[0].Calls(wire.MethodRange)
	eventually(t, "it looks whether there is something", func() bool { return c.Members[0].Calls(wire.MethodRange) > before+2 })
	if n := b.Stats().Restarts; n != 0 {
		t.Errorf("%d restarts while nothing happens", n)
	}
	c.Members[0].SetMuted(true)
	rev := c.Put("/registry/things/a", etcdtest.Value(1))
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := s.Await(ctx, rev); err != nil {
		t.Fatal(err)
	}
	if c.Members[1].Streams() != 1 || b.Stats().Restarts == 0 {
		t.Errorf("%d streams at the other member, %+v", c.Members[1].Streams(), b.Stats())
	}
}

// TestOutsideOfPrefix: who waits for a revision that the prefix has no part in does not wait for a tick.
func TestOutsideOfPrefix(t *testing.T) {
	c := etcdtest.Start(t, 1)
	s := opened(t, backend(t, c))
	quick := 0
	for range 20 {
		rev := c.Put("/elsewhere", "x")
		began := time.Now()
		if err := s.Consistent(t.Context()); err != nil || s.Revision() < rev {
			t.Fatalf("at %d of %d: %v", s.Revision(), rev, err)
		}
		if time.Since(began) < 2*time.Second {
			quick++
		}
	}
	if quick < 10 { // whoever waits for a tick does it each time
		t.Errorf("%d of 20 were quick", quick)
	}
	// The answer to a transaction that was overtaken may name such a revision, too.
	rev := c.Put("/registry/things/a", etcdtest.Value(1))
	if err := s.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	c.Delete("/registry/things/a")
	c.Put("/elsewhere", "y")
	_, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: "a", Expect: rev, Next: etcdtest.Draft(2)})
	if conflict := new(store.Conflict); !errors.As(err, &conflict) {
		t.Errorf("%v", err)
	}
}

// TestNewestIsShared: those who ask while a question is under way share the next one, and none gets
// the answer to a question that was asked before.
func TestNewestIsShared(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := backend(t, c)
	m := c.Members[0]
	hold := make(chan struct{})
	m.Inject(wire.MethodRange, etcdtest.Fault{Hold: hold})
	first := make(chan int64, 1)
	go func() {
		rev, _ := b.Newest(t.Context())
		first <- rev
	}()
	eventually(t, "the first question is there", func() bool { return m.Calls(wire.MethodRange) == 1 })
	old := c.Revision()
	// It has been answered by now, or will be: what it says is of no use to who comes later.
	newer := c.Put("/registry/things/a", etcdtest.Value(1))
	var wrong atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if rev, err := b.Newest(t.Context()); err != nil || rev < newer {
				wrong.Add(1)
			}
		})
	}
	eventually(t, "all wait", func() bool {
		b.newest.mu.Lock()
		defer b.newest.mu.Unlock()
		return b.newest.next != nil
	})
	close(hold)
	all.Wait()
	if rev := <-first; rev < old || wrong.Load() != 0 {
		t.Errorf("the first got %d, and %d got an old answer", rev, wrong.Load())
	}
	if n := m.Calls(wire.MethodRange); n > 10 {
		t.Errorf("51 callers asked %d times", n)
	}
}

// TestOwnWrites: what this process has sent is not decoded when the watch brings it, and what
// others have sent is.
func TestOwnWrites(t *testing.T) {
	c := etcdtest.Start(t, 1)
	var decoded atomic.Int64
	b := backend(t, c, func(c *Config) { c.Codec = etcdtest.Codec{OnDecode: func(string) { decoded.Add(1) }} })
	s := opened(t, b)
	for n := range 20 {
		if _, err := s.Commit(t.Context(), create(s, fmt.Sprint(n), n)); err != nil {
			t.Fatal(err)
		}
	}
	if n := decoded.Load(); n != 0 {
		t.Errorf("%d of 20 own writes were decoded", n)
	}
	rev := c.Put("/registry/things/0", etcdtest.Value(7))
	if err := s.Await(t.Context(), rev); err != nil || decoded.Load() != 1 {
		t.Errorf("another's: %d, %v", decoded.Load(), err)
	}
	if sn := s.Bucket("things").Now(); etcdtest.Number(sn.Get("0")) != 7 || etcdtest.Number(sn.Get("19")) != 19 {
		t.Error("the objects are not those that were written")
	}
	if n := len(b.own.byPath); n != 0 {
		t.Errorf("%d writes are kept for the watch", n)
	}
}

// encryptedValue is the error of a codec for a value that it cannot read for a reason it knows.
type encryptedValue struct{}

func (encryptedValue) Error() string  { return "encrypted" }
func (encryptedValue) Reason() string { return "encrypted" }

// TestSkipped: values that cannot be read are counted, kept as they are, and no objects for readers.
func TestSkipped(t *testing.T) {
	c := etcdtest.Start(t, 1)
	const encrypted = "k8s:enc:aesgcm:v1:key1:..."
	c.Write(map[string]string{
		"/registry/things/a": etcdtest.Value(1), "/registry/things/b": etcdtest.Value(1), "/registry/things/broken": "{",
		"/registry/things/secret": encrypted, "/registry/unknown/x": "?", "/registry/masterlease": "?", "/registryx/things/c": etcdtest.Value(1),
	})
	b := backend(t, c, func(c *Config) {
		c.Codec = etcdtest.Codec{Unreadable: func() error { return encryptedValue{} }}
	})
	s := opened(t, b)
	counts := func(want string) {
		t.Helper()
		if err := s.Await(t.Context(), c.Revision()); err != nil {
			t.Fatal(err)
		}
		sn := s.Bucket("things").Now()
		if got := fmt.Sprintf("%d objects, %v", sn.Count(), b.Stats().Skipped); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	counts("2 objects, map[encrypted:1 not served:2 undecodable:1]")
	c.Put("/registry/things/a", encrypted)
	counts("1 objects, map[encrypted:2 not served:2 undecodable:1]")
	c.Put("/registry/things/a", "{")
	counts("1 objects, map[encrypted:1 not served:2 undecodable:2]")
	c.Put("/registry/things/a", etcdtest.Value(3))
	counts("2 objects, map[encrypted:1 not served:2 undecodable:1]")
	c.Delete("/registry/things/secret", "/registry/unknown/x", "/registry/things/broken")
	counts("2 objects, map[not served:1]")
	c.Put("/registry/things/secret", encrypted)
	counts("2 objects, map[encrypted:1 not served:1]")
	// Who does not see it does not write over it.
	_, err := s.Commit(t.Context(), create(s, "secret", 1))
	if hidden := new(Hidden); !errors.As(err, &hidden) || hidden.Reason != "encrypted" ||
		string(c.Get("/registry/things/secret").Value) != encrypted {
		t.Errorf("a create over an encrypted value: %v", err)
	}
}
