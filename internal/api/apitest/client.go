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

	"apichain/internal/api"
	"apichain/internal/tree"
)

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
		w := httptest.NewRecorder()
		r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), "127.0.0.1:1", "localhost"
		if r.Body == nil {
			r.Body = http.NoBody
		}
		s.ServeHTTP(w, r)
		return w.Result(), nil
	}
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
	if method == "PATCH" && len(header) == 0 {
		header = []string{"Content-Type: " + api.MergePatchType}
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

// Soon asks again and again until what is so, for at most a second: so long may take what the
// server does by itself. A machine that is busy gets more.
func (c *Client) Soon(what string, is func() bool) {
	c.T.Helper()
	const limit, last = time.Second, 20 * time.Second
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !is(); <-tick.C {
		if time.Since(begun) > last {
			c.T.Fatalf("not within %v: %s", last, what)
		}
		if took := time.Since(begun); took > limit && !c.busy() {
			c.T.Fatalf("not within a second: %s", what)
		}
	}
}

// busy reports whether a request for little takes longer than it should: then times say nothing
// about the server.
func (c *Client) busy() bool {
	begun := time.Now()
	c.Try("GET", "/api/v1/namespaces/default", nil)
	return time.Since(begun) > 10*time.Millisecond
}

// Missing returns a question for Soon: whether nothing is at a path.
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

// Event is an event of a watch as a client reads it.
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

// Watch begins one, which must be answered with 200.
func (c *Client) Watch(t testing.TB, path string) *Watch {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), streamed{}, true))
	t.Cleanup(cancel)
	resp, err := c.Send(ctx, "GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("watch %s: status %d", path, resp.StatusCode)
	}
	w := &Watch{Cancel: cancel, Resp: resp, t: t, lines: bufio.NewScanner(resp.Body)}
	w.lines.Buffer(nil, 8<<20)
	return w
}

// Take returns the next event, or false at the end.
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

// Await returns what a channel gives, which must come within 20 seconds.
func Await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("waited 20s for %s", what)
	}
	return v
}
