package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// TestTransact: a transaction is made as a whole or not, and says at which revision.
func TestTransact(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := backend(t, c)
	s := store.New(window)
	rev, err := b.Transact(t.Context(), []store.Change{create(s, "a", 1), create(s, "b", 2)})
	if err != nil || rev != c.Revision() || string(c.Get("/registry/things/b").Value) != etcdtest.Value(2) {
		t.Fatalf("at %d: %v", rev, err)
	}
	other := c.Put("/registry/things/b", etcdtest.Value(3))
	overtaken := new(store.Overtaken)
	_, err = b.Transact(t.Context(), []store.Change{{Bucket: s.Bucket("things"), Key: "a", Expect: rev},
		{Bucket: s.Bucket("things"), Key: "b", Expect: rev, Next: etcdtest.Draft(4)}})
	if !errors.As(err, &overtaken) || overtaken.Rev != other || c.Get("/registry/things/a") == nil {
		t.Errorf("%v", err)
	}
	last, err := b.Transact(t.Context(), []store.Change{{Bucket: s.Bucket("things"), Key: "a", Expect: rev},
		{Bucket: s.Bucket("things"), Key: "b", Expect: other, Next: etcdtest.Draft(4)}})
	if err != nil || last <= other || c.Get("/registry/things/a") != nil {
		t.Errorf("at %d: %v", last, err)
	}
	many := make([]store.Change, MaxWrites+1)
	for i := range many {
		many[i] = create(s, fmt.Sprint("many-", i), i)
	}
	if _, err := b.Transact(t.Context(), many[:MaxWrites]); err != nil {
		t.Errorf("as many as it takes: %v", err)
	}
	if _, err := b.Transact(t.Context(), many); !HasCode(err, wire.InvalidArgument) ||
		err.Error() != "etcdserver: too many operations in txn request" {
		t.Errorf("more than it takes: %v", err)
	}
	large := store.Encode(map[string]any{"data": strings.Repeat("x", maxRequest), "metadata": map[string]any{}}, nil)
	calls := c.Members[0].Calls(wire.MethodTxn)
	_, err = b.Transact(t.Context(), []store.Change{{Bucket: s.Bucket("things"), Key: "large", Next: &large}})
	if !HasCode(err, wire.ResourceExhausted) ||
		!strings.HasPrefix(err.Error(), "rpc error: code = ResourceExhausted desc = trying to send message larger than max (20") ||
		c.Members[0].Calls(wire.MethodTxn) != calls {
		t.Errorf("a large object: %v", err)
	}
	_, err = b.Transact(t.Context(), []store.Change{{Bucket: s.Bucket("forbidden"), Key: "a", Next: etcdtest.Draft(1)}})
	if err == nil || err.Error() != "the bucket has no form" {
		t.Errorf("what cannot be encoded: %v", err)
	}
}

// event returns a change that makes an object that does not live for ever.
func event(s *store.Store, key string) store.Change {
	return store.Change{Bucket: s.Bucket("events"), Key: key, Next: etcdtest.Draft(1)}
}

// hourly makes a backend whose events live for an hour.
func hourly(t *testing.T, c *etcdtest.Cluster) *Backend {
	return backend(t, c, func(c *Config) { c.Codec = etcdtest.Codec{Life: time.Hour} })
}

// TestLeases: objects that do not live for ever share leases, of which one is good for a thousand,
// and go when it ends.
func TestLeases(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := hourly(t, c)
	s := opened(t, b)
	if _, err := s.Commit(t.Context(), create(s, "stays", 1)); err != nil {
		t.Fatal(err)
	}
	for i := range leaseObjects + 1 {
		if _, err := b.Transact(t.Context(), []store.Change{event(s, fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	var keys []int
	for _, n := range c.Leases() {
		keys = append(keys, n)
	}
	if slices.Sort(keys); !slices.Equal(keys, []int{1, leaseObjects}) {
		t.Errorf("leases of %v objects", keys)
	}
	if st := b.Stats(); st.Leases != 2 {
		t.Errorf("%d leases are out", st.Leases)
	}
	c.Advance(time.Hour)
	if n := len(c.Leases()); n != 2 {
		t.Errorf("%d leases after the time that objects have", n)
	}
	c.Advance(time.Hour / 20)
	if err := s.Await(t.Context(), c.Revision()); err != nil {
		t.Fatal(err)
	}
	if sn, left := s.Bucket("events").Now(), s.Bucket("things").Now(); sn.Count() != 0 || left.Count() != 1 {
		t.Errorf("%d events and %d others are left", sn.Count(), left.Count())
	}
}

// TestLostLease: a lease that etcd does not know any more is replaced by another one.
func TestLostLease(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := hourly(t, c)
	s := store.New(window)
	if _, err := b.Transact(t.Context(), []store.Change{event(s, "a")}); err != nil {
		t.Fatal(err)
	}
	c.Advance(2 * time.Hour)
	if _, err := b.Transact(t.Context(), []store.Change{event(s, "b"), create(s, "c", 1)}); err != nil {
		t.Errorf("%v", err)
	}
	if kv := c.Get("/registry/events/b"); kv == nil || kv.Lease == 0 || c.Get("/registry/things/c").Lease != 0 {
		t.Errorf("%+v", kv)
	}
	// Who waits for a lease waits no longer than the writer.
	hold := make(chan struct{})
	defer close(hold)
	b.leases.forget(t.Context(), b.leases.id)
	c.Members[0].Inject(wire.MethodGrant, etcdtest.Fault{Hold: hold})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			_, err := b.Transact(ctx, []store.Change{event(s, fmt.Sprint("late-", i))})
			if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*Unknown)) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// TestCompaction: of two processes one compacts in each interval, to the revision of the interval before.
func TestCompaction(t *testing.T) {
	c := etcdtest.Start(t, 1)
	m := c.Members[0]
	a, b := backend(t, c), backend(t, c)
	var one, two compactor
	move := func(of *Backend, k *compactor) {
		t.Helper()
		if err := of.compact(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	c.Put("/registry/things/a", etcdtest.Value(1))
	move(a, &one) // the clock begins, nothing is compacted
	first := c.Revision()
	move(b, &two) // takes over the clock
	if m.Calls(wire.MethodCompact) != 0 || one.clock != 1 || two.clock != 1 || one.seen != first || two.seen != first {
		t.Errorf("at the beginning: %+v %+v", one, two)
	}
	c.Put("/registry/things/a", etcdtest.Value(2))
	move(b, &two)
	if string(c.Get(compactKey).Value) != fmt.Sprint(first) || m.Calls(wire.MethodCompact) != 1 {
		t.Errorf("it says %s", c.Get(compactKey).Value)
	}
	move(a, &one) // too late
	if m.Calls(wire.MethodCompact) != 1 || one.clock != 2 {
		t.Errorf("the other one: %+v", one)
	}
	// That somebody else has compacted further is no failure.
	c.Compact(c.Revision())
	move(a, &one)
	if old, future := c.Compact(first); !old || future {
		t.Errorf("%d is not compacted", first)
	}
	// The loop does the same.
	every := backend(t, c, func(c *Config) { c.CompactionInterval = 10 * time.Millisecond })
	n := m.Calls(wire.MethodCompact)
	eventually(t, "a compaction", func() bool { return m.Calls(wire.MethodCompact) > n })
	_ = every.Close()
}

// TestStats: what is shown of a backend.
func TestStats(t *testing.T) {
	c := etcdtest.Start(t, 2)
	c.Members[1].Stop()
	var mu sync.Mutex
	observed := map[string]int{}
	b := backend(t, c, func(c *Config) {
		c.Observe = func(operation, bucket string, took time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			observed[fmt.Sprintf("%s %s %v", operation, bucket, err)]++
		}
	})
	s := opened(t, b)
	objs, err := s.Commit(t.Context(), create(s, "a", 1))
	if err != nil {
		t.Fatal(err)
	}
	update := store.Change{Bucket: s.Bucket("things"), Key: "a", Expect: objs[0].Rev, Next: etcdtest.Draft(2)}
	if objs, err = s.Commit(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: "a", Expect: objs[0].Rev}); err != nil {
		t.Fatal(err)
	}
	if err := b.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the members are asked", func() bool { return len(b.Stats().Members) == 2 })
	st := b.Stats()
	if m := st.Members; m[0].Version != "3.6.0" || m[0].Size != 1<<20 || m[0].InUse != 1<<19 || m[0].Err != "" ||
		!m[0].Led || m[0].Cluster != 1 || !strings.Contains(m[1].Err, "refused") {
		t.Errorf("members: %+v", m)
	}
	if st.Server != c.Members[0].URL || st.Applied != s.Revision() || st.Wanted != st.Applied ||
		time.Since(st.Heard) > within || st.Restarts != 0 {
		t.Errorf("%+v", st)
	}
	var text []string
	for _, o := range st.Operations {
		text = append(text, fmt.Sprint(o.Name, " ", o.Count))
		if o.P50 <= 0 || o.P99 < o.P50 {
			t.Errorf("%+v", o)
		}
	}
	if want := []string{"create 1", "delete 1", "getCurrentResourceVersion 2", "list 3", "status 1", "update 1"}; !slices.Equal(text, want) {
		t.Errorf("got %q, want %q", text, want)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"create things <nil>", "update things <nil>", "delete things <nil>", "list  <nil>"} {
		if observed[want] == 0 {
			t.Errorf("nobody was told of %s: %v", want, observed)
		}
	}
	c.Members[0].Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Healthy(ctx); err == nil || !strings.HasPrefix(err.Error(), "error getting data from etcd: ") {
		t.Errorf("%v", err)
	}
}

// TestClose: nothing goes on after Close, whatever was under way.
func TestClose(t *testing.T) {
	c := etcdtest.Start(t, 2)
	b := backend(t, c, func(c *Config) { c.CompactionInterval = time.Millisecond })
	s, end := follow(t, b)
	hold := make(chan struct{})
	defer close(hold)
	c.Members[0].Inject(wire.MethodRange, etcdtest.Fault{Hold: hold})
	asked, before := make(chan error, 1), c.Members[0].Calls(wire.MethodRange)
	go func() { asked <- s.Consistent(context.Background()) }()
	eventually(t, "a question", func() bool { return c.Members[0].Calls(wire.MethodRange) > before })
	end()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("the question: %v", err)
	}
	if _, err := b.Newest(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
	eventually(t, "all goroutines end", func() bool {
		buf := make([]byte, 1<<20)
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "etcd.(*Backend)")
	})
}

// TestManyWriters: of many writers over two stores, with answers lost on the way, each write that
// was acknowledged is there, and each that was certainly not made is not.
func TestManyWriters(t *testing.T) {
	c := etcdtest.Start(t, 3)
	stores := []*store.Store{opened(t, backend(t, c)), opened(t, backend(t, c))}
	var mu sync.Mutex
	outcome := map[string]error{}
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for i := range 50 {
				key := fmt.Sprintf("%d-%d", w, i)
				switch m := c.Members[r.IntN(3)]; r.IntN(8) {
				case 0:
					m.Inject(wire.MethodTxn, etcdtest.Fault{Lost: true})
				case 1:
					m.Inject(wire.MethodTxn, etcdtest.Fault{Code: wire.ResourceExhausted, Message: wire.TextNoSpace})
				case 2:
					m.DropConnections()
				}
				s := stores[w%2]
				_, err := s.Commit(t.Context(), create(s, key, i))
				mu.Lock()
				outcome[key] = err
				mu.Unlock()
			}
		})
	}
	all.Wait()
	made, unknown := 0, 0
	for key, err := range outcome {
		there := c.Get("/registry/things/"+key) != nil
		switch {
		case err == nil:
			if made++; !there {
				t.Errorf("%s was acknowledged and is not there", key)
			}
		case errors.As(err, new(*Unknown)):
			unknown++
		case there:
			t.Errorf("%s is there, though it failed: %v", key, err)
		}
	}
	if made == 0 || unknown == 0 {
		t.Errorf("%d made, %d unknown", made, unknown)
	}
	for _, s := range stores {
		if err := s.Consistent(t.Context()); err != nil {
			t.Fatal(err)
		}
		for key := range outcome {
			sn := s.Bucket("things").Now()
			if there := c.Get("/registry/things/"+key) != nil; there != (sn.Get(key) != nil) {
				t.Errorf("%s is there: %v", key, there)
			}
		}
	}
}
