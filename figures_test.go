package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"apichain/internal/certs"
	"apichain/internal/request"
)

// The figures of the README that need a process of its own, each beside its reference.

// bareServer makes the test binary a bare net/http server: the value is http, https or
// h2, and "same" behind it for one that sends the header lines that ours sends, or "proxy=" and an address for
// one that asks another.
const bareServer = "APICHAIN_TEST_BARE_SERVER"

// serveBare answers "ok" to everything, with nothing around it, and prints its address.
func serveBare() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	scheme, same := strings.CutSuffix(os.Getenv(bareServer), " same")
	scheme, behind, isProxy := strings.Cut(scheme, " proxy=")
	server := &http.Server{Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(scheme != "h2")
	server.Protocols.SetHTTP2(scheme == "h2")
	if scheme != "http" {
		loader, err := certs.New(certs.Config{}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*loader.Pairs()[0].Cert}}
	}
	fmt.Println(l.Addr())
	var streams fanOut
	thing := []byte(strings.Repeat("x", 1<<10))
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		switch r.URL.Path {
		case "/bytes":
			writeBytes(w, n)
			return
		case "/stream", proxiedWatchPath:
			streams.serve(w, r)
			return
		case "/send":
			streams.send(n)
			return
		case proxiedPath:
			_, _ = w.Write(thing)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		if same {
			h.Set("Audit-Id", request.NewUUID())
			h.Set("Cache-Control", cacheControlValue)
			h.Set("X-Content-Type-Options", "nosniff")
		}
		_, _ = io.WriteString(w, "ok")
	})
	if isProxy {
		server.Handler = serveBareProxy(behind)
	}
	if scheme == "http" {
		_ = server.Serve(l)
	} else {
		_ = server.ServeTLS(l, "", "")
	}
}

// cpu is the processor time that a process has used, in ticks of 10 ms.
func cpu(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		b.Skip("no /proc")
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident is the memory that a process has, in MiB; 0 where it cannot be known.
func resident(pid int) float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return float64(pages*int64(os.Getpagesize())) / (1 << 20)
}

// load asks over kept-alive connections for a time, and returns how many answers came.
func load(b *testing.B, address, scheme, path string, d time.Duration) int {
	const clients = 16
	until := time.Now().Add(d)
	var n [clients]int
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				b.Error(err)
				return
			}
			if scheme == "https" {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			defer c.Close()
			r := bufio.NewReader(c)
			request := []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAuthorization: Bearer admin-token\r\n\r\n")
			for time.Now().Before(until) {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				size := int64(0)
				for { // the header, then the body
					line, err := r.ReadSlice('\n')
					if err != nil {
						b.Error(err)
						return
					}
					if len(line) == 2 {
						break
					}
					if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
						size, _ = strconv.ParseInt(string(bytes.TrimSpace(v)), 10, 64)
					}
				}
				if _, err := io.CopyN(io.Discard, r, size); err != nil {
					b.Error(err)
					return
				}
				n[i]++
			}
		})
	}
	all.Wait()
	sum := 0
	for _, k := range n {
		sum += k
	}
	return sum
}

// BenchmarkLoopback: requests per second of /livez/ping, and the server's processor time
// for each, as ratios to two bare net/http servers in turns: one whose answer has as few
// header lines as can be, and one that sends the same lines as ours. Nine rounds, the
// median.
func BenchmarkLoopback(b *testing.B) {
	for _, scheme := range []string{"http", "https"} {
		b.Run(scheme, func(b *testing.B) {
			ours := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=off", "--token-auth-file=testdata/tokens.csv")
			address := map[string][]string{"http": ours.ready.HTTP, "https": ours.ready.HTTPS}[scheme][0]
			_, address, _ = strings.Cut(address, "://")
			measure := func(pid int, address string) (rate, cost float64) {
				before := cpu(b, pid)
				n := load(b, address, scheme, "/livez/ping", time.Second)
				return float64(n), float64((cpu(b, pid) - before).Nanoseconds()) / float64(n)
			}
			barePID, bareAddress := startBare(b, scheme)
			samePID, sameAddress := startBare(b, scheme+" same")
			for b.Loop() {
				var ratios [4][]float64
				for range 9 {
					rate, cost := measure(ours.Process.Pid, address)
					bareRate, bareCost := measure(barePID, bareAddress)
					sameRate, sameCost := measure(samePID, sameAddress)
					for i, r := range []float64{rate / bareRate, cost / bareCost, rate / sameRate, cost / sameCost} {
						ratios[i] = append(ratios[i], r)
					}
				}
				for i, unit := range []string{"rate/bare", "cpu/bare", "rate/same", "cpu/same"} {
					slices.Sort(ratios[i])
					b.ReportMetric(ratios[i][4], unit)
				}
			}
			ours.end()
		})
	}
}

// startBare runs a bare server until the benchmark ends.
func startBare(b *testing.B, which string) (pid int, address string) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	bare := exec.Command(self)
	bare.Env = append(os.Environ(), bareServer+"="+which)
	out, err := bare.StdoutPipe()
	if err == nil {
		err = bare.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = bare.Process.Kill()
		_ = bare.Wait()
	})
	if address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	return bare.Process.Pid, strings.TrimSpace(address)
}

// BenchmarkStart: from exec to the first line of output, which says ready, with the
// certificate generated; and the memory that the process then has.
func BenchmarkStart(b *testing.B) {
	var times []time.Duration
	var most float64
	for b.Loop() {
		began := time.Now()
		p := startProcess(b, nil, nil, "--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=127.0.0.1:0")
		times = append(times, time.Since(began))
		most = max(most, resident(p.Process.Pid))
		_ = p.Process.Kill()
		_ = p.Wait()
		p.waited = true
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-to-ready")
	b.ReportMetric(most, "MiB-resident")
}

// TestSize: the stripped program is below 16.8 MiB, one more than before expressions. What is called from many places that are in no
// hurry is kept out of line for it (the go:noinline of all packages), rows of tables are data, and slices of structs are sorted by
// package sort: slices.SortFunc has 20 KB of code for each type.
func TestSize(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the figure is for linux/amd64")
	}
	path := t.TempDir() + "/stripped"
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.2f MiB", float64(info.Size())/(1<<20))
	if info.Size() >= 168<<20/10 {
		t.Errorf("the stripped program has %d bytes, want less than 16.8 MiB", info.Size())
	}
}
