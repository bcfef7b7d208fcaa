package backend

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAsk asks a webhook by URL: what goes out, what comes back, and what is reused.
func TestAsk(t *testing.T) {
	ca := newAuthority(t, "ca")
	var remotes []string
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) {
		remotes = append(remotes, r.RemoteAddr)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s %v", r.Method, r.Host, r.URL, body, r.UserAgent(), r.Header["Authorization"])
	})
	s := New(Config{})
	b := s.Use(ValidatingWebhook, "c/w", Target{URL: "https://" + address + "/check", CABundle: ca.pem})
	for range 3 {
		got, err := ask(t, within(t, time.Minute), b, 1<<20)
		if want := `OK POST ` + address + ` /check {"a":1} kube-apiserver-admission []`; got != want || err != nil {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
	if remotes[0] != remotes[2] {
		t.Errorf("each call had a connection of its own: %v", remotes)
	}
}

// TestProtocol asks each kind of backend, by name and by address of this machine: upstream speaks HTTP/2 to webhooks
// there and to aggregated servers, and 1.1 to all other webhooks.
func TestProtocol(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto, " ", r.Host) }, "127.0.0.1", "localhost", "web.ns.svc")
	_, port, _ := net.SplitHostPort(address)
	service := Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem}
	for _, row := range []struct {
		kind   Kind
		target Target
		want   string
	}{
		{ValidatingWebhook, Target{URL: "https://" + address, CABundle: ca.pem}, "HTTP/2.0 " + address},
		{MutatingWebhook, Target{URL: "https://LocalHost:" + port, CABundle: ca.pem}, "HTTP/2.0 LocalHost:" + port},
		{ConversionWebhook, service, "HTTP/1.1 web.ns.svc:443"},
		{APIServer, service, "HTTP/2.0 " + address},
	} {
		s := New(Config{Resolve: map[string]string{"web.ns": address}})
		b := s.Use(row.kind, "x", row.target)
		if got, err := ask(t, within(t, time.Minute), b, 1<<20); got != "OK "+row.want {
			t.Errorf("%s %v: got %q, %v, want %q", row.kind, row.target.URL, got, err, row.want)
		}
	}
}

// TestRoundTrip streams an answer, and changes nothing of the request.
func TestRoundTrip(t *testing.T) {
	ca := newAuthority(t, "ca")
	more := make(chan bool)
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "first")
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprintln(w, "second")
	}, "api.ns.svc")
	b := New(Config{Resolve: map[string]string{"api.ns": address}}).Use(APIServer, "v1.g", Target{Service: Service{Namespace: "ns", Name: "api"}, CABundle: ca.pem})
	r, _ := http.NewRequestWithContext(within(t, time.Minute), "GET", b.BaseURL()+"/apis", nil)
	res, err := b.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); line != "first\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	close(more)
	if line, err := lines.ReadString('\n'); line != "second\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if r.URL.Host != "api.ns.svc:443" || r.Host != "api.ns.svc:443" || len(r.Header) != 0 {
		t.Errorf("the request was changed: %v %v %v", r.URL, r.Host, r.Header)
	}
}

// TestDial gives out connections that speak HTTP/1.1 behind TLS, by service and by URL.
func TestDial(t *testing.T) {
	ca := newAuthority(t, "ca")
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) {
		c, rest, _ := w.(http.Hijacker).Hijack()
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, rest)
	}, "127.0.0.1", "api.ns.svc")
	s := New(Config{Resolve: map[string]string{"api.ns": address}})
	for _, target := range []Target{
		{Service: Service{Namespace: "ns", Name: "api"}, CABundle: ca.pem},
		{URL: "https://" + address, CABundle: ca.pem},
	} {
		b := s.Use(APIServer, "v1.g", target)
		c, err := b.Dial(within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
		all := bufio.NewReader(c)
		var last string
		for range 5 {
			last, err = all.ReadString('\n')
		}
		if last != "hello\n" {
			t.Errorf("%v: got %q, %v", target, last, err)
		}
		_ = c.Close()
		if r := b.Report(); r.Calls != 1 || r.State != Answering {
			t.Errorf("counted %+v", r)
		}
	}
	other := New(Config{}).Use(APIServer, "v1.g", Target{URL: "https://" + address, CABundle: newAuthority(t, "other").pem})
	if _, err := other.Dial(within(t, time.Minute)); err == nil || !strings.Contains(err.Error(), "signed by unknown authority") {
		t.Errorf("a stranger's certificate: %v", err)
	}
}

// hang answers never. The body is read, so that the server notices that the client leaves.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// TestAttacks asks backends that mean no good. Each call ends in time, with an error that says what was wrong or with
// the answer as it is, and nothing of it stays.
func TestAttacks(t *testing.T) {
	ca := newAuthority(t, "ca")
	evil := newAuthority(t, "evil")
	const most = 64 << 10
	var redirected atomic.Bool
	other := ca.serve(func(http.ResponseWriter, *http.Request) { redirected.Store(true) })
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range 10 << 10 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		within  time.Duration
		ca      *authority
		names   []string
		want    string // of the answer or the error
	}{
		{"hangs", hang, 100 * time.Millisecond, ca, nil, "context deadline exceeded"},
		{"trickles", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				w.(http.Flusher).Flush()
				select {
				case <-time.After(5 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
		}, 100 * time.Millisecond, ca, nil, "context deadline exceeded"},
		{"resets", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, time.Minute, ca, nil, "EOF"},
		{"closes", raw(""), time.Minute, ca, nil, "EOF"},
		{"garbage", raw("\x00\xff\r\n\r\n"), time.Minute, ca, nil, "malformed HTTP response"},
		{"half a body", raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), time.Minute, ca, nil, "unexpected EOF"},
		{"says 10 GB", raw("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nabc"), time.Minute, ca, nil, "the answer has more than 65536 bytes"},
		{"sends 10 GB", endless, time.Minute, ca, nil, "the answer has more than 65536 bytes"},
		{"header without end", raw("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 2<<20)), time.Minute, ca, nil, "server response headers exceeded"},
		{"bomb", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			block := make([]byte, 1<<20)
			for range 64 {
				_, _ = z.Write(block)
			}
			_ = z.Close()
		}, time.Minute, ca, nil, "the answer has more than 65536 bytes"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+other, http.StatusTemporaryRedirect)
		}, time.Minute, ca, nil, "Temporary Redirect"},
		{"of another authority", endless, time.Minute, evil, nil, "x509: certificate signed by unknown authority"},
		{"of another name", endless, time.Minute, ca, []string{"other.ns.svc"}, "x509: certificate is valid for other.ns.svc, not web.ns.svc"},
	} {
		t.Run(row.name, func(t *testing.T) {
			names := row.names
			if names == nil {
				names = []string{"web.ns.svc"}
			}
			s := New(Config{Resolve: map[string]string{"web.ns": row.ca.serve(row.handler, names...)}})
			b := s.Use(ValidatingWebhook, "c/w", Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem})
			began := time.Now()
			got, err := ask(t, within(t, row.within), b, most)
			if text := fmt.Sprint(got, " ", err); !strings.Contains(text, row.want) {
				t.Errorf("got %q, want %q", text, row.want)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if r := b.Report(); err != nil && (r.Failures != 1 || r.State != Failing || r.LastFailure == nil) {
				t.Errorf("counted %+v", r)
			}
		})
	}
	if redirected.Load() {
		t.Error("a redirect was followed")
	}
}

// TestIntercept lets a call fail, and holds it until its context ends.
func TestIntercept(t *testing.T) {
	var answer error
	s := New(Config{Intercept: func(ctx context.Context, b *Backend) error {
		if b.Name != "c/w" {
			t.Errorf("asked about %q", b.Name)
		}
		if answer == nil {
			<-ctx.Done()
			return ctx.Err()
		}
		return answer
	}})
	b := s.Use(MutatingWebhook, "c/w", Target{URL: "https://127.0.0.1:1"})
	answer = errors.New("a fault")
	if _, err := ask(t, within(t, time.Minute), b, 1); err == nil || err.Error() != `Post "https://127.0.0.1:1": a fault` {
		t.Errorf("got %v", err)
	}
	if _, err := b.Dial(within(t, time.Minute)); !errors.Is(err, answer) {
		t.Errorf("dial: got %v", err)
	}
	answer = nil
	if _, err := ask(t, within(t, time.Millisecond), b, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("held: got %v", err)
	}
}

// TestCallerLeaves counts no failure for a caller that does not wait.
func TestCallerLeaves(t *testing.T) {
	ca := newAuthority(t, "ca")
	here := make(chan bool)
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) { here <- true; hang(w, r) })
	b := New(Config{}).Use(ValidatingWebhook, "c/w", Target{URL: "https://" + address, CABundle: ca.pem})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-here; cancel() }()
	if _, err := ask(t, ctx, b, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r := b.Report(); r.Calls != 1 || r.Failures != 0 {
		t.Errorf("counted %+v", r)
	}
}

// BenchmarkAsk is what a call of a webhook costs over loopback TLS, both sides, by protocol.
func BenchmarkAsk(b *testing.B) {
	ca := newAuthority(b, "ca")
	answer := []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"1","allowed":true}}`)
	address := ca.serve(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(answer)
	}, "127.0.0.1", "web.ns.svc")
	body := strings.Repeat("x", 2000)
	s := New(Config{Resolve: map[string]string{"web.ns": address}})
	for _, row := range []struct {
		name   string
		target Target
	}{
		{"http1", Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem}},
		{"http2", Target{URL: "https://" + address, CABundle: ca.pem}},
	} {
		hook := s.Use(ValidatingWebhook, row.name, row.target)
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, _ := http.NewRequestWithContext(b.Context(), "POST", hook.BaseURL(), strings.NewReader(body))
				if code, _, got, err := hook.Ask(b.Context(), r, 1<<20); code != 200 || len(got) != len(answer) {
					b.Fatal(code, err)
				}
			}
		})
	}
}
