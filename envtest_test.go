package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestNames: under each name the program is the one that is called so, whatever the folder and the
// system's ending.
func TestNames(t *testing.T) {
	for _, c := range []struct{ path, args, want string }{
		{"etcd", "--version", `^etcd Version: 3\.`},
		{"/a/b/etcd.exe", "-version", `^etcd Version: 3\.`},
		{"./kubectl", "version --client", `^Client Version: v1\.`},
		{"kube-apiserver", "--version", `^Kubernetes v1\.`},
		{"apichain", "--version", `^apichain v`},
		{"my-etcd", "--version", `^apichain v`},
		{"", "--version", `^apichain v`},
	} {
		var out, errs strings.Builder
		code := commandOf(c.path)(strings.Fields(c.args), &out, &errs)
		if code != 0 || errs.Len() > 0 || !regexp.MustCompile(c.want).MatchString(out.String()) {
			t.Errorf("%q %s: code %d, %q, stderr %q", c.path, c.args, code, out.String(), errs.String())
		}
	}
}

// TestEtcdSignals: under the name etcd each of the two signals ends the program with 0.
func TestEtcdSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		out, in := io.Pipe()
		code := make(chan int, 1)
		go func() {
			code <- commandOf("etcd")([]string{"--listen-client-urls=http://127.0.0.1:0"}, in, in)
			in.Close()
		}()
		var last string
		for log := bufio.NewScanner(out); log.Scan(); {
			// It is heard from before the first line on.
			if last = log.Text(); strings.Contains(last, "ready to serve client requests") {
				if err := syscall.Kill(os.Getpid(), s); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := <-code; got != 0 || !strings.Contains(last, "stopping") || !strings.Contains(last, s.String()) {
			t.Errorf("%v: code %d, %s", s, got, last)
		}
	}
}

// TestEnvtestCommand: the subcommand copies the program that runs.
func TestEnvtestCommand(t *testing.T) {
	t.Setenv("PATH", "")
	dir := filepath.Join(t.TempDir(), "a")
	var out, errs strings.Builder
	if code := command([]string{"envtest", dir}, &out, &errs); code != 0 || out.String() != dir+"\n" || errs.Len() > 0 {
		t.Fatalf("code %d, %q, stderr %q", code, out.String(), errs.String())
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kube-apiserver", "etcd", "kubectl"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != string(self) {
			t.Errorf("%s is no copy: %v", name, err)
		}
	}
	if code := command([]string{"envtest", "--bogus"}, &out, &errs); code != exitFlags {
		t.Errorf("wrong usage is code %d", code)
	}
}
