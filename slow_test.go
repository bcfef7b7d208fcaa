package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/status"
)

// dial is a raw connection to a listener.
func (r *running) dial(kind string) net.Conn {
	r.t.Helper()
	address := r.url(kind, "")
	_, address, _ = strings.Cut(address, "://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	if kind == "https" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// endless writes until it cannot.
func endless(ended chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 64<<10)
		for {
			if _, err := w.Write(piece); err != nil {
				ended <- err
				return
			}
		}
	})
}

// TestSlowClients: whoever sends a header or a body, or takes an answer, too slowly is
// cut off; whoever is slow but moves is served.
func TestSlowClients(t *testing.T) {
	ended, read := make(chan error, 10), make(chan error, 10)
	r := startProgram(t, func(s *Server) {
		_ = s.AddWebService(&WebService{Root: "/endless", Routes: []Route{
			{Method: "GET", Path: "/answer", Handler: endless(ended)},
			{Method: "GET", Path: "/watch", Handler: endless(ended), LongRunning: true}, // has a limit of its own
		}})
		_ = s.Handle("/upload", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			read <- err
			if err != nil {
				status.Write(w, r, err)
				return
			}
			fmt.Fprint(w, len(b))
		}))
	}, "--read-header-timeout=200ms", "--body-progress-timeout=200ms", "--write-progress-timeout=200ms", "--watch-slow-timeout=200ms", "--idle-timeout=300ms")
	for _, kind := range []string{"http", "https"} {
		t.Run(kind, func(t *testing.T) {
			auth := "Host: localhost\r\nAuthorization: Bearer admin-token\r\n"
			c := r.dial(kind) // header
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: loc")
			if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
				t.Errorf("half a header: got %q %v, want the connection closed", b, err)
			}
			c = r.dial(kind) // idle
			io.WriteString(c, "GET /livez/ping HTTP/1.1\r\n"+auth+"\r\n")
			if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
				t.Errorf("idle: got %q %v, want an answer and then the connection closed", b, err)
			}
			c = r.dial(kind) // body
			io.WriteString(c, "POST /upload HTTP/1.1\r\n"+auth+"Content-Length: 10\r\n\r\nabc")
			b, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408") || !strings.Contains(string(b), "--body-progress-timeout") || !strings.Contains(string(b), "Connection: close") {
				t.Errorf("a body that stops: got %q %v, want 408 and the connection closed", b, err)
			}
			if err := await(t, "the handler", read); err == nil {
				t.Error("the handler read the whole of half a body")
			}
			for _, path := range []string{"/endless/answer", "/endless/watch"} {
				c = r.dial(kind)
				io.WriteString(c, "GET "+path+" HTTP/1.1\r\n"+auth+"\r\n")
				if _, err := bufio.NewReaderSize(c, 16).ReadByte(); err != nil {
					t.Fatal(err)
				}
				if err := await(t, "the stalled answer of "+path+" to be cut", ended); err == nil {
					t.Errorf("%s: the write did not fail", path)
				}
			}
		})
	}
	t.Run("h2", func(t *testing.T) {
		for _, path := range []string{"/endless/answer", "/endless/watch"} {
			req, _ := http.NewRequest("GET", r.url("h2", path), nil)
			req.Header.Set("Authorization", "Bearer admin-token")
			resp, err := r.client("h2").Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := await(t, "the stalled stream of "+path+" to be reset", ended); err == nil {
				t.Errorf("%s: the write did not fail", path)
			}
		}
	})
	t.Run("slow but moving", func(t *testing.T) {
		body, w := io.Pipe()
		go func() {
			defer w.Close()
			tick := time.NewTicker(60 * time.Millisecond)
			defer tick.Stop()
			for range 8 {
				<-tick.C
				w.Write(make([]byte, 2*progressUnit))
			}
		}()
		got, err := r.send(r.client("http"), "http", "POST", "/upload", body)
		if err != nil || got.body != fmt.Sprint(16*progressUnit) {
			t.Errorf("got %d %q %v, want the whole body read", got.status, got.body, err)
		}
		<-read
	})
}

// TestCertificateReload: the files change under load; no handshake fails, the new
// certificate is served within a second or two, and a bad file changes nothing but the
// admin page.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func() string {
		c, k := signTestCert(t, nil, &x509.Certificate{DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
		putPEM(t, dir, "tls", c, k) // the pair does not change in one step
		return c.SerialNumber.String()
	}
	first := put()
	r := startProgram(t, nil, "--tls-cert-file="+cert, "--tls-private-key-file="+key)
	address := strings.TrimPrefix(r.urls("https")[0], "https://")
	serial := func() (string, error) {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return "", err
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := serial(); err != nil {
						t.Errorf("a handshake failed: %v", err)
					}
				}
			}
		})
	}
	if got, err := serial(); err != nil || got != first {
		t.Errorf("serial %s %v, want %s", got, err, first)
	}
	second := put()
	for deadline := time.Now().Add(time.Minute); ; {
		got, err := serial()
		if err != nil || got == second {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not served after a minute")
		}
	}
	if err := os.WriteFile(cert, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.certs.Reload() // what SIGHUP does
	if got, err := serial(); err != nil || got != second {
		t.Errorf("after a bad file: serial %s %v, want %s still", got, err, second)
	}
	if shown := shownTLS(r.certs).Certificates[0]; shown.Error == "" || !strings.Contains(shown.Error, cert) {
		t.Errorf("the admin page does not say what is wrong: %+v", shown)
	}
	if !r.err.has(cert) {
		t.Error("the log does not name the bad file")
	}
	third := put()
	r.certs.Reload()
	if got, err := serial(); err != nil || got != third {
		t.Errorf("after a good file: serial %s %v, want %s", got, err, third)
	}
	if shown := shownTLS(r.certs).Certificates[0]; shown.Error != "" {
		t.Errorf("the error is still shown: %q", shown.Error)
	}
	close(stop)
	load.Wait()
}
