package envtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestSeveralAtOnce: twenty processes may make a folder together, of which another build's files are in
// use: each file is always there and always whole, and nothing else is left.
func TestSeveralAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	// Large enough that writing takes more than one step.
	old, now := []byte(strings.Repeat(build(1), 5000)), []byte(strings.Repeat(build(2), 5000))
	if _, err := fill(dir, old, ""); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var reading, filling sync.WaitGroup
	for _, name := range []string{apiServer, etcd, kubectl} {
		reading.Go(func() {
			for {
				b, err := os.ReadFile(filepath.Join(dir, fileName(name)))
				if err != nil || !bytes.Equal(b, old) && !bytes.Equal(b, now) {
					t.Errorf("%s is no whole program: %d bytes, %v", name, len(b), err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for range 20 {
		filling.Go(func() {
			for range 2 {
				if _, err := fill(dir, now, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	filling.Wait()
	close(done)
	reading.Wait()
	holds(t, dir, map[string]string{apiServer: string(now), etcd: string(now), kubectl: string(now)})
}

// TestNewFolderAtOnce: the same where nothing is there yet.
func TestNewFolderAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	var filling sync.WaitGroup
	for range 20 {
		filling.Go(func() {
			if _, err := fill(dir, []byte(build(1)), ""); err != nil {
				t.Error(err)
			}
			// What fill returned for is there.
			for _, name := range []string{apiServer, etcd, kubectl} {
				if b, err := os.ReadFile(filepath.Join(dir, fileName(name))); err != nil || string(b) != build(1) {
					t.Errorf("%s: %q %v", name, b, err)
				}
			}
		})
	}
	filling.Wait()
	holds(t, dir, all(1))
}

// TestLook: each state that a file can be in.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	put(t, path("this"), build(1))
	put(t, path("that"), build(2))
	put(t, path("other"), "other")
	put(t, path("plain"), build(1))
	if err := os.Chmod(path("plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"to this": "this", "to that": "that", "to other": "other", "to none": "none",
		"to folder": "folder"} {
		if err := os.Symlink(to, path(name)); err != nil {
			t.Skip("no symbolic links here")
		}
	}
	for name, want := range map[string]int{
		"none": absent, "this": current, "that": older, "other": foreign, "plain": older, "folder": foreign,
		"to this": current, "to that": older, "to other": foreign, "to none": older, "to folder": foreign,
	} {
		if got, err := look(path(name), []byte(build(1))); err != nil || got != want {
			t.Errorf("%s: %d %v, want %d", name, got, err, want)
		}
	}
	if _, err := look(filepath.Join(path("this"), "below"), nil); err == nil {
		t.Error("a path through a file is no error")
	}
}

// TestMark: the mark is in the files that the Go tool builds of this package.
func TestMark(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !ours(b) || ours([]byte(fmt.Sprint("apichain", "/internal/envtest"))) {
		t.Error("a build is not told from other programs")
	}
}

// TestPlace: a file appears whole or not at all, and what was there stays where making it fails.
func TestPlace(t *testing.T) {
	work, dir := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "program")
	put(t, path, "old")
	broken := errors.New("half way")
	err := place(work, path, func(p string) error {
		put(t, p, "ha")
		return broken
	})
	if b, _ := os.ReadFile(path); !errors.Is(err, broken) || string(b) != "old" {
		t.Errorf("%v, and %q is there", err, b)
	}
	if err := place(work, path, func(p string) error { return write(p, []byte("new")) }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if b, _ := os.ReadFile(path); err != nil || string(b) != "new" || !executable(info) {
		t.Errorf("%v, and %q is there", err, b)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestFillFails: a folder that cannot be made or filled is an error, and nothing of the attempt stays.
func TestFillFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	put(t, file, "text")
	for _, below := range []string{file, filepath.Join(file, "below")} {
		if notes, err := fill(below, []byte(build(1)), ""); err == nil || notes != nil {
			t.Errorf("%s: %v %v", below, notes, err)
		}
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, fileName(apiServer)), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := fill(taken, []byte(build(1)), ""); err == nil ||
		!strings.HasSuffix(err.Error(), "is another program, and would be replaced: name another folder") {
		t.Errorf("a folder in the place of the server: %v", err)
	}
	if left, err := os.ReadDir(taken); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestRealKubectl: which kubectl of a PATH is linked.
func TestRealKubectl(t *testing.T) {
	folders := t.TempDir()
	in := func(name string) string { return filepath.Join(folders, name) }
	for name, content := range map[string]string{"stand-in": build(3), "first": "one", "second": "two", "plain": "no program"} {
		if err := os.Mkdir(in(name), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(in(name), fileName(kubectl)), content)
	}
	if err := os.Chmod(filepath.Join(in("plain"), fileName(kubectl)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(in("folder"), fileName(kubectl)), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                     "",
		"none":                 "",
		"stand-in":             "",
		"folder":               "",
		"first second":         "first",
		"second first":         "second",
		"none stand-in second": "second",
		"folder first":         "first",
	} {
		var list []string
		for _, name := range strings.Fields(path) {
			list = append(list, in(name))
		}
		if want != "" {
			want = filepath.Join(in(want), fileName(kubectl))
		}
		if got := realKubectl(strings.Join(list, string(filepath.ListSeparator))); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	if got := realKubectl(in("plain")); got != "" && runtime.GOOS != "windows" {
		t.Errorf("one that may not be run: %s", got)
	}
}
