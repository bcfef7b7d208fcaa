package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestAcknowledgedAfterSync: the system's own account of what the program does with a write: it is written to the journal, the
// journal is synced, and after that has returned the answer is sent. Where it need not be synced this is seen as well.
func TestAcknowledgedAfterSync(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if runtime.GOOS != "linux" || err != nil {
		t.Skipf("NOT TESTED: that the answer comes after the sync, for want of strace: %v", err)
	}
	for name, sync := range map[string]bool{"always": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			seen, of, wrong := traced(t, strace, "--data-dir="+t.TempDir(), "--data-sync="+name)
			if sync && (seen < of || wrong != "") || !sync && wrong == "" {
				t.Errorf("%d of %d answers were seen in order; %s", seen, of, wrong)
			}
		})
	}
}

// traced traces a program that answers writes, and returns how many answers came after the sync of all of them.
func traced(t *testing.T, strace string, args ...string) (seen, of int, wrong string) {
	t.Helper()
	p := startProgram(t, args...)
	trace := filepath.Join(t.TempDir(), "trace")
	s := newProcess(t, nil, strace, "-f", "-y", "-s", "40", "-o", trace,
		"-e", "trace=write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync", "-p", fmt.Sprint(p.pid()))
	s.ready = func(context.Context) error {
		if !strings.Contains(s.tail(), "attached") {
			return errors.New("not attached")
		}
		return nil
	}
	if err := s.start(); err != nil {
		t.Skipf("NOT TESTED: that the answer comes after the sync, since strace may not look: %v", err)
	}
	a := p.ask("apichain")
	maps := "/api/v1/namespaces/default/configmaps"
	for i := range 20 {
		name := fmt.Sprint("traced-", i)
		for _, r := range []struct {
			method, path string
			body         any
		}{
			{"POST", maps, object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": name}}},
			{"PATCH", maps + "/" + name, object{"data": object{"a": "b"}}},
			{"DELETE", maps + "/" + name, nil},
		} {
			_, err := a.must(t.Context(), r.method, r.path, r.body)
			check(t, r.method, err)
			of++
		}
	}
	check(t, "the end of the trace", s.stop())
	b, err := os.ReadFile(trace)
	check(t, "trace", err)
	seen, wrong = inOrder(string(b))
	return seen, of, wrong
}

var (
	journalWrite = regexp.MustCompile(`^(\d+) +(?:write|writev|pwrite64)\(\d+<[^>]*\.journal>`)
	journalSync  = regexp.MustCompile(`^(\d+) +(?:fsync|fdatasync)\(\d+<[^>]*\.journal>(.*)`)
	syncReturns  = regexp.MustCompile(`^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>.* = 0`)
	answer       = regexp.MustCompile(`^\d+ +(?:write|writev|sendto|sendmsg)\(\d+<(?:TCP|socket)[^>]*>.*HTTP/1\.1 20[01]`)
)

// inOrder reads a trace of requests that were sent one after the other. It returns how many answers came each after a write to
// the journal and a sync that began after that and returned before, and the first one that did not.
func inOrder(trace string) (seen int, wrong string) {
	written, synced := false, false
	syncing := map[string]bool{} // by thread: whether the sync covers all that is written
	for _, line := range strings.Split(trace, "\n") {
		if m := journalWrite.FindStringSubmatch(line); m != nil {
			written, synced = true, false
			clear(syncing)
		} else if m := journalSync.FindStringSubmatch(line); m != nil {
			if strings.HasSuffix(m[2], "= 0") {
				synced = written
			} else {
				syncing[m[1]] = written
			}
		} else if m := syncReturns.FindStringSubmatch(line); m != nil {
			synced = synced || syncing[m[1]]
		} else if answer.MatchString(line) {
			if !written || !synced {
				return seen, fmt.Sprintf("written: %v, synced: %v: %s", written, synced, line)
			}
			seen++
			written, synced = false, false
		}
	}
	return seen, ""
}

// TestInOrder: traces that are not in order are found out.
func TestInOrder(t *testing.T) {
	const write, sync = "1 write(7</d/1.journal>, \"x\", 1) = 1\n", "2 fsync(7</d/1.journal>) = 0\n"
	const reply = "3 write(9<TCP:[a->b]>, \"HTTP/1.1 201 Created\\r\\n\", 9) = 9\n"
	const begins, ends = "2 fsync(7</d/1.journal> <unfinished ...>\n", "2 <... fsync resumed>) = 0\n"
	for trace, want := range map[string]int{
		write + sync + reply:                              1,
		write + begins + ends + reply:                     1,
		write + sync + reply + write + sync + reply:       2,
		write + reply + sync:                              0,
		sync + write + reply:                              0,
		write + begins + reply + ends:                     0,
		begins + write + ends + reply:                     0,
		write + sync + write + reply:                      0,
		write + sync + reply + reply:                      1,
		write + "2 fsync(7</d/1.journal>) = -1\n" + reply: 0,
	} {
		seen, wrong := inOrder(trace)
		if seen != want || (wrong == "") != (strings.Count(trace, "HTTP") == want) {
			t.Errorf("%d in order, want %d; %q in\n%s", seen, want, wrong, trace)
		}
	}
}
