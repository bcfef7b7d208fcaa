package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"apichain/internal/backend"
)

// What it costs to send requests on, beside a bare reverse proxy over the same transport, and beside kube-aggregator where
// the environment names one.

// referenceServer names a running kube-apiserver to compare with: PID HOST:PORT, whose administrator has the token admin-token.
const referenceServer = "APICHAIN_TEST_REFERENCE"

// serveBareProxy sends every request to the server at an address: net/http/httputil's ReverseProxy, and our transport.
func serveBareProxy(address string) http.Handler {
	b := backend.New(backend.Config{}).Use(backend.APIServer, "bare", backend.Target{URL: "https://" + address, InsecureSkipTLSVerify: true})
	return &httputil.ReverseProxy{Transport: b, Director: func(r *http.Request) { r.URL.Scheme, r.URL.Host, r.Host = "https", address, address }}
}

// What is asked for: a body of 1 KiB, and a line for each /send.
const (
	proxiedPath      = "/apis/ext.example.com/v1/namespaces/a/things/x"
	proxiedWatchPath = "/apis/ext.example.com/v1/watch/things"
)

// BenchmarkProxy: requests per second through the proxy, and the processor time of the proxy for each, as ratios to a bare
// reverse proxy, in turns. Nine rounds, the median. With a reference also requests per second of its processor time.
func BenchmarkProxy(b *testing.B) {
	for _, scheme := range []string{"https", "h2"} {
		b.Run("backend-"+scheme, func(b *testing.B) {
			_, address := startBare(b, scheme)
			barePID, bareAddress := startBare(b, "http proxy="+address)
			ours := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off",
				"--token-auth-file=testdata/tokens.csv", "--aggregate=ext.example.com/v1=https://"+address+",insecure")
			cut := func(url string) string { _, at, _ := strings.Cut(url, "://"); return at }
			awaitProxied(b, "http", cut(ours.ready.HTTP[0]))
			measure := func(pid int, scheme, address string) (rate, cost float64) {
				before := cpu(b, pid)
				n := load(b, address, scheme, proxiedPath, time.Second)
				return float64(n), float64((cpu(b, pid) - before).Nanoseconds()) / float64(n)
			}
			referencePID, reference := startReference(b, address)
			for b.Loop() {
				units := []string{"rate/bare", "cpu/bare", "µs-cpu"}
				ratios := make([][]float64, 4)
				for range 9 {
					rate, cost := measure(ours.Process.Pid, "http", cut(ours.ready.HTTP[0]))
					bareRate, bareCost := measure(barePID, "http", bareAddress)
					row := []float64{rate / bareRate, cost / bareCost, cost / 1000}
					if reference != "" {
						_, cost = measure(ours.Process.Pid, "https", cut(ours.ready.HTTPS[0]))
						_, theirs := measure(referencePID, "https", reference)
						row = append(row, theirs/cost)
						units = []string{"rate/bare", "cpu/bare", "µs-cpu", "reference-cpu/ours"}
					}
					for i, r := range row {
						ratios[i] = append(ratios[i], r)
					}
				}
				for i, unit := range units {
					slices.Sort(ratios[i])
					b.ReportMetric(ratios[i][4], unit)
				}
			}
			ours.end()
		})
	}
}

// awaitProxied waits until the path is answered.
func awaitProxied(b *testing.B, scheme, address string) {
	b.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer c.CloseIdleConnections()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		req, _ := http.NewRequest("GET", scheme+"://"+address+proxiedPath, nil)
		req.Header.Set("Authorization", "Bearer admin-token")
		if resp, err := c.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == 200 {
				return
			}
		}
	}
	b.Fatal("the other server does not become available")
}

// startReference lets the reference, if there is one, aggregate the server at an address.
func startReference(b *testing.B, backend string) (pid int, address string) {
	if _, err := fmt.Sscan(os.Getenv(referenceServer), &pid, &address); err != nil {
		return 0, ""
	}
	_, port, _ := strings.Cut(backend, ":")
	name := "bench-" + port
	for path, body := range map[string]string{
		"/api/v1/namespaces/default/services": `{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + name + `"},"spec":{"type":"ExternalName","externalName":"127.0.0.1"}}`,
		"/apis/apiregistration.k8s.io/v1/apiservices": `{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","metadata":{"name":"v1.ext.example.com"},"spec":{"group":"ext.example.com","version":"v1",
			"groupPriorityMinimum":1000,"versionPriority":15,"insecureSkipTLSVerify":true,"service":{"namespace":"default","name":"` + name + `","port":` + port + `}}}`,
	} {
		for _, method := range []string{"DELETE", "POST"} {
			at := "https://" + address + path
			if method == "DELETE" {
				at += map[bool]string{true: "/" + name, false: "/v1.ext.example.com"}[strings.Contains(path, "services") && strings.HasPrefix(path, "/api/")]
			}
			req, _ := http.NewRequest(method, at, bytes.NewReader([]byte(map[string]string{"POST": body}[method])))
			req.Header.Set("Authorization", "Bearer admin-token")
			req.Header.Set("Content-Type", "application/json")
			resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}).Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	awaitProxied(b, "https", address)
	return pid, address
}

// BenchmarkProxiedWatch: how much later an event comes through the proxy than from the server itself, when both are watched
// by one client each: the 50th and the 99th percentile of the difference.
func BenchmarkProxiedWatch(b *testing.B) {
	for _, scheme := range []string{"https", "h2"} {
		b.Run("backend-"+scheme, func(b *testing.B) {
			_, address := startBare(b, scheme)
			ours := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off",
				"--aggregate=ext.example.com/v1=https://"+address+",insecure")
			_, front, _ := strings.Cut(ours.ready.HTTP[0], "://")
			awaitProxied(b, "http", front)
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: scheme == "h2"}}
			defer c.CloseIdleConnections()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			came := func(url string) <-chan time.Time {
				req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
				resp, err := c.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				at := make(chan time.Time, 16)
				go func() {
					defer func() { _ = resp.Body.Close() }()
					r := bufio.NewReader(resp.Body)
					for {
						if _, err := r.ReadString('\n'); err != nil {
							return
						}
						at <- time.Now()
					}
				}()
				return at
			}
			direct, proxied := came("https://"+address+proxiedWatchPath), came("http://"+front+proxiedWatchPath)
			var late []time.Duration
			for b.Loop() {
				resp, err := c.Get("https://" + address + "/send?64")
				if err != nil {
					b.Fatal(err)
				}
				_ = resp.Body.Close()
				a, p := <-direct, <-proxied
				late = append(late, p.Sub(a))
			}
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2].Microseconds()), "µs-later-p50")
			b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "µs-later-p99")
			ours.end()
		})
	}
}
