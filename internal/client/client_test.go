package client

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// request is a GET of a path of a server that the test does not name.
func request(t *testing.T, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://server"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAsk: the whole answer comes back, over TCP, TLS and a socket file, each over a connection that
// ends with it; a redirect is an answer like any other.
func TestAsk(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat(r.Header.Get("Connection")+" ", 10000))
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	file := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	file.Start()
	defer file.Close()
	trusting := &tls.Config{ServerName: "example.com"}
	if err := Trust(trusting, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]Endpoint{
		"plain": {"tcp", plain.Listener.Addr().String(), nil},
		"TLS":   {"tcp", secure.Listener.Addr().String(), trusting},
		"file":  {"unix", path, nil},
	} {
		resp, body, err := e.Ask(t.Context(), request(t, "/"), 10*time.Second)
		if err != nil || resp.StatusCode != 200 || string(body) != strings.Repeat("close ", 10000) {
			t.Errorf("%s: %v, %d bytes", name, err, len(body))
		}
		if resp, _, err := e.Ask(t.Context(), request(t, "/away"), 0); err != nil || resp.StatusCode != 302 {
			t.Errorf("%s: a redirect: %v %v", name, resp, err)
		}
	}
	strict := Endpoint{"tcp", secure.Listener.Addr().String(), &tls.Config{ServerName: "example.com"}}
	if _, _, err := strict.Ask(t.Context(), request(t, "/"), 0); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody trusts: %v", err)
	}
}

// TestAskEnds: the limit and the end of the context end an answer that does not come.
func TestAskEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := Endpoint{Network: "tcp", Address: l.Addr().String()}
	if _, _, err := e.Ask(t.Context(), request(t, "/"), time.Millisecond); err == nil {
		t.Error("the limit ended nothing")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.Ask(ctx, request(t, "/"), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended it with %v", err)
	}
	_ = l.Close()
	if _, _, err := e.Ask(t.Context(), request(t, "/"), 0); err == nil {
		t.Error("nobody listened")
	}
}

// TestReadKubeconfig: what a file leads to, and what an error says of one that leads nowhere. Client
// certificates are tried against a server in internal/ctl.
func TestReadKubeconfig(t *testing.T) {
	secure := httptest.NewUnstartedServer(nil)
	secure.StartTLS()
	defer secure.Close()
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	path := filepath.Join(t.TempDir(), "config")
	for name, c := range map[string]struct {
		context, cluster, user string
		want                   Kubeconfig
		trusts                 bool
		wrong                  string
	}{
		"everything": {
			", namespace: space", "server: 'https://h:1', tls-server-name: s, certificate-authority-data: " + ca, "token: t",
			Kubeconfig{"https://h:1", "space", "t", &tls.Config{ServerName: "s"}}, true, "",
		},
		"unverified": {"", "server: 'https://h:1', insecure-skip-tls-verify: true", "", Kubeconfig{"https://h:1", "", "",
			&tls.Config{InsecureSkipVerify: true}}, false, ""},
		"nothing":        {"", "", "", Kubeconfig{TLS: &tls.Config{}}, false, ""},
		"no certificate": {"", "certificate-authority-data: YQ==", "", Kubeconfig{}, false, "certificate-authority holds no certificate"},
		"no file":        {"", "certificate-authority: none", "", Kubeconfig{}, false, "no such file"},
		"no key":         {"", "", "client-certificate-data: " + ca, Kubeconfig{}, false, "client-certificate: tls: "},
	} {
		text := "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u" + c.context + "}}]\n" +
			"clusters: [{name: c, cluster: {" + c.cluster + "}}]\nusers: [{name: u, user: {" + c.user + "}}]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadKubeconfig(path)
		if c.wrong != "" {
			if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), c.wrong) || got.TLS != nil {
				t.Errorf("%s: %v, want %s", name, err, c.wrong)
			}
			continue
		}
		if err != nil || got.Server != c.want.Server || got.Namespace != c.want.Namespace || got.Token != c.want.Token {
			t.Errorf("%s: %+v %v", name, got, err)
			continue
		}
		if got.TLS.ServerName != c.want.TLS.ServerName || got.TLS.InsecureSkipVerify != c.want.TLS.InsecureSkipVerify ||
			(got.TLS.RootCAs != nil) != c.trusts {
			t.Errorf("%s: %+v", name, got.TLS)
		}
	}
	if _, err := ReadKubeconfig(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
