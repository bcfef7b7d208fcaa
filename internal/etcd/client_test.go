package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"apichain/internal/etcd/etcdtest"
	"apichain/internal/etcd/wire"
	"apichain/internal/store"
)

// create is a change that makes an object of a number.
func create(s *store.Store, key string, n int) store.Change {
	return store.Change{Bucket: s.Bucket("things"), Key: key, Next: etcdtest.Draft(n)}
}

func TestConfig(t *testing.T) {
	codec := etcdtest.Codec{}
	for want, conf := range map[string]Config{
		"etcd: no codec is given":                    {Servers: []string{"http://127.0.0.1:1"}},
		"etcd: no server is given":                   {Codec: codec},
		`etcd: "127.0.0.1:1" is not the URL of a `:   {Codec: codec, Servers: []string{"http://127.0.0.1:1", "127.0.0.1:1"}},
		`etcd: "unix:///x" is not the URL of a ser`:  {Codec: codec, Servers: []string{"unix:///x"}},
		`etcd: "http://a:1/path" is not the URL of`:  {Codec: codec, Servers: []string{"http://a:1/path"}},
		`etcd: "http://a:1/?x=y" is not the URL of`:  {Codec: codec, Servers: []string{"http://a:1/?x=y"}},
		"etcd: the interval of compactions is negat": {Codec: codec, Servers: []string{"http://a:1"}, CompactionInterval: -1},
	} {
		if _, err := Open(t.Context(), conf); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for prefix, want := range map[string]string{"": "/registry", "/": "", "registry": "/registry", "/a/b/": "/a/b"} {
		b, err := Open(t.Context(), Config{Codec: codec, Servers: []string{"http://127.0.0.1:1/"}, Prefix: prefix})
		if err != nil || b.prefix != want {
			t.Errorf("prefix %q: %v, %v", prefix, b, err)
		}
		_ = b.Close()
	}
}

// TestErrors: what etcd refuses is told with its code and text, and is certainly not done or may
// have been.
func TestErrors(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := backend(t, c)
	s := store.New(window)
	for _, e := range []struct {
		code     wire.Code
		message  string
		want     string
		maybe    bool
		attempts int
	}{
		{wire.ResourceExhausted, wire.TextNoSpace, "etcdserver: mvcc: database space exceeded", false, 1},
		{wire.InvalidArgument, "etcdserver: request is too large", "etcdserver: request is too large", false, 1},
		{wire.PermissionDenied, "etcdserver: permission denied", "etcdserver: permission denied", false, 1},
		{wire.Unavailable, "etcdserver: request timed out", "etcdserver: request timed out", true, 1},
		{wire.Unavailable, "etcdserver: leader changed", "etcdserver: leader changed", true, 1},
		{wire.UnknownCode, "größer\nthan 100%", "rpc error: code = Unknown desc = größer\nthan 100%", true, 1},
		{wire.DeadlineExceeded, "context deadline exceeded", "rpc error: code = DeadlineExceeded desc = context deadline exceeded", true, 1},
		// Nothing was done, so that another attempt succeeds.
		{wire.Unavailable, wire.TextNoLeader, "", false, 2},
		{wire.Unavailable, wire.TextLearner, "", false, 2},
	} {
		before := c.Members[0].Calls(wire.MethodTxn)
		c.Members[0].Inject(wire.MethodTxn, etcdtest.Fault{Code: e.code, Message: e.message})
		rev, err := b.Transact(t.Context(), []store.Change{create(s, fmt.Sprint(e.code, e.message), 1)})
		if n := c.Members[0].Calls(wire.MethodTxn) - before; n != e.attempts {
			t.Errorf("%s: %d attempts", e.message, n)
		}
		if e.want == "" {
			if err != nil || rev != c.Revision() {
				t.Errorf("%s: at %d, %v", e.message, rev, err)
			}
			continue
		}
		maybe := errors.As(err, new(*Unknown))
		if err == nil || err.Error() != e.want || maybe != e.maybe || !HasCode(err, e.code) {
			t.Errorf("%s: %v, unknown is %v", e.message, err, maybe)
		}
	}
	if n := len(b.own.byPath); n != 2 {
		t.Errorf("%d writes are awaited, and only two were made", n)
	}
}

// TestLostAnswer: a transaction that may have been made is never sent again, however its answer was lost.
func TestLostAnswer(t *testing.T) {
	for name, f := range map[string]etcdtest.Fault{"stream": {Lost: true}, "connection": {Dropped: true}} {
		c := etcdtest.Start(t, 2)
		for _, m := range c.Members {
			m.Inject(wire.MethodTxn, f)
		}
		b := backend(t, c)
		s := opened(t, b)
		_, err := s.Commit(t.Context(), create(s, "a", 1))
		if !errors.As(err, new(*Unknown)) || !HasCode(err, wire.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if n := c.Members[0].Calls(wire.MethodTxn) + c.Members[1].Calls(wire.MethodTxn); n != 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
		// It was made, and everybody sees it.
		eventually(t, "the write is there", func() bool { sn := s.Bucket("things").Now(); return etcdtest.Number(sn.Get("a")) == 1 })
	}
}

// TestDeadline: an answer that is held is awaited until the writer's deadline, and its outcome is
// unknown then.
func TestDeadline(t *testing.T) {
	c := etcdtest.Start(t, 1)
	b := backend(t, c)
	s := store.New(window)
	hold := make(chan struct{})
	c.Members[0].Inject(wire.MethodTxn, etcdtest.Fault{Hold: hold})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.Transact(ctx, []store.Change{create(s, "a", 1)})
	if !errors.As(err, new(*Unknown)) || !errors.Is(err, context.DeadlineExceeded) || err.Error() != "context deadline exceeded" {
		t.Errorf("%v", err)
	}
	close(hold)
	if c.Get("/registry/things/a") == nil {
		t.Error("it was not made")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := b.Newest(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a question after the end: %v", err)
	}
}

// TestServersInTurn: what can be done elsewhere is, whether a member is away, without a leader, or
// says so.
func TestServersInTurn(t *testing.T) {
	c := etcdtest.Start(t, 3)
	b := backend(t, c)
	s := store.New(window)
	c.Members[0].Stop()
	c.Members[1].SetQuorum(false)
	if _, err := b.Transact(t.Context(), []store.Change{create(s, "a", 1)}); err != nil {
		t.Errorf("a write: %v", err)
	}
	if got := b.Stats().Server; got != c.Members[2].URL {
		t.Errorf("in use is %s", got)
	}
	c.Members[2].Inject(wire.MethodRange, etcdtest.Fault{Code: wire.Unavailable, Message: "etcdserver: leader changed"})
	c.Members[1].SetQuorum(true)
	if rev, err := b.Newest(t.Context()); err != nil || rev != c.Revision() {
		t.Errorf("a question: %d %v", rev, err)
	}
	for _, m := range c.Members {
		m.Stop()
	}
	// What is sent before the end of the last connection is noticed may have been made, for all we know.
	var err error
	eventually(t, "the members are found to be away", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err = b.Transact(ctx, []store.Change{create(s, "b", 1)})
		return !errors.As(err, new(*Unknown))
	})
	if err == nil || errors.As(err, new(*Unknown)) || !errors.Is(err, context.DeadlineExceeded) || !HasCode(err, wire.Unavailable) ||
		err.Error() != "context deadline exceeded" {
		t.Errorf("with no member: %v", err)
	}
	if err := c.Members[1].Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Transact(t.Context(), []store.Change{create(s, "b", 1)}); err != nil {
		t.Errorf("with one again: %v", err)
	}
}

// TestAwayAtStart: Load waits for etcd until its deadline, and says what is wrong.
func TestAwayAtStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	b, err := Open(t.Context(), Config{Servers: []string{url}, Codec: etcdtest.Codec{}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := store.New(window).Open(ctx, b); err == nil || !strings.HasPrefix(err.Error(),
		"etcd at "+url+": context deadline exceeded, after: ") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}

// TestNotEtcd: what answers in another way is told as what it is.
func TestNotEtcd(t *testing.T) {
	var answer atomic.Value
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer.Load().(func(http.ResponseWriter))(w)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	cl, err := newClient(Config{Servers: []string{srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.close()
	grpc := func(status, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/grpc+proto")
			w.WriteHeader(200)
			_, _ = w.Write([]byte(body))
			if status != "" {
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
			}
		}
	}
	whole := string(wire.Frame(nil, &wire.Lease{ID: 1}))
	for want, f := range map[string]func(http.ResponseWriter){
		"": grpc("0", whole),
		"server: 200 (OK), content type \"text/html\"": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
		},
		"code = Unknown desc = unexpected HTTP status code received from server: 404":     func(w http.ResponseWriter) { w.WriteHeader(404) },
		"code = Unavailable desc = unexpected HTTP status code received from server: 503": func(w http.ResponseWriter) { w.WriteHeader(503) },
		"code = Internal desc = malformed grpc-status: x":                                 grpc("x", whole),
		"code = Code(99) desc = ":                                             grpc("99", ""),
		"code = Unavailable desc = error reading from server: EOF":            grpc("", whole),
		"code = Unavailable desc = error reading from server: unexpected EOF": grpc("0", whole[:6]),
		"code = Internal desc = no message where one was to come":             grpc("0", ""),
		"a second message":     grpc("0", whole+string(wire.Frame(nil, &wire.Empty{}))),
		"message is truncated": grpc("0", "\x00\x00\x00\x00\x01\x08"),
		"larger than max":      grpc("0", "\x00\x7f\x00\x00\x01\x08"),
		"code = NotFound desc = etc, and so on": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", wire.ContentType)
			w.Header().Set("Grpc-Status", "5")
			w.Header().Set("Grpc-Message", "etc%2C and so on")
		},
	} {
		answer.Store(f)
		err := cl.once(t.Context(), cl.servers[0], wire.MethodGrant, wire.Frame(nil, &wire.Empty{}), new(wire.Lease))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTLS: an https server is spoken to with the certificates of the Config.
func TestTLS(t *testing.T) {
	c := etcdtest.Start(t, 1)
	srv := httptest.NewUnstartedServer(c.Members[0])
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // a client will not trust it
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close) // after all clients
	conf := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: srv.TLS.Certificates, ServerName: "example.com"}
	conf.RootCAs.AddCert(srv.Certificate())
	b := backend(t, c, func(c *Config) { c.Servers, c.TLS = []string{srv.URL}, conf })
	s := opened(t, b)
	if _, err := s.Commit(t.Context(), create(s, "a", 1)); err != nil {
		t.Error(err)
	}
	bad := backend(t, c, func(c *Config) { c.Servers = []string{srv.URL} })
	err := bad.c.once(t.Context(), srv.URL, wire.MethodTxn, wire.Frame(nil, &wire.TxnRequest{}), new(wire.TxnResponse))
	if err == nil || !strings.Contains(err.Error(), "certificate") || !refused(err) {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// TestAwayUntilDeadline: as long as etcd is away, a read and a write wait for their deadlines, as
// upstream's do, and not for less; one that comes back in time serves them.
func TestAwayUntilDeadline(t *testing.T) {
	c := etcdtest.Start(t, 1)
	s := opened(t, backend(t, c))
	// Nothing is under way that could be sent without being noticed.
	c.Members[0].Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Consistent(ctx); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
		t.Errorf("a read: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), within)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Consistent(ctx); err != nil {
			t.Errorf("a read that waits: %v", err)
		}
	})
	all.Go(func() {
		if _, err := s.Commit(ctx, create(s, "a", 1)); err != nil {
			t.Errorf("a write that waits: %v", err)
		}
	})
	if err := c.Members[0].Start(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
}
