package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"apichain/internal/store"
)

// contentsOf returns all files of a folder but the lock, by name.
func contentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != "lock" {
			all[e.Name()] = string(text)
		}
	}
	return all
}

// TestReadOnly: a folder that is only read shows what another reader would, its torn end apart, takes no commit, and is
// byte for byte what it was.
func TestReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := Open(dir, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	j, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Window{Events: 100, Bytes: 1 << 20})
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		d := store.Encode(map[string]any{"metadata": map[string]any{"name": key}}, nil)
		if _, err := s.Commit(t.Context(), store.Change{Bucket: s.Bucket("things"), Key: key, Next: &d}); err != nil {
			t.Fatal(err)
		}
	}
	rev := s.Revision()
	// Without its closing record, and with the beginning of another one, as a process that was killed leaves it.
	before := contentsOf(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range before {
		if strings.HasSuffix(name, ".journal") {
			text += "\x10\x00"
		}
		before[name] = text
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j, err = Open(dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	s = store.New(store.Window{Events: 100, Bytes: 1 << 20})
	if err := s.Open(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	b := s.Bucket("things")
	if now := b.Now(); now.Count() != 2 || s.Revision() != rev || j.Err() != nil {
		t.Errorf("%d objects at %d of %d, %v", now.Count(), s.Revision(), rev, j.Err())
	}
	if _, err := s.Commit(context.Background(), store.Change{Bucket: b, Key: "a", Expect: -1}); !errors.Is(err, errReadOnly) {
		t.Errorf("a commit: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if after := contentsOf(t, dir); len(after) != len(before) {
		t.Errorf("there were %d files, and are %d", len(before), len(after))
	} else {
		for name := range before {
			if after[name] != before[name] {
				t.Errorf("%s has changed", name)
			}
		}
	}
	empty := t.TempDir()
	if _, err := Open(empty, Options{ReadOnly: true}); err == nil || err.Error() != "data folder "+empty+" has nothing to read" {
		t.Errorf("an empty folder: %v", err)
	}
}
