package etcd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// fill writes n objects.
func fill(c *etcdtest.Cluster, n int) {
	for from := 0; from < n; from += 500 {
		put := map[string]string{}
		for i := from; i < min(from+500, n); i++ {
			put[fmt.Sprintf("/registry/things/ns/%05d", i)] = etcdtest.Value(i)
		}
		c.Write(put)
	}
}

// TestPages: all there is comes, of one revision, definitions first, whatever the size of pages.
func TestPages(t *testing.T) {
	c := etcdtest.Start(t, 1)
	fill(c, 4000)
	c.Write(map[string]string{
		"/registry/apiextensions.k8s.io/customresourcedefinitions/a": etcdtest.Value(1), "/registry/zzz/a": etcdtest.Value(1),
		"/registry/apiextensions.k8s.io0/a": etcdtest.Value(1), "/registry/aaa/a": etcdtest.Value(1),
		"/registry0/a": etcdtest.Value(1), "/registr/a": etcdtest.Value(1),
	})
	c.Compact(c.Revision()) // there is no past to begin with
	var mu sync.Mutex
	var order []string
	b := backend(t, c, func(c *Config) {
		c.Codec = etcdtest.Codec{OnDecode: func(path string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, path)
		}}
	})
	s := opened(t, b)
	sn := s.Bucket("things").Now()
	if sn.Count() != 4000 || s.Revision() != c.Revision() || len(order) != 4004 {
		t.Errorf("%d of 4000 objects, %d values, at %d of %d", sn.Count(), len(order), s.Revision(), c.Revision())
	}
	if order[0] != "/apiextensions.k8s.io/customresourcedefinitions/a" || !slices.Contains(order, "/apiextensions.k8s.io0/a") {
		t.Errorf("the first is %s", order[0])
	}
	if n := c.Members[0].Calls(wire.MethodRange); n < 5 || n > 9 {
		t.Errorf("%d pages", n)
	}
}

// TestPastIsLoaded: a start shows what there is, and watches begin in the past, as far as etcd has it.
func TestPastIsLoaded(t *testing.T) {
	c := etcdtest.Start(t, 1)
	fill(c, 20)
	from := c.Revision()
	c.Put("/registry/things/ns/00003", etcdtest.Value(103))
	c.Delete("/registry/things/ns/00004")
	c.Put("/registry/things/ns/new", etcdtest.Value(1))
	c.Put("/elsewhere", "x") // of no event, and the newest revision all the same
	for _, past := range []bool{true, false} {
		name := "kept"
		if !past {
			name = "compacted"
			c.Compact(c.Revision())
		}
		s := opened(t, backend(t, c))
		sn := s.Bucket("things").Now()
		if sn.Count() != 20 || sn.Get("ns/00004") != nil || etcdtest.Number(sn.Get("ns/00003")) != 103 || s.Revision() != c.Revision() {
			t.Errorf("%s: %d objects at %d of %d", name, sn.Count(), s.Revision(), c.Revision())
		}
		got, err := history(t, s, from, c.Revision())
		expired := new(store.Expired)
		if want := fmt.Sprintf("[M ns/00003=103@%d D ns/00004=4@%d A ns/new=1@%d]", from+1, from+2, from+3); past && fmt.Sprint(got) != want {
			t.Errorf("%s: got %s %v, want %s", name, got, err, want)
		} else if !past && !errors.As(err, &expired) {
			t.Errorf("%s: got %s %v", name, got, err)
		}
	}
}

// TestLargeObjects: pages get shorter when they are longer than a message may be.
func TestLargeObjects(t *testing.T) {
	c := etcdtest.Start(t, 1)
	large := store.Encode(map[string]any{"n": int64(7), "data": strings.Repeat("x", 100<<10), "metadata": map[string]any{}}, nil)
	value, err := etcdtest.Codec{}.Encode("things", "a", &large)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 80 {
		c.Put(fmt.Sprintf("/registry/things/%d", i), string(value))
	}
	b := backend(t, c, func(c *Config) { c.maxMessage = 250 << 10 })
	if sn := opened(t, b).Bucket("things").Now(); sn.Count() != 80 {
		t.Errorf("%d of 80", sn.Count())
	}
}

// TestCompactedWhileLoading: a load whose revision is compacted begins anew and shows one state.
func TestCompactedWhileLoading(t *testing.T) {
	c := etcdtest.Start(t, 1)
	fill(c, 3000)
	m := c.Members[0]
	wait := make(chan struct{})
	// The pages of definitions, and the first of the rest, have come when the third waits.
	for range 3 {
		m.Inject(wire.MethodRange, etcdtest.Fault{})
	}
	m.Inject(wire.MethodRange, etcdtest.Fault{Wait: wait})
	go func() {
		for m.Calls(wire.MethodRange) < 4 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		c.Delete("/registry/things/ns/00000")
		rev := c.Put("/registry/things/ns/02999", etcdtest.Value(1))
		c.Compact(rev)
		close(wait)
	}()
	s := opened(t, backend(t, c))
	sn := s.Bucket("things").Now()
	if sn.Count() != 2999 || sn.Get("ns/00000") != nil || etcdtest.Number(sn.Get("ns/02999")) != 1 || s.Revision() != c.Revision() {
		t.Errorf("%d objects at %d", sn.Count(), s.Revision())
	}
}

// TestReadOnly: a member without a quorum is read, and nothing is written.
func TestReadOnly(t *testing.T) {
	c := etcdtest.Start(t, 1)
	fill(c, 10)
	c.Members[0].SetQuorum(false)
	b := backend(t, c, func(c *Config) { c.ReadOnly, c.CompactionInterval = true, time.Millisecond })
	s := opened(t, b)
	if sn := s.Bucket("things").Now(); sn.Count() != 10 {
		t.Errorf("%d objects", sn.Count())
	}
	if _, err := s.Commit(t.Context(), create(s, "a", 1)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	if err := s.Consistent(t.Context()); err != nil {
		t.Errorf("a read of what is newest: %v", err)
	}
	// What the member learns of others is followed.
	rev := c.Put("/registry/things/new", etcdtest.Value(1))
	if err := s.Await(t.Context(), rev); err != nil {
		t.Error(err)
	}
	if c.Members[0].Calls(wire.MethodTxn)+c.Members[0].Calls(wire.MethodCompact) != 0 {
		t.Error("something was written")
	}
	// Without ReadOnly such a member is of no use.
	_ = inVain(t, backend(t, c), "etcdserver: no leader")
}

func TestVersions(t *testing.T) {
	for v, old := range map[string]bool{
		"3.3.27": true, "3.4.30": true, "3.4.31": false, "3.5.0": true, "3.5.12": true, "3.5.13": false,
		"3.5.13-rc.1": false, "3.6.0": false, "3.7.3": false,
		"4.0.0": false, "": false, "3.x.1": false, "main": false,
	} {
		if oldVersion(v) != old {
			t.Errorf("%s is old: %v", v, !old)
		}
	}
	c := etcdtest.Start(t, 1)
	c.Members[0].SetVersion("3.5.12")
	err := store.New(window).Open(t.Context(), backend(t, c))
	want := "etcd at " + c.Members[0].URL + ": it is etcd 3.5.12, whose watches may lose events: use 3.4.31, 3.5.13 or a later one"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if err := store.New(window).Open(t.Context(), backend(t, c, func(c *Config) { c.ReadOnly = true })); err != nil {
		t.Errorf("read-only: %v", err)
	}
}

// TestPrefix: two prefixes of one etcd have nothing to do with each other.
func TestPrefix(t *testing.T) {
	c := etcdtest.Start(t, 1)
	a := opened(t, backend(t, c, func(c *Config) { c.Prefix = "/a" }))
	b := opened(t, backend(t, c, func(c *Config) { c.Prefix = "/" }))
	if _, err := a.Commit(t.Context(), create(a, "x", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Commit(t.Context(), create(b, "x", 2)); err != nil {
		t.Fatal(err)
	}
	if c.Get("/a/things/x") == nil || c.Get("/things/x") == nil || bytes.Equal(c.Get("/a/things/x").Value, c.Get("/things/x").Value) {
		t.Error("they are not where they should be")
	}
	if sn := a.Bucket("things").Now(); sn.Count() != 1 || etcdtest.Number(sn.Get("x")) != 1 {
		t.Errorf("%d objects", sn.Count())
	}
}
