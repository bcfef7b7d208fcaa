package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// buildBinary is the program as a user would build it, once for all tests.
var buildBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "apichain")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "apichain")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// TestMain removes the binary when all tests have run. As the peer of a benchmark the
// test binary is a server itself, and as the parent of a server it is a process that can be killed.
func TestMain(m *testing.M) {
	if os.Getenv(bareServer) != "" {
		serveBare()
		return
	}
	if line := os.Getenv(parentOf); line != "" {
		runChild(line)
		return
	}
	code := m.Run()
	if builtBinary.Load() {
		if path, err := buildBinary(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

var builtBinary atomic.Bool

// process is the built program, running.
type process struct {
	*exec.Cmd
	t      testing.TB
	ready  readyFile
	stdout *bufio.Reader
	stderr *lines
	waited bool
}

// startProcess runs the built program and returns when it says that it is ready.
func startProcess(t testing.TB, files []*os.File, env []string, args ...string) *process {
	t.Helper()
	builtBinary.Store(true)
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(t.TempDir(), "ready.json")
	p := &process{Cmd: exec.Command(path, append(args, "--ready-file="+ready)...), t: t, stderr: &lines{}}
	p.ExtraFiles, p.Env, p.Stderr = files, append(os.Environ(), env...), p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.waited {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	p.stdout = bufio.NewReader(out)
	if line, err := p.stdout.ReadString('\n'); err != nil || !strings.Contains(line, "is ready") {
		t.Fatalf("first line %q, %v\n%s", line, err, p.stderr)
	}
	go io.Copy(io.Discard, p.stdout)
	b, err := os.ReadFile(ready)
	if err == nil {
		err = json.Unmarshal(b, &p.ready)
	}
	if err != nil {
		t.Fatalf("ready file: %v", err)
	}
	return p
}

// end sends SIGTERM and waits for the exit code.
func (p *process) end() int {
	p.t.Helper()
	p.waited = true
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// inheritable is a socket that listens, with its address, for a process to inherit; it closes with the
// test.
func inheritable(t testing.TB) (address string, socket *os.File) {
	t.Helper()
	l := listenOn(t, "tcp", "127.0.0.1:0")
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return l.Addr().String(), socket
}

// TestTakeover: a second process takes the sockets over under load, and no request
// fails: not one is refused, cut or sent away.
func TestTakeover(t *testing.T) {
	address, socket := inheritable(t)
	env := []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=http"}
	args := []string{"--listen-https=off", "--listen-admin=off"}
	first := startProcess(t, []*os.File{socket}, env, args...)
	url := "http://" + address + "/version"
	if len(first.ready.HTTP) != 1 || first.ready.HTTP[0]+"/version" != url {
		t.Fatalf("addresses %q, want the inherited %s", first.ready.HTTP, url)
	}

	ctx, stopLoad := context.WithTimeout(context.Background(), 30*time.Second)
	defer stopLoad()
	var served atomic.Int64
	var failures sync.Map
	var load sync.WaitGroup
	for worker := range 8 {
		load.Go(func() {
			tr := &http.Transport{DisableKeepAlives: worker%2 == 1}
			defer tr.CloseIdleConnections()
			c := &http.Client{Transport: tr}
			for ctx.Err() == nil {
				resp, err := c.Post(url, "application/json", strings.NewReader("{}")) // not retried by the client
				if err != nil {
					failures.Store(err.Error(), true)
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusMethodNotAllowed {
					failures.Store(resp.Status, true)
				}
				served.Add(1)
			}
		})
	}
	atLeast := func(n int64) {
		for target := served.Load() + n; served.Load() < target && ctx.Err() == nil; {
			conn, err := net.Dial("tcp", address) // a turn for the others, and a spare connection for the server
			if err == nil {
				conn.Close()
			}
		}
	}
	atLeast(500)
	for range 3 {
		second := startProcess(t, []*os.File{socket}, env, args...)
		atLeast(200)
		if code := first.end(); code != exitDrained {
			t.Errorf("exit code %d, want 0:\n%s", code, first.stderr)
		}
		atLeast(200)
		first = second
	}
	stopLoad()
	load.Wait()
	if code := first.end(); code != exitDrained {
		t.Errorf("exit code %d, want 0:\n%s", code, first.stderr)
	}
	failures.Range(func(k, _ any) bool {
		t.Errorf("a request failed: %v", k)
		return true
	})
	t.Logf("%d requests over three takeovers", served.Load())
}

// TestInheritedSockets: whose a socket is, and what is wrong with one.
func TestInheritedSockets(t *testing.T) {
	env := func(m map[string]string) func(string) string { return func(k string) string { return m[k] } }
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"none":        {nil, ""},
		"another pid": {map[string]string{"LISTEN_FDS": "1", "LISTEN_PID": "1"}, ""},
		"no number":   {map[string]string{"LISTEN_FDS": "x"}, "is no number of sockets"},
		"negative":    {map[string]string{"LISTEN_FDS": "-1"}, "is no number of sockets"},
	} {
		got, err := inheritedSockets(env(c.env), 2, os.NewFile)
		if len(got) != 0 || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v %v, want %q", name, got, err, c.want)
		}
	}
	address, socket := inheritable(t)
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	builtBinary.Store(true)
	cmd := exec.Command(path, "--listen-http=127.0.0.1:0", "--listen-https=off", "--listen-admin=off")
	cmd.ExtraFiles, cmd.Env = []*os.File{socket}, append(os.Environ(), "LISTEN_FDS=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), "is for no listener") {
		t.Errorf("a socket that nobody claims: %v %s", err, out)
	}
	byAddress := startProcess(t, []*os.File{socket}, []string{"LISTEN_FDS=1"}, "--listen-http="+address, "--listen-https=off", "--listen-admin=off")
	if got := byAddress.ready.HTTP; len(got) != 1 || got[0] != "http://"+address {
		t.Errorf("claimed by its address: %q", got)
	}
	if code := byAddress.end(); code != exitDrained {
		t.Errorf("exit code %d", code)
	}
}
