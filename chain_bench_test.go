package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkChain is the cost of a filter chain: the same trivial mux handler bare, and
// behind all filters, director and mux of a listener. Recording is off: what it costs is
// BenchmarkRecording.
func BenchmarkChain(b *testing.B) {
	p := newTestProgram(b, "--recent-requests=0", "--token-auth-file=testdata/tokens.csv")
	trivial := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })
	if err := p.outermost.Handle("/bench", trivial); err != nil {
		b.Fatal(err)
	}
	request := func() *http.Request {
		r := httptest.NewRequest("GET", "/bench", nil)
		r.Host = "localhost"
		r.Header.Set("User-Agent", "bench")
		return r
	}
	run := func(b *testing.B, h http.Handler, token []string) {
		r, w := request(), &sink{h: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			if token != nil {
				r.Header["Authorization"] = token
			}
			w.status = 0
			clear(w.h)
			h.ServeHTTP(w, r)
		}
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
	b.Run("bare", func(b *testing.B) { run(b, trivial, nil) })
	b.Run("https", func(b *testing.B) { run(b, p.chain("https"), []string{"Bearer admin-token"}) })
	b.Run("http", func(b *testing.B) { run(b, p.chain("http"), nil) })
}
