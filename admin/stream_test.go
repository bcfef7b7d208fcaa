package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// streamed is one event as a client reads it.
type streamed struct {
	id, name, data string
}

func (e streamed) String() string { return e.id + " " + e.name + " " + e.data }

// readEvent reads one event, as the HTML standard says: what has no data is none. A
// comment is an event whose name is ":".
func readEvent(r *bufio.Reader) (e streamed, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "":
			if e != (streamed{}) {
				return e, nil
			}
		case ":":
			e.name = ":"
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data += value
		default:
			return e, fmt.Errorf("line %q", line)
		}
	}
}

// listen serves src over real connections; tune changes the limits of its streams.
func listen(t testing.TB, src Source, tune func(*streamLimits)) (url string) {
	t.Helper()
	h := handlerOf(t, src).(*api)
	h.HostAllowed = func(string) bool { return true }
	if tune != nil {
		tune(&h.limits)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// openStream begins to read a stream, until the test ends or stop is called.
func openStream(t testing.TB, url string, header ...string) (r *bufio.Reader, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != formEvents || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("ETag") == "" {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		t.Fatalf("%s: %d %v %s", url, resp.StatusCode, resp.Header, b)
	}
	stop = func() { cancel(); resp.Body.Close() }
	t.Cleanup(stop)
	return bufio.NewReader(resp.Body), stop
}

func next(t testing.TB, r *bufio.Reader) streamed {
	t.Helper()
	e, err := readEvent(r)
	if err != nil {
		t.Fatalf("after %v: %v", e, err)
	}
	return e
}

func pointer[T any](v T) *T { return &v }

// A stream is, byte for byte, what the example file shows.
func TestStreamExample(t *testing.T) {
	src := newFake(t)
	src.streams.oldest = pointer(int64(1795411387412001))
	src.streams.events = []StreamEvent{
		{Name: "dropped", Item: Dropped{pointer(int64(312))}},
		happened(t, 4, "hook", src.hooks[0]),
		happened(t, 5, "request-started", src.requests[0]),
		{Name: "dropped", Item: Dropped{}},
		EndOfStream("slow"),
	}
	for i := range src.streams.events {
		if e := &src.streams.events[i]; e.ID != 0 {
			e.ID += 1795411387412000
		}
	}
	want, err := os.ReadFile("testdata/stream.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := ask(t, handlerOf(t, src), "/admin/v1/stream?topics=requests,hooks")
	if got := w.Body.String(); got != string(want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if src.streams.count() != 0 {
		t.Error("the stream is still open")
	}
}

// Every key of the data is described in the index, and nothing else is: those of an item by
// its endpoint, but for a fault-hit, which has none.
func TestStreamKeysAreDescribed(t *testing.T) {
	src := newFake(t)
	src.streams.events = []StreamEvent{happened(t, 1, "fault-hit", FaultHit{Rule: "flaky-list", Request: src.requests[0]}), {Name: "dropped", Item: Dropped{}}, EndOfStream("slow")}
	h := handlerOf(t, src)
	seen := map[string]bool{}
	for line := range strings.Lines(ask(t, h, "/admin/v1/stream").Body.String()) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var v map[string]any
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				t.Fatal(err)
			}
			if item, ok := v["item"].(map[string]any); ok {
				item["request"] = nil // a row of inflight
			}
			keysIn(v, ".", seen)
		}
	}
	for _, item := range decode(t, ask(t, h, "/admin/?id=stream"))["items"].([]any) {
		fields := item.(map[string]any)["fields"].(map[string]any)
		if got, want := slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
			t.Errorf("described are %q, there are %q", got, want)
		}
	}
}

// What is asked for is what the Source is asked for; all else is refused, and no stream
// is opened.
func TestStreamAsks(t *testing.T) {
	all := "requests, hooks, lifecycle, certificates, backends, drain, faults, loglevel"
	for _, c := range []struct {
		request string
		header  string
		code    int
		want    string // what the Source was asked, or the message
	}{
		{"/admin/v1/stream", "", 200, "[hooks lifecycle certificates backends drain faults loglevel]"},
		{"/admin/v1/stream?topics=requests", "", 200, "[requests]"},
		{"/admin/v1/stream?topics=drain,hooks&topics=requests,drain", "", 200, "[drain hooks requests]"},
		{"/admin/v1/stream?verb=get&verb=list&group=*&route=a*", "", 200, "[hooks lifecycle certificates backends drain faults loglevel]"},
		{"/admin/v1/stream?topics=hooks", "Last-Event-ID: 0", 200, "[hooks] after 0"},
		{"/admin/v1/stream?topics=hooks", "Last-Event-ID: 9223372036854775807", 200, "[hooks] after 9223372036854775807"},
		{"/admin/v1/stream", "Accept: text/event-stream", 200, "[hooks lifecycle certificates backends drain faults loglevel]"},
		{"/admin/v1/stream?topics=hooks", "Accept: application/json;q=0.9, */*;q=0.1", 200, "[hooks]"},
		{"HEAD /admin/v1/stream?topics=hooks", "", 200, ""},
		{"/admin/v1/stream?topics=hooks,pods", "", 400, `query parameter topics: "pods" is not one of ` + all},
		{"/admin/v1/stream?topics=", "", 400, `query parameter topics: "" is not one of ` + all},
		{"/admin/v1/stream?topics=Hooks", "", 400, `query parameter topics: "Hooks" is not one of ` + all},
		{"/admin/v1/stream?status=200", "", 400, `unknown query parameter "status": known are topics, listener, server, route, method, path, verb, resource, namespace, name, user, group`},
		{"/admin/v1/stream?pretty=true", "", 400, `unknown query parameter "pretty": known are topics, listener, server, route, method, path, verb, resource, namespace, name, user, group`},
		{"HEAD /admin/v1/stream?topics=x", "", 400, ""},
		{"/admin/v1/stream", "Last-Event-ID: 12x", 400, `the Last-Event-ID "12x" is not the id of an event`},
		{"/admin/v1/stream", "Last-Event-ID: -1", 400, `the Last-Event-ID "-1" is not the id of an event`},
		{"/admin/v1/stream", "Last-Event-ID: 9223372036854775808", 400, `the Last-Event-ID "9223372036854775808" is not the id of an event`},
		{"/admin/v1/stream", "Last-Event-ID: ", 400, `the Last-Event-ID "" is not the id of an event`},
		{"/admin/v1/stream?topics=x", "Accept: application/json", 406, "/admin/v1/stream is offered as text/event-stream only"},
		{"/admin/v1/stream", "Accept: text/event-stream;q=0", 406, "/admin/v1/stream is offered as text/event-stream only"},
		{"POST /admin/v1/stream", "", 405, `/admin/v1/stream takes GET, HEAD, not "POST"`},
	} {
		src := newFake(t)
		src.streams.events = []StreamEvent{EndOfStream("stopping")}
		header := []string{}
		if c.header != "" {
			header = append(header, c.header)
		}
		w := ask(t, handlerOf(t, src), c.request, header...)
		got := strings.Join(src.streams.asked, ", ")
		head := strings.HasPrefix(c.request, "HEAD ")
		if c.code >= 400 && !head {
			if got != "" {
				t.Errorf("%s %s: a stream was opened", c.request, c.header)
			}
			got, _ = decode(t, w)["message"].(string)
		}
		if w.Code != c.code || got != c.want {
			t.Errorf("%s %s: %d %q, want %d %q", c.request, c.header, w.Code, got, c.code, c.want)
		}
		if head && c.code == 200 && (w.Header().Get("Content-Type") != formEvents || w.Body.Len() > 0) {
			t.Errorf("%s: %v %q", c.request, w.Header(), w.Body)
		}
	}
}

// Match parameters choose among requests, started and ended, and nothing else.
func TestStreamMatch(t *testing.T) {
	alice := Request{RequestFacts: RequestFacts{ID: "a", Listener: "https", Method: "GET", Path: "/api/v1/pods", Verb: "list", Resource: "pods"}, User: "alice", Groups: List[string]{"dev", "ops"}, Server: pointer("core"), Route: pointer("core:x")}
	bob := FinishedRequest{RequestFacts: RequestFacts{ID: "b", Listener: "http", Method: "PUT", Path: "/apis/g.io/v1/namespaces/n/things/t", Verb: "update", Resource: "things.g.io", Namespace: "n", Name: "t"}, User: "bob", Server: pointer("extensions"), Route: pointer("ext:y")}
	events := []StreamEvent{happened(t, 1, "request-started", alice), happened(t, 2, "request-ended", bob), happened(t, 3, "hook", Hook{ID: "h"}), EndOfStream("stopping")}
	for query, want := range map[string]string{
		"":                              "1 2 3",
		"listener=https":                "1 3",
		"server=extensions":             "2 3",
		"server=*":                      "1 2 3",
		"route=core:*":                  "1 3",
		"method=PUT":                    "2 3",
		"path=/api*":                    "1 2 3",
		"path=/apis/*":                  "2 3",
		"verb=list&verb=watch":          "1 3",
		"resource=things.g.io":          "2 3",
		"resource=things.g.io&verb=get": "3",
		"namespace=*":                   "2 3",
		"name=t":                        "2 3",
		"user=alice&user=bob":           "1 2 3",
		"user=ali":                      "3",
		"group=ops":                     "1 3",
		"group=o*":                      "1 3",
		"group=*":                       "1 3",
		"group=prod":                    "3",
	} {
		src := newFake(t)
		src.streams.events = events
		w := ask(t, handlerOf(t, src), "/admin/v1/stream?topics=requests,hooks&"+query)
		var got []string
		for line := range strings.Lines(w.Body.String()) {
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				got = append(got, strings.TrimSpace(id))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: ids %v, want %s", query, got, want)
		}
	}
}

// What clients write breaks no line: each event is four lines, and its data what went in.
func TestStreamIsSafe(t *testing.T) {
	evil := "a\nb\r\nid: 7\n\ndata: x\r\u2028\u2029\x00\x7f</script>\ufeff\xff"
	src := newFake(t)
	src.streams.events = []StreamEvent{
		happened(t, 1, "request-started", Request{RequestFacts: RequestFacts{ID: "1", Path: evil}, UserAgent: evil, User: evil, Groups: List[string]{evil}}),
		happened(t, 2, "hook", Hook{ID: evil, Error: evil, Stack: List[string]{evil}}),
		happened(t, 3, "faults", math.NaN()), // cannot be encoded
		EndOfStream("stopping"),
	}
	body := ask(t, handlerOf(t, src), "/admin/v1/stream").Body.String()
	if strings.ContainsAny(body, "\r\u2028\u2029\x00") {
		t.Errorf("%q", body)
	}
	r := bufio.NewReader(strings.NewReader(body))
	want := strings.ToValidUTF8(evil, "\ufffd")
	next(t, r)
	var started struct{ Item Request }
	if e := next(t, r); json.Unmarshal([]byte(e.data), &started) != nil || e.id != "1" || started.Item.Path != want || started.Item.Groups[0] != want {
		t.Errorf("%v", e)
	}
	var hook struct{ Item Hook }
	if e := next(t, r); json.Unmarshal([]byte(e.data), &hook) != nil || e.id != "2" || hook.Item.Error != want {
		t.Errorf("%v", e)
	}
	if e := next(t, r); e.id != "3" || !strings.HasSuffix(e.data, `"item":null}`) {
		t.Errorf("%v", e)
	}
	if e := next(t, r); e.String() != ` end {"why":"stopping"}` {
		t.Errorf("%v", e)
	}
	if strings.Count(body, "\n") != 3+4*3+3 {
		t.Errorf("%d lines: %q", strings.Count(body, "\n"), body)
	}
}

// Events come as they happen, over a connection that can be used again after the end.
func TestStreamOverConnection(t *testing.T) {
	src := newFake(t)
	r, _ := openStream(t, listen(t, src, nil)+"/admin/v1/stream")
	if e := next(t, r); e.name != "hello" || e.id != "" {
		t.Fatalf("first comes %v", e)
	}
	for id := int64(1); id < 4; id++ {
		src.streams.add(happened(t, id, "hook", src.hooks[0]))
		if e := next(t, r); e.name != "hook" || e.id != strconv.FormatInt(id, 10) {
			t.Fatalf("%d is %v", id, e)
		}
	}
	src.streams.add(EndOfStream("stopping"))
	if e := next(t, r); e.name != "end" {
		t.Errorf("last comes %v", e)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

// As many streams as may be are open; one more is refused until one closes.
func TestStreamsAtMost(t *testing.T) {
	src := newFake(t)
	src.streams.opened = make(chan struct{}, 200)
	url := listen(t, src, nil) + "/admin/v1/stream"
	var stops []func()
	for range 100 {
		r, stop := openStream(t, url)
		next(t, r)
		stops = append(stops, stop)
	}
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || !bytes.Contains(b, []byte(`"reason":"TooManyRequests"`)) {
		t.Errorf("the 101st: %d %v %s", resp.StatusCode, resp.Header, b)
	}
	if resp, err := http.Head(url); err != nil || resp.StatusCode != 200 {
		t.Errorf("HEAD takes no place: %v %v", resp, err)
	}
	stops[3]()
	until(t, "a place", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, func() { cancel(); resp.Body.Close() })
		return resp.StatusCode == 200
	})
	for _, stop := range stops {
		stop()
	}
	until(t, "streams to close", func() bool { return src.streams.count() == 0 })
}

// until waits for what other goroutines do.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20s for %s", what)
		}
	}
}

// A reader that takes nothing is cut after the time it has, and not before.
func TestStreamStalls(t *testing.T) {
	src := newFake(t)
	src.streams.opened = make(chan struct{}, 1)
	url := listen(t, src, func(l *streamLimits) { l.stall = 300 * time.Millisecond })
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /admin/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-src.streams.opened
	big := Hook{Error: strings.Repeat("x", 1<<20)}
	began := time.Now()
	for id := range int64(64) { // more than the buffers of a connection hold
		src.streams.add(happened(t, id+1, "hook", big))
	}
	until(t, "the cut", func() bool { return src.streams.count() == 0 })
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("cut after %v", took)
	}
	got, _ := io.ReadAll(c) // what the buffers held; a reset is an end too
	if bytes.Contains(got, []byte("event: end")) || bytes.HasSuffix(got, []byte("0\r\n\r\n")) {
		t.Error("what was cut looks complete")
	}
}

// At the end of a stop a reader that takes nothing has a moment, not the whole limit,
// whether a write waits already or comes then.
func TestStreamStalledAtTheStop(t *testing.T) {
	for _, waits := range []bool{true, false} {
		src := newFake(t)
		src.streams.opened = make(chan struct{}, 1)
		var stop context.CancelFunc
		src.streams.stopped, stop = context.WithCancel(t.Context())
		url := listen(t, src, func(l *streamLimits) { l.stall, l.grace = time.Hour, 50*time.Millisecond })
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /admin/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-src.streams.opened
		if !waits {
			stop()
		}
		for id := range int64(64) {
			src.streams.add(happened(t, id+1, "hook", Hook{Error: strings.Repeat("x", 1<<20)}))
		}
		src.streams.add(EndOfStream("stopping"))
		stop()
		until(t, "the cut", func() bool { return src.streams.count() == 0 })
	}
}

// clocked is a writer in a bubble of synctest: what is written, with when.
type clocked struct {
	header   http.Header
	began    time.Time
	written  []string
	flushes  int
	deadline time.Time
	fails    error
}

func (c *clocked) Header() http.Header                { return c.header }
func (c *clocked) WriteHeader(int)                    {}
func (c *clocked) FlushError() error                  { c.flushes++; return c.fails }
func (c *clocked) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }
func (c *clocked) Write(b []byte) (int, error) {
	if got := time.Until(c.deadline); got != 10*time.Second {
		return 0, fmt.Errorf("the deadline is in %v", got)
	}
	for e := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n\n"), "\n\n") {
		name := e
		if i := strings.Index(e, "event: "); i >= 0 {
			name, _, _ = strings.Cut(e[i+len("event: "):], "\n")
		}
		c.written = append(c.written, fmt.Sprintf("%v %s", time.Since(c.began), name))
	}
	return len(b), nil
}

// clockedStream serves a stream to a clocked writer, until over is called.
func clockedStream(t *testing.T, src Source, w *clocked) (over func()) {
	w.header, w.began = http.Header{}, time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/admin/v1/stream", nil)
	r.Host = "localhost"
	done := make(chan struct{})
	go func() { defer close(done); handlerOf(t, src).ServeHTTP(w, r) }()
	return func() { cancel(); <-done }
}

// A comment comes every 15 seconds, whatever else comes.
func TestStreamComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := newFake(t), &clocked{}
		over := clockedStream(t, src, w)
		time.Sleep(20 * time.Second)
		src.streams.add(happened(t, 1, "hook", nil))
		time.Sleep(26 * time.Second)
		over()
		if got, want := fmt.Sprint(w.written), "[0s hello 15s : 20s hook 30s : 45s :]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if !w.deadline.IsZero() {
			t.Error("the connection keeps the deadline of the stream")
		}
	})
}

// Many events cost few writes: between two is a rest, in which they gather.
func TestStreamRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, w := newFake(t), &clocked{}
		over := clockedStream(t, src, w)
		for id := range int64(1000) {
			time.Sleep(time.Millisecond)
			src.streams.add(happened(t, id+1, "hook", nil))
		}
		time.Sleep(time.Second)
		over()
		if len(w.written) != 1001 {
			t.Errorf("%d events", len(w.written))
		}
		if w.flushes > 52 || w.flushes < 48 {
			t.Errorf("%d writes in a second, want 50", w.flushes)
		}
	})
}

// A write that fails ends the stream.
func TestStreamWriteFails(t *testing.T) {
	src := newFake(t)
	src.streams.events = []StreamEvent{happened(t, 1, "hook", nil)}
	w := &clocked{fails: errors.New("gone")}
	r := httptest.NewRequest("GET", "/admin/v1/stream", nil)
	r.Host = "localhost"
	w.header = http.Header{}
	handlerOf(t, src).ServeHTTP(w, r)
	if src.streams.count() != 0 || w.flushes != 1 {
		t.Errorf("%d open, %d writes", src.streams.count(), w.flushes)
	}
}

// FuzzStreamAsks: whatever is asked, the answer is a stream of known topics or 400.
func FuzzStreamAsks(f *testing.F) {
	for _, seed := range [][2]string{{"topics=hooks", "1"}, {"topics=requests,,&user=%00", ""}, {"topics=%ff&topics", "-0"}, {"verb=*&group=a*&topics=drain", "99999999999999999999"}, {";%", "+1"}, {"topics=hooks&topics=hooks", "1795411387412004"}} {
		f.Add(seed[0], seed[1])
	}
	src := newFake(f)
	src.streams.events = []StreamEvent{happened(f, 1, "request-started", src.requests[0]), EndOfStream("slow")}
	h := handlerOf(f, src)
	f.Fuzz(func(t *testing.T, query, id string) {
		r := httptest.NewRequest("GET", "/admin/v1/stream", nil)
		r.Host, r.URL.RawQuery = "localhost", query
		if id != "" {
			r.Header.Set("Last-Event-ID", id)
		}
		src.streams.asked = nil
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code == 400 && len(src.streams.asked) == 0:
			decode(t, w)
		case w.Code == 200 && len(src.streams.asked) == 1:
			asked, after, _ := strings.Cut(strings.TrimPrefix(src.streams.asked[0], "["), "]")
			seen := map[string]bool{}
			for topic := range strings.SplitSeq(asked, " ") {
				if !slices.Contains(Topics, topic) || seen[topic] {
					t.Errorf("asked for %s", src.streams.asked[0])
				}
				seen[topic] = true
			}
			if n, err := strconv.ParseInt(id, 10, 64); (after == "") != (id == "") || id != "" && (err != nil || after != fmt.Sprintf(" after %d", n)) {
				t.Errorf("asked for %s with %q", src.streams.asked[0], id)
			}
			r := bufio.NewReader(w.Body)
			next(t, r)
			for {
				e, err := readEvent(r)
				if err == io.EOF {
					break
				}
				var v map[string]any
				if err != nil || json.Unmarshal([]byte(e.data), &v) != nil {
					t.Fatalf("%v: %v", e, err)
				}
			}
		default:
			t.Errorf("%d with %q", w.Code, src.streams.asked)
		}
	})
}

// The keys of requestFilter are fields of both rows.
func TestMatchKeysAreFields(t *testing.T) {
	for _, row := range []any{Request{}, FinishedRequest{}} {
		fields, _ := scalarFields(reflect.TypeOf(row))
		for _, key := range matchKeys {
			f, ok := reflect.TypeOf(row).FieldByName(strings.ToUpper(key[:1]) + key[1:])
			if key != "group" && (fields[key] == nil || !ok || f.Tag.Get("json") != key) {
				t.Errorf("%T has no %s", row, key)
			}
		}
	}
}

// chunks notes the sizes of what is written to it at once.
type chunks struct {
	httptest.ResponseRecorder
	sizes []int
}

func (c *chunks) Write(b []byte) (int, error) {
	c.sizes = append(c.sizes, len(b))
	return c.ResponseRecorder.Write(b)
}

// TestStreamChunks: many events that are there at once are written in chunks of little more
// than the size that a reader must take, and what comes after the end is not written.
func TestStreamChunks(t *testing.T) {
	src := newFake(t)
	text := strings.Repeat("x", 1000)
	for id := range int64(100) {
		src.streams.events = append(src.streams.events, happened(t, id+1, "hook", text))
	}
	big := strings.Repeat("y", 5*streamChunk)
	src.streams.events = append(src.streams.events, happened(t, 101, "hook", big), EndOfStream("slow"), happened(t, 102, "hook", "late"))
	w := &chunks{ResponseRecorder: *httptest.NewRecorder()}
	r := httptest.NewRequest("GET", "/admin/v1/stream", nil)
	r.Host = "localhost"
	handlerOf(t, src).ServeHTTP(w, r)
	body := w.Body.String()
	if n := strings.Count(body, "event: hook\n"); n != 101 || strings.Contains(body, "late") || !strings.HasSuffix(body, "event: end\ndata: {\"why\":\"slow\"}\n\n") {
		t.Errorf("%d events, at the end %q", n, body[len(body)-100:])
	}
	large := 0
	for i, size := range w.sizes {
		// The last event of a chunk goes over its end, by less than one event.
		if size > streamChunk+1200 {
			large++
		} else if size < streamChunk && i < len(w.sizes)-1 && large == 0 {
			t.Errorf("write %d has %d bytes only", i, size)
		}
	}
	if large != 1 || len(w.sizes) < 100*1000/streamChunk || len(w.sizes) > 12 {
		t.Errorf("written in %v", w.sizes)
	}
}
