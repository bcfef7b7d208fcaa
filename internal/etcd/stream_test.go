package etcd

import (
	"errors"
	"io"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
)

// opening opens a stream to a member until the test ends.
func opening(t *testing.T, b *Backend, m *etcdtest.Member, method string, first wire.Message) *stream {
	t.Helper()
	s, err := b.c.open(t.Context(), m.URL, method, first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// received returns the next message of a stream.
func received[T any, M interface {
	*T
	wire.Message
}](t *testing.T, s *stream) *T {
	t.Helper()
	m := M(new(T))
	if err := s.recv(m); err != nil {
		t.Fatal(err)
	}
	return (*T)(m)
}

// TestLeaseCalls: a lease is granted, asked for, kept, and revoked with all of its keys.
func TestLeaseCalls(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := backend(t, c)
	call := func(method string, in, out wire.Message) error {
		return b.c.call(t.Context(), method, in, out, reading)
	}
	left := func(id int64) int64 {
		var a wire.Lease
		if err := call(wire.MethodTTL, &wire.LeaseID{ID: id}, &a); err != nil {
			t.Fatal(err)
		}
		return a.TTL
	}
	var granted wire.Lease
	if err := call(wire.MethodGrant, &wire.LeaseGrantRequest{TTL: 60}, &granted); err != nil || granted.TTL != 60 {
		t.Fatalf("%+v %v", granted, err)
	}
	put := &wire.TxnRequest{Success: []wire.RequestOp{{Put: &wire.PutRequest{Key: []byte("/a"), Lease: granted.ID}}}}
	if err := call(wire.MethodTxn, put, new(wire.TxnResponse)); err != nil {
		t.Fatal(err)
	}
	c.Advance(40 * time.Second)
	if got := left(granted.ID); got != 20 {
		t.Errorf("%d s are left", got)
	}
	s := opening(t, b, c.Members[0], wire.MethodKeep, &wire.LeaseID{ID: granted.ID})
	if a := received[wire.Lease](t, s); a.TTL != 60 || a.ID != granted.ID || left(granted.ID) != 60 {
		t.Errorf("kept: %+v", a)
	}
	s.send(&wire.LeaseID{ID: 77})
	if a := received[wire.Lease](t, s); a.TTL != 0 {
		t.Errorf("one that is not there: %+v", a)
	}
	if err := call(wire.MethodRevoke, &wire.LeaseID{ID: granted.ID}, new(wire.HeaderOnly)); err != nil || c.Get("/a") != nil || left(granted.ID) != -1 {
		t.Errorf("revoked: %v", err)
	}
	if err := call(wire.MethodRevoke, &wire.LeaseID{ID: granted.ID}, new(wire.HeaderOnly)); !says(err, wire.TextLeaseNotFound) {
		t.Errorf("revoked again: %v", err)
	}
}

// TestWatchCalls: several watches share a stream; each is created, canceled, and asked for its progress.
func TestWatchCalls(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := backend(t, c)
	first := &wire.WatchRequest{Create: &wire.WatchCreate{Key: []byte("/a"), StartRevision: 2}}
	s := opening(t, b, c.Members[0], wire.MethodWatch, first)
	next := func() *wire.WatchResponse { return received[wire.WatchResponse](t, s) }
	if a := next(); !a.Created || a.WatchID != 0 {
		t.Errorf("%+v", a)
	}
	s.send(&wire.WatchRequest{Create: &wire.WatchCreate{Key: []byte("/b"), RangeEnd: []byte("/c")}})
	if a := next(); !a.Created || a.WatchID != 1 {
		t.Errorf("%+v", a)
	}
	rev := c.Write(map[string]string{"/a": "1", "/ab": "1", "/bb": "1", "/c": "1"})
	for id, key := range []string{"/a", "/bb"} {
		if a := next(); a.WatchID != int64(id) || len(a.Events) != 1 || string(a.Events[0].KV.Key) != key || a.Events[0].KV.ModRevision != rev {
			t.Errorf("%+v", a)
		}
	}
	s.send(&wire.WatchRequest{Progress: &wire.Empty{}})
	if a := next(); a.WatchID != -1 || len(a.Events) != 0 || a.Header.Revision != rev {
		t.Errorf("progress: %+v", a)
	}
	s.send(&wire.WatchRequest{Cancel: &wire.WatchCancel{WatchID: 0}})
	if a := next(); a.WatchID != 0 || !a.Canceled || a.CompactRevision != 0 {
		t.Errorf("%+v", a)
	}
	c.Write(map[string]string{"/a": "2", "/bb": "2"})
	if a := next(); a.WatchID != 1 {
		t.Errorf("%+v", a)
	}
	// The end of the client's side is the end of the stream.
	_ = s.out.Close()
	if err := s.recv(new(wire.WatchResponse)); !HasCode(err, wire.Unavailable) {
		t.Errorf("at the end: %v", err)
	}
}

// TestQueue: a queue gives what was put in, and ends.
func TestQueue(t *testing.T) {
	q := newQueue()
	q.put([]byte("abc"))
	p := make([]byte, 2)
	for _, want := range []string{"ab", "c"} {
		if n, err := q.Read(p); err != nil || string(p[:n]) != want {
			t.Errorf("got %q %v", p[:n], err)
		}
	}
	read := make(chan error)
	go func() { _, err := q.Read(p); read <- err }()
	_ = q.Close()
	if err := <-read; !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
