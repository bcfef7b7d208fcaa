package kubeflags

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// line is the first line of a flag's help, as drivers search for it.
func line(name string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s+(-., )?--` + regexp.QuoteMeta(name) + `( [a-z]+)?$`)
}

// TestHelpLists: each flag that is not hidden, once, behind the title of its section and in the order of
// the table; no other.
func TestHelpLists(t *testing.T) {
	table := Load()
	var b strings.Builder
	table.WriteHelp(&b, func(string) string { return "what it does" })
	help, at, section := b.String(), 0, ""
	for _, f := range table.All() {
		found := line(f.Name).FindAllStringIndex(help, -1)
		if f.Section == Hidden {
			if len(found) > 0 {
				t.Errorf("--%s is hidden", f.Name)
			}
			continue
		}
		if len(found) != 1 || found[0][0] < at {
			t.Errorf("--%s stands %d times, or before the flag above it", f.Name, len(found))
			continue
		}
		if title := "\n" + f.Section + " flags:\n"; section != f.Section && !strings.Contains(help[at:found[0][0]], title) {
			t.Errorf("--%s: no title %q above it", f.Name, title)
		}
		at, section = found[0][1], f.Section
		if next, _, _ := strings.Cut(help[at+1:], "\n"); strings.TrimSpace(next) == "" || !strings.HasPrefix(next, "    ") {
			t.Errorf("--%s: nothing is said of it: %q", f.Name, next)
		}
	}
	// etcd's drivers and kube-apiserver's ask whether these are flags, and use what they find.
	for _, gone := range []string{"insecure-port", "insecure-bind-address", "kubelet-port"} {
		if strings.Contains(help, gone) {
			t.Errorf("help has %s", gone)
		}
	}
}

// TestHelpText: the form of each line, by type, and what is said for each action.
func TestHelpText(t *testing.T) {
	table, err := parse(`section First
v level taken
help bool start print this and exit
a bool taken
b string unused
c map refused nothing of it: use d
section Hidden
d int taken
section Apichain
e gates moot`)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var asked []string
	table.WriteHelp(&b, func(name string) string {
		asked = append(asked, name)
		return "about " + name
	})
	const want = `
First flags:

  -v, --v level
                about v
  -h, --help
                print this and exit
      --a
                about a
      --b string
                read and without effect
      --c map
                refused: nothing of it: use d

Apichain flags:

      --e gates
                read; there is nothing here that it could change
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
	// Only who takes a flag knows what it does.
	if got := strings.Join(asked, " "); got != "v a" {
		t.Errorf("asked about %s", got)
	}
}

// broken is a stream that nobody reads.
type broken struct{ writes int }

// Write fails.
func (b *broken) Write([]byte) (int, error) {
	b.writes++
	return 0, errors.New("gone")
}

// TestHelpNowhere: a stream that fails is the caller's business, who sees it there.
func TestHelpNowhere(t *testing.T) {
	var b broken
	Load().WriteHelp(&b, func(string) string { return "" })
	if b.writes == 0 {
		t.Error("nothing was written")
	}
}
