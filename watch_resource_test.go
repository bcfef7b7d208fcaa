package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"apichain/internal/tree"
)

// watchEvent is an event as a client reads it.
type watchEvent struct {
	typ string
	obj map[string]any
}

func (e watchEvent) revision() int64 {
	n, _ := strconv.ParseInt(tree.Text(e.obj, "metadata", "resourceVersion"), 10, 64)
	return n
}

// watchClient is a watch over a connection.
type watchClient struct {
	t      testing.TB
	resp   *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
	err    error // how it ended, nil for an orderly end
}

// watch begins one, which must be answered with 200.
func (c *clients) watch(t testing.TB, path string) *watchClient {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", c.url(c.kind, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer admin-token")
	resp, err := c.c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatalf("watch %s: status %d", path, resp.StatusCode)
	}
	w := &watchClient{t: t, resp: resp, lines: bufio.NewScanner(resp.Body), cancel: cancel}
	w.lines.Buffer(nil, 8<<20)
	return w
}

// take is the next event, or false at the end.
func (w *watchClient) take() (watchEvent, bool) {
	if !w.lines.Scan() {
		w.err = w.lines.Err()
		return watchEvent{}, false
	}
	line, _, err := tree.ParseJSONObject(w.lines.Bytes())
	if err != nil {
		text := fmt.Sprintf("%.200q", w.lines.Bytes())
		w.lines.Scan()
		if w.err = w.lines.Err(); w.err == nil { // else it was cut
			w.t.Errorf("a line of a watch: %v: %s", err, text)
		}
		return watchEvent{}, false
	}
	return watchEvent{tree.Text(line, "type"), tree.Object(line, "object")}, true
}

// next is take where an event must come.
func (w *watchClient) next() watchEvent {
	w.t.Helper()
	e, ok := w.take()
	if !ok {
		w.t.Fatalf("the watch has ended: %v", w.err)
	}
	return e
}

// ended sees to it that the watch ends in order, without another event.
func (w *watchClient) ended() {
	w.t.Helper()
	if e, ok := w.take(); ok || w.err != nil {
		w.t.Errorf("got %v %v, want the end", e, w.err)
	}
}

// TestWatchResumes: whoever comes back with the last revision it has seen misses no event
// and gets none twice, wherever it was cut off.
func TestWatchResumes(t *testing.T) {
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := startClients(t, kind)
			list := c.must(200, "GET", mapsPath, nil)
			rev := revision(list)
			var all sync.WaitGroup
			const writers, rounds = 3, 40
			for w := range writers {
				all.Go(func() {
					for i := range rounds {
						path := mapsPath + "/o-" + itoa(w)
						c.try("POST", mapsPath, mapObject("o-"+itoa(w)))
						c.try("PATCH", path, `{"data":{"i":"`+itoa(i)+`"}}`)
						c.try("DELETE", path, nil)
					}
				})
			}
			seen := map[string]string{} // the last state of each object
			count := map[string]int{}
			last, _ := strconv.ParseInt(rev, 10, 64)
			for total := 0; total < writers*rounds*3; {
				watch := c.watch(t, mapsPath+"?watch=1&resourceVersion="+strconv.FormatInt(last, 10))
				for range 1 + rand.N(25) {
					e := watch.next()
					name := tree.Name(e.obj)
					if e.revision() <= last {
						t.Fatalf("revision %d after %d", e.revision(), last)
					}
					want := map[string][]string{"ADDED": {"", "DELETED"}, "MODIFIED": {"ADDED"}, "DELETED": {"MODIFIED"}}[e.typ]
					if seen[name] != want[0] && (len(want) < 2 || seen[name] != want[1]) {
						t.Fatalf("%s of %s after %s", e.typ, name, seen[name])
					}
					if e.typ == "MODIFIED" && tree.Text(e.obj, "data", "i") != itoa(count[name]) {
						t.Fatalf("%s: write %s in place of %d", name, tree.Text(e.obj, "data", "i"), count[name])
					} else if e.typ == "MODIFIED" {
						count[name]++
					}
					last, seen[name] = e.revision(), e.typ
					if total++; total == writers*rounds*3 {
						break
					}
				}
				watch.cancel() // in the middle of whatever comes
			}
			all.Wait()
		})
	}
}

// TestWatchAndState: a list and a watch from its revision, or a watch that begins with the
// state, lead to what a list shows later; bookmarks never say too much.
func TestWatchAndState(t *testing.T) {
	c := startClients(t, "h2")
	for i := range 20 {
		c.must(201, "POST", mapsPath, mapObject("o-"+itoa(i)))
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := "o-" + itoa(rand.N(30))
				switch rand.N(3) {
				case 0:
					c.try("POST", mapsPath, mapObject(name))
				case 1:
					c.try("PATCH", mapsPath+"/"+name, fmt.Sprintf(`{"data":{"i":"%d-%d"}}`, w, i))
				default:
					c.try("DELETE", mapsPath+"/"+name, nil)
				}
			}
		})
	}
	type follower struct {
		watch *watchClient
		state map[string]string
	}
	var followers []*follower
	for i := range 6 {
		f := &follower{state: map[string]string{}}
		if i%2 == 0 {
			list := c.must(200, "GET", mapsPath, nil)
			for _, item := range tree.List(list, "items") {
				f.state[tree.Name(item.(map[string]any))] = tree.Text(item, "metadata", "resourceVersion")
			}
			f.watch = c.watch(t, mapsPath+"?watch=1&allowWatchBookmarks=1&resourceVersion="+revision(list))
		} else {
			f.watch = c.watch(t, mapsPath+"?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
			for {
				e := f.watch.next()
				if e.typ == "BOOKMARK" {
					if tree.At(e.obj, "metadata", "annotations", "k8s.io/initial-events-end") != "true" || e.obj["kind"] != "ConfigMap" {
						t.Fatalf("the bookmark: %v", e.obj)
					}
					break
				}
				if e.typ != "ADDED" {
					t.Fatalf("%s before the state was complete", e.typ)
				}
				f.state[tree.Name(e.obj)] = revision(e.obj)
			}
		}
		followers = append(followers, f)
		for range 20 { // let the writers go on
			c.must(200, "GET", "/version", nil)
		}
	}
	close(stop)
	all.Wait()
	end := c.must(201, "POST", mapsPath, mapObject("the-end"))
	list := c.must(200, "GET", mapsPath, nil)
	want := map[string]string{}
	for _, item := range tree.List(list, "items") {
		want[tree.Name(item.(map[string]any))] = tree.Text(item, "metadata", "resourceVersion")
	}
	for i, f := range followers {
		for done := false; !done; {
			e := f.watch.next()
			switch done = revision(e.obj) == revision(end); e.typ {
			case "DELETED":
				delete(f.state, tree.Name(e.obj))
			default:
				f.state[tree.Name(e.obj)] = revision(e.obj)
			}
		}
		if fmt.Sprint(f.state) != fmt.Sprint(want) {
			t.Errorf("follower %d:\n got %v\nwant %v", i, f.state, want)
		}
	}
}

// TestBookmarks come in order with the events, and say no less than has been sent.
func TestBookmarks(t *testing.T) {
	c := startBookmarking(t, "https")
	watch := c.watch(t, mapsPath+"?watch=1&allowWatchBookmarks=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
	without := c.watch(t, mapsPath+"?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name=last")
	other := c.watch(t, mapsPath+"?watch=1&allowWatchBookmarks=1&resourceVersion="+revision(c.must(200, "GET", mapsPath, nil))+"&fieldSelector=metadata.name%3Dnone")
	var all sync.WaitGroup
	var end int64
	all.Go(func() {
		for i := range 200 {
			c.try("POST", mapsPath, mapObject("o-"+itoa(i)))
			c.try("POST", spacesPath+"/kube-system/secrets", map[string]any{"kind": "Secret", "apiVersion": "v1", "metadata": map[string]any{"name": "s-" + itoa(i)}})
		}
		_, last := c.try("POST", mapsPath, mapObject("last"))
		end, _ = strconv.ParseInt(revision(last), 10, 64)
	})
	var last int64
	marks := 0
	for name := ""; name != "last"; {
		e := watch.next()
		if e.typ == "BOOKMARK" {
			if marks++; e.revision() < last {
				t.Errorf("a bookmark of %d after %d", e.revision(), last)
			}
			if m := tree.Object(e.obj, "metadata"); len(e.obj) != 3 || len(m) != 1 {
				t.Errorf("a bookmark: %v", e.obj)
			}
		} else if name = tree.Name(e.obj); e.revision() <= last {
			t.Errorf("revision %d after %d", e.revision(), last)
		}
		last = max(last, e.revision())
	}
	all.Wait()
	if marks == 0 {
		t.Error("no bookmark")
	}
	if e := without.next(); tree.Name(e.obj) != "last" {
		t.Errorf("who asked for no bookmarks got %v", e)
	}
	// A watch that selects nothing gets on by bookmarks alone.
	for {
		e := other.next()
		if e.typ != "BOOKMARK" {
			t.Fatalf("got %v", e)
		}
		if e.revision() >= end {
			break
		}
	}
}

// startBookmarking is startClients with a bookmark every few milliseconds.
func startBookmarking(t *testing.T, kind string) *clients {
	r := startProgram(t, func(s *Server) { s.program.api.Config.Bookmarks = 3 * time.Millisecond })
	return &clients{r, kind, r.client(kind)}
}

// TestWatchTimeout: it ends in order at its time, with a bookmark two seconds before, and
// events until the end.
func TestWatchTimeout(t *testing.T) {
	t.Parallel()
	c := startClients(t, "http")
	begun := time.Now()
	watch := c.watch(t, mapsPath+"?watch=1&timeoutSeconds=3&allowWatchBookmarks=1&resourceVersion="+revision(c.must(200, "GET", mapsPath, nil)))
	if e := watch.next(); e.typ != "BOOKMARK" {
		t.Errorf("got %v, want a bookmark", e)
	}
	c.must(201, "POST", mapsPath, mapObject("late"))
	if e := watch.next(); tree.Name(e.obj) != "late" {
		t.Errorf("got %v, want what came after the bookmark", e)
	}
	watch.ended()
	if took := time.Since(begun); took < 3*time.Second {
		t.Errorf("ended after %v", took)
	}
}

// TestWatchExpired: what is before the window, or falls out of it, is a 410 in the stream.
func TestWatchExpired(t *testing.T) {
	c := startClients(t, "http", "--watch-window-events=10")
	first := revision(c.must(200, "GET", mapsPath, nil))
	for i := range 30 {
		c.must(201, "POST", mapsPath, mapObject("o-"+itoa(i)))
	}
	for _, rev := range []string{"1", first} {
		watch := c.watch(t, mapsPath+"?watch=1&resourceVersion="+rev)
		if e := watch.next(); e.typ != "ERROR" || e.obj["reason"] != "Expired" || e.obj["code"] != int64(410) || !strings.HasPrefix(tree.Text(e.obj, "message"), "too old resource version: "+rev+" (") {
			t.Errorf("from %s: %v", rev, e)
		}
		watch.ended()
	}
	page := c.must(200, "GET", mapsPath+"?limit=5", nil)
	for i := range 30 {
		c.must(200, "DELETE", mapsPath+"/o-"+itoa(i), nil)
	}
	gone := c.must(410, "GET", mapsPath+"?limit=5&continue="+tree.Text(page, "metadata", "continue"), nil)
	rest := c.must(200, "GET", mapsPath+"?limit=5&continue="+tree.Text(gone, "metadata", "continue"), nil)
	if len(tree.List(rest, "items")) > 5 {
		t.Errorf("%v", rest)
	}
	c.must(410, "GET", mapsPath+"?resourceVersionMatch=Exact&resourceVersion="+first, nil)
	// The beginning of the window is where the server became ready.
	fresh := startClients(t, "http")
	watch := fresh.watch(t, mapsPath+"?watch=1&resourceVersion=1")
	if e := watch.next(); e.typ != "ERROR" {
		t.Errorf("from 1: %v", e)
	}
}

// stuckWatch begins a watch whose client takes nothing more after the header.
func (c *clients) stuckWatch(t *testing.T, path string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	conn, err := d.Dial("tcp", strings.TrimPrefix(c.url("http", ""), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	return conn
}

// untilCut looks at two watches until there is one, and says what was wrong.
func (c *clients) untilCut() string {
	sawStuck := false
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(15 * time.Second); ; <-tick.C {
		rows := c.watchTable.list()
		if len(rows) < 2 {
			break
		}
		for _, w := range rows {
			sawStuck = sawStuck || w.State == "stuck" && w.Lag > 0
		}
		if time.Now().After(deadline) {
			return "the slow watch is not cut"
		}
	}
	if !sawStuck {
		return "never seen as stuck"
	}
	return ""
}

// TestSlowWatch: who takes nothing is shown as stuck and cut in time, in HTTP/1 and in one
// stream of HTTP/2, while others go on; it comes back and misses nothing.
func TestSlowWatch(t *testing.T) {
	for _, kind := range []string{"http", "h2"} {
		t.Run(kind, func(t *testing.T) {
			c := startClients(t, kind, "--watch-slow-timeout=400ms", "--write-progress-timeout=1h", "--listen-admin=127.0.0.1:0")
			rev := revision(c.must(200, "GET", mapsPath, nil))
			path := mapsPath + "?watch=1&resourceVersion=" + rev
			brisk := c.watch(t, path)
			var stuck *watchClient
			if kind == "http" {
				c.stuckWatch(t, path)
			} else {
				stuck = c.watch(t, path)
			}
			c.soon("two watches", func() bool { return len(c.watchTable.list()) == 2 })
			const n = 40
			big := mapObject("")
			big["data"] = map[string]any{"x": strings.Repeat("x", 300_000)}
			done, cut := make(chan struct{}), make(chan string, 1)
			go func() { cut <- c.untilCut() }()
			go func() {
				defer close(done)
				for i := range n {
					tree.Metadata(big)["name"] = "o-" + itoa(i)
					c.try("POST", mapsPath, big)
				}
			}()
			for i := range n {
				if e := brisk.next(); tree.Name(e.obj) != "o-"+itoa(i) {
					t.Fatalf("event %d: %v", i, tree.Name(e.obj))
				}
			}
			await(t, "the writer", done)
			if got := await(t, "the cut", cut); got != "" {
				t.Error(got)
			}
			if stuck != nil { // what was sent is whole, and the rest comes to who asks
				last, got := rev, 0
				for {
					e, ok := stuck.take()
					if !ok {
						break
					}
					last, got = revision(e.obj), got+1
				}
				if stuck.err == nil {
					t.Error("the end of a watch that was cut looks orderly")
				}
				again := c.watch(t, mapsPath+"?watch=1&resourceVersion="+last)
				for ; got < n; got++ {
					if e := again.next(); tree.Name(e.obj) != "o-"+itoa(got) {
						t.Fatalf("event %d: %v", got, tree.Name(e.obj))
					}
				}
			}
			c.must(201, "POST", mapsPath, mapObject("after"))
			if e := brisk.next(); tree.Name(e.obj) != "after" {
				t.Errorf("the brisk watch: %v", e)
			}
		})
	}
}

// TestWatchesAtStop: with a grace period watches end in order before the listeners close,
// and nothing of them is left.
func TestWatchesAtStop(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, kind := range []string{"http", "h2"} {
		c := startClients(t, kind, "--shutdown-watch-termination-grace-period=5s")
		rev := revision(c.must(200, "GET", mapsPath, nil))
		var watches []*watchClient
		for range 20 {
			watches = append(watches, c.watch(t, mapsPath+"?watch=1&resourceVersion="+rev))
		}
		c.must(201, "POST", mapsPath, mapObject("x"))
		for _, w := range watches {
			if e := w.next(); tree.Name(e.obj) != "x" {
				t.Errorf("%v", e)
			}
		}
		begun := time.Now()
		code := make(chan int, 1)
		go func() { code <- c.stop() }()
		for _, w := range watches {
			w.ended()
		}
		if got := await(t, "the exit", code); got != exitDrained {
			t.Errorf("exit code %d:\n%s", got, c.err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the stop took %v", took)
		}
		if n := len(c.watchTable.list()); n > 0 {
			t.Errorf("%d watches are listed after the stop", n)
		}
		c.c.CloseIdleConnections()
	}
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// TestWatchRows: the admin page follows a watch, and forgets it when its client has gone.
func TestWatchRows(t *testing.T) {
	c := startClients(t, "https")
	rev := revision(c.must(200, "GET", mapsPath, nil))
	watch := c.watch(t, mapsPath+"?watch=1&labelSelector=a%3Db&resourceVersion="+rev)
	c.must(201, "POST", mapsPath, mapObject("x", map[string]any{"labels": map[string]any{"a": "b"}}))
	other := c.must(201, "POST", mapsPath, mapObject("y"))
	watch.next()
	c.soon("the row has come to the last event", func() bool {
		rows := c.watchTable.list()
		return len(rows) == 1 && strconv.FormatInt(rows[0].SentRevision, 10) == revision(other) && rows[0].Lag == 0
	})
	row := c.watchTable.list()[0]
	if row.User != "admin" || row.Resource != "configmaps" || row.Namespace != "default" || row.Selector != "labelSelector=a=b" || row.Events != 1 || row.State != "live" || row.Listener != "https" || row.CurrentRevision != row.SentRevision {
		b, _ := json.Marshal(row)
		t.Errorf("%s", b)
	}
	watch.cancel()
	c.soon("the row has gone", func() bool { return len(c.watchTable.list()) == 0 })
}
