package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"apichain/internal/tree"
)

// TestReadyFile: its keys, with empty lists where there is no listener, and never half of it.
func TestReadyFile(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	for name, c := range map[string]struct {
		args              string
		http, https, admn int
	}{
		"all":         {"--listen-admin=127.0.0.1:0", 1, 1, 1},
		"none but":    {"--listen-https=off --listen-admin=off", 1, 0, 0},
		"TLS alone":   {"--listen-http=off --listen-https=127.0.0.1:0,127.0.0.1:0", 0, 2, 0},
		"on a socket": {"--listen-https=off --listen-http=unix:" + socket, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ready.json")
			put(t, path, []byte("of a process that died"))
			r := startProgram(t, nil, append(strings.Fields(c.args), "--ready-file="+path)...)
			b, err := os.ReadFile(path)
			var got map[string]any
			if err == nil {
				err = json.Unmarshal(b, &got)
			}
			if err != nil || !strings.HasSuffix(string(b), "}\n") || strings.Count(string(b), "\n") != 1 {
				t.Fatalf("%q: %v, want one line of JSON", b, err)
			}
			if len(got) != 6 || got["pid"] != float64(os.Getpid()) || got["version"] != programVersion || got["kubeconfig"] != "" {
				t.Errorf("got %v", got)
			}
			for key, want := range map[string]int{"http": c.http, "https": c.https, "admin": c.admn} {
				urls, ok := got[key].([]any)
				if !ok || len(urls) != want {
					t.Errorf("%s: %v, want a list of %d", key, got[key], want)
				}
				for _, u := range urls {
					if !r.out.has(u.(string)) {
						t.Errorf("%s is not among the start-up lines:\n%s", u, r.out)
					}
				}
			}
			if code := r.stop(); code != exitDrained {
				t.Errorf("exit code %d", code)
			}
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left after the exit: %v", err)
			}
		})
	}
}

// TestKubeconfig: it leads to the TLS listener, or without one to the plain one, with the
// CA and a token of a superuser; where clients cannot get at all the start fails and says so.
func TestKubeconfig(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	for name, c := range map[string]struct {
		args, scheme string
		fails        string
	}{
		"TLS":                        {"", "https", ""},
		"TLS alone":                  {"--listen-http=off", "https", ""},
		"TLS on a socket and TCP":    {"--listen-https=unix:" + socket + ",127.0.0.1:0", "https", ""},
		"TLS on a socket, plain TCP": {"--listen-https=unix:" + socket, "http", ""},
		"plain alone":                {"--listen-https=off", "http", ""},
		"TLS on all addresses":       {"--listen-https=0.0.0.0:0", "https", ""},
		"sockets alone":              {"--listen-http=off --listen-https=unix:" + socket, "", "--kubeconfig: neither the TLS nor the plain listener has a TCP address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			args := append(strings.Fields(c.args), "--kubeconfig=kc", "--ready-file=ready", "--token-auth-file=")
			if c.fails != "" {
				r := launchProgram(t, nil, args...)
				if code := r.wait(); code != exitFailed || strings.Count(r.err.String(), "apichain: "+c.fails) != 1 || r.signals.hasBeenReady.fired() {
					t.Errorf("exit code %d, want 1 with %q:\n%s", code, c.fails, r.err)
				}
				return
			}
			r := startProgram(t, nil, args...)
			values := map[string]string{}
			b, err := os.ReadFile("kc")
			if err != nil {
				t.Fatal(err)
			}
			docs, err := tree.ParseYAML(b)
			if err != nil || len(docs) != 1 {
				t.Fatalf("%v, %d documents:\n%s", err, len(docs), b)
			}
			for line := range strings.SplitSeq(string(b), "\n") {
				if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
					values[k] = v
				}
			}
			if server := values["server"]; !slices.Contains(r.urls(c.scheme), server) || strings.Contains(server, "0.0.0.0") {
				t.Errorf("server %q, want one of %q", server, r.urls(c.scheme))
			}
			if ca, err := base64.StdEncoding.DecodeString(values["certificate-authority-data"]); err != nil || string(ca) != string(r.certs.CAPEM()) {
				t.Errorf("the CA is %q, %v", ca, err)
			}
			client := r.client(c.scheme)
			req, err := http.NewRequest("GET", values["server"]+"/nowhere", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+values["token"])
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if len(values["token"]) < 26 || resp.StatusCode != 404 {
				t.Errorf("with the token %d, want a superuser's 404", resp.StatusCode)
			}
			if ready, err := os.ReadFile("ready"); err != nil || !strings.Contains(string(ready), strconv.Quote(absolute("kc"))) {
				t.Errorf("the ready file does not name the kubeconfig by its whole path: %s %v", ready, err)
			}
			if r.err.has(values["token"]) || r.out.has(values["token"]) {
				t.Error("the token was printed")
			}
		})
	}
}

// TestUnwritableFiles: the start fails with the flag's name, and what was written already goes.
func TestUnwritableFiles(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none", "f")
	for name, args := range map[string][]string{
		"ready-file": {"--kubeconfig=" + filepath.Join(dir, "kc"), "--ready-file=" + none},
		"kubeconfig": {"--kubeconfig=" + none, "--ready-file=" + filepath.Join(dir, "ready")},
	} {
		r := launchProgram(t, nil, args...)
		if code := r.wait(); code != exitFailed || strings.Count(r.err.String(), "apichain: --"+name+": ") != 1 || !r.err.has(none) && !r.err.has(filepath.Dir(none)) {
			t.Errorf("%s: exit code %d, want 1 with its name:\n%s", name, code, r.err)
		}
		if r.signals.hasBeenReady.fired() || r.out.has("is ready") {
			t.Errorf("%s: ready was said", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: files %v are left", name, left)
		}
	}
}

// TestFilesOfAnother: a file that another process has written since is not removed; of
// two programs in one process that is told by the token and not by the process.
func TestFilesOfAnother(t *testing.T) {
	for name, c := range map[string]struct {
		ready, kubeconfig string // what stands there at exit; "": ours
		want              []string
	}{
		"ours":                {"", "", nil},
		"another's":           {`{"pid":1}`, "token: other", []string{"kc", "ready"}},
		"another's ready":     {`{"pid":1}`, "", []string{"ready"}},
		"another's token":     {"", "token: other", []string{"kc"}},
		"ready of us, edited": {`{"pid":` + strconv.Itoa(os.Getpid()) + `,"note":1}`, "", nil},
		"no JSON":             {"nonsense", "", []string{"ready"}},
	} {
		dir := t.TempDir()
		ready, kc := filepath.Join(dir, "ready"), filepath.Join(dir, "kc")
		r := startProgram(t, nil, "--ready-file="+ready, "--kubeconfig="+kc)
		for path, text := range map[string]string{ready: c.ready, kc: c.kubeconfig} {
			if text != "" {
				put(t, path, []byte(text))
			}
		}
		if code := r.stop(); code != exitDrained {
			t.Errorf("%s: exit code %d", name, code)
		}
		var left []string
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if !slices.Equal(left, c.want) {
			t.Errorf("%s: left %q, want %q", name, left, c.want)
		}
	}
}

// TestTryCommands: for every listener a command that can be pasted.
func TestTryCommands(t *testing.T) {
	for _, c := range []struct{ kubeconfig, role, network, address, want string }{
		{"", "http", "tcp", "127.0.0.1:80", "curl -s 'http://127.0.0.1:80/readyz?verbose'"},
		{"", "http", "unix", "unix:/s", "curl -s --unix-socket /s 'http://localhost/readyz?verbose'"},
		{"", "https", "tcp", "127.0.0.1:443", "curl -s -k https://127.0.0.1:443/version"},
		{"", "https", "unix", "unix:/s", "curl -s --unix-socket /s -k https://localhost/version"},
		{"kc", "https", "tcp", "127.0.0.1:443", "kubectl --kubeconfig kc get --raw /version"},
		{"kc", "https", "unix", "unix:/s", "curl -s --unix-socket /s -k https://localhost/version"},
		{"kc", "http", "tcp", "127.0.0.1:80", "curl -s 'http://127.0.0.1:80/readyz?verbose'"},
		{"", "admin", "tcp", "127.0.0.1:81", "curl -s -H 'Accept: text/plain' http://127.0.0.1:81/admin/v1/routes"},
		{"", "admin", "unix", "unix:/s", "curl -s --unix-socket /s -H 'Accept: text/plain' http://localhost/admin/v1/routes"},
		{"", "admin+tls", "tcp", "127.0.0.1:81", `curl -s -k -H "Authorization: Bearer $TOKEN" -H 'Accept: text/plain' https://127.0.0.1:81/admin/v1/routes`},
		{"kc", "admin+tls", "tcp", "0.0.0.0:81", "kubectl --kubeconfig kc --server https://127.0.0.1:81 get --raw /admin/v1/routes"},
	} {
		role, tls := strings.CutSuffix(c.role, "+tls")
		p := &program{opt: &options{files: filesOptions{kubeconfig: c.kubeconfig}}}
		if got := p.tryCommand(&listener{role: role, tls: tls || role == "https", network: c.network, address: c.address}); got != c.want {
			t.Errorf("%s on %s:\n got %s\nwant %s", c.role, c.address, got, c.want)
		}
	}
}
