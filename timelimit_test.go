package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"apichain/internal/status"
)

// inProtocol sends one request of admin through a chain as HTTP/1.1 or HTTP/2, without
// a connection. aborted says that the answer was broken off.
func (p *program) inProtocol(listener string, major int, method, target string, body io.Reader) (w *httptest.ResponseRecorder, aborted bool) {
	r := httptest.NewRequest(method, target, body)
	r.Host, r.ProtoMajor, r.ProtoMinor = "localhost", major, 2-major
	r.Header.Set("Authorization", "Bearer admin-token")
	w = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				panic(v)
			}
			aborted = true
		}
	}()
	p.chain(listener).ServeHTTP(w, r)
	return w, false
}

// everyChain runs f for each listener in each protocol, in fake time. Handlers are
// registered by f before it sends anything.
func everyChain(t *testing.T, f func(t *testing.T, p *program, listener string, major int), args ...string) {
	for _, listener := range []string{"http", "https"} {
		for _, major := range []int{1, 2} {
			t.Run(fmt.Sprint(listener, ", HTTP/", major), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newTestProgram(t, append([]string{"--token-auth-file=testdata/tokens.csv"}, args...)...)
					p.owned.Go(func() { p.checkProgress(p.background) })
					f(t, p, listener, major)
					p.endBackground()
					p.owned.Wait()
				})
			})
		}
	}
}

// TestDeadlines: what ?timeout= asks for and what it gets, to the nanosecond.
func TestDeadlines(t *testing.T) {
	const limit = 60 * time.Second
	everyChain(t, func(t *testing.T, p *program, listener string, major int) {
		var shown time.Duration
		_ = p.outermost.Handle("/wait", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at, ok := r.Context().Deadline()
			if shown = time.Until(at); !ok {
				t.Error("a request without a deadline")
			}
			<-r.Context().Done()
			if err := r.Context().Err(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the context ended with %v", err)
			}
		}))
		for query, want := range map[string]time.Duration{
			"": limit, "timeout": limit, "timeout=": limit, "timeout=0": limit, "timeout=0s": limit, "timeout=-0s": limit, "timeout=-1ns": limit, "timeout=-1h": limit,
			"timeout=60s": limit, "timeout=60.000000001s": limit, "timeout=1h": limit, "timeout=2562047h47m16.854775807s": limit,
			"timeout=59.999999999s": limit - 1, "timeout=1ns": 1, "timeout=1us": time.Microsecond, "timeout=1%C2%B5s": time.Microsecond, "timeout=10ms": 10 * time.Millisecond, "timeout=1.5s": 1500 * time.Millisecond,
			"timeout=4.9s": 4900 * time.Millisecond, "timeout=5s": 5 * time.Second, "timeout=5.1s": 5100 * time.Millisecond, "timeout=0m7s": 7 * time.Second, "timeout=%2B3s": 3 * time.Second,
			"a=b&timeout=2s": 2 * time.Second, "timeo%75t=2s": 2 * time.Second, "timeout=3s&timeout=1s": 3 * time.Second, "timeout=&timeout=1s": limit,
			"timeout=1s;a=b": limit, "timeout=%zz": limit, "Timeout=1s": limit, "xtimeout=1s": limit, "timeoutSeconds=1": limit, "a=timeout=1s": limit,
		} {
			begun := time.Now()
			w, aborted := p.inProtocol(listener, major, "GET", "/wait?"+query, nil)
			if took := time.Since(begun); took != want || shown != want || w.Code != 504 || aborted {
				t.Errorf("?%s: %d after %v, the handler was shown %v; want 504 after %v", query, w.Code, took, shown, want)
			}
		}
		for query, want := range map[string]string{
			"timeout=abc": `invalid duration \"abc\"`, "timeout=5": `missing unit in duration \"5\"`, "timeout=-5": `missing unit in duration \"-5\"`, "timeout=1+s": `unknown unit \" s\" in duration \"1 s\"`,
			"timeout=1x": `unknown unit \"x\" in duration \"1x\"`, "timeout=.": `invalid duration \".\"`, "timeout=1e3s": `unknown unit \"e\" in duration \"1e3s\"`, "timeout=%D9%A3s": "invalid duration", "timeout=9223372036854775808ns": "invalid duration",
			"timeout=%00": `invalid duration \"\\x00\"`, "timeout=%0aforged": `invalid duration \"\\x0aforged\"`, "timeout=x&timeout=1s": `invalid duration \"x\"`, "timeout=%3Cb%3E": `invalid duration \"\u003cb\u003e\"`,
		} {
			shown = -1
			w, _ := p.inProtocol(listener, major, "GET", "/wait?"+query, nil)
			prefix := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"invalid timeout specified in the request URL - time: `
			if body := w.Body.String(); w.Code != 400 || !strings.HasPrefix(body, prefix+want) || !strings.HasSuffix(body, `,"reason":"BadRequest","code":400}`+"\n") || shown != -1 {
				t.Errorf("?%s: got %d %s, want 400 with %s", query, w.Code, body, want)
			}
		}
	})
}

// TestLimitMeetsHandler: what the time limit makes of an answer depends on what the
// handler has done by then, and on nothing it does later.
func TestLimitMeetsHandler(t *testing.T) {
	const limit = time.Minute
	for _, c := range []struct {
		name    string
		path    string
		handle  func(w http.ResponseWriter, r *http.Request)
		code    int
		body    string // "" is not looked at
		header  string // a name that must not be there
		aborted bool
		after   time.Duration
	}{
		{name: "in time", code: 200, body: "ok", after: limit - 1, handle: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(limit - 1)
			io.WriteString(w, "ok")
		}},
		{name: "a moment late", code: 504, header: "X-Late", after: limit + 1, handle: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(limit + 1)
			w.Header().Set("X-Late", "1")
			w.WriteHeader(200)
			if n, err := io.WriteString(w, "late"); n != 0 || !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("a late write: %d %v", n, err)
			}
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("a late flush: %v", err)
			}
			if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("a late hijack: %v", err)
			}
		}},
		{name: "with its context, silent", code: 504, after: limit, handle: func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{name: "with its context, and an error", code: 504, header: "X-Err", after: limit, handle: func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.Header().Set("X-Err", "1")
			status.Write(w, r, r.Context().Err())
		}},
		{name: "header set, not sent", code: 504, header: "X-Set", after: limit, handle: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Set", "1")
			<-r.Context().Done()
		}},
		{name: "header sent", code: 202, aborted: true, after: limit + 1, handle: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(202)
			time.Sleep(limit + 1)
		}},
		{name: "half a body", code: 200, body: "half", aborted: true, after: limit + 1, handle: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			time.Sleep(limit + 1)
			if _, err := io.WriteString(w, "late"); !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("a write behind the limit: %v", err)
			}
		}},
		{name: "all written, slow to return", code: 200, body: "all", aborted: true, after: limit + time.Second, handle: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "all")
			time.Sleep(limit + time.Second)
		}},
		{name: "panics late", code: 504, after: limit + time.Second, handle: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(limit + time.Second)
			panic("too late")
		}},
		{name: "aborts late", code: 504, after: limit + time.Second, handle: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(limit + time.Second)
			panic(http.ErrAbortHandler)
		}},
		{name: "a watch", path: "/apis/example.com/v1/things?watch=1&timeout=1s", code: 200, body: "event", after: 10 * limit, handle: func(w http.ResponseWriter, r *http.Request) {
			// Its context ends between once and twice --min-request-timeout after it came, and at no
			// limit of its request.
			if at, ok := r.Context().Deadline(); !ok || time.Until(at) <= 30*time.Minute-time.Second || time.Until(at) > time.Hour {
				t.Errorf("a watch has the deadline %v (%v)", at, ok)
			}
			time.Sleep(10 * limit)
			io.WriteString(w, "event")
		}},
		{name: "a wrong ?timeout= of a watch", path: "/apis/example.com/v1/things?watch=1&timeout=x", code: 200, handle: func(http.ResponseWriter, *http.Request) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyChain(t, func(t *testing.T, p *program, listener string, major int) {
				_ = p.outermost.HandlePrefix("/", http.HandlerFunc(c.handle))
				path := c.path
				if path == "" {
					path = "/x"
				}
				type outcome struct {
					w       *httptest.ResponseRecorder
					aborted bool
				}
				done := make(chan outcome, 1)
				begun := time.Now()
				go func() {
					w, aborted := p.inProtocol(listener, major, "GET", path, nil)
					done <- outcome{w, aborted}
				}()
				o := <-done
				answered := time.Since(begun)
				want := c.after
				if major == 2 && c.code == 504 || major == 2 && c.aborted {
					want = min(want, limit) // the stream ends although its handler goes on
				}
				if answered != want || o.aborted != c.aborted {
					t.Errorf("over after %v, broken off %v; want %v and %v", answered, o.aborted, want, c.aborted)
				}
				time.Sleep(c.after + time.Minute) // whatever comes too late has come now
				if !c.aborted && (o.w.Code != c.code || c.body != "" && o.w.Body.String() != c.body) {
					t.Errorf("got %d %q, want %d %q", o.w.Code, o.w.Body, c.code, c.body)
				}
				if c.code == 504 && (!strings.HasSuffix(o.w.Body.String(), `"reason":"Timeout","details":{},"code":504}`+"\n") || o.w.Header().Get("Audit-Id") == "" || o.w.Header().Get("Cache-Control") != cacheControlValue) {
					t.Errorf("504: %v %q", o.w.Header(), o.w.Body)
				}
				if c.header != "" && o.w.Header().Get(c.header) != "" {
					t.Errorf("the answer has %s of a handler that was too late", c.header)
				}
				if n := p.chain(listener).abandoned.Load(); n != 0 {
					t.Errorf("%d handlers are counted as abandoned at the end", n)
				}
				if n := p.requests.count(); n != 0 {
					t.Errorf("%d requests are still waited for", n)
				}
			})
		})
	}
}

// TestTimeLimitWhileUploading: a client that still sends its body when the limit answers,
// and the handler returns without having read it, gets the whole answer.
func TestTimeLimitWhileUploading(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/ignores", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	})
	for _, kind := range []string{"http", "https"} {
		for range 5 {
			c := r.dial(kind)
			if _, err := io.WriteString(c, "POST /ignores?timeout=50ms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\nContent-Length: 1048576\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			go func() { // ends with the connection, whoever closes it
				piece := make([]byte, 16<<10)
				for range 64 {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
			}()
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusGatewayTimeout || !strings.HasSuffix(string(b), "504}\n") {
				t.Errorf("%s: %d %q %v", kind, resp.StatusCode, b, err)
			}
			c.Close()
		}
	}
}

// TestAbandonedHandler: a handler that goes on behind its 504 is counted until it
// returns, keeps its place in flight, and does not hold a stop.
func TestAbandonedHandler(t *testing.T) {
	everyChain(t, func(t *testing.T, p *program, listener string, major int) {
		c := p.chain(listener)
		release := make(chan struct{})
		_ = p.outermost.Handle("/stuck", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		returned := make(chan int, 1)
		go func() {
			w, _ := p.inProtocol(listener, major, "GET", "/stuck?timeout=1s", nil)
			returned <- w.Code
		}()
		synctest.Wait()
		if n := c.abandoned.Load(); n != 0 || p.requests.count() != 1 {
			t.Errorf("within its time: %d abandoned, %d waited for; want 0 and 1", n, p.requests.count())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := c.abandoned.Load(); n != 1 || p.requests.count() != 0 || c.inFlight.readOnly.Load() != 1 {
			t.Errorf("behind its time: %d abandoned, %d waited for, %d places held; want 1, 0, 1", n, p.requests.count(), c.inFlight.readOnly.Load())
		}
		n := 0
		c.table.each(func(*exchange) { n++ })
		if n != 0 {
			t.Errorf("%d requests in flight, want none: its answer is out", n)
		}
		close(release)
		if code := <-returned; code != 504 {
			t.Errorf("got %d", code)
		}
		synctest.Wait()
		if n := c.abandoned.Load(); n != 0 || c.inFlight.readOnly.Load() != 0 {
			t.Errorf("at the end: %d abandoned, %d places held", n, c.inFlight.readOnly.Load())
		}
	})
}

// TestLatePanicIsCounted: it reaches nobody, but it is logged and counted.
func TestLatePanicIsCounted(t *testing.T) {
	for _, major := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			log := &lines{}
			p := newTestProgramLog(t, log, "--token-auth-file=testdata/tokens.csv")
			_ = p.outermost.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(2 * time.Second)
				panic("too late")
			}))
			if w, aborted := p.inProtocol("https", major, "GET", "/x?timeout=1s", nil); w.Code != 504 || aborted {
				t.Errorf("HTTP/%d: got %d, broken off %v", major, w.Code, aborted)
			}
			time.Sleep(time.Minute)
			if !log.has("too late") || !log.has("timelimit_test.go") {
				t.Errorf("HTTP/%d: the log does not tell of the panic:\n%s", major, log)
			}
			if n := p.metrics.postTimeout.Value(); n != 1 {
				t.Errorf("HTTP/%d: %v panics behind the limit, want 1", major, n)
			}
		})
	}
}

// TestHijackedHasNoLimit: who takes the connection answers for its time too.
func TestHijackedHasNoLimit(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/hijack", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return
			}
			defer c.Close()
			<-r.Context().Done() // the deadline of the request
			rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole")
			rw.Flush()
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				t.Error("hijacked twice")
			}
			w.WriteHeader(500)
		}))
	})
	for _, kind := range []string{"http", "https"} {
		conn := &rawConn{r.dial(kind), nil}
		conn.r = bufio.NewReader(conn)
		resp, body, err := conn.ask(t, "GET /hijack?timeout=30ms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n\r\n")
		if err != nil || resp.StatusCode != 200 || body != "whole" {
			t.Errorf("%s: got %v %q %v", kind, resp, body, err)
		}
		if rest, err := io.ReadAll(conn.r); len(rest) > 0 {
			t.Errorf("%s: behind the answer came %q %v", kind, rest, err)
		}
	}
}

// TestHintsAreNoAnswer: after a 1xx the time limit can still answer.
func TestHintsAreNoAnswer(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/hints", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
			<-r.Context().Done()
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		if got := r.get(kind, "/hints?timeout=20ms"); got.status != 504 || !strings.Contains(got.body, `"reason":"Timeout"`) {
			t.Errorf("got %d %q, want 504", got.status, got.body)
		}
	})
}

// TestStopMeetsNewWatch: a watch is among those that a stop ends before its context has a
// time. Whichever comes first, it ends, and the race detector has nothing to say.
func TestStopMeetsNewWatch(t *testing.T) {
	p := newTestProgram(t)
	limit := timeout(p).step
	wait := func(x *exchange) error {
		<-x.Done()
		return nil
	}
	for range 200 {
		x := newExchange(p.chain("https"), httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/pods?watch=1", nil))
		x.longRunning, x.info.Verb = true, "watch"
		if err := p.longRunning.admit(x); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			for _, x := range p.longRunning.list() {
				x.end(errStopping)
			}
		})
		both.Go(func() { _ = limit(x, wait) })
		both.Wait()
		if cause := context.Cause(x); !errors.Is(cause, errStopping) {
			t.Fatalf("it ended with %v", cause)
		}
		p.longRunning.leave(x)
	}
}
