package apitest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"apichain/internal/tree"
)

// A client of a server, as the tests of many requests want it: what is sent is a tree or a text,
// what is answered is a code and a tree, and what the server does on its own is waited for by
// asking again. A refusal is an answer like another; only Must says that there may be none.
//
// Requests of a Server cost no connection. A watch has one, on loopback, through one listener that
// the Server opens with its first watch: a recorder could not end a watch as a client does, by
// going away in the middle of a line.

// Client sends requests to a server: to a Server of this package, or to a program that listens.
// It may be used concurrently but for the methods that end the test.
type Client struct {
	T testing.TB
	// Do sends a request whose URL has no more than a path where URL is empty, and returns the
	// whole answer or the beginning of a watch.
	Do func(*http.Request) (*http.Response, error)
	// URL is in front of each path.
	URL string
	// Token is sent where no header says who asks; "" is none.
	Token string
}

// do serves a request in process, and a watch over a connection.
func (s *Server) do(r *http.Request) (*http.Response, error) {
	if r.Context().Value(streamed{}) == nil {
		// What net/http's server fills in.
		w := httptest.NewRecorder()
		r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), "127.0.0.1:1", "localhost"
		if r.Body == nil {
			r.Body = http.NoBody
		}
		s.ServeHTTP(w, r)
		return w.Result(), nil
	}
	// Only for the first one: a listener for each watch would be a thousand of them.
	s.listening.Do(func() {
		s.listener = httptest.NewServer(s)
		s.T.Cleanup(s.listener.Close)
	})
	u, err := r.URL.Parse(s.listener.URL + r.URL.RequestURI())
	if err != nil {
		return nil, err
	}
	r.URL = u
	return s.listener.Client().Do(r)
}

// streamed is in the context of a request whose answer is read while it is written.
type streamed struct{}

// Send sends a request; header lines are "Name: value", and one without a value takes the header
// away.
func (c *Client) Send(ctx context.Context, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Set(name, value)
		}
	}
	return c.Do(req)
}

// Try sends a request; body is a string or a value to encode, and a PATCH without headers is a
// merge patch. A status 0 is no answer. What is no JSON object is under "text".
func (c *Client) Try(method, path string, body any, header ...string) (int, map[string]any) {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		in = strings.NewReader(string(tree.AppendJSON(nil, b)))
	}
	// A patch must say its type, and most tests mean this one.
	if method == "PATCH" && len(header) == 0 {
		header = []string{"Content-Type: " + MergePatch}
	}
	resp, err := c.Send(context.Background(), method, path, in, header...)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	obj, _, err := tree.ParseJSONObject(text)
	if err != nil {
		// The 404 of a path that nobody serves, or a document in YAML.
		obj = map[string]any{"text": string(text)}
	}
	return resp.StatusCode, obj
}

// Must is Try for a request that has to be answered with a status.
func (c *Client) Must(want int, method, path string, body any, header ...string) map[string]any {
	c.T.Helper()
	code, obj := c.Try(method, path, body, header...)
	if code != want {
		text, _ := json.Marshal(obj)
		c.T.Fatalf("%s %s: got %d, want %d: %s", method, path, code, want, text)
	}
	return obj
}

// Soon asks again and again until what is so, which the server does by itself. It takes some milliseconds, but there are
// machines on which nothing happens for seconds.
func (c *Client) Soon(what string, is func() bool) {
	c.T.Helper()
	const last = time.Minute
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !is(); <-tick.C {
		if time.Since(begun) > last {
			c.T.Fatalf("not within %v: %s", last, what)
		}
	}
}

// Missing returns a question for Soon: whether nothing is at a path, be it that nobody serves it.
func (c *Client) Missing(path string) func() bool {
	return func() bool { code, _ := c.Try("GET", path, nil); return code == 404 }
}

// There returns a question for Soon: whether something is at a path.
func (c *Client) There(path string) func() bool {
	return func() bool { code, _ := c.Try("GET", path, nil); return code == 200 }
}

// Release takes all finalizers of an object away.
func (c *Client) Release(path string) {
	c.T.Helper()
	c.Must(200, "PATCH", path, `{"metadata":{"finalizers":null}}`)
}

// Condition returns a condition of a definition, nil if it has none of the type.
func (c *Client) Condition(name, typ string) map[string]any {
	c.T.Helper()
	for _, v := range tree.List(c.Must(200, "GET", DefinitionsPath+"/"+name, nil), "status", "conditions") {
		if tree.Text(v, "type") == typ {
			return v.(map[string]any)
		}
	}
	return nil
}

// Event is an event of a watch as a client reads it. Obj is the object, or in an ERROR the Status.
type Event struct {
	Type string
	Obj  map[string]any
}

// Revision returns at which revision it happened.
func (e Event) Revision() int64 {
	n, _ := strconv.ParseInt(Revision(e.Obj), 10, 64)
	return n
}

// Watch is a watch over a connection.
type Watch struct {
	Cancel context.CancelFunc
	// Resp is the answer. Who reads its body does without the methods of Watch.
	Resp *http.Response
	// Err is how it ended, nil for an orderly end.
	Err error

	t     testing.TB
	lines *bufio.Scanner
}

// Watch begins one, which must be answered with 200. It ends with the test t, or when the test
// cancels it, in the middle of whatever comes.
func (c *Client) Watch(t testing.TB, path string) *Watch {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), streamed{}, true))
	t.Cleanup(cancel)
	// The answer is there when the watch has written its header, before any event.
	resp, err := c.Send(ctx, "GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("watch %s: status %d", path, resp.StatusCode)
	}
	w := &Watch{Cancel: cancel, Resp: resp, t: t, lines: bufio.NewScanner(resp.Body)}
	// A line is as long as the largest object, and the default is 64 KiB.
	w.lines.Buffer(nil, 8<<20)
	return w
}

// Take returns the next event, or false at the end. It waits for as long as the watch goes on.
func (w *Watch) Take() (Event, bool) {
	if !w.lines.Scan() {
		w.Err = w.lines.Err()
		return Event{}, false
	}
	line, _, err := tree.ParseJSONObject(w.lines.Bytes())
	if err != nil {
		text := fmt.Sprintf("%.200q", w.lines.Bytes())
		w.lines.Scan()
		if w.Err = w.lines.Err(); w.Err == nil { // else it was cut
			w.t.Errorf("a line of a watch: %v: %s", err, text)
		}
		return Event{}, false
	}
	return Event{tree.Text(line, "type"), tree.Object(line, "object")}, true
}

// Next is Take where an event must come.
func (w *Watch) Next() Event {
	w.t.Helper()
	e, ok := w.Take()
	if !ok {
		w.t.Fatalf("the watch has ended: %v", w.Err)
	}
	return e
}

// Ended sees to it that the watch ends in order, without another event.
func (w *Watch) Ended() {
	w.t.Helper()
	if e, ok := w.Take(); ok || w.Err != nil {
		w.t.Errorf("got %v %v, want the end", e, w.Err)
	}
}

// Await returns what a channel gives, which must come within a minute.
func Await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
	return v
}
