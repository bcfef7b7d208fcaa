package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// The figures of resources that need a process of their own, each beside a bare net/http
// server that sends the same bytes.

// writeBytes is what a list costs at least: its bytes, in pieces of 64 KiB.
func writeBytes(w http.ResponseWriter, n int) {
	w.Header().Set("Content-Type", "application/json")
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for ; n > 0; n -= len(piece) {
		_, _ = w.Write(piece[:min(n, len(piece))])
	}
}

// fanOut is what a watch costs at least: every stream writes and flushes the same bytes.
type fanOut struct {
	mu   sync.Mutex
	next chan struct{}
	line []byte
}

func (f *fanOut) wait() (<-chan struct{}, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next = make(chan struct{})
	}
	return f.next, f.line
}

func (f *fanOut) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	c := http.NewResponseController(w)
	_ = c.Flush()
	next, _ := f.wait()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-next:
		}
		var line []byte
		next, line = f.wait()
		_, _ = w.Write(line)
		_ = c.Flush()
	}
}

// send lets every stream write n bytes, the last of which ends a line.
func (f *fanOut) send(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.line = append(bytes.Repeat([]byte("x"), n-1), '\n')
	if f.next != nil {
		close(f.next)
	}
	f.next = make(chan struct{})
}

// figureClient speaks one protocol to a server whose certificate does not matter.
func figureClient(kind string) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	tr.Protocols.SetHTTP1(kind != "h2")
	tr.Protocols.SetHTTP2(kind == "h2")
	return &http.Client{Transport: tr}
}

func figureRequest(b *testing.B, c *http.Client, method, url, body string) *http.Response {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin-token")
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	return resp
}

func drained(b *testing.B, resp *http.Response) int64 {
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode > 299 {
		b.Fatalf("status %d after %d bytes: %v", resp.StatusCode, n, err)
	}
	return n
}

// BenchmarkLoopbackList: the server's processor time for a list of 10,000 config maps of
// 1.4 KB, as a ratio to a bare server that writes as many bytes in pieces of 64 KiB, in
// turns; seven rounds, the median.
func BenchmarkLoopbackList(b *testing.B) {
	ours := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv")
	const path = "/api/v1/namespaces/default/configmaps"
	plain := figureClient("http")
	for i := range 10_000 {
		drained(b, figureRequest(b, plain, "POST", ours.ready.HTTP[0]+path, benchMap(fmt.Sprintf("o-%05d", i), strings.Repeat("y", 100))))
	}
	stored := resident(ours.Process.Pid)
	for _, kind := range []string{"http", "https", "h2"} {
		for _, query := range []string{"", "?limit=500"} {
			b.Run(kind+query, func(b *testing.B) {
				scheme, url := "https", ours.ready.HTTPS[0]
				if kind == "http" {
					scheme, url = "http", ours.ready.HTTP[0]
				}
				barePID, bareAddress := startBare(b, kind)
				c := figureClient(kind)
				size := drained(b, figureRequest(b, c, "GET", url+path+query, ""))
				rounds := int(max(20, 300<<20/size))
				measure := func(pid int, url string) float64 {
					before := cpu(b, pid)
					for range rounds {
						drained(b, figureRequest(b, c, "GET", url, ""))
					}
					return float64((cpu(b, pid) - before).Microseconds()) / float64(rounds)
				}
				for b.Loop() {
					var ratios, costs []float64
					for range 7 {
						own := measure(ours.Process.Pid, url+path+query)
						bare := measure(barePID, fmt.Sprintf("%s://%s/bytes?%d", scheme, bareAddress, size))
						ratios, costs = append(ratios, own/bare), append(costs, own)
					}
					slices.Sort(ratios)
					slices.Sort(costs)
					b.ReportMetric(ratios[3], "cpu/bare")
					b.ReportMetric(costs[3], "µs-cpu/list")
					b.ReportMetric(stored, "MiB-resident")
				}
			})
		}
	}
	ours.end()
}

// BenchmarkLoopbackVerbs: the server's processor time for a request over TLS with 16
// connections, and its ratio to a bare server that answers every request with two bytes,
// measured in front of each; objects have about 1.2 KB, custom ones a schema that is checked.
func BenchmarkLoopbackVerbs(b *testing.B) {
	const requests = 6000
	ours := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv")
	c := figureClient("https")
	c.Transport.(*http.Transport).MaxIdleConnsPerHost = 16
	barePID, bareAddress := startBare(b, "https")
	url := ours.ready.HTTPS[0]
	drained(b, figureRequest(b, c, "POST", url+"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", benchDefinition))
	measure := func(pid int, do func(i int)) float64 {
		before := cpu(b, pid)
		var all sync.WaitGroup
		for worker := range 16 {
			all.Go(func() {
				for i := worker; i < requests; i += 16 {
					do(i)
				}
			})
		}
		all.Wait()
		return float64((cpu(b, pid) - before).Microseconds()) / requests
	}
	for _, k := range []struct {
		name, path string
		object     func(name string, n int) string
	}{
		{"ConfigMap", "/api/v1/namespaces/default/configmaps", func(name string, n int) string { return benchMap(name, fmt.Sprint(n)) }},
		{"Widget", "/apis/example.com/v1/namespaces/default/widgets", func(name string, n int) string { return benchObjectOf(name, n%100) }},
	} {
		object := func(i int) string { return fmt.Sprintf("%s%s/o-%d", url, k.path, i) }
		for _, v := range []struct {
			verb string
			do   func(i int)
		}{
			{"create", func(i int) { drained(b, figureRequest(b, c, "POST", url+k.path, k.object(fmt.Sprintf("o-%d", i), i))) }},
			{"get", func(i int) { drained(b, figureRequest(b, c, "GET", object(i), "")) }},
			{"update", func(i int) {
				resp := figureRequest(b, c, "GET", object(i), "")
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				drained(b, figureRequest(b, c, "PUT", object(i), strings.Replace(string(text), "xxx", "xyx", 1)))
			}},
			{"merge-patch", func(i int) {
				req, _ := http.NewRequest("PATCH", object(i), strings.NewReader(fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, i)))
				req.Header.Set("Authorization", "Bearer admin-token")
				req.Header.Set("Content-Type", apitest.MergePatch)
				resp, err := c.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				drained(b, resp)
			}},
			{"delete", func(i int) { drained(b, figureRequest(b, c, "DELETE", object(i), "")) }},
		} {
			bare := measure(barePID, func(int) { drained(b, figureRequest(b, c, "GET", "https://"+bareAddress+"/", "")) })
			own := measure(ours.Process.Pid, v.do)
			if v.verb == "update" { // which reads the object first
				own -= measure(ours.Process.Pid, func(i int) { drained(b, figureRequest(b, c, "GET", object(i), "")) })
			}
			b.Run(k.name+"/"+v.verb, func(b *testing.B) {
				for b.Loop() { // measured above, once: each object is written once
				}
				b.ReportMetric(own/bare, "cpu/bare")
				b.ReportMetric(own, "µs-cpu/request")
			})
		}
	}
	ours.end()
}

// BenchmarkLoopbackWatch: the server's processor time for an event delivered to one of
// 1,000 watchers, with the write that causes it, as a ratio to a bare server that writes
// and flushes the same bytes to 1,000 streams; five rounds in turns, the median.
func BenchmarkLoopbackWatch(b *testing.B) {
	const watchers, events = 1000, 50
	const path = "/api/v1/namespaces/default/configmaps"
	for _, scheme := range []string{"http", "https"} {
		b.Run(scheme, func(b *testing.B) {
			ours := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv")
			url := map[string][]string{"http": ours.ready.HTTP, "https": ours.ready.HTTPS}[scheme][0]
			barePID, bareAddress := startBare(b, scheme)
			bareURL := scheme + "://" + bareAddress
			c := figureClient(scheme)
			drained(b, figureRequest(b, c, "POST", url+path, benchMap("one", "0")))
			list := figureRequest(b, c, "GET", url+path+"?limit=1", "")
			text, _ := io.ReadAll(list.Body)
			list.Body.Close()
			obj, _, _ := tree.ParseJSONObject(text)
			own := openStreams(b, c, watchers, url+path+"?watch=true&resourceVersion="+tree.Text(obj, "metadata", "resourceVersion"))
			bare := openStreams(b, c, watchers, bareURL+"/stream")
			var size int
			ownRound := func(i int) {
				drained(b, figureRequest(b, c, "PUT", url+path+"/one", benchMap("one", fmt.Sprint(i))))
				size = own.await(b)
			}
			bareRound := func(int) {
				drained(b, figureRequest(b, c, "POST", fmt.Sprintf("%s/send?%d", bareURL, size), ""))
				bare.await(b)
			}
			n := 0
			measure := func(pid int, round func(int)) float64 {
				before := cpu(b, pid)
				for range events {
					n++
					round(n)
				}
				return float64((cpu(b, pid) - before).Nanoseconds()) / 1000 / events / watchers
			}
			for b.Loop() {
				var ratios, costs []float64
				for range 5 {
					o := measure(ours.Process.Pid, ownRound)
					r := measure(barePID, bareRound)
					ratios, costs = append(ratios, o/r), append(costs, o)
				}
				slices.Sort(ratios)
				slices.Sort(costs)
				b.ReportMetric(ratios[2], "cpu/bare")
				b.ReportMetric(costs[2], "µs-cpu/event")
				b.ReportMetric(resident(ours.Process.Pid), "MiB-resident")
			}
			own.close()
			bare.close()
			ours.end()
		})
	}
}

// streams are open answers whose lines are counted.
type streams struct {
	stop  context.CancelFunc
	lines chan int // the length of each line that came
	n     int
	ended sync.WaitGroup
}

func openStreams(b *testing.B, c *http.Client, n int, url string) *streams {
	ctx, cancel := context.WithCancel(context.Background())
	s := &streams{stop: cancel, lines: make(chan int, n), n: n}
	for range n {
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer admin-token")
		resp, err := c.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		s.ended.Go(func() {
			defer resp.Body.Close()
			r := bufio.NewReaderSize(resp.Body, 4096)
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				s.lines <- len(line)
			}
		})
	}
	return s
}

// await returns when every stream has had a line.
func (s *streams) await(b *testing.B) (size int) {
	timeout := time.After(30 * time.Second)
	for range s.n {
		select {
		case size = <-s.lines:
		case <-timeout:
			b.Fatal("a stream has had no line for a minute")
		}
	}
	return size
}

func (s *streams) close() {
	s.stop()
	go func() {
		for range s.lines {
		}
	}()
	s.ended.Wait()
	close(s.lines)
}
