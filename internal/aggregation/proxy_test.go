package aggregation_test

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"apichain/internal/api/apitest"
	"apichain/internal/request"
)

// seen is a server that keeps what it was sent last.
type seen struct {
	mu     sync.Mutex
	called int
	header http.Header
	host   string
	uri    string
	body   string
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.called++
	s.header, s.host, s.uri, s.body = r.Header, r.Host, r.RequestURI, string(b)
}

// TestProxyHandler: who is sent on, with which headers, and what the others are told. The rows are those of upstream's
// test of this name, but for the switch of the UID header, which is always on here.
func TestProxyHandler(t *testing.T) {
	ca := newAuthority(t)
	user := request.User{Name: "username", UID: "6b60d791-1af9-4513-92e5-e4252a1e0a78", Groups: []string{"one", "two"}}
	sent := func(more ...string) http.Header {
		h := http.Header{
			"X-Forwarded-Proto": {"https"}, "X-Forwarded-Uri": {"/apis/foo/v1/x"}, "X-Forwarded-For": {"127.0.0.1"},
			"X-Remote-User": {"username"}, "X-Remote-Uid": {user.UID}, "User-Agent": {"Go-http-client/1.1"},
			"Accept-Encoding": {"gzip"}, "X-Remote-Group": {"one", "two"}, "Apichain-Hops": {"1"},
		}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = append(h[more[i]], more[i+1])
		}
		return h
	}
	for _, c := range []struct {
		name      string
		user      request.User
		service   string
		more      map[string]any
		available string
		names     []string // of the certificate
		code      int
		body      string
		header    http.Header
	}{
		{name: "no target", user: user, code: 404},
		{name: "no user", service: "api", available: "True", code: 500, body: "missing user\n"},
		{"insecure", user, "api", map[string]any{"insecureSkipTLSVerify": true}, "True", []string{"other"}, 200, "", sent()},
		{"CA bundle", user, "api", map[string]any{"caBundle": ca.bundle()}, "True", []string{"api.test-ns.svc"}, 200, "", sent()},
		{"extra", request.User{Name: "username", UID: user.UID, Groups: user.Groups, Extra: map[string][]string{"a/b%": {"1", "2"}}}, "api",
			map[string]any{"caBundle": ca.bundle()}, "True", []string{"api.test-ns.svc"}, 200, "", sent("X-Remote-Extra-A%2fb%25", "1", "X-Remote-Extra-A%2fb%25", "2")},
		{"not available", user, "api", map[string]any{"caBundle": ca.bundle()}, "False", []string{"api.test-ns.svc"}, 503, "service unavailable\n", nil},
		{"not known", user, "api", map[string]any{"caBundle": ca.bundle()}, "", []string{"api.test-ns.svc"}, 503, "service unavailable\n", nil},
		{"no endpoint", user, "bad", map[string]any{"caBundle": ca.bundle()}, "True", nil, 503, "service unavailable\n", nil},
		{"no CA in the bundle", user, "api", map[string]any{"caBundle": "Zm9v"}, "True", nil, 500,
			"unable to load root certificates: unable to parse bytes as PEM block\n", nil},
		{"unknown CA", user, "api", nil, "True", []string{"api.test-ns.svc"}, 503,
			"error trying to reach service: tls: failed to verify certificate: x509: certificate signed by unknown authority\n", nil},
		{"other name", user, "api", map[string]any{"caBundle": ca.bundle()}, "True", []string{"other.test-ns.svc"}, 503,
			"error trying to reach service: tls: failed to verify certificate: x509: certificate is valid for other.test-ns.svc, not api.test-ns.svc\n", nil},
		{"common name", user, "api", map[string]any{"caBundle": ca.bundle()}, "True", nil, 503,
			"error trying to reach service: tls: failed to verify certificate: x509: certificate relies on legacy Common Name field, use SANs instead\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := &seen{}
			address := serveTLS(t, target, ca.certificate(t, c.names...))
			w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": address})
			if c.service != "" {
				w.add(apiService("foo", "v1", c.service, c.more), c.available)
			}
			f := w.front(c.user)
			resp, err := http.Get(f.URL + "/apis/foo/v1/x")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			b, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.code || c.body != "" && string(b) != c.body {
				t.Errorf("answered %d %q (%v), want %d %q", resp.StatusCode, b, err, c.code, c.body)
			}
			if target.called != 0 != (c.code == 200) {
				t.Errorf("the server was called %d times", target.called)
			}
			if c.code != 200 {
				return
			}
			if target.host != address || target.header.Get("X-Forwarded-Host") != address {
				t.Errorf("Host is %q, X-Forwarded-Host %q, want both %q", target.host, target.header.Get("X-Forwarded-Host"), address)
			}
			delete(target.header, "X-Forwarded-Host")
			if !reflect.DeepEqual(target.header, c.header) {
				t.Errorf("sent\n%v, want\n%v", target.header, c.header)
			}
		})
	}
}

// TestIdentityHeaders: what a client says of who asks, and its credentials, reach nobody in any spelling.
func TestIdentityHeaders(t *testing.T) {
	ca, target := newAuthority(t), &seen{}
	w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": serveTLS(t, target, ca.certificate(t, "api.test-ns.svc"))})
	w.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "True")
	f := w.front(request.User{Name: "alice"})
	for _, lines := range [][]string{
		{"X-Remote-User: root", "X-Remote-Group: system:masters", "X-Remote-Uid: 0", "X-Remote-Extra-Scopes: all"},
		{"x-remote-user: root", "x-remote-group: system:masters", "X-REMOTE-EXTRA-A: b"},
		{"X_Remote_User: root", "X_REMOTE_GROUP: system:masters", "X-Remote_Uid: 0", "x_remote-extra_a: b"},
		{"X-Remote-User: root", "Connection: X-Remote-User, x-remote-group", "X-Remote-Group: system:masters"},
		{"Connection: X-Remote-User, X-Remote-Group, X-Forwarded-For, Apichain-Hops, User-Agent"},
		{"Authorization: Bearer secret", "Impersonate-User: root", "impersonate-group: system:masters", "Impersonate_Extra_A: b", "Proxy-Authorization: x"},
		{"X-Remote-User: root", "X-Remote-User: admin", "X-Remote-Extra-: b"},
		{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate: a=b"},
	} {
		resp := exchangeRaw(t, f.Listener.Addr().String(), "GET /apis/foo/v1/x HTTP/1.1\r\nHost: front\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n")
		if resp.StatusCode != 200 {
			t.Errorf("%q: answered %d", lines, resp.StatusCode)
			continue
		}
		for k, v := range target.header {
			like := strings.ToLower(strings.ReplaceAll(k, "_", "-"))
			bad := strings.HasPrefix(like, "x-remote-") && k != "X-Remote-User" || like == "authorization" || strings.HasPrefix(like, "impersonate") ||
				like == "proxy-authorization" || like == "connection"
			if bad || k == "X-Remote-User" && !reflect.DeepEqual(v, []string{"alice"}) {
				t.Errorf("%q: the server was sent %s: %q", lines, k, v)
			}
		}
		// What is a trace's goes on as it is.
		for _, line := range lines {
			if k, v, _ := strings.Cut(line, ": "); strings.HasPrefix(k, "Trace") && target.header.Get(k) != v {
				t.Errorf("%s: the server was sent %q", line, target.header.Get(k))
			}
		}
		if target.header.Get("X-Remote-User") != "alice" || target.header.Get("Apichain-Hops") != "1" {
			t.Errorf("%q: the server was sent %v", lines, target.header)
		}
	}
}
