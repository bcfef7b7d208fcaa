package interop

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for something that the server does by itself.
const patience = 30 * time.Second

// kube runs kubectl against one server, with a home and so a discovery cache of its own.
type kube struct {
	path, dir, kubeconfig string
}

func newKube(t *testing.T, s *server) *kube {
	t.Helper()
	path, err := kubectl()
	if err != nil {
		t.Fatal(err)
	}
	return &kube{path: path, dir: t.TempDir(), kubeconfig: s.Kubeconfig}
}

// call is one command and what must come of it.
type call struct {
	args  string // as a shell would split them, with single quotes; $DIR is the directory
	stdin string
	code  int
	// want has a line for each text that the output (both streams, blanks folded) must
	// have; with "!" in front, must not have.
	want string
}

// run does the calls one after another; each must end as it says.
func (k *kube) run(t *testing.T, calls ...call) {
	t.Helper()
	for _, c := range calls {
		out, code := k.output(t, c.args, c.stdin)
		if code != c.code {
			t.Errorf("kubectl %s: exit code %d, want %d\n%s", c.args, code, c.code, out)
			continue
		}
		for _, want := range strings.Split(c.want, "\n") {
			text, absent := strings.CutPrefix(want, "!")
			if strings.Contains(folded(out), text) == absent {
				t.Errorf("kubectl %s: want %q in\n%s", c.args, want, out)
			}
		}
	}
}

// output is what one command printed on both streams, and its exit code.
func (k *kube) output(t *testing.T, args, stdin string) (string, int) {
	t.Helper()
	cmd := k.command(args)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("kubectl %s: %v", args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must is the trimmed output of a command that has to succeed.
func (k *kube) must(t *testing.T, args, stdin string) string {
	t.Helper()
	out, code := k.output(t, args, stdin)
	if code != 0 {
		t.Fatalf("kubectl %s: exit code %d\n%s", args, code, out)
	}
	return strings.TrimSpace(out)
}

func (k *kube) command(args string) *exec.Cmd {
	cmd := exec.Command(k.path, words(strings.ReplaceAll(args, "$DIR", k.dir))...)
	cmd.Dir = k.dir
	// The editor is for `edit`: it changes a marked value.
	cmd.Env = []string{"HOME=" + k.dir, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + k.kubeconfig, "KUBE_EDITOR=sed -i s/before/after/"}
	return cmd
}

// write puts a file into the directory.
func (k *kube) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// forget drops the discovery cache, as hours would.
func (k *kube) forget(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(k.dir, ".kube")); err != nil {
		t.Fatal(err)
	}
}

// follower is a command that goes on printing.
type follower struct {
	lines  chan string
	stderr *bytes.Buffer
	args   string
}

// follow starts a command that watches and ends with the test.
func (k *kube) follow(t *testing.T, args string) *follower {
	t.Helper()
	cmd := k.command(args)
	f := &follower{lines: make(chan string, 1000), stderr: new(bytes.Buffer), args: args}
	cmd.Stderr = f.stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(f.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			f.lines <- folded(s.Text())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	return f
}

// expect reads a line for each pattern, which must match it whole.
func (f *follower) expect(t *testing.T, patterns ...string) {
	t.Helper()
	timeout := time.After(patience)
	for _, p := range patterns {
		select {
		case line, ok := <-f.lines:
			if !ok {
				t.Fatalf("kubectl %s ended, want %q", f.args, p)
			}
			if !regexp.MustCompile("^" + p + "$").MatchString(line) {
				t.Fatalf("kubectl %s: printed %q, want %q", f.args, line, p)
			}
		case <-timeout:
			t.Fatalf("kubectl %s: printed nothing, want %q", f.args, p)
		}
	}
}

var errUnseen = errors.New("not seen yet")

// testdata is the path of a file of ours.
func testdata(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var blanks = regexp.MustCompile(`[ \t]+`)

// folded is s with each run of blanks made one and none at the ends of lines.
func folded(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(blanks.ReplaceAllString(l, " "))
	}
	return strings.Join(lines, "\n")
}

var word = regexp.MustCompile(`(?:[^\s']|'[^']*')+`)

// words splits as a shell does, with single quotes and nothing else.
func words(s string) []string {
	list := word.FindAllString(s, -1)
	for i, w := range list {
		list[i] = strings.ReplaceAll(w, "'", "")
	}
	return list
}

// eventually polls until check has no error. It is for what a client cannot be told of.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}
