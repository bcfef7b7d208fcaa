package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// copyProgram copies what the README says to copy: the root's files, admin and internal.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "go.mod") {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"admin", "internal"} {
		if err := os.CopyFS(filepath.Join(to, folder), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
}

// goOffline runs a Go command that must not need the network.
func goOffline(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local", "GOWORK=off")
	if len(args) > 1 && args[1] == "tidy" {
		cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestCopyAndExtend does what the README says about copying: its own extend.go is put
// in, built without a network, started and asked.
func TestCopyAndExtend(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no extend.go")
	}
	dir := t.TempDir()
	copyProgram(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "extend.go"), block[1], 0o600); err != nil {
		t.Fatal(err)
	}
	goOffline(t, dir, "vet", ".")
	goOffline(t, dir, "build", "-o", "extended", ".")
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(filepath.Join(dir, "extended"), "--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=unix:"+socket, "--ready-file="+filepath.Join(dir, "ready"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url, lines := "", bufio.NewReader(out)
	for url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		url = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(line)
	}
	for path, want := range map[string]string{"/whoami": "system:unsecured did get\n", "/greet/world": "hello world\n", "/readyz/warm": "ok", "/readyz/poststarthook/warm-up": "ok"} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != want {
			t.Errorf("%s: got %q, want %q", path, b, want)
		}
		if path == "/whoami" && resp.Header.Get("Warning") != `299 - "whoami is an example"` {
			t.Errorf("Warning: %q", resp.Header.Get("Warning"))
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, lines)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the stop: %v", err)
	}
}

// TestVendor does what the README says about vendoring, without a network.
func TestVendor(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "third_party", "apichain"), 0o700); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, filepath.Join(dir, "third_party", "apichain"))
	for name, text := range map[string]string{"go.mod": "module example.com/app\n\ngo 1.25\n", "app.go": "package app\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, section, _ := strings.Cut(string(readme), "## Vendor it")
	section, _, _ = strings.Cut(section, "\n## ")
	last, commands := "", 0
	for line := range strings.SplitSeq(section, "\n") {
		_, args, ok := strings.Cut(line, "go ")
		if !ok || !strings.HasPrefix(line, "    ") {
			continue
		}
		last = goOffline(t, dir, strings.Fields(args)...)
		commands++
	}
	if commands != 4 || !strings.HasPrefix(last, "apichain "+programVersion) {
		t.Errorf("%d commands, the last printed %q", commands, last)
	}
	if _, err := os.Stat(filepath.Join(dir, "vendor", "apichain", "admin")); err != nil {
		t.Error(err)
	}
}

// TestCommand: help, version, and everything that is wrong with the flags at once.
func TestCommand(t *testing.T) {
	run := func(args ...string) (int, string, string) {
		var out, errs strings.Builder
		code := command(args, &out, &errs)
		return code, out.String(), errs.String()
	}
	code, out, errs := run("--help")
	if code != 0 || errs != "" {
		t.Errorf("--help: %d %q", code, errs)
	}
	_, f := newOptions()
	for _, r := range f.All() {
		if !strings.Contains(out, "\n  --"+r.Name) || r.Usage == "" || r.Section == "" {
			t.Errorf("--help does not show --%s well", r.Name)
		}
	}
	for _, code := range []string{"  0  ", "  1  ", "  2  ", "  3  ", "  130  "} {
		if !strings.Contains(out, code) {
			t.Errorf("--help does not explain exit code %s", code)
		}
	}
	if code, out, _ := run("--version"); code != 0 || !strings.HasPrefix(out, "apichain "+programVersion+" (Kubernetes "+kubernetesVersion) {
		t.Errorf("--version: %d %q", code, out)
	}
	code, _, errs = run("--bogus", "1", "--request-timeout=abc", "--goaway-chance=3", "--listen-http=0.0.0.0:80", "--listen-https=nonsense", "--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA", "--tls-cert-file=x", "--logging-format=xml", "extra", "--anonymous-auth=maybe")
	for _, want := range []string{
		"--bogus: unknown flag", `--request-timeout: invalid value "abc"`, "--goaway-chance: must be from 0 to 0.02", "--listen-http: ", "--listen-https: ", "--tls-cipher-suites: ",
		"--tls-cert-file: needs --tls-private-key-file", "--logging-format: ", `"extra": unexpected argument`, `--anonymous-auth: invalid`, "see --help",
	} {
		if strings.Count(errs, want) != 1 {
			t.Errorf("wrong flags: want %q once in\n%s", want, errs)
		}
	}
	if code != exitFlags {
		t.Errorf("wrong flags: exit code %d, want 2", code)
	}
}

// TestStartFails: what can only be found at start is one line and exit code 1.
func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("nonsense: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := startProgram(t, nil)
	for name, c := range map[string]struct{ flag, want string }{
		"port":        {"--listen-http=" + strings.TrimPrefix(taken.urls("http")[0], "http://"), "is in use"},
		"certificate": {"--tls-cert-file=" + bad + " --tls-private-key-file=" + bad, bad},
		"client CA":   {"--client-ca-file=" + bad, bad},
		"policy":      {"--audit-policy-file=" + bad + " --audit-log-path=-", bad},
		"authority":   {"--aggregate=ext.example.com/v1=https://127.0.0.1:1,ca=" + bad, "--aggregate: ca: " + bad},
		"no file":     {"--aggregate=ext.example.com/v1=https://127.0.0.1:1,ca=" + bad + "0", bad + "0"},
		"admission":   {"--admission-control-config-file=" + bad, bad},
		"tokens":      {"--token-auth-file=" + filepath.Join(dir, "none"), "none"},
		"socket":      {"--listen-http=unix:" + bad, "is no socket"},
		"directory":   {"--listen-http=unix:" + filepath.Join(dir, "no", "s"), "no"},
	} {
		r := launchProgram(t, nil, strings.Fields(c.flag)...)
		if code := r.wait(); code != exitFailed {
			t.Errorf("%s: exit code %d, want 1", name, code)
		}
		if n := strings.Count(r.err.String(), "\n"); n != 1 || !strings.HasPrefix(r.err.String(), "apichain: ") || !r.err.has(c.want) {
			t.Errorf("%s: want one line with %q:\n%s", name, c.want, r.err)
		}
	}
}
