package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestParse: command lines as drivers write them, and what is wrong with others.
func TestParse(t *testing.T) {
	const usual = "http://localhost:2379"
	for line, want := range map[string]struct{ urls, unknown, wrong string }{
		"": {usual, "", ""},
		// controller-runtime
		"--advertise-client-urls=http://127.0.0.1:1 --data-dir=/d --listen-client-urls=http://127.0.0.1:1 " +
			"--listen-peer-urls=http://127.0.0.1:2 --unsafe-no-fsync=true": {"http://127.0.0.1:1", "", ""},
		// fabric8
		"-data-dir /d -wal-dir /w --listen-client-urls http://0.0.0.0:1 --advertise-client-urls http://0.0.0.0:1 " +
			"--initial-cluster default=http://localhost:2 --initial-advertise-peer-urls http://localhost:2 " +
			"--listen-peer-urls http://localhost:2": {"http://0.0.0.0:1", "", ""},
		// envtest-js
		"--data-dir=/d --listen-client-urls=http://127.0.0.1:1 --advertise-client-urls=http://127.0.0.1:1 " +
			"--listen-peer-urls=http://localhost:0 --unsafe-no-fsync=true": {"http://127.0.0.1:1", "", ""},
		"--unsafe-no-fsync --data-dir /d":                                 {usual, "", ""},
		"-unsafe-no-fsync -listen-client-urls=http://h:1,http://h:2":      {"http://h:1 http://h:2", "", ""},
		"--listen-client-urls=http://h:1 --listen-client-urls=http://h:2": {"http://h:2", "", ""},
		"--listen-client-urls=http://h:1,http://h:1":                      {"http://h:1", "", ""},
		"--listen-client-http-urls=http://h:1":                            {"http://h:1 " + usual, "", ""},
		"--data-dir --unsafe-no-fsync":                                    {usual, "", ""},
		"--new=1 --newer 2 --newest --pre-vote=false -n":                  {usual, "--new --newer --newest --n", ""},
		"word":                      {"", "", `"word" is not a valid flag`},
		"gateway start":             {"", "", `"gateway" is not a valid flag`},
		"--pre-vote word":           {"", "", `"word" is not a valid flag`},
		"--":                        {"", "", `"--" is not a valid flag`},
		"-":                         {"", "", `"-" is not a valid flag`},
		"---name=x":                 {"", "", `"---name=x" is not a valid flag`},
		"--=x":                      {"", "", `"--=x" is not a valid flag`},
		"--unsafe-no-fsync=perhaps": {"", "", `invalid boolean value "perhaps" for --unsafe-no-fsync`},
		"--pre-vote --name":         {"", "", "flag needs an argument: --name"},
		"--config-file=f":           {"", "", "--config-file is not read here: say --listen-client-urls, the one setting that has a meaning"},
	} {
		o, err := parse(strings.Fields(line))
		if err != nil || want.wrong != "" {
			if err == nil || err.Error() != want.wrong {
				t.Errorf("%s: %v, want %s", line, err, want.wrong)
			}
			continue
		}
		if got := strings.Join(o.clientURLs(), " "); got != want.urls {
			t.Errorf("%s: URLs %s, want %s", line, got, want.urls)
		}
		if got := strings.Join(o.unknown, " "); got != want.unknown || o.help || o.version {
			t.Errorf("%s: %+v, want unknown %s", line, o, want.unknown)
		}
	}
}

// TestHelpAndVersion: both end with 0 and print to out alone; drivers search the help for a flag.
func TestHelpAndVersion(t *testing.T) {
	for _, line := range []string{"--help", "-h", "-help", "--bogus x -h", "--help=true --version"} {
		var out, errs strings.Builder
		code := Main(t.Context(), strings.Fields(line), &out, &errs)
		for _, name := range []string{"unsafe-no-fsync", "listen-client-urls", "data-dir"} {
			if !regexp.MustCompile(`(?m)^\s*--` + name + `\b`).MatchString(out.String()) {
				t.Errorf("%s: no line for --%s in\n%s", line, name, out.String())
			}
		}
		if code != 0 || errs.Len() > 0 {
			t.Errorf("%s: code %d, stderr %s", line, code, errs.String())
		}
	}
	var out, errs strings.Builder
	code := Main(t.Context(), []string{"--version"}, &out, &errs)
	if want := regexp.MustCompile(`^etcd Version: 3\.\d+\.\d+\nGit SHA: .+\nGo Version: go.+\nGo OS/Arch: \w+/\w+\n$`); code != 0 ||
		errs.Len() > 0 || !want.MatchString(out.String()) {
		t.Errorf("version: code %d, %q, stderr %q", code, out.String(), errs.String())
	}
}

// TestRefused: what is wrong is one line on errOut, by etcd's exit codes, and nothing stays open.
func TestRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reusable := free.Addr().String()
	_ = free.Close()
	const urls = "--listen-client-urls="
	for arg, want := range map[string]struct {
		code int
		text string
	}{
		"word": {2, `etcd: "word" is not a valid flag`},
		urls + "https://127.0.0.1:1": {1, "https://127.0.0.1:1: this etcd holds no data " +
			"and serves plain http alone: use an http:// URL, or the real etcd"},
		urls + "unix://localhost:1":                {1, "serves plain http alone"},
		urls + "unixs://localhost:1":               {1, "serves plain http alone"},
		urls + "ftp://127.0.0.1:1":                 {1, "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:1"},
		urls + "127.0.0.1:1":                       {1, "first path segment in URL cannot contain colon"},
		urls + "http://127.0.0.1":                  {1, `does not have the form \"host:port\": http://127.0.0.1`},
		urls + "http://127.0.0.1:1/x":              {1, "URL must not contain a path: http://127.0.0.1:1/x"},
		urls + "http://127.0.0.1:99999":            {1, "http://127.0.0.1:99999: "},
		urls:                                       {1, "URL scheme must be"},
		urls + "http://" + taken.Addr().String():   {1, "address already in use"},
		urls + "http://" + reusable + ",https://x": {1, "https://x"},
	} {
		var out, errs strings.Builder
		code := Main(t.Context(), []string{arg}, &out, &errs)
		if code != want.code || out.Len() > 0 || !strings.Contains(errs.String(), want.text) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: code %d, want %d, stdout %q, stderr %q, want one line with %s", arg, code, want.code, out.String(), errs.String(),
				want.text)
		}
	}
	again, err := net.Listen("tcp", reusable)
	if err != nil {
		t.Fatalf("a listener stayed open: %v", err)
	}
	_ = again.Close()
}

// logged are the lines of a log, which tell when they come.
type logged struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan map[string]any
}

// Write takes one line, as the log writes them.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	line := map[string]any{}
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	l.lines <- line
	return len(b), nil
}

// running is one run of Main.
type running struct {
	log  *logged
	urls []string
	code chan int
	stop context.CancelCauseFunc
}

// start runs Main on n free ports until the test ends.
func start(t *testing.T, n int, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	r := &running{log: &logged{lines: make(chan map[string]any, 100)}, code: make(chan int, 1), stop: stop}
	args = append(args, "--listen-client-urls=http://127.0.0.1:0")
	if n == 2 {
		args = append(args, "--listen-client-http-urls", "http://localhost:0")
	}
	go func() { r.code <- Main(ctx, args, io.Discard, r.log) }()
	for len(r.urls) < n {
		if line := r.next(t); line["msg"] == "ready to serve client requests" {
			r.urls = append(r.urls, "http://"+line["address"].(string))
		}
	}
	return r
}

// next returns the next line of the log.
func (r *running) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case line := <-r.log.lines:
		return line
	case <-time.After(time.Minute):
		t.Fatalf("no further line after\n%s", r.log.text.String())
		return nil
	}
}

// ask sends a request and returns its answer.
func ask(t *testing.T, method, url string) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// TestAnswers: every question of a driver, on each URL; whoever wants more is told so once.
func TestAnswers(t *testing.T) {
	r := start(t, 2, "--bogus", "--data-dir=/nowhere")
	for _, url := range r.urls {
		for _, c := range []struct {
			method, path string
			status       int
			body         string
		}{
			{"GET", "/health", 200, `{"health":"true","reason":""}`},
			{"GET", "/health?serializable=true", 200, `{"health":"true","reason":""}`},
			{"GET", "/version", 200, `{"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0","apichain":"memory"}`},
			{"GET", "/livez", 200, "ok\n"},
			{"GET", "/readyz", 200, "ok\n"},
			{"POST", "/health", 405, "Method Not Allowed\n"},
			{"POST", "/v3/kv/range", 404, "404 page not found\n"},
			{"GET", "/", 404, "404 page not found\n"},
		} {
			status, header, body := ask(t, c.method, url+c.path)
			if status != c.status || body != c.body || (status == 405) != (header.Get("Allow") == "GET") {
				t.Errorf("%s %s: %d %q %v, want %d %q", c.method, c.path, status, body, header, c.status, c.body)
			}
		}
	}
	if line := r.next(t); line["level"] != "warn" || line["path"] != "/v3/kv/range" ||
		!strings.Contains(line["msg"].(string), "no data here") {
		t.Errorf("who wants data: %v", line)
	}
	r.stop(errors.New("enough"))
	if line := r.next(t); line["msg"] != "stopping" || line["cause"] != "enough" {
		t.Errorf("after one warning: %v", line)
	}
	if code := <-r.code; code != 0 {
		t.Errorf("code %d", code)
	}
	first, _, _ := strings.Cut(r.log.text.String(), "\n")
	if !strings.Contains(first, `"flags":"--bogus"`) || !strings.Contains(first, `"level":"warn"`) || !strings.Contains(first, `"ts":`) {
		t.Errorf("the warning of unknown flags: %s", first)
	}
	if strings.Count(r.log.text.String(), "keeps its objects in its own memory") != 2 {
		t.Errorf("nobody is told where the data is:\n%s", r.log.text.String())
	}
}

// TestForeignProtocol: a gRPC client, which is what a real kube-apiserver is, ends up in the log.
func TestForeignProtocol(t *testing.T) {
	r := start(t, 1)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.urls[0], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line := r.next(t); line["method"] != "PRI" || line["level"] != "warn" {
		t.Errorf("the preface of HTTP/2: %v", line)
	}
}

// TestStop: a run ends at once, with connections open that say nothing, half of a request or something
// else, and its port is free again.
func TestStop(t *testing.T) {
	r := start(t, 1)
	address := strings.TrimPrefix(r.urls[0], "http://")
	for _, text := range []string{"", "GET /health HTTP/1.1\r\nHost", "GET /health HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, _ := ask(t, "GET", r.urls[0]+"/health"); status != 200 {
		t.Errorf("beside them: %d", status)
	}
	began := time.Now()
	r.stop(errors.New("enough"))
	if code := <-r.code; code != 0 || time.Since(began) > 30*time.Second {
		t.Errorf("code %d after %v", code, time.Since(began))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = l.Close()
}

// TestFlagLists: the two lists of flags have nothing in common, and each name is a flag's.
func TestFlagLists(t *testing.T) {
	names := strings.Fields(switches + " " + valued)
	slices.Sort(names)
	for i, name := range names {
		if i > 0 && names[i-1] == name || !regexp.MustCompile(`^[a-z][a-z0-9-]+$`).MatchString(name) {
			t.Errorf("%q stands twice or is none", name)
		}
	}
}

// TestDashes: each flag that etcd has, with one dash and with two, and with its value in both places.
func TestDashes(t *testing.T) {
	for _, dash := range []string{"-", "--"} {
		for _, name := range strings.Fields(switches) {
			for _, line := range [][]string{{dash + name}, {dash + name + "=false"}, {dash + name + "=1", "--data-dir=d"}} {
				if o, err := parse(line); err != nil || len(o.unknown) > 0 {
					t.Errorf("%q: %v, unknown %q", line, err, o.unknown)
				}
			}
			if _, err := parse([]string{dash + name, "true"}); err == nil {
				t.Errorf("%s%s took the next word", dash, name)
			}
		}
		for _, name := range strings.Fields(valued) {
			value := "http://127.0.0.1:1"
			for _, line := range [][]string{{dash + name + "=" + value}, {dash + name, value}, {dash + name, "--" + value}, {dash + name + "="}} {
				if o, err := parse(line); err != nil || len(o.unknown) > 0 {
					t.Errorf("%q: %v, unknown %q", line, err, o.unknown)
				}
			}
			if _, err := parse([]string{dash + name}); err == nil {
				t.Errorf("%s%s needs no value", dash, name)
			}
		}
	}
}

// TestHelpHasEveryFlag: each once, at the start of a line, sorted where nothing is said of it.
func TestHelpHasEveryFlag(t *testing.T) {
	var b strings.Builder
	help(&b)
	for _, name := range strings.Fields(switches + " " + valued) {
		found := regexp.MustCompile(`(?m)^  --`+name+`( .*)?$`).FindAllString(b.String(), -1)
		if len(found) != 1 {
			t.Errorf("--%s stands there as %q", name, found)
		}
	}
	_, ignored, _ := strings.Cut(b.String(), "with a warning:\n")
	if lines := strings.Fields(ignored); !slices.IsSorted(lines) || len(lines) < 100 {
		t.Errorf("%d flags that are ignored, or not sorted", len(lines))
	}
}

// TestClientAddress: what is bound for a URL.
func TestClientAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:2379": "127.0.0.1:2379",
		"http://localhost:1":    "localhost:1",
		"http://[::1]:2379":     "[::1]:2379",
		"http://:2379":          ":2379",
		"http://h:0":            "h:0",
		"HTTP://h:1":            "h:1",
		"http://h:1/":           "",
		"http://h":              "",
		"http://::1:2379":       "",
		"https://h:1":           "",
		"unix:///tmp/s":         "",
		"h:1":                   "",
		"//h:1":                 "",
		"http://h:port":         "",
		"":                      "",
	} {
		got, err := clientAddress(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
}

// TestEndedBefore: a context that ended before the start ends the run as soon as the ports were bound, and
// no goroutine and no port are left, however often.
func TestEndedBefore(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("too late"))
	before := runtime.NumGoroutine()
	for range 20 {
		var out, errs strings.Builder
		code := Main(ctx, []string{"-listen-client-urls", "http://127.0.0.1:0", "-listen-client-http-urls=http://127.0.0.1:0"}, &out, &errs)
		// The two URLs are one.
		if code != 0 || out.Len() > 0 || strings.Count(errs.String(), "ready to serve") != 1 ||
			!strings.Contains(errs.String(), `"cause":"too late"`) {
			t.Fatalf("code %d, %q, %s", code, out.String(), errs.String())
		}
	}
	// What a server has been closed with may have its last instructions yet to run.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// FuzzParse: any arguments come to an end, with URLs to serve on or with one line that says what is wrong.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "--listen-client-urls=http://h:1,http://h:2", "-data-dir\x00/d\x00--bogus\x00x", "--help=maybe",
		"--\x00-", "--config-file"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		o, err := parse(args)
		if err != nil {
			if err.Error() == "" {
				t.Fatalf("%q: an error without a text", args)
			}
			return
		}
		if urls := o.clientURLs(); len(urls) == 0 || len(o.unknown) > len(args) {
			t.Errorf("%q: %v, unknown %v", args, urls, o.unknown)
		}
		for _, u := range o.clientURLs() {
			// What may be bound is one address of TCP, whatever it is called.
			if address, err := clientAddress(u); err == nil && !strings.Contains(address, ":") {
				t.Errorf("%q: %s is bound at %q", args, u, address)
			}
		}
	})
}
