package ctl

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeFile writes a file into a folder of the test's and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEndpointAddress: what is dialled and what requests begin with, for each form of an address.
func TestEndpointAddress(t *testing.T) {
	const bad = " is not http://HOST:PORT, https://HOST:PORT or unix:PATH"
	for _, c := range []struct{ admin, network, address, base, serverName, wrong string }{
		{"", "tcp", "127.0.0.1:8081", "http://127.0.0.1:8081", "", ""},
		{"http://127.0.0.1:9", "tcp", "127.0.0.1:9", "http://127.0.0.1:9", "", ""},
		{"http://localhost:9/", "tcp", "localhost:9", "http://localhost:9", "", ""},
		{"http://example.com", "tcp", "example.com:http", "http://example.com", "", ""},
		{"https://example.com", "tcp", "example.com:https", "https://example.com", "example.com", ""},
		{"https://example.com:6443", "tcp", "example.com:6443", "https://example.com:6443", "example.com", ""},
		{"http://[::1]:9", "tcp", "[::1]:9", "http://[::1]:9", "", ""},
		{"https://[::1]", "tcp", "[::1]:https", "https://[::1]", "::1", ""},
		{"HTTP://h:9", "tcp", "h:9", "http://h:9", "", ""},
		{"unix:/run/a.sock", "unix", "/run/a.sock", "http://localhost", "", ""},
		{"unix:rel", "unix", "rel", "http://localhost", "", ""},
		{admin: "127.0.0.1:8081", wrong: bad},
		{admin: "localhost", wrong: bad},
		{admin: "ftp://h:9", wrong: bad},
		{admin: "http://", wrong: bad},
		{admin: "http:h:9", wrong: bad},
		{admin: "http://h:9/admin", wrong: bad},
		{admin: "http://h:9?x=1", wrong: bad},
		{admin: "http://u@h:9", wrong: bad},
		{admin: "http://u:p@h:9", wrong: bad},
		{admin: "http://h:port", wrong: bad},
		{admin: "http://h\x00:9", wrong: bad},
	} {
		got, err := newAdminClient(location{admin: c.admin}, "v9")
		if c.wrong != "" {
			if want := fmt.Sprintf("--admin: %q%s", c.admin, c.wrong); err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", c.admin, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.admin, err)
			continue
		}
		name := ""
		if got.at.TLS != nil {
			name = got.at.TLS.ServerName
		}
		if got.at.Network != c.network || got.at.Address != c.address || got.base != c.base || name != c.serverName || (got.at.TLS != nil) != (c.serverName != "") {
			t.Errorf("%s: %+v, server name %q", c.admin, got, name)
		}
	}
}

// TestReadyFile: what flags say wins over the ready file, which wins over the default.
func TestReadyFile(t *testing.T) {
	full := writeFile(t, "ready", `{"pid":1,"version":"v8","http":["http://a:1"],"https":[],"admin":["http://b:2","unix:/c"],"kubeconfig":"/k","new":{"x":1}}`)
	plain := writeFile(t, "ready", `{"admin":["https://b:2"],"kubeconfig":""}`)
	none := writeFile(t, "ready", `{"admin":[],"kubeconfig":"/k"}`)
	odd := writeFile(t, "ready", `{"admin":"http://b:2"}`)
	for name, c := range map[string]struct {
		at                  location
		address, kubeconfig string
		wrong               string
	}{
		"all of the file":       {location{readyFile: full}, "http://b:2", "/k", ""},
		"an address":            {location{admin: "http://x:1", readyFile: full}, "http://x:1", "/k", ""},
		"a kubeconfig":          {location{readyFile: full, kubeconfig: "/mine"}, "http://b:2", "/mine", ""},
		"both":                  {location{"http://x:1", full, "/mine"}, "http://x:1", "/mine", ""},
		"no kubeconfig":         {location{readyFile: plain}, "https://b:2", "", ""},
		"no address":            {location{readyFile: none}, "", "", "--ready-file: " + none + " has no admin address: --listen-admin is off"},
		"no address, but given": {location{admin: "http://x:1", readyFile: none}, "http://x:1", "/k", ""},
		"another shape":         {location{readyFile: odd}, "", "", "--ready-file: json: cannot unmarshal string"},
		"no file, but an address": {location{admin: "http://x:1", readyFile: full + "x"}, "", "",
			"--ready-file: open " + full + "x: no such file or directory"},
	} {
		address, kubeconfig, err := readReadyFile(c.at)
		if c.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %s", name, err, c.wrong)
			}
			continue
		}
		if err != nil || address != c.address || kubeconfig != c.kubeconfig {
			t.Errorf("%s: %q %q %v, want %q %q", name, address, kubeconfig, err, c.address, c.kubeconfig)
		}
	}
}

// TestKubeconfigIsForTLS: a plain address needs no credentials, so their file is not even read.
func TestKubeconfigIsForTLS(t *testing.T) {
	for _, admin := range []string{"http://h:9", "unix:/s"} {
		c, err := newAdminClient(location{admin: admin, kubeconfig: "/does/not/exist"}, "v9")
		if err != nil || c.token != "" || c.at.TLS != nil {
			t.Errorf("%s: %+v %v", admin, c, err)
		}
	}
	if _, err := newAdminClient(location{admin: "https://h:9", kubeconfig: "/does/not/exist"}, "v9"); err == nil || !strings.HasPrefix(err.Error(), "--kubeconfig: open ") {
		t.Errorf("https: %v", err)
	}
}

// TestAskSends: the headers of a question, with and without what is optional.
func TestAskSends(t *testing.T) {
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("ETag", `"5"`)
		_, _ = w.Write([]byte("answer"))
	}))
	defer s.Close()
	c, err := newAdminClient(location{admin: s.URL}, "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	b, etag, err := c.ask(t.Context(), "GET", "/admin/v1/x?a=b%2F", "text/plain", "", nil)
	if string(b) != "answer" || etag != `"5"` || err != nil {
		t.Errorf("%q %q %v", b, etag, err)
	}
	if got.Method != "GET" || got.RequestURI != "/admin/v1/x?a=b%2F" || got.Host != strings.TrimPrefix(s.URL, "http://") || !got.Close || got.ContentLength != 0 {
		t.Errorf("asked %+v", got)
	}
	for key, want := range map[string]string{"Accept": "text/plain", "User-Agent": "apichain/v1.2.3", "Authorization": "", "If-Match": "", "Content-Type": ""} {
		if got.Header.Get(key) != want {
			t.Errorf("%s is %q, want %q", key, got.Header.Get(key), want)
		}
	}
	c.token = "t1"
	if _, _, err := c.ask(t.Context(), "PUT", "/admin/v1/x", "application/json", `"5"`, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"Accept": "application/json", "Authorization": "Bearer t1", "If-Match": `"5"`, "Content-Type": "application/json"} {
		if got.Header.Get(key) != want {
			t.Errorf("%s is %q, want %q", key, got.Header.Get(key), want)
		}
	}
	if got.Method != "PUT" || got.ContentLength != 2 {
		t.Errorf("sent %s with %d bytes", got.Method, got.ContentLength)
	}
}

// TestAskRefused: an answer that is not 2xx is a refusal, with the text of the Status or, without
// one, the question whether this is the right address. A redirect is not followed.
func TestAskRefused(t *testing.T) {
	const other = " to GET /admin/v1/x: is it an apichain admin endpoint?"
	for _, c := range []struct {
		code       int
		body, want string
	}{
		{403, `{"kind":"Status","message":"User \"eve\" lacks role \"view\""}`, `User "eve" lacks role "view"`},
		{500, `{"message":"m"}`, "m"},
		{404, "404 page not found\n", " answers 404 Not Found" + other},
		{502, "", " answers 502 Bad Gateway" + other},
		{503, `{"message":""}`, " answers 503 Service Unavailable" + other},
		{400, `{"message":7}`, " answers 400 Bad Request" + other},
		{400, `[]`, " answers 400 Bad Request" + other},
		{302, "", " answers 302 Found" + other},
		{304, "", " answers 304 Not Modified" + other},
	} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			w.Header().Set("Location", "/admin/")
			w.WriteHeader(c.code)
			_, _ = w.Write([]byte(c.body))
		}))
		client, err := newAdminClient(location{admin: s.URL}, "v9")
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := client.ask(t.Context(), "GET", "/admin/v1/x", "text/plain", "", nil)
		s.Close()
		want := c.want
		if strings.HasSuffix(want, other) {
			want = s.URL + want
		}
		var r *refusal
		if !errors.As(err, &r) || r.code != c.code || r.Error() != want || b != nil || asked != 1 {
			t.Errorf("%d %s: %v %q after %d, want %s", c.code, c.body, err, b, asked, want)
		}
	}
}

// rawServer answers each connection with the bytes given, after it has read something, and closes
// it.
func rawServer(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte(answer))
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestAskUnanswered: what is no whole HTTP answer counts as none, and the error says how to name
// another address.
func TestAskUnanswered(t *testing.T) {
	for name, answer := range map[string]string{
		"closed":          "",
		"another talk":    "SSH-2.0-OpenSSH_9.6\r\n",
		"half a head":     "HTTP/1.1 200 OK\r\nContent-",
		"half a body":     "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"a chunk missing": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		at := rawServer(t, answer)
		c, err := newAdminClient(location{admin: at}, "v9")
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := c.ask(t.Context(), "GET", "/", "text/plain", "", nil)
		var none *unreachable
		if !errors.As(err, &none) || b != nil || !strings.HasPrefix(err.Error(), "nothing answers at "+at+": ") ||
			!strings.HasSuffix(err.Error(), ": start apichain, or name its address with --admin or --ready-file") {
			t.Errorf("%s: %q %v", name, b, err)
		}
	}
	// An address that speaks TLS, asked in plain text, answers 400 in HTTP: not ours, but an answer.
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	c, _ := newAdminClient(location{admin: "http" + strings.TrimPrefix(s.URL, "https")}, "v9")
	_, _, err := c.ask(t.Context(), "GET", "/", "text/plain", "", nil)
	if r := (*refusal)(nil); !errors.As(err, &r) || r.code != 400 {
		t.Errorf("plain to TLS: %v", err)
	}
}

// TestAskInterrupted: the end of the context ends a request that waits for its answer, at once,
// and its error is the context's.
func TestAskInterrupted(t *testing.T) {
	began, over := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-over
	}))
	defer s.Close()
	defer close(over)
	c, err := newAdminClient(location{admin: s.URL}, "v9")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.ask(ctx, "GET", "/", "text/plain", "", nil)
		ended <- err
	}()
	await(t, began)
	cancel()
	if err := await(t, ended); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

// TestChangeTries: which sequence of answers leads to which requests. A generation that has moved
// is tried once more; nothing else is.
func TestChangeTries(t *testing.T) {
	for _, c := range []struct {
		answers, asked string
		code           int // of the refusal; 0: none
	}{
		{"200 200", "GET PUT", 0},
		{"200 412 200 200", "GET PUT GET PUT", 0},
		{"200 412 200 412", "GET PUT GET PUT", 412},
		{"200 412 200 409", "GET PUT GET PUT", 409},
		{"200 412 403", "GET PUT GET", 403},
		{"200 409", "GET PUT", 409},
		{"200 422", "GET PUT", 422},
		{"403", "GET", 403},
		{"412", "GET", 412},
	} {
		codes := strings.Fields(c.answers)
		at, got := fakeAdmin(t, func(n int, _ *http.Request) (code int, body string) {
			_, _ = fmt.Sscan(codes[n-1], &code)
			return code, fmt.Sprintf(`{"message":"answer %d"}`, n)
		})
		client, err := newAdminClient(location{admin: at}, "v9")
		if err != nil {
			t.Fatal(err)
		}
		b, err := client.change(t.Context(), "PUT", "/admin/v1/x", "text/plain", []byte("{}"))
		var methods, matches []string
		for _, s := range got() {
			methods, matches = append(methods, s.method), append(matches, s.ifMatch)
		}
		// Each change carries the ETag of the reading before it: the fake counts its answers.
		for i, m := range matches {
			if want := map[bool]string{true: fmt.Sprintf(`"%d"`, i), false: ""}[methods[i] == "PUT"]; m != want {
				t.Errorf("%s: request %d has If-Match %s, want %s", c.answers, i+1, m, want)
			}
		}
		r, last := (*refusal)(nil), fmt.Sprintf("answer %d", len(codes))
		switch {
		case strings.Join(methods, " ") != c.asked:
			t.Errorf("%s: asked %q, want %s", c.answers, methods, c.asked)
		case c.code == 0 && (err != nil || !strings.Contains(string(b), last)):
			t.Errorf("%s: %q %v", c.answers, b, err)
		case c.code != 0 && (!errors.As(err, &r) || r.code != c.code || r.message != last):
			t.Errorf("%s: %v, want %d", c.answers, err, c.code)
		}
	}
}

// TestUnixSocket: over a socket file the request names localhost, which no listener refuses.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Host + "\n"))
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	if got := inspect(t, t.Context(), "", "hooks", "--admin=unix:"+path); got != (outcome{exitDone, "localhost\n", ""}) {
		t.Errorf("%+v", got)
	}
}

// TestServerName: a kubeconfig's tls-server-name is what the certificate is checked for, and what
// is asked for by SNI; without one it is the host of the address.
func TestServerName(t *testing.T) {
	var asked []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		asked = append(asked, h.ServerName)
		return nil, nil
	}}
	s.StartTLS()
	defer s.Close()
	for _, name := range []string{"example.com", "", "else.example"} {
		kubeconfig := writeFile(t, "config", "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u}]\n"+
			"clusters: [{name: c, cluster: {tls-server-name: '"+name+"', insecure-skip-tls-verify: true}}]\n")
		if got := inspect(t, t.Context(), "", "hooks", "--admin="+s.URL, "--kubeconfig="+kubeconfig); got.code != exitDone {
			t.Errorf("%q: %+v", name, got)
		}
	}
	// An address has no SNI (RFC 6066, section 3).
	if want := []string{"example.com", "", "else.example"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}
