package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// matrix runs f once for each listener and protocol.
func matrix(t *testing.T, f func(t *testing.T, kind string)) {
	for _, kind := range clientKinds {
		t.Run(kind, func(t *testing.T) { f(t, kind) })
	}
}

// TestTimeLimit: a handler that has written nothing is answered for, though it neither
// returns nor looks at its context; one that has written is broken off.
func TestTimeLimit(t *testing.T) {
	release := make(chan struct{})
	late := make(chan error, len(clientKinds))
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/stuck", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			AddWarning(r.Context(), "", "slow")
			<-release
			w.Header().Set("X-Late", "1")
			_, err := io.WriteString(w, "late")
			late <- err
		}))
		_ = s.Handle("/half", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-release
		}))
		_ = s.Handle("/polite", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.Header().Set("X-Err", fmt.Sprint(errors.Is(r.Context().Err(), context.DeadlineExceeded)))
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		got := r.get(kind, "/stuck?timeout=50ms")
		want := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: request did not complete within the allotted timeout","reason":"Timeout","details":{},"code":504}` + "\n"
		if got.status != http.StatusGatewayTimeout || got.body != want || got.err != nil {
			t.Errorf("stuck: got %d %q, %v; want 504 %q", got.status, got.body, got.err, want)
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-cache, private", "Warning": `299 - "slow"`, "X-Late": ""} {
			if v := got.header.Get(name); v != want {
				t.Errorf("stuck: header %s: got %q, want %q", name, v, want)
			}
		}
		if got.header.Get("Audit-Id") == "" {
			t.Error("stuck: no Audit-Id")
		}
		if got := r.get(kind, "/half?timeout=50ms"); got.status != http.StatusOK || got.err == nil {
			t.Errorf("half: got %d %q, %v; want a body that is broken off", got.status, got.body, got.err)
		}
		if got := r.get(kind, "/polite?timeout=50ms"); got.status != http.StatusGatewayTimeout {
			t.Errorf("polite: got %d, want 504: the limit answers even when the handler returns at once", got.status)
		}
	})
	if n := r.abandoned(); n == 0 {
		t.Error("no handler is counted as abandoned while four are stuck")
	}
	close(release)
	for range clientKinds {
		if err := <-late; !errors.Is(err, http.ErrHandlerTimeout) {
			t.Errorf("a write after the limit: got %v, want http.ErrHandlerTimeout", err)
		}
	}
	if code := r.stop(); code != exitDrained {
		t.Errorf("exit code %d, want 0", code)
	}
	if n := r.abandoned(); n != 0 {
		t.Errorf("%d handlers are still counted as abandoned", n)
	}
}

// TestTimeLimitWhileReading: the limit ends a read of the body that would wait forever.
func TestTimeLimitWhileReading(t *testing.T) {
	read := make(chan error, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/read", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		body, more := io.Pipe()
		defer more.Close()
		go more.Write([]byte("begun"))
		got, err := r.send(r.client(kind), kind, "POST", "/read?timeout=50ms", body)
		if err != nil || got.status != http.StatusGatewayTimeout {
			t.Errorf("got %d, %v; want 504", got.status, err)
		}
		more.Close()
		if err := <-read; err == nil && strings.HasPrefix(kind, "http") {
			t.Error("the handler read a body to its end that had none")
		}
	})
}

// TestPanic: a panic is one request's failure. It is a Status with the audit ID where
// nothing is written, and a broken answer where something is; it is logged with its
// stack; the next request is served.
func TestPanic(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom\nlevel=INFO forged=1") }))
		_ = s.Handle("/panic-late", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
			panic("late")
		}))
		_ = s.Handle("/abort", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	})
	matrix(t, func(t *testing.T, kind string) {
		c := r.client(kind)
		id := "panic-" + kind
		got, err := r.send(c, kind, "GET", "/panic", nil, "Audit-ID: "+id)
		want := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the handler of this request panicked: see the log for audit ID ` + id + `","reason":"InternalError","code":500}` + "\n"
		if err != nil || got.status != http.StatusInternalServerError || got.body != want || got.header.Get("Audit-Id") != id {
			t.Errorf("got %d %q %v, want 500 %q", got.status, got.body, err, want)
		}
		if !r.err.has(id) || !r.err.has("exchange_test.go") {
			t.Error("the log has no line with the audit ID and the stack")
		}
		if r.err.has("\nlevel=INFO forged") {
			t.Error("a panic's value has begun a line of the log")
		}
		if got := r.get(kind, "/panic-late"); got.err == nil {
			t.Errorf("an answer that panicked looks complete: %d %q", got.status, got.body)
		}
		if got, err := r.send(c, kind, "GET", "/abort", nil); err == nil {
			t.Errorf("ErrAbortHandler: got %d %q, want a broken connection or stream", got.status, got.body)
		}
		if got := r.get(kind, "/livez/ping"); got.status != http.StatusOK {
			t.Errorf("after the panics: got %d, want 200", got.status)
		}
	})
	if r.err.has("ErrAbortHandler") || r.err.has("abort Handler") {
		t.Error("http.ErrAbortHandler is logged as a panic")
	}
}

// TestWriterIsWhole: what net/http's writer can do, ours can: flush, trailers, 1xx,
// deadlines, an empty answer, hijack.
func TestWriterIsWhole(t *testing.T) {
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/flush", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			for i := range 3 {
				fmt.Fprintf(w, "%d\n", i)
				if err := rc.Flush(); err != nil {
					t.Errorf("Flush: %v", err)
				}
			}
			if err := rc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Errorf("SetWriteDeadline: %v", err)
			}
		}))
		_ = s.Handle("/trailer", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
			w.Header().Set(http.TrailerPrefix+"X-More", "43")
		}))
		_ = s.Handle("/empty", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Set", "1") }))
		_ = s.Handle("/hints", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
		}))
		_ = s.Handle("/hijack", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return
			}
			defer c.Close()
			rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
			rw.Flush()
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
				t.Errorf("Write after Hijack: %v", err)
			}
		}))
	})
	matrix(t, func(t *testing.T, kind string) {
		if got := r.get(kind, "/flush"); got.body != "0\n1\n2\n" {
			t.Errorf("flush: %q", got.body)
		}
		if got := r.get(kind, "/empty"); got.status != 200 || got.body != "" || got.header.Get("X-Set") != "1" || got.header.Get("Cache-Control") == "" {
			t.Errorf("empty: %d %q %v", got.status, got.body, got.header)
		}
		if got := r.get(kind, "/hints"); got.status != http.StatusTeapot {
			t.Errorf("hints: got %d, want 418", got.status)
		}
		req, _ := http.NewRequest("GET", r.url(kind, "/trailer"), nil)
		req.Header.Set("Authorization", "Bearer admin-token")
		resp, err := r.client(kind).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.Trailer.Get("X-Sum") != "42" || resp.Trailer.Get("X-More") != "43" {
			t.Errorf("trailers: %v", resp.Trailer)
		}
		if strings.HasPrefix(kind, "http") {
			if got := r.get(kind, "/hijack"); got.body != "hi" {
				t.Errorf("hijack: %q", got.body)
			}
		}
	})
	for _, c := range r.conns.list() {
		if http.ConnState(c.state.Load()) == http.StateHijacked {
			t.Error("a hijacked connection that was closed is still on the list")
		}
	}
}

// TestContextEnds: the context of a request ends with its client, and with its handler.
func TestContextEnds(t *testing.T) {
	began, causes := make(chan context.Context), make(chan error, 1)
	r := startProgram(t, func(s *Server) {
		_ = s.Handle("/wait", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began <- r.Context()
			child, cancel := context.WithCancel(r.Context())
			defer cancel()
			<-child.Done()
			causes <- child.Err()
		}))
		_ = s.Handle("/leak", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { began <- r.Context() }))
	})
	matrix(t, func(t *testing.T, kind string) {
		ctx, leave := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", r.url(kind, "/wait"), nil)
		req.Header.Set("Authorization", "Bearer admin-token")
		go r.client(kind).Do(req)
		<-began
		leave()
		if err := <-causes; !errors.Is(err, context.Canceled) {
			t.Errorf("the client left: got %v", err)
		}
		go r.get(kind, "/leak")
		<-(<-began).Done() // also when it is asked for after the end
	})
}

// TestAuditID: the client's, kept whole, or a new one; on refusals too.
func TestAuditID(t *testing.T) {
	r := startProgram(t, nil)
	matrix(t, func(t *testing.T, kind string) {
		long := strings.Repeat("x", 300)
		for _, path := range []string{"/livez/ping", "/nowhere", "/a/../b"} {
			if got := r.get(kind, path, "Audit-ID: "+long).header.Get("Audit-Id"); got != long {
				t.Errorf("%s: Audit-Id %q, want the client's", path, got)
			}
			a, b := r.get(kind, path).header.Get("Audit-Id"), r.get(kind, path).header.Get("Audit-Id")
			if len(a) != 36 || a == b {
				t.Errorf("%s: Audit-Id %q and %q, want two UUIDs", path, a, b)
			}
		}
	})
}

// rawConn speaks HTTP by hand.
type rawConn struct {
	io.ReadWriteCloser
	r *bufio.Reader
}

// ask sends text and reads one answer.
func (c *rawConn) ask(t *testing.T, text string) (*http.Response, string, error) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		return nil, "", err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return nil, "", err
	}
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}
