package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// chunked is a request with a body in chunks, which is whole.
func chunked(line, body string, header ...string) string {
	head := line + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\nTransfer-Encoding: chunked\r\n"
	for _, h := range header {
		head += h + "\r\n"
	}
	if body != "" {
		body = fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
	}
	return head + "\r\n" + body + "0\r\n\r\n"
}

// TestChunkedKeepsTheConnection: a body in chunks that was read to its end, by the handler or for want
// of one, costs no connection, whoever answers; one whose end is in doubt does.
func TestChunkedKeepsTheConnection(t *testing.T) {
	const asJSON = "Content-Type: application/json"
	object := `{"metadata":{"generateName":"x-"}}`
	const pod = "POST /api/v1/namespaces/default/configmaps"
	r := startProgram(t, nil)
	for name, c := range map[string]struct {
		send   string
		status int
		kept   bool
		https  bool // kept on TLS, where net/http hides the length
	}{
		"an object":                {chunked(pod, object, asJSON), 201, true, true},
		"refused by the handler":   {chunked(pod, "{", asJSON), 400, true, true},
		"refused before it":        {chunked(pod, object, "Content-Type: text/html"), 415, true, true},
		"by the director":          {chunked("POST /nowhere", object), 404, true, true},
		"by a filter":              {chunked("POST /livez?timeout=x", object), 400, true, true},
		"a method nobody has":      {chunked("PUT /version", object), 405, true, true},
		"of a GET":                 {chunked("GET /livez", ""), 200, true, true},
		"with trailers":            {strings.TrimSuffix(chunked(pod, object, asJSON), "\r\n") + "X-T: 1\r\n\r\n", 201, true, true},
		"most that is left unread": {chunked("POST /nowhere", strings.Repeat("x", 200<<10)), 404, true, true},
		"more than that":           {chunked("POST /nowhere", strings.Repeat("x", 300<<10)), 404, false, false},
		"with a length":            {chunked(pod, object, asJSON, "Content-Length: 4"), 201, false, true},
		"with a length in front":   {strings.Replace(chunked(pod, object, asJSON), "Transfer", "content-length:4\r\nTransfer", 1), 201, false, true},
		"by a proxy":               {chunked(pod, object, asJSON, "Via: 1.1 p"), 201, false, false},
		"by a proxy, forwarded":    {chunked(pod, object, asJSON, "Forwarded: for=1.2.3.4"), 201, false, false},
		"by a proxy, as of old":    {chunked(pod, object, asJSON, "X-Forwarded-For: 1.2.3.4"), 201, false, false},
		"by a proxy, in a GET":     {chunked("GET /livez", "", "Via: 1.1 p"), 200, false, false},
		"who is asked for it":      {strings.Replace(chunked("POST /nowhere", object), "Transfer", "Expect: 100-continue\r\nTransfer", 1), 404, false, false},
	} {
		for _, kind := range []string{"http", "https"} {
			conn := &rawConn{r.dial(kind), nil}
			conn.r = bufio.NewReader(conn)
			// Twice, since the second head comes on a connection that has carried one.
			for turn := range 2 {
				resp, body, err := conn.ask(t, c.send)
				if err != nil || resp.StatusCode != c.status {
					if err == nil || name != "more than that" { // closed while we still write
						t.Errorf("%s, %s: got %v %q %v, want %d", name, kind, resp, body, err, c.status)
					}
					break
				}
				kept := c.kept || kind == "https" && c.https
				if resp.Close == kept {
					t.Errorf("%s, %s, turn %d: closes %v, want %v", name, kind, turn, resp.Close, !kept)
				}
				if resp.Close {
					break
				}
			}
			conn.Close()
		}
	}
}

// TestSmuggledRequest: what an attacker puts behind the end of a chunked body, hoping that a proxy in
// front of us takes it for a part of the body, is never served.
func TestSmuggledRequest(t *testing.T) {
	served := make(chan string, 100)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/smuggled", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served <- r.RemoteAddr }))
		_ = s.Handle("/deaf", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	})
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n\r\n"
	for name, first := range map[string]string{
		"in chunks":           chunked("POST /nowhere", "body"),
		"served":              chunked("POST /deaf", "body"),
		"with a length":       chunked("POST /deaf", "body", "Content-Length: 4"),
		"a length in front":   strings.Replace(chunked("POST /deaf", "body"), "Transfer", "Content-Length: 4\r\nTransfer", 1),
		"by a proxy":          chunked("POST /deaf", "body", "Via: 1.1 p"),
		"no chunk":            chunked("POST /deaf", "", "Content-Length: 5"),
		"HTTP/1.0":            strings.Replace(chunked("POST /deaf", "body"), "HTTP/1.1", "HTTP/1.0", 1),
		"an obsolete coding":  strings.Replace(chunked("POST /deaf", "body"), "chunked", "identity", 1),
		"two codings":         chunked("POST /deaf", "body", "Transfer-Encoding: identity"),
		"a coding in a tab":   strings.Replace(chunked("POST /deaf", "body"), "Encoding: ", "Encoding:\t", 1),
		"a coding in a space": strings.Replace(chunked("POST /deaf", "body"), "Encoding:", "Encoding :", 1),
		"a bare line feed":    strings.ReplaceAll(chunked("POST /deaf", "body", "Content-Length: 4"), "\r\n", "\n"),
		"a bad chunk":         strings.Replace(chunked("POST /deaf", "body"), "4\r\n", "4x\r\n", 1),
	} {
		for _, kind := range []string{"http", "https"} {
			conn := &rawConn{r.dial(kind), nil}
			if _, err := io.WriteString(conn, first+smuggled); err != nil {
				t.Fatal(err)
			}
			// All answers there are: the connection is closed behind the last.
			answers, _ := io.ReadAll(conn)
			conn.Close()
			if n := len(served); n > 0 {
				<-served
				t.Errorf("%s, %s: it was served:\n%s", name, kind, answers)
			}
		}
	}
}

// TestUnreadBodiesAreBounded: a client that is refused and lets us wait for the rest of its body gets
// its answer when the progress check has seen enough.
func TestUnreadBodiesAreBounded(t *testing.T) {
	r := startProgram(t, nil, "--body-progress-timeout=50ms")
	for _, kind := range []string{"http", "https"} {
		for name, send := range map[string]string{
			"in chunks": strings.TrimSuffix(chunked("POST /nowhere", "body"), "0\r\n\r\n"),
			"counted":   "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\nContent-Length: 9\r\n\r\nbody",
		} {
			conn := &rawConn{r.dial(kind), nil}
			conn.r = bufio.NewReader(conn)
			if resp, body, err := conn.ask(t, send); err != nil || resp.StatusCode != 404 || !resp.Close {
				t.Errorf("%s, %s: got %v %q %v, want 404 and the end", kind, name, resp, body, err)
			}
			conn.Close()
		}
	}
}

// TestHeadScanBounds: a head that does not end is given up and counts as doubtful, and no room stays
// of a long line.
func TestHeadScanBounds(t *testing.T) {
	var h headScan
	h.look([]byte("GET / HTTP/1.1\r\nX: "))
	for range 100 {
		h.look([]byte(strings.Repeat("x", 1000)))
	}
	if !h.done || !h.tooLong || cap(h.line) > 3*mostHead {
		t.Errorf("done %v, too long %v, room %d", h.done, h.tooLong, cap(h.line))
	}
	if h.reset(); h.done || h.tooLong || cap(h.line) > 4<<10 {
		t.Errorf("after a reset: %+v", h)
	}
	h.look([]byte("\r\nGET / HTTP/1.1\r\nTRANSFER-encoding: x\r\n\r\nContent-Length: 1\r\n"))
	if !h.done || !h.coding || h.length {
		t.Errorf("%+v", h)
	}
}

// TestRefusedBeforeTheBody: a client that waits to be asked for its body is not asked where the
// answer does not depend on it, and the connection ends; else it is.
func TestRefusedBeforeTheBody(t *testing.T) {
	r := startProgram(t, nil)
	const maps = "/api/v1/namespaces/default/configmaps"
	for name, c := range map[string]struct {
		line   string
		header string
		status int
		over   string // the only listener; "": both
	}{
		"a type that is not read":    {"POST " + maps, "Content-Type: text/html", 415, ""},
		"a review":                   {"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "Content-Type: text/xml", 415, ""},
		"an update":                  {"PUT " + maps + "/a", "Content-Type: text/html", 415, ""},
		"a patch":                    {"PATCH " + maps + "/a", "Content-Type: application/json", 415, ""},
		"an answer nobody gives":     {"POST " + maps, "Accept: image/png", 406, ""},
		"a length that is too large": {"POST " + maps, "Content-Length: 99999999", 413, ""},
		"no such path":               {"POST /nowhere", "", 404, ""},
		"no such method":             {"POST /version", "", 405, ""},
		"nobody":                     {"POST " + maps, "Authorization: Bearer wrong", 401, "https"},
		"who may not":                {"POST " + maps, "Authorization: Bearer alice-token", 403, "https"},
		"a doubtful path":            {"POST " + maps + "/../x", "", 400, ""},
		"a web page":                 {"POST " + maps, "Origin: https://evil.example", 403, "http"},
		"an object":                  {"POST " + maps, "Content-Type: application/yaml", 100, ""},
		"a delete, whatever it says": {"DELETE " + maps + "/a", "Content-Type: text/html", 100, ""},
	} {
		for _, kind := range []string{"http", "https"} {
			if c.over != "" && c.over != kind {
				continue
			}
			head := c.line + " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
			if !strings.Contains(c.header, "Authorization") {
				head += "Authorization: Bearer admin-token\r\n"
			}
			if !strings.Contains(c.header, "Length") {
				head += "Content-Length: 34\r\n"
			}
			if c.header != "" {
				head += c.header + "\r\n"
			}
			conn := &rawConn{r.dial(kind), nil}
			conn.r = bufio.NewReader(conn)
			if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(conn.r, nil)
			if err != nil || resp.StatusCode != c.status || resp.Close != (c.status != 100) {
				t.Errorf("%s, %s: got %v %v, want %d", name, kind, resp, err, c.status)
			}
			conn.Close()
		}
	}
}
