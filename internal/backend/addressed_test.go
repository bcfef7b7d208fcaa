package backend

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestAddressed: how a request goes out by kind of target, and that the caller's own stays as it was.
func TestAddressed(t *testing.T) {
	s := New(Config{Resolve: map[string]string{"web.ns": "10.1.0.1:9443"}})
	service, url := Target{Service: Service{Namespace: "ns", Name: "web"}}, Target{URL: "https://hook.example.com"}
	users := http.Header{"Authorization": {"Bearer of-the-server"}, "Impersonate-Group": {"a", "b"}}
	for _, row := range []struct {
		name   string
		kind   Kind
		target Target
		host   string // which the caller has set
		header http.Header
		want   string // the host of the URL, and Host
	}{
		{"a webhook by its service is told the service", ValidatingWebhook, service, "", nil, "10.1.0.1:9443 web.ns.svc:443"},
		{"and what the caller wants it to be told", MutatingWebhook, service, "other", nil, "10.1.0.1:9443 other"},
		{"a conversion webhook too", ConversionWebhook, service, "", users, "10.1.0.1:9443 web.ns.svc:443"},
		{"an aggregated server is told the address", APIServer, service, "web.ns.svc:443", nil, "10.1.0.1:9443 10.1.0.1:9443"},
		{"but for what the caller wants it to be told", APIServer, service, "other", users, "10.1.0.1:9443 other"},
		{"a URL is what is asked", ValidatingWebhook, url, "", nil, "hook.example.com "},
		{"also with a user", ValidatingWebhook, url, "", users, "hook.example.com "},
	} {
		b := s.Use(row.kind, "x", row.target)
		r, err := http.NewRequest("POST", b.BaseURL()+"/check", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = row.host
		r.Header.Set("Authorization", "Bearer of-the-client")
		before := r.URL.String()
		out, err := b.addressed(r, &link{header: row.header})
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := out.URL.Host + " " + out.Host; got != row.want || out.URL.Path != "/check" {
			t.Errorf("%s: goes to %s%s, want %s", row.name, got, out.URL.Path, row.want)
		}
		want := "Bearer of-the-client"
		if row.header != nil {
			want = "Bearer of-the-server"
		}
		if got := out.Header["Authorization"]; len(got) != 1 || got[0] != want || len(out.Header["Impersonate-Group"]) != len(row.header["Impersonate-Group"]) {
			t.Errorf("%s: sends %v", row.name, out.Header)
		}
		if r.URL.String() != before || r.Host != row.host || r.Header.Get("Authorization") != "Bearer of-the-client" || len(r.Header) != 1 {
			t.Errorf("%s: the request was changed: %v %q %v", row.name, r.URL, r.Host, r.Header)
		}
	}
}

// TestNothingToDial: a call, a stream and an upgrade fail alike where nobody can be dialled, each is counted, and the
// page of backends says why.
func TestNothingToDial(t *testing.T) {
	ca := newAuthority(t, "ca")
	fault := errors.New("a fault")
	noTLS := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
				_ = c.Close()
			}
		}()
		return l.Addr().String()
	}
	for _, row := range []struct {
		name   string
		config Config
		want   string
		state  State
	}{
		{"no service", Config{Objects: cluster(t)}, `service "web" not found`, Broken},
		{"nobody listens", Config{Resolve: map[string]string{"web.ns": deadPort(t)}}, "connection refused", Failing},
		{"no TLS", Config{Resolve: map[string]string{"web.ns": noTLS()}}, "", Failing},
		{"a fault", Config{Resolve: map[string]string{"web.ns": "127.0.0.1:1"}, Intercept: func(context.Context, *Backend) error { return fault }}, "a fault", Failing},
	} {
		b := New(row.config).Use(APIServer, "v1.g", Target{Service: Service{Namespace: "ns", Name: "web"}, CABundle: ca.pem})
		r, err := http.NewRequestWithContext(within(t, time.Minute), "GET", b.BaseURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.RoundTrip(r)
		if err == nil || res != nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: answered with %v, want %s", row.name, err, row.want)
		}
		if c, err := b.Dial(within(t, time.Minute)); err == nil || c != nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: dialled with %v, want %s", row.name, err, row.want)
		}
		if r := b.Report(); r.State != row.state || r.Calls != 2 || r.Failures != 2 || r.Connections != 0 || (r.Wrong == "") == (row.state == Broken) {
			t.Errorf("%s: %+v", row.name, r)
		}
	}
}

// TestQuiet: of a connection that cannot be asked, and of one that has ended or has something to say, nobody says that
// it takes another request.
func TestQuiet(t *testing.T) {
	if near, far := net.Pipe(); isQuiet(near) || isQuiet(far) {
		t.Error("a pipe of this process is quiet")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	if !isQuiet(near) && canAsk {
		t.Error("a connection over which nothing has come is not quiet")
	}
	_, _ = far.Write([]byte("x"))
	// It comes in a moment, and is not taken by whoever looks.
	for end := time.Now().Add(time.Minute); isQuiet(near); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("quiet with a byte to read")
		}
	}
	b := make([]byte, 2)
	if n, err := near.Read(b); n != 1 || b[0] != 'x' {
		t.Errorf("read %q %v of what was looked at", b[:n], err)
	}
	_ = near.Close()
	if isQuiet(near) {
		t.Error("one that we have closed is quiet")
	}
}

// TestJudge: what is no address is not dialled.
func TestJudge(t *testing.T) {
	b := New(Config{}).Use(ValidatingWebhook, "c/w", Target{URL: "https://a.example.com"})
	for address, ok := range map[string]bool{
		"10.0.0.1:443": true, "[fd00::1]:443": true, "127.0.0.1:1": true, "a.example.com:443": false, "10.0.0.1": false, "": false,
		"0.0.0.0:443": false, "[::]:443": false, "[ff02::1]:443": false, "169.254.1.1:80": false, "[fe80::1%lo]:443": false,
	} {
		if err := b.judge(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
