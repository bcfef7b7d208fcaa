package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/store"
	"apichain/internal/tree"
)

// watchSink is the writer of a watch, and remembers when each line was written.
type watchSink struct {
	h     http.Header
	begun time.Time

	mu      sync.Mutex
	code    int
	lines   []string
	at      []time.Duration
	flushes int
	// gone fails what is written from now on; slow, unless nil, is waited for before each line.
	gone error
	slow chan struct{}
	// wrote, unless nil, is called after each line.
	wrote func()
}

func (w *watchSink) Header() http.Header  { return w.h }
func (w *watchSink) WriteHeader(code int) { w.code = code }

func (w *watchSink) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slow := w.slow; slow != nil {
		w.mu.Unlock()
		<-slow
		w.mu.Lock()
	}
	if w.gone != nil {
		return 0, w.gone
	}
	w.lines, w.at = append(w.lines, string(b)), append(w.at, time.Since(w.begun))
	if w.wrote != nil {
		w.wrote()
	}
	return len(b), nil
}

func (w *watchSink) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushes++
	return w.gone
}

// openWatch is a watch of a test that is under way, or has ended.
type openWatch struct {
	*watchSink
	t      testing.TB
	cancel context.CancelFunc
	// took is how long it took once ended is closed.
	ended chan struct{}
	took  time.Duration
}

// watch begins a watch, in a bubble of synctest.
func (s *readServer) watch(target string, header ...string) *openWatch {
	s.Helper()
	req, scope := s.request("GET "+target, "", header...)
	ctx, cancel := context.WithCancel(req.Context())
	w := &openWatch{watchSink: &watchSink{h: http.Header{}, begun: time.Now()}, t: s, cancel: cancel, ended: make(chan struct{})}
	go func() {
		s.resource(&scope.info).ServeHTTP(w, req.WithContext(ctx))
		w.took = time.Since(w.begun)
		close(w.ended)
	}()
	s.Cleanup(cancel)
	return w
}

// told waits until the watch is idle, or has ended, and returns what it has told so far, each
// event as its type, the name of its object and its revision behind that of the first argument.
func (w *openWatch) told(base int64) string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, line := range w.lines {
		e, _, err := tree.ParseJSONObject([]byte(line))
		if err != nil || !strings.HasSuffix(line, "}\n") || strings.Count(line, "\n") != 1 {
			w.t.Fatalf("a line of a watch (%v): %q", err, line)
		}
		var rev int64
		_, _ = fmt.Sscan(tree.Text(e, "object", "metadata", "resourceVersion"), &rev)
		text := tree.Text(e, "type") + " " + tree.Name(tree.Object(e, "object"))
		if tree.Text(e, "type") == "ERROR" {
			text += tree.Text(e, "object", "message")
		} else {
			text += fmt.Sprintf("+%d", rev-base)
		}
		if tree.At(e, "object", "metadata", "annotations", "k8s.io/initial-events-end") == "true" {
			text += " complete"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// hasEnded reports whether the watch is over, after it has had the time to.
func (w *openWatch) hasEnded() bool {
	synctest.Wait()
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// inBubble runs a test with a clock of its own, on a server with three config maps, of which
// other/c is in another namespace. base is the revision before them.
func inBubble(t *testing.T, window int, test func(t *testing.T, s *readServer, base int64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newReadServer(t, window)
		base := s.Store.Revision()
		s.addMaps(readMaps, "a", "b")
		s.addMaps("/api/v1/namespaces/other/configmaps", "c")
		test(t, s, base)
	})
}

// TestWatchBegins: with what a watch begins, for every way of asking for it. Two events follow.
func TestWatchBegins(t *testing.T) {
	const first, state, live = "ADDED a+1, ADDED b+2", "ADDED a+1, ADDED b+2, BOOKMARK +3 complete", "ADDED n+4, DELETED n+5"
	const on, off = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
	for _, c := range []struct{ query, want string }{
		{"", first + ", " + live},
		{"resourceVersion=0", first + ", " + live},
		{"resourceVersion=%d", live},
		{on, first + ", " + live},
		{on + "&resourceVersion=0", first + ", " + live},
		{on + "&resourceVersion=%d", first + ", " + live},
		{off, live},
		{off + "&resourceVersion=0", live},
		{off + "&resourceVersion=%d", live},
		// From a revision on, nothing is left out and nothing told again.
		{"resourceVersion=%d-2", "ADDED b+2, " + live},
		// Bookmarks are for who asks, and the state is complete only where there is one.
		{"allowWatchBookmarks=1", state + ", " + live},
		{"allowWatchBookmarks=1&resourceVersion=%d", live},
		{"allowWatchBookmarks=1&" + on, state + ", " + live},
		{"allowWatchBookmarks=1&" + off, live},
		// Parameters of lists mean nothing.
		{"limit=1", first + ", " + live},
		{"labelSelector=even", "ADDED a+1, ADDED n+4, DELETED n+5"},
		{"fieldSelector=metadata.name%%3Db", "ADDED b+2"},
	} {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			query := strings.Replace(c.query, "%d-2", fmt.Sprint(s.Store.Revision()-2), 1)
			query = strings.Replace(strings.Replace(query, "%d", fmt.Sprint(s.Store.Revision()), 1), "%%", "%", 1)
			w := s.watch(readMaps + "?watch=1&" + query)
			synctest.Wait()
			if w.code != 200 || w.h.Get("Content-Type") != "application/json" || w.flushes == 0 {
				t.Errorf("%s: %d %v, flushed %d times", c.query, w.code, w.h, w.flushes)
			}
			s.addMaps(readMaps, "n")
			s.must(200, "DELETE "+readMaps+"/n", "")
			if got := w.told(base); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.query, got, c.want)
			}
			if w.hasEnded() {
				t.Errorf("%s has ended", c.query)
			}
		})
	}
}

// TestWatchPlaces: which objects a path watches.
func TestWatchPlaces(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/configmaps?watch=1":                                                         "ADDED a+1, ADDED b+2, ADDED c+3",
		"/api/v1/watch/configmaps?":                                                          "ADDED a+1, ADDED b+2, ADDED c+3",
		"/api/v1/namespaces/other/configmaps?watch=1":                                        "ADDED c+3",
		"/api/v1/watch/namespaces/default/configmaps?":                                       "ADDED a+1, ADDED b+2",
		"/api/v1/watch/namespaces/default/configmaps/b?":                                     "ADDED b+2",
		"/api/v1/watch/namespaces/default/configmaps/b?fieldSelector=metadata.name%3Db":      "ADDED b+2",
		"/api/v1/watch/namespaces/default/configmaps/none?":                                  "",
		readMaps + "?watch=1&fieldSelector=metadata.name%3Db":                                "ADDED b+2",
		readMaps + "?watch=1&fieldSelector=metadata.name%3Db,metadata.namespace%3Dother":     "",
		readMaps + "?watch=1&labelSelector=n&fieldSelector=metadata.namespace%3Ddefault":     "ADDED a+1, ADDED b+2",
		readMaps + "?watch=1&labelSelector=n+notin+(1,2)&fieldSelector=metadata.name!%3Dnot": "ADDED a+1",
	} {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			if got := s.watch(path).told(base); got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
		})
	}
	s := newReadServer(t, 100)
	for _, selector := range []string{"metadata.name%3Da", "metadata.name!%3Db", "metadata.namespace%3Ddefault"} {
		got := s.refusal(s.ask("GET /api/v1/watch/namespaces/default/configmaps/b?fieldSelector="+selector, ""))
		if got != "400 BadRequest: fieldSelector metadata.name doesn't match requested name" {
			t.Errorf("%s: %s", selector, got)
		}
	}
}

// TestBookmarkTimes: a bookmark each minute and two seconds before the end, for who asks.
func TestBookmarkTimes(t *testing.T) {
	for _, c := range []struct {
		seconds string
		want    []time.Duration // of bookmarks
		end     time.Duration
	}{
		{"150", []time.Duration{60 * time.Second, 120 * time.Second, 148 * time.Second}, 150 * time.Second},
		{"62", []time.Duration{60 * time.Second}, 62 * time.Second}, // both fall together
		{"61", []time.Duration{59 * time.Second}, 61 * time.Second},
		{"3", []time.Duration{time.Second}, 3 * time.Second},
		// So short a watch is told at once.
		{"2", []time.Duration{0}, 2 * time.Second},
		{"1", []time.Duration{0}, time.Second},
	} {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			asked := s.watch(readMaps + "?watch=1&allowWatchBookmarks=1&timeoutSeconds=" + c.seconds + "&resourceVersion=" + fmt.Sprint(s.Store.Revision()))
			not := s.watch(readMaps + "?watch=1&timeoutSeconds=" + c.seconds + "&resourceVersion=" + fmt.Sprint(s.Store.Revision()))
			<-asked.ended
			<-not.ended
			if !slices.Equal(asked.at, c.want) || asked.took != c.end || not.took != c.end || len(not.lines) != 0 {
				t.Errorf("%s seconds: bookmarks at %v and the end at %v, want %v and %v; without: %v", c.seconds, asked.at, asked.took, c.want, c.end, not.lines)
			}
			if got := asked.told(base); strings.Trim(strings.ReplaceAll(got, "BOOKMARK +3", ""), ", ") != "" {
				t.Errorf("bookmarks %s", got)
			}
		})
	}
}

// TestBookmarksSayWhatIsSent: a bookmark has the newest revision of the store, of other
// resources too, and an event that comes while one is due comes before it.
func TestBookmarksSayWhatIsSent(t *testing.T) {
	inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
		w := s.watch(readMaps + "?watch=1&allowWatchBookmarks=1&fieldSelector=metadata.name%3Dx&resourceVersion=" + fmt.Sprint(s.Store.Revision()))
		time.Sleep(59 * time.Second)
		s.must(201, "POST /api/v1/namespaces/other/secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}`)
		time.Sleep(2 * time.Second)
		if got := w.told(base); got != "BOOKMARK +4" {
			t.Errorf("after another resource: %s", got)
		}
		// While the next one becomes due, the watch stands in the write of an event, and more come.
		time.Sleep(58 * time.Second)
		synctest.Wait()
		w.slow = make(chan struct{})
		s.addMaps(readMaps, "x")
		synctest.Wait()
		s.addMaps(readMaps, "y")
		time.Sleep(10 * time.Second)
		close(w.slow)
		if got := w.told(base); got != "BOOKMARK +4, ADDED x+5, BOOKMARK +6" {
			t.Errorf("after events: %s", got)
		}
	})
}

// TestWatchWithoutTimeout lasts 30 to 60 minutes, and no two of them the same.
func TestWatchWithoutTimeout(t *testing.T) {
	inBubble(t, 100, func(t *testing.T, s *readServer, _ int64) {
		var all []*openWatch
		for range 20 {
			all = append(all, s.watch(readMaps+"?watch=1"))
		}
		took := map[time.Duration]bool{}
		for _, w := range all {
			<-w.ended
			took[w.took] = true
			if w.took < 30*time.Minute || w.took >= time.Hour {
				t.Errorf("it took %v", w.took)
			}
		}
		if len(took) < 15 {
			t.Errorf("only %d of 20 took times of their own", len(took))
		}
	})
}

// TestWatchEnds: the ways in which it can end, and what was told by then.
func TestWatchEnds(t *testing.T) {
	t.Run("its client goes", func(t *testing.T) {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			w := s.watch(readMaps + "?watch=1&resourceVersion=" + fmt.Sprint(s.Store.Revision()))
			synctest.Wait()
			w.cancel()
			if !w.hasEnded() || w.took != 0 || len(w.lines) > 0 {
				t.Errorf("it took %v and told %v", w.took, w.lines)
			}
		})
	})
	t.Run("a write fails", func(t *testing.T) {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			w := s.watch(readMaps + "?watch=1")
			synctest.Wait()
			w.mu.Lock()
			w.gone = errors.New("gone")
			w.mu.Unlock()
			s.addMaps(readMaps, "n")
			if !w.hasEnded() || len(w.lines) != 2 {
				t.Errorf("ended: %t after %v", w.hasEnded(), w.lines)
			}
		})
	})
	t.Run("the first write fails", func(t *testing.T) {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			req, scope := s.request("GET "+readMaps+"?watch=1&allowWatchBookmarks=1", "")
			w := &watchSink{h: http.Header{}, gone: errors.New("gone")}
			s.resource(&scope.info).ServeHTTP(w, req)
			if len(w.lines) != 0 || w.flushes != 0 {
				t.Errorf("it told %v", w.lines)
			}
		})
	})
	t.Run("the request has a deadline", func(t *testing.T) {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			req, scope := s.request("GET "+readMaps+"?watch=1&allowWatchBookmarks=1&resourceVersion="+fmt.Sprint(s.Store.Revision()), "")
			ctx, cancel := context.WithTimeout(req.Context(), 10*time.Second)
			defer cancel()
			w := &watchSink{h: http.Header{}, begun: time.Now()}
			s.resource(&scope.info).ServeHTTP(w, req.WithContext(ctx))
			if took := time.Since(w.begun); took != 10*time.Second || !slices.Equal(w.at, []time.Duration{8 * time.Second}) {
				t.Errorf("it took %v with bookmarks at %v", took, w.at)
			}
		})
	})
	t.Run("it is never idle", func(t *testing.T) {
		inBubble(t, 100_000, func(t *testing.T, s *readServer, base int64) {
			req, scope := s.request("GET "+readMaps+"?watch=1&timeoutSeconds=5", "")
			w := &watchSink{h: http.Header{}, begun: time.Now()}
			// Before it has written an event, there is the next one.
			w.wrote = func() {
				time.Sleep(100 * time.Millisecond)
				s.must(200, "PATCH "+readMaps+"/a", fmt.Sprintf(`{"data":{"n":"%d"}}`, len(w.lines)))
				if len(w.lines) > 1000 {
					panic("it does not end")
				}
			}
			s.resource(&scope.info).ServeHTTP(w, req)
			if took := time.Since(w.begun); took < 5*time.Second || took > 6*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("the window", func(t *testing.T) {
		inBubble(t, 4, func(t *testing.T, s *readServer, base int64) {
			s.addMaps(readMaps, "d", "e", "f")
			w := s.watch(readMaps + "?watch=1&resourceVersion=2")
			if got, want := w.told(base), fmt.Sprintf("ERROR too old resource version: 2 (%d)", base+2); got != want || !w.hasEnded() || w.code != 200 {
				t.Errorf("%d %s, want %s", w.code, got, want)
			}
		})
	})
	t.Run("too slow", func(t *testing.T) {
		inBubble(t, 4, func(t *testing.T, s *readServer, base int64) {
			w := s.watch(readMaps + "?watch=1&resourceVersion=" + fmt.Sprint(s.Store.Revision()))
			synctest.Wait()
			w.slow = make(chan struct{})
			s.addMaps(readMaps, "d")
			synctest.Wait() // it stands in the write of d
			s.addMaps(readMaps, "e", "f", "g", "h", "i")
			close(w.slow)
			if got, want := w.told(base), fmt.Sprintf("ADDED d+4, ERROR too old resource version: %d (%d)", base+4, base+5); got != want || !w.hasEnded() {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	})
	t.Run("HEAD", func(t *testing.T) {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			req, scope := s.request("HEAD "+readMaps+"?watch=1", "")
			scope.info.Verb = "watch"
			w := &watchSink{h: http.Header{}}
			s.resource(&scope.info).ServeHTTP(w, req)
			if w.code != 200 || len(w.lines) != 0 {
				t.Errorf("%d %v", w.code, w.lines)
			}
		})
	})
}

// TestWatchOfChangedDefinition: the watches of a custom resource end in order when its
// definition changes, with all that came before; those of other resources go on.
func TestWatchOfChangedDefinition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newWidgetServer(t)
		base := s.Store.Revision()
		widget := func(name string) string {
			return `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"` + name + `"},"spec":{"size":3}}`
		}
		v1, old, maps := s.watch(readWidgets+"?watch=1"), s.watch(readOld+"?watch=1"), s.watch(readMaps+"?watch=1")
		synctest.Wait()
		s.must(201, "POST "+readWidgets, widget("w"))
		s.must(200, "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", `{"spec":{"names":{"shortNames":["wi"]}}}`)
		for _, w := range []*openWatch{v1, old} {
			if got := w.told(base); got != "ADDED w+1" || !w.hasEnded() || w.took != 0 {
				t.Errorf("%s, ended %t after %v", got, w.hasEnded(), w.took)
			}
		}
		if maps.hasEnded() {
			t.Error("the watch of another resource has ended")
		}
		// The next one is of the definition as it is now.
		again := s.watch(readWidgets + "?watch=1")
		s.must(201, "POST "+readWidgets, widget("x"))
		if got := again.told(base); got != fmt.Sprintf("ADDED w+1, ADDED x+%d", s.Store.Revision()-base) || again.hasEnded() {
			t.Errorf("the next watch: %s", got)
		}
	})
}

// TestWatchOfTheFuture: with state it waits for its revision like a list, and without it is told at
// once to list again, as nobody but another process can have said the revision. Both hear of it in
// the stream.
func TestWatchOfTheFuture(t *testing.T) {
	inBubble(t, 100, func(t *testing.T, s *readServer, _ int64) {
		base := s.Store.Revision()
		now := s.watch(fmt.Sprint(readMaps, "?watch=1&resourceVersion=", base))
		for _, query := range []string{"", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&"} {
			w := s.watch(fmt.Sprint(readMaps, "?watch=1&", query, "resourceVersion=", base+1))
			<-w.ended
			if got, want := w.told(base), fmt.Sprintf("ERROR Too large resource version: %d, current: %d", base+1, base); got != want || w.code != 200 || w.took != 0 {
				t.Errorf("%s: %d %s after %v, want %s", query, w.code, got, w.took, want)
			}
		}
		s.addMaps(readMaps, "d")
		if got := now.told(base); got != "ADDED d+1" {
			t.Errorf("of the newest revision: %s", got)
		}
		state := s.watch(fmt.Sprint(readMaps, "?watch=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&resourceVersion=", base+8))
		<-state.ended
		if got, want := state.told(base), fmt.Sprintf("ERROR Timeout: Too large resource version: %d, current: %d", base+8, base+1); got != want || state.took != 3*time.Second || state.code != 200 {
			t.Errorf("%d %s after %v, want %s", state.code, got, state.took, want)
		}
	})
}

// watchLog is an observer and a tap that notes what it is told.
type watchLog struct {
	mu    sync.Mutex
	notes []string
	watch *Watch
	// due ends the watch when so many objects were sent; 0: never.
	due, sent int
	// expires sends a 410 at the end.
	expires bool
}

func (l *watchLog) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, text)
}

func (l *watchLog) WatchBegins(ctx context.Context, w *Watch) {
	l.note(fmt.Sprintf("begins %s %s %q from %d", w.Resource, w.Namespace, w.Selector, w.Start))
	l.watch = w
	tap := Tap(l)
	w.Tap.Store(&tap)
}
func (l *watchLog) WatchEnds(w *Watch) { l.note(fmt.Sprint("ends in state ", w.State.Load())) }
func (l *watchLog) Due() bool          { return l.due > 0 && l.sent == l.due }
func (l *watchLog) Sent()              { l.sent++ }
func (l *watchLog) Ended() {
	l.note("tap")
	if l.expires {
		l.watch.Expire(l.watch.Sent.Load())
	}
}

// TestWatchObserved: the observer sees a watch from before its first line until it has ended,
// and then the tap is told.
func TestWatchObserved(t *testing.T) {
	inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
		log := &watchLog{}
		s.Config.Observer = log
		w := s.watch(readMaps + "?watch=1&timeoutSeconds=100&allowWatchBookmarks=1&labelSelector=n%3D0&fieldSelector=metadata.name!%3Dx")
		synctest.Wait()
		r := log.watch
		if r.State.Load() != WatchLive || r.Events.Load() != 2 || r.Bookmarks.Load() != 1 || r.Bytes.Load() != int64(len(strings.Join(w.lines, ""))) || r.Sent.Load() != base+3 || r.Lag() != 0 || r.Current() != base+3 {
			t.Errorf("state %d, %d events, %d bookmarks, %d bytes, sent %d", r.State.Load(), r.Events.Load(), r.Bookmarks.Load(), r.Bytes.Load(), r.Sent.Load())
		}
		if at := time.Unix(0, r.LastSend.Load()); !at.Equal(time.Now()) {
			t.Errorf("the last was sent at %v", at)
		}
		s.must(201, "POST /api/v1/namespaces/other/secrets", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}`)
		s.addMaps(readMaps, "x")
		synctest.Wait()
		if r.Events.Load() != 2 || r.Sent.Load() != base+5 {
			t.Errorf("after what it does not select: %d events, sent %d", r.Events.Load(), r.Sent.Load())
		}
		<-w.ended
		want := []string{fmt.Sprintf(`begins configmaps default "labelSelector=n=0&fieldSelector=metadata.name!=x" from %d`, base+3), "ends in state 2", "tap"}
		if !slices.Equal(log.notes, want) {
			t.Errorf("got  %q\nwant %q", log.notes, want)
		}
		// The name that the RequestInfo takes from a field selector is none of the path's.
		s.watch(readMaps + "?watch=1&fieldSelector=metadata.name%3Da")
		synctest.Wait()
		if got := log.watch.Selector; got != "fieldSelector=metadata.name=a" {
			t.Errorf("the selector of one name is %s", got)
		}
	})
}

// TestWatchOfPartials: who asks for a list of metadata gets events of single ones.
func TestWatchOfPartials(t *testing.T) {
	for _, accept := range []string{readPartial, readPartials} {
		inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
			w := s.watch(readMaps+"?watch=1&allowWatchBookmarks=1", "Accept", accept)
			if got := w.told(base); got != "ADDED a+1, ADDED b+2, BOOKMARK +3 complete" {
				t.Errorf("%s: %s", accept, got)
			}
			for _, line := range w.lines {
				if !strings.Contains(line, `"object":{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{`) {
					t.Errorf("%s: %s", accept, line)
				}
			}
		})
	}
}

// TestWatchTapped: a tap ends a watch in front of an object, in its initial state or later, and
// may say that it has expired. A bookmark is no object: it comes before the end of the second.
func TestWatchTapped(t *testing.T) {
	for due, c := range map[int]struct {
		want string
		sent int64 // the revision that the watch came to
	}{
		1: {"ADDED a+1", 3},
		2: {"ADDED a+1, ADDED b+2, BOOKMARK +3 complete", 4},
		3: {"ADDED a+1, ADDED b+2, BOOKMARK +3 complete, ADDED n+4", 5},
	} {
		for _, expires := range []bool{false, true} {
			inBubble(t, 100, func(t *testing.T, s *readServer, base int64) {
				s.Config.Observer = &watchLog{due: due, expires: expires}
				w := s.watch(readMaps + "?watch=1&allowWatchBookmarks=1")
				for _, name := range []string{"n", "o"} {
					synctest.Wait()
					s.addMaps(readMaps, name)
				}
				want := c.want
				if expires {
					want += fmt.Sprintf(", ERROR too old resource version: %d (%d)", base+c.sent, base+c.sent+1)
				}
				if got := w.told(base); got != want || !w.hasEnded() {
					t.Errorf("due after %d: %s, want %s; ended %t", due, got, want, w.hasEnded())
				}
			})
		}
	}
}

// TestWatchErrorLine: what a client reads when its revision is gone, to the byte.
func TestWatchErrorLine(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&store.Expired{Asked: 3, Oldest: 7}, "too old resource version: 3 (7)"},
		{fmt.Errorf("wrapped: %w", &store.Expired{Asked: 3, Oldest: 7}), "too old resource version: 3 (7)"},
		{errors.New("secret"), "too old resource version"},
	} {
		sink := &watchSink{h: http.Header{}}
		(&watcher{Call: &Call{w: sink}}).fail(c.err)
		want := `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + c.want + `","reason":"Expired","code":410}}` + "\n"
		if len(sink.lines) != 1 || sink.lines[0] != want || sink.flushes != 1 {
			t.Errorf("got %q, want %s", sink.lines, want)
		}
	}
}
