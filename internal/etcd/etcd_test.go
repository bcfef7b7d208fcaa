package etcd

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/store"
	"apichain/internal/store/storetest"
)

// within is how long anything may take.
const within = 10 * time.Second

// window is of stores that are written a few thousand times.
var window = store.Window{Events: 100_000, Bytes: math.MaxInt64}

// backend opens a Backend over a cluster, until the test ends.
func backend(t *testing.T, c *etcdtest.Cluster, change ...func(*Config)) *Backend {
	t.Helper()
	conf := Config{Servers: c.URLs(), Codec: etcdtest.Codec{}}
	for _, f := range change {
		f(&conf)
	}
	b, err := Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// follow opens a store over a backend, which follows until end.
func follow(t *testing.T, b *Backend) (s *store.Store, end func()) {
	t.Helper()
	s = store.New(window)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := s.Open(ctx, b); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { s.Follow(ctx) })
	return s, sync.OnceFunc(func() {
		stop()
		following.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// opened is follow until the test ends.
func opened(t *testing.T, b *Backend) *store.Store {
	t.Helper()
	s, end := follow(t, b)
	t.Cleanup(end)
	return s
}

// eventually waits until ok, without a limit of its own but that of the test being patient for within.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// TestStore: a store over etcd does what a store does.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.World {
		c := etcdtest.Start(t, 3)
		return storetest.World{Open: func(t *testing.T) (*store.Store, func()) { return follow(t, backend(t, c)) }, Keeps: true, Resumes: true, Shared: true}
	})
}
