package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"apichain/admin"
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

// BenchmarkFaultFilter is what fault injection adds to a chain: the same request through
// the chain without its row, with it, and with a rule that is about something else, by
// turns. The metrics are medians of the rounds, in nanoseconds a request, and their ratio.
func BenchmarkFaultFilter(b *testing.B) {
	p := newTestProgram(b)
	if err := p.outermost.Handle("/bench", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })); err != nil {
		b.Fatal(err)
	}
	rows := plainRows(p)
	without, with := newChain(p, "http", rows[:len(rows)-1]), newChain(p, "http", rows)
	r, w := httptest.NewRequest("GET", "/bench", nil), &sink{h: http.Header{}}
	r.Host = "localhost"
	round := func(c *chain) float64 {
		const n = 2000
		begun := time.Now()
		for range n {
			clear(w.h)
			c.ServeHTTP(w, r)
		}
		return float64(time.Since(begun).Nanoseconds()) / n
	}
	var off, idle, on []float64
	for b.Loop() {
		off, idle = append(off, round(without)), append(idle, round(with))
		rule := admin.FaultRule{ID: "other", Match: admin.Match{"verb": {"watch"}}, Action: admin.FaultAction{Do: "cut"}, Percent: 100}
		if err := (source{p}).SetFaults(admin.Setting{For: time.Minute}, admin.FaultSet{Rules: []admin.FaultRule{rule}}); err != nil {
			b.Fatal(err)
		}
		on = append(on, round(with))
		p.faults.clear("the benchmark")
	}
	median := func(of []float64) float64 { slices.Sort(of); return of[len(of)/2] }
	b.ReportMetric(median(off), "without-ns")
	b.ReportMetric(median(idle), "idle-ns")
	b.ReportMetric(median(on), "rule-ns")
	b.ReportMetric(median(idle)/median(off), "idle/without")
}
