package storetest

import (
	"context"
	"math"
	"sync"
	"testing"

	"apichain/internal/store"
)

// window is of stores that are written a few hundred times.
var window = store.Window{Events: 10_000, Bytes: math.MaxInt64}

// TestMemory: a store without a backend does all that holds for one.
func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) World {
		return World{Open: func(*testing.T) (*store.Store, func()) { return store.New(window), func() {} }}
	})
}

// follower opens a store over a cluster, which follows until close.
func follower(t *testing.T, c *Cluster) (s *store.Store, close func()) {
	t.Helper()
	s = store.New(window)
	if err := s.Open(t.Context(), c.Member()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { s.Follow(ctx) })
	return s, func() {
		cancel()
		following.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestCluster: so do stores that share what keeps them.
func TestCluster(t *testing.T) {
	Run(t, func(*testing.T) World {
		c := &Cluster{}
		return World{Open: func(t *testing.T) (*store.Store, func()) { return follower(t, c) }, Keeps: true, Shared: true}
	})
}
