package backend

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a server that answers each request with the next text, byte for byte. A text that ends in "…" is followed
// by an end of the connection.
func scripted(t testing.TB, ca *authority, texts ...string) (address string, connections *atomic.Int32) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.loaded("server", "web.ns.svc")}})
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int32{}
	next := make(chan string, len(texts))
	for _, text := range texts {
		next <- text
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			all.Go(func() {
				defer c.Close()
				for in := bufio.NewReader(c); ; {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					text, ends := strings.CutSuffix(<-next, "…")
					if _, err := io.WriteString(c, text); err != nil || ends {
						return
					}
				}
			})
		}
	})
	return l.Addr().String(), connections
}

// hook returns a webhook at an address, by a service, so that it is asked over a wire.
func hook(s *Set, ca *authority, address string) *Backend {
	ca.t.Cleanup(func() { s.Drop(ValidatingWebhook, "c/w") })
	s.config.Resolve = map[string]string{"web.ns": address}
	return s.Use(ValidatingWebhook, "c/w", Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem})
}

// TestWireAnswers reads answers of every form one after the other, and uses a connection again exactly where nothing is
// left of the answer.
func TestWireAnswers(t *testing.T) {
	ca := newAuthority(t, "ca")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("packed"))
	_ = z.Close()
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for _, row := range []struct {
		name, text, want string
		reused           bool
	}{
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "OK a", true},
		{"no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "OK ", true},
		{"none allowed", "HTTP/1.1 204 No Content\r\n\r\n", "No Content ", true},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("ab") + chunk("c") + "0\r\n\r\n", "OK abc", true},
		{"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("ab") + "0\r\nA: b\r\n\r\n", "OK ab", true},
		{"packed, a length", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()), "OK packed", true},
		{"packed, chunks", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(packed.String()) + "0\r\n\r\n", "OK packed", true},
		{"interim", "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + ok, "OK ok", true},
		{"says close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", "OK a", false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "OK a", false},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nall…", "OK all", false},
		{"one more answer", ok + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "OK ok", false},
		{"not packed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789", "gzip: invalid header", false},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "Switching Protocols ", false},
		{"interim for ever", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10), "too many 1xx", false},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le…", "net/http: HTTP/1.x transport connection broken: malformed MIME header", false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "connection broken: http: message cannot contain multiple Content-Length headers", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca := &authority{t, ca.cert, ca.key, ca.pem}
			address, connections := scripted(t, ca, row.text, ok)
			b := hook(New(Config{}), ca, address)
			got, err := ask(t, within(t, time.Minute), b, 99)
			if text := fmt.Sprint(got, err); !strings.Contains(text, row.want) || err == nil && got != row.want {
				t.Errorf("got %q, %v, want %q", got, err, row.want)
			}
			if got, err := ask(t, within(t, time.Minute), b, 99); got != "OK ok" {
				t.Errorf("then got %q, %v", got, err)
			}
			if n := connections.Load(); (n == 1) != row.reused {
				t.Errorf("%d connections, reused should be %v", n, row.reused)
			}
		})
	}
}

// TestWireOfRestartedServer asks a server that closes its connections after each answer, with no word of it in the
// header: the next call finds out before it sends anything.
func TestWireOfRestartedServer(t *testing.T) {
	ca := newAuthority(t, "ca")
	server := ca.server(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") }, "web.ns.svc")
	b := hook(New(Config{}), ca, server.Listener.Addr().String())
	for i := range 20 {
		if got, err := ask(t, within(t, time.Minute), b, 9); got != "OK ok" {
			t.Fatalf("call %d: %q, %v", i, got, err)
		}
		server.CloseClientConnections()
		// The end has arrived when the idle connection is not quiet any more.
		l := b.link.Load().wire
		for deadline := time.Now().Add(time.Minute); isQuiet(l.list()[0].raw); {
			if time.Now().After(deadline) {
				t.Fatal("the end does not arrive")
			}
		}
	}
	if r := b.Report(); r.Failures != 0 || r.Calls != 20 {
		t.Errorf("%+v", r)
	}
}

// TestWireEarlyAnswer: who refuses a long body without reading it is heard.
func TestWireEarlyAnswer(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}, "web.ns.svc")
	b := hook(New(Config{}), ca, address)
	for range 10 {
		r, _ := http.NewRequest("POST", b.BaseURL(), strings.NewReader(strings.Repeat("x", 100<<10)))
		if code, _, _, err := b.Ask(t.Context(), r, 9); code != http.StatusRequestEntityTooLarge {
			t.Error(code, err)
		}
	}
}

// TestWireTogether asks by many at once: no more connections than callers, and none is lost.
func TestWireTogether(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }, "web.ns.svc")
	s := New(Config{})
	b := hook(s, ca, address)
	const callers = 8
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for k := range 50 {
				text := fmt.Sprint(i, ":", k)
				r, _ := http.NewRequest("POST", b.BaseURL(), strings.NewReader(text))
				if code, _, body, err := b.Ask(t.Context(), r, 99); code != 200 || string(body) != text {
					t.Errorf("%s: %d %s %v", text, code, body, err)
				}
			}
		})
	}
	all.Wait()
	if n := b.Report().Connections; n < 1 || n > callers {
		t.Errorf("%d connections for %d callers", n, callers)
	}
	s.Drop(ValidatingWebhook, "c/w")
	if n := b.Report().Connections; n != 0 {
		t.Errorf("%d connections of a backend that is gone", n)
	}
}

// TestWireLeaves: a caller whose time is over leaves at once, whatever the other side does, and its connection is closed.
func TestWireLeaves(t *testing.T) {
	ca := newAuthority(t, "ca")
	b := hook(New(Config{}), ca, ca.serve(hang, "web.ns.svc"))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := ask(t, ctx, b, 9); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := ask(t, within(t, 20*time.Millisecond), b, 9); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	// Before there is a connection, too.
	if _, err := ask(t, ctx, b, 9); !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), ": context canceled") {
		t.Errorf("got %v", err)
	}
	if n := b.Report().Connections; n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

// list returns what is idle.
func (w *wire) list() []*wireConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.idle)
}

// TestWireIdle closes what is idle for long, and no other.
func TestWireIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{conf: &tls.Config{}}
		open := func() *wireConn {
			here, there := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, there) }()
			return &wireConn{Conn: tls.Client(here, w.conf), raw: here, address: "a"}
		}
		first, second := open(), open()
		w.put(first)
		time.Sleep(idleTime / 2)
		w.put(second)
		time.Sleep(idleTime/2 + time.Second)
		synctest.Wait()
		if idle := w.list(); len(idle) != 1 || idle[0] != second {
			t.Errorf("idle are %d", len(idle))
		}
		if _, err := first.raw.Write([]byte("x")); err == nil {
			t.Error("the first one is open")
		}
		time.Sleep(idleTime)
		synctest.Wait()
		if len(w.list()) != 0 {
			t.Error("the second one is kept")
		}
		w.put(open())
		w.close()
		w.put(open())
		if len(w.list()) != 0 {
			t.Error("one is kept after the end")
		}
	})
}

// FuzzWire answers with any bytes: the call ends, and its error or its answer is one that net/http would have read.
func FuzzWire(f *testing.F) {
	ca := newAuthority(f, "ca")
	var answer atomic.Value // a string
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.loaded("server", "web.ns.svc")}})
	if err != nil {
		f.Fatal(err)
	}
	var all sync.WaitGroup
	f.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(c, answer.Load().(string))
			}
			_ = c.Close()
		}
	})
	b := hook(New(Config{}), ca, l.Addr().String())
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "", "\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// A call over a connection that is just being closed fails before the server has read it, so that nothing may wait for
		// the server.
		answer.Store(text)
		got, err := ask(t, within(t, time.Minute), b, 1<<10)
		if errors.Is(err, context.DeadlineExceeded) || len(got) > 1<<11 {
			t.Errorf("%q: got %d bytes, %v", text, len(got), err)
		}
	})
}
