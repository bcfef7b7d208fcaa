package aggregation_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"apichain/internal/api/apitest"
)

// rawServer answers each connection, once the header of a request has been read, with a text, and then does what then does.
func rawServer(t testing.TB, cert tls.Certificate, answer func(head string) string, then func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				head := ""
				for !strings.HasSuffix(head, "\r\n\r\n") {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					head += line
				}
				if _, err := io.WriteString(c, answer(head)); err == nil && then != nil {
					then(c, r)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// rawFronted is a raw server behind a front; it returns the front's address.
func rawFronted(t testing.TB, answer func(string) string, then func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	ca := newAuthority(t)
	w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": rawServer(t, ca.certificate(t, "api.test-ns.svc"), answer, then)})
	w.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "True")
	return w.front(alice).Listener.Addr().String()
}

const upgradeRequest = "GET " + root + "/exec HTTP/1.1\r\nHost: front\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo/1\r\nX-Remote-User: root\r\n"

// TestUpgrade: once the server agrees, bytes go both ways, first those that either has sent behind its header, until
// one side ends.
func TestUpgrade(t *testing.T) {
	heads := make(chan string, 1)
	address := rawFronted(t, func(head string) string {
		heads <- head
		return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\nX-A: b\r\n\r\nhello "
	}, func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(c, r) })
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(c, upgradeRequest+"\r\nearly ")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "echo/1" || resp.Header.Get("X-A") != "b" {
		t.Fatalf("%v %v", resp, err)
	}
	fmt.Fprint(c, "late ")
	var got [17]byte
	if _, err := io.ReadFull(r, got[:]); err != nil || string(got[:]) != "hello early late " {
		t.Errorf("read %q (%v)", got, err)
	}
	head := <-heads
	for _, line := range []string{"\r\nConnection: Upgrade\r\n", "\r\nUpgrade: echo/1\r\n", "\r\nX-Remote-User: alice\r\n", "\r\nX-Forwarded-For: 127.0.0.1\r\n", "\r\nApichain-Hops: 1\r\n"} {
		if !strings.Contains(head, line) {
			t.Errorf("the server was sent no %q:\n%s", line, head)
		}
	}
	for _, name := range []string{"X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-Proto", "root", "keep-alive"} {
		if strings.Contains(head, name) {
			t.Errorf("the server was sent %s:\n%s", name, head)
		}
	}
	// The end of one side is the end of the other.
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(r); len(b) > 0 {
		t.Errorf("read %q (%v) at the end", b, err)
	}
}

// TestUpgradeRefused: without a 101 nothing of the server's connection but its answer reaches the client, and the client's
// connection ends. What v1.37.2 answers.
func TestUpgradeRefused(t *testing.T) {
	const smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsmuggle"
	for _, c := range []struct {
		name, answer string
		code         int
		body         string
	}{
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + smuggled, 503, "invalid upgrade response: status code 200\n"},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n" + smuggled, 503, "invalid upgrade response: status code 204\n"},
		{"302", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n" + smuggled, 503, "invalid upgrade response: status code 302\n"},
		{"100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n", 503,
			"invalid upgrade response: status code 100\n"},
		{"403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" + smuggled, 403, "no"},
		{"403 chunked", "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n" + smuggled, 403, "no"},
		{"500 without a length", "HTTP/1.1 500 Oops\r\n\r\nerror", 500, "error"},
		{"garbage", "garbage\r\n\r\n", 503, "malformed HTTP response \"garbage\"\n"},
		{"much garbage", strings.Repeat("x", 8<<10) + "\r\n\r\n", 503, ("malformed HTTP response \"" + strings.Repeat("x", 8<<10))[:4<<10] + "...\n"},
		{"nothing", "", 503, "unexpected EOF\n"},
		{"endless header", "HTTP/1.1 101 Switching\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", 503, "the header of the answer has more than 1048576 bytes\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := rawFronted(t, func(string) string { return c.answer }, nil)
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			// What was sent on is of the other protocol, and no request.
			fmt.Fprint(conn, upgradeRequest+"\r\nGET /healthz HTTP/1.1\r\nHost: front\r\n\r\n")
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.code || string(b) != c.body || !resp.Close {
				t.Errorf("answered %d %q, closing %t, want %d %q", resp.StatusCode, b, resp.Close, c.code, c.body)
			}
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("behind the answer came %q", rest)
			}
		})
	}
}

// TestUpgradeUnreachable: who cannot be dialled refuses.
func TestUpgradeUnreachable(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t, apitest.Config{}, map[string]string{"api.test-ns": deadAddress(t)})
	w.add(apiService("foo", "v1", "api", map[string]any{"caBundle": ca.bundle()}), "True")
	resp := exchangeRaw(t, w.front(alice).Listener.Addr().String(), upgradeRequest+"\r\n")
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.HasPrefix(string(b), "error dialing backend: dial tcp ") {
		t.Errorf("answered %d %q", resp.StatusCode, b)
	}
}
