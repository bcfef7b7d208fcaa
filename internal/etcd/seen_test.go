package etcd

import (
	"slices"
	"sync"
	"testing"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/store"
)

// TestSeen: a codec hears of every object that is kept, by the draft where the process has written
// it itself and by the value where another has, and of none that is not.
func TestSeen(t *testing.T) {
	c := etcdtest.Start(t, 1)
	var mu sync.Mutex
	var seen, decoded []string
	codec := etcdtest.Codec{
		OnSeen: func(bucket string, d *store.Draft) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, bucket+string(d.JSON))
		},
		OnDecode: func(path string) {
			mu.Lock()
			defer mu.Unlock()
			decoded = append(decoded, path)
		},
	}
	here, there := opened(t, backend(t, c, func(conf *Config) { conf.Codec = codec })), opened(t, backend(t, c))
	write := func(s *store.Store, bucket string, expect int64) error {
		d := etcdtest.Draft(1)
		_, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket(bucket), Key: "k", Expect: expect, Next: d})
		return err
	}
	if err := write(here, "a", 0); err != nil {
		t.Fatal(err)
	}
	if err := write(here, "a", 0); err == nil {
		t.Error("what is there can be created")
	}
	if err := write(there, "b", 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other's write is here", func() bool { now := here.Bucket("b").Now(); return now.Get("k") != nil })
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"a" + string(etcdtest.Draft(1).JSON)}; !slices.Equal(seen, want) || !slices.Equal(decoded, []string{"/b/k"}) {
		t.Errorf("seen: %v, decoded: %v", seen, decoded)
	}
}
