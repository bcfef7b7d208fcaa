package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"apichain/admin"
	"apichain/internal/request"
	"apichain/internal/status"
)

// ended are the requests that are kept, by audit ID.
func (p *program) ended() map[string]admin.FinishedRequest {
	out := map[string]admin.FinishedRequest{}
	for _, r := range (source{p}).Requests(false).Finished {
		out[r.AuditID] = r
	}
	return out
}

// awaitEnded is the request called id, once its books are closed: a client may have its
// answer, or be gone, before.
func (p *program) awaitEnded(t testing.TB, id string) admin.FinishedRequest {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		if r, ok := p.ended()[id]; ok {
			return r
		}
	}
	t.Fatalf("request %s has not ended after a minute", id)
	return admin.FinishedRequest{}
}

// checkTimes holds that all times add up to the duration within 5 %, and that the filters
// are those of the chain, in order.
func checkTimes(t testing.TB, p *program, r admin.FinishedRequest) {
	t.Helper()
	sum, last := r.QueueMs+r.HandlerMs+r.WebhooksMs+r.ConversionMs+r.ProxyMs+r.WriteMs, -1
	for _, f := range r.Filters {
		sum += float64(f.OwnNs) / 1e6
		at := p.chain(r.Listener).position(f.Name)
		if at <= last || f.OwnNs < 0 {
			t.Errorf("%s: filter %s (row %d after %d) took %d ns", r.AuditID, f.Name, at, last, f.OwnNs)
		}
		last = at
	}
	if r.DurationMs <= 0 || math.Abs(sum-r.DurationMs) > 0.05*r.DurationMs {
		t.Errorf("%s: times add up to %v ms of %v: queue %v, handler %v, write %v, filters %v", r.AuditID, sum, r.DurationMs, r.QueueMs, r.HandlerMs, r.WriteMs, r.Filters)
	}
	if r.HandlerMs < 0 || r.WriteMs < 0 {
		t.Errorf("%s: handler %v, write %v", r.AuditID, r.HandlerMs, r.WriteMs)
	}
	if n := len(r.Filters); n == 0 || r.EndedIn != "director" && r.EndedIn != "handler" && r.Filters[n-1].Name != r.EndedIn {
		t.Errorf("%s: ended in %s after filters %v", r.AuditID, r.EndedIn, r.Filters)
	}
}

// TestEndings: each way a request can end, on each listener in each protocol: what is
// said of it, and that its times add up.
func TestEndings(t *testing.T) {
	entered, release := make(chan string, 100), make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	r := startProgram(t, func(s *Server) {
		handle := func(path string, h http.HandlerFunc) { _ = s.Handle(path, h) }
		handle("/done", func(w http.ResponseWriter, r *http.Request) {
			spin(2 * time.Millisecond)
			io.WriteString(w, strings.Repeat("x", 100<<10))
		})
		handle("/fails", func(w http.ResponseWriter, r *http.Request) { status.Write(w, r, status.BadRequest("no")) })
		handle("/panics", func(http.ResponseWriter, *http.Request) { panic("secret-value") })
		handle("/panics-late", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic("secret-value")
		})
		handle("/aborts", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		handle("/stuck", func(http.ResponseWriter, *http.Request) { <-release })
		handle("/half", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-release
		})
		handle("/gone", func(w http.ResponseWriter, r *http.Request) {
			entered <- r.URL.RawQuery
			<-r.Context().Done()
		})
		handle("/hijack", func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				status.Write(w, r, status.BadRequest("cannot hijack"))
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			c.Close()
		})
		_ = s.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			entered <- "watch"
			<-r.Context().Done()
		}))
	})
	defer free()
	type want struct {
		path, ended, in, reason string
		status                  int
		header                  string
	}
	cases := []want{
		{"/done", "completed", "handler", "", 200, ""},
		{"/fails", "completed", "handler", "BadRequest", 400, ""},
		{"/nowhere", "completed", "director", "", 404, ""},
		{"/panics", "panicked", "handler", "InternalError", 500, ""},
		{"/panics-late", "panicked", "handler", "", 200, ""},
		{"/aborts", "cut", "handler", "", 0, ""},
		{"/stuck?timeout=30ms", "timed-out", "handler", "Timeout", 504, ""},
		{"/half?timeout=30ms", "timed-out", "handler", "", 200, ""},
		{"/done?timeout=x", "refused", "timeout", "BadRequest", 400, ""},
		{"/gone", "client-gone", "handler", "", 200, ""},
		{"/hijack", "completed", "handler", "", 0, ""},
		{"/done", "refused", "host-and-origin", "Forbidden", 403, "Origin: http://evil.example"},
		{"/done", "refused", "authentication", "Unauthorized", 401, "Authorization: Bearer nobody"},
		{"/done", "refused", "authorization", "Forbidden", 403, "Authorization: Bearer bob-token"},
		{"/apis/g.io/v1/things?watch=1", "client-gone", "handler", "", 200, ""},
	}
	matrix(t, func(t *testing.T, kind string) {
		secure := kind == "https" || kind == "h2"
		for i, c := range cases {
			if secure == (c.in == "host-and-origin") && c.header != "" {
				continue
			}
			id := fmt.Sprintf("%s-%d%s", kind, i, c.path)
			header := []string{"Audit-ID: " + id}
			if c.header != "" {
				header = append(header, c.header)
			}
			if c.in == "timeout" && secure {
				c.in = "deadline"
			}
			if c.path == "/hijack" && strings.HasPrefix(kind, "h2") {
				c.reason, c.status = "BadRequest", 400
			}
			client := r.client(kind)
			if c.ended == "client-gone" {
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					req, _ := http.NewRequest("GET", r.url(kind, c.path), nil)
					req.Header.Set("Authorization", "Bearer admin-token")
					req.Header.Set("Audit-ID", id)
					ctx, leave := context.WithCancel(context.Background())
					go func() { <-entered; leave() }()
					if resp, err := client.Do(req.WithContext(ctx)); err == nil {
						io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}()
				await(t, c.path, gone)
			} else {
				_, _ = r.send(client, kind, "GET", c.path, nil, header...)
			}
			got := r.awaitEnded(t, id)
			status := 0
			if got.Status != nil {
				status = *got.Status
			}
			if got.Ended != c.ended || got.EndedIn != c.in || got.Reason != c.reason || status != c.status {
				t.Errorf("%s: %s in %s, %d %q; want %s in %s, %d %q", id, got.Ended, got.EndedIn, status, got.Reason, c.ended, c.in, c.status, c.reason)
			}
			if c.path == "/done" && c.ended == "completed" && (got.HandlerMs < 2 || got.WriteMs <= 0 || got.WriteMs > got.DurationMs) {
				t.Errorf("%s: handler %v ms, write %v ms; want at least 2, and some", id, got.HandlerMs, got.WriteMs)
			}
			if panicked := strings.Join(got.Stack, "\n"); (c.ended == "panicked") != strings.Contains(panicked, "apichain.TestEndings.") || strings.Contains(panicked, "0x") {
				t.Errorf("%s: stack %q", id, got.Stack)
			}
			checkTimes(t, r.program, got)
		}
	})
	free()
}

// TestCutAtStop: what a stop breaks off is cut, a hijacked connection too; what ends when
// it is told to has completed.
func TestCutAtStop(t *testing.T) {
	entered, release := make(chan string, 3), make(chan struct{})
	r := startProgram(t, func(s *Server) {
		_ = s.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			entered <- r.URL.Path
			if strings.HasSuffix(r.URL.Path, "polite") {
				<-r.Context().Done()
				return
			}
			if strings.HasSuffix(r.URL.Path, "hijacked") {
				if _, _, err := w.(http.Hijacker).Hijack(); err != nil {
					t.Error(err)
				}
			}
			<-release
		}))
	})
	want := map[string]string{"stubborn": "cut", "hijacked": "cut", "polite": "completed"}
	var clients sync.WaitGroup
	for name := range want {
		c := r.client("http")
		clients.Go(func() {
			_, _ = r.send(c, "http", "GET", "/apis/g.io/v1/"+name+"?watch=1", nil, "Audit-ID: "+name)
		})
		await(t, name, entered)
	}
	r.signal <- syscall.SIGTERM
	clients.Wait() // cut
	close(release)
	r.wait()
	for name, ended := range want {
		if got := r.ended()[name]; got.Ended != ended {
			t.Errorf("%s: %q, want %q", name, got.Ended, ended)
		} else {
			checkTimes(t, r.program, got)
		}
	}
}

// TestWritesAreApart: time in a client that takes nothing is write time, though the write
// never returns.
func TestWritesAreApart(t *testing.T) {
	p := newTestProgram(t)
	_ = p.outermost.Handle("/w", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
	}))
	w := &slowSink{sink: sink{h: http.Header{}}}
	sendTo(p.chain("http"), w, "GET", "/w", "Audit-Id: slow")
	got := p.ended()["slow"]
	if got.WriteMs < 12 || got.HandlerMs > got.WriteMs {
		t.Errorf("write %v ms, handler %v ms; want at least 12, and less", got.WriteMs, got.HandlerMs)
	}
	checkTimes(t, p, got)

	x := &exchange{received: time.Now().Add(-time.Second), watchedBy: watchedBy{recording: &recording{}}, chain: &chain{}}
	x.writeBegins()
	if s := x.spent(0, endTimedOut, 3*time.Second); s.write < 1900*time.Millisecond || s.write > 2*time.Second {
		t.Errorf("a write under way since the first second counts as %v of 3s, want 2s", s.write)
	}
}

type slowSink struct{ sink }

func (s *slowSink) WriteString(b string) (int, error) {
	spin(2 * time.Millisecond)
	return s.sink.WriteString(b)
}

func (s *slowSink) Flush() { spin(2 * time.Millisecond) }

// spin takes time.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

// sendTo sends one request into a chain; header lines are "Name: value", with canonical names.
func sendTo(c *chain, w http.ResponseWriter, method, target string, header ...string) {
	r, err := http.NewRequest(method, "http://localhost"+target, nil)
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "192.0.2.1:1"
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header[name] = append(r.Header[name], value)
	}
	c.ServeHTTP(w, r)
}

// TestRingWraps: the newest are kept, newest first, and each is whole.
func TestRingWraps(t *testing.T) {
	p := newTestProgram(t, "--recent-requests=10")
	for i := range 25 {
		sendTo(p.chain("http"), &sink{h: http.Header{}}, "GET", "/"+strings.Repeat("p", i), fmt.Sprintf("Audit-Id: %d", i))
		got := (source{p}).Requests(false)
		if want := min(i+1, 10); len(got.Finished) != want || got.Capacity != 10 || !got.Recording {
			t.Fatalf("after %d: %d of %d are kept, recording %v", i+1, len(got.Finished), got.Capacity, got.Recording)
		}
		for j, r := range got.Finished {
			if r.AuditID != fmt.Sprint(i-j) || r.Path != "/"+strings.Repeat("p", i-j) || r.RemoteAddr != "192.0.2.1:1" || r.User != request.UserUnsecured {
				t.Fatalf("after %d, row %d: %+v", i+1, j, r)
			}
		}
	}
}

// TestRingConcurrently: requests and readers at once; every row is of one request.
func TestRingConcurrently(t *testing.T) {
	p := newTestProgram(t, "--recent-requests=4", "--slowest-per-route=2")
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("%d-%d", worker, i)
				sendTo(p.chain("http"), &sink{h: http.Header{}}, "GET", "/livez?timeout=60s&x="+name, "Audit-Id: "+name, "User-Agent: "+name)
			}
		})
		all.Go(func() {
			for range 50 {
				for _, slowest := range []bool{false, true} {
					for _, r := range (source{p}).Requests(slowest).Finished {
						if r.UserAgent != r.AuditID || r.Query != "timeout=60s&x=REDACTED" {
							t.Errorf("a mixed row: %+v", r)
						}
						checkTimes(t, p, r)
					}
				}
			}
		})
	}
	all.Wait()
}

// TestRowsOfFinishedRequests: every field, and what a row leaves out.
func TestRowsOfFinishedRequests(t *testing.T) {
	p := newTestProgram(t, "--token-auth-file=testdata/tokens.csv")
	sendTo(p.chain("https"), &sink{h: http.Header{}}, "GET", "/api/v1/namespaces/default/configmaps/a/?limit=5&token=hunter2&watch=0;x=hunter2",
		"Authorization: Bearer admin-token", "Impersonate-User: bob", "Impersonate-Group: dev", "Cookie: hunter2", "X-Secret: hunter2", "Audit-Id: one", "User-Agent: "+strings.Repeat("u", 300))
	sendTo(p.chain("https"), &sink{h: http.Header{}}, "PUT", "/apis/apps/v1/namespaces/n/deployments/d/scale", "Authorization: Bearer admin-token", "Audit-Id: two\xff")
	sendTo(p.chain("https"), &sink{h: http.Header{}}, "GET", "/"+strings.Repeat("é", 2000)+"?"+strings.Repeat("a=b&", 2000), "Authorization: Bearer admin-token", "Audit-Id: long")
	sendTo(p.chain("https"), &sink{h: http.Header{}}, "GET", "/a/../b", "Audit-Id: early")
	rows := p.ended()
	b, _ := json.Marshal(rows)
	if bytes.Contains(b, []byte("hunter2")) {
		t.Errorf("a secret is shown: %s", b)
	}
	one := rows["one"]
	for _, c := range []struct{ what, got, want string }{
		{"resource", one.Resource + " " + one.Verb + " " + one.Namespace + "/" + one.Name, "configmaps get default/a"},
		{"query", one.Query, "limit=5&token=REDACTED&watch=REDACTED"},
		{"user", one.User + " by " + one.ImpersonatedBy + fmt.Sprint(one.Groups), "bob by admin[dev system:authenticated]"},
		{"user agent", one.UserAgent, strings.Repeat("u", 256) + "…"},
		{"end", one.Ended + " in " + one.EndedIn + ": " + one.Reason, "refused in authorization: Forbidden"},
		{"server", fmt.Sprint(one.Server == nil, one.Route == nil), "true true"},
		{"subresource", rows["two\uFFFD"].Resource + " " + rows["two\uFFFD"].Verb, "deployments.apps/scale update"},
		{"path", rows["long"].Path, "/" + strings.Repeat("é", 1023) + "…"},
		{"early", rows["early"].Verb + rows["early"].User + rows["early"].EndedIn, "canonical-path"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	if n := len(rows["long"].Query); n > 2051 {
		t.Errorf("the query of a long request has %d bytes", n)
	}
	for _, r := range rows {
		checkTimes(t, p, r)
	}
}

// TestRecordingOwnsItsText: what a record keeps is a copy, cut, and its buffer is given up
// when one request has made it large.
func TestRecordingOwnsItsText(t *testing.T) {
	p := newTestProgram(t, "--recent-requests=1", "--token-auth-file=testdata/tokens.csv")
	header := []string{"Authorization: Bearer admin-token", "Impersonate-User: " + strings.Repeat("n", 3000)}
	for i := range 90 {
		header = append(header, fmt.Sprintf("Impersonate-Group: %0200d", i))
	}
	sendTo(p.chain("https"), &sink{h: http.Header{}}, "GET", "/livez", header...)
	k := &p.recent.slots[0]
	if len(k.text) > mostText+100 {
		t.Errorf("a record has %d bytes of text, want at most %d", len(k.text), mostText)
	}
	r := (source{p}).Requests(false).Finished[0]
	if n := len(r.Groups); n < 50 || r.Groups[n-1] != "…" || len(r.User) != 2048+len("…") {
		t.Errorf("%d groups, the last %q, of a user of %d bytes", n, r.Groups[n-1], len(r.User))
	}
	sendTo(p.chain("https"), &sink{h: http.Header{}}, "GET", "/livez", "Authorization: Bearer admin-token")
	if cap(k.text) > mostText {
		t.Errorf("the next one still has room for %d bytes", cap(k.text))
	}
}

// TestRecordingAllocates nothing: a request with recording has as many allocations as
// one without.
func TestRecordingAllocates(t *testing.T) {
	allocations := func(flag string) float64 {
		p := newTestProgram(t, flag, "--token-auth-file=testdata/tokens.csv")
		r, _ := http.NewRequest("GET", "https://localhost/livez/ping", nil)
		w := &sink{h: http.Header{}}
		token := []string{"Bearer admin-token"}
		send := func() {
			r.Header["Authorization"] = token
			clear(w.h)
			p.chain("https").ServeHTTP(w, r)
		}
		for range 20 { // until each slot has its buffers
			send()
		}
		return testing.AllocsPerRun(300, send)
	}
	if off, on := allocations("--recent-requests=0"), allocations("--recent-requests=10"); on > off {
		t.Errorf("%v allocations with recording, %v without", on, off)
	}
}

// TestRecordingOff: nothing is kept, timed or shown, and a row for streams has no times.
func TestRecordingOff(t *testing.T) {
	p := newTestProgram(t, "--recent-requests=0")
	var row admin.FinishedRequest
	_ = p.outermost.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeFrom(r.Context())
		if x.recording != nil {
			t.Error("a request has a recording")
		}
		var k record
		k.fill(x, endCompleted, time.Millisecond)
		row = k.shown()
	}))
	sendTo(p.chain("http"), &sink{h: http.Header{}}, "GET", "/x", "Audit-Id: a")
	for _, slowest := range []bool{false, true} {
		if got := (source{p}).Requests(slowest); got.Recording || got.Capacity != 0 || len(got.Finished) != 0 {
			t.Errorf("%+v", got)
		}
	}
	for _, c := range (source{p}).Chain() {
		for _, f := range c.Filters {
			if f.TimeNs != nil {
				t.Errorf("%s has a time", f.ID)
			}
		}
	}
	if row.AuditID != "a" || row.DurationMs != 1 || row.HandlerMs != 0 || len(row.Filters) != 0 || *row.Route != "aggregator:exact:*:/x" {
		t.Errorf("%+v", row)
	}
}

// TestSlowest: of each route those that took longest, by route, then slowest first;
// long-running requests and those that reached no route are not among them.
func TestSlowest(t *testing.T) {
	p := newTestProgram(t, "--slowest-per-route=2", "--recent-requests=3")
	r := &p.recent
	a, b := &route{server: "s", kind: kindExact, method: "*", pattern: "/a"}, &route{server: "s", kind: kindExact, method: "*", pattern: "/b"}
	end := func(t *route, ms int, longRunning bool, at int) {
		x := &exchange{chain: p.chain("http"), watchedBy: watchedBy{recording: &recording{}}, longRunning: longRunning, received: time.Now()}
		x.auditID[0], x.target.route = fmt.Sprint(ms), t
		x.user, x.acting = &request.User{}, nil
		x.acting = x.user
		x.at.Store(int32(at))
		r.add(x, endCompleted, time.Duration(ms)*time.Millisecond, false)
	}
	handler := len(p.chain("http").rows) + 1
	for _, ms := range []int{3, 9, 1, 7, 8, 2} {
		end(b, ms, false, handler)
	}
	end(a, 1, false, handler)
	end(a, 99, true, handler)
	end(a, 98, false, 3)
	end(nil, 97, false, handler)
	text := func() (s string) {
		for _, row := range (source{p}).Requests(true).Finished {
			s += *row.Route + "=" + row.AuditID + " "
		}
		return s
	}
	if got, want := text(), "s:exact:*:/a=1 s:exact:*:/b=9 s:exact:*:/b=8 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if least := b.slow.Load().least.Load(); least != int64(8*time.Millisecond) {
		t.Errorf("what a request must exceed is %v", time.Duration(least))
	}
	// However many routes there are, no more than the bound are kept: the one that has
	// had none for longest goes, and comes back when it has one.
	for i := range mostSlowRoutes {
		end(&route{server: "s", kind: kindExact, method: "*", pattern: fmt.Sprintf("/r/%d", i)}, 1, false, handler)
	}
	if n := len(r.routes); n != mostSlowRoutes {
		t.Errorf("%d routes are kept, want %d", n, mostSlowRoutes)
	}
	if got := text(); strings.Contains(got, "/b=") {
		t.Error("/b is still there")
	}
	end(b, 1, false, handler)
	if got := text(); !strings.Contains(got, "s:exact:*:/b=1 ") {
		t.Error("/b did not come back")
	}
	// A route that is registered anew goes on with what it had.
	end(&route{server: "s", kind: kindExact, method: "*", pattern: "/b"}, 5, false, handler)
	if got := text(); !strings.Contains(got, "s:exact:*:/b=5 s:exact:*:/b=1 ") {
		t.Error("/b lost what it had")
	}
	off := newTestProgram(t, "--slowest-per-route=0")
	sendTo(off.chain("http"), &sink{h: http.Header{}}, "GET", "/livez/ping")
	if got := (source{off}).Requests(true); len(got.Finished) != 0 {
		t.Errorf("with --slowest-per-route=0: %+v", got.Finished)
	}
}

// TestFilterTimes: the chain's page has a time of every filter that was entered, but for the
// brief ones, until one answers: that is its own time.
func TestFilterTimes(t *testing.T) {
	p := newTestProgram(t)
	shown := func() map[string]*admin.Percentiles {
		out := map[string]*admin.Percentiles{}
		for _, f := range (source{p}).Chain()[0].Filters {
			out[f.Name] = f.TimeNs
		}
		return out
	}
	if got := shown(); slices.ContainsFunc(slices.Collect(maps.Values(got)), func(p *admin.Percentiles) bool { return p != nil }) {
		t.Error("a time before any request")
	}
	for range sampleOf + 1 {
		sendTo(p.chain("http"), &sink{h: http.Header{}}, "GET", "/livez/ping")
	}
	got := shown()
	for _, name := range []string{"canonical-path", "request-info"} {
		if v := got[name]; v == nil || v.P50 <= 0 || v.P99 < v.P50 {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for _, name := range []string{"cors", "audit", "host-and-origin", "max-in-flight"} {
		if got[name] != nil {
			t.Errorf("%s is off or brief and has a time", name)
		}
	}
	sendTo(p.chain("http"), &sink{h: http.Header{}}, "GET", "/livez/ping", "Origin: http://evil.example")
	last := (source{p}).Requests(false).Finished[0]
	if n := len(last.Filters); last.EndedIn != "host-and-origin" || n != 2 || last.Filters[1].OwnNs <= 0 || float64(last.Filters[0].OwnNs+last.Filters[1].OwnNs)/1e6+last.WriteMs < 0.95*last.DurationMs {
		t.Errorf("refused by a brief filter: %+v", last)
	}
	n := p.chain("http").times[0].Count()
	if n != 3 { // the first and the last to reach a handler, and the one refused
		t.Errorf("%d of %d requests were sampled, want 3", n, sampleOf+2)
	}
}

// TestRecordingHasRoom: there is a mark for every place, and whoever makes a chain longer
// than that is told before the first request.
func TestRecordingHasRoom(t *testing.T) {
	p := newTestProgram(t)
	for listener, rows := range map[string][]row{"http": plainRows(p), "https": secureRows(p)} {
		if len(rows)+1 > mostPlaces {
			t.Errorf("%s: %d places and the director, room for %d", listener, len(rows), mostPlaces)
		}
	}
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "raise mostPlaces") {
			t.Error(said)
		}
	}()
	newChain(p, "http", make([]row, mostPlaces))
}

func TestRecentOptions(t *testing.T) {
	for args, want := range map[string]string{
		"--recent-requests=-1": "recent-requests", "--recent-requests=100001": "recent-requests",
		"--slowest-per-route=-1": "slowest-per-route", "--slowest-per-route=101": "slowest-per-route",
		"--recent-requests=0": "", "--recent-requests=100000": "", "--slowest-per-route=0": "",
	} {
		o, f := newOptions()
		wrong, err := o.parse(f, []string{args})
		if got := strings.Join(wrong, "\n"); err != nil || (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, %v", args, got, errors.Unwrap(err))
		}
	}
}

// TestExchangeSize: an exchange fits an allocation of 1,024 bytes with the eight that the
// runtime puts before what has pointers; the next size costs more than a filter does.
func TestExchangeSize(t *testing.T) {
	if size := reflect.TypeFor[exchange]().Size(); size > 1016 {
		t.Errorf("an exchange has %d bytes", size)
	}
}
