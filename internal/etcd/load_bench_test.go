package etcd

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// BenchmarkLoad measures how long 20,000 objects of 1.5 kB take to come, from an etcd in memory or
// from the real one at $ETCD_URL.
func BenchmarkLoad(b *testing.B) {
	const objects, batch = 20_000, 100
	url := os.Getenv("ETCD_URL")
	if url == "" {
		url = etcdtest.Start(b, 1).URLs()[0]
	}
	prefix := fmt.Sprintf("/load-%d", time.Now().UnixNano())
	be, err := Open(b.Context(), Config{Servers: []string{url}, Prefix: prefix, Codec: etcdtest.Codec{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = be.Close() })
	d := store.Encode(map[string]any{"data": strings.Repeat("x", 1400), "metadata": map[string]any{"name": "x"}}, nil)
	value, err := etcdtest.Codec{}.Encode("things", "a", &d)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < objects; i += batch {
		var t wire.TxnRequest
		for n := range batch {
			put := &wire.PutRequest{Key: fmt.Appendf(nil, "%s/things/%06d", prefix, i+n), Value: value}
			t.Success = append(t.Success, wire.RequestOp{Put: put})
		}
		if err := be.c.call(b.Context(), wire.MethodTxn, &t, new(wire.TxnResponse), writing); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(objects * len(value)))
	for b.Loop() {
		s := store.New(window)
		if err := s.Open(b.Context(), be); err != nil {
			b.Fatal(err)
		}
		if sn := s.Bucket("things").Now(); sn.Count() != objects {
			b.Fatalf("%d objects", sn.Count())
		}
	}
}
