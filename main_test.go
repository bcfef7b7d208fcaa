package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestCommandCodes: what command prints where, and its code, when it ends before it serves.
func TestCommandCodes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "none")
	quiet := []string{"--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=off"}
	for name, c := range map[string]struct {
		args     []string
		code     int
		out, err string // beginnings; "": nothing
	}{
		"help":             {[]string{"--help"}, exitDrained, "apichain is a Kubernetes-style API server in one program.\n\nWithout flags", ""},
		"help though":      {[]string{"--v=99", "-h"}, exitDrained, "apichain is a Kubernetes-style", ""},
		"version":          {[]string{"--version"}, exitDrained, "apichain " + programVersion + " (Kubernetes " + kubernetesVersion + ", " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n", ""},
		"version, not":     {append([]string{"--version=false", "--token-auth-file=" + bad}, quiet...), exitFailed, "", "apichain: --"},
		"version, wrong":   {[]string{"--version", "--v=99"}, exitFlags, "", "apichain: --v: must be from 0 to 10, is 99\napichain: see --help\n"},
		"two are wrong":    {[]string{"--bogus", "--v=99"}, exitFlags, "", "apichain: --bogus: unknown flag\napichain: --v: must be from 0 to 10, is 99\napichain: see --help\n"},
		"a word too many":  {[]string{"start"}, exitFlags, "", "apichain: \"start\": unexpected argument\napichain: see --help\n"},
		"a file is absent": {append([]string{"--client-ca-file=" + bad}, quiet...), exitFailed, "", "apichain: --"},
	} {
		var out, errs strings.Builder
		code := command(c.args, &out, &errs)
		if code != c.code || !strings.HasPrefix(out.String(), c.out) || !strings.HasPrefix(errs.String(), c.err) || (c.out == "") != (out.Len() == 0) || (c.err == "") != (errs.Len() == 0) {
			t.Errorf("%s: code %d, want %d\nstdout %q, want %q\nstderr %q, want %q", name, code, c.code, out.String(), c.out, errs.String(), c.err)
		}
		if c.code == exitFlags && errs.String() != c.err {
			t.Errorf("%s: stderr %q, want %q", name, errs.String(), c.err)
		}
		if c.code == exitFailed && (strings.Count(errs.String(), "\n") != 1 || !strings.Contains(errs.String(), bad)) {
			t.Errorf("%s: want one line that names %s:\n%s", name, bad, errs.String())
		}
	}
}

// TestCommandServes: command hears the signals of the operating system: SIGHUP reads the
// certificates again, SIGTERM and SIGINT drain.
func TestCommandServes(t *testing.T) {
	dir := t.TempDir()
	for _, stop := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		out, in := io.Pipe()
		errs := &lines{}
		code := make(chan int, 1)
		go func() {
			code <- command([]string{"--listen-http=unix:" + filepath.Join(dir, "s"), "--listen-https=off", "--listen-admin=off", "--cert-dir=" + filepath.Join(dir, "certs"), "--ready-file=" + filepath.Join(dir, "ready")}, in, errs)
			in.Close()
		}()
		first := make([]byte, 9)
		if _, err := io.ReadFull(out, first); err != nil || string(first) != "apichain " {
			t.Fatalf("stdout begins with %q, %v\n%s", first, err, errs)
		}
		rest := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(out)
			rest <- string(b)
		}()
		self := os.Getpid()
		if err := syscall.Kill(self, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(self, stop); err != nil {
			t.Fatal(err)
		}
		if got := await(t, "the exit", code); got != exitDrained {
			t.Errorf("%v: exit code %d, want 0:\n%s", stop, got, errs)
		}
		if text := await(t, "stdout", rest); !strings.Contains(text, " is ready after ") || !strings.Contains(text, "  http   unix:"+filepath.Join(dir, "s")) {
			t.Errorf("stdout %q", text)
		}
		if _, err := os.Stat(filepath.Join(dir, "ready")); !os.IsNotExist(err) {
			t.Errorf("the ready file is left: %v", err)
		}
	}
}

// TestExitCodes: the codes that a shell sees of the built program are those of --help.
func TestExitCodes(t *testing.T) {
	builtBinary.Store(true)
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want int
	}{
		{"--help", 0},
		{"--version", 0},
		{"--bogus", 2},
		{"--=", 2},
		{"--tls-cipher-suites=TLS_AES_128_GCM_SHA256", 2},
		{"--listen-http=127.0.0.1:0 --listen-https=off --listen-admin=off --audit-policy-file=none --audit-log-path=-", 1},
		{"--listen-http=unix:none/s --listen-https=off --listen-admin=off", 1},
	} {
		cmd := exec.Command(path, strings.Fields(c.args)...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.want || len(out) == 0 {
			t.Errorf("%s: exit code %d, want %d:\n%s", c.args, got, c.want, out)
		}
	}
	var text strings.Builder
	_, f := newOptions()
	help(&text, f)
	for _, line := range []string{"\nSignals:\n  SIGTERM, SIGINT  drain", "  SIGHUP ", "\n  0    drained", "\n  1    start-up failed, a hook did, or the storage could not be closed\n", "\n  2    wrong flags", "\n  3    the stop ran out of --shutdown-timeout", "\n  130  a second signal\n"} {
		if strings.Count(text.String(), line) != 1 {
			t.Errorf("--help: want %q once", line)
		}
	}
}
