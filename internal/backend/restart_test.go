package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ways are the two ways by which backends are asked: a webhook over a wire, an aggregated server by the transport.
var ways = []Kind{ValidatingWebhook, APIServer}

// restartable is a server that can go away and come back at the same address.
type restartable struct {
	t       testing.TB
	conf    *tls.Config
	address string
	server  *http.Server
	done    chan bool
}

// start serves at the address, or for the first time at any.
func (s *restartable) start() {
	s.t.Helper()
	var l net.Listener
	var err error
	// Who has just left the address may take a moment.
	for deadline := time.Now().Add(time.Minute); ; {
		if l, err = net.Listen("tcp", s.address); err == nil {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
	s.address, s.done = l.Addr().String(), make(chan bool)
	s.server = &http.Server{TLSConfig: s.conf, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})}
	done := s.done
	go func() { _ = s.server.ServeTLS(l, "", ""); close(done) }()
}

// stop ends the server with all its connections, as a crash does.
func (s *restartable) stop() {
	_ = s.server.Close()
	<-s.done
}

// TestRestartUnderLoad: a backend that goes away fails the calls that are made meanwhile, and no call that is made once
// it is back, whatever connections there were.
func TestRestartUnderLoad(t *testing.T) {
	ca := newAuthority(t, "ca")
	for _, kind := range ways {
		t.Run(string(kind), func(t *testing.T) {
			server := &restartable{t: t, conf: &tls.Config{Certificates: []tls.Certificate{ca.loaded("server", "web.ns.svc")}}, address: "127.0.0.1:0"}
			server.start()
			s := New(Config{Resolve: map[string]string{"web.ns": server.address}})
			b := s.Use(kind, "x", Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem})
			var ends atomic.Bool
			var turn atomic.Int32 // even: it is up
			var good, bad atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for !ends.Load() {
						before := turn.Load()
						_, err := ask(t, within(t, time.Minute), b, 99)
						// One that began and ended while the server was up was never in danger.
						switch {
						case err == nil:
							good.Add(1)
						case before%2 == 0 && before == turn.Load():
							t.Errorf("while it is up: %v", err)
						default:
							bad.Add(1)
						}
					}
				})
			}
			for range 3 {
				await(t, &good, 40)
				turn.Add(1)
				server.stop()
				await(t, &bad, 1)
				server.start()
				turn.Add(1)
			}
			await(t, &good, 40)
			ends.Store(true)
			all.Wait()
			if r := b.Report(); r.State != Answering || r.Failures == 0 {
				t.Errorf("%+v", r)
			}
			s.Drop(kind, "x")
			server.stop()
		})
	}
}

// await waits until n has grown by more.
func await(t testing.TB, n *atomic.Int32, more int32) {
	t.Helper()
	from := n.Load()
	for deadline := time.Now().Add(time.Minute); n.Load() < from+more; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("grew by %d, want %d", n.Load()-from, more)
		}
	}
}

// TestNoHandshake: who takes connections and says nothing is waited for as long as the context goes on.
func TestNoHandshake(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := New(Config{Resolve: map[string]string{"web.ns": l.Addr().String()}})
	for _, kind := range ways {
		b := s.Use(kind, "x", Target{Service: Service{Namespace: "ns", Name: "web"}, InsecureSkipTLSVerify: true})
		began := time.Now()
		if _, err := ask(t, within(t, 50*time.Millisecond), b, 9); !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "context deadline exceeded") {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := b.Dial(within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: dialled with %v", kind, err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: took %v", kind, took)
		}
	}
}

// TestPlainServer: who speaks no TLS is told of in net/http's words.
func TestPlainServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan bool)
	go func() { _ = server.Serve(l); close(done) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	s := New(Config{})
	for _, kind := range ways {
		b := s.Use(kind, "x", Target{URL: "https://" + l.Addr().String()})
		_, err := ask(t, within(t, time.Minute), b, 9)
		if want := fmt.Sprintf("Post \"https://%s\": http: server gave HTTP response to HTTPS client", l.Addr()); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", kind, err, want)
		}
	}
}
