package journal

import (
	"testing"
	"time"

	"apichain/internal/store"
)

// TestObserve: each flush of commits is told, as often as it is counted.
func TestObserve(t *testing.T) {
	var told []time.Duration
	j, err := Open(t.TempDir(), Options{Observe: func(took time.Duration) { told = append(told, took) }})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Window{Events: 10, Bytes: 1 << 20})
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	before := len(told)
	for _, key := range []string{"n/a", "n/b", "n/c"} {
		d := store.Encode(map[string]any{"metadata": map[string]any{"name": key[2:]}}, nil)
		if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("configmaps"), Key: key, Next: &d}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(told) - before; n != 3 || int64(len(told)) != j.Stats().Fsyncs {
		t.Errorf("told of %d flushes for three commits, and of %d in all, which has counted %d", n, len(told), j.Stats().Fsyncs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
