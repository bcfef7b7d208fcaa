package interop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	etcdstore "apichain/internal/etcd"
	"apichain/internal/etcd/etcdtest"
	"apichain/internal/store"
	"apichain/internal/store/storetest"
)

// The store over the real etcd, without a server: the same tables as over the etcd of the room's own tests, and what only
// a real one can show.

// etcdBackend opens a backend over an etcd. The store that it is given to closes it.
func etcdBackend(t *testing.T, servers string, change ...func(*etcdstore.Config)) *etcdstore.Backend {
	t.Helper()
	conf := etcdstore.Config{Servers: strings.Split(servers, ","), Codec: etcdtest.Codec{}}
	for _, f := range change {
		f(&conf)
	}
	b, err := etcdstore.Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// load opens a store over a backend. follow lets it follow, and end ends it.
func load(t *testing.T, b *etcdstore.Backend) (s *store.Store, follow, end func()) {
	t.Helper()
	s = store.New(store.Window{Events: 1_000_000, Bytes: math.MaxInt64})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Open(ctx, b); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	return s, func() { following.Go(func() { s.Follow(ctx) }) }, sync.OnceFunc(func() {
		stop()
		following.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// etcdStore opens a store that follows until the test ends.
func etcdStore(t *testing.T, b *etcdstore.Backend) *store.Store {
	t.Helper()
	s, follow, end := load(t, b)
	t.Cleanup(end)
	follow()
	return s
}

// reaches waits until a store has a revision.
func reaches(t *testing.T, s *store.Store, rev int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Await(ctx, rev); err != nil {
		t.Fatalf("the store is at %d and does not get to %d: %v", s.Revision(), rev, err)
	}
}

func thing(s *store.Store, bucket, key string, n int) store.Change {
	return store.Change{Bucket: s.Bucket(bucket), Key: key, Next: etcdtest.Draft(n)}
}

// TestEtcdStore: a store over a real etcd does what a store does.
func TestEtcdStore(t *testing.T) {
	c := startEtcd(t, 1)
	var worlds atomic.Int64
	storetest.Run(t, func(t *testing.T) storetest.World {
		prefix := fmt.Sprint("/world-", worlds.Add(1))
		return storetest.World{Keeps: true, Resumes: true, Shared: true, Open: func(t *testing.T) (*store.Store, func()) {
			s, follow, end := load(t, etcdBackend(t, c.servers(), func(c *etcdstore.Config) { c.Prefix = prefix }))
			follow()
			return s, end
		}}
	})
}

// TestEtcdCatchUp: a watch that begins far behind gets what it has missed in fragments, and all of it.
func TestEtcdCatchUp(t *testing.T) {
	c := startEtcd(t, 1)
	s, follow, end := load(t, etcdBackend(t, c.servers()))
	t.Cleanup(end)
	cursor, err := s.Bucket("things").Watch(s.Revision())
	if err != nil {
		t.Fatal(err)
	}
	other := etcdStore(t, etcdBackend(t, c.servers()))
	var rev int64
	large := store.Encode(map[string]any{"data": strings.Repeat("x", 30<<10), "metadata": map[string]any{}}, nil)
	for i := range 300 {
		objs, err := other.Commit(t.Context(), store.Change{Bucket: other.Bucket("things"), Key: fmt.Sprint("a", i), Next: &large},
			store.Change{Bucket: other.Bucket("things"), Key: fmt.Sprint("b", i), Next: &large})
		if err != nil {
			t.Fatal(err)
		}
		rev = objs[1].Rev
	}
	follow()
	reaches(t, s, rev)
	events, _, err := cursor.Next(nil, 1000)
	if err != nil || len(events) != 600 {
		t.Fatalf("%d of 600 events: %v", len(events), err)
	}
	for i, e := range events {
		if want := fmt.Sprint(string("ab"[i%2]), i/2); e.Object.Key != want || i%2 == 1 && e.Rev != events[i-1].Rev {
			t.Fatalf("event %d is %s at %d", i, e.Object.Key, e.Rev)
		}
	}
}

// TestEtcdCompacted: a watch whose history is compacted begins anew.
func TestEtcdCompacted(t *testing.T) {
	c := startEtcd(t, 1)
	b := etcdBackend(t, c.servers())
	s, follow, end := load(t, b)
	t.Cleanup(end)
	client := etcdClient(t, c.servers())
	var rev int64
	for i := range 10 {
		a, err := client.Put(t.Context(), "/registry/things/a", etcdtest.Value(i))
		if err != nil {
			t.Fatal(err)
		}
		rev = a.Header.Revision
	}
	if _, err := client.Compact(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	follow()
	reaches(t, s, rev)
	if sn := s.Bucket("things").Now(); etcdtest.Number(sn.Get("a")) != 9 || b.Stats().Reloads != 1 {
		t.Errorf("it has %d, %+v", etcdtest.Number(sn.Get("a")), b.Stats())
	}
	// What is written elsewhere is known of at once by who asks.
	a, err := client.Put(t.Context(), "/elsewhere", "x")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.Consistent(t.Context()); err != nil || s.Revision() < a.Header.Revision {
		t.Errorf("at %d of %d: %v", s.Revision(), a.Header.Revision, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestEtcdCompaction: processes share the compaction, by upstream's key.
func TestEtcdCompaction(t *testing.T) {
	c := startEtcd(t, 1)
	client := etcdClient(t, c.servers())
	for range 2 {
		etcdStore(t, etcdBackend(t, c.servers(), func(c *etcdstore.Config) { c.CompactionInterval = 100 * time.Millisecond }))
	}
	eventually(t, "a compaction", func() error {
		if _, err := client.Get(t.Context(), "compact_rev_key", clientv3.WithRev(2)); err == nil || !strings.Contains(err.Error(), "compacted") {
			return fmt.Errorf("revision 2 is there: %v", err)
		}
		return nil
	})
}

// TestEtcdLeases: objects under a lease go when their time is over, and the store sees it.
func TestEtcdLeases(t *testing.T) {
	c := startEtcd(t, 1)
	s := etcdStore(t, etcdBackend(t, c.servers(), func(c *etcdstore.Config) { c.Codec = etcdtest.Codec{Life: time.Second} }))
	for _, change := range []store.Change{thing(s, "events", "a", 1), thing(s, "things", "a", 1)} {
		if _, err := s.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the event goes", func() error {
		events, things := s.Bucket("events").Now(), s.Bucket("things").Now()
		if events.Count() != 0 || things.Count() != 1 {
			return fmt.Errorf("%d events and %d others", events.Count(), things.Count())
		}
		return nil
	})
}

// TestEtcdRefusals: what etcd refuses is told in its words, and was not done.
func TestEtcdRefusals(t *testing.T) {
	c := startEtcd(t, 1)
	b := etcdBackend(t, c.servers())
	s := etcdStore(t, b)
	large := func(size int) []store.Change {
		d := store.Encode(map[string]any{"data": strings.Repeat("x", size), "metadata": map[string]any{}}, nil)
		return []store.Change{{Bucket: s.Bucket("things"), Key: "large", Next: &d}}
	}
	many := make([]store.Change, etcdstore.MaxWrites+1)
	for i := range many {
		many[i] = thing(s, "things", fmt.Sprint(i), i)
	}
	for want, changes := range map[string][]store.Change{
		"etcdserver: request is too large":                                                    large(1700 << 10),
		"etcdserver: too many operations in txn request":                                      many,
		"rpc error: code = ResourceExhausted desc = trying to send message larger than max (": large(2 << 20),
	} {
		_, err := s.Commit(t.Context(), changes...)
		if err == nil || !strings.HasPrefix(err.Error(), want) || errors.As(err, new(*etcdstore.Unknown)) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := s.Commit(t.Context(), many[:etcdstore.MaxWrites]...); err != nil {
		t.Errorf("as many as it takes: %v", err)
	}
	eventually(t, "the members are asked", func() error {
		if m := b.Stats().Members; len(m) != 1 || !m[0].Leader || !strings.HasPrefix(m[0].Version, "3.7.") || m[0].Size == 0 || m[0].Err != "" {
			return fmt.Errorf("%+v", m)
		}
		return nil
	})
}

// TestEtcdWithoutQuorum: the last member of three is read by who wants no more.
func TestEtcdWithoutQuorum(t *testing.T) {
	c := startEtcd(t, 3)
	s := etcdStore(t, etcdBackend(t, c.servers()))
	objs, err := s.Commit(t.Context(), thing(s, "things", "a", 1))
	if err != nil {
		t.Fatal(err)
	}
	last := c[2]
	reader := func() (*store.Store, error) {
		s := store.New(store.Window{Events: 100, Bytes: 1 << 20})
		b := etcdBackend(t, last.url, func(c *etcdstore.Config) { c.ReadOnly = true })
		t.Cleanup(func() { _ = b.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return s, s.Open(ctx, b)
	}
	eventually(t, "the last member has the object", func() error {
		s, err := reader()
		if err == nil && s.Revision() < objs[0].Rev {
			err = fmt.Errorf("it is at %d", s.Revision())
		}
		return err
	})
	for _, m := range c[:2] {
		if err := m.kill(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := reader()
	if err != nil {
		t.Fatal(err)
	}
	if sn := r.Bucket("things").Now(); etcdtest.Number(sn.Get("a")) != 1 {
		t.Error("the object is not there")
	}
	if _, err := r.Commit(t.Context(), thing(r, "things", "b", 1)); !errors.Is(err, etcdstore.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	// Who wants all is told what is wrong.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := s.Consistent(ctx); err == nil {
		t.Error("a question without a quorum is answered")
	}
}

// TestEtcdMembersInTurn: while members are killed, stopped and paused in turn, two stores tell every write once and in order,
// and what was acknowledged stays.
func TestEtcdMembersInTurn(t *testing.T) {
	c := startEtcd(t, 3)
	var stores []*store.Store
	var cursors []*store.Cursor
	for range 2 {
		s := etcdStore(t, etcdBackend(t, c.servers()))
		cursor, err := s.Bucket("things").Watch(s.Revision())
		if err != nil {
			t.Fatal(err)
		}
		stores, cursors = append(stores, s), append(cursors, cursor)
	}
	acknowledged, stop := make([]map[string]bool, 4), make(chan struct{})
	var mu sync.Mutex
	failed, step := map[string]int{}, ""
	var writers sync.WaitGroup
	for w := range acknowledged {
		acknowledged[w] = map[string]bool{}
		writers.Go(func() {
			s := stores[w%2]
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d-%d", w, i)
				if _, err := s.Commit(t.Context(), thing(s, "things", key, i)); err == nil {
					acknowledged[w][key] = true
				} else {
					mu.Lock()
					failed[step+": "+err.Error()]++
					mu.Unlock()
					if !errors.As(err, new(*etcdstore.Unknown)) {
						t.Errorf("%s failed, and need not have: %v", key, err)
					}
				}
			}
		})
	}
	for i, m := range c {
		how := [][2]func() error{{m.kill, m.start}, {m.stop, m.start}, {m.pause, m.resume}}[i]
		for n, f := range how {
			mu.Lock()
			step = [][2]string{{"killed", "back"}, {"stopped", "back"}, {"paused", "back"}}[i][n]
			mu.Unlock()
			if err := f(); err != nil {
				t.Error(err)
			}
			// As long as a member is away both stores go on.
			for _, s := range stores {
				from := s.Revision()
				eventually(t, "writes go on", func() error {
					if s.Revision() < from+20 {
						return fmt.Errorf("at %d after %d", s.Revision(), from)
					}
					return nil
				})
			}
		}
	}
	close(stop)
	writers.Wait()
	all, err := etcdClient(t, c.servers()).Get(t.Context(), "/registry/things/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for _, kv := range all.Kvs {
		want[strings.TrimPrefix(string(kv.Key), "/registry/things/")] = kv.ModRevision
	}
	n := 0
	for _, keys := range acknowledged {
		for key := range keys {
			if n++; want[key] == 0 {
				t.Errorf("%s was acknowledged and is not there", key)
			}
		}
	}
	t.Logf("%d writes acknowledged, %d there, unknown: %v", n, len(want), failed)
	for i, s := range stores {
		reaches(t, s, all.Header.Revision)
		events, _, err := cursors[i].Next(nil, math.MaxInt32)
		if err != nil || len(events) != len(want) {
			t.Errorf("store %d has told %d of %d: %v", i, len(events), len(want), err)
		}
		var last int64
		for _, e := range events {
			if e.Rev <= last || e.Rev != want[e.Object.Key] {
				t.Fatalf("store %d tells %s at %d after %d, it is at %d", i, e.Object.Key, e.Rev, last, want[e.Object.Key])
			}
			last = e.Rev
		}
	}
}
