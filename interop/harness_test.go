// Package interop tests the built program with clients and peers that are not ours.
package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// build is a Go command's binary, built once.
func build(dir, pkg, name string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(binaries(), name)
		args := append([]string{"build", "-o", path}, flags...)
		cmd := exec.Command("go", append(args, pkg)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
		return path, nil
	})
}

var binaries = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		panic(err)
	}
	return dir
})

const kubernetesVersion = "v1.37.2"

var (
	apichain = build("..", ".", "apichain")
	kubectl  = build(".", "./kubectl", "kubectl",
		"-ldflags=-X k8s.io/component-base/version.gitVersion="+kubernetesVersion+" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37")
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		if err := child(what, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	_ = os.RemoveAll(binaries())
	os.Exit(code)
}

// server is the program, running on free ports.
type server struct {
	PID        int      `json:"pid"`
	HTTP       []string `json:"http"`
	HTTPS      []string `json:"https"`
	Admin      []string `json:"admin"`
	Kubeconfig string   `json:"kubeconfig"`

	// stop drains the server before the test ends. A second call does nothing.
	stop func()
}

// start runs the program until the test ends, when it must drain with exit code 0.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	path, err := apichain()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready.json")
	cmd := exec.Command(path, append([]string{"--listen-http=127.0.0.1:0", "--listen-https=127.0.0.1:0", "--listen-admin=127.0.0.1:0",
		"--ready-file=" + ready, "--kubeconfig=" + filepath.Join(dir, "kubeconfig")}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server did not drain: %v\n%s", err, stderr.String())
		}
	})
	t.Cleanup(stop)
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil {
		t.Fatalf("not ready: %q %v\n%s", line, err, stderr.String())
	}
	go io.Copy(io.Discard, r)
	s := &server{stop: stop}
	b, err := os.ReadFile(ready)
	if err == nil {
		err = json.Unmarshal(b, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
