package interop

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What it costs to be in front of another server: requests a second, and the processor's time of the front alone, of the
// program, of a bare httputil.ReverseProxy, and of kube-apiserver where APICHAIN_REFERENCE names it, in front of one server,
// by the same clients, in turns. Each is a process of its own.
//
//	APICHAIN_REFERENCE=DIR APICHAIN_FIGURES=10s go test -v -run TestProxyFigures .

// childVariable makes the test binary one of the processes of this test: its value is what it is.
const childVariable = "INTEROP_CHILD"

// child is a server that ends with its standard input. Arguments are the files of its certificate and, of a proxy, the
// URL of the other server.
func child(what string, args []string) error {
	var handler http.Handler = http.HandlerFunc(serveFigures)
	if what == "proxy" {
		to, err := url.Parse(args[2])
		if err != nil {
			return err
		}
		handler = &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.SetXForwarded() },
			Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true},
		}
	}
	pair, err := tls.LoadX509KeyPair(args[0], args[1])
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	server := &http.Server{Handler: handler}
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); _ = server.Close() }()
	_ = server.Serve(l)
	return nil
}

// serveFigures answers with a KiB, or with a moment each 2 ms.
func serveFigures(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") == "" {
		_, _ = io.WriteString(w, `{"kind":"Echo","apiVersion":"echo.example.com/v1","metadata":{"name":"a"},"data":"`+strings.Repeat("x", 900)+`"}`)
		return
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		if _, err := fmt.Fprintln(w, time.Now().UnixNano()); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// startChild runs a child until the test ends, and returns its address and its number.
func startChild(t *testing.T, what string, args ...string) (address string, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}

// measuredFront is one that is measured: where, and what it has done.
type measuredFront struct {
	name, url, token string
	pid              int

	requests int64
	took     time.Duration
	cpu      time.Duration
}

// cpuTime is the processor's time that a process has used. The system counts it in hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// load asks the front with 16 connections for a while.
func (m *measuredFront) load(t *testing.T, length time.Duration) {
	t.Helper()
	before, err := cpuTime(m.pid)
	if err != nil {
		t.Skip(err) // not on this system
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var n atomic.Int64
	var working sync.WaitGroup
	began := time.Now()
	for range 16 {
		working.Go(func() {
			// HTTP/1.1, a connection each.
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			defer c.CloseIdleConnections()
			for ctx.Err() == nil {
				answer, err := c.Do(m.request(ctx, ""))
				if err != nil {
					continue // the time is over
				}
				if _, err := io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode == http.StatusOK {
					n.Add(1)
				} else if err == nil {
					t.Errorf("%s: %s", m.name, answer.Status)
					cancel()
				}
				_ = answer.Body.Close()
			}
		})
	}
	working.Wait()
	m.took += time.Since(began)
	after, err := cpuTime(m.pid)
	check(t, "processor's time", err)
	m.cpu += after - before
	m.requests += n.Load()
}

func (m *measuredFront) request(ctx context.Context, query string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, "GET", m.url+"/apis/echo.example.com/v1/namespaces/default/echoes/a"+query, nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+m.token)
	return req
}

// late returns how late moments of a watch come, the median and the 99th of 100.
func (m *measuredFront) late(t *testing.T, events int) (median, p99 time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer c.CloseIdleConnections()
	answer, err := c.Do(m.request(ctx, "?watch=1"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var all []time.Duration
	for s := bufio.NewScanner(answer.Body); len(all) < events && s.Scan(); {
		sent, err := strconv.ParseInt(s.Text(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Duration(time.Now().UnixNano()-sent))
	}
	if len(all) < events {
		t.Fatalf("%s: %d events", m.name, len(all))
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// TestProxyFigures measures; the figures are in the log, and its bounds are for machines that do something else.
func TestProxyFigures(t *testing.T) {
	length, events := 500*time.Millisecond, 300
	if text := os.Getenv("APICHAIN_FIGURES"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		events = 3000
	}
	trust := newAuthority(t, "services")
	cert, key := trust.issue(t, "figures", "figures.aside.svc", "127.0.0.1")
	address, _ := startChild(t, "server", cert, key)
	port, err := strconv.Atoi(address[strings.LastIndex(address, ":")+1:])
	check(t, "port", err)
	bare, pid := startChild(t, "proxy", cert, key, "https://"+address)
	direct := &measuredFront{name: "direct", url: "https://" + address}
	fronts := []*measuredFront{{name: "httputil.ReverseProxy", url: "https://" + bare, pid: pid}}
	folders := map[string]string{"apichain": folderOf(t)}
	if folder := os.Getenv("APICHAIN_REFERENCE"); folder != "" {
		folders["kube-apiserver"] = folder
	}
	for name, folder := range folders {
		f := startFront(t, folder, startEtcd(t, 1).servers())
		f.serve(t, "echo.example.com/v1", "figures", port, trust)
		fronts = append(fronts, &measuredFront{name: name, url: f.url, token: f.token, pid: f.pid()})
	}
	for _, m := range fronts {
		m.load(t, length/2) // warm
		m.requests, m.took, m.cpu = 0, 0, 0
	}
	for range 3 {
		for _, m := range fronts {
			m.load(t, length)
		}
	}
	median, p99 := direct.late(t, events)
	t.Logf("direct: an event comes after %v, p99 %v", median, p99)
	perCPU := map[string]float64{}
	for _, m := range fronts {
		median, p99 := m.late(t, events)
		perCPU[m.name] = float64(m.requests) / m.cpu.Seconds()
		t.Logf("%s: %.0f requests/s, %.0f per second of its processor's time (%v each); an event comes after %v, p99 %v", m.name,
			float64(m.requests)/m.took.Seconds(), perCPU[m.name], (m.cpu / time.Duration(max(m.requests, 1))).Round(time.Microsecond), median, p99)
	}
	if ours := perCPU["apichain"]; ours < perCPU["httputil.ReverseProxy"]/4 || ours < perCPU["kube-apiserver"]*1.5 {
		t.Errorf("requests per second of processor's time: %v", perCPU)
	}
}
