package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Programs that are killed, paused and started again. A process is one of them, in all of its lives: it has one command
// line, one log and, by steadyPort, one address. What is done to it comes from the goroutine that makes trouble
// while the test waits for clients, so nothing here ends the test.
//
//	          start              pause
//	not there ─────→ serving ←──────────→ paused
//	     ↑   kill, stop │      resume        │
//	     └──────────────┴────────────────────┘

// process is a program that a test starts, ends in several ways and starts again, with the same arguments
// and addresses. Its methods may be called from any goroutine and return errors instead of ending the test.
// It is ended when the test ends.
type process struct {
	path string
	args []string
	log  string // the file that its output goes to, of all its lives
	// ready is asked, each 5 ms, whether the program that was just started serves: nil is yes.
	ready func(ctx context.Context) error

	mu   sync.Mutex
	cmd  *exec.Cmd     // nil while it does not run
	gone chan struct{} // closed when cmd has ended
}

// newProcess returns a process that does not run yet, and that ends with the test at the latest.
func newProcess(t *testing.T, ready func(context.Context) error, path string, args ...string) *process {
	t.Helper()
	p := &process{path: path, args: args, log: filepath.Join(t.TempDir(), filepath.Base(path)+".log"), ready: ready}
	t.Cleanup(func() {
		_ = p.kill()
		if t.Failed() {
			t.Logf("%s: the end of its log:\n%s", filepath.Base(path), p.tail())
		}
	})
	return p
}

// launch starts the program and does not wait until it serves.
func (p *process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return errors.New("it runs already")
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	p.cmd, p.gone = cmd, gone
	return nil
}

// start starts the program and returns when it serves, or why it does not.
func (p *process) start() error {
	if err := p.launch(); err != nil {
		return err
	}
	return p.await()
}

// await returns when the program serves, or why it does not.
func (p *process) await() error {
	p.mu.Lock()
	gone := p.gone
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-gone:
			return fmt.Errorf("%s has ended:\n%s", filepath.Base(p.path), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w\n%s", filepath.Base(p.path), err, p.tail())
		case <-tick.C:
		}
	}
}

// kill ends the program as a failing machine does, and returns when it has ended.
func (p *process) kill() error { return p.end(syscall.SIGKILL) }

// stop asks the program to end, and returns when it has ended.
func (p *process) stop() error { return p.end(syscall.SIGTERM) }

func (p *process) end(how syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(how)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // one that is paused hears nothing but SIGKILL
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-p.gone:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.gone
		return fmt.Errorf("%s did not end within %v of %v", filepath.Base(p.path), patience, how)
	}
	p.cmd = nil
	return nil
}

// pause stops the program where it is, as a machine without time does, until resume.
func (p *process) pause() error { return p.signal(syscall.SIGSTOP) }

// resume lets a paused program go on.
func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New("it does not run")
	}
	return p.cmd.Process.Signal(s)
}

// pid is the number of the running program, or 0.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// tail is the end of the log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-1500):])
}

// writeKey writes a new private key.
func writeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// answers returns a check for newProcess: the URL is answered with 200, on a new connection, whoever answers.
func answers(url string) func(context.Context) error {
	asking := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		answer, err := asking.Do(req)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, answer.Status)
		}
		return nil
	}
}

// lastPort is where steadyPort goes on: no two processes of a run get the same port. Runs begin anywhere.
var lastPort = func() *atomic.Int32 {
	n := new(atomic.Int32)
	n.Store(rand.Int32N(15000))
	return n
}()

// steadyPort returns a port of loopback that nobody listens on, for programs that need to have the same one in all of
// their lives. It is below those that the system gives to connections, which would take it in between.
func steadyPort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 15000 + int(lastPort.Add(1))%15000
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no free port in 100 attempts")
	return 0
}
