package certs

import (
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAlso follows files that somebody else reads, and those that they name: what a load has found is looked at from then
// on, a wrong one is reported once, and the first file stands for all.
func TestAlso(t *testing.T) {
	dir := t.TempDir()
	list, first, second := filepath.Join(dir, "list"), filepath.Join(dir, "first"), filepath.Join(dir, "second")
	put(t, list, []byte(first))
	put(t, first, []byte("1"))
	put(t, second, []byte("2"))
	names, loads := []string{list}, 0
	also := Also{Files: func() []string { return names }, Load: func() error {
		loads++
		b, err := os.ReadFile(list)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return errors.New("--list: is empty")
		}
		names = []string{list, string(b)}
		return nil
	}}
	l := newTestLoader(t, io.Discard, Config{Also: []Also{also}})
	var events []string
	l.OnReload(func(e Event) {
		text := e.Detail
		if e.Err != nil {
			text = e.Err.Error()
		}
		events = append(events, strings.ReplaceAll(e.File+" "+text, dir, ""))
	})
	look := func(want int, why string) {
		t.Helper()
		before := loads
		l.check(false)
		if loads-before != want {
			t.Errorf("%s: loaded %d times, want %d", why, loads-before, want)
		}
	}
	look(0, "nothing has changed")
	put(t, first, []byte("one"))
	look(1, "a named file has")
	put(t, second, []byte("two"))
	look(0, "another file has")
	put(t, list, []byte(second))
	look(1, "the list has")
	put(t, second, []byte("twice"))
	look(1, "the file that it names now has")
	put(t, list, nil)
	look(1, "the list is wrong")
	look(0, "it is still wrong")
	if f := l.Failure(list); f == nil || f.Text != "--list: is empty" {
		t.Errorf("failure %v", f)
	}
	if got, want := strings.Join(events, "; "), "/list /list, /first; /list /list, /second; /list /list, /second; /list --list: is empty"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// TestAlsoAtStart ends New with the error of a load.
func TestAlsoAtStart(t *testing.T) {
	wrong := errors.New("--x: wrong")
	also := Also{Files: func() []string { return []string{"x"} }, Load: func() error { return wrong }}
	if _, err := New(Config{Also: []Also{also}}, nil, nil); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

// TestProxyClient shows the certificate of the files as they are, and none without any.
func TestProxyClient(t *testing.T) {
	if c := newTestLoader(t, io.Discard, Config{}).ProxyClient(); c != nil {
		t.Error("there is one without a file")
	}
	dir := t.TempDir()
	cert, key := putPair(t, dir, "proxy", &x509.Certificate{})
	l := newTestLoader(t, io.Discard, Config{ProxyCert: cert, ProxyKey: key})
	first := l.ProxyClient()
	putPair(t, dir, "proxy", &x509.Certificate{})
	l.Reload()
	second := l.ProxyClient()
	if first == nil || first.Leaf.Equal(second.Leaf) {
		t.Errorf("a reload shows %v as before", second)
	}
	put(t, key, []byte("no key"))
	l.Reload()
	if l.ProxyClient() != second || l.Failure(cert) == nil {
		t.Errorf("after a wrong file another one is shown, failure %v", l.Failure(cert))
	}
}
