package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestListenFlags: which addresses a listener may have, and what is said of the others.
func TestListenFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--listen-http=127.0.0.1:0,[::1]:0,localhost:0", ""},
		{"--listen-http=off", ""},
		{"--listen-https=0.0.0.0:0", ""},
		{"--listen-https=:0", ""},
		{"--listen-http=unix:/tmp/x --listen-admin=unix:/tmp/y", ""},
		{"--listen-http=192.0.2.1:80 --insecure-allow-remote", ""},
		{"--listen-http=192.0.2.1:80", "--listen-http: "},
		{"--listen-http=:80", "--listen-http: "},
		{"--listen-admin=192.0.2.1:80", ""}, // over TLS
		{"--listen-http=off,127.0.0.1:0", "off stands alone"},
		{"--listen-http=off --listen-https=off", "nothing would be served"},
		{"--listen-http=unix:", "names no socket file"},
		{"--listen-http=127.0.0.1", "is not host:port"},
		{"--listen-http=127.0.0.1:65536", "no port"},
		{"--listen-http=127.0.0.1:-1", "no port"},
		{"--http2-max-streams-per-connection=-1", "must not be negative"},
		{"--tcp-keepalive-period=-1s", "must not be negative"},
	} {
		o, f := newOptions()
		wrong, err := o.parse(f, strings.Fields(c.args))
		text := strings.Join(wrong, "\n")
		if err != nil || (c.want == "") != (len(wrong) == 0) || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %q %v, want %q", c.args, text, err, c.want)
		}
	}
}

// TestSeveralListeners: a role may have several addresses, and each says how it is reached.
func TestSeveralListeners(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	stale, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close() // its file stays: nobody serves it
	r := startProgram(t, nil, "--listen-http=127.0.0.1:0,127.0.0.1:0,unix:"+socket, "--listen-https=off")
	got := r.urls("http")
	if len(got) != 3 || got[2] != "unix:"+socket || got[0] == got[1] || len(r.urls("https")) != 0 {
		t.Fatalf("addresses %q", got)
	}
	for _, url := range got {
		if !r.out.has(url) {
			t.Errorf("the start-up lines do not name %s:\n%s", url, r.out)
		}
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Errorf("a stale socket file was not replaced: %v", err)
	} else {
		c.Close()
	}
	// A file that has taken the place of our socket is not ours to remove.
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("somebody else's file was removed: %v", err)
	}
}

// TestPortSharing: with SO_REUSEPORT two servers listen on one port; without, the second
// says that the port is in use.
func TestPortSharing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("for Linux only")
	}
	first := startProgram(t, nil, "--permit-port-sharing", "--permit-address-sharing")
	address := strings.TrimPrefix(first.urls("http")[0], "http://")
	second := startProgram(t, nil, "--permit-port-sharing", "--listen-http="+address)
	if got := second.urls("http")[0]; got != first.urls("http")[0] {
		t.Errorf("the second listens on %s", got)
	}
	third := launchProgram(t, nil, "--listen-http="+address)
	if code := third.wait(); code != exitFailed || !third.err.has("is in use") {
		t.Errorf("without the flag: exit code %d\n%s", code, third.err)
	}
}

// TestProgress: what counts as moving.
func TestProgress(t *testing.T) {
	var s stall
	for range 5 {
		if s.drips(0, time.Second, 3*time.Second) {
			t.Error("stalled without waiting")
		}
	}
	s.enter(0)
	steps := []struct {
		moved int64
		want  bool
	}{{0, false}, {0, false}, {progressUnit - 1, true}, {progressUnit, false}, {progressUnit, false}, {progressUnit, true}}
	for i, c := range steps {
		if got := s.drips(c.moved, time.Second, 3*time.Second); got != c.want {
			t.Errorf("drips, step %d: got %v, want %v", i, got, c.want)
		}
	}
	s.leave()
	var w stall
	first := w.enter(10)
	for i, want := range []bool{false, false, true, false} {
		id, over := w.sticks(time.Second, 2*time.Second)
		if over != want || id != first {
			t.Errorf("sticks, step %d: got %v of %d, want %v of %d", i, over, id, want, first)
		}
	}
	w.leave()
	if _, over := w.sticks(time.Second, time.Second); over {
		t.Error("a write that ended sticks")
	}
}
