package admin

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"testing"
	"time"
)

func TestProfiles(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for _, c := range []struct {
		path string
		form string
		want string // what the body begins with; gzip's magic for what tools read
	}{
		{"/debug/pprof/", formText, "Read these with go tool pprof"},
		{"/debug/pprof/heap", formBinary, "\x1f\x8b"},
		{"/debug/pprof/heap?debug=0", formBinary, "\x1f\x8b"},
		{"/debug/pprof/heap?debug=1", formText, "heap profile: "},
		{"/debug/pprof/allocs?debug=1", formText, "heap profile: "},
		{"/debug/pprof/goroutine?debug=1", formText, "goroutine profile: "},
		{"/debug/pprof/goroutine?debug=2", formText, "goroutine "},
		{"/debug/pprof/block?debug=1", formText, "--- contention:"},
		{"/debug/pprof/mutex?debug=1", formText, "--- mutex:"},
		{"/debug/pprof/threadcreate?debug=1", formText, "threadcreate profile: "},
	} {
		w := ask(t, h, c.path)
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s: %d %.60q, want %q", c.path, w.Code, w.Body, c.want)
		}
		checkHeader(t, w.Header(), c.form)
		head := ask(t, h, "HEAD "+c.path)
		if head.Code != 200 || head.Header().Get("Content-Type") != c.form {
			t.Errorf("HEAD %s: %d %v", c.path, head.Code, head.Header())
		}
	}
	index := ask(t, h, "/debug/pprof/").Body.String()
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate", "profile", "trace"} {
		if !strings.Contains(index, pprofPath+name+" ") {
			t.Errorf("%s is not in the index:\n%s", name, index)
		}
	}
}

func TestProfilesRefuse(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for path, want := range map[string]string{
		"/debug/pprof/heap?debug=3":             `debug: "3" is not a number from 0 to 2`,
		"/debug/pprof/heap?seconds=1":           `"seconds": known are debug`,
		"/debug/pprof/profile?seconds=0":        "a number from 1 to 120",
		"/debug/pprof/profile?seconds=121":      "a number from 1 to 120",
		"/debug/pprof/trace?seconds=x":          "a number from 1 to 120",
		"/debug/pprof/trace?seconds=":           "a number from 1 to 120",
		"/debug/pprof/profile?debug=1":          `"debug": known are seconds`,
		"/debug/pprof/?debug=1":                 "none here",
		"HEAD /debug/pprof/profile?seconds=121": "a number from 1 to 120",
		"HEAD /debug/pprof/goroutine?debug=x":   "a number from 0 to 2",
	} {
		if w := ask(t, h, path); w.Code != 400 || !strings.Contains(decode(t, w)["message"].(string), want) {
			t.Errorf("%s: %d %s, want %q", path, w.Code, w.Body, want)
		}
	}
	off := New(newFake(t), Options{
		CheckPath: func(*http.Request) *Error { return nil }, HostAllowed: func(string) bool { return true }, UnixSocket: func(*http.Request) bool { return true },
		Identify: identifyTest, Authorize: authorizeTest, AuditID: func(*http.Request) string { return "x" }, Now: nowZero,
	})
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile"} {
		if w := ask(t, off, path); w.Code != 404 {
			t.Errorf("without profiling %s is %d", path, w.Code)
		}
	}
	if body := ask(t, off, "/admin/").Body.String(); strings.Contains(body, "pprof") {
		t.Errorf("the index shows profiles that are off: %s", body)
	}
}

// A profile over time ends when the client goes, is one of its kind in the process, and
// HEAD takes none.
func TestProfileOverTime(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for _, c := range []struct {
		name  string
		start func(io.Writer) error
		stop  func()
	}{{"profile", pprof.StartCPUProfile, pprof.StopCPUProfile}, {"trace", trace.Start, trace.Stop}} {
		gone, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(gone, "GET", pprofPath+c.name+"?seconds=100", nil)
		r.Host = "localhost"
		w, begun := httptest.NewRecorder(), time.Now()
		h.ServeHTTP(w, r)
		if took := time.Since(begun); took > 50*time.Second {
			t.Errorf("%s: took %v though the client had gone", c.name, took)
		}
		if w.Code != 200 || w.Body.Len() == 0 {
			t.Errorf("%s: %d with %d bytes, want what there was until then", c.name, w.Code, w.Body.Len())
		}

		if err := c.start(io.Discard); err != nil {
			t.Fatalf("%s is still taken: %v", c.name, err)
		}
		if w := ask(t, h, pprofPath+c.name+"?seconds=1"); w.Code != 409 || decode(t, w)["reason"] != "Conflict" || w.Header().Get("Content-Type") != formJSON {
			t.Errorf("%s beside another: %d %s", c.name, w.Code, w.Body)
		}
		if w := ask(t, h, "HEAD "+pprofPath+c.name); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Type") != formBinary {
			t.Errorf("HEAD of %s: %d %q %v", c.name, w.Code, w.Body, w.Header())
		}
		c.stop()
	}
}

// net/http notices that a client has gone only once the request's body is read, so a
// profile over time takes no body.
func TestProfileOverTimeTakesNoBody(t *testing.T) {
	h := handlerOf(t, newFake(t))
	for _, name := range []string{"profile", "trace"} {
		for form, body := range map[string]io.Reader{"with a length": strings.NewReader("x"), "chunked": io.MultiReader(strings.NewReader("x"))} {
			gone, leave := context.WithCancel(t.Context())
			leave() // so that a profile that is taken after all ends at once
			r := httptest.NewRequestWithContext(gone, "GET", pprofPath+name, body)
			r.Host = "localhost"
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 400 || !strings.Contains(w.Body.String(), "takes no body") {
				t.Errorf("%s, body %s: %d %.200q, want 400", name, form, w.Code, w.Body)
			}
		}
	}
}

// The tools that come with Go read what is served.
func TestGoToolsReadProfiles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	s := httptest.NewUnstartedServer(nil)
	api := handlerOf(t, newFake(t))
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "localhost" // the fake knows no other name
		api.ServeHTTP(w, r)
	})
	s.Start()
	defer s.Close()
	dir := t.TempDir()
	run := func(arg ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool"}, arg...)...)
		cmd.Env = append(cmd.Environ(), "PPROF_TMPDIR="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("go tool %v: %v\n%.800s", arg, err, out)
		}
		return string(out)
	}
	for path, want := range map[string]string{
		"heap": "inuse_space/bytes", "allocs": "alloc_space/bytes", "goroutine": "goroutine/count", "mutex": "delay/nanoseconds", "threadcreate": "threadcreate/count", "profile?seconds=1": "cpu/nanoseconds",
	} {
		if out := run("pprof", "-raw", s.URL+pprofPath+path); !strings.Contains(out, want) {
			t.Errorf("%s: no %s in\n%.800s", path, want, out)
		}
	}
	resp, err := s.Client().Get(s.URL + pprofPath + "trace?seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "trace")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run("trace", "-d=parsed", file); !strings.Contains(out, "ProcStart") && !strings.Contains(out, "StateTransition") {
		t.Errorf("trace: no events in\n%.800s", out)
	}
}
