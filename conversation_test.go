package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what was answered into testdata/conversations")

// TestConversations plays the files of testdata/conversations: whole requests and answers
// as they go over the wire. What a line begins with says what it is:
//
//	#   a comment; "# over: http https h2c h2", "# as: admin" (a token of testdata/tokens.csv,
//	    or nobody) and "# flags: ..." set the stage
//	>   a line of a request; its body has the length that {length} stands for
//	<   a line of the answer, its header sorted; "<|" is a body's last line without an end
//	~   what becomes of the connection: kept or closed
//
// Requests with no answer between them go out at once. {audit-id}, {date} and the like
// stand for what another run has otherwise; each has its pattern, below. Over HTTP/2 the
// same is expected, without the lines that only HTTP/1 has.
//
// After a change on purpose, -update writes the answers anew: read what it changes.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.http")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d conversations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := parseConversation(t, string(b))
			r := startProgram(t, forConversations, c.flags...)
			for i, kind := range c.over {
				got := c.play(t, r, kind)
				want := string(b)
				if *update && i == 0 {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
					b = []byte(got)
					continue
				}
				if kind == "h2" || kind == "h2c" {
					got, want = withoutHops(got), withoutHops(want)
				}
				if got != want {
					t.Errorf("over %s:\n%s", kind, differing(got, want))
				}
			}
		})
	}
}

// forConversations is what the files need of a server that has been extended.
func forConversations(s *Server) {
	handle := func(path string, f http.HandlerFunc) { _ = s.Handle(path, f) }
	handle("/panic", func(http.ResponseWriter, *http.Request) { panic("out of paper") })
	handle("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	handle("/warns", func(w http.ResponseWriter, r *http.Request) {
		AddWarning(r.Context(), "", "v1beta1 is going")
		AddWarning(r.Context(), "apichain", `say "hello"`)
		AddWarning(r.Context(), "", "v1beta1 is going")
		fmt.Fprintln(w, "done")
	})
	handle("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s as %s: %q %v\n", r.Method, r.URL.Path, UserFrom(r.Context()).Name, b, err)
	})
	_ = s.HandlePrefix("/tree/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "under", r.URL.Path) }))
	_ = s.AddWebService(&WebService{Root: "/shop", Consumes: []string{"application/json"}, Produces: []string{"application/json"}, Routes: []Route{
		{Method: "GET", Path: "/items/{name}", Operation: "readItem", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, "{\"name\":%q}\n", r.PathValue("name"))
		})},
		{Method: "PUT", Path: "/items/{name}", Operation: "replaceItem", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })},
		{Method: "GET", Path: "/files/{path:*}", Operation: "readFile", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.PathValue("path")) })},
	}})
}

// conversation is a file, read.
type conversation struct {
	over  []string
	as    string
	flags []string
	steps []step
}

// step is a piece of a file: comment and empty lines as they are, a request, or the
// places where an answer or the fate of the connection is to be.
type step struct {
	kind rune // '#', '>', '<', '~'
	text string
}

func parseConversation(t *testing.T, file string) *conversation {
	t.Helper()
	c := &conversation{over: []string{"http"}}
	for line := range strings.SplitSeq(strings.TrimSuffix(file, "\n"), "\n") {
		kind := '#'
		if line != "" {
			kind = rune(line[0])
		}
		switch kind {
		case '#':
			name, value, _ := strings.Cut(strings.TrimPrefix(line, "# "), ": ")
			switch name {
			case "over":
				c.over = strings.Fields(value)
			case "as":
				c.as = value
			case "flags":
				c.flags = strings.Fields(value)
			}
			c.steps = append(c.steps, step{'#', line})
			continue
		case '>', '<', '~':
		default:
			t.Fatalf("line %q begins with none of # > < ~", line)
		}
		last := len(c.steps) - 1
		text := strings.TrimPrefix(line[1:], " ")
		if last >= 0 && c.steps[last].kind == kind && kind != '~' {
			c.steps[last].text += "\n" + text
		} else {
			c.steps = append(c.steps, step{kind, text})
		}
	}
	return c
}

// play sends the requests and returns the file as it should be.
func (c *conversation) play(t *testing.T, r *running, kind string) string {
	t.Helper()
	var out strings.Builder
	var conn net.Conn
	var in *bufio.Reader
	var waiting []*http.Request // sent, not answered
	ids := map[string]string{}
	client := r.client(kind)
	for _, s := range c.steps {
		switch {
		case s.kind == '#':
			fmt.Fprintln(&out, s.text)
		case s.kind == '>':
			for line := range strings.SplitSeq(s.text, "\n") {
				fmt.Fprintln(&out, strings.TrimRight("> "+line, " "))
			}
			req := c.request(t, r, s.text)
			if conn == nil && (kind == "http" || kind == "https") {
				conn = r.dial(kind)
				in = bufio.NewReader(conn)
			}
			if conn != nil {
				if _, err := io.WriteString(conn, req.raw); err != nil {
					t.Errorf("%s: %v", s.text, err)
				}
			}
			waiting = append(waiting, req.Request)
		case s.kind == '<':
			if len(waiting) == 0 {
				t.Fatalf("an answer without a request: %s", s.text)
			}
			req := waiting[0]
			waiting = waiting[1:]
			for {
				var resp *http.Response
				var err error
				if conn != nil {
					_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
					resp, err = http.ReadResponse(in, req)
				} else {
					resp, err = client.Do(overH2(req, r.url(kind, "")))
				}
				if err != nil {
					t.Fatalf("%s %s over %s: %v", req.Method, req.RequestURI, kind, err)
				}
				writeAnswer(t, &out, resp, ids)
				if resp.StatusCode != http.StatusContinue {
					break
				}
			}
		case s.kind == '~':
			if conn == nil {
				fmt.Fprintln(&out, "~ "+s.text) // withoutHops takes it off
				continue
			}
			fate := "kept"
			if _, err := io.WriteString(conn, "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				fate = "closed"
			} else if resp, err := http.ReadResponse(in, nil); err != nil {
				fate = "closed"
			} else if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Errorf("after %s: %v", s.text, err)
			}
			fmt.Fprintln(&out, "~ "+fate)
			if fate == "closed" {
				conn.Close()
				conn = nil
				if kind == "http" || kind == "https" {
					conn = r.dial(kind)
					in = bufio.NewReader(conn)
				}
			}
		}
	}
	if conn != nil {
		conn.Close()
	}
	return out.String()
}

// wireRequest is a request of a file in both forms.
type wireRequest struct {
	*http.Request
	raw string
}

func (c *conversation) request(t *testing.T, r *running, text string) wireRequest {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	head = strings.ReplaceAll(head, "{length}", itoa(len(body)))
	head = strings.ReplaceAll(head, "{many}", strings.Repeat("X-Many: 1\n", 300))
	if c.as != "" {
		line, rest, _ := strings.Cut(head, "\n")
		head = line + "\nAuthorization: Bearer " + c.as + "-token\n" + rest
	}
	if strings.Contains(head, "chunked") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	raw := strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + "\r\n\r\n" + body
	line, rest, _ := strings.Cut(head, "\n")
	method, target, _ := strings.Cut(line, " ")
	target, _, _ = strings.Cut(target, " ")
	req := &http.Request{Method: method, RequestURI: target, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	if body == "" {
		req.Body = nil
	}
	for line := range strings.SplitSeq(rest, "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch http.CanonicalHeaderKey(name) {
		case "Host":
			req.Host = value
		case "", "Content-Length", "Connection":
		default:
			req.Header.Add(name, value)
		}
	}
	return wireRequest{req, raw}
}

// overH2 is the request for a client, which makes its own form of it.
func overH2(req *http.Request, base string) *http.Request {
	out, err := http.NewRequestWithContext(context.Background(), req.Method, base+req.RequestURI, req.Body)
	if err != nil {
		panic(err) // a file of ours
	}
	out.Header, out.Host, out.ContentLength = req.Header, req.Host, req.ContentLength
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "")
	}
	return out
}

// volatile is what is different in every run, and what it must look like.
var volatile = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"{date}", regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] 20\d\d \d\d:\d\d:\d\d GMT\b`)},
	{"{address}", regexp.MustCompile(`127\.0\.0\.1:\d+`)},
	{"{etag}", regexp.MustCompile(`"[0-9A-F]{128}"`)},
	{"{go}", regexp.MustCompile(`go1\.\d+[.\w-]*`)},
	{"{commit}", regexp.MustCompile(`"gitCommit": "[0-9a-f]*"`)},
	{"{tree}", regexp.MustCompile(`"gitTreeState": "(clean|dirty|)"`)},
	{"{built}", regexp.MustCompile(`"buildDate": "[0-9TZ:-]*"`)},
	{"{platform}", regexp.MustCompile(`"platform": "[a-z0-9]+/[a-z0-9]+"`)},
}

var auditIDPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// writeAnswer writes an answer as the file has it. The audit ID of each answer is one of
// its own, and its body names no other.
func writeAnswer(t *testing.T, out *strings.Builder, resp *http.Response, ids map[string]string) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("the body of %s: %v", resp.Status, err)
	}
	resp.Body.Close()
	var lines []string
	text := string(body)
	for k, vs := range resp.Header {
		for _, v := range vs {
			if k == "Audit-Id" && auditIDPattern.MatchString(v) {
				if ids[v] != "" {
					t.Errorf("the audit ID %s was given twice", v)
				}
				ids[v] = resp.Status
				text = strings.ReplaceAll(text, v, "{audit-id}")
				v = "{audit-id}"
			}
			for _, p := range volatile[:3] {
				v = p.pattern.ReplaceAllString(v, p.name)
			}
			lines = append(lines, k+": "+v)
		}
	}
	if resp.ContentLength >= 0 && resp.Header.Get("Content-Length") == "" && resp.Request != nil && resp.Request.Method != "HEAD" && len(body) > 0 {
		lines = append(lines, "Content-Length: "+itoa(int(resp.ContentLength)))
	}
	if resp.Close && resp.Header.Get("Connection") == "" && resp.ProtoMajor == 1 {
		lines = append(lines, "Connection: close")
	}
	for _, te := range resp.TransferEncoding {
		lines = append(lines, "Transfer-Encoding: "+te)
	}
	slices.Sort(lines)
	for _, p := range volatile {
		text = p.pattern.ReplaceAllString(text, p.name)
	}
	fmt.Fprintf(out, "< HTTP/%d %s\n", resp.ProtoMajor, resp.Status)
	for _, l := range lines {
		fmt.Fprintln(out, "< "+l)
	}
	fmt.Fprintln(out, "<")
	if text == "" {
		return
	}
	text, ended := strings.CutSuffix(text, "\n")
	all := strings.Split(text, "\n")
	for i, l := range all {
		if i == len(all)-1 && !ended {
			fmt.Fprintln(out, "<|"+l)
			continue
		}
		fmt.Fprintln(out, strings.TrimRight("< "+l, " "))
	}
}

// withoutHops takes off what only HTTP/1 has.
func withoutHops(s string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(s, "\n") {
		switch {
		case strings.HasPrefix(line, "~"), strings.HasPrefix(line, "< Connection: "), strings.HasPrefix(line, "< Transfer-Encoding: "), strings.HasPrefix(line, "< Content-Length: "):
		default:
			out.WriteString(strings.Replace(line, "< HTTP/2 ", "< HTTP/1 ", 1) + "\n")
		}
	}
	return out.String()
}

// differing is the lines in which two texts differ.
func differing(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out strings.Builder
	for i := range max(len(g), len(w)) {
		a, b := "", ""
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			fmt.Fprintf(&out, "line %d: got  %s\n%*swant %s\n", i+1, a, len("line : ")+len(itoa(i+1)), "", b)
			if len(g) != len(w) {
				break // the rest is only moved
			}
		}
	}
	return out.String()
}
