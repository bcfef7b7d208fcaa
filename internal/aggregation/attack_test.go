package aggregation_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/request"
)

// alice is who asks.
var alice = request.User{Name: "alice"}

// TestBadServers: a server that misbehaves costs its own requests and nobody else's: they end with a 5xx, or break off,
// within their time and without memory.
func TestBadServers(t *testing.T) {
	hang := func(c net.Conn, r *bufio.Reader) { _, _ = r.ReadByte() }
	reset := func(c net.Conn, _ *bufio.Reader) {
		_ = c.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
		_ = c.(*tls.Conn).NetConn().Close()
	}
	trickle := func(c net.Conn, r *bufio.Reader) {
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{"abc"[i%3]}); err != nil {
				return
			}
			// One byte is sent for each that is asked for, so that nobody sleeps.
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, _ = r.ReadByte()
		}
	}
	for _, c := range []struct {
		name, answer string
		then         func(net.Conn, *bufio.Reader)
		time         time.Duration // of the request; 0: none, untilSeen: until the body begins
		code         int           // 0: there is no answer
		body         string        // what it contains
		breaks       bool          // the body does not end
	}{
		{"hangs", "", hang, 50 * time.Millisecond, 503, "context deadline exceeded", false},
		{"hangs in the header", "HTTP/1.1 200 OK\r\nA: b\r\n", hang, 50 * time.Millisecond, 503, "context deadline exceeded", false},
		{"hangs in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", hang, untilSeen, 200, "abc", true},
		{"trickles", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", trickle, untilSeen, 200, "abc", true},
		{"resets at once", "", reset, 0, 503, "error trying to reach service: ", false},
		{"resets in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", reset, 0, 200, "abc", true},
		{"ends in the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", nil, 0, 200, "abc", true},
		{"ends in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", nil, 0, 200, "abc", true},
		{"garbage", "SSH-2.0-OpenSSH_9.6\r\n\r\n", nil, 0, 503, "malformed HTTP response", false},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", nil, 0, 200, "", true},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", nil, 0, 503, "Content-Length", false},
		{"not asked upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", hang, 0, 503, "an upgrade that was not asked for", false},
		{"endless header", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", nil, 0, 503, "header", false},
		{"no status", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", nil, 0, 503, "the answer has the status 099", false},
		{"many hints", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 100000), hang, 0, 503, "too many informational responses", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := rawFronted(t, func(string) string { return c.answer }, c.then)
			ctx := context.Background()
			if c.time != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Minute)
				defer cancel()
			}
			path := "http://" + address + root + "/x"
			if c.time != 0 {
				path += "?test-timeout=" + c.time.String()
			}
			req, _ := http.NewRequestWithContext(ctx, "GET", path, nil)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != c.code || !strings.Contains(string(b), c.body) || (err != nil) != c.breaks {
				t.Errorf("answered %d %.200q (%v), want %d %q, breaking off: %t", resp.StatusCode, b, err, c.code, c.body, c.breaks)
			}
		})
	}
}

// TestHints: what comes before an answer passes without what is between two ends, and takes nothing from the answer that we
// say ourselves. A request may end while they come.
func TestHints(t *testing.T) {
	const hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nOwn: evil\r\nConnection: close\r\n\r\n"
	ca := newAuthority(t)
	w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": rawServer(t, ca.certificate(t, "api.test-ns.svc"), func(head string) string {
		if strings.Contains(head, "/x?") {
			return hint
		}
		return hint + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	}, func(c net.Conn, r *bufio.Reader) {
		for range 20 {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := r.ReadByte(); err == io.EOF {
				return
			}
			_, _ = io.WriteString(c, hint)
		}
		_ = c.SetReadDeadline(time.Time{})
		_, _ = r.ReadByte()
	})})
	w.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "True")
	next := w.handler(alice)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Own", "ours")
		next.ServeHTTP(rw, req)
	}))
	t.Cleanup(front.Close)
	hints := 0
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		if hints++; h.Get("Own") != "ours" || h.Get("Link") != "</x>" || h.Get("Connection") != "" {
			t.Errorf("a hint says %v", h)
		}
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "GET", front.URL+root+"/y", nil)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if h := resp.Header; hints != 1 || resp.StatusCode != 200 || h.Get("Own") != "ours" || h.Get("Link") != "" {
		t.Errorf("%d hints, and the answer %d says %v", hints, resp.StatusCode, h)
	}
	// The time is over somewhere among the hints: the answer is whole, and the race detector sees nobody else write it.
	for i := range 20 {
		resp, err := http.Get(front.URL + root + "/x?test-timeout=" + (time.Duration(i+1) * time.Millisecond).String())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 503 || resp.Header.Get("Link") != "" {
			t.Errorf("answered %d %v", resp.StatusCode, resp.Header)
		}
	}
}

// TestManyNames: a Connection that names half a million headers costs what reading it costs, beside however many there are.
func TestManyNames(t *testing.T) {
	var kept atomic.Int32
	f := newFronted(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Named") == "" && r.Header.Get("X-Header-7") == "7" {
			kept.Add(1)
		}
	}))
	var head strings.Builder
	head.WriteString("GET " + root + "/x HTTP/1.1\r\nHost: front\r\nX-Named: a\r\n")
	for i := range 200 {
		fmt.Fprintf(&head, "X-Header-%d: %d\r\n", i, i)
	}
	head.WriteString("Connection: " + strings.Repeat("a,", 450_000) + " x-named\t, close\r\n\r\n")
	begun := time.Now()
	const requests = 3
	for range requests {
		if resp := exchangeRaw(t, f.front.Listener.Addr().String(), head.String()); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	// To look at each name for each other one would take hours.
	if took := time.Since(begun); took > 2*time.Minute || kept.Load() != requests {
		t.Errorf("%d of %d requests are right, after %v", kept.Load(), requests, took)
	}
}

// TestLargeAnswers: what is large passes, and takes no room: as many bytes as a server likes, and a page of them that is
// compressed and rewritten.
func TestLargeAnswers(t *testing.T) {
	const size = 64 << 20
	piece := bytes.Repeat([]byte("<a href=x>0123456789abcdef</a>\n"), 1024)
	var bomb bytes.Buffer
	g, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	for n := 0; n < size/2; n += len(piece) {
		_, _ = g.Write(piece)
	}
	_ = g.Close()
	f := newFronted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/bomb") {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
			return
		}
		for n := 0; n < size; n += len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	for _, path := range []string{"/plain", "/bomb"} {
		before := heap()
		var most atomic.Uint64
		resp, err := f.clients["plain"].Get(f.urls["plain"] + path)
		if err != nil {
			t.Fatal(err)
		}
		n, room := 0, make([]byte, 1<<20)
		for i := 0; err == nil; i++ {
			var k int
			k, err = resp.Body.Read(room)
			if n += k; i%64 == 0 {
				most.Store(max(most.Load(), heap()))
			}
		}
		_ = resp.Body.Close()
		if err != io.EOF || n < 1<<10 || path == "/plain" && n < size {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		if grown := int64(most.Load()) - int64(before); grown > 16<<20 {
			t.Errorf("%s: the heap grew by %d bytes", path, grown)
		}
	}
}

// heap returns how many bytes are live.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLoop: servers that aggregate each other's groups end a request that goes round.
func TestLoop(t *testing.T) {
	ca := newAuthority(t)
	resolve := map[string]string{}
	w := newWorld(t, apitest.Config{}, resolve)
	var called atomic.Int32
	resolve["api.test-ns"] = serveTLS(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		called.Add(1)
		w.handler(alice).ServeHTTP(rw, r)
	}), ca.certificate(t, "api.test-ns.svc"))
	w.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "True")
	resp, err := http.Get(w.front(alice).URL + root + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusLoopDetected || string(b) != "the request was sent on 8 times: servers aggregate each other's groups\n" || called.Load() != 8 {
		t.Errorf("after %d hops %d %q", called.Load(), resp.StatusCode, b)
	}
}

// TestSentOnce: a request that may have been acted upon is not sent again.
func TestSentOnce(t *testing.T) {
	var came atomic.Int32
	first := true
	address := rawFronted(t, func(head string) string {
		came.Add(1)
		if first {
			first = false
			return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		}
		return ""
	}, func(c net.Conn, r *bufio.Reader) {
		// The connection is kept, and closed when the second request has come.
		_, _ = r.ReadString('\n')
		came.Add(1)
	})
	get := func(method string) int {
		req, _ := http.NewRequest(method, "http://"+address+root+"/x", strings.NewReader("body"))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if code := get("POST"); code != 200 {
		t.Errorf("the first is %d", code)
	}
	if code := get("POST"); code != 503 || came.Load() != 2 {
		t.Errorf("the second is %d, and %d requests came", code, came.Load())
	}
}
