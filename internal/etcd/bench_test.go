package etcd

import (
	"fmt"
	"os"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// BenchmarkCreate measures a commit over an etcd in memory, or over the real one at $ETCD_URL,
// beside the round trip of its transaction: the rest is what the store waits for the watch.
func BenchmarkCreate(b *testing.B) {
	prefix := fmt.Sprintf("/bench-%d", time.Now().UnixNano())
	url := os.Getenv("ETCD_URL")
	if url == "" {
		url = etcdtest.Start(b, 1).URLs()[0]
	}
	be, err := Open(b.Context(), Config{Servers: []string{url}, Prefix: prefix, Codec: etcdtest.Codec{}})
	if err != nil {
		b.Fatal(err)
	}
	s := store.New(window)
	if err := s.Open(b.Context(), be); err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Follow(b.Context()) }()
	defer func() { _ = s.Close() }()
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			var a wire.TxnResponse
			key := []byte(fmt.Sprintf("%s-raw/%d", prefix, i))
			if err := be.c.call(b.Context(), wire.MethodTxn, &wire.TxnRequest{Compare: []wire.Compare{{Target: 2, Key: key}},
				Success: []wire.RequestOp{{Put: &wire.PutRequest{Key: key, Value: []byte(etcdtest.Value(i))}}}}, &a, writing); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("commit", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			if _, err := s.Commit(b.Context(), store.Change{Bucket: s.Bucket("things"), Key: fmt.Sprint(b.N, "-", i),
				Next: etcdtest.Draft(i)}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("consistent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Consistent(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, o := range be.Stats().Operations {
		b.Logf("%+v", o)
	}
}
