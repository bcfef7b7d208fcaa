//go:build linux

package journal

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The calls that the operating system gets: of each commit a write to the journal, a flush of it, and only then the
// acknowledgement. The flush of the folder is before the first of them. It is skipped where strace cannot run.
func TestOrderOfSystemCalls(t *testing.T) {
	if dir := os.Getenv("JOURNAL_TEST_TRACED"); dir != "" {
		// This is the process that is traced.
		s := storeOf(t, opened(t, dir, Options{}))
		for i := range 3 {
			put(t, s, "things", "a", fmt.Sprint(i))
			fmt.Fprintln(os.Stderr, "acknowledged", i)
		}
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	out := filepath.Join(t.TempDir(), "calls")
	c := exec.Command(strace, "-f", "-y", "-qq", "-e", "trace=write,fsync,fdatasync,rename,renameat,renameat2", "-o", out,
		os.Args[0], "-test.run=^TestOrderOfSystemCalls$")
	c.Env = append(os.Environ(), "JOURNAL_TEST_TRACED="+dir)
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Run(); err != nil {
		if strings.Contains(said.String(), "ptrace") {
			t.Skip(said.String())
		}
		t.Fatal(err, said.String())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// A call that another thread has interrupted has its end on a line of its own: what counts is where it ended.
	var got []string
	begun := map[string]string{}
	call := regexp.MustCompile(`^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\((.*))`)
	for line := range strings.Lines(string(text)) {
		m := call.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		name, args := m[3], m[4]
		if strings.HasSuffix(args, "<unfinished ...>") {
			begun[m[1]] = args
			continue
		}
		if m[2] != "" {
			name, args = m[2], begun[m[1]]
		}
		switch {
		case strings.Contains(args, `"acknowledged `):
			got = append(got, "acknowledge")
		case name == "write" && strings.Contains(args, journalName(1)):
			got = append(got, "write")
		case strings.Contains(name, "sync") && strings.Contains(args, journalName(1)):
			got = append(got, "flush")
		case strings.Contains(name, "sync") && strings.Contains(args, "<"+dir+">"):
			got = append(got, "folder")
		case strings.Contains(name, "rename"):
			got = append(got, "rename")
		}
	}
	// The empty snapshot, the first journal, and the commits.
	want := "rename folder rename flush folder" + strings.Repeat(" write flush acknowledge", 3)
	if strings.Join(got, " ") != want {
		t.Errorf("the calls are\n%s\nnot\n%s\nof\n%s", strings.Join(got, " "), want, text)
	}
}
