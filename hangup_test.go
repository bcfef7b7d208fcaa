package main

import (
	"crypto/x509"
	"os"
	"slices"
	"syscall"
	"testing"
)

// TestHangUp: SIGHUP reads every certificate file again, right or wrong, and is on the
// timeline.
func TestHangUp(t *testing.T) {
	dir := t.TempDir()
	cert, key := putPair(t, dir, "one", &x509.Certificate{DNSNames: []string{"one.example"}})
	hup := make(chan os.Signal)
	r := startProgram(t, func(s *Server) { s.program.hangUp = hup }, "--tls-cert-file="+cert, "--tls-private-key-file="+key)
	hangUp := func() {
		t.Helper()
		select {
		case hup <- syscall.SIGHUP:
		case <-r.code:
			t.Fatal("the program ended")
		}
	}
	seen := func(kind string) (n int) {
		events, _ := r.timeline.list()
		for _, e := range events {
			if e.kind == kind {
				n++
			}
		}
		return n
	}
	// The channel has no room: the second is taken when the first is done with.
	for range 3 {
		hangUp()
	}
	if n, m := seen("os-signal"), seen("certificate"); n < 2 || m < 2 || r.err.has("level=ERROR") {
		t.Errorf("%d signals and %d certificates on the timeline, want two at least:\n%s", n, m, r.err)
	}
	before := r.certs.CAPEM()
	put(t, cert, []byte("nonsense"))
	for range 2 {
		hangUp()
	}
	if !r.err.has("a certificate file is wrong; the certificate before it stays in use") {
		t.Errorf("a bad file is not named:\n%s", r.err)
	}
	if now := r.certs.CAPEM(); !slices.Equal(now, before) {
		t.Error("a bad file replaced the certificate")
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}
