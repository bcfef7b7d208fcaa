package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestAnswersAsNetHTTP: whatever a handler does with its writer, the client gets what it
// would get from net/http alone, in every protocol.
func TestAnswersAsNetHTTP(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 64<<10)
	handlers := map[string]http.HandlerFunc{
		"/nothing":    func(http.ResponseWriter, *http.Request) {},
		"/code":       func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) },
		"/code-twice": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202); w.WriteHeader(500) },
		"/write": func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("ab"))
			w.Write(nil)
			w.Write([]byte("c"))
		},
		"/string":     func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "abc") },
		"/code-later": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "abc"); w.WriteHeader(500) },
		"/header-later": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.Header().Set("X-A", "late")
			io.WriteString(w, "abc")
		},
		"/header": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-A"] = []string{"1", "2"}
			w.Header().Set("X-B", "")
		},
		"/header-gone": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-A", "1"); w.Header().Del("X-A") },
		"/big":         func(w http.ResponseWriter, r *http.Request) { io.Copy(w, strings.NewReader(big)) },
		"/length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "abc")
		},
		"/type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "<html>")
		},
		"/sniffed":      func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
		"/no-content":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) },
		"/not-modified": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Etag", `"x"`); w.WriteHeader(304) },
		"/error":        func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"/redirect":     func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"/flush-first":  func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "abc") },
		"/serve-content": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
		},
		"/body": func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d %v", len(b), err)
		},
		"/body-closed": func(w http.ResponseWriter, r *http.Request) {
			err := r.Body.Close()
			n, again := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err, " ", n, " ", again != nil)
		},
		"/body-limit": func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 10))
			var e *http.MaxBytesError
			fmt.Fprint(w, errors.As(err, &e))
		},
		"/form": func(w http.ResponseWriter, r *http.Request) { r.ParseForm(); fmt.Fprint(w, r.Form) },
		"/proto": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Proto, " ", r.Host != "", " ", r.RemoteAddr != "", " ", r.TLS != nil)
		},
	}
	bare := http.NewServeMux()
	r := startProgram(t, func(s *Server) {
		for path, h := range handlers {
			bare.Handle(path, h)
			_ = s.Handle(path, h)
		}
	})
	ours := []string{"Audit-Id", "Cache-Control", "Date"}
	matrix(t, func(t *testing.T, kind string) {
		reference := httptest.NewUnstartedServer(bare)
		reference.Config.Protocols = new(http.Protocols)
		reference.Config.Protocols.SetHTTP1(true)
		reference.Config.Protocols.SetUnencryptedHTTP2(kind == "h2c")
		reference.Config.Protocols.SetHTTP2(kind == "h2")
		reference.EnableHTTP2 = kind == "h2"
		reference.Config.ErrorLog = log.New(io.Discard, "", 0)
		theirs := r.client(kind)
		if kind == "https" || kind == "h2" {
			reference.StartTLS()
			theirs = reference.Client()
			theirs.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		} else {
			reference.Start()
		}
		defer reference.Close()
		client := r.client(kind)
		for path := range handlers {
			for _, q := range []struct {
				method, body string
				header       [2]string
			}{{"GET", "", [2]string{}}, {"HEAD", "", [2]string{}}, {"POST", "a=1&b=2", [2]string{"Content-Type", "application/x-www-form-urlencoded"}}, {"POST", strings.Repeat("x", 100_000), [2]string{}}, {"GET", "", [2]string{"Range", "bytes=2-4"}}} {
				ask := func(c *http.Client, url string) string {
					req, err := http.NewRequest(q.method, url+path, strings.NewReader(q.body))
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Authorization", "Bearer admin-token")
					if q.header[0] != "" {
						req.Header.Set(q.header[0], q.header[1])
					}
					resp, err := c.Do(req)
					if err != nil {
						return "no answer"
					}
					defer resp.Body.Close()
					b, err := io.ReadAll(resp.Body)
					for _, name := range ours {
						resp.Header.Del(name)
					}
					return fmt.Sprintf("%d %v length %d, body of %d %.40q %v", resp.StatusCode, resp.Header, resp.ContentLength, len(b), b, err)
				}
				got, want := ask(client, r.url(kind, "")), ask(theirs, reference.URL)
				if got != want {
					t.Errorf("%s %s %v:\n got %s\nwant %s", q.method, path, q.header, got, want)
				}
			}
		}
	})
}

// TestLeakedWriter: a handler that keeps its writer writes to nobody.
func TestLeakedWriter(t *testing.T) {
	leaked := make(chan http.ResponseWriter, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/leak", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "mine"); leaked <- w }))
		_ = s.Handle("/next", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			old := <-leaked
			old.Header().Set("X-Leaked", "1")
			old.WriteHeader(500)
			if n, err := io.WriteString(old, "leaked"); n != 0 || !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("a leaked writer wrote %d, %v", n, err)
			}
			if _, err := old.Write([]byte("leaked")); err == nil {
				t.Error("a leaked writer writes")
			}
			old.(http.Flusher).Flush()
			if _, _, err := old.(http.Hijacker).Hijack(); err == nil {
				t.Error("a leaked writer was hijacked")
			}
			io.WriteString(w, "next")
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		c := r.client(kind)
		for range 3 { // on one connection
			if got, err := r.send(c, kind, "GET", "/leak", nil); err != nil || got.body != "mine" {
				t.Errorf("got %q %v", got.body, err)
			}
			if got, err := r.send(c, kind, "GET", "/next", nil); err != nil || got.body != "next" || got.status != 200 || got.header.Get("X-Leaked") != "" {
				t.Errorf("got %d %q %v %v", got.status, got.body, got.header, err)
			}
		}
	})
}

// withFlush and withFlushError are writers that can flush in one way or the other.
type withFlush struct {
	http.ResponseWriter
	flushed *int
}

func (w withFlush) Flush() { *w.flushed++ }

type withFlushError struct {
	http.ResponseWriter
	err error
}

func (w withFlushError) FlushError() error { return w.err }

// bareWriter can do nothing but what it must.
type bareWriter struct{ http.ResponseWriter }

// TestOverOtherWriters: over a writer that cannot do something, ours says so, and the
// answer goes on.
func TestOverOtherWriters(t *testing.T) {
	p := newTestProgram(t)
	var flushed int
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		inner func(http.ResponseWriter) http.ResponseWriter
		want  error
	}{
		{"Flush", func(w http.ResponseWriter) http.ResponseWriter { return withFlush{w, &flushed} }, nil},
		{"FlushError", func(w http.ResponseWriter) http.ResponseWriter { return withFlushError{w, broken} }, broken},
		{"neither", func(w http.ResponseWriter) http.ResponseWriter { return bareWriter{w} }, http.ErrNotSupported},
	} {
		_ = p.outermost.Handle("/"+c.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s: Flush: %v, want %v", c.name, err, c.want)
			}
			w.(http.Flusher).Flush() // an error has nowhere to go
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("%s: Hijack: %v", c.name, err)
			}
			if err := http.NewResponseController(w).SetReadDeadline(time.Now()); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("%s: SetReadDeadline: %v", c.name, err)
			}
			io.WriteString(w, "goes on")
		}))
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/"+c.name, nil)
		r.Host = "localhost"
		p.chain("http").ServeHTTP(c.inner(w), r)
		if w.Code != 200 || w.Body.String() != "goes on" {
			t.Errorf("%s: got %d %q", c.name, w.Code, w.Body)
		}
	}
	if flushed != 2 {
		t.Errorf("flushed %d times, want 2", flushed)
	}
}

// TestContextOfRequest: it is net/http's with more: values, deadline, cause.
func TestContextOfRequest(t *testing.T) {
	type key struct{}
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/x", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			for when, look := range map[string]func(){"at first": func() {}, "when somebody waits": func() { ctx.Done() }} {
				look()
				if ctx.Value(http.ServerContextKey) == nil || ctx.Value(http.LocalAddrContextKey) == nil || ctx.Value(key{}) != nil {
					t.Errorf("%s: net/http's values are lost, or there are others", when)
				}
				if err := ctx.Err(); err != nil {
					t.Errorf("%s: Err %v", when, err)
				}
			}
			at, ok := ctx.Deadline()
			if left := time.Until(at); !ok || left <= 0 || left > time.Minute {
				t.Errorf("deadline in %v, %v", left, ok)
			}
			child := context.WithValue(ctx, key{}, "v")
			if UserFrom(child).Name == "" || RequestInfoFrom(child).Path != "/x" || child.Value(key{}) != "v" {
				t.Error("a derived context has lost the request")
			}
			clone := r.Clone(child)
			if UserFrom(clone.Context()) != UserFrom(ctx) {
				t.Error("a cloned request has another user")
			}
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		if got := r.get(kind, "/x"); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

// TestMultipartFilesGo: what a handler's form has put into files is removed with the request.
func TestMultipartFilesGo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	files := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	during := make(chan int, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/form", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseMultipartForm(1)
			during <- files()
			fmt.Fprint(w, err)
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		var body strings.Builder
		m := multipart.NewWriter(&body)
		part, _ := m.CreateFormFile("f", "f.bin")
		io.WriteString(part, strings.Repeat("x", 11<<20))
		m.Close()
		got, err := r.send(r.client(kind), kind, "POST", "/form", strings.NewReader(body.String()), "Content-Type: "+m.FormDataContentType())
		if err != nil || got.body != "<nil>" {
			t.Fatalf("got %q %v", got.body, err)
		}
		if n := <-during; n != 1 {
			t.Errorf("%d files while it is served, want 1", n)
		}
		r.quiet(t, func() bool { return files() == 0 }, "the file to go")
	})
}

// quiet waits for what follows a request's answer by a moment.
func (r *running) quiet(t *testing.T, done func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20s for %s", what)
		}
	}
}

// TestExpectContinue: a client that waits to be asked for its body is asked when the
// handler reads it, and is not when the request is refused.
func TestExpectContinue(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/read", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
		_ = s.Handle("/ignore", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	})
	for _, kind := range []string{"http", "https"} {
		for _, c := range []struct {
			path, auth string
			asked      bool
			code       int
		}{{"/read", "admin-token", true, 200}, {"/ignore", "admin-token", false, 200}, {"/a/../b", "admin-token", false, 400}, {"/read?timeout=x", "admin-token", false, 400}, {"/nowhere", "admin-token", false, 404}, {"/read", "wrong", false, 401}} {
			if kind == "http" && c.code == 401 {
				continue
			}
			conn := r.dial(kind)
			in := bufio.NewReader(conn)
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", c.path, c.auth)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s %s: %v", kind, c.path, err)
			}
			if asked := resp.StatusCode == 100; asked != c.asked {
				t.Errorf("%s %s: first %d, asked for the body: want %v", kind, c.path, resp.StatusCode, c.asked)
			}
			if resp.StatusCode == 100 {
				io.WriteString(conn, "body")
				if resp, err = http.ReadResponse(in, nil); err != nil {
					t.Fatal(err)
				}
				if b, _ := io.ReadAll(resp.Body); string(b) != "body" {
					t.Errorf("%s %s: got %q", kind, c.path, b)
				}
			}
			if resp.StatusCode != c.code {
				t.Errorf("%s %s: got %d, want %d", kind, c.path, resp.StatusCode, c.code)
			}
			conn.Close()
		}
	}
}

// TestHijackedConnectionsAreCounted: a hijacked connection is shown as such while it
// lives, does not hold a stop, and is forgotten when its owner closes it.
func TestHijackedConnectionsAreCounted(t *testing.T) {
	taken := make(chan net.Conn, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/hijack", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
			}
			taken <- c
		}))
	})
	hijacked := func() (n int) {
		for _, c := range r.conns.list() {
			if http.ConnState(c.state.Load()) == http.StateHijacked {
				n++
			}
		}
		return n
	}
	for _, kind := range []string{"http", "https"} {
		for range 3 {
			conn := r.dial(kind)
			io.WriteString(conn, "GET /hijack HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token\r\n\r\n")
			c := await(t, "the connection", taken)
			if n := hijacked(); n != 1 {
				t.Errorf("%s: %d hijacked connections are known, want the one", kind, n)
			}
			if err := c.Close(); err != nil {
				t.Errorf("%s: Close: %v", kind, err)
			}
			c.Close() // counted once
			if n := hijacked(); n != 0 {
				t.Errorf("%s: %d hijacked connections are known after they were closed", kind, n)
			}
		}
	}
	for _, l := range r.listeners {
		r.quiet(t, func() bool { return l.closed.Load() == l.accepted.Load() }, "the connections to be counted out")
	}
	// One that stays open does not hold the stop.
	conn := r.dial("http")
	io.WriteString(conn, "GET /hijack HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c := await(t, "the connection", taken)
	defer c.Close()
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}

// TestNoGoroutineIsLeft: whatever was served, a stopped program runs nothing any more.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := goroutines() // those of other tests are not ours to judge
	release := make(chan struct{})
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/stuck", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		_ = s.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("as asked") }))
		_ = s.Handle("/wait", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
			defer cancel()
			<-ctx.Done()
		}))
		_ = s.HandlePrefix("/apis/g.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	})
	matrix(t, func(t *testing.T, kind string) {
		for _, path := range []string{"/version", "/stuck?timeout=5ms", "/panic", "/wait?timeout=5ms", "/nowhere", "/a/../b"} {
			r.get(kind, path)
		}
		c := r.client(kind)
		go r.send(c, kind, "GET", "/apis/g.io/v1/things?watch=1", nil)
	})
	r.quiet(t, func() bool { return len(r.longRunning.list()) == len(clientKinds) }, "the watches")
	close(release)
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
	var left []string
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		left = nil
		for id, stack := range goroutines() {
			of := strings.Contains(stack, "apichain.") || strings.Contains(stack, "net/http.(*conn).serve") || strings.Contains(stack, "http2serverConn")
			if before[id] == "" && of && !strings.Contains(stack, "testing.tRunner") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

// goroutines are the stacks of all that live, by "goroutine N".
func goroutines() map[string]string {
	buf := make([]byte, 4<<20)
	out := map[string]string{}
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		out[id] = stack
	}
	return out
}
