package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what was answered into testdata/conversations")

// TestConversations plays the files of testdata/conversations: whole requests and answers
// as they go over the wire. What a line begins with says what it is:
//
//	#   a comment; "# over: http https h2c h2", "# as: admin" (a token of testdata/tokens.csv,
//	    or nobody) and "# flags: ..." set the stage
//	>   a line of a request; its body has the length that {length} stands for, and with
//	    Expect it is sent when it is asked for
//	<   a line of the answer, its header sorted; "<|" is a body's last line without an end,
//	    "< (none)" is no answer at all
//	~   what becomes of the connection: kept, closed, or cut, which is closed inside the
//	    answer. A file ends with one.
//
// Requests with no answer between them go out at once. Placeholders stand for what
// another run has otherwise, and each is checked: {audit-id} is a new UUID for each
// answer, and in a body that answer's; {date} is now; {address} and {plain} are those of
// the listeners; {length} is the body's, where that holds one of the others; {etag},
// {etag-2} and so on are different tags, and as in requests the same all through a file.
// In requests, {many} is 300 header lines and {long} a value of more than a mebibyte.
// Over HTTP/2 the same is expected, without the lines that only HTTP/1 has.
//
// Files about resources are in a shorter form: see conversation_short_test.go. Objects have no owners (--managed-fields=off), whose
// times and order no file could have.
//
// After a change on purpose, -update (go test -run Conversations -update .) writes the
// answers anew: read what it changes.
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
			c, err := parseConversation(string(b))
			if err != nil {
				t.Fatal(err)
			}
			c.run(t, file, string(b))
		})
	}
}

// run plays the conversation, over each protocol, and compares.
func (c *conversation) run(t *testing.T, file, want string) {
	if c.short && !*update { // much of it is waiting
		t.Parallel()
		for _, kind := range c.over {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				c.compare(t, kind, c.play(t, c.start(t), kind), want)
			})
		}
		return
	}
	var r *running
	for i, kind := range c.over {
		if r == nil || c.short {
			r = c.start(t)
		}
		got := c.play(t, r, kind)
		if *update && i == 0 {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			want = got
		}
		c.compare(t, kind, got, want)
	}
}

// start starts a program for the conversation.
func (c *conversation) start(t *testing.T) *running {
	return startProgram(t, forConversations, append([]string{"--managed-fields=off"}, c.flags...)...)
}

func (c *conversation) compare(t *testing.T, kind, got, want string) {
	t.Helper()
	if kind == "h2" || kind == "h2c" {
		got, want = withoutHops(got), withoutHops(want)
	}
	if got != want {
		t.Errorf("over %s:\n%s", kind, differing(got, want))
	}
}

// forConversations is what the files need of a server that has been extended.
func forConversations(s *Server) {
	handle := func(path string, f http.HandlerFunc) { _ = s.Handle(path, f) }
	handle("/panic", func(http.ResponseWriter, *http.Request) { panic("out of paper") })
	handle("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	half := func(w http.ResponseWriter) {
		fmt.Fprintln(w, "the first half")
		_ = http.NewResponseController(w).Flush()
	}
	handle("/half/panic", func(w http.ResponseWriter, r *http.Request) { half(w); panic("out of paper") })
	handle("/half/slow", func(w http.ResponseWriter, r *http.Request) { half(w); <-r.Context().Done() })
	handle("/streams", func(w http.ResponseWriter, r *http.Request) { half(w); fmt.Fprintln(w, "the second") })
	var ill atomic.Bool
	handle("/fall-ill", func(http.ResponseWriter, *http.Request) { ill.Store(true) })
	handle("/recover", func(http.ResponseWriter, *http.Request) { ill.Store(false) })
	_ = s.AddHealthCheck("body", func(context.Context) error {
		if ill.Load() {
			return errors.New("it has a cold")
		}
		return nil
	})
	handle("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	handle("/warns", func(w http.ResponseWriter, r *http.Request) {
		AddWarning(r.Context(), "", "v1beta1 is going")
		AddWarning(r.Context(), "apichain", `say "hello"`)
		AddWarning(r.Context(), "", "v1beta1 is going")
		fmt.Fprintln(w, "done")
	})
	handle("/echo", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s: %q %v\n", r.Method, r.URL.Path, b, err)
	})
	handle("/whoami", func(w http.ResponseWriter, r *http.Request) {
		u := UserFrom(r.Context())
		fmt.Fprintf(w, "%s %q %q\n", u.Name, u.UID, u.Groups)
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
	short bool // in the short form
	steps []step
}

// step is a piece of a file: comment and empty lines as they are, a request, or the
// places where an answer or the fate of the connection is to be.
type step struct {
	kind rune // '#', '>', '<', '~'
	text string
}

func parseConversation(file string) (*conversation, error) {
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
			case "form":
				c.short = value == "short"
			}
			c.steps = append(c.steps, step{'#', line})
			continue
		case '>', '<', '~':
		default:
			return nil, fmt.Errorf("line %q begins with none of # > < ~", line)
		}
		last := len(c.steps) - 1
		text := strings.TrimPrefix(line[1:], " ")
		if last >= 0 && c.steps[last].kind == kind && kind != '~' {
			c.steps[last].text += "\n" + text
		} else {
			c.steps = append(c.steps, step{kind, text})
		}
	}
	if last := c.steps[len(c.steps)-1]; last.kind != '~' {
		return nil, fmt.Errorf("the file ends with %q, not with what becomes of the connection", last.text)
	}
	return c, nil
}

// play sends the requests and returns the file as it should be.
func (c *conversation) play(t *testing.T, r *running, kind string) string {
	t.Helper()
	var out strings.Builder
	var conn net.Conn // nil over HTTP/2
	var in *bufio.Reader
	dial := func() {
		if kind == "http" || kind == "https" {
			conn = r.dial(kind)
			in = bufio.NewReader(conn)
		}
	}
	dial()
	var waiting []wireRequest // sent, not answered
	v := newVolatile(t, r)
	client := r.client(kind)
	cut := false
	for _, s := range c.steps {
		switch s.kind {
		case '#':
			fmt.Fprintln(&out, s.text)
		case '>':
			for line := range strings.SplitSeq(s.text, "\n") {
				fmt.Fprintln(&out, strings.TrimRight("> "+line, " "))
			}
			v.learn(s.text)
			req := c.request(v.values.Replace(s.text))
			if conn != nil {
				req.send(t, conn)
			}
			waiting = append(waiting, req)
		case '<':
			if len(waiting) == 0 {
				t.Fatalf("an answer without a request: %s", s.text)
			}
			req := waiting[0]
			waiting = waiting[1:]
			for more := true; more; {
				var a wireAnswer
				var err error
				if conn != nil {
					a, err = readAnswer(in, req.Method, req.events)
				} else {
					a, err = fetchAnswer(client, overH2(req.Request, r.url(kind, "")), req.events)
				}
				if err == nil && req.events > 0 && conn != nil {
					conn.Close()
					dial()
				}
				if err != nil {
					if !brokenOff(err) {
						t.Fatalf("%s %s over %s: %v", req.Method, req.RequestURI, kind, err)
					}
					fmt.Fprintln(&out, "< (none)")
					break
				}
				cut = a.cut
				if c.short {
					v.writeShort(&out, a)
				} else {
					v.write(&out, a)
				}
				if more = strings.Contains(a.status, " 100 "); more {
					if _, err := io.WriteString(conn, req.body); err != nil {
						t.Error(err)
					}
				}
			}
			if req.Method != http.MethodGet && strings.Contains(req.RequestURI, "/customresourcedefinitions") {
				r.awaitRegistration(t)
			}
		case '~':
			fate := "cut"
			switch {
			case cut:
			case conn == nil && s.text == "cut":
				fate = "kept"
			case conn == nil:
				fate = s.text // withoutHops takes it off
			case isOpen(t, conn, in):
				fate = "kept"
			default:
				fate = "closed"
			}
			fmt.Fprintln(&out, "~ "+fate)
			if fate != "kept" {
				if waiting, cut = nil, false; conn != nil {
					conn.Close()
				}
				dial()
			}
		}
	}
	if conn != nil {
		conn.Close()
	}
	return out.String()
}

// isOpen reports whether a connection serves one more request, and nothing before it.
func isOpen(t *testing.T, conn net.Conn, in *bufio.Reader) bool {
	t.Helper()
	_, err := io.WriteString(conn, "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
	var a wireAnswer
	if err == nil {
		a, err = readAnswer(in, "GET", 0)
	}
	switch {
	case err == nil && !strings.Contains(a.body, `"gitVersion"`):
		t.Errorf("an answer that nobody asked for: %s %s", a.status, a.body)
	case err != nil && !brokenOff(err):
		t.Errorf("neither kept nor closed: %v", err)
	}
	return err == nil
}

// brokenOff reports whether the server has ended a connection or a stream. That it says
// nothing within the time for it is something else.
func brokenOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "stream error") && strings.Contains(err.Error(), "INTERNAL_ERROR")
}

// wireAnswer is an answer as it came.
type wireAnswer struct {
	status string
	header []string
	body   string
	cut    bool // the body ended early
}

// readAnswer reads an answer of HTTP/1, without the help of net/http, which hides lines. Of
// the body it reads so many lines, 0 for all.
func readAnswer(in *bufio.Reader, method string, lines int) (a wireAnswer, err error) {
	line := func() string {
		if err != nil {
			return ""
		}
		var s string
		s, err = in.ReadString('\n')
		return strings.TrimSuffix(s, "\r\n")
	}
	a.status = line()
	length, chunked := -1, false
	for l := line(); l != ""; l = line() {
		a.header = append(a.header, l)
		if value, ok := strings.CutPrefix(l, "Content-Length: "); ok && err == nil {
			length, err = strconv.Atoi(value)
		}
		chunked = chunked || l == "Transfer-Encoding: chunked"
	}
	if err != nil {
		return a, err
	}
	var body io.Reader = in
	_, code, _ := strings.Cut(a.status, " ")
	switch {
	case method == "HEAD", strings.HasPrefix(code, "1"), strings.HasPrefix(code, "204"), strings.HasPrefix(code, "304"):
		return a, nil
	case chunked:
		body = httputil.NewChunkedReader(in)
	case length >= 0:
		body = io.LimitReader(in, int64(length))
	}
	if lines > 0 && chunked {
		b, err := io.ReadAll(&lineReader{in: bufio.NewReader(body), left: lines})
		a.body = string(b)
		return a, err
	}
	b, err := io.ReadAll(body)
	a.body = string(b)
	a.cut = err != nil && brokenOff(err) || length > len(b)
	if a.cut {
		return a, nil
	}
	for chunked && line() != "" { // trailers
	}
	return a, err
}

// fetchAnswer is readAnswer over HTTP/2, by a client.
func fetchAnswer(client *http.Client, req *http.Request, lines int) (a wireAnswer, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.status = resp.Proto + " " + resp.Status
	for k, vs := range resp.Header {
		for _, v := range vs {
			a.header = append(a.header, k+": "+v)
		}
	}
	var body io.Reader = resp.Body
	if lines > 0 {
		body = &lineReader{in: bufio.NewReader(resp.Body), left: lines}
	}
	b, err := io.ReadAll(body)
	a.body = string(b)
	if a.cut = err != nil && brokenOff(err); a.cut {
		err = nil
	}
	return a, err
}

// wireRequest is a request of a file in both forms.
type wireRequest struct {
	*http.Request
	head, body string
	events     int // lines that are read of the answer, 0 for all
}

// send writes a request of HTTP/1; a body that is to be asked for stays here.
func (q wireRequest) send(t *testing.T, conn net.Conn) {
	t.Helper()
	text := q.head
	if q.Header.Get("Expect") != "100-continue" {
		text += q.body
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Errorf("%s: %v", q.head, err)
	}
}

func (c *conversation) request(text string) wireRequest {
	events := 0
	if c.short {
		text, events = expand(text)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	head = strings.ReplaceAll(head, "{length}", itoa(len(body)))
	head = strings.ReplaceAll(head, "{many}", strings.Repeat("X-Many: 1\n", 300))
	head = strings.ReplaceAll(head, "{long}", strings.Repeat("x", 1<<20+8<<10))
	if c.as != "" && !strings.Contains(head, "\nAuthorization: ") {
		line, rest, _ := strings.Cut(head, "\n")
		head = line + "\nAuthorization: Bearer " + c.as + "-token\n" + rest
	}
	if strings.Contains(head, "chunked") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	raw := strings.ReplaceAll(strings.TrimSuffix(head, "\n"), "\n", "\r\n") + "\r\n\r\n"
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
	return wireRequest{req, raw, body, events}
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

// volatile knows what is different in every run. It is for one play of a file.
type volatile struct {
	t       *testing.T
	began   time.Time
	ids     map[string]bool
	etags   map[string]string // tag to placeholder
	shown   *strings.Replacer // values to placeholders, of what is known beforehand
	values  *strings.Replacer // placeholders to values, for requests
	holders []string          // pairs of values
	bases   []string          // what was given as generateName
}

func newVolatile(t *testing.T, r *running) *volatile {
	_, plain, _ := strings.Cut(r.url("http", ""), "://")
	own := newVersionInfo(readBuild())
	line := func(key, value string) string { return fmt.Sprintf("%q: %q", key, value) }
	return &volatile{
		t: t, began: time.Now(), ids: map[string]bool{}, etags: map[string]string{},
		shown: strings.NewReplacer(
			r.publicAddress(), "{address}", plain, "{plain}", runtime.Version(), "{go}",
			line("gitCommit", own.GitCommit), "{commit}", line("gitTreeState", own.GitTreeState), "{tree}",
			line("buildDate", own.BuildDate), "{built}", line("platform", own.Platform), "{platform}",
		),
		holders: []string{"{address}", r.publicAddress(), "{plain}", plain},
		values:  strings.NewReplacer("{address}", r.publicAddress(), "{plain}", plain),
	}
}

var (
	auditIDPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	etagPattern    = regexp.MustCompile(`^"[0-9A-F]{128}"$`)
)

// headerValue is a header's value as a file has it: what is not as it should be stays as
// it is, and so differs.
func (v *volatile) headerValue(name, value string) string {
	switch name {
	case "Audit-Id":
		if auditIDPattern.MatchString(value) && !v.ids[value] {
			v.ids[value] = true
			return "{audit-id}"
		}
	case "Date":
		at, err := time.Parse(http.TimeFormat, value)
		if err == nil && !at.Before(v.began.Truncate(time.Second)) && !at.After(time.Now()) {
			return "{date}"
		}
	case "Etag":
		if !etagPattern.MatchString(value) {
			break
		}
		if v.etags[value] == "" {
			name := "{etag}"
			if n := len(v.etags); n > 0 {
				name = fmt.Sprintf("{etag-%d}", n+1)
			}
			v.etags[value] = name
			v.holders = append(v.holders, name, value)
			v.values = strings.NewReplacer(v.holders...)
		}
		return v.etags[value]
	}
	return v.shown.Replace(value)
}

// write writes an answer as the file has it.
func (v *volatile) write(out *strings.Builder, a wireAnswer) {
	body := v.shown.Replace(a.body)
	vague := body != a.body // and may be of another length elsewhere
	header := slices.Sorted(slices.Values(a.header))
	for i, l := range header {
		name, value, _ := strings.Cut(l, ": ")
		shown := v.headerValue(name, value)
		if name == "Content-Length" && vague && value == itoa(len(a.body)) {
			shown = "{length}"
		}
		if shown == "{audit-id}" {
			body = strings.ReplaceAll(body, value, shown)
		}
		header[i] = name + ": " + shown
	}
	fmt.Fprintln(out, "< "+a.status)
	for _, l := range header {
		fmt.Fprintln(out, "< "+l)
	}
	fmt.Fprintln(out, "<")
	if body == "" {
		return
	}
	body, ended := strings.CutSuffix(body, "\n")
	all := strings.Split(body, "\n")
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
		case line == "~ kept", line == "~ closed", strings.HasPrefix(line, "< Connection: "), strings.HasPrefix(line, "< Transfer-Encoding: "):
		default:
			out.WriteString(strings.Replace(line, "< HTTP/2.0 ", "< HTTP/1.1 ", 1) + "\n")
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
