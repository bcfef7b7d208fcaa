package main

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPathMatrix: a path has one reading. What has two is 400 before anything decides;
// what passes is authorised and routed as the same string.
func TestPathMatrix(t *testing.T) {
	seen := make(chan string, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.HandlePrefix("/p/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if info := RequestInfoFrom(r.Context()); info.Path != r.URL.Path {
				t.Errorf("authorised %q, routed %q", info.Path, r.URL.Path)
			}
			seen <- r.URL.Path
		}))
	})
	refused := map[string]string{
		"/p/../healthz": "dot segment", "/p/./x": "dot segment", "/p/..": "dot segment", "/p/.": "dot segment", "/..": "dot segment", "/p/%2e%2e/x": "dot segment", "/p/%2E/x": "dot segment", "/p/.%2e": "dot segment", "/p/%2e.": "dot segment",
		"/p/a%2fb": "encoded slash", "/p/a%2Fb": "encoded slash", "/p%2fa": "encoded slash", "/p/%2e%2e%2fx": "encoded slash",
		"/p/a%5cb": "backslash", "/p/a%5Cb": "backslash", `/p/a\b`: "backslash",
		"/p/%00": "control character", "/p/a%0ab": "control character", "/p/a%1fb": "control character", "/p/%7f": "control character", "/p/%0d%0aX:1": "control character",
		"/p/%ff": "is not UTF-8", "/p/%c0%af": "is not UTF-8", "/p/%ed%a0%80": "is not UTF-8",
	}
	routed := map[string]string{
		"/p/a": "/p/a", "/p//a": "/p//a", "/p/a//": "/p/a//", "/p/;a=b": "/p/;a=b", "/p/a;..;b": "/p/a;..;b", "/p/...": "/p/...", "/p/.hidden": "/p/.hidden", "/p/a.": "/p/a.", "/p/a..b": "/p/a..b",
		"/p/%61": "/p/a", "/p/%252f": "/p/%2f", "/p/%252e%252e/": "/p/%2e%2e/", "/p/a%20b": "/p/a b", "/p/%C3%A9": "/p/é", "/p/é": "/p/é", "/p/a%3Fb": "/p/a?b", "/p/a%23b": "/p/a#b",
	}
	users := map[string]string{"anonymous": "", "user": "Authorization: Bearer alice-token\r\n", "admin": "Authorization: Bearer admin-token\r\n"}
	for _, kind := range []string{"http", "https"} {
		for who, auth := range users {
			ask := func(path string) (*http.Response, string) {
				c := &rawConn{r.dial(kind), nil}
				c.r = bufio.NewReader(c)
				resp, body, err := c.ask(t, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+auth+"Connection: close\r\n\r\n")
				if err != nil {
					t.Fatalf("%s %s %s: %v", kind, who, path, err)
				}
				return resp, body
			}
			for path, why := range refused {
				if resp, body := ask(path); resp.StatusCode != 400 || !strings.Contains(body, why) || !strings.Contains(body, `"reason":"BadRequest"`) || resp.Header.Get("Audit-Id") == "" {
					t.Errorf("%s %s %s: got %d %q, want 400 with %q", kind, who, path, resp.StatusCode, body, why)
				}
			}
			for path, want := range routed {
				resp, body := ask(path)
				if kind == "https" && who != "admin" {
					if resp.StatusCode != 403 || !strings.Contains(body, "cannot get path") {
						t.Errorf("%s %s %s: got %d %q, want 403", kind, who, path, resp.StatusCode, body)
					}
					continue
				}
				if resp.StatusCode != 200 {
					t.Errorf("%s %s %s: got %d %q", kind, who, path, resp.StatusCode, body)
				} else if got := <-seen; got != want {
					t.Errorf("%s %s %s: routed as %q, want %q", kind, who, path, got, want)
				}
			}
		}
		// The public paths are exactly those.
		for _, path := range []string{"/healthz/", "//healthz", "/healthz/ping", "/version/x"} {
			if kind == "https" {
				if got, err := r.send(r.client(kind), kind, "GET", path, nil, "Authorization:"); err != nil || got.status != 403 {
					t.Errorf("anonymous %s: got %d %v, want 403", path, got.status, err)
				}
			}
		}
	}
}

// TestMalformed: every malformed request, what it gets, and whether the connection is
// kept. Rows without Audit-Id are refused by net/http itself, in front of us.
func TestMalformed(t *testing.T) {
	r := startProgram(t, nil, "--read-header-timeout=1s")
	get := "GET /livez HTTP/1.1\r\nHost: localhost\r\n"
	for _, c := range []struct {
		name, send string
		status     int
		body       string
		logged     bool
		netHTTP    bool
	}{
		{"well formed", get + "\r\n", 200, "ok", true, false},
		{"CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 405, "no proxy", false, false},
		{"absolute form, ours", "GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, "ok", true, false},
		{"absolute form, foreign", "GET http://example.com/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 421, "not this server", false, false},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "must begin with /", true, false},
		{"HTTP/1.0", "GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n", 200, "ok", false, false},
		{"HTTP/1.0 kept alive", "GET /livez HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n", 200, "ok", false, false},
		{"HTTP/1.0, body without length", "POST /livez HTTP/1.0\r\nHost: localhost\r\n\r\nabc", 400, "Content-Length", false, false},
		{"HTTP/1.0, chunked POST", "POST /livez HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "Transfer-Encoding is not part of HTTP/1.0", false, false},
		{"chunked", "GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "ok", true, false},
		{"chunked with length", "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "ok", false, false},
		{"two lengths", get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "", false, true},
		{"negative length", get + "Content-Length: -1\r\n\r\n", 400, "", false, true},
		{"unknown coding", get + "Transfer-Encoding: gzip\r\n\r\n", 501, "", false, true},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "", false, true},
		{"two hosts", get + "Host: localhost\r\n\r\n", 400, "", false, true},
		{"header line without colon", get + "nonsense\r\n\r\n", 400, "", false, true},
		{"space before colon", get + "X-A : b\r\n\r\n", 400, "", false, true},
		{"NUL in a header", get + "X-A: a\x00b\r\n\r\n", 400, "", false, true},
		{"HTTP/3.0", "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505, "", false, true},
		{"no version", "GET /\r\n\r\n", 400, "", false, true},
		{"bad escape", "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "", false, true},
		{"257 header lines", get + strings.Repeat("X-A: 1\r\n", 257) + "\r\n", 431, "header lines", true, false},
		{"129 cookies", get + "Cookie: " + strings.Repeat("a=1; ", 128) + "a=1\r\n\r\n", 431, "129 cookies", true, false},
		{"1001 parameters", "GET /livez?" + strings.Repeat("a=1&", 1000) + "a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "more than 1000 parameters", true, false},
		{"huge header", get + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", 431, "", false, true},
		{"bad timeout", "GET /livez?timeout=x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "invalid timeout specified in the request URL - time: invalid duration", true, false},
	} {
		for _, kind := range []string{"http", "https"} {
			conn := &rawConn{r.dial(kind), nil}
			conn.r = bufio.NewReader(conn)
			resp, body, err := conn.ask(t, c.send)
			if err != nil {
				if c.name == "huge header" { // the server closes while we still write
					continue
				}
				t.Errorf("%s, %s: %v", kind, c.name, err)
				continue
			}
			if kind == "https" && c.name == "HTTP/1.0, chunked POST" {
				c.body = "Content-Length" // net/http has hidden the line
			}
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
				t.Errorf("%s, %s: got %d %q, want %d %q", kind, c.name, resp.StatusCode, body, c.status, c.body)
			}
			if id := resp.Header.Get("Audit-Id"); (id == "") != c.netHTTP {
				t.Errorf("%s, %s: Audit-Id %q", kind, c.name, id)
			}
			_, _, err = conn.ask(t, get+"\r\n")
			if kept := err == nil; kept != (c.logged || kind == "https" && c.name == "chunked with length") { // net/http has hidden the length
				t.Errorf("%s, %s: connection kept %v, want %v", kind, c.name, kept, c.logged)
			}
		}
	}
	c := &rawConn{r.dial("http"), nil}
	c.r = bufio.NewReader(c)
	if resp, body, err := c.ask(t, "GET /livez HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); err != nil || resp.StatusCode != 400 {
		t.Errorf("plain, HTTP/1.0 GET with Transfer-Encoding: got %v %q %v, want 400", resp, body, err)
	}
	if c.r.Buffered() > 0 {
		t.Error("a second answer came")
	}
	// Of a later HTTP/1.0 request on a kept connection nothing is known, so it is refused.
	c = &rawConn{r.dial("http"), nil}
	c.r = bufio.NewReader(c)
	if resp, _, err := c.ask(t, get+"\r\n"); err != nil || resp.StatusCode != 200 {
		t.Fatalf("plain: got %v %v, want 200", resp, err)
	}
	if resp, body, err := c.ask(t, "GET /livez HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); err != nil || resp.StatusCode != 400 || !resp.Close {
		t.Errorf("plain, a later HTTP/1.0 GET with Transfer-Encoding: got %v %q %v, want 400 and the end", resp, body, err)
	}
}

// TestHostAndOrigin: no web page reaches the plain listener, by whatever name.
func TestHostAndOrigin(t *testing.T) {
	r := startProgram(t, nil, "--allowed-hosts=dev.example", `--cors-allowed-origins=^https://app\.example$`)
	own := r.urls("http")[0]
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"localhost", []string{"Host: localhost"}, 200},
		{"localhost, any port", []string{"Host: LocalHost:1"}, 200},
		{"loopback", []string{"Host: 127.0.0.9:80"}, 200},
		{"loopback, IPv6", []string{"Host: [::1]:80"}, 200},
		{"allowed", []string{"Host: dev.example:8080"}, 200},
		{"rebound", []string{"Host: evil.example"}, 403},
		{"rebound, like ours", []string{"Host: localhost.evil.example"}, 403},
		{"the port, and more", []string{"Host: localhost:80.evil.example"}, 403},
		{"an empty port", []string{"Host: localhost:"}, 200},
		{"a port that is no number", []string{"Host: 127.0.0.1:x"}, 403},
		{"a port that is none", []string{"Host: 127.0.0.1:65536"}, 403},
		{"a port with a sign", []string{"Host: 127.0.0.1:+80"}, 403},
		{"two ports", []string{"Host: 127.0.0.1:80:90"}, 403},
		{"brackets, and a name", []string{"Host: [::1].evil.example"}, 403},
		{"brackets, and more", []string{"Host: [::1]x"}, 403},
		{"brackets, and two ports", []string{"Host: [::1]:80:90"}, 403},
		{"brackets that stay open", []string{"Host: [::1"}, 403},
		{"a name in brackets", []string{"Host: [localhost]"}, 403},
		{"IPv4 in brackets", []string{"Host: [127.0.0.1]:80"}, 403},
		{"IPv6 without brackets", []string{"Host: ::1"}, 403},
		{"an address that is not ours", []string{"Host: 10.0.0.1"}, 403},
		{"own origin", []string{"Origin: " + own}, 200},
		{"own origin, other port", []string{"Origin: http://127.0.0.1:1"}, 403},
		{"own origin, other scheme", []string{"Origin: https" + strings.TrimPrefix(own, "http")}, 403},
		{"allowed origin", []string{"Origin: https://app.example"}, 200},
		{"foreign origin", []string{"Origin: https://evil.example"}, 403},
		{"null", []string{"Origin: null"}, 403},
		{"cross-site", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"same-site", []string{"Sec-Fetch-Site: same-site"}, 200},
		{"cross-site with an allowed origin", []string{"Origin: https://app.example", "Sec-Fetch-Site: cross-site"}, 200},
	} {
		got := r.get("http", "/version", c.header...)
		if got.status != c.want {
			t.Errorf("%s: got %d %q, want %d", c.name, got.status, got.body, c.want)
		}
		if c.want == 403 && (got.header.Get("Audit-Id") == "" || got.header.Get("Access-Control-Allow-Origin") != "") {
			t.Errorf("%s: header %v", c.name, got.header)
		}
	}
	if got := r.get("https", "/version", "Host: evil.example", "Origin: https://evil.example"); got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("TLS asks for credentials, not for names: got %d", got.status)
	}
	got, err := r.send(r.client("https"), "https", "OPTIONS", "/anything", nil, "Origin: https://app.example", "Authorization:")
	if err != nil || got.status != 204 || got.header.Get("Access-Control-Allow-Credentials") != "true" || got.header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("a preflight: got %d %v %v", got.status, got.header, err)
	}
}

// FuzzPath: a path that passes has one reading.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e", "/%2F", "/a%5cb", "/%ff", "/é", "//", "/%252e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil || checkPath(r) != nil {
			return
		}
		path := r.URL.Path
		if path[0] != '/' || strings.ContainsFunc(path, func(c rune) bool { return c < 0x20 || c == 0x7f || c == '\\' }) || !utf8.ValidString(path) {
			t.Errorf("%q passes as %q", target, path)
		}
		for segment := range strings.SplitSeq(path, "/") {
			if segment == "." || segment == ".." {
				t.Errorf("%q passes with a dot segment, as %q", target, path)
			}
		}
		raw, _, _ := strings.Cut(target, "?")
		if !strings.Contains(raw, "://") && strings.Contains(strings.ToLower(raw), "%2f") {
			t.Errorf("%q passes with an encoded slash", target)
		}
	})
}

// FuzzTimeout: ?timeout= is a duration or a refusal, whatever else the query holds.
func FuzzTimeout(f *testing.F) {
	for _, s := range []string{"timeout=1s", "timeout=", "a=b&timeout=x", "timeou%74=1m", "timeout=-1h&timeout=2", ";timeout=1", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		d, err := parseTimeout(query)
		if err != nil && d != 0 {
			t.Errorf("%q: both %v and %v", query, d, err)
		}
		if !strings.Contains(query, "%") && !strings.Contains(query, "timeout=") && (d != 0 || err != nil) {
			t.Errorf("%q: %v %v without the parameter", query, d, err)
		}
	})
}

// FuzzHeadWatch: which lines say where a body ends is noticed however the bytes arrive, and is what
// net/http's own parser reads of the head.
func FuzzHeadWatch(f *testing.F) {
	f.Add("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", uint8(3))
	f.Add("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", uint8(1))
	f.Add("\r\nGET / HTTP/1.1\nContent-length: 1\ntransfer-Encoding: chunked\n\n", uint8(7))
	f.Add("GET / HTTP/1.0\r\n\r\ntransfer-encoding: x\r\n", uint8(200))
	f.Add("PRI * HTTP/2.0\r\n\r\nContent-Length: 1\r\n", uint8(2))
	f.Fuzz(func(t *testing.T, head string, step uint8) {
		var whole, parts headScan
		whole.look([]byte(head))
		n := int(step)%16 + 1
		for rest := head; rest != "" && !parts.done; {
			k := min(n, len(rest))
			parts.look([]byte(rest[:k]))
			rest = rest[k:]
		}
		if whole.coding != parts.coding || whole.length != parts.length || whole.done != parts.done || whole.tooLong != parts.tooLong {
			t.Errorf("%q: in one piece %+v, in pieces of %d %+v", head, whole, n, parts)
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil || r.ProtoMajor != 1 || len(head) > mostHead {
			return
		}
		// net/http goes by the coding in HTTP/1.1, and by the length else.
		if r.TransferEncoding != nil && !whole.coding || r.ContentLength > 0 && !whole.length {
			t.Errorf("%q: net/http reads %v and %d, noticed %+v", head, r.TransferEncoding, r.ContentLength, whole)
		}
	})
}
