package backend

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endpointAt is a slice with one endpoint of the service plain.
func endpointAt(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return `{metadata: {namespace: ns, name: a, labels: {kubernetes.io/service-name: plain}}, addressType: IPv4, ports: [{name: web, port: ` +
		port + `}], endpoints: [{addresses: ["` + host + `"]}]}`
}

// plainAt gives the service plain an address and an endpoint, and returns it as a target.
func plainAt(t testing.TB, o *objects, at, endpoint string) Target {
	host, port, _ := net.SplitHostPort(at)
	o.put(t, "services", strings.ReplaceAll(strings.ReplaceAll(servicesYAML, "10.0.0.7", host), "port: 443}, {", "port: "+port+"}, {"))
	o.put(t, "endpointslices.discovery.k8s.io", endpointAt(endpoint))
	n, _ := strconv.ParseInt(port, 10, 64)
	return Target{Service: Service{Namespace: "ns", Name: "plain", Port: n}}
}

// TestBeside reaches a service whose address leads nowhere by its endpoint, at once from the second connection on.
// The address is one of this machine at which nobody listens, or one that swallows all that is sent to it.
func TestBeside(t *testing.T) {
	ca := newAuthority(t, "ca")
	endpoint := ca.serve(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") }, "plain.ns.svc")
	for name, full := range map[string]bool{"refused": false, "swallowed": true} {
		t.Run(name, func(t *testing.T) {
			o, at := cluster(t), deadPort(t)
			if full {
				at = fullPort(t)
			}
			target := plainAt(t, o, at, endpoint)
			target.CABundle = ca.pem
			b := New(Config{Objects: o}).Use(ValidatingWebhook, "c/w", target)
			var took []time.Duration
			for range 10 {
				began := time.Now()
				if got, err := ask(t, within(t, time.Minute), b, 9); err != nil {
					t.Fatal(got, err)
				}
				took = append(took, time.Since(began))
			}
			// On a busy machine a call may take as long by itself, but not each of them.
			if slices.Min(took[1:]) > headStart {
				t.Errorf("calls took %v: the address was tried again", took)
			}
			if r := b.Report(); r.Address != endpoint {
				t.Errorf("shown is %s, want the endpoint %s", r.Address, endpoint)
			}
			// It is known of the address, so a change of something else does not forget it.
			o.put(t, "other", "")
			if _, err := b.Resolve(); err != nil || !b.found.Load().direct.Load() {
				t.Errorf("forgotten, %v", err)
			}
		})
	}
}

// TestBesideNobody says what is wrong with the address where the endpoint is no better, and does not try long.
func TestBesideNobody(t *testing.T) {
	o, at := cluster(t), deadPort(t)
	target := plainAt(t, o, at, deadPort(t))
	b := New(Config{Objects: o}).Use(ValidatingWebhook, "c/w", target)
	_, err := ask(t, within(t, time.Minute), b, 9)
	if want := "dial tcp " + at + ": connect: connection refused"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestRealServiceAddress dials the address of a service where it can be reached, whatever endpoints there are.
func TestRealServiceAddress(t *testing.T) {
	ca := newAuthority(t, "ca")
	at := ca.serve(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "by address") }, "plain.ns.svc")
	o := cluster(t)
	target := plainAt(t, o, at, deadPort(t))
	target.CABundle = ca.pem
	b := New(Config{Objects: o}).Use(ValidatingWebhook, "c/w", target)
	if got, err := ask(t, within(t, time.Minute), b, 99); got != "OK by address" {
		t.Error(got, err)
	}
}

// deadPort returns an address of this machine at which nobody listens.
func deadPort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

// fullPort returns an address that answers nothing: the rest of a range that is kept for documents, and is routed nowhere
// or into the void.
func fullPort(testing.TB) string { return "192.0.2.1:443" }

// TestRefused dials nobody at an address that stands for no host, is of the link, or the program refuses.
func TestRefused(t *testing.T) {
	own := netip.MustParseAddrPort("127.0.0.1:6443")
	s := New(Config{Objects: cluster(t), Self: own.String, Refuse: func(to netip.AddrPort) error {
		if to == own {
			return errors.New("this server listens there")
		}
		return nil
	}})
	for _, row := range []struct{ url, want string }{
		{"https://0.0.0.0:443", "dial tcp 0.0.0.0:443: refused to dial 0.0.0.0: it stands for no host"},
		{"https://[::]:443", "refused to dial ::: it stands for no host"},
		{"https://169.254.169.254", "dial tcp 169.254.169.254:443: refused to dial 169.254.169.254: it is an address of the link"},
		{"https://[::ffff:169.254.169.254]", "refused to dial 169.254.169.254: it is an address of the link"},
		{"https://[fe80::1%25lo]:443", "it is an address of the link"},
		{"https://224.0.0.1", "it is an address of the link"},
		{"https://127.0.0.1:6443", "refused to dial 127.0.0.1:6443: this server listens there"},
		{"https://[::ffff:127.0.0.1]:6443", "this server listens there"},
	} {
		b := s.Use(ValidatingWebhook, "c/w", Target{URL: row.url})
		if _, err := ask(t, within(t, time.Minute), b, 9); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.url, err, row.want)
		}
	}
	// By its own name the server may be asked.
	b := s.Use(ValidatingWebhook, "self", Target{Service: Service{Namespace: "default", Name: "kubernetes"}})
	if _, err := ask(t, within(t, time.Minute), b, 9); err == nil || strings.Contains(err.Error(), "refused to dial") {
		t.Errorf("got %v, want an attempt", err)
	}
}

// TestNameChanges asks a name that changes with each look: what was judged is what is dialled, so a name that stands
// for a good address first and for a bad one then is refused, and never followed.
func TestNameChanges(t *testing.T) {
	ca := newAuthority(t, "ca")
	var asked atomic.Int32
	good := ca.serve(func(http.ResponseWriter, *http.Request) { asked.Add(1) }, "moving.example.com")
	_, port, _ := net.SplitHostPort(good)
	var looks atomic.Int32
	s := New(Config{})
	s.resolver = nameServer(t, func() [4]byte {
		if looks.Add(1) == 1 {
			return [4]byte{127, 0, 0, 1}
		}
		return [4]byte{169, 254, 169, 254}
	})
	b := s.Use(ValidatingWebhook, "c/w", Target{URL: "https://moving.example.com:" + port, CABundle: ca.pem})
	if got, err := ask(t, within(t, time.Minute), b, 9); err != nil {
		t.Fatal(got, err)
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("looked up %d times for one connection", n)
	}
	b.link.Load().close()
	if _, err := ask(t, within(t, time.Minute), b, 9); err == nil || !strings.Contains(err.Error(), "refused to dial 169.254.169.254") {
		t.Errorf("got %v", err)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// nameServer returns a resolver that answers each question for an IPv4 address with what f says, and has no others.
func nameServer(t testing.TB, f func() [4]byte) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	t.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12
			for end < n && b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5 // the root, the type and the class
			answer := append([]byte{}, b[:end]...)
			answer[2], answer[3] = 0x81, 0x80
			copy(answer[6:12], []byte{0, 0, 0, 0, 0, 0})
			if binary.BigEndian.Uint16(b[end-4:]) == 1 {
				ip := f()
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, ip[:]...)
			}
			_, _ = c.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}
