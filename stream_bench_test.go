package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkStreams: what streams cost the serving path: requests per second of
// /livez/ping over TLS at 16 connections, and the server's processor time for each, with
// them as a ratio to without, in turns, the median of five for each loop. First 50 streams
// with the topics that one has unasked, beside 10 requests a second for pages; then one
// stream of requests, which has two events for each; then one of requests that chooses
// nothing. Clients run on the same processors, so the rate has their cost too.
func BenchmarkStreams(b *testing.B) {
	for _, c := range []struct {
		name    string
		streams int
		query   string
		pages   bool
	}{
		{"50 streams and pages", 50, "", true},
		{"one of requests", 1, "?topics=requests", false},
		{"one that chooses none", 1, "?topics=requests&user=nobody", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := startProcess(b, nil, nil, "--listen-http=off", "--listen-https=127.0.0.1:0", "--listen-admin=127.0.0.1:0", "--token-auth-file=testdata/tokens.csv")
			address := strings.TrimPrefix(p.ready.HTTPS[0], "https://")
			measure := func() (rate, cost float64) {
				before := cpu(b, p.Process.Pid)
				n := load(b, address, "https", "/livez/ping", 300*time.Millisecond)
				return float64(n), float64((cpu(b, p.Process.Pid) - before).Nanoseconds()) / float64(n)
			}
			var rates, costs []float64 // of all loops: -benchtime 10x tells more than 1x
			for b.Loop() {
				for range 5 { // without, with, with, without: what changes slowly is no difference
					rate, cost := measure()
					stop := watchAdmin(b, p.ready.Admin[0], c.query, c.streams, c.pages)
					rateWith, costWith := measure()
					rateWith2, costWith2 := measure()
					stop()
					rate2, cost2 := measure()
					rates, costs = append(rates, (rateWith+rateWith2)/(rate+rate2)), append(costs, (costWith+costWith2)/(cost+cost2))
				}
			}
			slices.Sort(rates)
			slices.Sort(costs)
			b.ReportMetric(rates[len(rates)/2], "rate/without")
			b.ReportMetric(costs[len(costs)/2], "cpu/without")
			p.end()
		})
	}
}

// watchAdmin reads streams and, ten times a second, a page, until stop is called.
func watchAdmin(b *testing.B, url, query string, streams int, pages bool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	tr := &http.Transport{MaxIdleConnsPerHost: 1}
	open := func(path string) io.ReadCloser {
		req, err := http.NewRequestWithContext(ctx, "GET", url+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			if ctx.Err() == nil {
				b.Error(err)
			}
			return http.NoBody
		}
		if resp.StatusCode != 200 {
			b.Errorf("%s: %d", path, resp.StatusCode)
		}
		return resp.Body
	}
	var all sync.WaitGroup
	for range streams {
		body := open("/admin/v1/stream" + query)
		all.Go(func() {
			_, _ = io.Copy(io.Discard, body)
			body.Close()
		})
	}
	if pages {
		all.Go(func() {
			t := time.NewTicker(100 * time.Millisecond)
			defer t.Stop()
			for i := 0; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-t.C:
				}
				body := open(fmt.Sprint("/admin/v1/", []string{"inflight", "chain", "routes", "timeline", "hooks"}[i%5]))
				_, _ = io.Copy(io.Discard, body)
				body.Close()
			}
		})
	}
	return func() {
		cancel()
		all.Wait()
		tr.CloseIdleConnections()
	}
}
