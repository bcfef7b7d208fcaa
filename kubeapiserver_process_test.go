package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The built program under the name of kube-apiserver, as a process of its own.

// parentOf makes the test binary the parent of a program: the value is its command line, with a space between
// the words.
const parentOf = "APICHAIN_TEST_PARENT_OF"

// runChild starts a command line and waits for its end, or to be killed.
func runChild(line string) {
	words := strings.Fields(line)
	child := exec.Command(words[0], words[1:]...)
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return
	}
	_ = child.Wait()
}

// kubeAPIServerBinary is the built program under that name: a link to it.
func kubeAPIServerBinary(t testing.TB) string {
	t.Helper()
	builtBinary.Store(true)
	path, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "kube-apiserver")
	if err := os.Symlink(path, link); err != nil {
		t.Skip("no links here: ", err)
	}
	return link
}

// TestByName: a link is enough for the program to be another one.
func TestByName(t *testing.T) {
	out, err := exec.Command(kubeAPIServerBinary(t), "--version").CombinedOutput()
	if err != nil || string(out) != "Kubernetes "+kubernetesVersion+"\n" {
		t.Errorf("%q %v", out, err)
	}
	for path, upstream := range map[string]bool{"kube-apiserver": true, "/x/kube-apiserver": true, "a/kube-apiserver.exe": true, "apichain": false, "kube-apiserver2": false, "": false} {
		var stdout strings.Builder
		if commandOf(path)([]string{"--version"}, &stdout, io.Discard); strings.HasPrefix(stdout.String(), "Kubernetes") != upstream {
			t.Errorf("%q is %s", path, stdout.String())
		}
	}
}

// TestParentDeath: a server ends, in order, when the process that has started it is killed.
func TestParentDeath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process keeps its parent's number there")
	}
	dir, port := t.TempDir(), freePort(t)
	certs := filepath.Join(dir, "certs")
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), parentOf+"="+kubeAPIServerBinary(t)+" --bind-address=127.0.0.1 --secure-port="+port+" --cert-dir="+certs)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "is ready") {
		t.Fatalf("%q %v", line, err)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The server holds the pipe open, so this is its end.
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		ended <- err
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the server goes on a minute after its parent was killed")
	}
	_ = p.Wait()
}

// TestParallelStarts: many servers at once come up and go, on ports that somebody has just tried, and leave
// nothing behind but the pairs that they were asked to make.
func TestParallelStarts(t *testing.T) {
	binary, temp := kubeAPIServerBinary(t), t.TempDir()
	const many = 20
	// All held until the last is found, so that each is another one.
	var ports []string
	var held []net.Listener
	for range many {
		l := listenOn(t, "tcp", "127.0.0.1:0")
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports, held = append(ports, port), append(held, l)
	}
	for _, l := range held {
		l.Close()
	}
	var all sync.WaitGroup
	for i, port := range ports {
		dir := filepath.Join(temp, fmt.Sprint("certs", i))
		all.Go(func() {
			c := exec.Command(binary, "--bind-address=127.0.0.1", "--authorization-mode=RBAC", "--secure-port="+port, "--cert-dir="+dir, "--etcd-servers=http://127.0.0.1:1")
			c.Dir = temp
			c.Env = append(os.Environ(), "TMPDIR="+temp, storageVariable+"=memory")
			var stderr strings.Builder
			c.Stderr = &stderr
			if err := c.Start(); err != nil {
				t.Error(err)
				return
			}
			tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
			client := &http.Client{Transport: tr, Timeout: time.Minute}
			for deadline := time.Now().Add(time.Minute); ; {
				resp, err := client.Get("https://127.0.0.1:" + port + "/healthz")
				if err == nil {
					resp.Body.Close()
					if resp.StatusCode == 200 {
						break
					}
				}
				if time.Now().After(deadline) {
					t.Errorf("server %d is not healthy: %v", i, err)
					break
				}
			}
			_ = c.Process.Signal(syscall.SIGTERM)
			if err := c.Wait(); err != nil {
				t.Errorf("server %d: %v\n%s", i, err, stderr.String())
			}
		})
	}
	all.Wait()
	left, _ := filepath.Glob(temp + "/*")
	pairs, _ := filepath.Glob(temp + "/certs*/apiserver.*")
	if len(left) != many || len(pairs) != 2*many {
		t.Errorf("left behind: %q, of which pairs %d", left, len(pairs))
	}
}
