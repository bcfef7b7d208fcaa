package ctl

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// outcome is what a subcommand left behind.
type outcome struct {
	code      int
	out, errs string
}

// inspect runs a subcommand as the command line would.
func inspect(t *testing.T, ctx context.Context, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code, mine := Main(ctx, "v9", args, strings.NewReader(stdin), &out, &errs)
	if !mine {
		t.Fatalf("%q is no subcommand", args)
	}
	return outcome{code, out.String(), errs.String()}
}

// TestSubcommandCodes: exit codes, and one line that says what is wrong and what to do.
func TestSubcommandCodes(t *testing.T) {
	url, _ := fakeAdmin(t, func(int, *http.Request) (int, string) { return http.StatusOK, "{}" })
	at := "--admin=" + url
	// A port that nobody is given: one that was closed may be another test's by now.
	const nobody = "http://127.0.0.1:1"
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no key":               {[]string{"routes", at, "red"}, exitUsage, `"red" is not KEY=VALUE; see apichain routes --help`},
		"unknown flag":         {[]string{"routes", "--colour", at}, exitUsage, "--colour: unknown flag"},
		"form":                 {[]string{"routes", "-o", "yaml", at}, exitUsage, `-o: "yaml" is not table, wide or json`},
		"interval":             {[]string{"routes", "--interval=1ms", at}, exitUsage, "--interval: must be at least 100ms"},
		"count":                {[]string{"top", "-n=-1", at}, exitUsage, "-n: must not be negative"},
		"top takes none":       {[]string{"top", "x", at}, exitUsage, `"x": top takes flags only`},
		"top as JSON":          {[]string{"top", "-o=json", at}, exitUsage, "top has no JSON"},
		"nobody":               {[]string{"routes", "--admin=" + nobody}, exitNoAnswer, "nothing answers at " + nobody + ": "},
		"somebody else":        {[]string{"routes", "--admin=" + other.URL}, exitRefused, "is it an apichain admin endpoint?"},
		"bad address":          {[]string{"routes", "--admin=127.0.0.1:8081"}, exitUsage, "--admin: "},
		"address with path":    {[]string{"routes", "--admin=http://127.0.0.1:8081/admin/x"}, exitUsage, "is not http://HOST:PORT"},
		"address with user":    {[]string{"routes", "--admin=http://u:p@127.0.0.1:8081"}, exitUsage, "is not http://HOST:PORT"},
		"no socket":            {[]string{"routes", "--admin=unix:" + filepath.Join(dir, "none")}, exitNoAnswer, "nothing answers at unix:"},
		"no ready file":        {[]string{"routes", "--ready-file=" + filepath.Join(dir, "none")}, exitUsage, "--ready-file: open "},
		"ready without admin":  {[]string{"routes", "--ready-file=" + file("r1", `{"pid":1,"admin":[]}`)}, exitUsage, "has no admin address: --listen-admin is off"},
		"ready is no JSON":     {[]string{"routes", "--ready-file=" + file("r2", `pid`)}, exitUsage, "--ready-file: invalid character"},
		"no kubeconfig":        {[]string{"routes", "--admin=https://127.0.0.1:1", "--kubeconfig=" + filepath.Join(dir, "none")}, exitUsage, "--kubeconfig: open "},
		"kubeconfig is empty":  {[]string{"routes", "--admin=https://127.0.0.1:1", "--kubeconfig=" + file("k1", "a: b")}, exitUsage, `contexts has no entry named ""`},
		"kubeconfig is broken": {[]string{"routes", "--admin=https://127.0.0.1:1", "--kubeconfig=" + file("k2", "a: [")}, exitUsage, "--kubeconfig: "},
		"explain what":         {[]string{"explain", "GET", at}, exitUsage, "explain takes a method and a path"},
		"owners of what":       {[]string{"owners", at}, exitUsage, "owners takes an object, such as configmap/x; see apichain owners --help"},
		"owners of no name":    {[]string{"owners", "configmap/", at}, exitUsage, "owners takes an object"},
		"owners of two":        {[]string{"owners", "configmap", "x", at}, exitUsage, "owners takes an object"},
		"owners and no key":    {[]string{"owners", "configmap/x", "helm", at}, exitUsage, `"helm" is not KEY=VALUE`},
		"drain what":           {[]string{"drain", "now", at}, exitUsage, `"now" is not on or off`},
		"drain off what":       {[]string{"drain", "off", "now", at}, exitUsage, `"off now" is not on or off`},
		"drain on what":        {[]string{"drain", "on", "now", at}, exitUsage, "drain on takes flags only"},
		"wait for what":        {[]string{"drain", "--wait", at}, exitUsage, "--wait goes with drain on"},
		"off with a time":      {[]string{"drain", "off", "--for=1m", at}, exitUsage, "--for goes with on, not with off"},
		"faults off of some":   {[]string{"faults", "off", "--match=verb=list", at}, exitUsage, "--match goes with set, not with off"},
		"level":                {[]string{"loglevel", "set", at}, exitUsage, "takes a verbosity"},
		"level is no number":   {[]string{"loglevel", "set", "high", at}, exitUsage, `"high" is no verbosity`},
		"level match":          {[]string{"loglevel", "set", "3", "alice", at}, exitUsage, `"alice" is not KEY=VALUE`},
		"faults of nothing":    {[]string{"faults", "set", at}, exitUsage, "either -f FILE or --do ACTION"},
		"faults of both":       {[]string{"faults", "set", "--do=cut", "-f", "x", at}, exitUsage, "either -f FILE or --do ACTION"},
		"faults of no file":    {[]string{"faults", "set", "-f", filepath.Join(dir, "none"), at}, exitUsage, "-f: open "},
		"faults of no JSON":    {[]string{"faults", "set", "-f", file("f", "[]"), at}, exitUsage, "is no JSON object"},
		"faults match":         {[]string{"faults", "set", "--do=cut", "--match=x", at}, exitUsage, `"x" is not KEY=VALUE`},
	} {
		got := inspect(t, t.Context(), "", c.args...)
		if got.code != c.code || got.out != "" || !strings.HasPrefix(got.errs, "apichain: ") || !strings.Contains(got.errs, c.says) || strings.Count(got.errs, "\n") != 1 {
			t.Errorf("%s: want code %d and one line with %q: %+v", name, c.code, c.says, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := inspect(t, ctx, "", "routes", at); got != (outcome{exitInterrupted, "", ""}) {
		t.Errorf("interrupted: %+v", got)
	}
	for _, s := range subcommands() {
		got := inspect(t, t.Context(), "", s.name, "--help")
		if got.code != exitDone || got.errs != "" || !strings.Contains(got.out, s.usage) || !strings.Contains(got.out, "--ready-file FILE") || !strings.Contains(got.out, "  130  interrupted\n") {
			t.Errorf("%s --help: %+v", s.name, got)
		}
	}
	if findSubcommand(nil) != nil || findSubcommand([]string{"--v=3"}) != nil || findSubcommand([]string{"serve"}) != nil {
		t.Error("flags or unknown words are taken for a subcommand")
	}
}

// paced is a writer that tells of every write, and may be told from another goroutine.
type paced struct {
	wrote chan string
}

func (p paced) Write(b []byte) (int, error) {
	p.wrote <- string(b)
	return len(b), nil
}

// TestSubcommandWatch: -w goes on until it is interrupted; JSON is one document a line.
func TestSubcommandWatch(t *testing.T) {
	url, _ := fakeAdmin(t, func(_ int, r *http.Request) (int, string) {
		if r.Header.Get("Accept") == "application/json" {
			return http.StatusOK, `{"generation":7}` + "\n"
		}
		return http.StatusOK, "PHASE\n"
	})
	for _, c := range []struct {
		args  []string
		again string // what a later output begins with
	}{
		{[]string{"hooks", "-w"}, "\nPHASE"},
		{[]string{"hooks", "--watch", "-o=json"}, `{"generation":`},
		{[]string{"top"}, "\napichain "},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := paced{make(chan string)}
		code := make(chan int, 1)
		var errs bytes.Buffer
		go func() {
			n, _ := Main(ctx, "v9", append(c.args, "--interval=100ms", "--admin="+url), nil, out, &errs)
			code <- n
		}()
		first, second := await(t, out.wrote), await(t, out.wrote)
		if strings.HasPrefix(first, "\n") || !strings.HasPrefix(second, c.again) || strings.Contains(second, "\x1b") {
			t.Errorf("%v: %q, then %q", c.args, first, second)
		}
		cancel()
		for over := false; !over; {
			select {
			case got := <-code:
				over = true
				if got != exitInterrupted || errs.Len() > 0 {
					t.Errorf("%v: code %d, %s", c.args, got, &errs)
				}
			case <-out.wrote: // one may be under way
			}
		}
	}
}

// await receives from c, and fails the test when nothing comes.
func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatal("waited 20s")
	}
	return v
}

// sentToAdmin is what a fake endpoint got.
type sentToAdmin struct{ method, target, accept, ifMatch, contentType, body string }

// fakeAdmin answers as given and keeps what it was asked.
func fakeAdmin(t testing.TB, answer func(n int, r *http.Request) (code int, body string)) (url string, got func() []sentToAdmin) {
	var all []sentToAdmin
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h := r.Header
		all = append(all, sentToAdmin{r.Method, r.URL.RequestURI(), h.Get("Accept"), h.Get("If-Match"), h.Get("Content-Type"), string(b)})
		code, body := answer(len(all), r)
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(all)))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []sentToAdmin { return all }
}

// TestSubcommandChanges: what is sent for each, with the generation that was read.
func TestSubcommandChanges(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(rules, []byte(`{"rules":[{"match":{},"action":{"do":"cut"}}],"note":"n"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  string
		stdin string
		path  string
		body  string
	}{
		"drain":          {args: "drain on", path: "PUT /admin/v1/drain", body: `{"endWatches":false}`},
		"drain, all":     {args: "drain on --for 5m --end-watches --note moving", path: "PUT /admin/v1/drain", body: `{"endWatches":true,"expiresIn":"5m0s","note":"moving"}`},
		"drain off":      {args: "drain off", path: "DELETE /admin/v1/drain"},
		"level":          {args: "loglevel set 4 --note n", path: "PUT /admin/v1/loglevel", body: `{"note":"n","rules":[{"match":{},"verbosity":4}]}`},
		"level for some": {args: "loglevel set 6 user=alice user=bob verb=list --for=90s", path: "PUT /admin/v1/loglevel", body: `{"expiresIn":"1m30s","rules":[{"match":{"user":["alice","bob"],"verb":["list"]},"verbosity":6}]}`},
		"level off":      {args: "loglevel off", path: "DELETE /admin/v1/loglevel"},
		"faults": {args: "faults set --do answer status=503 retryAfterSeconds=1 reason=1 --match verb=list --match resource=widgets.example.com --percent 25 --count 10 --seed 7", path: "PUT /admin/v1/faults",
			body: `{"rules":[{"action":{"do":"answer","reason":"1","retryAfterSeconds":1,"status":503},"count":10,"match":{"resource":["widgets.example.com"],"verb":["list"]},"percent":25}],"seed":7}`},
		"faults, bare":       {args: "faults set --do drop-watch abrupt=true", path: "PUT /admin/v1/faults", body: `{"rules":[{"action":{"abrupt":true,"do":"drop-watch"},"match":{},"percent":100}]}`},
		"faults of a file":   {args: "faults set --for 1m -f " + rules, path: "PUT /admin/v1/faults", body: `{"expiresIn":"1m0s","note":"n","rules":[{"action":{"do":"cut"},"match":{}}]}`},
		"faults of a stream": {args: "faults set -f - --seed 3", stdin: `{"rules":[]}`, path: "PUT /admin/v1/faults", body: `{"rules":[],"seed":3}`},
		"faults off":         {args: "faults off", path: "DELETE /admin/v1/faults"},
	} {
		for _, moved := range []bool{false, true} {
			at, got := fakeAdmin(t, func(n int, r *http.Request) (int, string) {
				if r.Method != http.MethodGet && n == 2 && moved {
					return http.StatusPreconditionFailed, `{"message":"moved"}`
				}
				return http.StatusOK, "the control\n"
			})
			o := inspect(t, t.Context(), c.stdin, append(strings.Fields(c.args), "--admin="+at)...)
			if o != (outcome{exitDone, "the control\n", ""}) {
				t.Errorf("%s: %+v", name, o)
			}
			method, path, _ := strings.Cut(c.path, " ")
			want, times := []sentToAdmin{}, 1
			if moved {
				times = 2
			}
			for i := range times {
				sent := sentToAdmin{method, path, "text/plain", fmt.Sprintf(`"%d"`, 2*i+1), "", c.body}
				if c.body != "" {
					sent.contentType = "application/json"
				}
				want = append(want, sentToAdmin{method: "GET", target: path, accept: "application/json"}, sent)
			}
			if !slices.Equal(got(), want) {
				t.Errorf("%s, moved %v: asked\n%+v\nwant\n%+v", name, moved, got(), want)
			}
		}
	}
	// Who is refused twice is told.
	at, got := fakeAdmin(t, func(n int, r *http.Request) (int, string) {
		if r.Method == http.MethodGet {
			return http.StatusOK, "{}"
		}
		return http.StatusPreconditionFailed, `{"message":"moved\non"}`
	})
	if o := inspect(t, t.Context(), "", "drain", "off", "--admin="+at); o != (outcome{exitRefused, "", "apichain: moved on\n"}) || len(got()) != 4 {
		t.Errorf("refused twice: %+v after %d requests", o, len(got()))
	}
}

// TestSubcommandDrainWait: --wait says what remains, each time it changes, and ends when
// nothing does.
func TestSubcommandDrainWait(t *testing.T) {
	remaining := func(requests int, idle, active bool) string {
		return fmt.Sprintf(`{"active":%v,"idle":%v,"remaining":{"requests":%d,"watches":1,"connections":2}}`, active, idle, requests)
	}
	for name, c := range map[string]struct {
		states []string
		want   outcome
	}{
		"idle":    {[]string{remaining(2, false, true), remaining(2, false, true), remaining(1, false, true), remaining(0, true, true)}, outcome{exitDone, "on\nwaiting for 2 requests, 1 watches, 2 connections\nwaiting for 1 requests, 1 watches, 2 connections\n", ""}},
		"expired": {[]string{remaining(2, false, true), remaining(2, false, false)}, outcome{exitNot, "on\nwaiting for 2 requests, 1 watches, 2 connections\n", "apichain: the drain ended before the server was idle\n"}},
	} {
		at, _ := fakeAdmin(t, func(n int, r *http.Request) (int, string) {
			switch n {
			case 1:
				return http.StatusOK, "{}"
			case 2:
				return http.StatusOK, "on\n"
			}
			return http.StatusOK, c.states[n-3]
		})
		if got := inspect(t, t.Context(), "", "drain", "on", "--wait", "--interval=100ms", "--admin="+at); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestSubcommandExplain: the question as it is sent, and code 5 for a no.
func TestSubcommandExplain(t *testing.T) {
	for reaches, code := range map[bool]int{true: exitDone, false: exitNot} {
		at, got := fakeAdmin(t, func(n int, r *http.Request) (int, string) {
			if r.Header.Get("Accept") == "application/json" {
				return http.StatusOK, fmt.Sprintf(`{"reachesHandler":%v}`, reaches)
			}
			return http.StatusOK, "the way\n"
		})
		o := inspect(t, t.Context(), "", "explain", "POST", "/api/v1/x?limit=1", "--as", "bob", "--as-group=a", "--as-group=b", "-H", "Accept: a/b", "--listener=https", "--admin="+at)
		if o != (outcome{code, "the way\n", ""}) {
			t.Errorf("%+v", o)
		}
		want := "/admin/v1/explain?group=a&group=b&header=Accept%3A+a%2Fb&listener=https&method=POST&path=%2Fapi%2Fv1%2Fx%3Flimit%3D1&user=bob"
		if all := got(); len(all) != 2 || all[0].target != want || all[1].target != want {
			t.Errorf("asked %+v, want %s twice", all, want)
		}
	}
}

// TestClientKubeconfig: the current context's CA and credentials, in the file or beside it.
func TestClientKubeconfig(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "token "+r.Header.Get("Authorization"))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(cluster, user string) string {
		path := filepath.Join(dir, "config")
		text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: there, context: {cluster: none, user: none}}
- {name: here, context: {cluster: c, user: u}}
clusters: [{name: c, cluster: {%s, server: "https://example.com"}}]
users: [{name: u, user: {%s}}]
`, cluster, user)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := "certificate-authority-data: " + base64.StdEncoding.EncodeToString(ca)
	for name, c := range map[string]struct{ cluster, user, says string }{
		"data":            {data, "token: t1", "token Bearer t1"},
		"file":            {"certificate-authority: ca.pem", "token: t2", "token Bearer t2"},
		"no check":        {"insecure-skip-tls-verify: true", "a: b", "token "},
		"unknown issuer":  {"a: b", "token: t3", "certificate signed by unknown authority"},
		"no such file":    {"certificate-authority: none.pem", "a: b", "none.pem: no such file"},
		"no certificate":  {"certificate-authority: config", "a: b", "certificate-authority holds no certificate"},
		"bad data":        {"certificate-authority-data: '*'", "a: b", "certificate-authority-data: illegal base64"},
		"half a pair":     {data, "client-certificate: ca.pem", "client-certificate: "},
		"a pair of files": {data, "client-certificate: ca.pem, client-key: none", "none: no such file"},
	} {
		client, err := newAdminClient(location{admin: s.URL, kubeconfig: config(c.cluster, c.user)}, "v9")
		var b []byte
		if err == nil {
			b, _, err = client.ask(t.Context(), "GET", "/admin/", "text/plain", "", nil)
		}
		if got := fmt.Sprint(string(b), err); !strings.Contains(got, c.says) {
			t.Errorf("%s: %s, want %q", name, got, c.says)
		}
	}
}

// TestTopPrints: the overview of two moments, to the byte.
func TestTopPrints(t *testing.T) {
	var o overview
	at := time.Date(2026, 11, 27, 5, 0, 0, 0, time.UTC)
	read := func(v any, text string) {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	o.at = at
	read(&o.index, `{"version":"v9","phase":"run","ready":true,"controls":[{"control":"faults","setBy":"al\u001bice","expiresAt":"2026-11-27T05:03:12.000Z","note":"retry test"}]}`)
	read(&o.inFlight, `{"total":2,"counts":[{"listener":"https","readOnly":1,"readOnlyLimit":400,"mutating":2,"mutatingLimit":0,"longRunning":3,"abandoned":4}],"items":[{"listener":"https","verb":"list","resource":"configmaps","user":"bob","filter":"handler","auditID":"a1","ageMs":1234.5},{"filter":"canonical-path","listener":"http","ageMs":0.4}]}`)
	read(&o.chain, `{"items":[{"listener":"https","filters":[{"name":"first","enabled":true,"passed":90,"rejected":10,"answered":{"400":10},"timeNs":{"p50":110,"p99":900}},{"name":"off","enabled":false,"passed":0,"timeNs":{"p50":1,"p99":1}},{"name":"slow","enabled":true,"passed":80,"rejected":5,"answered":{"403":5},"timeNs":{"p50":1500,"p99":2000000}},{"name":"new","enabled":true,"passed":80,"timeNs":null}]}]}`)
	read(&o.build, `{"process":{"uptimeSeconds":50}}`)
	const tables = `
AGE    LISTENER  VERB  RESOURCE    NAMESPACE  USER  IN              AUDIT-ID
1.2s   https     list  configmaps  -          bob   handler         a1
400µs  http      -     -           -          -     canonical-path  -

P99    P50    LISTENER  FILTER  PASSED  REJECTED
2ms    1.5µs  https     slow    80      5
900ns  110ns  https     first   90      10
`
	const head = "apichain v9  phase run, ready  up 50.0s\n! faults is on: set by al\\x1bice, 3m12s left (retry test)\n"
	const places = "  https  reading 1 of 400  writing 2  long-running 3  abandoned 4\n"
	var b strings.Builder
	o.print(&b, nil)
	if want := head + "2.0 requests/s since the start  100 in all, 15 refused by a filter  2 in flight\n" + places + tables; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	last := o
	last.at = at.Add(-2 * time.Second)
	last.chain.Items = nil
	b.Reset()
	o.print(&b, &last)
	if !strings.Contains(b.String(), "\n50.0 requests/s now  100 in all") {
		t.Errorf("got\n%s", b.String())
	}
}
