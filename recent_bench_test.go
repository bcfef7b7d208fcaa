package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkRecording is what it costs to record requests: with recording on and off in
// turns, in one run, five rounds, the median.
//
//   - chain: the chain of the TLS listener around a trivial handler, in this process, in
//     1,000 short rounds.
//   - https: GET of a config map over TLS with 16 connections, of a process of its own each:
//     requests per second, and the server's processor time for each, on to off.
func BenchmarkRecording(b *testing.B) {
	const rounds = 5
	median := func(of []float64) float64 {
		slices.Sort(of)
		return of[len(of)/2]
	}
	b.Run("chain", func(b *testing.B) {
		var chains [2]*chain
		for i, flag := range []string{"--recent-requests=0", "--recent-requests=1000"} {
			p := newTestProgram(b, flag, "--token-auth-file=testdata/tokens.csv")
			if err := p.outermost.Handle("/bench", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })); err != nil {
				b.Fatal(err)
			}
			chains[i] = p.chain("https")
		}
		r, w, token := httptest.NewRequest("GET", "/bench", nil), &sink{h: http.Header{}}, []string{"Bearer admin-token"}
		r.Host = "localhost"
		measure := func(c *chain) float64 {
			const requests = 100 // so few that most rounds are run without a break
			began := time.Now()
			for range requests {
				r.Header["Authorization"] = token
				clear(w.h)
				c.ServeHTTP(w, r)
			}
			return float64(time.Since(began).Nanoseconds()) / requests
		}
		for b.Loop() {
			var offs, ons []float64
			for range 1000 {
				offs, ons = append(offs, measure(chains[0])), append(ons, measure(chains[1]))
			}
			b.ReportMetric(median(offs), "ns-off")
			b.ReportMetric(median(ons), "ns-on")
		}
	})
	b.Run("https", func(b *testing.B) {
		const path = "/api/v1/namespaces/default/configmaps/o"
		var servers [2]*process
		var addresses [2]string
		for i, flag := range []string{"--recent-requests=0", "--recent-requests=1000"} {
			servers[i] = startProcess(b, nil, nil, flag, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv")
			drained(b, figureRequest(b, figureClient("http"), "POST", servers[i].ready.HTTP[0]+"/api/v1/namespaces/default/configmaps", benchMap("o", "x")))
			_, addresses[i], _ = strings.Cut(servers[i].ready.HTTPS[0], "://")
			load(b, addresses[i], "https", path, 200*time.Millisecond)
		}
		var rates, costs, offs []float64 // of all loops: -benchtime 10x tells more than 1x
		for b.Loop() {
			for range rounds {
				var n, spent [2]float64
				for turn := range 8 { // off, on, on, off: what changes slowly is no difference
					i := (turn + 1) / 2 % 2
					before := cpu(b, servers[i].Process.Pid)
					n[i] += float64(load(b, addresses[i], "https", path, 150*time.Millisecond))
					spent[i] += float64((cpu(b, servers[i].Process.Pid) - before).Nanoseconds())
				}
				off := spent[0] / n[0]
				rates, costs, offs = append(rates, n[1]/n[0]), append(costs, spent[1]/n[1]/off), append(offs, off)
			}
			b.ReportMetric(median(rates), "rate-on/off")
			b.ReportMetric(median(costs), "cpu-on/off")
			b.ReportMetric(median(offs)/1000, "µs-cpu-off")
		}
		for _, s := range servers {
			s.end()
		}
	})
}
