package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestWrite: a file is there whole or not at all, for its owner alone, and nothing
// is left beside it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("old"), []byte("a longer content than the new one"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path("folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("target"), []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", path("link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		err  error
	}{
		{"new", nil},
		{"old", nil},
		{"link", nil},
		{"folder", fs.ErrExist},
		{"none/file", fs.ErrNotExist},
		{"target/file", errors.New("not a directory")},
	} {
		err := Write(path(c.name), []byte("content"))
		if c.err != nil {
			if err == nil || !errors.Is(err, c.err) && !strings.Contains(err.Error(), c.err.Error()) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.err)
			}
			continue
		}
		b, readErr := os.ReadFile(path(c.name))
		info, statErr := os.Lstat(path(c.name))
		if err != nil || readErr != nil || statErr != nil || string(b) != "content" || info.Mode() != 0o600 {
			t.Errorf("%s: %v %v %v, %q with %v, want the content in a file of mode 0600", c.name, err, readErr, statErr, b, info.Mode())
		}
	}
	if b, _ := os.ReadFile(path("target")); string(b) != "kept" {
		t.Errorf("a link was followed: its target holds %q", b)
	}
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"folder", "link", "new", "old", "target"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}

// TestWriteWhileRead: who reads while it is written again sees one content or the other.
func TestWriteWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	contents := []string{strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<10)}
	if err := Write(path, []byte(contents[0])); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	done := make(chan struct{})
	writer.Go(func() {
		defer close(done)
		for i := range 200 {
			if err := Write(path, []byte(contents[i%2])); err != nil {
				t.Error(err)
			}
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		if b, err := os.ReadFile(path); err != nil || !slices.Contains(contents, string(b)) {
			t.Fatalf("read %d bytes, %v", len(b), err)
		}
	}
	writer.Wait()
}
