package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"apichain/internal/api/apitest"
	"apichain/internal/tree"
)

// TestWatchResumes: whoever comes back with the last revision it has seen misses no event
// and gets none twice, wherever it was cut off.
func TestWatchResumes(t *testing.T) {
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := startClients(t, kind)
			list := c.Must(200, "GET", mapsPath, nil)
			rev := revision(list)
			var all sync.WaitGroup
			const writers, rounds = 3, 40
			for w := range writers {
				all.Go(func() {
					for i := range rounds {
						path := mapsPath + "/o-" + itoa(w)
						c.Try("POST", mapsPath, mapObject("o-"+itoa(w)))
						c.Try("PATCH", path, `{"data":{"i":"`+itoa(i)+`"}}`)
						c.Try("DELETE", path, nil)
					}
				})
			}
			seen := map[string]string{} // the last state of each object
			count := map[string]int{}
			last, _ := strconv.ParseInt(rev, 10, 64)
			for total := 0; total < writers*rounds*3; {
				watch := c.Watch(t, mapsPath+"?watch=1&resourceVersion="+strconv.FormatInt(last, 10))
				for range 1 + rand.N(25) {
					e := watch.Next()
					name := tree.Name(e.Obj)
					if e.Revision() <= last {
						t.Fatalf("revision %d after %d", e.Revision(), last)
					}
					want := map[string][]string{"ADDED": {"", "DELETED"}, "MODIFIED": {"ADDED"}, "DELETED": {"MODIFIED"}}[e.Type]
					if seen[name] != want[0] && (len(want) < 2 || seen[name] != want[1]) {
						t.Fatalf("%s of %s after %s", e.Type, name, seen[name])
					}
					if e.Type == "MODIFIED" && tree.Text(e.Obj, "data", "i") != itoa(count[name]) {
						t.Fatalf("%s: write %s in place of %d", name, tree.Text(e.Obj, "data", "i"), count[name])
					} else if e.Type == "MODIFIED" {
						count[name]++
					}
					last, seen[name] = e.Revision(), e.Type
					if total++; total == writers*rounds*3 {
						break
					}
				}
				watch.Cancel() // in the middle of whatever comes
			}
			all.Wait()
		})
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
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
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
			rev := revision(c.Must(200, "GET", mapsPath, nil))
			path := mapsPath + "?watch=1&resourceVersion=" + rev
			brisk := c.Watch(t, path)
			var stuck *apitest.Watch
			if kind == "http" {
				c.stuckWatch(t, path)
			} else {
				stuck = c.Watch(t, path)
			}
			c.Soon("two watches", func() bool { return len(c.watchTable.list()) == 2 })
			const n = 40
			big := mapObject("")
			big["data"] = map[string]any{"x": strings.Repeat("x", 300_000)}
			done, cut := make(chan struct{}), make(chan string, 1)
			go func() { cut <- c.untilCut() }()
			go func() {
				defer close(done)
				for i := range n {
					tree.Metadata(big)["name"] = "o-" + itoa(i)
					c.Try("POST", mapsPath, big)
				}
			}()
			for i := range n {
				if e := brisk.Next(); tree.Name(e.Obj) != "o-"+itoa(i) {
					t.Fatalf("event %d: %v", i, tree.Name(e.Obj))
				}
			}
			await(t, "the writer", done)
			if got := await(t, "the cut", cut); got != "" {
				t.Error(got)
			}
			if stuck != nil { // what was sent is whole, and the rest comes to who asks
				last, got := rev, 0
				for {
					e, ok := stuck.Take()
					if !ok {
						break
					}
					last, got = revision(e.Obj), got+1
				}
				if stuck.Err == nil {
					t.Error("the end of a watch that was cut looks orderly")
				}
				again := c.Watch(t, mapsPath+"?watch=1&resourceVersion="+last)
				for ; got < n; got++ {
					if e := again.Next(); tree.Name(e.Obj) != "o-"+itoa(got) {
						t.Fatalf("event %d: %v", got, tree.Name(e.Obj))
					}
				}
			}
			c.Must(201, "POST", mapsPath, mapObject("after"))
			if e := brisk.Next(); tree.Name(e.Obj) != "after" {
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
		rev := revision(c.Must(200, "GET", mapsPath, nil))
		var watches []*apitest.Watch
		for range 20 {
			watches = append(watches, c.Watch(t, mapsPath+"?watch=1&resourceVersion="+rev))
		}
		c.Must(201, "POST", mapsPath, mapObject("x"))
		for _, w := range watches {
			if e := w.Next(); tree.Name(e.Obj) != "x" {
				t.Errorf("%v", e)
			}
		}
		begun := time.Now()
		code := make(chan int, 1)
		go func() { code <- c.stop() }()
		for _, w := range watches {
			w.Ended()
		}
		if got := await(t, "the exit", code); got != exitDrained {
			t.Errorf("exit code %d:\n%s", got, c.err)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("the stop took %v", took)
		}
		if n := len(c.watchTable.list()); n > 0 {
			t.Errorf("%d watches are listed after the stop", n)
		}
		c.c.CloseIdleConnections()
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+2; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// TestWatchRows: the admin page follows a watch, and forgets it when its client has gone.
func TestWatchRows(t *testing.T) {
	c := startClients(t, "https")
	rev := revision(c.Must(200, "GET", mapsPath, nil))
	watch := c.Watch(t, mapsPath+"?watch=1&labelSelector=a%3Db&resourceVersion="+rev)
	c.Must(201, "POST", mapsPath, mapObject("x", map[string]any{"labels": map[string]any{"a": "b"}}))
	other := c.Must(201, "POST", mapsPath, mapObject("y"))
	watch.Next()
	c.Soon("the row has come to the last event", func() bool {
		rows := c.watchTable.list()
		return len(rows) == 1 && strconv.FormatInt(rows[0].SentRevision, 10) == revision(other) && rows[0].Lag == 0
	})
	row := c.watchTable.list()[0]
	if row.User != "admin" || row.Resource != "configmaps" || row.Namespace != "default" || row.Selector != "labelSelector=a=b" || row.Events != 1 || row.State != "live" || row.Listener != "https" || row.CurrentRevision != row.SentRevision {
		b, _ := json.Marshal(row)
		t.Errorf("%s", b)
	}
	watch.Cancel()
	c.Soon("the row has gone", func() bool { return len(c.watchTable.list()) == 0 })
}
