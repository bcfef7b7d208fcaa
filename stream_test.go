package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"apichain/admin"
	"apichain/internal/certs"
	"apichain/internal/hub"
)

// streamed is one event as a client reads it; id 0 is none.
type streamed struct {
	id   int64
	name string
	data map[string]any
}

// item is a value of the event's row.
func (e streamed) item(key string) any {
	row, _ := e.data["item"].(map[string]any)
	return row[key]
}

// streamClient reads a stream.
type streamClient struct {
	t     testing.TB
	r     *bufio.Reader
	hello streamed
	stop  func()
}

// stream opens a stream of the admin listener and reads hello. It is closed by stop or at
// the end of the test.
func (r *running) stream(query string, header ...string) *streamClient {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url("admin", "/admin/v1/stream"+query), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	tr := &http.Transport{}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &streamClient{t: r.t, r: bufio.NewReader(resp.Body), stop: func() { cancel(); resp.Body.Close(); tr.CloseIdleConnections() }}
	r.t.Cleanup(c.stop)
	if resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		r.t.Fatalf("%s: %d %s", query, resp.StatusCode, b)
	}
	if c.hello = c.next(); c.hello.name != "hello" || c.hello.id != 0 {
		r.t.Fatalf("the first event is %v", c.hello)
	}
	return c
}

// resume is stream after the event called id.
func (r *running) resume(query string, id int64) *streamClient {
	r.t.Helper()
	return r.stream(query, "Last-Event-ID: "+strconv.FormatInt(id, 10))
}

// read is the next event, or the error of the connection.
func (c *streamClient) read() (e streamed, err error) {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			if e.id, err = strconv.ParseInt(value, 10, 64); err != nil {
				return e, err
			}
		case "event":
			e.name = value
		case "data":
			d := json.NewDecoder(strings.NewReader(value))
			d.UseNumber() // ids are larger than what float64 is sure of
			if err := d.Decode(&e.data); err != nil {
				return e, err
			}
		case "":
			if e.name != "" {
				return e, nil
			}
		}
	}
}

func (c *streamClient) next() streamed {
	c.t.Helper()
	e, err := c.read()
	if err != nil {
		c.t.Fatalf("no event: %v", err)
	}
	return e
}

// until reads up to the first event that is the one.
func (c *streamClient) until(what string, is func(streamed) bool) (all []streamed) {
	c.t.Helper()
	for {
		e, err := c.read()
		if err != nil {
			c.t.Fatalf("waited for %s: %v after %d events", what, err, len(all))
		}
		if all = append(all, e); is(e) {
			return all
		}
	}
}

func whole(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// contiguous checks that ids grow by one, from the one after id.
func contiguous(t *testing.T, id int64, all []streamed) {
	t.Helper()
	for _, e := range all {
		if id++; e.id != id {
			t.Fatalf("the id of %s is %d, want %d", e.name, e.id, id)
		}
	}
}

// TestStreamOfALife: a stream that begins before ready sees everything up to the end of
// the stop, in order, and does not hold the end up.
func TestStreamOfALife(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	r := launchProgram(t, func(s *Server) {
		_ = s.AddPostStartHook("held", func(context.Context) error { <-hold; return nil })
		_ = s.AddPreShutdownHook("fails", func(context.Context) error { return errors.New("bo\nom") })
	}, "--listen-admin=127.0.0.1:0")
	r.quiet(t, func() bool {
		return slices.ContainsFunc(r.events(), func(e event) bool { return e.name == "serving" && e.over })
	}, "the admin listener")
	c := r.stream("")
	// What was before can be had too: the first event of all has the start's microseconds.
	first := r.program.started.UnixMicro()
	if got := whole(c.hello.data["oldestId"]); got != first {
		t.Errorf("oldestId %d, want %d", got, first)
	}
	if got := fmt.Sprint(c.hello.data["topics"]); got != "[hooks lifecycle certificates backends drain faults loglevel]" {
		t.Errorf("topics %s", got)
	}
	past := r.resume("", first)
	close(hold)
	c.until("ready", func(e streamed) bool { return e.item("name") == "HasBeenReady" })
	r.signal <- syscall.SIGTERM
	all := past.until("the end", func(e streamed) bool { return e.name == "end" })
	if end := all[len(all)-1]; end.data["why"] != "stopping" || end.id != 0 {
		t.Errorf("the end is %v", end)
	}
	if e, err := past.read(); err != io.EOF {
		t.Errorf("after the end: %v %v", e, err)
	}
	began := time.Now()
	if code := r.wait(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the program ended %v after its streams", took)
	}
	all = all[:len(all)-1]
	contiguous(t, first, all)
	var hooks, signals, steps []string
	generation := int64(0)
	for _, e := range all {
		if g := whole(e.data["generation"]); g < generation {
			t.Errorf("the generation goes back to %d", g)
		} else {
			generation = g
		}
		switch {
		case e.name == "hook" && (e.item("name") == "held" || e.item("name") == "fails"):
			hooks = append(hooks, fmt.Sprint(e.item("id"), " ", e.item("state"), " ", e.item("error")))
		case e.name == "lifecycle" && e.item("kind") == "signal":
			signals = append(signals, e.item("name").(string))
		case e.name == "lifecycle" && e.item("kind") == "step":
			steps = append(steps, e.item("name").(string))
		}
	}
	if got, want := strings.Join(hooks, ", "), "post-start/held running , post-start/held done , pre-shutdown/fails running , pre-shutdown/fails failed bo\nom"; got != want && got != strings.TrimPrefix(want, "post-start/held running , ") {
		t.Errorf("hooks %q, want %q", got, want)
	}
	if got := strings.Join(signals, " "); !strings.HasSuffix(got, "HasBeenReady ShutdownInitiated AfterShutdownDelayDuration PreShutdownHooksStopped NotAcceptingNewRequest InFlightRequestsDrained HTTPServerStoppedListening") {
		t.Errorf("signals %s", got)
	}
	// Each step at its begin and at its end.
	if got := strings.Join(steps[len(steps)-6:], " "); got != "ready ready drain drain close close" {
		t.Errorf("steps %s", got)
	}
	var last streamed
	for _, e := range all {
		if e.item("name") == "close" {
			last = e
		}
	}
	if took, _ := last.item("durationMs").(json.Number); took == "" {
		t.Errorf("the end of close is %v", last)
	}
}

func (r *running) events() []event {
	events, _ := r.timeline.list()
	return events
}

// fill publishes events of a topic.
func (p *program) fill(topic string, n int) {
	for i := range n {
		p.publish(topic, topic, map[string]int{"n": i})
	}
}

// newest is the newest event there is, of all topics but requests.
func newest(s source) (last admin.StreamEvent) {
	var before int64
	r := s.Stream(admin.Topics[1:], &before)
	defer r.Close()
	for {
		e, ok := r.Next()
		if !ok {
			return last
		}
		last = e
	}
}

// TestStreamResumes: after an event that is kept, one that is not, and one of another
// process.
func TestStreamResumes(t *testing.T) {
	t.Parallel()
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	r.fill("drain", 3)
	last := func() int64 { return newest(source{r.program}).ID }
	now := last()
	c := r.resume("?topics=drain,faults", now-2)
	contiguous(t, now-2, []streamed{c.next(), c.next()})
	r.fill("faults", 1)
	if e := c.next(); e.id != now+1 || e.name != "faults" || whole(e.item("n")) != 0 {
		t.Errorf("and on with %v", e)
	}
	c.stop()
	// Other topics than before: what is between is theirs.
	if e := r.resume("?topics=faults", now-2).next(); e.id != now+1 {
		t.Errorf("the next of faults is %v", e)
	}
	// After the newest there is nothing until something happens.
	c = r.resume("", now+1)
	r.fill("drain", 1)
	contiguous(t, now+1, []streamed{c.next()})

	// Out of the ring: 7 events of drain go, of which 5 came after id.
	r.fill("drain", hub.Kept+3)
	id := now - 1
	c = r.resume("?topics=drain,faults", id)
	if e := c.next(); e.name != "dropped" || e.id != 0 || whole(e.data["missed"]) != 5 {
		t.Errorf("instead of what is lost comes %v", e)
	}
	if e := c.next(); e.id != now+1 || e.name != "faults" {
		t.Errorf("what is kept goes on with %v", e)
	}
	end := last()
	rest := c.until("the newest", func(e streamed) bool { return e.id == end })
	if len(rest) != hub.Kept || rest[0].id != end-hub.Kept+1 {
		t.Errorf("%d events from %d, want all of the ring", len(rest), rest[0].id)
	}
	// What goes on in other topics is none of this reader's.
	if e := r.resume("?topics=faults", id).next(); e.id != now+1 {
		t.Errorf("the next of faults is %v", e)
	}

	// Of another process: everything here is new.
	for _, id := range []int64{0, r.program.started.UnixMicro() - 1, last() + 1, 1 << 62} {
		c := r.resume("?topics=faults", id)
		if e := c.next(); e.name != "dropped" || fmt.Sprint(e.data) != "map[missed:<nil>]" {
			t.Errorf("after %d comes %v", id, e)
		}
		if e := c.next(); e.id != now+1 {
			t.Errorf("after %d: the first event is %v", id, e)
		}
		c.stop()
	}
}

// TestStreamTooSlow: a reader that the ring has gone past is told how much it missed, and
// ended; the others are not.
func TestStreamTooSlow(t *testing.T) {
	t.Parallel()
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	slow, other := r.stream("?topics=faults"), r.stream("?topics=drain")
	text := strings.Repeat("x", 4<<10)
	const n = 2 * hub.Kept // 80 MiB, which no connection holds
	r.fill("faults", 1)
	one := slow.next()
	for range n - 1 {
		r.publish("faults", "fault-hit", text)
	}
	r.fill("drain", 1)
	if e := other.next(); e.name != "drain" {
		t.Errorf("a reader of something else gets %v", e)
	}
	all := slow.until("the end", func(e streamed) bool { return e.name == "end" })
	end, dropped, got := all[len(all)-1], all[len(all)-2], append([]streamed{one}, all[:len(all)-2]...)
	if end.data["why"] != "slow" || dropped.name != "dropped" || dropped.id != 0 {
		t.Fatalf("at last come %v %v", dropped, end)
	}
	if _, err := slow.read(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	// It can come back, and what it gets then is what follows the gap.
	contiguous(t, got[0].id-1, got)
	id := got[len(got)-1].id
	again := r.resume("?topics=faults", id)
	missed := again.next()
	next := again.next()
	if missed.name != "dropped" || whole(missed.data["missed"]) != next.id-id-1 || whole(dropped.data["missed"]) > next.id-id-1 {
		t.Errorf("after %d, dropped %v and then %v, comes %d", id, dropped.data, missed.data, next.id)
	}
	if int64(len(got))+next.id-id-1+hub.Kept != n {
		t.Errorf("%d read, %d missed, %d kept of %d", len(got), next.id-id-1, hub.Kept, n)
	}
}

// TestStreamOfRequests: each request has a start, with what is known then, and an end; a
// stream that chooses gets those alone.
func TestStreamOfRequests(t *testing.T) {
	t.Parallel()
	slow := newGate()
	r := startProgram(t, func(s *Server) { _ = s.Handle("/slow", slow) }, "--listen-admin=127.0.0.1:0")
	r.get("https", "/livez") // before anybody reads
	every, some := r.stream("?topics=requests"), r.stream("?topics=requests&verb=list&user=admin*")
	if id := every.hello.data["oldestId"]; id != nil {
		t.Errorf("oldestId %v where nothing is", id)
	}
	done := make(chan reply, 1)
	go func() { done <- r.get("https", "/slow", "Audit-Id: slow-one") }()
	await(t, "the slow request", slow.began)
	started := every.next()
	for key, want := range map[string]any{"auditID": "slow-one", "listener": "https", "user": "admin", "verb": "get", "path": "/slow", "status": nil} {
		if got := started.item(key); started.name != "request-started" || got != want {
			t.Errorf("%s: %s is %v, want %v", started.name, key, got, want)
		}
	}
	close(slow.release)
	await(t, "its answer", done)
	ended := every.next()
	if ended.name != "request-ended" || ended.id != started.id+1 || ended.item("id") != started.item("id") || whole(ended.item("status")) != 200 || ended.item("ended") != "completed" || ended.item("user") != "admin" {
		t.Errorf("then comes %v", ended)
	}
	// In the order in which they come, refused ones too, whatever refused them.
	for _, c := range []struct{ kind, path, header string }{
		{"https", "/api/v1/namespaces/default/configmaps", ""},
		{"https", "/api/v1/namespaces", "Authorization: Bearer nonsense"},
		{"http", "/api/v1/namespaces", "Host: evil.example"},
		{"http", "/nowhere", ""},
		{"h2", "/api/v1/namespaces", "Impersonate-User: nobody-in-particular"},
	} {
		header := []string{"X-None: x"}
		if c.header != "" {
			header[0] = c.header
		}
		r.get(c.kind, c.path, header...)
	}
	var got []string
	for range 10 {
		e := every.next()
		got = append(got, e.name)
		if e.name == "request-started" {
			got = append(got, fmt.Sprint(e.item("listener"), e.item("path"), e.item("user")))
		}
	}
	want := []string{}
	for _, row := range []string{"https/api/v1/namespaces/default/configmapsadmin", "https/api/v1/namespaces", "http/api/v1/namespaces", "http/nowheresystem:unsecured", "https/api/v1/namespacesnobody-in-particular"} {
		want = append(want, "request-started", row, "request-ended")
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if e := some.next(); e.name != "request-started" || e.item("resource") != "configmaps" {
		t.Errorf("chosen is %v", e)
	}
	// No request of the admin listener is among them.
	r.look("/admin/v1/build", nil)
	r.get("http", "/last")
	if e := every.next(); e.item("path") != "/last" {
		t.Errorf("after an admin request comes %v", e)
	}
}

// readAll is everything that a reader has now: ids, or names with what they say.
func readAll(s admin.Stream) string {
	var out []string
	for {
		e, ok := s.Next()
		switch d, isDropped := e.Item.(admin.Dropped); {
		case !ok:
			return strings.Join(out, " ")
		case isDropped && d.Missed == nil:
			out = append(out, "dropped:null")
		case isDropped:
			out = append(out, fmt.Sprint("dropped:", *d.Missed))
		case e.ID == 0:
			out = append(out, fmt.Sprint(e.Name, e.Item))
		default:
			out = append(out, fmt.Sprint(e.ID))
		}
	}
}

// TestStreamOfUnrecordedRequests: requests are recorded while somebody reads them and a
// minute longer; who comes back later, or has read other topics alone, is told that there
// may have been some.
func TestStreamOfUnrecordedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
		p.started = time.UnixMicro(1000)
		p.hub = p.newStreams()
		request := func() {
			r := httptest.NewRequest("GET", "/livez/ping", nil)
			r.Host = "localhost"
			p.chain("http").ServeHTTP(httptest.NewRecorder(), r)
		}
		open := func(after int64, topics ...string) admin.Stream {
			if after == 0 {
				return source{p}.Stream(topics, nil)
			}
			return source{p}.Stream(topics, &after)
		}
		check := func(what string, s admin.Stream, want string) {
			t.Helper()
			if got := readAll(s); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
			s.Close()
		}
		request()
		p.fill("drain", 2) // 1000, 1001
		check("a resume of other topics", open(1000, "drain", "hooks"), "1001")
		if p.hub.Recording() {
			t.Error("requests are recorded, which nobody reads")
		}
		check("a resume with requests that nobody read", open(1000, "drain", "requests"), "dropped:null 1001")

		// That reader has gone, but for a minute it is as if it were there.
		time.Sleep(30 * time.Second)
		request() // 1002, 1003
		p.fill("drain", 1)
		check("a resume within the minute", open(1002, "requests", "drain"), "1003 1004")
		check("one from before they were recorded", open(1001, "requests", "drain"), "dropped:null 1002 1003 1004")
		check("one of other topics", open(1001, "drain"), "1004")
		s := open(0, "requests")
		time.Sleep(time.Hour)
		request() // 1005, 1006
		check("a reader that stays", s, "1005 1006")

		// After the minute the ring is let go.
		time.Sleep(time.Minute)
		request()
		if p.hub.Recording() {
			t.Error("requests are still recorded")
		}
		check("a resume of other topics over the gap", open(1003, "drain"), "1004")
		check("a resume over the gap", open(1006, "requests"), "dropped:null")
		request() // 1007, 1008
		check("the gap is not forgotten", open(1006, "requests"), "dropped:null 1007 1008")
		check("but lies before what is recorded", open(1007, "requests"), "1008")
	})
}

// TestStreamsAtOnce: many publish and many read at once; each reader gets each event of
// its topics once and in order, and nothing of the streams is left.
func TestStreamsAtOnce(t *testing.T) {
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	before := runtime.NumGoroutine()
	const each, writers = 300, 4
	type readerOf struct {
		c    *streamClient
		want int
	}
	var readers []readerOf
	for range 4 {
		readers = append(readers, readerOf{r.stream("?topics=faults"), each * writers}, readerOf{r.stream("?topics=faults,requests,drain"), 4 * each * writers}, readerOf{r.stream("?topics=requests&path=/nowhere"), 0})
	}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			c := r.client("http")
			defer c.CloseIdleConnections()
			for range each {
				r.publish("faults", "fault-hit", nil)
				if _, err := r.send(c, "http", "GET", "/livez/ping", nil); err != nil {
					t.Error(err)
				}
				r.publish("drain", "drain", nil)
			}
		})
		all.Go(func() { // readers that come and go
			for range 10 {
				c := r.stream("?topics=requests,hooks")
				c.stop()
			}
		})
	}
	for _, reader := range readers {
		all.Go(func() {
			id := int64(0)
			for range reader.want {
				e, err := reader.c.read()
				if err != nil || e.id <= id {
					t.Errorf("%v after %d: %v", e, id, err)
					return
				}
				id = e.id
			}
		})
	}
	all.Wait()
	for _, reader := range readers {
		reader.c.stop()
	}
	r.quiet(t, func() bool {
		return r.hub.Readers() == 0
	}, "the readers to go")
	r.quiet(t, func() bool { return runtime.NumGoroutine() <= before }, "the goroutines to go")
}

// TestStreamsEndAtTheStop: streams end when there is nothing to come, however their
// readers read, and one that comes later gets what there was.
func TestStreamsEndAtTheStop(t *testing.T) {
	t.Parallel()
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	stuck := r.stream("?topics=faults")
	good := r.stream("?topics=lifecycle")
	text := strings.Repeat("x", 1<<20)
	for range 64 {
		r.publish("faults", "fault-hit", text)
	}
	r.signal <- syscall.SIGTERM
	await(t, "the stop", r.signals.httpServerStoppedListening.ch)
	began := time.Now()
	if code := r.wait(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the end took %v", took)
	}
	good.until("the end", func(e streamed) bool { return e.name == "end" })
	for {
		e, err := stuck.read()
		if e.name == "end" {
			t.Error("a reader that read nothing was sent everything")
		}
		if err != nil {
			break
		}
	}
}

// TestStreamOfCertificates: what a listener serves is told when a file was read again, and
// when it could not be.
func TestStreamOfCertificates(t *testing.T) {
	t.Parallel()
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	c := r.stream("?topics=certificates,lifecycle")
	for _, event := range []certs.Event{{File: "tls.crt", Detail: "tls.crt, tls.key"}, {File: "ca.crt", Err: errors.New("no certificate in it")}} {
		r.certificateChanged(event)
		if e := c.next(); e.name != "lifecycle" || e.item("kind") != "certificate" || e.item("name") != event.File {
			t.Errorf("on the timeline: %v", e)
		}
		e := c.next()
		if tls, _ := e.item("tls").(map[string]any); e.name != "certificate" || e.item("listener") != "https" || tls["minVersion"] == nil {
			t.Errorf("of the listener: %v", e)
		}
	}
}

// TestStreamOfSkippedHooks: a hook whose turn does not come changes its state too.
func TestStreamOfSkippedHooks(t *testing.T) {
	p := newTestProgram(t)
	o := p.hooks.phase(preShutdown)[0]
	s := source{p}.Stream([]string{"hooks"}, nil)
	generation := p.generation.Load()
	p.hooks.skip(o)
	p.hooks.skip(o) // again is no change
	e, _ := s.Next()
	if h, _ := e.Item.(admin.Hook); e.Name != "hook" || h.State != hookSkipped || h.Name != o.name || e.Generation != generation+1 {
		t.Errorf("%v", e)
	}
	if e, ok := s.Next(); ok {
		t.Errorf("and then %v", e)
	}
}

// TestStreamOfControls: each change of a control is an event that has what GET shows.
func TestStreamOfControls(t *testing.T) {
	t.Parallel()
	r := startProgram(t, nil, "--listen-admin=127.0.0.1:0")
	c := r.stream("?topics=drain,loglevel")
	for _, change := range []struct {
		method, path, body string
		active             bool
	}{
		{"PUT", "drain", `{"note":"a\nb"}`, true}, {"PUT", "loglevel", `{"rules":[{"verbosity":3}]}`, true},
		{"PUT", "drain", `{"endWatches":true}`, true}, {"DELETE", "drain", "", false}, {"DELETE", "loglevel", "", false},
	} {
		if got := r.change(change.method, "/admin/v1/"+change.path, change.body, "If-Match: *", "Content-Type: application/json"); got.status != 200 {
			t.Fatalf("%s %s: %d %s", change.method, change.path, got.status, got.body)
		}
		e := c.next()
		var shown map[string]any
		r.look("/admin/v1/"+change.path, &shown)
		if e.name != change.path || e.item("active") != change.active || e.item("note") != shown["note"] || e.item("setAt") != shown["setAt"] {
			t.Errorf("%s %s: %v, but GET shows %v", change.method, change.path, e, shown)
		}
	}
}

// TestStreamOfControlsInOrder: a control that is set at the moment in which its time is over
// is shown as it is by its last event.
func TestStreamOfControlsInOrder(t *testing.T) {
	p := newTestProgram(t)
	c := &p.draining.control
	set := func() {
		if err := (source{p}).SetDrain(admin.Setting{By: "alice", For: time.Hour}, false); err != nil {
			t.Error(err)
		}
	}
	set()
	var once, done atomic.Bool
	var again sync.WaitGroup
	shown := c.item
	c.item = func() any {
		was := shown()
		if !once.Swap(true) { // the end has been read, and is not told yet
			again.Go(func() { set(); done.Store(true) })
			for range 100000 { // enough for it to be told first, if it can be
				if done.Load() {
					break
				}
				runtime.Gosched()
			}
		}
		return was
	}
	c.clear("its time is over")
	again.Wait()
	if last := newest(source{p}).Item.(admin.Drain); !last.Active || !c.shown().Active {
		t.Errorf("active %v, but the last event shows %v", c.shown().Active, last.Active)
	}
}
