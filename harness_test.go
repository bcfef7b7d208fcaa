package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"apichain/internal/flags"
	"apichain/internal/tree"
)

// newTestProgram is a program with its servers built and its chains compiled, and no
// listener: whole requests can be sent through p.chains. Arguments are flags.
func newTestProgram(t testing.TB, args ...string) *program {
	t.Helper()
	return newTestProgramLog(t, io.Discard, args...)
}

func newTestProgramLog(t testing.TB, log io.Writer, args ...string) *program {
	t.Helper()
	o, f := newOptions()
	args = append([]string{"--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=127.0.0.1:0"}, args...)
	wrong, err := o.parse(f, args)
	if err != nil || len(wrong) > 0 {
		t.Fatalf("flags %q: %v %q", args, err, wrong)
	}
	p := newProgram(o, f, io.Discard, log)
	t.Cleanup(func() {
		p.endBackground()
		p.owned.Wait()
		p.closeAudit()
	})
	for _, step := range []func() error{p.readNamedFiles, p.loadIdentity, p.buildServers, p.prepareRun} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// chain is the compiled chain of a listener.
func (p *program) chain(listener string) *chain {
	for _, c := range p.chains {
		if c.listener == listener {
			return c
		}
	}
	return nil
}

// lines is a log that a test can read while others write.
type lines struct {
	mu     sync.Mutex
	b      bytes.Buffer
	writes int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) has(s string) bool { return strings.Contains(l.String(), s) }

// sink is a ResponseWriter that keeps nothing, for benchmarks: its header map stays.
type sink struct {
	h      http.Header
	status int
	n      int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(code int)        { s.status = code }
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }
func (s *sink) Flush()                      {}

// Hijack is there because net/http's HTTP/1 writer has it: the chain then takes the same
// way as over a connection.
func (s *sink) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrNotSupported }

// WriteString is there because net/http's writers have it.
func (s *sink) WriteString(b string) (int, error) { s.n += len(b); return len(b), nil }

// running is a program that serves, for tests over real connections.
type running struct {
	*program
	t        testing.TB
	signal   chan os.Signal
	code     chan int
	out, err *lines
	exited   bool
}

// startProgram runs a program on free loopback ports until the test ends, and returns
// when it is ready. extend registers what the test needs, on the core server.
func startProgram(t testing.TB, extend func(*Server), args ...string) *running {
	t.Helper()
	r := launchProgram(t, extend, args...)
	r.awaitReady(t)
	return r
}

// awaitReady waits for a program that was launched to be ready.
func (r *running) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case <-r.signals.hasBeenReady.ch:
	case code := <-r.code:
		r.exited = true
		t.Fatalf("exited with %d before it was ready:\n%s", code, r.err)
	case <-time.After(time.Minute):
		t.Fatalf("not ready after a minute:\n%s", r.err)
	}
}

// launchProgram is startProgram without the wait.
func launchProgram(t testing.TB, extend func(*Server), args ...string) *running {
	t.Helper()
	o, f := newOptions()
	args = append([]string{"--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv"}, args...)
	wrong, err := o.parse(f, args)
	if err != nil || len(wrong) > 0 {
		t.Fatalf("flags %q: %v %q", args, err, wrong)
	}
	return launchOptions(t, extend, o, f)
}

// launchOptions is launchProgram for flags that were parsed.
func launchOptions(t testing.TB, extend func(*Server), o *options, f *flags.Set) *running {
	t.Helper()
	r := &running{t: t, signal: make(chan os.Signal, 2), code: make(chan int, 1), out: &lines{}, err: &lines{}}
	r.program = newProgram(o, f, r.out, r.err)
	r.program.extend = func(s *Server) error {
		if extend != nil {
			extend(s)
		}
		return nil
	}
	r.program.exit = func(code int) { r.code <- code }
	go func() { r.code <- r.run(r.signal) }()
	t.Cleanup(func() { r.stop() })
	return r
}

// stop sends SIGTERM and waits for the exit code; 0 when it has exited before.
func (r *running) stop() int {
	r.t.Helper()
	if r.exited {
		return 0
	}
	r.signal <- syscall.SIGTERM
	return r.wait()
}

func (r *running) wait() int {
	r.t.Helper()
	select {
	case code := <-r.code:
		r.exited = true
		return code
	case <-time.After(time.Minute):
		r.t.Errorf("still running a minute after the stop:\n%s", r.err)
		r.exited = true
		return -1
	}
}

// client is an HTTP client of one listener in one protocol: "http", "h2c", "https", "h2".
func (r *running) client(kind string) *http.Client {
	r.t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	switch kind {
	case "http", "https":
		tr.Protocols.SetHTTP1(true)
	case "h2c":
		tr.Protocols.SetUnencryptedHTTP2(true)
	case "h2":
		tr.Protocols.SetHTTP2(true)
	default:
		r.t.Fatalf("no client %q", kind)
	}
	if kind == "https" || kind == "h2" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(r.certs.CAPEM()) {
			r.t.Fatal("the CA is no PEM")
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// url is a path on the listener that a kind of client talks to.
func (r *running) url(kind, path string) string {
	role := map[string]string{"http": "http", "h2c": "http", "https": "https", "h2": "https", "admin": "admin"}[kind]
	return r.urls(role)[0] + path
}

// clientKinds are the clients of the matrix: each listener in each of its protocols.
var clientKinds = []string{"http", "h2c", "https", "h2"}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// send sends one request; header lines are "Name: value". On the TLS listener it is
// admin's unless a line says otherwise.
func (r *running) send(c *http.Client, kind, method, path string, body io.Reader, header ...string) (reply, error) {
	req, err := http.NewRequest(method, r.url(kind, path), body)
	if err != nil {
		return reply{}, err
	}
	if kind == "https" || kind == "h2" {
		req.Header.Set("Authorization", "Bearer admin-token")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "Host":
			req.Host = value
		case value == "":
			req.Header.Del(name)
		default:
			req.Header.Set(name, value)
		}
	}
	resp, err := c.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}, nil
}

// get is send for a GET that must be answered.
func (r *running) get(kind, path string, header ...string) reply {
	r.t.Helper()
	got, err := r.send(r.client(kind), kind, "GET", path, nil, header...)
	if err != nil {
		r.t.Fatalf("%s GET %s: %v", kind, path, err)
	}
	return got
}

// decoded is a JSON object as a tree.
func decoded(t testing.TB, text string) map[string]any {
	t.Helper()
	o, _, err := tree.ParseJSONObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// itoa is short for many tests that put numbers together with text.
func itoa(n int) string { return strconv.Itoa(n) }
