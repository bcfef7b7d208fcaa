package standin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAt: a stand-in knows its like, nobody else is taken for one, and an address where nobody answers is an
// error.
func TestAt(t *testing.T) {
	answers := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	for _, c := range []struct {
		name string
		by   http.Handler
		want bool
	}{
		{"a stand-in", handler(slog.New(slog.DiscardHandler)), true},
		{"etcd", answers(200, `{"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"}`), false},
		{"no JSON", answers(200, "apichain"), false},
		{"a list", answers(200, `["apichain"]`), false},
		{"null", answers(200, `{"apichain":null}`), false},
		{"nothing", answers(404, ""), false},
	} {
		s := httptest.NewServer(c.by)
		got, err := At(t.Context(), s.URL)
		s.Close()
		if got != c.want || err != nil {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if got, err := At(t.Context(), "http://"+l.Addr().String()); got || err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("where nobody is: %v %v", got, err)
	}
	for _, wrong := range []string{"", "http://[", "http://127.0.0.1"} {
		if got, err := At(t.Context(), wrong); got || err == nil {
			t.Errorf("%q: %v %v", wrong, got, err)
		}
	}
}

// TestAtWaits: who takes the connection and says nothing is waited for until the context ends.
func TestAtWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		cancel()
		if err == nil {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	if got, err := At(ctx, "http://"+l.Addr().String()); got || err == nil {
		t.Errorf("%v %v", got, err)
	}
}
